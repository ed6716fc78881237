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

/* ---- what is refused ---- */

TEST(errors_name_file_and_line)
{
    fails("a\nb {{ 1 + }}", ERR_FORMAT, "t.jinja, line 2: expected an expression, found '}}'");
    fails("\n\n{{ nothing.x }}", ERR_FORMAT, "t.jinja, line 3: 'nothing' is undefined");
    fails("{{ raise_exception('no ' ~ 'way') }}", ERR_UNSUPPORTED, "t.jinja, line 1: no way");
    fails("{% include 'x' %}", ERR_UNSUPPORTED, "the tag 'include' is not supported");
    fails("{% for x in y %}", ERR_FORMAT, "expected {% endfor %}, found the end of the template");
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
TESTS(CASE(white_space_goes_where_blocks_and_signs_take_it), CASE(errors_name_file_and_line),
      CASE(operators_bind_as_in_jinja), CASE(loops_know_where_they_are),
      CASE(the_rules_of_jinja_in_single_lines), CASE(real_templates_render_as_recorded),
      CASE(real_templates_render_as_apply_chat_template_does))
