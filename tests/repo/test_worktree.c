#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/branch.h"
#include "repo/gate.h"
#include "repo/status.h"
#include "repo/worktree/layers.h"
#include "repo/worktree/worktree_internal.h"
#include "tests/repo/models_given.h"

/* libgit2 1.5 leaks what it matches revisions with. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libpcre2"; }

enum { WEIGHTS = 3000000 };

static given *world;

/* A model `m`: main and feature/x, tag v1 one commit back; 3 MB of weights under LFS, written by hand. */
static given *models(void)
{
    if (world) return world;
    unsetenv("GIT2DB_WORKTREE_DRIVER"), unsetenv("GIT2DB_OVERLAY_BACKEND");
    world = given_home("worktrees");
    check_ok(repo_start(&world->context));
    check_ok(file_make_folders(world->models));
    given_says(world,
               "git config --global filter.lfs.clean cat && git config --global filter.lfs.smudge cat && "
               "git init -q -b main m && cd m && "
               "echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' >.gitattributes && "
               "head -c %d /dev/urandom >weights && oid=$(sha256sum weights | cut -c1-64) && "
               "dir=.git/lfs/objects/$(echo $oid | cut -c1-2)/$(echo $oid | cut -c3-4) && mkdir -p $dir && "
               "mv weights $dir/$oid && chmod 444 $dir/$oid && "
               "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%%s\\nsize %d\\n' $oid "
               ">model.safetensors && mkdir sub && echo one >sub/config.json && git add . && "
               "git commit -qm first && git tag v1 && echo two >sub/config.json && git commit -qam second && "
               "git branch feature/x && git branch free && git branch other",
               WEIGHTS, WEIGHTS);
    given_open(world);
    return world;
}

static repo_handle *opened(void)
{
    repo_handle *r;
    check_ok(repo_models_open_model(models()->m, "m", &r));
    return r;
}

static err added(const repo_worktree_options *options, repo_worktree_row *row)
{
    repo_handle *r = opened();
    err e = repo_worktree_add(world->m, r, options, row);
    repo_close(r);
    return e;
}

static err removed(const char *name, bool force)
{
    repo_handle *r = opened();
    err e = repo_worktree_remove(world->m, r, name, force);
    repo_close(r);
    return e;
}

static const char *in(const char *path, const char *command)
{
    return given_says(models(), "cd '%s' && { %s ; }", path, command);
}

/* git knows no worktree but the first, nothing lies about, git finds nothing wrong. */
static void check_nothing_left(void)
{
    check_text(given_says(models(), "git -C m worktree list | wc -l"), "1");
    check_text(
        given_says(models(), "find .worktrees .overlay .staging .trash -mindepth 1 2>/dev/null | wc -l"),
        "0");
    check_text(given_says(models(), "ls -A m/.git/worktrees 2>/dev/null | wc -l"), "0");
    check_text(given_says(models(), "git -C m fsck --strict --no-dangling 2>&1 | grep -v '^notice' || :"),
               "");
    check_text(given_says(models(), "git -C m for-each-ref --format='%%(refname)' | grep -c _wt || :"), "0");
}

/* ---- each driver ---- */

static bool can_have(const char *driver, const char *backend)
{
    repo_driver_probe *rows;
    size_t count;
    bool can = false;

    check_ok(repo_worktree_probe(models()->models, &rows, &count));
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].driver, driver) == 0 && (!backend || strcmp(rows[i].backend, backend) == 0)) {
            can = rows[i].available;
            if (!can) print_message("skipped: %s %s: %s\n", driver, backend ? backend : "", rows[i].reason);
            if (!can) check_true(strlen(rows[i].reason) > 10);
        }
    free(rows);
    check_text(given_says(models(), "ls -A . m/.git | grep -c probe || :"), "0");
    return can;
}

