/* Push and pull: by libgit2 over http and by the git program to a path; the git program looks at both ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "repo/net/askpass.h"
#include "repo/net/network_internal.h"
#include "tests/support/git_box.h"

static process *server;
static char base[64]; /* "http://127.0.0.1:1234" */

static void given_server(void)
{
    char folder[512];
    const char *argv[] = {"python3", "tests/support/git_server.py", folder, NULL};
    process_options how = {
        .argv = argv, .input = PROCESS_PIPE, .output = PROCESS_PIPE, .error = PROCESS_NULL};
    char line[16] = "";
    size_t size = 0;

    if (server) return;
    snprintf(folder, sizeof folder, "%s/www", check_folder());
    git_box_do("mkdir -p www");
    err e = process_start(&how, &server);
    if (e.code == ERR_NOT_FOUND) skip();
    check_ok(e);
    while (size < sizeof line - 1 && read(process_output(server), line + size, 1) == 1 && line[size] != '\n')
        size++;
    check_true(atoi(line) > 0);
    snprintf(base, sizeof base, "http://127.0.0.1:%d", atoi(line));
}

/* www/far.git bare with one commit; near and other are clones of it. by_http: they push by libgit2. */
static repo_handle *given(bool by_http)
{
    repo_handle *r = NULL;
    char path[512], url[600];

    git_box();
    given_server();
    snprintf(url, sizeof url, "%s%s", by_http ? base : check_folder(), by_http ? "/far.git" : "/www/far.git");
    git_box_do("rm -rf www/far.git near other && git init -q --bare www/far.git && "
               "git -C www/far.git config http.receivepack true && git init -q near && cd near && "
               "git remote add origin %s && echo 1 > a && git add a && git commit -qm one && "
               "git push -q -u origin main && cd .. && git clone -q www/far.git other",
               url);
    snprintf(path, sizeof path, "%s/near", check_folder());
    check_ok(repo_open(git_box(), path, &r));
    return r;
}

static repo_network_report report;

static err pushed(repo_handle *r, repo_push_options how, const char *const *refs)
{
    while (refs && refs[how.ref_count]) how.ref_count++;
    how.refs = refs;
    repo_network_report_free(&report);
    return repo_push(r, &how, &report);
}
#define REFS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void check_same(const char *here, const char *there)
{
    char mine[64];
    snprintf(mine, sizeof mine, "%s", git_box_said("git -C near rev-parse %s", here));
    check_text(git_box_said("git -C www/far.git rev-parse %s", there), mine);
}

static void check_sound(void)
{
    check_text(git_box_said("git -C near fsck --no-dangling && git -C www/far.git fsck --no-dangling && "
                            "git -C near status --porcelain && find near -name '*.lock'"),
               "");
}

/* ---- push ---- */

static void goes_forward(bool by_http)
{
    repo_handle *r = given(by_http);

    git_box_do("cd near && echo 2 > a && git commit -qam two");
    check_ok(pushed(r, (repo_push_options){.dry_run = true}, NULL));
    check_int(report.refs_changed, 1);
    check_text(git_box_said("git -C www/far.git rev-list --count main"), "1");
    check_ok(pushed(r, (repo_push_options){0}, NULL));
    check_int(report.refs_changed, 1);
    check_text(report.branch, "main");
    check_true(check_text_holds(report.lines.names[0], "main "));
    check_same("main", "main");
    check_same("main", "main");
    check_text(git_box_said("git -C near rev-parse origin/main"), git_box_said("git -C near rev-parse main"));
    check_ok(pushed(r, (repo_push_options){0}, NULL));
    check_true(report.up_to_date && report.lines.count == 0);
    check_sound();
    repo_close(r);
}

TEST(a_branch_goes_forward_by_http) { goes_forward(true); }
TEST(a_branch_goes_forward_to_a_path) { goes_forward(false); }

