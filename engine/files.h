/* engine/files.h: a named set of byte sources, where a model's files come from.
 *
 * A folder, or whatever else answers the questions of engine_files_kind: a commit of a repository. Files are
 * named by plain names
 * ("config.json", "additional_chat_templates/tool_use.jinja"): no absolute path, no "..".
 * Threads: a set belongs to the thread that uses it. A mapping is an immutable, counted value and may be
 * shared and freed from any thread; it outlives the set it came from. */
#ifndef ENGINE_FILES_H
#define ENGINE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

typedef struct engine_files engine_files;
typedef struct engine_mapping engine_mapping;

enum { ENGINE_FILES_COUNT_MAX = 20000, ENGINE_FILES_DEPTH_MAX = 3 };

/* The files of a folder (and of its sub-folders, two levels down), sorted by name. Errors: ERR_NOT_FOUND,
 * ERR_FORMAT (no folder), ERR_IO, ERR_LIMIT (more than ENGINE_FILES_COUNT_MAX). */
err engine_files_open_folder(const char *path, engine_files **out);
void engine_files_free(engine_files *f); /* NULL is fine */

/* What somebody else's files must be able to tell; i counts as given to engine_files_open_kind. Each err
 * names the file. */
typedef struct engine_files_kind {
    err (*content_id)(void *context, size_t i, bytes *out);
    err (*read)(void *context, size_t i, size_t bytes_max, bytes *out);
    err (*map)(void *context, size_t i, engine_mapping **out);
    void (*free)(void *context);
} engine_files_kind;

/* `context_taken` is the set's from now on, also on failure. names[i], sizes[i]: of `count` files, copied; a
 * name that leads elsewhere is left out. title, place: as below, copied. ERR_LIMIT. */
err engine_files_open_kind(const engine_files_kind *kind, void *context_taken, const char *title,
                           const char *place, const char *const *names, const uint64_t *sizes, size_t count,
                           engine_files **out);

/* Its name: the last part of the folder's real path. Where it is: the path as it was given. Borrowed from f.
 */
const char *engine_files_borrow_title(const engine_files *f);
const char *
engine_files_borrow_place(const engine_files *f); /* what messages call it: the folder's path, say */

size_t engine_files_count(const engine_files *f);                      /* of all files */
const char *engine_files_borrow_name(const engine_files *f, size_t i); /* i < count; borrowed from f */
uint64_t engine_files_size(const engine_files *f, size_t i);           /* bytes, when the set was opened */
bool engine_files_has(const engine_files *f, const char *name);        /* a file of exactly this name */

/* A whole small file into *out (which must be empty). Errors: ERR_NOT_FOUND, ERR_LIMIT (larger than
 * bytes_max), ERR_IO; each names the place. */
err engine_files_read(engine_files *f, const char *name, size_t bytes_max, bytes *out);
/* The same, but an absent file is no error: *out stays empty. */
err engine_files_read_optional(engine_files *f, const char *name, size_t bytes_max, bytes *out);

/* A large file mapped read-only. The caller's: engine_mapping_free. An empty file gives an empty view. */
err engine_files_map(engine_files *f, const char *name, engine_mapping **out);

/* What stands for the bytes of this file without reading them, as text appended to *out. Equal ids mean equal
 * bytes. For a folder: device, inode, size and time of change of the file behind the name. */
err engine_files_content_id(engine_files *f, const char *name, bytes *out);

/* A Git LFS pointer stands where the content should be: it has not been fetched. */
bool engine_files_is_pointer(bytes_view content);

bytes_view engine_mapping_view(const engine_mapping *m); /* valid while the caller holds m */
const char *
engine_mapping_borrow_place(const engine_mapping *m);          /* "folder/model.safetensors", for messages */
engine_mapping *engine_mapping_share(const engine_mapping *m); /* one more reference: engine_mapping_free */
void engine_mapping_free(engine_mapping *m);                   /* NULL is fine */
/* These bytes of its view need not stay in memory: they are read from the file again when they are wanted. */
void engine_mapping_let_go(const engine_mapping *m, bytes_view part);
/* A file of the disk as a mapping; `place` is what messages call it. */
err engine_mapping_of_file(const char *path, const char *place, engine_mapping **out);
/* Bytes that a program made itself: freed (free()) with the last reference. */
engine_mapping *engine_mapping_of_memory(void *data_taken, size_t size, const char *place);

#endif
