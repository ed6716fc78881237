#define _GNU_SOURCE
#include "ui/app/runs/plan.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/file.h"

enum { LOCK_TRIES = 50, LOCK_WAIT_NS = 10000000 };

/* -- texts of a plan, one row each, sorted by key ----------------------------------------------------------
 */

static const struct {
    const char *key;
    size_t offset;
    bool needed;
} texts[] = {
    {"adapter", offsetof(ui_run_plan, adapter), true},
    {"base_commit", offsetof(ui_run_plan, base_commit), true},
    {"branch", offsetof(ui_run_plan, branch), true},
    {"data_digest", offsetof(ui_run_plan, data_digest), true},
    {"device", offsetof(ui_run_plan, device), true},
    {"dtype", offsetof(ui_run_plan, dtype), true},
    {"eval_digest", offsetof(ui_run_plan, eval_digest), false},
    {"eval_file", offsetof(ui_run_plan, eval_file), false},
    {"folder", offsetof(ui_run_plan, folder), true},
    {"init_adapter", offsetof(ui_run_plan, init_adapter), false},
    {"jsonl", offsetof(ui_run_plan, jsonl), false},
    {"model", offsetof(ui_run_plan, model), true},
    {"parent", offsetof(ui_run_plan, parent), false},
};

static const struct {
    const char *key;
    size_t offset;
} estimates[] = {
    {"flop_per_step", offsetof(ui_run_estimate, flop_per_step)},
    {"memory", offsetof(ui_run_estimate, memory)},
    {"product_flop_per_s", offsetof(ui_run_estimate, product_flop_per_s)},
    {"step_seconds", offsetof(ui_run_estimate, step_seconds)},
};

static double *estimate_at(const ui_run_plan *plan, size_t i)
{
    return (double *)((uintptr_t)&plan->estimate + estimates[i].offset);
}

static char **text_at(const ui_run_plan *plan, size_t i)
{
    return (char **)((uintptr_t)plan + texts[i].offset);
}

void ui_run_plan_init(ui_run_plan *plan)
{
    *plan = (ui_run_plan){.world_size = 1};
    for (size_t i = 0; i < COUNT_OF(texts); i++) *text_at(plan, i) = memory_text("");
    training_settings_init(&plan->settings);
}

void ui_run_plan_free(ui_run_plan *plan)
{
    for (size_t i = 0; i < COUNT_OF(texts); i++) free(*text_at(plan, i));
    for (size_t i = 0; i < plan->data_count; i++) free(plan->data[i]);
    for (size_t i = 0; i < plan->prompt_count; i++) free(plan->prompts[i]);
    free(plan->data);
    training_settings_free(&plan->settings);
    *plan = (ui_run_plan){0};
}

/* -- as JSON ------------------------------------------------------------------------------------------------
 */

void ui_run_plan_write(const ui_run_plan *plan, bytes *out)
{
    CLEANUP(bytes_free) bytes settings = {0};
    cJSON *o = cJSON_CreateObject();

    training_settings_write(&plan->settings, &settings);
    for (size_t i = 0; i < COUNT_OF(texts); i++) cJSON_AddStringToObject(o, texts[i].key, *text_at(plan, i));
    cJSON *data = cJSON_AddArrayToObject(o, "data");
    for (size_t i = 0; i < plan->data_count; i++)
        cJSON_AddItemToArray(data, cJSON_CreateString(plan->data[i]));
    cJSON *estimate = cJSON_AddObjectToObject(o, "estimate");
    for (size_t i = 0; i < COUNT_OF(estimates); i++)
        cJSON_AddNumberToObject(estimate, estimates[i].key, *estimate_at(plan, i));
    cJSON_AddNumberToObject(o, "format", 1);
    cJSON_AddStringToObject(o, "id", plan->id);
    cJSON_AddStringToObject(o, "program", HYPRSTREAM_VERSION);
    cJSON *prompts = cJSON_AddArrayToObject(o, "prompts");
    for (size_t i = 0; i < plan->prompt_count; i++)
        cJSON_AddItemToArray(prompts, cJSON_CreateString(plan->prompts[i]));
    cJSON_AddRawToObject(o, "settings", bytes_text(&settings));
    cJSON_AddNumberToObject(o, "threads", plan->threads);
    cJSON_AddNumberToObject(o, "world_size", plan->world_size);
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    if (!text) memory_exhausted(0);
    bytes_append_text(out, text);
    bytes_append_byte(out, '\n');
    cJSON_free(text);
}

