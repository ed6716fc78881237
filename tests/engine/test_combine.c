/* Several adapters as one, against what PEFT's add_weighted_adapter made; and adapters written anew. */
#include "engine/combine.h"

#include "engine/arch/modules.h"
#include "engine/combine_ops.h"
#include "engine/dtype_values.h"
#include "engine/safetensors.h"
#include "tests/support/model.h"

/* -- against the reference ----------------------------------------------------------------------------------
 */

static engine_spec *spec_of(const char *folder)
{
    bytes json = check_read("%s/config.json", folder);
    engine_spec *spec = NULL;
    check_ok(engine_spec_parse(bytes_borrow(&json), &spec));
    bytes_free(&json);
    return spec;
}

static engine_adapter_file *file_of(const char *folder, const engine_spec *spec)
{
    engine_files *files = NULL;
    engine_adapter_file *file = NULL;
    check_ok(engine_files_open_folder(folder, &files));
    check_ok(engine_adapter_file_open(files, NULL, spec, &file));
    engine_files_free(files);
    return file;
}

static double *read_values(const engine_safetensor *t)
{
    double *values = memory_alloc((size_t)(t->count + 1) * sizeof *values);
    engine_dtype_values(t->type, t->data, 0, (size_t)t->count, values);
    return values;
}

/* The largest difference of two tensors of equal shape. */
static double tensor_difference(const engine_safetensor *a, const engine_safetensor *b)
{
    double *x = read_values(a), *y = read_values(b), most = 0;
    check_int(a->count, b->count);
    check_true(a->rank == b->rank && a->shape[0] == b->shape[0] && a->shape[1] == b->shape[1]);
    for (size_t i = 0; i < a->count; i++) most = MAX_OF(most, fabs(x[i] - y[i]));
    free(x);
    free(y);
    return most;
}

/* B A, [out, in]. */
static double *product_of(const engine_safetensors *st, const char *b_name, size_t *count)
{
    char a_name[300];
    snprintf(a_name, sizeof a_name, "%s", b_name);
    strstr(a_name, ".lora_B.")[6] = 'A';
    const engine_safetensor *a = engine_safetensors_find(st, a_name),
                            *b = engine_safetensors_find(st, b_name);
    check_true(a && b);
    double *x = read_values(a), *y = read_values(b);
    size_t out = (size_t)b->shape[0], rank = (size_t)b->shape[1], in = (size_t)a->shape[1];
    double *product = memory_alloc(out * in * sizeof *product);
    for (size_t o = 0; o < out; o++)
        for (size_t r = 0; r < rank; r++)
            for (size_t i = 0; i < in; i++) product[o * in + i] += y[o * rank + r] * x[r * in + i];
    free(x);
    free(y);
    *count = out * in;
    return product;
}

static double product_difference(const engine_safetensors *a, const engine_safetensors *b, const char *name)
{
    size_t count = 0, other = 0;
    double *x = product_of(a, name, &count), *y = product_of(b, name, &other), most = 0;
    check_int(count, other);
    for (size_t i = 0; i < count; i++) most = MAX_OF(most, fabs(x[i] - y[i]));
    free(x);
    free(y);
    return most;
}

static double files_difference(const engine_safetensors *got, const engine_safetensors *wanted, bool products)
{
    double most = 0;
    check_int(engine_safetensors_count(got), engine_safetensors_count(wanted));
    for (size_t i = 0; i < engine_safetensors_count(wanted); i++) {
        const engine_safetensor *t = engine_safetensors_borrow(wanted, i);
        const engine_safetensor *own = engine_safetensors_find(got, t->name);
        if (!own) fail_msg("%s is lacking", t->name);
        if (!products)
            most = MAX_OF(most, tensor_difference(own, t));
        else if (strstr(t->name, ".lora_B."))
            most = MAX_OF(most, product_difference(got, wanted, t->name));
    }
    return most;
}

