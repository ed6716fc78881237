#define _GNU_SOURCE /* memmem */
#include "ui/cmd/prompt_set.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/macros.h"
#include "engine/text/tokenizer.h"
#include "ui/app/prompt.h"
#include "ui/cmd/evaluation.h"

/* -- reading
 * ------------------------------------------------------------------------------------------------------ */

static err row_read(const json_node *node, arena *a, ui_prompt_row *out)
{
    const json_node *prompt = json_get(node, "prompt"), *expect = json_get(node, "expect");

    if (!json_is(prompt, JSON_STRING) || (!json_is(expect, JSON_STRING) && !json_count(expect)))
        return err_make(ERR_FORMAT, "expected {\"prompt\": TEXT, \"expect\": WORDS or a list of them}");
    bool list = json_is(expect, JSON_ARRAY);
    bytes_view *words = arena_array(a, bytes_view, list ? json_count(expect) : 1);
    *out = (ui_prompt_row){prompt->text, words, 0};
    for (const json_node *word = list ? json_first(expect) : expect; word; word = list ? word->next : NULL) {
        if (!json_is(word, JSON_STRING))
            return err_make(ERR_FORMAT, "expect holds something that is no string");
        words[out->expected_count++] = word->text;
    }
    return ERR_OK;
}

static err line_read(ui_prompt_set *set, const char *path, size_t number, bytes_view line)
{
    const json_node *node = NULL;

    if (set->count == UI_PROMPT_SET_MAX)
        return err_make(ERR_LIMIT, "%s:%zu: more than %d prompts", path, number, UI_PROMPT_SET_MAX);
    err e = json_parse(line, 8, &set->memory, &node);
    if (!e.code) e = row_read(node, &set->memory, &set->rows[set->count]);
    set->count += !e.code;
    return e.code ? err_note(e, "%s:%zu", path, number) : e;
}

err ui_prompt_set_read(const char *path, ui_prompt_set *out)
{
    size_t number = 1;

    *out = (ui_prompt_set){0};
    err e = file_read(path, UI_PROMPT_SET_BYTES_MAX, &out->text);
    out->rows = arena_array(&out->memory, ui_prompt_row, UI_PROMPT_SET_MAX);
    for (size_t at = 0; !e.code && at < out->text.size; number++) {
        const char *begin = out->text.data + at, *end = memchr(begin, '\n', out->text.size - at);
        size_t size = end ? (size_t)(end - begin) : out->text.size - at;
        if (strspn(begin, " \t\r") < size) e = line_read(out, path, number, (bytes_view){begin, size});
        at += size + 1;
    }
    if (!e.code && !out->count) e = err_make(ERR_USAGE, "%s holds no prompt", path);
    if (e.code) ui_prompt_set_free(out);
    return e;
}

void ui_prompt_set_free(ui_prompt_set *set)
{
    bytes_free(&set->text);
    arena_free(&set->memory);
    *set = (ui_prompt_set){0};
}

/* -- asking
 * ------------------------------------------------------------------------------------------------------- */

static bool holds_all(const ui_prompt_row *row, const bytes *answer)
{
    for (size_t i = 0; i < row->expected_count; i++) {
        bytes_view word = row->expected[i];
        if (word.size && !memmem(bytes_text(answer), answer->size, word.data, word.size)) return false;
    }
    return true;
}

static err ask(ui_running *r, const ui_prompt_row *row, size_t most, bool *right)
{
    CLEANUP(engine_ids_free) engine_ids prompt = {0}, answer = {0};
    CLEANUP(bytes_free) bytes text = {0};
    ui_message message = {.role = "user", .content = row->prompt};

    err e = ui_prompt_encode(r->model, &(ui_ask){.messages = &message, .message_count = 1}, &prompt);
    if (!e.code) e = ui_answer_ids(r, prompt.data, prompt.count, most, &answer);
    const engine_tokenizer *t = engine_model_borrow_tokenizer(r->model);
    if (!e.code) e = engine_tokenizer_decode(t, answer.data, answer.count, true, &text);
    *right = !e.code && holds_all(row, &text);
    return e;
}

err ui_prompt_set_run(ui_running *r, const ui_prompt_set *set, size_t most, size_t *right)
{
    err e = ERR_OK;

    *right = 0;
    for (size_t i = 0; i < set->count && !e.code; i++) {
        bool good = false;
        e = ask(r, &set->rows[i], most, &good);
        *right += good;
    }
    return e;
}
