/* Files of examples: recorded tokens of the real peers, every form, every refusal with its place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/macros.h"
#include "engine/text/tokenizer.h"
#include "tests/support/check.h"
#include "training/data.h"

static engine_model *model_at(const char *folder)
{
    engine_files *files = NULL;
    engine_model *m = NULL;
    check_ok(engine_files_open_folder(folder, &files));
    check_ok(engine_model_open(files, &(engine_model_options){0}, &m));
    return m;
}

/* The demo: a template with generation marks, a tokenizer that puts a blank before the first word. */
static engine_model *demo(void) { return model_at("assets/demo"); }

static const char *write_file(const char *name, const char *text)
{
    static char path[4][512];
    static size_t at;
    char *to = path[at++ % COUNT_OF(path)];
    snprintf(to, sizeof path[0], "%s/%s", check_folder(), name);
    check_write(to, text, strlen(text));
    return to;
}

/* Everything is for training. */
static training_data_options whole(void)
{
    training_data_options o = training_data_defaults();
    o.held_out = 0;
    return o;
}

static err open_text(engine_model *m, const char *name, const char *text, training_data_options o,
                     training_data **out)
{
    const char *path = write_file(name, text);
    return training_data_open(&path, 1, m, &o, out);
}

/* What an example says and what of it is learned: "[said|learned]". */
static void check_example(engine_model *m, const training_data *d, size_t i, const char *said,
                          const char *learned)
{
    const training_sequence *s = &training_data_borrow(d)[i];
    int32_t *kept = memory_alloc((s->count + 1) * sizeof *kept);
    size_t count = 0;
    bytes all = {0}, part = {0};
    for (size_t k = 0; k < s->count; k++) {
        if (s->labels[k] == ENGINE_TARGET_NONE) continue;
        check_int(s->labels[k], s->ids[k]);
        kept[count++] = s->ids[k];
    }
    const engine_tokenizer *t = engine_model_borrow_tokenizer(m);
    check_ok(engine_tokenizer_decode(t, s->ids, s->count, false, &all));
    check_ok(engine_tokenizer_decode(t, kept, count, false, &part));
    if (said) check_text(bytes_text(&all), said);
    if (learned) check_text(bytes_text(&part), learned);
    bytes_free(&all);
    bytes_free(&part);
    free(kept);
}

/* -- forms --------------------------------------------------------------------------------------------- */

TEST(each_form_becomes_the_conversation_it_means)
{
    static const struct {
        const char *line, *said, *learned;
    } forms[] = {
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"quit\"},{\"role\":\"assistant\",\"content\":"
         "\"Press q.\"}]}",
         "<s><|user|> quit</s><|assistant|> Press q.</s>", "Press q.</s>"},
        {"{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":\"gpt\",\"value\":\"b\"}],"
         "\"system\":\"s\"}",
         "<s><|system|> s</s><|user|> a</s><|assistant|> b</s>", "b</s>"},
        {"{\"instruction\":\"a\",\"input\":\"b\",\"output\":\"c\",\"history\":[[\"x\",\"y\"]]}",
         "<s><|user|> x</s><|assistant|> y</s><|user|> a\nb</s><|assistant|> c</s>", "y</s> c</s>"},
        {"{\"prompt\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},{"
         "\"role\":\"user\","
         "\"content\":\"c\"}],\"completion\":[{\"role\":\"assistant\",\"content\":\"d\"}]}",
         "<s><|user|> a</s><|assistant|> b</s><|user|> c</s><|assistant|> d</s>", "d</s>"},
        {"{\"prompt\":\"one two\",\"completion\":\" three\"}", "one two three</s>", "three</s>"},
        {"{\"text\":\"a whole text\"}", "a whole text</s>", "a whole text</s>"},
        {"{\"input_ids\":[1,3,4,2],\"labels\":[-100,-100,4,2]}", NULL, NULL},
    };
    engine_model *m = demo();
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        training_data *d = NULL;
        check_ok(open_text(m, "form.jsonl", forms[i].line, whole(), &d));
        check_int(training_data_train_count(d), 1);
        if (forms[i].said) check_example(m, d, 0, forms[i].said, forms[i].learned);
        training_data_free(d);
    }
    engine_model_free(m);
}

