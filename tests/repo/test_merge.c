/* Merge, fast-forward, conflicts by kind, abort: judged by plain git after each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/merge.h"
#include "tests/support/git_box.h"

/* A repository for one test: `base` is committed on main, then on side and on main again. */
static repo_handle *given(const char *name, const char *base, const char *side, const char *ours)
{
    char path[512];
    repo_handle *r = NULL;

    git_box();
    git_box_do("git init -q %s && cd %s && %s && git add -A && git commit -qm base", name, name, base);
    git_box_do("cd %s && git checkout -qb side && %s && git add -A && git commit -qm 'on side'", name, side);
    git_box_do("cd %s && git checkout -q main", name);
    if (*ours) git_box_do("cd %s && %s && git add -A && git commit -qm 'on main'", name, ours);
    snprintf(path, sizeof path, "%s/%s", check_folder(), name);
    check_ok(repo_open(git_box(), path, &r));
    return r;
}

static err merge(repo_handle *r, const char *ref, const repo_merge_options *options,
                 repo_merge_report *report)
{
    repo_ref theirs = {0};
    check_ok(repo_resolve(r, ref, &theirs));
    err e = repo_merge(r, &theirs, options, report);
    repo_ref_free(&theirs);
    return e;
}

static void check_whole(const char *name)
{
    check_text(
        git_box_said("cd %s && git fsck --strict 2>&1 | grep -v dangling; git status --porcelain", name), "");
}

/* ---- fast-forward ---- */

