/* repo/worktree/measure.c: how much disk a folder takes that nothing else takes. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "repo/worktree/worktree_internal.h"

enum { DEPTH_MAX = 256, BLOCK_BYTES = 512, EXTENTS = 256, ROUNDS_MAX = 100000 };

/* Extents of the file that no other file shares. False: the file system does not tell. */
static bool unshared(int fd, uint64_t *out)
{
    struct fiemap *map = memory_alloc(sizeof *map + EXTENTS * sizeof map->fm_extents[0]);
    bool known = true, last = false;

    *out = 0;
    for (uint64_t at = 0, round = 0; known && !last && round < ROUNDS_MAX; round++) {
        *map = (struct fiemap){.fm_start = at, .fm_length = ~0ull - at, .fm_extent_count = EXTENTS};
        known = ioctl(fd, FS_IOC_FIEMAP, map) == 0;
        if (!known || !map->fm_mapped_extents) break;
        for (uint32_t i = 0; i < map->fm_mapped_extents; i++) {
            const struct fiemap_extent *extent = &map->fm_extents[i];
            if (!(extent->fe_flags & FIEMAP_EXTENT_SHARED)) *out += extent->fe_length;
            at = extent->fe_logical + extent->fe_length;
            last = extent->fe_flags & FIEMAP_EXTENT_LAST;
        }
    }
    free(map);
    return known;
}

static uint64_t file_used(int folder, const char *name, const struct stat *info)
{
    uint64_t blocks = (uint64_t)info->st_blocks * BLOCK_BYTES, own = 0;

    if (info->st_nlink > 1) return 0;
    if (!S_ISREG(info->st_mode) || !blocks) return blocks;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return blocks;
    bool known = unshared(fd, &own);
    close(fd);
    return known ? MIN_OF(own, blocks) : blocks;
}

static void below(int folder, worktree_bytes *out, int depth)
{
    DIR *d = fdopendir(folder);
    struct dirent *entry;

    if (!d) {
        close(folder);
        return;
    }
    while ((entry = readdir(d))) {
        struct stat info;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (fstatat(dirfd(d), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (!S_ISDIR(info.st_mode)) {
            bool is_link_file = depth == 0 && strcmp(entry->d_name, ".git") == 0;
            if (S_ISREG(info.st_mode) && !is_link_file) out->apparent += (uint64_t)info.st_size;
            out->used += file_used(dirfd(d), entry->d_name, &info);
            continue;
        }
        out->used += (uint64_t)info.st_blocks * BLOCK_BYTES;
        int inside = openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inside >= 0 && depth < DEPTH_MAX)
            below(inside, out, depth + 1);
        else if (inside >= 0)
            close(inside);
    }
    closedir(d);
}

void worktree_bytes_measure(const char *folder, worktree_bytes *out)
{
    struct stat info;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *out = (worktree_bytes){0};
    if (fd < 0) return;
    if (fstat(fd, &info) == 0) out->used = (uint64_t)info.st_blocks * BLOCK_BYTES;
    below(fd, out, 0);
}
