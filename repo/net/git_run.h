/* repo/net/git_run.h: git's standard error read as it runs: progress, last words, what they mean. */
#ifndef REPO_NET_GIT_RUN_H
#define REPO_NET_GIT_RUN_H

#include "repo/net/git_lines.h"

enum { REPO_LAST_WORDS_MAX = 4 };

/* What git and its helpers said last that is no progress. A zeroed one is ready. */
typedef struct repo_last_words {
    char *lines[REPO_LAST_WORDS_MAX];
    size_t count;
} repo_last_words;
void repo_last_words_add(repo_last_words *words, const char *line); /* a copy; the oldest goes */
void repo_last_words_free(repo_last_words *words);                  /* a zeroed one is fine */
/* As an error, with the code that its words stand for. */
err repo_last_words_err(const repo_last_words *words, const char *verb, int status);

#endif
