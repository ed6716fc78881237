/* Clone: from paths, file:// and git://; any ref, any depth; whole or not at all. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "repo/net/askpass.h"
#include "repo/net/network_internal.h"
#include "repo/registry/models.h"
#include "tests/support/git_box.h"

static repo_context context;
static settings *changed;
static repo_models *models;

/* far: a model of two commits, a tag on the first, a branch; weights under LFS, whose object only far has. */
static void given(void)
{
    git_box();
    if (!changed) {
        char *folder = file_join(check_folder(), "models");
        check_ok(
            settings_open(settings_borrow_folders(git_box()->settings), git_box()->environment, &changed));
        check_ok(settings_override(changed, "models.dir", folder));
        free(folder);
        context = *git_box();
        context.settings = changed;
        git_box_do("git init -q -b trunk far.git-work && cd far.git-work && echo '{}' > config.json && "
                   "echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' > .gitattributes && "
                   "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%%064d\\nsize 12\\n' 7 > "
                   "m.safetensors && "
                   "git add . && git commit -qm one && git tag -a v1 -m one && git branch side && "
                   "echo '{ }' > config.json && git commit -qam two && git clone -q --bare . ../far.git");
    }
    repo_models_free(models);
    models = NULL;
    git_box_do("rm -rf models");
    check_ok(repo_models_open(&context, &models));
}

static char *box(const char *name)
{
    static char paths[4][512];
    static size_t next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", check_folder(), name);
    return path;
}

static err cloned(const repo_clone_options *options)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    return repo_clone(models, options, &report);
}

/* Nothing but the registry, and no process of ours. */
static void check_nothing_left(void)
{
    check_text(git_box_said("ls -A models | grep -vE '^.(registry|staging|trash)$'; "
                            "find models/.staging models/.trash -mindepth 1 2>/dev/null; "
                            "ps -o args= --ppid %d | grep '[_]_git-net'",
                            (int)getpid()),
               "");
    check_int(repo_models_count(models), 0);
}

static void check_sound(const char *name)
{
    check_text(git_box_said("cd models/%s && git fsck --full --no-dangling && git status --porcelain", name),
               "");
}

/* What cloning over git or ssh would try for half a minute: the LFS server of an address that has none. */
static void lfs_is_elsewhere(bool on)
{
    /* libgit2 does not know GIT_CONFIG_GLOBAL. */
    git_box_do(on ? "git init -q --bare elsewhere && git config -f home/.gitconfig lfs.url file://$PWD/elsewhere"
                  : "rm home/.gitconfig");
}

/* ---- what is cloned ---- */

TEST(a_path_is_cloned_with_its_objects_shared)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};

    given();
    check_ok(repo_clone(models, &(repo_clone_options){.url = box("far.git")}, &report));
    check_text(report.name, "far");
    check_text(report.branch, "trunk");
    check_text(report.after.hex, git_box_said("git -C far.git rev-parse trunk"));
    check_int(report.missing.count, 1);
    check_text(report.missing.rows[0].path, "m.safetensors");
    check_int(report.missing.rows[0].pointer.size, 12);
    check_int(report.lines.count, 0);
    check_sound("far");
    check_text(git_box_said("cd models/far && git for-each-ref --format='%%(refname) %%(upstream)'"),
               "refs/heads/trunk refs/remotes/origin/trunk\nrefs/remotes/origin/HEAD \n"
               "refs/remotes/origin/side \nrefs/remotes/origin/trunk \nrefs/tags/v1 ");
    check_text(git_box_said("cd models/far && cat config.json && git config remote.origin.url"),
               git_box_said("echo '{ }'; echo $PWD/far.git"));
    check_true(atoi(git_box_said("find models/far/.git/objects -type f -links +1 | wc -l")) > 5);
    check_text(git_box_said("ls -A models/.staging; test -e models/far/.git/FETCH_HEAD || echo none"),
               "none");
    const repo_model_row *row = repo_models_find(models, "far");
    check_true(row && row->state == REPO_MODEL_READY && row->missing_count == 1);
    check_text(row->url, box("far.git"));
}

