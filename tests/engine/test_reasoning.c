#include "engine/text/reasoning.h"

#include <string.h>

#include "tests/support/check.h"

/* The output in pieces of `size` bytes. */
static void check_pieces(const char *prompt, const char *output, size_t size, const char *reasoning,
                         const char *content)
{
    CLEANUP(bytes_free) bytes thought = {0};
    CLEANUP(bytes_free) bytes answer = {0};
    engine_reasoning *r = engine_reasoning_new(bytes_view_of(prompt));
    size_t whole = strlen(output);
    for (size_t at = 0; at < whole; at += size)
        engine_reasoning_push(r, (bytes_view){output + at, MIN_OF(size, whole - at)}, &thought, &answer);
    engine_reasoning_finish(r, &thought, &answer);
    engine_reasoning_free(r);
    check_text(bytes_text(&thought), reasoning);
    check_text(bytes_text(&answer), content);
}

/* However the output is cut, the same comes out. */
static void splits(const char *prompt, const char *output, const char *reasoning, const char *content)
{
    for (size_t size = 1; size <= strlen(output) + 1; size++)
        check_pieces(prompt, output, size, reasoning, content);
    CLEANUP(bytes_free) bytes thought = {0};
    CLEANUP(bytes_free) bytes answer = {0};
    engine_reasoning_split(bytes_view_of(prompt), bytes_view_of(output), &thought, &answer);
    check_text(bytes_text(&thought), reasoning);
    check_text(bytes_text(&answer), content);
}

TEST(an_answer_without_reasoning_stays_whole)
{
    splits("", "Hello, <b>you</b>.\n", "", "Hello, <b>you</b>.\n");
    splits("", "  \n", "", "  \n");
    splits("", "<thin ice", "", "<thin ice");
    splits("<think>\n\n</think>\n\n", "yes", "", "yes");
}

TEST(marks_of_each_family_are_known)
{
    splits("", "<think>\nwhy\n</think>\n\nbecause", "why", "because");
    splits("", "\n<think>why</think><response>because</response>", "why", "because");
    splits("", "[THINK]why[/THINK]because", "why", "because");
    splits("", "<seed:think>why</seed:think>\nbecause", "why", "because");
    splits("", "<|START_THINKING|>why<|END_THINKING|><|START_RESPONSE|>because<|END_RESPONSE|>", "why",
           "because");
    splits("<|START_THINKING|><|END_THINKING|>", "<|START_RESPONSE|>because<|END_RESPONSE|>", "", "because");
    splits("", "<|channel>thought\nwhy\n<channel|>because", "why", "because");
}

TEST(a_prompt_that_ends_in_an_open_block_begins_inside)
{
    splits("<|im_start|>assistant\n<think>\n", "why\n</think>\n\nbecause", "why", "because");
    splits("x<|channel|>analysis<|message|>",
           "why<|end|><|start|>assistant<|channel|>final<|message|>so<|return|>", "why", "so");
    splits("user says <think>\nand goes on", "no", "", "no");
}

TEST(a_block_that_is_never_closed_is_reasoning_to_the_end)
{
    splits("", "<think>\nwhy </thin \n", "why </thin \n", "");
    splits("<think>", "why", "why", "");
}

TEST(a_later_mark_is_a_word_of_the_answer)
{
    splits("", "The mark <think>x</think> is", "", "The mark <think>x</think> is");
    splits("", "<think>a</think>b<think>c</think>", "a", "b<think>c</think>");
    splits("", "<think>a <think> b</think>c", "a <think> b", "c");
}

TEST(channels_of_gpt_oss_are_told_apart)
{
    splits(
        "<|start|>assistant",
        "<|channel|>analysis<|message|>why<|end|><|start|>assistant<|channel|>final<|message|>so<|return|>",
        "why", "so");
    splits("<|start|>assistant", "<|channel|>commentary<|message|>first<|end|>", "", "first");
    splits("<|start|>assistant",
           "<|channel|>analysis<|message|>why<|end|><|start|>assistant<|channel|>commentary to=functions.f "
           "<|constrain|>json<|message|>{\"a\":1}<|call|>",
           "why",
           "<|start|>assistant<|channel|>commentary to=functions.f "
           "<|constrain|>json<|message|>{\"a\":1}<|call|>");
    splits("<|start|>assistant", "<|channel|>no header at all", "", "<|channel|>no header at all");
}

TEST(it_says_whether_the_next_text_is_reasoning)
{
    CLEANUP(bytes_free) bytes thought = {0};
    CLEANUP(bytes_free) bytes answer = {0};
    engine_reasoning *r = engine_reasoning_new(VIEW("<think>\n"));
    check_true(engine_reasoning_is_inside(r));
    engine_reasoning_push(r, VIEW("why</thi"), &thought, &answer);
    check_true(engine_reasoning_is_inside(r));
    check_text(bytes_text(&thought), "why");
    engine_reasoning_push(r, VIEW("nk>"), &thought, &answer);
    check_true(!engine_reasoning_is_inside(r));
    engine_reasoning_free(r);
}

TESTS(RUN(an_answer_without_reasoning_stays_whole), RUN(marks_of_each_family_are_known),
      RUN(a_prompt_that_ends_in_an_open_block_begins_inside),
      RUN(a_block_that_is_never_closed_is_reasoning_to_the_end), RUN(a_later_mark_is_a_word_of_the_answer),
      RUN(channels_of_gpt_oss_are_told_apart), RUN(it_says_whether_the_next_text_is_reasoning))
