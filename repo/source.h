/* repo/source.h: the files of a commit as byte sources, without a worktree.
 *
 * Each file of the commit's tree: a pointer is the object of the store, mapped where it lies; another blob
 * comes from the object database. What is checked out is read where it lies. Nothing is written, no lock is
 * held; objects never change. Ids: equal ids mean equal bytes, in whichever commit or worktree. */
#ifndef REPO_SOURCE_H
#define REPO_SOURCE_H

#include "base/file.h"
#include "repo/resolve.h"

typedef struct repo_source repo_source;

enum { REPO_SOURCE_FILES_MAX = 100000, REPO_SOURCE_DEPTH_MAX = 64 };

/* The tree of `ref`. When it is what the checkout at r is on, the worktree's own files (changes included) are
 * the source. */
err repo_source_open(repo_handle *r, const repo_ref *ref, repo_source **out);
void repo_source_free(repo_source *s); /* NULL is fine; may outlive r */

size_t repo_source_count(const repo_source *s);                      /* files of the tree */
const char *repo_source_borrow_name(const repo_source *s, size_t i); /* "adapters/01_brief.safetensors" */
uint64_t repo_source_size(const repo_source *s, size_t i);           /* of the content, not of a pointer */
/* "sha256:<hex>" of a large file, "blob:<hex>" of another; a changed worktree file: of its present bytes. */
err repo_source_content_id(repo_source *s, size_t i, bytes *out);
/* The whole file i. ERR_LIMIT: more than bytes_max; ERR_NOT_FOUND: a large file that is not here. */
err repo_source_read(repo_source *s, size_t i, size_t bytes_max, bytes *out);
/* Where its bytes lie as a file that can be mapped; NULL in *path: only repo_source_read. ERR_NOT_FOUND names
 * the file of a missing object and how to fetch it. The caller frees. */
err repo_source_path(repo_source *s, size_t i, char **path);

#endif
