/* ui/app/runs/session_say.c: what a run says, to its clients and to the database. */
#define _GNU_SOURCE
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"
#include "ui/app/runs/session_internal.h"

int64_t run_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

cJSON *run_event(const char *name)
{
    cJSON *event = cJSON_CreateObject();
    cJSON_AddStringToObject(event, "event", name);
    return event;
}

void run_add_number(cJSON *event, const char *key, double value)
{
    if (isfinite(value))
        cJSON_AddNumberToObject(event, key, value);
    else
        cJSON_AddNullToObject(event, key);
}

static char *print(cJSON *event_taken)
{
    char *line = cJSON_PrintUnformatted(event_taken);
    cJSON_Delete(event_taken);
    if (!line) memory_exhausted(0);
    return line;
}

void run_say(run_session *s, cJSON *event_taken)
{
    char *line = print(event_taken);
    if (s->server) ui_run_server_tell(s->server, bytes_view_of(line));
    cJSON_free(line);
}

void run_warn(run_session *s, const char *format, ...)
{
    CLEANUP(bytes_free) bytes valid = {0};
    char *text = NULL;
    va_list list;
    va_start(list, format);
    if (vasprintf(&text, format, list) < 0) memory_exhausted(0);
    va_end(list);
    text_append_valid_utf8(&valid, bytes_view_of(text));
    fprintf(s->log, "%s\n", text);
    free(text);
    cJSON *event = run_event("warning");
    cJSON_AddStringToObject(event, "text", bytes_text(&valid));
    run_say(s, event);
}

void run_alert(run_session *s, const char *kind, const char *format, ...)
{
    CLEANUP(bytes_free) bytes advice = {0};
    char text[256];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    uint64_t step = training_trainer_step_number(s->trainer);
    bytes_printf(&advice, "hyprstream runs lr %s %.3g", s->plan.id, training_trainer_rate(s->trainer) / 2);
    fprintf(s->log, "step %llu: %s: %s\n", (unsigned long long)step, kind, text);
    ui_run_alert alert = {step, kind, text, bytes_text(&advice)};
    err e = ui_run_store_alert(s->store, s->run, s->progress.attempt, &alert, run_now_ms() - s->started_ms);
    if (e.code) run_warn(s, "%s", e.text);
    cJSON *event = run_event("alert");
    cJSON_AddNumberToObject(event, "step", (double)step);
    cJSON_AddStringToObject(event, "kind", kind);
    cJSON_AddStringToObject(event, "text", text);
    cJSON_AddStringToObject(event, "advice", alert.advice);
    run_say(s, event);
}

/* -- state
 * --------------------------------------------------------------------------------------------------- */

static cJSON *state_event(const run_session *s, const char *name, const char *state)
{
    cJSON *event = run_event(name);
    cJSON_AddStringToObject(event, "run", s->plan.id);
    cJSON_AddStringToObject(event, "model", s->plan.model);
    cJSON_AddStringToObject(event, "adapter", s->plan.adapter);
    cJSON_AddStringToObject(event, "branch", s->plan.branch);
    cJSON_AddStringToObject(event, "state", state);
    cJSON_AddNumberToObject(event, "pid", getpid());
    if (s->model) {
        cJSON_AddNumberToObject(event, "context", (double)engine_model_borrow_spec(s->model)->context_max);
        cJSON_AddBoolToObject(event, "template", engine_model_borrow_chat_template(s->model, NULL) != NULL);
    }
    if (s->trainer) {
        cJSON_AddNumberToObject(event, "step", (double)training_trainer_step_number(s->trainer));
        cJSON_AddNumberToObject(event, "steps", (double)training_trainer_total(s->trainer));
    }
    return event;
}

void run_set_state(run_session *s, const char *state, bool ended, const char *error)
{
    if (s->store && s->run) {
        err e = ui_run_store_set_state(s->store, s->run, state, ended, error, run_now_ms());
        if (e.code) fprintf(s->log, "%s\n", e.text);
    }
    if (!s->server) return;
    char *greeting = print(state_event(s, "started", state));
    ui_run_server_greeting(s->server, bytes_view_of(greeting));
    cJSON_free(greeting);
    cJSON *event = state_event(s, ended ? "ended" : "state", state);
    if (*error) cJSON_AddStringToObject(event, "error", error);
    if (s->progress.has_best) {
        cJSON_AddNumberToObject(event, "best_step", (double)s->progress.best_step);
        cJSON_AddNumberToObject(event, "best_eval_loss", s->progress.best_loss);
    }
    cJSON_AddNumberToObject(event, "lost_ms", s->lost_ms);
    run_say(s, event);
}

/* -- points
 * -------------------------------------------------------------------------------------------------- */

