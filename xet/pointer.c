#include "xet/pointer.h"

#include <string.h>

static const char version_line[] = "https://git-lfs.github.com/spec/v1";

static const char *const versions[] = {
    version_line,
    "https://hawser.github.com/spec/v1", /* of before the name git-lfs */
    "http://git-media.io/v/2",
};

/* The lines of a pointer in their one order; ext- lines may stand anywhere between version and size. */
typedef enum place { PLACE_VERSION, PLACE_OID, PLACE_SIZE, PLACE_END } place;
static const char *const keys[] = {"version", "oid", "size"};

typedef struct reading {
    xet_pointer *out;
    place next;
    bytes_view extensions[XET_POINTER_EXTENSIONS_MAX]; /* by priority, whole lines */
} reading;

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bytes_view trim(bytes_view text)
{
    while (text.size && is_space(text.data[0])) text.data++, text.size--;
    while (text.size && is_space(text.data[text.size - 1])) text.size--;
    return text;
}

/* "sha256:" and 64 digits. */
static bool oid_read(bytes_view value, char oid[SHA256_HEX_SIZE])
{
    static const char method[] = "sha256:";
    size_t skip = sizeof method - 1;

    if (value.size != skip + SHA256_HEX_SIZE - 1 || memcmp(value.data, method, skip) != 0) return false;
    memcpy(oid, value.data + skip, SHA256_HEX_SIZE - 1);
    oid[SHA256_HEX_SIZE - 1] = 0;
    return sha256_is_hex(oid);
}

/* As git-lfs reads it: a '+' and leading zeros are let in, though never written. */
static bool size_read(bytes_view value, uint64_t *out)
{
    uint64_t size = 0;
    size_t i = value.size && value.data[0] == '+';

    if (i == value.size) return false;
    for (; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') return false;
        uint64_t digit = (uint64_t)(value.data[i] - '0');
        if (size > ((uint64_t)INT64_MAX - digit) / 10) return false;
        size = size * 10 + digit;
    }
    *out = size;
    return true;
}

/* "ext-N-name sha256:...": N says the order and is taken once. */
static bool extension_read(reading *r, bytes_view line, bytes_view key, bytes_view value)
{
    char oid[SHA256_HEX_SIZE];

    if (key.size < sizeof "ext-0-n" - 1 || memcmp(key.data, "ext-", 4) != 0) return false;
    if (key.data[4] < '0' || key.data[4] > '9' || key.data[5] != '-' || !is_word(key.data[6])) return false;
    bytes_view *slot = &r->extensions[key.data[4] - '0'];
    if (slot->size || !oid_read(value, oid)) return false;
    *slot = line;
    r->out->has_extensions = true;
    return true;
}

static bool version_read(bytes_view value)
{
    for (size_t i = 0; i < COUNT_OF(versions); i++)
        if (bytes_view_is(value, versions[i])) return true;
    return false;
}

static bool line_read(reading *r, bytes_view line)
{
    const char *space = memchr(line.data, ' ', line.size);
    if (!space || r->next == PLACE_END) return false;
    bytes_view key = {line.data, (size_t)(space - line.data)};
    bytes_view value = {space + 1, line.size - key.size - 1};

    if (!bytes_view_is(key, keys[r->next]))
        return r->next != PLACE_VERSION && extension_read(r, line, key, value);
    switch (r->next++) {
    case PLACE_VERSION: return version_read(value);
    case PLACE_OID: return oid_read(value, r->out->oid);
    default: return size_read(value, &r->out->size);
    }
}

static bytes_view line_next(bytes_view *rest)
{
    const char *end = memchr(rest->data, '\n', rest->size);
    bytes_view line = {rest->data, end ? (size_t)(end - rest->data) : rest->size};
    size_t used = line.size + (end != NULL);

    *rest = (bytes_view){rest->data + used, rest->size - used};
    if (line.size && line.data[line.size - 1] == '\r') line.size--;
    return line;
}

static bool is_canonical(const reading *r, bytes_view text)
{
    CLEANUP(bytes_free) bytes wanted = {0};

    if (!r->out->size) return false; /* emptiness is written as an empty file */
    bytes_printf(&wanted, "version %s\n", version_line);
    for (size_t i = 0; i < COUNT_OF(r->extensions); i++) {
        if (!r->extensions[i].size) continue;
        bytes_append_view(&wanted, r->extensions[i]);
        bytes_append_byte(&wanted, '\n');
    }
    bytes_printf(&wanted, "oid sha256:%s\nsize %llu\n", r->out->oid, (unsigned long long)r->out->size);
    return bytes_view_equal(bytes_borrow(&wanted), text);
}

bool xet_pointer_parse(bytes_view text, xet_pointer *out)
{
    xet_pointer found = {0};
    reading r = {.out = &found};

    if (text.size > XET_POINTER_BYTES_MAX) return false;
    for (bytes_view rest = trim(text); rest.size;) {
        bytes_view line = line_next(&rest);
        if (line.size && !line_read(&r, line)) return false; /* git-lfs skips empty lines */
    }
    if (r.next != PLACE_END) return false;
    found.canonical = is_canonical(&r, text);
    *out = found;
    return true;
}

void xet_pointer_write(const xet_pointer *pointer, bytes *out)
{
    bytes_printf(out, "version %s\noid sha256:%s\nsize %llu\n", version_line, pointer->oid,
                 (unsigned long long)pointer->size);
}
