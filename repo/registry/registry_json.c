#define _GNU_SOURCE
#include "repo/registry/registry_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "repo/registry/models.h"

/* ---- rows ---- */

void repo_registry_set(char **text, const char *value)
{
    char *copy = value ? memory_text(value) : NULL;
    free(*text);
    *text = copy;
}

static void row_free(repo_registry_row *row)
{
    free(row->name);
    free(row->folder);
    free(row->url);
}

void repo_registry_free(repo_registry *registry)
{
    for (size_t i = 0; i < registry->count; i++) row_free(&registry->rows[i]);
    free(registry->rows);
    arena_free(&registry->nodes);
    bytes_free(&registry->source);
    *registry = (repo_registry){0};
}

/* Where `uuid` is, or would be. */
static size_t place_of(const repo_registry *registry, const char *uuid, bool *there)
{
    size_t low = 0, high = registry->count;

    *there = false;
    while (low < high && !*there) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(registry->rows[middle].uuid, uuid);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
        *there = order == 0;
        if (*there) low = middle;
    }
    return low;
}

repo_registry_row *repo_registry_find(const repo_registry *registry, const char *uuid)
{
    bool there;
    size_t at = place_of(registry, uuid, &there);
    return there ? &registry->rows[at] : NULL;
}

repo_registry_row *repo_registry_put(repo_registry *registry, const char *uuid)
{
    bool there;
    size_t at = place_of(registry, uuid, &there);

    if (there) return &registry->rows[at];
    registry->rows = memory_resize_array(registry->rows, registry->count + 1, sizeof *registry->rows);
    memmove(registry->rows + at + 1, registry->rows + at, (registry->count - at) * sizeof *registry->rows);
    registry->rows[at] = (repo_registry_row){0};
    snprintf(registry->rows[at].uuid, sizeof registry->rows[at].uuid, "%s", uuid);
    registry->count++;
    return &registry->rows[at];
}

void repo_registry_drop(repo_registry *registry, const char *uuid)
{
    bool there;
    size_t at = place_of(registry, uuid, &there);

    if (!there) return;
    row_free(&registry->rows[at]);
    registry->count--;
    memmove(registry->rows + at, registry->rows + at + 1, (registry->count - at) * sizeof *registry->rows);
}

/* ---- urls ---- */

char *repo_url_without_secret(const char *url)
{
    const char *host = strstr(url, "://");
    if (!host) return memory_text(url);
    host += 3;
    const char *end = host + strcspn(host, "/?#");
    const char *at = NULL;
    for (const char *p = host; p < end; p++)
        if (*p == '@') at = p;
    if (!at) return memory_text(url);

    bytes plain = {0};
    bool user_is_public = text_starts_with(url, "ssh://") || text_starts_with(url, "git+ssh://");
    const char *colon = memchr(host, ':', (size_t)(at - host));
    bytes_append(&plain, url, (size_t)(host - url));
    if (user_is_public) {
        bytes_append(&plain, host, (size_t)((colon ? colon : at) - host));
        bytes_append_byte(&plain, '@');
    }
    bytes_append_text(&plain, at + 1);
    return bytes_take(&plain);
}

/* ---- reading ---- */

/* A text of the file as a C text: no NUL, no control character, a size. */
static bool text_read(const json_node *node, size_t size_max, char **out)
{
    bytes_view text = json_text(node);

    if (!text.size || text.size > size_max) return false;
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f) return false;
    free(*out);
    *out = memory_text_n(text.data, text.size);
    return true;
}

/* One component after another: none empty, none that begins with a dot (".", "..", ".git", ".trash"). */
static bool folder_is_inside(const char *folder)
{
    for (const char *p = folder;; p++) {
        if (*p == '.' || *p == '/' || !*p) return false;
        p += strcspn(p, "/");
        if (!*p) return true;
    }
}

static bool folder_read(const json_node *node, const char *models_folder, char **out)
{
    size_t size = strlen(models_folder);

    if (!text_read(node, REPO_REGISTRY_PATH_BYTES_MAX, out)) return false;
    char *folder = *out;
    if (*folder == '/') {
        if (strncmp(folder, models_folder, size) != 0 || folder[size] != '/') return false;
        memmove(folder, folder + size + 1, strlen(folder + size + 1) + 1);
    }
    size = strlen(folder);
    if (size && folder[size - 1] == '/') folder[size - 1] = 0;
    return folder_is_inside(folder);
}

/* The last second of the year 9999: what is later cannot be written as others write it. */
#define TIME_MAX INT64_C(253402300799)

/* A number of seconds, or "2025-01-31T12:00:00Z" as others write it; 0: neither. */
static int64_t time_read(const json_node *node)
{
    CLEANUP(bytes_free) bytes text = {0};
    struct tm when = {0};
    int64_t seconds = 0;

    if (json_is(node, JSON_NUMBER)) {
        seconds = json_int(node, 0);
    } else {
        bytes_append_view(&text, json_text(node));
        if (strptime(bytes_text(&text), "%Y-%m-%dT%H:%M:%S", &when)) seconds = (int64_t)timegm(&when);
    }
    return seconds < 0 || seconds > TIME_MAX ? 0 : seconds;
}

static void oid_read(const json_node *node, char out[41])
{
    bytes_view text = json_text(node);

    if (text.size != 40) return;
    for (size_t i = 0; i < text.size; i++)
        if (!text.data[i] || !strchr("0123456789abcdef", text.data[i])) return;
    memcpy(out, text.data, text.size);
}

/* The names and folders that rows have, to find two of one: sorted once, not searched for each. */
typedef struct taken {
    const char *text;
    const repo_registry_row *row;
} taken;

