/* Remotes: what is kept of an address, what is refused, what git says of each change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/handle.h"
#include "repo/net/network.h"
#include "tests/support/git_box.h"

static repo_handle *given_a_repository(void)
{
    repo_handle *r = NULL;
    char path[512];

    git_box();
    git_box_do("rm -rf here far && git init -q --bare far && git init -q here && cd here && echo 1 > a && "
               "git add a && git commit -qm one");
    snprintf(path, sizeof path, "%s/here", check_folder());
    check_ok(repo_open(git_box(), path, &r));
    return r;
}

TEST(a_remote_is_added_as_git_does_and_without_its_login)
{
    repo_handle *r = given_a_repository();
    repo_remote_row *rows = NULL;
    size_t count = 0;

    check_ok(repo_remote_add(r, "origin", "https://me:s3cret@example.org/m.git"));
    check_ok(repo_remote_add(r, "by-ssh", "git@example.org:m.git"));
    check_ok(repo_remote_add(r, "hub", "org/name"));
    check_text(git_box_said("cd here && git config remote.origin.url"), "https://example.org/m.git");
    check_text(git_box_said("cd here && git config remote.origin.fetch"),
               "+refs/heads/*:refs/remotes/origin/*");
    check_text(git_box_said("cd here && git config remote.by-ssh.url"), "git@example.org:m.git");
    check_text(git_box_said("cd here && git config remote.hub.url"), "https://huggingface.co/org/name");
    check_text(git_box_said("grep -r s3cret here | wc -l"), "0");
    check_ok(repo_remote_list(r, &rows, &count));
    check_int(count, 3);
    check_text(rows[2].name, "origin");
    check_text(rows[2].url, "https://example.org/m.git");
    check_true(!rows[2].push_url);
    repo_remote_list_free(rows, count);
    check_fails(repo_remote_add(r, "origin", "https://example.org/x"), ERR_EXISTS, "'origin' already");
    repo_close(r);
}

TEST(a_login_that_git_kept_is_not_shown)
{
    repo_handle *r = given_a_repository();
    repo_remote_row *rows = NULL;
    size_t count = 0;

    git_box_do("cd here && git remote add old https://me:s3cret@example.org/m.git");
    check_ok(repo_remote_list(r, &rows, &count));
    check_text(rows[0].url, "https://example.org/m.git");
    repo_remote_list_free(rows, count);
    repo_close(r);
}

TEST(bad_addresses_and_names_never_reach_libgit2)
{
    repo_handle *r = given_a_repository();
    char *longer = malloc(10001);

    memset(longer, 'a', 10000);
    longer[10000] = 0;
    check_fails(repo_remote_add(r, "x", "ext::sh -c true"), ERR_DENIED, "run programs");
    check_fails(repo_remote_add(r, "x", "--upload-pack=touch x"), ERR_USAGE, "begin with '-'");
    check_fails(repo_remote_add(r, "x", "https://h/a\nb"), ERR_USAGE, "control character");
    check_fails(repo_remote_add(r, "x", "nothing"), ERR_USAGE, "is no url");
    check_fails(repo_remote_add(r, "x", longer), ERR_USAGE, "10000 bytes");
    check_fails(repo_remote_add(r, longer, "https://h/x"), ERR_USAGE, "10000 bytes");
    check_fails(repo_remote_add(r, "-x", "https://h/x"), ERR_USAGE, "no name for a remote");
    check_fails(repo_remote_add(r, "a..b", "https://h/x"), ERR_USAGE, "no name for a remote");
    check_fails(repo_remote_add(r, "", "https://h/x"), ERR_USAGE, "no name for a remote");
    check_text(git_box_said("cd here && git remote"), "");
    free(longer);
    repo_close(r);
}

TEST(rename_moves_branches_and_names_what_it_cannot_move)
{
    repo_handle *r = given_a_repository();
    CLEANUP(repo_names_free) repo_names problems = {0};

    git_box_do("cd here && git remote add origin ../far && git push -q -u origin main");
    check_ok(repo_remote_rename(r, "origin", "up", &problems));
    check_int(problems.count, 0);
    check_text(git_box_said("cd here && git rev-parse --abbrev-ref main@{upstream}"), "up/main");
    check_text(git_box_said("cd here && git for-each-ref --format='%%(refname)' refs/remotes"),
               "refs/remotes/up/main");
    check_fails(repo_remote_rename(r, "origin", "new", &problems), ERR_NOT_FOUND, "there are: up");
    git_box_do("cd here && git remote add other ../far");
    check_fails(repo_remote_rename(r, "up", "other", &problems), ERR_EXISTS, "'other' already");
    git_box_do("cd here && git config remote.up.fetch +refs/notes/*:refs/notes/up/*");
    check_ok(repo_remote_rename(r, "up", "down", &problems));
    check_int(problems.count, 1);
    check_text(problems.names[0], "+refs/notes/*:refs/notes/up/*");
    repo_close(r);
}

TEST(a_remote_of_several_refspecs_is_renamed_whole)
{
    repo_handle *r = given_a_repository();
    CLEANUP(repo_names_free) repo_names problems = {0};

    git_box_do("cd here && git remote add origin ../far && git push -q -u origin main && "
               "git config --add remote.origin.fetch +refs/notes/*:refs/remotes/origin/notes/*");
    check_ok(repo_remote_rename(r, "origin", "up", &problems));
    check_text(git_box_said("cd here && git config --get-all remote.up.fetch"),
               "+refs/heads/*:refs/remotes/up/*\n+refs/notes/*:refs/remotes/up/notes/*");
    check_text(git_box_said("cd here && git remote && git rev-parse --abbrev-ref main@{upstream}"),
               "up\nup/main");
    repo_close(r);
}

TEST(urls_are_set_and_a_remote_is_removed_whole)
{
    repo_handle *r = given_a_repository();

    git_box_do("cd here && git remote add origin ../far && git push -q -u origin main");
    check_ok(repo_remote_set_url(r, "origin", "https://a:b@example.org/x", true));
    check_text(git_box_said("cd here && git remote get-url --push origin"), "https://example.org/x");
    check_ok(repo_remote_set_url(r, "origin", "", true));
    check_text(git_box_said("cd here && git remote get-url --push origin"), "../far");
    check_ok(repo_remote_set_url(r, "origin", "git://example.org/y", false));
    check_text(git_box_said("cd here && git remote get-url origin"), "git://example.org/y");
    check_fails(repo_remote_set_url(r, "origin", "fd::7", false), ERR_DENIED, "never used");
    check_fails(repo_remote_set_url(r, "nobody", "https://h/x", false), ERR_NOT_FOUND, "there are: origin");
    check_ok(repo_remote_remove(r, "origin"));
    check_text(git_box_said(
                   "cd here && git remote && git for-each-ref refs/remotes && git config branch.main.remote"),
               "");
    check_fails(repo_remote_remove(r, "origin"), ERR_NOT_FOUND, "no remote origin");
    repo_close(r);
}

TESTS(RUN(a_remote_is_added_as_git_does_and_without_its_login), RUN(a_login_that_git_kept_is_not_shown),
      RUN(bad_addresses_and_names_never_reach_libgit2),
      RUN(rename_moves_branches_and_names_what_it_cannot_move),
      RUN(a_remote_of_several_refspecs_is_renamed_whole), RUN(urls_are_set_and_a_remote_is_removed_whole))
