/* The network child: verbs against real servers, silent and lying ones; cancelled, killed, asked by. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "repo/net/askpass.h"
#include "repo/net/network_internal.h"
#include "tests/support/git_box.h"

static char *box(const char *name)
{
    static char paths[4][512];
    static size_t next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", check_folder(), name);
    return path;
}

/* far: three commits, a branch, a tag. near: a clone of it by git; then far goes on. */
static void given_a_remote(const char *far, const char *near)
{
    git_box();
    git_box_do("rm -rf %s %s && git init -q %s && cd %s && echo 1 > a && git add a && git commit -qm one && "
               "git tag v1 && git branch side && cd .. && git clone -q %s %s && cd %s && echo 2 > a && "
               "git commit -qam two && git tag -a v2 -m two",
               far, near, far, far, far, near, far);
}

static repo_handle *opened(const char *name)
{
    repo_handle *r = NULL;
    check_ok(repo_open(git_box(), box(name), &r));
    return r;
}

static void check_sound(const char *name)
{
    check_text(git_box_said("cd %s && git fsck --full --no-dangling && git status --porcelain", name), "");
    check_text(git_box_said("find %s -name '*.lock' -o -path '*hyprstream/lock' -size +0", name), "");
}

/* One call that fails; its report is of no interest. */
static err fetched(repo_handle *r, const repo_fetch_options *options)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    return repo_fetch(r, options, &report);
}

/* ---- frames ---- */

TEST(frames_come_whole_however_they_are_cut)
{
    CLEANUP(bytes_free) bytes wire = {0}, payload = {0}, got = {0};
    frame_reader reader = {0};
    frame_kind kind;
    bool found = false;

    field_add(&payload, "path", "a b");
    field_add_number(&payload, "size", 12345678901234567u);
    check_ok(frame_write(FRAME_REQUEST, bytes_borrow(&payload), &wire));
    check_ok(frame_write(FRAME_CANCEL, (bytes_view){0}, &wire));
    for (size_t i = 0; i < wire.size; i++) {
        frame_feed(&reader, (bytes_view){wire.data + i, 1});
        check_ok(frame_take(&reader, &kind, &got, &found));
        if (i + 1 == payload.size + 5) {
            check_true(found);
            check_int(kind, FRAME_REQUEST);
            check_text(field_text(bytes_borrow(&got), "path"), "a b");
            check_true(field_number(bytes_borrow(&got), "size") == 12345678901234567u);
            check_true(!field_text(bytes_borrow(&got), "a b"));
        }
    }
    check_true(found && kind == FRAME_CANCEL && got.size == 0);
    frame_reader_free(&reader);
}

TEST(what_is_no_frame_is_refused)
{
    CLEANUP(bytes_free) bytes got = {0}, wire = {0};
    frame_reader reader = {0};
    frame_kind kind;
    bool found = false;

    frame_feed(&reader, (bytes_view){"\1\0\0\0\77", 5});
    check_fails(frame_take(&reader, &kind, &got, &found), ERR_FORMAT, "unknown kind 63");
    frame_reader_free(&reader);
    reader = (frame_reader){0};
    frame_feed(&reader, (bytes_view){"\1\0\1\0\3", 5}); /* an answer of 64 KiB */
    check_ok(frame_take(&reader, &kind, &got, &found));
    frame_reader_free(&reader);
    reader = (frame_reader){0};
    frame_feed(&reader, (bytes_view){"\2\0\1\0\3", 5}); /* and one byte more */
    check_fails(frame_take(&reader, &kind, &got, &found), ERR_LIMIT, "65538");
    frame_reader_free(&reader);
    check_fails(fields_check(VIEW("key\0value")), ERR_FORMAT, "breaks off at byte 0");
    check_fails(fields_check(VIEW("key\0value\0key\0")), ERR_FORMAT, "breaks off at byte 10");
    check_ok(fields_check(VIEW("key\0value\0")));
}

