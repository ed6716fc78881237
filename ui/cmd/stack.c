/* ui/cmd/stack.c: named stacks of a model, stacks/NAME.json. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "ui/cmd/adapter_open.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/show.h"

static void items_json(const ui_stack_list *list, cJSON *o)
{
    cJSON *items = cJSON_AddArrayToObject(o, "adapters");
    for (size_t i = 0; i < list->count; i++) {
        cJSON *item = cJSON_CreateObject();
        ui_json_add_text(item, "adapter", bytes_view_of(list->items[i].adapter));
        cJSON_AddBoolToObject(item, "on", list->items[i].on);
        cJSON_AddNumberToObject(item, "scale", list->items[i].scale);
        cJSON_AddItemToArray(items, item);
    }
}

/* "01_brief@0.7 02_rhyme (off)" */
static void items_print(const ui_stack_list *list, FILE *out)
{
    for (size_t i = 0; i < list->count; i++) {
        const ui_stack_item *item = &list->items[i];
        if (i) fputc(' ', out);
        ui_show_text(out, bytes_view_of(item->adapter));
        if (item->scale != 1) fprintf(out, "@%g", item->scale);
        if (!item->on) fputs(" (off)", out);
    }
    fputc('\n', out);
}

/* ---- list, show ---- */

static char *stack_name(const char *file)
{
    size_t size = strlen(file), before = strlen("stacks/"), after = strlen(".json");
    if (!text_starts_with(file, "stacks/") || size <= before + after ||
        strcmp(file + size - after, ".json") != 0)
        return NULL;
    return memory_text_n(file + before, size - before - after);
}

static err list_run(ui_adapter_work *w)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "stacks");
    size_t count = 0;

    ui_json_add_text(o, "model", bytes_view_of(w->word.title));
    for (size_t i = 0; i < engine_files_count(w->files); i++) {
        CLEANUP(ui_stack_free) ui_stack_list stack = {0};
        char *name = stack_name(engine_files_borrow_name(w->files, i));
        if (!name) continue;
        cJSON *item = cJSON_CreateObject();
        ui_json_add_text(item, "name", bytes_view_of(name));
        err e = ui_stack_read(w->files, name, w->word.title, &stack);
        items_json(&stack, item);
        if (e.code) ui_json_add_text(item, "problem", bytes_view_of(e.text));
        cJSON_AddItemToArray(list, item);
        count++;
        if (!w->json) {
            ui_show_text(w->cli->out, bytes_view_of(name));
            fputs("  ", w->cli->out);
            if (e.code) ui_show_text(w->cli->out, bytes_view_of(e.text));
            items_print(&stack, w->cli->out);
        }
        free(name);
    }
    if (w->json)
        ui_json_print(o, w->cli->out);
    else
        cJSON_Delete(o);
    if (!w->json && !count) fprintf(w->cli->out, "%s has no stacks\n", w->word.title);
    return ERR_OK;
}

static void told(ui_adapter_work *w, const char *name, const ui_stack_list *stack)
{
    if (w->json) {
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "model", bytes_view_of(w->word.title));
        ui_json_add_text(o, "stack", bytes_view_of(name));
        items_json(stack, o);
        ui_json_print(o, w->cli->out);
    } else {
        items_print(stack, w->cli->out);
    }
}

static err show_run(ui_adapter_work *w)
{
    CLEANUP(ui_stack_free) ui_stack_list stack = {0};
    err e = ui_stack_read(w->files, w->a->words[2], w->word.title, &stack);
    if (!e.code) told(w, w->a->words[2], &stack);
    return e;
}

/* ---- save ---- */

/* Of the words after NAME, or what the workstation uses when there is none. Full names, so that a later
 * adapter of a like name changes nothing; each is opened, so that a stack that cannot work is not kept. */
static err items_read(ui_adapter_work *w, ui_stack_list *out)
{
    err e = ERR_OK;
    for (size_t i = 3; i < w->a->word_count && !e.code; i++) {
        engine_adapter_file *file = NULL;
        ui_adapter_row *row = NULL;
        char *name = NULL;
        double scale = 1;
        e = ui_adapter_word_read(w->a->words[i], &name, &scale);
        if (!e.code) e = ui_adapter_file_of(w, name, &row, &file);
        if (!e.code) e = ui_stack_add(out, row->name, scale, true);
        engine_adapter_file_free(file);
        free(name);
    }
    if (w->a->word_count == 3) ui_stack_of_rows(&w->list, out);
    if (!e.code && !out->count)
        e = err_make(ERR_USAGE, "name the adapters of the stack: no adapter of %s is on", w->word.title);
    return e;
}

