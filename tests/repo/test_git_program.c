/* The git program as a road: run, watched, asked by, cancelled. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "repo/net/askpass.h"
#include "repo/net/git_lines.h"
#include "repo/net/git_program.h"
#include "tests/support/git_box.h"

static char *box(const char *name)
{
    static char paths[4][512];
    static size_t next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", check_folder(), name);
    return path;
}

static void given_a_remote(void)
{
    static bool made;
    git_box();
    if (made) return;
    made = true;
    git_box_do("git init -q -b trunk far && cd far && echo 1 > a && git add a && git commit -qm one && "
               "git tag v1 && git branch side && git init -q ../near && git clone -q --bare . ../bare.git");
}

TEST(a_fetch_brings_branches_and_tags)
{
    static const char *const specs[] = {"+refs/heads/*:refs/remotes/origin/*", NULL};
    char *branch = NULL;

    given_a_remote();
    check_ok(repo_git_program_fetch(git_box(), box("near"), box("far"), specs, 0, true, NULL));
    check_text(git_box_said("cd near && git for-each-ref --format='%%(refname)'"),
               "refs/remotes/origin/side\nrefs/remotes/origin/trunk\nrefs/tags/v1");
    check_ok(repo_git_program_default_branch(git_box(), box("near"), box("far"), NULL, &branch));
    check_text(branch, "refs/heads/trunk");
    free(branch);
}

TEST(depth_makes_a_shallow_repository_and_all_makes_it_whole)
{
    static const char *const specs[] = {"refs/heads/trunk:refs/remotes/origin/trunk", NULL};
    char url[600];

    given_a_remote();
    git_box_do("cd far && for i in 1 2 3; do git commit -q --allow-empty -m $i; done; git init -q ../short");
    snprintf(url, sizeof url, "file://%s", box("far"));
    check_ok(repo_git_program_fetch(git_box(), box("short"), url, specs, 1, false, NULL));
    check_text(git_box_said("cd short && git rev-list --count origin/trunk"), "1");
    check_ok(repo_git_program_fetch(git_box(), box("short"), url, specs, REPO_DEPTH_ALL, false, NULL));
    check_text(
        git_box_said("cd short && git rev-list --count origin/trunk; ls .git/shallow 2>&1 | grep -c No"),
        "4\n1");
}

TEST(a_push_says_what_became_of_each_ref)
{
    static const char *const specs[] = {"refs/heads/work:refs/heads/work", "refs/heads/work:refs/heads/trunk",
                                        NULL};
    repo_names lines = {0};

    given_a_remote();
    git_box_do(
        "git clone -q bare.git work && cd work && git checkout -q --orphan work && git commit -qm other");
    check_fails(repo_git_program_push(git_box(), box("work"), "origin", specs, NULL, &lines), ERR_CONFLICT,
                "trunk [rejected] (non-fast-forward)");
    check_int(lines.count, 2);
    check_text(lines.names[0], "work [new branch]");
    check_text(lines.names[1], "trunk [rejected] (non-fast-forward)");
    repo_names_free(&lines);
}

TEST(failures_are_gits_last_words_by_kind)
{
    static const char *const specs[] = {"main", NULL};
    static const char *const nothing[] = {"frobnicate", NULL};
    given_a_remote();
    check_fails(
        repo_git_program_fetch(git_box(), box("near"), "nosuch://me:pw@host/x", specs, 0, false, NULL),
        ERR_NOT_FOUND, "install git-remote-nosuch");
    check_fails(repo_git_program_fetch(git_box(), box("near"), box("absent"), specs, 0, false, NULL),
                ERR_NOT_FOUND, "does not appear to be a git repository");
    check_fails(repo_git_program_fetch(git_box(), box("near"), "--upload-pack=x", specs, 0, false, NULL),
                ERR_USAGE, "begin with '-'");
    check_fails(repo_git_program_run(git_box(), box("near"), nothing, NULL, NULL), ERR_STATE, "frobnicate");
}

TEST(a_setting_forbids_it)
{
    repo_context c = *git_box();
    settings *changed = NULL;
    check_ok(settings_open(settings_borrow_folders(c.settings), c.environment, &changed));
    check_ok(settings_override(changed, "repo.git_program", "false"));
    c.settings = changed;
    check_fails(repo_git_program_check(&c), ERR_UNSUPPORTED, "forbids");
    settings_free(changed);
}

/* ---- questions ---- */

static err person(void *context, const char *question, bool secret, bytes *answer)
{
    bytes *heard = context;
    bytes_printf(heard, "%s[%s]", question, secret ? "secret" : "open");
    bytes_append_text(answer, secret ? "s3 cret" : "yes");
    return ERR_OK;
}

/* git starts a shell that asks as ssh does. */
static err asked(const repo_context *c, const char *question, bytes *said)
{
    char alias[600];
    snprintf(alias, sizeof alias, "alias.x=!\"$GIT_ASKPASS\" '%s'", question);
    const char *const arguments[] = {"-c", alias, "x", NULL};
    return repo_git_program_run(c, box("near"), arguments, NULL, said);
}