TEST(combined_adapters_are_those_of_peft)
{
    static const struct {
        engine_combine_kind kind;
        double second, tolerance;
    } cases[] = {{ENGINE_COMBINE_LINEAR, -0.4, 1e-6},
                 {ENGINE_COMBINE_CAT, -0.4, 1e-6},
                 {ENGINE_COMBINE_SVD, -0.4, 1e-5},
                 {ENGINE_COMBINE_TIES, 0.4, 1e-6},
                 {ENGINE_COMBINE_MAGNITUDE_PRUNE, 0.4, 1e-6}};
    const char *data = check_shared_data();
    if (!data) skip();
    char path[1200];
    check_ok(tensor_door_open());
    snprintf(path, sizeof path, "%s/models/tiny-qwen3", data);
    engine_spec *spec = spec_of(path);
    snprintf(path, sizeof path, "%s/golden/training/init/merge_a", data);
    engine_adapter_file *a = file_of(path, spec);
    snprintf(path, sizeof path, "%s/golden/training/init/merge_b", data);
    engine_adapter_file *b = file_of(path, spec);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const engine_combine_item items[] = {{a, "a", 0.7}, {b, "b", cases[i].second}};
        engine_combine_options options = {.kind = cases[i].kind, .density = 0.5};
        engine_adapter_out *out = engine_adapter_out_new(spec, "tiny-qwen3");
        bytes weights = {0}, config = {0};
        engine_safetensors *got = NULL, *wanted = NULL;
        check_ok(engine_combine(items, 2, &options, out));
        engine_adapter_out_write(out, &weights, &config);
        check_ok(engine_safetensors_parse(bytes_borrow(&weights), &got));
        bytes reference =
            check_read("%s/golden/training/combine.%s.safetensors", data, engine_combine_name(cases[i].kind));
        check_ok(engine_safetensors_parse(bytes_borrow(&reference), &wanted));
        double off = files_difference(got, wanted, engine_combine_is_svd(cases[i].kind));
        print_message("%-16s off by %.2g at most\n", engine_combine_name(cases[i].kind), off);
        check_true(off <= cases[i].tolerance);
        engine_safetensors_free(got), engine_safetensors_free(wanted);
        bytes_free(&reference), bytes_free(&weights), bytes_free(&config);
        engine_adapter_out_free(out);
    }
    engine_adapter_file_free(a), engine_adapter_file_free(b);
    engine_spec_free(spec);
}

/* -- the ops ------------------------------------------------------------------------------------------------
 */

TEST(pruning_keeps_the_largest_and_no_more)
{
    float values[] = {1, -5, 2, 2, 0, -2, 3, 4, -1};
    combine_prune_magnitude(values, COUNT_OF(values), 0.5); /* 4 of 9: 5, 4, 3 and the first 2 */
    static const float wanted[] = {0, -5, 2, 0, 0, 0, 3, 4, 0};
    assert_memory_equal(values, wanted, sizeof wanted);
    combine_prune_magnitude(values, COUNT_OF(values), 0.05);
    for (size_t i = 0; i < COUNT_OF(values); i++) check_true(values[i] == 0);
}

TEST(a_random_choice_keeps_its_share_and_repeats)
{
    enum { COUNT = 100000 };
    float *one = memory_alloc(COUNT * sizeof *one), *two = memory_alloc(COUNT * sizeof *two);
    size_t kept = 0;
    for (size_t i = 0; i < COUNT; i++) one[i] = two[i] = 0.5f;
    combine_prune_random(one, COUNT, 0.25, 7);
    combine_prune_random(two, COUNT, 0.25, 7);
    assert_memory_equal(one, two, COUNT * sizeof *one);
    for (size_t i = 0; i < COUNT; i++) {
        check_true(one[i] == 0 || one[i] == 2.0f);
        kept += one[i] > 0;
    }
    check_true(kept > 24500 && kept < 25500); /* 25000, by chance within 3.7 standard deviations */
    free(one);
    free(two);
}

TEST(the_majority_sign_decides_and_zero_agrees_with_none)
{
    float x[] = {1, 1, -3, 0, 2}, y[] = {2, -4, 2, 0, -2}, z[] = {3, 1, 2, 0, 0}, out[5];
    float *tensors[] = {x, y, z};
    static const float weights[] = {1, 1, 1};
    combine_disjoint(tensors, weights, 3, 5, false, out);
    static const float by_total[] = {2, -4, 2, 0, 2}; /* the last: a zero sum counts as + */
    assert_memory_equal(out, by_total, sizeof by_total);
    combine_disjoint(tensors, weights, 3, 5, true, out);
    check_true(out[1] == 1 && out[2] == 2);
}

/* -- refused, and written anew ------------------------------------------------------------------------------
 */

TEST(what_does_not_add_up_is_refused)
{
    engine_spec *spec = spec_of("tests/data/models/qwen3");
    engine_adapter_file *lora = file_of("tests/data/adapters/qwen3-lora", spec);
    engine_adapter_file *dora = file_of("tests/data/adapters/qwen3-dora", spec);
    engine_adapter_out *out = engine_adapter_out_new(spec, "qwen3");
    engine_combine_options options = {.kind = ENGINE_COMBINE_LINEAR};
    check_fails(engine_combine(&(engine_combine_item){dora, "d", 1}, 1, &options, out), ERR_UNSUPPORTED,
                "adapter d has DoRA");
    check_fails(engine_combine(&(engine_combine_item){lora, "l", 1}, 1, &options, out), ERR_UNSUPPORTED,
                "adapter l has");
    check_fails(engine_combine(NULL, 0, &options, out), ERR_USAGE, "0 adapters");
    engine_combine_kind kind;
    check_fails(engine_combine_parse("dares", &kind), ERR_USAGE, "dare_linear");
    check_ok(engine_combine_parse("ties_svd", &kind));
    check_int(kind, ENGINE_COMBINE_TIES_SVD);
    engine_adapter_out_free(out);
    engine_adapter_file_free(lora), engine_adapter_file_free(dora);
    engine_spec_free(spec);
}

