/* repo/net/network_internal.h: how a verb runs in the network child, and what the verbs share there.
 *
 * A verb has two halves. The parent's (repo_fetch) puts its options into a request, named values as in
 * repo/net/frame.h, and calls repo_network_call. The child's is a row of repo_net_verbs: it reads the
 * request, works, fills a report. A verb of another file is one more row. To the child the environment and
 * the settings are the process's own, and settings that were given as flags come along. */
#ifndef REPO_NET_NETWORK_INTERNAL_H
#define REPO_NET_NETWORK_INTERNAL_H

#include "repo/handle_internal.h"
#include "repo/net/credentials.h"
#include "repo/net/frame.h"
#include "repo/net/git_lines.h"
#include "repo/net/network.h"

#define REPO_NETWORK_COMMAND "__git-net"

enum { REPO_COMMITS_DEPTH_MAX = 1000000000 };

/* ---- the parent ---- */

typedef struct repo_network_call_options {
    const char *verb;
    const char *folder; /* of the repository: a worktree, a git dir, or a staging folder that is empty yet */
    const char *label;  /* who is talked to, for sentences: "origin", an url (its login is taken out) */
    bytes_view request; /* the verb's own fields; "verb", "folder", "ask", "set" are ours */
} repo_network_call_options;

/* Run the verb in a child and wait for its report. *out is the caller's also on failure (lines say how far it
 * came). A child that had to be killed leaves nothing: locks of a repository's gate are cleared here; a
 * staging folder is its operation's to remove. Errors: the verb's own, ERR_CANCELLED, ERR_IO (silence, a
 * killed child).
 */
err repo_network_call(const repo_context *c, const repo_network_call_options *options,
                      repo_network_report *out);

/* What a person writes for an address, as an url or a path from the root; the caller frees *url, which may
 * hold a login. ERR_USAGE says what is wrong with it; nothing is contacted. */
err repo_net_address(const repo_context *c, const char *word, char **url, bool *is_hub);

