/* repo/worktree/mounts.c: /proc/self/mountinfo, and a look at every process for who uses a mount. */
#include "repo/worktree/mounts.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"

enum { MOUNTS_MAX = 100000, PATH_BYTES_MAX = 4096, USERS_MAX = 5, NAME_BYTES_MAX = 64 };

/* ---- mountinfo ---- */

static bool octal(const char *p)
{
    return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' && p[2] <= '7';
}

/* One field; the kernel writes blank, tab, newline and backslash as \ooo. */
static char *field(const char **at)
{
    const char *p = *at;
    while (*p == ' ') p++;
    size_t size = strcspn(p, " \n");
    char *out = memory_text_n(p, size), *to = out;
    *at = p + size;
    for (const char *from = out; *from; to++) {
        if (*from == '\\' && octal(from + 1)) {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = 0;
    return out;
}

static void mount_free(repo_mount *m)
{
    free(m->path);
    free(m->type);
    free(m->source);
    *m = (repo_mount){0};
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
bool repo_mounts_line(const char *line, repo_mount *out)
{
    const char *p = line, *dash = strstr(line, " - ");

    if (!dash) return false;
    for (int skip = 0; skip < 4; skip++) free(field(&p));
    if (p >= dash) return false;
    repo_mount m = {.path = field(&p)};
    p = dash + 3;
    m.type = field(&p);
    m.source = field(&p);
    if (!*m.path || !*m.type) {
        mount_free(&m);
        return false;
    }
    *out = m;
    return true;
}

void repo_mounts_read(repo_mounts *out)
{
    char *line = NULL;
    size_t capacity = 0;
    repo_mount m;

    *out = (repo_mounts){0};
    FILE *file = fopen("/proc/self/mountinfo", "re");
    if (!file) return;
    while (out->count < MOUNTS_MAX && getline(&line, &capacity, file) > 0) {
        if (!repo_mounts_line(line, &m)) continue;
        out->rows = memory_resize_array(out->rows, out->count + 1, sizeof *out->rows);
        out->rows[out->count++] = m;
    }
    free(line);
    fclose(file);
}

void repo_mounts_free(repo_mounts *list)
{
    for (size_t i = 0; i < list->count; i++) mount_free(&list->rows[i]);
    free(list->rows);
    *list = (repo_mounts){0};
}

const repo_mount *repo_mounts_at(const repo_mounts *list, const char *path)
{
    for (size_t i = list->count; i-- > 0;)
        if (strcmp(list->rows[i].path, path) == 0) return &list->rows[i];
    return NULL;
}

bool repo_mounts_is(const char *path)
{
    CLEANUP(repo_mounts_free) repo_mounts list = {0};
    repo_mounts_read(&list);
    return repo_mounts_at(&list, path) != NULL;
}

/* ---- who uses it ---- */

static bool is_below(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 && (!path[size] || path[size] == '/');
}

static bool link_is_below(const char *link, const char *folder)
{
    char target[PATH_BYTES_MAX];
    ssize_t size = readlink(link, target, sizeof target - 1);
    if (size < 0) return false;
    target[size] = 0;
    return is_below(target, folder);
}

static bool an_open_file_is_below(const char *process, const char *folder)
{
    char path[NAME_BYTES_MAX * 2 + 300];
    struct dirent *entry;
    bool is = false;

    snprintf(path, sizeof path, "%s/fd", process);
    DIR *d = opendir(path);
    while (d && !is && (entry = readdir(d))) {
        snprintf(path, sizeof path, "%s/fd/%s", process, entry->d_name);
        is = link_is_below(path, folder);
    }
    if (d) closedir(d);
    return is;
}

static bool a_mapping_is_below(const char *process, const char *folder)
{
    char path[NAME_BYTES_MAX * 2], *line = NULL;
    size_t capacity = 0;
    bool is = false;

    snprintf(path, sizeof path, "%s/maps", process);
    FILE *file = fopen(path, "re");
    while (file && !is && getline(&line, &capacity, file) > 0) {
        char *place = strchr(line, '/');
        if (!place) continue;
        place[strcspn(place, "\n")] = 0;
        is = is_below(place, folder);
    }
    free(line);
    if (file) fclose(file);
    return is;
}

static bool uses(const char *process, const char *folder)
{
    static const char *const links[] = {"cwd", "root", "exe"};
    char path[NAME_BYTES_MAX * 2];

    for (size_t i = 0; i < COUNT_OF(links); i++) {
        snprintf(path, sizeof path, "%s/%s", process, links[i]);
        if (link_is_below(path, folder)) return true;
    }
    return an_open_file_is_below(process, folder) || a_mapping_is_below(process, folder);
}

static void name_add(const char *process, const char *id, bytes *out)
{
    char path[NAME_BYTES_MAX * 2], name[NAME_BYTES_MAX] = "";

    snprintf(path, sizeof path, "%s/comm", process);
    FILE *file = fopen(path, "re");
    if (file && !fgets(name, sizeof name, file)) name[0] = 0;
    if (file) fclose(file);
    name[strcspn(name, "\n")] = 0;
    for (char *p = name; *p; p++)
        if (iscntrl((unsigned char)*p)) *p = '?';
    bytes_printf(out, "%s%s (%s)", out->size ? ", " : "", *name ? name : "a process", id);
}

void repo_mounts_users(const char *path, bytes *out)
{
    struct dirent *entry;
    int count = 0;

    bytes_clear(out);
    DIR *d = opendir("/proc");
    while (d && (entry = readdir(d))) {
        char process[NAME_BYTES_MAX];
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        snprintf(process, sizeof process, "/proc/%.20s", entry->d_name);
        if (!uses(process, path)) continue;
        if (++count <= USERS_MAX) name_add(process, entry->d_name, out);
    }
    if (count > USERS_MAX) bytes_printf(out, " and %d more", count - USERS_MAX);
    if (d) closedir(d);
}

void repo_boot_id(char out[REPO_BOOT_SIZE])
{
    out[0] = 0;
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!file) return;
    if (!fgets(out, REPO_BOOT_SIZE, file)) out[0] = 0;
    out[strcspn(out, "\n")] = 0;
    fclose(file);
}
