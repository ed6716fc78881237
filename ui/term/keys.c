#define _GNU_SOURCE
#include "ui/term/keys.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/utf8.h"
#include "ui/term/sanitise.h"

enum { SEQUENCE_BYTES_MAX = 64, PARAMETERS_MAX = 4 };

struct ui_keys {
    bytes pending; /* read and not yet a key */
    size_t used;   /* of pending: what taken keys were made of */
    bytes paste;   /* raw, then sanitised */
    bytes pasted;
    bool in_paste, was_cut;
};

static const char paste_begin[] = "\x1b[200~", paste_end[] = "\x1b[201~";
enum { PASTE_MARK_BYTES = sizeof paste_end - 1 };

/* Modifiers as xterm numbers them: the parameter is this plus 1. */
enum { SHIFT = 1, ALT = 2, CTRL = 4 };

ui_keys *ui_keys_new(void) { return memory_alloc(sizeof(ui_keys)); }

void ui_keys_free(ui_keys *k)
{
    if (!k) return;
    bytes_free(&k->pending), bytes_free(&k->paste), bytes_free(&k->pasted);
    free(k);
}

void ui_keys_feed(ui_keys *k, const char *data, size_t size)
{
    bytes_remove(&k->pending, 0, k->used);
    k->used = 0;
    bytes_append(&k->pending, data, size);
}

static bytes_view waiting(const ui_keys *k)
{
    return (bytes_view){bytes_text(&k->pending) + k->used, k->pending.size - k->used};
}

bool ui_keys_is_pending(const ui_keys *k) { return !k->in_paste && waiting(k).size > 0; }

/* ---- names ---- */

static void name_with(ui_key *out, unsigned modifiers, const char *name)
{
    out->kind = UI_KEY_TYPED;
    snprintf(out->name, sizeof out->name, "%s%s%s%s", modifiers & CTRL ? "Ctrl-" : "",
             modifiers & ALT ? "Alt-" : "", modifiers & SHIFT ? "Shift-" : "", name);
}

/* A key that has a code point, with modifiers: "a", "Ctrl-A", "Alt-b", "Shift-Tab". Shift is in the
 * character. */
static void name_code(ui_key *out, uint32_t code, unsigned modifiers)
{
    switch (code) {
    case '\t': name_with(out, modifiers, "Tab"); return;
    case '\r':
        name_with(out, modifiers & SHIFT ? (modifiers & ~(unsigned)SHIFT) | ALT : modifiers, "Enter");
        return;
    case '\n': name_with(out, modifiers | ALT, "Enter"); return;
    case 0x1B: name_with(out, modifiers, "Esc"); return;
    case 0x08:
    case 0x7F: name_with(out, modifiers, "Backspace"); return;
    case 0x1F: name_with(out, modifiers | CTRL, "_"); return;
    case 0: name_with(out, modifiers | CTRL, "Space"); return;
    default: break;
    }
    if (code < 0x20) { /* Ctrl-A to Ctrl-], by the letter it is on */
        code += 0x40;
        modifiers |= CTRL;
    }
    if (code == ' ' && (modifiers & CTRL)) {
        name_with(out, modifiers, "Space");
        return;
    }
    char text[UTF8_BYTES_MAX + 1] = {0};
    if ((modifiers & CTRL) && code >= 'a' && code <= 'z') code -= 'a' - 'A';
    if (!utf8_encode(code, text)) return;
    if ((modifiers & SHIFT) && !(modifiers & CTRL) && code < 0x80) text[0] = (char)toupper(text[0]);
    bool keep_shift = (modifiers & CTRL) && (modifiers & SHIFT);
    name_with(out, keep_shift ? modifiers : modifiers & ~(unsigned)SHIFT, text);
    out->is_text = !(modifiers & (CTRL | ALT)) && code >= 0x20 && !(code >= 0x7F && code < 0xA0);
}

/* ---- sequences ---- */

static const struct {
    char final;
    const char *name;
} by_final[] = {
    {'A', "Up"}, {'B', "Down"}, {'C', "Right"}, {'D', "Left"}, {'H', "Home"},  {'F', "End"},   {'P', "F1"},
    {'Q', "F2"}, {'R', "F3"},   {'S', "F4"},    {'Z', "Tab"},  {'M', "Enter"}, {'E', "Begin"},
};

static const struct {
    int number;
    const char *name;
} by_number[] = {
    {1, "Home"}, {2, "Insert"}, {3, "Delete"}, {4, "End"},  {5, "PageUp"}, {6, "PageDown"}, {7, "Home"},
    {8, "End"},  {11, "F1"},    {12, "F2"},    {13, "F3"},  {14, "F4"},    {15, "F5"},      {17, "F6"},
    {18, "F7"},  {19, "F8"},    {20, "F9"},    {21, "F10"}, {23, "F11"},   {24, "F12"},     {25, "F13"},
    {26, "F14"}, {28, "F15"},   {29, "F16"},   {31, "F17"}, {32, "F18"},   {33, "F19"},     {34, "F20"},
};

