/* ui/app/state_db.h: state.db under the state folder, which conversations and runs share.
 *
 * One schema for all of its tables. A damaged file is moved aside by base/db.h, never deleted; a copy of a
 * good one is made once a day (state.db.daily). Many processes may have it open: each writes briefly. */
#ifndef UI_APP_STATE_DB_H
#define UI_APP_STATE_DB_H

#include "base/db.h"

/* The folder is made when it is absent. *aside (caller frees): the new name of a damaged file, else NULL. The
 * caller's: db_close(). Errors: those of db_open, ERR_IO. */
err ui_state_db_open(const char *state_folder, char **aside, db **out);

#endif
