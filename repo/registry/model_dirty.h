/* repo/registry/model_dirty.h: does a checkout differ from its commit, as far as stamps and small files tell?
 *
 * No big file is read: one whose stamp moved leaves the answer open (-1), repo/status.h gives it. */
#ifndef REPO_REGISTRY_MODEL_DIRTY_H
#define REPO_REGISTRY_MODEL_DIRTY_H

#include "repo/registry/models_internal.h"

/* row.dirty, row.missing_count and the tracked files in entry->file_watch. */
void model_dirty_look(repo_handle *r, model_entry *entry);

#endif
