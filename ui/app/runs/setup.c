#include "ui/app/runs/setup.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/sha256.h"
#include "training/estimate.h"
#include "ui/app/model_source.h"

engine_trainable_options run_trainable_options(const training_settings *s)
{
    static const char *const inits[] = {"default", "gaussian", "pissa", "olora"};
    engine_trainable_options o = engine_trainable_defaults();
    o.rank = (size_t)s->rank;
    o.alpha = s->alpha;
    o.dropout = s->dropout;
    o.rslora = s->rslora;
    o.dora = s->dora;
    o.full = s->full;
    o.targets = s->targets;
    o.layers = *s->layers ? s->layers : NULL;
    o.rank_pattern = *s->rank_pattern ? s->rank_pattern : NULL;
    o.alpha_pattern = *s->alpha_pattern ? s->alpha_pattern : NULL;
    o.init = inits[s->init];
    o.seed = (uint64_t)s->seed;
    return o;
}

/* -- parts
 * --------------------------------------------------------------------------------------------------- */

static err open_row(run_session *s)
{
    ui_run_list one = {0};
    err e = ui_run_store_open(settings_borrow_folders(s->settings)->state, &s->store);
    if (!e.code) e = ui_run_store_find(s->store, s->plan.id, &one);
    if (e.code) return e;
    s->run = one.rows[0].run;
    s->started_ms = one.rows[0].started_ms;
    s->progress.attempt = one.rows[0].attempt;
    s->forked = *s->plan.parent && one.rows[0].step == 0;
    ui_run_list_free(&one);
    return ui_run_store_take(s->store, s->run, s->progress.attempt, getpid(), run_now_ms());
}

static err open_model(run_session *s)
{
    engine_files *files = NULL;
    char *warning = NULL;
    char *device = NULL;
    engine_model_options how = {.dtype = s->plan.dtype, .weights = true};
    err e = run_place(s, &device, &how.threads);
    how.device = device;
    if (!e.code)
        e = ui_model_source_open(&s->context, s->plan.folder, s->plan.base_commit, s->plan.model, &files,
                                 &warning);
    free(warning);
    if (!e.code) e = engine_model_open(files, &how, &s->model);
    free(device);
    return e;
}

err run_open_eval_file(const ui_run_plan *plan, const engine_model *model, training_data **out)
{
    training_data_options how = training_settings_data(&plan->settings);
    how.held_out = 0;
    return training_data_open((const char *const *)&plan->eval_file, 1, model, &how, out);
}

static err open_data(run_session *s)
{
    training_data_options how = training_settings_data(&s->plan.settings);
    if (*s->plan.eval_file) how.held_out = 0;
    err e =
        training_data_open((const char *const *)s->plan.data, s->plan.data_count, s->model, &how, &s->data);
    if (e.code || !*s->plan.eval_file) return e;
    e = run_open_eval_file(&s->plan, s->model, &s->eval_data);
    if (!e.code && strcmp(training_data_borrow_digest(s->eval_data), s->plan.eval_digest) != 0)
        e = ui_run_other_eval(&s->plan, training_data_borrow_digest(s->eval_data));
    return e;
}

static err file_sha256(engine_files *files, const char *name, char **out)
{
    engine_mapping *map = NULL;
    char hex[SHA256_HEX_SIZE];
    err e = engine_files_map(files, name, &map);
    if (e.code) return e;
    sha256_of(engine_mapping_view(map), hex);
    engine_mapping_free(map);
    *out = memory_text(hex);
    return ERR_OK;
}

/* The path of a pair's weights, or of a PEFT folder; *name is NULL then. The caller frees *files and *digest.
 */
static err open_init(const char *path, engine_files **files, const char **name, char **digest)
{
    bool folder = file_is_folder(path);
    char *parent = folder ? memory_text(path) : file_parent(path);
    *name = folder ? NULL : file_name(path);
    err e = engine_files_open_folder(parent, files);
    if (!e.code) e = file_sha256(*files, folder ? "adapter_model.safetensors" : *name, digest);
    free(parent);
    return e;
}

