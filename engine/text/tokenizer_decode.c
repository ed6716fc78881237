/* engine/text/tokenizer_decode.c: tokens back to text. Source: spec, section 8.
 *
 * A file's decoder is a chain of steps over a list of strings. Here it runs as a stream: a string comes in
 * fragments, the last of which ends it, and each step passes on what no later fragment can change. Decoding
 * everything at once is the same stream, pushed to its end; so both give the same text. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/text/tokenizer_internal.h"

typedef struct decode_stage decode_stage;
typedef struct decode_step decode_step;

struct decode_step {
    /* A fragment of the current string; `ends`: it is its last. */
    bool (*push)(decode_stage *s, bytes_view fragment, bool ends);
    bool (*finish)(decode_stage *s); /* no string comes any more; NULL: nothing was held back */
    bool (*settle)(decode_stage *s); /* say what is held back though more may come; NULL: drop it */
    text_pattern pattern;            /* Replace */
    bytes_view content;              /* Replace, Strip, Metaspace, BPEDecoder */
    size_t start, stop;              /* Strip */
    bool keep_first;                 /* Metaspace: the first string keeps its blanks */
};

struct decode_stage {
    const decode_step *step;
    decode_stream *stream;
    bytes held;      /* what is not certain yet */
    bytes work;      /* scratch of one push */
    bytes run;       /* ByteFallback: the bytes of the run that is open */
    bool begun;      /* a string has come in */
    bool inside;     /* the current string has begun */
    size_t stripped; /* Strip: how many were removed from its start */
    bool past_start; /* Strip: something else has been seen */
};

struct decode_stream {
    const tokenizer_decoder *decoder;
    tokenizer_matcher matcher;
    bytes *out;
    decode_stage stages[];
};

/* Hands a fragment to the next step, or to the text. */
static bool pass(decode_stage *s, bytes_view fragment, bool ends)
{
    decode_stage *next = s + 1;
    size_t index = (size_t)(next - s->stream->stages);
    if (index < s->stream->decoder->count) return next->step->push(next, fragment, ends);
    bytes_append_view(s->stream->out, fragment);
    return true;
}

/* ---- steps that look at whole strings ---- */

/* Collects fragments; true when *whole is the string. */
static bool hold_whole(decode_stage *s, bytes_view fragment, bool ends, bytes_view *whole)
{
    if (ends && !s->held.size) {
        *whole = fragment;
        return true;
    }
    bytes_append_view(&s->held, fragment);
    *whole = bytes_borrow(&s->held);
    return ends;
}

static bool replace_push(decode_stage *s, bytes_view fragment, bool ends)
{
    bytes_view whole;
    if (!hold_whole(s, fragment, ends, &whole)) return true;
    bytes_clear(&s->work);
    bool fits =
        text_pattern_replace(&s->step->pattern, &s->stream->matcher, whole, s->step->content, &s->work);
    bytes_clear(&s->held);
    return fits && pass(s, bytes_borrow(&s->work), true);
}

