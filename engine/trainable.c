/* engine/trainable.c: making a trainable, its leaves, freeing it. */
#include "engine/trainable.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "engine/adapter_file.h"
#include "engine/adapter_internal.h"
#include "engine/decoder_internal.h"
#include "engine/trainable_internal.h"

enum { RANK_DEFAULT = 16, ALPHA_DEFAULT = 32, SEED_DEFAULT = 42 };

static const char *const inits[] = {"default", "gaussian", "pissa", "olora"};

engine_trainable_options engine_trainable_defaults(void)
{
    return (engine_trainable_options){.rank = RANK_DEFAULT,
                                      .alpha = ALPHA_DEFAULT,
                                      .targets = "all-linear",
                                      .init = "default",
                                      .seed = SEED_DEFAULT};
}

/* -- checks ------------------------------------------------------------------------------------------- */

static err check_options(const engine_trainable_options *options)
{
    if (options->full && options->dora)
        return err_make(ERR_USAGE, "DoRA trains low-rank parts, not whole weights");
    if (options->full) return ERR_OK;
    if (options->rank < 1) return err_make(ERR_USAGE, "a rank of 0 trains nothing");
    if (options->rank > ENGINE_ADAPTER_RANK_MAX)
        return err_make(ERR_LIMIT, "a rank of %zu; %d is the most", options->rank, ENGINE_ADAPTER_RANK_MAX);
    if (!isfinite(options->alpha) || options->alpha <= 0)
        return err_make(ERR_USAGE, "alpha is %g, expected a number above 0", options->alpha);
    for (size_t i = 0; i < COUNT_OF(inits); i++)
        if (!options->init || strcmp(options->init, inits[i]) == 0) return ERR_OK;
    return err_make(ERR_USAGE,
                    "no way to begin is called \"%.40s\"; there are default, gaussian, pissa, olora",
                    options->init);
}

/* Targets, and the config that tells each its rank and scale. */
typedef struct plan {
    bool *targets;
    char *text;
    engine_adapter_config *config;
} plan;

static void plan_free(plan *p)
{
    free(p->targets);
    free(p->text);
    engine_adapter_config_free(p->config);
}

static err plan_make(const engine_spec *spec, const engine_trainable_options *options, plan *p)
{
    err e = check_options(options);
    if (!e.code) e = trainable_targets(spec, options, &p->targets);
    if (!e.code) e = trainable_config_of(spec, options, p->targets, &p->text);
    if (!e.code) e = engine_adapter_config_parse(bytes_view_of(p->text), &p->config);
    return e;
}

/* Rank and scale of a target, and how many numbers it trains. */
static err plan_module(const plan *p, const engine_spec *spec, const engine_trainable_options *options,
                       size_t module, trainable_part *part, uint64_t *parameters)
{
    char name[ENGINE_MODULE_NAME_MAX];
    int64_t shape[2];
    unsigned rank = 0;
    bool bias = false;
    engine_module_name(spec, module, name, sizeof name);
    engine_module_shape(spec, module, shape, &rank, &bias);
    if (options->full) {
        *parameters +=
            (uint64_t)shape[0] * (rank == 2 ? (uint64_t)shape[1] : 1) + (bias ? (uint64_t)shape[0] : 0);
        return ERR_OK;
    }
    err e = engine_adapter_config_module(p->config, name, &part->rank, &part->scale);
    *parameters += part->rank * (uint64_t)(shape[0] + shape[1]) + (options->dora ? (uint64_t)shape[0] : 0);
    return e;
}

err engine_trainable_check(const engine_spec *spec, const engine_trainable_options *options,
                           uint64_t *parameters)
{
    plan p = {0};
    err e = plan_make(spec, options, &p);
    uint64_t count = 0;
    for (size_t module = 0; !e.code && module < engine_module_count(spec); module++)
        if (p.targets[module]) e = plan_module(&p, spec, options, module, &(trainable_part){0}, &count);
    plan_free(&p);
    if (!e.code && parameters) *parameters = count;
    return e;
}

/* -- leaves ------------------------------------------------------------------------------------------- */

char *trainable_module_name(const engine_decoder *base, size_t module)
{
    char name[ENGINE_MODULE_NAME_MAX];
    engine_module_name(base->spec, module, name, sizeof name);
    bytes full = {0};
    bytes_append_text(&full, "base_model.model.");
    bool under_model = strncmp(name, "model.", strlen("model.")) == 0;
    /* Files without any prefix are loaded by transformers under "model.". */
    if (under_model) bytes_append_text(&full, *base->prefix ? base->prefix : "model.");
    bytes_append_text(&full, name + (under_model ? strlen("model.") : 0));
    return bytes_take(&full);
}

typedef struct named_leaf {
    trainable_leaf leaf;
    tensor *value;
} named_leaf;

static int compare_leaves(const void *a, const void *b)
{
    return strcmp(((const named_leaf *)a)->leaf.name, ((const named_leaf *)b)->leaf.name);
}

