#include "ui/cmd/arguments.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/support/check.h"
#include "ui/cmd/chat_input.h"
#include "ui/cmd/commands.h"

static const ui_option own[] = {{"p", "TEXT", "", false},
                                {"top-k", "K", "", false},
                                {"stop", "TEXT", "", true},
                                {"raw", NULL, "", false},
                                {0}};
static const ui_command command = {
    .name = "try", .args = "MODEL [TEXT]", .words_min = 1, .words_max = 2, .options = {own, ui_options_all}};

/* Splits at blanks. */
static err parse(const char *line, ui_arguments *out)
{
    static char words[256];
    static char *argv[32];
    int argc = 0;

    snprintf(words, sizeof words, "try %s", line);
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " ")) argv[argc++] = w;
    return ui_arguments_parse(&command, argc, argv, out);
}

TEST(words_and_options_may_stand_in_any_order)
{
    ui_arguments a;
    check_ok(parse("-p hello model --top-k=5 text --raw", &a));
    check_int(a.word_count, 2);
    check_text(a.words[0], "model");
    check_text(a.words[1], "text");
    check_text(ui_arguments_text(&a, "p"), "hello");
    check_text(ui_arguments_text(&a, "top-k"), "5");
    check_true(ui_arguments_has(&a, "raw"));
    check_true(!ui_arguments_has(&a, "json"));
    check_true(ui_arguments_text(&a, "stop") == NULL);
}

TEST(two_dashes_end_the_options_and_one_is_a_word)
{
    ui_arguments a;
    check_ok(parse("model -- --raw", &a));
    check_text(a.words[1], "--raw");
    check_true(!ui_arguments_has(&a, "raw"));
    check_ok(parse("model -", &a));
    check_text(a.words[1], "-");
    check_ok(parse("model -p -", &a));
    check_text(ui_arguments_text(&a, "p"), "-");
}

TEST(an_option_may_repeat_and_the_last_one_counts)
{
    ui_arguments a;
    check_ok(parse("model --stop one --stop two --top-k 1 --top-k 2", &a));
    check_text(ui_arguments_each(&a, "stop", 0), "one");
    check_text(ui_arguments_each(&a, "stop", 1), "two");
    check_true(ui_arguments_each(&a, "stop", 2) == NULL);
    check_text(ui_arguments_text(&a, "top-k"), "2");
}

TEST(a_slip_is_told_in_one_sentence)
{
    ui_arguments a;
    check_fails(parse("model --nonsense", &a), ERR_USAGE, "unknown option --nonsense");
    check_fails(parse("model -raw", &a), ERR_USAGE, "unknown option -raw");
    check_fails(parse("model --p x", &a), ERR_USAGE, "unknown option --p");
    check_fails(parse("model --top-k", &a), ERR_USAGE, "needs a value: K");
    check_fails(parse("model --raw=1", &a), ERR_USAGE, "takes no value");
    check_fails(parse("", &a), ERR_USAGE, "expected: hyprstream try MODEL [TEXT]");
    check_fails(parse("a b c", &a), ERR_USAGE, "unexpected argument 'c'");
    check_ok(parse("--help", &a));
}

TEST(numbers_are_checked_against_their_range)
{
    ui_arguments a;
    int64_t k = 7;
    double x = 0.5;
    check_ok(parse("model", &a));
    check_ok(ui_arguments_integer(&a, "top-k", 0, 9, &k));
    check_int(k, 7);
    check_ok(parse("model --top-k 10", &a));
    check_fails(ui_arguments_integer(&a, "top-k", 0, 9, &k), ERR_USAGE, "from 0 to 9");
    check_ok(parse("model --top-k 1x", &a));
    check_fails(ui_arguments_integer(&a, "top-k", 0, 9, &k), ERR_USAGE, "a whole number");
    check_ok(parse("model --top-k nan", &a));
    check_fails(ui_arguments_number(&a, "top-k", 0, 9, &x), ERR_USAGE, "a number from 0 to 9");
    check_ok(parse("model --top-k 1e0", &a));
    check_ok(ui_arguments_number(&a, "top-k", 0, 9, &x));
    check_true(x == 1 && k == 7);
}

TEST(a_list_of_numbers_is_parted_by_commas)
{
    ui_arguments a;
    int64_t *list = NULL;
    size_t count = 0;
    check_ok(parse("model --top-k 1,8,16", &a));
    check_ok(ui_arguments_integers(&a, "top-k", 1, 64, &list, &count));
    check_int(count, 3);
    check_int(list[2], 16);
    free(list);
    check_ok(parse("model --top-k 1,,2", &a));
    check_fails(ui_arguments_integers(&a, "top-k", 1, 64, &list, &count), ERR_USAGE,
                "expected a whole number");
    check_ok(parse("model --top-k 1;2", &a));
    check_fails(ui_arguments_integers(&a, "top-k", 1, 64, &list, &count), ERR_USAGE, "separated by commas");
}

TEST(every_command_is_found_and_tells_its_options)
{
    for (const ui_command *const *c = ui_commands; *c; c++) {
        check_true(ui_command_find((*c)->name) == *c);
        check_true((*c)->run && (*c)->help[0] && (*c)->args);
        check_true((*c)->words_max <= UI_WORDS_MAX);
        bool has_json = false;
        for (size_t set = 0; set < UI_OPTION_SETS_MAX && (*c)->options[set]; set++) {
            for (const ui_option *o = (*c)->options[set]; o->name; o++) {
                check_true(o->help[0] != 0);
                has_json |= strcmp(o->name, "json") == 0;
            }
        }
        check_true(has_json);
    }
    check_true(ui_command_find("nothing") == NULL);
    check_fails(ui_command_unknown("infre"), ERR_USAGE, "did you mean infer?");
}

