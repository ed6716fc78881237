/* Putting work aside and bringing it back: judged by git, which reads ours and whose we read. */
#include <stdio.h>
#include <string.h>

#include "repo/stash.h"
#include "tests/support/git_box.h"

static repo_handle *given(const char *name, const char *script)
{
    char path[512];
    repo_handle *r = NULL;

    git_box();
    git_box_do(
        "git init -q %s && cd %s && "
        "seq 9 > a && seq 9 > b && echo ignored > .gitignore && git add -A && git commit -qm Base && %s",
        name, name, script);
    snprintf(path, sizeof path, "%s/%s", check_folder(), name);
    check_ok(repo_open(git_box(), path, &r));
    return r;
}

#define CHANGED                                                                                              \
    "sed -i 2s/2/two/ a && sed -i 3s/3/three/ b && git add b && sed -i 4s/4/four/ b && echo 1 > new && "     \
    "git add new && echo 2 > loose && echo 3 > ignored"

static err save(repo_handle *r, const char *message, bool untracked, repo_stash_report *report)
{
    const repo_stash_options how = {.message = message, .untracked = untracked};
    return repo_stash_save(r, &how, report);
}

static void check_whole(const char *name)
{
    check_text(git_box_said("cd %s && git fsck --strict 2>&1 | grep -v dangling", name), "");
}

TEST(a_stash_of_ours_is_one_of_gits)
{
    repo_stash_report report = {0};
    repo_handle *r = given("ours", CHANGED);

    git_box_do("cp -a ours ours2 && cd ours2 && git stash -q");
    check_ok(save(r, NULL, false, &report));
    check_int(report.files, 3);
    check_text(git_box_said("cd ours && git status --porcelain"), "?? loose");
    static const char look[] =
        "cd %s && git log -1 --format='%%T %%s' stash && git rev-parse stash^1 stash^2^{tree} && "
        "git log -1 --format=%%B stash^2 && git stash list && git stash show stash";
    check_text(git_box_said(look, "ours"), git_box_said(look, "ours2"));
    git_box_do("cd ours && git stash pop -q --index");
    check_text(git_box_said("cd ours && git status --porcelain"), " M a\nMM b\nA  new\n?? loose");
    check_whole("ours");
    repo_stash_report_free(&report);
    repo_close(r);
}

TEST(untracked_files_go_along_when_asked)
{
    repo_stash_report report = {0};
    repo_merge_report back = {0};
    repo_handle *r = given("loose", CHANGED);

    check_ok(save(r, "Half done", true, &report));
    check_text(report.subject, "On main: Half done");
    check_text(git_box_said("cd loose && git status --porcelain --ignored"), "!! ignored");
    check_text(git_box_said("cd loose && git stash list && git ls-tree --name-only stash^3"),
               "stash@{0}: On main: Half done\nloose");
    check_ok(repo_stash_pop(r, 0, REPO_FAVOR_NONE, &back));
    check_text(git_box_said("cd loose && git status --porcelain"), " M a\n M b\nA  new\n?? loose");
    check_text(git_box_said("cd loose && git stash list && sed -n 3,4p b && cat loose"), "three\nfour\n2");
    check_whole("loose");
    repo_stash_report_free(&report);
    repo_merge_report_free(&back);
    repo_close(r);
}

TEST(a_stash_of_gits_comes_back)
{
    repo_merge_report back = {0};
    repo_handle *r = given("theirs", CHANGED " && git checkout -q HEAD b && rm b && git stash -q -u");

    git_box_do("cp -a theirs theirs2 && cd theirs2 && git stash apply -q");
    check_ok(repo_stash_apply(r, 0, REPO_FAVOR_NONE, &back));
    check_text(git_box_said("cd theirs && git status --porcelain && ls"),
               git_box_said("cd theirs2 && git status --porcelain && ls"));
    check_text(git_box_said("cd theirs && git stash list | wc -l"), "1");
    check_whole("theirs");
    repo_merge_report_free(&back);
    repo_close(r);
}

