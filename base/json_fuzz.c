/* Whatever comes in may be refused, but may not crash, hang or leak; what is accepted reads back whole. */
#include <stdlib.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const json_node *node, arena *a)
{
    size_t count = 0;
    (void)json_double(node, 0), (void)json_int(node, 0), (void)json_duplicate_key(node, a);
    for (const json_node *item = json_first(node); item; item = item->next, count++) walk(item, a);
    if (count != json_count(node)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena a = {0};
    const json_node *root = NULL;
    err e = json_parse((bytes_view){(const char *)data, size}, JSON_DEPTH_MAX, &a, &root);
    if (!e.code) walk(root, &a);
    if ((e.code == ERR_NONE) != (root != NULL)) abort();
    arena_free(&a);
    return 0;
}
