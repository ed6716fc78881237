#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "tests/support/check.h"
#include "xet/lfs.h"

TEST(a_server_is_derived_from_each_kind_of_remote)
{
    static const struct {
        const char *remote, *wanted; /* NULL: none */
    } rows[] = {
        {"https://host/foo/bar", "https://host/foo/bar.git/info/lfs"},
        {"https://host/foo/bar/", "https://host/foo/bar.git/info/lfs"},
        {"https://host/foo/bar.git", "https://host/foo/bar.git/info/lfs"},
        {"https://me@host:8443/foo/bar.git", "https://me@host:8443/foo/bar.git/info/lfs"},
        {"http://127.0.0.1:80/x", "http://127.0.0.1:80/x.git/info/lfs"},
        {"git@host:foo/bar.git", "https://host/foo/bar.git/info/lfs"},
        {"host:foo/bar", "https://host/foo/bar.git/info/lfs"},
        {"git@host:/foo/bar", "https://host/foo/bar.git/info/lfs"},
        {"ssh://git@host:22/foo/bar.git", "https://host/foo/bar.git/info/lfs"},
        {"ssh://host/foo/bar", "https://host/foo/bar.git/info/lfs"},
        {"ssh://git@[::1]:22/bar", "https://[::1]/bar.git/info/lfs"},
        {"git://host:9418/foo", "https://host/foo.git/info/lfs"},
        {"s3::bucket/x", NULL},
        {"s3://bucket/x", NULL},
        {"https:///x", NULL},
        {"ssh://host", NULL},
        {"-x", NULL},
        {"", NULL},
        {"/no/such/repository", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *got = NULL;
        err e = xet_lfs_url_of_remote(rows[i].remote, &got);
        if (rows[i].wanted ? e.code != ERR_NONE : e.code != ERR_USAGE) fail_msg("row %zu: %s", i, e.text);
        if (rows[i].wanted) check_text(got, rows[i].wanted);
        free(got);
    }
}

TEST(a_repository_beside_us_is_its_lfs_folder)
{
    static const struct {
        const char *made, *remote, *wanted; /* below the test's folder */
    } rows[] = {
        {"work/.git/objects", "work", "work/.git/lfs"},
        {"bare.git/objects", "bare.git", "bare.git/lfs"},
        {"bare.git/objects", "bare", "bare.git/lfs"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char path[400], wanted[400];
        char *got = NULL;
        snprintf(path, sizeof path, "%s/%s", check_folder(), rows[i].made);
        check_ok(file_make_folders(path));
        snprintf(wanted, sizeof wanted, "%s/%s", check_folder(), rows[i].wanted);
        for (int scheme = 0; scheme < 2; scheme++) {
            snprintf(path, sizeof path, "%s%s/%s", scheme ? "file://" : "", check_folder(), rows[i].remote);
            check_ok(xet_lfs_url_of_remote(path, &got));
            check_text(got, wanted);
            free(got);
        }
    }
}

TESTS(RUN(a_server_is_derived_from_each_kind_of_remote), RUN(a_repository_beside_us_is_its_lfs_folder))
