/* repo/log_walk.c: reading a history and putting it in order.
 *
 * Not libgit2's walk: that one fails at a shallow edge (1.5) and knows no paths. With a path it follows git's
 * default simplification: a merge that is the same as one parent leads to that one alone. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "repo/log_internal.h"

enum { SHALLOW_BYTES_MAX = 16 << 20, TELL_EVERY = 1000 };

/* ---- nodes ---- */

repo_log_node *repo_log_walk_find(repo_log_walk *w, const git_oid *id)
{
    repo_log_node *node = NULL;
    HASH_FIND(hh, w->nodes, id, sizeof *id, node);
    return node;
}

static repo_log_node *node_of(repo_log_walk *w, const git_oid *id)
{
    repo_log_node *node = repo_log_walk_find(w, id);
    if (node) return node;
    node = arena_new(&w->memory, repo_log_node);
    node->id = *id;
    node->row = -1;
    HASH_ADD(hh, w->nodes, id, sizeof node->id, node);
    w->node_count++;
    if (w->pending_count == w->pending_capacity) {
        w->pending_capacity = w->pending_capacity ? w->pending_capacity * 2 : 256;
        w->pending = memory_resize_array(w->pending, w->pending_capacity, sizeof(repo_log_node *));
    }
    w->pending[w->pending_count++] = node;
    return node;
}

void repo_log_walk_add(repo_log_walk *w, const git_oid *tip) { (void)node_of(w, tip); }

/* ---- the edge of a shallow history ---- */

static int oid_order(const void *a, const void *b) { return git_oid_cmp(a, b); }

static void edges_read(repo_log_walk *w)
{
    char *path = file_join(w->r->common_dir, "shallow");
    bytes text = {0};

    if (!file_read(path, SHALLOW_BYTES_MAX, &text).code) {
        w->edges = memory_alloc((text.size / (GIT_OID_HEXSZ + 1) + 1) * sizeof(git_oid));
        for (const char *line = bytes_text(&text); strlen(line) >= GIT_OID_HEXSZ;) {
            if (git_oid_fromstrn(&w->edges[w->edge_count], line, GIT_OID_HEXSZ) == 0) w->edge_count++;
            line += GIT_OID_HEXSZ;
            line += *line == '\n';
        }
        qsort(w->edges, w->edge_count, sizeof(git_oid), oid_order);
    }
    bytes_free(&text);
    free(path);
}

static bool is_edge(const repo_log_walk *w, const git_oid *id)
{
    return w->edge_count && bsearch(id, w->edges, w->edge_count, sizeof *id, oid_order) != NULL;
}

/* ---- opening a commit ---- */

/* What the path is in this commit; zero: it is not there. */
static err entry_read(repo_log_walk *w, const git_oid *commit_id, git_oid *out)
{
    git_commit *commit = NULL;
    git_tree *tree = NULL;
    git_tree_entry *entry = NULL;

    memset(out, 0, sizeof *out);
    int status = git_commit_lookup(&commit, w->r->git, commit_id);
    if (status == 0) status = git_commit_tree(&tree, commit);
    if (status == 0) status = git_tree_entry_bypath(&entry, tree, w->path);
    if (status == 0) {
        *out = *git_tree_entry_id(entry);
        /* The mode counts too: git shows the commit that made a file executable. */
        out->id[0] ^= (unsigned char)(git_tree_entry_filemode(entry) >> 6);
    }
    git_tree_entry_free(entry);
    git_tree_free(tree);
    git_commit_free(commit);
    return status == GIT_ENOTFOUND ? ERR_OK : repo_git_check(status, "read a commit");
}

/* Which parents are followed: [*first, *first + *count); and whether the commit changed the path. */
static err path_decide(repo_log_walk *w, repo_log_node *node, git_commit *commit, unsigned *first,
                       unsigned *count)
{
    git_oid here, there;

    err e = entry_read(w, &node->id, &here);
    node->shown = !git_oid_is_zero(&here) || *count > 0;
    for (unsigned i = 0; i < *count && !e.code; i++) {
        e = entry_read(w, git_commit_parent_id(commit, i), &there);
        if (e.code || !git_oid_equal(&here, &there)) continue;
        *first = i;
        *count = 1;
        node->shown = false;
        break;
    }
    return e;
}

