#include "repo/net/lfs_config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"

typedef struct reader {
    const char *at, *end;
    bytes section; /* "lfs", "remote.origin" */
} reader;

static int peek(const reader *r) { return r->at < r->end ? (unsigned char)*r->at : -1; }

static bool is_blank(int c) { return c == ' ' || c == '\t' || c == '\r'; }

static bool is_word(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static void blanks_skip(reader *r)
{
    while (is_blank(peek(r))) r->at++;
}

static void line_skip(reader *r)
{
    while (r->at < r->end && *r->at != '\n') r->at++;
    if (r->at < r->end) r->at++;
}

static void word_read(reader *r, bytes *out)
{
    for (; is_word(peek(r)); r->at++)
        bytes_append_byte(out, *r->at >= 'A' && *r->at <= 'Z' ? (char)(*r->at + 32) : *r->at);
}

/* "[remote "origin"]"; one that is malformed names no section. */
static void section_read(reader *r)
{
    bytes_clear(&r->section);
    r->at++;
    word_read(r, &r->section);
    blanks_skip(r);
    if (peek(r) == '"') {
        bytes_append_byte(&r->section, '.');
        for (r->at++; peek(r) >= 0 && peek(r) != '"' && peek(r) != '\n'; r->at++) {
            if (*r->at == '\\' && r->at + 1 < r->end && r->at[1] != '\n') r->at++;
            bytes_append_byte(&r->section, *r->at);
        }
        if (peek(r) == '"') r->at++;
    }
    blanks_skip(r);
    if (peek(r) == ']')
        r->at++;
    else
        bytes_clear(&r->section);
}

/* Up to the end of the line: quotes, escapes, comments, lines that go on. False: malformed. */
static bool value_read(reader *r, bytes *out)
{
    bool quoted = false;
    size_t kept = 0; /* what stands before blanks at the end */

    for (blanks_skip(r); peek(r) >= 0 && peek(r) != '\n'; r->at++) {
        char c = *r->at;
        if (c == '"') {
            quoted = !quoted;
            continue;
        }
        if (!quoted && (c == '#' || c == ';')) break;
        if (c == '\\') {
            if (r->at + 1 < r->end && r->at[1] == '\r') r->at++;
            if (++r->at >= r->end) return false;
            if (*r->at == '\n') continue;
            c = *r->at == 'n' ? '\n' : *r->at == 't' ? '\t' : *r->at;
        }
        bytes_append_byte(out, c);
        if (quoted || !is_blank(c)) kept = out->size;
    }
    if (out->size > kept) bytes_remove(out, kept, out->size - kept);
    return !quoted;
}

/* Control bytes are in no address. */
static void value_keep(char **slot, const bytes *value)
{
    for (size_t i = 0; i < value->size; i++)
        if ((unsigned char)value->data[i] < 0x20 || value->data[i] == 0x7f) return;
    free(*slot);
    *slot = value->size ? memory_text_n(value->data, value->size) : NULL;
}

static void line_read(reader *r, const char *remote, repo_lfs_config *out)
{
    CLEANUP(bytes_free) bytes key = {0}, value = {0};
    const char *section = bytes_text(&r->section);

    word_read(r, &key);
    blanks_skip(r);
    if (peek(r) != '=') return;
    r->at++;
    if (!value_read(r, &value)) return;
    if (strcmp(section, "lfs") == 0) {
        if (bytes_view_is(bytes_borrow(&key), "url")) value_keep(&out->url, &value);
        if (bytes_view_is(bytes_borrow(&key), "pushurl")) value_keep(&out->push_url, &value);
    }
    if (remote && strncmp(section, "remote.", 7) == 0 && strcmp(section + 7, remote) == 0 &&
        bytes_view_is(bytes_borrow(&key), "lfsurl"))
        value_keep(&out->remote_url, &value);
}

void repo_lfs_config_read(bytes_view text, const char *remote, repo_lfs_config *out)
{
    reader r = {.at = text.data, .end = text.data + text.size};

    *out = (repo_lfs_config){0};
    if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) r.at += 3;
    while (r.at < r.end) {
        while (is_blank(peek(&r)) || peek(&r) == '\n') r.at++;
        if (peek(&r) == '[') {
            section_read(&r);
            continue; /* a value may stand on the same line */
        }
        if (is_word(peek(&r))) line_read(&r, remote, out);
        line_skip(&r);
    }
    bytes_free(&r.section);
}

void repo_lfs_config_free(repo_lfs_config *config)
{
    free(config->url);
    free(config->push_url);
    free(config->remote_url);
    *config = (repo_lfs_config){0};
}
