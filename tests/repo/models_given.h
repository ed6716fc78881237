/* tests/repo/models_given.h: a models folder of its own with its own home, settings and git identity. */
#ifndef TESTS_REPO_MODELS_GIVEN_H
#define TESTS_REPO_MODELS_GIVEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/folders.h"
#include "repo/registry/models_internal.h"
#include "tests/support/check.h"

typedef struct given {
    char *home, *models;
    env environment;
    folders where;
    settings *set;
    repo_context context;
    repo_models *m;
} given;

static inline void given_put_env(const char *name, const char *format, const char *value)
{
    char text[512];
    snprintf(text, sizeof text, format, value);
    setenv(name, text, 1);
}

/* name: of this test's part of the program's folder. Nothing is opened yet. */
static inline given *given_home(const char *name)
{
    given *g = memory_alloc(sizeof *g);

    g->home = file_join(check_folder(), name);
    check_ok(file_make_folders(g->home));
    given_put_env("HOME", "%s", g->home);
    given_put_env("XDG_CONFIG_HOME", "%s/config", g->home);
    given_put_env("XDG_DATA_HOME", "%s/data", g->home);
    given_put_env("XDG_STATE_HOME", "%s/state", g->home);
    given_put_env("XDG_CACHE_HOME", "%s/cache", g->home);
    given_put_env("GIT_CONFIG_GLOBAL", "%s/gitconfig", g->home);
    setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
    setenv("GIT_AUTHOR_NAME", "Ada", 1), setenv("GIT_AUTHOR_EMAIL", "ada@example.invalid", 1);
    setenv("GIT_COMMITTER_NAME", "Ada", 1), setenv("GIT_COMMITTER_EMAIL", "ada@example.invalid", 1);
    g->models = file_join(g->home, "models");
    given_put_env("HYPRSTREAM_MODELS_DIR", "%s", g->models);
    g->environment = env_of_process();
    check_ok(folders_find(&g->environment, &g->where));
    check_ok(settings_open(&g->where, &g->environment, &g->set));
    g->context = (repo_context){.settings = g->set, .environment = &g->environment};
    return g;
}

static inline void given_open(given *g)
{
    repo_models_free(g->m);
    g->m = NULL;
    check_ok(repo_models_open(&g->context, &g->m));
}

static inline void given_end(given *g)
{
    repo_models_free(g->m);
    settings_free(g->set);
    folders_free(&g->where);
    free(g->home);
    free(g->models);
    free(g);
}

/* A shell command in the models folder; its first line of output, or the test fails when it fails. */
static inline const char *given_says(const given *g, const char *format, ...) PRINTF_LIKE(2, 3);
static inline const char *given_says(const given *g, const char *format, ...)
{
    static char line[1024];
    char command[4096];
    va_list args;
    int at = snprintf(command, sizeof command, "cd '%s' && ", g->models);

    va_start(args, format);
    vsnprintf(command + at, sizeof command - (size_t)at, format, args);
    va_end(args);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    if (!fgets(line, sizeof line, pipe)) line[0] = 0;
    while (fgetc(pipe) != EOF) {}
    int status = pclose(pipe);
    if (status) fail_msg("%s: status %d, %s", command, status, line);
    line[strcspn(line, "\n")] = 0;
    return line;
}

/* A repository made by git alone: config.json, a small weights file, one commit on main. */
static inline void given_repository(const given *g, const char *folder)
{
    check_ok(file_make_folders(g->models));
    given_says(
        g,
        "git init -q -b main '%s' && cd '%s' && echo '{\"model_type\":\"llama\",\"hidden_size\":64,"
        "\"vocab_size\":512,\"num_hidden_layers\":2,\"num_attention_heads\":4,\"intermediate_size\":128,"
        "\"max_position_embeddings\":256}' >config.json && head -c 5000 /dev/zero >model.safetensors && "
        "git add . && git commit -qm first",
        folder, folder);
}

static inline void given_plain(const given *g, const char *folder)
{
    check_ok(file_make_folders(g->models));
    given_says(g,
               "mkdir '%s' && echo '{\"model_type\":\"llama\",\"hidden_size\":64}' >'%s/config.json' && "
               "head -c 100 /dev/zero >'%s/model.safetensors'",
               folder, folder, folder);
}

/* Stamps younger than two seconds are not believed: wait until these are older, by the clock's whole seconds.
 */
static inline void given_rest(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct timespec time = {2, 1000000000 - now.tv_nsec + 5000000};
    if (time.tv_nsec >= 1000000000) time.tv_sec++, time.tv_nsec -= 1000000000;
    nanosleep(&time, NULL);
}

#endif
