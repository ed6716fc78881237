#include "repo/demo.h"

#include <errno.h>
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/checkpoint.h"
#include "repo/git.h"

enum { FILES_MAX = 10 };

/* Every commit of the repository: its files, by asset name, and its tag. */
typedef struct demo_commit {
    const char *subject, *tag, *tag_message;
    int64_t time; /* fixed, as everything else: the ids are the same everywhere */
    const char *files[FILES_MAX];
} demo_commit;

static const char identity[] = "hyprstream <demo@hyprstream.invalid>";
static const char witness[] = ".demo-was-made"; /* in the models folder */
static const char attributes[] = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n";

static const demo_commit commits[] = {
    {"Initialize model demo", NULL, NULL, 1767225600, {NULL}},
    {"Add the demo model",
     "base",
     "The model without adapters",
     1767225660,
     {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
      "chat_template.jinja", "model.safetensors", "data/polite.jsonl"}},
    {"Add the adapter brief: only the keys",
     "brief",
     "The first adapter",
     1767225720,
     {"adapters/01_brief.safetensors", "adapters/01_brief.config.json"}},
    {"Add the adapter pirate: answers of the sea",
     "pirate",
     "The second adapter",
     1767225780,
     {"adapters/02_pirate.safetensors", "adapters/02_pirate.config.json"}},
};

static err commit_add(const char *assets, repo_handle *r, const demo_commit *commit)
{
    repo_checkpoint_file files[FILES_MAX] = {{.path = ".gitattributes", .content = VIEW(attributes)}};
    char *paths[FILES_MAX] = {NULL};
    repo_checkpoint_done done;
    size_t count = 0;

    for (; commit->files[count]; count++) {
        paths[count] = file_join(assets, commit->files[count]);
        files[count] = (repo_checkpoint_file){.path = commit->files[count], .from_path = paths[count]};
    }
    repo_checkpoint what = {.branch = "main",
                            .files = files,
                            .file_count = count ? count : 1,
                            .subject = commit->subject,
                            .committer = identity,
                            .author = identity,
                            .time = commit->time,
                            .tag = commit->tag,
                            .tag_message = commit->tag_message};
    err e = repo_checkpoint_commit(r, &what, &done);
    for (size_t i = 0; i < count; i++) free(paths[i]);
    return e;
}

static err repository_make(const repo_context *context, const char *assets, const char *folder)
{
    git_repository *made = NULL;
    repo_handle *r = NULL;
    git_repository_init_options how = GIT_REPOSITORY_INIT_OPTIONS_INIT;
    how.flags = GIT_REPOSITORY_INIT_MKPATH | GIT_REPOSITORY_INIT_NO_REINIT;
    how.initial_head = "main";

    err e = repo_start(context);
    if (!e.code) e = repo_git_check(git_repository_init_ext(&made, folder, &how), folder);
    git_repository_free(made);
    if (!e.code) e = repo_open(context, folder, &r);
    for (size_t i = 0; i < COUNT_OF(commits) && !e.code; i++) e = commit_add(assets, r, &commits[i]);
    repo_close(r);
    return e;
}

/* Only hidden files: what a killed start left, or a desktop's; and no demo was made here before. */
static err folder_is_new(const char *folder, bool *is_new)
{
    file_list list = {0};
    err e = file_list_folder(folder, &list);
    *is_new = true;
    for (size_t i = 0; i < list.count; i++)
        if (list.names[i][0] != '.' || strcmp(list.names[i], witness) == 0) *is_new = false;
    file_list_free(&list);
    return e;
}

/* Into its place, unless another process was first; *made tells. */
static err put(const char *part, const char *models, bool *made)
{
    char *place = file_join(models, "demo"), *trace = file_join(models, witness);
    err e = ERR_OK;
    *made = rename(part, place) == 0;
    if (*made)
        e = file_write(trace, (bytes_view){0});
    else if (errno != ENOTEMPTY && errno != EEXIST)
        e = err_errno("rename to %s", place);
    free(place);
    free(trace);
    return e;
}

err repo_demo_install(const repo_context *context, const char *assets, const char *models, bool *made)
{
    bool is_new = false;

    *made = false;
    err e = file_make_folders(models);
    if (!e.code) e = folder_is_new(models, &is_new);
    if (e.code || !is_new) return e;
    bytes part_name = {0};
    bytes_printf(&part_name, "%s/.demo-%ld.part", models, (long)getpid());
    e = repository_make(context, assets, bytes_text(&part_name));
    if (!e.code) e = put(bytes_text(&part_name), models, made);
    if (!*made) file_remove_tree(bytes_text(&part_name));
    bytes_free(&part_name);
    return e.code ? err_note(e, "make the demo model in %s", models) : e;
}
