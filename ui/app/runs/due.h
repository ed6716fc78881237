/* ui/app/runs/due.h: the commit that a run is about to make, noted before the state that it belongs to, so
 * that a run that was killed in between makes it when it goes on: with the plan and the data that led there,
 * whatever they are by then.
 *
 * Kept as due.json in the run's folder while there is one. Parses bytes from outside: it has a fuzz target.
 * Threads: plain values. Source: spec training.md, section 16. */
#ifndef UI_APP_RUNS_DUE_H
#define UI_APP_RUNS_DUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/sha256.h"

enum { UI_RUN_DUE_BYTES_MAX = 16 << 20 };

typedef struct ui_run_due {
    uint64_t step; /* whose weights are committed */
    bool tag;
    char data[SHA256_HEX_SIZE]; /* digest of those that were learned from */
    bytes plan;                 /* train.json of the commit */
} ui_run_due;

/* In the place of the one before. ERR_IO. */
err ui_run_due_save(const char *run_folder, const ui_run_due *due);
/* ERR_NOT_FOUND: nothing is due. ERR_FORMAT. _free(out) */
err ui_run_due_load(const char *run_folder, ui_run_due *out);
/* It was made. */
void ui_run_due_done(const char *run_folder);
void ui_run_due_free(ui_run_due *due); /* a zeroed one is fine */

/* {"data":"9f86...","plan":"{...}","step":20,"tag":false} appended. */
void ui_run_due_write(const ui_run_due *due, bytes *out);
/* What _write made. ERR_FORMAT. _free(out) */
err ui_run_due_read(bytes_view text, ui_run_due *out);

#endif
