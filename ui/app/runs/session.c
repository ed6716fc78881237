/* ui/app/runs/session.c: a run from its plan to its end. */
#define _GNU_SOURCE
#include "ui/app/runs/session.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "ui/app/model_source.h"
#include "ui/app/runs/session_internal.h"
#include "ui/app/runs/setup.h"

enum { PAUSE_LOOK_MS = 100, SAMPLE_TOKENS = 64, EVALS_OF_A_RUN = 20, STILL_STEPS = 3, EXIT_TAKEN = 75 };

volatile sig_atomic_t run_stop_signals;

/* The second one that a person sends leaves at once. */
static void on_signal(int number)
{
    if (++run_stop_signals > 1 && number == SIGINT) _exit(130);
}

bool ui_run_was_interrupted(void) { return run_stop_signals > 0; }

static void watch_signals(void)
{
    struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGHUP, &ignore, NULL); /* it has no terminal to lose */
    sigaction(SIGPIPE, &ignore, NULL);
}

/* -- evaluation
 * ---------------------------------------------------------------------------------------------- */

static uint64_t eval_every(const run_session *s)
{
    if (s->plan.settings.eval_every) return (uint64_t)s->plan.settings.eval_every;
    return MAX_OF((training_trainer_curve(s->trainer) + EVALS_OF_A_RUN - 1) / EVALS_OF_A_RUN, (uint64_t)1);
}

static void say_evaluation(run_session *s, uint64_t step, const training_evaluation *v, bool best)
{
    cJSON *event = run_event("eval");
    cJSON_AddNumberToObject(event, "step", (double)step);
    run_add_number(event, "eval_loss", v->loss);
    run_add_number(event, "eval_ppl", v->perplexity);
    run_add_number(event, "eval_accuracy", v->accuracy);
    run_add_number(event, "eval_ms", v->ms);
    cJSON_AddBoolToObject(event, "best", best);
    run_say(s, event);
    run_keep(s, "eval_loss", step, v->loss);
    run_keep(s, "eval_ppl", step, v->perplexity);
    run_keep(s, "eval_accuracy", step, v->accuracy);
    run_keep(s, "eval_ms", step, v->ms);
}

static void take_samples(run_session *s, uint64_t step)
{
    for (size_t i = 0; i < s->plan.prompt_count; i++) {
        CLEANUP(bytes_free) bytes text = {0};
        err e = run_complete(s, s->plan.prompts[i], SAMPLE_TOKENS, &text);
        if (e.code) {
            run_warn(s, "sample %zu: %s", i + 1, e.text);
            continue;
        }
        ui_run_sample sample = {step, (unsigned)i, s->plan.prompts[i], bytes_text(&text)};
        e = ui_run_store_sample(s->store, s->run, s->progress.attempt, &sample);
        if (e.code) run_warn(s, "%s", e.text);
        cJSON *event = run_event("sample");
        cJSON_AddNumberToObject(event, "step", (double)step);
        cJSON_AddStringToObject(event, "prompt", sample.prompt);
        cJSON_AddStringToObject(event, "text", sample.text);
        run_say(s, event);
    }
}

/* A NaN is never best, and what was not trained on these data is not either. */
static bool note_best(run_session *s, uint64_t step, double loss)
{
    training_progress *p = &s->progress;
    if (!isfinite(loss) || step == s->data_step) return false;
    if (p->has_best && loss >= p->best_loss - s->plan.settings.min_delta) {
        p->worse_count++;
        return false;
    }
    p->has_best = true;
    p->best_step = step;
    p->best_loss = loss;
    p->worse_count = 0;
    err e = ui_run_store_best(s->store, s->run, step, loss);
    if (e.code) run_warn(s, "%s", e.text);
    return true;
}

static err evaluate(run_session *s, bool *best)
{
    training_evaluation v;
    uint64_t step = training_trainer_step_number(s->trainer);

    *best = false;
    if (training_trainer_eval_count(s->trainer)) {
        err e = run_order_give(s, RUN_ORDER_EVALUATE);
        if (!e.code) e = training_trainer_evaluate(s->trainer, &v);
        if (!e.code && !isfinite(v.loss)) e = run_check_base(s);
        if (e.code) return err_note(e, "evaluate at step %llu", (unsigned long long)step);
        s->last_eval = v.loss;
        *best = note_best(s, step, v.loss);
        say_evaluation(s, step, &v, *best);
    }
    take_samples(s, step);
    return ERR_OK;
}

/* -- a step
 * -------------------------------------------------------------------------------------------------- */

