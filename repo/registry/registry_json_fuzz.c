/* Whatever is accepted prints to a text that is accepted as the same registry, and prints the same again; no
 * row leads out of the models folder. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "repo/registry/registry_json.h"

#define MODELS "/home/ada/models"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same_text(const char *a, const char *b) { return a && b ? strcmp(a, b) == 0 : a == b; }

static void check_inside(const repo_registry *registry)
{
    for (size_t i = 0; i < registry->count; i++) {
        const repo_registry_row *row = &registry->rows[i];
        assert(row->name && row->folder && *row->folder != '/' && *row->folder != '.');
        assert(!strstr(row->folder, "/.") && !strstr(row->folder, "//"));
        assert(repo_uuid_is(bytes_view_of(row->uuid)));
    }
}

static void check_same(const repo_registry *a, const repo_registry *b)
{
    assert(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert(strcmp(a->rows[i].uuid, b->rows[i].uuid) == 0 && same_text(a->rows[i].url, b->rows[i].url));
        assert(same_text(a->rows[i].name, b->rows[i].name) &&
               same_text(a->rows[i].folder, b->rows[i].folder));
        assert(strcmp(a->rows[i].current_oid, b->rows[i].current_oid) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    repo_registry first = {0}, second = {0};
    bytes printed = {0}, again = {0};

    if (!repo_registry_parse((bytes_view){(const char *)data, size}, MODELS, &first).code) {
        check_inside(&first);
        repo_registry_print(&first, &printed);
        if (printed.size <= REPO_REGISTRY_BYTES_MAX) {
            assert(!repo_registry_parse(bytes_borrow(&printed), MODELS, &second).code);
            assert(second.refused_count == 0);
            check_same(&first, &second);
            repo_registry_print(&second, &again);
            assert(bytes_view_equal(bytes_borrow(&printed), bytes_borrow(&again)));
        }
    }
    repo_registry_free(&first);
    repo_registry_free(&second);
    bytes_free(&printed);
    bytes_free(&again);
    return 0;
}
