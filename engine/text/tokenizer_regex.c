/* engine/text/tokenizer_regex.c: Oniguruma's regular expressions (Ruby syntax) on PCRE2.
 *
 * Both engines try alternatives in order and agree on what the files use. Where the same letters mean
 * something else they are rewritten, and where there is nothing to rewrite them to they are refused. Source:
 * spec, "Tokenizer", section 11. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdlib.h>
#include <string.h>

#include "engine/text/tokenizer_internal.h"

enum {
    /* Of one match: the patterns of the files take a few steps for each byte, hostile ones any number. */
    REGEX_STEPS_MAX = 1000000,
    REGEX_STEPS_MAX_PER_BYTE = 16,
    REGEX_STACK_BYTES = 64 << 10,
    REGEX_STACK_BYTES_MAX = 64 << 20,
    REGEX_DEPTH_MAX = 128, /* open groups */
};

/* White_Space, which PCRE2 widens by U+180E, and what is left; for use inside a class. */
#define SPACES                                                                                               \
    "\\x09-\\x0D\\x20\\x85\\xA0\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define NO_SPACES                                                                                            \
    "\\x00-\\x08\\x0E-\\x1F\\x21-\\x84\\x86-\\x9F\\xA1-\\x{167F}\\x{1681}-\\x{1FFF}\\x{200B}-\\x{2027}"      \
    "\\x{202A}-\\x{202E}\\x{2030}-\\x{205E}\\x{2060}-\\x{2FFF}\\x{3001}-\\x{10FFFF}"
/* Alphabetic, marks, decimal digits, connectors, and six numbers of Latin-1 that Oniguruma adds. */
#define WORDS                                                                                                \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\xB2\\xB3\\xB9\\xBC-\\xBE\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}"    \
    "\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}"

/* ---- translation ---- */

typedef struct translation {
    const char *at, *end;
    bytes *out;
    size_t atom;                    /* where the last atom begins in *out */
    size_t groups[REGEX_DEPTH_MAX]; /* where the open groups begin */
    size_t depth;
    bool in_class, class_begins;
} translation;

typedef struct escape_rule {
    char letter;
    const char *outside, *inside; /* NULL: not possible there */
} escape_rule;
static const escape_rule escape_rules[] = {
    {'s', "[" SPACES "]", SPACES},
    {'S', "[^" SPACES "]", NO_SPACES},
    {'w', "[" WORDS "]", WORDS},
    {'W', "[^" WORDS "]", NULL},
    {'h', "[0-9A-Fa-f]", "0-9A-Fa-f"},
    {'H', "[^0-9A-Fa-f]", NULL},
    {'b', "(?:(?<=[" WORDS "])(?![" WORDS "])|(?<![" WORDS "])(?=[" WORDS "]))", "\\b"},
    {'B', "(?:(?<=[" WORDS "])(?=[" WORDS "])|(?<![" WORDS "])(?![" WORDS "]))", NULL},
};

/* [:name:]; the others mean other characters in the two engines. */
typedef struct posix_rule {
    const char *name, *to;
} posix_rule;
static const posix_rule posix_rules[] = {
    {"[:space:]", SPACES},         {"[:digit:]", "\\p{Nd}"},    {"[:word:]", WORDS},
    {"[:punct:]", "\\p{P}\\p{S}"}, {"[:xdigit:]", "0-9A-Fa-f"},
};

static err refused(const char *what)
{
    return err_make(ERR_UNSUPPORTED, "a regular expression uses %s, which is not supported", what);
}

/* A backslash and what belongs to it. */
static err escape_translate(translation *t)
{
    if (t->end - t->at < 2) return err_make(ERR_FORMAT, "a regular expression ends in a backslash");
    char letter = t->at[1];
    for (size_t i = 0; i < COUNT_OF(escape_rules); i++) {
        const escape_rule *rule = &escape_rules[i];
        if (rule->letter != letter) continue;
        const char *to = t->in_class ? rule->inside : rule->outside;
        if (!to) return refused("\\W, \\H or \\B inside a class");
        bytes_append_text(t->out, to);
        t->at += 2;
        return ERR_OK;
    }
    if (memchr("GKkgyYC", letter, 7)) return refused("a back reference or an anchor like \\G");
    const char *close = t->at + 2;
    if (strchr("pPx", letter) && close < t->end && *close == '{') {
        close = memchr(close, '}', (size_t)(t->end - close));
        if (!close) return err_make(ERR_FORMAT, "a regular expression holds \\%c{ without '}'", letter);
        close++;
    }
    bytes_append(t->out, t->at, (size_t)(close - t->at));
    t->at = close;
    return ERR_OK;
}