static const char *name_by_final(char final)
{
    for (size_t i = 0; i < COUNT_OF(by_final); i++)
        if (by_final[i].final == final) return by_final[i].name;
    return NULL;
}

static const char *name_by_number(int number)
{
    for (size_t i = 0; i < COUNT_OF(by_number); i++)
        if (by_number[i].number == number) return by_number[i].name;
    return NULL;
}

/* Decimal parameters between ';'. A sub-parameter after ':' is passed over. Values beyond 0x10FFFF are
 * capped. */
static size_t read_parameters(bytes_view text, int out[PARAMETERS_MAX])
{
    size_t count = 0;
    bool in_sub = false;
    for (size_t i = 0; i < text.size && count < PARAMETERS_MAX; i++) {
        char c = text.data[i];
        if (c == ';') {
            count++, in_sub = false;
        } else if (c == ':') {
            in_sub = true;
        } else if (!in_sub && c >= '0' && c <= '9') {
            out[count] = MIN_OF(out[count] * 10 + (c - '0'), 0x110000);
        }
    }
    return MIN_OF(count + 1, PARAMETERS_MAX);
}

/* What one control sequence means: parameters between "ESC [" and the final byte.
 * Unknown: *out stays NONE. */
static void name_control_sequence(ui_key *out, bytes_view parameters, char final, unsigned modifiers)
{
    int values[PARAMETERS_MAX] = {0};
    size_t count = read_parameters(parameters, values);
    if (count >= 2 && values[1] > 1) modifiers |= (unsigned)(values[1] - 1) & (SHIFT | ALT | CTRL);
    const char *name = NULL;
    if (parameters.size && parameters.data[0] >= '<' && parameters.data[0] <= '?')
        return; /* a terminal's report */
    switch (final) {
    case 'u': name_code(out, (uint32_t)values[0], modifiers); return;
    case '~':
        if (values[0] == 27 && count >= 3) /* xterm's modifyOtherKeys */
            name_code(out, (uint32_t)values[2], modifiers);
        else
            name = name_by_number(values[0]);
        break;
    case '^': name = name_by_number(values[0]), modifiers |= CTRL; break;         /* rxvt */
    case '$': name = name_by_number(values[0]), modifiers |= SHIFT; break;        /* rxvt */
    case '@': name = name_by_number(values[0]), modifiers |= CTRL | SHIFT; break; /* rxvt */
    case 'a':
    case 'b':
    case 'c':
    case 'd': name = name_by_final((char)(final - 'a' + 'A')), modifiers |= SHIFT; break; /* rxvt */
    case 'Z': name = "Tab", modifiers |= SHIFT; break;
    default: name = name_by_final(final); break;
    }
    if (name) name_with(out, modifiers, name);
}

/* Bytes of the sequence "ESC [ ...", 0 when it is not complete. A byte that cannot be in one ends it
 * there. */
static size_t take_control_sequence(bytes_view text, unsigned modifiers, ui_key *out)
{
    size_t at = 2;
    if (text.size > 2 && text.data[2] == '[') { /* Linux console: ESC [ [ A is F1 */
        if (text.size < 4) return 0;
        char name[] = {'F', (char)(text.data[3] - 'A' + '1'), 0};
        if (text.data[3] >= 'A' && text.data[3] <= 'E') name_with(out, modifiers, name);
        return 4;
    }
    while (at < text.size && text.data[at] >= 0x20 && text.data[at] < 0x40 && text.data[at] != '$') at++;
    if (at == text.size) return at >= SEQUENCE_BYTES_MAX ? at : 0;
    char final = text.data[at];
    if (final != '$' && (final < 0x40 || final > 0x7E)) return at;
    if (final == 'M' && at == 2) { /* X10 mouse report, never asked for: three more bytes */
        return text.size >= 6 ? 6 : 0;
    }
    name_control_sequence(out, (bytes_view){text.data + 2, at - 2}, final, modifiers);
    return at + 1;
}

/* "ESC O x", and xterm's and tmux's "ESC O 5 A" with a modifier. */
static size_t take_single_shift(bytes_view text, unsigned modifiers, ui_key *out)
{
    size_t at = 2;
    if (at < text.size && text.data[at] >= '2' && text.data[at] <= '8')
        modifiers |= (unsigned)(text.data[at++] - '1') & (SHIFT | ALT | CTRL);
    if (at >= text.size) return 0;
    char final = text.data[at];
    if (final >= 'a' && final <= 'd')
        name_with(out, modifiers | CTRL, name_by_final((char)(final - 'a' + 'A'))); /* rxvt */
    else if (name_by_final(final))
        name_with(out, modifiers, name_by_final(final));
    else if (final >= 'j' && final <= 'y') /* the numeric pad: * + , - . / 0 to 9 */
        name_code(out, (uint32_t)(final - 'j' + '*'), modifiers);
    else if (final < 0x20 || final > 0x7E)
        return at;
    return at + 1;
}

