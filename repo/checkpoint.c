#include "repo/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/branch_internal.h"
#include "repo/checkpoint_internal.h"
#include "repo/commit_internal.h"
#include "repo/gate.h"
#include "repo/resolve.h"

enum { TAG_TRIES_MAX = 1000, ATTRIBUTES_BYTES_MAX = 1 << 20 };

static const char attributes_name[] = ".gitattributes";
static const char adapters_line[] = "adapters/*.safetensors filter=lfs diff=lfs merge=lfs -text\n";

/* ---- where ---- */

/* HEAD's branch, which may have no commit yet. */
static bool is_here(repo_handle *r, const char *full)
{
    git_reference *head = NULL;
    bool here = !git_repository_is_bare(r->git) && git_reference_lookup(&head, r->git, "HEAD") == 0 &&
                git_reference_type(head) == GIT_REFERENCE_SYMBOLIC &&
                strcmp(git_reference_symbolic_target(head), full) == 0;
    git_reference_free(head);
    return here;
}

/* A worktree whose folder is away (an overlay that is not mounted) has no files to write. */
static err place_find(repo_checkpoint_work *w)
{
    repo_places places = {0};

    if (is_here(w->r, w->full)) {
        w->place = w->r;
        return ERR_OK;
    }
    err e = repo_places_read(w->r, &places);
    const char *folder = e.code ? NULL : repo_places_find(&places, w->full);
    if (folder && !repo_open(w->r->context, folder, &w->place).code) w->place_owned = true;
    repo_places_free(&places);
    return e;
}

static err start_find(repo_checkpoint_work *w)
{
    repo_ref start = {0};

    err e = repo_resolve(w->r, w->what->start, &start);
    if (!e.code) e = repo_oid_read(&start.commit, &w->tip);
    w->born = w->made_branch = !e.code;
    repo_ref_free(&start);
    return e;
}

static err tip_find(repo_checkpoint_work *w)
{
    int status = git_reference_name_to_id(&w->tip, w->r->git, w->full);

    w->born = status == 0;
    w->made_branch = false;
    if (status == 0) return ERR_OK;
    if (status != GIT_ENOTFOUND) return repo_git_check(status, w->what->branch);
    if (w->what->start) return start_find(w);
    if (git_repository_is_empty(w->r->git) == 1 || is_here(w->r, w->full)) return ERR_OK;
    return err_make(ERR_NOT_FOUND, "there is no branch '%s'", w->what->branch);
}

/* ---- the commit ---- */

static err who(repo_checkpoint_work *w, git_signature **author, git_signature **committer)
{
    const repo_checkpoint *c = w->what;
    err e = c->author ? repo_signature_of(c->author, c->time, author) : repo_signature_author(w->r, author);
    if (e.code) return e;
    return c->committer ? repo_signature_of(c->committer, c->time, committer)
                        : repo_signature_committer(w->r, committer);
}

static err object_make(repo_checkpoint_work *w, char **message)
{
    git_signature *author = NULL, *committer = NULL;

    err e = repo_checkpoint_message(w->what, message);
    if (!e.code) e = who(w, &author, &committer);
    if (!e.code) {
        repo_ident_set(w->r, committer);
        repo_commit_parts parts = {&w->tree,
                                   &w->tip,
                                   w->born,
                                   author,
                                   committer,
                                   *message,
                                   !w->what->committer && repo_commit_signs(w->r)};
        e = repo_commit_object(w->r, &parts, &w->commit);
    }
    git_signature_free(author);
    git_signature_free(committer);
    return e;
}

static bool is_unchanged(repo_checkpoint_work *w)
{
    git_commit *tip = NULL;
    bool same = w->born && git_commit_lookup(&tip, w->r->git, &w->tip) == 0 &&
                git_oid_equal(git_commit_tree_id(tip), &w->tree);
    git_commit_free(tip);
    return same;
}

static err branch_move(repo_checkpoint_work *w, const char *message)
{
    char *line = repo_reflog_line(w->born ? "commit" : "commit (initial)", message);
    /* In the place's own handle: libgit2 writes the reflog of the HEAD it was opened with. */
    repo_handle *r = w->place ? w->place : w->r;
    int status = repo_ref_move(r, w->full, w->born && !w->made_branch ? &w->tip : NULL, &w->commit, line);
    free(line);
    err e = repo_git_check(status, w->what->branch);
    if (status == GIT_EEXISTS || status == GIT_EMODIFIED || status == GIT_ELOCKED) e.code = ERR_BUSY;
    return e;
}

