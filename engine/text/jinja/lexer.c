/* The lexer of jinja2 3.1 with trim_blocks and lstrip_blocks on, keep_trailing_newline off. */
#define _GNU_SOURCE
#include "engine/text/jinja/lexer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/text/jinja/render.h"

typedef struct lexer {
    const char *at, *end;
    uint32_t line;
    bool line_starting; /* what was read last ended with a newline */
    char open[256];     /* brackets that wait to be closed, in a tag */
    size_t open_count;
    arena *a;
    jinja_token *tokens;
    size_t count, capacity;
    const char *file_name;
    jmp_buf failed;
    err failure;
} lexer;

static void fail(lexer *x, const char *format, ...) PRINTF_LIKE(2, 3) __attribute__((noreturn));
static void fail(lexer *x, const char *format, ...)
{
    char words[256];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    x->failure = err_make(ERR_FORMAT, "%s, line %u: %s", x->file_name, x->line, words);
    longjmp(x->failed, 1);
}

static void token_add(lexer *x, jinja_token_kind kind, bytes_view text)
{
    if (x->count == x->capacity) {
        x->capacity = x->capacity ? x->capacity * 2 : 256;
        jinja_token *tokens = arena_array(x->a, jinja_token, x->capacity);
        if (x->count) memcpy(tokens, x->tokens, x->count * sizeof *tokens);
        x->tokens = tokens;
    }
    x->tokens[x->count++] = (jinja_token){kind, x->line, text};
}

static bool stands(const lexer *x, const char *word)
{
    size_t size = strlen(word);
    return (size_t)(x->end - x->at) >= size && memcmp(x->at, word, size) == 0;
}

static void advance(lexer *x, size_t size)
{
    for (const char *end = x->at + size; x->at < end; x->at++) x->line += *x->at == '\n';
    if (size) x->line_starting = x->at[-1] == '\n';
}

/* Bytes of the white space character at data[0..size), 0: none. */
static size_t space_size(const char *data, size_t size)
{
    uint32_t code;
    size_t count = utf8_decode(data, size, &code);
    return count && jinja_is_space(code) ? count : 0;
}

static void space_skip(lexer *x)
{
    for (size_t size; (size = space_size(x->at, (size_t)(x->end - x->at))) > 0;) advance(x, size);
}

static bytes_view without_trailing_space(bytes_view text)
{
    size_t kept = 0;
    for (size_t i = 0; i < text.size;) {
        size_t size = space_size(text.data + i, text.size - i);
        i += size ? size : 1;
        if (!size) kept = i;
    }
    return (bytes_view){text.data, kept};
}

/* lstrip_blocks: what stands between the line's start and the tag goes when it is white space only. */
static bytes_view without_indentation(bytes_view text, bool line_starting)
{
    size_t line = text.size;
    while (line && text.data[line - 1] != '\n') line--;
    if (!line && !line_starting) return text;
    bytes_view last = {text.data + line, text.size - line};
    return without_trailing_space(last).size ? text : (bytes_view){text.data, line};
}

/* Text up to a tag that begins at `tag` with the sign `sign` ('-', '+' or another). */
static void text_add(lexer *x, const char *tag, char sign, bool is_print)
{
    bytes_view text = {x->at, (size_t)(tag - x->at)};
    if (sign == '-')
        text = without_trailing_space(text);
    else if (sign != '+' && !is_print)
        text = without_indentation(text, x->line_starting);
    if (text.size) token_add(x, JINJA_TOKEN_TEXT, text);
    advance(x, (size_t)(tag - x->at));
}

/* After the end of a tag: '-' takes all white space that follows, else a block takes one newline. */
static void after_tag(lexer *x, char sign, bool trims)
{
    if (sign == '-')
        space_skip(x);
    else if (sign != '+' && trims && x->at < x->end && *x->at == '\n')
        advance(x, 1);
}

static void comment_skip(lexer *x)
{
    advance(x, 2);
    const char *close = memmem(x->at, (size_t)(x->end - x->at), "#}", 2);
    if (!close) fail(x, "expected '#}' at the end of a comment");
    char sign = close > x->at ? close[-1] : 0;
    advance(x, (size_t)(close + 2 - x->at));
    after_tag(x, sign, true);
}

/* Reads "{% WORD %}" at `tag`. Its end, or NULL when something else stands there; its signs. */
static const char *word_tag(const lexer *x, const char *tag, const char *word, char *before, char *after)
{
    lexer probe = {.at = tag + 2, .end = x->end};
    *before = probe.at < probe.end && (*probe.at == '-' || *probe.at == '+') ? *probe.at++ : 0;
    space_skip(&probe);
    if (!stands(&probe, word)) return NULL;
    probe.at += strlen(word);
    space_skip(&probe);
    *after = probe.at < probe.end && (*probe.at == '-' || *probe.at == '+') ? *probe.at++ : 0;
    return stands(&probe, "%}") ? probe.at + 2 : NULL;
}

