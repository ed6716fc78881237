#include <stdlib.h>

#include "base/file.h"
#include "repo/store_internal.h"

xet_store *repo_store_of(git_repository *git)
{
    const char *common_dir = git_repository_commondir(git);
    git_config *config = NULL;
    git_buf storage = {0};
    char *folder = NULL;

    if (git_repository_config_snapshot(&config, git) == 0 &&
        git_config_get_path(&storage, config, "lfs.storage") == 0 && storage.size)
        folder = file_join(common_dir, storage.ptr);
    else
        folder = file_join(common_dir, "lfs");
    xet_store *store = xet_store_new(folder);
    free(folder);
    git_buf_dispose(&storage);
    git_config_free(config);
    return store;
}
