#include "repo/switch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/branch.h"
#include "repo/branch_internal.h"
#include "repo/gate.h"
#include "repo/handle_internal.h"
#include "repo/resolve.h"
#include "repo/upstream_internal.h"

enum { LEFT_BEHIND_MAX = 1000 };

typedef struct switching {
    repo_handle *r;
    const repo_switch_options *options;
    repo_switch_report *report;
    repo_ref target;
    char *branch;     /* to be on; NULL: detached */
    bool make_branch; /* it does not exist yet */
} switching;

/* ---- what is meant ---- */

/* "x" for refs/remotes/origin/x. */
static const char *remote_branch(const char *ref)
{
    const char *name = strncmp(ref, "refs/remotes/", 13) == 0 ? ref + 13 : ref;
    const char *slash = strchr(name, '/');
    return slash ? slash + 1 : name;
}

static void target_decide(switching *s)
{
    const repo_switch_options *o = s->options;

    if (o->new_branch) {
        s->branch = memory_text(o->new_branch);
        s->make_branch = true;
    } else if (o->detach) {
        return;
    } else if (s->target.kind == REPO_REF_BRANCH) {
        s->branch = memory_text(s->target.name + strlen("refs/heads/"));
    } else if (s->target.kind == REPO_REF_REMOTE && strcmp(o->ref, remote_branch(s->target.name)) == 0) {
        s->branch = memory_text(o->ref);
        s->make_branch = true;
    }
}

/* HEAD as it is: the branch it names, and the commit. */
static err before_read(switching *s, char **branch)
{
    git_reference *head = NULL;
    git_oid id;

    *branch = NULL;
    err e = repo_git_check(git_reference_lookup(&head, s->r->git, "HEAD"), "read HEAD");
    if (e.code) return e;
    const char *ref = git_reference_symbolic_target(head);
    if (ref) *branch = memory_text(strncmp(ref, "refs/heads/", 11) == 0 ? ref + 11 : ref);
    if (git_reference_name_to_id(&id, s->r->git, "HEAD") == 0) repo_id_of(&id, &s->report->before);
    git_reference_free(head);
    return ERR_OK;
}

static err branch_check(switching *s)
{
    CLEANUP(bytes_free) bytes ref = {0};
    git_oid id;

    if (!s->branch) return ERR_OK;
    bytes_printf(&ref, "refs/heads/%s", s->branch);
    if (!s->make_branch) return repo_places_check(s->r, bytes_text(&ref));
    err e = repo_branch_name_check(s->branch);
    if (!e.code && git_reference_name_to_id(&id, s->r->git, bytes_text(&ref)) == 0)
        e = err_make(ERR_EXISTS, "the branch '%s' exists already", s->branch);
    return e;
}

/* ---- HEAD ---- */

static err head_move(switching *s)
{
    CLEANUP(bytes_free) bytes ref = {0};
    git_annotated_commit *commit = NULL;
    git_oid id;

    if (s->branch) {
        bytes_printf(&ref, "refs/heads/%s", s->branch);
        return repo_git_check(git_repository_set_head(s->r->git, bytes_text(&ref)), "set HEAD");
    }
    /* By its name, so that the reflog says where HEAD went. */
    err e = repo_oid_read(&s->target.commit, &id);
    if (e.code) return e;
    if (git_annotated_commit_from_revspec(&commit, s->r->git, s->options->ref) == 0 &&
        git_oid_equal(git_annotated_commit_id(commit), &id))
        e = repo_git_check(git_repository_set_head_detached_from_annotated(s->r->git, commit), "set HEAD");
    else
        e = repo_git_check(git_repository_set_head_detached(s->r->git, &id), "set HEAD");
    git_annotated_commit_free(commit);
    return e;
}

static int refs_hide(git_revwalk *walk)
{
    int status = git_revwalk_hide_glob(walk, "heads/*");
    if (status == 0) status = git_revwalk_hide_glob(walk, "tags/*");
    return status == 0 ? git_revwalk_hide_glob(walk, "remotes/*") : status;
}

/* Of a detached HEAD that we leave: what only the reflog still knows. */
static size_t left_behind(switching *s)
{
    git_revwalk *walk = NULL;
    git_oid id;
    size_t count = 0;

    if (!*s->report->before.hex || repo_oid_read(&s->report->before, &id).code) return 0;
    if (git_revwalk_new(&walk, s->r->git) == 0 && git_revwalk_push(walk, &id) == 0 && refs_hide(walk) == 0 &&
        git_revwalk_hide_head(walk) == 0)
        while (count < LEFT_BEHIND_MAX && git_revwalk_next(&id, walk) == 0) count++;
    git_revwalk_free(walk);
    return count;
}

