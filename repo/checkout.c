#include "repo/checkout.h"

#include "repo/checkout_apply_internal.h"
#include "repo/worktree/overlay_shift.h"

static err checkout_run(repo_apply *a, const repo_id *tree, const repo_checkout_options *options,
                        repo_checkout_report *report)
{
    git_oid id;

    err e = repo_oid_read(tree, &id);
    if (!e.code) e = repo_comparer_open(a->maker.r, &a->comparer);
    if (!e.code) e = repo_plan_make(&a->comparer, &id, options, &a->plan, report);
    bool shifted = false;
    if (!e.code && !options->paths && !options->index_also) e = repo_overlay_shift(a, tree, &shifted);
    if (e.code) return e;
    return shifted ? repo_apply_index(a, options) : repo_apply_run(a, options);
}

err repo_checkout_tree(repo_handle *r, const repo_id *tree, const repo_checkout_options *options,
                       repo_checkout_report *report)
{
    static const repo_checkout_options none = {0};
    repo_apply a = repo_apply_begin(r, report);

    if (!*r->path) return err_make(ERR_UNSUPPORTED, "a bare repository has no files");
    err e = checkout_run(&a, tree, options ? options : &none, report);
    repo_apply_end(&a);
    return e;
}