err run_init_sha256(const char *path, char **out)
{
    engine_files *files = NULL;
    const char *name;
    err e = open_init(path, &files, &name, out);
    engine_files_free(files);
    return e;
}

static err warm_start(run_session *s)
{
    engine_files *files = NULL;
    const char *name;
    err e = open_init(s->plan.init_adapter, &files, &name, &s->init_sha256);
    if (!e.code)
        e = engine_trainable_from_adapter(engine_model_borrow_decoder(s->model), files, name, &s->trainable);
    engine_files_free(files);
    return e.code ? err_note(e, "begin with %s", s->plan.init_adapter) : e;
}

static err make_trainer(run_session *s)
{
    engine_trainable_options how = run_trainable_options(&s->plan.settings);
    int layers = 0;
    err e = *s->plan.init_adapter
                ? warm_start(s)
                : engine_trainable_new(engine_model_borrow_decoder(s->model), &how, &s->trainable);
    if (!e.code) e = training_settings_checkpointing(&s->plan.settings, &layers);
    if (e.code) return e;
    training_extent extent;
    e = training_extent_of(s->data, &s->plan.settings, &extent);
    if (e.code) return e;
    training_room room =
        training_room_look(engine_model_device(s->model), strcmp(s->plan.device, "auto") == 0, s->ranks);
    training_estimate estimate = training_estimate_make(s->model, engine_trainable_parameters(s->trainable),
                                                        &s->plan.settings, &extent, room);
    s->flop_per_token = estimate.flop_per_token;
    training_trainer_options options = {.decoder = engine_model_borrow_decoder(s->model),
                                        .trainable = s->trainable,
                                        .data = s->data,
                                        .eval_data = s->eval_data,
                                        .settings = &s->plan.settings,
                                        .ranks = s->ranks,
                                        .checkpoint_layers =
                                            layers < 0 ? estimate.checkpoint_layers : (size_t)layers,
                                        .between = run_between,
                                        .context = s};
    e = training_trainer_new(&options, &s->trainer);
    if (e.code || !s->ranks) return e;
    tensor_device device = engine_model_device(s->model);
    e = training_ranks_use_devices(s->ranks, device.cuda ? device.index : -1);
    if (e.code == ERR_DEVICE) {
        run_warn(s, "gradients are summed by MPI, not by NCCL: %s", e.text);
        e = ERR_OK;
    }
    return e;
}

/* A fork goes on from what it was given, with its own counts. */
static err begin_fork(run_session *s)
{
    const training_progress *p = &s->progress;
    s->progress.worse_count = 0;
    return p->has_best ? ui_run_store_best(s->store, s->run, p->best_step, p->best_loss) : ERR_OK;
}

/* What answers were worth at the beginning: to be called before a state is put back. Made once for each data.
 */
static err put_references(run_session *s)
{
    if (s->plan.settings.kind <= TRAINING_RUN_SFT) return ERR_OK;
    err e = training_references_load(s->trainer, s->folder);
    if (e.code != ERR_NOT_FOUND) return e;
    e = training_trainer_make_references(s->trainer);
    return e.code ? e : training_references_save(s->trainer, s->folder);
}

/* Other examples may be held out, and the best of those evaluated before says nothing of them. */
static void begin_data(run_session *s, const ui_run_change *change)
{
    training_trainer_data_changed(s->trainer, change->epoch);
    fprintf(s->log, "other data from step %llu on, sha256:%s: epoch %llu begins\n",
            (unsigned long long)change->step, change->data, (unsigned long long)change->epoch);
    if (*s->plan.eval_file) return;
    s->progress.has_best = false;
    s->progress.worse_count = 0;
}

/* The data are those that the state leads on to. A change ahead of it, behind states that are gone, has not
 * happened. */
static err check_data(run_session *s)
{
    uint64_t step = training_trainer_step_number(s->trainer);
    const char *there = training_data_borrow_digest(s->data);
    size_t count = ui_run_changes_drop_data(s->changes, s->change_count, step + 1);
    const ui_run_change *last = ui_run_changes_borrow_data(s->changes, count, step);
    const char *learned = last ? last->data : s->plan.data_digest;

    if (strcmp(there, learned) != 0) return ui_run_other_data(s->plan.id, learned, there);
    s->data_step = last ? last->step : 0;
    if (last && last->step == step) begin_data(s, last);
    if (count == s->change_count) return ERR_OK;
    s->change_count = count;
    return ui_run_changes_save(s->folder, s->changes, count);
}

