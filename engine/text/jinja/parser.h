/* engine/text/jinja/parser.h: what the parsers of statements and of expressions share. */
#ifndef ENGINE_TEXT_JINJA_PARSER_H
#define ENGINE_TEXT_JINJA_PARSER_H

#include <setjmp.h>

#include "engine/text/jinja/lexer.h"
#include "engine/text/jinja/tree.h"

typedef struct jinja_parser {
    const jinja_token *at;
    arena *a;
    const char *file_name;
    unsigned depth, loop_depth;
    unsigned takes; /* of the macro being read */
    jmp_buf failed;
    err failure;
} jinja_parser;

/* Leave with "FILE: line N: ..."; does not return. */
void jinja_parser_fail(jinja_parser *p, err_code code, const char *format, ...) PRINTF_LIKE(3, 4)
    __attribute__((noreturn));
void jinja_parser_expected(jinja_parser *p, const char *wanted)
    __attribute__((noreturn)); /* "..., found X" */
jinja_node *jinja_parser_node(jinja_parser *p,
                              jinja_kind kind); /* in the parser's arena, with the line it is at */
void jinja_parser_enter(jinja_parser *p);       /* one level deeper; fails past the limit */
void jinja_parser_leave(jinja_parser *p);       /* back from jinja_parser_enter */

bool jinja_parser_sees(const jinja_parser *p, const char *sign);      /* an operator */
bool jinja_parser_sees_name(const jinja_parser *p, const char *name); /* this name comes next */
bool jinja_parser_skips(jinja_parser *p, const char *sign);           /* and moves on when it is there */
bool jinja_parser_skips_name(jinja_parser *p, const char *name);      /* likewise, of a name */
void jinja_parser_want(jinja_parser *p, const char *sign); /* this sign, and on; fails when another comes */
/* Any name, and on; `what` says in the failure what for. */
bytes_view jinja_parser_want_name(jinja_parser *p, const char *what);

/* One expression, or several with commas between: a tuple. conditions: "a if b else c" is allowed. */
jinja_node *jinja_parser_expression(jinja_parser *p, bool conditions);
jinja_node *jinja_parser_tuple(jinja_parser *p, bool conditions);     /* likewise, with commas */
jinja_node *jinja_parser_filters(jinja_parser *p, jinja_node *first); /* "|f|g(1)", as many as there are */
jinja_node *jinja_parser_filter(jinja_parser *p, jinja_node *first);  /* one, after its bar */
jinja_node *jinja_parser_target(jinja_parser *p, bool namespaces);    /* what for and set assign to */

#endif
