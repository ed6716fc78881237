/* repo/net/netrc.h: logins in ~/.netrc, which libgit2 does not read. */
#ifndef REPO_NET_NETRC_H
#define REPO_NET_NETRC_H

#include <stdbool.h>

#include "base/bytes.h"

enum { NETRC_BYTES_MAX = 1 << 20, NETRC_WORD_BYTES_MAX = 4096 };

/* The first entry for this host (and user, unless NULL), else `default`. macdef bodies are skipped; words may
 * be in double quotes. user and password point into text after quotes are taken away there: text is changed.
 * False: nothing for this host, or malformed. */
bool netrc_find(bytes *text, const char *host, const char *user, const char **out_user,
                const char **out_password);

#endif
