/* The models folder under bad luck: lies in the registry, several of us at once, folders that may not be
 * written, a cache that goes away. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/repo/models_given.h"

enum { SOMEBODY = 12345 };

static const repo_model_row *row_of(given *g, const char *name)
{
    const repo_model_row *row = repo_models_find(g->m, name);
    if (!row) fail_msg("there is no model %s", name);
    return row;
}

/* What `work` says, done in a process of its own. */
static int child_does(int (*work)(given *g), given *g)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) _exit(work(g));
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- the registry lies ---- */

TEST(rows_that_lie_are_left_out_and_the_models_stay)
{
    given *g = given_home("lies");
    given_repository(g, "alpha");
    given_says(
        g,
        "mkdir ../secret && echo '{\"model_type\":\"llama\"}' >../secret/config.json && ln -s loop loop && "
        "ln -s / root && ln -s . self && ln -s ../secret linked");
    given_open(g);
    check_ok(repo_models_rescan(g->m, NULL, NULL));
    given_says(g, "python3 -c \"\nimport json\np = '.registry/registry.json'\no = json.load(open(p))\n"
                  "for i, place in enumerate(['/etc', '../secret', 'alpha', '.registry', 'root/etc', "
                  "'self/self/alpha',\n"
                  "                           'loop', 'gone']):\n"
                  "    o['repositories']['01234567-89ab-4def-8123-%%012d' %% i] = {'name': 'x%%d' %% i,\n"
                  "                                                               'worktree_path': place}\n"
                  "json.dump(o, open(p, 'w'))\"");
    given_open(g);
    check_int(row_of(g, "alpha")->state, REPO_MODEL_READY);
    check_true(row_of(g, "alpha")->uuid != NULL);
    check_true(repo_models_find(g->m, "x0") == NULL && repo_models_find(g->m, "x1") == NULL);
    check_true(repo_models_find(g->m, "x3") == NULL);
    check_int(row_of(g, "x7")->state, REPO_MODEL_MISSING);
    /* Forgetting a row that names a place through a link deletes nothing there. */
    if (repo_models_find(g->m, "x5")) check_ok(repo_models_remove(g->m, "x5", REPO_REMOVE_ALL));
    check_text(given_says(g, "test -f ../secret/config.json && test -d alpha/.git && echo there"), "there");
    given_end(g);
}

TEST(a_registry_of_a_hundred_megabytes_is_kept_aside_at_once)
{
    given *g = given_home("huge");
    given_repository(g, "alpha");
    given_open(g);
    check_ok(repo_models_rescan(g->m, NULL, NULL));
    char *uuid = memory_text(row_of(g, "alpha")->uuid);
    given_says(g, "truncate -s 100M .registry/registry.json");
    double began = clock_seconds();
    given_open(g);
    print_message("opened in %.0f ms\n", (clock_seconds() - began) * 1e3);
    check_true(clock_seconds() - began < 2);
    check_text(row_of(g, "alpha")->uuid, uuid);
    check_text(given_says(g, "ls .registry | grep -c bad"), "1");
    check_text(given_says(g, "grep -c %s .registry/registry.json", uuid), "2");
    given_open(g);
    check_text(given_says(g, "ls .registry | grep -c bad"), "1");
    free(uuid);
    given_end(g);
}

TEST(a_registry_of_a_newer_program_is_not_rewritten)
{
    given *g = given_home("newer");
    given_repository(g, "alpha");
    given_repository(g, "beta");
    given_open(g);
    check_ok(repo_models_register(g->m, "alpha", NULL));
    given_says(
        g, "sed -i 's/\"2.0.0\"/\"3.0.0\"/' .registry/registry.json && cp .registry/registry.json ../before");
    given_open(g);
    check_int(repo_models_count(g->m), 2);
    check_fails(repo_models_register(g->m, "beta", NULL), ERR_UNSUPPORTED, "3.0.0");
    check_text(given_says(g, "cmp .registry/registry.json ../before && echo same"), "same");
    given_end(g);
}

TEST(a_registry_that_is_a_folder_or_a_link_out_does_not_stop_the_list)
{
    given *g = given_home("strange");
    given_repository(g, "alpha");
    given_says(g, "mkdir -p .registry/registry.json && touch .registry/registry.json/x");
    given_open(g);
    check_int(row_of(g, "alpha")->state, REPO_MODEL_READY);
    given_says(g, "rm -rf .registry && mkdir ../other && ln -s ../other .registry");
    given_open(g);
    check_int(row_of(g, "alpha")->state, REPO_MODEL_READY);
    given_end(g);
}

/* ---- several of us ---- */

enum { PROCESSES = 4, TURNS = 3 };

