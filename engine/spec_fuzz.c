/* Whatever comes in may be refused, but may not crash, hang or leak; what is accepted fits together. */
#include <stdlib.h>

#include "engine/arch/modules.h"
#include "engine/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    engine_spec *spec = NULL;
    err e = engine_spec_parse((bytes_view){(const char *)data, size}, &spec);
    if ((e.code == ERR_NONE) != (spec != NULL)) abort();
    if (!spec) return 0;
    if (!spec->kv_head_count || spec->head_count % spec->kv_head_count != 0) abort();
    for (size_t i = 0; i < spec->layer_count; i++)
        if (spec->layers[i].rope >= (int)spec->rope_count) abort();
    for (size_t i = 0; i < spec->rope_count; i++)
        if (spec->ropes[i].size % 2 != 0 || spec->ropes[i].size > spec->head_size) abort();
    char name[ENGINE_MODULE_NAME_MAX];
    size_t last = engine_module_count(spec) - 1;
    engine_module_name(spec, last, name, sizeof name);
    size_t found = engine_module_find(spec, name);
    if (found != last && found != ENGINE_MODULE_NONE) abort();
    if (!engine_spec_parameters(spec)) abort();
    engine_spec_free(spec);
    return 0;
}
