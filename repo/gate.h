/* repo/gate.h: one writer per repository.
 *
 * Writers are stage, commit, ref change, checkout, merge, worktree add and remove, fetch, gc. The gate is a
 * mutex of this process and a flock of `<common git dir>/hyprstream/lock` that other processes of ours obey;
 * the file says who holds it. Readers need no gate. A git program beside us does not know it: repo_retry. */
#ifndef REPO_GATE_H
#define REPO_GATE_H

#include "repo/handle.h"

enum { REPO_GATE_WAIT_MS = 10000 };

typedef struct repo_gate repo_gate;

/* Waits at most REPO_GATE_WAIT_MS. ERR_BUSY names the holder's process and verb. Not recursive: verbs that
 * are made of verbs enter once and call the parts that say "inside the gate". */
err repo_gate_enter(repo_handle *r, const char *verb, repo_gate **out);
void repo_gate_leave(repo_gate *g); /* NULL is fine */
/* For what is as well left undone: does not wait. False: another process has it. True with *out NULL: this
 * process has it already, and the caller may be inside. */
bool repo_gate_try(repo_handle *r, const char *verb, repo_gate **out);

/* Call `attempt` (which gives a libgit2 status) again while it meets another git's lock or a ref that moved:
 * after 10, 20, ... 640 ms with jitter. `attempt` reads anew what it builds on; nothing is ever forced. The
 * last status is given back. */
int repo_retry(int (*attempt)(void *context), void *context);

#endif
