#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/http_internal.h"

void http_origin_free(http_origin *o)
{
    curl_free(o->scheme);
    curl_free(o->host);
    curl_free(o->port);
}

bool http_origin_read(const char *url, http_origin *out)
{
    CURLU *parts = curl_url();
    bool good = parts && strlen(url) <= HTTP_URL_BYTES_MAX && !curl_url_set(parts, CURLUPART_URL, url, 0) &&
                !curl_url_get(parts, CURLUPART_SCHEME, &out->scheme, 0) &&
                !curl_url_get(parts, CURLUPART_HOST, &out->host, 0) &&
                !curl_url_get(parts, CURLUPART_PORT, &out->port, CURLU_DEFAULT_PORT);

    curl_url_cleanup(parts);
    return good && (!strcasecmp(out->scheme, "http") || !strcasecmp(out->scheme, "https"));
}

bool http_same_origin(const char *a, const char *b)
{
    CLEANUP(http_origin_free) http_origin one = {0};
    CLEANUP(http_origin_free) http_origin other = {0};

    return http_origin_read(a, &one) && http_origin_read(b, &other) &&
           !strcasecmp(one.scheme, other.scheme) && !strcasecmp(one.host, other.host) &&
           !strcmp(one.port, other.port);
}

char *http_url_without_login(const char *url)
{
    CURLU *parts = curl_url();
    char *text = NULL, *out = NULL;

    if (parts && !curl_url_set(parts, CURLUPART_URL, url, 0)) {
        curl_url_set(parts, CURLUPART_USER, NULL, 0);
        curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0);
        if (!curl_url_get(parts, CURLUPART_URL, &text, 0)) out = memory_text(text);
    }
    curl_free(text);
    curl_url_cleanup(parts);
    return out;
}

char *http_url_host(const char *url)
{
    CURLU *parts = curl_url();
    char *host = NULL, *port = NULL;
    bytes out = {0};

    if (parts && !curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME))
        curl_url_get(parts, CURLUPART_HOST, &host, 0);
    if (host) curl_url_get(parts, CURLUPART_PORT, &port, 0);
    bytes_printf(&out, "%s%s%s", host ? host : "the server", port ? ":" : "", port ? port : "");
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return bytes_take(&out);
}
