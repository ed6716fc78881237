#include <stdlib.h>
#include <string.h>

#include "repo/log_internal.h"

/* A value that was folded over lines, on one line, as `git interpret-trailers --unfold` does it. */
static char *unfolded(const char *value)
{
    bytes line = {0};

    for (; *value; value++) {
        if (*value != '\n') {
            bytes_append_byte(&line, *value);
            continue;
        }
        while (value[1] == ' ' || value[1] == '\t' || value[1] == '\n') value++;
        bytes_append_byte(&line, ' ');
    }
    while (line.size && strchr(" \t\r", line.data[line.size - 1])) bytes_remove(&line, line.size - 1, 1);
    return line.data ? bytes_take(&line) : memory_text("");
}

/* A tab folds a line for git, for libgit2 only a space does. */
static char *tabs_replaced(const char *message)
{
    char *text = memory_text(message);
    for (char *at = text; (at = strstr(at, "\n\t")) != NULL;) at[1] = ' ';
    return text;
}

static void trailers_read(git_commit *commit, repo_log_row *row)
{
    git_message_trailer_array found = {0};
    char *message = tabs_replaced(git_commit_message(commit));

    if (git_message_trailers(&found, message) == 0 && found.count) {
        row->trailer_count = MIN_OF(found.count, REPO_TRAILERS_MAX);
        row->trailers = memory_alloc(row->trailer_count * sizeof *row->trailers);
        for (size_t i = 0; i < row->trailer_count; i++) {
            row->trailers[i].key = memory_text(found.trailers[i].key);
            row->trailers[i].value = unfolded(found.trailers[i].value);
        }
    }
    git_message_trailer_array_free(&found);
    free(message);
}

static char *text_or_empty(const char *text) { return memory_text(text ? text : ""); }

void repo_log_row_read(git_commit *commit, repo_log_row *row)
{
    const git_signature *author = git_commit_author(commit);

    repo_id_of(git_commit_id(commit), &row->commit);
    row->author = text_or_empty(author ? author->name : NULL);
    row->email = text_or_empty(author ? author->email : NULL);
    row->time = author ? author->when.time : 0;
    row->offset_minutes = author ? author->when.offset : 0;
    row->subject = text_or_empty(git_commit_summary(commit));
    row->body = text_or_empty(git_commit_body(commit));
    trailers_read(commit, row);
}
