/* A training run as the one who answers, over a socket whose other end is the test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/settings.h"
#include "tests/support/check.h"
#include "tests/ui/fake.h"
#include "ui/app/app.h"
#include "ui/app/runs/plan.h"
#include "ui/app/runs/server.h"
#include "ui/app/runs/store.h"

#define CONFIG                                                                                               \
    "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\":64,"                 \
    "\"intermediate_size\":172,\"num_attention_heads\":8,\"num_hidden_layers\":5,\"num_key_value_heads\":4," \
    "\"vocab_size\":512,\"max_position_embeddings\":512,\"rms_norm_eps\":1e-05,\"torch_dtype\":\"float32\"}"

enum { PATIENCE_SECONDS = 10 };

/* A workstation, and a run that the test plays. */
typedef struct given {
    char *root, *models, *socket;
    folders where;
    env e;
    settings *settings;
    fake *fake;
    ui_app app;
    int lock;
    ui_run_server *server;
    uint64_t client; /* who asked last */
    bytes request;
} given;

static const char *get(void *context, const char *name)
{
    given *g = context;
    return strcmp(name, "HYPRSTREAM_MODELS_DIR") == 0 ? g->models : NULL;
}

static void add_model(const given *g)
{
    char *folder = file_join(g->models, "tiny"), *config = file_join(folder, "config.json"),
         *weights = file_join(folder, "model.safetensors");
    check_ok(file_make_folders(folder));
    check_write(config, CONFIG, strlen(CONFIG));
    check_write(weights, "not looked into", 15);
    free(folder);
    free(config);
    free(weights);
}

/* A row that says running, a folder whose lock is held, a socket. */
static void add_run(given *g, const char *id, const char *adapter)
{
    ui_run_row row = {.model = (char[]){"demo"},
                      .base_commit = (char[]){""},
                      .adapter = strdup(adapter),
                      .branch = (char[]){"main"},
                      .kind = (char[]){"sft"},
                      .state = (char[]){"running"},
                      .config = (char[]){"{}"},
                      .data_digest = (char[]){""},
                      .host = (char[]){""},
                      .error = (char[]){""},
                      .steps_total = 9,
                      .started_ms = 1};
    ui_run_store *store = NULL;
    int64_t key = 0;
    snprintf(row.id, sizeof row.id, "%s", id);
    check_ok(ui_run_store_open(g->root, &store));
    check_ok(ui_run_store_add(store, &row, &key));
    ui_run_store_free(store);
    free(row.adapter);
    char *folder = ui_run_folder(g->root, id), *plan = file_join(folder, "run.json");
    check_ok(file_make_folders(folder));
    check_write(plan, "{}", 2);
    check_ok(ui_run_lock(folder, &g->lock));
    env process = env_of_process();
    free(g->socket);
    g->socket = ui_run_socket_path(&process, folder, id);
    check_ok(ui_run_server_new(g->socket, &g->server));
    ui_run_server_greeting(g->server,
                           VIEW("{\"event\":\"started\",\"state\":\"running\",\"step\":3,\"steps\":9,"
                                "\"context\":512,\"template\":true}"));
    free(folder);
    free(plan);
}

static given *given_a_run(const char *name)
{
    given *g = memory_alloc(sizeof *g);
    char *aside = NULL;
    unsetenv("XDG_RUNTIME_DIR"); /* the socket lies in the run's folder */
    g->root = file_join(check_folder(), name);
    g->models = file_join(g->root, "models");
    g->where = (folders){g->root, g->root, g->root, g->root, g->root};
    g->e = (env){get, g};
    check_ok(file_make_folders(g->models));
    add_model(g);
    add_run(g, "01AAAAAAAAAAAAAAAAAAAAAAAA", "03_polite");
    g->fake = fake_new();
    check_ok(settings_open(&g->where, &g->e, &g->settings));
    g->app.settings = g->settings;
    check_ok(log_open(NULL, LOG_INFO, &g->app.log));
    g->app.source = &g->fake->source;
    g->app.loader = &g->fake->loader;
    check_ok(ui_chat_store_open(g->root, &aside, &g->app.store));
    ui_app_open(&g->app);
    ui_load_news news = {.kind = UI_LOAD_DONE};
    news.facts = (ui_loaded_facts){.has_template = true, .has_tokenizer = true, .context_max = 512};
    ui_app_apply_load(&g->app, &news);
    return g;
}

