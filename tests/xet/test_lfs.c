#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "tests/support/check.h"
#include "tests/support/lfs_server.h"
#include "xet/lfs.h"

enum { OBJECTS_MAX = 130 };

static lfs_server server, guarded; /* guarded: wants name and secret */

/* A store and objects of ours, and what the callbacks saw. */
typedef struct scene {
    xet_store *store;
    xet_lfs_object objects[OBJECTS_MAX];
    char *texts[OBJECTS_MAX];
    size_t count;
    char url[128];
    xet_lfs_server how;
    const char *passwords[3]; /* answered one after the other; NULL: no more */
    unsigned asked, told_good, told_bad;
    uint64_t done_last, total_last, cancel_at;
} scene;

static err scene_login(void *context, const char *url, unsigned attempt, const char **user,
                       const char **password)
{
    scene *s = context;
    check_true(strncmp(url, "http://", 7) == 0);
    s->asked++;
    if (attempt >= COUNT_OF(s->passwords) || !s->passwords[attempt])
        return err_make(ERR_DENIED, "nothing more to try");
    *user = "name";
    *password = s->passwords[attempt];
    return ERR_OK;
}

static void scene_told(void *context, bool worked)
{
    scene *s = context;
    if (worked)
        s->told_good++;
    else
        s->told_bad++;
}

static bool scene_progress(void *context, uint64_t done, uint64_t total, const char *oid)
{
    scene *s = context;
    check_true(done <= total && oid);
    s->done_last = done;
    s->total_last = total;
    return !s->cancel_at || done < s->cancel_at;
}

static void scene_begin(scene *s, const lfs_server *at)
{
    char folder[300];

    *s = (scene){0};
    snprintf(folder, sizeof folder, "%s/lfs", check_folder());
    check_ok(file_remove_tree(folder));
    check_ok(file_remove_tree(at->folder));
    lfs_server_faults(at, "{}");
    lfs_server_forget(at);
    s->store = xet_store_new(folder);
    snprintf(s->url, sizeof s->url, "%s/org/x.git/info/lfs", at->url);
    s->how = (xet_lfs_server){.url = s->url,
                              .login = scene_login,
                              .login_told = scene_told,
                              .progress = scene_progress,
                              .context = s,
                              .http = {.silence_seconds = 1}};
}

static void scene_end(scene *s)
{
    for (size_t i = 0; i < s->count; i++) free(s->texts[i]);
    xet_store_free(s->store);
}

/* One object more, of this text `repeat` times. */
static void scene_object(scene *s, const char *text, size_t repeat)
{
    bytes all = {0};
    while (repeat--) bytes_append_text(&all, text);
    s->objects[s->count].size = all.size;
    sha256_of(bytes_borrow(&all), s->objects[s->count].oid);
    s->texts[s->count++] = bytes_take(&all);
}

static void at_server(scene *s, const lfs_server *at)
{
    for (size_t i = 0; i < s->count; i++)
        lfs_server_put(at, s->objects[i].oid, s->texts[i], s->objects[i].size);
}

static void at_home(scene *s)
{
    for (size_t i = 0; i < s->count; i++) {
        xet_writer *w = NULL;
        xet_pointer p;
        check_ok(xet_writer_open(s->store, &w));
        check_ok(xet_writer_write(w, s->texts[i], s->objects[i].size));
        check_ok(xet_writer_publish(w, &p));
        check_text(p.oid, s->objects[i].oid);
    }
}

static size_t leftovers(const scene *s)
{
    static const char *const places[] = {"tmp", "incomplete"};
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        CLEANUP(file_list_free) file_list list = {0};
        CLEANUP(bytes_free) bytes folder = {.data = file_join(xet_store_borrow_folder(s->store), places[i])};
        if (!file_list_folder(folder.data, &list).code) count += list.count;
    }
    return count;
}

static void check_all_here(const scene *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->objects[i].problem.code) fail_msg("%s", s->objects[i].problem.text);
        check_true(s->objects[i].done);
        check_ok(xet_store_verify(s->store, s->objects[i].oid));
    }
    check_int(leftovers(s), 0);
}

