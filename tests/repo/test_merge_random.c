/* Random histories of texts and pointers: where git merges cleanly our tree is git's, where it does not we
 * say so and change nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/merge.h"
#include "tests/support/git_box.h"

enum { CASES = 100, FILES = 8, LINES = 24, NAME_MAX_SIZE = 32 };

static unsigned random_state;
static unsigned pick(unsigned below)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 16) % below;
}

/* ---- a branch: its files as they are ---- */

typedef struct file {
    char name[NAME_MAX_SIZE];
    bool pointer, present;
    unsigned lines[LINES]; /* of a pointer the first is its number */
} file;

typedef struct branch {
    const char *name;
    file files[FILES];
} branch;

static void file_fill(file *f)
{
    f->present = true;
    for (int i = 0; i < LINES; i++) f->lines[i] = pick(100000);
}

static void file_print(const file *f, bytes *out)
{
    CLEANUP(bytes_free) bytes text = {0};
    if (f->pointer)
        bytes_printf(&text, "version https://git-lfs.github.com/spec/v1\noid sha256:%064u\nsize %u\n",
                     f->lines[0], 1 + f->lines[0]);
    for (int i = 0; !f->pointer && i < LINES; i++) bytes_printf(&text, "line %u of %d\n", f->lines[i], i);
    bytes_printf(out, "M 100644 inline %s\ndata %zu\n", f->name, text.size);
    bytes_append_view(out, bytes_borrow(&text));
    bytes_append_byte(out, '\n');
}

/* ---- fast-import ---- */

static void commit_begin(const branch *b, bytes *out)
{
    bytes_printf(out, "commit refs/heads/%s\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 1\nc\n",
                 b->name);
}

static void file_change(file *f, bytes *out)
{
    char name[NAME_MAX_SIZE];
    const char *end = strrchr(f->name, '.');
    unsigned what = pick(8);

    if (!f->present) {
        file_fill(f);
    } else if (what == 0) {
        f->present = false;
        bytes_printf(out, "D %s\n", f->name);
        return;
    } else if (what == 1) {
        snprintf(name, sizeof name, "moved/%u%.12s", pick(10000), end);
        bytes_printf(out, "R %s %s\n", f->name, name);
        memcpy(f->name, name, sizeof name);
    } else {
        f->lines[f->pointer ? 0 : pick(LINES)] = pick(100000);
    }
    file_print(f, out);
}

static void commit_add(branch *b, bytes *out)
{
    commit_begin(b, out);
    for (unsigned i = 0, count = 1 + pick(2); i < count; i++) file_change(&b->files[pick(FILES)], out);
    bytes_append_byte(out, '\n');
}

/* A join whose tree is one side's own: what the other did is undone, and counts as known from here on. */
static void join_add(const branch *b, const branch *other, bytes *out)
{
    commit_begin(b, out);
    bytes_printf(out, "merge refs/heads/%s\n\n", other->name);
}

static void history_print(bytes *out)
{
    branch ours = {.name = "main"}, side;

    commit_begin(&ours, out);
    for (int i = 0; i < FILES; i++) {
        file *f = &ours.files[i];
        f->pointer = i < 2;
        snprintf(f->name, sizeof f->name, "d%d/%d.%s", i % 3, i, f->pointer ? "safetensors" : "txt");
        file_fill(f);
        file_print(f, out);
    }
    side = ours;
    side.name = "side";
    bytes_printf(out, "\nreset refs/heads/side\nfrom refs/heads/main\n\n");
    for (unsigned i = 0, count = 1 + pick(3); i < count; i++) commit_add(&ours, out);
    for (unsigned i = 0, count = 1 + pick(3); i < count; i++) commit_add(&side, out);
    if (pick(4)) return;
    join_add(&side, &ours, out);
    if (pick(2)) join_add(&ours, &side, out);
    commit_add(&ours, out);
    commit_add(&side, out);
}

static void history_make(unsigned seed)
{
    CLEANUP(bytes_free) bytes script = {0};
    char path[512];

    random_state = seed * 2654435761u + 1;
    history_print(&script);
    snprintf(path, sizeof path, "%s/script", check_folder());
    check_write(path, script.data, script.size);
    git_box_do("rm -rf one && git init -q one && cd one && git fast-import --quiet < ../script && git reset "
               "-q --hard");
}

/* ---- one case ---- */

/* True: git merged it cleanly. */
static bool one_case(unsigned seed)
{
    char path[512];
    repo_handle *r = NULL;
    repo_ref side = {0};
    repo_merge_options options = {0};
    repo_merge_report report = {0};

    history_make(seed);
    const char *before = git_box_said("cd one && git rev-parse HEAD");
    const char *gits =
        git_box_said("cd one && git merge-tree --write-tree --no-messages main side || echo conflicts");
    bool clean = !check_text_holds(gits, "conflicts");
    snprintf(path, sizeof path, "%s/one", check_folder());
    check_ok(repo_open(git_box(), path, &r));
    check_ok(repo_resolve(r, "side", &side));
    err e = repo_merge(r, &side, &options, &report);
    if (clean && e.code) fail_msg("seed %u: git merges, we say: %s", seed, e.text);
    if (clean &&
        strcmp(git_box_said("cd one && git rev-parse HEAD^{tree}; git status --porcelain"), gits) != 0)
        fail_msg("seed %u: another tree than git's", seed);
    if (e.code) {
        check_int(e.code, ERR_CONFLICT);
        check_true(report.conflict_count > 0);
        check_text(git_box_said("cd one && git rev-parse HEAD; git status --porcelain"), before);
    }
    repo_merge_report_free(&report);
    repo_ref_free(&side);
    repo_close(r);
    return clean;
}

TEST(random_histories_merge_to_gits_tree)
{
    const char *first = getenv("HYPRSTREAM_TEST_SEED");
    int clean = 0;

    git_box();
    if (!check_text_holds(git_box_said("git merge-tree -h 2>&1"), "--write-tree")) skip();
    for (unsigned i = 0; i < CASES; i++) clean += one_case((first ? (unsigned)atoi(first) : 0) + i);
    print_message("%d of %d merge cleanly\n", clean, CASES);
    check_true(clean > CASES / 3);
}

TESTS(RUN(random_histories_merge_to_gits_tree))
