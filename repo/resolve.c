#include "repo/resolve.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/text.h"
#include "repo/handle_internal.h"

enum { ID_HEX = 40, REF_BYTES_MAX = 4096, CANDIDATES_MAX = 5, NAMES_MAX = 20000 };

/* ---- the answer ---- */

static repo_ref_kind kind_of(const char *name)
{
    if (text_starts_with(name, "refs/heads/")) return REPO_REF_BRANCH;
    if (text_starts_with(name, "refs/tags/")) return REPO_REF_TAG;
    return text_starts_with(name, "refs/remotes/") ? REPO_REF_REMOTE : REPO_REF_COMMIT;
}

/* `object` is peeled to a commit; name "" or a full refname. */
static err answer(const git_object *object, const char *name, const char *asked, repo_ref *out)
{
    git_object *commit = NULL;

    if (git_object_peel(&commit, object, GIT_OBJECT_COMMIT) != 0)
        return err_make(ERR_USAGE, "'%s' is a %s, expected a commit", asked,
                        git_object_type2string(git_object_type(object)));
    *out =
        (repo_ref){.kind = kind_of(name), .name = memory_text(kind_of(name) == REPO_REF_COMMIT ? "" : name)};
    repo_id_of(git_object_id(commit), &out->commit);
    repo_id_of(git_commit_tree_id((const git_commit *)commit), &out->tree);
    git_object_free(commit);
    return ERR_OK;
}

/* *found false: there is no such ref. */
static err by_full_name(repo_handle *r, const char *name, const char *asked, bool *found, repo_ref *out)
{
    git_reference *symbolic = NULL, *reference = NULL;
    git_object *object = NULL;

    *found = false;
    int status = git_reference_lookup(&symbolic, r->git, name);
    if (status == GIT_ENOTFOUND || status == GIT_EINVALIDSPEC) return ERR_OK;
    *found = true;
    if (status == 0) status = git_reference_resolve(&reference, symbolic);
    if (status == 0)
        status = git_object_lookup(&object, r->git, git_reference_target(reference), GIT_OBJECT_ANY);
    err e = repo_git_check(status, asked);
    if (!e.code) e = answer(object, name, asked, out);
    git_object_free(object);
    git_reference_free(reference);
    git_reference_free(symbolic);
    return e;
}

/* ---- what the checkout is on ---- */

static err head(repo_handle *r, repo_ref *out)
{
    git_reference *reference = NULL;
    git_object *object = NULL;
    int status = git_repository_head(&reference, r->git);

    if (status == GIT_EUNBORNBRANCH)
        return err_make(ERR_NOTHING, "%s has no commit yet", *r->path ? r->path : r->git_dir);
    if (status == 0) status = git_reference_peel(&object, reference, GIT_OBJECT_COMMIT);
    err e = repo_git_check(status, "HEAD");
    /* Detached, the reference is called HEAD, which is no name of a branch. */
    if (!e.code) e = answer(object, git_reference_name(reference), "HEAD", out);
    git_object_free(object);
    git_reference_free(reference);
    return e;
}

/* ---- names ---- */

/* Where a bare name is looked for; the first that exists wins. */
static const char *const places[] = {"refs/heads/", "refs/tags/", "refs/remotes/origin/", "refs/remotes/",
                                     "refs/"};

static bool ref_exists(repo_handle *r, const char *place, const char *name)
{
    bytes full = {0};
    git_oid ignored;
    bytes_printf(&full, "%s%s", place, name);
    bool exists = git_reference_name_to_id(&ignored, r->git, bytes_text(&full)) == 0;
    bytes_free(&full);
    return exists;
}

static err by_name(repo_handle *r, const char *name, bool *found, repo_ref *out)
{
    err e = ERR_OK;

    *found = false;
    for (size_t i = 0; i < COUNT_OF(places) && !*found && !e.code; i++) {
        CLEANUP(bytes_free) bytes full = {0};
        bytes_printf(&full, "%s%s", places[i], name);
        e = by_full_name(r, bytes_text(&full), name, found, out);
    }
    if (!e.code && *found && out->kind == REPO_REF_BRANCH && ref_exists(r, "refs/heads/", name))
        out->also_tag = ref_exists(r, "refs/tags/", name);
    return e;
}

/* "refs/heads/x", "heads/x", "tags/x": said in full, and nothing else is meant. */
static err by_said_name(repo_handle *r, const char *ref, bool *found, repo_ref *out)
{
    CLEANUP(bytes_free) bytes full = {0};

    *found = false;
    if (text_starts_with(ref, "refs/"))
        bytes_append_text(&full, ref);
    else if (text_starts_with(ref, "heads/") || text_starts_with(ref, "tags/") ||
             text_starts_with(ref, "remotes/"))
        bytes_printf(&full, "refs/%s", ref);
    else
        return ERR_OK;
    return by_full_name(r, bytes_text(&full), ref, found, out);
}

/* ---- commits ---- */

static size_t hex_size(const char *text)
{
    size_t size = 0;
    while (isxdigit((unsigned char)text[size])) size++;
    return text[size] ? 0 : size;
}

static err by_id(repo_handle *r, const char *hex, repo_ref *out)
{
    git_object *object = NULL;
    git_oid id;

    err e = repo_git_check(git_oid_fromstr(&id, hex), hex);
    if (!e.code && git_object_lookup(&object, r->git, &id, GIT_OBJECT_ANY) != 0)
        e = err_make(ERR_NOT_FOUND,
                     "there is no object %s here (a shallow clone has only the newest commits)", hex);
    if (!e.code) e = answer(object, "", hex, out);
    git_object_free(object);
    return e;
}