TEST(questions_of_ssh_reach_the_person_and_answers_come_back)
{
    CLEANUP(bytes_free) bytes heard = {0}, said = {0};
    repo_context c = *git_box();

    given_a_remote();
    c.ask = (repo_ask){person, &heard};
    check_ok(asked(&c, "Enter passphrase for key k: ", &said));
    check_text(bytes_text(&said), "s3 cret\n");
    check_text(bytes_text(&heard), "Enter passphrase for key k: [secret]");
    bytes_clear(&heard);
    check_ok(asked(&c, "Are you sure you want to continue connecting (yes/no/[fingerprint])? ", &said));
    check_text(bytes_text(&said), "yes\n");
    check_true(check_text_holds(bytes_text(&heard), "[open]"));
}

static err nobody(void *context, const char *question, bool secret, bytes *answer)
{
    (void)context, (void)question, (void)secret, (void)answer;
    return err_make(ERR_CANCELLED, "no answer was given");
}

TEST(a_question_without_an_answer_is_the_reason)
{
    CLEANUP(bytes_free) bytes said = {0};
    repo_context c = *git_box();
    given_a_remote();
    c.ask = (repo_ask){nobody, NULL};
    check_fails(asked(&c, "Enter passphrase for key k: ", &said), ERR_CANCELLED, "no answer was given");
}

TEST(the_secret_is_in_no_environment_and_no_argument)
{
    CLEANUP(bytes_free) bytes heard = {0}, said = {0};
    static const char *const arguments[] = {
        "-c",
        "alias.x=!\"$GIT_ASKPASS\" 'Enter passphrase: ' >/dev/null; env; tr '\\0' ' ' </proc/$PPID/cmdline",
        "x", NULL};
    repo_context c = *git_box();

    given_a_remote();
    c.ask = (repo_ask){person, &heard};
    check_ok(repo_git_program_run(&c, box("near"), arguments, NULL, &said));
    check_true(check_text_holds(bytes_text(&said), "GIT_TERMINAL_PROMPT=0"));
    check_true(!check_text_holds(bytes_text(&said), "s3 cret"));
}

/* ---- progress and cancel ---- */

static bool stop_at_once(void *context, const repo_progress *progress)
{
    (void)progress;
    ++*(int *)context;
    return false;
}

TEST(a_cancel_ends_git_and_what_it_started)
{
    static const char *const arguments[] = {"-c", "alias.x=!echo $$ > pid; sleep 60", "x", NULL};
    repo_context c = *git_box();
    int told = 0;
    time_t began = time(NULL);

    given_a_remote();
    c.watch = (repo_watch){stop_at_once, &told};
    check_fails(repo_git_program_run(&c, box("near"), arguments, NULL, NULL), ERR_CANCELLED, "cancelled");
    check_true(time(NULL) - began < 5);
    check_true(told > 0);
    check_text(git_box_said("[ -s near/pid ] && kill -0 $(cat near/pid) && echo alive"),
               git_box_said("[ -s near/pid ] && echo 'sh: 1: kill: No such process'"));
}

static void keep(void *context, const char *line) { bytes_printf(context, "%s|", line); }

TEST(pieces_become_clean_lines)
{
    CLEANUP(bytes_free) bytes said = {0};
    repo_lines lines = {0};
    repo_lines_feed(&lines, VIEW("fatal: ht"), keep, &said);
    repo_lines_feed(&lines, VIEW("tps://me:pw@host/x \x1b[31m\r\n\nhttp://a@b@c/ "), keep, &said);
    repo_lines_end(&lines, keep, &said);
    check_text(bytes_text(&said), "fatal: https://host/x [31m|http://c/|");
    repo_lines_free(&lines);
}

TEST(progress_is_read_with_its_counts)
{
    repo_progress p = {0};
    check_true(repo_line_progress("Receiving objects:  45% (9/20), 1.50 MiB | 3.00 MiB/s", &p));
    check_int(p.phase, REPO_RECEIVING);
    check_int(p.done, 9);
    check_int(p.total, 20);
    check_int(p.bytes_done, 1572864);
    check_true(repo_line_progress("remote: Enumerating objects: 12, done.", &p));
    check_int(p.done, 12);
    check_true(!repo_line_progress("Receiving objects: soon", &p));
    check_true(!repo_line_progress("fatal: no", &p));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        RUN(a_fetch_brings_branches_and_tags),
        RUN(depth_makes_a_shallow_repository_and_all_makes_it_whole),
        RUN(a_push_says_what_became_of_each_ref),
        RUN(failures_are_gits_last_words_by_kind),
        RUN(a_setting_forbids_it),
        RUN(questions_of_ssh_reach_the_person_and_answers_come_back),
        RUN(a_question_without_an_answer_is_the_reason),
        RUN(the_secret_is_in_no_environment_and_no_argument),
        RUN(a_cancel_ends_git_and_what_it_started),
        RUN(pieces_become_clean_lines),
        RUN(progress_is_read_with_its_counts),
    };
    /* git asks through this very program. */
    if (repo_askpass_is(argc, argv)) return repo_askpass_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
