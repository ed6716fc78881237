#define _GNU_SOURCE
#include "tests/support/check.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool check_text_holds(const char *text, const char *words) { return strstr(text, words) != NULL; }

const char *check_shared_data(void)
{
    const char *named = getenv("HYPRSTREAM_TEST_DATA");
    const char *folder = named ? named : "../shared/data";
    struct stat info;
    return stat(folder, &info) == 0 && S_ISDIR(info.st_mode) ? folder : NULL;
}

static char check_folder_path[256];

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

static void check_folder_remove(void) { nftw(check_folder_path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

const char *check_folder(void)
{
    if (!check_folder_path[0]) {
        const char *parent = getenv("TMPDIR");
        snprintf(check_folder_path, sizeof check_folder_path, "%.200s/hyprstream-test-XXXXXX",
                 parent && *parent == '/' ? parent : "/tmp");
        if (!mkdtemp(check_folder_path)) fail_msg("no temporary folder");
        atexit(check_folder_remove);
    }
    return check_folder_path;
}

bytes check_read(const char *path_format, ...)
{
    char path[4096];
    va_list args;
    va_start(args, path_format);
    vsnprintf(path, sizeof path, path_format, args);
    va_end(args);
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("cannot open %s", path);
    bytes all = {0};
    char part[65536];
    for (size_t got; (got = fread(part, 1, sizeof part, file)) > 0;) bytes_append(&all, part, got);
    fclose(file);
    return all;
}

void check_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) fail_msg("cannot write %s", path);
}
