/* repo/registry/cache_internal.h: for the files of the cache. */
#ifndef REPO_REGISTRY_CACHE_INTERNAL_H
#define REPO_REGISTRY_CACHE_INTERNAL_H

#include "repo/registry/cache.h"

/* After a failure (a full disk, a file damaged while it is open): go on without. */
void repo_cache_failed(repo_cache *cache, const repo_context *c, err e);

#endif
