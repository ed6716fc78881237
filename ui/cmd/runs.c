#include "ui/cmd/runs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/settings.h"
#include "base/text.h"
#include "training/state.h"
#include "ui/app/runs/changes.h"
#include "ui/app/runs/plan.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/show.h"

void ui_runs_print_number(FILE *out, double value)
{
    if (isfinite(value))
        fprintf(out, "%.4f", value);
    else
        fputs("n/a", out);
}

err ui_runs_find(const ui_runs *r, size_t i, ui_run_list *out)
{
    if (i >= r->a->word_count) return err_make(ERR_USAGE, "expected a run: its id, the end of it, or last");
    return ui_run_store_find(r->store, r->a->words[i], out);
}

/* -- list -- */

static cJSON *row_json(const ui_runs *r, const ui_run_row *row)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "run", row->id);
    ui_json_add_text(o, "model", bytes_view_of(row->model));
    ui_json_add_text(o, "adapter", bytes_view_of(row->adapter));
    ui_json_add_text(o, "branch", bytes_view_of(row->branch));
    cJSON_AddStringToObject(o, "base_commit", row->base_commit);
    cJSON_AddStringToObject(o, "kind", row->kind);
    cJSON_AddStringToObject(o, "state", ui_run_state_shown(row, r->state_folder));
    cJSON_AddNumberToObject(o, "step", (double)row->step);
    cJSON_AddNumberToObject(o, "steps", (double)row->steps_total);
    cJSON_AddNumberToObject(o, "attempt", row->attempt);
    ui_json_add_number(o, "best_step", row->has_best ? (double)row->best_step : NAN);
    ui_json_add_number(o, "best_eval_loss", row->has_best ? row->best_loss : NAN);
    cJSON_AddStringToObject(o, "data_digest", row->data_digest);
    if (*row->parent)
        cJSON_AddStringToObject(o, "parent", row->parent);
    else
        cJSON_AddNullToObject(o, "parent");
    cJSON_AddNumberToObject(o, "started_ms", (double)row->started_ms);
    ui_json_add_number(o, "ended_ms", row->ended_ms ? (double)row->ended_ms : NAN);
    ui_json_add_text(o, "error", bytes_view_of(row->error));
    return o;
}

static void print_row(const ui_runs *r, const ui_run_row *row)
{
    FILE *out = r->cli->out;
    char ago[32];

    text_human_seconds((double)(clock_unix_seconds() - row->started_ms / 1000), ago, sizeof ago);
    fprintf(out, "%s  %-13s ", row->id, ui_run_state_shown(row, r->state_folder));
    ui_show_text(out, bytes_view_of(row->model));
    fputs("  ", out);
    ui_show_text(out, bytes_view_of(row->adapter));
    fprintf(out, "  %llu/%llu  best ", (unsigned long long)row->step, (unsigned long long)row->steps_total);
    ui_runs_print_number(out, row->has_best ? row->best_loss : NAN);
    fprintf(out, "  %s ago\n", ago);
}

static err list(const ui_runs *r)
{
    ui_run_list all = {0};

    err e = ui_run_store_list(r->store, r->a->word_count > 1 ? r->a->words[1] : NULL, &all);
    if (e.code) return e;
    if (ui_arguments_has(r->a, "json")) {
        cJSON *o = cJSON_CreateObject(), *rows = cJSON_AddArrayToObject(o, "runs");
        for (size_t i = 0; i < all.count; i++) cJSON_AddItemToArray(rows, row_json(r, &all.rows[i]));
        ui_json_print(o, r->cli->out);
    } else {
        for (size_t i = 0; i < all.count; i++) print_row(r, &all.rows[i]);
        if (!all.count) fputs("no runs yet: hyprstream train MODEL --data FILE makes one\n", r->cli->out);
    }
    ui_run_list_free(&all);
    return ERR_OK;
}

/* -- show -- */

/* Where samples and alerts go. */
typedef struct samples {
    FILE *out;
    cJSON *list; /* NULL: text */
} samples;

static void add_sample(void *context, const ui_run_sample *sample)
{
    samples *to = context;

    if (!to->list) {
        fprintf(to->out, "sample at step %llu: ", (unsigned long long)sample->step);
        ui_show_text(to->out, bytes_view_of(sample->prompt));
        fputs("\n    ", to->out);
        ui_show_text(to->out, bytes_view_of(sample->text));
        fputc('\n', to->out);
        return;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "step", (double)sample->step);
    ui_json_add_text(o, "prompt", bytes_view_of(sample->prompt));
    ui_json_add_text(o, "text", bytes_view_of(sample->text));
    cJSON_AddItemToArray(to->list, o);
}

