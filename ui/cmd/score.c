#include <math.h>
#include <stdlib.h>

#include "engine/spec.h"
#include "engine/text/tokenizer.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/input.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/running.h"
#include "ui/cmd/show.h"

static const ui_option options[] = {
    {"text", "TEXT", "what to score; - reads standard input, @FILE a file", false},
    {"ids", "1,2,3", "token ids to score", false},
    {"file", "FILE", "a file to score", false},
    {"top", "K", "the K likeliest tokens at each place, 20 at most", false},
    {"next", NULL, "one more entry: what would follow", false},
    {0},
};

static err ids_read(const ui_arguments *a, const engine_model *model, engine_ids *out)
{
    int64_t *values = NULL, most = (int64_t)engine_model_borrow_spec(model)->vocab_count - 1;
    size_t count = 0;

    err e = ui_arguments_integers(a, "ids", 0, most, &values, &count);
    for (size_t i = 0; i < count; i++) engine_ids_push(out, (int32_t)values[i]);
    free(values);
    return e;
}

static err input_read(ui_cli *cli, const ui_arguments *a, bytes *text)
{
    int sources = ui_arguments_has(a, "text") + ui_arguments_has(a, "ids") + ui_arguments_has(a, "file");

    if (sources != 1) return err_make(ERR_USAGE, "expected one of --text, --ids and --file");
    if (ui_arguments_has(a, "text")) return ui_input_read(ui_arguments_text(a, "text"), cli->in, text);
    if (ui_arguments_has(a, "file")) return ui_input_read_file(ui_arguments_text(a, "file"), text);
    return ERR_OK;
}

static err input_encode(const ui_running *r, const ui_arguments *a, const bytes *text, engine_ids *out)
{
    err e = ERR_OK;

    if (ui_arguments_has(a, "ids")) {
        e = ids_read(a, r->model, out);
    } else {
        const engine_tokenizer *tokenizer = ui_running_borrow_tokenizer(r, &e);
        if (tokenizer) e = engine_tokenizer_encode(tokenizer, bytes_borrow(text), true, out);
    }
    if (!e.code && !out->count) e = err_make(ERR_USAGE, "there is no token to score");
    return e;
}

/* exp of the mean negative log-probability of all tokens but the first; NaN when there is only one. */
static double perplexity_of(const engine_pick *picks, size_t id_count)
{
    double sum = 0;

    for (size_t i = 1; i < id_count; i++) sum -= picks[i].logprob;
    return id_count > 1 ? exp(sum / (double)(id_count - 1)) : NAN;
}

static void print_json(FILE *out, const engine_ids *ids, const engine_pick *picks, size_t count)
{
    cJSON *result = cJSON_CreateObject(), *tokens = cJSON_AddArrayToObject(result, "tokens");

    for (size_t i = 0; i < count; i++) {
        cJSON *entry = cJSON_CreateObject();
        if (i < ids->count)
            cJSON_AddNumberToObject(entry, "id", ids->data[i]);
        else
            cJSON_AddNullToObject(entry, "id");
        ui_json_add_number(entry, "logprob", i > 0 && i < ids->count ? picks[i].logprob : NAN);
        cJSON *top = cJSON_AddArrayToObject(entry, "top");
        for (size_t k = 0; k < picks[i].top_count; k++) {
            cJSON *one = cJSON_CreateObject();
            cJSON_AddNumberToObject(one, "id", picks[i].top[k].id);
            ui_json_add_number(one, "logprob", picks[i].top[k].logprob);
            cJSON_AddItemToArray(top, one);
        }
        cJSON_AddItemToArray(tokens, entry);
    }
    ui_json_add_number(result, "perplexity", perplexity_of(picks, ids->count));
    ui_json_print(result, out);
}

static void token_print(FILE *out, const ui_running *r, int32_t id, double logprob)
{
    const engine_tokenizer *tokenizer = engine_model_borrow_tokenizer(r->model);

    fprintf(out, "%d\t", id);
    if (isfinite(logprob))
        fprintf(out, "%.6f", logprob);
    else
        fputs("n/a", out);
    fputc('\t', out);
    if (tokenizer) ui_show_text(out, engine_tokenizer_borrow_token(tokenizer, id));
}

static void print_text(const ui_running *r, const engine_ids *ids, const engine_pick *picks, size_t count)
{
    FILE *out = r->cli->out;

    for (size_t i = 0; i < count; i++) {
        if (i < ids->count)
            token_print(out, r, ids->data[i], i ? picks[i].logprob : NAN);
        else
            fputs("next", out);
        fputc('\n', out);
        for (size_t k = 0; k < picks[i].top_count; k++) {
            fputs("    ", out);
            token_print(out, r, picks[i].top[k].id, picks[i].top[k].logprob);
            fputc('\n', out);
        }
    }
    double perplexity = perplexity_of(picks, ids->count);
    if (isfinite(perplexity))
        fprintf(out, "perplexity %.4f\n", perplexity);
    else
        fputs("perplexity n/a\n", out);
}

static err score_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(bytes_free) bytes text = {0};
    CLEANUP(engine_ids_free) engine_ids ids = {0};
    CLEANUP(ui_running_close) ui_running running = {0};
    bool next = ui_arguments_has(a, "next");
    int64_t top = next ? 1 : 0; /* without a list the entry for what follows would say nothing */
    engine_pick *picks = NULL;
    size_t count = 0;

    err e = ui_arguments_integer(a, "top", 0, ENGINE_LOGPROBS_MAX, &top);
    if (!e.code) e = input_read(cli, a, &text);
    if (!e.code) e = ui_running_open(cli, a, a->words[0], &running);
    if (!e.code) e = input_encode(&running, a, &text, &ids);
    if (e.code) return e;
    engine_job_id job = engine_worker_score(running.worker, running.model, running.stack, ids.data, ids.count,
                                            (size_t)top, next);
    e = ui_running_scores(&running, job, &picks, &count);
    if (!e.code && ui_arguments_has(a, "json"))
        print_json(cli->out, &ids, picks, count);
    else if (!e.code)
        print_text(&running, &ids, picks, count);
    free(picks);
    return e;
}

const ui_command ui_cmd_score = {
    .name = "score",
    .group = "chat",
    .args = "MODEL --text TEXT",
    .help = "Print how likely the model finds each token of a text",
    .words_min = 1,
    .words_max = 1,
    .options = {options, ui_options_run, ui_options_all},
    .cancels = true,
    .run = score_run,
};
