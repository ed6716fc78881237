#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/status.h"
#include "repo/worktree/layers.h"
#include "repo/worktree/overlay.h"
#include "repo/worktree/worktree.h"
#include "tests/support/git_box.h"

/* A models folder whose name holds signs that mount options give a meaning to. */
#define MODELS "mo,de l\\s 1"

static const char *models(void)
{
    static char path[512];
    const repo_context *c = git_box();

    if (path[0]) return path;
    check_ok(repo_start(c));
    snprintf(path, sizeof path, "%s/%s", check_folder(), MODELS);
    git_box_do("git init -q '" MODELS "/m' && cd '" MODELS "/m' && "
               "echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' >.gitattributes && "
               "head -c 3000000 /dev/urandom >weights && "
               "oid=$(sha256sum weights | cut -c1-64) && "
               "dir=.git/lfs/objects/$(echo $oid | cut -c1-2)/$(echo $oid | cut -c3-4) && mkdir -p $dir && "
               "mv weights $dir/$oid && "
               "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%%s\\nsize 3000000\\n' $oid "
               ">model.safetensors && mkdir sub && echo one >sub/config.json && "
               "git -c filter.lfs.clean=cat -c filter.lfs.required=false add . && git commit -qm first");
    return path;
}

/* What `worktree add` does before and after the overlay. */
static repo_overlay made(const char *name, const overlay_backend *backend)
{
    char path[700], git_dir[700];
    repo_checkout_report report;
    repo_overlay o;
    repo_id tree;
    repo_handle *r;

    snprintf(path, sizeof path, "%s/m", models());
    git_box_do("cd '" MODELS "/m' && git worktree add -q --no-checkout --lock --reason '" OVERLAY_LOCK_REASON
               "' -b %s ../.worktrees/m/%s",
               name, name);
    check_ok(repo_open(git_box(), path, &r));
    snprintf(tree.hex, sizeof tree.hex, "%s", git_box_said("git -C '" MODELS "/m' rev-parse HEAD^{tree}"));
    snprintf(path, sizeof path, "%s/.worktrees/m/%s", models(), name);
    snprintf(git_dir, sizeof git_dir, "%s/m/.git/worktrees/%s", models(), name);
    const repo_overlay_order order = {models(), &tree, path, git_dir, backend};
    check_ok(repo_overlay_make(&order, r, &o, &report));
    repo_checkout_report_free(&report);
    repo_close(r);
    check_ok(repo_open(git_box(), path, &r));
    check_ok(repo_checkout_index(r, &tree));
    repo_close(r);
    return o;
}

static void gone(repo_overlay *o, const char *name)
{
    check_ok(repo_overlay_remove(o, git_box(), false));
    git_box_do("cd '" MODELS "/m' && git worktree unlock %s && git worktree prune && git branch -qD %s && "
               "rmdir ../.worktrees/m/%s",
               name, name, name);
    repo_overlay_free(o);
}

static const char *in(const char *name, const char *command)
{
    return git_box_said("cd '" MODELS "/.worktrees/m/%s' && %s", name, command);
}

static const char *mounts_of_ours(void)
{
    return git_box_said("grep -c '%s' /proc/self/mountinfo", check_folder());
}

/* Content, mode, size and date of all that layers hold. */
static char *layers_digest(void)
{
    return memory_text(git_box_said(
        "cd '" MODELS
        "/.layers' && find . -type f -exec sha256sum {} + -exec stat -c '%%n %%a %%s %%y' {} + | "
        "LC_ALL=C sort | sha256sum"));
}

/* ---- each backend through a whole life ---- */

static void starts_clean(const char *name)
{
    check_text(in(name, "git status --porcelain"), "");
    check_text(in(name, "ls -A"), ".git\n.gitattributes\nmodel.safetensors\nsub");
    check_text(in(name, "stat -c %s model.safetensors"), "3000000");
}

static void remounts_clean(repo_overlay *o, const char *name)
{
    check_ok(repo_overlay_unmount(o, false));
    check_true(!repo_overlay_is_mounted(o));
    check_text(in(name, "ls -A"), "");
    git_box_do("cd '" MODELS "/m' && git worktree prune && git worktree list | grep -q '/%s '", name);
    check_ok(repo_overlay_mount(o, git_box()));
    check_ok(repo_overlay_mount(o, git_box())); /* again is fine */
    check_text(in(name, "git status --porcelain"), "");
}

