/* repo/net/large_files.c: after a checkout: what is still a pointer is fetched and put in place. */
#include <stdlib.h>

#include "repo/checkout_internal.h"
#include "repo/gate.h"
#include "repo/net/lfs.h"
#include "repo/net/network_internal.h"

/* The rows whose object is here now go; true sizes are counted. */
static void arrived_drop(repo_handle *r, repo_network_report *report)
{
    repo_missing_list *list = &report->missing;
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        if (xet_store_has(r->store, list->rows[i].pointer.oid, list->rows[i].pointer.size)) {
            report->large_files++;
            free(list->rows[i].path);
        } else {
            list->rows[kept++] = list->rows[i];
        }
    }
    list->count = kept;
}

void repo_large_files_split(const repo_handle *r, const repo_missing_list *wanted, repo_missing_list *absent,
                            repo_missing_list *here)
{
    for (size_t i = 0; i < wanted->count; i++) {
        const repo_missing *row = &wanted->rows[i];
        bool has = xet_store_has(r->store, row->pointer.oid, row->pointer.size);
        repo_missing_add(has ? here : absent, row->path, &row->pointer);
    }
}

err repo_large_files_place(repo_handle *r, const repo_missing_list *fetched, size_t *placed)
{
    repo_gate *gate = NULL;

    *placed = 0;
    if (!*r->path || !fetched->count) return ERR_OK;
    err e = repo_gate_enter(r, "fetch-files", &gate);
    if (!e.code) e = repo_checkout_place_fetched(r, fetched, placed);
    repo_gate_leave(gate);
    return e;
}

err repo_large_files_bring(repo_handle *r, repo_credentials *who, const char *remote,
                           repo_network_report *report, err *problem)
{
    CLEANUP(repo_missing_list_free) repo_missing_list left = {0};
    uint64_t moved = 0;
    size_t placed;

    *problem = ERR_OK;
    if (!report->missing.count) return ERR_OK;
    err e = repo_large_files_room(r, &report->missing);
    if (e.code) return e;
    *problem = repo_lfs_fetch(r, who, remote, &report->missing, &left, &moved);
    if (problem->code == ERR_CANCELLED) return *problem;
    /* What came stays, whatever became of the rest: the pointers name it. */
    e = repo_large_files_place(r, &report->missing, &placed);
    report->large_bytes += moved;
    arrived_drop(r, report);
    return e;
}

err repo_net_large_files(repo_net *n, repo_handle *r, const char *remote, repo_network_report *report)
{
    err problem;
    err e = repo_large_files_bring(r, n->who, remote, report, &problem);

    if (!e.code && problem.code) repo_report_line(report, "large files: %s", problem.text);
    return e;
}
