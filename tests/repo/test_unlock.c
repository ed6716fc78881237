/* Locks of the dead, of the living, and of those who only look dead; git judges whether the next commit goes.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "repo/gate.h"
#include "repo/handle.h"
#include "repo/unlock.h"
#include "tests/support/git_box.h"

static repo_handle *given(const char *name)
{
    char path[512];
    repo_handle *r = NULL;

    git_box();
    git_box_do("git init -q -b main %s && cd %s && echo one >a && git add a && git commit -qm one", name,
               name);
    snprintf(path, sizeof path, "%s/%s", check_folder(), name);
    check_ok(repo_open(git_box(), path, &r));
    return r;
}

/* How many of the locks went; `why` is in the reason of the last one. */
static size_t unlocked(repo_handle *r, bool force, size_t wanted, const char *why)
{
    repo_lock_row *rows = NULL;
    size_t count = 0, removed = 0;

    check_ok(repo_unlock(r, force, &rows, &count));
    check_int(count, wanted);
    for (size_t i = 0; i < count; i++) removed += rows[i].removed;
    if (count && !strstr(rows[count - 1].why, why))
        fail_msg("'%s' does not say '%s'", rows[count - 1].why, why);
    repo_lock_rows_free(rows, count);
    return removed;
}

TEST(old_locks_go_wherever_git_leaves_them_and_nothing_else_does)
{
    repo_handle *r = given("old");
    git_box_do(
        "cd old/.git && mkdir -p refs/heads/x lfs hyprstream && touch -d '20 minutes ago' index.lock "
        "HEAD.lock "
        "refs/heads/x/y.lock packed-refs.lock config.lock lfs/keep.lock ../mine.lock objects/info/a.lock && "
        "touch -d '20 minutes ago' shallow.lock");
    check_int(unlocked(r, false, 7, "nobody has it open"), 7);
    check_text(git_box_said("cd old && find . -name '*.lock' | sort"), "./.git/lfs/keep.lock\n./mine.lock");
    git_box_do("cd old && git commit -q --allow-empty -m two");
    repo_close(r);
}

TEST(a_young_lock_stays_unless_it_is_forced)
{
    repo_handle *r = given("young");
    git_box_do("touch young/.git/index.lock");
    check_int(unlocked(r, false, 1, "--force removes it"), 0);
    check_text(git_box_said("test -f young/.git/index.lock && echo there"), "there");
    check_int(unlocked(r, true, 1, "nobody has it open"), 1);
    check_int(unlocked(r, false, 0, ""), 0);
    repo_close(r);
}

TEST(a_lock_that_a_process_has_open_stays_even_when_it_is_forced)
{
    char path[600];
    int status;
    repo_handle *r = given("open");

    snprintf(path, sizeof path, "%s/open/.git/index.lock", check_folder());
    git_box_do("touch -d '20 minutes ago' open/.git/index.lock");
    pid_t child = fork();
    if (child == 0) {
        if (open(path, O_RDONLY) < 0) _exit(1);
        pause();
    }
    usleep(100000);
    check_int(unlocked(r, true, 1, "a process has it open"), 0);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    check_int(unlocked(r, true, 1, "nobody has it open"), 1);
    repo_close(r);
}

/* git holds index.lock without an open descriptor while its editor runs. */
TEST(a_lock_stays_while_a_git_program_works_there)
{
    repo_handle *r = given("editing");
    git_box_do(
        "cd editing && echo two >a && (GIT_EDITOR='touch ../begun; sleep 60; true' setsid git commit -aq "
        ">/dev/null 2>&1 & echo $! >../git.pid); while ! test -e ../begun; do sleep 0.05; done; "
        "touch -d '20 minutes ago' .git/index.lock");
    check_int(unlocked(r, true, 1, "works here"), 0);
    git_box_do("kill -9 -$(cat git.pid)");
    usleep(100000);
    check_int(unlocked(r, false, 1, "nobody has it open"), 1);
    git_box_do("cd editing && git commit -qam two");
    repo_close(r);
}

TEST(locks_made_inside_a_gate_whose_holder_died_go_at_the_next_entry)
{
    char path[600];
    int status;
    repo_gate *gate = NULL;
    repo_handle *r = given("dead");

    snprintf(path, sizeof path, "%s/dead/.git/index.lock", check_folder());
    git_box_do("touch -d '5 minutes ago' dead/.git/HEAD.lock");
    pid_t child = fork();
    if (child == 0) {
        if (repo_gate_enter(r, "commit", &gate).code || open(path, O_CREAT | O_RDWR, 0666) < 0) _exit(1);
        raise(SIGKILL);
    }
    waitpid(child, &status, 0);
    check_true(WIFSIGNALED(status));
    check_ok(repo_gate_enter(r, "commit", &gate));
    repo_gate_leave(gate);
    /* The other one is older than that death: somebody else's. */
    check_text(git_box_said("cd dead/.git && ls *.lock"), "HEAD.lock");
    repo_close(r);
}

TESTS(RUN(old_locks_go_wherever_git_leaves_them_and_nothing_else_does),
      RUN(a_young_lock_stays_unless_it_is_forced),
      RUN(a_lock_that_a_process_has_open_stays_even_when_it_is_forced),
      RUN(a_lock_stays_while_a_git_program_works_there),
      RUN(locks_made_inside_a_gate_whose_holder_died_go_at_the_next_entry))
