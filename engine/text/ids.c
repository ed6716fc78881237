#include "engine/text/ids.h"

#include <stdlib.h>

#include "base/arena.h"

void engine_ids_push(engine_ids *ids, int32_t id)
{
    if (ids->count == ids->capacity) {
        ids->capacity = ids->capacity ? ids->capacity * 2 : 64;
        ids->data = memory_resize_array(ids->data, ids->capacity, sizeof *ids->data);
    }
    ids->data[ids->count++] = id;
}

void engine_ids_free(engine_ids *ids)
{
    free(ids->data);
    *ids = (engine_ids){0};
}
