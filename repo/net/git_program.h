/* repo/net/git_program.h: the git program as a road to what libgit2 cannot reach.
 *
 * Helpers without `connect`, shallow fetches where libgit2 is older than 1.7, repositories it cannot open.
 * Needs git 2.20; the setting repo.git_program = false forbids it. Hooks, fsmonitor and gc are off, prompts
 * come to us (repo/net/askpass.h), progress is read from its standard error. What arrives is not judged here:
 * whoever fetches verifies it. */
#ifndef REPO_NET_GIT_PROGRAM_H
#define REPO_NET_GIT_PROGRAM_H

#include "repo/handle.h"
#include "repo/net/credentials.h"

/* ERR_UNSUPPORTED says why it cannot be used: absent, too old, forbidden. */
err repo_git_program_check(const repo_context *c);

/* `git ARGUMENTS` in this folder (a worktree or git dir); output (may be NULL) gets standard output, also of
 * a failure. Progress goes to the context's watch, which may cancel (ERR_CANCELLED). A refused login is tried
 * again with the next one of `who` (NULL: no logins). A failure is git's own last words without secrets:
 * ERR_DENIED, ERR_NOT_FOUND ("install git-remote-x"), ERR_CONFLICT (rejected), ERR_BUSY, ERR_IO, else
 * ERR_STATE. */
err repo_git_program_run(const repo_context *c, const char *folder, const char *const *arguments,
                         repo_credentials *who, bytes *output);

/* remote: a name or a url. refspecs: ended by NULL, or NULL: as configured. depth 0: everything there is;
 * REPO_DEPTH_ALL: also what a shallow repository lacks. tags: all of them; else as git follows them. */
enum { REPO_DEPTH_ALL = 0x7fffffff };
/* git fetch in `folder`, refspecs ended by NULL; depth 0: all. Errors as git's words say; ERR_CANCELLED. */
err repo_git_program_fetch(const repo_context *c, const char *folder, const char *remote,
                           const char *const *refspecs, int depth, bool tags, repo_credentials *who);
/* lines (also on failure): one for each ref, "main 1a2b3c4..5e6f7a8", "v1 [new tag]", "main [rejected] (fetch
 * first)". A ref that is refused makes it fail: ERR_CONFLICT (not a fast-forward, a stale lease), ERR_DENIED
 * (by the server's own rules). */
err repo_git_program_push(const repo_context *c, const char *folder, const char *remote,
                          const char *const *refspecs, repo_credentials *who, repo_names *lines);
/* With options of git's own, "--dry-run", ended by NULL. */
err repo_git_program_push_with(const repo_context *c, const char *folder, const char *const *options,
                               const char *remote, const char *const *refspecs, repo_credentials *who,
                               repo_names *lines);
/* "refs/heads/main" of a remote's HEAD; the caller frees. ERR_NOT_FOUND: no branch there. */
err repo_git_program_default_branch(const repo_context *c, const char *folder, const char *remote,
                                    repo_credentials *who, char **out);

#endif
