#include "repo/attributes.h"

#include <git2/sys/repository.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/attributes_internal.h"
#include "repo/beneath.h"

enum { ATTRIBUTES_BYTES_MAX = 1 << 20 };

static const char tokenizer_name[] = "tokenizer.json";
static const char *const large_patterns[] = {"*.safetensors", "*.bin", "*.gguf",    "*.pt", "*.pth",
                                             "*.onnx",        "*.h5",  "*.msgpack", "*.npz"};

/* ---- what is large ---- */

static bool is_large(git_repository *git, uint32_t flags, const char *path)
{
    const char *value = NULL;
    return git_attr_get(&value, git, flags, path, "filter") == 0 &&
           git_attr_value(value) == GIT_ATTR_VALUE_STRING && strcmp(value, "lfs") == 0;
}

bool repo_attributes_large(repo_handle *r, const char *path)
{
    return is_large(r->git, GIT_ATTR_CHECK_FILE_THEN_INDEX, path);
}

/* ---- a tree's ---- */

struct repo_attributes {
    git_repository *view;
    git_index *index;
};

static err index_fill(repo_attributes *a, const repo_tree_list *tree)
{
    err e = ERR_OK;
    for (size_t i = 0; i < tree->count && !e.code; i++) {
        const repo_tree_entry *row = &tree->rows[i];
        if (strcmp(file_name(row->path), ".gitattributes") != 0 || !S_ISREG(row->mode)) continue;
        git_index_entry entry = {.mode = row->mode, .id = row->id, .path = row->path};
        e = repo_git_check(git_index_add(a->index, &entry), row->path);
    }
    return e;
}

err repo_attributes_of_tree(repo_handle *r, const repo_tree_list *tree, repo_attributes **out)
{
    repo_attributes *a = memory_alloc(sizeof *a);

    err e = repo_git_check(git_repository_open_ext(&a->view, r->common_dir,
                                                   GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_BARE,
                                                   NULL),
                           "read attributes");
    if (!e.code) e = repo_git_check(git_index_new(&a->index), "read attributes");
    if (!e.code) e = repo_git_check(git_repository_set_index(a->view, a->index), "read attributes");
    if (!e.code) e = index_fill(a, tree);
    if (e.code) {
        repo_attributes_free(a);
        return e;
    }
    *out = a;
    return ERR_OK;
}

void repo_attributes_free(repo_attributes *a)
{
    if (!a) return;
    git_index_free(a->index);
    git_repository_free(a->view);
    free(a);
}

bool repo_attributes_tree_large(repo_attributes *a, const char *path)
{
    return is_large(a->view, GIT_ATTR_CHECK_INDEX_ONLY, path);
}

err repo_attributes_to_file(repo_attributes *a, git_blob *blob, const char *path, git_buf *out)
{
    git_filter_list *filters = NULL;

    err e = repo_git_check(
        git_filter_list_load(&filters, a->view, blob, path, GIT_FILTER_TO_WORKTREE, GIT_FILTER_DEFAULT),
        path);
    if (!e.code) e = repo_git_check(git_filter_list_apply_to_blob(out, filters, blob), path);
    git_filter_list_free(filters);
    return e;
}

/* ---- lines of ours ---- */

static bool tokenizer_is_big(repo_handle *r)
{
    uint64_t size = 0;
    char *path = file_join(r->path, tokenizer_name);
    bool big = !file_size(path, &size).code && size > REPO_PLAIN_BYTES_MAX;
    free(path);
    return big;
}

/* A pattern is covered when a file that only it matches is large. */
static bool is_covered(repo_handle *r, const char *pattern)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", *pattern == '*' ? "model" : "", pattern + (*pattern == '*'));
    return repo_attributes_large(r, name);
}

void repo_attributes_lacking(repo_handle *r, repo_names *patterns)
{
    for (size_t i = 0; i < COUNT_OF(large_patterns); i++)
        if (!is_covered(r, large_patterns[i])) repo_names_add(patterns, large_patterns[i]);
    if (tokenizer_is_big(r) && !is_covered(r, tokenizer_name)) repo_names_add(patterns, tokenizer_name);
}

err repo_attributes_add(repo_handle *r, const repo_names *patterns)
{
    CLEANUP(bytes_free) bytes text = {0};
    struct stat info;
    char *path = file_join(r->path, ".gitattributes");

    err e = ERR_OK;
    if (lstat(path, &info) == 0 && !S_ISREG(info.st_mode))
        e = err_make(ERR_CONFLICT, "%s is no regular file", path);
    if (!e.code) e = file_read(path, ATTRIBUTES_BYTES_MAX, &text);
    if (e.code == ERR_NOT_FOUND) e = ERR_OK;
    if (!e.code && patterns->count) {
        if (text.size && text.data[text.size - 1] != '\n') bytes_append_byte(&text, '\n');
        for (size_t i = 0; i < patterns->count; i++)
            bytes_printf(&text, "%s filter=lfs diff=lfs merge=lfs -text\n", patterns->names[i]);
        e = file_write(path, bytes_borrow(&text));
    }
    if (!e.code) git_attr_cache_flush(r->git);
    free(path);
    return e;
}

/* ---- what is never committed ---- */

static const char exclude_begin[] = "# hyprstream: begin";
static const char exclude_block[] = "# hyprstream: begin\n"
                                    "*.part\n"
                                    "*.tmp\n"
                                    "checkpoint-*/optimizer.pt\n"
                                    "checkpoint-*/scheduler.pt\n"
                                    "checkpoint-*/rng_state*\n"
                                    "# hyprstream: end\n";

err repo_exclude_write(repo_handle *r)
{
    CLEANUP(bytes_free) bytes text = {0};
    char *folder = file_join(r->common_dir, "info"), *path = file_join(folder, "exclude");

    err e = file_read(path, ATTRIBUTES_BYTES_MAX, &text);
    if (e.code == ERR_NOT_FOUND) e = file_make_folders(folder);
    if (!e.code && !strstr(bytes_text(&text), exclude_begin)) {
        if (text.size && text.data[text.size - 1] != '\n') bytes_append_byte(&text, '\n');
        bytes_append_text(&text, exclude_block);
        e = file_write(path, bytes_borrow(&text));
    }
    free(folder);
    free(path);
    return e;
}
