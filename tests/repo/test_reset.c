/* Resets, beside what `git reset` does. */
#include "repo/reset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/handle_internal.h"
#include "tests/support/git_box.h"

/* Two commits and all kinds of uncommitted work, twice: one for git, one for us. */
static void given(const char *name)
{
    git_box();
    git_box_do(
        "rm -rf %s && git init -q -b main %s && cd %s && export GIT_COMMITTER_DATE='@1000000000 +0000' "
        "GIT_AUTHOR_DATE='@1000000000 +0000' && echo one >a && echo k >keep && echo g >gone && git add . && "
        "git commit -qm first && echo two >a && echo n >new && git rm -q gone && git add . && git commit -qm "
        "second "
        "&& echo staged >s && git add s && echo dirty >keep && echo u >untracked",
        name, name, name);
}

static err reset(const char *name, const char *to, repo_reset_kind kind, bool force,
                 repo_reset_report *report)
{
    char path[512];
    repo_handle *r = NULL;
    repo_ref ref = {0};
    snprintf(path, sizeof path, "%s/%s", check_folder(), name);
    check_ok(repo_open(git_box(), path, &r));
    err e = repo_resolve(r, to, &ref);
    if (!e.code) e = repo_reset(r, &ref, kind, force, report);
    repo_ref_free(&ref);
    repo_close(r);
    return e;
}

static const char *state(const char *name)
{
    return git_box_said(
        "cd %s && git rev-parse HEAD ORIG_HEAD && git status --porcelain && git ls-files -s && "
        "cat a keep untracked; git fsck --strict --no-dangling",
        name);
}

TEST(each_kind_is_gits_own)
{
    static const struct {
        const char *option;
        repo_reset_kind kind;
    } kinds[] = {{"--soft", REPO_RESET_SOFT}, {"--mixed", REPO_RESET_MIXED}, {"--hard", REPO_RESET_HARD}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        repo_reset_report report = {0};
        given("ours");
        given("gits");
        git_box_do("git -C gits reset -q %s HEAD~1", kinds[i].option);
        check_ok(reset("ours", "HEAD~1", kinds[i].kind, true, &report));
        check_text(state("ours"), state("gits"));
        check_int(report.commits_left, 1);
        check_true(strncmp(git_box_said("git -C ours reflog -1 --format=%%gs"), "reset: moving to ", 17) ==
                   0);
        repo_reset_report_free(&report);
    }
}

TEST(a_hard_one_names_what_is_lost_and_needs_force)
{
    repo_reset_report report = {0};
    given("lost");
    git_box_do("cd lost && echo mine >gone");
    char before[4096];
    snprintf(before, sizeof before, "%s", state("lost"));
    check_fails(reset("lost", "HEAD~1", REPO_RESET_HARD, false, &report), ERR_CONFLICT,
                "3 uncommitted changes");
    check_text(report.lost.names[0], "keep");
    check_text(report.lost.names[1], "s");
    check_text(report.lost.names[2], "gone");
    check_text(state("lost"), before);
    repo_reset_report_free(&report);
    git_box_do("cd lost && git reset -q --hard && rm gone a");
    /* What was only deleted comes back: nothing is lost. */
    check_ok(reset("lost", "HEAD", REPO_RESET_HARD, false, &report));
    check_text(git_box_said("git -C lost status --porcelain; cat lost/a"), "?? untracked\ntwo");
    repo_reset_report_free(&report);
}

TEST(a_merge_that_goes_on_ends_by_it_and_a_soft_one_is_refused)
{
    repo_reset_report report = {0};
    git_box();
    git_box_do("git init -q -b main merge && cd merge && echo 0 >a && git add a && git commit -qm x && git "
               "checkout -qb side "
               "&& echo 1 >a && git commit -qam side && git checkout -q main && echo 2 >a && git commit -qam "
               "main && "
               "git merge side || true");
    check_fails(reset("merge", "HEAD", REPO_RESET_SOFT, true, &report), ERR_STATE, "a merge is going on");
    check_fails(reset("merge", "HEAD", REPO_RESET_HARD, false, &report), ERR_CONFLICT, "would be lost");
    repo_reset_report_free(&report);
    check_ok(reset("merge", "HEAD", REPO_RESET_HARD, true, &report));
    check_text(git_box_said("git -C merge status --porcelain; cat merge/a; ls merge/.git | grep MERGE"), "2");
    repo_reset_report_free(&report);
}

TESTS(RUN(each_kind_is_gits_own), RUN(a_hard_one_names_what_is_lost_and_needs_force),
      RUN(a_merge_that_goes_on_ends_by_it_and_a_soft_one_is_refused))
