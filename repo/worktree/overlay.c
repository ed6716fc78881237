/* repo/worktree/overlay.c: make an overlay for a worktree, measure it, take it away. */
#define _GNU_SOURCE
#include "repo/worktree/overlay.h"

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
#include "repo/handle_internal.h"
#include "repo/registry/models_internal.h"
#include "repo/registry/operation.h"
#include "repo/worktree/layers.h"
#include "repo/worktree/overlay_internal.h"

enum { LINK_BYTES_MAX = 8192, DEPTH_MAX = 256, BLOCK_BYTES = 512 };

/* ---- making ---- */

/* upper, work and the record in .staging, then all at once in its place: a kill leaves no half of it. */
static err folders_make(repo_overlay *o)
{
    work_folder work = {.fd = -1};
    repo_overlay staged = *o;
    char *all = file_parent(o->folder);

    err e = file_make_folders(all);
    if (!e.code) e = work_begin(o->models, STAGING_FOLDER, &(work_note){.kind = "overlay"}, &work);
    free(all);
    if (e.code) return e;
    staged.folder = work.path;
    staged.upper = file_join(work.path, "upper");
    staged.work = file_join(work.path, "work");
    if (mkdir(staged.upper, 0777) != 0 || mkdir(staged.work, 0777) != 0) e = err_errno("make %s", work.path);
    if (!e.code) e = overlay_record_put(&staged);
    if (!e.code && rename(work.path, o->folder) != 0) e = err_errno("make %s", o->folder);
    work_end(&work);
    free(staged.upper);
    free(staged.work);
    return e;
}

/* The `.git` file from one folder to the other; they may lie on two file systems. */
static err link_move(const char *from_folder, const char *to_folder)
{
    CLEANUP(bytes_free) bytes text = {0};
    char *from = file_join(from_folder, ".git"), *to = file_join(to_folder, ".git");
    err e = ERR_OK;

    if (rename(from, to) != 0) {
        e = file_read(from, LINK_BYTES_MAX, &text);
        if (!e.code) e = file_write(to, bytes_borrow(&text));
        if (!e.code && unlink(from) != 0) e = err_errno("remove %s", from);
    }
    free(from);
    free(to);
    return e;
}

/* Under the lock of the layers: from the record on, the layer is in use. */
static err stand(const repo_overlay_order *order, repo_handle *r, repo_overlay *o,
                 repo_checkout_report *report)
{
    repo_layer layer = {0};
    char nonce[17];

    err e = repo_layer_get(order->models, r, order->tree, &layer, report);
    if (e.code) return e;
    repo_nonce_make(nonce);
    overlay_paths_fill(o, order->models, nonce);
    o->layer = memory_text(layer.name);
    o->lower = memory_text(layer.path);
    o->path = memory_text(order->path);
    o->git_dir = memory_text(order->git_dir);
    o->tree = *order->tree;
    o->backend = order->backend;
    repo_boot_id(o->boot);
    repo_layer_free(&layer);
    return folders_make(o);
}

err repo_overlay_make(const repo_overlay_order *order, repo_handle *r, repo_overlay *out,
                      repo_checkout_report *report)
{
    const repo_context *c = r->context;
    repo_overlay o = {0};
    bool moved = false;
    int lock = -1;

    *report = (repo_checkout_report){0};
    err e = repo_layers_config(r);
    if (!e.code) e = repo_layers_lock(c, order->models, &lock);
    if (e.code) return e;
    e = stand(order, r, &o, report);
    close(lock);
    if (!e.code) e = link_move(o.path, o.upper);
    moved = !e.code;
    if (!e.code) e = repo_overlay_mount(&o, c);
    if (!e.code) {
        *out = o;
        return e;
    }
    if (moved) (void)link_move(o.upper, o.path);
    if (o.folder) (void)overlay_discard(&o);
    repo_overlay_free(&o);
    return e;
}

/* ---- removing ---- */

/* Out of sight first: half an upper would be taken for one with changes. */
err overlay_discard(const repo_overlay *o)
{
    CLEANUP(bytes_free) bytes work = {0};

    if (!file_is_folder(o->folder)) return ERR_OK;
    bytes_printf(&work, "%s/work", o->work);
    (void)chmod(bytes_text(&work), 0700); /* the kernel's own, mode 000 */
    return repo_trash(o->models, o->folder);
}

static void used_add(void *context, repo_overlay *o) { repo_names_add(context, o->layer); }

static err layers_prune(const repo_overlay *o, const repo_context *c)
{
    repo_names used = {0};
    int lock = -1;

    err e = repo_layers_lock(c, o->models, &lock);
    if (e.code) return e;
    repo_overlay_each(o->models, used_add, &used);
    e = repo_layers_prune(o->models, &used, LAYERS_KEPT_BYTES, NULL);
    close(lock);
    repo_names_free(&used);
    return e;
}

err repo_overlay_remove(repo_overlay *o, const repo_context *c, bool force)
{
    int lock = -1;

    err e = repo_overlay_unmount(o, force);
    /* Not even by force: a namespace that we do not see would go on writing into what is deleted. */
    if (!e.code && file_is_folder(o->folder)) e = overlay_lock_take(o, &lock);
    if (!e.code) e = overlay_discard(o);
    if (lock >= 0) close(lock);
    /* The worktree is gone; a layer too much is the next removal's. */
    if (!e.code && layers_prune(o, c).code) errno = 0;
    return e;
}

/* ---- measuring ---- */

typedef struct measure {
    bool blocks; /* else sizes */
    int skip;    /* folder whose entries hide those of the same path; -1: none */
} measure;

/* Over files of `folder`, which is closed. An entry of what lies above hides ours, or goes on as a folder. */
static uint64_t measured(int folder, measure m, int depth)
{
    DIR *d = fdopendir(folder);
    struct dirent *entry;
    uint64_t total = 0;

    if (!d) {
        close(folder);
        return 0;
    }
    while ((entry = readdir(d))) {
        struct stat info, above;
        measure inside = {m.blocks, -1};
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (fstatat(dirfd(d), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        bool hidden = m.skip >= 0 && fstatat(m.skip, entry->d_name, &above, AT_SYMLINK_NOFOLLOW) == 0;
        if (hidden && !(S_ISDIR(info.st_mode) && S_ISDIR(above.st_mode))) continue;
        if (m.blocks) total += (uint64_t)info.st_blocks * BLOCK_BYTES;
        bool is_link_file = depth == 0 && strcmp(entry->d_name, ".git") == 0;
        if (!m.blocks && S_ISREG(info.st_mode) && !is_link_file) total += (uint64_t)info.st_size;
        if (!S_ISDIR(info.st_mode) || depth >= DEPTH_MAX) continue;
        int below = openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below < 0) continue; /* work/work, which only the kernel enters */
        if (hidden)
            inside.skip = openat(m.skip, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        total += measured(below, inside, depth + 1);
        if (inside.skip >= 0) close(inside.skip);
    }
    closedir(d);
    return total;
}

static int folder_open(const char *path) { return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

uint64_t repo_overlay_bytes_used(const repo_overlay *o)
{
    int fd = folder_open(o->folder);
    return fd < 0 ? 0 : measured(fd, (measure){true, -1}, 0);
}

uint64_t repo_overlay_bytes_apparent(const repo_overlay *o)
{
    uint64_t total = 0;
    int upper = folder_open(o->upper), lower = folder_open(o->lower);

    if (lower >= 0) total += measured(lower, (measure){false, upper}, 0);
    if (upper >= 0) total += measured(upper, (measure){false, -1}, 0);
    return total;
}