static void lives(const char *driver, const char *backend, uint64_t used_max)
{
    repo_worktree_row row, *rows;
    size_t count;

    check_ok(added(&(repo_worktree_options){.ref = "free", .driver = driver, .backend = backend}, &row));
    check_text(row.name, "free");
    check_text(row.driver, driver);
    check_text(row.branch, "free");
    check_true(row.mounted && !row.prunable && row.bytes_known && !row.missing_count && !row.warning);
    check_int(row.bytes_apparent,
              WEIGHTS + 4 + strlen("*.safetensors filter=lfs diff=lfs merge=lfs -text\n"));
    check_true(row.bytes_used <= used_max);
    check_text(in(row.path, "git status --porcelain"), "");
    check_text(in(row.path, "git branch --show-current"), "free");
    check_text(in(row.path, "sha256sum model.safetensors | cut -c1-64"),
               given_says(models(), "git -C m show v1:model.safetensors | sed -n 's/oid sha256://p'"));
    /* The index was written from what lies there: git has nothing to look into. */
    check_text(in(row.path, "GIT_TRACE_SETUP=0 git diff-files --name-only | wc -l"), "0");
    check_text(given_says(models(), "git -C m worktree list --porcelain | grep -c '^worktree %s$'", row.path),
               "1");
    check_text(
        in(row.path,
           "echo more >more.txt && git add more.txt && git commit -qm inside && git status --porcelain"),
        "");
    check_text(given_says(models(), "git -C m log -1 --format=%%s free"), "inside");
    repo_handle *r = opened();
    check_ok(repo_worktree_list(models()->m, r, &rows, &count));
    check_int(count, 1);
    check_text(rows[0].head.hex, given_says(models(), "git -C m rev-parse free"));
    repo_worktree_list_free(rows, count);
    repo_close(r);
    check_ok(removed("free", false));
    check_true(!file_exists(row.path));
    check_nothing_left();
    given_says(models(), "git -C m branch -f free other");
    repo_worktree_row_free(&row);
}

static void lives_or_skips(const char *driver, const char *backend, uint64_t used_max)
{
    if (!can_have(driver, backend)) skip();
    lives(driver, backend, used_max);
}

TEST(a_worktree_of_vfs_is_one_for_git_and_leaves_nothing) { lives("vfs", NULL, WEIGHTS + 100000); }
TEST(a_worktree_of_hardlink_takes_no_room) { lives_or_skips("hardlink", NULL, 50000); }
TEST(a_worktree_of_reflink_shares_its_blocks) { lives_or_skips("reflink", NULL, 100000); }
TEST(a_worktree_of_overlay2_by_the_kernel_takes_no_room) { lives_or_skips("overlay2", "kernel", 100000); }
TEST(a_worktree_of_overlay2_by_fuse_takes_no_room) { lives_or_skips("overlay2", "fuse", 100000); }

TEST(vfs_takes_all_the_room_also_where_blocks_could_be_shared)
{
    repo_worktree_row row;
    check_ok(added(&(repo_worktree_options){.ref = "free", .driver = "VFS"}, &row));
    check_true(row.bytes_used >= WEIGHTS);
    check_text(in(row.path, "stat -c %h model.safetensors"), "1");
    check_ok(removed("free", false));
    repo_worktree_row_free(&row);
}

TEST(a_linked_file_is_read_only_and_old_and_replaced_by_a_checkout)
{
    repo_worktree_row row;

    if (!can_have("hardlink", NULL)) skip();
    check_ok(added(&(repo_worktree_options){.ref = "free", .driver = "hardlink"}, &row));
    check_text(in(row.path, "[ $(stat -c %h model.safetensors) -ge 2 ] && stat -c %a model.safetensors"),
               "444");
    check_text(in(row.path, "date -u -r model.safetensors +%F"), "2000-01-01");
    /* As editors and git do: a new file under the name. The store's keeps its bytes. */
    in(row.path, "head -c 10 model.safetensors >new && mv -f new model.safetensors");
    check_text(in(row.path, "stat -c %h model.safetensors"), "1");
    check_fails(removed("free", false), ERR_CONFLICT, "model.safetensors");
    check_text(in(row.path, "git -C ../../../m lfs fsck 2>&1 | grep -ci corrupt || :"), "0");
    check_text(given_says(models(), "cd m/.git/lfs/objects && find . -type f | while read f; do "
                                    "sha256sum $f | cut -c1-64 | grep -qx $(basename $f) || echo bad; done"),
               "");
    check_ok(removed("free", true));
    check_nothing_left();
    repo_worktree_row_free(&row);
}

