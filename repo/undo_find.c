/* repo/undo_find.c: from HEAD's reflog to the action that comes next. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "repo/commit_internal.h"
#include "repo/undo.h"

typedef enum action_kind { ACTION_MOVE, ACTION_CHECKOUT } action_kind;

/* Something a person did, as the reflog tells it. */
typedef struct action {
    action_kind kind;
    git_oid from, to;
    const char *message;       /* borrowed from the reflog */
    char *from_name, *to_name; /* of a checkout */
} action;

/* ---- lines ---- */

static const char *message_of(const git_reflog_entry *entry)
{
    const char *message = git_reflog_entry_message(entry);
    return message ? message : "";
}

/* "rebase (pick)", "pull --rebase origin (finish)": the word in parentheses that ends the head of the line.
 */
static bool rebase_step(const char *message, char *step, size_t step_size)
{
    size_t head = strcspn(message, ":");
    *step = 0;
    if (!text_starts_with(message, "rebase") && !text_starts_with(message, "pull")) return false;
    if (!message[head]) return false;
    if (!head || message[head - 1] != ')') {
        /* libgit2's own two lines. */
        const char *word = text_starts_with(message, "rebase finished:") ? "finish"
                           : text_starts_with(message, "rebase: ")       ? "start"
                                                                         : NULL;
        if (word) memcpy(step, word, strlen(word) + 1);
        return word != NULL;
    }
    size_t begin = head - 1;
    while (begin && message[begin] != '(') begin--;
    size_t size = head - 1 - begin - 1;
    if (message[begin] != '(' || size >= step_size) return false;
    memcpy(step, message + begin + 1, size);
    step[size] = 0;
    return true;
}

static bool step_is(const char *message, const char *wanted)
{
    char step[32];
    return rebase_step(message, step, sizeof step) && strcmp(step, wanted) == 0;
}

static bool checkout_read(const char *message, action *a)
{
    static const char begin[] = "checkout: moving from ";
    if (!text_starts_with(message, begin)) return false;
    const char *from = message + strlen(begin), *middle = strstr(from, " to ");
    if (!middle) return false;
    a->kind = ACTION_CHECKOUT;
    a->from_name = memory_text_n(from, (size_t)(middle - from));
    a->to_name = memory_text(middle + strlen(" to "));
    return true;
}

static void action_clear(action *a)
{
    free(a->from_name);
    free(a->to_name);
    *a = (action){0};
}

/* ---- one action at entry *i, newest first; *i goes to its last entry ---- */

/* Down to the line where the rebase began: from there to where it ended is one action. */
static void rebase_read(git_reflog *log, size_t *i, action *a)
{
    char step[32];
    size_t last = *i;
    for (size_t k = *i + 1; k < git_reflog_entrycount(log); k++) {
        const char *message = message_of(git_reflog_entry_byindex(log, k));
        if (!rebase_step(message, step, sizeof step) || strcmp(step, "finish") == 0 ||
            strcmp(step, "abort") == 0)
            break;
        last = k;
        if (strcmp(step, "start") == 0) break;
    }
    a->from = *git_reflog_entry_id_old(git_reflog_entry_byindex(log, last));
    *i = last;
}

/* False: this line is no action (HEAD stayed, or the branch was only renamed). */
static bool action_read(git_reflog *log, size_t *i, action *a)
{
    const git_reflog_entry *entry = git_reflog_entry_byindex(log, *i);
    a->message = message_of(entry);
    a->from = *git_reflog_entry_id_old(entry);
    a->to = *git_reflog_entry_id_new(entry);
    if (checkout_read(a->message, a)) return strcmp(a->from_name, a->to_name) != 0;
    a->kind = ACTION_MOVE;
    if (step_is(a->message, "finish") || step_is(a->message, "abort")) rebase_read(log, i, a);
    return !git_oid_is_zero(&a->from) && !git_oid_is_zero(&a->to) && !git_oid_equal(&a->from, &a->to);
}

/* The first commit, and what a clone brought: nothing was before them. */
static err nothing_before(bool redo, const char *first)
{
    if (redo) return err_make(ERR_NOTHING, "there is nothing to redo");
    if (text_starts_with(first, "commit (initial)"))
        return err_make(ERR_NOTHING, "the first commit cannot be undone: there is none before it");
    return err_make(ERR_NOTHING, "there is nothing to undo");
}

/* Undos count up, redos down, and each takes one action out of the row below it. */
static err action_find(git_reflog *log, bool redo, action *out)
{
    int undone = 0;
    const char *message = "";

    for (size_t i = 0; i < git_reflog_entrycount(log); i++) {
        message = message_of(git_reflog_entry_byindex(log, i));
        if (text_starts_with(message, "undo: ")) {
            undone++;
        } else if (text_starts_with(message, "redo: ")) {
            undone--;
        } else if (action_read(log, &i, out)) {
            if (redo && undone == 0) break;
            if (undone == (redo ? 1 : 0)) return ERR_OK;
            undone--;
            action_clear(out);
        } else {
            action_clear(out);
        }
    }
    action_clear(out);
    return nothing_before(redo, message);
}