static void change_rate(run_session *s)
{
    uint64_t step = training_trainer_step_number(s->trainer);
    if (isnan(s->rate_next) || s->change_count == UI_RUN_CHANGES_MAX) return;
    training_trainer_rate_set(s->trainer, s->rate_next);
    ui_run_changes_add(&s->changes, &s->change_count, &(ui_run_change){.step = step, .lr = s->rate_next});
    err e = ui_run_changes_save(s->folder, s->changes, s->change_count);
    if (e.code) run_warn(s, "%s", e.text);
    cJSON *event = run_event("changed");
    cJSON_AddNumberToObject(event, "step", (double)step);
    cJSON_AddNumberToObject(event, "lr", s->rate_next);
    run_say(s, event);
    s->rate_next = NAN;
}

static uint64_t length_of(const run_session *s)
{
    uint64_t total = training_trainer_total(s->trainer);
    for (size_t i = 0; i < s->change_count; i++)
        if (s->changes[i].steps) total = s->changes[i].steps;
    return total;
}

void run_apply_length(run_session *s) { training_trainer_total_set(s->trainer, length_of(s), true); }

/* Changes that a plan brings along (train --from, a fork) happen at the steps where they happened. */
static void replay_changes(run_session *s)
{
    uint64_t total = length_of(s);
    for (size_t i = 0; i < s->change_count; i++) {
        const ui_run_change *c = &s->changes[i];
        if (c->step != training_trainer_step_number(s->trainer)) continue;
        if (!isnan(c->lr)) training_trainer_rate_set(s->trainer, c->lr);
        if (!c->steps) continue;
        training_trainer_total_set(s->trainer, c->steps, false);
        training_trainer_total_set(s->trainer, total, true);
    }
}

static void look_at_numbers(run_session *s, const training_point *p, int *still)
{
    double guess = log((double)engine_model_borrow_spec(s->model)->vocab_count);
    if (p->step == 0 && !p->pairs && p->loss > 1.3 * guess)
        run_warn(s, "the first loss is %.2f, that of guessing %.2f: a wrong template or tokenizer?", p->loss,
                 guess);
    *still = !p->skipped && p->targets && (p->grad_norm == 0 || p->loss == 0) ? *still + 1 : 0;
    /* Step 0 of a run with warm-up moves nothing, and the gradient of A is 0 until B has moved: not all of
     * it. */
    if (*still == STILL_STEPS)
        run_warn(s, "loss or gradient was exactly 0 in %d steps: masking or frozen parameters?", STILL_STEPS);
    if (p->skipped) {
        CLEANUP(bytes_free) bytes names = {0};
        training_trainer_describe_window(s->trainer, &names);
        run_warn(s, "step %llu was skipped (loss %g, gradient %g): %s", (unsigned long long)p->step, p->loss,
                 p->grad_norm, bytes_text(&names));
    }
}

/* Where the schedule has the rate near its end, standing still is what is wanted. */
static bool rate_is_high(const run_session *s, double lr)
{
    return lr >= training_trainer_rate(s->trainer) / 10;
}

static void look_at_losses(run_session *s, const training_point *p)
{
    training_carried carried;
    if (p->skipped) return;
    if (training_alerts_step(&s->alerts, p->step, p->loss))
        run_alert(s, "diverging", "the mean of the losses is %.4g, at step %llu it was %.4g",
                  training_alerts_mean(&s->alerts), (unsigned long long)s->alerts.lowest_step,
                  s->alerts.lowest);
    if (training_trainer_eval_count(s->trainer) || !rate_is_high(s, p->lr)) return;
    training_trainer_take_out(s->trainer, &carried);
    if (training_alerts_recent(&s->alerts, &carried))
        run_alert(s, "plateau", "over the last %d steps the loss fell by less than 1 %%",
                  TRAINING_RECENT_STEPS);
}

static void look_at_evaluations(run_session *s, double lr)
{
    if (!training_trainer_eval_count(s->trainer) || !rate_is_high(s, lr)) return;
    if (training_alerts_evaluation(&s->alerts, s->progress.worse_count))
        run_alert(s, "plateau", "the last %u evaluations are no better than %.4g at step %llu",
                  s->progress.worse_count, s->progress.best_loss, (unsigned long long)s->progress.best_step);
}

