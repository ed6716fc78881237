/* engine/adapter_file.c: which tensor is what, and whether it fits. */
#include "engine/adapter_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/macros.h"
#include "engine/arch/modules.h"
#include "engine/dtype_values.h"

#define WEIGHTS_ENDING ".safetensors"
#define CONFIG_ENDING  ".config.json"

enum { NAME_BYTES_MAX = 512, UNMATCHED_NAMED = 3 };

static const struct {
    const char *text;
    engine_adapter_slot slot;
} endings[] = {
    {".lora_A.weight", ENGINE_ADAPTER_A},
    {".lora_B.weight", ENGINE_ADAPTER_B},
    {".lora_B.bias", ENGINE_ADAPTER_B_BIAS},
    {".lora_magnitude_vector.weight", ENGINE_ADAPTER_MAGNITUDE},
    {".lora_magnitude_vector", ENGINE_ADAPTER_MAGNITUDE},
    {".lora_embedding_A", ENGINE_ADAPTER_EMBED_A},
    {".lora_embedding_B", ENGINE_ADAPTER_EMBED_B},
    {".weight", ENGINE_ADAPTER_WEIGHT},
    {".bias", ENGINE_ADAPTER_BIAS},
};

static const char prefix[] = "base_model.model.";

/* Words that some writers leave inside names. */
static const char *const dropped_words[] = {".modules_to_save", ".base_layer", ".default"};

struct engine_adapter_file {
    const engine_spec *spec;
    engine_weights *weights;
    engine_adapter_config *config;
    bytes json;
    const engine_weight *(*found)[ENGINE_ADAPTER_SLOT_COUNT]; /* by module */
    size_t module_count;
};

/* -- which tensor is what --------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), part = strlen(ending);
    return size >= part && strcmp(text + size - part, ending) == 0;
}

/* Without PEFT's prefix and other writers' words; the caller's: free(). */
static char *bare_name(const char *full)
{
    if (strncmp(full, prefix, sizeof prefix - 1) == 0) full += sizeof prefix - 1;
    char *name = memory_text(full);
    for (size_t i = 0; i < COUNT_OF(dropped_words); i++) {
        size_t size = strlen(dropped_words[i]);
        for (char *at; (at = strstr(name, dropped_words[i]));) memmove(at, at + size, strlen(at + size) + 1);
    }
    return name;
}

void engine_adapter_peft_name(const char *name, bytes *out)
{
    static const char magnitude[] = ".lora_magnitude_vector", weight[] = ".weight";
    char *bare = bare_name(name);
    size_t size = strlen(bare), odd = strlen(magnitude) + strlen(weight);
    if (size > odd && strcmp(bare + size - strlen(weight), weight) == 0 &&
        strncmp(bare + size - odd, magnitude, strlen(magnitude)) == 0)
        bare[size - strlen(weight)] = 0;
    bytes_printf(out, "%s%s", prefix, bare);
    free(bare);
}

/* Module and slot of a name; ENGINE_MODULE_NONE: it is nothing of this base. */
static size_t module_of_name(const engine_spec *spec, const char *full, engine_adapter_slot *slot)
{
    if (strlen(full) > NAME_BYTES_MAX) return ENGINE_MODULE_NONE;
    size_t module = ENGINE_MODULE_NONE;
    char *name = bare_name(full);
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        if (!ends_with(name, endings[i].text)) continue;
        name[strlen(name) - strlen(endings[i].text)] = 0;
        *slot = endings[i].slot;
        module = engine_module_find(spec, name);
        break;
    }
    free(name);
    return module;
}