static void commits(const char *name)
{
    check_text(in(name, "echo more >more.txt && git add more.txt && git commit -qm inside && "
                        "git status --porcelain"),
               "");
    check_text(git_box_said("cd '" MODELS "/m' && git log -1 --format=%%s %s", name), "inside");
}

/* The whole file comes up, the layer's stays as it is. */
static void copies_up(const repo_overlay *o, const char *name)
{
    uint64_t before = repo_overlay_bytes_used(o), apparent = repo_overlay_bytes_apparent(o);

    check_true(before < 100000);
    check_text(in(name, "chmod u+w model.safetensors && printf x | dd of=model.safetensors bs=1 count=1 "
                        "conv=notrunc status=none && head -c1 model.safetensors"),
               "x");
    uint64_t after = repo_overlay_bytes_used(o);
    check_true(after >= before + 3000000 && after < before + 3200000);
    check_int(repo_overlay_bytes_apparent(o), apparent);
    check_true(check_text_holds(in(name, "git -c filter.lfs.clean=cat -c filter.lfs.process= -c "
                                         "filter.lfs.required=false status --porcelain"),
                                " M model.safetensors"));
}

static void refuses_while_in_use(repo_overlay *o)
{
    char wanted[64];
    int fd = open(o->path, O_RDONLY | O_CLOEXEC);

    snprintf(wanted, sizeof wanted, "in use by repo_test_overl (%ld)", (long)getpid());
    check_fails(repo_overlay_unmount(o, false), ERR_BUSY, wanted);
    check_true(repo_overlay_is_mounted(o));
    close(fd);
}

static void lives(const overlay_backend *backend)
{
    repo_overlay found;

    models();
    repo_overlay o = made(backend->name, backend);
    char *before = layers_digest();
    check_true(repo_overlay_is_mounted(&o));
    starts_clean(backend->name);
    remounts_clean(&o, backend->name);
    commits(backend->name);
    copies_up(&o, backend->name);
    refuses_while_in_use(&o);
    check_ok(repo_overlay_find(models(), o.path, &found));
    check_text(found.backend->name, backend->name);
    repo_overlay_free(&found);
    gone(&o, backend->name);
    check_text(mounts_of_ours(), "0");
    check_text(git_box_said("ls -A '" MODELS "/.overlay'"), "");
    char *after = layers_digest();
    check_text(after, before);
    check_text(git_box_said("cd '" MODELS "/m' && git fsck --strict --no-dangling"), "");
    free(before);
    free(after);
}

static const overlay_backend *backend_or_skip(const char *name)
{
    const overlay_backend *backend = overlay_backend_find(name);

    err e = overlay_backend_probe(backend, models());
    check_text(git_box_said("ls -A '" MODELS "' | grep probe"), "");
    if (!e.code) return backend;
    print_message("skipped: %s\n", e.text);
    skip();
    return NULL;
}

TEST(an_overlay_of_the_kernel_lives_and_leaves_nothing) { lives(backend_or_skip("kernel")); }

TEST(an_overlay_of_fuse_lives_and_leaves_nothing) { lives(backend_or_skip("fuse")); }

/* In a child, which enters the namespace; what it mounts is not seen here. */
TEST(an_overlay_of_a_user_namespace_lives_and_leaves_nothing)
{
    const overlay_backend *backend = backend_or_skip("userns");
    int status;

    pid_t child = fork();
    if (child == 0) {
        setenv("GIT2DB_OVERLAY_BACKEND", "userns", 1);
        err e = repo_worktree_enter_namespace(git_box());
        if (e.code) _exit((fprintf(stderr, "%s\n", e.text), 2));
        if (!overlay_in_own_namespace()) _exit(3);
        lives(backend);
        _exit(0);
    }
    check_int(waitpid(child, &status, 0), child);
    check_true(WIFEXITED(status));
    check_int(WEXITSTATUS(status), 0);
    check_text(mounts_of_ours(), "0");
}

/* The first backend that this machine allows. */
static const overlay_backend *any_backend(void)
{
    models();
    for (const overlay_backend *b = overlay_backends; b->name; b++)
        if (b->outlives_us && !overlay_backend_probe(b, models()).code) return b;
    print_message("skipped: neither kernel nor fuse can mount here\n");
    skip();
    return NULL;
}

