#include "repo/net/frame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { SIZE_BYTES = 4, HEAD_BYTES = SIZE_BYTES + 1 };

/* ---- frames ---- */

static size_t bytes_max(unsigned kind)
{
    return kind == FRAME_REQUEST || kind == FRAME_REPORT ? FRAME_BYTES_MAX : FRAME_SMALL_BYTES_MAX;
}

err frame_write(frame_kind kind, bytes_view payload, bytes *out)
{
    size_t size = payload.size + 1;
    char head[HEAD_BYTES] = {(char)(size & 255), (char)(size >> 8 & 255), (char)(size >> 16 & 255),
                             (char)(size >> 24 & 255), (char)kind};

    if (payload.size > bytes_max(kind))
        return err_make(ERR_LIMIT, "a message of %zu bytes to the network process: at most %zu are allowed",
                        payload.size, bytes_max(kind));
    bytes_append(out, head, sizeof head);
    bytes_append_view(out, payload);
    return ERR_OK;
}

void frame_feed(frame_reader *reader, bytes_view piece)
{
    /* So that an answer, which may be a secret, stays where it can be wiped. */
    if (!reader->data.capacity) bytes_reserve(&reader->data, 2 * FRAME_SMALL_BYTES_MAX);
    bytes_append_view(&reader->data, piece);
}

err frame_take(frame_reader *reader, frame_kind *kind, bytes *payload, bool *found)
{
    bytes *data = &reader->data;
    const unsigned char *head = (const unsigned char *)data->data;

    *found = false;
    if (data->size < HEAD_BYTES) return ERR_OK;
    size_t size = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    unsigned what = head[SIZE_BYTES];
    if (!size || what < FRAME_REQUEST || what >= FRAME_KIND_END)
        return err_make(ERR_FORMAT, "a message between our processes has the unknown kind %u", what);
    if (size - 1 > bytes_max(what))
        return err_make(ERR_LIMIT, "a message between our processes says it is %zu bytes long", size);
    if (data->size < SIZE_BYTES + size) return ERR_OK;
    bytes_clear(payload);
    bytes_append(payload, data->data + HEAD_BYTES, size - 1);
    size_t before = data->size;
    bytes_remove(data, 0, SIZE_BYTES + size);
    explicit_bzero(data->data + data->size, before - data->size);
    *kind = (frame_kind)what;
    *found = true;
    return ERR_OK;
}

void frame_wipe(bytes *payload)
{
    if (payload->data) explicit_bzero(payload->data, payload->capacity);
    bytes_free(payload);
}

void frame_reader_free(frame_reader *reader) { frame_wipe(&reader->data); }

bool socket_send_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

bool frame_send(int fd, frame_kind kind, bytes_view payload)
{
    CLEANUP(frame_wipe) bytes frame = {0};

    bytes_reserve(&frame, payload.size + HEAD_BYTES);
    return !frame_write(kind, payload, &frame).code && socket_send_all(fd, frame.data, frame.size);
}

/* ---- fields ---- */

void field_add(bytes *out, const char *key, const char *value)
{
    if (!value) return;
    bytes_append(out, key, strlen(key) + 1);
    bytes_append(out, value, strlen(value) + 1);
}

void field_add_number(bytes *out, const char *key, uint64_t value)
{
    bytes_append(out, key, strlen(key) + 1);
    bytes_printf(out, "%" PRIu64, value);
    bytes_append_byte(out, 0);
}

void field_add_flag(bytes *out, const char *key, bool value)
{
    if (value) field_add(out, key, "1");
}

/* From *at to the next NUL; NULL: there is none. */
static const char *text_next(bytes_view payload, size_t *at)
{
    const char *begin = payload.data + *at;
    const char *end = *at < payload.size ? memchr(begin, 0, payload.size - *at) : NULL;
    if (!end) return NULL;
    *at += (size_t)(end - begin) + 1;
    return begin;
}

bool field_next(bytes_view payload, size_t *at, const char **key, const char **value)
{
    *key = text_next(payload, at);
    *value = *key ? text_next(payload, at) : NULL;
    return *value;
}

err fields_check(bytes_view payload)
{
    const char *key, *value;
    size_t at = 0, whole = 0;

    while (field_next(payload, &at, &key, &value)) whole = at;
    if (whole == payload.size) return ERR_OK;
    return err_make(ERR_FORMAT, "a message between our processes breaks off at byte %zu of %zu", whole,
                    payload.size);
}

const char *field_text(bytes_view payload, const char *wanted)
{
    const char *key, *value;
    size_t at = 0;

    while (field_next(payload, &at, &key, &value))
        if (strcmp(key, wanted) == 0) return value;
    return NULL;
}

uint64_t field_number(bytes_view payload, const char *key)
{
    const char *text = field_text(payload, key);
    char *end = NULL;

    if (!text || *text < '0' || *text > '9') return 0;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    return *end || errno ? 0 : value;
}

bool field_flag(bytes_view payload, const char *key) { return field_text(payload, key); }