/* Makes, renames and removes its own models; what others do meanwhile must not matter. */
static int turns_take(given *g, int me)
{
    char a[32], b[32];

    for (int i = 0; i < TURNS; i++) {
        repo_models *m = NULL;
        snprintf(a, sizeof a, "m%d-%d", me, i);
        snprintf(b, sizeof b, "org/m%d-%d", me, i);
        if (repo_models_open(&g->context, &m).code) return 1;
        if (repo_models_init(m, a).code) return 2;
        if (repo_models_rename(m, a, b).code) return 3;
        if (i == 0 && repo_models_remove(m, b, REPO_REMOVE_ALL).code) return 4;
        repo_models_free(m);
    }
    return 0;
}

TEST(processes_that_change_the_list_at_once_lose_nothing)
{
    given *g = given_home("at-once");
    pid_t children[PROCESSES];

    check_ok(file_make_folders(g->models));
    for (int i = 0; i < PROCESSES; i++)
        if ((children[i] = fork()) == 0) _exit(turns_take(g, i));
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        waitpid(children[i], &status, 0);
        check_int(status, 0);
    }
    given_open(g);
    check_int(repo_models_count(g->m), PROCESSES * (TURNS - 1));
    check_text(given_says(g, "grep -c '\"name\": \"org/m' .registry/registry.json"), "8");
    check_text(given_says(g, "git -C .registry fsck --strict 2>&1; git -C .registry status --porcelain"), "");
    check_text(given_says(g, "ls -A .staging .trash | grep -c -- - || true"), "0");
    given_end(g);
}

static int init_same(given *g)
{
    repo_models *m = NULL;
    err e = repo_models_open(&g->context, &m);
    if (!e.code) e = repo_models_init(m, "same");
    repo_models_free(m);
    return e.code == ERR_NONE ? 10 : e.code == ERR_EXISTS ? 11 : 1;
}

TEST(of_two_that_make_one_model_one_is_told_that_it_is_there)
{
    given *g = given_home("same");
    pid_t children[2];
    int sum = 0;

    check_ok(file_make_folders(g->models));
    for (int i = 0; i < 2; i++)
        if ((children[i] = fork()) == 0) _exit(init_same(g));
    for (int i = 0; i < 2; i++) {
        int status = 0;
        waitpid(children[i], &status, 0);
        sum += WEXITSTATUS(status);
    }
    check_int(sum, 21);
    given_open(g);
    check_int(repo_models_count(g->m), 1);
    check_text(given_says(g, "git -C same fsck --strict 2>&1; git -C same status --porcelain"), "");
    given_end(g);
}

/* Waiting takes ten seconds: begun by the first test, looked at by the last. */
typedef struct waiting {
    pid_t holder, waiter;
    given *g;
} waiting;
static waiting held;

static int registry_hold(given *g, int ready)
{
    registry_lock lock = {0};
    repo_models *m = NULL;
    if (repo_models_open(&g->context, &m).code || registry_lock_take(m, "rename", &lock).code) return 1;
    if (write(ready, "x", 1) != 1) return 2;
    pause();
    return 0;
}

static int register_while(given *g, pid_t holder)
{
    char said[32];
    repo_models *m = NULL;

    snprintf(said, sizeof said, "%d (rename)", (int)holder);
    if (repo_models_open(&g->context, &m).code || !repo_models_find(m, "alpha"))
        return 1; /* readers need no lock */
    err e = repo_models_register(m, "alpha", NULL);
    repo_models_free(m);
    return e.code == ERR_BUSY && strstr(e.text, said) ? 0 : 2;
}

TEST(a_living_holder_of_the_list_begins_to_hold_it)
{
    int ready[2];
    char byte;

    held.g = given_home("held");
    given_repository(held.g, "alpha");
    given_open(held.g);
    repo_models_free(held.g->m);
    held.g->m = NULL;
    assert_int_equal(pipe(ready), 0);
    if ((held.holder = fork()) == 0) _exit(registry_hold(held.g, ready[1]));
    check_int(read(ready[0], &byte, 1), 1);
    if ((held.waiter = fork()) == 0) _exit(register_while(held.g, held.holder));
}

TEST(a_living_holder_was_waited_for_and_named_and_a_dead_one_is_not)
{
    int status = -1;

    waitpid(held.waiter, &status, 0);
    check_int(status, 0);
    kill(held.holder, SIGKILL);
    waitpid(held.holder, &status, 0);
    given_open(held.g);
    check_ok(repo_models_register(held.g->m, "alpha", NULL));
    given_end(held.g);
}

/* ---- what may not be written ---- */

/* As an ordinary user, who owns the folder: to root nothing is read-only. */
static int become_somebody(void)
{
    return geteuid() != 0 || (setgid(SOMEBODY) == 0 && setuid(SOMEBODY) == 0);
}

