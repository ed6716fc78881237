#include "repo/tag.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/branch.h"
#include "repo/commit_internal.h"
#include "repo/gate.h"

static const char tags[] = "refs/tags/";

/* ---- list ---- */

void repo_tags_free(repo_tags *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->rows[i].name);
        free(list->rows[i].message);
    }
    free(list->rows);
    *list = (repo_tags){0};
}

typedef struct listing {
    repo_handle *r;
    repo_tags *out;
} listing;

/* Signatures stand at the end of a tag's message. */
static char *message_plain(const char *message)
{
    static const char *const begins[] = {"-----BEGIN PGP SIGNATURE-----", "-----BEGIN SSH SIGNATURE-----",
                                         "-----BEGIN SIGNED MESSAGE-----"};
    size_t size = strlen(message);
    for (size_t i = 0; i < COUNT_OF(begins); i++) {
        const char *begin = strstr(message, begins[i]);
        if (begin && (begin == message || begin[-1] == '\n')) size = MIN_OF(size, (size_t)(begin - message));
    }
    while (size && message[size - 1] == '\n') size--;
    return memory_text_n(message, size);
}

static void annotation_read(git_tag *tag, repo_tag *row)
{
    const git_signature *tagger = git_tag_tagger(tag);
    row->annotated = true;
    row->message = message_plain(git_tag_message(tag) ? git_tag_message(tag) : "");
    row->time = tagger ? tagger->when.time : 0;
}

static int row_add(const char *name, git_oid *oid, void *context)
{
    listing *l = context;
    git_object *object = NULL, *target = NULL;

    if (l->out->count >= REPO_REFS_COUNT_MAX)
        return repo_git_refuse(err_make(ERR_LIMIT, "more than %d tags", REPO_REFS_COUNT_MAX));
    /* A tag of something that is gone leads nowhere: it is no row. */
    if (git_object_lookup(&object, l->r->git, oid, GIT_OBJECT_ANY) != 0) return 0;
    if (git_object_type(object) != GIT_OBJECT_TAG || git_object_peel(&target, object, GIT_OBJECT_ANY) == 0) {
        l->out->rows = memory_resize_array(l->out->rows, l->out->count + 1, sizeof *l->out->rows);
        repo_tag *row = &l->out->rows[l->out->count++];
        git_object *end = target ? target : object;
        *row = (repo_tag){.name = memory_text(name + strlen(tags))};
        repo_id_of(git_object_id(end), &row->commit);
        if (git_object_type(object) == GIT_OBJECT_TAG)
            annotation_read((git_tag *)object, row);
        else if (git_object_type(end) == GIT_OBJECT_COMMIT)
            row->time = git_commit_time((git_commit *)end);
    }
    git_object_free(target);
    git_object_free(object);
    return 0;
}

static int row_order(const void *a, const void *b)
{
    return strcmp(((const repo_tag *)a)->name, ((const repo_tag *)b)->name);
}

err repo_tag_list(repo_handle *r, repo_tags *out)
{
    listing l = {r, out};
    err e = repo_git_check(git_tag_foreach(r->git, row_add, &l), "list the tags");
    if (e.code)
        repo_tags_free(out);
    else if (out->count)
        qsort(out->rows, out->count, sizeof *out->rows, row_order);
    return e;
}

/* ---- names ---- */

err repo_tag_name_check(const char *name) { return repo_ref_name_check("tag", name); }

static char *full_name(const char *name)
{
    bytes full = {0};
    bytes_append_text(&full, tags);
    bytes_append_text(&full, name);
    return bytes_take(&full);
}

/* ---- create ---- */

typedef struct tagging {
    repo_handle *r;
    const char *name;
    git_object *target;
    git_signature *tagger;
    const char *message;     /* NULL: lightweight */
    const char *signed_text; /* the whole object, when it is signed */
    bool force;
} tagging;

