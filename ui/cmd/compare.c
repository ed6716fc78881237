/* ui/cmd/compare.c: one prompt, two models, refs or stacks: both answers, and where they would part.
 *
 * Each answers; then each says how likely it finds every token of both answers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/tokenizer.h"
#include "ui/cmd/answer.h"
#include "ui/cmd/chat_input.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/input.h"
#include "ui/cmd/show.h"

enum { TOKENS_USUAL = 128 };

typedef struct side {
    const char *word;
    ui_running running;
    engine_ids prompt;
    ui_answer answer;
    engine_pick *own, *other; /* of each token of the answer: as this side finds it, as the other does */
} side;

static void side_free(side *s)
{
    if (s->running.cli) ui_running_close(&s->running);
    engine_ids_free(&s->prompt);
    ui_answer_free(&s->answer);
    free(s->own);
    free(s->other);
}

static void sides_free(side (*sides)[2])
{
    side_free(&(*sides)[0]);
    side_free(&(*sides)[1]);
}

/* ---- answers ---- */

static err prompt_encode(ui_cli *cli, const ui_arguments *a, const bytes *text, side *s)
{
    CLEANUP(ui_turns_free) ui_turns turns = {0};
    CLEANUP(arena_free) arena memory = {0};
    engine_chat_input chat;
    const char *system = ui_answer_system(cli, a);
    err e = ERR_OK;

    if (ui_arguments_has(a, "raw")) {
        const engine_tokenizer *tokenizer = ui_running_borrow_tokenizer(&s->running, &e);
        return tokenizer ? engine_tokenizer_encode(tokenizer, bytes_borrow(text), true, &s->prompt) : e;
    }
    if (*system) ui_turns_add(&turns, "system", bytes_view_of(system), VIEW(""));
    ui_turns_add(&turns, "user", bytes_borrow(text), VIEW(""));
    e = ui_turns_input(&turns, &memory, &chat);
    return e.code ? e : ui_chat_encode(s->running.model, &chat, &s->prompt);
}

static err side_answer(ui_cli *cli, const ui_arguments *a, const bytes *text, side *s)
{
    ui_answer_options how;

    err e = ui_running_open(cli, a, s->word, &s->running);
    if (!e.code) e = ui_answer_options_read(cli, a, s->running.model, &how);
    if (!e.code) e = prompt_encode(cli, a, text, s);
    if (e.code) return err_note(e, "%s", s->word);
    if (!ui_arguments_has(a, "temp"))
        how.sampling.temperature = 0; /* chance is no difference between models */
    if (!ui_arguments_has(a, "n") && how.token_count_max > TOKENS_USUAL) how.token_count_max = TOKENS_USUAL;
    e = ui_answer_generate(&s->running, &how, &s->prompt, true, NULL, NULL, &s->answer);
    if (!e.code && s->answer.reason == ENGINE_FINISH_CANCELLED) e = err_make(ERR_CANCELLED, "cancelled");
    return e;
}

/* ---- what each thinks of an answer ---- */

/* How `by` finds the tokens of the answer of `of`; *out is the caller's. */
static err answer_score(side *by, const side *of, engine_pick **out)
{
    CLEANUP(engine_ids_free) engine_ids ids = {0};
    size_t begin = of->prompt.count, count = of->answer.ids.count;
    bool last = false;
    err e = ERR_OK;

    *out = memory_alloc((count + 1) * sizeof **out);
    if (!count) return ERR_OK;
    for (size_t i = 0; i < begin; i++) engine_ids_push(&ids, of->prompt.data[i]);
    for (size_t i = 0; i < count; i++) engine_ids_push(&ids, of->answer.ids.data[i]);
    engine_job_id job = engine_worker_score(by->running.worker, by->running.model, by->running.stack,
                                            ids.data, ids.count, 1, false);
    while (!last) {
        engine_event event;
        ui_running_wait(&by->running, job, &event);
        if (event.kind == ENGINE_EVENT_FAILED) e = event.error;
        if (event.kind == ENGINE_EVENT_SCORED && event.pick_count == ids.count)
            memcpy(*out, event.picks + begin, count * sizeof **out);
        last = event.last;
        engine_event_free(by->running.worker, &event);
    }
    return e;
}

static bool same_ids(const engine_ids *a, const engine_ids *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->data, b->data, a->count * sizeof *a->data) == 0);
}

/* Probabilities of a token mean something side by side only where tokens are the same words. */
static err check_alike(const side sides[2])
{
    const engine_tokenizer *one = engine_model_borrow_tokenizer(sides[0].running.model);
    const engine_tokenizer *two = engine_model_borrow_tokenizer(sides[1].running.model);
    bool alike = one && two && same_ids(&sides[0].prompt, &sides[1].prompt);
    for (size_t s = 0; s < 2 && alike; s++)
        for (size_t i = 0; i < sides[s].answer.ids.count && alike; i++) {
            int32_t id = sides[s].answer.ids.data[i];
            alike = bytes_view_equal(engine_tokenizer_borrow_token(one, id),
                                     engine_tokenizer_borrow_token(two, id));
        }
    return alike ? ERR_OK
                 : err_make(ERR_UNSUPPORTED,
                            "%s and %s cut the prompt into other tokens: their probabilities cannot be "
                            "compared",
                            sides[0].word, sides[1].word);
}

