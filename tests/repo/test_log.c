/* The log, beside what `git log` says. */
#include "repo/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/handle_internal.h"
#include "tests/support/git_box.h"

static repo_handle *opened(const char *name)
{
    char path[512];
    repo_handle *r = NULL;
    snprintf(path, sizeof path, "%s/%s", check_folder(), name);
    check_ok(repo_open(git_box(), path, &r));
    return r;
}

/* Lines of a log: "id parents|author|time|subject|refs". */
static const char *lines(const repo_log *log)
{
    static bytes text;
    bytes_clear(&text);
    for (size_t i = 0; i < log->count; i++) {
        const repo_log_row *row = &log->rows[i];
        bytes_printf(&text, "%s%s", i ? "\n" : "", row->commit.hex);
        for (size_t p = 0; p < row->parents.count; p++) bytes_printf(&text, " %s", row->parents.names[p]);
        bytes_printf(&text, "|%s|%s|%lld|%s", row->author, row->email, (long long)row->time, row->subject);
    }
    return bytes_text(&text);
}

static void compare(const char *name, repo_log_options options, const char *git_arguments)
{
    repo_log log = {0};
    repo_handle *r = opened(name);
    check_ok(repo_log_read(r, &options, &log));
    check_text(lines(&log),
               git_box_said("git -C %s log --date-order --format='%%H%%x20%%P|%%an|%%ae|%%at|%%s' %s | "
                            "sed 's/ |/|/'",
                            name, git_arguments));
    repo_log_free(&log);
    repo_close(r);
}

/* A history with merges, a file on two sides, a change that was taken back, an executable, a folder. */
static void given(const char *name)
{
    git_box();
    git_box_do(
        "git init -q -b main %s && cd %s && n=1000000000 && "
        "c() { n=$((n+60)); GIT_AUTHOR_DATE=\"@$n +0000\" GIT_COMMITTER_DATE=\"@$n +0000\" git commit -q "
        "\"$@\"; } && "
        "mkdir d && echo 1 >a && echo 1 >d/x && git add . && c -m 'first' && "
        "git checkout -qb side && echo 2 >a && c -am 'side changes a' && echo 1 >a && c -am 'side takes it "
        "back' && "
        "git checkout -q main && echo 2 >d/x && c -am 'main changes d' && git tag v1 && "
        "git merge -q --no-commit --no-ff side && c -m 'merge side' && "
        "git checkout -qb other v1 && echo 3 >a && c -am 'other changes a' && git tag -a -m annotated v2 && "
        "git checkout -q main && echo 4 >a && c -am 'main changes a' && "
        "(git merge -q other || true) >/dev/null && echo 5 >a && git add a && c -m 'merge other' && chmod +x "
        "a && "
        "c -am 'executable' && git rm -q d/x && c -m 'd is gone' && git branch later other",
        name, name);
}

TEST(it_is_what_git_log_says)
{
    given("plain");
    compare("plain", (repo_log_options){0}, "");
    compare("plain", (repo_log_options){.count_max = 3}, "-n3");
    compare("plain", (repo_log_options){.all = true}, "--all");
    repo_ref v2 = {0};
    snprintf(v2.commit.hex, sizeof v2.commit.hex, "%s", git_box_said("git -C plain rev-parse v2^{}"));
    compare("plain", (repo_log_options){.from = &v2}, "v2");
}

TEST(a_path_shows_what_changed_it)
{
    static const char *const paths[] = {"a", "d", "d/x", "none"};
    char arguments[64];
    given("paths");
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        snprintf(arguments, sizeof arguments, "-- %s", paths[i]);
        compare("paths", (repo_log_options){.path = paths[i]}, arguments);
    }
    compare("paths", (repo_log_options){.path = "./d/"}, "-- d");
    compare("paths", (repo_log_options){.path = ".", .all = true}, "--all");
}

