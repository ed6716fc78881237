#include <stdio.h>
#include <stdlib.h>

#include "tests/support/check.h"
#include "tests/ui/fake.h"
#include "ui/app/chat.h"

static const engine_sampling how = {.temperature = 1, .top_p = 1, .typical_p = 1, .repetition_penalty = 1};

static void say(ui_chat *chat, fake *f, ui_news_kind kind, const char *reasoning, const char *content)
{
    ui_news news = fake_says(f, kind, reasoning, content);
    ui_chat_apply(chat, &news);
    ui_news_free(&news);
}

static void given_an_answer(ui_chat *chat, fake *f, const char *question, const char *answer)
{
    check_ok(ui_chat_send(chat, &f->source, bytes_view_of(question), &how, 0));
    say(chat, f, UI_NEWS_STARTED, "", "");
    say(chat, f, UI_NEWS_TEXT, "", answer);
    say(chat, f, UI_NEWS_FINISHED, "", "");
}

TEST(an_answer_grows_piece_by_piece_and_ends_with_its_figures)
{
    fake *f = fake_new();
    ui_chat chat = {0};

    check_ok(ui_chat_send(&chat, &f->source, VIEW("hello"), &how, 0));
    check_text(bytes_text(&f->asked), "user=hello");
    check_true(ui_chat_is_busy(&chat));
    check_int(ui_chat_last(&chat)->state, UI_ANSWER_WAITING);
    say(&chat, f, UI_NEWS_STARTED, "", "");
    check_int(chat.prompt_tokens, 9);
    say(&chat, f, UI_NEWS_TEXT, "let me see", "");
    say(&chat, f, UI_NEWS_TEXT, "", "Hi ");
    check_int(ui_chat_last(&chat)->state, UI_ANSWER_WRITING);
    say(&chat, f, UI_NEWS_FINISHED, "", "there");
    check_true(!ui_chat_is_busy(&chat));
    check_text(bytes_text(&ui_chat_last(&chat)->content), "Hi there");
    check_text(bytes_text(&ui_chat_last(&chat)->reasoning), "let me see");
    check_text(ui_chat_last(&chat)->model, "fake");
    check_int(ui_chat_last(&chat)->usage.completion_tokens, 5);
    ui_chat_free(&chat);
    fake_free(f);
}

TEST(while_an_answer_is_written_nothing_else_is_asked)
{
    fake *f = fake_new();
    ui_chat chat = {0};

    check_ok(ui_chat_send(&chat, &f->source, VIEW("one"), &how, 0));
    check_fails(ui_chat_send(&chat, &f->source, VIEW("two"), &how, 0), ERR_STATE, "stop it with Ctrl-C");
    check_fails(ui_chat_regenerate(&chat, &f->source, &how, 0), ERR_STATE, "stop it");
    check_int(chat.count, 2);
    ui_chat_free(&chat);
    fake_free(f);
}

TEST(a_source_that_refuses_leaves_the_conversation_as_it_was)
{
    fake *f = fake_new();
    ui_chat chat = {0};

    given_an_answer(&chat, f, "one", "first");
    f->refuse = err_make(ERR_LIMIT, "too long");
    check_fails(ui_chat_send(&chat, &f->source, VIEW("two"), &how, 0), ERR_LIMIT, "too long");
    check_fails(ui_chat_edit(&chat, &f->source, VIEW("other"), &how, 0), ERR_LIMIT, "too long");
    check_fails(ui_chat_regenerate(&chat, &f->source, &how, 0), ERR_LIMIT, "too long");
    check_int(chat.count, 2);
    check_text(bytes_text(&chat.messages[0].content), "one");
    check_text(bytes_text(&chat.messages[1].content), "first");
    ui_chat_free(&chat);
    fake_free(f);
}

TEST(regenerate_throws_the_last_answer_away)
{
    fake *f = fake_new();
    ui_chat chat = {0};

    given_an_answer(&chat, f, "one", "first");
    check_ok(ui_chat_regenerate(&chat, &f->source, &how, 0));
    check_text(bytes_text(&f->asked), "user=one");
    say(&chat, f, UI_NEWS_FINISHED, "", "second");
    check_int(chat.count, 2);
    check_text(bytes_text(&chat.messages[1].content), "second");
    ui_chat_free(&chat);
    fake_free(f);
}

