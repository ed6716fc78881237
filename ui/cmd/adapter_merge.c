/* ui/cmd/adapter_merge.c: adapter MODEL merge NAME[@SCALE]... --branch NEW | --to FOLDER. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/json.h"
#include "base/settings.h"
#include "base/text.h"
#include "engine/merge.h"
#include "engine/weights.h"
#include "repo/branch.h"
#include "repo/checkpoint.h"
#include "ui/app/model_source.h"
#include "ui/cmd/adapter_files.h"
#include "ui/cmd/repo_open.h"
#include "ui/cmd/show.h"

enum { TRAIN_BYTES_MAX = 4 << 20, TRAIN_DEPTH_MAX = 32 };

typedef struct merging {
    ui_adapter_work *w;
    engine_model *base, *merged;
    engine_adapter *adapters[ENGINE_STACK_COUNT_MAX];
    double scales[ENGINE_STACK_COUNT_MAX];
    size_t count, changed;
    engine_stack *stack;
    bytes words; /* "01_brief@0.7 + 02_rhyme" */
    engine_merge_check_result check;
} merging;

static void merging_free(merging *m)
{
    engine_stack_free(m->stack);
    for (size_t i = 0; i < m->count; i++) engine_adapter_free(m->adapters[i]);
    engine_model_free(m->base);
    engine_model_free(m->merged);
    bytes_free(&m->words);
}

static err model_open(engine_files *files_taken, engine_model **out)
{
    const engine_model_options options = {.device = "cpu", .dtype = "auto", .weights = true};
    return engine_model_open(files_taken, &options, out);
}

/* ---- was it trained on these weights? ---- */

/* The commit that train.json names; *commit stays NULL when there is none. */
static err trained_on(ui_adapter_work *w, const char *name, char **commit)
{
    CLEANUP(bytes_free) bytes path = {0}, json = {0};
    arena scratch = {0};
    const json_node *root = NULL;

    bytes_printf(&path, "adapters/%s.train.json", name);
    err e = engine_files_read_optional(w->files, bytes_text(&path), TRAIN_BYTES_MAX, &json);
    if (e.code || !json.size) return e;
    e = json_parse(bytes_borrow(&json), TRAIN_DEPTH_MAX, &scratch, &root);
    bytes_view said = json_text(json_get(json_get(root, "base"), "commit"));
    if (!e.code && said.size) *commit = memory_text_n(said.data, said.size);
    arena_free(&scratch);
    return e.code ? err_note(e, "%s", bytes_text(&path)) : e;
}

/* The weights' files are the same bytes there and here. */
static err same_weights(ui_adapter_work *w, engine_files *there, bool *same)
{
    CLEANUP(bytes_free) bytes names = {0};
    size_t count = 0;
    err e = engine_weights_list_files(w->files, &names, &count);
    const char *name = bytes_text(&names);
    *same = true;
    for (size_t i = 0; i < count && !e.code && *same; i++, name += strlen(name) + 1) {
        engine_mapping *here = NULL, *other = NULL;
        *same = engine_files_has(there, name);
        if (!*same) break;
        e = engine_files_map(w->files, name, &here);
        if (!e.code) e = engine_files_map(there, name, &other);
        if (!e.code) *same = bytes_view_equal(engine_mapping_view(here), engine_mapping_view(other));
        engine_mapping_free(here);
        engine_mapping_free(other);
    }
    return e;
}

static err check_base(ui_adapter_work *w, const char *name)
{
    CLEANUP(ui_repo_end) ui_repo repo = {0};
    engine_files *there = NULL;
    char *commit = NULL;
    bool same = true;

    err e = trained_on(w, name, &commit);
    if (e.code || !commit) return e;
    ui_repo_begin(w->cli, &repo);
    e = ui_model_source_open(&repo.context, w->word.folder, commit, commit, &there, NULL);
    if (e.code)
        e = err_note(e, "adapter %s was trained on %.12s (--force merges it all the same)", name, commit);
    else
        e = same_weights(w, there, &same);
    if (!e.code && !same)
        e = err_make(ERR_CONFLICT,
                     "adapter %s was trained on the weights of %.12s, which are others (--force merges it "
                     "all the same)",
                     name, commit);
    engine_files_free(there);
    free(commit);
    return e;
}