static void branches_and_tags(bool by_http)
{
    repo_handle *r = given(by_http);

    git_box_do("cd near && git checkout -q -b work && echo 2 > a && git commit -qam two && git tag light && "
               "git tag -a v1 -m one");
    check_ok(
        pushed(r, (repo_push_options){.set_upstream = true}, REFS("work", "v1", "HEAD:refs/heads/copy")));
    check_int(report.refs_changed, 3);
    check_text(report.lines.names[0], "work new branch");
    check_text(report.lines.names[1], "v1 new tag");
    check_same("work", "work");
    check_same("v1", "v1");
    check_same("work", "copy");
    /* The last one told of a branch wins, as in git. */
    check_text(git_box_said("git -C near rev-parse --abbrev-ref work@{upstream}"), "origin/copy");
    check_text(git_box_said("git -C www/far.git tag"), "v1");
    check_ok(pushed(r, (repo_push_options){.remote = "origin", .tags = true}, NULL));
    check_text(git_box_said("git -C www/far.git tag"), "light\nv1");
    check_ok(pushed(r, (repo_push_options){.delete_refs = true}, REFS("copy", "v1")));
    check_text(git_box_said("git -C www/far.git for-each-ref --format='%%(refname:short)'"),
               "main\nwork\nlight");
    check_text(git_box_said("git -C near rev-parse --verify -q origin/copy | wc -l"), "0");
    check_ok(pushed(r, (repo_push_options){0}, REFS(":work")));
    check_true(pushed(r, (repo_push_options){0}, REFS(":work")).code != 0);
    check_ok(pushed(r, (repo_push_options){0}, REFS("work~1:refs/heads/old")));
    check_same("work~1", "old");
    check_sound();
    repo_close(r);
}

TEST(branches_tags_and_deletions_by_http) { branches_and_tags(true); }
TEST(branches_tags_and_deletions_to_a_path) { branches_and_tags(false); }

/* Others pushed meanwhile. */
static void force_and_lease(bool by_http)
{
    repo_handle *r = given(by_http);

    git_box_do("cd other && echo 3 > b && git add b && git commit -qm three && git push -q && cd ../near && "
               "echo 2 > a && git commit -qam two");
    err e = pushed(r, (repo_push_options){0}, NULL);
    check_int(e.code, ERR_CONFLICT);
    check_true(check_text_holds(e.text, "fetch first"));
    e = pushed(r, (repo_push_options){.force_with_lease = true}, NULL);
    check_int(e.code, ERR_CONFLICT);
    check_text(git_box_said("git -C www/far.git log -1 --format=%%s main"), "three");
    git_box_do("cd near && git fetch -q");
    check_fails(pushed(r, (repo_push_options){0}, NULL), ERR_CONFLICT, "main");
    check_ok(pushed(r, (repo_push_options){.force_with_lease = true}, NULL));
    check_same("main", "main");
    git_box_do("cd near && git commit -q --amend -m again");
    check_ok(pushed(r, (repo_push_options){0}, REFS("+main")));
    check_true(check_text_holds(report.lines.names[0], "forced"));
    check_same("main", "main");
    git_box_do("cd near && git commit -q --amend -m 'and again'");
    check_ok(pushed(r, (repo_push_options){.force = true}, NULL));
    check_same("main", "main");
    check_sound();
    repo_close(r);
}

TEST(force_and_leases_by_http) { force_and_lease(true); }
TEST(force_and_leases_to_a_path) { force_and_lease(false); }

static void refusals(bool by_http)
{
    repo_handle *r = given(by_http);

    git_box_do("cd www/far.git && printf '#!/bin/sh\\ntest \"$1\" != refs/heads/no\\n' > hooks/update && "
               "chmod +x hooks/update && cd ../../near && git branch no && git branch yes");
    err e = pushed(r, (repo_push_options){0}, REFS("no", "yes"));
    check_int(e.code, ERR_DENIED);
    check_true(check_text_holds(e.text, "no"));
    check_text(git_box_said("git -C www/far.git for-each-ref --format='%%(refname:short)'"), "main\nyes");
    check_text(git_box_said("git -C near for-each-ref --format='%%(refname:short)' refs/remotes"),
               "origin/main\norigin/yes");
    repo_close(r);
}

TEST(a_ref_that_the_server_refuses_is_a_failure_by_http) { refusals(true); }
TEST(a_ref_that_the_server_refuses_is_a_failure_to_a_path) { refusals(false); }

static const char *last_line(void)
{
    return report.lines.count ? report.lines.names[report.lines.count - 1] : "";
}

TEST(a_hook_that_is_not_run_is_told_once)
{
    static const char hook[] = "the pre-push hook was not run: git push runs it";
    repo_handle *r = given(true);

    git_box_do(
        "cd near && mkdir -p .git/hooks && echo 'git lfs pre-push \"$@\"' > .git/hooks/pre-push && chmod +x "
        ".git/hooks/pre-push && git commit -q --allow-empty -m two");
    check_ok(pushed(r, (repo_push_options){0}, NULL));
    check_true(strcmp(last_line(), hook) != 0);
    git_box_do("cd near && printf '#!/bin/sh\nexit 1\n' > .git/hooks/pre-push && git commit -q --allow-empty "
               "-m three");
    check_ok(pushed(r, (repo_push_options){0}, NULL));
    check_text(last_line(), hook);
    git_box_do("cd near && git commit -q --allow-empty -m four");
    check_ok(pushed(r, (repo_push_options){0}, NULL));
    check_true(strcmp(last_line(), hook) != 0);
    check_same("main", "main");
    repo_close(r);
}

