/* repo/worktree/namespace.c: the user and mount namespace of the userns backend.
 *
 * A mount made by a helper is gone with the helper and never seen by who started it. So the program itself
 * goes inside, at its start, before there is a thread, and only when it is asked to. The person stays who
 * they are: user and group are mapped to themselves. What is mounted then is seen by us and our children
 * alone. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "repo/worktree/worktree_internal.h"

/* "mnt:[4026532281]" of the namespace that we made: for us and for what we start, also when that is us. */
#define NAMESPACE_VARIABLE "HYPRSTREAM_NAMESPACE"

enum { NAME_BYTES_MAX = 64 };

static bool namespace_name(char out[NAME_BYTES_MAX])
{
    ssize_t size = readlink("/proc/self/ns/mnt", out, NAME_BYTES_MAX - 1);
    out[size > 0 ? size : 0] = 0;
    return size > 0;
}

bool overlay_in_own_namespace(void)
{
    const char *ours = getenv(NAMESPACE_VARIABLE);
    char name[NAME_BYTES_MAX];
    return ours && namespace_name(name) && strcmp(ours, name) == 0;
}

void overlay_maps_make(overlay_maps *out)
{
    snprintf(out->users, sizeof out->users, "%lu %lu 1\n", (unsigned long)geteuid(),
             (unsigned long)geteuid());
    snprintf(out->groups, sizeof out->groups, "%lu %lu 1\n", (unsigned long)getegid(),
             (unsigned long)getegid());
}

static int put(const char *path, const char *text)
{
    size_t size = strlen(text);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    int reason = write(fd, text, size) == (ssize_t)size ? 0 : errno;
    close(fd);
    return reason;
}

int overlay_unshare(const overlay_maps *maps)
{
    int reason = 0;

    if (unshare(CLONE_NEWNS | (maps ? CLONE_NEWUSER : 0)) != 0) return errno;
    if (maps) {
        reason = put("/proc/self/setgroups", "deny\n");
        if (reason == ENOENT) reason = 0; /* a kernel before 3.19 */
        if (!reason) reason = put("/proc/self/uid_map", maps->users);
        if (!reason) reason = put("/proc/self/gid_map", maps->groups);
    }
    /* Nothing that is mounted here is seen outside, and nothing new from outside here. */
    if (!reason && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) reason = errno;
    return reason;
}

static bool is_asked(const repo_context *c)
{
    const overlay_backend *backend = worktree_backend_asked(c);
    return backend && strcmp(backend->name, "userns") == 0;
}

static size_t thread_count(void)
{
    file_list tasks = {0};
    size_t count = file_list_folder("/proc/self/task", &tasks).code ? 1 : tasks.count;
    file_list_free(&tasks);
    return count;
}

/* In a child first: one that is half inside could neither go on nor back. */
static int tried(const overlay_maps *maps)
{
    int status = 0;
    pid_t child = fork();
    if (child < 0) return errno;
    if (child == 0) _exit(overlay_unshare(maps) & 0xff);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

err repo_worktree_enter_namespace(const repo_context *c)
{
    char name[NAME_BYTES_MAX];
    overlay_maps maps;

    if (!is_asked(c) || overlay_in_own_namespace()) return ERR_OK;
    if (thread_count() > 1)
        return err_make(ERR_STATE, "a namespace can be entered only before there are threads");
    overlay_maps_make(&maps);
    int reason = tried(&maps);
    if (!reason) reason = overlay_unshare(&maps);
    if (reason) return err_make(ERR_UNSUPPORTED, "enter a user namespace: %s", strerror(reason));
    if (namespace_name(name)) setenv(NAMESPACE_VARIABLE, name, 1);
    return ERR_OK;
}
