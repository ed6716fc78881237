/* repo/demo.h: the demo model as the first model of a machine.
 *
 * Makes the repository `demo` in an empty models folder, once: who removes it does not find it again. What
 * `init` makes, then a commit with the model (tag base), then one for each adapter (brief, pirate). An
 * ordinary git repository that plain git and git-lfs can use: the weights are under LFS, their objects in its
 * store. Its ids are the same on every machine. It is built beside its place and renamed when it is whole, so
 * that a kill leaves nothing half-made. */
#ifndef REPO_DEMO_H
#define REPO_DEMO_H

#include <stdbool.h>

#include "repo/context.h"

/* assets: the folder assets/demo of the program. models: made when absent. *made false: the models folder
 * already holds something, or had a demo; nothing was done. Errors name the file: ERR_NOT_FOUND (an asset),
 * ERR_IO, ERR_STATE (git's words). */
err repo_demo_install(const repo_context *context, const char *assets, const char *models, bool *made);

#endif