static err sort_tensors(engine_adapter_file *f)
{
    CLEANUP(bytes_free) bytes unmatched = {0};
    size_t unmatched_count = 0;
    for (size_t i = 0; i < engine_weights_count(f->weights); i++) {
        const engine_weight *w = engine_weights_borrow(f->weights, i);
        engine_adapter_slot slot = ENGINE_ADAPTER_SLOT_COUNT;
        size_t module = module_of_name(f->spec, w->name, &slot);
        if (module == ENGINE_MODULE_NONE) {
            if (unmatched_count++ < UNMATCHED_NAMED)
                bytes_printf(&unmatched, "%s%s", unmatched_count > 1 ? ", " : "", w->name);
            continue;
        }
        const engine_weight **place = &f->found[module][slot];
        if (*place)
            return err_make(ERR_FORMAT, "%s and %s are the same tensor of the base", (*place)->name, w->name);
        *place = w;
    }
    if (unmatched_count == 0) return ERR_OK;
    return err_make(ERR_FORMAT, "%zu of %zu tensors %s no module of the base model: %s%s", unmatched_count,
                    engine_weights_count(f->weights), unmatched_count == 1 ? "matches" : "match",
                    bytes_text(&unmatched), unmatched_count > UNMATCHED_NAMED ? ", ..." : "");
}

/* -- checks -------------------------------------------------------------------------------------------- */

/* rank 1: rows alone. NULL is fine: nothing to check. */
static err check_shape(const engine_weight *w, unsigned rank, size_t rows, size_t columns)
{
    if (!w) return ERR_OK;
    if (w->type != ENGINE_DTYPE_F32 && w->type != ENGINE_DTYPE_F16 && w->type != ENGINE_DTYPE_BF16)
        return err_make(ERR_UNSUPPORTED, "%s is of type %s; an adapter's tensors are F32, F16 or BF16",
                        w->name, engine_dtype_name(w->type));
    const int64_t wanted[] = {(int64_t)rows, (int64_t)columns};
    if (w->rank == rank && w->shape[0] == wanted[0] && (rank == 1 || w->shape[1] == wanted[1])) return ERR_OK;
    CLEANUP(bytes_free) bytes is = {0}, should = {0};
    engine_shape_print(w->shape, w->rank, &is);
    engine_shape_print(wanted, rank, &should);
    return err_make(ERR_FORMAT, "%s is %s, expected %s", w->name, bytes_text(&is), bytes_text(&should));
}

static err check_pair(const engine_weight *a, const engine_weight *b)
{
    if (!a == !b) return ERR_OK;
    return err_make(ERR_FORMAT, "%s has no %s beside it", a ? a->name : b->name, a ? "lora_B" : "lora_A");
}

static err check_low_rank(const engine_adapter_file *f, const engine_weight *const *found, size_t module,
                          size_t out, size_t in)
{
    char name[ENGINE_MODULE_NAME_MAX];
    engine_module_name(f->spec, module, name, sizeof name);
    size_t rank = 0;
    double scale = 0;
    err e = engine_adapter_config_module(f->config, name, &rank, &scale);
    if (!e.code) e = check_pair(found[ENGINE_ADAPTER_A], found[ENGINE_ADAPTER_B]);
    if (!e.code) e = check_shape(found[ENGINE_ADAPTER_A], 2, rank, in);
    if (!e.code) e = check_shape(found[ENGINE_ADAPTER_B], 2, out, rank);
    if (!e.code) e = check_shape(found[ENGINE_ADAPTER_B_BIAS], 1, out, 0);
    if (!e.code) e = check_shape(found[ENGINE_ADAPTER_MAGNITUDE], 1, out, 0);
    if (!e.code) e = check_pair(found[ENGINE_ADAPTER_EMBED_A], found[ENGINE_ADAPTER_EMBED_B]);
    if (!e.code) e = check_shape(found[ENGINE_ADAPTER_EMBED_A], 2, rank, out);
    if (!e.code) e = check_shape(found[ENGINE_ADAPTER_EMBED_B], 2, in, rank);
    return e;
}