/* One element of a class, at t->at. */
static err class_translate(translation *t)
{
    size_t left = (size_t)(t->end - t->at);
    bool begins = t->class_begins;
    t->class_begins = false;
    if (*t->at == '\\') return escape_translate(t);
    if (left > 1 && t->at[0] == '&' && t->at[1] == '&') return refused("the class operator &&");
    if (*t->at == '[') {
        for (size_t i = 0; i < COUNT_OF(posix_rules); i++) {
            size_t size = strlen(posix_rules[i].name);
            if (left < size || memcmp(t->at, posix_rules[i].name, size) != 0) continue;
            bytes_append_text(t->out, posix_rules[i].to);
            t->at += size;
            return ERR_OK;
        }
        return refused(
            "a class inside a class, or a POSIX class other than space, digit, xdigit, word and punct");
    }
    if (*t->at == ']') {
        if (begins) return refused("an empty class");
        t->in_class = false;
    }
    bytes_append_byte(t->out, *t->at++);
    return ERR_OK;
}

/* "(" and the letters that say what kind of group it is. */
static err group_translate(translation *t)
{
    if (t->depth == REGEX_DEPTH_MAX)
        return err_make(ERR_LIMIT, "a regular expression nests deeper than %d groups", REGEX_DEPTH_MAX);
    const char *flags = t->at + 1;
    if (flags < t->end && *flags == '?') {
        for (flags++; flags < t->end && strchr("imx-", *flags); flags++)
            if (*flags != 'i' && *flags != '-') return refused("a flag other than (?i)");
        /* Ruby's lasts to the end of the group over all alternatives; at the very beginning both agree. */
        if (flags < t->end && *flags == ')' && t->out->size) return refused("a flag without a group");
    } else if (flags < t->end && *flags == '*') {
        return refused("a verb like (*VERB)");
    }
    t->groups[t->depth++] = t->out->size;
    bytes_append(t->out, t->at, (size_t)(flags - t->at));
    t->at = flags;
    return ERR_OK;
}

/* {n,m}, after which '+' repeats the repetition in Oniguruma and makes it possessive in PCRE2; {,m} counts
 * from 0 in the one and is text in the other. */
static void interval_translate(translation *t)
{
    const char *close = t->at + 1;
    while (close < t->end && ((*close >= '0' && *close <= '9') || *close == ',')) close++;
    if (close == t->end || *close != '}') {
        bytes_append_text(t->out, "\\{");
        t->at++;
        return;
    }
    close++;
    bytes atom = {0};
    bytes_append(&atom, t->out->data + t->atom, t->out->size - t->atom);
    bool from_zero = t->at[1] == ',' && close - t->at > 3;
    bytes_append_text(&atom, from_zero ? "{0" : "{");
    bytes_append(&atom, t->at + 1, (size_t)(close - t->at - 1));
    bool again = close < t->end && *close == '+';
    t->out->size = t->atom;
    bytes_printf(t->out, again ? "(?:%s)+" : "%s", bytes_text(&atom));
    bytes_free(&atom);
    t->at = close + again;
}

