#include "repo/worktree/worktree.h"

#include <string.h>

#include "base/text.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/show.h"

/* ---- what is shown of one ---- */

static cJSON *row_json(const repo_worktree_row *row)
{
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "name", bytes_view_of(row->name));
    ui_json_add_text(o, "path", bytes_view_of(row->path));
    cJSON_AddStringToObject(o, "driver", row->driver);
    ui_files_add_optional(o, "backend", row->backend);
    ui_files_add_optional(o, "branch", row->branch);
    ui_files_add_optional(o, "commit", *row->head.hex ? row->head.hex : NULL);
    cJSON_AddBoolToObject(o, "locked", row->locked);
    cJSON_AddBoolToObject(o, "mounted", row->mounted);
    cJSON_AddBoolToObject(o, "prunable", row->prunable);
    cJSON_AddNumberToObject(o, "bytes_apparent", (double)row->bytes_apparent);
    if (row->bytes_known)
        cJSON_AddNumberToObject(o, "bytes_used", (double)row->bytes_used);
    else
        cJSON_AddNullToObject(o, "bytes_used");
    return o;
}

static void driver_print(const repo_worktree_row *row, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s", row->driver, row->backend ? " " : "", row->backend ? row->backend : "");
}

/* "v1  overlay2 kernel  1a2b3c4d  200 MB, 12 kB of its own  not mounted" */
static void row_print(const repo_worktree_row *row, int name_width, FILE *out)
{
    char driver[64], apparent[32], used[32];

    driver_print(row, driver, sizeof driver);
    text_human_size(row->bytes_apparent, apparent, sizeof apparent);
    text_human_size(row->bytes_used, used, sizeof used);
    ui_show_text(out, bytes_view_of(row->name));
    fprintf(out, "%*s  %-15s  %.8s  %s, %s of its own", name_width - (int)strlen(row->name), "", driver,
            row->head.hex, apparent, row->bytes_known ? used : "n/a");
    if (row->prunable)
        fputs("  gone", out);
    else if (!row->mounted)
        fputs("  not mounted", out);
    fputs("\n    ", out);
    if (row->branch) {
        ui_show_text(out, bytes_view_of(row->branch));
        fputs("  ", out);
    }
    ui_show_text(out, bytes_view_of(row->path));
    fputc('\n', out);
}

static err list_run(ui_repo *r, const ui_arguments *a)
{
    repo_worktree_row *rows = NULL;
    size_t count = 0;
    int width = 0;

    err e = repo_worktree_list(r->models, r->handle, &rows, &count);
    if (!e.code && ui_arguments_has(a, "json")) {
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "model", bytes_view_of(r->name));
        cJSON *list = cJSON_AddArrayToObject(o, "worktrees");
        for (size_t i = 0; i < count; i++) cJSON_AddItemToArray(list, row_json(&rows[i]));
        ui_json_print(o, r->cli->out);
    } else if (!e.code) {
        for (size_t i = 0; i < count; i++) width = MAX_OF(width, (int)strlen(rows[i].name));
        for (size_t i = 0; i < count; i++) row_print(&rows[i], width, r->cli->out);
        if (!count) fprintf(r->cli->out, "%s has no worktrees\n", r->name);
    }
    repo_worktree_list_free(rows, count);
    return e;
}

/* ---- the verbs ---- */

static err add_run(ui_repo *r, const ui_arguments *a)
{
    CLEANUP(repo_worktree_row_free) repo_worktree_row row = {0};
    const repo_worktree_options options = {
        .ref = a->word_count > 2 ? a->words[2] : "",
        .new_branch = ui_arguments_text(a, "new-branch"),
        .driver = ui_arguments_text(a, "driver"),
        .backend = ui_arguments_text(a, "backend"),
        .path = ui_arguments_text(a, "path"),
    };
    char driver[64];

    err e = repo_worktree_add(r->models, r->handle, &options, &row);
    if (e.code) return e;
    if (row.warning) {
        ui_show_text(r->cli->err_out, bytes_view_of(row.warning));
        fprintf(r->cli->err_out, "; %s is taken instead\n", row.driver);
    }
    if (row.missing_count)
        fprintf(r->cli->err_out,
                "%zu large files are not here, their pointers stand in the worktree: fetch-files\n",
                row.missing_count);
    if (ui_arguments_has(a, "json")) {
        cJSON *o = row_json(&row);
        ui_json_add_text(o, "model", bytes_view_of(r->name));
        ui_json_print(o, r->cli->out);
        return e;
    }
    driver_print(&row, driver, sizeof driver);
    fputs("Made the worktree ", r->cli->out);
    ui_show_text(r->cli->out, bytes_view_of(row.path));
    fprintf(r->cli->out, " (%s, %.8s)\n", driver, row.head.hex);
    return e;
}

