/* repo/net/pull.c: fetch, then what came joined with the branch, then the large files of the new checkout. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "repo/checkout_internal.h"
#include "repo/git.h"
#include "repo/merge.h"
#include "repo/net/network_internal.h"
#include "repo/upstream_internal.h"

typedef struct pulling {
    repo_handle *r; /* opened anew after the fetch: libgit2 keeps the old edge of a shallow history */
    repo_network_report *report;
    char *head_ref;            /* "" when detached */
    const char *remote, *word; /* as given; NULL */
    char *from;                /* the remote's name; "." is this repository */
    bytes tracking;            /* what the fetch moved: "refs/remotes/origin/main" */
    bytes merge;               /* what the remote calls it: "refs/heads/main" */
    repo_pull_how how;
    bool no_ff;
    repo_ref theirs;
} pulling;

static void pulling_free(pulling *p)
{
    free(p->head_ref);
    free(p->from);
    bytes_free(&p->tracking);
    bytes_free(&p->merge);
    repo_ref_free(&p->theirs);
    repo_close(p->r);
}

static const char *branch_of(const char *ref)
{
    return text_starts_with(ref, "refs/heads/") ? ref + strlen("refs/heads/") : ref;
}

/* ---- how ---- */

/* "merges" and "interactive" are rebases too. */
static int rebase_asked(git_config *config, const char *key)
{
    const char *value = NULL;
    int flag = 0;

    if (git_config_get_string(&value, config, key) != 0) return -1;
    return git_config_parse_bool(&flag, value) == 0 ? flag : 1;
}

/* As git reads it: branch.x.rebase, pull.rebase, pull.ff; what is said on the command line comes first, and
 * pull.ff = only before what the configuration says of rebasing. merge.ff is the merge's own. */
static void how_decide(pulling *p, git_config *config)
{
    CLEANUP(bytes_free) bytes key = {0};
    const char *ff = NULL;
    int flag = 1;

    git_config_get_string(&ff, config, "pull.ff");
    bool ff_only = ff && strcmp(ff, "only") == 0;
    p->no_ff = ff && !ff_only && git_config_parse_bool(&flag, ff) == 0 && !flag;
    if (p->how == REPO_PULL_AUTO && !ff_only) {
        bytes_printf(&key, "branch.%s.rebase", branch_of(p->head_ref));
        int rebase = rebase_asked(config, bytes_text(&key));
        if (rebase < 0) rebase = rebase_asked(config, "pull.rebase");
        if (rebase > 0) p->how = REPO_PULL_REBASE;
    }
    if (ff_only && p->how != REPO_PULL_REBASE) p->how = REPO_PULL_FF_ONLY;
}

/* ---- from where ---- */

static err upstream_read(pulling *p, git_config *config)
{
    const char *branch = branch_of(p->head_ref), *remote = NULL, *merge = NULL;
    CLEANUP(bytes_free) bytes key = {0};

    bytes_printf(&key, "branch.%s.remote", branch);
    if (git_config_get_string(&remote, config, bytes_text(&key)) != 0) remote = NULL;
    bytes_clear(&key);
    bytes_printf(&key, "branch.%s.merge", branch);
    if (git_config_get_string(&merge, config, bytes_text(&key)) != 0) merge = NULL;
    bool is_other = remote && p->remote && strcmp(remote, p->remote) != 0;
    if (!*p->head_ref || !remote || !merge || is_other ||
        !repo_upstream_ref(p->r->git, p->head_ref, &p->tracking))
        return err_make(ERR_USAGE,
                        "%s follows nothing%s%s: say what to pull (MODEL REMOTE BRANCH), or what to "
                        "follow (branch MODEL NAME --set-upstream REF)",
                        *p->head_ref ? branch : "HEAD", is_other ? " of " : "", is_other ? p->remote : "");
    p->from = memory_text(remote);
    bytes_append_text(&p->merge, merge);
    return ERR_OK;
}

