/* ui/cmd/doctor_git.c: what the doctor says of git and of worktrees. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/process.h"
#include "repo/git.h"
#include "repo/worktree/worktree.h"
#include "ui/cmd/doctor.h"

enum { ANSWER_BYTES_MAX = 4096, ANSWER_MS_MAX = 5000 };

/* The first line of what a program says of its version. False: there is none. */
static bool version_of(const char *const *argv, bytes *out)
{
    CLEANUP(bytes_free) bytes answer = {0};
    const process_options options = {
        .argv = argv, .input = PROCESS_NULL, .output = PROCESS_PIPE, .error = PROCESS_NULL};
    int status = 0;

    err e = process_run(&options, (bytes_view){0}, ANSWER_BYTES_MAX, ANSWER_MS_MAX, &answer, NULL, &status);
    if (e.code || status || !answer.size) return false;
    bytes_append(out, answer.data, strcspn(bytes_text(&answer), "\n"));
    return true;
}

void doctor_git_look(doctor_findings *all)
{
    static const char *const git[] = {"git", "--version", NULL}, *const lfs[] = {"git-lfs", "version", NULL};

    repo_git_describe(&doctor_add(all, "libgit2")->value);
    doctor_finding *f = doctor_add(all, "git");
    f->good = version_of(git, &f->value);
    if (!f->good) {
        bytes_append_text(&f->value, "not there");
        bytes_append_text(&f->help, "install git: packing, ssh and some repositories need it");
    }
    f = doctor_add(all, "git-lfs");
    if (!version_of(lfs, &f->value))
        bytes_append_text(&f->value, "not there; hyprstream needs none, plain git does for large files");
}

static err probe(const settings *s, repo_driver_probe **rows, size_t *count)
{
    const char *models = settings_text(s, "models.dir");
    *rows = NULL;
    *count = 0;
    if (file_is_folder(models)) return repo_worktree_probe(models, rows, count);
    return err_make(ERR_NOT_FOUND, "the models folder is not there yet");
}

void doctor_worktrees_look(doctor_findings *all, const settings *s)
{
    repo_driver_probe *rows;
    size_t count;

    err e = probe(s, &rows, &count);
    if (e.code) bytes_printf(&doctor_add(all, "worktrees")->value, "n/a, %s", e.text);
    for (size_t i = 0; i < count; i++) {
        bytes *value = &doctor_add(all, "worktrees")->value;
        bytes_printf(value, "%s%s%s: %s%s", rows[i].driver, rows[i].backend ? " " : "",
                     rows[i].backend ? rows[i].backend : "", rows[i].available ? "yes" : "no, ",
                     rows[i].available ? "" : rows[i].reason);
    }
    free(rows);
}

cJSON *doctor_worktrees_json(const settings *s)
{
    cJSON *list = cJSON_CreateArray();
    repo_driver_probe *rows;
    size_t count;

    (void)probe(s, &rows, &count);
    for (size_t i = 0; i < count; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "driver", rows[i].driver);
        if (rows[i].backend)
            cJSON_AddStringToObject(row, "backend", rows[i].backend);
        else
            cJSON_AddNullToObject(row, "backend");
        cJSON_AddBoolToObject(row, "available", rows[i].available);
        if (!rows[i].available) cJSON_AddStringToObject(row, "reason", rows[i].reason);
        cJSON_AddItemToArray(list, row);
    }
    free(rows);
    return list;
}
