/* ui/cmd/arguments.h: the words of a command line, checked against the command's row.
 *
 * `--name VALUE`, `--name=VALUE`, `-x VALUE`, flags, words; `--` ends the options. Every slip is ERR_USAGE
 * with one sentence. Values point into argv. */
#ifndef UI_CMD_ARGUMENTS_H
#define UI_CMD_ARGUMENTS_H

#include "base/bytes.h"
#include "ui/cmd/command.h"

enum { UI_WORDS_MAX = 64, UI_GIVEN_MAX = 256 };

struct ui_arguments {
    const char *words[UI_WORDS_MAX];
    size_t word_count;
    struct {
        const char *name, *value; /* value NULL for a flag */
    } given[UI_GIVEN_MAX];
    size_t given_count;
};

/* Borrows argv and the command. ERR_USAGE: what was expected, in the command's own words. */
err ui_arguments_parse(const ui_command *command, int argc, char **argv, ui_arguments *out);

bool ui_arguments_has(const ui_arguments *a, const char *name); /* given at least once */
/* The value given last, or NULL. Borrowed from argv. */
const char *ui_arguments_text(const ui_arguments *a, const char *name);
/* The value of the `index`-th time that `name` was given, or NULL past the last. */
const char *ui_arguments_each(const ui_arguments *a, const char *name, size_t index);
/* Numbers: *value stays as it is when the option is not given. Outside [min, max] is ERR_USAGE. */
err ui_arguments_integer(const ui_arguments *a, const char *name, int64_t min, int64_t max, int64_t *value);
/* Likewise; infinities must lie within the bounds, NaN never does. */
err ui_arguments_number(const ui_arguments *a, const char *name, double min, double max, double *value);
/* A list of integers separated by commas, "1,8,16"; *values is the caller's to free(). Absent: count 0. */
err ui_arguments_integers(const ui_arguments *a, const char *name, int64_t min, int64_t max, int64_t **values,
                          size_t *count);

#endif
