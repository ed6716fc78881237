#include "ui/term/rescue.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { SIGNAL_COUNT = 12 };

/* The one place in the program where a handler's needs are global: there is one terminal. */
static struct {
    volatile sig_atomic_t is_armed;
    int terminal_fd, notify_fd;
    struct termios modes;
    char restore[UI_RESCUE_BYTES_MAX];
    size_t restore_size;
    struct sigaction before[SIGNAL_COUNT];
} rescue;

static const struct {
    int number;
    char notice; /* 0: it ends the program */
} signals[SIGNAL_COUNT] = {
    {SIGSEGV, 0}, {SIGBUS, 0}, {SIGILL, 0},  {SIGFPE, 0},     {SIGABRT, 0},   {SIGTERM, 0},
    {SIGHUP, 0},  {SIGINT, 0}, {SIGQUIT, 0}, {SIGWINCH, 'w'}, {SIGCONT, 'c'}, {SIGTSTP, 'z'},
};

static size_t index_of(int number)
{
    size_t i = 0;
    while (signals[i].number != number) i++;
    return i;
}

static void on_notice(int number)
{
    int kept = errno;
    char notice = signals[index_of(number)].notice;
    if (write(rescue.notify_fd, &notice, 1) < 0) errno = kept; /* full: a notice is waiting already */
    errno = kept;
}

static void on_end(int number)
{
    if (rescue.is_armed) {
        rescue.is_armed = 0;
        for (size_t at = 0; at < rescue.restore_size;) {
            ssize_t written = write(rescue.terminal_fd, rescue.restore + at, rescue.restore_size - at);
            if (written <= 0) break;
            at += (size_t)written;
        }
        tcsetattr(rescue.terminal_fd, TCSANOW, &rescue.modes);
    }
    sigaction(number, &rescue.before[index_of(number)], NULL);
    raise(number);
}

void ui_rescue_watch(int notify_fd)
{
    rescue.is_armed = 0;
    rescue.notify_fd = notify_fd;
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        struct sigaction action = {.sa_flags = SA_RESTART};
        action.sa_handler = signals[i].notice ? on_notice : on_end;
        sigemptyset(&action.sa_mask);
        sigaction(signals[i].number, NULL, &rescue.before[i]);
        if (rescue.before[i].sa_handler != SIG_IGN) sigaction(signals[i].number, &action, NULL);
    }
}

void ui_rescue_arm(int terminal_fd, const struct termios *modes, bytes_view restore)
{
    rescue.terminal_fd = terminal_fd;
    rescue.modes = *modes;
    rescue.restore_size = MIN_OF(restore.size, sizeof rescue.restore);
    memcpy(rescue.restore, restore.data, rescue.restore_size);
    rescue.is_armed = 1;
}

void ui_rescue_pause(void) { rescue.is_armed = 0; }
void ui_rescue_resume(void) { rescue.is_armed = 1; }

void ui_rescue_end(void)
{
    rescue.is_armed = 0;
    for (size_t i = 0; i < SIGNAL_COUNT; i++) sigaction(signals[i].number, &rescue.before[i], NULL);
}
