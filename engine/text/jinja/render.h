/* engine/text/jinja/render.h: one rendering of a template, and how it is left when something is wrong.
 *
 * All that a render makes lives in its arena, so jinja_fail() may leave from any depth by longjmp: nothing
 * else has to be given back. Whatever walks values or nodes counts its steps and its depth here. */
#ifndef ENGINE_TEXT_JINJA_RENDER_H
#define ENGINE_TEXT_JINJA_RENDER_H

#include <setjmp.h>

#include "base/err.h"
#include "engine/text/jinja/value.h"

struct jinja_scope {
    jinja_scope *parent;
    jinja_dict variables;
    bool captured; /* a macro was made in it */
};

struct jinja_render {
    arena values;
    const char *file_name;
    uint32_t line; /* of the node being evaluated */
    unsigned depth;
    uint64_t steps, steps_max;
    jinja_buffer *out;           /* where statements print */
    jinja_scope *scope;          /* where names are looked up */
    jinja_value hole;            /* what the filter block at hand captured */
    uint32_t block, block_count; /* generation block being printed, 0: none; blocks so far */
    int64_t now;
    jmp_buf failed;
    err failure;
};

/* Leave with file, line and words; does not return. */
void jinja_fail(jinja_render *r, err_code code, const char *format, ...) PRINTF_LIKE(3, 4)
    __attribute__((noreturn));
void *jinja_alloc(jinja_render *r,
                  size_t size); /* in the render's arena, zeroed; fails past the limit of memory */
#define jinja_new(r, type) ((type *)jinja_alloc((r), sizeof(type)))
void jinja_steps(jinja_render *r, size_t count);      /* elements touched */
void jinja_bytes_steps(jinja_render *r, size_t size); /* bytes scanned */
void jinja_enter(jinja_render *r);                    /* one level deeper; fails past the limit */
void jinja_leave(jinja_render *r);                    /* back from jinja_enter */

/* -- names, calls ---------------------------------------------------------------------------------------- */

typedef struct jinja_arguments {
    const jinja_value *positional;
    size_t count;
    const bytes_view *names;
    const jinja_value *named;
    size_t named_count;
} jinja_arguments;

/* A filter, a test, a method or a function. `self` is what it is applied to (absent for functions).
 * With `parameters` ("old new count") the arguments arrive bound, one for each, absent where not given. */
typedef jinja_value jinja_native(jinja_render *r, jinja_value self, const jinja_arguments *given);
typedef struct jinja_row {
    const char *name;
    jinja_native *call;
    const char *parameters; /* NULL: as given */
    unsigned required;      /* how many of them must be there */
} jinja_row;
struct jinja_bound {
    const jinja_row *row;
    jinja_value self;
};

const jinja_row *jinja_find_row(const jinja_row *rows, bytes_view name); /* rows end with a name of NULL */
const jinja_row *jinja_find_filter(bytes_view name);                     /* NULL: none */
const jinja_row *jinja_find_test(bytes_view name);                       /* NULL: none */
const jinja_row *jinja_find_method(jinja_type type, bytes_view name);    /* NULL: none */
extern const jinja_row jinja_text_filters[], jinja_list_filters[], jinja_functions[];

/* Binds the arguments to row->parameters first; fails when one is wanting or too many. */
jinja_value jinja_call_row(jinja_render *r, const jinja_row *row, jinja_value self,
                           const jinja_arguments *given);
/* Whatever can be called; fails on what cannot. */
jinja_value jinja_call(jinja_render *r, jinja_value callee, const jinja_arguments *given);
/* What its body prints. */
jinja_value jinja_call_macro(jinja_render *r, const jinja_macro *macro, const jinja_arguments *given);
/* loop(...) of a recursive for: the body again over the argument. */
jinja_value jinja_call_loop(jinja_render *r, jinja_loop *loop, const jinja_arguments *given);

/* For natives. Fail when the value is of another type; the fallback stands for an absent argument. */
const jinja_string *jinja_want_string(jinja_render *r, jinja_value v, const char *what);
int64_t jinja_want_int(jinja_render *r, jinja_value v, int64_t fallback,
                       const char *what);           /* an integer of 64 bits */
