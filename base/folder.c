/* base/folder.c: the half of base/file.h that is about folders and paths. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"

bool file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool file_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

err file_size(const char *path, uint64_t *out)
{
    struct stat info;
    if (stat(path, &info) != 0) return err_errno("look at %s", path);
    *out = (uint64_t)info.st_size;
    return ERR_OK;
}

static bool is_dots(const char *name) { return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])); }

static int names_compare(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

static err names_read(DIR *folder, const char *path, file_list *list)
{
    size_t capacity = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (!entry) return errno ? err_errno("read folder %s", path) : ERR_OK;
        if (is_dots(entry->d_name)) continue;
        if (list->count == FILE_LIST_MAX)
            return err_make(ERR_LIMIT, "folder %s: more than %d names", path, FILE_LIST_MAX);
        if (list->count == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            list->names = memory_resize_array(list->names, capacity, sizeof *list->names);
        }
        list->names[list->count++] = memory_text(entry->d_name);
    }
}

err file_list_folder(const char *path, file_list *out)
{
    DIR *folder = opendir(path);
    if (!folder) return err_errno("open folder %s", path);
    file_list list = {0};
    err e = names_read(folder, path, &list);
    closedir(folder);
    if (e.code) {
        file_list_free(&list);
        return e;
    }
    if (list.count) qsort(list.names, list.count, sizeof *list.names, names_compare);
    *out = list;
    return ERR_OK;
}

void file_list_free(file_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->names[i]);
    free(list->names);
    *list = (file_list){0};
}

err file_make_folders(const char *path)
{
    CLEANUP(bytes_free) bytes made = {0};
    bytes_append_text(&made, path);
    for (size_t i = 1; i <= made.size; i++) {
        if (i < made.size && made.data[i] != '/') continue;
        made.data[i] = 0;
        if (mkdir(made.data, 0777) != 0 && errno != EEXIST && !file_is_folder(made.data))
            return err_errno("make folder %s", made.data);
        if (i < made.size) made.data[i] = '/';
    }
    if (!file_is_folder(path)) return err_make(ERR_IO, "make folder %s: a file is in the way", path);
    return ERR_OK;
}

/* Works by handles, not by paths: a folder that somebody swaps for a link meanwhile is not followed. */
static err tree_remove(int parent, const char *name, unsigned depth)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return ERR_OK;
    if (errno != EISDIR && errno != EPERM) return err_errno("remove %s", name);
    if (depth == FILE_TREE_DEPTH_MAX)
        return err_make(ERR_LIMIT, "remove %s: deeper than %d folders", name, FILE_TREE_DEPTH_MAX);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder) {
        err e = err_errno("remove %s", name);
        if (fd >= 0) close(fd);
        return e;
    }
    err e = ERR_OK;
    for (const struct dirent *entry; !e.code && (entry = readdir(folder));)
        if (!is_dots(entry->d_name)) e = tree_remove(dirfd(folder), entry->d_name, depth + 1);
    closedir(folder);
    if (!e.code && unlinkat(parent, name, AT_REMOVEDIR) != 0) e = err_errno("remove %s", name);
    return depth ? err_note(e, "in %s", name) : e;
}

err file_remove_tree(const char *path) { return tree_remove(AT_FDCWD, path, 0); }

char *file_join(const char *folder, const char *name)
{
    if (name[0] == '/' || !folder[0]) return memory_text(name);
    bytes joined = {0};
    bytes_append_text(&joined, folder);
    if (joined.data[joined.size - 1] != '/') bytes_append_byte(&joined, '/');
    bytes_append_text(&joined, name);
    return bytes_take(&joined);
}

char *file_parent(const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') size--;
    while (size && path[size - 1] != '/') size--;
    while (size > 1 && path[size - 1] == '/') size--;
    return size ? memory_text_n(path, size) : memory_text(".");
}

const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *file_expand_home(const char *path, const char *home)
{
    if (path[0] != '~' || (path[1] && path[1] != '/') || !home) return memory_text(path);
    return path[1] ? file_join(home, path + 2) : memory_text(home);
}
