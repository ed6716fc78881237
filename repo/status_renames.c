/* repo/status_renames.c: which added file is a removed one under another name.
 *
 * As git's diff -M has it (diffcore-rename, diffcore-delta): first equal content, then names that stay in
 * another folder, then the likest; each removed file is taken once. How alike two files are is the share of
 * the larger one whose pieces (a line, or 64 bytes of a long one) the other has too; half of it is enough. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/git_version.h"
#include "repo/status_internal.h"

enum {
    SCORE_MAX = 60000,
    SCORE_ENOUGH = 30000,
    SCORE_OF_ONE_NAME = 45000, /* enough when both sides have only one file of that name */
    FILES_MAX = 1000,          /* git's diff.renameLimit: of more, only equal content is looked for */
    BLOB_BYTES_MAX = 32 << 20, /* larger ones, too */
    PIECE_BYTES_MAX = 64,
    BINARY_LOOK_BYTES = 8000,
};

typedef struct piece {
    uint32_t hash;
    uint32_t size;
} piece;

typedef struct side {
    const git_diff_file *file;
    size_t delta; /* its place in the diff */
    bool taken, unreadable;
    piece *pieces; /* by hash, each once; NULL: not cut yet */
    size_t piece_count, size;
} side;

typedef struct sides {
    side *rows;
    size_t count;
} sides;

typedef struct finding {
    git_repository *git;
    sides gone, added;
    repo_renames *out;
} finding;

/* ---- pieces ---- */

static int by_hash(const void *a, const void *b)
{
    uint32_t x = ((const piece *)a)->hash, y = ((const piece *)b)->hash;
    return (x > y) - (x < y);
}

/* FNV-1a of each piece; a line's end is one whatever the system. */
static void pieces_cut(side *s, const unsigned char *text, size_t size)
{
    bool binary = memchr(text, 0, MIN_OF(size, (size_t)BINARY_LOOK_BYTES)) != NULL;
    piece now = {.hash = 2166136261u};
    size_t capacity = 0, kept = 0;

    for (size_t i = 0; i < size; i++) {
        if (!binary && text[i] == '\r' && i + 1 < size && text[i + 1] == '\n') continue;
        now.hash = (now.hash ^ text[i]) * 16777619u;
        now.size++;
        if (now.size < PIECE_BYTES_MAX && text[i] != '\n' && i + 1 < size) continue;
        if (s->piece_count == capacity) {
            capacity = capacity ? capacity * 2 : 64;
            s->pieces = memory_resize_array(s->pieces, capacity, sizeof *s->pieces);
        }
        s->pieces[s->piece_count++] = now;
        now = (piece){.hash = 2166136261u};
    }
    if (s->piece_count) qsort(s->pieces, s->piece_count, sizeof *s->pieces, by_hash);
    for (size_t i = 0; i < s->piece_count; i++) {
        if (kept && s->pieces[kept - 1].hash == s->pieces[i].hash)
            s->pieces[kept - 1].size += s->pieces[i].size;
        else
            s->pieces[kept++] = s->pieces[i];
    }
    s->piece_count = kept;
}

/* The header is read first: a big blob never comes into memory. False: only equal content counts for it. */
static bool size_read(finding *f, side *s)
{
    git_odb *odb = NULL;
    git_object_t type = GIT_OBJECT_INVALID;

    if (s->size || s->unreadable) return !s->unreadable;
    bool read = (s->file->mode & 0170000) == 0100000 && git_repository_odb(&odb, f->git) == 0 &&
                git_odb_read_header(&s->size, &type, odb, &s->file->id) == 0;
    git_odb_free(odb);
    s->unreadable = !read || type != GIT_OBJECT_BLOB || s->size == 0 || s->size > BLOB_BYTES_MAX;
    return !s->unreadable;
}

