#define _GNU_SOURCE
#include "base/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/http_internal.h"

enum { BUFFER_BYTES = 256 << 10, ERROR_BODY_BYTES_MAX = 64 << 10, HOST_BYTES = 256 };

struct http {
    CURL *easy;
    char *user_agent, *certificate_file, *certificate_folder, *proxy;
    int silence_seconds;
};

static char *text_or_null(const char *text) { return text ? memory_text(text) : NULL; }

static void library_start(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

err http_new(const http_options *options, http **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* libcurl wants to be begun once per process */
    const env *environment = options->environment;
    const char *certificates = options->certificate_file;

    pthread_once(&once, library_start);
    CURL *easy = curl_easy_init();
    if (!easy) return err_make(ERR_IO, "cannot start libcurl");
    http *h = memory_alloc(sizeof *h);
    h->easy = easy;
    if (!certificates && environment) certificates = env_get(environment, "SSL_CERT_FILE");
    h->certificate_file = text_or_null(certificates);
    h->certificate_folder = text_or_null(environment ? env_get(environment, "SSL_CERT_DIR") : NULL);
    h->user_agent = memory_text(options->user_agent ? options->user_agent : "hyprstream");
    h->proxy = text_or_null(options->proxy);
    h->silence_seconds = options->silence_seconds ? options->silence_seconds : HTTP_SILENCE_SECONDS;
    *out = h;
    return ERR_OK;
}

void http_free(http *h)
{
    if (!h) return;
    curl_easy_cleanup(h->easy);
    free(h->user_agent);
    free(h->certificate_file);
    free(h->certificate_folder);
    free(h->proxy);
    free(h);
}

/* ---- one request and its answer ---- */

typedef struct exchange {
    http *h;
    const http_request *request;
    http_answer *answer;
    char host[HOST_BYTES]; /* for sentences */
    bool body_begun, to_sink;
    uint64_t uploaded; /* place in the file that is sent */
    double heard_at;   /* when the last byte came or went */
    curl_off_t heard;
    err problem; /* why one of our callbacks ended it */
} exchange;

static size_t refuse(exchange *x, err e)
{
    x->problem = e;
    return CURL_WRITEFUNC_ERROR;
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    exchange *x = context;
    bytes *headers = &x->answer->headers;
    bytes_view line = {data, size * count};

    while (line.size && (line.data[line.size - 1] == '\n' || line.data[line.size - 1] == '\r')) line.size--;
    if (line.size > 5 && strncmp(line.data, "HTTP/", 5) == 0) {
        bytes_clear(headers); /* the one before was a 100, a 103 or a proxy's */
        return size * count;
    }
    const char *colon = memchr(line.data, ':', line.size);
    if (!colon) return size * count;
    if (headers->size + line.size > HTTP_HEADERS_BYTES_MAX)
        return refuse(
            x, err_make(ERR_LIMIT, "%s sent more than %d bytes of headers", x->host, HTTP_HEADERS_BYTES_MAX));
    for (const char *c = line.data; c < colon; c++)
        bytes_append_byte(headers, (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c));
    bytes_view value = {colon + 1, line.size - (size_t)(colon + 1 - line.data)};
    while (value.size && (value.data[0] == ' ' || value.data[0] == '\t')) value.data++, value.size--;
    bytes_append_text(headers, ": ");
    bytes_append_view(headers, value);
    bytes_append_byte(headers, '\n');
    return size * count;
}

bytes_view http_answer_header(const http_answer *answer, const char *name)
{
    size_t name_size = strlen(name);

    for (const char *line = bytes_text(&answer->headers), *end; (end = strchr(line, '\n')); line = end + 1)
        if (!strncmp(line, name, name_size) && line[name_size] == ':' && line[name_size + 1] == ' ')
            return (bytes_view){line + name_size + 2, (size_t)(end - line) - name_size - 2};
    return (bytes_view){0};
}

double http_retry_after(const http_answer *answer)
{
    bytes_view value = http_answer_header(answer, "retry-after");
    char text[64], *end;

    if (!value.size || value.size >= sizeof text) return -1;
    snprintf(text, sizeof text, "%.*s", (int)value.size, value.data);
    long seconds = strtol(text, &end, 10);
    if (end != text && !*end) return seconds < 0 ? -1 : (double)seconds;
    time_t date = curl_getdate(text, NULL);
    return date < 0 ? -1 : MAX_OF((double)(date - (time_t)clock_unix_seconds()), 0);
}

/* "bytes 5-9/10" begins at 5. */
static bool range_begins_at(const http_answer *answer, uint64_t wanted)
{
    bytes_view value = http_answer_header(answer, "content-range");
    unsigned long long begin = 0;
    char text[64];

    if (value.size >= sizeof text) return false;
    snprintf(text, sizeof text, "%.*s", (int)value.size, value.data);
    return sscanf(text, "bytes %llu-", &begin) == 1 && begin == wanted;
}

/* Status and headers are there: where will the body go? */
static err body_begin(exchange *x)
{
    const http_request *request = x->request;
    http_answer *answer = x->answer;
    long status = 0;

    if (x->body_begun) return ERR_OK;
    x->body_begun = true;
    curl_easy_getinfo(x->h->easy, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (int)status;
    answer->range_obeyed =
        status == 206 && request->resume_from && range_begins_at(answer, request->resume_from);
    x->to_sink = request->sink && (status == 200 || answer->range_obeyed);
    return x->to_sink
               ? request->sink->begin(request->sink->context, answer->range_obeyed ? request->resume_from : 0)
               : ERR_OK;
}

static err body_take(exchange *x, const char *data, size_t size)
{
    const http_request *request = x->request;
    bytes *body = &x->answer->body;
    size_t room;

    x->answer->received += size;
    if (x->to_sink) return request->sink->take(request->sink->context, data, size);
    if (x->answer->status >= 300 || request->sink) {
        room = body->size < ERROR_BODY_BYTES_MAX ? ERROR_BODY_BYTES_MAX - body->size : 0;
        bytes_append(body, data, MIN_OF(size, room));
        return ERR_OK;
    }
    if (size > request->body_bytes_max - body->size)
        return err_make(ERR_LIMIT, "%s sent more than %zu bytes", x->host, request->body_bytes_max);
    bytes_append(body, data, size);
    return ERR_OK;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    exchange *x = context;

    err e = body_begin(x);
    if (!e.code) e = body_take(x, data, size * count);
    return e.code ? refuse(x, e) : size * count;
}

static size_t on_read(char *to, size_t size, size_t count, void *context)
{
    exchange *x = context;
    const http_upload *upload = x->request->upload;
    size_t wanted = (size_t)MIN_OF((uint64_t)(size * count), upload->size - x->uploaded);

    if (!wanted) return 0;
    ssize_t got = pread(upload->fd, to, wanted, (off_t)x->uploaded);
    if (got <= 0) {
        x->problem = got < 0 ? err_errno("read what is sent to %s", x->host)
                             : err_make(ERR_IO, "the file became shorter while it was sent to %s", x->host);
        return CURL_READFUNC_ABORT;
    }
    x->uploaded += (uint64_t)got;
    return (size_t)got;
}

static int on_seek(void *context, curl_off_t offset, int origin_of)
{
    exchange *x = context;

    if (origin_of != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
    x->uploaded = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static int on_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    exchange *x = context;
    double now = clock_seconds();

    (void)down_total, (void)up_total;
    if (down + up != x->heard) {
        x->heard = down + up;
        x->heard_at = now;
    }
    if (x->request->progress && !x->request->progress(x->request->context, (uint64_t)up, (uint64_t)down))
        x->problem = err_make(ERR_CANCELLED, "cancelled");
    else if (now - x->heard_at > x->h->silence_seconds)
        x->problem = err_make(ERR_IO, "%s was silent for %d s", x->host, x->h->silence_seconds);
    return x->problem.code != ERR_NONE;
}

/* ---- setting it up ---- */

static bool carries_login(const char *header)
{
    static const char *const names[] = {"authorization:", "cookie:", "proxy-authorization:"};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strncasecmp(header, names[i], strlen(names[i])) == 0) return true;
    return false;
}

static struct curl_slist *headers_make(const http_request *request, bool at_home)
{
    struct curl_slist *list = NULL;
    char range[96];

    for (const char *const *header = request->headers; header && *header; header++)
        if (at_home || !carries_login(*header)) list = curl_slist_append(list, *header);
    if (request->resume_from && request->resume_size) {
        snprintf(range, sizeof range, "Range: bytes=%llu-%llu", (unsigned long long)request->resume_from,
                 (unsigned long long)request->resume_size - 1);
        list = curl_slist_append(list, range);
    } else if (request->resume_from) {
        snprintf(range, sizeof range, "Range: bytes=%llu-", (unsigned long long)request->resume_from);
        list = curl_slist_append(list, range);
    }
    if (request->upload && request->upload->chunked)
        list = curl_slist_append(list, "Transfer-Encoding: chunked");
    if (!request->upload) list = curl_slist_append(list, "Expect:"); /* only before large bodies */
    return list;
}

static void security_set(const http *h)
{
    CURL *c = h->easy;

    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    if (h->certificate_file) curl_easy_setopt(c, CURLOPT_CAINFO, h->certificate_file);
    if (h->certificate_folder) curl_easy_setopt(c, CURLOPT_CAPATH, h->certificate_folder);
    if (h->proxy) curl_easy_setopt(c, CURLOPT_PROXY, h->proxy);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L); /* we follow, see http_send */
}

static void callbacks_set(exchange *x)
{
    CURL *c = x->h->easy;

    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, x);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)x->h->silence_seconds);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES);
    curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER_BYTES);
    curl_easy_setopt(c, CURLOPT_USERAGENT, x->h->user_agent);
}

