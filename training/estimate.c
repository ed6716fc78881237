#include "training/estimate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "engine/arch/modules.h"
#include "engine/spec.h"
#include "training/windows.h"

enum {
    MASTER_BYTES = 18, /* value, gradient, two moments in f32; a copy in bf16 */
    CHUNK_BYTES_BITS = 26,
    CHUNK_LEAST = 64,
    CHUNK_MOST = 4096,
    PROCESS_BYTES = 250 << 20, /* libtorch, this program, and what the heap keeps between blocks: measured */
    WINDOWS_LOOKED_AT = 1000,
};

/* -- what there is to do ------------------------------------------------------------------------------------
 */

static err longest_row(const training_windows *windows, training_extent *out)
{
    for (size_t i = 0; i < MIN_OF(training_windows_count(windows), (size_t)WINDOWS_LOOKED_AT); i++) {
        training_window window = {0};
        err e = training_windows_get(windows, 0, i, &window);
        if (e.code) return e;
        for (size_t row = 0; row < window.row_count; row++)
            out->row_tokens = MAX_OF(out->row_tokens, (uint64_t)window.rows[row].count);
        training_window_free(&window);
    }
    return ERR_OK;
}

err training_extent_of(const training_data *data, const training_settings *s, training_extent *out)
{
    training_windows *windows = NULL;
    training_windows_options how = {.room = (size_t)s->max_length,
                                    .window = (size_t)s->window,
                                    .packing = s->packing == TRAINING_ON,
                                    .pairs = s->kind > TRAINING_RUN_SFT,
                                    .in_order = s->order == TRAINING_ORDER_FILE,
                                    .seed = (uint64_t)s->seed};
    const training_sequence *list = training_data_borrow(data);
    size_t count = training_data_train_count(data);

    *out = (training_extent){.examples = count};
    err e = training_windows_new(list, count, &how, &windows);
    if (e.code) return e;
    out->windows = training_windows_count(windows);
    out->rows = training_windows_row_count(windows);
    for (size_t i = 0; i < count; i++) {
        out->targets += training_sequence_targets(&list[i]);
        out->tokens += list[i].count;
    }
    e = longest_row(windows, out);
    training_windows_free(windows);
    return e;
}

/* -- memory -------------------------------------------------------------------------------------------------
 */

static uint64_t memory_free(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) break;
    if (f) fclose(f);
    return (uint64_t)kib * 1024;
}

training_room training_room_look(tensor_device device, bool own_gpus, const training_ranks *ranks)
{
    training_room room = {.ranks = training_ranks_local_count(ranks), .cuda = device.cuda};
    tensor_device_info gpu = {0};
    if (!device.cuda) {
        room.free = memory_free();
        return room;
    }
    size_t count = (size_t)MAX_OF(tensor_cuda_count(), 1);
    if (own_gpus) room.ranks = (room.ranks + count - 1) / count;
    if (!tensor_device_describe(device, &gpu).code) room.free = gpu.memory_free_bytes;
    return room;
}

/* Rows of the loss that are computed at once (section 6). */
static double chunk_rows(double vocab)
{
    double rows = exp2(floor(CHUNK_BYTES_BITS - log2(vocab)));
    return MIN_OF(MAX_OF(rows, (double)CHUNK_LEAST), (double)CHUNK_MOST);
}

/* Elements of the linear layers: what is packed when the base is quantised, and most of the arithmetic. */
static double linear_elements(const engine_spec *spec)
{
    double sum = 0;
    for (size_t module = 0; module < engine_module_count(spec); module++) {
        engine_module_kind kind = engine_module_kind_of(module);
        int64_t shape[2];
        unsigned rank = 0;
        bool bias = false;
        engine_module_shape(spec, module, shape, &rank, &bias);
        if (rank == 2 && kind >= ENGINE_MODULE_Q && kind <= ENGINE_MODULE_DOWN)
            sum += (double)shape[0] * (double)shape[1];
    }
    return sum;
}

static double type_bytes(const engine_model *model) { return engine_model_type(model) == TENSOR_F32 ? 4 : 2; }

static double base_bytes(const engine_model *model, double linear)
{
    static const struct {
        const char *dtype;
        double bytes;
    } packed[] = {{"int8", 1.03}, {"nf4", 0.5625}};
    double all = (double)engine_model_parameters(model), width = type_bytes(model);
    for (size_t i = 0; i < COUNT_OF(packed); i++)
        if (strcmp(engine_model_dtype(model), packed[i].dtype) == 0)
            return linear * packed[i].bytes + (all - linear) * width;
    return all * width;
}

/* Whether processes on one machine share the base's pages: those of its file, neither packed nor converted.
 */
