#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "tests/support/check.h"

enum { OUTPUT_MAX = 1 << 20, TIMEOUT_MS = 10000 };

static process_options shell(const char *script, const char **argv)
{
    argv[0] = "sh", argv[1] = "-c", argv[2] = script, argv[3] = NULL;
    return (process_options){
        .argv = argv, .input = PROCESS_NULL, .output = PROCESS_NULL, .error = PROCESS_NULL};
}

TEST(a_program_is_fed_and_both_its_streams_are_kept_apart)
{
    CLEANUP(bytes_free) bytes out = {0};
    CLEANUP(bytes_free) bytes said = {0};
    const char *argv[4];
    int status = -1;

    process_options how = shell("cat; echo oops >&2; exit 3", argv);
    check_ok(process_run(&how, VIEW("hello"), OUTPUT_MAX, TIMEOUT_MS, &out, &said, &status));
    check_text(bytes_text(&out), "hello");
    check_text(bytes_text(&said), "oops\n");
    check_int(status, 3);
}

TEST(more_than_a_pipe_holds_goes_in_and_out_at_once)
{
    CLEANUP(bytes_free) bytes out = {0};
    CLEANUP(bytes_free) bytes big = {0};
    const char *argv[4];
    int status = -1;

    for (int i = 0; i < 500000; i++) bytes_append_byte(&big, (char)('a' + i % 26));
    process_options how = shell("cat", argv);
    check_ok(process_run(&how, bytes_borrow(&big), OUTPUT_MAX, TIMEOUT_MS, &out, NULL, &status));
    check_true(bytes_view_equal(bytes_borrow(&out), bytes_borrow(&big)));
    check_fails(process_run(&how, bytes_borrow(&big), 1000, TIMEOUT_MS, &out, NULL, &status), ERR_LIMIT,
                "1000");
}

TEST(a_program_that_does_not_read_its_input_is_no_failure)
{
    CLEANUP(bytes_free) bytes out = {0};
    CLEANUP(bytes_free) bytes big = {0};
    const char *argv[4];
    int status = -1;

    for (int i = 0; i < 300000; i++) bytes_append_byte(&big, 'x');
    process_options how = shell("echo done", argv);
    check_ok(process_run(&how, bytes_borrow(&big), OUTPUT_MAX, TIMEOUT_MS, &out, NULL, &status));
    check_text(bytes_text(&out), "done\n");
    check_int(status, 0);
}

TEST(an_absent_program_and_an_absent_folder_are_told_apart)
{
    process *p = NULL;
    const char *absent[] = {"hyprstream-no-such-program", NULL}, *argv[4];
    process_options how = {
        .argv = absent, .input = PROCESS_NULL, .output = PROCESS_NULL, .error = PROCESS_NULL};

    check_fails(process_start(&how, &p), ERR_NOT_FOUND, "no program hyprstream-no-such-program");
    how = shell("true", argv);
    how.folder = "/no/such/folder";
    check_fails(process_start(&how, &p), ERR_NOT_FOUND, "/no/such/folder");
}

TEST(folder_and_environment_are_as_asked)
{
    CLEANUP(bytes_free) bytes out = {0};
    const char *set[] = {"HYPRSTREAM_ONE=1=2", "HYPRSTREAM_TWO", NULL}, *argv[4];
    char folder[256];
    int status = -1;

    setenv("HYPRSTREAM_ONE", "old", 1);
    setenv("HYPRSTREAM_TWO", "old", 1);
    process_options how = shell("pwd; echo \"$HYPRSTREAM_ONE ${HYPRSTREAM_TWO-gone}\"", argv);
    how.folder = realpath(check_folder(), folder);
    how.set = set;
    check_ok(process_run(&how, (bytes_view){0}, OUTPUT_MAX, TIMEOUT_MS, &out, NULL, &status));
    check_true(check_text_holds(bytes_text(&out), folder));
    check_true(check_text_holds(bytes_text(&out), "1=2 gone"));
}

