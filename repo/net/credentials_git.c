/* The credentials in libgit2's words: http as above; ssh by agent, keys and a person. */
#include <git2.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/git.h"
#include "repo/net/credentials_internal.h"

enum { KEY_BYTES_MAX = 64 << 10 };

static const char *const key_files[] = {".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa"};

/* ---- ssh ---- */

/* A new-style key says its cipher first: this is "none", in the base64 of the file's first bytes. */
static bool key_is_locked(const char *path)
{
    static const char mark[] = "BEGIN OPENSSH PRIVATE KEY-----",
                      open_key[] = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU";
    CLEANUP(bytes_free) bytes text = {0};

    if (file_read(path, KEY_BYTES_MAX, &text).code) return false;
    const char *begin = strstr(bytes_text(&text), mark);
    bool locked = strstr(bytes_text(&text), "ENCRYPTED") != NULL;
    if (begin) locked = !strstr(begin, open_key);
    explicit_bzero(text.data, text.size);
    return locked;
}

static int key_offer(repo_credentials *k, login_place *place, const char *user, const char *path, err *why,
                     git_credential **out)
{
    CLEANUP(bytes_free) bytes question = {0}, public_path = {0};
    char *phrase = NULL;
    int status = 0;

    bytes_printf(&public_path, "%s.pub", path);
    if (key_is_locked(path)) {
        bytes_printf(&question, "Passphrase of %s: ", path);
        *why = login_ask(k, place, bytes_text(&question), true, &phrase);
    }
    if (!why->code) {
        bool has_public = file_exists(bytes_text(&public_path));
        status =
            git_credential_ssh_key_new(out, user, has_public ? bytes_text(&public_path) : NULL, path, phrase);
        if (status < 0) *why = repo_git_check(status, path);
    }
    login_wipe(&phrase);
    return why->code ? -1 : 0;
}

/* True: *out is a key, or *why says what went wrong. False: there is no further key. */
static bool next_key(repo_credentials *k, login_place *place, const char *user, err *why,
                     git_credential **out)
{
    const char *home = settings_borrow_folders(k->context->settings)->home;

    while (place->key < COUNT_OF(key_files)) {
        char *path = file_join(home, key_files[place->key++]);
        bool found = file_exists(path);
        if (found) {
            login_tried(place, file_name(path));
            key_offer(k, place, user, path, why, out);
        }
        free(path);
        if (found) return true;
    }
    return false;
}

static err ssh_password(repo_credentials *k, login_place *place, const char *user, git_credential **out)
{
    CLEANUP(bytes_free) bytes question = {0};
    char *password = NULL;

    if (place->asked++ == 0) login_tried(place, "what was typed");
    bytes_printf(&question, "%sPassword of %s for %s: ", place->asked > 1 ? "That was refused. " : "", user,
                 place->origin);
    err e = login_ask(k, place, bytes_text(&question), true, &password);
    if (!e.code)
        e = repo_git_check(git_credential_userpass_plaintext_new(out, user, password), place->origin);
    login_wipe(&password);
    return e;
}

/* libgit2 asks without end: each source answers once, then it is over. */
static err ssh_next(repo_credentials *k, login_place *place, const char *user, unsigned allowed,
                    git_credential **out)
{
    err e = ERR_OK;

    if (place->next == SSH_AGENT) {
        place->next = SSH_KEYS;
        if ((allowed & GIT_CREDENTIAL_SSH_KEY) && env_get(k->context->environment, "SSH_AUTH_SOCK")) {
            login_tried(place, "the ssh agent");
            if (git_credential_ssh_key_from_agent(out, user) == 0) return ERR_OK;
        }
    }
    if (place->next == SSH_KEYS) {
        if ((allowed & GIT_CREDENTIAL_SSH_KEY) && next_key(k, place, user, &e, out)) return e;
        place->next = SSH_PERSON;
    }
    if ((allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) && place->asked < REPO_ASKED_MAX && k->context->ask.ask)
        return ssh_password(k, place, user, out);
    if (!place->tried.size)
        return err_make(ERR_DENIED, "%s wants a key: no ssh agent, and none in ~/.ssh", place->origin);
    return err_make(ERR_DENIED, "%s refused the login (tried: %s)", place->origin, bytes_text(&place->tried));
}

/* "host:path" and "user@host:path" are ssh urls too. */
static bool ssh_url(const char *text, repo_url *out)
{
    if (repo_url_parse(text, out)) return true;
    CLEANUP(bytes_free) bytes whole = {0};
    bytes_printf(&whole, "ssh://%.*s", (int)strcspn(text, ":"), text);
    return repo_url_parse(bytes_text(&whole), out);
}

static err ssh_answer(repo_credentials *k, const char *text, const char *user, unsigned allowed,
                      git_credential **out)
{
    repo_url url = {0};
    login_place *place = NULL;

    if (!ssh_url(text, &url)) return err_make(ERR_USAGE, "a login is asked for what is no address");
    err e = login_place_of(k, &url, &place);
    if (!user || !*user) user = url.user ? url.user : "git";
    if (!e.code && (allowed & GIT_CREDENTIAL_USERNAME))
        e = repo_git_check(git_credential_username_new(out, user), place->origin);
    else if (!e.code)
        e = ssh_next(k, place, user, allowed, out);
    repo_url_free(&url);
    return e;
}

/* ---- http ---- */

static err http_answer_of(repo_credentials *k, const char *url, const char *user, unsigned allowed,
                          git_credential **out)
{
    repo_login login = {0};

    if (!(allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT)) {
        /* The system's own ticket (Negotiate); a second question means that it was refused. */
        login_place *place = k->current;
        if (!(allowed & GIT_CREDENTIAL_DEFAULT) || (place && place->next == LOGIN_SOURCE_COUNT))
            return err_make(ERR_DENIED, "the server wants a kind of login that is not known here");
        repo_url parts = {0};
        if (repo_url_parse(url, &parts) && !login_place_of(k, &parts, &k->current).code)
            k->current->next = LOGIN_SOURCE_COUNT;
        repo_url_free(&parts);
        return repo_git_check(git_credential_default_new(out), "log in");
    }
    err e = repo_credentials_next(k, url, user, &login);
    if (!e.code)
        e = repo_git_check(git_credential_userpass_plaintext_new(out, login.user, login.password), "log in");
    repo_login_free(&login);
    return e;
}

int repo_credentials_for_git(void *out, const char *url, const char *user, unsigned allowed, void *payload)
{
    static const unsigned ssh_kinds =
        GIT_CREDENTIAL_SSH_KEY | GIT_CREDENTIAL_USERNAME | GIT_CREDENTIAL_SSH_CUSTOM;
    repo_credentials *k = payload;
    bool is_http = strncmp(url, "http", 4) == 0;

    k->failure = !is_http || (allowed & ssh_kinds) ? ssh_answer(k, url, user, allowed, out)
                                                   : http_answer_of(k, url, user, allowed, out);
    return k->failure.code ? repo_git_refuse(k->failure) : 0;
}
