/* engine/text/tokenizer_scan.c: the regular expressions of the known families, by hand.
 *
 * Chosen by exact comparison of the pattern; the tests hold them against PCRE2. They are faster, and they
 * follow the Unicode version of utf8proc, which is nearer to the library's than PCRE2's of some systems.
 * Source: spec, section 11. */
#include <string.h>

#include <utf8proc.h>

#include "engine/text/tokenizer_internal.h"

typedef enum kind {
    UPPER = 1,    /* Lu, Lt */
    LOWER = 2,    /* Ll */
    CASELESS = 4, /* Lm, Lo */
    MARK = 8,
    NUMBER = 16,
    SPACE = 32,
    NEWLINE = 64, /* CR and LF, which are SPACE too */
    SYMBOL = 128, /* P, S */
    REST = 256,
    LETTER = UPPER | LOWER | CASELESS,
} kind;

static unsigned kind_of_category(uint32_t code)
{
    static const unsigned short kinds[] = {
        [UTF8PROC_CATEGORY_LU] = UPPER,    [UTF8PROC_CATEGORY_LL] = LOWER,    [UTF8PROC_CATEGORY_LT] = UPPER,
        [UTF8PROC_CATEGORY_LM] = CASELESS, [UTF8PROC_CATEGORY_LO] = CASELESS, [UTF8PROC_CATEGORY_MN] = MARK,
        [UTF8PROC_CATEGORY_MC] = MARK,     [UTF8PROC_CATEGORY_ME] = MARK,     [UTF8PROC_CATEGORY_ND] = NUMBER,
        [UTF8PROC_CATEGORY_NL] = NUMBER,   [UTF8PROC_CATEGORY_NO] = NUMBER,   [UTF8PROC_CATEGORY_PC] = SYMBOL,
        [UTF8PROC_CATEGORY_PD] = SYMBOL,   [UTF8PROC_CATEGORY_PS] = SYMBOL,   [UTF8PROC_CATEGORY_PE] = SYMBOL,
        [UTF8PROC_CATEGORY_PI] = SYMBOL,   [UTF8PROC_CATEGORY_PF] = SYMBOL,   [UTF8PROC_CATEGORY_PO] = SYMBOL,
        [UTF8PROC_CATEGORY_SM] = SYMBOL,   [UTF8PROC_CATEGORY_SC] = SYMBOL,   [UTF8PROC_CATEGORY_SK] = SYMBOL,
        [UTF8PROC_CATEGORY_SO] = SYMBOL,
    };
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    unsigned found = (size_t)category < COUNT_OF(kinds) ? kinds[category] : 0;
    return found ? found : REST;
}

static bool is_ascii_letter(unsigned char c) { return (unsigned char)((c | 0x20) - 'a') < 26; }

/* The kind of the character at `at` and its size; kind 0 at the end. */
static unsigned kind_at(bytes_view text, size_t at, size_t *size)
{
    *size = 0;
    if (at >= text.size) return 0;
    unsigned char c = (unsigned char)text.data[at];
    *size = 1;
    if (is_ascii_letter(c)) return c & 0x20 ? LOWER : UPPER;
    if (c == ' ') return SPACE;
    if (c < 0x80) {
        if (c == '\n' || c == '\r') return SPACE | NEWLINE;
        if (c >= '0' && c <= '9') return NUMBER;
        return character_is_space(c) ? SPACE : character_is_punctuation(c) ? SYMBOL : REST;
    }
    uint32_t code;
    *size = character_read(text.data + at, &code);
    return character_is_space(code) ? SPACE : kind_of_category(code);
}

/* The end of the run of these kinds, at most `count_max` characters. */
static size_t run_end(bytes_view text, size_t at, unsigned kinds, size_t count_max)
{
    size_t size;
    for (; count_max && (kind_at(text, at, &size) & kinds); count_max--) at += size;
    return at;
}

