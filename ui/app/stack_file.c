#include "ui/app/stack_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/text.h"

#define FOLDER "stacks/"
#define ENDING ".json"

enum { DEPTH_MAX = 8, FORMAT = 1, ADAPTER_BYTES_MAX = 128 };

/* -- the list -----------------------------------------------------------------------------------------------
 */

void ui_stack_free(ui_stack_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->items[i].adapter);
    list->count = 0;
}

ui_stack_item *ui_stack_find(ui_stack_list *list, const char *adapter)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].adapter, adapter) == 0) return &list->items[i];
    return NULL;
}

err ui_stack_add(ui_stack_list *list, const char *adapter, double scale, bool on)
{
    size_t size = strlen(adapter);
    if (list->count == UI_STACK_ITEMS_MAX)
        return err_make(ERR_LIMIT, "more than %d adapters in a stack", UI_STACK_ITEMS_MAX);
    if (size == 0 || size > ADAPTER_BYTES_MAX || strchr(adapter, '/') || adapter[0] == '.')
        return err_make(ERR_FORMAT, "'%.60s' is no name of an adapter", adapter);
    if (!(fabs(scale) <= UI_STACK_SCALE_MAX))
        return err_make(ERR_USAGE, "the scale of %s is %g, expected a number from -%d to %d", adapter, scale,
                        UI_STACK_SCALE_MAX, UI_STACK_SCALE_MAX);
    if (ui_stack_find(list, adapter)) return err_make(ERR_USAGE, "adapter %s is there twice", adapter);
    list->items[list->count++] = (ui_stack_item){memory_text(adapter), scale, on};
    return ERR_OK;
}

/* -- reading ------------------------------------------------------------------------------------------------
 */

static err item_read(const json_node *node, ui_stack_list *out)
{
    const json_node *adapter = json_get(node, "adapter"), *scale = json_get(node, "scale");
    const json_node *on = json_get(node, "on");
    bytes_view name = json_text(adapter);
    double value = json_is_null(scale) ? 1 : json_double(scale, NAN);

    if (!json_is(node, JSON_OBJECT))
        return err_make(ERR_FORMAT, "line %u: %s, expected an object with adapter and scale", node->line,
                        json_type_name(node->type));
    if (!name.size || memchr(name.data, 0, name.size))
        return err_make(ERR_FORMAT, "line %u: adapter is missing, expected a name", node->line);
    if (!isfinite(value))
        return err_make(ERR_FORMAT, "line %u: scale is %s, expected a number", scale->line,
                        json_type_name(scale->type));
    if (!json_is_null(on) && !json_is(on, JSON_TRUE) && !json_is(on, JSON_FALSE))
        return err_make(ERR_FORMAT, "line %u: on is %s, expected true or false", on->line,
                        json_type_name(on->type));
    char *copy = memory_text_n(name.data, name.size);
    err e = ui_stack_add(out, copy, value, json_bool(on, true));
    free(copy);
    return err_note(e, "line %u", node->line);
}

static err root_read(const json_node *root, ui_stack_list *out)
{
    const json_node *list = json_get(root, "adapters"), *format = json_get(root, "format");

    if (!json_is(root, JSON_OBJECT))
        return err_make(ERR_FORMAT, "is %s, expected an object", json_type_name(root->type));
    if (!json_is_null(format) && json_int(format, 0) != FORMAT)
        return err_make(ERR_UNSUPPORTED, "line %u: a format that this program does not know, expected %d",
                        format->line, FORMAT);
    if (!json_is(list, JSON_ARRAY)) return err_make(ERR_FORMAT, "adapters is missing, expected a list");
    err e = ERR_OK;
    for (const json_node *item = json_first(list); item && !e.code; item = item->next)
        e = item_read(item, out);
    return e;
}

