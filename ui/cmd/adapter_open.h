/* ui/cmd/adapter_open.h: a model with its adapters, as the verbs of `adapter` and `stack` need it. */
#ifndef UI_CMD_ADAPTER_OPEN_H
#define UI_CMD_ADAPTER_OPEN_H

#include "engine/adapter_file.h"
#include "ui/app/adapter_files.h"
#include "ui/app/chat_store.h"
#include "ui/app/stack_file.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/model_open.h"

typedef struct ui_adapter_work {
    ui_cli *cli;
    const ui_arguments *a;
    ui_model_word word;
    engine_files *files; /* at the ref that was named */
    engine_spec *spec;   /* of the base; NULL until ui_adapter_spec */
    ui_adapter_list list;
    ui_stack_list chosen; /* what the workstation uses */
    bool json;
} ui_adapter_work;

/* The list has the workstation's choice in it. */
err ui_adapter_work_open(ui_cli *cli, const ui_arguments *a, ui_adapter_work *out);
void ui_adapter_work_close(ui_adapter_work *w); /* a zeroed one is fine */
err ui_adapter_spec(ui_adapter_work *w);        /* reads config.json once */
/* ERR_USAGE: a ref or adapters were named, where only what is checked out can change. */
err ui_adapter_changeable(const ui_adapter_work *w);
/* One of its adapters by name, checked against the base; free it. */
err ui_adapter_file_of(ui_adapter_work *w, const char *word, ui_adapter_row **row, engine_adapter_file **out);
/* "name@0.7": cuts the scale off a copy, which is the caller's. */
err ui_adapter_word_read(const char *word, char **name, double *scale);

/* Keep the choice for the workstation's next start. */
err ui_adapter_choice_keep(ui_adapter_work *w, const ui_stack_list *list);

enum { UI_ADAPTER_PATHS_MAX = 2 * UI_ADAPTER_FILES_MAX }; /* of one that moved: those of before and after */

/* What was done to files of the model, told as a sentence or as JSON; and with --commit committed. */
typedef struct ui_adapter_done {
    const char *key, *value;  /* of the JSON beside model and files: "adapter", "07_style" */
    const char *sentence;     /* "Added 07_style (rank 16, 196 modules)" */
    const char *subject;      /* of the commit: "Add the adapter 07_style" */
    const char *const *paths; /* those that are there no more were removed */
    size_t path_count;        /* UI_ADAPTER_PATHS_MAX at most */
    cJSON *more;              /* taken; its members are put into the JSON. NULL */
} ui_adapter_done;
/* Tells, and commits first when that was asked for. ERR_STATE: HEAD is on no branch; the errors of a
 * checkpoint. */
err ui_adapter_tell(ui_adapter_work *w, const ui_adapter_done *done);

/* -- the verbs, each in the words of `adapter --help`; their words were counted
 * --------------------------------- */

err ui_adapter_create(ui_adapter_work *w);   /* NAME: one that changes nothing yet, to train or to look at */
err ui_adapter_add(ui_adapter_work *w);      /* PATH, byte for byte */
err ui_adapter_import(ui_adapter_work *w);   /* PATH, written anew where PEFT would not read it */
err ui_adapter_export(ui_adapter_work *w);   /* NAME FOLDER, as --for wants it */
err ui_adapter_save(ui_adapter_work *w);     /* NAME: what is on, as one adapter */
err ui_adapter_rename(ui_adapter_work *w);   /* NAME NEW; ERR_CONFLICT: a stack names it */
err ui_adapter_renumber(ui_adapter_work *w); /* NAME NUMBER; likewise */
err ui_adapter_remove(ui_adapter_work *w);   /* NAME; likewise without --force */
err ui_adapter_combine(ui_adapter_work *w);  /* NEW NAME[@WEIGHT]... */
err ui_adapter_merge(ui_adapter_work *w);    /* NAME[@SCALE]..., --branch or --to */
err ui_adapter_inspect(ui_adapter_work *w);  /* NAME: norms and effective ranks by module */
err ui_adapter_diff(ui_adapter_work *w);     /* NAME NAME: configs, norms, cosines */

#endif