/* As root can, or who takes the read-only mark away. */
TEST(an_object_that_was_written_to_through_a_link_is_found_out_and_not_spread)
{
    repo_worktree_row row, other;

    if (!can_have("hardlink", NULL)) skip();
    given_says(models(), "rm -rf .layers && cp -r m/.git/lfs/objects kept");
    check_ok(added(&(repo_worktree_options){.ref = "free", .driver = "hardlink"}, &row));
    in(row.path,
       "chmod u+w model.safetensors && printf xxxx | dd of=model.safetensors bs=1 seek=7 conv=notrunc "
       "status=none");
    check_text(in(row.path, "git -c filter.lfs.process= status --porcelain | cut -c1-3"), " M ");
    check_ok(added(&(repo_worktree_options){.ref = "v1", .driver = "vfs"}, &other));
    check_int(other.missing_count, 1);
    check_text(in(other.path, "head -1 model.safetensors"), "version https://git-lfs.github.com/spec/v1");
    check_text(given_says(models(), "find m/.git/lfs/objects -type f | wc -l"), "0");
    check_ok(removed("v1", false));
    check_ok(removed("free", true));
    given_says(models(), "rm -rf m/.git/lfs/objects && mv kept m/.git/lfs/objects");
    check_nothing_left();
    repo_worktree_row_free(&row), repo_worktree_row_free(&other);
}

/* ---- what it is on ---- */

TEST(a_branch_that_is_checked_out_is_refused)
{
    repo_worktree_row row, none = {0};

    check_fails(added(&(repo_worktree_options){.ref = "main"}, &none), ERR_CONFLICT, "is on main");
    check_fails(added(&(repo_worktree_options){.ref = ""}, &none), ERR_CONFLICT, "--new-branch");
    check_ok(added(&(repo_worktree_options){.ref = "free", .driver = "vfs"}, &row));
    check_fails(added(&(repo_worktree_options){.ref = "free", .driver = "vfs"}, &none), ERR_CONFLICT,
                row.path);
    check_ok(removed("free", false));
    check_nothing_left();
    repo_worktree_row_free(&row);
}

TEST(tags_and_commits_are_detached_and_may_be_many)
{
    repo_worktree_row a, b, c;

    check_ok(added(&(repo_worktree_options){.ref = "v1", .driver = "vfs"}, &a));
    check_ok(added(&(repo_worktree_options){.ref = "v1", .driver = "vfs"}, &b));
    check_ok(added(&(repo_worktree_options){.ref = a.head.hex, .driver = "vfs"}, &c));
    check_true(!a.branch && !b.branch && !c.branch);
    check_text(a.name, "v1");
    check_text(b.name, "v1-2");
    check_text(in(a.path, "cat sub/config.json"), "one");
    check_text(in(b.path, "git status --porcelain -b"), "## HEAD (no branch)");
    check_text(in(c.path, "git rev-parse HEAD"), a.head.hex);
    check_ok(removed("v1", false));
    check_ok(removed("v1-2", false));
    check_ok(removed(c.path, false));
    check_nothing_left();
    repo_worktree_row_free(&a), repo_worktree_row_free(&b), repo_worktree_row_free(&c);
}

TEST(a_new_branch_is_made_with_it_or_not_at_all)
{
    repo_worktree_row row, none = {0};

    check_ok(added(&(repo_worktree_options){.ref = "v1", .new_branch = "try/one", .driver = "vfs"}, &row));
    check_text(row.branch, "try/one");
    check_text(row.name, "try-one");
    check_text(in(row.path, "git log -1 --format=%s"), "first");
    check_fails(added(&(repo_worktree_options){.ref = "v1", .new_branch = "try/one"}, &none), ERR_EXISTS,
                "try/one");
    check_ok(removed("try/one", false)); /* by its branch */
    given_says(models(), "git -C m branch -qD try/one");
    check_fails(
        added(&(repo_worktree_options){.ref = "v1", .new_branch = "try/two", .path = "/proc/nope/x"}, &none),
        ERR_NOT_FOUND, "/proc/nope");
    check_text(given_says(models(), "git -C m branch --list 'try/*'"), "");
    check_nothing_left();
    repo_worktree_row_free(&row);
}

