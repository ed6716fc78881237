#define _GNU_SOURCE
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "repo/attributes.h"
#include "repo/handle_internal.h"
#include "repo/stage.h"
#include "repo/status.h"
#include "repo/switch.h"
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

/* git-lfs in the box's own configuration, or its clean and smudge in a few lines where it is not installed.
 */
static void lfs_set_up(void)
{
    git_box();
    git_box_do("if git lfs version >lfs.txt 2>&1; then git lfs install --skip-repo >lfs.txt; else\n"
               "cat >clean <<'X'\n#!/bin/sh\nf=$0.$$; cat >$f\n"
               "if [ ! -s $f ] || head -c 7 $f | grep -q '^version'; then cat $f; else\n"
               "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%%s\\nsize %%s\\n' "
               "$(sha256sum <$f | cut -c1-64) $(stat -c %%s $f); fi\nrm $f\nX\n"
               "chmod +x clean; git config --global filter.lfs.clean %s/clean; git config --global "
               "filter.lfs.smudge "
               "cat; fi",
               check_folder());
}

static void given_repository(const char *name)
{
    lfs_set_up();
    git_box_do(
        "git init -q %s && cd %s && echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' >.gitattributes "
        "&& "
        "mkdir -p adapters sub && printf one >a.txt && printf two >sub/b.txt && printf '*.log\\nout/\\n' "
        ">.gitignore && head -c 100000 /dev/zero >model.safetensors && printf x >adapters/00_x.safetensors "
        "&& "
        "ln -s a.txt link && printf '#!' >run && chmod +x run && git add . && git commit -qm first",
        name, name);
}

/* Our status as git's porcelain prints it. Borrowed until the next call. */
static const char *ours(const char *name, bool files)
{
    static bytes text;
    repo_handle *r = open_at(name);
    repo_status status = {0};
    repo_status_options options = {.untracked = true, .untracked_files = files};

    check_ok(repo_status_read(r, &options, &status));
    bytes_clear(&text);
    for (size_t i = 0; i < status.count; i++)
        bytes_printf(&text, "%s%c%c %s", i ? "\n" : "", status.rows[i].staged, status.rows[i].unstaged,
                     status.rows[i].path);
    repo_status_free(&status);
    repo_close(r);
    return bytes_text(&text);
}

static const char *gits(const char *name, bool files)
{
    return git_box_said("git -C %s status --porcelain -z --no-renames %s | tr '\\0' '\\n'", name,
                        files ? "-uall" : "");
}

/* git looks first, and then again at what our look left in the index. */
#define check_agreed(name)                                                                                   \
    do {                                                                                                     \
        check_text(ours(name, false), gits(name, false));                                                    \
        check_text(gits(name, true), ours(name, true));                                                      \
    } while (0)

static void stage(const char *name, const char *path)
{
    repo_handle *r = open_at(name);
    repo_stage_report report = {0};
    check_ok(repo_stage(r, path ? &path : NULL, path ? 1 : 0, &report));
    repo_stage_report_free(&report);
    repo_close(r);
}

static void switch_to(const char *name, repo_switch_options options, repo_switch_report *report)
{
    repo_handle *r = open_at(name);
    check_ok(repo_switch(r, &options, report));
    repo_close(r);
}

/* ---- status ---- */

