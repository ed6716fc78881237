#include "ui/cmd/adapters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/settings.h"
#include "ui/app/adapters.h"
#include "ui/app/stack_file.h"

/* Cuts "@SCALE" off the end of a word, when what follows the last '@' is a number. */
static err scale_take(char *word, double *scale)
{
    char *at = strrchr(word, '@'), *end = NULL;

    *scale = 1;
    if (!at || strchr(at, '/')) return ERR_OK;
    *scale = strtod(at + 1, &end);
    if (end == at + 1 || *end || !isfinite(*scale))
        return err_make(ERR_USAGE, "option --adapter is '%s': expected a number after the @", word);
    *at = 0;
    return ERR_OK;
}

static err choice_add(ui_adapter_choice *choice, char *name_taken, double scale)
{
    if (choice->count == ENGINE_STACK_COUNT_MAX) {
        free(name_taken);
        return err_make(ERR_USAGE, "more than %d adapters", ENGINE_STACK_COUNT_MAX);
    }
    choice->names[choice->count] = name_taken;
    choice->scales[choice->count++] = scale;
    return ERR_OK;
}

static err choose_own(const ui_adapter_list *own, const char *word, double scale, const ui_model_word *model,
                      ui_adapter_choice *out)
{
    ui_adapter_row *row = NULL;
    err e = ui_adapters_find(own, word, model->title, &row);
    return e.code ? e : choice_add(out, memory_text(row->file), scale);
}

/* Made absolute: a path that a person gave is never one of the model's files. */
static err choose_path(ui_cli *cli, const char *word, double scale, ui_adapter_choice *out)
{
    char *path = file_expand_home(word, settings_borrow_folders(cli->settings)->home);
    char *real = realpath(path, NULL);

    free(path);
    return real ? choice_add(out, real, scale) : err_make(ERR_NOT_FOUND, "there is no adapter %s", word);
}

static err choose_given(ui_cli *cli, const char *given, const ui_adapter_list *own,
                        const ui_model_word *model, ui_adapter_choice *out)
{
    CLEANUP(bytes_free) bytes word = {.data = memory_text(given)};
    double scale = 1;

    err e = scale_take(word.data, &scale);
    if (e.code) return e;
    if (!*word.data) return err_make(ERR_USAGE, "option --adapter is '%s': expected a name or a path", given);
    if (!strchr(word.data, '/') && word.data[0] != '~') return choose_own(own, word.data, scale, model, out);
    return choose_path(cli, word.data, scale, out);
}

/* Those of stacks/NAME.json that are on. */
static err choose_stack(const char *name, const ui_adapter_list *own, const ui_model_word *model,
                        engine_files *files, ui_adapter_choice *out)
{
    CLEANUP(ui_stack_free) ui_stack_list stack = {0};
    err e = ui_stack_read(files, name, model->title, &stack);

    for (size_t i = 0; i < stack.count && !e.code; i++)
        if (stack.items[i].on)
            e = err_note(choose_own(own, stack.items[i].adapter, stack.items[i].scale, model, out),
                         "stack %s", name);
    return e;
}

err ui_adapters_choose(ui_cli *cli, const ui_arguments *a, const ui_model_word *model, engine_files *files,
                       ui_adapter_choice *out)
{
    CLEANUP(ui_adapters_free) ui_adapter_list own = {0};
    const char *given, *stack = ui_arguments_text(a, "stack");

    ui_adapters_list(files, &own);
    err e = stack ? choose_stack(stack, &own, model, files, out) : ERR_OK;
    for (size_t i = 0; !e.code && i < model->said.adapter_count; i++)
        e = choose_own(&own, model->said.adapters[i].name, model->said.adapters[i].scale, model, out);
    for (size_t i = 0; !e.code && (given = ui_arguments_each(a, "adapter", i)); i++)
        e = choose_given(cli, given, &own, model, out);
    return e;
}

void ui_adapter_choice_free(ui_adapter_choice *choice)
{
    for (size_t i = 0; i < choice->count; i++) free(choice->names[i]);
    choice->count = 0;
}
