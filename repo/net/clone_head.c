/* repo/net/clone_head.c: which branch, tag or commit a new clone is on. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "repo/git.h"
#include "repo/net/clone_internal.h"
#include "repo/net/git_program.h"

enum { NAMES_SHOWN_MAX = 8, HEX_MIN = 7 };

#define REMOTE_BRANCHES "refs/remotes/origin/"

typedef struct heads {
    repo_net *n;
    repo_handle *r;
    repo_ref_rows refs;
    repo_network_report *report;
    repo_id *commit;
} heads;

/* ---- looking ---- */

static const repo_ref_row *find(const heads *h, const char *begin, const char *name)
{
    for (size_t i = 0; i < h->refs.count; i++) {
        const char *full = h->refs.rows[i].name;
        if (text_starts_with(full, begin) && strcmp(full + strlen(begin), name) == 0) return &h->refs.rows[i];
    }
    return NULL;
}

static const char *without(const char *text, const char *begin)
{
    return text_starts_with(text, begin) ? text + strlen(begin) : NULL;
}

static const repo_ref_row *branch_find(const heads *h, const char *wanted)
{
    const char *full = without(wanted, "refs/heads/"), *half = without(wanted, "heads/");
    const repo_ref_row *row = find(h, REMOTE_BRANCHES, full ? full : wanted);
    return row || !half ? row : find(h, REMOTE_BRANCHES, half);
}

static const repo_ref_row *tag_find(const heads *h, const char *wanted)
{
    const char *full = without(wanted, "refs/tags/"), *half = without(wanted, "tags/");
    const repo_ref_row *row = find(h, "refs/tags/", full ? full : wanted);
    return row || !half ? row : find(h, "refs/tags/", half);
}

/* Of a remote whose HEAD says nothing: as people name it, else the only one. */
static const repo_ref_row *usual_branch(const heads *h)
{
    static const char *const usual[] = {"main", "master"};
    const repo_ref_row *only = NULL;
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(usual); i++) {
        const repo_ref_row *row = find(h, REMOTE_BRANCHES, usual[i]);
        if (row) return row;
    }
    for (size_t i = 0; i < h->refs.count; i++)
        if (text_starts_with(h->refs.rows[i].name, REMOTE_BRANCHES)) only = &h->refs.rows[i], count++;
    return count == 1 ? only : NULL;
}

static err nothing_of_that_name(const heads *h, const char *wanted)
{
    CLEANUP(bytes_free) bytes list = {0};
    size_t shown = 0;

    for (size_t i = 0; i < h->refs.count && shown < NAMES_SHOWN_MAX; i++) {
        const char *full = h->refs.rows[i].name;
        const char *name = without(full, REMOTE_BRANCHES);
        if (!name) name = without(full, "refs/tags/");
        if (name) bytes_printf(&list, "%s%s", shown++ ? ", " : "", name);
    }
    if (h->refs.count > shown) bytes_append_text(&list, ", ...");
    if (!wanted)
        return err_make(ERR_NOT_FOUND,
                        "the remote's HEAD names no branch that it has: say --branch (there are: %s)",
                        bytes_text(&list));
    return err_make(ERR_NOT_FOUND, "there is no branch, tag or commit '%s' (there are: %s)", wanted,
                    shown ? bytes_text(&list) : "none");
}

/* ---- setting ---- */

static err commit_of(const heads *h, const git_oid *id, git_commit **out)
{
    git_object *object = NULL;
    err e = repo_git_check(git_object_lookup(&object, h->r->git, id, GIT_OBJECT_ANY),
                           "read what is to be checked out");
    if (!e.code)
        e = repo_git_check(git_object_peel((git_object **)out, object, GIT_OBJECT_COMMIT), "find its commit");
    git_object_free(object);
    return e;
}

static err detach(heads *h, const git_oid *id)
{
    git_commit *commit = NULL;
    err e = commit_of(h, id, &commit);
    if (!e.code)
        e = repo_git_check(git_repository_set_head_detached(h->r->git, git_commit_id(commit)), "set HEAD");
    if (!e.code) repo_id_of(git_commit_id(commit), h->commit);
    git_commit_free(commit);
    return e;
}

