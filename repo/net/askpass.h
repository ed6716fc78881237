/* repo/net/askpass.h: the questions of git and ssh, brought to this process.
 *
 * git and ssh ask through a program ($GIT_ASKPASS, $SSH_ASKPASS). That program is ours again: it carries the
 * question over a socket to the process that started git, which knows the credentials and the person, and
 * prints the answer. The socket has an unguessable name in the environment and serves our own user alone; no
 * secret stands in an argument, a file or the environment. */
#ifndef REPO_NET_ASKPASS_H
#define REPO_NET_ASKPASS_H

#include "repo/net/credentials.h"

typedef struct repo_askpass repo_askpass;

/* who may be NULL: only the person is asked then. Both are borrowed. */
err repo_askpass_open(const repo_context *c, repo_credentials *who, repo_askpass **out);
void repo_askpass_free(repo_askpass *a); /* wipes; NULL is fine */

int repo_askpass_fd(const repo_askpass *a); /* readable: call repo_askpass_serve */
/* Answer one question. What cannot be answered is kept: repo_askpass_problem. */
void repo_askpass_serve(repo_askpass *a);
/* How many logins were handed out, and why the last question had no answer (ERR_OK: it had). */
size_t repo_askpass_login_count(const repo_askpass *a);
/* What went wrong when it was asked (a wrong login, no terminal); none: ERR_OK. */
err repo_askpass_problem(const repo_askpass *a);
/* "NAME=value" for the child's environment: two programs and the socket's name. Borrowed from a. */
enum { REPO_ASKPASS_VARIABLES = 4 };
/* "NAME=value" for the environment of who asks, NULL behind the last; valid as long as a. */
const char *repo_askpass_borrow_variable(const repo_askpass *a, size_t i);

/* True: this process was started by git or ssh to ask; its main is repo_askpass_main then. */
bool repo_askpass_is(int argc, char **argv);
int repo_askpass_main(int argc, char **argv); /* the exit status */

#endif
