/* From a template and a conversation to text with spans: variables, limits, the cut for continued messages.
 */
#include "engine/text/chat_template.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/text/chat_template_internal.h"

/* ---- the template ---- */

/* CRLF and CR become LF; one newline at the end is dropped. */
static bytes_view source_normalised(bytes_view source, arena *a)
{
    char *copy = arena_alloc(a, source.size + 1), *to = copy;
    for (size_t i = 0; i < source.size; i++) {
        if (source.data[i] == '\r' && i + 1 < source.size && source.data[i + 1] == '\n') continue;
        *to++ = source.data[i] == '\r' ? '\n' : source.data[i];
    }
    if (to > copy && to[-1] == '\n') to--;
    return (bytes_view){copy, (size_t)(to - copy)};
}

static uint32_t line_of(bytes_view source, size_t at)
{
    uint32_t line = 1;
    for (size_t i = 0; i < at; i++) line += source.data[i] == '\n';
    return line;
}

err engine_chat_template_parse(bytes_view source, const char *file_name, engine_chat_template **out)
{
    if (source.size > ENGINE_CHAT_SOURCE_BYTES_MAX)
        return err_make(ERR_LIMIT, "%s: the template is longer than the limit of %d bytes", file_name,
                        ENGINE_CHAT_SOURCE_BYTES_MAX);
    size_t valid = utf8_valid_prefix(source);
    if (valid < source.size)
        return err_make(ERR_FORMAT, "%s, line %u: expected valid UTF-8", file_name, line_of(source, valid));
    engine_chat_template *t = memory_alloc(sizeof *t);
    t->file_name = arena_text(&t->memory, file_name);
    t->source = (bytes_view){arena_text_n(&t->memory, source.data, source.size), source.size};
    err e = jinja_parse(source_normalised(source, &t->memory), t->file_name, &t->memory, &t->first);
    if (e.code)
        engine_chat_template_free(t);
    else
        *out = t;
    return e;
}

void engine_chat_template_free(engine_chat_template *t)
{
    if (!t) return;
    arena_free(&t->memory);
    free(t);
}

bytes_view engine_chat_template_borrow_source(const engine_chat_template *t) { return t->source; }

/* ---- variables ---- */

static void variable_set(jinja_render *r, const char *name, jinja_value v)
{
    jinja_dict_set_text(r, &r->scope->variables, name, v);
}

static void functions_set(jinja_render *r)
{
    for (const jinja_row *row = jinja_functions; row->name; row++) {
        jinja_bound *bound = jinja_new(r, jinja_bound);
        *bound = (jinja_bound){row, {JINJA_ABSENT, {0}}};
        variable_set(r, row->name, (jinja_value){JINJA_NATIVE, {.bound = bound}});
    }
}

static void tokens_set(jinja_render *r, const engine_chat_input *input)
{
    const struct {
        const char *name;
        bytes_view text;
    } rows[] = {
        {"bos_token", input->bos},   {"eos_token", input->eos}, {"unk_token", input->unk},
        {"pad_token", input->pad},   {"sep_token", input->sep}, {"cls_token", input->cls},
        {"mask_token", input->mask},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].text.data) variable_set(r, rows[i].name, jinja_text(r, rows[i].text, 0));
}

static jinja_value list_or_none(jinja_render *r, const json_node *node)
{
    return json_is_null(node) ? jinja_none : jinja_of_json(r, node, JINJA_DATA);
}

static void variables_set(jinja_render *r, const engine_chat_input *input, const engine_chat_preparation *how)
{
    r->scope = jinja_scope_push(r, NULL);
    functions_set(r);
    r->scope = jinja_scope_push(r, r->scope);
    tokens_set(r, input);
    for (const json_node *n = json_first(input->extra); n; n = n->next)
        jinja_dict_set(r, &r->scope->variables, jinja_text(r, n->key, 0), jinja_of_json(r, n, JINJA_DATA));
    variable_set(r, "messages", engine_chat_messages(r, input->messages, how));
    variable_set(r, "tools", list_or_none(r, input->tools));
    variable_set(r, "documents", list_or_none(r, input->documents));
    variable_set(r, "add_generation_prompt", jinja_bool(input->add_generation_prompt));
}

/* ---- one render ---- */

/* Everything that may leave by longjmp happens here, and nothing else. */
static err render_guarded(jinja_render *r, const engine_chat_template *t, const engine_chat_input *input,
                          const engine_chat_preparation *how)
{
    if (setjmp(r->failed)) return r->failure;
    r->out = jinja_buffer_new(r);
    variables_set(r, input, how);
    jinja_run(r, t->first);
    return ERR_OK;
}

static void span_add(engine_text_span **spans, size_t *count, size_t begin, size_t end, bool joins)
{
    if (joins && *count && (*spans)[*count - 1].end == begin) {
        (*spans)[*count - 1].end = end;
        return;
    }
    if ((*count & (*count - 1)) == 0)
        *spans = memory_resize_array(*spans, *count ? *count * 2 : 1, sizeof **spans);
    (*spans)[(*count)++] = (engine_text_span){begin, end};
}

/* The first `size` bytes of the output and their spans. */
static engine_chat_text text_made(const jinja_buffer *b, size_t size)
{
    engine_chat_text text = {0};
    uint32_t block = 0;
    bytes_append(&text.text, b->data, size);
    for (size_t i = 0; i < b->span_count && b->spans[i].begin < size; i++) {
        const jinja_span *span = &b->spans[i];
        size_t end = MIN_OF(span->end, size);
        uint32_t own = span->marks >> JINJA_BLOCK_SHIFT;
        if (span->marks & JINJA_DATA) span_add(&text.data, &text.data_count, span->begin, end, true);
        if (own) span_add(&text.generation, &text.generation_count, span->begin, end, own == block);
        block = own;
    }
    return text;
}

