/* repo/net/network.h: the verbs that talk to other machines.
 *
 * Each runs in a child process (this program again, `__git-net`), which can be killed when a server is
 * silent: progress and questions come up, cancel and answers go down. It works in a staging folder or through
 * refs with old values checked; what a kill leaves is cleaned by the parent. Default silence: 60 s. Large
 * files follow the checkout (clone, pull) or go before the push; a missing object stays a pointer and is
 * named. What arrives is verified: every ref exists, is a commit, its tree can be read. */
#ifndef REPO_NET_NETWORK_H
#define REPO_NET_NETWORK_H

#include "repo/checkout.h"
#include "repo/registry/models.h"

typedef struct repo_clone_options {
    const char *url;            /* url, path, or a hub name org/name */
    const char *name;           /* NULL: from the url */
    const char *ref;            /* branch, tag or commit; NULL: the remote's default */
    int depth;                  /* 0: everything */
    const char *const *remotes; /* further "NAME=URL" */
    size_t remote_count;
    bool no_files; /* leave pointers */
} repo_clone_options;

typedef struct repo_network_report {
    char *name, *branch;   /* of the model; what is checked out, NULL: detached */
    repo_id before, after; /* of the branch that moved */
    size_t refs_changed, objects;
    uint64_t bytes, large_bytes;
    size_t large_files;
    repo_missing_list missing;
    repo_names lines; /* "main 1a2b3c4d..5e6f7a8b", "v1 new tag", warnings; one line each */
    bool up_to_date;
} repo_network_report;
void repo_network_report_free(repo_network_report *report); /* a zeroed one is fine */

/* In a child process, into .staging, then in place and registered. ERR_EXISTS: a model of that name is
 * there. */
err repo_clone(repo_models *m, const repo_clone_options *options, repo_network_report *out);

typedef struct repo_fetch_options {
    const char *remote; /* NULL: of the branch's upstream, else origin */
    const char *ref;    /* NULL: all branches */
    bool prune, tags, unshallow;
    int depth;
} repo_fetch_options;
/* No file and no branch of the person's changes. ERR_NOT_FOUND: no such remote or ref. */
err repo_fetch(repo_handle *r, const repo_fetch_options *options, repo_network_report *out);

typedef enum repo_pull_how {
    REPO_PULL_AUTO,
    REPO_PULL_FF_ONLY,
    REPO_PULL_MERGE,
    REPO_PULL_REBASE
} repo_pull_how;
/* fetch, then repo_merge or repo_rebase of the upstream, then the large files of the checkout. */
err repo_pull(repo_handle *r, const char *remote, const char *branch, repo_pull_how how,
              repo_network_report *out);

typedef struct repo_push_options {
    const char *remote;
    const char *const *refs; /* "main", "v1", "a:b"; none: the current branch */
    size_t ref_count;
    bool force, force_with_lease, delete_refs, set_upstream, tags, dry_run;
} repo_push_options;
/* Large files first. A ref that the server refuses is an ERR, and a row of the report. */
err repo_push(repo_handle *r, const repo_push_options *options, repo_network_report *out);

/* The objects of these pointers, or of all of HEAD when missing is NULL; then put in place. */
err repo_fetch_files(repo_handle *r, const repo_missing_list *missing, const char *remote,
                     repo_network_report *out);

/* Addresses are checked before libgit2 sees them, and kept without login. */
typedef struct repo_remote_row {
    char *name, *url, *push_url; /* push_url NULL: as url */
} repo_remote_row;
/* In git's order; repo_remote_list_free(). */
err repo_remote_list(repo_handle *r, repo_remote_row **rows, size_t *count);
void repo_remote_list_free(repo_remote_row *rows, size_t count); /* NULL is fine */
/* A login in the url is not kept. ERR_EXISTS, ERR_USAGE (name), ERR_DENIED (scheme not allowed). */
err repo_remote_add(repo_handle *r, const char *name, const char *url);
/* With its tracking branches. ERR_NOT_FOUND names the nearest. */
err repo_remote_remove(repo_handle *r, const char *name);
/* problems: refspecs of the user's own that still say the old name. */
err repo_remote_rename(repo_handle *r, const char *name, const char *new_name, repo_names *problems);
/* push: only where to push; "": to the url again. */
err repo_remote_set_url(repo_handle *r, const char *name, const char *url, bool push);

/* Part of the program that `hyprstream __git-net` is: asked first thing in main; then its exit status. */
bool repo_network_is(int argc, char **argv);
int repo_network_child(int argc, char **argv); /* main() of `hyprstream __git-net`; gives the exit status */

#endif
