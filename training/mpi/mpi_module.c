/* training/mpi/mpi_module.c: the module itself; the only file that includes mpi.h.
 *
 * Every call is begun, then tested until it is done or its time is over: a rank whose others died must end
 * with a sentence, not hang in the library. */
#define _GNU_SOURCE
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "training/mpi/module.h"

enum { WHY_SIZE = 256, CHUNK_MAX = 1 << 26, NAP_LEAST_NS = 100000, NAP_MOST_NS = 2000000 };

static const atomic_int *given_up;

static int say(char *why, const char *what, int code)
{
    char words[MPI_MAX_ERROR_STRING] = "";
    int size = 0;
    MPI_Error_string(code, words, &size);
    snprintf(why, WHY_SIZE, "%s: %.200s", what, words);
    return -1;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Waits for a request. The first millisecond without sleeping: others are usually near. A wait of seconds
 * looks less often: rank 0 is paused, or saves. */
static int finish(MPI_Request *request, const char *what, double timeout_seconds, char *why)
{
    double began = now();
    for (int done = 0; !done;) {
        int code = MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS) return say(why, what, code);
        double waited = now() - began;
        if (done || waited < 0.001) continue;
        if (atomic_load(given_up) || waited > timeout_seconds) {
            snprintf(why, WHY_SIZE, "%s", atomic_load(given_up) ? "lost" : "timeout");
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = waited < 5 ? NAP_LEAST_NS : NAP_MOST_NS}, NULL);
    }
    return 0;
}

/* Launchers bind ranks to cores, or do not: the cores that this one may use, divided by the ranks that may
 * use them too. */
static int share_of_cores(MPI_Comm local, int count)
{
    cpu_set_t own, *all = calloc((size_t)count, sizeof *all);
    int sharing = 0;
    CPU_ZERO(&own);
    if (!all || sched_getaffinity(0, sizeof own, &own) != 0) {
        free(all);
        return 1;
    }
    MPI_Allgather(&own, sizeof own, MPI_BYTE, all, sizeof own, MPI_BYTE, local);
    for (int i = 0; i < count; i++) {
        cpu_set_t both;
        CPU_AND(&both, &own, &all[i]);
        sharing += CPU_COUNT(&both) > 0;
    }
    free(all);
    int cores = CPU_COUNT(&own) / (sharing > 0 ? sharing : 1);
    return cores > 0 ? cores : 1;
}

static void look_around(training_mpi_place *place)
{
    MPI_Comm local;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, place->number, MPI_INFO_NULL, &local);
    MPI_Comm_rank(local, &place->local_number);
    MPI_Comm_size(local, &place->local_count);
    place->cores = share_of_cores(local, place->local_count);
    MPI_Comm_free(&local);
}

static int join(training_mpi_place *place, const atomic_int *until, char *why)
{
    int given = 0, size = 0, there = 0;
    given_up = until;
    MPI_Initialized(&there);
    int code = there ? MPI_SUCCESS : MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &given);
    if (code != MPI_SUCCESS) return say(why, "MPI_Init_thread", code);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &place->number);
    MPI_Comm_size(MPI_COMM_WORLD, &place->count);
    char name[MPI_MAX_PROCESSOR_NAME] = "";
    MPI_Get_processor_name(name, &size);
    snprintf(place->host, sizeof place->host, "%s", name);
    look_around(place);
    return 0;
}

static int sum(float *values, size_t count, double timeout_seconds, char *why)
{
    for (size_t at = 0; at < count; at += CHUNK_MAX) {
        size_t each = count - at < CHUNK_MAX ? count - at : CHUNK_MAX;
        MPI_Request request;
        int code = MPI_Iallreduce(MPI_IN_PLACE, values + at, (int)each, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD,
                                  &request);
        if (code != MPI_SUCCESS) return say(why, "MPI_Iallreduce", code);
        if (finish(&request, "MPI_Iallreduce", timeout_seconds, why)) return -1;
    }
    return 0;
}

static int broadcast(void *data, size_t size, double timeout_seconds, char *why)
{
    for (size_t at = 0; at < size; at += CHUNK_MAX) {
        size_t each = size - at < CHUNK_MAX ? size - at : CHUNK_MAX;
        MPI_Request request;
        int code = MPI_Ibcast((char *)data + at, (int)each, MPI_BYTE, 0, MPI_COMM_WORLD, &request);
        if (code != MPI_SUCCESS) return say(why, "MPI_Ibcast", code);
        if (finish(&request, "MPI_Ibcast", timeout_seconds, why)) return -1;
    }
    return 0;
}

static void leave(int failed)
{
    if (failed)
        MPI_Abort(MPI_COMM_WORLD, 1);
    else
        MPI_Finalize();
}

const training_mpi_module *hyprstream_mpi_module(int signature);
__attribute__((visibility("default"))) const training_mpi_module *hyprstream_mpi_module(int signature)
{
    static const training_mpi_module module = {join, sum, broadcast, leave};
    return signature == TRAINING_MPI_SIGNATURE ? &module : NULL;
}
