/* repo/net/bridge.h: any git-remote-<scheme> program as a transport.
 *
 * A helper that can `connect` becomes a transport of libgit2; one that cannot goes through the git program
 * (repo/net/git_program.h), as does what is written scheme::rest. Whether a scheme may be used is decided as
 * git does it: protocol.<scheme>.allow, GIT_ALLOW_PROTOCOL; ext and fd never. What a helper brings is judged
 * by whoever fetches (repo_arrivals_accept): helpers lie. */
#ifndef REPO_NET_BRIDGE_H
#define REPO_NET_BRIDGE_H

#include "repo/handle.h"

enum { REPO_SCHEME_BYTES_MAX = 32 };

typedef enum repo_road { REPO_ROAD_LIBGIT2, REPO_ROAD_GIT_PROGRAM } repo_road;

/* Where libgit2 talks to others (the network child) and before any thread there: one transport for each
 * helper found on PATH or named in transports.helpers. The context is borrowed for as long as libgit2 is
 * used. Not by repo_start: it reads the folders of PATH, which `list` need not wait for. Calling again is
 * fine. */
err repo_bridge_start(const repo_context *c);
/* Scheme of "x://rest" and "x::rest", "ssh" of user@host:path, "file" of a path; false: no such form. */
bool repo_bridge_scheme(const char *url, char scheme[REPO_SCHEME_BYTES_MAX + 1]);
/* May this scheme be used? folder: of the repository, whose configuration counts too; NULL. typed_by_user:
 * not from a registry, a config file of others or an API. ERR_DENIED says why not. Nothing is contacted. */
err repo_bridge_allowed(const repo_context *c, const char *folder, const char *url, bool typed_by_user);
/* How this url, which needs a helper, can be reached. Errors: ERR_USAGE (form, a leading '-'), ERR_DENIED
 * (policy). Nothing is contacted. */
err repo_bridge_road(const repo_context *c, const char *folder, const char *url, bool typed_by_user,
                     repo_road *out);
/* A transport that was to bridge failed because its helper cannot connect: take the other road. Remembered
 * for as long as the process lives, as libgit2 remembers its transports. */
bool repo_bridge_wants_git_program(const char *url);

#endif
