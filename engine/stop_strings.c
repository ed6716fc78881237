#define _GNU_SOURCE
#include "engine/stop_strings.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

struct engine_stop_strings {
    bytes_view *stops; /* their text is ours */
    size_t count;
    bytes held;
};

engine_stop_strings *engine_stop_strings_new(const char *const *stops, size_t count)
{
    engine_stop_strings *s = memory_alloc(sizeof *s);

    s->stops = memory_resize_array(NULL, count + 1, sizeof *s->stops);
    for (size_t i = 0; i < count; i++)
        if (stops[i][0]) s->stops[s->count++] = bytes_view_of(memory_text(stops[i]));
    return s;
}

void engine_stop_strings_free(engine_stop_strings *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->count; i++) free((char *)(uintptr_t)s->stops[i].data);
    free(s->stops);
    bytes_free(&s->held);
    free(s);
}

/* Size of the longest end of held that begins a stop string. */
static size_t undecided(const engine_stop_strings *s)
{
    size_t longest = 0;

    for (size_t i = 0; i < s->count; i++) {
        size_t most = MIN_OF(s->stops[i].size - 1, s->held.size);
        for (size_t n = most; n > longest; n--)
            if (memcmp(s->held.data + s->held.size - n, s->stops[i].data, n) == 0) longest = n;
    }
    return longest;
}

/* Where the earliest stop string begins, or held.size. */
static size_t first_match(const engine_stop_strings *s)
{
    size_t first = s->held.size;

    for (size_t i = 0; i < s->count; i++) {
        const char *found =
            s->held.size ? memmem(s->held.data, s->held.size, s->stops[i].data, s->stops[i].size) : NULL;
        if (found) first = MIN_OF(first, (size_t)(found - s->held.data));
    }
    return first;
}

bool engine_stop_strings_push(engine_stop_strings *s, bytes_view piece, bytes *out)
{
    bytes_append_view(&s->held, piece);
    size_t match = first_match(s);
    bool met = match < s->held.size;
    size_t certain = met ? match : s->held.size - undecided(s);
    bytes_append(out, s->held.data, certain);
    if (met)
        bytes_clear(&s->held);
    else
        bytes_remove(&s->held, 0, certain);
    return met;
}

void engine_stop_strings_finish(engine_stop_strings *s, bytes *out)
{
    bytes_append_view(out, bytes_borrow(&s->held));
    bytes_clear(&s->held);
}
