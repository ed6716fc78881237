/* engine/worker_internal.h: what the files of the worker share. All of it belongs to the worker's thread, but
 * the fields of engine_worker that say otherwise. */
#ifndef ENGINE_WORKER_INTERNAL_H
#define ENGINE_WORKER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/queue.h"
#include "engine/adapter.h"
#include "engine/cache.h"
#include "engine/decoder.h"
#include "engine/session.h"
#include "engine/spec.h"
#include "engine/stop_strings.h"
#include "engine/text/tokenizer.h"
#include "engine/worker.h"

enum {
    WORKER_IDLE_MAX = 32,
    WORKER_INBOX_MAX = 4096, /* jobs; what is given back is always taken */
    WORKER_OUTBOX_MAX = 1 << 20,
    WORKER_SCORE_BYTES_MAX = 64 << 20
};

/* -- what is posted
 * ------------------------------------------------------------------------------------------ */

typedef enum worker_job_kind {
    WORKER_LOAD,
    WORKER_STACK,
    WORKER_GENERATE,
    WORKER_SCORE, /* answered by events */
    WORKER_FORGET,
    WORKER_FREE_MODEL,
    WORKER_FREE_STACK,
    WORKER_WAKE,
} worker_job_kind;

typedef struct worker_job {
    worker_job_kind kind;
    engine_job_id id;
    double posted_at;
    engine_files *files; /* LOAD; STACK: NULL, or where its names are looked for first */
    char *device, *dtype;
    int threads;
    bool weights;
    engine_model
        *model; /* STACK, GENERATE, SCORE: a share held by the poster; FREE_MODEL: the share given back */
    engine_stack *stack; /* a share of the job's */
    char **paths;        /* STACK */
    double *scales;
    size_t path_count;
    engine_ids ids;         /* GENERATE, SCORE */
    engine_request request; /* GENERATE; its pointers are replaced by copies below */
    engine_bias *bias;
    char **stops;
    size_t top_count; /* SCORE */
    bool next;
} worker_job;

worker_job *worker_job_new(worker_job_kind kind);
void worker_job_free(worker_job *job);

/* -- what runs
 * ----------------------------------------------------------------------------------------------- */

/* A model that was loaded here: its pool of keys and values, how many shares are out. */
typedef struct worker_model worker_model;
struct worker_model {
    engine_model *model;
    engine_cache_pool *pool;
    size_t shares_out, streams;
    bool crowded; /* a sequence of it is paused: no new ones until another has ended */
    worker_model *next;
};

/* A sequence that is computed: an answer, or a score. */
typedef struct worker_stream worker_stream;
struct worker_stream {
    worker_job *job;
    worker_model *of;
    engine_session *session;
    engine_sampler *sampler;
    engine_detokenizer *detokenizer;
    engine_stop_strings *stops;
    size_t token_count_max, length_planned;
    engine_usage usage;
    double admitted_at, first_token_at;
    engine_pick *picks; /* of a score */
    size_t pick_count;
    bool paused; /* gave its keys and values up for older sequences; computes them again later */
    bool done;
    worker_stream *next;
};

/* A finished session that may be continued. */
typedef struct worker_idle worker_idle;
struct worker_idle {
    worker_model *of;
    engine_session *session;
    worker_idle *next; /* most recent first */
};

typedef struct worker_adapter worker_adapter;
struct worker_adapter {
    char *key; /* what was loaded: content ids, or a path with size and time */
    engine_adapter *adapter;
    worker_model *of;
    worker_adapter *next;
};

struct engine_worker {
    engine_worker_options options;
    pthread_t thread;
    queue *inbox, *outbox;
    atomic_bool quit;
    _Atomic engine_job_id last_id;
    pthread_mutex_t lock; /* over the fields down to the blank line */
    engine_job_id *cancelled;
    size_t cancelled_count, cancelled_capacity;
    engine_worker_status status;

    engine_models *shared;
    worker_model *models;
    worker_stream *waiting, *running; /* in the order of their posts */
    worker_idle *idle;
    worker_adapter *adapters;
    float *logits;
    size_t logits_capacity;
};

/* -- events (worker_events.c)
 * -------------------------------------------------------------------------------- */

engine_event *worker_event(engine_event_kind kind, engine_job_id job);
void worker_send(engine_worker *w, engine_event *event_given);
/* The job's last event. */
void worker_fail(engine_worker *w, engine_job_id job, err why);
void worker_progress(engine_worker *w, engine_job_id job, uint64_t done, uint64_t total);
bool worker_is_cancelled(engine_worker *w, engine_job_id job);
void worker_cancel_forget(engine_worker *w, engine_job_id job); /* the job has ended */
void worker_cancels_prune(engine_worker *w); /* no stream is left: forget ids that had ended */

/* -- models and adapters (worker_models.c)
 * -------------------------------------------------------------------- */

void worker_load(engine_worker *w, worker_job *job);
void worker_stack_make(engine_worker *w, worker_job *job);
worker_model *worker_model_find(engine_worker *w, const engine_model *model); /* NULL: not of this worker */
void worker_model_give_back(engine_worker *w, engine_model *model);
void worker_model_drop(engine_worker *w, worker_model *entry); /* nobody holds it, nothing runs */
void worker_models_free(engine_worker *w);

/* -- idle sessions (worker_idle.c)
 * ---------------------------------------------------------------------------- */

/* A session for this prompt: the longest shared prefix continued or forked, else a new one. *cached: tokens
 * that need no computing, always fewer than count. */
err worker_idle_take(engine_worker *w, worker_model *of, const engine_stack *stack, const int32_t *ids,
                     size_t count, engine_session **out, size_t *cached);
void worker_idle_keep(engine_worker *w, worker_model *of, engine_session *session_given);
bool worker_idle_drop_oldest(engine_worker *w,
                             const worker_model *of);                 /* false: there is none of this model */
void worker_idle_forget(engine_worker *w, const engine_model *model); /* NULL: all */

/* -- streams (worker_streams.c, worker_step.c)
 * ------------------------------------------------------------------ */

void worker_stream_post(engine_worker *w, worker_job *job_given);
void worker_streams_admit(engine_worker *w);
void worker_stream_token(engine_worker *w, worker_stream *s,
                         float *logits); /* the logits after its last token */
void worker_stream_finish(engine_worker *w, worker_stream *s, engine_finish reason, bytes *text_taken,
                          engine_ids *ids_taken, engine_pick *pick);
void worker_stream_fail(engine_worker *w, worker_stream *s, err why);
void worker_stream_scored(engine_worker *w, worker_stream *s); /* all of its tokens are computed */
void worker_streams_sweep(engine_worker *w);                   /* the done ones go; paused ones go on */
void worker_streams_cancel(engine_worker *w);
size_t worker_stream_missing(const worker_stream *s); /* tokens known but not computed */
void worker_step(engine_worker *w);                   /* one step of every model that has work */

#endif
