#include "repo/gc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "repo/gate.h"
#include "repo/gc_internal.h"
#include "repo/net/git_program.h"
#include "repo/unlock.h"

enum { DAY_SECONDS = 86400 };

typedef struct sweep {
    repo_handle *r;
    const gc_reach *reach;
    int64_t young; /* objects from here on stay */
    repo_names oids;
    repo_names parts; /* paths of half-made files */
    repo_gc_report *report;
} sweep;

/* ---- what could go ---- */

static bool object_look(void *context, const char *oid, uint64_t size)
{
    sweep *s = context;
    struct stat info;
    unsigned char key[32];
    char *path = xet_store_path(s->r->store, oid);
    bool is_young = stat(path, &info) == 0 && info.st_mtim.tv_sec >= s->young;

    gc_oid_bytes(oid, key);
    if (is_young || key_set_has(&s->reach->needed, key)) {
        s->report->kept++;
        s->report->kept_bytes += size;
    } else {
        s->report->objects++;
        s->report->bytes += size;
        repo_names_add(&s->oids, oid);
    }
    free(path);
    return true;
}

/* Downloads that nobody resumed and writers that died. */
static void parts_look(sweep *s, const char *name, int64_t before)
{
    char *folder = file_join(xet_store_borrow_folder(s->r->store), name);
    file_list names = {0};

    if (file_list_folder(folder, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count; i++) {
        struct stat info;
        char *path = file_join(folder, names.names[i]);
        if (lstat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_mtim.tv_sec < before) {
            s->report->objects++;
            s->report->bytes += (uint64_t)info.st_size;
            repo_names_add(&s->parts, path);
        }
        free(path);
    }
    file_list_free(&names);
    free(folder);
}

/* ---- removing ---- */

static err objects_remove(sweep *s)
{
    repo_progress progress = {.phase = REPO_LARGE_FILES, .total = s->oids.count};
    err e = ERR_OK;

    for (size_t i = 0; i < s->oids.count && !e.code; i++, progress.done++) {
        e = xet_store_remove(s->r->store, s->oids.names[i]);
        if (!e.code) s->report->removed++;
        if (!e.code && !repo_watch_tell(&s->r->context->watch, &progress))
            e = err_make(ERR_CANCELLED, "gc was cancelled: %zu of %zu objects are removed",
                         s->report->removed, s->report->objects);
    }
    for (size_t i = 0; i < s->parts.count && !e.code; i++) {
        if (unlink(s->parts.names[i]) == 0)
            s->report->removed++;
        else
            e = err_errno("remove %s", s->parts.names[i]);
    }
    return e;
}

/* git packs its own. What it would expire by its own rules (reflogs, worktrees that are not mounted) stays.
 */
static err git_objects_pack(repo_handle *r, int days, bool *ran)
{
    char prune[64];
    const char *const arguments[] = {"-c",  "gc.reflogExpire=never",
                                     "-c",  "gc.reflogExpireUnreachable=never",
                                     "-c",  "gc.worktreePruneExpire=never",
                                     "gc",  "--quiet",
                                     prune, NULL};

    snprintf(prune, sizeof prune, "--prune=%d.days.ago", days);
    *ran = !repo_git_program_check(r->context).code;
    if (!*ran) return ERR_OK;
    int64_t began = clock_unix_seconds();
    err e = repo_git_program_run(r->context, r->common_dir, arguments, NULL, NULL);
    /* It may have been killed inside, and what was locked since is not our own: we hold the gate. */
    if (e.code) repo_locks_of_the_dead(r->common_dir, r->path, began);
    return e;
}

/* lfs.storage may be one place for many repositories: what those need cannot be known here. */
static bool store_is_shared(const repo_handle *r)
{
    char *store = realpath(xet_store_borrow_folder(r->store), NULL), *own = realpath(r->common_dir, NULL);
    size_t size = own ? strlen(own) : 0;
    bool is = store && own && (strncmp(store, own, size) != 0 || store[size] != '/');
    free(store);
    free(own);
    return is;
}

static err sweep_run(sweep *s, const repo_gc_options *options)
{
    int64_t now = clock_unix_seconds();

    s->report->store_is_shared = store_is_shared(s->r);
    if (s->report->store_is_shared)
        return options->dry_run ? ERR_OK : git_objects_pack(s->r, options->prune_days, &s->report->git_ran);
    s->young = options->prune_days ? now - REPO_GC_YOUNG_SECONDS : INT64_MAX;
    err e = xet_store_each(s->r->store, object_look, s);
    int64_t before = now - (int64_t)options->prune_days * DAY_SECONDS;
    parts_look(s, "tmp", before);
    parts_look(s, "incomplete", before);
    if (e.code || options->dry_run) return e;
    e = objects_remove(s);
    return e.code ? e : git_objects_pack(s->r, options->prune_days, &s->report->git_ran);
}

err repo_gc(repo_handle *r, const repo_gc_options *options, repo_gc_report *out)
{
    repo_gate *gate = NULL;
    gc_reach reach = {.r = r, .since = clock_unix_seconds() - (int64_t)options->prune_days * DAY_SECONDS};
    sweep s = {.r = r, .reach = &reach, .report = out};

    *out = (repo_gc_report){0};
    err e = repo_gate_enter(r, "gc", &gate);
    if (e.code) return e;
    e = gc_reach_all(&reach);
    if (!e.code) e = sweep_run(&s, options);
    repo_names_free(&s.oids);
    repo_names_free(&s.parts);
    gc_reach_free(&reach);
    repo_gate_leave(gate);
    return e;
}
