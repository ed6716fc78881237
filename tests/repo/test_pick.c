/* Cherry-pick, revert and rebase: judged by plain git doing the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/commit.h"
#include "repo/merge.h"
#include "tests/support/git_box.h"

/* Two copies of one history: ours works in `name`, git in `name`2. */
static repo_handle *given(const char *name, const char *script)
{
    char path[512];
    repo_handle *r = NULL;

    git_box();
    git_box_do("git init -q %s && cd %s && %s", name, name, script);
    git_box_do("cp -a %s %s2", name, name);
    snprintf(path, sizeof path, "%s/%s", check_folder(), name);
    check_ok(repo_open(git_box(), path, &r));
    return r;
}

#define COMMIT(message) "git add -A && git commit -qm '" message "'"
#define HISTORY                                                                                              \
    "seq 9 > a && " COMMIT(                                                                                  \
        "base") " && git checkout -qb side && sed -i 2s/2/two/ a && "                                        \
                "GIT_AUTHOR_NAME=Bob GIT_AUTHOR_DATE='1700000000 +0200' git commit -qam 'Say two' -m "       \
                "'Body.' && "                                                                                \
                "echo 1 > new && " COMMIT(                                                                   \
                    "Add new") " && git checkout -q main && sed -i 8s/8/eight/ a && " COMMIT("Say eight")

typedef err (*verb)(repo_handle *r, const repo_ref *commit, const repo_pick_options *options,
                    repo_merge_report *report);

static err do_it(verb what, repo_handle *r, const char *ref, const repo_pick_options *options,
                 repo_merge_report *report)
{
    repo_ref commit = {0};
    check_ok(repo_resolve(r, ref, &commit));
    err e = what(r, &commit, options, report);
    repo_ref_free(&commit);
    return e;
}

static err rebase(repo_handle *r, const char *ref, repo_merge_report *report)
{
    repo_ref onto = {0};
    check_ok(repo_resolve(r, ref, &onto));
    err e = repo_rebase(r, &onto, report);
    repo_ref_free(&onto);
    return e;
}

/* What both must agree on. Committer dates differ, so ids do. */
static const char *look_at(const char *name, const char *suffix)
{
    return git_box_said(
        "cd %s%s && git log --format='%%T %%an %%ae %%ad %%cn %%B' && git status --porcelain && "
        "git symbolic-ref HEAD",
        name, suffix);
}

static void check_same(const char *name)
{
    check_text(look_at(name, ""), look_at(name, "2"));
    check_text(git_box_said("cd %s && git fsck --strict 2>&1 | grep -v dangling", name), "");
}