static void keep_line(run_session *s, const ui_run_value *v)
{
    if (!s->jsonl) return;
    fprintf(s->jsonl, "{\"name\":\"%s\",\"step\":%llu,\"attempt\":%u,\"value\":", v->name,
            (unsigned long long)v->step, s->progress.attempt);
    if (isfinite(v->value))
        fprintf(s->jsonl, "%.17g", v->value);
    else
        fputs("null", s->jsonl);
    fprintf(s->jsonl, ",\"at_ms\":%lld}\n", (long long)v->at_ms);
}

void run_keep(run_session *s, const char *name, uint64_t step, double value)
{
    if (s->value_count == RUN_VALUES_MAX) run_keep_flush(s, true);
    if (s->value_count == RUN_VALUES_MAX) s->value_count = 0; /* the database takes nothing: told already */
    if (!s->value_count) s->values_since = clock_seconds();
    ui_run_value *v = &s->values[s->value_count++];
    *v = (ui_run_value){name, step, value, run_now_ms() - s->started_ms};
    keep_line(s, v);
}

void run_keep_flush(run_session *s, bool now)
{
    if (!s->value_count || (!now && clock_seconds() - s->values_since < 1)) return;
    err e =
        ui_run_store_points(s->store, s->run, s->progress.attempt, s->values, s->value_count, run_now_ms());
    if (e.code)
        run_warn(s, "%s", e.text);
    else
        s->value_count = 0;
    if (s->jsonl) fflush(s->jsonl);
}

void run_say_step(run_session *s, const training_point *p)
{
    const struct {
        const char *name;
        double value;
        bool pairs;
    } rows[] = {
        {"loss", p->loss, false},
        {"grad_norm", p->grad_norm, false},
        {"lr", p->lr, false},
        {"tokens", (double)p->tokens, false},
        {"targets", (double)p->targets, false},
        {"tokens_per_s", p->tokens_per_s, false},
        {"flop_per_s", p->tokens_per_s * s->flop_per_token, false},
        {"step_ms", p->step_ms, false},
        {"data_ms", p->data_ms, false},
        {"save_ms", s->save_ms, false},
        {"mem_peak", (double)p->mem_peak, false},
        {"mem_reserved", (double)p->mem_reserved, false},
        {"accuracy", p->accuracy, false},
        {"skipped", p->skipped, false},
        {"rewards/chosen", p->reward_chosen, true},
        {"rewards/rejected", p->reward_rejected, true},
        {"rewards/margins", p->reward_margin, true},
        {"rewards/accuracies", p->reward_accuracy, true},
        {"logps/chosen", p->logp_chosen, true},
        {"logps/rejected", p->logp_rejected, true},
    };
    cJSON *event = run_event("step");
    cJSON_AddNumberToObject(event, "step", (double)p->step);
    cJSON_AddNumberToObject(event, "steps", (double)training_trainer_total(s->trainer));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].pairs && !p->pairs) continue;
        run_add_number(event, rows[i].name, rows[i].value);
        run_keep(s, rows[i].name, p->step, rows[i].value);
    }
    s->save_ms = 0;
    run_say(s, event);
    run_keep_flush(s, false);
}

/* The one in the middle: the first pays for what later ones find ready. */
static double median_of_three(const double v[RUN_MEASURED_STEPS])
{
    return v[0] + v[1] + v[2] - MIN_OF(MIN_OF(v[0], v[1]), v[2]) - MAX_OF(MAX_OF(v[0], v[1]), v[2]);
}

void run_say_measured(run_session *s, const training_point *p)
{
    const ui_run_estimate *e = &s->plan.estimate;
    double seconds = median_of_three(s->first_seconds), flop_per_s = e->flop_per_step / seconds;
    const struct {
        const char *key;
        double value, needs; /* null where what it needs is not known */
    } rows[] = {
        {"memory_estimated", e->memory, e->memory},
        {"mem_peak", (double)p->mem_peak, 1},
        {"step_seconds_estimated", e->step_seconds, e->step_seconds},
        {"step_seconds", seconds, 1},
        {"run_seconds_estimated", e->step_seconds * (double)training_trainer_total(s->trainer),
         e->step_seconds},
        {"run_seconds", seconds * (double)training_trainer_total(s->trainer), 1},
        {"flop_per_s", flop_per_s, e->flop_per_step},
        {"mfu", flop_per_s / e->product_flop_per_s, e->flop_per_step * e->product_flop_per_s},
    };
    cJSON *event = run_event("measured");
    cJSON_AddNumberToObject(event, "step", (double)training_trainer_step_number(s->trainer));
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        run_add_number(event, rows[i].key, rows[i].needs > 0 ? rows[i].value : NAN);
    run_say(s, event);
}
