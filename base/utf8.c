#include "base/utf8.h"

#include <string.h>

/* What a first byte announces: how many bytes, and the range that its second byte must lie in. The narrowed
 * ranges are what keeps overlong forms, surrogates and values past U+10FFFF out. */
static size_t lead_read(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = 0x80, *high = 0xBF;
    if (lead < 0x80) return 1;
    if (lead < 0xC2) return 0;
    if (lead < 0xE0) return 2;
    if (lead < 0xF0) {
        if (lead == 0xE0) *low = 0xA0;
        if (lead == 0xED) *high = 0x9F;
        return 3;
    }
    if (lead > 0xF4) return 0;
    if (lead == 0xF0) *low = 0x90;
    if (lead == 0xF4) *high = 0x8F;
    return 4;
}

/* How many of the `count` bytes of this character are there and right, at most `size`. */
static size_t bytes_right(const unsigned char *at, size_t size, size_t *count)
{
    unsigned char low, high;
    *count = size ? lead_read(at[0], &low, &high) : 0;
    if (!*count) return 0;
    size_t right = 1;
    for (; right < *count && right < size; right++) {
        if (at[right] < low || at[right] > high) break;
        low = 0x80, high = 0xBF;
    }
    return right;
}

size_t utf8_decode(const char *data, size_t size, uint32_t *code)
{
    const unsigned char *at = (const unsigned char *)data;
    size_t count;
    if (bytes_right(at, size, &count) != count || !count) return 0;
    static const unsigned char lead_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t value = at[0] & lead_mask[count];
    for (size_t i = 1; i < count; i++) value = value << 6 | (at[i] & 0x3F);
    *code = value;
    return count;
}

bool utf8_is_partial(const char *data, size_t size)
{
    size_t count, right = bytes_right((const unsigned char *)data, size, &count);
    return right && right == size && right < count;
}

size_t utf8_encode(uint32_t code, char out[UTF8_BYTES_MAX])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return 0;
    size_t count = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = count; i-- > 1; code >>= 6) out[i] = (char)(0x80 | (code & 0x3F));
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(lead[count] | code);
    return count;
}

size_t utf8_valid_prefix(bytes_view text)
{
    size_t at = 0;
    while (at < text.size) {
        uint64_t eight;
        if (text.size - at >= 8 && (memcpy(&eight, text.data + at, 8), !(eight & 0x8080808080808080u))) {
            at += 8;
            continue;
        }
        uint32_t code;
        size_t size = utf8_decode(text.data + at, text.size - at, &code);
        if (!size) return at;
        at += size;
    }
    return at;
}

bool utf8_is_valid(bytes_view text) { return utf8_valid_prefix(text) == text.size; }