TEST(status_says_what_git_says_in_every_state)
{
    static const char *const changes[] = {
        "printf ONE >a.txt",
        "printf three >>a.txt",
        "rm sub/b.txt",
        "rm link && ln -s run link",
        "chmod -x run",
        "chmod +x run",
        "rm run && ln -s a.txt run",
        "head -c 100000 /dev/zero | tr '\\0' x >model.safetensors",
        "head -c 100000 /dev/zero >model.safetensors",
        "printf yy >>adapters/00_x.safetensors",
        ": >adapters/00_x.safetensors",
        "printf new >new.txt; printf new >sub/new.txt; mkdir -p d/e empty; printf z >d/e/z; printf l >a.log; "
        "mkdir -p out "
        "onlyignored; printf o >out/o; printf o >onlyignored/x.log",
        "printf '!keep.log\\n' >>.gitignore; printf k >keep.log",
        "git add new.txt d",
        "printf changed >>new.txt; rm d/e/z",
        "git add -N sub/new.txt",
        "git rm -q --cached a.txt",
        "rm -rf sub && printf file >sub",
        "rm a.txt && mkdir a.txt && printf in >a.txt/in",
        "git init -q nested && printf n >nested/n && git -C nested add n && git -C nested commit -qm n",
        "git add -A . 2>/dev/null; true",
        "touch model.safetensors a.txt",
        "printf 'a name' >'with space'; printf q >'q\"uote'; true",
    };

    given_repository("all");
    check_agreed("all");
    git_box_do("git config --global core.quotePath false");
    for (size_t i = 0; i < COUNT_OF(changes) - 1; i++) {
        git_box_do("cd all && %s", changes[i]);
        check_text(ours("all", false), gits("all", false));
        check_text(ours("all", true), gits("all", true));
    }
}

TEST(unmerged_paths_have_gits_letters)
{
    given_repository("merge");
    git_box_do(
        "cd merge && printf base >both && printf base >gone && git add . && git commit -qm base && "
        "git checkout -q -b other && printf theirs >both && git rm -q gone && printf t >added && git add . "
        "&& "
        "git commit -qm theirs && git checkout -q main && printf ours >both && printf o >gone && printf o "
        ">added && git add . && git commit -qm ours && ! git merge -q other >merge.log 2>&1");
    check_agreed("merge");
    check_true(check_text_holds(ours("merge", false), "UU both"));
    check_true(check_text_holds(ours("merge", false), "UD gone"));
    repo_handle *r = open_at("merge");
    repo_status status = {0};
    check_ok(repo_status_read(r, NULL, &status));
    check_text(status.doing, "merge");
    repo_status_free(&status);
    repo_close(r);
    stage("merge", "both");
    check_agreed("merge");
    check_true(check_text_holds(ours("merge", false), "M  both"));
}

TEST(equal_size_and_equal_date_do_not_hide_a_change)
{
    given_repository("racy");
    /* Within one tick of the clock, or with a date that was put back: the change time still tells. */
    for (int i = 0; i < 20; i++) {
        git_box_do("cd racy && printf on%d >a.txt && git add a.txt && printf no%d >a.txt", i % 10, i % 10);
        check_text(ours("racy", false), "MM a.txt");
        check_text(gits("racy", false), "MM a.txt");
    }
    git_box_do("cd racy && cp -p model.safetensors ../kept && head -c 100000 /dev/zero | tr '\\0' y "
               ">model.safetensors && touch -r ../kept model.safetensors");
    check_true(check_text_holds(ours("racy", false), " M model.safetensors"));
}

TEST(touched_files_are_read_once_and_then_known)
{
    given_repository("touched");
    git_box_do("cd touched && sleep 1.1 && touch model.safetensors a.txt");
    const char *before = git_box_said("sha256sum <touched/.git/index");
    check_text(ours("touched", false), "");
    const char *after = git_box_said("sha256sum <touched/.git/index");
    check_true(strcmp(before, after) != 0);
    check_text(ours("touched", false), "");
    check_text(git_box_said("sha256sum <touched/.git/index"), after);
    git_box_do("cd touched && git fsck --strict && git diff-files --quiet && [ ! -e .git/index.lock ]");
    for (int version = 2; version <= 4; version++) {
        git_box_do(
            "cd touched && git update-index --index-version %d && sleep 0.02 && touch sub/b.txt link run",
            version);
        check_text(ours("touched", false), "");
        git_box_do("cd touched && git ls-files --debug | grep -q mtime && git diff-files --quiet");
    }
}

