#include "training/estimate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "engine/spec.h"

enum { MASTER_BYTES = 18, CHUNK_BYTES_BITS = 26, CHUNK_LEAST = 64, CHUNK_MOST = 4096 };

static uint64_t memory_free(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) break;
    if (f) fclose(f);
    return (uint64_t)kib * 1024;
}

/* Rows of the loss that are computed at once (section 6). */
static double chunk_rows(double vocab)
{
    double rows = exp2(floor(CHUNK_BYTES_BITS - log2(vocab)));
    return MIN_OF(MAX_OF(rows, (double)CHUNK_LEAST), (double)CHUNK_MOST);
}

training_estimate training_estimate_make(const engine_model *model, uint64_t parameters,
                                         const training_settings *settings)
{
    const engine_spec *spec = engine_model_borrow_spec(model);
    double h = (double)spec->hidden, layers = (double)spec->layer_count, vocab = (double)spec->vocab_count;
    double q = (double)spec->head_count * (double)spec->head_size;
    double k = (double)spec->kv_head_count * (double)spec->head_size, f = (double)spec->inner;
    double tokens = (double)settings->micro_batch * (double)settings->max_length;
    double a = 2 * (2 * h + 2 * (q + k) + k + q + 2 * h + 4 * f); /* bytes of a token and layer */
    double off = tokens * layers * a, each = tokens * layers * 2 * h + tokens * a;
    training_estimate e = {
        .base = engine_model_bytes(model), .adapter = parameters * MASTER_BYTES, .free = memory_free()};
    int layers_at_once = 0;

    e.loss = (uint64_t)(2 * chunk_rows(vocab) * vocab * 4 + tokens * h * 4);
    double rest = (double)e.base + (double)e.adapter + (double)e.loss;
    (void)training_settings_checkpointing(settings, &layers_at_once);
    if (layers_at_once < 0) layers_at_once = e.free && (rest + off) * 1.1 > 0.7 * (double)e.free;
    e.checkpoint_layers = (size_t)layers_at_once;
    e.graph = (uint64_t)(layers_at_once ? each * (layers_at_once > 1 ? (double)layers_at_once : 1) : off);
    e.fixed = (uint64_t)((rest + (double)e.graph) * 0.1);
    e.total = e.base + e.adapter + e.loss + e.graph + e.fixed;
    double table = spec->tied ? 0 : vocab * h;
    double weights = (double)engine_model_parameters(model) - table;
    e.flop_per_token =
        (layers_at_once ? 6 : 4) * weights + 2 * 2 * layers * q * (double)settings->max_length / 2;
    return e;
}