static void refuse(repo_registry *registry, const json_node *node, const char *why)
{
    if (registry->refused_count++ == 0) {
        CLEANUP(bytes_free) bytes key = {0};
        text_append_valid_utf8(&key, (bytes_view){node->key.data, MIN_OF(node->key.size, 60u)});
        snprintf(registry->refused, sizeof registry->refused, "line %u, %s: %s", node->line, bytes_text(&key),
                 why);
    }
}

static void row_read(repo_registry *registry, const json_node *node, const char *models_folder)
{
    repo_registry_row row = {.original = node};
    const char *why = NULL;

    if (!repo_uuid_is(node->key) || !json_is(node, JSON_OBJECT))
        why = "expected a uuid and an object";
    else if (!text_read(json_get(node, "name"), REPO_REGISTRY_PATH_BYTES_MAX, &row.name))
        why = "has no usable name";
    else if (!folder_read(json_get(node, "worktree_path"), models_folder, &row.folder))
        why = "worktree_path lies outside of the models folder";
    if (why) {
        row_free(&row);
        refuse(registry, node, why);
        return;
    }
    if (text_read(json_get(node, "url"), REPO_REGISTRY_URL_BYTES_MAX, &row.url)) {
        char *plain = repo_url_without_secret(row.url);
        free(row.url);
        row.url = plain;
    }
    row.registered_at = time_read(json_get(node, "registered_at"));
    oid_read(json_get(node, "current_oid"), row.current_oid);
    memcpy(row.uuid, node->key.data, REPO_UUID_SIZE - 1);
    for (char *p = row.uuid; *p; p++)
        if (*p >= 'A' && *p <= 'F') *p += 'a' - 'A';
    /* Appended unsorted: sorting 4096 rows once is cheaper than making room for each. */
    registry->rows[registry->count++] = row;
}

static int uuid_order(const void *a, const void *b)
{
    return strcmp(((const repo_registry_row *)a)->uuid, ((const repo_registry_row *)b)->uuid);
}

static int taken_order(const void *a, const void *b)
{
    const taken *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : strcmp(x->row->uuid, y->row->uuid);
}

/* Of two rows with one text (name, folder) the second is marked by an empty uuid. */
static void twice_mark(repo_registry *registry, bool by_name)
{
    taken *all = memory_alloc((registry->count + 1) * sizeof *all);
    size_t count = 0, last = 0;

    for (size_t i = 0; i < registry->count; i++) {
        repo_registry_row *row = &registry->rows[i];
        if (row->uuid[0]) all[count++] = (taken){by_name ? row->name : row->folder, row};
    }
    qsort(all, count, sizeof *all, taken_order);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(all[i].text, all[last].text) != 0) {
            last = i;
            continue;
        }
        refuse(registry, all[i].row->original,
               by_name ? "has another row's name" : "has another row's folder");
        registry->rows[all[i].row - registry->rows].uuid[0] = 0;
    }
    free(all);
}

static void rows_sort(repo_registry *registry)
{
    size_t kept = 0;

    qsort(registry->rows, registry->count, sizeof *registry->rows, uuid_order);
    for (size_t i = 1; i < registry->count; i++)
        if (strcmp(registry->rows[i].uuid, registry->rows[i - 1].uuid) == 0) {
            refuse(registry, registry->rows[i].original, "has another row's uuid");
            registry->rows[i - 1].uuid[0] = 0; /* the last of two keys counts, as in every JSON reader */
        }
    twice_mark(registry, true);
    twice_mark(registry, false);
    for (size_t i = 0; i < registry->count; i++) {
        if (registry->rows[i].uuid[0])
            registry->rows[kept++] = registry->rows[i];
        else
            row_free(&registry->rows[i]);
    }
    registry->count = kept;
}

static err registry_read(repo_registry *registry, const char *models_folder)
{
    const json_node *list = json_get(registry->root, "repositories");
    bytes_view version = json_text(json_get(registry->root, "version"));

    if (!json_is(registry->root, JSON_OBJECT)) return err_make(ERR_FORMAT, "expected an object");
    if (!version.size) return err_make(ERR_FORMAT, "expected \"version\"");
    if (version.size < 2 || memcmp(version.data, "2.", 2) != 0)
        return err_make(ERR_UNSUPPORTED, "version %.*s, this program knows 2.x",
                        (int)MIN_OF(version.size, 20u), version.data);
    if (!json_is(list, JSON_OBJECT)) return err_make(ERR_FORMAT, "expected an object \"repositories\"");
    if (json_count(list) > REPO_MODELS_COUNT_MAX)
        return err_make(ERR_LIMIT, "%zu repositories, the limit is %d", json_count(list),
                        REPO_MODELS_COUNT_MAX);
    registry->rows = memory_alloc((json_count(list) + 1) * sizeof *registry->rows);
    for (const json_node *node = json_first(list); node; node = node->next)
        row_read(registry, node, models_folder);
    rows_sort(registry);
    return ERR_OK;
}

err repo_registry_parse(bytes_view text, const char *models_folder, repo_registry *out)
{
    repo_registry registry = {0};

    if (text.size > REPO_REGISTRY_BYTES_MAX)
        return err_make(ERR_LIMIT, "registry.json has %zu bytes, the limit is %d", text.size,
                        REPO_REGISTRY_BYTES_MAX);
    bytes_append_view(&registry.source, text);
    err e =
        json_parse(bytes_borrow(&registry.source), REPO_REGISTRY_DEPTH_MAX, &registry.nodes, &registry.root);
    if (!e.code) e = registry_read(&registry, models_folder);
    if (e.code) {
        repo_registry_free(&registry);
        return err_note(e, "registry.json");
    }
    *out = registry;
    return ERR_OK;
}
