/* ui/app/model_source.h: the files of a model at a ref, as the engine reads them.
 *
 * Joins repo/ to engine/: a commit's large files are mapped in the repository's store, its small ones are
 * read from the object database, what is checked out is read where it lies. Nothing is written. */
#ifndef UI_APP_MODEL_SOURCE_H
#define UI_APP_MODEL_SOURCE_H

#include "engine/files.h"
#include "repo/context.h"

/* folder: of a model, a repository or not. ref "": what is checked out. title: what to call it, "demo:v1". A
 * folder without a repository, or with one that cannot be opened or has no commit, is read as it is when ref
 * is "". Errors of repo_open, repo_resolve, repo_source_open; ERR_USAGE for a ref of what is no repository.
 * *warning (may be NULL) is a sentence about the ref, the caller's: free(). */
err ui_model_source_open(const repo_context *c, const char *folder, const char *ref, const char *title,
                         engine_files **out, char **warning);

#endif