static err source_find(pulling *p, git_config *config)
{
    git_remote *remote = NULL;

    if (!p->word) return upstream_read(p, config);
    err e = repo_net_remote(p->r->git, p->remote, p->head_ref, &remote, &p->from);
    git_remote_free(remote);
    bytes_printf(&p->tracking, "refs/remotes/%s/%s", p->from ? p->from : "", branch_of(p->word));
    bytes_printf(&p->merge, "refs/heads/%s", branch_of(p->word));
    return e;
}

static err plan(pulling *p)
{
    git_config *config = NULL;

    p->head_ref = repo_net_head_ref(p->r->git);
    if (!*p->r->path) return err_make(ERR_UNSUPPORTED, "a bare repository has no files to pull into: fetch");
    err e = repo_git_check(git_repository_config_snapshot(&config, p->r->git), "read git's configuration");
    if (e.code) return e;
    how_decide(p, config);
    e = source_find(p, config);
    git_config_free(config);
    return e;
}

/* ---- fetch ---- */

static err reopen(pulling *p)
{
    repo_handle *fresh = NULL;

    err e = repo_open(p->r->context, p->r->path, &fresh);
    if (e.code) return e;
    repo_close(p->r);
    p->r = fresh;
    return ERR_OK;
}

static err bring(pulling *p)
{
    const repo_fetch_options how = {.remote = p->from, .ref = p->word};

    err e = strcmp(p->from, ".") == 0 ? ERR_OK : repo_fetch(p->r, &how, p->report);
    if (!e.code) e = reopen(p);
    if (e.code) return e;
    e = repo_resolve(p->r, bytes_text(&p->tracking), &p->theirs);
    if (e.code != ERR_NOT_FOUND) return e;
    if (!p->word)
        return err_make(ERR_NOT_FOUND, "%s has no branch '%s' any more", p->from,
                        branch_of(bytes_text(&p->merge)));
    /* A tag, then: the fetch found it. */
    bytes_clear(&p->tracking);
    bytes_printf(&p->tracking, "refs/tags/%s", p->word);
    return repo_resolve(p->r, bytes_text(&p->tracking), &p->theirs);
}

/* ---- join ---- */

/* "Merge branch 'main' of https://host/x into work", as git says it. */
static void message_make(const pulling *p, bytes *out)
{
    git_remote *remote = NULL;
    const char *onto = branch_of(p->head_ref);

    bytes_printf(out, "Merge %s '%s'", p->theirs.kind == REPO_REF_TAG ? "tag" : "branch",
                 branch_of(p->theirs.kind == REPO_REF_TAG ? p->word : bytes_text(&p->merge)));
    if (git_remote_lookup(&remote, p->r->git, p->from) == 0) {
        char *url = repo_url_without_login(git_remote_url(remote));
        bytes_printf(out, " of %s", url);
        free(url);
    }
    git_remote_free(remote);
    if (strcmp(onto, "main") != 0 && strcmp(onto, "master") != 0)
        bytes_printf(out, " into %s", *onto ? onto : "HEAD");
    bytes_append_byte(out, '\n');
}

static void joined_tell(pulling *p, const repo_merge_report *merged, bool rebased)
{
    repo_network_report *out = p->report;
    const char *branch = *p->head_ref ? branch_of(p->head_ref) : "HEAD";

    out->before = merged->before;
    out->after = merged->after;
    out->up_to_date = merged->up_to_date;
    if (merged->up_to_date) return;
    if (merged->fast_forward)
        repo_report_line(out, "%s %.8s..%.8s fast-forward", branch,
                         *merged->before.hex ? merged->before.hex : "", merged->after.hex);
    else if (rebased)
        repo_report_line(out, "%s rebased onto %s, now %.8s", branch, p->theirs.name, merged->after.hex);
    else
        repo_report_line(out, "%s merged %s, now %.8s", branch, p->theirs.name, merged->after.hex);
}

