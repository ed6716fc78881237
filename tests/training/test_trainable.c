/* What is trained: which modules, under which names, written how, read back bit for bit. */
#include "base/file.h"
#include "tests/support/small_training.h"

static void check_count(const engine_trainable_options *options, size_t leaves, uint64_t parameters)
{
    small_training st;
    small_training_open(&st, options, false);
    uint64_t told = 0;
    check_ok(engine_trainable_check(st.m.spec, options, &told));
    check_int(engine_trainable_count(st.t), leaves);
    check_int(engine_trainable_parameters(st.t), parameters);
    check_int(told, parameters);
    for (size_t i = 1; i < leaves; i++)
        check_true(strcmp(engine_trainable_borrow_name(st.t, i - 1), engine_trainable_borrow_name(st.t, i)) <
                   0);
    small_training_close(&st);
}

/* Two layers of hidden 16, inner 32, q of 16, k and v of 8. */
enum {
    ATTENTION = (16 + 16) + 2 * (16 + 8) + (16 + 16),
    MLP = 3 * (16 + 32),
    WHOLE = 260 * 16 + 2 * (16 * 16 + 2 * 8 * 16 + 16 * 16 + 3 * 16 * 32 + 2 * 16) + 16,
};

TEST(targets_are_groups_or_endings_of_names)
{
    engine_trainable_options options = small_options();
    check_count(&options, 28, 2 * 4 * (ATTENTION + MLP));
    options.targets = "attn";
    check_count(&options, 16, 2 * 4 * ATTENTION);
    options.targets = "mlp";
    check_count(&options, 12, 2 * 4 * MLP);
    options.targets = "q_proj,self_attn.v_proj";
    check_count(&options, 8, 2 * 4 * ((16 + 16) + (16 + 8)));
    options.layers = "1";
    check_count(&options, 4, 4 * ((16 + 16) + (16 + 8)));
    options.dora = true;
    check_count(&options, 6, 4 * ((16 + 16) + (16 + 8)) + 16 + 8);
    options = small_options();
    options.rank_pattern = "{\"layers.1.mlp.down_proj\": 2, \"v_proj\": 1}";
    options.targets = "v_proj,down_proj";
    check_count(&options, 8, 2 * (16 + 8) + 4 * (16 + 32) + 2 * (16 + 32));
    options = (engine_trainable_options){.full = true};
    check_count(&options, 20, WHOLE);
}

TEST(a_target_or_layer_that_matches_nothing_is_refused)
{
    engine_trainable_options options = small_options();
    small_training st;
    small_training_open(&st, &options, false);
    static const struct {
        const char *targets, *layers, *words;
    } refused[] = {
        {"q_proj,query", NULL, "\"query\" names no linear layer"},
        {"proj", NULL, "all-linear, attn, mlp, q_proj"},
        {"lm_head", NULL, "\"lm_head\""},
        {"q_proj,", NULL, "the target \"\""},
        {"attn", "2", "the layers 0 to 1"},
        {"attn", "1-0", "1-0"},
        {"attn", "0-", "0-"},
        {"attn", "a", "expected ranges"},
        {"attn", "0,,1", "expected ranges"},
        {"attn", "-1", "expected ranges"},
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        options.targets = refused[i].targets, options.layers = refused[i].layers;
        check_fails(engine_trainable_check(st.m.spec, &options, NULL), ERR_USAGE, refused[i].words);
    }
    options = small_options();
    options.rank = 0;
    check_fails(engine_trainable_check(st.m.spec, &options, NULL), ERR_USAGE, "rank of 0");
    options.rank = 5000;
    check_fails(engine_trainable_check(st.m.spec, &options, NULL), ERR_LIMIT, "5000");
    options = small_options();
    options.init = "zeros";
    check_fails(engine_trainable_check(st.m.spec, &options, NULL), ERR_USAGE, "\"zeros\"");
    options = small_options();
    options.rank_pattern = "{\"(\": 2}";
    check_fails(engine_trainable_check(st.m.spec, &options, NULL), ERR_FORMAT, "regular expression");
    options.rank_pattern = "[1]";
    check_fails(engine_trainable_check(st.m.spec, &options, NULL), ERR_FORMAT, "no JSON object");
    engine_trainable *t = NULL;
    options = small_options();
    options.rank = 9, options.init = "pissa", options.targets = "k_proj";
    check_fails(engine_trainable_new(st.m.decoder, &options, &t), ERR_USAGE,
                "a rank of 9 is more than pissa");
    small_training_close(&st);
}

