#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "tests/support/check.h"

static const char hello_hex[] = "7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069";

TEST(bytes_hash_to_the_published_value_whole_and_in_pieces)
{
    char hex[SHA256_HEX_SIZE];

    sha256_of(VIEW("Hello World!"), hex);
    check_text(hex, hello_hex);
    sha256 *s = sha256_new();
    sha256_add(s, "Hello", 5);
    sha256_add(s, "", 0);
    sha256_add(s, " World!", 7);
    sha256_end(s, hex);
    check_text(hex, hello_hex);
    sha256_of((bytes_view){0}, hex);
    check_text(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(only_64_lower_case_digits_name_a_file)
{
    char hex[SHA256_HEX_SIZE + 1];

    check_true(sha256_is_hex(hello_hex));
    strcpy(hex, hello_hex);
    hex[3] = 'B';
    check_true(!sha256_is_hex(hex));
    strcpy(hex, hello_hex);
    hex[63] = 0;
    check_true(!sha256_is_hex(hex));
    strcpy(hex, hello_hex);
    strcat(hex, "0");
    check_true(!sha256_is_hex(hex));
    check_true(!sha256_is_hex(""));
    check_true(!sha256_is_hex("../../../../../../../../../../../../../../../../../../etc/passwd.."));
}

static bool stop_after(void *context, uint64_t done) { return done <= *(uint64_t *)context; }

TEST(a_file_is_hashed_from_where_it_stands_and_can_be_stopped)
{
    char path[256], hex[SHA256_HEX_SIZE];
    uint64_t size = 0, limit = 1 << 20;
    size_t big = 3 << 20;
    char *zeros = calloc(1, big);

    snprintf(path, sizeof path, "%s/file", check_folder());
    check_write(path, "xxHello World!", 14);
    int fd = open(path, O_RDONLY);
    lseek(fd, 2, SEEK_SET);
    check_ok(sha256_of_file(fd, hex, &size, NULL, NULL));
    check_text(hex, hello_hex);
    check_int(size, 12);
    close(fd);
    check_write(path, zeros, big);
    free(zeros);
    fd = open(path, O_RDONLY);
    check_fails(sha256_of_file(fd, hex, &size, stop_after, &limit), ERR_CANCELLED, "cancelled");
    close(fd);
}

TESTS(RUN(bytes_hash_to_the_published_value_whole_and_in_pieces), RUN(only_64_lower_case_digits_name_a_file),
      RUN(a_file_is_hashed_from_where_it_stands_and_can_be_stopped))
