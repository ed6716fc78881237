#include <git2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "repo/gate.h"
#include "repo/handle_internal.h"
#include "tests/support/check.h"

/* A handle needs only its common folder to be locked. */
static repo_handle handle_at(char *folder) { return (repo_handle){.common_dir = folder}; }

TEST(a_second_process_is_told_who_holds_the_gate)
{
    char folder[512];
    int to_parent[2], to_child[2];
    char byte = 0;
    repo_gate *gate = NULL;

    snprintf(folder, sizeof folder, "%s", check_folder());
    repo_handle r = handle_at(folder);
    assert_int_equal(pipe(to_parent) | pipe(to_child), 0);
    pid_t child = fork();
    if (child == 0) {
        bool entered = !repo_gate_enter(&r, "fetch", &gate).code;
        if (write(to_parent[1], "x", 1) != 1 || read(to_child[0], &byte, 1) < 0) _exit(2);
        repo_gate_leave(gate);
        _exit(entered ? 0 : 1);
    }
    check_int(read(to_parent[0], &byte, 1), 1);
    check_fails(repo_gate_enter(&r, "commit", &gate), ERR_BUSY, "(fetch)");
    check_int(write(to_child[1], "x", 1), 1);
    int status = 1;
    waitpid(child, &status, 0);
    check_int(status, 0);
    check_ok(repo_gate_enter(&r, "commit", &gate));
    repo_gate_leave(gate);
}

typedef struct counter {
    repo_handle *r;
    int value;
} counter;

enum { THREADS = 8, ROUNDS = 200 };

static void *count(void *context)
{
    counter *c = context;
    for (int i = 0; i < ROUNDS; i++) {
        repo_gate *gate = NULL;
        if (repo_gate_enter(c->r, "count", &gate).code) return c;
        c->value++;
        repo_gate_leave(gate);
    }
    return NULL;
}

TEST(threads_of_one_process_take_turns)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s", check_folder());
    repo_handle r = handle_at(folder);
    counter c = {&r, 0};
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, count, &c);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    check_int(c.value, THREADS * ROUNDS);
}

static int locked_twice(void *context)
{
    int *calls = context;
    return ++*calls <= 2 ? GIT_ELOCKED : 7;
}

static int refused(void *context)
{
    ++*(int *)context;
    return GIT_EEXISTS;
}

TEST(only_locks_and_moved_refs_are_tried_again)
{
    int calls = 0;
    check_int(repo_retry(locked_twice, &calls), 7);
    check_int(calls, 3);
    calls = 0;
    check_int(repo_retry(refused, &calls), GIT_EEXISTS);
    check_int(calls, 1);
}

TEST(what_may_be_left_undone_does_not_wait)
{
    char folder[512];
    int to_parent[2], to_child[2];
    char byte = 0;
    repo_gate *gate = NULL, *inner = NULL;

    snprintf(folder, sizeof folder, "%s", check_folder());
    repo_handle r = handle_at(folder);
    assert_int_equal(pipe(to_parent) | pipe(to_child), 0);
    pid_t child = fork();
    if (child == 0) {
        bool entered = !repo_gate_enter(&r, "fetch", &gate).code;
        if (write(to_parent[1], "x", 1) != 1 || read(to_child[0], &byte, 1) < 0) _exit(2);
        repo_gate_leave(gate);
        _exit(entered ? 0 : 1);
    }
    check_int(read(to_parent[0], &byte, 1), 1);
    check_true(!repo_gate_try(&r, "status", &gate));
    check_int(write(to_child[1], "x", 1), 1);
    waitpid(child, NULL, 0);
    check_true(repo_gate_try(&r, "status", &gate) && gate);
    check_true(repo_gate_try(&r, "status", &inner) && !inner);
    repo_gate_leave(gate);
}

/* In a process of its own, which ends while it is inside; its number. */
static pid_t death_inside(repo_handle *r)
{
    pid_t child = fork();
    if (child == 0) {
        repo_gate *gate = NULL;
        _exit(repo_gate_enter(r, "checkout", &gate).code ? 1 : 0);
    }
    waitpid(child, NULL, 0);
    return child;
}

TEST(what_a_dead_holder_left_half_made_is_deleted_and_nothing_else)
{
    char folder[512], path[4][700];
    repo_gate *gate = NULL;

    snprintf(folder, sizeof folder, "%s/tree", check_folder());
    repo_handle r = {.common_dir = folder, .path = folder};
    check_ok(file_make_folders(folder));
    pid_t dead = death_inside(&r);
    snprintf(path[0], sizeof path[0], "%s/.hyprstream-checkout.tmp/0", folder);
    snprintf(path[1], sizeof path[1], "%s/adapters/.01_a.safetensors.%d-123-0.tmp", folder, (int)dead);
    snprintf(path[2], sizeof path[2], "%s/.config.json.%d-123-0.tmp", folder, (int)getpid());
    snprintf(path[3], sizeof path[3], "%s/adapters/.mine.%d.tmp", folder, (int)dead);
    for (size_t i = 0; i < 4; i++) {
        char *parent = file_parent(path[i]);
        check_ok(file_make_folders(parent));
        check_write(path[i], "x", 1);
        free(parent);
    }
    check_ok(repo_gate_enter(&r, "commit", &gate));
    repo_gate_leave(gate);
    check_true(!file_exists(path[0]) && !file_exists(path[1]));
    check_true(file_exists(path[2]) && file_exists(path[3]));
}

TESTS(RUN(a_second_process_is_told_who_holds_the_gate), RUN(threads_of_one_process_take_turns),
      RUN(only_locks_and_moved_refs_are_tried_again), RUN(what_may_be_left_undone_does_not_wait),
      RUN(what_a_dead_holder_left_half_made_is_deleted_and_nothing_else))
