/* Records of overlays and lines of mountinfo: whatever they say, a record names one layer and two absolute
 * places, or is refused. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/worktree/overlay_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mount_look(const char *line)
{
    repo_mount m = {0};
    if (!repo_mounts_line(line, &m)) return;
    if (!*m.path || !*m.type || !m.source) abort();
    free(m.path);
    free(m.type);
    free(m.source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    repo_overlay o = {.models = memory_text("/models")};
    char *line = memory_text_n((const char *)data, size);

    if (overlay_record_parse((bytes_view){(const char *)data, size}, &o)) {
        if (!o.backend || *o.path != '/' || *o.git_dir != '/') abort();
        if (!*o.layer || *o.layer == '.' || strchr(o.layer, '/')) abort();
        if (strlen(o.boot) >= sizeof o.boot || strlen(o.tree.hex) >= sizeof o.tree.hex) abort();
    }
    repo_overlay_free(&o);
    mount_look(line);
    free(line);
    return 0;
}
