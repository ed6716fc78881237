/* repo/worktree/overlay_probe.c: can an overlay be mounted here? Tried, not guessed.
 *
 * mount(2) is tried in a child with mounts of its own: a kill in the middle leaves nothing mounted, and a
 * user namespace must never be entered by a program that only asks (with threads it cannot, without them it
 * would really be moved). Between fork and _exit only system calls are made: there may be threads. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "repo/registry/models_internal.h"
#include "repo/worktree/mounts.h"
#include "repo/worktree/overlay_backend.h"

/* ---- the child ---- */

typedef struct probe {
    const char *options, *point, *file;
    bool user;
    overlay_maps maps;
} probe;

typedef struct answer {
    int step, reason;
} answer;

enum { STEP_UNSHARE, STEP_MOUNT, STEP_WRITE, STEP_UNMOUNT, STEP_COUNT };

static answer try(const probe *p)
{
    int reason = overlay_unshare(p->user ? &p->maps : NULL);
    if (reason) return (answer){STEP_UNSHARE, reason};
    if (mount("overlay", p->point, "overlay", MS_NODEV | MS_NOSUID, p->options) != 0)
        return (answer){STEP_MOUNT, errno};
    int fd = open(p->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1) return (answer){STEP_WRITE, errno};
    close(fd);
    if (unlink(p->file) != 0) return (answer){STEP_WRITE, errno};
    if (umount2(p->point, 0) != 0) return (answer){STEP_UNMOUNT, errno};
    return (answer){STEP_COUNT, 0};
}

static err asked(const probe *p, answer *out)
{
    int ends[2], status;

    if (pipe2(ends, O_CLOEXEC) != 0) return err_errno("make a pipe");
    pid_t child = fork();
    if (child == 0) {
        /* It may outlive us by a moment, and must not hold our locks then. */
        int pipe_end = dup2(ends[1], STDERR_FILENO + 1);
        (void)close_range(STDERR_FILENO + 2, ~0u, 0);
        answer a = try(p);
        _exit(write(pipe_end, &a, sizeof a) == sizeof a ? 0 : 1);
    }
    int reason = errno;
    close(ends[1]);
    ssize_t size = child < 0 ? -1 : read(ends[0], out, sizeof *out);
    close(ends[0]);
    if (child < 0) return err_make(ERR_IO, "fork: %s", strerror(reason));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return size == sizeof *out ? ERR_OK : err_make(ERR_IO, "the probe of overlays was killed");
}

static err words(const probe *p, const answer *a)
{
    const char *why = strerror(a->reason);

    if (a->step == STEP_COUNT) return ERR_OK;
    if (a->step == STEP_UNSHARE && p->user)
        return err_make(ERR_UNSUPPORTED,
                        "this system allows no user namespace (%s): see user.max_user_namespaces, "
                        "kernel.unprivileged_userns_clone",
                        why);
    if (a->step == STEP_MOUNT && a->reason == ENODEV)
        return err_make(ERR_UNSUPPORTED, "this kernel has no overlay file system");
    if (a->step == STEP_MOUNT && p->user && a->reason == EPERM)
        return err_make(ERR_UNSUPPORTED,
                        "this kernel mounts no overlay in a user namespace (5.11 is needed)");
    if (a->step == STEP_MOUNT && (a->reason == EINVAL || a->reason == EOPNOTSUPP))
        return err_make(ERR_UNSUPPORTED,
                        "this file system cannot hold an overlay (%s): it lacks extended "
                        "attributes, or is an overlay itself",
                        why);
    static const char *const steps[] = {"enter a namespace", "mount", "write", "unmount"};
    return err_make(ERR_UNSUPPORTED, "%s: %s", steps[a->step], why);
}

err overlay_probe_in_child(const char *folder, bool user)
{
    CLEANUP(bytes_free) bytes options = {0}, lower = {0}, upper = {0}, work = {0}, point = {0}, file = {0};
    answer a;

    bytes_printf(&lower, "%s/lower", folder), bytes_printf(&upper, "%s/upper", folder);
    bytes_printf(&work, "%s/work", folder), bytes_printf(&point, "%s/point", folder);
    bytes_printf(&file, "%s/point/file", folder);
    const overlay_paths paths = {bytes_text(&lower), bytes_text(&upper), bytes_text(&work),
                                 bytes_text(&point)};
    err e = overlay_options(&paths, user || overlay_in_own_namespace(), &options);
    probe p = {bytes_text(&options), paths.point, bytes_text(&file), user, {{0}}};
    overlay_maps_make(&p.maps);
    if (!e.code) e = asked(&p, &a);
    return e.code ? e : words(&p, &a);
}

err overlay_probe_write(const char *point)
{
    char *path = file_join(point, "file");
    err e = ERR_OK;

    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1) e = err_errno("write in the overlay");
    if (fd >= 0) close(fd);
    if (!e.code && unlink(path) != 0) e = err_errno("delete in the overlay");
    free(path);
    return e;
}

/* ---- the scratch folder ---- */

err overlay_folder_remove(const char *folder)
{
    CLEANUP(bytes_free) bytes work = {0};
    bytes_printf(&work, "%s/work/work", folder);
    (void)chmod(bytes_text(&work), 0700);
    return file_remove_tree(folder);
}

static err scratch_fill(const char *folder)
{
    static const char *const names[] = {"lower", "upper", "work", "point"};
    err e = ERR_OK;

    for (size_t i = 0; i < COUNT_OF(names) && !e.code; i++) {
        char *path = file_join(folder, names[i]);
        if (mkdir(path, 0700) != 0) e = err_errno("make %s", path);
        free(path);
    }
    return e;
}

/* An overlay of this backend that is mounted here just now has answered the question. */
static bool is_proven(const overlay_backend *backend, const char *models)
{
    CLEANUP(repo_mounts_free) repo_mounts list = {0};
    CLEANUP(bytes_free) bytes ours = {0};
    bool is = false;

    if (!backend->quick || backend->quick().code) return false;
    bytes_printf(&ours, "%s/.worktrees/", models);
    repo_mounts_read(&list);
    for (size_t i = 0; i < list.count && !is; i++)
        is = text_starts_with(list.rows[i].path, bytes_text(&ours)) &&
             strcmp(list.rows[i].type, backend->type) == 0;
    return is;
}

/* In .staging, with a note: what a kill leaves is deleted at the next start. */
err overlay_backend_probe(const overlay_backend *backend, const char *folder)
{
    work_folder work = {.fd = -1};

    if (is_proven(backend, folder)) return ERR_OK;
    err e = work_begin(folder, STAGING_FOLDER, &(work_note){.kind = PROBE_KIND, .brief = true}, &work);
    if (e.code) return e;
    e = scratch_fill(work.path);
    if (!e.code) e = backend->probe(work.path);
    (void)overlay_folder_remove(work.path);
    work_end(&work);
    return e;
}
