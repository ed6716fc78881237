#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "repo/worktree/layers.h"
#include "repo/worktree/mounts.h"
#include "tests/support/git_box.h"

/* A models folder with one model: a large file of 100000 bytes under LFS, in two commits that differ in a
 * small file; the work is done in `models`. */
static const char *models(void)
{
    static char path[512];
    const repo_context *c = git_box();

    if (path[0]) return path;
    check_ok(repo_start(c));
    snprintf(path, sizeof path, "%s/models", check_folder());
    git_box_do(
        "git init -q models/m && cd models/m && "
        "echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' >.gitattributes && "
        "head -c 100000 /dev/urandom >weights && "
        "oid=$(sha256sum weights | cut -c1-64) && "
        "dir=.git/lfs/objects/$(echo $oid | cut -c1-2)/$(echo $oid | cut -c3-4) && mkdir -p $dir && "
        "mv weights $dir/$oid && chmod 644 $dir/$oid && "
        "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%%s\\nsize 100000\\n' $oid "
        ">model.safetensors && "
        "mkdir sub && echo one >sub/config.json && echo '#!/bin/sh' >run && chmod 755 run && "
        "git -c core.attributesFile=/dev/null -c filter.lfs.clean=cat -c filter.lfs.required=false add . && "
        "git commit -qm first && git tag first && "
        "echo two >sub/config.json && git commit -qam second && git tag second");
    return path;
}

static repo_handle *model(void)
{
    char path[600];
    repo_handle *r;
    snprintf(path, sizeof path, "%s/m", models());
    check_ok(repo_open(git_box(), path, &r));
    return r;
}

static repo_id tree_of(const char *ref)
{
    repo_id id;
    snprintf(id.hex, sizeof id.hex, "%s", git_box_said("git -C models/m rev-parse '%s^{tree}'", ref));
    return id;
}

static repo_layer layer_of(const char *ref, size_t *missing)
{
    repo_checkout_report report = {0};
    repo_layer layer;
    repo_id tree = tree_of(ref);
    repo_handle *r = model();
    int lock = -1;

    check_ok(repo_layers_lock(git_box(), models(), &lock));
    check_ok(repo_layer_get(models(), r, &tree, &layer, &report));
    close(lock);
    if (missing) *missing = report.missing.count;
    repo_checkout_report_free(&report);
    repo_close(r);
    return layer;
}

static const char *listing(const repo_layer *layer)
{
    return git_box_said("cd '%s' && find . ! -type d -printf '%%P %%m %%n %%TY-%%Tm-%%Td\\n' | LC_ALL=C sort",
                        layer->path);
}

static void layers_clear(void) { git_box_do("rm -rf models/.layers"); }

TEST(a_layer_is_made_once_and_its_large_file_is_the_stores)
{
    repo_id tree = (models(), tree_of("first"));

    layers_clear();
    repo_layer layer = layer_of("first", NULL), again = layer_of("first", NULL);
    check_true(layer.is_new && !again.is_new);
    check_text(layer.name, tree.hex);
    check_text(layer.path, again.path);
    check_text(listing(&layer), ".gitattributes 444 1 2000-01-01\nmodel.safetensors 444 2 2000-01-01\n"
                                "run 555 1 2000-01-01\nsub/config.json 444 1 2000-01-01");
    check_text(git_box_said("ls -A models/.staging; ls -A models/.layers/%s", layer.name),
               ".complete\nfiles");
    repo_layer_free(&layer);
    repo_layer_free(&again);
}

TEST(two_trees_share_the_large_file_and_nothing_else)
{
    models();
    layers_clear();
    repo_layer a = layer_of("first", NULL), b = layer_of("second", NULL);
    check_true(strcmp(a.name, b.name) != 0);
    check_text(git_box_said("stat -c %%h '%s/model.safetensors'", b.path), "3");
    check_text(git_box_said("cat '%s/sub/config.json' '%s/sub/config.json'", a.path, b.path), "one\ntwo");
    repo_layer_free(&a);
    repo_layer_free(&b);
}

TEST(a_layer_with_missing_files_has_a_name_of_its_own_until_they_come)
{
    size_t missing = 0;

    models();
    layers_clear();
    git_box_do("mv models/m/.git/lfs models/m/.git/away");
    repo_layer part = layer_of("first", &missing);
    check_int(missing, 1);
    check_true(strlen(part.name) > 40);
    check_text(git_box_said("head -1 '%s/model.safetensors'", part.path),
               "version https://git-lfs.github.com/spec/v1");
    repo_layer same = layer_of("first", &missing);
    check_text(same.name, part.name);
    git_box_do("rm -rf models/m/.git/lfs && mv models/m/.git/away models/m/.git/lfs");
    repo_layer whole = layer_of("first", &missing);
    check_int(missing, 0);
    check_int(strlen(whole.name), 40);
    check_text(git_box_said("stat -c %%s '%s/model.safetensors'", whole.path), "100000");
    check_text(git_box_said("ls -A models/.staging"), "");
    repo_layer_free(&part);
    repo_layer_free(&same);
    repo_layer_free(&whole);
}