TEST(a_new_layer_with_the_same_large_file_leaves_older_worktrees_clean)
{
    const overlay_backend *backend = any_backend();
    repo_overlay a = made("older", backend);
    repo_handle *r;
    repo_status status = {0};
    const repo_status_options options = {0};

    git_box_do("cd '" MODELS "/m' && git checkout -q -f -b side 2>/dev/null; echo side >side.txt && "
               "git add side.txt && git commit -qm side");
    repo_overlay b = made("newer", backend);
    check_true(strcmp(a.layer, b.layer) != 0);
    check_text(git_box_said("stat -c %%h '" MODELS "/.layers/'*/files/model.safetensors"), "3\n3");
    check_text(in("older", "git status --porcelain"), "");
    check_text(in("newer", "git status --porcelain"), "");
    check_ok(repo_open(git_box(), a.path, &r));
    check_ok(repo_status_read(r, &options, &status));
    check_int(status.count, 0);
    repo_status_free(&status);
    repo_close(r);
    gone(&b, "newer");
    gone(&a, "older");
    git_box_do("cd '" MODELS "/m' && git checkout -q -f main && git branch -qD side");
}

TEST(force_takes_a_mount_away_from_who_uses_it)
{
    repo_overlay o = made("forced", any_backend());
    int fd = open(o.path, O_RDONLY | O_CLOEXEC);

    check_fails(repo_overlay_remove(&o, git_box(), false), ERR_BUSY, "in use by");
    check_ok(repo_overlay_unmount(&o, true));
    check_true(!repo_overlay_is_mounted(&o));
    close(fd);
    gone(&o, "forced");
    check_text(mounts_of_ours(), "0");
}

TEST(files_written_into_an_unmounted_worktree_are_not_hidden)
{
    repo_overlay o = made("written", any_backend());

    check_ok(repo_overlay_unmount(&o, false));
    check_text(in("written", "echo mine >mine.txt"), "");
    check_fails(repo_overlay_mount(&o, git_box()), ERR_STATE, "mine.txt lies in it");
    check_text(in("written", "rm mine.txt"), "");
    check_ok(repo_overlay_mount(&o, git_box()));
    gone(&o, "written");
}

TEST(a_layer_that_was_deleted_is_made_again)
{
    repo_overlay o = made("again", any_backend());

    check_ok(repo_overlay_unmount(&o, false));
    git_box_do("rm -rf '%s'", o.lower);
    check_ok(repo_overlay_mount(&o, git_box()));
    check_text(in("again", "git diff --stat -- sub; stat -c %s model.safetensors"), "3000000");
    gone(&o, "again");
}

/* ---- healing ---- */

static void heal(void) { repo_overlay_heal(models(), git_box()); }

static repo_overlay reread(const repo_overlay *o)
{
    repo_overlay out;
    check_ok(repo_overlay_find(models(), o->path, &out));
    return out;
}

TEST(a_mount_of_an_earlier_start_of_the_machine_is_marked_as_gone)
{
    repo_overlay o = made("reboot", any_backend());

    /* As a reboot does: nobody of us unmounts. */
    check_ok(o.backend->unmount(o.path, false));
    git_box_do("sed -i 's/\"boot\":.*\"[0-9a-f-]*\"/\"boot\": \"0000\"/' '%s/overlay.json'", o.folder);
    repo_overlay before = reread(&o);
    check_text(before.boot, "0000");
    heal();
    repo_overlay after = reread(&o);
    check_text(after.boot, "");
    check_true(file_is_folder(o.git_dir));
    check_ok(repo_overlay_mount(&after, git_box()));
    check_text(in("reboot", "git status --porcelain"), "");
    heal();
    check_true(repo_overlay_is_mounted(&after));
    repo_overlay_free(&before);
    repo_overlay_free(&after);
    gone(&o, "reboot");
}

TEST(what_git_does_not_know_any_more_is_undone_unless_it_holds_changes)
{
    repo_overlay empty = made("empty", any_backend()), full = made("full", any_backend());

    check_text(in("full", "echo mine >mine.txt"), "");
    git_box_do("cd '" MODELS "/m/.git/worktrees' && rm -rf empty full");
    heal();
    check_true(!file_exists(empty.folder) && !file_exists(empty.path));
    check_true(file_exists(full.folder));
    check_text(git_box_said("cat '%s/mine.txt'", full.upper), "mine");
    check_ok(repo_overlay_remove(&full, git_box(), false));
    check_text(mounts_of_ours(), "0");
    git_box_do("rmdir '%s'; cd '" MODELS "/m' && git branch -qD empty full", full.path);
    repo_overlay_free(&empty);
    repo_overlay_free(&full);
}

