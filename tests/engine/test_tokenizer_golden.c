/* Against recorded results of the Hugging Face tokenizers library, for nine real files. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "engine/text/tokenizer.h"
#include "tests/support/check.h"

static const char *const names[] = {"gpt2",        "llama2",      "llama3",      "qwen3",  "gemma3",
                                    "stories260K", "deepseek_v3", "gpt4o_o200k", "smollm2"};

static bytes unzipped(const char *path)
{
    char command[4200], part[65536];
    snprintf(command, sizeof command, "gunzip -c '%s'", path);
    FILE *pipe = popen(command, "r");
    bytes all = {0};
    for (size_t got; pipe && (got = fread(part, 1, sizeof part, pipe)) > 0;) bytes_append(&all, part, got);
    if (!pipe || pclose(pipe) != 0) fail_msg("cannot gunzip %s", path);
    return all;
}

static bytes tokenizer_json(const char *data, const char *name)
{
    static const char *const places[][2] = {{"tokenizers", ""}, {"models", ""}, {"tokenizers", ".gz"}};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s/%s/tokenizer.json%s", data, places[i][0], name, places[i][1]);
        if (file_exists(path)) return *places[i][1] ? unzipped(path) : check_read("%s", path);
    }
    fail_msg("no tokenizer.json of %s under %s", name, data);
    return (bytes){0};
}

typedef struct tally {
    size_t encoded, decoded, streamed, wrong;
} tally;

static engine_ids ids_of(const json_node *list)
{
    engine_ids ids = {0};
    for (const json_node *id = json_first(list); id; id = id->next)
        engine_ids_push(&ids, (int32_t)json_int(id, -1));
    return ids;
}

static void wrong(tally *t, const char *name, const char *what, const json_node *row)
{
    t->wrong++;
    print_message("%s: line %u: %s differs\n", name, row->line, what);
}

static void encode_check(const engine_tokenizer *t, const char *name, const json_node *row, bytes_view text,
                         const json_node *wanted, bool special, tally *counts)
{
    engine_ids ids = {0}, right = ids_of(wanted);
    check_ok(engine_tokenizer_encode(t, text, special, &ids));
    if (ids.count != right.count || (ids.count && memcmp(ids.data, right.data, ids.count * sizeof *ids.data)))
        wrong(counts, name, "encode", row);
    counts->encoded++;
    engine_ids_free(&ids);
    engine_ids_free(&right);
}

static void decode_check(const engine_tokenizer *t, const char *name, const json_node *row,
                         const json_node *list, bytes_view wanted, bool skip, tally *counts)
{
    engine_ids ids = ids_of(list);
    bytes whole = {0}, streamed = {0};
    check_ok(engine_tokenizer_decode(t, ids.data, ids.count, skip, &whole));
    if (!bytes_view_equal(bytes_borrow(&whole), wanted)) wrong(counts, name, "decode", row);
    engine_detokenizer *d = engine_detokenizer_new(t, skip);
    for (size_t i = 0; i < ids.count; i++) {
        engine_detokenizer_push(d, ids.data[i], &streamed);
        if (streamed.size > whole.size || (streamed.size && memcmp(streamed.data, whole.data, streamed.size)))
            wrong(counts, name, "streamed prefix", row);
    }
    engine_detokenizer_finish(d, &streamed);
    engine_detokenizer_free(d);
    if (!bytes_view_equal(bytes_borrow(&streamed), wanted)) wrong(counts, name, "streamed text", row);
    counts->decoded++;
    counts->streamed++;
    bytes_free(&whole);
    bytes_free(&streamed);
    engine_ids_free(&ids);
}

/* {text, ids, ids_special?, decoded?, decoded_skip?}: what is absent equals what stands before it. */
static void golden_row(const engine_tokenizer *t, const char *name, const json_node *row, tally *counts)
{
    const json_node *text = json_get(row, "text"), *ids = json_get(row, "ids"),
                    *special = json_get(row, "ids_special");
    const json_node *decoded = json_get(row, "decoded"), *skipped = json_get(row, "decoded_skip");
    if (!special) special = ids;
    if (!decoded) decoded = text;
    if (!skipped) skipped = decoded;
    encode_check(t, name, row, json_text(text), ids, false, counts);
    encode_check(t, name, row, json_text(text), special, true, counts);
    decode_check(t, name, row, ids, json_text(decoded), false, counts);
    decode_check(t, name, row, special, json_text(skipped), true, counts);
}

static void fuzz_rows(const engine_tokenizer *t, const char *name, const json_node *root, tally *counts)
{
    for (const json_node *row = json_first(json_get(root, "encode")); row; row = row->next)
        encode_check(t, name, row, json_text(json_get(row, "text")), json_get(row, "ids"), false, counts);
    for (const json_node *row = json_first(json_get(root, "decode")); row; row = row->next) {
        const json_node *text = json_get(row, "text"), *skipped = json_get(row, "text_skip");
        decode_check(t, name, row, json_get(row, "ids"), json_text(text), false, counts);
        decode_check(t, name, row, json_get(row, "ids"), json_text(skipped ? skipped : text), true, counts);
    }
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void one_checked(const char *data, const char *name)
{
    bytes json = tokenizer_json(data, name);
    bytes rows = check_read("%s/golden/tokenizers/%s.json", data, name);
    bytes fuzz = check_read("%s/golden/tokenizers/%s.fuzz.json", data, name);
    arena a = {0};
    const json_node *rows_root = NULL, *fuzz_root = NULL;
    check_ok(json_parse(bytes_borrow(&rows), JSON_DEPTH_MAX, &a, &rows_root));
    check_ok(json_parse(bytes_borrow(&fuzz), JSON_DEPTH_MAX, &a, &fuzz_root));
    engine_tokenizer *t = NULL;
    double begin = seconds_now();
    check_ok(engine_tokenizer_parse(bytes_borrow(&json), &t));
    double loaded = seconds_now() - begin;
    bytes_free(&json);
    tally counts = {0};
    for (const json_node *row = json_first(rows_root); row; row = row->next)
        golden_row(t, name, row, &counts);
    fuzz_rows(t, name, fuzz_root, &counts);
    print_message("%-12s %zu encoded, %zu decoded, %zu streamed, %zu wrong; loaded in %.0f ms\n", name,
                  counts.encoded, counts.decoded, counts.streamed, counts.wrong, loaded * 1e3);
    check_int(counts.wrong, 0);
    check_int(counts.encoded, 2 * 70 + 200);
    check_int(counts.decoded, 2 * 70 + 2 * 150);
    engine_tokenizer_free(t);
    arena_free(&a);
    bytes_free(&rows);
    bytes_free(&fuzz);
}

TEST(real_tokenizers_give_the_ids_and_texts_of_the_library)
{
    const char *data = check_shared_data();
    if (!data) skip();
    for (size_t i = 0; i < COUNT_OF(names); i++) one_checked(data, names[i]);
}

TESTS(RUN(real_tokenizers_give_the_ids_and_texts_of_the_library))
