#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/gate.h"
#include "repo/worktree/worktree_internal.h"
#include "tests/support/git_box.h"

/* One model, `m`: two commits on main, the second tagged v2, a branch `side`, 2 MB of weights under LFS. */
static repo_models *models(void)
{
    static repo_models *m;
    static char place[600];

    if (m) return m;
    const repo_context *c = git_box();
    check_ok(repo_start(c));
    snprintf(place, sizeof place, "%s/models", check_folder());
    setenv("HYPRSTREAM_MODELS_DIR", place, 1);
    check_ok(settings_override(c->settings ? (settings *)(uintptr_t)c->settings : NULL, "models.dir", place));
    git_box_do("git init -q models/m && cd models/m && "
               "echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' >.gitattributes && "
               "head -c 2000000 /dev/urandom >weights && oid=$(sha256sum weights | cut -c1-64) && "
               "dir=.git/lfs/objects/$(echo $oid | cut -c1-2)/$(echo $oid | cut -c3-4) && mkdir -p $dir && "
               "mv weights $dir/$oid && "
               "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%%s\\nsize 2000000\\n' $oid "
               ">model.safetensors && mkdir -p sub && echo one >sub/config.json && "
               "git -c filter.lfs.clean=cat -c filter.lfs.required=false add . && git commit -qm first && "
               "git branch side && echo two >sub/config.json && git commit -qam second && git tag v2");
    check_ok(repo_models_open(c, &m));
    return m;
}

static repo_handle *model(void)
{
    char path[700];
    repo_handle *r;
    snprintf(path, sizeof path, "%s/m", repo_models_borrow_folder(models()));
    check_ok(repo_open(git_box(), path, &r));
    return r;
}

static err added(const repo_worktree_options *options, repo_worktree_row *row)
{
    repo_handle *r = model();
    err e = repo_worktree_add(models(), r, options, row);
    repo_close(r);
    return e;
}

static err removed(const char *name, bool force)
{
    repo_handle *r = model();
    err e = repo_worktree_remove(models(), r, name, force);
    repo_close(r);
    return e;
}

static const char *in(const char *path, const char *command)
{
    return git_box_said("cd '%s' && %s", path, command);
}

/* Nothing of any worktree is left, in git, on the disk, or mounted. */
static void check_nothing_left(void)
{
    check_text(git_box_said(
                   "cd models && git -C m worktree list | wc -l; ls -A m/.git/worktrees .worktrees .overlay "
                   ".staging .trash 2>/dev/null | grep -v ':$' | grep -v '^$'; ls -A | grep probe; "
                   "grep -c \"$PWD/\" /proc/self/mountinfo; git -C m fsck --no-dangling"),
               "1\n0");
}

/* ---- every driver ---- */

static bool can(const char *driver, const char *backend)
{
    const worktree_driver *d = worktree_driver_find(driver);
    const char *folder = repo_models_borrow_folder(models());
    const worktree_site site = {.c = git_box(), .models = folder, .store = folder, .path = folder};
    err e = d->probe(&site, backend ? overlay_backend_find(backend) : NULL);
    if (e.code) print_message("skipped: %s\n", e.text);
    return !e.code;
}

static void lives(const char *driver, const char *backend)
{
    const repo_worktree_options options = {.ref = "side", .driver = driver, .backend = backend};
    repo_worktree_row row, *rows = NULL;
    size_t count = 0;

    if (!can(driver, backend)) skip();
    check_ok(added(&options, &row));
    check_text(row.driver, driver);
    check_true(backend ? strcmp(row.backend, backend) == 0 : row.backend == NULL);
    check_text(row.branch, "side");
    check_true(row.mounted && !row.prunable && row.locked == (backend != NULL));
    check_text(in(row.path, "git status --porcelain; cat sub/config.json; stat -c %s model.safetensors"),
               "one\n2000000");
    check_int(row.bytes_apparent, 2000000 + 4 + 50);
    check_true(row.bytes_known && (strcmp(driver, "vfs") == 0) == (row.bytes_used > 1000000));
    check_text(in(row.path,
                  "echo new >new.txt && git add new.txt && git commit -qm inside && git status --porcelain"),
               "");
    check_text(git_box_said("cd models/m && git log -1 --format=%%s side"), "inside");

    repo_handle *r = model();
    check_ok(repo_worktree_list(models(), r, &rows, &count));
    repo_close(r);
    check_int(count, 1);
    check_text(rows[0].path, row.path);
    check_text(rows[0].head.hex, git_box_said("git -C models/m rev-parse side"));
    repo_worktree_list_free(rows, count);

    check_ok(removed("side", false));
    check_nothing_left();
    git_box_do("cd models/m && git branch -qf side side~1");
    repo_worktree_row_free(&row);
}

