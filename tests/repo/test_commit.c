/* Commits, judged by the git program. */
#include "repo/commit.h"

#include <git2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "repo/gate.h"
#include "repo/handle_internal.h"
#include "tests/support/git_box.h"

static const char *place(const char *name)
{
    static _Thread_local char path[512];
    snprintf(path, sizeof path, "%s/%s", check_folder(), name);
    return path;
}

static repo_handle *opened(const char *name)
{
    repo_handle *r = NULL;
    check_ok(repo_open(git_box(), place(name), &r));
    return r;
}

static void given_repository(const char *name)
{
    git_box();
    git_box_do("git init -q -b main %s && cd %s && echo one >a && git add a", name, name);
}

static err commit(const char *name, repo_commit_options options, repo_commit_done *done)
{
    repo_handle *r = opened(name);
    repo_commit_done own = {0};
    err e = repo_commit(r, &options, done ? done : &own);
    repo_commit_done_free(&own);
    repo_close(r);
    return e;
}

#define COMMIT(name, ...) commit(name, (repo_commit_options){.sign = -1, __VA_ARGS__}, NULL)

static void judge(const char *name)
{
    check_text(git_box_said("git -C %s fsck --strict --no-dangling", name), "");
}

TEST(what_is_staged_is_committed_as_git_would)
{
    repo_commit_done done = {0};
    given_repository("plain");
    git_box_do("cd plain && echo two >b && git add b && echo three >b");
    check_ok(commit("plain",
                    (repo_commit_options){.message = "\n\nAdd two files \n\n\n\nBody  \n\n", .sign = -1},
                    &done));
    check_text(done.branch, "main");
    check_text(done.subject, "Add two files");
    check_int(done.files_changed, 2);
    check_text(done.commit.hex, git_box_said("git -C plain rev-parse HEAD"));
    check_text(git_box_said("git -C plain log -1 --format='%%an|%%ae|%%cn|%%B'"),
               "Ada|ada@example.org|Ada|Add two files\n\nBody");
    check_text(git_box_said("git -C plain status --porcelain"), " M b");
    check_text(git_box_said("git -C plain reflog --format=%%gs"), "commit (initial): Add two files");
    check_text(git_box_said("git -C plain reflog main --format=%%gs"), "commit (initial): Add two files");
    judge("plain");
    repo_commit_done_free(&done);
}

TEST(nothing_to_commit_has_its_own_code)
{
    given_repository("nothing");
    check_ok(COMMIT("nothing", .message = "First"));
    check_fails(COMMIT("nothing", .message = "Second"), ERR_NOTHING, "stage files first");
    check_fails(COMMIT("nothing", .message = "Second", .all = true), ERR_NOTHING, "nothing to commit");
    check_fails(COMMIT("nothing", .message = " \n", .allow_empty = true), ERR_USAGE, "empty");
    check_ok(COMMIT("nothing", .message = "Second", .allow_empty = true));
    check_text(git_box_said("git -C nothing rev-list --count HEAD"), "2");
    git_box_do("git init -q -b main unborn");
    check_fails(COMMIT("unborn", .message = "x"), ERR_NOTHING, "nothing to commit");
    check_fails(COMMIT("unborn", .message = "x", .amend = true), ERR_NOTHING, "no commit yet");
}

TEST(all_takes_changed_and_removed_files_but_no_new_ones)
{
    given_repository("all");
    git_box_do(
        "cd all && echo b >b && mkdir d && echo c >d/c && git add . && git commit -qm x && echo more >>a && "
        "rm d/c && chmod +x b && echo new >new");
    check_ok(COMMIT("all", .message = "All", .all = true));
    check_text(git_box_said("git -C all status --porcelain"), "?? new");
    check_text(git_box_said("git -C all show --format= --name-status"), "M\ta\nM\tb\nD\td/c");
    /* The same size in the same tick must not be overlooked. */
    git_box_do("cd all && printf 'xxx\\n' >a && git add a && printf 'yyy\\n' >a");
    check_ok(COMMIT("all", .message = "Racy", .all = true));
    check_text(git_box_said("git -C all show HEAD:a"), "yyy");
    judge("all");
}