TEST(a_lock_of_another_git_stops_no_status)
{
    git_box_do("cd touched && touch a.txt && : >.git/index.lock && sha256sum <.git/index >../sum");
    check_text(ours("touched", false), "");
    git_box_do("cd touched && sha256sum <.git/index | cmp - ../sum && rm .git/index.lock");
}

TEST(pointers_that_stand_in_the_worktree_are_told_and_no_change)
{
    given_repository("full");
    git_box_do(
        "GIT_LFS_SKIP_SMUDGE=1 git clone -q full pointers && git -C pointers show HEAD:model.safetensors "
        ">pointers/model.safetensors");
    repo_handle *r = open_at("pointers");
    repo_status status = {0};
    check_ok(repo_status_read(r, NULL, &status));
    check_int(status.count, 0);
    check_text(status.branch, "main");
    check_text(status.upstream, "origin/main");
    check_int(status.ahead, 0);
    check_true(status.missing.count >= 1);
    check_text(status.missing.names[status.missing.count - 1], "model.safetensors");
    repo_status_free(&status);
    repo_close(r);
}

TEST(libgit2_agrees_where_nothing_is_large)
{
    given_repository("small");
    git_box_do("cd small && git rm -q --cached model.safetensors adapters/00_x.safetensors && rm -rf "
               "adapters *.safetensors && "
               "git commit -qm small && printf new >n && printf more >>a.txt && git rm -q sub/b.txt && chmod "
               "+x a.txt");
    repo_handle *r = open_at("small");
    git_status_options options = GIT_STATUS_OPTIONS_INIT;
    git_status_list *list = NULL;
    repo_status status = {0};

    options.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED;
    check_ok(repo_status_read(r, NULL, &status));
    check_int(git_status_list_new(&list, r->git, &options), 0);
    check_int(git_status_list_entrycount(list), status.count);
    for (size_t i = 0; i < status.count; i++) {
        unsigned flags = 0;
        check_int(git_status_file(&flags, r->git, status.rows[i].path), 0);
        check_int(!!(flags & GIT_STATUS_WT_NEW), status.rows[i].unstaged == '?');
        check_int(!!(flags & GIT_STATUS_WT_MODIFIED), status.rows[i].unstaged == 'M');
        check_int(!!(flags & GIT_STATUS_INDEX_DELETED), status.rows[i].staged == 'D');
    }
    git_status_list_free(list);
    repo_status_free(&status);
    repo_close(r);
}

/* "R  old -> new", as git prints it. */
static const char *ours_renamed(const char *name)
{
    static bytes text;
    repo_handle *r = open_at(name);
    repo_status status = {0};
    const repo_status_options options = {.untracked = true, .untracked_files = true, .renames = true};

    check_ok(repo_status_read(r, &options, &status));
    bytes_clear(&text);
    for (size_t i = 0; i < status.count; i++) {
        const repo_status_row *row = &status.rows[i];
        bytes_printf(&text, "%s%c%c %s%s%s", i ? "\n" : "", row->staged, row->unstaged,
                     row->from ? row->from : "", row->from ? " -> " : "", row->path);
    }
    repo_status_free(&status);
    repo_close(r);
    return bytes_text(&text);
}

#define check_renames(name)                                                                                  \
    check_text(ours_renamed(name), git_box_said("git -C %s status --porcelain -uall", name))

