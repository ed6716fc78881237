#include "engine/text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "engine/text/tokenizer_internal.h"
#include "tests/support/check.h"

/* ---- small tokenizers of every kind, against the library (tests/gen/tokenizer_rows.py) ---- */

static engine_ids ids_of(const json_node *list)
{
    engine_ids ids = {0};
    for (const json_node *id = json_first(list); id; id = id->next)
        engine_ids_push(&ids, (int32_t)json_int(id, -1));
    return ids;
}

static bool encode_differs(const engine_tokenizer *t, bytes_view text, bool special, const json_node *wanted)
{
    engine_ids ids = {0}, right = ids_of(wanted);
    check_ok(engine_tokenizer_encode(t, text, special, &ids));
    bool differs =
        ids.count != right.count || (ids.count && memcmp(ids.data, right.data, ids.count * sizeof *ids.data));
    engine_ids_free(&ids);
    engine_ids_free(&right);
    return differs;
}

static bool decode_differs(const engine_tokenizer *t, const json_node *list, bool skip, bytes_view wanted)
{
    engine_ids ids = ids_of(list);
    bytes whole = {0}, streamed = {0};
    check_ok(engine_tokenizer_decode(t, ids.data, ids.count, skip, &whole));
    engine_detokenizer *d = engine_detokenizer_new(t, skip);
    bool differs = false;
    for (size_t i = 0; i < ids.count; i++) {
        engine_detokenizer_push(d, ids.data[i], &streamed);
        differs |=
            streamed.size > whole.size || (streamed.size && memcmp(streamed.data, whole.data, streamed.size));
    }
    engine_detokenizer_finish(d, &streamed);
    engine_detokenizer_free(d);
    differs |=
        !bytes_view_equal(bytes_borrow(&whole), wanted) || !bytes_view_equal(bytes_borrow(&streamed), wanted);
    bytes_free(&whole);
    bytes_free(&streamed);
    engine_ids_free(&ids);
    return differs;
}

/* How many rows of one tokenizer differ; the first few are named. */
static size_t case_check(const json_node *item)
{
    engine_tokenizer *t = NULL;
    bytes_view name = json_text(json_get(item, "name"));
    check_ok(engine_tokenizer_parse(json_text(json_get(item, "file")), &t));
    size_t wrong = 0, at = 0;
    for (const json_node *row = json_first(json_get(item, "encode")); row; row = row->next, at++) {
        bytes_view text = json_text(json_get(row, "text"));
        if (!encode_differs(t, text, false, json_get(row, "ids")) &&
            !encode_differs(t, text, true, json_get(row, "ids_special")))
            continue;
        if (wrong++ < 3) print_message("%.*s: text %zu encodes differently\n", (int)name.size, name.data, at);
    }
    at = 0;
    for (const json_node *row = json_first(json_get(item, "decode")); row; row = row->next, at++) {
        const json_node *ids = json_get(row, "ids");
        if (!decode_differs(t, ids, false, json_text(json_get(row, "text"))) &&
            !decode_differs(t, ids, true, json_text(json_get(row, "text_skip"))))
            continue;
        if (wrong++ < 3) print_message("%.*s: ids %zu decode differently\n", (int)name.size, name.data, at);
    }
    engine_tokenizer_free(t);
    return wrong;
}

TEST(small_tokenizers_of_every_kind_give_the_ids_and_texts_of_the_library)
{
    const char *other = getenv("HYPRSTREAM_TOKENIZER_ROWS"); /* rows made with another seed */
    bytes rows = check_read("%s", other ? other : "tests/data/tokenizer_rows.json");
    arena a = {0};
    const json_node *root = NULL;
    check_ok(json_parse(bytes_borrow(&rows), JSON_DEPTH_MAX, &a, &root));
    size_t wrong = 0;
    for (const json_node *item = json_first(root); item; item = item->next) wrong += case_check(item);
    check_true(json_count(root) > 20);
    check_int(wrong, 0);
    arena_free(&a);
    bytes_free(&rows);
}

