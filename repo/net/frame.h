/* repo/net/frame.h: how two processes of this program talk: framed messages of named values.
 *
 * A frame: four bytes of size (little endian, of what follows), one byte of kind, then the payload. A payload
 * is fields, "key\0value\0", in order; a key may come again. Values are any bytes without NUL: paths and refs
 * need not be UTF-8. What does not follow this is refused, never guessed. Pure text but for frame_send. */
#ifndef REPO_NET_FRAME_H
#define REPO_NET_FRAME_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
    FRAME_BYTES_MAX = 64 << 20,       /* a request, a report: with 100 000 missing files */
    FRAME_SMALL_BYTES_MAX = 64 << 10, /* all others */
};

typedef enum frame_kind {
    FRAME_REQUEST = 1, /* down */
    FRAME_CANCEL,
    FRAME_ANSWER,
    FRAME_PROGRESS, /* up */
    FRAME_QUESTION,
    FRAME_REPORT,
    FRAME_KIND_END,
} frame_kind;

/* Appended whole. ERR_LIMIT: too long for its kind. */
err frame_write(frame_kind kind, bytes_view payload, bytes *out);

/* What has come so far. A zeroed one is ready. */
typedef struct frame_reader {
    bytes data;
} frame_reader;
void frame_feed(frame_reader *reader, bytes_view piece); /* more bytes, in pieces of any size; copied */
/* The next whole frame; *found false: more is needed. ERR_FORMAT, ERR_LIMIT: the other side is not us, and
 * nothing after this can be trusted. payload is replaced. */
err frame_take(frame_reader *reader, frame_kind *kind, bytes *payload, bool *found);
void frame_reader_free(frame_reader *reader); /* wipes */
void frame_wipe(bytes *payload);              /* free what may have held a secret */

/* All of it into a socket, without SIGPIPE. False: the other side is gone. */
bool frame_send(int fd, frame_kind kind, bytes_view payload);
/* The same of plain bytes. */
bool socket_send_all(int fd, const char *data, size_t size);

/* ---- fields ---- */

void field_add(bytes *out, const char *key, const char *value);     /* value NULL: nothing is added */
void field_add_number(bytes *out, const char *key, uint64_t value); /* in decimal */
void field_add_flag(bytes *out, const char *key, bool value);       /* false: nothing is added */

/* Next field from *at (0 at first) on; false at the end. Borrowed from payload. */
bool field_next(bytes_view payload, size_t *at, const char **key, const char **value);
/* Is all of it fields? ERR_FORMAT. Reading others needs no check of its own after that. */
err fields_check(bytes_view payload);
/* The first of this key; NULL: none. */
const char *field_text(bytes_view payload, const char *key);
uint64_t field_number(bytes_view payload, const char *key); /* 0: none, or no number */
bool field_flag(bytes_view payload, const char *key);       /* it is there */

#endif
