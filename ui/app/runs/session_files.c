/* ui/app/runs/session_files.c: the files of a commit: an adapter's three, or whole weights, and the plan. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "engine/weights.h"
#include "ui/app/model_source.h"
#include "ui/app/runs/session_internal.h"

/* -- train.json
 * ---------------------------------------------------------------------------------------------- */

static int keys_compare(const void *a, const void *b)
{
    const cJSON *const *left = a, *const *right = b;
    return strcmp((*left)->string, (*right)->string);
}

/* Equal plans give equal bytes: members in the order of their keys. */
static void sort_keys(cJSON *object)
{
    size_t count = (size_t)cJSON_GetArraySize(object), at = 0;
    cJSON **items = memory_alloc((count + 1) * sizeof(cJSON *));
    while (object->child) items[at++] = cJSON_DetachItemViaPointer(object, object->child);
    qsort(items, count, sizeof(cJSON *), keys_compare);
    for (size_t i = 0; i < count; i++) {
        char *key = memory_text(items[i]->string);
        cJSON_AddItemToObject(object, key, items[i]);
        free(key);
    }
    free(items);
}

static void add_files(cJSON *data, const training_data *d)
{
    cJSON *files = cJSON_AddArrayToObject(data, "files");
    for (size_t i = 0; i < training_data_file_count(d); i++) {
        cJSON *file = cJSON_CreateObject();
        cJSON_AddStringToObject(file, "name", training_data_borrow_file(d, i));
        cJSON_AddStringToObject(file, "sha256", training_data_borrow_file_digest(d, i));
        cJSON_AddItemToArray(files, file);
    }
}

void run_plan_write(const run_session *s, bytes *out)
{
    CLEANUP(bytes_free) bytes settings_text = {0}, changes = {0};
    const ui_run_plan *plan = &s->plan;

    training_settings_write(&plan->settings, &settings_text);
    cJSON *o = cJSON_Parse(bytes_text(&settings_text));
    cJSON *base = cJSON_AddObjectToObject(o, "base");
    cJSON_AddStringToObject(base, "commit", plan->base_commit);
    cJSON_AddStringToObject(base, "name", plan->model);
    ui_run_changes_write(s->changes, s->change_count, &changes);
    cJSON_AddItemToObject(o, "changes", cJSON_Parse(bytes_text(&changes)));
    cJSON *data = cJSON_AddObjectToObject(o, "data");
    cJSON_AddStringToObject(data, "digest", training_data_borrow_digest(s->data));
    if (strcmp(plan->data_digest, training_data_borrow_digest(s->data)) != 0)
        cJSON_AddStringToObject(data, "planned_digest", plan->data_digest);
    add_files(data, s->data);
    if (s->eval_data) {
        cJSON *eval = cJSON_AddObjectToObject(o, "eval_data");
        cJSON_AddStringToObject(eval, "digest", training_data_borrow_digest(s->eval_data));
        add_files(eval, s->eval_data);
    }
    cJSON_AddStringToObject(o, "device", plan->device);
    cJSON_AddStringToObject(o, "dtype", plan->dtype);
    cJSON_AddNumberToObject(o, "format", 1);
    if (s->init_sha256) {
        cJSON *init = cJSON_AddObjectToObject(o, "init_adapter");
        cJSON_AddStringToObject(init, "name", file_name(plan->init_adapter));
        cJSON_AddStringToObject(init, "sha256", s->init_sha256);
    } else {
        cJSON_AddNullToObject(o, "init_adapter");
    }
    if (*plan->parent) cJSON_AddStringToObject(o, "parent", plan->parent);
    cJSON_AddStringToObject(o, "program", HYPRSTREAM_VERSION);
    cJSON_AddStringToObject(o, "run", plan->id);
    cJSON_AddNumberToObject(o, "threads", plan->threads);
    cJSON_AddNumberToObject(o, "world_size", plan->world_size);
    sort_keys(o);
    char *text = cJSON_Print(o);
    cJSON_Delete(o);
    if (!text) memory_exhausted(0);
    bytes_append_text(out, text);
    bytes_append_byte(out, '\n');
    cJSON_free(text);
}

