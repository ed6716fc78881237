/* repo/registry/operation.h: something that is made beside its place and appears whole, or not at all.
 *
 * A journal row and a folder `.staging/<kind>-<pid>-<nonce>` with a copy of the row; published by fsync and
 * rename without replacement. What a dead process left is finished or undone at the next start. */
#ifndef REPO_REGISTRY_OPERATION_H
#define REPO_REGISTRY_OPERATION_H

#include "repo/registry/models.h"

typedef struct repo_operation repo_operation;

/* kind: "clone", "init", "worktree", ... The staging folder is made, empty. Space: ERR_LIMIT says "needs
 * 14.2 GB, 9.1 GB free" when bytes_needed (0: not known) do not fit. */
err repo_operation_begin(repo_models *m, const char *kind, const char *name, uint64_t bytes_needed,
                         repo_operation **out);
const char *repo_operation_borrow_folder(const repo_operation *o); /* the staging folder */
err repo_operation_phase(repo_operation *o, const char *phase);    /* into the journal */
/* Rename the staging folder to the model's place and register it. ERR_EXISTS: somebody was faster. */
err repo_operation_publish(repo_operation *o, const char *url);
void repo_operation_free(repo_operation *o); /* not published: it goes to the trash; NULL is fine */

/* Rename out of sight and delete; a kill leaves it for the next start. */
err repo_trash(const char *models_folder, const char *path);

#endif