static bool base_is_mapped(const engine_model *model)
{
    engine_dtype stored = engine_weights_main_type(engine_model_borrow_weights(model));
    engine_dtype used = engine_model_type(model) == TENSOR_F32 ? ENGINE_DTYPE_F32 : ENGINE_DTYPE_BF16;
    const char *dtype = engine_model_dtype(model);
    return stored == used && strcmp(dtype, "int8") != 0 && strcmp(dtype, "nf4") != 0;
}

/* -- arithmetic ---------------------------------------------------------------------------------------------
 */

/* A frozen weight takes two products of a token, forward and for the input's gradient; one that is trained
 * three; and one more where the layer is computed again. */
static void count_work(const engine_spec *spec, const training_settings *s, const training_extent *x,
                       double linear, training_estimate *e)
{
    double layers = (double)spec->layer_count, q = (double)spec->head_count * (double)spec->head_size;
    double tokens = (double)MAX_OF(x->tokens, (uint64_t)1), again = e->checkpoint_layers ? 1 : 0;
    double products = (s->full ? 3 : 2) + again;
    double segment = tokens / (double)MAX_OF(x->examples, (uint64_t)1);

    e->flop_per_token_layer = products * 2 * linear / layers;
    e->flop_per_token_pair = (3 + again) * 2 * layers * q;
    e->flop_per_target = (s->full ? 6 : 4) * (double)spec->vocab_count * (double)spec->hidden;
    e->flop_per_token = e->flop_per_token_layer * layers + e->flop_per_token_pair * segment +
                        e->flop_per_target * (double)x->targets / tokens;
    e->flop_per_step = e->flop_per_token * tokens / (double)MAX_OF(x->windows, (uint64_t)1);
}

/* Bytes that the backward pass keeps of a token in a layer. DoRA is computed op by op: its outputs twice and
 * its inputs in f32, under dropout the mask and what it left too. */
static double graph_bytes(const engine_spec *spec, const training_settings *s, double width)
{
    double h = (double)spec->hidden, q = (double)spec->head_count * (double)spec->head_size;
    double k = (double)spec->kv_head_count * (double)spec->head_size, f = (double)spec->inner;
    double in = 5 * h + q + f, out = q + 2 * k + 2 * h + 2 * f;
    double kept = width * (2 * h + 2 * (q + k) + k + q + 2 * h + 4 * f);
    return s->dora ? kept + 4 * (2 * out + in) + (s->dropout > 0 ? 8 * in : 0) : kept;
}

training_estimate training_estimate_make(const engine_model *model, uint64_t parameters,
                                         const training_settings *settings, const training_extent *extent,
                                         training_room room)
{
    const engine_spec *spec = engine_model_borrow_spec(model);
    double h = (double)spec->hidden, layers = (double)spec->layer_count, vocab = (double)spec->vocab_count;
    double tokens = (double)settings->micro_batch * (double)extent->row_tokens, width = type_bytes(model);
    double a = graph_bytes(spec, settings, width);
    double off = tokens * layers * a, each = tokens * layers * width * h + tokens * a;
    double linear = linear_elements(spec);
    training_estimate e = {.base = (uint64_t)base_bytes(model, linear),
                           .adapter = parameters * MASTER_BYTES,
                           .parameters = parameters,
                           .room = room};
    if (!settings->full && settings->init >= TRAINING_INIT_PISSA)
        e.adapter += (uint64_t)(linear * width); /* what is left of the weights */
    uint64_t shared = !room.cuda && base_is_mapped(model) ? e.base : 0;
    double ranks = (double)room.ranks, most = 0.7 * (double)room.free;
    int layers_at_once = 0;

    e.loss = (uint64_t)(2 * MIN_OF(chunk_rows(vocab), tokens) * vocab * 4 + tokens * h * 4);
    if (settings->full) e.loss += (uint64_t)(vocab * h * 4); /* the head's gradient, until it is added */
    double rest = (double)e.base + (double)e.adapter + (double)e.loss;
    (void)training_settings_checkpointing(settings, &layers_at_once);
    if (layers_at_once < 0)
        layers_at_once = room.free && (double)shared + ((rest + off) * 1.1 - (double)shared) * ranks > most;
    e.checkpoint_layers = (size_t)layers_at_once;
    e.graph = (uint64_t)(layers_at_once ? each * (layers_at_once > 1 ? (double)layers_at_once : 1) : off);
    e.fixed = (uint64_t)((rest + (double)e.graph) * 0.1) + PROCESS_BYTES;
    e.total = e.base + e.adapter + e.loss + e.graph + e.fixed;
    e.together = shared + (e.total - shared) * room.ranks;
    count_work(spec, settings, extent, linear, &e);
    return e;
}
