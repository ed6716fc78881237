#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/utf8.h"

enum { TEXT_NEAREST_DISTANCE_MAX = 2, TEXT_NEAREST_BYTES_MAX = 64 };

/* At most three digits and the unit that fits. */
static void human_number(double value, const char *const *units, size_t unit_count, char *out,
                         size_t out_size)
{
    size_t unit = 0;

    /* 999.5 of a unit would be printed as 1000: it is 1.0 of the next. */
    while (unit + 1 < unit_count && value >= 999.5) {
        value /= 1000;
        unit++;
    }
    int decimals = unit > 0 && value < 9.95 ? 1 : 0;
    snprintf(out, out_size, "%.*f%s", decimals, value, units[unit]);
}

void text_human_size(uint64_t bytes_count, char *out, size_t out_size)
{
    static const char *const units[] = {" B", " kB", " MB", " GB", " TB", " PB", " EB"};
    human_number((double)bytes_count, units, COUNT_OF(units), out, out_size);
}

void text_human_count(uint64_t count, char *out, size_t out_size)
{
    static const char *const units[] = {"", " k", " M", " B", " T"};
    human_number((double)count, units, COUNT_OF(units), out, out_size);
}

void text_human_seconds(double seconds, char *out, size_t out_size)
{
    if (!(seconds >= 0) || seconds > 1e15) {
        snprintf(out, out_size, "n/a");
        return;
    }
    if (seconds < 9.95) {
        snprintf(out, out_size, "%.1f s", seconds);
        return;
    }
    uint64_t whole = (uint64_t)(seconds + 0.5);
    if (whole < 60)
        snprintf(out, out_size, "%d s", (int)whole);
    else if (whole < 3600)
        snprintf(out, out_size, "%d min %02d s", (int)(whole / 60), (int)(whole % 60));
    else
        snprintf(out, out_size, "%llu h %02d min", (unsigned long long)(whole / 3600),
                 (int)(whole / 60 % 60));
}

void text_append_valid_utf8(bytes *out, bytes_view text)
{
    for (size_t at = 0; at < text.size;) {
        uint32_t code;
        size_t size = utf8_decode(text.data + at, text.size - at, &code);
        if (size && code)
            bytes_append(out, text.data + at, size);
        else
            bytes_append_text(out, "\xEF\xBF\xBD");
        at += size ? size : 1;
    }
}

/* Optimal string alignment: insert, delete, replace and swapping two neighbours each cost one. */
static size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[3][TEXT_NEAREST_BYTES_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_size; j++) last[j] = before[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t replaced = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = MIN_OF(replaced, MIN_OF(last[j], row[j - 1]) + 1);
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = MIN_OF(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b_size];
}

const char *text_nearest(const char *word, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t distance_least = TEXT_NEAREST_DISTANCE_MAX + 1, word_size = strlen(word);

    if (word_size > TEXT_NEAREST_BYTES_MAX) return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(names[i]);
        if (size > TEXT_NEAREST_BYTES_MAX) continue;
        size_t distance = edit_distance(word, word_size, names[i], size);
        /* A name of which nothing is left is no likeness. */
        if (distance < distance_least && distance < size) {
            distance_least = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

bool text_starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}
