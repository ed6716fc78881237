/* ui/cmd/adapter_files.h: writing a new adapter into a model, for the verbs that make one. */
#ifndef UI_CMD_ADAPTER_FILES_H
#define UI_CMD_ADAPTER_FILES_H

#include "engine/arch/modules.h"
#include "engine/combine.h"
#include "engine/stack.h"
#include "ui/cmd/adapter_open.h"

/* "07_style" from "style" (the next number, or --index), or from "07_style". The caller's: free(). ERR_EXISTS
 * unless
 * --force is given; ERR_USAGE. */
err ui_adapter_new_name(ui_adapter_work *w, const char *bare, char **out);
/* Write both files, read them back as anybody will, and tell: "VERB NAME: rank ...". */
err ui_adapter_put(ui_adapter_work *w, const char *name, bytes_view weights, bytes_view config,
                   const char *verb);
/* Combine and put. */
err ui_adapter_put_combined(ui_adapter_work *w, const char *bare, const engine_combine_item *items,
                            size_t count, const engine_combine_options *how);

#endif