static void subject_read(switching *s)
{
    git_commit *commit = NULL;
    git_oid id;

    if (repo_oid_read(&s->target.commit, &id).code || git_commit_lookup(&commit, s->r->git, &id) < 0) return;
    const char *summary = git_commit_summary(commit);
    snprintf(s->report->subject, sizeof s->report->subject, "%s", summary ? summary : "");
    git_commit_free(commit);
}

static void upstream_read(switching *s)
{
    CLEANUP(bytes_free) bytes ref = {0}, upstream = {0};

    bytes_printf(&ref, "refs/heads/%s", s->branch);
    if (!repo_upstream_ref(s->r->git, bytes_text(&ref), &upstream)) return;
    const char *text = bytes_text(&upstream);
    s->report->upstream = memory_text(strncmp(text, "refs/remotes/", 13) == 0 ? text + 13 : text);
}

/* ---- the whole ---- */

/* Before the first commit there are no files: HEAD names another branch to be born. */
static err unborn_switch(switching *s)
{
    s->branch = memory_text(s->options->new_branch);
    s->make_branch = true;
    err e = branch_check(s);
    if (!e.code) e = head_move(s);
    if (e.code) return e;
    s->report->made = true;
    s->report->branch = memory_text(s->branch);
    return ERR_OK;
}

/* The verb makes its branch after the files, within the same gate. */
static err branch_make(switching *s)
{
    git_commit *start = NULL;
    git_reference *made = NULL;
    git_oid id;

    err e = repo_oid_read(&s->target.commit, &id);
    if (!e.code) e = repo_git_check(git_commit_lookup(&start, s->r->git, &id), "read the commit");
    if (!e.code) e = repo_git_check(git_branch_create(&made, s->r->git, s->branch, start, 0), s->branch);
    if (!e.code && s->target.kind == REPO_REF_REMOTE) {
        const char *upstream = s->target.name + strlen("refs/remotes/");
        e = repo_git_check(git_branch_set_upstream(made, upstream), s->branch);
    }
    git_reference_free(made);
    git_commit_free(start);
    return e;
}

static err files_switch(switching *s, const char *before)
{
    const repo_checkout_options how = {.force = s->options->force};
    bool here = strcmp(s->report->before.hex, s->target.commit.hex) == 0;

    s->report->already = here && !s->make_branch && s->branch && before && strcmp(before, s->branch) == 0;
    if (here && !s->options->force) return ERR_OK;
    return repo_checkout_tree(s->r, &s->target.tree, &how, &s->report->checkout);
}

static err switch_run(switching *s)
{
    char *before = NULL;

    err e = before_read(s, &before);
    if (!e.code) e = repo_resolve(s->r, s->options->ref, &s->target);
    if (e.code == ERR_NOTHING && s->options->new_branch) {
        free(before);
        return unborn_switch(s);
    }
    if (!e.code) target_decide(s);
    if (!e.code) e = branch_check(s);
    if (!e.code) e = files_switch(s, before);
    if (!e.code && s->make_branch) e = branch_make(s);
    if (!e.code && !s->report->already) e = head_move(s);
    if (!e.code) {
        s->report->commit = s->target.commit;
        s->report->made = s->make_branch;
        s->report->also_tag = s->target.also_tag;
        if (s->branch) s->report->branch = memory_text(s->branch);
        if (s->make_branch) upstream_read(s);
        if (!before) s->report->left_behind = left_behind(s);
        subject_read(s);
    }
    free(before);
    return e;
}

err repo_switch(repo_handle *r, const repo_switch_options *options, repo_switch_report *report)
{
    switching s = {.r = r, .options = options, .report = report};
    repo_gate *gate = NULL;

    *report = (repo_switch_report){0};
    err e = repo_gate_enter(r, "checkout", &gate);
    if (!e.code) e = switch_run(&s);
    repo_gate_leave(gate);
    repo_ref_free(&s.target);
    free(s.branch);
    return e;
}

void repo_switch_report_free(repo_switch_report *report)
{
    repo_checkout_report_free(&report->checkout);
    free(report->branch);
    free(report->upstream);
    *report = (repo_switch_report){0};
}
