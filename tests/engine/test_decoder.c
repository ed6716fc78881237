/* The decoder against reference numbers, and what a step promises. */
#include "engine/decoder.h"

#include "tests/support/model.h"

static const double tolerance = 1e-4;

static const char *const folders[] = {
    "stories260K",     "stories260K-bf16-sharded", "tiny-gemma2",  "tiny-gemma3",        "tiny-llama-bias",
    "tiny-llama-dynamic", "tiny-llama-yarn",       "tiny-llama3-rope", "tiny-mistral",   "tiny-olmo2",
    "tiny-phi3-longrope", "tiny-qwen2",            "tiny-qwen3",   "tiny-smollm3",
};

TEST(every_family_gives_the_reference_logits)
{
    const char *data = check_shared_data();
    if (!data) skip();
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        char folder[1024], path[1100];
        snprintf(folder, sizeof folder, "%s/models/%s", data, folders[i]);
        snprintf(path, sizeof path, "%s/golden.json", folder);
        model m = model_open(folder, TENSOR_F32);
        size_t positions = 0;
        double most = check_goldens(&m, path, NULL, tolerance, &positions);
        print_message("%-26s off by %.2g at most, best token equal at %zu positions\n", folders[i], most, positions);
        model_close(&m);
    }
}

TESTS(RUN(every_family_gives_the_reference_logits))
