/* base/json.c: one pass over the text, no recursion: open arrays and objects wait on a small stack.
 *
 * Source: RFC 8259; strings without escapes stay where they are in the source. */
#define _GNU_SOURCE
#include "base/json.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

typedef struct reader_frame {
    json_node *node;        /* an open array or object */
    const json_node **tail; /* where its next child is hung */
} reader_frame;

typedef struct reader {
    const char *at, *end;
    const char *line_begin;
    uint32_t line;
    arena *a;
    unsigned depth, depth_max;
    reader_frame stack[JSON_DEPTH_MAX];
    err failure;
} reader;

/* ---- errors: every one names line and column (counted in characters) ---- */

static size_t column_of(const reader *r)
{
    size_t column = 1;
    for (const char *at = r->line_begin; at < r->at; at++) column += (*at & 0xC0) != 0x80;
    return column;
}

static bool fail(reader *r, err_code code, const char *format, ...) PRINTF_LIKE(3, 4);
static bool fail(reader *r, err_code code, const char *format, ...)
{
    char words[256];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    r->failure = err_make(code, "line %u, column %zu: %s", r->line, column_of(r), words);
    return false;
}

/* "expected WANTED, found X", where X is what stands at r->at. */
static bool fail_expected(reader *r, const char *wanted)
{
    if (r->at == r->end) return fail(r, ERR_FORMAT, "expected %s, found the end of the text", wanted);
    unsigned char byte = (unsigned char)*r->at;
    if (byte > ' ' && byte < 0x7F) return fail(r, ERR_FORMAT, "expected %s, found '%c'", wanted, byte);
    if (r->end - r->at >= 3 && memcmp(r->at, "\xEF\xBB\xBF", 3) == 0)
        return fail(r, ERR_FORMAT, "expected %s, found a byte order mark", wanted);
    return fail(r, ERR_FORMAT, "expected %s, found byte 0x%02X", wanted, byte);
}

/* ---- tokens ---- */

static void space_skip(reader *r)
{
    for (; r->at < r->end; r->at++) {
        if (*r->at == '\n') {
            r->line++;
            r->line_begin = r->at + 1;
        } else if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r') {
            return;
        }
    }
}

static bool is_digit(const reader *r) { return r->at < r->end && *r->at >= '0' && *r->at <= '9'; }

static bool digits_read(reader *r, const char *where)
{
    if (!is_digit(r)) return fail_expected(r, where);
    while (is_digit(r)) r->at++;
    return true;
}

static bool number_read(reader *r, json_node *node)
{
    const char *begin = r->at;
    if (*r->at == '-') r->at++;
    bool zero = r->at < r->end && *r->at == '0';
    if (!digits_read(r, "a digit after '-'")) return false;
    if (zero && r->at[-1] != '0') {
        r->at = begin;
        return fail(r, ERR_FORMAT, "expected a number without leading zeros");
    }
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        if (!digits_read(r, "a digit after the decimal point")) return false;
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
        if (!digits_read(r, "a digit in the exponent")) return false;
    }
    node->type = JSON_NUMBER;
    node->text = (bytes_view){begin, (size_t)(r->at - begin)};
    return true;
}

static bool hex4_read(reader *r, uint32_t *out)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        unsigned char c = r->at < r->end ? (unsigned char)*r->at : 0;
        unsigned char low = c | 0x20;
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f')
            value = value << 4 | (uint32_t)(low - 'a' + 10);
        else
            return fail_expected(r, "four hexadecimal digits after \\u");
    }
    *out = value;
    return true;
}

/* The rest of a \u escape, at the first hexadecimal digit: one code unit, or a pair of surrogates. */
static bool unicode_escape_read(reader *r, uint32_t *out)
{
    const char *begin = r->at - 2;
    uint32_t high, low;
    if (!hex4_read(r, &high)) return false;
    if (high < 0xD800 || high > 0xDFFF) {
        *out = high;
        return true;
    }
    if (high < 0xDC00 && r->end - r->at >= 2 && r->at[0] == '\\' && r->at[1] == 'u') {
        r->at += 2;
        if (!hex4_read(r, &low)) return false;
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *out = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            return true;
        }
    }
    r->at = begin;
    return fail(r, ERR_FORMAT, "expected a pair of surrogates, found \\u%04X alone", high);
}

/* An escape, at its backslash; its bytes are put at *to, which moves on. */
static bool escape_read(reader *r, char **to)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    r->at++;
    if (r->at < r->end && *r->at == 'u') {
        uint32_t code = 0;
        r->at++;
        if (!unicode_escape_read(r, &code)) return false;
        *to += utf8_encode(code, *to);
        return true;
    }
    const char *name = r->at < r->end && *r->at ? strchr(names, *r->at) : NULL;
    if (!name) return fail_expected(r, "one of \" \\ / b f n r t u after '\\'");
    *(*to)++ = meanings[name - names];
    r->at++;
    return true;
}

