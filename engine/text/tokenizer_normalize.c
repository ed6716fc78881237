/* engine/text/tokenizer_normalize.c: what is done to a text before it is cut. Source: spec, section 3. */
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/utf8.h"
#include "engine/text/tokenizer_internal.h"

struct normalize_step {
    bool (*run)(const struct normalize_step *step, tokenizer_matcher *m, bytes_view text, bytes *out);
    utf8proc_option_t form; /* run_form */
    text_pattern pattern;   /* run_replace */
    bytes_view content;     /* run_replace, run_prepend */
    bool left, right;       /* run_strip */
};
typedef struct normalize_step normalize_step;

/* ---- Unicode normal forms ---- */

/* True for characters that no normal form changes and that join nothing before them: a stretch of these may
 * be cut before any of them. NFC leaves far more alone than the others (table of NFC_Quick_Check). */
static bool is_settled(uint32_t code, utf8proc_option_t form)
{
    if (code < 0x80) return true;
    if (!(form & UTF8PROC_COMPOSE) || (form & UTF8PROC_COMPAT)) return false;
    return code < 0x300 || (code >= 0x388 && code <= 0x482) || (code >= 0x3041 && code <= 0x3096) ||
           (code >= 0x30A1 && code <= 0x30FA) || (code >= 0x3400 && code <= 0x9FFF) ||
           (code >= 0xAC00 && code <= 0xD7A3);
}

/* Unsettled characters together with the one before them, which may take a mark in. */
static void form_append(bytes_view part, utf8proc_option_t form, bytes *out)
{
    utf8proc_uint8_t *formed = NULL;
    utf8proc_ssize_t size = utf8proc_map((const utf8proc_uint8_t *)part.data, (utf8proc_ssize_t)part.size,
                                         &formed, form | UTF8PROC_STABLE);
    if (size < 0) memory_exhausted(part.size); /* the text is valid: there is no other reason */
    bytes_append(out, formed, (size_t)size);
    free(formed);
}

static bool run_form(const normalize_step *step, tokenizer_matcher *m, bytes_view text, bytes *out)
{
    (void)m;
    size_t at = 0, done = 0, last = 0; /* last: where the character before `at` begins */
    while (at < text.size) {
        uint32_t code;
        size_t size = character_read(text.data + at, &code);
        if (is_settled(code, step->form)) {
            last = at;
            at += size;
            continue;
        }
        if (last < done) last = done;
        bytes_append(out, text.data + done, last - done);
        while (at < text.size &&
               (size = character_read(text.data + at, &code), !is_settled(code, step->form)))
            at += size;
        form_append((bytes_view){text.data + last, at - last}, step->form, out);
        done = last = at;
    }
    bytes_append(out, text.data + done, text.size - done);
    return true;
}

/* ---- the others ---- */

static void character_append(bytes *out, uint32_t code)
{
    char encoded[UTF8_BYTES_MAX];
    bytes_append(out, encoded, utf8_encode(code, encoded));
}

/* The one character whose lower case is two: U+0130. */
static bool run_lowercase(const normalize_step *step, tokenizer_matcher *m, bytes_view text, bytes *out)
{
    (void)step, (void)m;
    uint32_t code;
    for (size_t at = 0; at < text.size;) {
        at += character_read(text.data + at, &code);
        if (code == 0x130)
            bytes_append_text(out, "i\xCC\x87");
        else if (code < 0x80)
            bytes_append_byte(out, (char)(code >= 'A' && code <= 'Z' ? code + 32 : code));
        else
            character_append(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)code));
    }
    return true;
}

static bool run_strip(const normalize_step *step, tokenizer_matcher *m, bytes_view text, bytes *out)
{
    (void)m;
    const char *begin = text.data, *end = text.data + text.size;
    uint32_t code;
    size_t size;
    while (step->left && begin < end && (size = character_read(begin, &code), character_is_space(code)))
        begin += size;
    while (step->right && (size = character_before(begin, end, &code)) && character_is_space(code))
        end -= size;
    bytes_append(out, begin, (size_t)(end - begin));
    return true;
}

static bool run_strip_accents(const normalize_step *step, tokenizer_matcher *m, bytes_view text, bytes *out)
{
    (void)step, (void)m;
    for (size_t at = 0, size; at < text.size; at += size) {
        uint32_t code;
        size = character_read(text.data + at, &code);
        if (!character_is_mark(code)) bytes_append(out, text.data + at, size);
    }
    return true;
}

