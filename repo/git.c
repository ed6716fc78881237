#include "repo/git.h"

#include "repo/git_version.h"

static const struct {
    int status;
    err_code code;
} codes[] = {
    {GIT_ENOTFOUND, ERR_NOT_FOUND}, {GIT_EEXISTS, ERR_EXISTS},          {GIT_EAMBIGUOUS, ERR_USAGE},
    {GIT_EINVALIDSPEC, ERR_USAGE},  {GIT_EDIRECTORY, ERR_EXISTS},       {GIT_ENONFASTFORWARD, ERR_CONFLICT},
    {GIT_ECONFLICT, ERR_CONFLICT},  {GIT_EMERGECONFLICT, ERR_CONFLICT}, {GIT_EUNCOMMITTED, ERR_CONFLICT},
    {GIT_ELOCKED, ERR_BUSY},        {GIT_EMODIFIED, ERR_BUSY},          {GIT_EAUTH, ERR_DENIED},
    {GIT_ECERTIFICATE, ERR_DENIED}, {GIT_EOWNER, ERR_DENIED},           {GIT_EUSER, ERR_CANCELLED},
    {GIT_EINVALID, ERR_FORMAT},
};

static err_code code_of(int status)
{
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (codes[i].status == status) return codes[i].code;
    return ERR_STATE;
}

/* After a call that went well 1.9 says "no error", and 1.5 has none: neither is a reason. */
static const char *reason(void)
{
    const git_error *last = git_error_last();
    if (!last || !last->message || last->klass == GIT_ERROR_NONE) return "git gave no reason";
    return last->message;
}

err repo_git_check(int status, const char *what)
{
    if (status >= 0) return ERR_OK;
    return err_make(code_of(status), "%s: %s", what, reason());
}

int repo_git_refuse(err e)
{
    git_error_set_str(GIT_ERROR_CALLBACK, e.text);
    return e.code == ERR_CANCELLED ? GIT_EUSER : GIT_ERROR;
}

void repo_git_describe(bytes *out)
{
    static const struct {
        int bit;
        const char *name;
    } features[] = {{GIT_FEATURE_THREADS, "threads"}, {GIT_FEATURE_HTTPS, "https"}, {GIT_FEATURE_SSH, "ssh"}};
    int major, minor, revision, bits = git_libgit2_features();

    git_libgit2_version(&major, &minor, &revision);
    bytes_printf(out, "%d.%d.%d (built with %s)", major, minor, revision, LIBGIT2_VERSION);
    for (size_t i = 0; i < COUNT_OF(features); i++)
        bytes_printf(out, "%s%s%s", i ? ", " : "; ", bits & features[i].bit ? "" : "no ", features[i].name);
}