static bool until_two_seconds(void *began_at, const repo_progress *p)
{
    double *began = began_at;
    (void)p;
    if (*began == 0) *began = clock_seconds();
    return clock_seconds() - *began < 2;
}

TEST(a_folder_that_takes_its_time_is_no_silent_server)
{
    double began = 0;
    given();
    git_box_do("cp -r far.git slow.git && rm -f slow.git/packed-refs && mkfifo slow.git/packed-refs");
    check_ok(settings_override(changed, "network.timeout", "1"));
    context.watch = (repo_watch){until_two_seconds, &began};
    err e = cloned(&(repo_clone_options){.url = box("slow.git")});
    context.watch = (repo_watch){0};
    check_ok(settings_override(changed, "network.timeout", "60"));
    check_int(e.code, ERR_CANCELLED);
    check_nothing_left();
}

TEST(any_ref_may_be_checked_out)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    char url[600], commit[64];

    given();
    snprintf(url, sizeof url, "file://%s", box("far.git"));
    check_ok(repo_clone(models, &(repo_clone_options){.url = url, .name = "a", .ref = "side"}, &report));
    check_text(report.branch, "side");
    check_true(report.objects > 5 && report.bytes > 100);
    check_text(git_box_said("cd models/a && git symbolic-ref HEAD && git config branch.side.merge"),
               "refs/heads/side\nrefs/heads/side");
    repo_network_report_free(&report);
    check_ok(repo_clone(models, &(repo_clone_options){.url = url, .name = "b", .ref = "v1"}, &report));
    check_true(!report.branch);
    snprintf(commit, sizeof commit, "%s", git_box_said("git -C far.git rev-parse v1^{commit}"));
    check_text(git_box_said("git -C models/b rev-parse HEAD"), commit);
    commit[9] = 0;
    check_ok(cloned(&(repo_clone_options){.url = url, .name = "c", .ref = commit}));
    check_text(git_box_said("git -C models/c rev-parse HEAD"), report.after.hex);
    check_sound("c");
    check_fails(cloned(&(repo_clone_options){.url = url, .name = "d", .ref = "nothing"}), ERR_NOT_FOUND,
                "no branch, tag or commit 'nothing' (there are: side, trunk, v1)");
    check_fails(cloned(&(repo_clone_options){
                    .url = url, .name = "d", .ref = "0123456789abcdef0123456789abcdef01234567"}),
                ERR_NOT_FOUND, "no branch, tag or commit");
    check_true(!repo_models_find(models, "d") && !file_exists(box("models/d")));
}

TEST(a_depth_is_kept_and_said_and_further_remotes_are_there)
{
    static const char *const remotes[] = {"up=https://me:s3cret@host.example/x", "down=/tmp/nowhere"};
    CLEANUP(repo_network_report_free) repo_network_report report = {0};

    given();
    repo_clone_options how = {
        .url = box("far.git"), .name = "org/short", .depth = 1, .remotes = remotes, .remote_count = 2};
    check_ok(repo_clone(models, &how, &report));
    check_text(git_box_said("cd models/org--short && git rev-list --count HEAD && git remote"),
               "1\ndown\norigin\nup");
    check_true(check_text_holds(report.lines.names[0], "the last 1 commit of each branch"));
    check_text(git_box_said("grep -rs s3cret models home | wc -l"), "0");
    check_sound("org--short");
    check_true(repo_models_find(models, "org/short")->shallow);
}

