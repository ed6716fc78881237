/* engine/text/tokenizer_pattern.c: the patterns of a file, literal or regular, and a walk over their matches.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "engine/text/tokenizer_internal.h"

void text_ranges_push(text_ranges *ranges, size_t begin, size_t end)
{
    if (ranges->count == ranges->capacity) {
        ranges->capacity = ranges->capacity ? ranges->capacity * 2 : 256;
        ranges->data = memory_resize_array(ranges->data, ranges->capacity, sizeof *ranges->data);
    }
    ranges->data[ranges->count++] = (text_range){(uint32_t)begin, (uint32_t)end};
}

err text_pattern_of_regex(bytes_view regex, text_pattern *out)
{
    text_pattern pattern = {.scanner = text_scanner_find(regex)};
    err e = tokenizer_regex_compile(regex, &pattern.regex);
    if (!e.code) *out = pattern;
    return e;
}

err text_pattern_read(const json_node *node, arena *a, text_pattern *out)
{
    const json_node *literal = json_get(node, "String"), *regex = json_get(node, "Regex");
    const json_node *given = literal ? literal : regex;
    if (!json_is(given, JSON_STRING))
        return err_make(ERR_FORMAT, "\"pattern\": expected {\"String\": ...} or {\"Regex\": ...}");
    if (!json_text(given).size) return err_make(ERR_UNSUPPORTED, "\"pattern\" is empty");
    if (regex && !literal) return text_pattern_of_regex(json_text(regex), out);
    if (json_text(literal).size > TOKENIZER_PATTERN_BYTES_MAX)
        return err_make(ERR_LIMIT, "\"pattern\" is longer than %d bytes", TOKENIZER_PATTERN_BYTES_MAX);
    *out = (text_pattern){.literal = tokenizer_text_keep(a, json_text(literal))};
    return ERR_OK;
}

void text_pattern_free(text_pattern *p)
{
    tokenizer_regex_free(p->regex);
    *p = (text_pattern){0};
}

static match_result literal_find(bytes_view literal, bytes_view text, size_t from, text_range *found)
{
    const char *at = memmem(text.data + from, text.size - from, literal.data, literal.size);
    if (!at) return MATCH_NONE;
    *found = (text_range){(uint32_t)(at - text.data), (uint32_t)((size_t)(at - text.data) + literal.size)};
    return MATCH_FOUND;
}

/* Scanners know no empty matches. */
static match_result scanner_next(pattern_walk *walk, text_range *found)
{
    const text_scanner *scanner = walk->pattern->scanner;
    for (size_t at = walk->at; at < walk->text.size;) {
        size_t end = scanner->scan(&scanner->rules, walk->text, at);
        if (end > at) {
            *found = (text_range){(uint32_t)at, (uint32_t)end};
            walk->at = end;
            return MATCH_FOUND;
        }
        uint32_t code;
        at += character_read(walk->text.data + at, &code);
    }
    return MATCH_NONE;
}

match_result pattern_walk_next(pattern_walk *walk, text_range *found)
{
    const text_pattern *p = walk->pattern;
    if (p->scanner) return scanner_next(walk, found);
    while (walk->at <= walk->text.size) {
        match_result result = p->regex
                                  ? tokenizer_regex_find(p->regex, walk->matcher, walk->text, walk->at, found)
                                  : literal_find(p->literal, walk->text, walk->at, found);
        if (result != MATCH_FOUND) return result;
        bool again = found->begin == found->end && walk->has_last && walk->last_end == found->end;
        if (!again) {
            walk->at = walk->last_end = found->end;
            walk->has_last = true;
            return MATCH_FOUND;
        }
        uint32_t code;
        if (walk->at == walk->text.size) break;
        walk->at += character_read(walk->text.data + walk->at, &code);
    }
    return MATCH_NONE;
}

bool text_pattern_replace(const text_pattern *p, tokenizer_matcher *m, bytes_view text, bytes_view content,
                          bytes *out)
{
    pattern_walk walk = {.pattern = p, .matcher = m, .text = text};
    text_range found;
    size_t done = 0;
    match_result result;
    while ((result = pattern_walk_next(&walk, &found)) == MATCH_FOUND) {
        bytes_append(out, text.data + done, found.begin - done);
        bytes_append_view(out, content);
        if (out->size > TOKENIZER_GROWN_BYTES_MAX) return false;
        done = found.end;
    }
    bytes_append(out, text.data + done, text.size - done);
    return result == MATCH_NONE;
}
