/* training/data_reading.h: files of examples, record by record. */
#ifndef TRAINING_DATA_READING_H
#define TRAINING_DATA_READING_H

#include "base/sha256.h"
#include "training/data_internal.h"

enum { TRAINING_UNKNOWN_KEYS_MAX = 32 };

/* What has been read so far. Begin with {.model, .options}. */
typedef struct training_reading {
    const engine_model *model;
    const training_data_options *options;
    sequence_list sequences;
    training_origin *origins; /* [sequences.count] */
    uint64_t *record_keys;    /* [sequences.count]: the first 8 bytes of the sha256 of each one's record */
    size_t capacity;
    training_counts counts;  /* without examples, held_out, tokens, targets */
    training_origin first;   /* of the first record: preferences and others are not mixed */
    bytes untargeted_places; /* the first three: "a.jsonl:3, b.jsonl:7" */
    bytes unknown_keys;      /* NUL-terminated, one after another */
    size_t unknown_key_count;
    uint64_t *seen; /* keys of records, a hash set */
    size_t seen_mask, seen_count;
} training_reading;

/* Every record of a file, appended; `digest` of its content as read. */
err training_read_file(training_reading *r, const char *path, uint32_t file, char digest[SHA256_HEX_SIZE]);
/* One line of a .jsonl file, without its end: for training_read_file and the fuzzer. `name` is the file's. */
err training_read_line(training_reading *r, const char *name, uint32_t file, uint32_t line, bytes_view text);
void training_reading_free(training_reading *r); /* with the sequences that are still its own */

#endif
