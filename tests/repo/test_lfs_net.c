/* Large files between a repository and a remote's LFS server: paths, http, lies, logins, and git-lfs as a
 * peer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "repo/handle_internal.h"
#include "repo/net/askpass.h"
#include "repo/net/lfs_config.h"
#include "repo/net/lfs_internal.h"
#include "repo/net/network_internal.h"
#include "tests/support/git_box.h"
#include "tests/support/lfs_server.h"

static repo_handle *r;
static repo_credentials *who;
static repo_missing_list wanted, left;
static uint64_t moved;

static void end(void)
{
    repo_missing_list_free(&wanted);
    repo_missing_list_free(&left);
    repo_credentials_free(who);
    repo_close(r);
    who = NULL;
    r = NULL;
    moved = 0;
}

/* Content of `size` bytes in the file FILE of the box, and its oid (borrowed until eight calls later). */
static const char *given_content(const char *file, size_t size)
{
    git_box_do("head -c %zu /dev/urandom > %s", size, file);
    return git_box_said("sha256sum %s | cut -d' ' -f1", file);
}

/* A repository `name` with pointers of these files as far as they exist, and none of their bytes. */
static void given_pointers(const char *name, const char *files)
{
    end();
    git_box();
    git_box_do(
        "rm -rf %s && git init -q -b main %s && cd %s && printf '*.bin filter=lfs -text\\n' > "
        ".gitattributes && for f in %s; do printf 'version https://git-lfs.github.com/spec/v1\\noid "
        "sha256:%%s\\nsize %%s\\n' $(sha256sum < ../$f | cut -d' ' -f1) $(stat -c %%s ../$f) > $f.bin; "
        "done && git add . && git commit -qm pointers",
        name, name, name, files);
}

static void opened(const char *name)
{
    char *path = file_join(check_folder(), name);
    check_ok(repo_start(git_box()));
    check_ok(repo_open(git_box(), path, &r));
    check_ok(repo_credentials_new(git_box(), path, &who));
    check_ok(repo_checkout_missing(r, &wanted));
    free(path);
}

static void config(const char *name, const char *key, const char *value)
{
    git_box_do("git -C %s config %s '%s'", name, key, value);
}

static err fetched(void) { return repo_lfs_fetch(r, who, NULL, &wanted, &left, &moved); }

/* ---- .lfsconfig ---- */

TEST(a_lfsconfig_is_read_as_git_reads_its_own_files)
{
    repo_lfs_config c;

    repo_lfs_config_read(
        VIEW("# x\n[lfs]\n\turl = \"https://host/x\" ; said\n\tPushURL = https://p/\\\nx  \n"
             "[remote \"origin\"] lfsurl = https://third/x\n[remote \"other\"]\nlfsurl = no\n"),
        "origin", &c);
    check_text(c.url, "https://host/x");
    check_text(c.push_url, "https://p/x");
    check_text(c.remote_url, "https://third/x");
    repo_lfs_config_free(&c);
    repo_lfs_config_read(
        VIEW("[include]\npath = /etc/x\n[lfs \"deep\"]\nurl = no\n[lfs\nurl = no\n[lfs]\nurl = "
             "\"open\n[lfs]\npushurl = a\\tb\n"),
        "origin", &c);
    check_true(!c.url && !c.push_url && !c.remote_url);
    repo_lfs_config_free(&c);
}

static void check_place(bool push, const char *url, bool foreign)
{
    repo_lfs_place place;
    check_ok(repo_lfs_place_find(r, NULL, push, &place));
    check_text(place.url, url);
    check_int(place.foreign, foreign);
    repo_lfs_place_free(&place);
}

