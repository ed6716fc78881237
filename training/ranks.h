/* training/ranks.h: the processes that train together, one copy of the adapter in each.
 *
 * Started by mpirun, mpiexec or srun; without a launcher there is one rank and no networking at all. The MPI
 * library is linked in a module of its own (hyprstream-mpi.so), opened only then, so that the program does
 * not need MPI. The ranks agree on everything but the rows that each takes: row j of a window goes to rank j
 * mod count, and one sum of all gradients makes them equal again. A rank that dies is named by the others,
 * which end at once; a call that the others do not join in time ends the run. Where each rank has a GPU of
 * its own the gradients are summed there, by NCCL (hyprstream-nccl.so). Threads: one thread of each process,
 * but for the callback of _on_loss. Source: spec training.md, section 18. */
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
 * what was looked for, or is not that of the launcher. The caller closes it. */
err training_ranks_join(double timeout_seconds, training_ranks **out);
/* `why` this rank fails: the others end with that sentence. NULL: all is well. After a loss nothing is said
 * and the MPI library is left as it is. NULL ranks are fine. */
void training_ranks_close(training_ranks *r, const char *why);

size_t training_ranks_number(const training_ranks *r); /* from 0; NULL: 0, as of one that is alone */
size_t training_ranks_count(const training_ranks *r);  /* NULL: 1 */
/* Which of the ranks on its host; NULL: 0. */
size_t training_ranks_local_number(const training_ranks *r);
size_t training_ranks_local_count(const training_ranks *r);      /* those on its host; NULL: 1 */
const char *training_ranks_borrow_host(const training_ranks *r); /* valid as long as r; NULL: "" */
/* Its share of the cores that it may use; NULL: 0, all of them. */
int training_ranks_cores(const training_ranks *r);

/* values [count] become their sum over all ranks, the same bits on each. With NULL nothing happens.
 * ERR_STATE: the others did not come, with their numbers where they are known. */
err training_ranks_sum(training_ranks *r, float *values, size_t count);
/* Rank 0's bytes to all. */
err training_ranks_broadcast(training_ranks *r, void *data, size_t size);
/* The same for what rank 0 may take its time with: a pause, a save. Only a rank that dies ends the wait. */
err training_ranks_await(training_ranks *r, void *data, size_t size);
/* ERR_STATE on every rank when one has another text: version, settings, digest of the data. */
err training_ranks_agree(training_ranks *r, const char *what, const char *text);

/* -- one that is gone --------------------------------------------------------------------------------------
 */

/* Whether a rank has died or failed; then everything that goes on is to end. Any thread; NULL: no. */
bool training_ranks_lost(const training_ranks *r);
/* After a loss the sentence with the number of the rank, in place of e; else e. From then on the caller ends
 * the process. */
err training_ranks_error(training_ranks *r, err e);
/* When the rank's own thread does not end the process in time after a loss, as it computes, this is called on
 * another thread, and the process ends. */
void training_ranks_on_loss(training_ranks *r, void (*lost)(void *context, const char *text), void *context);
/* From another rank than 0: rank 0 is to stop the run. */
void training_ranks_ask_stop(training_ranks *r);
bool training_ranks_stop_asked(const training_ranks *r); /* rank 0: one of them did; NULL: no */

/* -- GPUs ---------------------------------------------------------------------------------------------------
 */

/* All call alike, with the GPU that each computes on (-1: none). Where every rank has one of its own they sum
 * there from now on. ERR_DEVICE: libnccl cannot be used on one of them: sums go through the host then. */
err training_ranks_use_devices(training_ranks *r, int cuda_index);
bool training_ranks_on_devices(const training_ranks *r); /* NULL: no */
/* values [count] f32 in this rank's GPU, in the order of its default stream. */
err training_ranks_sum_device(training_ranks *r, void *values, size_t count);
/* Whether libnccl can be opened here: its version ("2.24.3") in `out` of 256 bytes, or the sentence why not.
 */
bool training_ranks_nccl_look(char *out);
/* Whether the MPI library can; likewise. */
bool training_ranks_mpi_look(char *out);

#endif
