#include "repo/demo.h"

#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/git.h"

/* Every commit of the repository: its files, by asset name, and its tag. */
typedef struct demo_commit {
    const char *message, *tag, *tag_message;
    const char *files[10];
} demo_commit;

static const demo_commit commits[] = {
    {"Add the demo model",
     "base",
     "The model without adapters",
     {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
      "chat_template.jinja", "model.safetensors", "data/polite.jsonl"}},
    {"Add the adapter brief: only the keys",
     "brief",
     "The first adapter",
     {"adapters/01_brief.safetensors", "adapters/01_brief.config.json"}},
    {"Add the adapter pirate: answers of the sea",
     "pirate",
     "The second adapter",
     {"adapters/02_pirate.safetensors", "adapters/02_pirate.config.json"}},
};

static err file_place(const char *assets, const char *folder, const char *name)
{
    char *from = file_join(assets, name), *to = file_join(folder, name), *parent = file_parent(to);
    err e = file_make_folders(parent);
    if (!e.code) e = file_copy(from, to);
    free(from);
    free(to);
    free(parent);
    return e;
}

static err commit_files(const char *assets, git_repository *repo, const demo_commit *commit, git_index *index,
                        git_oid *tree)
{
    for (const char *const *name = commit->files; *name; name++) {
        err e = file_place(assets, git_repository_workdir(repo), *name);
        if (!e.code) e = repo_git_check(git_index_add_bypath(index, *name), *name);
        if (e.code) return e;
    }
    err e = repo_git_check(git_index_write(index), "write the index");
    return e.code ? e : repo_git_check(git_index_write_tree(tree, index), "write a tree");
}

/* One commit on `parent` (NULL: the first) and its tag; *made is the caller's. */
static err commit_make(git_repository *repo, const demo_commit *commit, const git_oid *tree_id,
                       git_commit *parent, git_commit **made)
{
    git_signature *who = NULL;
    git_tree *tree = NULL;
    git_commit *done = NULL;
    git_oid id, tag_id;
    const git_commit *parents[] = {parent};

    err e = repo_git_check(git_signature_now(&who, "hyprstream", "demo@hyprstream.invalid"), "sign");
    if (!e.code) e = repo_git_check(git_tree_lookup(&tree, repo, tree_id), "read a tree");
    if (!e.code)
        e = repo_git_check(git_commit_create(&id, repo, "HEAD", who, who, NULL, commit->message, tree,
                                             parent ? 1 : 0, parents),
                           "commit");
    if (!e.code) e = repo_git_check(git_commit_lookup(&done, repo, &id), "read a commit");
    if (!e.code)
        e = repo_git_check(
            git_tag_create(&tag_id, repo, commit->tag, (git_object *)done, who, commit->tag_message, 0),
            "tag");
    git_signature_free(who);
    git_tree_free(tree);
    if (e.code)
        git_commit_free(done);
    else
        *made = done;
    return e;
}

/* The person's own settings must not change a byte of what is committed. */
static err config_plain(git_repository *repo)
{
    git_config *config = NULL;

    err e = repo_git_check(git_repository_config(&config, repo), "read the configuration");
    if (!e.code) e = repo_git_check(git_config_set_bool(config, "core.autocrlf", 0), "set core.autocrlf");
    git_config_free(config);
    return e;
}

static err repository_fill(const char *assets, git_repository *repo)
{
    git_index *index = NULL;
    git_commit *parent = NULL;

    err e = config_plain(repo);
    if (!e.code) e = repo_git_check(git_repository_index(&index, repo), "open the index");
    for (size_t i = 0; i < COUNT_OF(commits) && !e.code; i++) {
        git_commit *made = NULL;
        git_oid tree;
        e = commit_files(assets, repo, &commits[i], index, &tree);
        if (!e.code) e = commit_make(repo, &commits[i], &tree, parent, &made);
        if (e.code) break;
        git_commit_free(parent);
        parent = made;
    }
    git_commit_free(parent);
    git_index_free(index);
    return e;
}

static err repository_make(const char *assets, const char *folder)
{
    git_repository *repo = NULL;
    git_repository_init_options how = GIT_REPOSITORY_INIT_OPTIONS_INIT;
    how.flags = GIT_REPOSITORY_INIT_MKPATH | GIT_REPOSITORY_INIT_NO_REINIT;
    how.initial_head = "main";

    err e = repo_git_check(git_repository_init_ext(&repo, folder, &how), folder);
    if (!e.code) e = repository_fill(assets, repo);
    git_repository_free(repo);
    return e;
}

/* Only hidden files: what a killed start left, or a desktop's. */
static err folder_is_empty(const char *folder, bool *empty)
{
    file_list list = {0};
    err e = file_list_folder(folder, &list);
    *empty = true;
    for (size_t i = 0; i < list.count; i++)
        if (list.names[i][0] != '.') *empty = false;
    file_list_free(&list);
    return e;
}

err repo_demo_install(const char *assets, const char *models, bool *made)
{
    bool empty = false;

    *made = false;
    err e = file_make_folders(models);
    if (!e.code) e = folder_is_empty(models, &empty);
    if (e.code || !empty) return e;
    bytes part_name = {0};
    bytes_printf(&part_name, "%s/.demo-%ld.part", models, (long)getpid());
    char *place = file_join(models, "demo");
    git_libgit2_init();
    e = repository_make(assets, bytes_text(&part_name));
    if (!e.code && rename(bytes_text(&part_name), place) != 0) e = err_errno("rename to %s", place);
    if (e.code)
        file_remove_tree(bytes_text(&part_name));
    else
        *made = true;
    git_libgit2_shutdown();
    bytes_free(&part_name);
    free(place);
    return e.code ? err_note(e, "make the demo model in %s", models) : e;
}
