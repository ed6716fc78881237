#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "tests/support/check.h"
#include "tests/ui/fake.h"
#include "ui/app/app.h"
#include "ui/app/run_attach.h"
#include "ui/app/runs/plan.h"
#include "ui/app/runs/server.h"
#include "ui/app/runs/store.h"

#define CONFIG                                                                                               \
    "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\":64,"                 \
    "\"intermediate_size\":172,\"num_attention_heads\":8,\"num_hidden_layers\":5,\"num_key_value_heads\":4," \
    "\"vocab_size\":512,\"max_position_embeddings\":512,\"rms_norm_eps\":1e-05,\"torch_dtype\":\"float32\"}"

typedef struct given {
    char *root;
    folders where;
    env e;
    char *models;
    settings *settings;
    log_book *log;
    fake *fake;
    ui_app app;
} given;

static const char *get(void *context, const char *name)
{
    const given *g = context;
    return strcmp(name, "HYPRSTREAM_MODELS_DIR") == 0 ? g->models : NULL;
}

static void add_model(const given *g, const char *name)
{
    CLEANUP(bytes_free) bytes path = {0};
    bytes_printf(&path, "%s/%s", g->models, name);
    check_ok(file_make_folders(bytes_text(&path)));
    size_t size = path.size;
    bytes_append_text(&path, "/config.json");
    check_write(bytes_text(&path), CONFIG, strlen(CONFIG));
    bytes_remove(&path, size, path.size - size);
    bytes_append_text(&path, "/model.safetensors");
    check_write(bytes_text(&path), "not looked into", 15);
}

static void add_adapter(const given *g, const char *model, const char *name)
{
    static const char *const ends[] = {".safetensors", ".config.json"};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        CLEANUP(bytes_free) bytes path = {0};
        bytes_printf(&path, "%s/%s/adapters", g->models, model);
        check_ok(file_make_folders(bytes_text(&path)));
        bytes_printf(&path, "/%s%s", name, ends[i]);
        check_write(bytes_text(&path), "{}", 2);
    }
}

static given *given_folders(const char *name)
{
    given *g = memory_alloc(sizeof *g);
    g->root = file_join(check_folder(), name);
    g->models = file_join(g->root, "models");
    g->where = (folders){g->root, g->root, g->root, g->root, g->root};
    g->e = (env){get, g};
    check_ok(file_make_folders(g->models));
    return g;
}

static void open_app(given *g)
{
    char *aside = NULL;
    g->fake = fake_new();
    g->app = (ui_app){0};
    check_ok(settings_open(&g->where, &g->e, &g->settings));
    check_ok(log_open(NULL, LOG_INFO, &g->log));
    g->app.settings = g->settings;
    g->app.log = g->log;
    g->app.source = &g->fake->source;
    g->app.loader = &g->fake->loader;
    check_ok(ui_chat_store_open(g->root, &aside, &g->app.store));
    ui_app_open(&g->app);
}

static void close_app(given *g)
{
    ui_app_close(&g->app);
    ui_chat_store_free(g->app.store);
    fake_free(g->fake);
    log_free(g->log);
    settings_free(g->settings);
}

static void end(given *g)
{
    close_app(g);
    free(g->models);
    free(g->root);
    free(g);
}

static void loaded(given *g)
{
    ui_load_news news = {.kind = UI_LOAD_DONE};
    news.facts = (ui_loaded_facts){.has_template = true, .has_tokenizer = true, .context_max = 512};
    ui_app_apply_load(&g->app, &news);
}

static void write_message(given *g, const char *text)
{
    ui_editor_set_text(g->app.input, bytes_view_of(text));
    ui_app_run(&g->app, "send");
}

static void answered(given *g, const char *text)
{
    fake_queue(g->fake, UI_NEWS_TEXT, "", text);
    fake_queue(g->fake, UI_NEWS_FINISHED, "", "");
    check_true(ui_app_take_news(&g->app));
}

static const char *last_toast(const given *g)
{
    const ui_toasts *t = &g->app.toasts;
    return t->count ? t->rows[t->count - 1].text : "";
}

static given *given_a_loaded_model(const char *name)
{
    given *g = given_folders(name);
    add_model(g, "tiny");
    open_app(g);
    loaded(g);
    return g;
}

