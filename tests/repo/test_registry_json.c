/* registry.json that others wrote, that somebody broke, and that lies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "repo/registry/registry_json.h"
#include "tests/support/check.h"

#define MODELS "/home/ada/models"
#define ID     "01234567-89ab-4def-8123-456789abcd"

static err parse(const char *text, repo_registry *out)
{
    return repo_registry_parse(bytes_view_of(text), MODELS, out);
}

/* A registry of these rows, each `"uuid": {...}`. */
static void given_rows(const char *rows, repo_registry *out)
{
    CLEANUP(bytes_free) bytes text = {0};
    bytes_printf(&text, "{\"version\": \"2.0.0\", \"repositories\": {%s}}", rows);
    check_ok(parse(bytes_text(&text), out));
}

/* One row whose worktree_path is this; true: it is taken. */
static bool path_is_taken(const char *path)
{
    CLEANUP(repo_registry_free) repo_registry registry = {0};
    CLEANUP(bytes_free) bytes row = {0};

    bytes_printf(&row, "\"" ID "00\": {\"name\": \"a\", \"worktree_path\": \"%s\"}", path);
    given_rows(bytes_text(&row), &registry);
    check_int(registry.count + registry.refused_count, 1);
    if (registry.refused_count)
        check_true(check_text_holds(registry.refused, "outside of the models folder"));
    return registry.count == 1;
}

TEST(a_path_that_leads_out_of_the_models_folder_is_refused)
{
    static const char *const lies[] = {
        "/etc",     "/",         MODELS, MODELS "/", MODELS "/../x", MODELS "x/y", "..",
        "../x",     "a/../../x", "a/..", "./a",      "a/./b",        ".git",       ".registry",
        ".trash/x", "a/.git",    "a//b", "",         "a\\u0000b",    "a\\nb",      "~/../x/../..",
    };
    for (size_t i = 0; i + 1 < COUNT_OF(lies); i++)
        if (path_is_taken(lies[i])) fail_msg("'%s' was taken", lies[i]);
    check_true(path_is_taken("a"));
    check_true(path_is_taken("a/a.git"));
    check_true(path_is_taken(MODELS "/a"));
    check_true(path_is_taken("a/"));
}

TEST(of_two_rows_with_one_name_or_folder_or_uuid_one_counts)
{
    CLEANUP(repo_registry_free) repo_registry registry = {0};

    given_rows("\"" ID "00\": {\"name\": \"a\", \"worktree_path\": \"a\"},"
               "\"" ID "01\": {\"name\": \"a\", \"worktree_path\": \"b\"},"
               "\"" ID "02\": {\"name\": \"c\", \"worktree_path\": \"a\"},"
               "\"" ID "03\": {\"name\": \"d\", \"worktree_path\": \"d\"},"
               "\"" ID "03\": {\"name\": \"e\", \"worktree_path\": \"e\"}",
               &registry);
    check_int(registry.count, 2);
    check_int(registry.refused_count, 3);
    check_text(registry.rows[0].name, "a");
    check_text(registry.rows[1].name, "e");
}

TEST(rows_that_are_no_rows_are_left_out_and_the_rest_stays)
{
    CLEANUP(repo_registry_free) repo_registry registry = {0};

    given_rows("\"not a uuid\": {\"name\": \"a\", \"worktree_path\": \"a\"},"
               "\"" ID "01\": [1, 2], \"" ID "02\": null, \"" ID "03\": {\"worktree_path\": \"b\"},"
               "\"" ID "04\": {\"name\": 7, \"worktree_path\": \"c\"},"
               "\"" ID "05\": {\"name\": \"\\u001b[31m\", \"worktree_path\": \"d\"},"
               "\"" ID "06\": {\"name\": \"f\", \"worktree_path\": \"f\", \"registered_at\": {}, \"url\": 3}",
               &registry);
    check_int(registry.count, 1);
    check_int(registry.refused_count, 6);
    check_text(registry.rows[0].name, "f");
    check_true(check_text_holds(registry.refused, "line 1, not a uuid"));
}

TEST(secrets_in_urls_are_not_kept)
{
    CLEANUP(repo_registry_free) repo_registry registry = {0};
    CLEANUP(bytes_free) bytes printed = {0};

    given_rows("\"" ID
               "00\": {\"name\": \"a\", \"worktree_path\": \"a\", \"url\": \"https://me:hunter2@h/x\","
               "\"remotes\": [{\"name\": \"origin\", \"url\": \"https://me:hunter2@h/x\"},"
               "{\"name\": \"o\", \"url\": \"https://me:hunter2@h/y\"}]}",
               &registry);
    repo_registry_print(&registry, &printed);
    check_text(registry.rows[0].url, "https://h/x");
    check_true(strstr(bytes_text(&printed), "hunter2") == NULL);
    check_true(strstr(bytes_text(&printed), "https://h/y") != NULL);
}

