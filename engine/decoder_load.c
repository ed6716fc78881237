/* engine/decoder_load.c: which tensors of the files a decoder wants, and loading them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/macros.h"
#include "engine/decoder_internal.h"

static const char embed_name[] = "embed_tokens.weight", head_name[] = "lm_head.weight";

/* Names that files carry beside the weights (spec models.md, section 3): parts of names inside a layer. */
static const char *const ignored_parts[] = {".rotary_emb.inv_freq", ".self_attn.bias", ".masked_bias"};

enum { UNEXPECTED_NAMED = 3 };

/* The tensors of a decoder: at most a weight and a bias per module. Everything lives in the arena. */
typedef struct want_list {
    arena memory;
    engine_weight_want *wants;
    size_t *modules; /* of each want; a bias when is_bias */
    bool *is_bias;
    size_t count;
    const char *prefix; /* "model." */
    bool head_is_embedding;
} want_list;

/* What stands before "embed_tokens.weight" in the files. */
static const char *find_prefix(const engine_weights *weights, arena *a)
{
    const engine_weight *embed = engine_weights_find_ending(weights, embed_name);
    if (!embed) return "model.";
    return arena_text_n(a, embed->name, strlen(embed->name) - (sizeof embed_name - 1));
}

/* The name of a module in these files. */
static const char *name_in_files(want_list *list, const engine_spec *spec, const engine_weights *weights,
                                 size_t module, const char *ending)
{
    char name[ENGINE_MODULE_NAME_MAX];
    engine_module_name(spec, module, name, sizeof name);
    if (engine_module_kind_of(module) == ENGINE_MODULE_HEAD) {
        const engine_weight *head = engine_weights_find_ending(weights, head_name);
        return head ? head->name : head_name;
    }
    return arena_printf(&list->memory, "%s%s%s", list->prefix, name + strlen("model."), ending);
}

static void want(want_list *list, const char *name, size_t module, bool bias, unsigned rank,
                 const int64_t *shape)
{
    engine_weight_want *w = &list->wants[list->count];
    *w = (engine_weight_want){.name = name, .rank = rank};
    for (unsigned i = 0; i < rank; i++) w->shape[i] = shape[i];
    list->modules[list->count] = module;
    list->is_bias[list->count++] = bias;
}

static void want_module(want_list *list, const engine_spec *spec, const engine_weights *weights,
                        size_t module)
{
    int64_t shape[2];
    unsigned rank = 0;
    bool has_bias = false;
    engine_module_shape(spec, module, shape, &rank, &has_bias);
    if (rank == 0 || (engine_module_kind_of(module) == ENGINE_MODULE_HEAD && list->head_is_embedding)) return;
    want(list, name_in_files(list, spec, weights, module, ".weight"), module, false, rank, shape);
    if (has_bias) want(list, name_in_files(list, spec, weights, module, ".bias"), module, true, 1, shape);
}

static void want_all(want_list *list, const engine_spec *spec, const engine_weights *weights)
{
    size_t count = engine_module_count(spec);
    *list = (want_list){0};
    list->wants = arena_array(&list->memory, engine_weight_want, 2 * count);
    list->modules = arena_array(&list->memory, size_t, 2 * count);
    list->is_bias = arena_array(&list->memory, bool, 2 * count);
    list->prefix = find_prefix(weights, &list->memory);
    list->head_is_embedding = spec->tied || !engine_weights_find_ending(weights, head_name);
    for (size_t module = 0; module < count; module++) want_module(list, spec, weights, module);
}

/* -- tensors that nobody asked for ------------------------------------------------------------------------
 */

/* A tensor that no want asks for, and of a layer: without it the result would be wrong in silence. */
static bool is_unexpected(const want_list *list, const engine_spec *spec, const char *name)
{
    size_t prefix = strlen(list->prefix);
    if (strncmp(name, list->prefix, prefix) != 0 || strncmp(name + prefix, "layers.", 7) != 0) return false;
    if (strtoull(name + prefix + 7, NULL, 10) >= spec->layer_count) return false;
    for (size_t i = 0; i < COUNT_OF(ignored_parts); i++)
        if (strstr(name, ignored_parts[i])) return false;
    return true;
}

