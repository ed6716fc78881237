/* engine/text/tokenizer_pretokenize.c: a text cut into the pieces that the model sees. Source: spec,
 * section 4.
 *
 * Each step turns a list of pieces into another. Steps that only cut leave the text alone; those that change
 * it write it anew, piece after piece. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/text/tokenizer_internal.h"

typedef enum split_behavior {
    SPLIT_REMOVED,
    SPLIT_ISOLATED,
    SPLIT_MERGED_WITH_PREVIOUS,
    SPLIT_MERGED_WITH_NEXT,
    SPLIT_CONTIGUOUS,
} split_behavior;

struct pretokenize_step {
    bool (*run)(const struct pretokenize_step *step, tokenizer_matcher *m, pretokenize_work *w);
    split_behavior behavior;
    bool invert;
    text_pattern pattern;     /* run_split */
    character_class *members; /* run_class */
    bytes_view replacement;   /* run_metaspace */
    bool first_only, never;   /* run_metaspace: which pieces get one in front */
};
typedef struct pretokenize_step pretokenize_step;

/* ---- cutting ---- */

/* Takes the spans of one piece from left to right, matches and what lies between them. */
typedef struct splitter {
    text_ranges *out;
    const pretokenize_step *step;
    size_t first;   /* where this piece's own ranges begin in *out */
    bool was_match; /* the span before */
} splitter;

static void splitter_push(splitter *s, size_t begin, size_t end, bool is_match)
{
    is_match ^= s->step->invert;
    bool was_match = s->was_match, glue = false;
    s->was_match = is_match;
    bool has_last = s->out->count > s->first;
    switch (s->step->behavior) {
    case SPLIT_REMOVED:
        if (is_match) return;
        break;
    case SPLIT_ISOLATED: break;
    case SPLIT_MERGED_WITH_PREVIOUS: glue = is_match && !was_match; break;
    case SPLIT_MERGED_WITH_NEXT: glue = !is_match && was_match; break;
    case SPLIT_CONTIGUOUS: glue = is_match == was_match; break;
    }
    text_range *last = has_last ? &s->out->data[s->out->count - 1] : NULL;
    if (last && glue)
        last->end = (uint32_t)end;
    else if (last && last->begin == last->end)
        *last = (text_range){(uint32_t)begin, (uint32_t)end};
    else
        text_ranges_push(s->out, begin, end);
}

static void splitter_finish(splitter *s)
{
    const text_range *last = s->out->count > s->first ? &s->out->data[s->out->count - 1] : NULL;
    if (last && last->begin == last->end) s->out->count--;
}

static void ranges_turn(pretokenize_work *w)
{
    text_ranges done = w->ranges;
    w->ranges = w->spare;
    w->spare = done;
}

static bool run_split(const pretokenize_step *step, tokenizer_matcher *m, pretokenize_work *w)
{
    w->spare.count = 0;
    for (size_t i = 0; i < w->ranges.count; i++) {
        text_range piece = w->ranges.data[i], found;
        splitter s = {&w->spare, step, w->spare.count, false};
        pattern_walk walk = {.pattern = &step->pattern,
                             .matcher = m,
                             .text = {w->text.data + piece.begin, piece.end - piece.begin}};
        size_t done = 0;
        match_result result;
        while ((result = pattern_walk_next(&walk, &found)) == MATCH_FOUND) {
            if (done != found.begin) splitter_push(&s, piece.begin + done, piece.begin + found.begin, false);
            splitter_push(&s, piece.begin + found.begin, piece.begin + found.end, true);
            done = found.end;
        }
        if (result == MATCH_LIMIT) return false;
        if (done != walk.text.size) splitter_push(&s, piece.begin + done, piece.end, false);
        splitter_finish(&s);
    }
    ranges_turn(w);
    return true;
}