static bool is_plain_text(const json_node *node)
{
    bytes_view text = json_text(node);
    return json_is(node, JSON_STRING) && !memchr(text.data, 0, text.size);
}

static void set_text(char **to, bytes_view text)
{
    free(*to);
    *to = memory_text_n(text.data, text.size);
}

static err read_texts(const json_node *root, ui_run_plan *plan)
{
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const json_node *node = json_get(root, texts[i].key);
        if (!is_plain_text(node) || (texts[i].needed && !json_text(node).size))
            return err_make(ERR_FORMAT, "%s: expected a text", texts[i].key);
        set_text(text_at(plan, i), json_text(node));
    }
    return ERR_OK;
}

static err read_lists(const json_node *root, ui_run_plan *plan)
{
    const json_node *data = json_get(root, "data"), *prompts = json_get(root, "prompts");
    if (!json_is(data, JSON_ARRAY) || !json_count(data) || json_count(data) > UI_RUN_DATA_MAX)
        return err_make(ERR_FORMAT, "data: expected a list of 1 to %d paths", UI_RUN_DATA_MAX);
    plan->data = memory_alloc(json_count(data) * sizeof *plan->data);
    for (const json_node *n = json_first(data); n; n = n->next) {
        if (!is_plain_text(n)) return err_make(ERR_FORMAT, "data: expected a list of paths");
        plan->data[plan->data_count++] = memory_text_n(json_text(n).data, json_text(n).size);
    }
    for (const json_node *n = json_first(prompts); n; n = n->next) {
        if (!is_plain_text(n) || plan->prompt_count == UI_RUN_PROMPTS_MAX)
            return err_make(ERR_FORMAT, "prompts: expected a list of at most %d texts", UI_RUN_PROMPTS_MAX);
        plan->prompts[plan->prompt_count++] = memory_text_n(json_text(n).data, json_text(n).size);
    }
    return ERR_OK;
}

/* Plans of before have none. */
static err read_estimate(const json_node *root, ui_run_plan *plan)
{
    const json_node *object = json_get(root, "estimate");
    for (size_t i = 0; i < COUNT_OF(estimates); i++) {
        double value = json_double(json_get(object, estimates[i].key), 0);
        if (!isfinite(value) || value < 0)
            return err_make(ERR_FORMAT, "estimate: %s: expected a number from 0", estimates[i].key);
        *estimate_at(plan, i) = value;
    }
    return ERR_OK;
}

static bool is_id(bytes_view text)
{
    if (text.size != UI_RUN_ID_SIZE - 1) return false;
    for (size_t i = 0; i < text.size; i++)
        if (!strchr("0123456789ABCDEFGHJKMNPQRSTVWXYZ", text.data[i]) || !text.data[i]) return false;
    return true;
}

static err read_root(const json_node *root, ui_run_plan *plan)
{
    bytes_view id = json_text(json_get(root, "id"));
    const json_node *threads = json_get(root, "threads"), *settings = json_get(root, "settings");

    if (json_int(json_get(root, "format"), 0) != 1)
        return err_make(ERR_UNSUPPORTED, "format: expected 1; a newer program may read it");
    if (!is_id(id)) return err_make(ERR_FORMAT, "id: expected 26 digits and letters");
    memcpy(plan->id, id.data, id.size);
    int64_t count = json_int(threads, -1);
    if (count < 0 || count > 1024) return err_make(ERR_FORMAT, "threads: expected a number from 0 to 1024");
    plan->threads = (int)count;
    int64_t world = json_int(json_get(root, "world_size"), 1);
    if (world < 1 || world > UI_RUN_WORLD_MAX)
        return err_make(ERR_FORMAT, "world_size: expected a number from 1 to %d", UI_RUN_WORLD_MAX);
    plan->world_size = (int)world;
    if (!json_is(settings, JSON_OBJECT)) return err_make(ERR_FORMAT, "settings: expected an object");
    err e = read_texts(root, plan);
    if (!e.code) e = read_lists(root, plan);
    if (!e.code) e = read_estimate(root, plan);
    return e.code ? e : training_settings_read(&plan->settings, settings);
}

