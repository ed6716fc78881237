/* engine/weights.c: shards opened and joined into one table by name. */
#include "engine/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "engine/weights_index.h"

#define SINGLE_FILE "model.safetensors"

enum { NAMES_SHOWN_MAX = 4 };

typedef struct shard {
    char *name;
    engine_mapping *mapping;
    engine_safetensors *header;
} shard;

typedef struct tensor_row {
    engine_weight weight;
    const engine_mapping *mapping; /* of its shard */
} tensor_row;

struct engine_weights {
    shard *shards; /* in order of name */
    size_t shard_count;
    tensor_row *rows; /* sorted by name; names and shapes are the shards' */
    size_t count;
};

void engine_weights_free(engine_weights *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->shard_count; i++) {
        engine_safetensors_free(w->shards[i].header);
        engine_mapping_free(w->shards[i].mapping);
        free(w->shards[i].name);
    }
    free(w->shards);
    free(w->rows);
    free(w);
}

/* ---- which files ---- */

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), end = strlen(ending);
    return size >= end && strcmp(text + size - end, ending) == 0;
}

static bool is_other_weights(const char *name)
{
    return ends_with(name, ".safetensors") && !strchr(name, '/') && !begins_with(name, "consolidated") &&
           strcmp(name, "adapter_model.safetensors") != 0;
}

static bool is_pickle(const char *name)
{
    bool known =
        begins_with(name, "pytorch_model") && (ends_with(name, ".bin") || ends_with(name, ".bin.index.json"));
    return known || (begins_with(name, "consolidated") && ends_with(name, ".pth"));
}

/* The one file that is neither model.safetensors nor named by an index. */
static err other_find(const engine_files *files, const char **out)
{
    const char *found = NULL, *pickle = NULL, *place = engine_files_borrow_place(files);
    for (size_t i = 0; i < engine_files_count(files); i++) {
        const char *name = engine_files_borrow_name(files, i);
        if (is_pickle(name)) pickle = name;
        if (!is_other_weights(name)) continue;
        if (found)
            return err_make(ERR_FORMAT,
                            "%s: %s and %s, but no " ENGINE_WEIGHT_INDEX_FILE
                            " that says which tensors are in which",
                            place, found, name);
        found = name;
    }
    if (!found && pickle)
        return err_make(
            ERR_UNSUPPORTED,
            "%s: %s is a Python pickle, which may run code and is never opened; convert the weights to "
            "safetensors",
            place, pickle);
    if (!found) return err_make(ERR_NOT_FOUND, "%s holds no weights (expected " SINGLE_FILE ")", place);
    *out = found;
    return ERR_OK;
}

/* ---- opening ---- */

static err shard_open(engine_files *files, const char *name, shard *out)
{
    out->name = memory_text(name);
    err e = engine_files_map(files, name, &out->mapping);
    if (e.code) return e;
    bytes_view view = engine_mapping_view(out->mapping);
    const char *place = engine_mapping_borrow_place(out->mapping);
    if (engine_files_is_pointer(view))
        return err_make(ERR_NOT_FOUND, "%s is a Git LFS pointer, the content itself has not been fetched",
                        place);
    return err_note(engine_safetensors_parse(view, &out->header), "%s", place);
}

static err shards_open(engine_weights *w, engine_files *files, const char *const *names, size_t count)
{
    w->shards = memory_alloc(count * sizeof *w->shards);
    w->shard_count = count;
    err e = ERR_OK;
    for (size_t i = 0; !e.code && i < count; i++) e = shard_open(files, names[i], &w->shards[i]);
    return e;
}

static void row_add(engine_weights *w, const shard *from, const engine_safetensor *t)
{
    w->rows[w->count++] = (tensor_row){
        .weight = {t->name, from->name, t->type, t->rank, t->shape, t->count, t->data},
        .mapping = from->mapping,
    };
}

static int row_compare(const void *a, const void *b)
{
    return strcmp(((const tensor_row *)a)->weight.name, ((const tensor_row *)b)->weight.name);
}

static err open_single(engine_weights *w, engine_files *files, const char *name)
{
    err e = shards_open(w, files, &name, 1);
    if (e.code) return e;
    const engine_safetensors *header = w->shards[0].header;
    size_t count = engine_safetensors_count(header);
    w->rows = memory_resize_array(NULL, count + 1, sizeof *w->rows);
    for (size_t i = 0; i < count; i++) row_add(w, &w->shards[0], engine_safetensors_borrow(header, i));
    qsort(w->rows, w->count, sizeof *w->rows, row_compare);
    return ERR_OK;
}

static int shard_compare(const void *name, const void *row)
{
    return strcmp(name, ((const shard *)row)->name);
}

