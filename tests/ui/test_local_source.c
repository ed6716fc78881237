#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "tests/support/check.h"
#include "tests/support/small_model.h"
#include "ui/app/local_source.h"
#include "ui/app/prompt.h"

typedef struct given {
    char *folder;
    ui_local_source *local;
    ui_source *source;
    ui_loader *loader;
} given;

static given given_source(const char *name, bool with_template)
{
    given g = {.folder = file_join(check_folder(), name)};
    small_model_write(g.folder, with_template);
    static env environment;
    static repo_context context = {.environment = &environment};
    environment = env_of_process();
    const ui_local_options how = {.context = &context, .device = "cpu", .dtype = "f32", .threads = 1};
    check_ok(ui_local_source_new(&how, &g.local));
    g.source = ui_local_source_as_source(g.local);
    g.loader = ui_local_source_as_loader(g.local);
    return g;
}

static void end(given *g)
{
    ui_local_source_free(g->local);
    free(g->folder);
}

static bool wait_for_news(const given *g)
{
    struct pollfd on = {.fd = ui_local_source_fd(g->local), .events = POLLIN};
    return poll(&on, 1, 30000) == 1;
}

/* The news that ends a load or a stacking. */
static ui_load_news load_end(given *g)
{
    ui_load_news news = {0};
    do {
        while (g->loader->kind->take(g->loader, &news))
            if (news.kind != UI_LOAD_PROGRESS) return news;
    } while (wait_for_news(g));
    fail_msg("no news of the load");
    return news;
}

static void loaded(given *g)
{
    check_ok(g->loader->kind->load(g->loader, g->folder, "", file_name(g->folder)));
    ui_load_news news = load_end(g);
    if (news.kind != UI_LOAD_DONE) fail_msg("%s", news.error.text);
}

/* The end of the answer; its words appended to *content. */
static ui_news answer_end(given *g, uint64_t answer, bytes *content)
{
    ui_news news = {0};
    do {
        while (g->source->kind->take(g->source, &news)) {
            check_true(news.answer == answer);
            bytes_append_view(content, bytes_borrow(&news.reasoning));
            bytes_append_view(content, bytes_borrow(&news.content));
            ui_news kept = news;
            ui_news_free(&news);
            if (kept.kind == UI_NEWS_FINISHED || kept.kind == UI_NEWS_FAILED) return kept;
        }
    } while (wait_for_news(g));
    fail_msg("no end of the answer");
    return news;
}

static ui_ask ask_for(const ui_message *messages, size_t count)
{
    ui_ask ask = {.messages = messages, .message_count = count, .sampling = engine_sampling_neutral()};
    ask.sampling.seed = 3;
    return ask;
}

static const ui_message hello[] = {{"user", {"hello", 5}, {0}}};

TEST(a_model_is_loaded_and_answers_with_measured_figures)
{
    given g = given_source("answers", true);
    CLEANUP(bytes_free) bytes words = {0};
    ui_ask ask = ask_for(hello, 1);
    uint64_t answer = 0;

    check_fails(g.source->kind->ask(g.source, &ask, &answer), ERR_STATE, "no model is loaded");
    loaded(&g);
    check_true(g.source->kind->facts(g.source).has_template);
    check_int(g.source->kind->facts(g.source).context_max, SMALL_MODEL_CONTEXT);
    ask.token_count_max = 5;
    check_ok(g.source->kind->ask(g.source, &ask, &answer));
    ui_news news = answer_end(&g, answer, &words);
    check_int(news.kind, UI_NEWS_FINISHED);
    check_true(news.usage.completion_tokens > 0 && news.usage.completion_tokens <= 5);
    check_true(news.usage.seed == 3);
    check_int(g.source->kind->facts(g.source).context_used,
              news.usage.prompt_tokens + news.usage.completion_tokens);
    end(&g);
}

TEST(a_model_without_a_template_writes_on_from_the_plain_text)
{
    given g = given_source("plain", false);
    CLEANUP(bytes_free) bytes words = {0};
    ui_ask ask = ask_for(hello, 1);
    uint64_t answer = 0;

    loaded(&g);
    check_true(!g.source->kind->facts(g.source).has_template);
    ask.token_count_max = 3;
    check_ok(g.source->kind->ask(g.source, &ask, &answer));
    check_int(answer_end(&g, answer, &words).kind, UI_NEWS_FINISHED);
    end(&g);
}