static int list_and_change(given *g)
{
    repo_models *m = NULL;
    if (!become_somebody()) return 1;
    if (repo_models_open(&g->context, &m).code) return 2;
    const repo_model_row *row = repo_models_find(m, "alpha");
    if (!row || row->state != REPO_MODEL_READY || strcmp(row->branch, "main") != 0) return 3;
    if (repo_models_refresh(m).code) return 4;
    err e = repo_models_init(m, "beta");
    if (!e.code || !strstr(e.text, g->models)) return 5;
    if (!repo_models_remove(m, "alpha", REPO_REMOVE_ALL).code) return 6;
    if (!repo_models_rename(m, "alpha", "gamma").code) return 7;
    repo_models_free(m);
    return 0;
}

TEST(a_models_folder_that_may_not_be_written_is_listed_and_every_change_says_so)
{
    given *g = given_home("read-only");
    given_repository(g, "alpha");
    given_open(g);
    check_ok(repo_models_rescan(g->m, NULL, NULL));
    repo_models_free(g->m);
    g->m = NULL;
    if (geteuid() == 0)
        given_says(g, "chown -R %d:%d '%s' && chmod 755 '%s'", SOMEBODY, SOMEBODY, g->home, check_folder());
    given_says(g, "chmod -R a-w .");
    int status = child_does(list_and_change, g);
    given_says(g, "chmod -R u+w .");
    check_int(status, 0);
    check_text(given_says(g, "test -d alpha/.git && echo there"), "there");
    given_end(g);
}

static int list_without_cache(given *g)
{
    repo_models *m = NULL;
    if (!become_somebody()) return 1;
    for (int i = 0; i < 2; i++) {
        if (repo_models_open(&g->context, &m).code) return 2;
        if (!repo_models_find(m, "alpha")) return 3;
        if (i == 0 && repo_models_rename(m, "beta", "gamma").code) return 4;
        if (repo_models_refresh(m).code || !repo_models_find(m, "gamma")) return 5;
        repo_models_free(m);
    }
    return 0;
}

TEST(without_a_cache_that_can_be_written_everything_works)
{
    given *g = given_home("no-cache");
    given_repository(g, "alpha");
    given_repository(g, "beta");
    given_says(g, "mkdir -p ../cache && chmod 555 ../cache");
    if (geteuid() == 0)
        given_says(g, "chown -R %d:%d '%s' && chmod 755 '%s'", SOMEBODY, SOMEBODY, g->home, check_folder());
    check_int(child_does(list_without_cache, g), 0);
    given_says(
        g,
        "chmod 755 ../cache; rm -rf ../cache; echo file >../cache; git -C . mv 2>/dev/null; mv gamma beta");
    check_int(child_does(list_without_cache, g), 0);
    check_text(given_says(g, "cat ../cache"), "file");
    given_end(g);
}

static int cache_read_only(given *g)
{
    repo_models *m = NULL;
    if (!become_somebody()) return 1;
    if (repo_models_open(&g->context, &m).code) return 2;
    if (!repo_models_find(m, "alpha") || repo_models_find(m, "alpha")->tag_count != 1) return 3;
    if (repo_models_rename(m, "alpha", "gamma").code) return 4;
    repo_models_free(m);
    if (repo_models_open(&g->context, &m).code) return 5;
    return repo_models_find(m, "gamma") ? 0 : 6;
}

TEST(a_cache_that_is_there_and_may_not_be_written_is_no_obstacle)
{
    given *g = given_home("cache-read-only");
    given_repository(g, "alpha");
    given_open(g);
    repo_models_free(g->m);
    g->m = NULL;
    given_says(g, "git -C alpha tag v1");
    if (geteuid() == 0)
        given_says(g, "chown -R %d:%d '%s' && chmod 755 '%s'", SOMEBODY, SOMEBODY, g->home, check_folder());
    given_says(g, "chmod -R a-w ../cache");
    int status = child_does(cache_read_only, g);
    given_says(g, "chmod -R u+w ../cache");
    check_int(status, 0);
    given_end(g);
}

/* ---- the cache goes ---- */

TEST(the_cache_may_be_deleted_while_it_is_open)
{
    given *g = given_home("cache-gone");
    given_repository(g, "alpha");
    given_repository(g, "beta");
    given_open(g);
    given_says(g, "rm -rf ../cache");
    check_ok(repo_models_refresh(g->m));
    check_ok(repo_models_rename(g->m, "alpha", "gamma"));
    check_ok(repo_models_rescan(g->m, NULL, NULL));
    check_int(repo_models_count(g->m), 2);
    check_true(row_of(g, "gamma")->uuid != NULL);
    given_open(g);
    check_int(repo_models_count(g->m), 2);
    check_text(given_says(g, "ls ../cache/hyprstream | grep -c 'db$'"), "1");
    given_end(g);
}

