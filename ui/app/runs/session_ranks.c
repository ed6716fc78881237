/* ui/app/runs/session_ranks.c: a run of several processes: rank 0 says what comes next, the others do it.
 *
 * The run is rank 0's: plan, row, socket, states, commits. Before each thing that all must do together it
 * sends an order, so pause, stop, another rate or an evaluation happen at the same step on every rank. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "ui/app/runs/session_internal.h"
#include "ui/app/runs/setup.h"

enum { FLUSH_NS = 200000000 };

/* What goes round; a plan of `size` bytes follows BEGIN. */
typedef struct order {
    uint64_t kind, size;
    double rate;           /* of the next step, before the schedule */
    uint64_t total, curve; /* steps of the run, and those that the schedule is laid over */
} order;

/* -- rank 0
 * --------------------------------------------------------------------------------------------------- */

err run_error(const run_session *s, err e) { return training_ranks_error(s->ranks, e); }

err run_order_give(run_session *s, run_order kind)
{
    order o = {.kind = kind, .rate = s->trainer ? training_trainer_rate(s->trainer) : 0};
    if (!s->ranks) return ERR_OK;
    if (s->trainer) {
        o.total = training_trainer_total(s->trainer);
        o.curve = training_trainer_curve(s->trainer);
    }
    /* One that died after its last call does not hinder a message: look. */
    err e = run_error(s, ERR_OK);
    return e.code ? e : training_ranks_await(s->ranks, &o, sizeof o);
}

err run_plan_give(run_session *s)
{
    CLEANUP(bytes_free) bytes json = {0};
    if (!s->ranks) return ERR_OK;
    ui_run_plan_write(&s->plan, &json);
    order o = {.kind = RUN_ORDER_BEGIN, .size = json.size};
    err e = training_ranks_await(s->ranks, &o, sizeof o);
    return e.code ? e : training_ranks_broadcast(s->ranks, json.data, json.size);
}

err ui_run_call_off(training_ranks *ranks)
{
    order o = {.kind = RUN_ORDER_END};
    return training_ranks_await(ranks, &o, sizeof o);
}

static void shout_loss(const run_session *s, FILE *out, const char *text)
{
    fprintf(out, "hyprstream train: %s", text);
    if (*s->plan.id)
        fprintf(out, "; mpirun -np %d hyprstream train --resume %s goes on from the last saved state",
                s->plan.world_size, s->plan.id);
    fputc('\n', out);
    fflush(out);
}

/* On another thread, while the run's own computes: a connection of its own to the database. */
void run_lost(void *session, const char *text)
{
    run_session *s = session;
    ui_run_store *store = NULL;
    if (s->run && !ui_run_store_open(settings_borrow_folders(s->settings)->state, &store).code)
        (void)ui_run_store_set_state(store, s->run, "failed", true, text, run_now_ms());
    ui_run_store_free(store);
    fprintf(s->log, "%s\n", text);
    fflush(s->log);
    shout_loss(s, stderr, text);
    if (!s->server) return;
    cJSON *event = run_event("ended");
    cJSON_AddStringToObject(event, "run", s->plan.id);
    cJSON_AddStringToObject(event, "state", "failed");
    cJSON_AddStringToObject(event, "error", text);
    run_say(s, event);
    nanosleep(&(struct timespec){.tv_nsec = FLUSH_NS}, NULL); /* the server's thread sends it */
}

/* -- each rank
 * ------------------------------------------------------------------------------------------------ */

err run_log_open(run_session *s, const char *name)
{
    char *path = file_join(s->folder, name);
    err e = file_make_folders(s->folder);
    FILE *log = e.code ? NULL : fopen(path, "ae");
    if (!e.code && !log) e = err_errno("open %s", path);
    free(path);
    if (e.code) return e;
    setvbuf(log, NULL, _IOLBF, 0);
    s->log = log;
    return ERR_OK;
}

static int threads_of(const run_session *s)
{
    return s->plan.threads ? s->plan.threads : training_ranks_cores(s->ranks);
}