TEST(amending_keeps_the_author_and_the_message)
{
    given_repository("amend");
    git_box_do(
        "cd amend && git commit -qm 'Keep me' --author='Bob <bob@example.org>' --date='@1000000000 +0100' && "
        "echo two >a && git add a");
    check_ok(COMMIT("amend", .amend = true));
    check_text(git_box_said("git -C amend log --format='%%an %%ad %%cn %%s' --date=raw"),
               "Bob 1000000000 +0100 Ada Keep me");
    check_text(git_box_said("git -C amend reflog -1 --format=%%gs"), "commit (amend): Keep me");
    check_ok(COMMIT("amend", .amend = true, .message = "Other"));
    check_text(git_box_said("git -C amend log --format=%%s"), "Other");
    judge("amend");
}

TEST(dates_of_the_environment_are_honoured)
{
    static const char *const dates[] = {"2005-04-07T22:13:13+02:00",
                                        "2005-04-07 22:13:13 +0200",
                                        "1112904793 +0200",
                                        "@1112904793 +0200",
                                        "Thu, 07 Apr 2005 22:13:13 +0200",
                                        "Thu Apr 7 22:13:13 2005 +0200",
                                        "2005.04.07T22:13:13 +0200",
                                        "04/07/2005 22:13:13 +0200",
                                        "07.04.2005 22:13:13 +0200",
                                        "2005-04-07T20:13:13Z",
                                        "2005-04-07T22:13:13",
                                        "@0 +0000",
                                        "2005-04-07T22:13:13.019-07:00"};
    given_repository("dates");
    setenv("TZ", "Asia/Tokyo", 1);
    for (size_t i = 0; i < COUNT_OF(dates); i++) {
        setenv("GIT_AUTHOR_DATE", dates[i], 1);
        setenv("GIT_COMMITTER_DATE", dates[i], 1);
        check_ok(COMMIT("dates", .message = "Ours", .allow_empty = true));
        const char *ours = git_box_said("git -C dates log -1 --format='%%ad %%cd' --date=raw");
        git_box_do("git -C dates commit -q --allow-empty -m theirs");
        check_text(ours, git_box_said("git -C dates log -1 --format='%%ad %%cd' --date=raw"));
    }
    setenv("GIT_AUTHOR_DATE", "soon", 1);
    check_fails(COMMIT("dates", .message = "x", .allow_empty = true), ERR_USAGE,
                "GIT_AUTHOR_DATE is no date");
    unsetenv("GIT_AUTHOR_DATE");
    unsetenv("GIT_COMMITTER_DATE");
    unsetenv("TZ");
}

TEST(a_missing_identity_gives_the_hint_and_no_commit)
{
    static const char *const names[] = {"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME",
                                        "GIT_COMMITTER_EMAIL", "EMAIL"};
    given_repository("nobody");
    for (size_t i = 0; i < COUNT_OF(names); i++) unsetenv(names[i]);
    git_box_do("git config --global --unset user.name; git config --global --unset user.email");
    check_fails(COMMIT("nobody", .message = "x"), ERR_USAGE, "hyprstream config set user.name");
    settings *ours = (settings *)(uintptr_t)git_box()->settings;
    check_ok(settings_override(ours, "user.name", "Cleo"));
    check_fails(COMMIT("nobody", .message = "x"), ERR_USAGE, "an email");
    check_ok(settings_override(ours, "user.email", "cleo@example.org"));
    check_ok(COMMIT("nobody", .message = "w"));
    git_box_do("cd nobody && git config user.name Ada && git config user.email ada@example.org");
    check_ok(COMMIT("nobody", .message = "x", .allow_empty = true));
    setenv("GIT_AUTHOR_NAME", "Dora", 1);
    check_ok(COMMIT("nobody", .message = "y", .allow_empty = true));
    check_text(git_box_said("git -C nobody log --format='%%an %%cn'"), "Dora Ada\nAda Ada\nCleo Cleo");
    unsetenv("GIT_AUTHOR_NAME");
}

