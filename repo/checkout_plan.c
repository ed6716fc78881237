#define _GNU_SOURCE
#include "repo/checkout_plan_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- paths ---- */

static bool holds(const char *folder, const char *path)
{
    while (strncmp(folder, "./", 2) == 0) folder += 2;
    size_t size = strlen(folder);
    while (size && folder[size - 1] == '/') size--;
    if (!size || (size == 1 && *folder == '.')) return true;
    return strncmp(folder, path, size) == 0 && (path[size] == 0 || path[size] == '/');
}

bool repo_paths_hold(const char *const *paths, size_t count, const char *path)
{
    for (size_t i = 0; paths && i < count; i++)
        if (holds(paths[i], path)) return true;
    return !paths;
}

static int by_name(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

err repo_twins_check(repo_handle *r, const repo_tree_list *tree)
{
    git_config *config = NULL;
    int ignores = 0;
    err e = ERR_OK;

    if (git_repository_config_snapshot(&config, r->git) == 0)
        git_config_get_bool(&ignores, config, "core.ignorecase");
    git_config_free(config);
    if (!ignores || !tree->count) return ERR_OK;
    const char **names = memory_resize_array(NULL, tree->count, sizeof *names);
    for (size_t i = 0; i < tree->count; i++) names[i] = tree->rows[i].path;
    qsort(names, tree->count, sizeof *names, by_name);
    for (size_t i = 1; i < tree->count && !e.code; i++)
        if (strcasecmp(names[i - 1], names[i]) == 0)
            e = err_make(ERR_UNSUPPORTED,
                         "'%.150s' and '%.150s' are one name on this file system: nothing was written",
                         names[i - 1], names[i]);
    free(names);
    return e;
}

/* ---- steps ---- */

typedef struct planner {
    repo_comparer *c;
    const repo_checkout_options *options;
    repo_plan *plan;
    repo_checkout_report *report;
    size_t capacity;
} planner;

static void step_add(planner *p, repo_step step)
{
    repo_plan *plan = p->plan;
    if (plan->count == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 32;
        plan->steps = memory_resize_array(plan->steps, p->capacity, sizeof *plan->steps);
    }
    plan->to_write = plan->to_write || (step.to && !step.in_place);
    plan->steps[plan->count++] = step;
}

static bool same_entry(const repo_tree_entry *a, const repo_tree_entry *b)
{
    return a && b ? a->mode == b->mode && git_oid_equal(&a->id, &b->id) : a == b;
}

static bool index_is(const git_index_entry *entry, const repo_tree_entry *row)
{
    return entry && row ? entry->mode == row->mode && git_oid_equal(&entry->id, &row->id) : !entry && !row;
}

/* The file here is already what the target wants. */
static err already(planner *p, const repo_tree_entry *to, const struct stat *info, bool *so)
{
    repo_likeness likeness = REPO_CHANGED;
    *so = false;
    if (!to || !info->st_mode) return ERR_OK;
    err e = repo_compare_content(p->c, to->path, &to->id, to->mode, info, &likeness);
    *so = likeness == REPO_SAME;
    return e;
}

/* What lies at a path that the index does not know. */
static err untracked(planner *p, const repo_tree_entry *to, bool *in_place, bool *in_the_way)
{
    struct stat info = {0};

    if (!repo_beneath_look(&p->c->below, to->path, &info) || S_ISDIR(info.st_mode)) return ERR_OK;
    err e = already(p, to, &info, in_place);
    *in_the_way = !*in_place;
    return e;
}

/* A small file that a checkout made in place of a link that led outside. */
static bool is_link_as_file(planner *p, const git_index_entry *entry, const struct stat *info)
{
    repo_likeness likeness = REPO_CHANGED;
    return entry->mode == GIT_FILEMODE_LINK && S_ISREG(info->st_mode) &&
           !repo_compare_content(p->c, entry->path, &entry->id, GIT_FILEMODE_BLOB, info, &likeness).code &&
           likeness == REPO_SAME;
}

static err tracked(planner *p, const git_index_entry *entry, const repo_tree_entry *to, bool *in_place,
                   bool *in_the_way)
{
    repo_likeness likeness = REPO_CHANGED;
    struct stat info;
    bool read;

    err e = repo_compare(p->c, entry, &likeness, &info, &read);
    if (e.code || likeness == REPO_ABSENT) return e;
    if (likeness == REPO_SAME) {
        *in_place = index_is(entry, to);
        return ERR_OK;
    }
    /* What a submodule has checked out is its own matter, as for git: its folder stays as it is. */
    if (entry->mode == GIT_FILEMODE_COMMIT && S_ISDIR(info.st_mode)) return ERR_OK;
    if (!S_ISDIR(info.st_mode)) e = already(p, to, &info, in_place);
    *in_the_way = !*in_place && !is_link_as_file(p, entry, &info);
    return e;
}

/* One path: what HEAD, the target and the index say of it; any may be NULL. */
static err path_plan(planner *p, const char *path, const repo_tree_entry *from, const repo_tree_entry *to,
                     const git_index_entry *entry)
{
    bool force = p->options->force, some = p->options->paths != NULL, in_place = false, in_the_way = false;

    if (!repo_paths_hold(p->options->paths, p->options->path_count, path)) return ERR_OK;
    if (some && !to && !from) return ERR_OK;
    if (!force && !some && (same_entry(from, to) || index_is(entry, to))) return ERR_OK;
    if (!to && !entry) return ERR_OK;

    err e = entry ? tracked(p, entry, to, &in_place, &in_the_way) : untracked(p, to, &in_place, &in_the_way);
    if (e.code) return e;
    /* Staged here, and neither what HEAD has nor what is wanted. */
    if (!index_is(entry, from) && !index_is(entry, to) && (entry || from))
        in_the_way = in_the_way || !in_place;
    if (in_place && index_is(entry, to)) return ERR_OK;
    if (in_the_way) repo_names_add(&p->report->in_the_way, path);
    step_add(p, (repo_step){.path = path, .to = to, .in_place = in_place});
    return ERR_OK;
}

/* ---- three lists at once ---- */

static const char *least(const char *a, const char *b) { return !a || (b && strcmp(b, a) < 0) ? b : a; }

static const repo_tree_entry *at(const repo_tree_list *list, size_t i, const char *path)
{
    return i < list->count && strcmp(list->rows[i].path, path) == 0 ? &list->rows[i] : NULL;
}

static err all_paths(planner *p)
{
    repo_plan *plan = p->plan;
    size_t h = 0, t = 0, x = 0, entries = git_index_entrycount(plan->index);

    for (;;) {
        const git_index_entry *entry = x < entries ? git_index_get_byindex(plan->index, x) : NULL;
        const char *path = least(least(h < plan->head.count ? plan->head.rows[h].path : NULL,
                                       t < plan->target.count ? plan->target.rows[t].path : NULL),
                                 entry ? entry->path : NULL);
        if (!path) return ERR_OK;
        const repo_tree_entry *from = at(&plan->head, h, path), *to = at(&plan->target, t, path);
        if (entry && strcmp(entry->path, path) != 0) entry = NULL;
        const char *name = to ? to->path : from ? from->path : entry->path;
        err e = path_plan(p, name, from, to, entry);
        if (e.code) return e;
        h += from != NULL;
        t += to != NULL;
        /* An unmerged path has up to three entries. */
        for (; x < entries; x++)
            if (strcmp(git_index_get_byindex(plan->index, x)->path, name) != 0) break;
    }
}

/* ---- what stands between files and their folders ---- */

static bool goes(const repo_plan *plan, const char *path)
{
    for (size_t i = 0; i < plan->count; i++)
        if (!plan->steps[i].to && strcmp(plan->steps[i].path, path) == 0) return true;
    return false;
}

/* The first thing below a folder that no step takes away; false: it will be empty. */
static bool stays_below(const planner *p, int parent, const char *name, const char *path, unsigned depth,
                        bytes *found)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    bool stays = false;

    if (!dir) {
        if (fd >= 0) close(fd);
        bytes_append_text(found, path);
        return true;
    }
    for (struct dirent *d; !stays && (d = readdir(dir));) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) continue;
        CLEANUP(bytes_free) bytes below = {0};
        struct stat info;
        bytes_printf(&below, "%s/%s", path, d->d_name);
        if (fstatat(dirfd(dir), d->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode) &&
            depth < REPO_PATH_DEPTH_MAX)
            stays = stays_below(p, dirfd(dir), d->d_name, bytes_text(&below), depth + 1, found);
        else if (!goes(p->plan, bytes_text(&below))) {
            bytes_append_text(found, bytes_text(&below));
            stays = true;
        }
    }
    closedir(dir);
    return stays;
}

