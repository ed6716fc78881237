/* engine/safetensors.h: the header of one safetensors file.
 *
 * u64 N, N bytes of JSON, tensor bytes. Parsing checks the whole header against the size of the file, so that
 * every view given out lies inside it. Nothing is read from the data area. Source: spec models.md, section 2.
 * Threads: immutable once parsed. */
#ifndef ENGINE_SAFETENSORS_H
#define ENGINE_SAFETENSORS_H

#include "base/bytes.h"
#include "base/err.h"

enum {
    ENGINE_SAFETENSORS_HEADER_BYTES_MAX = 100000000, /* as the format says */
    ENGINE_SAFETENSORS_RANK_MAX = 32,
    ENGINE_SAFETENSORS_COUNT_MAX = 1000000,
};

typedef enum engine_dtype {
    ENGINE_DTYPE_BOOL,
    ENGINE_DTYPE_U8,
    ENGINE_DTYPE_I8,
    ENGINE_DTYPE_I16,
    ENGINE_DTYPE_U16,
    ENGINE_DTYPE_I32,
    ENGINE_DTYPE_U32,
    ENGINE_DTYPE_I64,
    ENGINE_DTYPE_U64,
    ENGINE_DTYPE_F16,
    ENGINE_DTYPE_BF16,
    ENGINE_DTYPE_F32,
    ENGINE_DTYPE_F64,
    ENGINE_DTYPE_C64,
    ENGINE_DTYPE_F8_E4M3,
    ENGINE_DTYPE_F8_E5M2,
    ENGINE_DTYPE_F8_E8M0,
    ENGINE_DTYPE_F8_E4M3FNUZ,
    ENGINE_DTYPE_F8_E5M2FNUZ,
    ENGINE_DTYPE_F4,
    ENGINE_DTYPE_F6_E2M3,
    ENGINE_DTYPE_F6_E3M2,
    ENGINE_DTYPE_COUNT,
} engine_dtype;

const char *engine_dtype_name(engine_dtype type); /* "BF16", as the format writes it */
unsigned engine_dtype_bits(engine_dtype type);    /* of one element */

typedef struct engine_safetensor {
    const char *name; /* NUL-terminated; a name with a NUL inside is refused */
    engine_dtype type;
    unsigned rank;        /* 0: a scalar */
    const int64_t *shape; /* rank sizes, none negative */
    uint64_t count;       /* elements */
    bytes_view data;      /* inside the file's bytes */
} engine_safetensor;

typedef struct engine_safetensors engine_safetensors;

/* `file`: all bytes of the file; they must outlive *out. Every error is one sentence without the file's name:
 * ERR_FORMAT, ERR_LIMIT, ERR_UNSUPPORTED (an unknown dtype, by name). */
err engine_safetensors_parse(bytes_view file, engine_safetensors **out);
void engine_safetensors_free(engine_safetensors *st); /* NULL is fine */

size_t engine_safetensors_count(const engine_safetensors *st); /* tensors */
/* In the order of the header. Borrowed from st. */
const engine_safetensor *engine_safetensors_borrow(const engine_safetensors *st, size_t i);
/* Borrowed from st; NULL: absent. */
const engine_safetensor *engine_safetensors_find(const engine_safetensors *st, const char *name);
/* A value of __metadata__, or an empty view. Borrowed from st. */
bytes_view engine_safetensors_metadata(const engine_safetensors *st, const char *key);
uint64_t
engine_safetensors_data_bytes(const engine_safetensors *st); /* of all tensors together, without the header */

/* "[4096, 1024]" appended to *out. */
void engine_shape_print(const int64_t *shape, unsigned rank, bytes *out);

#endif