static void body_set(exchange *x)
{
    CURL *c = x->h->easy;
    const http_request *request = x->request;

    if (request->upload) {
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(c, CURLOPT_READDATA, x);
        curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(c, CURLOPT_SEEKDATA, x);
        if (!request->upload->chunked)
            curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->upload->size);
    } else if (strcmp(request->method, "POST") == 0 || request->body.size) {
        curl_easy_setopt(c, CURLOPT_POST, 1L);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, request->body.size ? request->body.data : "");
    } else if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
        return;
    }
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, request->method);
}

static err failure(const exchange *x, CURLcode code, const char *words)
{
    if (x->problem.code) return x->problem;
    if (!words[0]) words = curl_easy_strerror(code);
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS: return err_make(ERR_DENIED, "certificate of %s: %s", x->host, words);
    case CURLE_OPERATION_TIMEDOUT: return err_make(ERR_IO, "%s did not answer: %s", x->host, words);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT: return err_make(ERR_USAGE, "%s: no http or https address", x->host);
    default: return err_make(ERR_IO, "%s: %s", x->host, words);
    }
}

/* One request on the wire. at_home: the host that the login is meant for. */
static err exchange_run(exchange *x, const char *url, bool at_home)
{
    CURL *c = x->h->easy;
    char words[CURL_ERROR_SIZE] = "";

    curl_easy_reset(c); /* keeps the connections */
    struct curl_slist *headers = headers_make(x->request, at_home);
    security_set(x->h);
    callbacks_set(x);
    body_set(x);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, words);
    if (at_home && x->request->user) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(c, CURLOPT_USERNAME, x->request->user);
        curl_easy_setopt(c, CURLOPT_PASSWORD, x->request->password ? x->request->password : "");
    }
    x->heard_at = clock_seconds();
    CURLcode code = curl_easy_perform(c);
    err e = code == CURLE_OK ? body_begin(x) : failure(x, code, words);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
    return e;
}

