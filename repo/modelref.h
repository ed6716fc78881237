/* repo/modelref.h: MODEL as people write it: name[:ref][+adapter[@scale]]...
 *
 * Pure text: no disk, no git. Looking up is repo/resolve.h. Grammar: a model name of at most 50 bytes and two
 * segments; cut at every '+'; in the first piece the first ':' splits, in the others the first '@'. */
#ifndef REPO_MODELREF_H
#define REPO_MODELREF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"

enum { REPO_MODELREF_BYTES_MAX = 4096, REPO_MODEL_NAME_BYTES_MAX = 50, REPO_MODELREF_ADAPTERS_MAX = 64 };

typedef enum repo_word_kind { REPO_WORD_NAME, REPO_WORD_PATH, REPO_WORD_URL } repo_word_kind;

/* What a MODEL argument is: a url (scheme://, user@host:path, x::y), a path (/, ./, ../, ~), else a name. */
repo_word_kind repo_word_kind_of(const char *word);

typedef struct repo_modelref_adapter {
    char *name;
    double scale; /* -4 to 4 */
} repo_modelref_adapter;

typedef struct repo_modelref {
    bool is_path; /* model is a path; its ref and adapters are written the same way */
    char *model;
    char *ref; /* "" : what the checkout is on */
    repo_modelref_adapter adapters[REPO_MODELREF_ADAPTERS_MAX];
    size_t adapter_count;
} repo_modelref;

/* ERR_USAGE says the place and what was expected. A url is refused by name. */
err repo_modelref_parse(const char *text, repo_modelref *out);
void repo_modelref_print(const repo_modelref *m, bytes *out); /* reads back to the same */
void repo_modelref_free(repo_modelref *m);                    /* a zeroed one is fine */

/* A name that a model may have: the grammar, not reserved (api admin registry system test). ERR_USAGE. */
err repo_model_name_check(const char *name);
/* Its folder: '/' is written "--". The caller frees. */
char *repo_model_folder_name(const char *name);

#endif
