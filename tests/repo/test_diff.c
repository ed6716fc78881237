#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/diff.h"
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

/* Weights under git-lfs's filter, or plain where it is not installed: then git sees the same changes. */
static void given_repository(const char *name)
{
    git_box();
    git_box_do("git lfs install --skip-repo >lfs.txt 2>&1 || true; git init -q %s && cd %s && "
               "if git lfs version >/dev/null 2>&1; then "
               "echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' >.gitattributes; fi; "
               "mkdir sub && seq 40 >a.txt && seq 9 >sub/b.txt && echo c >c.json && ln -s a.txt link && "
               "head -c 5000 /dev/urandom >model.safetensors && git add . && git commit -qm first",
               name, name);
}

static void resolve(repo_handle *r, const char *ref, repo_ref *out)
{
    if (ref) check_ok(repo_resolve(r, ref, out));
}

/* "M<tab>path" lines, as git's --name-status. Borrowed until the next call. */
static const char *ours(const char *name, const char *from, const char *to, bool staged)
{
    static bytes text;
    repo_handle *r = open_at(name);
    repo_ref a = {0}, b = {0};
    repo_diff diff = {0};

    resolve(r, from, &a);
    resolve(r, to, &b);
    check_ok(repo_diff_read(
        r, &(repo_diff_options){.from = from ? &a : NULL, .to = to ? &b : NULL, .staged = staged}, &diff));
    bytes_clear(&text);
    for (size_t i = 0; i < diff.count; i++) {
        const repo_diff_row *row = &diff.rows[i];
        bytes_printf(&text, "%s%c%s%s%s\t%s", i ? "\n" : "", row->status, row->old_path ? "100" : "",
                     row->old_path ? "\t" : "", row->old_path ? row->old_path : "", row->path);
    }
    repo_diff_free(&diff);
    repo_ref_free(&a);
    repo_ref_free(&b);
    repo_close(r);
    return bytes_text(&text);
}

