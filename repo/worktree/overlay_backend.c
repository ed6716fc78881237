/* repo/worktree/overlay_backend.c: mount and unmount, by the kernel and by fuse-overlayfs. */
#define _GNU_SOURCE
#include "repo/worktree/overlay_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "repo/worktree/mounts.h"

enum {
    OPTION_BYTES_MAX = 4095, /* of mount(2): one page */
    FUSE_MS_MAX = 20000,     /* of fuse-overlayfs to start */
    FUSE_SHOWN_MS_MAX = 5000,
    POLL_MS = 5,
    WORDS_BYTES_MAX = 4096,
};

/* ---- options ---- */

static void escaped(bytes *out, const char *path)
{
    for (const char *p = path; *p; p++) {
        if (*p == ',' || *p == ':' || *p == '\\') bytes_append_byte(out, '\\');
        bytes_append_byte(out, *p);
    }
}

err overlay_options(const overlay_paths *paths, bool user, bytes *out)
{
    bytes_clear(out);
    bytes_append_text(out, "lowerdir=");
    escaped(out, paths->lower);
    bytes_append_text(out, ",upperdir=");
    escaped(out, paths->upper);
    bytes_append_text(out, ",workdir=");
    escaped(out, paths->work);
    /* Said although most are defaults, which a distribution may turn round: a layer is never more than its
     * files, and what is changed is whole in the upper. */
    bytes_append_text(out, ",index=off,metacopy=off");
    bytes_append_text(out, user ? ",userxattr" : ",redirect_dir=off");
    if (out->size > OPTION_BYTES_MAX)
        return err_make(ERR_LIMIT, "the path of the models folder is too long for an overlay");
    return ERR_OK;
}

/* ---- mount(2) ---- */

static err kernel_mount_as(const overlay_paths *paths, bool user)
{
    CLEANUP(bytes_free) bytes options = {0};

    err e = overlay_options(paths, user, &options);
    if (e.code) return e;
    if (mount("overlay", paths->point, "overlay", MS_NODEV | MS_NOSUID, bytes_text(&options)) != 0)
        return err_errno("mount an overlay at %s", paths->point);
    return ERR_OK;
}

static err kernel_mount(const overlay_paths *paths) { return kernel_mount_as(paths, false); }

static err kernel_unmount(const char *point, bool detach)
{
    int status = umount2(point, UMOUNT_NOFOLLOW);
    if (status != 0 && errno == EBUSY && detach) status = umount2(point, UMOUNT_NOFOLLOW | MNT_DETACH);
    if (status == 0) return ERR_OK;
    if (errno == EBUSY) return err_make(ERR_BUSY, "%s is in use", point);
    if (errno == EPERM) return err_make(ERR_DENIED, "only root may unmount %s", point);
    return err_errno("unmount %s", point);
}

static bool can_mount(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

    if (syscall(SYS_capget, &header, data) != 0) return false;
    return data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
}

static err kernel_quick(void)
{
    if (overlay_in_own_namespace())
        return err_make(ERR_UNSUPPORTED, "this program is in a namespace of its own: use userns");
    if (!can_mount())
        return err_make(ERR_UNSUPPORTED, "needs root (CAP_SYS_ADMIN): use fuse, or userns with "
                                         "GIT2DB_OVERLAY_BACKEND=userns");
    return ERR_OK;
}

static err kernel_probe(const char *folder)
{
    err e = kernel_quick();
    return e.code ? e : overlay_probe_in_child(folder, false);
}

/* ---- userns ---- */

static err outside(void)
{
    return err_make(ERR_STATE, "a userns overlay is mounted in a namespace that the program enters when it "
                               "starts: set GIT2DB_OVERLAY_BACKEND=userns");
}

static err userns_mount(const overlay_paths *paths)
{
    return overlay_in_own_namespace() ? kernel_mount_as(paths, true) : outside();
}

static err userns_unmount(const char *point, bool detach)
{
    return overlay_in_own_namespace() ? kernel_unmount(point, detach) : outside();
}

static err userns_probe(const char *folder)
{
    return overlay_probe_in_child(folder, !overlay_in_own_namespace());
}

/* ---- fuse ---- */

/* Its last line: warnings come before. */
static err words_of(const char *program, bytes *words, int status)
{
    while (words->size && words->data[words->size - 1] == '\n') words->data[--words->size] = 0;
    const char *line = strrchr(bytes_text(words), '\n');
    line = line ? line + 1 : bytes_text(words);
    if (text_starts_with(line, program)) line += strlen(program) + (line[strlen(program)] == ':');
    while (*line == ' ') line++;
    if (!*line) return err_make(ERR_IO, "%s ended with status %d", program, status);
    return err_make(ERR_IO, "%s: %s", program, line);
}

static err program_run(const char *const *argv, const char *folder)
{
    CLEANUP(bytes_free) bytes output = {0}, words = {0};
    int status = 0;
    const process_options options = {
        .argv = argv, .folder = folder, .input = PROCESS_NULL, .output = PROCESS_PIPE, .error = PROCESS_PIPE};

    err e = process_run(&options, (bytes_view){0}, WORDS_BYTES_MAX, FUSE_MS_MAX, &output, &words, &status);
    return !e.code && status ? words_of(argv[0], &words, status) : e;
}

