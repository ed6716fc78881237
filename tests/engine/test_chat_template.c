#include "engine/text/chat_template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/support/check.h"

static arena scratch;

static int begin(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&scratch);
    return 0;
}

static const json_node *json(const char *text)
{
    const json_node *root = NULL;
    check_ok(json_parse(bytes_view_of(text), JSON_DEPTH_MAX, &scratch, &root));
    return root;
}

enum { NOW = 1753533296 }; /* 2025-07-26 12:34:56 */

static err render(const char *source, const engine_chat_input *input, engine_chat_text *out)
{
    engine_chat_template *t = NULL;
    err e = engine_chat_template_parse(bytes_view_of(source), "t.jinja", &t);
    if (!e.code) e = engine_chat_template_render(t, input, out);
    engine_chat_template_free(t);
    return e;
}

/* The text of a template with one user message and these further variables. */
static char *rendered(const char *source, const char *extra)
{
    engine_chat_input input = {
        .messages = json("[{\"role\":\"user\",\"content\":\"hi\"}]"), .extra = json(extra), .now = NOW};
    engine_chat_text text = {0};
    check_ok(render(source, &input, &text));
    char *copy = arena_text(&scratch, bytes_text(&text.text));
    engine_chat_text_free(&text);
    return copy;
}

#define gives(source, extra, wanted) check_text(rendered(source, extra), wanted)

static err failing(const char *source, const char *extra)
{
    engine_chat_input input = {
        .messages = json("[{\"role\":\"user\",\"content\":\"hi\"}]"), .extra = json(extra), .now = NOW};
    engine_chat_text text = {0};
    err e = render(source, &input, &text);
    engine_chat_text_free(&text);
    return e;
}

#define fails(source, code, words) check_fails(failing(source, "{}"), code, words)

/* ---- the language ---- */

TEST(white_space_goes_where_blocks_and_signs_take_it)
{
    gives("{% if true %}\nA\n{% endif %}\nB\n", "{}", "A\nB");
    gives("x {% if true %}\n y {% endif %}\nz", "{}", "x  y z");
    gives("  {%+ if true %}A{% endif %}", "{}", "  A");
    gives("A\n  {{- 1 }}\n  {{ 2 -}}  \n B", "{}", "A1\n  2B");
    gives("{# c #}\r\nA\r\n\r\n", "{}", "A\n");
    gives("{% raw %}{{ x }}{% endraw %}\n!", "{}", "{{ x }}!");
    gives("{{ {'a': {'b': 1}}.a.b }}", "{}", "1");
}

TEST(operators_bind_as_in_jinja)
{
    gives("{{ -2 ** 2 }} {{ 2 ** 3 ** 2 }} {{ -3|abs }} {{ 7 // -2 }} {{ -7 % 3 }} {{ 6 / 2 }}", "{}",
          "4 64 3 -4 2 3.0");
    gives("{{ 'a' ~ 1 ~ none }} {{ 1 < 2 < 3 }} {{ (3 > 2) == 1 }} {{ not 1 is defined }}", "{}",
          "a1None True True False");
    gives("{{ 1 if 0 else 2 if 0 else 3 }}{{ 1 if 0 }}{{ '' or 'd' }}{{ 0 and 1 }}", "{}", "3d0");
    gives("{{ 3 not in [1, 2] }} {{ 'b' in 'abc' and not 'x' in 'abc' }}", "{}", "True True");
}

TEST(loops_know_where_they_are)
{
    gives("{% for i in l %}{{ loop.index }}{{ loop.previtem }}{{ loop.last }};{% endfor %}", "{\"l\":[5,6]}",
          "1False;25True;");
    gives("{% for i in l if i > 1 %}{{ i }}/{{ loop.length }} {% else %}none{% endfor %}", "{\"l\":[1,2,3]}",
          "2/2 3/2 ");
    gives("{% for i in [] %}x{% else %}none{% endfor %}", "{}", "none");
    gives("{% for k, v in d|items recursive %}{{ k }}{{ loop(v|items) if v }}{{ loop.depth }}{% endfor %}",
          "{\"d\":{\"a\":{\"b\":{}}}}", "ab21");
    gives("{% for i in range(9) %}{% if i == 1 %}{% continue %}{% elif i == 3 %}{% break %}{% endif %}{{ i "
          "}}{% endfor %}",
          "{}", "02");
}