err ui_stack_parse(bytes_view json, ui_stack_list *out)
{
    arena scratch = {0};
    const json_node *root = NULL;
    ui_stack_list list = {0};

    if (json.size > UI_STACK_BYTES_MAX)
        return err_make(ERR_LIMIT, "%zu bytes, the limit is %d", json.size, UI_STACK_BYTES_MAX);
    err e = json_parse(json, DEPTH_MAX, &scratch, &root);
    if (!e.code) e = root_read(root, &list);
    arena_free(&scratch);
    if (e.code)
        ui_stack_free(&list);
    else
        *out = list;
    return e;
}

/* -- writing ------------------------------------------------------------------------------------------------
 */

static void number_append(bytes *out, double value)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    bytes_append_text(out, text);
}

void ui_stack_print(const ui_stack_list *list, bytes *out)
{
    bytes_append_text(out, "{\n  \"adapters\": [");
    for (size_t i = 0; i < list->count; i++) {
        const ui_stack_item *item = &list->items[i];
        bytes_printf(out, "%s\n    {\"adapter\": ", i ? "," : "");
        json_append_string(out, bytes_view_of(item->adapter));
        bytes_printf(out, ", \"on\": %s, \"scale\": ", item->on ? "true" : "false");
        number_append(out, item->scale);
        bytes_append_byte(out, '}');
    }
    bytes_printf(out, "%s],\n  \"format\": %d\n}\n", list->count ? "\n  " : "", FORMAT);
}

/* -- of a model ---------------------------------------------------------------------------------------------
 */

err ui_stack_name_check(const char *what, const char *name)
{
    size_t size = strlen(name);
    if (size >= 1 && size <= UI_STACK_NAME_BYTES_MAX &&
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == size)
        return ERR_OK;
    return err_make(ERR_USAGE, "%s is '%.60s': expected 1 to %d of a-z, 0-9, _ and -", what, name,
                    UI_STACK_NAME_BYTES_MAX);
}

static void names_append(const engine_files *files, bytes *out)
{
    for (size_t i = 0; i < engine_files_count(files); i++) {
        const char *name = engine_files_borrow_name(files, i);
        size_t size = strlen(name), around = strlen(FOLDER) + strlen(ENDING);
        if (!text_starts_with(name, FOLDER) || size <= around ||
            strcmp(name + size - strlen(ENDING), ENDING) != 0)
            continue;
        bytes_printf(out, "%s%.*s", out->size ? ", " : "", (int)(size - around), name + strlen(FOLDER));
    }
}

err ui_stack_read(engine_files *files, const char *name, const char *model, ui_stack_list *out)
{
    CLEANUP(bytes_free) bytes json = {0}, path = {0}, names = {0};

    err e = ui_stack_name_check("the stack's name", name);
    if (e.code) return e;
    bytes_printf(&path, FOLDER "%s" ENDING, name);
    if (!engine_files_has(files, bytes_text(&path))) {
        names_append(files, &names);
        return err_make(ERR_NOT_FOUND, "there is no stack %s; %s has %s", name, model,
                        names.size ? bytes_text(&names) : "none");
    }
    e = engine_files_read(files, bytes_text(&path), UI_STACK_BYTES_MAX, &json);
    return e.code ? e : err_note(ui_stack_parse(bytes_borrow(&json), out), "%s", bytes_text(&path));
}

void ui_stack_apply(const ui_stack_list *list, ui_adapter_list *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        const ui_stack_item *item = ui_stack_find((ui_stack_list *)(uintptr_t)list, rows->rows[i].name);
        rows->rows[i].on = item && item->on;
        rows->rows[i].scale = item ? item->scale : 1;
    }
}

void ui_stack_of_rows(const ui_adapter_list *rows, ui_stack_list *out)
{
    *out = (ui_stack_list){0};
    for (size_t i = 0; i < rows->count; i++) {
        const ui_adapter_row *row = &rows->rows[i];
        if (row->on || row->scale != 1) (void)ui_stack_add(out, row->name, row->scale, row->on);
    }
}

char *ui_stack_mark_name(const char *model_folder)
{
    char *real = realpath(model_folder, NULL);
    bytes name = {0};
    bytes_printf(&name, "adapters of %s", real ? real : model_folder);
    free(real);
    return bytes_take(&name);
}
