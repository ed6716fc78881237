/* Buffers that grow, strings that are stretches of them, and the marks that travel along. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/text/chat_template.h"
#include "engine/text/jinja/render.h"

static void buffer_reserve(jinja_render *r, jinja_buffer *b, size_t more)
{
    if (b->used + more > ENGINE_CHAT_OUTPUT_BYTES_MAX)
        jinja_fail(r, ERR_LIMIT, "a text grew past the limit of %d MiB", ENGINE_CHAT_OUTPUT_BYTES_MAX >> 20);
    if (b->used + more <= b->capacity) return;
    size_t capacity = MAX_OF(b->capacity * 2, b->used + more);
    char *data = jinja_alloc(r, capacity);
    if (b->used) memcpy(data, b->data, b->used);
    b->data = data;
    b->capacity = capacity;
}

/* A last span may grow: strings that end inside it are cut at their own end when read. */
static void span_add(jinja_render *r, jinja_buffer *b, size_t begin, size_t end, jinja_marks marks)
{
    jinja_span *last = b->span_count ? &b->spans[b->span_count - 1] : NULL;
    if (last && last->end == begin && last->marks == marks) {
        last->end = end;
        return;
    }
    if (b->span_count == b->span_capacity) {
        b->span_capacity = b->span_capacity ? b->span_capacity * 2 : 2;
        jinja_span *spans = jinja_alloc(r, b->span_capacity * sizeof *spans);
        if (b->span_count) memcpy(spans, b->spans, b->span_count * sizeof *spans);
        b->spans = spans;
    }
    b->spans[b->span_count++] = (jinja_span){begin, end, marks};
}

void jinja_buffer_append(jinja_render *r, jinja_buffer *b, bytes_view text, jinja_marks marks)
{
    if (!text.size) return;
    buffer_reserve(r, b, text.size);
    memcpy(b->data + b->used, text.data, text.size);
    if (marks) span_add(r, b, b->used, b->used + text.size, marks);
    b->used += text.size;
}

void jinja_buffer_append_string(jinja_render *r, jinja_buffer *b, const jinja_string *s)
{
    bytes_view text;
    jinja_marks marks;
    jinja_bytes_steps(r, s->size);
    for (jinja_runs runs = jinja_runs_of(s); jinja_runs_next(&runs, &text, &marks);)
        jinja_buffer_append(r, b, text, marks);
}

void jinja_buffer_append_text(jinja_render *r, jinja_buffer *b, const char *text)
{
    jinja_buffer_append(r, b, bytes_view_of(text), 0);
}

void jinja_buffer_printf(jinja_render *r, jinja_buffer *b, const char *format, ...)
{
    char text[512]; /* all callers print numbers and short names */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    jinja_buffer_append_text(r, b, text);
}

/* ---- reading ---- */

jinja_runs jinja_runs_of(const jinja_string *s)
{
    size_t low = 0, high = s->buffer->span_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->buffer->spans[middle].end <= s->begin)
            low = middle + 1;
        else
            high = middle;
    }
    return (jinja_runs){s, s->begin, low};
}

bool jinja_runs_next(jinja_runs *runs, bytes_view *text, jinja_marks *marks)
{
    const jinja_string *s = runs->string;
    const jinja_buffer *b = s->buffer;
    size_t end = s->begin + s->size;
    if (runs->at >= end) return false;
    const jinja_span *span = runs->span < b->span_count ? &b->spans[runs->span] : NULL;
    *marks = 0;
    if (span && span->begin <= runs->at) {
        *marks = span->marks;
        end = MIN_OF(end, span->end);
        runs->span++;
    } else if (span) {
        end = MIN_OF(end, span->begin);
    }
    *text = (bytes_view){b->data + runs->at, end - runs->at};
    runs->at = end;
    return true;
}

jinja_characters jinja_characters_of(const jinja_string *s)
{
    return (jinja_characters){.runs = jinja_runs_of(s)};
}

