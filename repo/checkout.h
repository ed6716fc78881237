/* repo/checkout.h: a tree made into files.
 *
 * Big files come from the store (reflink, link or copy as the worktree's driver says), small ones from the
 * object database, everything below the worktree's own folder: no link, no "..", no ".git" leads out. Ours
 * instead of libgit2's for what is large; what cannot be had stays a pointer and is listed. */
#ifndef REPO_CHECKOUT_H
#define REPO_CHECKOUT_H

#include "repo/handle.h"
#include "xet/pointer.h"

enum {
    REPO_LINKED_DATE =
        946684800, /* 2000-01-01 00:00 UTC: what is linked is one file with one date, everywhere */
    /* So much older than now is what is made: a date in the second of the index would make git read the file
     * again, and file systems stamp the index by a clock that lags by some milliseconds. */
    REPO_DATE_BACK_S = 2,
};

/* A large file that is not in the store: its pointer stands in the worktree. */
typedef struct repo_missing {
    char *path;
    xet_pointer pointer;
} repo_missing;

typedef struct repo_missing_list {
    repo_missing *rows;
    size_t count;
} repo_missing_list;
void repo_missing_list_free(repo_missing_list *list); /* a zeroed one is fine */

struct git_index;
typedef struct repo_checkout_options {
    bool force;               /* overwrite local changes */
    const char *const *paths; /* only these (files or folders); NULL: all */
    size_t path_count;
    /* NULL, or: changes of the index that belong to it, in the same write. Then the index is written before
     * the files as well, so that whoever is killed in between leaves in the index what there is to take back.
     */
    err (*index_also)(void *context, struct git_index *index);
    void *index_context;
} repo_checkout_options;

typedef struct repo_checkout_report {
    repo_names in_the_way; /* local changes and untracked files that stopped it (ERR_CONFLICT); with force:
                              what was overwritten */
    repo_missing_list missing;
    repo_names links; /* links that would lead out of the worktree: small files with the link's text */
    char *stays;      /* an overlay that could not go to another layer, and why; NULL */
    size_t files_written, files_removed;
    uint64_t bytes_written;
} repo_checkout_report;
void repo_checkout_report_free(repo_checkout_report *report); /* a zeroed one is fine */

/* Worktree and index become `tree`. Files that are changed here but the same in HEAD and `tree` stay; when
 * one would be overwritten nothing at all is touched: ERR_CONFLICT, listed. HEAD is not moved. Index entries
 * get the stat data of their files. Inside the gate. *report is the caller's also on failure; context's watch
 * is told. */
err repo_checkout_tree(repo_handle *r, const repo_id *tree, const repo_checkout_options *options,
                       repo_checkout_report *report);

/* The whole tree into an empty folder, then the index of `r` (whose worktree that folder is). `place` (NULL:
 * reflink when possible, else copy) puts one large object at folder_fd/name; ERR_UNSUPPORTED makes it a copy.
 */
typedef err (*repo_place)(void *context, const char *object_path, int folder_fd, const char *name);
/* Errors as repo_checkout_tree; what was written until then stays. *report is the caller's also on
 * failure. */
err repo_checkout_into_empty(repo_handle *r, const repo_id *tree, repo_place place, void *context,
                             repo_checkout_report *report);
/* The same files in a plain folder that is nobody's worktree; every file is read-only and dated 2000-01-01.
 */
err repo_checkout_layer(repo_handle *r, const repo_id *tree, const char *folder, repo_place place,
                        void *context, repo_checkout_report *report);

/* The index of `r`, whose worktree holds exactly these files already (an overlay on such a layer). */
err repo_checkout_index(repo_handle *r, const repo_id *tree);

/* Put objects that have arrived in the store in place of their pointers (only where exactly the pointer still
 * stands) and refresh their index entries. Inside the gate. */
err repo_checkout_place_fetched(repo_handle *r, const repo_missing_list *fetched, size_t *placed);
/* Every pointer of HEAD's tree whose object is not in the store. */
err repo_checkout_missing(repo_handle *r, repo_missing_list *out);
/* Every pointer of HEAD's tree, whether its object is here or not. */
err repo_checkout_pointers(repo_handle *r, repo_missing_list *out);

#endif
