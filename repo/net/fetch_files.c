/* repo/net/fetch_files.c: the objects of pointers, brought from a remote and put in their place. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/checkout_internal.h"
#include "repo/net/network_internal.h"

/* ---- the parent ---- */

static void rows_write(const repo_missing_list *list, bytes *request)
{
    for (size_t i = 0; i < list->count; i++) {
        field_add(request, "oid", list->rows[i].pointer.oid);
        field_add_number(request, "size", list->rows[i].pointer.size);
        field_add(request, "path", list->rows[i].path); /* ends the row */
    }
}

err repo_fetch_files(repo_handle *r, const repo_missing_list *missing, const char *remote,
                     repo_network_report *out)
{
    CLEANUP(bytes_free) bytes request = {0};

    field_add(&request, "remote", remote);
    field_add_flag(&request, "listed", missing);
    if (missing) rows_write(missing, &request);
    return repo_network_call(r->context,
                             &(repo_network_call_options){.verb = "fetch-files",
                                                          .folder = *r->path ? r->path : r->git_dir,
                                                          .label = remote ? remote : "fetch-files",
                                                          .request = bytes_borrow(&request)},
                             out);
}

/* ---- the child ---- */

static err rows_read(bytes_view request, repo_missing_list *out)
{
    xet_pointer pointer = {.canonical = true};
    const char *key, *value;
    size_t at = 0;

    while (field_next(request, &at, &key, &value)) {
        if (strcmp(key, "oid") == 0) {
            if (!sha256_is_hex(value)) return err_make(ERR_FORMAT, "'%.80s' names no large file", value);
            memcpy(pointer.oid, value, sizeof pointer.oid);
        } else if (strcmp(key, "size") == 0) {
            pointer.size = strtoull(value, NULL, 10);
        } else if (strcmp(key, "path") == 0) {
            if (!*pointer.oid) return err_make(ERR_FORMAT, "%s: no large file is named for it", value);
            repo_missing_add(out, value, &pointer);
        }
    }
    return ERR_OK;
}

static err files_fetch(repo_net *n, repo_handle *r, bytes_view request, repo_network_report *report)
{
    CLEANUP(repo_missing_list_free) repo_missing_list wanted = {0}, here = {0};
    err problem = ERR_OK;
    size_t placed = 0;

    err e = field_flag(request, "listed") ? rows_read(request, &wanted) : repo_checkout_pointers(r, &wanted);
    if (e.code) return e;
    repo_large_files_split(r, &wanted, &report->missing, &here);
    report->up_to_date = !report->missing.count;
    e = repo_large_files_place(r, &here, &placed);
    if (placed)
        repo_report_line(report, "%zu file%s put in place, whose bytes were here already", placed,
                         placed == 1 ? "" : "s");
    if (!e.code) e = repo_large_files_bring(r, n->who, field_text(request, "remote"), report, &problem);
    if (placed) report->up_to_date = false;
    return e.code ? e : problem;
}

err repo_net_verb_fetch_files(repo_net *n, bytes_view request, repo_network_report *report)
{
    repo_handle *r = NULL;

    err e = repo_open(n->context, n->folder, &r);
    if (!e.code) e = files_fetch(n, r, request, report);
    repo_close(r);
    return e;
}
