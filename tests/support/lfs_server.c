#include "tests/support/lfs_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/http.h"
#include "tests/support/check.h"

enum { ANSWER_BYTES_MAX = 16 << 20, ARGUMENTS_MAX = 16, STOP_MS = 5000 };

bool lfs_server_start(lfs_server *s, const char *name, const char *const *arguments)
{
    const char *argv[ARGUMENTS_MAX] = {"python3", "tests/support/lfs_service.py", s->folder};
    process_options how = {
        .argv = argv, .input = PROCESS_PIPE, .output = PROCESS_PIPE, .error = PROCESS_KEEP};
    char line[16] = "";
    size_t size = 0;

    *s = (lfs_server){0};
    snprintf(s->folder, sizeof s->folder, "%s/%s", check_folder(), name);
    for (size_t i = 0; arguments && arguments[i] && i + 4 < ARGUMENTS_MAX; i++) argv[i + 3] = arguments[i];
    err e = process_start(&how, &s->child);
    if (e.code == ERR_NOT_FOUND) print_message("python3 is not installed\n");
    if (e.code == ERR_NOT_FOUND) return false;
    check_ok(e);
    while (size < sizeof line - 1 && read(process_output(s->child), line + size, 1) == 1 &&
           line[size] != '\n')
        size++;
    s->port = atoi(line);
    check_true(s->port > 0);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d", s->port);
    return true;
}

void lfs_server_stop(lfs_server *s)
{
    bool ended;
    int status;

    if (!s->child) return;
    process_close_input(s->child);
    (void)process_wait(s->child, STOP_MS, &ended, &status);
    process_free(s->child);
    s->child = NULL;
}

static http_answer control(const lfs_server *s, const char *path, const char *body)
{
    http *h = NULL;
    http_options options = {0};
    http_answer answer = {0};
    char url[128];

    snprintf(url, sizeof url, "%s%s", s->url, path);
    http_request request = {.method = body ? "POST" : "GET",
                            .url = url,
                            .body = bytes_view_of(body),
                            .body_bytes_max = ANSWER_BYTES_MAX};
    check_ok(http_new(&options, &h));
    check_ok(http_send(h, &request, &answer));
    check_int(answer.status, 200);
    http_free(h);
    return answer;
}

void lfs_server_faults(const lfs_server *s, const char *json)
{
    http_answer answer = control(s, "/_faults", json);
    http_answer_free(&answer);
}

void lfs_server_forget(const lfs_server *s)
{
    http_answer answer = control(s, "/_forget", "{}");
    http_answer_free(&answer);
}

const json_node *lfs_server_seen(const lfs_server *s, arena *a)
{
    http_answer answer = control(s, "/_seen", NULL);
    const json_node *seen = NULL;
    bytes_view kept = {arena_text_n(a, answer.body.data, answer.body.size), answer.body.size};

    check_ok(json_parse(kept, JSON_DEPTH_MAX, a, &seen));
    http_answer_free(&answer);
    return seen;
}

size_t lfs_server_count(const lfs_server *s, const char *where)
{
    CLEANUP(arena_free) arena a = {0};
    size_t count = 0;

    for (const json_node *row = json_first(lfs_server_seen(s, &a)); row; row = row->next)
        count += bytes_view_is(json_text(json_get(row, "where")), where);
    return count;
}

void lfs_server_put(const lfs_server *s, const char *oid, const void *data, size_t size)
{
    char folder[400], path[500];

    snprintf(folder, sizeof folder, "%s/%.2s/%.2s", s->folder, oid, oid + 2);
    snprintf(path, sizeof path, "%s/%s", folder, oid);
    check_ok(file_make_folders(folder));
    check_write(path, data, size);
}
