/* base/err.h: one error, carried out by value.
 *
 * A code for the program to branch on, a sentence for the person, a bit of context from each layer it
 * passes. Copied like a number, safe to send through a queue, nothing to free. Code 0 is no error.
 * The sentence never holds a prompt, a token or a key. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/macros.h"

typedef enum err_code {
    ERR_NONE = 0,
    ERR_USAGE,       /* the person's words are off: exit code 2 */
    ERR_NOT_FOUND,   /* no such file, model, name */
    ERR_FORMAT,      /* bytes from outside that are not what they claim to be */
    ERR_LIMIT,       /* past a named maximum */
    ERR_UNSUPPORTED, /* well-formed, but not something this build can do */
    ERR_IO,          /* the system refused: disk, permission, pipe */
    ERR_MEMORY,      /* a large allocation (weights, cache, device) failed */
    ERR_DEVICE,      /* the accelerator or libtorch is absent or unusable */
    ERR_STATE,       /* not possible now: busy, closed, already done */
    ERR_CANCELLED,   /* the person asked to stop: exit code 130 */
    ERR_EXISTS,      /* the name is taken: another name, or --force */
    ERR_CONFLICT,    /* two changes of one thing; nothing was overwritten */
    ERR_BUSY,        /* somebody else holds the lock: try again */
    ERR_DENIED,      /* credentials are missing or were refused; not ours to write */
    ERR_NOTHING,     /* nothing to do: no change to commit, no action to undo */
} err_code;

typedef struct err {
    err_code code;
    char text[508];
} err;

#define ERR_OK ((err){ERR_NONE, ""})

/* Where it went wrong. */
err err_make(err_code code, const char *format, ...) PRINTF_LIKE(2, 3);

/* "format: inner", same code; an inner without an error stays without one. */
err err_note(err inner, const char *format, ...) PRINTF_LIKE(2, 3);

/* err_make with the system's words for `errno` appended: "open /x: Permission denied". */
err err_errno(const char *format, ...) PRINTF_LIKE(1, 2);

/* Exit status of a command that ends with this error: 0, 1, 2 or 130. */
int err_exit_status(err e);

#endif
