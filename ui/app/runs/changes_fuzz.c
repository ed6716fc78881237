/* ui/app/runs/changes_fuzz.c: changes of any bytes may be refused; what is read is written and reads back
 * alike, and holds what it says of steps. */
#include <stdlib.h>

#include "base/arena.h"
#include "ui/app/runs/changes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static err read_text(bytes_view text, ui_run_change **out, size_t *count)
{
    CLEANUP(arena_free) arena a = {0};
    const json_node *root = NULL;
    err e = json_parse(text, 4, &a, &root);
    return e.code ? e : ui_run_changes_read(root, out, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(bytes_free) bytes first = {0}, second = {0};
    ui_run_change *changes = NULL, *again = NULL;
    size_t count = 0, count_again = 0;

    if (read_text((bytes_view){(const char *)data, size}, &changes, &count).code) return 0;
    ui_run_changes_write(changes, count, &first);
    if (read_text(bytes_borrow(&first), &again, &count_again).code || count != count_again) abort();
    ui_run_changes_write(again, count, &second);
    if (!bytes_view_equal(bytes_borrow(&first), bytes_borrow(&second))) abort();
    if (count) {
        uint64_t step = changes[count / 2].step;
        count = ui_run_changes_drop_data(changes, count, step);
        const ui_run_change *of = ui_run_changes_borrow_data(changes, count, UINT64_MAX);
        if (of && (of->step >= step || !sha256_is_hex(of->data))) abort();
    }
    free(changes);
    free(again);
    return 0;
}
