/* repo/commit_internal.h: the parts that commits, tags, resets and checkpoints are made of. */
#ifndef REPO_COMMIT_INTERNAL_H
#define REPO_COMMIT_INTERNAL_H

#include "repo/commit.h"
#include "repo/handle_internal.h"

/* Name, email and date of now, as git would find them. ERR_USAGE: none are set, and how to set them. */
err repo_signature_author(repo_handle *r, git_signature **out);
err repo_signature_committer(repo_handle *r, git_signature **out);
/* "Name <email>" and a time (0: now). */
err repo_signature_of(const char *name_and_email, int64_t seconds, git_signature **out);

typedef struct repo_commit_parts {
    const git_oid *tree;
    const git_oid *parents;
    size_t parent_count;
    const git_signature *author, *committer;
    const char *message; /* as it is to stand */
    bool sign;
} repo_commit_parts;

/* The object alone; no ref is moved. */
err repo_commit_object(repo_handle *r, const repo_commit_parts *parts, git_oid *out);
/* commit.gpgsign. */
bool repo_commit_signs(repo_handle *r);

/* `sign` of options: 1, 0, or -1 for what the configuration says. */
bool repo_signing_wanted(repo_handle *r, int sign, const char *config_key);
/* Sign `payload` as gpg.format says. ERR_DENIED: the signer failed, with its words; ERR_NOT_FOUND: there is
 * none. */
err repo_sign(repo_handle *r, const git_signature *who, bytes_view payload, bytes *signature);

/* Move a ref ("HEAD": what HEAD is on) from `expected` (NULL: it must not exist) to `to`, with a line in its
 * reflog. A status of libgit2: GIT_EMODIFIED or GIT_EEXISTS when it was elsewhere. */
int repo_ref_move(repo_handle *r, const char *name, const git_oid *expected, const git_oid *to,
                  const char *reflog);
/* The committer of reflog lines; without an identity they say nobody's. */
void repo_ident_set(repo_handle *r, const git_signature *committer);
/* HEAD's commit; *born false: there is none yet. */
int repo_head_read(repo_handle *r, git_oid *out, bool *born);
/* "commit (merge): subject"; the caller frees. */
char *repo_reflog_line(const char *kind, const char *message);

/* Remove a file of the git dir that git makes for a while: "AUTO_MERGE". */
void repo_git_file_drop(repo_handle *r, const char *name);

/* kind: "branch", "tag". ERR_USAGE says what is wrong with the name. */
err repo_ref_name_check(const char *kind, const char *name);
/* "refs/heads/x/y" cannot be while "refs/heads/x" is. */
bool repo_ref_is_below(repo_handle *r, const char *full);

/* Cleaned as `git commit -m` does. ERR_USAGE: nothing is left; ERR_LIMIT. The caller frees. */
err repo_message_clean(const char *message, char **out);
void repo_message_subject(const char *message, char *out, size_t out_size);

/* Executable commit hooks here, or where core.hooksPath says. */
bool repo_hooks_present(repo_handle *r);
/* True once per repository: a marker in its configuration remembers it. */
bool repo_hooks_tell(repo_handle *r);
/* Likewise of a pre-push hook that is not git-lfs's own. */
bool repo_hooks_tell_push(repo_handle *r);
/* `git commit -F -` over what is staged. */
err repo_commit_by_git(repo_handle *r, const repo_commit_options *options, bool sign);

#endif