/* Every character of a class is a match of its own. */
static bool run_class(const pretokenize_step *step, tokenizer_matcher *m, pretokenize_work *w)
{
    (void)m;
    w->spare.count = 0;
    for (size_t i = 0; i < w->ranges.count; i++) {
        text_range piece = w->ranges.data[i];
        splitter s = {&w->spare, step, w->spare.count, false};
        size_t at = piece.begin, done = at;
        while (at < piece.end) {
            uint32_t code;
            size_t next = at + character_read(w->text.data + at, &code);
            if (step->members(code)) {
                if (done != at) splitter_push(&s, done, at, false);
                splitter_push(&s, at, next, true);
                done = next;
            }
            at = next;
        }
        if (done != at) splitter_push(&s, done, at, false);
        splitter_finish(&s);
    }
    ranges_turn(w);
    return true;
}

/* Runs of word characters, runs of what is neither word nor space. */
static bool run_words(const pretokenize_step *step, tokenizer_matcher *m, pretokenize_work *w)
{
    (void)step, (void)m;
    w->spare.count = 0;
    for (size_t i = 0; i < w->ranges.count; i++) {
        size_t at = w->ranges.data[i].begin, end = w->ranges.data[i].end, begin = at;
        int kind = 0; /* of the run that began at `begin`: 0 space, 1 word, 2 other */
        while (at < end) {
            uint32_t code;
            size_t size = character_read(w->text.data + at, &code);
            int next = character_is_word(code) ? 1 : character_is_space(code) ? 0 : 2;
            if (next != kind) {
                if (kind && begin != at) text_ranges_push(&w->spare, begin, at);
                begin = at;
                kind = next;
            }
            at += size;
        }
        if (kind && begin != end) text_ranges_push(&w->spare, begin, end);
    }
    ranges_turn(w);
    return true;
}

/* ---- rewriting ---- */

/* The buffer that the text does not lie in, emptied. */
static bytes *buffer_next(pretokenize_work *w)
{
    bytes *out = &w->buffers[w->text.data == w->buffers[0].data];
    bytes_clear(out);
    return out;
}

static bool run_prefix_space(const pretokenize_step *step, tokenizer_matcher *m, pretokenize_work *w)
{
    (void)step, (void)m;
    bytes *out = buffer_next(w);
    for (size_t i = 0; i < w->ranges.count; i++) {
        text_range *piece = &w->ranges.data[i];
        size_t begin = out->size;
        if (w->text.data[piece->begin] != ' ') bytes_append_byte(out, ' ');
        bytes_append(out, w->text.data + piece->begin, piece->end - piece->begin);
        *piece = (text_range){(uint32_t)begin, (uint32_t)out->size};
    }
    w->text = bytes_borrow(out);
    return out->size <= TOKENIZER_GROWN_BYTES_MAX;
}

static bool run_alphabet(const pretokenize_step *step, tokenizer_matcher *m, pretokenize_work *w)
{
    (void)step, (void)m;
    bytes *out = buffer_next(w);
    for (size_t i = 0; i < w->ranges.count; i++) {
        text_range *piece = &w->ranges.data[i];
        size_t begin = out->size;
        alphabet_append(out, (bytes_view){w->text.data + piece->begin, piece->end - piece->begin});
        *piece = (text_range){(uint32_t)begin, (uint32_t)out->size};
    }
    w->text = bytes_borrow(out);
    return out->size <= TOKENIZER_GROWN_BYTES_MAX;
}

static bool run_metaspace(const pretokenize_step *step, tokenizer_matcher *m, pretokenize_work *w)
{
    (void)m;
    bytes *out = buffer_next(w);
    bytes_view mark = step->replacement;
    for (size_t i = 0; i < w->ranges.count; i++) {
        text_range *piece = &w->ranges.data[i];
        const char *at = w->text.data + piece->begin, *end = w->text.data + piece->end;
        size_t begin = out->size, size = (size_t)(end - at);
        bool has_mark = *at == ' ' || (size >= mark.size && memcmp(at, mark.data, mark.size) == 0);
        bool is_first = w->at_start && piece->begin == 0;
        if (!has_mark && !step->never && (is_first || !step->first_only)) bytes_append_view(out, mark);
        for (const char *space; (space = memchr(at, ' ', (size_t)(end - at))); at = space + 1) {
            bytes_append(out, at, (size_t)(space - at));
            bytes_append_view(out, mark);
        }
        bytes_append(out, at, (size_t)(end - at));
        *piece = (text_range){(uint32_t)begin, (uint32_t)out->size};
        if (out->size > TOKENIZER_GROWN_BYTES_MAX) return false;
    }
    w->text = bytes_borrow(out);
    return true;
}