TEST(names_live_in_scopes)
{
    gives("{% set x = 1 %}{% for i in [2] %}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "{}", "21");
    gives("{% if true %}{% set x = 1 %}{% endif %}{{ x }}", "{}", "1");
    gives("{% set ns = namespace(a=0) %}{% for i in [2, 3] %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}",
          "{}", "5");
    gives("{% macro f(a, b=a) %}{{ a }}{{ b }}{{ t }}{% endmacro %}{% set t = '!' %}{{ f(1) }}{{ f(b=2, a=3) "
          "}}",
          "{}", "11!32!");
    gives("{% macro f(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ f(*[1, 2]) }}{{ f(**{'b': 4, 'a': 3}) }}", "{}",
          "1234");
    gives("{% set b %}in {{ x }}{% endset %}[{{ b|upper }}]{% filter replace('a', 'b') %}aa{% endfilter %}",
          "{\"x\":1}", "[IN 1]bb");
}

TEST(macros_get_what_no_parameter_took)
{
    gives("{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, b=4) }}", "{}",
          "1(2, 3){'b': 4}");
    fails("{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}", ERR_FORMAT, "takes not more than 1 arguments");
    fails("{% macro f(a) %}{% endmacro %}{{ f(b=2) }}", ERR_FORMAT, "macro 'f' has no parameter of a name");
    fails("{% macro f(a) %}{% endmacro %}{{ f(1, a=2) }}", ERR_FORMAT, "two values for 'a'");
}

TEST(values_print_as_python_prints_them)
{
    gives("{{ v }}", "{\"v\":[1,2.0,null,true,\"it's\",\"\\u0001\",1e22,123456789012345678901234567890]}",
          "[1, 2.0, None, True, \"it's\", '\\x01', 1e+22, 123456789012345678901234567890]");
    gives("{{ v|tojson }} {{ {1: (2,)}|tojson(indent=1) }}", "{\"v\":{\"b\":\"é<&>\\n\",\"a\":2.50}}",
          "{\"b\": \"é<&>\\n\", \"a\": 2.5} {\n \"1\": [\n  2\n ]\n}");
    gives("{{ '%5.1f|%-4s|%03d|%x' % (2.25, 'ab', -7, 255) }}", "{}", "  2.2|ab  |-07|ff");
    gives("{{ nothing }}{{ nothing|default('d') }}{{ nothing|length }}{{ [nothing] }}", "{}",
          "d0[Undefined]");
    gives("{{ '<b>'|safe + '<' }} {{ ['x'|safe] }}", "{}", "<b>&lt; [Markup('x')]");
}

TEST(filters_tests_and_methods_do_their_work)
{
    gives("{{ l|selectattr('k', 'eq', 1)|map(attribute='v')|join('+') }} {{ none|map('upper')|list }}",
          "{\"l\":[{\"k\":1,\"v\":\"a\"},{\"k\":2,\"v\":\"b\"},{\"k\":1,\"v\":\"c\"}]}", "a+c []");
    gives("{{ l|sort(attribute='v,k', reverse=true)|map(attribute='k')|list }}",
          "{\"l\":[{\"k\":1,\"v\":1},{\"k\":2,\"v\":1}]}", "[2, 1]");
    gives("{{ 'a b'.split() }}{{ 'a--b'.split('-', 1) }}{{ 'x'.join(['1', '2']) }}{{ 'abcabc'.rfind('b') }}",
          "{}", "['a', 'b']['a', '-b']1x24");
    gives("{{ \"it's\".title() }} {{ \"it's (x\"|title }} {{ 'ß'|upper }} {{ '日本'[1] }}{{ '日本'|length }}",
          "{}", "It'S It's (X SS 本2");
    gives("{% set x = [1] %}{% set y = x + [2] %}{% set z = x + [3] %}{% set q = x.append(4) %}{{ x }}{{ y "
          "}}{{ z }}{{ x.pop(0) }}{{ x }}",
          "{}", "[1, 4][1, 2][1, 3]1[4]");
    gives("{% set d = {'a': 1} %}{{ d.update({'b': 2}) or d.pop('a') }}{{ d }}{{ d.get('q', 7) }}", "{}",
          "1{'b': 2}7");
    gives("{{ 1 is true }} {{ 'a' is string }} {{ {} is mapping }} {{ nothing is iterable }} {{ 4 is "
          "divisibleby 2 }}",
          "{}", "False True True True True");
    gives("{{ '{\"a\": [1.0]}'|from_json }} {{ '7'|int + 'x'|int(1) }} {{ 2.5|round }} {{ 10000000000 * "
          "10000000000 }}",
          "{}", "{'a': [1.0]} 8 2.0 100000000000000000000");
}

TEST(the_clock_is_given)
{
    gives("{{ strftime_now('%d %b %Y') }}, {{ strftime_now('%B %-d, %H:%M') }}", "{}",
          "26 Jul 2025, July 26, 12:34");
}

/* ---- what is refused ---- */

TEST(errors_name_file_and_line)
{
    fails("a\nb {{ 1 + }}", ERR_FORMAT, "t.jinja, line 2: expected an expression, found '}}'");
    fails("\n\n{{ nothing.x }}", ERR_FORMAT, "t.jinja, line 3: 'nothing' is undefined");
    fails("{{ messages[0].a.b }}", ERR_FORMAT, "t.jinja, line 1: 'dict object' has no attribute 'a'");
    fails("{{ raise_exception('no ' ~ 'way') }}", ERR_UNSUPPORTED, "t.jinja, line 1: no way");
    fails("{% for x in y %}", ERR_FORMAT, "expected {% endfor %}, found the end of the template");
    fails("{{ 'a' + 1 }}", ERR_FORMAT, "'+' does not work on str and int");
    fails("{{ [1]|tojson(x=1) }}", ERR_FORMAT, "tojson() cannot take an argument 'x'");
    fails("{{ 1|nofilter }}", ERR_UNSUPPORTED, "no filter named 'nofilter'");
    fails("{% set ns = namespace() %}{% set ns._x = 1 %}", ERR_FORMAT, "begins with '_'");
    fails("{# x", ERR_FORMAT, "expected '#}'");
    fails("\n{{ 'x", ERR_FORMAT, "line 2: expected ' at the end of a string");
    fails("{{ (1] }}", ERR_FORMAT, "expected ')', found ']'");
    fails("{% break %}", ERR_FORMAT, "inside a loop");
    fails("\xC3", ERR_FORMAT, "expected valid UTF-8");
}

TEST(tags_that_are_left_out_are_refused_by_name)
{
    static const char *const names[] = {"include", "import", "extends",   "block",
                                        "call",    "with",   "autoescape"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *source = arena_printf(&scratch, "{%% %s x %%}", names[i]);
        fails(source, ERR_UNSUPPORTED, arena_printf(&scratch, "the tag '%s' is not supported", names[i]));
    }
}

TEST(every_limit_is_an_error)
{
    fails("{{ range(100001) }}", ERR_LIMIT, "range() is longer than the limit of 100000");
    fails("{{ 'x' * 70000000 }}", ERR_LIMIT, "64 MiB");
    fails("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", ERR_LIMIT,
          "nested deeper than the limit of 1000");
    fails("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", ERR_LIMIT, "");
    fails("{% set ns = namespace(l=[]) %}{% for i in range(2000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ "
          "ns.l }}",
          ERR_LIMIT, "deeper");
    fails("{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
          ERR_LIMIT, "memory");
    fails("{{ 2 ** 200 }}", ERR_LIMIT, "128 bits");
    char *deep = memory_alloc(6001);
    memset(deep, '(', 6000);
    fails(arena_printf(&scratch, "{{ %s", deep), ERR_FORMAT, "brackets are nested deeper");
    memset(deep, '-', 6000);
    fails(arena_printf(&scratch, "{{ %s1 }}", deep), ERR_LIMIT, "nested deeper");
    free(deep);
    bytes_view huge = {memory_alloc(ENGINE_CHAT_SOURCE_BYTES_MAX + 1), ENGINE_CHAT_SOURCE_BYTES_MAX + 1};
    engine_chat_template *t = NULL;
    check_fails(engine_chat_template_parse(huge, "huge", &t), ERR_LIMIT, "longer than the limit");
    free((char *)(uintptr_t)huge.data);
}

TEST(messages_must_be_objects_in_an_array)
{
    engine_chat_text text = {0};
    check_fails(render("x", &(engine_chat_input){.messages = json("{}")}, &text), ERR_USAGE,
                "expected an array");
    check_fails(render("x", &(engine_chat_input){.messages = json("[{}, 1]")}, &text), ERR_USAGE,
                "messages[1]: expected an object");
    check_fails(render("x", &(engine_chat_input){.messages = json("[]"), .tools = json("{}")}, &text),
                ERR_USAGE, "tools");
}

/* ---- where characters came from ---- */

/* The text with its data in (), and blocks that were generated in []. */
static char *spans_shown(const char *source, const char *messages)
{
    engine_chat_input input = {.messages = json(messages), .bos = VIEW("<s>"), .now = NOW};
    engine_chat_text text = {0};
    check_ok(render(source, &input, &text));
    CLEANUP(bytes_free) bytes shown = {0};
    for (size_t i = 0; i <= text.text.size; i++) {
        for (size_t s = 0; s < text.data_count; s++)
            if (text.data[s].end == i) bytes_append_byte(&shown, ')');
        for (size_t s = 0; s < text.generation_count; s++)
            if (text.generation[s].end == i) bytes_append_byte(&shown, ']');
        for (size_t s = 0; s < text.generation_count; s++)
            if (text.generation[s].begin == i) bytes_append_byte(&shown, '[');
        for (size_t s = 0; s < text.data_count; s++)
            if (text.data[s].begin == i) bytes_append_byte(&shown, '(');
        if (i < text.text.size) bytes_append_byte(&shown, text.text.data[i]);
    }
    engine_chat_text_free(&text);
    return arena_text(&scratch, bytes_text(&shown));
}

#define USER_SAYS(text) "[{\"role\":\"user\",\"content\":\"" text "\"}]"

TEST(data_is_followed_through_everything_that_makes_text)
{
    check_text(
        spans_shown("{{ bos_token }}<|{{ messages[0].role }}|>{{ messages[0].content }}\n", USER_SAYS("hi")),
        "<s><|user|>(hi)");
    check_text(spans_shown("<|{{ messages[0].role }}|>", "[{\"role\":\"im_end\"}]"), "<|(im_end)|>");
    check_text(
        spans_shown("{% set c = messages[0].content %}{{ '<' + c[1:] ~ '>' + c|upper }}", USER_SAYS("abc")),
        "<(bc)>(ABC)");
    check_text(spans_shown("{{ ('-' ~ messages[0].content ~ '-')[::-1] }}", USER_SAYS("abc")), "-(cba)-");
    check_text(
        spans_shown("{{ messages[0].content.replace('b', '<b>').split('c')|join('|') }}", USER_SAYS("abcd")),
        "(a)<b>|(d)");
    check_text(spans_shown("{{ messages|tojson }}", USER_SAYS("a\\nb")),
               "[{\"(role)\": \"user\", \"(content)\": \"(a\\nb)\"}]");
    check_text(
        spans_shown("{{ messages[0].content|list }}{{ '[%s]' % messages[0].content }}", USER_SAYS("ab")),
        "['(a)', '(b)'][(ab)]");
    check_text(spans_shown("{% macro f(x) %}<{{ x|trim }}>{% endmacro %}{% set y %}{{ f(messages[0].content) "
                           "}}{% endset %}{{ y ~ y }}",
                           USER_SAYS(" a ")),
               "<(a)><(a)>");
    check_text(spans_shown("{{ (messages[0].content + ' <x>')|title|indent(1, true)|replace('X', 'y') }}",
                           USER_SAYS("it")),
               " (It) <y>");
}

TEST(generation_blocks_are_told_apart)
{
    check_text(spans_shown("a{% generation %}b{{ messages[0].content }}{% endgeneration %}{% generation "
                           "%}c{% endgeneration %}"
                           "{% generation %}{% endgeneration %}d",
                           USER_SAYS("x")),
               "a[b(x)][c]d");
    check_text(spans_shown("{% set y %}a{% generation %}b{% endgeneration %}c{% endset %}{{ y|upper }}",
                           USER_SAYS("x")),
               "A[B]C");
}

TEST(appending_in_a_loop_is_not_quadratic)
{
    gives(
        "{% set ns = namespace(s='', l=[]) %}{% for i in range(100000) %}{% set ns.s = ns.s + 'abcdefghij' %}"
        "{% set ns.l = ns.l + [i] %}{% endfor %}{{ ns.s|length }} {{ ns.l|length }}",
        "{}", "1000000 100000");
}

/* ---- what is done to messages ---- */

static char *prepared(const char *source, const char *messages, engine_chat_form form)
{
    engine_chat_input input = {.messages = json(messages), .form = form, .now = NOW};
    engine_chat_text text = {0};
    check_ok(render(source, &input, &text));
    char *copy = arena_text(&scratch, bytes_text(&text.text));
    engine_chat_text_free(&text);
    return copy;
}

TEST(null_keys_go_and_reasoning_gets_its_names)
{
    const char *messages = "[{\"role\":\"assistant\",\"content\":null,\"reasoning\":\"r\"}]",
               *source = "{{ messages[0] }}";
    check_text(prepared(source, messages, ENGINE_CHAT_FORM_GIVEN),
               "{'role': 'assistant', 'content': None, 'reasoning': 'r'}");
    check_text(prepared(source, messages, ENGINE_CHAT_FORM_TRANSFORMERS),
               "{'role': 'assistant', 'reasoning': 'r', 'reasoning_content': 'r', 'thinking': 'r'}");
    check_text(prepared("{{ messages[0].content is string }}", messages, ENGINE_CHAT_FORM_OPENAI), "True");
}

#define CALLS                                                                                                \
    "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": "    \
    "1}\"}}]}]"

