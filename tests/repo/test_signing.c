/* Signatures by the real gpg and ssh-keygen, judged by `git verify-commit` and `git verify-tag`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/commit.h"
#include "repo/handle_internal.h"
#include "repo/tag.h"
#include "tests/support/git_box.h"

static const char *place(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", check_folder(), name);
    return path;
}

static void given(const char *name)
{
    git_box();
    git_box_do(
        "git init -q -b main %s && cd %s && echo one >a && git add a && git config commit.gpgsign true", name,
        name);
}

static bool absent(const char *program)
{
    git_box();
    return strcmp(git_box_said("command -v %s >/dev/null && echo there", program), "there") != 0;
}

static err commit(const char *name, int sign)
{
    repo_handle *r = NULL;
    repo_commit_done done = {0};
    repo_commit_options options = {.message = "Signed", .allow_empty = true, .sign = sign};
    check_ok(repo_open(git_box(), place(name), &r));
    err e = repo_commit(r, &options, &done);
    repo_commit_done_free(&done);
    repo_close(r);
    return e;
}

TEST(ssh_signs_and_git_accepts_it)
{
    if (absent("ssh-keygen")) skip();
    given("ssh");
    git_box_do("ssh-keygen -q -t ed25519 -N '' -f key -C ada && "
               "echo \"ada@example.org $(cat key.pub)\" >allowed && cd ssh && git config gpg.format ssh && "
               "git config user.signingkey %s/key && git config gpg.ssh.allowedSignersFile %s/allowed",
               check_folder(), check_folder());
    check_ok(commit("ssh", -1));
    check_true(strstr(git_box_said("git -C ssh verify-commit HEAD"),
                      "Good \"git\" signature for ada@example.org") != NULL);
    check_text(git_box_said("git -C ssh log -1 --format='%%G? %%s'"), "G Signed");
    check_ok(commit("ssh", 0));
    check_text(git_box_said("git -C ssh log -1 --format='%%G?'"), "N");
    check_text(git_box_said("git -C ssh fsck --strict"), "");

    repo_handle *r = NULL;
    repo_ref head = {.kind = REPO_REF_BRANCH, .name = (char *)(uintptr_t) "refs/heads/main"};
    snprintf(head.commit.hex, sizeof head.commit.hex, "%s", git_box_said("git -C ssh rev-parse HEAD"));
    git_box_do("git -C ssh config tag.gpgsign true");
    check_ok(repo_open(git_box(), place("ssh"), &r));
    check_ok(repo_tag_create(r, "v1", &head, "The first", false));
    check_true(strstr(git_box_said("git -C ssh verify-tag v1"), "Good \"git\" signature") != NULL);
    repo_tags list = {0};
    check_ok(repo_tag_list(r, &list));
    check_text(list.rows[0].message, "The first");
    repo_tags_free(&list);
    repo_close(r);
}

TEST(gpg_signs_and_git_accepts_it)
{
    if (absent("gpg")) skip();
    given("gpg");
    setenv("GNUPGHOME", place("home/g"), 1);
    git_box_do("mkdir -m 700 home/g && gpg --batch --quiet --passphrase '' --quick-generate-key "
               "'Ada <ada@example.org>' ed25519 sign never");
    check_ok(commit("gpg", -1));
    check_true(strstr(git_box_said("git -C gpg verify-commit HEAD"),
                      "Good signature from \"Ada <ada@example.org>\"") != NULL);
    git_box_do("git -C gpg config user.signingkey nobody@example.org");
    check_fails(commit("gpg", -1), ERR_DENIED, "gpg could not sign");
    check_text(git_box_said("git -C gpg rev-list --count HEAD"), "1");
    git_box_do("gpgconf --kill all");
    unsetenv("GNUPGHOME");
}

TEST(a_signer_that_fails_fails_the_commit)
{
    given("fails");
    git_box_do("git -C fails config gpg.program false");
    check_fails(commit("fails", -1), ERR_DENIED, "false could not sign");
    git_box_do("git -C fails config gpg.program /nonexistent/gpg");
    check_fails(commit("fails", 1), ERR_NOT_FOUND, "/nonexistent/gpg");
    /* An exit status of 0 and some output are no signature. */
    git_box_do("cd fails && git config gpg.program $PWD/fake && printf '#!/bin/sh\\ncat >/dev/null; echo "
               "signed\\n' >fake "
               "&& chmod +x fake");
    check_fails(commit("fails", -1), ERR_DENIED, "made no signature");
    git_box_do("git -C fails config gpg.format pgp");
    check_fails(commit("fails", -1), ERR_USAGE, "expected openpgp, x509 or ssh");
    git_box_do("git -C fails config gpg.format ssh");
    check_fails(commit("fails", -1), ERR_USAGE, "user.signingkey is not set");
    check_text(git_box_said("git -C fails status --porcelain | head -n 1; git -C fails for-each-ref"),
               "A  a");
    check_ok(commit("fails", 0));
}

TESTS(RUN(ssh_signs_and_git_accepts_it), RUN(gpg_signs_and_git_accepts_it),
      RUN(a_signer_that_fails_fails_the_commit))
