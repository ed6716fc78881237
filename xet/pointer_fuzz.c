/* Whatever comes in may be refused, but may not crash; a canonical pointer is what writing it makes. */
#include <stdlib.h>

#include "xet/pointer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bytes_view text = {(const char *)data, size};
    xet_pointer pointer;

    if (!xet_pointer_parse(text, &pointer)) return 0;
    if (!sha256_is_hex(pointer.oid) || pointer.size > INT64_MAX) abort();
    bytes again = {0};
    xet_pointer_write(&pointer, &again);
    xet_pointer second;
    if (!xet_pointer_parse(bytes_borrow(&again), &second) || second.canonical != (second.size > 0)) abort();
    if (!pointer.has_extensions && pointer.size &&
        pointer.canonical != bytes_view_equal(text, bytes_borrow(&again)))
        abort();
    bytes_free(&again);
    return 0;
}
