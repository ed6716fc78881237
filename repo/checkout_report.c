#include <stdlib.h>

#include "repo/checkout_internal.h"
#include "repo/gate.h"

void repo_missing_add(repo_missing_list *list, const char *path, const xet_pointer *pointer)
{
    list->rows = memory_resize_array(list->rows, list->count + 1, sizeof *list->rows);
    list->rows[list->count++] = (repo_missing){memory_text(path), *pointer};
}

void repo_missing_list_free(repo_missing_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->rows[i].path);
    free(list->rows);
    *list = (repo_missing_list){0};
}

void repo_checkout_report_free(repo_checkout_report *report)
{
    repo_names_free(&report->in_the_way);
    repo_names_free(&report->links);
    repo_missing_list_free(&report->missing);
    free(report->stays);
    *report = (repo_checkout_report){0};
}
