/* Methods of str, list and dict. Those that change a list or dict work on what the render itself owns: the
 * caller's JSON was copied into it. */
#include <string.h>

#include "base/utf8.h"
#include "engine/text/jinja/render.h"

/* ---- str: case and white space ---- */

static jinja_value m_upper(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_cased(r, self.string, JINJA_UPPER);
}

static jinja_value m_lower(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_cased(r, self.string, JINJA_LOWER);
}

static jinja_value m_capitalize(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_capitalized(r, self.string);
}

/* A word begins after anything that is no letter: "it's" gives "It'S", as Python's str.title. */
static jinja_value m_title(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    jinja_buffer *b = jinja_buffer_new(r);
    jinja_characters c = jinja_characters_of(self.string);
    bytes_view one;
    uint32_t code;
    for (bool begins = true; jinja_characters_next(&c, &one, &code);) {
        jinja_append_case(r, b, code, begins ? JINJA_TITLE : JINJA_LOWER, c.marks);
        begins = !jinja_is_letter(code);
    }
    return jinja_taken(r, b);
}

static jinja_value m_strip(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return jinja_stripped(r, self.string, given->positional[0], true, true);
}

static jinja_value m_lstrip(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return jinja_stripped(r, self.string, given->positional[0], true, false);
}

static jinja_value m_rstrip(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return jinja_stripped(r, self.string, given->positional[0], false, true);
}

/* ---- str: searching ---- */

static bool stands_at_edge(jinja_render *r, jinja_value self, jinja_value part, bool at_end)
{
    bytes_view text = jinja_string_view(self.string),
               p = jinja_string_view(jinja_want_string(r, part, "what is looked for"));
    if (p.size > text.size) return false;
    return !p.size || memcmp(text.data + (at_end ? text.size - p.size : 0), p.data, p.size) == 0;
}

/* One str or a tuple of them. */
static jinja_value edge_test(jinja_render *r, jinja_value self, const jinja_arguments *given, bool at_end)
{
    jinja_value wanted = given->positional[0];
    if (wanted.type != JINJA_TUPLE) return jinja_bool(stands_at_edge(r, self, wanted, at_end));
    for (size_t i = 0; i < wanted.list->count; i++)
        if (stands_at_edge(r, self, jinja_list_at(wanted.list, i), at_end)) return jinja_bool(true);
    return jinja_bool(false);
}

static jinja_value m_startswith(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return edge_test(r, self, given, false);
}
static jinja_value m_endswith(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return edge_test(r, self, given, true);
}

static jinja_value m_removeprefix(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    size_t size = jinja_want_string(r, given->positional[0], "a prefix")->size;
    return stands_at_edge(r, self, given->positional[0], false)
               ? jinja_part(r, self.string, size, self.string->size - size)
               : self;
}

static jinja_value m_removesuffix(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    size_t size = jinja_want_string(r, given->positional[0], "a suffix")->size;
    return stands_at_edge(r, self, given->positional[0], true)
               ? jinja_part(r, self.string, 0, self.string->size - size)
               : self;
}

static int64_t characters_before(bytes_view text, size_t end)
{
    int64_t count = 0;
    for (size_t i = 0; i < end; i++) count += (text.data[i] & 0xC0) != 0x80;
    return count;
}

static size_t find_last(bytes_view text, bytes_view wanted)
{
    size_t last = SIZE_MAX;
    for (size_t at = 0; (at = jinja_find(text, wanted, at)) != SIZE_MAX; at++) last = at;
    return last;
}

static int64_t position(jinja_render *r, jinja_value self, const jinja_arguments *given, bool last)
{
    bytes_view text = jinja_string_view(self.string);
    bytes_view wanted = jinja_string_view(jinja_want_string(r, given->positional[0], "what is looked for"));
    jinja_bytes_steps(r, text.size);
    size_t found = last ? find_last(text, wanted) : jinja_find(text, wanted, 0);
    return found == SIZE_MAX ? -1 : characters_before(text, found);
}

