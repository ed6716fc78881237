/* tests/support/safetensors.h: a safetensors file from the text of its header. */
#ifndef TESTS_SUPPORT_SAFETENSORS_H
#define TESTS_SUPPORT_SAFETENSORS_H

#include <string.h>

#include "base/bytes.h"

/* Length, header and data_size bytes of data (0, 1, 2, ...). The caller frees it. */
static inline bytes safetensors_of(const char *header, size_t data_size)
{
    bytes file = {0};
    uint64_t size = strlen(header);
    bytes_append(&file, &size, sizeof size);
    bytes_append(&file, header, size);
    for (size_t i = 0; i < data_size; i++) bytes_append_byte(&file, (char)i);
    return file;
}

#endif
