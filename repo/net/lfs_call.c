/* repo/net/lfs_call.c: one conversation with a server of large files: our login, our progress. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/net/credentials_internal.h"
#include "repo/net/lfs_internal.h"

/* A login goes to the server that the person or the remote names, and to no other: neither one that only
 * .lfsconfig knows, nor one that the server sends us on to. */
static err login(void *context, const char *url, unsigned attempt, const char **user, const char **password)
{
    repo_lfs_call *call = context;

    (void)attempt;
    if (call->place.foreign)
        return err_make(ERR_DENIED,
                        "wants a login, and only .lfsconfig names this server: if you trust it, git config "
                        "lfs.url %s",
                        call->place.named);
    if (!http_same_origin(url, call->place.named))
        return err_make(ERR_DENIED, "wants a login, and it is not the server of the large files (%s)",
                        call->place.named);
    repo_login_free(&call->login);
    err e = call->who ? repo_credentials_next(call->who, call->place.named, NULL, &call->login)
                      : err_make(ERR_DENIED, "wants a login");
    *user = call->login.user;
    *password = call->login.password;
    return e;
}

static void login_told(void *context, bool worked)
{
    repo_lfs_call *call = context;

    if (!call->who) return;
    if (worked)
        repo_credentials_worked(call->who);
    else
        repo_credentials_refused(call->who);
}

static bool progress(void *context, uint64_t done, uint64_t total, const char *oid)
{
    repo_lfs_call *call = context;
    repo_progress p = {
        .phase = REPO_LARGE_FILES, .total = call->count, .bytes_done = done, .bytes_total = total};
    const char *name = call->name && *oid ? call->name(call, oid) : NULL;

    for (size_t i = 0; i < call->count; i++) p.done += call->objects[i].done;
    if (name) snprintf(p.text, sizeof p.text, "%s", name);
    return repo_watch_tell(&call->r->context->watch, &p);
}

err repo_lfs_call_run(repo_lfs_call *call, bool push, xet_lfs_object *objects, size_t count)
{
    const settings *set = call->r->context->settings;
    xet_lfs_server server = {
        .url = call->place.url,
        .login = login,
        .login_told = login_told,
        .login_first = call->place.login_first && !call->place.foreign,
        .progress = progress,
        .context = call,
        .http = {.environment = call->r->context->environment,
                 .certificate_file = call->place.certificates,
                 .silence_seconds = set ? (int)settings_integer(set, "network.timeout") : 0},
    };

    call->objects = objects;
    call->count = count;
    if (!count) return ERR_OK;
    if (call->who) repo_credentials_learn(call->who, call->place.url);
    return push ? xet_lfs_upload(&server, call->r->store, objects, count)
                : xet_lfs_download(&server, call->r->store, objects, count);
}

void repo_lfs_call_free(repo_lfs_call *call)
{
    repo_lfs_place_free(&call->place);
    repo_login_free(&call->login);
}