static int create_attempt(void *context)
{
    tagging *t = context;
    git_oid made;
    if (t->signed_text) return git_tag_create_from_buffer(&made, t->r->git, t->signed_text, t->force);
    if (t->message)
        return git_tag_create(&made, t->r->git, t->name, t->target, t->tagger, t->message, t->force);
    return git_tag_create_lightweight(&made, t->r->git, t->name, t->target, t->force);
}

/* The object's text with the signature below, as git writes it. */
static err signed_build(tagging *t, bytes *out)
{
    char hex[GIT_OID_HEXSZ + 1];
    bytes signature = {0};
    const git_signature *who = t->tagger;
    int offset = who->when.offset < 0 ? -who->when.offset : who->when.offset;

    bytes_printf(out, "object %s\ntype %s\ntag %s\ntagger %s <%s> %lld %c%02d%02d\n\n%s",
                 git_oid_tostr(hex, sizeof hex, git_object_id(t->target)),
                 git_object_type2string(git_object_type(t->target)), t->name, who->name, who->email,
                 (long long)who->when.time, who->when.offset < 0 ? '-' : '+', offset / 60, offset % 60,
                 t->message);
    err e = repo_sign(t->r, who, bytes_borrow(out), &signature);
    if (!e.code) bytes_append_view(out, bytes_borrow(&signature));
    bytes_free(&signature);
    return e;
}

static err annotation_make(tagging *t, const char *message, char **clean, bytes *text)
{
    err e = repo_message_clean(message, clean);
    if (!e.code) e = repo_signature_committer(t->r, &t->tagger);
    if (e.code) return e;
    t->message = *clean;
    if (!repo_signing_wanted(t->r, -1, "tag.gpgsign")) return ERR_OK;
    e = signed_build(t, text);
    t->signed_text = bytes_text(text);
    return e;
}

static err create_check(repo_handle *r, int status, const char *name)
{
    char *full = full_name(name);
    if (status < 0 && repo_ref_is_below(r, full)) status = GIT_EDIRECTORY;
    free(full);
    if (status == GIT_EEXISTS) return err_make(ERR_EXISTS, "a tag '%s' exists: --force moves it", name);
    if (status == GIT_EDIRECTORY)
        return err_make(ERR_EXISTS,
                        "'%s' cannot be: git keeps tags as files in folders, and another tag already is "
                        "that file or folder",
                        name);
    return repo_git_check(status, name);
}

err repo_tag_create(repo_handle *r, const char *name, const repo_ref *at, const char *message, bool force)
{
    tagging t = {.r = r, .name = name, .force = force};
    repo_gate *gate = NULL;
    git_oid id;
    char *clean = NULL;
    bytes text = {0};

    err e = repo_tag_name_check(name);
    if (!e.code) e = repo_oid_read(&at->commit, &id);
    if (!e.code)
        e = repo_git_check(git_object_lookup(&t.target, r->git, &id, GIT_OBJECT_ANY), "read the commit");
    if (!e.code && message) e = annotation_make(&t, message, &clean, &text);
    if (!e.code) e = repo_gate_enter(r, "tag", &gate);
    if (!e.code) e = create_check(r, repo_retry(create_attempt, &t), name);
    repo_gate_leave(gate);
    git_object_free(t.target);
    git_signature_free(t.tagger);
    free(clean);
    bytes_free(&text);
    return e;
}

/* ---- delete ---- */

err repo_tag_delete(repo_handle *r, const char *name, repo_id *was)
{
    repo_gate *gate = NULL;
    git_oid id;
    char *full = full_name(name);

    err e = repo_gate_enter(r, "tag", &gate);
    if (!e.code) {
        int status = git_reference_name_to_id(&id, r->git, full);
        if (status == 0) status = git_tag_delete(r->git, name);
        e = status == GIT_ENOTFOUND || status == GIT_EINVALIDSPEC
                ? err_make(ERR_NOT_FOUND, "there is no tag '%.60s'", name)
                : repo_git_check(status, name);
    }
    if (!e.code && was) repo_id_of(&id, was);
    repo_gate_leave(gate);
    free(full);
    return e;
}
