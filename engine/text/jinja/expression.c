/* Expressions, by the grammar of jinja2 3.1: binary operators climb by their level, all to the left. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/jinja/parser.h"

enum { LEVEL_OR = 1, LEVEL_AND, LEVEL_NOT, LEVEL_COMPARE, LEVEL_ADD, LEVEL_CONCAT, LEVEL_MUL, LEVEL_POW };

static const struct binary_row {
    const char *sign;
    jinja_operator op;
    int level;
    bool is_name;
} binary_rows[] = {
    {"or", JINJA_OR, LEVEL_OR, true},      {"and", JINJA_AND, LEVEL_AND, true},
    {"==", JINJA_EQ, LEVEL_COMPARE},       {"!=", JINJA_NE, LEVEL_COMPARE},
    {"<", JINJA_LT, LEVEL_COMPARE},        {"<=", JINJA_LE, LEVEL_COMPARE},
    {">", JINJA_GT, LEVEL_COMPARE},        {">=", JINJA_GE, LEVEL_COMPARE},
    {"in", JINJA_IN, LEVEL_COMPARE, true}, {"+", JINJA_ADD, LEVEL_ADD},
    {"-", JINJA_SUB, LEVEL_ADD},           {"~", JINJA_CONCAT, LEVEL_CONCAT},
    {"*", JINJA_MUL, LEVEL_MUL},           {"/", JINJA_DIV, LEVEL_MUL},
    {"//", JINJA_FLOOR_DIV, LEVEL_MUL},    {"%", JINJA_MOD, LEVEL_MUL},
    {"**", JINJA_POW, LEVEL_POW},
};
static const struct binary_row not_in_row = {"not in", JINJA_NOT_IN, LEVEL_COMPARE, true};

static jinja_node *unary(jinja_parser *p, bool with_filters);

static void list_add(jinja_node ***tail, jinja_node *node)
{
    **tail = node;
    *tail = &node->next;
}

/* ---- primary ---- */

static jinja_node *constant(jinja_parser *p, jinja_value v)
{
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_CONSTANT);
    node->constant = v;
    return node;
}

static jinja_value string_constant(jinja_parser *p, bytes_view text)
{
    return (jinja_value){JINJA_STRING, {.string = jinja_string_frozen(p->a, text, 0)}};
}

/* Neighbouring strings are one. */
static jinja_node *string(jinja_parser *p)
{
    jinja_node *node = constant(p, jinja_none);
    bytes_view first = p->at->text;
    size_t size = 0, at = 0;
    for (const jinja_token *t = p->at; t->kind == JINJA_TOKEN_STRING; t++) size += t->text.size;
    char *joined = size > first.size ? arena_alloc(p->a, size) : NULL;
    for (; p->at->kind == JINJA_TOKEN_STRING; at += p->at++->text.size)
        if (joined) memcpy(joined + at, p->at->text.data, p->at->text.size);
    node->constant = string_constant(p, joined ? (bytes_view){joined, size} : first);
    return node;
}

static jinja_value number_value(jinja_parser *p)
{
    const char *text = arena_text_n(p->a, p->at->text.data, p->at->text.size);
    double number = 0;
    if (p->at->kind == JINJA_TOKEN_FLOAT) {
        (void)jinja_float_parse(p->at->text, &number);
        return jinja_float(number);
    }
    errno = 0;
    long long integer = strtoll(text, NULL, 10);
    if (!errno) return jinja_int(integer);
    jinja_value big = string_constant(p, p->at->text);
    big.type = JINJA_BIG;
    return big;
}

static jinja_node *name(jinja_parser *p)
{
    static const struct {
        const char *name;
        jinja_value value;
    } words[] = {
        {"true", {JINJA_BOOL, {.truth = true}}},
        {"True", {JINJA_BOOL, {.truth = true}}},
        {"false", {JINJA_BOOL, {.truth = false}}},
        {"False", {JINJA_BOOL, {.truth = false}}},
        {"none", {JINJA_NONE, {0}}},
        {"None", {JINJA_NONE, {0}}},
    };
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_NAME);
    bytes_view text = p->at++->text;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!bytes_view_is(text, words[i].name)) continue;
        node->kind = JINJA_NODE_CONSTANT;
        node->constant = words[i].value;
        return node;
    }
    node->constant = string_constant(p, text);
    if (bytes_view_is(text, "varargs")) p->takes |= JINJA_TAKES_VARARGS;
    if (bytes_view_is(text, "kwargs")) p->takes |= JINJA_TAKES_KWARGS;
    return node;
}

