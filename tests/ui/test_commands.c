#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/json.h"
#include "base/settings.h"
#include "tests/support/check.h"
#include "tests/support/small_model.h"
#include "ui/cmd/commands.h"

/* A command that was run in a home of its own, with two models: `small`, and `plain` without a chat template.
 */
static struct {
    int status;
    char *out, *err_out;
    arena tree; /* of the answer in JSON */
} ran;
static char models[256];
static volatile sig_atomic_t interrupted;

static const char *variable_get(void *context, const char *name)
{
    (void)context;
    if (strcmp(name, "HOME") == 0) return check_folder();
    return strcmp(name, "HYPRSTREAM_MODELS_DIR") == 0 ? models : NULL;
}

static void given_models(void)
{
    char path[300];

    if (models[0]) return;
    snprintf(models, sizeof models, "%s/models", check_folder());
    snprintf(path, sizeof path, "%s/small", models);
    small_model_write(path, true);
    small_adapter_write(path, "01_turn");
    snprintf(path, sizeof path, "%s/plain", models);
    small_model_write(path, false);
}

static void forget(void)
{
    free(ran.out);
    free(ran.err_out);
    ran.out = ran.err_out = NULL;
    arena_free(&ran.tree);
}

/* Words, ended by NULL; what the command reads is `input`. */
static void run_with(const char *input, const char *const *words)
{
    env environment = {variable_get, NULL};
    folders where = {0};
    size_t out_size, err_size, count = 0;
    char *argv[32];

    given_models();
    forget();
    while (words[count]) {
        argv[count] = memory_text(words[count]);
        count++;
    }
    ui_cli cli = {.interrupted = &interrupted};
    check_ok(folders_find(&environment, &where));
    check_ok(settings_open(&where, &environment, &cli.settings));
    char *source = memory_text(input);
    cli.in = *input ? fmemopen(source, strlen(source), "r") : fopen("/dev/null", "r");
    cli.out = open_memstream(&ran.out, &out_size);
    cli.err_out = open_memstream(&ran.err_out, &err_size);
    ran.status = ui_command_run(ui_command_find(argv[0]), &cli, (int)count, argv);
    fclose(cli.in);
    fclose(cli.out);
    fclose(cli.err_out);
    settings_free(cli.settings);
    folders_free(&where);
    for (size_t i = 0; i < count; i++) free(argv[i]);
    free(source);
}

#define RUN_WITH(input, ...) run_with((input), (const char *const[]){__VA_ARGS__, NULL})
#define WORDS(...)           RUN_WITH("", __VA_ARGS__)

static void check_status(int wanted, const char *words)
{
    if (ran.status != wanted || !strstr(ran.err_out, words))
        fail_msg("status %d, \"%s\"", ran.status, ran.err_out);
}

/* The answer as JSON; the command succeeded. */
static const json_node *answer(void)
{
    const json_node *root = NULL;
    check_status(0, "");
    check_ok(json_parse(bytes_view_of(ran.out), JSON_DEPTH_MAX, &ran.tree, &root));
    return root;
}

static char *kept_output(void)
{
    check_status(0, "");
    return memory_text(ran.out);
}

static bool is_text(const json_node *object, const char *key, const char *wanted)
{
    return bytes_view_is(json_text(json_get(object, key)), wanted);
}

/* -- infer --------------------------------------------------------------------------------------------- */

TEST(infer_tells_what_it_wrote_and_what_it_took)
{
    WORDS("infer", "small", "-p", "hello", "--raw", "--temp", "0", "-n", "8", "--json", "--device", "cpu");
    const json_node *root = answer();
    check_int(json_int(json_get(root, "prompt_tokens"), -1), 5);
    int64_t count = json_int(json_get(root, "completion_tokens"), -1);
    check_int(json_count(json_get(root, "ids")), count);
    check_true(count == 8 ? is_text(root, "finish_reason", "length")
                          : is_text(root, "finish_reason", "stop"));
    check_true(json_is(json_get(root, "text"), JSON_STRING) && json_is(json_get(root, "seed"), JSON_NUMBER));
    check_true(json_double(json_get(json_get(root, "timings"), "prefill_s"), -1) >= 0);
}

