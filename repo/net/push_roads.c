/* repo/net/push_roads.c: a push by libgit2, or by the git program. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "repo/gate.h"
#include "repo/git.h"
#include "repo/net/credentials_internal.h"
#include "repo/net/git_program.h"
#include "repo/net/lfs.h"
#include "repo/net/push_internal.h"

/* ---- large files ---- */

static bool commit_of(repo_net_push *p, const git_oid *id, repo_id *out)
{
    git_object *object = NULL, *commit = NULL;
    bool is_commit = git_object_lookup(&object, p->r->git, id, GIT_OBJECT_ANY) == 0 &&
                     git_object_peel(&commit, object, GIT_OBJECT_COMMIT) == 0;

    if (is_commit) repo_id_of(git_object_id(commit), out);
    git_object_free(commit);
    git_object_free(object);
    return is_commit;
}

err push_large_files(repo_net_push *p)
{
    repo_id *tips = memory_resize_array(NULL, p->count + 1, sizeof *tips);
    size_t count = 0, files = 0;
    uint64_t moved = 0;
    err e = ERR_OK;

    for (size_t i = 0; i < p->count; i++)
        if (p->rows[i].source && p->rows[i].changes) count += commit_of(p, &p->rows[i].ours, &tips[count]);
    if (count) e = repo_lfs_push(p->r, p->n->who, p->name, tips, count, &files, &moved);
    p->report->large_files = files;
    p->report->large_bytes = moved;
    free(tips);
    return e;
}

/* ---- libgit2's road ---- */

/* What the server did not take comes only here; it must not pass for done. */
static int ref_answered(const char *name, const char *status, void *payload)
{
    repo_net_push *p = ((repo_net *)payload)->verb_data;
    CLEANUP(bytes_free) bytes clean = {0};

    if (!status) return 0;
    repo_line_clean(bytes_view_of(status), &clean);
    repo_report_line(p->report, "%s refused: %s", name, bytes_text(&clean));
    if (!p->refused.code)
        p->refused = err_make(ERR_DENIED, "%s refused %s: %s", p->name, name, bytes_text(&clean));
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->rows[i].target, name) == 0) p->rows[i].changes = false;
    return 0;
}

/* The last moment before something is sent: is what we judged still there? */
static int negotiated(const git_push_update **updates, size_t count, void *payload)
{
    repo_net_push *p = ((repo_net *)payload)->verb_data;

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < p->count; k++)
            if (strcmp(p->rows[k].target, updates[i]->dst_refname) == 0 &&
                !git_oid_equal(&p->rows[k].theirs, &updates[i]->src) && (p->lease || !p->rows[k].force))
                return repo_git_refuse(err_make(ERR_CONFLICT, "%s has moved on %s meanwhile: fetch first",
                                                updates[i]->dst_refname, p->name));
    return 0;
}

static err look(repo_net_push *p)
{
    const git_remote_head **heads = NULL;
    size_t count = 0;
    char *moved = NULL;

    err e = repo_net_connect(p->n, p->remote, GIT_DIRECTION_PUSH, &moved);
    if (moved) repo_report_line(p->report, "%s is now at %s", p->name, moved);
    free(moved);
    if (!e.code) e = repo_net_check(p->n, git_remote_ls(&heads, &count, p->remote), "list the remote's refs");
    if (!e.code) e = push_rows_judge(p, heads, count);
    git_remote_disconnect(p->remote);
    return e;
}

static err send(repo_net_push *p, const git_strarray *specs)
{
    git_push_options how = GIT_PUSH_OPTIONS_INIT;
    repo_gate *gate = NULL;

    p->n->verb_data = p;
    repo_net_callbacks(p->n, &how.callbacks);
    how.callbacks.push_update_reference = ref_answered;
    how.callbacks.push_negotiation = negotiated;
    how.proxy_opts.type = GIT_PROXY_AUTO;
    how.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
    err e = repo_net_connect(p->n, p->remote, GIT_DIRECTION_PUSH, NULL);
    if (!e.code) e = repo_net_check(p->n, git_remote_upload(p->remote, specs, &how), p->name);
    if (!e.code) e = repo_gate_enter(p->r, "push", &gate);
    if (!e.code)
        e = repo_net_check(p->n, git_remote_update_tips(p->remote, &how.callbacks, 0, 0, "update by push"),
                           "update refs");
    repo_gate_leave(gate);
    git_remote_disconnect(p->remote);
    return e;
}