TEST(a_program_past_its_time_is_stopped_with_all_it_started)
{
    CLEANUP(bytes_free) bytes out = {0};
    char script[512], path[300];
    const char *argv[4];
    int status = -1;

    snprintf(path, sizeof path, "%s/child", check_folder());
    snprintf(script, sizeof script, "trap '' TERM; sleep 1000 & echo $! > %s; wait; wait", path);
    process_options how = shell(script, argv);
    double began = clock_seconds();
    check_fails(process_run(&how, (bytes_view){0}, OUTPUT_MAX, 300, &out, NULL, &status), ERR_IO, "0.3 s");
    check_true(clock_seconds() - began < 5);
    CLEANUP(bytes_free) bytes child = check_read("%s", path);
    pid_t id = (pid_t)atol(bytes_text(&child));
    bool gone = false;
    for (int i = 0; i < 100 && !gone; i++) {
        struct timespec nap = {.tv_nsec = 10000000};
        char state[64];
        snprintf(state, sizeof state, "/proc/%ld/cmdline", (long)id);
        FILE *file = fopen(state, "rb"); /* a zombie, whom init has yet to reap, has no command line */
        gone = !file || fgetc(file) == EOF;
        if (file) fclose(file);
        nanosleep(&nap, NULL);
    }
    check_true(gone);
}

TEST(a_daemon_left_behind_does_not_keep_us_waiting)
{
    CLEANUP(bytes_free) bytes out = {0};
    const char *argv[4];
    int status = -1;

    process_options how = shell("echo begun; sleep 3 & exit 0", argv);
    double began = clock_seconds();
    check_ok(process_run(&how, (bytes_view){0}, OUTPUT_MAX, TIMEOUT_MS, &out, NULL, &status));
    check_text(bytes_text(&out), "begun\n");
    check_true(clock_seconds() - began < 2);
}

TEST(a_child_is_talked_to_waited_for_and_reaped)
{
    const char *argv[4];
    process *p = NULL;
    bool ended = true;
    int status = -1;
    char line[8] = "";

    process_options how = shell("read x; echo got-$x; kill -9 $$", argv);
    how.input = how.output = PROCESS_PIPE;
    check_ok(process_start(&how, &p));
    check_int(process_error(p), -1);
    check_ok(process_wait(p, 50, &ended, &status));
    check_true(!ended);
    check_int(write(process_input(p), "it\n", 3), 3);
    check_ok(process_wait(p, TIMEOUT_MS, &ended, &status));
    check_true(ended);
    check_int(status, 128 + SIGKILL);
    check_int(read(process_output(p), line, sizeof line), 7);
    pid_t id = process_id(p);
    process_free(p);
    check_true(kill(id, 0) != 0 && errno == ESRCH);
}

TEST(our_descriptors_do_not_leak_and_sigpipe_works_in_the_child)
{
    CLEANUP(bytes_free) bytes before = {0};
    CLEANUP(bytes_free) bytes after = {0};
    const char *argv[4];
    int status = -1;

    signal(SIGPIPE, SIG_IGN);
    process_options how =
        shell("ls /proc/self/fd | wc -l; (kill -PIPE $(sh -c 'echo $PPID'); echo alive)", argv);
    check_ok(process_run(&how, (bytes_view){0}, OUTPUT_MAX, TIMEOUT_MS, &before, NULL, &status));
    int fd = open(check_folder(), O_RDONLY | O_CLOEXEC);
    check_ok(process_run(&how, (bytes_view){0}, OUTPUT_MAX, TIMEOUT_MS, &after, NULL, &status));
    check_text(bytes_text(&after), bytes_text(&before));
    check_true(!check_text_holds(bytes_text(&after), "alive"));
    close(fd);
    signal(SIGPIPE, SIG_DFL);
}

TESTS(RUN(a_program_is_fed_and_both_its_streams_are_kept_apart),
      RUN(more_than_a_pipe_holds_goes_in_and_out_at_once),
      RUN(a_program_that_does_not_read_its_input_is_no_failure),
      RUN(an_absent_program_and_an_absent_folder_are_told_apart), RUN(folder_and_environment_are_as_asked),
      RUN(a_program_past_its_time_is_stopped_with_all_it_started),
      RUN(a_daemon_left_behind_does_not_keep_us_waiting), RUN(a_child_is_talked_to_waited_for_and_reaped),
      RUN(our_descriptors_do_not_leak_and_sigpipe_works_in_the_child))
