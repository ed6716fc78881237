/* repo/net/url.h: the parts of a url, and what may be shown of it. Pure text. */
#ifndef REPO_NET_URL_H
#define REPO_NET_URL_H

#include <stdbool.h>

#include "base/bytes.h"

enum { REPO_URL_BYTES_MAX = 2048 };

/* "https://user:pass@host:8443/org/x". user, password and path are NULL when absent; the first two are
 * decoded. host is in lower case, with the brackets of an IPv6 address. port 0: the scheme's own. */
typedef struct repo_url {
    char *scheme, *user, *password, *host, *path;
    unsigned port;
} repo_url;

/* False: no url with a scheme and a host (a path, user@host:path, x::y), or one that is malformed: control
 * characters, a port that is none, too long. */
bool repo_url_parse(const char *text, repo_url *out);
void repo_url_free(repo_url *url); /* wipes the password; a zeroed one is fine */

bool repo_url_is_http(const repo_url *url);     /* http or https */
bool repo_url_is_loopback(const repo_url *url); /* localhost, 127.x, ::1 */
unsigned repo_url_port(const repo_url *url);    /* also when it is the scheme's own; 0: not known */
/* "https://host", "http://host:8080": who is talked to. The caller frees. */
char *repo_url_origin(const repo_url *url);

/* Appended with every "scheme://user:password@" reduced to "scheme://": for sentences of other programs. */
void repo_text_without_logins(bytes *out, bytes_view text);

#endif
