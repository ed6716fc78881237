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

#include "engine/kernels/attention_body.h"
#include "engine/kernels/rows_body.h"
#include "engine/kernels/softmax_body.h"

#define SET_PARTS                                                                                            \
    .linear_f32 = part_linear_f32, .linear_bf16 = part_linear_bf16, .attention = part_attention,             \
    .softmax = part_softmax, .norm = part_norm, .rope = part_rope, .gate = part_gate,                        \
    .softcap = part_softcap
