#include "training/speed.h"

#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/macros.h"
#include "engine/decoder.h"
#include "engine/train_pass.h"
#include "training/optimizer.h"

enum { TOKENS_LEAST = 64, PRODUCT_ROWS_MOST = 1024, LAYERS_LEAST = 2, LAYERS_MOST = 8 };
/* A pass is given as much to do as bare products of this long; the shortest of those that fit is taken, so
 * that what else the machine did meanwhile is not counted. */
#define PRODUCT_SECONDS 0.06
#define PASS_SECONDS    0.2
#define MEASURE_SECONDS 0.15

/* -- a bare product -----------------------------------------------------------------------------------------
 */

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

static err measure_product(const engine_model *model, const training_extent *extent, double *flop_per_s)
{
    const engine_spec *spec = engine_model_borrow_spec(model);
    int64_t rows = (int64_t)MIN_OF(extent->row_tokens, (uint64_t)PRODUCT_ROWS_MOST);
    int64_t in = (int64_t)spec->hidden, of_x[] = {rows, in}, of_weight[] = {(int64_t)spec->inner, in};
    tensor_type type = engine_model_type(model);
    tensor_scope *s = tensor_scope_new(false);
    tensor *x = tensor_full(s, type, TENSOR_CPU, of_x, 2, 0.5);
    tensor *weight = tensor_full(s, type, TENSOR_CPU, of_weight, 2, 0.5);
    if (weight && x) {
        (void)product_seconds(x, weight, 0); /* the first finds nothing ready */
        *flop_per_s = 2 * (double)rows * (double)in * (double)of_weight[0] /
                      product_seconds(x, weight, PRODUCT_SECONDS);
    }
    return tensor_scope_close(s);
}

/* -- what a step is made of ---------------------------------------------------------------------------------
 */

/* A step of the run, and the part and row that stand for its passes. */
typedef struct step_shape {
    double passes;          /* of a step, on one rank */
    double tokens, targets; /* of a pass */
    double segment_wanted;  /* tokens of a segment */
    size_t layers;          /* of the part that is timed against its first layer; 1: the model has one */
    size_t row,
        segment;        /* tokens of the row that is timed, and of each segment in it: fewer when it is cut */
    size_t row_targets; /* of that row, at most */
} step_shape;

static size_t bounded(double wanted, double flop_each, double flop)
{
    double most = fmax(flop / flop_each, TOKENS_LEAST);
    return (size_t)fmax(fmin(round(wanted), most), 1);
}

static step_shape shape_of(const engine_spec *spec, const training_settings *settings,
                           const training_extent *x, const training_estimate *e, size_t ranks,
                           double flop_per_s)
{
    double windows = (double)MAX_OF(x->windows, (uint64_t)1), flop = PASS_SECONDS * flop_per_s;
    double rows = ceil((double)x->rows / windows / (double)ranks);
    double each = (double)settings->micro_batch * (settings->kind > TRAINING_RUN_SFT ? 2 : 1);
    step_shape s = {.passes = fmax(ceil(rows / each), 1)};
    double in_step = windows * (double)ranks * s.passes;
    s.tokens = (double)x->tokens / in_step;
    s.targets = (double)x->targets / in_step;
    s.segment_wanted = (double)x->tokens / (double)MAX_OF(x->examples, (uint64_t)1);
    s.row = MIN_OF(bounded(s.tokens, LAYERS_LEAST * e->flop_per_token_layer, flop), spec->context_max);
    double layers = fmax(flop / ((double)s.row * e->flop_per_token_layer), LAYERS_LEAST);
    s.layers = MIN_OF((size_t)fmin(layers, LAYERS_MOST), spec->layer_count);
    s.segment = MIN_OF((size_t)fmax(round(s.segment_wanted), 1), s.row);
    s.row_targets = MIN_OF(bounded(s.targets, e->flop_per_target, flop), s.row);
    return s;
}

/* -- the first layers alone ---------------------------------------------------------------------------------
 */

typedef struct measured_run {
    const engine_model *model;
    const engine_trainable_options *trained;
    const training_settings *settings;
    size_t checkpoint_layers;
    step_shape shape;
} measured_run;

typedef struct part {
    engine_spec spec; /* the model's, with fewer layers */
    engine_decoder *decoder;
    engine_trainable *trainable;
} part;

static void part_close(part *p)
{
    engine_trainable_free(p->trainable);
    engine_decoder_free(p->decoder);
}

static err part_open(const measured_run *run, size_t layers, part *p)
{
    engine_trainable_options how = *run->trained;
    *p = (part){.spec = *engine_model_borrow_spec(run->model)};
    p->spec.layer_count = layers;
    how.layers = how.rank_pattern = how.alpha_pattern = NULL; /* of layers that are not here */
    how.init = NULL;                                          /* some take long, and all learn alike */
    if (engine_trainable_check(&p->spec, &how, NULL).code) how.targets = "all-linear";
    err e = engine_model_part_new(run->model, &p->spec, &p->decoder);
    return e.code ? e : engine_trainable_new(p->decoder, &how, &p->trainable);
}

/* Targets stand at the row's end; of no meaning, as the ids are. */
static void row_fill(const engine_spec *spec, const step_shape *shape, size_t target_count, int32_t *ids,
                     int32_t *targets)
{
    for (size_t i = 0; i < shape->row; i++) {
        ids[i] = (int32_t)(i * 7919 % spec->vocab_count);
        targets[i] = i + target_count < shape->row ? ENGINE_TARGET_NONE : ids[i];
    }
}