static jinja_value m_find(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return jinja_int(position(r, self, given, false));
}
static jinja_value m_rfind(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return jinja_int(position(r, self, given, true));
}

static jinja_value m_index(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    int64_t found = position(r, self, given, false);
    if (found < 0) jinja_fail(r, ERR_FORMAT, "index(): not found");
    return jinja_int(found);
}

static jinja_value m_count(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    bytes_view text = jinja_string_view(self.string);
    bytes_view wanted = jinja_string_view(jinja_want_string(r, given->positional[0], "what is counted"));
    jinja_bytes_steps(r, text.size);
    if (!wanted.size) return jinja_int((int64_t)jinja_string_length(self.string) + 1);
    int64_t count = 0;
    for (size_t at = 0; (at = jinja_find(text, wanted, at)) != SIZE_MAX; at += wanted.size) count++;
    return jinja_int(count);
}

static jinja_value m_replace(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *slots = given->positional;
    return jinja_replaced(r, self.string, jinja_want_string(r, slots[0], "what replace looks for"),
                          jinja_want_string(r, slots[1], "what replace puts there"),
                          jinja_want_int(r, slots[2], -1, "the count of replace"));
}

/* ---- str: taking apart ---- */

/* On runs of white space; what is left after count_max pieces stays as it is. */
static void split_on_space(jinja_render *r, const jinja_string *s, int64_t count_max, jinja_list *l)
{
    bytes_view text = jinja_string_view(s);
    size_t at = 0;
    for (;;) {
        uint32_t code = 0;
        size_t size;
        while (at < text.size && (size = utf8_decode(text.data + at, text.size - at, &code)) &&
               jinja_is_space(code))
            at += size;
        if (at >= text.size) return;
        size_t begin = at;
        if (count_max >= 0 && (int64_t)l->count == count_max) {
            jinja_list_push(r, l, jinja_part(r, s, at, text.size - at));
            return;
        }
        while (at < text.size && (size = utf8_decode(text.data + at, text.size - at, &code)) &&
               !jinja_is_space(code))
            at += size;
        if (at == begin) at++;
        jinja_list_push(r, l, jinja_part(r, s, begin, at - begin));
    }
}

static jinja_value m_split(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *slots = given->positional;
    const jinja_string *s = self.string;
    int64_t count_max = jinja_want_int(r, slots[1], -1, "the count of split");
    jinja_list *l = jinja_list_new(r);
    jinja_bytes_steps(r, s->size);
    if (slots[0].type == JINJA_ABSENT || slots[0].type == JINJA_NONE) {
        split_on_space(r, s, count_max, l);
        return jinja_list_value(l);
    }
    bytes_view text = jinja_string_view(s),
               separator = jinja_string_view(jinja_want_string(r, slots[0], "a separator"));
    if (!separator.size) jinja_fail(r, ERR_FORMAT, "split() wants a separator that is not empty");
    size_t at = 0, found;
    while ((count_max < 0 || (int64_t)l->count < count_max) &&
           (found = jinja_find(text, separator, at)) != SIZE_MAX) {
        jinja_list_push(r, l, jinja_part(r, s, at, found - at));
        at = found + separator.size;
    }
    jinja_list_push(r, l, jinja_part(r, s, at, text.size - at));
    return jinja_list_value(l);
}

/* From the right; without a count it is the same as split. */
static jinja_value m_rsplit(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *slots = given->positional;
    int64_t count_max = jinja_want_int(r, slots[1], -1, "the count of rsplit");
    if (count_max < 0) return m_split(r, self, given);
    bytes_view text = jinja_string_view(self.string),
               separator = jinja_string_view(jinja_want_string(r, slots[0], "a separator"));
    if (!separator.size) jinja_fail(r, ERR_FORMAT, "rsplit() wants a separator that is not empty");
    jinja_list *backwards = jinja_list_new(r), *l = jinja_list_new(r);
    size_t end = text.size;
    for (size_t found; (int64_t)backwards->count < count_max; end = found) {
        jinja_bytes_steps(r, end + 64);
        found = find_last((bytes_view){text.data, end}, separator);
        if (found == SIZE_MAX) break;
        jinja_list_push(r, backwards,
                        jinja_part(r, self.string, found + separator.size, end - found - separator.size));
    }
    jinja_list_push(r, l, jinja_part(r, self.string, 0, end));
    for (size_t i = backwards->count; i > 0; i--) jinja_list_push(r, l, jinja_list_at(backwards, i - 1));
    return jinja_list_value(l);
}