TEST(the_server_is_found_as_git_lfs_finds_it_and_strangers_say_little)
{
    repo_lfs_place place;

    given_content("a", 10);
    given_pointers("m", "a");
    git_box_do("git -C m remote add origin https://host.example/org/m");
    opened("m");
    check_place(false, "https://host.example/org/m.git/info/lfs", false);
    /* Of the remote's host, a stranger may name another path; of another, without a login and without ours.
     */
    git_box_do("printf '[lfs]\\nurl = https://host.example/lfs\\n' > m/.lfsconfig");
    check_place(true, "https://host.example/lfs", false);
    git_box_do("printf '[lfs]\\nurl = https://u:p@evil.example/lfs\\n' > m/.lfsconfig");
    check_place(false, "https://evil.example/lfs", true);
    check_fails(repo_lfs_place_find(r, NULL, true, &place), ERR_DENIED, "git config lfs.url");
    git_box_do("printf '[lfs]\\nurl = http://host.example/lfs\\n' > m/.lfsconfig");
    check_place(false, "http://host.example/lfs", true);
    git_box_do("printf '[lfs]\\nurl = file:///etc\\n' > m/.lfsconfig");
    check_place(false, "https://host.example/org/m.git/info/lfs", false);
    git_box_do(
        "rm m/.lfsconfig && ln -s ../home/x m/.lfsconfig && printf '[lfs]\\nurl = https://l/l\\n' > home/x");
    check_place(false, "https://host.example/org/m.git/info/lfs", false);
    /* Its own words win. */
    config("m", "remote.origin.lfsurl", "https://u:p@own.example/r");
    check_place(true, "https://u:p@own.example/r", false);
    config("m", "lfs.url", "https://own.example/l");
    config("m", "lfs.pushurl", "https://own.example/p");
    check_place(false, "https://own.example/l", false);
    check_place(true, "https://own.example/p", false);
    end();
}

/* ---- folders ---- */

TEST(objects_of_a_path_remote_come_from_its_store)
{
    given_content("a", 300000);
    given_content("b", 10);
    given_content("lost", 20);
    given_pointers("m", "a b lost");
    git_box_do(
        "rm -rf far.git && git clone -q --bare m far.git && git -C m remote add origin ../far.git && "
        "for f in a b; do o=$(sha256sum $f | cut -d' ' -f1); d=far.git/lfs/objects/$(echo $o | cut -c1-2)/"
        "$(echo $o | cut -c3-4); mkdir -p $d; cp $f $d/$o; done");
    opened("m");
    check_int(wanted.count, 3);
    check_ok(fetched());
    check_int(moved, 300010);
    check_int(left.count, 1);
    check_text(left.rows[0].path, "lost.bin");
    size_t placed;
    check_ok(repo_large_files_place(r, &wanted, &placed));
    check_int(placed, 2);
    check_text(
        git_box_said("cmp a m/a.bin; cmp b m/b.bin; head -c 7 m/lost.bin; git -C m status --porcelain"),
        "version");
    check_text(
        git_box_said("cd m && git fsck 2>&1; git lfs fsck 2>&1 | grep -c $(sha256sum < ../a | cut -c1-64)"),
        "0");
    end();
}

TEST(what_lies_wrong_in_another_store_is_not_taken)
{
    const char *oid = given_content("a", 1000);
    given_pointers("m", "a");
    git_box_do("rm -rf far.git && git clone -q --bare m far.git && git -C m remote add origin "
               "file://$PWD/far.git && "
               "d=far.git/lfs/objects/%.2s/%.2s && mkdir -p $d && head -c 1000 /dev/urandom > $d/%s",
               oid, oid + 2, oid);
    opened("m");
    check_fails(fetched(), ERR_FORMAT, "a.bin");
    check_int(left.count, 1);
    check_int(moved, 0);
    check_text(git_box_said("find m/.git/lfs -type f; head -c 7 m/a.bin"), "version");
    end();
}