static err parents_follow(repo_log_walk *w, repo_log_node *node, git_commit *commit)
{
    unsigned first = 0, count = git_commit_parentcount(commit);

    if (is_edge(w, &node->id)) {
        node->at_edge = w->met_edge = true;
        count = 0;
    }
    node->shown = true;
    err e = w->path ? path_decide(w, node, commit, &first, &count) : ERR_OK;
    if (e.code || !count) return e;
    node->parents = arena_array(&w->memory, repo_log_node *, count);
    for (unsigned i = 0; i < count; i++) {
        repo_log_node *parent = node_of(w, git_commit_parent_id(commit, first + i));
        parent->children_left++;
        node->parents[node->parent_count++] = parent;
    }
    return ERR_OK;
}

static err node_open(repo_log_walk *w, repo_log_node *node)
{
    git_commit *commit = NULL;

    node->opened = true;
    err e = repo_git_check(git_commit_lookup(&commit, w->r->git, &node->id), "read a commit");
    if (e.code) return e;
    node->time = git_commit_time(commit);
    e = parents_follow(w, node, commit);
    git_commit_free(commit);
    return e;
}

err repo_log_walk_read(repo_log_walk *w)
{
    for (size_t opened = 0; w->pending_count; opened++) {
        if (w->node_count > REPO_LOG_COMMITS_MAX)
            return err_make(ERR_LIMIT, "the history has more than %d commits", REPO_LOG_COMMITS_MAX);
        repo_progress progress = {.phase = REPO_COUNTING, .done = opened};
        if (opened % TELL_EVERY == 0 && !repo_watch_tell(&w->r->context->watch, &progress))
            return err_make(ERR_CANCELLED, "cancelled");
        err e = node_open(w, w->pending[--w->pending_count]);
        if (e.code) return e;
    }
    return ERR_OK;
}

/* ---- order: a heap of commits whose children were all given ---- */

typedef struct heap {
    repo_log_node **nodes;
    size_t count, added;
} heap;

static bool before(const repo_log_node *a, const repo_log_node *b)
{
    return a->time != b->time ? a->time > b->time : a->order < b->order;
}

static void swap(repo_log_node **a, repo_log_node **b)
{
    repo_log_node *kept = *a;
    *a = *b;
    *b = kept;
}

static void heap_add(heap *h, repo_log_node *node)
{
    size_t i = h->count++;
    node->order = h->added++;
    h->nodes[i] = node;
    for (; i && before(h->nodes[i], h->nodes[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&h->nodes[i], &h->nodes[(i - 1) / 2]);
}

static repo_log_node *heap_take(heap *h)
{
    repo_log_node *first = h->nodes[0];
    h->nodes[0] = h->nodes[--h->count];
    for (size_t i = 0;;) {
        size_t best = i, left = 2 * i + 1;
        for (size_t child = left; child <= left + 1 && child < h->count; child++)
            if (before(h->nodes[child], h->nodes[best])) best = child;
        if (best == i) return first;
        swap(&h->nodes[i], &h->nodes[best]);
        i = best;
    }
}

void repo_log_walk_each(repo_log_walk *w, bool (*each)(void *context, repo_log_node *node), void *context)
{
    heap h = {.nodes = memory_alloc((w->node_count + 1) * sizeof(repo_log_node *))};

    for (repo_log_node *node = w->nodes; node; node = node->hh.next)
        if (!node->children_left) heap_add(&h, node);
    while (h.count) {
        repo_log_node *node = heap_take(&h);
        if (node->shown && !each(context, node)) break;
        for (size_t i = 0; i < node->parent_count; i++)
            if (--node->parents[i]->children_left == 0) heap_add(&h, node->parents[i]);
    }
    free(h.nodes);
}

void repo_log_walk_begin(repo_handle *r, const char *path, repo_log_walk *out)
{
    *out = (repo_log_walk){.r = r};
    if (path) {
        while (path[0] == '.' && path[1] == '/') path += 2;
        size_t size = strlen(path);
        while (size && path[size - 1] == '/') size--;
        if (size && !(size == 1 && *path == '.')) out->path = arena_text_n(&out->memory, path, size);
    }
    edges_read(out);
}

void repo_log_walk_end(repo_log_walk *w)
{
    HASH_CLEAR(hh, w->nodes);
    free(w->pending);
    free(w->edges);
    arena_free(&w->memory);
}