/* OSC, DCS, APC, PM, SOS: a terminal's answer. Dropped up to its end, BEL or ESC \. */
static size_t skip_string(bytes_view text)
{
    for (size_t at = 2; at < text.size; at++) {
        if (text.data[at] == '\a') return at + 1;
        if (text.data[at] == 0x1B) return at + 1 < text.size ? at + 1 + (text.data[at + 1] == '\\') : 0;
    }
    return 0;
}

static size_t take_character(bytes_view text, unsigned modifiers, ui_key *out)
{
    uint32_t code;
    size_t size = utf8_decode(text.data, text.size, &code);
    if (!size) return utf8_is_partial(text.data, text.size) ? 0 : 1; /* broken bytes are no key */
    name_code(out, code, modifiers);
    return size;
}

/* Bytes used, 0: more are needed. *out may stay NONE (an unknown sequence). */
static size_t take_one(bytes_view text, unsigned modifiers, ui_key *out)
{
    if (text.data[0] != 0x1B) return take_character(text, modifiers, out);
    if (text.size == 1) return 0;
    switch (text.data[1]) {
    case '[': return take_control_sequence(text, modifiers, out);
    case 'O': return take_single_shift(text, modifiers, out);
    case ']':
    case 'P':
    case '_':
    case '^':
    case 'X': return skip_string(text);
    case 0x1B:
        if (modifiers & ALT) { /* no key begins with three: the first two are one Esc */
            name_with(out, 0, "Esc");
            return 1;
        }
        break;
    default: break;
    }
    size_t rest = take_one((bytes_view){text.data + 1, text.size - 1}, modifiers | ALT, out);
    return rest ? rest + 1 : 0;
}

/* What was begun and will not go on. ESC and one byte are Alt and that byte, a lone ESC is Esc, the beginning
 * of a longer sequence is nothing. */
static size_t take_unfinished(bytes_view text, ui_key *out)
{
    if (text.data[0] != 0x1B || text.size > 2) return text.size;
    if (text.size == 2 && text.data[1] != 0x1B) {
        (void)take_character((bytes_view){text.data + 1, 1}, ALT, out);
        return 2;
    }
    name_with(out, 0, "Esc");
    return 1;
}

/* ---- paste ---- */

static void paste_keep(ui_keys *k, bytes_view text)
{
    size_t room = UI_PASTE_BYTES_MAX - k->paste.size;
    if (text.size > room) k->was_cut = true;
    bytes_append(&k->paste, text.data, MIN_OF(text.size, room));
}

static void paste_finish(ui_keys *k, ui_key *out)
{
    for (size_t i = 0; i < k->paste.size; i++) { /* terminals send CR for a line's end */
        if (k->paste.data[i] != '\r') continue;
        bool before_newline = i + 1 < k->paste.size && k->paste.data[i + 1] == '\n';
        if (!before_newline) k->paste.data[i] = '\n';
    }
    bytes_clear(&k->pasted);
    ui_sanitise(bytes_borrow(&k->paste), false, &k->pasted);
    *out = (ui_key){.kind = UI_KEY_PASTE, .text = bytes_borrow(&k->pasted), .was_cut = k->was_cut};
    bytes_clear(&k->paste);
    k->in_paste = k->was_cut = false;
}

/* True when the paste has ended. Otherwise all is kept but what may be the beginning of the end mark. */
static bool paste_take(ui_keys *k, ui_key *out)
{
    bytes_view text = waiting(k);
    const char *end = memmem(text.data, text.size, paste_end, PASTE_MARK_BYTES);
    size_t content = end ? (size_t)(end - text.data) : text.size;
    size_t held = 0;
    if (!end)
        for (size_t size = MIN_OF(text.size, (size_t)PASTE_MARK_BYTES - 1); size && !held; size--)
            if (memcmp(text.data + text.size - size, paste_end, size) == 0) held = size;
    paste_keep(k, (bytes_view){text.data, content - held});
    k->used += content - held + (end ? PASTE_MARK_BYTES : 0);
    if (end) paste_finish(k, out);
    return end != NULL;
}

bool ui_keys_take(ui_keys *k, bool waited, ui_key *out)
{
    *out = (ui_key){0};
    while (true) {
        if (k->in_paste) return paste_take(k, out);
        bytes_view text = waiting(k);
        if (!text.size) return false;
        if (text.size >= PASTE_MARK_BYTES && memcmp(text.data, paste_begin, PASTE_MARK_BYTES) == 0) {
            k->in_paste = true;
            k->used += PASTE_MARK_BYTES;
            continue;
        }
        size_t used = take_one(text, 0, out);
        if (!used && text.size > UI_PASTE_BYTES_MAX) used = text.size; /* a string without end */
        if (!used && !waited) return false;
        if (!used) used = take_unfinished(text, out);
        k->used += used;
        if (out->kind) return true;
    }
}
