/* repo/net/lfs_push.c: the large files of what is about to be pushed go first.
 *
 * The remote has what its refs' commits point to (our remote-tracking refs say where those are); trees of
 * commits just below ours are marked as known, and whatever else our commits point to is offered. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/checkout_internal.h"
#include "repo/gc_internal.h"
#include "repo/net/lfs_internal.h"
#include "repo/net/network_internal.h"

enum { TREE_DEPTH_MAX = 64, COMMITS_MAX = 1000000 };

typedef struct pushing {
    repo_handle *r;
    git_odb *odb;
    git_oid *commits; /* the newest first */
    size_t commit_count;
    key_set ours;           /* the same, for looking up */
    key_set seen, large;    /* trees and blobs that were looked at; objects that were found */
    repo_missing_list rows; /* of each object: a file, its pointer */
    git_oid *row_commits;   /* and a commit that has it */
    bytes path;             /* of the folder at hand */
} pushing;

static void pushing_free(pushing *p)
{
    git_odb_free(p->odb);
    free(p->commits);
    key_set_free(&p->ours);
    key_set_free(&p->seen);
    key_set_free(&p->large);
    repo_missing_list_free(&p->rows);
    free(p->row_commits);
    bytes_free(&p->path);
}

/* ---- which commits ---- */

/* What the remote's refs point to needs no second look. */
static err remote_hide(const pushing *p, git_revwalk *walk, const char *remote)
{
    git_reference_iterator *all = NULL;
    git_reference *ref = NULL;
    CLEANUP(bytes_free) bytes glob = {0};

    bytes_printf(&glob, "refs/remotes/%s/*", remote);
    err e = repo_git_check(git_reference_iterator_glob_new(&all, p->r->git, bytes_text(&glob)),
                           "list the remote's refs");
    while (!e.code && git_reference_next(&ref, all) == 0) {
        const git_oid *id = git_reference_target(ref);
        /* One whose commit is gone hides nothing. */
        if (id) git_revwalk_hide(walk, id);
        git_reference_free(ref);
    }
    git_reference_iterator_free(all);
    return e;
}

/* Tags are peeled; one of a tree or blob has no commits. */
static err tip_push(const pushing *p, git_revwalk *walk, const repo_id *tip)
{
    git_object *object = NULL, *commit = NULL;
    git_oid id;

    err e = repo_oid_read(tip, &id);
    if (!e.code) e = repo_git_check(git_object_lookup(&object, p->r->git, &id, GIT_OBJECT_ANY), "read a tip");
    if (!e.code && git_object_peel(&commit, object, GIT_OBJECT_COMMIT) == 0)
        e = repo_git_check(git_revwalk_push(walk, git_object_id(commit)), "walk from a tip");
    git_object_free(commit);
    git_object_free(object);
    return e;
}

static err commits_list(pushing *p, git_revwalk *walk)
{
    git_oid id;
    size_t capacity = 0;
    int status;

    while ((status = git_revwalk_next(&id, walk)) == 0) {
        if (p->commit_count == COMMITS_MAX)
            return err_make(ERR_LIMIT, "more than %d commits to push at once", COMMITS_MAX);
        if (p->commit_count == capacity)
            p->commits = memory_resize_array(p->commits, capacity = capacity * 2 + 64, sizeof *p->commits);
        p->commits[p->commit_count++] = id;
        key_set_add(&p->ours, id.id);
    }
    /* Older versions stop with -3 where a shallow history ends: that is its end. */
    if (status == GIT_ITEROVER || (status == GIT_ENOTFOUND && git_repository_is_shallow(p->r->git) == 1))
        return ERR_OK;
    return repo_git_check(status, "walk the commits");
}

static err commits_find(pushing *p, const char *remote, const repo_id *tips, size_t tip_count)
{
    git_revwalk *walk = NULL;

    err e = repo_git_check(git_revwalk_new(&walk, p->r->git), "walk the commits");
    for (size_t i = 0; i < tip_count && !e.code; i++) e = tip_push(p, walk, &tips[i]);
    if (!e.code) e = remote_hide(p, walk, remote);
    if (!e.code) e = commits_list(p, walk);
    git_revwalk_free(walk);
    return e;
}

