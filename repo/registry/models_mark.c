/* repo/registry/models_mark.c: what a repository says of itself: `[hyprstream] id, name` in its own config.
 */
#include <git2.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "repo/attributes.h"
#include "repo/gate.h"
#include "repo/handle_internal.h"
#include "repo/registry/models_internal.h"

static char *value_read(git_config *config, const char *key)
{
    git_buf value = {0};
    char *text = NULL;

    if (git_config_get_string_buf(&value, config, key) == 0 && value.size) text = memory_text(value.ptr);
    git_buf_dispose(&value);
    return text;
}

/* The repository's own file alone: what a person's ~/.gitconfig says is not said by the repository. */
void model_mark_read(const char *common_dir, char **uuid, char **name, char **url)
{
    git_config *config = NULL;
    char *path = file_join(common_dir, "config"), *full = NULL;

    *uuid = *name = *url = NULL;
    if (git_config_open_ondisk(&config, path) == 0) {
        *uuid = value_read(config, "hyprstream.id");
        *name = value_read(config, "hyprstream.name");
        full = value_read(config, "remote.origin.url");
    }
    if (*uuid && !repo_uuid_is(bytes_view_of(*uuid))) repo_registry_set(uuid, NULL);
    if (full) *url = repo_url_without_secret(full);
    free(full);
    git_config_free(config);
    free(path);
}

err model_mark_write(const char *common_dir, const char *uuid, const char *name)
{
    git_config *config = NULL;
    char *path = file_join(common_dir, "config");

    err e = repo_git_check(git_config_open_ondisk(&config, path), path);
    if (!e.code && uuid) {
        e = repo_git_check(git_config_set_string(config, "hyprstream.id", uuid), path);
        if (!e.code) e = repo_git_check(git_config_set_string(config, "hyprstream.name", name), path);
    } else if (!e.code) {
        static const char *const keys[] = {"hyprstream.id", "hyprstream.name"};
        for (size_t i = 0; i < COUNT_OF(keys) && !e.code; i++) {
            int status = git_config_delete_entry(config, keys[i]);
            if (status != GIT_ENOTFOUND) e = repo_git_check(status, path);
        }
    }
    git_config_free(config);
    free(path);
    return e;
}

/* What git's libraries lock for it is taken away by whoever enters after a kill. */
err model_mark_inside_gate(repo_handle *r, const char *uuid, const char *name)
{
    repo_gate *gate = NULL;
    err e = repo_gate_enter(r, "register", &gate);
    if (!e.code) e = model_mark_write(r->common_dir, uuid, name);
    if (!e.code && uuid) e = repo_exclude_write(r);
    repo_gate_leave(gate);
    return e;
}
