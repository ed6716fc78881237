/* Undo and redo over what git and we did, judged by git. */
#include "repo/undo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/commit.h"
#include "repo/handle_internal.h"
#include "tests/support/git_box.h"

static const char *place(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", check_folder(), name);
    return path;
}

static void given(const char *name)
{
    git_box();
    git_box_do("git init -q -b main %s && cd %s && echo one >a && echo k >keep && git add . && git commit "
               "-qm first && "
               "echo two >a && git commit -qam second",
               name, name);
}

static err step(const char *name, bool redo, repo_undo *told)
{
    repo_handle *r = NULL;
    repo_undo undo = {0};
    repo_checkout_report report = {0};
    check_ok(repo_open(git_box(), place(name), &r));
    err e = repo_undo_find(r, redo, &undo);
    if (!e.code) e = repo_undo_run(r, &undo, &report);
    repo_checkout_report_free(&report);
    if (told)
        *told = undo;
    else
        repo_undo_free(&undo);
    repo_close(r);
    return e;
}
#define UNDO(name) step(name, false, NULL)
#define REDO(name) step(name, true, NULL)

static const char *state(const char *name)
{
    return git_box_said(
        "cd %s && git rev-parse --abbrev-ref HEAD && git rev-parse HEAD && git status --porcelain && "
        "git fsck --strict --no-dangling",
        name);
}

/* Do it with git; undo must bring back what was, redo what it made. */
static void there_and_back(const char *name, const char *git)
{
    const char *before = state(name);
    char kept[4096], after[4096];
    snprintf(kept, sizeof kept, "%s", before);
    git_box_do("cd %s && %s", name, git);
    snprintf(after, sizeof after, "%s", state(name));
    check_true(strcmp(kept, after) != 0);
    for (int i = 0; i < 2; i++) {
        check_ok(UNDO(name));
        check_text(state(name), kept);
        check_ok(REDO(name));
        check_text(state(name), after);
    }
    check_fails(REDO(name), ERR_NOTHING, "nothing to redo");
}

TEST(every_action_goes_there_and_back)
{
    given("all");
    git_box_do("cd all && git branch side && git tag v1");
    there_and_back("all", "echo three >a && git commit -qam third");
    there_and_back("all", "echo four >a && git commit -qa --amend -m amended");
    there_and_back("all", "git checkout -q side");
    there_and_back("all", "echo s >s && git add s && git commit -qm 'on side'");
    there_and_back("all", "git checkout -q main");
    there_and_back("all", "git merge -q --no-edit side");
    there_and_back("all", "git reset -q --hard HEAD~1");
    there_and_back("all", "git cherry-pick side");
    there_and_back("all", "git revert --no-edit HEAD");
    there_and_back("all", "git checkout -q v1");
    there_and_back("all", "git checkout -q --detach main~0");
    there_and_back("all", "echo loose >loose && git add loose && git commit -qm loose");
    there_and_back("all", "git checkout -q main");
    git_box_do("cd all && git checkout -q -b fresh side && echo f >f && git add f && git commit -qm f && "
               "echo g >g && "
               "git add g && git commit -qm g");
    there_and_back("all", "git rebase -q main");
    check_text(git_box_said("git -C all stash list"), "");
}

TEST(a_fast_forward_a_pull_and_a_pull_with_rebase_are_undone)
{
    given("far");
    git_box_do("git clone -q far near && cd far && echo x >x && git add x && git commit -qm x");
    there_and_back("near", "git pull -q --ff-only");
    git_box_do(
        "cd far && echo y >y && git add y && git commit -qm y && cd ../near && echo z >z && git add z && "
        "git commit -qm z");
    there_and_back("near", "git pull -q --rebase");
    git_box_do("cd near && git branch ahead && git checkout -q ahead && git commit -q --allow-empty -m e && "
               "git checkout -q main");
    there_and_back("near", "git merge -q ahead");
}

TEST(several_undos_and_redos_pair_up_and_a_new_commit_ends_redo)
{
    given("many");
    git_box_do("cd many && for i in 3 4 5; do echo $i >a; git commit -qam c$i; done");
    check_ok(UNDO("many"));
    check_ok(UNDO("many"));
    check_text(git_box_said("cat many/a"), "3");
    check_ok(REDO("many"));
    check_text(git_box_said("cat many/a"), "4");
    check_ok(UNDO("many"));
    check_ok(UNDO("many"));
    check_text(git_box_said("cat many/a"), "two");
    git_box_do("cd many && echo new >a && git commit -qam new");
    check_fails(REDO("many"), ERR_NOTHING, "nothing to redo");
    check_ok(UNDO("many"));
    check_text(git_box_said("cat many/a"), "two");
    check_ok(UNDO("many"));
    check_text(git_box_said("cat many/a"), "one");
    check_fails(UNDO("many"), ERR_NOTHING, "the first commit cannot be undone");
    for (int i = 0; i < 2; i++) check_ok(REDO("many"));
    check_text(git_box_said("git -C many log -1 --format=%%s; git -C many status --porcelain"), "new");
}

