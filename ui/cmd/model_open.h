/* ui/cmd/model_open.h: MODEL of a command that runs it: name[:ref][+adapter[@scale]], or a path.
 *
 * A word that begins with /, ./, ../ or ~ is a path, anything else a name under the models folder. A folder
 * whose own name holds ':' or '+' is taken as it is written. */
#ifndef UI_CMD_MODEL_OPEN_H
#define UI_CMD_MODEL_OPEN_H

#include "engine/model.h"
#include "repo/modelref.h"
#include "ui/cmd/arguments.h"

typedef struct ui_model_word {
    repo_modelref said;
    char *folder; /* where the model lies */
    char *title;  /* "demo", "demo:v1" */
} ui_model_word;

/* ERR_NOT_FOUND with the nearest name; the errors of repo_modelref_parse. */
err ui_model_word_read(ui_cli *cli, const char *word, ui_model_word *out);
void ui_model_word_free(ui_model_word *word); /* a zeroed one is fine */
/* Its files at its ref; a warning about the ref goes to cli->err_out. */
err ui_model_word_open(ui_cli *cli, const ui_model_word *word, engine_files **out);

/* A model without weights: tokenizer, template, tensor headers; never opens libtorch. The caller's:
 * engine_model_free(). Adapters in the word are a slip: nothing here would use them. */
err ui_model_open_without_weights(ui_cli *cli, const char *word, engine_model **out);

/* --device, --dtype and --threads, else their settings, checked. The texts are borrowed from both. */
err ui_model_run_options(ui_cli *cli, const ui_arguments *a, engine_model_options *out);

#endif