/* 's 't 'm 'd 're 've 'll, and with any_case also 'S, 'ſ (U+017F) and so on; `at` when there is none. */
static size_t contraction_end(bytes_view text, size_t at, bool any_case)
{
    if (at >= text.size || text.data[at] != '\'') return at;
    const char *rest = text.data + at + 1;
    size_t left = text.size - at - 1;
    if (any_case && left >= 2 && memcmp(rest, "\xC5\xBF", 2) == 0) return at + 3;
    char fold = any_case ? 0x20 : 0;
    char first = left > 0 ? (char)(rest[0] | fold) : 0, second = left > 1 ? (char)(rest[1] | fold) : 0;
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
    bool two =
        (first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l');
    return two ? at + 3 : at;
}

/* \s*[\r\n]+ when `lines`, \s+(?!\S), \s+: the last blank goes to what follows it. */
static size_t space_end(bytes_view text, size_t at, bool lines)
{
    size_t begin = at, last = at, line = 0, size; /* last: the last blank; line: end of the last newline */
    for (unsigned found; (found = kind_at(text, at, &size)) & SPACE; at += size) {
        last = at;
        if (found & NEWLINE) line = at + size;
    }
    if (lines && line) return line;
    return at == text.size || last == begin ? at : last;
}

/* ` ?[kinds]+`, `at` when there is none. */
static size_t spaced_run_end(bytes_view text, size_t at, unsigned kinds)
{
    size_t begin = at + (text.data[at] == ' '), end = run_end(text, begin, kinds, SIZE_MAX);
    return end > begin ? end : at;
}

static size_t scan_gpt2(const scan_rules *rules, bytes_view text, size_t at)
{
    (void)rules;
    static const unsigned runs[] = {LETTER, NUMBER, MARK | SYMBOL | REST};
    size_t end = contraction_end(text, at, false);
    for (size_t i = 0; i < COUNT_OF(runs) && end == at; i++) end = spaced_run_end(text, at, runs[i]);
    return end > at ? end : space_end(text, at, false);
}

/* [^\r\n\p{L}\p{N}]?[word]+ */
static size_t word_end(bytes_view text, size_t at, unsigned word)
{
    size_t size;
    unsigned first = kind_at(text, at, &size);
    if (first & word) return run_end(text, at, word, SIZE_MAX);
    if (first & (NEWLINE | LETTER | NUMBER)) return at;
    size_t end = run_end(text, at + size, word, SIZE_MAX);
    return end > at + size ? end : at;
}

static size_t scan_cl100k(const scan_rules *rules, bytes_view text, size_t at)
{
    size_t end = contraction_end(text, at, true);
    if (end == at) end = word_end(text, at, rules->word);
    if (end == at) end = run_end(text, at, NUMBER, rules->digit_count_max);
    if (end > at) return end;
    end = spaced_run_end(text, at, (MARK | SYMBOL | REST) & ~rules->word);
    return end > at ? run_end(text, end, NEWLINE, SIZE_MAX) : space_end(text, at, true);
}

/* [Lu Lt Lm Lo M]*[Ll Lm Lo M]+, else [Lu Lt Lm Lo M]+: the first takes back what it took too much of, up to
 * the last character that may also be the second part. */
static size_t cased_end(bytes_view text, size_t begin, bool lower)
{
    size_t at = begin, size, back = begin; /* back: end of the last character of both parts */
    for (unsigned found; (found = kind_at(text, at, &size)) & (UPPER | CASELESS | MARK); at += size)
        if (found & (CASELESS | MARK)) back = at + size;
    if (!lower) return at;
    return kind_at(text, at, &size) & LOWER ? run_end(text, at, LOWER | CASELESS | MARK, SIZE_MAX) : back;
}

static size_t cased_word_end(bytes_view text, size_t at, bool lower)
{
    size_t size, end = at;
    unsigned first = kind_at(text, at, &size);
    if (!(first & (NEWLINE | LETTER | NUMBER))) {
        end = cased_end(text, at + size, lower);
        if (end > at + size) return end;
    }
    return cased_end(text, at, lower);
}

static size_t scan_o200k(const scan_rules *rules, bytes_view text, size_t at)
{
    size_t end = cased_word_end(text, at, true);
    if (end == at) end = cased_word_end(text, at, false);
    if (end > at) return rules->contractions ? contraction_end(text, end, true) : end;
    end = run_end(text, at, NUMBER, rules->digit_count_max);
    if (end > at) return end;
    end = spaced_run_end(text, at, MARK | SYMBOL | REST);
    if (end == at) return space_end(text, at, true);
    while (end < text.size && strchr("\r\n/", text.data[end]) && text.data[end]) end++;
    return end;
}

static size_t scan_digits(const scan_rules *rules, bytes_view text, size_t at)
{
    return run_end(text, at, NUMBER, rules->digit_count_max);
}

/* [\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+ */
static size_t scan_cjk(const scan_rules *rules, bytes_view text, size_t at)
{
    (void)rules;
    while (at < text.size) {
        uint32_t code;
        size_t size = character_read(text.data + at, &code);
        if (!(code >= 0x4E00 && code <= 0x9FA5) && !(code >= 0x3040 && code <= 0x30FF)) break;
        at += size;
    }
    return at;
}

static size_t scan_deepseek(const scan_rules *rules, bytes_view text, size_t at)
{
    (void)rules;
    size_t end = at + 1, size;
    if (character_is_punctuation((unsigned char)text.data[at]) && (unsigned char)text.data[at] < 0x80) {
        while (end < text.size && is_ascii_letter((unsigned char)text.data[end])) end++;
        if (end > at + 1) return end;
    }
    unsigned first = kind_at(text, at, &size);
    end = run_end(text, at, LETTER | MARK, SIZE_MAX);
    if (end == at && !(first & (NEWLINE | LETTER | SYMBOL))) {
        end = run_end(text, at + size, LETTER | MARK, SIZE_MAX);
        if (end == at + size) end = at;
    }
    if (end > at) return end;
    end = spaced_run_end(text, at, SYMBOL);
    return end > at ? run_end(text, end, NEWLINE, SIZE_MAX) : space_end(text, at, true);
}

/* ---- the patterns, as the files write them ---- */

#define UPPER_CLASS  "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER_CLASS  "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACES       "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CL100K(digits)                                                                                       \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES
#define O200K(end, digits)                                                                                   \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER_CLASS "*" LOWER_CLASS "+" end "|[^\\r\\n\\p{L}\\p{N}]?" UPPER_CLASS       \
    "+" LOWER_CLASS "*" end "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES

static const text_scanner scanners[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", scan_gpt2, {0}},
    {CL100K("\\p{N}{1,3}"), scan_cl100k, {.digit_count_max = 3, .word = LETTER}},
    {CL100K("\\p{N}"), scan_cl100k, {.digit_count_max = 1, .word = LETTER}},
    {CONTRACTIONS
     "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACES,
     scan_cl100k,
     {.digit_count_max = 1, .word = LETTER | MARK}},
    {O200K(CONTRACTIONS "?", "\\p{N}{1,3}"), scan_o200k, {.digit_count_max = 3, .contractions = true}},
    {O200K("", "\\p{N}"), scan_o200k, {.digit_count_max = 1}},
    {"\\p{N}{1,3}", scan_digits, {.digit_count_max = 3}},
    {"[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F\xE3\x82\xA0-\xE3\x83\xBF]+", scan_cjk, {0}},
    {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
     " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
     scan_deepseek,
     {0}},
};

const text_scanner *text_scanner_find(bytes_view pattern)
{
    for (size_t i = 0; i < COUNT_OF(scanners); i++)
        if (bytes_view_is(pattern, scanners[i].pattern)) return &scanners[i];
    return NULL;
}

const text_scanner *text_scanner_at(size_t index)
{
    return index < COUNT_OF(scanners) ? &scanners[index] : NULL;
}
