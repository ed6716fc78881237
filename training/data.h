/* training/data.h: files of examples, as tokens and labels of a model.
 *
 * .jsonl (one object a line), .json (an array of them) and .txt (each file one text). Each record is
 * recognised for itself by its keys: token ids, preferences, chats of OpenAI's or ShareGPT's form, prompt and
 * completion, instructions, text; a file of preferences holds nothing else. Chats go through the model's
 * template, and what the assistant says is what is learned. What cannot be read ends the reading with one
 * sentence that names file and line. Threads: immutable once opened. Source: spec training.md, sections 9
 * and 13. */
#ifndef TRAINING_DATA_H
#define TRAINING_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"
#include "engine/model.h"
#include "training/windows.h"

enum {
    TRAINING_DATA_FILES_MAX = 1000,
    TRAINING_DATA_LINE_BYTES_MAX = 16 << 20,
    TRAINING_DATA_FILE_BYTES_MAX = 2000000000,
    TRAINING_DATA_MESSAGES_MAX = 1024, /* of a conversation */
    TRAINING_DATA_DEPTH_MAX = 32,      /* of a record's JSON */
};

/* What becomes of an example that is longer than the row. */
typedef enum training_long {
    TRAINING_LONG_TRUNCATE, /* its end is cut off */
    TRAINING_LONG_DROP,
    TRAINING_LONG_SPLIT, /* text becomes several examples; others are cut */
    TRAINING_LONG_COUNT,
} training_long;

typedef enum training_kind {
    TRAINING_KIND_TOKENS,
    TRAINING_KIND_PREFERENCE,
    TRAINING_KIND_CHAT,
    TRAINING_KIND_COMPLETION,
    TRAINING_KIND_INSTRUCTION,
    TRAINING_KIND_TEXT,
    TRAINING_KIND_COUNT,
} training_kind;
const char *training_kind_name(training_kind kind); /* "chat", "preference" */

typedef struct training_data_options {
    size_t max_length; /* tokens of an example */
    training_long too_long;
    bool everything;       /* learn all tokens of a chat or completion, not only the assistant's */
    bool wrap_chat;        /* prompts and completions given as strings become a conversation */
    double held_out;       /* fraction kept apart for evaluation; 0: none */
    bool held_out_bounded; /* at least 16 and at most 512 records, and no more than a fifth */
    uint64_t seed;         /* of the split */
    /* Asked now and then; false ends with ERR_CANCELLED. NULL: never. */
    bool (*go_on)(void *context, uint64_t bytes_done, uint64_t bytes_total);
    void *context;
} training_data_options;

/* max_length 2048, truncated, the assistant's words, 2 % held out within its bounds, seed 42. */
training_data_options training_data_defaults(void);

/* Where an example came from. */
typedef struct training_origin {
    uint32_t file, line; /* file: index; line: from 1 */
    training_kind kind;
    bool held_out;
} training_origin;

typedef struct training_counts {
    size_t records, examples, held_out; /* held_out: examples among `examples` */
    size_t kinds[TRAINING_KIND_COUNT];  /* records */
    size_t unrolled;                    /* conversations that became an example for each answer */
    size_t cut, dropped, split;         /* too long */
    size_t untargeted;                  /* nothing in them is to be learned: left out */
    size_t duplicates;                  /* records that are equal to an earlier one */
    uint64_t tokens, targets;
} training_counts;

typedef struct training_data training_data;

/* `model` needs no weights; it is only used during the call. Errors: ERR_NOT_FOUND, ERR_IO, ERR_LIMIT,
 * ERR_FORMAT and ERR_UNSUPPORTED with "FILE:LINE: "; ERR_USAGE when nothing is left to learn from, or more
 * than one record in a hundred has no target. */
err training_data_open(const char *const *paths, size_t path_count, const engine_model *model,
                       const training_data_options *options, training_data **out);
void training_data_free(training_data *d); /* NULL is fine */

/* Preferences: examples 2k and 2k + 1 are what was chosen and what was rejected. */
bool training_data_is_preference(const training_data *d);
/* [training_counts.examples] in the order of the files; those to train on first, those held out after them.
 * Borrowed. */
const training_sequence *training_data_borrow(const training_data *d);
size_t training_data_train_count(const training_data *d);    /* sequences to train on */
size_t training_data_held_out_count(const training_data *d); /* sequences behind them */
/* Of an index of training_data_borrow. */
training_origin training_data_origin(const training_data *d, size_t example);
const char *training_data_borrow_file(const training_data *d, size_t file); /* its name without folders */
size_t training_data_file_count(const training_data *d);                    /* at least 1 */
/* sha256 of one file; and of all together: over the sorted names and contents as they were read. */
const char *training_data_borrow_file_digest(const training_data *d, size_t file);
const char *training_data_borrow_digest(const training_data *d); /* of all files together */
/* The same of files as they lie there now; no example is read. ERR_NOT_FOUND, ERR_IO. */
err training_data_digest(const char *const *paths, size_t path_count, char digest[SHA256_HEX_SIZE]);
training_counts training_data_counts(const training_data *d); /* as they were read */
/* Keys that no form knows, NUL-terminated one after another: named once, to be told. */
const char *training_data_borrow_unknown_keys(const training_data *d, size_t *count);

#endif