TEST(what_a_kill_left_under_a_layers_name_is_made_anew)
{
    repo_id tree = (models(), tree_of("first"));

    layers_clear();
    git_box_do("mkdir -p models/.layers/%s/files && echo junk >models/.layers/%s/files/junk", tree.hex,
               tree.hex);
    repo_layer layer = layer_of("first", NULL);
    check_true(layer.is_new);
    check_text(git_box_said("ls '%s'", layer.path), "model.safetensors\nrun\nsub");
    repo_layer_free(&layer);
}

TEST(four_processes_make_one_layer)
{
    enum { PROCESSES = 4 };
    pid_t ids[PROCESSES];
    int status, made = 0;

    models();
    layers_clear();
    for (int i = 0; i < PROCESSES; i++) {
        ids[i] = fork();
        if (ids[i] == 0) {
            repo_layer layer = layer_of("second", NULL);
            bool is_new = layer.is_new;
            repo_layer_free(&layer);
            _exit(is_new ? 1 : 0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        check_int(waitpid(ids[i], &status, 0), ids[i]);
        check_true(WIFEXITED(status));
        made += WEXITSTATUS(status);
    }
    check_int(made, 1);
    check_text(git_box_said("ls models/.layers | wc -l; ls -A models/.staging"), "1");
}

TEST(pruning_keeps_what_is_used_and_the_newest)
{
    repo_names used = {0};
    uint64_t freed = 0;

    models();
    layers_clear();
    git_box_do("cd models/m && for i in 1 2 3; do echo $i >sub/config.json && git -c filter.lfs.clean=cat "
               "-c filter.lfs.required=false commit -qam $i && git tag n$i; done");
    repo_layer rows[3] = {layer_of("n1", NULL), layer_of("n2", NULL), layer_of("n3", NULL)};
    for (int i = 0; i < 3; i++)
        git_box_do("touch -d '2020-01-0%d' models/.layers/%s/.complete", i + 1, rows[i].name);
    repo_names_add(&used, rows[0].name);
    check_ok(repo_layers_prune(models(), &used, 150000, &freed));
    check_text(git_box_said("ls models/.layers | wc -l"), "2");
    check_true(file_exists(rows[0].path) && !file_exists(rows[1].path) && file_exists(rows[2].path));
    check_true(freed > 100000 && freed < 101000);
    check_ok(repo_layers_prune(models(), &used, 0, NULL));
    check_true(file_exists(rows[0].path) && !file_exists(rows[2].path));
    check_text(git_box_said("stat -c %%h '%s/model.safetensors'", rows[0].path), "2");
    for (int i = 0; i < 3; i++) repo_layer_free(&rows[i]);
    repo_names_free(&used);
}

/* ---- mounts ---- */

TEST(lines_of_mountinfo_are_read_as_the_kernel_writes_them)
{
    repo_mount m;

    check_true(repo_mounts_line(
        "42 27 0:39 / /a\\040b/c\\134d rw,nodev shared:1 master:2 - overlay over\\054 rw,x", &m));
    check_text(m.path, "/a b/c\\d");
    check_text(m.type, "overlay");
    check_text(m.source, "over,");
    free(m.path), free(m.type), free(m.source);
    check_true(!repo_mounts_line("", &m));
    check_true(!repo_mounts_line("42 27 - ", &m));
    check_true(!repo_mounts_line("42 27 0:39 / /a rw", &m));
    check_true(!repo_mounts_line("42 27 0:39 / /a rw - ", &m));
}

TEST(who_uses_a_folder_is_named)
{
    CLEANUP(bytes_free) bytes users = {0};
    char path[600], wanted[64];

    git_box_do("mkdir -p used/by");
    snprintf(path, sizeof path, "%s/used", check_folder());
    repo_mounts_users(path, &users);
    check_text(bytes_text(&users), "");
    snprintf(path, sizeof path, "%s/used/by", check_folder());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "%s/used", check_folder());
    repo_mounts_users(path, &users);
    close(fd);
    snprintf(wanted, sizeof wanted, "(%ld)", (long)getpid());
    check_true(check_text_holds(bytes_text(&users), wanted));
    check_true(check_text_holds(bytes_text(&users), "repo_test_layer"));
}

TESTS(RUN(a_layer_is_made_once_and_its_large_file_is_the_stores),
      RUN(two_trees_share_the_large_file_and_nothing_else),
      RUN(a_layer_with_missing_files_has_a_name_of_its_own_until_they_come),
      RUN(what_a_kill_left_under_a_layers_name_is_made_anew), RUN(four_processes_make_one_layer),
      RUN(pruning_keeps_what_is_used_and_the_newest),
      RUN(lines_of_mountinfo_are_read_as_the_kernel_writes_them), RUN(who_uses_a_folder_is_named))
