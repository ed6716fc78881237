/* A line of examples: whatever is accepted has parts that can be told apart, with messages that are
 * well-formed. */
#include <assert.h>

#include "training/data_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(const data_part *part)
{
    assert((part->form == RECORD_CHAT) == (part->messages != NULL));
    assert((part->form == RECORD_TOKENS) == (part->ids != NULL));
    assert(json_count(part->messages) <= TRAINING_DATA_MESSAGES_MAX);
    assert(part->learn_from <= json_count(part->messages));
    size_t count = 0;
    for (const json_node *m = json_first(part->messages); m; m = m->next, count++)
        assert(json_text(json_get(m, "role")).size > 0);
    assert(count == json_count(part->messages));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena a = {0};
    const json_node *node = NULL;
    if (!json_parse((bytes_view){(const char *)data, size}, TRAINING_DATA_DEPTH_MAX, &a, &node).code) {
        for (int way = 0; way < 4; way++) {
            data_record record = {0};
            if (record_read(node, way & 1, way & 2, &a, &record).code) continue;
            assert(record.part_count == (record.kind == TRAINING_KIND_PREFERENCE ? 2u : 1u));
            for (size_t i = 0; i < record.part_count; i++) check_part(&record.parts[i]);
        }
    }
    arena_free(&a);
    return 0;
}
