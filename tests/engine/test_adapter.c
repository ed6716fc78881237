/* Adapters on a base: their reference numbers, and what is refused. */
#include "engine/adapter.h"

#include "engine/stack.h"
#include "tests/support/model.h"

static const double tolerance = 1e-4;

static engine_stack *given_stack(const model *m, const char *data, const char *const *names, const double *scales,
                                 size_t count)
{
    engine_stack_item items[ENGINE_STACK_COUNT_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        char path[1200];
        snprintf(path, sizeof path, "%s/adapters/%s", data, names[i]);
        check_ok(engine_adapter_open(path, m->decoder, &items[i].adapter));
        items[i].scale = scales[i];
    }
    engine_stack *stack = NULL;
    check_ok(engine_stack_new(m->decoder, items, count, &stack));
    for (size_t i = 0; i < count; i++) engine_adapter_free(items[i].adapter);
    return stack;
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
        {"stack-lora-r4_1.0-rslora_0.5.golden.json", 2, {"stories260K-lora-r4", "stories260K-rslora-patterns"}, {1, 0.5}},
    };
    const char *data = check_shared_data();
    if (!data) skip();
    char path[1200];
    snprintf(path, sizeof path, "%s/models/stories260K", data);
    model m = model_open(path, TENSOR_F32);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        engine_stack *stack = given_stack(&m, data, cases[i].names, cases[i].scales, cases[i].count);
        snprintf(path, sizeof path, "%s/adapters/%s", data, cases[i].golden);
        size_t positions = 0;
        double most = check_goldens(&m, path, stack, tolerance, &positions);
        print_message("%-44s off by %.2g at most\n", cases[i].golden, most);
        engine_stack_free(stack);
    }
    model_close(&m);
}

TESTS(RUN(peft_adapters_give_the_reference_logits))
