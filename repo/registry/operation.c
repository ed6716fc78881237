#define _GNU_SOURCE
#include "repo/registry/operation.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "repo/attributes.h"
#include "repo/handle_internal.h"
#include "repo/modelref.h"
#include "repo/registry/models_internal.h"

struct repo_operation {
    repo_models *m;
    work_folder work;
    char *kind, *name;
};

/* ---- beginning ---- */

static err space_check(const repo_models *m, uint64_t needed)
{
    struct statvfs info;
    char wanted[32], left[32];

    if (!needed) return ERR_OK;
    if (statvfs(m->folder, &info) != 0) return err_errno("look at %s", m->folder);
    uint64_t available = (uint64_t)info.f_bavail * info.f_frsize;
    if (needed <= available) return ERR_OK;
    text_human_size(needed, wanted, sizeof wanted);
    text_human_size(available, left, sizeof left);
    return err_make(ERR_LIMIT, "%s needs %s, %s free", m->folder, wanted, left);
}

err repo_operation_begin(repo_models *m, const char *kind, const char *name, uint64_t bytes_needed,
                         repo_operation **out)
{
    work_folder work = {.fd = -1};

    err e = name ? model_name_is_free(m, name) : ERR_OK;
    if (!e.code) e = space_check(m, bytes_needed);
    if (!e.code) e = work_begin(m->folder, STAGING_FOLDER, &(work_note){.kind = kind, .name = name}, &work);
    if (e.code) return e;
    repo_operation *o = memory_alloc(sizeof *o);
    *o = (repo_operation){m, work, memory_text(kind), name ? memory_text(name) : NULL};
    *out = o;
    return ERR_OK;
}

const char *repo_operation_borrow_folder(const repo_operation *o) { return o->work.path; }

err repo_operation_phase(repo_operation *o, const char *phase)
{
    return work_write(&o->work, &(work_note){.kind = o->kind, .name = o->name, .phase = phase});
}

void repo_operation_free(repo_operation *o)
{
    if (!o) return;
    work_end(&o->work);
    free(o->kind);
    free(o->name);
    free(o);
}

/* ---- publishing ---- */

/* All of a file system at once: a model is thousands of small writes, and one wait for them is the cheapest.
 */
static err folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    err e = fd >= 0 && syncfs(fd) == 0 ? ERR_OK : err_errno("sync %s", path);
    if (fd >= 0) close(fd);
    return e;
}

/* The mark goes in before the rename: a model in its place always says who it is. */
static err folder_mark(const repo_operation *o, const char *uuid, repo_id *head)
{
    git_oid id;
    repo_handle *r = NULL;

    err e = repo_open(o->m->context, o->work.path, &r);
    if (!e.code) e = model_mark_write(repo_borrow_common_dir(r), uuid, o->name);
    if (!e.code) e = repo_exclude_write(r);
    /* A clone of an empty repository has none. */
    if (!e.code && git_reference_name_to_id(&id, r->git, "HEAD") == 0) repo_id_of(&id, head);
    repo_close(r);
    return e;
}

static err place_and_list(repo_operation *o, const char *place, const char *folder, const char *uuid,
                          const char *url, const repo_id *head)
{
    repo_models *m = o->m;
    registry_lock lock = {0};

    err e = registry_lock_take(m, o->kind, &lock);
    if (!e.code) e = work_rename(o->work.path, place);
    if (!e.code) {
        registry_change change = {
            .uuid = uuid, .name = o->name, .folder = folder, .url = url, .head = head->hex};
        e = registry_put(m, &change, "Register", o->name);
        /* A disk that is full leaves things as they were. */
        if (e.code) (void)work_rename(place, o->work.path);
    }
    registry_lock_drop(&lock);
    return e;
}

err repo_operation_publish(repo_operation *o, const char *url)
{
    char uuid[REPO_UUID_SIZE], *plain = url ? repo_url_without_secret(url) : NULL;
    char *folder = repo_model_folder_name(o->name), *place = file_join(o->m->folder, folder);

    repo_id head = {""};
    repo_uuid_make(uuid);
    err e = model_name_is_free(o->m, o->name);
    if (!e.code) e = folder_mark(o, uuid, &head);
    if (!e.code) e = folder_sync(o->work.path);
    if (!e.code) e = place_and_list(o, place, folder, uuid, plain, &head);
    if (!e.code) e = models_scan(o->m, false);
    free(plain);
    free(folder);
    free(place);
    return e;
}