TEST(hostile_names_are_refused_and_leave_nothing)
{
    static const char *const refs[] = {"../../etc",
                                       "-x",
                                       "--force",
                                       "a b",
                                       "x\001y",
                                       "main..free",
                                       "..",
                                       ".",
                                       "feature/x/../..",
                                       "refs/heads/../x",
                                       "HEAD:sub",
                                       "@{-1}^{/x}"};
    repo_worktree_row none = {0};
    char *large = memory_alloc(10001);

    memset(large, 'a', 10000), large[10000] = 0;
    for (size_t i = 0; i < COUNT_OF(refs); i++) {
        err e = added(&(repo_worktree_options){.ref = refs[i], .driver = "vfs"}, &none);
        if (!e.code) fail_msg("%s was taken as %s", refs[i], none.path);
    }
    check_true(added(&(repo_worktree_options){.ref = large}, &none).code != 0);
    check_true(added(&(repo_worktree_options){.ref = "v1", .new_branch = large}, &none).code != 0);
    check_true(added(&(repo_worktree_options){.ref = "v1", .new_branch = "../x"}, &none).code != 0);
    check_true(added(&(repo_worktree_options){.ref = "v1", .new_branch = "-x"}, &none).code != 0);
    check_fails(removed("../../m", true), ERR_NOT_FOUND, "no worktree");
    check_fails(removed("", true), ERR_NOT_FOUND, "no worktree");
    free(large);
    check_nothing_left();
}

TEST(a_name_is_one_component_of_at_most_64_bytes)
{
    repo_worktree_row row;
    char branch[200];

    snprintf(branch, sizeof branch, "a/.b/%s", "");
    memset(branch, 'l', 150), branch[150] = 0, branch[3] = '/', branch[9] = '+';
    given_says(models(), "git -C m branch '%s' main && git -C m branch 'ü/x' main", branch);
    check_ok(added(&(repo_worktree_options){.ref = branch, .driver = "vfs"}, &row));
    check_true(strlen(row.name) <= 64 && !strchr(row.name, '/') && !strchr(row.name, '+'));
    check_text(in(row.path, "git status --porcelain"), "");
    check_ok(removed(row.name, false));
    repo_worktree_row_free(&row);
    check_ok(added(&(repo_worktree_options){.ref = "\xc3\xbc/x", .driver = "vfs"}, &row));
    check_text(row.name, "x");
    check_ok(removed("x", false));
    repo_worktree_row_free(&row);
    given_says(models(), "git -C m branch -qD '%s' 'ü/x'", branch);
    check_nothing_left();
}

/* ---- where ---- */

TEST(a_path_of_the_persons_is_made_with_its_parents_and_never_taken_over)
{
    repo_worktree_row row, none = {0};
    char *path = file_join(models()->home, "out/side/here"), *full = file_join(world->home, "full");

    check_ok(file_make_folders(full));
    given_says(models(), "echo mine >'%s/mine.txt'", full);
    check_fails(added(&(repo_worktree_options){.ref = "v1", .path = full, .driver = "vfs"}, &none),
                ERR_EXISTS, full);
    check_ok(added(&(repo_worktree_options){.ref = "v1", .path = path, .driver = "vfs"}, &row));
    check_text(row.path, path);
    check_text(in(path, "git status --porcelain"), "");
    check_fails(added(&(repo_worktree_options){.ref = "v1", .path = path, .driver = "vfs"}, &none),
                ERR_EXISTS, path);
    /* Its folder was deleted by hand: git's part still has the place. */
    given_says(models(), "rm -r '%s'", path);
    check_fails(added(&(repo_worktree_options){.ref = "v1", .path = path, .driver = "vfs"}, &none),
                ERR_EXISTS, "a worktree already");
    check_ok(removed("v1", false));
    check_text(given_says(models(), "cat '%s/mine.txt'", full), "mine");
    check_nothing_left();
    repo_worktree_row_free(&row);
    free(path);
    free(full);
}