err run_place(const run_session *s, char **device, int *threads)
{
    char name[32];
    *device = memory_text(s->plan.device);
    *threads = threads_of(s);
    if (!s->ranks || strcmp(s->plan.device, "auto") != 0) return ERR_OK;
    err e = tensor_door_open();
    int count = e.code ? 0 : tensor_cuda_count();
    if (count == 0) return e;
    snprintf(name, sizeof name, "cuda:%d", (int)training_ranks_local_number(s->ranks) % count);
    free(*device);
    *device = memory_text(name);
    return ERR_OK;
}

/* -- the others
 * ----------------------------------------------------------------------------------------------- */

typedef struct follower {
    run_session *s;
    FILE *shout;
} follower;

/* Rank 0 tells the person of any other that is gone; of itself it cannot. */
static void say_loss(const follower *f, const char *text)
{
    static const char first[] = "rank 0 ";
    fprintf(f->s->log, "%s\n", text);
    fflush(f->s->log);
    if (strncmp(text, first, strlen(first)) != 0 || !strstr(text, " has died")) return;
    shout_loss(f->s, f->shout, text);
}

static void on_loss(void *context, const char *text) { say_loss(context, text); }

static err take_plan(run_session *s, bool *off)
{
    order o;
    err e = training_ranks_await(s->ranks, &o, sizeof o);
    *off = o.kind != RUN_ORDER_BEGIN;
    if (e.code || *off) return e;
    if (o.size > UI_RUN_PLAN_BYTES_MAX)
        return err_make(ERR_LIMIT, "the plan has %llu bytes", (unsigned long long)o.size);
    char *text = memory_alloc((size_t)o.size + 1);
    e = training_ranks_broadcast(s->ranks, text, (size_t)o.size);
    if (!e.code) e = ui_run_plan_read((bytes_view){text, (size_t)o.size}, &s->plan);
    free(text);
    return e;
}

/* Its own folder of that name where the machine shares none with rank 0's. */
static err begin_log(run_session *s)
{
    CLEANUP(bytes_free) bytes name = {0};
    bytes_printf(&name, "rank-%zu.log", training_ranks_number(s->ranks));
    s->folder = ui_run_folder(settings_borrow_folders(s->settings)->state, s->plan.id);
    err e = run_log_open(s, bytes_text(&name));
    if (e.code) return e;
    dup2(fileno(s->log), STDERR_FILENO); /* what libraries say */
    int threads = threads_of(s);
    fprintf(s->log, "rank %zu of %zu on %s, %d thread%s, process %d\n", training_ranks_number(s->ranks),
            training_ranks_count(s->ranks), training_ranks_borrow_host(s->ranks), threads,
            threads == 1 ? "" : "s", (int)getpid());
    return ERR_OK;
}

static void follow_changes(training_trainer *tr, const order *o)
{
    training_trainer_rate_set(tr, o->rate);
    if (o->curve != training_trainer_curve(tr)) training_trainer_total_set(tr, o->curve, false);
    training_trainer_total_set(tr, o->total, true);
}

static err obey(run_session *s)
{
    for (;;) {
        order o;
        training_point p;
        training_evaluation v;
        err e = training_ranks_await(s->ranks, &o, sizeof o);
        if (!e.code && o.kind == RUN_ORDER_END) return ERR_OK;
        if (!e.code && o.kind == RUN_ORDER_STEP) {
            follow_changes(s->trainer, &o);
            e = training_trainer_step(s->trainer, &p);
        } else if (!e.code) {
            e = training_trainer_evaluate(s->trainer, &v);
        }
        if (e.code) return e;
        run_between(s);
    }
}

err ui_run_follow(const settings *set, training_ranks *ranks, FILE *shout)
{
    run_session *s = run_session_new(set, ranks);
    follower f = {s, shout};
    bool off = false;

    training_ranks_on_loss(ranks, on_loss, &f);
    err e = take_plan(s, &off);
    if (!e.code && !off) e = begin_log(s);
    if (!e.code && !off) e = run_set_up_follower(s);
    if (!e.code && !off) e = obey(s);
    bool lost = training_ranks_lost(ranks);
    e = run_error(s, e);
    training_ranks_on_loss(ranks, NULL, NULL);
    if (lost && e.code) say_loss(&f, e.text);
    if (!e.code && !off)
        fprintf(s->log, "ended at step %llu\n", (unsigned long long)training_trainer_step_number(s->trainer));
    run_take_down(s);
    return e;
}
