/* The conversation: batches of objects, transfers of each batch, and what to do when one does not succeed. */
#include "xet/lfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "xet/lfs_session.h"

/* ---- progress, waits ---- */

err xet_session_tell(xet_session *s, const xet_batch *b, const char *oid)
{
    uint64_t done = s->bytes_settled;
    double now = clock_seconds();

    if (s->server->progress && now - s->told_at >= XET_LFS_TICK_MS / 1000.0) {
        s->told_at = now;
        for (size_t i = 0; b && i < b->count; i++)
            if (b->running[i] || b->waiting[i]) done += atomic_load(&b->transfers[i].bytes);
        if (!s->server->progress(s->server->context, done, s->bytes_total, oid))
            atomic_store(&s->cancelled, true);
    }
    return atomic_load(&s->cancelled) ? err_make(ERR_CANCELLED, "cancelled") : ERR_OK;
}

static err nap_until(xet_session *s, double when)
{
    err e = xet_session_tell(s, NULL, "");

    while (!e.code && clock_seconds() < when) {
        struct timespec tick = {.tv_nsec = XET_LFS_TICK_MS * 1000000L};
        nanosleep(&tick, NULL);
        e = xet_session_tell(s, NULL, "");
    }
    return e;
}

static bool goes_on(void *context, uint64_t sent, uint64_t received)
{
    xet_session *s = context;

    (void)sent, (void)received;
    return !xet_session_tell(s, NULL, "").code;
}

/* ---- the batch request ---- */

static bool is_authorization(const char *header)
{
    return !strncasecmp(header, "authorization:", sizeof "authorization:" - 1);
}

static const char **batch_headers(const xet_session *s, bool with_login)
{
    const char *const *more = s->server->headers;
    size_t count = 0, used = 0;

    while (more && more[count]) count++;
    const char **all = memory_resize_array(NULL, count + 3, sizeof *all);
    all[used++] = "Accept: " XET_LFS_MEDIA;
    all[used++] = "Content-Type: " XET_LFS_MEDIA;
    for (size_t i = 0; i < count; i++)
        if (!with_login || !is_authorization(more[i])) all[used++] = more[i];
    all[used] = NULL;
    return all;
}

static err batch_send(xet_batch *b, const xet_login *login, http_answer *answer)
{
    xet_session *s = b->s;
    CLEANUP(bytes_free) bytes body = {0};

    xet_lfs_batch_write(s->operation, s->server->ref, b->asked, b->count, &body);
    const char **headers = batch_headers(s, login != NULL);
    http_request request = {.method = "POST",
                            .url = s->batch_url,
                            .headers = headers,
                            .user = login ? login->user : NULL,
                            .password = login ? login->password : NULL,
                            .body = bytes_borrow(&body),
                            .body_bytes_max = XET_LFS_ANSWER_BYTES_MAX,
                            .redirects_max = XET_LFS_REDIRECTS_MAX,
                            .progress = goes_on,
                            .context = s};
    err e = http_send(s->h, &request, answer);
    free(headers);
    return e;
}

/* A batch that failed in a way that may pass. */
static err batch_later(xet_session *s, err problem, double asked_seconds)
{
    if (++s->batch_attempts >= XET_LFS_ATTEMPTS_MAX) return problem;
    if (asked_seconds > XET_LFS_RETRY_AFTER_SECONDS_MAX)
        return err_note(problem, "asked to wait %.0f s", asked_seconds);
    s->batch_not_before = clock_seconds() + xet_session_wait(s->batch_attempts, asked_seconds);
    return ERR_OK;
}

/* *answered false with ERR_OK: something changed (a login, a smaller batch, a wait), ask anew. */
static err batch_answer(xet_batch *b, const xet_login *login, const http_answer *answer, bool *answered)
{
    xet_session *s = b->s;
    err problem = xet_lfs_status_problem(answer, s->batch_url);

    switch (answer->status) {
    case 200:
        s->batch_attempts = 0;
        xet_logins_worked(&s->logins, s->server, login);
        *answered = true;
        return xet_lfs_batch_read(bytes_borrow(&answer->body), s->operation, b->asked, b->count,
                                  clock_seconds(), clock_unix_seconds(), &b->memory, b->plans);
    case 401: return xet_logins_next(&s->logins, s->server, s->url, login);
    case 413:
        if (b->count == 1) return problem;
        s->batch_max = (b->count + 1) / 2;
        return ERR_OK;
    default:
        return xet_lfs_status_is_temporary(answer->status) ? batch_later(s, problem, http_retry_after(answer))
                                                           : problem;
    }
}

