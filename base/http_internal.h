/* base/http_internal.h: what the files of base/http share about urls. */
#ifndef BASE_HTTP_INTERNAL_H
#define BASE_HTTP_INTERNAL_H

#include "base/http.h"

/* libcurl's texts. */
typedef struct http_origin {
    char *scheme, *host, *port;
} http_origin;
bool http_origin_read(const char *url, http_origin *out); /* false: not an http(s) url; free in any case */
void http_origin_free(http_origin *o);

#endif
