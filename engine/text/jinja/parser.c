/* Statements. A tag that we leave out is refused by its name. */
#include "engine/text/jinja/parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/text/chat_template.h"

void jinja_parser_fail(jinja_parser *p, err_code code, const char *format, ...)
{
    char words[256];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    p->failure = err_make(code, "%s, line %u: %s", p->file_name, p->at->line, words);
    longjmp(p->failed, 1);
}

void jinja_parser_expected(jinja_parser *p, const char *wanted)
{
    static const char *const kinds[] = {
        [JINJA_TOKEN_TEXT] = "text",
        [JINJA_TOKEN_PRINT_BEGIN] = "'{{'",
        [JINJA_TOKEN_PRINT_END] = "'}}'",
        [JINJA_TOKEN_BLOCK_BEGIN] = "'{%'",
        [JINJA_TOKEN_BLOCK_END] = "'%}'",
        [JINJA_TOKEN_STRING] = "a string",
        [JINJA_TOKEN_END] = "the end of the template",
    };
    const char *kind = (size_t)p->at->kind < COUNT_OF(kinds) ? kinds[p->at->kind] : NULL;
    if (kind) jinja_parser_fail(p, ERR_FORMAT, "expected %s, found %s", wanted, kind);
    jinja_parser_fail(p, ERR_FORMAT, "expected %s, found '%.*s'", wanted,
                      (int)MIN_OF(p->at->text.size, (size_t)60), p->at->text.data);
}

jinja_node *jinja_parser_node(jinja_parser *p, jinja_kind kind)
{
    jinja_node *node = arena_new(p->a, jinja_node);
    node->kind = kind;
    node->line = p->at->line;
    return node;
}

void jinja_parser_enter(jinja_parser *p)
{
    if (++p->depth > ENGINE_CHAT_DEPTH_MAX)
        jinja_parser_fail(p, ERR_LIMIT, "nested deeper than the limit of %d", ENGINE_CHAT_DEPTH_MAX);
}

void jinja_parser_leave(jinja_parser *p) { p->depth--; }

bool jinja_parser_sees(const jinja_parser *p, const char *sign)
{
    return p->at->kind == JINJA_TOKEN_OPERATOR && bytes_view_is(p->at->text, sign);
}

bool jinja_parser_sees_name(const jinja_parser *p, const char *name)
{
    return p->at->kind == JINJA_TOKEN_NAME && bytes_view_is(p->at->text, name);
}

bool jinja_parser_skips(jinja_parser *p, const char *sign)
{
    bool seen = jinja_parser_sees(p, sign);
    p->at += seen;
    return seen;
}

bool jinja_parser_skips_name(jinja_parser *p, const char *name)
{
    bool seen = jinja_parser_sees_name(p, name);
    p->at += seen;
    return seen;
}

void jinja_parser_want(jinja_parser *p, const char *sign)
{
    char wanted[8];
    snprintf(wanted, sizeof wanted, "'%s'", sign);
    if (!jinja_parser_skips(p, sign)) jinja_parser_expected(p, wanted);
}

bytes_view jinja_parser_want_name(jinja_parser *p, const char *what)
{
    if (p->at->kind != JINJA_TOKEN_NAME) jinja_parser_expected(p, what);
    return p->at++->text;
}

/* ---- tags ---- */

static void block_end(jinja_parser *p)
{
    if (p->at->kind != JINJA_TOKEN_BLOCK_END) jinja_parser_expected(p, "'%}'");
    p->at++;
}

static jinja_node *statements(jinja_parser *p, const char *const ends[]);

/* A body up to one of the ends; moves behind the end's name. */
static jinja_node *body(jinja_parser *p, const char *const ends[])
{
    block_end(p);
    jinja_node *first = statements(p, ends);
    p->at++; /* the name: statements() stopped at it */
    return first;
}