TEST(a_renamed_file_is_one_row_as_with_git)
{
    static const char *const changes[] = {
        "git mv a a2",
        "sed -i 5s/5/five/ a2 && git add a2",
        "sed -i 6s/6/six/ a2",
        "mkdir -p sub && git mv b c sub/ && sed -i 1,9d sub/b && git add sub",
        "git mv w.safetensors v.safetensors",
        "printf 'another one\n' >a && git add a",
        "git rm -q --cached long && cp long longer && seq 10 >>longer && git add longer",
        "git mv one uno && git mv two due && sed -i 's/3/three/' uno due && git add uno due",
        "git mv empty void && git mv link links && git mv run ran",
        "seq 30 >intended && git add -N intended",
        "git config status.renames false",
        "git config status.renames true",
    };
    lfs_set_up();
    git_box_do("git init -q moved && cd moved && echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' "
               ">.gitattributes && seq 20 >a && seq 100 130 >b && seq 200 220 >c && seq 1000 3000 >long && "
               "seq 40 60 >one && seq 40 60 | tac >two && : >empty && ln -s a link && printf '#!\n' >run && "
               "chmod +x run && head -c 5000 /dev/zero >w.safetensors && git add . && git commit -qm base");
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        git_box_do("cd moved && %s", changes[i]);
        check_renames("moved");
    }
    check_true(strstr(ours_renamed("moved"), "R  w.safetensors -> v.safetensors") != NULL);
    check_true(strstr(ours("moved", true), "A  v.safetensors") != NULL);
}

/* Files that went, came, changed a little or much, kept their name in another folder or not. */
TEST(renames_at_random_are_gits)
{
    for (int seed = 1; seed <= 12; seed++) {
        git_box_do("rm -rf many && git init -q many && cd many && python3 - %d <<'END'\n"
                   "import os, random, subprocess, sys\n"
                   "r = random.Random(int(sys.argv[1]))\n"
                   "for i in range(12):\n"
                   "    folder = r.choice(['.', 'p', 'q/r'])\n"
                   "    os.makedirs(folder, exist_ok=True)\n"
                   "    with open(f'{folder}/f{i}', 'w') as f:\n"
                   "        f.writelines(f'{i} {r.random()} {k}\\n' for k in range(r.randint(1, 40)))\n"
                   "subprocess.run('git add . && git commit -qm base', shell=True, check=True)\n"
                   "for path in subprocess.run(['git', 'ls-files'], capture_output=True, "
                   "text=True).stdout.split():\n"
                   "    if r.random() < 0.3: continue\n"
                   "    lines = open(path).readlines()\n"
                   "    keep = r.choice([1, 1, .9, .8, .6, .4, .1])\n"
                   "    lines = [l if r.random() < keep else f'new {r.random()}\\n' for l in lines]\n"
                   "    os.remove(path)\n"
                   "    new = r.choice([os.path.basename(path), f'n{r.randint(0, 99)}'])\n"
                   "    folder = r.choice(['.', 'p', 'q/r', 's'])\n"
                   "    os.makedirs(folder, exist_ok=True)\n"
                   "    open(f'{folder}/{new}', 'w').writelines(lines)\n"
                   "subprocess.run('git add -A', shell=True, check=True)\n"
                   "END",
                   seed);
        check_renames("many");
    }
}

/* ---- stage, unstage, discard ---- */

TEST(stage_makes_the_index_and_the_blobs_that_git_add_makes)
{
    given_repository("one");
    git_box_do("cp -a one two");
    static const char change[] =
        "printf more >>a.txt && rm sub/b.txt && head -c 123456 /dev/zero | tr '\\0' z >model.safetensors && "
        "printf n >new.txt && mkdir -p deep/er && printf d >deep/er/d && : >adapters/00_x.safetensors && ln "
        "-s x l2 && "
        "printf p >p && chmod +x p && head -c 50 /dev/zero >'adapters/a b.safetensors' && "
        "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%064d\\nsize 5\\n' 7 "
        ">adapters/p.safetensors";
    git_box_do("cd one && %s", change);
    git_box_do("cd two && %s && git add -A", change);
    stage("one", NULL);
    check_text(git_box_said("git -C one ls-files -s"), git_box_said("git -C two ls-files -s"));
    check_text(gits("one", false), gits("two", false));
    check_agreed("one");
    git_box_do("cd one && git fsck --strict && git commit -qm staged && git diff --quiet HEAD");
    check_text(git_box_said("cd one && sha256sum <model.safetensors | cut -c1-64"),
               git_box_said("cd one && cat .git/lfs/objects/*/*/$(git show HEAD:model.safetensors | sed -n "
                            "s/oid.sha256://p) | sha256sum | cut -c1-64"));
    git_box_do(
        "cd one && { ! git lfs version >../lfs.txt 2>&1 || git lfs ls-files | grep -q model.safetensors; }");
}

