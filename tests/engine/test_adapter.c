/* Adapters on a base: their reference numbers, and what is refused. */
#include "engine/adapter.h"

#include "engine/arch/modules.h"
#include "engine/stack.h"
#include "tests/support/model.h"
#include "tests/support/safetensors.h"

static const double tolerance = 1e-4;

/* A stack of adapters that lie in `folder`. */
static engine_stack *given_stack(const model *m, const char *folder, const char *const *names,
                                 const double *scales, size_t count)
{
    engine_stack_item items[ENGINE_STACK_COUNT_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        char path[1200];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        check_ok(engine_adapter_open(path, m->decoder, &items[i].adapter));
        items[i].scale = scales[i];
    }
    engine_stack *stack = NULL;
    check_ok(engine_stack_new(m->decoder, items, count, &stack));
    for (size_t i = 0; i < count; i++) engine_adapter_free(items[i].adapter);
    return stack;
}

static engine_stack *own_stack(const model *m, const char *name, double scale)
{
    return given_stack(m, "tests/data/adapters", &name, &scale, 1);
}

static engine_adapter *own_adapter(const model *m, const char *name)
{
    char path[256];
    engine_adapter *a = NULL;
    snprintf(path, sizeof path, "tests/data/adapters/%s", name);
    check_ok(engine_adapter_open(path, m->decoder, &a));
    return a;
}

static model own_model(const char *name, tensor_type type)
{
    char path[256];
    snprintf(path, sizeof path, "tests/data/models/%s", name);
    return model_open(path, type);
}

TEST(small_adapters_give_their_reference_logits_each_way)
{
    static const char *const cases[][2] = {
        {"qwen3", "qwen3-lora"}, {"qwen3", "qwen3-dora"}, {"phi3", "phi3-fused"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        model m = own_model(cases[i][0], TENSOR_F32);
        engine_stack *stack = own_stack(&m, cases[i][1], 1);
        char path[256];
        snprintf(path, sizeof path, "tests/data/adapters/%s/golden.json", cases[i][1]);
        size_t positions = 0;
        double most = check_goldens(&m, path, stack, tolerance, &positions);
        print_message("%-44s off by %.2g at most, best token equal at %zu positions\n", cases[i][1], most,
                      positions);
        engine_stack_free(stack);
        model_close(&m);
    }
}

TEST(peft_adapters_give_the_reference_logits)
{
    static const struct {
        const char *golden;
        size_t count;
        const char *names[2];
        double scales[2];
    } cases[] = {
        {"stories260K-lora-r4/golden.json", 1, {"stories260K-lora-r4"}, {1}},
        {"stories260K-rslora-patterns/golden.json", 1, {"stories260K-rslora-patterns"}, {1}},
        {"stories260K-dora-r2/golden.json", 1, {"stories260K-dora-r2"}, {1}},
        {"stories260K-lora-save-norm/golden.json", 1, {"stories260K-lora-save-norm"}, {1}},
        {"stack-lora-r4_1.0-rslora_0.5.golden.json",
         2,
         {"stories260K-lora-r4", "stories260K-rslora-patterns"},
         {1, 0.5}},
    };
    const char *data = check_shared_data();
    if (!data) skip();
    char path[1200];
    snprintf(path, sizeof path, "%s/models/stories260K", data);
    model m = model_open(path, TENSOR_F32);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        snprintf(path, sizeof path, "%s/adapters", data);
        engine_stack *stack = given_stack(&m, path, cases[i].names, cases[i].scales, cases[i].count);
        snprintf(path, sizeof path, "%s/adapters/%s", data, cases[i].golden);
        size_t positions = 0;
        double most = check_goldens(&m, path, stack, tolerance, &positions);
        print_message("%-44s off by %.2g at most\n", cases[i].golden, most);
        engine_stack_free(stack);
    }
    model_close(&m);
}

TEST(adapters_work_on_a_quantised_base)
{
    static const char *const cases[][2] = {
        {"qwen3", "qwen3-lora"}, {"qwen3", "qwen3-dora"}, {"phi3", "phi3-fused"}};
    static const int32_t ids[] = {9, 2, 2, 30, 14, 5, 11, 0, 21, 8, 33, 17};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char path[256];
        snprintf(path, sizeof path, "tests/data/models/%s", cases[i][0]);
        model wide = own_model(cases[i][0], TENSOR_F32), packed = model_open_quantised(path, ENGINE_INT8);
        engine_stack *on_wide = own_stack(&wide, cases[i][1], 1),
                     *on_packed = own_stack(&packed, cases[i][1], 1);
        size_t count = COUNT_OF(ids) * wide.spec->vocab_count;
        float *bare = model_run(&packed, ids, COUNT_OF(ids), 0, NULL);
        for (size_t step = 0; step < 13; step += 4) {
            float *wanted = model_run(&wide, ids, COUNT_OF(ids), step, on_wide);
            float *got = model_run(&packed, ids, COUNT_OF(ids), step, on_packed);
            double off = difference(got, wanted, count), moved = difference(got, bare, count);
            if (!(off < 0.05 * moved))
                fail_msg("%s, step %zu: off by %g, moved by %g", cases[i][1], step, off, moved);
            free(wanted), free(got);
        }
        free(bare);
        engine_stack_free(on_wide), engine_stack_free(on_packed);
        model_close(&wide), model_close(&packed);
    }
}