TEST(what_is_no_ref_or_ours_alone_is_not_pushed)
{
    repo_handle *r = given(true);

    git_box_do("cd near && git update-ref refs/hyprstream/x HEAD");
    check_fails(pushed(r, (repo_push_options){0}, REFS("refs/hyprstream/x")), ERR_DENIED, "never pushed");
    check_fails(pushed(r, (repo_push_options){0}, REFS("main:refs/hyprstream/x")), ERR_DENIED, "never");
    check_fails(pushed(r, (repo_push_options){0}, REFS("hyprstream/x:y")), ERR_DENIED, "never pushed");
    check_fails(pushed(r, (repo_push_options){0}, REFS("refs/heads/*:refs/heads/*")), ERR_USAGE, "each ref");
    check_fails(pushed(r, (repo_push_options){0}, REFS("main:a..b")), ERR_USAGE, "no name for a ref");
    check_fails(pushed(r, (repo_push_options){0}, REFS("mian")), ERR_NOT_FOUND, "mian");
    check_fails(pushed(r, (repo_push_options){0}, REFS("main", "HEAD:main")), ERR_USAGE, "twice");
    check_fails(pushed(r, (repo_push_options){.remote = "far"}, NULL), ERR_NOT_FOUND, "there are: origin");
    check_fails(pushed(r, (repo_push_options){.delete_refs = true}, REFS("main:x")), ERR_USAGE, "names");
    check_fails(pushed(r, (repo_push_options){.force = true, .force_with_lease = true}, NULL), ERR_USAGE,
                "exclude");
    git_box_do("cd near && git tag v1 && git push -q origin v1 && echo 2 > a && git commit -qam two && "
               "git tag -f v1");
    check_fails(pushed(r, (repo_push_options){0}, REFS("v1")), ERR_CONFLICT, "another tag v1");
    git_box_do("cd near && git checkout -q --detach");
    check_fails(pushed(r, (repo_push_options){0}, NULL), ERR_USAGE, "on no branch");
    check_text(git_box_said("git -C www/far.git for-each-ref --format='%%(refname)'"),
               "refs/heads/main\nrefs/tags/v1");
    repo_close(r);
}

TEST(a_shallow_repository_pushes)
{
    repo_handle *r = given(true);
    char path[512];

    repo_close(r);
    git_box_do(
        "cd other && for i in 1 2 3; do echo $i > b; git add b; git commit -qm $i; done && git push -q && "
        "cd .. && rm -rf near && git clone -q --depth 1 %s/far.git near && cd near && echo 9 > a && "
        "git commit -qam nine",
        base);
    snprintf(path, sizeof path, "%s/near", check_folder());
    check_ok(repo_open(git_box(), path, &r));
    check_ok(pushed(r, (repo_push_options){0}, NULL));
    check_same("main", "main");
    check_text(git_box_said("git -C www/far.git rev-list --count main"), "5");
    check_sound();
    repo_close(r);
}

/* ---- pull ---- */

static err pulled(repo_handle *r, repo_pull_how how)
{
    repo_network_report_free(&report);
    return repo_pull(r, NULL, NULL, how, &report);
}

static void others_go_on(void)
{
    git_box_do("cd other && echo 3 > b && git add b && git commit -qm three && git push -q");
}

TEST(a_pull_goes_forward)
{
    repo_handle *r = given(true);

    others_go_on();
    check_ok(pulled(r, REPO_PULL_AUTO));
    check_true(!report.up_to_date);
    check_same("main", "main");
    check_text(report.after.hex, git_box_said("git -C near rev-parse HEAD"));
    check_true(check_text_holds(report.lines.names[report.lines.count - 1], "fast-forward"));
    check_text(git_box_said("git -C near reflog -1 --format=%%gs"), "pull: Fast-forward");
    check_ok(pulled(r, REPO_PULL_AUTO));
    check_true(report.up_to_date);
    check_sound();
    repo_close(r);
}