static double stacked_difference(const model *m, const char *one, const char *other)
{
    static const int32_t ids[] = {9, 2, 2, 30, 14, 5, 11, 0, 21, 8, 33, 17};
    float *logits[2];
    const char *paths[] = {one, other};
    for (size_t i = 0; i < 2; i++) {
        engine_adapter *a = NULL;
        engine_stack *stack = NULL;
        check_ok(engine_adapter_open(paths[i], m->decoder, &a));
        check_ok(engine_stack_new(m->decoder, &(engine_stack_item){a, 1}, 1, &stack));
        logits[i] = model_run(m, ids, COUNT_OF(ids), 0, stack);
        engine_stack_free(stack);
        engine_adapter_free(a);
    }
    double off = difference(logits[0], logits[1], COUNT_OF(ids) * m->spec->vocab_count);
    free(logits[0]);
    free(logits[1]);
    return off;
}

static void write_pair(const char *name, const bytes *weights, const bytes *config, char *path, size_t size)
{
    snprintf(path, size, "%s/%s.config.json", check_folder(), name);
    check_write(path, config->data, config->size);
    snprintf(path, size, "%s/%s.safetensors", check_folder(), name);
    check_write(path, weights->data, weights->size);
}

TEST(an_adapter_written_anew_gives_the_same_logits)
{
    static const char *const names[][2] = {
        {"qwen3", "qwen3-lora"}, {"qwen3", "qwen3-dora"}, {"phi3", "phi3-fused"}};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        for (int form = 0; form < 2; form++) {
            char folder[256], old[256], path[600];
            snprintf(folder, sizeof folder, "tests/data/models/%s", names[i][0]);
            snprintf(old, sizeof old, "tests/data/adapters/%s", names[i][1]);
            model m = model_open(folder, TENSOR_F32);
            engine_adapter_file *file = file_of(old, m.spec);
            bytes weights = {0}, config = {0}, again_weights = {0}, again_config = {0};
            engine_adapter_rewrite(file, (engine_adapter_form)form, "some-base", &weights, &config);
            engine_adapter_rewrite(file, (engine_adapter_form)form, "some-base", &again_weights,
                                   &again_config);
            check_true(bytes_view_equal(bytes_borrow(&weights), bytes_borrow(&again_weights)));
            check_true(bytes_view_equal(bytes_borrow(&config), bytes_borrow(&again_config)));
            write_pair(form ? "02_plain" : "01_anew", &weights, &config, path, sizeof path);
            double off = stacked_difference(&m, old, path);
            if (off > (form ? 1e-5 : 0)) fail_msg("%s, form %d: off by %g", names[i][1], form, off);
            check_true(form == 0 || !strstr(bytes_text(&config), "\"use_rslora\": true"));
            bytes_free(&weights), bytes_free(&config), bytes_free(&again_weights), bytes_free(&again_config);
            engine_adapter_file_free(file);
            model_close(&m);
        }
}

TEST(patterns_become_one_rank_and_one_scale)
{
    const char *data = check_shared_data();
    if (!data) skip();
    char folder[1200], path[1200];
    snprintf(folder, sizeof folder, "%s/models/stories260K", data);
    model m = model_open(folder, TENSOR_F32);
    snprintf(folder, sizeof folder, "%s/adapters/stories260K-rslora-patterns", data);
    engine_adapter_file *file = file_of(folder, m.spec);
    for (int form = 0; form < 2; form++) {
        bytes weights = {0}, config = {0};
        engine_adapter_rewrite(file, (engine_adapter_form)form, "some-base", &weights, &config);
        write_pair("01_patterns", &weights, &config, path, sizeof path);
        double off = stacked_difference(&m, folder, path);
        if (off > (form ? 5e-5 : 0)) fail_msg("form %d: off by %g", form, off);
        check_true((strstr(bytes_text(&config), "\"rank_pattern\": {}") != NULL) == (form == 1));
        check_true(strstr(bytes_text(&config), "\"base_model_name_or_path\": \"stories260K\"") != NULL);
        bytes_free(&weights), bytes_free(&config);
    }
    check_true(engine_adapter_is_peft(file));
    engine_adapter_file_free(file);
    model_close(&m);
}

TESTS(RUN(combined_adapters_are_those_of_peft), RUN(pruning_keeps_the_largest_and_no_more),
      RUN(a_random_choice_keeps_its_share_and_repeats),
      RUN(the_majority_sign_decides_and_zero_agrees_with_none), RUN(what_does_not_add_up_is_refused),
      RUN(an_adapter_written_anew_gives_the_same_logits), RUN(patterns_become_one_rank_and_one_scale))
