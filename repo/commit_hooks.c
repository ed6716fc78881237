/* repo/commit_hooks.c: hooks of git. libgit2 runs none; the git program can be asked to. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/process.h"
#include "repo/commit_internal.h"

enum {
    HOOK_BYTES_MAX = 64 << 10,
    HOOK_OUTPUT_BYTES_MAX = 1 << 20,
    HOOK_WAIT_MS = 10 * 60 * 1000,
    ARGUMENTS_MAX = 16
};

static const char *const commit_hooks[] = {"pre-commit", "prepare-commit-msg", "commit-msg", "post-commit"};
static const char told_key[] = "hyprstream.hooksTold";

static char *hooks_folder(repo_handle *r)
{
    git_config *config = NULL;
    git_buf path = {0};
    char *folder = NULL;

    if (git_repository_config_snapshot(&config, r->git) == 0 &&
        git_config_get_path(&path, config, "core.hooksPath") == 0 && path.size)
        folder = file_join(r->path, path.ptr);
    else
        folder = file_join(r->common_dir, "hooks");
    git_buf_dispose(&path);
    git_config_free(config);
    return folder;
}

bool repo_hooks_present(repo_handle *r)
{
    char *folder = hooks_folder(r);
    bool present = false;

    for (size_t i = 0; i < COUNT_OF(commit_hooks) && !present; i++) {
        char *path = file_join(folder, commit_hooks[i]);
        present = file_exists(path) && access(path, X_OK) == 0;
        free(path);
    }
    free(folder);
    return present;
}

static bool tell_once(repo_handle *r, const char *key)
{
    git_config *config = NULL, *own = NULL;
    int told = 0;

    if (git_repository_config(&config, r->git) != 0) return false;
    (void)git_config_get_bool(&told, config, key);
    if (!told && git_config_open_level(&own, config, GIT_CONFIG_LEVEL_LOCAL) == 0)
        (void)git_config_set_bool(own, key, 1);
    git_config_free(own);
    git_config_free(config);
    return !told;
}

bool repo_hooks_tell(repo_handle *r) { return repo_hooks_present(r) && tell_once(r, told_key); }

/* git-lfs's sends large files, which a push of ours does by itself. */
bool repo_hooks_tell_push(repo_handle *r)
{
    CLEANUP(bytes_free) bytes text = {0};
    char *folder = hooks_folder(r), *path = file_join(folder, "pre-push");

    bool present = file_exists(path) && access(path, X_OK) == 0;
    bool is_lfs =
        present && !file_read(path, HOOK_BYTES_MAX, &text).code &&
        (strstr(bytes_text(&text), "git lfs pre-push") || strstr(bytes_text(&text), "git-lfs pre-push"));
    free(folder);
    free(path);
    return present && !is_lfs && tell_once(r, "hyprstream.prePushTold");
}

/* What git would not find by itself: an identity of our settings. */
static err identity_variables(repo_handle *r, char *variables[5])
{
    static const char *const formats[] = {"GIT_AUTHOR_NAME=%s", "GIT_AUTHOR_EMAIL=%s",
                                          "GIT_COMMITTER_NAME=%s", "GIT_COMMITTER_EMAIL=%s"};
    char *name = NULL, *email = NULL;
    git_signature *committer = NULL;

    err e = repo_commit_identity(r, &name, &email);
    if (!e.code) e = repo_signature_committer(r, &committer);
    if (!e.code) {
        const char *values[] = {name, email, committer->name, committer->email};
        for (size_t i = 0; i < COUNT_OF(values); i++) {
            bytes text = {0};
            bytes_append(&text, formats[i], strlen(formats[i]) - 2);
            bytes_append_text(&text, values[i]);
            variables[i] = bytes_take(&text);
        }
    }
    git_signature_free(committer);
    free(name);
    free(email);
    return e;
}

err repo_commit_by_git(repo_handle *r, const repo_commit_options *options, bool sign)
{
    const char *argv[ARGUMENTS_MAX] = {"git", "commit", "--quiet"};
    size_t count = 3;
    char *variables[5] = {0};
    CLEANUP(bytes_free) bytes output = {0}, error = {0};
    int status = 0;

    /* What git prepared for the editor has comments. */
    argv[count++] = options->message || options->amend ? "--cleanup=whitespace" : "--cleanup=strip";
    argv[count++] = sign ? "--gpg-sign" : "--no-gpg-sign";
    if (options->amend) argv[count++] = "--amend";
    if (options->allow_empty) argv[count++] = "--allow-empty";
    if (options->message) {
        argv[count++] = "-F";
        argv[count++] = "-";
    } else {
        argv[count++] = "--no-edit";
    }
    err e = identity_variables(r, variables);
    if (!e.code) {
        process_options how = {.argv = argv,
                               .folder = r->path,
                               .set = (const char *const *)variables,
                               .input = PROCESS_PIPE,
                               .output = PROCESS_PIPE,
                               .error = PROCESS_PIPE};
        e = process_run(&how, bytes_view_of(options->message), HOOK_OUTPUT_BYTES_MAX, HOOK_WAIT_MS, &output,
                        &error, &status);
    }
    if (!e.code && status != 0)
        e = err_make(ERR_STATE, "git commit ended with %d: %.400s", status,
                     error.size ? bytes_text(&error) : bytes_text(&output));
    for (size_t i = 0; i < COUNT_OF(variables); i++) free(variables[i]);
    return e;
}
