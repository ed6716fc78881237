/* engine/weights_index.c: the weight_map, its names checked. */
#include "engine/weights_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "engine/weights.h"

enum { INDEX_DEPTH_MAX = 16 };

static int place_compare(const void *a, const void *b)
{
    return strcmp(((const engine_weight_place *)a)->tensor, ((const engine_weight_place *)b)->tensor);
}

static int text_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static err place_read(const json_node *node, arena *memory, engine_weight_place *out)
{
    bytes_view file = json_text(node);
    out->tensor = arena_text_n(memory, node->key.data, node->key.size);
    out->file = arena_text_n(memory, file.data, file.size);
    if (strlen(out->tensor) != node->key.size || strlen(out->file) != file.size)
        return err_make(ERR_FORMAT, "line %u: a name holds a NUL", node->line);
    if (!json_is(node, JSON_STRING))
        return err_make(ERR_FORMAT, "line %u: the file of %s is %s, expected a string", node->line,
                        out->tensor, json_type_name(node->type));
    if (!*out->file || strchr(out->file, '/') || strchr(out->file, '\\') || strstr(out->file, ".."))
        return err_make(ERR_FORMAT,
                        "line %u: %s lies in \"%s\", expected the name of a file in the same folder",
                        node->line, out->tensor, out->file);
    return ERR_OK;
}

static err files_collect(engine_weight_index *index, arena *memory)
{
    index->files = arena_array(memory, const char *, index->count);
    for (size_t i = 0; i < index->count; i++) index->files[i] = index->places[i].file;
    qsort(index->files, index->count, sizeof *index->files, text_compare);
    for (size_t i = 0; i < index->count; i++)
        if (i == 0 || strcmp(index->files[i], index->files[index->file_count - 1]) != 0)
            index->files[index->file_count++] = index->files[i];
    if (index->file_count > ENGINE_WEIGHTS_SHARDS_MAX)
        return err_make(ERR_LIMIT, "%zu shards, the limit is %d", index->file_count,
                        ENGINE_WEIGHTS_SHARDS_MAX);
    return ERR_OK;
}

static err index_parse(bytes_view json, arena *memory, engine_weight_index *out)
{
    const json_node *root = NULL;
    err e = json_parse(json, INDEX_DEPTH_MAX, memory, &root);
    if (e.code) return e;
    const json_node *map = json_get(root, "weight_map");
    if (!json_is(map, JSON_OBJECT))
        return err_make(ERR_FORMAT, "expected an object with an object weight_map");
    if (!json_count(map)) return err_make(ERR_FORMAT, "weight_map is empty");
    bytes_view twice = json_duplicate_key(map, memory);
    if (twice.data)
        return err_make(ERR_FORMAT, "%.*s stands twice in weight_map", (int)MIN_OF(twice.size, 200u),
                        twice.data);
    out->places = arena_array(memory, engine_weight_place, json_count(map));
    for (const json_node *item = json_first(map); !e.code && item; item = item->next)
        e = place_read(item, memory, &out->places[out->count++]);
    if (e.code) return e;
    qsort(out->places, out->count, sizeof *out->places, place_compare);
    return files_collect(out, memory);
}

err engine_weight_index_read(engine_files *files, arena *memory, engine_weight_index *out)
{
    CLEANUP(bytes_free) bytes json = {0};
    err e = engine_files_read(files, ENGINE_WEIGHT_INDEX_FILE, ENGINE_WEIGHTS_INDEX_BYTES_MAX, &json);
    if (e.code) return e;
    e = index_parse(bytes_borrow(&json), memory, out);
    return err_note(e, "%s/" ENGINE_WEIGHT_INDEX_FILE, engine_files_borrow_place(files));
}
