/* repo/worktree/overlay_shift.c: see the header. */
#define _GNU_SOURCE
#include "repo/worktree/overlay_shift.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/registry/models_internal.h"
#include "repo/worktree/layers.h"
#include "repo/worktree/overlay_internal.h"
#include "repo/worktree/worktree_internal.h"

enum { DEPTH_MAX = 256 };

typedef struct shifting {
    repo_apply *a;
    const repo_id *tree;
    repo_overlay old, next; /* next.folder: in .staging until they change places */
    repo_names dropped;     /* of the old upper: what the layer has now, or nobody; by name */
    repo_names absent;      /* deleted by the person, and to stay so */
    int lock;               /* of the overlay; -1: not held here */
} shifting;

static void shifting_free(shifting *s)
{
    repo_overlay_free(&s->old);
    repo_overlay_free(&s->next);
    repo_names_free(&s->dropped);
    repo_names_free(&s->absent);
    if (s->lock >= 0) close(s->lock);
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int step_order(const void *path, const void *step)
{
    return strcmp(path, ((const repo_step *)step)->path);
}

static const repo_step *step_of(const repo_plan *plan, const char *path)
{
    return plan->count ? bsearch(path, plan->steps, plan->count, sizeof *plan->steps, step_order) : NULL;
}

/* ---- is it worth it ---- */

static bool is_large(repo_apply *a, const repo_step *step)
{
    bool is_pointer = false;
    xet_pointer pointer;

    return step->to && !step->in_place && S_ISREG(step->to->mode) &&
           repo_attributes_tree_large(a->maker.attributes, step->path) &&
           !repo_blob_pointer(a->maker.r->git, &step->to->id, &is_pointer, &pointer).code && is_pointer &&
           xet_store_has(a->maker.r->store, pointer.oid, pointer.size);
}

/* Most worktrees are none: one look at git's folder of it. */
static bool is_worth_it(repo_apply *a, repo_overlay *found)
{
    const repo_handle *r = a->maker.r;
    char *driver = file_join(r->git_dir, DRIVER_FILE);
    bool ours = file_exists(driver) && r->context->settings, large = false;

    free(driver);
    for (size_t i = 0; ours && i < a->plan.count && !large; i++) large = is_large(a, &a->plan.steps[i]);
    if (!large) return false;
    char *models = repo_context_models_folder(r->context), *real_models = realpath(models, NULL);
    char *real = realpath(r->path, NULL);
    bool is = real && real_models && !repo_overlay_find(real_models, real, found).code &&
              repo_overlay_is_mounted(found);
    free(models);
    free(real_models);
    free(real);
    return is;
}

/* ---- the old upper ---- */

/* The mark that a file of the layer is deleted, as the kernel makes it and as fuse-overlayfs may. */
static bool is_whiteout(const char *name, const struct stat *info)
{
    return (S_ISCHR(info->st_mode) && info->st_rdev == 0) || text_starts_with(name, ".wh.");
}

typedef err (*upper_file)(shifting *s, int folder, const char *name, const char *path,
                          const struct stat *info);

/* Each file of a folder of the upper, which is closed. An empty folder that no layer has is the person's,
 * too. */
static err upper_walk(shifting *s, int folder, bytes *path, int depth, upper_file each)
{
    DIR *d = fdopendir(folder);
    struct dirent *entry;
    size_t size = path->size;
    err e = ERR_OK;

    if (!d) {
        close(folder);
        return err_errno("read %s", s->old.upper);
    }
    while (!e.code && (entry = readdir(d))) {
        struct stat info;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (fstatat(dirfd(d), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            e = err_errno("look at %s", entry->d_name);
        if (e.code || is_whiteout(entry->d_name, &info)) continue;
        bytes_printf(path, "%s%s", size ? "/" : "", entry->d_name);
        e = each(s, dirfd(d), entry->d_name, bytes_text(path), &info);
        if (!e.code && S_ISDIR(info.st_mode)) {
            int below = openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (below < 0 || depth >= DEPTH_MAX)
                e = below < 0 ? err_errno("open %s", bytes_text(path))
                              : err_make(ERR_LIMIT, "%s lies too deep", bytes_text(path));
            else
                e = upper_walk(s, below, path, depth + 1, each);
            if (below >= 0 && e.code == ERR_LIMIT && depth >= DEPTH_MAX) close(below);
        }
        path->size = size;
    }
    closedir(d);
    return e;
}

static err upper_each(shifting *s, upper_file each)
{
    CLEANUP(bytes_free) bytes path = {0};
    int fd = open(s->old.upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_errno("open %s", s->old.upper) : upper_walk(s, fd, &path, 0, each);
}

/* The target has a folder where the upper has a file (with force alone). */
static bool stands_in_the_way(const repo_plan *plan, const char *path)
{
    size_t size = strlen(path), low = 0, high = plan->target.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strncmp(plan->target.rows[middle].path, path, size);
        if (order == 0) order = (unsigned char)plan->target.rows[middle].path[size] - '/';
        if (order == 0) return true;
        *(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
    }
    return false;
}

/* While it is mounted: what of the upper goes. */
static err drop_find(shifting *s, int folder, const char *name, const char *path, const struct stat *info)
{
    const repo_tree_entry *row = repo_tree_find(&s->a->plan.target, path);
    repo_likeness likeness = REPO_CHANGED;
    err e = ERR_OK;

    (void)folder, (void)name;
    if (S_ISDIR(info->st_mode) || strcmp(path, ".git") == 0) return ERR_OK;
    bool goes = step_of(&s->a->plan, path) || stands_in_the_way(&s->a->plan, path);
    if (!goes && row) e = repo_compare_content(&s->a->comparer, path, &row->id, row->mode, info, &likeness);
    if (!e.code && (goes || likeness == REPO_SAME)) repo_names_add(&s->dropped, path);
    return e;
}

static err lists_make(shifting *s)
{
    const repo_plan *plan = &s->a->plan;

    err e = upper_each(s, drop_find);
    if (s->dropped.count) qsort(s->dropped.names, s->dropped.count, sizeof *s->dropped.names, by_text);
    for (size_t i = 0; i < plan->target.count && !e.code; i++) {
        const char *path = plan->target.rows[i].path;
        struct stat info;
        if (!step_of(plan, path) && !repo_beneath_look(&s->a->comparer.below, path, &info))
            repo_names_add(&s->absent, path);
    }
    return e;
}

/* ---- the new upper ---- */

/* Whatever the umask; that it is somebody else's needs privilege, and is tried. */
static err folder_like(const char *path, const struct stat *info)
{
    if (mkdir(path, info->st_mode & 07777) != 0) return errno == EEXIST ? ERR_OK : err_errno("make %s", path);
    if (chmod(path, info->st_mode & 07777) != 0 || lchown(path, info->st_uid, info->st_gid) != 0) errno = 0;
    return ERR_OK;
}

/* The folders above a file, as the old upper has them. */
static err folders_above(shifting *s, const char *path)
{
    char *folder = memory_text(path);
    err e = ERR_OK;

    for (char *slash = folder; !e.code && (slash = strchr(slash, '/')); *slash++ = '/') {
        struct stat info;
        *slash = 0;
        char *from = file_join(s->old.upper, folder), *to = file_join(s->next.upper, folder);
        e = lstat(from, &info) == 0 ? folder_like(to, &info) : err_errno("look at %s", from);
        free(from);
        free(to);
    }
    free(folder);
    return e;
}

static bool is_dropped(const shifting *s, const char *path)
{
    return s->dropped.count &&
           bsearch(&path, s->dropped.names, s->dropped.count, sizeof *s->dropped.names, by_text);
}

static bool is_empty_folder(int above, const char *name)
{
    int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    bool empty = d != NULL;

    if (!d && fd >= 0) close(fd);
    for (struct dirent *entry; d && empty && (entry = readdir(d));)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                text_starts_with(entry->d_name, ".wh.");
    if (d) closedir(d);
    return empty;
}

static bool layer_has(const repo_overlay *o, const char *path)
{
    char *full = file_join(o->lower, path);
    struct stat info;
    bool has = lstat(full, &info) == 0;
    free(full);
    return has;
}

/* Unmounted: the file under a second name, nothing is copied. Both uppers are ours alone now. */
static err keep(shifting *s, int folder, const char *name, const char *path, const struct stat *info)
{
    if (S_ISDIR(info->st_mode) && (!is_empty_folder(folder, name) || layer_has(&s->old, path))) return ERR_OK;
    if (is_dropped(s, path)) return ERR_OK;
    char *to = file_join(s->next.upper, path);
    err e = folders_above(s, path);
    if (!e.code && S_ISDIR(info->st_mode))
        e = folder_like(to, info);
    else if (!e.code && linkat(folder, name, AT_FDCWD, to, 0) != 0)
        e = err_errno("keep %s", path);
    free(to);
    return e;
}

/* Its lock is the old one's: who waits for it waits for ours. */
static err folders_make(shifting *s, const work_folder *work)
{
    char *lock = file_join(s->old.folder, "lock"), *next_lock = file_join(work->path, "lock");
    struct stat info;
    err e = ERR_OK;

    s->next.folder = memory_text(work->path);
    s->next.upper = file_join(work->path, "upper");
    s->next.work = file_join(work->path, "work");
    if (mkdir(s->next.upper, 0777) != 0 || mkdir(s->next.work, 0777) != 0 ||
        (link(lock, next_lock) != 0 && errno != ENOENT))
        e = err_errno("make %s", work->path);
    /* The root of the worktree looks as it did. */
    if (!e.code && stat(s->old.upper, &info) == 0) (void)chmod(s->next.upper, info.st_mode & 07777);
    free(lock);
    free(next_lock);
    return e;
}

/* ---- changing places ---- */

static err mount_at(repo_overlay *o)
{
    const overlay_paths paths = {o->lower, o->upper, o->work, o->path};
    return o->backend->mount(&paths);
}

static err exchange(const char *one, const char *other)
{
    if (renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) != 0)
        return err_errno("exchange %s", other);
    return ERR_OK;
}

/* In .staging there lies the old one now; its paths are the new one's. */
static void names_exchange(shifting *s)
{
    repo_overlay was = s->old;
    s->old.layer = s->next.layer, s->next.layer = was.layer;
    s->old.lower = s->next.lower, s->next.lower = was.lower;
}

static err shift_unmounted(shifting *s)
{
    CLEANUP(bytes_free) bytes kernel_work = {0};

    err e = upper_each(s, keep);
    if (!e.code) e = overlay_record_put(&s->next);
    if (!e.code) e = exchange(s->next.folder, s->old.folder);
    if (e.code) return e;
    names_exchange(s);
    e = mount_at(&s->old);
    if (e.code && !exchange(s->next.folder, s->old.folder).code) names_exchange(s);
    /* The old one's, or the new one's that could not be mounted; the kernel made it, mode 000. */
    bytes_printf(&kernel_work, "%s/work", s->next.work);
    (void)chmod(bytes_text(&kernel_work), 0700);
    return e;
}

/* Whatever happens it is mounted again, on one layer or the other. */
static err shift_now(shifting *s)
{
    err e = shift_unmounted(s);
    if (e.code) {
        err back = mount_at(&s->old);
        if (back.code) return err_note(back, "%s; and it cannot be mounted again", e.text);
    }
    return e;
}

/* ---- the layer ---- */

static void missing_give(repo_missing_list *from, repo_missing_list *to)
{
    for (size_t i = 0; i < from->count; i++) repo_missing_add(to, from->rows[i].path, &from->rows[i].pointer);
}

static err layer_find(shifting *s)
{
    repo_handle *r = s->a->maker.r;
    repo_checkout_report report = {0};
    repo_layer layer = {0};

    err e = repo_layer_get(s->old.models, r, s->tree, &layer, &report);
    if (!e.code) {
        s->next.layer = memory_text(layer.name);
        s->next.lower = memory_text(layer.path);
        missing_give(&report.missing, &s->a->maker.report->missing);
    }
    repo_layer_free(&layer);
    repo_checkout_report_free(&report);
    return e;
}

/* ERR_BUSY: somebody is in it. */
static err unmount(shifting *s)
{
    CLEANUP(bytes_free) bytes users = {0};

    if (s->old.backend->outlives_us) {
        err e = overlay_lock_take(&s->old, &s->lock);
        if (e.code) return e;
    }
    err e = s->old.backend->unmount(s->old.path, false);
    if (e.code != ERR_BUSY) return e;
    repo_mounts_users(s->old.path, &users);
    return err_make(ERR_BUSY, "%s is in use%s%.200s", s->old.path, users.size ? " by " : "",
                    bytes_text(&users));
}

static err shift_files(shifting *s)
{
    work_folder work = {.fd = -1};
    repo_apply *a = s->a;
    bool unmounted = false;

    s->next.models = memory_text(s->old.models);
    s->next.path = memory_text(s->old.path);
    s->next.git_dir = memory_text(s->old.git_dir);
    s->next.tree = *s->tree;
    s->next.backend = s->old.backend;
    repo_boot_id(s->next.boot);
    err e = layer_find(s);
    if (!e.code) e = lists_make(s);
    if (!e.code) e = work_begin(s->old.models, STAGING_FOLDER, &(work_note){.kind = "overlay"}, &work);
    if (!e.code) e = folders_make(s, &work);
    if (!e.code) {
        repo_comparer_close(&a->comparer); /* it has the folder open */
        e = unmount(s);
        unmounted = !e.code;
    }
    if (unmounted) e = shift_now(s);
    work_end(&work);
    if (a->comparer.below.root < 0) {
        err again = repo_comparer_open(a->maker.r, &a->comparer);
        if (again.code) return again;
    }
    return e;
}

/* ---- afterwards ---- */

/* What was deleted stays so; what is clean has the stamps of another layer's files. */
static err worktree_settle(shifting *s)
{
    repo_apply *a = s->a;
    err e = ERR_OK;

    for (size_t i = 0; i < s->absent.count && !e.code; i++)
        e = repo_beneath_remove(&a->comparer.below, s->absent.names[i]);
    for (size_t i = 0; i < a->plan.target.count && !e.code; i++) {
        const repo_tree_entry *row = &a->plan.target.rows[i];
        const git_index_entry *entry = git_index_get_bypath(a->plan.index, row->path, GIT_INDEX_STAGE_NORMAL);
        struct stat info;
        if (!entry || entry->mode != row->mode || !git_oid_equal(&entry->id, &row->id) ||
            step_of(&a->plan, row->path) || !layer_has(&s->old, row->path) ||
            !repo_beneath_look(&a->comparer.below, row->path, &info))
            continue;
        char *above = file_join(s->old.upper, row->path);
        bool is_changed = lstat(above, &(struct stat){0}) == 0;
        free(above);
        if (is_changed) continue;
        git_index_entry fresh = repo_index_entry(row, &info);
        e = repo_git_check(git_index_add(a->plan.index, &fresh), row->path);
    }
    return e;
}

static void stays_say(shifting *s, err why)
{
    repo_checkout_report *report = s->a->maker.report;
    bytes text = {0};

    bytes_printf(&text, "%s: it stays on its layer, and large files are copied", why.text);
    free(report->stays);
    report->stays = bytes_take(&text);
}

err repo_overlay_shift(repo_apply *a, const repo_id *tree, bool *shifted)
{
    CLEANUP(shifting_free) shifting s = {.a = a, .tree = tree, .lock = -1};
    const repo_context *c = a->maker.r->context;
    int layers = -1;

    *shifted = false;
    err e = repo_attributes_of_tree(a->maker.r, &a->plan.target, &a->maker.attributes);
    if (e.code || !is_worth_it(a, &s.old)) return e;
    e = repo_layers_lock(c, s.old.models, &layers);
    if (!e.code) e = shift_files(&s);
    if (layers >= 0) close(layers); /* the record is in its place: the layer is in use */
    if (e.code == ERR_CANCELLED) return e;
    if (e.code) {
        stays_say(&s, e);
        return a->comparer.below.root < 0 ? e : ERR_OK;
    }
    *shifted = true;
    for (size_t i = 0; i < a->plan.count; i++) a->maker.report->files_written += a->plan.steps[i].to != NULL;
    return worktree_settle(&s);
}
