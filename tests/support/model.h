/* tests/support/model.h: a decoder from a folder, and numbers from a golden.json.
 *
 * Included by the tests of the engine that need a model; a failure ends the test. */
#ifndef TESTS_SUPPORT_MODEL_H
#define TESTS_SUPPORT_MODEL_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/macros.h"
#include "engine/decoder.h"
#include "engine/files.h"
#include "engine/weights.h"
#include "tests/support/check.h"

enum { MODEL_PROMPT_MAX = 512, MODEL_PROMPTS_MAX = 8 };

typedef struct model {
    engine_files *files;
    engine_spec *spec;
    engine_weights *weights;
    engine_decoder *decoder;
    engine_cache_pool *pool;
} model;

static inline model model_open_as(const char *folder, const engine_decoder_options *options)
{
    model m = {0};
    bytes config = {0};
    check_ok(engine_files_open_folder(folder, &m.files));
    check_ok(engine_files_read(m.files, "config.json", 1 << 20, &config));
    check_ok(engine_spec_parse(bytes_borrow(&config), &m.spec));
    bytes_free(&config);
    check_ok(engine_weights_open(m.files, &m.weights));
    check_ok(engine_decoder_new(m.spec, m.weights, options, &m.decoder));
    engine_cache_shape shape = engine_decoder_cache_shape(m.decoder);
    check_ok(engine_cache_pool_new(&shape, 0, &m.pool));
    return m;
}

static inline model model_open(const char *folder, tensor_type type)
{
    return model_open_as(folder, &(engine_decoder_options){.device = TENSOR_CPU, .type = type});
}

/* In f32, with linear layers that are quantised so. */
static inline model model_open_quantised(const char *folder, engine_quantised_kind kind)
{
    return model_open_as(
        folder,
        &(engine_decoder_options){.device = TENSOR_CPU, .type = TENSOR_F32, .quantise = true, .kind = kind});
}

static inline void model_close(model *m)
{
    engine_cache_pool_free(m->pool);
    engine_decoder_free(m->decoder);
    engine_weights_free(m->weights);
    engine_spec_free(m->spec);
    engine_files_free(m->files);
}

/* One prompt of a golden.json: the logits after its last token, and the best token after each when it is
 * told. */
typedef struct golden {
    int32_t ids[MODEL_PROMPT_MAX];
    size_t count;
    int64_t best[MODEL_PROMPT_MAX];
    size_t best_count;
    float *last;
} golden;

static inline size_t golden_read(const char *path, golden *out)
{
    arena a = {0};
    bytes text = check_read("%s", path);
    const json_node *root = NULL;
    check_ok(json_parse(bytes_borrow(&text), JSON_DEPTH_MAX, &a, &root));
    size_t count = 0;
    for (const json_node *p = json_first(json_get(root, "prompts")); p; p = p->next) {
        golden *g = &out[count++];
        memset(g, 0, sizeof *g);
        for (const json_node *id = json_first(json_get(p, "ids")); id; id = id->next)
            g->ids[g->count++] = (int32_t)json_int(id, -1);
        for (const json_node *id = json_first(json_get(p, "argmax_each")); id; id = id->next)
            g->best[g->best_count++] = json_int(id, -1);
        const json_node *last = json_get(p, "logits_last");
        if (!last) last = json_get(p, "logits");
        g->last = memory_alloc((json_count(last) + 1) * sizeof(float));
        size_t i = 0;
        for (const json_node *n = json_first(last); n; n = n->next) g->last[i++] = (float)json_double(n, NAN);
    }
    arena_free(&a);
    bytes_free(&text);
    return count;
}

static inline void golden_free(golden *g, size_t count)
{
    for (size_t i = 0; i < count; i++) free(g[i].last);
}

static inline int64_t best_of(const float *logits, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (logits[i] > logits[best]) best = i;
    return (int64_t)best;
}

static inline double difference(const float *a, const float *b, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= most)) most = d;
    }
    return most;
}

/* Logits [count, vocab] of all tokens, in steps of at most `step` rows over a cache; step 0: one step without
 * a cache. The caller's: free(). */
