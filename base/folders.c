#define _GNU_SOURCE
#include "base/folders.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/file.h"

static char *home_find(const env *e)
{
    const char *named = env_get(e, "HOME");
    if (named && named[0] == '/') return memory_text(named);
    struct passwd entry, *found = NULL;
    char room[4096];
    if (getpwuid_r(getuid(), &entry, room, sizeof room, &found) != 0 || !found || !found->pw_dir) return NULL;
    return found->pw_dir[0] == '/' ? memory_text(found->pw_dir) : NULL;
}

/* A relative path in an XDG variable is to be ignored, says the specification. */
static char *folder_find(const env *e, const char *variable, const char *home, const char *fallback)
{
    const char *named = env_get(e, variable);
    bytes path = {0};
    if (named && named[0] == '/')
        bytes_printf(&path, "%s/hyprstream", named);
    else
        bytes_printf(&path, "%s/%s/hyprstream", home, fallback);
    return bytes_take(&path);
}

err folders_find(const env *e, folders *out)
{
    char *home = home_find(e);
    if (!home) return err_make(ERR_USAGE, "no home folder: set HOME to an absolute path");
    *out = (folders){
        .home = home,
        .config = folder_find(e, "XDG_CONFIG_HOME", home, ".config"),
        .data = folder_find(e, "XDG_DATA_HOME", home, ".local/share"),
        .state = folder_find(e, "XDG_STATE_HOME", home, ".local/state"),
        .cache = folder_find(e, "XDG_CACHE_HOME", home, ".cache"),
    };
    return ERR_OK;
}

void folders_free(folders *f)
{
    free(f->home);
    free(f->config);
    free(f->data);
    free(f->state);
    free(f->cache);
    *f = (folders){0};
}
