/* repo/worktree/worktree_add.c: a worktree, whole or not at all.
 *
 * Under the gate: git's folder with its lock first, then the files, then the lock goes. A note in .staging
 * tells the next start what to undo when we are killed in between. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/branch.h"
#include "repo/branch_internal.h"
#include "repo/gate.h"
#include "repo/registry/models_internal.h"
#include "repo/worktree/worktree_internal.h"

enum { TRIES_MAX = 1000, REF_BYTES_MAX = 256 };

/* ---- what it is on ---- */

/* A branch can be in one place only. */
static err branch_check(const repo_handle *r, const char *ref)
{
    char head[REF_BYTES_MAX] = "";
    char *path = file_join(r->git_dir, "HEAD");
    CLEANUP(bytes_free) bytes text = {0};

    if (!file_read(path, sizeof head - 1, &text).code) snprintf(head, sizeof head, "%s", bytes_text(&text));
    free(path);
    head[strcspn(head, "\n")] = 0;
    if (*r->path && text_starts_with(head, "ref: ") && strcmp(head + strlen("ref: "), ref) == 0)
        return err_make(ERR_CONFLICT, "%s is on %s: say --new-branch NAME, or a tag or commit", r->path,
                        ref + strlen("refs/heads/"));
    return repo_places_check(r, ref);
}

static err start_find(repo_handle *r, const repo_worktree_options *options, repo_ref *ref, worktree_admin *a)
{
    CLEANUP(bytes_free) bytes branch = {0};

    err e = repo_resolve(r, options->ref, ref);
    if (!e.code && options->new_branch) {
        e = repo_branch_name_check(options->new_branch);
        bytes_printf(&branch, "refs/heads/%s", options->new_branch);
    } else if (!e.code && ref->kind == REPO_REF_BRANCH) {
        bytes_append_text(&branch, ref->name);
        e = branch_check(r, ref->name);
    }
    if (branch.size)
        a->branch = bytes_take(&branch);
    else
        a->head = ref->commit;
    return e;
}

/* ---- its name and place ---- */

/* One path component that git, every file system and a shell can bear. */
static void name_sanitise(const char *from, bytes *out)
{
    for (const char *p = from; *p && out->size < WORKTREE_NAME_BYTES_MAX - 8; p++) {
        bool plain = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     *p == '_' || (*p == '.' && out->size && p[1] && p[1] != '.');
        if (plain || out->size) bytes_append_byte(out, plain ? *p : '-');
    }
    if (!out->size) bytes_append_text(out, "worktree");
}

/* <models>/.worktrees/<folder of the model>/<name> */
static char *default_path(const repo_models *m, const repo_handle *r, const char *name)
{
    CLEANUP(bytes_free) bytes path = {0};
    bool inside = strcmp(file_name(r->common_dir), ".git") == 0;
    char *holder = inside ? file_parent(r->common_dir) : memory_text(r->common_dir);

    bytes_printf(&path, "%s/" WORKTREES_FOLDER "/%s/%s", m->folder, file_name(holder), name);
    free(holder);
    return bytes_take(&path);
}

static bool is_taken(const repo_handle *r, const repo_models *m, const char *name, bool own_path)
{
    CLEANUP(bytes_free) bytes git_dir = {0};
    struct stat info;

    bytes_printf(&git_dir, "%s/worktrees/%s", r->common_dir, name);
    if (lstat(bytes_text(&git_dir), &info) == 0) return true;
    if (own_path) return false;
    char *path = default_path(m, r, name);
    bool taken = lstat(path, &info) == 0;
    free(path);
    return taken;
}

/* That of an overlay which is not mounted is an empty folder, too. */
static err path_is_free(const repo_models *m, const repo_handle *r, const char *path)
{
    CLEANUP(repo_overlay_free) repo_overlay o = {0};
    repo_places places = {0};

    err e = repo_places_read(r, &places);
    for (size_t i = 0; i < places.folders.count && !e.code; i++)
        if (strcmp(places.folders.names[i], path) == 0)
            e = err_make(ERR_EXISTS, "%s is a worktree already", path);
    if (!e.code && !repo_overlay_find(m->folder, path, &o).code)
        e = err_make(ERR_EXISTS, "%s is the place of another model's worktree", path);
    repo_places_free(&places);
    return e;
}

/* Without "." and "..", of what is there already: git and we compare paths by their text. */
static char *path_whole(const char *path)
{
    char *here = getcwd(NULL, 0), *whole = file_join(here ? here : "/", path), *parent = NULL, *real = NULL;

    while (whole[1] && whole[strlen(whole) - 1] == '/') whole[strlen(whole) - 1] = 0;
    parent = file_parent(whole);
    if (!file_make_folders(parent).code && (real = realpath(parent, NULL)) &&
        strcmp(file_name(whole), ".") != 0 && strcmp(file_name(whole), "..") != 0) {
        char *found = file_join(real, file_name(whole));
        free(whole);
        whole = found;
    }
    free(here);
    free(parent);
    free(real);
    return whole;
}

static err path_given(const char *path, char **out)
{
    struct stat info;
    file_list names = {0};
    err e = ERR_OK;
    char *whole = path_whole(path);

    if (lstat(whole, &info) == 0) {
        if (!S_ISDIR(info.st_mode) || file_list_folder(whole, &names).code || names.count)
            e = err_make(ERR_EXISTS, "%s is already there, and is no empty folder", whole);
        file_list_free(&names);
    }
    if (!e.code)
        *out = whole;
    else
        free(whole);
    return e;
}

