/* Statements, run from their tree: loops, macros, assignments, captures. */
#include "engine/text/jinja/tree.h"

typedef enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;

struct jinja_loop {
    const jinja_node *node;
    jinja_scope *scope; /* around the loop */
    const jinja_list *items;
    size_t at;
    int64_t depth;
    bool changed_asked;
    jinja_value changed; /* what loop.changed() was last asked with */
};

static flow run_list(jinja_render *r, const jinja_node *first);

void jinja_emit(jinja_render *r, const jinja_string *s)
{
    bytes_view text;
    jinja_marks marks, block = r->block << JINJA_BLOCK_SHIFT;
    jinja_bytes_steps(r, s->size);
    for (jinja_runs runs = jinja_runs_of(s); jinja_runs_next(&runs, &text, &marks);)
        jinja_buffer_append(r, r->out, text, block ? (marks & JINJA_DATA) | block : marks);
}

jinja_scope *jinja_scope_push(jinja_render *r, jinja_scope *parent)
{
    jinja_scope *scope = jinja_new(r, jinja_scope);
    scope->parent = parent;
    return scope;
}

/* Runs statements in a scope of their own; what they print is the value. */
static jinja_value captured(jinja_render *r, const jinja_node *first, jinja_scope *scope)
{
    jinja_buffer *out = r->out;
    jinja_scope *around = r->scope;
    r->out = jinja_buffer_new(r);
    r->scope = scope;
    (void)run_list(r, first);
    jinja_value text = jinja_taken(r, r->out);
    r->out = out;
    r->scope = around;
    return text;
}

/* ---- assignment ---- */

static void assign_attribute(jinja_render *r, const jinja_node *target, jinja_value v)
{
    jinja_node name = {.kind = JINJA_NODE_NAME, .line = target->line, .constant = target->constant};
    jinja_value space = jinja_eval(r, &name);
    if (space.type != JINJA_NAMESPACE)
        jinja_fail(r, ERR_FORMAT, "cannot assign attribute '%.*s': only a namespace takes attributes",
                   (int)MIN_OF(target->name.size, (size_t)60), target->name.data);
    if (target->name.data[0] == '_')
        jinja_fail(r, ERR_FORMAT, "a namespace takes no name that begins with '_'");
    jinja_dict_set(r, space.dict, jinja_text(r, target->name, 0), v);
}

void jinja_assign(jinja_render *r, const jinja_node *target, jinja_value v)
{
    if (target->kind == JINJA_NODE_NAME) {
        jinja_dict_set(r, &r->scope->variables, target->constant, v);
        return;
    }
    if (target->kind == JINJA_NODE_NS_NAME) {
        assign_attribute(r, target, v);
        return;
    }
    const jinja_list *parts = jinja_walk(r, v);
    size_t i = 0, count = 0;
    for (const jinja_node *n = target->list; n; n = n->next) count++;
    if (parts->count != count)
        jinja_fail(r, ERR_FORMAT, "expected %zu values to unpack, found %zu", count, parts->count);
    jinja_enter(r);
    for (const jinja_node *n = target->list; n; n = n->next) jinja_assign(r, n, jinja_list_at(parts, i++));
    jinja_leave(r);
}

static void run_set_block(jinja_render *r, const jinja_node *node)
{
    jinja_value text = captured(r, node->body, jinja_scope_push(r, r->scope));
    jinja_value hole = r->hole;
    r->hole = text;
    if (node->second) text = jinja_eval(r, node->second);
    r->hole = hole;
    jinja_assign(r, node->first, text);
}

static void run_filtered(jinja_render *r, const jinja_node *node)
{
    jinja_value text = captured(r, node->body, jinja_scope_push(r, r->scope));
    jinja_value hole = r->hole;
    r->hole = text;
    text = jinja_eval(r, node->second);
    r->hole = hole;
    jinja_emit(r, jinja_str(r, text));
}

/* ---- loops ---- */

/* The elements for which the loop's condition holds. */
static const jinja_list *loop_items(jinja_render *r, const jinja_node *node, jinja_value iterable)
{
    const jinja_list *all = jinja_walk(r, iterable);
    if (!node->third) return all;
    jinja_list *kept = jinja_list_new(r);
    jinja_scope *around = r->scope;
    for (size_t i = 0; i < all->count; i++) {
        r->scope = jinja_scope_push(r, around);
        jinja_assign(r, node->first, jinja_list_at(all, i));
        if (jinja_true(jinja_eval(r, node->third))) jinja_list_push(r, kept, jinja_list_at(all, i));
    }
    r->scope = around;
    return kept;
}

static flow run_rounds(jinja_render *r, jinja_loop *loop)
{
    const jinja_node *node = loop->node;
    jinja_scope *scope = NULL;
    for (; loop->at < loop->items->count; loop->at++) {
        if (!scope || scope->captured) scope = jinja_scope_push(r, loop->scope);
        scope->variables.count = 0; /* a fresh scope for each round, in the memory of the last */
        if (scope->variables.index) jinja_dict_clear(&scope->variables);
        r->scope = scope;
        jinja_dict_set(r, &scope->variables, node->constant, (jinja_value){JINJA_LOOP, {.loop = loop}});
        jinja_assign(r, node->first, jinja_list_at(loop->items, loop->at));
        if (run_list(r, node->body) == FLOW_BREAK) break;
    }
    return FLOW_ON;
}