TEST(an_empty_repository_and_one_whose_HEAD_points_nowhere)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};

    given();
    git_box_do(
        "rm -rf empty lost && git init -q --bare -b start empty && git clone -q --bare far.git lost && "
        "git -C lost symbolic-ref HEAD refs/heads/gone");
    check_ok(repo_clone(models, &(repo_clone_options){.url = box("empty")}, &report));
    check_true(check_text_holds(report.lines.names[0], "no commit yet"));
    check_text(git_box_said("git -C models/empty status --porcelain"), "");
    check_fails(cloned(&(repo_clone_options){.url = box("lost")}), ERR_NOT_FOUND,
                "say --branch (there are: side, trunk, v1)");
    check_ok(cloned(&(repo_clone_options){.url = box("lost"), .ref = "trunk"}));
    check_sound("lost");
}

TEST(a_server_of_git_is_cloned_from)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    char url[100];

    given();
    git_box_do(
        "for p in $(seq 20); do port=$((20000 + $$ %% 20000 + p)); "
        "git daemon --export-all --listen=127.0.0.1 --port=$port --base-path=$PWD --pid-file=$PWD/daemon.pid "
        "--reuseaddr $PWD/far.git >/dev/null 2>&1 & sleep 0.3; kill -0 $! 2>/dev/null && break; done; echo "
        "$port > port");
    snprintf(url, sizeof url, "git://127.0.0.1:%s/far.git", git_box_said("cat port"));
    lfs_is_elsewhere(true);
    err e = repo_clone(models, &(repo_clone_options){.url = url, .name = "served"}, &report);
    err short_one = cloned(&(repo_clone_options){.url = url, .name = "short", .depth = 1});
    lfs_is_elsewhere(false);
    git_box_do("kill $(cat daemon.pid)");
    check_ok(e);
    check_ok(short_one);
    check_true(report.objects > 5 && report.bytes > 100);
    check_sound("served");
    check_text(git_box_said("git -C models/short rev-list --count HEAD"), "1");
}

TEST(a_shallow_repository_makes_a_shallow_clone)
{
    CLEANUP(repo_network_report_free) repo_network_report report = {0};

    given();
    git_box_do("rm -rf edge && git clone -q --depth 1 file://$PWD/far.git edge");
    check_ok(repo_clone(models, &(repo_clone_options){.url = box("edge")}, &report));
    check_true(check_text_holds(report.lines.names[0], "shallow"));
    check_text(git_box_said("cd models/edge && git rev-list --count HEAD && git rev-parse HEAD"),
               git_box_said("echo 1; git -C far.git rev-parse trunk"));
    check_sound("edge");
    check_true(repo_models_find(models, "edge")->shallow);
}

/* A borrowed object is fetched, not linked: the lender may go away. */
TEST(a_repository_that_borrows_objects_is_cloned_whole)
{
    given();
    git_box_do("rm -rf lent && git clone -q --shared far.git lent");
    check_ok(cloned(&(repo_clone_options){.url = box("lent")}));
    check_text(git_box_said("test -e models/lent/.git/objects/info/alternates || echo none"), "none");
    check_sound("lent");
}

/* No branch reaches it: a server that allows it gives it for its whole id. */
TEST(a_commit_that_only_its_id_names)
{
    char commit[64], address[600];

    given();
    git_box_do("git -C far.git config uploadpack.allowAnySHA1InWant true");
    snprintf(commit, sizeof commit, "%s", git_box_said("cd far.git && git commit-tree -m lone trunk^{tree}"));
    snprintf(address, sizeof address, "file://%s", box("far.git"));
    check_ok(cloned(&(repo_clone_options){.url = address, .name = "lone", .ref = commit}));
    check_text(git_box_said("git -C models/lone rev-parse HEAD"), commit);
    check_sound("lone");
}

