/* repo/registry/trash.c: out of sight by a rename, then deleted. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "repo/registry/models_internal.h"
#include "repo/registry/operation.h"

err trash_move(const char *models_folder, const char *path, const work_note *note, work_folder *out)
{
    work_folder work = {.fd = -1};

    err e = work_begin(models_folder, TRASH_FOLDER, note, &work);
    if (e.code) return e;
    char *inside = file_join(work.path, file_name(path));
    e = work_rename(path, inside);
    free(inside);
    if (e.code) {
        work_end(&work);
        return e;
    }
    char *parent = file_parent(path);
    e = file_sync_folder(parent);
    free(parent);
    *out = work;
    return e;
}

err repo_trash(const char *models_folder, const char *path)
{
    work_folder work = {.fd = -1};
    err e = trash_move(models_folder, path, &(work_note){.kind = "trash"}, &work);
    work_end(&work);
    return e;
}
