/* engine/adapter_rewrite.c: an adapter's files written anew, as PEFT or as a plainer reader wants them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "engine/adapter_write.h"
#include "engine/arch/modules.h"
#include "engine/dtype_values.h"

enum { CONFIG_DEPTH_MAX = 32 };

static void copy_tensor(const engine_adapter_file *file, size_t module, engine_adapter_slot slot,
                        engine_adapter_out *out)
{
    const engine_weight *w = engine_adapter_file_borrow(file, module, slot);
    if (w) engine_adapter_out_add(out, module, slot, w->type, w->rank, w->shape, w->data);
}

/* alpha as somebody wrote it: the roundest number that gives this scale, bit for bit. */
static double alpha_of(double scale, double divisor)
{
    for (double unit = 1; unit <= 1e9; unit *= 10) {
        double alpha = nearbyint(scale * divisor * unit) / unit;
        if (alpha / divisor == scale) return alpha;
    }
    return scale * divisor;
}

static void copy_module(const engine_adapter_file *file, size_t module, engine_adapter_out *out)
{
    bool stabilised = engine_adapter_config_is_rank_stabilised(engine_adapter_file_borrow_config(file));
    for (int slot = 0; slot < ENGINE_ADAPTER_SLOT_COUNT; slot++)
        copy_tensor(file, module, (engine_adapter_slot)slot, out);
    if (!engine_adapter_file_borrow(file, module, ENGINE_ADAPTER_A) &&
        !engine_adapter_file_borrow(file, module, ENGINE_ADAPTER_EMBED_A))
        return;
    size_t rank = 0;
    double scale = 0;
    engine_adapter_file_scale(file, module, &rank, &scale);
    engine_adapter_out_scale(out, module, rank,
                             alpha_of(scale, stabilised ? sqrt((double)rank) : (double)rank));
}

/* Values of w times `factor`, in rows of `width` (at least its own, filled up with zeros), `rows` of them. */
static float *values_filled(const engine_weight *w, size_t rows, size_t width, double factor)
{
    size_t own = (size_t)(w->rank == 2 ? w->shape[1] : 1), count = (size_t)w->count;
    float *values = memory_alloc((rows * width + 1) * sizeof *values);
    double *read = memory_alloc((count + 1) * sizeof *read);
    engine_dtype_values(w->type, w->data, 0, count, read);
    for (size_t i = 0; i < count; i++) values[i / own * width + i % own] = (float)(read[i] * factor);
    free(read);
    return values;
}

/* The low-rank tensors of a module with this rank and scale in place of their own. */
static void plain_module(const engine_adapter_file *file, size_t module, size_t rank, double scale,
                         engine_adapter_out *out)
{
    bool embed = engine_adapter_file_borrow(file, module, ENGINE_ADAPTER_EMBED_A) != NULL;
    engine_adapter_slot slot_a = embed ? ENGINE_ADAPTER_EMBED_A : ENGINE_ADAPTER_A;
    engine_adapter_slot slot_b = embed ? ENGINE_ADAPTER_EMBED_B : ENGINE_ADAPTER_B;
    const engine_weight *a = engine_adapter_file_borrow(file, module, slot_a);
    const engine_weight *b = engine_adapter_file_borrow(file, module, slot_b);
    const engine_weight *bias = engine_adapter_file_borrow(file, module, ENGINE_ADAPTER_B_BIAS);
    size_t own_rank = 0;
    double own_scale = 0;
    engine_adapter_file_scale(file, module, &own_rank, &own_scale);
    double factor = own_scale / scale;
    engine_adapter_out_scale(out, module, rank, alpha_of(scale, (double)rank));
    if (own_rank == rank && own_scale == scale) {
        copy_tensor(file, module, slot_a, out);
        copy_tensor(file, module, slot_b, out);
        copy_tensor(file, module, ENGINE_ADAPTER_B_BIAS, out);
        return;
    }
    float *values = values_filled(a, rank, (size_t)a->shape[1], 1);
    engine_adapter_out_add_f32(out, module, slot_a, rank, (size_t)a->shape[1], values);
    free(values);
    values = values_filled(b, (size_t)b->shape[0], rank, factor);
    engine_adapter_out_add_f32(out, module, slot_b, (size_t)b->shape[0], rank, values);
    free(values);
    if (!bias) return;
    values = values_filled(bias, (size_t)bias->shape[0], 1, factor);
    engine_adapter_out_add_f32(out, module, ENGINE_ADAPTER_B_BIAS, (size_t)bias->shape[0], 0, values);
    free(values);
}

static void plain_all(const engine_adapter_file *file, size_t module_count, engine_adapter_out *out)
{
    size_t rank = engine_adapter_file_rank(file), module_rank = 0;
    double scale = 0;
    for (size_t m = 0; m < module_count; m++) {
        if (engine_adapter_file_borrow(file, m, ENGINE_ADAPTER_A) ||
            engine_adapter_file_borrow(file, m, ENGINE_ADAPTER_EMBED_A)) {
            if (scale == 0) engine_adapter_file_scale(file, m, &module_rank, &scale);
            if (scale == 0) scale = 1; /* alpha is 0 there: any scale does */
            plain_module(file, m, rank, scale, out);
        }
        copy_tensor(file, m, ENGINE_ADAPTER_MAGNITUDE, out);
        copy_tensor(file, m, ENGINE_ADAPTER_WEIGHT, out);
        copy_tensor(file, m, ENGINE_ADAPTER_BIAS, out);
    }
}

void engine_adapter_rewrite(const engine_adapter_file *file, engine_adapter_form form, const char *base_name,
                            bytes *weights, bytes *config)
{
    const engine_adapter_config *from = engine_adapter_file_borrow_config(file);
    const char *said = engine_adapter_config_borrow_base(from);
    const engine_spec *spec = engine_adapter_file_borrow_spec(file);
    size_t module_count = engine_module_count(spec);
    engine_adapter_out *out = engine_adapter_out_new(spec, *said ? said : base_name);
    engine_adapter_out_name_as(out, file);
    if (form == ENGINE_ADAPTER_PLAIN)
        plain_all(file, module_count, out);
    else
        for (size_t m = 0; m < module_count; m++) copy_module(file, m, out);
    if (form == ENGINE_ADAPTER_AS_PEFT && engine_adapter_config_is_rank_stabilised(from))
        engine_adapter_out_rank_stabilised(out);
    engine_adapter_out_write(out, weights, config);
    engine_adapter_out_free(out);
}

static bool targets_are_listed(bytes_view json)
{
    arena scratch = {0};
    const json_node *root = NULL;
    bool listed = !json_parse(json, CONFIG_DEPTH_MAX, &scratch, &root).code &&
                  json_is(json_get(root, "target_modules"), JSON_ARRAY) &&
                  json_count(json_get(root, "target_modules")) > 0;
    arena_free(&scratch);
    return listed;
}

bool engine_adapter_is_peft(const engine_adapter_file *file)
{
    const engine_weights *weights = engine_adapter_file_borrow_weights(file);
    bool is = !engine_adapter_config_has_old_keys(engine_adapter_file_borrow_config(file)) &&
              (engine_adapter_file_rank(file) == 0 || targets_are_listed(engine_adapter_file_json(file)));
    for (size_t i = 0; i < engine_weights_count(weights) && is; i++) {
        CLEANUP(bytes_free) bytes name = {0};
        engine_adapter_peft_name(engine_weights_borrow(weights, i)->name, &name);
        is = strcmp(bytes_text(&name), engine_weights_borrow(weights, i)->name) == 0;
    }
    return is;
}