TEST(equal_seeds_give_equal_answers)
{
    WORDS("infer", "small", "-p", "a", "--raw", "--temp", "1", "--seed", "7", "-n", "30");
    char *first = kept_output();
    WORDS("infer", "small", "-p", "a", "--raw", "--temp", "1", "--seed", "7", "-n", "30");
    check_text(ran.out, first);
    WORDS("infer", "small", "-p", "a", "--raw", "--temp", "1", "--seed", "8", "-n", "30");
    check_true(strcmp(ran.out, first) != 0);
    free(first);
}

TEST(a_prompt_is_a_users_message_unless_it_is_raw)
{
    WORDS("infer", "small", "-p", "hi", "-n", "1", "--temp", "0", "--json");
    /* <s><|user|>hi<|end|><|assistant|>: three tokens, two letters, thirteen bytes that are no token here */
    check_int(json_int(json_get(answer(), "prompt_tokens"), -1), 3 + 2 + 13);
    WORDS("infer", "small", "-p", "hi", "--system", "s", "-n", "1", "--temp", "0", "--json");
    check_int(json_int(json_get(answer(), "prompt_tokens"), -1), 3 + 2 + 13 + 10 + 1 + 1);
    WORDS("infer", "plain", "-p", "hi");
    check_status(1, "plain has no chat template");
    check_status(1, "--raw");
}

TEST(words_of_a_message_become_no_special_tokens)
{
    WORDS("infer", "small", "-p", "<|end|>", "-n", "1", "--temp", "0", "--json");
    check_int(json_int(json_get(answer(), "prompt_tokens"), -1), 3 + 7 + 13);
    WORDS("infer", "small", "-p", "<|end|>", "--raw", "-n", "1", "--temp", "0", "--json");
    check_int(json_int(json_get(answer(), "prompt_tokens"), -1), 1);
}

TEST(the_prompt_comes_from_standard_input_or_a_file_too)
{
    char path[300], at[320];

    RUN_WITH("hello", "infer", "small", "--raw", "-n", "2", "--temp", "0");
    char *first = kept_output();
    snprintf(path, sizeof path, "%s/prompt", check_folder());
    snprintf(at, sizeof at, "@%s", path);
    check_write(path, "hello", 5);
    WORDS("infer", "small", "-p", at, "--raw", "-n", "2", "--temp", "0");
    check_status(0, "");
    check_text(ran.out, first);
    WORDS("infer", "small", "-p", "@/nowhere/at/all", "--raw");
    check_status(1, "/nowhere/at/all");
    free(first);
}

TEST(an_answer_ends_before_a_stop_text)
{
    char before[256], stop[2] = {0};

    WORDS("infer", "small", "-p", "hello", "--raw", "--temp", "1", "--seed", "3", "-n", "60", "--json");
    bytes_view text = json_text(json_get(answer(), "text"));
    size_t at = 0;
    while (at < text.size && (text.data[at] <= ' ' || text.data[at] > '~')) at++;
    check_true(at < text.size && at < sizeof before);
    snprintf(before, sizeof before, "%.*s", (int)at, text.data);
    stop[0] = text.data[at];
    WORDS("infer", "small", "-p", "hello", "--raw", "--temp", "1", "--seed", "3", "-n", "60", "--json",
          "--stop", stop);
    check_true(is_text(answer(), "text", before));
    check_true(is_text(answer(), "finish_reason", "stop"));
    WORDS("infer", "small", "-p", "x", "--raw", "--stop", "");
    check_status(2, "expected a text of 1 to");
}

TEST(settings_are_what_flags_do_not_say)
{
    WORDS("config", "set", "chat.max_tokens", "3");
    check_status(0, "");
    WORDS("infer", "small", "-p", "x", "--raw", "--temp", "0", "--json");
    check_true(json_int(json_get(answer(), "completion_tokens"), -1) <= 3);
    WORDS("config", "unset", "chat.max_tokens");
    check_status(0, "");
}

