#include "repo/commit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/commit_internal.h"
#include "repo/gate.h"

enum { PARENTS_MAX = 64 };

/* What is being committed, read anew for each try. */
typedef struct attempt {
    repo_handle *r;
    const repo_commit_options *options;
    git_signature *committer;
    git_index *index;
    int state; /* git_repository_state */
    git_oid head, tree, parents[PARENTS_MAX];
    size_t parent_count;
    bool born;
    git_commit *before; /* HEAD's; NULL: none */
    char *message;
    git_oid made;
    err e; /* of a failure that is not libgit2's */
} attempt;

void repo_commit_done_free(repo_commit_done *done)
{
    free(done->branch);
    *done = (repo_commit_done){0};
}

/* ---- what is going on here ---- */

typedef struct begun {
    int state;
    const char *what;
    bool may_commit, may_amend;
} begun;

static const begun states[] = {
    {GIT_REPOSITORY_STATE_NONE, "nothing", true, true},
    {GIT_REPOSITORY_STATE_BISECT, "a bisection", true, true},
    {GIT_REPOSITORY_STATE_MERGE, "a merge", true, false},
    {GIT_REPOSITORY_STATE_REVERT, "a revert", true, false},
    {GIT_REPOSITORY_STATE_REVERT_SEQUENCE, "a revert", true, false},
    {GIT_REPOSITORY_STATE_CHERRYPICK, "a cherry-pick", true, false},
    {GIT_REPOSITORY_STATE_CHERRYPICK_SEQUENCE, "a cherry-pick", true, false},
    {GIT_REPOSITORY_STATE_REBASE, "a rebase", false, false},
    {GIT_REPOSITORY_STATE_REBASE_INTERACTIVE, "a rebase", false, false},
    {GIT_REPOSITORY_STATE_REBASE_MERGE, "a rebase", false, false},
    {GIT_REPOSITORY_STATE_APPLY_MAILBOX, "an am", false, false},
    {GIT_REPOSITORY_STATE_APPLY_MAILBOX_OR_REBASE, "a rebase", false, false},
};

static err state_check(attempt *a)
{
    a->state = git_repository_state(a->r->git);
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        if (states[i].state != a->state) continue;
        if (!states[i].may_commit)
            return err_make(ERR_STATE, "%s is going on here: finish or abort it first", states[i].what);
        if (a->options->amend && !states[i].may_amend)
            return err_make(ERR_STATE, "%s is going on here: HEAD cannot be amended now", states[i].what);
    }
    return ERR_OK;
}

/* ---- --all ---- */

/* Equal stat data as git sees it; a file as young as the index itself may have changed in the same tick. */
static bool entry_is_fresh(const git_index_entry *entry, const struct stat *info,
                           const struct stat *index_info)
{
    if (entry->file_size != (uint32_t)info->st_size ||
        entry->mtime.seconds != (int32_t)info->st_mtim.tv_sec ||
        entry->mtime.nanoseconds != (uint32_t)info->st_mtim.tv_nsec ||
        ((entry->mode & 0100) != 0) != ((info->st_mode & 0100) != 0))
        return false;
    return info->st_mtim.tv_sec < index_info->st_mtim.tv_sec ||
           (info->st_mtim.tv_sec == index_info->st_mtim.tv_sec &&
            info->st_mtim.tv_nsec < index_info->st_mtim.tv_nsec);
}

static err entry_stage(attempt *a, const git_index_entry *entry, const struct stat *index_info)
{
    struct stat info;
    char *path = file_join(a->r->path, entry->path);
    bool is_submodule = (entry->mode & S_IFMT) == (GIT_FILEMODE_COMMIT & S_IFMT);
    bool is_skipped = entry->flags_extended & GIT_INDEX_ENTRY_SKIP_WORKTREE || entry->flags & 0x8000;
    int status = 0;

    if (is_submodule || is_skipped) {
        free(path);
        return ERR_OK;
    }
    bool there = lstat(path, &info) == 0 && !S_ISDIR(info.st_mode);
    free(path);
    /* The entry's memory goes with the entry: the name must outlive the change. */
    char *name = memory_text(entry->path);
    if (!there)
        status = git_index_remove_bypath(a->index, name);
    else if (S_ISLNK(info.st_mode) || !entry_is_fresh(entry, &info, index_info))
        status = git_index_add_bypath(a->index, name);
    err e = repo_git_check(status, name);
    free(name);
    return e;
}