static void same_as_git(const char *name)
{
    static const struct {
        const char *from, *to, *words;
        bool staged;
    } cases[] = {
        {NULL, NULL, "", false},
        {NULL, NULL, "--staged", true},
        {"HEAD", NULL, "HEAD", false},
        {"HEAD~1", NULL, "HEAD~1", false},
        {"HEAD~1", NULL, "--staged HEAD~1", true},
        {"HEAD~1", "HEAD", "HEAD~1 HEAD", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_text(
            ours(name, cases[i].from, cases[i].to, cases[i].staged),
            git_box_said("git -C %s diff --name-status -M100%% --no-ext-diff %s", name, cases[i].words));
}

/* The unified diff of `path` between index and worktree. The caller frees. */
static char *our_lines(const char *name, const char *path)
{
    repo_handle *r = open_at(name);
    repo_diff diff = {0};
    bytes before = {0}, after = {0}, lines = {0};

    check_ok(repo_diff_read(r, &(repo_diff_options){.paths = &path, .path_count = 1}, &diff));
    check_int(diff.count, 1);
    check_ok(repo_diff_content(r, diff.rows, &diff.rows->before, 1 << 20, &before));
    check_ok(repo_diff_content(r, diff.rows, &diff.rows->after, 1 << 20, &after));
    check_ok(repo_diff_lines(diff.rows, bytes_borrow(&before), bytes_borrow(&after), 3, &lines));
    bytes_free(&before);
    bytes_free(&after);
    repo_diff_free(&diff);
    repo_close(r);
    return bytes_take(&lines);
}

/* ---- tests ---- */

TEST(every_pair_of_places_differs_as_git_says)
{
    given_repository("pairs");
    git_box_do("cd pairs && echo two >>a.txt && git commit -qam second");
    same_as_git("pairs");
    git_box_do("cd pairs && echo x >>c.json && rm sub/b.txt && ln -sf c.json link && "
               "head -c 5000 /dev/urandom >model.safetensors && echo new >new.txt && git add -N new.txt");
    same_as_git("pairs");
    git_box_do("cd pairs && git add -A && git mv a.txt sub/moved.txt && seq 3 >sub/moved.txt && "
               "rm c.json && chmod +x sub/moved.txt");
    same_as_git("pairs");
}

TEST(random_changes_differ_as_git_says)
{
    static const char *const changes[] = {
        "seq $RANDOM | head -20 >a.txt",
        "rm -f sub/b.txt",
        "mkdir -p sub; echo $RANDOM >sub/b.txt",
        "echo $RANDOM >new.txt",
        "git add -A",
        "git add -A && git commit -qm next --allow-empty",
        "rm -f new.txt",
        "git rm -q --cached c.json; true",
        "git checkout -q HEAD -- a.txt; true",
        "head -c 3000 /dev/urandom >model.safetensors",
        "git reset -q",
        "chmod +x c.json; true",
    };
    given_repository("random");
    git_box_do("cd random && git commit -qm second --allow-empty");
    srand(5);
    for (int i = 0; i < 24; i++) {
        git_box_do("cd random && bash -c '%s'", changes[(size_t)rand() % COUNT_OF(changes)]);
        same_as_git("random");
    }
}

TEST(a_conflict_is_unmerged_once)
{
    given_repository("conflict");
    git_box_do(
        "cd conflict && git checkout -qb side && echo side >c.json && git commit -qam side && "
        "git checkout -q - && echo main >c.json && git commit -qam main && ! git merge -q side >/dev/null");
    check_text(ours("conflict", NULL, NULL, false), "U\tc.json");
}

TEST(lines_are_gits_lines)
{
    given_repository("lines");
    git_box_do("cd lines && sed -i '20s/.*/twenty/' a.txt && rm sub/b.txt && printf 'no end' >c.json");
    const char *const paths[] = {"a.txt", "sub/b.txt", "c.json"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        char *lines = our_lines("lines", paths[i]);
        const char *gits = git_box_said("git -C lines diff -- %s", paths[i]);
        check_int(strncmp(lines, gits, strlen(gits)), 0);
        free(lines);
    }
}

TEST(weights_are_found_where_they_lie_and_named_when_they_do_not)
{
    static const char pointer[] =
        "version https://git-lfs.github.com/spec/v1\noid sha256:"
        "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    repo_diff diff = {0};
    bytes content = {0};

    given_repository("weights");
    git_box_do("cd weights && printf '%s' >gone.safetensors && git add . && git commit -qm pointer && "
               "git rm -q gone.safetensors && echo more >>model.safetensors",
               "x");
    check_write(git_box_said("echo $PWD/weights/gone.safetensors"), pointer, sizeof pointer - 1);
    git_box_do("cd weights && git add gone.safetensors && git commit -qm again && rm gone.safetensors");
    repo_handle *r = open_at("weights");
    check_ok(repo_diff_read(r, &(repo_diff_options){0}, &diff));
    check_int(diff.count, 2);
    check_text(diff.rows[0].path, "gone.safetensors");
    check_true(diff.rows[0].before.large && diff.rows[0].before.missing && !diff.rows[0].before.location);
    check_int(diff.rows[0].before.size, 12345);
    check_fails(repo_diff_content(r, &diff.rows[0], &diff.rows[0].before, 1 << 20, &content), ERR_NOT_FOUND,
                "fetch-files brings them");
    check_true(diff.rows[1].after.location != NULL);
    repo_diff_free(&diff);
    repo_close(r);
}

TEST(two_refs_leave_no_room_for_staged)
{
    repo_diff diff = {0};
    repo_ref head = {0};

    given_repository("usage");
    repo_handle *r = open_at("usage");
    check_ok(repo_resolve(r, "HEAD", &head));
    check_fails(repo_diff_read(r, &(repo_diff_options){.from = &head, .to = &head, .staged = true}, &diff),
                ERR_USAGE, "--staged");
    repo_ref_free(&head);
    repo_close(r);
}

TESTS(RUN(every_pair_of_places_differs_as_git_says), RUN(random_changes_differ_as_git_says),
      RUN(a_conflict_is_unmerged_once), RUN(lines_are_gits_lines),
      RUN(weights_are_found_where_they_lie_and_named_when_they_do_not),
      RUN(two_refs_leave_no_room_for_staged))