static err batch_ask(xet_batch *b, bool *answered)
{
    xet_session *s = b->s;
    http_answer answer = {0};
    const xet_login *login = xet_logins_find(&s->logins, s->url);

    *answered = false;
    err e = batch_send(b, login, &answer);
    if (e.code == ERR_IO)
        e = batch_later(s, e, -1);
    else if (!e.code)
        e = batch_answer(b, login, &answer, answered);
    http_answer_free(&answer);
    return e;
}

/* ---- all of it ---- */

/* What may be asked now; *soonest: when something may be, if nothing is. */
static void batch_fill(xet_batch *b, double *soonest)
{
    xet_session *s = b->s;
    double now = clock_seconds();

    *soonest = 0;
    for (size_t i = 0; i < s->count && b->count < s->batch_max; i++) {
        const xet_track *t = &s->tracks[i];
        if (t->settled) continue;
        if (t->not_before > now) {
            if (!*soonest || t->not_before < *soonest) *soonest = t->not_before;
            continue;
        }
        b->indexes[b->count] = i;
        b->asked[b->count++] = &s->objects[i];
    }
}

static err batch_run(xet_session *s, bool *more)
{
    xet_batch *b = memory_alloc(sizeof *b);
    double soonest;
    bool answered = false;

    b->s = s;
    batch_fill(b, &soonest);
    *more = b->count || soonest > 0;
    err e = ERR_OK;
    if (!b->count && soonest > 0) e = nap_until(s, soonest);
    if (b->count) {
        e = nap_until(s, s->batch_not_before);
        if (!e.code) e = batch_ask(b, &answered);
        for (size_t k = 0; !e.code && answered && k < b->count; k++) xet_batch_plan(b, k);
        if (!e.code && answered) e = xet_batch_transfer(b);
    }
    arena_free(&b->memory);
    free(b);
    return e;
}

/* Objects that need no transfer, and those that cannot have one. */
static void objects_look(xet_session *s)
{
    for (size_t i = 0; i < s->count; i++) {
        xet_lfs_object *object = &s->objects[i];
        object->done = false;
        object->problem = ERR_OK;
        s->bytes_total += object->size;
        if (!sha256_is_hex(object->oid)) {
            xet_session_settle(s, i, err_make(ERR_FORMAT, "a large file without a proper name"));
            continue;
        }
        bool here = xet_store_has(s->store, object->oid, object->size);
        if (here && s->operation == XET_DOWNLOAD) xet_session_settle(s, i, ERR_OK);
    }
}

static err session_open(xet_session *s)
{
    CLEANUP(bytes_free) bytes url = {0};

    s->url = http_url_without_login(s->server->url);
    if (!s->url) return err_make(ERR_USAGE, "the address of the LFS server is none");
    bytes_append_text(&url, s->url);
    while (url.size && url.data[url.size - 1] == '/') bytes_remove(&url, url.size - 1, 1);
    bytes_append_text(&url, "/objects/batch");
    s->batch_url = bytes_take(&url);
    err e = http_new(&s->server->http, &s->h);
    if (!e.code) e = xet_workers_new(&s->server->http, s->count, &s->workers);
    if (!e.code && (s->server->login_first || strcmp(s->url, s->server->url) != 0))
        e = xet_logins_next(&s->logins, s->server, s->server->url, NULL);
    return e;
}

static void session_close(xet_session *s)
{
    atomic_store(&s->cancelled, true);
    xet_workers_free(s->workers);
    http_free(s->h);
    xet_logins_free(&s->logins);
    free(s->url);
    free(s->batch_url);
    free(s->tracks);
}

static err run(const xet_lfs_server *server, xet_store *store, xet_lfs_object *objects, size_t count,
               xet_operation operation)
{
    CLEANUP(bytes_free) bytes folder = {0};
    CLEANUP(session_close)
    xet_session s = {.server = server,
                     .store = store,
                     .operation = operation,
                     .objects = objects,
                     .count = count,
                     .batch_max = XET_LFS_BATCH_MAX};

    if (!count) return ERR_OK;
    if (xet_lfs_is_folder(server->url, &folder.data))
        return xet_lfs_folder_run(server, folder.data, store, objects, count, operation);
    s.tracks = memory_alloc(count * sizeof *s.tracks);
    objects_look(&s);
    bool more = false;
    for (size_t i = 0; i < count; i++) more = more || !s.tracks[i].settled;
    err e = more ? session_open(&s) : ERR_OK;
    while (!e.code && more) e = batch_run(&s, &more);
    s.told_at = 0; /* the last figures are told in any case */
    return e.code ? e : xet_session_tell(&s, NULL, "");
}

err xet_lfs_download(const xet_lfs_server *server, xet_store *store, xet_lfs_object *objects, size_t count)
{
    return run(server, store, objects, count, XET_DOWNLOAD);
}

err xet_lfs_upload(const xet_lfs_server *server, xet_store *store, xet_lfs_object *objects, size_t count)
{
    return run(server, store, objects, count, XET_UPLOAD);
}
