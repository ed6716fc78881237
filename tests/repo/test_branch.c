/* Branches and tags, judged by the git program. */
#include "repo/branch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/handle_internal.h"
#include "repo/tag.h"
#include "tests/support/git_box.h"

static const char *place(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", check_folder(), name);
    return path;
}

static repo_handle *opened(const char *name)
{
    repo_handle *r = NULL;
    check_ok(repo_open(git_box(), place(name), &r));
    return r;
}

/* Two commits on main, one on side. */
static repo_handle *given(const char *name)
{
    git_box();
    git_box_do("git init -q -b main %s && cd %s && echo one >a && git add a && git commit -qm first && "
               "git checkout -qb side && echo side >b && git add b && git commit -qm side && git checkout -q "
               "main && "
               "echo two >a && git commit -qam second",
               name, name);
    return opened(name);
}

static repo_ref ref_at(const char *name, const char *spec)
{
    repo_ref ref = {.kind = REPO_REF_BRANCH, .name = (char *)(uintptr_t)spec};
    snprintf(ref.commit.hex, sizeof ref.commit.hex, "%s",
             git_box_said("git -C %s rev-parse '%s'", name, spec));
    if (strncmp(spec, "refs/remotes/", 13) == 0) ref.kind = REPO_REF_REMOTE;
    return ref;
}

static const repo_branch *row(const repo_branches *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->rows[i].name, name) == 0) return &list->rows[i];
    fail_msg("no branch %s", name);
    return NULL;
}

TEST(the_list_knows_distance_worktree_and_what_is_current)
{
    repo_branches list = {0};
    repo_close(given("far"));
    git_box_do(
        "git clone -q far near && cd near && git branch -q --track side origin/side && "
        "git commit -q --allow-empty -m ahead && cd ../far && git commit -q --allow-empty -m x && "
        "git commit -q --allow-empty -m y && cd ../near && git fetch -q && "
        "git worktree add -q ../near-side side && git branch lone && git config branch.lone.remote origin && "
        "git config branch.lone.merge refs/heads/gone");
    repo_handle *r = opened("near");
    check_ok(repo_branch_list(r, &list));
    check_int(list.count, 5);
    const repo_branch *main = row(&list, "main");
    check_true(main->current && !main->remote && !main->worktree);
    check_text(main->upstream, "origin/main");
    check_text(main->subject, "ahead");
    check_int(main->ahead, 1);
    check_int(main->behind, 2);
    check_true(strstr(row(&list, "side")->worktree, "near-side") != NULL);
    check_int(row(&list, "side")->ahead, 0);
    check_true(row(&list, "lone")->upstream_gone);
    check_int(row(&list, "lone")->ahead, -1);
    check_true(row(&list, "origin/main")->remote);
    repo_branches_free(&list);
    repo_close(r);

    r = opened("near-side");
    check_ok(repo_branch_list(r, &list));
    check_true(row(&list, "side")->current && !row(&list, "side")->worktree);
    check_true(row(&list, "main")->worktree != NULL);
    repo_branches_free(&list);
    repo_close(r);
}

TEST(the_edge_of_a_shallow_history_makes_the_distance_unknown_or_true)
{
    repo_branches list = {0};
    repo_close(given("deep"));
    git_box_do(
        "cd deep && git commit -q --allow-empty -m x && cd .. && "
        "git clone -q --depth 1 file://$PWD/deep shallow && cd shallow && git commit -q --allow-empty -m y");
    repo_handle *r = opened("shallow");
    check_ok(repo_branch_list(r, &list));
    check_true(row(&list, "main")->ahead == 1 || row(&list, "main")->ahead == -1);
    repo_branches_free(&list);
    repo_close(r);
}

TEST(a_branch_is_made_where_it_was_asked_for)
{
    repo_handle *r = given("create");
    repo_ref side = ref_at("create", "side");
    check_ok(repo_branch_create(r, "feature/y", &side, false));
    check_text(git_box_said("git -C create rev-parse feature/y"), side.commit.hex);
    check_text(git_box_said("git -C create reflog feature/y --format=%%gs"), "branch: Created from side");
    check_fails(repo_branch_create(r, "feature/y", &side, false), ERR_EXISTS, "a branch 'feature/y' exists");
    check_fails(repo_branch_create(r, "feature", &side, false), ERR_EXISTS, "files in folders");
    check_fails(repo_branch_create(r, "side/z", &side, false), ERR_EXISTS, "files in folders");
    repo_ref main = ref_at("create", "main");
    check_ok(repo_branch_create(r, "feature/y", &main, true));
    check_text(git_box_said("git -C create rev-parse feature/y"), main.commit.hex);
    check_fails(repo_branch_create(r, "main", &side, true), ERR_CONFLICT, "the checkout is on main");
    git_box_do("git -C create worktree add -q ../create-side side");
    check_fails(repo_branch_create(r, "side", &main, true), ERR_CONFLICT, "create-side is on side");
    check_text(git_box_said("git -C create fsck --strict"), "");
    repo_close(r);
}

