#include <stdlib.h>
#include <string.h>

#include "repo/branch.h"
#include "repo/log_internal.h"

static const struct {
    const char *prefix;
    repo_ref_kind kind;
} prefixes[] = {
    {"refs/heads/", REPO_REF_BRANCH},
    {"refs/tags/", REPO_REF_TAG},
    {"refs/remotes/", REPO_REF_REMOTE},
};

static int ref_order(const void *a, const void *b)
{
    const repo_log_ref *left = a, *right = b;
    if (left->current != right->current) return left->current ? -1 : 1;
    return left->kind != right->kind ? (int)left->kind - (int)right->kind : strcmp(left->name, right->name);
}

static void row_point(repo_log_walk *walk, repo_log *out, const git_oid *id, repo_log_ref ref)
{
    repo_log_node *node = repo_log_walk_find(walk, id);
    if (!node || node->row < 0) return;
    repo_log_row *row = &out->rows[node->row];
    row->refs = memory_resize_array(row->refs, row->ref_count + 1, sizeof *row->refs);
    ref.name = memory_text(ref.name);
    row->refs[row->ref_count++] = ref;
}

static void ref_point(repo_log_walk *walk, repo_log *out, git_reference *ref)
{
    const char *name = git_reference_name(ref);
    git_object *commit = NULL;
    size_t i = 0;

    /* origin/HEAD is a second name of another ref. */
    if (git_reference_type(ref) == GIT_REFERENCE_SYMBOLIC) return;
    while (i < COUNT_OF(prefixes) && strncmp(name, prefixes[i].prefix, strlen(prefixes[i].prefix)) != 0) i++;
    if (i == COUNT_OF(prefixes) || git_reference_peel(&commit, ref, GIT_OBJECT_COMMIT) != 0) return;
    repo_log_ref row = {.kind = prefixes[i].kind, .current = git_branch_is_head(ref) == 1};
    char *short_name = memory_text(name + strlen(prefixes[i].prefix));
    row.name = short_name;
    row_point(walk, out, git_object_id(commit), row);
    free(short_name);
    git_object_free(commit);
}

static void detached_point(repo_handle *r, repo_log_walk *walk, repo_log *out)
{
    git_oid id;
    char name[] = "HEAD";
    if (git_repository_head_detached(r->git) != 1 || git_reference_name_to_id(&id, r->git, name) != 0) return;
    row_point(walk, out, &id, (repo_log_ref){.kind = REPO_REF_COMMIT, .name = name, .current = true});
}

err repo_log_refs_read(repo_handle *r, repo_log_walk *walk, repo_log *out)
{
    git_reference_iterator *iterator = NULL;
    git_reference *ref = NULL;
    size_t count = 0;

    err e = repo_git_check(git_reference_iterator_new(&iterator, r->git), "list the refs");
    while (!e.code && git_reference_next(&ref, iterator) == 0) {
        if (++count > REPO_REFS_COUNT_MAX)
            e = err_make(ERR_LIMIT, "more than %d refs", REPO_REFS_COUNT_MAX);
        else
            ref_point(walk, out, ref);
        git_reference_free(ref);
    }
    git_reference_iterator_free(iterator);
    if (e.code) return e;
    detached_point(r, walk, out);
    for (size_t i = 0; i < out->count; i++)
        if (out->rows[i].ref_count)
            qsort(out->rows[i].refs, out->rows[i].ref_count, sizeof *out->rows[i].refs, ref_order);
    return ERR_OK;
}
