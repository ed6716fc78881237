/* repo/checkout_index.c: what a checkout leaves in the index, and a check of what was fetched against it. */
#include <stdlib.h>

#include "repo/checkout_internal.h"
#include "repo/gate.h"

git_index_entry repo_index_entry(const repo_tree_entry *entry, const struct stat *info)
{
    return (git_index_entry){
        .ctime = {(int32_t)info->st_ctim.tv_sec, (uint32_t)info->st_ctim.tv_nsec},
        .mtime = {(int32_t)info->st_mtim.tv_sec, (uint32_t)info->st_mtim.tv_nsec},
        .dev = (uint32_t)info->st_dev,
        .ino = (uint32_t)info->st_ino,
        .uid = info->st_uid,
        .gid = info->st_gid,
        .file_size = (uint32_t)info->st_size,
        .mode = entry->mode,
        .id = entry->id,
        .path = entry->path,
    };
}

static int write_attempt(void *index) { return git_index_write(index); }

err repo_index_write(git_index *index)
{

    return repo_git_check(repo_retry(write_attempt, index), "write the index");
}
