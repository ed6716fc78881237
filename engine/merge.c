/* engine/merge.c: tensor by tensor, a file at a time. */
#include "engine/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/arch/modules.h"
#include "engine/decoder.h"
#include "engine/dtype_values.h"
#include "engine/safetensors_write.h"
#include "engine/spec.h"
#include "engine/weights.h"
#include "engine/weights_index.h"

typedef struct merge {
    const engine_decoder *base;
    const engine_spec *spec;
    const engine_weights *weights;
    const engine_stack *stack;
    engine_files *files;
    const char *folder;
    bool (*go_on)(void *context);
    void *context;
    bool copies; /* the other files, too */
    bool *done;  /* by module: its weight was met */
    size_t changed;
} merge;

/* -- one tensor ---------------------------------------------------------------------------------------------
 */

typedef enum merge_part { PART_NONE, PART_WEIGHT, PART_BIAS } merge_part;

static bool cut_ending(char *name, const char *ending)
{
    size_t size = strlen(name), end = strlen(ending);
    if (size <= end || strcmp(name + size - end, ending) != 0) return false;
    name[size - end] = 0;
    return true;
}

static merge_part part_of(const merge *m, const char *tensor_name, size_t *module)
{
    char *name = memory_text(tensor_name);
    merge_part part = cut_ending(name, ".weight") ? PART_WEIGHT
                      : cut_ending(name, ".bias") ? PART_BIAS
                                                  : PART_NONE;
    *module = part ? engine_module_find(m->spec, name) : ENGINE_MODULE_NONE;
    free(name);
    return *module == ENGINE_MODULE_NONE ? PART_NONE : part;
}

static const engine_adapter_part *stack_part(const merge *m, size_t item, size_t module, double *scale)
{
    engine_stack_item on = engine_stack_item_at(m->stack, item);
    const engine_adapter_part *part = engine_adapter_borrow_part(on.adapter, module);
    *scale = on.scale * part->scale;
    return part;
}

/* What the items add to `weight` [out, in], f32. Each with DoRA is measured against the weight itself, as
 * when the stack runs; alone on a module it is m / norm * (W + s B A) and no more rounding than that. */
static tensor *merged_weight(const merge *m, tensor_scope *s, size_t module, tensor *weight)
{
    bool embed = engine_module_kind_of(module) == ENGINE_MODULE_EMBED;
    tensor *sum = weight;
    for (size_t i = 0; i < engine_stack_count(m->stack); i++) {
        double scale = 0;
        const engine_adapter_part *part = stack_part(m, i, module, &scale);
        if (!part->a) continue;
        tensor *delta = tensor_scale(s, tensor_matmul(s, part->b, part->a), scale);
        if (embed) delta = tensor_transpose(s, delta, 0, 1);
        const tensor *gain = engine_stack_borrow_gain(m->stack, i, module);
        if (!gain) {
            sum = tensor_add(s, sum, delta);
            continue;
        }
        tensor *adapted = tensor_mul(s, tensor_unsqueeze(s, gain, 1), tensor_add(s, weight, delta));
        sum = sum == weight ? adapted : tensor_add(s, sum, tensor_sub(s, adapted, weight));
    }
    return sum;
}

static tensor *merged_bias(const merge *m, tensor_scope *s, size_t module, tensor *bias)
{
    for (size_t i = 0; i < engine_stack_count(m->stack); i++) {
        double scale = 0;
        const engine_adapter_part *part = stack_part(m, i, module, &scale);
        if (part->b_bias) bias = tensor_add(s, bias, tensor_scale(s, part->b_bias, scale));
    }
    return bias;
}

static bool has_b_bias(const merge *m, size_t module)
{
    double scale;
    for (size_t i = 0; i < engine_stack_count(m->stack); i++)
        if (stack_part(m, i, module, &scale)->b_bias) return true;
    return false;
}

static bool touches(const merge *m, size_t module, merge_part part)
{
    if (part == PART_WEIGHT)
        return engine_stack_acts(m->stack, module) || engine_stack_borrow_weight(m->stack, module);
    if (part == PART_BIAS) return has_b_bias(m, module) || engine_stack_borrow_bias(m->stack, module);
    return false;
}

static err tensor_type_for(const engine_weight *w, tensor_type *out)
{
    switch (w->type) {
    case ENGINE_DTYPE_F32: *out = TENSOR_F32; return ERR_OK;
    case ENGINE_DTYPE_F16: *out = TENSOR_F16; return ERR_OK;
    case ENGINE_DTYPE_BF16: *out = TENSOR_BF16; return ERR_OK;
    default:
        return err_make(ERR_UNSUPPORTED, "%s is stored as %s: adapters are merged into F32, F16 or BF16",
                        w->name, engine_dtype_name(w->type));
    }
}