static bool server_has(const lfs_server *at, const xet_lfs_object *object)
{
    char path[500];
    uint64_t size = 0;
    snprintf(path, sizeof path, "%s/%.2s/%.2s/%s", at->folder, object->oid, object->oid + 2, object->oid);
    return !file_size(path, &size).code && size == object->size;
}

#define SCENE(at)                                                                                            \
    scene s;                                                                                                 \
    if (!(at)->child) skip();                                                                                \
    scene_begin(&s, (at))

static err download(scene *s) { return xet_lfs_download(&s->how, s->store, s->objects, s->count); }
static err upload(scene *s) { return xet_lfs_upload(&s->how, s->store, s->objects, s->count); }

/* ---- down ---- */

TEST(objects_come_a_hundred_a_batch_and_are_whole)
{
    SCENE(&server);
    char text[32];
    for (int i = 0; i < 120; i++) {
        snprintf(text, sizeof text, "object %d ", i);
        scene_object(&s, text, (size_t)i + 1);
    }
    at_server(&s, &server);
    check_ok(download(&s));
    check_all_here(&s);
    check_int(lfs_server_count(&server, "batch"), 2);
    check_int(lfs_server_count(&server, "download"), 120);
    check_true(s.done_last == s.total_last && s.total_last > 0);
    lfs_server_forget(&server);
    check_ok(download(&s)); /* all here: nobody is asked */
    check_int(lfs_server_count(&server, "batch"), 0);
    scene_end(&s);
}

TEST(an_absent_object_is_named_and_the_others_come)
{
    SCENE(&server);
    scene_object(&s, "here", 1);
    at_server(&s, &server);
    scene_object(&s, "nowhere", 1);
    check_ok(download(&s));
    check_true(s.objects[0].done && !s.objects[1].done);
    check_fails(s.objects[1].problem, ERR_NOT_FOUND, "Object does not exist");
    lfs_server_faults(&server, "{\"object_error\": 422}");
    check_ok(download(&s));
    check_int(s.objects[1].problem.code, ERR_FORMAT);
    lfs_server_faults(&server, "{\"bare\": true}");
    s.objects[1] = s.objects[0];
    check_ok(xet_store_remove(s.store, s.objects[0].oid));
    check_ok(download(&s));
    check_int(s.objects[0].problem.code, ERR_NOT_FOUND);
    scene_end(&s);
}

