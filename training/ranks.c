/* training/ranks.c: joins the others through the MPI module, and gives its answers as errors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/sha256.h"
#include "training/ranks_internal.h"

#define MODULE_FILE "hyprstream-mpi.so"

enum { VERDICT_TRIES = 30, VERDICT_NS = 100000000 };

/* -- who started us
 * ----------------------------------------------------------------------------------------- */

/* Variables with which launchers say how many there are, and one that must be there too: Slurm also sets its
 * number for a batch script, which srun has not started. */
static const struct {
    const char *count, *with;
} launchers[] = {{"OMPI_COMM_WORLD_SIZE", NULL},
                 {"PMI_SIZE", NULL},
                 {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
                 {"SLURM_NTASKS", "SLURM_STEP_ID"}};

static int count_said(void)
{
    for (size_t i = 0; i < COUNT_OF(launchers); i++) {
        const char *value = getenv(launchers[i].count);
        if (!value || (launchers[i].with && !getenv(launchers[i].with))) continue;
        if (atoi(value) > 1) return atoi(value);
    }
    return 1;
}

bool training_ranks_are_there(void) { return count_said() > 1; }

/* -- joining
 * ------------------------------------------------------------------------------------------------ */

static err module_open(training_ranks *r)
{
    const void *found = NULL;
    err e = ranks_module_open(MODULE_FILE, TRAINING_MPI_SYMBOL, TRAINING_MPI_SIGNATURE, &found);
    r->module = found;
    if (!e.code) return e;
    return err_make(ERR_DEVICE,
                    "a launcher started %d processes: %.240s: install it with the program, and Open MPI, "
                    "or start one process",
                    count_said(), e.text);
}

/* A launcher of another MPI starts as many runs of one rank as there are processes. */
static err check_launcher(const training_ranks *r)
{
    int said = count_said();
    if (r->place.count == said) return ERR_OK;
    return err_make(
        ERR_DEVICE,
        "the launcher started %d processes, the MPI library counts %d: the launcher must be that of "
        "the Open MPI that " MODULE_FILE " was built with (srun: --mpi=pmix)",
        said, r->place.count);
}

/* Afterwards each that could has its connection; the sum makes rank 0 wait for the last. */
static err watch_begin(training_ranks *r)
{
    const training_mpi_place *p = &r->place;
    ranks_watch_who who = {p->number, p->count, p->local_count == p->count, p->host, &r->lost};
    ranks_watch_place place = {0};
    float alone = 0;
    ranks_watch *listens = p->number ? NULL : ranks_watch_listen(&who, &place);
    err e = training_ranks_broadcast(r, &place, sizeof place); /* which nobody counts yet */
    r->watch = e.code || p->number == 0 ? listens : ranks_watch_connect(&who, &place);
    return e.code ? e : training_ranks_sum(r, &alone, 1);
}

err training_ranks_join(double timeout_seconds, training_ranks **out)
{
    char why[RANKS_WHY_SIZE] = "";
    *out = NULL;
    if (!training_ranks_are_there()) return ERR_OK;
    training_ranks *r = memory_alloc(sizeof *r);
    r->timeout_seconds = timeout_seconds;
    err e = module_open(r);
    if (!e.code && r->module->join(&r->place, &r->lost, why)) e = err_make(ERR_DEVICE, "%s", why);
    bool joined = !e.code;
    if (joined) e = check_launcher(r);
    if (!e.code) e = watch_begin(r);
    if (!e.code) {
        *out = r;
        return e;
    }
    ranks_watch_free(r->watch, e.text);
    if (joined) r->module->leave(r->place.count > 1);
    free(r);
    return e;
}

void training_ranks_close(training_ranks *r, const char *why)
{
    if (!r) return;
    bool lost = training_ranks_lost(r), watched = r->watch != NULL;
    if (r->nccl) r->nccl->leave(lost || why);
    ranks_watch_free(r->watch, why);
    r->watch = NULL;
    /* Who watches ends by itself, with a sentence; the launcher's own way has none. */
    if (!lost && !(why && watched)) r->module->leave(why != NULL);
    free(r);
}

/* -- looking
 * ------------------------------------------------------------------------------------------------------ */

size_t training_ranks_number(const training_ranks *r) { return r ? (size_t)r->place.number : 0; }
size_t training_ranks_count(const training_ranks *r) { return r ? (size_t)r->place.count : 1; }
size_t training_ranks_local_number(const training_ranks *r) { return r ? (size_t)r->place.local_number : 0; }
size_t training_ranks_local_count(const training_ranks *r) { return r ? (size_t)r->place.local_count : 1; }
const char *training_ranks_borrow_host(const training_ranks *r) { return r ? r->place.host : ""; }
int training_ranks_cores(const training_ranks *r) { return r ? r->place.cores : 0; }

bool training_ranks_mpi_look(char *out)
{
    const void *found = NULL;
    err e = ranks_module_open(MODULE_FILE, TRAINING_MPI_SYMBOL, TRAINING_MPI_SIGNATURE, &found);
    snprintf(out, RANKS_WHY_SIZE, "%.255s", e.code ? e.text : MODULE_FILE);
    return !e.code;
}

/* -- one that is gone
 * --------------------------------------------------------------------------------------- */

bool training_ranks_lost(const training_ranks *r) { return r && atomic_load(&r->lost); }

err training_ranks_error(training_ranks *r, err e)
{
    char text[480];
    if (!training_ranks_lost(r) || !ranks_watch_seen(r->watch, text)) return e;
    return err_make(ERR_STATE, "%s", text);
}

void training_ranks_on_loss(training_ranks *r, void (*lost)(void *context, const char *text), void *context)
{
    ranks_watch_on_loss(r->watch, lost, context);
}

void training_ranks_ask_stop(training_ranks *r) { ranks_watch_ask_stop(r->watch); }
bool training_ranks_stop_asked(const training_ranks *r) { return r && ranks_watch_stop_asked(r->watch); }

/* -- together
 * ----------------------------------------------------------------------------------------------------- */

/* Rank 0 knows who has not come; the others give it a moment to say so. */
static err timed_out(training_ranks *r, const char *what)
{
    char missing[480];
    for (int i = 0; r->watch && r->place.number && i < VERDICT_TRIES && !training_ranks_lost(r); i++)
        nanosleep(&(struct timespec){.tv_nsec = VERDICT_NS}, NULL);
    err e = training_ranks_error(r, ERR_OK);
    if (e.code) return e;
    ranks_watch_missing(r->watch, missing);
    return err_make(ERR_STATE, "rank %d on %s waited %g s to %s: %s", r->place.number, r->place.host,
                    r->timeout_seconds, what, *missing ? missing : "another rank has ended or hangs");
}

err ranks_said(training_ranks *r, const char *what, const char *why)
{
    if (strcmp(why, "timeout") == 0) return timed_out(r, what);
    /* The library may notice a dead rank in its own words, a moment before the watch. */
    for (int i = 0; r->watch && i < VERDICT_TRIES / 3 && !training_ranks_lost(r); i++)
        nanosleep(&(struct timespec){.tv_nsec = VERDICT_NS}, NULL);
    return training_ranks_error(
        r, err_make(ERR_STATE, "rank %d on %s could not %s: %s", r->place.number, r->place.host, what, why));
}

err training_ranks_sum(training_ranks *r, float *values, size_t count)
{
    char why[RANKS_WHY_SIZE] = "";
    if (!r) return ERR_OK;
    ranks_watch_count_call(r->watch);
    if (r->module->sum(values, count, r->timeout_seconds, why) == 0) return ERR_OK;
    return ranks_said(r, "add up the gradients", why);
}

static err broadcast(training_ranks *r, void *data, size_t size, double timeout_seconds)
{
    char why[RANKS_WHY_SIZE] = "";
    if (!r) return ERR_OK;
    ranks_watch_count_call(r->watch);
    if (r->module->broadcast(data, size, timeout_seconds, why) == 0) return ERR_OK;
    return ranks_said(r, "hear rank 0", why);
}

err training_ranks_broadcast(training_ranks *r, void *data, size_t size)
{
    return broadcast(r, data, size, r ? r->timeout_seconds : 0);
}

err training_ranks_await(training_ranks *r, void *data, size_t size)
{
    /* Without a watch nothing else would end the wait. */
    return broadcast(r, data, size, r && r->watch ? 1e18 : r ? r->timeout_seconds : 0);
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