TEST(a_file_that_was_changed_is_never_overwritten)
{
    given_content("a", 1000);
    given_content("b", 1000);
    given_pointers("m", "a b");
    git_box_do(
        "rm -rf far.git && git clone -q --bare m far.git && git -C m remote add origin ../far.git && "
        "for f in a b; do o=$(sha256sum $f | cut -d' ' -f1); d=far.git/lfs/objects/$(echo $o | cut -c1-2)/"
        "$(echo $o | cut -c3-4); mkdir -p $d; cp $f $d/$o; done; echo mine > m/a.bin");
    char *path = file_join(check_folder(), "m");
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    check_ok(repo_start(git_box()));
    check_ok(repo_open(git_box(), path, &r));
    check_ok(repo_fetch_files(r, NULL, NULL, &report)); /* in the network's process */
    check_int(report.large_files, 2);
    check_int(report.large_bytes, 2000);
    check_int(report.missing.count, 0);
    check_text(git_box_said("cat m/a.bin; cmp b m/b.bin; git -C m status --porcelain"), "mine\n M a.bin");
    /* What is here already needs no remote: only its place. */
    git_box_do("cd m && git show HEAD:a.bin > a.bin && git remote remove origin");
    repo_network_report_free(&report);
    check_ok(repo_fetch_files(r, NULL, NULL, &report));
    check_int(report.large_files, 0);
    check_int(report.lines.count, 1);
    /* A file as young as the index is looked into, and git asks the filter then. */
    git_box_do("printf '%%s' 'f=$0.in; cat >$f; printf \"version https://git-lfs.github.com/spec/v1\\noid "
               "sha256:%%s\\nsize %%s\\n\" $(sha256sum <$f | cut -c1-64) $(stat -c %%s $f)' >clean");
    check_text(git_box_said("cmp a m/a.bin; git -C m -c filter.lfs.clean=\"sh $PWD/clean\" -c "
                            "filter.lfs.process= status --porcelain"),
               "");
    free(path);
    end();
}

/* The most that this process has held since `reset`. */
/* As a pull leaves it that was killed between the checkout and the large files. */
TEST(a_pull_that_brings_nothing_places_what_is_here_and_names_what_is_not)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};

    git_box();
    const char *oid = given_content("a", 5000);
    given_content("b", 6000);
    given_pointers("far", "a b");
    git_box_do("rm -rf m && git -c filter.lfs.smudge=cat clone -q far m && "
               "mkdir -p m/.git/lfs/objects/%.2s/%.2s && cp a m/.git/lfs/objects/%.2s/%.2s/%s",
               oid, oid + 2, oid, oid + 2, oid);
    opened("m");
    check_ok(repo_pull(r, NULL, NULL, REPO_PULL_AUTO, &report));
    check_true(report.up_to_date);
    check_int(report.lines.count, 1);
    check_true(check_text_holds(report.lines.names[0], "1 file put in place"));
    check_int(report.missing.count, 1);
    check_text(report.missing.rows[0].path, "b.bin");
    check_text(git_box_said("cmp a m/a.bin"), "");
    check_true(check_text_holds(git_box_said("cat m/b.bin"), "oid sha256:"));
    end();
}

