#include "ui/cmd/model_open.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/settings.h"
#include "base/text.h"

enum { THREADS_MAX = 1024 };

static bool is_path(const char *word)
{
    static const char *const starts[] = {"/", "./", "../", "~"};
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        if (text_starts_with(word, starts[i])) return true;
    }
    return strcmp(word, ".") == 0 || strcmp(word, "..") == 0;
}

static err name_unknown(const char *word, const char *models)
{
    file_list names = {0};

    err e = file_exists(models) ? file_list_folder(models, &names) : ERR_OK;
    if (e.code) return e;
    const char *nearest = text_nearest(word, (const char *const *)names.names, names.count);
    if (nearest)
        e = err_make(ERR_NOT_FOUND, "there is no model %s; did you mean %s?", word, nearest);
    else
        e = err_make(ERR_NOT_FOUND, "there is no model %s in %s", word, models);
    file_list_free(&names);
    return e;
}

err ui_model_path(ui_cli *cli, const char *word, char **path)
{
    const char *models = settings_text(cli->settings, "models.dir");
    CLEANUP(bytes_free) bytes found = {0};

    if (!*word)
        return err_make(ERR_USAGE, "MODEL is empty: expected a folder's path or a name under %s", models);
    bool direct = is_path(word);
    found.data = direct ? file_expand_home(word, settings_borrow_folders(cli->settings)->home)
                        : file_join(models, word);
    if (!file_is_folder(found.data)) {
        if (direct && file_exists(found.data)) return err_make(ERR_NOT_FOUND, "%s is no folder", found.data);
        if (direct) return err_make(ERR_NOT_FOUND, "there is no folder %s", found.data);
        if (!strchr(word, '/') || !file_is_folder(word)) return name_unknown(word, models);
        free(found.data);
        found.data = memory_text(word);
    }
    *path = found.data;
    found.data = NULL;
    return ERR_OK;
}

err ui_model_files(ui_cli *cli, const char *word, engine_files **out)
{
    CLEANUP(bytes_free) bytes path = {0};

    err e = ui_model_path(cli, word, &path.data);
    return e.code ? e : engine_files_open_folder(path.data, out);
}

err ui_model_open_without_weights(ui_cli *cli, const char *word, engine_model **out)
{
    engine_model_options options = {.weights = false};
    engine_files *files = NULL;

    err e = ui_model_files(cli, word, &files);
    return e.code ? e : engine_model_open(files, &options, out);
}

static bool device_is_named(const char *name)
{
    if (strcmp(name, "auto") == 0 || strcmp(name, "cpu") == 0) return true;
    if (!text_starts_with(name, "cuda:")) return false;
    size_t digits = strspn(name + 5, "0123456789");
    return digits > 0 && digits < 4 && !name[5 + digits];
}

err ui_model_run_options(ui_cli *cli, const ui_arguments *a, engine_model_options *out)
{
    int64_t threads = settings_integer(cli->settings, "run.threads");
    const char *device = ui_arguments_text(a, "device"), *dtype = ui_arguments_text(a, "dtype");

    if (!device) device = settings_text(cli->settings, "run.device");
    if (!dtype) dtype = settings_text(cli->settings, "run.dtype");
    err e = ui_arguments_integer(a, "threads", 1, THREADS_MAX, &threads);
    if (e.code) return e;
    if (!device_is_named(device))
        return err_make(ERR_USAGE, "the device is '%s': expected auto, cpu or cuda:N", device);
    if (strcmp(dtype, "auto") != 0 && strcmp(dtype, "f32") != 0 && strcmp(dtype, "bf16") != 0)
        return err_make(ERR_USAGE, "option --dtype is '%s': expected auto, f32 or bf16", dtype);
    *out = (engine_model_options){.device = device, .dtype = dtype, .threads = (int)threads, .weights = true};
    return ERR_OK;
}