TEST(trailers_are_gits_own)
{
    static const char *const messages[] = {
        "s\n\nbody\n\nSeed: 7\nTrain-Loss: 0.8740\nEmpty:\n",
        "s\n\nSigned-off-by: A <a@b>\nSigned-off-by: C <c@d>\n",
        "s\n\nLong: one\n  two\n\tthree\nNext: x\n",
        "s\n\nno trailers here: really\nsecond line\n",
        "s\n\nbody\n\nnot a trailer line\nSeed: 7\n",
        "s\n\nbody\n\nSigned-off-by: A <a@b>\nplain words\n",
        "s\n\nSeed : 7\nX-y:z\n",
        "Seed: 7\n",
        "s\n\nbody\n\nSeed: 7\n\nOther: 8\n",
        "s\n\n(cherry picked from commit 1234567890123456789012345678901234567890)\nSeed: 7\n",
        "s\n\nBad key: 7\nSeed: 8\n",
        "s\n\nhttp://x: y\nSeed: 8\n",
    };
    git_box_do("git init -q -b main trailers");
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        char path[512];
        repo_log log = {0};
        bytes ours = {0};
        snprintf(path, sizeof path, "%s/message", check_folder());
        check_write(path, messages[i], strlen(messages[i]));
        git_box_do("git -C trailers commit -q --allow-empty --cleanup=verbatim -F ../message");
        repo_handle *r = opened("trailers");
        check_ok(repo_log_read(r, &(repo_log_options){.count_max = 1}, &log));
        for (size_t t = 0; t < log.rows[0].trailer_count; t++)
            bytes_printf(&ours, "%s%s: %s", t ? "\n" : "", log.rows[0].trailers[t].key,
                         log.rows[0].trailers[t].value);
        check_text(bytes_text(&ours), git_box_said("git interpret-trailers --parse <message"));
        repo_log_free(&log);
        bytes_free(&ours);
        repo_close(r);
    }
}

TEST(refs_stand_at_their_commits)
{
    repo_log log = {0};
    bytes ours = {0};
    given("refs");
    git_box_do("git clone -q refs cloned && git -C cloned branch zz && git -C cloned checkout -q -b aa");
    repo_handle *r = opened("cloned");
    check_ok(repo_log_read(r, &(repo_log_options){.all = true}, &log));
    for (size_t i = 0; i < log.count; i++)
        for (size_t k = 0; k < log.rows[i].ref_count; k++)
            bytes_printf(&ours, "%s%s%s ", log.rows[i].refs[k].current ? "*" : "",
                         log.rows[i].refs[k].kind == REPO_REF_TAG ? "tag:" : "", log.rows[i].refs[k].name);
    check_text(bytes_text(&ours),
               "*aa main zz origin/main tag:v2 origin/later origin/other tag:v1 origin/side ");
    repo_log_free(&log);
    bytes_free(&ours);
    repo_close(r);
}

TEST(the_edge_of_a_shallow_history_is_its_end)
{
    repo_log log = {0};
    given("deep");
    git_box_do("git clone -q --depth 2 file://$PWD/deep shallow");
    compare("shallow", (repo_log_options){0}, "");
    compare("shallow", (repo_log_options){.path = "a"}, "-- a");
    repo_handle *r = opened("shallow");
    check_ok(repo_log_read(r, &(repo_log_options){0}, &log));
    check_true(log.shallow && !log.more);
    repo_log_free(&log);
    check_ok(repo_log_read(r, &(repo_log_options){.count_max = 1}, &log));
    check_true(log.more);
    repo_log_free(&log);
    repo_close(r);
}

static bool no(void *context, const repo_progress *progress)
{
    (void)context, (void)progress;
    return false;
}

TEST(no_commit_is_said_and_a_cancel_is_heard)
{
    repo_log log = {0};
    git_box_do("git init -q -b main unborn");
    repo_handle *r = opened("unborn");
    check_fails(repo_log_read(r, &(repo_log_options){0}, &log), ERR_NOTHING, "no commit yet");
    repo_close(r);
    given("cancel");
    repo_context context = *git_box();
    char path[512];
    context.watch.tell = no;
    snprintf(path, sizeof path, "%s/cancel", check_folder());
    check_ok(repo_open(&context, path, &r));
    check_fails(repo_log_read(r, &(repo_log_options){0}, &log), ERR_CANCELLED, "cancelled");
    repo_close(r);
}

TESTS(RUN(it_is_what_git_log_says), RUN(a_path_shows_what_changed_it), RUN(trailers_are_gits_own),
      RUN(refs_stand_at_their_commits), RUN(the_edge_of_a_shallow_history_is_its_end),
      RUN(no_commit_is_said_and_a_cancel_is_heard))
