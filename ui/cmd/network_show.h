/* ui/cmd/network_show.h: what clone, fetch, pull and push tell of their report. */
#ifndef UI_CMD_NETWORK_SHOW_H
#define UI_CMD_NETWORK_SHOW_H

#include "repo/net/network.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/repo_open.h"

/* {"model", "branch", "before", "after", "refs_changed", "objects", "bytes", "large_files", "large_bytes",
 * "missing": [{"path", "oid", "size"}], "up_to_date", "lines": []}; printed. */
void ui_network_json(ui_repo *r, const repo_network_report *report);
/* Parts of it, for objects of another shape. */
void ui_network_add_counts(cJSON *object, const repo_network_report *report);
/* "missing": [{"path", "oid", "size"}]. */
void ui_network_add_missing(cJSON *object, const repo_missing_list *missing);
void ui_network_add_lines(cJSON *object, const repo_names *lines); /* "lines": what moved */

/* One line of the report each, indented. */
void ui_network_lines(FILE *out, const repo_names *lines);
/* ", 12 objects (3.4 kB), 2 large files (1.2 GB)"; nothing when nothing was moved. */
void ui_network_amount(FILE *out, const repo_network_report *report);

#endif