/* -- rows with stacks of their own ------------------------------------------------------------------------
 */

static const int32_t tokens[] = {9, 2, 2, 30, 14, 5, 11, 0, 21, 8, 33, 17};

/* Logits after all tokens, in one step with others of other stacks. */
TEST(each_row_range_has_its_own_stack_and_the_bits_it_has_alone)
{
    model m = own_model("qwen3", TENSOR_F32);
    engine_stack *stacks[] = {own_stack(&m, "qwen3-lora", 1), NULL, own_stack(&m, "qwen3-dora", 0.7),
                              own_stack(&m, "qwen3-lora", 1), own_stack(&m, "qwen3-lora", -0.5)};
    static const size_t counts[] = {2, 12, 12, 1, 3};
    size_t vocab = m.spec->vocab_count, wanted = 0, row = 0;
    engine_segment segments[COUNT_OF(stacks)];
    engine_cache *caches[COUNT_OF(stacks)];
    int32_t ids[64];
    float alone[COUNT_OF(stacks) * 64], together[COUNT_OF(stacks) * 64];
    for (size_t i = 0; i < COUNT_OF(stacks); i++) {
        check_ok(engine_cache_new(m.pool, &caches[i]));
        segments[i] = (engine_segment){caches[i], counts[i], 0, stacks[i], ENGINE_LOGITS_LAST, 0};
        check_ok(engine_decoder_step(m.decoder, tokens, &segments[i], 1, alone + wanted++ * vocab));
        check_ok(engine_cache_rewind(caches[i], 0));
        memcpy(ids + row, tokens, counts[i] * sizeof *ids);
        row += counts[i];
    }
    check_ok(engine_decoder_step(m.decoder, ids, segments, COUNT_OF(stacks), together));
    assert_memory_equal(alone, together, wanted * vocab * sizeof *alone);
    check_true(difference(alone + vocab, alone + 2 * vocab, vocab) > 0.01);
    for (size_t i = 0; i < COUNT_OF(stacks); i++) {
        engine_cache_free(caches[i]);
        engine_stack_free(stacks[i]);
    }
    model_close(&m);
}

/* By libtorch alone: segments without a cache in a scope with grad. */
TEST(packed_rows_under_grad_have_their_own_stacks_too)
{
    model m = own_model("qwen3", TENSOR_F32);
    engine_stack *stacks[] = {own_stack(&m, "qwen3-lora", 1), NULL, own_stack(&m, "qwen3-dora", 1)};
    size_t vocab = m.spec->vocab_count, count = COUNT_OF(tokens);
    engine_segment segments[3];
    int32_t ids[3 * COUNT_OF(tokens)];
    for (size_t i = 0; i < 3; i++) {
        segments[i] = (engine_segment){NULL, count, 0, stacks[i], ENGINE_LOGITS_ALL, 0};
        memcpy(ids + i * count, tokens, sizeof tokens);
    }
    tensor_scope *s = tensor_scope_new(true);
    engine_rows *rows = NULL;
    check_ok(engine_rows_new(m.decoder, s, segments, 3, &rows));
    tensor *h = engine_decoder_embed(m.decoder, s, ids, rows);
    for (size_t layer = 0; layer < m.spec->layer_count; layer++)
        h = engine_decoder_layer(m.decoder, s, layer, h, rows);
    float *got = memory_alloc(3 * count * vocab * sizeof *got);
    check_ok(tensor_read_f32(engine_decoder_head(m.decoder, s, h, rows), got, 3 * count * vocab));
    check_ok(tensor_scope_close(s));
    engine_rows_free(rows);
    for (size_t i = 0; i < 3; i++) {
        float *wanted = model_run(&m, tokens, count, 5, stacks[i]);
        check_true(difference(got + i * count * vocab, wanted, count * vocab) < 1e-4);
        free(wanted);
        engine_stack_free(stacks[i]);
    }
    free(got);
    model_close(&m);
}

