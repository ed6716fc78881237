/* ui/app/runs/server_internal.h: what both ends of the socket share. */
#ifndef UI_APP_RUNS_SERVER_INTERNAL_H
#define UI_APP_RUNS_SERVER_INTERNAL_H

#include <sys/un.h>

#include "ui/app/runs/server.h"

/* *folder (-1: none) must stay open while the address is used. */
err ui_run_socket_address(const char *path, struct sockaddr_un *out, int *folder);

#endif