TEST(a_copy_lives) { lives("vfs", NULL); }
TEST(hard_links_live) { lives("hardlink", NULL); }
TEST(a_reflink_lives) { lives("reflink", NULL); }
TEST(an_overlay_of_the_kernel_lives) { lives("overlay2", "kernel"); }
TEST(an_overlay_of_fuse_lives) { lives("overlay2", "fuse"); }

TEST(hard_links_leave_each_other_clean)
{
    repo_worktree_row a, b;

    if (!can("hardlink", NULL)) skip();
    git_box_do("rm -rf models/.layers");
    check_ok(added(&(repo_worktree_options){.ref = "v2", .driver = "hardlink"}, &a));
    check_ok(added(&(repo_worktree_options){.ref = "v2", .driver = "hardlink"}, &b));
    check_text(a.name, "v2");
    check_text(b.name, "v2-2");
    check_text(in(a.path, "git status --porcelain; stat -c '%h %a' model.safetensors"), "3 444");
    check_text(in(b.path, "git status --porcelain"), "");
    check_ok(removed("v2", false));
    check_ok(removed(b.path, false));
    repo_worktree_row_free(&a);
    repo_worktree_row_free(&b);
    check_nothing_left();
}

/* ---- what it is on, and where ---- */

TEST(a_branch_is_in_one_place_only)
{
    repo_worktree_row row, other;

    check_fails(added(&(repo_worktree_options){.ref = "main", .driver = "vfs"}, &row), ERR_CONFLICT,
                "--new-branch");
    check_ok(added(&(repo_worktree_options){.ref = "side", .driver = "vfs"}, &row));
    check_fails(added(&(repo_worktree_options){.ref = "side", .driver = "vfs"}, &other), ERR_CONFLICT,
                "is on side");
    check_ok(removed("side", false));
    repo_worktree_row_free(&row);
    check_nothing_left();
}

TEST(a_new_branch_is_made_and_goes_again_when_the_rest_fails)
{
    repo_worktree_row row;

    check_ok(added(&(repo_worktree_options){.ref = "v2", .new_branch = "feature/x", .driver = "vfs"}, &row));
    check_text(row.name, "feature-x");
    check_text(row.branch, "feature/x");
    check_text(in(row.path, "git rev-parse --abbrev-ref HEAD"), "feature/x");
    check_ok(removed("feature/x", false));
    repo_worktree_row_free(&row);
    git_box_do("git -C models/m branch -qD feature/x; mkdir full && touch full/x");
    char *full = file_join(check_folder(), "full");
    check_fails(
        added(&(repo_worktree_options){.ref = "v2", .new_branch = "lost", .driver = "vfs", .path = full},
              &row),
        ERR_EXISTS, "no empty folder");
    check_text(git_box_said("git -C models/m branch --list lost"), "");
    check_fails(added(&(repo_worktree_options){.ref = "v2", .new_branch = "-x", .driver = "vfs"}, &row),
                ERR_USAGE, "");
    check_fails(added(&(repo_worktree_options){.ref = "none", .driver = "vfs"}, &row), ERR_NOT_FOUND, "none");
    free(full);
    check_nothing_left();
}

TEST(a_path_of_ones_own_is_taken)
{
    repo_worktree_row row;
    char *path = file_join(check_folder(), "own place");

    check_ok(added(&(repo_worktree_options){.ref = "v2", .path = path}, &row));
    check_text(row.path, path);
    check_text(in(path, "git status --porcelain; git rev-parse --abbrev-ref HEAD"), "HEAD");
    check_ok(removed(path, false));
    check_true(!file_exists(path));
    free(path);
    repo_worktree_row_free(&row);
    check_nothing_left();
}