static err after_step(run_session *s, double lr, bool *early)
{
    const training_settings *set = &s->plan.settings;
    uint64_t step = training_trainer_step_number(s->trainer);
    bool last = step == training_trainer_total(s->trainer), best = false;

    if (s->eval_now || last || step % eval_every(s) == 0) {
        s->eval_now = false;
        err e = evaluate(s, &best);
        if (e.code) return e;
        look_at_evaluations(s, lr);
    }
    *early = set->patience && s->progress.worse_count >= (uint32_t)set->patience;
    bool commit =
        best || s->commit_now || s->tag_now || (set->commit_every && step % (uint64_t)set->commit_every == 0);
    bool due = s->save_now || step % (uint64_t)set->save_every == 0 ||
               clock_seconds() - s->saved_at >= set->save_minutes * 60;
    if (last || *early) return ERR_OK; /* the end saves */
    if (commit)
        (void)run_checkpoint(s, s->tag_now);
    else if (due)
        (void)run_save_state(s);
    s->save_now = s->commit_now = s->tag_now = false;
    return ERR_OK;
}

static err step(run_session *s, int *still, bool *early)
{
    training_point p;
    replay_changes(s);
    err e = run_order_give(s, RUN_ORDER_STEP);
    if (!e.code) e = training_trainer_step(s->trainer, &p);
    if (e.code) return e;
    if (!p.skipped) s->last_loss = p.loss;
    run_say_step(s, &p);
    if (s->taken < RUN_MEASURED_STEPS) s->first_seconds[s->taken] = p.step_ms / 1000;
    if (++s->taken == RUN_MEASURED_STEPS) run_say_measured(s, &p);
    look_at_numbers(s, &p, still);
    look_at_losses(s, &p);
    change_rate(s);
    if (p.skipped && p.targets && !isfinite(p.loss)) e = run_check_base(s);
    if (!e.code && p.skipped) e = training_trainer_health(s->trainer);
    if (e.code && s->has_saved)
        return err_make(
            e.code,
            "%.300s; hyprstream train --resume %s --lr %.3g goes back to step %llu with half the rate",
            e.text, s->plan.id, training_trainer_rate(s->trainer) / 2, (unsigned long long)s->saved_step);
    return e.code ? e : after_step(s, p.lr, early);
}

/* -- pause
 * --------------------------------------------------------------------------------------------------- */

/* What it finds belongs to the state of this step. */
static void evaluate_in_pause(run_session *s)
{
    bool best;
    s->eval_now = false;
    err e = evaluate(s, &best);
    if (e.code) {
        run_warn(s, "%s", e.text);
        return;
    }
    s->has_saved = false;
    s->save_now = true;
    s->commit_now |= best;
}

static void pause_here(run_session *s)
{
    (void)run_save_state(s);
    s->pause = true; /* a save that failed does not let it go on either */
    run_keep_flush(s, true);
    run_set_state(s, "paused", false, "");
    while (s->pause && !s->stop) {
        if (!run_between(s)) return;
        if (!isnan(s->rate_next)) change_rate(s);
        if (s->eval_now) evaluate_in_pause(s);
        if (s->commit_now || s->tag_now) (void)run_checkpoint(s, s->tag_now);
        if (s->save_now) (void)run_save_state(s);
        s->commit_now = s->tag_now = s->save_now = false;
        if (!run_has_answers(s)) ui_run_server_wait(s->server, PAUSE_LOOK_MS);
    }
    if (!s->stop) run_set_state(s, "running", false, "");
}

/* -- the whole
 * ------------------------------------------------------------------------------------------------ */

/* What a kill may have left undone after the newest state. True: its commit, tagged. */
static bool mend(run_session *s)
{
    s->last_loss = s->progress.train_loss;
    s->last_eval = s->progress.eval_loss;
    return run_checkpoint_due(s);
}

static err run_steps(run_session *s, const char **state)
{
    int still = 0;
    bool early = false, best, committed = s->has_saved && mend(s);
    err e = ERR_OK;

    if (training_trainer_step_number(s->trainer) == s->data_step) e = evaluate(s, &best);
    while (!e.code && !early && !s->stop &&
           training_trainer_step_number(s->trainer) < training_trainer_total(s->trainer)) {
        committed = false;
        e = step(s, &still, &early);
        run_between(s);
        if (!e.code && s->pause && !s->stop && !early) pause_here(s);
    }
    if (e.code) return e;
    while (run_has_answers(s) && !s->stop) run_between(s);
    bool done = training_trainer_step_number(s->trainer) == training_trainer_total(s->trainer);
    *state = done ? "done" : "stopped_early";
    if (training_trainer_step_number(s->trainer) > s->data_step) {
        if (!committed) e = run_checkpoint(s, done || early);
        if (done || early) run_tag_best(s);
    }
    return e;
}

