/* training/ranks.c: finds the MPI module, and gives its answers as errors. */
#include "training/ranks.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/sha256.h"
#include "training/mpi/module.h"

#define MODULE_FILE "hyprstream-mpi.so"

enum { WHY_SIZE = 256 };

struct training_ranks {
    void *library;
    const training_mpi_module *module;
    training_mpi_place place;
    double timeout_seconds;
};

/* Variables with which launchers say how many there are. PMIX_RANK alone tells no number: Open MPI and Slurm
 * set theirs beside it. */
static const char *const count_variables[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"};

bool training_ranks_are_there(void)
{
    for (size_t i = 0; i < COUNT_OF(count_variables); i++) {
        const char *value = getenv(count_variables[i]);
        if (value && atoi(value) > 1) return true;
    }
    return false;
}

/* -- the module
 * ------------------------------------------------------------------------------------------------- */

/* Beside the program, or one folder up (the build tree's tests); then where it is installed. */
static void *library_open(char *looked, size_t looked_size)
{
    static const char *const places[] = {"/" MODULE_FILE, "/../" MODULE_FILE,
                                         "/../" HYPRSTREAM_LIBDIR "/hyprstream/" MODULE_FILE,
                                         "/../lib/hyprstream/" MODULE_FILE};
    char folder[PATH_MAX], path[PATH_MAX + 64];
    ssize_t size = readlink("/proc/self/exe", folder, sizeof folder - 1);
    folder[size > 0 ? size : 0] = 0;
    char *slash = strrchr(folder, '/');
    if (slash) *slash = 0;
    snprintf(looked, looked_size, "%.200s", folder);
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        snprintf(path, sizeof path, "%s%s", folder, places[i]);
        /* Open MPI's own parts look for its symbols globally. */
        if (access(path, R_OK) == 0) return dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    }
    return NULL;
}

static err module_open(training_ranks *r)
{
    char looked[256];
    r->library = library_open(looked, sizeof looked);
    if (!r->library) {
        const char *why = dlerror();
        return err_make(ERR_DEVICE,
                        "a launcher started several processes, but " MODULE_FILE
                        " cannot be opened (%.160s): install "
                        "it with the program, and the MPI library, or start one process",
                        why ? why : looked);
    }
    training_mpi_module_function *function;
    *(void **)&function = dlsym(r->library, TRAINING_MPI_SYMBOL);
    r->module = function ? function(TRAINING_MPI_SIGNATURE) : NULL;
    return r->module ? ERR_OK
                     : err_make(ERR_DEVICE, MODULE_FILE " belongs to another version of the program");
}

err training_ranks_join(double timeout_seconds, training_ranks **out)
{
    char why[WHY_SIZE] = "";
    *out = NULL;
    if (!training_ranks_are_there()) return ERR_OK;
    training_ranks *r = memory_alloc(sizeof *r);
    r->timeout_seconds = timeout_seconds;
    err e = module_open(r);
    if (!e.code && r->module->join(&r->place, why)) e = err_make(ERR_DEVICE, "%s", why);
    if (e.code)
        free(r); /* the library stays: MPI can be opened once in a process */
    else
        *out = r;
    return e;
}

void training_ranks_close(training_ranks *r, bool failed)
{
    if (!r) return;
    r->module->leave(failed);
    free(r);
}

/* -- looking
 * ------------------------------------------------------------------------------------------------------ */

size_t training_ranks_number(const training_ranks *r) { return r ? (size_t)r->place.number : 0; }
size_t training_ranks_count(const training_ranks *r) { return r ? (size_t)r->place.count : 1; }

/* -- together
 * ----------------------------------------------------------------------------------------------------- */

static err said(const training_ranks *r, const char *what, const char *why)
{
    if (strcmp(why, "timeout") == 0)
        return err_make(ERR_STATE, "rank %d on %s waited %g s to %s: another rank has ended or hangs",
                        r->place.number, r->place.host, r->timeout_seconds, what);
    return err_make(ERR_STATE, "rank %d on %s could not %s: %s", r->place.number, r->place.host, what, why);
}

err training_ranks_sum(training_ranks *r, float *values, size_t count)
{
    char why[WHY_SIZE] = "";
    if (!r || r->module->sum(values, count, r->timeout_seconds, why) == 0) return ERR_OK;
    return said(r, "add up the gradients", why);
}

err training_ranks_broadcast(training_ranks *r, void *data, size_t size)
{
    char why[WHY_SIZE] = "";
    if (!r || r->module->broadcast(data, size, r->timeout_seconds, why) == 0) return ERR_OK;
    return said(r, "hear rank 0", why);
}

err training_ranks_agree(training_ranks *r, const char *what, const char *text)
{
    if (!r) return ERR_OK;
    /* The text itself may be long: its hash goes round. */
    char own[SHA256_HEX_SIZE], theirs[SHA256_HEX_SIZE];
    sha256_of(bytes_view_of(text), own);
    memcpy(theirs, own, sizeof own);
    err e = training_ranks_broadcast(r, theirs, sizeof theirs);
    float others = memcmp(own, theirs, sizeof own) != 0;
    if (!e.code) e = training_ranks_sum(r, &others, 1);
    if (e.code || others == 0) return e;
    return err_make(ERR_STATE, "%g of %d ranks have another %s than rank 0", (double)others, r->place.count,
                    what);
}
