/* engine/train_pass.c: the layers driven by hand (spec training.md, section 7), the head's loss (section 6).
 */
#include "engine/train_pass.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "engine/decoder_internal.h"
#include "engine/trainable_internal.h"

typedef struct pass {
    const engine_decoder *d;
    engine_trainable *t;
    const engine_train_request *request;
    engine_train_result result;
    /* Rows of the micro-batch, laid one after another. */
    int32_t *ids;
    size_t row_count;
    engine_segment *segments;
    size_t segment_count;
    size_t *segment_begins; /* [segment_count + 1] */
    size_t *begins;         /* [request->row_count + 1] */
    uint64_t *keys;         /* [request->row_count] */
    /* Those with a target. */
    int32_t *target_rows, *target_ids;
    size_t *target_segments;
    double *target_factors;
    size_t target_count;
    double *factors, *logprobs; /* [segment_count] */
    engine_training training;
    tensor_scope *s; /* of what lives as long as the pass */
    engine_rows *rows;
    tensor **inputs; /* of each group of layers that is computed again; kept */
    size_t group_layers, group_count;
} pass;

/* -- laying out --------------------------------------------------------------------------------------- */

static err check_row(const engine_decoder *d, const engine_train_row *row, size_t i)
{
    size_t vocab = d->spec->vocab_count;
    if (row->count == 0) return err_make(ERR_USAGE, "row %zu has no tokens", i);
    for (size_t k = 0; k < row->count; k++) {
        if (row->ids[k] < 0 || (size_t)row->ids[k] >= vocab)
            return err_make(ERR_USAGE, "token %zu of row %zu has id %d; the vocabulary has %zu", k, i,
                            (int)row->ids[k], vocab);
        int32_t target = row->targets[k];
        if (target != ENGINE_TARGET_NONE && (target < 0 || (size_t)target >= vocab))
            return err_make(ERR_USAGE, "target %zu of row %zu is %d; the vocabulary has %zu", k, i,
                            (int)target, vocab);
    }
    for (size_t k = 0; row->segment_begins && k < row->segment_count; k++) {
        size_t begin = row->segment_begins[k], before = k ? row->segment_begins[k - 1] : 0;
        if ((k == 0 ? begin != 0 : begin <= before) || begin >= row->count)
            return err_make(ERR_USAGE, "segment %zu of row %zu begins at %zu: segments rise from 0 on", k, i,
                            begin);
    }
    return ERR_OK;
}

static size_t segments_of(const engine_train_row *row)
{
    return row->segment_begins ? row->segment_count : 1;
}

/* One row's segments and targets, after those that are laid out. */
static void lay_row(pass *p, const engine_train_row *row)
{
    size_t count = segments_of(row), segment = 0;
    for (size_t k = 0; k < count; k++) {
        size_t begin = k ? row->segment_begins[k] : 0,
               end = k + 1 < count ? row->segment_begins[k + 1] : row->count;
        p->factors[p->segment_count + k] = row->factors ? row->factors[k] : p->request->scale;
        p->segments[p->segment_count + k] = (engine_segment){.row_count = end - begin};
        p->segment_begins[p->segment_count + k + 1] = p->row_count + end;
    }
    memcpy(p->ids + p->row_count, row->ids, row->count * sizeof *row->ids);
    for (size_t k = 0; k < row->count; k++) {
        if (segment + 1 < count && k == row->segment_begins[segment + 1]) segment++;
        if (row->targets[k] == ENGINE_TARGET_NONE) continue;
        p->target_rows[p->target_count] = (int32_t)(p->row_count + k);
        p->target_ids[p->target_count] = row->targets[k];
        p->target_segments[p->target_count++] = p->segment_count + segment;
    }
    p->segment_count += count;
    p->row_count += row->count;
}