/* The bytes of w as they will be, appended to *out. */
static err merged_bytes(merge *m, const engine_weight *w, size_t module, merge_part part, bytes *out)
{
    tensor_type type = TENSOR_F32;
    err e = tensor_type_for(w, &type);
    if (e.code) return e;
    tensor_scope *s = tensor_scope_new(false);
    const tensor *saved = part == PART_WEIGHT ? engine_stack_borrow_weight(m->stack, module)
                                              : engine_stack_borrow_bias(m->stack, module);
    tensor *own = saved ? tensor_cast(s, saved, TENSOR_F32)
                        : engine_weights_load(m->weights, s, w->name, TENSOR_F32, TENSOR_CPU);
    tensor *made = part == PART_WEIGHT ? merged_weight(m, s, module, own) : merged_bias(m, s, module, own);
    tensor *stored = tensor_contiguous(s, tensor_cast(s, made, type));
    if (stored) bytes_append(out, tensor_borrow_data(stored), tensor_bytes(stored));
    e = tensor_scope_close(s);
    if (!e.code && !engine_dtype_all_finite(w->type, bytes_borrow(out)))
        e = err_make(ERR_FORMAT, "%s would hold a value that is no finite number", w->name);
    return e;
}

static err tensor_write(merge *m, const engine_weight *w, FILE *out)
{
    CLEANUP(bytes_free) bytes made = {0};
    size_t module = 0;
    merge_part part = part_of(m, w->name, &module);
    bytes_view data = w->data;
    err e = ERR_OK;

    if (part == PART_WEIGHT) m->done[module] = true;
    if (touches(m, module, part)) {
        e = merged_bytes(m, w, module, part, &made);
        data = bytes_borrow(&made);
        m->changed++;
    }
    if (!e.code && data.size && fwrite(data.data, 1, data.size, out) != data.size) e = err_errno("write");
    if (!e.code && m->go_on && !m->go_on(m->context)) e = err_make(ERR_CANCELLED, "cancelled");
    return e;
}

/* -- files --------------------------------------------------------------------------------------------------
 */

static engine_safetensor_out *layout_of(const merge *m, const char *file, size_t *count)
{
    size_t all = engine_weights_count(m->weights);
    engine_safetensor_out *list = memory_alloc((all + 1) * sizeof *list);
    *count = 0;
    for (size_t i = 0; i < all; i++) {
        const engine_weight *w = engine_weights_borrow(m->weights, i);
        if (strcmp(w->file, file) != 0 || w->rank > ENGINE_SAFETENSOR_RANK_WRITTEN_MAX) continue;
        engine_safetensor_out *t = &list[(*count)++];
        *t = (engine_safetensor_out){.name = w->name, .type = w->type, .rank = w->rank};
        memcpy(t->shape, w->shape, w->rank * sizeof *t->shape);
    }
    engine_safetensors_sort(list, *count);
    return list;
}

static err weights_write(merge *m, const char *file)
{
    CLEANUP(bytes_free) bytes header = {0};
    size_t count = 0;
    engine_safetensor_out *list = layout_of(m, file, &count);
    char *path = file_join(m->folder, file);
    FILE *out = fopen(path, "wbe");

    err e = out ? ERR_OK : err_errno("write %s", path);
    engine_safetensors_header(list, count, &header);
    if (!e.code && fwrite(header.data, 1, header.size, out) != header.size) e = err_errno("write %s", path);
    for (size_t i = 0; i < count && !e.code; i++)
        e = tensor_write(m, engine_weights_find(m->weights, list[i].name), out);
    if (!e.code && (fflush(out) != 0 || fsync(fileno(out)) != 0)) e = err_errno("write %s", path);
    if (out && fclose(out) != 0 && !e.code) e = err_errno("write %s", path);
    free(path);
    free(list);
    return e;
}

static err copy_other(merge *m, const char *name)
{
    engine_mapping *mapping = NULL;
    char *path = file_join(m->folder, name), *folder = file_parent(path);
    err e = engine_files_map(m->files, name, &mapping);
    if (!e.code) e = file_make_folders(folder);
    if (!e.code) e = file_write(path, engine_mapping_view(mapping));
    engine_mapping_free(mapping);
    free(folder);
    free(path);
    return e;
}

static bool is_left_out(const char *name)
{
    return text_starts_with(name, "adapters/") || text_starts_with(name, "stacks/") ||
           text_starts_with(name, ".git");
}

static bool is_among(const bytes *names, size_t count, const char *name)
{
    const char *at = bytes_text(names);
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1)
        if (strcmp(at, name) == 0) return true;
    return false;
}

static err write_all(merge *m)
{
    CLEANUP(bytes_free) bytes names = {0};
    size_t count = 0;
    err e = engine_weights_list_files(m->files, &names, &count);
    if (!e.code) e = file_make_folders(m->folder);
    for (size_t i = 0; i < engine_files_count(m->files) && !e.code; i++) {
        const char *name = engine_files_borrow_name(m->files, i);
        bool shard = is_among(&names, count, name) && strcmp(name, ENGINE_WEIGHT_INDEX_FILE) != 0;
        if (shard)
            e = err_note(weights_write(m, name), "%s", name);
        else if (m->copies && !is_left_out(name))
            e = copy_other(m, name);
    }
    return e;
}