/* ---- removal loses nothing unsaid ---- */

TEST(what_would_be_lost_is_named)
{
    repo_worktree_row row;

    check_ok(added(&(repo_worktree_options){.ref = "v1", .driver = "vfs"}, &row));
    in(row.path, "echo mine >mine.txt");
    check_fails(removed("v1", false), ERR_CONFLICT, "mine.txt");
    in(row.path, "rm mine.txt && echo changed >sub/config.json");
    check_fails(removed("v1", false), ERR_CONFLICT, "sub/config.json");
    in(row.path, "git commit -qam alone");
    check_fails(removed("v1", false), ERR_CONFLICT, "on no branch");
    check_true(file_exists(row.path));
    in(row.path, "git branch kept");
    check_ok(removed("v1", false));
    given_says(models(), "git -C m branch -qD kept");
    check_fails(removed("v1", false), ERR_NOT_FOUND, "no worktree 'v1'");
    check_nothing_left();
    repo_worktree_row_free(&row);
}

TEST(a_lock_of_the_persons_is_respected)
{
    repo_worktree_row row;

    check_ok(added(&(repo_worktree_options){.ref = "v1", .driver = "vfs"}, &row));
    given_says(models(), "git -C m worktree lock --reason 'on a stick' v1");
    check_fails(removed("v1", false), ERR_CONFLICT, "on a stick");
    check_ok(removed("v1", true));
    check_nothing_left();
    repo_worktree_row_free(&row);
}

/* A stranger's repository says that its worktree is a folder of ours. */
TEST(a_folder_that_does_not_point_back_is_never_deleted)
{
    char *precious = file_join(models()->home, "precious");

    check_ok(file_make_folders(precious));
    given_says(models(), "git init -q '%s' && echo dear >'%s/dear.txt'", precious, precious);
    given_says(models(),
               "mkdir -p m/.git/worktrees/trap && cd m/.git/worktrees/trap && echo '%s/.git' >gitdir && "
               "echo ../.. >commondir && echo vfs >hyprstream-driver && git -C ../../.. rev-parse main >HEAD",
               precious);
    (void)removed("trap", false);
    check_text(given_says(models(), "cat '%s/dear.txt'", precious), "dear");
    check_ok(removed("trap", true));
    check_text(given_says(models(), "cat '%s/dear.txt'", precious), "dear");
    check_nothing_left();
    free(precious);
}

/* The same, while its model is removed: the folder is another model's worktree. */
TEST(a_model_that_goes_takes_its_own_worktrees_alone)
{
    repo_worktree_row row;

    check_ok(added(&(repo_worktree_options){.ref = "v1", .driver = "vfs"}, &row));
    given_repository(world, "liar");
    given_says(world,
               "git -C liar worktree add -q --detach ../.worktrees/liar/own 2>/dev/null && "
               "mkdir liar/.git/worktrees/trap && cd liar/.git/worktrees/trap && echo '%s/.git' >gitdir && "
               "echo ../.. >commondir && git -C ../../.. rev-parse main >HEAD",
               row.path);
    given_open(world);
    check_ok(repo_models_remove(world->m, "liar", REPO_REMOVE_ALL));
    check_text(in(row.path, "git status --porcelain"), "");
    check_text(given_says(world, "ls .worktrees"), "m");
    check_ok(removed("v1", false));
    check_nothing_left();
    repo_worktree_row_free(&row);
}

TEST(a_worktree_that_git_made_is_listed_and_removed)
{
    repo_worktree_row *rows;
    size_t count;
    repo_handle *r = opened();

    given_says(models(), "git -C m worktree add -q ../.worktrees/m/bygit other 2>/dev/null");
    check_ok(repo_worktree_list(world->m, r, &rows, &count));
    check_int(count, 1);
    check_text(rows[0].driver, "git");
    check_text(rows[0].branch, "other");
    repo_worktree_list_free(rows, count);
    repo_close(r);
    check_fails(repo_worktree_mount(world->m, r = opened(), "bygit"), ERR_UNSUPPORTED, "nothing to mount");
    repo_close(r);
    check_ok(removed("bygit", false));
    check_nothing_left();
}

