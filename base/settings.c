#include "base/settings.h"

#include <ctype.h>
#include <errno.h>
#include <git2.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"

enum { SETTINGS_MAX = 64, SETTING_NAME_BYTES_MAX = 64, SETTINGS_WARNINGS_MAX = 32 };

/* Where a value may come from, the strongest first. */
typedef enum value_source { FROM_FLAG, FROM_ENVIRONMENT, FROM_FILE, FROM_DEFAULT, SOURCE_COUNT } value_source;

static const char *const source_names[] = {"flag", "environment", "file", "default"};

struct settings {
    const folders *where;
    const env *e;
    char *path;
    char *values[SETTINGS_MAX][SOURCE_COUNT]; /* by row; NULL: not given there */
    char *warnings[SETTINGS_WARNINGS_MAX];
    size_t warning_count;
    bool git; /* libgit2 is up: only when there is a file, since it costs some milliseconds */
};

/* -- rows ---------------------------------------------------------------------------------------------- */

/* git-config allows no underscore in a name, so the file says top-p for top_p. */
static bool name_is(const char *row_name, const char *name)
{
    for (; *row_name && *name; row_name++, name++) {
        char given = *name == '-' ? '_' : (char)tolower((unsigned char)*name);
        if (*row_name != given) return false;
    }
    return !*row_name && !*name;
}

static size_t row_find(const char *name)
{
    size_t i = 0;
    while (setting_rows[i].name && !name_is(setting_rows[i].name, name)) i++;
    return i;
}

static err row_of(const char *name, size_t *out)
{
    const char *names[SETTINGS_MAX];
    size_t count = 0;

    *out = row_find(name);
    if (setting_rows[*out].name) return ERR_OK;
    while (setting_rows[count].name) {
        names[count] = setting_rows[count].name;
        count++;
    }
    const char *nearest = text_nearest(name, names, count);
    if (nearest) return err_make(ERR_NOT_FOUND, "there is no setting %s; did you mean %s?", name, nearest);
    return err_make(ERR_NOT_FOUND, "there is no setting %s", name);
}

/* -- values -------------------------------------------------------------------------------------------- */

static bool choice_is(const char *choices, const char *value)
{
    size_t size = strlen(value);
    for (const char *c = choices; size && *c; c += *c == ' ') {
        size_t each = strcspn(c, " ");
        if (each == size && memcmp(c, value, size) == 0) return true;
        c += each;
    }
    return false;
}

/* As git reads them. */
static bool bool_read(const char *value, bool *out)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        *out = strcmp(value, yes[i]) == 0;
        if (*out || strcmp(value, no[i]) == 0) return true;
    }
    return false;
}

static bool integer_read(const char *value, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    *out = strtoll(value, &end, 10);
    return end != value && !*end && !errno && !isspace((unsigned char)value[0]);
}

static bool number_read(const char *value, double *out)
{
    char *end = NULL;
    *out = strtod(value, &end);
    return end != value && !*end && isfinite(*out) && !isspace((unsigned char)value[0]);
}

/* "" stands for "not set" wherever the default does. */
static err value_check(const setting_row *row, const char *value)
{
    int64_t integer;
    double number;
    bool truth;

    if (!*value && !*row->fallback) return ERR_OK;
    switch (row->type) {
    case SETTING_INTEGER:
        if (integer_read(value, &integer) && (double)integer >= row->min && (double)integer <= row->max)
            return ERR_OK;
        return err_make(ERR_USAGE, "%s is '%s': expected a whole number from %.0f to %.0f", row->name, value,
                        row->min, row->max);
    case SETTING_NUMBER:
        if (number_read(value, &number) && number >= row->min && number <= row->max) return ERR_OK;
        return err_make(ERR_USAGE, "%s is '%s': expected a number from %g to %g", row->name, value, row->min,
                        row->max);
    case SETTING_BOOL:
        if (bool_read(value, &truth)) return ERR_OK;
        return err_make(ERR_USAGE, "%s is '%s': expected true or false", row->name, value);
    case SETTING_CHOICE:
        if (choice_is(row->choices, value)) return ERR_OK;
        return err_make(ERR_USAGE, "%s is '%s': expected one of %s", row->name, value, row->choices);
    case SETTING_TEXT:
    case SETTING_PATH: break;
    }
    return ERR_OK;
}

