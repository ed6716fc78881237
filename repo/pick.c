/* repo/pick.c: one commit's change again (cherry-pick), or backwards (revert). */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "repo/gate.h"
#include "repo/git_version.h"
#include "repo/join_internal.h"

typedef struct picking {
    const repo_pick_options *options;
    git_commit *commit, *ours;
    git_oid ours_id;
    bytes message;
    char *reflog;
} picking;

/* What cherry-pick and revert do differently. */
typedef struct pick_kind {
    const char *name;
    int (*join)(git_index **out, git_repository *git, git_commit *commit, git_commit *ours, unsigned mainline,
                const git_merge_options *options);
    void (*message)(const picking *p, bytes *out);
    bool keeps_author;
    const char *head_file, *way_back;
} pick_kind;

/* ---- messages ---- */

/* "Signed-off-by: x": git puts its own line into the same block. */
static bool is_trailer(const char *line, size_t size)
{
    size_t key = 0;
    while (key < size && (line[key] == '-' || isalnum((unsigned char)line[key]))) key++;
    return key && key + 1 < size && line[key] == ':' && line[key + 1] == ' ';
}

static bool is_origin(const char *line) { return text_starts_with(line, "(cherry picked from commit "); }

/* The last paragraph, not the only one, consists of trailers. */
static bool ends_with_trailers(const char *text, size_t size)
{
    size_t begin = size;
    while (begin && !(begin >= 2 && text[begin - 1] == '\n' && text[begin - 2] == '\n')) begin--;
    if (!begin || begin == size) return false;
    for (size_t at = begin; at < size;) {
        size_t line = strcspn(text + at, "\n");
        if (!is_trailer(text + at, line) && !is_origin(text + at)) return false;
        at += line + 1;
    }
    return true;
}

static void pick_message(const picking *p, bytes *out)
{
    const char *text = git_commit_message(p->commit);
    size_t size = strlen(text);
    repo_id id;

    while (size && text[size - 1] == '\n') size--;
    bytes_append(out, text, size);
    bytes_append_byte(out, '\n');
    if (!p->options->note_origin) return;
    repo_id_of(git_commit_id(p->commit), &id);
    if (!ends_with_trailers(bytes_text(out), size)) bytes_append_byte(out, '\n');
    bytes_printf(out, "(cherry picked from commit %s)\n", id.hex);
}

static void revert_message(const picking *p, bytes *out)
{
    char subject[512];
    repo_id id, parent;

    repo_message_subject(git_commit_message(p->commit), subject, sizeof subject);
    repo_id_of(git_commit_id(p->commit), &id);
    bytes_printf(out, "Revert \"%s\"\n\nThis reverts commit %s", subject, id.hex);
    if (p->options->mainline) {
        repo_id_of(git_commit_parent_id(p->commit, (unsigned)p->options->mainline - 1), &parent);
        bytes_printf(out, ", reversing\nchanges made to %s", parent.hex);
    }
    bytes_append_text(out, ".\n");
}

static const pick_kind cherry_pick = {"cherry-pick", git_cherrypick_commit, pick_message,
                                      true,          "CHERRY_PICK_HEAD",    "cherry-pick --abort"};
static const pick_kind revert = {"revert", git_revert_commit, revert_message,
                                 false,    "REVERT_HEAD",     "revert --abort"};

/* ---- steps ---- */

static err mainline_check(const picking *p)
{
    unsigned parents = git_commit_parentcount(p->commit);
    int mainline = p->options->mainline;

    if (parents > 1 && !mainline)
        return err_make(ERR_USAGE,
                        "this commit is a merge: say with --mainline which parent's side stays (1 to %u)",
                        parents);
    if (mainline && parents < 2)
        return err_make(ERR_USAGE, "--mainline was given, but this commit is no merge");
    if (mainline < 0 || mainline > (int)parents)
        return err_make(ERR_USAGE, "the commit has no parent %d (1 to %u)", mainline, parents);
    return ERR_OK;
}

static err begin(repo_handle *r, picking *p, const repo_ref *ref, const pick_kind *kind,
                 repo_merge_report *report)
{
    git_oid id;
    bool born = false;

    err e = join_ready(r);
    if (!e.code) e = join_head(r, &p->ours_id, &born);
    if (!e.code && !born) e = err_make(ERR_NOTHING, "there is no commit to %s onto", kind->name);
    if (!e.code) e = join_nothing_staged(r, report);
    if (!e.code) e = repo_oid_read(&ref->commit, &id);
    if (!e.code) e = join_commit(r, &id, &p->commit);
    if (!e.code) e = join_commit(r, &p->ours_id, &p->ours);
    if (!e.code) e = mainline_check(p);
    if (e.code) return e;
    repo_id_of(&p->ours_id, &report->before);
    report->after = report->before;
    kind->message(p, &p->message);
    p->reflog = repo_reflog_line(kind->name, bytes_text(&p->message));
    return p->options->no_commit ? ERR_OK : join_identity(r);
}

