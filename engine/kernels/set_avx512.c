/* engine/kernels/set_avx512.c: the kernels for AVX-512 F, BW and VL. */
#if defined(__x86_64__)
#include <math.h>
#include <string.h>

#include "base/macros.h"
#include "engine/kernels/set.h"

#include "engine/kernels/lanes_avx512.h"

#include "engine/kernels/set_body.h"

static bool usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}

static bool usable_bf16(void) { return usable() && __builtin_cpu_supports("avx512bf16"); }

const kernel_set kernel_set_avx512 = {.name = "avx512", .usable = usable, SET_PARTS, .expand = part_expand};
const kernel_set kernel_set_avx512_bf16 = {
    .name = "avx512-bf16",
    .usable = usable_bf16,
    SET_PARTS,
    .expand = kernel_expand_avx512_bf16,
    .linear_pairs = {NULL, kernel_linear_avx512_bf16, kernel_linear_avx512_int8, kernel_linear_avx512_nf4}};
#endif
