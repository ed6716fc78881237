/* ui/app/adapter_files.h: putting adapters into a model's folder, renaming and removing them, as a person
 * would.
 *
 * An adapter is adapters/NN_name.safetensors with NN_name.config.json and perhaps NN_name.train.json; or a
 * PEFT folder adapters/NAME. Nothing here knows git: the changes are the worktree's. */
#ifndef UI_APP_ADAPTER_FILES_H
#define UI_APP_ADAPTER_FILES_H

#include "base/bytes.h"
#include "base/err.h"
#include "ui/app/adapters.h"

enum { UI_ADAPTER_INDEX_MAX = 999, UI_ADAPTER_FILES_MAX = 4 };

/* NN of "NN_name"; -1: it has no number. */
int ui_adapter_index(const char *name);
/* "name" of "NN_name", borrowed from name. */
const char *ui_adapter_bare_name(const char *name);
/* One more than the largest in use; 1 where there is none. */
int ui_adapter_next_index(const ui_adapter_list *list);
/* "07_style"; three digits when they are needed. The caller's: free(). */
char *ui_adapter_full_name(int index, const char *bare);

/* Names of the files of an adapter, "adapters/07_style.config.json", that are in the folder. */
typedef struct ui_adapter_paths {
    char *paths[UI_ADAPTER_FILES_MAX];
    size_t count;
} ui_adapter_paths;
/* Those of `name` below a model's folder; none: count 0. *out is the caller's: ui_adapter_paths_free. */
void ui_adapter_paths_find(const char *folder, const char *name, ui_adapter_paths *out);
void ui_adapter_paths_free(ui_adapter_paths *paths); /* a zeroed one is fine */

/* Both files, the config first: without it the weights are no adapter yet. Those that stand there are
 * replaced. */
err ui_adapter_write(const char *folder, const char *name, bytes_view weights, bytes_view config);
/* ERR_EXISTS: something is called so. A failure in between is undone. */
err ui_adapter_move(const char *folder, const char *from, const char *to);
/* All files of it; none there is fine. ERR_IO. */
err ui_adapter_delete(const char *folder, const char *name);

#endif
