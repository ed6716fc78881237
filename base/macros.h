/* base/macros.h: the few macros every room uses. */
#ifndef BASE_MACROS_H
#define BASE_MACROS_H

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Release a local variable when it leaves its scope: CLEANUP(bytes_free) bytes raw = {0}; */
#define CLEANUP(release) __attribute__((cleanup(release)))

#define PRINTF_LIKE(format_index, first_index) \
    __attribute__((format(printf, format_index, first_index)))

#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

#endif