TEST(a_branch_of_a_remote_one_tracks_it)
{
    repo_close(given("up"));
    git_box_do("git clone -q up down");
    repo_handle *r = opened("down");
    repo_ref theirs = ref_at("down", "refs/remotes/origin/side");
    check_ok(repo_branch_create(r, "side", &theirs, false));
    check_text(git_box_said("git -C down rev-parse --abbrev-ref side@{u}"), "origin/side");
    check_ok(repo_branch_set_upstream(r, "side", "origin/main"));
    check_text(git_box_said("git -C down rev-parse --abbrev-ref side@{u}"), "origin/main");
    check_ok(repo_branch_set_upstream(r, "side", NULL));
    check_text(git_box_said("git -C down config branch.side.merge"), "");
    check_fails(repo_branch_set_upstream(r, "side", "origin/none"), ERR_NOT_FOUND, "fetch first");
    check_fails(repo_branch_set_upstream(r, "none", "origin/main"), ERR_NOT_FOUND, "no branch 'none'");
    repo_close(r);
}

TEST(hostile_names_are_refused_in_one_sentence)
{
    static const char *const bad[] = {"..", "-x", "@",    "HEAD", "a b",  "a..b", "a\001b", "x.lock",
                                      "/x", "x/", "a//b", ".x",   "a/.b", "x.",   "a@{b",   "a~",
                                      "a^", "a:", "a?",   "a*",   "a[",   "a\\b", "a\177b", ""};
    repo_handle *r = given("hostile");
    repo_ref main = ref_at("hostile", "main");
    char *huge = calloc(1, 10001);
    memset(huge, 'x', 10000);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        check_fails(repo_branch_create(r, bad[i], &main, false), ERR_USAGE, "name");
        check_fails(repo_branch_rename(r, "side", bad[i], false), ERR_USAGE, "name");
        check_fails(repo_tag_create(r, bad[i], &main, NULL, false), ERR_USAGE, "name");
    }
    check_fails(repo_branch_create(r, huge, &main, false), ERR_USAGE, "10000 bytes");
    check_fails(repo_tag_create(r, huge, &main, NULL, false), ERR_USAGE, "10000 bytes");
    check_fails(repo_branch_delete(r, huge, true, NULL), ERR_NOT_FOUND, "no branch");
    check_fails(repo_branch_delete(r, "..", true, NULL), ERR_NOT_FOUND, "no branch");
    check_fails(repo_tag_delete(r, "..", NULL), ERR_NOT_FOUND, "no tag");
    check_text(git_box_said("git -C hostile for-each-ref --format='%%(refname)'"),
               "refs/heads/main\nrefs/heads/side");
    check_ok(repo_branch_create(r, "n\xc3\xa4me/1.0_ok", &main, false));
    free(huge);
    repo_close(r);
}

TEST(only_what_nobody_needs_is_deleted_without_force)
{
    repo_id was = {0};
    repo_handle *r = given("delete");
    check_fails(repo_branch_delete(r, "main", true, NULL), ERR_CONFLICT, "the checkout is on main");
    check_fails(repo_branch_delete(r, "side", false, NULL), ERR_CONFLICT, "--force");
    git_box_do("cd delete && git branch old main~1 && git branch same main && git worktree add -q "
               "../delete-wt -b wt");
    check_fails(repo_branch_delete(r, "wt", true, NULL), ERR_CONFLICT, "delete-wt is on wt");
    check_ok(repo_branch_delete(r, "old", false, NULL));
    check_ok(repo_branch_delete(r, "same", false, NULL));
    check_ok(repo_branch_delete(r, "side", true, &was));
    check_true(strlen(was.hex) == 40);
    check_fails(repo_branch_delete(r, "side", true, NULL), ERR_NOT_FOUND, "no branch 'side'");
    check_text(git_box_said("git -C delete branch --format='%%(refname:short)'"), "main\nwt");
    repo_close(r);
}

