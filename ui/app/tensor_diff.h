/* ui/app/tensor_diff.h: which tensors of a safetensors file changed, and by how much. */
#ifndef UI_APP_TENSOR_DIFF_H
#define UI_APP_TENSOR_DIFF_H

#include <signal.h>

#include "engine/safetensors.h"

typedef enum tensor_change {
    TENSOR_ADDED,
    TENSOR_REMOVED,
    TENSOR_REMADE, /* another shape or dtype: no difference can be taken */
    TENSOR_CHANGED,
} tensor_change;

typedef struct tensor_diff_row {
    const char *name;
    tensor_change change;
    const engine_safetensor *before, *after; /* NULL: it is not in that file */
    /* Frobenius norms and the largest element of the difference in size, of TENSOR_CHANGED; NAN: the dtype
     * has no single numbers, or an element of one of them is not finite. */
    double norm_before, norm_change, largest;
} tensor_diff_row;

typedef struct tensor_diff {
    engine_safetensors *before, *after;
    tensor_diff_row *rows; /* in the order of the new file, then those that are gone */
    size_t count, same;
    double norm_before, norm_change; /* over the changed tensors; NAN when one of them has it */
} tensor_diff;

/* The bytes of two files; they must outlive *out. An empty view: no such file, no tensors. Errors: as of
 * engine_safetensors_parse; ERR_CANCELLED once *cancelled is not 0 (NULL: nobody cancels). */
err tensor_diff_read(bytes_view before, bytes_view after, const volatile sig_atomic_t *cancelled,
                     tensor_diff *out);
void tensor_diff_free(tensor_diff *diff); /* a zeroed one is fine */

#endif
