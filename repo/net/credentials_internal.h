/* repo/net/credentials_internal.h: what the files of the credentials share. */
#ifndef REPO_NET_CREDENTIALS_INTERNAL_H
#define REPO_NET_CREDENTIALS_INTERNAL_H

#include "repo/net/credentials.h"
#include "repo/net/url.h"

enum { REPO_ASKED_MAX = 3, REPO_ORIGINS_MAX = 16 };

typedef enum login_source {
    LOGIN_URL,
    LOGIN_HUB,
    LOGIN_ACCESS_TOKEN,
    LOGIN_NETRC,
    LOGIN_HELPER,
    LOGIN_PERSON,
    LOGIN_SOURCE_COUNT,
} login_source;

typedef enum ssh_source { SSH_AGENT, SSH_KEYS, SSH_PERSON, SSH_SOURCE_COUNT } ssh_source;

/* One server and how far its list is. */
typedef struct login_place {
    char *origin;      /* "https://host" */
    char *user_of_url; /* NULL */
    char *password_of_url;
    char *path;       /* of its first url, for helpers that tell repositories apart; NULL */
    int next;         /* the source to try next */
    int answered_by;  /* whose answer is out; -1: nobody's */
    unsigned asked;   /* times that the person was asked */
    size_t key;       /* ssh: the key file to try next */
    repo_login login; /* the last answer */
    bool accepted;    /* it worked: it may be given again */
    bytes tried;      /* "HF_TOKEN, ~/.netrc" */
} login_place;

struct repo_credentials {
    const repo_context *context;
    char *folder; /* to run git credential in; NULL */
    login_place places[REPO_ORIGINS_MAX];
    size_t place_count;
    login_place *current; /* of the last answer; NULL: none */
    err failure;          /* of the last answer that could not be given */
};

/* The state of this url's server. ERR_USAGE: no url; ERR_LIMIT: too many servers. */
err login_place_of(repo_credentials *k, const repo_url *url, login_place **out);
/* A login that stands in a url is used for its server, and kept nowhere else. */
err repo_credentials_learn(repo_credentials *k, const char *url);
/* Why the last callback of libgit2 gave no answer; ERR_OK: it gave one. */
err repo_credentials_failure(const repo_credentials *k);
void login_tried(login_place *place, const char *what);
/* Ask the person, at most REPO_ASKED_MAX times for each server. */
err login_ask(repo_credentials *k, login_place *place, const char *question, bool secret, char **out);
void login_wipe(char **text);

/* Each source: true and *out when it has an answer. */
bool login_from_hub(repo_credentials *k, const repo_url *url, const char *user, repo_login *out);
bool login_from_access_token(repo_credentials *k, const repo_url *url, repo_login *out);
bool login_from_netrc(repo_credentials *k, login_place *place, const repo_url *url, const char *user,
                      repo_login *out);

/* `git credential fill|approve|reject`. */
typedef enum helper_verb { HELPER_FILL, HELPER_APPROVE, HELPER_REJECT } helper_verb;
bool login_helper(const repo_credentials *k, helper_verb verb, const login_place *place, const char *user,
                  repo_login *login);

#endif