TEST(a_clone_by_git_of_what_we_staged_is_whole)
{
    git_box_do("cd one && git rm -q adapters/p.safetensors && git commit -qm 'no object behind it'");
    git_box_do("git clone -q one copied && git -C copied fsck --strict");
    if (strcmp(git_box_said("git lfs version >lfs.txt 2>&1 && echo yes"), "yes") != 0) return;
    git_box_do("cmp one/model.safetensors copied/model.safetensors && git -C copied lfs fsck");
    check_text(gits("copied", false), "");
    check_agreed("copied");
}

TEST(a_changed_big_file_is_hashed_once)
{
    git_box_do(
        "cp -a copied again && cd again && head -c 6000000 /dev/zero >model.safetensors && "
        "git add . && git commit -qm big && head -c 6000000 /dev/zero | tr '\\0' c >model.safetensors && "
        "touch -d '5 seconds ago' model.safetensors && sleep 2.1");
    check_text(ours("again", false), " M model.safetensors");
    check_text(git_box_said("find home/cache -name 'registry-*.db' | wc -l"), "1");
    check_text(ours("again", false), gits("again", false));
    git_box_do("cd again && head -c 6000000 /dev/zero >model.safetensors");
    check_text(ours("again", false), "");
}

TEST(stage_names_what_it_cannot_take)
{
    repo_handle *r = open_at("one");
    repo_stage_report report = {0};
    const char *path = "nothing.txt";

    check_fails(repo_stage(r, &path, 1, &report), ERR_NOT_FOUND, "'nothing.txt' matches no file");
    git_box_do(
        "cd one && printf x >x.log && head -c 11000000 /dev/zero >big.dat && git init -q inner && printf i "
        ">inner/i && git -C inner add i && git -C inner commit -qm i");
    path = "x.log";
    check_fails(repo_stage(r, &path, 1, &report), ERR_USAGE, "ignored");
    path = "../outside";
    check_fails(repo_stage(r, &path, 1, &report), ERR_USAGE, "'..'");
    path = "/etc/passwd";
    check_fails(repo_stage(r, &path, 1, &report), ERR_USAGE, "outside");
    path = ".git/config";
    check_fails(repo_stage(r, &path, 1, &report), ERR_USAGE, "git's own");
    check_ok(repo_stage(r, NULL, 0, &report));
    check_int(report.files.count, 1);
    check_text(report.big_plain.names[0], "big.dat");
    check_text(report.nested.names[0], "inner/");
    repo_stage_report_free(&report);
    repo_close(r);
    git_box_do("cd one && git rm -q --cached big.dat && rm -rf big.dat inner x.log");
}

TEST(weights_never_go_into_git_itself_for_want_of_attributes)
{
    repo_stage_report report = {0};
    git_box_do("git init -q bare-folder && head -c 11000000 /dev/zero >bare-folder/model.safetensors");
    repo_handle *r = open_at("bare-folder");
    check_ok(repo_stage(r, NULL, 0, &report));
    check_true(report.attributes_made);
    check_int(report.big_plain.count, 0);
    repo_stage_report_free(&report);
    repo_close(r);
    check_text(gits("bare-folder", false), "A  .gitattributes\nA  model.safetensors");
    check_agreed("bare-folder");
    check_true(check_text_holds(git_box_said("git -C bare-folder show :model.safetensors"), "size 11000000"));
}

