/* The demo repository, judged by git and git-lfs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "repo/demo.h"
#include "tests/support/git_box.h"

static const char *assets(void) { return "assets/demo"; }

static const char *models_at(const char *name)
{
    static char models[512];
    snprintf(models, sizeof models, "%s/%s", check_folder(), name);
    return models;
}

static void given_demo(const char *name)
{
    bool made = false;
    check_ok(repo_demo_install(git_box(), assets(), models_at(name), &made));
    check_true(made);
}

TEST(an_empty_models_folder_gets_the_demo_with_its_history)
{
    char here[4096];
    git_box();
    git_box_do("git lfs version >/dev/null 2>&1 && git lfs install --skip-repo >/dev/null || true");
    given_demo("models");
    check_text(git_box_said("git -C models/demo log --format=%%s main"),
               "Add the adapter pirate: answers of the sea\nAdd the adapter brief: only the keys\n"
               "Add the demo model\nInitialize model demo");
    check_text(git_box_said("git -C models/demo tag -l"), "base\nbrief\npirate");
    check_text(git_box_said("git -C models/demo cat-file -t base"), "tag");
    check_text(git_box_said("git -C models/demo rev-parse pirate^{} main | sort -u | wc -l"), "1");
    check_text(git_box_said("git -C models/demo fsck --strict 2>&1"), "");
    check_text(git_box_said("git -C models/demo show --stat --format= pirate^{} | grep -c adapters/02"), "2");
    check_text(git_box_said("git -C models/demo ls-tree -r --name-only base | grep -c adapters"), "0");
    check_text(git_box_said("cmp models/demo/model.safetensors '%s/%s/model.safetensors'",
                            getcwd(here, sizeof here), assets()),
               "");
    check_text(git_box_said("git -C models/demo show main:model.safetensors | head -n 1"),
               "version https://git-lfs.github.com/spec/v1");
}

TEST(git_lfs_agrees_with_it)
{
    git_box();
    if (*git_box_said("git lfs version >/dev/null 2>&1 || echo absent")) skip();
    git_box_do("git lfs install --skip-repo >/dev/null");
    given_demo("lfs");
    check_text(git_box_said("git -C lfs/demo status --porcelain"), "");
    check_text(git_box_said("git -C lfs/demo lfs fsck"), "Git LFS fsck OK");
    check_text(git_box_said("git -C lfs/demo lfs ls-files -n"),
               "adapters/01_brief.safetensors\nadapters/02_pirate.safetensors\nmodel.safetensors");
    git_box_do("git clone -q lfs/demo cloned");
    check_text(
        git_box_said(
            "cmp cloned/model.safetensors lfs/demo/model.safetensors; git -C cloned status --porcelain"),
        "");
}

TEST(its_ids_are_the_same_every_time_and_for_everybody)
{
    git_box();
    given_demo("first");
    git_box_do("git config --global commit.gpgsign true && git config --global core.autocrlf true");
    setenv("GIT_AUTHOR_DATE", "@1 +0000", 1);
    given_demo("second");
    unsetenv("GIT_AUTHOR_DATE");
    git_box_do("git config --global --unset commit.gpgsign && git config --global --unset core.autocrlf");
    const char *first = git_box_said("git -C first/demo for-each-ref");
    check_text(first, git_box_said("git -C second/demo for-each-ref"));
    check_true(strstr(first, "refs/tags/base") != NULL);
}

TEST(a_folder_that_holds_a_model_is_left_alone)
{
    bool made = true;
    git_box();
    git_box_do("mkdir -p kept/mine");
    check_ok(repo_demo_install(git_box(), assets(), models_at("kept"), &made));
    check_true(!made);
}

TEST(a_demo_that_was_removed_does_not_come_back)
{
    bool made = true;
    git_box();
    given_demo("removed");
    git_box_do("rm -rf removed/demo");
    check_ok(repo_demo_install(git_box(), assets(), models_at("removed"), &made));
    check_true(!made);
    check_text(git_box_said("ls -A removed"), ".demo-was-made");
    git_box_do("mkdir -p hidden/.trash && touch hidden/.directory"); /* no model's */
    given_demo("hidden");
}

TEST(a_missing_asset_is_named_and_nothing_stays)
{
    bool made = true;
    file_list left = {0};
    check_fails(repo_demo_install(git_box(), check_folder(), models_at("none"), &made), ERR_NOT_FOUND,
                "config.json");
    check_true(!made);
    check_ok(file_list_folder(models_at("none"), &left));
    check_int(left.count, 0);
    file_list_free(&left);
}

TESTS(RUN(an_empty_models_folder_gets_the_demo_with_its_history), RUN(git_lfs_agrees_with_it),
      RUN(its_ids_are_the_same_every_time_and_for_everybody), RUN(a_folder_that_holds_a_model_is_left_alone),
      RUN(a_demo_that_was_removed_does_not_come_back), RUN(a_missing_asset_is_named_and_nothing_stays))
