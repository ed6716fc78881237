/* Whatever comes in may be refused, but may not crash, hang or leak; what is accepted is written and reads back alike.
 */
#include <stdlib.h>
#include <string.h>

#include "ui/app/stack_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ui_stack_list list = {0}, again = {0};
    bytes one = {0}, two = {0};
    if (ui_stack_parse((bytes_view){(const char *)data, size}, &list).code) {
        if (list.count) abort();
        return 0;
    }
    ui_stack_print(&list, &one);
    if (one.size <= UI_STACK_BYTES_MAX) {
        if (ui_stack_parse(bytes_borrow(&one), &again).code) abort();
        ui_stack_print(&again, &two);
        if (!bytes_view_equal(bytes_borrow(&one), bytes_borrow(&two))) abort();
    }
    ui_stack_free(&list);
    ui_stack_free(&again);
    bytes_free(&one);
    bytes_free(&two);
    return 0;
}
