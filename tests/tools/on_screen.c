/* Drives a program in a terminal, step by step, for walks from outside:
 *
 *     on_screen [STEP WORD]... -- PROGRAM [ARGUMENT...]
 *     size ROWSxCOLUMNS   of the terminal, before any other step (24x80)
 *     type KEYS           characters, with \r \n \t \e \\ and \xHH
 *     wait WORDS          until one row of the screen holds them (at most 120 s)
 *     gone WORDS          until none does
 *     do COMMAND          in a shell, while the program runs
 *     show FILE           the screen as it is, into this file
 *
 * At the end Ctrl-Q is typed; the exit status is the program's, or 1 when a wait was in vain, with the screen
 * on standard error. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "tests/support/terminal.h"

enum { WAIT_SECONDS = 120 };

typedef struct screen {
    terminal *t;
    int rows, columns;
} screen;

static void print_rows(screen *s, FILE *out)
{
    for (int row = 0; row < s->rows; row++) fprintf(out, "%s\n", terminal_row(s->t, row));
}

static void fail(screen *s, const char *what, const char *word)
{
    fprintf(stderr, "on_screen: %s '%s'\n", what, word);
    if (s->t) print_rows(s, stderr);
    exit(1);
}

static void wait_for(screen *s, const char *words, bool there)
{
    double end = clock_seconds() + WAIT_SECONDS;
    while (terminal_shows(s->t, words) != there) {
        if (clock_seconds() > end)
            fail(s, there ? "the screen never showed" : "the screen still shows", words);
        (void)terminal_read(s->t, 50);
    }
}

static void show(screen *s, const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out) fail(s, "cannot write", path);
    print_rows(s, out);
    fclose(out);
}

static void step(screen *s, const char *what, const char *word)
{
    if (strcmp(what, "type") == 0)
        terminal_type_named(s->t, word);
    else if (strcmp(what, "wait") == 0)
        wait_for(s, word, true);
    else if (strcmp(what, "gone") == 0)
        wait_for(s, word, false);
    else if (strcmp(what, "show") == 0)
        show(s, word);
    else if (strcmp(what, "do") != 0)
        fail(s, "there is no step", what);
    else if (system(word) != 0)
        fail(s, "this failed:", word);
}

int main(int argc, char **argv)
{
    screen s = {NULL, 24, 80};
    int program = 1, first = 1;

    while (program < argc && strcmp(argv[program], "--") != 0) program++;
    if (program + 1 >= argc) fail(&s, "no program after", "--");
    if (program > 2 && strcmp(argv[1], "size") == 0) {
        if (sscanf(argv[2], "%dx%d", &s.rows, &s.columns) != 2) fail(&s, "no size:", argv[2]);
        first = 3;
    }
    if ((program - first) % 2) fail(&s, "a step without its word before", "--");
    s.t = terminal_exec(s.rows, s.columns, (const char *const *)argv + program + 1);
    for (int i = first; i < program; i += 2) step(&s, argv[i], argv[i + 1]);
    terminal_type(s.t, "\x11");
    int status = terminal_until_exit(s.t);
    terminal_free(s.t);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
