/* Adapters worked into the weights; how much they change; a stack that changes while a conversation goes on.
 */
#include "engine/merge.h"

#include "base/clock.h"
#include "base/file.h"
#include "engine/adapter_look.h"
#include "engine/arch/modules.h"
#include "tests/support/model.h"
#include "tests/support/small_model.h"

static engine_model *opened(const char *folder)
{
    const engine_model_options options = {.device = "cpu", .dtype = "auto", .weights = true};
    engine_files *files = NULL;
    engine_model *m = NULL;
    check_ok(engine_files_open_folder(folder, &files));
    check_ok(engine_model_open(files, &options, &m));
    return m;
}

static engine_stack *stack_of(engine_model *m, const char *path, double scale)
{
    engine_adapter *a = NULL;
    engine_stack *stack = NULL;
    check_ok(engine_adapter_open(path, engine_model_borrow_decoder(m), &a));
    check_ok(engine_stack_new(engine_model_borrow_decoder(m), &(engine_stack_item){a, scale}, 1, &stack));
    engine_adapter_free(a);
    return stack;
}

static err merged_into(const char *base, const char *adapter, double scale, const char *folder,
                       engine_merge_check_result *result)
{
    engine_model *m = opened(base), *merged = NULL;
    engine_stack *stack = stack_of(m, adapter, scale);
    engine_files *files = NULL;
    size_t changed = 0;
    check_ok(engine_files_open_folder(base, &files));
    err e = engine_merge_write(m, files, stack, folder, NULL, NULL, &changed);
    if (!e.code) merged = opened(folder);
    if (!e.code) e = engine_merge_check(m, stack, merged, result);
    engine_files_free(files);
    engine_stack_free(stack);
    engine_model_free(m);
    engine_model_free(merged);
    return e;
}

TEST(merged_weights_answer_as_base_and_adapter)
{
    static const double scales[] = {1, -0.7, 0};
    char base[512], adapter[600], folder[512];
    snprintf(base, sizeof base, "%s/small", check_folder());
    small_model_write(base, false);
    small_adapter_write(base, "01_any");
    snprintf(adapter, sizeof adapter, "%s/adapters/01_any.safetensors", base);
    for (size_t i = 0; i < COUNT_OF(scales); i++) {
        engine_merge_check_result result;
        snprintf(folder, sizeof folder, "%s/merged-%zu", check_folder(), i);
        check_ok(merged_into(base, adapter, scales[i], folder, &result));
        print_message("scale %-4g off by %.2g, %.2g is allowed\n", scales[i], result.difference,
                      result.allowed);
        check_int(result.prompt_count, 3);
        snprintf(folder, sizeof folder, "%s/merged-%zu/adapters", check_folder(), i);
        check_true(!file_exists(folder));
    }
}

TEST(merged_weights_are_those_of_peft)
{
    static const struct {
        const char *model, *case_name, *init;
        double tolerance;
    } cases[] = {{"tiny-qwen3", "dora", "qwen3_dora", 1e-6}, {"stories260K", "adamw", "stories_r8", 0}};
    const char *data = check_shared_data();
    if (!data) skip();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char base[1200], path[1200], folder[512], name[] = "model.layers.0.self_attn.q_proj.weight";
        snprintf(base, sizeof base, "%s/models/%s", data, cases[i].model);
        snprintf(folder, sizeof folder, "%s/adapter-%s", check_folder(), cases[i].case_name);
        check_ok(file_make_folders(folder));
        bytes config = check_read("%s/golden/training/init/%s/adapter_config.json", data, cases[i].init);
        bytes weights = check_read("%s/golden/training/%s.final.safetensors", data, cases[i].case_name);
        snprintf(path, sizeof path, "%s/adapter_config.json", folder);
        check_write(path, config.data, config.size);
        snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
        check_write(path, weights.data, weights.size);
        bytes_free(&config), bytes_free(&weights);
        engine_merge_check_result result;
        snprintf(path, sizeof path, "%s/merged-%s", check_folder(), cases[i].case_name);
        check_ok(merged_into(base, folder, 1, path, &result));
        bytes got = check_read("%s/model.safetensors", path);
        bytes wanted = check_read("%s/golden/training/%s.merged.safetensors", data, cases[i].case_name);
        engine_safetensors *own = NULL, *theirs = NULL;
        check_ok(engine_safetensors_parse(bytes_borrow(&got), &own));
        check_ok(engine_safetensors_parse(bytes_borrow(&wanted), &theirs));
        const engine_safetensor *a = engine_safetensors_find(own, name),
                                *b = engine_safetensors_find(theirs, name);
        check_true(a && b && a->data.size == b->data.size);
        double most = 0;
        for (size_t k = 0; k < a->count; k++) {
            float x, y;
            memcpy(&x, a->data.data + 4 * k, 4);
            memcpy(&y, b->data.data + 4 * k, 4);
            most = fmax(most, fabs((double)x - (double)y));
        }
        print_message("%s: q_proj of layer 0 off by %.2g\n", cases[i].case_name, most);
        check_true(most <= cases[i].tolerance);
        engine_safetensors_free(own), engine_safetensors_free(theirs);
        bytes_free(&got), bytes_free(&wanted);
    }
}

