/* tests/support/terminal.h: a terminal for tests. A program runs in a pty, libvterm reads what it writes, and
 * the test types and looks at the screen as a person would. A test fails (fail_msg) when what it waits for
 * does not come. */
#ifndef TESTS_SUPPORT_TERMINAL_H
#define TESTS_SUPPORT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { TERMINAL_WAIT_MS = 10000 }; /* under a sanitizer, on a busy machine */

typedef struct terminal terminal;

/* A child that runs program(context) and leaves with exit(what it returned). */
terminal *terminal_run(int rows, int columns, int (*program)(void *context), void *context);
/* Another program; the environment is the test's (setenv before). */
terminal *terminal_exec(int rows, int columns, const char *const *argv);
void terminal_free(terminal *t); /* kills and reaps a program that still runs */

pid_t terminal_pid(const terminal *t);
void terminal_type(terminal *t, const char *keys);
/* With \r, \n, \t, \e, \\ and \xHH written out, as a shell passes them. */
void terminal_type_named(terminal *t, const char *keys);
void terminal_resize(terminal *t, int rows, int columns);

/* Read what comes until the screen shows these words, or for a while. */
void terminal_until(terminal *t, const char *words);
void terminal_until_gone(terminal *t, const char *words);
void terminal_settle(terminal *t, int ms); /* until nothing has come for so long */
int terminal_until_exit(terminal *t);      /* the status of waitpid */

/* One read, waiting at most so long. False: nothing came, or the program has closed the terminal. */
bool terminal_read(terminal *t, int wait_ms);

bool terminal_shows(terminal *t, const char *words); /* in one row of the screen as it is now */
/* Text of a row, without the blanks at its end. Borrowed until the next call. */
const char *terminal_row(terminal *t, int row);
/* Code point of a cell: 0 for the second half of a wide one, ' ' for an empty one. */
uint32_t terminal_cell(terminal *t, int row, int column);
/* 0xRRGGBB of what is written there, -1: the terminal's own colour. */
int32_t terminal_cell_color(terminal *t, int row, int column);

bool terminal_is_alternate(const terminal *t); /* the alternate screen is shown */
bool terminal_has_cursor(const terminal *t);
void terminal_cursor(const terminal *t, int *row, int *column);
bool terminal_wraps_pastes(const terminal *t);                   /* bracketed paste is on */
bool terminal_is_cooked(const terminal *t);                      /* echo and lines, as a shell wants it */
size_t terminal_byte_count(const terminal *t);                   /* all that the program wrote */
bool terminal_was_sent(const terminal *t, const char *sequence); /* among all that the program wrote */

#endif
