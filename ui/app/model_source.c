#include "ui/app/model_source.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/source.h"
#include "repo/worktree/worktree.h"

static err source_content_id(void *context, size_t i, bytes *out)
{
    return repo_source_content_id(context, i, out);
}

static err source_read(void *context, size_t i, size_t bytes_max, bytes *out)
{
    return repo_source_read(context, i, bytes_max, out);
}

static err source_map(void *context, size_t i, engine_mapping **out)
{
    const char *name = repo_source_borrow_name(context, i);
    char *path = NULL;
    bytes content = {0};

    err e = repo_source_path(context, i, &path);
    if (!e.code && path) e = engine_mapping_of_file(path, name, out);
    if (!e.code && !path) { /* a blob of the object database: its bytes are unpacked into memory */
        e = repo_source_read(context, i, SIZE_MAX, &content);
        size_t size = content.size;
        if (!e.code) *out = engine_mapping_of_memory(bytes_take(&content), size, name);
    }
    bytes_free(&content);
    free(path);
    return e;
}

static void source_free(void *context) { repo_source_free(context); }

static const engine_files_kind source_kind = {source_content_id, source_read, source_map, source_free};

static err files_of_source(repo_source *source_taken, const char *title, const char *place,
                           engine_files **out)
{
    size_t count = repo_source_count(source_taken);
    const char **names = memory_alloc((count + 1) * sizeof *names);
    uint64_t *sizes = memory_alloc((count + 1) * sizeof *sizes);

    for (size_t i = 0; i < count; i++) {
        names[i] = repo_source_borrow_name(source_taken, i);
        sizes[i] = repo_source_size(source_taken, i);
    }
    err e = engine_files_open_kind(&source_kind, source_taken, title, place, names, sizes, count, out);
    free(names);
    free(sizes);
    return e;
}

static bool is_repository(const char *folder)
{
    char *dot_git = file_join(folder, ".git"), *head = file_join(folder, "HEAD");
    bool is = file_exists(dot_git) || file_exists(head);
    free(dot_git);
    free(head);
    return is;
}

static err open_of_repository(const repo_context *c, const char *folder, const char *ref, const char *title,
                              engine_files **out, char **warning)
{
    CLEANUP(repo_ref_free) repo_ref resolved = {0};
    CLEANUP(bytes_free) bytes place = {0};
    repo_handle *r = NULL;
    repo_source *source = NULL;

    err e = repo_open(c, folder, &r);
    if (!e.code) e = repo_resolve(r, ref, &resolved);
    if (!e.code) e = repo_source_open(r, &resolved, &source);
    if (!e.code && resolved.also_tag && warning) {
        bytes sentence = {0};
        bytes_printf(&sentence, "%s is a branch and a tag: the branch is meant (tags/%s is the tag)", ref,
                     ref);
        *warning = bytes_take(&sentence);
    }
    bytes_printf(&place, "%s%s%s", folder, *ref ? ":" : "", ref);
    if (!e.code) e = files_of_source(source, title, bytes_text(&place), out);
    repo_close(r);
    return e;
}

err ui_model_source_open(const repo_context *c, const char *folder, const char *ref, const char *title,
                         engine_files **out, char **warning)
{
    if (warning) *warning = NULL;
    /* A worktree that is not mounted just now is an empty folder. */
    err woken = is_repository(folder) ? ERR_OK : repo_worktree_wake(c, folder);
    if (woken.code && woken.code != ERR_NOT_FOUND) return woken;
    if (woken.code) {
        if (*ref) return err_make(ERR_USAGE, "%s is no git repository: it has no '%s'", folder, ref);
        return engine_files_open_folder(folder, out);
    }
    err e = open_of_repository(c, folder, ref, title, out, warning);
    /* As a folder it may still be a model: a foreign repository, somebody else's, one without a commit. */
    bool may_be_plain = e.code == ERR_UNSUPPORTED || e.code == ERR_DENIED || e.code == ERR_NOTHING;
    return may_be_plain && !*ref ? engine_files_open_folder(folder, out) : e;
}
