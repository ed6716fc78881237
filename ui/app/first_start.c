#define _GNU_SOURCE
#include "ui/app/first_start.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/demo.h"

enum { PROGRAM_PATH_MAX = 4096 };

/* From the folder of the program. A build folder lies two below the source tree. */
static const char *const places[] = {"../share/hyprstream/demo", "../../assets/demo"};

char *ui_demo_assets(const char *program)
{
    char *folder = file_parent(program), *found = NULL;
    for (size_t i = 0; !found && i < COUNT_OF(places); i++) {
        char *place = file_join(folder, places[i]), *config = file_join(place, "config.json");
        if (file_exists(config)) {
            found = place;
            place = NULL;
        }
        free(config);
        free(place);
    }
    free(folder);
    return found;
}

err ui_first_start(const settings *s, bool *made)
{
    char program[PROGRAM_PATH_MAX];
    *made = false;
    ssize_t size = readlink("/proc/self/exe", program, sizeof program - 1);
    if (size <= 0) return ERR_OK;
    program[size] = 0;
    char *assets = ui_demo_assets(program);
    if (!assets) return ERR_OK;
    char *models = file_expand_home(settings_text(s, "models.dir"), settings_borrow_folders(s)->home);
    env environment = env_of_process();
    repo_context context = {.settings = s, .environment = &environment};
    err e = repo_demo_install(&context, assets, models, made);
    free(assets);
    free(models);
    return e.code ? err_note(e, "make the demo model") : e;
}
