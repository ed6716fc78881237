/* Whatever comes in may be refused, but may not crash, hang or leak; what is accepted gives a rank in bounds.
 */
#include <stdlib.h>

#include "engine/adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    engine_adapter_config *config = NULL;
    err e = engine_adapter_config_parse((bytes_view){(const char *)data, size}, &config);
    if ((e.code == ERR_NONE) != (config != NULL)) abort();
    if (!config) return 0;
    size_t rank = 0;
    double scale = 0;
    e = engine_adapter_config_module(config, "model.layers.0.self_attn.q_proj", &rank, &scale);
    if (!e.code && (rank < 1 || rank > ENGINE_ADAPTER_RANK_MAX)) abort();
    engine_adapter_config_free(config);
    return 0;
}
