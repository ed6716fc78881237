#define _GNU_SOURCE
#include <fcntl.h>
#include <git2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "repo/beneath.h"
#include "repo/checkout.h"
#include "repo/handle_internal.h"
#include "tests/support/git_box.h"

/* ---- helpers ---- */

static repo_handle *open_at(const char *name)
{
    char path[512];
    repo_handle *r = NULL;
    const repo_context *context = git_box();
    snprintf(path, sizeof path, "%s/%s", check_folder(), name);
    check_ok(repo_open(context, path, &r));
    return r;
}

static repo_id tree_of(const char *name, const char *ref)
{
    repo_id id = {""};
    snprintf(id.hex, sizeof id.hex, "%s", git_box_said("git -C %s rev-parse '%s^{tree}'", name, ref));
    check_int(strlen(id.hex), 40);
    return id;
}

static const char *status_of(const char *name)
{
    return git_box_said("git -C %s -c filter.lfs.clean=%s/clean -c filter.lfs.smudge=cat "
                        "status --porcelain",
                        name, check_folder());
}

/* git-lfs's clean in one line, for machines without it: a pointer passes, content becomes one. */
static void clean_program(void)
{
    git_box();
    git_box_do("cat >clean <<'X'\n#!/bin/sh\ncat >$0.$$ && f=$0.$$\n"
               "if head -c 7 $f | grep -q '^version' || [ ! -s $f ]; then cat $f; else\n"
               "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%%s\\nsize %%s\\n' "
               "$(sha256sum <$f | cut -c1-64) $(stat -c %%s $f); fi\nrm $f\nX\nchmod +x clean");
}

/* A repository with two commits: `old` and `main`, texts, a large file, a link, a program. */
static void given_repository(const char *name)
{
    clean_program();
    git_box_do(
        "git init -q %s && cd %s && git config filter.lfs.clean %s/clean && git config filter.lfs.smudge cat "
        "&& "
        "echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' >.gitattributes && "
        "printf one >a.txt && printf same >same.txt && mkdir -p sub/deep gone && printf x >sub/deep/x && "
        "printf gone >gone/file && ln -s a.txt link && printf '#!/bin/sh\\n' >run && chmod +x run && "
        "head -c 100000 /dev/zero >model.safetensors && git add . && git commit -qm old && git tag old && "
        "printf 'two two' >a.txt && git rm -qr gone && printf new >gone && ln -sf sub link && "
        "head -c 200000 /dev/zero | tr '\\0' x >model.safetensors && git add -A && git commit -qm main",
        name, name, check_folder());
}

/* The large contents as git-lfs would have left them. */
static void given_objects(const char *name)
{
    git_box_do(
        "cd %s && for n in 100000 200000; do f=$(mktemp); "
        "if [ $n = 100000 ]; then head -c $n /dev/zero; else head -c $n /dev/zero | tr '\\0' x; fi >$f; "
        "s=$(sha256sum <$f | cut -c1-64); d=.git/lfs/objects/$(echo $s | cut -c1-2)/$(echo $s | cut -c3-4); "
        "mkdir -p $d && mv $f $d/$s && chmod 444 $d/$s; done",
        name);
}

static void go(const char *name, const char *ref, bool force, repo_checkout_report *report)
{
    repo_handle *r = open_at(name);
    repo_id tree = tree_of(name, ref);
    repo_checkout_options options = {.force = force};
    check_ok(repo_checkout_tree(r, &tree, &options, report));
    repo_close(r);
    git_box_do("git -C %s update-ref --no-deref HEAD %s", name, ref);
}

/* ---- from tree to tree ---- */