static void end(given *g)
{
    ui_app_close(&g->app);
    ui_chat_store_free(g->app.store);
    ui_run_server_free(g->server);
    fake_free(g->fake);
    log_free(g->app.log);
    settings_free(g->settings);
    bytes_free(&g->request);
    close(g->lock);
    free(g->socket);
    free(g->models);
    free(g->root);
    free(g);
}

static const char *last_toast(const given *g)
{
    const ui_toasts *t = &g->app.toasts;
    return t->count ? t->rows[t->count - 1].text : "";
}

/* The app looks until `done` says so. */
static void until(given *g, bool (*done)(const given *g))
{
    double begin = clock_seconds();
    while (!done(g)) {
        ui_app_take_news(&g->app);
        if (clock_seconds() - begin > PATIENCE_SECONDS)
            fail_msg("nothing came; last toast: %s", last_toast(g));
        usleep(1000);
    }
}

static bool is_answered(const given *g) { return !ui_chat_is_busy(&g->app.chat); }
static bool is_alone(const given *g) { return g->app.run == NULL; }

static const char *status(const given *g)
{
    static bytes text;
    bytes_clear(&text);
    if (g->app.run) ui_run_source_status(g->app.run, &text);
    return bytes_text(&text);
}
static bool says_loss(const given *g) { return strstr(status(g), "loss 1.5") != NULL; }
static bool says_step(const given *g) { return strstr(status(g), "step 3 of 9") != NULL; }

static void choose(given *g, const char *name)
{
    const ui_model_row *row;
    ui_app_run(&g->app, "models");
    for (size_t i = 0; (row = ui_app_shown_model(&g->app, i)); i++)
        if (strcmp(row->name, name) == 0) g->app.model_at = i;
    ui_app_run(&g->app, "load");
}

static void write_message(given *g, const char *text)
{
    ui_editor_set_text(g->app.input, bytes_view_of(text));
    ui_app_run(&g->app, "send");
}

/* What the run is asked next. */
static const char *asked(given *g)
{
    ui_run_request r;
    double begin = clock_seconds();
    while (!ui_run_server_take(g->server, &r)) {
        ui_run_server_wait(g->server, 10);
        if (clock_seconds() - begin > PATIENCE_SECONDS) fail_msg("the run was asked nothing");
    }
    bytes_free(&g->request);
    g->client = r.client;
    g->request = r.line;
    return bytes_text(&g->request);
}

static void reply(given *g, const char *line)
{
    ui_run_server_answer(g->server, g->client, bytes_view_of(line));
}

TEST(a_run_stands_below_the_models_and_answers_when_it_is_chosen)
{
    given *g = given_a_run("answers");
    check_int(ui_app_shown_count(&g->app), 2);
    check_text(ui_app_shown_model(&g->app, 1)->name, "run:polite");
    choose(g, "run:polite");
    check_true(strstr(last_toast(g), "run:polite answers now") != NULL);
    until(g, says_step);
    write_message(g, "hello");
    const char *request = asked(g);
    check_true(strstr(request, "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]") != NULL);
    check_true(strstr(request, "\"stream\":true") != NULL);
    check_true(strstr(request, "\"tokens\":512") != NULL);
    reply(g, "{\"event\":\"begun\",\"ask\":1,\"step\":4,\"prompt_tokens\":7}");
    reply(g, "{\"event\":\"words\",\"ask\":1,\"tokens\":1,\"reasoning\":\"hm\",\"content\":\"\"}");
    reply(g, "{\"event\":\"words\",\"ask\":1,\"tokens\":3,\"reasoning\":\"\",\"content\":\"Of course\"}");
    reply(g, "{\"event\":\"words\",\"ask\":99,\"tokens\":3,\"content\":\"for somebody else\"}");
    reply(g,
          "{\"event\":\"answer\",\"ask\":1,\"text\":\"Of course\",\"ids\":[1,2,3],\"finish_reason\":\"stop\","
          "\"step\":4,\"lost_ms\":340,\"prompt_tokens\":7,\"seed\":5,\"first_token_s\":0.5,\"decode_s\":1}");
    until(g, is_answered);
    const ui_chat_message *m = ui_chat_last_answer(&g->app.chat);
    check_text(bytes_text(&m->content), "Of course");
    check_text(bytes_text(&m->reasoning), "hm");
    check_text(m->model, "run:polite step 4"); /* the weights that it was made with */
    check_int(m->state, UI_ANSWER_DONE);
    check_int(m->usage.completion_tokens, 3);
    check_int(m->usage.seed, 5);
    check_true(m->usage.first_token_seconds == 0.5 && m->usage.decode_seconds == 1);
    check_int(g->app.source->kind->facts(g->app.source).context_used, 10);
    check_true(strstr(status(g), "1 answer cost it 340") != NULL);
    ui_run_server_tell(g->server, VIEW("{\"event\":\"step\",\"step\":6,\"steps\":9,\"loss\":1.5}"));
    until(g, says_loss);
    check_true(strstr(status(g), "step 7 of 9, loss 1.5; 1 answer") != NULL);
    check_int(g->fake->asked.size, 0); /* the model was never asked */
    end(g);
}