/* Where a 3xx leads to: NULL when it does not. The caller frees. */
static err redirect_of(const exchange *x, const char *from, char **out)
{
    char *to = NULL;
    CLEANUP(http_origin_free) http_origin here = {0};
    CLEANUP(http_origin_free) http_origin there = {0};

    *out = NULL;
    if (x->answer->status < 300 || x->answer->status >= 400) return ERR_OK;
    if (curl_easy_getinfo(x->h->easy, CURLINFO_REDIRECT_URL, &to) || !to) return ERR_OK;
    if (!http_origin_read(to, &there) || !http_origin_read(from, &here))
        return err_make(ERR_DENIED, "%s redirects to something that is no http address", x->host);
    if (!strcasecmp(here.scheme, "https") && strcasecmp(there.scheme, "https"))
        return err_make(ERR_DENIED, "%s redirects from https to http", x->host);
    *out = http_url_without_login(to);
    return ERR_OK;
}

static void answer_clear(http_answer *answer)
{
    bytes_clear(&answer->body);
    bytes_clear(&answer->headers);
    answer->received = 0;
    answer->range_obeyed = false;
}

static err exchange_begin(exchange *x, const char *url)
{
    CLEANUP(http_origin_free) http_origin here = {0};

    if (!http_origin_read(url, &here)) return err_make(ERR_USAGE, "not an http or https address");
    snprintf(x->host, sizeof x->host, "%s", here.host);
    return ERR_OK;
}

err http_send(http *h, const http_request *request, http_answer *out)
{
    http_request now = *request;
    char *url = memory_text(request->url);
    bool at_home = true;
    err e;

    *out = (http_answer){0};
    for (int redirects = 0;; redirects++) {
        exchange x = {.h = h, .request = &now, .answer = out};
        char *next = NULL;
        answer_clear(out);
        e = exchange_begin(&x, url);
        if (!e.code) e = exchange_run(&x, url, at_home);
        if (e.code || !request->redirects_max) break;
        e = redirect_of(&x, url, &next);
        if (e.code || !next) break;
        if (redirects == request->redirects_max) {
            e = err_make(ERR_LIMIT, "%s: more than %d redirects", x.host, redirects);
            free(next);
            break;
        }
        /* Once away, the login stays at home, even if the way leads back. */
        at_home = at_home && http_same_origin(url, next);
        if (out->status == 303) {
            now.method = "GET";
            now.body = (bytes_view){0};
            now.upload = NULL;
        }
        free(url);
        url = next;
    }
    out->url = http_url_without_login(url);
    free(url);
    return e;
}

void http_answer_free(http_answer *answer)
{
    bytes_free(&answer->body);
    bytes_free(&answer->headers);
    free(answer->url);
    *answer = (http_answer){0};
}
