/* Whatever comes in may be refused, but may not crash, hang or leak; what is accepted lies inside the file.
 */
#include <stdlib.h>

#include "engine/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    engine_safetensors *st = NULL;
    err e = engine_safetensors_parse((bytes_view){(const char *)data, size}, &st);
    if ((e.code == ERR_NONE) != (st != NULL)) abort();
    if (!st) return 0;
    uint64_t bytes_seen = 0;
    for (size_t i = 0; i < engine_safetensors_count(st); i++) {
        const engine_safetensor *t = engine_safetensors_borrow(st, i);
        if (t->data.data < (const char *)data || t->data.data + t->data.size > (const char *)data + size)
            abort();
        if (engine_safetensors_find(st, t->name) != t) abort();
        bytes_seen += t->data.size;
    }
    if (bytes_seen != engine_safetensors_data_bytes(st)) abort();
    (void)engine_safetensors_metadata(st, "format");
    engine_safetensors_free(st);
    return 0;
}
