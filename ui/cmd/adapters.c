#include "ui/cmd/adapters.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/settings.h"
#include "base/text.h"

static const char weights_ending[] = ".safetensors";

/* Bytes of a file's name that are the adapter's name; 0: it is none. */
static size_t name_size(const char *folder, const char *file)
{
    size_t size = strlen(file), ending = sizeof weights_ending - 1;
    if (size > ending && strcmp(file + size - ending, weights_ending) == 0) return size - ending;
    CLEANUP(bytes_free) bytes path = {.data = file_join(folder, file)};
    return file_is_folder(path.data) ? size : 0;
}

/* "01_brief" is 01_brief and brief. */
static bool name_fits(const char *file, size_t size, const char *word, bool *exactly)
{
    *exactly = strlen(word) == size && memcmp(file, word, size) == 0;
    if (*exactly) return true;
    size_t digits = strspn(file, "0123456789");
    if (!digits || file[digits] != '_') return false;
    size_t rest = size - digits - 1;
    return digits + 1 < size && strlen(word) == rest && memcmp(file + digits + 1, word, rest) == 0;
}

static err name_find(const char *folder, const char *word, char **path)
{
    CLEANUP(file_list_free) file_list files = {0};
    CLEANUP(bytes_free) bytes all = {0};
    const char *found = NULL;
    size_t fitting = 0;

    err e = file_exists(folder) ? file_list_folder(folder, &files) : ERR_OK;
    if (e.code) return e;
    for (size_t i = 0; i < files.count; i++) {
        size_t size = name_size(folder, files.names[i]);
        bool exactly = false;
        if (!size) continue;
        bytes_printf(&all, "%s%.*s", all.size ? ", " : "", (int)size, files.names[i]);
        if (!name_fits(files.names[i], size, word, &exactly)) continue;
        found = files.names[i];
        fitting++;
        if (!exactly) continue;
        fitting = 1;
        break;
    }
    if (fitting == 1) {
        *path = file_join(folder, found);
        return ERR_OK;
    }
    if (fitting > 1)
        return err_make(ERR_USAGE, "adapter %s fits more than one of %s", word, bytes_text(&all));
    if (!all.size) return err_make(ERR_NOT_FOUND, "there is no adapter %s: %s has none", word, folder);
    return err_make(ERR_NOT_FOUND, "there is no adapter %s: %s has %s", word, folder, bytes_text(&all));
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

static err one_choose(ui_cli *cli, const char *given, const char *adapters, char **path, double *scale)
{
    CLEANUP(bytes_free) bytes word = {.data = memory_text(given)};

    err e = scale_take(word.data, scale);
    if (e.code) return e;
    if (!*word.data) return err_make(ERR_USAGE, "option --adapter is '%s': expected a name or a path", given);
    if (!strchr(word.data, '/') && word.data[0] != '~') return name_find(adapters, word.data, path);
    *path = file_expand_home(word.data, settings_borrow_folders(cli->settings)->home);
    return file_exists(*path) ? ERR_OK : err_make(ERR_NOT_FOUND, "there is no adapter %s", *path);
}

err ui_adapters_choose(ui_cli *cli, const ui_arguments *a, const char *model_path, ui_adapter_choice *out)
{
    CLEANUP(bytes_free) bytes adapters = {.data = file_join(model_path, "adapters")};
    const char *given;

    for (size_t i = 0; (given = ui_arguments_each(a, "adapter", i)); i++) {
        if (i == ENGINE_STACK_COUNT_MAX)
            return err_make(ERR_USAGE, "more than %d adapters", ENGINE_STACK_COUNT_MAX);
        err e = one_choose(cli, given, adapters.data, &out->paths[i], &out->scales[i]);
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