/* Slots that make no sense for this kind of module. */
static err check_kind(const engine_weight *const *found, engine_module_kind kind, bool has_bias)
{
    bool linear = engine_module_is_linear(kind), embed = kind == ENGINE_MODULE_EMBED;
    const engine_weight *extra =
        found[ENGINE_ADAPTER_B_BIAS] ? found[ENGINE_ADAPTER_B_BIAS] : found[ENGINE_ADAPTER_MAGNITUDE];
    if (found[ENGINE_ADAPTER_MAGNITUDE] && embed)
        return err_make(ERR_UNSUPPORTED, "%s: DoRA on an embedding", found[ENGINE_ADAPTER_MAGNITUDE]->name);
    for (engine_adapter_slot slot = 0; slot < ENGINE_ADAPTER_WEIGHT; slot++) {
        bool for_embed = slot == ENGINE_ADAPTER_EMBED_A || slot == ENGINE_ADAPTER_EMBED_B;
        if (found[slot] && !(for_embed ? embed : linear))
            return err_make(ERR_FORMAT, "%s stands on a module that is no %s", found[slot]->name,
                            for_embed ? "embedding" : "linear layer");
    }
    if (extra && !found[ENGINE_ADAPTER_A])
        return err_make(ERR_FORMAT, "%s has no lora_A beside it", extra->name);
    if (found[ENGINE_ADAPTER_BIAS] && !has_bias)
        return err_make(ERR_FORMAT, "%s is a bias of a module that has none",
                        found[ENGINE_ADAPTER_BIAS]->name);
    return ERR_OK;
}

static err check_module(const engine_adapter_file *f, size_t module)
{
    const engine_weight *const *found = f->found[module];
    int64_t shape[2];
    unsigned rank = 0;
    bool has_bias = false;
    engine_module_shape(f->spec, module, shape, &rank, &has_bias);
    if (rank == 0) return ERR_OK; /* nothing can have been found for it */
    size_t out = (size_t)shape[0], in = rank == 2 ? (size_t)shape[1] : 0;
    err e = check_kind(found, engine_module_kind_of(module), has_bias);
    if (!e.code && (found[ENGINE_ADAPTER_A] || found[ENGINE_ADAPTER_B] || found[ENGINE_ADAPTER_EMBED_A] ||
                    found[ENGINE_ADAPTER_EMBED_B]))
        e = check_low_rank(f, found, module, out, in);
    if (!e.code) e = check_shape(found[ENGINE_ADAPTER_WEIGHT], rank, out, in);
    if (!e.code) e = check_shape(found[ENGINE_ADAPTER_BIAS], 1, out, 0);
    return e;
}

static err check_all(const engine_adapter_file *f)
{
    size_t count = engine_weights_count(f->weights);
    if (count == 0) return err_make(ERR_FORMAT, "the adapter holds no tensors");
    for (size_t module = 0; module < f->module_count; module++) {
        err e = check_module(f, module);
        if (e.code) return e;
    }
    for (size_t i = 0; i < count; i++) { /* of types that were checked */
        const engine_weight *w = engine_weights_borrow(f->weights, i);
        if (!engine_dtype_all_finite(w->type, w->data))
            return err_make(ERR_FORMAT, "%s holds a value that is no finite number", w->name);
    }
    return ERR_OK;
}

char *engine_adapter_config_name(const char *weights_name)
{
    bytes name = {0};
    size_t size = strlen(weights_name);

    if (strcmp(file_name(weights_name), ENGINE_ADAPTER_WEIGHTS_FILE) == 0) {
        bytes_append(&name, weights_name, size - strlen(ENGINE_ADAPTER_WEIGHTS_FILE));
        bytes_append_text(&name, ENGINE_ADAPTER_CONFIG_FILE);
        return bytes_take(&name);
    }
    if (ends_with(weights_name, WEIGHTS_ENDING)) size -= strlen(WEIGHTS_ENDING);
    bytes_append(&name, weights_name, size);
    bytes_append_text(&name, CONFIG_ENDING);
    return bytes_take(&name);
}

/* -- opening and looking ----------------------------------------------------------------------------------
 */