static size_t find_last(bytes_view hay, bytes_view needle)
{
    for (size_t at = hay.size < needle.size ? 0 : hay.size - needle.size + 1; at > 0; at--)
        if (memcmp(hay.data + at - 1, needle.data, needle.size) == 0) return at - 1;
    return SIZE_MAX;
}

static size_t without_trailing_space(bytes_view text, size_t size)
{
    while (size) {
        uint32_t code = 0;
        size_t last = size - 1;
        while (last && (text.data[last] & 0xC0) == 0x80) last--;
        if (!utf8_decode(text.data + last, size - last, &code) || !jinja_is_space(code)) break;
        size = last;
    }
    return size;
}

/* Where the text of a continued message ends. A template that trims has eaten the space of the mark: then the
 * white space before the mark would have gone as well. */
static err continued_size(const engine_chat_template *t, bytes_view text, const json_node *messages,
                          size_t *size)
{
    bytes_view mark = VIEW(ENGINE_CHAT_CONTINUE_MARK), trimmed = {mark.data, mark.size - 1};
    size_t at = find_last(text, trimmed);
    if (at == SIZE_MAX || jinja_find(text, engine_chat_final_text(messages), 0) == SIZE_MAX)
        return err_make(ERR_UNSUPPORTED,
                        "%s: the final message cannot be continued: the template does not show it",
                        t->file_name);
    bool kept = text.size - at >= mark.size && memcmp(text.data + at, mark.data, mark.size) == 0;
    *size = kept ? at : without_trailing_space(text, at);
    return ERR_OK;
}

static err render_once(const engine_chat_template *t, const engine_chat_input *input,
                       const engine_chat_preparation *how, uint64_t steps_max, engine_chat_text *out)
{
    jinja_render r = {.file_name = t->file_name, .line = 1, .steps_max = steps_max, .now = input->now};
    err e = render_guarded(&r, t, input, how);
    size_t size = e.code ? 0 : r.out->used;
    if (!e.code && how->mark_final)
        e = continued_size(t, (bytes_view){size ? r.out->data : "", size}, input->messages, &size);
    if (!e.code) *out = text_made(r.out, size);
    arena_free(&r.values);
    return e;
}

/* ---- what is rendered ---- */

static err input_check(const engine_chat_input *input)
{
    if (!json_is(input->messages, JSON_ARRAY))
        return err_make(ERR_USAGE, "messages: expected an array of objects");
    size_t i = 0;
    for (const json_node *n = json_first(input->messages); n; n = n->next, i++)
        if (!json_is(n, JSON_OBJECT))
            return err_make(ERR_USAGE, "messages[%zu]: expected an object, found %s", i,
                            json_type_name(n->type));
    if (!json_is_null(input->tools) && !json_is(input->tools, JSON_ARRAY))
        return err_make(ERR_USAGE, "tools: expected an array");
    if (!json_is_null(input->documents) && !json_is(input->documents, JSON_ARRAY))
        return err_make(ERR_USAGE, "documents: expected an array");
    if (!json_is_null(input->extra) && !json_is(input->extra, JSON_OBJECT))
        return err_make(ERR_USAGE, "template variables: expected an object");
    if (!input->continue_final_message) return ERR_OK;
    if (input->add_generation_prompt)
        return err_make(ERR_USAGE,
                        "a final message is either continued or followed by a generation prompt, not both");
    if (!engine_chat_final_text(input->messages).data)
        return err_make(ERR_USAGE, "the final message has no text that could be continued");
    return ERR_OK;
}

static bool has_parts(const json_node *messages)
{
    for (const json_node *n = json_first(messages); n; n = n->next)
        if (json_is(json_get(n, "content"), JSON_ARRAY)) return true;
    return false;
}

static bool has_text_arguments(const json_node *messages)
{
    for (const json_node *n = json_first(messages); n; n = n->next)
        for (const json_node *call = json_first(json_get(n, "tool_calls")); call; call = call->next)
            if (json_is(json_get(json_get(call, "function"), "arguments"), JSON_STRING)) return true;
    return false;
}

err engine_chat_template_render_within(const engine_chat_template *t, const engine_chat_input *input,
                                       uint64_t steps_max, engine_chat_text *out)
{
    err e = input_check(input);
    if (e.code) return e;
    bool openai = input->form == ENGINE_CHAT_FORM_OPENAI;
    engine_chat_preparation how = {.form = input->form, .mark_final = input->continue_final_message};
    how.join_parts = openai && has_parts(input->messages) && !engine_chat_reads_parts(t);
    e = render_once(t, input, &how, steps_max, out);
    if (e.code != ERR_FORMAT || !openai || !has_text_arguments(input->messages)) return e;
    how.arguments_are_text = true; /* a few templates want the text of the arguments */
    err again = render_once(t, input, &how, steps_max, out);
    return again.code ? e : again;
}

err engine_chat_template_render(const engine_chat_template *t, const engine_chat_input *input,
                                engine_chat_text *out)
{
    return engine_chat_template_render_within(t, input, ENGINE_CHAT_STEPS_MAX, out);
}

void engine_chat_text_free(engine_chat_text *text)
{
    bytes_free(&text->text);
    free(text->generation);
    free(text->data);
    *text = (engine_chat_text){0};
}
