#include "repo/net/netrc.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

typedef struct entry {
    const char *host, *user, *password; /* host NULL: default */
    bool is_open;
} entry;

/* Cuts the next word out of the text by a NUL behind it. NULL: the end. */
static char *next_word(char **at, bool *line_ended)
{
    char *p = *at;

    while (isspace((unsigned char)*p)) p++;
    if (!*p) {
        *at = p;
        return NULL;
    }
    char quote = *p == '"' ? *p : 0;
    char *word = quote ? ++p : p, *to = word;
    while (*p && (quote ? *p != quote : !isspace((unsigned char)*p))) {
        if (quote && *p == '\\' && p[1]) p++;
        *to++ = *p++;
    }
    *line_ended = *p == '\n';
    if (*p) p++;
    *to = 0;
    *at = p;
    return to - word > NETRC_WORD_BYTES_MAX ? NULL : word;
}

/* A macro's body ends with an empty line. */
static void macro_skip(char **at)
{
    char *end = strstr(*at, "\n\n");
    *at = end ? end + 2 : *at + strlen(*at);
}

static void line_skip(char **at)
{
    char *end = strchr(*at, '\n');
    *at = end ? end + 1 : *at + strlen(*at);
}

static bool entry_fits(const entry *e, const char *host, const char *user)
{
    if (!e->is_open || !e->password) return false;
    if (e->host && strcasecmp(e->host, host) != 0) return false;
    return !user || !e->user || strcmp(e->user, user) == 0;
}

/* One keyword. False: its word is missing. */
static bool keyword(const char *word, char **at, entry *e, bool *ended)
{
    const char **place = NULL, *ignored;

    if (strcmp(word, "machine") == 0) {
        *e = (entry){.is_open = true};
        place = &e->host;
    } else if (strcmp(word, "default") == 0) {
        *e = (entry){.is_open = true};
        return true;
    } else if (strcmp(word, "login") == 0)
        place = &e->user;
    else if (strcmp(word, "password") == 0)
        place = &e->password;
    else if (strcmp(word, "account") == 0 || strcmp(word, "port") == 0)
        place = &ignored;
    else
        return true;
    *place = next_word(at, ended);
    return *place != NULL;
}

static bool begins_entry(const char *word) { return !strcmp(word, "machine") || !strcmp(word, "default"); }

bool netrc_find(bytes *text, const char *host, const char *user, const char **out_user,
                const char **out_password)
{
    entry now = {0};
    bool ended = false;
    char *at = text->data;

    if (!at || memchr(at, 0, text->size)) return false;
    for (char *word = next_word(&at, &ended); word; word = next_word(&at, &ended)) {
        if (begins_entry(word) && entry_fits(&now, host, user)) break;
        if (*word == '#' && !ended)
            line_skip(&at);
        else if (strcmp(word, "macdef") == 0)
            macro_skip(&at);
        else if (!keyword(word, &at, &now, &ended))
            return false;
    }
    if (!entry_fits(&now, host, user)) return false;
    *out_user = now.user ? now.user : user;
    *out_password = now.password;
    return *out_user != NULL;
}
