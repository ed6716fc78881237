/* training/ranks_internal.h: what the files of the ranks share. */
#ifndef TRAINING_RANKS_INTERNAL_H
#define TRAINING_RANKS_INTERNAL_H

#include "training/mpi/module.h"
#include "training/nccl/module.h"
#include "training/ranks.h"
#include "training/ranks_watch.h"

enum { RANKS_WHY_SIZE = 256 };

struct training_ranks {
    const training_mpi_module *module;
    training_mpi_place place;
    double timeout_seconds;
    ranks_watch *watch; /* NULL: only the timeouts tell of one that is gone */
    atomic_int lost;
    const training_nccl_module *nccl; /* NULL: sums go through the host */
};

/* A module of this program: what its function gives for the signature. ERR_DEVICE: `file` is not there,
 * cannot be opened, or belongs to another version. */
err ranks_module_open(const char *file, const char *symbol, int signature, const void **out);
/* The words of a module, as an error; "lost" becomes who is gone. */
err ranks_said(training_ranks *r, const char *what, const char *why);

#endif
