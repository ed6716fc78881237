#include "ui/app/models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/file.h"
#include "engine/spec.h"
#include "repo/registry/model_files.h"

/* Bytes per element while it computes. */
static size_t element_bytes(const char *wanted, const char *stored)
{
    const char *type = wanted && strcmp(wanted, "auto") != 0 ? wanted : stored;
    return strcmp(type, "f32") == 0 || strcmp(type, "float32") == 0 ? 4 : 2;
}

/* Why the engine would not take it; NULL: nothing is known against it. */
static char *problem_of(const repo_model_row *repo, err spec)
{
    CLEANUP(bytes_free) bytes problem = {0};

    if (repo->state == REPO_MODEL_MISSING)
        bytes_append_text(&problem, repo->why);
    else if (spec.code == ERR_NOT_FOUND)
        bytes_append_text(&problem, "has no config.json: there is no model in it yet");
    else if (spec.code)
        bytes_append_text(&problem, spec.text);
    else if (repo->pointer)
        bytes_printf(&problem, "%s is a pointer, its bytes are not here: fetch them with fetch-files %s",
                     repo->pointer, repo->name);
    else if (!repo->weight_count)
        bytes_append_text(&problem, "has no .safetensors file: there are no weights to load");
    return problem.size ? bytes_take(&problem) : NULL;
}

static void read_spec(ui_model_row *row, const engine_spec *spec, const char *dtype)
{
    size_t each = element_bytes(dtype, spec->dtype);

    row->architecture = memory_text(spec->model_type);
    row->parameters = engine_spec_parameters(spec);
    row->weight_bytes = row->parameters * each;
    row->cache_bytes = engine_spec_cache_bytes(spec, spec->context_max, each);
    row->context_max = spec->context_max;
    row->layer_count = spec->layer_count;
    row->vocab_count = spec->vocab_count;
}

static void read_row(const repo_model_row *repo, const char *dtype, ui_model_row *row)
{
    CLEANUP(bytes_free) bytes text = {0};
    engine_spec *spec = NULL;
    char *path = file_join(repo->path, "config.json");

    *row = (ui_model_row){
        .name = memory_text(repo->name),
        .path = memory_text(repo->path),
        .file_bytes = repo->file_bytes,
        .has_template = repo->has_template,
        .adapter_count = repo->adapter_count,
        .repo = repo,
    };
    err e = file_read(path, UI_MODEL_CONFIG_BYTES_MAX, &text);
    if (!e.code) {
        e = engine_spec_parse(bytes_borrow(&text), &spec);
        if (e.code) e = err_note(e, "config.json");
    }
    if (!e.code) read_spec(row, spec, dtype);
    row->problem = problem_of(repo, e);
    engine_spec_free(spec);
    free(path);
}

static void rows_free(ui_model_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->rows[i].name);
        free(list->rows[i].path);
        free(list->rows[i].architecture);
        free(list->rows[i].problem);
    }
    free(list->rows);
    list->rows = NULL;
    list->count = 0;
}

static void list_open(settings *s, log_book *log, ui_model_list *list)
{
    ui_models_free(list);
    list->environment = env_of_process();
    list->context = (repo_context){.settings = s, .environment = &list->environment, .log = log};
    list->folder = repo_context_models_folder(&list->context);
    list->error = repo_models_open(&list->context, &list->models);
}

static void rows_read(ui_model_list *list, const char *dtype)
{
    size_t count = list->models ? repo_models_count(list->models) : 0;

    rows_free(list);
    list->rows = memory_alloc((count + 1) * sizeof *list->rows);
    for (; list->count < count; list->count++)
        read_row(repo_models_borrow(list->models, list->count), dtype, &list->rows[list->count]);
}

void ui_models_scan(settings *s, log_book *log, ui_model_list *list)
{
    if (list->models)
        list->error = repo_models_refresh(list->models);
    else
        list_open(s, log, list);
    rows_read(list, settings_text(s, "run.dtype"));
}

void ui_models_rescan(settings *s, log_book *log, ui_model_list *list)
{
    if (!list->models) list_open(s, log, list);
    if (list->models) list->error = repo_models_reread(list->models);
    rows_read(list, settings_text(s, "run.dtype"));
}

void ui_models_free(ui_model_list *list)
{
    rows_free(list);
    repo_models_free(list->models);
    free(list->folder);
    *list = (ui_model_list){0};
}

const ui_model_row *ui_models_find(const ui_model_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->rows[i].name, name) == 0) return &list->rows[i];
    return NULL;
}

static const ui_model_row *find_usable(const ui_model_list *list, const char *name)
{
    const ui_model_row *row = ui_models_find(list, name);
    return row && !row->problem ? row : NULL;
}

const ui_model_row *ui_models_first(const ui_model_list *list, const char *last)
{
    const ui_model_row *row = last ? find_usable(list, last) : NULL;
    if (!row) row = find_usable(list, "demo");
    if (row) return row;
    for (size_t i = 0; i < list->count; i++) {
        if (list->rows[i].problem) continue;
        if (row) return NULL; /* more than one: the person chooses */
        row = &list->rows[i];
    }
    return row;
}

uint64_t ui_memory_available(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    unsigned long long kilobytes = 0;
    char line[256];
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1) break;
    fclose(file);
    return (uint64_t)kilobytes * 1024;
}