static err lay_out(pass *p)
{
    const engine_train_request *request = p->request;
    size_t tokens = 0, segments = 0;
    for (size_t i = 0; i < request->row_count; i++) {
        err e = check_row(p->d, &request->rows[i], i);
        if (e.code) return e;
        tokens += request->rows[i].count;
        segments += segments_of(&request->rows[i]);
    }
    if (tokens == 0) return err_make(ERR_USAGE, "a micro-batch without rows");
    p->ids = memory_alloc(tokens * sizeof *p->ids);
    p->target_rows = memory_alloc(tokens * sizeof *p->target_rows);
    p->target_ids = memory_alloc(tokens * sizeof *p->target_ids);
    p->target_segments = memory_alloc(tokens * sizeof *p->target_segments);
    p->target_factors = memory_alloc(tokens * sizeof *p->target_factors);
    p->segments = memory_alloc(segments * sizeof *p->segments);
    p->segment_begins = memory_alloc((segments + 1) * sizeof *p->segment_begins);
    p->factors = memory_alloc(segments * sizeof *p->factors);
    p->logprobs = memory_alloc(segments * sizeof *p->logprobs);
    p->begins = memory_alloc((request->row_count + 1) * sizeof *p->begins);
    p->keys = memory_alloc((request->row_count + 1) * sizeof *p->keys);
    for (size_t i = 0; i < request->row_count; i++) {
        p->keys[i] = request->rows[i].dropout_key;
        lay_row(p, &request->rows[i]);
        p->begins[i + 1] = p->row_count;
    }
    return ERR_OK;
}

/* The norms of DoRA's rows as of now: constants of this pass.
 * ‖W + s B A‖² = ‖W‖² + 2 s rowsum((W Aᵀ) ∘ B) + s² rowsum((B (A Aᵀ)) ∘ B). */
static err refresh_norms(engine_trainable *t)
{
    tensor_scope *s = tensor_scope_new(false);
    for (size_t module = 0; module < t->module_count; module++) {
        trainable_part *part = &t->parts[module];
        if (!part->magnitude) continue;
        size_t mark = tensor_scope_mark(s);
        tensor *wide = tensor_cast(s, trainable_weight(t, t->base, s, module), TENSOR_F32);
        tensor *cross = tensor_mul(s, tensor_linear(s, wide, part->a, NULL), part->b);
        tensor *own =
            tensor_mul(s, tensor_matmul(s, part->b, tensor_linear(s, part->a, part->a, NULL)), part->b);
        tensor *sum =
            tensor_add(s, part->squares, tensor_scale(s, tensor_sum(s, cross, 1, false), 2 * part->scale));
        sum = tensor_add(s, sum, tensor_scale(s, tensor_sum(s, own, 1, false), part->scale * part->scale));
        tensor_copy_into(s, part->norms, tensor_sqrt(s, sum));
        tensor_scope_release(s, mark);
    }
    return tensor_scope_close(s);
}

static err begin(pass *p)
{
    if (p->request->backward && !p->t)
        return err_make(ERR_USAGE, "there is nothing to train: a backward pass wants a trainable");
    err e = lay_out(p);
    if (!e.code && p->t && p->t->dora) e = refresh_norms(p->t);
    if (e.code) return e;
    p->training = (engine_training){
        .trainable = p->t,
        .dropout = p->request->dropout,
        .begins = p->begins,
        .keys = p->keys,
        .sequence_count = p->request->row_count,
        .segment_begins = p->segment_begins,
        .segment_count = p->segment_count,
        .written = !p->d->device.cuda && !p->request->composed,
        .narrow = p->request->compute == ENGINE_ADAPTER_NARROW ||
                  (p->request->compute == ENGINE_ADAPTER_AUTO && p->d->device.cuda),
    };
    p->s = tensor_scope_new(true);
    e = engine_rows_new(p->d, p->s, p->segments, p->segment_count, &p->rows);
    if (e.code) return e;
    /* The same ops with grad and without, so that what is computed again is the same. */
    p->rows->all.kernels = p->rows->wanted.kernels = false;
    p->rows->all.training = p->rows->wanted.training = &p->training;
    size_t layers = p->d->spec->layer_count, group = p->request->checkpoint_layers;
    p->group_layers = group == 0 || group > layers ? layers : group;
    p->group_count = (layers + p->group_layers - 1) / p->group_layers;
    p->inputs = memory_alloc((p->group_count + 1) * sizeof(tensor *));
    return ERR_OK;
}

static void end(pass *p)
{
    engine_rows_free(p->rows);
    for (size_t i = 0; p->inputs && i <= p->group_count; i++) tensor_free(p->inputs[i]);
    void *const blocks[] = {p->segment_begins, p->ids,      p->target_rows, p->target_ids, p->target_segments,
                            p->target_factors, p->segments, p->factors,     p->logprobs,   p->begins,
                            p->keys,           p->inputs};
    for (size_t i = 0; i < COUNT_OF(blocks); i++) free(blocks[i]);
}

/* -- layers ------------------------------------------------------------------------------------------- */