/* A report as fields and back. *out must be zeroed; ERR_FORMAT leaves it in part, to be freed. */
void repo_report_write(const repo_network_report *report, bytes *out);
err repo_report_read(bytes_view payload, repo_network_report *out);
void repo_report_line(repo_network_report *report, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- the child ---- */

typedef struct repo_net {
    const repo_context *context; /* the child's: its watch and its questions go to the parent */
    repo_credentials *who;       /* for `folder` */
    const char *folder;
    repo_lines sideband;
    /* As the watch saw them: what was received or sent. */
    size_t objects;
    uint64_t bytes;
    repo_progress progress;
    bool is_here;    /* what is talked to is a folder of this machine */
    void *verb_data; /* for callbacks of the verb's own: their payload is the repo_net */
} repo_net;

typedef struct repo_net_verb {
    const char *name;
    err (*run)(repo_net *n, bytes_view request, repo_network_report *report);
} repo_net_verb;
extern const repo_net_verb repo_net_verbs[]; /* ended by a row without a name */

err repo_net_verb_fetch(repo_net *n, bytes_view request, repo_network_report *report);
err repo_net_verb_push(repo_net *n, bytes_view request, repo_network_report *report);
err repo_net_verb_clone(repo_net *n, bytes_view request, repo_network_report *report);
err repo_net_verb_fetch_files(repo_net *n, bytes_view request, repo_network_report *report);

/* ---- libgit2, in the child ---- */

/* Credentials, progress both ways, cancel; certificate checks are left to libgit2. The payload is n. */
void repo_net_callbacks(repo_net *n, git_remote_callbacks *out);
/* A failure of libgit2's as an err: the credentials' own reason, a cancel, the network's; no login in it. */
err repo_net_check(repo_net *n, int status, const char *what);
/* Connect. No redirect is followed by libgit2, which would send the first host's login to the second: where
 * it leads is asked first, and the remote of this process goes there (*moved_to, the caller's; NULL: no
 * redirect). */
err repo_net_connect(repo_net *n, git_remote *remote, git_direction direction, char **moved_to);

/* Which road leads to this url: libgit2, or the git program. Errors: ERR_USAGE, ERR_DENIED (a scheme that is
 * never used), ERR_UNSUPPORTED (the other road is closed). `shallow`: a depth is asked for, or the repository
 * is shallow already. */
typedef enum repo_net_road { REPO_NET_LIBGIT2, REPO_NET_GIT_PROGRAM } repo_net_road;
err repo_net_road_of(repo_net *n, const char *url, bool shallow, repo_net_road *out);
/* A path (not an url of any kind) of this machine? */
bool repo_net_is_path(const char *url);
/* Such a path, or a url of one (file://)? */
bool repo_net_is_here(const char *url);
/* What the child is about to talk to: for a folder of this machine nobody waits for a server. Told at once.
 */
void repo_net_goes_to(repo_net *n, const char *url);

/* The remote by name; ERR_NOT_FOUND with the names that there are. NULL: of `branch_ref`'s upstream ("": no
 * branch), else origin, else the only one. *name is the caller's. */
err repo_net_remote(git_repository *git, const char *wanted, const char *branch_ref, git_remote **out,
                    char **name);
/* Full name of the branch that HEAD is on, "" when detached; the caller frees. */
char *repo_net_head_ref(git_repository *git);

/* ---- what arrived ---- */

/* Refs of a repository at one moment, sorted by name. A zeroed one is empty. */
typedef struct repo_ref_row {
    char *name;
    git_oid id;
} repo_ref_row;
typedef struct repo_ref_rows {
    repo_ref_row *rows;
    size_t count;
} repo_ref_rows;
/* refs/remotes/<remote>/ and refs/tags/, without symbolic ones. */
err repo_ref_rows_read(git_repository *git, const char *remote, repo_ref_rows *out);
const git_oid *repo_ref_rows_find(const repo_ref_rows *list, const char *name); /* NULL: none */
void repo_ref_rows_free(repo_ref_rows *list);

/* What changed between then and now, each told as a line of the report and counted. Every ref that is new or
 * moved is verified: its commit, that commit's files, all commits before it up to what was there. One that
 * does not hold goes back to what it was, or away: ERR_FORMAT at the end, by name. */
err repo_arrivals_accept(repo_net *n, repo_handle *r, const char *remote, const repo_ref_rows *before,
                         repo_network_report *report);

/* ---- one fetch, in the child ---- */

typedef struct repo_net_fetch {
    repo_net *n;
    repo_handle *r;
    git_remote *remote; /* owned, as name is */
    char *name;
    const char *ref; /* a branch or tag of the remote; NULL: all branches */
    bool prune, tags, unshallow;
    int depth;
    bool want_head;
    char *head; /* with want_head: "refs/heads/main", what the remote's HEAD is on; NULL: none */
    repo_names specs;
    repo_network_report *report;
} repo_net_fetch;
/* By libgit2 or the git program, as the url and the depth want; then repo_arrivals_accept. Enters the gate to
 * move refs. */
err repo_net_fetch_run(repo_net_fetch *f, const repo_ref_rows *before);
void repo_net_fetch_free(repo_net_fetch *f);

/* The objects of report->missing into the store, their files in place; what is left stays in the list. A
 * server that fails is a line of the report, not an err: the model is whole without them. Enters the gate.
 * Errors: ERR_CANCELLED, ERR_LIMIT (the disk is too small). */
err repo_net_large_files(repo_net *n, repo_handle *r, const char *remote, repo_network_report *report);

/* ERR_LIMIT: the disk of the store, or of the working copy where it shares no blocks with the store, has not
 * the room for these files; both figures are named. */
err repo_large_files_room(const repo_handle *r, const repo_missing_list *missing);

/* Its two halves, for who has no repo_net. *problem: why some did not come (a 404 is no problem, and stays in
 * the list). */
err repo_large_files_bring(repo_handle *r, repo_credentials *who, const char *remote,
                           repo_network_report *report, err *problem);
/* Only where the pointer still stands: a checkout that was killed, a git lfs fetch. Enters the gate. */
err repo_large_files_place(repo_handle *r, const repo_missing_list *fetched, size_t *placed);
/* Into those that are to be fetched and those whose object is here already: both lists grow. */
void repo_large_files_split(const repo_handle *r, const repo_missing_list *wanted, repo_missing_list *absent,
                            repo_missing_list *here);

#endif
