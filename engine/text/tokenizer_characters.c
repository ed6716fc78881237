/* engine/text/tokenizer_characters.c: classes of characters, and the byte-level alphabet. */
#include <utf8proc.h>

#include "base/utf8.h"
#include "engine/text/tokenizer_internal.h"

bool character_is_space(uint32_t code)
{
    if (code < 0x80) return code == ' ' || (code >= '\t' && code <= '\r');
    return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
           code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

/* Alphabetic is L, Nl, some of M (which counts whole here) and these circled and squared letters of So. */
static bool is_symbol_letter(uint32_t code)
{
    return (code >= 0x24B6 && code <= 0x24E9) || (code >= 0x1F130 && code <= 0x1F149) ||
           (code >= 0x1F150 && code <= 0x1F169) || (code >= 0x1F170 && code <= 0x1F189);
}

bool character_is_word(uint32_t code)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) ||
           category == UTF8PROC_CATEGORY_PC || is_symbol_letter(code) || code == 0x200C || code == 0x200D;
}

bool character_is_numeric(uint32_t code)
{
    if (code < 0x80) return code >= '0' && code <= '9';
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool character_is_punctuation(uint32_t code)
{
    if (code < 0x80)
        return (code >= '!' && code <= '/') || (code >= ':' && code <= '@') || (code >= '[' && code <= '`') ||
               (code >= '{' && code <= '~');
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool character_is_mark(uint32_t code)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
}

size_t character_before(const char *begin, const char *at, uint32_t *code)
{
    if (at == begin) return 0;
    const char *start = at - 1;
    while (start > begin && ((unsigned char)*start & 0xC0) == 0x80) start--;
    return character_read(start, code);
}

/* ---- the alphabet: 188 bytes are themselves, the others follow from U+0100 on, in order ---- */

uint32_t alphabet_character(unsigned char byte)
{
    if (byte <= 0x20) return 0x100u + byte;
    if (byte >= 0x7F && byte <= 0xA0) return 0x121u + (byte - 0x7Fu);
    return byte == 0xAD ? 0x143u : byte;
}

int alphabet_byte(uint32_t code)
{
    if (code >= 0x100)
        return code <= 0x120   ? (int)(code - 0x100)
               : code <= 0x142 ? (int)(code - 0x121 + 0x7F)
               : code == 0x143 ? 0xAD
                               : -1;
    return alphabet_character((unsigned char)code) == code ? (int)code : -1;
}

void alphabet_append(bytes *out, bytes_view text)
{
    bytes_reserve(out, text.size * 2);
    char *to = out->data + out->size;
    for (size_t i = 0; i < text.size; i++)
        to += utf8_encode(alphabet_character((unsigned char)text.data[i]), to);
    out->size = (size_t)(to - out->data);
    *to = 0;
}
