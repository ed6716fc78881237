/* ui/app/runs/changes.h: what was changed of a run since it was planned, each change with the step from which
 * it counts: rate and length, while it ran or when it was forked, and the data, when it went on with others.
 *
 * Kept as changes.json in the run's folder, and in the train.json of each commit. Parses bytes from outside:
 * it has a fuzz target. Threads: plain values. Source: spec training.md, sections 11, 15 and 16. */
#ifndef UI_APP_RUNS_CHANGES_H
#define UI_APP_RUNS_CHANGES_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "base/sha256.h"

enum { UI_RUN_CHANGES_BYTES_MAX = 4 << 20, UI_RUN_CHANGES_MAX = 10000 };

typedef struct ui_run_change {
    uint64_t step;
    double lr;                  /* NaN: as it was */
    uint64_t steps;             /* of the whole run, the schedule laid over them anew; 0: as they were */
    char data[SHA256_HEX_SIZE]; /* digest of those learned from now on; "": as they were */
    uint64_t epoch;             /* of other data: the one that step begins */
} ui_run_change;

/* An absent file has none. ERR_FORMAT. The caller frees *out. */
err ui_run_changes_load(const char *run_folder, ui_run_change **out, size_t *count);
/* All of them, in the place of those that were saved. ERR_IO, ERR_LIMIT. */
err ui_run_changes_save(const char *run_folder, const ui_run_change *changes, size_t count);
/* [{"lr":0.001,"step":20},{"step":40,"steps":60},{"data":"9f86...","epoch":2,"step":50}] appended. */
void ui_run_changes_write(const ui_run_change *changes, size_t count, bytes *out);
/* What _write made. ERR_FORMAT; the caller frees *out. */
err ui_run_changes_read(const json_node *list, ui_run_change **out, size_t *count);

/* One more, at the end. *changes is the caller's. */
void ui_run_changes_add(ui_run_change **changes, size_t *count, const ui_run_change *change);
/* The last change of data at or before this step; NULL: they are as planned. Borrowed from changes. */
const ui_run_change *ui_run_changes_borrow_data(const ui_run_change *changes, size_t count, uint64_t step);
/* Leaves out changes of data from this step on, which a run that goes on from it has before it. Gives how
 * many are left. */
size_t ui_run_changes_drop_data(ui_run_change *changes, size_t count, uint64_t step);

#endif
