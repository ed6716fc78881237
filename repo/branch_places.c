#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/branch_internal.h"

enum { HEAD_BYTES_MAX = 4096 };

/* The first line of a small file; NULL: there is none. The caller frees. */
static char *line_read(const char *folder, const char *name)
{
    char *path = file_join(folder, name), *line = NULL;
    bytes text = {0};

    if (!file_read(path, HEAD_BYTES_MAX, &text).code)
        line = memory_text_n(bytes_text(&text), strcspn(bytes_text(&text), "\n"));
    bytes_free(&text);
    free(path);
    return line;
}

static void place_add(repo_places *places, const char *git_dir, const char *folder)
{
    static const char symbolic[] = "ref: ";
    char *head = line_read(git_dir, "HEAD");
    if (!head) return;
    bool is_ref = strncmp(head, symbolic, sizeof symbolic - 1) == 0;
    repo_names_add(&places->refs, is_ref ? head + sizeof symbolic - 1 : "");
    repo_names_add(&places->folders, folder);
    free(head);
}

/* The primary checkout is what holds `.git`; a bare repository has none, though it has a HEAD. */
static void primary_add(const repo_handle *r, repo_places *places)
{
    if (strcmp(r->git_dir, r->common_dir) == 0 || strcmp(file_name(r->common_dir), ".git") != 0) return;
    char *folder = file_parent(r->common_dir);
    place_add(places, r->common_dir, folder);
    free(folder);
}

static void linked_add(const repo_handle *r, const char *admin, repo_places *places)
{
    if (strcmp(admin, r->git_dir) == 0) return;
    char *dot_git = line_read(admin, "gitdir");
    if (!dot_git) return;
    char *folder = file_parent(dot_git);
    place_add(places, admin, folder);
    free(folder);
    free(dot_git);
}

err repo_places_read(const repo_handle *r, repo_places *out)
{
    char *folder = file_join(r->common_dir, "worktrees");
    file_list list = {0};

    primary_add(r, out);
    err e = file_is_folder(folder) ? file_list_folder(folder, &list) : ERR_OK;
    for (size_t i = 0; i < list.count; i++) {
        char *admin = file_join(folder, list.names[i]);
        linked_add(r, admin, out);
        free(admin);
    }
    file_list_free(&list);
    free(folder);
    return e;
}

const char *repo_places_find(const repo_places *places, const char *ref)
{
    for (size_t i = 0; i < places->refs.count; i++)
        if (strcmp(places->refs.names[i], ref) == 0) return places->folders.names[i];
    return NULL;
}

void repo_places_free(repo_places *places)
{
    repo_names_free(&places->refs);
    repo_names_free(&places->folders);
}

err repo_places_check(const repo_handle *r, const char *ref)
{
    repo_places places = {0};

    err e = repo_places_read(r, &places);
    const char *folder = e.code ? NULL : repo_places_find(&places, ref);
    if (folder) {
        const char *name = text_starts_with(ref, "refs/heads/") ? ref + strlen("refs/heads/") : ref;
        e = err_make(ERR_CONFLICT, "the worktree %s is on %s", folder, name);
    }
    repo_places_free(&places);
    return e;
}
