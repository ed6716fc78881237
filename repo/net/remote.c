/* repo/net/remote.c: the remotes of a repository: names for other places, kept in its configuration. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/gate.h"
#include "repo/git.h"
#include "repo/net/git_program.h"
#include "repo/net/network_internal.h"

enum { NAME_BYTES_MAX = 200 };

/* ---- list ---- */

static void row_fill(git_remote *remote, const char *name, repo_remote_row *row)
{
    const char *url = git_remote_url(remote), *push_url = git_remote_pushurl(remote);

    row->name = memory_text(name);
    row->url = repo_url_without_login(url ? url : "");
    row->push_url = push_url ? repo_url_without_login(push_url) : NULL;
}

err repo_remote_list(repo_handle *r, repo_remote_row **rows, size_t *count)
{
    git_strarray names = {0};

    err e = repo_git_check(git_remote_list(&names, r->git), "list the remotes");
    if (e.code) return e;
    repo_remote_row *list = memory_resize_array(NULL, names.count + 1, sizeof *list);
    memset(list, 0, (names.count + 1) * sizeof *list);
    for (size_t i = 0; i < names.count && !e.code; i++) {
        git_remote *remote = NULL;
        e = repo_git_check(git_remote_lookup(&remote, r->git, names.strings[i]), names.strings[i]);
        if (!e.code) row_fill(remote, names.strings[i], &list[i]);
        git_remote_free(remote);
    }
    if (e.code) {
        repo_remote_list_free(list, names.count);
    } else {
        *rows = list;
        *count = names.count;
    }
    git_strarray_dispose(&names);
    return e;
}

void repo_remote_list_free(repo_remote_row *rows, size_t count)
{
    for (size_t i = 0; rows && i < count; i++) {
        free(rows[i].name);
        free(rows[i].url);
        free(rows[i].push_url);
    }
    free(rows);
}

/* ---- what is allowed ---- */

static err name_check(const char *name)
{
    int valid = 0;

    if (strlen(name) > NAME_BYTES_MAX)
        return err_make(ERR_USAGE, "a name of %zu bytes: at most %d are allowed", strlen(name),
                        NAME_BYTES_MAX);
    if (*name == '-' || git_remote_name_is_valid(&valid, name) < 0 || !valid)
        return err_make(ERR_USAGE, "'%s' is no name for a remote", name);
    return ERR_OK;
}

static err remote_exists(repo_handle *r, const char *name)
{
    git_remote *remote = NULL;
    char *found = NULL;

    err e = repo_net_remote(r->git, name, "", &remote, &found);
    git_remote_free(remote);
    free(found);
    return e;
}

/* As it is kept: checked, from the root, without login. A road that is closed only now may open later. */
static err url_check(repo_handle *r, const char *word, char **out)
{
    repo_net n = {.context = r->context, .folder = *r->path ? r->path : r->git_dir};
    repo_net_road road;
    char *url = NULL;
    bool is_hub = false;

    err e = repo_net_address(r->context, word, &url, &is_hub);
    if (!e.code) e = repo_net_road_of(&n, url, false, &road);
    if (e.code == ERR_UNSUPPORTED) e = ERR_OK;
    if (!e.code) *out = repo_url_without_login(url);
    if (url) explicit_bzero(url, strlen(url));
    free(url);
    return e;
}

/* ---- changes ---- */

err repo_remote_add(repo_handle *r, const char *name, const char *url)
{
    git_remote *remote = NULL;
    repo_gate *gate = NULL;
    char *kept = NULL;

    err e = name_check(name);
    if (!e.code) e = url_check(r, url, &kept);
    if (!e.code) e = repo_gate_enter(r, "remote", &gate);
    if (!e.code) {
        int status = git_remote_create(&remote, r->git, name, kept);
        e = status == GIT_EEXISTS ? err_make(ERR_EXISTS, "there is a remote '%s' already", name)
                                  : repo_git_check(status, "add a remote");
    }
    repo_gate_leave(gate);
    git_remote_free(remote);
    free(kept);
    return e;
}

err repo_remote_remove(repo_handle *r, const char *name)
{
    repo_gate *gate = NULL;

    err e = repo_gate_enter(r, "remote", &gate);
    if (!e.code) e = remote_exists(r, name);
    if (!e.code) e = repo_git_check(git_remote_delete(r->git, name), "remove a remote");
    repo_gate_leave(gate);
    return e;
}

static err rename_by_libgit2(repo_handle *r, const char *name, const char *new_name, repo_names *problems)
{
    git_strarray left = {0};
    int status = git_remote_rename(&left, r->git, name, new_name);

    if (status == GIT_EEXISTS) return err_make(ERR_EXISTS, "there is a remote '%s' already", new_name);
    for (size_t i = 0; i < left.count; i++) repo_names_add(problems, left.strings[i]);
    git_strarray_dispose(&left);
    return repo_git_check(status, "rename a remote");
}

/* libgit2 stops half-way at a remote of several refspecs (1.5 and 1.9): git renames those. */
static err rename_by_program(repo_handle *r, const char *name, const char *new_name)
{
    const char *const words[] = {"remote", "rename", "--no-progress", name, new_name, NULL};

    err e = repo_git_program_check(r->context);
    if (e.code) return err_note(e, "the remote '%s' has several refspecs", name);
    return repo_git_program_run(r->context, *r->path ? r->path : r->git_dir, words, NULL, NULL);
}

static err rename_inside(repo_handle *r, const char *name, const char *new_name, repo_names *problems)
{
    git_remote *remote = NULL;
    git_strarray specs = {0};
    char *found = NULL;

    err e = repo_net_remote(r->git, name, "", &remote, &found);
    if (!e.code) e = repo_git_check(git_remote_get_fetch_refspecs(&specs, remote), name);
    if (!e.code)
        e = specs.count > 1 ? rename_by_program(r, name, new_name)
                            : rename_by_libgit2(r, name, new_name, problems);
    git_strarray_dispose(&specs);
    git_remote_free(remote);
    free(found);
    return e;
}

err repo_remote_rename(repo_handle *r, const char *name, const char *new_name, repo_names *problems)
{
    repo_gate *gate = NULL;

    err e = name_check(new_name);
    if (!e.code) e = repo_gate_enter(r, "remote", &gate);
    if (!e.code) e = rename_inside(r, name, new_name, problems);
    repo_gate_leave(gate);
    return e;
}

err repo_remote_set_url(repo_handle *r, const char *name, const char *url, bool push)
{
    repo_gate *gate = NULL;
    char *kept = NULL;

    err e = *url || !push ? url_check(r, url, &kept) : ERR_OK;
    if (!e.code) e = repo_gate_enter(r, "remote", &gate);
    if (!e.code) e = remote_exists(r, name);
    if (!e.code)
        e = repo_git_check(push ? git_remote_set_pushurl(r->git, name, kept)
                                : git_remote_set_url(r->git, name, kept),
                           "change a remote");
    repo_gate_leave(gate);
    free(kept);
    return e;
}
