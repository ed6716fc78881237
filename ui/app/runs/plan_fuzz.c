/* ui/app/runs/plan_fuzz.c: run.json of any bytes may be refused; what is read is written and reads back
 * alike. */
#include <stdlib.h>
#include <string.h>

#include "ui/app/runs/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ui_run_plan plan, again;
    bytes first = {0}, second = {0};

    if (ui_run_plan_read((bytes_view){(const char *)data, size}, &plan).code) return 0;
    ui_run_plan_write(&plan, &first);
    ui_run_plan_free(&plan);
    if (ui_run_plan_read(bytes_borrow(&first), &again).code) abort();
    ui_run_plan_write(&again, &second);
    ui_run_plan_free(&again);
    if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0) abort();
    bytes_free(&first);
    bytes_free(&second);
    return 0;
}
