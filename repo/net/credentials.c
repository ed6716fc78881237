#include "repo/net/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/net/credentials_internal.h"

static const char *const source_names[LOGIN_SOURCE_COUNT] = {
    [LOGIN_URL] = "the url",
    [LOGIN_HUB] = "the hub's token",
    [LOGIN_ACCESS_TOKEN] = "GIT2DB_NETWORK__ACCESS_TOKEN",
    [LOGIN_NETRC] = "netrc",
    [LOGIN_HELPER] = "git's credential helper",
    [LOGIN_PERSON] = "what was typed",
};

err repo_credentials_new(const repo_context *c, const char *repository_path, repo_credentials **out)
{
    repo_credentials *k = memory_alloc(sizeof *k);

    k->context = c;
    k->folder = repository_path ? memory_text(repository_path) : NULL;
    *out = k;
    return ERR_OK;
}

/* ---- wiping ---- */

void login_wipe(char **text)
{
    if (*text) explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void repo_login_free(repo_login *login)
{
    login_wipe(&login->user);
    login_wipe(&login->password);
}

static void place_free(login_place *place)
{
    free(place->origin);
    free(place->path);
    login_wipe(&place->user_of_url);
    login_wipe(&place->password_of_url);
    repo_login_free(&place->login);
    bytes_free(&place->tried);
}

void repo_credentials_free(repo_credentials *k)
{
    if (!k) return;
    for (size_t i = 0; i < k->place_count; i++) place_free(&k->places[i]);
    free(k->folder);
    free(k);
}

static repo_login login_copy(const repo_login *login)
{
    return (repo_login){.user = memory_text(login->user), .password = memory_text(login->password)};
}

/* ---- places ---- */

static void place_learn(login_place *place, const repo_url *url)
{
    if (!url->user) return;
    login_wipe(&place->user_of_url);
    place->user_of_url = memory_text(url->user);
    if (!url->password) return;
    login_wipe(&place->password_of_url);
    place->password_of_url = memory_text(url->password);
}

err login_place_of(repo_credentials *k, const repo_url *url, login_place **out)
{
    char *origin = repo_url_origin(url);

    for (size_t i = 0; i < k->place_count; i++) {
        if (strcmp(k->places[i].origin, origin) != 0) continue;
        free(origin);
        place_learn(&k->places[i], url);
        *out = &k->places[i];
        return ERR_OK;
    }
    if (k->place_count == REPO_ORIGINS_MAX) {
        free(origin);
        return err_make(ERR_LIMIT, "more than %d servers ask for a login", REPO_ORIGINS_MAX);
    }
    login_place *place = &k->places[k->place_count++];
    place->origin = origin;
    place->path = url->path && url->path[1] ? memory_text(url->path + 1) : NULL;
    place->answered_by = -1;
    place_learn(place, url);
    *out = place;
    return ERR_OK;
}

err repo_credentials_learn(repo_credentials *k, const char *text)
{
    repo_url url = {0};
    login_place *place;

    if (!repo_url_parse(text, &url)) return ERR_OK;
    err e = url.user ? login_place_of(k, &url, &place) : ERR_OK;
    repo_url_free(&url);
    return e;
}

void login_tried(login_place *place, const char *what)
{
    if (place->tried.size) bytes_append_text(&place->tried, ", ");
    bytes_append_text(&place->tried, what);
}

/* ---- the list ---- */

err login_ask(repo_credentials *k, login_place *place, const char *question, bool secret, char **out)
{
    const repo_ask *person = &k->context->ask;
    bytes answer = {0};

    if (!person->ask) return err_make(ERR_DENIED, "nobody is there to ask for %s", place->origin);
    err e = person->ask(person->context, question, secret, &answer);
    if (!e.code) *out = memory_text(bytes_text(&answer));
    if (answer.data) explicit_bzero(answer.data, answer.size);
    bytes_free(&answer);
    return e;
}

/* ERR_DENIED without a person; a cancelled question cancels the verb. */
static err person_answers(repo_credentials *k, login_place *place, const char *user, repo_login *out)
{
    CLEANUP(bytes_free) bytes question = {0};
    const char *again = place->asked ? "That was refused. " : "";
    repo_login login = {.user = user ? memory_text(user) : NULL};
    err e = ERR_OK;

    place->asked++;
    if (!login.user) {
        bytes_printf(&question, "%sUser name for %s: ", again, place->origin);
        e = login_ask(k, place, bytes_text(&question), false, &login.user);
    }
    if (!e.code) {
        bytes_clear(&question);
        bytes_printf(&question, "%sPassword or token of %s for %s: ", user ? again : "", login.user,
                     place->origin);
        e = login_ask(k, place, bytes_text(&question), true, &login.password);
    }
    if (e.code)
        repo_login_free(&login);
    else
        *out = login;
    return e;
}

static bool url_answers(const login_place *place, repo_login *out)
{
    if (!place->password_of_url) return false;
    *out = (repo_login){.user = memory_text(place->user_of_url),
                        .password = memory_text(place->password_of_url)};
    return true;
}

static bool source_answers(repo_credentials *k, login_place *place, const repo_url *url, const char *user,
                           int source, repo_login *out)
{
    switch (source) {
    case LOGIN_URL: return url_answers(place, out);
    case LOGIN_HUB: return login_from_hub(k, url, user, out);
    case LOGIN_ACCESS_TOKEN: return login_from_access_token(k, url, out);
    case LOGIN_NETRC: return login_from_netrc(k, place, url, user, out);
    case LOGIN_HELPER:
        *out = (repo_login){.user = user ? memory_text(user) : NULL};
        if (login_helper(k, HELPER_FILL, place, user, out)) return true;
        repo_login_free(out);
        return false;
    default: return false;
    }
}

static err used_up(const repo_credentials *k, const login_place *place, err last)
{
    const char *tried = bytes_text(&place->tried);

    if (last.code == ERR_CANCELLED) return last;
    if (!place->tried.size)
        return err_make(
            ERR_DENIED,
            "%s wants a login, and there is none: no token, nothing in netrc, no credential helper%s",
            place->origin, k->context->ask.ask ? "" : ", nobody to ask");
    return err_make(ERR_DENIED, "%s refused the login (tried: %s)", place->origin, tried);
}

static err next_answer(repo_credentials *k, login_place *place, const repo_url *url, const char *user)
{
    if (!user) user = place->user_of_url;
    while (place->next < LOGIN_PERSON) {
        int source = place->next++;
        if (!source_answers(k, place, url, user, source, &place->login)) continue;
        login_tried(place, source_names[source]);
        place->answered_by = source;
        return ERR_OK;
    }
    if (place->asked == REPO_ASKED_MAX) return used_up(k, place, ERR_OK);
    err e = person_answers(k, place, user, &place->login);
    if (e.code) return used_up(k, place, e);
    if (place->asked == 1) login_tried(place, source_names[LOGIN_PERSON]);
    place->answered_by = LOGIN_PERSON;
    return ERR_OK;
}

/* What is asked for again was refused, unless it was said to work: then it may be a new connection. */
static bool can_repeat(login_place *place)
{
    bool again = place->accepted && place->login.password;
    place->accepted = false;
    return again;
}

err repo_credentials_next(repo_credentials *k, const char *text, const char *user, repo_login *out)
{
    repo_url url = {0};
    login_place *place = NULL;

    if (!repo_url_parse(text, &url) || !repo_url_is_http(&url)) {
        repo_url_free(&url);
        return err_make(ERR_USAGE, "a login is asked for what is no http address");
    }
    err e = login_place_of(k, &url, &place);
    if (!e.code) {
        k->current = place;
        if (!can_repeat(place)) {
            repo_credentials_refused(k);
            e = next_answer(k, place, &url, user && *user ? user : NULL);
        }
    }
    if (!e.code) *out = login_copy(&place->login);
    repo_url_free(&url);
    return e;
}

/* A typed login is offered to the helper too: it was asked for only because the helper did not have it. */
void repo_credentials_worked(repo_credentials *k)
{
    login_place *place = k->current;

    /* Also of one that was given again: a verb may come back to its server often. */
    if (!place || !place->login.password) return;
    if (place->answered_by == LOGIN_HELPER || place->answered_by == LOGIN_PERSON)
        login_helper(k, HELPER_APPROVE, place, place->login.user, &place->login);
    place->accepted = true;
    place->answered_by = -1;
}

void repo_credentials_refused(repo_credentials *k)
{
    login_place *place = k->current;

    if (!place) return;
    if (place->answered_by == LOGIN_HELPER && place->login.password)
        login_helper(k, HELPER_REJECT, place, place->login.user, &place->login);
    place->answered_by = -1;
    place->accepted = false;
    repo_login_free(&place->login);
}

err repo_credentials_failure(const repo_credentials *k) { return k->failure; }