static err open_weights(engine_files *files, const char *weights_name, engine_weights **out)
{
    if (!weights_name && !engine_files_has(files, ENGINE_ADAPTER_WEIGHTS_FILE) &&
        engine_files_has(files, "adapter_model.bin"))
        return err_make(ERR_UNSUPPORTED,
                        "adapter_model.bin is a pickle, which is never opened; save the adapter "
                        "as " ENGINE_ADAPTER_WEIGHTS_FILE);
    return engine_weights_open_file(files, weights_name ? weights_name : ENGINE_ADAPTER_WEIGHTS_FILE, out);
}

static err read_config(engine_files *files, const char *weights_name, engine_adapter_file *f)
{
    char *name = engine_adapter_config_name(weights_name ? weights_name : ENGINE_ADAPTER_WEIGHTS_FILE);
    err e = engine_files_read(files, name, ENGINE_ADAPTER_CONFIG_BYTES_MAX, &f->json);
    if (!e.code) e = err_note(engine_adapter_config_parse(bytes_borrow(&f->json), &f->config), "%s", name);
    free(name);
    return e;
}

err engine_adapter_file_open(engine_files *files, const char *weights_name, const engine_spec *spec,
                             engine_adapter_file **out)
{
    engine_adapter_file *f = memory_alloc(sizeof *f);
    f->spec = spec;
    f->module_count = engine_module_count(spec);
    f->found = memory_alloc(f->module_count * sizeof *f->found);
    err e = read_config(files, weights_name, f);
    if (!e.code) e = open_weights(files, weights_name, &f->weights);
    if (!e.code) e = sort_tensors(f);
    if (!e.code) e = check_all(f);
    if (e.code)
        engine_adapter_file_free(f);
    else
        *out = f;
    return e;
}

void engine_adapter_file_free(engine_adapter_file *f)
{
    if (!f) return;
    engine_weights_free(f->weights);
    engine_adapter_config_free(f->config);
    bytes_free(&f->json);
    free(f->found);
    free(f);
}

const engine_spec *engine_adapter_file_borrow_spec(const engine_adapter_file *f) { return f->spec; }
const engine_weights *engine_adapter_file_borrow_weights(const engine_adapter_file *f) { return f->weights; }
const engine_adapter_config *engine_adapter_file_borrow_config(const engine_adapter_file *f)
{
    return f->config;
}
bytes_view engine_adapter_file_json(const engine_adapter_file *f) { return bytes_borrow(&f->json); }

const engine_weight *engine_adapter_file_borrow(const engine_adapter_file *f, size_t module,
                                                engine_adapter_slot slot)
{
    return f->found[module][slot];
}

void engine_adapter_file_scale(const engine_adapter_file *f, size_t module, size_t *rank, double *scale)
{
    char name[ENGINE_MODULE_NAME_MAX];
    engine_module_name(f->spec, module, name, sizeof name);
    (void)engine_adapter_config_module(f->config, name, rank, scale); /* was checked */
}

static bool is_low_rank(const engine_adapter_file *f, size_t module)
{
    return f->found[module][ENGINE_ADAPTER_A] || f->found[module][ENGINE_ADAPTER_EMBED_A];
}

size_t engine_adapter_file_acting(const engine_adapter_file *f)
{
    size_t count = 0;
    for (size_t module = 0; module < f->module_count; module++)
        count += is_low_rank(f, module) || f->found[module][ENGINE_ADAPTER_WEIGHT] ||
                 f->found[module][ENGINE_ADAPTER_BIAS];
    return count;
}

size_t engine_adapter_file_rank(const engine_adapter_file *f)
{
    size_t most = 0, rank = 0;
    double scale = 0;
    for (size_t module = 0; module < f->module_count; module++) {
        if (!is_low_rank(f, module)) continue;
        engine_adapter_file_scale(f, module, &rank, &scale);
        most = MAX_OF(most, rank);
    }
    return most;
}

bool engine_adapter_file_has(const engine_adapter_file *f, engine_adapter_slot slot)
{
    for (size_t module = 0; module < f->module_count; module++)
        if (f->found[module][slot]) return true;
    return false;
}