/* ---- one small tokenizer, by hand ---- */

/* "the" and runs of h are built by merges; `parts` are further members of the file. */
#define SMALL(parts)                                                                                         \
    "{\"added_tokens\": [{\"id\": 270, \"content\": \"<|end|>\", \"normalized\": false, \"special\": true}," \
    " {\"id\": 271, \"content\": \"<t>\", \"normalized\": false, \"special\": false}], " parts               \
    " \"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", \"byte_fallback\": true, \"vocab\": {"        \
    "\"<unk>\": 0, \"t\": 1, \"h\": 2, \"e\": 3, \"th\": 4, \"the\": 5, \"▁\": 6, \"▁the\": 7, "         \
    "\"<0xE6>\": 8, \"<0x97>\": 9, \"<0xA5>\": 10, \"<0x0A>\": 11, \"hh\": 12, \"hhh\": 13}, "               \
    "\"merges\": [\"t h\", \"th e\", \"▁ the\", \"h h\", \"hh h\"]}}"
#define LLAMA_PARTS                                                                                          \
    "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"▁\"}, "      \
    "\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": "             \
    "{\"String\": "                                                                                          \
    "\"▁\"}, \"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\": "         \
    "\"Strip\", "                                                                                            \
    "\"content\": \" \", \"start\": 1, \"stop\": 0}]},"

static engine_tokenizer *parsed(const char *json)
{
    engine_tokenizer *t = NULL;
    check_ok(engine_tokenizer_parse(bytes_view_of(json), &t));
    return t;
}

/* The ids as text: "1 2 3". Valid until the next call. */
static const char *ids_text(const engine_ids *ids)
{
    bytes text = {0};
    for (size_t i = 0; i < ids->count; i++) bytes_printf(&text, i ? " %d" : "%d", (int)ids->data[i]);
    static char copy[4096];
    snprintf(copy, sizeof copy, "%s", bytes_text(&text));
    bytes_free(&text);
    return copy;
}

static const char *encoded(const engine_tokenizer *t, bytes_view text)
{
    engine_ids ids = {0};
    check_ok(engine_tokenizer_encode(t, text, false, &ids));
    const char *words = ids_text(&ids);
    engine_ids_free(&ids);
    return words;
}

TEST(tokens_are_found_by_text_and_by_id)
{
    engine_tokenizer *t = parsed(SMALL(LLAMA_PARTS));
    check_int(engine_tokenizer_vocab_count(t), 272);
    check_int(engine_tokenizer_find(t, VIEW("<|end|>")), 270);
    check_int(engine_tokenizer_find(t, VIEW("▁the")), 7);
    check_int(engine_tokenizer_find(t, VIEW("nobody")), -1);
    check_int(engine_tokenizer_find(t, VIEW("")), -1);
    check_true(bytes_view_is(engine_tokenizer_borrow_token(t, 5), "the"));
    check_int(engine_tokenizer_borrow_token(t, 100).size, 0);
    check_int(engine_tokenizer_borrow_token(t, -1).size, 0);
    check_int(engine_tokenizer_borrow_token(t, 272).size, 0);
    check_true(engine_tokenizer_is_special(t, 270));
    check_true(!engine_tokenizer_is_special(t, 271));
    check_true(!engine_tokenizer_is_special(t, 5));
    check_true(!engine_tokenizer_is_special(t, 1 << 30));
    engine_tokenizer_free(t);
}

TEST(a_character_without_a_token_becomes_its_bytes_or_unknown)
{
    engine_tokenizer *t = parsed(SMALL(LLAMA_PARTS));
    check_text(encoded(t, VIEW("the 日")), "5 6 8 9 10");
    check_text(encoded(t, VIEW("Xthe")), "0 5");
    check_text(encoded(t, VIEW("")), "");
    engine_tokenizer_free(t);
}

TEST(each_broken_byte_is_read_as_one_replacement_character)
{
    engine_tokenizer *t = parsed(SMALL(LLAMA_PARTS));
    check_text(encoded(t, VIEW("t\xE6\x97he")), "1 0 0 2 3");
    check_text(encoded(t, VIEW("\xFF")), "0");
    engine_tokenizer_free(t);
}

TEST(no_special_token_is_recognised_in_text_of_other_people)
{
    engine_tokenizer *t = parsed(SMALL(LLAMA_PARTS));
    bytes_view text = VIEW("<|end|>the<|end|><t>\xFF<|end|>");
    engine_ids all = {0}, some = {0}, parts = {0};
    check_ok(engine_tokenizer_encode(t, text, false, &all));
    check_text(ids_text(&all), "270 5 270 271 0 270");
    engine_text_span guarded[] = {{7, 15}, {17, 21}}; /* "the<|end", "<t>" and the broken byte */
    check_ok(engine_tokenizer_encode_guarded(t, text, guarded, 2, false, &some));
    check_int(some.data[0], 270);
    check_int(some.data[1], 5);
    check_int(some.data[some.count - 1], 270); /* the last one lies behind the spans */
    size_t ends = 0, thoughts = 0;
    for (size_t i = 0; i < some.count; i++) ends += some.data[i] == 270, thoughts += some.data[i] == 271;
    check_int(ends, 2);
    check_int(thoughts, 1); /* it is no special token */
    check_ok(engine_tokenizer_encode_guarded(t, VIEW("<|<|end|>"), (engine_text_span[]){{0, 2}}, 1, false,
                                             &parts));
    check_int(parts.data[parts.count - 1], 270);
    engine_ids_free(&all);
    engine_ids_free(&some);
    engine_ids_free(&parts);
    engine_tokenizer_free(t);
}

TEST(guarded_text_stays_guarded_behind_a_normalizer_that_moves_it)
{
    static const char json[] =
        "{\"added_tokens\": [{\"id\": 9, \"content\": \"<e>\", \"normalized\": true, \"special\": true}],"
        "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"___\"},"
        "\"model\": {\"vocab\": {\"_\": 0, \"<\": 1, \"e\": 2, \">\": 3}, \"merges\": []}}";
    engine_tokenizer *t = parsed(json);
    engine_ids ids = {0};
    bytes_view text = VIEW("  <e> <e> <e>");
    check_ok(engine_tokenizer_encode_guarded(t, text, (engine_text_span[]){{6, 9}}, 1, false, &ids));
    check_text(ids_text(&ids), "0 0 0 0 0 0 9 0 0 0 1 2 3 0 0 0 9");
    engine_ids_free(&ids);
    engine_tokenizer_free(t);
}

/* Found by fuzzing: the text before such a span ended inside a character, and NFC read past it. */
TEST(a_guarded_span_that_cuts_a_character_has_all_of_it)
{
    static const char json[] =
        "{\"added_tokens\": [{\"id\": 9, \"content\": \"\u00E9\", \"normalized\": true, \"special\": true}],"
        "\"normalizer\": {\"type\": \"NFC\"}, \"model\": {\"unk_token\": \"?\","
        "\"vocab\": {\"?\": 0, \"a\": 1, \"\uFFFD\": 2}, \"merges\": []}}";
    engine_tokenizer *t = parsed(json);
    static const struct {
        engine_text_span span;
        const char *text, *ids;
    } cases[] = {
        {{5, 5}, "ae\u0301e\u0301a", "1 9 9 1"},
        {{3, 4}, "ae\u0301e\u0301a", "1 0 9 1"}, /* half of the first accent */
        {{6, 7}, "ae\u0301e\u0301a", "1 9 0 1"}, /* half of the second */
        {{3, 4}, "\u00E9\u00E9\u00E9", "9 0 9"},
        {{1, 3}, "\u00E9\u00E9\u00E9", "0 0 9"},
        {{4, 5}, "\xFF\u00E9\u00E9", "2 9 0"}, /* behind a broken byte */
        {{2, 3}, "\xFF\u00E9\u00E9", "2 0 9"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        engine_ids ids = {0};
        check_ok(
            engine_tokenizer_encode_guarded(t, bytes_view_of(cases[i].text), &cases[i].span, 1, false, &ids));
        check_text(ids_text(&ids), cases[i].ids);
        engine_ids_free(&ids);
    }
    engine_tokenizer_free(t);
}

static void streams(const engine_tokenizer *t, const char *before, const char *ids, const char *pieces)
{
    engine_detokenizer *d = engine_detokenizer_new(t, true);
    bytes out = {0};
    for (const char *at = before; *at; at += strcspn(at, " "), at += *at == ' ') {
        int32_t id = (int32_t)atoi(at);
        engine_detokenizer_prime(d, &id, 1);
    }
    for (const char *at = ids; *at; at += strcspn(at, " "), at += *at == ' ') {
        engine_detokenizer_push(d, (int32_t)atoi(at), &out);
        bytes_append_byte(&out, '|');
    }
    engine_detokenizer_finish(d, &out);
    check_text(bytes_text(&out), pieces);
    bytes_free(&out);
    engine_detokenizer_free(d);
}

TEST(streamed_text_comes_in_whole_characters_and_keeps_the_first_blank_of_a_continuation)
{
    engine_tokenizer *t = parsed(SMALL(LLAMA_PARTS));
    streams(t, "", "7 7 8 9 10 7", "the| the||||日 the|");
    streams(t, "", "8 9 5", "||\xEF\xBF\xBD\xEF\xBF\xBDthe|");
    streams(t, "", "8 9", "||\xEF\xBF\xBD\xEF\xBF\xBD");
    streams(t, "5", "7 5", " the|the|");
    streams(t, "11", "7", " the|"); /* a byte token ends the prompt */
    streams(t, "270", "7", "the|"); /* a skipped one says nothing */
    streams(t, "", "270 999 -1 7", "|||the|");
    engine_tokenizer_free(t);
}

TEST(without_a_decoder_tokens_are_joined_by_blanks)
{
    engine_tokenizer *t = parsed(SMALL(""));
    streams(t, "", "5 4 270 1", "the| th|| t|");
    engine_tokenizer_free(t);
}

/* ---- long texts ---- */

/* Merges of one letter: the result of a long run is known. */
TEST(a_long_piece_merges_as_a_short_one_does)
{
    engine_tokenizer *t = parsed(SMALL(LLAMA_PARTS));
    bytes text = {0};
    for (int i = 0; i < 100000; i++) bytes_append_text(&text, "hhhth");
    engine_ids ids = {0};
    check_ok(engine_tokenizer_encode(t, bytes_borrow(&text), false, &ids));
    bytes again = {0};
    check_ok(engine_tokenizer_decode(t, ids.data, ids.count, false, &again));
    check_true(bytes_view_equal(bytes_borrow(&text), bytes_borrow(&again)));
    engine_ids first = {0};
    check_ok(engine_tokenizer_encode(t, VIEW("hhhthhhhthhhhth"), false, &first));
    check_text(ids_text(&first), "13 4 13 4 13 4");
    check_int(ids.count, 200000);
    check_true(memcmp(ids.data, first.data, 4 * sizeof *ids.data) == 0);
    engine_ids_free(&first);
    engine_ids_free(&ids);
    bytes_free(&again);
    bytes_free(&text);
    engine_tokenizer_free(t);
}

TEST(a_scan_and_a_heap_merge_alike)
{
    merge_table merges = {0};
    merge_table_reserve(&merges, 400);
    uint32_t state = 1, rank = 0;
    for (int32_t id = 6; id < 60; id++) { /* each id is a pair of random earlier ones */
        state = state * 1664525 + 1013904223;
        merge_table_set(&merges, (int32_t)(state >> 8) % id % 24, (int32_t)(state >> 20) % id % 24,
                        (merge){rank++, id});
    }
    merge_work work = {0};
    for (int round = 0; round < 300; round++) {
        int32_t symbols[80], together[80];
        for (int i = 0; i < 80; i++) symbols[i] = (int32_t)((state = state * 1664525 + 1013904223) >> 16) % 6;
        memcpy(together, symbols, sizeof symbols);
        size_t count = tokenizer_merge(&merges, &work, together, 80), plain = 80;
        for (;;) { /* what the two must equal: the lowest rank, leftmost, until there is none */
            size_t best = plain;
            merge found = {MERGE_NONE, -1};
            for (size_t i = 0; i + 1 < plain; i++) {
                merge m = merge_table_find(&merges, symbols[i], symbols[i + 1]);
                if (m.rank < found.rank) found = m, best = i;
            }
            if (best == plain) break;
            symbols[best] = found.id;
            memmove(&symbols[best + 1], &symbols[best + 2], (plain - best - 2) * sizeof *symbols);
            plain--;
        }
        check_int(count, plain);
        check_true(memcmp(together, symbols, plain * sizeof *symbols) == 0);
    }
    merge_work_free(&work);
    merge_table_free(&merges);
}

/* ---- regular expressions ---- */

TEST(scanners_split_as_their_regular_expressions_do)
{
    static const char *const parts[] = {"a",        "B",
                                        "ǅ",        "ʰ",
                                        "日",       "字",
                                        "ひ",       "\xCC\x81",
                                        "'",        "s",
                                        "S",        "ſ",
                                        "ll",       "Ve",
                                        "'re",      "1",
                                        "2",        "٣",
                                        "½",        " ",
                                        "  ",       "\n",
                                        "\r\n",     "\t",
                                        "\xC2\xA0", "\xE3\x80\x80",
                                        ".",        "!",
                                        "/",        "(",
                                        "$",        "😀",
                                        "\x01",     "\xE2\x80\x8B",
                                        "É",        "é",
                                        "word",     "CamelCase"};
    CLEANUP(tokenizer_matcher_free) tokenizer_matcher matcher = {0};
    uint32_t state = 7;
    for (size_t k = 0; text_scanner_at(k); k++) {
        const text_scanner *scanner = text_scanner_at(k);
        text_pattern fast = {0}, slow = {0};
        check_ok(text_pattern_of_regex(bytes_view_of(scanner->pattern), &fast));
        check_ok(text_pattern_of_regex(bytes_view_of(scanner->pattern), &slow));
        assert_ptr_equal(fast.scanner, scanner);
        slow.scanner = NULL;
        for (int round = 0; round < 4000; round++) {
            bytes text = {0};
            state = state * 1664525 + 1013904223;
            for (uint32_t i = 0, count = 1 + (state >> 16) % 12; i < count; i++) {
                state = state * 1664525 + 1013904223;
                bytes_append_text(&text, parts[(state >> 16) % COUNT_OF(parts)]);
            }
            pattern_walk one = {.pattern = &fast, .matcher = &matcher, .text = bytes_borrow(&text)};
            pattern_walk two = {.pattern = &slow, .matcher = &matcher, .text = bytes_borrow(&text)};
            text_range a = {0}, b = {0};
            for (match_result got = MATCH_FOUND; got == MATCH_FOUND;) {
                got = pattern_walk_next(&one, &a);
                if (got != pattern_walk_next(&two, &b) || a.begin != b.begin || a.end != b.end)
                    fail_msg("scanner %zu: \"%s\": %u-%u, not %u-%u", k, bytes_text(&text), a.begin, a.end,
                             b.begin, b.end);
            }
            bytes_free(&text);
        }
        text_pattern_free(&fast);
        text_pattern_free(&slow);
    }
}

TEST(what_means_other_things_to_the_two_engines_is_rewritten_or_refused)
{
    static const struct {
        const char *pattern, *translated;
    } rewritten[] = {
        {"a{1,3}+b", "(?:a{1,3})+b"},
        {"[ab]{2}+", "(?:[ab]{2})+"},
        {"x(?:ab){1,2}+", "x(?:(?:ab){1,2})+"},
        {"\\p{N}{1,3}+", "(?:\\p{N}{1,3})+"},
        {"a{x", "a\\{x"},
        {"[\\h]", "[0-9A-Fa-f]"},
        {"(?i)a", "(?i)a"},
        {"a++b", "a++b"},
        {"a{,3}", "a{0,3}"},
    };
    static const char *const refused[] = {"[a&&b]",  "[a[b]]", "[^\\W]",   "(?m)a",      "a(?i)b",
                                          "(*UTF)a", "\\Ga",   "(?x:a b)", "[[:alpha:]]"};
    for (size_t i = 0; i < COUNT_OF(rewritten); i++) {
        bytes out = {0};
        check_ok(tokenizer_regex_translate(bytes_view_of(rewritten[i].pattern), &out));
        check_text(bytes_text(&out), rewritten[i].translated);
        bytes_free(&out);
    }
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        bytes out = {0};
        check_fails(tokenizer_regex_translate(bytes_view_of(refused[i]), &out), ERR_UNSUPPORTED,
                    "a regular expression uses");
        bytes_free(&out);
    }
}

/* ---- refusals ---- */

TEST(what_is_not_done_is_refused_by_name)
{
    static const struct {
        const char *json;
        err_code code;
        const char *words;
    } rows[] = {
        {"[]", ERR_FORMAT, "expected an object"},
        {"{}", ERR_FORMAT, "\"model\""},
        {"{\"model\": {\"type\": \"Unigram\"}}", ERR_UNSUPPORTED, "\"Unigram\""},
        {"{\"model\": {\"vocab\": []}}", ERR_FORMAT, "\"vocab\""},
        {"{\"model\": {\"vocab\": {\"a\": -1}}}", ERR_FORMAT, "an id from 0"},
        {"{\"model\": {\"vocab\": {\"a\": 1e9}}}", ERR_FORMAT, "an id from 0"},
        {"{\"model\": {\"vocab\": {\"a\": 1, \"b\": 1}}}", ERR_FORMAT, "id 1 is there twice"},
        {"{\"model\": {\"vocab\": {\"a\": 1, \"a\": 2}}}", ERR_FORMAT, "a token is there twice"},
        {"{\"model\": {\"vocab\": {\"a\": 1}}}", ERR_FORMAT, "\"merges\""},
        {"{\"model\": {\"vocab\": {\"a\": 1}, \"merges\": [\"a b c\"]}}", ERR_FORMAT,
         "line 1: merge 0: expected"},
        {"{\"model\": {\"vocab\": {\"a\": 1}, \"merges\": [\"a b\"]}}", ERR_FORMAT, "a part of it"},
        {"{\"model\": {\"vocab\": {\"a\": 1}, \"merges\": [[\"a\", \"a\"]]}}", ERR_FORMAT, "its result"},
        {"{\"model\": {\"dropout\": 0.1, \"vocab\": {}, \"merges\": []}}", ERR_UNSUPPORTED, "\"dropout\""},
        {SMALL("\"normalizer\": {\"type\": \"Precompiled\"},"), ERR_UNSUPPORTED,
         "normalizer: type \"Precompiled\""},
        {SMALL("\"normalizer\": {\"type\": \"Replace\", \"content\": \"\"},"), ERR_FORMAT, "\"pattern\""},
        {SMALL("\"normalizer\": {\"type\": \"Sequence\"},"), ERR_FORMAT, "\"normalizers\""},
        {SMALL("\"normalizer\": [],"), ERR_FORMAT, "normalizer: expected an object with a \"type\""},
        {SMALL("\"pre_tokenizer\": {\"type\": \"UnicodeScripts\"},"), ERR_UNSUPPORTED, "\"UnicodeScripts\""},
        {SMALL("\"pre_tokenizer\": {\"type\": \"Split\", \"behavior\": \"Isolated\", \"pattern\": "
               "{\"Regex\": \"(\"}},"),
         ERR_FORMAT, "does not compile"},
        {SMALL("\"pre_tokenizer\": {\"type\": \"Split\", \"behavior\": \"Often\", \"pattern\": {\"String\": "
               "\"a\"}},"),
         ERR_FORMAT, "\"behavior\""},
        {SMALL("\"decoder\": {\"type\": \"CTC\"},"), ERR_UNSUPPORTED, "decoder: type \"CTC\""},
        {SMALL("\"decoder\": {\"type\": \"Strip\", \"content\": \"a\"},"), ERR_FORMAT, "\"start\""},
        {SMALL("\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": []},"), ERR_UNSUPPORTED,
         "without the text"},
        {SMALL("\"post_processor\": {\"type\": \"Other\"},"), ERR_UNSUPPORTED,
         "post_processor: type \"Other\""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        engine_tokenizer *untouched = (engine_tokenizer *)&untouched, *t = untouched;
        check_fails(engine_tokenizer_parse(bytes_view_of(rows[i].json), &t), rows[i].code, rows[i].words);
        assert_ptr_equal(t, untouched);
    }
}

TEST(a_file_cut_off_anywhere_is_refused)
{
    static const char json[] = SMALL(LLAMA_PARTS);
    for (size_t size = 0; size + 1 < sizeof json - 1; size++) {
        engine_tokenizer *t = NULL;
        check_fails(engine_tokenizer_parse((bytes_view){json, size}, &t), ERR_FORMAT, "line 1");
    }
}

#define TIMES_16(text) text text text text text text text text text text text text text text text text

TEST(a_text_or_its_growth_past_the_limit_is_refused_and_nothing_is_added)
{
    engine_tokenizer *t =
        parsed(SMALL("\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \"t\"}, "
                     "\"content\": \"" TIMES_16(TIMES_16("tttttttttttttttt")) "\"},"));
    size_t size = (size_t)TOKENIZER_TEXT_BYTES_MAX + 1;
    char *long_text = memory_alloc(size);
    memset(long_text, 't', size);
    engine_ids ids = {0};
    engine_ids_push(&ids, 42);
    check_fails(engine_tokenizer_encode(t, (bytes_view){long_text, size}, true, &ids), ERR_LIMIT, "64 MiB");
    check_fails(engine_tokenizer_encode(t, (bytes_view){long_text, 66000}, true, &ids), ERR_LIMIT, "256 MiB");
    check_int(ids.count, 1);
    engine_ids_free(&ids);
    free(long_text);
    engine_tokenizer_free(t);
}

TESTS(RUN(small_tokenizers_of_every_kind_give_the_ids_and_texts_of_the_library),
      RUN(tokens_are_found_by_text_and_by_id), RUN(a_character_without_a_token_becomes_its_bytes_or_unknown),
      RUN(each_broken_byte_is_read_as_one_replacement_character),
      RUN(no_special_token_is_recognised_in_text_of_other_people),
      RUN(guarded_text_stays_guarded_behind_a_normalizer_that_moves_it),
      RUN(a_guarded_span_that_cuts_a_character_has_all_of_it),
      RUN(streamed_text_comes_in_whole_characters_and_keeps_the_first_blank_of_a_continuation),
      RUN(without_a_decoder_tokens_are_joined_by_blanks), RUN(a_long_piece_merges_as_a_short_one_does),
      RUN(a_scan_and_a_heap_merge_alike), RUN(scanners_split_as_their_regular_expressions_do),
      RUN(what_means_other_things_to_the_two_engines_is_rewritten_or_refused),
      RUN(what_is_not_done_is_refused_by_name), RUN(a_file_cut_off_anywhere_is_refused),
      RUN(a_text_or_its_growth_past_the_limit_is_refused_and_nothing_is_added))
