/* Leaving a render, its limits, and how natives are called. */
#include "engine/text/jinja/render.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/text/chat_template.h"

void jinja_fail(jinja_render *r, err_code code, const char *format, ...)
{
    char words[sizeof r->failure.text];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    r->failure = err_make(code, "%s, line %u: %s", r->file_name, r->line, words);
    longjmp(r->failed, 1);
}

void *jinja_alloc(jinja_render *r, size_t size)
{
    if (size > ENGINE_CHAT_MEMORY_BYTES_MAX || r->values.bytes > ENGINE_CHAT_MEMORY_BYTES_MAX - size)
        jinja_fail(r, ERR_LIMIT, "the template took more than %d MiB of memory",
                   ENGINE_CHAT_MEMORY_BYTES_MAX >> 20);
    return arena_alloc(&r->values, size);
}

void jinja_steps(jinja_render *r, size_t count)
{
    r->steps += count;
    if (r->steps > r->steps_max)
        jinja_fail(r, ERR_LIMIT, "the template took more than %llu steps", (unsigned long long)r->steps_max);
}

void jinja_bytes_steps(jinja_render *r, size_t size) { jinja_steps(r, size / 64); }

void jinja_enter(jinja_render *r)
{
    if (++r->depth > ENGINE_CHAT_DEPTH_MAX)
        jinja_fail(r, ERR_LIMIT, "nested deeper than the limit of %d", ENGINE_CHAT_DEPTH_MAX);
}

void jinja_leave(jinja_render *r) { r->depth--; }

/* ---- natives ---- */

const jinja_row *jinja_find_row(const jinja_row *rows, bytes_view name)
{
    for (const jinja_row *row = rows; row->name; row++)
        if (bytes_view_is(name, row->name)) return row;
    return NULL;
}

const jinja_row *jinja_find_filter(bytes_view name)
{
    const jinja_row *row = jinja_find_row(jinja_text_filters, name);
    return row ? row : jinja_find_row(jinja_list_filters, name);
}

enum { PARAMETERS_MAX = 8 };

/* The next word of *list, which moves on. */
static bytes_view parameter_next(const char **list)
{
    *list += strspn(*list, " ");
    bytes_view word = {*list, strcspn(*list, " ")};
    *list += word.size;
    return word;
}

static size_t parameter_find(const char *list, bytes_view name)
{
    size_t i = 0;
    for (bytes_view word; (word = parameter_next(&list)).size; i++)
        if (bytes_view_equal(word, name)) return i;
    return SIZE_MAX;
}

static size_t parameter_count(const char *list)
{
    size_t count = 0;
    while (parameter_next(&list).size) count++;
    return count;
}

/* Gives each parameter its argument. */
static size_t arguments_bind(jinja_render *r, const jinja_row *row, const jinja_arguments *given,
                             jinja_value *slots)
{
    size_t count = parameter_count(row->parameters);
    if (given->count > count)
        jinja_fail(r, ERR_FORMAT, "%s() takes at most %zu arguments, not %zu", row->name, count,
                   given->count);
    for (size_t i = 0; i < count; i++) slots[i] = i < given->count ? given->positional[i] : jinja_absent;
    for (size_t i = 0; i < given->named_count; i++) {
        size_t at = parameter_find(row->parameters, given->names[i]);
        if (at == SIZE_MAX || slots[at].type != JINJA_ABSENT)
            jinja_fail(r, ERR_FORMAT, "%s() cannot take an argument '%.*s' here", row->name,
                       (int)MIN_OF(given->names[i].size, (size_t)60), given->names[i].data);
        slots[at] = given->named[i];
    }
    for (size_t i = 0; i < row->required; i++)
        if (slots[i].type == JINJA_ABSENT)
            jinja_fail(r, ERR_FORMAT, "%s() wants %u arguments", row->name, row->required);
    return count;
}

jinja_value jinja_call_row(jinja_render *r, const jinja_row *row, jinja_value self,
                           const jinja_arguments *given)
{
    jinja_value slots[PARAMETERS_MAX], v;
    jinja_steps(r, 1);
    jinja_enter(r); /* map() calls filters, which may be map() */
    if (row->parameters) {
        jinja_arguments bound = {.positional = slots, .count = arguments_bind(r, row, given, slots)};
        v = row->call(r, self, &bound);
    } else {
        v = row->call(r, self, given);
    }
    jinja_leave(r);
    return v;
}

jinja_value jinja_call(jinja_render *r, jinja_value callee, const jinja_arguments *given)
{
    switch (callee.type) {
    case JINJA_UNDEFINED: jinja_fail_undefined(r, callee);
    case JINJA_NATIVE: return jinja_call_row(r, callee.bound->row, callee.bound->self, given);
    case JINJA_MACRO: return jinja_call_macro(r, callee.macro, given);
    case JINJA_LOOP: return jinja_call_loop(r, callee.loop, given);
    default: jinja_fail(r, ERR_FORMAT, "a value of type %s cannot be called", jinja_type_name(callee));
    }
}

/* ---- what natives want ---- */

const jinja_string *jinja_want_string(jinja_render *r, jinja_value v, const char *what)
{
    if (v.type == JINJA_UNDEFINED) jinja_fail_undefined(r, v);
    if (v.type != JINJA_STRING)
        jinja_fail(r, ERR_FORMAT, "%s must be a str, not %s", what, jinja_type_name(v));
    return v.string;
}

bytes_view jinja_want_text(jinja_render *r, jinja_value v, const char *fallback, const char *what)
{
    if (v.type == JINJA_ABSENT) return bytes_view_of(fallback);
    return jinja_string_view(jinja_want_string(r, v, what));
}

int64_t jinja_want_int(jinja_render *r, jinja_value v, int64_t fallback, const char *what)
{
    if (v.type == JINJA_ABSENT) return fallback;
    if (v.type == JINJA_UNDEFINED) jinja_fail_undefined(r, v);
    if (v.type == JINJA_BOOL) return v.truth;
    if (v.type != JINJA_INT) jinja_fail(r, ERR_FORMAT, "%s must be an int, not %s", what, jinja_type_name(v));
    return v.integer;
}

bool jinja_want_bool(jinja_value v, bool fallback)
{
    return v.type == JINJA_ABSENT ? fallback : jinja_true(v);
}
