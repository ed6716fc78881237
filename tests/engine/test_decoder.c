/* The decoder against reference numbers, and what a step promises. */
#include "engine/decoder.h"

#include "engine/decoder_internal.h"
#include "tests/support/model.h"

static const double tolerance = 1e-4;

static const char *const own[] = {"gemma2", "olmo2", "phi3", "qwen3"};

/* Reference models beside the checkout; the other three there are mixtures of experts. */
static const char *const shared[] = {
    "stories260K",        "stories260K-bf16-sharded",
    "tiny-gemma2",        "tiny-gemma3",
    "tiny-llama-bias",    "tiny-llama-dynamic",
    "tiny-llama-yarn",    "tiny-llama3-rope",
    "tiny-mistral",       "tiny-olmo2",
    "tiny-phi3-longrope", "tiny-qwen2",
    "tiny-qwen3",         "tiny-smollm3",
};

static model own_model(const char *name, tensor_type type)
{
    char folder[256];
    snprintf(folder, sizeof folder, "tests/data/models/%s", name);
    return model_open(folder, type);
}

static void check_folder_goldens(const char *folder)
{
    char path[1200];
    snprintf(path, sizeof path, "%s/golden.json", folder);
    model m = model_open(folder, TENSOR_F32);
    size_t positions = 0;
    double most = check_goldens(&m, path, NULL, tolerance, &positions);
    print_message("%-50s off by %.2g at most, best token equal at %zu positions\n", folder, most, positions);
    model_close(&m);
}

TEST(small_models_give_their_reference_logits_each_way)
{
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        char folder[256];
        snprintf(folder, sizeof folder, "tests/data/models/%s", own[i]);
        check_folder_goldens(folder);
    }
}

TEST(every_family_gives_the_reference_logits_each_way)
{
    const char *data = check_shared_data();
    if (!data) skip();
    for (size_t i = 0; i < COUNT_OF(shared); i++) {
        char folder[1024];
        snprintf(folder, sizeof folder, "%s/models/%s", data, shared[i]);
        check_folder_goldens(folder);
    }
}

TEST(bf16_stays_near_f32)
{
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        model wide = own_model(own[i], TENSOR_F32), narrow = own_model(own[i], TENSOR_BF16);
        static const int32_t ids[] = {9, 2, 2, 30, 14, 5, 11, 0, 21, 8, 33, 17};
        size_t count = COUNT_OF(ids), vocab = wide.spec->vocab_count;
        float *wanted = model_run(&wide, ids, count, 0, NULL);
        for (size_t step = 0; step < 13; step += 4) {
            float *got = model_run(&narrow, ids, count, step, NULL);
            double most = difference(got, wanted, count * vocab);
            if (!(most < 0.35)) fail_msg("%s, step %zu: off by %g", own[i], step, most);
            free(got);
        }
        free(wanted);
        model_close(&wide), model_close(&narrow);
    }
}

/* Largest differences between 12 tokens' logits of f32 and of what is quantised, fed in one piece, as parts
 * of the largest logit. The models are tiny and random, which 4 bits change much; that the layers compute
 * what their expanded weights say is checked exactly. */
static const struct {
    const char *name;
    engine_quantised_kind kind;
    double bound;
} quantised_cases[] = {
    {"gemma2", ENGINE_INT8, 0.1}, {"olmo2", ENGINE_INT8, 0.1}, {"phi3", ENGINE_INT8, 0.1},
    {"qwen3", ENGINE_INT8, 0.1},  {"gemma2", ENGINE_NF4, 1},   {"olmo2", ENGINE_NF4, 1},
    {"phi3", ENGINE_NF4, 1},      {"qwen3", ENGINE_NF4, 1},
};

/* Gives `wide` the weights that `packed` expands to. */
static void take_expanded(model *wide, const model *packed)
{
    tensor_scope *s = tensor_scope_new(false);
    for (size_t module = 0; module < wide->decoder->module_count; module++) {
        if (!packed->decoder->quantised[module]) continue;
        tensor_free(wide->decoder->weights[module]);
        wide->decoder->weights[module] =
            tensor_keep(s, tensor_clone(s, engine_decoder_weight(packed->decoder, s, module)));
    }
    check_ok(tensor_scope_close(s));
}