typedef struct candidates {
    const char *hex;
    bytes names;
    size_t count;
} candidates;

static int candidate_add(const git_oid *id, void *context)
{
    candidates *c = context;
    char hex[ID_HEX + 1];

    git_oid_tostr(hex, sizeof hex, id);
    if (strncasecmp(hex, c->hex, strlen(c->hex)) != 0) return 0;
    if (c->count < CANDIDATES_MAX) bytes_printf(&c->names, "%s%.12s", c->count ? ", " : "", hex);
    return ++c->count > CANDIDATES_MAX; /* enough of them */
}

static err ambiguous(repo_handle *r, const char *ref)
{
    CLEANUP(bytes_free) bytes names = {0};
    candidates c = {.hex = ref};
    git_odb *odb = NULL;

    if (hex_size(ref) && git_repository_odb(&odb, r->git) == 0) git_odb_foreach(odb, candidate_add, &c);
    git_odb_free(odb);
    names = c.names;
    if (!c.count) return err_make(ERR_USAGE, "'%s' fits more than one object: give more digits", ref);
    return err_make(ERR_USAGE, "'%s' fits more than one object (%s%s): give more digits", ref,
                    bytes_text(&names), c.count > CANDIDATES_MAX ? ", ..." : "");
}

/* ---- what there is instead ---- */

static err not_found(repo_handle *r, const char *ref)
{
    git_strarray all = {0};
    const char **names = memory_alloc(NAMES_MAX * sizeof *names);
    size_t count = 0;

    if (git_reference_list(&all, r->git) == 0) {
        for (size_t i = 0; i < all.count && count < NAMES_MAX; i++)
            for (size_t k = 0; k < 3; k++)
                if (text_starts_with(all.strings[i], places[k]) && count < NAMES_MAX)
                    names[count++] = all.strings[i] + strlen(places[k]);
    }
    const char *nearest = text_nearest(ref, names, count);
    err e = nearest ? err_make(ERR_NOT_FOUND, "there is no branch, tag or commit '%.200s'; did you mean %s?",
                               ref, nearest)
                    : err_make(ERR_NOT_FOUND, "there is no branch, tag or commit '%.200s'", ref);
    git_strarray_dispose(&all);
    free(names);
    return e;
}

/* "HEAD~3", "main^2", "main@{1}": git's own grammar, but no ranges. */
static err by_revspec(repo_handle *r, const char *ref, repo_ref *out)
{
    git_object *object = NULL;

    if (strstr(ref, "..")) return err_make(ERR_USAGE, "'%.200s' is a range, expected one commit", ref);
    int status = git_revparse_single(&object, r->git, ref);
    if (status == GIT_EAMBIGUOUS) return ambiguous(r, ref);
    if (status == GIT_ENOTFOUND) return not_found(r, ref);
    if (status == GIT_EINVALIDSPEC)
        return err_make(ERR_USAGE, "'%.200s' is no branch, tag, commit or revision", ref);
    err e = repo_git_check(status, ref);
    if (!e.code) e = answer(object, "", ref, out);
    git_object_free(object);
    return e;
}

static err ref_check(const char *ref)
{
    if (strlen(ref) > REF_BYTES_MAX)
        return err_make(ERR_USAGE, "the ref is longer than %d bytes", REF_BYTES_MAX);
    if (*ref == '-') return err_make(ERR_USAGE, "the ref '%.80s' begins with '-'", ref);
    for (const char *at = ref; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            return err_make(ERR_USAGE, "the ref holds a control character (number %d)", (unsigned char)*at);
    return ERR_OK;
}

err repo_resolve(repo_handle *r, const char *ref, repo_ref *out)
{
    bool found = false;

    err e = ref_check(ref);
    if (e.code) return e;
    if (!*ref || strcmp(ref, "HEAD") == 0) return head(r, out);
    if (hex_size(ref) == ID_HEX) return by_id(r, ref, out);
    e = by_said_name(r, ref, &found, out);
    if (!e.code && !found) e = by_name(r, ref, &found, out);
    if (!e.code && !found) e = by_revspec(r, ref, out);
    return e;
}

void repo_ref_free(repo_ref *ref)
{
    free(ref->name);
    *ref = (repo_ref){0};
}

/* ---- printing ---- */

/* No other place that is looked in has this name, and none of its signs means something in a MODEL. */
static bool bare_name_is_plain(repo_handle *r, const char *name)
{
    return hex_size(name) != ID_HEX && strcmp(name, "HEAD") != 0 && *name != '-' && !strchr(name, '+') &&
           !ref_exists(r, "refs/tags/", name) && !ref_exists(r, "refs/", name);
}

void repo_ref_print(repo_handle *r, const repo_ref *ref, bytes *out)
{
    const char *name = ref->name;

    if (ref->kind == REPO_REF_COMMIT || strchr(name, '+'))
        bytes_append_text(out, ref->commit.hex);
    else if (ref->kind == REPO_REF_BRANCH && bare_name_is_plain(r, name + strlen("refs/heads/")))
        bytes_append_text(out, name + strlen("refs/heads/"));
    else
        bytes_append_text(out, name + strlen("refs/"));
}

void repo_ref_print_short(const repo_ref *ref, bytes *out)
{
    const char *slash = strchr(ref->name, '/');
    slash = slash ? strchr(slash + 1, '/') : NULL;
    if (ref->kind == REPO_REF_COMMIT || !slash)
        bytes_printf(out, "%.8s", ref->commit.hex);
    else
        bytes_append_text(out, slash + 1);
}
