/* engine/worker_models.c: models that are loaded, their pools, and the adapters on them. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/file.h"
#include "engine/worker_internal.h"

worker_model *worker_model_find(engine_worker *w, const engine_model *model)
{
    for (worker_model *m = w->models; m; m = m->next)
        if (m->model == model) return m;
    return NULL;
}

/* -- load
 * ------------------------------------------------------------------------------------------------------- */

typedef struct load_watch {
    engine_worker *worker;
    engine_job_id job;
} load_watch;

static bool load_progress(void *context, uint64_t done, uint64_t total)
{
    const load_watch *watch = context;

    worker_progress(watch->worker, watch->job, done, total);
    return !worker_is_cancelled(watch->worker, watch->job);
}

/* What the system would give without swapping. 0 when it does not say. */
static uint64_t memory_available(void)
{
    unsigned long long kilobytes = 0;
    char line[256];
    FILE *file = fopen("/proc/meminfo", "re");

    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu", &kilobytes) == 1) break;
    fclose(file);
    return kilobytes * 1024;
}

static uint64_t pool_bytes_max(const engine_worker *w, const engine_model *model)
{
    tensor_device_info info;

    if (w->options.cache_bytes_max) return w->options.cache_bytes_max;
    if (!engine_model_device(model).cuda) return memory_available() / 2;
    return tensor_device_describe(engine_model_device(model), &info).code ? 0 : info.memory_free_bytes / 2;
}

/* A share of `model` is the entry's own. */
static err model_enter(engine_worker *w, engine_model *model, worker_model **out)
{
    engine_cache_pool *pool = NULL;
    err e = ERR_OK;

    if (engine_model_borrow_decoder(model)) {
        engine_cache_shape shape = engine_decoder_cache_shape(engine_model_borrow_decoder(model));
        e = engine_cache_pool_new(&shape, pool_bytes_max(w, model), &pool);
    }
    if (e.code) return e;
    worker_model *entry = memory_alloc(sizeof *entry);
    *entry = (worker_model){.model = engine_model_share(model), .pool = pool, .next = w->models};
    w->models = entry;
    *out = entry;
    return ERR_OK;
}

void worker_load(engine_worker *w, worker_job *job)
{
    load_watch watch = {w, job->id};
    engine_model_options options = {.device = job->device,
                                    .dtype = job->dtype,
                                    .threads = job->threads,
                                    .weights = job->weights,
                                    .shared = w->shared,
                                    .progress = load_progress,
                                    .context = &watch};
    engine_model *model = NULL;
    engine_files *files = job->files;

    job->files = NULL;
    err e = worker_is_cancelled(w, job->id) ? err_make(ERR_CANCELLED, "the load was cancelled") : ERR_OK;
    if (e.code)
        engine_files_free(files);
    else
        e = engine_model_open(files, &options, &model);
    worker_model *entry = e.code ? NULL : worker_model_find(w, model);
    if (!e.code && !entry) e = model_enter(w, model, &entry);
    if (e.code) {
        engine_model_free(model);
        worker_fail(w, job->id, e);
        return;
    }
    entry->shares_out++;
    engine_event *event = worker_event(ENGINE_EVENT_LOADED, job->id);
    event->last = true;
    event->model = model;
    worker_cancel_forget(w, job->id);
    worker_send(w, event);
}

/* -- giving back
 * -------------------------------------------------------------------------------------------------- */

static void adapters_forget(engine_worker *w, const worker_model *of)
{
    for (worker_adapter **link = &w->adapters; *link;) {
        worker_adapter *a = *link;
        if (a->of != of) {
            link = &a->next;
            continue;
        }
        *link = a->next;
        engine_adapter_free(a->adapter);
        free(a->key);
        free(a);
    }
}

void worker_model_drop(engine_worker *w, worker_model *entry)
{
    worker_model **link = &w->models;

    while (*link != entry) link = &(*link)->next;
    *link = entry->next;
    worker_idle_forget(w, entry->model);
    adapters_forget(w, entry);
    engine_cache_pool_free(entry->pool);
    engine_model_free(entry->model);
    free(entry);
}

void worker_model_give_back(engine_worker *w, engine_model *model)
{
    worker_model *entry = worker_model_find(w, model);

    engine_model_free(model);
    if (!entry) return;
    if (entry->shares_out) entry->shares_out--;
    if (!entry->shares_out && !entry->streams) worker_model_drop(w, entry);
}

void worker_models_free(engine_worker *w)
{
    while (w->models) worker_model_drop(w, w->models);
}

/* -- adapters
 * ------------------------------------------------------------------------------------------------------ */

/* Path, size and time of the weights behind an adapter's path: a folder's file, or the file itself. */
static err key_of_path(const char *path, bytes *key)
{
    struct stat info;
    char *inside = file_join(path, "adapter_model.safetensors");
    bool found = stat(file_is_folder(path) ? inside : path, &info) == 0;

    free(inside);
    if (!found) return err_make(ERR_NOT_FOUND, "there is no adapter at %s", path);
    bytes_printf(key, "%s %lld %lld.%09ld", path, (long long)info.st_size, (long long)info.st_mtim.tv_sec,
                 (long)info.st_mtim.tv_nsec);
    return ERR_OK;
}

static err adapter_open(engine_worker *w, worker_model *of, engine_files *files, const char *name,
                        engine_adapter **out)
{
    CLEANUP(bytes_free) bytes key = {0};
    const engine_decoder *base = engine_model_borrow_decoder(of->model);
    engine_adapter *adapter = NULL;
    bool inside = files && engine_files_has(files, name);

    err e = inside ? engine_adapter_content_id(files, name, &key) : key_of_path(name, &key);
    if (e.code) return e;
    for (worker_adapter *a = w->adapters; a; a = a->next) {
        if (a->of != of || strcmp(a->key, bytes_text(&key)) != 0) continue;
        *out = a->adapter;
        return ERR_OK;
    }
    e = inside ? engine_adapter_open_in(files, name, base, &adapter)
               : engine_adapter_open(name, base, &adapter);
    if (e.code) return e;
    worker_adapter *kept = memory_alloc(sizeof *kept);
    *kept = (worker_adapter){bytes_take(&key), adapter, of, w->adapters};
    w->adapters = kept;
    *out = adapter;
    return ERR_OK;
}

void worker_stack_make(engine_worker *w, worker_job *job)
{
    worker_model *of = worker_model_find(w, job->model);
    engine_stack_item items[ENGINE_STACK_COUNT_MAX];
    engine_stack *stack = NULL;
    err e = ERR_OK;

    if (worker_is_cancelled(w, job->id))
        e = err_make(ERR_CANCELLED, "cancelled");
    else if (!of || !of->pool)
        e = err_make(ERR_STATE, "the model is not loaded");
    else if (job->path_count > ENGINE_STACK_COUNT_MAX)
        e = err_make(ERR_LIMIT, "%zu adapters are named: expected at most %d", job->path_count,
                     ENGINE_STACK_COUNT_MAX);
    for (size_t i = 0; i < job->path_count && !e.code; i++) {
        items[i].scale = job->scales[i];
        e = adapter_open(w, of, job->files, job->paths[i], &items[i].adapter);
    }
    if (!e.code && job->path_count)
        e = engine_stack_new(engine_model_borrow_decoder(of->model), items, job->path_count, &stack);
    if (e.code) {
        worker_fail(w, job->id, e);
        return;
    }
    engine_event *event = worker_event(ENGINE_EVENT_STACKED, job->id);
    event->last = true;
    event->stack = stack;
    worker_send(w, event);
}
