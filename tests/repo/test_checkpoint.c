/* Checkpoints: exactly these files, whole or not at all; judged by git and git-lfs. */
#include "repo/checkpoint.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "repo/gate.h"
#include "repo/handle_internal.h"
#include "tests/support/git_box.h"

static const char *place(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", check_folder(), name);
    return path;
}

static bool has_lfs(void)
{
    git_box();
    return strcmp(git_box_said("git lfs version >/dev/null 2>&1 && echo there"), "there") == 0;
}

/* A model with its weights under LFS, made by git and git-lfs themselves. */
static void given(const char *name)
{
    git_box();
    if (has_lfs()) git_box_do("git lfs install --skip-repo >/dev/null");
    git_box_do("git init -q -b main %s && cd %s && echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' "
               ">.gitattributes && echo '{}' >config.json && echo b >b && git add . && git commit -qm first",
               name, name);
}

static const repo_checkpoint_file files[] = {
    {.path = "adapters/01_a.safetensors", .content = {"weights of the adapter", 22}},
    {.path = "adapters/01_a.config.json", .content = {"{}\n", 3}},
    {.path = "adapters/01_a.train.json", .content = {"{\"seed\":7}\n", 11}},
};
static const repo_trailer trailers[] = {{"Training-Step", "1200"}, {"Seed", "7"}, {"Train-Loss", "0.8740"}};
static const repo_checkpoint plain = {.branch = "main",
                                      .files = files,
                                      .file_count = 3,
                                      .subject = "Train 01_a: step 1200",
                                      .body = "LoRA r=16.",
                                      .trailers = trailers,
                                      .trailer_count = 3};

static err commit(const char *name, repo_checkpoint what, repo_checkpoint_done *done)
{
    repo_handle *r = NULL;
    repo_checkpoint_done own;
    check_ok(repo_open(git_box(), place(name), &r));
    err e = repo_checkpoint_commit(r, &what, done ? done : &own);
    repo_close(r);
    return e;
}

static void judge(const char *name)
{
    check_text(git_box_said("git -C %s fsck --strict --no-dangling", name), "");
    if (has_lfs()) check_text(git_box_said("git -C %s lfs fsck", name), "Git LFS fsck OK");
}

TEST(exactly_these_files_are_committed_where_the_branch_is_checked_out)
{
    repo_checkpoint_done done = {0};
    given("here");
    git_box_do("cd here && echo staged >staged && git add staged && echo changed >b && echo new >untracked");
    repo_checkpoint what = plain;
    what.tag = "checkpoint-1200";
    check_ok(commit("here", what, &done));
    check_text(done.commit.hex, git_box_said("git -C here rev-parse main"));
    check_text(done.tag, "checkpoint-1200");
    check_text(git_box_said("git -C here show --format=%%B --name-status main"),
               "Train 01_a: step 1200\n\nLoRA r=16.\n\nTraining-Step: 1200\nSeed: 7\nTrain-Loss: 0.8740\n\n\n"
               "A\tadapters/01_a.config.json\nA\tadapters/01_a.safetensors\nA\tadapters/01_a.train.json");
    check_text(git_box_said("git -C here log -1 --format=%%B | git interpret-trailers --parse"),
               "Training-Step: 1200\nSeed: 7\nTrain-Loss: 0.8740");
    check_text(git_box_said("cat here/adapters/01_a.safetensors"), "weights of the adapter");
    check_text(git_box_said("git -C here cat-file -t checkpoint-1200"), "tag");
    check_text(git_box_said("git -C here show main:adapters/01_a.safetensors | tail -n 1"), "size 22");
    if (has_lfs())
        check_text(git_box_said("git -C here status --porcelain; git -C here lfs ls-files -n"),
                   " M b\nA  staged\n?? untracked\nadapters/01_a.safetensors");
    check_text(git_box_said("ls here/.git/hyprstream"), "lock");
    judge("here");
}