static inline float *model_run(const model *m, const int32_t *ids, size_t count, size_t step,
                               const engine_stack *stack)
{
    size_t vocab = m->spec->vocab_count;
    float *logits = memory_alloc(count * vocab * sizeof *logits);
    engine_cache *cache = NULL;
    if (step) check_ok(engine_cache_new(m->pool, &cache));
    for (size_t at = 0, rows; at < count; at += rows) {
        rows = step ? MIN_OF(step, count - at) : count;
        engine_segment segment = {cache, rows, at, stack, ENGINE_LOGITS_ALL, count};
        check_ok(engine_decoder_step(m->decoder, ids + at, &segment, 1, logits + at * vocab));
    }
    engine_cache_free(cache);
    return logits;
}

/* The same by the parts, in a scope with grad: through libtorch alone, and what computes on a GPU. */
static inline float *model_run_parts(const model *m, const int32_t *ids, size_t count, size_t step,
                                     const engine_stack *stack)
{
    size_t vocab = m->spec->vocab_count;
    float *logits = memory_alloc(count * vocab * sizeof *logits);
    engine_cache *cache = NULL;
    if (step) check_ok(engine_cache_new(m->pool, &cache));
    for (size_t at = 0, row_count; at < count; at += row_count) {
        row_count = step ? MIN_OF(step, count - at) : count;
        engine_segment segment = {cache, row_count, at, stack, ENGINE_LOGITS_ALL, count};
        engine_rows *rows = NULL;
        tensor_scope *s = tensor_scope_new(true);
        check_ok(engine_rows_new(m->decoder, s, &segment, 1, &rows));
        tensor *h = engine_decoder_embed(m->decoder, s, ids + at, rows);
        for (size_t layer = 0; layer < m->spec->layer_count; layer++)
            h = engine_decoder_layer(m->decoder, s, layer, h, rows);
        tensor *y = engine_decoder_head(m->decoder, s, h, rows);
        if (y) check_ok(tensor_read_f32(y, logits + at * vocab, row_count * vocab));
        check_ok(tensor_scope_close(s));
        engine_rows_commit(rows);
        engine_rows_free(rows);
    }
    engine_cache_free(cache);
    return logits;
}

/* Every prompt of `path` gives its golden logits within `tolerance` and the golden best tokens, run each way.
 * Gives the largest difference; *positions grows by the positions whose best token was compared. */
static inline double check_goldens(const model *m, const char *path, const engine_stack *stack,
                                   double tolerance, size_t *positions)
{
    static const struct {
        size_t step;
        bool parts;
    } ways[] = {{0, false},  {1000, false}, {1, false}, {5, false},
                {11, false}, {0, true},     {1, true},  {9, true}};
    golden *prompts = memory_alloc(MODEL_PROMPTS_MAX * sizeof *prompts);
    size_t count = golden_read(path, prompts), vocab = m->spec->vocab_count;
    check_true(count > 0);
    double most = 0;
    for (size_t p = 0; p < count; p++) {
        const golden *g = &prompts[p];
        for (size_t way = 0; way < COUNT_OF(ways); way++) {
            float *logits = ways[way].parts ? model_run_parts(m, g->ids, g->count, ways[way].step, stack)
                                            : model_run(m, g->ids, g->count, ways[way].step, stack);
            double d = difference(logits + (g->count - 1) * vocab, g->last, vocab);
            if (!(d <= tolerance)) fail_msg("%s: prompt %zu, way %zu: off by %g", path, p, way, d);
            most = MAX_OF(most, d);
            if (best_of(logits + (g->count - 1) * vocab, vocab) != best_of(g->last, vocab))
                fail_msg("%s: prompt %zu, way %zu: another best token", path, p, way);
            for (size_t i = 0; i < g->best_count; i++, ++*positions)
                if (best_of(logits + i * vocab, vocab) != g->best[i])
                    fail_msg("%s: prompt %zu, way %zu: another best token at %zu", path, p, way, i);
            free(logits);
        }
    }
    golden_free(prompts, count);
    free(prompts);
    return most;
}

#endif