TEST(adapters_are_named_and_scaled)
{
    WORDS("infer", "small", "-p", "hello", "--raw", "--temp", "0", "-n", "12");
    char *base = kept_output();
    WORDS("infer", "small", "-p", "hello", "--raw", "--temp", "0", "-n", "12", "--adapter", "turn@0");
    check_status(0, "");
    check_text(ran.out, base);
    WORDS("infer", "small", "-p", "hello", "--raw", "--temp", "0", "-n", "12", "--adapter", "01_turn@4");
    check_status(0, "");
    check_true(strcmp(ran.out, base) != 0);
    free(base);
    WORDS("infer", "small", "-p", "x", "--adapter", "none");
    check_status(1, "there is no adapter none");
    check_status(1, "01_turn");
    WORDS("infer", "small", "-p", "x", "--adapter", "turn@much");
    check_status(2, "expected a number after the @");
}

TEST(an_interrupt_ends_with_130)
{
    interrupted = 1;
    WORDS("infer", "small", "-p", "x", "--raw", "-n", "100");
    interrupted = 0;
    check_status(130, "cancelled");
}

/* -- tokenize, template, score ------------------------------------------------------------------------- */

TEST(tokens_of_a_text_decode_to_it)
{
    WORDS("tokenize", "small", "hi<|end|>", "--json");
    const json_node *root = answer();
    check_int(json_count(json_get(root, "ids")), 3);
    check_int(json_int(json_first(json_get(root, "ids")), -1), 'h');
    check_true(bytes_view_is(json_text(json_first(json_get(root, "tokens"))), "h"));
    WORDS("tokenize", "small", "--decode", "--ids", "104,105,259", "--json");
    check_true(is_text(answer(), "text", "hi<|end|>"));
    WORDS("tokenize", "small", "hi<|end|>", "--no-special", "--json");
    check_int(json_count(json_get(answer(), "ids")), 9);
    WORDS("tokenize", "small", "--decode", "--ids", "260");
    check_status(2, "past the vocabulary of 260 tokens");
    WORDS("tokenize", "small", "--decode");
    check_status(2, "needs --ids");
}

TEST(a_conversation_is_rendered_as_the_template_says)
{
    char path[300];

    snprintf(path, sizeof path, "%s/talk.json", check_folder());
    check_write(path, "[{\"role\":\"user\",\"content\":\"hi\"}]", 32);
    WORDS("template", "small", path);
    check_status(0, "");
    check_text(ran.out, "<s><|user|>hi<|end|><|assistant|>");
    WORDS("template", "small", path, "--no-generation-prompt", "--json");
    check_true(is_text(answer(), "text", "<s><|user|>hi<|end|>"));
    WORDS("infer", "small", "--messages", path, "-n", "1", "--temp", "0", "--json");
    check_int(json_int(json_get(answer(), "prompt_tokens"), -1), 3 + 2 + 13);
    check_write(path, "{\"role\": 1}", 11);
    WORDS("template", "small", path);
    check_status(1, "expected a list of messages");
}

TEST(scores_are_logarithms_of_each_token_given_those_before)
{
    WORDS("score", "small", "--ids", "104,105,106", "--top", "2", "--next", "--json");
    const json_node *root = answer(), *entry = json_first(json_get(root, "tokens"));
    double sum = 0;

    check_int(json_count(json_get(root, "tokens")), 4);
    check_true(json_is_null(json_get(entry, "logprob")));
    for (int i = 1; i < 3; i++) {
        entry = entry->next;
        check_int(json_int(json_get(entry, "id"), -1), 104 + i);
        check_int(json_count(json_get(entry, "top")), 2);
        check_true(json_double(json_get(entry, "logprob"), 1) < 0);
        sum += json_double(json_get(entry, "logprob"), 1);
    }
    check_true(fabs(json_double(json_get(root, "perplexity"), 0) - exp(-sum / 2)) < 1e-3);
    int64_t likeliest = json_int(json_get(json_first(json_get(entry->next, "top")), "id"), -1);
    WORDS("infer", "small", "-p", "hij", "--raw", "--temp", "0", "-n", "1", "--json");
    check_int(json_int(json_first(json_get(answer(), "ids")), likeliest), likeliest);
    WORDS("score", "small", "--text", "hij");
    check_status(0, "");
    check_true(strstr(ran.out, "perplexity ") != NULL);
}