/* The layers of a group, each one's temporaries let go before the next begins. */
static tensor *run_group(const pass *p, tensor_scope *s, size_t group, tensor *h)
{
    size_t first = group * p->group_layers, end = MIN_OF(first + p->group_layers, p->d->spec->layer_count);
    for (size_t layer = first; layer < end && h; layer++) {
        if (p->request->go_on && !p->request->go_on(p->request->context))
            return tensor_fail(s, err_make(ERR_CANCELLED, "the step was cancelled"));
        size_t mark = tensor_scope_mark(s);
        tensor *next = tensor_keep(s, engine_decoder_layer(p->d, s, layer, h, p->rows));
        tensor_scope_release(s, mark);
        h = tensor_adopt(s, next);
    }
    return h;
}

/* Forward without a graph: the input of each group is kept, and the last group's output. */
static err run_forward(pass *p, size_t group_count)
{
    for (size_t group = 0; group < group_count; group++) {
        tensor_scope *s = tensor_scope_new(false);
        tensor *h = run_group(p, s, group, tensor_share(s, p->inputs[group]));
        if (!p->request->backward) {
            tensor_free(p->inputs[group]);
            p->inputs[group] = NULL;
        }
        p->inputs[group + 1] = h ? tensor_keep(s, h) : NULL;
        err e = tensor_scope_close(s);
        if (e.code) return e;
    }
    return ERR_OK;
}

/* A leaf over h that gathers the gradient with respect to it. */
static tensor *leaf_over(tensor_scope *s, const tensor *h)
{
    tensor *leaf = tensor_detach(s, h);
    return leaf && tensor_requires_grad(s, leaf) ? leaf : NULL;
}

/* -- head --------------------------------------------------------------------------------------------- */

static void read_losses(pass *p, const float *losses, const bool *hits)
{
    memset(p->logprobs, 0, p->segment_count * sizeof *p->logprobs);
    for (size_t i = 0; i < p->target_count; i++) {
        p->result.loss_sum += (double)losses[i];
        p->result.hits += hits[i];
        p->logprobs[p->target_segments[i]] -= (double)losses[i];
    }
}

/* The rows that have a target, after the last norm. */
static tensor *normed_targets(const pass *p, tensor_scope *s, tensor *h)
{
    tensor *picked =
        tensor_index_select(s, h, 0, tensor_from_i32(s, p->d->device, p->target_rows, p->target_count));
    engine_row_range all = {0, p->target_count, NULL};
    engine_ranges ranges = {&all, 1, p->target_count, false, &p->training};
    return engine_norm_run(p->d, s, ENGINE_MODULE_FINAL_NORM, picked, &ranges);
}

static const tensor *head_weight(const pass *p, tensor_scope *s)
{
    bool tied = p->d->spec->tied || p->d->weights[ENGINE_MODULE_HEAD] == NULL;
    return engine_training_weight(p->d, s, &p->training,
                                  p->t && p->t->full && tied ? ENGINE_MODULE_EMBED : ENGINE_MODULE_HEAD);
}

/* Room for the gradient of a head that is trained; NULL: it is frozen. */
static tensor *head_gradient(const pass *p, tensor_scope *s)
{
    if (!p->t || !p->t->full) return NULL;
    const tensor *weight = engine_decoder_borrow_weight(p->d, ENGINE_MODULE_HEAD);
    const int64_t shape[] = {tensor_size(weight, 0), tensor_size(weight, 1)};
    return tensor_full(s, TENSOR_F32, p->d->device, shape, 2, 0);
}

static void head_gradient_add(const pass *p, tensor_scope *s, const tensor *gradient)
{
    size_t module = p->d->spec->tied ? ENGINE_MODULE_EMBED : ENGINE_MODULE_HEAD;
    if (gradient) tensor_backward_from(s, p->t->parts[module].weight, gradient);
}

static tensor *detached(tensor_scope *s, const tensor *t) { return t ? tensor_detach(s, t) : NULL; }

