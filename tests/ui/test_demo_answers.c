/* The demo model's answers name only keys and commands that the program has. */
#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/check.h"
#include "ui/app/action.h"
#include "ui/cmd/command.h"

static bool command_has_option(const ui_command *command, const char *name)
{
    for (size_t set = 0; set < UI_OPTION_SETS_MAX && command->options[set]; set++)
        for (const ui_option *o = command->options[set]; o->name; o++)
            if (strcmp(o->name, name) == 0) return true;
    return false;
}

/* "hyprstream infer MODEL -p TEXT --adapter NAME@SCALE": the command and each of its options exist. */
static void check_command_line(char *line)
{
    char *rest = NULL;
    strtok_r(line, " ", &rest);
    const char *name = strtok_r(NULL, " ", &rest);
    const ui_command *command = name ? ui_command_find(name) : NULL;
    if (!command) fail_msg("the program has no command %s", name);
    for (char *word; (word = strtok_r(NULL, " ", &rest));)
        if (word[0] == '-' && !command_has_option(command, word + strspn(word, "-")))
            fail_msg("%s has no option %s", name, word);
}

static bool is_a_key(const char *key)
{
    for (const ui_action *a = ui_actions; a->name; a++)
        if (strcmp(a->key, key) == 0) return true;
    return false;
}

/* "Press Esc, then o, then d": the last key is the action's own, the others lead there. */
static void check_keys(const char *intent, char *names)
{
    const ui_action *action = ui_action_find(intent);
    if (!action) fail_msg("no action is called %s", intent);
    const char *last = strrchr(names, ' ') + 1;
    if (strcmp(last, action->key) != 0)
        fail_msg("%s is said to be %s, but its key is %s", intent, last, action->key);
    for (char *word = strtok(names, " ,()"); word; word = strtok(NULL, " ,()"))
        if ((strchr(word, '-') || (word[0] == 'F' && isdigit((unsigned char)word[1])) || strlen(word) == 1) &&
            !is_a_key(word))
            fail_msg("%s: no key is called %s", intent, word);
}

TEST(every_answer_names_keys_and_commands_that_exist)
{
    CLEANUP(bytes_free) bytes source = check_read("assets/demo/answers.json");
    CLEANUP(arena_free) arena scratch = {0};
    const json_node *rows = NULL;
    size_t checked = 0;
    check_ok(json_parse(bytes_borrow(&source), 4, &scratch, &rows));
    for (const json_node *row = json_first(rows); row; row = row->next) {
        bytes_view names = json_text(json_get(row, "names"));
        if (!names.size) continue;
        char *copy = arena_text_n(&scratch, names.data, names.size);
        bytes_view intent = json_text(json_get(row, "intent"));
        if (strncmp(copy, "hyprstream ", 11) == 0)
            check_command_line(copy);
        else
            check_keys(arena_text_n(&scratch, intent.data, intent.size), copy);
        checked++;
    }
    check_true(checked > 40);
}

TESTS(RUN(every_answer_names_keys_and_commands_that_exist))
