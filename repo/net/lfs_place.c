/* repo/net/lfs_place.c: where a remote keeps its large files, and whose word that is. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/beneath.h"
#include "repo/git.h"
#include "repo/net/lfs_config.h"
#include "repo/net/lfs_internal.h"
#include "repo/net/network_internal.h"
#include "repo/net/url.h"
#include "repo/store_internal.h"

/* ---- what the person has set ---- */

/* The value of "<before><name><after>"; NULL: not set. The caller frees. */
static char *config_text(git_repository *git, const char *before, const char *name, const char *after)
{
    CLEANUP(bytes_free) bytes key = {0};
    git_config *config = NULL;
    const char *value = NULL;
    char *out = NULL;

    bytes_printf(&key, "%s%s%s", before, name, after);
    if (git_repository_config_snapshot(&config, git) == 0 &&
        git_config_get_string(&value, config, bytes_text(&key)) == 0 && *value)
        out = memory_text(value);
    git_config_free(config);
    return out;
}

static char *own_choice(git_repository *git, const char *remote, bool push)
{
    static const struct {
        const char *before, *after;
        bool of_remote, push;
    } rows[] = {{"lfs.pushurl", "", false, true},
                {"lfs.url", "", false, false},
                {"remote.", ".lfspushurl", true, true},
                {"remote.", ".lfsurl", true, false}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].push && !push) continue;
        char *value = config_text(git, rows[i].before, rows[i].of_remote ? remote : "", rows[i].after);
        if (value) return value;
    }
    return NULL;
}

/* ---- what the repository's authors say ---- */

static bool lfsconfig_of_worktree(repo_handle *r, bytes *out)
{
    repo_beneath below = {.root = -1, .parent = -1};
    int fd = -1;

    if (*r->path && !repo_beneath_open(r->path, &below).code) fd = repo_beneath_read(&below, ".lfsconfig");
    repo_beneath_close(&below);
    if (fd < 0) return false;
    bytes_reserve(out, REPO_LFS_CONFIG_BYTES_MAX + 1);
    ssize_t got = read(fd, out->data, REPO_LFS_CONFIG_BYTES_MAX + 1);
    close(fd);
    out->size = got > 0 && got <= REPO_LFS_CONFIG_BYTES_MAX ? (size_t)got : 0;
    return true;
}

