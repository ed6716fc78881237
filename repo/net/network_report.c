/* repo/net/network_report.c: a report as named values, and back. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/checkout_internal.h"
#include "repo/net/network_internal.h"

void repo_network_report_free(repo_network_report *report)
{
    free(report->name);
    free(report->branch);
    repo_missing_list_free(&report->missing);
    repo_names_free(&report->lines);
    *report = (repo_network_report){0};
}

void repo_report_line(repo_network_report *report, const char *format, ...)
{
    CLEANUP(bytes_free) bytes clean = {0};
    char line[REPO_LINE_BYTES_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    repo_line_clean(bytes_view_of(line), &clean);
    repo_names_add(&report->lines, bytes_text(&clean));
}

/* ---- writing ---- */

static void missing_write(const repo_missing *row, bytes *out)
{
    CLEANUP(bytes_free) bytes value = {0};
    bytes_printf(&value, "%s %" PRIu64 " %d%d %s", row->pointer.oid, row->pointer.size,
                 row->pointer.canonical, row->pointer.has_extensions, row->path);
    field_add(out, "missing", bytes_text(&value));
}

static void id_write(const repo_id *id, const char *key, bytes *out)
{
    if (*id->hex) field_add(out, key, id->hex);
}

void repo_report_write(const repo_network_report *report, bytes *out)
{
    field_add(out, "name", report->name);
    field_add(out, "branch", report->branch);
    id_write(&report->before, "before", out);
    id_write(&report->after, "after", out);
    field_add_number(out, "refs_changed", report->refs_changed);
    field_add_number(out, "objects", report->objects);
    field_add_number(out, "bytes", report->bytes);
    field_add_number(out, "large_files", report->large_files);
    field_add_number(out, "large_bytes", report->large_bytes);
    field_add_flag(out, "up_to_date", report->up_to_date);
    for (size_t i = 0; i < report->lines.count; i++) field_add(out, "line", report->lines.names[i]);
    for (size_t i = 0; i < report->missing.count; i++) missing_write(&report->missing.rows[i], out);
}

/* ---- reading ---- */

static bool is_hex(const char *text, size_t size)
{
    return strlen(text) >= size && strspn(text, "0123456789abcdef") >= size;
}

static err id_read(bytes_view payload, const char *key, repo_id *out)
{
    const char *text = field_text(payload, key);

    if (!text) return ERR_OK;
    if (strlen(text) != sizeof out->hex - 1 || !is_hex(text, sizeof out->hex - 1))
        return err_make(ERR_FORMAT, "a report of the network process has no id under '%s'", key);
    memcpy(out->hex, text, sizeof out->hex);
    return ERR_OK;
}

/* "<oid> <size> <canonical><extensions> <path>" */
static bool missing_read(const char *value, repo_missing_list *out)
{
    xet_pointer pointer = {0};
    size_t oid_size = sizeof pointer.oid - 1;
    char canonical, extensions;
    int used = 0;

    if (!is_hex(value, oid_size) || value[oid_size] != ' ') return false;
    memcpy(pointer.oid, value, oid_size);
    if (sscanf(value + oid_size, " %19" SCNu64 " %c%c%n", &pointer.size, &canonical, &extensions, &used) !=
        3)
        return false;
    const char *path = value + oid_size + used + 1;
    if (!used || path[-1] != ' ' || !*path) return false;
    pointer.canonical = canonical == '1';
    pointer.has_extensions = extensions == '1';
    repo_missing_add(out, path, &pointer);
    return true;
}

static err lists_read(bytes_view payload, repo_network_report *out)
{
    const char *key, *value;
    size_t at = 0;

    while (field_next(payload, &at, &key, &value)) {
        if (strcmp(key, "line") == 0) repo_names_add(&out->lines, value);
        if (strcmp(key, "missing") == 0 && !missing_read(value, &out->missing))
            return err_make(ERR_FORMAT, "a report of the network process names no missing file in '%.80s'",
                            value);
    }
    return ERR_OK;
}

static char *text_of(bytes_view payload, const char *key)
{
    const char *text = field_text(payload, key);
    return text ? memory_text(text) : NULL;
}

err repo_report_read(bytes_view payload, repo_network_report *out)
{
    err e = fields_check(payload);
    if (e.code) return e;
    out->name = text_of(payload, "name");
    out->branch = text_of(payload, "branch");
    out->refs_changed = field_number(payload, "refs_changed");
    out->objects = field_number(payload, "objects");
    out->bytes = field_number(payload, "bytes");
    out->large_files = field_number(payload, "large_files");
    out->large_bytes = field_number(payload, "large_bytes");
    out->up_to_date = field_flag(payload, "up_to_date");
    e = id_read(payload, "before", &out->before);
    if (!e.code) e = id_read(payload, "after", &out->after);
    return e.code ? e : lists_read(payload, out);
}