TEST(quantised_layers_stay_near_f32_and_give_the_same_each_way)
{
    static const int32_t ids[] = {9, 2, 2, 30, 14, 5, 11, 0, 21, 8, 33, 17};
    for (size_t i = 0; i < COUNT_OF(quantised_cases); i++) {
        char folder[256];
        snprintf(folder, sizeof folder, "tests/data/models/%s", quantised_cases[i].name);
        model wide = model_open(folder, TENSOR_F32),
              packed = model_open_quantised(folder, quantised_cases[i].kind);
        size_t count = COUNT_OF(ids) * wide.spec->vocab_count;
        float *wanted = model_run(&wide, ids, COUNT_OF(ids), 0, NULL);
        float *whole = model_run(&packed, ids, COUNT_OF(ids), 0, NULL);
        double most = 0;
        for (size_t k = 0; k < count; k++) most = fmax(most, fabs((double)wanted[k]));
        double off = difference(whole, wanted, count) / most;
        print_message("%s, %s: off by %.2g\n", folder,
                      quantised_cases[i].kind == ENGINE_INT8 ? "int8" : "nf4", off);
        check_true(off > 0 && off < quantised_cases[i].bound);
        take_expanded(&wide, &packed);
        for (size_t step = 0; step < 12; step += 3) {
            float *got = model_run(&packed, ids, COUNT_OF(ids), step, NULL),
                  *same = model_run(&wide, ids, COUNT_OF(ids), step, NULL);
            check_true(difference(got, same, count) < tolerance && difference(got, whole, count) < tolerance);
            free(got);
            free(same);
        }
        free(wanted);
        free(whole);
        model_close(&wide), model_close(&packed);
    }
}

TEST(a_quantised_decoder_holds_its_linear_layers_packed_alone)
{
    model wide = own_model("qwen3", TENSOR_F32),
          packed = model_open_quantised("tests/data/models/qwen3", ENGINE_INT8);
    size_t q = engine_module_of(wide.spec, 1, ENGINE_MODULE_Q),
           norm = engine_module_of(wide.spec, 1, ENGINE_MODULE_INPUT_NORM);
    check_true(engine_decoder_is_quantised(packed.decoder) && !engine_decoder_is_quantised(wide.decoder));
    check_true(!engine_decoder_borrow_weight(packed.decoder, q));
    check_true(engine_decoder_borrow_weight(packed.decoder, norm) != NULL);
    check_true(engine_decoder_borrow_weight(packed.decoder, ENGINE_MODULE_HEAD) != NULL);
    tensor_scope *s = tensor_scope_new(false);
    const tensor *weight = engine_decoder_borrow_weight(wide.decoder, q),
                 *expanded = engine_decoder_weight(packed.decoder, s, q);
    size_t count = (size_t)tensor_count(weight);
    check_int(tensor_count(expanded), count);
    const float *a = tensor_borrow_data(weight), *b = tensor_borrow_data(expanded);
    float most = 0;
    for (size_t i = 0; i < count; i++) most = fmaxf(most, fabsf(a[i]));
    check_true(difference(a, b, count) <= (double)most / 127 * 0.50001);
    check_true(engine_decoder_weight(wide.decoder, s, q) == weight); /* what lies whole is lent */
    check_ok(tensor_scope_close(s));
    model_close(&wide), model_close(&packed);
}

/* -- what a step promises -------------------------------------------------------------------------------- */

enum { COMPANY = 5, COMPANY_ROWS_MAX = 40 };

typedef struct sequence {
    int32_t ids[64];
    size_t cached, rows; /* tokens before the step, rows in it */
    engine_logits_want want;
    engine_cache *cache;
} sequence;

/* Fill a sequence's cache and make its segment of the step. */
static engine_segment given_sequence(const model *m, sequence *q, unsigned seed)
{
    for (size_t i = 0; i < COUNT_OF(q->ids); i++) q->ids[i] = (int32_t)((i * 7 + seed * 13 + i * i) % 40);
    check_ok(engine_cache_new(m->pool, &q->cache));
    engine_segment fill = {q->cache, q->cached, 0, NULL, ENGINE_LOGITS_NONE, 0};
    if (q->cached) check_ok(engine_decoder_step(m->decoder, q->ids, &fill, 1, NULL));
    return (engine_segment){q->cache, q->rows, q->cached, NULL, q->want, 0};
}