bool jinja_characters_next(jinja_characters *c, bytes_view *bytes_out, uint32_t *code)
{
    if (!c->left.size && !jinja_runs_next(&c->runs, &c->left, &c->marks)) return false;
    size_t size = utf8_decode(c->left.data, c->left.size, code);
    if (!size) size = 1, *code = 0xFFFD; /* sources and JSON are valid; never stand still all the same */
    *bytes_out = (bytes_view){c->left.data, size};
    c->left.data += size;
    c->left.size -= size;
    return true;
}

bytes_view jinja_string_view(const jinja_string *s)
{
    return (bytes_view){s->size ? s->buffer->data + s->begin : "", s->size};
}

size_t jinja_string_length(const jinja_string *s)
{
    bytes_view text = jinja_string_view(s);
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) count += (text.data[i] & 0xC0) != 0x80;
    return count;
}

/* ---- making strings ---- */

jinja_buffer *jinja_buffer_new(jinja_render *r) { return jinja_new(r, jinja_buffer); }

static jinja_value string_value(jinja_render *r, jinja_buffer *b, size_t begin, size_t size, bool markup)
{
    jinja_string *s = jinja_new(r, jinja_string);
    *s = (jinja_string){b, begin, size, markup};
    return (jinja_value){JINJA_STRING, {.string = s}};
}

/* A string whose text belongs to someone else. */
typedef struct frozen_string {
    jinja_string string;
    jinja_buffer buffer;
    jinja_span span;
} frozen_string;

static const jinja_string *frozen_fill(frozen_string *f, bytes_view text, jinja_marks marks)
{
    char *data = (char *)(uintptr_t)text.data; /* nothing writes to the data of a frozen buffer */
    f->span = (jinja_span){0, text.size, marks};
    f->buffer = (jinja_buffer){data, text.size, 0, &f->span, marks && text.size ? 1 : 0, 0, true};
    f->string = (jinja_string){&f->buffer, 0, text.size, false};
    return &f->string;
}

const jinja_string *jinja_string_frozen(arena *a, bytes_view text, jinja_marks marks)
{
    return frozen_fill(arena_new(a, frozen_string), text, marks);
}

jinja_value jinja_text(jinja_render *r, bytes_view text, jinja_marks marks)
{
    const jinja_string *s = frozen_fill(jinja_new(r, frozen_string), text, marks);
    return (jinja_value){JINJA_STRING, {.string = s}};
}

jinja_value jinja_taken(jinja_render *r, jinja_buffer *b) { return string_value(r, b, 0, b->used, false); }

jinja_value jinja_part(jinja_render *r, const jinja_string *s, size_t begin, size_t size)
{
    return string_value(r, s->buffer, s->begin + begin, size, s->markup);
}

jinja_value jinja_markup(jinja_render *r, const jinja_string *s)
{
    return string_value(r, s->buffer, s->begin, s->size, true);
}

jinja_value jinja_escaped(jinja_render *r, const jinja_string *s)
{
    static const struct {
        uint32_t code;
        const char *text;
    } rows[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&#34;"}, {'\'', "&#39;"}};
    if (s->markup) return string_value(r, s->buffer, s->begin, s->size, true);
    jinja_buffer *b = jinja_buffer_new(r);
    jinja_characters c = jinja_characters_of(s);
    bytes_view one;
    uint32_t code;
    while (jinja_characters_next(&c, &one, &code)) {
        for (size_t i = 0; i < COUNT_OF(rows); i++)
            if (rows[i].code == code) one = bytes_view_of(rows[i].text);
        jinja_buffer_append(r, b, one, c.marks);
    }
    return string_value(r, b, 0, b->used, true);
}

jinja_value jinja_joined(jinja_render *r, const jinja_string *a, const jinja_string *b)
{
    jinja_buffer *buffer = a->buffer;
    size_t begin = a->begin;
    if (buffer->frozen || a->begin + a->size != buffer->used) {
        buffer = jinja_buffer_new(r);
        begin = 0;
        buffer_reserve(r, buffer, a->size + b->size);
        jinja_buffer_append_string(r, buffer, a);
    }
    jinja_buffer_append_string(r, buffer, b);
    return string_value(r, buffer, begin, a->size + b->size, a->markup && b->markup);
}
