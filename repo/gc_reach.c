/* repo/gc_reach.c: the large files that commits, trees and indexes point to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/gc.h"
#include "repo/gc_internal.h"

enum { TREE_DEPTH_MAX = 64, LINE_BYTES_MAX = 4096, SET_FIRST = 256, HEADS_BYTES_MAX = 1 << 20 };

/* ---- sets ---- */

static size_t slot_of(const key_set *set, const unsigned char *key)
{
    size_t at;
    memcpy(&at, key, sizeof at); /* hashes are as good as random */
    at &= set->capacity - 1;
    while (set->used[at] && memcmp(set->keys + at * set->key_size, key, set->key_size) != 0)
        at = (at + 1) & (set->capacity - 1);
    return at;
}

static void grow(key_set *set)
{
    key_set larger = {.key_size = set->key_size, .capacity = set->capacity ? set->capacity * 2 : SET_FIRST};

    larger.keys = memory_resize_array(NULL, larger.capacity, larger.key_size);
    larger.used = memory_alloc(larger.capacity);
    for (size_t i = 0; i < set->capacity; i++) {
        if (!set->used[i]) continue;
        size_t at = slot_of(&larger, set->keys + i * set->key_size);
        memcpy(larger.keys + at * set->key_size, set->keys + i * set->key_size, set->key_size);
        larger.used[at] = true;
    }
    larger.count = set->count;
    key_set_free(set);
    *set = larger;
}

bool key_set_has(const key_set *set, const unsigned char *key)
{
    return set->count && set->used[slot_of(set, key)];
}

bool key_set_add(key_set *set, const unsigned char *key)
{
    if (set->count * 4 >= set->capacity * 3) grow(set);
    size_t at = slot_of(set, key);
    if (set->used[at]) return false;
    memcpy(set->keys + at * set->key_size, key, set->key_size);
    set->used[at] = true;
    set->count++;
    return true;
}

void key_set_free(key_set *set)
{
    free(set->keys);
    free(set->used);
    *set = (key_set){.key_size = set->key_size};
}

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