TEST(every_action_of_the_table_can_be_run)
{
    given *g = given_a_loaded_model("all");
    write_message(g, "hello");
    answered(g, "hi");
    for (const ui_action *a = ui_actions; a->name; a++) {
        ui_app_run(&g->app, a->name);
        ui_app_tick(&g->app, clock_seconds());
        if (ui_chat_is_busy(&g->app.chat)) answered(g, "again");
        if (g->app.load == UI_LOAD_NONE) {
            ui_app_run(&g->app, "models");
            ui_app_run(&g->app, "load");
        }
        if (g->app.load == UI_LOAD_GOING) loaded(g);
    }
    check_true(g->app.quit && g->app.suspend && g->app.redraw);
    end(g);
}

TEST(no_key_means_two_things_in_one_place)
{
    for (const ui_action *a = ui_actions; a->name; a++)
        for (const ui_action *b = a + 1; b->name; b++) {
            check_true(strcmp(a->name, b->name) != 0);
            check_true(a->place != b->place || !a->key[0] || strcmp(a->key, b->key) != 0);
        }
    check_text(ui_action_for_key(UI_CHAT, "?")->name, "help");
    check_true(ui_action_for_key(UI_INPUT, "?") == NULL);
    check_text(ui_action_for_key(UI_MODELS, "j")->name, "move-down");
}

TEST(the_only_model_is_loaded_at_start_and_the_input_has_the_focus)
{
    given *g = given_folders("only");
    add_model(g, "tiny");
    open_app(g);
    check_true(check_text_holds(g->fake->loaded, "/tiny"));
    check_int(g->app.focus, UI_INPUT);
    check_int(g->app.load, UI_LOAD_GOING);
    end(g);
}

TEST(with_several_models_the_demo_or_the_one_used_last_is_loaded)
{
    given *g = given_folders("several");
    add_model(g, "one");
    add_model(g, "two");
    open_app(g);
    check_text(g->fake->loaded, "");
    check_int(g->app.focus, UI_MODELS);
    ui_app_run(&g->app, "move-down");
    ui_app_run(&g->app, "load");
    check_true(check_text_holds(g->fake->loaded, "/two"));
    loaded(g);
    close_app(g);
    add_model(g, "demo");
    open_app(g);
    check_true(check_text_holds(g->fake->loaded, "/two"));
    end(g);
}

TEST(a_message_sent_while_the_model_is_loading_goes_out_when_it_is_there)
{
    given *g = given_folders("wait");
    add_model(g, "tiny");
    open_app(g);
    write_message(g, "hello");
    check_true(check_text_holds(last_toast(g), "as soon as the model is loaded"));
    check_true(bytes_view_is(ui_editor_text(g->app.input), "hello"));
    loaded(g);
    check_text(bytes_text(&g->fake->asked), "user=hello");
    check_true(ui_editor_is_empty(g->app.input));
    end(g);
}

TEST(an_answer_survives_a_restart)
{
    given *g = given_a_loaded_model("restart");
    write_message(g, "hello");
    answered(g, "hi there");
    close_app(g);
    open_app(g);
    check_int(g->app.chat.count, 2);
    check_text(bytes_text(&g->app.chat.messages[1].content), "hi there");
    end(g);
}

TEST(an_answer_is_marked_and_the_same_key_takes_the_mark_back)
{
    given *g = given_a_loaded_model("marking");
    const ui_action *good = ui_action_for_key(UI_CHAT, "+"), *bad = ui_action_for_key(UI_CHAT, "-");
    check_true(good && bad);
    ui_app_run(&g->app, good->name);
    check_true(strstr(last_toast(g), "no answer with words") != NULL);
    write_message(g, "hello");
    check_true(!ui_app_can(&g->app, good));
    ui_app_run(&g->app, good->name);
    check_true(strstr(last_toast(g), "is being written") != NULL);
    answered(g, "hi");
    ui_app_run(&g->app, good->name);
    check_true(strstr(last_toast(g), "marked as good") != NULL);
    close_app(g);
    open_app(g);
    loaded(g);
    check_int(g->app.chat.messages[1].rating, UI_RATING_GOOD);
    ui_app_run(&g->app, bad->name);
    check_int(g->app.chat.messages[1].rating, UI_RATING_BAD);
    ui_app_run(&g->app, bad->name);
    check_int(g->app.chat.messages[1].rating, UI_RATING_NONE);
    ui_app_run(&g->app, good->name);
    ui_app_run(&g->app, "continue"); /* other words from here on */
    check_int(g->app.chat.messages[1].rating, UI_RATING_NONE);
    answered(g, " again");
    end(g);
}

