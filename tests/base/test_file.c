#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "base/folders.h"
#include "tests/support/check.h"

/* A path in the test's folder. Good until the fourth call from now. */
static const char *at(const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", check_folder(), name);
    return path;
}

TEST(what_is_written_is_read_back)
{
    bytes got = {0};
    check_ok(file_write(at("a"), VIEW("one\0two")));
    check_ok(file_read(at("a"), 100, &got));
    check_true(bytes_view_equal(bytes_borrow(&got), VIEW("one\0two")));
    check_ok(file_write(at("a"), VIEW("")));
    check_ok(file_read(at("a"), 0, &got));
    check_int(got.size, 0);
    bytes_free(&got);
}

TEST(a_write_leaves_no_temporary_behind)
{
    check_ok(file_make_folders(at("clean")));
    check_ok(file_write(at("clean/x"), VIEW("1")));
    check_fails(file_write(at("clean/no/x"), VIEW("1")), ERR_NOT_FOUND, "clean/no/x");
    check_ok(file_make_folders(at("clean/folder")));
    check_fails(file_write(at("clean/folder"), VIEW("1")), ERR_IO, "clean/folder");
    file_list list;
    check_ok(file_list_folder(at("clean"), &list));
    check_int(list.count, 2);
    check_text(list.names[0], "folder");
    check_text(list.names[1], "x");
    file_list_free(&list);
}

TEST(a_write_keeps_the_mode_and_goes_through_a_link)
{
    check_write(at("target"), "old", 3);
    chmod(at("target"), 0640);
    check_int(symlink("target", at("link")), 0);
    check_ok(file_write(at("link"), VIEW("new")));
    struct stat info;
    check_int(lstat(at("link"), &info), 0);
    check_true(S_ISLNK(info.st_mode));
    check_int(stat(at("target"), &info), 0);
    check_int(info.st_mode & 0777, 0640);
    bytes got = check_read("%s", at("target"));
    check_text(bytes_text(&got), "new");
    bytes_free(&got);
}

TEST(reading_has_a_limit_and_errors_name_the_path)
{
    bytes got = {0};
    check_write(at("five"), "12345", 5);
    check_ok(file_read(at("five"), 5, &got));
    check_fails(file_read(at("five"), 4, &got), ERR_LIMIT, "five: 5 bytes, the limit is 4");
    check_text(bytes_text(&got), "12345");
    check_fails(file_read(at("absent"), 4, &got), ERR_NOT_FOUND, "absent: No such file");
    check_fails(file_read(check_folder(), 4, &got), ERR_IO, "is a folder");
    check_int(mkfifo(at("pipe"), 0600), 0);
    check_fails(file_read(at("pipe"), 4, &got), ERR_IO, "no regular file");
    check_ok(file_read("/proc/self/status", 100000, &got)); /* says it is empty, and is not */
    check_true(got.size > 100);
    check_fails(file_read("/proc/self/status", 100, &got), ERR_LIMIT, "limit of 100");
    bytes_free(&got);
}

TEST(a_copy_has_the_bytes_and_the_mode)
{
    check_write(at("from"), "#!/bin/sh\n", 10);
    chmod(at("from"), 0750);
    check_ok(file_copy(at("from"), at("to")));
    bytes got = check_read("%s", at("to"));
    check_text(bytes_text(&got), "#!/bin/sh\n");
    bytes_free(&got);
    struct stat info;
    check_int(stat(at("to"), &info), 0);
    check_int(info.st_mode & 0777, 0750);
    check_fails(file_copy(at("absent"), at("to")), ERR_NOT_FOUND, "absent");
}

TEST(files_are_mapped)
{
    file_mapping m = {0};
    check_write(at("map"), "bytes", 5);
    check_ok(file_map(at("map"), &m));
    check_true(m.size == 5 && memcmp(m.data, "bytes", 5) == 0);
    file_unmap(&m);
    check_write(at("map"), "", 0);
    check_ok(file_map(at("map"), &m));
    check_true(m.size == 0 && m.data);
    file_unmap(&m);
    check_fails(file_map(check_folder(), &m), ERR_IO, "is a folder");
}