TEST(continue_writes_on_at_the_end_of_the_answer)
{
    fake *f = fake_new();
    ui_chat chat = {0};

    given_an_answer(&chat, f, "one", "first");
    check_ok(ui_chat_continue(&chat, &f->source, &how, 0));
    check_text(bytes_text(&f->asked), "user=one|assistant=first...");
    say(&chat, f, UI_NEWS_FINISHED, "", " and more");
    check_text(bytes_text(&chat.messages[1].content), "first and more");
    ui_chat_free(&chat);
    fake_free(f);
}

TEST(an_edit_replaces_the_last_message_and_what_followed)
{
    fake *f = fake_new();
    ui_chat chat = {0};

    given_an_answer(&chat, f, "one", "first");
    given_an_answer(&chat, f, "two", "second");
    check_ok(ui_chat_edit(&chat, &f->source, VIEW("three"), &how, 0));
    check_text(bytes_text(&f->asked), "user=one|assistant=first|user=three");
    check_int(chat.count, 4);
    ui_chat_free(&chat);
    fake_free(f);
}

TEST(the_system_prompt_is_the_first_message_and_can_go_again)
{
    fake *f = fake_new();
    ui_chat chat = {0};

    given_an_answer(&chat, f, "one", "first");
    ui_chat_set_system(&chat, VIEW("be brief"));
    check_ok(ui_chat_send(&chat, &f->source, VIEW("two"), &how, 0));
    check_text(bytes_text(&f->asked), "system=be brief|user=one|assistant=first|user=two");
    say(&chat, f, UI_NEWS_FINISHED, "", "second");
    ui_chat_set_system(&chat, VIEW(""));
    check_int(chat.count, 4);
    check_int(ui_chat_system(&chat).size, 0);
    ui_chat_free(&chat);
    fake_free(f);
}

TEST(a_failed_answer_says_why_and_keeps_its_words)
{
    fake *f = fake_new();
    ui_chat chat = {0};

    check_ok(ui_chat_send(&chat, &f->source, VIEW("one"), &how, 0));
    say(&chat, f, UI_NEWS_TEXT, "", "half");
    ui_news news = fake_says(f, UI_NEWS_FAILED, "", "");
    news.error = err_make(ERR_MEMORY, "the cache is full");
    check_true(ui_chat_apply(&chat, &news));
    ui_news_free(&news);
    check_int(ui_chat_last(&chat)->state, UI_ANSWER_FAILED);
    check_text(ui_chat_last(&chat)->problem, "the cache is full");
    check_text(bytes_text(&ui_chat_last(&chat)->content), "half");
    check_ok(ui_chat_continue(&chat, &f->source, &how, 0));
    ui_chat_free(&chat);
    fake_free(f);
}

TEST(news_of_an_answer_nobody_waits_for_is_ignored)
{
    fake *f = fake_new();
    ui_chat chat = {0};

    given_an_answer(&chat, f, "one", "first");
    ui_news late = fake_says(f, UI_NEWS_TEXT, "", "late");
    check_true(!ui_chat_apply(&chat, &late));
    ui_news_free(&late);
    check_text(bytes_text(&chat.messages[1].content), "first");
    ui_chat_free(&chat);
    fake_free(f);
}

TEST(a_title_is_one_line_and_ends_between_characters)
{
    ui_chat chat = {0};
    CLEANUP(bytes_free) bytes text = {0}, title = {0};

    bytes_append_text(&text, "first\nsecond ");
    for (int i = 0; i < 100; i++) bytes_append_text(&text, "\xc3\xa9");
    ui_chat_add(&chat, "user", bytes_borrow(&text));
    ui_chat_title(&chat, &title);
    check_true(strncmp(bytes_text(&title), "first second ", 13) == 0);
    check_true(title.size <= UI_CHAT_TITLE_BYTES_MAX);
    check_int((unsigned char)title.data[title.size - 1], 0xa9);
    ui_chat_free(&chat);
}

TESTS(RUN(an_answer_grows_piece_by_piece_and_ends_with_its_figures),
      RUN(while_an_answer_is_written_nothing_else_is_asked),
      RUN(a_source_that_refuses_leaves_the_conversation_as_it_was),
      RUN(regenerate_throws_the_last_answer_away), RUN(continue_writes_on_at_the_end_of_the_answer),
      RUN(an_edit_replaces_the_last_message_and_what_followed),
      RUN(the_system_prompt_is_the_first_message_and_can_go_again),
      RUN(a_failed_answer_says_why_and_keeps_its_words), RUN(news_of_an_answer_nobody_waits_for_is_ignored),
      RUN(a_title_is_one_line_and_ends_between_characters))
