#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "xet/lfs_internal.h"

/* The index of the newest for this origin, or count. */
static size_t newest(const xet_logins *l, const char *url)
{
    for (size_t i = l->count; i > 0; i--)
        if (http_same_origin(l->rows[i - 1].url, url)) return i - 1;
    return l->count;
}

const xet_login *xet_logins_find(const xet_logins *l, const char *url)
{
    size_t i = newest(l, url);
    return i < l->count && !l->rows[i].refused ? &l->rows[i] : NULL;
}

err xet_logins_next(xet_logins *l, const xet_lfs_server *server, const char *url, const xet_login *used)
{
    CLEANUP(bytes_free) bytes host = {.data = http_url_host(url)};
    size_t i = newest(l, url);
    xet_login *last = i < l->count ? &l->rows[i] : NULL;
    const char *user = NULL, *password = NULL;

    if (last && last != used && !last->refused) return ERR_OK; /* another transfer has asked meanwhile */
    if (last && !last->refused) {
        last->refused = true;
        if (server->login_told) server->login_told(server->context, false);
    }
    if (!server->login) return err_make(ERR_DENIED, "%s wants a login", host.data);
    if (l->count == COUNT_OF(l->rows)) return err_make(ERR_DENIED, "%s refused every login", host.data);
    unsigned attempt = last ? last->attempt + 1 : 0;
    err e = server->login(server->context, url, attempt, &user, &password);
    if (e.code) return err_note(e, "%s", host.data);
    l->rows[l->count++] = (xet_login){.url = memory_text(url),
                                      .user = memory_text(user ? user : ""),
                                      .password = memory_text(password ? password : ""),
                                      .attempt = attempt};
    return ERR_OK;
}

void xet_logins_worked(xet_logins *l, const xet_lfs_server *server, const xet_login *used)
{
    for (size_t i = 0; i < l->count; i++) {
        if (&l->rows[i] != used || used->told) continue;
        l->rows[i].told = true;
        if (server->login_told) server->login_told(server->context, true);
    }
}

void xet_logins_free(xet_logins *l)
{
    for (size_t i = 0; i < l->count; i++) {
        explicit_bzero(l->rows[i].password, strlen(l->rows[i].password));
        free(l->rows[i].password);
        free(l->rows[i].user);
        free(l->rows[i].url);
    }
    *l = (xet_logins){0};
}