TEST(an_answer_is_saved_while_it_is_written)
{
    given *g = given_a_loaded_model("saving");
    ui_chat again = {0};
    write_message(g, "hello");
    fake_queue(g->fake, UI_NEWS_TEXT, "", "half of it");
    ui_app_take_news(&g->app);
    ui_app_tick(&g->app, g->app.saved_at + 0.1);
    check_true(g->app.chat.messages[1].changed);
    ui_app_tick(&g->app, g->app.saved_at + 0.21);
    check_ok(ui_chat_store_load_last(g->app.store, &again));
    check_text(bytes_text(&again.messages[1].content), "half of it");
    ui_chat_free(&again);
    end(g);
}

TEST(stop_stops_the_answer_and_when_idle_says_how_to_leave)
{
    given *g = given_a_loaded_model("stop");
    write_message(g, "hello");
    ui_app_run(&g->app, "stop");
    check_int(g->fake->stopped, g->fake->next);
    answered(g, "");
    ui_app_run(&g->app, "stop");
    check_true(check_text_holds(last_toast(g), "Ctrl-Q leaves"));
    end(g);
}

TEST(a_draft_that_is_put_away_comes_back_with_up)
{
    given *g = given_a_loaded_model("draft");
    ui_editor_set_text(g->app.input, VIEW("half a thought"));
    ui_app_run(&g->app, "stop");
    check_true(ui_editor_is_empty(g->app.input));
    ui_app_run(&g->app, "history-previous");
    check_true(bytes_view_is(ui_editor_text(g->app.input), "half a thought"));
    end(g);
}

TEST(edit_brings_the_message_back_and_keeps_the_draft)
{
    given *g = given_a_loaded_model("edit");
    write_message(g, "first");
    answered(g, "hi");
    ui_editor_set_text(g->app.input, VIEW("a draft"));
    ui_app_run(&g->app, "edit");
    check_true(bytes_view_is(ui_editor_text(g->app.input), "first"));
    write_message(g, "second");
    check_text(bytes_text(&g->fake->asked), "user=second");
    check_true(bytes_view_is(ui_editor_text(g->app.input), "a draft"));
    end(g);
}

TEST(a_system_prompt_is_written_in_the_input)
{
    given *g = given_a_loaded_model("system");
    ui_app_run(&g->app, "system");
    write_message(g, "be brief");
    check_int(g->app.input_use, UI_INPUT_MESSAGE);
    write_message(g, "hello");
    check_text(bytes_text(&g->fake->asked), "system=be brief|user=hello");
    end(g);
}

TEST(a_new_conversation_that_holds_only_the_usual_system_prompt_is_not_kept)
{
    given *g = given_a_loaded_model("usual");
    check_ok(settings_override(g->settings, "chat.system", "be kind"));
    ui_app_run(&g->app, "new-conversation");
    ui_app_run(&g->app, "conversations");
    check_int(g->app.conversations.count, 0);
    write_message(g, "hello");
    check_text(bytes_text(&g->fake->asked), "system=be kind|user=hello");
    ui_app_run(&g->app, "conversations");
    check_int(g->app.conversations.rows[0].message_count, 3);
    end(g);
}

TEST(regenerate_uses_a_new_seed_though_one_is_set)
{
    given *g = given_a_loaded_model("seed");
    check_ok(ui_sampling_type(&g->app.sampling, UI_SAMPLING_SEED, "7"));
    write_message(g, "hello");
    check_int(g->fake->last.sampling.seed, 7);
    answered(g, "hi");
    ui_app_run(&g->app, "regenerate");
    check_true(g->fake->last.sampling.seed != 7);
    end(g);
}