/* ---- reading ---- */

typedef struct pretokenizer_reading {
    tokenizer_pretokenizer *out;
    arena *a;
} pretokenizer_reading;

static err step_new(pretokenizer_reading *r, pretokenize_step step, pretokenize_step **out)
{
    tokenizer_pretokenizer *p = r->out;
    if (p->count == TOKENIZER_STEPS_MAX)
        return err_make(ERR_LIMIT, "pre_tokenizer: more than %d steps", TOKENIZER_STEPS_MAX);
    p->steps[p->count] = step;
    *out = &p->steps[p->count++];
    return ERR_OK;
}

static err behavior_read(const json_node *node, split_behavior fallback, split_behavior *out)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                        "Contiguous"};
    const json_node *given = json_get(node, "behavior");
    *out = fallback;
    if (!given) return ERR_OK;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        *out = (split_behavior)i;
        if (bytes_view_is(json_text(given), names[i])) return ERR_OK;
    }
    return err_make(ERR_FORMAT,
                    "line %u: \"behavior\": expected Removed, Isolated, MergedWithPrevious, "
                    "MergedWithNext or Contiguous",
                    given->line);
}

static err read_byte_level(pretokenizer_reading *r, const json_node *node)
{
    static const bytes_view gpt2 = VIEW("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
                                        "\\s+(?!\\S)|\\s+");
    pretokenize_step *step = NULL;
    if (json_bool(json_get(node, "add_prefix_space"), true)) {
        err e = step_new(r, (pretokenize_step){.run = run_prefix_space}, &step);
        if (e.code) return e;
    }
    if (json_bool(json_get(node, "use_regex"), true)) {
        err e = step_new(r, (pretokenize_step){.run = run_split, .behavior = SPLIT_ISOLATED}, &step);
        if (!e.code) e = text_pattern_of_regex(gpt2, &step->pattern);
        if (e.code) return e;
    }
    return step_new(r, (pretokenize_step){.run = run_alphabet}, &step);
}

static err read_split(pretokenizer_reading *r, const json_node *node)
{
    pretokenize_step *step = NULL;
    err e = step_new(r, (pretokenize_step){.run = run_split}, &step);
    if (!e.code) e = behavior_read(node, SPLIT_ISOLATED, &step->behavior);
    if (e.code) return e;
    if (!json_get(node, "behavior")) return err_make(ERR_FORMAT, "Split: expected \"behavior\"");
    step->invert = json_bool(json_get(node, "invert"), false);
    return text_pattern_read(json_get(node, "pattern"), r->a, &step->pattern);
}

static err read_digits(pretokenizer_reading *r, const json_node *node)
{
    pretokenize_step *step = NULL;
    bool each = json_bool(json_get(node, "individual_digits"), false);
    return step_new(r,
                    (pretokenize_step){.run = run_class,
                                       .members = character_is_numeric,
                                       .behavior = each ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS},
                    &step);
}

static err read_metaspace(pretokenizer_reading *r, const json_node *node)
{
    pretokenize_step *step = NULL;
    err e = step_new(r, (pretokenize_step){.run = run_metaspace}, &step);
    if (e.code) return e;
    e = tokenizer_text_read(node, "replacement", r->a, &step->replacement);
    if (e.code) return e;
    uint32_t code;
    bytes_view mark = step->replacement;
    if (!mark.size || utf8_decode(mark.data, mark.size, &code) != mark.size)
        return err_make(ERR_FORMAT, "Metaspace: expected \"replacement\" to be one character");
    bytes_view scheme = json_text(json_get(node, "prepend_scheme"));
    if (!scheme.size)
        scheme = json_bool(json_get(node, "add_prefix_space"), true) ? VIEW("always") : VIEW("never");
    step->first_only = bytes_view_is(scheme, "first");
    step->never = bytes_view_is(scheme, "never");
    if (!step->first_only && !step->never && !bytes_view_is(scheme, "always"))
        return err_make(ERR_FORMAT, "Metaspace: \"prepend_scheme\": expected always, first or never");
    if (!json_bool(json_get(node, "split"), true)) return ERR_OK;
    return step_new(r,
                    (pretokenize_step){
                        .run = run_split, .behavior = SPLIT_MERGED_WITH_NEXT, .pattern = {.literal = mark}},
                    &step);
}