TEST(a_checkout_leaves_a_clean_worktree_with_the_large_file)
{
    repo_checkout_report report = {0};

    given_repository("plain");
    given_objects("plain");
    git_box_do("git -C plain checkout -q --detach");
    go("plain", "old", false, &report);
    check_text(status_of("plain"), "");
    check_text(
        git_box_said(
            "cd plain && cat a.txt gone/file; readlink link; stat -c %%s model.safetensors; test -x run && "
            "echo yes; ls -A"),
        "onegonea.txt\n100000\nyes\n.git\n.gitattributes\na.txt\ngone\nlink\nmodel.safetensors\nrun\nsame."
        "txt\nsub");
    check_int(report.files_written, 4);
    check_int(report.files_removed, 1);
    check_int(report.missing.count, 0);
    repo_checkout_report_free(&report);
    go("plain", "main", false, &report);
    check_text(status_of("plain"), "");
    check_text(git_box_said("cd plain && cat a.txt gone; readlink link; stat -c %%s model.safetensors"),
               "two twonewsub\n200000");
    repo_checkout_report_free(&report);
}

TEST(a_second_checkout_reads_no_file_again)
{
    repo_checkout_report report = {0};

    go("plain", "old", false, &report);
    repo_checkout_report_free(&report);
    /* As young as the index is a file that must be hashed: none is. */
    check_text(git_box_said("cd plain && for f in a.txt model.safetensors; do "
                            "[ $(stat -c %%Y $f) -lt $(stat -c %%Y .git/index) ] || echo $f; done"),
               "");
    go("plain", "main", false, &report);
    repo_checkout_report_free(&report);
}

TEST(local_changes_of_other_files_stay_and_what_would_be_lost_stops_it)
{
    repo_checkout_report report = {0};
    repo_handle *r;
    repo_id tree = tree_of("plain", "old");

    git_box_do("cd plain && printf mine >same.txt && printf staged >new.txt && git add new.txt");
    go("plain", "old", false, &report);
    check_text(status_of("plain"), "A  new.txt\n M same.txt");
    repo_checkout_report_free(&report);
    go("plain", "main", false, &report);
    check_text(status_of("plain"), "A  new.txt\n M same.txt");
    repo_checkout_report_free(&report);

    git_box_do("cd plain && printf mine >a.txt && printf mine >>model.safetensors");
    const char *before = git_box_said("cd plain && ls -lR --time-style=full-iso . && sha256sum .git/index");
    r = open_at("plain");
    check_fails(repo_checkout_tree(r, &tree, NULL, &report), ERR_CONFLICT, "would be overwritten");
    repo_close(r);
    check_int(report.in_the_way.count, 2);
    check_text(report.in_the_way.names[0], "a.txt");
    check_text(report.in_the_way.names[1], "model.safetensors");
    check_text(git_box_said("cd plain && ls -lR --time-style=full-iso . && sha256sum .git/index"), before);
    repo_checkout_report_free(&report);

    go("plain", "old", true, &report);
    check_text(status_of("plain"), "");
    repo_checkout_report_free(&report);
    go("plain", "main", false, &report);
    repo_checkout_report_free(&report);
}

TEST(untracked_files_are_the_persons)
{
    repo_checkout_report report = {0};
    repo_id tree = tree_of("plain", "old");

    git_box_do(
        "cd plain && git rm -q --cached gone && rm gone && mkdir gone && printf mine >gone/other && git "
        "commit -qm without && git tag without");
    repo_handle *r = open_at("plain");
    check_ok(repo_checkout_tree(r, &tree, NULL, &report));
    repo_checkout_report_free(&report);
    git_box_do("cd plain && git update-ref --no-deref HEAD old && test -f gone/other");
    /* main has a file where this folder with a stranger's file is: not even by force. */
    tree = tree_of("plain", "main");
    repo_checkout_options force = {.force = true};
    check_fails(repo_checkout_tree(r, &tree, &force, &report), ERR_CONFLICT, "gone/other");
    repo_checkout_report_free(&report);
    git_box_do("cd plain && rm gone/other && test -f gone/file");
    check_ok(repo_checkout_tree(r, &tree, NULL, &report));
    repo_checkout_report_free(&report);
    repo_close(r);
    git_box_do("cd plain && git update-ref --no-deref HEAD main");
    check_text(status_of("plain"), "");
}

