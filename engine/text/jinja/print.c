/* str() and repr(), and floats as Python writes them. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "engine/text/jinja/render.h"

/* The digits and the decimal exponent of a finite number, as few digits as read back equal. */
static int shortest_digits(double number, char digits[32], int *exponent)
{
    char text[48];
    int count = 0;
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, number);
        if (strtod(text, NULL) == number) break;
    }
    char *at = text;
    for (; *at && *at != 'e'; at++)
        if (*at >= '0' && *at <= '9') digits[count++] = *at; /* the locale's decimal point falls out here */
    *exponent = *at ? atoi(at + 1) : 0;
    digits[count] = 0;
    return count;
}

/* As Python's repr: an exponent when it is below -4 or above 15. */
void jinja_float_text(double number, char out[JINJA_FLOAT_BYTES])
{
    if (!isfinite(number)) {
        snprintf(out, JINJA_FLOAT_BYTES, "%s", isnan(number) ? "nan" : number < 0 ? "-inf" : "inf");
        return;
    }
    char digits[32];
    int exponent, count = shortest_digits(fabs(number), digits, &exponent);
    const char *sign = signbit(number) ? "-" : "";
    if (exponent < -4 || exponent >= 16) {
        snprintf(out, JINJA_FLOAT_BYTES, "%s%c%s%se%c%02d", sign, digits[0], count > 1 ? "." : "", digits + 1,
                 exponent < 0 ? '-' : '+', abs(exponent));
    } else if (exponent < 0) {
        snprintf(out, JINJA_FLOAT_BYTES, "%s0.%.*s%s", sign, -exponent - 1, "0000", digits);
    } else if (count <= exponent + 1) {
        snprintf(out, JINJA_FLOAT_BYTES, "%s%s%.*s.0", sign, digits, exponent + 1 - count,
                 "0000000000000000");
    } else {
        snprintf(out, JINJA_FLOAT_BYTES, "%s%.*s.%s", sign, exponent + 1, digits, digits + exponent + 1);
    }
}

void jinja_float_format(jinja_render *r, jinja_buffer *out, const char *format, int precision, double number)
{
    int size = snprintf(NULL, 0, format, precision, number);
    char *text = jinja_alloc(r, (size_t)size + 1);
    snprintf(text, (size_t)size + 1, format, precision, number);
    const char *point = localeconv()->decimal_point;
    char *found = strcmp(point, ".") ? strstr(text, point) : NULL;
    if (found) {
        jinja_buffer_append(r, out, (bytes_view){text, (size_t)(found - text)}, 0);
        jinja_buffer_append_text(r, out, ".");
        text = found + strlen(point);
    }
    jinja_buffer_append_text(r, out, text);
}

bool jinja_float_parse(bytes_view text, double *out)
{
    enum { FLOAT_BYTES_MAX = 400 };
    static const char wanted[] = "0123456789+-.eE";
    char copy[FLOAT_BYTES_MAX + 8], *to = copy;
    const char *point = localeconv()->decimal_point;
    while (text.size && strchr(" \t\n\r\f\v", text.data[0]) && text.data[0]) text.data++, text.size--;
    while (text.size && strchr(" \t\n\r\f\v", text.data[text.size - 1]) && text.data[text.size - 1])
        text.size--;
    if (!text.size || text.size > FLOAT_BYTES_MAX) return false;
    bool word = memchr(text.data, 'n', text.size) || memchr(text.data, 'N', text.size); /* inf, nan */
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool between = i && i + 1 < text.size && text.data[i - 1] >= '0' && text.data[i - 1] <= '9' &&
                       text.data[i + 1] >= '0' && text.data[i + 1] <= '9';
        if (c == '_' && between) continue;
        if (!c || (!word && !strchr(wanted, c)) || c == '(') return false;
        *to++ = c == '.' ? *point : c;
    }
    *to = 0;
    char *end;
    *out = strtod(copy, &end);
    return end == to && end != copy;
}

/* ---- repr ---- */

static bool is_printable(uint32_t code)
{
    if (code < 0x7F) return code >= 0x20;
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS: return false;
    default: return true;
    }
}