TEST(one_token_has_no_perplexity)
{
    WORDS("score", "small", "--ids", "5", "--json");
    check_true(json_is(json_get(answer(), "perplexity"), JSON_NULL));
    WORDS("score", "small");
    check_status(2, "one of --text, --ids and --file");
    WORDS("score", "small", "--ids", "260");
    check_status(2, "from 0 to 259");
}

/* -- chat ---------------------------------------------------------------------------------------------- */

TEST(a_chat_answers_each_line_and_can_go_back)
{
    arena tree = {0};
    const json_node *first = NULL, *second = NULL;

    RUN_WITH("hi\n/undo\nhi\n/quit\nmore\n", "chat", "small", "--temp", "0", "-n", "4", "--json");
    check_status(0, "");
    char *end = strchr(ran.out, '\n');
    check_true(end && strchr(end + 1, '\n') && !strchr(strchr(end + 1, '\n') + 1, '\n'));
    check_ok(json_parse((bytes_view){ran.out, (size_t)(end - ran.out)}, 8, &tree, &first));
    check_ok(json_parse(bytes_view_of(end + 1), 8, &tree, &second));
    check_true(bytes_view_equal(json_text(json_get(first, "text")), json_text(json_get(second, "text"))));
    check_int(json_int(json_get(first, "prompt_tokens"), 0), json_int(json_get(second, "prompt_tokens"), 1));
    check_true(json_int(json_get(second, "cached_tokens"), 0) > 0);
    arena_free(&tree);
    RUN_WITH("/nothing\n", "chat", "small");
    check_status(2, "there is no /nothing");
    RUN_WITH("hi\n", "chat", "plain");
    check_status(1, "no chat template");
}

/* -- the rest ------------------------------------------------------------------------------------------ */

TEST(inspect_and_list_tell_what_a_model_is)
{
    WORDS("inspect", "small", "--context", "64", "--json");
    const json_node *root = answer();
    check_true(is_text(root, "model_type", "llama"));
    check_int(json_int(json_get(root, "context"), -1), SMALL_MODEL_CONTEXT);
    check_int(json_int(json_get(root, "vocab"), -1), SMALL_MODEL_VOCAB);
    /* 2 layers, keys and values, 1 head of 8, 64 tokens, 4 bytes */
    check_int(json_int(json_get(json_get(root, "memory"), "cache_bytes"), -1), 2 * 2 * 8 * 64 * 4);
    WORDS("inspect", "small", "--context", "1000");
    check_status(2, "from 1 to 128");
    WORDS("inspect", "small");
    check_status(0, "");
    check_true(strstr(ran.out, "stored as") != NULL);
    WORDS("list", "--json");
    check_int(json_count(json_get(answer(), "models")), 2);
    WORDS("list");
    check_true(strstr(ran.out, "plain") && strstr(ran.out, "small"));
}

TEST(bench_measures)
{
    WORDS("bench", "small", "-p", "16", "-n", "16", "-b", "1,3", "--json");
    const json_node *root = answer();
    check_true(json_double(json_get(root, "prefill_tok_s"), 0) > 0);
    check_true(json_double(json_get(root, "decode_tok_s"), 0) > 0);
    check_true(json_double(json_get(root, "load_s"), 0) > 0);
    check_true(json_double(json_get(root, "peak_bytes"), 0) > 1e6);
    check_int(json_count(json_get(root, "batch")), 2);
    check_int(json_int(json_get(json_first(json_get(root, "batch"))->next, "streams"), 0), 3);
    WORDS("bench", "small", "-p", "100", "-n", "100");
    check_status(2, "context of 128");
}

TEST(settings_are_set_and_told)
{
    WORDS("config", "set", "ui.color", "256");
    WORDS("config", "get", "ui.color");
    check_text(ran.out, "256\n");
    WORDS("config", "list", "--json");
    check_true(json_count(json_get(answer(), "settings")) > 10);
    WORDS("config", "set", "ui.color", "pink");
    check_status(2, "expected one of");
    WORDS("config", "get", "ui.colour");
    check_status(1, "did you mean ui.color?");
    WORDS("config", "turn");
    check_status(2, "expected get, set, unset or list");
    WORDS("config", "unset", "ui.color");
    check_status(0, "");
}

