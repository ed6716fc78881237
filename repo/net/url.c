#define _GNU_SOURCE /* memmem, memrchr */
#include "repo/net/url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/net/credentials.h"

enum { PORT_MAX = 65535, SCHEME_BYTES_MAX = 32 };

static const struct {
    const char *scheme;
    unsigned port;
} ports[] = {{"http", 80}, {"https", 443}, {"ssh", 22}, {"git", 9418}};

/* ---- reading ---- */

static bool is_scheme_byte(char c) { return isalnum((unsigned char)c) || c == '+' || c == '-' || c == '.'; }

/* Where "://" begins, after a scheme; NULL: there is none. */
static const char *scheme_end(const char *text)
{
    const char *p = text;

    while (is_scheme_byte(*p) && p - text <= SCHEME_BYTES_MAX) p++;
    return p > text && strncmp(p, "://", 3) == 0 ? p : NULL;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* %XX decoded. NULL: it would hold a control character, which has no place in a login. */
static char *decoded(const char *text, size_t size)
{
    char *out = memory_alloc(size + 1);
    size_t used = 0;

    for (size_t i = 0; i < size; i++) {
        int high = i + 2 < size && text[i] == '%' ? hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text[i + 2]) : -1;
        char c = text[i];
        if (low >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (iscntrl((unsigned char)c)) {
            free(out);
            return NULL;
        }
        out[used++] = c;
    }
    return out;
}

static bool login_read(const char *text, size_t size, repo_url *out)
{
    const char *colon = memchr(text, ':', size);
    size_t user_size = colon ? (size_t)(colon - text) : size;

    if (user_size && !(out->user = decoded(text, user_size))) return false;
    return !colon || (out->password = decoded(colon + 1, size - user_size - 1));
}

static bool port_read(const char *text, size_t size, unsigned *out)
{
    unsigned port = 0;

    for (size_t i = 0; i < size; i++) {
        if (!isdigit((unsigned char)text[i])) return false;
        port = port * 10 + (unsigned)(text[i] - '0');
        if (port > PORT_MAX) return false;
    }
    *out = port;
    return true;
}

/* "host", "host:80", "[::1]:80" */
static bool host_read(const char *text, size_t size, repo_url *out)
{
    const char *bracket = size && *text == '[' ? memchr(text, ']', size) : NULL;
    size_t after = bracket ? (size_t)(bracket - text) + 1 : 0;
    const char *colon = memchr(text + after, ':', size - after);
    size_t host_size = colon ? (size_t)(colon - text) : size;

    if (!host_size || (bracket && host_size != after)) return false;
    if (colon && !port_read(colon + 1, size - host_size - 1, &out->port)) return false;
    out->host = memory_text_n(text, host_size);
    for (char *p = out->host; *p; p++) *p = (char)tolower((unsigned char)*p);
    return true;
}

static bool is_clean(const char *text)
{
    size_t size = strlen(text);

    if (size > REPO_URL_BYTES_MAX) return false;
    for (size_t i = 0; i < size; i++)
        if (iscntrl((unsigned char)text[i])) return false;
    return true;
}

bool repo_url_parse(const char *text, repo_url *out)
{
    const char *end = scheme_end(text);
    repo_url url = {0};

    if (!end || !is_clean(text)) return false;
    url.scheme = memory_text_n(text, (size_t)(end - text));
    for (char *p = url.scheme; *p; p++) *p = (char)tolower((unsigned char)*p);
    const char *host = end + 3;
    size_t size = strcspn(host, "/?#");
    const char *path = host + size;
    /* The last '@': a password may hold one. */
    const char *at = memrchr(host, '@', size);
    bool is_good = !at || login_read(host, (size_t)(at - host), &url);
    if (at) size -= (size_t)(at + 1 - host), host = at + 1;
    is_good = is_good && host_read(host, size, &url);
    if (*path) url.path = memory_text(path);
    if (is_good)
        *out = url;
    else
        repo_url_free(&url);
    return is_good;
}

static void wipe(char *text)
{
    if (text) explicit_bzero(text, strlen(text));
    free(text);
}

void repo_url_free(repo_url *url)
{
    free(url->scheme);
    wipe(url->user);
    wipe(url->password);
    free(url->host);
    free(url->path);
    *url = (repo_url){0};
}

/* ---- questions ---- */

bool repo_url_is_http(const repo_url *url)
{
    return strcmp(url->scheme, "http") == 0 || strcmp(url->scheme, "https") == 0;
}

bool repo_url_is_loopback(const repo_url *url)
{
    const char *number = strncmp(url->host, "127.", 4) == 0 ? url->host : NULL;

    if (number && number[strspn(number, "0123456789.")] == 0) return true;
    return strcmp(url->host, "localhost") == 0 || strcmp(url->host, "[::1]") == 0;
}

unsigned repo_url_port(const repo_url *url)
{
    if (url->port) return url->port;
    for (size_t i = 0; i < COUNT_OF(ports); i++)
        if (strcmp(ports[i].scheme, url->scheme) == 0) return ports[i].port;
    return 0;
}

char *repo_url_origin(const repo_url *url)
{
    repo_url plain = {.scheme = url->scheme};
    bytes text = {0};

    bytes_printf(&text, "%s://%s", url->scheme, url->host);
    if (url->port && url->port != repo_url_port(&plain)) bytes_printf(&text, ":%u", url->port);
    return bytes_take(&text);
}

/* ---- showing ---- */

/* The size of "user:password@" that text (after "://") begins with; 0: there is none. */
static size_t login_size(const char *text, size_t size)
{
    size_t host = 0, last = 0;

    while (host < size && !isspace((unsigned char)text[host]) && !strchr("/?#'\"", text[host])) {
        host++;
        if (text[host - 1] == '@') last = host;
    }
    return last;
}

void repo_text_without_logins(bytes *out, bytes_view text)
{
    size_t i = 0;

    while (i < text.size) {
        const char *mark = memmem(text.data + i, text.size - i, "://", 3);
        size_t upto = mark ? (size_t)(mark - text.data) + 3 : text.size;
        bytes_append(out, text.data + i, upto - i);
        i = upto;
        if (mark) i += login_size(text.data + i, text.size - i);
    }
}

char *repo_url_without_login(const char *url)
{
    bytes text = {0};
    const char *end = scheme_end(url);
    size_t kept = end ? (size_t)(end - url) + 3 : 0;

    bytes_append(&text, url, kept);
    /* user@host:path names who to be over ssh, as ssh://user@ does: no secret, and without it nothing works.
     */
    if (end) {
        const char *host = url + kept;
        const char *at = memrchr(host, '@', strcspn(host, "/?#"));
        const char *colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
        bool is_ssh = strncmp(url, "ssh://", 6) == 0 || strncmp(url, "git+ssh://", 10) == 0;
        if (at && is_ssh) bytes_append(&text, host, (size_t)((colon ? colon : at) - host));
        if (at && is_ssh) bytes_append_byte(&text, '@');
        if (at) kept += (size_t)(at + 1 - host);
    }
    bytes_append_text(&text, url + kept);
    return bytes_take(&text);
}