/* A real sshd with a key of its own; the host must be known. */
TEST(ssh_is_cloned_from_with_a_key)
{
    char address[600];

    given();
    if (strcmp(git_box_said("test -x /usr/sbin/sshd && id -u"), "0") != 0) {
        print_message("no sshd here, or not root\n");
        skip();
    }
    git_box_do(
        "mkdir -p home/.ssh /run/sshd && chmod 700 home/.ssh && ssh-keygen -q -t ed25519 -N '' -f hostkey && "
        "ssh-keygen -q -t ed25519 -N '' -f home/.ssh/id_ed25519 && "
        "port=$((20000 + $$ %% 20000)) && printf 'Port %%s\nListenAddress 127.0.0.1\nHostKey %%s\n"
        "AuthorizedKeysFile %%s\nStrictModes no\nPidFile %%s\nUsePAM no\nPasswordAuthentication no\n' "
        "$port $PWD/hostkey $PWD/home/.ssh/id_ed25519.pub $PWD/sshd.pid > sshd.conf && "
        "/usr/sbin/sshd -f sshd.conf -E sshd.log && echo $port > port && "
        "for i in $(seq 100); do test -s sshd.pid && break; sleep 0.05; done");
    snprintf(address, sizeof address, "ssh://root@127.0.0.1:%s%s", git_box_said("cat port"), box("far.git"));
    lfs_is_elsewhere(true);
    err stranger = cloned(&(repo_clone_options){.url = address, .name = "known"});
    git_box_do("ssh-keyscan -p $(cat port) 127.0.0.1 > home/.ssh/known_hosts 2>/dev/null");
    err known = cloned(&(repo_clone_options){.url = address, .name = "known"});
    git_box_do("mv home/.ssh/id_ed25519 home/.ssh/other");
    err refused = cloned(&(repo_clone_options){.url = address, .name = "more"});
    lfs_is_elsewhere(false);
    git_box_do("kill $(cat sshd.pid)");
    check_fails(stranger, ERR_DENIED, "ssh-keyscan -p");
    check_ok(known);
    check_sound("known");
    check_int(refused.code, ERR_DENIED);
}

/* ---- what is refused ---- */

TEST(words_that_are_no_address_and_names_that_are_taken)
{
    static const struct {
        const char *url, *name;
        err_code code;
        const char *words;
    } rows[] = {
        {"far", NULL, ERR_USAGE, "no name of the hub (org/name)"},
        {"-u/x", NULL, ERR_USAGE, "does not begin with '-'"},
        {"/no/such/place", NULL, ERR_NOT_FOUND, "/no/such/place"},
        {"ext::sh -c true", "x", ERR_DENIED, "ext::"},
        {"nosuch://me:pw@host/x", "x", ERR_NOT_FOUND, "install git-remote-nosuch"},
        {"https://host/a/../..", NULL, ERR_USAGE, "give one"},
        {"https://host/\x1b[31m", NULL, ERR_USAGE, "control character"},
        {"https://host/x", "../up", ERR_USAGE, "model name"},
        {"https://host/x", "system", ERR_USAGE, "system"},
    };
    static const char *const bad[] = {"up"}, *const twice[] = {"origin=/x"};

    given();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_fails(cloned(&(repo_clone_options){.url = rows[i].url, .name = rows[i].name}), rows[i].code,
                    rows[i].words);
    check_fails(cloned(&(repo_clone_options){.url = box("far.git"), .remotes = bad, .remote_count = 1}),
                ERR_USAGE, "expected NAME=URL");
    check_fails(cloned(&(repo_clone_options){.url = box("far.git"), .remotes = twice, .remote_count = 1}),
                ERR_USAGE, "origin");
    check_ok(repo_models_refresh(models));
    check_nothing_left();
    check_ok(cloned(&(repo_clone_options){.url = box("far.git"), .no_files = true}));
    check_fails(cloned(&(repo_clone_options){.url = box("far.git")}), ERR_EXISTS,
                "there is a model far already");
    check_fails(cloned(&(repo_clone_options){.url = box("far.git"), .name = "FAR"}), ERR_EXISTS,
                "differ too little");
}

