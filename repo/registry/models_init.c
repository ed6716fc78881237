/* repo/registry/models_init.c: a new, empty model. */
#include <git2.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "repo/attributes.h"
#include "repo/commit.h"
#include "repo/handle_internal.h"
#include "repo/registry/models_internal.h"
#include "repo/registry/operation.h"

/* What is large in models is large in every commit: under LFS from the first one on. */
err attributes_write(const repo_context *context, const char *folder)
{
    repo_names lacking = {0};
    repo_handle *r = NULL;

    err e = repo_open(context, folder, &r);
    if (!e.code) repo_attributes_lacking(r, &lacking);
    if (!e.code && lacking.count) e = repo_attributes_add(r, &lacking);
    repo_names_free(&lacking);
    repo_close(r);
    return e;
}

/* As the person's git would name it, else "main". */
static char *first_branch(void)
{
    git_config *config = NULL;
    git_buf value = {0};
    char *name = NULL;

    if (git_config_open_default(&config) == 0 &&
        git_config_get_string_buf(&value, config, "init.defaultBranch") == 0 && value.size)
        name = memory_text(value.ptr);
    git_buf_dispose(&value);
    git_config_free(config);
    return name ? name : memory_text("main");
}

err repository_make(const repo_context *context, const char *folder)
{
    git_repository *git = NULL;
    git_repository_init_options how = GIT_REPOSITORY_INIT_OPTIONS_INIT;
    err e = repo_start(context);
    if (e.code) return e;
    char *branch = first_branch();
    how.flags = GIT_REPOSITORY_INIT_MKPATH | GIT_REPOSITORY_INIT_NO_REINIT;
    how.initial_head = branch;

    e = repo_git_check(git_repository_init_ext(&git, folder, &how), folder);
    git_repository_free(git);
    free(branch);
    return e;
}

static err attributes_stage(repo_handle *r)
{
    git_index *index = NULL;
    err e = repo_git_check(git_repository_index(&index, r->git), "open the index");
    if (!e.code) e = repo_git_check(git_index_add_bypath(index, ".gitattributes"), ".gitattributes");
    if (!e.code) e = repo_git_check(git_index_write(index), "write the index");
    git_index_free(index);
    return e;
}

static err first_commit(const repo_context *context, const char *folder, const char *name)
{
    CLEANUP(bytes_free) bytes message = {0};
    repo_commit_done done = {0};
    repo_handle *r = NULL;

    bytes_printf(&message, "Initialize model %s", name);
    err e = attributes_write(context, folder);
    if (!e.code) e = repo_open(context, folder, &r);
    if (!e.code) e = attributes_stage(r);
    if (!e.code)
        e = repo_commit(r, &(repo_commit_options){.message = bytes_text(&message), .sign = -1}, &done);
    repo_commit_done_free(&done);
    repo_close(r);
    return e;
}

err repo_models_init(repo_models *m, const char *name)
{
    repo_operation *o = NULL;

    err e = repo_operation_begin(m, "init", name, 0, &o);
    if (e.code) return e;
    const char *folder = repo_operation_borrow_folder(o);
    e = repository_make(m->context, folder);
    if (!e.code) e = first_commit(m->context, folder, name);
    if (!e.code) e = repo_operation_publish(o, NULL);
    repo_operation_free(o);
    return e;
}
