/* repo/net/clone_child.c: the child's half of clone: a repository in an empty staging folder. A kill at any
 * moment leaves only that folder, which its operation throws away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/checkout.h"
#include "repo/git.h"
#include "repo/net/clone_internal.h"
#include "repo/net/credentials_internal.h"
#include "repo/net/git_program.h"

typedef struct cloning {
    repo_net *n;
    repo_handle *r;
    const char *url; /* may hold a login: learned, and written nowhere */
    const char *ref;
    int depth;
    bool no_files;
    char *head; /* of the remote; NULL */
    repo_network_report *report;
} cloning;

/* ---- an empty repository with its remotes ---- */

static err repository_make(cloning *k)
{
    git_repository *git = NULL;
    git_repository_init_options how = GIT_REPOSITORY_INIT_OPTIONS_INIT;

    /* In the folder that the parent made: where it is gone, so is the parent. */
    how.flags = GIT_REPOSITORY_INIT_NO_REINIT;
    how.initial_head = "main";
    err e = repo_git_check(git_repository_init_ext(&git, k->n->folder, &how), k->n->folder);
    git_repository_free(git);
    return e.code ? e : repo_open(k->n->context, k->n->folder, &k->r);
}

static err remote_make(cloning *k, const char *name, const char *url)
{
    git_remote *remote = NULL;
    char *plain = repo_url_without_login(url);

    err e = repo_credentials_learn(k->n->who, url);
    if (!e.code) e = repo_git_check(git_remote_create(&remote, k->r->git, name, plain), name);
    git_remote_free(remote);
    free(plain);
    return e;
}

/* "NAME=URL", checked by the parent for its form, here for the name. */
static err further_remotes(cloning *k, bytes_view request)
{
    const char *key, *value;
    size_t at = 0;
    err e = ERR_OK;

    while (!e.code && field_next(request, &at, &key, &value)) {
        const char *equals = strcmp(key, "remote") == 0 ? strchr(value, '=') : NULL;
        if (!equals) continue;
        char *name = memory_text_n(value, (size_t)(equals - value));
        e = remote_make(k, name, equals + 1);
        free(name);
    }
    return e;
}

/* ---- objects ---- */

static err objects_fetch(cloning *k)
{
    CLEANUP(repo_ref_rows_free) repo_ref_rows nothing = {0};
    CLEANUP(repo_net_fetch_free)
    repo_net_fetch f = {.n = k->n,
                        .r = k->r,
                        .name = memory_text("origin"),
                        .tags = !k->depth,
                        .depth = k->depth,
                        .want_head = true,
                        .report = k->report};
    bool shallow_source = false;

    err e = repo_git_check(git_remote_lookup(&f.remote, k->r->git, "origin"), "origin");
    if (!e.code && repo_net_is_path(k->url) && !k->depth)
        e = repo_clone_share_objects(k->n, k->url, k->r->git, &shallow_source);
    /* By the git program, which copies the edge too: its greatest depth is all that is there. */
    if (shallow_source) f.depth = REPO_DEPTH_ALL - 1;
    if (shallow_source) repo_report_line(k->report, "what was cloned is shallow, so this is too");
    if (!e.code) e = repo_net_fetch_run(&f, &nothing);
    k->head = f.head;
    f.head = NULL;
    return e;
}

/* Every branch is new to a clone: no news. Warnings are. */
static void lines_drop_news(repo_network_report *report)
{
    repo_names kept = {0};
    for (size_t i = 0; i < report->lines.count; i++) {
        const char *line = report->lines.names[i];
        size_t size = strlen(line);
        bool news = (size > 11 && strcmp(line + size - 11, " new branch") == 0) ||
                    (size > 8 && strcmp(line + size - 8, " new tag") == 0);
        if (!news) repo_names_add(&kept, line);
    }
    repo_names_free(&report->lines);
    report->lines = kept;
}

static void shallow_tell(cloning *k)
{
    if (!k->depth || !git_repository_is_shallow(k->r->git)) return;
    repo_report_line(k->report, "the history is the last %d commit%s of each branch%s", k->depth,
                     k->depth == 1 ? "" : "s",
                     GIT_HAS_DEPTH ? "" : " (by the git program: this libgit2 knows no depth)");
}

static void fetch_head_drop(const cloning *k)
{
    char *path = file_join(k->r->git_dir, "FETCH_HEAD");
    unlink(path);
    free(path);
}

/* ---- files ---- */

static err checkout(cloning *k, const repo_id *commit, repo_missing_list *missing)
{
    CLEANUP(repo_ref_free) repo_ref ref = {0};
    CLEANUP(repo_checkout_report_free) repo_checkout_report report = {0};

    err e = repo_resolve(k->r, commit->hex, &ref);
    if (!e.code) e = repo_checkout_into_empty(k->r, &ref.tree, NULL, NULL, &report);
    for (size_t i = 0; i < report.links.count && !e.code; i++)
        repo_report_line(k->report, "%s would lead out of the folder: it is a small file",
                         report.links.names[i]);
    if (e.code) return e;
    *missing = report.missing;
    report.missing = (repo_missing_list){0};
    return ERR_OK;
}

static err files_get(cloning *k, const repo_id *commit)
{
    err e = checkout(k, commit, &k->report->missing);
    if (e.code || k->no_files) return e;
    e = repo_net_large_files(k->n, k->r, "origin", k->report);
    if (e.code == ERR_LIMIT) return err_make(ERR_LIMIT, "%s (--no-files leaves them out)", e.text);
    return e;
}

/* ---- the verb ---- */

static err clone_run(cloning *k, bytes_view request)
{
    repo_id commit = {""};

    repo_net_goes_to(k->n, k->url);
    err e = repository_make(k);
    if (!e.code) e = remote_make(k, "origin", k->url);
    if (!e.code) e = further_remotes(k, request);
    if (!e.code) e = objects_fetch(k);
    if (e.code) return e;
    lines_drop_news(k->report);
    shallow_tell(k);
    e = repo_clone_set_head(k->n, k->r, k->ref, k->head, k->depth, k->report, &commit);
    fetch_head_drop(k);
    k->report->after = commit;
    k->report->up_to_date = false;
    return e.code || !*commit.hex ? e : files_get(k, &commit);
}

err repo_net_verb_clone(repo_net *n, bytes_view request, repo_network_report *report)
{
    cloning k = {.n = n,
                 .url = field_text(request, "url"),
                 .ref = field_text(request, "ref"),
                 .depth = (int)MIN_OF(field_number(request, "depth"), REPO_COMMITS_DEPTH_MAX),
                 .no_files = field_flag(request, "no_files"),
                 .report = report};

    err e = k.url ? clone_run(&k, request) : err_make(ERR_USAGE, "nothing to clone");
    repo_close(k.r);
    free(k.head);
    return e;
}
