/* xet/store_internal.h: what the files of xet/ share about the store. */
#ifndef XET_STORE_INTERNAL_H
#define XET_STORE_INTERNAL_H

#include "xet/store.h"

/* A fresh file in FOLDER/tmp, open for reading and writing; *path is the caller's. */
err xet_store_temporary(const xet_store *s, char **path, int *fd);
/* The file at fd and path, whose content has been hashed by the caller, becomes the object: made durable,
 * read-only, renamed. An object that is there already stays, and the file is removed. */
err xet_store_install(const xet_store *s, const char *path, int fd, const char *oid, uint64_t size);

/* All of the file `from` into a fresh writer, whose blocks it shares when the file system can. go_on (may be
 * NULL) is asked with the bytes so far; false is ERR_CANCELLED. path: for sentences. */
err xet_writer_fill(xet_writer *w, int from, const char *path, bool (*go_on)(void *context, uint64_t done),
                    void *context);
/* Publish as this object; ERR_FORMAT: it is something else. Frees w, also on failure. */
err xet_writer_publish_as(xet_writer *w_taken, const char *oid, uint64_t size);

#endif