static err read_punctuation(pretokenizer_reading *r, const json_node *node)
{
    pretokenize_step *step = NULL;
    err e = step_new(r, (pretokenize_step){.run = run_class, .members = character_is_punctuation}, &step);
    return e.code ? e : behavior_read(node, SPLIT_ISOLATED, &step->behavior);
}

static err read_whitespace(pretokenizer_reading *r, const json_node *node)
{
    (void)node;
    pretokenize_step *step = NULL;
    return step_new(r, (pretokenize_step){.run = run_words}, &step);
}

static err read_whitespace_split(pretokenizer_reading *r, const json_node *node)
{
    (void)node;
    pretokenize_step *step = NULL;
    return step_new(
        r, (pretokenize_step){.run = run_class, .members = character_is_space, .behavior = SPLIT_REMOVED},
        &step);
}

static err read_delimiter(pretokenizer_reading *r, const json_node *node)
{
    pretokenize_step *step = NULL;
    err e = step_new(r, (pretokenize_step){.run = run_split, .behavior = SPLIT_REMOVED}, &step);
    if (!e.code) e = tokenizer_text_read(node, "delimiter", r->a, &step->pattern.literal);
    if (!e.code && !step->pattern.literal.size)
        e = err_make(ERR_FORMAT, "CharDelimiterSplit: \"delimiter\" is empty");
    return e;
}

typedef struct pretokenize_kind {
    const char *type;
    err (*read)(pretokenizer_reading *r, const json_node *node);
} pretokenize_kind;
static const pretokenize_kind kinds[] = {
    {"ByteLevel", read_byte_level},
    {"Split", read_split},
    {"Digits", read_digits},
    {"Metaspace", read_metaspace},
    {"Punctuation", read_punctuation},
    {"Whitespace", read_whitespace},
    {"WhitespaceSplit", read_whitespace_split},
    {"CharDelimiterSplit", read_delimiter},
};

static err step_read(void *context, const json_node *node, const char *type)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(kinds[i].type, type) == 0) return kinds[i].read(context, node);
    return err_make(ERR_UNSUPPORTED, "pre_tokenizer: type \"%s\" is not supported", type);
}

err tokenizer_pretokenizer_read(const json_node *node, arena *a, tokenizer_pretokenizer *out)
{
    out->steps = arena_array(a, pretokenize_step, TOKENIZER_STEPS_MAX);
    pretokenizer_reading reading = {out, a};
    err e = tokenizer_parts_read(node, "pre_tokenizer", "pretokenizers", step_read, &reading);
    out->byte_level = out->count && out->steps[out->count - 1].run == run_alphabet;
    return e;
}

void tokenizer_pretokenizer_free(tokenizer_pretokenizer *p)
{
    for (size_t i = 0; i < p->count; i++) text_pattern_free(&p->steps[i].pattern);
    p->count = 0;
}

/* ---- at work ---- */

bool tokenizer_pretokenize(const tokenizer_pretokenizer *p, tokenizer_matcher *m, bytes_view text,
                           bool at_start, pretokenize_work *w)
{
    w->text = text;
    w->at_start = at_start;
    w->ranges.count = 0;
    if (text.size) text_ranges_push(&w->ranges, 0, text.size);
    size_t count = p->count - p->byte_level;
    for (size_t i = 0; i < count; i++)
        if (!p->steps[i].run(&p->steps[i], m, w)) return false;
    return true;
}

void pretokenize_work_free(pretokenize_work *w)
{
    free(w->ranges.data);
    free(w->spare.data);
    bytes_free(&w->buffers[0]);
    bytes_free(&w->buffers[1]);
    *w = (pretokenize_work){0};
}
