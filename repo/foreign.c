#include "repo/foreign.h"

#include <git2.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* Extensions of a repository of format 1. libgit2 1.5 refuses all of them. */
static const struct {
    const char *name;
    const char *newer; /* the value that 1.9 takes, "" any; NULL: none */
    const char *cure;
} extensions[] = {
    {"extensions.partialclone", NULL,
     "is a partial clone: run `git fetch --refetch`, then `git config --unset extensions.partialClone`"},
    {"extensions.refstorage", NULL,
     "keeps its refs in another format: run `git refs migrate --ref-format=files`"},
    {"extensions.relativeworktrees", NULL,
     "has relative worktree paths: run `git worktree repair --no-relative-paths`"},
    {"extensions.objectformat", "sha1",
     "names its objects by another hash than SHA-1, or says that it does not: clone it anew"},
    {"extensions.worktreeconfig", "",
     "has settings per worktree: run `git config --unset extensions.worktreeConfig`"},
    {"extensions.preciousobjects", "",
     "keeps precious objects: run `git config --unset extensions.preciousObjects`"},
};

static bool libgit2_is_newer(void)
{
    int major = 0, minor = 0, patch = 0;
    git_libgit2_version(&major, &minor, &patch);
    return major > 1 || minor >= 9;
}

static bool value_is_taken(const char *newer, const char *value)
{
    return newer && libgit2_is_newer() && (!*newer || strcmp(newer, value) == 0);
}

static err extensions_check(git_config *config)
{
    for (size_t i = 0; i < COUNT_OF(extensions); i++) {
        git_buf value = {0};
        bool is_set = git_config_get_string_buf(&value, config, extensions[i].name) == 0;
        bool is_fine = !is_set || value_is_taken(extensions[i].newer, value.ptr ? value.ptr : "");
        git_buf_dispose(&value);
        if (!is_fine) return err_make(ERR_UNSUPPORTED, "the repository %s", extensions[i].cure);
    }
    return ERR_OK;
}

err repo_foreign_check(const char *common_dir)
{
    git_config *config = NULL;
    int32_t format = 0;
    char *path = file_join(common_dir, "config");
    err e = ERR_OK;

    if (git_config_open_ondisk(&config, path) == 0 &&
        git_config_get_int32(&format, config, "core.repositoryformatversion") == 0 && format >= 1)
        e = extensions_check(config);
    git_config_free(config);
    free(path);
    return e;
}

err repo_foreign_index(err e)
{
    static const struct {
        const char *extension, *cure;
    } kinds[] = {
        {"'link'", "the repository has a split index: run `git update-index --no-split-index`"},
        {"'sdir'", "the repository has a sparse index: run `git sparse-checkout reapply --no-sparse-index`"},
    };
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strstr(e.text, kinds[i].extension)) return err_make(ERR_UNSUPPORTED, "%s", kinds[i].cure);
    return e;
}