/* The way from the folder of the upper, so that the option holds no sign of the user's path. But a ':' comes
 * back: the program makes its paths absolute and then splits them. */
static err fuse_options(const overlay_paths *paths, const char *folder, bytes *out)
{
    size_t shared = 0;

    if (strchr(paths->lower, ':') || strchr(folder, ':'))
        return err_make(ERR_UNSUPPORTED, "fuse-overlayfs cannot work in a folder with ':' in its name: %s",
                        folder);
    for (size_t i = 0; folder[i] && folder[i] == paths->lower[i]; i++)
        if (folder[i] == '/') shared = i + 1;
    bytes_append_text(out, "lowerdir=");
    for (const char *p = folder + shared; *p; p++)
        if (p == folder + shared || p[-1] == '/') bytes_append_text(out, "../");
    bytes_append_text(out, paths->lower + shared);
    bytes_append_text(out, ",upperdir=upper,workdir=work");
    return ERR_OK;
}

/* It goes into the background when it is mounted; a slow machine may show it a little later. */
static err fuse_wait(const char *point)
{
    double end = clock_seconds() + FUSE_SHOWN_MS_MAX / 1000.0;
    while (!repo_mounts_is(point)) {
        struct timespec time = {0, POLL_MS * 1000000L};
        if (clock_seconds() > end)
            return err_make(ERR_IO, "fuse-overlayfs did not mount %s in %d s", point,
                            FUSE_SHOWN_MS_MAX / 1000);
        nanosleep(&time, NULL);
    }
    return ERR_OK;
}

static err fuse_mount(const overlay_paths *paths)
{
    CLEANUP(bytes_free) bytes options = {0};
    char *folder = file_parent(paths->upper);

    err e = fuse_options(paths, folder, &options);
    const char *const argv[] = {"fuse-overlayfs", "-o", bytes_text(&options), paths->point, NULL};
    if (!e.code) e = program_run(argv, folder);
    if (!e.code) e = fuse_wait(paths->point);
    free(folder);
    return e;
}

static err fusermount(const char *program, const char *point, bool detach)
{
    const char *const argv[] = {program, detach ? "-uz" : "-u", "--", point, NULL};
    return program_run(argv, NULL);
}

static err fuse_unmount(const char *point, bool detach)
{
    err e = fusermount("fusermount3", point, false);
    if (e.code == ERR_NOT_FOUND) e = fusermount("fusermount", point, false);
    if (e.code && detach && repo_mounts_is(point)) {
        e = fusermount("fusermount3", point, true);
        if (e.code == ERR_NOT_FOUND) e = fusermount("fusermount", point, true);
    }
    /* fusermount wants a line of /etc/mtab, which a namespace may not show; root needs no help. */
    if (e.code && can_mount() && repo_mounts_is(point)) return kernel_unmount(point, detach);
    if (!repo_mounts_is(point)) return ERR_OK;
    if (e.code && strstr(e.text, "busy")) return err_make(ERR_BUSY, "%s is in use", point);
    return e;
}

static err fuse_device(void)
{
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        bool absent = errno == ENOENT || errno == ENODEV || errno == ENXIO;
        return err_make(ERR_UNSUPPORTED, "/dev/fuse: %s%s", strerror(errno),
                        absent ? "" : ": ask for access to it, or use GIT2DB_WORKTREE_DRIVER=vfs");
    }
    close(fd);
    return ERR_OK;
}

static err fuse_probe(const char *folder)
{
    CLEANUP(bytes_free) bytes lower = {0}, upper = {0}, work = {0}, point = {0};

    err e = fuse_device();
    if (e.code) return e;
    bytes_printf(&lower, "%s/lower", folder), bytes_printf(&upper, "%s/upper", folder);
    bytes_printf(&work, "%s/work", folder), bytes_printf(&point, "%s/point", folder);
    const overlay_paths paths = {bytes_text(&lower), bytes_text(&upper), bytes_text(&work),
                                 bytes_text(&point)};
    e = fuse_mount(&paths);
    if (e.code == ERR_NOT_FOUND)
        return err_make(ERR_UNSUPPORTED, "fuse-overlayfs is not installed: install it");
    if (!e.code) {
        e = overlay_probe_write(paths.point);
        err end = fuse_unmount(paths.point, true);
        if (!e.code) e = end;
    }
    return e.code ? err_make(ERR_UNSUPPORTED, "%s", e.text) : e;
}

/* ---- the table ---- */

const overlay_backend overlay_backends[] = {
    {"kernel", true, "overlay", kernel_quick, kernel_mount, kernel_unmount, kernel_probe},
    {"fuse", true, "fuse.fuse-overlayfs", fuse_device, fuse_mount, fuse_unmount, fuse_probe},
    {"userns", false, "overlay", NULL, userns_mount, userns_unmount, userns_probe},
    {0},
};

const overlay_backend *overlay_backend_find(const char *name)
{
    for (const overlay_backend *b = overlay_backends; name && b->name; b++)
        if (strcasecmp(b->name, name) == 0) return b;
    return NULL;
}
