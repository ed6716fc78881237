#include "repo/registry/model_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "repo/registry/models_internal.h"
#include "xet/pointer.h"

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size > end_size && strcmp(text + size - end_size, end) == 0;
}

static bool has_file(const char *folder, const char *name)
{
    char *path = file_join(folder, name);
    bool has = file_exists(path);
    free(path);
    return has;
}

/* ---- adapters ---- */

static bool is_adapter(const char *folder, const char *file, char **name)
{
    char *whole = file_join(folder, file);
    CLEANUP(bytes_free) bytes config = {0};

    *name = NULL;
    if (file[0] == '.') {
        /* hidden, or half written */
    } else if (ends_with(file, ".safetensors")) {
        char *stem = memory_text_n(file, strlen(file) - strlen(".safetensors"));
        bytes_printf(&config, "%s.config.json", stem);
        if (has_file(folder, bytes_text(&config)))
            *name = stem;
        else
            free(stem);
    } else if (file_is_folder(whole) && has_file(whole, "adapter_config.json")) {
        *name = memory_text(file);
    }
    free(whole);
    return *name != NULL;
}

void repo_adapters_read(const char *model_path, repo_names *names, repo_names *paths)
{
    char *folder = file_join(model_path, "adapters"), *name;
    file_list files = {0};

    if (file_list_folder(folder, &files).code) files.count = 0;
    for (size_t i = 0; i < files.count && names->count < REPO_ADAPTERS_COUNT_MAX; i++) {
        if (!is_adapter(folder, files.names[i], &name)) continue;
        char *path = file_join(folder, files.names[i]);
        repo_names_add(names, name);
        repo_names_add(paths, path);
        free(path);
        free(name);
    }
    file_list_free(&files);
    free(folder);
}

/* ---- config.json ---- */

static size_t count_of(const json_node *config, const char *key, const char *older)
{
    int64_t value = json_int(json_get(config, key), -1);
    if (value < 0 && older) value = json_int(json_get(config, older), -1);
    return value > 0 && value < (int64_t)1 << 40 ? (size_t)value : 0;
}

/* Embeddings (twice unless tied), and of each layer four attention and three gated matrices: within a few per
 * cent of what decoders hold. */
static uint64_t parameters_estimate(const json_node *config, const repo_model_row *row)
{
    double hidden = (double)row->hidden_size,
           inner = (double)count_of(config, "intermediate_size", "n_inner");
    double heads = (double)(row->head_count * row->head_dim),
           kv = (double)(row->kv_head_count * row->head_dim);
    double embeddings = (double)row->vocab_count * hidden;
    bool tied = json_bool(json_get(config, "tie_word_embeddings"), false);

    if (!row->hidden_size || !row->vocab_count) return 0;
    double layer = 2 * hidden * heads + 2 * hidden * kv + 3 * hidden * inner + 2 * hidden;
    double all = embeddings * (tied ? 1 : 2) + (double)row->layer_count * layer + hidden;
    return all < 1e18 ? (uint64_t)all : 0;
}

static void text_keep(char **out, const json_node *node)
{
    bytes_view text = json_text(node);
    if (text.size && text.size < 200 && !memchr(text.data, 0, text.size))
        *out = memory_text_n(text.data, text.size);
}

/* A model of several kinds of input keeps its language part in "text_config". */
static void config_read(repo_model_row *row, const json_node *root)
{
    const json_node *config =
        json_is(json_get(root, "text_config"), JSON_OBJECT) ? json_get(root, "text_config") : root;

    text_keep(&row->architecture, json_get(config, "model_type"));
    if (!row->architecture) text_keep(&row->architecture, json_get(root, "model_type"));
    text_keep(&row->dtype, json_get(config, "dtype"));
    if (!row->dtype) text_keep(&row->dtype, json_get(config, "torch_dtype"));
    if (!row->dtype) text_keep(&row->dtype, json_get(root, "torch_dtype"));
    row->context_max = count_of(config, "max_position_embeddings", "n_positions");
    row->layer_count = count_of(config, "num_hidden_layers", "n_layer");
    row->hidden_size = count_of(config, "hidden_size", "n_embd");
    row->vocab_count = count_of(config, "vocab_size", NULL);
    row->head_count = count_of(config, "num_attention_heads", "n_head");
    row->kv_head_count = count_of(config, "num_key_value_heads", NULL);
    if (!row->kv_head_count) row->kv_head_count = row->head_count;
    row->head_dim = count_of(config, "head_dim", NULL);
    if (!row->head_dim && row->head_count) row->head_dim = row->hidden_size / row->head_count;
    row->parameters = parameters_estimate(config, row);
}

