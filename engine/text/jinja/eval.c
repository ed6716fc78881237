/* Expressions, evaluated from their tree. */
#include <string.h>

#include "engine/text/jinja/tree.h"

static jinja_value eval_name(jinja_render *r, const jinja_node *node)
{
    for (const jinja_scope *scope = r->scope; scope; scope = scope->parent) {
        const jinja_value *v = jinja_dict_get(r, &scope->variables, node->constant);
        if (v) return *v;
    }
    return jinja_undefined(r, NULL, jinja_string_view(node->constant.string));
}

static jinja_list *eval_list(jinja_render *r, const jinja_node *first)
{
    jinja_list *l = jinja_list_new(r);
    for (const jinja_node *n = first; n; n = n->next) jinja_list_push(r, l, jinja_eval(r, n));
    return l;
}

static jinja_value eval_dict(jinja_render *r, const jinja_node *node)
{
    jinja_dict *d = jinja_dict_new(r);
    for (const jinja_node *n = node->list; n; n = n->next->next) {
        jinja_value key = jinja_eval(r, n);
        jinja_dict_set(r, d, key, jinja_eval(r, n->next));
    }
    return (jinja_value){JINJA_DICT, {.dict = d}};
}

/* Named arguments, growing. */
typedef struct named_list {
    bytes_view *names;
    jinja_list *values;
    size_t capacity;
} named_list;

static void named_add(jinja_render *r, named_list *l, bytes_view name, jinja_value v)
{
    if (l->values->count == l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 4;
        bytes_view *names = jinja_alloc(r, l->capacity * sizeof *names);
        if (l->values->count) memcpy(names, l->names, l->values->count * sizeof *names);
        l->names = names;
    }
    l->names[l->values->count] = name;
    jinja_list_push(r, l->values, v);
}

/* **v: each entry of a dict. */
static void named_spread(jinja_render *r, named_list *l, jinja_value v)
{
    if (v.type != JINJA_DICT)
        jinja_fail(r, ERR_FORMAT, "what follows ** must be a dict, not %s", jinja_type_name(v));
    for (size_t i = 0; i < v.dict->count; i++)
        named_add(r, l, jinja_string_view(jinja_want_string(r, v.dict->entries[i].key, "a key after **")),
                  v.dict->entries[i].value);
}

static const jinja_value *list_data(const jinja_list *l)
{
    return l->count ? l->items->data + l->begin : NULL;
}

jinja_arguments jinja_eval_arguments(jinja_render *r, const jinja_node *first)
{
    if (!first) return (jinja_arguments){0};
    jinja_list *positional = jinja_list_new(r);
    named_list named = {.values = jinja_list_new(r)};
    for (const jinja_node *n = first; n; n = n->next) {
        jinja_value v = jinja_eval(r, n->first);
        if (n->name.size)
            named_add(r, &named, n->name, v);
        else if (n->op == JINJA_POW)
            named_spread(r, &named, v);
        else if (n->op == JINJA_MUL)
            jinja_list_append(r, positional, jinja_walk(r, v));
        else
            jinja_list_push(r, positional, v);
    }
    return (jinja_arguments){list_data(positional), positional->count, named.names, list_data(named.values),
                             named.values->count};
}

static jinja_value eval_call(jinja_render *r, const jinja_node *node)
{
    jinja_value callee = jinja_eval(r, node->first);
    jinja_arguments given = jinja_eval_arguments(r, node->list);
    r->line = node->line;
    return jinja_call(r, callee, &given);
}

/* A filter or a test. */
static jinja_value eval_row(jinja_render *r, const jinja_node *node)
{
    jinja_value subject = jinja_eval(r, node->first);
    jinja_arguments given = jinja_eval_arguments(r, node->list);
    r->line = node->line;
    if (!node->row)
        jinja_fail(r, ERR_UNSUPPORTED, "there is no %s named '%.*s'",
                   node->kind == JINJA_NODE_FILTER ? "filter" : "test",
                   (int)MIN_OF(node->name.size, (size_t)60), node->name.data);
    return jinja_call_row(r, node->row, subject, &given);
}