TEST(both_sides_are_merged_or_rebased_as_is_said)
{
    repo_handle *r = given(true);

    others_go_on();
    git_box_do("cd near && echo 2 > a && git commit -qam two");
    check_fails(pulled(r, REPO_PULL_FF_ONLY), ERR_CONFLICT, "fast-forward");
    git_box_do("cd near && git config pull.ff only");
    check_fails(pulled(r, REPO_PULL_AUTO), ERR_CONFLICT, "fast-forward");
    git_box_do("cd near && git config --unset pull.ff && git config pull.rebase true && git branch keep");
    check_ok(pulled(r, REPO_PULL_AUTO));
    check_text(git_box_said("git -C near log --format=%%s"), "two\nthree\none");
    check_sound();
    git_box_do("cd near && git reset -q --hard keep");
    check_ok(pulled(r, REPO_PULL_MERGE));
    check_text(git_box_said("git -C near log -1 --format=%%P | wc -w"), "2");
    char subject[128];
    snprintf(subject, sizeof subject, "Merge branch 'main' of %s/far.git", base);
    check_text(git_box_said("git -C near log -1 --format=%%s"), subject);
    check_sound();
    repo_close(r);
}

TEST(a_conflict_is_left_as_git_leaves_it)
{
    repo_handle *r = given(true);

    git_box_do(
        "cd other && echo 3 > a && git commit -qam three && git push -q && cd ../near && echo 2 > a && "
        "git commit -qam two");
    err e = pulled(r, REPO_PULL_AUTO);
    check_int(e.code, ERR_CONFLICT);
    check_text(git_box_said("git -C near status --porcelain"), "UU a");
    check_true(check_text_holds(report.lines.names[report.lines.count - 2], "conflict (text) in a"));
    git_box_do("cd near && git merge --abort && git config pull.rebase true");
    check_int(pulled(r, REPO_PULL_AUTO).code, ERR_CONFLICT);
    check_text(git_box_said("git -C near status --porcelain && git -C near log --format=%%s"), "two\none");
    check_sound();
    repo_close(r);
}

TEST(a_branch_that_follows_nothing_says_what_to_do)
{
    repo_handle *r = given(true);

    others_go_on();
    git_box_do("cd near && git checkout -q -b alone");
    check_fails(pulled(r, REPO_PULL_AUTO), ERR_USAGE, "alone follows nothing: say what to pull");
    repo_network_report_free(&report);
    check_ok(repo_pull(r, "origin", "main", REPO_PULL_AUTO, &report));
    check_same("alone", "main");
    repo_network_report_free(&report);
    check_fails(repo_pull(r, "origin", "mian", REPO_PULL_AUTO, &report), ERR_NOT_FOUND, "did you mean main?");
    git_box_do("cd near && git checkout -q main && git -C ../www/far.git update-ref -d refs/heads/main");
    repo_network_report_free(&report);
    check_ok(repo_fetch(r, &(repo_fetch_options){.prune = true}, &report));
    check_fails(pulled(r, REPO_PULL_AUTO), ERR_NOT_FOUND, "no branch 'main' any more");
    repo_close(r);
}

TEST(a_shallow_clone_is_pulled)
{
    repo_handle *r = given(true);
    char path[512];

    repo_close(r);
    others_go_on();
    git_box_do("rm -rf near && git clone -q --depth 1 %s/far.git near && cd other && echo 4 > b && "
               "git commit -qam four && git push -q",
               base);
    snprintf(path, sizeof path, "%s/near", check_folder());
    check_ok(repo_open(git_box(), path, &r));
    check_ok(pulled(r, REPO_PULL_AUTO));
    check_same("main", "main");
    check_true(!report.up_to_date);
    check_sound();
    repo_close(r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        RUN(a_branch_goes_forward_by_http),
        RUN(a_branch_goes_forward_to_a_path),
        RUN(branches_tags_and_deletions_by_http),
        RUN(branches_tags_and_deletions_to_a_path),
        RUN(force_and_leases_by_http),
        RUN(force_and_leases_to_a_path),
        RUN(a_ref_that_the_server_refuses_is_a_failure_by_http),
        RUN(a_ref_that_the_server_refuses_is_a_failure_to_a_path),
        RUN(a_hook_that_is_not_run_is_told_once),
        RUN(what_is_no_ref_or_ours_alone_is_not_pushed),
        RUN(a_shallow_repository_pushes),
        RUN(a_pull_goes_forward),
        RUN(both_sides_are_merged_or_rebased_as_is_said),
        RUN(a_conflict_is_left_as_git_leaves_it),
        RUN(a_branch_that_follows_nothing_says_what_to_do),
        RUN(a_shallow_clone_is_pulled),
    };
    /* git asks through this very program, and the child is it again. */
    if (repo_askpass_is(argc, argv)) return repo_askpass_main(argc, argv);
    if (repo_network_is(argc, argv)) return repo_network_child(argc, argv);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    repo_network_report_free(&report);
    process_free(server);
    return failed;
}