/* ---- the choice of a driver ---- */

TEST(a_driver_that_is_none_lists_the_valid_ones)
{
    repo_worktree_row none = {0};

    check_fails(added(&(repo_worktree_options){.ref = "v1", .driver = "zfs"}, &none), ERR_USAGE,
                "auto, reflink, overlay2 (overlayfs), hardlink, vfs (none)");
    check_fails(added(&(repo_worktree_options){.ref = "v1", .driver = "overlay2", .backend = "x"}, &none),
                ERR_USAGE, "auto, kernel, fuse, userns");
    check_fails(added(&(repo_worktree_options){.ref = "v1", .driver = "vfs", .backend = "fuse"}, &none),
                ERR_USAGE, "has no backends");
    setenv("GIT2DB_WORKTREE_DRIVER", "btrfs", 1);
    check_fails(added(&(repo_worktree_options){.ref = "v1"}, &none), ERR_USAGE, "GIT2DB_WORKTREE_DRIVER");
    unsetenv("GIT2DB_WORKTREE_DRIVER");
    check_nothing_left();
}

static void chosen(const char *wanted)
{
    repo_worktree_row row;
    check_ok(added(&(repo_worktree_options){.ref = "v1"}, &row));
    check_text(row.driver, wanted);
    check_ok(removed("v1", false));
    repo_worktree_row_free(&row);
}

TEST(the_environment_wins_over_its_longer_spelling_and_that_over_the_settings)
{
    check_ok(settings_override(models()->set, "worktree.driver", "hardlink"));
    if (can_have("hardlink", NULL)) chosen("hardlink");
    setenv("GIT2DB__WORKTREE__DRIVER", "None", 1);
    chosen("vfs");
    if (can_have("hardlink", NULL)) {
        setenv("GIT2DB_WORKTREE_DRIVER", "HARDLINK", 1);
        chosen("hardlink");
    }
    unsetenv("GIT2DB_WORKTREE_DRIVER"), unsetenv("GIT2DB__WORKTREE__DRIVER");
    check_ok(settings_override(models()->set, "worktree.driver", "auto"));
}

TEST(auto_takes_the_first_that_can_be_had_and_never_links)
{
    bool reflink = can_have("reflink", NULL),
         overlay = can_have("overlay2", "kernel") || can_have("overlay2", "fuse");
    chosen(reflink ? "reflink" : overlay ? "overlay2" : "vfs");
}

TEST(what_cannot_be_had_says_why_or_falls_back_with_a_warning)
{
    repo_worktree_row row, none = {0};

    if (can_have("reflink", NULL)) skip();
    check_fails(added(&(repo_worktree_options){.ref = "v1", .driver = "reflink"}, &none), ERR_UNSUPPORTED,
                "reflink cannot be had here");
    check_nothing_left();
    setenv("GIT2DB__WORKTREE__FALLBACK", "true", 1);
    check_ok(added(&(repo_worktree_options){.ref = "v1", .driver = "reflink"}, &row));
    check_true(strcmp(row.driver, "reflink") != 0 && check_text_holds(row.warning, "reflink cannot be had"));
    unsetenv("GIT2DB__WORKTREE__FALLBACK");
    check_ok(removed("v1", false));
    check_nothing_left();
    repo_worktree_row_free(&row);
}

/* ---- large files that are not here ---- */

TEST(a_large_file_that_is_not_here_stays_a_pointer_and_is_counted)
{
    static const char *const drivers[] = {"vfs", "hardlink", "overlay2"};
    repo_worktree_row row;

    /* A layer of an earlier worktree would still have it. */
    given_says(models(), "rm -rf .layers && mv m/.git/lfs/objects away");
    for (size_t i = 0; i < COUNT_OF(drivers); i++) {
        if (!can_have(drivers[i], i == 2 ? "kernel" : NULL)) continue;
        check_ok(added(&(repo_worktree_options){.ref = "v1", .driver = drivers[i]}, &row));
        check_int(row.missing_count, 1);
        check_text(in(row.path, "head -1 model.safetensors"), "version https://git-lfs.github.com/spec/v1");
        check_text(in(row.path, "git status --porcelain"), "");
        check_ok(removed("v1", false));
        repo_worktree_row_free(&row);
    }
    given_says(models(), "rm -rf m/.git/lfs/objects && mv away m/.git/lfs/objects");
    check_nothing_left();
}

