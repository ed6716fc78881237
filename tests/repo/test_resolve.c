/* Refs, judged by git rev-parse. */
#include "repo/resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/handle_internal.h"
#include "tests/support/check.h"
#include "tests/support/git_box.h"

static const char *place(void)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/refs", check_folder());
    return path;
}

static repo_handle *opened(void)
{
    static bool made;
    repo_handle *r = NULL;
    git_box();
    if (!made)
        git_box_do("git init -q -b main refs && cd refs && echo one >a && git add a && git commit -qm one && "
                   "git tag v1 && echo two >a && git commit -qam two && git branch side HEAD~1 && "
                   "git tag -a -m both side && git branch feature/x && git tag -a -m t annotated && "
                   "git branch deadbeef1 HEAD~1 && git branch plus+sign && "
                   "git update-ref refs/remotes/origin/far HEAD~1 && git update-ref refs/notes/n HEAD");
    made = true;
    check_ok(repo_open(git_box(), place(), &r));
    return r;
}

static void check_resolves(repo_handle *r, const char *text, const char *git_text, const char *name,
                           const char *printed)
{
    CLEANUP(repo_ref_free) repo_ref ref = {0}, again = {0};
    CLEANUP(bytes_free) bytes out = {0};

    check_ok(repo_resolve(r, text, &ref));
    check_text(ref.commit.hex, git_box_said("git -C refs rev-parse '%s^{commit}'", git_text));
    check_text(ref.tree.hex, git_box_said("git -C refs rev-parse '%s^{tree}'", git_text));
    check_text(ref.name, name);
    repo_ref_print(r, &ref, &out);
    if (printed) check_text(bytes_text(&out), printed);
    check_ok(repo_resolve(r, bytes_text(&out), &again));
    check_text(again.commit.hex, ref.commit.hex);
}

TEST(branch_tag_remote_and_commit_are_told_by_looking)
{
    repo_handle *r = opened();
    check_resolves(r, "", "HEAD", "refs/heads/main", "main");
    check_resolves(r, "HEAD", "HEAD", "refs/heads/main", "main");
    check_resolves(r, "main", "main", "refs/heads/main", "main");
    check_resolves(r, "v1", "v1", "refs/tags/v1", "tags/v1");
    check_resolves(r, "annotated", "annotated", "refs/tags/annotated", "tags/annotated");
    check_resolves(r, "feature/x", "feature/x", "refs/heads/feature/x", "feature/x");
    check_resolves(r, "far", "refs/remotes/origin/far", "refs/remotes/origin/far", "remotes/origin/far");
    check_resolves(r, "origin/far", "refs/remotes/origin/far", "refs/remotes/origin/far", NULL);
    check_resolves(r, "refs/heads/main", "main", "refs/heads/main", "main");
    check_resolves(r, "tags/side", "refs/tags/side", "refs/tags/side", "tags/side");
    check_resolves(r, "notes/n", "refs/notes/n", "", NULL);
    check_resolves(r, "main~1", "main~1", "", NULL);
    check_resolves(r, "main@{0}", "main", "", NULL);
    /* A branch, though it looks like the beginning of a commit. */
    check_resolves(r, "deadbeef1", "refs/heads/deadbeef1", "refs/heads/deadbeef1", "deadbeef1");
    /* '+' begins an adapter in a MODEL. */
    check_resolves(r, "plus+sign", "plus+sign", "refs/heads/plus+sign",
                   git_box_said("git -C refs rev-parse plus+sign"));
    repo_close(r);
}

TEST(a_branch_wins_over_a_tag_and_says_so)
{
    repo_handle *r = opened();
    CLEANUP(repo_ref_free) repo_ref ref = {0};
    check_ok(repo_resolve(r, "side", &ref));
    check_text(ref.name, "refs/heads/side");
    check_true(ref.also_tag);
    check_resolves(r, "side", "refs/heads/side", "refs/heads/side", "heads/side");
    repo_close(r);
}

TEST(commits_are_found_by_all_or_some_of_their_digits)
{
    repo_handle *r = opened();
    char *hex = memory_text(git_box_said("git -C refs rev-parse main"));
    check_resolves(r, hex, "main", "", hex);
    char *some = memory_text_n(hex, 9);
    check_resolves(r, some, "main", "", hex);
    free(hex);
    free(some);
    repo_close(r);
}

static void check_refused(repo_handle *r, const char *text, err_code code, const char *words)
{
    repo_ref ref = {0};
    check_fails(repo_resolve(r, text, &ref), code, words);
    assert_null(ref.name);
}

TEST(what_is_no_commit_is_refused_with_what_it_is)
{
    repo_handle *r = opened();
    char longer[10001];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    check_refused(r, "main^{tree}", ERR_USAGE, "is a tree");
    check_refused(r, "v1..main", ERR_USAGE, "range");
    check_refused(r, "mian", ERR_NOT_FOUND, "did you mean main?");
    check_refused(r, "nowhere-near", ERR_NOT_FOUND, "no branch, tag or commit");
    check_refused(r, "0123456789012345678901234567890123456789", ERR_NOT_FOUND, "no object");
    check_refused(r, "--upload-pack=x", ERR_USAGE, "begins with '-'");
    check_refused(r, "a\x1b[2J", ERR_USAGE, "control character");
    check_refused(r, "../../etc/passwd", ERR_USAGE, "range");
    check_refused(r, longer, ERR_USAGE, "longer");
    repo_close(r);
}

TEST(a_repository_without_commits_says_so)
{
    repo_handle *r = NULL;
    repo_ref ref = {0};
    char path[600];
    git_box();
    git_box_do("git init -q empty");
    snprintf(path, sizeof path, "%s/empty", check_folder());
    check_ok(repo_open(git_box(), path, &r));
    check_fails(repo_resolve(r, "", &ref), ERR_NOTHING, "no commit yet");
    repo_close(r);
}

TEST(a_detached_head_is_a_commit)
{
    repo_handle *r = opened();
    CLEANUP(repo_ref_free) repo_ref ref = {0};
    git_box_do("git -C refs checkout -q --detach v1");
    check_ok(repo_resolve(r, "HEAD", &ref));
    check_int(ref.kind, REPO_REF_COMMIT);
    check_text(ref.name, "");
    git_box_do("git -C refs checkout -q main");
    repo_close(r);
}

TESTS(RUN(branch_tag_remote_and_commit_are_told_by_looking), RUN(a_branch_wins_over_a_tag_and_says_so),
      RUN(commits_are_found_by_all_or_some_of_their_digits),
      RUN(what_is_no_commit_is_refused_with_what_it_is), RUN(a_repository_without_commits_says_so),
      RUN(a_detached_head_is_a_commit))
