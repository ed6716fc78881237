/* repo/registry/registry_json_write.c: a registry as text, keys sorted, two spaces a level. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "repo/registry/registry_json.h"

/* ---- values that we do not know, as they were ---- */

static void indent(bytes *out, int level)
{
    bytes_append_byte(out, '\n');
    for (int i = 0; i < level; i++) bytes_append_text(out, "  ");
}

/* Others keep urls where we do not look (remotes, metadata), some with a password in them. */
static void string_print(bytes *out, bytes_view text)
{
    if (!text.size || memchr(text.data, 0, text.size) || !memmem(text.data, text.size, "://", 3)) {
        json_append_string(out, text);
        return;
    }
    char *full = memory_text_n(text.data, text.size), *plain = repo_url_without_secret(full);
    json_append_string(out, bytes_view_of(plain));
    free(plain);
    free(full);
}

static void value_print(bytes *out, const json_node *node, int level);

static int view_order(bytes_view a, bytes_view b)
{
    int order = memcmp(a.data, b.data, MIN_OF(a.size, b.size));
    return order ? order : a.size < b.size ? -1 : a.size > b.size;
}

static int key_order(const void *a, const void *b)
{
    const json_node *x = *(const json_node *const *)a, *y = *(const json_node *const *)b;
    int order = view_order(x->key, y->key);
    return order ? order : x < y ? -1 : x > y; /* twice: in the order of the arena, so always the same */
}

/* The members sorted; the caller frees. */
static const json_node **members_sorted(const json_node *object)
{
    const json_node **all = memory_alloc((json_count(object) + 1) * sizeof *all);
    size_t count = 0;

    for (const json_node *item = json_first(object); item; item = item->next) all[count++] = item;
    qsort(all, count, sizeof *all, key_order);
    return all;
}

static void object_print(bytes *out, const json_node *object, int level)
{
    const json_node **all = members_sorted(object);
    const char *before = "{";

    for (size_t i = 0; all[i]; i++) {
        if (all[i + 1] && bytes_view_equal(all[i]->key, all[i + 1]->key)) continue;
        bytes_append_text(out, before);
        indent(out, level + 1);
        json_append_string(out, all[i]->key);
        bytes_append_text(out, ": ");
        value_print(out, all[i], level + 1);
        before = ",";
    }
    if (*before == '{')
        bytes_append_text(out, "{");
    else
        indent(out, level);
    bytes_append_byte(out, '}');
    free(all);
}

static void array_print(bytes *out, const json_node *array, int level)
{
    const char *before = "[";

    for (const json_node *item = json_first(array); item; item = item->next) {
        bytes_append_text(out, before);
        indent(out, level + 1);
        value_print(out, item, level + 1);
        before = ",";
    }
    if (*before == '[')
        bytes_append_text(out, "[");
    else
        indent(out, level);
    bytes_append_byte(out, ']');
}

static void value_print(bytes *out, const json_node *node, int level)
{
    switch (node->type) {
    case JSON_NULL: bytes_append_text(out, "null"); break;
    case JSON_FALSE: bytes_append_text(out, "false"); break;
    case JSON_TRUE: bytes_append_text(out, "true"); break;
    case JSON_NUMBER: bytes_append_view(out, node->text); break;
    case JSON_STRING: string_print(out, node->text); break;
    case JSON_ARRAY: array_print(out, node, level); break;
    case JSON_OBJECT: object_print(out, node, level); break;
    }
}

/* ---- rows ---- */

/* A member of an object that is made of ours and of what was there. */
typedef struct member {
    const char *key;       /* ours; NULL: node's */
    const char *text;      /* ours, a string; NULL: raw */
    const char *raw;       /* ours, as JSON; NULL: node */
    const json_node *node; /* as it was */
} member;

enum { LEVEL_ROW = 2, MEMBERS_OURS_MAX = 16 };

static bytes_view member_key(const member *m) { return m->key ? bytes_view_of(m->key) : m->node->key; }

static int member_order(const void *a, const void *b) { return view_order(member_key(a), member_key(b)); }