/* Moves over plain characters up to a quote, a backslash or the end. */
static bool plain_skip(reader *r)
{
    for (;;) {
        while (r->at < r->end && (unsigned char)*r->at >= 0x20 && (unsigned char)*r->at < 0x80 &&
               *r->at != '"' && *r->at != '\\')
            r->at++;
        if (r->at == r->end) return fail_expected(r, "'\"' at the end of a string");
        unsigned char byte = (unsigned char)*r->at;
        if (byte == '"' || byte == '\\') return true;
        if (byte < 0x20) return fail_expected(r, "control characters in a string to be escaped");
        uint32_t code;
        size_t size = utf8_decode(r->at, (size_t)(r->end - r->at), &code);
        if (!size) return fail_expected(r, "valid UTF-8");
        r->at += size;
    }
}

/* A string, at its opening quote. Without escapes the view points into the source. An escape is never
 * shorter than what it stands for, so the undecoded size is room enough. */
static bool string_read(reader *r, bytes_view *out)
{
    const char *begin = ++r->at;
    if (!plain_skip(r)) return false;
    if (*r->at == '"') {
        *out = (bytes_view){begin, (size_t)(r->at++ - begin)};
        return true;
    }
    const char *close = r->at;
    while (close < r->end && *close != '"') close += *close == '\\' && r->end - close > 1 ? 2 : 1;
    char *decoded = arena_alloc(r->a, (size_t)(close - begin) + 1), *to = decoded;
    for (const char *part = begin;;) {
        memcpy(to, part, (size_t)(r->at - part));
        to += r->at - part;
        if (*r->at == '"') break;
        if (!escape_read(r, &to)) return false;
        part = r->at;
        if (!plain_skip(r)) return false;
    }
    r->at++;
    *out = (bytes_view){decoded, (size_t)(to - decoded)};
    return true;
}

static bool word_read(reader *r, json_node *node, const char *word, json_type type)
{
    size_t size = strlen(word);
    if ((size_t)(r->end - r->at) < size || memcmp(r->at, word, size) != 0) return fail_expected(r, "a value");
    r->at += size;
    node->type = type;
    return true;
}

/* ---- the tree ---- */

static bool container_open(reader *r, json_node *node, json_type type)
{
    if (r->depth == r->depth_max)
        return fail(r, ERR_LIMIT, "nested deeper than the limit of %u", r->depth_max);
    node->type = type;
    r->stack[r->depth++] = (reader_frame){node, &node->first};
    r->at++;
    return true;
}

static bool value_read(reader *r, json_node *node)
{
    if (r->at == r->end) return fail_expected(r, "a value");
    node->line = r->line;
    switch (*r->at) {
    case '{': return container_open(r, node, JSON_OBJECT);
    case '[': return container_open(r, node, JSON_ARRAY);
    case '"': node->type = JSON_STRING; return string_read(r, &node->text);
    case 't': return word_read(r, node, "true", JSON_TRUE);
    case 'f': return word_read(r, node, "false", JSON_FALSE);
    case 'n': return word_read(r, node, "null", JSON_NULL);
    case '-': return number_read(r, node);
    default: return is_digit(r) ? number_read(r, node) : fail_expected(r, "a value");
    }
}

/* The next child of the innermost open container, or the root: key, value, its place among its siblings. */
static bool item_read(reader *r, const json_node **root)
{
    json_node *node = arena_new(r->a, json_node);
    reader_frame *parent = r->depth ? &r->stack[r->depth - 1] : NULL;
    if (parent && parent->node->type == JSON_OBJECT) {
        if (r->at == r->end || *r->at != '"') return fail_expected(r, "a key in quotes");
        if (!string_read(r, &node->key)) return false;
        space_skip(r);
        if (r->at == r->end || *r->at != ':') return fail_expected(r, "':' after a key");
        r->at++;
        space_skip(r);
    }
    if (!value_read(r, node)) return false;
    if (!parent) {
        *root = node;
        return true;
    }
    *parent->tail = node;
    parent->tail = &node->next;
    parent->node->count++;
    return true;
}

static bool is_closer(const reader *r)
{
    const reader_frame *top = &r->stack[r->depth - 1];
    return r->at < r->end && *r->at == (top->node->type == JSON_OBJECT ? '}' : ']');
}

/* Closes what closes here and moves over a comma. *more: another item must follow. */
static bool separators_read(reader *r, bool *more)
{
    while (r->depth) {
        space_skip(r);
        if (is_closer(r)) {
            r->depth--;
            r->at++;
            continue;
        }
        if (r->at == r->end || *r->at != ',')
            return fail_expected(r, r->stack[r->depth - 1].node->type == JSON_OBJECT ? "',' or '}'"
                                                                                     : "',' or ']'");
        r->at++;
        space_skip(r);
        *more = true;
        return true;
    }
    *more = false;
    return true;
}

static bool tree_read(reader *r, const json_node **root)
{
    for (bool more = true; more;) {
        unsigned depth = r->depth;
        if (!item_read(r, root)) return false;
        if (r->depth > depth) { /* a container was opened: its first item, unless it is empty */
            space_skip(r);
            if (!is_closer(r)) continue;
        }
        if (!separators_read(r, &more)) return false;
    }
    return true;
}