static err all_stage(attempt *a)
{
    struct stat index_info = {0};
    const char *index_path = git_index_path(a->index);
    repo_names names = {0};

    if (index_path) (void)stat(index_path, &index_info);
    for (size_t i = 0; i < git_index_entrycount(a->index); i++)
        repo_names_add(&names, git_index_get_byindex(a->index, i)->path);
    err e = ERR_OK;
    for (size_t i = 0; i < names.count && !e.code; i++) {
        const git_index_entry *entry = git_index_get_bypath(a->index, names.names[i], 0);
        if (entry) e = entry_stage(a, entry, &index_info);
    }
    repo_names_free(&names);
    return e.code ? e : repo_git_check(git_index_write(a->index), "write the index");
}

/* ---- parts ---- */

static err unmerged(git_index *index)
{
    git_index_conflict_iterator *iterator = NULL;
    const git_index_entry *base, *ours, *theirs;
    bytes names = {0};

    if (!git_index_has_conflicts(index)) return ERR_OK;
    if (git_index_conflict_iterator_new(&iterator, index) == 0)
        while (git_index_conflict_next(&base, &ours, &theirs, iterator) == 0) {
            const git_index_entry *any = ours ? ours : theirs ? theirs : base;
            bytes_printf(&names, "%s%s", names.size ? ", " : "", any->path);
        }
    err e = err_make(ERR_CONFLICT, "not merged yet: %.300s (mend them and stage them)", bytes_text(&names));
    git_index_conflict_iterator_free(iterator);
    bytes_free(&names);
    return e;
}

static int merge_head_add(const git_oid *oid, void *context)
{
    attempt *a = context;
    if (a->parent_count == PARENTS_MAX) return GIT_ERROR;
    a->parents[a->parent_count++] = *oid;
    return 0;
}

static err parents_find(attempt *a)
{
    a->parent_count = 0;
    if (a->options->amend) {
        for (unsigned i = 0; i < git_commit_parentcount(a->before) && i < PARENTS_MAX; i++)
            a->parents[a->parent_count++] = *git_commit_parent_id(a->before, i);
        return ERR_OK;
    }
    if (a->born) a->parents[a->parent_count++] = a->head;
    if (a->state != GIT_REPOSITORY_STATE_MERGE) return ERR_OK;
    return repo_git_check(git_repository_mergehead_foreach(a->r->git, merge_head_add, a), "read MERGE_HEAD");
}

static err head_find(attempt *a)
{
    git_commit_free(a->before);
    a->before = NULL;
    err e = repo_git_check(repo_head_read(a->r, &a->head, &a->born), "read HEAD");
    if (!e.code && a->born)
        e = repo_git_check(git_commit_lookup(&a->before, a->r->git, &a->head), "read HEAD");
    if (!e.code && a->options->amend && !a->born)
        e = err_make(ERR_NOTHING, "there is no commit yet that could be amended");
    return e;
}

/* Anything to commit: another tree than the first parent's, or a merge to finish. */
static bool has_changes(attempt *a)
{
    git_commit *parent = NULL;

    if (a->parent_count > 1) return true;
    if (!a->parent_count) return git_index_entrycount(a->index) > 0;
    if (git_commit_lookup(&parent, a->r->git, &a->parents[0]) != 0) return true;
    bool same = git_oid_equal(git_commit_tree_id(parent), &a->tree);
    git_commit_free(parent);
    return !same;
}

static err changes_check(attempt *a)
{
    if (a->options->allow_empty || has_changes(a)) return ERR_OK;
    if (a->options->amend && a->parent_count)
        return err_make(ERR_NOTHING,
                        "the amended commit would change nothing (--allow-empty makes it anyway)");
    if (a->options->amend) return ERR_OK;
    return err_make(ERR_NOTHING, "nothing to commit%s",
                    a->options->all ? "" : " (stage files first, or commit with --all)");
}