/* The side that comes in: the commit's tree, or what a revert goes back to. */
static err their_tree(const picking *p, const pick_kind *kind, git_oid *out)
{
    git_commit *parent = NULL;
    unsigned at = p->options->mainline ? (unsigned)p->options->mainline - 1 : 0;

    *out = *git_commit_tree_id(p->commit);
    if (kind->keeps_author || !git_commit_parentcount(p->commit)) return ERR_OK;
    err e = repo_git_check(git_commit_parent(&parent, p->commit, at), "read a parent");
    if (!e.code) *out = *git_commit_tree_id(parent);
    git_commit_free(parent);
    return e;
}

/* "1a2b3c4 (Say two)", as git writes beside the marker. */
static err label_make(const picking *p, const pick_kind *kind, bytes *out)
{
    char subject[512], *id = NULL;

    err e = join_short_id(p->commit, &id);
    if (e.code) return e;
    repo_message_subject(git_commit_message(p->commit), subject, sizeof subject);
    bytes_printf(out, "%s%s (%s)", kind->keeps_author ? "" : "parent of ", id, subject);
    free(id);
    return ERR_OK;
}

static err leave_markers(repo_handle *r, const picking *p, const pick_kind *kind, git_index *joined,
                         const git_oid *theirs, const join_conflicts *left, repo_merge_report *report)
{
    CLEANUP(bytes_free) bytes label = {0};
    bool alone = p->options->no_commit; /* the person commits: nothing is going on that git knows of */

    err e = label_make(p, kind, &label);
    if (e.code) return e;
    join_marking m = {.joined = joined,
                      .ours_tree = *git_commit_tree_id(p->ours),
                      .theirs_tree = *theirs,
                      .our_label = "HEAD",
                      .their_label = bytes_text(&label),
                      .head_file = alone ? NULL : kind->head_file,
                      .head = *git_commit_id(p->commit),
                      .message = bytes_text(&p->message),
                      .what = bytes_text(&label),
                      .way_back = alone ? "reset --merge" : kind->way_back};
    return join_leave_markers(r, &m, left, report);
}

static err joined_tree(repo_handle *r, picking *p, const pick_kind *kind, git_oid *tree,
                       repo_merge_report *report)
{
    CLEANUP(join_conflicts_free) join_conflicts left = {0};
    git_merge_options options = GIT_MERGE_OPTIONS_INIT;
    git_index *joined = NULL;
    git_oid theirs;
    repo_id id;

    repo_id_of(git_commit_id(p->commit), &id);
    err e = repo_git_check(
        kind->join(&joined, r->git, p->commit, p->ours, (unsigned)p->options->mainline, &options),
        kind->name);
    if (!e.code) e = their_tree(p, kind, &theirs);
    if (!e.code) e = join_guard_large(r, joined, git_commit_tree_id(p->ours), &theirs);
    if (!e.code) e = join_settle(r, joined, p->options->favor, true, &left);
    if (!e.code) e = join_conflicts_report(&left, id.hex, report);
    if (left.count && join_can_mark(&left)) e = leave_markers(r, p, kind, joined, &theirs, &left, report);
    if (!e.code) e = join_write_tree(r, joined, tree);
    git_index_free(joined);
    if (!e.code && git_oid_equal(tree, git_commit_tree_id(p->ours)))
        e = err_make(ERR_NOTHING, "%s: there is nothing to change, this is already so", kind->name);
    return e;
}

static err commit_it(repo_handle *r, picking *p, const pick_kind *kind, const git_oid *tree,
                     repo_merge_report *report)
{
    repo_id tree_id, author, made;
    git_oid made_id;

    repo_id_of(tree, &tree_id);
    repo_id_of(git_commit_id(p->commit), &author);
    repo_commit_plan plan = {
        .tree = &tree_id,
        .parents = &report->before,
        .parent_count = 1,
        .message = bytes_text(&p->message),
        .author_of = kind->keeps_author ? &author : NULL,
    };
    err e = repo_commit_make(r, &plan, &made);
    if (!e.code) e = repo_oid_read(&made, &made_id);
    return e.code ? e : join_advance(r, &p->ours_id, &made_id, p->reflog, report);
}

static err pick(repo_handle *r, const repo_ref *ref, const pick_kind *kind, const repo_pick_options *options,
                repo_merge_report *report)
{
    repo_gate *gate = NULL;
    picking p = {.options = options};
    git_oid tree;

    err e = repo_gate_enter(r, kind->name, &gate);
    if (e.code) return e;
    e = begin(r, &p, ref, kind, report);
    if (!e.code) e = joined_tree(r, &p, kind, &tree, report);
    if (!e.code && options->no_commit) {
        e = join_checkout(r, &tree, report);
        if (!e.code) e = join_state_write(r, "MERGE_MSG", bytes_text(&p.message));
    } else if (!e.code) {
        e = commit_it(r, &p, kind, &tree, report);
    }
    git_commit_free(p.commit);
    git_commit_free(p.ours);
    bytes_free(&p.message);
    free(p.reflog);
    repo_gate_leave(gate);
    return e;
}

err repo_cherry_pick(repo_handle *r, const repo_ref *commit, const repo_pick_options *options,
                     repo_merge_report *report)
{
    return pick(r, commit, &cherry_pick, options, report);
}

err repo_revert(repo_handle *r, const repo_ref *commit, const repo_pick_options *options,
                repo_merge_report *report)
{
    return pick(r, commit, &revert, options, report);
}
