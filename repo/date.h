/* repo/date.h: the dates that people put into GIT_AUTHOR_DATE and GIT_COMMITTER_DATE.
 *
 * Git's documented formats: "1112911993 +0200" (with or without '@'), RFC 2822, ISO 8601 ('T' or a space,
 * YYYY.MM.DD, MM/DD/YYYY, DD.MM.YYYY too), git's own "Thu Apr 7 22:13:13 2005 +0200". Without a zone: the
 * machine's. */
#ifndef REPO_DATE_H
#define REPO_DATE_H

#include <stdbool.h>
#include <stdint.h>

/* False: no date. *offset_minutes is east of Greenwich. */
bool repo_date_parse(const char *text, int64_t *seconds, int *offset_minutes);

#endif
