/* ui/cmd/files_show.h: what the commands that touch files tell of them. */
#ifndef UI_CMD_FILES_SHOW_H
#define UI_CMD_FILES_SHOW_H

#include "repo/checkout.h"
#include "repo/stage.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/repo_open.h"

void ui_files_add_names(cJSON *object, const char *key, const repo_names *names); /* an array of texts */
/* null when there is none: a detached HEAD, no commit yet. */
void ui_files_add_optional(cJSON *object, const char *key, const char *text);

/* "Staged 3 files." or {"model","files":[]}. verb: "Staged". */
void ui_files_told(ui_repo *r, const char *verb, const repo_names *files, bool json);
/* To err_out: files in the way, indented, the first twenty. */
void ui_files_list(ui_cli *cli, const char *heading, const repo_names *names);
/* To err_out, with the cure. `name`: as MODEL was given. */
void ui_files_warn_missing(ui_cli *cli, const char *name, size_t count, const char *first);
/* To err_out: links that lead out, and an overlay that could not go to another layer. */
void ui_files_warn_checkout(ui_cli *cli, const repo_checkout_report *report);

/* The words behind MODEL as paths; *paths NULL when there are none. Borrowed from a. */
size_t ui_files_paths(const ui_arguments *a, const char *const **paths);

#endif