/* {% raw %}, at its brace: the text up to {% endraw %}. False: no raw tag stands here. */
static bool raw_read(lexer *x)
{
    char before, after;
    const char *close = word_tag(x, x->at, "raw", &before, &after);
    if (!close || after == '+') return false;
    advance(x, (size_t)(close - x->at));
    after_tag(x, after, false);
    for (const char *tag = x->at;; tag += 2) {
        tag = memmem(tag, (size_t)(x->end - tag), "{%", 2);
        if (!tag) fail(x, "expected {%% endraw %%}");
        close = word_tag(x, tag, "endraw", &before, &after);
        if (!close) continue;
        text_add(x, tag, before, false);
        advance(x, (size_t)(close - x->at));
        after_tag(x, after, true);
        return true;
    }
}

/* ---- inside a tag ---- */

static bool is_word(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80 ||
           (!first && c >= '0' && c <= '9');
}

static bool is_digit_at(const char *at, const char *end) { return at < end && *at >= '0' && *at <= '9'; }

static const char *digits_end(const char *at, const char *end)
{
    while (is_digit_at(at, end) || (at < end && *at == '_' && is_digit_at(at + 1, end))) at++;
    return at;
}

static void number_read(lexer *x)
{
    const char *begin = x->at, *at = digits_end(begin, x->end);
    jinja_token_kind kind = JINJA_TOKEN_INTEGER;
    if (*begin == '0' && begin + 1 < x->end && begin[1] && strchr("xXoObB", begin[1]))
        fail(x, "expected a decimal number");
    if (at < x->end && *at == '.' && is_digit_at(at + 1, x->end)) {
        kind = JINJA_TOKEN_FLOAT;
        at = digits_end(at + 1, x->end);
    }
    const char *exponent = at + 1;
    if (exponent < x->end && (*exponent == '+' || *exponent == '-')) exponent++;
    if (at < x->end && (*at == 'e' || *at == 'E') && is_digit_at(exponent, x->end)) {
        kind = JINJA_TOKEN_FLOAT;
        at = digits_end(exponent, x->end);
    }
    char *text = arena_alloc(x->a, (size_t)(at - begin) + 1), *to = text;
    for (const char *from = begin; from < at; from++)
        if (*from != '_') *to++ = *from;
    token_add(x, kind, (bytes_view){text, (size_t)(to - text)});
    advance(x, (size_t)(at - begin));
}