TEST(a_cache_of_garbage_is_made_anew_wherever_it_is_damaged)
{
    given *g = given_home("cache-garbage");
    given_repository(g, "alpha");
    given_open(g);
    repo_models_free(g->m);
    g->m = NULL;
    static const char *const harms[] = {
        "head -c 4096 /dev/urandom >\"$f\"",
        "truncate -s 5000 \"$f\"",
        ": >\"$f\"",
        "printf 'xxxxxxxxxxxxxxxx' | dd of=\"$f\" bs=1 seek=4096 conv=notrunc 2>/dev/null",
        "sqlite3 \"$f\" 'DROP TABLE repo' 2>/dev/null || python3 -c \"import sqlite3, sys; "
        "sqlite3.connect(sys.argv[1]).execute('DROP TABLE repo')\" \"$f\"",
    };
    for (size_t i = 0; i < COUNT_OF(harms); i++) {
        given_says(g, "for f in ../cache/hyprstream/registry-*.db; do rm -f \"$f-wal\" \"$f-shm\"; %s; done",
                   harms[i]);
        given_open(g);
        check_int(row_of(g, "alpha")->state, REPO_MODEL_READY);
        check_text(row_of(g, "alpha")->branch, "main");
        check_ok(repo_models_refresh(g->m));
        repo_models_free(g->m);
        g->m = NULL;
    }
    given_end(g);
}

/* Somebody else's file, or a row that was changed by hand: what it says is looked at, never trusted to lie
 * outside. */
TEST(a_cache_row_that_names_another_place_is_not_believed)
{
    given *g = given_home("cache-lies");
    given_repository(g, "alpha");
    given_open(g);
    repo_models_free(g->m);
    g->m = NULL;
    given_says(g, "python3 -c \"\nimport sqlite3, glob\n"
                  "d = sqlite3.connect(glob.glob('../cache/hyprstream/registry-*.db')[0])\n"
                  "d.execute(\\\"UPDATE repo SET path = '/etc', common_dir = '/etc', git_signature = 1, "
                  "state = 77, head = 'x'\\\")\nd.commit()\"");
    given_open(g);
    check_int(row_of(g, "alpha")->state, REPO_MODEL_READY);
    check_true(check_text_holds(row_of(g, "alpha")->path, "models/alpha"));
    check_int(strlen(row_of(g, "alpha")->head.hex), 40);
    given_end(g);
}

/* The network child of a clone that was killed, say. */
TEST(a_folder_that_the_dying_still_write_into_goes_all_the_same)
{
    given *g = given_home("dying");
    given_open(g);
    given_says(g, "mkdir -p .staging/clone-99999-ab/d && echo '{\"kind\":\"clone\"}' >.staging/clone-99999-ab.json");
    given_says(g, "{ (i=0; while [ $i -lt 3000 ] && : >.staging/clone-99999-ab/d/$i; do i=$((i + 1)); done) "
                  ">/dev/null 2>&1 & until [ -e .staging/clone-99999-ab/d/9 ]; do :; done; }");
    /* On a slow machine it writes on for longer than one start waits: then the next one takes it. */
    for (int start = 0; start < 40; start++) {
        given_open(g);
        if (!*given_says(g, "ls .staging")) break;
        repo_models_free(g->m);
        g->m = NULL;
    }
    check_text(given_says(g, "ls .staging"), "");
    given_end(g);
}

TESTS(RUN(a_folder_that_the_dying_still_write_into_goes_all_the_same),
      RUN(a_living_holder_of_the_list_begins_to_hold_it), RUN(rows_that_lie_are_left_out_and_the_models_stay),
      RUN(a_registry_of_a_hundred_megabytes_is_kept_aside_at_once),
      RUN(a_registry_of_a_newer_program_is_not_rewritten),
      RUN(a_registry_that_is_a_folder_or_a_link_out_does_not_stop_the_list),
      RUN(processes_that_change_the_list_at_once_lose_nothing),
      RUN(of_two_that_make_one_model_one_is_told_that_it_is_there),
      RUN(a_models_folder_that_may_not_be_written_is_listed_and_every_change_says_so),
      RUN(without_a_cache_that_can_be_written_everything_works),
      RUN(a_cache_that_is_there_and_may_not_be_written_is_no_obstacle),
      RUN(the_cache_may_be_deleted_while_it_is_open),
      RUN(a_cache_of_garbage_is_made_anew_wherever_it_is_damaged),
      RUN(a_cache_row_that_names_another_place_is_not_believed),
      RUN(a_living_holder_was_waited_for_and_named_and_a_dead_one_is_not))
