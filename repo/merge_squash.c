/* repo/merge_squash.c: the message that git proposes after `merge --squash`. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "repo/git_version.h"
#include "repo/merge_internal.h"

enum { SQUASH_COMMITS_MAX = 1000 };

/* "Thu Nov 26 06:42:33 2026 +0000", at the author's place. */
static void date_print(const git_time *when, bytes *out)
{
    time_t there = (time_t)(when->time + when->offset * 60);
    struct tm parts;
    char text[64] = "";
    int offset = when->offset < 0 ? -when->offset : when->offset;

    if (gmtime_r(&there, &parts)) strftime(text, sizeof text, "%a %b %-d %H:%M:%S %Y", &parts);
    bytes_printf(out, "%s %c%02d%02d", text, when->offset < 0 ? '-' : '+', offset / 60, offset % 60);
}

static void text_indent(const char *text, bytes *out)
{
    size_t size = strlen(text);
    while (size && text[size - 1] == '\n') size--;
    for (size_t at = 0; at < size;) {
        size_t line = strcspn(text + at, "\n");
        bytes_append_text(out, line ? "    " : "");
        bytes_append(out, text + at, MIN_OF(line, size - at));
        bytes_append_byte(out, '\n');
        at += line + 1;
    }
}

static void commit_print(git_commit *commit, bytes *out)
{
    repo_id id;
    const git_signature *author = git_commit_author(commit);

    repo_id_of(git_commit_id(commit), &id);
    bytes_printf(out, "\ncommit %s\nAuthor: %s <%s>\nDate:   ", id.hex, author->name, author->email);
    date_print(&author->when, out);
    bytes_append_text(out, "\n\n");
    text_indent(git_commit_message(commit), out);
}

err merge_squash_message(repo_handle *r, const merge_work *w)
{
    CLEANUP(bytes_free) bytes text = {0};
    git_revwalk *walk = NULL;
    git_oid id;
    int status = 0;

    bytes_append_text(&text, "Squashed commit of the following:\n");
    err e = repo_git_check(git_revwalk_new(&walk, r->git), "walk the commits");
    if (!e.code) git_revwalk_sorting(walk, GIT_SORT_TIME | GIT_SORT_TOPOLOGICAL);
    if (!e.code) e = repo_git_check(git_revwalk_push(walk, &w->theirs), "walk the commits");
    if (!e.code) e = repo_git_check(git_revwalk_hide(walk, &w->ours), "walk the commits");
    for (int n = 0; !e.code && n < SQUASH_COMMITS_MAX && (status = git_revwalk_next(&id, walk)) == 0; n++) {
        git_commit *commit = NULL;
        e = join_commit(r, &id, &commit);
        if (!e.code && git_commit_parentcount(commit) < 2) commit_print(commit, &text);
        git_commit_free(commit);
    }
    if (!e.code && status < 0 && status != GIT_ITEROVER) e = repo_git_check(status, "walk the commits");
    git_revwalk_free(walk);
    return e.code ? e : join_state_write(r, "SQUASH_MSG", bytes_text(&text));
}
