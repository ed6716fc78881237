#include "base/env.h"

#include <stddef.h>
#include <stdlib.h>

static const char *process_get(void *context, const char *name)
{
    (void)context;
    return getenv(name);
}

env env_of_process(void) { return (env){process_get, NULL}; }

const char *env_get(const env *e, const char *name)
{
    const char *value = e->get(e->context, name);
    return value && *value ? value : NULL;
}