TEST(every_command_has_a_heading_and_every_heading_a_command)
{
    size_t under_a_heading = 0, count = 0;

    for (const ui_group *group = ui_groups; group->name; group++) {
        size_t before = under_a_heading;
        for (const ui_command *const *c = ui_commands; *c; c++)
            under_a_heading += (*c)->group && strcmp((*c)->group, group->name) == 0;
        check_true(under_a_heading > before);
    }
    while (ui_commands[count]) count++;
    check_int(under_a_heading, count);
}

TEST(the_manual_page_names_every_command_and_option)
{
    bytes page = check_read("assets/hyprstream.1");
    for (const ui_command *const *c = ui_commands; *c; c++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "\n.B %s\n", (*c)->name);
        if (!strstr(page.data, wanted)) fail_msg("hyprstream.1 has no command %s", (*c)->name);
        for (size_t set = 0; set < UI_OPTION_SETS_MAX && (*c)->options[set]; set++) {
            for (const ui_option *o = (*c)->options[set]; o->name; o++) {
                snprintf(wanted, sizeof wanted, "%s%s", o->name[1] ? "\\-\\-" : "\\-", o->name);
                for (char *dash = wanted + 4; (dash = strchr(dash, '-')); dash += 2) {
                    memmove(dash + 1, dash, strlen(dash) + 1);
                    *dash = '\\';
                }
                if (!strstr(page.data, wanted)) fail_msg("hyprstream.1 has no %s of %s", wanted, (*c)->name);
            }
        }
    }
    bytes_free(&page);
}

TEST(the_manual_page_has_each_command_under_its_heading)
{
    bytes page = check_read("assets/hyprstream.1");
    for (const ui_group *group = ui_groups; group->name; group++) {
        char heading[64], wanted[64];
        snprintf(heading, sizeof heading, "\n.SS %s\n", group->title);
        const char *begin = strstr(page.data, heading);
        if (!begin) fail_msg("hyprstream.1 has no heading %s", group->title);
        const char *end = strstr(begin + 1, "\n.S");
        for (const ui_command *const *c = ui_commands; *c; c++) {
            if (strcmp((*c)->group, group->name) != 0) continue;
            snprintf(wanted, sizeof wanted, "\n.B %s\n", (*c)->name);
            const char *found = strstr(begin, wanted);
            if (!found || found > end) fail_msg("hyprstream.1 has %s not under %s", (*c)->name, group->title);
        }
    }
    bytes_free(&page);
}

TEST(a_conversation_file_is_a_list_or_holds_one)
{
    CLEANUP(arena_free) arena a = {0};
    engine_chat_input input;
    check_ok(ui_chat_input_read(VIEW("[{\"role\":\"user\",\"content\":\"hi\"}]"), "f", &a, &input));
    check_int(json_count(input.messages), 1);
    check_true(input.add_generation_prompt && !input.tools);
    check_ok(ui_chat_input_read(VIEW("{\"messages\":[],\"tools\":[1],\"continue_final_message\":true}"), "f",
                                &a, &input));
    check_true(input.continue_final_message && !input.add_generation_prompt && input.tools && input.extra);
    check_fails(ui_chat_input_read(VIEW("{}"), "f.json", &a, &input), ERR_FORMAT,
                "f.json: expected a list of messages");
    check_fails(ui_chat_input_read(VIEW("[\n1]"), "f.json", &a, &input), ERR_FORMAT,
                "f.json, line 2: a message is a number");
    check_fails(ui_chat_input_read(VIEW("[{}]"), "f", &a, &input), ERR_FORMAT, "no \"role\"");
    check_fails(ui_chat_input_read(VIEW("[1"), "f", &a, &input), ERR_FORMAT, "f: line 1");
}

TEST(turns_become_messages_whatever_bytes_they_hold)
{
    CLEANUP(arena_free) arena a = {0};
    CLEANUP(ui_turns_free) ui_turns turns = {0};
    engine_chat_input input;
    ui_turns_add(&turns, "user", VIEW("a \"quoted\"\n\xFFline"), VIEW(""));
    ui_turns_add(&turns, "assistant", VIEW("yes"), VIEW("hm"));
    check_ok(ui_turns_input(&turns, &a, &input));
    const json_node *first = json_first(input.messages);
    check_true(bytes_view_is(json_text(json_get(first, "content")), "a \"quoted\"\n\xEF\xBF\xBDline"));
    check_true(json_get(first, "reasoning_content") == NULL);
    check_true(bytes_view_is(json_text(json_get(first->next, "reasoning_content")), "hm"));
    ui_turns_drop(&turns, 1);
    check_int(turns.count, 1);
}

TESTS(RUN(words_and_options_may_stand_in_any_order), RUN(two_dashes_end_the_options_and_one_is_a_word),
      RUN(an_option_may_repeat_and_the_last_one_counts), RUN(a_slip_is_told_in_one_sentence),
      RUN(numbers_are_checked_against_their_range), RUN(a_list_of_numbers_is_parted_by_commas),
      RUN(every_command_is_found_and_tells_its_options),
      RUN(every_command_has_a_heading_and_every_heading_a_command),
      RUN(the_manual_page_names_every_command_and_option),
      RUN(the_manual_page_has_each_command_under_its_heading),
      RUN(a_conversation_file_is_a_list_or_holds_one), RUN(turns_become_messages_whatever_bytes_they_hold))
