/* repo/source_internal.h: what the two kinds of source share: a commit's tree, and a worktree. */
#ifndef REPO_SOURCE_INTERNAL_H
#define REPO_SOURCE_INTERNAL_H

#include "repo/handle_internal.h"
#include "repo/source.h"

typedef struct source_file {
    char *name;
    git_oid blob;
    uint64_t size; /* of the content */
    bool is_large; /* `pointer` stands in git for it */
    xet_pointer pointer;
} source_file;

typedef struct source_kind {
    err (*content_id)(repo_source *s, const source_file *file, bytes *out);
    err (*read)(repo_source *s, const source_file *file, size_t bytes_max, bytes *out);
    err (*path)(repo_source *s, const source_file *file, char **path);
} source_kind;

struct repo_source {
    const source_kind *kind;
    git_repository *git; /* its own: a source may outlive the handle and move to another thread */
    xet_store *store;
    char *folder;       /* of a worktree; NULL */
    char *place;        /* for messages: "demo:v1" */
    source_file *files; /* sorted by name */
    size_t count, capacity;
};

/* Adds a file; the name is copied. ERR_LIMIT past REPO_SOURCE_FILES_MAX. */
err source_add(repo_source *s, const char *name, const source_file *file);
/* Where an object of the store lies; ERR_NOT_FOUND says how to fetch it. */
err source_object_path(const repo_source *s, const source_file *file, char **path);

err source_open_tree(repo_source *s, const git_oid *tree);
err source_open_worktree(repo_source *s);

#endif
