/* ui/app/loader.h: who loads models for the application.
 *
 * The local worker does (ui/app/local_source.h); a test brings its own. Every function returns at once; what
 * came of it is told as news.
 * Threads: the UI thread. */
#ifndef UI_APP_LOADER_H
#define UI_APP_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/model.h"
#include "ui/app/adapters.h"

typedef struct ui_loader ui_loader;

typedef enum ui_load_news_kind {
    UI_LOAD_PROGRESS, /* done, total: bytes */
    UI_LOAD_DONE,     /* facts */
    UI_LOAD_FAILED,   /* error; no model is loaded then */
    UI_LOAD_STACKED,  /* the stack that was asked for is in use from the next answer on */
    UI_LOAD_STACK_FAILED,
} ui_load_news_kind;

/* What is known of the model that was loaded. */
typedef struct ui_loaded_facts {
    uint64_t parameters, bytes;
    double load_seconds; /* measured */
    char device[32], type[16];
    bool has_template, has_tokenizer;
    size_t context_max;
    engine_generation_defaults defaults;
} ui_loaded_facts;

typedef struct ui_load_news {
    ui_load_news_kind kind;
    uint64_t done, total;
    err error;
    ui_loaded_facts facts;
} ui_load_news;

typedef struct ui_loader_kind {
    /* Load the model of this folder at a ref ("": what is checked out); title: what it is called. The model
     * loaded before is given back first, so that two need not fit in memory at once; a load that is going on
     * is cancelled. Errors: the files cannot be read; then nothing has changed. */
    err (*load)(ui_loader *l, const char *folder, const char *ref, const char *title);
    void (*cancel)(ui_loader *l); /* the load that goes on: ends as FAILED, ERR_CANCELLED */
    void (*unload)(ui_loader *l);
    /* The adapters of the model that is loaded, and which of them (by file) are used. */
    void (*adapters)(ui_loader *l, ui_adapter_list *out);
    err (*stack)(ui_loader *l, const char *const *files, const double *scales, size_t count);
    /* The branches and tags that a model of this folder can be loaded at, each with what to say of it. */
    err (*refs)(ui_loader *l, const char *folder,
                void (*each)(void *context, const char *name, const char *what), void *context);
    bool (*take)(ui_loader *l, ui_load_news *out); /* never blocks */
} ui_loader_kind;

/* The first member of every loader. */
struct ui_loader {
    const ui_loader_kind *kind;
};

#endif