TEST(the_model_says_how_to_sample_until_the_person_does)
{
    given *g = given_folders("sampling");
    ui_load_news news = {.kind = UI_LOAD_DONE};
    add_model(g, "tiny");
    open_app(g);
    news.facts.defaults = (engine_generation_defaults){
        .has_temperature = true, .temperature = 0.6, .has_top_k = true, .top_k = 20};
    check_ok(ui_sampling_type(&g->app.sampling, UI_SAMPLING_TOP_K, "5"));
    ui_app_apply_load(&g->app, &news);
    check_true(g->app.sampling.value[UI_SAMPLING_TEMPERATURE] == 0.6);
    check_true(g->app.sampling.value[UI_SAMPLING_TOP_K] == 5);
    check_fails(ui_sampling_type(&g->app.sampling, UI_SAMPLING_TOP_P, "1.5"), ERR_USAGE, "top_p");
    check_fails(ui_sampling_type(&g->app.sampling, UI_SAMPLING_TOP_K, "x"), ERR_USAGE, "a whole number");
    ui_app_run(&g->app, "reset-sampling");
    check_true(g->app.sampling.value[UI_SAMPLING_TOP_K] == 20);
    end(g);
}

TEST(adapters_are_turned_on_in_the_order_of_their_names)
{
    given *g = given_folders("adapters");
    add_model(g, "tiny");
    add_adapter(g, "tiny", "02_pirate");
    add_adapter(g, "tiny", "01_brief");
    open_app(g);
    loaded(g);
    ui_app_run(&g->app, "adapters");
    check_int(g->app.focus, UI_ADAPTERS);
    ui_app_run(&g->app, "move-down");
    ui_app_run(&g->app, "toggle-adapter");
    ui_app_run(&g->app, "move-up");
    ui_app_run(&g->app, "lower-scale");
    ui_app_run(&g->app, "toggle-adapter");
    check_text(g->fake->stack, "+01_brief.safetensors@0.9+02_pirate.safetensors@1");
    ui_app_run(&g->app, "toggle-adapter");
    check_text(g->fake->stack, "+02_pirate.safetensors@1");
    ui_app_run(&g->app, "close-adapters");
    check_int(g->app.focus, UI_INPUT);
    end(g);
}

TEST(adapters_that_were_on_are_on_again_after_a_restart)
{
    given *g = given_folders("kept_adapters");
    add_model(g, "tiny");
    add_adapter(g, "tiny", "01_brief");
    add_adapter(g, "tiny", "02_pirate");
    open_app(g);
    loaded(g);
    ui_app_run(&g->app, "adapters");
    ui_app_run(&g->app, "lower-scale");
    ui_app_run(&g->app, "toggle-adapter");
    check_text(g->fake->stack, "+01_brief.safetensors@0.9");
    close_app(g);
    open_app(g);
    check_text(g->fake->stack, "");
    loaded(g);
    check_text(g->fake->stack, "+01_brief.safetensors@0.9");
    ui_app_run(&g->app, "adapters");
    ui_app_run(&g->app, "toggle-adapter");
    close_app(g);
    open_app(g); /* off, but the scale stays */
    loaded(g);
    check_text(g->fake->stack, "");
    check_true(g->app.adapters.rows[0].scale == 0.9);
    end(g);
}

TEST(a_model_is_loaded_at_a_branch_a_tag_or_what_was_typed)
{
    given *g = given_a_loaded_model("refs");
    ui_app_run(&g->app, "models");
    ui_app_run(&g->app, "load-ref");
    check_int(g->app.focus, UI_PALETTE);
    check_int(ui_menu_count(g->app.palette), 2);
    ui_menu_choose(g->app.palette, 1);
    ui_app_run(&g->app, "run-chosen");
    check_text(g->fake->title, "tiny:v1 v1");
    check_int(g->app.load, UI_LOAD_GOING);
    loaded(g);
    check_text(g->app.model_name, "tiny:v1");
    close_app(g);
    open_app(g); /* at the next start it is that ref again */
    check_text(g->fake->title, "tiny:v1 v1");
    end(g);
}

TEST(a_model_that_was_put_into_the_folder_is_there_when_the_pane_is_opened)
{
    given *g = given_folders("later");
    add_model(g, "b");
    open_app(g);
    ui_app_run(&g->app, "models");
    check_int(ui_app_shown_count(&g->app), 1);
    add_model(g, "a");
    ui_app_run(&g->app, "models");
    check_int(ui_app_shown_count(&g->app), 2);
    check_text(ui_app_shown_model(&g->app, g->app.model_at)->name, "b");
    end(g);
}

