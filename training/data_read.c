/* training/data_read.c: lines, arrays and texts to records, records to examples. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/macros.h"
#include "base/utf8.h"
#include "training/data_reading.h"

/* -- a record's key ------------------------------------------------------------------------------------- */

/* Hashes the value, not its spelling: white space and the file's form do not matter. */
static void hash_node(sha256 *s, const json_node *node)
{
    char mark[24];
    int size = snprintf(mark, sizeof mark, "%d:%zu:", (int)node->type,
                        node->type >= JSON_ARRAY    ? node->count
                        : node->type >= JSON_NUMBER ? node->text.size
                                                    : 0);
    sha256_add(s, mark, (size_t)size);
    if (node->type == JSON_NUMBER || node->type == JSON_STRING)
        sha256_add(s, node->text.data, node->text.size);
    for (const json_node *child = json_first(node); child; child = child->next) {
        sha256_add(s, child->key.data, child->key.size);
        hash_node(s, child);
    }
}

static uint64_t record_key(const json_node *node)
{
    char hex[SHA256_HEX_SIZE], first[17];
    sha256 *s = sha256_new();
    hash_node(s, node);
    sha256_end(s, hex);
    memcpy(first, hex, 16);
    first[16] = 0;
    return strtoull(first, NULL, 16);
}

/* True when it was there already. */
static bool seen_before(training_reading *r, uint64_t key)
{
    if (2 * (r->seen_count + 1) > r->seen_mask) {
        size_t old_size = r->seen ? r->seen_mask + 1 : 0;
        uint64_t *old = r->seen;
        r->seen_mask = old_size ? 2 * old_size - 1 : 1023;
        r->seen = memory_alloc((r->seen_mask + 1) * sizeof *r->seen);
        r->seen_count = 0;
        for (size_t i = 0; i < old_size; i++)
            if (old[i]) seen_before(r, old[i]);
        free(old);
    }
    key |= 1; /* 0 is an empty place */
    size_t at = key & r->seen_mask;
    for (; r->seen[at]; at = (at + 1) & r->seen_mask)
        if (r->seen[at] == key) return true;
    r->seen[at] = key;
    r->seen_count++;
    return false;
}

/* -- examples ------------------------------------------------------------------------------------------- */

static void push_example(training_reading *r, const training_sequence *s, training_origin origin,
                         uint64_t key)
{
    if (r->sequences.count == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 64;
        r->origins = memory_resize_array(r->origins, r->capacity, sizeof *r->origins);
        r->record_keys = memory_resize_array(r->record_keys, r->capacity, sizeof *r->record_keys);
    }
    r->origins[r->sequences.count] = origin;
    r->record_keys[r->sequences.count] = key;
    sequence_list_push(&r->sequences, s->ids, s->labels, s->count);
}

/* One part of a preference, or a whole example, fitted into a row; false: it is dropped. */
static bool fit(training_reading *r, training_sequence *s)
{
    size_t most = r->options->max_length;
    if (s->count <= most) return true;
    if (r->options->too_long == TRAINING_LONG_DROP) return false;
    s->count = most;
    r->counts.cut++;
    return training_sequence_targets(s) > 0;
}

static void push_pieces(training_reading *r, const training_sequence *s, training_origin origin, uint64_t key)
{
    r->counts.split++;
    for (size_t at = 0; at < s->count; at += r->options->max_length) {
        size_t count = MIN_OF(r->options->max_length, s->count - at);
        training_sequence piece = {s->ids + at, s->labels + at, count};
        if (training_sequence_targets(&piece)) push_example(r, &piece, origin, key);
    }
}

static bool is_split(const training_reading *r, const training_sequence *s, training_kind kind)
{
    return kind == TRAINING_KIND_TEXT && r->options->too_long == TRAINING_LONG_SPLIT &&
           s->count > r->options->max_length;
}

/* The examples of a record: cut, dropped or split where they are too long. */
static void push_all(training_reading *r, sequence_list *made, training_origin origin, uint64_t key)
{
    if (origin.kind == TRAINING_KIND_PREFERENCE) { /* both or none */
        bool both = fit(r, &made->items[0]) && fit(r, &made->items[1]);
        for (size_t i = 0; i < 2 && both; i++) push_example(r, &made->items[i], origin, key);
        r->counts.dropped += !both;
        return;
    }
    for (size_t i = 0; i < made->count; i++) {
        training_sequence *s = &made->items[i];
        if (is_split(r, s, origin.kind))
            push_pieces(r, s, origin, key);
        else if (fit(r, s))
            push_example(r, s, origin, key);
        else
            r->counts.dropped++;
    }
}

