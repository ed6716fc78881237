/* repo/leftovers.c: what a killed process was making, found by its name.
 *
 * base/file writes ".NAME.PID-NANOSECONDS-N.tmp" beside its target, placing large files
 * ".hyprstream-PID.tmp"; only names of that form whose process is gone are deleted. */
#include "repo/leftovers.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/beneath.h"
#include "repo/tree_internal.h"

#define END ".tmp"

/* "123-" of "123-rest"; 0: no number stands there. */
static long number_before(const char *text, const char **after)
{
    char *end = NULL;
    if (!isdigit((unsigned char)*text)) return 0;
    long value = strtol(text, &end, 10);
    *after = end;
    return value;
}

/* The process that made the file of this name; 0: not one of ours. */
static long maker_of(const char *name)
{
    static const char placing[] = ".hyprstream-";
    size_t size = strlen(name);
    const char *at;

    if (*name != '.' || size <= strlen(END) || strcmp(name + size - strlen(END), END) != 0) return 0;
    if (strncmp(name, placing, strlen(placing)) == 0) {
        long maker = number_before(name + strlen(placing), &at);
        return maker && strcmp(at, END) == 0 ? maker : 0;
    }
    const char *dot = name + size - strlen(END);
    while (dot > name && dot[-1] != '.') dot--;
    long maker = number_before(dot, &at);
    if (!maker || *at++ != '-' || !isdigit((unsigned char)*at)) return 0;
    at += strspn(at, "0123456789");
    if (*at++ != '-' || !isdigit((unsigned char)*at)) return 0;
    at += strspn(at, "0123456789");
    return strcmp(at, END) == 0 ? maker : 0;
}

static bool is_alive(long process) { return kill((pid_t)process, 0) == 0 || errno != ESRCH; }

static void folder_clean(const char *folder, bool below)
{
    file_list names = {0};

    if (file_list_folder(folder, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count; i++) {
        struct stat info;
        long maker = maker_of(names.names[i]);
        char *path = file_join(folder, names.names[i]);
        if (lstat(path, &info) == 0) {
            if (S_ISREG(info.st_mode) && maker && !is_alive(maker)) unlink(path);
            if (S_ISDIR(info.st_mode) && below && names.names[i][0] != '.') folder_clean(path, false);
        }
        free(path);
    }
    file_list_free(&names);
}

void repo_leftovers_remove(const char *worktree)
{
    repo_beneath below = {.root = -1, .parent = -1};

    if (!*worktree) return;
    if (!repo_beneath_open(worktree, &below).code) (void)repo_beneath_remove_tree(&below, REPO_STAGING_NAME);
    repo_beneath_close(&below);
    folder_clean(worktree, true);
}
