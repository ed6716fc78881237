#include "ui/cmd/model_open.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/macros.h"
#include "base/settings.h"
#include "base/text.h"
#include "ui/app/model_source.h"
#include "ui/cmd/repo_open.h"

enum { THREADS_MAX = 1024 };

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

/* A model whose folder is called otherwise: the registry knows. */
static err folder_by_registry(ui_cli *cli, const char *name, char **folder)
{
    CLEANUP(ui_repo_end) ui_repo repo = {0};

    err e = ui_repo_begin_models(cli, &repo);
    if (e.code) return e;
    const repo_model_row *row = repo_models_find(repo.models, name);
    if (!row) return name_unknown(name, repo_models_borrow_folder(repo.models));
    if (row->state == REPO_MODEL_MISSING || row->state == REPO_MODEL_BROKEN)
        return err_make(ERR_NOT_FOUND, "model %s is %s: %s", name, repo_model_state_name(row->state),
                        row->why);
    *folder = memory_text(row->path);
    return ERR_OK;
}

static err folder_of_name(ui_cli *cli, const char *name, char **folder)
{
    const char *models = settings_text(cli->settings, "models.dir");
    char *folder_name = repo_model_folder_name(name), *path = file_join(models, folder_name);

    free(folder_name);
    err e = file_is_folder(path) ? ERR_OK : ui_repo_put_demo(cli, name);
    if (!e.code && file_is_folder(path)) {
        *folder = path;
        return ERR_OK;
    }
    free(path);
    if (e.code) return e;
    if (file_exists(models))
        e = folder_by_registry(cli, name, folder);
    else
        e = name_unknown(name, models);
    return e;
}

static err folder_of_path(ui_cli *cli, const char *word, char **folder)
{
    char *path = file_expand_home(word, settings_borrow_folders(cli->settings)->home);
    err e = ERR_OK;

    if (!file_is_folder(path))
        e = file_exists(path) ? err_make(ERR_NOT_FOUND, "%s is no folder", path)
                              : err_make(ERR_NOT_FOUND, "there is no folder %s", path);
    if (e.code)
        free(path);
    else
        *folder = path;
    return e;
}

/* A folder that is called just so, signs and all; also one below here that is no model's name ("models/x").
 */
static bool is_folder_as_written(ui_cli *cli, const char *word, char **folder)
{
    if (repo_word_kind_of(word) != REPO_WORD_PATH) return false;
    char *path = file_expand_home(word, settings_borrow_folders(cli->settings)->home);
    bool is = file_is_folder(path);
    if (is)
        *folder = path;
    else
        free(path);
    return is;
}

err ui_model_word_read(ui_cli *cli, const char *word, ui_model_word *out)
{
    CLEANUP(bytes_free) bytes title = {0};
    err e = ERR_OK;

    *out = (ui_model_word){0};
    if (!*word)
        return err_make(ERR_USAGE, "MODEL is empty: expected a folder's path or a name under %s",
                        settings_text(cli->settings, "models.dir"));
    if (is_folder_as_written(cli, word, &out->folder)) {
        out->said = (repo_modelref){.is_path = true, .model = memory_text(word), .ref = memory_text("")};
    } else {
        e = repo_modelref_parse(word, &out->said);
        if (!e.code)
            e = out->said.is_path ? folder_of_path(cli, out->said.model, &out->folder)
                                  : folder_of_name(cli, out->said.model, &out->folder);
    }
    if (e.code) {
        ui_model_word_free(out);
        return e;
    }
    bytes_append_text(&title, out->said.is_path ? file_name(out->folder) : out->said.model);
    if (*out->said.ref) bytes_printf(&title, ":%s", out->said.ref);
    out->title = bytes_take(&title);
    return ERR_OK;
}

void ui_model_word_free(ui_model_word *word)
{
    repo_modelref_free(&word->said);
    free(word->folder);
    free(word->title);
    *word = (ui_model_word){0};
}

err ui_model_word_open(ui_cli *cli, const ui_model_word *word, engine_files **out)
{
    CLEANUP(ui_repo_end) ui_repo repo = {0};
    char *warning = NULL;

    ui_repo_begin(cli, &repo);
    err e = ui_model_source_open(&repo.context, word->folder, word->said.ref, word->title, out, &warning);
    if (warning) fprintf(cli->err_out, "%s\n", warning);
    free(warning);
    return e;
}

err ui_model_open_without_weights(ui_cli *cli, const char *word, engine_model **out)
{
    CLEANUP(ui_model_word_free) ui_model_word model = {0};
    engine_model_options options = {.weights = false};
    engine_files *files = NULL;

    err e = ui_model_word_read(cli, word, &model);
    if (!e.code && model.said.adapter_count)
        e = err_make(ERR_USAGE, "%s names an adapter, which this command does not use", word);
    if (!e.code) e = ui_model_word_open(cli, &model, &files);
    return e.code ? e : engine_model_open(files, &options, out);
}

static bool device_is_named(const char *name)
{
    if (strcmp(name, "auto") == 0 || strcmp(name, "cpu") == 0) return true;
    if (!text_starts_with(name, "cuda:")) return false;
    size_t digits = strspn(name + 5, "0123456789");
    return digits > 0 && digits < 4 && !name[5 + digits];
}

static bool dtype_is_named(const char *name)
{
    static const char *const names[] = {"auto", "f32", "bf16", "int8", "nf4"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
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
    if (!dtype_is_named(dtype))
        return err_make(ERR_USAGE, "option --dtype is '%s': expected auto, f32, bf16, int8 or nf4", dtype);
    *out = (engine_model_options){.device = device, .dtype = dtype, .threads = (int)threads, .weights = true};
    return ERR_OK;
}
