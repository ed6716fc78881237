/* The filter of large files as libgit2 calls it, by two threads at once: contents of their own, and the same ones. */
#include "repo/filter.h"

#include <git2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/handle.h"
#include "tests/support/git_box.h"

enum { THREADS = 2, FILES = 12, BYTES = 200000, POINTER_BYTES_MAX = 1024 };

typedef struct task {
    pthread_t thread;
    char folder[512];
    int number;
    pthread_barrier_t *begin;
    char problem[640]; /* "": none */
} task;

static void problem_set(task *t, const char *name, const char *what)
{
    if (!*t->problem) snprintf(t->problem, sizeof t->problem, "thread %d, %s: %s", t->number, name, what);
}

/* From the worktree into git: the pointer is the blob. */
static void clean(task *t, git_repository *git, const char *name, git_oid *id)
{
    git_blob *blob = NULL;

    if (git_blob_create_from_workdir(id, git, name) != 0 || git_blob_lookup(&blob, git, id) != 0)
        problem_set(t, name, "cannot be made a blob");
    else if (git_blob_rawsize(blob) >= POINTER_BYTES_MAX ||
             strncmp(git_blob_rawcontent(blob), "version https://git-lfs", 23) != 0)
        problem_set(t, name, "the blob is no pointer");
    git_blob_free(blob);
}

/* And back: the content of the store. */
static void smudge(task *t, git_repository *git, const char *name, const git_oid *id)
{
    git_blob *blob = NULL;
    git_filter_list *filters = NULL;
    git_buf out = {0};
    char path[600];

    snprintf(path, sizeof path, "%s/%s", t->folder, name);
    if (git_blob_lookup(&blob, git, id) != 0 ||
        git_filter_list_load(&filters, git, blob, name, GIT_FILTER_TO_WORKTREE, GIT_FILTER_DEFAULT) != 0 ||
        git_filter_list_apply_to_blob(&out, filters, blob) != 0) {
        problem_set(t, name, "cannot be filtered back");
    } else {
        FILE *file = fopen(path, "rb");
        char *wanted = malloc(BYTES);
        if (!file || fread(wanted, 1, BYTES, file) != BYTES || out.size != BYTES ||
            memcmp(out.ptr, wanted, BYTES) != 0)
            problem_set(t, name, "comes back as something else");
        if (file) fclose(file);
        free(wanted);
    }
    git_buf_dispose(&out);
    git_filter_list_free(filters);
    git_blob_free(blob);
}

static void *filter_all(void *given)
{
    task *t = given;
    git_repository *git = NULL;

    pthread_barrier_wait(t->begin);
    if (git_repository_open(&git, t->folder) != 0) problem_set(t, t->folder, "cannot be opened");
    for (int i = 0; i < FILES && !*t->problem; i++) {
        char name[40];
        git_oid id;
        if (i % 2)
            snprintf(name, sizeof name, "shared-%d.bin", i);
        else
            snprintf(name, sizeof name, "own-%d-%d.bin", t->number, i);
        clean(t, git, name, &id);
        if (!*t->problem) smudge(t, git, name, &id);
    }
    git_repository_free(git);
    return NULL;
}

TEST(two_threads_filter_at_once_and_each_gets_its_own)
{
    pthread_barrier_t begin;
    task tasks[THREADS] = {0};

    check_ok(repo_start(git_box()));
    git_box_do("git init -q m && cd m && echo '*.bin filter=lfs -text' >.gitattributes && "
               "for i in $(seq 0 %d); do for name in shared-$i own-0-$i own-1-$i; do "
               "head -c %d /dev/urandom >$name.bin; done; done",
               FILES - 1, BYTES);
    pthread_barrier_init(&begin, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        tasks[i].number = i;
        tasks[i].begin = &begin;
        snprintf(tasks[i].folder, sizeof tasks[i].folder, "%s/m", check_folder());
        check_int(pthread_create(&tasks[i].thread, NULL, filter_all, &tasks[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(tasks[i].thread, NULL);
    pthread_barrier_destroy(&begin);
    for (int i = 0; i < THREADS; i++) check_text(tasks[i].problem, "");
    /* Each content once, and nothing half-made beside them. */
    check_text(git_box_said("find m/.git/lfs -type f | wc -l"), "18");
    check_text(git_box_said("cd m/.git/lfs/objects && for f in */*/*; do echo \"$(sha256sum <$f | cut -d' ' -f1) "
                            "${f##*/}\"; done | awk '$1 != $2'"),
               "");
}

TESTS(RUN(two_threads_filter_at_once_and_each_gets_its_own))
