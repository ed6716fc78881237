/* ui/app/source.h: who answers in a chat.
 *
 * Chat speaks to a source: the local worker today; a training run or a remote server are further sources with
 * the same functions. A source takes a conversation and gives news; it never draws and never waits.
 * Threads: a source belongs to the UI thread. */
#ifndef UI_APP_SOURCE_H
#define UI_APP_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "engine/sampling.h"
#include "engine/worker.h"

typedef struct ui_source ui_source;

typedef struct ui_message {
    const char *role; /* "system", "user", "assistant" */
    bytes_view content;
    bytes_view reasoning; /* of an assistant; may be empty */
} ui_message;

typedef struct ui_ask {
    const ui_message *messages; /* borrowed for the call */
    size_t message_count;
    bool continue_last; /* write on at the end of the last message, an assistant's */
    engine_sampling sampling;
    size_t token_count_max; /* 0: what the context leaves */
} ui_ask;

typedef enum ui_news_kind { UI_NEWS_STARTED, UI_NEWS_TEXT, UI_NEWS_FINISHED, UI_NEWS_FAILED } ui_news_kind;

typedef struct ui_news {
    ui_news_kind kind;
    uint64_t answer; /* which ask */
    bytes who;       /* FINISHED: who answered, when it is known only then; empty: as the facts said */
    bytes reasoning, content; /* new text, taken apart (engine/text/reasoning.h); the taker's */
    engine_finish reason;
    engine_usage usage;
    err error;
} ui_news;

/* What a source can tell of itself; zero where it can't. */
typedef struct ui_source_facts {
    const char *name;    /* model and stack, as shown; borrowed until the next call */
    size_t context_max;  /* tokens */
    size_t context_used; /* of the conversation answered last, prompt and answer */
    bool has_template;
} ui_source_facts;

typedef struct ui_source_kind {
    err (*ask)(ui_source *s, const ui_ask *ask, uint64_t *answer); /* returns at once; *answer is not 0 */
    void (*stop)(ui_source *s, uint64_t answer);
    bool (*take)(ui_source *s, ui_news *out); /* never blocks */
    ui_source_facts (*facts)(ui_source *s);
    void (*free)(ui_source *s);
} ui_source_kind;

/* The first member of every source. */
struct ui_source {
    const ui_source_kind *kind;
};

void ui_news_free(ui_news *news); /* a zeroed one is fine */

#endif
