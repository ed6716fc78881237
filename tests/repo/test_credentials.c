#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/net/credentials_internal.h"
#include "repo/net/netrc.h"
#include "tests/support/check.h"

/* ---- a person and an environment made up ---- */

typedef struct world {
    env environment;
    const char *names[8], *values[8];
    size_t count;
    folders where;
    settings *settings;
    repo_context context;
    unsigned questions;
    const char *answer;
} world;

static const char *world_get(void *context, const char *name)
{
    world *w = context;

    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->names[i], name) == 0) return w->values[i];
    return NULL;
}

static err world_ask(void *context, const char *question, bool secret, bytes *answer)
{
    world *w = context;

    (void)question, (void)secret;
    w->questions++;
    if (!w->answer) return err_make(ERR_CANCELLED, "no answer was given");
    bytes_append_text(answer, w->answer);
    return ERR_OK;
}

static void world_set(world *w, const char *name, const char *value)
{
    w->names[w->count] = name;
    w->values[w->count++] = value;
}

static void world_begin(world *w, bool has_person)
{
    *w = (world){.environment = {world_get, w}};
    char *home = file_join(check_folder(), "home");
    setenv("HOME", home, 1);
    setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
    setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
    file_remove_tree(home);
    check_ok(file_make_folders(home));
    world_set(w, "HOME", home);
    check_ok(folders_find(&w->environment, &w->where));
    check_ok(settings_open(&w->where, &w->environment, &w->settings));
    w->context = (repo_context){.settings = w->settings, .environment = &w->environment};
    if (has_person) w->context.ask = (repo_ask){world_ask, w};
}

static void world_end(world *w)
{
    settings_free(w->settings);
    folders_free(&w->where);
    free((void *)(uintptr_t)w->values[0]);
}

static void netrc_write(world *w, const char *text, mode_t mode)
{
    char *path = file_join(w->where.home, ".netrc");
    check_write(path, text, strlen(text));
    chmod(path, mode);
    free(path);
}

static void check_login(repo_credentials *k, const char *url, const char *user, const char *password)
{
    repo_login login = {0};

    check_ok(repo_credentials_next(k, url, NULL, &login));
    check_text(login.user, user);
    check_text(login.password, password);
    repo_login_free(&login);
}

static void check_used_up(repo_credentials *k, const char *url, const char *words)
{
    repo_login login = {0};
    check_fails(repo_credentials_next(k, url, NULL, &login), ERR_DENIED, words);
}

/* ---- urls ---- */

static void check_shown(const char *url, const char *wanted)
{
    char *got = repo_url_without_login(url);
    check_text(got, wanted);
    free(got);
}

TEST(a_url_is_shown_without_its_login)
{
    check_shown("https://u:p@h/x", "https://h/x");
    check_shown("https://u:p@ss@h:8/x@y", "https://h:8/x@y");
    check_shown("https://h/x", "https://h/x");
    check_shown("git@host:org/x", "git@host:org/x");
    check_shown("ssh://git@host/x", "ssh://git@host/x");
    check_shown("ssh://git:secret@host/x", "ssh://git@host/x");
    check_shown("/a/b@c", "/a/b@c");
    check_shown("", "");
}

TEST(a_sentence_loses_the_logins_of_its_urls)
{
    CLEANUP(bytes_free) bytes out = {0};
    repo_text_without_logins(&out, VIEW("fatal: 'https://u:p@h/x' and http://t@b/ but not a@b or s://"));
    check_text(bytes_text(&out), "fatal: 'https://h/x' and http://b/ but not a@b or s://");
}

TEST(a_url_is_taken_apart)
{
    repo_url url = {0};

    check_true(repo_url_parse("HTTPS://a%40b:p%3A@Host.Example:8443/x/y?z", &url));
    check_text(url.scheme, "https");
    check_text(url.user, "a@b");
    check_text(url.password, "p:");
    check_text(url.host, "host.example");
    check_int(url.port, 8443);
    check_text(url.path, "/x/y?z");
    char *origin = repo_url_origin(&url);
    check_text(origin, "https://host.example:8443");
    free(origin);
    repo_url_free(&url);
    check_true(repo_url_parse("http://[::1]:80/", &url));
    check_true(repo_url_is_loopback(&url));
    repo_url_free(&url);
}

TEST(a_malformed_url_is_refused)
{
    static const char *const bad[] = {"host:path",      "/path",           "://h",           "http://",
                                      "http://h:99999", "http://a%0ab@h/", "http://h/\nx:y", "http://[::1/"};
    repo_url url = {0};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (repo_url_parse(bad[i], &url)) fail_msg("%s was taken", bad[i]);
}

