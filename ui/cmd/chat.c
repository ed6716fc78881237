#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/text/reasoning.h"
#include "engine/text/tokenizer.h"
#include "ui/cmd/answer.h"
#include "ui/cmd/chat_input.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/show.h"

enum {
    LINE_BYTES_MAX = 16 << 20,
    PROMPT_TAIL_TOKENS = 64, /* enough to see whether the template has opened a block of reasoning */
};

typedef struct chat {
    ui_cli *cli;
    ui_running running;
    ui_answer_options how;
    ui_turns turns;
    bool json, terminal;
    bool quit;
} chat;

/* -- one answer ---------------------------------------------------------------------------------------- */

typedef struct answer_stream {
    FILE *out;
    bool silent;
    engine_reasoning *splitter;
    bytes reasoning, content;
    bool thinking; /* the text shown last was reasoning */
} answer_stream;

/* Shows what was added to both parts since they had these sizes. */
static void stream_show(answer_stream *s, size_t reasoning_before, size_t content_before)
{
    bytes_view reasoning = {bytes_text(&s->reasoning) + reasoning_before,
                            s->reasoning.size - reasoning_before};
    bytes_view content = {bytes_text(&s->content) + content_before, s->content.size - content_before};

    if (s->silent) return;
    if (reasoning.size) {
        if (!s->thinking) fputs("(thinking) ", s->out);
        s->thinking = true;
        ui_show_text(s->out, reasoning);
    }
    if (content.size) {
        if (s->thinking) fputs("\n\n", s->out);
        s->thinking = false;
        ui_show_text(s->out, content);
    }
    fflush(s->out);
}

static void stream_piece(void *context, bytes_view piece)
{
    answer_stream *s = context;
    size_t reasoning = s->reasoning.size, content = s->content.size;

    engine_reasoning_push(s->splitter, piece, &s->reasoning, &s->content);
    stream_show(s, reasoning, content);
}

static void stream_finish(answer_stream *s)
{
    size_t reasoning = s->reasoning.size, content = s->content.size;

    engine_reasoning_finish(s->splitter, &s->reasoning, &s->content);
    stream_show(s, reasoning, content);
    if (!s->silent) fputc('\n', s->out);
}

static void stream_free(answer_stream *s)
{
    engine_reasoning_free(s->splitter);
    bytes_free(&s->reasoning);
    bytes_free(&s->content);
}

static err splitter_new(const chat *c, const engine_ids *prompt, engine_reasoning **out)
{
    CLEANUP(bytes_free) bytes tail = {0};
    size_t count = MIN_OF(prompt->count, (size_t)PROMPT_TAIL_TOKENS);

    err e = engine_tokenizer_decode(engine_model_borrow_tokenizer(c->running.model),
                                    prompt->data + prompt->count - count, count, false, &tail);
    if (!e.code) *out = engine_reasoning_new(bytes_borrow(&tail));
    return e;
}

static void answer_json(const chat *c, const answer_stream *s, const ui_answer *answer)
{
    cJSON *result = cJSON_CreateObject();

    ui_json_add_text(result, "text", bytes_borrow(&s->content));
    ui_json_add_text(result, "reasoning", bytes_borrow(&s->reasoning));
    ui_answer_add_json(result, &c->running, answer);
    ui_json_print(result, c->cli->out);
    fflush(c->cli->out);
}

/* Answers the turns as they stand and adds the answer. Ctrl-C keeps what was written until then. */
static err answer_next(chat *c)
{
    CLEANUP(arena_free) arena scratch = {0};
    CLEANUP(engine_ids_free) engine_ids prompt = {0};
    CLEANUP(ui_answer_free) ui_answer answer = {0};
    CLEANUP(stream_free) answer_stream stream = {.out = c->cli->out, .silent = c->json};
    engine_chat_input input;

    err e = ui_turns_input(&c->turns, &scratch, &input);
    if (!e.code) e = ui_chat_encode(c->running.model, &input, &prompt);
    if (!e.code) e = splitter_new(c, &prompt, &stream.splitter);
    if (e.code) return e;
    e = ui_answer_generate(&c->running, &c->how, &prompt, false, stream_piece, &stream, &answer);
    stream_finish(&stream);
    if (e.code) return e;
    ui_turns_add(&c->turns, "assistant", bytes_borrow(&stream.content), bytes_borrow(&stream.reasoning));
    if (c->json) answer_json(c, &stream, &answer);
    if (answer.reason != ENGINE_FINISH_CANCELLED) return ERR_OK;
    if (!c->terminal) return err_make(ERR_CANCELLED, "cancelled");
    *c->cli->interrupted = 0;
    return ERR_OK;
}

/* -- commands of a line -------------------------------------------------------------------------------- */

/* Turns that are neither question nor answer: the system prompt. */
static size_t system_count(const chat *c)
{
    return c->turns.count && strcmp(c->turns.list[0].role, "system") == 0;
}

static err line_quit(chat *c, const char *rest)
{
    (void)rest;
    c->quit = true;
    return ERR_OK;
}

static err line_reset(chat *c, const char *rest)
{
    (void)rest;
    ui_turns_drop(&c->turns, system_count(c));
    return ERR_OK;
}

/* Forget back to before the last question. */
static err line_undo(chat *c, const char *rest)
{
    size_t count = c->turns.count;

    (void)rest;
    while (count > system_count(c) && strcmp(c->turns.list[count - 1].role, "user") != 0) count--;
    if (count == system_count(c)) return err_make(ERR_STATE, "there is nothing to undo");
    ui_turns_drop(&c->turns, count - 1);
    return ERR_OK;
}

