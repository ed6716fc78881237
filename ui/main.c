/* ui/main.c: no words opens the workstation, words are a command. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/settings.h"
#include "repo/net/askpass.h"
#include "repo/net/network.h"
#include "repo/worktree/worktree.h"
#include "ui/app/runs/session.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/completion.h"
#include "ui/view/workstation.h"

/* Ctrl-C: those who wait look at it and cancel; the third that nobody has acted on ends the program. */
static volatile sig_atomic_t interrupted;

enum { INTERRUPTS_MAX = 3 };

static void interrupt(int number)
{
    if (++interrupted < INTERRUPTS_MAX) return;
    signal(number, SIG_DFL);
    raise(number);
}

/* libtorch's threads wait for each other by spinning. On cores that others want too that costs whole time
 * slices: with eight jobs on two cores a prefill of 448 tokens ran at 300 tokens/s spinning and 33000 asleep.
 * A spin of some microseconds bridges the gaps between the kernels of one token (30 tokens/s of a 0.6B model
 * instead of 23). Read when libtorch is opened; what the person has set stays. */
static void threads_wait_briefly(void)
{
    setenv("OMP_WAIT_POLICY", "passive", 0);
    setenv("GOMP_SPINCOUNT", "2000", 0);
}

static int failed(err e)
{
    fprintf(stderr, "hyprstream: %s\n", e.text);
    return err_exit_status(e);
}

/* A shell asks what may stand here; nobody reads errors. */
static int complete(ui_cli *cli, int argc, char **argv)
{
    cli->err_out = fopen("/dev/null", "w");
    if (cli->err_out) ui_complete(cli, (const char *const *)argv + 2, (size_t)argc - 2);
    return 0;
}

static int run(ui_cli *cli, int argc, char **argv)
{
    if (argc == 1) {
        err e = ui_workstation_run(cli);
        return e.code ? failed(e) : 0;
    }
    if (strcmp(argv[1], "__complete") == 0) return complete(cli, argc, argv);
    if (strcmp(argv[1], "__run") == 0 && argc == 3) return ui_run_session(cli->settings, argv[2]);
    const ui_command *command = ui_command_find(argv[1]);
    if (!command) return failed(ui_command_unknown(argv[1]));
    /* No SA_RESTART: a read of standard input ends too. */
    struct sigaction action = {.sa_handler = interrupt};
    if (command->cancels) sigaction(SIGINT, &action, NULL);
    return ui_command_run(command, cli, argc - 1, argv + 1);
}

static int run_with_settings(int argc, char **argv)
{
    env environment = env_of_process();
    folders where = {0};
    ui_cli cli = {.in = stdin, .out = stdout, .err_out = stderr, .interrupted = &interrupted};

    err e = folders_find(&environment, &where);
    if (!e.code) e = settings_open(&where, &environment, &cli.settings);
    if (!e.code) {
        /* While there is no thread. Where it cannot be, the commands that want it say why. */
        const repo_context context = {.settings = cli.settings, .environment = &environment};
        (void)repo_worktree_enter_namespace(&context);
    }
    int status = e.code ? failed(e) : run(&cli, argc, argv);
    settings_free(cli.settings);
    folders_free(&where);
    return status;
}

int main(int argc, char **argv)
{
    if (repo_askpass_is(argc, argv)) return repo_askpass_main(argc, argv);
    if (repo_network_is(argc, argv)) return repo_network_child(argc, argv);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) return puts("hyprstream " HYPRSTREAM_VERSION) < 0;
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        ui_commands_print(stdout);
        return 0;
    }
    threads_wait_briefly();
    return run_with_settings(argc, argv);
}
