#include "engine/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/check.h"

static char folder[256];

static const char *at(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A folder "NAME" with config.json, extra/one.jinja, extra/deep/two, extra/deep/deeper/three and .git/HEAD.
 */
static engine_files *given_folder(const char *name)
{
    snprintf(folder, sizeof folder, "%s/%s", check_folder(), name);
    check_ok(file_make_folders(at("extra/deep/deeper")));
    check_ok(file_make_folders(at(".git")));
    check_write(at("config.json"), "{}", 2);
    check_write(at("empty"), "", 0);
    check_write(at("extra/one.jinja"), "one", 3);
    check_write(at("extra/deep/two"), "two", 3);
    check_write(at("extra/deep/deeper/three"), "three", 5);
    check_write(at(".git/HEAD"), "ref", 3);
    engine_files *f = NULL;
    check_ok(engine_files_open_folder(folder, &f));
    return f;
}

TEST(a_folder_is_listed_two_levels_down_and_sorted)
{
    engine_files *f = given_folder("listed");
    check_int(engine_files_count(f), 4);
    check_text(engine_files_borrow_name(f, 0), "config.json");
    check_text(engine_files_borrow_name(f, 1), "empty");
    check_text(engine_files_borrow_name(f, 2), "extra/deep/two");
    check_text(engine_files_borrow_name(f, 3), "extra/one.jinja");
    check_int(engine_files_size(f, 3), 3);
    check_text(engine_files_borrow_title(f), "listed");
    check_text(engine_files_borrow_place(f), folder);
    check_true(engine_files_has(f, "config.json") && !engine_files_has(f, "absent"));
    engine_files_free(f);
}

TEST(a_title_is_the_real_name_behind_a_link)
{
    engine_files_free(given_folder("real"));
    char link[600];
    snprintf(link, sizeof link, "%s/link", check_folder());
    assert_int_equal(symlink(folder, link), 0);
    engine_files *f = NULL;
    check_ok(engine_files_open_folder(link, &f));
    check_text(engine_files_borrow_title(f), "real");
    check_text(engine_files_borrow_place(f), link);
    engine_files_free(f);
}

TEST(what_is_no_folder_is_refused)
{
    engine_files *f = given_folder("refused"), *other = NULL;
    check_fails(engine_files_open_folder(at("absent"), &other), ERR_NOT_FOUND, "does not exist");
    check_fails(engine_files_open_folder(at("config.json"), &other), ERR_FORMAT, "expected a folder");
    check_true(other == NULL);
    engine_files_free(f);
}

TEST(a_file_is_read_whole_or_not_at_all)
{
    engine_files *f = given_folder("read");
    bytes text = {0};
    check_ok(engine_files_read(f, "extra/one.jinja", 3, &text));
    check_text(bytes_text(&text), "one");
    bytes_free(&text);
    check_fails(engine_files_read(f, "extra/one.jinja", 2, &text), ERR_LIMIT, "one.jinja");
    check_fails(engine_files_read(f, "absent", 2, &text), ERR_NOT_FOUND, "holds no absent");
    check_ok(engine_files_read_optional(f, "absent", 2, &text));
    check_true(text.data == NULL);
    engine_files_free(f);
}

TEST(no_name_leads_out_of_the_folder)
{
    engine_files *f = given_folder("inside");
    char outside[600];
    snprintf(outside, sizeof outside, "%s/secret", check_folder());
    check_write(outside, "x", 1);
    bytes text = {0};
    check_fails(engine_files_read(f, "../secret", 10, &text), ERR_NOT_FOUND, "../secret");
    check_fails(engine_files_read(f, outside, 10, &text), ERR_NOT_FOUND, "secret");
    engine_files_free(f);
}

TEST(a_mapping_outlives_its_folder_and_its_other_holders)
{
    engine_files *f = given_folder("mapped");
    engine_mapping *m = NULL, *empty = NULL;
    check_ok(engine_files_map(f, "extra/one.jinja", &m));
    check_ok(engine_files_map(f, "empty", &empty));
    check_fails(engine_files_map(f, "absent", &m), ERR_NOT_FOUND, "absent");
    engine_files_free(f);
    engine_mapping *second = engine_mapping_share(m);
    engine_mapping_free(m);
    check_true(bytes_view_is(engine_mapping_view(second), "one"));
    check_true(check_text_holds(engine_mapping_borrow_place(second), "mapped/extra/one.jinja"));
    check_int(engine_mapping_view(empty).size, 0);
    engine_mapping_free(second);
    engine_mapping_free(empty);
    engine_mapping_free(NULL);
}

TEST(a_mapping_can_hold_memory)
{
    engine_mapping *m = engine_mapping_of_memory(strdup("made"), 4, "nowhere");
    check_true(bytes_view_is(engine_mapping_view(m), "made"));
    check_text(engine_mapping_borrow_place(m), "nowhere");
    engine_mapping_free(m);
}

TEST(a_content_id_stands_for_the_file_and_changes_with_it)
{
    engine_files *f = given_folder("ids");
    bytes first = {0}, again = {0}, other = {0}, changed = {0};
    check_ok(engine_files_content_id(f, "config.json", &first));
    check_ok(engine_files_content_id(f, "config.json", &again));
    check_ok(engine_files_content_id(f, "empty", &other));
    check_write(at("config.json"), "{ }", 3);
    check_ok(engine_files_content_id(f, "config.json", &changed));
    check_text(bytes_text(&first), bytes_text(&again));
    assert_string_not_equal(bytes_text(&first), bytes_text(&other));
    assert_string_not_equal(bytes_text(&first), bytes_text(&changed));
    check_fails(engine_files_content_id(f, "absent", &first), ERR_NOT_FOUND, "absent");
    bytes_free(&first), bytes_free(&again), bytes_free(&other), bytes_free(&changed);
    engine_files_free(f);
}

TESTS(RUN(a_folder_is_listed_two_levels_down_and_sorted), RUN(a_title_is_the_real_name_behind_a_link),
      RUN(what_is_no_folder_is_refused), RUN(a_file_is_read_whole_or_not_at_all),
      RUN(no_name_leads_out_of_the_folder), RUN(a_mapping_outlives_its_folder_and_its_other_holders),
      RUN(a_mapping_can_hold_memory), RUN(a_content_id_stands_for_the_file_and_changes_with_it))