/* Forward and backward, the shortest; the gradients are left. */
static err pass_seconds(const measured_run *run, const part *p, size_t target_count, double *least)
{
    const step_shape *shape = &run->shape;
    int32_t *ids = memory_resize_array(NULL, shape->row, sizeof *ids);
    int32_t *targets = memory_resize_array(NULL, shape->row, sizeof *targets);
    size_t *begins = memory_resize_array(NULL, shape->row, sizeof *begins), segments = 0;
    for (size_t at = 0; at < shape->row; at += shape->segment) begins[segments++] = at;
    row_fill(&p->spec, shape, target_count, ids, targets);
    engine_train_row row = {ids, targets, shape->row, begins, segments, NULL, 1};
    engine_train_request request = {.rows = &row,
                                    .row_count = 1,
                                    .scale = 1 / (double)target_count,
                                    .backward = true,
                                    .dropout = run->settings->dropout,
                                    .checkpoint_layers = run->checkpoint_layers};
    err e = ERR_OK;
    *least = INFINITY;
    double began = clock_seconds();
    for (int i = 0; !e.code && (i < 2 || clock_seconds() - began < MEASURE_SECONDS); i++) {
        engine_train_result result;
        engine_trainable_clear(p->trainable);
        double at = clock_seconds();
        e = engine_train_pass(p->decoder, p->trainable, &request, &result);
        *least = fmin(*least, clock_seconds() - at);
    }
    free(begins);
    free(targets);
    free(ids);
    return e;
}

/* Clipping and the optimizer's step, the shorter of two. */
static err update_seconds(const measured_run *run, const part *p, double *least)
{
    training_optimizer_options how =
        training_optimizer_defaults((training_optimizer_kind)run->settings->optimizer);
    training_optimizer *o = NULL;
    err e = training_optimizer_new(p->trainable, &how, &o);
    *least = INFINITY;
    for (int i = 0; !e.code && i < 2; i++) {
        double norm, at = clock_seconds();
        e = training_optimizer_clip(o, 1, &norm);
        if (!e.code) e = training_optimizer_step(o, 0);
        *least = fmin(*least, clock_seconds() - at);
    }
    training_optimizer_free(o);
    return e;
}

/* -- together -----------------------------------------------------------------------------------------------
 */

typedef struct parts_seconds {
    double first;     /* embedding, first layer, norm and one target, of the row */
    double all;       /* the same with all layers of the part */
    double target;    /* a further target */
    double parameter; /* a number that is trained */
} parts_seconds;

static err measure_layers(const measured_run *run, parts_seconds *out)
{
    part p;
    err e = part_open(run, run->shape.layers, &p);
    if (!e.code) e = pass_seconds(run, &p, 1, &out->all);
    part_close(&p);
    return e;
}

static err measure_one_layer(const measured_run *run, parts_seconds *out)
{
    part p;
    double many = 0, update = 0;
    size_t targets = run->shape.row_targets;
    err e = part_open(run, 1, &p);
    if (!e.code) e = pass_seconds(run, &p, 1, &out->first);
    if (!e.code && targets > 1) {
        e = pass_seconds(run, &p, targets, &many);
        out->target = fmax(many - out->first, 0) / (double)(targets - 1);
    }
    if (!e.code) e = update_seconds(run, &p, &update);
    if (!e.code) out->parameter = update / (double)engine_trainable_parameters(p.trainable);
    part_close(&p);
    return e;
}

static double pass_of(const parts_seconds *of, const step_shape *shape, const engine_spec *spec)
{
    double layers = (double)spec->layer_count, further = 0;
    if (shape->layers > 1) further = fmax(of->all - of->first, 0) / (double)(shape->layers - 1);
    return (of->first + (layers - 1) * further) * shape->tokens / (double)shape->row +
           of->target * fmax(shape->targets - 1, 0);
}

err training_speed_measure(const engine_model *model, const engine_trainable_options *trained,
                           const training_settings *settings, const training_extent *extent,
                           const training_estimate *estimate, size_t ranks, training_speed *out)
{
    const engine_spec *spec = engine_model_borrow_spec(model);
    measured_run run = {model, trained, settings, estimate->checkpoint_layers, {0}};
    parts_seconds of = {0};
    err e = tensor_door_open();
    if (!e.code) e = measure_product(model, extent, &out->product_flop_per_s);
    if (e.code) return e;
    run.shape = shape_of(spec, settings, extent, estimate, ranks, out->product_flop_per_s);
    if (run.shape.layers > 1) e = measure_layers(&run, &of);
    if (!e.code) e = measure_one_layer(&run, &of);
    memory_return_freed(); /* whoever plans only watches from now on */
    if (e.code) return e;
    /* Tokens see more of others in the run's own segments than in a row that was cut. */
    const step_shape *shape = &run.shape;
    double unseen = (shape->segment_wanted - (double)shape->segment) * estimate->flop_per_token_pair;
    double pass = pass_of(&of, shape, spec) + shape->tokens * unseen / out->product_flop_per_s;
    out->step_seconds = shape->passes * pass + of.parameter * (double)estimate->parameters;
    return ERR_OK;
}