TEST(a_large_file_that_is_not_here_stays_a_pointer_and_is_placed_when_it_comes)
{
    repo_checkout_report report = {0};
    repo_missing_list missing = {0};
    size_t placed = 0;

    git_box_do("git clone -q plain thin && git -C thin checkout -q --detach && "
               "git -C thin fetch -q origin tag old");
    go("thin", "old", false, &report);
    check_int(report.missing.count, 1);
    check_text(report.missing.rows[0].path, "model.safetensors");
    check_int(report.missing.rows[0].pointer.size, 100000);
    check_text(status_of("thin"), "");

    repo_handle *r = open_at("thin");
    check_ok(repo_checkout_missing(r, &missing));
    check_int(missing.count, 1);
    check_ok(repo_checkout_place_fetched(r, &missing, &placed));
    check_int(placed, 0);
    given_objects("thin");
    check_ok(repo_checkout_place_fetched(r, &missing, &placed));
    check_int(placed, 1);
    repo_close(r);
    check_text(git_box_said("stat -c %%s thin/model.safetensors"), "100000");
    check_text(status_of("thin"), "");
    repo_missing_list_free(&missing);
    repo_checkout_report_free(&report);
}

TEST(attributes_come_from_the_tree_that_is_checked_out)
{
    repo_checkout_report report = {0};

    /* '!' sorts before '.gitattributes'. */
    git_box_do(
        "cd plain && git checkout -q --detach && cp model.safetensors '!a.safetensors' && git add . && "
        "git commit -qm bang && git tag bang && git checkout -q --orphan bare && git rm -qrf . && "
        "git commit -q --allow-empty -m empty && git tag empty && git checkout -q --detach && ls -A");
    go("plain", "bang", false, &report);
    check_text(git_box_said("stat -c %%s 'plain/!a.safetensors'"), "200000");
    check_text(status_of("plain"), "");
    repo_checkout_report_free(&report);
    go("plain", "empty", false, &report);
    check_text(git_box_said("ls -A plain"), ".git");
    repo_checkout_report_free(&report);
    go("plain", "main", false, &report);
    repo_checkout_report_free(&report);
}

/* ---- hostile trees ---- */

/* A tree object of one entry with a raw name, whose blob is "../../outside". */
static repo_id tree_with(repo_handle *r, const char *mode, const char *name)
{
    static const char outside[] = "../../outside";
    CLEANUP(bytes_free) bytes raw = {0};
    git_odb *odb = NULL;
    git_oid id;
    repo_id tree;

    check_int(git_repository_odb(&odb, r->git), 0);
    check_int(git_odb_write(&id, odb, outside, strlen(outside), GIT_OBJECT_BLOB), 0);
    bytes_printf(&raw, "%s %s", mode, name);
    bytes_append_byte(&raw, 0);
    bytes_append(&raw, &id, GIT_OID_RAWSZ);
    check_int(git_odb_write(&id, odb, raw.data, raw.size, GIT_OBJECT_TREE), 0);
    git_odb_free(odb);
    repo_id_of(&id, &tree);
    return tree;
}

TEST(no_name_of_a_tree_leads_out_or_into_git)
{
    static const char *const names[] = {"..",
                                        ".",
                                        ".git",
                                        ".GIT",
                                        ".Git ",
                                        ".git.",
                                        "git~1",
                                        ".git::$INDEX",
                                        "a/b",
                                        "/etc/x",
                                        "GIT~1",
                                        "x\\.git\\y",
                                        ".g\342\200\214it",
                                        ".git\\config"};
    repo_checkout_report report = {0};
    repo_handle *r = open_at("plain");

    char *before = strdup(git_box_said("ls -A plain . && sha256sum plain/.git/config plain/.git/index"));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        repo_id tree = tree_with(r, "100644", names[i]);
        err e = repo_checkout_tree(r, &tree, NULL, &report);
        if (e.code != ERR_FORMAT || !strstr(e.text, "nothing was written"))
            fail_msg("%s: %s", names[i], e.text);
        repo_checkout_report_free(&report);
    }
    check_text(git_box_said("ls -A plain . && sha256sum plain/.git/config plain/.git/index"), before);
    free(before);
    repo_close(r);
}

