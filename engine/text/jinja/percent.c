/* "%s has %d" % (name, count): Python's old way of formatting. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/text/jinja/render.h"

enum { PERCENT_WIDTH_MAX = 1000000 };

typedef struct conversion {
    bool left, zero, plus, space, alternate;
    int64_t width, precision; /* precision -1: none */
    char letter;
} conversion;

typedef struct percent {
    jinja_render *r;
    jinja_buffer *out;
    jinja_value given;
    size_t used; /* of a tuple, or of the one value */
} percent;

static jinja_value argument_next(percent *p)
{
    size_t count = p->given.type == JINJA_TUPLE ? p->given.list->count : 1;
    if (p->used >= count) jinja_fail(p->r, ERR_FORMAT, "not enough arguments for a format string");
    p->used++;
    return p->given.type == JINJA_TUPLE ? jinja_list_at(p->given.list, p->used - 1) : p->given;
}

static int64_t number_read(percent *p, bytes_view text, size_t *at)
{
    int64_t number = 0;
    if (*at < text.size && text.data[*at] == '*') {
        ++*at;
        number = jinja_want_int(p->r, argument_next(p), 0, "the width of a format");
    } else {
        while (*at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9' &&
               number <= PERCENT_WIDTH_MAX)
            number = number * 10 + (text.data[(*at)++] - '0');
    }
    if (number > PERCENT_WIDTH_MAX || number < 0)
        jinja_fail(p->r, ERR_LIMIT, "a format is wider than %d", PERCENT_WIDTH_MAX);
    return number;
}

/* After the '%', from *at on. */
static conversion conversion_read(percent *p, bytes_view text, size_t *at)
{
    conversion c = {.precision = -1};
    for (; *at < text.size && strchr("-0+ #", text.data[*at]) && text.data[*at]; ++*at) {
        c.left |= text.data[*at] == '-';
        c.zero |= text.data[*at] == '0';
        c.plus |= text.data[*at] == '+';
        c.space |= text.data[*at] == ' ';
        c.alternate |= text.data[*at] == '#';
    }
    c.width = number_read(p, text, at);
    if (*at < text.size && text.data[*at] == '.') {
        ++*at;
        c.precision = number_read(p, text, at);
    }
    if (*at >= text.size) jinja_fail(p->r, ERR_FORMAT, "a format string ends inside a conversion");
    c.letter = text.data[(*at)++];
    return c;
}

static void padding(percent *p, int64_t count, const char *with)
{
    for (int64_t i = 0; i < count; i++) jinja_buffer_append_text(p->r, p->out, with);
}

/* Prints the text in its width; a sign stays before padding zeros. */
static void put(percent *p, const conversion *c, const jinja_string *s, bool number)
{
    bytes_view text = jinja_string_view(s);
    int64_t missing = c->width - (int64_t)jinja_string_length(s);
    bool zeros = number && c->zero && !c->left;
    size_t sign = zeros && text.size && strchr("+- ", text.data[0]) && text.data[0] ? 1 : 0;
    if (!c->left && !zeros) padding(p, missing, " ");
    jinja_string part = {s->buffer, s->begin, sign};
    jinja_buffer_append_string(p->r, p->out, &part);
    if (zeros) padding(p, missing, "0");
    part = (jinja_string){s->buffer, s->begin + sign, s->size - sign};
    jinja_buffer_append_string(p->r, p->out, &part);
    if (c->left) padding(p, missing, " ");
}

static void put_text(percent *p, const conversion *c, jinja_value v)
{
    const jinja_string *s;
    if (c->letter == 's') {
        s = jinja_str(p->r, v);
    } else {
        jinja_buffer *b = jinja_buffer_new(p->r);
        jinja_repr(p->r, b, v);
        s = jinja_taken(p->r, b).string;
    }
    if (c->precision >= 0)
        s = jinja_slice(p->r, (jinja_value){JINJA_STRING, {.string = s}}, jinja_int(0),
                        jinja_int(c->precision), jinja_none)
                .string;
    put(p, c, s, false);
}