static double loss_of(const model *m, const engine_stack *stack)
{
    float *logits = model_run(m, tokens, COUNT_OF(tokens), 0, stack);
    double sum = 0;
    for (size_t i = 0; i < COUNT_OF(tokens) * m->spec->vocab_count; i++) sum += pow((double)logits[i], 2);
    free(logits);
    return sum;
}

TEST(gradients_of_an_adapter_are_those_of_small_changes)
{
    model m = own_model("qwen3", TENSOR_F32);
    engine_adapter *a = own_adapter(&m, "qwen3-lora");
    engine_stack *stack = NULL;
    check_ok(engine_stack_new(m.decoder, &(engine_stack_item){a, 1}, 1, &stack));
    tensor *b = engine_adapter_borrow_part(a, engine_module_of(m.spec, 0, ENGINE_MODULE_Q))->b;
    tensor_scope *s = tensor_scope_new(true);
    check_true(tensor_requires_grad(s, b));
    engine_segment segment = {NULL, COUNT_OF(tokens), 0, stack, ENGINE_LOGITS_ALL, 0};
    engine_rows *rows = NULL;
    check_ok(engine_rows_new(m.decoder, s, &segment, 1, &rows));
    tensor *h = engine_decoder_embed(m.decoder, s, tokens, rows);
    for (size_t layer = 0; layer < m.spec->layer_count; layer++)
        h = engine_decoder_layer(m.decoder, s, layer, h, rows);
    tensor *y = engine_decoder_head(m.decoder, s, h, rows);
    tensor *flat = TENSOR_RESHAPE(s, tensor_mul(s, y, y), -1);
    check_true(tensor_backward(s, tensor_sum(s, flat, 0, false)));
    float gradient[72];
    check_ok(tensor_read_f32(tensor_grad(s, b), gradient, COUNT_OF(gradient)));
    tensor_grad_clear(b);
    check_ok(tensor_scope_close(s));
    engine_rows_free(rows);
    float *values = tensor_borrow_data_mutable(b);
    for (size_t i = 0; i < COUNT_OF(gradient); i += 17) {
        const float step = 1.0f / 64, kept = values[i];
        values[i] = kept + step;
        double above = loss_of(&m, stack);
        values[i] = kept - step;
        double below = loss_of(&m, stack);
        values[i] = kept;
        double wanted = (above - below) / (2 * (double)step);
        if (!(fabs(wanted - (double)gradient[i]) < 0.02 * (1 + fabs(wanted))))
            fail_msg("element %zu: %g, small changes give %g", i, (double)gradient[i], wanted);
    }
    engine_stack_free(stack);
    engine_adapter_free(a);
    model_close(&m);
}

/* -- looking and refusing
 * ------------------------------------------------------------------------------------ */

TEST(an_adapter_says_what_it_is)
{
    model m = own_model("qwen3", TENSOR_F32);
    engine_adapter *a = own_adapter(&m, "qwen3-lora"), *dora = own_adapter(&m, "qwen3-dora");
    check_text(engine_adapter_borrow_title(a), "qwen3-lora");
    check_int(engine_adapter_rank(a), 3);
    check_int(engine_adapter_module_count(a), 5);
    check_int(engine_adapter_parameters(a), 3 * (40 + 20) + 3 * (20 + 24) + 24 + 3 * (29 + 20) + 40 * 20 + 6);
    check_int(engine_adapter_bytes(a), 4 * engine_adapter_parameters(a));
    check_true(!engine_adapter_is_dora(a) && engine_adapter_is_dora(dora));
    engine_adapter_free(a), engine_adapter_free(dora);
    model_close(&m);
}

TEST(stacks_are_compared_by_adapters_and_scales)
{
    model m = own_model("qwen3", TENSOR_F32);
    engine_adapter *a = own_adapter(&m, "qwen3-lora"), *b = own_adapter(&m, "qwen3-dora");
    engine_stack *one = NULL, *same = NULL, *other = NULL, *both = NULL, *empty = NULL;
    check_ok(engine_stack_new(m.decoder, (engine_stack_item[]){{a, 1}}, 1, &one));
    check_ok(engine_stack_new(m.decoder, (engine_stack_item[]){{a, 1}}, 1, &same));
    check_ok(engine_stack_new(m.decoder, (engine_stack_item[]){{a, 0.5}}, 1, &other));
    check_ok(engine_stack_new(m.decoder, (engine_stack_item[]){{a, 1}, {b, 2}}, 2, &both));
    check_ok(engine_stack_new(m.decoder, NULL, 0, &empty));
    check_true(engine_stack_equal(one, same) && engine_stack_equal(NULL, empty) &&
               engine_stack_equal(NULL, NULL));
    check_true(!engine_stack_equal(one, other) && !engine_stack_equal(one, both) &&
               !engine_stack_equal(one, NULL));
    check_int(engine_stack_count(both), 2);
    check_true(engine_stack_item_at(both, 1).adapter == b && engine_stack_item_at(both, 1).scale == 2);
    engine_adapter_free(a), engine_adapter_free(b);
    engine_stack *shared = engine_stack_share(both);
    engine_stack_free(both);
    check_true(engine_stack_item_at(shared, 0).adapter == a);
    engine_stack_free(one), engine_stack_free(same), engine_stack_free(other), engine_stack_free(shared);
    engine_stack_free(empty);
    model_close(&m);
}