TEST(what_we_do_not_know_is_printed_as_it_was)
{
    CLEANUP(repo_registry_free) repo_registry registry = {0}, again = {0};
    CLEANUP(bytes_free) bytes printed = {0}, twice = {0};

    check_ok(parse("{\"version\": \"2.7\", \"else\": {\"b\": 1.50, \"a\": [\"\\u00e9\", null]},"
                   "\"repositories\": {\"" ID
                   "00\": {\"name\": \"a\", \"worktree_path\": \"a\", \"their\": true,"
                   "\"tracking_ref\": {\"branch\": \"x\"}}}}",
                   &registry));
    repo_registry_print(&registry, &printed);
    check_true(strstr(bytes_text(&printed), "\"version\": \"2.7\"") != NULL);
    check_true(strstr(bytes_text(&printed), "\"b\": 1.50") != NULL);
    check_true(strstr(bytes_text(&printed), "\"their\": true") != NULL);
    check_true(strstr(bytes_text(&printed), "\"branch\": \"x\"") != NULL);
    check_ok(parse(bytes_text(&printed), &again));
    repo_registry_print(&again, &twice);
    check_text(bytes_text(&twice), bytes_text(&printed));
}

TEST(what_is_no_registry_is_told_in_a_sentence)
{
    CLEANUP(bytes_free) bytes deep = {0};
    repo_registry registry = {0};

    check_fails(parse("", &registry), ERR_FORMAT, "registry.json");
    check_fails(parse("[]", &registry), ERR_FORMAT, "expected an object");
    check_fails(parse("{\"repositories\": {}}", &registry), ERR_FORMAT, "\"version\"");
    check_fails(parse("{\"version\": \"2.0\"}", &registry), ERR_FORMAT, "\"repositories\"");
    check_fails(parse("{\"version\": \"2.0\", \"repositories\": {}", &registry), ERR_FORMAT, "line 1");
    check_fails(parse("{\"version\": \"3.0.0\", \"repositories\": {}}", &registry), ERR_UNSUPPORTED, "3.0.0");
    bytes_append_text(&deep, "{\"version\": \"2.0\", \"repositories\": {}, \"x\": ");
    for (int i = 0; i < 100000; i++) bytes_append_byte(&deep, '[');
    check_true(parse(bytes_text(&deep), &registry).code != ERR_NONE);
    check_int(registry.count, 0);
}

TEST(a_hundred_megabytes_are_refused_before_they_are_read)
{
    size_t size = 100u << 20;
    char *text = memory_alloc(size);
    repo_registry registry = {0};

    memset(text, ' ', size);
    double began = clock_seconds();
    check_fails(repo_registry_parse((bytes_view){text, size}, MODELS, &registry), ERR_LIMIT, "the limit is");
    check_true(clock_seconds() - began < 0.1);
    free(text);
}

TEST(more_models_than_there_may_be_are_refused)
{
    CLEANUP(bytes_free) bytes text = {0};
    repo_registry registry = {0};

    bytes_append_text(&text, "{\"version\": \"2.0\", \"repositories\": {");
    for (int i = 0; i < 5000; i++)
        bytes_printf(&text,
                     "%s\"00000000-0000-4000-8000-%012d\": {\"name\": \"m%d\", \"worktree_path\": \"m%d\"}",
                     i ? "," : "", i, i, i);
    bytes_append_text(&text, "}}");
    check_fails(parse(bytes_text(&text), &registry), ERR_LIMIT, "5000 repositories");
}

TESTS(RUN(a_path_that_leads_out_of_the_models_folder_is_refused),
      RUN(of_two_rows_with_one_name_or_folder_or_uuid_one_counts),
      RUN(rows_that_are_no_rows_are_left_out_and_the_rest_stays), RUN(secrets_in_urls_are_not_kept),
      RUN(what_we_do_not_know_is_printed_as_it_was), RUN(what_is_no_registry_is_told_in_a_sentence),
      RUN(a_hundred_megabytes_are_refused_before_they_are_read),
      RUN(more_models_than_there_may_be_are_refused))
