/* ui/cmd/model_open.h: from the word MODEL and the options of a command line to a model. */
#ifndef UI_CMD_MODEL_OPEN_H
#define UI_CMD_MODEL_OPEN_H

#include "engine/model.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/command.h"

/* The folder that MODEL stands for: a path (it begins with /, ./, ../ or ~), a name under the models folder,
 * or a folder's relative path that holds a '/'. *path is the caller's: free(). ERR_NOT_FOUND tells the
 * nearest name. */
err ui_model_path(ui_cli *cli, const char *word, char **path);

/* Text files and tensor headers only: never opens libtorch. The caller's: engine_model_free(). */
err ui_model_open_without_weights(ui_cli *cli, const char *word, engine_model **out);

/* The files of MODEL, the caller's: engine_files_free(). */
err ui_model_files(ui_cli *cli, const char *word, engine_files **out);

/* --device, --dtype and --threads, else their settings, checked. The texts are borrowed from both. */
err ui_model_run_options(ui_cli *cli, const ui_arguments *a, engine_model_options *out);

#endif
