#define _GNU_SOURCE
#include "repo/status.h"

#include <stdlib.h>
#include <string.h>

#include "repo/attributes.h"
#include "repo/checkout_plan_internal.h"
#include "repo/status_internal.h"
#include "repo/upstream_internal.h"

typedef struct reading {
    repo_handle *r;
    const repo_status_options *options;
    repo_comparer comparer;
    git_index *index;
    repo_restats restats;
    repo_status *out;
} reading;

/* ---- rows ---- */

repo_status_row *repo_status_add(repo_status *status, const char *path)
{
    size_t count = status->count;
    if ((count & (count - 1)) == 0)
        status->rows = memory_resize_array(status->rows, count ? count * 2 : 1, sizeof *status->rows);
    repo_status_row *row = &status->rows[status->count++];
    *row = (repo_status_row){.path = memory_text(path), .staged = ' ', .unstaged = ' '};
    return row;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const repo_status_row *)a)->path, ((const repo_status_row *)b)->path);
}

/* A path that was staged and then changed again has two rows until here. */
static void rows_join(repo_status *out)
{
    size_t kept = 0;
    if (out->count) qsort(out->rows, out->count, sizeof *out->rows, by_path);
    for (size_t i = 0; i < out->count; i++) {
        repo_status_row *row = &out->rows[i], *last = kept ? &out->rows[kept - 1] : NULL;
        if (!last || strcmp(last->path, row->path) != 0) {
            out->rows[kept++] = *row;
            continue;
        }
        if (row->staged != ' ') last->staged = row->staged;
        if (row->unstaged != ' ') last->unstaged = row->unstaged;
        last->unmerged = last->unmerged || row->unmerged;
        last->missing = last->missing || row->missing;
        if (row->from) last->from = row->from;
        free(row->path);
    }
    out->count = kept;
}

/* ---- HEAD and what is going on ---- */

static const struct {
    int state;
    const char *name;
} states[] = {
    {GIT_REPOSITORY_STATE_MERGE, "merge"},
    {GIT_REPOSITORY_STATE_REVERT, "revert"},
    {GIT_REPOSITORY_STATE_REVERT_SEQUENCE, "revert"},
    {GIT_REPOSITORY_STATE_CHERRYPICK, "cherry-pick"},
    {GIT_REPOSITORY_STATE_CHERRYPICK_SEQUENCE, "cherry-pick"},
    {GIT_REPOSITORY_STATE_BISECT, "bisect"},
    {GIT_REPOSITORY_STATE_REBASE, "rebase"},
    {GIT_REPOSITORY_STATE_REBASE_INTERACTIVE, "rebase"},
    {GIT_REPOSITORY_STATE_REBASE_MERGE, "rebase"},
    {GIT_REPOSITORY_STATE_APPLY_MAILBOX, "am"},
    {GIT_REPOSITORY_STATE_APPLY_MAILBOX_OR_REBASE, "am"},
};

static const char *state_name(git_repository *git)
{
    int state = git_repository_state(git);
    for (size_t i = 0; i < COUNT_OF(states); i++)
        if (states[i].state == state) return states[i].name;
    return NULL;
}

static void upstream_read(git_repository *git, const char *branch_ref, const git_oid *head, repo_status *out)
{
    CLEANUP(bytes_free) bytes ref = {0};
    git_oid theirs;
    size_t ahead, behind;

    if (!repo_upstream_ref(git, branch_ref, &ref)) return;
    const char *text = bytes_text(&ref);
    if (strncmp(text, "refs/remotes/", 13) == 0) text += 13;
    if (strncmp(text, "refs/heads/", 11) == 0) text += 11;
    out->upstream = memory_text(text);
    if (head && git_reference_name_to_id(&theirs, git, bytes_text(&ref)) == 0 &&
        git_graph_ahead_behind(&ahead, &behind, git, head, &theirs) == 0) {
        out->ahead = (int)ahead;
        out->behind = (int)behind;
    }
}

static err head_read(git_repository *git, repo_status *out)
{
    git_reference *head = NULL;
    git_oid id;

    out->ahead = out->behind = -1;
    out->doing = state_name(git);
    err e = repo_git_check(git_reference_lookup(&head, git, "HEAD"), "read HEAD");
    if (e.code) return e;
    bool born = git_reference_name_to_id(&id, git, "HEAD") == 0;
    if (born) repo_id_of(&id, &out->head);
    const char *ref = git_reference_symbolic_target(head);
    if (ref) {
        out->branch = memory_text(strncmp(ref, "refs/heads/", 11) == 0 ? ref + 11 : ref);
        upstream_read(git, ref, born ? &id : NULL, out);
    }
    git_reference_free(head);
    return ERR_OK;
}

/* ---- staged ---- */