TEST(a_prompt_given_as_text_becomes_a_conversation_where_that_is_asked_for)
{
    engine_model *m = demo();
    training_data_options o = whole();
    o.wrap_chat = true;
    training_data *d = NULL;
    check_ok(open_text(m, "wrap.jsonl", "{\"prompt\":\"a\",\"response\":\"b\"}\n", o, &d));
    check_example(m, d, 0, "<s><|user|> a</s><|assistant|> b</s>", "b</s>");
    training_data_free(d);
    o.everything = true;
    check_ok(open_text(m, "all.jsonl", "{\"prompt\":\"a\",\"answer\":\"b\"}\n", o, &d));
    check_example(m, d, 0, NULL, "<s><|user|> a</s><|assistant|> b</s>");
    training_data_free(d);
    engine_model_free(m);
}

TEST(preferences_are_pairs_that_share_their_prompt)
{
    engine_model *m = demo();
    training_data *d = NULL;
    check_ok(open_text(
        m, "pairs.jsonl",
        "{\"prompt\":[{\"role\":\"user\",\"content\":\"a\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":"
        "\"b\"}],\"rejected\":[{\"role\":\"assistant\",\"content\":\"c\"}]}\n"
        "{\"chosen\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}],"
        "\"rejected\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"c\"}]}\n"
        "{\"instruction\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}\n",
        whole(), &d));
    check_true(training_data_is_preference(d));
    check_int(training_data_train_count(d), 6);
    for (size_t i = 0; i < 6; i += 2) {
        check_example(m, d, i, "<s><|user|> a</s><|assistant|> b</s>", "b</s>");
        check_example(m, d, i + 1, "<s><|user|> a</s><|assistant|> c</s>", "c</s>");
    }
    training_data_free(d);
    engine_model_free(m);
}

TEST(what_messages_say_never_becomes_a_control_token)
{
    engine_model *m = demo();
    training_data *d = NULL;
    check_ok(open_text(
        m, "guard.jsonl",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"</s>\"},{\"role\":\"assistant\",\"content\":\"ok "
        "<|user|>\"}]}\n",
        whole(), &d));
    const training_sequence *s = &training_data_borrow(d)[0];
    size_t ends = 0;
    for (size_t i = 0; i < s->count; i++) ends += s->ids[i] == 2;
    check_int(ends, 2);
    training_data_free(d);
    engine_model_free(m);
}

TEST(files_of_all_endings_a_mark_and_other_line_ends_are_read)
{
    engine_model *m = demo();
    const char *paths[] = {
        write_file("a.jsonl",
                   "\xEF\xBB\xBF{\"text\":\"one\"}\r\n\r\n  \n{\"text\":\"two\",\"source\":\"web\"}"),
        write_file("b.json", "[ {\"text\": \"one\"},\n {\"text\":\"three\"} ]"),
        write_file("c.txt", "four\nfive\n"),
    };
    training_data_options o = whole();
    training_data *d = NULL;
    check_ok(training_data_open(paths, 3, m, &o, &d));
    training_counts c = training_data_counts(d);
    check_int(c.records, 5);
    check_int(c.duplicates, 1);
    check_int(c.kinds[TRAINING_KIND_TEXT], 5);
    check_example(m, d, 0, "one</s>", "one</s>");
    check_int(training_data_origin(d, 1).line, 4);
    check_int(training_data_origin(d, 3).line, 2);
    check_example(m, d, 4, "four\nfive\n</s>", NULL);
    size_t unknown;
    check_text(training_data_borrow_unknown_keys(d, &unknown), "source");
    check_int(unknown, 1);
    training_data_free(d);
    engine_model_free(m);
}

/* -- lengths ------------------------------------------------------------------------------------------- */