/* A folder where the target has a file: nothing of it may be lost, not even with force. */
static bool folder_in_the_way(planner *p, const repo_step *step)
{
    CLEANUP(bytes_free) bytes found = {0};
    const char *name = NULL;
    struct stat info;
    int fd = -1;

    if (step->to->mode == GIT_FILEMODE_COMMIT || !repo_beneath_look(&p->c->below, step->path, &info) ||
        !S_ISDIR(info.st_mode) || repo_beneath_parent(&p->c->below, step->path, false, &fd, &name).code)
        return false;
    if (!stays_below(p, fd, name, step->path, 0, &found)) return false;
    repo_names_add(&p->report->in_the_way, bytes_text(&found));
    return true;
}

/* A file or link where the target has a folder: one that git does not know is the person's. */
static void file_in_the_way(planner *p, const repo_step *step)
{
    char *folder = memory_text(step->path);
    bool found = false;

    for (char *slash = folder; !found && (slash = strchr(slash, '/')); slash++) {
        struct stat info;
        *slash = 0;
        found = repo_beneath_look(&p->c->below, folder, &info) && !S_ISDIR(info.st_mode);
        found = found && !goes(p->plan, folder);
        if (found) repo_names_add(&p->report->in_the_way, folder);
        *slash = '/';
    }
    free(folder);
}