TEST(arguments_become_objects_or_stay_text_as_the_template_wants)
{
    const char *object = "{{ messages[0].tool_calls[0].function.arguments.a + 1 }}",
               *text = "{{ '' + messages[0].tool_calls[0].function.arguments }}";
    check_text(prepared(object, CALLS, ENGINE_CHAT_FORM_OPENAI), "2");
    check_text(prepared(text, CALLS, ENGINE_CHAT_FORM_OPENAI), "{\"a\": 1}");
    check_text(prepared(text, CALLS, ENGINE_CHAT_FORM_TRANSFORMERS), "{\"a\": 1}");
}

TEST(text_parts_are_joined_for_templates_that_read_none)
{
    const char *parts = "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
                        "\"text\",\"text\":\"b\"}]}]";
    check_text(prepared("{{ messages[0].content }}", parts, ENGINE_CHAT_FORM_OPENAI), "ab");
    check_text(
        prepared("{{ messages[0].content|map(attribute='text')|join('|') }}", parts, ENGINE_CHAT_FORM_OPENAI),
        "a|b");
}

static err continued(const char *source, const char *messages, char **out)
{
    engine_chat_input input = {
        .messages = json(messages), .continue_final_message = true, .form = ENGINE_CHAT_FORM_TRANSFORMERS};
    engine_chat_text text = {0};
    err e = render(source, &input, &text);
    if (!e.code) *out = arena_text(&scratch, bytes_text(&text.text));
    engine_chat_text_free(&text);
    return e;
}

