#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "xet/lfs.h"

static bool ends_with(const char *text, size_t size, const char *end)
{
    size_t end_size = strlen(end);
    return size >= end_size && memcmp(text + size - end_size, end, end_size) == 0;
}

/* START HOST / PATH ".git/info/lfs". */
static char *derive(const char *start, bytes_view host, const char *path)
{
    size_t size = strlen(path);
    bytes out = {0};

    while (size && path[size - 1] == '/') size--;
    bytes_append_text(&out, start);
    bytes_append_view(&out, host);
    if (size && path[0] != '/') bytes_append_byte(&out, '/');
    bytes_append(&out, path, size);
    bytes_append_text(&out, ends_with(path, size, ".git") ? "/info/lfs" : ".git/info/lfs");
    return bytes_take(&out);
}

/* "[user@]host[:port]/path" of an ssh or git url; both go to the https server of that host. */
static err derive_plain_host(const char *rest, char **out)
{
    size_t size = strcspn(rest, "/");
    bytes_view host = {rest, size};
    const char *at = memchr(rest, '@', size);

    if (at) host = (bytes_view){at + 1, size - (size_t)(at + 1 - rest)};
    const char *bracket =
        memchr(host.data, ']', host.size); /* of an IPv6 address, whose colons are no port */
    const char *from = bracket ? bracket : host.data;
    const char *colon = memchr(from, ':', host.size - (size_t)(from - host.data));
    if (colon) host.size = (size_t)(colon - host.data);
    if (!host.size || strspn(rest + size, "/") == strlen(rest + size))
        return err_make(ERR_USAGE, "no LFS server can be derived from a remote without host and path");
    *out = derive("https://", host, rest + size);
    return ERR_OK;
}

/* The lfs folder of a repository that lies at `path`, as git looks for one. */
static err derive_folder(const char *path, char **out)
{
    static const char *const places[] = {"/.git", "", ".git", ".git/.git"};

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        CLEANUP(bytes_free) bytes place = {0};
        bytes_printf(&place, "%s%s", path, places[i]);
        CLEANUP(bytes_free) bytes objects = {.data = file_join(place.data, "objects")};
        if (!file_is_folder(objects.data)) continue;
        *out = file_join(place.data, "lfs");
        return ERR_OK;
    }
    return err_make(ERR_USAGE, "%s is no git repository", path);
}

/* "host:path" and "user@host:path"; a '/' before the colon makes it a path. */
static bool is_scp_like(const char *url)
{
    const char *colon = strchr(url, ':');
    return colon && colon > url && colon[1] != ':' && strcspn(url, "/") > (size_t)(colon - url);
}

err xet_lfs_url_of_remote(const char *remote_url, char **out)
{
    static const struct {
        const char *scheme;
        bool plain_host;
    } rows[] = {{"https://", false},  {"http://", false},   {"ssh://", true},
                {"git+ssh://", true}, {"ssh+git://", true}, {"git://", true}};

    if (!remote_url[0] || remote_url[0] == '-') return err_make(ERR_USAGE, "a remote without an address");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!text_starts_with(remote_url, rows[i].scheme)) continue;
        const char *rest = remote_url + strlen(rows[i].scheme);
        if (rows[i].plain_host) return derive_plain_host(rest, out);
        bytes_view host = {rest, strcspn(rest, "/")};
        if (!host.size) return err_make(ERR_USAGE, "a remote without a host");
        *out = derive(rows[i].scheme, host, rest + host.size);
        return ERR_OK;
    }
    if (text_starts_with(remote_url, "file://")) return derive_folder(remote_url + strlen("file://"), out);
    if (strstr(remote_url, "::") || strstr(remote_url, "://"))
        return err_make(ERR_USAGE, "no LFS server can be derived from this kind of remote: set lfs.url");
    if (!is_scp_like(remote_url)) return derive_folder(remote_url, out);
    const char *at = memchr(remote_url, '@', strcspn(remote_url, ":"));
    const char *host = at ? at + 1 : remote_url;
    *out = derive("https://", (bytes_view){host, strcspn(host, ":")}, strchr(host, ':') + 1);
    return ERR_OK;
}
