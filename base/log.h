/* base/log.h: what happened, for the log pane and the log file. Never a prompt, an answer, a token or a key.
 *
 * One log per process, handed to those who write; lines are kept in a ring and, when a path is given,
 * appended to a file
 * ($XDG_STATE_HOME/hyprstream/log, cut at 1 MiB to one older file). Any thread may write. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"

typedef struct log log_book;
typedef enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG } log_level;

enum { LOG_LINES_MAX = 1000, LOG_LINE_BYTES_MAX = 512, LOG_FILE_BYTES_MAX = 1 << 20 };

typedef struct log_line {
    int64_t unix_seconds;
    log_level level;
    char text[LOG_LINE_BYTES_MAX];
} log_line;

err log_open(const char *path, log_level least, log_book **out); /* path NULL: ring only */
void log_free(log_book *l);                                      /* NULL is fine */
void log_write(log_book *l, log_level level, const char *format, ...) PRINTF_LIKE(3, 4); /* l NULL: nothing */
/* Lines written so far in all, and a copy of line i (the oldest kept is count - LOG_LINES_MAX). False: gone.
 */
size_t log_count(const log_book *l);
/* Line i of all that were written; false: it is gone, or there is none yet. Any thread. */
bool log_copy(const log_book *l, size_t i, log_line *out);

#endif
