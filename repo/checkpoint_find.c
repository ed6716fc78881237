/* repo/checkpoint_find.c: a commit that was made already, found by its trailers in the branch's log. */
#include <string.h>

#include "repo/checkpoint_internal.h"
#include "repo/resolve.h"

enum { COMMITS_MAX = 100000 };

static bool has_trailer(const git_message_trailer_array *found, const repo_trailer *wanted)
{
    for (size_t i = 0; i < found->count; i++)
        if (strcmp(found->trailers[i].key, wanted->key) == 0 &&
            strcmp(found->trailers[i].value, wanted->value) == 0)
            return true;
    return false;
}

static bool has_trailers(git_commit *commit, const repo_checkpoint *what)
{
    git_message_trailer_array found = {0};
    if (git_message_trailers(&found, git_commit_message(commit)) != 0) return false;
    bool all = true;
    for (size_t i = 0; i < what->known_count && all; i++) all = has_trailer(&found, &what->known[i]);
    git_message_trailer_array_free(&found);
    return all;
}

static bool has_files(git_commit *commit, const repo_checkpoint_work *w)
{
    git_tree *tree = NULL;
    bool all = git_commit_tree(&tree, commit) == 0;
    for (size_t i = 0; i < w->what->file_count && all; i++) {
        git_tree_entry *entry = NULL;
        all = git_tree_entry_bypath(&entry, tree, w->files[i].entry.path) == 0 &&
              git_oid_equal(git_tree_entry_id(entry), &w->files[i].entry.id);
        git_tree_entry_free(entry);
    }
    git_tree_free(tree);
    return all;
}

static err walk_begin(repo_checkpoint_work *w, git_revwalk **walk)
{
    repo_ref start = {0};
    git_oid hidden;

    err e = repo_git_check(git_revwalk_new(walk, w->r->git), "walk the commits");
    if (!e.code) e = repo_git_check(git_revwalk_push(*walk, &w->tip), "walk from the branch");
    if (!e.code && w->what->start && !repo_resolve(w->r, w->what->start, &start).code &&
        !repo_oid_read(&start.commit, &hidden).code)
        e = repo_git_check(git_revwalk_hide(*walk, &hidden), "walk from the branch");
    repo_ref_free(&start);
    return e;
}

err repo_checkpoint_find_known(repo_checkpoint_work *w, bool *found)
{
    git_revwalk *walk = NULL;
    git_oid id;

    *found = false;
    if (!w->what->known_count || !w->born || w->made_branch) return ERR_OK;
    err e = walk_begin(w, &walk);
    for (size_t i = 0; !e.code && !*found && i < COMMITS_MAX && git_revwalk_next(&id, walk) == 0; i++) {
        git_commit *commit = NULL;
        e = repo_git_check(git_commit_lookup(&commit, w->r->git, &id), "read a commit");
        *found = !e.code && has_trailers(commit, w->what) && has_files(commit, w);
        if (*found) w->commit = id;
        git_commit_free(commit);
    }
    git_revwalk_free(walk);
    return e;
}
