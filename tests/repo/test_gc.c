/* What gc takes, and what it must not touch: git and git-lfs made all of it, and look at it afterwards. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/gc.h"
#include "tests/support/git_box.h"

/* Weights under LFS whose content is one word; its object's name is the word's SHA-256. */
static repo_handle *given(const char *name)
{
    char path[512];
    repo_handle *r = NULL;

    git_box();
    git_box_do("git lfs install --skip-repo >/dev/null && git init -q -b main %s && cd %s && "
               "git lfs track '*.safetensors' >/dev/null && git add .gitattributes && git commit -qm base",
               name, name);
    snprintf(path, sizeof path, "%s/%s", check_folder(), name);
    check_ok(repo_open(git_box(), path, &r));
    return r;
}

static bool has_lfs(void) { return strstr(git_box_said("git lfs version"), "git-lfs/") != NULL; }

/* All objects are a day old, so that none is spared for its youth. */
static void objects_age(const char *name)
{
    git_box_do("find %s/.git/lfs -type f -exec touch -d '1 day ago' {} +", name);
}

static bool is_there(const char *name, const char *word)
{
    return strcmp(
               git_box_said(
                   "h=$(printf %%s %s | sha256sum | cut -c1-64) && ls %s/.git/lfs/objects/*/*/$h 2>/dev/null "
                   "| wc -l",
                   word, name),
               "1") == 0;
}

static void check_stays(const char *name, const char *word)
{
    if (!is_there(name, word)) fail_msg("the object of '%s' is gone", word);
}

static void check_gone(const char *name, const char *word)
{
    if (is_there(name, word)) fail_msg("the object of '%s' is there still", word);
}

static repo_gc_report gc(repo_handle *r, bool dry_run, int days)
{
    repo_gc_report report;
    check_ok(repo_gc(r, &(repo_gc_options){dry_run, days}, &report));
    return report;
}

/* A commit of `word` as the weights, so many days ago. */
#define COMMIT                                                                                               \
    "c() { printf %%s $1 >model.safetensors && GIT_AUTHOR_DATE=\"@$(($(date +%%s) - $2 * 86400)) +0000\" "   \
    "GIT_COMMITTER_DATE=\"@$(($(date +%%s) - $2 * 86400)) +0000\" git add model.safetensors && "             \
    "GIT_COMMITTER_DATE=\"@$(($(date +%%s) - $2 * 86400)) +0000\" git commit -q $3 -m $1; }; cd all && "

TEST(what_is_reachable_from_anywhere_stays_and_the_rest_goes)
{
    if (!has_lfs()) {
        print_message("git-lfs is not installed\n");
        skip();
    }
    repo_handle *r = given("all");
    git_box_do(COMMIT "c tagged 90 && git tag -a v1 -m v1 && c old 60 && "
                      /* amended away long ago, and lately */
                      "c forgotten 40 && c middle 30 --amend && c remembered 6 && c now 5 --amend");
    git_box_do(
        "cd all && printf stashed >model.safetensors && GIT_COMMITTER_DATE=\"@$(($(date +%%s) - 80 * 86400)) "
        "+0000\" git stash -q && printf stashed2 >model.safetensors && GIT_COMMITTER_DATE=\"@$(($(date +%%s) "
        "- "
        "70 * 86400)) +0000\" git stash -q");
    git_box_do(
        "cd all && git branch -q side v1 && git worktree add -q ../wt side && cd ../wt && "
        "printf in-worktree >model.safetensors && git add . && git commit -qm w && git checkout -q --detach "
        "&& "
        "printf detached >model.safetensors && git commit -qam d && printf wt-staged >model.safetensors && "
        "git add . && git worktree list >/dev/null");
    git_box_do(
        "cd all && printf staged >model.safetensors && git add . && printf '*' >/dev/null && "
        "printf orphan | git lfs clean >/dev/null && printf 'never staged' | git lfs clean >/dev/null");
    /* A branch that was never checked out, made and deleted: nothing remembers it. */
    git_box_do("cd all && b=$(printf unremembered | git lfs clean | git hash-object -w --stdin) && "
               "t=$(printf '100644 blob %%s\\tmodel.safetensors\\n' $b | git mktree) && "
               "git branch gone $(git commit-tree -m g $t) && git branch -qD gone");
    git_box_do("mkdir -p all/.git/lfs/incomplete && printf half >all/.git/lfs/incomplete/half.part && "
               "printf half >all/.git/lfs/incomplete/young.part && touch -d '20 days ago' "
               "all/.git/lfs/incomplete/half.part");
    objects_age("all");
    git_box_do("touch -d '20 days ago' all/.git/lfs/incomplete/half.part && touch "
               "all/.git/lfs/incomplete/young.part && "
               "printf young | git -C all lfs clean >/dev/null");

    repo_gc_report dry = gc(r, true, 14);
    check_stays("all", "orphan");
    check_int(dry.removed, 0);
    repo_gc_report done = gc(r, false, 14);
    check_int(done.objects, dry.objects);
    check_int(done.bytes, dry.bytes);
    check_int(done.removed, dry.objects);
    static const char *const stay[] = {"tagged",   "old",       "middle",   "remembered",
                                       "now",      "stashed",   "stashed2", "in-worktree",
                                       "detached", "wt-staged", "staged",   "young"};
    static const char *const gone[] = {"forgotten", "orphan", "unremembered"};
    for (size_t i = 0; i < COUNT_OF(stay); i++) check_stays("all", stay[i]);
    for (size_t i = 0; i < COUNT_OF(gone); i++) check_gone("all", gone[i]);
    check_text(git_box_said("ls all/.git/lfs/incomplete"), "young.part");
    check_text(git_box_said("git -C all fsck --full --no-dangling"), "");
    check_true(check_text_holds(git_box_said("git -C all lfs fsck --objects"), "OK"));
    check_text(git_box_said("git -C all stash list | wc -l"), "2");
    check_text(git_box_said("git -C all show stash@{1}:model.safetensors | git -C all lfs smudge"),
               "stashed");
    check_text(git_box_said("cat all/model.safetensors && git -C all status --porcelain"),
               "stagedM  model.safetensors");
    repo_close(r);
}

