/* training/data_internal.h: what the files of the data reader share. */
#ifndef TRAINING_DATA_INTERNAL_H
#define TRAINING_DATA_INTERNAL_H

#include "base/json.h"
#include "engine/spec.h"
#include "engine/text/tokenizer.h"
#include "training/data.h"

/* How one half of a record becomes tokens. */
typedef enum data_form {
    RECORD_TOKENS,
    RECORD_TEXT,
    RECORD_PLAIN, /* a prompt and what follows it */
    RECORD_CHAT,
} data_form;

typedef struct data_part {
    data_form form;
    const json_node *ids, *labels;     /* RECORD_TOKENS; labels may be NULL: all */
    bytes_view text;                   /* RECORD_TEXT */
    bytes_view prompt, completion;     /* RECORD_PLAIN */
    const json_node *messages, *tools; /* RECORD_CHAT */
    size_t learn_from;                 /* messages before this one are not learned */
} data_part;

/* A record as it was recognised; a preference has two parts. Lives in the arena it was read with. */
typedef struct data_record {
    training_kind kind;
    data_part parts[2];
    size_t part_count;
} data_record;

/* Recognise an object by its keys (spec training.md, 9.2). `has_template`: instructions become chats.
 * `wrap_chat`: so do prompts given as strings. The sentence does not name the place. */
err record_read(const json_node *object, bool has_template, bool wrap_chat, arena *a, data_record *out);
/* Whether some form reads this key. */
bool record_key_known(bytes_view key);

/* Whether the assistant says it. */
bool message_is_answer(const json_node *message);

/* Growing list of sequences, in memory of their own. */
typedef struct sequence_list {
    training_sequence *items;
    size_t count, capacity;
} sequence_list;
void sequence_list_push(sequence_list *list, const int32_t *ids, const int32_t *labels, size_t count);
void sequence_list_clear(sequence_list *list); /* frees the sequences */
void sequence_list_free(sequence_list *list);

/* Tokens and labels of one part, appended: one sequence, or one for each answer of a conversation that cannot
 * be masked as a whole (*unrolled). Not cut. */
err part_encode(const engine_model *model, const data_part *part, bool everything, sequence_list *out,
                bool *unrolled);

/* Where each token begins in `text`, in bytes. False: the tokenizer changes the text too much to tell; then
 * token_boundary() finds single places by tokenising what lies before them. */
bool token_begins(const engine_tokenizer *t, bytes_view text, const engine_ids *ids, size_t *begins);
/* How many tokens begin before `offset` of `text`, whose ids these are. */
err token_boundary(const engine_tokenizer *t, bytes_view text, const engine_text_span *guarded,
                   size_t guarded_count, const engine_ids *ids, size_t offset, size_t *out);

#endif
