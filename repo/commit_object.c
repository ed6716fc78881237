/* repo/commit_object.c: one commit object, one ref moved: what every verb that commits is made of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/commit_internal.h"
#include "repo/gate.h"
#include "repo/git_version.h"

enum { PARENTS_MAX = 64 };

/* ---- message ---- */

err repo_message_clean(const char *message, char **out)
{
    git_buf clean = {0};

    if (strlen(message) > REPO_MESSAGE_BYTES_MAX)
        return err_make(ERR_LIMIT, "the message has %zu bytes; at most %d are taken", strlen(message),
                        REPO_MESSAGE_BYTES_MAX);
    err e = repo_git_check(git_message_prettify(&clean, message, 0, '#'), "clean the message");
    if (!e.code && !clean.size) e = err_make(ERR_USAGE, "the message is empty");
    if (!e.code) *out = memory_text(clean.ptr);
    git_buf_dispose(&clean);
    return e;
}

/* The first paragraph as one line, as git's subject; cut at a whole character. */
void repo_message_subject(const char *message, char *out, size_t out_size)
{
    size_t size = 0;

    while (*message == '\n') message++;
    for (; *message && size + 1 < out_size; message++) {
        if (*message == '\n' && (message[1] == '\n' || !message[1])) break;
        out[size++] = *message == '\n' ? ' ' : *message;
    }
    if (size + 1 == out_size)
        while (size && ((unsigned char)out[size - 1] & 0xC0) == 0x80) size--;
    if (size && size + 1 == out_size && (unsigned char)out[size - 1] >= 0xC0) size--;
    out[size] = 0;
}

char *repo_reflog_line(const char *kind, const char *message)
{
    char subject[512];
    bytes line = {0};

    repo_message_subject(message, subject, sizeof subject);
    bytes_printf(&line, "%s: %s", kind, subject);
    return bytes_take(&line);
}

/* ---- the object ---- */

static err parents_read(repo_handle *r, const repo_commit_parts *parts, git_commit **parents)
{
    if (parts->parent_count > PARENTS_MAX)
        return err_make(ERR_LIMIT, "a commit with %zu parents; at most %d", parts->parent_count, PARENTS_MAX);
    for (size_t i = 0; i < parts->parent_count; i++) {
        err e = repo_git_check(git_commit_lookup(&parents[i], r->git, &parts->parents[i]), "read a parent");
        if (e.code) return e;
    }
    return ERR_OK;
}

static err text_build(repo_handle *r, const repo_commit_parts *parts, git_buf *text)
{
    git_commit *owned[PARENTS_MAX] = {0};
    git_parent parents[PARENTS_MAX];
    git_tree *tree = NULL;

    err e = parents_read(r, parts, owned);
    if (!e.code) e = repo_git_check(git_tree_lookup(&tree, r->git, parts->tree), "read the tree");
    for (size_t i = 0; i < COUNT_OF(owned); i++) parents[i] = owned[i];
    if (!e.code)
        e = repo_git_check(git_commit_create_buffer(text, r->git, parts->author, parts->committer, NULL,
                                                    parts->message, tree, parts->parent_count, parents),
                           "write the commit");
    git_tree_free(tree);
    for (size_t i = 0; i < COUNT_OF(owned); i++) git_commit_free(owned[i]);
    return e;
}

err repo_commit_object(repo_handle *r, const repo_commit_parts *parts, git_oid *out)
{
    git_buf text = {0};
    CLEANUP(bytes_free) bytes signature = {0};

    err e = text_build(r, parts, &text);
    if (!e.code && parts->sign)
        e = repo_sign(r, parts->committer, (bytes_view){text.ptr, text.size}, &signature);
    if (!e.code)
        e = repo_git_check(git_commit_create_with_signature(
                               out, r->git, text.ptr, parts->sign ? bytes_text(&signature) : NULL, NULL),
                           "write the commit");
    git_buf_dispose(&text);
    return e;
}

bool repo_commit_signs(repo_handle *r) { return repo_signing_wanted(r, -1, "commit.gpgsign"); }

/* ---- refs ---- */

void repo_ident_set(repo_handle *r, const git_signature *committer)
{
    git_repository_set_ident(r->git, committer->name, committer->email);
}

int repo_head_read(repo_handle *r, git_oid *out, bool *born)
{
    int status = git_reference_name_to_id(out, r->git, "HEAD");
    *born = status == 0;
    return status == GIT_ENOTFOUND ? 0 : status;
}