/* ---- what they point to ---- */

static err blob_look(pushing *p, const git_tree_entry *entry, const git_oid *commit)
{
    const git_oid *id = git_tree_entry_id(entry);
    git_object_t type;
    size_t size, folder = p->path.size;
    bool is_pointer = false;
    xet_pointer pointer;
    unsigned char key[32];

    err e = repo_git_check(git_odb_read_header(&size, &type, p->odb, id), "read an object");
    if (e.code || size > XET_POINTER_BYTES_MAX) return e;
    e = repo_blob_pointer(p->r->git, id, &is_pointer, &pointer);
    if (e.code || !is_pointer) return e;
    gc_oid_bytes(pointer.oid, key);
    if (!key_set_add(&p->large, key)) return ERR_OK;
    bytes_append_text(&p->path, git_tree_entry_name(entry));
    p->row_commits = memory_resize_array(p->row_commits, p->rows.count + 1, sizeof *p->row_commits);
    p->row_commits[p->rows.count] = *commit;
    repo_missing_add(&p->rows, bytes_text(&p->path), &pointer);
    bytes_remove(&p->path, folder, p->path.size - folder);
    return ERR_OK;
}

/* commit NULL: the remote has this tree. */
static err tree_look(pushing *p, const git_oid *id, const git_oid *commit, int depth)
{
    git_tree *tree = NULL;
    size_t folder = p->path.size;

    if (!key_set_add(&p->seen, id->id)) return ERR_OK;
    if (depth > TREE_DEPTH_MAX)
        return err_make(ERR_LIMIT, "folders are nested deeper than %d", TREE_DEPTH_MAX);
    err e = repo_git_check(git_tree_lookup(&tree, p->r->git, id), "read a tree");
    for (size_t i = 0; !e.code && i < git_tree_entrycount(tree); i++) {
        const git_tree_entry *entry = git_tree_entry_byindex(tree, i);
        if (git_tree_entry_type(entry) == GIT_OBJECT_TREE) {
            bytes_printf(&p->path, "%s/", git_tree_entry_name(entry));
            e = tree_look(p, git_tree_entry_id(entry), commit, depth + 1);
            bytes_remove(&p->path, folder, p->path.size - folder);
        } else if (git_tree_entry_type(entry) == GIT_OBJECT_BLOB &&
                   key_set_add(&p->seen, git_tree_entry_id(entry)->id) && commit) {
            e = blob_look(p, entry, commit);
        }
    }
    git_tree_free(tree);
    return e;
}

/* A commit below ours that is not ours: the remote has it. */
static err parent_look(pushing *p, const git_oid *id)
{
    git_commit *commit = NULL;

    if (key_set_has(&p->ours, id->id)) return ERR_OK;
    int status = git_commit_lookup(&commit, p->r->git, id);
    if (status == GIT_ENOTFOUND) return ERR_OK; /* past the edge of a shallow history */
    err e = repo_git_check(status, "read a commit");
    if (!e.code) e = tree_look(p, git_commit_tree_id(commit), NULL, 0);
    git_commit_free(commit);
    return e;
}

static err commit_look(pushing *p, const git_oid *id, bool parents)
{
    git_commit *commit = NULL;
    err e = repo_git_check(git_commit_lookup(&commit, p->r->git, id), "read a commit");

    for (unsigned i = 0; parents && !e.code && i < git_commit_parentcount(commit); i++)
        e = parent_look(p, git_commit_parent_id(commit, i));
    if (!parents && !e.code) e = tree_look(p, git_commit_tree_id(commit), id, 0);
    git_commit_free(commit);
    return e;
}

static err commits_look(pushing *p)
{
    repo_progress progress = {.phase = REPO_COUNTING, .total = p->commit_count};
    err e = ERR_OK;

    for (size_t i = 0; i < p->commit_count && !e.code; i++) e = commit_look(p, &p->commits[i], true);
    /* The oldest first: what is missing is named by the commit that brought it. */
    for (size_t i = p->commit_count; i > 0 && !e.code; i--) {
        e = commit_look(p, &p->commits[i - 1], false);
        progress.done++;
        if (!e.code && !repo_watch_tell(&p->r->context->watch, &progress))
            e = err_make(ERR_CANCELLED, "cancelled");
    }
    return e;
}

