/* The bridge alone: which schemes may be used, and helpers in process, where a sanitizer looks on. */
#include <git2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/git.h"
#include "repo/net/bridge.h"
#include "tests/support/git_box.h"

static env with(const char *name, const char *value)
{
    setenv(name, value, 1);
    return env_of_process();
}

TEST(an_address_tells_its_scheme)
{
    static const struct {
        const char *url, *scheme;
    } rows[] = {
        {"s3://bucket/x", "s3"},        {"S3::anything", "s3"}, {"https://h/x", "https"},
        {"ada@host:x.git", "ssh"},      {"/srv/x.git", "file"}, {"./a:b", "file"},
        {"git+x.y-z://h", "git+x.y-z"}, {"+x://h", "ssh"},      {"x:y", "ssh"},
    };
    char scheme[REPO_SCHEME_BYTES_MAX + 1];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        check_true(repo_bridge_scheme(rows[i].url, scheme));
        check_text(scheme, rows[i].scheme);
    }
    check_true(!repo_bridge_scheme("", scheme));
    check_true(!repo_bridge_scheme("abcdefghijklmnopqrstuvwxyz0123456789://h", scheme));
}

TEST(what_may_be_used_is_decided_as_git_does_it)
{
    repo_context c = *git_box();
    env e;

    check_ok(repo_start(&c));
    check_ok(repo_bridge_allowed(&c, NULL, "x1://h", true));
    check_fails(repo_bridge_allowed(&c, NULL, "x1://h", false), ERR_DENIED, "unless a person types it");
    check_ok(repo_bridge_allowed(&c, NULL, "https://h/x", false));
    check_fails(repo_bridge_allowed(&c, NULL, "EXT::sh -c x", true), ERR_DENIED, "never used");
    check_fails(repo_bridge_allowed(&c, NULL, "fd::3", true), ERR_DENIED, "never used");
    check_fails(repo_bridge_allowed(&c, NULL, "--upload-pack=x", true), ERR_USAGE, "begin with '-'");
    check_fails(repo_bridge_allowed(&c, NULL, "x://a\nb", true), ERR_USAGE, "control characters");
    check_fails(repo_bridge_allowed(&c, NULL, "gittorrent://", true), ERR_USAGE, "hex digits");
    git_box_do(
        "git init -q policy && git -C policy config protocol.allow never && "
        "git -C policy config protocol.x2.allow always && git -C policy config protocol.x3.allow nonsense");
    char folder[512];
    snprintf(folder, sizeof folder, "%s/policy", check_folder());
    check_fails(repo_bridge_allowed(&c, folder, "x1://h", true), ERR_DENIED, "protocol.x1.allow");
    check_fails(repo_bridge_allowed(&c, folder, "https://h", true), ERR_DENIED, "https:// is not allowed");
    check_ok(repo_bridge_allowed(&c, folder, "x2://h", false));
    check_fails(repo_bridge_allowed(&c, folder, "x3://h", true), ERR_DENIED, "not allowed");
    e = with("GIT_ALLOW_PROTOCOL", "https:x9");
    c.environment = &e;
    check_ok(repo_bridge_allowed(&c, folder, "x9://h", false));
    check_fails(repo_bridge_allowed(&c, NULL, "x1://h", true), ERR_DENIED, "GIT_ALLOW_PROTOCOL");
    check_fails(repo_bridge_allowed(&c, NULL, "x://h", true), ERR_DENIED, "GIT_ALLOW_PROTOCOL");
    unsetenv("GIT_ALLOW_PROTOCOL");
}

/* A bare repository to serve, the helper under several names on PATH. */
static void given_helpers(void)
{
    char here[512], path[2048];

    git_box();
    if (getenv("BRIDGE_GIVEN")) return;
    check_true(realpath("tests/support/git-remote-folder", here) != NULL);
    git_box_do("mkdir bin && for n in folder folderobjects folderbad-words folderbad-early folderbad-many "
               "folderbad-long folderbad-noise folderbad-cut; do ln -s %s bin/git-remote-$n; done && "
               "git init -q source && cd source && echo 1 > a && git add a && git commit -qm One && "
               "git clone -q --bare . ../served.git",
               here);
    snprintf(path, sizeof path, "%s/bin:%s", check_folder(), getenv("PATH"));
    setenv("PATH", path, 1);
    setenv("BRIDGE_GIVEN", "1", 1);
}

