/* base/clock.h: time. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

double clock_seconds(void);       /* monotonic, since some moment */
int64_t clock_unix_seconds(void); /* since 1970 */

#endif
