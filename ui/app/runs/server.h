/* ui/app/runs/server.h: a run's private socket: events to any number of clients, their requests back.
 *
 * A line of JSON each way. The server has a thread of its own that only moves bytes: the run posts lines and
 * takes requests and never waits. A client that does not read loses events, whole lines at a time.
 *   $XDG_RUNTIME_DIR/hyprstream/run-ID.sock, mode 0600; without that folder, run.sock in the run's own.
 * Threads: _tell, _take and _answer from the run's thread; a client belongs to one thread. Source: spec
 * training.md, section 20. */
#ifndef UI_APP_RUNS_SERVER_H
#define UI_APP_RUNS_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"

enum { UI_RUN_CLIENTS_MAX = 64, UI_RUN_LINE_BYTES_MAX = 1 << 20, UI_RUN_BACKLOG_BYTES_MAX = 4 << 20 };

/* The caller frees. */
char *ui_run_socket_path(const env *environment, const char *run_folder, const char *id);

typedef struct ui_run_server ui_run_server;

/* Listens at path; one that nobody answers is taken away first. ERR_BUSY: somebody does. ERR_IO. */
err ui_run_server_new(const char *path, ui_run_server **out);
/* Gives the clients a second to read what is left, closes, removes the socket. NULL is fine. */
void ui_run_server_free(ui_run_server *server);
/* A line (without its end) to all. */
void ui_run_server_tell(ui_run_server *server, bytes_view line);
/* What a new client is sent first; replaces the last one. */
void ui_run_server_greeting(ui_run_server *server, bytes_view line);

typedef struct ui_run_request {
    uint64_t client;
    bytes line;
} ui_run_request;
/* The next request, the caller's to free (line); false: none. */
bool ui_run_server_take(ui_run_server *server, ui_run_request *out);
/* Waits at most so long for one. */
void ui_run_server_wait(ui_run_server *server, int timeout_ms);
/* A line to one client; one that is gone is fine. */
void ui_run_server_answer(ui_run_server *server, uint64_t client, bytes_view line);

/* -- the other end ------------------------------------------------------------------------------------------
 */

typedef struct ui_run_client ui_run_client;

/* ERR_NOT_FOUND: nobody listens there (a socket that nobody answers is removed). */
err ui_run_client_new(const char *path, ui_run_client **out);
void ui_run_client_free(ui_run_client *client); /* NULL is fine */
/* A request, without its end of line. ERR_IO: the run is gone. */
err ui_run_client_send(ui_run_client *client, bytes_view line);
/* The next line into *line (cleared before). *got false: none within timeout_ms (or a signal came). *ended:
 * the run has closed its end. ERR_IO, ERR_LIMIT. */
err ui_run_client_read(ui_run_client *client, int timeout_ms, bytes *line, bool *got, bool *ended);

#endif
