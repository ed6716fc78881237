#include "ui/app/runs/due.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/json.h"

void ui_run_due_write(const ui_run_due *due, bytes *out)
{
    bytes_printf(out, "{\"data\":\"%s\",\"plan\":", due->data);
    json_append_string(out, bytes_borrow(&due->plan));
    bytes_printf(out, ",\"step\":%llu,\"tag\":%s}", (unsigned long long)due->step,
                 due->tag ? "true" : "false");
}

err ui_run_due_read(bytes_view text, ui_run_due *out)
{
    CLEANUP(arena_free) arena a = {0};
    const json_node *root = NULL;

    *out = (ui_run_due){0};
    err e = json_parse(text, 4, &a, &root);
    if (e.code) return e;
    bytes_view data = json_text(json_get(root, "data")), plan = json_text(json_get(root, "plan"));
    int64_t step = json_int(json_get(root, "step"), -1);
    if (data.size == SHA256_HEX_SIZE - 1) memcpy(out->data, data.data, data.size);
    if (step < 0 || !plan.size || !sha256_is_hex(out->data))
        return err_make(ERR_FORMAT, "expected data (a sha256), plan (a text), step, and tag");
    out->step = (uint64_t)step;
    out->tag = json_bool(json_get(root, "tag"), false);
    bytes_append_view(&out->plan, plan);
    return ERR_OK;
}

err ui_run_due_save(const char *run_folder, const ui_run_due *due)
{
    CLEANUP(bytes_free) bytes json = {0};
    char *path = file_join(run_folder, "due.json");
    ui_run_due_write(due, &json);
    bytes_append_byte(&json, '\n');
    err e = file_write(path, bytes_borrow(&json));
    free(path);
    return e;
}

err ui_run_due_load(const char *run_folder, ui_run_due *out)
{
    CLEANUP(bytes_free) bytes json = {0};
    char *path = file_join(run_folder, "due.json");
    *out = (ui_run_due){0};
    err e = file_read(path, UI_RUN_DUE_BYTES_MAX, &json);
    if (!e.code) e = ui_run_due_read(bytes_borrow(&json), out);
    if (e.code) e = err_note(e, "%s", path);
    free(path);
    return e;
}

void ui_run_due_done(const char *run_folder)
{
    char *path = file_join(run_folder, "due.json");
    (void)unlink(path); /* one that stays is found to have been made */
    free(path);
}

void ui_run_due_free(ui_run_due *due)
{
    bytes_free(&due->plan);
    *due = (ui_run_due){0};
}