static void value_keep(settings *s, size_t row, value_source from, const char *value)
{
    free(s->values[row][from]);
    if (value && setting_rows[row].type == SETTING_PATH)
        s->values[row][from] = file_expand_home(value, s->where->home);
    else
        s->values[row][from] = value ? memory_text(value) : NULL;
}

static value_source source_of(const settings *s, size_t row)
{
    value_source from = FROM_FLAG;
    while (from < FROM_DEFAULT && !s->values[row][from]) from++;
    return from;
}

/* A value that is no good stands for the default until settings_check has told the person. */
static const char *value_of(const settings *s, const char *name)
{
    size_t row = row_find(name);
    const char *value = s->values[row][source_of(s, row)];
    return value_check(&setting_rows[row], value).code ? s->values[row][FROM_DEFAULT] : value;
}

/* -- opening ------------------------------------------------------------------------------------------- */

static void environment_name(const char *name, char *out, size_t out_size)
{
    snprintf(out, out_size, "HYPRSTREAM_%s", name);
    for (char *c = out; *c; c++) *c = *c == '.' || *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

static void environment_read(settings *s)
{
    char name[SETTING_NAME_BYTES_MAX + 16];

    for (size_t i = 0; setting_rows[i].name; i++) {
        environment_name(setting_rows[i].name, name, sizeof name);
        value_keep(s, i, FROM_ENVIRONMENT, env_get(s->e, name));
    }
}

static err git_failure(const settings *s, err_code code, const char *what)
{
    const git_error *why = git_error_last();
    return err_make(code, "%s %s: %s", what, s->path, why && why->message ? why->message : "no reason given");
}

static void git_start(settings *s)
{
    if (!s->git) git_libgit2_init();
    s->git = true;
}

static void warning_keep(settings *s, const char *name)
{
    bytes text = {0};

    if (s->warning_count == SETTINGS_WARNINGS_MAX) return;
    bytes_printf(&text, "%s: %s", s->path, row_of(name, &(size_t){0}).text);
    s->warnings[s->warning_count++] = bytes_take(&text);
}

static err entries_read(settings *s, git_config *config)
{
    git_config_iterator *each = NULL;
    git_config_entry *entry = NULL;

    if (git_config_iterator_new(&each, config) != 0) return git_failure(s, ERR_FORMAT, "read");
    int status;
    while ((status = git_config_next(&entry, each)) == 0) {
        size_t row = row_find(entry->name);
        /* A name without "=" is git's way to write true. */
        if (setting_rows[row].name)
            value_keep(s, row, FROM_FILE, entry->value ? entry->value : "true");
        else
            warning_keep(s, entry->name);
    }
    git_config_iterator_free(each);
    return status == GIT_ITEROVER ? ERR_OK : git_failure(s, ERR_FORMAT, "read");
}

static err config_read(settings *s)
{
    git_config *config = NULL;

    if (!file_exists(s->path)) return ERR_OK;
    git_start(s);
    if (git_config_open_ondisk(&config, s->path) != 0) return git_failure(s, ERR_FORMAT, "read");
    err e = entries_read(s, config);
    git_config_free(config);
    return e;
}

static void defaults_set(settings *s)
{
    for (size_t i = 0; setting_rows[i].name; i++)
        s->values[i][FROM_DEFAULT] = memory_text(setting_rows[i].fallback);
    size_t models = row_find("models.dir");
    free(s->values[models][FROM_DEFAULT]);
    s->values[models][FROM_DEFAULT] = file_join(s->where->data, "models");
}

err settings_open(const folders *where, const env *e, settings **out)
{
    settings *s = memory_alloc(sizeof *s);

    *s = (settings){.where = where, .e = e, .path = file_join(where->config, "config")};
    defaults_set(s);
    environment_read(s);
    err failed = config_read(s);
    if (failed.code) {
        settings_free(s);
        return failed;
    }
    *out = s;
    return ERR_OK;
}

void settings_free(settings *s)
{
    if (!s) return;
    for (size_t i = 0; setting_rows[i].name; i++) {
        for (int from = 0; from < SOURCE_COUNT; from++) free(s->values[i][from]);
    }
    for (size_t i = 0; i < s->warning_count; i++) free(s->warnings[i]);
    if (s->git) git_libgit2_shutdown();
    free(s->path);
    free(s);
}

err settings_check(const settings *s)
{
    char name[SETTING_NAME_BYTES_MAX + 16];

    for (size_t i = 0; setting_rows[i].name; i++) {
        value_source from = source_of(s, i);
        err e = value_check(&setting_rows[i], s->values[i][from]);
        if (!e.code) continue;
        environment_name(setting_rows[i].name, name, sizeof name);
        const char *place = from == FROM_FILE          ? s->path
                            : from == FROM_ENVIRONMENT ? name
                                                       : source_names[from];
        e.code = from == FROM_FLAG ? ERR_USAGE : ERR_FORMAT;
        return err_note(e, "%s", place);
    }
    return ERR_OK;
}

/* -- reading ------------------------------------------------------------------------------------------- */

const folders *settings_borrow_folders(const settings *s) { return s->where; }
const char *settings_borrow_path(const settings *s) { return s->path; }
size_t settings_warning_count(const settings *s) { return s->warning_count; }
const char *settings_borrow_warning(const settings *s, size_t i) { return s->warnings[i]; }
const char *settings_text(const settings *s, const char *name) { return value_of(s, name); }

int64_t settings_integer(const settings *s, const char *name)
{
    int64_t value = 0;
    return integer_read(value_of(s, name), &value) ? value : 0;
}

double settings_number(const settings *s, const char *name)
{
    double value;
    return number_read(value_of(s, name), &value) ? value : NAN;
}

bool settings_bool(const settings *s, const char *name)
{
    bool value;
    return bool_read(value_of(s, name), &value) && value;
}

const char *settings_source(const settings *s, const char *name)
{
    return source_names[source_of(s, row_find(name))];
}

err settings_find(const char *name, const setting_row **out)
{
    size_t row;
    err e = row_of(name, &row);
    if (!e.code) *out = &setting_rows[row];
    return e;
}

/* -- changing ------------------------------------------------------------------------------------------ */

/* Writes or (value NULL) deletes. libgit2 writes a file beside it and renames. */
static err config_write(settings *s, size_t row, const char *value)
{
    git_config *config = NULL;
    char key[SETTING_NAME_BYTES_MAX];

    snprintf(key, sizeof key, "%s", setting_rows[row].name);
    for (char *c = key; *c; c++) *c = *c == '_' ? '-' : *c;
    err e = file_make_folders(s->where->config);
    if (e.code) return e;
    git_start(s);
    if (git_config_open_ondisk(&config, s->path) != 0) return git_failure(s, ERR_FORMAT, "read");
    int status = value ? git_config_set_string(config, key, value) : git_config_delete_entry(config, key);
    if (status != 0 && (value || status != GIT_ENOTFOUND)) e = git_failure(s, ERR_IO, "write");
    git_config_free(config);
    if (!e.code) value_keep(s, row, FROM_FILE, value);
    return e;
}

err settings_set(settings *s, const char *name, const char *value)
{
    size_t row;
    err e = row_of(name, &row);
    if (!e.code) e = value_check(&setting_rows[row], value);
    return e.code ? e : config_write(s, row, value);
}

err settings_unset(settings *s, const char *name)
{
    size_t row;
    err e = row_of(name, &row);
    return e.code ? e : config_write(s, row, NULL);
}

err settings_override(settings *s, const char *name, const char *value)
{
    size_t row;
    err e = row_of(name, &row);
    if (!e.code) e = value_check(&setting_rows[row], value);
    if (!e.code) value_keep(s, row, FROM_FLAG, value);
    return e;
}