TEST(folders_are_made_with_their_parents)
{
    check_ok(file_make_folders(at("p/q//r/")));
    check_ok(file_make_folders(at("p/q/r")));
    check_true(file_is_folder(at("p/q/r")) && file_exists(at("p")));
    check_write(at("p/file"), "", 0);
    check_fails(file_make_folders(at("p/file")), ERR_IO, "p/file");
    check_fails(file_make_folders(at("p/file/x")), ERR_IO, "p/file");
    check_true(!file_is_folder(at("p/file")) && file_exists(at("p/file")));
}

TEST(a_tree_is_removed_without_following_links)
{
    check_ok(file_make_folders(at("keep")));
    check_write(at("keep/me"), "1", 1);
    check_ok(file_make_folders(at("tree/a/b")));
    check_write(at("tree/a/x"), "1", 1);
    char to[512];
    snprintf(to, sizeof to, "%s", at("keep"));
    check_int(symlink(to, at("tree/a/link")), 0);
    check_ok(file_remove_tree(at("tree")));
    check_true(!file_exists(at("tree")) && file_exists(at("keep/me")));
    check_ok(file_remove_tree(at("tree")));
    check_ok(file_remove_tree(at("keep/me")));
    check_true(!file_exists(at("keep/me")));
}

static void join_is(const char *folder, const char *name, const char *wanted)
{
    char *got = file_join(folder, name);
    check_text(got, wanted);
    free(got);
}

static void parent_is(const char *path, const char *wanted)
{
    char *got = file_parent(path);
    check_text(got, wanted);
    free(got);
}

static void home_is(const char *path, const char *wanted)
{
    char *got = file_expand_home(path, "/home/me");
    check_text(got, wanted);
    free(got);
}

TEST(paths_are_joined_split_and_expanded)
{
    join_is("a", "b", "a/b"), join_is("a/", "b", "a/b"), join_is("a", "/b", "/b"), join_is("", "b", "b");
    parent_is("a/b", "a"), parent_is("/a", "/"), parent_is("a", "."), parent_is("/a/b//", "/a"),
        parent_is("/", "/");
    check_text(file_name("a/b"), "b");
    check_text(file_name("b"), "b");
    home_is("~", "/home/me"), home_is("~/x", "/home/me/x"), home_is("~you/x", "~you/x"), home_is("/~", "/~");
}

static const char *fake_get(void *context, const char *name)
{
    const char *const *pairs = context;
    for (; pairs[0]; pairs += 2)
        if (strcmp(pairs[0], name) == 0) return pairs[1];
    return NULL;
}

TEST(the_folders_follow_xdg)
{
    const char *pairs[] = {
        "HOME", "/home/me", "XDG_CONFIG_HOME", "/c", "XDG_STATE_HOME", "relative", "XDG_CACHE_HOME",
        "",     NULL};
    env e = {fake_get, pairs};
    folders f;
    check_ok(folders_find(&e, &f));
    check_text(f.home, "/home/me");
    check_text(f.config, "/c/hyprstream");
    check_text(f.data, "/home/me/.local/share/hyprstream");
    check_text(f.state, "/home/me/.local/state/hyprstream");
    check_text(f.cache, "/home/me/.cache/hyprstream");
    folders_free(&f);
}

TESTS(RUN(what_is_written_is_read_back), RUN(a_write_leaves_no_temporary_behind),
      RUN(a_write_keeps_the_mode_and_goes_through_a_link), RUN(reading_has_a_limit_and_errors_name_the_path),
      RUN(a_copy_has_the_bytes_and_the_mode), RUN(files_are_mapped), RUN(folders_are_made_with_their_parents),
      RUN(a_tree_is_removed_without_following_links), RUN(paths_are_joined_split_and_expanded),
      RUN(the_folders_follow_xdg))