TEST(links_that_leave_are_small_files_and_are_told)
{
    repo_checkout_report report = {0};
    repo_checkout_options force = {.force = true};
    repo_handle *r = open_at("plain");
    repo_id tree = tree_with(r, "120000", "way");

    check_ok(repo_checkout_tree(r, &tree, &force, &report));
    check_int(report.links.count, 1);
    check_text(report.links.names[0], "way");
    check_text(git_box_said("cd plain && test ! -L way && cat way"), "../../outside");
    repo_checkout_report_free(&report);
    tree = tree_of("plain", "main");
    check_ok(repo_checkout_tree(r, &tree, &force, &report));
    repo_checkout_report_free(&report);
    repo_close(r);
    check_text(status_of("plain"), "");
}

TEST(a_link_in_the_way_of_a_folder_is_not_followed)
{
    repo_checkout_report report = {0};
    repo_checkout_options force = {.force = true};
    repo_id tree = tree_of("plain", "old");

    git_box_do(
        "mkdir -p outside && cd plain && git rm -q gone && git commit -qm nogone && ln -s ../outside gone");
    repo_handle *r = open_at("plain");
    check_fails(repo_checkout_tree(r, &tree, NULL, &report), ERR_CONFLICT, "gone");
    check_text(git_box_said("ls -A outside"), "");
    repo_checkout_report_free(&report);
    check_ok(repo_checkout_tree(r, &tree, &force, &report));
    check_text(git_box_said("ls -A outside; test ! -L plain/gone && cat plain/gone/file"), "gone");
    repo_checkout_report_free(&report);
    repo_close(r);
    git_box_do("cd plain && git update-ref --no-deref HEAD old");
    go("plain", "main", false, &report);
    repo_checkout_report_free(&report);
}

TEST(names_that_a_file_system_takes_for_one_are_refused)
{
    repo_checkout_report report = {0};
    git_box_do(
        "cd plain && git checkout -q --detach main && printf 1 >twin && printf 2 >TWIN && git add . && "
        "git commit -qm twins && git tag twins && git checkout -q --detach main && git config "
        "core.ignorecase true");
    repo_handle *r = open_at("plain");
    repo_id tree = tree_of("plain", "twins");
    check_fails(repo_checkout_tree(r, &tree, NULL, &report), ERR_UNSUPPORTED, "one name");
    repo_close(r);
    git_box_do("cd plain && git config core.ignorecase false");
    repo_checkout_report_free(&report);
}

TEST(walking_the_folders_gives_the_same_answers_as_openat2)
{
    char path[512];
    git_box_do(
        "mkdir -p walk/a/b outside && printf x >walk/a/b/f && ln -s ../outside walk/out && ln -s a walk/in");
    snprintf(path, sizeof path, "%s/walk", check_folder());
    for (int walks = 0; walks < 2; walks++) {
        repo_beneath b;
        struct stat info;
        const char *name;
        int fd;
        check_ok(repo_beneath_open(path, &b));
        b.walks = walks;
        check_true(repo_beneath_look(&b, "a/b/f", &info));
        check_fails(repo_beneath_parent(&b, "out/f", true, &fd, &name), ERR_CONFLICT, "link");
        check_fails(repo_beneath_parent(&b, "in/b/f", true, &fd, &name), ERR_CONFLICT, "link");
        check_fails(repo_beneath_parent(&b, "a/b/f/x", true, &fd, &name), ERR_CONFLICT, "file");
        check_fails(repo_beneath_parent(&b, "no/f", false, &fd, &name), ERR_NOT_FOUND, "no folder");
        check_fails(repo_beneath_parent(&b, "../outside/f", true, &fd, &name), ERR_FORMAT, "..");
        check_fails(repo_beneath_parent(&b, "/etc/passwd", false, &fd, &name), ERR_FORMAT, "empty");
        check_ok(repo_beneath_parent(&b, walks ? "new/w/f" : "new/o/f", true, &fd, &name));
        repo_beneath_close(&b);
    }
}

/* ---- full disk ---- */