static err item_translate(translation *t)
{
    char c = *t->at;
    if (c == '{') return interval_translate(t), ERR_OK;
    if (c == '?' || c == '*' || c == '+') {
        bytes_append_byte(t->out, c);
        t->at++;
        return ERR_OK;
    }
    t->atom = t->out->size;
    if (c == '\\') return escape_translate(t);
    if (c == '(') return group_translate(t);
    if (c == ')') {
        if (!t->depth) return err_make(ERR_FORMAT, "a regular expression closes a group it did not open");
        t->atom = t->groups[--t->depth];
    }
    if (c == '[') {
        t->in_class = t->class_begins = true; /* the atom is the whole class */
        bytes_append_byte(t->out, *t->at++);
        if (t->at == t->end || *t->at != '^') return ERR_OK;
    }
    bytes_append_byte(t->out, *t->at++);
    while (!t->in_class && t->at < t->end && ((unsigned char)*t->at & 0xC0) == 0x80)
        bytes_append_byte(t->out, *t->at++);
    return ERR_OK;
}

err tokenizer_regex_translate(bytes_view pattern, bytes *out)
{
    if (pattern.size > TOKENIZER_PATTERN_BYTES_MAX)
        return err_make(ERR_LIMIT, "a regular expression is longer than %d bytes",
                        TOKENIZER_PATTERN_BYTES_MAX);
    if (memchr(pattern.data, 0, pattern.size)) return refused("a NUL");
    translation t = {.at = pattern.data, .end = pattern.data + pattern.size, .out = out, .atom = out->size};
    while (t.at < t.end) {
        err e = t.in_class ? class_translate(&t) : item_translate(&t);
        if (e.code) return e;
        if (out->size > 16 * TOKENIZER_PATTERN_BYTES_MAX) return refused("too many intervals");
    }
    return ERR_OK;
}

/* ---- compiling and finding ---- */

struct tokenizer_regex {
    pcre2_code *code;
};

err tokenizer_regex_compile(bytes_view pattern, tokenizer_regex **out)
{
    CLEANUP(bytes_free) bytes translated = {0};
    err e = tokenizer_regex_translate(pattern, &translated);
    if (e.code) return e;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) memory_exhausted(sizeof(void *));
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int code = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)bytes_text(&translated), translated.size,
                                         PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                                         &code, &offset, context);
    pcre2_compile_context_free(context);
    if (!compiled) {
        unsigned char words[128];
        pcre2_get_error_message(code, words, sizeof words);
        return err_make(ERR_FORMAT, "a regular expression does not compile: %s", (char *)words);
    }
    (void)pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE); /* without it the same matches come, slower */
    tokenizer_regex *regex = memory_alloc(sizeof *regex);
    regex->code = compiled;
    *out = regex;
    return ERR_OK;
}

void tokenizer_regex_free(tokenizer_regex *r)
{
    if (!r) return;
    pcre2_code_free(r->code);
    free(r);
}

static void matcher_open(tokenizer_matcher *m)
{
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_jit_stack *stack = pcre2_jit_stack_create(REGEX_STACK_BYTES, REGEX_STACK_BYTES_MAX, NULL);
    if (!context || !data) memory_exhausted(sizeof(void *));
    if (stack) pcre2_jit_stack_assign(context, NULL, stack);
    *m = (tokenizer_matcher){data, context, stack};
}

void tokenizer_matcher_free(tokenizer_matcher *m)
{
    if (m->stack) pcre2_jit_stack_free(m->stack);
    pcre2_match_context_free(m->context);
    pcre2_match_data_free(m->data);
    *m = (tokenizer_matcher){0};
}

match_result tokenizer_regex_find(const tokenizer_regex *r, tokenizer_matcher *m, bytes_view text,
                                  size_t from, text_range *found)
{
    if (!m->data) matcher_open(m);
    uint64_t steps_max = REGEX_STEPS_MAX + (uint64_t)REGEX_STEPS_MAX_PER_BYTE * text.size;
    pcre2_set_match_limit(m->context, (uint32_t)MIN_OF(steps_max, (uint64_t)UINT32_MAX));
    int count =
        pcre2_match(r->code, (PCRE2_SPTR)text.data, text.size, from, PCRE2_NO_UTF_CHECK, m->data, m->context);
    if (count == PCRE2_ERROR_NOMATCH) return MATCH_NONE;
    if (count < 0) return MATCH_LIMIT;
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(m->data);
    *found = (text_range){(uint32_t)ends[0], (uint32_t)ends[1]};
    return MATCH_FOUND;
}