static err commit_here(repo_checkpoint_work *w, const char *message)
{
    err e = repo_checkpoint_journal_begin(w);
    if (!e.code) e = branch_move(w, message);
    /* The commit is made: an index that another git holds follows when the gate is entered next. */
    if (!e.code && repo_checkpoint_refresh_index(w).code) return ERR_OK;
    repo_checkpoint_journal_end(w);
    return e;
}

static err attempt(repo_checkpoint_work *w)
{
    char *message = NULL;
    bool known = false;

    err e = tip_find(w);
    if (!e.code) e = repo_checkpoint_objects(w);
    if (!e.code) e = repo_checkpoint_find_known(w, &known);
    if (!e.code && known && !git_oid_equal(&w->commit, &w->tip)) return e; /* others came after it */
    if (!e.code && is_unchanged(w) && !w->made_branch) {
        w->commit = w->tip;
        e = repo_checkpoint_write_files(w);
        return e.code ? e : repo_checkpoint_refresh_index(w);
    }
    if (!e.code) e = object_make(w, &message);
    if (!e.code) e = repo_checkpoint_write_files(w);
    if (!e.code) e = commit_here(w, message);
    free(message);
    return e;
}

typedef struct trying {
    repo_checkpoint_work *w;
    err e;
} trying;

static int try_once(void *context)
{
    trying *t = context;
    t->e = attempt(t->w);
    return t->e.code == ERR_BUSY ? GIT_EMODIFIED : 0;
}

/* ---- lines of .gitattributes that are lacking ---- */

static err attributes_at_tip(repo_checkpoint_work *w, bytes *out)
{
    git_commit *tip = NULL;
    git_tree *tree = NULL;
    git_object *blob = NULL;
    git_tree_entry *entry = NULL;

    if (!w->born) return ERR_OK;
    int status = git_commit_lookup(&tip, w->r->git, &w->tip);
    if (status == 0) status = git_commit_tree(&tree, tip);
    if (status == 0) status = git_tree_entry_bypath(&entry, tree, attributes_name);
    if (status == 0) status = git_tree_entry_to_object(&blob, w->r->git, entry);
    if (status == 0 && git_object_type(blob) == GIT_OBJECT_BLOB)
        bytes_append(out, git_blob_rawcontent((git_blob *)blob), (size_t)git_blob_rawsize((git_blob *)blob));
    git_object_free(blob);
    git_tree_entry_free(entry);
    git_tree_free(tree);
    git_commit_free(tip);
    return status == GIT_ENOTFOUND ? ERR_OK : repo_git_check(status, "read .gitattributes");
}

static void line_append(bytes *text)
{
    if (text->size && text->data[text->size - 1] != '\n') bytes_append_byte(text, '\n');
    bytes_append_text(text, adapters_line);
}

/* Lines that somebody is writing there are kept: ours is put below them, and the file stays a changed one. */
static err own_lines_keep(repo_checkpoint_work *w, const bytes *at_tip, bool *keep)
{
    CLEANUP(bytes_free) bytes own = {0};
    char *path = file_join(w->place->path, attributes_name);

    err e = file_read(path, ATTRIBUTES_BYTES_MAX, &own);
    *keep = !e.code && !bytes_view_equal(bytes_borrow(&own), bytes_borrow(at_tip));
    if (e.code == ERR_NOT_FOUND) e = ERR_OK;
    if (!e.code && *keep) {
        line_append(&own);
        e = file_write(path, bytes_borrow(&own));
    }
    free(path);
    return e;
}

static err work_run(repo_checkpoint_work *w);