TEST(a_branch_that_is_not_checked_out_gets_no_working_file)
{
    given("away");
    repo_checkpoint what = plain;
    what.branch = "train/run";
    check_fails(commit("away", what, NULL), ERR_NOT_FOUND, "no branch 'train/run'");
    what.start = "main";
    check_ok(commit("away", what, NULL));
    check_text(git_box_said("git -C away status --porcelain; ls away"), "b\nconfig.json");
    check_text(git_box_said("git -C away log --format=%%s train/run"), "Train 01_a: step 1200\nfirst");
    check_text(git_box_said("git -C away rev-list --count main"), "1");
    judge("away");
}

TEST(another_worktree_that_is_on_the_branch_gets_the_files_and_its_index)
{
    given("primary");
    git_box_do("cd primary && git worktree add -q ../linked -b side && echo mine >../linked/b");
    repo_checkpoint what = plain;
    what.branch = "side";
    check_ok(commit("primary", what, NULL));
    check_text(git_box_said("git -C primary status --porcelain; cat linked/adapters/01_a.safetensors"),
               "weights of the adapter");
    if (has_lfs()) check_text(git_box_said("git -C linked status --porcelain"), " M b");
    check_text(git_box_said("git -C linked reflog -1 --format=%%gs"), "commit: Train 01_a: step 1200");
    judge("primary");
}

TEST(the_first_commit_of_an_empty_repository_can_be_one)
{
    git_box_do("git init -q -b main empty");
    const repo_checkpoint_file file = {.path = ".gitattributes",
                                       .content = VIEW("*.safetensors filter=lfs -text\n")};
    repo_checkpoint what = {.branch = "main", .files = &file, .file_count = 1, .subject = "Initialize"};
    check_ok(commit("empty", what, NULL));
    check_ok(commit("empty", plain, NULL));
    check_text(git_box_said("git -C empty log --format=%%s"), "Train 01_a: step 1200\nInitialize");
    if (has_lfs()) check_text(git_box_said("git -C empty status --porcelain"), "");
    judge("empty");
}

TEST(weights_that_gitattributes_does_not_cover_get_their_line_first)
{
    git_box();
    git_box_do(
        "git init -q -b main bare-attr && cd bare-attr && printf '*.md text' >.gitattributes && git add . && "
        "git commit -qm first && printf '*.md text\\n*.own x\\n' >.gitattributes");
    check_ok(commit("bare-attr", plain, NULL));
    check_text(git_box_said("git -C bare-attr log --format=%%s"),
               "Train 01_a: step 1200\nKeep the weights of adapters under LFS\nfirst");
    check_text(git_box_said("git -C bare-attr show main:.gitattributes"),
               "*.md text\nadapters/*.safetensors filter=lfs diff=lfs merge=lfs -text");
    check_text(git_box_said("cat bare-attr/.gitattributes"),
               "*.md text\n*.own x\nadapters/*.safetensors filter=lfs diff=lfs merge=lfs -text");
    check_text(git_box_said("git -C bare-attr status --porcelain -- .gitattributes"), " M .gitattributes");
    judge("bare-attr");
    git_box_do("git init -q -b main none && cd none && git commit -q --allow-empty -m first");
    check_ok(commit("none", plain, NULL));
    if (has_lfs()) check_text(git_box_said("git -C none status --porcelain"), "");
    judge("none");
}

TEST(the_same_again_is_no_commit_and_tags_never_move)
{
    repo_checkpoint_done first = {0}, second = {0};
    given("tags");
    repo_checkpoint what = plain;
    what.tag = "checkpoint-7";
    check_ok(commit("tags", what, &first));
    check_ok(commit("tags", what, &second));
    check_text(second.commit.hex, first.commit.hex);
    check_text(second.tag, "checkpoint-7");
    repo_checkpoint_file other = {.path = "adapters/01_a.safetensors", .content = VIEW("other weights")};
    what.files = &other;
    what.file_count = 1;
    check_ok(commit("tags", what, &second));
    check_text(second.tag, "checkpoint-7-2");
    check_text(git_box_said("git -C tags rev-parse checkpoint-7^{}"), first.commit.hex);
    check_text(git_box_said("git -C tags tag"), "checkpoint-7\ncheckpoint-7-2");
}