TEST(a_is_uniform_within_its_bound_and_depends_on_seed_and_name_alone)
{
    engine_trainable_options options = small_options(), few = small_options(), other = small_options();
    few.targets = "q_proj";
    other.seed = 43;
    small_training st;
    small_training_open(&st, &options, false);
    engine_trainable *of_few = NULL, *of_other = NULL;
    check_ok(engine_trainable_new(st.m.decoder, &few, &of_few));
    check_ok(engine_trainable_new(st.m.decoder, &other, &of_other));
    float *all = NULL, most = 0;
    size_t q = 0;
    while (!strstr(engine_trainable_borrow_name(st.t, q), "layers.0.self_attn.q_proj.lora_A")) q++;
    all = leaf_values(st.t, q, false);
    float *alone = leaf_values(of_few, 0, false), *seeded = leaf_values(of_other, q, false);
    check_text(engine_trainable_borrow_name(of_few, 0), engine_trainable_borrow_name(st.t, q));
    check_true(memcmp(all, alone, 64 * sizeof *all) == 0);
    check_true(memcmp(all, seeded, 64 * sizeof *all) != 0);
    for (size_t i = 0; i < 64; i++) most = fmaxf(most, fabsf(all[i]));
    check_true(most <= 0.25f && most > 0.2f); /* 1 / sqrt(16) */
    free(all);
    free(alone);
    free(seeded);
    engine_trainable_free(of_few);
    engine_trainable_free(of_other);
    small_training_close(&st);
}

/* -- files ---------------------------------------------------------------------------------------------- */

static void write_pair(const engine_trainable *t, const char *folder)
{
    bytes weights = {0}, config = {0};
    check_ok(file_make_folders(folder));
    check_ok(engine_trainable_write(t, TENSOR_F32, &weights));
    check_ok(engine_trainable_config(t, "some/base", &config));
    char *weights_path = file_join(folder, "adapter_model.safetensors");
    char *config_path = file_join(folder, "adapter_config.json");
    check_write(weights_path, weights.data, weights.size);
    check_write(config_path, config.data, config.size);
    free(weights_path);
    free(config_path);
    bytes_free(&weights);
    bytes_free(&config);
}

/* Written, read for further training, written again: equal bytes; and a loaded adapter computes what the pass
 * does. */
static void check_round(const engine_trainable_options *options, bool again)
{
    small_training st;
    small_training_open(&st, options, true);
    char *first = file_join(check_folder(), "first"), *second = file_join(check_folder(), "second");
    write_pair(st.t, first);
    if (again) {
        engine_files *files = NULL;
        engine_trainable *t = NULL;
        check_ok(engine_files_open_folder(first, &files));
        check_ok(engine_trainable_from_adapter(st.m.decoder, files, NULL, &t));
        write_pair(t, second);
        static const char *const names[] = {"adapter_model.safetensors", "adapter_config.json"};
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            bytes a = check_read("%s/%s", first, names[i]), b = check_read("%s/%s", second, names[i]);
            check_int(a.size, b.size);
            check_true(memcmp(a.data, b.data, a.size) == 0);
            bytes_free(&a);
            bytes_free(&b);
        }
        engine_trainable_free(t);
        engine_files_free(files);
    }
    engine_adapter *adapter = NULL;
    engine_stack *loaded = NULL, *live = NULL;
    check_ok(engine_adapter_open(first, st.m.decoder, &adapter));
    check_ok(engine_stack_new(st.m.decoder, &(engine_stack_item){adapter, 1}, 1, &loaded));
    check_ok(engine_trainable_stack(st.t, &live));
    double logprob = 0;
    engine_train_result result;
    token_row *row = &st.rows[1];
    for (size_t k = 0; k + 1 < row->count; k++) row->targets[k] = row->ids[k + 1];
    engine_train_request request = {.rows = &st.list[1], .row_count = 1, .segment_logprobs = &logprob};
    check_ok(engine_train_pass(st.m.decoder, st.t, &request, &result));
    float *by_file = model_run(&st.m, row->ids, row->count, 0, loaded);
    float *by_stack = model_run(&st.m, row->ids, row->count, 0, live);
    check_true(memcmp(by_file, by_stack, row->count * SMALL_MODEL_VOCAB * sizeof *by_file) == 0);
    double sum = 0;
    for (size_t k = 0; k + 1 < row->count; k++) {
        const float *logits = by_file + k * SMALL_MODEL_VOCAB;
        double total = 0;
        for (size_t v = 0; v < SMALL_MODEL_VOCAB; v++) total += exp((double)logits[v]);
        sum += (double)logits[row->ids[k + 1]] - log(total);
    }
    if (!(fabs(sum - logprob) < 2e-5 * fabs(sum))) fail_msg("%g by generation, %g by the pass", sum, logprob);
    free(by_file);
    free(by_stack);
    engine_stack_free(loaded);
    engine_stack_free(live);
    engine_adapter_free(adapter);
    free(first);
    free(second);
    small_training_close(&st);
}

