#include "ui/term/sanitise.h"

#include <utf8proc.h>

#include "base/utf8.h"

/* Characters that act on their surroundings or hide: they are shown by number. */
static const struct {
    uint32_t first, last;
} shown_by_number[] = {
    {0x80, 0x9F},       /* C1: CSI, OSC and others in one byte */
    {0xAD, 0xAD},       /* soft hyphen: of no or one cell, as the terminal likes */
    {0x61C, 0x61C},     /* Arabic letter mark */
    {0x115F, 0x1160},   /* Hangul fillers: blank letters */
    {0x180E, 0x180E},   /* Mongolian vowel separator */
    {0x200B, 0x200B},   /* zero-width space */
    {0x200E, 0x200F},   /* left-to-right and right-to-left mark */
    {0x202A, 0x202E},   /* embeddings and overrides */
    {0x2060, 0x206F},   /* invisible operators, isolates, deprecated format characters */
    {0x3164, 0x3164},   /* Hangul filler */
    {0xFEFF, 0xFEFF},   /* byte order mark */
    {0xFFA0, 0xFFA0},   /* half-width Hangul filler */
    {0xFFF9, 0xFFFB},   /* interlinear annotation */
    {0x1D173, 0x1D17A}, /* musical format controls */
    {0xE0000, 0xE0FFF}, /* tags and the plane's other invisibles */
};

/* What letters alone do not cover (NFKD finds the rest). */
static const struct {
    uint32_t code;
    const char *plain;
} plain_forms[] = {
    {0x2010, "-"},  {0x2011, "-"},  {0x2012, "-"},  {0x2013, "-"},  {0x2014, "--"}, {0x2018, "'"},
    {0x2019, "'"},  {0x201C, "\""}, {0x201D, "\""}, {0x2022, "*"},  {0x2192, "->"}, {0x2190, "<-"},
    {0x21D2, "=>"}, {0x2212, "-"},  {0x00D7, "x"},  {0x2264, "<="}, {0x2265, ">="}, {0x2260, "!="},
    {0x00DF, "ss"}, {0x00E6, "ae"}, {0x00C6, "AE"}, {0x00F8, "o"},  {0x00D8, "O"},  {0x0142, "l"},
    {0x00AB, "<<"}, {0x00BB, ">>"}, {0x0153, "oe"}, {0x2713, "v"},  {0x2717, "x"},  {0x200C, ""},
    {0x200D, ""},   {0xFE0E, ""},   {0xFE0F, ""},
};

static bool is_shown_by_number(uint32_t code)
{
    for (size_t i = 0; i < COUNT_OF(shown_by_number); i++)
        if (code <= shown_by_number[i].last) return code >= shown_by_number[i].first;
    return false;
}

static bool is_noncharacter(uint32_t code)
{
    return (code & 0xFFFE) == 0xFFFE || (code >= 0xFDD0 && code <= 0xFDEF);
}

static void append_code(bytes *out, uint32_t code)
{
    char text[UTF8_BYTES_MAX];
    bytes_append(out, text, utf8_encode(code, text));
}

static void append_broken(bytes *out, bool ascii)
{
    if (ascii)
        bytes_append_byte(out, '?');
    else
        append_code(out, 0xFFFD);
}

/* Below U+0020, and U+007F. */
static void append_control(bytes *out, uint32_t code, bool ascii)
{
    if (ascii) {
        char caret[2] = {'^', (char)(code ^ 0x40)};
        bytes_append(out, caret, sizeof caret);
    } else {
        append_code(out, code == 0x7F ? 0x2421 : 0x2400 + code);
    }
}

/* Plain letters of a character: its own row, or the ASCII among its compatibility decomposition. Marks alone
 * are dropped, so that an accent written after its letter vanishes like one written with it. */
static void append_plain(bytes *out, uint32_t code)
{
    for (size_t i = 0; i < COUNT_OF(plain_forms); i++)
        if (plain_forms[i].code == code) {
            bytes_append_text(out, plain_forms[i].plain);
            return;
        }
    utf8proc_int32_t parts[32];
    int last_boundclass = 0;
    utf8proc_ssize_t count =
        utf8proc_decompose_char((utf8proc_int32_t)code, parts, (utf8proc_ssize_t)COUNT_OF(parts),
                                UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &last_boundclass);
    bool found = false;
    for (utf8proc_ssize_t i = 0; i < MIN_OF(count, (utf8proc_ssize_t)COUNT_OF(parts)); i++) {
        if (parts[i] < 0x20 || parts[i] > 0x7E) continue;
        bytes_append_byte(out, (char)parts[i]);
        found = true;
    }
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    bool is_mark = category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME;
    if (!found && !is_mark) bytes_append_byte(out, '?');
}

static void append_character(bytes *out, uint32_t code, bool ascii)
{
    if (code == '\t' || code == '\n')
        bytes_append_byte(out, (char)code);
    else if (code < 0x20 || code == 0x7F)
        append_control(out, code, ascii);
    else if (code < 0x7F)
        bytes_append_byte(out, (char)code);
    else if (code == 0x2028 || code == 0x2029)
        bytes_append_byte(out, '\n');
    else if (is_shown_by_number(code))
        bytes_printf(out, "<U+%04X>", (unsigned)code);
    else if (is_noncharacter(code) || (ascii && code == 0xFFFD))
        append_broken(out, ascii);
    else if (ascii)
        append_plain(out, code);
    else
        append_code(out, code);
}

/* Most text is plain: taken in one piece. */
static size_t plain_run(bytes_view text, size_t at)
{
    size_t end = at;
    while (end < text.size && text.data[end] >= 0x20 && text.data[end] < 0x7F) end++;
    return end - at;
}

static size_t sanitise(bytes_view text, bool ascii, bool is_last, bytes *out)
{
    size_t at = 0;
    while (at < text.size) {
        size_t plain = plain_run(text, at);
        bytes_append(out, text.data + at, plain);
        at += plain;
        if (at == text.size) break;
        const char *here = text.data + at;
        size_t left = text.size - at;
        if (*here == '\r' && left == 1 && !is_last) break;
        if (*here == '\r' && left > 1 && here[1] == '\n') {
            at++;
            continue;
        }
        uint32_t code;
        size_t size = utf8_decode(here, left, &code);
        if (!size && !is_last && utf8_is_partial(here, left)) break;
        if (size)
            append_character(out, code, ascii);
        else
            append_broken(out, ascii);
        at += size ? size : 1;
    }
    return at;
}

void ui_sanitise(bytes_view text, bool ascii, bytes *out) { (void)sanitise(text, ascii, true, out); }

size_t ui_sanitise_part(bytes_view text, bool ascii, bytes *out) { return sanitise(text, ascii, false, out); }

void ui_sanitise_line(bytes_view text, bool ascii, bytes *out)
{
    size_t begin = out->size;
    ui_sanitise(text, ascii, out);
    for (size_t i = begin; i < out->size; i++)
        if (out->data[i] == '\n' || out->data[i] == '\t') out->data[i] = ' ';
}