TEST(unstage_and_discard_do_what_git_restore_does)
{
    repo_handle *r = open_at("one");
    repo_stage_report report = {0};
    repo_checkout_report checkout = {0};
    repo_names lost = {0};
    char absolute[600];
    const char *path = "deep", *model = absolute;

    snprintf(absolute, sizeof absolute, "%s/one/model.safetensors", check_folder());
    git_box_do("cd one && printf more >>deep/er/d && printf n2 >n2 && rm p && printf q >>a.txt && printf zz "
               ">>model.safetensors");
    stage("one", NULL);
    check_ok(repo_unstage(r, &path, 1, &report));
    check_int(report.files.count, 1);
    repo_stage_report_free(&report);
    check_agreed("one");
    check_true(check_text_holds(ours("one", false), " M deep/er/d"));
    check_ok(repo_unstage(r, NULL, 0, &report));
    check_int(report.files.count, 4);
    repo_stage_report_free(&report);
    check_text(ours("one", false), " M a.txt\n M deep/er/d\n M model.safetensors\n D p\n?? n2");
    check_agreed("one");

    check_ok(repo_discard_look(r, &model, 1, &lost));
    check_int(lost.count, 1);
    repo_names_free(&lost);
    check_ok(repo_discard(r, &model, 1, &report, &checkout));
    check_int(report.files.count, 1);
    repo_stage_report_free(&report);
    repo_checkout_report_free(&checkout);
    check_text(ours("one", false), " M a.txt\n M deep/er/d\n D p\n?? n2");
    check_ok(repo_discard(r, NULL, 0, &report, &checkout));
    check_text(ours("one", false), "?? n2");
    check_agreed("one");
    git_box_do("cd one && test -x p && [ $(stat -c %%s model.safetensors) = 123456 ]");
    repo_stage_report_free(&report);
    repo_checkout_report_free(&checkout);
    repo_close(r);
}

TEST(before_the_first_commit_all_of_it_works_too)
{
    repo_stage_report report = {0};
    git_box_do("git init -q fresh && printf a >fresh/a && printf b >fresh/b");
    check_agreed("fresh");
    stage("fresh", "a");
    check_agreed("fresh");
    repo_handle *r = open_at("fresh");
    check_ok(repo_unstage(r, NULL, 0, &report));
    check_int(report.files.count, 1);
    repo_stage_report_free(&report);
    repo_close(r);
    check_text(ours("fresh", false), "?? a\n?? b");
    repo_switch_report switched = {0};
    switch_to("fresh", (repo_switch_options){.ref = "", .new_branch = "first"}, &switched);
    check_text(git_box_said("git -C fresh symbolic-ref HEAD"), "refs/heads/first");
    repo_switch_report_free(&switched);
}

/* ---- attributes ---- */

TEST(lacking_patterns_are_found_and_added)
{
    repo_names lacking = {0};
    repo_handle *r = open_at("fresh");

    repo_attributes_lacking(r, &lacking);
    check_int(lacking.count, 9);
    git_box_do("cd fresh && printf '*.bin filter=lfs -text' >.gitattributes");
    repo_names_free(&lacking);
    repo_attributes_lacking(r, &lacking);
    check_int(lacking.count, 8);
    check_ok(repo_attributes_add(r, &lacking));
    repo_names_free(&lacking);
    repo_attributes_lacking(r, &lacking);
    check_int(lacking.count, 0);
    check_text(git_box_said("cd fresh && git check-attr filter x.safetensors a/y.bin z.txt"),
               "x.safetensors: filter: lfs\na/y.bin: filter: lfs\nz.txt: filter: unspecified");
    repo_close(r);
}

/* ---- checkout ---- */