TEST(long_examples_are_cut_dropped_or_split_and_counted)
{
    engine_model *m = demo();
    const char *text = "{\"text\":\"a b c d e f g h i j k l m n o p\"}\n{\"text\":\"a\"}\n";
    training_data_options o = whole();
    o.max_length = 6;
    training_data *d = NULL;
    check_ok(open_text(m, "long.jsonl", text, o, &d));
    check_int(training_data_counts(d).cut, 1);
    check_int(training_data_borrow(d)[0].count, 6);
    training_data_free(d);
    o.too_long = TRAINING_LONG_DROP;
    check_ok(open_text(m, "long.jsonl", text, o, &d));
    check_int(training_data_counts(d).dropped, 1);
    check_int(training_data_train_count(d), 1);
    training_data_free(d);
    o.too_long = TRAINING_LONG_SPLIT;
    check_ok(open_text(m, "long.jsonl", text, o, &d));
    check_int(training_data_counts(d).split, 1);
    check_true(training_data_train_count(d) >= 4);
    training_data_free(d);
    /* The answer lies past the cut: nothing is left to learn. */
    o.too_long = TRAINING_LONG_TRUNCATE;
    check_fails(
        open_text(
            m, "cut.jsonl",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"a b c d e f g h\"},{\"role\":\"assistant\","
            "\"content\":\"i\"}]}\n",
            o, &d),
        ERR_USAGE, "longer than the row");
    engine_model_free(m);
}

/* -- held out ------------------------------------------------------------------------------------------ */

TEST(the_same_records_are_held_out_whatever_is_appended)
{
    engine_model *m = demo();
    bytes text = {0};
    training_data *d = NULL;
    training_data_options o = whole();
    o.held_out = 0.1;
    char *first[400] = {0};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 200; i++) bytes_printf(&text, "{\"text\":\"example %d\"}\n", 200 * round + i);
        check_ok(open_text(m, "split.jsonl", bytes_text(&text), o, &d));
        size_t train = training_data_train_count(d), held = training_data_held_out_count(d);
        check_int(train + held, 200 * (round + 1));
        check_true(held > 5 * (size_t)(round + 1) && held < 40 * (size_t)(round + 1));
        for (size_t i = 0; i < train + held; i++) {
            training_origin at = training_data_origin(d, i);
            check_true(at.held_out == (i >= train));
            if (round && first[at.line - 1]) check_text(first[at.line - 1], at.held_out ? "held" : "train");
            if (!round) first[at.line - 1] = at.held_out ? "held" : "train";
        }
        training_data_free(d);
    }
    bytes_free(&text);
    engine_model_free(m);
}

TEST(the_bounds_of_what_is_held_out_hold)
{
    engine_model *m = demo();
    bytes text = {0};
    for (int i = 0; i < 400; i++) bytes_printf(&text, "{\"text\":\"example %d\"}\n", i);
    training_data *d = NULL;
    check_ok(open_text(m, "bounds.jsonl", bytes_text(&text), training_data_defaults(), &d));
    check_true(training_data_held_out_count(d) >= 8 && training_data_held_out_count(d) <= 26);
    training_data_free(d);
    bytes_free(&text);
    engine_model_free(m);
}

/* -- digests ------------------------------------------------------------------------------------------- */

TEST(the_digest_is_of_names_and_contents_in_any_order)
{
    engine_model *m = demo();
    training_data_options o = whole();
    char digest[2][SHA256_HEX_SIZE];
    const char *a = write_file("a.jsonl", "{\"text\":\"one\"}\n"),
               *b = write_file("b.jsonl", "{\"text\":\"two\"}\n");
    const char *orders[2][2] = {{a, b}, {b, a}};
    training_data *d = NULL;
    for (int i = 0; i < 2; i++) {
        check_ok(training_data_open(orders[i], 2, m, &o, &d));
        memcpy(digest[i], training_data_borrow_digest(d), SHA256_HEX_SIZE);
        training_data_free(d);
    }
    check_text(digest[0], digest[1]);
    write_file("b.jsonl", "{\"text\":\"twO\"}\n");
    check_ok(training_data_open(orders[0], 2, m, &o, &d));
    check_true(strcmp(digest[0], training_data_borrow_digest(d)) != 0);
    training_data_free(d);
    engine_model_free(m);
}

/* -- refusals ------------------------------------------------------------------------------------------- */

