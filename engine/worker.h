/* engine/worker.h: the one thread that owns models.
 *
 * Requests in, events out. All live sequences are batched into each step; new ones are admitted between
 * steps; prompts are fed in slices between the steps of the others; cancel is looked at between steps and
 * slices. Finished sequences stay as idle sessions: a request that begins with the tokens of one (same model,
 * equal stack) continues or forks it, so a rewound or forked conversation computes only what is new
 * (cached_tokens). When the cache pool is full, idle sessions give way, oldest first, then the youngest
 * sequences: they wait until another has ended and are computed again, token by token alike. In f32 on the
 * CPU the tokens of a request do not depend on what else runs. Threads: post and cancel from any thread;
 * events are taken by one thread (the UI's, or the command's). No function here waits for the engine, but
 * engine_worker_wait and _free. */
#ifndef ENGINE_WORKER_H
#define ENGINE_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "engine/model.h"
#include "engine/sampling.h"
#include "engine/stack.h"
#include "engine/text/ids.h"

typedef struct engine_worker engine_worker;
typedef uint64_t engine_job_id; /* never 0; never used twice */

enum {
    ENGINE_WORKER_STREAMS_MAX = 64,   /* sequences in one step; further ones wait */
    ENGINE_WORKER_WAITING_MAX = 1024, /* posts past it: ERR_LIMIT as the job's event */
    ENGINE_PREFILL_SLICE = 512,       /* rows of one slice; slices begin at multiples of it */
    ENGINE_STOPS_MAX = 16,
    ENGINE_STOP_BYTES_MAX = 1024,
};

typedef struct engine_worker_options {
    uint64_t
        cache_bytes_max; /* of all keys and values; 0: half of the memory that is free when a model loads */
} engine_worker_options;

/* Starts its thread; engine_worker_free(). ERR_IO: no thread or descriptor is left. */
err engine_worker_new(const engine_worker_options *options, engine_worker **out);
void engine_worker_free(engine_worker *w); /* cancels all jobs, joins the thread; NULL is fine */

/* -- jobs: each is answered by events with its id, the last of which has `last` set -------------------------
 */

/* Load a model. `files_taken` is the worker's. Events: PROGRESS..., then LOADED or FAILED. device and dtype
 * are copied; progress and context of the options are not used. */
engine_job_id engine_worker_load(engine_worker *w, engine_files *files_taken,
                                 const engine_model_options *options);
/* Load adapters onto a loaded model, each with a scale. A name that `files_taken` (NULL: none; the worker's
 * from now on) holds is that file, another is a path as for engine_adapter_open. Events: STACKED or FAILED.
 * An adapter that is loaded already (same content id; same path, size, time) is shared. Texts are copied. */
engine_job_id engine_worker_stack(engine_worker *w, engine_model *model, engine_files *files_taken,
                                  const char *const *names, const double *scales, size_t count);

typedef struct engine_request {
    engine_model *model;      /* shared by the worker until the last event */
    engine_stack *stack;      /* likewise; NULL: none */
    const int32_t *ids;       /* the prompt; copied */
    size_t id_count;          /* at least 1 */
    engine_sampling sampling; /* bias copied */
    size_t token_count_max;   /* of the answer; cut to what the context and the pool leave (finish LENGTH) */
    size_t token_count_min;   /* no eos before */
    const char *const *stops; /* strings that end the answer, not part of it; copied */
    size_t stop_count;
    bool ignore_eos;
    bool skip_special;  /* leave special tokens out of the text */
    bool want_logprobs; /* of each token of the answer */
    size_t top_count;   /* alternatives per token, at most ENGINE_LOGPROBS_MAX */
} engine_request;

/* Events: STARTED, PROGRESS and TEXT..., FINISHED; or FAILED. A prompt that leaves no room in the context, or
 * in the whole cache pool: FAILED, ERR_LIMIT, with both counts. */