TEST(localhost_in_a_name_is_not_the_loopback)
{
    static const char *const others[] = {"http://localhost.evil.example/", "http://127.0.0.1.evil.example/",
                                         "http://1127.0.0.1/"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        repo_url url = {0};
        check_true(repo_url_parse(others[i], &url));
        check_true(!repo_url_is_loopback(&url));
        repo_url_free(&url);
    }
}

/* ---- netrc ---- */

static void check_netrc(const char *text, const char *user, const char *wanted_user, const char *wanted)
{
    bytes copy = {0};
    const char *got_user = NULL, *got = NULL;

    bytes_append_text(&copy, text);
    bool found = netrc_find(&copy, "host", user, &got_user, &got);
    if (found != (wanted != NULL)) fail_msg("%s", text);
    if (wanted) check_text(got, wanted);
    if (wanted) check_text(got_user, wanted_user);
    bytes_free(&copy);
}

TEST(netrc_has_machines_a_default_macros_quotes_and_comments)
{
    check_netrc("machine host login a password b", NULL, "a", "b");
    check_netrc("machine other login a password b\nmachine host login c password d", NULL, "c", "d");
    check_netrc("machine host login a password b\nmachine host login c password d", "c", "c", "d");
    check_netrc("machine x login a password b\ndefault login c password d", NULL, "c", "d");
    check_netrc("macdef m\nmachine host login evil password no\n\nmachine host login a password b", NULL, "a",
                "b");
    check_netrc("# machine host login x password y\nmachine host login a password b", NULL, "a", "b");
    check_netrc("machine host login \"a b\" password \"c\\\"d\"", NULL, "a b", "c\"d");
    check_netrc("machine host login a password #b", NULL, "a", "#b");
    check_netrc("machine host login a", NULL, NULL, NULL);
    check_netrc("machine", NULL, NULL, NULL);
    check_netrc("", NULL, NULL, NULL);
}

/* ---- the list ---- */

TEST(each_source_answers_once_then_the_sentence_names_them)
{
    world w;
    repo_credentials *k = NULL;

    world_begin(&w, false);
    netrc_write(&w, "machine host.example login n password netrc-secret", 0600);
    check_ok(repo_credentials_new(&w.context, NULL, &k));
    check_ok(repo_credentials_learn(k, "https://u:url-secret@host.example/x"));
    check_login(k, "https://host.example/x", "u", "url-secret");
    repo_credentials_refused(k);
    check_used_up(k, "https://host.example/x", "tried: the url"); /* netrc has no user u */
    repo_credentials_free(k);
    world_end(&w);
}

TEST(a_hub_token_goes_to_the_hub_alone_and_over_https_alone)
{
    world w;
    repo_credentials *k = NULL;

    world_begin(&w, false);
    world_set(&w, "HF_TOKEN", "hf_secret");
    world_set(&w, "HF_ENDPOINT", "https://hub.example:8443");
    check_ok(repo_credentials_new(&w.context, NULL, &k));
    check_login(k, "https://huggingface.co/org/x", "hf_user", "hf_secret");
    check_login(k, "https://hub.example:8443/org/x", "hf_user", "hf_secret");
    check_used_up(k, "https://hub.example/org/x", "wants a login");
    check_used_up(k, "http://huggingface.co/org/x", "wants a login");
    check_used_up(k, "https://huggingface.co.evil.example/x", "wants a login");
    check_used_up(k, "https://evil.example/huggingface.co", "wants a login");
    check_used_up(k, "https://huggingface.co/org/x", "refused the login (tried: the hub's token)");
    repo_credentials_free(k);
    world_end(&w);
}

TEST(an_access_token_without_a_host_needs_the_persons_word)
{
    world w;
    repo_credentials *k = NULL;

    world_begin(&w, false);
    world_set(&w, "GIT2DB_NETWORK__ACCESS_TOKEN", "secret");
    check_ok(repo_credentials_new(&w.context, NULL, &k));
    check_used_up(k, "https://github.com/x", "wants a login");
    repo_credentials_free(k);
    w.context.ask = (repo_ask){world_ask, &w};
    w.answer = "yes";
    check_ok(repo_credentials_new(&w.context, NULL, &k));
    check_login(k, "https://github.com/x", "x-access-token", "secret");
    repo_credentials_free(k);
    world_set(&w, "GIT2DB_NETWORK__ACCESS_TOKEN_HOST", "gitlab.com");
    w.questions = 0, w.answer = NULL;
    check_ok(repo_credentials_new(&w.context, NULL, &k));
    check_login(k, "https://gitlab.com/x", "oauth2", "secret");
    check_int(w.questions, 0);
    repo_credentials_free(k);
    world_end(&w);
}