static void trouble_tell(pulling *p, const repo_merge_report *merged)
{
    for (size_t i = 0; i < merged->conflict_count; i++)
        repo_report_line(p->report, "conflict (%s) in %s", repo_conflict_kind_name(merged->conflicts[i].kind),
                         merged->conflicts[i].path);
    for (size_t i = 0; i < merged->checkout.in_the_way.count; i++)
        repo_report_line(p->report, "in the way: %s", merged->checkout.in_the_way.names[i]);
    if (merged->in_progress)
        repo_report_line(p->report, "mend and stage them, then merge --continue; or merge --abort");
}

static err join(pulling *p, repo_merge_report *merged)
{
    CLEANUP(bytes_free) bytes message = {0};
    bool rebased = p->how == REPO_PULL_REBASE;

    message_make(p, &message);
    const repo_merge_options how = {.message = bytes_text(&message),
                                    .reflog = "pull",
                                    .ff_only = p->how == REPO_PULL_FF_ONLY,
                                    .no_ff = p->no_ff && p->how != REPO_PULL_FF_ONLY,
                                    .leave_markers = true};
    err e = rebased ? repo_rebase(p->r, &p->theirs, merged) : repo_merge(p->r, &p->theirs, &how, merged);
    if (e.code)
        trouble_tell(p, merged);
    else
        joined_tell(p, merged, rebased);
    return e;
}

/* ---- large files ---- */

static err files(pulling *p, const repo_missing_list *missing)
{
    CLEANUP(repo_network_report_free) repo_network_report got = {0};
    const repo_missing_list *left = missing;

    if (!missing->count) return ERR_OK;
    err e = repo_fetch_files(p->r, missing, strcmp(p->from, ".") == 0 ? NULL : p->from, &got);
    p->report->large_files += got.large_files;
    p->report->large_bytes += got.large_bytes;
    for (size_t i = 0; i < got.lines.count; i++) repo_names_add(&p->report->lines, got.lines.names[i]);
    if (!e.code) left = &got.missing;
    for (size_t i = 0; i < left->count; i++)
        repo_missing_add(&p->report->missing, left->rows[i].path, &left->rows[i].pointer);
    /* The commits are here and checked out: a server of large files that fails takes nothing of that back. */
    if (e.code && e.code != ERR_CANCELLED) {
        repo_report_line(p->report, "large files: %s", e.text);
        return ERR_OK;
    }
    return e;
}

/* Nothing was to be checked out. What a pull that was killed left as pointers is put in its place where its bytes
 * are here, and named where they are not: who cloned without large files does not get them by a pull. */
static err files_of_before(pulling *p)
{
    CLEANUP(repo_missing_list_free) repo_missing_list pointers = {0}, here = {0};
    size_t placed = 0;

    err e = repo_checkout_pointers(p->r, &pointers);
    if (e.code) return e;
    repo_large_files_split(p->r, &pointers, &p->report->missing, &here);
    e = repo_large_files_place(p->r, &here, &placed);
    if (placed)
        repo_report_line(p->report, "%zu file%s put in place, whose bytes were here already", placed,
                         placed == 1 ? "" : "s");
    return e;
}

/* ---- the verb ---- */

err repo_pull(repo_handle *r, const char *remote, const char *branch, repo_pull_how how,
              repo_network_report *out)
{
    CLEANUP(pulling_free) pulling p = {.report = out, .remote = remote, .word = branch, .how = how};
    CLEANUP(repo_merge_report_free) repo_merge_report merged = {0};

    err e = repo_open(r->context, *r->path ? r->path : r->git_dir, &p.r);
    if (!e.code) e = plan(&p);
    if (!e.code) e = bring(&p);
    if (e.code) return e;
    free(out->branch);
    out->branch = *p.head_ref ? memory_text(branch_of(p.head_ref)) : NULL;
    e = join(&p, &merged);
    if (e.code) return e;
    return merged.up_to_date ? files_of_before(&p) : files(&p, &merged.checkout.missing);
}