/* -- an adapter -----------------------------------------------------------------------------------------
 */

static void add_file(run_files *f, const char *path, const char *from_path, bytes *content_taken)
{
    f->list = memory_resize_array(f->list, f->count + 1, sizeof *f->list);
    f->owned = memory_resize_array(f->owned, f->count + 1, sizeof *f->owned);
    run_file_owned *owned = &f->owned[f->count];
    *owned = (run_file_owned){memory_text(path), from_path ? memory_text(from_path) : NULL,
                              content_taken ? *content_taken : (bytes){0}};
    f->list[f->count++] = (repo_checkpoint_file){
        .path = owned->path, .from_path = owned->from_path, .content = bytes_borrow(&owned->content)};
}

static err adapter_files_make(const run_session *s, bytes_view plan, run_files *out)
{
    static const char *const endings[] = {"safetensors", "config.json", "train.json"};
    tensor_type type = s->plan.settings.adapter_dtype == TRAINING_DTYPE_BF16 ? TENSOR_BF16 : TENSOR_F32;
    bytes contents[3] = {{0}};

    err e = engine_trainable_write(s->trainable, type, &contents[0]);
    if (!e.code) e = engine_trainable_config(s->trainable, s->plan.model, &contents[1]);
    bytes_append_view(&contents[2], plan);
    out->bytes = contents[0].size;
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        CLEANUP(bytes_free) bytes path = {0};
        bytes_printf(&path, "adapters/%s.%s", s->plan.adapter, endings[i]);
        add_file(out, bytes_text(&path), NULL, &contents[i]);
    }
    return e;
}

/* -- whole weights --------------------------------------------------------------------------------------
 */

/* They are large: written beside the states, taken into the store from there, and removed. */
static err weights_make(const run_session *s, engine_files *files, run_files *out)
{
    CLEANUP(bytes_free) bytes names = {0};
    size_t count = 0;

    out->folder = file_join(s->folder, "weights.part");
    err e = file_remove_tree(out->folder); /* what a kill left */
    if (!e.code) e = engine_trainable_write_weights(s->trainable, files, out->folder);
    if (!e.code) e = engine_weights_list_files(files, &names, &count);
    const char *name = bytes_text(&names);
    for (size_t i = 0; i < count && !e.code; i++, name += strlen(name) + 1) {
        char *path = file_join(out->folder, name);
        uint64_t size = 0;
        /* The index of shards stays as it is. */
        if (file_exists(path)) {
            e = file_size(path, &size);
            add_file(out, name, path, NULL);
            out->bytes += size;
        }
        free(path);
    }
    return e;
}

static err weight_files_make(run_session *s, bytes_view plan, run_files *out)
{
    engine_files *files = NULL;
    char *warning = NULL;
    bytes content = {0};

    err e = ui_model_source_open(&s->context, s->plan.folder, s->plan.base_commit, s->plan.model, &files,
                                 &warning);
    free(warning);
    if (!e.code) e = weights_make(s, files, out);
    engine_files_free(files);
    if (e.code) return e;
    bytes_append_view(&content, plan);
    add_file(out, UI_RUN_WEIGHTS ".train.json", NULL, &content);
    return ERR_OK;
}

err run_files_make(run_session *s, bytes_view plan, run_files *out)
{
    return s->plan.settings.full ? weight_files_make(s, plan, out) : adapter_files_make(s, plan, out);
}

void run_files_free(run_files *f)
{
    if (f->folder) (void)file_remove_tree(f->folder);
    for (size_t i = 0; i < f->count; i++) {
        free(f->owned[i].path);
        free(f->owned[i].from_path);
        bytes_free(&f->owned[i].content);
    }
    free(f->owned);
    free(f->list);
    free(f->folder);
    *f = (run_files){0};
}