TEST(a_netrc_that_others_can_read_is_left_out)
{
    world w;
    repo_credentials *k = NULL;

    world_begin(&w, false);
    netrc_write(&w, "default login n password netrc-secret", 0644);
    check_ok(repo_credentials_new(&w.context, NULL, &k));
    check_used_up(k, "https://host.example/x", "others can read it");
    repo_credentials_free(k);
    netrc_write(&w, "default login n password netrc-secret", 0600);
    check_ok(repo_credentials_new(&w.context, NULL, &k));
    check_login(k, "https://host.example/x", "n", "netrc-secret");
    repo_credentials_free(k);
    world_end(&w);
}

TEST(a_person_is_asked_three_times_and_a_cancel_is_a_cancel)
{
    world w;
    repo_credentials *k = NULL;
    repo_login login = {0};

    world_begin(&w, true);
    w.answer = "word";
    check_ok(repo_credentials_new(&w.context, NULL, &k));
    for (int i = 0; i < REPO_ASKED_MAX; i++) check_login(k, "https://host.example/x", "word", "word");
    check_used_up(k, "https://host.example/x", "what was typed");
    check_int(w.questions, 2 * REPO_ASKED_MAX);
    w.answer = NULL;
    check_fails(repo_credentials_next(k, "https://other.example/", NULL, &login), ERR_CANCELLED, "no answer");
    repo_credentials_free(k);
    world_end(&w);
}

TEST(what_worked_is_given_again_and_what_was_then_refused_is_not)
{
    world w;
    repo_credentials *k = NULL;

    world_begin(&w, true);
    w.answer = "word";
    check_ok(repo_credentials_new(&w.context, NULL, &k));
    check_login(k, "https://host.example/x", "word", "word");
    repo_credentials_worked(k);
    w.answer = "other";
    check_login(k, "https://host.example/x.git/info/lfs", "word", "word");
    check_login(k, "https://host.example/x.git/info/lfs", "other", "other");
    repo_credentials_free(k);
    world_end(&w);
}

static void helper_write(const char *script)
{
    char *path = file_join(check_folder(), "helper"), *config = file_join(check_folder(), "gitconfig");
    CLEANUP(bytes_free) bytes text = {0};

    check_write(path, script, strlen(script));
    chmod(path, 0700);
    bytes_printf(&text, "[credential]\n\thelper = %s\n", path);
    check_write(config, text.data, text.size);
    setenv("GIT_CONFIG_GLOBAL", config, 1);
    free(path);
    free(config);
}

TEST(a_credential_helper_is_asked_and_told)
{
    world w;
    repo_credentials *k = NULL;
    CLEANUP(bytes_free) bytes script = {0};

    world_begin(&w, false);
    bytes_printf(&script,
                 "#!/bin/sh\necho \"$1\" >>%s/told\ncat >>%s/told\n"
                 "test \"$1\" = get && echo username=h && echo password=helper-secret\n",
                 check_folder(), check_folder());
    helper_write(bytes_text(&script));
    check_ok(repo_credentials_new(&w.context, NULL, &k));
    check_login(k, "https://host.example/x", "h", "helper-secret");
    repo_credentials_worked(k);
    check_login(k, "https://host.example/x", "h", "helper-secret");
    repo_credentials_refused(k);
    check_login(k, "https://other.example:444/x", "h", "helper-secret");
    repo_credentials_refused(k);
    bytes told = check_read("%s/told", check_folder());
    check_true(strstr(bytes_text(&told), "get\nprotocol=https\nhost=host.example\n"));
    check_true(strstr(bytes_text(&told), "store\nprotocol=https\nhost=host.example\n"));
    check_true(strstr(bytes_text(&told), "erase\nprotocol=https\nhost=other.example:444\n"));
    bytes_free(&told);
    repo_credentials_free(k);
    world_end(&w);
}

TESTS(RUN(a_url_is_shown_without_its_login), RUN(a_sentence_loses_the_logins_of_its_urls),
      RUN(a_url_is_taken_apart), RUN(a_malformed_url_is_refused),
      RUN(localhost_in_a_name_is_not_the_loopback),
      RUN(netrc_has_machines_a_default_macros_quotes_and_comments),
      RUN(each_source_answers_once_then_the_sentence_names_them),
      RUN(a_hub_token_goes_to_the_hub_alone_and_over_https_alone),
      RUN(an_access_token_without_a_host_needs_the_persons_word),
      RUN(a_netrc_that_others_can_read_is_left_out),
      RUN(a_person_is_asked_three_times_and_a_cancel_is_a_cancel),
      RUN(what_worked_is_given_again_and_what_was_then_refused_is_not),
      RUN(a_credential_helper_is_asked_and_told))