static void end(run_session *s, err e, const char *state)
{
    if (e.code) {
        fprintf(s->log, "%s\n", e.text);
        state = "failed";
    }
    if (s->store && s->run) run_keep_flush(s, true);
    if (s->server) run_answers_free(s);
    run_set_state(s, state, true, e.code ? e.text : "");
}

/* Out of the caller's session; what is said from here on goes into the run's log. */
static err leave_terminal(const char *folder)
{
    pid_t child = fork();
    if (child < 0) return err_errno("start the run");
    if (child > 0) _exit(0);
    setsid();
    char *path = file_join(folder, "log");
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
    free(path);
    if (log < 0 || null < 0) return err_errno("open the run's log");
    dup2(null, 0);
    dup2(log, 1);
    dup2(log, 2);
    close(log);
    close(null);
    setvbuf(stderr, NULL, _IOLBF, 0);
    return ERR_OK;
}

/* Before the caller goes on: who has the lock is the run, and only its row is touched. Whoever waits must not
 * take an old end for the new one. */
static err claim(const settings *set, const char *id, const char *folder, int *lock)
{
    ui_run_store *store = NULL;
    ui_run_list one = {0};
    err e = ui_run_lock(folder, lock);
    if (!e.code) e = ui_run_store_open(settings_borrow_folders(set)->state, &store);
    if (!e.code) e = ui_run_store_find(store, id, &one);
    if (!e.code) e = ui_run_store_set_state(store, one.rows[0].run, "planned", false, "", run_now_ms());
    ui_run_list_free(&one);
    ui_run_store_free(store); /* no connection goes through a fork */
    return e;
}

run_session *run_session_new(const settings *set, training_ranks *ranks)
{
    run_session *s = memory_alloc(sizeof *s);
    s->settings = set;
    s->environment = env_of_process();
    s->context = (repo_context){.settings = set, .environment = &s->environment};
    s->log = stderr;
    s->ranks = ranks;
    s->lock = -1;
    s->rate_next = s->last_loss = s->last_eval = NAN;
    watch_signals();
    return s;
}

static err run_whole(run_session *s)
{
    const char *state = "failed";
    err e = run_set_up(s);
    if (!e.code) e = run_steps(s, &state);
    if (!e.code) e = run_order_give(s, RUN_ORDER_END);
    e = run_error(s, e);
    end(s, e, state);
    return e;
}

int ui_run_session(const settings *set, const char *id)
{
    char *folder = ui_run_folder(settings_borrow_folders(set)->state, id);
    int lock = -1;
    err e = claim(set, id, folder, &lock);
    if (e.code == ERR_BUSY) {
        free(folder);
        return EXIT_TAKEN;
    }
    if (!e.code) e = leave_terminal(folder);
    run_session *s = run_session_new(set, NULL);
    s->folder = folder;
    s->lock = lock;
    if (!e.code)
        e = run_whole(s);
    else
        fprintf(stderr, "%s\n", e.text);
    run_take_down(s);
    return e.code ? 1 : 0;
}

err ui_run_lead(const settings *set, const char *id, training_ranks *ranks, const ui_run_listener *listener)
{
    run_session *s = run_session_new(set, ranks);
    s->folder = ui_run_folder(settings_borrow_folders(set)->state, id);
    s->listener = *listener;
    err e = run_log_open(s, "log");
    training_ranks_on_loss(ranks, run_lost, s);
    e = e.code ? e : run_whole(s);
    training_ranks_on_loss(ranks, NULL, NULL);
    run_take_down(s);
    return e;
}

err ui_run_start(const char *id)
{
    const char *argv[] = {"hyprstream", "__run", id, NULL};
    process_options options = {.argv = argv,
                               .program = "/proc/self/exe",
                               .input = PROCESS_NULL,
                               .output = PROCESS_NULL,
                               .error = PROCESS_KEEP,
                               .in_group = true};
    process *p = NULL;
    bool ended = false;
    int status = 0;

    err e = process_start(&options, &p);
    if (!e.code) e = process_wait(p, -1, &ended, &status); /* it leaves a child and ends */
    process_free(p);
    if (!e.code && status == EXIT_TAKEN)
        return err_make(ERR_BUSY, "run %s is running: hyprstream attach %s watches it", id, id);
    if (!e.code && status != 0) e = err_make(ERR_IO, "the run's process ended with status %d", status);
    return e;
}