TEST(a_merge_is_finished_with_its_message_and_its_second_parent)
{
    given_repository("merge");
    git_box_do(
        "cd merge && git commit -qm base && git checkout -qb side && echo side >a && git commit -qam side && "
        "git checkout -q main && echo ours >a && git commit -qam ours && git merge side || true");
    check_fails(COMMIT("merge", .message = "x"), ERR_CONFLICT, "a (mend");
    check_fails(COMMIT("merge", .amend = true), ERR_STATE, "cannot be amended");
    git_box_do("cd merge && echo both >a && git add a");
    check_ok(COMMIT("merge"));
    check_text(git_box_said("git -C merge log -1 --format='%%s|%%p' | wc -w"), "4");
    check_text(git_box_said("git -C merge log -1 --format=%%B"), "Merge branch 'side'");
    check_text(git_box_said("git -C merge status --porcelain"), "");
    check_text(git_box_said("test -e merge/.git/MERGE_HEAD && echo left"), "");
    check_text(git_box_said("git -C merge reflog -1 --format=%%gs"), "commit (merge): Merge branch 'side'");
    judge("merge");
}

TEST(a_rebase_that_goes_on_is_not_disturbed)
{
    given_repository("rebase");
    git_box_do("cd rebase && git commit -qm base && git checkout -qb side && echo side >a && git commit -qam "
               "side && "
               "git checkout -q main && echo ours >a && git commit -qam ours && git rebase -q side || true");
    check_fails(COMMIT("rebase", .message = "x", .allow_empty = true), ERR_STATE, "a rebase is going on");
}

TEST(a_detached_head_has_no_branch)
{
    repo_commit_done done = {0};
    given_repository("detached");
    git_box_do("cd detached && git commit -qm x && git checkout -q --detach && echo two >a");
    check_ok(commit("detached", (repo_commit_options){.message = "Loose", .all = true, .sign = -1}, &done));
    check_true(done.branch == NULL);
    check_text(git_box_said("git -C detached log --format=%%s HEAD"), "Loose\nx");
    check_text(git_box_said("git -C detached log --format=%%s main"), "x");
    repo_commit_done_free(&done);
}

TEST(hooks_are_not_run_and_that_is_said_once)
{
    repo_commit_done done = {0};
    repo_commit_options empty = {.message = "x", .allow_empty = true, .sign = -1};
    given_repository("hooks");
    git_box_do("cd hooks && printf '#!/bin/sh\\ntouch ran\\nexit 1\\n' >.git/hooks/pre-commit && "
               "chmod +x .git/hooks/pre-commit");
    check_ok(commit("hooks", empty, &done));
    check_true(done.hooks_not_run);
    repo_commit_done_free(&done);
    check_ok(commit("hooks", empty, &done));
    check_true(!done.hooks_not_run);
    repo_commit_done_free(&done);
    check_text(git_box_said("ls hooks"), "a");
}

TEST(with_the_setting_git_makes_the_commit_and_a_hook_can_refuse_it)
{
    given_repository("gits");
    git_box_do(
        "cd gits && git config --local core.hooksPath my && mkdir my && "
        "printf '#!/bin/sh\\necho \"no thanks\" >&2\\nexit 1\\n' >my/pre-commit && chmod +x my/pre-commit");
    check_ok(settings_override((settings *)(uintptr_t)git_box()->settings, "repo.hooks", "git"));
    check_fails(COMMIT("gits", .message = "x"), ERR_STATE, "no thanks");
    git_box_do(
        "cd gits && printf '#!/bin/sh\\nsed -i s/x/y/ \"$1\"\\n' >my/commit-msg && chmod +x my/commit-msg && "
        "rm my/pre-commit");
    check_ok(COMMIT("gits", .message = "x"));
    check_text(git_box_said("git -C gits log --format=%%s"), "y");
    check_ok(COMMIT("gits", .amend = true, .allow_empty = true));
    check_text(git_box_said("git -C gits log --format=%%s"), "y");
    check_ok(settings_override((settings *)(uintptr_t)git_box()->settings, "repo.hooks", "off"));
}

/* ---- many at once ---- */

enum { THREADS = 8, ROUNDS = 10, PROCESSES = 2 };

