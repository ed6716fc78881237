/* repo/net/arrivals.c: what a transfer brought: told ref by ref, verified, or put back. The same for every
 * road, since it looks at the refs before and after alone. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "repo/git.h"
#include "repo/net/network_internal.h"
#include "repo/tree_internal.h"

enum { REFS_MAX = 20000 };

/* ---- refs at one moment ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const repo_ref_row *)a)->name, ((const repo_ref_row *)b)->name);
}

static err rows_add(git_repository *git, const char *glob, repo_ref_rows *out)
{
    git_reference_iterator *all = NULL;
    git_reference *ref = NULL;
    size_t capacity = out->count;

    err e = repo_git_check(git_reference_iterator_glob_new(&all, git, glob), "list refs");
    while (!e.code && git_reference_next(&ref, all) == 0) {
        if (out->count == REFS_MAX) e = err_make(ERR_LIMIT, "more than %d refs", REFS_MAX);
        if (!e.code && git_reference_type(ref) == GIT_REFERENCE_DIRECT) {
            if (out->count == capacity) {
                capacity = capacity ? capacity * 2 : 64;
                out->rows = memory_resize_array(out->rows, capacity, sizeof *out->rows);
            }
            out->rows[out->count++] =
                (repo_ref_row){memory_text(git_reference_name(ref)), *git_reference_target(ref)};
        }
        git_reference_free(ref);
    }
    git_reference_iterator_free(all);
    return e;
}

err repo_ref_rows_read(git_repository *git, const char *remote, repo_ref_rows *out)
{
    CLEANUP(bytes_free) bytes glob = {0};

    bytes_printf(&glob, "refs/remotes/%s/*", remote);
    err e = rows_add(git, bytes_text(&glob), out);
    if (!e.code) e = rows_add(git, "refs/tags/*", out);
    if (out->count) qsort(out->rows, out->count, sizeof *out->rows, by_name);
    return e;
}

const git_oid *repo_ref_rows_find(const repo_ref_rows *list, const char *name)
{
    char *key = memory_text(name);
    repo_ref_row wanted = {.name = key};
    const repo_ref_row *row =
        list->count ? bsearch(&wanted, list->rows, list->count, sizeof wanted, by_name) : NULL;
    free(key);
    return row ? &row->id : NULL;
}

void repo_ref_rows_free(repo_ref_rows *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->rows[i].name);
    free(list->rows);
    *list = (repo_ref_rows){0};
}

/* ---- verifying ---- */

typedef struct arrivals {
    repo_net *n;
    repo_handle *r;
    const char *remote;
    const repo_ref_rows *before;
    repo_ref_rows after;
    git_oid *trees; /* of tips, seen whole */
    size_t tree_count;
    repo_network_report *report;
    err first_bad;
} arrivals;

static bool is_new(const arrivals *a, const repo_ref_row *row)
{
    const git_oid *old = repo_ref_rows_find(a->before, row->name);
    return !old || !git_oid_equal(old, &row->id);
}

static void commit_of(git_repository *git, const git_oid *id, git_commit **out)
{
    git_object *object = NULL, *peeled = NULL;
    *out = NULL;
    if (git_object_lookup(&object, git, id, GIT_OBJECT_ANY) == 0 &&
        git_object_peel(&peeled, object, GIT_OBJECT_COMMIT) == 0)
        *out = (git_commit *)peeled;
    git_object_free(object);
}

/* A tree that we could never check out (too large, names that may not be written) is whole all the same. */
static err tree_is_whole(arrivals *a, const git_oid *tree)
{
    repo_tree_list list = {0};
    git_odb *odb = NULL;

    for (size_t i = 0; i < a->tree_count; i++)
        if (git_oid_equal(&a->trees[i], tree)) return ERR_OK;
    err e = repo_tree_read(a->r, tree, &list);
    if (e.code == ERR_LIMIT || e.code == ERR_FORMAT) e = ERR_OK;
    if (!e.code) e = repo_git_check(git_repository_odb(&odb, a->r->git), "open the objects");
    for (size_t i = 0; i < list.count && !e.code; i++)
        if (list.rows[i].mode != GIT_FILEMODE_COMMIT && !git_odb_exists(odb, &list.rows[i].id))
            e = err_make(ERR_FORMAT, "the content of %s is missing", list.rows[i].path);
    git_odb_free(odb);
    repo_tree_list_free(&list);
    if (e.code) return e;
    a->trees = memory_resize_array(a->trees, a->tree_count + 1, sizeof *a->trees);
    a->trees[a->tree_count++] = *tree;
    return ERR_OK;
}

static err tip_is_whole(arrivals *a, const git_oid *id)
{
    git_commit *commit = NULL;

    commit_of(a->r->git, id, &commit);
    if (!commit) return err_make(ERR_FORMAT, "it is no commit that is here");
    err e = tree_is_whole(a, git_commit_tree_id(commit));
    git_commit_free(commit);
    return e;
}

static void walk_push(git_revwalk *walk, git_repository *git, const git_oid *id, bool hide)
{
    git_commit *commit = NULL;
    commit_of(git, id, &commit);
    if (commit && hide) git_revwalk_hide(walk, git_commit_id(commit));
    if (commit && !hide) git_revwalk_push(walk, git_commit_id(commit));
    git_commit_free(commit);
}

