/* Clone and fetch over http from git's own backend: logins, redirects, servers that stop in the middle. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "repo/net/askpass.h"
#include "repo/net/network_internal.h"
#include "tests/support/git_box.h"

static repo_context context;
static settings *changed;
static repo_models *models;
static char port[8], port2[8];

static char *url(const char *login, const char *path)
{
    static char urls[4][300];
    static size_t next;
    char *out = urls[next++ % 4];
    snprintf(out, sizeof urls[0], "http://%s127.0.0.1:%s/%s", login, port, path);
    return out;
}

/* The server runs once for all tests; false: no python3 here. */
static bool given_server(void)
{
    git_box();
    if (*port) return true;
    if (strcmp(
            git_box_said("command -v python3 >/dev/null && git http-backend --help >/dev/null 2>&1; echo $?"),
            "127") == 0)
        return false;
    char *script = realpath("tests/support/git_http.py", NULL);
    git_box_do(
        "mkdir www && git init -q -b main work && cd work && head -c 300000 /dev/urandom > a && echo '{}' > "
        "config.json && "
        "git add . && git commit -qm one && git clone -q --bare . ../www/far.git && mkdir ../www/org && "
        "git clone -q --bare . ../www/org/name");
    git_box_do("cd www && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
               "-addext subjectAltName=DNS:localhost -keyout key.pem -out ../ca.pem 2>/dev/null && "
               "cat ../ca.pem key.pem > tls.pem");
    git_box_do("python3 %s $PWD/www >/dev/null 2>&1 & echo $! > server.pid; "
               "for i in $(seq 200); do test -e www/port && break; sleep 0.05; done; test -e www/port",
               script);
    free(script);
    snprintf(port, sizeof port, "%s", git_box_said("cat www/port"));
    snprintf(port2, sizeof port2, "%s", git_box_said("cat www/port2"));
    return true;
}

static void given(void)
{
    if (!given_server()) skip();
    if (!changed) {
        char *folder = file_join(check_folder(), "models");
        check_ok(
            settings_open(settings_borrow_folders(git_box()->settings), git_box()->environment, &changed));
        check_ok(settings_override(changed, "models.dir", folder));
        free(folder);
    }
    context = *git_box();
    context.settings = changed;
    check_ok(settings_override(changed, "network.timeout", "60"));
    repo_models_free(models);
    models = NULL;
    git_box_do("rm -rf models; : > www/log");
    check_ok(repo_models_open(&context, &models));
}

static err cloned(const char *address)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    return repo_clone(models, &(repo_clone_options){.url = address, .name = "x"}, &report);
}

static void check_nothing_left(void)
{
    check_text(git_box_said("ls -A models | grep -vE '^.(registry|staging|trash)$'; "
                            "find models/.staging models/.trash -mindepth 1 2>/dev/null"),
               "");
}

/* ---- logins ---- */

TEST(a_login_in_the_url_is_used_once_and_kept_nowhere)
{
    given();
    check_ok(cloned(url("ann:right@", "locked/far.git")));
    check_text(git_box_said("git -C models/x config remote.origin.url"), url("", "locked/far.git"));
    check_text(git_box_said("grep -rsl right models home | wc -l"), "0");
    check_text(git_box_said("git -C models/x fsck && git -C models/x status --porcelain"), "");
}

TEST(a_wrong_one_is_tried_once_and_stands_in_no_sentence)
{
    given();
    err e = cloned(url("ann:wr0ng@", "locked/far.git"));
    check_int(e.code, ERR_DENIED);
    check_true(check_text_holds(e.text, "refused the login (tried: the url)") &&
               !check_text_holds(e.text, "wr0ng"));
    check_text(git_box_said("grep -c wr0ng www/log"), "1");
    check_nothing_left();
    check_fails(cloned(url("", "denied/far.git")), ERR_DENIED, "403");
    check_fails(cloned(url("", "nothing.git")), ERR_NOT_FOUND, "404");
}

typedef struct person {
    size_t asked, right_at;
    bool saw_echo; /* a password that would have been shown */
} person;

static err answers(void *where, const char *question, bool secret, bytes *answer)
{
    person *p = where;
    bool password = strncmp(question, "User name", 9) != 0 && !check_text_holds(question, "User name");
    if (password) p->asked++;
    p->saw_echo |= password != secret;
    bytes_append_text(answer, !password ? "ann" : p->asked == p->right_at ? "right" : "wrong");
    return ERR_OK;
}

static err leaves(void *where, const char *question, bool secret, bytes *answer)
{
    (void)where, (void)question, (void)secret, (void)answer;
    return err_make(ERR_CANCELLED, "no answer was given");
}

