/* base/process.h: another program as a child: started without a shell, fed, read, waited for, killed.
 *
 * Every descriptor of ours is close-on-exec; between fork and exec only async-signal-safe calls are made
 * (posix_spawn), so threads do no harm. The child is the leader of its own process group, unless in_group says
 * otherwise: what it starts dies with it. Threads: a process belongs to the thread that started it. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/err.h"

typedef struct process process;

typedef struct process_options {
    const char *const *argv;  /* ended by NULL; argv[0] is looked up in PATH unless it has a '/' */
    const char *program;      /* what to run, when it is not what argv[0] says; NULL */
    const char *folder;       /* to run in; NULL: ours */
    const char *const *set;   /* "NAME=value" over the environment, ended by NULL; "NAME" alone unsets */
    int input, output, error; /* descriptors for 0, 1, 2; PROCESS_PIPE: make one; PROCESS_NULL: /dev/null */
    bool in_group; /* stays in our process group: who kills that takes it along; process_stop it alone */
} process_options;

enum { PROCESS_PIPE = -1, PROCESS_NULL = -2, PROCESS_KEEP = -3 };

/* ERR_NOT_FOUND: no such program. */
err process_start(const process_options *options, process **out);
pid_t process_id(const process *p); /* until it was waited for */
/* Our ends of the pipes; -1: there is none. process_close_input ends what the child reads. */
int process_input(const process *p);
int process_output(const process *p); /* to read from; -1: not PROCESS_PIPE */
int process_error(const process *p); /* to read from; -1: not PROCESS_PIPE */
void process_close_input(process *p); /* the process sees the end of its input; twice is fine */
/* Wait at most so long (-1: without end). *ended false: it still runs. status: exit status, or 128 + signal.
 */
err process_wait(process *p, int timeout_ms, bool *ended, int *status);
/* Ask the group to end, wait, insist: SIGTERM, grace_ms, SIGKILL; reaped. */
void process_stop(process *p, int grace_ms);
void process_free(process *p); /* stops it when it still runs; NULL is fine */

/* Run to the end: `input` is fed, at most output_bytes_max of each stream are kept (more: ERR_LIMIT), past
 * timeout_ms it is stopped (ERR_IO). error_out may be NULL. A status other than 0 is no err: look at it. */
err process_run(const process_options *options, bytes_view input, size_t output_bytes_max, int timeout_ms,
                bytes *output, bytes *error_out, int *status);

#endif