static jinja_node *for_tag(jinja_parser *p)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_FOR);
    node->constant = (jinja_value){JINJA_STRING, {.string = jinja_string_frozen(p->a, VIEW("loop"), 0)}};
    node->first = jinja_parser_target(p, false);
    if (!jinja_parser_skips_name(p, "in")) jinja_parser_expected(p, "'in'");
    node->second = jinja_parser_tuple(p, false);
    if (jinja_parser_skips_name(p, "if")) node->third = jinja_parser_expression(p, true);
    node->flag = jinja_parser_skips_name(p, "recursive");
    p->loop_depth++;
    node->body = body(p, ends);
    p->loop_depth--;
    if (bytes_view_is(p->at[-1].text, "else")) node->other = body(p, ends + 1);
    return node;
}

static jinja_node *if_tag(jinja_parser *p)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_IF), **tail = &node->list;
    do {
        jinja_node *branch = jinja_parser_node(p, JINJA_NODE_BRANCH);
        branch->first = jinja_parser_tuple(p, false);
        branch->body = body(p, ends);
        *tail = branch;
        tail = &branch->next;
    } while (bytes_view_is(p->at[-1].text, "elif"));
    if (bytes_view_is(p->at[-1].text, "else")) node->other = body(p, ends + 2);
    return node;
}

static jinja_node *set_tag(jinja_parser *p)
{
    static const char *const ends[] = {"endset", NULL};
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_SET);
    node->first = jinja_parser_target(p, true);
    if (jinja_parser_skips(p, "=")) {
        node->second = jinja_parser_tuple(p, true);
        return node;
    }
    node->kind = JINJA_NODE_SET_BLOCK;
    if (jinja_parser_sees(p, "|"))
        node->second = jinja_parser_filters(p, jinja_parser_node(p, JINJA_NODE_HOLE));
    node->body = body(p, ends);
    return node;
}

static jinja_node *macro_tag(jinja_parser *p)
{
    static const char *const ends[] = {"endmacro", NULL};
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_MACRO), **tail = &node->list;
    node->name = jinja_parser_want_name(p, "a macro's name");
    jinja_parser_want(p, "(");
    while (!jinja_parser_skips(p, ")")) {
        if (node->list) jinja_parser_want(p, ",");
        jinja_node *parameter = jinja_parser_node(p, JINJA_NODE_PARAMETER);
        parameter->name = jinja_parser_want_name(p, "a parameter's name");
        if (jinja_parser_skips(p, "="))
            parameter->first = jinja_parser_expression(p, true);
        else if (node->flag)
            jinja_parser_fail(p, ERR_FORMAT, "a parameter without default follows one with default");
        node->flag = parameter->first != NULL;
        *tail = parameter;
        tail = &parameter->next;
    }
    unsigned loop_depth = p->loop_depth, takes = p->takes;
    p->loop_depth = p->takes = 0;
    node->body = body(p, ends);
    node->takes = p->takes;
    p->loop_depth = loop_depth;
    p->takes = takes;
    return node;
}

static jinja_node *filter_tag(jinja_parser *p)
{
    static const char *const ends[] = {"endfilter", NULL};
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_FILTERED);
    node->second = jinja_parser_filter(p, jinja_parser_node(p, JINJA_NODE_HOLE));
    node->second = jinja_parser_filters(p, node->second);
    node->body = body(p, ends);
    return node;
}

static jinja_node *generation_tag(jinja_parser *p)
{
    static const char *const ends[] = {"endgeneration", NULL};
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_GENERATION);
    unsigned loop_depth = p->loop_depth;
    p->loop_depth = 0;
    node->body = body(p, ends);
    p->loop_depth = loop_depth;
    return node;
}

static jinja_node *loop_control(jinja_parser *p, jinja_kind kind)
{
    if (!p->loop_depth) jinja_parser_fail(p, ERR_FORMAT, "'break' and 'continue' belong inside a loop");
    return jinja_parser_node(p, kind);
}

static jinja_node *break_tag(jinja_parser *p) { return loop_control(p, JINJA_NODE_BREAK); }
static jinja_node *continue_tag(jinja_parser *p) { return loop_control(p, JINJA_NODE_CONTINUE); }