static void add_alert(void *context, const ui_run_alert *alert)
{
    samples *to = context;

    if (!to->list) {
        fprintf(to->out, "alert at step %llu: %s: %s; half the rate: %s\n", (unsigned long long)alert->step,
                alert->kind, alert->text, alert->advice);
        return;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "step", (double)alert->step);
    cJSON_AddStringToObject(o, "kind", alert->kind);
    cJSON_AddStringToObject(o, "text", alert->text);
    cJSON_AddStringToObject(o, "advice", alert->advice);
    cJSON_AddItemToArray(to->list, o);
}

static cJSON *checkpoint_json(const ui_run_checkpoint *c)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddNumberToObject(o, "step", (double)c->step);
    cJSON_AddStringToObject(o, "kind", c->kind);
    cJSON_AddStringToObject(o, "ref", c->ref);
    cJSON_AddStringToObject(o, "tag", c->tag);
    cJSON_AddNumberToObject(o, "bytes", (double)c->bytes);
    ui_json_add_number(o, "eval_loss", c->eval_loss);
    return o;
}

static void print_checkpoint(FILE *out, const ui_run_checkpoint *c)
{
    char size[32];

    text_human_size(c->bytes, size, sizeof size);
    fprintf(out, "%-7s step %-6llu %.16s  %s", c->kind, (unsigned long long)c->step, c->ref, size);
    if (c->tag[0]) fprintf(out, "  tag %s", c->tag);
    if (isfinite(c->eval_loss)) fprintf(out, "  eval loss %.4f", c->eval_loss);
    fputc('\n', out);
}

/* All that is told of one run. */
typedef struct shown {
    ui_run_list one;
    ui_runs_cost cost;
    ui_run_checkpoint *saved;
    ui_run_change *changes; /* of settings, while it ran or when it was forked */
    size_t saved_count, change_count;
} shown;

static void shown_free(shown *s)
{
    free(s->saved);
    free(s->changes);
    ui_run_list_free(&s->one);
}

static err shown_read(const ui_runs *r, shown *s)
{
    err e = ui_runs_find(r, 1, &s->one);
    if (e.code) return e;
    const ui_run_row *row = &s->one.rows[0];
    char *folder = ui_run_folder(r->state_folder, row->id);
    e = ui_runs_cost_of(r, row, &s->cost);
    if (!e.code) e = ui_run_store_checkpoints(r->store, row->run, &s->saved, &s->saved_count);
    if (!e.code) e = ui_run_changes_load(folder, &s->changes, &s->change_count);
    free(folder);
    return e;
}

static void print_change(FILE *out, const ui_run_change *c)
{
    fprintf(out, "from step %llu on:", (unsigned long long)c->step);
    if (!isnan(c->lr)) fprintf(out, " rate %.6g", c->lr);
    if (c->steps) fprintf(out, " %llu steps in all", (unsigned long long)c->steps);
    if (*c->data)
        fprintf(out, " data sha256:%.12s, of which it begins epoch %llu", c->data,
                (unsigned long long)c->epoch);
    fputc('\n', out);
}

static err show_text(const ui_runs *r, const shown *s)
{
    const ui_run_row *row = &s->one.rows[0];
    FILE *out = r->cli->out;
    samples to = {out, NULL};

    print_row(r, row);
    fprintf(out, "base %.10s, branch ", row->base_commit);
    ui_show_text(out, bytes_view_of(row->branch));
    fprintf(out, ", attempt %u, data sha256:%.12s\nsettings %s\n", row->attempt, row->data_digest,
            row->config);
    if (*row->parent) fprintf(out, "goes on from run %s\n", row->parent);
    for (size_t i = 0; i < s->change_count; i++) print_change(out, &s->changes[i]);
    ui_runs_cost_text(&s->cost, out);
    if (*row->error) fprintf(out, "ended: %s\n", row->error);
    err e = ui_run_store_alerts(r->store, row->run, add_alert, &to);
    for (size_t i = 0; i < s->saved_count; i++) print_checkpoint(out, &s->saved[i]);
    return e.code ? e : ui_run_store_samples(r->store, row->run, add_sample, &to);
}

static err show_json(const ui_runs *r, const shown *s)
{
    CLEANUP(bytes_free) bytes changes = {0};
    const ui_run_row *row = &s->one.rows[0];
    cJSON *o = row_json(r, row), *list = cJSON_AddArrayToObject(o, "checkpoints");
    samples to = {r->cli->out, cJSON_AddArrayToObject(o, "samples")};

    cJSON_AddRawToObject(o, "settings", row->config);
    ui_run_changes_write(s->changes, s->change_count, &changes);
    cJSON_AddRawToObject(o, "changes", bytes_text(&changes));
    ui_runs_cost_json(&s->cost, o);
    for (size_t i = 0; i < s->saved_count; i++) cJSON_AddItemToArray(list, checkpoint_json(&s->saved[i]));
    err e = ui_run_store_samples(r->store, row->run, add_sample, &to);
    to.list = cJSON_AddArrayToObject(o, "alerts");
    if (!e.code) e = ui_run_store_alerts(r->store, row->run, add_alert, &to);
    ui_json_print(o, r->cli->out);
    return e;
}

