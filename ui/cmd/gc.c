#include "repo/gc.h"

#include "base/text.h"
#include "repo/worktree/worktree.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/repo_open.h"

static void print_json(const repo_gc_report *report, uint64_t layer_bytes, FILE *out)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "objects", (double)report->objects);
    cJSON_AddNumberToObject(o, "bytes", (double)report->bytes);
    cJSON_AddNumberToObject(o, "removed", (double)report->removed);
    cJSON_AddNumberToObject(o, "kept", (double)report->kept);
    cJSON_AddNumberToObject(o, "kept_bytes", (double)report->kept_bytes);
    cJSON_AddNumberToObject(o, "layer_bytes", (double)layer_bytes);
    cJSON_AddBoolToObject(o, "git_ran", report->git_ran);
    cJSON_AddBoolToObject(o, "store_is_shared", report->store_is_shared);
    ui_json_print(o, out);
}

static const char *files_word(size_t count) { return count == 1 ? "large file" : "large files"; }

/* Before anything goes: how much it is. */
static void print_sizes(const repo_gc_report *report, FILE *out)
{
    char size[32], kept[32];

    text_human_size(report->bytes, size, sizeof size);
    text_human_size(report->kept_bytes, kept, sizeof kept);
    if (report->store_is_shared)
        fputs("Large files stay: lfs.storage may be other repositories' too\n", out);
    else
        fprintf(out, "%zu %s, %s, that nothing needs; %zu, %s, that something needs\n", report->objects,
                files_word(report->objects), size, report->kept, kept);
}

static void print_done(const repo_gc_report *report, FILE *out)
{
    fprintf(out, "Removed %zu %s%s\n", report->removed, files_word(report->removed),
            report->git_ran ? ", packed git's objects" : "");
}

static err sizes_tell(ui_cli *cli, ui_repo *r, int days)
{
    repo_gc_report report = {0};
    err e = repo_gc(r->handle, &(repo_gc_options){true, days}, &report);
    if (!e.code) print_sizes(&report, cli->out);
    if (!e.code) fflush(cli->out);
    return e;
}

static err gc_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    repo_gc_report report = {0};
    uint64_t layer_bytes = 0;
    int64_t days = REPO_GC_DAYS;
    bool dry_run = ui_arguments_has(a, "dry-run"), json = ui_arguments_has(a, "json");

    err e = ui_arguments_integer(a, "prune-days", 0, REPO_GC_DAYS_MAX, &days);
    if (!e.code) e = ui_repo_begin_model(cli, a->words[0], &r);
    if (!e.code && !json) e = sizes_tell(cli, &r, (int)days);
    if (!e.code && (json || !dry_run)) e = repo_gc(r.handle, &(repo_gc_options){dry_run, (int)days}, &report);
    if (e.code) return e;
    if (json)
        print_json(&report, layer_bytes, cli->out);
    else if (!dry_run)
        print_done(&report, cli->out);
    return ERR_OK;
}

static const ui_option options[] = {
    {"dry-run", NULL, "only say what would be removed", false},
    {"prune-days", "N", "what a reflog younger than this remembers is needed (default: 14)", false},
    {0},
};

const ui_command ui_cmd_gc = {
    .name = "gc",
    .group = "models",
    .args = "MODEL",
    .help = "Delete large files that no commit, stash or recent reflog needs, and unused layers; pack git's "
            "objects",
    .words_min = 1,
    .words_max = 1,
    .options = {options, ui_options_all},
    .cancels = true,
    .run = gc_run,
};
