/* ui/app/models.h: what lies in the models folder.
 *
 * One row per folder with a config.json, read from text files and file sizes alone: cheap, and libtorch stays
 * closed. A folder that cannot be used is a row too, with the reason.
 * Threads: a list belongs to the thread that scanned it. */
#ifndef UI_APP_MODELS_H
#define UI_APP_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    UI_MODELS_COUNT_MAX = 2000,
    UI_ADAPTERS_COUNT_MAX = 256,
    UI_MODEL_CONFIG_BYTES_MAX = 4 << 20,
    UI_MODEL_POINTER_BYTES_MAX = 1024, /* a smaller .safetensors that begins as a pointer is no weights */
};

typedef struct ui_model_row {
    char *name, *path;
    char *architecture; /* "llama"; NULL when config.json is not readable */
    char *problem;      /* why it cannot be loaded; NULL: nothing is known against it */
    uint64_t parameters;
    uint64_t file_bytes;   /* of its weights on disk */
    uint64_t weight_bytes; /* estimate in memory, in the type it will compute in */
    uint64_t cache_bytes;  /* estimate of the keys and values of a full context */
    size_t context_max;    /* tokens */
    size_t layer_count, vocab_count;
    bool has_template;    /* chat_template.* or a chat_template in tokenizer_config.json */
    size_t adapter_count; /* files in adapters/ */
} ui_model_row;

typedef struct ui_model_list {
    char *folder; /* the models folder */
    ui_model_row *rows;
    size_t count;
    err error; /* of the scan; an absent folder is an empty list, not an error */
} ui_model_list;

/* dtype: "auto", "f32", "bf16": what weights will be held in; auto is the type that the files have. */
void ui_models_scan(const char *folder, const char *dtype, ui_model_list *out);
void ui_models_free(ui_model_list *list);                                        /* a zeroed one is fine */
const ui_model_row *ui_models_find(const ui_model_list *list, const char *name); /* NULL: none */

/* The model to load at start: `last` (may be NULL), else "demo", else the only usable one, else NULL. */
const ui_model_row *ui_models_first(const ui_model_list *list, const char *last);

/* Memory that programs can still have, of the system; 0: not known. */
uint64_t ui_memory_available(void);

/* -- adapters of a model ----------------------------------------------------------------------------------
 */

typedef struct ui_adapter_row {
    char *name, *path; /* "01_brief"; a .safetensors file with a config beside it, or a PEFT folder */
    bool on;
    double scale;
} ui_adapter_row;

typedef struct ui_adapter_list {
    ui_adapter_row *rows;
    size_t count;
} ui_adapter_list;

/* In the order of their names; all off, scale 1. No folder: an empty list. */
void ui_adapters_scan(const char *model_path, ui_adapter_list *out);
void ui_adapters_free(ui_adapter_list *list);

#endif