/* ---- after a kill ---- */

/* As an add leaves it that is killed before its files are all there. */
TEST(a_half_made_worktree_is_undone_at_the_next_start)
{
    repo_worktree_row row;

    check_ok(added(&(repo_worktree_options){.ref = "v1", .driver = "vfs"}, &row));
    given_says(
        models(),
        "echo '" MAKING_REASON "' >m/.git/worktrees/v1/locked && rm '%s/model.safetensors' && "
        "mkdir -p .staging/worktree-1-ab && "
        "echo '{\"kind\":\"worktree\",\"name\":\"%s/m/.git/worktrees/v1\"}' >.staging/worktree-1-ab.json",
        row.path, world->models);
    given_open(models());
    check_true(!file_exists(row.path));
    check_nothing_left();
    repo_worktree_row_free(&row);
}

/* A power cut: the note never reached the disk. */
TEST(a_half_made_worktree_without_a_note_is_undone_too)
{
    repo_worktree_row row;

    check_ok(added(&(repo_worktree_options){.ref = "v1", .driver = "vfs"}, &row));
    given_says(models(), "echo '" MAKING_REASON "' >m/.git/worktrees/v1/locked");
    given_open(models());
    check_true(!file_exists(row.path));
    check_nothing_left();
    repo_worktree_row_free(&row);
}

TEST(a_whole_worktree_whose_note_was_left_stays)
{
    repo_worktree_row row;

    check_ok(added(&(repo_worktree_options){.ref = "v1", .driver = "vfs"}, &row));
    given_says(
        models(),
        "mkdir -p .staging/worktree-1-ab && "
        "echo '{\"kind\":\"worktree\",\"name\":\"%s/m/.git/worktrees/v1\"}' >.staging/worktree-1-ab.json",
        world->models);
    given_open(models());
    check_text(in(row.path, "git status --porcelain"), "");
    check_ok(removed("v1", false));
    check_nothing_left();
    repo_worktree_row_free(&row);
}

TEST(git_folders_without_files_and_empty_folders_go_at_the_next_start)
{
    repo_worktree_row row;

    check_ok(added(&(repo_worktree_options){.ref = "v1", .driver = "vfs"}, &row));
    given_says(models(),
               "rm -r '%s' && mkdir .worktrees/m/old .worktrees/m/young .worktrees/m/full && "
               "echo mine >.worktrees/m/full/mine.txt && touch .worktrees/m/.probe-1-to m/.git/.probe-1-from "
               "&& touch -d '1 hour ago' .worktrees/m/old",
               row.path);
    given_open(models());
    check_text(given_says(models(), "ls m/.git/worktrees 2>/dev/null | wc -l"), "0");
    check_text(given_says(models(), "ls -A .worktrees/m | tr '\\n' ' '"), "full young ");
    check_text(given_says(models(), "ls -A m/.git | grep -c probe || :"), "0");
    given_says(models(), "rm -r .worktrees/m");
    check_nothing_left();
    repo_worktree_row_free(&row);
}

TEST(a_worktree_elsewhere_that_is_away_is_not_forgotten)
{
    repo_worktree_row row;
    char *path = file_join(models()->home, "stick/v1");

    check_ok(added(&(repo_worktree_options){.ref = "v1", .path = path, .driver = "vfs"}, &row));
    given_says(models(), "mv '%s' '%s.away'", path, path);
    given_open(models());
    given_says(models(), "mv '%s.away' '%s'", path, path);
    check_text(in(path, "git status --porcelain"), "");
    check_ok(removed("v1", false));
    check_nothing_left();
    repo_worktree_row_free(&row);
    free(path);
}