TEST(a_picked_commit_keeps_author_date_and_message)
{
    repo_pick_options options = {0};
    repo_merge_report report = {0};
    repo_handle *r = given("pick", HISTORY);

    git_box_do("cd pick2 && git cherry-pick side~1 >/dev/null");
    check_ok(do_it(repo_cherry_pick, r, "side~1", &options, &report));
    check_same("pick");
    check_text(report.after.hex, git_box_said("cd pick && git rev-parse HEAD"));
    check_text(git_box_said("cd pick && git reflog -1 --format=%%gs"),
               git_box_said("cd pick2 && git reflog -1 --format=%%gs"));
    repo_merge_report_free(&report);
    check_fails(do_it(repo_cherry_pick, r, "side~1", &options, &report), ERR_NOTHING, "already so");
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(x_notes_where_it_came_from_beside_other_trailers)
{
    repo_pick_options options = {.note_origin = true};
    repo_merge_report report = {0};
    repo_handle *r = given("origin", HISTORY
                           " && git checkout -q side && echo 2 > t && git add t && "
                           "git commit -qm 'Trailed' -m 'Signed-off-by: Ada <a@b>' && git checkout -q main");

    git_box_do("cd origin2 && git cherry-pick -x side side~1 side~2 >/dev/null");
    check_ok(do_it(repo_cherry_pick, r, "side", &options, &report));
    repo_merge_report_free(&report);
    check_ok(do_it(repo_cherry_pick, r, "side~1", &options, &report));
    repo_merge_report_free(&report);
    check_ok(do_it(repo_cherry_pick, r, "side~2", &options, &report));
    check_same("origin");
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(no_commit_stages_only)
{
    repo_pick_options options = {.no_commit = true};
    repo_merge_report report = {0};
    repo_handle *r = given("stage", HISTORY);

    git_box_do("cd stage2 && git cherry-pick -n side >/dev/null");
    check_ok(do_it(repo_cherry_pick, r, "side", &options, &report));
    check_same("stage");
    check_text(
        git_box_said("cd stage && cat .git/MERGE_MSG && git commit -q --no-edit && git log -1 --format=%%s"),
        "Add new\nAdd new");
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(a_revert_says_what_it_takes_back)
{
    repo_pick_options options = {0}, mainline = {.mainline = 1};
    repo_merge_report report = {0};
    repo_handle *r = given("back", HISTORY " && git merge -q side -m joined");

    check_fails(do_it(repo_revert, r, "main", &options, &report), ERR_USAGE, "--mainline");
    repo_merge_report_free(&report);
    check_fails(do_it(repo_revert, r, "main~1", &mainline, &report), ERR_USAGE, "no merge");
    repo_merge_report_free(&report);
    git_box_do(
        "cd back2 && git revert --no-edit main~1 >/dev/null && git revert --no-edit -m 1 main~1 >/dev/null");
    check_ok(do_it(repo_revert, r, "main~1", &options, &report));
    repo_merge_report_free(&report);
    check_ok(do_it(repo_revert, r, "main~1", &mainline, &report));
    check_same("back");
    check_text(git_box_said("cd back && git reflog -2 --format=%%gs"),
               git_box_said("cd back2 && git reflog -2 --format=%%gs"));
    repo_merge_report_free(&report);
    repo_close(r);
}

#define CLASH HISTORY " && sed -i 2s/2/zwei/ a && echo b > b && " COMMIT("Say zwei")

/* All that a person, and another git, sees of what was begun. */
static const char *state_of(const char *name, const char *suffix)
{
    return git_box_said("cd %s%s && git status --porcelain && cat a && git ls-files -s && ls .git | grep -E "
                        "'HEAD|MSG|MODE' | grep -v -E 'ORIG_HEAD|COMMIT_EDITMSG' && cat .git/MERGE_MSG "
                        ".git/CHERRY_PICK_HEAD .git/REVERT_HEAD 2>/dev/null; git rev-parse HEAD",
                        name, suffix);
}

static void check_begun(repo_handle *r, const char *name, verb what, const char *ref,
                        const repo_pick_options *options)
{
    repo_merge_report report = {0};

    check_fails(do_it(what, r, ref, options, &report), ERR_CONFLICT, "mend, stage and commit");
    check_true(report.in_progress);
    check_text(state_of(name, ""), state_of(name, "2"));
    repo_merge_report_free(&report);
}

static void check_aborts(repo_handle *r, const char *name, repo_join_kind kind)
{
    repo_merge_report report = {0};

    check_ok(repo_join_abort(r, kind, &report));
    check_same(name);
    check_text(git_box_said("cd %s && ls .git | grep -E 'MERGE|PICK|REVERT|AUTO'; cat local", name), "mine");
    repo_merge_report_free(&report);
    check_fails(repo_join_abort(r, REPO_JOIN_CHERRY_PICK, &report), ERR_NOTHING, "no cherry-pick going on");
    repo_merge_report_free(&report);
}

static void check_continues(repo_handle *r, const char *name)
{
    const repo_commit_options how = {.sign = -1};
    repo_commit_done done = {0};

    check_fails(repo_commit(r, &how, &done), ERR_CONFLICT, "not merged yet: a");
    git_box_do("for d in %s %s2; do sed -i '/^[<=>]/d' $d/a && git -C $d add a; done", name, name);
    git_box_do("cd %s2 && GIT_EDITOR=true git $(ls .git | grep -q REVERT && echo revert || echo cherry-pick) "
               "--continue >/dev/null",
               name);
    check_ok(repo_commit(r, &how, &done));
    repo_commit_done_free(&done);
    check_same(name);
    check_text(
        git_box_said("cd %s && git reflog -1 --format=%%gs && ls .git | grep -E 'MERGE|PICK|REVERT'", name),
        git_box_said("cd %s2 && git reflog -1 --format=%%gs", name));
}

TEST(a_pick_in_conflict_is_gits_and_can_be_ended_by_either)
{
    const repo_pick_options options = {0}, noted = {.note_origin = true};
    repo_handle *r = given("clash", CLASH " && echo mine > local");

    git_box_do("cd clash2 && ! git cherry-pick side~1 >/dev/null 2>&1");
    check_begun(r, "clash", repo_cherry_pick, "side~1", &options);
    git_box_do("cd clash2 && git cherry-pick --abort");
    check_aborts(r, "clash", REPO_JOIN_CHERRY_PICK);

    /* Git aborts ours. */
    git_box_do("cd clash2 && ! git cherry-pick side~1 >/dev/null 2>&1");
    check_begun(r, "clash", repo_cherry_pick, "side~1", &options);
    git_box_do("git -C clash cherry-pick --abort && git -C clash2 cherry-pick --abort");
    check_same("clash");

    git_box_do("cd clash2 && ! git cherry-pick -x side~1 >/dev/null 2>&1");
    check_begun(r, "clash", repo_cherry_pick, "side~1", &noted);
    check_continues(r, "clash");
    repo_close(r);
}

TEST(a_revert_in_conflict_is_gits_and_can_be_ended_by_either)
{
    const repo_pick_options options = {0};
    repo_handle *r =
        given("rback", CLASH " && sed -i 8s/eight/acht/ a && " COMMIT("Say acht") " && echo mine > local");

    git_box_do("cd rback2 && ! git revert --no-edit main~2 >/dev/null 2>&1");
    check_begun(r, "rback", repo_revert, "main~2", &options);
    git_box_do("cd rback2 && git revert --abort");
    check_aborts(r, "rback", REPO_JOIN_REVERT);
    git_box_do("cd rback2 && ! git revert --no-edit main~2 >/dev/null 2>&1");
    check_begun(r, "rback", repo_revert, "main~2", &options);
    check_continues(r, "rback");
    repo_close(r);
}

TEST(an_abort_keeps_what_was_done_since_and_says_so)
{
    const repo_pick_options options = {0};
    repo_merge_report report = {0};
    repo_handle *r = given("since", CLASH " && echo x > x && " COMMIT("x") " && echo changed >> b");

    check_fails(do_it(repo_cherry_pick, r, "side~1", &options, &report), ERR_CONFLICT, "mend");
    repo_merge_report_free(&report);
    git_box_do("cd since && echo staged > x && git add x && echo later > x");
    check_fails(repo_join_abort(r, REPO_JOIN_CHERRY_PICK, &report), ERR_CONFLICT,
                "x was changed after it was staged");
    check_int(report.checkout.in_the_way.count, 1);
    check_text(
        git_box_said("cd since && cat x && git status --porcelain && ! git cherry-pick --abort 2>/dev/null"),
        "later\nUU a\n M b\nMM x");
    repo_merge_report_free(&report);
    git_box_do("cd since && git add x");
    check_ok(repo_join_abort(r, REPO_JOIN_ANY, &report));
    check_text(git_box_said("cd since && cat x b && git status --porcelain"), "x\nb\nchanged\n M b");
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(a_pick_without_a_commit_leaves_a_conflict_as_git_does)
{
    const repo_pick_options options = {.no_commit = true};
    repo_merge_report report = {0};
    repo_handle *r = given("alone", CLASH);

    git_box_do("cd alone2 && ! git cherry-pick -n side~1 >/dev/null 2>&1");
    check_begun(r, "alone", repo_cherry_pick, "side~1", &options);
    git_box_do("cd alone2 && git reset -q --merge");
    check_ok(repo_join_abort(r, REPO_JOIN_ANY, &report));
    check_same("alone");
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(a_side_that_is_chosen_settles_a_conflict)
{
    repo_pick_options options = {.favor = REPO_FAVOR_THEIRS};
    repo_merge_report report = {0};
    repo_handle *r = given("side", CLASH);

    git_box_do("cd side2 && git cherry-pick -X theirs side~1 >/dev/null");
    check_ok(do_it(repo_cherry_pick, r, "side~1", &options, &report));
    check_same("side");
    repo_merge_report_free(&report);
    repo_close(r);
}

/* ---- rebase ---- */

TEST(a_rebase_makes_the_commits_again_as_git_does)
{
    repo_merge_report report = {0};
    /* One commit of side is on main already, one was empty from the beginning. */
    repo_handle *r =
        given("rebase", HISTORY " && git cherry-pick side >/dev/null && git checkout -q side && "
                                "git commit -q --allow-empty -m Empty && echo 3 > third && " COMMIT("Third"));

    git_box_do("cd rebase2 && git rebase -q main");
    check_ok(rebase(r, "main", &report));
    check_same("rebase");
    check_text(git_box_said("cd rebase && git reflog -1 --format=%%gs side && git rev-parse ORIG_HEAD"),
               git_box_said("cd rebase2 && git reflog -1 --format=%%gs side && git rev-parse ORIG_HEAD"));
    repo_merge_report_free(&report);
    check_ok(rebase(r, "main", &report));
    check_true(report.up_to_date);
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(a_rebase_with_a_conflict_leaves_all_as_it_was_and_names_the_commit)
{
    repo_merge_report report = {0};
    repo_handle *r = given("stuck", HISTORY " && sed -i 2s/2/zwei/ a && " COMMIT(
                                        "Say zwei") " && git checkout -q side && echo l > local");

    check_fails(rebase(r, "main", &report), ERR_CONFLICT, "(Say two)");
    check_text(report.conflicts[0].path, "a");
    check_same("stuck");
    check_text(git_box_said("cd stuck && ls -d .git/rebase* 2>&1 | grep -c cannot; git rev-parse side"),
               git_box_said("cd stuck2 && echo 1; git rev-parse side"));
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(a_rebase_of_what_is_behind_moves_forward)
{
    repo_merge_report report = {0};
    repo_handle *r = given("behind", HISTORY " && git checkout -qb old main~1");
    git_box_do("cd behind2 && git rebase -q main");
    check_ok(rebase(r, "main", &report));
    check_true(report.fast_forward);
    check_same("behind");
    repo_merge_report_free(&report);
    repo_close(r);
}

TESTS(RUN(a_picked_commit_keeps_author_date_and_message),
      RUN(x_notes_where_it_came_from_beside_other_trailers), RUN(no_commit_stages_only),
      RUN(a_revert_says_what_it_takes_back), RUN(a_pick_in_conflict_is_gits_and_can_be_ended_by_either),
      RUN(a_revert_in_conflict_is_gits_and_can_be_ended_by_either),
      RUN(an_abort_keeps_what_was_done_since_and_says_so),
      RUN(a_pick_without_a_commit_leaves_a_conflict_as_git_does),
      RUN(a_side_that_is_chosen_settles_a_conflict), RUN(a_rebase_makes_the_commits_again_as_git_does),
      RUN(a_rebase_with_a_conflict_leaves_all_as_it_was_and_names_the_commit),
      RUN(a_rebase_of_what_is_behind_moves_forward))