static const repo_context *started(void)
{
    static repo_context c;
    static env e;

    given_helpers();
    e = env_of_process();
    c = *git_box();
    c.environment = &e;
    check_ok(repo_start(&c));
    check_ok(repo_bridge_start(&c));
    return &c;
}

/* A clone by libgit2 alone: a status of its. */
static int cloned(const char *scheme, const char *name)
{
    char url[1024], folder[1024];
    git_repository *git = NULL;

    started();
    snprintf(url, sizeof url, "%s://%s/served.git", scheme, check_folder());
    snprintf(folder, sizeof folder, "%s/%s", check_folder(), name);
    int status = git_clone(&git, url, folder, NULL);
    git_repository_free(git);
    return status;
}

TEST(a_helper_that_connects_is_a_transport)
{
    git_remote *remote = NULL;
    git_repository *git = NULL;
    char folder[1024];
    char spec[] = "refs/heads/main:refs/heads/copy", *specs[] = {spec};
    const git_strarray push = {specs, 1};

    assert_int_equal(cloned("folder", "by-bridge"), 0);
    git_box_do("cd by-bridge && git fsck --strict && echo 2 > a && git commit -qam Two");
    snprintf(folder, sizeof folder, "%s/by-bridge", check_folder());
    assert_int_equal(git_repository_open(&git, folder), 0);
    assert_int_equal(git_remote_lookup(&remote, git, "origin"), 0);
    check_ok(repo_git_check(git_remote_push(remote, &push, NULL), "push"));
    check_text(git_box_said("git -C served.git log -1 --format=%%s copy"), "Two");
    check_text(git_box_said("git -C served.git fsck --strict"), "");
    git_remote_free(remote);
    git_repository_free(git);
}

TEST(a_helper_that_cannot_connect_is_remembered)
{
    repo_road road;
    const repo_context *c = started();

    check_ok(repo_bridge_road(c, NULL, "folderobjects://x", true, &road));
    assert_int_equal(road, REPO_ROAD_LIBGIT2);
    assert_int_equal(cloned("folderobjects", "objects"), GIT_PASSTHROUGH);
    check_true(repo_bridge_wants_git_program("folderobjects://anything"));
    check_true(!repo_bridge_wants_git_program("folder://anything"));
    check_ok(repo_bridge_road(c, NULL, "folderobjects://x", true, &road));
    assert_int_equal(road, REPO_ROAD_GIT_PROGRAM);
    check_ok(repo_bridge_road(c, NULL, "folder::x", true, &road));
    assert_int_equal(road, REPO_ROAD_GIT_PROGRAM);
    check_ok(repo_bridge_road(c, NULL, "absent://x", true, &road));
    assert_int_equal(road, REPO_ROAD_GIT_PROGRAM);
}

TEST(helpers_that_misbehave_are_failures_with_words)
{
    static const struct {
        const char *scheme, *words;
    } rows[] = {
        {"folderbad-words", "is on fire"},
        {"folderbad-early", "without an answer"},
        {"folderbad-many", "too many"},
        {"folderbad-long", "too long"},
        {"folderbad-noise", "pkt-line"},
        {"folderbad-cut", ""}, /* libgit2 1.5: "EOF", 1.9: "could not read refs" */
    };

    signal(SIGPIPE, SIG_DFL); /* a write to an ended helper must not need the program's own care */
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        check_true(cloned(rows[i].scheme, "bad") < 0);
        const git_error *last = git_error_last();
        check_true(last && check_text_holds(last->message, rows[i].words));
        check_true(!strstr(last->message, "secret"));
    }
    check_text(git_box_said("ls -d bad 2>/dev/null; ps -o args= --ppid %d | grep '[p]ython.*git-remote'",
                            (int)getpid()),
               "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(an_address_tells_its_scheme),
        RUN(what_may_be_used_is_decided_as_git_does_it),
        RUN(a_helper_that_connects_is_a_transport),
        RUN(a_helper_that_cannot_connect_is_remembered),
        RUN(helpers_that_misbehave_are_failures_with_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
