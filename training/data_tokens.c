/* training/data_tokens.c: a part of a record as tokens, and which of them are to be learned. */
#define _GNU_SOURCE /* memmem */
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "training/data_internal.h"

/* -- sequences ---------------------------------------------------------------------------------------- */

void sequence_list_push(sequence_list *list, const int32_t *ids, const int32_t *labels, size_t count)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 16;
        list->items = memory_resize_array(list->items, list->capacity, sizeof *list->items);
    }
    training_sequence *s = &list->items[list->count++];
    *s = (training_sequence){.ids = memory_alloc((2 * count + 1) * sizeof *s->ids), .count = count};
    s->labels = s->ids + count; /* one block */
    memcpy(s->ids, ids, count * sizeof *ids);
    memcpy(s->labels, labels, count * sizeof *labels);
}

void sequence_list_clear(sequence_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->items[i].ids);
    list->count = 0;
}

void sequence_list_free(sequence_list *list)
{
    sequence_list_clear(list);
    free(list->items);
    *list = (sequence_list){0};
}

/* -- tokens, text -----------------------------------------------------------------------------------------
 */

/* Ids of a list; `none` may stand for ENGINE_TARGET_NONE. */
static err read_ids(const json_node *list, const char *what, size_t vocab, bool none, int32_t *out)
{
    size_t i = 0;
    for (const json_node *n = json_first(list); n; n = n->next, i++) {
        int64_t id = json_int(n, INT64_MIN);
        bool fits = (id >= 0 && (uint64_t)id < vocab) || (none && id == ENGINE_TARGET_NONE);
        if (!fits)
            return err_make(ERR_FORMAT, "%s[%zu], expected an id below %zu%s", what, i, vocab,
                            none ? ", or -100" : "");
        out[i] = (int32_t)id;
    }
    return ERR_OK;
}

static err encode_tokens(const engine_model *model, const data_part *part, sequence_list *out)
{
    size_t count = json_count(part->ids), vocab = engine_model_borrow_spec(model)->vocab_count;
    int32_t *ids = memory_alloc((2 * count + 1) * sizeof *ids), *labels = ids + count;
    err e = read_ids(part->ids, "input_ids", vocab, false, ids);
    if (!e.code && part->labels) e = read_ids(part->labels, "labels", vocab, true, labels);
    if (!part->labels) memcpy(labels, ids, count * sizeof *ids);
    if (!e.code) sequence_list_push(out, ids, labels, count);
    free(ids);
    return e;
}

static err tokenizer_of(const engine_model *model, const engine_tokenizer **out)
{
    *out = engine_model_borrow_tokenizer(model);
    return *out ? ERR_OK
                : err_make(ERR_UNSUPPORTED, "%s has no tokenizer.json", engine_model_borrow_name(model));
}

static void end_text(const engine_model *model, engine_ids *ids)
{
    int32_t end = engine_model_text_end(model);
    if (end >= 0 && (ids->count == 0 || ids->data[ids->count - 1] != end)) engine_ids_push(ids, end);
}

static err encode_text(const engine_model *model, const data_part *part, sequence_list *out)
{
    const engine_tokenizer *t;
    engine_ids ids = {0};
    err e = tokenizer_of(model, &t);
    if (!e.code) e = engine_tokenizer_encode(t, part->text, true, &ids);
    if (!e.code) {
        end_text(model, &ids);
        sequence_list_push(out, ids.data, ids.data, ids.count);
    }
    engine_ids_free(&ids);
    return e;
}

/* How many of `ids`, made with special tokens, stand before those of `body`, the same text made without. */
static size_t specials_before(const engine_ids *ids, const engine_ids *body)
{
    for (size_t k = 0; k + body->count <= ids->count; k++)
        if (memcmp(ids->data + k, body->data, body->count * sizeof *body->data) == 0) return k;
    return 0;
}

