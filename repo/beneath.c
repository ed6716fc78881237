#define _GNU_SOURCE
#include "repo/beneath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"

/* ---- names ---- */

/* Code points that HFS+ leaves out when it compares names, as UTF-8. */
static size_t hfs_ignored(const unsigned char *s, size_t size)
{
    if (size < 3) return 0;
    if (s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf) return 3;
    if (s[0] != 0xe2) return 0;
    if (s[1] == 0x80 && ((s[2] >= 0x8c && s[2] <= 0x8f) || (s[2] >= 0xaa && s[2] <= 0xae))) return 3;
    return s[1] == 0x81 && s[2] >= 0xaa && s[2] <= 0xaf ? 3 : 0;
}

static bool is_hfs_git(const char *name, size_t size)
{
    char plain[5] = "";
    size_t count = 0;

    for (size_t i = 0; i < size;) {
        size_t skip = hfs_ignored((const unsigned char *)name + i, size - i);
        if (skip) {
            i += skip;
            continue;
        }
        if (count == sizeof plain - 1) return false;
        plain[count++] = name[i++];
    }
    return count == 4 && strncasecmp(plain, ".git", 4) == 0;
}

/* NTFS: short names, trailing dots and blanks, streams (":..."), '\\' as a separator. */
static bool is_ntfs_git(const char *name, size_t size)
{
    static const char *const starts[] = {".git", "git~1"};

    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        size_t at = strlen(starts[i]);
        if (size < at || strncasecmp(name, starts[i], at) != 0) continue;
        while (at < size && (name[at] == '.' || name[at] == ' ')) at++;
        if (at == size || name[at] == ':' || name[at] == '\\') return true;
    }
    return false;
}

static const char *part_refusal(const char *name, size_t size)
{
    if (size == 1 && name[0] == '.') return "is '.'";
    if (size == 2 && memcmp(name, "..", 2) == 0) return "is '..'";
    if (is_hfs_git(name, size) || is_ntfs_git(name, size)) return "would be git's own folder";
    return NULL;
}

const char *repo_name_refusal(const char *name, size_t size)
{
    if (!size) return "is empty";
    if (size > NAME_MAX) return "is too long";
    if (memchr(name, '/', size) || memchr(name, 0, size)) return "has a byte that no name may have";
    const char *why = part_refusal(name, size);
    /* What another system would read as a path must not be one that leads to .git there. */
    for (const char *slash = name; !why && (slash = memchr(slash, '\\', size - (size_t)(slash - name)));) {
        slash++;
        why = part_refusal(slash, size - (size_t)(slash - name));
    }
    return why;
}

const char *repo_path_refusal(const char *path)
{
    size_t depth = 0;

    if (strlen(path) > REPO_PATH_BYTES_MAX) return "is too long";
    for (;;) {
        size_t size = strcspn(path, "/");
        const char *why = repo_name_refusal(path, size);
        if (why) return why;
        if (++depth > REPO_PATH_DEPTH_MAX) return "is too deep";
        if (!path[size]) return NULL;
        path += size + 1;
    }
}

/* ---- folders ---- */

err repo_beneath_open(const char *folder, repo_beneath *out)
{
    *out = (repo_beneath){.root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .parent = -1};
    return out->root < 0 ? err_errno("open %s", folder) : ERR_OK;
}

static void parent_forget(repo_beneath *b)
{
    if (b->parent >= 0) close(b->parent);
    free(b->parent_path);
    b->parent = -1;
    b->parent_path = NULL;
}

void repo_beneath_close(repo_beneath *b)
{
    parent_forget(b);
    if (b->root >= 0) close(b->root);
    b->root = -1;
}

