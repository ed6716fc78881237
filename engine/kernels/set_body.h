/* engine/kernels/set_body.h: all kernels over the lanes that the including file has chosen. */
#include "engine/kernels/lanes_body.h"

#define LINEAR_NAME            part_linear_f32
#define LINEAR_TILE(name)      f32_##name
#define LINEAR_TARGET          LANES_TARGET
#define LINEAR_WEIGHT          float
#define LINEAR_X               float
#define LINEAR_VECTOR          lanes
#define LINEAR_STEP            LANES
#define LINEAR_LOAD(p)         lanes_load(p)
#define LINEAR_LOAD_PART(p, n) lanes_load_part((p), (n))
#define LINEAR_LOAD_X(p)       lanes_load(p)
#define LINEAR_SUM             lanes
#define LINEAR_ZERO            lanes_all(0)
#define LINEAR_MAC(sum, w, x)  lanes_fma((w), (x), (sum))
#define LINEAR_REDUCE(sum)     lanes_sum(sum)
static kernel_linear_part part_linear_f32;
#include "engine/kernels/linear_body.h"

#define LINEAR_NAME            part_linear_bf16
#define LINEAR_TILE(name)      bf16_##name
#define LINEAR_TARGET          LANES_TARGET
#define LINEAR_WEIGHT          uint16_t
#define LINEAR_X               float
#define LINEAR_VECTOR          lanes
#define LINEAR_STEP            LANES
#define LINEAR_LOAD(p)         lanes_load_bf16(p)
#define LINEAR_LOAD_PART(p, n) lanes_load_bf16_part((p), (n))
#define LINEAR_LOAD_X(p)       lanes_load(p)
#define LINEAR_SUM             lanes
#define LINEAR_ZERO            lanes_all(0)
#define LINEAR_MAC(sum, w, x)  lanes_fma((w), (x), (sum))
#define LINEAR_REDUCE(sum)     lanes_sum(sum)
static kernel_linear_part part_linear_bf16;
#include "engine/kernels/linear_body.h"

#define LINEAR_NAME            part_linear_int8
#define LINEAR_TILE(name)      int8_##name
#define LINEAR_TARGET          LANES_TARGET
#define LINEAR_WEIGHT          int8_t
#define LINEAR_X               float
#define LINEAR_VECTOR          lanes
#define LINEAR_STEP            LANES
#define LINEAR_LOAD(p)         lanes_load_i8(p)
#define LINEAR_LOAD_PART(p, n) lanes_load_i8_part((p), (n))
#define LINEAR_LOAD_X(p)       lanes_load(p)
#define LINEAR_SUM             lanes
#define LINEAR_ZERO            lanes_all(0)
#define LINEAR_MAC(sum, w, x)  lanes_fma((w), (x), (sum))
#define LINEAR_REDUCE(sum)     lanes_sum(sum)
static kernel_linear_part part_linear_int8;
#include "engine/kernels/linear_body.h"

#define NF4_NAME               part_linear_nf4
#define NF4_TILE(name)         nf4_##name
#define NF4_TARGET             LANES_TARGET
#define NF4_X                  float
#define NF4_BLOCK              lanes_nf4
#define NF4_OPEN(words, scale) lanes_nf4_open((words), (scale))
#define NF4_TAKE(block, i)     lanes_nf4_take((block), (i))
#define NF4_STEP               LANES
#define NF4_VECTOR             lanes
#define NF4_LOAD_X(p)          lanes_load(p)
#define NF4_SUM                lanes
#define NF4_ZERO               lanes_all(0)
#define NF4_MAC(sum, w, x)     lanes_fma((w), (x), (sum))
#define NF4_REDUCE(sum)        lanes_sum(sum)
static kernel_linear_part part_linear_nf4;
#include "engine/kernels/nf4_body.h"

#include "engine/kernels/attention_body.h"
#include "engine/kernels/quantise_body.h"
#include "engine/kernels/rows_body.h"
#include "engine/kernels/softmax_body.h"

/* All but .expand, which is part_expand where there is no better one. */
#define SET_PARTS                                                                                            \
    .linear = {part_linear_f32, part_linear_bf16, part_linear_int8, part_linear_nf4},                        \
    .quantise = {part_quantise_int8, part_quantise_nf4}, .attention = part_attention,                        \
    .softmax = part_softmax, .norm = part_norm, .rope = part_rope, .gate = part_gate,                        \
    .softcap = part_softcap