TEST(checkout_goes_where_git_would_go)
{
    repo_switch_report report = {0};

    given_repository("origin");
    git_box_do(
        "cd origin && git checkout -q -b feature && printf f >f.txt && printf changed >model.safetensors && "
        "git add . && "
        "git commit -qm feature && git tag v1 && git checkout -q main && cd .. && git clone -q origin clone");
    switch_to("clone", (repo_switch_options){.ref = "feature"}, &report);
    check_true(report.made);
    check_text(report.branch, "feature");
    check_text(report.upstream, "origin/feature");
    repo_switch_report_free(&report);
    check_text(git_box_said(
                   "cd clone && git rev-parse --abbrev-ref HEAD @{upstream} && git reflog -1 --format=%%gs"),
               "feature\norigin/feature\ncheckout: moving from main to feature");
    check_text(gits("clone", false), "");
    check_agreed("clone");

    switch_to("clone", (repo_switch_options){.ref = "main"}, &report);
    check_true(!report.made && !report.already);
    repo_switch_report_free(&report);
    switch_to("clone", (repo_switch_options){.ref = "main"}, &report);
    check_true(report.already);
    repo_switch_report_free(&report);
    check_text(gits("clone", false), "");

    switch_to("clone", (repo_switch_options){.ref = "v1"}, &report);
    assert_null(report.branch);
    check_text(report.subject, "feature");
    repo_switch_report_free(&report);
    check_text(git_box_said("cd clone && git rev-parse --abbrev-ref HEAD && git reflog -1 --format=%%gs"),
               "HEAD\ncheckout: moving from main to v1");
    git_box_do("cd clone && git commit -q --allow-empty -m lonely");
    switch_to("clone", (repo_switch_options){.ref = "HEAD", .new_branch = "work"}, &report);
    check_int(report.left_behind, 0);
    repo_switch_report_free(&report);
    switch_to("clone", (repo_switch_options){.ref = "origin/main"}, &report);
    assert_null(report.branch);
    repo_switch_report_free(&report);
    git_box_do("cd clone && git commit -q --allow-empty -m lonely2");
    switch_to("clone", (repo_switch_options){.ref = "main", .detach = true}, &report);
    assert_null(report.branch);
    check_int(report.left_behind, 1);
    repo_switch_report_free(&report);
    check_text(gits("clone", false), "");
    git_box_do("git -C clone fsck --strict");
}

/* Its folder stays as it is, whatever it has checked out; the index alone goes from one commit to the other.
 */
TEST(a_submodule_is_shown_and_never_entered)
{
    static const char *const refs[] = {"old", "main", "old", "gone", "main"};
    static const char look[] =
        "cd %s && git status --porcelain -uall && git ls-files -s && git -C sub log --format=%%s "
        "&& cat sub/f && git rev-parse HEAD";

    lfs_set_up();
    git_box_do("git init -q subsource && cd subsource && echo 1 >f && git add f && git commit -qm one && "
               "echo 2 >f && git commit -qam two");
    git_box_do("git init -q -b main above && cd above && echo t >top && git add top && git -c "
               "protocol.file.allow=always submodule --quiet add ../subsource sub && git commit -qm above && "
               "git checkout -qb old && git -C sub checkout -q HEAD~1 && git commit -qam older && "
               "git checkout -qb gone main && git rm -q --cached sub .gitmodules && rm .gitmodules && "
               "git commit -qm gone && git checkout -qf main && cp -a . ../above2");
    for (size_t i = 0; i < COUNT_OF(refs); i++) {
        repo_switch_report report = {0};
        repo_handle *r = open_at("above");
        err e = repo_switch(r, &(repo_switch_options){.ref = refs[i], .detach = true}, &report);
        const char *git =
            git_box_said("cd above2 && git checkout -q --detach %s >../said 2>&1; echo $?", refs[i]);
        check_text(e.code ? "1" : "0", git);
        check_text(git_box_said(look, "above"), git_box_said(look, "above2"));
        repo_switch_report_free(&report);
        repo_close(r);
    }
    /* Staged, and neither what HEAD nor what the other commit has. */
    git_box_do(
        "git -C above/sub commit -q --allow-empty -m three && git -C above2/sub fetch -q ../../above/sub "
        "HEAD "
        "&& git -C above2/sub checkout -q FETCH_HEAD && git -C above add sub && git -C above2 add sub");
    repo_switch_report report = {0};
    repo_handle *r = open_at("above");
    err e = repo_switch(r, &(repo_switch_options){.ref = "old", .detach = true}, &report);
    check_text(git_box_said("cd above2 && git checkout -q --detach old 2>/dev/null; echo $?"),
               e.code ? "1" : "0");
    check_text(git_box_said(look, "above"), git_box_said(look, "above2"));
    repo_switch_report_free(&report);
    repo_close(r);
}

