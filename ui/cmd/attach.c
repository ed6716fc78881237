#include "base/settings.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/train_watch.h"

static err attach_run(ui_cli *cli, const ui_arguments *a)
{
    ui_run_store *store = NULL;
    ui_run_list one = {0};
    ui_watch_options how = {.json = ui_arguments_has(a, "json")};

    err e = ui_run_store_open(settings_borrow_folders(cli->settings)->state, &store);
    if (!e.code) e = ui_run_store_find(store, a->word_count ? a->words[0] : "last", &one);
    ui_run_store_free(store);
    if (!e.code) e = ui_watch(cli, one.rows[0].id, &how);
    ui_run_list_free(&one);
    return e;
}

const ui_command ui_cmd_attach = {
    .name = "attach",
    .group = "adapters",
    .args = "[RUN]",
    .help = "Watch a run that trains; Ctrl-C leaves it alone",
    .words_min = 0,
    .words_max = 1,
    .options = {ui_options_all},
    .cancels = true,
    .run = attach_run,
};
