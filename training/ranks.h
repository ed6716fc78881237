/* training/ranks.h: the processes that train together, one copy of the adapter in each.
 *
 * Started by mpirun, mpiexec or srun; without a launcher there is one rank and no networking at all. The MPI
 * library is linked in a module of its own (hyprstream-mpi.so), opened only then, so that the program does
 * not need MPI. The ranks agree on everything but the rows that each takes: row j of a window goes to rank j
 * mod count, and one sum of all gradients makes them equal again. A call that the others do not join in time
 * ends the run. Threads: one thread of each process. Source: spec training.md, section 18. */
#ifndef TRAINING_RANKS_H
#define TRAINING_RANKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct training_ranks training_ranks;

enum { TRAINING_RANKS_TIMEOUT_SECONDS = 600 };

/* Whether a launcher started this process as one of several. Looks at the environment alone. */
bool training_ranks_are_there(void);
/* Joins the others. *out NULL: there are none. ERR_DEVICE: the module or the MPI library is missing, with
 * what was looked for. The caller closes it. */
err training_ranks_join(double timeout_seconds, training_ranks **out);
/* `failed`: the others are told to end, too. NULL is fine. */
void training_ranks_close(training_ranks *r, bool failed);

size_t training_ranks_number(const training_ranks *r); /* from 0; NULL: 0, as of one that is alone */
size_t training_ranks_count(const training_ranks *r);  /* NULL: 1 */

/* values [count] become their sum over all ranks, the same bits on each. With NULL nothing happens.
 * ERR_STATE: the others did not come; says who waited where. */
err training_ranks_sum(training_ranks *r, float *values, size_t count);
/* Rank 0's bytes to all. */
err training_ranks_broadcast(training_ranks *r, void *data, size_t size);
/* ERR_STATE on every rank when one has another text: version, settings, digest of the data. */
err training_ranks_agree(training_ranks *r, const char *what, const char *text);

#endif