static bool run_replace(const normalize_step *step, tokenizer_matcher *m, bytes_view text, bytes *out)
{
    return text_pattern_replace(&step->pattern, m, text, step->content, out);
}

static bool run_prepend(const normalize_step *step, tokenizer_matcher *m, bytes_view text, bytes *out)
{
    (void)m;
    if (text.size) bytes_append_view(out, step->content);
    bytes_append_view(out, text);
    return true;
}

static bool run_byte_level(const normalize_step *step, tokenizer_matcher *m, bytes_view text, bytes *out)
{
    (void)step, (void)m;
    alphabet_append(out, text);
    return true;
}

/* ---- reading ---- */

static err read_strip(const json_node *node, arena *a, normalize_step *step)
{
    (void)a;
    step->left = json_bool(json_get(node, "strip_left"), false);
    step->right = json_bool(json_get(node, "strip_right"), false);
    return ERR_OK;
}

static err read_replace(const json_node *node, arena *a, normalize_step *step)
{
    err e = tokenizer_text_read(node, "content", a, &step->content);
    return e.code ? e : text_pattern_read(json_get(node, "pattern"), a, &step->pattern);
}

static err read_prepend(const json_node *node, arena *a, normalize_step *step)
{
    return tokenizer_text_read(node, "prepend", a, &step->content);
}

typedef struct normalize_kind {
    const char *type;
    bool (*run)(const normalize_step *step, tokenizer_matcher *m, bytes_view text, bytes *out);
    err (*read)(const json_node *node, arena *a, normalize_step *step);
    int form;
} normalize_kind;
static const normalize_kind kinds[] = {
    {"NFC", run_form, NULL, UTF8PROC_COMPOSE},
    {"NFD", run_form, NULL, UTF8PROC_DECOMPOSE},
    {"NFKC", run_form, NULL, UTF8PROC_COMPOSE | UTF8PROC_COMPAT},
    {"NFKD", run_form, NULL, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT},
    {"Lowercase", run_lowercase},
    {"Strip", run_strip, read_strip},
    {"StripAccents", run_strip_accents},
    {"Replace", run_replace, read_replace},
    {"Prepend", run_prepend, read_prepend},
    {"ByteLevel", run_byte_level},
};

typedef struct normalizer_reading {
    tokenizer_normalizer *out;
    arena *a;
} normalizer_reading;

static err step_read(void *context, const json_node *node, const char *type)
{
    normalizer_reading *reading = context;
    tokenizer_normalizer *n = reading->out;
    if (n->count == TOKENIZER_STEPS_MAX)
        return err_make(ERR_LIMIT, "normalizer: more than %d steps", TOKENIZER_STEPS_MAX);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(kinds[i].type, type) != 0) continue;
        normalize_step *step = &n->steps[n->count++];
        step->run = kinds[i].run;
        step->form = (utf8proc_option_t)kinds[i].form;
        return kinds[i].read ? kinds[i].read(node, reading->a, step) : ERR_OK;
    }
    return err_make(ERR_UNSUPPORTED, "normalizer: type \"%s\" is not supported", type);
}

err tokenizer_normalizer_read(const json_node *node, arena *a, tokenizer_normalizer *out)
{
    out->steps = arena_array(a, normalize_step, TOKENIZER_STEPS_MAX);
    normalizer_reading reading = {out, a};
    return tokenizer_parts_read(node, "normalizer", "normalizers", step_read, &reading);
}

void tokenizer_normalizer_free(tokenizer_normalizer *n)
{
    for (size_t i = 0; i < n->count; i++) text_pattern_free(&n->steps[i].pattern);
    n->count = 0;
}

bool tokenizer_normalize(const tokenizer_normalizer *n, tokenizer_matcher *m, bytes_view text,
                         bytes buffers[2], bytes_view *result)
{
    for (size_t i = 0; i < n->count; i++) {
        bytes *out = &buffers[i & 1];
        bytes_clear(out);
        if (!n->steps[i].run(&n->steps[i], m, text, out) || out->size > TOKENIZER_GROWN_BYTES_MAX)
            return false;
        text = bytes_borrow(out);
    }
    *result = text;
    return true;
}
