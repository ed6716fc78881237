/* ui/cmd/prompt_set.h: prompts with the words that a good answer holds.
 *
 * One JSON object a line: {"prompt": "how do I quit?", "expect": "Ctrl-Q"}; expect may be a list, of which
 * all must be in the answer. */
#ifndef UI_CMD_PROMPT_SET_H
#define UI_CMD_PROMPT_SET_H

#include "base/arena.h"
#include "ui/cmd/running.h"

enum { UI_PROMPT_SET_MAX = 10000, UI_PROMPT_SET_BYTES_MAX = 64 << 20 };

typedef struct ui_prompt_row {
    bytes_view prompt;
    const bytes_view *expected; /* [expected_count] */
    size_t expected_count;
} ui_prompt_row;

typedef struct ui_prompt_set {
    ui_prompt_row *rows;
    size_t count;
    bytes text;
    arena memory;
} ui_prompt_set;

/* Errors name file and line: ERR_FORMAT, ERR_LIMIT, ERR_NOT_FOUND, ERR_IO; ERR_USAGE: no prompt. */
err ui_prompt_set_read(const char *path, ui_prompt_set *out);
void ui_prompt_set_free(ui_prompt_set *set); /* a zeroed one is fine */

/* How many greedy answers of at most `most` tokens hold their words. */
err ui_prompt_set_run(ui_running *r, const ui_prompt_set *set, size_t most, size_t *right);

#endif