/* Prompt and completion are tokenised together, so the cut depends on no seam. */
static err encode_plain(const engine_model *model, const data_part *part, bool everything, sequence_list *out)
{
    const engine_tokenizer *t;
    err e = tokenizer_of(model, &t);
    if (e.code) return e;
    bytes text = {0};
    engine_ids ids = {0}, body = {0};
    bytes_append_view(&text, part->prompt);
    bytes_append_view(&text, part->completion);
    e = engine_tokenizer_encode(t, bytes_borrow(&text), true, &ids);
    if (!e.code) e = engine_tokenizer_encode(t, bytes_borrow(&text), false, &body);
    size_t *begins = memory_alloc((body.count + 1) * sizeof *begins), first = 0;
    if (!e.code && token_begins(t, bytes_borrow(&text), &body, begins))
        while (first < body.count && begins[first] < part->prompt.size) first++;
    else if (!e.code)
        e = token_boundary(t, bytes_borrow(&text), NULL, 0, &body, part->prompt.size, &first);
    if (!e.code) {
        first += specials_before(&ids, &body);
        end_text(model, &ids);
        int32_t *labels = memory_alloc((ids.count + 1) * sizeof *labels);
        for (size_t i = 0; i < ids.count; i++)
            labels[i] = i >= first || everything ? ids.data[i] : ENGINE_TARGET_NONE;
        sequence_list_push(out, ids.data, labels, ids.count);
        free(labels);
    }
    free(begins);
    bytes_free(&text);
    engine_ids_free(&ids);
    engine_ids_free(&body);
    return e;
}

/* -- chats ---------------------------------------------------------------------------------------------- */

typedef struct chat {
    const engine_model *model;
    const engine_tokenizer *tokenizer;
    const data_part *part;
    bool everything;
    sequence_list *out;
} chat;

/* The first `count` messages rendered. */
static err render(const chat *c, size_t count, bool prompt, engine_chat_text *out)
{
    arena a = {0};
    json_node list = {.type = JSON_ARRAY}, *copies = arena_array(&a, json_node, count + 1);
    const json_node *m = json_first(c->part->messages);
    for (size_t i = 0; i < count; i++, m = m->next) {
        copies[i] = *m;
        copies[i].next = i + 1 < count ? &copies[i + 1] : NULL;
    }
    list.first = count ? copies : NULL;
    list.count = count;
    engine_chat_input input = {.messages = &list,
                               .tools = c->part->tools,
                               .add_generation_prompt = prompt,
                               .form = ENGINE_CHAT_FORM_OPENAI};
    err e = engine_model_render_chat(c->model, NULL, &input, out);
    arena_free(&a);
    return e;
}

/* Tokens of a rendered text; those that begin in a span are to be learned. */
static err push_text(const chat *c, const engine_chat_text *text, const engine_text_span *spans,
                     size_t span_count)
{
    engine_ids ids = {0};
    bytes_view all = bytes_borrow(&text->text);
    err e = engine_tokenizer_encode_guarded(c->tokenizer, all, text->data, text->data_count, false, &ids);
    size_t *begins = memory_alloc((ids.count + 1) * sizeof *begins);
    int32_t *labels = memory_alloc((ids.count + 1) * sizeof *labels);
    for (size_t i = 0; i < ids.count; i++) labels[i] = c->everything ? ids.data[i] : ENGINE_TARGET_NONE;
    bool known = !e.code && token_begins(c->tokenizer, all, &ids, begins);
    for (size_t k = 0; k < span_count && !e.code; k++) {
        size_t first = 0, end = 0;
        if (known) {
            while (first < ids.count && begins[first] < spans[k].begin) first++;
            for (end = first; end < ids.count && begins[end] < spans[k].end;) end++;
        } else {
            e = token_boundary(c->tokenizer, all, text->data, text->data_count, &ids, spans[k].begin, &first);
            if (!e.code)
                e = token_boundary(c->tokenizer, all, text->data, text->data_count, &ids, spans[k].end, &end);
        }
        for (; first < end && first < ids.count; first++) labels[first] = ids.data[first];
    }
    if (!e.code) sequence_list_push(c->out, ids.data, labels, ids.count);
    free(begins);
    free(labels);
    engine_ids_free(&ids);
    return e;
}

static bool is_prefix(const bytes *head, const bytes *text)
{
    return head->size <= text->size && (head->size == 0 || memcmp(head->data, text->data, head->size) == 0);
}

static size_t common_prefix(const bytes *a, const bytes *b)
{
    size_t most = MIN_OF(a->size, b->size), i = 0;
    while (i < most && a->data[i] == b->data[i]) i++;
    while (i > 0 && i < b->size && ((unsigned char)b->data[i] & 0xC0) == 0x80)
        i--; /* to a character's begin */
    return i;
}

/* The line end after the mark that ends a turn is not learned. */
static size_t without_newline(const bytes *text, size_t begin, size_t end)
{
    return end > begin && text->data[end - 1] == '\n' ? end - 1 : end;
}