/* ---- what would be lost ---- */

TEST(changes_and_commits_on_no_branch_are_not_lost_unsaid)
{
    repo_worktree_row row;

    check_ok(added(&(repo_worktree_options){.ref = "v2"}, &row));
    check_text(in(row.path, "echo x >mine.txt"), "");
    check_fails(removed("v2", false), ERR_CONFLICT, "mine.txt");
    check_text(in(row.path, "git add mine.txt && git commit -qm lonely"), "");
    check_fails(removed("v2", false), ERR_CONFLICT, "on no branch");
    check_text(in(row.path, "git tag kept"), "");
    check_ok(removed("v2", false));
    git_box_do("git -C models/m tag -d kept >/dev/null");
    repo_worktree_row_free(&row);

    check_ok(added(&(repo_worktree_options){.ref = "v2"}, &row));
    check_text(in(row.path, "echo x >mine.txt"), "");
    check_ok(removed("v2", true));
    repo_worktree_row_free(&row);
    check_fails(removed("v2", false), ERR_NOT_FOUND, "no worktree 'v2'");
    check_nothing_left();
}

TEST(a_worktree_of_gits_own_is_listed_and_its_lock_respected)
{
    repo_worktree_row *rows = NULL;
    size_t count = 0;
    repo_handle *r = model();

    git_box_do(
        "cd models/m && git -c filter.lfs.smudge=cat -c filter.lfs.required=false worktree add -q --lock "
        "--reason 'on a stick' ../../stick side");
    check_ok(repo_worktree_list(models(), r, &rows, &count));
    check_int(count, 1);
    check_text(rows[0].driver, "git");
    check_true(rows[0].locked && !rows[0].prunable);
    repo_worktree_list_free(rows, count);
    check_fails(repo_worktree_mount(models(), r, "stick"), ERR_UNSUPPORTED, "plain folder");
    repo_close(r);
    check_fails(removed("stick", false), ERR_CONFLICT, "on a stick");
    check_ok(removed("stick", true));
    check_nothing_left();
}

/* ---- names, environment, settings ---- */

static err chosen(const char *driver, const char *backend, worktree_choice *out)
{
    const char *folder = repo_models_borrow_folder(models());
    const worktree_site site = {.c = git_box(), .models = folder, .store = folder, .path = folder};
    return worktree_choose(&site, driver, backend, out);
}

TEST(names_of_drivers_are_read_as_people_write_them)
{
    static const char *const unset[] = {"GIT2DB_WORKTREE_DRIVER", "GIT2DB__WORKTREE__DRIVER",
                                        "GIT2DB_OVERLAY_BACKEND", "GIT2DB__WORKTREE__FORCE_BACKEND",
                                        "GIT2DB__WORKTREE__FALLBACK"};
    worktree_choice choice;

    check_ok(chosen("NONE", NULL, &choice));
    check_text(choice.driver->name, "vfs");
    check_fails(chosen("zfs", NULL, &choice), ERR_USAGE,
                "auto, reflink, overlay2 (overlayfs), hardlink, vfs (none)");
    check_fails(chosen("overlay2", "ntfs", &choice), ERR_USAGE, "auto, kernel, fuse, userns");
    check_fails(chosen("vfs", "kernel", &choice), ERR_USAGE, "no backends");

    setenv("GIT2DB__WORKTREE__DRIVER", "hardlink", 1);
    check_ok(chosen(NULL, NULL, &choice));
    check_text(choice.driver->name, "hardlink");
    setenv("GIT2DB_WORKTREE_DRIVER", "vfs", 1);
    check_ok(chosen(NULL, NULL, &choice));
    check_text(choice.driver->name, "vfs");
    setenv("GIT2DB_WORKTREE_DRIVER", "vsf", 1);
    check_fails(chosen(NULL, NULL, &choice), ERR_USAGE, "GIT2DB_WORKTREE_DRIVER says 'vsf'");
    unsetenv("GIT2DB_WORKTREE_DRIVER"), unsetenv("GIT2DB__WORKTREE__DRIVER");

    setenv("GIT2DB_OVERLAY_BACKEND", "userns", 1); /* implies overlay2 */
    err e = chosen(NULL, NULL, &choice);
    check_true(e.code == ERR_UNSUPPORTED || strcmp(choice.driver->name, "overlay2") == 0);
    unsetenv("GIT2DB_OVERLAY_BACKEND");

    if (!can("reflink", NULL)) {
        check_fails(chosen("reflink", NULL, &choice), ERR_UNSUPPORTED, "shares no blocks");
        setenv("GIT2DB__WORKTREE__FALLBACK", "true", 1);
        check_ok(chosen("reflink", NULL, &choice));
        check_true(strcmp(choice.driver->name, "reflink") != 0);
    }
    for (size_t i = 0; i < COUNT_OF(unset); i++) unsetenv(unset[i]);
    check_ok(chosen(NULL, NULL, &choice));
    check_true(choice.driver->by_auto);
    check_true(!choice.backend || choice.backend->outlives_us);
}