static jinja_node *print_tag(jinja_parser *p)
{
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_PRINT);
    node->first = jinja_parser_tuple(p, true);
    return node;
}

static jinja_node *refused_tag(jinja_parser *p)
{
    p->at--;
    jinja_parser_fail(p, ERR_UNSUPPORTED, "the tag '%.*s' is not supported in chat templates",
                      (int)p->at->text.size, p->at->text.data);
}

static const struct tag {
    const char *name;
    jinja_node *(*parse)(jinja_parser *p); /* after the name, up to the %} of the last tag */
} tags[] = {
    {"for", for_tag},
    {"if", if_tag},
    {"set", set_tag},
    {"macro", macro_tag},
    {"filter", filter_tag},
    {"generation", generation_tag},
    {"break", break_tag},
    {"continue", continue_tag},
    {"print", print_tag},
    {"include", refused_tag},
    {"import", refused_tag},
    {"from", refused_tag},
    {"extends", refused_tag},
    {"block", refused_tag},
    {"call", refused_tag},
    {"with", refused_tag},
    {"autoescape", refused_tag},
    {"do", refused_tag},
    {"trans", refused_tag},
};

static jinja_node *tag(jinja_parser *p)
{
    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        if (!jinja_parser_skips_name(p, tags[i].name)) continue;
        jinja_node *node = tags[i].parse(p);
        block_end(p);
        return node;
    }
    jinja_parser_expected(p, "a tag's name");
}

static jinja_node *print(jinja_parser *p)
{
    jinja_node *node = print_tag(p);
    if (p->at->kind != JINJA_TOKEN_PRINT_END) jinja_parser_expected(p, "'}}'");
    p->at++;
    return node;
}

static jinja_node *text(jinja_parser *p)
{
    jinja_node *node = jinja_parser_node(p, JINJA_NODE_TEXT);
    node->constant = (jinja_value){JINJA_STRING, {.string = jinja_string_frozen(p->a, p->at->text, 0)}};
    p->at++;
    return node;
}

/* Stands at the name of a tag that ends the body? */
static bool at_end(jinja_parser *p, const char *const ends[])
{
    for (size_t i = 0; ends[i]; i++)
        if (jinja_parser_sees_name(p, ends[i])) return true;
    return false;
}

/* Statements up to a tag that is one of `ends` (none: up to the end of the template). */
static jinja_node *statements(jinja_parser *p, const char *const ends[])
{
    jinja_node *first = NULL, **tail = &first;
    jinja_parser_enter(p);
    for (;;) {
        jinja_token_kind kind = p->at->kind;
        if (kind == JINJA_TOKEN_END && !ends[0]) break;
        if (kind == JINJA_TOKEN_END) {
            char wanted[48];
            size_t last = 0;
            while (ends[last + 1]) last++;
            snprintf(wanted, sizeof wanted, "{%% %s %%}", ends[last]);
            jinja_parser_expected(p, wanted);
        }
        p->at += kind == JINJA_TOKEN_PRINT_BEGIN || kind == JINJA_TOKEN_BLOCK_BEGIN;
        if (kind == JINJA_TOKEN_BLOCK_BEGIN && at_end(p, ends)) break;
        *tail = kind == JINJA_TOKEN_TEXT ? text(p) : kind == JINJA_TOKEN_PRINT_BEGIN ? print(p) : tag(p);
        tail = &(*tail)->next;
    }
    jinja_parser_leave(p);
    return first;
}

err jinja_parse(bytes_view source, const char *file_name, arena *a, const jinja_node **out)
{
    static const char *const nothing[] = {NULL};
    jinja_parser p = {.a = a, .file_name = file_name};
    jinja_token *first = NULL;
    err e = jinja_lex(source, file_name, a, &first);
    if (e.code) return e;
    p.at = first;
    if (setjmp(p.failed)) return p.failure;
    *out = statements(&p, nothing);
    return ERR_OK;
}
