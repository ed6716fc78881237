/* ui/view/workstation_local.c: the workstation over the engine worker of this process. */
#include "base/settings.h"
#include "ui/app/local_source.h"
#include "ui/view/workstation.h"

err ui_workstation_run(ui_cli *cli)
{
    const settings *s = cli->settings;
    const env environment = env_of_process();
    const repo_context context = {.settings = s, .environment = &environment};
    ui_local_options how = {.context = &context,
                            .device = settings_text(s, "run.device"),
                            .dtype = settings_text(s, "run.dtype"),
                            .threads = (int)settings_integer(s, "run.threads")};
    ui_local_source *local = NULL;

    err e = ui_local_source_new(&how, &local);
    if (e.code) return e;
    ui_workstation_parts parts = {cli->settings, ui_local_source_as_source(local),
                                  ui_local_source_as_loader(local), ui_local_source_fd(local),
                                  cli->interrupted};
    e = ui_workstation_run_on(&parts);
    ui_local_source_free(local);
    return e;
}
