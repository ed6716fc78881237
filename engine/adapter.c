/* engine/adapter.c: the tensors of an adapter's file, matched to modules of the base, checked, loaded. */
#include "engine/adapter.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/macros.h"
#include "engine/adapter_internal.h"
#include "engine/arch/modules.h"
#include "engine/decoder.h"
#include "engine/weights.h"

#define WEIGHTS_FILE   "adapter_model.safetensors"
#define CONFIG_FILE    "adapter_config.json"
#define WEIGHTS_ENDING ".safetensors"
#define CONFIG_ENDING  ".config.json"

enum { NAME_BYTES_MAX = 512, UNMATCHED_NAMED = 3 };

/* What a tensor is to its module. */
typedef enum part_slot {
    SLOT_A,
    SLOT_B,
    SLOT_B_BIAS,
    SLOT_MAGNITUDE,
    SLOT_EMBED_A,
    SLOT_EMBED_B,
    SLOT_WEIGHT,
    SLOT_BIAS,
    SLOT_COUNT,
} part_slot;

static const struct {
    const char *text;
    part_slot slot;
} endings[] = {
    {".lora_A.weight", SLOT_A},
    {".lora_B.weight", SLOT_B},
    {".lora_B.bias", SLOT_B_BIAS},
    {".lora_magnitude_vector.weight", SLOT_MAGNITUDE},
    {".lora_magnitude_vector", SLOT_MAGNITUDE},
    {".lora_embedding_A", SLOT_EMBED_A},
    {".lora_embedding_B", SLOT_EMBED_B},
    {".weight", SLOT_WEIGHT},
    {".bias", SLOT_BIAS},
};

/* Words that some writers leave inside names. */
static const char *const dropped_words[] = {".modules_to_save", ".base_layer", ".default"};

struct engine_adapter {
    atomic_size_t reference_count;
    char *title;
    const engine_decoder *base;
    size_t module_count;
    engine_adapter_part *parts; /* by module */
    uint64_t parameters, bytes;
    size_t acting_count, rank_max;
    bool dora;
};

/* An adapter on its way in. */
typedef struct adapter_load {
    const engine_spec *spec;
    const engine_decoder *base;
    const engine_weights *weights;
    const engine_adapter_config *config;
    const engine_weight *(*found)[SLOT_COUNT]; /* by module */
    size_t module_count;
} adapter_load;

/* -- which tensor is what --------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), part = strlen(ending);
    return size >= part && strcmp(text + size - part, ending) == 0;
}

/* Module and slot of a name; ENGINE_MODULE_NONE: it is nothing of this base. */
static size_t module_of_name(const engine_spec *spec, const char *full, part_slot *slot)
{
    static const char prefix[] = "base_model.model.";
    char name[NAME_BYTES_MAX];
    if (strncmp(full, prefix, sizeof prefix - 1) == 0) full += sizeof prefix - 1;
    if (snprintf(name, sizeof name, "%s", full) >= (int)sizeof name) return ENGINE_MODULE_NONE;
    for (size_t i = 0; i < COUNT_OF(dropped_words); i++) {
        size_t size = strlen(dropped_words[i]);
        for (char *at; (at = strstr(name, dropped_words[i]));) memmove(at, at + size, strlen(at + size) + 1);
    }
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        if (!ends_with(name, endings[i].text)) continue;
        name[strlen(name) - strlen(endings[i].text)] = 0;
        *slot = endings[i].slot;
        return engine_module_find(spec, name);
    }
    return ENGINE_MODULE_NONE;
}