TEST(a_final_message_can_be_continued)
{
    char *text = NULL;
    check_ok(continued("<{{ messages[0].content }}></s>", USER_SAYS("so it "), &text));
    check_text(text, "<so it ");
    check_ok(continued("<{{ messages[0].content|trim }}></s>", USER_SAYS("so it "), &text));
    check_text(text, "<so it");
    check_ok(continued("<{{ messages[0].content[0].text }}></s>",
                       "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}]", &text));
    check_text(text, "<a");
    check_fails(continued("nothing", USER_SAYS("a"), &text), ERR_UNSUPPORTED, "cannot be continued");
    check_fails(continued("x", "[{\"role\":\"user\"}]", &text), ERR_USAGE, "no text");
}

/* ---- abilities, finding ---- */

static engine_chat_abilities abilities(const char *source)
{
    engine_chat_template *t = NULL;
    check_ok(engine_chat_template_parse(bytes_view_of(source), "t", &t));
    check_true(bytes_view_is(engine_chat_template_borrow_source(t), source));
    engine_chat_abilities a = engine_chat_template_abilities(t);
    engine_chat_template_free(t);
    return a;
}

TEST(abilities_are_seen_in_what_a_template_prints)
{
    engine_chat_abilities a =
        abilities("{% for m in messages %}{{ m.role + ': ' + m.content }}\n{% endfor %}");
    check_true(a.system && a.same_role_twice && !a.tools && !a.tool_calls && !a.parts && !a.reasoning &&
               !a.thinking_switch);
    a = abilities(
        "{% if messages[0].role != 'user' %}{{ raise_exception('no') }}{% endif %}{{ tools|tojson }}"
        "{% for m in messages %}{% if not loop.first and m.role == loop.previtem.role %}{{ "
        "raise_exception('no') }}{% endif %}"
        "{% for c in m.tool_calls %}{{ c.function }}{% endfor %}{{ m.reasoning_content }}"
        "{% if m.content is string %}{{ m.content }}{% else %}{{ m.content[0].text }}{% endif %}{% endfor %}"
        "{% if enable_thinking %}<think>{% endif %}");
    check_true(!a.system && !a.same_role_twice && a.tools && a.tool_calls && a.parts && a.reasoning &&
               a.thinking_switch);
    check_true(!abilities("{{ messages }}").parts);
}