TEST(a_full_disk_leaves_the_old_state)
{
    repo_checkout_report report = {0};
    repo_checkout_options none = {0};

    go("plain", "old", true, &report);
    repo_checkout_report_free(&report);
    const char *before = git_box_said("cd plain && ls -lR --time-style=full-iso . && sha256sum .git/index");
    repo_id tree = tree_of("plain", "main");
    repo_handle *r = open_at("plain");
    pid_t child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        struct rlimit limit = {150000, 150000}; /* under the 200 kB of main's model */
        setrlimit(RLIMIT_FSIZE, &limit);
        err e = repo_checkout_tree(r, &tree, &none, &report);
        _exit(e.code == ERR_IO && strstr(e.text, "model.safetensors") ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    check_int(status, 0);
    check_text(git_box_said("cd plain && ls -lR --time-style=full-iso . && sha256sum .git/index"), before);
    check_ok(repo_checkout_tree(r, &tree, &none, &report));
    repo_close(r);
    git_box_do("cd plain && git update-ref --no-deref HEAD main");
    check_text(status_of("plain"), "");
    repo_checkout_report_free(&report);
}

TEST(a_big_plain_file_comes_by_way_of_git)
{
    repo_checkout_report report = {0};
    git_box_do(
        "git init -q bulk && cd bulk && git config core.compression 1 && git commit -q --allow-empty -m none "
        "&& "
        "git tag none && truncate -s 270M plain.dat && git add . && git commit -qm big && git tag big && rm "
        "plain.dat && git checkout -q --detach none");
    go("bulk", "big", false, &report);
    check_int(report.bytes_written, 270 << 20);
    check_text(status_of("bulk"), "");
    git_box_do("cd bulk && truncate -s 270M ../zeros && cmp plain.dat ../zeros && rm ../zeros plain.dat");
    repo_checkout_report_free(&report);
}

/* ---- into an empty folder ---- */

TEST(a_new_worktree_is_clean_to_git_at_once)
{
    repo_checkout_report report = {0};

    git_box_do("git -C plain worktree add -q --no-checkout --detach ../linked old");
    repo_handle *r = open_at("linked");
    repo_id tree = tree_of("plain", "old");
    check_ok(repo_checkout_into_empty(r, &tree, NULL, NULL, &report));
    repo_close(r);
    check_text(status_of("linked"), "");
    check_int(report.missing.count, 0);
    check_text(git_box_said("stat -c %%s linked/model.safetensors"), "100000");
    repo_checkout_report_free(&report);
}

static err link_place(void *context, const char *object, int folder, const char *name)
{
    (void)context;
    return linkat(AT_FDCWD, object, folder, name, 0) == 0 ? ERR_OK : err_errno("link %s", name);
}

TEST(a_layer_is_read_only_and_of_one_date)
{
    char path[512];
    repo_checkout_report report = {0};

    git_box_do("mkdir layer");
    snprintf(path, sizeof path, "%s/layer", check_folder());
    repo_handle *r = open_at("plain");
    repo_id tree = tree_of("plain", "old");
    check_ok(repo_checkout_layer(r, &tree, path, link_place, NULL, &report));
    repo_close(r);
    check_text(git_box_said("cd layer && find . -type f -printf '%%p %%m %%TY %%n\\n' | LC_ALL=C sort"),
               "./.gitattributes 444 2000 1\n./a.txt 444 2000 1\n./gone/file 444 2000 1\n./model.safetensors "
               "444 2000 2\n"
               "./run 555 2000 1\n./same.txt 444 2000 1\n./sub/deep/x 444 2000 1");
    repo_checkout_report_free(&report);
}

/* ---- libgit2's own checkouts, by way of the filter ---- */

TEST(libgit2_itself_writes_large_files_and_takes_them_in)
{
    repo_handle *r = open_at("thin");
    git_object *commit = NULL;
    git_checkout_options options = GIT_CHECKOUT_OPTIONS_INIT;
    git_index *index = NULL;

    options.checkout_strategy = GIT_CHECKOUT_FORCE;
    check_int(git_revparse_single(&commit, r->git, "old"), 0);
    git_box_do("rm thin/model.safetensors");
    check_int(git_checkout_tree(r->git, commit, &options), 0);
    check_text(git_box_said("stat -c %%s thin/model.safetensors"), "100000");
    git_object_free(commit);
    git_box_do("head -c 300000 /dev/zero | tr '\\0' y >thin/model.safetensors");
    check_int(git_repository_index(&index, r->git), 0);
    check_int(git_index_add_bypath(index, "model.safetensors"), 0);
    check_int(git_index_write(index), 0);
    git_index_free(index);
    repo_close(r);
    check_text(
        git_box_said("cd thin && git show :model.safetensors | grep size && "
                     "stat -c '%%s %%a' .git/lfs/objects/*/*/$(sha256sum <model.safetensors | cut -c1-64)"),
        "size 300000\n300000 444");
    check_text(status_of("thin"), "M  model.safetensors");
}

TEST(what_is_no_pointer_passes_the_filter_unchanged)
{
    static const int sizes[] = {0, 1, 1022, 1023, 1024, 1025, 70000};
    repo_handle *r = open_at("thin");

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        git_box_do("cd thin && head -c %d /dev/urandom >raw && git hash-object -w --no-filters raw >id",
                   sizes[i]);
        git_oid id;
        git_blob *blob = NULL;
        git_filter_list *filters = NULL;
        git_buf out = {0};
        check_int(git_oid_fromstr(&id, git_box_said("cat thin/id")), 0);
        check_int(git_blob_lookup(&blob, r->git, &id), 0);
        check_int(git_filter_list_load(&filters, r->git, blob, "raw.safetensors", GIT_FILTER_SMUDGE, 0), 0);
        check_true(git_filter_list_contains(filters, "lfs"));
        check_int(git_filter_list_apply_to_blob(&out, filters, blob), 0);
        check_int(out.size, sizes[i]);
        assert_memory_equal(out.ptr ? out.ptr : "", git_blob_rawcontent(blob), out.size);
        git_buf_dispose(&out);
        git_filter_list_free(filters);
        git_blob_free(blob);
    }
    repo_close(r);
}