TEST(a_report_survives_the_way)
{
    CLEANUP(bytes_free) bytes wire = {0};
    CLEANUP(repo_network_report_free) repo_network_report out = {0}, back = {0};
    const char *oid = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    CLEANUP(bytes_free) bytes bad = {0};

    out.branch = strdup("main");
    out.bytes = 5000000000u;
    out.up_to_date = true;
    snprintf(out.after.hex, sizeof out.after.hex, "0123456789abcdef0123456789abcdef01234567");
    repo_report_line(&out, "%s", "main \x1b[31mnew https://u:p@host/x");
    repo_report_write(&out, &wire);
    bytes_printf(&bad, "%s 77 10  a file\xff", oid);
    field_add(&wire, "missing", bytes_text(&bad));
    check_ok(repo_report_read(bytes_borrow(&wire), &back));
    check_text(back.branch, "main");
    check_true(!back.name && back.bytes == 5000000000u && back.up_to_date && !*back.before.hex);
    check_text(back.after.hex, out.after.hex);
    check_text(back.lines.names[0], "main [31mnew https://host/x");
    check_int(back.missing.count, 1);
    check_text(back.missing.rows[0].path, " a file\xff");
    check_int(back.missing.rows[0].pointer.size, 77);
    check_true(back.missing.rows[0].pointer.canonical && !back.missing.rows[0].pointer.has_extensions);
    field_add(&wire, "missing", "xyz");
    repo_network_report_free(&back);
    check_fails(repo_report_read(bytes_borrow(&wire), &back), ERR_FORMAT, "names no missing file");
}

/* ---- fetch ---- */

TEST(a_fetch_brings_what_is_new_and_says_so)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};

    given_a_remote("far", "near");
    git_box_do("cd far && git checkout -q -b new && git checkout -q main");
    repo_handle *r = opened("near");
    check_ok(repo_fetch(r, &(repo_fetch_options){0}, &report));
    check_int(report.refs_changed, 3);
    check_int(report.lines.count, 3);
    check_text(report.lines.names[1], "new new branch");
    check_text(report.lines.names[2], "v2 new tag");
    check_text(report.branch, "main");
    check_text(report.after.hex, git_box_said("cd far && git rev-parse main"));
    check_text(report.before.hex, git_box_said("cd near && git rev-parse main"));
    check_true(!report.up_to_date && report.objects > 0);
    check_text(git_box_said("cd near && git rev-parse origin/main"), report.after.hex);
    check_sound("near");

    repo_network_report_free(&report);
    check_ok(repo_fetch(r, &(repo_fetch_options){0}, &report));
    check_true(report.up_to_date && report.lines.count == 0);
    repo_close(r);
}

TEST(one_ref_is_fetched_alone)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};

    given_a_remote("far", "near");
    git_box_do("cd far && git branch -f side main");
    repo_handle *r = opened("near");
    check_ok(repo_fetch(r, &(repo_fetch_options){.remote = "origin", .ref = "side"}, &report));
    check_text(git_box_said("cd near && git rev-parse origin/side"),
               git_box_said("cd far && git rev-parse side"));
    check_true(strcmp(git_box_said("cd near && git rev-parse origin/main"),
                      git_box_said("cd far && git rev-parse main")) != 0);
    repo_network_report_free(&report);
    check_fails(fetched(r, &(repo_fetch_options){.ref = "sied"}), ERR_NOT_FOUND,
                "origin has no branch or tag 'sied'; did you mean side?");
    check_fails(fetched(r, &(repo_fetch_options){.remote = "upstream"}), ERR_NOT_FOUND,
                "there is no remote 'upstream' (there are: origin)");
    check_fails(fetched(r, &(repo_fetch_options){.remote = "https://me:pw@host/x"}), ERR_NOT_FOUND,
                "there is no remote 'https://host/x'");
    repo_close(r);
}

TEST(branches_that_are_gone_are_dropped_when_asked)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};

    given_a_remote("far", "near");
    git_box_do("cd far && git branch -D side -q");
    repo_handle *r = opened("near");
    check_ok(repo_fetch(r, &(repo_fetch_options){0}, &report));
    check_text(git_box_said("cd near && git rev-parse --verify -q origin/side | wc -l"), "1");
    repo_network_report_free(&report);
    check_ok(repo_fetch(r, &(repo_fetch_options){.prune = true}, &report));
    check_text(git_box_said("cd near && git rev-parse --verify -q origin/side | wc -l"), "0");
    check_text(report.lines.names[0], "side deleted");
    repo_close(r);
}