TEST(a_segment_has_the_same_bits_in_any_company)
{
    for (size_t name = 0; name < COUNT_OF(own); name++) {
        model m = own_model(own[name], TENSOR_F32);
        sequence all[COMPANY] = {{.cached = 5, .rows = 1, .want = ENGINE_LOGITS_LAST},
                                 {.cached = 0, .rows = 20, .want = ENGINE_LOGITS_ALL},
                                 {.cached = 17, .rows = 1, .want = ENGINE_LOGITS_LAST},
                                 {.cached = 3, .rows = 8, .want = ENGINE_LOGITS_ALL},
                                 {.cached = 2, .rows = 11, .want = ENGINE_LOGITS_LAST}};
        size_t vocab = m.spec->vocab_count, at = 0;
        float *alone = memory_alloc(COMPANY_ROWS_MAX * vocab * sizeof *alone);
        float *together = memory_alloc(COMPANY_ROWS_MAX * vocab * sizeof *together);
        for (unsigned i = 0; i < COMPANY; i++) {
            engine_segment segment = given_sequence(&m, &all[i], i);
            check_ok(
                engine_decoder_step(m.decoder, all[i].ids + all[i].cached, &segment, 1, alone + at * vocab));
            at += engine_segments_wanted(&segment, 1);
            engine_cache_free(all[i].cache);
        }
        engine_segment segments[COMPANY];
        int32_t ids[64];
        size_t row = 0;
        for (unsigned i = 0; i < COMPANY; i++) {
            segments[i] = given_sequence(&m, &all[i], i);
            memcpy(ids + row, all[i].ids + all[i].cached, all[i].rows * sizeof *ids);
            row += all[i].rows;
        }
        check_int(engine_segments_wanted(segments, COMPANY), at);
        check_ok(engine_decoder_step(m.decoder, ids, segments, COMPANY, together));
        assert_memory_equal(alone, together, at * vocab * sizeof *alone);
        for (size_t i = 0; i < COMPANY; i++) {
            check_int(engine_cache_count(all[i].cache), all[i].cached + all[i].rows);
            engine_cache_free(all[i].cache);
        }
        free(alone), free(together);
        model_close(&m);
    }
}

TEST(a_step_that_fails_leaves_the_caches_as_they_were)
{
    model m = own_model("qwen3", TENSOR_F32);
    engine_cache *cache = NULL;
    float *logits = memory_alloc(100 * m.spec->vocab_count * sizeof *logits);
    check_ok(engine_cache_new(m.pool, &cache));
    engine_segment segment = {cache, 2, 0, NULL, ENGINE_LOGITS_LAST, 0};
    check_fails(engine_decoder_step(m.decoder, (const int32_t[]){1, 40}, &segment, 1, logits), ERR_USAGE,
                "40");
    check_fails(engine_decoder_step(m.decoder, (const int32_t[]){-1, 1}, &segment, 1, logits), ERR_USAGE,
                "-1");
    check_int(engine_cache_count(cache), 0);
    check_int(engine_cache_pool_bytes(m.pool), 0);
    check_ok(engine_decoder_step(m.decoder, (const int32_t[]){1, 2}, &segment, 1, logits));
    check_fails(engine_decoder_step(m.decoder, (const int32_t[]){1, 2}, &segment, 1, logits), ERR_USAGE,
                "token 0");
    segment = (engine_segment){cache, 63, 2, NULL, ENGINE_LOGITS_LAST, 0};
    check_fails(engine_decoder_step(m.decoder, (int32_t[63]){0}, &segment, 1, logits), ERR_LIMIT,
                "context of 64");
    segment = (engine_segment){cache, 0, 2, NULL, ENGINE_LOGITS_LAST, 0};
    check_fails(engine_decoder_step(m.decoder, (const int32_t[]){1}, &segment, 1, logits), ERR_USAGE,
                "no rows");
    check_fails(engine_decoder_step(m.decoder, NULL, NULL, 0, logits), ERR_USAGE, "without rows");
    engine_segment twice[] = {{cache, 1, 2, NULL, ENGINE_LOGITS_NONE, 0},
                              {cache, 1, 2, NULL, ENGINE_LOGITS_NONE, 0}};
    check_fails(engine_decoder_step(m.decoder, (const int32_t[]){1, 1}, twice, 2, NULL), ERR_USAGE,
                "same cache");
    check_int(engine_cache_count(cache), 2);
    engine_cache_free(cache);
    free(logits);
    model_close(&m);
}

static bool go_on_once(void *context) { return (*(int *)context)++ == 0; }