static void character_repr(jinja_render *r, jinja_buffer *out, bytes_view one, uint32_t code, char quote,
                           jinja_marks marks)
{
    char escape[16] = "";
    if (code == (unsigned char)quote || code == '\\')
        snprintf(escape, sizeof escape, "\\%c", (char)code);
    else if (code == '\n' || code == '\r' || code == '\t')
        snprintf(escape, sizeof escape, "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
    else if (!is_printable(code))
        snprintf(escape, sizeof escape,
                 code < 0x100     ? "\\x%02x"
                 : code < 0x10000 ? "\\u%04x"
                                  : "\\U%08x",
                 code);
    jinja_buffer_append(r, out, escape[0] ? bytes_view_of(escape) : one, marks);
}

static void string_repr(jinja_render *r, jinja_buffer *out, const jinja_string *s)
{
    bytes_view text = jinja_string_view(s), one;
    jinja_bytes_steps(r, text.size * 8);
    char quote =
        text.size && memchr(text.data, '\'', text.size) && !memchr(text.data, '"', text.size) ? '"' : '\'';
    jinja_characters c = jinja_characters_of(s);
    uint32_t code;
    jinja_buffer_append(r, out, (bytes_view){&quote, 1}, 0);
    while (jinja_characters_next(&c, &one, &code)) character_repr(r, out, one, code, quote, c.marks);
    jinja_buffer_append(r, out, (bytes_view){&quote, 1}, 0);
}

static void list_repr(jinja_render *r, jinja_buffer *out, const jinja_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        if (i) jinja_buffer_append_text(r, out, ", ");
        jinja_repr(r, out, jinja_list_at(l, i));
    }
}

static void dict_repr(jinja_render *r, jinja_buffer *out, const jinja_dict *d)
{
    jinja_buffer_append_text(r, out, "{");
    for (size_t i = 0; i < d->count; i++) {
        if (i) jinja_buffer_append_text(r, out, ", ");
        jinja_repr(r, out, d->entries[i].key);
        jinja_buffer_append_text(r, out, ": ");
        jinja_repr(r, out, d->entries[i].value);
    }
    jinja_buffer_append_text(r, out, "}");
}

static void range_repr(jinja_render *r, jinja_buffer *out, const jinja_range *range)
{
    jinja_buffer_printf(r, out, "range(%lld, %lld", (long long)range->start, (long long)range->stop);
    if (range->step != 1) jinja_buffer_printf(r, out, ", %lld", (long long)range->step);
    jinja_buffer_append_text(r, out, ")");
}

static void container_repr(jinja_render *r, jinja_buffer *out, jinja_value v)
{
    static const char *const opens[] = {
        [JINJA_LIST] = "[", [JINJA_TUPLE] = "(", [JINJA_NAMESPACE] = "<Namespace "};
    static const char *const closes[] = {[JINJA_LIST] = "]", [JINJA_TUPLE] = ")", [JINJA_NAMESPACE] = ">"};
    jinja_enter(r);
    if (v.type == JINJA_STREAM) {
        jinja_buffer_printf(r, out, "%s([", v.stream->name);
        list_repr(r, out, v.stream->list);
        jinja_buffer_append_text(r, out, "])");
    } else if (v.type == JINJA_DICT) {
        dict_repr(r, out, v.dict);
    } else {
        jinja_buffer_append_text(r, out, opens[v.type]);
        if (v.type == JINJA_NAMESPACE)
            dict_repr(r, out, v.dict);
        else
            list_repr(r, out, v.list);
        if (v.type == JINJA_TUPLE && v.list->count == 1) jinja_buffer_append_text(r, out, ",");
        jinja_buffer_append_text(r, out, closes[v.type]);
    }
    jinja_leave(r);
}

void jinja_repr(jinja_render *r, jinja_buffer *out, jinja_value v)
{
    char number[JINJA_FLOAT_BYTES];
    jinja_steps(r, 1);
    switch (v.type) {
    case JINJA_UNDEFINED: jinja_buffer_append_text(r, out, "Undefined"); break;
    case JINJA_NONE: jinja_buffer_append_text(r, out, "None"); break;
    case JINJA_BOOL: jinja_buffer_append_text(r, out, v.truth ? "True" : "False"); break;
    case JINJA_INT: jinja_buffer_printf(r, out, "%lld", (long long)v.integer); break;
    case JINJA_BIG: jinja_buffer_append_string(r, out, v.string); break;
    case JINJA_FLOAT: jinja_float_text(v.number, number), jinja_buffer_append_text(r, out, number); break;
    case JINJA_STRING:
        if (v.string->markup) jinja_buffer_append_text(r, out, "Markup(");
        string_repr(r, out, v.string);
        if (v.string->markup) jinja_buffer_append_text(r, out, ")");
        break;
    case JINJA_RANGE: range_repr(r, out, v.range); break;
    case JINJA_STREAM:
        if (v.stream->once) {
            jinja_buffer_append_text(r, out, "<generator object>");
            break;
        } /* fall through */
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_DICT:
    case JINJA_NAMESPACE: container_repr(r, out, v); break;
    default: jinja_buffer_printf(r, out, "<%s object>", jinja_type_name(v));
    }
}

void jinja_print(jinja_render *r, jinja_buffer *out, jinja_value v)
{
    if (v.type == JINJA_STRING)
        jinja_buffer_append_string(r, out, v.string);
    else if (v.type != JINJA_UNDEFINED)
        jinja_repr(r, out, v);
}

const jinja_string *jinja_str(jinja_render *r, jinja_value v)
{
    if (v.type == JINJA_STRING) return v.string;
    jinja_buffer *b = jinja_buffer_new(r);
    jinja_print(r, b, v);
    return jinja_taken(r, b).string;
}