/* The end of the last of the user's words in the text: the answer lies behind it. */
static size_t after_user(const chat *c, size_t count, const engine_chat_text *text)
{
    const json_node *m = json_first(c->part->messages);
    size_t end = 0;
    for (size_t i = 0; i < count; i++, m = m->next) {
        bytes_view said = json_text(json_get(m, "content"));
        if (message_is_answer(m) || said.size == 0) continue;
        char *at = memmem(text->text.data + end, text->text.size - end, said.data, said.size);
        if (at) end = (size_t)(at - text->text.data) + said.size;
    }
    return end;
}

/* The conversation up to answer `count` as an example of its own. */
static err push_unrolled(const chat *c, size_t count)
{
    engine_chat_text head = {0}, upto = {0};
    err e = render(c, count, true, &head);
    if (!e.code) e = render(c, count + 1, false, &upto);
    if (!e.code) {
        engine_text_span span = {MAX_OF(common_prefix(&head.text, &upto.text), after_user(c, count, &upto)),
                                 0};
        span.end = without_newline(&upto.text, span.begin, upto.text.size);
        e = push_text(c, &upto, &span, 1);
    }
    engine_chat_text_free(&head);
    engine_chat_text_free(&upto);
    return e;
}

/* The span of answer `i` in `full`: between what is rendered before it and up to it. *whole false: these are
 * no prefixes of one another. */
static err find_span(const chat *c, size_t i, const engine_chat_text *full, engine_text_span *span,
                     bool *whole)
{
    engine_chat_text head = {0}, upto = {0};
    err e = render(c, i, true, &head);
    if (!e.code) e = render(c, i + 1, false, &upto);
    *whole = !e.code && is_prefix(&head.text, &upto.text) && is_prefix(&upto.text, &full->text);
    if (*whole)
        *span =
            (engine_text_span){head.text.size, without_newline(&upto.text, head.text.size, upto.text.size)};
    engine_chat_text_free(&head);
    engine_chat_text_free(&upto);
    return e;
}

/* What the template marks as generated, but for the answers that belong to the prompt. */
static size_t skip_answers(const data_part *part)
{
    size_t i = 0, count = 0;
    for (const json_node *m = json_first(part->messages); m && i < part->learn_from; m = m->next, i++)
        count += message_is_answer(m);
    return count;
}

static err encode_answers(const chat *c, const engine_chat_text *full, bool *unrolled)
{
    size_t count = json_count(c->part->messages), span_count = 0, i = 0;
    engine_text_span *spans = memory_alloc((count + 1) * sizeof *spans);
    err e = ERR_OK;
    bool whole = true;
    for (const json_node *m = json_first(c->part->messages); m && !e.code && whole; m = m->next, i++)
        if (message_is_answer(m) && i >= c->part->learn_from)
            e = find_span(c, i, full, &spans[span_count++], &whole);
    if (!e.code && whole) e = push_text(c, full, spans, span_count);
    free(spans);
    if (e.code || whole) return e;
    *unrolled = true;
    i = 0;
    for (const json_node *m = json_first(c->part->messages); m && !e.code; m = m->next, i++)
        if (message_is_answer(m) && i >= c->part->learn_from) e = push_unrolled(c, i);
    return e;
}

static err encode_chat(const engine_model *model, const data_part *part, bool everything, sequence_list *out,
                       bool *unrolled)
{
    chat c = {model, NULL, part, everything, out};
    engine_chat_text full = {0};
    err e = tokenizer_of(model, &c.tokenizer);
    if (!e.code) e = render(&c, json_count(part->messages), false, &full);
    size_t skip = skip_answers(part);
    if (!e.code && everything)
        e = push_text(&c, &full, NULL, 0);
    else if (!e.code && full.generation_count > skip)
        e = push_text(&c, &full, full.generation + skip, full.generation_count - skip);
    else if (!e.code)
        e = encode_answers(&c, &full, unrolled);
    engine_chat_text_free(&full);
    return e;
}

err part_encode(const engine_model *model, const data_part *part, bool everything, sequence_list *out,
                bool *unrolled)
{
    switch (part->form) {
    case RECORD_TOKENS: return encode_tokens(model, part, out);
    case RECORD_TEXT: return encode_text(model, part, out);
    case RECORD_PLAIN: return encode_plain(model, part, everything, out);
    case RECORD_CHAT: return encode_chat(model, part, everything, out, unrolled);
    }
    return err_make(ERR_STATE, "a part of no form");
}