TEST(a_model_is_a_path_or_a_name)
{
    char path[300];

    snprintf(path, sizeof path, "%s/small", models);
    WORDS("tokenize", path, "a");
    check_status(0, "");
    WORDS("tokenize", "~/models/small", "a");
    check_status(0, "");
    WORDS("tokenize", "smal", "a");
    check_status(1, "did you mean small?");
    WORDS("tokenize", "./nowhere", "a");
    check_status(1, "there is no folder ./nowhere");
    WORDS("tokenize", "", "a");
    check_status(2, "MODEL is empty");
}

TEST(slips_of_the_person_are_status_2)
{
    WORDS("infer");
    check_status(2, "expected: hyprstream infer MODEL");
    WORDS("infer", "small", "--temp", "hot", "-p", "x", "--raw");
    check_status(2, "expected a number from 0 to 5");
    WORDS("infer", "small", "--device", "gpu", "-p", "x");
    check_status(2, "expected auto, cpu or cuda:N");
    WORDS("infer", "small", "--dtype", "f64", "-p", "x");
    check_status(2, "expected auto, f32, bf16, int8 or nf4");
    WORDS("infer", "small", "--raw", "-p", "");
    check_status(2, "the prompt is empty");
    WORDS("infer", "small", "--raw", "--system", "s", "-p", "x");
    check_status(2, "leave out --system");
    WORDS("infer", "small", "--messages", "f", "-p", "x");
    check_status(2, "leave out -p");
    WORDS("help", "infre");
    check_status(2, "did you mean infer?");
}

TEST(help_is_there_for_people_and_programs)
{
    WORDS("help");
    check_status(0, "");
    const char *history = strstr(ran.out, "\nHistory\n");
    check_true(history && strstr(history, "\n  cherry-pick   Make the change") != NULL);
    check_true(strstr(history, "\n  infer ") == NULL);
    for (const char *line = ran.out; *line; line += strcspn(line, "\n") + 1)
        check_true(strcspn(line, "\n") <= 80);
    WORDS("help", "--json");
    check_true(json_count(json_get(answer(), "groups")) >= 7);
    check_true(json_count(json_get(answer(), "commands")) >= 11 &&
               json_count(json_get(answer(), "actions")) > 20);
    WORDS("score", "--help");
    check_status(0, "");
    check_true(strstr(ran.out, "--next") != NULL);
}

TEST(a_story_goes_on_word_for_word)
{
    const char *data = check_shared_data();
    char path[4096];

    if (!data) skip();
    char *real = realpath(data, NULL);
    snprintf(path, sizeof path, "%s/models/stories260K", real);
    free(real);
    WORDS("infer", path, "-p", "Once upon a time", "--raw", "--temp", "0", "-n", "60");
    check_status(0, "");
    check_true(
        strncmp(ran.out,
                ", there was a little girl named Lily. She loved to play outside in the park. One day, she "
                "saw a big, red ball. She wanted to play with it, but it was too high.",
                159) == 0);
}

TEST(the_last_test_leaves_nothing) { forget(); }

TESTS(RUN(infer_tells_what_it_wrote_and_what_it_took), RUN(equal_seeds_give_equal_answers),
      RUN(a_prompt_is_a_users_message_unless_it_is_raw), RUN(words_of_a_message_become_no_special_tokens),
      RUN(the_prompt_comes_from_standard_input_or_a_file_too), RUN(an_answer_ends_before_a_stop_text),
      RUN(settings_are_what_flags_do_not_say), RUN(adapters_are_named_and_scaled),
      RUN(an_interrupt_ends_with_130), RUN(tokens_of_a_text_decode_to_it),
      RUN(a_conversation_is_rendered_as_the_template_says),
      RUN(scores_are_logarithms_of_each_token_given_those_before), RUN(one_token_has_no_perplexity),
      RUN(a_chat_answers_each_line_and_can_go_back), RUN(inspect_and_list_tell_what_a_model_is),
      RUN(bench_measures), RUN(settings_are_set_and_told), RUN(a_model_is_a_path_or_a_name),
      RUN(slips_of_the_person_are_status_2), RUN(help_is_there_for_people_and_programs),
      RUN(a_story_goes_on_word_for_word), RUN(the_last_test_leaves_nothing))
