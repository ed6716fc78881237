/* repo/checkpoint.h: commits of exactly these files, on exactly that branch.
 *
 * What training and the demo's first start commit: an adapter's three files, a model's files. Built without
 * the person's index: other staged or changed files stay as they are and are in no way in the commit. Where
 * the branch is checked out the files are written there first, atomically; where it is not, no working file
 * is written. */
#ifndef REPO_CHECKPOINT_H
#define REPO_CHECKPOINT_H

#include "repo/commit.h"

enum { REPO_CHECKPOINT_FILES_MAX = 1024 };

/* One file of the commit: from `from_path`, or `content` when that is NULL. What .gitattributes puts under
 * filter=lfs, and every adapter's safetensors, becomes an object of the store and its pointer. */
typedef struct repo_checkpoint_file {
    const char *path; /* in the repository, '/' between */
    const char *from_path;
    bytes_view content;
    bool remove; /* it is in no commit from here on, nor in the worktree; one that is not there is fine */
} repo_checkpoint_file;

typedef struct repo_trailer {
    const char *key;   /* [A-Za-z0-9-]+ */
    const char *value; /* one line */
} repo_trailer;

typedef struct repo_checkpoint {
    const char *branch; /* "main", short; made at `start` when it does not exist */
    const char *start;  /* ref; NULL: the branch must exist, or the repository is empty */
    const repo_checkpoint_file *files;
    size_t file_count;
    const char *subject, *body; /* body NULL: none */
    const repo_trailer *trailers;
    size_t trailer_count;
    /* A commit since `start` with all of these trailers and just these files is given back in the place of a
     * new one; known_count 0: it is not looked for. */
    const repo_trailer *known;
    size_t known_count;
    const char *committer; /* "Name <email>" in place of the person's; such a commit is not signed; NULL */
    const char *author;    /* likewise; NULL: the person */
    int64_t time;          /* of committer and author when they are given, seconds; 0: now */
    const char *tag, *tag_message; /* annotated; never moved: a taken name gets -2, -3; NULL: none */
} repo_checkpoint;

typedef struct repo_checkpoint_done {
    repo_id commit;
    char tag[256]; /* as it was made; "": none */
} repo_checkpoint_done;

/* Enters the gate. Where nothing differs from the branch's tip there is no new commit: the tip is given back,
 * and tagged. An adapter's weights that .gitattributes does not cover: its line is committed before, on its
 * own. Errors: ERR_USAGE (a bad path, key, branch), ERR_NOT_FOUND (no such branch, no such file), ERR_BUSY
 * (the branch kept moving), ERR_IO. A kill at any moment leaves the commit whole or absent; the index is
 * mended when the gate is entered next. */
err repo_checkpoint_commit(repo_handle *r, const repo_checkpoint *checkpoint, repo_checkpoint_done *out);

#endif
