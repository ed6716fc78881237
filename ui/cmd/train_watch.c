#define _GNU_SOURCE
#include "ui/cmd/train_watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/settings.h"
#include "base/text.h"
#include "ui/cmd/show.h"

enum { LOOK_MS = 100, START_SECONDS = 60, GONE_SECONDS = 10, GONE_LOOK_US = 5000, EVENT_DEPTH = 8 };

static volatile sig_atomic_t terminated;

static void on_terminate(int number)
{
    (void)number;
    terminated = 1;
}

/* As it is shown. *one holds the row, and is the caller's also after an error. */
static err find_state(ui_cli *cli, const char *id, ui_run_list *one, const char **state)
{
    ui_run_store *store = NULL;
    const char *state_folder = settings_borrow_folders(cli->settings)->state;

    err e = ui_run_store_open(state_folder, &store);
    if (!e.code) e = ui_run_store_find(store, id, one);
    if (!e.code) *state = ui_run_state_shown(&one->rows[0], state_folder);
    ui_run_store_free(store);
    return e;
}

/* What lets it go on, where something does. */
static err not_running(ui_cli *cli, const char *id)
{
    CLEANUP(ui_run_list_free) ui_run_list one = {0};
    const char *state;

    err e = find_state(cli, id, &one, &state);
    if (e.code) return e;
    if (strcmp(state, "done") == 0)
        return err_make(ERR_NOT_FOUND, "no process runs %s, which is done: hyprstream runs show %s", id, id);
    return err_make(ERR_NOT_FOUND, "no process runs %s: hyprstream train --resume %s goes on", id, id);
}

err ui_watch_connect(ui_cli *cli, const char *id, ui_run_client **out)
{
    env environment = env_of_process();
    char *folder = ui_run_folder(settings_borrow_folders(cli->settings)->state, id);
    char *path = ui_run_socket_path(&environment, folder, id);
    err e = ui_run_client_new(path, out);
    if (e.code == ERR_NOT_FOUND) e = not_running(cli, id);
    free(path);
    free(folder);
    return e;
}

/* -- the end of a run that cannot speak
 * ---------------------------------------------------------------------- */

static err end_by_row(ui_cli *cli, const char *id, bool *over)
{
    CLEANUP(ui_run_list_free) ui_run_list one = {0};
    const char *state;

    *over = false;
    err e = find_state(cli, id, &one, &state);
    if (e.code) return e;
    *over = strcmp(state, "running") != 0 && strcmp(state, "paused") != 0 && strcmp(state, "planned") != 0;
    if (strcmp(state, "failed") == 0) return err_make(ERR_STATE, "%s", one.rows[0].error);
    if (strcmp(state, "killed") == 0)
        return err_make(ERR_STATE, "the run was killed: hyprstream train --resume %s goes on", id);
    return ERR_OK;
}

/* A run that said its end still gives back what it holds: who has waited for it may resume it at once. */
static void wait_until_gone(ui_cli *cli, const char *id)
{
    char *folder = ui_run_folder(settings_borrow_folders(cli->settings)->state, id);
    double deadline = clock_seconds() + GONE_SECONDS;
    while (ui_run_is_alive(folder) && clock_seconds() < deadline) usleep(GONE_LOOK_US);
    free(folder);
}

static err connect_soon(ui_cli *cli, const char *id, ui_run_client **out)
{
    double deadline = clock_seconds() + START_SECONDS;
    for (;;) {
        bool over = false;
        err e = ui_watch_connect(cli, id, out);
        if (!e.code) return e;
        err ended = end_by_row(cli, id, &over);
        /* "killed" also shows before the process has taken its lock. */
        if (over && !strstr(ended.text, "was killed")) {
            wait_until_gone(cli, id);
            return ended;
        }
        if (clock_seconds() > deadline) return ended.code ? ended : e;
        usleep(20000);
    }
}

err ui_watch_started(ui_cli *cli, const char *id)
{
    ui_run_client *client = NULL;
    err e = connect_soon(cli, id, &client);
    ui_run_client_free(client);
    return e;
}

/* -- lines for people
 * ---------------------------------------------------------------------------------------- */

static double number(const json_node *event, const char *key)
{
    return json_double(json_get(event, key), NAN);
}

static void show_value(FILE *out, const char *name, const char *format, double value)
{
    fprintf(out, " %s ", name);
    if (isfinite(value))
        fprintf(out, format, value);
    else
        fputs("not finite", out);
}

