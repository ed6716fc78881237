/* One attempt to upload an object, or to have an uploaded one verified. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xet/lfs_internal.h"

static bool on_sent(void *context, uint64_t sent, uint64_t received)
{
    xet_transfer *t = context;

    atomic_store(&t->bytes, MIN_OF(sent, t->object->size));
    return xet_lfs_transfer_goes_on(t, sent, received);
}

static bool names_type(const char *const *headers)
{
    for (; *headers; headers++)
        if (!strncasecmp(*headers, "content-type:", sizeof "content-type:" - 1)) return true;
    return false;
}

/* The headers of an action and one more; the caller frees the list. */
static const char **headers_with(const char *const *headers, const char *const *more)
{
    size_t count = 0, more_count = 0;

    while (headers[count]) count++;
    while (more[more_count]) more_count++;
    const char **all = memory_resize_array(NULL, count + more_count + 1, sizeof *all);
    for (size_t i = 0; i < count; i++) all[i] = headers[i];
    for (size_t i = 0; i <= more_count; i++) all[count + i] = more[i];
    return all;
}

static xet_outcome send_file(http *h, xet_transfer *t, int fd)
{
    static const char *const type[] = {"Content-Type: application/octet-stream", NULL};
    const xet_action *action = &t->plan->transfer;
    http_upload upload = {.fd = fd, .size = t->object->size, .chunked = action->chunked};
    http_answer answer = {0};
    xet_outcome out = {XET_DONE, ERR_OK, -1};

    const char **headers = headers_with(action->headers, names_type(action->headers) ? type + 1 : type);
    http_request request = {.method = "PUT",
                            .url = action->href,
                            .headers = headers,
                            .user = t->login ? t->login->user : NULL,
                            .password = t->login ? t->login->password : NULL,
                            .upload = &upload,
                            .body_bytes_max = XET_LFS_ERROR_BYTES_MAX,
                            .redirects_max = XET_LFS_REDIRECTS_MAX,
                            .progress = on_sent,
                            .context = t};
    err e = http_send(h, &request, &answer);
    if (e.code)
        out = xet_lfs_outcome_of_err(e);
    else if (answer.status < 200 || answer.status >= 300)
        out = xet_lfs_outcome_of_status(&answer, action->href, XET_UPLOAD);
    http_answer_free(&answer);
    free(headers);
    return out;
}

/* The server looks whether it has what it should have. */
static xet_outcome verify(http *h, xet_transfer *t)
{
    static const char *const types[] = {"Accept: " XET_LFS_MEDIA, "Content-Type: " XET_LFS_MEDIA, NULL};
    const xet_action *action = &t->plan->verify;
    CLEANUP(bytes_free) bytes body = {0};
    http_answer answer = {0};
    xet_outcome out = {XET_DONE, ERR_OK, -1};

    bytes_printf(&body, "{\"oid\":\"%s\",\"size\":%llu}", t->object->oid,
                 (unsigned long long)t->object->size);
    const char **headers = headers_with(action->headers, types);
    http_request request = {.method = "POST",
                            .url = action->href,
                            .headers = headers,
                            .user = t->login ? t->login->user : NULL,
                            .password = t->login ? t->login->password : NULL,
                            .body = bytes_borrow(&body),
                            .body_bytes_max = XET_LFS_ERROR_BYTES_MAX,
                            .redirects_max = XET_LFS_REDIRECTS_MAX,
                            .progress = xet_lfs_transfer_goes_on,
                            .context = t};
    err e = http_send(h, &request, &answer);
    if (e.code)
        out = xet_lfs_outcome_of_err(e);
    else if (answer.status < 200 || answer.status >= 300)
        out = xet_lfs_outcome_of_status(&answer, action->href, XET_UPLOAD);
    if (out.kind != XET_DONE)
        out.problem = err_note(out.problem, "the server does not confirm %s", t->object->oid);
    http_answer_free(&answer);
    free(headers);
    return out;
}

xet_outcome xet_lfs_upload_once(http *h, xet_transfer *t)
{
    if (!t->uploaded) {
        CLEANUP(bytes_free) bytes path = {.data = xet_store_path(t->store, t->object->oid)};
        int fd = open(path.data, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return (xet_outcome){XET_FAILED, err_errno("open %s", path.data), -1};
        xet_outcome sent = send_file(h, t, fd);
        close(fd);
        if (sent.kind != XET_DONE) return sent;
        t->uploaded = true;
    }
    atomic_store(&t->bytes, t->object->size);
    return t->plan->verify.href ? verify(h, t) : (xet_outcome){XET_DONE, ERR_OK, -1};
}
