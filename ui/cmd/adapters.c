#include "ui/cmd/adapters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/settings.h"
#include "ui/app/models.h"

/* "01_brief" is also called brief. */
static bool is_called(const char *name, const char *word)
{
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && name[digits] == '_' && strcmp(name + digits + 1, word) == 0;
}

static err name_find(const char *model_path, const char *word, char **path)
{
    CLEANUP(ui_adapters_free) ui_adapter_list all = {0};
    CLEANUP(bytes_free) bytes names = {0};
    const ui_adapter_row *exact = NULL, *called = NULL;
    size_t called_count = 0;

    ui_adapters_scan(model_path, &all);
    for (size_t i = 0; i < all.count; i++) {
        const ui_adapter_row *row = &all.rows[i];
        bytes_printf(&names, "%s%s", names.size ? ", " : "", row->name);
        if (strcmp(row->name, word) == 0) exact = row;
        if (!is_called(row->name, word)) continue;
        called = row;
        called_count++;
    }
    if (!exact && called_count > 1)
        return err_make(ERR_USAGE, "adapter %s is more than one of %s", word, bytes_text(&names));
    if (!exact && !called) {
        return err_make(ERR_NOT_FOUND, "there is no adapter %s; %s has %s", word, model_path,
                        all.count ? bytes_text(&names) : "none");
    }
    *path = memory_text(exact ? exact->path : called->path);
    return ERR_OK;
}

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

static err one_choose(ui_cli *cli, const char *given, const char *model_path, char **path, double *scale)
{
    CLEANUP(bytes_free) bytes word = {.data = memory_text(given)};

    err e = scale_take(word.data, scale);
    if (e.code) return e;
    if (!*word.data) return err_make(ERR_USAGE, "option --adapter is '%s': expected a name or a path", given);
    if (!strchr(word.data, '/') && word.data[0] != '~') return name_find(model_path, word.data, path);
    *path = file_expand_home(word.data, settings_borrow_folders(cli->settings)->home);
    return file_exists(*path) ? ERR_OK : err_make(ERR_NOT_FOUND, "there is no adapter %s", *path);
}

err ui_adapters_choose(ui_cli *cli, const ui_arguments *a, const char *model_path, ui_adapter_choice *out)
{
    const char *given;

    for (size_t i = 0; (given = ui_arguments_each(a, "adapter", i)); i++) {
        if (i == ENGINE_STACK_COUNT_MAX)
            return err_make(ERR_USAGE, "more than %d adapters", ENGINE_STACK_COUNT_MAX);
        err e = one_choose(cli, given, model_path, &out->paths[i], &out->scales[i]);
        out->count = i + 1;
        if (e.code) return e;
    }
    return ERR_OK;
}

void ui_adapter_choice_free(ui_adapter_choice *choice)
{
    for (size_t i = 0; i < choice->count; i++) free(choice->paths[i]);
    choice->count = 0;
}