/* The leaves of one module, after those that are in the list. */
static void gather_part(const engine_trainable *t, size_t module, named_leaf *list, size_t *count)
{
    const trainable_part *part = &t->parts[module];
    const struct {
        tensor *value;
        engine_leaf kind;
        const char *ending;
    } all[] = {
        {part->a, ENGINE_LEAF_A, ".lora_A.weight"},
        {part->b, ENGINE_LEAF_B, ".lora_B.weight"},
        {part->magnitude, ENGINE_LEAF_MAGNITUDE, ".lora_magnitude_vector"},
        {part->weight, ENGINE_LEAF_WEIGHT, ".weight"},
        {part->bias, ENGINE_LEAF_BIAS, ".bias"},
    };
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (!all[i].value) continue;
        bytes name = {0};
        char *module_name = trainable_module_name(t->base, module);
        bytes_printf(&name, "%s%s", module_name, all[i].ending);
        free(module_name);
        list[(*count)++] = (named_leaf){{bytes_take(&name), all[i].kind, module}, all[i].value};
    }
}

err trainable_gather(engine_trainable *t)
{
    named_leaf *list = memory_alloc(5 * t->module_count * sizeof *list);
    size_t count = 0;
    for (size_t module = 0; module < t->module_count; module++) gather_part(t, module, list, &count);
    qsort(list, count, sizeof *list, compare_leaves);
    t->leaves = memory_alloc((count + 1) * sizeof *t->leaves);
    t->values = memory_alloc((count + 1) * sizeof(tensor *));
    tensor_scope *s = tensor_scope_new(false);
    for (size_t i = 0; i < count; i++) {
        t->leaves[i] = list[i].leaf;
        t->values[i] = list[i].value;
        t->parameters += (uint64_t)tensor_count(list[i].value);
        tensor_requires_grad(s, list[i].value);
    }
    t->count = count;
    free(list);
    memory_keep_freed(); /* the passes take and free the same blocks again and again */
    return tensor_scope_close(s);
}

size_t engine_trainable_count(const engine_trainable *t) { return t->count; }
const char *engine_trainable_borrow_name(const engine_trainable *t, size_t i) { return t->leaves[i].name; }
engine_leaf engine_trainable_leaf(const engine_trainable *t, size_t i) { return t->leaves[i].kind; }
tensor *engine_trainable_borrow(const engine_trainable *t, size_t i) { return t->values[i]; }
tensor *const *engine_trainable_borrow_all(const engine_trainable *t) { return t->values; }
uint64_t engine_trainable_parameters(const engine_trainable *t) { return t->parameters; }

void engine_trainable_clear(engine_trainable *t)
{
    for (size_t i = 0; i < t->count; i++) tensor_grad_clear(t->values[i]);
}

err engine_trainable_check_finite(const engine_trainable *t)
{
    for (size_t i = 0; i < t->count; i++) {
        size_t count = (size_t)tensor_count(t->values[i]);
        float *values = memory_alloc((count + 1) * sizeof *values);
        err e = tensor_read_f32(t->values[i], values, count);
        for (size_t v = 0; !e.code && v < count; v++)
            if (!isfinite(values[v]))
                e = err_make(ERR_FORMAT, "%s holds a value that is no finite number", t->leaves[i].name);
        free(values);
        if (e.code) return e;
    }
    return ERR_OK;
}

/* -- making ------------------------------------------------------------------------------------------- */

static engine_trainable *trainable_alloc(const engine_decoder *base)
{
    memory_return_freed(); /* what the beginnings of large weights are made of; until all is gathered */
    engine_trainable *t = memory_alloc(sizeof *t);
    t->base = base;
    t->module_count = engine_module_count(engine_decoder_borrow_spec(base));
    t->parts = memory_alloc(t->module_count * sizeof *t->parts);
    return t;
}

/* A weight or bias of the base as a leaf of its own; NULL stays NULL. */
static tensor *leaf_of(tensor_scope *s, const tensor *value)
{
    return value ? tensor_keep(s, tensor_clone(s, tensor_cast(s, value, TENSOR_F32))) : NULL;
}

static err make_part(engine_trainable *t, const plan *p, const engine_trainable_options *options,
                     size_t module)
{
    trainable_part *part = &t->parts[module];
    uint64_t ignored = 0;
    err e = plan_module(p, engine_decoder_borrow_spec(t->base), options, module, part, &ignored);
    if (e.code) return e;
    if (options->full) {
        tensor_scope *s = tensor_scope_new(false);
        part->weight = leaf_of(s, engine_decoder_borrow_weight(t->base, module));
        part->bias = leaf_of(s, engine_decoder_borrow_bias(t->base, module));
        return tensor_scope_close(s);
    }
    char *name = trainable_module_name(t->base, module);
    e = trainable_init_part(options, t->base, module, name, part);
    free(name);
    if (!e.code && options->dora) e = trainable_init_dora(t->base, module, part);
    return e;
}

