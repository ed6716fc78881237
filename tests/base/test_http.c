#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/http.h"
#include "tests/support/check.h"
#include "tests/support/lfs_server.h"

#define HELLO "7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069"

static lfs_server server;

static http *client(int silence_seconds)
{
    http *h = NULL;
    http_options options = {.silence_seconds = silence_seconds};
    check_ok(http_new(&options, &h));
    return h;
}

static const char *object_url(void)
{
    static char url[256];
    snprintf(url, sizeof url, "%s/x.git/info/lfs/objects/%s", server.url, HELLO);
    return url;
}

#define NEEDS_SERVER                                                                                         \
    do {                                                                                                     \
        if (!server.child) skip();                                                                           \
        lfs_server_faults(&server, "{}");                                                                    \
        lfs_server_forget(&server);                                                                          \
        lfs_server_put(&server, HELLO, "Hello World!", 12);                                                  \
    } while (0)

TEST(a_small_answer_comes_with_status_headers_and_body)
{
    NEEDS_SERVER;
    http *h = client(0);
    http_answer answer;
    http_request request = {.method = "GET", .url = object_url(), .body_bytes_max = 100};

    check_ok(http_send(h, &request, &answer));
    check_int(answer.status, 200);
    check_text(bytes_text(&answer.body), "Hello World!");
    check_int(answer.received, 12);
    check_true(bytes_view_is(http_answer_header(&answer, "content-length"), "12"));
    check_int(http_answer_header(&answer, "content").size, 0);
    check_text(answer.url, object_url());
    http_answer_free(&answer);
    request.body_bytes_max = 11;
    check_fails(http_send(h, &request, &answer), ERR_LIMIT, "127.0.0.1 sent more than 11 bytes");
    http_answer_free(&answer);
    http_free(h);
}

typedef struct landing {
    bytes data;
    uint64_t offset;
    int begins;
} landing;

static err land(void *context, uint64_t offset)
{
    landing *l = context;
    l->offset = offset;
    l->begins++;
    return ERR_OK;
}

static err keep(void *context, const void *data, size_t size)
{
    landing *l = context;
    bytes_append(&l->data, data, size);
    return ERR_OK;
}

