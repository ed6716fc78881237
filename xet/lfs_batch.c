#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/json.h"
#include "base/text.h"
#include "xet/lfs_internal.h"

enum { JSON_NESTING_MAX = 16, MESSAGE_BYTES_MAX = 200, EXPIRY_SECONDS_MAX = 2147483647 };

/* ---- the question ---- */

void xet_lfs_batch_write(xet_operation operation, const char *ref, xet_lfs_object *const *objects,
                         size_t count, bytes *out)
{
    cJSON *root = cJSON_CreateObject();

    cJSON_AddStringToObject(root, "operation", operation == XET_UPLOAD ? "upload" : "download");
    cJSON *transfers = cJSON_AddArrayToObject(root, "transfers");
    cJSON_AddItemToArray(transfers, cJSON_CreateString("basic"));
    if (ref) cJSON_AddStringToObject(cJSON_AddObjectToObject(root, "ref"), "name", ref);
    cJSON *list = cJSON_AddArrayToObject(root, "objects");
    for (size_t i = 0; i < count; i++) {
        char size[24]; /* as text: a double would round what is past 2^53 */
        cJSON *object = cJSON_CreateObject();
        snprintf(size, sizeof size, "%llu", (unsigned long long)objects[i]->size);
        cJSON_AddStringToObject(object, "oid", objects[i]->oid);
        cJSON_AddRawToObject(object, "size", size);
        cJSON_AddItemToArray(list, object);
    }
    cJSON_AddStringToObject(root, "hash_algo", "sha256");
    char *text = cJSON_PrintUnformatted(root);
    if (!text) memory_exhausted(count);
    bytes_append_text(out, text);
    cJSON_free(text);
    cJSON_Delete(root);
}

/* ---- the answer ---- */

/* "2016-11-10T15:29:07Z", "2016-11-10T15:29:07.250+01:00". False: not a date. */
static bool date_read(bytes_view value, int64_t *unix_seconds)
{
    struct tm when = {0};
    char text[48], sign = 0;
    int used = 0, hours = 0, minutes = 0;

    if (value.size >= sizeof text) return false;
    snprintf(text, sizeof text, "%.*s", (int)value.size, value.data ? value.data : "");
    if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &when.tm_year, &when.tm_mon, &when.tm_mday,
               &when.tm_hour, &when.tm_min, &when.tm_sec, &used) < 6 ||
        !used)
        return false;
    const char *rest = text + used;
    if (*rest == '.') rest += 1 + strspn(rest + 1, "0123456789");
    if (*rest != 'Z' && *rest != 'z' && sscanf(rest, "%c%2d:%2d", &sign, &hours, &minutes) != 3) return false;
    when.tm_year -= 1900;
    when.tm_mon -= 1;
    int64_t shift = (hours * 60 + minutes) * 60;
    *unix_seconds = (int64_t)timegm(&when) - (sign == '-' ? -shift : shift);
    return true;
}

/* expires_in wins over expires_at; 0 means that it does not expire. */
static double expiry_read(const json_node *action, double now, int64_t unix_now)
{
    int64_t seconds = json_int(json_get(action, "expires_in"), 0), when;

    if (!seconds && date_read(json_text(json_get(action, "expires_at")), &when) && when > 0) {
        seconds = when - unix_now;
        if (!seconds) seconds = -1;
    }
    if (!seconds) return 0;
    seconds = MAX_OF(MIN_OF(seconds, EXPIRY_SECONDS_MAX), -EXPIRY_SECONDS_MAX);
    double at = now + (double)seconds;
    return at > 0 ? at : 1e-9; /* 0 would say never */
}

static bool is_plain(bytes_view text)
{
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 127) return false;
    return true;
}

static bool is_name(bytes_view text, const char *name)
{
    return text.size == strlen(name) && !strncasecmp(text.data, name, text.size);
}

/* The headers of an action. What would smuggle in another header is refused. */
static err headers_read(const json_node *list, arena *a, xet_action *out)
{
    size_t count = json_count(list), used = 0;
    const char **headers;

    if (count > XET_LFS_ACTION_HEADERS_MAX)
        return err_make(ERR_LIMIT, "an action with %zu headers, at most %d are taken", count,
                        XET_LFS_ACTION_HEADERS_MAX);
    headers = arena_array(a, const char *, count + 1);
    for (const json_node *h = json_is(list, JSON_OBJECT) ? json_first(list) : NULL; h; h = h->next) {
        bytes_view value = json_text(h);
        if (!json_is(h, JSON_STRING) || !h->key.size || !is_plain(h->key) || !is_plain(value) ||
            memchr(h->key.data, ':', h->key.size))
            return err_make(ERR_FORMAT, "an action with a header that is none");
        if (is_name(h->key, "chunk_size")) out->in_parts = true;
        if (is_name(h->key, "authorization")) out->has_authorization = true;
        if (is_name(h->key, "transfer-encoding")) {
            out->chunked = is_name(value, "chunked");
            continue;
        }
        headers[used++] = arena_printf(a, "%.*s: %.*s", (int)h->key.size, h->key.data, (int)value.size,
                                       value.size ? value.data : "");
    }
    out->headers = headers;
    return ERR_OK;
}