/* A run of another process: its row, its folder with the lock held, and its socket. */
static int given_a_run(const given *g, ui_run_store *store, char id[UI_RUN_ID_SIZE], int64_t *run)
{
    env environment = env_of_process();
    ui_run_row row = {.model = "tiny",
                      .base_commit = "4f1c",
                      .adapter = "03_polite",
                      .branch = "main",
                      .kind = "sft",
                      .state = "running",
                      .config = "{}",
                      .data_digest = "d",
                      .steps_total = 100,
                      .world_size = 1,
                      .started_ms = 1000};
    int lock = -1;
    ui_run_id_make(1000, row.id);
    memcpy(id, row.id, UI_RUN_ID_SIZE);
    check_ok(ui_run_store_add(store, &row, run));
    char *folder = ui_run_folder(g->root, id), *plan = file_join(folder, "run.json");
    char *socket = ui_run_socket_path(&environment, folder, id);
    check_ok(file_make_folders(folder));
    check_write(plan, "{}", 2);
    check_write(socket, "", 0);
    check_ok(ui_run_lock(folder, &lock));
    free(folder);
    free(plan);
    free(socket);
    return lock;
}

TEST(runs_of_others_come_step_and_die_in_the_list_and_nothing_is_read_in_between)
{
    given *g = given_a_loaded_model("runs");
    ui_app *app = &g->app;
    ui_run_store *store = NULL;
    char id[UI_RUN_ID_SIZE];
    int64_t run = 0;
    unsetenv("XDG_RUNTIME_DIR");
    check_ok(ui_run_store_open(g->root, &store));
    ui_app_tick(app, 10);
    check_int(app->run_count, 0);

    int lock = given_a_run(g, store, id, &run);
    check_true(!ui_app_look_for_runs(app, 10.5)); /* it looks once a second */
    unsigned version = app->version;
    ui_app_tick(app, 11);
    check_int(app->run_count, 1);
    check_text(app->run_rows[0].name, "run:polite");
    check_true(app->version != version);
    check_true(ui_app_wait_ms(app, 11) <= 1001);

    const ui_model_row *rows = app->run_rows; /* others as soon as they are read again */
    version = app->version;
    for (int i = 0; i < 5; i++) check_true(!ui_app_look_for_runs(app, 12 + i));
    check_true(app->run_rows == rows && app->version == version);
    check_ok(ui_chat_store_mark(app->store, "any", "thing")); /* read, but nothing is another */
    check_true(!ui_app_look_for_runs(app, 17));
    check_true(app->run_rows != rows && app->version == version);

    const ui_run_value loss = {.name = "loss", .step = 5, .value = 1};
    check_ok(ui_run_store_points(store, run, 1, &loss, 1, 2000));
    check_true(ui_app_look_for_runs(app, 18));
    check_int(app->run_rows[0].run_step, 6);

    close(lock); /* the process was killed: it has written nothing */
    check_true(ui_app_look_for_runs(app, 19));
    check_int(app->run_count, 0);
    check_true(!ui_app_look_for_runs(app, 20));
    ui_run_store_free(store);
    end(g);
}

TEST(a_load_that_fails_says_why)
{
    given *g = given_folders("fails");
    ui_load_news news = {.kind = UI_LOAD_FAILED, .error = err_make(ERR_FORMAT, "tiny: cut off")};
    add_model(g, "tiny");
    open_app(g);
    ui_app_apply_load(&g->app, &news);
    check_int(g->app.load, UI_LOAD_NONE);
    check_text(g->app.load_problem, "tiny: cut off");
    write_message(g, "hello");
    check_true(check_text_holds(last_toast(g), "No model is loaded"));
    end(g);
}

TEST(the_palette_narrows_and_runs_what_was_chosen)
{
    given *g = given_a_loaded_model("palette");
    ui_app_run(&g->app, "palette");
    for (const char *at = "new-conv"; *at; at++) {
        ui_key key = {.kind = UI_KEY_TYPED, .is_text = true, .name = {*at}};
        check_true(ui_menu_key(g->app.palette, &key, 5));
    }
    check_text(ui_menu_at(g->app.palette, 0).name, "new-conversation");
    ui_app_run(&g->app, "run-chosen");
    check_int(g->app.focus, UI_INPUT);
    end(g);
}