static jinja_node *list(jinja_parser *p)
{
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_LIST), **tail = &node->list;
    p->at++;
    while (!jinja_parser_skips(p, "]")) {
        if (node->list) jinja_parser_want(p, ",");
        if (jinja_parser_skips(p, "]")) break;
        list_add(&tail, jinja_parser_expression(p, true));
    }
    return node;
}

static jinja_node *dict(jinja_parser *p)
{
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_DICT), **tail = &node->list;
    p->at++;
    while (!jinja_parser_skips(p, "}")) {
        if (node->list) jinja_parser_want(p, ",");
        if (jinja_parser_skips(p, "}")) break;
        list_add(&tail, jinja_parser_expression(p, true));
        jinja_parser_want(p, ":");
        list_add(&tail, jinja_parser_expression(p, true));
    }
    return node;
}

static jinja_node *parenthesised(jinja_parser *p)
{
    p->at++;
    if (jinja_parser_sees(p, ")")) {
        jinja_node *empty = jinja_parser_node(p, JINJA_NODE_TUPLE);
        p->at++;
        return empty;
    }
    jinja_node *inner = jinja_parser_tuple(p, true);
    jinja_parser_want(p, ")");
    if (inner->kind == JINJA_NODE_COMPARE) inner->flag = true; /* closed: (a < b) < c is no chain */
    return inner;
}

static jinja_node *primary(jinja_parser *p)
{
    if (p->at->kind == JINJA_TOKEN_NAME) return name(p);
    if (p->at->kind == JINJA_TOKEN_STRING) return string(p);
    if (p->at->kind == JINJA_TOKEN_INTEGER || p->at->kind == JINJA_TOKEN_FLOAT) {
        jinja_node *node = constant(p, number_value(p));
        p->at++;
        return node;
    }
    if (jinja_parser_sees(p, "(")) return parenthesised(p);
    if (jinja_parser_sees(p, "[")) return list(p);
    if (jinja_parser_sees(p, "{")) return dict(p);
    jinja_parser_expected(p, "an expression");
}

/* ---- what follows a primary ---- */

static jinja_node *arguments(jinja_parser *p)
{
    jinja_node *first = NULL, **tail = &first;
    jinja_parser_want(p, "(");
    while (!jinja_parser_skips(p, ")")) {
        if (first) jinja_parser_want(p, ",");
        if (jinja_parser_skips(p, ")")) break;
        jinja_node *argument = jinja_parser_node(p, JINJA_NODE_ARGUMENT);
        bool named = p->at->kind == JINJA_TOKEN_NAME && p->at[1].kind == JINJA_TOKEN_OPERATOR &&
                     bytes_view_is(p->at[1].text, "=");
        if (named) {
            argument->name = p->at->text;
            p->at += 2;
        } else {
            argument->op = jinja_parser_skips(p, "*")    ? JINJA_MUL
                           : jinja_parser_skips(p, "**") ? JINJA_POW
                                                         : JINJA_ADD;
        }
        argument->first = jinja_parser_expression(p, true);
        list_add(&tail, argument);
    }
    return first;
}

static jinja_node *call(jinja_parser *p, jinja_node *callee)
{
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_CALL);
    node->first = callee;
    node->list = arguments(p);
    return node;
}

/* After "[", when a ':' may follow: start:stop:step, each may be left out. */
static jinja_node *slice(jinja_parser *p, jinja_node *object, jinja_node *start)
{
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_SLICE), **tail = &node->list;
    node->first = object;
    list_add(&tail, start ? start : constant(p, jinja_none));
    jinja_parser_want(p, ":");
    for (int i = 0; i < 2; i++) {
        bool absent = jinja_parser_sees(p, ":") || jinja_parser_sees(p, "]");
        list_add(&tail, absent ? constant(p, jinja_none) : jinja_parser_expression(p, true));
        if (i == 0) (void)jinja_parser_skips(p, ":");
    }
    return node;
}

static jinja_node *subscript(jinja_parser *p, jinja_node *object)
{
    p->at++;
    jinja_node *node, *key = jinja_parser_sees(p, ":") ? NULL : jinja_parser_tuple(p, true);
    if (jinja_parser_sees(p, ":")) {
        node = slice(p, object, key);
    } else {
        node = jinja_parser_node(p, JINJA_NODE_ITEM);
        node->first = object;
        node->second = key;
    }
    jinja_parser_want(p, "]");
    return node;
}