/* ---- to the server ---- */

static size_t row_of(const pushing *p, const char *oid)
{
    size_t i = 0;
    while (i < p->rows.count && strcmp(p->rows.rows[i].pointer.oid, oid) != 0) i++;
    return i;
}

static const char *name_of(const repo_lfs_call *call, const char *oid)
{
    const pushing *p = call->context;
    size_t i = row_of(p, oid);
    return i < p->rows.count ? p->rows.rows[i].path : NULL;
}

static err first_problem(const pushing *p, const xet_lfs_object *objects, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!objects[i].problem.code) continue;
        size_t row = row_of(p, objects[i].oid);
        repo_id commit;
        repo_id_of(&p->row_commits[row], &commit);
        if (objects[i].problem.code == ERR_NOT_FOUND &&
            !xet_store_has(p->r->store, objects[i].oid, objects[i].size))
            return err_make(ERR_NOT_FOUND,
                            "%s of commit %.8s is large file %s, which is neither here nor on the remote's "
                            "server: nothing was pushed",
                            p->rows.rows[row].path, commit.hex, objects[i].oid);
        return err_note(objects[i].problem, "%s of commit %.8s", p->rows.rows[row].path, commit.hex);
    }
    return ERR_OK;
}

/* Those that are here, or those that are not. */
static err send(pushing *p, repo_lfs_call *call, bool here, size_t *files, uint64_t *bytes_sent)
{
    xet_lfs_object *objects = memory_alloc((p->rows.count + 1) * sizeof *objects);
    size_t count = 0;

    for (size_t i = 0; i < p->rows.count; i++) {
        const xet_pointer *pointer = &p->rows.rows[i].pointer;
        if (xet_store_has(p->r->store, pointer->oid, pointer->size) != here) continue;
        memcpy(objects[count].oid, pointer->oid, sizeof objects[count].oid);
        objects[count++].size = pointer->size;
    }
    err e = repo_lfs_call_run(call, true, objects, count);
    if (!e.code) e = first_problem(p, objects, count);
    for (size_t i = 0; i < count && here; i++) {
        if (!objects[i].done) continue;
        if (files) ++*files;
        if (bytes_sent) *bytes_sent += objects[i].size;
    }
    free(objects);
    return e;
}

static err push_all(pushing *p, repo_credentials *who, const char *remote, size_t *files,
                    uint64_t *bytes_sent)
{
    CLEANUP(repo_lfs_call_free)
    repo_lfs_call call = {.r = p->r, .who = who, .name = name_of, .context = p};

    if (!p->rows.count) return ERR_OK;
    err e = repo_lfs_place_find(p->r, remote, true, &call.place);
    if (!e.code) e = send(p, &call, false, NULL, NULL); /* what is lacking is found out before a byte goes */
    return e.code ? e : send(p, &call, true, files, bytes_sent);
}

err repo_lfs_push(repo_handle *r, repo_credentials *who, const char *remote, const repo_id *tips,
                  size_t tip_count, size_t *files, uint64_t *bytes_sent)
{
    CLEANUP(pushing_free)
    pushing p = {
        .r = r, .ours.key_size = GIT_OID_RAWSZ, .seen.key_size = GIT_OID_RAWSZ, .large.key_size = 32};
    git_remote *found = NULL;
    char *name = NULL, *head = repo_net_head_ref(r->git);

    err e = repo_net_remote(r->git, remote, head, &found, &name);
    if (!e.code) e = repo_git_check(git_repository_odb(&p.odb, r->git), "open the object database");
    if (!e.code) e = commits_find(&p, name, tips, tip_count);
    if (!e.code) e = commits_look(&p);
    if (!e.code) e = push_all(&p, who, name, files, bytes_sent);
    git_remote_free(found);
    free(name);
    free(head);
    return e;
}