TEST(every_bad_line_is_named_with_what_was_expected)
{
    static const struct {
        const char *text, *words;
        err_code code;
    } bad[] = {
        {"{\"text\":\"a\"}\n{\"text\":}\n", "bad.jsonl:2: column 9", ERR_FORMAT},
        {"[1]\n", "bad.jsonl:1: is an array, expected an object", ERR_FORMAT},
        {"\n\n{\"foo\":1,\"bar\":2}\n", "bad.jsonl:3: no form has the keys foo, bar: expected messages",
         ERR_FORMAT},
        {"{\"text\":\"a\xff\"}\n", "bad.jsonl:1: ", ERR_FORMAT},
        {"{\"text\":5}\n", "text is a number, expected a string", ERR_FORMAT},
        {"{\"messages\":5}\n", "its messages are a number, expected a list", ERR_FORMAT},
        {"{\"messages\":[5]}\n", "message 1 is a number, expected an object", ERR_FORMAT},
        {"{\"messages\":[{\"role\":\"boss\",\"content\":\"a\"}]}\n", "message 1 has role 'boss'", ERR_FORMAT},
        {"{\"messages\":[{\"role\":\"user\",\"content\":5}]}\n", "the content of message 1 is a number",
         ERR_FORMAT},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n", "no message of the assistant",
         ERR_FORMAT},
        {"{\"conversations\":[{\"from\":\"dog\",\"value\":\"a\"}]}\n", "turn 1 is from 'dog'", ERR_FORMAT},
        {"{\"conversations\":[{\"from\":\"human\"}]}\n", "turn 1 has no value", ERR_FORMAT},
        {"{\"input_ids\":[]}\n", "input_ids, expected a list of ids", ERR_FORMAT},
        {"{\"input_ids\":[1,99999]}\n", "input_ids[1], expected an id below 1024", ERR_FORMAT},
        {"{\"input_ids\":[1,2],\"labels\":[1]}\n", "2 input_ids and 1 labels", ERR_FORMAT},
        {"{\"input_ids\":[1,2],\"labels\":[1,-5]}\n", "labels[1], expected an id below 1024, or -100",
         ERR_FORMAT},
        {"{\"prompt\":\"a\",\"completion\":[]}\n", "expected two strings or two lists", ERR_FORMAT},
        {"{\"instruction\":\"a\",\"output\":5}\n", "instruction and output, expected strings", ERR_FORMAT},
        {"{\"instruction\":\"a\",\"output\":\"b\",\"history\":[[\"a\"]]}\n", "no pair of strings",
         ERR_FORMAT},
        {"{\"chosen\":\"a\",\"rejected\":\"b\"}\n", "neither a prompt nor an instruction", ERR_FORMAT},
        {"{\"chosen\":[],\"rejected\":[]}\n", "no message in common", ERR_FORMAT},
        {"{\"text\":\"a\"}\n{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}\n",
         "bad.jsonl:2: a preference record; those before it are of kind text", ERR_FORMAT},
        {"{\"input_ids\":[1,2],\"labels\":[-100,-100]}\n",
         "nothing is to be learned from 1 of 1 records (bad.jsonl:1)", ERR_USAGE},
        {"\n \n", "bad.jsonl holds no examples", ERR_USAGE},
        {"", "bad.jsonl holds no examples", ERR_USAGE},
    };
    engine_model *m = demo();
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        training_data *d = NULL;
        check_fails(open_text(m, "bad.jsonl", bad[i].text, whole(), &d), bad[i].code, bad[i].words);
        check_true(d == NULL);
    }
    training_data *d = NULL;
    check_fails(open_text(m, "bad.csv", "a,b\n", whole(), &d), ERR_UNSUPPORTED,
                "expected .jsonl, .json or .txt");
    check_fails(open_text(m, "bad.txt", "a\nb\xff", whole(), &d), ERR_FORMAT,
                "bad.txt:2: bytes that are no UTF-8");
    check_fails(open_text(m, "bad.json", "{}", whole(), &d), ERR_FORMAT, "expected an array of records");
    const char *absent = "/nowhere/x.jsonl";
    training_data_options o = whole();
    check_fails(training_data_open(&absent, 1, m, &o, &d), ERR_NOT_FOUND, "/nowhere/x.jsonl");
    engine_model_free(m);
}

