/* repo/registry/models_rescan.c: everything anew from the folders; what is a repository becomes registered.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "repo/modelref.h"
#include "repo/registry/models_internal.h"

/* Names of ready models that are in no registry yet: put there by hand, copied, or by the demo. */
static void strangers_find(const repo_models *m, repo_names *out)
{
    for (size_t i = 0; i < m->count; i++) {
        const repo_model_row *row = &m->entries[i].row;
        if (!row->uuid && row->state == REPO_MODEL_READY) repo_names_add(out, row->name);
    }
}

static size_t missing_count(const repo_models *m)
{
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++) count += m->entries[i].row.state == REPO_MODEL_MISSING;
    return count;
}

err repo_models_rescan(repo_models *m, size_t *found, size_t *lost)
{
    repo_names names = {0};
    size_t registered = 0;

    err e = models_scan(m, true);
    if (!e.code) strangers_find(m, &names);
    for (size_t i = 0; i < names.count && !e.code; i++) {
        /* One that cannot be registered (its folder's name is no model's name) does not stop the others. */
        err one = repo_models_register(m, names.names[i], NULL);
        if (one.code) log_write(m->context->log, LOG_WARNING, "%s: %s", names.names[i], one.text);
        registered += !one.code;
    }
    if (found) *found = registered;
    if (lost) *lost = missing_count(m);
    repo_names_free(&names);
    return e;
}
