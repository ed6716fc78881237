/* ui/cmd/repo_open.h: a command's way into repositories: settings, progress on a terminal, questions. */
#ifndef UI_CMD_REPO_OPEN_H
#define UI_CMD_REPO_OPEN_H

#include "repo/registry/models.h"
#include "ui/cmd/command.h"

/* Lives as long as the command; what is opened with it borrows `context`. */
typedef struct ui_repo {
    ui_cli *cli;
    env environment;
    repo_context context;
    repo_models *models; /* NULL until it is needed */
    repo_handle *handle; /* of MODEL; NULL: the command has none */
    char *name;          /* what to call the model: its name, or the path as it was given */
    /* The progress line. */
    double began, shown_at, phase_began;
    repo_phase phase;
    bool line_open; /* a line of progress stands on the terminal */
} ui_repo;

/* Context alone. *out must not move afterwards. */
void ui_repo_begin(ui_cli *cli, ui_repo *out);
/* The models folder too, healed. */
err ui_repo_begin_models(ui_cli *cli, ui_repo *out);
/* And the repository of MODEL: a name, or a path. ERR_NOT_FOUND with the nearest name. */
err ui_repo_begin_model(ui_cli *cli, const char *word, ui_repo *out);
/* The same for who only looks: nothing is made that is not there. */
err ui_repo_look_at_model(ui_cli *cli, const char *word, ui_repo *out);
/* `demo` is asked for before the workstation was ever started: it is put into the models folder as the first
 * start would, which a line on cli->err_out says. Another name, or a folder that has models: nothing. */
err ui_repo_put_demo(ui_cli *cli, const char *name);
void ui_repo_line_end(ui_repo *r); /* take the line of progress away, before something is printed */
void ui_repo_end(ui_repo *r);      /* ends the line of progress; a zeroed one is fine */

/* A yes or no on the terminal; ERR_USAGE "say --force" when nobody is there; ERR_CANCELLED for a no. */
err ui_repo_confirm(ui_repo *r, const char *question, const char *force_option);

/* What was done to which branch or tag (`kind`), and where it stands or stood; no hex: not told. */
void ui_repo_told_ref(const ui_repo *r, const char *kind, const char *sentence, const char *name,
                      const repo_id *commit, bool json);

#endif