TEST(a_shallow_clone_is_deepened_and_made_whole)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};

    given_a_remote("far", "near");
    git_box_do(
        "cd far && for i in 3 4 5; do git commit -q --allow-empty -m $i; done && cd .. && rm -rf short && "
        "git clone -q --depth 1 file://$PWD/far short && git -C short remote set-url origin $PWD/far");
    repo_handle *r = opened("short");
    check_ok(repo_fetch(r, &(repo_fetch_options){.depth = 2}, &report));
    check_text(git_box_said("cd short && git rev-list --count origin/main"), "2");
    repo_network_report_free(&report);
    check_ok(repo_fetch(r, &(repo_fetch_options){.unshallow = true}, &report));
    check_text(
        git_box_said("cd short && git rev-list --count origin/main; test -e .git/shallow || echo whole"),
        "5\nwhole");
    repo_network_report_free(&report);
    check_fails(fetched(r, &(repo_fetch_options){.unshallow = true}), ERR_NOTHING, "nothing to unshallow");
    check_fails(fetched(r, &(repo_fetch_options){.depth = -1}), ERR_USAGE, "-1");
    repo_close(r);
    check_sound("short");
}

/* libgit2 1.5 leaks a list of 16 bytes when a walk meets a commit that is not there. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

/* A repository whose branch names a commit without its tree, or without its parent, arrives by a helper that
 * copies it. */
TEST(refs_without_what_belongs_to_them_are_put_back)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    CLEANUP(repo_ref_rows_free) repo_ref_rows before = {0};
    repo_net n = {.context = git_box()};

    given_a_remote("far", "near");
    repo_handle *r = opened("near");
    check_ok(repo_ref_rows_read(r->git, "origin", &before));
    git_box_do(
        "cd near && tree=$(git rev-parse main^{tree}) && "
        "gone=$(echo x | git hash-object --stdin) && "
        "lying=$(printf '100644 blob %%s\\tx\\n' $gone | git mktree --missing) && "
        "git update-ref refs/remotes/origin/main $(git commit-tree -m lie -p main $lying) && "
        "orphan=$(printf 'tree %%s\\nparent 1111111111111111111111111111111111111111\\n"
        "author A <a@b> 1 +0000\\ncommitter A <a@b> 1 +0000\\n\\nm\\n' $tree | "
        "git hash-object -t commit -w --stdin) && git update-ref refs/remotes/origin/orphan $orphan && "
        "echo $(git rev-parse main^{tree}) > .git/refs/remotes/origin/tree && "
        "git update-ref refs/remotes/origin/good $(git commit-tree -m fine -p main $tree)");
    if (__lsan_disable) __lsan_disable();
    check_fails(repo_arrivals_accept(&n, r, "origin", &before, &report), ERR_FORMAT,
                "origin sent the branch 'main' without all that belongs to it");
    if (__lsan_enable) __lsan_enable();
    check_int(report.refs_changed, 1);
    check_text(report.lines.names[0], "good new branch");
    check_true(check_text_holds(report.lines.names[1], "main refused: the content of x is missing"));
    check_text(git_box_said("cd near && git for-each-ref --format='%%(refname)' refs/remotes"),
               "refs/remotes/origin/HEAD\nrefs/remotes/origin/good\nrefs/remotes/origin/main\nrefs/remotes/"
               "origin/side");
    check_text(git_box_said("cd near && git rev-parse origin/main"),
               git_box_said("cd near && git rev-parse main"));
    repo_close(r);
}

/* ---- bad servers ---- */

