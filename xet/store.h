/* xet/store.h: large files by the SHA-256 of their content, in git-lfs's own places.
 *
 * FOLDER/objects/ab/cd/<oid>, mode 0444; FOLDER is `<common git dir>/lfs` (or lfs.storage) and shared with
 * git-lfs. Objects appear by rename when they are whole and verified, and never change. Half-made ones lie in
 * FOLDER/tmp (downloads that can be resumed: FOLDER/incomplete/<oid>).
 * Threads: a store is a name and may be used from any thread; a writer belongs to one. */
#ifndef XET_STORE_H
#define XET_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/sha256.h"
#include "xet/pointer.h"

typedef struct xet_store xet_store;
typedef struct xet_writer xet_writer;

xet_store *xet_store_new(const char *folder);            /* nothing is made before the first object */
void xet_store_free(xet_store *s);                       /* NULL is fine */
const char *xet_store_borrow_folder(const xet_store *s); /* valid as long as s */

char *xet_store_path(const xet_store *s, const char *oid); /* where the object is or would be; caller frees */
char *xet_store_part_path(const xet_store *s, const char *oid); /* of a download that can be resumed */
/* The object is there and has this size (a wrong size counts as absent). No hashing. */
bool xet_store_has(const xet_store *s, const char *oid, uint64_t size);
/* Hash the object again: ERR_FORMAT when it is not what its name says, ERR_NOT_FOUND when it is absent. */
err xet_store_verify(const xet_store *s, const char *oid);

/* Content in, pointer out: hashed while it is written to FOLDER/tmp. */
err xet_writer_open(xet_store *s, xet_writer **out);
/* ERR_IO: the disk is full, say; the writer can only be freed then. */
err xet_writer_write(xet_writer *w, const void *data, size_t size);
/* Make it an object (fsync, rename; one that is there already stays). Frees w, also on failure. */
err xet_writer_publish(xet_writer *w_taken, xet_pointer *out);
void xet_writer_free(xet_writer *w); /* gives up what was written; NULL is fine */

/* A file as an object without reading it into memory: reflink when the file system can, else copied while it
 * is hashed. */
err xet_store_add_file(xet_store *s, const char *path, xet_pointer *out);
/* A finished download: verified against oid and size, then renamed into place. ERR_FORMAT: it is something
 * else; the file is removed then. */
err xet_store_adopt(xet_store *s, const char *path, const char *oid, uint64_t size);

/* Every object; false from `each` ends the walk. */
err xet_store_each(const xet_store *s, bool (*each)(void *context, const char *oid, uint64_t size),
                   void *context);
/* And the folders that are empty then. ERR_NOT_FOUND, ERR_IO. */
err xet_store_remove(xet_store *s, const char *oid);

#endif
