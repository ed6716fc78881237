/* base/db.h: sqlite with our errors, for state that must survive and caches that need not.
 *
 * Write-ahead log, foreign keys on, busy timeout 5 s. Statements are prepared once and kept by the database.
 * Threads: a db belongs to one thread. */
#ifndef BASE_DB_H
#define BASE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

typedef struct db db;
typedef struct sqlite3_stmt sqlite3_stmt;

/* Open or create; then bring the schema from its user_version up to step_count by running the steps that are
 * missing, each in a transaction. A newer version: ERR_UNSUPPORTED. A damaged file (quick_check fails): it is
 * moved aside as PATH.damaged-<time>, *aside (may be NULL) is its new name (caller frees) and a fresh one is
 * made. */
err db_open(const char *path, const char *const *steps, int step_count, char **aside, db **out);
void db_close(db *d); /* NULL is fine */

/* A prepared statement, reset and ready; borrowed from d. NULL after a failure told by db_error. */
sqlite3_stmt *db_prepare(db *d, const char *sql);
/* Bind in order: 'i' int64_t, 'd' double, 't' const char * (NULL: null), 'v' bytes_view (as text), 'b'
 * bytes_view (blob). */
err db_run(db *d, const char *sql, const char *kinds, ...); /* all rows are stepped through */
/* As db_run, with `row` for each row; false from it ends the query (no error). */
err db_query(db *d, const char *sql, bool (*row)(void *context, sqlite3_stmt *statement), void *context,
             const char *kinds, ...);
int64_t db_last_id(const db *d); /* of the row that was inserted last on this connection */
bytes_view db_column_text(sqlite3_stmt *statement, int column); /* valid until the next step */
err db_begin(db *d);                         /* BEGIN IMMEDIATE; ERR_IO when another writes for too long */
err db_commit(db *d);                        /* ERR_IO: nothing was written, roll back */
void db_rollback(db *d);                     /* outside of a transaction it does nothing */
err db_error(const db *d, const char *what); /* "what: sqlite's words", of the call that failed last */

#endif