TEST(the_limits_hold)
{
    engine_model *m = demo();
    bytes text = {0};
    training_data *d = NULL;
    bytes_append_text(&text, "{\"text\":\"");
    for (size_t i = 0; i <= TRAINING_DATA_LINE_BYTES_MAX; i++) bytes_append_byte(&text, 'a');
    bytes_append_text(&text, "\"}\n");
    check_fails(open_text(m, "limit.jsonl", bytes_text(&text), whole(), &d), ERR_LIMIT,
                "limit.jsonl:1: a line of");
    bytes_clear(&text);
    for (int i = 0; i < 40; i++) bytes_append_text(&text, "{\"messages\":[");
    check_fails(open_text(m, "deep.jsonl", bytes_text(&text), whole(), &d), ERR_LIMIT, "deep.jsonl:1: ");
    bytes_clear(&text);
    bytes_append_text(&text, "{\"messages\":[");
    for (int i = 0; i < 1025; i++)
        bytes_printf(&text, "%s{\"role\":\"%s\",\"content\":\"a\"}", i ? "," : "",
                     i % 2 ? "assistant" : "user");
    bytes_append_text(&text, "]}\n");
    check_fails(open_text(m, "many.jsonl", bytes_text(&text), whole(), &d), ERR_LIMIT,
                "1025 messages, 1024 are the most");
    bytes_free(&text);
    engine_model_free(m);
}

/* -- recorded by the real peers -------------------------------------------------------------------------- */

TEST(recorded_lines_become_the_recorded_tokens)
{
    if (!check_shared_data()) skip();
    char folder[512], path[2][600];
    snprintf(folder, sizeof folder, "%s/models/stories260K", check_shared_data());
    snprintf(path[0], sizeof path[0], "%s/golden/training/data.jsonl", check_shared_data());
    snprintf(path[1], sizeof path[1], "%s/golden/training/pairs.jsonl", check_shared_data());
    engine_model *m = model_at(folder);
    for (int i = 0; i < 2; i++) {
        training_data_options o = whole();
        training_data *d = NULL;
        const char *paths[] = {path[i]};
        check_ok(training_data_open(paths, 1, m, &o, &d));
        check_true(training_data_is_preference(d) == (i == 1));
        bytes text = check_read("%s", path[i]);
        size_t example = 0;
        for (char *line = text.data, *end; line && *line; line = end ? end + 1 : NULL) {
            end = strchr(line, '\n');
            arena a = {0};
            const json_node *root = NULL;
            check_ok(
                json_parse((bytes_view){line, end ? (size_t)(end - line) : strlen(line)}, 32, &a, &root));
            const json_node *halves[] = {i ? json_get(root, "chosen_tokens") : root,
                                         json_get(root, "rejected_tokens")};
            for (int half = 0; half < 1 + i; half++, example++) {
                const training_sequence *s = &training_data_borrow(d)[example];
                check_int(s->count, json_count(json_get(halves[half], "input_ids")));
                const json_node *id = json_first(json_get(halves[half], "input_ids"));
                const json_node *label = json_first(json_get(halves[half], "labels"));
                for (size_t k = 0; k < s->count; k++, id = id->next, label = label->next) {
                    check_int(s->ids[k], json_int(id, -1));
                    check_int(s->labels[k], json_int(label, -1));
                }
            }
            arena_free(&a);
        }
        check_int(example, training_data_train_count(d));
        bytes_free(&text);
        training_data_free(d);
    }
    engine_model_free(m);
}

TESTS(RUN(each_form_becomes_the_conversation_it_means),
      RUN(a_prompt_given_as_text_becomes_a_conversation_where_that_is_asked_for),
      RUN(preferences_are_pairs_that_share_their_prompt),
      RUN(what_messages_say_never_becomes_a_control_token),
      RUN(files_of_all_endings_a_mark_and_other_line_ends_are_read),
      RUN(long_examples_are_cut_dropped_or_split_and_counted),
      RUN(the_same_records_are_held_out_whatever_is_appended), RUN(the_bounds_of_what_is_held_out_hold),
      RUN(the_digest_is_of_names_and_contents_in_any_order),
      RUN(every_bad_line_is_named_with_what_was_expected), RUN(the_limits_hold),
      RUN(recorded_lines_become_the_recorded_tokens))
