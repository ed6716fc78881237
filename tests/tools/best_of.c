/* The best time and the largest memory of a program that is run again and again:
 *
 *     best_of COUNT PROGRAM [ARGUMENT...]
 *
 * Prints "milliseconds kilobytes": from fork to exit, and of its resident set. What it prints goes nowhere;
 * it must succeed each time. Small and without libraries: a large parent would be counted as the child's
 * memory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void child_run(char **program)
{
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, 0);
    dup2(nowhere, 1);
    execv(program[0], program);
    perror(program[0]);
    _exit(127);
}

int main(int count, char **words)
{
    int rounds = count > 2 ? atoi(words[1]) : 0;
    double best = 1e9;
    long kilobytes = 0;

    if (rounds < 1) {
        fputs("best_of COUNT PROGRAM [ARGUMENT...]\n", stderr);
        return 2;
    }
    while (rounds--) {
        struct rusage used;
        int status = 0;
        double began = now_ms();
        pid_t child = fork();
        if (child == 0) child_run(words + 2);
        if (child < 0 || wait4(child, &status, 0, &used) != child || status != 0) {
            fprintf(stderr, "%s failed\n", words[2]);
            return 1;
        }
        double took = now_ms() - began;
        if (took < best) best = took;
        if (used.ru_maxrss > kilobytes) kilobytes = used.ru_maxrss;
    }
    printf("%.2f %ld\n", best, kilobytes);
    return 0;
}