TEST(a_branch_that_is_behind_moves_forward)
{
    repo_merge_options options = {0};
    repo_merge_report report = {0};
    repo_handle *r = given("ff", "echo 1 > a", "echo 2 > a; mkdir d; echo 3 > d/b", "");

    check_ok(merge(r, "side", &options, &report));
    check_true(report.fast_forward && !report.up_to_date);
    check_text(report.after.hex, git_box_said("cd ff && git rev-parse side"));
    check_text(git_box_said("cd ff && git symbolic-ref HEAD && git reflog -1 --format=%%gs HEAD && "
                            "git reflog -1 --format=%%gs main && git rev-parse ORIG_HEAD"),
               git_box_said("cd ff && echo refs/heads/main; echo 'merge side: Fast-forward'; "
                            "echo 'merge side: Fast-forward'; git rev-parse main@{1}"));
    check_whole("ff");
    repo_merge_report_free(&report);
    check_ok(merge(r, "side", &options, &report));
    check_true(report.up_to_date);
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(no_ff_makes_a_commit_and_ff_only_refuses_to)
{
    repo_merge_options no_ff = {.no_ff = true}, only = {.ff_only = true};
    repo_merge_report report = {0};
    repo_handle *r = given("noff", "echo 1 > a", "echo 2 > a", "");

    check_ok(merge(r, "side", &no_ff, &report));
    check_true(!report.fast_forward);
    check_text(git_box_said("cd noff && git log -1 --format='%%s|%%P'"),
               git_box_said("cd noff && echo \"Merge branch 'side'|$(git rev-parse main^1 side | tr '\\n' ' "
                            "' | sed 's/ $//')\""));
    check_whole("noff");
    repo_merge_report_free(&report);
    git_box_do("cd noff && git checkout -q side && echo 4 > c && git add c && git commit -qm c && git "
               "checkout -q main");
    check_fails(merge(r, "side", &only, &report), ERR_CONFLICT, "fast-forward");
    repo_merge_report_free(&report);
    git_box_do("cd noff && git config merge.ff only");
    no_ff.no_ff = false;
    check_fails(merge(r, "side", &no_ff, &report), ERR_CONFLICT, "fast-forward");
    check_whole("noff");
    repo_merge_report_free(&report);
    repo_close(r);
}

/* ---- true merges ---- */

TEST(two_sides_are_joined_as_git_joins_them)
{
    repo_merge_options options = {0};
    repo_merge_report report = {0};
    repo_handle *r =
        given("two", "seq 9 > a; echo x > old; echo g > gone", "sed -i 1s/1/one/ a; git mv old new",
              "sed -i 9s/9/nine/ a; git rm -q gone; echo local > kept");

    git_box_do("cd two && git clone -q . ../two2 && cd ../two2 && git fetch -q ../two side:side && git merge "
               "-q side");
    check_ok(merge(r, "side", &options, &report));
    check_text(git_box_said("cd two && git rev-parse HEAD^{tree}"),
               git_box_said("cd two2 && git rev-parse HEAD^{tree}"));
    check_text(git_box_said("cd two && git log -1 --format='%%s|%%an|%%cn' && git reflog -1 --format=%%gs"),
               "Merge branch 'side'|Ada|Ada\nmerge side: Merge made by the 'recursive' strategy.");
    check_whole("two");
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(unrelated_local_changes_stay_and_others_stop_it)
{
    repo_merge_options options = {0};
    repo_merge_report report = {0};
    repo_handle *r = given("dirty", "echo 1 > a; echo 1 > b", "echo 2 > a; echo n > new", "echo 3 > c");

    git_box_do("cd dirty && echo mine > a");
    check_fails(merge(r, "side", &options, &report), ERR_CONFLICT, "a");
    check_text(report.checkout.in_the_way.names[0], "a");
    check_text(git_box_said("cd dirty && git status --porcelain && cat a && git log -1 --format=%%s"),
               " M a\nmine\non main");
    repo_merge_report_free(&report);

    git_box_do("cd dirty && git checkout -q a && echo mine > b && echo untracked > new");
    check_fails(merge(r, "side", &options, &report), ERR_CONFLICT, "new");
    check_text(git_box_said("cd dirty && cat new && git log -1 --format=%%s"), "untracked\non main");
    repo_merge_report_free(&report);

    git_box_do("cd dirty && rm new && git add b");
    check_fails(merge(r, "side", &options, &report), ERR_CONFLICT, "staged");
    repo_merge_report_free(&report);

    git_box_do("cd dirty && git reset -q");
    check_ok(merge(r, "side", &options, &report));
    check_text(git_box_said("cd dirty && git status --porcelain && cat a b new"), " M b\n2\nmine\nn");
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(squash_stages_and_leaves_gits_message)
{
    repo_merge_options options = {.squash = true};
    repo_merge_report report = {0};
    repo_handle *r = given("squash", "echo 1 > a", "echo 2 > a", "echo 3 > c");

    git_box_do("git clone -q squash squash2 && cd squash2 && git fetch -q ../squash side:side && git merge "
               "-q --squash side");
    check_ok(merge(r, "side", &options, &report));
    check_text(
        git_box_said(
            "cd squash && git status --porcelain && cat .git/SQUASH_MSG; ls .git/MERGE_HEAD 2>&1 | wc -l"),
        git_box_said(
            "cd squash2 && git status --porcelain && cat .git/SQUASH_MSG; ls .git/MERGE_HEAD 2>&1 | wc -l"));
    check_text(report.after.hex, report.before.hex);
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(histories_without_a_common_commit_are_refused)
{
    repo_merge_options options = {0};
    repo_merge_report report = {0};
    repo_handle *r = given("alien", "echo 1 > a", "echo 2 > a", "echo 3 > c");
    git_box_do("cd alien && git checkout -q --orphan far && git commit -qm far && git checkout -q main");
    check_fails(merge(r, "far", &options, &report), ERR_USAGE, "no commit in common");
    repo_merge_report_free(&report);
    repo_close(r);
}

/* ---- conflicts ---- */

TEST(a_text_conflict_is_known_before_a_byte_changes)
{
    repo_merge_options options = {0};
    repo_merge_report report = {0};
    repo_handle *r = given("text", "echo 1 > a; echo k > k", "echo 2 > a; echo s > s", "echo 3 > a");

    check_fails(merge(r, "side", &options, &report), ERR_CONFLICT, "conflicts in a; nothing was changed");
    check_int(report.conflict_count, 1);
    check_int(report.conflicts[0].kind, REPO_CONFLICT_TEXT);
    check_true(!report.in_progress);
    check_text(git_box_said("cd text && cat a && ls && ls .git/MERGE_HEAD 2>&1 | grep -c cannot"),
               "3\na\nk\n1");
    check_whole("text");
    repo_merge_report_free(&report);
    options.favor = REPO_FAVOR_THEIRS;
    check_ok(merge(r, "side", &options, &report));
    check_text(git_box_said("cd text && cat a"), "2");
    check_whole("text");
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(markers_are_left_as_git_leaves_them_and_both_can_abort)
{
    repo_merge_options options = {.leave_markers = true};
    repo_merge_report report = {0};
    const char *look =
        "cd %s && git status --porcelain && cat a && git ls-files -s && cat .git/MERGE_HEAD && "
        "cat .git/MERGE_MSG && ls new gone d 2>&1";
    char command[512];
    repo_handle *r = given("mark", "seq 5 > a; echo g > gone; echo d > d; echo l > local; echo x > x",
                           "sed -i 3s/3/theirs/ a; git rm -q gone; echo n > new; echo d2 > d; chmod +x x",
                           "sed -i 3s/3/ours/ a; echo changed > gone; git rm -q d");

    git_box_do("cp -a mark mark2 && cd mark2 && git merge side || true");
    git_box_do("echo mine >> mark/local && echo mine >> mark2/local");
    check_fails(merge(r, "side", &options, &report), ERR_CONFLICT, "mend");
    check_true(report.in_progress);
    check_int(report.conflict_count, 3);
    snprintf(command, sizeof command, look, "mark2");
    const char *gits = git_box_said("%s", command);
    snprintf(command, sizeof command, look, "mark");
    check_text(git_box_said("%s", command), gits);
    check_text(git_box_said("cd mark && git merge --abort && git status --porcelain && cat gone"),
               " M local\nchanged");
    repo_merge_report_free(&report);

    check_fails(merge(r, "side", &options, &report), ERR_CONFLICT, "mend");
    repo_merge_report_free(&report);
    check_fails(merge(r, "side", &options, &report), ERR_STATE, "merge --continue or --abort");
    repo_merge_report_free(&report);
    check_ok(repo_join_abort(r, REPO_JOIN_MERGE, &report));
    check_text(git_box_said("cd mark && git status --porcelain && cat gone a local && ls -A .git | grep -c "
                            "MERGE; ls new d 2>&1 | grep -c cannot"),
               " M local\nchanged\n1\n2\nours\n4\n5\nl\nmine\n0\n2");
    repo_merge_report_free(&report);
    check_fails(repo_join_abort(r, REPO_JOIN_MERGE, &report), ERR_NOTHING, "no merge");
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(markers_never_overwrite_a_local_change)
{
    repo_merge_options options = {.leave_markers = true};
    repo_merge_report report = {0};
    repo_handle *r = given("marklocal", "echo 1 > a; echo k > k", "echo 2 > a; echo t > t", "echo 3 > a");

    git_box_do("cd marklocal && echo mine > a");
    check_fails(merge(r, "side", &options, &report), ERR_CONFLICT, "local changes");
    check_text(git_box_said("cd marklocal && git status --porcelain; cat a; ls; ls .git | grep MERGE"),
               " M a\nmine\na\nk");
    repo_merge_report_free(&report);
    repo_close(r);
}

/* ---- large files ---- */

#define POINTER_OF(name, text)                                                                               \
    "p() { printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%s\\nsize %d\\n' "                \
    "$(printf \"$1\" | sha256sum | cut -c1-64) ${#1}; }; p " text " > " name

TEST(pointers_never_get_markers_whatever_the_attributes_say)
{
    repo_merge_options options = {.leave_markers = true};
    repo_merge_report report = {0};
    repo_handle *r =
        given("large",
              POINTER_OF("w.safetensors",
                         "one") "; p one > other; echo '* merge=union' > .gitattributes; echo 1 > a",
              POINTER_OF("w.safetensors", "two-theirs") "; p two-theirs > other",
              POINTER_OF("w.safetensors", "three-ours") "; p three-ours > other");

    check_fails(merge(r, "side", &options, &report), ERR_CONFLICT, "nothing was changed");
    check_int(report.conflict_count, 2);
    check_int(report.conflicts[0].kind, REPO_CONFLICT_LARGE);
    check_int(report.conflicts[1].kind, REPO_CONFLICT_LARGE);
    check_true(!report.in_progress);
    check_whole("large");
    repo_merge_report_free(&report);

    options.favor = REPO_FAVOR_BOTH;
    check_ok(merge(r, "side", &options, &report));
    check_text(
        git_box_said("cd large && git ls-files && git show HEAD:w.safetensors | grep size && "
                     "git show HEAD:w.theirs.safetensors | tail -2 && git show side:other | tail -2"),
        git_box_said(
            "cd large && printf "
            "'.gitattributes\\na\\nother\\nother.theirs\\nw.safetensors\\nw.theirs.safetensors\\nsize 10\\n' "
            "&& git show side:other | tail -2 && git show side:other | tail -2"));
    check_whole("large");
    repo_merge_report_free(&report);
    git_box_do("cd large && git reset -q --hard HEAD^");
    options.favor = REPO_FAVOR_THEIRS;
    check_ok(merge(r, "side", &options, &report));
    check_text(git_box_said("cd large && git diff --stat HEAD side"), "");
    check_whole("large");
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(a_large_file_of_the_other_side_comes_from_the_store)
{
    repo_merge_options options = {0};
    repo_merge_report report = {0};
    repo_handle *r =
        given("stored", "echo '*.bin filter=lfs diff=lfs merge=lfs -text' > .gitattributes; echo 1 > a",
              POINTER_OF("w.bin", "the-weights"), "echo 3 > c");
    git_box_do("cd stored && o=$(printf the-weights | sha256sum | cut -c1-64) && d=.git/lfs/objects/$(echo "
               "$o | cut -c1-2)/$(echo $o | cut -c3-4) && "
               "mkdir -p $d && printf the-weights > $d/$o");
    check_ok(merge(r, "side", &options, &report));
    check_text(git_box_said("cat stored/w.bin && cd stored && git show HEAD:w.bin | tail -1"),
               "the-weightssize 11");
    check_int(report.checkout.missing.count, 0);
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(adapters_of_two_sides_with_one_number_are_reported)
{
    repo_merge_options options = {0};
    repo_merge_report report = {0};
    repo_handle *r =
        given("adapters", "mkdir adapters; echo 0 > adapters/00_z.safetensors",
              "mkdir -p adapters; echo 1 > adapters/01_a.safetensors; echo c > adapters/01_a.config.json",
              "mkdir -p adapters; echo 2 > adapters/01_b.safetensors; echo 3 > adapters/02_c.safetensors");
    check_ok(merge(r, "side", &options, &report));
    check_int(report.same_index.count, 1);
    check_text(report.same_index.names[0], "01_a, 01_b");
    check_whole("adapters");
    repo_merge_report_free(&report);
    repo_close(r);
}

TEST(a_branch_without_a_commit_takes_theirs)
{
    repo_merge_options options = {0};
    repo_merge_report report = {0};
    repo_handle *r = given("unborn", "echo 1 > a", "echo 2 > a", "");
    git_box_do("cd unborn && git checkout -q --orphan fresh && git rm -qrf .");
    check_ok(merge(r, "side", &options, &report));
    check_true(report.fast_forward);
    check_text(git_box_said("cd unborn && cat a && git symbolic-ref --short HEAD && git rev-parse HEAD"),
               git_box_said("cd unborn && echo 2; echo fresh; git rev-parse side"));
    check_whole("unborn");
    repo_merge_report_free(&report);
    repo_close(r);
}

TESTS(RUN(a_branch_that_is_behind_moves_forward), RUN(no_ff_makes_a_commit_and_ff_only_refuses_to),
      RUN(two_sides_are_joined_as_git_joins_them), RUN(unrelated_local_changes_stay_and_others_stop_it),
      RUN(squash_stages_and_leaves_gits_message), RUN(histories_without_a_common_commit_are_refused),
      RUN(a_text_conflict_is_known_before_a_byte_changes),
      RUN(markers_are_left_as_git_leaves_them_and_both_can_abort),
      RUN(markers_never_overwrite_a_local_change),
      RUN(pointers_never_get_markers_whatever_the_attributes_say),
      RUN(a_large_file_of_the_other_side_comes_from_the_store),
      RUN(adapters_of_two_sides_with_one_number_are_reported), RUN(a_branch_without_a_commit_takes_theirs))
