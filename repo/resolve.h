/* repo/resolve.h: from the text of a ref to the commit it means.
 *
 * Whether a name is a branch or a tag is decided by looking, in this order: local branch, tag, origin/<name>,
 * refs/<name>, abbreviated commit, revspec. 40 hex digits are always that commit. */
#ifndef REPO_RESOLVE_H
#define REPO_RESOLVE_H

#include "repo/handle.h"

typedef enum repo_ref_kind { REPO_REF_BRANCH, REPO_REF_TAG, REPO_REF_REMOTE, REPO_REF_COMMIT } repo_ref_kind;

/* A resolved ref is a value: pass it on, not the text. */
typedef struct repo_ref {
    repo_ref_kind kind;
    char *name; /* "refs/heads/main"; "" for a commit */
    repo_id commit, tree;
    bool also_tag; /* a branch won over a tag of the same name: say so once */
} repo_ref;

/* ref "" or "HEAD": what the checkout is on. Errors: ERR_NOT_FOUND (with near names), ERR_USAGE (ambiguous,
 * with the candidates; a range; something that is no commit, with what it is), ERR_NOTHING (no commit yet).
 */
err repo_resolve(repo_handle *r, const char *ref, repo_ref *out);
void repo_ref_free(repo_ref *ref); /* a zeroed one is fine */

/* The text that reads back to the same thing: a branch bare when nothing else has its name, else heads/b;
 * tags/t; a commit with all its digits. */
void repo_ref_print(repo_handle *r, const repo_ref *ref, bytes *out);
/* For a screen: "main", "v1", "1a2b3c4d". Borrowed from ref. */
void repo_ref_print_short(const repo_ref *ref, bytes *out);

#endif
