#include "base/file.h"
#include "engine/text/tokenizer.h"
#include "ui/cmd/answer.h"
#include "ui/cmd/chat_input.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/input.h"
#include "ui/cmd/show.h"

static const ui_option options[] = {
    {"p", "TEXT", "the prompt; - or nothing reads standard input, @FILE a file", false},
    {"messages", "FILE", "a conversation as JSON instead of a prompt", false},
    {"raw", NULL, "let the model write on from the prompt as it is, without the chat template", false},
    {0},
};

/* What is to be answered, read before the model is loaded: a slip shows at once. */
typedef struct question {
    arena memory;
    bytes source;
    bool raw;
    engine_chat_input chat;
} question;

static void question_free(question *q)
{
    arena_free(&q->memory);
    bytes_free(&q->source);
}

static err question_of_prompt(ui_cli *cli, const ui_arguments *a, question *out)
{
    CLEANUP(ui_turns_free) ui_turns turns = {0};
    const char *system = ui_answer_system(cli, a);

    err e = ui_input_read(ui_arguments_text(a, "p"), cli->in, &out->source);
    if (e.code || out->raw) return e;
    if (*system) ui_turns_add(&turns, "system", bytes_view_of(system), VIEW(""));
    ui_turns_add(&turns, "user", bytes_borrow(&out->source), VIEW(""));
    return ui_turns_input(&turns, &out->memory, &out->chat);
}

static err question_read(ui_cli *cli, const ui_arguments *a, question *out)
{
    const char *messages = ui_arguments_text(a, "messages");

    out->raw = ui_arguments_has(a, "raw");
    if (out->raw && (messages || ui_arguments_has(a, "system")))
        return err_make(ERR_USAGE, "--raw takes a text alone: leave out --%s",
                        messages ? "messages" : "system");
    if (!messages) return question_of_prompt(cli, a, out);
    if (ui_arguments_has(a, "p") || ui_arguments_has(a, "system"))
        return err_make(ERR_USAGE, "--messages holds the whole conversation: leave out -p and --system");
    err e = ui_input_read_file(messages, &out->source);
    return e.code ? e : ui_chat_input_read(bytes_borrow(&out->source), messages, &out->memory, &out->chat);
}

static err question_encode(const ui_running *r, question *q, engine_ids *out)
{
    err e = ERR_OK;

    if (!q->raw) return ui_chat_encode(r->model, &q->chat, out);
    const engine_tokenizer *tokenizer = ui_running_borrow_tokenizer(r, &e);
    return tokenizer ? engine_tokenizer_encode(tokenizer, bytes_borrow(&q->source), true, out) : e;
}

static void piece_print(void *context, bytes_view piece)
{
    FILE *out = context;
    ui_show_text(out, piece);
    fflush(out);
}

static err answer_print(ui_running *r, bool json, const ui_answer *answer)
{
    FILE *out = r->cli->out;

    if (json) {
        cJSON *result = cJSON_CreateObject();
        ui_json_add_text(result, "text", bytes_borrow(&answer->text));
        ui_answer_add_json(result, r, answer);
        ui_json_print(result, out);
    } else {
        fputc('\n', out);
    }
    fflush(out);
    return answer->reason == ENGINE_FINISH_CANCELLED ? err_make(ERR_CANCELLED, "cancelled") : ERR_OK;
}

static err infer_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(question_free) question q = {0};
    CLEANUP(engine_ids_free) engine_ids prompt = {0};
    CLEANUP(ui_answer_free) ui_answer answer = {0};
    CLEANUP(ui_running_close) ui_running running = {0};
    ui_answer_options how;
    bool json = ui_arguments_has(a, "json");

    err e = question_read(cli, a, &q);
    if (!e.code) e = ui_running_open(cli, a, a->words[0], &running);
    if (!e.code) e = ui_answer_options_read(cli, a, running.model, &how);
    if (!e.code) e = question_encode(&running, &q, &prompt);
    if (!e.code)
        e = ui_answer_generate(&running, &how, &prompt, true, json ? NULL : piece_print, cli->out, &answer);
    return e.code ? e : answer_print(&running, json, &answer);
}

const ui_command ui_cmd_infer = {
    .name = "infer",
    .group = "chat",
    .args = "MODEL -p TEXT",
    .help = "Print the model's answer to a prompt or a conversation",
    .words_min = 1,
    .words_max = 1,
    .options = {options, ui_options_answer, ui_options_run, ui_options_all},
    .cancels = true,
    .run = infer_run,
};
