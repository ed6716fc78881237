#include "repo/branch.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/branch_internal.h"
#include "repo/commit_internal.h"
#include "repo/gate.h"

enum { LOG_BYTES_MAX = 64 << 20 };

static const char heads[] = "refs/heads/";

static char *full_name(const char *name)
{
    bytes full = {0};
    bytes_append_text(&full, heads);
    bytes_append_text(&full, name);
    return bytes_take(&full);
}

/* ---- names ---- */

/* What a sentence may repeat of a name that somebody gave: no control bytes, not ten kilobytes. */
static const char *shown(const char *name, char out[64])
{
    size_t size = 0;
    for (; *name && size < 60; name++)
        out[size++] = (unsigned char)*name < 0x20 || *name == 0x7F ? '?' : *name;
    out[size] = 0;
    return out;
}

err repo_ref_name_check(const char *kind, const char *name)
{
    char safe[64];
    int valid = 0;

    if (!*name) return err_make(ERR_USAGE, "a %s needs a name", kind);
    if (strcmp(name, "HEAD") == 0)
        return err_make(ERR_USAGE, "HEAD is git's own word, no name for a %s", kind);
    if (strcmp(name, "@") == 0)
        return err_make(ERR_USAGE, "@ is git's word for HEAD, no name for a %s", kind);
    if (*name == '-')
        return err_make(ERR_USAGE, "'%s' is no name for a %s: it begins with '-'", shown(name, safe), kind);
    if (strlen(name) > REPO_BRANCH_NAME_BYTES_MAX)
        return err_make(ERR_USAGE, "'%s...' is no name for a %s: it has %zu bytes, at most %d are allowed",
                        shown(name, safe), kind, strlen(name), REPO_BRANCH_NAME_BYTES_MAX);
    /* libgit2 lets DEL pass, git does not. */
    if (!strchr(name, 0x7F) && git_branch_name_is_valid(&valid, name) == 0 && valid) return ERR_OK;
    return err_make(
        ERR_USAGE,
        "'%s' is no name for a %s: git allows no space, control byte or ~^:?*[\\, no '..', '@{', '//', "
        "no part that begins with '.' or ends with '.' or '.lock'",
        shown(name, safe), kind);
}

err repo_branch_name_check(const char *name) { return repo_ref_name_check("branch", name); }

bool repo_ref_is_below(repo_handle *r, const char *full)
{
    char *part = memory_text(full);
    git_oid id;
    bool below = false;

    for (char *slash = strrchr(part, '/'); slash && !below; slash = strrchr(part, '/')) {
        *slash = 0;
        below = git_reference_name_to_id(&id, r->git, part) == 0;
    }
    free(part);
    return below;
}

/* A status of making or renaming a branch, each pitfall its own sentence. */
static err made_check(repo_handle *r, int status, const char *full)
{
    const char *name = full + strlen(heads);
    if (status < 0 && repo_ref_is_below(r, full)) status = GIT_EDIRECTORY;
    if (status == GIT_EEXISTS) return err_make(ERR_EXISTS, "a branch '%s' exists", name);
    if (status == GIT_EDIRECTORY)
        return err_make(ERR_EXISTS,
                        "'%s' cannot be: git keeps branches as files in folders, and another branch "
                        "already is that file or folder",
                        name);
    return repo_git_check(status, name);
}

static err branch_find(repo_handle *r, const char *name, git_reference **out)
{
    char safe[64];
    int status = git_branch_lookup(out, r->git, name, GIT_BRANCH_LOCAL);
    if (status == GIT_ENOTFOUND || status == GIT_EINVALIDSPEC || (status < 0 && strlen(name) > NAME_MAX))
        return err_make(ERR_NOT_FOUND, "there is no branch '%s'", shown(name, safe));
    return repo_git_check(status, name);
}

/* Reflog lines need somebody; without an identity they say nobody's, and that is no reason to refuse. */
static void ident_find(repo_handle *r)
{
    git_signature *committer = NULL;
    if (!repo_signature_committer(r, &committer).code) repo_ident_set(r, committer);
    git_signature_free(committer);
}

/* ---- create ---- */

/* HEAD, here or elsewhere, would stand on a commit that its files are not of. */
static err unused_check(repo_handle *r, const char *name)
{
    git_reference *branch = NULL;
    char *full = full_name(name);

    if (git_branch_lookup(&branch, r->git, name, GIT_BRANCH_LOCAL) != 0) {
        free(full);
        return ERR_OK;
    }
    err e = git_branch_is_head(branch) == 1
                ? err_make(ERR_CONFLICT, "the checkout is on %s: reset moves it", name)
                : repo_places_check(r, full);
    git_reference_free(branch);
    free(full);
    return e;
}

