/* training/mpi/module.h: what hyprstream-mpi.so gives to the program that opens it. */
#ifndef TRAINING_MPI_MODULE_H
#define TRAINING_MPI_MODULE_H

#include <stdatomic.h>
#include <stddef.h>

#define TRAINING_MPI_SYMBOL    "hyprstream_mpi_module"
#define TRAINING_MPI_SIGNATURE 3 /* raised with every change of the struct */

typedef struct training_mpi_place {
    int number, count;             /* of this rank, of all */
    int local_number, local_count; /* among those on this host */
    int cores;                     /* this rank's share of the cores that it may use */
    char host[256];
} training_mpi_place;

/* Functions give 0, or -1 with words in `why` (of 256 bytes); a timeout says "timeout", a wait that was given
 * up "lost". */
typedef struct training_mpi_module {
    /* given_up: looked at while waiting; not 0 ends the wait. It must outlive the module's use. */
    int (*join)(training_mpi_place *place, const atomic_int *given_up, char *why);
    int (*sum)(float *values, size_t count, double timeout_seconds, char *why);
    int (*broadcast)(void *data, size_t size, double timeout_seconds, char *why);
    void (*leave)(int failed); /* failed: the launcher is told to end the others */
} training_mpi_module;

typedef const training_mpi_module *training_mpi_module_function(int signature);

#endif
