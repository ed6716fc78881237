#include "repo/upstream_internal.h"

#include <string.h>

typedef struct lookup {
    const char *merge; /* "refs/heads/main", as the remote calls it */
    bytes *out;
    bool found;
} lookup;

static int refspec_try(const git_config_entry *entry, void *context)
{
    lookup *l = context;
    git_refspec *spec = NULL;
    git_buf ref = {0};

    if (!l->found && git_refspec_parse(&spec, entry->value, 1) == 0 &&
        git_refspec_src_matches(spec, l->merge) && git_refspec_transform(&ref, spec, l->merge) == 0) {
        bytes_append(l->out, ref.ptr, ref.size);
        l->found = true;
    }
    git_buf_dispose(&ref);
    git_refspec_free(spec);
    return 0;
}

bool repo_upstream_ref(git_repository *git, const char *branch_ref, bytes *out)
{
    CLEANUP(bytes_free) bytes key = {0};
    git_config *config = NULL;
    const char *remote = NULL, *merge = NULL;
    lookup l = {.out = out};

    if (strncmp(branch_ref, "refs/heads/", 11) != 0 || git_repository_config_snapshot(&config, git) < 0)
        return false;
    bytes_printf(&key, "branch.%s.remote", branch_ref + 11);
    int status = git_config_get_string(&remote, config, bytes_text(&key));
    bytes_clear(&key);
    bytes_printf(&key, "branch.%s.merge", branch_ref + 11);
    if (status == 0) status = git_config_get_string(&merge, config, bytes_text(&key));
    if (status == 0 && strcmp(remote, ".") == 0) {
        bytes_append_text(out, merge);
        l.found = true;
    } else if (status == 0) {
        l.merge = merge;
        bytes_clear(&key);
        bytes_printf(&key, "remote.%s.fetch", remote);
        git_config_get_multivar_foreach(config, bytes_text(&key), NULL, refspec_try, &l);
    }
    git_config_free(config);
    return l.found;
}
