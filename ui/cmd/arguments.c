#include "ui/cmd/arguments.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

static const ui_option *option_find(const ui_command *command, const char *name, size_t size)
{
    for (size_t set = 0; set < UI_OPTION_SETS_MAX && command->options[set]; set++) {
        for (const ui_option *o = command->options[set]; o->name; o++) {
            if (strlen(o->name) == size && memcmp(o->name, name, size) == 0) return o;
        }
    }
    return NULL;
}

/* Options of one letter have one dash, longer ones two. */
static bool dashes_fit(const char *word, size_t name_size)
{
    return name_size == 1 ? word[1] != '-' : word[1] == '-';
}

static err option_take(const ui_command *command, int argc, char **argv, int *at, ui_arguments *out)
{
    const char *word = argv[*at];
    const char *name = word + (word[1] == '-' ? 2 : 1);
    const char *equals = strchr(name, '=');
    size_t size = equals ? (size_t)(equals - name) : strlen(name);
    const ui_option *option = option_find(command, name, size);
    const char *value = NULL;

    if (!option || !dashes_fit(word, size)) {
        return err_make(ERR_USAGE, "unknown option %.*s (see hyprstream %s --help)",
                        (int)(name - word + (int)size), word, command->name);
    }
    if (option->value) {
        if (equals)
            value = equals + 1;
        else if (*at + 1 < argc)
            value = argv[++*at];
        else
            return err_make(ERR_USAGE, "option %s needs a value: %s", word, option->value);
    } else if (equals) {
        return err_make(ERR_USAGE, "option --%s takes no value", option->name);
    }
    if (out->given_count == UI_GIVEN_MAX) return err_make(ERR_USAGE, "more than %d options", UI_GIVEN_MAX);
    out->given[out->given_count].name = option->name;
    out->given[out->given_count++].value = value;
    return ERR_OK;
}

err ui_arguments_parse(const ui_command *command, int argc, char **argv, ui_arguments *out)
{
    bool options_end = false;

    *out = (ui_arguments){.word_count = 0};
    for (int i = 1; i < argc; i++) {
        if (!options_end && strcmp(argv[i], "--") == 0) {
            options_end = true;
        } else if (!options_end && argv[i][0] == '-' && argv[i][1]) {
            err e = option_take(command, argc, argv, &i, out);
            if (e.code) return e;
        } else if (out->word_count == UI_WORDS_MAX) {
            return err_make(ERR_USAGE, "more than %d arguments", UI_WORDS_MAX);
        } else {
            out->words[out->word_count++] = argv[i];
        }
    }
    if (ui_arguments_has(out, "help")) return ERR_OK;
    if (out->word_count < command->words_min)
        return err_make(ERR_USAGE, "expected: hyprstream %s %s", command->name, command->args);
    if (out->word_count > command->words_max) {
        return err_make(ERR_USAGE, "unexpected argument '%s'; expected: hyprstream %s %s",
                        out->words[command->words_max], command->name, command->args);
    }
    return ERR_OK;
}

const char *ui_arguments_each(const ui_arguments *a, const char *name, size_t index)
{
    for (size_t i = 0; i < a->given_count; i++) {
        if (strcmp(a->given[i].name, name) == 0 && index-- == 0) return a->given[i].value;
    }
    return NULL;
}

bool ui_arguments_has(const ui_arguments *a, const char *name)
{
    for (size_t i = 0; i < a->given_count; i++) {
        if (strcmp(a->given[i].name, name) == 0) return true;
    }
    return false;
}

const char *ui_arguments_text(const ui_arguments *a, const char *name)
{
    for (size_t i = a->given_count; i-- > 0;) {
        if (strcmp(a->given[i].name, name) == 0) return a->given[i].value;
    }
    return NULL;
}

static const char *dashes(const char *name) { return name[1] ? "--" : "-"; }

/* One integer that ends at `end` (or anywhere, then *rest says where). */
static err integer_read(const char *name, const char *text, int64_t min, int64_t max, const char **rest,
                        int64_t *value)
{
    char *end = NULL;

    errno = 0;
    long long read = strtoll(text, &end, 10);
    if (end == text || errno || read < min || read > max) {
        return err_make(ERR_USAGE, "option %s%s is '%s': expected a whole number from %lld to %lld",
                        dashes(name), name, text, (long long)min, (long long)max);
    }
    *rest = end;
    *value = read;
    return ERR_OK;
}

err ui_arguments_integer(const ui_arguments *a, const char *name, int64_t min, int64_t max, int64_t *value)
{
    const char *text = ui_arguments_text(a, name), *rest = "";
    int64_t read = 0;

    if (!text) return ERR_OK;
    err e = integer_read(name, text, min, max, &rest, &read);
    if (e.code) return e;
    if (*rest)
        return err_make(ERR_USAGE, "option %s%s is '%s': expected a whole number", dashes(name), name, text);
    *value = read;
    return ERR_OK;
}

err ui_arguments_number(const ui_arguments *a, const char *name, double min, double max, double *value)
{
    const char *text = ui_arguments_text(a, name);
    char *end = NULL;

    if (!text) return ERR_OK;
    double read = strtod(text, &end);
    if (end == text || *end || isnan(read) || read < min || read > max) {
        return err_make(ERR_USAGE, "option %s%s is '%s': expected a number from %g to %g", dashes(name), name,
                        text, min, max);
    }
    *value = read;
    return ERR_OK;
}

err ui_arguments_integers(const ui_arguments *a, const char *name, int64_t min, int64_t max, int64_t **values,
                          size_t *count)
{
    const char *text = ui_arguments_text(a, name);
    int64_t *list = NULL;
    size_t used = 0, capacity = 0;

    while (text) {
        if (used == capacity) {
            capacity = MAX_OF(2 * capacity, (size_t)16);
            list = memory_resize_array(list, capacity, sizeof *list);
        }
        err e = integer_read(name, text, min, max, &text, &list[used]);
        if (!e.code && *text && *text != ',') {
            e = err_make(ERR_USAGE, "option %s%s: expected whole numbers separated by commas, got '%s'",
                         dashes(name), name, text);
        }
        if (e.code) {
            free(list);
            return e;
        }
        used++;
        text = *text ? text + 1 : NULL;
    }
    *values = list;
    *count = used;
    return ERR_OK;
}
