/* training/settings_json.c: settings as an object, and back. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/macros.h"
#include "training/settings.h"

enum { ROWS_MAX = 128 };

static char *key_of(arena *a, const training_setting *row)
{
    char *key = arena_text(a, row->flag);
    for (char *c = key; *c; c++)
        if (*c == '-') *c = '_';
    return key;
}

typedef struct keyed {
    const char *key;
    const training_setting *row;
} keyed;

static int by_key(const void *a, const void *b)
{
    return strcmp(((const keyed *)a)->key, ((const keyed *)b)->key);
}

static void write_value(const training_settings *s, const training_setting *row, bytes *out)
{
    bytes text = {0};
    training_settings_text(s, row, &text);
    const char *word = bytes_text(&text);
    switch (row->type) {
    case TRAINING_SETTING_FLAG: bytes_append_text(out, strcmp(word, "on") == 0 ? "true" : "false"); break;
    case TRAINING_SETTING_NUMBER:
        if (strcmp(word, "auto") != 0) {
            bytes_append_text(out, word);
            break;
        } /* fall through */
    case TRAINING_SETTING_WORD:
    case TRAINING_SETTING_TEXT: json_append_string(out, bytes_view_of(word)); break;
    case TRAINING_SETTING_COUNT: bytes_append_text(out, word); break;
    }
    bytes_free(&text);
}

void training_settings_write(const training_settings *s, bytes *out)
{
    arena a = {0};
    keyed list[ROWS_MAX];
    size_t count = 0;
    for (const training_setting *row; count < ROWS_MAX && (row = training_setting_at(count)); count++)
        list[count] = (keyed){key_of(&a, row), row};
    qsort(list, count, sizeof *list, by_key);
    bytes_append_byte(out, '{');
    for (size_t i = 0; i < count; i++) {
        bytes_printf(out, "%s\"%s\":", i ? "," : "", list[i].key);
        write_value(s, list[i].row, out);
    }
    bytes_append_byte(out, '}');
    arena_free(&a);
}

/* The value as the text that training_settings_set reads; NULL: of another type. */
static const char *text_of(const json_node *node, const training_setting *row, arena *a)
{
    if (row->type == TRAINING_SETTING_FLAG)
        return json_is(node, JSON_TRUE) ? "on" : json_is(node, JSON_FALSE) ? "off" : NULL;
    bool number = row->type == TRAINING_SETTING_COUNT || row->type == TRAINING_SETTING_NUMBER;
    if (!json_is(node, JSON_STRING) && !(number && json_is(node, JSON_NUMBER))) return NULL;
    if (memchr(node->text.data, 0, node->text.size)) return NULL;
    return arena_text_n(a, node->text.data, node->text.size);
}

err training_settings_read(training_settings *s, const json_node *object)
{
    if (!json_is(object, JSON_OBJECT)) return err_make(ERR_FORMAT, "settings, expected an object");
    arena a = {0};
    err e = ERR_OK;
    const training_setting *row;
    for (size_t i = 0; !e.code && (row = training_setting_at(i)); i++) {
        const char *key = key_of(&a, row);
        const json_node *node = json_get(object, key);
        if (!node) continue;
        const char *text = text_of(node, row, &a);
        if (!text)
            e = err_make(ERR_FORMAT, "line %u: %s is %s", node->line, key, json_type_name(node->type));
        else if ((e = training_settings_set(s, key, text)).code)
            e.code = ERR_FORMAT;
    }
    arena_free(&a);
    return e;
}
