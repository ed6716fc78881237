#include "repo/modelref.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"

#define SCALE_MAX 4.0

static const char *const reserved_names[] = {"api", "admin", "registry", "system", "test"};

/* ---- what a word is ---- */

static bool is_scheme(const char *word, size_t size)
{
    if (!size || !isalnum((unsigned char)word[0])) return false;
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)word[i]) && !strchr("+.-", word[i])) return false;
    return true;
}

/* "scheme://rest", "scheme::rest", and the form of scp: "user@host:path". */
static bool is_url(const char *word)
{
    size_t before = strcspn(word, ":");
    if (!word[before]) return false;
    if (strncmp(word + before, "://", 3) == 0 || word[before + 1] == ':') return is_scheme(word, before);
    const char *at = memchr(word, '@', before);
    return at && at > word && !memchr(word, '+', before) && !memchr(word, '/', before);
}

static bool is_path(const char *word)
{
    static const char *const starts[] = {"/", "./", "../", "~"};
    for (size_t i = 0; i < COUNT_OF(starts); i++)
        if (text_starts_with(word, starts[i])) return true;
    return strcmp(word, ".") == 0 || strcmp(word, "..") == 0;
}

repo_word_kind repo_word_kind_of(const char *word)
{
    if (is_path(word)) return REPO_WORD_PATH;
    return is_url(word) ? REPO_WORD_URL : REPO_WORD_NAME;
}

/* ---- names ---- */

static err segment_check(const char *name, const char *segment, size_t size)
{
    if (!size) return err_make(ERR_USAGE, "the model name '%s' has an empty part", name);
    if (segment[0] == '-') return err_make(ERR_USAGE, "the model name '%s' begins a part with '-'", name);
    if (segment[0] == '.' || segment[size - 1] == '.')
        return err_make(ERR_USAGE, "the model name '%s' begins or ends a part with '.'", name);
    if (size >= 5 && memcmp(segment + size - 5, ".lock", 5) == 0)
        return err_make(ERR_USAGE, "the model name '%s' ends in .lock", name);
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)segment[i];
        if (byte < ' ' || byte == 127)
            return err_make(ERR_USAGE, "a model name holds a control character (number %d)", byte);
        if (strchr(" ~^:?*[\\+@", byte))
            return err_make(ERR_USAGE, "the model name '%s' holds '%c', which a name may not", name, byte);
        if (byte == '.' && i + 1 < size && segment[i + 1] == '.')
            return err_make(ERR_USAGE, "the model name '%s' holds '..'", name);
    }
    return ERR_OK;
}

static err name_form_check(const char *name)
{
    if (!*name) return err_make(ERR_USAGE, "the model name is empty");
    if (strlen(name) > REPO_MODEL_NAME_BYTES_MAX)
        return err_make(ERR_USAGE, "the model name is %zu bytes long: at most %d are allowed", strlen(name),
                        REPO_MODEL_NAME_BYTES_MAX);
    const char *slash = strchr(name, '/');
    if (slash && strchr(slash + 1, '/'))
        return err_make(ERR_USAGE, "the model name '%s' has more than two parts", name);
    err e = segment_check(name, name, slash ? (size_t)(slash - name) : strlen(name));
    return e.code || !slash ? e : segment_check(name, slash + 1, strlen(slash + 1));
}

err repo_model_name_check(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(reserved_names); i++)
        if (strcmp(name, reserved_names[i]) == 0) return err_make(ERR_USAGE, "the name %s is reserved", name);
    return name_form_check(name);
}

char *repo_model_folder_name(const char *name)
{
    bytes folder = {0};
    for (const char *at = name; *at; at++) {
        if (*at == '/')
            bytes_append_text(&folder, "--");
        else
            bytes_append_byte(&folder, *at);
    }
    return bytes_take(&folder);
}

/* ---- parsing ---- */

/* strtod reads the decimal point of the locale; a reference is the same text everywhere. Digits, at most one
 * '.', an exponent is not needed. */
static err scale_read(const char *text, double *out)
{
    const char *at = text + (*text == '-' || *text == '+');
    double value = 0, unit = 1;
    size_t digits = 0;

    for (; isdigit((unsigned char)*at); at++, digits++) value = value * 10 + (*at - '0');
    if (*at == '.')
        for (at++; isdigit((unsigned char)*at); at++, digits++) value += (*at - '0') * (unit /= 10);
    if (*text == '-') value = -value;
    if (*at || !digits || !(value >= -SCALE_MAX && value <= SCALE_MAX))
        return err_make(ERR_USAGE, "the scale '%.40s' is no number from -4.0 to 4.0", text);
    *out = value;
    return ERR_OK;
}

