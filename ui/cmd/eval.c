#include <math.h>

#include "base/macros.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/data_choice.h"
#include "ui/cmd/eval_commit.h"
#include "ui/cmd/evaluation.h"
#include "ui/cmd/json_out.h"

static const ui_option options[] = {
    {"limit", "N", "look at the first N examples only", false},
    {"no-exact", NULL, "do not write answers to compare: likelihoods alone", false},
    {"commit", NULL, "keep the adapter that MODEL names when it passes the bars: commit and tag it", false},
    {0},
};

static void print_share(FILE *out, const char *label, double value, size_t part, size_t whole)
{
    if (isfinite(value)) fprintf(out, "%-12s %.2f %% (%zu of %zu)\n", label, 100 * value, part, whole);
}

/* `kept` NULL: nothing was to be kept, or a bar was missed. */
static void print_result(ui_cli *cli, bool json, const ui_tally *t, const ui_figures *f,
                         const repo_checkpoint_done *kept)
{
    if (json) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "examples", (double)t->examples);
        cJSON_AddNumberToObject(o, "targets", (double)t->targets);
        ui_json_add_number(o, "loss", f->loss);
        ui_json_add_number(o, "perplexity", f->perplexity);
        ui_json_add_number(o, "accuracy", f->accuracy);
        ui_json_add_number(o, "exact", f->exact);
        ui_json_add_number(o, "preferred", f->preferred);
        if (kept) cJSON_AddStringToObject(o, "commit", kept->commit.hex);
        if (kept) cJSON_AddStringToObject(o, "tag", kept->tag);
        ui_json_print(o, cli->out);
        return;
    }
    fprintf(cli->out, "%-12s %zu, %zu words to learn\n", "examples", t->examples, t->targets);
    fprintf(cli->out, "%-12s %.4f\n%-12s %.4f\n", "loss", f->loss, "perplexity", f->perplexity);
    print_share(cli->out, "accuracy", f->accuracy, t->hits, t->targets);
    print_share(cli->out, "exact", f->exact, t->exact, t->answers);
    print_share(cli->out, "preferred", f->preferred, t->pairs_right, t->pairs);
    if (kept) fprintf(cli->out, "%-12s %.8s, tag %s\n", "kept", kept->commit.hex, kept->tag);
}

/* What was measured is told in any case. */
static err judge(ui_cli *cli, const ui_arguments *a, const ui_bars *bars, const training_data *data,
                 const ui_tally *tally)
{
    ui_figures f = ui_figures_of(tally);
    repo_checkpoint_done done;
    bool commit = ui_arguments_has(a, "commit");

    err e = ui_bars_check(bars, &f);
    if (e.code && commit) e = err_note(e, "not committed");
    bool kept = !e.code && commit;
    if (kept) e = ui_eval_commit(cli, a->words[0], data, tally, &f, &done);
    print_result(cli, ui_arguments_has(a, "json"), tally, &f, kept && !e.code ? &done : NULL);
    return e;
}

static err eval_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_running_close) ui_running running = {0};
    training_data *data = NULL;
    int64_t limit = INT64_MAX;
    ui_tally tally = {0};
    ui_bars bars;

    err e = ui_bars_read(a, &bars);
    if (!e.code) e = ui_arguments_integer(a, "limit", 1, INT64_MAX, &limit);
    if (!e.code && !ui_arguments_has(a, "data")) e = err_make(ERR_USAGE, "expected --data FILE");
    if (!e.code && isfinite(bars.min_exact) && ui_arguments_has(a, "no-exact"))
        e = err_make(ERR_USAGE, "--min-exact needs the answers that --no-exact leaves out");
    if (!e.code && ui_arguments_has(a, "commit")) e = ui_eval_commit_check(cli, a->words[0], &bars);
    if (!e.code) e = ui_running_open(cli, a, a->words[0], &running);
    if (!e.code) e = ui_data_open(cli, a, running.model, &data);
    if (!e.code) {
        size_t count = (size_t)MIN_OF(limit, (int64_t)training_data_train_count(data));
        if (training_data_is_preference(data)) count -= count % 2;
        e = ui_evaluate(&running, data, count, !ui_arguments_has(a, "no-exact"), &tally);
    }
    if (!e.code) e = judge(cli, a, &bars, data, &tally);
    training_data_free(data);
    return e;
}

const ui_command ui_cmd_eval = {
    .name = "eval",
    .group = "adapters",
    .args = "MODEL --data FILE",
    .help = "Measure loss, perplexity and exact answers on a file of examples",
    .words_min = 1,
    .words_max = 1,
    .options = {ui_options_data, options, ui_options_bars, ui_options_run, ui_options_all},
    .cancels = true,
    .run = eval_run,
};