/* The branch that HEAD is on; NULL when it is detached or the name is not HEAD. */
static char *behind_head(repo_handle *r, const char *name)
{
    git_reference *head = NULL;
    char *target = NULL;

    if (strcmp(name, "HEAD") == 0 && git_reference_lookup(&head, r->git, "HEAD") == 0 &&
        git_reference_type(head) == GIT_REFERENCE_SYMBOLIC)
        target = memory_text(git_reference_symbolic_target(head));
    git_reference_free(head);
    return target;
}

int repo_ref_move(repo_handle *r, const char *name, const git_oid *expected, const git_oid *to,
                  const char *reflog)
{
    git_reference *made = NULL;
    char *target = behind_head(r, name);
    const char *full = target ? target : name;

    int status = expected ? git_reference_create_matching(&made, r->git, full, to, 1, expected, reflog)
                          : git_reference_create(&made, r->git, full, to, 0, reflog);
    git_reference_free(made);
    free(target);
    return status;
}

typedef struct move {
    repo_handle *r;
    const char *name, *reflog;
    const git_oid *expected, *to;
} move;

/* Only a lock is waited for: a ref that moved is the caller's to think about. */
static int move_attempt(void *context)
{
    const move *m = context;
    int status = repo_ref_move(m->r, m->name, m->expected, m->to, m->reflog);
    return status == GIT_EMODIFIED ? GIT_EEXISTS : status;
}

/* ---- a commit of a tree ---- */

static err author_take(repo_handle *r, const repo_id *of, git_signature **out)
{
    git_oid id;
    git_commit *commit = NULL;

    if (!of) return repo_signature_author(r, out);
    err e = repo_oid_read(of, &id);
    if (!e.code) e = repo_git_check(git_commit_lookup(&commit, r->git, &id), "read the commit");
    if (!e.code) e = repo_git_check(git_signature_dup(out, git_commit_author(commit)), "read the author");
    git_commit_free(commit);
    return e;
}

static err plan_read(const repo_commit_plan *plan, git_oid *tree, git_oid *parents)
{
    if (plan->parent_count > PARENTS_MAX)
        return err_make(ERR_LIMIT, "a commit with %zu parents; at most %d", plan->parent_count, PARENTS_MAX);
    err e = repo_oid_read(plan->tree, tree);
    for (size_t i = 0; i < plan->parent_count && !e.code; i++)
        e = repo_oid_read(&plan->parents[i], &parents[i]);
    return e;
}

static const char *commit_kind(size_t parent_count)
{
    return parent_count > 1 ? "commit (merge)" : parent_count ? "commit" : "commit (initial)";
}

static err plan_publish(repo_handle *r, const repo_commit_plan *plan, const git_oid *first_parent,
                        const char *message, const git_oid *made)
{
    char *line =
        plan->reflog ? memory_text(plan->reflog) : repo_reflog_line(commit_kind(plan->parent_count), message);
    move m = {r, plan->update_ref, line, plan->parent_count ? first_parent : NULL, made};
    int status = repo_retry(move_attempt, &m);
    err e = repo_git_check(status, plan->update_ref);
    if (status == GIT_EEXISTS || status == GIT_ENOTFOUND)
        e = err_make(ERR_BUSY, "%s moved meanwhile; nothing was changed", plan->update_ref);
    free(line);
    return e;
}

err repo_commit_make(repo_handle *r, const repo_commit_plan *plan, repo_id *out)
{
    git_oid tree, parents[PARENTS_MAX], made;
    git_signature *author = NULL, *committer = NULL;
    char *message = NULL;

    err e = plan_read(plan, &tree, parents);
    if (!e.code) e = repo_message_clean(plan->message, &message);
    if (!e.code) e = author_take(r, plan->author_of, &author);
    if (!e.code) e = repo_signature_committer(r, &committer);
    if (e.code) goto out;
    repo_ident_set(r, committer);
    repo_commit_parts parts = {&tree,     parents, plan->parent_count,  author,
                               committer, message, repo_commit_signs(r)};
    e = repo_commit_object(r, &parts, &made);
    if (!e.code && plan->update_ref) e = plan_publish(r, plan, &parents[0], message, &made);
    if (!e.code) repo_id_of(&made, out);
out:
    free(message);
    git_signature_free(author);
    git_signature_free(committer);
    return e;
}
