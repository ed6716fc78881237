#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/beneath.h"
#include "repo/stage.h"
#include "repo/stage_internal.h"

/* An absolute path inside the worktree, from there; links on the way to the worktree are seen through. */
static const char *inside(const repo_handle *r, const char *path, const char *root)
{
    const char *const roots[] = {r->path, root};
    for (size_t i = 0; i < COUNT_OF(roots); i++) {
        size_t size = roots[i] ? strlen(roots[i]) : 0;
        if (size && strncmp(path, roots[i], size) == 0 && (path[size] == '/' || !path[size]))
            return path + size;
    }
    return NULL;
}

static err path_plain(const repo_handle *r, const char *path, const char *root, repo_names *out)
{
    CLEANUP(bytes_free) bytes plain = {0};
    const char *rest = *path == '/' ? inside(r, path, root) : path;
    err e = ERR_OK;

    if (!rest) return err_make(ERR_USAGE, "%s is outside the repository %s", path, r->path);
    while (*rest) {
        size_t size = strcspn(rest, "/");
        if (size && !(size == 1 && *rest == '.')) {
            if (plain.size) bytes_append_byte(&plain, '/');
            bytes_append(&plain, rest, size);
        }
        rest += size + (rest[size] == '/');
    }
    const char *why = plain.size ? repo_path_refusal(bytes_text(&plain)) : NULL;
    if (why) e = err_make(ERR_USAGE, "the path '%s' has a name that %s", path, why);
    repo_names_add(out, plain.size ? bytes_text(&plain) : ".");
    return e;
}

err repo_paths_plain(const repo_handle *r, const char *const *paths, size_t count, repo_names *out)
{
    char *root = realpath(r->path, NULL);
    err e = ERR_OK;

    if (!paths) repo_names_add(out, ".");
    for (size_t i = 0; paths && i < count && !e.code; i++) e = path_plain(r, paths[i], root, out);
    free(root);
    if (e.code) repo_names_free(out);
    return e;
}

void repo_stage_report_free(repo_stage_report *report)
{
    repo_names_free(&report->files);
    repo_names_free(&report->big_plain);
    repo_names_free(&report->nested);
    *report = (repo_stage_report){0};
}
