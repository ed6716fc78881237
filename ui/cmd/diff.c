#include "repo/diff.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "ui/app/tensor_diff.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/show.h"

enum { TEXT_BYTES_MAX = 16 << 20, CONTEXT_LINES = 3, PATHS_MAX = 64 };

typedef struct diff_show {
    ui_repo *repo;
    FILE *out;
    cJSON *file; /* the row's object; NULL: text is printed */
    bool short_form;
} diff_show;

/* ---- weights ---- */

static const char *const change_names[] = {[TENSOR_ADDED] = "added",
                                           [TENSOR_REMOVED] = "removed",
                                           [TENSOR_REMADE] = "remade",
                                           [TENSOR_CHANGED] = "changed"};

static void describe(const engine_safetensor *t, bytes *out)
{
    bytes_printf(out, "%s ", engine_dtype_name(t->type));
    engine_shape_print(t->shape, t->rank, out);
}

static void add_shape(cJSON *o, const char *key, const engine_safetensor *t)
{
    if (!t) return;
    cJSON *side = cJSON_AddObjectToObject(o, key);
    cJSON_AddStringToObject(side, "dtype", engine_dtype_name(t->type));
    cJSON *shape = cJSON_AddArrayToObject(side, "shape");
    for (unsigned i = 0; i < t->rank; i++)
        cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t->shape[i]));
}

static void tensors_json(cJSON *file, const tensor_diff *diff)
{
    cJSON_AddNumberToObject(file, "tensors_same", (double)diff->same);
    ui_json_add_number(file, "norm_before", diff->norm_before);
    ui_json_add_number(file, "norm_change", diff->norm_change);
    cJSON *list = cJSON_AddArrayToObject(file, "tensors");
    for (size_t i = 0; i < diff->count; i++) {
        const tensor_diff_row *row = &diff->rows[i];
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "name", bytes_view_of(row->name));
        cJSON_AddStringToObject(o, "change", change_names[row->change]);
        add_shape(o, "before", row->before);
        add_shape(o, "after", row->after);
        if (row->change == TENSOR_CHANGED) {
            ui_json_add_number(o, "norm_before", row->norm_before);
            ui_json_add_number(o, "norm_change", row->norm_change);
            ui_json_add_number(o, "largest", row->largest);
        }
        cJSON_AddItemToArray(list, o);
    }
}

/* "change 0.0123 of 4.56 (0.27 %)"; norms are Frobenius norms. */
static void print_norms(double change, double before, FILE *out)
{
    if (!isfinite(change)) {
        fputs("change n/a", out);
        return;
    }
    fprintf(out, "change %.4g of %.4g", change, before);
    if (before > 0) fprintf(out, " (%.3g %%)", 100 * change / before);
}

static void print_tensor(const tensor_diff_row *row, FILE *out)
{
    CLEANUP(bytes_free) bytes shapes = {0};

    if (row->before) describe(row->before, &shapes);
    if (row->change == TENSOR_REMADE) bytes_append_text(&shapes, " -> ");
    if (row->after && row->change != TENSOR_CHANGED) describe(row->after, &shapes);
    fputs(row->change == TENSOR_ADDED ? "  + " : row->change == TENSOR_REMOVED ? "  - " : "  ~ ", out);
    ui_show_text(out, bytes_view_of(row->name));
    fprintf(out, "  %s", bytes_text(&shapes));
    if (row->change == TENSOR_CHANGED) {
        fputs("  ", out);
        print_norms(row->norm_change, row->norm_before, out);
        if (isfinite(row->largest)) fprintf(out, ", largest %.3g", row->largest);
    }
    fputc('\n', out);
}

static void print_tensors(const diff_show *s, const tensor_diff *diff)
{
    size_t changed = 0;

    for (size_t i = 0; i < diff->count; i++) changed += diff->rows[i].change == TENSOR_CHANGED;
    fprintf(s->out, "  %zu of %zu tensors differ", diff->count, diff->count + diff->same);
    if (changed) {
        fputs("; ", s->out);
        print_norms(diff->norm_change, diff->norm_before, s->out);
    }
    fputc('\n', s->out);
    for (size_t i = 0; i < diff->count && !s->short_form; i++) print_tensor(&diff->rows[i], s->out);
}