err json_parse(bytes_view source, unsigned depth_max, arena *a, const json_node **out)
{
    const char *begin = source.data ? source.data : "";
    reader r = {.at = begin, .end = begin + source.size, .line_begin = begin, .line = 1, .a = a};
    r.depth_max = MIN_OF(depth_max, (unsigned)JSON_DEPTH_MAX);
    const json_node *root = NULL;
    space_skip(&r);
    if (!tree_read(&r, &root)) return r.failure;
    space_skip(&r);
    if (r.at != r.end) {
        fail_expected(&r, "the end of the text after the value");
        return r.failure;
    }
    *out = root;
    return ERR_OK;
}

/* ---- reading the tree ---- */

static bool is_container(const json_node *node)
{
    return node && (node->type == JSON_ARRAY || node->type == JSON_OBJECT);
}

const json_node *json_first(const json_node *node) { return is_container(node) ? node->first : NULL; }

size_t json_count(const json_node *node) { return is_container(node) ? node->count : 0; }

const json_node *json_get(const json_node *object, const char *key)
{
    if (!json_is(object, JSON_OBJECT)) return NULL;
    bytes_view wanted = bytes_view_of(key);
    const json_node *found = NULL;
    for (const json_node *item = object->first; item; item = item->next)
        if (bytes_view_equal(item->key, wanted)) found = item;
    return found;
}

static int key_compare(const void *a, const void *b)
{
    const bytes_view *left = a, *right = b;
    size_t size = MIN_OF(left->size, right->size);
    int order = size ? memcmp(left->data, right->data, size) : 0;
    return order ? order : (left->size > right->size) - (left->size < right->size);
}

bytes_view json_duplicate_key(const json_node *object, arena *scratch)
{
    if (!json_is(object, JSON_OBJECT) || object->count < 2) return (bytes_view){0};
    bytes_view *keys = arena_array(scratch, bytes_view, object->count);
    size_t count = 0;
    for (const json_node *item = object->first; item; item = item->next) keys[count++] = item->key;
    qsort(keys, count, sizeof *keys, key_compare);
    for (size_t i = 1; i < count; i++)
        if (bytes_view_equal(keys[i - 1], keys[i])) return keys[i];
    return (bytes_view){0};
}

bool json_is(const json_node *node, json_type type) { return node && node->type == type; }

bool json_is_null(const json_node *node) { return !node || node->type == JSON_NULL; }

bool json_bool(const json_node *node, bool fallback)
{
    if (json_is(node, JSON_TRUE)) return true;
    return json_is(node, JSON_FALSE) ? false : fallback;
}

/* In the "C" locale whatever the program's is: a comma for a point would read 0.5 as 0. */
static double double_read(const char *text)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value = plain ? strtod_l(text, NULL, plain) : strtod(text, NULL);
    if (plain) freelocale(plain);
    return value;
}

double json_double(const json_node *node, double fallback)
{
    if (!json_is(node, JSON_NUMBER)) return fallback;
    char small[64], *text = small;
    if (node->text.size >= sizeof small) text = memory_alloc(node->text.size + 1);
    memcpy(text, node->text.data, node->text.size);
    text[node->text.size] = 0;
    double value = double_read(text);
    if (text != small) free(text);
    return isfinite(value) ? value : fallback;
}

int64_t json_int(const json_node *node, int64_t fallback)
{
    if (!json_is(node, JSON_NUMBER)) return fallback;
    bool whole = true;
    for (size_t i = 0; i < node->text.size; i++) whole &= strchr(".eE", node->text.data[i]) == NULL;
    if (whole) {
        char text[32];
        if (node->text.size >= sizeof text) return fallback; /* no leading zeros: far too large */
        memcpy(text, node->text.data, node->text.size);
        text[node->text.size] = 0;
        errno = 0;
        long long value = strtoll(text, NULL, 10);
        return errno ? fallback : (int64_t)value;
    }
    double value = json_double(node, NAN);
    bool fits = value >= -0x1p63 && value < 0x1p63 && value == trunc(value);
    return fits ? (int64_t)value : fallback;
}

bytes_view json_text(const json_node *node)
{
    return json_is(node, JSON_STRING) ? node->text : (bytes_view){"", 0};
}

const char *json_type_name(json_type type)
{
    static const char *const names[] = {"null",     "false",    "true",     "a number",
                                        "a string", "an array", "an object"};
    return (size_t)type < COUNT_OF(names) ? names[type] : "unknown";
}

void json_append_string(bytes *out, bytes_view text)
{
    bytes_append_byte(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '"' || byte == '\\')
            bytes_printf(out, "\\%c", byte);
        else if (byte < ' ')
            bytes_printf(out, "\\u%04x", byte);
        else
            bytes_append_byte(out, (char)byte);
    }
    bytes_append_byte(out, '"');
}