TEST(a_person_is_asked_three_times_at_most)
{
    person third = {.right_at = 3}, never = {0};

    given();
    context.ask = (repo_ask){answers, &third};
    check_ok(cloned(url("", "locked/far.git")));
    check_int(third.asked, 3);
    check_true(!third.saw_echo);
    given();
    context.ask = (repo_ask){answers, &never};
    check_fails(cloned(url("", "locked/far.git")), ERR_DENIED, "refused the login (tried: what was typed)");
    check_int(never.asked, 3);
    check_nothing_left();
    context.ask = (repo_ask){leaves, NULL};
    check_fails(cloned(url("", "locked/far.git")), ERR_CANCELLED, "");
    check_nothing_left();
}

TEST(a_hub_name_goes_to_the_hub_with_its_token)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    char endpoint[300];

    given();
    snprintf(endpoint, sizeof endpoint, "%s/", url("", "locked"));
    setenv("HF_ENDPOINT", endpoint, 1);
    setenv("HF_TOKEN", "t0ken9", 1);
    err e = repo_clone(models, &(repo_clone_options){.url = "org/name"}, &report);
    err none = cloned("org/other");
    unsetenv("HF_TOKEN");
    err stranger = cloned("org/name");
    unsetenv("HF_ENDPOINT");
    check_ok(e);
    check_text(report.name, "name");
    check_text(git_box_said("git -C models/name config remote.origin.url"), url("", "locked/org/name"));
    check_int(none.code, ERR_NOT_FOUND);
    check_fails(stranger, ERR_DENIED, "does not exist, is private, or wants its licence accepted");
    check_text(git_box_said("grep -rs t0ken9 models home | wc -l"), "0");
}

/* ---- certificates ---- */

TEST(a_certificate_must_be_one_that_we_trust)
{
    char address[100], authority[600];

    given();
    snprintf(address, sizeof address, "https://localhost:%s/far.git", git_box_said("cat www/port_tls"));
    snprintf(authority, sizeof authority, "%s/ca.pem", check_folder());
    unsetenv("GIT_SSL_CAINFO"); /* git's own word would win over the other */
    check_fails(cloned(address), ERR_DENIED, "certificate");
    check_nothing_left();
    setenv("SSL_CERT_FILE", authority, 1);
    err trusted = cloned(address);
    repo_clone_options how = {.url = address, .name = "short", .depth = 1};
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    err by_program = repo_clone(models, &how, &report);
    unsetenv("SSL_CERT_FILE");
    check_ok(trusted);
    check_ok(by_program);
    check_text(git_box_said("git -C models/x fsck"), "");
    given();
    memcpy(strstr(address, "localhost"), "127.0.0.1", 9); /* a name that is not in it */
    setenv("SSL_CERT_FILE", authority, 1);
    err other_name = cloned(address);
    unsetenv("SSL_CERT_FILE");
    check_true(other_name.code == ERR_DENIED || other_name.code == ERR_IO); /* libgit2 1.9: an early end */
    check_nothing_left();
}

/* ---- redirects ---- */

TEST(a_redirect_to_another_host_gets_no_login)
{
    given();
    check_fails(cloned(url("ann:right@", "moved/locked/far.git")), ERR_DENIED, "http://localhost:");
    check_text(git_box_said("grep -c '^%s ' www/log; grep '^%s ' www/log | grep -c right", port2, port2),
               "2\n0");
    check_ok(cloned(url("ann:right@", "moved/far.git")));
    check_text(git_box_said("grep '^%s ' www/log | grep -c right", port2), "0");
    check_text(git_box_said("git -C models/x fsck"), "");
}

TEST(a_redirect_to_another_scheme_is_refused)
{
    given();
    check_fails(cloned(url("ann:right@", "scheme/far.git")), ERR_DENIED, "redirects");
    check_nothing_left();
}

/* ---- the middle ---- */

TEST(a_server_that_stops_in_the_middle_is_given_up)
{
    given();
    check_ok(settings_override(changed, "network.timeout", "1"));
    double began = clock_seconds();
    check_fails(cloned(url("", "stall/far.git")), ERR_IO, "silent for 1 s");
    check_true(clock_seconds() - began < 8);
    check_nothing_left();
}

TEST(a_server_that_drops_in_the_middle_leaves_nothing)
{
    given();
    err e = cloned(url("", "drop/far.git"));
    check_int(e.code, ERR_IO);
    check_nothing_left();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        RUN(a_login_in_the_url_is_used_once_and_kept_nowhere),
        RUN(a_wrong_one_is_tried_once_and_stands_in_no_sentence),
        RUN(a_person_is_asked_three_times_at_most),
        RUN(a_hub_name_goes_to_the_hub_with_its_token),
        RUN(a_certificate_must_be_one_that_we_trust),
        RUN(a_redirect_to_another_host_gets_no_login),
        RUN(a_redirect_to_another_scheme_is_refused),
        RUN(a_server_that_stops_in_the_middle_is_given_up),
        RUN(a_server_that_drops_in_the_middle_leaves_nothing),
    };
    if (repo_askpass_is(argc, argv)) return repo_askpass_main(argc, argv);
    if (repo_network_is(argc, argv)) return repo_network_child(argc, argv);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (*port) git_box_do("kill $(cat server.pid)");
    repo_models_free(models);
    settings_free(changed);
    return failed;
}