static void show_step(const json_node *e, FILE *out)
{
    fprintf(out, "step %.0f/%.0f", number(e, "step"), number(e, "steps"));
    show_value(out, "loss", "%.4f", number(e, "loss"));
    show_value(out, "norm", "%.3f", number(e, "grad_norm"));
    show_value(out, "lr", "%.2e", number(e, "lr"));
    fprintf(out, " tok/s %.0f mem %.1fG %.0fms%s\n", number(e, "tokens_per_s"), number(e, "mem_peak") / 1e9,
            number(e, "step_ms"), number(e, "skipped") > 0 ? " skipped" : "");
}

static void show_eval(const json_node *e, FILE *out)
{
    fprintf(out, "eval %.0f", number(e, "step"));
    show_value(out, "loss", "%.4f", number(e, "eval_loss"));
    show_value(out, "ppl", "%.3f", number(e, "eval_ppl"));
    show_value(out, "accuracy", "%.3f", number(e, "eval_accuracy"));
    fprintf(out, " %.0fms%s\n", number(e, "eval_ms"), json_bool(json_get(e, "best"), false) ? " best" : "");
}

static void show_text(const json_node *e, const char *before, const char *key, FILE *out)
{
    fputs(before, out);
    ui_show_text(out, json_text(json_get(e, key)));
}

static void show_sample(const json_node *e, FILE *out)
{
    fprintf(out, "sample %.0f", number(e, "step"));
    show_text(e, ": ", "prompt", out);
    show_text(e, " -> ", "text", out);
    fputc('\n', out);
}

static void show_commit(const json_node *e, FILE *out)
{
    fprintf(out, "commit %.0f", number(e, "step"));
    show_text(e, ": ", "commit", out);
    show_text(e, " on ", "branch", out);
    if (json_get(e, "tag")) show_text(e, ", tag ", "tag", out);
    fputc('\n', out);
}

static void show_saved(const json_node *e, FILE *out)
{
    fprintf(out, "saved %.0f %.0fms\n", number(e, "step"), number(e, "ms"));
}

static void show_state(const json_node *e, FILE *out)
{
    show_text(e, "run ", "run", out);
    show_text(e, " ", "state", out);
    if (json_get(e, "error")) show_text(e, ": ", "error", out);
    fputc('\n', out);
}

static void show_warning(const json_node *e, FILE *out)
{
    show_text(e, "warning: ", "text", out);
    fputc('\n', out);
}

static void show_alert(const json_node *e, FILE *out)
{
    fprintf(out, "alert %.0f", number(e, "step"));
    show_text(e, " ", "kind", out);
    show_text(e, ": ", "text", out);
    show_text(e, "; half the rate: ", "advice", out);
    fputc('\n', out);
}

static void show_measured(const json_node *e, FILE *out)
{
    double peak = number(e, "mem_peak"), memory = number(e, "memory_estimated"), mfu = number(e, "mfu");
    double seconds = number(e, "step_seconds_estimated");

    fprintf(out, "measured %.0f mem %.2fG", number(e, "step"), peak / 1e9);
    if (isfinite(memory)) fprintf(out, " (estimated %.2fG)", memory / 1e9);
    fprintf(out, ", a step %.3g s", number(e, "step_seconds"));
    if (isfinite(seconds)) fprintf(out, " (estimated %.3g s)", seconds);
    if (isfinite(number(e, "flop_per_s"))) fprintf(out, ", %.3g FLOP/s", number(e, "flop_per_s"));
    if (isfinite(mfu)) fprintf(out, ", %.0f %% of a bare product's", 100 * mfu);
    fputc('\n', out);
}

static void show_changed(const json_node *e, FILE *out)
{
    fprintf(out, "lr is %.3e from step %.0f on\n", number(e, "lr"), number(e, "step"));
}

static const struct {
    const char *event;
    void (*show)(const json_node *event, FILE *out);
} shows[] = {{"step", show_step},         {"eval", show_eval},       {"sample", show_sample},
             {"committed", show_commit},  {"saved", show_saved},     {"state", show_state},
             {"ended", show_state},       {"warning", show_warning}, {"alert", show_alert},
             {"measured", show_measured}, {"changed", show_changed}, {"refused", NULL}};

static void show(const json_node *event, FILE *out)
{
    for (size_t i = 0; i < COUNT_OF(shows); i++)
        if (shows[i].show && bytes_view_is(json_text(json_get(event, "event")), shows[i].event))
            shows[i].show(event, out);
}

/* -- watching
 * ------------------------------------------------------------------------------------------------ */

