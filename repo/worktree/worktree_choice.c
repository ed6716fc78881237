/* repo/worktree/worktree_choice.c: which driver: what is asked for, else the first that can be had. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/worktree/worktree_internal.h"

const worktree_driver worktree_drivers[] = {
    {"reflink", NULL, false, true, worktree_reflink_probe, worktree_reflink_create, NULL, NULL, NULL,
     worktree_files_measure},
    {"overlay2", "overlayfs", true, true, worktree_overlay_probe, worktree_overlay_create,
     worktree_overlay_mount, worktree_overlay_unmount, worktree_overlay_remove, worktree_overlay_measure},
    {"hardlink", NULL, false, false, worktree_hardlink_probe, worktree_hardlink_create, NULL, NULL, NULL,
     worktree_files_measure},
    {"vfs", "none", false, true, worktree_vfs_probe, worktree_vfs_create, NULL, NULL, NULL,
     worktree_files_measure},
    {0},
};

const worktree_driver *worktree_driver_find(const char *name)
{
    for (const worktree_driver *d = worktree_drivers; name && d->name; d++)
        if (strcasecmp(d->name, name) == 0 || (d->alias && strcasecmp(d->alias, name) == 0)) return d;
    return NULL;
}

/* ---- what is asked for ---- */

#define DRIVERS_VALID  "auto, reflink, overlay2 (overlayfs), hardlink, vfs (none)"
#define BACKENDS_VALID "auto, kernel, fuse, userns"

/* The same thing under the names that people have given it; the first that is set counts. */
typedef struct names {
    const char *single, *twice, *setting;
} names;
static const names driver_names = {"GIT2DB_WORKTREE_DRIVER", "GIT2DB__WORKTREE__DRIVER", "worktree.driver"};
static const names backend_names = {"GIT2DB_OVERLAY_BACKEND", "GIT2DB__WORKTREE__FORCE_BACKEND",
                                    "worktree.overlay2.backend"};

typedef struct said {
    const char *value, *place; /* value NULL: nothing is said */
} said;

static said look(const repo_context *c, const char *option, const names *n)
{
    if (option) return (said){option, "the option"};
    const char *value = env_get(c->environment, n->single);
    if (value) return (said){value, n->single};
    value = env_get(c->environment, n->twice);
    if (value) return (said){value, n->twice};
    value = c->settings ? settings_text(c->settings, n->setting) : "";
    if (!*value || strcmp(settings_source(c->settings, n->setting), "default") == 0) return (said){0};
    return (said){value, n->setting};
}

static bool is_auto(const said *s) { return !s->value || strcasecmp(s->value, "auto") == 0; }

static err driver_read(const said *s, const worktree_driver **out)
{
    *out = is_auto(s) ? NULL : worktree_driver_find(s->value);
    if (*out || is_auto(s)) return ERR_OK;
    return err_make(ERR_USAGE, "%s says '%.40s', which is no driver of worktrees: %s", s->place, s->value,
                    DRIVERS_VALID);
}

static err backend_read(const said *s, const overlay_backend **out)
{
    *out = is_auto(s) ? NULL : overlay_backend_find(s->value);
    if (*out || is_auto(s)) return ERR_OK;
    return err_make(ERR_USAGE, "%s says '%.40s', which is no backend of overlay2: %s", s->place, s->value,
                    BACKENDS_VALID);
}

const overlay_backend *worktree_backend_asked(const repo_context *c)
{
    const said s = look(c, NULL, &backend_names);
    return is_auto(&s) ? NULL : overlay_backend_find(s.value);
}

static bool may_fall_back(const repo_context *c)
{
    const char *value = env_get(c->environment, "GIT2DB__WORKTREE__FALLBACK");
    if (value)
        return strcmp(value, "1") == 0 || strcasecmp(value, "true") == 0 || strcasecmp(value, "yes") == 0;
    return c->settings && settings_bool(c->settings, "worktree.fallback");
}

/* ---- what can be had ---- */

