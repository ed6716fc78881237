#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/beneath.h"
#include "repo/branch.h"
#include "repo/checkpoint_internal.h"
#include "repo/commit_internal.h"
#include "repo/tag.h"

/* ---- what is asked for ---- */

static err path_check(const repo_checkpoint *c, size_t i)
{
    const char *path = c->files[i].path, *why = repo_path_refusal(path);

    if (why) return err_make(ERR_USAGE, "'%.200s' cannot be committed: it %s", path, why);
    for (const char *at = path; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            return err_make(ERR_USAGE, "a path to commit holds a control byte");
    for (size_t k = 0; k < i; k++)
        if (strcmp(c->files[k].path, path) == 0) return err_make(ERR_USAGE, "%s is named twice", path);
    return ERR_OK;
}

static err trailer_check(const repo_trailer *t)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
    size_t size = strlen(t->key);

    if (!size || strspn(t->key, letters) != size)
        return err_make(ERR_USAGE, "'%.60s' is no key of a trailer: letters, digits and '-' are", t->key);
    if (strpbrk(t->value, "\n\r"))
        return err_make(ERR_USAGE, "the trailer %s has more than one line", t->key);
    return ERR_OK;
}

err repo_checkpoint_check(const repo_checkpoint *c)
{
    if (!c->file_count || c->file_count > REPO_CHECKPOINT_FILES_MAX)
        return err_make(ERR_USAGE, "a checkpoint has 1 to %d files, not %zu", REPO_CHECKPOINT_FILES_MAX,
                        c->file_count);
    if (c->trailer_count > REPO_TRAILERS_MAX)
        return err_make(ERR_LIMIT, "%zu trailers; at most %d", c->trailer_count, REPO_TRAILERS_MAX);
    if (strchr(c->subject, '\n')) return err_make(ERR_USAGE, "the subject has more than one line");
    err e = repo_branch_name_check(c->branch);
    if (!e.code && c->tag) e = repo_tag_name_check(c->tag);
    for (size_t i = 0; i < c->file_count && !e.code; i++) e = path_check(c, i);
    for (size_t i = 0; i < c->trailer_count && !e.code; i++) e = trailer_check(&c->trailers[i]);
    return e;
}

/* ---- message ---- */

/* git must read the same trailers that were given: a body or a value could pretend to be others. */
static err trailers_verify(const repo_checkpoint *c, const char *message)
{
    git_message_trailer_array found = {0};
    err e = repo_git_check(git_message_trailers(&found, message), "read the trailers");
    bool same = !e.code && found.count == c->trailer_count;

    for (size_t i = 0; same && i < found.count; i++)
        same = strcmp(found.trailers[i].key, c->trailers[i].key) == 0 &&
               strcmp(found.trailers[i].value, c->trailers[i].value) == 0;
    git_message_trailer_array_free(&found);
    if (!e.code && !same) e = err_make(ERR_USAGE, "git would not read these trailers as they are");
    return e;
}

err repo_checkpoint_message(const repo_checkpoint *c, char **out)
{
    bytes text = {0};

    bytes_printf(&text, "%s\n", c->subject);
    if (c->body) bytes_printf(&text, "\n%s\n", c->body);
    if (c->trailer_count) bytes_append_byte(&text, '\n');
    for (size_t i = 0; i < c->trailer_count; i++)
        bytes_printf(&text, "%s: %s\n", c->trailers[i].key, c->trailers[i].value);
    err e = repo_message_clean(bytes_text(&text), out);
    if (!e.code && c->trailer_count) e = trailers_verify(c, *out);
    if (e.code) {
        free(*out);
        *out = NULL;
    }
    bytes_free(&text);
    return e;
}