static void finds(const engine_chat_sources *sources, const char *name, bool tools, const char *wanted)
{
    CLEANUP(bytes_free) bytes source = {0};
    check_ok(engine_chat_template_find(sources, name, tools, &source));
    check_text(bytes_text(&source), wanted);
}

TEST(the_template_of_a_folder_is_found)
{
    bytes_view config = VIEW("{\"chat_template\": [{\"name\": \"default\", \"template\": \"d\"}, {\"name\": "
                             "\"tool_use\", \"template\": \"u\"}]}");
    engine_chat_named_source more = {"rag", VIEW("r")};
    finds(&(engine_chat_sources){.tokenizer_config_json = config}, NULL, false, "d");
    finds(&(engine_chat_sources){.tokenizer_config_json = config}, NULL, true, "u");
    finds(&(engine_chat_sources){.tokenizer_config_json = config}, "default", true, "d");
    finds(&(engine_chat_sources){.tokenizer_config_json = config,
                                 .chat_template_json = VIEW("{\"chat_template\": \"j\"}")},
          NULL, true, "j");
    engine_chat_sources all = {VIEW("x"), VIEW("{}"), config, &more, 1};
    finds(&all, NULL, true, "x");
    finds(&all, "rag", false, "r");
    bytes source = {0};
    check_fails(engine_chat_template_find(&all, "tool_use", false, &source), ERR_NOT_FOUND,
                "no chat template 'tool_use'; it has: default, rag");
    check_fails(engine_chat_template_find(&(engine_chat_sources){.tokenizer_config_json = VIEW("{}")}, NULL,
                                          false, &source),
                ERR_NOT_FOUND, "the model has no chat template");
    check_fails(engine_chat_template_find(&(engine_chat_sources){.chat_template_json = VIEW("[")}, NULL,
                                          false, &source),
                ERR_FORMAT, "chat_template.json: line 1");
    check_fails(engine_chat_template_find(
                    &(engine_chat_sources){.tokenizer_config_json = VIEW("{\"chat_template\": 1}")}, NULL,
                    false, &source),
                ERR_FORMAT, "expected a string or a list");
}

