#include "repo/unlock.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/gate.h"

enum { LINE_BYTES_MAX = 4096, DEPTH_MAX = 64 };

/* ---- which locks there are ---- */

static bool ends_with_lock(const char *name)
{
    size_t size = strlen(name);
    return size > 5 && strcmp(name + size - 5, ".lock") == 0;
}

/* Of the common git dir itself these hold no lock of git's refs, index or config; and the 256 folders of
 * loose objects, which are written without locks. */
static bool is_skipped(const char *folder, const char *name, int depth)
{
    if (depth == 1 && strcmp(file_name(folder), "objects") == 0) return strlen(name) == 2;
    return depth == 0 &&
           (strcmp(name, "lfs") == 0 || strcmp(name, "hyprstream") == 0 || strcmp(name, "hooks") == 0);
}

static void locks_collect(const char *folder, int depth, repo_names *out)
{
    DIR *d = opendir(folder);
    struct dirent *entry;

    if (!d) return;
    while ((entry = readdir(d)) && out->count < REPO_LOCKS_COUNT_MAX) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (is_skipped(folder, entry->d_name, depth)) continue;
        struct stat info;
        char *path = file_join(folder, entry->d_name);
        if (lstat(path, &info) == 0) {
            if (S_ISDIR(info.st_mode) && depth < DEPTH_MAX) locks_collect(path, depth + 1, out);
            if (S_ISREG(info.st_mode) && ends_with_lock(entry->d_name)) repo_names_add(out, path);
        }
        free(path);
    }
    closedir(d);
}

/* ---- who is at work ---- */

/* Folders in which a git program would work on this repository, and what /proc says about them. */
typedef struct workers {
    repo_names places; /* real paths */
    const repo_names *locks;
    bool *open; /* for each lock */
    long git;   /* a git program at work here; 0: none */
} workers;

static void place_add(workers *w, const char *path)
{
    char *real = realpath(path, NULL);
    if (real) repo_names_add(&w->places, real);
    free(real);
}

/* The folders of linked worktrees: `worktrees/<name>/gitdir` holds the path of each one's .git file. */
static void places_find(workers *w, const char *common_dir, const char *worktree)
{
    char *folder = file_join(common_dir, "worktrees");
    file_list names = {0};

    place_add(w, common_dir);
    if (worktree && *worktree) place_add(w, worktree);
    if (file_list_folder(folder, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP(bytes_free) bytes path = {0}, text = {0};
        bytes_printf(&path, "%s/%s/gitdir", folder, names.names[i]);
        if (file_read(bytes_text(&path), LINE_BYTES_MAX, &text).code) continue;
        if (text.size) text.data[strcspn(text.data, "\n")] = 0;
        char *parent = file_parent(bytes_text(&text));
        place_add(w, parent);
        free(parent);
    }
    file_list_free(&names);
    free(folder);
}

static bool is_below(const workers *w, const char *path)
{
    for (size_t i = 0; i < w->places.count; i++) {
        size_t size = strlen(w->places.names[i]);
        if (strncmp(path, w->places.names[i], size) == 0 && (path[size] == '/' || !path[size])) return true;
    }
    return false;
}

static bool link_read(const char *path, char out[PATH_MAX])
{
    ssize_t size = readlink(path, out, PATH_MAX - 1);
    out[size > 0 ? size : 0] = 0;
    return size > 0;
}

static void descriptors_look(workers *w, const char *pid, bool is_git)
{
    char folder[64], target[PATH_MAX];
    struct dirent *entry;

    snprintf(folder, sizeof folder, "/proc/%.20s/fd", pid);
    DIR *d = opendir(folder);
    if (!d) return;
    while ((entry = readdir(d))) {
        char *path = file_join(folder, entry->d_name);
        bool read = link_read(path, target) && is_below(w, target);
        free(path);
        if (!read) continue;
        if (is_git) w->git = strtol(pid, NULL, 10);
        for (size_t i = 0; i < w->locks->count; i++)
            if (strcmp(w->locks->names[i], target) == 0) w->open[i] = true;
    }
    closedir(d);
}

static bool is_git_program(const char *pid)
{
    CLEANUP(bytes_free) bytes name = {0};
    char path[64];

    snprintf(path, sizeof path, "/proc/%.20s/comm", pid);
    if (file_read(path, LINE_BYTES_MAX, &name).code) return false;
    return strcmp(bytes_text(&name), "git\n") == 0 || text_starts_with(bytes_text(&name), "git-");
}

/* git keeps a lock while an editor is open, with no descriptor on it: its working folder tells. */
static void process_look(workers *w, const char *pid)
{
    char path[64], target[PATH_MAX];
    bool is_git = is_git_program(pid);

    snprintf(path, sizeof path, "/proc/%.20s/cwd", pid);
    if (is_git && link_read(path, target) && is_below(w, target)) w->git = strtol(pid, NULL, 10);
    descriptors_look(w, pid, is_git);
}

static void workers_look(workers *w)
{
    DIR *d = opendir("/proc");
    struct dirent *entry;

    if (!d) return;
    while ((entry = readdir(d)))
        if (isdigit((unsigned char)entry->d_name[0])) process_look(w, entry->d_name);
    closedir(d);
}

static void workers_find(workers *w, const char *common_dir, const char *worktree, const repo_names *locks)
{
    *w = (workers){.locks = locks, .open = memory_alloc(locks->count + 1)};
    places_find(w, common_dir, worktree);
    workers_look(w);
}

static void workers_free(workers *w)
{
    repo_names_free(&w->places);
    free(w->open);
}

/* Locks as /proc would print them. */
static repo_names locks_find(const char *common_dir)
{
    repo_names locks = {0};
    char *real = realpath(common_dir, NULL);
    if (real) locks_collect(real, 0, &locks);
    free(real);
    return locks;
}

/* ---- deciding ---- */

static int64_t boot_time(void)
{
    char line[256];
    long long seconds = 0;
    FILE *file = fopen("/proc/stat", "re");

    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "btime %lld", &seconds) == 1) break;
    fclose(file);
    return seconds;
}

