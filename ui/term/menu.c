#include "ui/term/menu.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "ui/term/cells.h"
#include "ui/term/sanitise.h"

typedef struct menu_item {
    char *name, *detail;
    size_t tag;
    int score;
} menu_item;

struct ui_menu {
    menu_item *items;
    size_t item_count, item_capacity;
    size_t *matches; /* indices of items, best first; as many places as items */
    size_t match_count, chosen;
    bytes pattern;
};

enum {
    SCORE_LETTER = 16,
    SCORE_TEXT_BEGIN = 24,
    SCORE_WORD_BEGIN = 16,
    SCORE_NEIGHBOUR = 12,
    SCORE_BASE = 4096, /* so that what a long text loses never makes a match none */
    SCORE_LENGTH_MAX = 1024,
};

static int lower(char c) { return tolower((unsigned char)c); }

static bool begins_word(const char *text, const char *at)
{
    return at == text || (!isalnum((unsigned char)at[-1]) && isalnum((unsigned char)*at));
}

/* The places of the letters, greedily, from this place of the first one on. */
static int score_from(const char *pattern, const char *text, const char *at)
{
    int score = 0;
    const char *last = NULL;
    for (; *pattern; pattern++) {
        if (*pattern == ' ') continue;
        while (*at && lower(*at) != lower(*pattern)) at++;
        if (!*at) return 0;
        score += SCORE_LETTER;
        if (at == text) score += SCORE_TEXT_BEGIN;
        if (begins_word(text, at)) score += SCORE_WORD_BEGIN;
        if (last && at == last + 1) score += SCORE_NEIGHBOUR;
        last = at++;
    }
    return score;
}

int ui_menu_score(const char *pattern, const char *text)
{
    int length = (int)MIN_OF(strlen(text), (size_t)SCORE_LENGTH_MAX);
    while (*pattern == ' ') pattern++;
    if (!*pattern) return SCORE_BASE;
    int best = 0;
    for (const char *at = text; *at; at++) {
        if (lower(*at) != lower(*pattern)) continue;
        int score = score_from(pattern, text, at);
        if (!score) break; /* nor will a later beginning match */
        best = MAX_OF(best, score);
    }
    return best ? SCORE_BASE + best - length / 4 : 0;
}

static void match_insert(ui_menu *m, size_t item)
{
    size_t place = m->match_count++;
    for (; place > 0 && m->items[m->matches[place - 1]].score < m->items[item].score; place--)
        m->matches[place] = m->matches[place - 1];
    m->matches[place] = item;
}

/* A word found only in the detail comes after every name. */
static void item_match(ui_menu *m, size_t i)
{
    menu_item *item = &m->items[i];
    int of_name = ui_menu_score(bytes_text(&m->pattern), item->name);
    item->score = of_name ? of_name + 2 * SCORE_BASE : ui_menu_score(bytes_text(&m->pattern), item->detail);
    if (item->score) match_insert(m, i);
}

static void filter(ui_menu *m)
{
    m->match_count = m->chosen = 0;
    for (size_t i = 0; i < m->item_count; i++) item_match(m, i);
}

ui_menu *ui_menu_new(void) { return memory_alloc(sizeof(ui_menu)); }

void ui_menu_clear(ui_menu *m)
{
    for (size_t i = 0; i < m->item_count; i++) free(m->items[i].name), free(m->items[i].detail);
    m->item_count = m->match_count = m->chosen = 0;
    bytes_clear(&m->pattern);
}

void ui_menu_free(ui_menu *m)
{
    if (!m) return;
    ui_menu_clear(m);
    bytes_free(&m->pattern);
    free(m->items), free(m->matches);
    free(m);
}

void ui_menu_add(ui_menu *m, const char *name, const char *detail, size_t tag)
{
    if (m->item_count == m->item_capacity) {
        m->item_capacity = m->item_capacity ? m->item_capacity * 2 : 32;
        m->items = memory_resize_array(m->items, m->item_capacity, sizeof *m->items);
        m->matches = memory_resize_array(m->matches, m->item_capacity, sizeof *m->matches);
    }
    m->items[m->item_count] =
        (menu_item){.name = memory_text(name), .detail = memory_text(detail ? detail : ""), .tag = tag};
    item_match(m, m->item_count++);
    m->chosen = 0;
}

size_t ui_menu_count(const ui_menu *m) { return m->match_count; }

ui_menu_item ui_menu_at(const ui_menu *m, size_t index)
{
    if (index >= m->match_count) return (ui_menu_item){"", "", 0};
    const menu_item *item = &m->items[m->matches[index]];
    return (ui_menu_item){item->name, item->detail, item->tag};
}

size_t ui_menu_chosen(const ui_menu *m) { return m->chosen; }

void ui_menu_choose(ui_menu *m, size_t index)
{
    m->chosen = m->match_count ? MIN_OF(index, m->match_count - 1) : 0;
}

const char *ui_menu_pattern(const ui_menu *m) { return bytes_text(&m->pattern); }

static void move(ui_menu *m, bool up, size_t count)
{
    ui_menu_choose(m, up ? m->chosen - MIN_OF(m->chosen, count) : m->chosen + count);
}

static void pattern_add(ui_menu *m, bytes_view text)
{
    CLEANUP(bytes_free) bytes safe = {0};
    ui_sanitise_line(text, false, &safe);
    bytes_view added = bytes_borrow(&safe);
    while (m->pattern.size + added.size > UI_MENU_PATTERN_BYTES_MAX)
        added.size = ui_glyph_before(added, MIN_OF(added.size, (size_t)UI_MENU_PATTERN_BYTES_MAX + 1));
    bytes_append_view(&m->pattern, added);
    filter(m);
}

static bool key_moves(ui_menu *m, const char *name, size_t rows)
{
    static const struct {
        const char *name;
        bool up;
        char far; /* 'r'ow, 'p'age, 'e'nd */
    } moves[] = {{"Up", true, 'r'},      {"Ctrl-P", true, 'r'}, {"Down", false, 'r'},
                 {"Ctrl-N", false, 'r'}, {"PageUp", true, 'p'}, {"PageDown", false, 'p'},
                 {"Home", true, 'e'},    {"End", false, 'e'}};
    for (size_t i = 0; i < COUNT_OF(moves); i++) {
        if (strcmp(name, moves[i].name) != 0) continue;
        move(m, moves[i].up,
             moves[i].far == 'r'   ? 1
             : moves[i].far == 'p' ? MAX_OF(rows, (size_t)1)
                                   : m->match_count);
        return true;
    }
    return false;
}

bool ui_menu_key(ui_menu *m, const ui_key *key, size_t rows)
{
    if (key->kind == UI_KEY_PASTE || key->is_text) {
        pattern_add(m, key->kind == UI_KEY_PASTE ? key->text : bytes_view_of(key->name));
        return true;
    }
    if (key->kind != UI_KEY_TYPED) return false;
    if (strcmp(key->name, "Backspace") == 0 || strcmp(key->name, "Ctrl-U") == 0) {
        size_t keep = key->name[0] == 'B' ? ui_glyph_before(bytes_borrow(&m->pattern), m->pattern.size) : 0;
        bytes_remove(&m->pattern, keep, m->pattern.size - keep);
        filter(m);
        return true;
    }
    return key_moves(m, key->name, rows);
}
