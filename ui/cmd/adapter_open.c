#include "ui/cmd/adapter_open.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/spec.h"
#include "repo/checkpoint.h"
#include "repo/resolve.h"
#include "ui/cmd/repo_open.h"
#include "ui/cmd/show.h"

enum { CONFIG_BYTES_MAX = 4 << 20 };

/* -- opening ------------------------------------------------------------------------------------------------
 */

static err store_open(ui_adapter_work *w, ui_chat_store **out)
{
    char *aside = NULL;
    err e = ui_chat_store_open(settings_borrow_folders(w->cli->settings)->state, &aside, out);
    if (aside) fprintf(w->cli->err_out, "state.db was damaged and is kept as %s\n", aside);
    free(aside);
    return e;
}

/* No choice, or one that cannot be read, is none: it is only what was on. */
static void choice_read(ui_adapter_work *w)
{
    ui_chat_store *store = NULL;
    char *mark = ui_stack_mark_name(w->word.folder), *value = NULL;

    if (!store_open(w, &store).code && !ui_chat_store_marked(store, mark, &value).code && value)
        (void)ui_stack_parse(bytes_view_of(value), &w->chosen);
    ui_chat_store_free(store);
    free(value);
    free(mark);
}

err ui_adapter_choice_keep(ui_adapter_work *w, const ui_stack_list *list)
{
    CLEANUP(bytes_free) bytes json = {0};
    ui_chat_store *store = NULL;
    char *mark = ui_stack_mark_name(w->word.folder);

    ui_stack_print(list, &json);
    err e = store_open(w, &store);
    if (!e.code) e = ui_chat_store_mark(store, mark, bytes_text(&json));
    ui_chat_store_free(store);
    free(mark);
    return e;
}

err ui_adapter_work_open(ui_cli *cli, const ui_arguments *a, ui_adapter_work *out)
{
    *out = (ui_adapter_work){.cli = cli, .a = a, .json = ui_arguments_has(a, "json")};
    err e = ui_model_word_read(cli, a->words[0], &out->word);
    if (!e.code && out->word.said.adapter_count)
        e = err_make(ERR_USAGE, "%s names an adapter: name it after the verb", a->words[0]);
    if (!e.code) e = ui_model_word_open(cli, &out->word, &out->files);
    if (e.code) return e;
    ui_adapters_list(out->files, &out->list);
    choice_read(out);
    ui_stack_apply(&out->chosen, &out->list);
    return ERR_OK;
}

void ui_adapter_work_close(ui_adapter_work *w)
{
    ui_model_word_free(&w->word);
    engine_files_free(w->files);
    engine_spec_free(w->spec);
    ui_adapters_free(&w->list);
    ui_stack_free(&w->chosen);
    *w = (ui_adapter_work){0};
}

err ui_adapter_spec(ui_adapter_work *w)
{
    CLEANUP(bytes_free) bytes json = {0};
    if (w->spec) return ERR_OK;
    err e = engine_files_read(w->files, "config.json", CONFIG_BYTES_MAX, &json);
    return e.code ? e : err_note(engine_spec_parse(bytes_borrow(&json), &w->spec), "config.json");
}

err ui_adapter_changeable(const ui_adapter_work *w)
{
    if (!*w->word.said.ref) return ERR_OK;
    return err_make(ERR_USAGE, "%s is a commit: only what is checked out can be changed", w->word.title);
}

err ui_adapter_word_read(const char *word, char **name, double *scale)
{
    const char *at = strrchr(word, '@');
    char *end = NULL;

    *scale = at ? strtod(at + 1, &end) : 1;
    if (at && (end == at + 1 || *end || !(fabs(*scale) <= UI_STACK_SCALE_MAX)))
        return err_make(ERR_USAGE, "'%s': expected a number from -%d to %d after the @", word,
                        UI_STACK_SCALE_MAX, UI_STACK_SCALE_MAX);
    *name = memory_text_n(word, at ? (size_t)(at - word) : strlen(word));
    return ERR_OK;
}