static bool pieces_read(finding *f, side *s)
{
    git_blob *blob = NULL;

    if (s->pieces) return true;
    if (!size_read(f, s)) return false;
    s->unreadable = git_blob_lookup(&blob, f->git, &s->file->id) != 0;
    if (!s->unreadable) pieces_cut(s, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
    git_blob_free(blob);
    return s->pieces != NULL;
}

/* 0 to SCORE_MAX. */
static unsigned score_of(finding *f, side *gone, side *added)
{
    uint64_t same = 0;

    if (!size_read(f, gone) || !size_read(f, added)) return 0;
    uint64_t larger = gone->size > added->size ? gone->size : added->size;
    uint64_t smaller = gone->size + added->size - larger;
    if (larger * (SCORE_MAX - SCORE_ENOUGH) < (larger - smaller) * SCORE_MAX) return 0;
    if (!pieces_read(f, gone) || !pieces_read(f, added)) return 0;
    for (size_t i = 0, j = 0; i < gone->piece_count && j < added->piece_count;) {
        const piece *a = &gone->pieces[i], *b = &added->pieces[j];
        if (a->hash == b->hash) same += MIN_OF(a->size, b->size);
        i += a->hash <= b->hash;
        j += b->hash <= a->hash;
    }
    return (unsigned)(same * SCORE_MAX / larger);
}

/* ---- names ---- */

static const char *name_of(const side *s)
{
    const char *slash = strrchr(s->file->path, '/');
    return slash ? slash + 1 : s->file->path;
}

static bool one_name(const side *a, const side *b) { return strcmp(name_of(a), name_of(b)) == 0; }

/* The only one of that name that is not taken; NULL: there is none, or there are more. */
static side *only_one(sides *list, const side *like)
{
    side *found = NULL;
    for (size_t i = 0; i < list->count; i++) {
        if (list->rows[i].taken || !one_name(&list->rows[i], like)) continue;
        if (found) return NULL;
        found = &list->rows[i];
    }
    return found;
}

/* ---- finding ---- */

static void pair_add(finding *f, side *gone, side *added)
{
    repo_renames *out = f->out;
    gone->taken = added->taken = true;
    out->rows = memory_resize_array(out->rows, out->count + 1, sizeof *out->rows);
    out->rows[out->count++] = (repo_rename){.gone = gone->delta, .added = added->delta};
}

static void equal_ones(finding *f)
{
    for (size_t i = 0; i < f->added.count; i++) {
        side *added = &f->added.rows[i], *best = NULL;
        for (size_t j = 0; j < f->gone.count; j++) {
            side *gone = &f->gone.rows[j];
            if (gone->taken || !git_oid_equal(&gone->file->id, &added->file->id) ||
                (gone->file->mode & 0170000) != (added->file->mode & 0170000))
                continue;
            if (!best || (one_name(gone, added) && !one_name(best, added))) best = gone;
        }
        if (best) pair_add(f, best, added);
    }
}

static void ones_of_a_name(finding *f)
{
    for (size_t i = 0; i < f->added.count; i++) {
        side *added = &f->added.rows[i];
        if (added->taken || only_one(&f->added, added) != added) continue;
        side *gone = only_one(&f->gone, added);
        if (gone && score_of(f, gone, added) >= SCORE_OF_ONE_NAME) pair_add(f, gone, added);
    }
}

typedef struct candidate {
    side *gone, *added;
    unsigned score;
    bool one_name;
} candidate;

/* The likest first; among equals that with the same name, then in the order of the paths. */
static int by_score(const void *first, const void *second)
{
    const candidate *a = first, *b = second;
    if (a->score != b->score) return a->score < b->score ? 1 : -1;
    if (a->one_name != b->one_name) return a->one_name ? -1 : 1;
    if (a->added != b->added) return a->added < b->added ? -1 : 1;
    return (a->gone > b->gone) - (a->gone < b->gone);
}

static void likest_ones(finding *f)
{
    candidate *list = NULL;
    size_t count = 0;

    for (size_t i = 0; i < f->added.count; i++) {
        side *added = &f->added.rows[i];
        for (size_t j = 0; !added->taken && j < f->gone.count; j++) {
            side *gone = &f->gone.rows[j];
            unsigned score = gone->taken ? 0 : score_of(f, gone, added);
            if (score < SCORE_ENOUGH) continue;
            if ((count & (count - 1)) == 0)
                list = memory_resize_array(list, count ? count * 2 : 1, sizeof *list);
            list[count++] = (candidate){gone, added, score, one_name(gone, added)};
        }
    }
    if (count) qsort(list, count, sizeof *list, by_score);
    for (size_t i = 0; i < count; i++)
        if (!list[i].gone->taken && !list[i].added->taken) pair_add(f, list[i].gone, list[i].added);
    free(list);
}

/* ---- the whole ---- */

static void side_add(sides *list, const git_diff_file *file, size_t delta)
{
    if ((list->count & (list->count - 1)) == 0)
        list->rows = memory_resize_array(list->rows, list->count ? list->count * 2 : 1, sizeof *list->rows);
    list->rows[list->count++] = (side){.file = file, .delta = delta};
}

static void sides_free(sides *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->rows[i].pieces);
    free(list->rows);
}

static size_t left_count(const sides *list)
{
    size_t left = 0;
    for (size_t i = 0; i < list->count; i++) left += !list->rows[i].taken;
    return left;
}

void repo_renames_find(git_repository *git, git_diff *diff, git_index *index, repo_renames *out)
{
    finding f = {.git = git, .out = out};

    for (size_t i = 0; i < git_diff_num_deltas(diff); i++) {
        const git_diff_delta *delta = git_diff_get_delta(diff, i);
        if (delta->status == GIT_DELTA_DELETED) side_add(&f.gone, &delta->old_file, i);
        if (delta->status == GIT_DELTA_ADDED && !repo_entry_intended(index, delta->new_file.path))
            side_add(&f.added, &delta->new_file, i);
    }
    equal_ones(&f);
    if (left_count(&f.gone) * left_count(&f.added) <= (size_t)FILES_MAX * FILES_MAX) {
        ones_of_a_name(&f);
        likest_ones(&f);
    }
    sides_free(&f.gone);
    sides_free(&f.added);
}