TEST(a_stack_that_makes_no_sense_is_refused)
{
    model m = own_model("qwen3", TENSOR_F32), twin = own_model("qwen3", TENSOR_F32);
    engine_adapter *a = own_adapter(&m, "qwen3-lora");
    engine_stack *stack = NULL;
    engine_stack_item many[ENGINE_STACK_COUNT_MAX + 1];
    for (size_t i = 0; i < COUNT_OF(many); i++) many[i] = (engine_stack_item){a, 1};
    check_fails(engine_stack_new(m.decoder, many, COUNT_OF(many), &stack), ERR_LIMIT, "16");
    check_fails(engine_stack_new(m.decoder, many, 2, &stack), ERR_USAGE, "lm_head whole");
    check_fails(engine_stack_new(twin.decoder, many, 1, &stack), ERR_USAGE, "another model");
    many[0].scale = NAN;
    check_fails(engine_stack_new(m.decoder, many, 1, &stack), ERR_USAGE, "finite");
    engine_adapter_free(a);
    model_close(&m), model_close(&twin);
}

/* A pair NN_name in the test's folder, with one tensor of this name and shape [rows, columns]. */
static const char *given_pair(const char *tensor_name, size_t rows, size_t columns)
{
    static char path[512], config[512];
    char header[512];
    snprintf(path, sizeof path, "%s/01_odd.safetensors", check_folder());
    snprintf(config, sizeof config, "%s/01_odd.config.json", check_folder());
    snprintf(header, sizeof header,
             "{\"%s\":{\"dtype\":\"F32\",\"shape\":[%zu,%zu],\"data_offsets\":[0,%zu]}}", tensor_name, rows,
             columns, rows * columns * 4);
    bytes file = safetensors_of(header, rows * columns * 4);
    for (size_t i = sizeof(uint64_t) + strlen(header); i < file.size; i++) file.data[i] &= 0x3f; /* finite */
    check_write(path, file.data, file.size);
    bytes_free(&file);
    static const char json[] = "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4}";
    check_write(config, json, sizeof json - 1);
    return path;
}

TEST(a_file_that_does_not_fit_its_base_is_refused_by_name)
{
    static const struct {
        const char *name;
        size_t rows, columns;
        err_code code;
        const char *words;
    } cases[] = {
        {"base_model.model.model.layers.0.self_attn.x_proj.lora_A.weight", 2, 20, ERR_FORMAT,
         "matches no module"},
        {"base_model.model.model.layers.7.mlp.up_proj.lora_A.weight", 2, 20, ERR_FORMAT, "matches no module"},
        {"base_model.model.model.layers.0.mlp.up_proj.lora_A.weight", 2, 20, ERR_FORMAT, "no lora_B"},
        {"base_model.model.model.layers.0.mlp.up_proj.lora_magnitude_vector", 2, 20, ERR_FORMAT, "no lora_A"},
        {"base_model.model.model.norm.lora_A.weight", 2, 20, ERR_FORMAT, "no linear layer"},
        {"base_model.model.model.layers.0.mlp.up_proj.bias", 29, 1, ERR_FORMAT, "has none"},
        {"base_model.model.lm_head.modules_to_save.default.weight", 41, 20, ERR_FORMAT,
         "[41, 20], expected [40, 20]"},
    };
    model m = own_model("qwen3", TENSOR_F32);
    engine_adapter *a = NULL;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *path = given_pair(cases[i].name, cases[i].rows, cases[i].columns);
        check_fails(engine_adapter_open(path, m.decoder, &a), cases[i].code, cases[i].words);
        check_fails(engine_adapter_open(path, m.decoder, &a), cases[i].code, "adapter 01_odd");
    }
    check_ok(
        engine_adapter_open(given_pair("lm_head.modules_to_save.default.weight", 40, 20), m.decoder, &a));
    check_text(engine_adapter_borrow_title(a), "01_odd");
    engine_adapter_free(a);
    check_fails(engine_adapter_open("/nowhere", m.decoder, &a), ERR_NOT_FOUND, "/nowhere");
    check_fails(engine_adapter_open("tests/data/models/qwen3/config.json", m.decoder, &a), ERR_USAGE,
                "neither");
    check_fails(engine_adapter_open("tests/data/models/qwen3", m.decoder, &a), ERR_NOT_FOUND,
                "adapter_config.json");
    model_close(&m);
}

