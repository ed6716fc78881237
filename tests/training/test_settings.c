/* Settings from words to JSON and back; what is refused; what settles. */
#include <math.h>
#include <string.h>

#include "tests/support/check.h"
#include "training/settings.h"

TEST(settings_have_their_defaults_and_take_words)
{
    training_settings s;
    training_settings_init(&s);
    check_int(s.rank, 16);
    check_true(isnan(s.lr));
    check_ok(training_settings_set(&s, "micro-batch", "4"));
    check_ok(training_settings_set(&s, "micro_batch", "5"));
    check_int(s.micro_batch, 5);
    check_ok(training_settings_set(&s, "dora", "on"));
    check_true(s.dora);
    check_ok(training_settings_set(&s, "targets", "q_proj,v_proj"));
    check_text(s.targets, "q_proj,v_proj");
    training_settings copy = {0};
    training_settings_copy(&s, &copy);
    training_settings_free(&s);
    check_text(copy.targets, "q_proj,v_proj");
    training_settings_free(&copy);
}

TEST(bad_words_say_what_was_expected)
{
    static const struct {
        const char *name, *text, *words;
    } bad[] = {
        {"rank", "0", "--rank 0: expected a whole number from 1 to 4096"},
        {"rank", "1.5", "expected a whole number"},
        {"rank", "99999", "from 1 to 4096"},
        {"alpha", "nan", "--alpha nan: expected a number"},
        {"lr", "1e99", "or auto"},
        {"dropout", "1", "from 0 to 0.99"},
        {"dora", "yes", "expected on or off"},
        {"schedule", "cos", "expected one of constant linear cosine wsd"},
        {"schedule", "cosine wsd", "expected one of"},
        {"nothing", "1", "a run has no setting --nothing"},
    };
    training_settings s;
    training_settings_init(&s);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_fails(training_settings_set(&s, bad[i].name, bad[i].text), ERR_USAGE, bad[i].words);
    check_int(s.rank, 16);
    training_settings_free(&s);
}

TEST(json_reads_back_as_the_same_bytes)
{
    training_settings s, back;
    bytes first = {0}, second = {0};
    training_settings_init(&s);
    training_settings_init(&back);
    check_ok(training_settings_set(&s, "lr", "0.0003"));
    check_ok(training_settings_set(&s, "layers", "0,\"2\\"));
    check_ok(training_settings_set(&s, "order", "file"));
    check_ok(training_settings_set(&s, "seed", "9007199254740991"));
    training_settings_write(&s, &first);
    check_true(check_text_holds(bytes_text(&first), "{\"adapter_dtype\":\"f32\",\"alpha\":32,"));
    check_true(check_text_holds(bytes_text(&first), "\"lr\":0.0003,"));
    check_true(check_text_holds(bytes_text(&first), "\"beta1\":\"auto\","));
    arena a = {0};
    const json_node *root = NULL;
    check_ok(json_parse(bytes_borrow(&first), 8, &a, &root));
    check_ok(training_settings_read(&back, root));
    training_settings_write(&back, &second);
    check_text(bytes_text(&second), bytes_text(&first));
    check_ok(json_parse(bytes_view_of("{\"rank\":\"x\"}"), 8, &a, &root));
    check_fails(training_settings_read(&back, root), ERR_FORMAT, "--rank x");
    check_ok(json_parse(bytes_view_of("{\"dora\":1}"), 8, &a, &root));
    check_fails(training_settings_read(&back, root), ERR_FORMAT, "dora is a number");
    arena_free(&a);
    bytes_free(&first);
    bytes_free(&second);
    training_settings_free(&s);
    training_settings_free(&back);
}

TEST(what_is_auto_settles_by_the_data)
{
    training_settings s;
    training_settings_init(&s);
    check_ok(training_settings_settle(&s, false));
    check_int(s.kind, TRAINING_RUN_SFT);
    check_true(s.lr == 2e-4 && s.packing == TRAINING_ON);
    check_fails(training_settings_settle(&s, true), ERR_USAGE, "cannot learn from preferences");
    training_settings_free(&s);
    training_settings_init(&s);
    check_ok(training_settings_settle(&s, true));
    check_int(s.kind, TRAINING_RUN_DPO);
    check_true(s.lr == 5e-6 && s.packing == TRAINING_OFF);
    check_ok(training_settings_set(&s, "packing", "on"));
    check_fails(training_settings_settle(&s, true), ERR_USAGE, "not packed");
    training_settings_free(&s);
    training_settings_init(&s);
    check_ok(training_settings_set(&s, "full", "on"));
    check_ok(training_settings_set(&s, "dora", "on"));
    check_fails(training_settings_settle(&s, false), ERR_USAGE, "--full");
    training_settings_free(&s);
}

TEST(checkpointing_has_four_forms)
{
    static const struct {
        const char *text;
        int layers;
    } forms[] = {{"auto", -1}, {"off", 0}, {"layers", 1}, {"segment:3", 3}};
    training_settings s;
    training_settings_init(&s);
    int layers;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        check_ok(training_settings_set(&s, "checkpointing", forms[i].text));
        check_ok(training_settings_checkpointing(&s, &layers));
        check_int(layers, forms[i].layers);
    }
    check_ok(training_settings_set(&s, "checkpointing", "segment:0"));
    check_fails(training_settings_checkpointing(&s, &layers), ERR_USAGE,
                "expected auto, off, layers or segment:K");
    training_settings_free(&s);
}

TESTS(RUN(settings_have_their_defaults_and_take_words), RUN(bad_words_say_what_was_expected),
      RUN(json_reads_back_as_the_same_bytes), RUN(what_is_auto_settles_by_the_data),
      RUN(checkpointing_has_four_forms))
