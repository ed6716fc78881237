/* A .lfsconfig may hold anything: what comes out is text without control bytes, or nothing. */
#include <stdlib.h>

#include "repo/net/lfs_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const char *value)
{
    for (const char *c = value; c && *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) abort();
    if (value && !*value) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    repo_lfs_config config;

    repo_lfs_config_read((bytes_view){(const char *)data, size}, "origin", &config);
    look(config.url);
    look(config.push_url);
    look(config.remote_url);
    repo_lfs_config_free(&config);
    return 0;
}
