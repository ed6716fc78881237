/* repo/attributes.h: which files are large: .gitattributes and the lines that we want in it.
 *
 * `filter=lfs` decides, nothing else: not the name, not the size. */
#ifndef REPO_ATTRIBUTES_H
#define REPO_ATTRIBUTES_H

#include "repo/handle.h"

/* Not under LFS although it should be: hubs refuse plain files above this, and git is slow with them. */
#define REPO_PLAIN_BYTES_MAX (10ull << 20)

/* Is the path under filter=lfs, by the worktree's .gitattributes (the index's where there is none)? */
bool repo_attributes_large(repo_handle *r, const char *path);

/* Patterns of ours ("*.safetensors") that the worktree's .gitattributes does not cover; tokenizer.json among
 * them only when that file is over REPO_PLAIN_BYTES_MAX. */
void repo_attributes_lacking(repo_handle *r, repo_names *patterns);
/* Lines for these patterns are appended to the worktree's .gitattributes (made when absent, its bytes kept);
 * to be staged by the caller. */
err repo_attributes_add(repo_handle *r, const repo_names *patterns);

/* Our marked block in info/exclude: half-made files, and what other trainers leave beside checkpoints. The
 * rest of the file stays as it is; nothing is written when the block is there. */
err repo_exclude_write(repo_handle *r);

#endif