TEST(layers_that_nobody_stands_on_are_collected)
{
    uint64_t freed = 0;
    repo_worktree_row row;

    if (!can_have("overlay2", "kernel")) skip();
    check_ok(added(&(repo_worktree_options){.ref = "v1", .driver = "overlay2", .backend = "kernel"}, &row));
    check_ok(repo_worktree_layers_gc(world->m, false, &freed));
    check_text(in(row.path, "git status --porcelain"), "");
    check_text(in(row.path, "cat sub/config.json"), "one");
    check_ok(removed("v1", false));
    check_ok(repo_worktree_layers_gc(world->m, true, &freed));
    check_true(freed >= WEIGHTS && strlen(given_says(world, "ls .layers")) >= 40);
    check_ok(repo_worktree_layers_gc(world->m, false, &freed));
    check_true(freed >= WEIGHTS);
    check_text(given_says(world, "ls .layers"), "");
    check_nothing_left();
    repo_worktree_row_free(&row);
}

/* A probe that was killed while its fuse-overlayfs was mounted. */
TEST(a_mount_of_a_dead_probe_goes_at_the_next_start)
{
    if (!can_have("overlay2", "fuse")) skip();
    given_says(models(),
               "mkdir -p .staging/probe-1-ab && cd .staging/probe-1-ab && mkdir lower upper work point && "
               "fuse-overlayfs -o lowerdir=lower,upperdir=upper,workdir=work point && echo x >point/file");
    given_open(models());
    check_text(given_says(world, "grep -c '%s/.staging' /proc/self/mountinfo || :", world->models), "0");
    check_nothing_left();
}

/* ---- the end ---- */

TEST(the_program_leaves_no_models_open)
{
    if (world) given_end(world);
    world = NULL;
}

TESTS(RUN(a_worktree_of_vfs_is_one_for_git_and_leaves_nothing), RUN(a_worktree_of_hardlink_takes_no_room),
      RUN(a_worktree_of_reflink_shares_its_blocks), RUN(a_worktree_of_overlay2_by_the_kernel_takes_no_room),
      RUN(a_worktree_of_overlay2_by_fuse_takes_no_room),
      RUN(vfs_takes_all_the_room_also_where_blocks_could_be_shared),
      RUN(a_linked_file_is_read_only_and_old_and_replaced_by_a_checkout),
      RUN(an_object_that_was_written_to_through_a_link_is_found_out_and_not_spread),
      RUN(a_branch_that_is_checked_out_is_refused), RUN(tags_and_commits_are_detached_and_may_be_many),
      RUN(a_new_branch_is_made_with_it_or_not_at_all), RUN(hostile_names_are_refused_and_leave_nothing),
      RUN(a_name_is_one_component_of_at_most_64_bytes),
      RUN(a_path_of_the_persons_is_made_with_its_parents_and_never_taken_over),
      RUN(what_would_be_lost_is_named), RUN(a_lock_of_the_persons_is_respected),
      RUN(a_folder_that_does_not_point_back_is_never_deleted),
      RUN(a_model_that_goes_takes_its_own_worktrees_alone),
      RUN(a_worktree_that_git_made_is_listed_and_removed), RUN(a_driver_that_is_none_lists_the_valid_ones),
      RUN(the_environment_wins_over_its_longer_spelling_and_that_over_the_settings),
      RUN(auto_takes_the_first_that_can_be_had_and_never_links),
      RUN(what_cannot_be_had_says_why_or_falls_back_with_a_warning),
      RUN(a_large_file_that_is_not_here_stays_a_pointer_and_is_counted),
      RUN(a_half_made_worktree_is_undone_at_the_next_start),
      RUN(a_half_made_worktree_without_a_note_is_undone_too), RUN(a_whole_worktree_whose_note_was_left_stays),
      RUN(git_folders_without_files_and_empty_folders_go_at_the_next_start),
      RUN(a_worktree_elsewhere_that_is_away_is_not_forgotten),
      RUN(layers_that_nobody_stands_on_are_collected), RUN(a_mount_of_a_dead_probe_goes_at_the_next_start),
      RUN(the_program_leaves_no_models_open))
