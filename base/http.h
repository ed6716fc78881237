/* base/http.h: requests by libcurl: small answers into memory, large ones to and from files.
 *
 * Certificates and host names are checked, always; SSL_CERT_FILE and http.sslCAInfo may name others. Proxies
 * as curl reads them from the environment. Login, Authorization and Cookie never follow a redirect to another
 * host, port or scheme, and no redirect leads from https to http. A silence longer than the limit ends the
 * request.
 * Threads: an http belongs to one thread; it keeps its connections. */
#ifndef BASE_HTTP_H
#define BASE_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"

enum { HTTP_HEADERS_BYTES_MAX = 64 << 10, HTTP_SILENCE_SECONDS = 60, HTTP_URL_BYTES_MAX = 16 << 10 };

typedef struct http http;

typedef struct http_options {
    const env *environment;       /* NULL: none is looked at */
    const char *user_agent;       /* NULL: "hyprstream" */
    const char *certificate_file; /* of authorities; NULL: SSL_CERT_FILE, else the system's */
    const char *proxy;            /* NULL: as the environment says */
    int silence_seconds;          /* without one byte; 0: HTTP_SILENCE_SECONDS */
} http_options;

/* One client, for one thread at a time; http_free(). ERR_IO: libcurl does not start. */
err http_new(const http_options *options, http **out);
void http_free(http *h); /* NULL is fine */

/* A file that is sent as the body. */
typedef struct http_upload {
    int fd; /* read by position from its start, so that it can be sent again */
    uint64_t size;
    bool chunked; /* as the server wished; else its length is told */
} http_upload;

/* Where a large body goes: that of status 200, or of 206 when it begins where we asked. Others go to memory.
 * An err ends the request and is what http_send gives back. */
typedef struct http_sink {
    err (*begin)(void *context, uint64_t offset); /* of the first byte: 0 or resume_from */
    err (*take)(void *context, const void *data, size_t size);
    void *context;
} http_sink;

typedef struct http_request {
    const char *method, *url;
    const char *const *headers;  /* "Name: value", ended by NULL; may be NULL */
    const char *user, *password; /* Basic, for this host only; NULL: none */
    bytes_view body;             /* of a small request */
    const http_upload *upload;   /* instead of body; NULL: none */
    const http_sink *sink;       /* NULL: all into `body` of the answer */
    uint64_t resume_from;  /* > 0: asks for the range from here; the answer says whether it was obeyed */
    uint64_t resume_size;  /* of the whole; 0: not known */
    size_t body_bytes_max; /* of the answer in memory; more is ERR_LIMIT (of a status >= 300: is cut) */
    int redirects_max;     /* 0: none are followed */
    bool (*progress)(void *context, uint64_t sent, uint64_t received); /* false: cancel; NULL is fine */
    void *context;
} http_request;

typedef struct http_answer {
    int status;
    bytes body;
    bytes headers;     /* "name: value\n", names in lower case, of the last answer */
    char *url;         /* after redirects, without login */
    uint64_t received; /* bytes of the body */
    bool range_obeyed; /* 206, beginning at resume_from */
} http_answer;

/* A status of 400 and more is an answer, not an err. Errors: ERR_IO (connect, silence, cut off: the sentence
 * names the host, never user or password), ERR_DENIED (certificate, a redirect from https to http),
 * ERR_CANCELLED, ERR_LIMIT, ERR_USAGE (no http url). *out is set also on failure, as far as it came. */
err http_send(http *h, const http_request *request, http_answer *out);
void http_answer_free(http_answer *answer); /* a zeroed one is fine */
/* The value of the first such header; borrowed from answer. Size 0: none. */
bytes_view http_answer_header(const http_answer *answer, const char *name);

/* Seconds that a Retry-After header asks for; -1: none. */
double http_retry_after(const http_answer *answer);

/* Same scheme, host and port: what may share a login. */
bool http_same_origin(const char *a, const char *b);
/* "https://u:p@h/x" -> "https://h/x". NULL: not an url. The caller frees. */
char *http_url_without_login(const char *url);
/* "host" or "host:port" for sentences. The caller frees. */
char *http_url_host(const char *url);

#endif
