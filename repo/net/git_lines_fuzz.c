/* Whatever git or a helper says: clean lines come out, at most so long, and no control byte. */
#include <stdlib.h>
#include <string.h>

#include "repo/net/git_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void told(void *context, const char *line)
{
    repo_progress p;
    (void)context;
    if (!*line) abort();
    for (const char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) abort();
    if (repo_line_progress(line, &p) && p.phase >= REPO_PHASE_COUNT) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    repo_lines lines = {0};
    size_t half = size / 2;
    repo_lines_feed(&lines, (bytes_view){(const char *)data, half}, told, NULL);
    repo_lines_feed(&lines, (bytes_view){(const char *)data + half, size - half}, told, NULL);
    repo_lines_end(&lines, told, NULL);
    repo_lines_free(&lines);
    return 0;
}