/* ---- telling ---- */

static double chance(float logprob) { return exp((double)logprob); }

/* The other side would have said something else here. */
static bool parts_at(const side *s, size_t i)
{
    return s->other[i].top_count && s->other[i].top[0].id != s->answer.ids.data[i];
}

static void token_show(FILE *out, const side *s, int32_t id)
{
    fputc('\'', out);
    ui_show_text(out, engine_tokenizer_borrow_token(engine_model_borrow_tokenizer(s->running.model), id));
    fputc('\'', out);
}

static void side_print(FILE *out, const side *s, const side *other)
{
    size_t parted = 0;
    ui_show_text(out, bytes_view_of(s->word));
    fputs(":\n", out);
    ui_show_text(out, bytes_borrow(&s->answer.text));
    fputc('\n', out);
    for (size_t i = 0; i < s->answer.ids.count; i++) {
        if (!parts_at(s, i)) continue;
        fprintf(out, "  token %zu ", i + 1);
        token_show(out, s, s->answer.ids.data[i]);
        fprintf(out, ": %.3f here, %.3f there; there ", chance(s->own[i].logprob),
                chance(s->other[i].logprob));
        token_show(out, other, s->other[i].top[0].id);
        fprintf(out, " %.3f\n", chance(s->other[i].top[0].logprob));
        parted++;
    }
    fprintf(out, "  %zu of %zu tokens would be others\n\n", parted, s->answer.ids.count);
}

static cJSON *side_json(const side *s)
{
    cJSON *o = cJSON_CreateObject();
    ui_json_add_text(o, "model", bytes_view_of(s->word));
    ui_json_add_text(o, "text", bytes_borrow(&s->answer.text));
    ui_answer_add_json(o, &s->running, &s->answer);
    cJSON *list = cJSON_AddArrayToObject(o, "tokens");
    for (size_t i = 0; i < s->answer.ids.count; i++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddNumberToObject(item, "id", s->answer.ids.data[i]);
        ui_json_add_number(item, "probability", chance(s->own[i].logprob));
        ui_json_add_number(item, "other_probability", chance(s->other[i].logprob));
        cJSON_AddNumberToObject(item, "other_best", s->other[i].top_count ? s->other[i].top[0].id : -1);
        ui_json_add_number(item, "other_best_probability",
                           s->other[i].top_count ? chance(s->other[i].top[0].logprob) : (double)NAN);
        cJSON_AddItemToArray(list, item);
    }
    return o;
}

static size_t first_difference(const side sides[2])
{
    size_t i = 0;
    while (i < sides[0].answer.ids.count && i < sides[1].answer.ids.count &&
           sides[0].answer.ids.data[i] == sides[1].answer.ids.data[i])
        i++;
    return i;
}

static void told(ui_cli *cli, const side sides[2], bool json)
{
    bool same = same_ids(&sides[0].answer.ids, &sides[1].answer.ids);
    if (json) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddItemToObject(o, "a", side_json(&sides[0]));
        cJSON_AddItemToObject(o, "b", side_json(&sides[1]));
        if (same)
            cJSON_AddNullToObject(o, "first_difference");
        else
            cJSON_AddNumberToObject(o, "first_difference", (double)first_difference(sides));
        ui_json_print(o, cli->out);
        return;
    }
    side_print(cli->out, &sides[0], &sides[1]);
    side_print(cli->out, &sides[1], &sides[0]);
    if (same)
        fputs("The answers are the same\n", cli->out);
    else
        fprintf(cli->out, "The answers part at token %zu\n", first_difference(sides) + 1);
}

static err compare_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(sides_free) side sides[2] = {{.word = a->words[0]}, {.word = a->words[1]}};
    CLEANUP(bytes_free) bytes text = {0};

    err e = ui_input_read(ui_arguments_text(a, "p"), cli->in, &text);
    for (size_t i = 0; i < 2 && !e.code; i++) e = side_answer(cli, a, &text, &sides[i]);
    if (!e.code) e = check_alike(sides);
    for (size_t i = 0; i < 2 && !e.code; i++) {
        e = answer_score(&sides[i], &sides[i], &sides[i].own);
        if (!e.code) e = answer_score(&sides[1 - i], &sides[i], &sides[i].other);
    }
    if (!e.code) told(cli, sides, ui_arguments_has(a, "json"));
    return e;
}

static const ui_option options[] = {
    {"p", "TEXT", "the prompt; - or nothing reads standard input, @FILE a file", false},
    {"raw", NULL, "let the models write on from the prompt as it is, without the chat template", false},
    {"device", "NAME", "auto, cpu or cuda:N (default: auto)", false},
    {"dtype", "TYPE", "auto (as the weights are stored), f32 or bf16; int8 or nf4: layers packed, on the CPU",
     false},
    {"threads", "N", "CPU threads (default: one per core)", false},
    {0},
};

const ui_command ui_cmd_compare = {
    .name = "compare",
    .group = "adapters",
    .args = "MODEL MODEL -p TEXT",
    .help = "Ask two models, refs or stacks the same, and show where they would part",
    .words_min = 2,
    .words_max = 2,
    .options = {options, ui_options_answer, ui_options_all},
    .cancels = true,
    .run = compare_run,
};
