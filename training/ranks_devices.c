/* training/ranks_devices.c: sums in the GPUs of the ranks, where each has one. */
#include <stdio.h>
#include <string.h>

#include "training/ranks_internal.h"

#define MODULE_FILE "hyprstream-nccl.so"

static err nccl_open(const training_nccl_module **out, int *version)
{
    char why[RANKS_WHY_SIZE] = "";
    const void *found = NULL;
    err e = ranks_module_open(MODULE_FILE, TRAINING_NCCL_SYMBOL, TRAINING_NCCL_SIGNATURE, &found);
    if (e.code) return e;
    *out = found;
    return (*out)->open(version, why) ? err_make(ERR_DEVICE, "%s", why) : ERR_OK;
}

bool training_ranks_nccl_look(char *out)
{
    const training_nccl_module *module = NULL;
    int version = 0;
    err e = nccl_open(&module, &version);
    if (e.code)
        snprintf(out, RANKS_WHY_SIZE, "%.255s", e.text);
    else
        snprintf(out, RANKS_WHY_SIZE, "%d.%d.%d", version / 10000, version / 100 % 100, version % 100);
    return !e.code;
}

bool training_ranks_on_devices(const training_ranks *r) { return r && r->nccl; }

/* How many ranks say 0; all of them hear it. */
static err count_without(training_ranks *r, bool has, float *without)
{
    *without = has ? 0 : 1;
    return training_ranks_sum(r, without, 1);
}

err training_ranks_use_devices(training_ranks *r, int cuda_index)
{
    const training_nccl_module *module = NULL;
    training_nccl_id id = {{0}};
    char why[RANKS_WHY_SIZE] = "";
    float without = 0;
    int version = 0;
    if (!r) return ERR_OK;
    /* As many GPUs as ranks: local numbers differ, so it is enough that each has its own number's. */
    err e = count_without(r, cuda_index >= 0 && cuda_index == r->place.local_number, &without);
    if (e.code || without > 0) return e;
    err failed = nccl_open(&module, &version);
    if (!failed.code &&
        (module->use_device(cuda_index, why) || (r->place.number == 0 && module->make_id(&id, why))))
        failed = err_make(ERR_DEVICE, "%s", why);
    e = count_without(r, !failed.code, &without);
    if (e.code) return e;
    if (without > 0)
        return failed.code ? failed : err_make(ERR_DEVICE, "%g other ranks cannot use NCCL", (double)without);
    e = training_ranks_broadcast(r, &id, sizeof id);
    if (!e.code && module->join(&id, r->place.number, r->place.count, why))
        failed = err_make(ERR_DEVICE, "%s", why);
    if (!e.code) e = count_without(r, !failed.code, &without);
    if (!e.code && without > 0)
        return failed.code ? failed
                           : err_make(ERR_DEVICE, "%g other ranks cannot join NCCL", (double)without);
    if (!e.code) r->nccl = module;
    return e;
}

err training_ranks_sum_device(training_ranks *r, void *values, size_t count)
{
    char why[RANKS_WHY_SIZE] = "";
    ranks_watch_count_call(r->watch);
    if (r->nccl->sum(values, count, why) == 0) return ERR_OK;
    return ranks_said(r, "add up the gradients in its GPU", why);
}