/* All commits from here (NULL: from every new ref) back to what was there before. */
static err history_is_whole(arrivals *a, const git_oid *from)
{
    git_revwalk *walk = NULL;
    git_oid id;
    repo_progress progress = {.phase = REPO_VERIFY};

    /* Such a libgit2 ends at the edge of a shallow history as at a missing commit. */
    if (!GIT_HAS_DEPTH && git_repository_is_shallow(a->r->git)) return ERR_OK;
    err e = repo_git_check(git_revwalk_new(&walk, a->r->git), "walk the history");
    if (e.code) return e;
    for (size_t i = 0; i < a->after.count; i++)
        if (from ? git_oid_equal(from, &a->after.rows[i].id) : is_new(a, &a->after.rows[i]))
            walk_push(walk, a->r->git, &a->after.rows[i].id, false);
    for (size_t i = 0; i < a->before->count; i++) walk_push(walk, a->r->git, &a->before->rows[i].id, true);
    int status = 0;
    while (!e.code && (status = git_revwalk_next(&id, walk)) == 0)
        if (++progress.done % 1024 == 0 && !repo_watch_tell(&a->n->context->watch, &progress))
            e = err_make(ERR_CANCELLED, "cancelled");
    if (!e.code && status != GIT_ITEROVER) e = repo_git_check(status, "an older commit");
    git_revwalk_free(walk);
    return e;
}

/* ---- putting back ---- */

static void put_back(const arrivals *a, const repo_ref_row *row)
{
    const git_oid *old = repo_ref_rows_find(a->before, row->name);
    git_repository *git = a->r->git;
    git_reference *ref = NULL, *made = NULL;

    /* Only while it is still what was refused. */
    if (old) {
        git_reference_create_matching(&made, git, row->name, old, 1, &row->id, "fetch: refused");
    } else if (git_reference_lookup(&ref, git, row->name) == 0 && git_reference_target(ref) &&
               git_oid_equal(git_reference_target(ref), &row->id)) {
        git_reference_delete(ref);
    }
    git_reference_free(ref);
    git_reference_free(made);
}

/* ---- telling ---- */

static const char *short_name(const arrivals *a, const char *name, bool *is_tag)
{
    size_t size = strlen(a->remote);
    const char *rest = name + strlen("refs/remotes/");

    *is_tag = text_starts_with(name, "refs/tags/");
    if (*is_tag) return name + strlen("refs/tags/");
    return strncmp(rest, a->remote, size) == 0 && rest[size] == '/' ? rest + size + 1 : rest;
}

static void line_tell(arrivals *a, const char *name, const git_oid *old, const git_oid *new)
{
    bool is_tag = false;
    const char *what = short_name(a, name, &is_tag);
    char from[9], to[9];

    a->report->refs_changed++;
    if (!new)
        repo_report_line(a->report, "%s deleted", what);
    else if (!old)
        repo_report_line(a->report, "%s new %s", what, is_tag ? "tag" : "branch");
    else {
        bool forward = git_graph_descendant_of(a->r->git, new, old) == 1;
        git_oid_tostr(from, sizeof from, old);
        git_oid_tostr(to, sizeof to, new);
        repo_report_line(a->report, "%s %s..%s%s", what, from, to, is_tag || forward ? "" : " forced");
    }
}

static void row_judge(arrivals *a, const repo_ref_row *row, bool history_is_good)
{
    bool is_tag = false;
    const char *what = short_name(a, row->name, &is_tag);

    err e = tip_is_whole(a, &row->id);
    if (!e.code && !history_is_good) e = history_is_whole(a, &row->id);
    if (!e.code) {
        line_tell(a, row->name, repo_ref_rows_find(a->before, row->name), &row->id);
        return;
    }
    put_back(a, row);
    repo_report_line(a->report, "%s refused: %s", what, e.text);
    if (!a->first_bad.code)
        a->first_bad = err_make(e.code == ERR_CANCELLED ? e.code : ERR_FORMAT,
                                "%s sent %s '%s' without all that belongs to it, so it was not taken: %s",
                                a->remote, is_tag ? "the tag" : "the branch", what, e.text);
}

err repo_arrivals_accept(repo_net *n, repo_handle *r, const char *remote, const repo_ref_rows *before,
                         repo_network_report *report)
{
    arrivals a = {.n = n, .remote = remote, .before = before, .report = report};
    repo_progress progress = {.phase = REPO_VERIFY};

    /* Opened anew: libgit2 knows the edge of a shallow history as it was when the repository was opened. */
    err e = repo_open(n->context, *r->path ? r->path : r->git_dir, &a.r);
    if (!e.code) e = repo_ref_rows_read(a.r->git, remote, &a.after);
    if (!e.code && !repo_watch_tell(&n->context->watch, &progress)) e = err_make(ERR_CANCELLED, "cancelled");
    err history = e.code ? e : history_is_whole(&a, NULL);
    if (history.code == ERR_CANCELLED) e = history;
    for (size_t i = 0; i < a.after.count && !e.code; i++)
        if (is_new(&a, &a.after.rows[i])) row_judge(&a, &a.after.rows[i], !history.code);
    for (size_t i = 0; i < before->count && !e.code; i++)
        if (!repo_ref_rows_find(&a.after, before->rows[i].name))
            line_tell(&a, before->rows[i].name, &before->rows[i].id, NULL);
    report->up_to_date = !report->refs_changed;
    repo_ref_rows_free(&a.after);
    repo_close(a.r);
    free(a.trees);
    return e.code ? e : a.first_bad;
}
