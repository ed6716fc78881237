/* Upper and lower case, white space, searching and replacing: work on characters, marks kept. */
#define _GNU_SOURCE
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "engine/text/jinja/render.h"

bool jinja_is_space(uint32_t code)
{
    if (code < 0x80) return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20);
    return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
           code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool jinja_is_letter(uint32_t code)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

/* Characters whose other case is several characters (Unicode, SpecialCasing.txt, unconditional rows that
 * have letters of living scripts). */
static const struct special_case {
    uint32_t code;
    const char *cases[3]; /* upper, lower, title; NULL: as utf8proc says */
} special_cases[] = {
    {0x00DF, {"SS", NULL, "Ss"}},
    {0x0130, {NULL, "i\xCC\x87", NULL}},
    {0x0149, {"\xCA\xBCN", NULL, "\xCA\xBCN"}},
    {0x01F0, {"J\xCC\x8C", NULL, "J\xCC\x8C"}},
    {0x0390, {"\xCE\x99\xCC\x88\xCC\x81", NULL, "\xCE\x99\xCC\x88\xCC\x81"}},
    {0x03B0, {"\xCE\xA5\xCC\x88\xCC\x81", NULL, "\xCE\xA5\xCC\x88\xCC\x81"}},
    {0x0587, {"\xD4\xB5\xD5\x92", NULL, "\xD4\xB5\xD6\x82"}},
    {0x1E96, {"H\xCC\xB1", NULL, "H\xCC\xB1"}},
    {0x1E97, {"T\xCC\x88", NULL, "T\xCC\x88"}},
    {0x1E98, {"W\xCC\x8A", NULL, "W\xCC\x8A"}},
    {0x1E99, {"Y\xCC\x8A", NULL, "Y\xCC\x8A"}},
    {0x1E9A, {"A\xCA\xBE", NULL, "A\xCA\xBE"}},
    {0xFB00, {"FF", NULL, "Ff"}},
    {0xFB01, {"FI", NULL, "Fi"}},
    {0xFB02, {"FL", NULL, "Fl"}},
    {0xFB03, {"FFI", NULL, "Ffi"}},
    {0xFB04, {"FFL", NULL, "Ffl"}},
    {0xFB05, {"ST", NULL, "St"}},
    {0xFB06, {"ST", NULL, "St"}},
};

void jinja_append_case(jinja_render *r, jinja_buffer *out, uint32_t code, jinja_case which, jinja_marks marks)
{
    for (size_t i = 0; i < COUNT_OF(special_cases) && code >= 0x80; i++) {
        if (special_cases[i].code != code || !special_cases[i].cases[which]) continue;
        jinja_buffer_append(r, out, bytes_view_of(special_cases[i].cases[which]), marks);
        return;
    }
    utf8proc_int32_t to = (utf8proc_int32_t)code;
    to = which == JINJA_UPPER   ? utf8proc_toupper(to)
         : which == JINJA_LOWER ? utf8proc_tolower(to)
                                : utf8proc_totitle(to);
    char encoded[UTF8_BYTES_MAX];
    size_t size = utf8_encode((uint32_t)to, encoded);
    jinja_buffer_append(r, out, (bytes_view){encoded, size}, marks);
}

jinja_value jinja_cased(jinja_render *r, const jinja_string *s, jinja_case which)
{
    jinja_buffer *b = jinja_buffer_new(r);
    jinja_characters c = jinja_characters_of(s);
    bytes_view one;
    uint32_t code;
    jinja_steps(r, s->size / 8);
    while (jinja_characters_next(&c, &one, &code)) jinja_append_case(r, b, code, which, c.marks);
    return jinja_taken(r, b);
}

jinja_value jinja_capitalized(jinja_render *r, const jinja_string *s)
{
    jinja_buffer *b = jinja_buffer_new(r);
    jinja_characters c = jinja_characters_of(s);
    bytes_view one;
    uint32_t code;
    jinja_steps(r, s->size / 8);
    while (jinja_characters_next(&c, &one, &code))
        jinja_append_case(r, b, code, b->used ? JINJA_LOWER : JINJA_TITLE, c.marks);
    return jinja_taken(r, b);
}

/* ---- stripping ---- */

static bool is_stripped(bytes_view one, uint32_t code, const bytes_view *set)
{
    if (!set) return jinja_is_space(code);
    for (size_t at = 0; at < set->size;) {
        uint32_t other;
        size_t size = utf8_decode(set->data + at, set->size - at, &other);
        size = size ? size : 1;
        if (bytes_view_equal(one, (bytes_view){set->data + at, size})) return true;
        at += size;
    }
    return false;
}

jinja_value jinja_stripped(jinja_render *r, const jinja_string *s, jinja_value characters, bool left,
                           bool right)
{
    bool given = characters.type != JINJA_ABSENT && characters.type != JINJA_NONE;
    bytes_view set =
        given ? jinja_string_view(jinja_want_string(r, characters, "the characters to strip")) : VIEW("");
    bytes_view text = jinja_string_view(s);
    size_t begin = 0, end = text.size;
    jinja_steps(r, 1 + set.size * text.size / 64);
    while (left && begin < end) {
        uint32_t code = 0;
        size_t size = utf8_decode(text.data + begin, end - begin, &code);
        if (!size || !is_stripped((bytes_view){text.data + begin, size}, code, given ? &set : NULL)) break;
        begin += size;
    }
    while (right && end > begin) {
        uint32_t code = 0;
        size_t last = end - 1;
        while (last > begin && (text.data[last] & 0xC0) == 0x80) last--;
        if (!utf8_decode(text.data + last, end - last, &code)) break;
        if (!is_stripped((bytes_view){text.data + last, end - last}, code, given ? &set : NULL)) break;
        end = last;
    }
    return jinja_part(r, s, begin, end - begin);
}

/* ---- searching ---- */

size_t jinja_find(bytes_view hay, bytes_view needle, size_t from)
{
    if (from > hay.size) return SIZE_MAX;
    if (!needle.size) return from;
    const char *found = memmem(hay.data + from, hay.size - from, needle.data, needle.size);
    return found ? (size_t)(found - hay.data) : SIZE_MAX;
}

/* Where the next occurrence is to be put in: an empty `old` stands before each character and at the end. */
static size_t next_occurrence(bytes_view text, bytes_view old, size_t from, bool first)
{
    if (old.size || first) return jinja_find(text, old, from);
    if (from >= text.size) return SIZE_MAX;
    for (from++; from < text.size && (text.data[from] & 0xC0) == 0x80;) from++;
    return from;
}

jinja_value jinja_replaced(jinja_render *r, const jinja_string *s, const jinja_string *old,
                           const jinja_string *new_text, int64_t count_max)
{
    bytes_view text = jinja_string_view(s), wanted = jinja_string_view(old);
    jinja_buffer *b = jinja_buffer_new(r);
    size_t at = 0, search = 0;
    jinja_bytes_steps(r, text.size);
    for (int64_t count = 0; count_max < 0 || count < count_max; count++) {
        size_t found = next_occurrence(text, wanted, search, count == 0);
        if (found == SIZE_MAX) break;
        jinja_steps(r, 1);
        jinja_string before = {s->buffer, s->begin + at, found - at};
        jinja_buffer_append_string(r, b, &before);
        jinja_buffer_append_string(r, b, new_text);
        at = found + wanted.size;
        search = wanted.size ? at : found;
    }
    if (!at && !b->used) return jinja_part(r, s, 0, s->size);
    jinja_string rest = {s->buffer, s->begin + at, s->size - at};
    jinja_buffer_append_string(r, b, &rest);
    return jinja_taken(r, b);
}