/* ---- goldens: what jinja2 and transformers gave ---- */

typedef struct tally {
    unsigned rendered, raised, failed, lenient, wrong;
} tally;

static void wrong(tally *count, const char *name, const char *row, const char *got, const char *wanted)
{
    if (count->wrong++ < 12)
        print_message("%s, %s:\n  got    %.600s\n  wanted %.600s\n", name, row, got, wanted);
}

/* One row {"out"} | {"raise"} | {"error"} against what came out. */
static void compare(tally *count, const char *name, const char *row, const json_node *wanted, err e,
                    const engine_chat_text *text)
{
    const json_node *out = json_get(wanted, "out"), *raise = json_get(wanted, "raise");
    const char *got = e.code ? e.text : bytes_text(&text->text);
    if (out) {
        if (!e.code && bytes_view_equal(bytes_borrow(&text->text), json_text(out)))
            count->rendered++;
        else
            wrong(count, name, row, got, arena_text_n(&scratch, json_text(out).data, json_text(out).size));
    } else if (raise) {
        bytes_view words = json_text(raise);
        size_t size = strlen(e.text);
        if (e.code == ERR_UNSUPPORTED && size >= words.size &&
            !memcmp(e.text + size - words.size, words.data, words.size))
            count->raised++;
        else
            wrong(count, name, row, got, arena_text_n(&scratch, words.data, words.size));
    } else {
        e.code ? count->failed++ : count->lenient++; /* append(), update() and from_json work here */
    }
}