static err told(ui_repo *r, const ui_arguments *a, const char *sentence)
{
    if (ui_arguments_has(a, "json")) {
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "model", bytes_view_of(r->name));
        ui_json_add_text(o, "name", bytes_view_of(a->words[2]));
        ui_json_print(o, r->cli->out);
    } else {
        fprintf(r->cli->out, "%s the worktree ", sentence);
        ui_show_text(r->cli->out, bytes_view_of(a->words[2]));
        fputc('\n', r->cli->out);
    }
    return ERR_OK;
}

static err remove_run(ui_repo *r, const ui_arguments *a)
{
    err e = repo_worktree_remove(r->models, r->handle, a->words[2], ui_arguments_has(a, "force"));
    return e.code ? e : told(r, a, "Removed");
}

static err mount_run(ui_repo *r, const ui_arguments *a)
{
    err e = repo_worktree_mount(r->models, r->handle, a->words[2]);
    return e.code ? e : told(r, a, "Mounted");
}

static err umount_run(ui_repo *r, const ui_arguments *a)
{
    err e = repo_worktree_unmount(r->models, r->handle, a->words[2], ui_arguments_has(a, "force"));
    return e.code ? e : told(r, a, "Unmounted");
}

/* ---- which ---- */

typedef struct verb {
    const char *name;
    size_t words_min, words_max; /* with MODEL and the verb */
    const char *usage;
    const char *options; /* of those that only some verbs have, which this one takes */
    err (*run)(ui_repo *r, const ui_arguments *a);
} verb;

static const verb verbs[] = {
    {"list", 1, 2, "MODEL list", "", list_run},
    {"add", 2, 3, "MODEL add [REF]", " driver backend path new-branch ", add_run},
    {"remove", 3, 3, "MODEL remove NAME", " force ", remove_run},
    {"mount", 3, 3, "MODEL mount NAME", "", mount_run},
    {"umount", 3, 3, "MODEL umount NAME", " force ", umount_run},
};

static const ui_option options[] = {
    {"driver", "NAME", "auto, reflink, overlay2, hardlink or vfs (default: as worktree.driver says)", false},
    {"backend", "NAME", "of overlay2: auto, kernel, fuse or userns", false},
    {"path", "FOLDER", "where to put it (default: below .worktrees in the models folder)", false},
    {"new-branch", "NAME", "make this branch at REF, and be on it", false},
    {"force", NULL, "also when changes would be lost or the mount is in use", false},
    {0},
};

static err verb_find(const char *word, const verb **out)
{
    const char *names[COUNT_OF(verbs)];

    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        names[i] = verbs[i].name;
        if (strcmp(verbs[i].name, word) != 0) continue;
        *out = &verbs[i];
        return ERR_OK;
    }
    const char *nearest = text_nearest(word, names, COUNT_OF(verbs));
    return err_make(ERR_USAGE, "worktree has no '%s': list, add, remove, mount, umount%s%s%s", word,
                    nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static err verb_check(const verb *v, const ui_arguments *a)
{
    char wanted[32];

    if (a->word_count < v->words_min || a->word_count > v->words_max)
        return err_make(ERR_USAGE, "expected worktree %s", v->usage);
    for (const ui_option *o = options; o->name; o++) {
        snprintf(wanted, sizeof wanted, " %s ", o->name);
        bool given = o->value ? ui_arguments_text(a, o->name) != NULL : ui_arguments_has(a, o->name);
        if (given && !strstr(v->options, wanted))
            return err_make(ERR_USAGE, "worktree %s takes no --%s", v->name, o->name);
    }
    return ERR_OK;
}

static err worktree_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    const verb *v = &verbs[0];

    err e = a->word_count > 1 ? verb_find(a->words[1], &v) : ERR_OK;
    if (!e.code) e = verb_check(v, a);
    if (!e.code) e = ui_repo_begin_model(cli, a->words[0], &r);
    return e.code ? e : v->run(&r, a);
}

const ui_command ui_cmd_worktree = {
    .name = "worktree",
    .group = "worktrees",
    .args = "MODEL [list|add REF|remove NAME|mount NAME|umount NAME]",
    .help = "Put a commit's files into a folder of their own, shared with the store as far as can be",
    .words_min = 1,
    .words_max = 3,
    .options = {options, ui_options_all},
    .cancels = true,
    .run = worktree_run,
};