err ui_run_plan_read(bytes_view json, ui_run_plan *out)
{
    CLEANUP(arena_free) arena a = {0};
    const json_node *root = NULL;
    ui_run_plan plan;

    ui_run_plan_init(&plan);
    err e = json_parse(json, 16, &a, &root);
    if (!e.code) e = read_root(root, &plan);
    if (e.code) {
        ui_run_plan_free(&plan);
        return err_note(e, "run.json");
    }
    *out = plan;
    return ERR_OK;
}

/* -- on disk ------------------------------------------------------------------------------------------------
 */

char *ui_run_folder(const char *state_folder, const char *id)
{
    bytes path = {0};
    bytes_printf(&path, "%s/runs%s%s", state_folder, *id ? "/" : "", id);
    return bytes_take(&path);
}

err ui_run_plan_save(const ui_run_plan *plan, const char *run_folder)
{
    CLEANUP(bytes_free) bytes json = {0};
    char *path = file_join(run_folder, "run.json");

    err e = file_exists(path) ? err_make(ERR_EXISTS, "there is already a run in %s", run_folder) : ERR_OK;
    if (!e.code) e = file_make_folders(run_folder);
    if (!e.code) ui_run_plan_write(plan, &json);
    if (!e.code) e = file_write(path, bytes_borrow(&json));
    free(path);
    return e;
}

err ui_run_plan_load(const char *run_folder, ui_run_plan *out)
{
    CLEANUP(bytes_free) bytes json = {0};
    char *path = file_join(run_folder, "run.json");
    err e = file_read(path, UI_RUN_PLAN_BYTES_MAX, &json);
    if (!e.code) e = ui_run_plan_read(bytes_borrow(&json), out);
    free(path);
    return e.code ? err_note(e, "read the run in %s", run_folder) : e;
}

/* Who asks whether a run is alive holds the lock for a moment: that is not a process that runs it. */
static bool lock_whole(int fd)
{
    for (int tries = 0; tries < LOCK_TRIES; tries++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_WAIT_NS}, NULL);
    }
    return false;
}

err ui_run_lock(const char *run_folder, int *fd)
{
    char *path = file_join(run_folder, "run.json");
    err e = ERR_OK;
    int lock = open(path, O_RDONLY | O_CLOEXEC);
    if (lock < 0) {
        e = err_errno("open %s", path);
    } else if (!lock_whole(lock)) {
        e = err_make(ERR_BUSY, "the run in %s is running already: hyprstream attach watches it", run_folder);
        close(lock);
    } else {
        *fd = lock;
    }
    free(path);
    return e;
}

bool ui_run_is_alive(const char *run_folder)
{
    char *path = file_join(run_folder, "run.json");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (fd < 0) return false;
    bool alive = flock(fd, LOCK_SH | LOCK_NB) != 0;
    close(fd);
    return alive;
}

const char *ui_run_state_shown(const ui_run_row *row, const char *state_folder)
{
    if (strcmp(row->state, "running") != 0 && strcmp(row->state, "paused") != 0) return row->state;
    char *folder = ui_run_folder(state_folder, row->id);
    bool alive = ui_run_is_alive(folder);
    free(folder);
    return alive ? row->state : "killed";
}

err ui_run_other_world(const char *id, size_t planned, size_t there)
{
    static const char why[] = "another number would add in another order";
    if (planned == 1)
        return err_make(ERR_CONFLICT,
                        "run %s was begun by 1 process, here are %zu: hyprstream train --resume %s; %s", id,
                        there, id, why);
    return err_make(
        ERR_CONFLICT,
        "run %s was begun by %zu processes, here %s %zu: mpirun -np %zu hyprstream train --resume %s; %s", id,
        planned, there == 1 ? "is" : "are", there, planned, id, why);
}

err ui_run_other_data(const char *id, const char *digest_learned, const char *digest_there)
{
    return err_make(ERR_CONFLICT,
                    "the data changed: run %s learns from sha256:%.12s, here is sha256:%.12s; --resume %s "
                    "--allow-data-change begins a new epoch of what is here, from the last state",
                    id, digest_learned, digest_there, id);
}

err ui_run_other_eval(const ui_run_plan *plan, const char *digest_there)
{
    return err_make(
        ERR_CONFLICT,
        "%s changed: run %s is evaluated on sha256:%.12s, here is sha256:%.12s: put it back, or begin "
        "a run of its own with --init-adapter",
        file_name(plan->eval_file), plan->id, plan->eval_digest, digest_there);
}