TEST(what_is_written_loads_and_is_written_again_alike)
{
    engine_trainable_options options = small_options();
    check_round(&options, true);
    options.dora = options.rslora = true;
    check_round(&options, true);
    options = small_options();
    options.rank_pattern = "{\"q_proj\":2}";
    options.alpha_pattern = "{\"layers.1.mlp.down_proj\":12}";
    options.layers = "1";
    check_round(&options, true);
}

TEST(pissa_and_olora_are_written_as_a_difference_on_the_untouched_base)
{
    engine_trainable_options options = small_options();
    options.init = "pissa";
    check_round(&options, false);
    options.rslora = true, options.init = "olora";
    check_round(&options, false);
}

TEST(whole_weights_are_written_and_take_the_place_of_the_bases)
{
    engine_trainable_options options = {.full = true};
    check_round(&options, false);
}

/* What a file in bf16 can hold, so that nothing is rounded on the way there. */
static void leaves_to_bf16(engine_trainable *t)
{
    for (size_t i = 0; i < engine_trainable_count(t); i++) {
        uint32_t *bits = tensor_borrow_data_mutable(engine_trainable_borrow(t, i));
        for (int64_t v = 0; v < tensor_count(engine_trainable_borrow(t, i)); v++) bits[v] &= 0xFFFF0000u;
    }
}

/* The same tensors under the same names, each of the same type and shape, and none with its old values. */
static void check_laid_out_alike(const engine_weights *before, const engine_weights *after)
{
    check_int(engine_weights_count(after), engine_weights_count(before));
    for (size_t i = 0; i < engine_weights_count(before); i++) {
        const engine_weight *a = engine_weights_borrow(before, i), *b = engine_weights_borrow(after, i);
        check_text(b->name, a->name);
        check_int(b->type, a->type);
        check_int(b->rank, a->rank);
        check_true(memcmp(b->shape, a->shape, a->rank * sizeof *a->shape) == 0);
        check_true(memcmp(b->data.data, a->data.data, a->data.size) != 0);
    }
}