TEST(a_watched_step_ends_between_layers_and_can_be_done_again)
{
    model m = own_model("qwen3", TENSOR_F32);
    engine_cache *cache = NULL;
    int asked = 0;
    check_ok(engine_cache_new(m.pool, &cache));
    engine_segment segment = {cache, 2, 0, NULL, ENGINE_LOGITS_NONE, 0};
    engine_decoder_watch(m.decoder, go_on_once, &asked);
    check_fails(engine_decoder_step(m.decoder, (const int32_t[]){1, 2}, &segment, 1, NULL), ERR_CANCELLED,
                "step");
    check_int(asked, 2);
    check_int(engine_cache_count(cache), 0);
    check_int(engine_cache_pool_bytes(m.pool), 0);
    engine_decoder_watch(m.decoder, NULL, NULL);
    check_ok(engine_decoder_step(m.decoder, (const int32_t[]){1, 2}, &segment, 1, NULL));
    check_int(engine_cache_count(cache), 2);
    engine_cache_free(cache);
    model_close(&m);
}

TEST(a_cache_of_another_model_is_refused)
{
    model m = own_model("qwen3", TENSOR_F32), other = own_model("gemma2", TENSOR_F32);
    engine_cache *cache = NULL;
    check_ok(engine_cache_new(other.pool, &cache));
    engine_segment segment = {cache, 1, 0, NULL, ENGINE_LOGITS_NONE, 0};
    check_fails(engine_decoder_step(m.decoder, (const int32_t[]){1}, &segment, 1, NULL), ERR_USAGE,
                "another model");
    engine_cache_free(cache);
    model_close(&m), model_close(&other);
}

/* -- loading ------------------------------------------------------------------------------------------------
 */

TEST(weights_of_another_shape_are_refused_by_name)
{
    model m = own_model("qwen3", TENSOR_F32), other = own_model("gemma2", TENSOR_F32);
    check_ok(engine_decoder_check(m.spec, m.weights));
    check_fails(engine_decoder_check(m.spec, other.weights), ERR_FORMAT, "q_norm.weight");
    check_fails(engine_decoder_check(other.spec, m.weights), ERR_FORMAT, "missing");
    model_close(&m), model_close(&other);
}

TEST(tensors_that_the_config_does_not_speak_of_are_refused)
{
    model m = own_model("qwen3", TENSOR_F32);
    engine_spec fewer = *m.spec;
    fewer.qk_norm = ENGINE_QK_NORM_NONE;
    check_fails(engine_decoder_check(&fewer, m.weights), ERR_FORMAT,
                "does not speak of: model.layers.0.self_attn.k_norm");
    model_close(&m);
}

typedef struct progress {
    uint64_t calls, last, total, stop_at;
} progress;

static bool on_progress(void *context, uint64_t bytes_done, uint64_t bytes_total)
{
    progress *p = context;
    check_true(bytes_done >= p->last && bytes_done <= bytes_total);
    p->last = bytes_done;
    p->total = bytes_total;
    return ++p->calls != p->stop_at;
}

TEST(loading_tells_how_far_it_is_and_can_be_cancelled)
{
    model m = own_model("qwen3", TENSOR_F32);
    progress seen = {0};
    engine_decoder_options options = {
        .device = TENSOR_CPU, .type = TENSOR_BF16, .progress = on_progress, .context = &seen};
    engine_decoder *d = NULL;
    check_ok(engine_decoder_new(m.spec, m.weights, &options, &d));
    engine_decoder_free(d);
    check_true(seen.last == seen.total && seen.total == engine_weights_bytes(m.weights));
    seen = (progress){.stop_at = 3};
    check_fails(engine_decoder_new(m.spec, m.weights, &options, &d), ERR_CANCELLED, "cancelled");
    options.type = TENSOR_F16;
    check_fails(engine_decoder_new(m.spec, m.weights, &options, &d), ERR_UNSUPPORTED, "f16");
    model_close(&m);
}

TESTS(RUN(small_models_give_their_reference_logits_each_way),
      RUN(quantised_layers_stay_near_f32_and_give_the_same_each_way),
      RUN(a_quantised_decoder_holds_its_linear_layers_packed_alone),
      RUN(every_family_gives_the_reference_logits_each_way), RUN(bf16_stays_near_f32),
      RUN(a_segment_has_the_same_bits_in_any_company), RUN(a_step_that_fails_leaves_the_caches_as_they_were),
      RUN(a_watched_step_ends_between_layers_and_can_be_done_again), RUN(a_cache_of_another_model_is_refused),
      RUN(weights_of_another_shape_are_refused_by_name),
      RUN(tensors_that_the_config_does_not_speak_of_are_refused),
      RUN(loading_tells_how_far_it_is_and_can_be_cancelled))
