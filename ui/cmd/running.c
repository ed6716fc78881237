#include "ui/cmd/running.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "ui/cmd/adapters.h"
#include "ui/cmd/model_open.h"

enum { INTERRUPT_LOOK_MS = 50 };

void ui_running_wait(ui_running *r, engine_job_id job, engine_event *out)
{
    do {
        if (*r->cli->interrupted) engine_worker_cancel(r->worker, job);
    } while (!engine_worker_wait(r->worker, INTERRUPT_LOOK_MS, out));
}

static void progress_show(FILE *out, const engine_event *event)
{
    char done[32], total[32];

    if (!isatty(fileno(out))) return;
    text_human_size(event->done, done, sizeof done);
    text_human_size(event->total, total, sizeof total);
    fprintf(out, "\rloading %s of %s\033[K", done, total);
    fflush(out);
}

static void progress_clear(FILE *out)
{
    if (isatty(fileno(out))) fputs("\r\033[K", out);
}

/* Waits for the last event of a load or a stack, and takes what it brought. */
static err job_finish(ui_running *r, engine_job_id job)
{
    err e = ERR_OK;
    bool last = false;

    while (!last) {
        engine_event event;
        ui_running_wait(r, job, &event);
        if (event.kind == ENGINE_EVENT_PROGRESS) progress_show(r->cli->err_out, &event);
        if (event.kind == ENGINE_EVENT_FAILED) e = event.error;
        if (event.kind == ENGINE_EVENT_LOADED) {
            r->model = event.model;
            event.model = NULL;
        }
        if (event.kind == ENGINE_EVENT_STACKED) {
            r->stack = event.stack;
            event.stack = NULL;
        }
        last = event.last;
        engine_event_free(r->worker, &event);
    }
    progress_clear(r->cli->err_out);
    return e;
}

/* The files go to the worker with the names that are looked for in them. */
static err adapters_load(ui_running *r, engine_files *files_taken, const ui_adapter_choice *choice)
{
    if (!choice->count) {
        engine_files_free(files_taken);
        return ERR_OK;
    }
    return job_finish(r,
                      engine_worker_stack(r->worker, r->model, files_taken,
                                          (const char *const *)choice->names, choice->scales, choice->count));
}

/* Model and adapters read the same files, each in its own job. */
static err files_open(ui_cli *cli, const ui_arguments *a, const char *word, engine_files *files[2],
                      ui_adapter_choice *choice)
{
    CLEANUP(ui_model_word_free) ui_model_word model = {0};

    err e = ui_model_word_read(cli, word, &model);
    if (!e.code) e = ui_model_word_open(cli, &model, &files[0]);
    if (!e.code) e = ui_model_word_open(cli, &model, &files[1]);
    return e.code ? e : ui_adapters_choose(cli, a, &model, files[1], choice);
}

static err all_load(ui_running *r, engine_files *files[2], const engine_model_options *options,
                    const ui_adapter_choice *choice)
{
    engine_files *of_model = files[0], *of_adapters = files[1];

    files[0] = NULL;
    err e = job_finish(r, engine_worker_load(r->worker, of_model, options));
    if (e.code) return e;
    files[1] = NULL;
    e = adapters_load(r, of_adapters, choice);
    if (!e.code && *r->cli->interrupted) e = err_make(ERR_CANCELLED, "cancelled"); /* nothing has begun yet */
    return e;
}

err ui_running_open(ui_cli *cli, const ui_arguments *a, const char *word, ui_running *out)
{
    CLEANUP(ui_adapter_choice_free) ui_adapter_choice choice = {0};
    engine_worker_options worker_options = {0};
    engine_model_options options;
    engine_files *files[2] = {NULL, NULL};

    *out = (ui_running){.cli = cli};
    err e = ui_model_run_options(cli, a, &options);
    if (!e.code) e = files_open(cli, a, word, files, &choice);
    if (!e.code) e = engine_worker_new(&worker_options, &out->worker);
    if (!e.code) e = all_load(out, files, &options, &choice);
    engine_files_free(files[0]);
    engine_files_free(files[1]);
    if (e.code) ui_running_close(out);
    return e;
}

void ui_running_close(ui_running *r)
{
    if (r->worker && r->stack) engine_worker_free_stack(r->worker, r->stack);
    if (r->worker && r->model) engine_worker_free_model(r->worker, r->model);
    engine_worker_free(r->worker);
    *r = (ui_running){.cli = r->cli};
}

const engine_tokenizer *ui_running_borrow_tokenizer(const ui_running *r, err *problem)
{
    const engine_tokenizer *tokenizer = engine_model_borrow_tokenizer(r->model);
    if (!tokenizer)
        *problem = err_make(ERR_NOT_FOUND, "%s has no tokenizer.json", engine_model_borrow_place(r->model));
    return tokenizer;
}

err ui_running_scores(ui_running *r, engine_job_id job, engine_pick **out, size_t *count)
{
    err e = ERR_OK;
    bool last = false;

    while (!last) {
        engine_event event;
        ui_running_wait(r, job, &event);
        if (event.kind == ENGINE_EVENT_FAILED) e = event.error;
        if (event.kind == ENGINE_EVENT_SCORED) {
            *out = event.picks;
            *count = event.pick_count;
            event.picks = NULL;
            event.pick_count = 0;
        }
        last = event.last;
        engine_event_free(r->worker, &event);
    }
    return e;
}
