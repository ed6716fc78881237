#include "engine/text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "engine/text/tokenizer_internal.h"
#include "tests/support/check.h"

/* ---- small tokenizers of every kind, against the library (tests/gen/tokenizer_rows.py) ---- */

static engine_ids ids_of(const json_node *list)
{
    engine_ids ids = {0};
    for (const json_node *id = json_first(list); id; id = id->next) engine_ids_push(&ids, (int32_t)json_int(id, -1));
    return ids;
}

static bool encode_differs(const engine_tokenizer *t, bytes_view text, bool special, const json_node *wanted)
{
    engine_ids ids = {0}, right = ids_of(wanted);
    check_ok(engine_tokenizer_encode(t, text, special, &ids));
    bool differs = ids.count != right.count || (ids.count && memcmp(ids.data, right.data, ids.count * sizeof *ids.data));
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
        differs |= streamed.size > whole.size || (streamed.size && memcmp(streamed.data, whole.data, streamed.size));
    }
    engine_detokenizer_finish(d, &streamed);
    engine_detokenizer_free(d);
    differs |= !bytes_view_equal(bytes_borrow(&whole), wanted) || !bytes_view_equal(bytes_borrow(&streamed), wanted);
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

TESTS(RUN(small_tokenizers_of_every_kind_give_the_ids_and_texts_of_the_library))
