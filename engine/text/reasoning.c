/* A small machine over what is held back. Each state takes what is certain from the front of the held text
 * and may hand over to another; what could still become a mark, and white space that could stand beside one,
 * waits.
 *
 * A message of GPT-OSS that is meant for a tool (its header has "to=") goes to the content with its marks:
 * the parser of tool calls needs them. */
#include "engine/text/reasoning.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { HEADER_BYTES_MAX = 512 }; /* of a GPT-OSS message; a longer one is no header */

typedef struct family {
    const char *open, *close;
    const char *answer_open, *answer_close; /* NULL: the answer has no marks */
    bool answer_begins;                     /* answer_open may stand where the output begins */
} family;

static const family families[] = {
    {"<think>", "</think>", "<response>", "</response>", false},
    {"[THINK]", "[/THINK]", NULL, NULL, false},
    {"<seed:think>", "</seed:think>", NULL, NULL, false},
    {"<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>", true},
    {"<|channel>thought", "<channel|>", NULL, NULL, false},
};

static const char *const message_ends[] = {"<|end|>", "<|return|>", "<|call|>", "<|start|>", NULL};

typedef enum state {
    STATE_BEGIN,    /* nothing seen but white space */
    STATE_OPENED,   /* after an opening mark: white space goes */
    STATE_INSIDE,   /* reasoning of a family */
    STATE_CLOSED,   /* after the closing mark: white space goes, the answer's mark may come */
    STATE_ANSWER,   /* up to the answer's closing mark */
    STATE_REST,     /* content to the end */
    STATE_HEADER,   /* of a GPT-OSS message, up to <|message|> */
    STATE_ANALYSIS, /* its body: reasoning */
    STATE_FINAL,    /* its body: content */
    STATE_CALL,     /* its body, for a tool: content, marks kept */
} state;

struct engine_reasoning {
    state state;
    const family *family;
    bytes held;
};

typedef struct outputs {
    bytes *reasoning, *content;
} outputs;

/* ---- marks ---- */

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

static size_t leading_space(bytes_view text)
{
    size_t size = 0;
    while (size < text.size && is_space(text.data[size])) size++;
    return size;
}

static size_t without_trailing_space(bytes_view text)
{
    size_t size = text.size;
    while (size && is_space(text.data[size - 1])) size--;
    return size;
}

static bool begins(bytes_view text, const char *mark)
{
    return text.size >= strlen(mark) && memcmp(text.data, mark, strlen(mark)) == 0;
}

static bool ends(bytes_view text, const char *mark)
{
    size_t size = strlen(mark);
    return text.size >= size && memcmp(text.data + text.size - size, mark, size) == 0;
}

/* More text could make this one begin with the mark. */
static bool may_begin(bytes_view text, const char *mark)
{
    return text.size < strlen(mark) && (!text.size || memcmp(text.data, mark, text.size) == 0);
}

/* Where a mark begins that the text ends in the middle of; text.size when there is none. */
static size_t partial_mark(bytes_view text, const char *mark)
{
    size_t longest = strlen(mark) - 1, at = text.size > longest ? text.size - longest : 0;
    for (; at < text.size; at++)
        if (may_begin((bytes_view){text.data + at, text.size - at}, mark)) break;
    return at;
}

static size_t find_mark(bytes_view text, const char *mark)
{
    size_t size = strlen(mark);
    for (size_t at = 0; at + size <= text.size; at++) {
        const char *found = memchr(text.data + at, mark[0], text.size - size - at + 1);
        if (!found) return SIZE_MAX;
        at = (size_t)(found - text.data);
        if (memcmp(found, mark, size) == 0) return at;
    }
    return SIZE_MAX;
}

/* ---- states: each gives how much of the held text it took ---- */

static size_t begin_step(engine_reasoning *r, bytes_view text, const outputs *out)
{
    size_t space = leading_space(text);
    bytes_view rest = {text.data + space, text.size - space};
    bool undecided = may_begin(rest, "<|channel|>") || may_begin(rest, "<|start|>");
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        const family *f = &families[i];
        bool answer = f->answer_begins && begins(rest, f->answer_open);
        if (answer || begins(rest, f->open)) {
            r->family = f;
            r->state = answer ? STATE_CLOSED : STATE_OPENED;
            return answer ? space : space + strlen(f->open);
        }
        undecided =
            undecided || may_begin(rest, f->open) || (f->answer_begins && may_begin(rest, f->answer_open));
    }
    if (begins(rest, "<|channel|>") || begins(rest, "<|start|>")) {
        r->state = STATE_HEADER;
        return space;
    }
    if (undecided) return 0;
    r->state = STATE_REST;
    bytes_append_view(out->content, text);
    return text.size;
}

static size_t opened_step(engine_reasoning *r, bytes_view text)
{
    size_t space = leading_space(text);
    if (space < text.size) r->state = STATE_INSIDE;
    return space;
}

/* Text up to a closing mark, without the white space before it. */
static size_t until_mark(engine_reasoning *r, bytes_view text, const char *mark, bytes *out, state next)
{
    size_t found = find_mark(text, mark), end = found == SIZE_MAX ? partial_mark(text, mark) : found;
    end = without_trailing_space((bytes_view){text.data, end});
    bytes_append(out, text.data, end);
    if (found == SIZE_MAX) return end;
    r->state = next;
    return found + strlen(mark);
}