static err save_run(ui_adapter_work *w)
{
    CLEANUP(ui_stack_free) ui_stack_list stack = {0};
    CLEANUP(bytes_free) bytes json = {0}, path = {0}, sentence = {0}, subject = {0};
    const char *name = w->a->words[2];

    err e = ui_adapter_changeable(w);
    if (!e.code) e = ui_stack_name_check("the stack's name", name);
    if (!e.code) e = items_read(w, &stack);
    if (e.code) return e;
    bytes_printf(&path, "stacks/%s.json", name);
    char *folder = file_join(w->word.folder, "stacks"), *full = file_join(w->word.folder, bytes_text(&path));
    if (file_exists(full) && !ui_arguments_has(w->a, "force"))
        e = err_make(ERR_EXISTS, "there is a stack %s already (--force replaces it)", name);
    ui_stack_print(&stack, &json);
    if (!e.code) e = file_make_folders(folder);
    if (!e.code) e = file_write(full, bytes_borrow(&json));
    free(folder);
    free(full);
    if (e.code) return e;
    bytes_printf(&sentence, "Saved the stack %s: %zu adapter%s", name, stack.count,
                 stack.count == 1 ? "" : "s");
    bytes_printf(&subject, "Save the stack %s", name);
    cJSON *more = cJSON_CreateObject();
    items_json(&stack, more);
    const char *paths[] = {bytes_text(&path)};
    return ui_adapter_tell(
        w, &(ui_adapter_done){"stack", name, bytes_text(&sentence), bytes_text(&subject), paths, 1, more});
}

/* ---- use, remove ---- */

static err check_items(ui_adapter_work *w, const ui_stack_list *stack)
{
    err e = ERR_OK;
    for (size_t i = 0; i < stack->count && !e.code; i++) {
        engine_adapter_file *file = NULL;
        ui_adapter_row *row = NULL;
        e = ui_adapter_file_of(w, stack->items[i].adapter, &row, &file);
        engine_adapter_file_free(file);
    }
    return e;
}

static err use_run(ui_adapter_work *w)
{
    CLEANUP(ui_stack_free) ui_stack_list stack = {0};
    err e = ui_stack_read(w->files, w->a->words[2], w->word.title, &stack);
    if (!e.code) e = check_items(w, &stack);
    if (!e.code) e = ui_adapter_choice_keep(w, &stack);
    if (e.code) return e;
    if (!w->json) fputs("The workstation uses now: ", w->cli->out);
    told(w, w->a->words[2], &stack);
    return ERR_OK;
}

static err remove_run(ui_adapter_work *w)
{
    CLEANUP(ui_stack_free) ui_stack_list stack = {0};
    CLEANUP(bytes_free) bytes path = {0}, sentence = {0}, subject = {0};
    const char *name = w->a->words[2];

    err e = ui_adapter_changeable(w);
    if (!e.code) e = ui_stack_read(w->files, name, w->word.title, &stack);
    if (e.code && e.code != ERR_FORMAT && e.code != ERR_LIMIT)
        return e; /* a broken one can be removed, too */
    bytes_printf(&path, "stacks/%s.json", name);
    char *full = file_join(w->word.folder, bytes_text(&path));
    e = unlink(full) == 0 ? ERR_OK : err_errno("remove %s", full);
    free(full);
    if (e.code) return e;
    bytes_printf(&sentence, "Removed the stack %s from the folder; commits keep it", name);
    bytes_printf(&subject, "Remove the stack %s", name);
    const char *paths[] = {bytes_text(&path)};
    return ui_adapter_tell(
        w, &(ui_adapter_done){"stack", name, bytes_text(&sentence), bytes_text(&subject), paths, 1, NULL});
}

/* ---- which ---- */

static const struct verb {
    const char *name;
    size_t words_min, words_max;
    const char *usage;
    bool saves;
    err (*run)(ui_adapter_work *w);
} verbs[] = {
    {"list", 1, 2, "MODEL list", false, list_run},
    {"show", 3, 3, "MODEL show NAME", false, show_run},
    {"save", 3, UI_WORDS_MAX, "MODEL save NAME [ADAPTER[@SCALE]...]", true, save_run},
    {"use", 3, 3, "MODEL use NAME", false, use_run},
    {"remove", 3, 3, "MODEL remove NAME", false, remove_run},
};

static err stack_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_adapter_work_close) ui_adapter_work w = {0};
    size_t v = 0;

    while (a->word_count > 1 && v < COUNT_OF(verbs) && strcmp(verbs[v].name, a->words[1]) != 0) v++;
    if (v == COUNT_OF(verbs))
        return err_make(ERR_USAGE, "stack has no '%s': list, show, save, use, remove", a->words[1]);
    if (a->word_count < verbs[v].words_min || a->word_count > verbs[v].words_max)
        return err_make(ERR_USAGE, "expected stack %s", verbs[v].usage);
    if (!verbs[v].saves && (ui_arguments_has(a, "force") || ui_arguments_has(a, "commit")))
        return err_make(ERR_USAGE, "stack %s takes no --%s", verbs[v].name,
                        ui_arguments_has(a, "force") ? "force" : "commit");
    err e = ui_adapter_work_open(cli, a, &w);
    return e.code ? e : verbs[v].run(&w);
}

static const ui_option options[] = {
    {"force", NULL, "replace a stack of that name", false},
    {"commit", NULL, "commit just this file, too", false},
    {0},
};

const ui_command ui_cmd_stack = {
    .name = "stack",
    .group = "adapters",
    .args = "MODEL [list|show|save|use|remove] [NAME] [ADAPTER...]",
    .help = "Keep adapters with their scales as a stack with a name, in the model's repository",
    .words_min = 1,
    .words_max = UI_WORDS_MAX,
    .options = {options, ui_options_all},
    .run = stack_run,
};