void gc_oid_bytes(const char *hex, unsigned char out[32])
{
    for (size_t i = 0; i < 32; i++) out[i] = (unsigned char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
}

/* ---- blobs and trees ---- */

static err blob_look(gc_reach *reach, git_odb *odb, const git_oid *id)
{
    git_odb_object *object = NULL;
    git_object_t type;
    size_t size;
    xet_pointer pointer;

    if (!key_set_add(&reach->blobs, id->id)) return ERR_OK;
    int status = git_odb_read_header(&size, &type, odb, id);
    if (status == GIT_ENOTFOUND) return ERR_OK; /* a blob that is lost points to nothing that we could lose */
    err e = repo_git_check(status, "read an object");
    if (e.code || size > XET_POINTER_BYTES_MAX) return e;
    e = repo_git_check(git_odb_read(&object, odb, id), "read an object");
    if (!e.code &&
        xet_pointer_parse((bytes_view){git_odb_object_data(object), git_odb_object_size(object)}, &pointer)) {
        unsigned char key[32];
        gc_oid_bytes(pointer.oid, key);
        key_set_add(&reach->needed, key);
    }
    git_odb_object_free(object);
    return e;
}

static err tree_look(gc_reach *reach, git_odb *odb, const git_oid *id, int depth)
{
    git_tree *tree = NULL;

    if (!key_set_add(&reach->trees, id->id)) return ERR_OK;
    if (depth > TREE_DEPTH_MAX)
        return err_make(ERR_LIMIT, "folders are nested deeper than %d", TREE_DEPTH_MAX);
    err e = repo_git_check(git_tree_lookup(&tree, reach->r->git, id), "read a tree");
    for (size_t i = 0; !e.code && i < git_tree_entrycount(tree); i++) {
        const git_tree_entry *entry = git_tree_entry_byindex(tree, i);
        if (git_tree_entry_type(entry) == GIT_OBJECT_TREE)
            e = tree_look(reach, odb, git_tree_entry_id(entry), depth + 1);
        else if (git_tree_entry_type(entry) == GIT_OBJECT_BLOB)
            e = blob_look(reach, odb, git_tree_entry_id(entry));
    }
    git_tree_free(tree);
    return e;
}

/* ---- where commits come from ---- */

/* Anything that peels to a commit is walked from; a ref to a blob or tree is looked at as it is. */
static err root_add(gc_reach *reach, git_odb *odb, const git_oid *id)
{
    git_object *object = NULL, *peeled = NULL;

    if (git_oid_is_zero(id)) return ERR_OK;
    int status = git_object_lookup(&object, reach->r->git, id, GIT_OBJECT_ANY);
    if (status == GIT_ENOTFOUND) return ERR_OK; /* an old reflog entry whose object git has pruned */
    err e = repo_git_check(status, "read an object");
    /* Of what is no tag, "peel" would go one further, from a commit to its tree. */
    if (!e.code && git_object_type(object) == GIT_OBJECT_TAG)
        e = repo_git_check(git_object_peel(&peeled, object, GIT_OBJECT_ANY), "follow a tag");
    else if (!e.code)
        e = repo_git_check(git_object_dup(&peeled, object), "read an object");
    if (!e.code && git_object_type(peeled) == GIT_OBJECT_COMMIT)
        e = repo_git_check(git_revwalk_push(reach->walk, git_object_id(peeled)), "walk from a commit");
    else if (!e.code && git_object_type(peeled) == GIT_OBJECT_TREE)
        e = tree_look(reach, odb, git_object_id(peeled), 0);
    else if (!e.code && git_object_type(peeled) == GIT_OBJECT_BLOB)
        e = blob_look(reach, odb, git_object_id(peeled));
    git_object_free(peeled);
    git_object_free(object);
    return e;
}

static err refs_add(gc_reach *reach, git_odb *odb)
{
    git_reference_iterator *all = NULL;
    git_reference *ref = NULL;

    err e = repo_git_check(git_reference_iterator_new(&all, reach->r->git), "list the refs");
    while (!e.code && git_reference_next(&ref, all) == 0) {
        const git_oid *id = git_reference_target(ref);
        if (id) e = root_add(reach, odb, id);
        git_reference_free(ref);
    }
    git_reference_iterator_free(all);
    return e;
}

/* A line of a reflog: "<old> <new> Name <email> seconds zone\tmessage". Of a stash each line is a stash. */
static err reflog_line_add(gc_reach *reach, git_odb *odb, const char *line, bool is_stash)
{
    git_oid id;
    const char *mail_end = strchr(line, '>');

    if (strlen(line) < 82 || !mail_end) return ERR_OK;
    if (!is_stash && strtoll(mail_end + 1, NULL, 10) < reach->since) return ERR_OK;
    err e = ERR_OK;
    if (git_oid_fromstrn(&id, line, 40) == 0) e = root_add(reach, odb, &id);
    if (!e.code && git_oid_fromstrn(&id, line + 41, 40) == 0) e = root_add(reach, odb, &id);
    return e;
}

static err reflog_add(gc_reach *reach, git_odb *odb, const char *path)
{
    char line[LINE_BYTES_MAX];
    err e = ERR_OK;
    bool is_stash = strcmp(file_name(path), "stash") == 0;
    FILE *file = fopen(path, "re");

    if (!file) return ERR_OK;
    while (!e.code && fgets(line, sizeof line, file)) e = reflog_line_add(reach, odb, line, is_stash);
    fclose(file);
    return e;
}

static err reflogs_add(gc_reach *reach, git_odb *odb, const char *folder, int depth)
{
    file_list names = {0};
    err e = ERR_OK;

    if (depth > TREE_DEPTH_MAX || file_list_folder(folder, &names).code) return ERR_OK;
    for (size_t i = 0; i < names.count && !e.code; i++) {
        char *path = file_join(folder, names.names[i]);
        e = file_is_folder(path) ? reflogs_add(reach, odb, path, depth + 1) : reflog_add(reach, odb, path);
        free(path);
    }
    file_list_free(&names);
    return e;
}

/* An id at the beginning of each line; what is none is skipped. */
static err lines_add(gc_reach *reach, git_odb *odb, const char *text)
{
    git_oid id;
    err e = ERR_OK;

    while (*text && !e.code) {
        size_t size = strcspn(text, "\n");
        if (size >= 40 && git_oid_fromstrn(&id, text, 40) == 0) e = root_add(reach, odb, &id);
        text += size + (text[size] == '\n');
    }
    return e;
}

/* HEAD, ORIG_HEAD, MERGE_HEAD, CHERRY_PICK_HEAD, ...: files of one id a line, or a symbolic ref. */
static err heads_add(gc_reach *reach, git_odb *odb, const char *git_dir)
{
    file_list names = {0};
    err e = ERR_OK;

    if (file_list_folder(git_dir, &names).code) return ERR_OK;
    for (size_t i = 0; i < names.count && !e.code; i++) {
        CLEANUP(bytes_free) bytes text = {0};
        size_t size = strlen(names.names[i]);
        if (size < 4 || strcmp(names.names[i] + size - 4, "HEAD") != 0) continue;
        char *path = file_join(git_dir, names.names[i]);
        if (!file_read(path, HEADS_BYTES_MAX, &text).code) e = lines_add(reach, odb, bytes_text(&text));
        free(path);
    }
    file_list_free(&names);
    return e;
}

/* What is under way keeps ids in files, too. */
static err files_add(gc_reach *reach, git_odb *odb, const char *git_dir)
{
    static const char *const names[] = {
        "AUTO_MERGE",        "MERGE_AUTOSTASH",        "rebase-merge/autostash", "rebase-merge/orig-head",
        "rebase-merge/onto", "rebase-apply/autostash", "rebase-apply/orig-head"};
    err e = ERR_OK;

    for (size_t i = 0; i < COUNT_OF(names) && !e.code; i++) {
        CLEANUP(bytes_free) bytes text = {0};
        char *path = file_join(git_dir, names[i]);
        if (!file_read(path, HEADS_BYTES_MAX, &text).code) e = lines_add(reach, odb, bytes_text(&text));
        free(path);
    }
    return e;
}

/* refs/worktree, refs/bisect, refs/rewritten of a linked worktree, which no list of refs shows elsewhere. */
static err own_refs_add(gc_reach *reach, git_odb *odb, const char *folder, int depth)
{
    file_list names = {0};
    err e = ERR_OK;

    if (depth > TREE_DEPTH_MAX || file_list_folder(folder, &names).code) return ERR_OK;
    for (size_t i = 0; i < names.count && !e.code; i++) {
        CLEANUP(bytes_free) bytes text = {0};
        char *path = file_join(folder, names.names[i]);
        if (file_is_folder(path))
            e = own_refs_add(reach, odb, path, depth + 1);
        else if (!file_read(path, LINE_BYTES_MAX, &text).code)
            e = lines_add(reach, odb, bytes_text(&text));
        free(path);
    }
    file_list_free(&names);
    return e;
}

static err index_add(gc_reach *reach, git_odb *odb, const char *git_dir)
{
    git_index *index = NULL;
    char *path = file_join(git_dir, "index");
    err e = ERR_OK;

    if (file_exists(path)) e = repo_git_check(git_index_open(&index, path), path);
    for (size_t i = 0; !e.code && index && i < git_index_entrycount(index); i++) {
        const git_index_entry *entry = git_index_get_byindex(index, i);
        if (entry->mode != GIT_FILEMODE_COMMIT) e = blob_look(reach, odb, &entry->id);
    }
    git_index_free(index);
    free(path);
    return e;
}

static err git_dir_add(gc_reach *reach, git_odb *odb, const char *git_dir)
{
    char *logs = file_join(git_dir, "logs");
    err e = heads_add(reach, odb, git_dir);
    if (!e.code) e = files_add(reach, odb, git_dir);
    if (!e.code) e = index_add(reach, odb, git_dir);
    if (!e.code) e = reflogs_add(reach, odb, logs, 0);
    free(logs);
    return e;
}

/* The repository's own and that of each linked worktree. */
static err git_dirs_add(gc_reach *reach, git_odb *odb)
{
    char *folder = file_join(reach->r->common_dir, "worktrees");
    file_list names = {0};

    err e = git_dir_add(reach, odb, reach->r->common_dir);
    if (file_list_folder(folder, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count && !e.code; i++) {
        char *path = file_join(folder, names.names[i]);
        char *refs = file_join(path, "refs");
        e = git_dir_add(reach, odb, path);
        if (!e.code) e = own_refs_add(reach, odb, refs, 0);
        free(refs);
        free(path);
    }
    file_list_free(&names);
    free(folder);
    return e;
}

/* ---- all of it ---- */

static err commits_look(gc_reach *reach, git_odb *odb)
{
    repo_progress progress = {.phase = REPO_COUNTING};
    git_oid id;
    err e = ERR_OK;
    int status = 0;

    while (!e.code && (status = git_revwalk_next(&id, reach->walk)) == 0) {
        git_commit *commit = NULL;
        e = repo_git_check(git_commit_lookup(&commit, reach->r->git, &id), "read a commit");
        if (!e.code) e = tree_look(reach, odb, git_commit_tree_id(commit), 0);
        git_commit_free(commit);
        if (++progress.done > REPO_GC_COMMITS_MAX)
            e = err_make(ERR_LIMIT, "more than %d commits", REPO_GC_COMMITS_MAX);
        if (!e.code && !repo_watch_tell(&reach->r->context->watch, &progress))
            e = err_make(ERR_CANCELLED, "gc was cancelled, nothing was removed");
    }
    /* Older versions stop with -3 where a shallow history ends: that is its end. */
    if (!e.code && status != GIT_ITEROVER &&
        !(status == GIT_ENOTFOUND && git_repository_is_shallow(reach->r->git) == 1))
        e = repo_git_check(status, "walk the commits");
    return e;
}

err gc_reach_all(gc_reach *reach)
{
    git_odb *odb = NULL;

    reach->trees.key_size = reach->blobs.key_size = GIT_OID_RAWSZ;
    reach->needed.key_size = 32;
    err e = repo_git_check(git_repository_odb(&odb, reach->r->git), "open the object database");
    if (!e.code) e = repo_git_check(git_revwalk_new(&reach->walk, reach->r->git), "walk the commits");
    if (!e.code) e = refs_add(reach, odb);
    if (!e.code) e = git_dirs_add(reach, odb);
    if (!e.code) e = commits_look(reach, odb);
    git_odb_free(odb);
    return e;
}

void gc_reach_free(gc_reach *reach)
{
    git_revwalk_free(reach->walk);
    key_set_free(&reach->trees);
    key_set_free(&reach->blobs);
    key_set_free(&reach->needed);
}