TEST(list_and_drop_keep_the_others)
{
    repo_stashes list = {0};
    repo_id dropped;
    repo_handle *r = given("list", "for i in 1 2 3; do echo $i > a; git stash push -qm s$i; done");

    check_ok(repo_stash_list(r, &list));
    check_int(list.count, 3);
    check_text(list.rows[2].subject, "On main: s1");
    check_text(list.rows[1].commit.hex, git_box_said("cd list && git rev-parse stash@{1}"));
    check_ok(repo_stash_drop(r, 1, &dropped));
    check_text(dropped.hex, list.rows[1].commit.hex);
    check_text(git_box_said("cd list && git stash list"), "stash@{0}: On main: s3\nstash@{1}: On main: s1");
    check_ok(repo_stash_drop(r, 0, &dropped));
    check_text(git_box_said("cd list && git stash list && git show stash:a"), "stash@{0}: On main: s1\n1");
    check_fails(repo_stash_drop(r, 1, &dropped), ERR_NOT_FOUND, "there is no stash 1 (there are 0 to 0)");
    check_ok(repo_stash_drop(r, 0, &dropped));
    check_text(git_box_said("cd list && git stash list; ls .git/refs/stash 2>&1 | grep -c 'No such'"), "1");
    check_fails(repo_stash_drop(r, 0, &dropped), ERR_NOT_FOUND, "there is no stash");
    check_whole("list");
    repo_stashes_free(&list);
    repo_close(r);
}

TEST(nothing_is_overwritten_when_it_comes_back)
{
    repo_merge_report back = {0}, again = {0}, way = {0}, chosen = {0};
    repo_handle *r = given("way", "echo mine > a && echo 5 > loose && git stash -q -u && echo other > a");

    check_fails(repo_stash_pop(r, 0, REPO_FAVOR_NONE, &back), ERR_CONFLICT, "nothing was changed");
    check_text(git_box_said("cd way && git status --porcelain && cat a"), " M a\nother");
    git_box_do("cd way && git commit -qam Other");
    git_box_do("cd way && echo here > loose");
    check_fails(repo_stash_pop(r, 0, REPO_FAVOR_NONE, &again), ERR_CONFLICT, "loose");
    check_true(!again.in_progress);
    check_fails(repo_stash_pop(r, 0, REPO_FAVOR_THEIRS, &way), ERR_CONFLICT, "loose");
    check_text(git_box_said("cd way && cat a loose && git stash list | wc -l"), "other\nhere\n1");
    git_box_do("cd way && rm loose");
    check_ok(repo_stash_pop(r, 0, REPO_FAVOR_THEIRS, &chosen));
    check_text(git_box_said("cd way && cat a loose && git stash list && git status --porcelain"),
               "mine\n5\n M a\n?? loose");
    check_whole("way");
    repo_merge_report_free(&back);
    repo_merge_report_free(&again);
    repo_merge_report_free(&way);
    repo_merge_report_free(&chosen);
    repo_close(r);
}

TEST(a_stash_in_conflict_comes_back_as_with_git_and_stays)
{
    static const char look[] =
        "cd %s && git status --porcelain && cat a b new loose && git ls-files -s && "
        "git stash list && git reset -q --merge && git status --porcelain && cat a b local";
    repo_merge_report back = {0}, again = {0};
    repo_handle *r =
        given("kept", "echo local > local && git add local && git commit -qm local && echo mine > a && "
                      "echo n > new && git add new && echo b2 > b && echo 5 > loose && "
                      "git stash -q -u && echo other > a && git commit -qam Other && echo l2 > local");

    git_box_do("cp -a kept kept2 && cd kept2 && ! git stash pop >/dev/null 2>&1");
    check_fails(repo_stash_pop(r, 0, REPO_FAVOR_NONE, &back), ERR_CONFLICT,
                "stash@{0}: 1 file with conflicts");
    check_true(back.in_progress);
    check_text(git_box_said("grep -c '^[<=>]' kept/a"), "3");
    check_fails(repo_stash_pop(r, 0, REPO_FAVOR_NONE, &again), ERR_STATE, "reset --merge");
    check_text(git_box_said(look, "kept"), git_box_said(look, "kept2"));
    check_whole("kept");
    repo_merge_report_free(&back);
    repo_merge_report_free(&again);
    repo_close(r);
}

