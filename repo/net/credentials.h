/* repo/net/credentials.h: who we are to a server, each source tried once.
 *
 * For http(s): user and password of the url, HF_TOKEN (hub hosts), GIT2DB_NETWORK__ACCESS_TOKEN, netrc, git's
 * credential helpers, the person (three times at most). For ssh: agent, keys of ~/.ssh, the person's
 * passphrase. A token goes only to its own host, over https (http: loopback only). Nothing is kept in a file,
 * nothing logged.
 * Threads: belongs to one thread. */
#ifndef REPO_NET_CREDENTIALS_H
#define REPO_NET_CREDENTIALS_H

#include "repo/context.h"

typedef struct repo_credentials repo_credentials;

/* config_get: a value of the repository's git config, NULL: not set; borrowed until the next call. */
err repo_credentials_new(const repo_context *c, const char *repository_path, repo_credentials **out);
void repo_credentials_free(repo_credentials *k); /* wipes; NULL is fine */

typedef struct repo_login {
    char *user, *password;
} repo_login;
void repo_login_free(repo_login *login); /* wipes */

/* The next source's answer for this url. ERR_DENIED: the list is used up; the sentence names what was tried.
 */
err repo_credentials_next(repo_credentials *k, const char *url, const char *user, repo_login *out);
/* The last answer worked, or was refused: told to the helper it came from. */
void repo_credentials_worked(repo_credentials *k);
/* What was given last was wrong: the next source is tried, a helper is told. */
void repo_credentials_refused(repo_credentials *k);

/* For libgit2's callbacks of any transport; payload: a repo_credentials. */
int repo_credentials_for_git(void *out, const char *url, const char *user, unsigned allowed, void *payload);

/* "https://u:p@h/x" -> "https://h/x"; the caller frees. Every url is printed and kept only like this. */
char *repo_url_without_login(const char *url);

#endif
