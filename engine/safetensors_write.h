/* engine/safetensors_write.h: tensors as the bytes of a safetensors file.
 *
 * The header alone, for a file that is written tensor by tensor, or all of it. Equal tensors give equal
 * bytes. Source: spec models.md, section 2. Threads: functions of their arguments. */
#ifndef ENGINE_SAFETENSORS_WRITE_H
#define ENGINE_SAFETENSORS_WRITE_H

#include "engine/safetensors.h"

enum { ENGINE_SAFETENSOR_RANK_WRITTEN_MAX = 4 };

/* A tensor on its way into a file. Names and data are borrowed. */
typedef struct engine_safetensor_out {
    const char *name; /* UTF-8 */
    engine_dtype type;
    unsigned rank;
    int64_t shape[ENGINE_SAFETENSOR_RANK_WRITTEN_MAX];
    bytes_view data; /* of shape and type; engine_safetensors_header does not look at it */
} engine_safetensor_out;

/* Larger elements first, then by name: each lies aligned then, and it is the order of the format's own
 * library. */
void engine_safetensors_sort(engine_safetensor_out *tensors, size_t count);

/* Size, JSON and padding, appended to *out; the data of the tensors must follow in this order without gaps.
 * The JSON holds {"format":"pt"} as metadata, which transformers asks for. */
void engine_safetensors_header(const engine_safetensor_out *tensors, size_t count, bytes *out);
/* Header and data, appended to *out. */
void engine_safetensors_write(const engine_safetensor_out *tensors, size_t count, bytes *out);

#endif
