#include "ui/cmd/network_show.h"

#include "base/text.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/show.h"

void ui_network_add_missing(cJSON *object, const repo_missing_list *missing)
{
    cJSON *list = cJSON_AddArrayToObject(object, "missing");

    for (size_t i = 0; i < missing->count; i++) {
        cJSON *row = cJSON_CreateObject();
        ui_json_add_text(row, "path", bytes_view_of(missing->rows[i].path));
        cJSON_AddStringToObject(row, "oid", missing->rows[i].pointer.oid);
        cJSON_AddNumberToObject(row, "size", (double)missing->rows[i].pointer.size);
        cJSON_AddItemToArray(list, row);
    }
}

void ui_network_add_lines(cJSON *object, const repo_names *lines)
{
    cJSON *list = cJSON_AddArrayToObject(object, "lines");
    for (size_t i = 0; i < lines->count; i++) ui_json_push_text(list, bytes_view_of(lines->names[i]));
}

void ui_network_add_counts(cJSON *object, const repo_network_report *report)
{
    cJSON_AddNumberToObject(object, "objects", (double)report->objects);
    cJSON_AddNumberToObject(object, "bytes", (double)report->bytes);
    cJSON_AddNumberToObject(object, "large_files", (double)report->large_files);
    cJSON_AddNumberToObject(object, "large_bytes", (double)report->large_bytes);
}

void ui_network_json(ui_repo *r, const repo_network_report *report)
{
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "model", bytes_view_of(r->name));
    ui_files_add_optional(o, "branch", report->branch);
    ui_files_add_optional(o, "before", *report->before.hex ? report->before.hex : NULL);
    ui_files_add_optional(o, "after", *report->after.hex ? report->after.hex : NULL);
    cJSON_AddNumberToObject(o, "refs_changed", (double)report->refs_changed);
    ui_network_add_counts(o, report);
    ui_network_add_missing(o, &report->missing);
    cJSON_AddBoolToObject(o, "up_to_date", report->up_to_date);
    ui_network_add_lines(o, &report->lines);
    ui_json_print(o, r->cli->out);
}

void ui_network_lines(FILE *out, const repo_names *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        fputs("  ", out);
        ui_show_text(out, bytes_view_of(lines->names[i]));
        fputc('\n', out);
    }
}

/* ", 2 large files (1.2 GB)" */
static void print_amount(FILE *out, size_t count, const char *what, uint64_t size_bytes)
{
    char size[32];

    if (!count) return;
    fprintf(out, ", %zu %s%s", count, what, count == 1 ? "" : "s");
    text_human_size(size_bytes, size, sizeof size);
    if (size_bytes) fprintf(out, " (%s)", size);
}

void ui_network_amount(FILE *out, const repo_network_report *report)
{
    print_amount(out, report->objects, "object", report->bytes);
    print_amount(out, report->large_files, "large file", report->large_bytes);
}