/* userns is never chosen unasked: what it mounts is seen by us alone. */
static err backend_choose(const worktree_site *site, const worktree_driver *driver,
                          const overlay_backend *asked, worktree_choice *out)
{
    CLEANUP(bytes_free) bytes reasons = {0};

    for (const overlay_backend *b = overlay_backends; b->name; b++) {
        if (asked ? b != asked : !b->outlives_us) continue;
        err e = driver->probe(site, b);
        if (!e.code) {
            *out = (worktree_choice){.driver = driver, .backend = b};
            return ERR_OK;
        }
        bytes_printf(&reasons, "%s%s: %s", reasons.size ? "; " : "", b->name, e.text);
    }
    return err_make(ERR_UNSUPPORTED, "%.420s", bytes_text(&reasons));
}

static err driver_choose(const worktree_site *site, const worktree_driver *driver,
                         const overlay_backend *backend, worktree_choice *out)
{
    if (driver->has_backends) return backend_choose(site, driver, backend, out);
    err e = driver->probe(site, NULL);
    if (!e.code) *out = (worktree_choice){.driver = driver};
    return e;
}

static err auto_choose(const worktree_site *site, const overlay_backend *backend,
                       const worktree_driver *not_this, worktree_choice *out)
{
    err e = ERR_OK;
    for (const worktree_driver *d = worktree_drivers; d->name; d++) {
        if (!d->by_auto || d == not_this) continue;
        e = driver_choose(site, d, backend, out);
        if (!e.code) return e;
    }
    return e;
}

err worktree_choose(const worktree_site *site, const char *driver_option, const char *backend_option,
                    worktree_choice *out)
{
    const said driver_said = look(site->c, driver_option, &driver_names);
    const said backend_said = look(site->c, backend_option, &backend_names);
    const worktree_driver *driver;
    const overlay_backend *backend;

    err e = driver_read(&driver_said, &driver);
    if (!e.code) e = backend_read(&backend_said, &backend);
    if (e.code) return e;
    if (!driver_said.value && backend) driver = worktree_driver_find("overlay2");
    if (backend_option && driver && !driver->has_backends)
        return err_make(ERR_USAGE, "the driver %s has no backends", driver->name);
    if (!driver) return auto_choose(site, backend, NULL, out);
    e = driver_choose(site, driver, backend, out);
    if (!e.code || e.code != ERR_UNSUPPORTED) return e;
    e = err_note(e, "the driver %s cannot be had here", driver->name);
    if (!may_fall_back(site->c)) return e;
    err other = auto_choose(site, NULL, driver, out);
    out->warning = e;
    log_write(site->c->log, LOG_WARNING, "%s; %s is taken", e.text, out->driver ? out->driver->name : "none");
    return other;
}

/* ---- for doctor ---- */

static void probe_add(repo_driver_probe **rows, size_t *count, const char *driver, const char *backend, err e)
{
    repo_driver_probe row = {.driver = driver, .backend = backend, .available = !e.code};
    snprintf(row.reason, sizeof row.reason, "%.*s", (int)sizeof row.reason - 1, e.code ? e.text : "");
    *rows = memory_resize_array(*rows, *count + 1, sizeof **rows);
    (*rows)[(*count)++] = row;
}

err repo_worktree_probe(const char *folder, repo_driver_probe **rows, size_t *count)
{
    const worktree_site site = {.models = folder, .store = folder, .path = folder};

    *rows = NULL;
    *count = 0;
    if (!file_is_folder(folder)) return err_make(ERR_NOT_FOUND, "%s is no folder", folder);
    for (const worktree_driver *d = worktree_drivers; d->name; d++) {
        if (!d->has_backends) probe_add(rows, count, d->name, NULL, d->probe(&site, NULL));
        for (const overlay_backend *b = overlay_backends; d->has_backends && b->name; b++)
            probe_add(rows, count, d->name, b->name, d->probe(&site, b));
    }
    return ERR_OK;
}