static bool blob_read(git_repository *git, const git_oid *id, bytes *out)
{
    git_blob *blob = NULL;

    if (git_blob_lookup(&blob, git, id) != 0) return false;
    if (git_blob_rawsize(blob) <= REPO_LFS_CONFIG_BYTES_MAX)
        bytes_append(out, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
    git_blob_free(blob);
    return true;
}

static bool lfsconfig_of_index(repo_handle *r, bytes *out)
{
    git_index *index = NULL;
    const git_index_entry *entry = NULL;

    if (!*r->path || git_repository_index(&index, r->git) != 0) return false;
    entry = git_index_get_bypath(index, ".lfsconfig", GIT_INDEX_STAGE_NORMAL);
    bool found = entry && blob_read(r->git, &entry->id, out);
    git_index_free(index);
    return found;
}

static bool lfsconfig_of_head(repo_handle *r, bytes *out)
{
    git_object *blob = NULL;
    bool found = git_revparse_single(&blob, r->git, "HEAD:.lfsconfig") == 0 &&
                 git_object_type(blob) == GIT_OBJECT_BLOB && blob_read(r->git, git_object_id(blob), out);
    git_object_free(blob);
    return found;
}

/* An http address without a login, or NULL: nothing else is a stranger's to name. */
static char *stranger_choice(repo_handle *r, const char *remote, bool push)
{
    CLEANUP(bytes_free) bytes text = {0};
    CLEANUP(repo_lfs_config_free) repo_lfs_config said = {0};
    repo_url url = {0};

    if (!lfsconfig_of_worktree(r, &text) && !lfsconfig_of_index(r, &text)) lfsconfig_of_head(r, &text);
    repo_lfs_config_read(bytes_borrow(&text), remote, &said);
    const char *value = push && said.push_url ? said.push_url : said.url ? said.url : said.remote_url;
    if (!value) return NULL;
    bool is_http = repo_url_parse(value, &url) && repo_url_is_http(&url);
    repo_url_free(&url);
    return is_http ? http_url_without_login(value) : NULL;
}

/* ---- what follows from the remote's address ---- */

/* Of a repository of this machine, as its own config has it. */
static char *folder_of(const repo_handle *r, const char *address)
{
    git_repository *other = NULL;
    char *out = NULL;
    const char *path = text_starts_with(address, "file://") ? address + strlen("file://") : address;
    char *whole = file_join(*r->path ? r->path : r->common_dir, path);
    CLEANUP(bytes_free) bytes with_end = {0};

    bytes_printf(&with_end, "%s.git", whole);
    if (git_repository_open_ext(&other, whole, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) == 0 ||
        git_repository_open_ext(&other, bytes_text(&with_end), GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) == 0) {
        xet_store *store = repo_store_of(other);
        out = memory_text(xet_store_borrow_folder(store));
        xet_store_free(store);
    }
    git_repository_free(other);
    free(whole);
    return out;
}

static err derive(const repo_handle *r, const char *address, char **out)
{
    if (repo_net_is_here(address)) {
        *out = folder_of(r, address);
        return *out ? ERR_OK : err_make(ERR_NOT_FOUND, "%s is no git repository", address);
    }
    char *plain = repo_url_without_login(address);
    err e = err_note(xet_lfs_url_of_remote(address, out), "%s", plain);
    free(plain);
    return e;
}

/* Both are freed but for the one that is kept. */
static err stranger_judge(repo_lfs_place *out, char *named, char *derived, bool push)
{
    out->foreign = !derived || !http_same_origin(named, derived);
    if (derived) explicit_bzero(derived, strlen(derived));
    free(derived);
    out->url = named;
    if (!out->foreign || !push) return ERR_OK;
    return err_make(
        ERR_DENIED,
        ".lfsconfig sends large files to %s, which is not the remote's server: if that is what you "
        "want, say so with git config lfs.url %s",
        named, named);
}

static err place_choose(repo_handle *r, git_remote *remote, const char *name, bool push, repo_lfs_place *out)
{
    const char *push_url = git_remote_pushurl(remote);
    const char *address = push && push_url ? push_url : git_remote_url(remote);
    char *own = own_choice(r->git, name, push), *derived = NULL;

    if (own) {
        bool is_http = text_starts_with(own, "https://") || text_starts_with(own, "http://");
        if (is_http) out->url = own;
        if (is_http) return ERR_OK;
        err e = derive(r, own, &out->url);
        free(own);
        return err_note(e, "lfs.url");
    }
    char *named = stranger_choice(r, name, push);
    err e = address ? derive(r, address, &derived) : err_make(ERR_USAGE, "the remote has no address");
    if (named) return stranger_judge(out, named, derived, push);
    out->url = derived;
    return e;
}

err repo_lfs_place_find(repo_handle *r, const char *remote, bool push, repo_lfs_place *out)
{
    git_remote *found = NULL;
    char *name = NULL, *head = repo_net_head_ref(r->git);

    *out = (repo_lfs_place){0};
    err e = repo_net_remote(r->git, remote, head, &found, &name);
    if (!e.code) e = place_choose(r, found, name, push, out);
    if (!e.code) {
        out->named = repo_url_without_login(out->url);
        out->certificates = config_text(r->git, "http.sslCAInfo", "", "");
        char *access = config_text(r->git, "lfs.", out->named, ".access");
        out->login_first = access && strcmp(access, "basic") == 0;
        free(access);
    }
    if (e.code) repo_lfs_place_free(out);
    git_remote_free(found);
    free(name);
    free(head);
    return e;
}

void repo_lfs_place_free(repo_lfs_place *place)
{
    if (place->url) explicit_bzero(place->url, strlen(place->url));
    free(place->url);
    free(place->named);
    free(place->certificates);
    *place = (repo_lfs_place){0};
}