static long peak_kb(bool reset)
{
    char line[128];
    long kb = 0;
    FILE *file = fopen(reset ? "/proc/self/clear_refs" : "/proc/self/status", reset ? "we" : "re");

    if (!file) return 0;
    if (reset) fputs("5", file);
    while (!reset && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %ld", &kb) == 1) break;
    fclose(file);
    return kb;
}

/* 96 MiB, or as many as HYPRSTREAM_TEST_MIB says. */
TEST(a_large_object_is_never_in_memory_whole)
{
    const char *mib = getenv("HYPRSTREAM_TEST_MIB");
    size_t placed;

    git_box();
    git_box_do("truncate -s %sM a && printf end >> a", mib ? mib : "96");
    given_pointers("m", "a");
    git_box_do("rm -rf far.git && git clone -q --bare m far.git && git -C m remote add origin "
               "file://$PWD/far.git && "
               "o=$(sha256sum a | cut -d' ' -f1); d=far.git/lfs/objects/$(echo $o | cut -c1-2)/"
               "$(echo $o | cut -c3-4); mkdir -p $d; mv a $d/$o");
    opened("m");
    peak_kb(true);
    long before = peak_kb(false);
    check_ok(fetched());
    check_ok(repo_large_files_place(r, &wanted, &placed));
    long grown = peak_kb(false) - before;
    if (mib) print_message("%s MiB: %ld kB more memory\n", mib, grown);
    check_int(placed, 1);
    check_true(grown < 30 << 10);
    check_text(git_box_said("git -C m status --porcelain; cmp m/a.bin far.git/lfs/objects/*/*/*"), "");
    end();
    git_box_do("rm -rf m far.git");
}

/* ---- http ---- */

/* m: pointers of a and b, whose bytes only the server has. False: no python3. */
static bool given_server(lfs_server *s, const char *const *arguments)
{
    char url[200];

    git_box();
    const char *a = given_content("a", 200000), *b = given_content("b", 50);
    given_pointers("m", "a b");
    if (!lfs_server_start(s, "objects", arguments)) return false;
    git_box_do("rm -rf objects && d=objects/%.2s/%.2s && mkdir -p $d && cp a $d/%s && d=objects/%.2s/%.2s && "
               "mkdir -p $d "
               "&& cp b $d/%s",
               a, a + 2, a, b, b + 2, b);
    snprintf(url, sizeof url, "%s/org/m", s->url);
    git_box_do("git -C m remote add origin %s", url);
    return true;
}

TEST(objects_come_over_http_with_true_progress)
{
    lfs_server s;

    if (!given_server(&s, NULL)) skip();
    opened("m");
    check_ok(fetched());
    check_int(moved, 200050);
    check_int(left.count, 0);
    check_int(lfs_server_count(&s, "batch"), 1);
    check_int(lfs_server_count(&s, "download"), 2);
    lfs_server_stop(&s);
    end();
}

TEST(what_the_server_has_not_stays_a_pointer)
{
    lfs_server s;

    if (!given_server(&s, NULL)) skip();
    opened("m");
    git_box_do("find objects -type f -size -1k -delete; find objects -type f -size 1 -delete");
    check_ok(fetched());
    check_int(left.count, 1);
    check_text(left.rows[0].path, "b.bin");
    lfs_server_stop(&s);
    end();
}

TEST(wrong_bytes_are_refused_and_leave_nothing)
{
    lfs_server s;

    if (!given_server(&s, NULL)) skip();
    opened("m");
    lfs_server_faults(&s, "{\"wrong\": true}");
    check_fails(fetched(), ERR_FORMAT, "other bytes came");
    check_int(left.count, 2);
    check_text(git_box_said("find m/.git/lfs -type f; head -c 7 m/a.bin; git -C m status --porcelain"),
               "version");
    lfs_server_faults(&s, "{\"cut\": 1000, \"cut_times\": 2}");
    repo_missing_list_free(&left);
    check_ok(fetched());
    check_int(left.count, 0);
    lfs_server_stop(&s);
    end();
}

TEST(a_login_is_asked_for_and_goes_to_nobody_else)
{
    static const char *const locked[] = {"--user", "ann", "--password", "right", NULL};
    lfs_server s;
    char url[200];

    if (!given_server(&s, locked)) skip();
    opened("m");
    check_fails(fetched(), ERR_DENIED, "login");
    git_box_do(
        "printf 'machine 127.0.0.1 login ann password right\\n' > home/.netrc && chmod 600 home/.netrc");
    repo_credentials_free(who);
    check_ok(repo_credentials_new(git_box(), r->path, &who));
    repo_missing_list_free(&left);
    /* Named by a stranger only: no login, although we would have one. */
    git_box_do("git -C m remote set-url origin https://host.example/m");
    git_box_do("printf '[lfs]\\nurl = %s/org/m.git/info/lfs\\n' > m/.lfsconfig", s.url);
    lfs_server_forget(&s);
    check_fails(fetched(), ERR_DENIED, "git config lfs.url");
    check_int(lfs_server_count(&s, "batch"), 1);
    repo_missing_list_free(&left);
    snprintf(url, sizeof url, "%s/org/m.git/info/lfs", s.url);
    config("m", "lfs.url", url);
    check_ok(fetched());
    check_int(left.count, 0);
    git_box_do("rm home/.netrc; rm m/.lfsconfig; rm -rf m/.git/lfs");
    /* In the url of git's config, it is in no sentence. */
    snprintf(url, sizeof url, "http://ann:wr0ng@127.0.0.1:%d/org/m.git/info/lfs", s.port);
    config("m", "lfs.url", url);
    repo_credentials_free(who);
    check_ok(repo_credentials_new(git_box(), r->path, &who));
    err e = fetched();
    check_int(e.code, ERR_DENIED);
    check_true(!check_text_holds(e.text, "wr0ng"));
    lfs_server_stop(&s);
    end();
}

/* ---- push ---- */

static repo_id id_of(const char *name, const char *ref)
{
    repo_id id;
    snprintf(id.hex, sizeof id.hex, "%s", git_box_said("git -C %s rev-parse %s", name, ref));
    return id;
}

static err pushed(size_t *files, uint64_t *sent)
{
    repo_id tip = id_of("m", "HEAD");
    *files = 0;
    *sent = 0;
    return repo_lfs_push(r, who, NULL, &tip, 1, files, sent);
}

/* A commit of m with the content of `file` in `path` by git-lfs's own rules. */
static void committed(const char *file, const char *path)
{
    git_box_do("mkdir -p m/$(dirname %s) && o=$(sha256sum < %s | cut -c1-64) && d=m/.git/lfs/objects/$(echo "
               "$o | cut "
               "-c1-2)/$(echo $o | cut -c3-4) && mkdir -p $d && cp %s $d/$o && printf 'version "
               "https://git-lfs.github.com/spec/v1\\noid sha256:%%s\\nsize %%s\\n' $o $(stat -c %%s %s) > "
               "m/%s && cd m && "
               "git add . && git commit -q --allow-empty -m %s",
               path, file, file, file, path, file);
}

TEST(what_commits_point_to_goes_up_once)
{
    lfs_server s;
    size_t files;
    uint64_t sent;

    if (!given_server(&s, NULL)) skip();
    git_box_do("rm -rf objects");
    given_content("c", 3000);
    committed("a", "a.bin");
    committed("c", "deep/er/c.bin");
    committed("b", "b.bin");
    opened("m");
    check_ok(pushed(&files, &sent));
    check_int(files, 3);
    check_int(sent, 203050);
    check_text(
        git_box_said("for f in a b c; do o=$(sha256sum < $f | cut -c1-64); cmp $f objects/$(echo $o | cut "
                     "-c1-2)/$(echo $o | cut -c3-4)/$o; done"),
        "");
    /* What the remote's refs have is not even asked for. */
    git_box_do("git -C m update-ref refs/remotes/origin/main HEAD");
    given_content("d", 7);
    committed("d", "d.bin");
    lfs_server_forget(&s);
    check_ok(pushed(&files, &sent));
    check_int(files, 1);
    check_int(sent, 7);
    check_int(lfs_server_count(&s, "upload"), 1);
    lfs_server_stop(&s);
    end();
}

TEST(an_object_in_neither_place_stops_the_push_by_name)
{
    lfs_server s;
    size_t files;
    uint64_t sent;

    if (!given_server(&s, NULL)) skip();
    git_box_do("mv objects kept");
    given_content("c", 3000);
    committed("c", "deep/c.bin");
    repo_id first = id_of("m", "HEAD~1");
    opened("m");
    err e = pushed(&files, &sent);
    check_int(e.code, ERR_NOT_FOUND);
    first.hex[8] = 0;
    check_true(check_text_holds(e.text, ".bin") && check_text_holds(e.text, first.hex));
    check_int(lfs_server_count(&s, "upload"), 0);
    check_text(git_box_said("find objects -type f 2>/dev/null"), "");
    /* On the server, though not here: it may be pushed. */
    git_box_do("rm -rf objects; mv kept objects");
    check_ok(pushed(&files, &sent));
    check_int(files, 1);
    lfs_server_stop(&s);
    end();
}

TEST(objects_go_into_the_store_of_a_path_remote)
{
    size_t files;
    uint64_t sent;

    given_content("a", 5000);
    given_pointers("m", "a");
    committed("a", "a2.bin");
    git_box_do("rm -rf far.git && git init -q --bare far.git && git -C m remote add origin ../far.git");
    opened("m");
    check_ok(pushed(&files, &sent));
    check_int(files, 1);
    check_text(git_box_said("cmp a far.git/lfs/objects/*/*/*"), "");
    end();
}

/* ---- git-lfs ---- */

TEST(git_lfs_gets_what_we_push_and_we_get_what_it_pushes)
{
    size_t files;
    uint64_t sent;

    git_box();
    if (strcmp(git_box_said("git lfs version >/dev/null 2>&1; echo $?"), "0") != 0) skip();
    given_content("a", 100000);
    given_pointers("m", "a");
    committed("a", "w.bin");
    git_box_do("git lfs install --skip-repo >/dev/null; rm -rf far.git them ours; git init -q --bare -b main "
               "far.git && "
               "git -C m remote add origin $PWD/far.git");
    opened("m");
    check_ok(pushed(&files, &sent));
    git_box_do("git -C m push -q --no-verify origin main");
    git_box_do("git clone -q file://$PWD/far.git them 2>&1");
    check_text(
        git_box_said("cmp a them/w.bin; cmp a them/a.bin; cd them && git lfs fsck && git status --porcelain"),
        "Git LFS fsck OK");
    git_box_do("head -c 70000 /dev/urandom > them/new.bin && cd them && git add . && git commit -qm new && "
               "git push -q 2>&1");
    git_box_do("GIT_LFS_SKIP_SMUDGE=1 git clone -q file://$PWD/far.git ours && cd ours && git config "
               "filter.lfs.smudge cat");
    end();
    opened("ours");
    check_int(wanted.count, 3);
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    check_ok(repo_fetch_files(r, NULL, NULL, &report));
    check_int(report.large_bytes, 170000);
    check_text(git_box_said("cmp them/new.bin ours/new.bin; cmp a ours/w.bin; cd ours && git config --unset "
                            "filter.lfs.smudge; git lfs fsck && git status --porcelain"),
               "Git LFS fsck OK");
    end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        RUN(a_lfsconfig_is_read_as_git_reads_its_own_files),
        RUN(the_server_is_found_as_git_lfs_finds_it_and_strangers_say_little),
        RUN(objects_of_a_path_remote_come_from_its_store),
        RUN(what_lies_wrong_in_another_store_is_not_taken),
        RUN(a_file_that_was_changed_is_never_overwritten),
        RUN(a_pull_that_brings_nothing_places_what_is_here_and_names_what_is_not),
        RUN(a_large_object_is_never_in_memory_whole),
        RUN(objects_come_over_http_with_true_progress),
        RUN(what_the_server_has_not_stays_a_pointer),
        RUN(wrong_bytes_are_refused_and_leave_nothing),
        RUN(a_login_is_asked_for_and_goes_to_nobody_else),
        RUN(what_commits_point_to_goes_up_once),
        RUN(an_object_in_neither_place_stops_the_push_by_name),
        RUN(objects_go_into_the_store_of_a_path_remote),
        RUN(git_lfs_gets_what_we_push_and_we_get_what_it_pushes),
    };
    if (repo_askpass_is(argc, argv)) return repo_askpass_main(argc, argv);
    if (repo_network_is(argc, argv)) return repo_network_child(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
