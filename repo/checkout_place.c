/* repo/checkout_place.c: what is still a pointer, and putting objects there that have arrived. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/attributes.h"
#include "repo/checkout_internal.h"
#include "repo/compare_internal.h"

static err pointer_look(repo_handle *r, repo_attributes *attributes, const repo_tree_entry *row,
                        bool also_here, repo_missing_list *out)
{
    bool is_pointer = false;
    xet_pointer pointer;

    if (!S_ISREG(row->mode) || !repo_attributes_tree_large(attributes, row->path)) return ERR_OK;
    err e = repo_blob_pointer(r->git, &row->id, &is_pointer, &pointer);
    if (e.code || !is_pointer || pointer.has_extensions) return e;
    if (also_here || !xet_store_has(r->store, pointer.oid, pointer.size))
        repo_missing_add(out, row->path, &pointer);
    return ERR_OK;
}

static err pointers_of_head(repo_handle *r, bool also_here, repo_missing_list *out)
{
    repo_tree_list tree = {0};
    repo_attributes *attributes = NULL;

    *out = (repo_missing_list){0};
    err e = repo_tree_read_head(r, &tree);
    if (!e.code) e = repo_attributes_of_tree(r, &tree, &attributes);
    for (size_t i = 0; i < tree.count && !e.code; i++)
        e = pointer_look(r, attributes, &tree.rows[i], also_here, out);
    repo_attributes_free(attributes);
    repo_tree_list_free(&tree);
    if (e.code) repo_missing_list_free(out);
    return e;
}

err repo_checkout_missing(repo_handle *r, repo_missing_list *out) { return pointers_of_head(r, false, out); }

err repo_checkout_pointers(repo_handle *r, repo_missing_list *out) { return pointers_of_head(r, true, out); }

/* ---- placing ---- */

typedef struct placer {
    repo_maker maker;
    repo_beneath below;
    git_index *index;
    repo_checkout_report report;
    size_t placed;
} placer;

/* The entry whose blob is the pointer that stands in the worktree; NULL: the index says something else. */
static const git_index_entry *entry_of(placer *p, const char *path, const bytes *text)
{
    const git_index_entry *entry = git_index_get_bypath(p->index, path, GIT_INDEX_STAGE_NORMAL);
    git_oid id;

    if (!entry || git_odb_hash(&id, text->data, text->size, GIT_OBJECT_BLOB) < 0) return NULL;
    return git_oid_equal(&id, &entry->id) ? entry : NULL;
}

/* Copying may have taken minutes: somebody may have written there meanwhile. */
static bool still_stands(placer *p, const char *path, const xet_pointer *pointer)
{
    CLEANUP(bytes_free) bytes text = {0};
    xet_pointer now;
    return repo_worktree_pointer(&p->below, path, &text, &now) && strcmp(now.oid, pointer->oid) == 0;
}

/* *swapped false with ERR_OK: something else stands there now. */
static err swap(placer *p, const char *path, const xet_pointer *pointer, uint32_t mode, bool *swapped)
{
    char temporary[64];
    const char *name = NULL;
    int fd = -1;

    err e = repo_beneath_parent(&p->below, path, false, &fd, &name);
    if (e.code) return e;
    snprintf(temporary, sizeof temporary, ".hyprstream-%ld.tmp", (long)getpid());
    unlinkat(fd, temporary, 0);
    e = repo_maker_make_large(&p->maker, path, pointer, mode, fd, temporary);
    *swapped = !e.code && still_stands(p, path, pointer);
    if (*swapped && renameat(fd, temporary, fd, name) != 0) e = err_errno("replace %s", path);
    if (e.code || !*swapped) unlinkat(fd, temporary, 0);
    return e;
}

static err place_one(placer *p, const repo_missing *row)
{
    CLEANUP(bytes_free) bytes text = {0};
    xet_pointer stands;
    struct stat info;

    if (!repo_worktree_pointer(&p->below, row->path, &text, &stands) || stands.has_extensions ||
        strcmp(stands.oid, row->pointer.oid) != 0 || stands.size != row->pointer.size)
        return ERR_OK;
    if (!xet_store_has(p->maker.r->store, stands.oid, stands.size)) return ERR_OK;
    if (!repo_attributes_large(p->maker.r, row->path)) return ERR_OK;
    if (!repo_beneath_look(&p->below, row->path, &info)) return ERR_OK;
    uint32_t mode = info.st_mode & 0100 ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
    bool swapped = false;
    err e = swap(p, row->path, &stands, mode, &swapped);
    if (e.code || !swapped) return e;
    p->placed++;
    const git_index_entry *old = entry_of(p, row->path, &text);
    if (!old || !repo_beneath_look(&p->below, row->path, &info)) return ERR_OK;
    repo_tree_entry same = {row->path, old->id, old->mode};
    git_index_entry entry = repo_index_entry(&same, &info);
    return repo_git_check(git_index_add(p->index, &entry), row->path);
}

err repo_checkout_place_fetched(repo_handle *r, const repo_missing_list *fetched, size_t *placed)
{
    placer p = {.below = {.root = -1, .parent = -1}};
    p.maker = (repo_maker){.r = r, .report = &p.report, .progress = {.phase = REPO_FILES}};
    p.maker.progress.total = fetched->count;

    *placed = 0;
    err e = repo_beneath_open(r->path, &p.below);
    if (!e.code) e = repo_git_check(git_repository_index(&p.index, r->git), "read the index");
    if (!e.code) e = repo_git_check(git_index_read(p.index, 0), "read the index");
    for (size_t i = 0; i < fetched->count && !e.code; i++) {
        p.maker.progress.done = i;
        e = place_one(&p, &fetched->rows[i]);
    }
    /* What was placed before a failure stays, and the index knows it. */
    err written = p.placed ? repo_index_write(p.index) : ERR_OK;
    *placed = p.placed;
    git_index_free(p.index);
    repo_beneath_close(&p.below);
    repo_checkout_report_free(&p.report);
    return e.code ? e : written;
}