static err branch_make(heads *h, const char *name, const git_oid *id)
{
    CLEANUP(bytes_free) bytes full = {0}, upstream = {0};
    git_reference *made = NULL;
    git_commit *commit = NULL;

    bytes_printf(&full, "refs/heads/%s", name);
    bytes_printf(&upstream, "origin/%s", name);
    err e = commit_of(h, id, &commit);
    if (!e.code) e = repo_git_check(git_branch_create(&made, h->r->git, name, commit, 1), name);
    if (!e.code) e = repo_git_check(git_branch_set_upstream(made, bytes_text(&upstream)), "set the upstream");
    if (!e.code) e = repo_git_check(git_repository_set_head(h->r->git, bytes_text(&full)), "set HEAD");
    if (!e.code) h->report->branch = memory_text(name);
    if (!e.code) repo_id_of(git_commit_id(commit), h->commit);
    git_reference_free(made);
    git_commit_free(commit);
    return e;
}

static err branch_take(heads *h, const repo_ref_row *row)
{
    return branch_make(h, row->name + strlen(REMOTE_BRANCHES), &row->id);
}

/* What the remote's HEAD is on, as git's own clones say it. */
static void origin_head_set(heads *h, const char *head)
{
    const char *name = head ? without(head, "refs/heads/") : NULL;
    const repo_ref_row *row = name ? find(h, REMOTE_BRANCHES, name) : NULL;
    git_reference *made = NULL;

    if (row) git_reference_symbolic_create(&made, h->r->git, REMOTE_BRANCHES "HEAD", row->name, 1, NULL);
    git_reference_free(made);
}

/* ---- a commit ---- */

static bool is_hex(const char *text)
{
    size_t size = strlen(text);
    return size >= HEX_MIN && size <= 40 && strspn(text, "0123456789abcdef") == size;
}

/* What no branch reaches, servers may give when asked for by its whole id; libgit2 cannot ask. */
static void commit_ask(const heads *h, const char *hex, int depth)
{
    const char *const specs[] = {hex, NULL};
    err e = repo_git_program_fetch(h->n->context, h->n->folder, "origin", specs, depth, false, h->n->who);
    (void)e; /* whether it is here now is looked at */
}

static bool commit_find(const heads *h, const char *hex, git_oid *id)
{
    git_object *object = NULL;
    bool found = git_oid_fromstrn(id, hex, strlen(hex)) == 0 &&
                 git_object_lookup_prefix(&object, h->r->git, id, strlen(hex), GIT_OBJECT_COMMIT) == 0;
    if (found) *id = *git_object_id(object);
    git_object_free(object);
    return found;
}

static err commit_take(heads *h, const char *wanted, int depth)
{
    git_oid id;

    if (!is_hex(wanted)) return nothing_of_that_name(h, wanted);
    if (!commit_find(h, wanted, &id) && strlen(wanted) == 40) commit_ask(h, wanted, depth);
    return commit_find(h, wanted, &id) ? detach(h, &id) : nothing_of_that_name(h, wanted);
}

/* ---- deciding ---- */

/* The branch of its name waits for the first commit. */
static err empty_remote(heads *h, const char *wanted, const char *head)
{
    if (wanted) return nothing_of_that_name(h, wanted);
    repo_report_line(h->report, "the repository is empty: it has no commit yet");
    h->report->branch =
        memory_text(head && without(head, "refs/heads/") ? without(head, "refs/heads/") : "main");
    if (!head) return ERR_OK;
    return repo_git_check(git_repository_set_head(h->r->git, head), "set HEAD");
}

static err head_choose(heads *h, const char *wanted, const char *head, int depth)
{
    const repo_ref_row *row = NULL;

    if (!h->refs.count && (!wanted || !is_hex(wanted))) return empty_remote(h, wanted, head);
    if (!wanted) {
        const char *name = head ? without(head, "refs/heads/") : NULL;
        row = name ? find(h, REMOTE_BRANCHES, name) : NULL;
        if (!row) row = usual_branch(h);
        return row ? branch_take(h, row) : nothing_of_that_name(h, NULL);
    }
    if (strlen(wanted) == 40 && is_hex(wanted)) return commit_take(h, wanted, depth);
    row = branch_find(h, wanted);
    if (row) return branch_take(h, row);
    row = tag_find(h, wanted);
    return row ? detach(h, &row->id) : commit_take(h, wanted, depth);
}

err repo_clone_set_head(repo_net *n, repo_handle *r, const char *wanted, const char *head, int depth,
                        repo_network_report *report, repo_id *commit)
{
    heads h = {.n = n, .r = r, .report = report, .commit = commit};

    *commit->hex = 0;
    err e = repo_ref_rows_read(r->git, "origin", &h.refs);
    if (!e.code) origin_head_set(&h, head);
    if (!e.code) e = head_choose(&h, wanted, head, depth);
    repo_ref_rows_free(&h.refs);
    return e;
}
