#include "ui/app/runs/changes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"

/* -- as JSON, keys sorted -----------------------------------------------------------------------------------
 */

void ui_run_changes_write(const ui_run_change *changes, size_t count, bytes *out)
{
    bytes_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        const ui_run_change *c = &changes[i];
        bytes_append_text(out, i ? ",{" : "{");
        if (*c->data)
            bytes_printf(out, "\"data\":\"%s\",\"epoch\":%llu,", c->data, (unsigned long long)c->epoch);
        if (!isnan(c->lr)) bytes_printf(out, "\"lr\":%.17g,", c->lr);
        bytes_printf(out, "\"step\":%llu", (unsigned long long)c->step);
        if (c->steps) bytes_printf(out, ",\"steps\":%llu", (unsigned long long)c->steps);
        bytes_append_byte(out, '}');
    }
    bytes_append_byte(out, ']');
}

static bool read_data(const json_node *n, ui_run_change *out)
{
    bytes_view data = json_text(json_get(n, "data"));
    int64_t epoch = json_int(json_get(n, "epoch"), -1);
    if (data.size != SHA256_HEX_SIZE - 1 || epoch < 0) return false;
    memcpy(out->data, data.data, data.size);
    out->epoch = (uint64_t)epoch;
    return sha256_is_hex(out->data);
}

static bool read_change(const json_node *n, ui_run_change *out)
{
    const json_node *lr = json_get(n, "lr"), *steps = json_get(n, "steps"), *data = json_get(n, "data");
    int64_t step = json_int(json_get(n, "step"), -1), total = json_int(steps, 0);
    *out = (ui_run_change){.step = (uint64_t)step, .lr = json_double(lr, NAN), .steps = (uint64_t)total};
    if (step < 0 || (!lr && !steps && !data)) return false;
    if (lr && !(isfinite(out->lr) && out->lr >= 0)) return false;
    if (data && !read_data(n, out)) return false;
    return !steps || total > step;
}

err ui_run_changes_read(const json_node *list, ui_run_change **out, size_t *count)
{
    size_t total = json_count(list), at = 0;
    if (!json_is(list, JSON_ARRAY) || total > UI_RUN_CHANGES_MAX)
        return err_make(ERR_FORMAT, "changes: expected a list of at most %d", UI_RUN_CHANGES_MAX);
    ui_run_change *changes = memory_alloc((total + 1) * sizeof *changes);
    for (const json_node *n = json_first(list); n; n = n->next, at++) {
        if (!read_change(n, &changes[at])) {
            free(changes);
            return err_make(ERR_FORMAT,
                            "changes: expected objects of step, and lr, steps, or data (a sha256) and epoch");
        }
    }
    *out = changes;
    *count = total;
    return ERR_OK;
}

/* -- on disk ------------------------------------------------------------------------------------------------
 */

err ui_run_changes_load(const char *run_folder, ui_run_change **out, size_t *count)
{
    CLEANUP(bytes_free) bytes json = {0};
    CLEANUP(arena_free) arena a = {0};
    const json_node *root = NULL;
    char *path = file_join(run_folder, "changes.json");

    *out = NULL;
    *count = 0;
    err e = file_exists(path) ? file_read(path, UI_RUN_CHANGES_BYTES_MAX, &json) : ERR_OK;
    if (!e.code && json.size) e = json_parse(bytes_borrow(&json), 4, &a, &root);
    if (!e.code && root) e = ui_run_changes_read(root, out, count);
    if (e.code) e = err_note(e, "%s", path);
    free(path);
    return e;
}

err ui_run_changes_save(const char *run_folder, const ui_run_change *changes, size_t count)
{
    CLEANUP(bytes_free) bytes json = {0};
    if (count > UI_RUN_CHANGES_MAX)
        return err_make(ERR_LIMIT, "%zu changes of a run, %d are the most", count, UI_RUN_CHANGES_MAX);
    char *path = file_join(run_folder, "changes.json");
    ui_run_changes_write(changes, count, &json);
    bytes_append_byte(&json, '\n');
    err e = file_write(path, bytes_borrow(&json));
    free(path);
    return e;
}

/* -- in memory ----------------------------------------------------------------------------------------------
 */

void ui_run_changes_add(ui_run_change **changes, size_t *count, const ui_run_change *change)
{
    *changes = memory_resize_array(*changes, *count + 1, sizeof **changes);
    (*changes)[(*count)++] = *change;
}

const ui_run_change *ui_run_changes_borrow_data(const ui_run_change *changes, size_t count, uint64_t step)
{
    const ui_run_change *last = NULL;
    for (size_t i = 0; i < count; i++)
        if (*changes[i].data && changes[i].step <= step) last = &changes[i];
    return last;
}

size_t ui_run_changes_drop_data(ui_run_change *changes, size_t count, uint64_t step)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!*changes[i].data || changes[i].step < step) changes[kept++] = changes[i];
    return kept;
}