static err show(const ui_runs *r)
{
    CLEANUP(shown_free) shown s = {0};
    err e = shown_read(r, &s);
    if (e.code) return e;
    return ui_arguments_has(r->a, "json") ? show_json(r, &s) : show_text(r, &s);
}

/* -- prune -- */

/* The newest state and the best one stay, so that the run can go on. */
static err prune_states(const ui_runs *r, const ui_run_row *row, const char *folder)
{
    uint64_t *steps = NULL, keep[2];
    size_t count = 0, kept = 0;

    err e = training_state_list(folder, &steps, &count);
    if (!e.code && count) {
        keep[kept++] = steps[count - 1];
        if (row->has_best) keep[kept++] = row->best_step;
        e = training_state_prune(folder, keep, kept);
    }
    size_t removed = 0;
    for (size_t i = 0; i < count && !e.code; i++) {
        bool stays = false;
        for (size_t k = 0; k < kept; k++) stays |= keep[k] == steps[i];
        if (stays) continue;
        removed++;
        e = ui_run_store_forget_state(r->store, row->run, steps[i]);
    }
    free(steps);
    if (!e.code) fprintf(r->cli->out, "removed %zu saved states of %s; commits stay\n", removed, row->id);
    return e;
}

static err prune(const ui_runs *r)
{
    ui_run_list one = {0};

    err e = ui_runs_find(r, 1, &one);
    if (e.code) return e;
    char *folder = ui_run_folder(r->state_folder, one.rows[0].id);
    if (ui_run_is_alive(folder)) {
        e = err_make(ERR_BUSY, "run %s is running: stop it first", one.rows[0].id);
    } else if (ui_arguments_has(r->a, "forget")) {
        e = file_remove_tree(folder);
        if (!e.code) e = ui_run_store_remove(r->store, one.rows[0].run);
        if (!e.code) fprintf(r->cli->out, "forgot run %s; its commits stay\n", one.rows[0].id);
    } else {
        e = prune_states(r, &one.rows[0], folder);
    }
    free(folder);
    ui_run_list_free(&one);
    return e;
}

/* -- the command -- */

static const struct {
    const char *name;
    err (*run)(const ui_runs *r);
} verbs[] = {
    {"list", list},
    {"show", show},
    {"plot", ui_runs_plot},
    {"export", ui_runs_export},
    {"compare", ui_runs_compare},
    {"prune", prune},
    {"pause", ui_runs_tell},
    {"resume", ui_runs_tell},
    {"stop", ui_runs_tell},
    {"save", ui_runs_tell},
    {"commit", ui_runs_tell},
    {"tag", ui_runs_tell},
    {"eval", ui_runs_tell},
    {"lr", ui_runs_tell},
    {"ask", ui_runs_tell},
};

static err runs_run(ui_cli *cli, const ui_arguments *a)
{
    static const char *const none[] = {"list"};
    ui_runs r = {.cli = cli, .a = a, .state_folder = settings_borrow_folders(cli->settings)->state};
    const char *word = a->word_count ? a->words[0] : none[0];
    size_t i = 0;

    while (i < COUNT_OF(verbs) && strcmp(verbs[i].name, word) != 0) i++;
    if (i == COUNT_OF(verbs))
        return err_make(
            ERR_USAGE,
            "runs %.40s: expected list, show, plot, export, compare, prune, pause, resume, stop, save, "
            "commit, tag, eval, lr or ask",
            word);
    err e = ui_run_store_open(r.state_folder, &r.store);
    if (!e.code) e = verbs[i].run(&r);
    ui_run_store_free(r.store);
    return e;
}

static const ui_option options[] = {
    {"name", "POINTS", "with plot: which points (default: loss, and eval_loss where there is one)", false},
    {"step", "N", "with ask: the checkpoint committed at step N (default: the step just done)", false},
    {"n", "N", "with ask: tokens of the answer (default: 256)", false},
    {"forget", NULL, "with prune: the run's history, too", false},
    {0},
};

const ui_command ui_cmd_runs = {
    .name = "runs",
    .group = "adapters",
    .args = "[VERB] [RUN]...",
    .help = "List training runs, show, plot, export and compare them, and speak to one that trains",
    .words_min = 0,
    .words_max = 16,
    .options = {options, ui_options_all},
    .cancels = true,
    .run = runs_run,
};