TEST(what_cannot_be_committed_is_named_and_changes_nothing)
{
    static const char *const bad[] = {"../x", "/x", ".git/config", "a/../b", "a//b", "", "a\nb", "x/.GIT/y"};
    given("bad");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        repo_checkpoint_file file = {.path = bad[i], .content = VIEW("x")};
        repo_checkpoint what = plain;
        what.files = &file;
        what.file_count = 1;
        check_fails(commit("bad", what, NULL), ERR_USAGE, "");
    }
    repo_checkpoint what = plain;
    repo_trailer trailer = {"Bad key", "7"};
    what.trailers = &trailer;
    what.trailer_count = 1;
    check_fails(commit("bad", what, NULL), ERR_USAGE, "no key of a trailer");
    trailer = (repo_trailer){"Seed", "7\nOther: 8"};
    check_fails(commit("bad", what, NULL), ERR_USAGE, "more than one line");
    repo_checkpoint_file gone = {.path = "x.safetensors", .from_path = "/nonexistent/x"};
    what = plain;
    what.files = &gone;
    what.file_count = 1;
    check_fails(commit("bad", what, NULL), ERR_NOT_FOUND, "/nonexistent/x");
    git_box_do("cd bad && ln -s /tmp adapters");
    check_fails(commit("bad", plain, NULL), ERR_CONFLICT, "adapters");
    check_text(git_box_said("git -C bad rev-list --count main; git -C bad status --porcelain"),
               "1\n?? adapters");
}

TEST(a_file_that_is_removed_is_gone_from_commit_worktree_and_index)
{
    given("gone");
    git_box_do("cd gone && mkdir sub && echo c >sub/c && git add sub && git commit -qm more && echo x >other "
               "&& git add other");
    const repo_checkpoint_file gone[] = {{.path = "sub/c", .remove = true},
                                         {.path = "never", .remove = true},
                                         {.path = "new", .content = VIEW("n")}};
    repo_checkpoint what = {.branch = "main", .files = gone, .file_count = COUNT_OF(gone), .subject = "Away"};
    repo_checkpoint_done done;
    repo_handle *r = NULL;
    check_ok(repo_open(git_box(), place("gone"), &r));
    check_ok(repo_checkpoint_commit(r, &what, &done));
    check_text(git_box_said("git -C gone ls-tree -r --name-only HEAD | tr '\\n' ' '"),
               ".gitattributes b config.json new ");
    check_text(git_box_said("git -C gone status --porcelain"), "A  other"); /* what is staged stays so */
    check_text(
        git_box_said(
            "ls -d gone/sub 2>/dev/null; git -C gone ls-tree HEAD sub; git -C gone fsck --strict 2>&1"),
        "");
    check_ok(repo_checkpoint_commit(r, &what, &done)); /* the same again is no commit */
    check_text(git_box_said("git -C gone rev-list --count HEAD"), "3");
    /* An index that was left behind loses the entry, too. */
    git_box_do("cd gone && git rev-parse HEAD~1 >../before && git read-tree HEAD~1 && printf 'checkpoint "
               "1\\n%%s\\n%%s\\nsub/c\\nnew\\n' "
               "\"$PWD\" \"$(cat ../before)\" >.git/hyprstream/checkpoint");
    repo_gate *gate = NULL;
    check_ok(repo_gate_enter(r, "test", &gate));
    repo_gate_leave(gate);
    check_text(git_box_said("git -C gone status --porcelain --untracked-files=no"), "");
    repo_close(r);
}

TEST(an_author_of_its_own_gives_stable_ids)
{
    repo_checkpoint_done first = {0}, second = {0};
    repo_checkpoint what = plain;
    what.author = what.committer = "hyprstream <demo@hyprstream.invalid>";
    what.time = 1700000000;
    what.tag = "v1";
    git_box_do(
        "git init -q -b main one && git init -q -b main two && git -C two config commit.gpgsign true && "
        "git -C two config gpg.program false");
    check_ok(commit("one", what, &first));
    check_ok(commit("two", what, &second));
    check_text(first.commit.hex, second.commit.hex);
    check_text(git_box_said("git -C one rev-parse v1"), git_box_said("git -C two rev-parse v1"));
    what.author = "nobody";
    what.branch = "other";
    what.start = "main";
    what.file_count = 1;
    check_fails(commit("one", what, NULL), ERR_USAGE, "is no identity");
}

