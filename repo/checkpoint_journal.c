/* repo/checkpoint_journal.c: between the moment the branch moves and the moment the index follows.
 *
 * A small file `<common git dir>/hyprstream/checkpoint`: a first line with its version, the worktree, the
 * commit that the branch was at, the paths. Who finds it with the gate in hand knows that its writer is dead.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/checkpoint_internal.h"

enum { JOURNAL_BYTES_MAX = 8 << 20 };

static const char version_line[] = "checkpoint 1";

static char *journal_path(const repo_handle *r)
{
    char *folder = file_join(r->common_dir, "hyprstream"), *path = file_join(folder, "checkpoint");
    free(folder);
    return path;
}

err repo_checkpoint_journal_begin(const repo_checkpoint_work *w)
{
    char hex[GIT_OID_HEXSZ + 1] = "-";
    bytes text = {0};

    if (!w->place) return ERR_OK;
    if (w->born) git_oid_tostr(hex, sizeof hex, &w->tip);
    bytes_printf(&text, "%s\n%s\n%s\n", version_line, w->place->path, hex);
    for (size_t i = 0; i < w->what->file_count; i++) bytes_printf(&text, "%s\n", w->what->files[i].path);
    char *path = journal_path(w->r);
    err e = file_write(path, bytes_borrow(&text));
    free(path);
    bytes_free(&text);
    return e;
}

void repo_checkpoint_journal_end(const repo_checkpoint_work *w)
{
    if (!w->place) return;
    char *path = journal_path(w->r);
    unlink(path);
    free(path);
}

/* ---- mending ---- */

typedef struct mending {
    git_repository *git;
    git_index *index;
    git_tree *before, *now; /* before NULL: there was no commit */
} mending;

/* The blob at a path; zero: none. */
static git_oid blob_at(git_tree *tree, const char *path, git_filemode_t *mode)
{
    git_tree_entry *entry = NULL;
    git_oid id = {0};
    if (tree && git_tree_entry_bypath(&entry, tree, path) == 0) {
        id = *git_tree_entry_id(entry);
        *mode = git_tree_entry_filemode(entry);
    }
    git_tree_entry_free(entry);
    return id;
}

/* Only an entry that still is what it was before the commit has not followed it. Its file may have been
 * changed since: no stat data, so that whoever looks next looks into it. */
static int entry_mend(mending *m, const char *path)
{
    git_filemode_t mode = GIT_FILEMODE_BLOB, unused;
    git_oid before = blob_at(m->before, path, &unused), now = blob_at(m->now, path, &mode), zero = {0};
    const git_index_entry *entry = git_index_get_bypath(m->index, path, 0);

    if (git_oid_equal(&before, &now)) return 0;
    if (!git_oid_equal(entry ? &entry->id : &zero, &before)) return 0;
    if (git_oid_is_zero(&now)) return git_index_remove(m->index, path, 0);
    git_index_entry mended = {.mode = mode, .id = now, .path = path};
    return git_index_add(m->index, &mended);
}

static int tree_of(git_repository *git, const git_oid *commit_id, git_tree **out)
{
    git_commit *commit = NULL;
    int status = git_commit_lookup(&commit, git, commit_id);
    if (status == 0) status = git_commit_tree(out, commit);
    git_commit_free(commit);
    return status;
}

static int mending_open(mending *m, const char *worktree, const char *before)
{
    git_oid id;
    int status = git_repository_open_ext(&m->git, worktree, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL);
    if (status == 0) status = git_repository_index(&m->index, m->git);
    if (status == 0) status = git_reference_name_to_id(&id, m->git, "HEAD");
    if (status == 0) status = tree_of(m->git, &id, &m->now);
    if (status == 0 && *before != '-') status = git_oid_fromstr(&id, before);
    if (status == 0 && *before != '-') status = tree_of(m->git, &id, &m->before);
    return status;
}

/* The next line, ended in place; NULL: none is left. */
static char *line_next(char **at)
{
    char *line = *at;
    if (!*line) return NULL;
    size_t size = strcspn(line, "\n");
    *at = line + size + (line[size] == '\n');
    line[size] = 0;
    return line;
}

/* True: there is nothing left to mend. A lock of another git, or a full disk, is no end. */
static bool mend(char *text)
{
    mending m = {0};
    char *at = text, *version = line_next(&at), *worktree = line_next(&at), *before = line_next(&at), *path;

    if (!before || strcmp(version, version_line) != 0) return true;
    int status = mending_open(&m, worktree, before);
    bool lost = status == GIT_ENOTFOUND; /* the worktree, or the branch, is gone, or nothing was committed */
    while (status == 0 && (path = line_next(&at)) != NULL) status = entry_mend(&m, path);
    if (status == 0) status = git_index_write(m.index);
    git_tree_free(m.before);
    git_tree_free(m.now);
    git_index_free(m.index);
    git_repository_free(m.git);
    return status == 0 || lost;
}

void repo_checkpoint_mend(const repo_handle *r)
{
    bytes text = {0};
    char *path = journal_path(r);

    err e = file_read(path, JOURNAL_BYTES_MAX, &text);
    if (!e.code && text.size && mend(text.data)) unlink(path);
    bytes_free(&text);
    free(path);
}