/* One step down without following a link; made first when `make`. */
static int step(int folder, const char *name, bool make)
{
    if (make && mkdirat(folder, name, 0777) != 0 && errno != EEXIST) return -1;
    return openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int walk(int root, const char *folder, bool make)
{
    char name[NAME_MAX + 1];
    int at = dup(root);

    while (at >= 0 && *folder) {
        size_t size = strcspn(folder, "/");
        if (size > NAME_MAX) {
            close(at);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, folder, size);
        name[size] = 0;
        int next = step(at, name, make);
        int problem = errno;
        close(at);
        errno = problem;
        at = next;
        folder += size + (folder[size] == '/');
    }
    return at;
}

static int folder_open(repo_beneath *b, const char *folder, bool make)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};

    if (!b->walks && *folder) {
        int fd = (int)syscall(SYS_openat2, b->root, folder, &how, sizeof how);
        if (fd >= 0 || (errno == ENOENT && !make)) return fd;
        /* A sandbox may refuse the call itself; the walk has the same answer for everything else. */
        b->walks = errno == ENOSYS || errno == EPERM;
    }
    return walk(b->root, folder, make);
}

err repo_beneath_parent(repo_beneath *b, const char *path, bool make, int *fd, const char **name)
{
    const char *why = repo_path_refusal(path), *slash = strrchr(path, '/');
    if (why) return err_make(ERR_FORMAT, "the name '%s' %s", path, why);

    *name = slash ? slash + 1 : path;
    size_t size = slash ? (size_t)(slash - path) : 0;
    if (b->parent < 0 || strlen(b->parent_path) != size || memcmp(b->parent_path, path, size) != 0) {
        parent_forget(b);
        b->parent_path = memory_text_n(path, size);
        b->parent = folder_open(b, b->parent_path, make);
    }
    *fd = b->parent;
    if (b->parent >= 0) return ERR_OK;
    int problem = errno;
    parent_forget(b);
    errno = problem;
    if (errno == ENOENT) return err_make(ERR_NOT_FOUND, "there is no folder for %s", path);
    if (errno == ENOTDIR || errno == ELOOP)
        return err_make(ERR_CONFLICT, "a file or link stands where a folder of %s should be", path);
    return err_errno("open the folder of %s", path);
}

bool repo_beneath_look(repo_beneath *b, const char *path, struct stat *out)
{
    const char *name = NULL;
    int fd = -1;

    return !repo_beneath_parent(b, path, false, &fd, &name).code &&
           fstatat(fd, name, out, AT_SYMLINK_NOFOLLOW) == 0;
}

int repo_beneath_read(repo_beneath *b, const char *path)
{
    const char *name = NULL;
    struct stat info;
    int folder = -1;

    errno = ENOENT;
    if (repo_beneath_parent(b, path, false, &folder, &name).code) return -1;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))) {
        close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

/* ---- removing ---- */

static void remove_empty_folders(repo_beneath *b, const char *path)
{
    char *folder = memory_text(path), *slash;
    const char *name = NULL;
    int fd = -1;

    while ((slash = strrchr(folder, '/'))) {
        *slash = 0;
        if (repo_beneath_parent(b, folder, false, &fd, &name).code) break;
        if (unlinkat(fd, name, AT_REMOVEDIR) != 0) break;
    }
    free(folder);
}

err repo_beneath_remove(repo_beneath *b, const char *path)
{
    const char *name = NULL;
    int fd = -1;

    err e = repo_beneath_parent(b, path, false, &fd, &name);
    if (e.code == ERR_NOT_FOUND || e.code == ERR_CONFLICT) return ERR_OK;
    if (e.code) return e;
    if (unlinkat(fd, name, 0) != 0 && errno != ENOENT) {
        /* A submodule's folder: gone when it is empty, left to its owner when it is not. */
        if (errno != EISDIR) return err_errno("remove %s", path);
        unlinkat(fd, name, AT_REMOVEDIR);
    }
    remove_empty_folders(b, path);
    return ERR_OK;
}

static int remove_tree_at(int folder, const char *name, unsigned depth)
{
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR || depth > REPO_PATH_DEPTH_MAX) return -1;
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) close(fd);
        return -1;
    }
    int status = 0;
    for (struct dirent *d; status == 0 && (d = readdir(dir));)
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            status = remove_tree_at(dirfd(dir), d->d_name, depth + 1);
    closedir(dir);
    return status ? status : unlinkat(folder, name, AT_REMOVEDIR);
}

err repo_beneath_remove_tree(repo_beneath *b, const char *name)
{
    parent_forget(b);
    return remove_tree_at(b->root, name, 0) == 0 ? ERR_OK : err_errno("remove %s", name);
}
