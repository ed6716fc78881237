/* repo/registry/models_internal.h: what the files of the registry share. */
#ifndef REPO_REGISTRY_MODELS_INTERNAL_H
#define REPO_REGISTRY_MODELS_INTERNAL_H

#include <stdint.h>

#include "repo/registry/cache.h"
#include "repo/registry/models.h"
#include "repo/registry/registry_json.h"

#define REGISTRY_FOLDER ".registry"
#define STAGING_FOLDER  ".staging"
#define TRASH_FOLDER    ".trash"

enum {
    MODEL_TRACKED_MAX = 256, /* files whose stamps are watched; with more, dirty is not known from lists */
    MODEL_REF_FOLDERS_MAX = 1000, /* folders below refs */
    MODEL_REFS_MAX = 20000,
    MODEL_CONFIG_BYTES_MAX = 4 << 20,
};

/* One folder of the models folder, or a row of the registry whose folder is gone. Signatures are of stamps
 * (size, times, inode) of files; 0: not to be trusted, look again. */
typedef struct model_entry {
    repo_model_row row;
    char *folder;      /* below the models folder: "org--model" */
    char *name_marked; /* what its git config calls it; NULL */
    char *uuid_marked; /* likewise */
    char *common_dir;  /* of its repository; NULL: none */
    char *git_watch;   /* paths below common_dir, a line each */
    char *file_watch;  /* paths below row.path, a line each */
    uint64_t git_signature, file_signature;
    bool changed; /* not yet in the cache */
    bool is_busy; /* somebody writes to it just now: what we saw may be half of it */
} model_entry;

struct repo_models {
    const repo_context *context;
    char *folder; /* real path */
    int folder_fd;
    repo_cache *cache;    /* NULL: none */
    model_entry *entries; /* sorted by row.name */
    size_t count;
    uint64_t registry_signature; /* of registry.json when the rows were joined with it */
    size_t opened_count;         /* repositories that were opened to look at them, for tests */
};

void model_entry_free(model_entry *entry); /* its texts */

/* ---- models_look.c, model_git.c, model_files.c: the facts of one folder ---- */

/* False: no model and no repository there. prior (may be NULL) is what was known: taken over when its
 * signatures hold, else freed. */
bool model_look(repo_models *m, const char *folder, model_entry *prior, model_entry *out);
void model_git_look(repo_models *m, model_entry *entry);
void model_files_look(model_entry *entry);
/* Over the stamps of `lines` below `base` (below the models folder or absolute); 0 when one is younger than
 * two seconds. */
uint64_t model_signature(const repo_models *m, const char *base, const char *lines);

/* ---- models_mark.c: the [hyprstream] section of a repository's config ---- */

void model_mark_read(const char *common_dir, char **uuid, char **name, char **url);
err model_mark_write(const char *common_dir, const char *uuid, const char *name); /* uuid NULL: taken away */
err model_mark_inside_gate(repo_handle *r, const char *uuid, const char *name);   /* enters it; the same */

/* ---- models_store.c: .registry, the repository of registry.json ---- */

typedef struct registry_lock {
    int fd;
} registry_lock;
/* Makes .registry when it is absent. Waits as the gate does; ERR_BUSY names the holder. */
err registry_lock_take(const repo_models *m, const char *verb, registry_lock *out);
void registry_lock_drop(registry_lock *lock); /* a zeroed or dropped one is fine */
/* Its last holder died inside: what that one left is taken away. Costs a look when nobody did. */
void registry_lock_heal(const repo_models *m);
/* An absent file is an empty registry. */
err registry_read(const repo_models *m, repo_registry *out);
uint64_t registry_stamp(const repo_models *m);
/* File, index and HEAD differ: somebody died between, or wrote it by hand. */
bool registry_is_uncommitted(const repo_models *m);
/* Under the lock: a file that cannot be read gets another name; *out is what was committed last. */
err registry_set_aside(repo_models *m, repo_registry *out);
/* Under the lock: the file, then the commit. uuid NULL: of none in particular. */
err registry_write(repo_models *m, const repo_registry *registry, const char *subject, const char *uuid);