TEST(an_object_that_cannot_be_read_fails_the_checkout_with_its_name)
{
    git_object *commit = NULL;
    git_checkout_options options = GIT_CHECKOUT_OPTIONS_INIT;

    git_box_do("cd thin && for f in .git/lfs/objects/*/*/*; do [ $(stat -c %%s $f) != 100000 ] || { "
               "rm $f && mkdir $f; }; done; rm model.safetensors");
    repo_handle *r = open_at("thin");
    options.checkout_strategy = GIT_CHECKOUT_FORCE;
    check_int(git_revparse_single(&commit, r->git, "old"), 0);
    check_int(git_checkout_tree(r->git, commit, &options), 0);
    git_object_free(commit);
    repo_close(r);
    check_text(git_box_said("head -c 7 thin/model.safetensors"), "version");
}

TESTS(RUN(a_checkout_leaves_a_clean_worktree_with_the_large_file), RUN(a_second_checkout_reads_no_file_again),
      RUN(local_changes_of_other_files_stay_and_what_would_be_lost_stops_it),
      RUN(untracked_files_are_the_persons),
      RUN(a_large_file_that_is_not_here_stays_a_pointer_and_is_placed_when_it_comes),
      RUN(attributes_come_from_the_tree_that_is_checked_out), RUN(no_name_of_a_tree_leads_out_or_into_git),
      RUN(links_that_leave_are_small_files_and_are_told), RUN(a_link_in_the_way_of_a_folder_is_not_followed),
      RUN(names_that_a_file_system_takes_for_one_are_refused),
      RUN(walking_the_folders_gives_the_same_answers_as_openat2), RUN(a_full_disk_leaves_the_old_state),
      RUN(a_big_plain_file_comes_by_way_of_git), RUN(a_new_worktree_is_clean_to_git_at_once),
      RUN(a_layer_is_read_only_and_of_one_date), RUN(libgit2_itself_writes_large_files_and_takes_them_in),
      RUN(what_is_no_pointer_passes_the_filter_unchanged),
      RUN(an_object_that_cannot_be_read_fails_the_checkout_with_its_name))