/* Of MERGE_MSG, without the comments that git puts there for the editor; SQUASH_MSG likewise. */
static err message_left(attempt *a, char **out)
{
    git_buf left = {0}, clean = {0};
    int status = git_repository_message(&left, a->r->git);
    if (status == GIT_ENOTFOUND) {
        char *path = file_join(a->r->git_dir, "SQUASH_MSG");
        bytes squash = {0};
        err e = file_read(path, REPO_MESSAGE_BYTES_MAX, &squash);
        free(path);
        if (e.code) return err_make(ERR_USAGE, "a commit needs a message");
        status = git_message_prettify(&clean, bytes_text(&squash), 1, '#');
        bytes_free(&squash);
    } else if (status == 0) {
        status = git_message_prettify(&clean, left.ptr, 1, '#');
    }
    err e = repo_git_check(status, "read the message that was prepared");
    if (!e.code && !clean.size) e = err_make(ERR_USAGE, "a commit needs a message");
    if (!e.code) *out = memory_text(clean.ptr);
    git_buf_dispose(&left);
    git_buf_dispose(&clean);
    return e;
}

static err message_find(attempt *a)
{
    free(a->message);
    a->message = NULL;
    if (a->options->message) return repo_message_clean(a->options->message, &a->message);
    if (!a->options->amend) return message_left(a, &a->message);
    a->message = memory_text(git_commit_message_raw(a->before));
    return ERR_OK;
}

static bool is_picking(const attempt *a)
{
    return a->state == GIT_REPOSITORY_STATE_CHERRYPICK ||
           a->state == GIT_REPOSITORY_STATE_CHERRYPICK_SEQUENCE;
}

/* An amended commit and a cherry-pick keep their author. */
static err author_find(attempt *a, git_signature **out)
{
    git_oid id;
    git_commit *picked = NULL;

    if (a->options->amend)
        return repo_git_check(git_signature_dup(out, git_commit_author(a->before)), "author");
    if (!is_picking(a) || git_reference_name_to_id(&id, a->r->git, "CHERRY_PICK_HEAD") != 0 ||
        git_commit_lookup(&picked, a->r->git, &id) != 0)
        return repo_signature_author(a->r, out);
    err e = repo_git_check(git_signature_dup(out, git_commit_author(picked)), "author");
    git_commit_free(picked);
    return e;
}

/* ---- one try ---- */

static err attempt_read(attempt *a)
{
    err e = repo_git_check(git_index_read(a->index, 0), "read the index");
    if (!e.code) e = state_check(a);
    if (!e.code) e = unmerged(a->index);
    if (!e.code && a->options->all) e = all_stage(a);
    if (!e.code) e = head_find(a);
    if (!e.code) e = parents_find(a);
    if (!e.code) e = repo_git_check(git_index_write_tree(&a->tree, a->index), "write the tree");
    if (!e.code) e = changes_check(a);
    if (!e.code) e = message_find(a);
    return e;
}

static const char *reflog_kind(const attempt *a)
{
    if (a->options->amend) return "commit (amend)";
    if (a->parent_count > 1) return "commit (merge)";
    if (is_picking(a)) return "commit (cherry-pick)";
    return a->parent_count ? "commit" : "commit (initial)";
}

static int attempt_run(void *context)
{
    attempt *a = context;
    git_signature *author = NULL;
    int sign = a->options->sign;

    a->e = attempt_read(a);
    if (!a->e.code) a->e = author_find(a, &author);
    if (a->e.code) return a->e.code == ERR_BUSY ? GIT_ELOCKED : GIT_EUSER;
    repo_commit_parts parts = {&a->tree,
                               a->parents,
                               a->parent_count,
                               author,
                               a->committer,
                               a->message,
                               repo_signing_wanted(a->r, sign, "commit.gpgsign")};
    a->e = repo_commit_object(a->r, &parts, &a->made);
    git_signature_free(author);
    if (a->e.code) return GIT_EUSER;
    char *line = repo_reflog_line(reflog_kind(a), a->message);
    int status = repo_ref_move(a->r, "HEAD", a->born ? &a->head : NULL, &a->made, line);
    free(line);
    a->e = repo_git_check(status, "move HEAD");
    return status == GIT_EEXISTS ? GIT_EMODIFIED : status;
}

/* ---- afterwards ---- */

void repo_git_file_drop(repo_handle *r, const char *name)
{
    char *path = file_join(r->git_dir, name);
    unlink(path);
    free(path);
}

/* Files of what was finished, as git removes them. A sequence of picks or reverts goes on afterwards, and a
 * bisection is not ended by a commit. */