/* Loss and hits of the targets; with `gradient`, also d loss / d h, kept. */
static err run_head(pass *p, const tensor *h, tensor **gradient)
{
    float *losses = memory_alloc(p->target_count * sizeof *losses);
    bool *hits = memory_alloc(p->target_count * sizeof *hits);
    tensor_scope *s = tensor_scope_new(gradient != NULL);
    tensor *leaf = gradient ? leaf_over(s, h) : tensor_share(s, h);
    tensor *normed = normed_targets(p, s, leaf);
    tensor_head head = {
        .hidden = detached(s, normed),
        .weight = detached(s, head_weight(p, s)),
        .ids = p->target_ids,
        .softcap = p->d->spec->final_softcap,
        .losses = losses,
        .hits = hits,
    };
    bool weigh = p->request->weigh != NULL, told = false;
    if (weigh || !gradient) {
        if (tensor_head_loss(s, &head, NULL)) read_losses(p, losses, hits);
        told = true;
    }
    if (weigh && !tensor_scope_failed(s))
        p->request->weigh(p->request->context, p->logprobs, p->factors, p->segment_count);
    if (gradient && !tensor_scope_failed(s)) {
        for (size_t i = 0; i < p->target_count; i++) p->target_factors[i] = p->factors[p->target_segments[i]];
        head.factors = p->target_factors;
        head.weight_gradient = head_gradient(p, s);
        tensor *of_normed = NULL;
        if (tensor_head_loss(s, &head, &of_normed) && !told) read_losses(p, losses, hits);
        head_gradient_add(p, s, head.weight_gradient);
        tensor_backward_from(s, normed, of_normed);
        tensor *g = leaf ? tensor_grad(s, leaf) : NULL;
        *gradient = g ? tensor_keep(s, g) : NULL;
    }
    free(losses);
    free(hits);
    return tensor_scope_close(s);
}

/* -- the pass ----------------------------------------------------------------------------------------- */

static bool input_is_trained(const pass *p) { return p->t->full; }

/* One group under grad, from its input; the scope holds the graph until it is closed. */
static tensor *run_graph(pass *p, tensor_scope *s, size_t group, tensor **leaf)
{
    *leaf = NULL;
    if (group > 0) *leaf = leaf_over(s, p->inputs[group]);
    /* The first layer's input needs no gradient, unless the embedding is trained. */
    tensor *h = group > 0             ? *leaf
                : input_is_trained(p) ? engine_decoder_embed(p->d, s, p->ids, p->rows)
                                      : tensor_detach(s, p->inputs[0]);
    return run_group(p, s, group, h);
}

/* Gradient g of a group's output to the leaves; g becomes that of its input, or NULL after the first group.
 */
static err run_back(tensor_scope *s, tensor *y, tensor *leaf, tensor **g)
{
    tensor_backward_from(s, y, *g);
    tensor_free(*g);
    tensor *next = leaf && !tensor_scope_failed(s) ? tensor_grad(s, leaf) : NULL;
    *g = next ? tensor_keep(s, next) : NULL;
    return tensor_scope_close(s);
}

static err run_backward(pass *p)
{
    /* The last group is computed once: its graph is there when the loss is. */
    size_t group = p->group_count - 1;
    tensor *leaf = NULL, *g = NULL;
    tensor_scope *s = tensor_scope_new(true);
    tensor *y = run_graph(p, s, group, &leaf);
    err e = ERR_OK;
    if (y) e = run_head(p, y, &g);
    if (e.code || !y || !g) {
        err failed = tensor_scope_close(s);
        tensor_free(g);
        return e.code ? e : failed;
    }
    e = run_back(s, y, leaf, &g);
    while (!e.code && group-- > 0) {
        tensor_free(p->inputs[group + 1]);
        p->inputs[group + 1] = NULL;
        s = tensor_scope_new(true);
        y = run_graph(p, s, group, &leaf);
        e = run_back(s, y, leaf, &g);
    }
    tensor_free(g);
    return e;
}

static err run(pass *p)
{
    tensor_scope *s = tensor_scope_new(false);
    tensor *h = engine_decoder_embed(p->d, s, p->ids, p->rows);
    p->inputs[0] = h ? tensor_keep(s, h) : NULL;
    err e = tensor_scope_close(s);
    bool backward = p->request->backward && p->target_count > 0;
    if (!e.code) e = run_forward(p, backward ? p->group_count - 1 : p->group_count);
    if (e.code || p->target_count == 0) return e;
    return backward ? run_backward(p) : run_head(p, p->inputs[p->group_count], NULL);
}

err engine_train_pass(engine_decoder *d, engine_trainable *t, const engine_train_request *request,
                      engine_train_result *result)
{
    pass p = {.d = d, .t = t, .request = request};
    err e = begin(&p);
    if (!e.code) e = run(&p);
    if (!e.code && request->segment_logprobs)
        memcpy(request->segment_logprobs, p.logprobs, p.segment_count * sizeof *p.logprobs);
    p.result.tokens = p.row_count;
    p.result.targets = p.target_count;
    end(&p);
    err failed = tensor_scope_close(p.s);
    if (!e.code) e = failed;
    if (!e.code) *result = p.result;
    return e;
}