/* A break or continue of the else part belongs to the loop around. */
static flow run_loop(jinja_render *r, const jinja_node *node, jinja_scope *scope, const jinja_list *items,
                     int64_t depth)
{
    jinja_scope *around = r->scope;
    jinja_loop *loop = jinja_new(r, jinja_loop);
    *loop = (jinja_loop){.node = node, .scope = scope, .items = items, .depth = depth};
    r->scope = jinja_scope_push(r, scope);
    flow how = items->count ? run_rounds(r, loop) : run_list(r, node->other);
    r->scope = around;
    return how;
}

static flow run_for(jinja_render *r, const jinja_node *node)
{
    jinja_value iterable = jinja_eval(r, node->second);
    r->line = node->line;
    return run_loop(r, node, r->scope, loop_items(r, node, iterable), 1);
}

jinja_value jinja_call_loop(jinja_render *r, jinja_loop *loop, const jinja_arguments *given)
{
    if (!loop->node->flag) jinja_fail(r, ERR_FORMAT, "only a loop marked 'recursive' can be called");
    if (given->count != 1 || given->named_count) jinja_fail(r, ERR_FORMAT, "loop() takes one argument");
    jinja_scope *around = r->scope;
    jinja_buffer *out = r->out;
    r->scope = loop->scope;
    const jinja_list *items = loop_items(r, loop->node, given->positional[0]);
    r->out = jinja_buffer_new(r);
    jinja_enter(r);
    (void)run_loop(r, loop->node, loop->scope, items, loop->depth + 1);
    jinja_leave(r);
    jinja_value text = jinja_taken(r, r->out);
    r->out = out;
    r->scope = around;
    return text;
}

static jinja_value loop_cycle(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    if (!given->count) jinja_fail(r, ERR_FORMAT, "loop.cycle() takes at least one value");
    return given->positional[self.loop->at % given->count];
}

static jinja_value loop_changed(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    jinja_list *values = jinja_list_new(r);
    for (size_t i = 0; i < given->count; i++) jinja_list_push(r, values, given->positional[i]);
    jinja_value now = jinja_tuple_value(values);
    bool changed = !self.loop->changed_asked || !jinja_equal(r, self.loop->changed, now);
    self.loop->changed_asked = true;
    self.loop->changed = now;
    return jinja_bool(changed);
}

static const jinja_row loop_methods[] = {
    {"cycle", loop_cycle, NULL, 0}, {"changed", loop_changed, NULL, 0}, {NULL}};

jinja_value jinja_loop_attribute(jinja_render *r, jinja_loop *loop, bytes_view name, bool *found)
{
    int64_t at = (int64_t)loop->at, count = (int64_t)loop->items->count;
    const struct {
        const char *name;
        jinja_value value;
    } rows[] = {
        {"index", jinja_int(at + 1)},           {"index0", jinja_int(at)},
        {"revindex", jinja_int(count - at)},    {"revindex0", jinja_int(count - at - 1)},
        {"length", jinja_int(count)},           {"first", jinja_bool(at == 0)},
        {"last", jinja_bool(at + 1 == count)},  {"depth", jinja_int(loop->depth)},
        {"depth0", jinja_int(loop->depth - 1)},
    };
    *found = true;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (bytes_view_is(name, rows[i].name)) return rows[i].value;
    if (bytes_view_is(name, "previtem"))
        return at ? jinja_list_at(loop->items, loop->at - 1)
                  : jinja_undefined(r, "the first loop item", name);
    if (bytes_view_is(name, "nextitem"))
        return at + 1 < count ? jinja_list_at(loop->items, loop->at + 1)
                              : jinja_undefined(r, "the last loop item", name);
    const jinja_row *row = jinja_find_row(loop_methods, name);
    *found = row != NULL;
    if (!row) return jinja_none;
    jinja_bound *bound = jinja_new(r, jinja_bound);
    *bound = (jinja_bound){row, {JINJA_LOOP, {.loop = loop}}};
    return (jinja_value){JINJA_NATIVE, {.bound = bound}};
}

/* ---- macros ---- */

static void run_macro(jinja_render *r, const jinja_node *node)
{
    jinja_macro *macro = jinja_new(r, jinja_macro);
    *macro = (jinja_macro){node, r->scope};
    for (jinja_scope *scope = r->scope; scope && !scope->captured; scope = scope->parent)
        scope->captured = true;
    jinja_dict_set(r, &r->scope->variables, jinja_text(r, node->name, 0),
                   (jinja_value){JINJA_MACRO, {.macro = macro}});
}