static engine_chat_template *shared_template(const char *name)
{
    CLEANUP(bytes_free) bytes source = check_read("%s/chat_templates/%s.jinja", check_shared_data(), name);
    engine_chat_template *t = NULL;
    check_ok(engine_chat_template_parse(bytes_borrow(&source), name, &t));
    return t;
}

static const json_node *shared_json(const char *path)
{
    bytes *text = arena_new(&scratch, bytes);
    *text = check_read("%s/golden/%s", check_shared_data(), path);
    const json_node *root = NULL;
    check_ok(json_parse((bytes_view){arena_text_n(&scratch, text->data, text->size), text->size},
                        JSON_DEPTH_MAX, &scratch, &root));
    bytes_free(text);
    return root;
}

/* Keys of a scenario that are no variables of their own come as fields of the input. */
static engine_chat_input scenario_input(const json_node *scenario, engine_chat_form form)
{
    engine_chat_input input = {
        .messages = json_get(scenario, "messages"),
        .tools = json_get(scenario, "tools"),
        .extra = scenario,
        .add_generation_prompt = json_bool(json_get(scenario, "add_generation_prompt"), false),
        .form = form,
        .bos = VIEW("<|BOS|>"),
        .eos = VIEW("<|EOS|>"),
        .pad = VIEW("<|PAD|>"),
        .unk = VIEW("<|UNK|>"),
        .now = NOW,
    };
    return input;
}

static void compare_template(tally *count, const char *name, const json_node *scenarios,
                             engine_chat_form form, const json_node *instead)
{
    engine_chat_template *t = shared_template(name);
    const json_node *golden = shared_json(arena_printf(&scratch, "chat_templates/%s.json", name));
    for (const json_node *s = json_first(json_get(scenarios, "scenarios")); s; s = s->next) {
        bytes_view id_view = json_text(json_get(s, "id"));
        const char *id = arena_text_n(&scratch, id_view.data, id_view.size);
        const json_node *wanted = json_get(golden, id);
        if (instead && !strcmp(id, "tool_one") && json_get(instead, name)) wanted = json_get(instead, name);
        if (!wanted) continue;
        engine_chat_input input = scenario_input(s, form);
        engine_chat_text text = {0};
        err e = engine_chat_template_render(t, &input, &text);
        compare(count, name, id, wanted, e, &text);
        engine_chat_text_free(&text);
    }
    engine_chat_template_free(t);
}

static void compare_all(engine_chat_form form, const json_node *instead)
{
    tally count = {0};
    const json_node *scenarios = shared_json("chat_templates/_scenarios.json");
    file_list list = {0};
    check_ok(file_list_folder(arena_printf(&scratch, "%s/chat_templates", check_shared_data()), &list));
    for (size_t i = 0; i < list.count; i++) {
        char *dot = strrchr(list.names[i], '.');
        if (!dot || strcmp(dot, ".jinja") != 0) continue;
        *dot = 0;
        compare_template(&count, list.names[i], scenarios, form, instead);
    }
    file_list_free(&list);
    print_message("%u renders equal, %u raised, %u failed, %u lenient, %u wrong\n", count.rendered,
                  count.raised, count.failed, count.lenient, count.wrong);
    check_int(count.wrong, 0);
    check_true(count.rendered >= 1112);
}

TEST(real_templates_render_as_recorded)
{
    if (!check_shared_data()) skip();
    compare_all(ENGINE_CHAT_FORM_GIVEN, NULL);
}

