/* Functions that a template finds under global names. */
#include <string.h>
#include <time.h>

#include "engine/text/chat_template.h"
#include "engine/text/jinja/render.h"

static jinja_value g_raise_exception(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)self;
    bytes_view words = jinja_string_view(jinja_str(r, given->positional[0]));
    jinja_fail(r, ERR_UNSUPPORTED, "%.*s", (int)MIN_OF(words.size, sizeof r->failure.text), words.data);
}

static jinja_value g_range(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)self;
    const jinja_value *slots = given->positional;
    jinja_range *range = jinja_new(r, jinja_range);
    bool one = slots[1].type == JINJA_ABSENT;
    range->start = one ? 0 : jinja_want_int(r, slots[0], 0, "the start of range()");
    range->stop = jinja_want_int(r, slots[one ? 0 : 1], 0, "the end of range()");
    range->step = jinja_want_int(r, slots[2], 1, "the step of range()");
    if (range->step == 0) jinja_fail(r, ERR_FORMAT, "range() wants a step that is not zero");
    jinja_value v = {JINJA_RANGE, {.range = range}};
    size_t count = 0;
    if (!jinja_length(v, &count) || count > ENGINE_CHAT_RANGE_MAX)
        jinja_fail(r, ERR_LIMIT, "range() is longer than the limit of %d", ENGINE_CHAT_RANGE_MAX);
    return v;
}

/* From a dict or pairs, and named values. */
static jinja_dict *dict_of(jinja_render *r, const jinja_arguments *given)
{
    jinja_dict *d = jinja_dict_new(r);
    if (given->count > 1) jinja_fail(r, ERR_FORMAT, "dict() takes at most one value without a name");
    if (given->count &&
        (given->positional[0].type == JINJA_DICT || given->positional[0].type == JINJA_NAMESPACE)) {
        const jinja_dict *from = given->positional[0].dict;
        for (size_t i = 0; i < from->count; i++)
            jinja_dict_set(r, d, from->entries[i].key, from->entries[i].value);
    } else if (given->count) {
        const jinja_list *pairs = jinja_walk(r, given->positional[0]);
        for (size_t i = 0; i < pairs->count; i++) {
            const jinja_list *pair = jinja_walk(r, jinja_list_at(pairs, i));
            if (pair->count != 2) jinja_fail(r, ERR_FORMAT, "dict() wants pairs");
            jinja_dict_set(r, d, jinja_list_at(pair, 0), jinja_list_at(pair, 1));
        }
    }
    for (size_t i = 0; i < given->named_count; i++)
        jinja_dict_set(r, d, jinja_text(r, given->names[i], 0), given->named[i]);
    return d;
}

static jinja_value g_dict(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)self;
    return (jinja_value){JINJA_DICT, {.dict = dict_of(r, given)}};
}

static jinja_value g_namespace(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)self;
    return (jinja_value){JINJA_NAMESPACE, {.dict = dict_of(r, given)}};
}

/* ---- strftime_now: English names whatever the locale ---- */

static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

static void date_letter(jinja_render *r, jinja_buffer *b, char letter, const struct tm *t)
{
    char format[] = {'%', letter, 0}, text[64];
    switch (letter) {
    case 'a': jinja_buffer_printf(r, b, "%.3s", days[t->tm_wday]); break;
    case 'A': jinja_buffer_append_text(r, b, days[t->tm_wday]); break;
    case 'b':
    case 'h': jinja_buffer_printf(r, b, "%.3s", months[t->tm_mon]); break;
    case 'B': jinja_buffer_append_text(r, b, months[t->tm_mon]); break;
    case 'p': jinja_buffer_append_text(r, b, t->tm_hour < 12 ? "AM" : "PM"); break;
    case 'f': jinja_buffer_append_text(r, b, "000000"); break;
    case 'c':
        jinja_buffer_printf(r, b, "%.3s %.3s %2d %02d:%02d:%02d %d", days[t->tm_wday], months[t->tm_mon],
                            t->tm_mday, t->tm_hour, t->tm_min, t->tm_sec, t->tm_year + 1900);
        break;
    case 'x': jinja_buffer_printf(r, b, "%02d/%02d/%02d", t->tm_mon + 1, t->tm_mday, t->tm_year % 100); break;
    case 'X': jinja_buffer_printf(r, b, "%02d:%02d:%02d", t->tm_hour, t->tm_min, t->tm_sec); break;
    case 'z':
    case 'Z': break; /* the time that Python is given has no zone */
    default:
        if (letter && strchr("dmyYHIMSjUWwuGVeDFTRnt%CgklsrP", letter) &&
            strftime(text, sizeof text, format, t))
            jinja_buffer_append_text(r, b, text);
    }
}

static jinja_value g_strftime_now(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)self;
    const jinja_string *format = jinja_want_string(r, given->positional[0], "the format of strftime_now()");
    bytes_view text = jinja_string_view(format);
    jinja_buffer *b = jinja_buffer_new(r);
    time_t now = (time_t)r->now;
    struct tm t;
    if (!localtime_r(&now, &t)) jinja_fail(r, ERR_LIMIT, "the time is out of range");
    for (size_t at = 0; at < text.size; at++) {
        jinja_string one = {format->buffer, format->begin + at, 1};
        if (text.data[at] != '%' || at + 1 == text.size) {
            jinja_buffer_append_string(r, b, &one);
            continue;
        }
        bool unpadded = text.data[at + 1] == '-' && at + 2 < text.size;
        size_t begin = b->used;
        at += unpadded ? 2 : 1;
        date_letter(r, b, text.data[at], &t);
        if (unpadded && b->used - begin > 1 && (b->data[begin] == '0' || b->data[begin] == ' ')) {
            memmove(b->data + begin, b->data + begin + 1, b->used - begin - 1);
            b->used--;
        }
    }
    return jinja_taken(r, b);
}

const jinja_row jinja_functions[] = {
    {"raise_exception", g_raise_exception, "message", 1},
    {"strftime_now", g_strftime_now, "format", 1},
    {"range", g_range, "start stop step", 1},
    {"dict", g_dict, NULL, 0},
    {"namespace", g_namespace, NULL, 0},
    {NULL, NULL, NULL, 0},
};