static err sort_tensors(adapter_load *load)
{
    CLEANUP(bytes_free) bytes unmatched = {0};
    size_t unmatched_count = 0;
    for (size_t i = 0; i < engine_weights_count(load->weights); i++) {
        const engine_weight *w = engine_weights_borrow(load->weights, i);
        part_slot slot = SLOT_COUNT;
        size_t module = module_of_name(load->spec, w->name, &slot);
        if (module == ENGINE_MODULE_NONE) {
            if (unmatched_count++ < UNMATCHED_NAMED)
                bytes_printf(&unmatched, "%s%s", unmatched_count > 1 ? ", " : "", w->name);
            continue;
        }
        const engine_weight **place = &load->found[module][slot];
        if (*place)
            return err_make(ERR_FORMAT, "%s and %s are the same tensor of the base", (*place)->name, w->name);
        *place = w;
    }
    if (unmatched_count == 0) return ERR_OK;
    return err_make(ERR_FORMAT, "%zu tensor%s no module of the base model: %s%s", unmatched_count,
                    unmatched_count == 1 ? " matches" : "s match", bytes_text(&unmatched),
                    unmatched_count > UNMATCHED_NAMED ? ", ..." : "");
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

static err check_low_rank(const adapter_load *load, const engine_weight *const *found, size_t module,
                          size_t out, size_t in)
{
    char name[ENGINE_MODULE_NAME_MAX];
    engine_module_name(load->spec, module, name, sizeof name);
    size_t rank = 0;
    double scale = 0;
    err e = engine_adapter_config_module(load->config, name, &rank, &scale);
    if (!e.code) e = check_pair(found[SLOT_A], found[SLOT_B]);
    if (!e.code) e = check_shape(found[SLOT_A], 2, rank, in);
    if (!e.code) e = check_shape(found[SLOT_B], 2, out, rank);
    if (!e.code) e = check_shape(found[SLOT_B_BIAS], 1, out, 0);
    if (!e.code) e = check_shape(found[SLOT_MAGNITUDE], 1, out, 0);
    if (!e.code) e = check_pair(found[SLOT_EMBED_A], found[SLOT_EMBED_B]);
    if (!e.code) e = check_shape(found[SLOT_EMBED_A], 2, rank, out);
    if (!e.code) e = check_shape(found[SLOT_EMBED_B], 2, in, rank);
    return e;
}

/* Slots that make no sense for this kind of module. */
static err check_kind(const engine_weight *const *found, engine_module_kind kind, bool has_bias)
{
    bool linear = engine_module_is_linear(kind), embed = kind == ENGINE_MODULE_EMBED;
    const engine_weight *extra = found[SLOT_B_BIAS] ? found[SLOT_B_BIAS] : found[SLOT_MAGNITUDE];
    if (found[SLOT_MAGNITUDE] && embed)
        return err_make(ERR_UNSUPPORTED, "%s: DoRA on an embedding", found[SLOT_MAGNITUDE]->name);
    for (part_slot slot = 0; slot < SLOT_WEIGHT; slot++) {
        bool for_embed = slot == SLOT_EMBED_A || slot == SLOT_EMBED_B;
        if (found[slot] && !(for_embed ? embed : linear))
            return err_make(ERR_FORMAT, "%s stands on a module that is no %s", found[slot]->name,
                            for_embed ? "embedding" : "linear layer");
    }
    if (extra && !found[SLOT_A]) return err_make(ERR_FORMAT, "%s has no lora_A beside it", extra->name);
    if (found[SLOT_BIAS] && !has_bias)
        return err_make(ERR_FORMAT, "%s is a bias of a module that has none", found[SLOT_BIAS]->name);
    return ERR_OK;
}

static err check_module(const adapter_load *load, size_t module)
{
    const engine_weight *const *found = load->found[module];
    int64_t shape[2];
    unsigned rank = 0;
    bool has_bias = false;
    engine_module_shape(load->spec, module, shape, &rank, &has_bias);
    if (rank == 0) return ERR_OK; /* nothing can have been found for it */
    size_t out = (size_t)shape[0], in = rank == 2 ? (size_t)shape[1] : 0;
    err e = check_kind(found, engine_module_kind_of(module), has_bias);
    if (!e.code && (found[SLOT_A] || found[SLOT_B] || found[SLOT_EMBED_A] || found[SLOT_EMBED_B]))
        e = check_low_rank(load, found, module, out, in);
    if (!e.code) e = check_shape(found[SLOT_WEIGHT], rank, out, in);
    if (!e.code) e = check_shape(found[SLOT_BIAS], 1, out, 0);
    return e;
}

static err check_all(const adapter_load *load)
{
    size_t count = engine_weights_count(load->weights);
    if (count == 0) return err_make(ERR_FORMAT, "the adapter holds no tensors");
    for (size_t module = 0; module < load->module_count; module++) {
        err e = check_module(load, module);
        if (e.code) return e;
    }
    return ERR_OK;
}

/* -- making
 * -------------------------------------------------------------------------------------------------- */

/* One tensor of the adapter; NULL stays NULL. */
static tensor *load_whole(const adapter_load *load, tensor_scope *s, const engine_weight *w,
                          engine_adapter *a)
{
    if (!w) return NULL;
    tensor_type type = engine_decoder_type(load->base);
    a->parameters += w->count;
    a->bytes += w->count * tensor_type_bytes(type);
    return tensor_keep(
        s, engine_weights_load(load->weights, s, w->name, type, engine_decoder_device(load->base)));
}

/* Low-rank parts are f32 whatever the file has: they are small, and it is how PEFT computes and trains them.
 * They are copied out of the mapped file, so that training may write to them. */
static tensor *load_low_rank(const adapter_load *load, tensor_scope *s, const engine_weight *w,
                             engine_adapter *a)
{
    if (!w) return NULL;
    a->parameters += w->count;
    a->bytes += w->count * tensor_type_bytes(TENSOR_F32);
    tensor_device device = engine_decoder_device(load->base);
    return tensor_keep(s,
                       tensor_clone(s, engine_weights_load(load->weights, s, w->name, TENSOR_F32, device)));
}

static void make_part(const adapter_load *load, tensor_scope *s, size_t module, engine_adapter *a)
{
    const engine_weight *const *found = load->found[module];
    engine_adapter_part *part = &a->parts[module];
    bool embed = found[SLOT_EMBED_A] != NULL;
    part->a = load_low_rank(load, s, found[embed ? SLOT_EMBED_A : SLOT_A], a);
    part->b = load_low_rank(load, s, found[embed ? SLOT_EMBED_B : SLOT_B], a);
    part->b_bias = load_low_rank(load, s, found[SLOT_B_BIAS], a);
    part->magnitude = load_low_rank(load, s, found[SLOT_MAGNITUDE], a);
    part->weight = load_whole(load, s, found[SLOT_WEIGHT], a);
    part->bias = load_whole(load, s, found[SLOT_BIAS], a);
    if (part->magnitude) a->dora = true;
    if (part->a || part->weight || part->bias) a->acting_count++;
    if (!part->a) return;
    char name[ENGINE_MODULE_NAME_MAX];
    engine_module_name(load->spec, module, name, sizeof name);
    size_t rank = 0;
    (void)engine_adapter_config_module(load->config, name, &rank, &part->scale); /* was checked */
    a->rank_max = MAX_OF(a->rank_max, rank);
}

static err make_all(const adapter_load *load, const char *title, engine_adapter **out)
{
    engine_adapter *a = memory_alloc(sizeof *a);
    a->reference_count = 1;
    a->title = memory_text(title);
    a->base = load->base;
    a->module_count = load->module_count;
    a->parts = memory_alloc(load->module_count * sizeof *a->parts);
    tensor_scope *s = tensor_scope_new(false);
    for (size_t module = 0; module < load->module_count; module++) make_part(load, s, module, a);
    err e = tensor_scope_close(s);
    if (e.code)
        engine_adapter_free(a);
    else
        *out = a;
    return e;
}

/* "NN_name.config.json" for "NN_name.safetensors". The caller's: free(). */
static char *config_name_for(const char *weights_name)
{
    bytes name = {0};
    size_t size = strlen(weights_name);
    if (ends_with(weights_name, WEIGHTS_ENDING)) size -= strlen(WEIGHTS_ENDING);
    bytes_append(&name, weights_name, size);
    bytes_append_text(&name, CONFIG_ENDING);
    return bytes_take(&name);
}

static err read_config(engine_files *files, const char *weights_name, engine_adapter_config **out)
{
    CLEANUP(bytes_free) bytes json = {0};
    char *name = weights_name ? config_name_for(weights_name) : memory_text(CONFIG_FILE);
    err e = engine_files_read(files, name, ENGINE_ADAPTER_CONFIG_BYTES_MAX, &json);
    if (!e.code) e = err_note(engine_adapter_config_parse(bytes_borrow(&json), out), "%s", name);
    free(name);
    return e;
}

static err open_weights(engine_files *files, const char *weights_name, engine_weights **out)
{
    if (!weights_name && !engine_files_has(files, WEIGHTS_FILE) &&
        engine_files_has(files, "adapter_model.bin"))
        return err_make(ERR_UNSUPPORTED,
                        "adapter_model.bin is a pickle, which is never opened; save the adapter "
                        "as " WEIGHTS_FILE);
    return engine_weights_open_file(files, weights_name ? weights_name : WEIGHTS_FILE, out);
}

err engine_adapter_load(engine_files *files, const char *weights_name, const char *title,
                        const engine_decoder *base, engine_adapter **out)
{
    engine_adapter_config *config = NULL;
    engine_weights *weights = NULL;
    adapter_load load = {.spec = engine_decoder_borrow_spec(base), .base = base};
    err e = read_config(files, weights_name, &config);
    if (!e.code) e = open_weights(files, weights_name, &weights);
    if (!e.code) {
        load.config = config;
        load.weights = weights;
        load.module_count = engine_module_count(load.spec);
        load.found = memory_alloc(load.module_count * sizeof *load.found);
        e = sort_tensors(&load);
    }
    if (!e.code) e = check_all(&load);
    if (!e.code) e = make_all(&load, title, out);
    free(load.found);
    engine_weights_free(weights);
    engine_adapter_config_free(config);
    return err_note(e, "adapter %s", title);
}

static err open_pair(const char *path, const engine_decoder *base, engine_adapter **out)
{
    engine_files *files = NULL;
    char *folder = file_parent(path), *title = memory_text(file_name(path));
    title[strlen(title) - strlen(WEIGHTS_ENDING)] = 0;
    err e = engine_files_open_folder(folder, &files);
    if (!e.code) e = engine_adapter_load(files, file_name(path), title, base, out);
    engine_files_free(files);
    free(title);
    free(folder);
    return e;
}

err engine_adapter_open(const char *path, const engine_decoder *base, engine_adapter **out)
{
    if (!file_exists(path)) return err_make(ERR_NOT_FOUND, "there is no adapter %s", path);
    if (!file_is_folder(path)) {
        if (ends_with(path, WEIGHTS_ENDING)) return open_pair(path, base, out);
        return err_make(ERR_USAGE, "adapter %s is neither a folder nor a %s file", path, WEIGHTS_ENDING);
    }
    engine_files *files = NULL;
    err e = engine_files_open_folder(path, &files);
    if (!e.code) e = engine_adapter_load(files, NULL, engine_files_borrow_title(files), base, out);
    engine_files_free(files);
    return e;
}

/* -- sharing and looking
 * ------------------------------------------------------------------------------------- */

engine_adapter *engine_adapter_share(engine_adapter *a)
{
    if (a) atomic_fetch_add(&a->reference_count, 1);
    return a;
}

void engine_adapter_free(engine_adapter *a)
{
    if (!a || atomic_fetch_sub(&a->reference_count, 1) > 1) return;
    for (size_t i = 0; i < a->module_count; i++) {
        const engine_adapter_part *part = &a->parts[i];
        tensor *const all[] = {part->a, part->b, part->b_bias, part->magnitude, part->weight, part->bias};
        for (size_t t = 0; t < COUNT_OF(all); t++) tensor_free(all[t]);
    }
    free(a->parts);
    free(a->title);
    free(a);
}

const engine_decoder *engine_adapter_borrow_base(const engine_adapter *a) { return a->base; }
const char *engine_adapter_borrow_title(const engine_adapter *a) { return a->title; }
uint64_t engine_adapter_parameters(const engine_adapter *a) { return a->parameters; }
uint64_t engine_adapter_bytes(const engine_adapter *a) { return a->bytes; }
size_t engine_adapter_module_count(const engine_adapter *a) { return a->acting_count; }
size_t engine_adapter_rank(const engine_adapter *a) { return a->rank_max; }
bool engine_adapter_is_dora(const engine_adapter *a) { return a->dora; }

const engine_adapter_part *engine_adapter_borrow_part(const engine_adapter *a, size_t module)
{
    return &a->parts[module];
}
