/* repo/git_version.h: what differs between the libgit2 that this is built against, 1.5 to 1.9. */
#ifndef REPO_GIT_VERSION_H
#define REPO_GIT_VERSION_H

#include <git2.h>

/* git_error_set_str moved there in 1.8. */
#if __has_include(<git2/sys/errors.h>)
#include <git2/sys/errors.h>
#endif

#if defined(GIT_EXPERIMENTAL_SHA256)
#error "this libgit2 is built for experimental SHA-256 repositories: its ids are another type"
#endif

#if LIBGIT2_VER_MAJOR < 1 || (LIBGIT2_VER_MAJOR == 1 && LIBGIT2_VER_MINOR < 5)
#error "libgit2 1.5 or newer is needed"
#endif

#define GIT_IS_AT_LEAST(major, minor)                                                                        \
    (LIBGIT2_VER_MAJOR > (major) || (LIBGIT2_VER_MAJOR == (major) && LIBGIT2_VER_MINOR >= (minor)))

/* Shallow fetches (git_fetch_options.depth) and timeouts of servers. */
#define GIT_HAS_DEPTH    GIT_IS_AT_LEAST(1, 7)
#define GIT_HAS_TIMEOUTS GIT_IS_AT_LEAST(1, 7)

/* Of git_remote_update_tips and its kin: a plain 1 before there were flags. */
#if !GIT_IS_AT_LEAST(1, 7)
#define GIT_REMOTE_UPDATE_FETCHHEAD 1
#endif

/* One of the parents that a commit is made with. */
#if LIBGIT2_VER_MAJOR == 1 && LIBGIT2_VER_MINOR == 8 && LIBGIT2_VER_REVISION < 2
typedef git_commit *git_parent;
#else
typedef const git_commit *git_parent;
#endif

#endif
