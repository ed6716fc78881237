#include "tests/support/git_box.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/folders.h"

/* libgit2 1.5 leaks what it matches names of the configuration with (git_remote_lookup and its kin). */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libpcre2"; }

enum { SAID_KEPT = 8, SAID_BYTES_MAX = 65536, COMMAND_BYTES_MAX = 8192 };

static void set(const char *name, const char *format)
{
    char value[512];
    const char *folder = check_folder();
    snprintf(value, sizeof value, "%s%s", *format == '/' ? folder : "", format);
    setenv(name, value, 1);
}

static void environment_set(void)
{
    static const char *const rows[][2] = {
        {"HOME", "/home"},
        {"XDG_CONFIG_HOME", "/home/config"},
        {"XDG_DATA_HOME", "/home/data"},
        {"XDG_STATE_HOME", "/home/state"},
        {"XDG_CACHE_HOME", "/home/cache"},
        {"GIT_CONFIG_GLOBAL", "/home/gitconfig"},
        {"GIT_CONFIG_NOSYSTEM", "1"},
        {"GIT_AUTHOR_NAME", "Ada"},
        {"GIT_AUTHOR_EMAIL", "ada@example.org"},
        {"GIT_COMMITTER_NAME", "Ada"},
        {"GIT_COMMITTER_EMAIL", "ada@example.org"},
        {"LC_ALL", "C"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) set(rows[i][0], rows[i][1]);
    unsetenv("GIT_DIR");
    unsetenv("GIT_WORK_TREE");
    unsetenv("GIT_INDEX_FILE");
}

const repo_context *git_box(void)
{
    static repo_context context;
    static env environment;
    static folders where;
    static settings *ours;

    if (ours) return &context;
    environment_set();
    environment = env_of_process();
    git_box_do(
        "mkdir -p home && git config --global init.defaultBranch main && "
        "git config --global user.name Ada && git config --global user.email ada@example.org && "
        "git config --global advice.detachedHead false && git config --global protocol.file.allow always");
    check_ok(folders_find(&environment, &where));
    check_ok(settings_open(&where, &environment, &ours));
    context = (repo_context){.settings = ours, .environment = &environment};
    return &context;
}

static int run(const char *format, va_list args, char *out, size_t out_size)
{
    char command[COMMAND_BYTES_MAX], whole[COMMAND_BYTES_MAX + 1024];
    vsnprintf(command, sizeof command, format, args);
    snprintf(whole, sizeof whole, "cd '%s' && { %s\n} 2>&1", check_folder(), command);
    FILE *pipe = popen(whole, "r");
    if (!pipe) fail_msg("cannot run %s", command);
    size_t size = fread(out, 1, out_size - 1, pipe);
    out[size] = 0;
    while (size && out[size - 1] == '\n') out[--size] = 0;
    return pclose(pipe);
}

void git_box_do(const char *format, ...)
{
    static char said[SAID_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int status = run(format, args, said, sizeof said);
    va_end(args);
    if (status != 0) fail_msg("%s\nstatus %d: %s", format, status, said);
}

const char *git_box_said(const char *format, ...)
{
    static char kept[SAID_KEPT][SAID_BYTES_MAX];
    static size_t next;
    char *said = kept[next++ % SAID_KEPT];
    va_list args;
    va_start(args, format);
    run(format, args, said, SAID_BYTES_MAX);
    va_end(args);
    return said;
}
