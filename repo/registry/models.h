/* repo/registry/models.h: the models folder: which models there are and in what state.
 *
 * The truth is in three places: each repository's `[hyprstream]` config section, `.registry/registry.json`
 * (one commit per change), the sqlite cache. Folders win over json, json over sqlite; opening heals what a
 * kill left between them, finishes or undoes half-made operations, empties the trash. A folder with a
 * config.json that is no repository is a row too, so is what is missing, broken or not ours: with the reason.
 * Threads: belongs to the thread that opened it. Changes hold flock(.registry/lock). */
#ifndef REPO_REGISTRY_MODELS_H
#define REPO_REGISTRY_MODELS_H

#include "repo/handle.h"

enum { REPO_MODELS_COUNT_MAX = 4096 };

typedef struct repo_models repo_models;

typedef enum repo_model_state {
    REPO_MODEL_READY,
    REPO_MODEL_PLAIN, /* a folder with a model, no repository: loadable, adopt makes it one */
    REPO_MODEL_MISSING,
    REPO_MODEL_BROKEN,
    REPO_MODEL_FOREIGN, /* a repository that libgit2 cannot open: loadable, not writable */
    REPO_MODEL_NOT_YOURS,
} repo_model_state;
const char *repo_model_state_name(repo_model_state state); /* "ready", "plain", ... */

/* What lists show, from the cache when its signatures still hold. */
typedef struct repo_model_row {
    char *name, *path, *uuid; /* uuid NULL: not registered */
    char *url;                /* of origin, without user or password; NULL */
    repo_model_state state;
    char *why;    /* of a state that is not ready; NULL */
    char *branch; /* "main"; NULL: detached or no repository */
    repo_id head;
    int ahead, behind; /* of the upstream; -1: no upstream or not known */
    int dirty;         /* 1, 0; -1: not known without a look at the files */
    size_t branch_count, tag_count, worktree_count, adapter_count;
    bool shallow;
    /* of config.json and the weights' files */
    char *architecture;              /* model_type; NULL: no readable config.json */
    char *dtype;                     /* as stored: "bfloat16"; NULL */
    uint64_t parameters, file_bytes; /* estimate; of weights, of their content also where pointers stand */
    size_t context_max, layer_count, hidden_size, vocab_count, head_count, kv_head_count, head_dim;
    size_t weight_count;  /* *.safetensors beside config.json */
    char *pointer;        /* the first of them that is a pointer still, "model.safetensors"; NULL: none */
    size_t missing_count; /* pointers whose object is not here */
    bool has_template;
} repo_model_row;

/* Creates the folder when absent. Heals. Never fails for one bad model. */
err repo_models_open(const repo_context *c, repo_models **out);
void repo_models_free(repo_models *m); /* NULL is fine */
/* The models folder, real path; valid as long as m. */
const char *repo_models_borrow_folder(const repo_models *m);
const repo_context *repo_models_borrow_context(const repo_models *m); /* that it was opened with */

/* Sorted by name. Borrowed from m until the next change or refresh. */
size_t repo_models_count(const repo_models *m);
/* Row i, below the count; valid until the next refresh or change. */
const repo_model_row *repo_models_borrow(const repo_models *m, size_t i);
const repo_model_row *repo_models_find(const repo_models *m, const char *name_or_uuid); /* NULL: none */

/* Look again: only what changed is opened (200 unchanged models: under 10 ms). */
err repo_models_refresh(repo_models *m);
err repo_models_reread(repo_models *m); /* look at each again, whether it changed or not */
/* Everything anew from the folders, and repositories that are in no registry yet are put into it. *found,
 * *lost may be NULL. */
err repo_models_rescan(repo_models *m, size_t *found, size_t *lost);

/* A repository that stands in the folder (placed by an operation) becomes registered: config, json, cache. */
err repo_models_register(repo_models *m, const char *name, const char *url);
/* A new, empty model: `main`, .gitattributes, the first commit. ERR_EXISTS. */
err repo_models_init(repo_models *m, const char *name);
/* A folder that lies in the models folder, or a path elsewhere, which is moved in (move) or copied. A folder
 * without a repository gets one; its files are left for the person to commit. */
err repo_models_adopt(repo_models *m, const char *path, const char *name, bool move);
/* Folder, config, registry and worktrees follow. ERR_EXISTS, ERR_NOT_FOUND, ERR_USAGE (name), ERR_STATE (a
 * worktree is not mounted). */
err repo_models_rename(repo_models *m, const char *name, const char *new_name);
/* Of the registry's row; without a login. ERR_NOT_FOUND. */
err repo_models_set_url(repo_models *m, const char *name, const char *url);

/* What a removal would lose, to be said before it. */
typedef struct repo_removal {
    uint64_t bytes;
    repo_names unpushed; /* branches and tags with commits that no remote has */
    repo_names mounted;  /* worktrees that are mounted: remove refuses */
    bool dirty;
} repo_removal;
/* What would be lost; repo_removal_free(). ERR_NOT_FOUND. */
err repo_models_look_at_removal(repo_models *m, const char *name, repo_removal *out);
void repo_removal_free(repo_removal *removal); /* a zeroed one is fine */
typedef enum repo_remove_what {
    REPO_REMOVE_ALL,
    REPO_REMOVE_REGISTRY_ONLY,
    REPO_REMOVE_FILES_ONLY
} repo_remove_what;
/* Renamed out of sight, then deleted. ERR_STATE: a worktree is mounted; ERR_NOT_FOUND. */
err repo_models_remove(repo_models *m, const char *name, repo_remove_what what);

/* The handle of a model by name or uuid; ERR_NOT_FOUND with the nearest name. */
err repo_models_open_model(repo_models *m, const char *name, repo_handle **out);

#endif