static void row_fill(repo_lock_row *row, const workers *w, size_t at, int64_t made, bool force)
{
    char age[32];
    bool old = row->age_s >= REPO_LOCK_OLD_SECONDS || made < boot_time();
    CLEANUP(bytes_free) bytes why = {0};

    text_human_seconds((double)row->age_s, age, sizeof age);
    if (w->open[at])
        bytes_printf(&why, "a process has it open");
    else if (w->git)
        bytes_printf(&why, "git (process %ld) works here", w->git);
    else if (!old && !force)
        bytes_printf(&why, "made %s ago, nobody has it open: --force removes it", age);
    else if (unlink(row->path) != 0)
        bytes_printf(&why, "%s", err_errno("remove it").text);
    else {
        row->removed = true;
        bytes_printf(&why, "made %s ago, nobody has it open", age);
    }
    row->why = bytes_take(&why);
}

err repo_unlock(repo_handle *r, bool force, repo_lock_row **rows, size_t *count)
{
    repo_gate *gate = NULL;
    workers w;

    err e = repo_gate_enter(r, "unlock", &gate);
    if (e.code) return e;
    repo_names locks = locks_find(repo_borrow_common_dir(r));
    workers_find(&w, repo_borrow_common_dir(r), repo_borrow_path(r), &locks);
    *rows = memory_alloc((locks.count + 1) * sizeof **rows);
    *count = 0;
    for (size_t i = 0; i < locks.count; i++) {
        struct stat info;
        if (lstat(locks.names[i], &info) != 0) continue; /* its holder was quick */
        repo_lock_row *row = &(*rows)[(*count)++];
        *row = (repo_lock_row){.path = memory_text(locks.names[i])};
        row->age_s = MAX_OF(clock_unix_seconds() - (int64_t)info.st_mtime, 0);
        row_fill(row, &w, i, (int64_t)info.st_mtime, force);
    }
    workers_free(&w);
    repo_names_free(&locks);
    repo_gate_leave(gate);
    return ERR_OK;
}

void repo_lock_rows_free(repo_lock_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(rows[i].path);
        free(rows[i].why);
    }
    free(rows);
}

void repo_locks_of_the_dead(const char *common_dir, const char *worktree, int64_t since)
{
    workers w;
    repo_names locks = locks_find(common_dir);

    if (!locks.count) return;
    workers_find(&w, common_dir, worktree, &locks);
    for (size_t i = 0; i < locks.count; i++) {
        struct stat info;
        if (w.open[i] || w.git || lstat(locks.names[i], &info) != 0) continue;
        if ((int64_t)info.st_mtime >= since) unlink(locks.names[i]);
    }
    workers_free(&w);
    repo_names_free(&locks);
}
