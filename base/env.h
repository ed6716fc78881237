/* base/env.h: the environment as an argument, so that a test can hold it still. */
#ifndef BASE_ENV_H
#define BASE_ENV_H

typedef struct env {
    const char *(*get)(void *context, const char *name); /* NULL: not set. Borrowed until the next change */
    void *context;
} env;

env env_of_process(void);                            /* getenv */
const char *env_get(const env *e, const char *name); /* NULL when not set or empty */

#endif
