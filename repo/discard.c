/* repo/discard.c: files of the worktree back to what the index has. */
#include <stdlib.h>
#include <string.h>

#include "repo/checkout_apply_internal.h"
#include "repo/gate.h"
#include "repo/stage.h"
#include "repo/stage_internal.h"

/* The index as if it were a tree; its .gitattributes decide what is large. */
static err index_as_target(repo_plan *plan)
{
    size_t count = git_index_entrycount(plan->index);
    repo_tree_list *list = &plan->target;

    list->rows = memory_resize_array(NULL, count ? count : 1, sizeof *list->rows);
    for (size_t i = 0; i < count; i++) {
        const git_index_entry *entry = git_index_get_byindex(plan->index, i);
        if (GIT_INDEX_ENTRY_STAGE(entry)) continue;
        list->rows[list->count++] =
            (repo_tree_entry){arena_text(&list->memory, entry->path), entry->id, entry->mode};
    }
    return ERR_OK;
}

static err unmerged_check(git_index *index, const repo_names *paths)
{
    for (size_t i = 0; i < git_index_entrycount(index); i++) {
        const git_index_entry *entry = git_index_get_byindex(index, i);
        if (GIT_INDEX_ENTRY_STAGE(entry) &&
            repo_paths_hold((const char *const *)paths->names, paths->count, entry->path))
            return err_make(ERR_CONFLICT,
                            "%s is unmerged: mend and stage it, or take all of it back (reset --merge)",
                            entry->path);
    }
    return ERR_OK;
}

static bool is_named(const repo_plan *plan, const char *path)
{
    const char *const one[] = {path};
    if (strcmp(path, ".") == 0) return true;
    for (size_t i = 0; i < plan->target.count; i++)
        if (repo_paths_hold(one, 1, plan->target.rows[i].path)) return true;
    return false;
}

/* A step for each file that is not what the index says. */
static err steps_make(repo_comparer *c, const repo_names *paths, repo_plan *plan)
{
    err e = ERR_OK;
    plan->steps = memory_resize_array(NULL, plan->target.count + 1, sizeof *plan->steps);
    for (size_t i = 0; i < plan->target.count && !e.code; i++) {
        const repo_tree_entry *row = &plan->target.rows[i];
        repo_likeness likeness;
        struct stat info;
        bool read;
        if (!repo_paths_hold((const char *const *)paths->names, paths->count, row->path)) continue;
        const git_index_entry *entry = git_index_get_bypath(plan->index, row->path, GIT_INDEX_STAGE_NORMAL);
        if (!entry || entry->mode == GIT_FILEMODE_COMMIT) continue;
        if (entry->flags_extended & GIT_INDEX_ENTRY_INTENT_TO_ADD) continue;
        e = repo_compare(c, entry, &likeness, &info, &read);
        if (e.code || likeness == REPO_SAME) continue;
        plan->steps[plan->count++] = (repo_step){.path = row->path, .to = row};
        plan->to_write = true;
    }
    return e;
}

static err plan_make(repo_comparer *c, const repo_names *paths, repo_plan *plan)
{
    repo_handle *r = c->r;

    err e = repo_git_check(git_repository_index(&plan->index, r->git), "read the index");
    if (!e.code) e = repo_git_check(git_index_read(plan->index, 0), "read the index");
    if (!e.code) e = unmerged_check(plan->index, paths);
    if (!e.code) e = index_as_target(plan);
    for (size_t i = 0; i < paths->count && !e.code; i++)
        if (!is_named(plan, paths->names[i]))
            e = err_make(ERR_NOT_FOUND, "'%s' matches no file that git knows", paths->names[i]);
    return e.code ? e : steps_make(c, paths, plan);
}

err repo_discard_look(repo_handle *r, const char *const *paths, size_t count, repo_names *lost)
{
    repo_comparer comparer;
    repo_plan plan = {0};
    repo_names plain = {0};

    *lost = (repo_names){0};
    err e = repo_paths_plain(r, paths, count, &plain);
    if (e.code) return e;
    e = repo_comparer_open(r, &comparer);
    if (!e.code) e = plan_make(&comparer, &plain, &plan);
    for (size_t i = 0; i < plan.count && !e.code; i++) repo_names_add(lost, plan.steps[i].path);
    repo_plan_free(&plan);
    repo_comparer_close(&comparer);
    repo_names_free(&plain);
    return e;
}

static err discard_run(repo_apply *a, const repo_names *paths, repo_checkout_report *checkout)
{
    static const repo_checkout_options force = {.force = true};

    err e = repo_comparer_open(a->maker.r, &a->comparer);
    if (!e.code) e = plan_make(&a->comparer, paths, &a->plan);
    if (!e.code) e = repo_plan_ways_check(&a->comparer, &a->plan, &force, checkout);
    return e.code ? e : repo_apply_run(a, &force);
}

err repo_discard(repo_handle *r, const char *const *paths, size_t count, repo_stage_report *report,
                 repo_checkout_report *checkout)
{
    repo_apply a = repo_apply_begin(r, checkout);
    repo_names plain = {0};
    repo_gate *gate = NULL;

    *report = (repo_stage_report){0};
    err e = repo_paths_plain(r, paths, count, &plain);
    if (!e.code) e = repo_gate_enter(r, "discard", &gate);
    if (!e.code) e = discard_run(&a, &plain, checkout);
    for (size_t i = 0; i < a.plan.count && !e.code; i++) repo_names_add(&report->files, a.plan.steps[i].path);
    repo_apply_end(&a);
    repo_gate_leave(gate);
    repo_names_free(&plain);
    return e;
}