/* ---- loading ---- */

static err adapter_load(merging *m, const char *word)
{
    ui_adapter_row *row = NULL;
    char *name = NULL;
    double scale = 1;

    if (m->count == ENGINE_STACK_COUNT_MAX)
        return err_make(ERR_USAGE, "more than %d adapters", ENGINE_STACK_COUNT_MAX);
    err e = ui_adapter_word_read(word, &name, &scale);
    if (!e.code) e = ui_adapters_find(&m->w->list, name, m->w->word.title, &row);
    free(name);
    if (!e.code && !ui_arguments_has(m->w->a, "force")) e = check_base(m->w, row->name);
    if (!e.code)
        e = engine_adapter_open_in(m->w->files, row->file, engine_model_borrow_decoder(m->base),
                                   &m->adapters[m->count]);
    if (e.code) return e;
    m->scales[m->count++] = scale;
    bytes_printf(&m->words, "%s%s", m->words.size ? " + " : "", row->name);
    if (scale != 1) bytes_printf(&m->words, "@%g", scale);
    return ERR_OK;
}

static err all_load(merging *m)
{
    engine_stack_item items[ENGINE_STACK_COUNT_MAX];
    engine_files *files = NULL;

    err e = ui_model_word_open(m->w->cli, &m->w->word, &files);
    if (!e.code) e = model_open(files, &m->base);
    for (size_t i = 2; i < m->w->a->word_count && !e.code; i++) e = adapter_load(m, m->w->a->words[i]);
    for (size_t i = 0; i < m->count; i++) items[i] = (engine_stack_item){m->adapters[i], m->scales[i]};
    return e.code ? e : engine_stack_new(engine_model_borrow_decoder(m->base), items, m->count, &m->stack);
}

/* ---- writing, and asking both ---- */

static bool go_on(void *context) { return *((merging *)context)->w->cli->interrupted == 0; }

/* A whole model in `folder`, which is gone again after a failure. */
static err merged_write(merging *m, const char *folder)
{
    engine_files *files = NULL;
    err e = engine_merge_write(m->base, m->w->files, m->stack, folder, go_on, m, &m->changed);
    if (!e.code) e = engine_files_open_folder(folder, &files);
    if (!e.code) e = model_open(files, &m->merged);
    if (!e.code) e = engine_merge_check(m->base, m->stack, m->merged, &m->check);
    if (e.code) (void)file_remove_tree(folder);
    return e;
}

static err into_folder(merging *m, char **where)
{
    CLEANUP(bytes_free) bytes part = {0};
    char *folder = file_expand_home(ui_arguments_text(m->w->a, "to"),
                                    settings_borrow_folders(m->w->cli->settings)->home);
    bytes_printf(&part, "%s.part-%ld", folder, (long)getpid());
    err e = file_exists(folder) ? err_make(ERR_EXISTS, "%s is there already", folder) : ERR_OK;
    if (!e.code) e = merged_write(m, bytes_text(&part));
    if (!e.code && rename(bytes_text(&part), folder) != 0) {
        e = err_errno("rename %s to %s", bytes_text(&part), folder);
        (void)file_remove_tree(bytes_text(&part));
    }
    if (e.code)
        free(folder);
    else
        *where = folder;
    return e;
}

/* ---- on a branch ---- */

static err check_branch(ui_repo *r, const char *name)
{
    CLEANUP(repo_branches_free) repo_branches list = {0};
    err e = repo_branch_name_check(name);
    if (!e.code) e = repo_branch_list(r->handle, &list);
    for (size_t i = 0; i < list.count && !e.code; i++)
        if (!list.rows[i].remote && strcmp(list.rows[i].name, name) == 0)
            e = err_make(ERR_EXISTS, "there is a branch %s already", name);
    return e;
}