static void *commit_often(void *context)
{
    for (int i = 0; i < ROUNDS; i++) {
        repo_handle *r = NULL;
        repo_commit_done done = {0};
        char text[64];
        snprintf(text, sizeof text, "%d of %ld", i, (long)(intptr_t)context);
        repo_commit_options options = {.message = text, .allow_empty = true, .sign = -1};
        err e = repo_open(git_box(), place("many"), &r);
        if (!e.code) e = repo_commit(r, &options, &done);
        repo_commit_done_free(&done);
        repo_close(r);
        if (e.code) {
            fprintf(stderr, "%s\n", e.text);
            return context;
        }
    }
    return NULL;
}

TEST(eight_threads_and_two_processes_lose_no_commit)
{
    /* Without TZ the C library reads the zone anew at each call, under a lock that TSan does not see. */
    setenv("TZ", "UTC", 1);
    tzset();
    pthread_t threads[THREADS];
    pid_t children[PROCESSES];
    int status = 0;

    given_repository("many");
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) _exit(commit_often((void *)(intptr_t)(100 + i)) ? 1 : 0);
    }
    for (size_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, commit_often, (void *)(i + 1));
    for (size_t i = 0; i < THREADS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    for (int i = 0; i < PROCESSES; i++) {
        waitpid(children[i], &status, 0);
        check_int(status, 0);
    }
    char wanted[16];
    snprintf(wanted, sizeof wanted, "%d", (THREADS + PROCESSES) * ROUNDS);
    check_text(git_box_said("git -C many rev-list --count HEAD"), wanted);
    check_text(git_box_said("git -C many reflog | wc -l"), wanted);
    judge("many");
}

TEST(a_tree_of_a_verb_becomes_a_commit_only_where_the_ref_still_is)
{
    repo_id tree, parent, made = {0};
    given_repository("make");
    git_box_do("cd make && git commit -qm base");
    repo_handle *r = opened("make");
    snprintf(parent.hex, sizeof parent.hex, "%s", git_box_said("git -C make rev-parse HEAD"));
    snprintf(tree.hex, sizeof tree.hex, "%s", git_box_said("git -C make rev-parse HEAD^{tree}"));
    repo_commit_plan plan = {.tree = &tree,
                             .parents = &parent,
                             .parent_count = 1,
                             .message = "Made",
                             .update_ref = "HEAD",
                             .author_of = &parent,
                             .reflog = "revert: Made"};
    check_ok(repo_commit_make(r, &plan, &made));
    check_text(git_box_said("git -C make reflog -1 --format='%%H %%gs'") + 41, "revert: Made");
    check_fails(repo_commit_make(r, &plan, &made), ERR_BUSY, "moved meanwhile");
    plan.update_ref = "refs/heads/new/branch";
    check_fails(repo_commit_make(r, &plan, &made), ERR_BUSY, "moved meanwhile");
    plan.update_ref = NULL;
    check_ok(repo_commit_make(r, &plan, &made));
    check_text(git_box_said("git -C make log --format=%%s"), "Made\nbase");
    repo_close(r);
}

TEST(a_message_has_a_limit)
{
    char *text = calloc(1, REPO_MESSAGE_BYTES_MAX + 2);
    given_repository("long");
    memset(text, 'x', REPO_MESSAGE_BYTES_MAX + 1);
    check_fails(COMMIT("long", .message = text), ERR_LIMIT, "65537 bytes");
    free(text);
}

TESTS(RUN(what_is_staged_is_committed_as_git_would), RUN(nothing_to_commit_has_its_own_code),
      RUN(all_takes_changed_and_removed_files_but_no_new_ones),
      RUN(amending_keeps_the_author_and_the_message), RUN(dates_of_the_environment_are_honoured),
      RUN(a_merge_is_finished_with_its_message_and_its_second_parent),
      RUN(a_rebase_that_goes_on_is_not_disturbed), RUN(a_detached_head_has_no_branch),
      RUN(hooks_are_not_run_and_that_is_said_once),
      RUN(with_the_setting_git_makes_the_commit_and_a_hook_can_refuse_it),
      RUN(eight_threads_and_two_processes_lose_no_commit),
      RUN(a_tree_of_a_verb_becomes_a_commit_only_where_the_ref_still_is), RUN(a_message_has_a_limit),
      RUN(a_missing_identity_gives_the_hint_and_no_commit))
