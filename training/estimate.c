#include "training/estimate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macros.h"
#include "engine/arch/modules.h"
#include "engine/spec.h"
#include "training/windows.h"

enum {
    MASTER_BYTES = 18, /* value, gradient, two moments in f32; a copy in bf16 */
    CHUNK_BYTES_BITS = 26,
    CHUNK_LEAST = 64,
    CHUNK_MOST = 4096,
    PROCESS_BYTES = 150 << 20, /* libtorch and this program before a model is loaded, measured */
    WINDOWS_LOOKED_AT = 1000,
    OPS_OF_LAYER = 160, /* forward and backward, with low-rank parts */
    SPEED_ROWS_MOST = 1024,
    SPEED_OPS = 400,
};
#define SPEED_SECONDS 0.06

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
    double head = (s->full ? 6 : 4) * (double)spec->vocab_count * (double)spec->hidden;

    e->flop_per_token =
        products * 2 * linear + (3 + again) * 2 * layers * q * segment + head * (double)x->targets / tokens;
    double windows = (double)MAX_OF(x->windows, (uint64_t)1);
    double passes = ceil((double)x->rows / windows / (double)s->micro_batch);
    e->flop_per_step = e->flop_per_token * tokens / windows;
    e->ops_per_step = passes * layers * OPS_OF_LAYER * (again ? 1.4 : 1);
}

training_estimate training_estimate_make(const engine_model *model, uint64_t parameters,
                                         const training_settings *settings, const training_extent *extent,
                                         training_room room)
{
    const engine_spec *spec = engine_model_borrow_spec(model);
    double h = (double)spec->hidden, layers = (double)spec->layer_count, vocab = (double)spec->vocab_count;
    double q = (double)spec->head_count * (double)spec->head_size;
    double k = (double)spec->kv_head_count * (double)spec->head_size, f = (double)spec->inner;
    double tokens = (double)settings->micro_batch * (double)extent->row_tokens, width = type_bytes(model);
    double a = width * (2 * h + 2 * (q + k) + k + q + 2 * h + 4 * f); /* bytes of a token and layer */
    double off = tokens * layers * a, each = tokens * layers * width * h + tokens * a;
    double linear = linear_elements(spec);
    training_estimate e = {
        .base = (uint64_t)base_bytes(model, linear), .adapter = parameters * MASTER_BYTES, .room = room};
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

/* -- time ---------------------------------------------------------------------------------------------------
 */

/* The shortest of as many as fit: what else the machine did meanwhile is not counted. */
static double product_seconds(const tensor *x, const tensor *weight, double seconds)
{
    double began = clock_seconds(), least = INFINITY;
    do {
        double at = clock_seconds();
        tensor_scope *s = tensor_scope_new(false);
        bool made = tensor_linear(s, x, weight, NULL) != NULL;
        if (tensor_scope_close(s).code || !made) return NAN;
        least = fmin(least, clock_seconds() - at);
    } while (clock_seconds() - began < seconds);
    return least;
}

static double small_op_seconds(const tensor *row)
{
    tensor_scope *s = tensor_scope_new(false);
    double began = clock_seconds();
    for (int i = 0; i < SPEED_OPS; i++) tensor_add(s, row, row);
    double taken = (clock_seconds() - began) / SPEED_OPS;
    return tensor_scope_close(s).code ? NAN : taken;
}

err training_speed_measure(const engine_model *model, const training_extent *extent, training_speed *out)
{
    const engine_spec *spec = engine_model_borrow_spec(model);
    int64_t rows = (int64_t)MIN_OF(extent->row_tokens, (uint64_t)SPEED_ROWS_MOST), in = (int64_t)spec->hidden;
    int64_t of_x[] = {rows, in}, of_weight[] = {(int64_t)spec->inner, in}, of_row[] = {1, in};
    tensor_type type = engine_model_type(model);

    err e = tensor_door_open();
    if (e.code) return e;
    tensor_scope *s = tensor_scope_new(false);
    tensor *x = tensor_full(s, type, TENSOR_CPU, of_x, 2, 0.5);
    tensor *weight = tensor_full(s, type, TENSOR_CPU, of_weight, 2, 0.5);
    tensor *row = tensor_full(s, type, TENSOR_CPU, of_row, 2, 0.5);
    if (row && weight && x) {
        (void)product_seconds(x, weight, 0); /* the first finds nothing ready */
        out->flop_per_s =
            2 * (double)rows * (double)in * (double)of_weight[0] / product_seconds(x, weight, SPEED_SECONDS);
        out->op_seconds = small_op_seconds(row);
    }
    return tensor_scope_close(s);
}

double training_estimate_step_seconds(const training_estimate *e, const training_speed *speed)
{
    return e->flop_per_step / speed->flop_per_s + e->ops_per_step * speed->op_seconds;
}
