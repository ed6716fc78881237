/* How soon a program in a terminal shows its first frame, and a letter that was typed.
 *
 *     key_to_paint [OPTION...] -- PROGRAM [ARGUMENT...]
 *     --rows N, --columns N   of the terminal (24, 80)
 *     --before KEYS           typed after the first frame, to get to where letters are text
 *     --wait WORDS            then waited for on the screen (at most 120 s)
 *     --while KEYS            typed after the idle measurement; then all is measured again while the program
 * works
 *     --count N               letters to measure (200)
 *     --interval-ms N         between two of them (20)
 *     --show                  print the screen as it is at the end, to standard error
 *
 * KEYS are characters, with \r \n \t \e \\ and \xHH. A letter is painted when it stands left of
 * the cursor on the screen that libvterm made of the program's bytes; it is then taken back with
 * Backspace, so that the input stays as it was. Other letters than the last one are typed in
 * turn, so that an old one is never taken for a new one. What is measured includes the pty and
 * libvterm: under 0.1 ms together. Prints one object of JSON. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "tests/support/terminal.h"

enum { COUNT_MAX = 100000, PAINT_WAIT_MS = 2000, WORDS_WAIT_MS = 120000 };

typedef struct options {
    int rows, columns, count, interval_ms;
    const char *before, *wait, *during;
    bool show;
    const char *const *program;
} options;

typedef struct measured {
    double milliseconds[COUNT_MAX];
    int count, missed; /* missed: not painted within PAINT_WAIT_MS */
} measured;

static void fail(const char *words, const char *what)
{
    fprintf(stderr, "key_to_paint: %s%s\n", words, what);
    exit(1);
}

static int number(const char *text, int max)
{
    char *end;
    long value = strtol(text ? text : "", &end, 10);
    if (!text || *end || value < 1 || value > max) fail("expected a number, got ", text ? text : "nothing");
    return (int)value;
}

static options options_read(char **argv)
{
    options how = {.rows = 24, .columns = 80, .count = 200, .interval_ms = 20};
    for (argv++; *argv && strcmp(*argv, "--") != 0; argv++) {
        const char *name = *argv;
        if (strcmp(name, "--show") == 0) {
            how.show = true;
            continue;
        }
        const char *value = *++argv;
        if (!value) fail("no value for ", name);
        if (strcmp(name, "--rows") == 0)
            how.rows = number(value, 1000);
        else if (strcmp(name, "--columns") == 0)
            how.columns = number(value, 1000);
        else if (strcmp(name, "--count") == 0)
            how.count = number(value, COUNT_MAX);
        else if (strcmp(name, "--interval-ms") == 0)
            how.interval_ms = number(value, 60000);
        else if (strcmp(name, "--before") == 0)
            how.before = value;
        else if (strcmp(name, "--wait") == 0)
            how.wait = value;
        else if (strcmp(name, "--while") == 0)
            how.during = value;
        else
            fail("unknown option ", name);
    }
    if (!*argv || !argv[1]) fail("no program: key_to_paint [OPTION...] -- PROGRAM [ARGUMENT...]", "");
    how.program = (const char *const *)argv + 1;
    return how;
}

static void read_for(terminal *t, double seconds)
{
    for (double end = clock_seconds() + seconds, left; (left = end - clock_seconds()) > 0;)
        (void)terminal_read(t, (int)(left * 1000) + 1);
}

static bool screen_has_text(terminal *t, int rows)
{
    for (int row = 0; row < rows; row++)
        if (*terminal_row(t, row)) return true;
    return false;
}

static uint32_t left_of_cursor(terminal *t)
{
    int row, column;
    terminal_cursor(t, &row, &column);
    return column > 0 ? terminal_cell(t, row, column - 1) : 0;
}

/* Milliseconds until the letter stands there, negative: it did not come. */
static double letter_time(terminal *t, char letter)
{
    const char typed[] = {letter, 0};
    double begin = clock_seconds(), end = begin + PAINT_WAIT_MS / 1000.0;
    terminal_type(t, typed);
    while (clock_seconds() < end) {
        if (!terminal_read(t, 10)) continue;
        if (left_of_cursor(t) == (uint32_t)letter) return (clock_seconds() - begin) * 1000;
    }
    return -1;
}

static void letters_measure(terminal *t, const options *how, measured *out)
{
    *out = (measured){0};
    for (int i = 0; i < how->count; i++) {
        double took = letter_time(t, (char)('a' + i % 26));
        if (took < 0)
            out->missed++;
        else
            out->milliseconds[out->count++] = took;
        terminal_type(t, "\x7f");
        read_for(t, how->interval_ms / 1000.0);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measured_print(const char *name, measured *m)
{
    qsort(m->milliseconds, (size_t)m->count, sizeof(double), compare);
    printf(", \"%s\": {\"count\": %d, \"missed\": %d", name, m->count, m->missed);
    if (m->count)
        printf(", \"median_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f", m->milliseconds[m->count / 2],
               m->milliseconds[(99 * m->count + 99) / 100 - 1], m->milliseconds[m->count - 1]);
    printf("}");
}

/* Megabytes of a line of /proc/PID/status, -1 when it is not there. */
static double memory_megabytes(const terminal *t, const char *line)
{
    char path[64], text[256];
    double kilobytes = -1000;
    snprintf(path, sizeof path, "/proc/%d/status", (int)terminal_pid(t));
    FILE *file = fopen(path, "r");
    while (file && fgets(text, sizeof text, file))
        if (strncmp(text, line, strlen(line)) == 0) kilobytes = strtod(text + strlen(line), NULL);
    if (file) fclose(file);
    return kilobytes / 1000;
}

static void wait_for(terminal *t, const char *words)
{
    double end = clock_seconds() + WORDS_WAIT_MS / 1000.0;
    while (!terminal_shows(t, words)) {
        if (clock_seconds() > end) fail("the screen never showed ", words);
        (void)terminal_read(t, 50);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    static measured idle, during;
    options how = options_read(argv);
    double begin = clock_seconds();
    terminal *t = terminal_exec(how.rows, how.columns, how.program);
    while (!screen_has_text(t, how.rows)) {
        if (clock_seconds() - begin > WORDS_WAIT_MS / 1000.0) fail("nothing was painted by ", how.program[0]);
        (void)terminal_read(t, 1);
    }
    double first_paint = clock_seconds() - begin, first_memory = memory_megabytes(t, "VmRSS:");
    terminal_settle(t, 200);
    if (how.before) terminal_type_named(t, how.before);
    if (how.wait) wait_for(t, how.wait);
    terminal_settle(t, 200);

    letters_measure(t, &how, &idle);
    size_t bytes_before = terminal_byte_count(t);
    if (how.during) {
        terminal_type_named(t, how.during);
        read_for(t, 0.3);
        letters_measure(t, &how, &during);
    }
    printf(
        "{\"first_paint_ms\": %.1f, \"rss_first_paint_mb\": %.1f, \"rss_end_mb\": %.1f, \"rss_max_mb\": %.1f",
        first_paint * 1000, first_memory, memory_megabytes(t, "VmRSS:"), memory_megabytes(t, "VmHWM:"));
    measured_print("idle", &idle);
    if (how.during) {
        measured_print("while", &during);
        printf(", \"bytes_while\": %zu", terminal_byte_count(t) - bytes_before);
    }
    printf("}\n");
    for (int row = 0; how.show && row < how.rows; row++) fprintf(stderr, "%s\n", terminal_row(t, row));
    terminal_free(t);
    return idle.missed || during.missed;
}