TEST(a_repository_with_missing_objects_makes_no_model)
{
    given();
    git_box_do("rm -rf holed && cp -r far.git-work holed && cd holed && "
               "f=$(git rev-parse trunk:config.json) && rm -f .git/objects/$(echo $f | cut -c1-2)/$(echo $f "
               "| cut -c3-)");
    check_fails(cloned(&(repo_clone_options){.url = box("holed")}), ERR_FORMAT, "config.json");
    check_nothing_left();
}

/* ---- half-way ---- */

typedef struct mischief {
    bool kill_us; /* the child, that is */
    repo_phase phase;
    bool done;
} mischief;

static bool at_phase(void *where, const repo_progress *p)
{
    mischief *m = where;
    CLEANUP(bytes_free) bytes children = {0};
    char path[64];

    if (m->done || p->phase < m->phase) return true;
    m->done = true;
    if (!m->kill_us) return false;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    if (file_read(path, 1000, &children).code) return true;
    long child = strtol(bytes_text(&children), NULL, 10);
    if (child > 1) kill((pid_t)child, SIGKILL);
    return true;
}

/* A remote whose upload-pack waits: every phase before the first object can be met. */
TEST(a_cancel_or_a_kill_leaves_nothing_in_the_models_folder)
{
    char url[600];

    given();
    git_box_do("rm -rf big && git init -q big && cd big && head -c 4000000 /dev/urandom > a && git add a && "
               "git commit -qm big && for i in $(seq 300); do echo $i > f$i; done && git add . && git commit "
               "-qm many");
    snprintf(url, sizeof url, "file://%s", box("big"));
    static const repo_phase phases[] = {REPO_CONNECT, REPO_RECEIVING, REPO_FILES};
    for (size_t i = 0; i < COUNT_OF(phases); i++) {
        mischief cancels = {.phase = phases[i]}, kills = {.phase = phases[i], .kill_us = true};
        context.watch = (repo_watch){at_phase, &cancels};
        err e = cloned(&(repo_clone_options){.url = url});
        if (!e.code && phases[i] == REPO_FILES) { /* nothing was left to do when it was asked */
            print_message("phase %d: the cancel came too late\n", (int)phases[i]);
            break;
        }
        if (cancels.done) check_int(e.code, ERR_CANCELLED);
        if (cancels.done) check_nothing_left();
        context.watch = (repo_watch){at_phase, &kills};
        if (cancels.done) e = cloned(&(repo_clone_options){.url = url});
        if (!e.code && phases[i] == REPO_FILES) { /* nothing was left to do when the signal came */
            print_message("phase %d: the kill came too late\n", (int)phases[i]);
            break;
        }
        if (kills.done && cancels.done) check_fails(e, ERR_IO, "was killed (signal 9)");
        if (kills.done && cancels.done) check_nothing_left();
        if (!cancels.done || !kills.done) print_message("phase %d was too quick\n", (int)phases[i]);
    }
    context.watch = (repo_watch){0};
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        RUN(a_path_is_cloned_with_its_objects_shared),
        RUN(a_folder_that_takes_its_time_is_no_silent_server),
        RUN(any_ref_may_be_checked_out),
        RUN(a_depth_is_kept_and_said_and_further_remotes_are_there),
        RUN(an_empty_repository_and_one_whose_HEAD_points_nowhere),
        RUN(a_server_of_git_is_cloned_from),
        RUN(a_shallow_repository_makes_a_shallow_clone),
        RUN(a_repository_that_borrows_objects_is_cloned_whole),
        RUN(a_commit_that_only_its_id_names),
        RUN(ssh_is_cloned_from_with_a_key),
        RUN(words_that_are_no_address_and_names_that_are_taken),
        RUN(a_repository_with_missing_objects_makes_no_model),
        RUN(a_cancel_or_a_kill_leaves_nothing_in_the_models_folder),
    };
    if (repo_askpass_is(argc, argv)) return repo_askpass_main(argc, argv);
    if (repo_network_is(argc, argv)) return repo_network_child(argc, argv);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    repo_models_free(models);
    settings_free(changed);
    return failed;
}