/* `ours` win over members of `original` with the same key. */
static void merged_print(bytes *out, const member *ours, size_t ours_count, const json_node *original,
                         int level)
{
    member *all = memory_alloc((ours_count + json_count(original) + 1) * sizeof *all);
    const json_node **others = original ? members_sorted(original) : NULL;
    size_t count = ours_count;

    memcpy(all, ours, ours_count * sizeof *all);
    for (size_t i = 0; others && others[i]; i++) {
        bool known = others[i + 1] && bytes_view_equal(others[i]->key, others[i + 1]->key);
        for (size_t k = 0; k < ours_count && !known; k++) known = bytes_view_is(others[i]->key, ours[k].key);
        if (!known) all[count++] = (member){.node = others[i]};
    }
    qsort(all, count, sizeof *all, member_order);
    for (size_t i = 0; i < count; i++) {
        bytes_append_text(out, i ? "," : "{");
        indent(out, level + 1);
        json_append_string(out, member_key(&all[i]));
        bytes_append_text(out, ": ");
        if (all[i].text)
            json_append_string(out, bytes_view_of(all[i].text));
        else if (all[i].raw)
            bytes_append_text(out, all[i].raw);
        else
            value_print(out, all[i].node, level + 1);
    }
    indent(out, level);
    bytes_append_byte(out, '}');
    free(others);
    free(all);
}

static void time_print(int64_t seconds, char *out, size_t size)
{
    time_t when = (time_t)seconds;
    struct tm parts;

    if (!gmtime_r(&when, &parts) || !strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &parts))
        snprintf(out, size, "1970-01-01T00:00:00Z");
}

/* Remotes beside origin are git's to know; a list that others wrote stays, ours has the one. */
static void remotes_print(bytes *out, const char *url)
{
    if (!url) {
        bytes_append_text(out, "[]");
        return;
    }
    bytes_append_text(out, "[");
    indent(out, LEVEL_ROW + 2);
    bytes_append_text(out, "{");
    indent(out, LEVEL_ROW + 3);
    bytes_append_text(out, "\"fetch_refs\": [],");
    indent(out, LEVEL_ROW + 3);
    bytes_append_text(out, "\"name\": \"origin\",");
    indent(out, LEVEL_ROW + 3);
    bytes_append_text(out, "\"url\": ");
    json_append_string(out, bytes_view_of(url));
    indent(out, LEVEL_ROW + 2);
    bytes_append_text(out, "}");
    indent(out, LEVEL_ROW + 1);
    bytes_append_text(out, "]");
}

static void row_print(bytes *out, const repo_registry_row *row)
{
    CLEANUP(bytes_free) bytes remotes = {0};
    member ours[MEMBERS_OURS_MAX];
    size_t count = 0;
    char when[32];

    time_print(row->registered_at, when, sizeof when);
    ours[count++] = (member){.key = "id", .text = row->uuid};
    ours[count++] = (member){.key = "name", .text = row->name};
    ours[count++] = (member){.key = "worktree_path", .text = row->folder};
    ours[count++] = (member){.key = "registered_at", .text = when};
    ours[count++] =
        row->url ? (member){.key = "url", .text = row->url} : (member){.key = "url", .raw = "null"};
    ours[count++] = row->current_oid[0] ? (member){.key = "current_oid", .text = row->current_oid}
                                        : (member){.key = "current_oid", .raw = "null"};
    if (!json_get(row->original, "tracking_ref"))
        ours[count++] = (member){.key = "tracking_ref", .text = "default_branch"};
    if (!json_get(row->original, "metadata")) ours[count++] = (member){.key = "metadata", .raw = "{}"};
    if (json_count(json_get(row->original, "remotes")) < 2) {
        remotes_print(&remotes, row->url);
        ours[count++] = (member){.key = "remotes", .raw = bytes_text(&remotes)};
    }
    merged_print(out, ours, count, row->original, LEVEL_ROW);
}

void repo_registry_print(const repo_registry *registry, bytes *out)
{
    CLEANUP(bytes_free) bytes rows = {0};
    member ours[] = {{.key = "repositories"}, {.key = "version", .text = "2.0.0"}};
    size_t ours_count = registry->root ? 1 : 2; /* a newer 2.x stays what it is */

    for (size_t i = 0; i < registry->count; i++) {
        bytes_append_text(&rows, i ? "," : "{");
        indent(&rows, LEVEL_ROW);
        json_append_string(&rows, bytes_view_of(registry->rows[i].uuid));
        bytes_append_text(&rows, ": ");
        row_print(&rows, &registry->rows[i]);
    }
    if (registry->count)
        indent(&rows, LEVEL_ROW - 1);
    else
        bytes_append_text(&rows, "{");
    bytes_append_byte(&rows, '}');
    ours[0].raw = bytes_text(&rows);
    merged_print(out, ours, ours_count, registry->root, 0);
    bytes_append_byte(out, '\n');
}