static err adapter_parse(const char *text, repo_modelref *out)
{
    if (out->adapter_count == REPO_MODELREF_ADAPTERS_MAX)
        return err_make(ERR_USAGE, "more than %d adapters are named", REPO_MODELREF_ADAPTERS_MAX);
    size_t size = strcspn(text, "@");
    if (!size) return err_make(ERR_USAGE, "an adapter's name is expected after '+'");
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 127 || text[i] == '/' || text[i] == ':')
            return err_make(ERR_USAGE, "an adapter's name holds a '/', a ':' or a control character");
    repo_modelref_adapter *adapter = &out->adapters[out->adapter_count++];
    *adapter = (repo_modelref_adapter){memory_text_n(text, size), 1.0};
    return text[size] ? scale_read(text + size + 1, &adapter->scale) : ERR_OK;
}

static err ref_check(const char *ref)
{
    if (*ref == '-') return err_make(ERR_USAGE, "the ref '%.80s' begins with '-'", ref);
    for (const char *at = ref; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            return err_make(ERR_USAGE, "the ref holds a control character (number %d)", (unsigned char)*at);
    return ERR_OK;
}

/* "name:ref". Of a path the last ':' splits, since a folder's name may hold others before it. */
static err first_parse(char *text, repo_modelref *out)
{
    char *colon = out->is_path ? strrchr(text, ':') : strchr(text, ':');

    if (colon) *colon = 0;
    out->model = memory_text(text);
    out->ref = memory_text(colon ? colon + 1 : "");
    err e = out->is_path ? ERR_OK : name_form_check(text);
    return e.code ? e : ref_check(out->ref);
}

static err pieces_parse(char *text, repo_modelref *out)
{
    char *rest = NULL;

    out->is_path = repo_word_kind_of(text) == REPO_WORD_PATH;
    char *plus = strchr(text, '+');
    if (plus) {
        *plus = 0;
        rest = plus + 1;
    }
    err e = first_parse(text, out);
    while (!e.code && rest) {
        char *next = strchr(rest, '+');
        if (next) *next++ = 0;
        e = adapter_parse(rest, out);
        rest = next;
    }
    return e;
}

err repo_modelref_parse(const char *text, repo_modelref *out)
{
    if (!*text) return err_make(ERR_USAGE, "MODEL is empty: expected a model's name or a folder");
    if (strlen(text) > REPO_MODELREF_BYTES_MAX)
        return err_make(ERR_USAGE, "MODEL is longer than %d bytes", REPO_MODELREF_BYTES_MAX);
    if (repo_word_kind_of(text) == REPO_WORD_URL)
        return err_make(ERR_USAGE, "MODEL is a url: expected a model's name or a folder (clone takes urls)");
    *out = (repo_modelref){0};
    char *copy = memory_text(text);
    err e = pieces_parse(copy, out);
    free(copy);
    if (e.code) repo_modelref_free(out);
    return e;
}

/* The shortest decimals that read back to the same scale. */
static void scale_print(double scale, bytes *out)
{
    for (int digits = 1; digits <= 17; digits++) {
        char text[64];
        double back = 0;
        snprintf(text, sizeof text, "%.*f", digits, scale);
        for (char *at = text; *at; at++)
            if (*at == ',') *at = '.';
        if (!scale_read(text, &back).code && back == scale) {
            bytes_append_text(out, text);
            return;
        }
    }
    bytes_printf(out, "%.17f", scale);
}

void repo_modelref_print(const repo_modelref *m, bytes *out)
{
    bytes_append_text(out, m->model);
    /* A path with a ':' of its own needs the one that splits, even before an empty ref. */
    if (*m->ref || (m->is_path && strchr(m->model, ':'))) bytes_printf(out, ":%s", m->ref);
    for (size_t i = 0; i < m->adapter_count; i++) {
        bytes_printf(out, "+%s", m->adapters[i].name);
        if (m->adapters[i].scale == 1.0) continue;
        bytes_append_byte(out, '@');
        scale_print(m->adapters[i].scale, out);
    }
}

void repo_modelref_free(repo_modelref *m)
{
    free(m->model);
    free(m->ref);
    for (size_t i = 0; i < m->adapter_count; i++) free(m->adapters[i].name);
    *m = (repo_modelref){0};
}