/* Bytes of one side: mapped where they lie, else read into *memory. */
static err side_view(diff_show *s, const repo_diff_row *row, const repo_diff_side *side,
                     file_mapping *mapping, bytes *memory, bytes_view *out)
{
    err e = ERR_OK;
    if (side->location && !side->missing) {
        e = file_map(side->location, mapping);
        *out = (bytes_view){mapping->data, mapping->size};
    } else {
        e = repo_diff_content(s->repo->handle, row, side, TEXT_BYTES_MAX, memory);
        *out = bytes_borrow(memory);
    }
    return e;
}

/* What keeps a file from being looked into is told beside its name; the other files go on. */
static void told_why(diff_show *s, const char *why)
{
    if (s->file)
        ui_json_add_text(s->file, "why", bytes_view_of(why));
    else
        fprintf(s->out, "  %s\n", why);
}

static err weights_show(diff_show *s, const repo_diff_row *row)
{
    CLEANUP(file_unmap) file_mapping before_file = {0}, after_file = {0};
    CLEANUP(bytes_free) bytes before_memory = {0}, after_memory = {0};
    CLEANUP(tensor_diff_free) tensor_diff diff = {0};
    bytes_view before, after;

    err e = side_view(s, row, &row->before, &before_file, &before_memory, &before);
    if (!e.code) e = side_view(s, row, &row->after, &after_file, &after_memory, &after);
    if (!e.code) e = tensor_diff_read(before, after, s->repo->cli->interrupted, &diff);
    if (e.code == ERR_CANCELLED) return e;
    if (e.code)
        told_why(s, e.text);
    else if (s->file)
        tensors_json(s->file, &diff);
    else
        print_tensors(s, &diff);
    return ERR_OK;
}

/* ---- text ---- */

static err lines_show(diff_show *s, const repo_diff_row *row)
{
    CLEANUP(bytes_free) bytes before = {0}, after = {0}, lines = {0};
    repo_handle *r = s->repo->handle;

    err e = repo_diff_content(r, row, &row->before, TEXT_BYTES_MAX, &before);
    if (!e.code) e = repo_diff_content(r, row, &row->after, TEXT_BYTES_MAX, &after);
    if (!e.code) e = repo_diff_lines(row, bytes_borrow(&before), bytes_borrow(&after), CONTEXT_LINES, &lines);
    if (e.code)
        told_why(s, e.text);
    else if (s->file)
        ui_json_add_text(s->file, "patch", bytes_borrow(&lines));
    else
        ui_show_text(s->out, bytes_borrow(&lines));
    return ERR_OK;
}

/* ---- a row ---- */

static bool is_safetensors(const char *path)
{
    const char *end = strstr(path, ".safetensors");
    return end && strcmp(end, ".safetensors") == 0;
}

static bool is_large(const repo_diff_row *row)
{
    return row->before.large || row->after.large || row->before.size > TEXT_BYTES_MAX ||
           row->after.size > TEXT_BYTES_MAX;
}

static void print_heading(const diff_show *s, const repo_diff_row *row)
{
    char before[32], after[32];

    fprintf(s->out, "%c ", row->status);
    if (row->old_path) {
        ui_show_text(s->out, bytes_view_of(row->old_path));
        fputs(" -> ", s->out);
    }
    ui_show_text(s->out, bytes_view_of(row->path));
    text_human_size(row->before.size, before, sizeof before);
    text_human_size(row->after.size, after, sizeof after);
    if (row->before.mode && row->after.mode && row->before.size != row->after.size)
        fprintf(s->out, "  %s -> %s", before, after);
    else if (row->before.mode || row->after.mode)
        fprintf(s->out, "  %s", row->after.mode ? after : before);
    fputc('\n', s->out);
}

static void add_size(cJSON *o, const char *key, const repo_diff_side *side)
{
    if (side->mode)
        cJSON_AddNumberToObject(o, key, (double)side->size);
    else
        cJSON_AddNullToObject(o, key);
}

static cJSON *row_json(const repo_diff_row *row)
{
    char status[2] = {row->status, 0};
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "path", bytes_view_of(row->path));
    if (row->old_path) ui_json_add_text(o, "old_path", bytes_view_of(row->old_path));
    cJSON_AddStringToObject(o, "status", status);
    cJSON_AddBoolToObject(o, "large", row->before.large || row->after.large);
    add_size(o, "size_before", &row->before);
    add_size(o, "size_after", &row->after);
    return o;
}