TEST(a_kept_conversation_is_opened_and_deleted_after_a_question)
{
    given *g = given_a_loaded_model("kept");
    write_message(g, "first");
    answered(g, "one");
    ui_app_run(&g->app, "new-conversation");
    write_message(g, "second");
    answered(g, "two");
    ui_app_run(&g->app, "conversations");
    check_int(g->app.conversations.count, 2);
    g->app.conversation_at = strcmp(g->app.conversations.rows[0].title, "first") == 0 ? 0 : 1;
    ui_app_run(&g->app, "open-conversation");
    check_text(bytes_text(&g->app.chat.messages[0].content), "first");
    ui_app_run(&g->app, "conversations");
    g->app.conversation_at = strcmp(g->app.conversations.rows[0].title, "first") == 0 ? 0 : 1;
    ui_app_run(&g->app, "delete-conversation");
    check_int(g->app.focus, UI_QUESTION);
    ui_app_run(&g->app, "yes");
    check_int(g->app.conversations.count, 1);
    check_int(g->app.chat.count, 0);
    end(g);
}

TEST(toasts_go_when_their_time_is_over)
{
    ui_toasts t = {0};
    ui_toasts_add(&t, LOG_INFO, "one", 100);
    ui_toasts_add(&t, LOG_INFO, "one", 101);
    ui_toasts_add(&t, LOG_ERROR, "two", 101);
    check_int(t.count, 2);
    check_true(!ui_toasts_expire(&t, 105.5));
    check_true(ui_toasts_expire(&t, 106.5));
    check_text(t.rows[0].text, "two");
    for (int i = 0; i < 9; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        ui_toasts_add(&t, LOG_WARNING, text, 107);
    }
    check_int(t.count, UI_TOASTS_MAX);
}

TEST(a_folder_without_weights_or_with_a_pointer_is_shown_with_the_reason)
{
    given *g = given_folders("broken");
    char *path = file_join(g->models, "tiny/model.safetensors");
    const char *pointer =
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 5\n";
    ui_model_list list = {0};
    add_model(g, "tiny");
    check_write(path, pointer, strlen(pointer));
    open_app(g);
    ui_models_scan(g->settings, NULL, &list);
    check_int(list.count, 1);
    check_true(check_text_holds(list.rows[0].problem, "is a pointer"));
    check_text(list.rows[0].architecture, "llama");
    check_true(ui_models_first(&list, "tiny") == NULL);
    ui_models_free(&list);
    free(path);
    end(g);
}

TESTS(RUN(every_action_of_the_table_can_be_run), RUN(no_key_means_two_things_in_one_place),
      RUN(the_only_model_is_loaded_at_start_and_the_input_has_the_focus),
      RUN(with_several_models_the_demo_or_the_one_used_last_is_loaded),
      RUN(a_message_sent_while_the_model_is_loading_goes_out_when_it_is_there),
      RUN(an_answer_survives_a_restart), RUN(an_answer_is_marked_and_the_same_key_takes_the_mark_back),
      RUN(an_answer_is_saved_while_it_is_written), RUN(stop_stops_the_answer_and_when_idle_says_how_to_leave),
      RUN(a_draft_that_is_put_away_comes_back_with_up), RUN(edit_brings_the_message_back_and_keeps_the_draft),
      RUN(a_system_prompt_is_written_in_the_input),
      RUN(a_new_conversation_that_holds_only_the_usual_system_prompt_is_not_kept),
      RUN(regenerate_uses_a_new_seed_though_one_is_set),
      RUN(the_model_says_how_to_sample_until_the_person_does),
      RUN(a_model_is_loaded_at_a_branch_a_tag_or_what_was_typed),
      RUN(adapters_are_turned_on_in_the_order_of_their_names),
      RUN(adapters_that_were_on_are_on_again_after_a_restart),
      RUN(a_model_that_was_put_into_the_folder_is_there_when_the_pane_is_opened),
      RUN(runs_of_others_come_step_and_die_in_the_list_and_nothing_is_read_in_between),
      RUN(a_load_that_fails_says_why), RUN(the_palette_narrows_and_runs_what_was_chosen),
      RUN(a_kept_conversation_is_opened_and_deleted_after_a_question), RUN(toasts_go_when_their_time_is_over),
      RUN(a_folder_without_weights_or_with_a_pointer_is_shown_with_the_reason))