TEST(with_no_days_left_only_what_refs_need_stays)
{
    if (!has_lfs()) skip();
    repo_handle *r = given("none");
    git_box_do(
        "cd none && printf one >model.safetensors && git add . && git commit -qm one && printf two "
        ">model.safetensors && git commit -qa --amend -m two && printf fresh | git lfs clean >/dev/null && "
        "sleep 1.1");
    gc(r, false, 0);
    check_stays("none", "two");
    check_gone("none", "one");
    check_gone("none", "fresh");
    repo_close(r);
}

TEST(what_a_merge_or_rebase_has_put_aside_stays)
{
    if (!has_lfs()) skip();
    repo_handle *r = given("aside");
    git_box_do(
        "cd aside && echo a >a && printf one >model.safetensors && git add . && git commit -qm one && "
        "git checkout -q -b side && echo b >a && git commit -qam b && git checkout -q main && echo c >a && "
        "git commit -qam c && printf autostashed >model.safetensors && "
        "! git rebase -q --autostash side >/dev/null 2>&1 && test -e .git/rebase-merge/autostash");
    git_box_do("cd aside && git reflog expire --expire=now --all");
    objects_age("aside");
    gc(r, false, 14);
    check_stays("aside", "autostashed");
    git_box_do("cd aside && git rebase --abort && test \"$(cat model.safetensors)\" = autostashed");
    repo_close(r);
}

TEST(refs_of_a_worktree_alone_are_refs)
{
    if (!has_lfs()) skip();
    repo_handle *r = given("own");
    git_box_do("cd own && git worktree add -q ../own-wt -b own-wt && cd ../own-wt && printf kept "
               ">model.safetensors && "
               "git add . && git commit -qm kept && git update-ref refs/worktree/mine HEAD && "
               "git reset -q --hard HEAD^ && git reflog expire --expire=now --all && rm -f "
               "../own/.git/worktrees/*/ORIG_HEAD");
    objects_age("own");
    gc(r, false, 14);
    check_stays("own", "kept");
    repo_close(r);
}

TEST(a_store_that_other_repositories_share_is_left_alone)
{
    if (!has_lfs()) skip();
    repo_handle *r = given("shared");
    repo_close(r);
    git_box_do(
        "cd shared && git config lfs.storage ../../common && printf theirs | git lfs clean >/dev/null && "
        "find ../common -type f -exec touch -d '2 days ago' {} + && find ../common -type f | grep -q .");
    char path[512];
    snprintf(path, sizeof path, "%s/shared", check_folder());
    check_ok(repo_open(git_box(), path, &r));
    repo_gc_report report = gc(r, false, 14);
    check_int(report.removed, 0);
    check_true(report.store_is_shared);
    check_text(git_box_said("find common -type f | wc -l"), "1");
    repo_close(r);
}

TEST(a_history_that_cannot_be_read_stops_it_before_anything_goes)
{
    if (!has_lfs()) skip();
    repo_gc_report report;
    repo_handle *r = given("damaged");
    git_box_do("cd damaged && printf one >model.safetensors && git add . && git commit -qm one && "
               "printf orphan | git lfs clean >/dev/null && t=$(git rev-parse HEAD^{tree}) && "
               "rm -f .git/objects/$(echo $t | cut -c1-2)/$(echo $t | cut -c3-)");
    objects_age("damaged");
    check_true(repo_gc(r, &(repo_gc_options){false, 14}, &report).code != ERR_NONE);
    check_stays("damaged", "orphan");
    check_stays("damaged", "one");
    repo_close(r);
}

TESTS(RUN(what_is_reachable_from_anywhere_stays_and_the_rest_goes),
      RUN(with_no_days_left_only_what_refs_need_stays), RUN(what_a_merge_or_rebase_has_put_aside_stays),
      RUN(refs_of_a_worktree_alone_are_refs), RUN(a_store_that_other_repositories_share_is_left_alone),
      RUN(a_history_that_cannot_be_read_stops_it_before_anything_goes))