static err branch_commit(merging *m, ui_repo *r, const char *branch, const char *folder, const repo_ref *from,
                         repo_checkpoint_done *done)
{
    CLEANUP(bytes_free) bytes names = {0}, subject = {0};
    size_t count = 0;
    err e = engine_weights_list_files(m->w->files, &names, &count);
    if (e.code) return e;
    repo_checkpoint_file *files = memory_alloc((count + 1) * sizeof *files);
    char **paths = memory_alloc((count + 1) * sizeof *paths);
    const char *name = bytes_text(&names);
    for (size_t i = 0; i < count; i++, name += strlen(name) + 1) {
        paths[i] = file_join(folder, name);
        files[i] = (repo_checkpoint_file){.path = name, .from_path = paths[i]};
    }
    bytes_printf(&subject, "Merge %s into the weights", bytes_text(&m->words));
    const repo_trailer trailers[] = {{"Merged-Adapters", bytes_text(&m->words)},
                                     {"Base-Commit", from->commit.hex}};
    const repo_checkpoint checkpoint = {.branch = branch,
                                        .start = from->commit.hex,
                                        .files = files,
                                        .file_count = count,
                                        .subject = bytes_text(&subject),
                                        .trailers = trailers,
                                        .trailer_count = COUNT_OF(trailers)};
    e = repo_checkpoint_commit(r->handle, &checkpoint, done);
    for (size_t i = 0; i < count; i++) free(paths[i]);
    free(paths);
    free(files);
    return e;
}

static err onto_branch(merging *m, const char *branch, repo_checkpoint_done *done)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_ref_free) repo_ref from = {0};
    CLEANUP(bytes_free) bytes folder = {0};

    err e = ui_repo_begin_model(m->w->cli, m->w->word.said.model, &r);
    if (!e.code) e = check_branch(&r, branch);
    if (!e.code) e = repo_resolve(r.handle, m->w->word.said.ref, &from);
    if (e.code) return e;
    bytes_printf(&folder, "%s/hyprstream-merge-%ld", repo_borrow_common_dir(r.handle), (long)getpid());
    e = merged_write(m, bytes_text(&folder));
    engine_model_free(m->merged); /* before its files go */
    m->merged = NULL;
    if (!e.code) e = branch_commit(m, &r, branch, bytes_text(&folder), &from, done);
    (void)file_remove_tree(bytes_text(&folder));
    return e;
}

/* ---- telling ---- */

static void told(const merging *m, const char *branch, const char *commit, const char *folder)
{
    FILE *out = m->w->cli->out;
    if (m->w->json) {
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "model", bytes_view_of(m->w->word.title));
        ui_json_add_text(o, "merged", bytes_borrow(&m->words));
        ui_json_add_text(o, branch ? "branch" : "folder", bytes_view_of(branch ? branch : folder));
        if (commit) cJSON_AddStringToObject(o, "commit", commit);
        cJSON_AddNumberToObject(o, "tensors", (double)m->changed);
        cJSON_AddNumberToObject(o, "prompts", (double)m->check.prompt_count);
        ui_json_add_number(o, "difference", m->check.difference);
        ui_json_add_number(o, "allowed", m->check.allowed);
        ui_json_print(o, out);
        return;
    }
    fputs("Merged ", out);
    ui_show_text(out, bytes_borrow(&m->words));
    fputs(branch ? " on the branch " : " into ", out);
    ui_show_text(out, bytes_view_of(branch ? branch : folder));
    if (commit) fprintf(out, " (%.8s)", commit);
    fprintf(
        out,
        ": %zu tensors changed; its logits after %zu prompts differ from base and adapters by %.2g (%.2g is "
        "allowed)\n",
        m->changed, m->check.prompt_count, m->check.difference, m->check.allowed);
}

err ui_adapter_merge(ui_adapter_work *w)
{
    CLEANUP(merging_free) merging m = {.w = w};
    repo_checkpoint_done done = {0};
    const char *branch = ui_arguments_text(w->a, "branch"), *to = ui_arguments_text(w->a, "to");
    char *folder = NULL;

    if (!branch == !to) return err_make(ERR_USAGE, "say where to merge: --branch NEW or --to FOLDER");
    err e = all_load(&m);
    if (!e.code) e = branch ? onto_branch(&m, branch, &done) : into_folder(&m, &folder);
    if (!e.code) told(&m, branch, branch ? done.commit.hex : NULL, folder);
    free(folder);
    return e;
}
