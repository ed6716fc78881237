#define _GNU_SOURCE
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/settings.h"
#include "tests/support/check.h"
#include "tests/support/terminal.h"
#include "tests/ui/fake.h"
#include "ui/view/workstation.h"

#define CONFIG                                                                                               \
    "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\":64,"                 \
    "\"intermediate_size\":172,\"num_attention_heads\":8,\"num_hidden_layers\":5,\"num_key_value_heads\":4," \
    "\"vocab_size\":512,\"max_position_embeddings\":512,\"rms_norm_eps\":1e-05,\"torch_dtype\":\"float32\"}"

#define ANSWER "Use **plain** words.\n\n```c\nint main(void);\n```\n\n\x1b[2J\x1b]0;owned\x07 end"

/* -- the program: the workstation over a source that always says the same -----------------------------------
 */

typedef struct place {
    char *root, *models;
    bool ascii;
} place;

static const char *get(void *context, const char *name)
{
    const place *p = context;
    if (strcmp(name, "HYPRSTREAM_MODELS_DIR") == 0) return p->models;
    return strcmp(name, "HYPRSTREAM_UI_ASCII") == 0 && p->ascii ? "true" : NULL;
}

static err load_at_once(ui_loader *l, const char *folder, const char *ref, const char *title)
{
    fake *f = fake_of_loader(l);
    ui_load_news news = {.kind = UI_LOAD_DONE};
    news.facts = (ui_loaded_facts){
        .has_template = true, .has_tokenizer = true, .context_max = 512, .device = "cpu", .type = "f32"};
    f->load_news[f->load_count++] = news;
    return fake_load(l, folder, ref, title);
}

static err answer_at_once(ui_source *s, const ui_ask *ask, uint64_t *answer)
{
    fake *f = fake_of_source(s);
    err e = fake_ask(s, ask, answer);
    fake_queue(f, UI_NEWS_STARTED, "", "");
    fake_queue(f, UI_NEWS_TEXT, "let me think about it", "");
    fake_queue(f, UI_NEWS_TEXT, "", ANSWER);
    fake_queue(f, UI_NEWS_FINISHED, "", "");
    return e;
}

static int run_workstation(void *context)
{
    static const ui_source_kind source_kind = {answer_at_once, fake_stop, fake_take, fake_facts,
                                               fake_free_source};
    ui_loader_kind loader_kind = fake_loader_kind;
    place *p = context;
    fake *f = fake_new();
    loader_kind.load = load_at_once;
    folders where = {p->root, p->root, p->root, p->root, p->root};
    env e = {get, p};
    settings *s = NULL;

    setlocale(LC_ALL, "C.UTF-8");
    f->source.kind = &source_kind;
    f->loader.kind = &loader_kind;
    if (settings_open(&where, &e, &s).code) return 3;
    ui_workstation_parts parts = {.settings = s, .source = &f->source, .loader = &f->loader, .news_fd = -1};
    err failed = ui_workstation_run_on(&parts);
    settings_free(s);
    fake_free(f);
    return failed.code ? 4 : 0;
}

static place given_place(const char *name, bool with_model)
{
    place p = {.root = file_join(check_folder(), name)};
    p.models = file_join(p.root, "models");
    char *model = file_join(p.models, "tiny"), *config = file_join(model, "config.json"),
         *weights = file_join(model, "model.safetensors");
    check_ok(file_make_folders(p.models));
    if (with_model) {
        check_ok(file_make_folders(model));
        check_write(config, CONFIG, strlen(CONFIG));
        check_write(weights, "not looked into", 15);
    } else {
        char *note = file_join(p.models, "README"); /* not empty: no demo is made */
        check_write(note, "none yet", 8);
        free(note);
    }
    free(model);
    free(config);
    free(weights);
    return p;
}

static void place_free(place *p)
{
    free(p->root);
    free(p->models);
}

static void quit(terminal *t)
{
    terminal_type(t, "\x11");
    check_int(terminal_until_exit(t), 0);
    check_true(terminal_is_cooked(t) && !terminal_is_alternate(t));
    terminal_free(t);
}

/* -- what a person sees -------------------------------------------------------------------------------------
 */

