/* ui/app/runs/due_fuzz.c: a due commit of any bytes may be refused; what is read is written and reads back
 * alike. */
#include <stdlib.h>

#include "ui/app/runs/due.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(bytes_free) bytes first = {0}, second = {0};
    ui_run_due due, again;

    if (ui_run_due_read((bytes_view){(const char *)data, size}, &due).code) {
        ui_run_due_free(&due);
        return 0;
    }
    ui_run_due_write(&due, &first);
    if (ui_run_due_read(bytes_borrow(&first), &again).code) abort();
    ui_run_due_write(&again, &second);
    if (!bytes_view_equal(bytes_borrow(&first), bytes_borrow(&second))) abort();
    ui_run_due_free(&due);
    ui_run_due_free(&again);
    return 0;
}