/* Listens and says nothing, or drops at once. The port is on its standard output. */
static const char *given_a_server(const char *how)
{
    static char port[8];
    git_box();
    git_box_do("cat > server.py <<'END'\n"
               "import socket, sys, time\n"
               "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(8)\n"
               "open('port', 'w').write(str(s.getsockname()[1]))\n"
               "kept = []\n"
               "end = time.time() + 60\n"
               "s.settimeout(1)\n"
               "while time.time() < end:\n"
               "    try: c = s.accept()[0]\n"
               "    except OSError: continue\n"
               "    if sys.argv[1] == 'drops': c.recv(100); c.close()\n"
               "    else: kept.append(c)\n"
               "END\n"
               "rm -f port; python3 server.py %s >/dev/null 2>&1 & echo $! > server.pid; "
               "for i in $(seq 600); do test -s port && break; sleep 0.05; done; test -s port",
               how);
    snprintf(port, sizeof port, "%s", git_box_said("cat port"));
    return port;
}

static void server_end(void) { git_box_do("kill $(cat server.pid)"); }

static bool cancel_at_once(void *context, const repo_progress *p)
{
    (void)p;
    return clock_seconds() < *(double *)context;
}

TEST(a_silent_server_is_given_up_and_a_cancel_is_obeyed)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    repo_context c = *git_box();
    settings *changed = NULL;
    repo_handle *r = NULL;

    given_a_remote("far", "near");
    const char *port = given_a_server("silent");
    git_box_do("git -C near remote set-url origin git://127.0.0.1:%s/x", port);
    check_ok(settings_open(settings_borrow_folders(c.settings), c.environment, &changed));
    check_ok(settings_override(changed, "network.timeout", "1"));
    c.settings = changed;
    check_ok(repo_open(&c, box("near"), &r));
    double began = clock_seconds();
    check_fails(fetched(r, &(repo_fetch_options){0}), ERR_IO, "silent for 1 s");
    check_true(clock_seconds() - began < 8);
    repo_network_report_free(&report);
    repo_close(r);

    check_ok(settings_override(changed, "network.timeout", "50"));
    double until = clock_seconds() + 0.3;
    c.watch = (repo_watch){cancel_at_once, &until};
    check_ok(repo_open(&c, box("near"), &r));
    check_fails(fetched(r, &(repo_fetch_options){0}), ERR_CANCELLED, "cancelled");
    check_true(clock_seconds() < until + 5);
    repo_close(r);
    settings_free(changed);
    server_end();
    check_sound("near");
}

TEST(a_folder_that_takes_its_time_is_no_silent_server)
{
    repo_context c = *git_box();
    settings *changed = NULL;
    repo_handle *r = NULL;

    given_a_remote("slow-far", "slow-near");
    git_box_do(
        "cd $(git -C slow-far rev-parse --absolute-git-dir) && rm -f packed-refs && mkfifo packed-refs");
    check_ok(settings_open(settings_borrow_folders(c.settings), c.environment, &changed));
    check_ok(settings_override(changed, "network.timeout", "1"));
    c.settings = changed;
    double until = clock_seconds() + 2.5;
    c.watch = (repo_watch){cancel_at_once, &until};
    check_ok(repo_open(&c, box("slow-near"), &r));
    check_fails(fetched(r, &(repo_fetch_options){0}), ERR_CANCELLED, "cancelled");
    repo_close(r);
    settings_free(changed);
}

TEST(a_dropping_server_is_named)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};

    given_a_remote("far", "near");
    const char *port = given_a_server("drops");
    git_box_do("git -C near remote set-url origin http://me:s3cret@127.0.0.1:%s/x", port);
    repo_handle *r = opened("near");
    err e = repo_fetch(r, &(repo_fetch_options){0}, &report);
    check_int(e.code, ERR_IO);
    check_true(!check_text_holds(e.text, "s3cret"));
    repo_close(r);
    server_end();
    check_sound("near");
}

/* Killed from outside in the middle: its last word is its signal, and the gate is free again. */
static bool kill_child(void *context, const repo_progress *p)
{
    (void)context, (void)p;
    CLEANUP(bytes_free) bytes children = {0};
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    if (file_read(path, 1000, &children).code) return true;
    long child = strtol(bytes_text(&children), NULL, 10);
    if (child > 1) kill((pid_t)child, SIGKILL);
    return true;
}