/* phi3: q, k and v lie in one matrix of the file, gate and up in another. */
TEST(whole_fused_weights_are_written_as_they_lay_and_answer_alike)
{
    const char *base = "tests/data/models/phi3";
    engine_trainable_options options = {.full = true};
    engine_trainable *t = NULL;
    engine_stack *live = NULL;
    static const int32_t ids[] = {3, 7, 1, 30, 14, 5, 11, 0, 21};
    model m = model_open(base, TENSOR_F32);
    check_ok(engine_trainable_new(m.decoder, &options, &t));
    small_leaves_move(t, 5);
    leaves_to_bf16(t);
    char *folder = file_join(check_folder(), "fused"), *config = file_join(folder, "config.json");
    bytes text = check_read("%s/config.json", base);
    check_ok(file_make_folders(folder));
    check_write(config, text.data, text.size);
    check_ok(engine_trainable_write_weights(t, m.files, folder));
    model written = model_open(folder, TENSOR_F32);
    check_true(engine_weights_find(written.weights, "model.layers.1.self_attn.qkv_proj.weight") != NULL);
    check_true(engine_weights_find(written.weights, "model.layers.1.mlp.gate_up_proj.weight") != NULL);
    check_laid_out_alike(m.weights, written.weights);
    check_ok(engine_trainable_stack(t, &live));
    float *by_file = model_run(&written, ids, COUNT_OF(ids), 0, NULL);
    float *by_run = model_run(&m, ids, COUNT_OF(ids), 0, live);
    check_true(memcmp(by_file, by_run, COUNT_OF(ids) * m.spec->vocab_count * sizeof *by_file) == 0);
    free(by_file);
    free(by_run);
    bytes_free(&text);
    free(config);
    free(folder);
    engine_stack_free(live);
    engine_trainable_free(t);
    model_close(&written);
    model_close(&m);
}

TEST(values_that_are_not_finite_are_never_written)
{
    engine_trainable_options options = small_options();
    small_training st;
    small_training_open(&st, &options, false);
    ((float *)tensor_borrow_data_mutable(engine_trainable_borrow(st.t, 3)))[2] = INFINITY;
    bytes out = {0};
    check_fails(engine_trainable_write(st.t, TENSOR_F32, &out), ERR_FORMAT,
                engine_trainable_borrow_name(st.t, 3));
    check_int(out.size, 0);
    bytes_free(&out);
    small_training_close(&st);
}

TEST(an_adapter_with_saved_modules_is_not_trained_further)
{
    engine_trainable_options options = {.full = true};
    small_training st;
    small_training_open(&st, &options, false);
    char *folder = file_join(check_folder(), "whole");
    write_pair(st.t, folder);
    engine_files *files = NULL;
    engine_trainable *t = NULL;
    check_ok(engine_files_open_folder(folder, &files));
    check_fails(engine_trainable_from_adapter(st.m.decoder, files, NULL, &t), ERR_UNSUPPORTED,
                "modules saved whole");
    engine_files_free(files);
    free(folder);
    small_training_close(&st);
}

TEST(the_config_is_pefts)
{
    engine_trainable_options options = small_options();
    options.layers = "1", options.dropout = 0.05;
    small_training st;
    small_training_open(&st, &options, false);
    bytes out = {0};
    check_ok(engine_trainable_config(st.t, "Qwen/Qwen3-0.6B", &out));
    static const char *const words[] = {
        "\"peft_type\":\t\"LORA\"",
        "\"base_model_name_or_path\":\t\"Qwen/Qwen3-0.6B\"",
        "\"r\":\t4",
        "\"lora_alpha\":\t8",
        "\"lora_dropout\":\t0.05",
        "\"layers_to_transform\":\t[1]",
        "\"target_modules\":\t[\"down_proj\", \"gate_proj\", \"k_proj\", \"o_proj\", \"q_proj\", "
        "\"up_proj\", \"v_proj\"]",
    };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (!strstr(bytes_text(&out), words[i])) fail_msg("no %s in %s", words[i], bytes_text(&out));
    bytes_free(&out);
    small_training_close(&st);
}

TESTS(RUN(targets_are_groups_or_endings_of_names), RUN(a_target_or_layer_that_matches_nothing_is_refused),
      RUN(a_is_uniform_within_its_bound_and_depends_on_seed_and_name_alone),
      RUN(what_is_written_loads_and_is_written_again_alike),
      RUN(pissa_and_olora_are_written_as_a_difference_on_the_untouched_base),
      RUN(whole_weights_are_written_and_take_the_place_of_the_bases),
      RUN(whole_fused_weights_are_written_as_they_lay_and_answer_alike),
      RUN(values_that_are_not_finite_are_never_written),
      RUN(an_adapter_with_saved_modules_is_not_trained_further), RUN(the_config_is_pefts))