TEST(half_made_and_stray_ones_are_undone)
{
    const overlay_backend *backend = any_backend();
    char path[700];

    git_box_do("cd '" MODELS "' && mkdir -p .overlay/young/upper .overlay/old/upper .overlay/old/work "
               ".overlay/mine/upper && echo x >.overlay/mine/upper/x && "
               "touch -d 2020-01-01 .overlay/old .overlay/mine && echo broken >.overlay/mine/junk && "
               "touch -d 2020-01-01 .overlay/mine");
    /* A mount that nobody wrote down. */
    git_box_do("cd '" MODELS "' && mkdir -p .worktrees/m/stray s/lower s/upper s/work");
    snprintf(path, sizeof path, "%s/.worktrees/m/stray", models());
    char *lower = file_join(models(), "s/lower"), *upper = file_join(models(), "s/upper"),
         *work = file_join(models(), "s/work");
    const overlay_paths paths = {lower, upper, work, path};
    check_ok(backend->mount(&paths));
    /* And what a probe had mounted when it was killed. */
    git_box_do("cd '" MODELS "' && mkdir -p .staging/probe-1-2/point s/upper2 s/work2");
    char *probe = file_join(models(), ".staging/probe-1-2/point"), *upper2 = file_join(models(), "s/upper2"),
         *work2 = file_join(models(), "s/work2");
    const overlay_paths probe_paths = {lower, upper2, work2, probe};
    if (strcmp(backend->name, "kernel") == 0) check_ok(backend->mount(&probe_paths));
    heal();
    check_true(!repo_mounts_is(probe));
    check_text(git_box_said("ls '" MODELS "/.staging'"), strcmp(backend->name, "kernel") ? "probe-1-2" : "");
    free(probe), free(upper2), free(work2);
    check_text(git_box_said("ls '" MODELS "/.overlay'"), "mine\nyoung");
    check_true(!repo_mounts_is(path));
    git_box_do("cd '" MODELS "' && rm -rf .overlay .worktrees/m/stray .staging s");
    free(lower), free(upper), free(work);
}

TEST(a_fuse_overlayfs_that_died_is_cleared_and_mounted_again)
{
    repo_overlay o = made("dead", backend_or_skip("fuse"));

    git_box_do("for p in /proc/[0-9]*; do [ \"$(cat $p/comm 2>/dev/null)\" = fuse-overlayfs ] && "
               "grep -qaF '%s' $p/cmdline && kill -9 ${p#/proc/}; done; sleep 0.05",
               o.path);
    check_true(repo_mounts_is(o.path) && !repo_overlay_is_mounted(&o));
    check_ok(repo_overlay_mount(&o, git_box()));
    check_text(in("dead", "git status --porcelain"), "");
    gone(&o, "dead");
    check_text(mounts_of_ours(), "0");
}

TEST(a_record_that_lies_unmounts_nothing_and_a_model_that_moved_is_followed)
{
    repo_overlay o = made("moved", any_backend());

    /* Not ours to unmount: the record names the root of the machine, and no git folder. */
    git_box_do("cd '" MODELS "' && mkdir -p .overlay/liar/upper && echo '{\"layer\":\"x\",\"path\":\"/proc\","
               "\"git_dir\":\"/nowhere\",\"backend\":\"kernel\",\"boot\":\"\"}' >.overlay/liar/overlay.json");
    heal();
    check_true(file_exists("/proc/self"));
    check_true(repo_overlay_is_mounted(&o));

    git_box_do("cd '" MODELS
               "' && mv m other && cd .worktrees/m/moved && sed -i 's|/m/.git/|/other/.git/|' .git");
    heal();
    repo_overlay after = reread(&o);
    check_true(check_text_holds(after.git_dir, "/other/.git/worktrees/moved"));
    check_true(repo_overlay_is_mounted(&after));
    repo_overlay_free(&after);
    git_box_do("cd '" MODELS "' && sed -i 's|/other/.git/|/m/.git/|' .worktrees/m/moved/.git && mv other m");
    gone(&o, "moved");
}

/* ---- namespaces ---- */

/* A child in its own namespace that mounts, says so, and waits to be let go. */
static pid_t holder(repo_overlay *o, int *say, int *go)
{
    int out[2], back[2];
    char byte;

    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe(back), 0);
    pid_t child = fork();
    if (child == 0) {
        setenv("GIT2DB_OVERLAY_BACKEND", "userns", 1);
        err e = repo_worktree_enter_namespace(git_box());
        if (!e.code) e = repo_overlay_mount(o, git_box());
        byte = e.code == ERR_BUSY ? 'b' : e.code ? 'x' : 'm';
        close(back[1]);
        if (e.code && e.code != ERR_BUSY) fprintf(stderr, "%s\n", e.text);
        if (write(out[1], &byte, 1) != 1 || read(back[0], &byte, 1) < 0) _exit(1);
        _exit(0);
    }
    close(out[1]), close(back[0]);
    *say = out[0], *go = back[1];
    return child;
}