static size_t closed_step(engine_reasoning *r, bytes_view text)
{
    size_t space = leading_space(text);
    bytes_view rest = {text.data + space, text.size - space};
    const char *mark = r->family->answer_open;
    if (!rest.size || (mark && may_begin(rest, mark))) return space;
    bool marked = mark && begins(rest, mark);
    r->state = marked ? STATE_ANSWER : STATE_REST;
    size_t taken = space + (marked ? strlen(mark) : 0);
    return marked ? taken + leading_space((bytes_view){text.data + taken, text.size - taken}) : taken;
}

/* A header holds the channel's name, and "to=" when the message is meant for a tool. */
static size_t header_step(engine_reasoning *r, bytes_view text, const outputs *out)
{
    static const char mark[] = "<|message|>";
    size_t found = find_mark(text, mark);
    bool is_header = begins(text, "<|channel|>") || begins(text, "<|start|>") ||
                     may_begin(text, "<|channel|>") || may_begin(text, "<|start|>");
    if (!is_header || (found == SIZE_MAX ? text.size : found) > HEADER_BYTES_MAX) {
        r->state = STATE_REST;
        return 0;
    }
    if (found == SIZE_MAX) return 0;
    bytes_view header = {text.data, found};
    if (find_mark(header, "to=") != SIZE_MAX) {
        r->state = STATE_CALL;
        bytes_append(out->content, text.data, found + sizeof mark - 1);
    } else {
        r->state = find_mark(header, "<|channel|>analysis") != SIZE_MAX ? STATE_ANALYSIS : STATE_FINAL;
    }
    return found + sizeof mark - 1;
}

static size_t body_step(engine_reasoning *r, bytes_view text, bytes *out, bool keeps_mark)
{
    size_t at = SIZE_MAX, safe = text.size, mark_size = 0;
    for (size_t i = 0; message_ends[i]; i++) {
        size_t found = find_mark(text, message_ends[i]);
        safe = MIN_OF(safe, partial_mark(text, message_ends[i]));
        if (found >= at) continue;
        at = found;
        mark_size = strcmp(message_ends[i], "<|start|>") == 0 ? 0 : strlen(message_ends[i]);
    }
    if (at == SIZE_MAX) {
        bytes_append(out, text.data, safe);
        return safe;
    }
    bytes_append(out, text.data, at + (keeps_mark ? mark_size : 0));
    r->state = STATE_HEADER;
    return at + mark_size;
}

static size_t step(engine_reasoning *r, bytes_view text, const outputs *out)
{
    switch (r->state) {
    case STATE_BEGIN: return begin_step(r, text, out);
    case STATE_OPENED: return opened_step(r, text);
    case STATE_INSIDE: return until_mark(r, text, r->family->close, out->reasoning, STATE_CLOSED);
    case STATE_CLOSED: return closed_step(r, text);
    case STATE_ANSWER: return until_mark(r, text, r->family->answer_close, out->content, STATE_REST);
    case STATE_HEADER: return header_step(r, text, out);
    case STATE_ANALYSIS: return body_step(r, text, out->reasoning, false);
    case STATE_FINAL: return body_step(r, text, out->content, false);
    case STATE_CALL: return body_step(r, text, out->content, true);
    default: bytes_append_view(out->content, text); return text.size;
    }
}

/* ---- the whole ---- */

/* The prompt ends in an opening mark and nothing but white space: the output begins inside. */
static void begin_inside(engine_reasoning *r, bytes_view prompt)
{
    prompt.size = without_trailing_space(prompt);
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        if (!ends(prompt, families[i].open)) continue;
        r->family = &families[i];
        r->state = STATE_OPENED;
    }
    if (ends(prompt, "<|channel|>analysis<|message|>")) r->state = STATE_ANALYSIS;
    if (ends(prompt, "<|channel|>final<|message|>")) r->state = STATE_FINAL;
}

engine_reasoning *engine_reasoning_new(bytes_view prompt)
{
    engine_reasoning *r = memory_alloc(sizeof *r);
    begin_inside(r, prompt);
    return r;
}

void engine_reasoning_free(engine_reasoning *r)
{
    if (!r) return;
    bytes_free(&r->held);
    free(r);
}

void engine_reasoning_push(engine_reasoning *r, bytes_view piece, bytes *reasoning, bytes *content)
{
    outputs out = {reasoning, content};
    size_t taken = 0;
    bytes_append_view(&r->held, piece);
    for (;;) {
        state before = r->state;
        bytes_view text = bytes_borrow(&r->held);
        size_t more = step(r, (bytes_view){text.data + taken, text.size - taken}, &out);
        taken += more;
        if (r->state == before && (!more || taken == text.size)) break;
    }
    bytes_remove(&r->held, 0, taken);
}

/* What waited has become nothing: it is what it is where it stands. White space after a closing mark goes. */
void engine_reasoning_finish(engine_reasoning *r, bytes *reasoning, bytes *content)
{
    bytes_append_view(engine_reasoning_is_inside(r) ? reasoning : content, bytes_borrow(&r->held));
    bytes_clear(&r->held);
}

bool engine_reasoning_is_inside(const engine_reasoning *r)
{
    return r->state == STATE_OPENED || r->state == STATE_INSIDE || r->state == STATE_ANALYSIS;
}

void engine_reasoning_split(bytes_view prompt, bytes_view output, bytes *reasoning, bytes *content)
{
    engine_reasoning *r = engine_reasoning_new(prompt);
    engine_reasoning_push(r, output, reasoning, content);
    engine_reasoning_finish(r, reasoning, content);
    engine_reasoning_free(r);
}
