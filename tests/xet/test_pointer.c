#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "tests/support/check.h"
#include "xet/pointer.h"

#define V1           "version https://git-lfs.github.com/spec/v1\n"
#define OID          "7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069"
#define OID_LINE     "oid sha256:" OID "\n"
#define EXT(n, name) "ext-" n "-" name " sha256:" OID "\n"

typedef enum verdict { CONTENT, POINTER, CANONICAL } verdict;

static const struct {
    const char *text;
    verdict wanted;
} rows[] = {
    {V1 OID_LINE "size 12\n", CANONICAL},
    {V1 OID_LINE "size 0\n", POINTER},
    {V1 OID_LINE "size 9223372036854775807\n", CANONICAL},
    {V1 EXT("0", "foo") OID_LINE "size 12\n", CANONICAL},
    {V1 EXT("0", "foo") EXT("1", "bar") OID_LINE "size 12\n", CANONICAL},
    {V1 EXT("1", "bar") EXT("0", "foo") OID_LINE "size 12\n", POINTER},
    {V1 OID_LINE "size 12", POINTER},
    {"\n " V1 OID_LINE "size 12\n\n", POINTER},
    {V1 "\n" OID_LINE "size 12\n", POINTER},
    {"version https://git-lfs.github.com/spec/v1\r\noid sha256:" OID "\r\nsize 12\r\n", POINTER},
    {"version https://hawser.github.com/spec/v1\n" OID_LINE "size 12\n", POINTER},
    {"version http://git-media.io/v/2\n" OID_LINE "size 12\n", POINTER},
    {V1 OID_LINE "size 012\n", POINTER},
    {V1 OID_LINE "size +12\n", POINTER},
    {V1 "size 12\n" OID_LINE, CONTENT},
    {OID_LINE V1 "size 12\n", CONTENT},
    {V1 OID_LINE "size 12\nxet-merkle abc\n", CONTENT},
    {V1 OID_LINE "size 12\n" EXT("0", "foo"), CONTENT},
    {V1 EXT("0", "foo") EXT("0", "bar") OID_LINE "size 12\n", CONTENT},
    {V1 "ext-0-foo sha256:abc\n" OID_LINE "size 12\n", CONTENT},
    {V1 "oid sha256:7F83B1657FF1FC53B92DC18148A1D65DFC2D4B1FA3D677284ADDD200126D9069\nsize 12\n", CONTENT},
    {V1 "oid sha512:" OID "\nsize 12\n", CONTENT},
    {V1 "oid sha256:" OID "0\nsize 12\n", CONTENT},
    {V1 OID_LINE "size -12\n", CONTENT},
    {V1 OID_LINE "size 9223372036854775808\n", CONTENT},
    {V1 OID_LINE "size 12x\n", CONTENT},
    {V1 OID_LINE "size \n", CONTENT},
    {V1 OID_LINE, CONTENT},
    {"version https://git-lfs.github.com/spec/v9\n" OID_LINE "size 12\n", CONTENT},
    {"", CONTENT},
    {"\n", CONTENT},
    {"Hello World!", CONTENT},
};

static verdict judge(bytes_view text)
{
    xet_pointer pointer;
    if (!xet_pointer_parse(text, &pointer)) return CONTENT;
    return pointer.canonical ? CANONICAL : POINTER;
}

TEST(each_text_is_judged_as_the_table_says)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (judge(bytes_view_of(rows[i].text)) != rows[i].wanted) fail_msg("row %zu: %s", i, rows[i].text);
}

TEST(a_pointer_tells_its_content_and_is_written_back_byte_for_byte)
{
    CLEANUP(bytes_free) bytes again = {0};
    xet_pointer pointer;
    const char *text = V1 OID_LINE "size 12\n";

    check_true(xet_pointer_parse(bytes_view_of(text), &pointer));
    check_text(pointer.oid, OID);
    check_int(pointer.size, 12);
    check_true(!pointer.has_extensions);
    xet_pointer_write(&pointer, &again);
    check_text(bytes_text(&again), text);
    check_int(again.size, 127);
    check_true(xet_pointer_parse(bytes_view_of(V1 EXT("0", "foo") OID_LINE "size 12\n"), &pointer));
    check_true(pointer.has_extensions);
}

TEST(a_pointer_has_at_most_1023_bytes)
{
    CLEANUP(bytes_free) bytes text = {0};

    bytes_append_text(&text, V1 OID_LINE "size 12\n");
    while (text.size < 1023) bytes_append_byte(&text, '\n');
    check_int(judge(bytes_borrow(&text)), POINTER);
    bytes_append_byte(&text, '\n');
    check_int(judge(bytes_borrow(&text)), CONTENT);
}

/* git-lfs as the judge of every row. */
TEST(git_lfs_agrees)
{
    CLEANUP(bytes_free) bytes out = {0};
    char file[300], option[320];
    int status = 0;
    const char *argv[] = {"git-lfs", "pointer", "--check", "--strict", option, NULL};
    process_options how = {
        .argv = argv, .folder = check_folder(), .input = PROCESS_NULL, .error = PROCESS_NULL};
    static const verdict verdicts[] = {CANONICAL, CONTENT, POINTER}; /* of exit status 0, 1, 2 */

    snprintf(file, sizeof file, "%s/pointer", check_folder());
    snprintf(option, sizeof option, "--file=%s", file);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strlen(rows[i].text) < 2) continue; /* git-lfs has a pointer of emptiness */
        check_write(file, rows[i].text, strlen(rows[i].text));
        err e = process_run(&how, (bytes_view){0}, 1 << 16, 20000, &out, NULL, &status);
        if (e.code == ERR_NOT_FOUND) {
            print_message("git-lfs is not installed\n");
            skip();
        }
        check_ok(e);
        if (status > 2 || verdicts[status] != rows[i].wanted) fail_msg("row %zu: git-lfs says %d", i, status);
    }
}

TESTS(RUN(each_text_is_judged_as_the_table_says),
      RUN(a_pointer_tells_its_content_and_is_written_back_byte_for_byte),
      RUN(a_pointer_has_at_most_1023_bytes), RUN(git_lfs_agrees))