TEST(probes_say_why_not_and_leave_nothing)
{
    repo_driver_probe *rows = NULL;
    size_t count = 0;

    check_ok(repo_worktree_probe(repo_models_borrow_folder(models()), &rows, &count));
    check_int(count, 6);
    for (size_t i = 0; i < count; i++) check_true(rows[i].available == !rows[i].reason[0]);
    check_true(rows[count - 1].available); /* vfs */
    free(rows);
    check_nothing_left();
}

/* ---- kills ---- */

/* Killed at a random moment of an add; the next start undoes it, or it is whole. */
TEST(an_add_that_is_killed_is_undone_at_the_next_start)
{
    enum { KILLS = 12 };
    int half = 0, whole = 0;

    for (int i = 0; i < KILLS; i++) {
        static const char *const drivers[] = {"vfs", "hardlink", NULL};
        repo_worktree_row row, *rows = NULL;
        size_t count = 0;
        int status;

        models();
        pid_t child = fork();
        if (child == 0) {
            err e = added(&(repo_worktree_options){.ref = "v2", .driver = drivers[i % 3]}, &row);
            _exit(e.code ? 1 : 0);
        }
        usleep((useconds_t)(1000 + i * 2500));
        kill(child, SIGKILL);
        check_int(waitpid(child, &status, 0), child);
        usleep(100000); /* the probe's own child ends by itself */
        repo_models *again = NULL;
        check_ok(repo_models_open(git_box(), &again));
        repo_handle *r = model();
        check_ok(repo_worktree_list(again, r, &rows, &count));
        check_true(count <= 1);
        if (count) {
            check_text(in(rows[0].path, "git status --porcelain"), "");
            check_ok(repo_worktree_remove(again, r, rows[0].name, false));
            whole++;
        } else {
            half++;
        }
        repo_worktree_list_free(rows, count);
        repo_close(r);
        repo_models_free(again);
        git_box_do("find models/.overlay -mindepth 1 -maxdepth 1 -exec touch -d 2020-01-01 {} + 2>/dev/null "
                   "|| true");
        check_ok(repo_models_open(git_box(), &again));
        repo_models_free(again);
        git_box_do("rmdir models/.worktrees/m 2>/dev/null || true");
        check_nothing_left();
    }
    print_message("%d undone, %d whole\n", half, whole);
}

TESTS(RUN(a_copy_lives), RUN(hard_links_live), RUN(a_reflink_lives), RUN(an_overlay_of_the_kernel_lives),
      RUN(an_overlay_of_fuse_lives), RUN(hard_links_leave_each_other_clean),
      RUN(a_branch_is_in_one_place_only), RUN(a_new_branch_is_made_and_goes_again_when_the_rest_fails),
      RUN(a_path_of_ones_own_is_taken), RUN(changes_and_commits_on_no_branch_are_not_lost_unsaid),
      RUN(a_worktree_of_gits_own_is_listed_and_its_lock_respected),
      RUN(names_of_drivers_are_read_as_people_write_them), RUN(probes_say_why_not_and_leave_nothing),
      RUN(an_add_that_is_killed_is_undone_at_the_next_start))
