/* engine/text/jinja/tree.h: a parsed template. Immutable; lives in the arena of its template. */
#ifndef ENGINE_TEXT_JINJA_TREE_H
#define ENGINE_TEXT_JINJA_TREE_H

#include "base/err.h"
#include "engine/text/jinja/render.h"

typedef enum jinja_kind {
    /* statements                   fields in use */
    JINJA_NODE_TEXT,       /* constant */
    JINJA_NODE_PRINT,      /* first */
    JINJA_NODE_FOR,        /* first: target, second: iterable, third: condition or NULL, body, other,
                              flag: recursive, constant: the name "loop" */
    JINJA_NODE_IF,         /* list of BRANCH, other */
    JINJA_NODE_BRANCH,     /* first: condition, body */
    JINJA_NODE_SET,        /* first: target, second: value */
    JINJA_NODE_SET_BLOCK,  /* first: target, second: filters over HOLE or NULL, body */
    JINJA_NODE_MACRO,      /* name, list of PARAMETER, body, takes */
    JINJA_NODE_PARAMETER,  /* name, first: default or NULL */
    JINJA_NODE_FILTERED,   /* second: filters over HOLE, body */
    JINJA_NODE_GENERATION, /* body */
    JINJA_NODE_BREAK,
    JINJA_NODE_CONTINUE,
    /* expressions */
    JINJA_NODE_CONSTANT,  /* constant */
    JINJA_NODE_NAME,      /* constant: the name */
    JINJA_NODE_NS_NAME,   /* constant: name of a namespace, name: of the attribute; a target only */
    JINJA_NODE_LIST,      /* list */
    JINJA_NODE_TUPLE,     /* list */
    JINJA_NODE_DICT,      /* list: key, value, key, value, ... */
    JINJA_NODE_ATTRIBUTE, /* first, name */
    JINJA_NODE_ITEM,      /* first, second */
    JINJA_NODE_SLICE,     /* first, list of three, CONSTANT none where left out */
    JINJA_NODE_CALL,      /* first, list of ARGUMENT */
    JINJA_NODE_ARGUMENT,  /* name or empty, first; operator: MUL for *first, POW for **first */
    JINJA_NODE_FILTER,    /* first, name, row or NULL, list of ARGUMENT */
    JINJA_NODE_TEST,      /* first, name, row or NULL, list of ARGUMENT */
    JINJA_NODE_HOLE,      /* what a filter block captured */
    JINJA_NODE_NOT,       /* first */
    JINJA_NODE_MINUS,     /* first */
    JINJA_NODE_PLUS,      /* first */
    JINJA_NODE_BINARY,    /* operator, first, second */
    JINJA_NODE_COMPARE,   /* first, list of OPERAND */
    JINJA_NODE_OPERAND,   /* operator, first */
    JINJA_NODE_CONDITION, /* first if second else third (or NULL) */
} jinja_kind;

enum { JINJA_TAKES_VARARGS = 1, JINJA_TAKES_KWARGS = 2 };

struct jinja_node {
    jinja_kind kind;
    uint32_t line;
    jinja_operator op;
    bool flag;
    unsigned takes; /* JINJA_TAKES_*: what a macro asks for besides its parameters */
    bytes_view name;
    jinja_value constant;
    const jinja_row *row;
    jinja_node *first, *second, *third;
    jinja_node *list;         /* children of one sort, linked by next */
    jinja_node *body, *other; /* statements, linked by next */
    jinja_node *next;
};

/* The statements of a source, NULL when there are none. The tree borrows `source` and `file_name`, which
 * must live as long as `a`. ERR_FORMAT, ERR_LIMIT, ERR_UNSUPPORTED. */
err jinja_parse(bytes_view source, const char *file_name, arena *a, const jinja_node **out);

#endif