static void put_float(percent *p, const conversion *c, jinja_value v)
{
    if (!jinja_is_number(v))
        jinja_fail(p->r, ERR_FORMAT, "%%%c wants a number, not %s", c->letter, jinja_type_name(v));
    char format[16];
    snprintf(format, sizeof format, "%%%s%s%s.*%c", c->plus ? "+" : "", c->space ? " " : "",
             c->alternate ? "#" : "", c->letter);
    jinja_buffer *b = jinja_buffer_new(p->r);
    jinja_float_format(p->r, b, format, (int)(c->precision < 0 ? 6 : c->precision), jinja_as_double(v));
    put(p, c, jinja_taken(p->r, b).string, true);
}

static void put_decimal(percent *p, const conversion *c, jinja_value v)
{
    if (v.type == JINJA_FLOAT && isfinite(v.number) && fabs(v.number) < 1e38)
        v = jinja_wide(p->r, (__int128)v.number);
    if (!jinja_is_number(v) || v.type == JINJA_FLOAT)
        jinja_fail(p->r, ERR_FORMAT, "%%%c wants a number, not %s", c->letter, jinja_type_name(v));
    if (v.type == JINJA_BOOL) v = jinja_int(v.truth);
    const jinja_string *digits = jinja_str(p->r, v);
    bool minus = jinja_string_view(digits).data[0] == '-';
    jinja_buffer *b = jinja_buffer_new(p->r);
    jinja_buffer_append_text(p->r, b, minus ? "-" : c->plus ? "+" : c->space ? " " : "");
    for (int64_t i = (int64_t)digits->size - minus; i < c->precision; i++)
        jinja_buffer_append_text(p->r, b, "0");
    jinja_string rest = {digits->buffer, digits->begin + minus, digits->size - minus};
    jinja_buffer_append_string(p->r, b, &rest);
    put(p, c, jinja_taken(p->r, b).string, true);
}

static void put_based(percent *p, const conversion *c, jinja_value v)
{
    int64_t integer = jinja_want_int(p->r, v, 0, "a number for %x or %o");
    unsigned long magnitude = integer < 0 ? 0 - (unsigned long)integer : (unsigned long)integer;
    const char *base = !c->alternate ? "" : c->letter == 'o' ? "0o" : c->letter == 'x' ? "0x" : "0X";
    jinja_buffer *b = jinja_buffer_new(p->r);
    jinja_buffer_append_text(p->r, b, integer < 0 ? "-" : c->plus ? "+" : c->space ? " " : "");
    jinja_buffer_append_text(p->r, b, base);
    jinja_buffer_printf(p->r, b, c->letter == 'o' ? "%lo" : c->letter == 'x' ? "%lx" : "%lX", magnitude);
    put(p, c, jinja_taken(p->r, b).string, true);
}

static void convert(percent *p, const conversion *c)
{
    if (c->letter == '%') {
        jinja_buffer_append_text(p->r, p->out, "%");
        return;
    }
    if (!strchr("srdiufFeEgGxXo", c->letter) || !c->letter)
        jinja_fail(p->r, ERR_UNSUPPORTED,
                   "a format string has a conversion that is not one of s r d i u f e g x o %%");
    jinja_value v = argument_next(p);
    if (strchr("sr", c->letter))
        put_text(p, c, v);
    else if (strchr("diu", c->letter))
        put_decimal(p, c, v);
    else if (strchr("xXo", c->letter))
        put_based(p, c, v);
    else
        put_float(p, c, v);
}

jinja_value jinja_percent(jinja_render *r, const jinja_string *format, jinja_value given)
{
    percent p = {r, jinja_buffer_new(r), given, 0};
    bytes_view text = jinja_string_view(format);
    if (given.type == JINJA_DICT && memmem(text.data, text.size, "%(", 2))
        jinja_fail(r, ERR_UNSUPPORTED, "formats that name their arguments, %%(name)s, are not supported");
    for (size_t at = 0; at < text.size;) {
        const char *sign = memchr(text.data + at, '%', text.size - at);
        size_t end = sign ? (size_t)(sign - text.data) : text.size;
        jinja_string plain = {format->buffer, format->begin + at, end - at};
        jinja_buffer_append_string(r, p.out, &plain);
        at = end;
        if (!sign) break;
        at++;
        conversion c = conversion_read(&p, text, &at);
        convert(&p, &c);
    }
    bool left_over = given.type == JINJA_TUPLE
                         ? p.used < given.list->count
                         : given.type != JINJA_DICT && given.type != JINJA_LIST && !p.used;
    if (left_over) jinja_fail(r, ERR_FORMAT, "not all arguments were used by a format string");
    return jinja_taken(r, p.out);
}
