/* ui/app/runs/store_internal.h: what the files of the store share. */
#ifndef UI_APP_RUNS_STORE_INTERNAL_H
#define UI_APP_RUNS_STORE_INTERNAL_H

#include "base/db.h"
#include "ui/app/runs/store.h"

struct ui_run_store {
    db *db;
};

#endif