/* ---- models_change.c ---- */

typedef struct registry_change {
    const char *uuid, *name, *folder;
    const char *url;  /* without a secret; NULL: none */
    const char *head; /* NULL: as it was */
} registry_change;
err model_name_is_free(const repo_models *m, const char *name); /* ERR_USAGE, ERR_EXISTS */
/* Under the lock. The commit says "<subject> repository: <name>". */
err registry_put(repo_models *m, const registry_change *change, const char *subject, const char *name);
err registry_take_away(repo_models *m, const char *uuid); /* one that is not there is fine */

/* ---- model_worktrees.c: linked worktrees of a repository that moves ---- */

/* Paths of the worktrees that are made of this repository, as it keeps them. */
void worktrees_paths(const char *common_dir, repo_names *out);
/* ERR_STATE names one that cannot be told its repository's new place: not mounted, on another machine. */
err worktrees_can_follow(const repo_models *m, const model_entry *entry);
/* The `.git` file of each worktree names its repository's place: write it where it names another. */
void worktrees_follow(const char *common_dir);

/* ---- models_join.c: folders and registry made one ---- */

err models_scan(repo_models *m, bool anew);
model_entry *models_entry(const repo_models *m, const char *name_or_uuid); /* NULL: none */
model_entry *models_entry_in(const repo_models *m, const char *folder);    /* NULL: none */
err models_none(const repo_models *m, const char *name); /* ERR_NOT_FOUND, with the nearest name */

/* ---- models_heal.c ---- */

/* What dead processes left in .staging and .trash. Costs three looks when there is nothing. */
void models_heal(repo_models *m);

/* ---- operation_work.c: a folder that is ours for a while, and its journal beside it ---- */

/* FOLDER/<kind>-<pid>-<nonce> and the same with ".json", which is locked (flock) while we live: whoever gets
 * the lock knows that its maker is dead. */
typedef struct work_folder {
    char *path, *journal;
    int fd;
} work_folder;
typedef struct work_note {
    const char *kind, *name, *uuid, *phase; /* each may be NULL but kind */
    bool brief; /* not waited for until it is on the disk: it helps after a kill, not after a power cut */
} work_note;
err work_begin(const char *models_folder, const char *parent, const work_note *note, work_folder *out);
err work_write(work_folder *work, const work_note *note);
void work_end(work_folder *work); /* what is left of the folder is deleted; a zeroed one is fine */
/* Each work of a dead process: `each` (may be NULL) sees it before it is deleted. */
void work_each_dead(const char *models_folder, const char *parent,
                    void (*each)(void *context, const char *path, const char *journal_text), void *context);

/* A worktree that is being made; the note's name is git's folder of it. */
#define WORKTREE_KIND "worktree"

/* A path moves into a work of the trash; work_end deletes it. */
#define REMOVE_KIND "remove"
err trash_move(const char *models_folder, const char *path, const work_note *note, work_folder *out);

/* rename that never replaces, and the folder made durable. ERR_EXISTS. */
err work_rename(const char *from, const char *to);

/* ---- copy_tree.c ---- */

/* Folders, files (sharing blocks where the file system can) and links into an empty folder. Told to `watch`.
 */
err tree_copy(const char *from, const char *to, const repo_watch *watch);

/* ---- models_remove.c ---- */

uint64_t folder_bytes(const char *path); /* of its files, each once; links are not followed */

/* ---- models_init.c ---- */

/* Inside a folder: `.git` with HEAD on the first branch, nothing committed. */
err repository_make(const repo_context *context, const char *folder);
/* What is large under LFS: lines of .gitattributes that its repository lacks. */
err attributes_write(const repo_context *context, const char *folder);

/* ---- cache_rows.c ---- */

void cache_rows_read(repo_models *m);  /* into m->entries; none on any trouble */
void cache_rows_write(repo_models *m); /* those that changed; those that are gone */

#endif
