/* tests/data/comment_lacking.h: what tests/check_comments must find, and what not. */
typedef int (*a_pointer)(int);
typedef struct fields {
    int (*call)(int x);
} fields;
/* Of the type and of what takes it. */
typedef enum kind { ONE, TWO } kind;
int of_a_type(kind k);

/* Above. */
int above(int x);
int behind(int x); /* behind */
int lacking(int x);
int over_two_lines(int x,
                   int y); /* behind the second */
static inline int has_a_body(int x) { return above(x); }