TEST(the_plain_text_parts_messages_by_a_new_line_unless_white_space_does)
{
    static const ui_message messages[] = {{"user", {"Once", 4}, {0}},
                                          {"assistant", {" upon a time.", 13}, {0}},
                                          {"user", {"Then", 4}, {0}},
                                          {"assistant", {" he ", 4}, {0}},
                                          {"user", {"ran", 3}, {0}}};
    CLEANUP(bytes_free) bytes text = {0};
    ui_plain_prompt(messages, COUNT_OF(messages), &text);
    check_text(bytes_text(&text), "Once upon a time.\nThen he ran");
}

TEST(a_conversation_longer_than_the_context_is_refused_with_both_counts)
{
    given g = given_source("long", false);
    CLEANUP(bytes_free) bytes text = {0};
    uint64_t answer = 0;

    loaded(&g);
    for (int i = 0; i < 2 * SMALL_MODEL_CONTEXT; i++) bytes_append_byte(&text, 'a');
    ui_message message = {"user", bytes_borrow(&text), {0}};
    ui_ask ask = ask_for(&message, 1);
    check_fails(g.source->kind->ask(g.source, &ask, &answer), ERR_LIMIT, "context holds 128");
    end(&g);
}

TEST(a_stopped_answer_ends_as_cancelled_and_the_next_one_works)
{
    given g = given_source("stopped", true);
    CLEANUP(bytes_free) bytes words = {0};
    ui_ask ask = ask_for(hello, 1);
    uint64_t answer = 0;

    loaded(&g);
    check_ok(g.source->kind->ask(g.source, &ask, &answer));
    g.source->kind->stop(g.source, answer);
    check_int(answer_end(&g, answer, &words).kind, UI_NEWS_FINISHED);
    ask.token_count_max = 2;
    check_ok(g.source->kind->ask(g.source, &ask, &answer));
    check_int(answer_end(&g, answer, &words).kind, UI_NEWS_FINISHED);
    end(&g);
}

TEST(adapters_are_part_of_the_name_once_they_are_on)
{
    given g = given_source("stacked", true);
    double scale = 0.5;

    small_adapter_write(g.folder, "01_brief");
    loaded(&g);
    const char *const file = "adapters/01_brief.safetensors";
    check_ok(g.loader->kind->stack(g.loader, &file, &scale, 1));
    ui_load_news news = load_end(&g);
    if (news.kind != UI_LOAD_STACKED) fail_msg("%s", news.error.text);
    check_text(g.source->kind->facts(g.source).name, "stacked+01_brief@0.5");
    check_ok(g.loader->kind->stack(g.loader, NULL, NULL, 0));
    check_int(load_end(&g).kind, UI_LOAD_STACKED);
    check_text(g.source->kind->facts(g.source).name, "stacked");
    end(&g);
}

TEST(a_broken_model_says_why_and_leaves_none_loaded)
{
    given g = given_source("broken", true);
    char *weights = file_join(g.folder, "model.safetensors");
    ui_ask ask = ask_for(hello, 1);
    uint64_t answer = 0;

    loaded(&g);
    check_write(weights, "cut off", 7);
    check_ok(g.loader->kind->load(g.loader, g.folder, "", file_name(g.folder)));
    ui_load_news news = load_end(&g);
    check_int(news.kind, UI_LOAD_FAILED);
    check_true(check_text_holds(news.error.text, "model.safetensors"));
    check_fails(g.source->kind->ask(g.source, &ask, &answer), ERR_STATE, "no model is loaded");
    free(weights);
    end(&g);
}

TEST(an_unload_while_an_answer_is_written_ends_it)
{
    given g = given_source("unloaded", true);
    CLEANUP(bytes_free) bytes words = {0};
    ui_ask ask = ask_for(hello, 1);
    uint64_t answer = 0;

    loaded(&g);
    check_ok(g.source->kind->ask(g.source, &ask, &answer));
    g.loader->kind->unload(g.loader);
    ui_news news = answer_end(&g, answer, &words);
    check_true(news.kind == UI_NEWS_FINISHED || news.kind == UI_NEWS_FAILED);
    check_true(g.source->kind->facts(g.source).name == NULL);
    end(&g);
}

TESTS(RUN(a_model_is_loaded_and_answers_with_measured_figures),
      RUN(a_model_without_a_template_writes_on_from_the_plain_text),
      RUN(the_plain_text_parts_messages_by_a_new_line_unless_white_space_does),
      RUN(a_conversation_longer_than_the_context_is_refused_with_both_counts),
      RUN(a_stopped_answer_ends_as_cancelled_and_the_next_one_works),
      RUN(adapters_are_part_of_the_name_once_they_are_on),
      RUN(a_broken_model_says_why_and_leaves_none_loaded), RUN(an_unload_while_an_answer_is_written_ends_it))
