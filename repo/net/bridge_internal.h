/* repo/net/bridge_internal.h: one helper at the other end of a socket. */
#ifndef REPO_NET_BRIDGE_INTERNAL_H
#define REPO_NET_BRIDGE_INTERNAL_H

#include <git2.h>
#include <git2/sys/transport.h>

#include "repo/net/bridge.h"

/* The callback of git_transport_register; its parameter is the context. */
int bridge_transport(git_transport **out, git_remote *owner, void *context);
void bridge_cannot_connect(const char *url); /* remembered for repo_bridge_wants_git_program */

#endif
