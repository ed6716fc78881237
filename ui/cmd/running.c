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

static err adapters_load(ui_running *r, const ui_adapter_choice *choice)
{
    if (!choice->count) return ERR_OK;
    return job_finish(r, engine_worker_stack(r->worker, r->model, (const char *const *)choice->paths,
                                             choice->scales, choice->count));
}

err ui_running_open(ui_cli *cli, const ui_arguments *a, const char *word, ui_running *out)
{
    CLEANUP(ui_adapter_choice_free) ui_adapter_choice choice = {0};
    CLEANUP(bytes_free) bytes path = {0};
    engine_worker_options worker_options = {0};
    engine_model_options options;
    engine_files *files = NULL;

    *out = (ui_running){.cli = cli};
    err e = ui_model_run_options(cli, a, &options);
    if (!e.code) e = ui_model_path(cli, word, &path.data);
    if (!e.code) e = ui_adapters_choose(cli, a, path.data, &choice);
    if (!e.code) e = engine_files_open_folder(path.data, &files);
    if (e.code) return e;
    e = engine_worker_new(&worker_options, &out->worker);
    if (e.code) {
        engine_files_free(files);
        return e;
    }
    e = job_finish(out, engine_worker_load(out->worker, files, &options));
    if (!e.code) e = adapters_load(out, &choice);
    if (!e.code && *cli->interrupted) e = err_make(ERR_CANCELLED, "cancelled"); /* nothing has begun yet */
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
