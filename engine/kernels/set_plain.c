/* engine/kernels/set_plain.c: the kernels for any machine. */
#include <math.h>
#include <string.h>

#include "base/macros.h"
#include "engine/kernels/set.h"

#include "engine/kernels/lanes_plain.h"

#include "engine/kernels/set_body.h"

static bool usable(void) { return true; }

const kernel_set kernel_set_plain = {.name = "plain", .usable = usable, SET_PARTS, .expand = part_expand};
