#include "repo/git.h"

#include <git2.h>

static err_code code_of(int status)
{
    switch (status) {
    case GIT_ENOTFOUND: return ERR_NOT_FOUND;
    case GIT_EINVALIDSPEC:
    case GIT_EAMBIGUOUS: return ERR_USAGE;
    default: return ERR_STATE;
    }
}

err repo_git_check(int status, const char *what)
{
    if (status >= 0) return ERR_OK;
    const git_error *last = git_error_last();
    return err_make(code_of(status), "%s: %s", what,
                    last && last->message ? last->message : "git gave no reason");
}
