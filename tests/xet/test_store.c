#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/check.h"
#include "xet/store.h"

#define OID "7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069"

static xet_store *fresh_store(void)
{
    char folder[300];
    snprintf(folder, sizeof folder, "%s/lfs", check_folder());
    check_ok(file_remove_tree(folder));
    return xet_store_new(folder);
}

static size_t names_in(const xet_store *s, const char *name)
{
    CLEANUP(file_list_free) file_list list = {0};
    char folder[400];
    snprintf(folder, sizeof folder, "%s/%s", xet_store_borrow_folder(s), name);
    return file_list_folder(folder, &list).code ? 0 : list.count;
}

static void put(xet_store *s, const char *text, xet_pointer *out)
{
    xet_writer *w = NULL;
    check_ok(xet_writer_open(s, &w));
    check_ok(xet_writer_write(w, text, strlen(text) / 2));
    check_ok(xet_writer_write(w, text + strlen(text) / 2, strlen(text) - strlen(text) / 2));
    check_ok(xet_writer_publish(w, out));
}

TEST(content_becomes_an_object_in_git_lfs_place)
{
    xet_store *s = fresh_store();
    xet_pointer p;
    struct stat info, again;

    check_true(!file_exists(xet_store_borrow_folder(s)));
    check_true(!xet_store_has(s, OID, 12));
    put(s, "Hello World!", &p);
    check_text(p.oid, OID);
    check_int(p.size, 12);
    check_true(p.canonical);
    CLEANUP(bytes_free) bytes path = {.data = xet_store_path(s, OID)};
    check_true(strstr(path.data, "/lfs/objects/7f/83/" OID) != NULL);
    check_int(stat(path.data, &info), 0);
    check_int(info.st_mode & 07777, 0444);
    check_true(xet_store_has(s, OID, 12));
    check_true(!xet_store_has(s, OID, 13));
    check_ok(xet_store_verify(s, OID));
    check_int(names_in(s, "tmp"), 0);
    put(s, "Hello World!", &p); /* once more: the same one stays */
    check_int(stat(path.data, &again), 0);
    check_true(again.st_ino == info.st_ino);
    check_int(names_in(s, "tmp"), 0);
    xet_store_free(s);
}

TEST(what_is_given_up_leaves_nothing)
{
    xet_store *s = fresh_store();
    xet_writer *w = NULL;

    check_ok(xet_writer_open(s, &w));
    check_ok(xet_writer_write(w, "half", 4));
    check_int(names_in(s, "tmp"), 1);
    xet_writer_free(w);
    check_int(names_in(s, "tmp"), 0);
    xet_writer_free(NULL);
    xet_store_free(s);
}

TEST(a_full_disk_is_an_error_and_leaves_nothing)
{
    xet_store *s = fresh_store();
    xet_writer *w = NULL;
    static char block[1 << 16];
    struct rlimit before, small = {.rlim_cur = 100000};

    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    check_ok(xet_writer_open(s, &w));
    setrlimit(RLIMIT_FSIZE, &small);
    err e = ERR_OK;
    for (int i = 0; i < 4 && !e.code; i++) e = xet_writer_write(w, block, sizeof block);
    setrlimit(RLIMIT_FSIZE, &before);
    check_int(e.code, ERR_IO);
    xet_writer_free(w);
    check_int(names_in(s, "tmp"), 0);
    xet_store_free(s);
}

TEST(a_damaged_or_absent_object_is_told_apart)
{
    xet_store *s = fresh_store();
    xet_pointer p;

    check_fails(xet_store_verify(s, OID), ERR_NOT_FOUND, OID);
    put(s, "Hello World!", &p);
    CLEANUP(bytes_free) bytes path = {.data = xet_store_path(s, OID)};
    chmod(path.data, 0644);
    check_write(path.data, "Hello World?", 12);
    check_true(xet_store_has(s, OID, 12));
    check_fails(xet_store_verify(s, OID), ERR_FORMAT, "damaged");
    check_write(path.data, "Hello", 5); /* a size that is wrong is seen at once, and mended by the next */
    put(s, "Hello World!", &p);
    check_ok(xet_store_verify(s, OID));
    xet_store_free(s);
}

TEST(a_file_is_added_as_it_is_and_stays)
{
    xet_store *s = fresh_store();
    char path[300];
    xet_pointer p;

    snprintf(path, sizeof path, "%s/weights", check_folder());
    check_write(path, "Hello World!", 12);
    check_ok(xet_store_add_file(s, path, &p));
    check_text(p.oid, OID);
    check_ok(xet_store_verify(s, OID));
    check_true(file_exists(path));
    check_fails(xet_store_add_file(s, "/no/such", &p), ERR_NOT_FOUND, "/no/such");
    check_fails(xet_store_add_file(s, check_folder(), &p), ERR_IO, "no regular file");
    check_int(names_in(s, "tmp"), 0);
    xet_store_free(s);
}

TEST(a_download_is_taken_in_only_when_it_is_what_was_promised)
{
    xet_store *s = fresh_store();
    CLEANUP(bytes_free) bytes part = {.data = xet_store_part_path(s, OID)};
    CLEANUP(bytes_free) bytes folder = {.data = file_parent(part.data)};

    check_ok(file_make_folders(folder.data));
    check_write(part.data, "Hello World!", 12);
    check_fails(xet_store_adopt(s, part.data, OID, 13), ERR_FORMAT, OID);
    check_true(!file_exists(part.data));
    check_write(part.data, "Hello World?", 12);
    check_fails(xet_store_adopt(s, part.data, OID, 12), ERR_FORMAT, OID);
    check_true(!file_exists(part.data) && !xet_store_has(s, OID, 12));
    check_write(part.data, "Hello World!", 12);
    check_ok(xet_store_adopt(s, part.data, OID, 12));
    check_true(!file_exists(part.data) && xet_store_has(s, OID, 12));
    xet_store_free(s);
}

static bool count_down(void *context, const char *oid, uint64_t size)
{
    size_t *left = context;
    check_true(sha256_is_hex(oid) && size > 0);
    return --*left > 0;
}

TEST(objects_are_walked_and_removed)
{
    xet_store *s = fresh_store();
    const char *texts[] = {"one", "two", "three"};
    xet_pointer p[3];
    size_t left = 100;
    char stray[400];

    check_ok(xet_store_each(s, count_down, &left)); /* no folder yet: nothing to walk */
    check_int(left, 100);
    for (size_t i = 0; i < COUNT_OF(texts); i++) put(s, texts[i], &p[i]);
    snprintf(stray, sizeof stray, "%s/objects/README", xet_store_borrow_folder(s));
    check_write(stray, "x", 1);
    check_ok(xet_store_each(s, count_down, &left));
    check_int(left, 97);
    left = 2;
    check_ok(xet_store_each(s, count_down, &left)); /* ends when told to */
    check_int(left, 0);
    check_ok(xet_store_remove(s, p[0].oid));
    check_true(!xet_store_has(s, p[0].oid, 3) && xet_store_has(s, p[1].oid, 3));
    check_fails(xet_store_remove(s, p[0].oid), ERR_NOT_FOUND, p[0].oid);
    xet_store_free(s);
}

TESTS(RUN(content_becomes_an_object_in_git_lfs_place), RUN(what_is_given_up_leaves_nothing),
      RUN(a_full_disk_is_an_error_and_leaves_nothing), RUN(a_damaged_or_absent_object_is_told_apart),
      RUN(a_file_is_added_as_it_is_and_stays), RUN(a_download_is_taken_in_only_when_it_is_what_was_promised),
      RUN(objects_are_walked_and_removed))
