/* Two tags of a model that differ in an adapter alone, loaded side by side.
 *
 *     two_tags make FOLDER MEGABYTES    a model of about that size with adapters/01_twist
 *     two_tags adapter FOLDER MEGABYTES another adapters/01_twist for it
 *     two_tags load FOLDER REF...       load each ref with its adapter, all of them alive; score a text with
 * each
 *
 * `load` prints for each ref the sum of logarithms, then "peak KILOBYTES", of its own resident set. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/folders.h"
#include "engine/worker.h"
#include "tests/support/check.h"
#include "tests/support/small_model.h"
#include "ui/app/model_source.h"

enum { REFS_MAX = 4, LAYER_HEADS = 16, HEAD_SIZE = 64 };

static const int32_t ids[] = {SMALL_MODEL_BOS, 'h', 'e', 'l', 'l', 'o'};

/* 15 million weights of four bytes a layer. */
static small_model_shape shape_of(const char *megabytes)
{
    int layers = atoi(megabytes) / 60;
    return (small_model_shape){.hidden = LAYER_HEADS * HEAD_SIZE,
                               .inner = 4096,
                               .layers = layers > 2 ? layers : 2,
                               .heads = LAYER_HEADS,
                               .kv_heads = 4,
                               .head_size = HEAD_SIZE};
}

static engine_event last_event(engine_worker *w, engine_job_id job)
{
    for (;;) {
        engine_event event;
        if (!engine_worker_wait(w, 120000, &event)) fail_msg("no event within two minutes");
        if (event.error.code) fail_msg("%s", event.error.text);
        if (event.job == job && event.last) return event;
        engine_event_free(w, &event);
    }
}

typedef struct loaded {
    engine_model *model;
    engine_stack *stack;
} loaded;

static engine_files *files_at(const repo_context *c, const char *folder, const char *ref)
{
    engine_files *files = NULL;
    check_ok(ui_model_source_open(c, folder, ref, "model", &files, NULL));
    return files;
}

static loaded load(engine_worker *w, const repo_context *c, const char *folder, const char *ref)
{
    const engine_model_options options = {.device = "cpu", .dtype = "f32", .threads = 1, .weights = true};
    const char *const adapter = "adapters/01_twist.safetensors";
    const double scale = 1;
    loaded out;

    out.model = last_event(w, engine_worker_load(w, files_at(c, folder, ref), &options)).model;
    out.stack =
        last_event(w, engine_worker_stack(w, out.model, files_at(c, folder, ref), &adapter, &scale, 1)).stack;
    return out;
}

static double score(engine_worker *w, const loaded *l)
{
    engine_event event =
        last_event(w, engine_worker_score(w, l->model, l->stack, ids, COUNT_OF(ids), 0, false));
    double sum = 0;
    for (size_t i = 1; i < COUNT_OF(ids); i++) sum += event.picks[i].logprob;
    engine_event_free(w, &event);
    return sum;
}

static long peak_kilobytes(void)
{
    char line[256];
    long peak = 0;
    FILE *file = fopen("/proc/self/status", "re");

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %ld", &peak) == 1) break;
    if (file) fclose(file);
    return peak;
}

static void load_all(const char *folder, char **refs, int count)
{
    engine_worker *w = NULL;
    env environment = env_of_process();
    folders where;
    settings *set;
    loaded all[REFS_MAX];

    check_ok(folders_find(&environment, &where));
    check_ok(settings_open(&where, &environment, &set));
    const repo_context context = {.settings = set, .environment = &environment};
    check_ok(engine_worker_new(&(engine_worker_options){0}, &w));
    for (int i = 0; i < count; i++) all[i] = load(w, &context, folder, refs[i]);
    for (int i = 0; i < count; i++) printf("%s %.9g\n", refs[i], score(w, &all[i]));
    printf("peak %ld\n", peak_kilobytes());
    for (int i = 0; i < count; i++) {
        engine_worker_free_stack(w, all[i].stack);
        engine_worker_free_model(w, all[i].model);
    }
    engine_worker_free(w);
    settings_free(set);
    folders_free(&where);
}

static void make(const char *folder, const char *megabytes, bool all, unsigned seed)
{
    const small_model_shape shape = shape_of(megabytes);
    if (all) small_model_write_as(folder, true, &shape);
    small_adapter_write_as(folder, "01_twist", &shape, seed);
}

int main(int count, char **words)
{
    if (count == 4 && strcmp(words[1], "make") == 0)
        make(words[2], words[3], true, 7);
    else if (count == 4 && strcmp(words[1], "adapter") == 0)
        make(words[2], words[3], false, 8);
    else if (count > 3 && count <= 3 + REFS_MAX && strcmp(words[1], "load") == 0)
        load_all(words[2], words + 3, count - 3);
    else
        return 2;
    return 0;
}
