/* base/settings.h: what the person has set.
 *
 * A table of known settings with type, default and help. The value is the first of: a flag given to this call
 * (settings_override), $HYPRSTREAM_<NAME> (dots and dashes as '_'), the file `config` in git-config syntax
 * under folders.config (read and written by libgit2), the default. git-config has no underscores in names, so
 * the file says "top-p" for chat.top_p; functions take both. HYPRSTREAM_MODELS_DIR is models.dir. An
 * unknown key in the file is a warning, never an error. Threads: belongs to one thread. */
#ifndef BASE_SETTINGS_H
#define BASE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "base/folders.h"

typedef struct settings settings;

typedef enum setting_type {
    SETTING_TEXT,
    SETTING_PATH,
    SETTING_INTEGER,
    SETTING_NUMBER,
    SETTING_BOOL,
    SETTING_CHOICE
} setting_type;

typedef struct setting_row {
    const char *name; /* "chat.temperature" */
    setting_type type;
    const char *fallback; /* as text; "" is "not set" */
    const char *choices;  /* "auto f32 bf16", or NULL */
    double min, max;      /* of a number */
    const char *help;
} setting_row;

/* Ended by a row without a name. */
extern const setting_row setting_rows[];

/* A file that is not there is empty settings. ERR_FORMAT names file and line. `env` and `folders` are
 * borrowed. */
err settings_open(const folders *where, const env *e, settings **out);
void settings_free(settings *s);                           /* NULL is fine */
const folders *settings_borrow_folders(const settings *s); /* valid as long as s */

/* The first value that its row refuses: ERR_FORMAT names the place it comes from. Until then it is read as
 * the default. */
err settings_check(const settings *s);
/* One sentence for each unknown key of the file. Borrowed from s. */
size_t settings_warning_count(const settings *s);
/* Of those that loading found, i below their count; valid as long as s. */
const char *settings_borrow_warning(const settings *s, size_t i);
/* The row of this name; ERR_NOT_FOUND with the nearest name. */
err settings_find(const char *name, const setting_row **out);

/* Borrowed until the next change. The name must be a row's. What is not set ("") is 0 as an integer and NaN
 * as a number. */
const char *settings_text(const settings *s, const char *name);
/* 0 when what is set is no whole number (settings_check says so). */
int64_t settings_integer(const settings *s, const char *name);
double settings_number(const settings *s, const char *name); /* NAN when what is set is no number */
bool settings_bool(const settings *s, const char *name); /* false when what is set is neither yes nor no */
/* "default", "file", "environment", "flag": where the value comes from. */
const char *settings_source(const settings *s, const char *name);

/* Checked against the row; ERR_USAGE says what was expected, ERR_NOT_FOUND (with the nearest name) for no
 * such setting. */
err settings_set(settings *s, const char *name, const char *value); /* into the file, atomically */
/* Out of the file: the default counts again. ERR_USAGE: no such setting; ERR_IO. */
err settings_unset(settings *s, const char *name);
err settings_override(settings *s, const char *name, const char *value); /* for this process */
const char *settings_borrow_path(const settings *s);                     /* of the file */

#endif
