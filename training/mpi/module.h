/* training/mpi/module.h: what hyprstream-mpi.so gives to the program that opens it. */
#ifndef TRAINING_MPI_MODULE_H
#define TRAINING_MPI_MODULE_H

#include <stddef.h>

#define TRAINING_MPI_SYMBOL    "hyprstream_mpi_module"
#define TRAINING_MPI_SIGNATURE 2 /* raised with every change of the struct */

typedef struct training_mpi_place {
    int number, count; /* of this rank, of all */
    char host[256];
} training_mpi_place;

/* Functions give 0, or -1 with words in `why` (of 256 bytes); a timeout says "timeout". */
typedef struct training_mpi_module {
    int (*join)(training_mpi_place *place, char *why);
    int (*sum)(float *values, size_t count, double timeout_seconds, char *why);
    int (*broadcast)(void *data, size_t size, double timeout_seconds, char *why);
    void (*leave)(int failed);
} training_mpi_module;

typedef const training_mpi_module *training_mpi_module_function(int signature);

#endif