/* -- records ------------------------------------------------------------------------------------------- */

static void note_keys(training_reading *r, const json_node *object)
{
    for (const json_node *m = json_first(object); m; m = m->next) {
        if (record_key_known(m->key) || r->unknown_key_count == TRAINING_UNKNOWN_KEYS_MAX ||
            m->key.size > 100)
            continue;
        const char *at = bytes_text(&r->unknown_keys);
        size_t i = 0;
        for (; i < r->unknown_key_count && !bytes_view_is(m->key, at); i++) at += strlen(at) + 1;
        if (i < r->unknown_key_count || memchr(m->key.data, 0, m->key.size)) continue;
        bytes_append_view(&r->unknown_keys, m->key);
        bytes_append_byte(&r->unknown_keys, 0);
        r->unknown_key_count++;
    }
}

static err check_mixed(const training_reading *r, training_kind kind)
{
    bool preference = kind == TRAINING_KIND_PREFERENCE, first = r->first.kind == TRAINING_KIND_PREFERENCE;
    if (r->counts.records == 0 || preference == first) return ERR_OK;
    return err_make(ERR_FORMAT, "a %s record; those before it are of kind %s, and preferences stand alone",
                    training_kind_name(kind), training_kind_name(r->first.kind));
}

static bool any_target(const sequence_list *made)
{
    size_t targets = 0;
    for (size_t i = 0; i < made->count; i++) targets += training_sequence_targets(&made->items[i]);
    return targets > 0;
}

static err encode_record(training_reading *r, const data_record *record, sequence_list *made)
{
    bool unrolled = false;
    for (size_t i = 0; i < record->part_count; i++) {
        err e = part_encode(r->model, &record->parts[i], r->options->everything, made, &unrolled);
        if (e.code) return e;
    }
    r->counts.unrolled += unrolled;
    if (record->part_count == 2 && made->count != 2)
        return err_make(ERR_FORMAT,
                        "chosen or rejected has several answers, and the chat template does not show "
                        "them in one text");
    return ERR_OK;
}

static void note_untargeted(training_reading *r, const char *name, uint32_t line)
{
    if (++r->counts.untargeted > 3) return;
    bytes_printf(&r->untargeted_places, "%s%s:%u", r->counts.untargeted > 1 ? ", " : "", name, line);
}

static err read_record(training_reading *r, const char *name, training_origin origin, const json_node *node,
                       arena *a)
{
    data_record record = {0};
    sequence_list made = {0};
    bool has_template = engine_model_borrow_chat_template(r->model, NULL) != NULL;
    err e = record_read(node, has_template, r->options->wrap_chat, a, &record);
    if (!e.code) e = check_mixed(r, record.kind);
    if (!e.code) e = encode_record(r, &record, &made);
    if (!e.code) {
        origin.kind = record.kind;
        if (r->counts.records++ == 0) r->first = origin;
        r->counts.kinds[record.kind]++;
        note_keys(r, node);
        uint64_t key = record_key(node);
        r->counts.duplicates += seen_before(r, key);
        if (any_target(&made))
            push_all(r, &made, origin, key);
        else
            note_untargeted(r, name, origin.line);
    }
    sequence_list_free(&made);
    return e.code ? err_note(e, "%s:%u", name, origin.line) : e;
}

/* The place is told by the caller: a line of its own is always line 1 of itself. */
static err without_line(err e)
{
    static const char line[] = "line 1, ";
    if (strncmp(e.text, line, sizeof line - 1) == 0)
        memmove(e.text, e.text + sizeof line - 1, strlen(e.text) + 2 - sizeof line);
    return e;
}

err training_read_line(training_reading *r, const char *name, uint32_t file, uint32_t line, bytes_view text)
{
    arena a = {0};
    const json_node *node = NULL;
    err e = json_parse(text, TRAINING_DATA_DEPTH_MAX, &a, &node);
    e = e.code ? err_note(without_line(e), "%s:%u", name, line)
               : read_record(r, name, (training_origin){.file = file, .line = line}, node, &a);
    arena_free(&a);
    return e;
}

/* -- files ---------------------------------------------------------------------------------------------- */

static bool is_blank_line(bytes_view line)
{
    for (size_t i = 0; i < line.size; i++)
        if (!strchr(" \t\r", line.data[i]) || !line.data[i]) return false;
    return true;
}

static err go_on(const training_reading *r, uint64_t done, uint64_t total)
{
    const training_data_options *o = r->options;
    return !o->go_on || o->go_on(o->context, done, total) ? ERR_OK : err_make(ERR_CANCELLED, "cancelled");
}