static err cover(repo_checkpoint_work *w)
{
    CLEANUP(bytes_free) bytes text = {0};
    bool uncovered = false, keep = false;

    err e = tip_find(w);
    if (!e.code) e = repo_checkpoint_uncovered(w, &uncovered);
    if (e.code || !uncovered) return e;
    e = attributes_at_tip(w, &text);
    if (!e.code && w->place) e = own_lines_keep(w, &text, &keep);
    if (e.code) return e;
    line_append(&text);
    repo_checkpoint_file file = {.path = attributes_name, .content = bytes_borrow(&text)};
    repo_checkpoint line = *w->what;
    line.files = &file;
    line.file_count = 1;
    line.subject = "Keep the weights of adapters under LFS";
    line.body = NULL;
    line.trailer_count = line.known_count = 0;
    line.tag = NULL;
    repo_made_file made = {0};
    repo_checkpoint_work first = {
        .r = w->r, .what = &line, .place = w->place, .full = w->full, .files = &made, .keeps_files = keep};
    return work_run(&first);
}

static err work_run(repo_checkpoint_work *w)
{
    trying t = {.w = w};
    int status = repo_retry(try_once, &t);
    if (status == GIT_EMODIFIED)
        return err_make(ERR_BUSY, "the branch %s kept moving: %.300s", w->what->branch, t.e.text);
    return t.e;
}

/* ---- the tag ---- */

/* 1: the name leads to this very commit already. 0: it is free. -1: it is taken. */
static int tag_state(repo_handle *r, const char *name, const git_oid *commit)
{
    git_reference *ref = NULL;
    git_object *target = NULL;
    bytes full = {0};
    int state = -1;

    bytes_printf(&full, "refs/tags/%s", name);
    int status = git_reference_lookup(&ref, r->git, bytes_text(&full));
    if (status == GIT_ENOTFOUND)
        state = 0;
    else if (status == 0 && git_reference_peel(&target, ref, GIT_OBJECT_COMMIT) == 0 &&
             git_oid_equal(git_object_id(target), commit))
        state = 1;
    git_object_free(target);
    git_reference_free(ref);
    bytes_free(&full);
    return state;
}

static err tag_write(repo_checkpoint_work *w, const char *name)
{
    git_signature *author = NULL, *tagger = NULL;
    git_object *target = NULL;
    git_oid made;

    err e = who(w, &author, &tagger);
    if (!e.code)
        e = repo_git_check(git_object_lookup(&target, w->r->git, &w->commit, GIT_OBJECT_COMMIT), "tag");
    if (!e.code)
        e = repo_git_check(git_tag_create(&made, w->r->git, name, target, tagger,
                                          w->what->tag_message ? w->what->tag_message : w->what->subject, 0),
                           name);
    git_signature_free(author);
    git_signature_free(tagger);
    git_object_free(target);
    return e;
}

static err tag_make(repo_checkpoint_work *w, char *out, size_t out_size)
{
    for (int i = 1; i <= TAG_TRIES_MAX; i++) {
        if (i == 1)
            snprintf(out, out_size, "%s", w->what->tag);
        else
            snprintf(out, out_size, "%s-%d", w->what->tag, i);
        int state = tag_state(w->r, out, &w->commit);
        if (state == 1) return ERR_OK;
        if (state == 0) return tag_write(w, out);
    }
    *out = 0;
    return err_make(ERR_EXISTS, "more than %d tags are called %s", TAG_TRIES_MAX, w->what->tag);
}

/* ---- all of it ---- */

err repo_checkpoint_commit(repo_handle *r, const repo_checkpoint *checkpoint, repo_checkpoint_done *out)
{
    repo_checkpoint_work w = {.r = r, .what = checkpoint};
    repo_gate *gate = NULL;
    bytes full = {0};

    *out = (repo_checkpoint_done){0};
    err e = repo_checkpoint_check(checkpoint);
    if (e.code) return e;
    bytes_printf(&full, "refs/heads/%s", checkpoint->branch);
    w.full = bytes_take(&full);
    w.files = memory_alloc(checkpoint->file_count * sizeof *w.files);
    e = repo_gate_enter(r, "checkpoint", &gate);
    if (!e.code) e = place_find(&w);
    if (!e.code) e = cover(&w);
    if (!e.code) e = work_run(&w);
    if (!e.code && checkpoint->tag) e = tag_make(&w, out->tag, sizeof out->tag);
    if (!e.code) repo_id_of(&w.commit, &out->commit);
    repo_gate_leave(gate);
    if (w.place_owned) repo_close(w.place);
    free(w.full);
    free(w.files);
    return e;
}
