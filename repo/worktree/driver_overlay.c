/* repo/worktree/driver_overlay.c: the overlays of overlay.h as a driver. */
#include "repo/worktree/worktree_internal.h"

err worktree_overlay_probe(const worktree_site *site, const overlay_backend *backend)
{
    return overlay_backend_probe(backend, site->models);
}

static err index_write(const worktree_site *site, const repo_id *tree)
{
    repo_handle *r = NULL;
    err e = repo_open(site->c, site->path, &r);
    if (!e.code) e = repo_checkout_index(r, tree);
    repo_close(r);
    return e;
}

err worktree_overlay_create(const worktree_site *site, const overlay_backend *backend, repo_handle *r,
                            const repo_id *tree, repo_checkout_report *report)
{
    const repo_overlay_order order = {site->models, tree, site->path, site->git_dir, backend};
    CLEANUP(repo_overlay_free) repo_overlay o = {0};

    err e = repo_overlay_make(&order, r, &o, report);
    if (e.code) return e;
    e = index_write(site, tree);
    if (e.code) (void)repo_overlay_remove(&o, site->c, true);
    return e;
}

err worktree_overlay_mount(const worktree_site *site)
{
    CLEANUP(repo_overlay_free) repo_overlay o = {0};
    err e = repo_overlay_find(site->models, site->path, &o);
    return e.code ? e : repo_overlay_mount(&o, site->c);
}

err worktree_overlay_unmount(const worktree_site *site, bool force)
{
    CLEANUP(repo_overlay_free) repo_overlay o = {0};
    err e = repo_overlay_find(site->models, site->path, &o);
    return e.code ? e : repo_overlay_unmount(&o, force);
}

err worktree_overlay_remove(const worktree_site *site, bool force)
{
    CLEANUP(repo_overlay_free) repo_overlay o = {0};
    err e = repo_overlay_find(site->models, site->path, &o);
    if (e.code == ERR_NOT_FOUND) return ERR_OK; /* a removal that was cut off here */
    return e.code ? e : repo_overlay_remove(&o, site->c, force);
}

void worktree_overlay_measure(const worktree_site *site, repo_worktree_row *row)
{
    CLEANUP(repo_overlay_free) repo_overlay o = {0};

    if (repo_overlay_find(site->models, site->path, &o).code) return;
    row->mounted = repo_overlay_is_mounted(&o);
    row->bytes_apparent = repo_overlay_bytes_apparent(&o);
    row->bytes_used = repo_overlay_bytes_used(&o);
    row->bytes_known = true;
}
