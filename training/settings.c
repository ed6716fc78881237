/* training/settings.c: the table, and a setting as text. */
#include "training/settings.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"

#define ROW(type, field, flag, value, fallback, least, most, choices, help)                                  \
    {TRAINING_SETTING_##type,           flag, value, fallback, choices, help, least, most,                   \
     offsetof(training_settings, field)},
static const training_setting rows[] = {TRAINING_SETTINGS(ROW)};
#undef ROW

const training_setting *training_setting_at(size_t i) { return i < COUNT_OF(rows) ? &rows[i] : NULL; }

static bool same_name(const char *flag, const char *name)
{
    while (*flag && (*flag == *name || (*flag == '-' && *name == '_'))) flag++, name++;
    return *flag == *name;
}

const training_setting *training_setting_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (same_name(rows[i].flag, name)) return &rows[i];
    return NULL;
}

static void *field_of(const training_settings *s, const training_setting *row)
{
    return (char *)(uintptr_t)s + row->offset;
}

static bool is_auto(const training_setting *row) { return strcmp(row->fallback, "auto") == 0; }

/* -- choices --------------------------------------------------------------------------------------------- */

/* Which of "a b c" the word is; -1: none. */
static int choice_of(const char *choices, const char *word)
{
    size_t size = strlen(word);
    for (int i = 0; *choices; i++) {
        size_t each = strcspn(choices, " ");
        if (each == size && strncmp(choices, word, size) == 0) return i;
        choices += each + (choices[each] == ' ');
    }
    return -1;
}

static void choice_append(const char *choices, int which, bytes *out)
{
    for (; which > 0; which--) choices += strcspn(choices, " ") + 1;
    bytes_append(out, choices, strcspn(choices, " "));
}

/* -- a setting from text -----------------------------------------------------------------------------------
 */

static err refuse(const training_setting *row, const char *text)
{
    const char *bound = is_auto(row) && row->type == TRAINING_SETTING_NUMBER ? ", or auto" : "";
    switch (row->type) {
    case TRAINING_SETTING_COUNT:
        return err_make(ERR_USAGE, "--%s %.60s: expected a whole number from %.0f to %.0f", row->flag, text,
                        row->least, row->most);
    case TRAINING_SETTING_NUMBER:
        return err_make(ERR_USAGE, "--%s %.60s: expected a number from %g to %g%s", row->flag, text,
                        row->least, row->most, bound);
    case TRAINING_SETTING_FLAG: return err_make(ERR_USAGE, "--%s %.60s: expected on or off", row->flag, text);
    default: return err_make(ERR_USAGE, "--%s %.60s: expected one of %s", row->flag, text, row->choices);
    }
}

static bool number_of(const training_setting *row, const char *text, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out) && *out >= row->least && *out <= row->most;
}

static bool set_count(const training_setting *row, const char *text, int64_t *out)
{
    double value;
    if (!number_of(row, text, &value) || floor(value) != value) return false;
    *out = (int64_t)value;
    return true;
}

static bool set_number(const training_setting *row, const char *text, double *out)
{
    if (is_auto(row) && strcmp(text, "auto") == 0) return *out = NAN, true;
    return number_of(row, text, out);
}

static bool set_word(const training_setting *row, const char *text, int *out)
{
    int which = choice_of(row->choices, text);
    if (which < 0) return false;
    *out = which;
    return true;
}

static bool set_text(const char *text, char **out)
{
    free(*out);
    *out = memory_text(text);
    return true;
}

static bool set_flag(const char *text, bool *out)
{
    int which = choice_of("off on", text);
    if (which < 0) return false;
    *out = which == 1;
    return true;
}

static bool set_row(training_settings *s, const training_setting *row, const char *text)
{
    void *field = field_of(s, row);
    switch (row->type) {
    case TRAINING_SETTING_COUNT: return set_count(row, text, field);
    case TRAINING_SETTING_NUMBER: return set_number(row, text, field);
    case TRAINING_SETTING_FLAG: return set_flag(text, field);
    case TRAINING_SETTING_WORD: return set_word(row, text, field);
    case TRAINING_SETTING_TEXT: return set_text(text, field);
    }
    return false;
}

err training_settings_set(training_settings *s, const char *name, const char *text)
{
    const training_setting *row = training_setting_find(name);
    if (!row) return err_make(ERR_USAGE, "a run has no setting --%s", name);
    return set_row(s, row, text) ? ERR_OK : refuse(row, text);
}

void training_settings_init(training_settings *s)
{
    *s = (training_settings){0};
    for (size_t i = 0; i < COUNT_OF(rows); i++) set_row(s, &rows[i], rows[i].fallback);
}

void training_settings_free(training_settings *s)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].type == TRAINING_SETTING_TEXT) free(*(char **)field_of(s, &rows[i]));
    *s = (training_settings){0};
}

void training_settings_copy(const training_settings *from, training_settings *to)
{
    *to = *from;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].type != TRAINING_SETTING_TEXT) continue;
        char **field = field_of(to, &rows[i]);
        *field = memory_text(*field);
    }
}

/* -- a setting as text -------------------------------------------------------------------------------------
 */

/* The shortest decimal form that reads back as the same number. */
static void number_append(double value, bytes *out)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    bytes_append_text(out, text);
}

void training_settings_text(const training_settings *s, const training_setting *row, bytes *out)
{
    const void *field = field_of(s, row);
    switch (row->type) {
    case TRAINING_SETTING_COUNT: bytes_printf(out, "%lld", (long long)*(const int64_t *)field); break;
    case TRAINING_SETTING_NUMBER:
        if (isnan(*(const double *)field))
            bytes_append_text(out, "auto");
        else
            number_append(*(const double *)field, out);
        break;
    case TRAINING_SETTING_FLAG: bytes_append_text(out, *(const bool *)field ? "on" : "off"); break;
    case TRAINING_SETTING_WORD: choice_append(row->choices, *(const int *)field, out); break;
    case TRAINING_SETTING_TEXT: bytes_append_text(out, *(char *const *)field); break;
    }
}
