/* engine/text/jinja/lexer.h: a template's source as tokens, white space rules applied. */
#ifndef ENGINE_TEXT_JINJA_LEXER_H
#define ENGINE_TEXT_JINJA_LEXER_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

typedef enum jinja_token_kind {
    JINJA_TOKEN_TEXT,        /* text: as it is printed */
    JINJA_TOKEN_PRINT_BEGIN, /* {{ */
    JINJA_TOKEN_PRINT_END,   /* }} */
    JINJA_TOKEN_BLOCK_BEGIN, /* {% */
    JINJA_TOKEN_BLOCK_END,   /* %} */
    JINJA_TOKEN_NAME,
    JINJA_TOKEN_INTEGER, /* text: without underscores */
    JINJA_TOKEN_FLOAT,   /* likewise */
    JINJA_TOKEN_STRING,  /* text: decoded */
    JINJA_TOKEN_OPERATOR,
    JINJA_TOKEN_END,
} jinja_token_kind;

typedef struct jinja_token {
    jinja_token_kind kind;
    uint32_t line;
    bytes_view text;
} jinja_token;

/* Tokens up to JINJA_TOKEN_END. `source` has only LF newlines and lives as long as the tokens. */
err jinja_lex(bytes_view source, const char *file_name, arena *a, jinja_token **out);

#endif
