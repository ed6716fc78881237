/* repo/demo.h: the demo model as the first model of a machine.
 *
 * Makes the repository `demo` in an empty models folder: a base commit with the model, then one commit for
 * each adapter, an annotated tag on each. An ordinary git repository that plain git can use. It is built
 * beside its place and renamed when it is whole, so that a kill leaves nothing half-made. */
#ifndef REPO_DEMO_H
#define REPO_DEMO_H

#include <stdbool.h>

#include "base/err.h"

/* assets: the folder assets/demo of the program. models: made when absent. *made false: the models folder
 * already holds something, nothing was done. Errors name the file: ERR_NOT_FOUND (an asset), ERR_IO,
 * ERR_STATE (git's words). */
err repo_demo_install(const char *assets, const char *models, bool *made);

#endif