bool jinja_want_bool(jinja_value v, bool fallback); /* its truth, of whatever type */
/* Borrowed from v. */
bytes_view jinja_want_text(jinja_render *r, jinja_value v, const char *fallback, const char *what);

jinja_value jinja_attribute(jinja_render *r, jinja_value object, bytes_view name); /* x.name */
jinja_value jinja_item(jinja_render *r, jinja_value object, jinja_value key);      /* x[key] */
/* x[start:stop:step] as Python has it; absent ones are left out. */
jinja_value jinja_slice(jinja_render *r, jinja_value object, jinja_value start, jinja_value stop,
                        jinja_value step);
/* loop.index and its kin; *found false: there is no such one. */
jinja_value jinja_loop_attribute(jinja_render *r, jinja_loop *loop, bytes_view name, bool *found);

typedef enum jinja_operator {
    JINJA_ADD,
    JINJA_SUB,
    JINJA_CONCAT,
    JINJA_MUL,
    JINJA_DIV,
    JINJA_FLOOR_DIV,
    JINJA_MOD,
    JINJA_POW,
    JINJA_EQ,
    JINJA_NE,
    JINJA_LT,
    JINJA_LE,
    JINJA_GT,
    JINJA_GE,
    JINJA_IN,
    JINJA_NOT_IN,
    JINJA_OR,
    JINJA_AND,
} jinja_operator;
/* a op b, as Python computes it; fails on types that do not go together. */
jinja_value jinja_binary(jinja_render *r, jinja_operator op, jinja_value a, jinja_value b);
bool jinja_holds(jinja_render *r, jinja_operator op, jinja_value a,
                 jinja_value b);                           /* of the operators that compare */
jinja_value jinja_negated(jinja_render *r, jinja_value v); /* -v of a number */
jinja_value jinja_percent(jinja_render *r, const jinja_string *format, jinja_value given); /* "%s" % x */
/* In Jinja's words: which name of what is undefined. */
void jinja_fail_undefined(jinja_render *r, jinja_value v) __attribute__((noreturn));

/* Stable. `order` is below, at or above 0. */
typedef int jinja_order(jinja_render *r, jinja_value a, jinja_value b, void *payload);
void jinja_sort(jinja_render *r, jinja_list *l, jinja_order *order,
                void *payload); /* in place; `order` may fail */

/* -- trees ----------------------------------------------------------------------------------------------- */

jinja_value jinja_eval(jinja_render *r, const jinja_node *node); /* the value of an expression */
void jinja_run(jinja_render *r, const jinja_node *first);        /* a list of statements */
void jinja_emit(jinja_render *r, const jinja_string *s);         /* print into r->out */
/* A scope below `parent`, now the one at hand; the caller puts the old one back. */
jinja_scope *jinja_scope_push(jinja_render *r, jinja_scope *parent);
/* To a name, a tuple of them, or an attribute of a namespace. */
void jinja_assign(jinja_render *r, const jinja_node *target, jinja_value v);
jinja_arguments jinja_eval_arguments(jinja_render *r,
                                     const jinja_node *first); /* of a call, in their order */

/* -- letters --------------------------------------------------------------------------------------------- */

bool jinja_is_space(uint32_t code);  /* as Python's str.isspace */
bool jinja_is_letter(uint32_t code); /* of a category L* */
typedef enum jinja_case { JINJA_UPPER, JINJA_LOWER, JINJA_TITLE } jinja_case;
/* Append the character in another case: one or more characters. */
void jinja_append_case(jinja_render *r, jinja_buffer *out, uint32_t code, jinja_case which,
                       jinja_marks marks);
jinja_value jinja_cased(jinja_render *r, const jinja_string *s, jinja_case which); /* all of s in that case */
jinja_value jinja_capitalized(jinja_render *r,
                              const jinja_string *s); /* the first letter large, the others small */
/* Blanks, or the given characters, off one end or both. */
jinja_value jinja_stripped(jinja_render *r, const jinja_string *s, jinja_value characters, bool left,
                           bool right);
/* At most count_max times from the left; below 0: all. */
jinja_value jinja_replaced(jinja_render *r, const jinja_string *s, const jinja_string *old,
                           const jinja_string *new_text, int64_t count_max);
/* Offset of needle in hay at or after `from`, or SIZE_MAX. */
size_t jinja_find(bytes_view hay, bytes_view needle, size_t from);

#endif
