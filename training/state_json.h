/* training/state_json.h: state.json as a struct, written and read. Parses bytes from outside: it has a
 * fuzzer. */
#ifndef TRAINING_STATE_JSON_H
#define TRAINING_STATE_JSON_H

#include "base/sha256.h"
#include "training/state.h"

typedef struct training_saved {
    training_carried carried;
    training_progress progress;
    double rate;
    uint64_t total, curve; /* steps of the run, and of the schedule */
    uint64_t bytes;        /* of state.safetensors */
    char sha256[SHA256_HEX_SIZE];
} training_saved;

void training_saved_write(const training_saved *saved, bytes *out); /* appended to *out */
/* ERR_FORMAT: "step, expected a whole number". */
err training_saved_read(bytes_view json, training_saved *out);

#endif
