/* base/folders.h: where things are kept, after the XDG base directory specification.
 *
 * Found once at start and handed down. The models folder is a setting of its own: "models.dir"
 * (base/settings.h), whose default lies under `data`. Nothing is created here. */
#ifndef BASE_FOLDERS_H
#define BASE_FOLDERS_H

#include "base/env.h"
#include "base/err.h"

typedef struct folders {
    char *home;   /* the person's */
    char *config; /* $XDG_CONFIG_HOME/hyprstream, and so on */
    char *data;
    char *state;
    char *cache;
} folders;

/* ERR_USAGE when neither HOME nor the system's list of users tells a home folder. */
err folders_find(const env *e, folders *out);
void folders_free(folders *f); /* a zeroed one is fine */

#endif