/* A pair that acts on up_proj of layer 0, its values 0.5 but one. */
static const char *given_values(const char *config, float odd)
{
    static const char header[] =
        "{\"model.layers.0.mlp.up_proj.lora_A.default.weight\":{\"dtype\":\"F32\",\"shape\":[2,20],"
        "\"data_offsets\":[0,160]},\"model.layers.0.mlp.up_proj.lora_B.default.weight\":{\"dtype\":\"F32\","
        "\"shape\":[29,2],\"data_offsets\":[160,392]}}";
    static char path[512], config_path[512];
    float values[98];
    snprintf(path, sizeof path, "%s/02_values.safetensors", check_folder());
    snprintf(config_path, sizeof config_path, "%s/02_values.config.json", check_folder());
    for (size_t i = 0; i < COUNT_OF(values); i++) values[i] = i == 50 ? odd : 0.5f;
    bytes file = safetensors_of(header, 0);
    bytes_append(&file, values, sizeof values);
    check_write(path, file.data, file.size);
    check_write(config_path, config, strlen(config));
    bytes_free(&file);
    return path;
}

TEST(values_that_are_no_numbers_are_refused_by_name)
{
    static const char config[] = "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4}";
    model m = own_model("qwen3", TENSOR_F32);
    engine_adapter *a = NULL;
    check_fails(engine_adapter_open(given_values(config, NAN), m.decoder, &a), ERR_FORMAT,
                "up_proj.lora_B.default.weight holds a value that is no finite number");
    check_fails(engine_adapter_open(given_values(config, -INFINITY), m.decoder, &a), ERR_FORMAT, "finite");
    check_ok(engine_adapter_open(given_values(config, 3e38f), m.decoder, &a));
    engine_adapter_free(a);
    model_close(&m);
}

TEST(the_older_key_set_says_the_same)
{
    model m = own_model("qwen3", TENSOR_F32);
    engine_adapter *a = NULL;
    const char *path =
        given_values("{\"rank\": 2, \"alpha\": 3.0, \"learning_rate\": 1e-4, \"epochs\": 3}", 1);
    check_ok(engine_adapter_open(path, m.decoder, &a));
    size_t module = engine_module_of(m.spec, 0, ENGINE_MODULE_UP);
    check_true(engine_adapter_borrow_part(a, module)->scale == 1.5);
    engine_adapter_free(a);
    path = given_values("{\"rank\": 3, \"alpha\": 3.0}", 1);
    check_fails(engine_adapter_open(path, m.decoder, &a), ERR_FORMAT, "[2, 20], expected [3, 20]");
    model_close(&m);
}

TEST(a_file_that_was_cut_off_is_refused_wherever_it_ends)
{
    model m = own_model("qwen3", TENSOR_F32);
    engine_adapter *a = NULL;
    const char *path = given_values("{\"peft_type\": \"LORA\", \"r\": 2}", 1);
    bytes whole = check_read("%s", path);
    for (size_t size = 0; size < whole.size; size += 7) {
        check_write(path, whole.data, size);
        check_fails(engine_adapter_open(path, m.decoder, &a), ERR_FORMAT, "adapter 02_values");
    }
    bytes_free(&whole);
    model_close(&m);
}

TESTS(RUN(small_adapters_give_their_reference_logits_each_way), RUN(adapters_work_on_a_quantised_base),
      RUN(peft_adapters_give_the_reference_logits),
      RUN(each_row_range_has_its_own_stack_and_the_bits_it_has_alone),
      RUN(packed_rows_under_grad_have_their_own_stacks_too),
      RUN(gradients_of_an_adapter_are_those_of_small_changes), RUN(an_adapter_says_what_it_is),
      RUN(stacks_are_compared_by_adapters_and_scales), RUN(a_stack_that_makes_no_sense_is_refused),
      RUN(a_file_that_does_not_fit_its_base_is_refused_by_name),
      RUN(values_that_are_no_numbers_are_refused_by_name), RUN(the_older_key_set_says_the_same),
      RUN(a_file_that_was_cut_off_is_refused_wherever_it_ends))