static err read_lines(training_reading *r, const char *name, uint32_t file, bytes_view text)
{
    uint32_t number = 1;
    for (size_t at = 0; at < text.size; number++) {
        const char *end = memchr(text.data + at, '\n', text.size - at);
        bytes_view line = {text.data + at, (end ? (size_t)(end - text.data) : text.size) - at};
        at += line.size + 1;
        if (line.size && line.data[line.size - 1] == '\r') line.size--;
        if (line.size > TRAINING_DATA_LINE_BYTES_MAX)
            return err_make(ERR_LIMIT, "%s:%u: a line of %zu bytes, %d are the most", name, number, line.size,
                            TRAINING_DATA_LINE_BYTES_MAX);
        err e = number % 256 ? ERR_OK : go_on(r, at, text.size);
        if (!e.code && !is_blank_line(line)) e = training_read_line(r, name, file, number, line);
        if (e.code) return e;
    }
    return ERR_OK;
}

static err read_array(training_reading *r, const char *name, uint32_t file, bytes_view text)
{
    arena a = {0};
    const json_node *root = NULL;
    err e = json_parse(text, TRAINING_DATA_DEPTH_MAX + 1, &a, &root);
    if (e.code)
        e = err_note(e, "%s", name);
    else if (!json_is(root, JSON_ARRAY))
        e = err_make(ERR_FORMAT, "%s is %s, expected an array of records", name, json_type_name(root->type));
    size_t i = 0;
    for (const json_node *node = e.code ? NULL : json_first(root); node && !e.code; node = node->next) {
        arena each = {0};
        e = ++i % 256 ? ERR_OK : go_on(r, i, json_count(root));
        if (!e.code)
            e = read_record(r, name, (training_origin){.file = file, .line = node->line}, node, &each);
        arena_free(&each);
    }
    arena_free(&a);
    return e;
}

/* The whole file is one text, in as many examples as it takes. */
static err read_plain(training_reading *r, const char *name, uint32_t file, bytes_view text)
{
    size_t valid = utf8_valid_prefix(text);
    if (valid < text.size) {
        unsigned line = 1;
        for (size_t i = 0; i < valid; i++) line += text.data[i] == '\n';
        return err_make(ERR_FORMAT, "%s:%u: bytes that are no UTF-8", name, line);
    }
    arena a = {0};
    json_node value = {.type = JSON_STRING, .key = bytes_view_of("text"), .line = 1},
              object = {.type = JSON_OBJECT, .line = 1};
    value.text = text;
    object.first = &value;
    object.count = 1;
    const training_data_options *given = r->options;
    training_data_options split = *given;
    split.too_long = TRAINING_LONG_SPLIT;
    r->options = &split;
    err e =
        text.size ? read_record(r, name, (training_origin){.file = file, .line = 1}, &object, &a) : ERR_OK;
    r->options = given;
    arena_free(&a);
    return e;
}

static const struct {
    const char *ending;
    err (*read)(training_reading *r, const char *name, uint32_t file, bytes_view text);
} readers[] = {{".jsonl", read_lines}, {".json", read_array}, {".txt", read_plain}};

static bool ends_with(const char *name, const char *ending)
{
    size_t size = strlen(name), end = strlen(ending);
    return size >= end && strcmp(name + size - end, ending) == 0;
}

err training_read_file(training_reading *r, const char *path, uint32_t file, char digest[SHA256_HEX_SIZE])
{
    const char *name = file_name(path);
    size_t which = 0;
    while (which < COUNT_OF(readers) && !ends_with(name, readers[which].ending)) which++;
    if (which == COUNT_OF(readers))
        return err_make(ERR_UNSUPPORTED, "%s is no file of examples: expected .jsonl, .json or .txt", path);
    file_mapping map = {0};
    err e = file_map(path, &map);
    if (e.code) return e;
    bytes_view text = {map.data, map.size};
    sha256_of(text, digest);
    if (map.size > TRAINING_DATA_FILE_BYTES_MAX)
        e = err_make(ERR_LIMIT, "%s has %zu bytes, %d are the most", path, map.size,
                     TRAINING_DATA_FILE_BYTES_MAX);
    if (text.size >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0) text.data += 3, text.size -= 3;
    if (!e.code) e = readers[which].read(r, name, file, text);
    file_unmap(&map);
    return e;
}

void training_reading_free(training_reading *r)
{
    sequence_list_free(&r->sequences);
    free(r->origins);
    free(r->record_keys);
    free(r->seen);
    bytes_free(&r->untargeted_places);
    bytes_free(&r->unknown_keys);
    *r = (training_reading){0};
}
