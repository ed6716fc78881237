#include "ui/cmd/eval_commit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "repo/resolve.h"
#include "repo/tag.h"
#include "ui/app/adapter_files.h"
#include "ui/cmd/model_open.h"
#include "ui/cmd/repo_open.h"

enum { TRAILERS_MAX = 6, TAG_TRIES = 1000 };

typedef struct keeping {
    ui_cli *cli;
    ui_model_word word;
    ui_repo repo;
    ui_adapter_list list;
    const ui_adapter_row *adapter;
    bytes texts[TRAILERS_MAX]; /* of the trailers */
    repo_trailer trailers[TRAILERS_MAX];
    size_t trailer_count;
} keeping;

static void keeping_free(keeping *k)
{
    for (size_t i = 0; i < TRAILERS_MAX; i++) bytes_free(&k->texts[i]);
    ui_adapters_free(&k->list);
    ui_repo_end(&k->repo);
    ui_model_word_free(&k->word);
}

err ui_eval_commit_check(ui_cli *cli, const char *model_word, const ui_bars *bars)
{
    CLEANUP(ui_model_word_free) ui_model_word word = {0};

    if (!ui_bars_any(bars))
        return err_make(ERR_USAGE,
                        "--commit keeps what passes a bar: set --max-loss, --min-accuracy or --min-exact");
    err e = ui_model_word_read(cli, model_word, &word);
    if (!e.code && word.said.adapter_count != 1)
        e = err_make(ERR_USAGE, "--commit keeps one adapter: name it, as in %s+NAME", word.title);
    if (!e.code && word.said.adapters[0].scale != 1)
        e = err_make(ERR_USAGE, "--commit keeps an adapter as it is: leave out its scale");
    return e;
}

static err find_adapter(keeping *k, const char *model_word)
{
    engine_files *files = NULL;
    ui_adapter_row *row = NULL;

    err e = ui_model_word_read(k->cli, model_word, &k->word);
    if (!e.code) e = ui_model_word_open(k->cli, &k->word, &files);
    if (e.code) return e;
    ui_adapters_list(files, &k->list);
    engine_files_free(files);
    e = ui_adapters_find(&k->list, k->word.said.adapters[0].name, k->word.title, &row);
    k->adapter = row;
    return e;
}

static void make_trailers(keeping *k, const training_data *data, const ui_tally *tally, const ui_figures *f)
{
    const struct {
        const char *key;
        double value;
    } figures[] = {{"Eval-Loss", f->loss}, {"Eval-Accuracy", f->accuracy}, {"Eval-Exact", f->exact}};

    for (size_t i = 0; i < COUNT_OF(figures); i++) {
        if (!isfinite(figures[i].value)) continue;
        bytes_printf(&k->texts[k->trailer_count], "%.6g", figures[i].value);
        k->trailers[k->trailer_count].key = figures[i].key;
        k->trailer_count++;
    }
    bytes_printf(&k->texts[k->trailer_count], "%zu", tally->examples);
    k->trailers[k->trailer_count++].key = "Eval-Examples";
    bytes_printf(&k->texts[k->trailer_count], "sha256:%s", training_data_borrow_digest(data));
    k->trailers[k->trailer_count++].key = "Eval-Data";
    for (size_t i = 0; i < k->trailer_count; i++) k->trailers[i].value = bytes_text(&k->texts[i]);
}

static void make_tag_message(const keeping *k, const char *subject, bytes *out)
{
    bytes_printf(out, "%s\n\n", subject);
    for (size_t i = 0; i < k->trailer_count; i++)
        bytes_printf(out, "%s: %s\n", k->trailers[i].key, k->trailers[i].value);
}

/* What a ref names is committed already. */
static err tag_ref(keeping *k, const char *tag, const char *message, repo_checkpoint_done *done)
{
    CLEANUP(repo_ref_free) repo_ref at = {0};
    err e = repo_resolve(k->repo.handle, k->word.said.ref, &at);

    for (int i = 1; !e.code && i <= TAG_TRIES; i++) {
        CLEANUP(bytes_free) bytes name = {0}, full = {0};
        repo_ref taken = {0};
        bytes_append_text(&name, tag);
        if (i > 1) bytes_printf(&name, "-%d", i);
        bytes_printf(&full, "refs/tags/%s", bytes_text(&name));
        bool exists = !repo_resolve(k->repo.handle, bytes_text(&full), &taken).code;
        bool same = exists && strcmp(taken.commit.hex, at.commit.hex) == 0;
        repo_ref_free(&taken);
        if (exists && !same) continue;
        if (!exists) e = repo_tag_create(k->repo.handle, bytes_text(&name), &at, message, false);
        snprintf(done->tag, sizeof done->tag, "%s", bytes_text(&name));
        break;
    }
    done->commit = at.commit;
    return e;
}

static err commit_files(keeping *k, const char *subject, const char *tag, const char *message,
                        repo_checkpoint_done *done)
{
    CLEANUP(ui_adapter_paths_free) ui_adapter_paths paths = {0};
    CLEANUP(repo_ref_free) repo_ref head = {0};
    static const char heads[] = "refs/heads/";
    repo_checkpoint_file files[UI_ADAPTER_FILES_MAX] = {0};
    char *full[UI_ADAPTER_FILES_MAX] = {0};

    err e = repo_resolve(k->repo.handle, "", &head);
    if (!e.code && (!head.name || !text_starts_with(head.name, heads)))
        e = err_make(ERR_STATE, "HEAD is on no branch: check one out to commit on it");
    if (e.code) return e;
    ui_adapter_paths_find(k->word.folder, k->adapter->name, &paths);
    for (size_t i = 0; i < paths.count; i++) {
        full[i] = file_join(k->word.folder, paths.paths[i]);
        files[i] = (repo_checkpoint_file){.path = paths.paths[i], .from_path = full[i]};
    }
    const repo_checkpoint what = {.branch = head.name + strlen(heads),
                                  .files = files,
                                  .file_count = paths.count,
                                  .subject = subject,
                                  .trailers = k->trailers,
                                  .trailer_count = k->trailer_count,
                                  .tag = tag,
                                  .tag_message = message};
    e = repo_checkpoint_commit(k->repo.handle, &what, done);
    for (size_t i = 0; i < paths.count; i++) free(full[i]);
    return e;
}

err ui_eval_commit(ui_cli *cli, const char *model_word, const training_data *data, const ui_tally *tally,
                   const ui_figures *figures, repo_checkpoint_done *done)
{
    CLEANUP(keeping_free) keeping k = {.cli = cli};
    CLEANUP(bytes_free) bytes subject = {0}, tag = {0}, message = {0};

    *done = (repo_checkpoint_done){0};
    err e = find_adapter(&k, model_word);
    if (!e.code) e = ui_repo_begin_model(cli, k.word.said.model, &k.repo);
    if (e.code) return e;
    make_trailers(&k, data, tally, figures);
    bytes_printf(&subject, "Keep %s: it passed with a loss of %.4f", k.adapter->name, figures->loss);
    bytes_printf(&tag, "passed-%s", k.adapter->name);
    make_tag_message(&k, bytes_text(&subject), &message);
    return *k.word.said.ref
               ? tag_ref(&k, bytes_text(&tag), bytes_text(&message), done)
               : commit_files(&k, bytes_text(&subject), bytes_text(&tag), bytes_text(&message), done);
}