/* ---- from the action to what is to be done ---- */

static char *current_branch(repo_handle *r)
{
    git_reference *head = NULL;
    char *name = NULL;
    if (git_repository_head_detached(r->git) == 0 && git_repository_head(&head, r->git) == 0)
        name = memory_text(git_reference_shorthand(head));
    git_reference_free(head);
    return name;
}

/* Whoever fetched it keeps it: the next push has to be forced. */
static bool was_pushed(repo_handle *r, const char *branch, const git_oid *commit)
{
    bytes full = {0};
    git_buf upstream = {0};
    git_oid theirs;
    bool pushed = false;

    if (branch) {
        bytes_printf(&full, "refs/heads/%s", branch);
        pushed = git_branch_upstream_name(&upstream, r->git, bytes_text(&full)) == 0 &&
                 git_reference_name_to_id(&theirs, r->git, upstream.ptr) == 0 &&
                 (git_oid_equal(&theirs, commit) || git_graph_descendant_of(r->git, &theirs, commit) == 1);
    }
    git_buf_dispose(&upstream);
    bytes_free(&full);
    return pushed;
}

static err move_plan(repo_handle *r, const action *a, const git_oid *head, repo_undo *out)
{
    const git_oid *expected = out->redo ? &a->from : &a->to, *target = out->redo ? &a->to : &a->from;
    bytes says = {0};

    if (!git_oid_equal(head, expected))
        return err_make(ERR_STATE, "HEAD has moved since \"%.200s\" without a line in its log: use reset",
                        a->message);
    out->moves_branch = true;
    out->branch = current_branch(r);
    repo_id_of(target, &out->after);
    bytes_printf(&says, "%s \"%s\": %s goes from %.8s %s %.8s", out->redo ? "redo" : "undo", a->message,
                 out->branch ? out->branch : "HEAD", out->before.hex, out->redo ? "to" : "back to",
                 out->after.hex);
    if (!out->redo && was_pushed(r, out->branch, head))
        bytes_append_text(&says, " (its upstream has it: the next push must be forced)");
    out->says = bytes_take(&says);
    return ERR_OK;
}

/* Where a checkout came from (or went): a branch when there is one of that name, else the commit itself. */
static err checkout_plan(repo_handle *r, const action *a, repo_undo *out)
{
    const char *name = out->redo ? a->to_name : a->from_name;
    const git_oid *commit = out->redo ? &a->to : &a->from;
    git_reference *branch = NULL;
    bytes says = {0};

    if (git_branch_lookup(&branch, r->git, name, GIT_BRANCH_LOCAL) == 0) {
        out->branch = memory_text(name);
        repo_id_of(git_reference_target(branch), &out->after);
        bytes_printf(&says, "%s \"%s\": check out %s", out->redo ? "redo" : "undo", a->message, name);
    } else {
        repo_id_of(commit, &out->after);
        bytes_printf(&says, "%s \"%s\": detach HEAD at %.8s", out->redo ? "redo" : "undo", a->message,
                     out->after.hex);
    }
    git_reference_free(branch);
    out->says = bytes_take(&says);
    return ERR_OK;
}

static err ready_check(repo_handle *r)
{
    if (git_repository_is_bare(r->git)) return err_make(ERR_STATE, "%s has no worktree", r->git_dir);
    if (git_repository_state(r->git) == GIT_REPOSITORY_STATE_NONE) return ERR_OK;
    return err_make(ERR_STATE,
                    "something is going on here (a merge, a rebase, ...): finish or abort it first");
}

err repo_undo_find(repo_handle *r, bool redo, repo_undo *out)
{
    git_reflog *log = NULL;
    action a = {0};
    git_oid head;
    bool born = false;

    *out = (repo_undo){.redo = redo};
    err e = ready_check(r);
    if (!e.code) e = repo_git_check(repo_head_read(r, &head, &born), "read HEAD");
    if (!e.code && !born) e = err_make(ERR_NOTHING, "there is no commit yet");
    if (!e.code) e = repo_git_check(git_reflog_read(&log, r->git, "HEAD"), "read HEAD's log");
    if (!e.code) e = action_find(log, redo, &a);
    if (!e.code) {
        repo_id_of(&head, &out->before);
        out->action = memory_text(a.message);
        e = a.kind == ACTION_MOVE ? move_plan(r, &a, &head, out) : checkout_plan(r, &a, out);
    }
    action_clear(&a);
    git_reflog_free(log);
    if (e.code) repo_undo_free(out);
    return e;
}
