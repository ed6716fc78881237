#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"

struct log {
    pthread_mutex_t lock; /* over everything below */
    log_level least;
    char *path; /* NULL: ring only */
    FILE *file; /* NULL: ring only, or the file could not be opened again after it was cut */
    size_t file_bytes;
    size_t count;
    log_line lines[LOG_LINES_MAX]; /* line i lies at i % LOG_LINES_MAX */
};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static err file_open(log_book *l)
{
    uint64_t size = 0;

    l->file = fopen(l->path, "ae");
    if (!l->file) return err_errno("open %s", l->path);
    err e = file_size(l->path, &size);
    l->file_bytes = (size_t)size;
    return e;
}

err log_open(const char *path, log_level least, log_book **out)
{
    log_book *l = memory_alloc(sizeof *l);

    pthread_mutex_init(&l->lock, NULL);
    l->least = least;
    err e = ERR_OK;
    if (path) {
        CLEANUP(bytes_free) bytes folder = {.data = file_parent(path)};
        l->path = memory_text(path);
        e = file_make_folders(folder.data);
        if (!e.code) e = file_open(l);
    }
    if (e.code) {
        log_free(l);
        return err_note(e, "log");
    }
    *out = l;
    return ERR_OK;
}

void log_free(log_book *l)
{
    if (!l) return;
    if (l->file) fclose(l->file);
    pthread_mutex_destroy(&l->lock);
    free(l->path);
    free(l);
}

/* The full file becomes PATH.1, in place of the one before it. Should that fail, the ring still has the
 * lines. */
static void file_cut(log_book *l)
{
    CLEANUP(bytes_free) bytes older = {0};

    bytes_printf(&older, "%s.1", l->path);
    fclose(l->file);
    l->file = NULL;
    if (rename(l->path, older.data) == 0) (void)file_open(l);
}

static void file_write_line(log_book *l, const log_line *line)
{
    char when[32];
    struct tm parts;
    time_t seconds = (time_t)line->unix_seconds;

    gmtime_r(&seconds, &parts);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
    int size = fprintf(l->file, "%s %s: %s\n", when, level_names[line->level], line->text);
    fflush(l->file);
    if (size > 0) l->file_bytes += (size_t)size;
    if (l->file_bytes >= LOG_FILE_BYTES_MAX) file_cut(l);
}

/* One line stays one line, and a name from outside gives the terminal no orders. */
static void line_flatten(char *text)
{
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = ' ';
    }
}

void log_write(log_book *l, log_level level, const char *format, ...)
{
    if (!l || level > l->least) return;
    log_line line = {.unix_seconds = clock_unix_seconds(), .level = level};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line.text, sizeof line.text, format, arguments);
    va_end(arguments);
    line_flatten(line.text);

    pthread_mutex_lock(&l->lock);
    l->lines[l->count++ % LOG_LINES_MAX] = line;
    if (l->file) file_write_line(l, &line);
    pthread_mutex_unlock(&l->lock);
}

/* The lock is not part of what a reader sees as constant. */
static pthread_mutex_t *lock_of(const log_book *l) { return (pthread_mutex_t *)(uintptr_t)&l->lock; }

size_t log_count(const log_book *l)
{
    pthread_mutex_lock(lock_of(l));
    size_t count = l->count;
    pthread_mutex_unlock(lock_of(l));
    return count;
}

bool log_copy(const log_book *l, size_t i, log_line *out)
{
    pthread_mutex_lock(lock_of(l));
    bool kept = i < l->count && i + LOG_LINES_MAX >= l->count;
    if (kept) *out = l->lines[i % LOG_LINES_MAX];
    pthread_mutex_unlock(lock_of(l));
    return kept;
}