/* The newest state that is whole; then this is a new attempt. */
static err put_back(run_session *s)
{
    uint32_t attempt = s->progress.attempt;
    err e = put_references(s);
    if (e.code) return e;
    e = training_state_load(s->trainer, s->folder, NULL, &s->progress);
    bool fresh = e.code == ERR_NOT_FOUND;
    if (e.code && !fresh) return e;
    if (fresh || s->forked)
        s->progress.attempt = attempt;
    else
        s->progress.attempt = MAX_OF(attempt, s->progress.attempt) + 1;
    s->has_saved = !fresh;
    s->saved_step = training_trainer_step_number(s->trainer);
    e = check_data(s);
    if (e.code) return e;
    run_apply_length(s);
    training_carried carried;
    training_trainer_take_out(s->trainer, &carried);
    training_alerts_begin(&s->alerts, &carried);
    e = s->forked ? begin_fork(s) : ERR_OK;
    if (!e.code) e = training_trainer_share(s->trainer);
    if (e.code) return e;
    return ui_run_store_take(s->store, s->run, s->progress.attempt, getpid(), run_now_ms());
}

/* Those of steps that are taken again happen again. */
static err read_changes(run_session *s)
{
    return ui_run_changes_load(s->folder, &s->changes, &s->change_count);
}

static err open_socket(run_session *s)
{
    char *path = ui_run_socket_path(&s->environment, s->folder, s->plan.id);
    err e = ui_run_server_new(path, &s->server);
    free(path);
    return e;
}

static err open_jsonl(run_session *s)
{
    if (!*s->plan.jsonl) return ERR_OK;
    s->jsonl = fopen(s->plan.jsonl, "ae");
    return s->jsonl ? ERR_OK : err_errno("open %s", s->plan.jsonl);
}

/* Sums in another order are other sums. */
static err check_world(const run_session *s)
{
    size_t there = training_ranks_count(s->ranks);
    if ((size_t)s->plan.world_size == there) return ERR_OK;
    return ui_run_other_world(s->plan.id, (size_t)s->plan.world_size, there);
}

err run_set_up_follower(run_session *s)
{
    err e = repo_start(&s->context);
    if (!e.code) e = open_model(s);
    if (!e.code) e = open_data(s);
    if (!e.code) e = make_trainer(s);
    return e.code ? e : training_trainer_share(s->trainer);
}

err run_set_up(run_session *s)
{
    err e = ui_run_plan_load(s->folder, &s->plan);
    if (!e.code) e = check_world(s);
    if (!e.code && s->lock < 0) e = ui_run_lock(s->folder, &s->lock);
    if (!e.code) e = repo_start(&s->context);
    if (!e.code) e = open_row(s);
    if (!e.code) e = open_socket(s);
    if (e.code) return e;
    run_set_state(s, "running", false, "");
    if (s->listener.listening) s->listener.listening(s->listener.context);
    e = open_jsonl(s);
    if (!e.code) e = run_plan_give(s);
    if (!e.code) e = read_changes(s);
    if (!e.code) e = open_model(s);
    if (!e.code) e = open_data(s);
    if (!e.code) e = make_trainer(s);
    if (!e.code) e = put_back(s);
    s->saved_at = clock_seconds();
    if (!e.code) run_set_state(s, "running", false, "");
    return e;
}

void run_take_down(run_session *s)
{
    ui_run_server_free(s->server);
    training_trainer_free(s->trainer);
    engine_trainable_free(s->trainable);
    training_data_free(s->data);
    training_data_free(s->eval_data);
    engine_model_free(s->model);
    ui_run_store_free(s->store);
    if (s->jsonl) fclose(s->jsonl);
    if (s->log != stderr) fclose(s->log);
    if (s->lock >= 0) close(s->lock);
    ui_run_plan_free(&s->plan);
    free(s->changes);
    free(s->init_sha256);
    free(s->folder);
    free(s);
}