static char said_by(int say)
{
    char byte = 0;
    assert_int_equal(read(say, &byte, 1), 1);
    return byte;
}

TEST(one_upper_is_not_mounted_in_two_namespaces)
{
    const overlay_backend *any = any_backend(), *userns = backend_or_skip("userns");
    repo_overlay o = made("twice", any);
    int say[3], go[3], status;
    pid_t ids[3];

    check_ok(repo_overlay_unmount(&o, false));
    o.backend = userns;
    check_fails(repo_overlay_mount(&o, git_box()), ERR_STATE, "GIT2DB_OVERLAY_BACKEND=userns");
    ids[0] = holder(&o, &say[0], &go[0]);
    check_int(said_by(say[0]), 'm');
    ids[1] = holder(&o, &say[1], &go[1]);
    check_int(said_by(say[1]), 'b');
    check_fails(repo_overlay_remove(&o, git_box(), true), ERR_BUSY, "in the namespace of process");
    for (int i = 0; i < 2; i++) close(go[i]), close(say[i]);
    for (int i = 0; i < 2; i++) {
        check_int(waitpid(ids[i], &status, 0), ids[i]);
        check_int(status, 0);
    }
    ids[2] = holder(&o, &say[2], &go[2]);
    check_int(said_by(say[2]), 'm');
    close(go[2]), close(say[2]);
    check_int(waitpid(ids[2], &status, 0), ids[2]);
    o.backend = any;
    gone(&o, "twice");
}

/* ---- parts ---- */

TEST(signs_in_paths_are_escaped_for_the_kernel)
{
    CLEANUP(bytes_free) bytes options = {0};
    char path[600], longer[5000] = "/";
    overlay_paths paths = {"/a:b", "/a,b/upper", "/a\\b/work", "/p"};

    check_ok(overlay_options(&paths, false, &options));
    check_text(bytes_text(&options), "lowerdir=/a\\:b,upperdir=/a\\,b/upper,workdir=/a\\\\b/work,index=off,"
                                     "metacopy=off,redirect_dir=off");
    check_ok(overlay_options(&paths, true, &options));
    check_true(check_text_holds(bytes_text(&options), ",userxattr") &&
               !check_text_holds(bytes_text(&options), "redirect_dir"));
    memset(longer + 1, 'x', sizeof longer - 2);
    paths.lower = longer;
    check_fails(overlay_options(&paths, false, &options), ERR_LIMIT, "too long");

    git_box();
    git_box_do("mkdir -p 'si:g,n\\s'");
    snprintf(path, sizeof path, "%s/si:g,n\\s", check_folder());
    for (const overlay_backend *b = overlay_backends; b->name; b++) {
        err there = overlay_backend_probe(b, check_folder()), signs = overlay_backend_probe(b, path);
        if (there.code) continue;
        if (strcmp(b->name, "fuse") == 0)
            check_true(signs.code == ERR_UNSUPPORTED && check_text_holds(signs.text, "':'"));
        else
            check_ok(signs);
    }
}

TESTS(RUN(signs_in_paths_are_escaped_for_the_kernel), RUN(an_overlay_of_the_kernel_lives_and_leaves_nothing),
      RUN(an_overlay_of_fuse_lives_and_leaves_nothing),
      RUN(an_overlay_of_a_user_namespace_lives_and_leaves_nothing),
      RUN(a_new_layer_with_the_same_large_file_leaves_older_worktrees_clean),
      RUN(force_takes_a_mount_away_from_who_uses_it),
      RUN(files_written_into_an_unmounted_worktree_are_not_hidden),
      RUN(a_layer_that_was_deleted_is_made_again),
      RUN(a_mount_of_an_earlier_start_of_the_machine_is_marked_as_gone),
      RUN(what_git_does_not_know_any_more_is_undone_unless_it_holds_changes),
      RUN(half_made_and_stray_ones_are_undone),
      RUN(a_record_that_lies_unmounts_nothing_and_a_model_that_moved_is_followed),
      RUN(a_fuse_overlayfs_that_died_is_cleared_and_mounted_again),
      RUN(one_upper_is_not_mounted_in_two_namespaces))