static jinja_value eval_binary(jinja_render *r, const jinja_node *node)
{
    jinja_value left = jinja_eval(r, node->first);
    if (node->op == JINJA_AND && !jinja_true(left)) return left;
    if (node->op == JINJA_OR && jinja_true(left)) return left;
    jinja_value right = jinja_eval(r, node->second);
    r->line = node->line;
    return node->op == JINJA_AND || node->op == JINJA_OR ? right : jinja_binary(r, node->op, left, right);
}

static jinja_value eval_compare(jinja_render *r, const jinja_node *node)
{
    jinja_value left = jinja_eval(r, node->first);
    for (const jinja_node *n = node->list; n; n = n->next) {
        jinja_value right = jinja_eval(r, n->first);
        r->line = n->line;
        if (!jinja_holds(r, n->op, left, right)) return jinja_bool(false);
        left = right;
    }
    return jinja_bool(true);
}

static jinja_value eval_condition(jinja_render *r, const jinja_node *node)
{
    if (jinja_true(jinja_eval(r, node->second))) return jinja_eval(r, node->first);
    if (node->third) return jinja_eval(r, node->third);
    return jinja_undefined(r, NULL, VIEW("the missing else of an inline if"));
}

static jinja_value eval_slice(jinja_render *r, const jinja_node *node)
{
    jinja_value object = jinja_eval(r, node->first);
    jinja_value start = jinja_eval(r, node->list), stop = jinja_eval(r, node->list->next);
    jinja_value step = jinja_eval(r, node->list->next->next);
    r->line = node->line;
    return jinja_slice(r, object, start, stop, step);
}

static jinja_value eval_item(jinja_render *r, const jinja_node *node)
{
    jinja_value object = jinja_eval(r, node->first), key = jinja_eval(r, node->second);
    r->line = node->line;
    return jinja_item(r, object, key);
}

static jinja_value eval_attribute(jinja_render *r, const jinja_node *node)
{
    jinja_value object = jinja_eval(r, node->first);
    r->line = node->line;
    return jinja_attribute(r, object, node->name);
}

static jinja_value eval_sign(jinja_render *r, const jinja_node *node)
{
    jinja_value v = jinja_eval(r, node->first);
    r->line = node->line;
    return node->kind == JINJA_NODE_MINUS ? jinja_negated(r, v) : jinja_negated(r, jinja_negated(r, v));
}

static jinja_value eval_any(jinja_render *r, const jinja_node *node)
{
    switch (node->kind) {
    case JINJA_NODE_CONSTANT: return node->constant;
    case JINJA_NODE_NAME: return eval_name(r, node);
    case JINJA_NODE_LIST: return jinja_list_value(eval_list(r, node->list));
    case JINJA_NODE_TUPLE: return jinja_tuple_value(eval_list(r, node->list));
    case JINJA_NODE_DICT: return eval_dict(r, node);
    case JINJA_NODE_ATTRIBUTE: return eval_attribute(r, node);
    case JINJA_NODE_ITEM: return eval_item(r, node);
    case JINJA_NODE_SLICE: return eval_slice(r, node);
    case JINJA_NODE_CALL: return eval_call(r, node);
    case JINJA_NODE_FILTER:
    case JINJA_NODE_TEST: return eval_row(r, node);
    case JINJA_NODE_HOLE: return r->hole;
    case JINJA_NODE_NOT: return jinja_bool(!jinja_true(jinja_eval(r, node->first)));
    case JINJA_NODE_MINUS:
    case JINJA_NODE_PLUS: return eval_sign(r, node);
    case JINJA_NODE_BINARY: return eval_binary(r, node);
    case JINJA_NODE_COMPARE: return eval_compare(r, node);
    case JINJA_NODE_CONDITION: return eval_condition(r, node);
    default: jinja_fail(r, ERR_STATE, "a statement stands where an expression belongs");
    }
}

jinja_value jinja_eval(jinja_render *r, const jinja_node *node)
{
    jinja_steps(r, 1);
    jinja_enter(r);
    r->line = node->line;
    jinja_value v = eval_any(r, node);
    jinja_leave(r);
    return v;
}
