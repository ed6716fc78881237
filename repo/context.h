/* repo/context.h: what a verb may know of its surroundings, handed down, never global.
 *
 * Settings and environment to read, a watcher for progress and cancel, a person to ask. */
#ifndef REPO_CONTEXT_H
#define REPO_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "base/log.h"
#include "base/settings.h"

typedef enum repo_phase {
    REPO_CONNECT,
    REPO_COUNTING,
    REPO_RECEIVING,
    REPO_RESOLVING,
    REPO_REFS,
    REPO_FILES,
    REPO_LARGE_FILES,
    REPO_SENDING,
    REPO_VERIFY,
    REPO_PHASE_COUNT,
} repo_phase;

const char *repo_phase_name(repo_phase phase); /* "receiving objects" */

/* How far a long verb is; total 0: not known. Plain values, safe to copy to another thread. */
typedef struct repo_progress {
    repo_phase phase;
    uint64_t done, total;             /* things: objects, files, refs */
    uint64_t bytes_done, bytes_total; /* of this phase */
    char text[160];                   /* one clean line: a file's name, or what the server says */
} repo_progress;

/* tell: at most 20 times a second; false cancels the verb (ERR_CANCELLED). NULL: nobody watches. */
typedef struct repo_watch {
    bool (*tell)(void *context, const repo_progress *progress);
    void *context;
} repo_watch;

bool repo_watch_tell(const repo_watch *watch, const repo_progress *progress); /* true when nobody watches */

/* Somebody who can answer: a user name, a password (secret: not shown). ERR_CANCELLED: no answer; ERR_DENIED:
 * nobody is there after all. `answer` is wiped by the asker after use. ask NULL: nobody is there, say so in the error. */
typedef struct repo_ask {
    err (*ask)(void *context, const char *question, bool secret, bytes *answer);
    void *context;
} repo_ask;

typedef struct repo_context {
    const settings *settings; /* holds the folders too */
    const env *environment;
    log_book *log; /* NULL: no log. Never a secret, never a url with user or password */
    repo_watch watch;
    repo_ask ask;
    bool in_group; /* programs that are started stay in our process group: a network child dies with them */
} repo_context;

/* The models folder, "~" expanded; the caller frees. */
char *repo_context_models_folder(const repo_context *c);

#endif