static bool tracks_by_itself(repo_handle *r)
{
    git_config *config = NULL;
    int wanted = 1;
    if (git_repository_config_snapshot(&config, r->git) == 0)
        (void)git_config_get_bool(&wanted, config, "branch.autoSetupMerge");
    git_config_free(config);
    return wanted != 0;
}

typedef struct creation {
    repo_handle *r;
    const char *full, *reflog;
    git_oid at;
    bool force;
} creation;

static int create_attempt(void *context)
{
    const creation *c = context;
    git_reference *made = NULL;
    int status = git_reference_create(&made, c->r->git, c->full, &c->at, c->force, c->reflog);
    git_reference_free(made);
    return status;
}

static err create(repo_handle *r, const char *name, const repo_ref *start, bool force)
{
    creation c = {.r = r, .force = force};
    char *full = full_name(name);
    bytes line = {0};

    bytes_printf(&line, "branch: %s %s", force ? "Reset to" : "Created from",
                 *start->name ? start->name : start->commit.hex);
    err e = repo_oid_read(&start->commit, &c.at);
    c.full = full;
    c.reflog = bytes_text(&line);
    if (!e.code) e = made_check(r, repo_retry(create_attempt, &c), full);
    if (!e.code && start->kind == REPO_REF_REMOTE && tracks_by_itself(r)) {
        git_reference *branch = NULL;
        e = branch_find(r, name, &branch);
        if (!e.code)
            e = repo_git_check(git_branch_set_upstream(branch, start->name + strlen("refs/remotes/")),
                               "set the upstream");
        git_reference_free(branch);
    }
    bytes_free(&line);
    free(full);
    return e;
}

err repo_branch_create(repo_handle *r, const char *name, const repo_ref *start, bool force)
{
    repo_gate *gate = NULL;

    err e = repo_branch_name_check(name);
    if (e.code) return e;
    ident_find(r);
    e = repo_gate_enter(r, "branch", &gate);
    if (!e.code && force) e = unused_check(r, name);
    if (!e.code) e = create(r, name, start, force);
    repo_gate_leave(gate);
    return e;
}

/* ---- delete ---- */

static bool contains(repo_handle *r, const char *ref, const git_oid *tip)
{
    git_oid theirs;
    if (git_reference_name_to_id(&theirs, r->git, ref) != 0) return false;
    return git_oid_equal(&theirs, tip) || git_graph_descendant_of(r->git, &theirs, tip) == 1;
}

static err merged_check(repo_handle *r, git_reference *branch, const char *name)
{
    git_buf upstream = {0};
    const git_oid *tip = git_reference_target(branch);
    bool merged = contains(r, "HEAD", tip);

    if (!merged && git_branch_upstream_name(&upstream, r->git, git_reference_name(branch)) == 0)
        merged = contains(r, upstream.ptr, tip);
    git_buf_dispose(&upstream);
    if (merged) return ERR_OK;
    return err_make(ERR_CONFLICT,
                    "%s has commits that neither HEAD nor its upstream has: say --force to delete it", name);
}

static err delete_one(repo_handle *r, const char *name, bool force, repo_id *was)
{
    git_reference *branch = NULL;

    err e = branch_find(r, name, &branch);
    if (e.code) return e;
    if (git_branch_is_head(branch) == 1)
        e = err_make(ERR_CONFLICT, "the checkout is on %s: check out another branch first", name);
    if (!e.code) e = repo_places_check(r, git_reference_name(branch));
    if (!e.code && !force) e = merged_check(r, branch, name);
    if (!e.code && was) repo_id_of(git_reference_target(branch), was);
    if (!e.code) e = repo_git_check(git_branch_delete(branch), name);
    git_reference_free(branch);
    return e;
}

err repo_branch_delete(repo_handle *r, const char *name, bool force, repo_id *was)
{
    repo_gate *gate = NULL;
    err e = repo_gate_enter(r, "branch", &gate);
    if (!e.code) e = delete_one(r, name, force, was);
    repo_gate_leave(gate);
    return e;
}

/* ---- rename ---- */

