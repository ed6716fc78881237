/* repo/identity.c: who commits and when: environment, git's configuration, our settings; never invented. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/commit_internal.h"
#include "repo/date.h"

/* Where each of the two is looked for. */
typedef struct role {
    const char *name_variable, *email_variable, *date_variable;
    const char *name_key, *email_key; /* git's own keys for this role alone */
} role;

static const role author = {"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE", "author.name",
                            "author.email"};
static const role committer = {"GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_COMMITTER_DATE",
                               "committer.name", "committer.email"};

static char *config_text(git_config *config, const char *key)
{
    git_buf value = {0};
    char *text = NULL;
    if (config && git_config_get_string_buf(&value, config, key) == 0 && value.size)
        text = memory_text(value.ptr);
    git_buf_dispose(&value);
    return text;
}

/* The first that is there: variable, the role's key, the general key, a second variable, our setting. */
static char *part_find(repo_handle *r, git_config *config, const char *variable, const char *role_key,
                       const char *key, const char *last_variable)
{
    const char *given = env_get(r->context->environment, variable);
    if (given) return memory_text(given);
    char *found = config_text(config, role_key);
    if (!found) found = config_text(config, key);
    if (found) return found;
    given = last_variable ? env_get(r->context->environment, last_variable) : NULL;
    if (!given) given = settings_text(r->context->settings, key);
    return given && *given ? memory_text(given) : NULL;
}

static err parts_find(repo_handle *r, const role *who, char **name, char **email)
{
    git_config *config = NULL;

    if (git_repository_config_snapshot(&config, r->git) != 0) config = NULL;
    *name = part_find(r, config, who->name_variable, who->name_key, "user.name", NULL);
    *email = part_find(r, config, who->email_variable, who->email_key, "user.email", "EMAIL");
    git_config_free(config);
    if (*name && *email) return ERR_OK;
    const char *absent = *name ? "an email" : *email ? "a name" : "a name and an email";
    free(*name);
    free(*email);
    *name = *email = NULL;
    return err_make(ERR_USAGE,
                    "a commit needs %s: set them with `hyprstream config set user.name \"Your Name\"` and "
                    "`hyprstream config set user.email you@example.com`, or with git config --global",
                    absent);
}

static err signature_find(repo_handle *r, const role *who, git_signature **out)
{
    char *name = NULL, *email = NULL;
    const char *date = env_get(r->context->environment, who->date_variable);
    int64_t seconds = 0;
    int offset = 0;

    if (date && !repo_date_parse(date, &seconds, &offset))
        return err_make(ERR_USAGE, "%s is no date: '%s' (expected \"2005-04-07T22:13:13+02:00\", say)",
                        who->date_variable, date);
    err e = parts_find(r, who, &name, &email);
    if (e.code) return e;
    int status =
        date ? git_signature_new(out, name, email, seconds, offset) : git_signature_now(out, name, email);
    e = repo_git_check(status, "the name and email of the commit");
    if (e.code) e = err_make(ERR_USAGE, "'%s <%s>' cannot stand in a commit", name, email);
    free(name);
    free(email);
    return e;
}

err repo_signature_author(repo_handle *r, git_signature **out) { return signature_find(r, &author, out); }

err repo_signature_committer(repo_handle *r, git_signature **out)
{
    return signature_find(r, &committer, out);
}

err repo_commit_identity(repo_handle *r, char **name, char **email)
{
    return parts_find(r, &author, name, email);
}

err repo_commit_identity_check(repo_handle *r)
{
    static const role *const roles[] = {&author, &committer};
    err e = ERR_OK;

    for (size_t i = 0; i < COUNT_OF(roles) && !e.code; i++) {
        git_signature *found = NULL;
        e = signature_find(r, roles[i], &found);
        git_signature_free(found);
    }
    return e;
}

err repo_signature_of(const char *name_and_email, int64_t seconds, git_signature **out)
{
    const char *open = strrchr(name_and_email, '<'), *close = strrchr(name_and_email, '>');
    err e = err_make(ERR_USAGE, "'%s' is no identity: expected \"Name <email>\"", name_and_email);

    if (!open || !close || close < open || close[1]) return e;
    size_t name_size = (size_t)(open - name_and_email);
    while (name_size && name_and_email[name_size - 1] == ' ') name_size--;
    char *name = memory_text_n(name_and_email, name_size);
    char *email = memory_text_n(open + 1, (size_t)(close - open - 1));
    int status =
        seconds ? git_signature_new(out, name, email, seconds, 0) : git_signature_now(out, name, email);
    free(name);
    free(email);
    return status < 0 ? e : ERR_OK;
}