/* The index decides: what a shard holds besides is ignored, what it lacks is an error. */
static err open_indexed(engine_weights *w, engine_files *files, arena *memory)
{
    engine_weight_index index = {0};
    err e = engine_weight_index_read(files, memory, &index);
    if (!e.code) e = shards_open(w, files, index.files, index.file_count);
    if (e.code) return e;
    w->rows = memory_resize_array(NULL, index.count, sizeof *w->rows);
    for (size_t i = 0; i < index.count; i++) {
        const engine_weight_place *place = &index.places[i];
        const shard *from = bsearch(place->file, w->shards, w->shard_count, sizeof *w->shards, shard_compare);
        const engine_safetensor *t = engine_safetensors_find(from->header, place->tensor);
        if (!t)
            return err_make(ERR_FORMAT, "%s: holds no tensor %s, though " ENGINE_WEIGHT_INDEX_FILE " says so",
                            engine_mapping_borrow_place(from->mapping), place->tensor);
        row_add(w, from, t);
    }
    return ERR_OK;
}

err engine_weights_open(engine_files *files, engine_weights **out)
{
    engine_weights *w = memory_alloc(sizeof *w);
    arena memory = {0};
    err e = ERR_OK;
    const char *name = SINGLE_FILE;
    if (engine_files_has(files, ENGINE_WEIGHT_INDEX_FILE) && !engine_files_has(files, SINGLE_FILE)) {
        e = open_indexed(w, files, &memory);
    } else {
        if (!engine_files_has(files, SINGLE_FILE)) e = other_find(files, &name);
        if (!e.code) e = open_single(w, files, name);
    }
    arena_free(&memory);
    if (e.code)
        engine_weights_free(w);
    else
        *out = w;
    return e;
}

err engine_weights_open_file(engine_files *files, const char *name, engine_weights **out)
{
    engine_weights *w = memory_alloc(sizeof *w);
    err e = open_single(w, files, name);
    if (e.code)
        engine_weights_free(w);
    else
        *out = w;
    return e;
}

static void name_list(bytes *names, size_t *count, const char *name)
{
    bytes_append(names, name, strlen(name) + 1);
    (*count)++;
}

err engine_weights_list_files(engine_files *files, bytes *names, size_t *count)
{
    bytes_clear(names);
    *count = 0;
    const char *name = SINGLE_FILE;
    if (engine_files_has(files, SINGLE_FILE) || !engine_files_has(files, ENGINE_WEIGHT_INDEX_FILE)) {
        err e = engine_files_has(files, SINGLE_FILE) ? ERR_OK : other_find(files, &name);
        if (!e.code) name_list(names, count, name);
        return e;
    }
    arena memory = {0};
    engine_weight_index index = {0};
    err e = engine_weight_index_read(files, &memory, &index);
    if (!e.code) {
        name_list(names, count, ENGINE_WEIGHT_INDEX_FILE);
        for (size_t i = 0; i < index.file_count; i++) name_list(names, count, index.files[i]);
    }
    arena_free(&memory);
    return e;
}

/* ---- looking ---- */

size_t engine_weights_count(const engine_weights *w) { return w->count; }

const engine_weight *engine_weights_borrow(const engine_weights *w, size_t i) { return &w->rows[i].weight; }

static const tensor_row *row_find(const engine_weights *w, const char *name)
{
    tensor_row wanted = {.weight = {.name = name}};
    return w->count ? bsearch(&wanted, w->rows, w->count, sizeof *w->rows, row_compare) : NULL;
}

const engine_weight *engine_weights_find(const engine_weights *w, const char *name)
{
    const tensor_row *row = row_find(w, name);
    return row ? &row->weight : NULL;
}

const engine_weight *engine_weights_find_ending(const engine_weights *w, const char *ending)
{
    const engine_weight *best = NULL;
    for (size_t i = 0; i < w->count; i++) {
        const engine_weight *weight = &w->rows[i].weight;
        if (!ends_with(weight->name, ending)) continue;
        size_t before = strlen(weight->name) - strlen(ending);
        if (before && weight->name[before - 1] != '.') continue;
        if (!best || strlen(weight->name) < strlen(best->name)) best = weight;
    }
    return best;
}

uint64_t engine_weights_bytes(const engine_weights *w)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < w->count; i++) sum += w->rows[i].weight.data.size;
    return sum;
}

uint64_t engine_weights_parameters(const engine_weights *w)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < w->count; i++) sum += w->rows[i].weight.count;
    return sum;
}

engine_dtype engine_weights_main_type(const engine_weights *w)
{
    uint64_t counts[ENGINE_DTYPE_COUNT] = {0};
    for (size_t i = 0; i < w->count; i++) counts[w->rows[i].weight.type] += w->rows[i].weight.count;
    engine_dtype best = ENGINE_DTYPE_F32;
    for (int i = 0; i < ENGINE_DTYPE_COUNT; i++)
        if (counts[i] > counts[best]) best = (engine_dtype)i;
    return best;
}

bytes_view engine_weights_metadata(const engine_weights *w, const char *key)
{
    return engine_safetensors_metadata(w->shards[0].header, key);
}