engine_job_id engine_worker_generate(engine_worker *w, const engine_request *request);

/* Log-probability of each token given those before it, of the untouched distribution. next: one more entry
 * for what would follow. Events: PROGRESS..., SCORED or FAILED. */
engine_job_id engine_worker_score(engine_worker *w, engine_model *model, engine_stack *stack,
                                  const int32_t *ids, size_t id_count, size_t top_count, bool next);

/* Stop a job. A generating one ends with FINISHED (CANCELLED) and keeps its text; others with FAILED,
 * ERR_CANCELLED. Within one step or slice. An id that has ended is fine. */
void engine_worker_cancel(engine_worker *w, engine_job_id id);
/* Forget idle sessions of this model (NULL: of all). */
void engine_worker_forget(engine_worker *w, const engine_model *model);
/* Give a model back. Its last share must be freed on the worker's thread, so holders other than the worker
 * call this instead of engine_model_free. Likewise for stacks. */
void engine_worker_free_model(engine_worker *w, engine_model *model_taken);
void engine_worker_free_stack(engine_worker *w, engine_stack *stack_taken); /* see engine_worker_free_model */

/* -- events ---------------------------------------------------------------------------------------------- */

typedef enum engine_event_kind {
    ENGINE_EVENT_PROGRESS, /* done, total: bytes of a load, tokens of a prompt or score */
    ENGINE_EVENT_LOADED,   /* model: the taker's share */
    ENGINE_EVENT_STACKED,  /* stack: the taker's share (NULL when no adapter was named) */
    ENGINE_EVENT_STARTED,  /* usage.prompt_tokens, usage.cached_tokens */
    ENGINE_EVENT_TEXT,     /* text and ids of one or more tokens (text may be empty: held back) */
    ENGINE_EVENT_FINISHED, /* reason, usage; text: what was still held back */
    ENGINE_EVENT_SCORED,   /* picks: one per token; the first has logprob NaN */
    ENGINE_EVENT_FAILED,   /* error */
} engine_event_kind;

typedef enum engine_finish {
    ENGINE_FINISH_STOP,   /* an eos id */
    ENGINE_FINISH_STRING, /* a stop string */
    ENGINE_FINISH_LENGTH,
    ENGINE_FINISH_CANCELLED,
} engine_finish;
const char *engine_finish_name(engine_finish f); /* "stop", "stop", "length", "cancelled" */

typedef struct engine_usage {
    size_t prompt_tokens, cached_tokens, completion_tokens;
    double wait_seconds, prefill_seconds, first_token_seconds,
        decode_seconds; /* measured; from the post on */
    uint64_t seed;
} engine_usage;

typedef struct engine_event {
    engine_event_kind kind;
    engine_job_id job;
    bool last;
    err error;
    uint64_t done, total;
    engine_model *model;
    engine_stack *stack;
    bytes text;
    engine_ids ids;
    engine_pick *picks; /* with want_logprobs: one per id */
    size_t pick_count;
    engine_finish reason;
    engine_usage usage;
} engine_event;

/* Readable while events wait: for poll(). */
int engine_worker_fd(const engine_worker *w);
/* The next event, which is the caller's: engine_event_free. False: none now. Never blocks. */
bool engine_worker_take(engine_worker *w, engine_event *out);
/* The same, waiting up to timeout_ms (-1: without end). */
bool engine_worker_wait(engine_worker *w, int timeout_ms, engine_event *out);
/* Frees text, ids and picks; a model or stack that was not taken out (set to NULL) goes back to the worker.
 */
void engine_event_free(engine_worker *w, engine_event *event);

/* What the worker does now; a snapshot that any thread may take. */
typedef struct engine_worker_status {
    size_t running, waiting, idle_sessions;
    uint64_t cache_bytes, cache_bytes_max;
} engine_worker_status;
engine_worker_status engine_worker_look(const engine_worker *w); /* a snapshot of this moment; any thread */

#endif