static const json_node *json_file_read(const char *folder, const char *name, bytes *text, arena *a)
{
    const json_node *root = NULL;
    char *path = file_join(folder, name);
    err e = file_read(path, MODEL_CONFIG_BYTES_MAX, text);

    if (!e.code) e = json_parse(bytes_borrow(text), JSON_DEPTH_MAX, a, &root);
    free(path);
    return e.code ? NULL : root;
}

static bool tokenizer_has_template(const char *folder)
{
    CLEANUP(bytes_free) bytes text = {0};
    CLEANUP(arena_free) arena a = {0};
    return !json_is_null(
        json_get(json_file_read(folder, "tokenizer_config.json", &text, &a), "chat_template"));
}

/* ---- weights ---- */

/* Bytes of content: of what a pointer stands for, when it is one. */
static uint64_t content_size(const char *path, bool *is_pointer)
{
    CLEANUP(bytes_free) bytes text = {0};
    xet_pointer pointer;
    uint64_t size = 0;

    *is_pointer = false;
    if (file_size(path, &size).code) return 0;
    if (size > XET_POINTER_BYTES_MAX || file_read(path, XET_POINTER_BYTES_MAX, &text).code) return size;
    *is_pointer = xet_pointer_parse(bytes_borrow(&text), &pointer);
    return *is_pointer ? pointer.size : size;
}

static void watch_add(bytes *watch, const char *name)
{
    bytes_append_text(watch, name);
    bytes_append_byte(watch, '\n');
}

/* With a repository the pointers that stand for absent objects are counted by the index (model_git.c). */
static void weights_read(model_entry *entry, bytes *watch)
{
    file_list files = {0};

    if (file_list_folder(entry->row.path, &files).code) return;
    for (size_t i = 0; i < files.count; i++) {
        bool is_pointer;
        if (!ends_with(files.names[i], ".safetensors")) continue;
        char *path = file_join(entry->row.path, files.names[i]);
        entry->row.file_bytes += content_size(path, &is_pointer);
        entry->row.weight_count++;
        if (is_pointer && !entry->row.pointer) entry->row.pointer = memory_text(files.names[i]);
        entry->row.missing_count += is_pointer && !entry->common_dir;
        if (!entry->common_dir) watch_add(watch, files.names[i]);
        free(path);
    }
    file_list_free(&files);
}

void model_files_look(model_entry *entry)
{
    static const char *const always[] = {".", "adapters", "config.json", "tokenizer_config.json"};
    CLEANUP(bytes_free) bytes text = {0}, watch = {0};
    CLEANUP(arena_free) arena a = {0};
    repo_names names = {0}, paths = {0};
    repo_model_row *row = &entry->row;

    bytes_append_text(&watch, entry->file_watch ? entry->file_watch : "");
    for (size_t i = 0; i < COUNT_OF(always); i++) watch_add(&watch, always[i]);
    const json_node *config = json_file_read(row->path, "config.json", &text, &a);
    if (config) config_read(row, config);
    weights_read(entry, &watch);
    row->has_template = has_file(row->path, "chat_template.jinja") ||
                        has_file(row->path, "chat_template.json") || tokenizer_has_template(row->path);
    repo_adapters_read(row->path, &names, &paths);
    row->adapter_count = names.count;
    repo_names_free(&names);
    repo_names_free(&paths);
    free(entry->file_watch);
    entry->file_watch = bytes_take(&watch);
}
