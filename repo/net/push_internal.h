/* repo/net/push_internal.h: one push, in the child: which refs, what becomes of them, by which road. */
#ifndef REPO_NET_PUSH_INTERNAL_H
#define REPO_NET_PUSH_INTERNAL_H

#include "repo/net/network_internal.h"

enum { PUSH_ROWS_MAX = 20000 };

typedef struct push_row {
    char *source; /* "refs/heads/x", "refs/tags/x", a commit's digits; NULL: the target is deleted */
    char *target; /* in full; of one that is deleted as it was written, until the remote's refs are known */
    git_oid ours, theirs; /* theirs: what the remote has; zero: nothing */
    bool force, changes;
} push_row;

typedef struct repo_net_push {
    repo_net *n;
    repo_handle *r;
    git_remote *remote;    /* owned, as name and head_ref are */
    char *name, *head_ref; /* "" when detached */
    bool force, lease, delete_refs, set_upstream, tags, dry_run;
    push_row *rows;
    size_t count;
    err refused; /* the first ref that the server did not take */
    repo_network_report *report;
} repo_net_push;
void repo_net_push_free(repo_net_push *p);

/* The rows, from the words of the request, or of the current branch. Errors: ERR_USAGE, ERR_NOT_FOUND,
 * ERR_DENIED (refs/hyprstream/ is nobody else's). */
err push_rows_read(repo_net_push *p, bytes_view request);
/* What the remote has, of `heads`; may each row be pushed? ERR_CONFLICT: not without force, or a lease that
 * is no more; ERR_NOT_FOUND: nothing to delete. */
err push_rows_judge(repo_net_push *p, const git_remote_head **heads, size_t count);
void push_rows_tell(repo_net_push *p);
/* "refs/heads/x:refs/heads/x", "+...", ":refs/tags/y"; forced: with the plus. */
void push_row_spec(const push_row *row, bool forced, bytes *out);

err push_by_libgit2(repo_net_push *p);
err push_by_program(repo_net_push *p);
/* The large files of what changes, before any ref does. */
err push_large_files(repo_net_push *p);

#endif