/* ---- the plan ---- */

err repo_plan_ways_check(repo_comparer *c, repo_plan *plan, const repo_checkout_options *options,
                         repo_checkout_report *report)
{
    planner p = {.c = c, .options = options, .plan = plan, .report = report};
    bool lost = false;

    for (size_t i = 0; i < plan->count; i++) {
        const repo_step *step = &plan->steps[i];
        if (!step->to || step->in_place) continue;
        if (folder_in_the_way(&p, step)) lost = true;
        file_in_the_way(&p, step);
    }
    if (!lost && (!report->in_the_way.count || options->force)) return ERR_OK;
    size_t count = report->in_the_way.count;
    return err_make(ERR_CONFLICT, "%zu file%s would be overwritten, %s first: nothing was changed", count,
                    count == 1 ? "" : "s", report->in_the_way.names[lost ? count - 1 : 0]);
}

err repo_plan_make(repo_comparer *c, const git_oid *tree, const repo_checkout_options *options,
                   repo_plan *out, repo_checkout_report *report)
{
    planner p = {.c = c, .options = options, .plan = out, .report = report};
    repo_handle *r = c->r;

    *out = (repo_plan){0};
    err e = repo_tree_read(r, tree, &out->target);
    if (!e.code) e = repo_tree_read_head(r, &out->head);
    if (!e.code) e = repo_twins_check(r, &out->target);
    if (!e.code) e = repo_git_check(git_repository_index(&out->index, r->git), "read the index");
    if (!e.code) e = repo_git_check(git_index_read(out->index, 0), "read the index");
    if (!e.code && !options->force && !options->paths && git_index_has_conflicts(out->index))
        e = err_make(ERR_CONFLICT, "there are unmerged files: finish or abort the merge first");
    if (!e.code) e = all_paths(&p);
    return e.code ? e : repo_plan_ways_check(c, out, options, report);
}

void repo_plan_free(repo_plan *plan)
{
    free(plan->steps);
    git_index_free(plan->index);
    repo_tree_list_free(&plan->head);
    repo_tree_list_free(&plan->target);
    *plan = (repo_plan){0};
}