TEST(a_renamed_branch_takes_everything_along)
{
    repo_handle *r = given("rename");
    git_box_do(
        "cd rename && git config branch.side.description hello && git worktree add -q ../rename-wt side");
    check_ok(repo_branch_rename(r, "side", "topic", false));
    check_text(git_box_said("git -C rename config branch.topic.description"), "hello");
    check_text(git_box_said("git -C rename-wt symbolic-ref HEAD"), "refs/heads/topic");
    check_ok(repo_branch_rename(r, "main", "trunk", false));
    check_text(git_box_said("git -C rename symbolic-ref HEAD"), "refs/heads/trunk");
    check_text(git_box_said("git -C rename status --porcelain"), "");
    check_text(git_box_said("git -C rename reflog trunk --format=%%gs | tail -n 1"),
               "commit (initial): first");
    check_text(git_box_said("git -C rename reflog HEAD --format=%%gs | head -n 1"),
               "branch: renamed refs/heads/main to refs/heads/trunk");
    check_fails(repo_branch_rename(r, "trunk", "topic", false), ERR_EXISTS, "a branch 'topic' exists");
    check_fails(repo_branch_rename(r, "trunk", "topic", true), ERR_CONFLICT, "rename-wt is on topic");
    check_fails(repo_branch_rename(r, "none", "x", false), ERR_NOT_FOUND, "no branch 'none'");
    repo_close(r);
    git_box_do("git init -q -b main unborn-rename");
    r = opened("unborn-rename");
    check_ok(repo_branch_rename(r, "main", "first", false));
    check_text(git_box_said("git -C unborn-rename symbolic-ref HEAD"), "refs/heads/first");
    repo_close(r);
}

/* ---- tags ---- */

TEST(tags_are_made_listed_moved_by_force_alone_and_deleted)
{
    repo_tags list = {0};
    repo_id was = {0};
    repo_handle *r = given("tags");
    repo_ref main = ref_at("tags", "main"), side = ref_at("tags", "side");
    check_ok(repo_tag_create(r, "light", &main, NULL, false));
    check_ok(repo_tag_create(r, "v1", &main, "The first\n\nwith a body\n", false));
    check_fails(repo_tag_create(r, "v1", &side, "x", false), ERR_EXISTS, "--force moves it");
    check_fails(repo_tag_create(r, "v1/x", &side, NULL, false), ERR_EXISTS, "files in folders");
    check_fails(repo_tag_create(r, "v2", &side, " ", false), ERR_USAGE, "message is empty");
    git_box_do("git -C tags tag -a -m nested nest v1 && git -C tags tag tree main^{tree}");
    check_text(git_box_said("git -C tags cat-file -t v1; git -C tags cat-file -t light"), "tag\ncommit");
    check_text(git_box_said("git -C tags tag -l -n9 v1"), "v1              The first\n    \n    with a body");
    check_ok(repo_tag_list(r, &list));
    check_int(list.count, 4);
    check_text(list.rows[0].name, "light");
    check_true(!list.rows[0].annotated && !list.rows[0].message);
    check_text(list.rows[1].name, "nest");
    check_text(list.rows[1].commit.hex, main.commit.hex);
    check_text(list.rows[3].message, "The first\n\nwith a body");
    repo_tags_free(&list);
    check_ok(repo_tag_create(r, "light", &side, NULL, true));
    check_text(git_box_said("git -C tags rev-parse light"), side.commit.hex);
    check_ok(repo_tag_delete(r, "light", &was));
    check_text(was.hex, side.commit.hex);
    check_fails(repo_tag_delete(r, "light", NULL), ERR_NOT_FOUND, "no tag 'light'");
    check_text(git_box_said("git -C tags fsck --strict"), "");
    repo_close(r);
}

TESTS(RUN(the_list_knows_distance_worktree_and_what_is_current),
      RUN(the_edge_of_a_shallow_history_makes_the_distance_unknown_or_true),
      RUN(a_branch_is_made_where_it_was_asked_for), RUN(a_branch_of_a_remote_one_tracks_it),
      RUN(hostile_names_are_refused_in_one_sentence), RUN(only_what_nobody_needs_is_deleted_without_force),
      RUN(a_renamed_branch_takes_everything_along),
      RUN(tags_are_made_listed_moved_by_force_alone_and_deleted))