static err place_find(const repo_models *m, const repo_handle *r, const repo_worktree_options *options,
                      const repo_ref *ref, worktree_admin *a)
{
    CLEANUP(bytes_free) bytes shown = {0}, stem = {0}, name = {0};

    repo_ref_print_short(ref, &shown);
    name_sanitise(options->new_branch ? options->new_branch : bytes_text(&shown), &stem);
    bytes_append_view(&name, bytes_borrow(&stem));
    for (int i = 2; is_taken(r, m, bytes_text(&name), options->path != NULL); i++) {
        if (i > TRIES_MAX)
            return err_make(ERR_LIMIT, "too many worktrees are called '%s'", bytes_text(&stem));
        bytes_clear(&name);
        bytes_printf(&name, "%s-%d", bytes_text(&stem), i);
    }
    CLEANUP(bytes_free) bytes git_dir = {0};
    bytes_printf(&git_dir, "%s/worktrees/%s", r->common_dir, bytes_text(&name));
    a->name = memory_text(bytes_text(&name));
    a->git_dir = bytes_take(&git_dir);
    if (options->path) return path_given(options->path, &a->path);
    a->path = default_path(m, r, a->name);
    return ERR_OK;
}

static err count_check(const repo_handle *r)
{
    char *all = file_join(r->common_dir, "worktrees");
    file_list names = {0};
    err e = ERR_OK;

    if (!file_list_folder(all, &names).code && names.count >= REPO_WORKTREES_COUNT_MAX)
        e = err_make(ERR_LIMIT, "a model has at most %d worktrees: remove one first",
                     REPO_WORKTREES_COUNT_MAX);
    file_list_free(&names);
    free(all);
    return e;
}

/* ---- making ---- */

static err driver_find(const repo_models *m, const repo_handle *r, const repo_worktree_options *options,
                       worktree_admin *a, err *warning)
{
    char *parent = file_parent(a->path);
    const worktree_site site = {.c = r->context, .models = m->folder, .store = r->common_dir, .path = parent};
    worktree_choice choice = {0};

    err e = file_make_folders(parent);
    if (!e.code) e = worktree_choose(&site, options->driver, options->backend, &choice);
    a->driver = choice.driver;
    a->backend = choice.backend;
    *warning = choice.warning;
    free(parent);
    return e;
}

static err files_make(const repo_models *m, repo_handle *r, const worktree_admin *a, const repo_id *tree,
                      repo_checkout_report *report)
{
    const worktree_site site = {r->context, m->folder, r->common_dir, a->path, a->git_dir};

    err e = worktree_admin_write(a);
    if (!e.code) e = a->driver->create(&site, a->backend, r, tree, report);
    if (!e.code) e = worktree_lock_write(a, a->driver->mount ? OVERLAY_LOCK_REASON : NULL);
    if (e.code) worktree_undo(r->context, m->folder, a->git_dir);
    return e;
}

typedef struct added {
    repo_checkout_report report;
    err warning;
} added;

static err add_inside(repo_models *m, repo_handle *r, const repo_worktree_options *options,
                      const repo_ref *ref, worktree_admin *a, added *out)
{
    work_folder work = {.fd = -1};

    err e = count_check(r);
    if (!e.code) e = place_find(m, r, options, ref, a);
    if (!e.code) e = path_is_free(m, r, a->path);
    if (!e.code) e = driver_find(m, r, options, a, &out->warning);
    if (!e.code)
        e = work_begin(m->folder, STAGING_FOLDER,
                       &(work_note){.kind = WORKTREE_KIND, .name = a->git_dir, .brief = true}, &work);
    if (!e.code) e = files_make(m, r, a, &ref->tree, &out->report);
    if (work.path) work_end(&work);
    if (e.code && a->path) worktree_parent_clear(m->folder, a->path);
    return e;
}

err repo_worktree_add(repo_models *m, repo_handle *r, const repo_worktree_options *options,
                      repo_worktree_row *out)
{
    CLEANUP(worktree_admin_free) worktree_admin a = {0};
    CLEANUP(repo_ref_free) repo_ref ref = {0};
    added done = {.warning = ERR_OK};
    repo_gate *gate = NULL;
    bool made_branch = false;

    err e = start_find(r, options, &ref, &a);
    if (!e.code && options->new_branch) {
        e = repo_branch_create(r, options->new_branch, &ref, false);
        made_branch = !e.code;
    }
    if (!e.code) e = repo_gate_enter(r, "worktree add", &gate);
    if (!e.code && a.branch) e = branch_check(r, a.branch);
    if (!e.code) e = add_inside(m, r, options, &ref, &a, &done);
    repo_gate_leave(gate);
    if (e.code && made_branch) (void)repo_branch_delete(r, options->new_branch, true, NULL);
    if (!e.code) e = worktree_row_of(m, r, a.name, out);
    if (!e.code) out->missing_count = done.report.missing.count;
    if (!e.code && done.warning.code) out->warning = memory_text(done.warning.text);
    repo_checkout_report_free(&done.report);
    return e;
}