TEST(a_range_is_told_apart_from_the_whole_and_from_another_range)
{
    NEEDS_SERVER;
    http *h = client(0);
    static const struct {
        const char *faults, *body;
        int status, begins, offset;
        bool obeyed;
    } rows[] = {
        {"{}", "World!", 206, 1, 6, true},
        {"{\"ignore_range\": true}", "Hello World!", 200, 1, 0, false},
        {"{\"range_shift\": 1}", "", 206, 0, 0, false},
        {"{\"range_shift\": 9}", "", 416, 0, 0, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        landing l = {0};
        http_sink sink = {land, keep, &l};
        http_request request = {
            .method = "GET", .url = object_url(), .sink = &sink, .resume_from = 6, .resume_size = 12};
        http_answer answer;
        lfs_server_faults(&server, rows[i].faults);
        check_ok(http_send(h, &request, &answer));
        check_int(answer.status, rows[i].status);
        check_int(answer.range_obeyed, rows[i].obeyed);
        check_int(l.begins, rows[i].begins);
        check_int(l.offset, rows[i].offset);
        check_text(bytes_text(&l.data), rows[i].body);
        bytes_free(&l.data);
        http_answer_free(&answer);
    }
    http_free(h);
}

/* Of the last request: the value of a header, "" when it was not sent. Lives in a. */
static const char *last_header(const char *name, arena *a)
{
    const json_node *last = NULL;
    for (const json_node *row = json_first(lfs_server_seen(&server, a)); row; row = row->next) last = row;
    bytes_view value = json_text(json_get(json_get(last, "headers"), name));
    return arena_text_n(a, value.data ? value.data : "", value.size);
}

TEST(a_login_does_not_follow_to_another_host_or_port)
{
    NEEDS_SERVER;
    CLEANUP(arena_free) arena a = {0};
    char faults[128];
    http *h = client(0);
    http_answer answer;
    const char *headers[] = {"Authorization: Bearer secret", "Cookie: secret", "X-Plain: yes", NULL};
    http_request request = {
        .method = "GET", .url = object_url(), .headers = headers, .body_bytes_max = 1000, .redirects_max = 2};

    snprintf(faults, sizeof faults, "{\"redirect\": \"http://u:p@localhost:%d\"}", server.port);
    lfs_server_faults(&server, faults);
    check_fails(http_send(h, &request, &answer), ERR_LIMIT, "more than 2 redirects");
    check_true(!strstr(answer.url, "u:p@") && strstr(answer.url, "localhost"));
    http_answer_free(&answer);
    check_true(check_text_holds(last_header("host", &a), "localhost"));
    check_text(last_header("authorization", &a), "");
    check_text(last_header("cookie", &a), "");
    check_text(last_header("x-plain", &a), "yes");
    request.headers = NULL;
    request.user = "name";
    request.password = "secret";
    check_fails(http_send(h, &request, &answer), ERR_LIMIT, "redirects");
    check_text(last_header("authorization", &a), "");
    http_answer_free(&answer);
    lfs_server_faults(&server, "{\"redirect\": \"\"}"); /* the same host: there it may go */
    check_fails(http_send(h, &request, &answer), ERR_LIMIT, "redirects");
    check_text(last_header("authorization", &a), "Basic bmFtZTpzZWNyZXQ=");
    http_answer_free(&answer);
    request.redirects_max = 0;
    check_ok(http_send(h, &request, &answer));
    check_int(answer.status, 302);
    http_answer_free(&answer);
    lfs_server_faults(&server, "{\"redirect\": \"file:///etc/passwd?\"}");
    request.redirects_max = 2;
    check_fails(http_send(h, &request, &answer), ERR_DENIED, "no http address");
    http_answer_free(&answer);
    http_free(h);
}

TEST(silence_a_cut_and_a_flood_of_headers_end_a_request)
{
    NEEDS_SERVER;
    http *h = client(1);
    http_answer answer;
    http_request request = {.method = "GET", .url = object_url(), .body_bytes_max = 1000};

    lfs_server_faults(&server, "{\"stall\": 5, \"stall_seconds\": 10}");
    double began = clock_seconds();
    check_fails(http_send(h, &request, &answer), ERR_IO, "127.0.0.1 was silent for 1 s");
    check_true(clock_seconds() - began < 5);
    check_int(answer.received, 5);
    http_answer_free(&answer);
    lfs_server_faults(&server, "{\"cut\": 5}");
    check_fails(http_send(h, &request, &answer), ERR_IO, "127.0.0.1");
    check_int(answer.received, 5);
    http_answer_free(&answer);
    lfs_server_faults(&server, "{\"header_flood\": 100}");
    check_fails(http_send(h, &request, &answer), ERR_LIMIT, "headers");
    http_answer_free(&answer);
    request.url = "http://127.0.0.1:1/x";
    check_fails(http_send(h, &request, &answer), ERR_IO, "127.0.0.1");
    http_answer_free(&answer);
    request.url = "ftp://u:secret@127.0.0.1/x";
    err e = http_send(h, &request, &answer);
    check_int(e.code, ERR_USAGE);
    check_true(!check_text_holds(e.text, "secret"));
    http_answer_free(&answer);
    http_free(h);
}

static bool until(void *context, uint64_t sent, uint64_t received)
{
    return sent + received < *(uint64_t *)context;
}

TEST(progress_may_cancel)
{
    NEEDS_SERVER;
    uint64_t limit = 3;
    http *h = client(0);
    http_answer answer;
    http_request request = {
        .method = "GET", .url = object_url(), .body_bytes_max = 1000, .progress = until, .context = &limit};

    lfs_server_faults(&server, "{\"stall\": 5}");
    double began = clock_seconds();
    check_fails(http_send(h, &request, &answer), ERR_CANCELLED, "cancelled");
    check_true(clock_seconds() - began < 5);
    http_answer_free(&answer);
    http_free(h);
}

TEST(a_file_is_sent_with_its_length_or_in_chunks)
{
    NEEDS_SERVER;
    CLEANUP(arena_free) arena a = {0};
    char path[300], stored[400];
    http *h = client(0);

    snprintf(path, sizeof path, "%s/sent", check_folder());
    snprintf(stored, sizeof stored, "%s/7f/83/%s", server.folder, HELLO);
    check_write(path, "Hello World!", 12);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (int chunked = 0; chunked < 2; chunked++) {
        http_upload upload = {.fd = fd, .size = 12, .chunked = chunked};
        http_request request = {
            .method = "PUT", .url = object_url(), .upload = &upload, .body_bytes_max = 1000};
        http_answer answer;
        unlink(stored);
        check_ok(http_send(h, &request, &answer));
        check_int(answer.status, 200);
        http_answer_free(&answer);
        CLEANUP(bytes_free) bytes got = check_read("%s", stored);
        check_text(bytes_text(&got), "Hello World!");
        check_text(last_header("content-length", &a), chunked ? "" : "12");
    }
    close(fd);
    http_free(h);
}

/* A server with a certificate of its own, which nobody but we trust. */
static bool certificate_make(char *key, char *certificate)
{
    const char *argv[] = {"openssl",  "req",       "-x509",   "-newkey",
                          "rsa:2048", "-nodes",    "-keyout", key,
                          "-out",     certificate, "-days",   "2",
                          "-subj",    "/CN=t",     "-addext", "subjectAltName=DNS:localhost",
                          NULL};
    process_options how = {.argv = argv, .input = PROCESS_NULL, .error = PROCESS_NULL};
    CLEANUP(bytes_free) bytes out = {0};
    int status = 1;

    return !process_run(&how, (bytes_view){0}, 1 << 16, 30000, &out, NULL, &status).code && status == 0;
}

TEST(certificate_and_host_name_are_checked)
{
    char key[300], certificate[300], url[128];
    const char *arguments[] = {"--certificate", certificate, "--key", key, NULL};
    lfs_server secure;
    http_answer answer;
    http *h = client(5);

    snprintf(key, sizeof key, "%s/key.pem", check_folder());
    snprintf(certificate, sizeof certificate, "%s/certificate.pem", check_folder());
    if (!certificate_make(key, certificate)) {
        print_message("openssl is not installed\n");
        skip();
    }
    if (!lfs_server_start(&secure, "secure", arguments)) skip();
    snprintf(url, sizeof url, "https://localhost:%d/_seen", secure.port);
    http_request request = {.method = "GET", .url = url, .body_bytes_max = 1000};
    check_fails(http_send(h, &request, &answer), ERR_DENIED, "certificate of localhost");
    http_answer_free(&answer);
    http_free(h);
    http_options options = {.certificate_file = certificate};
    check_ok(http_new(&options, &h));
    check_ok(http_send(h, &request, &answer));
    check_int(answer.status, 200);
    http_answer_free(&answer);
    snprintf(url, sizeof url, "https://127.0.0.1:%d/_seen", secure.port); /* not the name it is made for */
    check_fails(http_send(h, &request, &answer), ERR_DENIED, "certificate of 127.0.0.1");
    http_answer_free(&answer);
    http_free(h);
    lfs_server_stop(&secure);
}

TEST(origins_are_scheme_host_and_port)
{
    check_true(http_same_origin("https://h/x", "https://H:443/y?z"));
    check_true(!http_same_origin("https://h/x", "http://h/x"));
    check_true(!http_same_origin("https://h/x", "https://h:444/x"));
    check_true(!http_same_origin("https://h/x", "https://h.evil/x"));
    check_true(!http_same_origin("https://h/x", "https://h@evil/x"));
    check_true(!http_same_origin("file:///x", "file:///x"));
    check_true(!http_same_origin("", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_small_answer_comes_with_status_headers_and_body),
        RUN(a_range_is_told_apart_from_the_whole_and_from_another_range),
        RUN(a_login_does_not_follow_to_another_host_or_port),
        RUN(silence_a_cut_and_a_flood_of_headers_end_a_request),
        RUN(progress_may_cancel),
        RUN(a_file_is_sent_with_its_length_or_in_chunks),
        RUN(certificate_and_host_name_are_checked),
        RUN(origins_are_scheme_host_and_port),
    };
    if (!lfs_server_start(&server, "objects", NULL)) server.child = NULL;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lfs_server_stop(&server);
    return failed;
}