/* (before, separator, after); not found: (all, "", "") */
static jinja_value m_partition(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    bytes_view text = jinja_string_view(self.string);
    bytes_view separator = jinja_string_view(jinja_want_string(r, given->positional[0], "a separator"));
    if (!separator.size) jinja_fail(r, ERR_FORMAT, "partition() wants a separator that is not empty");
    size_t found = jinja_find(text, separator, 0),
           after = found == SIZE_MAX ? text.size : found + separator.size;
    jinja_list *l = jinja_list_new(r);
    if (found == SIZE_MAX) found = text.size;
    jinja_list_push(r, l, jinja_part(r, self.string, 0, found));
    jinja_list_push(r, l, jinja_part(r, self.string, found, after - found));
    jinja_list_push(r, l, jinja_part(r, self.string, after, text.size - after));
    return jinja_tuple_value(l);
}

/* Bytes of the line end at `at`: \n, \r\n, and the other ends that Python knows. 0: none. */
static size_t line_end(bytes_view text, size_t at, size_t size, uint32_t code)
{
    if (code == '\r' && at + 1 < text.size && text.data[at + 1] == '\n') return 2;
    bool ends = (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 ||
                code == 0x2028 || code == 0x2029;
    return ends ? size : 0;
}

static jinja_value m_splitlines(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    bool keep = jinja_want_bool(given->positional[0], false);
    bytes_view text = jinja_string_view(self.string);
    jinja_list *l = jinja_list_new(r);
    size_t begin = 0;
    jinja_bytes_steps(r, text.size);
    for (size_t at = 0; at < text.size;) {
        uint32_t code = 0;
        size_t size = utf8_decode(text.data + at, text.size - at, &code),
               end = line_end(text, at, size, code);
        if (end) {
            jinja_list_push(r, l, jinja_part(r, self.string, begin, at - begin + (keep ? end : 0)));
            begin = at + end;
        }
        at += end ? end : size ? size : 1;
    }
    if (begin < text.size) jinja_list_push(r, l, jinja_part(r, self.string, begin, text.size - begin));
    return jinja_list_value(l);
}

static jinja_value m_join(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_list *l = jinja_walk(r, given->positional[0]);
    jinja_buffer *b = jinja_buffer_new(r);
    for (size_t i = 0; i < l->count; i++) {
        if (i) jinja_buffer_append_string(r, b, self.string);
        jinja_buffer_append_string(r, b, jinja_want_string(r, jinja_list_at(l, i), "what join() joins"));
    }
    return jinja_taken(r, b);
}

/* ---- str: what it is made of ---- */

typedef bool character_test(uint32_t code);

static bool is_digit(uint32_t code) { return code >= '0' && code <= '9'; }
static bool is_alphanumeric(uint32_t code) { return jinja_is_letter(code) || is_digit(code); }

static jinja_value all_are(jinja_value self, character_test *test)
{
    jinja_characters c = jinja_characters_of(self.string);
    bytes_view one;
    uint32_t code;
    bool all = self.string->size != 0;
    while (all && jinja_characters_next(&c, &one, &code)) all = test(code);
    return jinja_bool(all);
}

static jinja_value m_isdigit(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return (void)r, (void)given, all_are(self, is_digit);
}
static jinja_value m_isalpha(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return (void)r, (void)given, all_are(self, jinja_is_letter);
}
static jinja_value m_isalnum(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return (void)r, (void)given, all_are(self, is_alphanumeric);
}
static jinja_value m_isspace(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return (void)r, (void)given, all_are(self, jinja_is_space);
}

/* ---- str.format: {}, {0}, {name}, {{ and }} ---- */

static jinja_value field_value(jinja_render *r, bytes_view name, const jinja_arguments *given, size_t *next)
{
    size_t index = 0;
    for (size_t i = 0; i < given->named_count; i++)
        if (bytes_view_equal(name, given->names[i])) return given->named[i];
    for (size_t i = 0; i < name.size; i++) {
        if (!is_digit((unsigned char)name.data[i]) || index > given->count)
            jinja_fail(r, ERR_UNSUPPORTED, "format(): a field is neither empty, a number nor a given name");
        index = index * 10 + (size_t)(name.data[i] - '0');
    }
    if (!name.size) index = (*next)++;
    if (index >= given->count) jinja_fail(r, ERR_FORMAT, "format(): not enough arguments");
    return given->positional[index];
}

static jinja_value m_format(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    bytes_view text = jinja_string_view(self.string);
    jinja_buffer *b = jinja_buffer_new(r);
    size_t next = 0;
    for (size_t at = 0, end; at < text.size; at = end) {
        for (end = at; end < text.size && text.data[end] != '{' && text.data[end] != '}';) end++;
        bool doubled = end + 1 < text.size && text.data[end + 1] == text.data[end];
        jinja_string plain = {self.string->buffer, self.string->begin + at, end - at + doubled};
        jinja_buffer_append_string(r, b, &plain);
        if (end == text.size) break;
        if (doubled) {
            end += 2;
            continue;
        }
        const char *close = text.data[end] == '{' ? memchr(text.data + end, '}', text.size - end) : NULL;
        if (!close) jinja_fail(r, ERR_FORMAT, "format(): a brace stands alone");
        bytes_view name = {text.data + end + 1, (size_t)(close - text.data) - end - 1};
        jinja_print(r, b, field_value(r, name, given, &next));
        end = (size_t)(close + 1 - text.data);
    }
    return jinja_taken(r, b);
}

static const jinja_row string_methods[] = {
    {"split", m_split, "sep maxsplit", 0},
    {"rsplit", m_rsplit, "sep maxsplit", 0},
    {"partition", m_partition, "sep", 1},
    {"splitlines", m_splitlines, "keepends", 0},
    {"strip", m_strip, "chars", 0},
    {"lstrip", m_lstrip, "chars", 0},
    {"rstrip", m_rstrip, "chars", 0},
    {"startswith", m_startswith, "prefix", 1},
    {"endswith", m_endswith, "suffix", 1},
    {"removeprefix", m_removeprefix, "prefix", 1},
    {"removesuffix", m_removesuffix, "suffix", 1},
    {"replace", m_replace, "old new count", 2},
    {"join", m_join, "iterable", 1},
    {"upper", m_upper, "", 0},
    {"lower", m_lower, "", 0},
    {"capitalize", m_capitalize, "", 0},
    {"title", m_title, "", 0},
    {"find", m_find, "sub", 1},
    {"rfind", m_rfind, "sub", 1},
    {"index", m_index, "sub", 1},
    {"count", m_count, "sub", 1},
    {"isdigit", m_isdigit, "", 0},
    {"isalpha", m_isalpha, "", 0},
    {"isalnum", m_isalnum, "", 0},
    {"isspace", m_isspace, "", 0},
    {"format", m_format, NULL, 0},
    {NULL, NULL, NULL, 0},
};

extern const jinja_row jinja_list_methods[], jinja_tuple_methods[], jinja_dict_methods[];

const jinja_row *jinja_find_method(jinja_type type, bytes_view name)
{
    switch (type) {
    case JINJA_STRING: return jinja_find_row(string_methods, name);
    case JINJA_LIST: return jinja_find_row(jinja_list_methods, name);
    case JINJA_TUPLE: return jinja_find_row(jinja_tuple_methods, name);
    case JINJA_DICT: return jinja_find_row(jinja_dict_methods, name);
    default: return NULL;
    }
}