static int compare_wants(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static err check_unexpected(want_list *list, const engine_spec *spec, const engine_weights *weights)
{
    const char **names = arena_array(&list->memory, const char *, list->count + 1);
    for (size_t i = 0; i < list->count; i++) names[i] = list->wants[i].name;
    qsort(names, list->count, sizeof *names, compare_wants);
    CLEANUP(bytes_free) bytes named = {0};
    size_t count = 0;
    for (size_t i = 0; i < engine_weights_count(weights); i++) {
        const char *name = engine_weights_borrow(weights, i)->name;
        if (bsearch(&name, names, list->count, sizeof *names, compare_wants)) continue;
        if (!is_unexpected(list, spec, name)) continue;
        if (count++ < UNEXPECTED_NAMED) bytes_printf(&named, "%s%s", count > 1 ? ", " : "", name);
    }
    if (count == 0) return ERR_OK;
    return err_make(ERR_FORMAT, "%zu tensor%s in the weights that config.json does not speak of: %s%s", count,
                    count == 1 ? " is" : "s are", bytes_text(&named),
                    count > UNEXPECTED_NAMED ? ", ..." : "");
}

static err check_all(want_list *list, const engine_spec *spec, const engine_weights *weights)
{
    err e = engine_weights_check(weights, list->wants, list->count);
    return e.code ? e : check_unexpected(list, spec, weights);
}

err engine_decoder_check(const engine_spec *spec, const engine_weights *weights)
{
    want_list list;
    want_all(&list, spec, weights);
    err e = check_all(&list, spec, weights);
    arena_free(&list.memory);
    return e;
}

/* -- loading
 * -------------------------------------------------------------------------------------------------- */

static bool tell(const engine_decoder_options *options, uint64_t done, uint64_t total)
{
    return !options->progress || options->progress(options->context, done, total);
}

static bool is_packed(const engine_decoder *d, const want_list *list, size_t i)
{
    engine_module_kind kind = engine_module_kind_of(list->modules[i]);
    return d->is_quantised && !list->is_bias[i] && kind >= ENGINE_MODULE_GLOBAL_COUNT &&
           engine_module_is_linear(kind);
}

/* One weight in few bits; what it was made of leaves the memory. */
static err pack_one(engine_decoder *d, const engine_weights *weights, const char *name, size_t module,
                    engine_quantised_kind kind)
{
    tensor_scope *s = tensor_scope_new(false);
    tensor *t = tensor_contiguous(s, engine_weights_load(weights, s, name, d->type, d->device));
    const void *data = tensor_borrow_data(t);
    err e = ERR_OK;
    if (data)
        e = engine_quantised_new(kind, data, kernel_type_of(d->type), (size_t)tensor_size(t, 0),
                                 (size_t)tensor_size(t, 1), &d->quantised[module]);
    err failed = tensor_scope_close(s);
    engine_weights_let_go(weights, name);
    return err_note(e.code ? e : failed, "%s", name);
}

static err load_one(engine_decoder *d, const engine_weights *weights, const want_list *list, size_t i,
                    const engine_decoder_options *options)
{
    const char *name = list->wants[i].name;
    if (is_packed(d, list, i)) return pack_one(d, weights, name, list->modules[i], options->kind);
    tensor_scope *s = tensor_scope_new(false);
    tensor *t = engine_weights_load(weights, s, name, d->type, d->device);
    (list->is_bias[i] ? d->biases : d->weights)[list->modules[i]] = tensor_keep(s, t);
    return tensor_scope_close(s);
}

static err load_all(engine_decoder *d, const engine_weights *weights, const want_list *list,
                    const engine_decoder_options *options)
{
    uint64_t total = 0, done = 0;
    for (size_t i = 0; i < list->count; i++)
        total += engine_weights_find(weights, list->wants[i].name)->data.size;
    for (size_t i = 0; i < list->count; i++) {
        if (!tell(options, done, total)) return err_make(ERR_CANCELLED, "loading was cancelled");
        err e = load_one(d, weights, list, i, options);
        if (e.code) return e;
        done += engine_weights_find(weights, list->wants[i].name)->data.size;
    }
    if (!tell(options, total, total)) return err_make(ERR_CANCELLED, "loading was cancelled");
    return ERR_OK;
}

/* A head of its own, or one more handle on the embedding. */
static err tie_head(engine_decoder *d)
{
    tensor_scope *s = tensor_scope_new(false);
    tensor *head = tensor_share(s, d->weights[ENGINE_MODULE_EMBED]);
    d->weights[ENGINE_MODULE_HEAD] = tensor_keep(s, head);
    return tensor_scope_close(s);
}

static void find_windows(engine_decoder *d)
{
    d->windows = memory_alloc((d->spec->layer_count + 1) * sizeof *d->windows);
    for (size_t layer = 0; layer < d->spec->layer_count; layer++) {
        size_t i = 0, window = d->spec->layers[layer].window;
        while (i < d->window_count && d->windows[i] != window) i++;
        if (i == d->window_count) d->windows[d->window_count++] = window;
    }
}

static err check_options(const engine_spec *spec, const engine_decoder_options *options)
{
    if (options->type != TENSOR_F32 && options->type != TENSOR_BF16)
        return err_make(ERR_UNSUPPORTED, "a model computes in f32 or bf16, not in %s",
                        tensor_type_name(options->type));
    if (options->quantise && options->device.cuda)
        return err_make(ERR_UNSUPPORTED, "a quantised model runs on the CPU: give --device cpu");
    if (spec->head_count % spec->kv_head_count != 0)
        return err_make(ERR_FORMAT, "%zu heads do not divide evenly over %zu key/value heads",
                        spec->head_count, spec->kv_head_count);
    return tensor_door_open();
}

err engine_decoder_new(const engine_spec *spec, const engine_weights *weights,
                       const engine_decoder_options *options, engine_decoder **out)
{
    err e = check_options(spec, options);
    if (e.code) return e;
    want_list list;
    want_all(&list, spec, weights);
    e = check_all(&list, spec, weights);
    if (e.code) {
        arena_free(&list.memory);
        return e;
    }
    engine_decoder *d = memory_alloc(sizeof *d);
    d->spec = spec;
    d->device = options->device;
    d->type = options->type;
    d->is_quantised = options->quantise;
    d->module_count = engine_module_count(spec);
    d->weights = memory_alloc(d->module_count * sizeof *d->weights);
    d->biases = memory_alloc(d->module_count * sizeof *d->biases);
    d->quantised = memory_alloc(d->module_count * sizeof *d->quantised);
    find_windows(d);
    e = load_all(d, weights, &list, options);
    if (!e.code && list.head_is_embedding) e = tie_head(d);
    d->prefix = memory_text(list.prefix);
    arena_free(&list.memory);
    if (e.code)
        engine_decoder_free(d);
    else
        *out = d;
    return e;
}

void engine_decoder_free(engine_decoder *d)
{
    if (!d) return;
    for (size_t i = 0; i < d->module_count; i++) {
        tensor_free(d->weights[i]);
        tensor_free(d->biases[i]);
        engine_quantised_free(d->quantised[i]);
    }
    free(d->weights);
    free(d->biases);
    free(d->quantised);
    free(d->windows);
    free(d->prefix);
    free(d);
}