/* ---- tensors ---- */

static bool weight_type(engine_dtype type, tensor_type *out)
{
    switch (type) {
    case ENGINE_DTYPE_F32: *out = TENSOR_F32; return true;
    case ENGINE_DTYPE_F16: *out = TENSOR_F16; return true;
    case ENGINE_DTYPE_BF16: *out = TENSOR_BF16; return true;
    default: return false;
    }
}

static void mapping_release(void *mapping) { engine_mapping_free(mapping); }

tensor *engine_weights_load(const engine_weights *w, tensor_scope *scope, const char *name, tensor_type type,
                            tensor_device device)
{
    const tensor_row *row = row_find(w, name);
    if (!row) return tensor_fail(scope, err_make(ERR_NOT_FOUND, "there is no tensor %s", name));
    tensor_type stored;
    const char *place = engine_mapping_borrow_place(row->mapping);
    if (!weight_type(row->weight.type, &stored))
        return tensor_fail(scope,
                           err_make(ERR_UNSUPPORTED, "%s: %s is stored as %s, expected F32, F16 or BF16",
                                    place, name, engine_dtype_name(row->weight.type)));
    if (row->weight.rank > TENSOR_RANK_MAX)
        return tensor_fail(scope, err_make(ERR_LIMIT, "%s: %s has %u dimensions, the limit is %d", place,
                                           name, row->weight.rank, TENSOR_RANK_MAX));
    tensor *lying = tensor_over(scope, stored, row->weight.shape, (int)row->weight.rank,
                                row->weight.data.data, mapping_release, engine_mapping_share(row->mapping));
    return tensor_to(scope, lying, type, device);
}

void engine_weights_let_go(const engine_weights *w, const char *name)
{
    const tensor_row *row = row_find(w, name);
    if (row) engine_mapping_let_go(row->mapping, row->weight.data);
}

/* ---- checking ---- */

/* "3 tensors are missing: a, b, c" grown name by name; the first few are shown. */
typedef struct complaint {
    const char *what;
    size_t count;
    bytes names;
} complaint;

static void complain(complaint *c, const char *name, const char *detail)
{
    if (c->count++ >= NAMES_SHOWN_MAX) return;
    bytes_printf(&c->names, "%s%s%s", c->names.size ? ", " : "", name, detail);
}

static void complaint_print(const complaint *c, bytes *out)
{
    if (!c->count) return;
    bytes_printf(out, "%s%zu tensor%s %s: %s", out->size ? "; " : "", c->count,
                 c->count > 1 ? "s are" : " is", c->what, bytes_text(&c->names));
    if (c->count > NAMES_SHOWN_MAX) bytes_printf(out, " and %zu more", c->count - NAMES_SHOWN_MAX);
}

static bool shape_fits(const engine_weight *weight, const engine_weight_want *want)
{
    if (weight->rank != want->rank) return false;
    for (unsigned i = 0; i < want->rank; i++)
        if (want->shape[i] >= 0 && want->shape[i] != weight->shape[i]) return false;
    return true;
}

static void complain_shape(complaint *c, const engine_weight *weight, const engine_weight_want *want)
{
    CLEANUP(bytes_free) bytes detail = {0};
    bytes_append_text(&detail, " is ");
    engine_shape_print(weight->shape, weight->rank, &detail);
    bytes_append_text(&detail, ", expected ");
    engine_shape_print(want->shape, want->rank, &detail);
    complain(c, want->name, bytes_text(&detail));
}

err engine_weights_check(const engine_weights *w, const engine_weight_want *wants, size_t want_count)
{
    complaint missing = {.what = "missing"}, misshapen = {.what = "of a wrong shape"},
              typed = {.what = "unusable"};
    for (size_t i = 0; i < want_count; i++) {
        const engine_weight *weight = engine_weights_find(w, wants[i].name);
        tensor_type ignored;
        if (!weight) {
            if (!wants[i].optional) complain(&missing, wants[i].name, "");
        } else if (!shape_fits(weight, &wants[i])) {
            complain_shape(&misshapen, weight, &wants[i]);
        } else if (!weight_type(weight->type, &ignored)) {
            CLEANUP(bytes_free) bytes detail = {0};
            bytes_printf(&detail, " is %s, expected F32, F16 or BF16", engine_dtype_name(weight->type));
            complain(&typed, weight->name, bytes_text(&detail));
        }
    }
    CLEANUP(bytes_free) bytes all = {0};
    complaint_print(&missing, &all);
    complaint_print(&misshapen, &all);
    complaint_print(&typed, &all);
    err_code code = missing.count || misshapen.count ? ERR_FORMAT : typed.count ? ERR_UNSUPPORTED : ERR_NONE;
    bytes_free(&missing.names);
    bytes_free(&misshapen.names);
    bytes_free(&typed.names);
    return code ? err_make(code, "%s", bytes_text(&all)) : ERR_OK;
}