/* The value of <0xHH>, -1 for any other string. */
static int byte_token(bytes_view token)
{
    if (token.size != 6 || memcmp(token.data, "<0x", 3) != 0 || token.data[5] != '>') return -1;
    int value = 0;
    for (int i = 3; i < 5; i++) {
        char c = token.data[i], low = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if (low >= 'a' && low <= 'f')
            value = value * 16 + (low - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* A run that is valid as a whole is that text, any other is one U+FFFD for each of its bytes. */
static bool fallback_flush(decode_stage *s)
{
    bool passed = true;
    if (s->run.size && utf8_is_valid(bytes_borrow(&s->run)))
        passed = pass(s, bytes_borrow(&s->run), true);
    else
        for (size_t i = 0; i < s->run.size && passed; i++) passed = pass(s, VIEW("\xEF\xBF\xBD"), true);
    bytes_clear(&s->run);
    return passed;
}

static bool fallback_push(decode_stage *s, bytes_view fragment, bool ends)
{
    bytes_view whole;
    if (!hold_whole(s, fragment, ends, &whole)) return true;
    int byte = byte_token(whole);
    bool passed = true;
    if (byte >= 0)
        bytes_append_byte(&s->run, (char)byte);
    else
        passed = fallback_flush(s) && pass(s, whole, true);
    bytes_clear(&s->held);
    return passed;
}

/* A suffix becomes a blank, but for the last string, where it goes away: so one string is held back. */
static bool suffix_pass(decode_stage *s, bytes_view blank)
{
    text_pattern suffix = {.literal = s->step->content};
    bytes_clear(&s->work);
    bool fits = text_pattern_replace(&suffix, &s->stream->matcher, bytes_borrow(&s->held), blank, &s->work);
    bytes_clear(&s->held);
    return fits && pass(s, bytes_borrow(&s->work), true);
}

static bool suffix_push(decode_stage *s, bytes_view fragment, bool ends)
{
    if (!s->inside && s->begun && !suffix_pass(s, VIEW(" "))) return false;
    s->begun = true;
    s->inside = !ends;
    bytes_append_view(&s->held, fragment);
    return true;
}

static bool suffix_finish(decode_stage *s) { return !s->begun || suffix_pass(s, VIEW("")); }

static bool suffix_settle(decode_stage *s)
{
    bool passed = !s->begun || suffix_pass(s, VIEW(" "));
    s->begun = s->inside = false;
    return passed;
}

/* ---- steps that pass fragments on ---- */

static bool fuse_push(decode_stage *s, bytes_view fragment, bool ends)
{
    (void)ends;
    return pass(s, fragment, false);
}

static bool fuse_finish(decode_stage *s) { return pass(s, (bytes_view){"", 0}, true); }

static bool join_push(decode_stage *s, bytes_view fragment, bool ends)
{
    if (!s->inside && s->begun && !pass(s, VIEW(" "), false)) return false;
    s->begun = true;
    s->inside = !ends;
    return pass(s, fragment, ends);
}

/* Counts on fragments that end between characters, as all do. */
static bool metaspace_push(decode_stage *s, bytes_view fragment, bool ends)
{
    bytes_view mark = s->step->content;
    bool first = !s->begun, drop = first && !s->step->keep_first;
    if (ends) s->begun = true;
    bytes_clear(&s->work);
    text_pattern pattern = {.literal = mark};
    if (!text_pattern_replace(&pattern, &s->stream->matcher, fragment, drop ? VIEW("") : VIEW(" "), &s->work))
        return false;
    return pass(s, bytes_borrow(&s->work), ends);
}

static bool starts_with(bytes_view text, bytes_view start)
{
    return text.size >= start.size && memcmp(text.data, start.data, start.size) == 0;
}

/* Up to `start` at the beginning of a string, and up to `stop` at its end: with a `stop` the whole string has
 * to be there. */
static bool strip_push(decode_stage *s, bytes_view fragment, bool ends)
{
    const decode_step *step = s->step;
    if (step->stop && !hold_whole(s, fragment, ends, &fragment)) return true;
    while (!s->past_start && fragment.size) {
        if (s->stripped == step->start || !starts_with(fragment, step->content)) {
            s->past_start = true;
            break;
        }
        s->stripped++;
        fragment.data += step->content.size;
        fragment.size -= step->content.size;
    }
    for (size_t i = 0; i < step->stop && fragment.size >= step->content.size; i++) {
        bytes_view tail = {fragment.data + fragment.size - step->content.size, step->content.size};
        if (!starts_with(tail, step->content)) break;
        fragment.size -= tail.size;
    }
    if (ends) {
        s->stripped = 0;
        s->past_start = false;
    }
    bool passed = pass(s, fragment, ends);
    if (ends) bytes_clear(&s->held);
    return passed;
}

static bool strip_settle(decode_stage *s)
{
    s->past_start |= s->held.size > 0;
    bytes_clear(&s->held);
    return true;
}

/* ---- ByteLevel: everything becomes bytes, and these one text ---- */

static bool alphabet_read(bytes_view token, bytes *out)
{
    size_t begin = out->size;
    for (size_t at = 0; at < token.size;) {
        uint32_t code;
        at += character_read(token.data + at, &code);
        int byte = alphabet_byte(code);
        if (byte < 0) {
            out->size = begin;
            return false;
        }
        bytes_append_byte(out, (char)byte);
    }
    return true;
}

/* Moves all that is certain from s->held to s->work: characters, and U+FFFD for each part of a broken one. */
static void valid_take(decode_stage *s, bool all)
{
    size_t at = 0;
    while (at < s->held.size) {
        bytes_view rest = {s->held.data + at, s->held.size - at};
        size_t valid = utf8_valid_prefix(rest);
        bytes_append(&s->work, rest.data, valid);
        at += valid;
        rest = (bytes_view){rest.data + valid, rest.size - valid};
        if (!rest.size || (!all && utf8_is_partial(rest.data, rest.size))) break;
        size_t broken = MIN_OF(rest.size, (size_t)UTF8_BYTES_MAX - 1);
        while (broken > 1 && !utf8_is_partial(rest.data, broken)) broken--;
        bytes_append_text(&s->work, "\xEF\xBF\xBD");
        at += broken;
    }
    bytes_remove(&s->held, 0, at);
}

static bool byte_level_push(decode_stage *s, bytes_view fragment, bool ends)
{
    bytes_view token = fragment;
    if (!ends || s->run.size) {
        bytes_append_view(&s->run, fragment);
        if (!ends) return true;
        token = bytes_borrow(&s->run);
    }
    if (!alphabet_read(token, &s->held)) bytes_append_view(&s->held, token);
    bytes_clear(&s->run);
    bytes_clear(&s->work);
    valid_take(s, false);
    return !s->work.size || pass(s, bytes_borrow(&s->work), false);
}

static bool byte_level_settle(decode_stage *s)
{
    bytes_clear(&s->work);
    valid_take(s, true);
    return pass(s, bytes_borrow(&s->work), false);
}

static bool byte_level_finish(decode_stage *s)
{
    return byte_level_settle(s) && pass(s, (bytes_view){"", 0}, true);
}

/* ---- reading ---- */

static err read_replace(const json_node *node, arena *a, decode_step *step)
{
    err e = tokenizer_text_read(node, "content", a, &step->content);
    return e.code ? e : text_pattern_read(json_get(node, "pattern"), a, &step->pattern);
}

static err read_metaspace(const json_node *node, arena *a, decode_step *step)
{
    err e = tokenizer_text_read(node, "replacement", a, &step->content);
    if (e.code) return e;
    if (!step->content.size) return err_make(ERR_FORMAT, "Metaspace: \"replacement\" is empty");
    const json_node *scheme = json_get(node, "prepend_scheme");
    step->keep_first = scheme ? bytes_view_is(json_text(scheme), "never")
                              : !json_bool(json_get(node, "add_prefix_space"), true);
    return ERR_OK;
}

static err read_strip(const json_node *node, arena *a, decode_step *step)
{
    err e = tokenizer_text_read(node, "content", a, &step->content);
    if (e.code) return e;
    int64_t start = json_int(json_get(node, "start"), -1), stop = json_int(json_get(node, "stop"), -1);
    if (!step->content.size || start < 0 || stop < 0)
        return err_make(ERR_FORMAT, "Strip: expected \"content\", \"start\" and \"stop\"");
    step->start = (size_t)start;
    step->stop = (size_t)stop;
    return ERR_OK;
}

static err read_suffix(const json_node *node, arena *a, decode_step *step)
{
    err e = tokenizer_text_read(node, "suffix", a, &step->content);
    if (!e.code && !step->content.size) e = err_make(ERR_FORMAT, "BPEDecoder: \"suffix\" is empty");
    return e;
}

typedef struct decode_kind {
    const char *type;
    err (*read)(const json_node *node, arena *a, decode_step *step);
    decode_step step;
} decode_kind;
static const decode_kind kinds[] = {
    {"ByteLevel", NULL, {.push = byte_level_push, .finish = byte_level_finish, .settle = byte_level_settle}},
    {"Metaspace", read_metaspace, {.push = metaspace_push}},
    {"ByteFallback", NULL, {.push = fallback_push, .finish = fallback_flush, .settle = fallback_flush}},
    {"Fuse", NULL, {.push = fuse_push, .finish = fuse_finish}},
    {"Strip", read_strip, {.push = strip_push, .settle = strip_settle}},
    {"Replace", read_replace, {.push = replace_push}},
    {"BPEDecoder", read_suffix, {.push = suffix_push, .finish = suffix_finish, .settle = suffix_settle}},
};

typedef struct decoder_reading {
    tokenizer_decoder *out;
    arena *a;
} decoder_reading;

static err step_read(void *context, const json_node *node, const char *type)
{
    decoder_reading *reading = context;
    tokenizer_decoder *d = reading->out;
    if (d->count == TOKENIZER_STEPS_MAX)
        return err_make(ERR_LIMIT, "decoder: more than %d steps", TOKENIZER_STEPS_MAX);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(kinds[i].type, type) != 0) continue;
        decode_step *step = &d->steps[d->count++];
        *step = kinds[i].step;
        return kinds[i].read ? kinds[i].read(node, reading->a, step) : ERR_OK;
    }
    return err_make(ERR_UNSUPPORTED, "decoder: type \"%s\" is not supported", type);
}

err tokenizer_decoder_read(const json_node *node, arena *a, tokenizer_decoder *out)
{
    out->steps = arena_array(a, decode_step, TOKENIZER_STEPS_MAX);
    if (json_is_null(node)) { /* without a decoder, tokens are joined by blanks */
        out->steps[out->count++] = (decode_step){.push = join_push};
        return ERR_OK;
    }
    decoder_reading reading = {out, a};
    return tokenizer_parts_read(node, "decoder", "decoders", step_read, &reading);
}

void tokenizer_decoder_free(tokenizer_decoder *d)
{
    for (size_t i = 0; i < d->count; i++) text_pattern_free(&d->steps[i].pattern);
    d->count = 0;
}

/* ---- the stream ---- */

decode_stream *decode_stream_new(const tokenizer_decoder *d)
{
    decode_stream *s = memory_alloc(sizeof *s + d->count * sizeof *s->stages);
    s->decoder = d;
    for (size_t i = 0; i < d->count; i++) {
        s->stages[i].step = &d->steps[i];
        s->stages[i].stream = s;
    }
    return s;
}

void decode_stream_free(decode_stream *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->decoder->count; i++) {
        bytes_free(&s->stages[i].held);
        bytes_free(&s->stages[i].work);
        bytes_free(&s->stages[i].run);
    }
    tokenizer_matcher_free(&s->matcher);
    free(s);
}

bool decode_stream_push(decode_stream *s, bytes_view token, bytes *out)
{
    s->out = out;
    if (s->decoder->count) return s->stages[0].step->push(&s->stages[0], token, true);
    bytes_append_view(out, token);
    return true;
}

bool decode_stream_finish(decode_stream *s, bytes *out)
{
    s->out = out;
    for (size_t i = 0; i < s->decoder->count; i++) {
        decode_stage *stage = &s->stages[i];
        if (stage->step->finish && !stage->step->finish(stage)) return false;
    }
    return true;
}

bool decode_stream_settle(decode_stream *s, bytes *out)
{
    s->out = out;
    for (size_t i = 0; i < s->decoder->count; i++) {
        decode_stage *stage = &s->stages[i];
        if (stage->step->settle) {
            if (!stage->step->settle(stage)) return false;
        } else {
            bytes_clear(&stage->held);
        }
    }
    return true;
}