/* A branch without a commit is only a word in HEAD. */
static bool is_unborn_head(repo_handle *r, const char *full)
{
    git_reference *head = NULL;
    bool is = git_repository_head_unborn(r->git) == 1 && git_reference_lookup(&head, r->git, "HEAD") == 0 &&
              git_reference_type(head) == GIT_REFERENCE_SYMBOLIC &&
              strcmp(git_reference_symbolic_target(head), full) == 0;
    git_reference_free(head);
    return is;
}

/* libgit2 starts the reflog of a renamed branch anew, and leaves a line without an old id in HEAD's. Both get
 * what they had, and the line of the renaming. Who cannot be read or written loses no more than libgit2
 * takes. */
typedef struct kept_logs {
    bytes branch, head;
} kept_logs;

static char *reflog_path(const char *git_dir, const char *ref)
{
    bytes path = {0};
    bytes_printf(&path, "%s/logs/%s", git_dir, ref);
    return bytes_take(&path);
}

static void reflog_read(const char *git_dir, const char *ref, bytes *out)
{
    char *path = reflog_path(git_dir, ref);
    (void)file_read(path, LOG_BYTES_MAX, out);
    free(path);
}

static void reflog_write(const char *git_dir, const char *ref, bytes *before, const bytes *line)
{
    char *path = reflog_path(git_dir, ref);
    if (before->size && line->size) {
        bytes_append_view(before, bytes_borrow(line));
        (void)file_write(path, bytes_borrow(before));
    }
    free(path);
}

static void logs_restore(repo_handle *r, const char *new_full, bool was_head, kept_logs *kept)
{
    bytes line = {0};
    reflog_read(r->common_dir, new_full, &line);
    reflog_write(r->common_dir, new_full, &kept->branch, &line);
    if (was_head) reflog_write(r->git_dir, "HEAD", &kept->head, &line);
    bytes_free(&line);
}

static err move(repo_handle *r, git_reference *branch, const char *to, const char *new_full, bool force)
{
    git_reference *moved = NULL;
    kept_logs kept = {0};
    bool was_head = git_branch_is_head(branch) == 1;

    reflog_read(r->common_dir, git_reference_name(branch), &kept.branch);
    reflog_read(r->git_dir, "HEAD", &kept.head);
    err e = made_check(r, git_branch_move(&moved, branch, to, force), new_full);
    if (!e.code) logs_restore(r, new_full, was_head, &kept);
    git_reference_free(moved);
    bytes_free(&kept.branch);
    bytes_free(&kept.head);
    return e;
}

static err rename_one(repo_handle *r, const char *from, const char *to, bool force)
{
    git_reference *branch = NULL, *moved = NULL;
    char *full = full_name(from), *new_full = full_name(to);
    err e = ERR_OK;

    if (is_unborn_head(r, full)) {
        e = repo_git_check(git_reference_symbolic_create(&moved, r->git, "HEAD", new_full, 1, NULL), to);
    } else {
        e = branch_find(r, from, &branch);
        if (!e.code && force && strcmp(from, to) != 0) e = unused_check(r, to);
        if (!e.code && strcmp(from, to) != 0) e = move(r, branch, to, new_full, force);
    }
    git_reference_free(branch);
    git_reference_free(moved);
    free(full);
    free(new_full);
    return e;
}

err repo_branch_rename(repo_handle *r, const char *from, const char *to, bool force)
{
    repo_gate *gate = NULL;

    err e = repo_branch_name_check(to);
    if (e.code) return e;
    ident_find(r);
    e = repo_gate_enter(r, "branch", &gate);
    if (!e.code) e = rename_one(r, from, to, force);
    repo_gate_leave(gate);
    return e;
}

/* ---- upstream ---- */

err repo_branch_set_upstream(repo_handle *r, const char *name, const char *upstream)
{
    git_reference *branch = NULL;
    repo_gate *gate = NULL;
    char safe[64];

    err e = repo_gate_enter(r, "branch", &gate);
    if (!e.code) e = branch_find(r, name, &branch);
    if (!e.code) {
        int status = git_branch_set_upstream(branch, upstream);
        if (status == GIT_ENOTFOUND && !upstream)
            e = err_make(ERR_NOTHING, "%s has no upstream", name);
        else if (status == GIT_ENOTFOUND || status == GIT_EINVALIDSPEC)
            e = err_make(ERR_NOT_FOUND,
                         "there is no branch '%s' that could be the upstream: fetch first, or push "
                         "with --set-upstream",
                         shown(upstream, safe));
        else
            e = repo_git_check(status, "set the upstream");
    }
    git_reference_free(branch);
    repo_gate_leave(gate);
    return e;
}
