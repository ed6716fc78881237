/* repo/net/git_lines.h: what git and its helpers say on standard error, made into clean lines and progress.
 *
 * Pieces come cut anywhere, lines end with '\r' or '\n', and nothing in them may be trusted: control bytes
 * are dropped and a url loses its user and password before anybody sees it. */
#ifndef REPO_NET_GIT_LINES_H
#define REPO_NET_GIT_LINES_H

#include "repo/context.h"

enum { REPO_LINE_BYTES_MAX = 1024 };

/* Called for each line that is not empty. */
typedef void (*repo_line_told)(void *context, const char *line);

/* A zeroed one is ready. Longer lines are cut at REPO_LINE_BYTES_MAX. */
typedef struct repo_lines {
    bytes part;
} repo_lines;
/* A piece, cut anywhere; `told` gets each line that is whole by now. */
void repo_lines_feed(repo_lines *lines, bytes_view piece, repo_line_told told, void *context);
void repo_lines_end(repo_lines *lines, repo_line_told told,
                    void *context);      /* the last line, without an end */
void repo_lines_free(repo_lines *lines); /* a zeroed one is fine */

/* Appended without control bytes, without "user:password@" in urls. */
void repo_line_clean(bytes_view raw, bytes *out);

/* "Receiving objects:  45% (9/20), 1.2 MiB | 3 MiB/s": true, with counts. Any other line: false. */
bool repo_line_progress(const char *line, repo_progress *out);

#endif