TEST(what_a_server_calls_temporary_is_tried_again)
{
    static const struct {
        const char *faults;
        size_t batches, downloads;
    } rows[] = {
        {"{\"answers\": [{\"where\": \"batch\", \"status\": 500, \"times\": 2}]}", 3, 1},
        {"{\"answers\": [{\"where\": \"download\", \"status\": 503, \"times\": 2}]}", 1, 3},
        {"{\"answers\": [{\"where\": \"download\", \"status\": 403, \"times\": 1}]}", 2, 2},
        {"{\"expired\": 1}", 2, 1},
        {"{\"expired\": 1, \"expired_at\": true}", 2, 1},
        {"{\"links\": true}", 1, 1},
        {"{\"authenticated\": true}", 1, 1},
        {"{\"hash_algo\": \"sha256\"}", 1, 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        SCENE(&server);
        scene_object(&s, "text", 10);
        at_server(&s, &server);
        lfs_server_faults(&server, rows[i].faults);
        check_ok(download(&s));
        check_all_here(&s);
        check_int(lfs_server_count(&server, "batch"), rows[i].batches);
        check_int(lfs_server_count(&server, "download"), rows[i].downloads);
        scene_end(&s);
    }
}

TEST(retry_after_is_obeyed)
{
    SCENE(&server);
    scene_object(&s, "text", 10);
    at_server(&s, &server);
    lfs_server_faults(&server, "{\"answers\": [{\"where\": \"download\", \"status\": 429, \"times\": 1,"
                               " \"headers\": {\"Retry-After\": \"1\"}}]}");
    double began = clock_seconds();
    check_ok(download(&s));
    check_true(clock_seconds() - began >= 1);
    check_all_here(&s);
    check_ok(xet_store_remove(s.store, s.objects[0].oid));
    lfs_server_faults(&server, "{\"answers\": [{\"where\": \"batch\", \"status\": 429,"
                               " \"headers\": {\"Retry-After\": \"86400\"}}]}");
    check_fails(download(&s), ERR_IO, "asked to wait 86400 s"); /* not the whole day */
    scene_end(&s);
}

TEST(a_download_that_is_cut_off_goes_on_where_it_was)
{
    SCENE(&server);
    CLEANUP(arena_free) arena a = {0};
    size_t ranges = 0;
    scene_object(&s, "0123456789", 100000);
    at_server(&s, &server);
    lfs_server_faults(&server, "{\"cut\": 300000}");
    check_ok(download(&s));
    check_all_here(&s);
    for (const json_node *row = json_first(lfs_server_seen(&server, &a)); row; row = row->next) {
        bytes_view range = json_text(json_get(json_get(row, "headers"), "range"));
        if (range.size) ranges++;
        if (ranges == 1 && range.size) check_true(bytes_view_is(range, "bytes=300000-999999"));
    }
    check_int(ranges, 3);
    scene_end(&s);
}

/* As an earlier process may have left it. */
static void part_put(const scene *s, const char *data, size_t size)
{
    CLEANUP(bytes_free) bytes path = {.data = xet_store_part_path(s->store, s->objects[0].oid)};
    CLEANUP(bytes_free) bytes folder = {.data = file_parent(path.data)};
    check_ok(file_make_folders(folder.data));
    check_write(path.data, data, size);
}

TEST(a_part_from_before_is_used_only_when_it_fits)
{
    static const struct {
        const char *faults;
        size_t kept, downloads;
        bool bad;
    } rows[] = {
        {"{}", 500, 1, false},
        {"{}", 500, 2, true},   /* other bytes: seen at the end, then from the start */
        {"{}", 1000, 0, false}, /* all of it */
        {"{}", 1000, 1, true},
        {"{}", 1500, 1, false}, /* too long */
        {"{\"ignore_range\": true}", 500, 1, false},
        {"{\"range_shift\": 1}", 500, 2, false},
        {"{\"range_shift\": 5000}", 500, 2, false}, /* 416 */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        SCENE(&server);
        CLEANUP(bytes_free) bytes part = {0};
        scene_object(&s, "0123456789", 100);
        at_server(&s, &server);
        bytes_append(&part, s.texts[0], 1000);
        bytes_append(&part, s.texts[0], 1000);
        if (rows[i].bad) part.data[7] = 'x';
        part_put(&s, part.data, rows[i].kept);
        lfs_server_faults(&server, rows[i].faults);
        check_ok(download(&s));
        check_all_here(&s);
        if (lfs_server_count(&server, "download") != rows[i].downloads)
            fail_msg("row %zu: %zu downloads", i, lfs_server_count(&server, "download"));
        scene_end(&s);
    }
}

TEST(a_part_that_another_process_fills_is_left_alone)
{
    SCENE(&server);
    scene_object(&s, "0123456789", 100);
    at_server(&s, &server);
    part_put(&s, "01234", 5);
    CLEANUP(bytes_free) bytes path = {.data = xet_store_part_path(s.store, s.objects[0].oid)};
    int fd = open(path.data, O_RDWR | O_CLOEXEC);
    check_int(flock(fd, LOCK_EX), 0);
    check_ok(download(&s));
    check_ok(xet_store_verify(s.store, s.objects[0].oid));
    check_int(leftovers(&s), 1);
    CLEANUP(bytes_free) bytes part = check_read("%s", path.data);
    check_text(bytes_text(&part), "01234");
    close(fd);
    scene_end(&s);
}

TEST(wrong_bytes_never_reach_the_store)
{
    SCENE(&server);
    scene_object(&s, "0123456789", 100);
    at_server(&s, &server);
    lfs_server_faults(&server, "{\"wrong\": true}");
    check_ok(download(&s));
    check_fails(s.objects[0].problem, ERR_FORMAT, "other bytes came");
    check_true(!xet_store_has(s.store, s.objects[0].oid, 1000));
    check_int(leftovers(&s), 0);
    lfs_server_put(&server, s.objects[0].oid, s.texts[0], 1000);
    s.objects[0].size = 999; /* the pointer lies about the size: the server has no such object */
    check_ok(download(&s));
    check_true(!s.objects[0].done);
    scene_end(&s);
}

TEST(a_silent_server_is_given_up_and_the_part_is_kept)
{
    SCENE(&server);
    scene_object(&s, "0123456789", 100);
    at_server(&s, &server);
    lfs_server_faults(&server, "{\"stall\": 100, \"stall_seconds\": 30}");
    s.cancel_at = 250; /* after three attempts of 100 bytes more */
    check_fails(download(&s), ERR_CANCELLED, "cancelled");
    check_int(leftovers(&s), 1);
    lfs_server_faults(&server, "{}");
    s.cancel_at = 0;
    check_ok(download(&s));
    check_all_here(&s);
    scene_end(&s);
}

TEST(a_redirect_gets_no_login_of_ours)
{
    SCENE(&guarded);
    CLEANUP(arena_free) arena a = {0};
    char faults[128];
    bool seen = false;
    scene_object(&s, "0123456789", 100);
    at_server(&s, &guarded);
    at_server(&s, &server);
    s.passwords[0] = "secret";
    lfs_server_forget(&server);
    lfs_server_faults(&server, "{}");
    snprintf(faults, sizeof faults, "{\"redirect\": \"http://localhost:%d\"}", server.port);
    lfs_server_faults(&guarded, faults);
    check_ok(download(&s));
    check_all_here(&s);
    for (const json_node *row = json_first(lfs_server_seen(&server, &a)); row; row = row->next) {
        check_true(!json_get(json_get(row, "headers"), "authorization"));
        check_true(bytes_view_is(json_text(json_get(json_get(row, "headers"), "x-action")), "download"));
        seen = true;
    }
    check_true(seen);
    scene_end(&s);
}

/* ---- logins ---- */

TEST(a_login_is_asked_once_and_told_that_it_worked)
{
    SCENE(&guarded);
    scene_object(&s, "one", 1);
    scene_object(&s, "two", 1);
    at_server(&s, &guarded);
    s.passwords[0] = "wrong";
    s.passwords[1] = "secret";
    check_ok(download(&s));
    check_all_here(&s);
    check_int(s.asked, 2);
    check_int(s.told_bad, 1);
    check_int(s.told_good, 1);
    check_int(lfs_server_count(&guarded, "batch"), 3);
    check_int(lfs_server_count(&guarded, "download"), 2);
    scene_end(&s);
}

TEST(a_login_known_beforehand_goes_with_the_first_request)
{
    SCENE(&guarded);
    scene_object(&s, "one", 1);
    at_server(&s, &guarded);
    s.passwords[0] = "secret";
    s.how.login_first = true;
    check_ok(download(&s));
    check_int(lfs_server_count(&guarded, "batch"), 1);
    scene_end(&s);
}

TEST(a_refused_login_ends_the_call_and_is_in_no_sentence)
{
    SCENE(&guarded);
    scene_object(&s, "one", 1);
    s.passwords[0] = "hunter2";
    err e = download(&s);
    check_int(e.code, ERR_DENIED);
    check_true(check_text_holds(e.text, "127.0.0.1") && !check_text_holds(e.text, "hunter2"));
    check_int(lfs_server_count(&guarded, "batch"), 2); /* never twice with the same */
    s.how.login = NULL;
    check_fails(download(&s), ERR_DENIED, "wants a login");
    scene_end(&s);
}

/* ---- up ---- */

TEST(objects_go_up_once_and_are_verified)
{
    SCENE(&server);
    scene_object(&s, "one", 1);
    scene_object(&s, "0123456789", 200000);
    at_home(&s);
    check_ok(upload(&s));
    check_all_here(&s);
    check_true(server_has(&server, &s.objects[0]) && server_has(&server, &s.objects[1]));
    check_int(lfs_server_count(&server, "upload"), 2);
    check_int(lfs_server_count(&server, "verify"), 2);
    check_ok(upload(&s)); /* the server has them */
    check_int(lfs_server_count(&server, "upload"), 2);
    check_true(s.objects[0].done && s.objects[1].done);
    scene_object(&s, "never stored", 1);
    check_ok(upload(&s));
    check_fails(s.objects[2].problem, ERR_NOT_FOUND, "neither here nor on the server");
    scene_end(&s);
}

TEST(an_upload_lives_through_what_passes)
{
    static const struct {
        const char *faults;
        size_t batches, uploads, verifies;
    } rows[] = {
        {"{\"answers\": [{\"where\": \"upload\", \"status\": 500, \"times\": 2}]}", 1, 3, 1},
        {"{\"answers\": [{\"where\": \"upload\", \"status\": 403, \"times\": 1}]}", 2, 2, 1},
        {"{\"answers\": [{\"where\": \"verify\", \"status\": 500, \"times\": 2}]}", 1, 1, 3},
        {"{\"chunked\": true}", 1, 1, 1},
        {"{\"expired\": 1}", 2, 1, 1},
        {"{\"authenticated\": true}", 1, 1, 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        SCENE(&server);
        scene_object(&s, "0123456789", 1000);
        at_home(&s);
        lfs_server_faults(&server, rows[i].faults);
        check_ok(upload(&s));
        check_all_here(&s);
        check_true(server_has(&server, &s.objects[0]));
        check_int(lfs_server_count(&server, "batch"), rows[i].batches);
        check_int(lfs_server_count(&server, "upload"), rows[i].uploads);
        check_int(lfs_server_count(&server, "verify"), rows[i].verifies);
        scene_end(&s);
    }
}

TEST(an_upload_that_is_not_confirmed_or_not_taken_is_a_failure)
{
    SCENE(&server);
    scene_object(&s, "0123456789", 1000);
    at_home(&s);
    lfs_server_faults(&server, "{\"answers\": [{\"where\": \"verify\", \"status\": 404}]}");
    check_ok(upload(&s));
    check_true(!s.objects[0].done && s.objects[0].problem.code != ERR_NOT_FOUND);
    check_true(check_text_holds(s.objects[0].problem.text, "does not confirm"));
    check_ok(file_remove_tree(server.folder));
    lfs_server_faults(&server, "{\"answers\": [{\"where\": \"upload\", \"status\": 413}]}");
    check_ok(upload(&s));
    check_int(s.objects[0].problem.code, ERR_LIMIT);
    scene_end(&s);
}

/* ---- the whole request ---- */

TEST(a_refusal_of_the_whole_request_has_its_code)
{
    static const struct {
        int status;
        err_code code;
    } rows[] = {{403, ERR_DENIED}, {404, ERR_NOT_FOUND},   {406, ERR_UNSUPPORTED},
                {422, ERR_FORMAT}, {501, ERR_UNSUPPORTED}, {507, ERR_LIMIT}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        SCENE(&server);
        char faults[256];
        scene_object(&s, "x", 10);
        snprintf(faults, sizeof faults, "{\"answers\": [{\"where\": \"batch\", \"status\": %d}]}",
                 rows[i].status);
        lfs_server_faults(&server, faults);
        check_fails(download(&s), rows[i].code, "as the test wants");
        check_int(lfs_server_count(&server, "batch"), 1);
        scene_end(&s);
    }
}

TEST(a_batch_that_is_too_long_is_made_shorter)
{
    SCENE(&server);
    for (int i = 0; i < 10; i++) scene_object(&s, "x", (size_t)i + 1);
    at_server(&s, &server);
    lfs_server_faults(&server, "{\"batch_max\": 3}");
    check_ok(download(&s));
    check_all_here(&s);
    lfs_server_faults(&server, "{\"batch_max\": 0}");
    check_ok(xet_store_remove(s.store, s.objects[0].oid));
    check_int(download(&s).code, ERR_LIMIT);
    scene_end(&s);
}

TEST(nonsense_instead_of_an_answer_is_refused)
{
    static const struct {
        const char *faults;
        err_code code;
    } rows[] = {
        {"{\"batch_body\": \"<html>\"}", ERR_FORMAT},
        {"{\"batch_body\": \"[]\"}", ERR_FORMAT},
        {"{\"batch_body\": \"{\\\"objects\\\": 3}\"}", ERR_FORMAT},
        {"{\"batch_body\": \"{\\\"transfer\\\": \\\"xet\\\", \\\"objects\\\": []}\"}", ERR_UNSUPPORTED},
        {"{\"hash_algo\": \"sha512\"}", ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        SCENE(&server);
        scene_object(&s, "x", 10);
        at_server(&s, &server);
        lfs_server_faults(&server, rows[i].faults);
        check_int(download(&s).code, rows[i].code);
        scene_end(&s);
    }
    SCENE(&server);
    scene_object(&s, "x", 10);
    lfs_server_faults(&server, "{\"batch_body\": \"{\\\"objects\\\": []}\"}");
    check_ok(download(&s));
    check_fails(s.objects[0].problem, ERR_FORMAT, "says nothing");
    scene_end(&s);
}

TEST(nobody_there_is_an_error_after_a_few_tries)
{
    SCENE(&server);
    scene_object(&s, "x", 10);
    snprintf(s.url, sizeof s.url, "http://127.0.0.1:1/x.git/info/lfs");
    s.cancel_at = 1;
    s.how.progress = NULL;
    s.how.url = "ftp://127.0.0.1/x";
    check_int(download(&s).code, ERR_USAGE);
    scene_end(&s);
}

/* ---- a folder as the server ---- */

TEST(a_folder_is_a_server_too)
{
    SCENE(&server);
    char folder[300], url[320];
    scene_object(&s, "one", 1);
    scene_object(&s, "0123456789", 300000);
    at_home(&s);
    snprintf(folder, sizeof folder, "%s/other", check_folder());
    check_ok(file_remove_tree(folder));
    snprintf(url, sizeof url, "file://%s", folder);
    s.how.url = url;
    check_ok(upload(&s));
    xet_store *other = xet_store_new(folder);
    check_ok(xet_store_verify(other, s.objects[1].oid));
    check_true(s.done_last == s.total_last && s.total_last == 3000003);
    for (size_t i = 0; i < s.count; i++) check_ok(xet_store_remove(s.store, s.objects[i].oid));
    s.how.url = folder;
    check_ok(download(&s));
    check_all_here(&s);
    check_ok(xet_store_remove(s.store, s.objects[0].oid));
    check_ok(xet_store_remove(s.store, s.objects[1].oid));
    check_ok(xet_store_remove(other, s.objects[0].oid));
    CLEANUP(bytes_free) bytes path = {.data = xet_store_path(other, s.objects[1].oid)};
    chmod(path.data, 0644);
    s.texts[1][5] = 'x';
    check_write(path.data, s.texts[1], s.objects[1].size);
    check_ok(download(&s));
    check_int(s.objects[0].problem.code, ERR_NOT_FOUND);
    check_int(s.objects[1].problem.code, ERR_FORMAT);
    check_int(leftovers(&s), 0);
    xet_store_free(other);
    scene_end(&s);
}

int main(void)
{
    static const char *const login[] = {"--user", "name", "--password", "secret", NULL};
    const struct CMUnitTest tests[] = {
        RUN(objects_come_a_hundred_a_batch_and_are_whole),
        RUN(an_absent_object_is_named_and_the_others_come),
        RUN(what_a_server_calls_temporary_is_tried_again),
        RUN(retry_after_is_obeyed),
        RUN(a_download_that_is_cut_off_goes_on_where_it_was),
        RUN(a_part_from_before_is_used_only_when_it_fits),
        RUN(a_part_that_another_process_fills_is_left_alone),
        RUN(wrong_bytes_never_reach_the_store),
        RUN(a_silent_server_is_given_up_and_the_part_is_kept),
        RUN(a_redirect_gets_no_login_of_ours),
        RUN(a_login_is_asked_once_and_told_that_it_worked),
        RUN(a_login_known_beforehand_goes_with_the_first_request),
        RUN(a_refused_login_ends_the_call_and_is_in_no_sentence),
        RUN(objects_go_up_once_and_are_verified),
        RUN(an_upload_lives_through_what_passes),
        RUN(an_upload_that_is_not_confirmed_or_not_taken_is_a_failure),
        RUN(a_refusal_of_the_whole_request_has_its_code),
        RUN(a_batch_that_is_too_long_is_made_shorter),
        RUN(nonsense_instead_of_an_answer_is_refused),
        RUN(nobody_there_is_an_error_after_a_few_tries),
        RUN(a_folder_is_a_server_too),
    };
    (void)lfs_server_start(&server, "objects", NULL);
    (void)lfs_server_start(&guarded, "guarded", login);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lfs_server_stop(&server);
    lfs_server_stop(&guarded);
    return failed;
}