static char letter_of(git_delta_t status)
{
    switch (status) {
    case GIT_DELTA_ADDED: return 'A';
    case GIT_DELTA_DELETED: return 'D';
    case GIT_DELTA_MODIFIED: return 'M';
    case GIT_DELTA_TYPECHANGE: return 'T';
    default: return ' ';
    }
}

bool repo_entry_intended(git_index *index, const char *path)
{
    const git_index_entry *entry = git_index_get_bypath(index, path, GIT_INDEX_STAGE_NORMAL);
    return entry && entry->flags_extended & GIT_INDEX_ENTRY_INTENT_TO_ADD;
}

static void staged_add(reading *s, const git_diff_delta *delta)
{
    const char *path = delta->status == GIT_DELTA_DELETED ? delta->old_file.path : delta->new_file.path;
    char letter = letter_of(delta->status);

    if (letter == ' ' || !repo_paths_hold(s->options->paths, s->options->path_count, path)) return;
    if (!repo_entry_intended(s->index, path)) repo_status_add(s->out, path)->staged = letter;
}

/* status.renames, else diff.renames; both are on when nobody says otherwise. */
static bool renames_wanted(git_repository *git)
{
    static const char *const keys[] = {"status.renames", "diff.renames"};
    git_config *config = NULL;
    const char *value = NULL;
    int wanted = 1;

    if (git_repository_config_snapshot(&config, git) != 0) return true;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (git_config_get_string(&value, config, keys[i]) != 0) continue;
        /* "copies" is more than we look for, and no boolean. */
        if (git_config_parse_bool(&wanted, value) != 0) wanted = 1;
        break;
    }
    git_config_free(config);
    return wanted != 0;
}

/* One row for both deltas of a rename; true: this delta is of one. */
static bool renamed_add(reading *s, git_diff *diff, const repo_renames *renames, size_t at)
{
    for (size_t i = 0; i < renames->count; i++) {
        const repo_rename *pair = &renames->rows[i];
        if (pair->gone == at) return true;
        if (pair->added != at) continue;
        repo_status_row *row = repo_status_add(s->out, git_diff_get_delta(diff, at)->new_file.path);
        row->staged = 'R';
        row->from = memory_text(git_diff_get_delta(diff, pair->gone)->old_file.path);
        return true;
    }
    return false;
}

static err staged_read(reading *s)
{
    git_diff_options options = GIT_DIFF_OPTIONS_INIT;
    repo_renames renames = {0};
    git_diff *diff = NULL;
    git_object *tree = NULL;
    err e = ERR_OK;

    options.flags = GIT_DIFF_INCLUDE_TYPECHANGE | GIT_DIFF_SKIP_BINARY_CHECK;
    if (*s->out->head.hex)
        e = repo_git_check(git_revparse_single(&tree, s->r->git, "HEAD^{tree}"), "read HEAD");
    if (!e.code)
        e = repo_git_check(git_diff_tree_to_index(&diff, s->r->git, (git_tree *)tree, s->index, &options),
                           "compare HEAD and the index");
    if (!e.code && s->options->renames && renames_wanted(s->r->git))
        repo_renames_find(s->r->git, diff, s->index, &renames);
    for (size_t i = 0; !e.code && i < git_diff_num_deltas(diff); i++)
        if (!renamed_add(s, diff, &renames, i)) staged_add(s, git_diff_get_delta(diff, i));
    free(renames.rows);
    git_diff_free(diff);
    git_object_free(tree);
    return e;
}

/* ---- unmerged ---- */

/* git's letters for the stages that are there: bit 0 is the base, 1 ours, 2 theirs. */
static const char unmerged_letters[8][3] = {"  ", "DD", "AU", "UD", "UA", "DU", "AA", "UU"};

static size_t unmerged_read(reading *s, size_t at)
{
    const git_index_entry *entry = git_index_get_byindex(s->index, at);
    const char *path = entry->path;
    unsigned stages = 0;

    while (entry && strcmp(entry->path, path) == 0) {
        stages |= 1u << (GIT_INDEX_ENTRY_STAGE(entry) - 1);
        entry = git_index_get_byindex(s->index, ++at);
    }
    if (repo_paths_hold(s->options->paths, s->options->path_count, path)) {
        repo_status_row *row = repo_status_add(s->out, path);
        row->unmerged = true;
        row->staged = unmerged_letters[stages & 7][0];
        row->unstaged = unmerged_letters[stages & 7][1];
    }
    return at;
}

/* ---- the worktree ---- */

static void restat_add(reading *s, const git_index_entry *entry, const struct stat *info, bool smudge)
{
    repo_restats *list = &s->restats;
    size_t count = list->count;
    if ((count & (count - 1)) == 0)
        list->rows = memory_resize_array(list->rows, count ? count * 2 : 1, sizeof *list->rows);
    list->rows[list->count++] =
        (repo_restat){entry->path, entry->id, entry->mtime, entry->ctime, *info, smudge};
    list->worth_it = list->worth_it || !smudge;
}