err ui_adapter_file_of(ui_adapter_work *w, const char *word, ui_adapter_row **row, engine_adapter_file **out)
{
    err e = ui_adapter_spec(w);
    if (!e.code) e = ui_adapters_find(&w->list, word, w->word.title, row);
    if (e.code) return e;
    return err_note(engine_adapter_file_open(w->files, (*row)->file, w->spec, out), "adapter %s",
                    (*row)->name);
}

/* -- telling ------------------------------------------------------------------------------------------------
 */

static err commit_paths(ui_adapter_work *w, const ui_adapter_done *done, repo_checkpoint_done *out)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_ref_free) repo_ref head = {0};
    static const char heads[] = "refs/heads/";
    repo_checkpoint_file files[UI_ADAPTER_PATHS_MAX] = {0};
    char *full[UI_ADAPTER_PATHS_MAX] = {0};

    err e = ui_repo_begin_model(w->cli, w->word.said.model, &r);
    if (!e.code) e = repo_resolve(r.handle, "", &head);
    if (!e.code && (!head.name || !text_starts_with(head.name, heads)))
        e = err_make(ERR_STATE, "HEAD is on no branch: the files are there, commit them yourself");
    if (e.code) return e;
    for (size_t i = 0; i < done->path_count; i++) {
        full[i] = file_join(w->word.folder, done->paths[i]);
        files[i] = (repo_checkpoint_file){
            .path = done->paths[i], .from_path = full[i], .remove = !file_exists(full[i])};
    }
    const repo_checkpoint checkpoint = {.branch = head.name + strlen(heads),
                                        .files = files,
                                        .file_count = done->path_count,
                                        .subject = done->subject};
    e = repo_checkpoint_commit(r.handle, &checkpoint, out);
    for (size_t i = 0; i < done->path_count; i++) free(full[i]);
    return e;
}

static void tell_json(ui_adapter_work *w, const ui_adapter_done *done, const char *commit)
{
    cJSON *o = cJSON_CreateObject();
    ui_json_add_text(o, "model", bytes_view_of(w->word.title));
    if (done->key) ui_json_add_text(o, done->key, bytes_view_of(done->value));
    cJSON *list = cJSON_AddArrayToObject(o, "files");
    for (size_t i = 0; i < done->path_count; i++) ui_json_push_text(list, bytes_view_of(done->paths[i]));
    while (done->more && done->more->child) {
        cJSON *item = cJSON_DetachItemViaPointer(done->more, done->more->child);
        char *key = item->string;
        item->string = NULL;
        cJSON_AddItemToObject(o, key, item);
        cJSON_free(key);
    }
    if (commit)
        cJSON_AddStringToObject(o, "commit", commit);
    else
        cJSON_AddNullToObject(o, "commit");
    ui_json_print(o, w->cli->out);
}

/* What to say to git: the names in quotes that a shell takes as they are. */
static void tell_what_to_commit(const ui_adapter_work *w, const ui_adapter_done *done)
{
    FILE *out = w->cli->out;
    char *git = file_join(w->word.folder, ".git");

    if (file_exists(git) && done->path_count) {
        fputs("Not committed yet: hyprstream stage ", out);
        ui_show_text(out, bytes_view_of(w->word.said.model));
        for (size_t i = 0; i < done->path_count; i++) {
            fputc(' ', out);
            ui_show_text(out, bytes_view_of(done->paths[i]));
        }
        fputs(" && hyprstream commit ", out);
        ui_show_text(out, bytes_view_of(w->word.said.model));
        fprintf(out, " -m '%s'\n", done->subject);
    }
    free(git);
}

err ui_adapter_tell(ui_adapter_work *w, const ui_adapter_done *done)
{
    repo_checkpoint_done made = {0};
    bool commit = ui_arguments_has(w->a, "commit");

    err e = commit ? commit_paths(w, done, &made) : ERR_OK;
    if (!e.code && w->json) {
        tell_json(w, done, commit ? made.commit.hex : NULL);
    } else if (!e.code) {
        ui_show_text(w->cli->out, bytes_view_of(done->sentence));
        fputc('\n', w->cli->out);
        if (commit)
            fprintf(w->cli->out, "Committed as %.8s\n", made.commit.hex);
        else
            tell_what_to_commit(w, done);
    }
    cJSON_Delete(done->more);
    return e;
}