/* -- what cannot be merged ----------------------------------------------------------------------------------
 */

/* Both ends of a tied model were saved whole, and alike. */
static bool tied_alike(const merge *m)
{
    const tensor *embed = engine_stack_borrow_weight(m->stack, ENGINE_MODULE_EMBED);
    const tensor *head = engine_stack_borrow_weight(m->stack, ENGINE_MODULE_HEAD);
    return embed && head && tensor_borrow_data(embed) == tensor_borrow_data(head) &&
           !engine_stack_acts(m->stack, ENGINE_MODULE_EMBED) &&
           !engine_stack_acts(m->stack, ENGINE_MODULE_HEAD);
}

static err check_module(const merge *m, size_t module)
{
    char name[ENGINE_MODULE_NAME_MAX];
    bool weight = touches(m, module, PART_WEIGHT), bias = touches(m, module, PART_BIAS);
    engine_module_kind kind = engine_module_kind_of(module);
    engine_module_name(m->spec, module, name, sizeof name);
    if (weight && m->spec->tied && (kind == ENGINE_MODULE_EMBED || kind == ENGINE_MODULE_HEAD) &&
        !tied_alike(m))
        return err_make(ERR_UNSUPPORTED,
                        "%s shares its weight with the other end of the model, which would change too", name);
    if (bias && !engine_decoder_borrow_bias(m->base, module))
        return err_make(ERR_UNSUPPORTED, "%s has no bias that the adapter's could be added to", name);
    return ERR_OK;
}

static err check_all(const merge *m)
{
    err e = ERR_OK;
    for (size_t module = 0; module < engine_module_count(m->spec) && !e.code; module++)
        e = check_module(m, module);
    return e;
}

static err check_met(const merge *m)
{
    char name[ENGINE_MODULE_NAME_MAX];
    for (size_t module = 0; module < engine_module_count(m->spec); module++) {
        if (!touches(m, module, PART_WEIGHT) || m->done[module]) continue;
        if (module == ENGINE_MODULE_HEAD && m->spec->tied) continue; /* the embedding's is its too */
        engine_module_name(m->spec, module, name, sizeof name);
        return err_make(ERR_UNSUPPORTED, "the base's files have no tensor of its own for %s", name);
    }
    return ERR_OK;
}

err engine_merge_check_whole(const engine_spec *spec, const engine_weights *weights)
{
    char name[ENGINE_MODULE_NAME_MAX];
    merge m = {.spec = spec, .weights = weights};
    err e = ERR_OK;

    m.done = memory_alloc(engine_module_count(spec) * sizeof *m.done);
    for (size_t i = 0; i < engine_weights_count(weights); i++) {
        size_t module = 0;
        if (part_of(&m, engine_weights_borrow(weights, i)->name, &module) == PART_WEIGHT)
            m.done[module] = true;
    }
    if (spec->tied) m.done[ENGINE_MODULE_HEAD] = true;
    for (size_t module = 0; module < engine_module_count(spec) && !e.code; module++) {
        int64_t shape[2];
        unsigned rank = 0;
        bool bias = false;
        engine_module_shape(spec, module, shape, &rank, &bias);
        if (!rank || m.done[module]) continue;
        engine_module_name(spec, module, name, sizeof name);
        e = err_make(ERR_UNSUPPORTED,
                     "the model's files have no tensor of its own for %s: another's stands for it, and whole "
                     "weights need one each; train an adapter",
                     name);
    }
    free(m.done);
    return e;
}

static err merge_run(merge *m, size_t *changed)
{
    engine_weights *weights = NULL;

    if (engine_decoder_is_quantised(m->base))
        return err_make(ERR_UNSUPPORTED, "adapters are not merged into a quantised base: open it as auto, "
                                         "f32 or bf16");
    err e = engine_weights_open(m->files, &weights);
    if (e.code) return e;
    m->weights = weights;
    m->spec = engine_decoder_borrow_spec(m->base);
    m->done = memory_alloc(engine_module_count(m->spec) * sizeof *m->done);
    e = check_all(m);
    if (!e.code) e = write_all(m);
    if (!e.code) e = check_met(m);
    *changed = m->changed;
    free(m->done);
    engine_weights_free(weights);
    return e;
}

err engine_merge_write(engine_model *base, engine_files *files, const engine_stack *stack, const char *folder,
                       bool (*go_on)(void *context), void *context, size_t *changed)
{
    merge m = {.base = engine_model_borrow_decoder(base),
               .stack = stack,
               .files = files,
               .folder = folder,
               .copies = true,
               .go_on = go_on,
               .context = context};
    return merge_run(&m, changed);
}

err engine_merge_write_weights(const engine_decoder *base, engine_files *files, const engine_stack *stack,
                               const char *folder)
{
    size_t changed = 0;
    merge m = {.base = base, .stack = stack, .files = files, .folder = folder};
    return merge_run(&m, &changed);
}