static jinja_node *attribute(jinja_parser *p, jinja_node *object)
{
    p->at++;
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_ATTRIBUTE);
    node->first = object;
    if (p->at->kind == JINJA_TOKEN_INTEGER) { /* x.0 is x[0] */
        node->kind = JINJA_NODE_ITEM;
        node->second = constant(p, number_value(p));
        p->at++;
    } else {
        node->name = jinja_parser_want_name(p, "an attribute's name");
    }
    return node;
}

static jinja_node *postfix(jinja_parser *p, jinja_node *node)
{
    for (;;) {
        if (jinja_parser_sees(p, "."))
            node = attribute(p, node);
        else if (jinja_parser_sees(p, "["))
            node = subscript(p, node);
        else if (jinja_parser_sees(p, "("))
            node = call(p, node);
        else
            return node;
    }
}

jinja_node *jinja_parser_filter(jinja_parser *p, jinja_node *first)
{
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_FILTER);
    node->first = first;
    node->name = jinja_parser_want_name(p, "a filter's name");
    node->row = jinja_find_filter(node->name);
    if (jinja_parser_sees(p, "(")) node->list = arguments(p);
    return node;
}

static bool argument_follows(const jinja_parser *p)
{
    if (p->at->kind == JINJA_TOKEN_NAME)
        return !jinja_parser_sees_name(p, "else") && !jinja_parser_sees_name(p, "or") &&
               !jinja_parser_sees_name(p, "and") && !jinja_parser_sees_name(p, "if");
    return p->at->kind == JINJA_TOKEN_STRING || p->at->kind == JINJA_TOKEN_INTEGER ||
           p->at->kind == JINJA_TOKEN_FLOAT || jinja_parser_sees(p, "[") || jinja_parser_sees(p, "{");
}

/* After "is": [not] name [argument]. */
static jinja_node *test(jinja_parser *p, jinja_node *first)
{
    bool negated = jinja_parser_skips_name(p, "not");
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_TEST);
    node->first = first;
    node->name = jinja_parser_want_name(p, "a test's name");
    node->row = jinja_find_test(node->name);
    if (jinja_parser_sees(p, "(")) {
        node->list = arguments(p);
    } else if (argument_follows(p)) {
        if (jinja_parser_sees_name(p, "is"))
            jinja_parser_fail(p, ERR_FORMAT, "tests cannot be chained with 'is'");
        node->list = jinja_parser_node(p, JINJA_NODE_ARGUMENT);
        node->list->first = postfix(p, primary(p));
    }
    if (!negated) return node;
    jinja_node *not_node = jinja_parser_node(p, JINJA_NODE_NOT);
    not_node->first = node;
    return not_node;
}

/* Filters, tests, and calls of what they give. */
static jinja_node *filters_and_tests(jinja_parser *p, jinja_node *node)
{
    for (;;) {
        if (jinja_parser_skips(p, "|"))
            node = jinja_parser_filter(p, node);
        else if (jinja_parser_skips_name(p, "is"))
            node = test(p, node);
        else if (jinja_parser_sees(p, "("))
            node = call(p, node);
        else
            return node;
    }
}

jinja_node *jinja_parser_filters(jinja_parser *p, jinja_node *first)
{
    while (jinja_parser_skips(p, "|")) first = jinja_parser_filter(p, first);
    return first;
}

/* ---- operators ---- */

static jinja_node *unary(jinja_parser *p, bool with_filters)
{
    jinja_node *node;
    jinja_parser_enter(p);
    if (jinja_parser_sees(p, "-") || jinja_parser_sees(p, "+")) {
        node = jinja_parser_node(p, jinja_parser_sees(p, "-") ? JINJA_NODE_MINUS : JINJA_NODE_PLUS);
        p->at++;
        node->first = unary(p, false);
    } else {
        node = primary(p);
    }
    node = postfix(p, node);
    if (with_filters) node = filters_and_tests(p, node);
    jinja_parser_leave(p);
    return node;
}

static const struct binary_row *binary_row_here(const jinja_parser *p)
{
    if (jinja_parser_sees_name(p, "not") && p->at[1].kind == JINJA_TOKEN_NAME &&
        bytes_view_is(p->at[1].text, "in"))
        return &not_in_row;
    for (size_t i = 0; i < COUNT_OF(binary_rows); i++) {
        const struct binary_row *row = &binary_rows[i];
        if (row->is_name ? jinja_parser_sees_name(p, row->sign) : jinja_parser_sees(p, row->sign)) return row;
    }
    return NULL;
}

