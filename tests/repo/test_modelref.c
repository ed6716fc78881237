#include <stdlib.h>
#include <string.h>

#include "repo/modelref.h"
#include "tests/support/check.h"

static void check_reads_back(const char *text, const char *printed)
{
    CLEANUP(repo_modelref_free) repo_modelref m = {0};
    CLEANUP(bytes_free) bytes out = {0};
    check_ok(repo_modelref_parse(text, &m));
    repo_modelref_print(&m, &out);
    check_text(bytes_text(&out), printed);
}

TEST(a_reference_has_a_model_a_ref_and_adapters)
{
    CLEANUP(repo_modelref_free) repo_modelref m = {0};
    check_ok(repo_modelref_parse("org/qwen:feature/x+01_a@0.5+b@-2", &m));
    check_text(m.model, "org/qwen");
    check_text(m.ref, "feature/x");
    check_int(m.adapter_count, 2);
    check_text(m.adapters[0].name, "01_a");
    check_true(m.adapters[0].scale == 0.5);
    check_text(m.adapters[1].name, "b");
    check_true(m.adapters[1].scale == -2);
}

TEST(what_is_printed_reads_back)
{
    check_reads_back("llama3:", "llama3");
    check_reads_back("demo+a@1.0", "demo+a");
    check_reads_back("demo:v1+a@0.7500", "demo:v1+a@0.75");
    check_reads_back("./a:b:main+x", "./a:b:main+x");
    check_reads_back("./a:b:", "./a:b:");
}

TEST(paths_and_urls_are_told_from_names)
{
    check_int(repo_word_kind_of("./x"), REPO_WORD_PATH);
    check_int(repo_word_kind_of("~/x:main"), REPO_WORD_PATH);
    check_int(repo_word_kind_of("https://host/x"), REPO_WORD_URL);
    check_int(repo_word_kind_of("git@host:x.git"), REPO_WORD_URL);
    check_int(repo_word_kind_of("s3::bucket"), REPO_WORD_URL);
    check_int(repo_word_kind_of("demo:main@{1}"), REPO_WORD_NAME);
    check_int(repo_word_kind_of("demo+a@0.5"), REPO_WORD_NAME);
    check_int(repo_word_kind_of("org/demo:v1"), REPO_WORD_NAME);
}

static void check_refused(const char *text, const char *words)
{
    repo_modelref m = {0};
    check_fails(repo_modelref_parse(text, &m), ERR_USAGE, words);
    assert_null(m.model);
}

TEST(hostile_names_are_refused_with_a_reason)
{
    char longer[10001];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    check_refused("", "empty");
    check_refused(longer, "longer");
    check_refused("a..b", "'..'");
    check_refused("-x", "begins a part with '-'");
    check_refused("a/b/c", "more than two parts");
    check_refused("a//b", "more than two parts");
    check_refused("a/", "empty part");
    check_refused("x.lock", ".lock");
    check_refused("a\nb", "control character (number 10)");
    check_refused("a:b\x1b[2J", "control character (number 27)");
    check_refused("T-r-:+0r::s", "an adapter's name holds"); /* would print as an url, x::y */
    check_refused("a:--upload-pack=x", "begins with '-'");
    check_refused("a+", "after '+'");
    check_refused("a+../../x", "'/'");
    check_refused("a+b@", "scale");
    check_refused("a+b@nan", "scale");
    check_refused("a+b@4.01", "-4.0 to 4.0");
    check_refused("a+b@1,5", "scale");
    check_refused("https://h/x", "url");
    check_fails(repo_model_name_check("api"), ERR_USAGE, "reserved");
}

TEST(a_folder_is_named_after_its_model)
{
    char *folder = repo_model_folder_name("org/demo");
    check_text(folder, "org--demo");
    free(folder);
}

TESTS(RUN(a_reference_has_a_model_a_ref_and_adapters), RUN(what_is_printed_reads_back),
      RUN(paths_and_urls_are_told_from_names), RUN(hostile_names_are_refused_with_a_reason),
      RUN(a_folder_is_named_after_its_model))
