/* repo/registry/model_files.h: what the files of a model say without being loaded.
 *
 * config.json and sizes; pointers count as their content. Nothing here knows git. */
#ifndef REPO_REGISTRY_MODEL_FILES_H
#define REPO_REGISTRY_MODEL_FILES_H

#include "repo/handle.h"

/* The adapters of a model's folder, sorted: NN_name.safetensors with NN_name.config.json beside it, or a
 * folder with adapter_config.json (as PEFT writes). names: "01_brief"; paths: of the file or folder. */
enum { REPO_ADAPTERS_COUNT_MAX = 256 };
/* Of the folder's adapters/: names ("01_a") and paths, in one order. What cannot be read is left out. */
void repo_adapters_read(const char *model_path, repo_names *names, repo_names *paths);

#endif
