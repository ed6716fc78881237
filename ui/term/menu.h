/* ui/term/menu.h: a list that is narrowed by typing (the palette, pickers). Pure, no curses.
 *
 * Every letter of the pattern must occur in the item in this order, case aside (ASCII).
 * Better are: the beginning, the beginning of words, letters next to each other, shorter
 * items. Equal ones keep their order. */
#ifndef UI_TERM_MENU_H
#define UI_TERM_MENU_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "ui/term/keys.h"

enum { UI_MENU_PATTERN_BYTES_MAX = 128 };

/* 0: no match. Larger is better. */
int ui_menu_score(const char *pattern, const char *text);

typedef struct ui_menu ui_menu;

ui_menu *ui_menu_new(void);    /* empty; ui_menu_free() */
void ui_menu_free(ui_menu *m); /* NULL is fine */
/* Copied. `detail` is shown beside the name and searched after it; may be NULL. `tag` is the caller's
 * number. */
void ui_menu_add(ui_menu *m, const char *name, const char *detail, size_t tag);
void ui_menu_clear(ui_menu *m); /* items and pattern */

typedef struct ui_menu_item {
    const char *name, *detail; /* borrowed until the menu changes; detail never NULL */
    size_t tag;
} ui_menu_item;

size_t ui_menu_count(const ui_menu *m);                  /* of those that match */
ui_menu_item ui_menu_at(const ui_menu *m, size_t index); /* of those that match; empty texts past the last */
size_t ui_menu_chosen(const ui_menu *m);                 /* index among those that match; 0 when none */
void ui_menu_choose(ui_menu *m, size_t index);           /* the last one when the index is past it */
const char *ui_menu_pattern(const ui_menu *m);           /* what was typed; valid until the next key */

/* Letters and Backspace change the pattern (Ctrl-U empties it), Up, Down, Ctrl-P, Ctrl-N, PageUp, PageDown,
 * Home, End move (a page is `rows`). False: not the menu's (Enter, Esc). */
bool ui_menu_key(ui_menu *m, const ui_key *key, size_t rows);

#endif