/* ---- kill -9 ---- */

static void train(const char *name)
{
    for (int step = 0;; step++) {
        char weights[64];
        repo_checkpoint_file own[3];
        memcpy(own, files, sizeof own);
        snprintf(weights, sizeof weights, "weights %d of %ld", step, (long)getpid());
        own[0].content = bytes_view_of(weights);
        own[2].content = bytes_view_of(weights);
        repo_checkpoint what = plain;
        what.files = own;
        (void)commit(name, what, NULL);
    }
}

/* What the index says of the three files is what the commit says. */
static void index_is_whole(const char *name)
{
    repo_handle *r = NULL;
    repo_gate *gate = NULL;
    check_ok(repo_open(git_box(), place(name), &r));
    check_ok(repo_gate_enter(r, "look", &gate));
    repo_gate_leave(gate);
    repo_close(r);
    check_text(git_box_said("git -C %s diff --cached --name-status", name), "A\tstaged");
    check_text(git_box_said("ls %s/.git/hyprstream", name), "lock");
}

TEST(a_kill_at_any_moment_leaves_commit_and_index_whole)
{
    enum { KILLS = 25, LONGEST_US = 80000 };
    given("killed");
    git_box_do("cd killed && echo s >staged && git add staged");
    for (int i = 0; i < KILLS; i++) {
        pid_t child = fork();
        if (child == 0) {
            train("killed");
            _exit(0);
        }
        struct timespec wait = {0, (long)i * LONGEST_US * 1000 / KILLS + 2000000};
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        git_box_do("rm -f killed/.git/index.lock killed/.git/refs/heads/main.lock killed/.git/HEAD.lock");
        index_is_whole("killed");
    }
    judge("killed");
    check_ok(commit("killed", plain, NULL));
    check_text(git_box_said("git -C killed log --format= --name-only main -- adapters | sort -u"),
               "adapters/01_a.config.json\nadapters/01_a.safetensors\nadapters/01_a.train.json");
    check_text(git_box_said("git -C killed log --format=%%s main | sort -u"), "Train 01_a: step 1200\nfirst");
}

/* The one moment that matters, on purpose: the branch has moved, the index has not. */
TEST(the_journal_mends_an_index_that_was_left_behind)
{
    given("left");
    git_box_do("cd left && echo s >staged && git add staged && cp .git/index ../old-index && git rev-parse "
               "HEAD >../before");
    check_ok(commit("left", plain, NULL));
    git_box_do(
        "cp old-index left/.git/index && "
        "printf 'checkpoint 1\\n%%s\\n%%s\\nadapters/01_a.safetensors\\nadapters/01_a.config.json\\n"
        "adapters/01_a.train.json\\n' \"$PWD/left\" \"$(cat before)\" >left/.git/hyprstream/checkpoint && "
        "test $(git -C left diff --cached --name-only | wc -l) = 4");
    index_is_whole("left");
    if (has_lfs()) check_text(git_box_said("git -C left status --porcelain"), "A  staged");
    git_box_do("printf 'garbage' >left/.git/hyprstream/checkpoint");
    index_is_whole("left");
}

TESTS(RUN(exactly_these_files_are_committed_where_the_branch_is_checked_out),
      RUN(a_branch_that_is_not_checked_out_gets_no_working_file),
      RUN(another_worktree_that_is_on_the_branch_gets_the_files_and_its_index),
      RUN(the_first_commit_of_an_empty_repository_can_be_one),
      RUN(weights_that_gitattributes_does_not_cover_get_their_line_first),
      RUN(the_same_again_is_no_commit_and_tags_never_move),
      RUN(what_cannot_be_committed_is_named_and_changes_nothing),
      RUN(a_file_that_is_removed_is_gone_from_commit_worktree_and_index),
      RUN(an_author_of_its_own_gives_stable_ids), RUN(a_kill_at_any_moment_leaves_commit_and_index_whole),
      RUN(the_journal_mends_an_index_that_was_left_behind))
