/* repo/tag.h: tags: which there are, making and deleting them.
 *
 * Changes enter the gate. A tag stays where it is unless it is moved by force. */
#ifndef REPO_TAG_H
#define REPO_TAG_H

#include "repo/resolve.h"

typedef struct repo_tag {
    char *name;     /* "v1" */
    repo_id commit; /* what it leads to in the end */
    bool annotated;
    char *message; /* of an annotated one, without a signature; else NULL */
    int64_t time;  /* of the tagger, or of the commit */
} repo_tag;

typedef struct repo_tags {
    repo_tag *rows; /* sorted by name */
    size_t count;
} repo_tags;

err repo_tag_list(repo_handle *r, repo_tags *out); /* by name; repo_tags_free() */
void repo_tags_free(repo_tags *list);              /* a zeroed one is fine */

/* ERR_USAGE says what is wrong with it. */
err repo_tag_name_check(const char *name);
/* message NULL: a lightweight tag; else an annotated one, signed when tag.gpgsign says so. force: one that
 * exists is moved. Errors: ERR_USAGE (name, message, no identity), ERR_EXISTS. */
err repo_tag_create(repo_handle *r, const char *name, const repo_ref *at, const char *message, bool force);
/* *was (may be NULL): what it was, tag object or commit. */
err repo_tag_delete(repo_handle *r, const char *name, repo_id *was);

#endif