static err action_read(const json_node *action, double now, int64_t unix_now, arena *a, xet_action *out)
{
    bytes_view href = json_text(json_get(action, "href"));

    if (!json_is(action, JSON_OBJECT)) return ERR_OK;
    if (!is_plain(href) || (strncasecmp(href.data ? href.data : "", "http://", MIN_OF(href.size, 7)) &&
                            strncasecmp(href.data ? href.data : "", "https://", MIN_OF(href.size, 8))))
        return err_make(ERR_FORMAT, "an action without an http address");
    if (href.size < 8 || href.size > HTTP_URL_BYTES_MAX)
        return err_make(ERR_FORMAT, "an action with an address of %zu bytes", href.size);
    out->href = arena_text_n(a, href.data, href.size);
    out->expires_at = expiry_read(action, now, unix_now);
    return headers_read(json_get(action, "header"), a, out);
}

static void line_clean(bytes_view text, bytes *out)
{
    bytes_view part = {text.data, MIN_OF(text.size, MESSAGE_BYTES_MAX)};
    size_t begin = out->size;

    text_append_valid_utf8(out, part);
    for (size_t i = begin; i < out->size; i++)
        if ((unsigned char)out->data[i] < ' ' || out->data[i] == 127) out->data[i] = ' ';
}

static void error_read(const json_node *error, arena *a, xet_plan *out)
{
    CLEANUP(bytes_free) bytes message = {0};
    int64_t code = json_int(json_get(error, "code"), 0);

    if (!json_is(error, JSON_OBJECT)) return;
    line_clean(json_text(json_get(error, "message")), &message);
    out->error_code = code > 0 && code < 1000 ? (int)code : 500;
    out->message = arena_text(a, bytes_text(&message));
}

static err object_read(const json_node *object, xet_operation operation, double now, int64_t unix_now,
                       arena *a, xet_plan *out)
{
    const json_node *actions = json_get(object, "actions");

    if (!json_is(actions, JSON_OBJECT)) actions = json_get(object, "_links"); /* of old servers */
    *out = (xet_plan){.answered = true, .authenticated = json_bool(json_get(object, "authenticated"), false)};
    error_read(json_get(object, "error"), a, out);
    if (out->error_code) return ERR_OK;
    err e = action_read(json_get(actions, operation == XET_UPLOAD ? "upload" : "download"), now, unix_now, a,
                        &out->transfer);
    if (!e.code && operation == XET_UPLOAD)
        e = action_read(json_get(actions, "verify"), now, unix_now, a, &out->verify);
    return e;
}

static xet_plan *plan_of(bytes_view oid, xet_lfs_object *const *asked, size_t count, xet_plan *plans)
{
    for (size_t i = 0; i < count; i++)
        if (!plans[i].answered && bytes_view_is(oid, asked[i]->oid)) return &plans[i];
    return NULL;
}

static err claims_check(const json_node *root)
{
    bytes_view transfer = json_text(json_get(root, "transfer"));
    bytes_view hash = json_text(json_get(root, "hash_algo"));

    if (!json_is(root, JSON_OBJECT) || !json_is(json_get(root, "objects"), JSON_ARRAY))
        return err_make(ERR_FORMAT, "no list of objects");
    if (transfer.size && !bytes_view_is(transfer, "basic"))
        return err_make(ERR_UNSUPPORTED, "the server chose a transfer that was not offered");
    if (hash.size && !bytes_view_is(hash, "sha256"))
        return err_make(ERR_UNSUPPORTED, "the server names files by another hash than sha256");
    return ERR_OK;
}

err xet_lfs_batch_read(bytes_view answer, xet_operation operation, xet_lfs_object *const *asked, size_t count,
                       double now, int64_t unix_now, arena *a, xet_plan *plans)
{
    const json_node *root = NULL;

    for (size_t i = 0; i < count; i++) plans[i] = (xet_plan){0};
    err e = json_parse(answer, JSON_NESTING_MAX, a, &root);
    if (!e.code) e = claims_check(root);
    const json_node *object = e.code ? NULL : json_first(json_get(root, "objects"));
    for (; !e.code && object; object = object->next) {
        xet_plan *plan = plan_of(json_text(json_get(object, "oid")), asked, count, plans);
        if (plan) e = object_read(object, operation, now, unix_now, a, plan);
    }
    return err_note(e, "answer of the LFS server");
}

void xet_lfs_message_of(bytes_view body, bytes *out)
{
    CLEANUP(arena_free) arena a = {0};
    const json_node *root = NULL;

    if (!json_parse(body, JSON_NESTING_MAX, &a, &root).code)
        line_clean(json_text(json_get(root, "message")), out);
}