typedef struct watch {
    ui_cli *cli;
    const char *id;
    const ui_watch_options *how;
    bool stopping, ended;
    err result;
} watch;

static void take_end(watch *w, const json_node *event)
{
    bytes_view state = json_text(json_get(event, "state")), error = json_text(json_get(event, "error"));
    w->ended = true;
    if (bytes_view_is(state, "failed"))
        w->result =
            err_make(ERR_STATE, "%.*s", (int)MIN_OF(error.size, (size_t)480), error.data ? error.data : "");
}

static err take_line(watch *w, const bytes *line)
{
    CLEANUP(arena_free) arena a = {0};
    const json_node *event = NULL;
    err e = json_parse(bytes_borrow(line), EVENT_DEPTH, &a, &event);
    if (e.code) return err_note(e, "what the run says");
    if (w->how->json)
        fprintf(w->cli->out, "%s\n", bytes_text(line));
    else
        show(event, w->cli->out);
    if (fflush(w->cli->out) != 0 || ferror(w->cli->out)) /* a terminal that is gone: nobody sees the rest */
        return err_note(err_errno("write what the run says"), "the run goes on: hyprstream attach %s", w->id);
    if (bytes_view_is(json_text(json_get(event, "event")), "ended")) take_end(w, event);
    return ERR_OK;
}

/* The first one asks the run to stop and waits for it, the second leaves. */
static bool leave(watch *w, ui_run_client *client)
{
    if (!*w->cli->interrupted && !terminated) return false;
    *w->cli->interrupted = 0;
    terminated = 0;
    if (!w->how->owns || w->stopping) return true;
    w->stopping = true;
    (void)ui_run_client_send(client, VIEW("{\"do\":\"stop\"}"));
    fputs("the run finishes its step and saves; again: leave it alone\n", w->cli->err_out);
    return false;
}

static err watch_loop(watch *w, ui_run_client *client)
{
    CLEANUP(bytes_free) bytes line = {0};
    while (!w->ended) {
        bool got = false, closed = false;
        if (leave(w, client)) return err_make(ERR_CANCELLED, "the run goes on: hyprstream attach %s", w->id);
        err e = ui_run_client_read(client, LOOK_MS, &line, &got, &closed);
        if (!e.code && got) e = take_line(w, &line);
        if (e.code) return e;
        if (closed) return end_by_row(w->cli, w->id, &w->ended);
    }
    if (w->stopping && !w->result.code)
        return err_make(ERR_CANCELLED, "stopped: hyprstream train --resume %s goes on", w->id);
    return w->result;
}

err ui_watch(ui_cli *cli, const char *id, const ui_watch_options *how)
{
    ui_run_client *client = NULL;
    watch w = {.cli = cli, .id = id, .how = how, .result = ERR_OK};
    struct sigaction action = {.sa_handler = on_terminate};

    if (how->owns) sigaction(SIGTERM, &action, NULL);
    err e = how->starts ? connect_soon(cli, id, &client) : ui_watch_connect(cli, id, &client);
    if (client) e = watch_loop(&w, client);
    ui_run_client_free(client);
    if (w.ended) wait_until_gone(cli, id);
    return e;
}

err ui_watch_ask(ui_cli *cli, const char *id, bytes_view request, const char *wanted, bytes *line)
{
    ui_run_client *client = NULL;
    err e = ui_watch_connect(cli, id, &client);
    if (!e.code) e = ui_run_client_send(client, request);
    while (!e.code && wanted) {
        CLEANUP(arena_free) arena a = {0};
        const json_node *event = NULL;
        bool got = false, closed = false;
        if (*cli->interrupted) e = err_make(ERR_CANCELLED, "cancelled");
        if (!e.code) e = ui_run_client_read(client, LOOK_MS, line, &got, &closed);
        if (!e.code && closed) e = err_make(ERR_STATE, "the run %s ended before it answered", id);
        if (!e.code && got) e = json_parse(bytes_borrow(line), EVENT_DEPTH, &a, &event);
        if (e.code || !got) continue;
        bytes_view name = json_text(json_get(event, "event")), error = json_text(json_get(event, "error"));
        if (bytes_view_is(name, wanted)) break;
        if (bytes_view_is(name, "refused"))
            e = err_make(ERR_STATE, "%.*s", (int)MIN_OF(error.size, (size_t)480),
                         error.data ? error.data : "");
    }
    ui_run_client_free(client);
    if (!e.code && wanted && strcmp(wanted, "ended") == 0) wait_until_gone(cli, id);
    return e;
}
