/* repo/registry/models_look.c: one folder of the models folder: is it a model, a repository, as it was? */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/registry/models_internal.h"

/* File systems count time in ticks: a stamp this young may stand for two contents. */
enum { YOUNG_SECONDS = 2 };

void model_entry_free(model_entry *entry)
{
    repo_model_row *row = &entry->row;
    char *texts[] = {row->name,         row->path,        row->uuid,          row->url,
                     row->why,          row->branch,      row->architecture,  row->dtype,
                     row->pointer,      entry->folder,    entry->name_marked, entry->uuid_marked,
                     entry->common_dir, entry->git_watch, entry->file_watch};
    for (size_t i = 0; i < COUNT_OF(texts); i++) free(texts[i]);
    *entry = (model_entry){0};
}

/* ---- signatures ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash ^= value;
    hash *= 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

static uint64_t stamp_mix(uint64_t hash, const struct stat *info)
{
    hash = mix(hash, (uint64_t)info->st_size);
    hash = mix(hash, (uint64_t)info->st_mtim.tv_sec * 1000000000u + (uint64_t)info->st_mtim.tv_nsec);
    hash = mix(hash, (uint64_t)info->st_ctim.tv_sec * 1000000000u + (uint64_t)info->st_ctim.tv_nsec);
    return mix(hash, (uint64_t)info->st_ino);
}

uint64_t model_signature(const repo_models *m, const char *base, const char *lines)
{
    int64_t young = clock_unix_seconds() - YOUNG_SECONDS;
    uint64_t hash = 1;
    bool is_young = false;
    char path[PATH_MAX];
    size_t folder_size = strlen(m->folder);

    /* Short paths: the system walks every part of each, and there are thousands. */
    if (strncmp(base, m->folder, folder_size) == 0 && base[folder_size] == '/') base += folder_size + 1;
    size_t base_size = strlen(base);

    if (base_size + 2 > sizeof path) return 0;
    memcpy(path, base, base_size);
    path[base_size] = '/';
    for (const char *line = lines; *line;) {
        size_t size = strcspn(line, "\n");
        struct stat info;
        if (base_size + size + 2 > sizeof path) return 0;
        memcpy(path + base_size + 1, line, size);
        path[base_size + 1 + size] = 0;
        if (fstatat(m->folder_fd, path, &info, 0) == 0) {
            hash = stamp_mix(hash, &info);
            if (info.st_mtim.tv_sec >= young || info.st_ctim.tv_sec >= young) is_young = true;
        } else {
            hash = mix(hash, (uint64_t)errno);
        }
        line += size + (line[size] == '\n');
    }
    return is_young ? 0 : hash ? hash : 1;
}

/* ---- where its repository is ---- */

static bool is_there(const repo_models *m, const char *folder, const char *name)
{
    struct stat info;
    char *path = file_join(folder, name);
    bool is = fstatat(m->folder_fd, path, &info, 0) == 0;
    free(path);
    return is;
}

/* "ref: refs/heads/main" of a bare repository's HEAD; the caller frees, NULL: none. */
static char *default_branch(const char *git_dir)
{
    CLEANUP(bytes_free) bytes text = {0};
    char *path = file_join(git_dir, "HEAD"), *branch = NULL;

    if (!file_read(path, 4096, &text).code && text_starts_with(bytes_text(&text), "ref: refs/heads/")) {
        text.data[strcspn(text.data, "\n")] = 0;
        branch = memory_text(text.data + strlen("ref: refs/heads/"));
    }
    free(path);
    return branch;
}

/* Others keep `x/x.git`, bare, and `x/worktrees/<branch>`: read, never written. The default branch's worktree
 * stands for the primary checkout. */
static bool bare_layout(const repo_models *m, const char *folder, char **common_dir, char **path)
{
    CLEANUP(bytes_free) bytes bare = {0}, tree = {0};

    bytes_printf(&bare, "%s/%s.git", folder, folder);
    if (!is_there(m, bytes_text(&bare), "HEAD") || !is_there(m, bytes_text(&bare), "objects")) return false;
    *path = file_join(m->folder, bytes_text(&bare));
    char *branch = default_branch(*path);
    if (branch) bytes_printf(&tree, "%s/%s/worktrees/%s", m->folder, folder, branch);
    if (branch && is_there(m, bytes_text(&tree), ".git")) {
        free(*path);
        *path = bytes_take(&tree);
    }
    free(branch);
    *common_dir = bytes_take(&bare);
    return true;
}

/* ---- looking ---- */

static bool prior_holds(const repo_models *m, const model_entry *prior)
{
    if (!prior || prior->row.state == REPO_MODEL_MISSING || !prior->git_signature || !prior->file_signature)
        return false;
    const char *git_base = prior->common_dir ? prior->common_dir : prior->folder;
    return prior->git_signature == model_signature(m, git_base, prior->git_watch) &&
           prior->file_signature == model_signature(m, prior->row.path, prior->file_watch);
}

static bool is_plain_model(const repo_models *m, const char *folder)
{
    return is_there(m, folder, "config.json");
}

/* Nothing was there before it was looked for: one more name that can appear. */
static void plain_watch(model_entry *entry)
{
    free(entry->git_watch);
    CLEANUP(bytes_free) bytes watch = {0};
    bytes_printf(&watch, ".git\n%s.git\n", entry->folder);
    entry->git_watch = bytes_take(&watch);
}

static void look_anew(repo_models *m, model_entry *entry)
{
    if (entry->common_dir) {
        model_git_look(m, entry);
    } else {
        entry->row.state = REPO_MODEL_PLAIN;
        plain_watch(entry);
    }
    model_files_look(entry);
}

bool model_look(repo_models *m, const char *folder, model_entry *prior, model_entry *out)
{
    model_entry entry = {.row = {.ahead = -1, .behind = -1, .dirty = -1}, .changed = true};

    if (prior_holds(m, prior)) {
        *out = *prior;
        *prior = (model_entry){0};
        return true;
    }
    if (is_there(m, folder, ".git")) {
        entry.common_dir = file_join(folder, ".git");
        entry.row.path = file_join(m->folder, folder);
    } else if (!bare_layout(m, folder, &entry.common_dir, &entry.row.path)) {
        if (!is_plain_model(m, folder)) return false;
        entry.row.path = file_join(m->folder, folder);
    }
    entry.folder = memory_text(folder);
    entry.row.name = memory_text(folder);
    look_anew(m, &entry);
    const char *git_base = entry.common_dir ? entry.common_dir : folder;
    entry.git_signature = entry.is_busy ? 0 : model_signature(m, git_base, entry.git_watch);
    entry.file_signature = model_signature(m, entry.row.path, entry.file_watch);
    *out = entry;
    return true;
}