err engine_trainable_new(const engine_decoder *base, const engine_trainable_options *options,
                         engine_trainable **out)
{
    plan p = {0};
    if (options->full && engine_decoder_is_quantised(base))
        return err_make(ERR_UNSUPPORTED, "the weights of a quantised base cannot be trained whole: train an "
                                         "adapter, or open the base as f32 or bf16");
    err e = plan_make(engine_decoder_borrow_spec(base), options, &p);
    if (e.code) {
        plan_free(&p);
        return e;
    }
    engine_trainable *t = trainable_alloc(base);
    t->full = options->full;
    t->dora = options->dora;
    for (size_t module = 0; !e.code && module < t->module_count; module++)
        if (p.targets[module]) e = make_part(t, &p, options, module);
    if (!e.code) e = trainable_gather(t);
    t->config = p.text;
    p.text = NULL;
    plan_free(&p);
    if (e.code)
        engine_trainable_free(t);
    else
        *out = t;
    return e;
}

/* -- from a file -------------------------------------------------------------------------------------- */

static err check_trainable(const engine_adapter_file *file)
{
    static const struct {
        engine_adapter_slot slot;
        const char *what;
    } refused[] = {
        {ENGINE_ADAPTER_B_BIAS, "a bias on lora_B"},
        {ENGINE_ADAPTER_EMBED_A, "an embedding's low-rank parts"},
        {ENGINE_ADAPTER_WEIGHT, "modules saved whole"},
        {ENGINE_ADAPTER_BIAS, "trained biases"},
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        if (!engine_adapter_file_has(file, refused[i].slot)) continue;
        size_t count = engine_module_count(engine_adapter_file_borrow_spec(file));
        const engine_weight *w = NULL;
        for (size_t module = 0; module < count && !w; module++)
            w = engine_adapter_file_borrow(file, module, refused[i].slot);
        return err_make(ERR_UNSUPPORTED, "%s: an adapter with %s can be used but not trained further",
                        w->name, refused[i].what);
    }
    const engine_weight *head = engine_adapter_file_borrow(file, ENGINE_MODULE_HEAD, ENGINE_ADAPTER_A);
    if (head)
        return err_make(ERR_UNSUPPORTED, "%s: an adapter on the head can be used but not trained further",
                        head->name);
    return ERR_OK;
}

/* Takes its own shares of the loaded adapter's tensors, which nobody else has. */
static err take_parts(engine_trainable *t, const engine_adapter_file *file, const engine_adapter *adapter,
                      bool *targets)
{
    err e = ERR_OK;
    for (size_t module = 0; !e.code && module < t->module_count; module++) {
        const engine_adapter_part *from = engine_adapter_borrow_part(adapter, module);
        trainable_part *part = &t->parts[module];
        if (!from->a) continue;
        targets[module] = true;
        tensor_scope *s = tensor_scope_new(false);
        engine_adapter_file_scale(file, module, &part->rank, &part->scale);
        part->a = tensor_keep(s, tensor_clone(s, from->a));
        part->b = tensor_keep(s, tensor_clone(s, from->b));
        if (from->magnitude) part->magnitude = tensor_keep(s, tensor_clone(s, from->magnitude));
        e = tensor_scope_close(s);
        if (!e.code && from->magnitude) e = trainable_init_dora(t->base, module, part);
        if (from->magnitude) t->dora = true;
    }
    return e;
}

err engine_trainable_from_adapter(const engine_decoder *base, engine_files *files, const char *weights_name,
                                  engine_trainable **out)
{
    const engine_spec *spec = engine_decoder_borrow_spec(base);
    engine_adapter_file *file = NULL;
    engine_adapter *adapter = NULL;
    err e = engine_adapter_file_open(files, weights_name, spec, &file);
    if (e.code) return e;
    e = check_trainable(file);
    if (!e.code)
        e = engine_adapter_load(files, weights_name, weights_name ? weights_name : "adapter", base, &adapter);
    if (e.code) {
        engine_adapter_file_free(file);
        return e;
    }
    engine_trainable *t = trainable_alloc(base);
    bool *targets = memory_alloc(t->module_count * sizeof *targets);
    e = take_parts(t, file, adapter, targets);
    if (!e.code) e = trainable_config_from(spec, targets, engine_adapter_file_json(file), &t->config);
    if (!e.code) e = trainable_gather(t);
    free(targets);
    engine_adapter_free(adapter);
    engine_adapter_file_free(file);
    if (e.code)
        engine_trainable_free(t);
    else
        *out = t;
    return e;
}

void trainable_part_free(trainable_part *part)
{
    tensor *const all[] = {part->a,    part->b,       part->magnitude, part->weight,  part->bias,
                           part->base, part->a_start, part->b_start,   part->squares, part->norms};
    for (size_t i = 0; i < COUNT_OF(all); i++) tensor_free(all[i]);
    *part = (trainable_part){0};
}

void engine_trainable_free(engine_trainable *t)
{
    if (!t) return;
    for (size_t module = 0; module < t->module_count; module++) trainable_part_free(&t->parts[module]);
    for (size_t i = 0; i < t->count; i++) free(t->leaves[i].name);
    free(t->leaves);
    free(t->values);
    free(t->parts);
    free(t->config);
    free(t);
}