static jinja_node *operators(jinja_parser *p, int level_min);

/* a < b < c is one node: each side is evaluated once. */
static jinja_node *comparison(jinja_parser *p, jinja_node *left, jinja_operator op)
{
    bool chained = left->kind == JINJA_NODE_COMPARE && !left->flag;
    jinja_node *node = chained ? left : jinja_parser_node(p, JINJA_NODE_COMPARE), **tail = &node->list;
    while (*tail) tail = &(*tail)->next;
    if (!chained) node->first = left;
    *tail = jinja_parser_node(p, JINJA_NODE_OPERAND);
    (*tail)->op = op;
    (*tail)->first = operators(p, LEVEL_COMPARE + 1);
    return node;
}

static jinja_node *operators(jinja_parser *p, int level_min)
{
    jinja_node *left;
    jinja_parser_enter(p);
    if (level_min <= LEVEL_NOT && jinja_parser_sees_name(p, "not")) {
        left = jinja_parser_node(p, JINJA_NODE_NOT);
        p->at++;
        left->first = operators(p, LEVEL_NOT);
    } else {
        left = unary(p, true);
    }
    for (const struct binary_row *row; (row = binary_row_here(p)) && row->level >= level_min;) {
        p->at += row == &not_in_row ? 2 : 1;
        if (row->level == LEVEL_COMPARE) {
            left = comparison(p, left, row->op);
            continue;
        }
        jinja_node *node = jinja_parser_node(p, JINJA_NODE_BINARY);
        node->op = row->op;
        node->first = left;
        node->second = operators(p, row->level + 1);
        left = node;
    }
    jinja_parser_leave(p);
    return left;
}

jinja_node *jinja_parser_expression(jinja_parser *p, bool conditions)
{
    jinja_node *node = operators(p, LEVEL_OR);
    while (conditions && jinja_parser_skips_name(p, "if")) {
        jinja_node *condition = jinja_parser_node(p, JINJA_NODE_CONDITION);
        condition->first = node;
        condition->second = operators(p, LEVEL_OR);
        if (jinja_parser_skips_name(p, "else")) {
            jinja_parser_enter(p);
            condition->third = jinja_parser_expression(p, true);
            jinja_parser_leave(p);
        }
        node = condition;
    }
    return node;
}

static bool expression_ends(const jinja_parser *p)
{
    return p->at->kind == JINJA_TOKEN_BLOCK_END || p->at->kind == JINJA_TOKEN_PRINT_END ||
           jinja_parser_sees(p, ")") || jinja_parser_sees(p, "]") || jinja_parser_sees(p, "=");
}

jinja_node *jinja_parser_tuple(jinja_parser *p, bool conditions)
{
    jinja_node *first = jinja_parser_expression(p, conditions);
    if (!jinja_parser_sees(p, ",")) return first;
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_TUPLE), **tail = &node->list;
    list_add(&tail, first);
    while (jinja_parser_skips(p, ",")) {
        if (expression_ends(p)) break;
        list_add(&tail, jinja_parser_expression(p, conditions));
    }
    return node;
}

/* ---- targets ---- */

static jinja_node *target_part(jinja_parser *p, bool namespaces)
{
    if (jinja_parser_skips(p, "(")) {
        jinja_parser_enter(p);
        jinja_node *inner = jinja_parser_target(p, false);
        jinja_parser_leave(p);
        jinja_parser_want(p, ")");
        return inner;
    }
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_NAME);
    node->constant = string_constant(p, jinja_parser_want_name(p, "a name to assign to"));
    if (namespaces && jinja_parser_skips(p, ".")) {
        node->kind = JINJA_NODE_NS_NAME;
        node->name = jinja_parser_want_name(p, "an attribute's name");
    }
    return node;
}

jinja_node *jinja_parser_target(jinja_parser *p, bool namespaces)
{
    jinja_node *first = target_part(p, namespaces);
    if (!jinja_parser_sees(p, ",")) return first;
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_TUPLE), **tail = &node->list;
    list_add(&tail, first);
    while (jinja_parser_skips(p, ",")) {
        if (jinja_parser_sees_name(p, "in") || jinja_parser_sees(p, "=") || jinja_parser_sees(p, ")")) break;
        list_add(&tail, target_part(p, namespaces));
    }
    return node;
}