TEST(checkout_refuses_what_git_refuses)
{
    repo_switch_report report = {0};
    repo_handle *r = open_at("clone");

    git_box_do(
        "cd clone && git checkout -q main && git worktree add -q ../second work 2>&1 && printf dirty >a.txt");
    check_fails(repo_switch(r, &(repo_switch_options){.ref = "work"}, &report), ERR_CONFLICT, "work");
    repo_switch_report_free(&report);
    check_fails(repo_switch(r, &(repo_switch_options){.ref = "main", .new_branch = "work"}, &report),
                ERR_EXISTS, "exists");
    repo_switch_report_free(&report);
    check_fails(repo_switch(r, &(repo_switch_options){.ref = "main", .new_branch = "a..b"}, &report),
                ERR_USAGE, "a..b");
    repo_switch_report_free(&report);
    check_fails(repo_switch(r, &(repo_switch_options){.ref = "no-such"}, &report), ERR_NOT_FOUND, "no-such");
    repo_switch_report_free(&report);
    /* a.txt is the same in both: it comes along. */
    check_ok(repo_switch(r, &(repo_switch_options){.ref = "feature"}, &report));
    check_text(gits("clone", false), " M a.txt");
    repo_switch_report_free(&report);
    git_box_do("cd clone && printf dirty >f.txt");
    check_fails(repo_switch(r, &(repo_switch_options){.ref = "main"}, &report), ERR_CONFLICT, "f.txt");
    check_int(report.checkout.in_the_way.count, 1);
    repo_switch_report_free(&report);
    check_text(git_box_said("git -C clone rev-parse --abbrev-ref HEAD"), "feature");
    check_ok(repo_switch(r, &(repo_switch_options){.ref = "main", .force = true}, &report));
    check_int(report.checkout.in_the_way.count, 2);
    check_text(gits("clone", false), "");
    repo_switch_report_free(&report);
    repo_close(r);
}

TESTS(RUN(status_says_what_git_says_in_every_state), RUN(unmerged_paths_have_gits_letters),
      RUN(equal_size_and_equal_date_do_not_hide_a_change), RUN(touched_files_are_read_once_and_then_known),
      RUN(a_lock_of_another_git_stops_no_status),
      RUN(pointers_that_stand_in_the_worktree_are_told_and_no_change),
      RUN(libgit2_agrees_where_nothing_is_large), RUN(a_renamed_file_is_one_row_as_with_git),
      RUN(renames_at_random_are_gits), RUN(stage_makes_the_index_and_the_blobs_that_git_add_makes),
      RUN(a_clone_by_git_of_what_we_staged_is_whole), RUN(a_changed_big_file_is_hashed_once),
      RUN(stage_names_what_it_cannot_take), RUN(weights_never_go_into_git_itself_for_want_of_attributes),
      RUN(unstage_and_discard_do_what_git_restore_does), RUN(before_the_first_commit_all_of_it_works_too),
      RUN(lacking_patterns_are_found_and_added), RUN(checkout_goes_where_git_would_go),
      RUN(a_submodule_is_shown_and_never_entered), RUN(checkout_refuses_what_git_refuses))