TEST(a_new_user_just_types_and_reads_an_answer)
{
    place p = given_place("types", true);
    terminal *t = terminal_run(24, 80, run_workstation, &p);
    terminal_until(t, "tiny is ready");
    terminal_type(t, "hello\r");
    terminal_until(t, "Use plain words.");
    terminal_until(t, "int main(void);");
    terminal_until(t, "5 tokens, 10.0 tok/s, first after 100 ms, stop, seed 7");
    terminal_until(t, "thought, 5 words");
    quit(t);
    place_free(&p);
}

TEST(escape_sequences_of_an_answer_are_shown_and_never_obeyed)
{
    place p = given_place("escapes", true);
    terminal *t = terminal_run(24, 80, run_workstation, &p);
    terminal_until(t, "tiny is ready");
    terminal_type(t, "hello\r");
    terminal_until(t, "]0;owned");
    check_true(!terminal_was_sent(t, "\x1b]0;owned"));
    terminal_until(t, "hello");
    quit(t);
    place_free(&p);
}

TEST(without_a_model_the_screen_says_where_models_go)
{
    place p = given_place("none", false);
    terminal *t = terminal_run(24, 80, run_workstation, &p);
    terminal_until(t, "There is no model yet.");
    terminal_until(t, "git clone");
    quit(t);
    place_free(&p);
}

TEST(the_same_screen_works_from_forty_columns_to_two_hundred)
{
    place p = given_place("sizes", true);
    terminal *t = terminal_run(10, 40, run_workstation, &p);
    terminal_until(t, "tiny is ready");
    terminal_type(t, "hello\r");
    terminal_until(t, "stop, seed 7");
    terminal_resize(t, 60, 200);
    terminal_until(t, "models: 1");
    terminal_until(t, "Use plain words.");
    terminal_resize(t, 3, 5);
    terminal_settle(t, 100);
    terminal_resize(t, 24, 80);
    terminal_until(t, "Use plain words.");
    quit(t);
    place_free(&p);
}

TEST(keys_outside_the_input_are_those_of_the_bottom_line)
{
    place p = given_place("keys", true);
    terminal *t = terminal_run(24, 80, run_workstation, &p);
    terminal_until(t, "tiny is ready");
    terminal_type(t, "hello\r");
    terminal_until(t, "stop, seed 7");
    terminal_type(t, "\x1b");
    terminal_until(t, "r regenerate");
    terminal_type(t, "t");
    terminal_until(t, "let me think about it");
    terminal_type(t, "?");
    terminal_until(t, "Show all keys and commands");
    terminal_type(t, "q");
    terminal_until(t, "r regenerate");
    terminal_type(t, "s");
    terminal_until(t, "repetition_penalty");
    terminal_type(t, "q");
    terminal_until(t, "r regenerate");
    terminal_type(t, ":models");
    terminal_until(t, ":models");
    terminal_type(t, "\r");
    terminal_until(t, "about 1.2 MB for weights");
    quit(t);
    place_free(&p);
}

TEST(a_mark_stands_beside_the_answer)
{
    place p = given_place("marked", true);
    terminal *t = terminal_run(24, 80, run_workstation, &p);
    terminal_until(t, "tiny is ready");
    terminal_type(t, "hello\r");
    terminal_until(t, "first after 100 ms");
    terminal_type(t, "\x1b");
    terminal_until(t, "regenerate");
    terminal_type(t, "+");
    terminal_until(t, "fake  + good");
    terminal_type(t, "-");
    terminal_until(t, "fake  - bad");
    terminal_until_gone(t, "fake  + good");
    terminal_type(t, "-");
    terminal_until(t, "The mark is taken back");
    terminal_until_gone(t, "fake  -");
    quit(t);
    place_free(&p);
}

TEST(a_paste_of_many_lines_is_one_message)
{
    place p = given_place("paste", true);
    terminal *t = terminal_run(24, 80, run_workstation, &p);
    terminal_until(t, "tiny is ready");
    terminal_type(t, "\x1b[200~one\rtwo\rthree\x1b[201~");
    terminal_until(t, "three");
    terminal_type(t, "\r");
    terminal_until(t, "stop, seed 7");
    quit(t);
    place_free(&p);
}