static err line_again(chat *c, const char *rest)
{
    size_t count = c->turns.count;

    (void)rest;
    if (count <= system_count(c)) return err_make(ERR_STATE, "there is no question yet");
    if (strcmp(c->turns.list[count - 1].role, "assistant") == 0) ui_turns_drop(&c->turns, count - 1);
    return answer_next(c);
}

static err line_system(chat *c, const char *rest)
{
    ui_turns_drop(&c->turns, 0);
    if (*rest) ui_turns_add(&c->turns, "system", bytes_view_of(rest), VIEW(""));
    return ERR_OK;
}

static err line_help(chat *c, const char *rest);

static const struct {
    const char *name, *help;
    err (*run)(chat *c, const char *rest);
} lines[] = {
    {"/quit", "leave (also Ctrl-D)", line_quit},
    {"/reset", "forget the conversation, keep the system prompt", line_reset},
    {"/undo", "forget the last question and its answer", line_undo},
    {"/again", "answer the last question again", line_again},
    {"/system", "[TEXT]: forget the conversation and set the system prompt", line_system},
    {"/help", "show these; a line that ends in \\ goes on in the next one", line_help},
};

static err line_help(chat *c, const char *rest)
{
    (void)rest;
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        fprintf(c->cli->err_out, "%-8s %s\n", lines[i].name, lines[i].help);
    return ERR_OK;
}

static err line_run(chat *c, const char *line)
{
    size_t size = strcspn(line, " \t");

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        if (strlen(lines[i].name) == size && memcmp(lines[i].name, line, size) == 0)
            return lines[i].run(c, line + size + strspn(line + size, " \t"));
    }
    return err_make(ERR_USAGE, "there is no %.*s (see /help)", (int)MIN_OF(size, (size_t)40), line);
}

/* A question that could not be answered is forgotten, so that the next one stands alone. */
static err question_run(chat *c, const bytes *line)
{
    size_t before = c->turns.count;

    ui_turns_add(&c->turns, "user", bytes_borrow(line), VIEW(""));
    err e = answer_next(c);
    if (e.code && e.code != ERR_CANCELLED) ui_turns_drop(&c->turns, before);
    return e;
}

/* -- reading lines ------------------------------------------------------------------------------------- */

/* One line, with those that it goes on in. False: the end of the input. */
static bool line_read(chat *c, bytes *out, err *problem)
{
    char *part = NULL;
    size_t room = 0;
    ssize_t size = 0;

    bytes_clear(out);
    do {
        if (c->terminal) {
            fputs(out->size ? "| " : "> ", c->cli->err_out);
            fflush(c->cli->err_out);
        }
        if (out->size) out->data[out->size - 1] = '\n';
        size = getline(&part, &room, c->cli->in);
        if (size < 0) break;
        if (size && part[size - 1] == '\n') size--;
        bytes_append(out, part, (size_t)size);
    } while (out->size && out->data[out->size - 1] == '\\' && out->size < LINE_BYTES_MAX);
    free(part);
    if (out->size >= LINE_BYTES_MAX)
        *problem = err_make(ERR_LIMIT, "a line is larger than %d MiB", LINE_BYTES_MAX >> 20);
    else if (size < 0 && ferror(c->cli->in) && errno == EINTR)
        *problem = err_make(ERR_CANCELLED, "cancelled");
    else if (size < 0 && ferror(c->cli->in))
        *problem = err_errno("read standard input");
    return !problem->code && (size >= 0 || out->size);
}

static err lines_run(chat *c)
{
    CLEANUP(bytes_free) bytes line = {0};
    err e = ERR_OK;

    while (!c->quit && line_read(c, &line, &e)) {
        if (!line.size) continue;
        err said = line.data[0] == '/' ? line_run(c, line.data) : question_run(c, &line);
        if (!said.code) continue;
        /* A person at the terminal can try again; a script cannot. */
        if (!c->terminal || said.code == ERR_CANCELLED) return said;
        fprintf(c->cli->err_out, "%s\n", said.text);
    }
    return e;
}

static void chat_close(chat *c)
{
    ui_turns_free(&c->turns);
    ui_running_close(&c->running);
}

static err chat_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(chat_close)
    chat c = {.cli = cli, .json = ui_arguments_has(a, "json"), .terminal = isatty(fileno(cli->in))};
    const char *system = ui_answer_system(cli, a);

    err e = ui_running_open(cli, a, a->words[0], &c.running);
    if (!e.code) e = ui_answer_options_read(cli, a, c.running.model, &c.how);
    if (!e.code) e = ui_chat_check(c.running.model);
    if (e.code) return e;
    if (*system) ui_turns_add(&c.turns, "system", bytes_view_of(system), VIEW(""));
    if (c.terminal)
        fprintf(cli->err_out, "%s. /help tells the commands.\n", engine_model_borrow_name(c.running.model));
    return lines_run(&c);
}

const ui_command ui_cmd_chat = {
    .name = "chat",
    .group = "chat",
    .args = "MODEL",
    .help = "Talk with a model, line by line",
    .words_min = 1,
    .words_max = 1,
    .options = {ui_options_answer, ui_options_run, ui_options_all},
    .cancels = true,
    .run = chat_run,
};
