/* repo/registry/registry_json.h: the text of `.registry/registry.json`.
 *
 * The public format, version "2.x": repositories by uuid. What we do not know is kept as it was; keys are
 * written sorted, so that a change is a small diff. Read with hard limits: the file may come from anywhere.
 * A row that lies (a path out of the models folder, a name or a folder that another row has) is left out and
 * told; a file that is no registry is ERR_FORMAT, and the caller makes it anew from the folders.
 * Pure text: no disk, no git. */
#ifndef REPO_REGISTRY_REGISTRY_JSON_H
#define REPO_REGISTRY_REGISTRY_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "repo/registry/uuid.h"

enum {
    REPO_REGISTRY_BYTES_MAX = 16 << 20,
    REPO_REGISTRY_DEPTH_MAX = 16,
    REPO_REGISTRY_URL_BYTES_MAX = 2048,
    REPO_REGISTRY_PATH_BYTES_MAX = 4096,
};

typedef struct repo_registry_row {
    char uuid[REPO_UUID_SIZE];
    char *name;   /* "org/model" */
    char *folder; /* in the models folder: "org--model", or "x/x.git" as others write it */
    char *url;    /* of origin, without user or password; NULL */
    int64_t registered_at;
    char current_oid[41];      /* when it was registered or renamed; "": none */
    const json_node *original; /* of the file that was read, for what we do not know; NULL */
} repo_registry_row;

typedef struct repo_registry {
    repo_registry_row *rows; /* sorted by uuid */
    size_t count;
    size_t refused_count; /* rows that lied */
    char refused[256];    /* why, of the first */
    arena nodes;
    bytes source;
    const json_node *root;
} repo_registry;

/* models_folder (real path): absolute paths of others are taken when they lie in it. text: at most
 * REPO_REGISTRY_BYTES_MAX, copied. Errors: ERR_FORMAT, ERR_LIMIT, ERR_UNSUPPORTED (a version that we must not
 * rewrite). *out is untouched on failure. */
err repo_registry_parse(bytes_view text, const char *models_folder, repo_registry *out);
/* Keys sorted, so that a change is a small diff; appended to out. */
void repo_registry_print(const repo_registry *registry, bytes *out);
void repo_registry_free(repo_registry *registry); /* a zeroed one is an empty registry */

repo_registry_row *repo_registry_find(const repo_registry *registry, const char *uuid); /* NULL: none */
/* The row of this uuid, made when there is none; valid until the next change. */
repo_registry_row *repo_registry_put(repo_registry *registry, const char *uuid);
void repo_registry_drop(repo_registry *registry, const char *uuid); /* none of that uuid is fine */
void repo_registry_set(char **text, const char *value); /* replaces a text of a row; NULL is fine */

/* A url without user and password: "https://u:p@host/x" is "https://host/x". ssh keeps its user, which is no
 * secret. The caller frees. */
char *repo_url_without_secret(const char *url);

#endif