static err row_show(diff_show *s, const repo_diff_row *row, bool names_only)
{
    bool weights = is_safetensors(row->path), same = row->status == 'R' || row->status == 'U';

    if (names_only && !s->file) {
        ui_show_text(s->out, bytes_view_of(row->path));
        fputc('\n', s->out);
    }
    if (names_only) return ERR_OK;
    bool heading = weights || same || s->short_form || is_large(row);
    if (heading && !s->file) print_heading(s, row);
    if (same) return ERR_OK;
    if (weights) return weights_show(s, row);
    return heading ? ERR_OK : lines_show(s, row);
}

static err rows_show(ui_repo *r, const repo_diff *diff, const ui_arguments *a, cJSON *files)
{
    diff_show s = {.repo = r, .out = r->cli->out, .short_form = ui_arguments_has(a, "stat")};
    err e = ERR_OK;

    for (size_t i = 0; i < diff->count && !e.code; i++) {
        if (files) cJSON_AddItemToArray(files, s.file = row_json(&diff->rows[i]));
        e = row_show(&s, &diff->rows[i], ui_arguments_has(a, "name-only"));
    }
    return e;
}

/* ---- which two ---- */

/* "A", "A B" or "A..B". */
static err refs_read(ui_repo *r, const ui_arguments *a, repo_ref *from, repo_ref *to)
{
    const char *first = a->word_count > 1 ? a->words[1] : NULL;
    const char *second = a->word_count > 2 ? a->words[2] : NULL;
    const char *dots = first ? strstr(first, "..") : NULL;
    CLEANUP(bytes_free) bytes before = {0};

    if (!first) return ERR_OK;
    if (dots && (second || dots[2] == '.'))
        return err_make(ERR_USAGE, "'%s' is no pair of refs: expected A B or A..B", first);
    bytes_append(&before, first, dots ? (size_t)(dots - first) : strlen(first));
    if (dots) second = dots + 2;
    err e = repo_resolve(r->handle, bytes_text(&before), from);
    return e.code || !second ? e : repo_resolve(r->handle, second, to);
}

static err diff_show_all(ui_repo *r, const ui_arguments *a, const repo_ref *from, const repo_ref *to)
{
    CLEANUP(repo_diff_free) repo_diff diff = {0};
    const char *paths[PATHS_MAX];
    repo_diff_options options = {
        .from = *from->commit.hex ? from : NULL,
        .to = *to->commit.hex ? to : NULL,
        .staged = ui_arguments_has(a, "staged"),
    };

    while (options.path_count < PATHS_MAX &&
           (paths[options.path_count] = ui_arguments_each(a, "path", options.path_count)))
        options.path_count++;
    if (options.path_count) options.paths = paths;
    err e = repo_diff_read(r->handle, &options, &diff);
    if (e.code || !ui_arguments_has(a, "json")) return e.code ? e : rows_show(r, &diff, a, NULL);
    cJSON *o = cJSON_CreateObject();
    ui_json_add_text(o, "model", bytes_view_of(r->name));
    ui_files_add_optional(o, "from", options.from ? from->commit.hex : NULL);
    ui_files_add_optional(o, "to", options.to ? to->commit.hex : NULL);
    e = rows_show(r, &diff, a, cJSON_AddArrayToObject(o, "files"));
    if (e.code)
        cJSON_Delete(o);
    else
        ui_json_print(o, r->cli->out);
    return e;
}

static err diff_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_ref_free) repo_ref from = {0}, to = {0};

    err e = ui_repo_begin_model(cli, a->words[0], &r);
    if (!e.code) e = refs_read(&r, a, &from, &to);
    return e.code ? e : diff_show_all(&r, a, &from, &to);
}

static const ui_option options[] = {
    {"staged", NULL, "what the next commit would change", false},
    {"stat", NULL, "one line for each file", false},
    {"name-only", NULL, "only the paths", false},
    {"path", "PATH", "only this file or what is below this folder", true},
    {0},
};

const ui_command ui_cmd_diff = {
    .name = "diff",
    .group = "changes",
    .args = "MODEL [REF [REF]]",
    .help = "Show what changed: text by line, weights by tensor with the norm of the change",
    .words_min = 1,
    .words_max = 3,
    .options = {options, ui_options_all},
    .cancels = true,
    .run = diff_run,
};
