/* Which of a model folder's templates is used. Source: spec, "Chat templates", section 1. */
#include "engine/text/chat_template.h"

typedef struct found_template {
    const char *where; /* the file, for messages */
    bytes_view name, source;
} found_template;

enum { TEMPLATES_MAX = 64 };

typedef struct found_list {
    found_template items[TEMPLATES_MAX];
    size_t count;
} found_list;

static err found_add(found_list *list, const char *where, bytes_view name, bytes_view source)
{
    if (list->count == TEMPLATES_MAX)
        return err_make(ERR_LIMIT, "%s: more than %d chat templates", where, TEMPLATES_MAX);
    list->items[list->count++] = (found_template){where, name, source};
    return ERR_OK;
}

/* Key chat_template of a file: a string, or a list of {"name", "template"}. */
static err found_in_json(found_list *list, const char *where, bytes_view source, arena *a)
{
    const json_node *root = NULL;
    err e = json_parse(source, JSON_DEPTH_MAX, a, &root);
    if (e.code) return err_note(e, "%s", where);
    const json_node *node = json_get(root, "chat_template");
    if (json_is_null(node)) return ERR_OK;
    if (json_is(node, JSON_STRING)) return found_add(list, where, VIEW("default"), node->text);
    if (!json_is(node, JSON_ARRAY))
        return err_make(ERR_FORMAT, "%s, line %u: chat_template: expected a string or a list, found %s",
                        where, node->line, json_type_name(node->type));
    for (const json_node *n = json_first(node); n; n = n->next) {
        const json_node *name = json_get(n, "name"), *text = json_get(n, "template");
        if (!json_is(name, JSON_STRING) || !json_is(text, JSON_STRING))
            return err_make(ERR_FORMAT,
                            "%s, line %u: chat_template: expected {\"name\": ..., \"template\": ...}", where,
                            n->line);
        e = found_add(list, where, name->text, text->text);
        if (e.code) return e;
    }
    return ERR_OK;
}

/* The first place that has any. */
static err found_all(const engine_chat_sources *sources, arena *a, found_list *list)
{
    err e = ERR_OK;
    if (sources->chat_template_jinja.size)
        e = found_add(list, "chat_template.jinja", VIEW("default"), sources->chat_template_jinja);
    for (size_t i = 0; i < sources->additional_count && !e.code; i++)
        e = found_add(list, "additional_chat_templates", bytes_view_of(sources->additional[i].name),
                      sources->additional[i].source);
    if (!e.code && !list->count && sources->chat_template_json.size)
        e = found_in_json(list, "chat_template.json", sources->chat_template_json, a);
    if (!e.code && !list->count && sources->tokenizer_config_json.size)
        e = found_in_json(list, "tokenizer_config.json", sources->tokenizer_config_json, a);
    return e;
}

static const found_template *found_named(const found_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (bytes_view_is(list->items[i].name, name)) return &list->items[i];
    return NULL;
}

static err nothing_found(const found_list *list, const char *name)
{
    if (!list->count) return err_make(ERR_NOT_FOUND, "the model has no chat template");
    CLEANUP(bytes_free) bytes names = {0};
    for (size_t i = 0; i < list->count; i++) {
        if (i) bytes_append_text(&names, ", ");
        bytes_append_view(&names, list->items[i].name);
    }
    return err_make(ERR_NOT_FOUND, "the model has no chat template '%s'; it has: %s", name,
                    bytes_text(&names));
}

err engine_chat_template_find(const engine_chat_sources *sources, const char *name, bool tools_given,
                              bytes *source)
{
    arena a = {0};
    found_list list = {.count = 0};
    const found_template *found = NULL;
    err e = found_all(sources, &a, &list);
    if (e.code) goto out;
    if (!name && tools_given) found = found_named(&list, "tool_use");
    if (!found) found = found_named(&list, name ? name : "default");
    if (!found) {
        e = nothing_found(&list, name ? name : "default");
        goto out;
    }
    bytes_append_view(source, found->source);
out:
    arena_free(&a);
    return e;
}