TEST(what_cannot_be_put_aside_says_so)
{
    repo_stash_report report = {0};
    repo_handle *r = given("clean", "true");

    check_fails(save(r, NULL, true, &report), ERR_NOTHING, "no local changes");
    git_box_do("cd clean && echo x > loose");
    check_fails(save(r, NULL, false, &report), ERR_NOTHING, "no local changes");
    git_box_do("cd clean && git checkout -qb x && echo x > a && git commit -qam x && git checkout -q main && "
               "echo y > a && git commit -qam y && ! git merge -q x >/dev/null 2>&1");
    check_fails(save(r, NULL, false, &report), ERR_STATE, "merge");
    repo_stash_report_free(&report);
    repo_close(r);
}

TEST(large_files_are_pointers_in_a_stash)
{
    repo_stash_report report = {0};
    repo_merge_report back = {0};

    git_box();
    if (!strstr(git_box_said("git lfs version"), "git-lfs/")) {
        print_message("git-lfs is not installed\n");
        skip();
    }
    repo_handle *r = given(
        "large",
        "git lfs install --local --skip-repo >/dev/null && git lfs track '*.safetensors' >/dev/null && "
        "head -c 3000000 /dev/zero > w.safetensors && git add -A && git commit -qm w && "
        "head -c 3000000 /dev/urandom > w.safetensors && head -c 2000000 /dev/urandom > u.safetensors && "
        "sha256sum *.safetensors > ../large.sums");

    check_ok(save(r, NULL, true, &report));
    check_text(
        git_box_said("cd large && git status --porcelain && ls *.safetensors && "
                     "git show stash:w.safetensors | head -1 && git show stash^3:u.safetensors | head -1"),
        "w.safetensors\nversion https://git-lfs.github.com/spec/v1\nversion "
        "https://git-lfs.github.com/spec/v1");
    check_text(git_box_said("cd large && tr -d '\\0' < w.safetensors | wc -c"), "0");
    check_ok(repo_stash_pop(r, 0, REPO_FAVOR_NONE, &back));
    check_text(git_box_said("cd large && sha256sum --quiet -c ../large.sums && git status --porcelain"),
               " M w.safetensors\n?? u.safetensors");
    check_text(git_box_said("cd large && git lfs fsck 2>&1 | tail -1"), "Git LFS fsck OK");
    check_whole("large");
    repo_stash_report_free(&report);
    repo_merge_report_free(&back);
    repo_close(r);
}

TEST(a_file_taken_out_of_the_index_is_not_lost)
{
    repo_stash_report report = {0};
    repo_handle *r = given("out", "git rm -q --cached a && echo precious > a");

    check_ok(save(r, NULL, false, &report));
    check_text(git_box_said("cd out && git show stash:a && git status --porcelain"), "precious");
    repo_stash_report_free(&report);
    repo_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_stash_of_ours_is_one_of_gits),
        RUN(untracked_files_go_along_when_asked),
        RUN(a_stash_of_gits_comes_back),
        RUN(list_and_drop_keep_the_others),
        RUN(nothing_is_overwritten_when_it_comes_back),
        RUN(a_stash_in_conflict_comes_back_as_with_git_and_stays),
        RUN(what_cannot_be_put_aside_says_so),
        RUN(large_files_are_pointers_in_a_stash),
        RUN(a_file_taken_out_of_the_index_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