TEST(what_cannot_be_merged_is_refused)
{
    engine_merge_check_result result;
    char folder[512];
    snprintf(folder, sizeof folder, "%s/refused", check_folder());
    err e = merged_into("tests/data/models/qwen3", "tests/data/adapters/qwen3-lora", 1e38, folder, &result);
    check_true(e.code == ERR_FORMAT || e.code == ERR_UNSUPPORTED); /* not finite, or shared ends */
}

TEST(a_quantised_base_is_not_merged_into)
{
    const engine_model_options options = {.device = "cpu", .dtype = "int8", .weights = true};
    const char *base = "tests/data/models/qwen3";
    engine_files *files = NULL;
    engine_model *m = NULL;
    size_t changed = 0;
    char folder[512];
    check_ok(engine_files_open_folder(base, &files));
    check_ok(engine_model_open(files, &options, &m));
    engine_stack *stack = stack_of(m, "tests/data/adapters/qwen3-lora", 1);
    snprintf(folder, sizeof folder, "%s/quantised", check_folder());
    check_ok(engine_files_open_folder(base, &files));
    check_fails(engine_merge_write(m, files, stack, folder, NULL, NULL, &changed), ERR_UNSUPPORTED,
                "quantised base");
    check_true(!file_exists(folder));
    engine_files_free(files);
    engine_stack_free(stack);
    engine_model_free(m);
}

/* ‖B A‖ by its elements. */
TEST(norms_and_ranks_are_those_of_the_whole_delta)
{
    model m = model_open("tests/data/models/qwen3", TENSOR_F32);
    engine_adapter *a = NULL;
    engine_adapter_row *rows = NULL;
    size_t count = 0, compared = 0;
    check_ok(engine_adapter_open("tests/data/adapters/qwen3-lora", m.decoder, &a));
    check_ok(engine_adapter_look(m.decoder, a, &rows, &count));
    check_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        const engine_adapter_part *part = engine_adapter_borrow_part(a, rows[i].module);
        if (!part->a || part->weight) continue;
        double sum = 0, cosine = 0;
        size_t rank = (size_t)tensor_size(part->a, 0), in = (size_t)tensor_size(part->a, 1);
        const float *pa = tensor_borrow_data(part->a), *pb = tensor_borrow_data(part->b);
        for (size_t o = 0; o < (size_t)tensor_size(part->b, 0); o++)
            for (size_t k = 0; k < in; k++) {
                double value = 0;
                for (size_t r = 0; r < rank; r++) value += (double)pb[o * rank + r] * (double)pa[r * in + k];
                sum += value * value;
            }
        check_true(fabs(rows[i].norm - part->scale * sqrt(sum)) < 1e-5 * rows[i].norm);
        check_true(rows[i].effective >= 1 - 1e-6 && rows[i].effective <= (double)rank + 1e-6);
        check_ok(engine_adapter_cosine(a, a, rows[i].module, &cosine, NULL, NULL, NULL));
        check_true(fabs(cosine - 1) < 1e-6);
        compared++;
    }
    check_true(compared > 0);
    free(rows);
    engine_adapter_free(a);
    model_close(&m);
}

/* Scales go away from the reference's, an answer is computed, they come back over the same cache's prompt:
 * the logits are those of the reference again. */
TEST(a_stack_may_change_between_two_answers)
{
    static const char *const names[] = {"stories260K-lora-r4", "stories260K-rslora-patterns"};
    static const double scales[][2] = {{1, 0.5}, {-0.3, 0}, {0, 1}, {1, 0.5}};
    const char *data = check_shared_data();
    if (!data) skip();
    char path[1200];
    engine_adapter *adapters[2];
    golden *prompts = memory_alloc(MODEL_PROMPTS_MAX * sizeof *prompts);
    snprintf(path, sizeof path, "%s/models/stories260K", data);
    model m = model_open(path, TENSOR_F32);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/adapters/%s", data, names[i]);
        check_ok(engine_adapter_open(path, m.decoder, &adapters[i]));
    }
    snprintf(path, sizeof path, "%s/adapters/stack-lora-r4_1.0-rslora_0.5.golden.json", data);
    size_t count = golden_read(path, prompts), vocab = m.spec->vocab_count;
    double longest = 0;
    for (size_t p = 0; p < count; p++)
        for (size_t turn = 0; turn < COUNT_OF(scales); turn++) {
            engine_stack *stack = NULL;
            double began = clock_seconds();
            check_ok(engine_stack_new(
                m.decoder,
                (engine_stack_item[]){{adapters[0], scales[turn][0]}, {adapters[1], scales[turn][1]}}, 2,
                &stack));
            longest = fmax(longest, clock_seconds() - began);
            float *logits = model_run(&m, prompts[p].ids, prompts[p].count, 5, stack);
            double off = difference(logits + (prompts[p].count - 1) * vocab, prompts[p].last, vocab);
            check_true((turn == 0 || turn == 3) ? off <= 1e-4 : off > 1e-2);
            free(logits);
            engine_stack_free(stack);
        }
    print_message("a stack was changed in %.2g ms at most\n", longest * 1000);
    check_true(longest < 0.05);
    golden_free(prompts, count);
    free(prompts);
    engine_adapter_free(adapters[0]), engine_adapter_free(adapters[1]);
    model_close(&m);
}

TESTS(RUN(merged_weights_answer_as_base_and_adapter), RUN(merged_weights_are_those_of_peft),
      RUN(what_cannot_be_merged_is_refused), RUN(a_quantised_base_is_not_merged_into),
      RUN(norms_and_ranks_are_those_of_the_whole_delta), RUN(a_stack_may_change_between_two_answers))