static err rows_send(repo_net_push *p)
{
    CLEANUP(repo_names_free) repo_names specs = {0};

    for (size_t i = 0; i < p->count; i++) {
        CLEANUP(bytes_free) bytes spec = {0};
        if (!p->rows[i].changes) continue;
        push_row_spec(&p->rows[i], p->rows[i].force || p->lease, &spec);
        repo_names_add(&specs, bytes_text(&spec));
    }
    if (!specs.count) return ERR_OK;
    return send(p, &(git_strarray){specs.names, specs.count});
}

err push_by_libgit2(repo_net_push *p)
{
    err e = look(p);
    if (!e.code && !p->dry_run) e = push_large_files(p);
    if (!e.code && !p->dry_run) e = rows_send(p);
    p->report->objects = p->n->objects;
    p->report->bytes = p->n->bytes;
    if (e.code) return e;
    push_rows_tell(p);
    return p->refused;
}

/* ---- the git program's road ---- */

/* git says "main [new branch]" where we say "main new branch", and tells also what did not change. */
static void lines_take(repo_net_push *p, const repo_names *lines, bool failed)
{
    for (size_t i = 0; i < lines->count; i++) {
        const char *line = lines->names[i], *open = strstr(line, " ["),
                   *end = open ? strchr(open, ']') : NULL;
        if (strstr(line, " [up to date]")) continue;
        if (!strstr(line, "rejected]")) p->report->refs_changed++;
        if (end && !end[1] && !failed)
            repo_report_line(p->report, "%.*s %.*s", (int)(open - line), line, (int)(end - open - 2),
                             open + 2);
        else
            repo_report_line(p->report, "%s", line);
    }
    p->report->up_to_date = !p->report->refs_changed && !failed;
}

static void branch_tell(repo_net_push *p)
{
    git_oid id;
    if (*p->head_ref && git_reference_name_to_id(&id, p->r->git, p->head_ref) == 0)
        repo_id_of(&id, &p->report->after);
}

err push_by_program(repo_net_push *p)
{
    const char *options[4] = {0}, **specs = memory_resize_array(NULL, p->count + 1, sizeof *specs);
    CLEANUP(repo_names_free) repo_names texts = {0}, lines = {0};
    repo_gate *gate = NULL;
    size_t count = 0;

    if (p->lease) options[count++] = "--force-with-lease";
    if (p->dry_run) options[count++] = "--dry-run";
    for (size_t i = 0; i < p->count; i++) {
        CLEANUP(bytes_free) bytes spec = {0};
        p->rows[i].changes = true;
        push_row_spec(&p->rows[i], p->rows[i].force, &spec);
        repo_names_add(&texts, bytes_text(&spec));
    }
    for (size_t i = 0; i < texts.count; i++) specs[i] = texts.names[i];
    specs[texts.count] = NULL;
    const char *push_url = git_remote_pushurl(p->remote);
    repo_credentials_learn(p->n->who, push_url ? push_url : git_remote_url(p->remote));
    err e = p->dry_run ? ERR_OK : push_large_files(p);
    if (!e.code) e = repo_gate_enter(p->r, "push", &gate);
    if (!e.code)
        e = repo_git_program_push_with(p->n->context, p->n->folder, options, p->name, specs, p->n->who,
                                       &lines);
    repo_gate_leave(gate);
    lines_take(p, &lines, e.code != 0);
    if (!e.code) branch_tell(p);
    p->report->objects = p->n->objects;
    p->report->bytes = p->n->bytes;
    free(specs);
    return e;
}
