#include "repo/net/git_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* ---- clean ---- */

static bool ends_authority(char c) { return c == '/' || c == ' ' || c == '\'' || c == '"' || c == '?'; }

/* The size of "user:password@" at the begin of what follows "://"; 0: there is none. */
static size_t login_size(bytes_view rest)
{
    size_t size = 0;
    for (size_t i = 0; i < rest.size && !ends_authority(rest.data[i]); i++)
        if (rest.data[i] == '@') size = i + 1;
    return size;
}

static bool is_control(char c) { return (unsigned char)c < 0x20 || c == 0x7f; }

void repo_line_clean(bytes_view raw, bytes *out)
{
    CLEANUP(bytes_free) bytes plain = {0};

    for (size_t i = 0; i < raw.size; i++) {
        if (!is_control(raw.data[i])) bytes_append_byte(&plain, raw.data[i]);
        if (raw.data[i] == '\t') bytes_append_byte(&plain, ' ');
        if (plain.size < 3 || memcmp(plain.data + plain.size - 3, "://", 3) != 0) continue;
        i += login_size((bytes_view){raw.data + i + 1, raw.size - i - 1});
    }
    text_append_valid_utf8(out, bytes_borrow(&plain));
}

/* ---- lines ---- */

static void line_end(repo_lines *lines, repo_line_told told, void *context)
{
    CLEANUP(bytes_free) bytes clean = {0};

    repo_line_clean(bytes_borrow(&lines->part), &clean);
    bytes_clear(&lines->part);
    while (clean.size && clean.data[clean.size - 1] == ' ') bytes_remove(&clean, clean.size - 1, 1);
    if (clean.size) told(context, bytes_text(&clean));
}

void repo_lines_feed(repo_lines *lines, bytes_view piece, repo_line_told told, void *context)
{
    for (size_t i = 0; i < piece.size; i++) {
        if (piece.data[i] == '\r' || piece.data[i] == '\n')
            line_end(lines, told, context);
        else if (lines->part.size < REPO_LINE_BYTES_MAX)
            bytes_append_byte(&lines->part, piece.data[i]);
    }
}

void repo_lines_end(repo_lines *lines, repo_line_told told, void *context)
{
    if (lines->part.size) line_end(lines, told, context);
}

void repo_lines_free(repo_lines *lines) { bytes_free(&lines->part); }

/* ---- progress ---- */

static const struct {
    const char *words;
    repo_phase phase;
} phases[] = {
    {"Enumerating objects", REPO_COUNTING}, {"Counting objects", REPO_COUNTING},
    {"Compressing objects", REPO_COUNTING}, {"Receiving objects", REPO_RECEIVING},
    {"Unpacking objects", REPO_RECEIVING},  {"Indexing objects", REPO_RESOLVING},
    {"Resolving deltas", REPO_RESOLVING},   {"Writing objects", REPO_SENDING},
    {"Updating files", REPO_FILES},         {"Checking connectivity", REPO_VERIFY},
    {"Filtering content", REPO_FILES},
};

/* ", 1.20 MiB | 3.00 MiB/s": the first is how many bytes there are so far. */
static uint64_t bytes_read(const char *rest)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"bytes", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}};
    char unit[8];
    double amount;

    if (sscanf(rest, ", %lf %7[A-Za-z]", &amount, unit) != 2 || !(amount >= 0 && amount < 1e9)) return 0;
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (strcmp(units[i].unit, unit) == 0) return (uint64_t)(amount * units[i].factor);
    return 0;
}

static bool counts_read(const char *text, repo_progress *out)
{
    unsigned long long done, total;
    unsigned percent;
    int used = 0;

    if (sscanf(text, ": %3u%% (%19llu/%19llu)%n", &percent, &done, &total, &used) == 3 && used) {
        out->done = done;
        out->total = total;
    } else if (sscanf(text, ": %19llu%n", &done, &used) == 1 && used) {
        out->done = done;
    } else {
        return false;
    }
    out->bytes_done = bytes_read(text + used);
    return true;
}

bool repo_line_progress(const char *line, repo_progress *out)
{
    if (text_starts_with(line, "remote: ")) line += strlen("remote: ");
    for (size_t i = 0; i < COUNT_OF(phases); i++) {
        if (!text_starts_with(line, phases[i].words)) continue;
        repo_progress p = {.phase = phases[i].phase};
        if (!counts_read(line + strlen(phases[i].words), &p)) return false;
        *out = p;
        return true;
    }
    return false;
}