static err state_clean(const attempt *a)
{
    static const char *const left[] = {"CHERRY_PICK_HEAD", "REVERT_HEAD", "MERGE_MSG",
                                       "MERGE_RR",         "AUTO_MERGE",  "SQUASH_MSG"};
    err e = ERR_OK;
    if (a->state == GIT_REPOSITORY_STATE_MERGE || a->state == GIT_REPOSITORY_STATE_REVERT ||
        a->state == GIT_REPOSITORY_STATE_CHERRYPICK)
        e = repo_git_check(git_repository_state_cleanup(a->r->git), "finish");
    for (size_t i = 0; i < COUNT_OF(left); i++) repo_git_file_drop(a->r, left[i]);
    return e;
}

static err files_count(const attempt *a, const git_commit *commit, size_t *out)
{
    git_commit *parent = NULL;
    git_tree *before = NULL, *after = NULL;
    git_diff *diff = NULL;

    err e = repo_git_check(git_commit_tree(&after, commit), "read the tree");
    if (!e.code && git_commit_parentcount(commit) > 0) {
        e = repo_git_check(git_commit_parent(&parent, commit, 0), "read the parent");
        if (!e.code) e = repo_git_check(git_commit_tree(&before, parent), "read the tree");
    }
    if (!e.code) e = repo_git_check(git_diff_tree_to_tree(&diff, a->r->git, before, after, NULL), "compare");
    if (!e.code) *out = git_diff_num_deltas(diff);
    git_diff_free(diff);
    git_tree_free(before);
    git_tree_free(after);
    git_commit_free(parent);
    return e;
}

static err report(attempt *a, repo_commit_done *out)
{
    git_commit *commit = NULL;
    git_reference *head = NULL;

    err e = repo_git_check(git_commit_lookup(&commit, a->r->git, &a->made), "read the commit");
    if (!e.code) e = files_count(a, commit, &out->files_changed);
    if (!e.code) {
        repo_id_of(&a->made, &out->commit);
        repo_message_subject(git_commit_message(commit), out->subject, sizeof out->subject);
        if (!git_repository_head_detached(a->r->git) && git_repository_head(&head, a->r->git) == 0)
            out->branch = memory_text(git_reference_shorthand(head));
    }
    git_reference_free(head);
    git_commit_free(commit);
    return e;
}

/* The git program makes the commit and runs the hooks; large files were staged by us, through our filter. */
static err by_git(attempt *a)
{
    bool sign = repo_signing_wanted(a->r, a->options->sign, "commit.gpgsign");
    err e = attempt_read(a);
    if (!e.code) e = repo_git_check(git_index_write(a->index), "write the index");
    if (!e.code) e = repo_commit_by_git(a->r, a->options, sign);
    return e.code ? e : repo_git_check(repo_head_read(a->r, &a->made, &a->born), "read HEAD");
}

static err by_us(attempt *a, repo_commit_done *out)
{
    int status = repo_retry(attempt_run, a);
    if (status == 0) {
        out->hooks_not_run = repo_hooks_tell(a->r);
        return state_clean(a);
    }
    if (!a->e.code) a->e = repo_git_check(status, "commit");
    return a->e;
}

static bool hooks_are_gits(const repo_handle *r)
{
    return strcmp(settings_text(r->context->settings, "repo.hooks"), "git") == 0;
}

err repo_commit(repo_handle *r, const repo_commit_options *options, repo_commit_done *out)
{
    attempt a = {.r = r, .options = options};
    repo_gate *gate = NULL;

    if (git_repository_is_bare(r->git))
        return err_make(ERR_STATE, "%s has no worktree to commit from", r->git_dir);
    err e = repo_signature_committer(r, &a.committer);
    if (e.code) return e;
    repo_ident_set(r, a.committer);
    e = repo_gate_enter(r, "commit", &gate);
    if (!e.code) e = repo_git_check(git_repository_index(&a.index, r->git), "read the index");
    if (!e.code) e = hooks_are_gits(r) && repo_hooks_present(r) ? by_git(&a) : by_us(&a, out);
    if (!e.code) e = report(&a, out);
    repo_gate_leave(gate);
    git_index_free(a.index);
    git_commit_free(a.before);
    git_signature_free(a.committer);
    free(a.message);
    return e;
}