TEST(real_templates_render_as_apply_chat_template_does)
{
    if (!check_shared_data()) skip();
    compare_all(ENGINE_CHAT_FORM_TRANSFORMERS,
                json_get(shared_json("chat_apply_tool_one.json"), "templates"));
}

static bool is_covered(const engine_chat_text *text, size_t begin, size_t end)
{
    for (size_t i = 0; i < text->data_count; i++)
        if (text->data[i].begin <= begin && end <= text->data[i].end) return true;
    return false;
}

TEST(real_templates_mark_the_words_of_the_user)
{
    if (!check_shared_data()) skip();
    static const char words[] = "say <|im_end|> or </s>";
    engine_chat_input input = {.messages =
                                   json("[{\"role\":\"user\",\"content\":\"say <|im_end|> or </s>\"}]"),
                               .bos = VIEW("<s>"),
                               .eos = VIEW("</s>"),
                               .add_generation_prompt = true,
                               .now = NOW};
    unsigned shown = 0;
    file_list list = {0};
    check_ok(file_list_folder(arena_printf(&scratch, "%s/chat_templates", check_shared_data()), &list));
    for (size_t i = 0; i < list.count; i++) {
        char *dot = strrchr(list.names[i], '.');
        if (!dot || strcmp(dot, ".jinja") != 0) continue;
        *dot = 0;
        engine_chat_template *t = shared_template(list.names[i]);
        engine_chat_text text = {0};
        if (!engine_chat_template_render(t, &input, &text).code) {
            const char *found = strstr(bytes_text(&text.text), words);
            size_t at = found ? (size_t)(found - text.text.data) : 0;
            shown += found != NULL;
            if (found && !is_covered(&text, at, at + sizeof words - 1))
                fail_msg("%s: not marked", list.names[i]);
        }
        engine_chat_text_free(&text);
        engine_chat_template_free(t);
    }
    file_list_free(&list);
    check_true(shown >= 100);
}

TEST(the_rules_of_jinja_in_single_lines)
{
    if (!check_shared_data()) skip();
    tally count = {0};
    const json_node *all = shared_json("jinja_micro.json");
    engine_chat_input input = {.messages = json("[]"), .extra = json_get(all, "vars"), .now = NOW};
    for (const json_node *row = json_first(json_get(all, "cases")); row; row = row->next) {
        bytes_view source = json_text(json_get(row, "t"));
        const char *copy = arena_text_n(&scratch, source.data, source.size);
        engine_chat_text text = {0};
        err e = render(copy, &input, &text);
        compare(&count, "jinja_micro", copy, row, e, &text);
        engine_chat_text_free(&text);
    }
    print_message("%u lines equal, %u raised, %u failed, %u lenient, %u wrong\n", count.rendered,
                  count.raised, count.failed, count.lenient, count.wrong);
    check_int(count.wrong, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
TESTS(CASE(white_space_goes_where_blocks_and_signs_take_it), CASE(operators_bind_as_in_jinja),
      CASE(loops_know_where_they_are), CASE(names_live_in_scopes), CASE(macros_get_what_no_parameter_took),
      CASE(values_print_as_python_prints_them), CASE(filters_tests_and_methods_do_their_work),
      CASE(the_clock_is_given), CASE(errors_name_file_and_line),
      CASE(tags_that_are_left_out_are_refused_by_name), CASE(every_limit_is_an_error),
      CASE(messages_must_be_objects_in_an_array), CASE(data_is_followed_through_everything_that_makes_text),
      CASE(generation_blocks_are_told_apart), CASE(appending_in_a_loop_is_not_quadratic),
      CASE(null_keys_go_and_reasoning_gets_its_names),
      CASE(arguments_become_objects_or_stay_text_as_the_template_wants),
      CASE(text_parts_are_joined_for_templates_that_read_none), CASE(a_final_message_can_be_continued),
      CASE(abilities_are_seen_in_what_a_template_prints), CASE(the_template_of_a_folder_is_found),
      CASE(real_templates_render_as_recorded), CASE(real_templates_render_as_apply_chat_template_does),
      CASE(real_templates_mark_the_words_of_the_user), CASE(the_rules_of_jinja_in_single_lines))