static char unstaged_letter(repo_likeness likeness)
{
    switch (likeness) {
    case REPO_CHANGED: return 'M';
    case REPO_ABSENT: return 'D';
    case REPO_OTHER_TYPE: return 'T';
    default: return ' ';
    }
}

/* Only what may be a pointer by its size is opened. */
static bool is_missing(reading *s, const char *path, const struct stat *info)
{
    CLEANUP(bytes_free) bytes text = {0};
    xet_pointer pointer;

    return S_ISREG(info->st_mode) && info->st_size > 0 && info->st_size <= XET_POINTER_BYTES_MAX &&
           repo_worktree_pointer(&s->comparer.below, path, &text, &pointer) &&
           repo_attributes_large(s->r, path);
}

static err entry_read(reading *s, const git_index_entry *entry)
{
    repo_likeness likeness;
    struct stat info;
    bool read = false;

    /* `git add -N`: promised, nothing of it is staged. */
    if (entry->flags_extended & GIT_INDEX_ENTRY_INTENT_TO_ADD) {
        bool there = repo_beneath_look(&s->comparer.below, entry->path, &info) && !S_ISDIR(info.st_mode);
        repo_status_add(s->out, entry->path)->unstaged = there ? 'A' : 'D';
        return ERR_OK;
    }
    err e = repo_compare(&s->comparer, entry, &likeness, &info, &read);
    if (e.code) return e;
    bool missing = is_missing(s, entry->path, &info);
    if (missing) repo_names_add(&s->out->missing, entry->path);
    if (likeness == REPO_SAME && read) restat_add(s, entry, &info, false);
    if (likeness == REPO_CHANGED && entry->mtime.seconds == (int32_t)info.st_mtim.tv_sec &&
        entry->file_size == (uint32_t)info.st_size)
        restat_add(s, entry, &info, true);
    char letter = unstaged_letter(likeness);
    if (letter == ' ') return ERR_OK;
    repo_status_row *row = repo_status_add(s->out, entry->path);
    row->unstaged = letter;
    row->missing = missing;
    return ERR_OK;
}

static err worktree_read(reading *s)
{
    err e = ERR_OK;
    for (size_t i = 0; !e.code && i < git_index_entrycount(s->index);) {
        const git_index_entry *entry = git_index_get_byindex(s->index, i);
        if (GIT_INDEX_ENTRY_STAGE(entry)) {
            i = unmerged_read(s, i);
            continue;
        }
        if (repo_paths_hold(s->options->paths, s->options->path_count, entry->path)) e = entry_read(s, entry);
        i++;
    }
    return e;
}

/* ---- the whole ---- */

static err status_run(reading *s)
{
    err e = head_read(s->r->git, s->out);
    if (!e.code) e = repo_comparer_open(s->r, &s->comparer);
    if (!e.code) e = repo_git_check(git_repository_index(&s->index, s->r->git), "read the index");
    if (!e.code) e = repo_git_check(git_index_read(s->index, 0), "read the index");
    if (!e.code) e = staged_read(s);
    if (!e.code) e = worktree_read(s);
    if (e.code) return e;
    rows_join(s->out);
    for (size_t i = 0; i < s->out->count; i++)
        s->out->rows[i].large = repo_attributes_large(s->r, s->out->rows[i].path);
    /* Of some files alone nothing can be said about the age of the others. */
    if (s->restats.worth_it && !s->options->paths) repo_index_restat(s->r, &s->restats);
    if (s->options->untracked) e = repo_untracked_find(&s->comparer, s->index, s->options, s->out);
    return e;
}

err repo_status_read(repo_handle *r, const repo_status_options *options, repo_status *out)
{
    static const repo_status_options all = {.untracked = true};
    reading s = {.r = r,
                 .options = options ? options : &all,
                 .out = out,
                 .comparer = {.below = {.root = -1, .parent = -1}}};

    *out = (repo_status){0};
    if (!*r->path) return err_make(ERR_UNSUPPORTED, "a bare repository has no files");
    err e = status_run(&s);
    repo_comparer_close(&s.comparer);
    git_index_free(s.index);
    free(s.restats.rows);
    if (e.code) repo_status_free(out);
    return e;
}

void repo_status_free(repo_status *status)
{
    for (size_t i = 0; i < status->count; i++) {
        free(status->rows[i].path);
        free(status->rows[i].from);
    }
    free(status->rows);
    free(status->branch);
    free(status->upstream);
    repo_names_free(&status->missing);
    *status = (repo_status){0};
}