TEST(a_copy_goes_to_the_clipboard_of_the_terminal)
{
    place p = given_place("copy", true);
    terminal *t = terminal_run(24, 80, run_workstation, &p);
    terminal_until(t, "tiny is ready");
    terminal_type(t, "hello\r");
    terminal_until(t, "stop, seed 7");
    terminal_type(t, "\x1b");
    terminal_until(t, "y copy");
    terminal_type(t, "Y");
    terminal_until(t, "The code block was handed");
    check_true(terminal_was_sent(t, "\x1b]52;c;aW50IG1haW4odm9pZCk7"));
    quit(t);
    place_free(&p);
}

TEST(a_kill_loses_no_word_that_was_shown_and_the_next_start_shows_them)
{
    place p = given_place("kill", true);
    terminal *t = terminal_run(24, 80, run_workstation, &p);
    terminal_until(t, "tiny is ready");
    terminal_type(t, "remember me\r");
    terminal_until(t, "stop, seed 7");
    kill(terminal_pid(t), SIGKILL);
    check_int(terminal_until_exit(t), SIGKILL);
    terminal_free(t);
    t = terminal_run(24, 80, run_workstation, &p);
    terminal_until(t, "remember me");
    terminal_until(t, "stop, seed 7");
    quit(t);
    place_free(&p);
}

TEST(a_terminate_signal_gives_the_terminal_back)
{
    place p = given_place("term", true);
    terminal *t = terminal_run(24, 80, run_workstation, &p);
    terminal_until(t, "tiny is ready");
    kill(terminal_pid(t), SIGTERM);
    check_int(terminal_until_exit(t), SIGTERM);
    check_true(terminal_is_cooked(t) && !terminal_is_alternate(t) && !terminal_wraps_pastes(t));
    terminal_free(t);
    place_free(&p);
}

TEST(in_ascii_every_cell_is_ascii)
{
    place p = given_place("ascii", true);
    p.ascii = true;
    terminal *t = terminal_run(24, 120, run_workstation, &p);
    terminal_until(t, "tiny is ready");
    terminal_type(t, "hello\r");
    terminal_until(t, "stop, seed 7");
    for (int row = 0; row < 24; row++)
        for (int column = 0; column < 120; column++) check_true(terminal_cell(t, row, column) < 0x80);
    quit(t);
    place_free(&p);
}

TEST(nonsense_typed_in_does_no_harm)
{
    place p = given_place("nonsense", true);
    terminal *t = terminal_run(24, 80, run_workstation, &p);
    uint32_t state = 1;
    terminal_until(t, "tiny is ready");
    for (int i = 0; i < 4000; i++) {
        char key[2] = {0};
        state = state * 1664525u + 1013904223u;
        key[0] = (char)(state >> 24);
        if (key[0] == 0x11 || key[0] == 0x1a || key[0] == 0)
            continue; /* Ctrl-Q and Ctrl-Z would do what they say */
        terminal_type(t, key);
        if (i % 64 == 0) terminal_settle(t, 1);
    }
    terminal_settle(t, 300);
    terminal_type(t, "\x1b");
    terminal_settle(t, 100);
    quit(t);
    place_free(&p);
}

TESTS(RUN(a_new_user_just_types_and_reads_an_answer),
      RUN(escape_sequences_of_an_answer_are_shown_and_never_obeyed),
      RUN(without_a_model_the_screen_says_where_models_go),
      RUN(the_same_screen_works_from_forty_columns_to_two_hundred),
      RUN(keys_outside_the_input_are_those_of_the_bottom_line), RUN(a_mark_stands_beside_the_answer),
      RUN(a_paste_of_many_lines_is_one_message), RUN(a_copy_goes_to_the_clipboard_of_the_terminal),
      RUN(a_kill_loses_no_word_that_was_shown_and_the_next_start_shows_them),
      RUN(a_terminate_signal_gives_the_terminal_back), RUN(in_ascii_every_cell_is_ascii),
      RUN(nonsense_typed_in_does_no_harm))