TEST(a_killed_child_is_told_and_leaves_nothing_locked)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    repo_context c = *git_box();
    repo_handle *r = NULL;

    given_a_remote("far", "near");
    const char *port = given_a_server("silent");
    git_box_do("git -C near remote set-url origin git://127.0.0.1:%s/x", port);
    c.watch = (repo_watch){kill_child, NULL};
    check_ok(repo_open(&c, box("near"), &r));
    check_fails(fetched(r, &(repo_fetch_options){0}), ERR_IO, "was killed (signal 9)");
    repo_close(r);
    server_end();
    check_sound("near");
    check_text(git_box_said("ps -o args= --ppid %d | grep -c '[_]_git-net'", (int)getpid()), "0");
}

/* When the first objects are there. */
static bool kill_receiving(void *context, const repo_progress *p)
{
    static double since;
    if (p->phase < REPO_RECEIVING) return true;
    if (since == 0) since = clock_seconds();
    return clock_seconds() < since + 0.1 || kill_child(context, p);
}

TEST(half_packs_of_a_killed_child_are_removed)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    repo_context c = *git_box();
    repo_handle *r = NULL;

    given_a_remote("far", "near");
    git_box_do("cd far && head -c 20000000 /dev/urandom > b && git add b && git commit -qm b && "
               "git -C ../near remote set-url origin file://$PWD");
    c.watch = (repo_watch){kill_receiving, NULL};
    check_ok(repo_open(&c, box("near"), &r));
    err e = repo_fetch(r, &(repo_fetch_options){0}, &report);
    repo_close(r);
    if (!e.code) skip(); /* this machine was too quick */
    check_fails(e, ERR_IO, "was killed (signal 9)");
    check_text(git_box_said("ls near/.git/objects/pack | grep -v ^pack-"), "");
    check_sound("near");
}

/* A clone would make its folder anew after the next start took it away. */
TEST(a_child_whose_parent_died_before_it_began_does_nothing)
{
    static const char *const argv[] = {"hyprstream", REPO_NETWORK_COMMAND, NULL};
    CLEANUP(bytes_free) bytes request = {0};
    process *child = NULL;
    int ends[2], status = -1;
    bool ended = false;

    given_a_remote("far", "near");
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    field_add(&request, "verb", "clone");
    field_add(&request, "folder", box("lost"));
    field_add(&request, "url", box("far"));
    check_true(frame_send(ends[0], FRAME_REQUEST, bytes_borrow(&request)));
    close(ends[0]);
    const process_options how = {.argv = argv,
                                 .program = "/proc/self/exe",
                                 .input = ends[1],
                                 .output = PROCESS_NULL,
                                 .error = PROCESS_NULL};
    check_ok(process_start(&how, &child));
    close(ends[1]);
    check_ok(process_wait(child, 30000, &ended, &status));
    check_true(ended && status != 0);
    process_free(child);
    check_text(git_box_said("ls -d lost 2>/dev/null"), "");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        RUN(frames_come_whole_however_they_are_cut),
        RUN(what_is_no_frame_is_refused),
        RUN(a_report_survives_the_way),
        RUN(a_fetch_brings_what_is_new_and_says_so),
        RUN(one_ref_is_fetched_alone),
        RUN(branches_that_are_gone_are_dropped_when_asked),
        RUN(a_shallow_clone_is_deepened_and_made_whole),
        RUN(refs_without_what_belongs_to_them_are_put_back),
        RUN(a_silent_server_is_given_up_and_a_cancel_is_obeyed),
        RUN(a_folder_that_takes_its_time_is_no_silent_server),
        RUN(a_dropping_server_is_named),
        RUN(a_killed_child_is_told_and_leaves_nothing_locked),
        RUN(half_packs_of_a_killed_child_are_removed),
        RUN(a_child_whose_parent_died_before_it_began_does_nothing),
    };
    /* git asks through this very program, and the child is it again. */
    if (repo_askpass_is(argc, argv)) return repo_askpass_main(argc, argv);
    if (repo_network_is(argc, argv)) return repo_network_child(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
