/* Whatever is accepted prints to a text that is accepted as the same thing. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/modelref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const repo_modelref *a, const repo_modelref *b)
{
    assert(strcmp(a->model, b->model) == 0 && strcmp(a->ref, b->ref) == 0);
    assert(a->adapter_count == b->adapter_count);
    for (size_t i = 0; i < a->adapter_count; i++) {
        assert(strcmp(a->adapters[i].name, b->adapters[i].name) == 0);
        assert(a->adapters[i].scale - b->adapters[i].scale < 1e-12);
        assert(b->adapters[i].scale - a->adapters[i].scale < 1e-12);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = memory_text_n((const char *)data, size);
    repo_modelref first = {0}, second = {0};
    bytes printed = {0};

    if (!repo_modelref_parse(text, &first).code) {
        repo_modelref_print(&first, &printed);
        if (printed.size <= REPO_MODELREF_BYTES_MAX) {
            assert(!repo_modelref_parse(bytes_text(&printed), &second).code);
            check_same(&first, &second);
        }
    }
    repo_modelref_free(&first);
    repo_modelref_free(&second);
    bytes_free(&printed);
    free(text);
    return 0;
}