TEST(an_answer_is_stopped_and_a_refusal_is_told)
{
    given *g = given_a_run("stops");
    choose(g, "run:polite");
    write_message(g, "hello");
    (void)asked(g);
    ui_app_run(&g->app, "unload"); /* not now */
    check_true(g->app.run && strstr(last_toast(g), "is being written"));
    ui_app_run(&g->app, "stop");
    check_text(asked(g), "{\"do\":\"cancel\",\"ask\":1}");
    reply(g, "{\"event\":\"answer\",\"ask\":1,\"ids\":[],\"finish_reason\":\"cancelled\",\"step\":3,\"lost_"
             "ms\":1}");
    until(g, is_answered);
    check_int(ui_chat_last(&g->app.chat)->reason, ENGINE_FINISH_CANCELLED);
    write_message(g, "again");
    (void)asked(g);
    reply(g, "{\"event\":\"refused\",\"ask\":2,\"error\":\"the run has not begun yet\"}");
    until(g, is_answered);
    check_int(ui_chat_last(&g->app.chat)->state, UI_ANSWER_FAILED);
    check_text(ui_chat_last(&g->app.chat)->problem, "run:polite: the run has not begun yet");
    ui_app_run(&g->app, "unload");
    check_true(!g->app.run && g->app.source == &g->fake->source);
    write_message(g, "to the model");
    check_true(strstr(bytes_text(&g->fake->asked), "user=to the model") != NULL);
    end(g);
}

TEST(a_run_that_ends_says_what_came_of_it_and_the_model_answers_again)
{
    given *g = given_a_run("ends");
    choose(g, "run:polite");
    until(g, says_step);
    write_message(g, "hello");
    (void)asked(g);
    ui_run_server_tell(g->server, VIEW("{\"event\":\"ended\",\"state\":\"done\",\"adapter\":\"03_polite\","
                                       "\"branch\":\"main\",\"step\":9,\"steps\":9}"));
    until(g, is_alone);
    check_text(last_toast(g),
               "run:polite has ended (done, step 9 of 9): its adapter 03_polite is on the branch main. "
               "Answers come again from tiny");
    check_int(ui_chat_last(&g->app.chat)->state, UI_ANSWER_FAILED);
    check_text(ui_chat_last(&g->app.chat)->problem, "run:polite ended before its answer did");
    check_true(g->app.source == &g->fake->source);
    end(g);
}

TEST(a_run_whose_process_is_gone_is_let_go_of)
{
    given *g = given_a_run("gone");
    choose(g, "run:polite");
    until(g, says_step);
    ui_run_server_free(g->server);
    g->server = NULL;
    until(g, is_alone);
    check_true(strstr(last_toast(g), "run:polite is gone without a word") != NULL);
    check_int(ui_app_shown_count(&g->app), 1); /* its socket is no more */
    check_write(g->socket, "", 0);             /* left behind by one that was killed */
    choose(g, "run:polite");
    check_true(strstr(last_toast(g), "run:polite does not answer") != NULL);
    check_true(!g->app.run);
    choose(g, "tiny");
    check_true(g->app.load == UI_LOAD_GOING);
    end(g);
}

TESTS(RUN(a_run_stands_below_the_models_and_answers_when_it_is_chosen),
      RUN(an_answer_is_stopped_and_a_refusal_is_told),
      RUN(a_run_that_ends_says_what_came_of_it_and_the_model_answers_again),
      RUN(a_run_whose_process_is_gone_is_let_go_of))