/* \xHH, \uHHHH, \UHHHHHHHH, at the first digit. */
static const char *hex_escape(lexer *x, const char *at, const char *end, int digits, char **to)
{
    uint32_t code = 0;
    for (int i = 0; i < digits; i++, at++) {
        char c = at < end ? *at : 0, low = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            code = code << 4 | (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f')
            code = code << 4 | (uint32_t)(low - 'a' + 10);
        else
            fail(x, "expected %d hexadecimal digits in an escape", digits);
    }
    size_t size = utf8_encode(code, *to);
    if (!size) fail(x, "an escape names U+%04X, which is no character", code);
    *to += size;
    return at;
}

/* One escape, after its backslash; what follows it. An unknown one keeps its backslash, as in Python. */
static const char *escape_read(lexer *x, const char *at, const char *end, char **to)
{
    static const char names[] = "\\'\"abfnrtv", meanings[] = "\\'\"\a\b\f\n\r\t\v";
    const char *name = *at ? strchr(names, *at) : NULL;
    if (name) {
        *(*to)++ = meanings[name - names];
        return at + 1;
    }
    if (*at == '\n') return at + 1;
    if (*at == 'x') return hex_escape(x, at + 1, end, 2, to);
    if (*at == 'u') return hex_escape(x, at + 1, end, 4, to);
    if (*at == 'U') return hex_escape(x, at + 1, end, 8, to);
    if (*at == 'N') fail(x, "characters by name (\\N) are not supported");
    if (*at >= '0' && *at <= '7') {
        uint32_t code = 0;
        for (int i = 0; i < 3 && at < end && *at >= '0' && *at <= '7'; i++)
            code = code * 8 + (uint32_t)(*at++ - '0');
        *to += utf8_encode(code, *to);
        return at;
    }
    *(*to)++ = '\\';
    return at;
}

static void string_read(lexer *x)
{
    char quote = *x->at;
    const char *begin = x->at + 1, *close = begin;
    while (close < x->end && *close != quote) close += *close == '\\' && x->end - close > 1 ? 2 : 1;
    if (close >= x->end) fail(x, "expected %c at the end of a string", quote);
    /* an escape is never shorter than what it stands for, but for \ooo: two bytes at most from two */
    char *text = arena_alloc(x->a, (size_t)(close - begin) + 1), *to = text;
    for (const char *at = begin; at < close;) {
        if (*at == '\\')
            at = escape_read(x, at + 1, close, &to);
        else
            *to++ = *at++;
    }
    token_add(x, JINJA_TOKEN_STRING, (bytes_view){text, (size_t)(to - text)});
    advance(x, (size_t)(close + 1 - x->at));
}

static void bracket_track(lexer *x, char c)
{
    static const char opens[] = "([{", closes[] = ")]}";
    if (strchr(opens, c)) {
        if (x->open_count == sizeof x->open) fail(x, "brackets are nested deeper than %zu", sizeof x->open);
        x->open[x->open_count++] = closes[strchr(opens, c) - opens];
    } else if (strchr(closes, c)) {
        if (!x->open_count) fail(x, "unexpected '%c'", c);
        char wanted = x->open[--x->open_count];
        if (wanted != c) fail(x, "expected '%c', found '%c'", wanted, c);
    }
}

static void operator_read(lexer *x)
{
    static const char *const doubles[] = {"//", "**", "==", "!=", ">=", "<="};
    size_t size = 0;
    for (size_t i = 0; i < COUNT_OF(doubles) && !size; i++)
        if (stands(x, doubles[i])) size = 2;
    if (!size && *x->at && strchr("+-/*%~[](){}><=.:|,;", *x->at)) size = 1;
    if (!size) fail(x, "unexpected '%c' in a tag", *x->at >= 0x20 && *x->at < 0x7F ? *x->at : '?');
    if (size == 1) bracket_track(x, *x->at);
    token_add(x, JINJA_TOKEN_OPERATOR, (bytes_view){x->at, size});
    advance(x, size);
}

/* The end of the tag, when it stands here and no bracket is open. */
static bool tag_end(lexer *x, bool is_print)
{
    char sign = x->end - x->at >= 3 && (*x->at == '-' || (*x->at == '+' && !is_print)) ? *x->at : 0;
    const char *close = x->at + (sign != 0);
    if (x->open_count || x->end - close < 2 || memcmp(close, is_print ? "}}" : "%}", 2) != 0) return false;
    token_add(x, is_print ? JINJA_TOKEN_PRINT_END : JINJA_TOKEN_BLOCK_END, VIEW(""));
    advance(x, (size_t)(close + 2 - x->at));
    after_tag(x, sign, !is_print);
    return true;
}

static void tag_read(lexer *x, bool is_print)
{
    token_add(x, is_print ? JINJA_TOKEN_PRINT_BEGIN : JINJA_TOKEN_BLOCK_BEGIN, VIEW(""));
    advance(x, 2);
    if (x->at < x->end && (*x->at == '-' || *x->at == '+')) advance(x, 1);
    for (x->open_count = 0;;) {
        space_skip(x);
        if (x->at == x->end) fail(x, "expected '%s' at the end of a tag", is_print ? "}}" : "%}");
        if (x->at < x->end && tag_end(x, is_print)) return;
        if (is_digit_at(x->at, x->end)) {
            number_read(x);
        } else if (is_word(*x->at, true)) {
            const char *at = x->at;
            while (at < x->end && is_word(*at, false)) at++;
            token_add(x, JINJA_TOKEN_NAME, (bytes_view){x->at, (size_t)(at - x->at)});
            advance(x, (size_t)(at - x->at));
        } else if (*x->at == '\'' || *x->at == '"') {
            string_read(x);
        } else {
            operator_read(x);
        }
    }
}

static const char *next_tag(const lexer *x)
{
    for (const char *at = x->at; x->end - at >= 2; at++) {
        at = memchr(at, '{', (size_t)(x->end - at - 1));
        if (!at) return NULL;
        if (at[1] == '{' || at[1] == '%' || at[1] == '#') return at;
    }
    return NULL;
}

static void source_read(lexer *x)
{
    for (const char *tag; (tag = next_tag(x)) != NULL;) {
        bool is_print = tag[1] == '{';
        text_add(x, tag, x->end - tag > 2 ? tag[2] : 0, is_print);
        if (tag[1] == '#')
            comment_skip(x);
        else if (is_print || !raw_read(x))
            tag_read(x, is_print);
    }
    if (x->at < x->end) token_add(x, JINJA_TOKEN_TEXT, (bytes_view){x->at, (size_t)(x->end - x->at)});
    advance(x, (size_t)(x->end - x->at));
    token_add(x, JINJA_TOKEN_END, VIEW(""));
}

err jinja_lex(bytes_view source, const char *file_name, arena *a, jinja_token **out)
{
    lexer x = {.at = source.data,
               .end = source.data + source.size,
               .line = 1,
               .line_starting = true,
               .a = a,
               .file_name = file_name};
    if (setjmp(x.failed)) return x.failure;
    source_read(&x);
    *out = x.tokens;
    return ERR_OK;
}
