/* training/settings.h: the settings of a run: read from words, written as JSON, settled when all is known.
 *
 * Equal settings give equal bytes of JSON: keys sorted, numbers in the shortest form that reads back the
 * same. Threads: plain values. Source: spec training.md, sections 2 and 15.1. */
#ifndef TRAINING_SETTINGS_H
#define TRAINING_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "training/data.h"
#include "training/settings_list.h"

typedef enum training_setting_type {
    TRAINING_SETTING_COUNT,  /* int64_t */
    TRAINING_SETTING_NUMBER, /* double; NaN: auto */
    TRAINING_SETTING_FLAG,   /* bool */
    TRAINING_SETTING_WORD,   /* int: which of the choices */
    TRAINING_SETTING_TEXT,   /* char *, owned, never NULL */
} training_setting_type;

typedef int64_t training_field_COUNT;
typedef double training_field_NUMBER;
typedef bool training_field_FLAG;
typedef int training_field_WORD;
typedef char *training_field_TEXT;

#define TRAINING_FIELD(type, field, flag, value, fallback, least, most, choices, help)                       \
    training_field_##type field;
typedef struct training_settings {
    TRAINING_SETTINGS(TRAINING_FIELD)
} training_settings;
#undef TRAINING_FIELD

/* The words of the choices, in their order. */
enum {
    TRAINING_RUN_AUTO,
    TRAINING_RUN_SFT,
    TRAINING_RUN_DPO,
    TRAINING_RUN_IPO,
    TRAINING_RUN_SIMPO,
    TRAINING_RUN_ORPO
};
enum { TRAINING_AUTO, TRAINING_ON, TRAINING_OFF };
enum { TRAINING_ORDER_SHUFFLE, TRAINING_ORDER_FILE };
enum { TRAINING_LEARN_ASSISTANT, TRAINING_LEARN_ALL };
enum { TRAINING_WRAP_NONE, TRAINING_WRAP_CHAT };
enum { TRAINING_INIT_DEFAULT, TRAINING_INIT_GAUSSIAN, TRAINING_INIT_PISSA, TRAINING_INIT_OLORA };
enum { TRAINING_DTYPE_F32, TRAINING_DTYPE_BF16 };

typedef struct training_setting {
    training_setting_type type;
    const char *flag, *value, *fallback, *choices, *help;
    double least, most;
    size_t offset; /* in training_settings */
} training_setting;

/* All rows, in the order of the list; NULL past the last. */
const training_setting *training_setting_at(size_t i);
/* By flag or by key ("micro-batch", "micro_batch"); NULL: none. */
const training_setting *training_setting_find(const char *name);

void training_settings_init(training_settings *s); /* to the defaults; the caller frees */
void training_settings_free(training_settings *s); /* a zeroed one is fine */
void training_settings_copy(const training_settings *from, training_settings *to); /* to: a zeroed one */

/* ERR_USAGE: "--rank 0: expected a whole number from 1 to 4096". A flag's text is "on" or "off". */
err training_settings_set(training_settings *s, const char *name, const char *text);
/* One setting as text, appended: what _set reads. */
void training_settings_text(const training_settings *s, const training_setting *row, bytes *out);

/* What is "auto" becomes a value: the kind by the data, the rate by the kind, packing by the kind. ERR_USAGE
 * for settings that exclude each other. Idempotent. */
err training_settings_settle(training_settings *s, bool preferences);
/* "auto" (*layers -1), "off" (0), "layers" (1), "segment:K" (K). */
err training_settings_checkpointing(const training_settings *s, int *layers);

/* An object of all settings, keys sorted, appended without a line end: {"alpha":32,...}. */
void training_settings_write(const training_settings *s, bytes *out);
/* Reads the known keys of an object over what is there; others are left alone (train.json has more).
 * ERR_FORMAT: a value of another type or out of range. */
err training_settings_read(training_settings *s, const json_node *object);

/* How they choose and cut examples. */
training_data_options training_settings_data(const training_settings *s);

/* Advice on settled settings, one sentence each, NUL-terminated one after another; gives how many. `targets`:
 * of the training data; `parameters`: trainable; `steps`: of the run. */
size_t training_settings_advise(const training_settings *s, uint64_t targets, uint64_t parameters,
                                uint64_t steps, bytes *out);

#endif