TEST(uncommitted_work_is_never_lost)
{
    given("dirty");
    git_box_do("cd dirty && echo mine >keep && echo new >untracked && echo staged >keep2 && git add keep2");
    check_ok(UNDO("dirty"));
    check_text(git_box_said("git -C dirty status --porcelain; cat dirty/keep dirty/a"),
               " M keep\nA  keep2\n?? untracked\nmine\none");
    check_ok(REDO("dirty"));
    check_text(git_box_said("git -C dirty status --porcelain"), " M keep\nA  keep2\n?? untracked");
    git_box_do("cd dirty && echo precious >a");
    const char *before = state("dirty");
    check_fails(UNDO("dirty"), ERR_CONFLICT, "would be lost (a)");
    check_text(state("dirty"), before);
    check_text(git_box_said("cat dirty/a"), "precious");
    git_box_do("cd dirty && git add a");
    check_fails(UNDO("dirty"), ERR_CONFLICT, "would be lost (a)");
    check_text(git_box_said("git -C dirty show :a"), "precious");
    git_box_do(
        "cd dirty && git reset -q --hard && echo add >added && git add added && git commit -qm added && "
        "git rm -q --cached added && git commit -qm dropped && echo other >added");
    check_fails(UNDO("dirty"), ERR_CONFLICT, "would be lost (added)");
    check_text(git_box_said("cat dirty/added"), "other");
}

TEST(it_says_first_what_it_will_do)
{
    repo_undo undo = {0};
    repo_handle *r = NULL;
    given("says");
    git_box_do("git clone -q says copy && cd copy && git reset -q --hard HEAD~1 && git merge -q origin/main");
    check_ok(repo_open(git_box(), place("copy"), &r));
    const char *before = state("copy");
    check_ok(repo_undo_find(r, false, &undo));
    check_true(strstr(undo.says, "undo \"merge origin/main: Fast-forward\": main goes from ") == undo.says);
    check_true(strstr(undo.says, "the next push must be forced") != NULL);
    check_text(undo.action, "merge origin/main: Fast-forward");
    check_text(state("copy"), before);
    repo_undo_free(&undo);
    git_box_do("cd copy && git checkout -q -b other");
    check_ok(repo_undo_find(r, false, &undo));
    check_text(undo.says, "undo \"checkout: moving from main to other\": check out main");
    /* Somebody was faster. */
    git_box_do("cd copy && git commit -q --allow-empty -m faster");
    repo_checkout_report report = {0};
    check_fails(repo_undo_run(r, &undo, &report), ERR_BUSY, "moved meanwhile");
    repo_undo_free(&undo);
    repo_close(r);
}

TEST(what_cannot_be_undone_is_refused_with_the_reason)
{
    given("refused");
    git_box_do("git init -q -b main unborn && git clone -q refused fresh");
    check_fails(UNDO("unborn"), ERR_NOTHING, "no commit yet");
    check_fails(UNDO("fresh"), ERR_NOTHING, "nothing to undo");
    git_box_do("cd refused && git update-ref --no-deref refs/heads/main HEAD~1 && "
               "sed -i '$d' .git/logs/HEAD && git checkout -q -b side 2>/dev/null");
    git_box_do("cd refused && git checkout -q main && git worktree add -q ../refused-wt side");
    check_fails(UNDO("refused"), ERR_CONFLICT, "refused-wt is on side");
    git_box_do("cd refused && echo x >m && git add m && git commit -qm m && cd ../refused-wt && echo y >m && "
               "git add m && "
               "git commit -qm m && cd ../refused && git merge side || true");
    check_fails(UNDO("refused"), ERR_STATE, "abort it first");
}

TEST(our_own_commits_and_renamed_branches_are_no_obstacle)
{
    repo_handle *r = NULL;
    repo_commit_done done = {0};
    given("ours");
    git_box_do("cd ours && echo three >a && git branch -m trunk");
    check_ok(repo_open(git_box(), place("ours"), &r));
    check_ok(repo_commit(r, &(repo_commit_options){.message = "third", .all = true, .sign = -1}, &done));
    repo_commit_done_free(&done);
    repo_close(r);
    check_ok(UNDO("ours"));
    check_ok(UNDO("ours"));
    check_text(git_box_said("cat ours/a; git -C ours reflog --format=%%gs | head -n 3"),
               "one\nundo: commit: second\nundo: commit: third\ncommit: third");
    check_ok(REDO("ours"));
    check_ok(REDO("ours"));
    check_text(git_box_said("cat ours/a; git -C ours status --porcelain"), "three");
}

TESTS(RUN(every_action_goes_there_and_back), RUN(a_fast_forward_a_pull_and_a_pull_with_rebase_are_undone),
      RUN(several_undos_and_redos_pair_up_and_a_new_commit_ends_redo), RUN(uncommitted_work_is_never_lost),
      RUN(it_says_first_what_it_will_do), RUN(what_cannot_be_undone_is_refused_with_the_reason),
      RUN(our_own_commits_and_renamed_branches_are_no_obstacle))
