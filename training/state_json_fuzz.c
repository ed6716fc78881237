/* What is accepted as a state's JSON is written and read back as the same. */
#include <assert.h>
#include <string.h>

#include "training/state_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    training_saved first, second;
    bytes text = {0}, again = {0};
    if (!training_saved_read((bytes_view){(const char *)data, size}, &first).code) {
        training_saved_write(&first, &text);
        assert(!training_saved_read(bytes_borrow(&text), &second).code);
        training_saved_write(&second, &again);
        assert(bytes_view_equal(bytes_borrow(&text), bytes_borrow(&again)));
    }
    bytes_free(&text);
    bytes_free(&again);
    return 0;
}
