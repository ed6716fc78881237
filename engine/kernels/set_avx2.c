/* engine/kernels/set_avx2.c: the kernels for AVX2 and FMA. */
#if defined(__x86_64__)
#include <math.h>
#include <string.h>

#include "base/macros.h"
#include "engine/kernels/set.h"

#include "engine/kernels/lanes_avx2.h"

#include "engine/kernels/set_body.h"

static bool usable(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

const kernel_set kernel_set_avx2 = {.name = "avx2", .usable = usable, SET_PARTS, .expand = part_expand};
#endif