static jinja_value macro_argument(jinja_render *r, const jinja_node *parameter, const jinja_arguments *given,
                                  size_t i)
{
    jinja_value v = i < given->count ? given->positional[i] : jinja_absent;
    for (size_t n = 0; n < given->named_count; n++) {
        if (!bytes_view_equal(given->names[n], parameter->name)) continue;
        if (v.type != JINJA_ABSENT)
            jinja_fail(r, ERR_FORMAT, "a macro got two values for '%.*s'",
                       (int)MIN_OF(parameter->name.size, (size_t)60), parameter->name.data);
        v = given->named[n];
    }
    if (v.type != JINJA_ABSENT) return v;
    return parameter->first ? jinja_eval(r, parameter->first) : jinja_undefined(r, NULL, parameter->name);
}

/* varargs and kwargs: what no parameter took, for macros that read them. */
static void macro_rest(jinja_render *r, const jinja_node *node, const jinja_arguments *given, size_t count)
{
    jinja_list *positional = jinja_list_new(r);
    jinja_dict *named = jinja_dict_new(r);
    for (size_t i = count; i < given->count; i++) jinja_list_push(r, positional, given->positional[i]);
    for (size_t i = 0; i < given->named_count; i++) {
        const jinja_node *p = node->list;
        while (p && !bytes_view_equal(p->name, given->names[i])) p = p->next;
        if (!p) jinja_dict_set(r, named, jinja_text(r, given->names[i], 0), given->named[i]);
    }
    if (node->takes & JINJA_TAKES_VARARGS)
        jinja_dict_set_text(r, &r->scope->variables, "varargs", jinja_tuple_value(positional));
    else if (positional->count)
        jinja_fail(r, ERR_FORMAT, "macro '%.*s' takes not more than %zu arguments",
                   (int)MIN_OF(node->name.size, (size_t)60), node->name.data, count);
    if (node->takes & JINJA_TAKES_KWARGS)
        jinja_dict_set_text(r, &r->scope->variables, "kwargs", (jinja_value){JINJA_DICT, {.dict = named}});
    else if (named->count)
        jinja_fail(r, ERR_FORMAT, "macro '%.*s' has no parameter of a name that it was given",
                   (int)MIN_OF(node->name.size, (size_t)60), node->name.data);
}

jinja_value jinja_call_macro(jinja_render *r, const jinja_macro *macro, const jinja_arguments *given)
{
    jinja_scope *around = r->scope, *scope = jinja_scope_push(r, macro->scope);
    size_t i = 0;
    r->scope = scope;
    for (const jinja_node *p = macro->node->list; p; p = p->next, i++) {
        jinja_value v = macro_argument(r, p, given, i);
        jinja_dict_set(r, &scope->variables, jinja_text(r, p->name, 0), v);
    }
    if (macro->node->takes || given->count > i || given->named_count) macro_rest(r, macro->node, given, i);
    r->scope = around;
    uint32_t block = r->block;
    r->block = 0; /* marked when its result is printed */
    jinja_value text = captured(r, macro->node->body, scope);
    r->block = block;
    return text;
}

/* ---- all of them ---- */

static flow run_if(jinja_render *r, const jinja_node *node)
{
    for (const jinja_node *branch = node->list; branch; branch = branch->next)
        if (jinja_true(jinja_eval(r, branch->first))) return run_list(r, branch->body);
    return run_list(r, node->other);
}

static void run_generation(jinja_render *r, const jinja_node *node)
{
    uint32_t block = r->block;
    jinja_scope *around = r->scope;
    r->block = ++r->block_count;
    r->scope = jinja_scope_push(r, around);
    (void)run_list(r, node->body);
    r->scope = around;
    r->block = block;
}

static flow run_one(jinja_render *r, const jinja_node *node)
{
    switch (node->kind) {
    case JINJA_NODE_TEXT: jinja_emit(r, node->constant.string); break;
    case JINJA_NODE_PRINT: jinja_emit(r, jinja_str(r, jinja_eval(r, node->first))); break;
    case JINJA_NODE_FOR: return run_for(r, node);
    case JINJA_NODE_IF: return run_if(r, node);
    case JINJA_NODE_SET: jinja_assign(r, node->first, jinja_eval(r, node->second)); break;
    case JINJA_NODE_SET_BLOCK: run_set_block(r, node); break;
    case JINJA_NODE_MACRO: run_macro(r, node); break;
    case JINJA_NODE_FILTERED: run_filtered(r, node); break;
    case JINJA_NODE_GENERATION: run_generation(r, node); break;
    case JINJA_NODE_BREAK: return FLOW_BREAK;
    case JINJA_NODE_CONTINUE: return FLOW_CONTINUE;
    default: jinja_fail(r, ERR_STATE, "an expression stands where a statement belongs");
    }
    return FLOW_ON;
}

static flow run_list(jinja_render *r, const jinja_node *first)
{
    flow how = FLOW_ON;
    jinja_enter(r);
    for (const jinja_node *node = first; node && how == FLOW_ON; node = node->next) {
        jinja_steps(r, 1);
        r->line = node->line;
        how = run_one(r, node);
    }
    jinja_leave(r);
    return how;
}

void jinja_run(jinja_render *r, const jinja_node *first) { (void)run_list(r, first); }
