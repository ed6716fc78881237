/* The demo repository, judged by the git program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "repo/demo.h"
#include "tests/support/check.h"

/* What a shell command prints on its first line. */
static const char *said(const char *format, const char *folder)
{
    static char line[512];
    char command[1024];
    snprintf(command, sizeof command, format, folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    if (!fgets(line, sizeof line, pipe)) line[0] = 0;
    pclose(pipe);
    line[strcspn(line, "\n")] = 0;
    return line;
}

static const char *assets(void) { return "assets/demo"; }

TEST(an_empty_models_folder_gets_the_demo_with_its_history)
{
    char models[256], demo[300];
    bool made = false;
    snprintf(models, sizeof models, "%s/models", check_folder());
    snprintf(demo, sizeof demo, "%s/demo", models);
    check_ok(repo_demo_install(assets(), models, &made));
    check_true(made);
    check_text(said("git -C %s rev-list --count main", demo), "3");
    check_text(said("git -C %s tag -l | tr '\\n' ' '", demo), "base brief pirate ");
    check_text(said("git -C %s cat-file -t base", demo), "tag");
    check_text(said("git -C %s status --porcelain", demo), "");
    check_text(said("git -C %s fsck --strict 2>&1", demo), "");
    check_text(said("git -C %s show --stat --format= pirate | grep -c adapters/02", demo), "2");
    check_text(said("git -C %s ls-tree -r --name-only base | grep -c adapters", demo), "0");
}

TEST(a_folder_that_holds_a_model_is_left_alone)
{
    char models[256], other[300];
    bool made = true;
    snprintf(models, sizeof models, "%s/kept", check_folder());
    snprintf(other, sizeof other, "%s/mine", models);
    check_ok(file_make_folders(other));
    check_ok(repo_demo_install(assets(), models, &made));
    check_true(!made);
}

TEST(a_missing_asset_is_named_and_nothing_stays)
{
    char models[256];
    bool made = true;
    file_list left = {0};
    snprintf(models, sizeof models, "%s/none", check_folder());
    check_fails(repo_demo_install(check_folder(), models, &made), ERR_NOT_FOUND, "config.json");
    check_true(!made);
    check_ok(file_list_folder(models, &left));
    check_int(left.count, 0);
    file_list_free(&left);
}

TESTS(RUN(an_empty_models_folder_gets_the_demo_with_its_history),
      RUN(a_folder_that_holds_a_model_is_left_alone), RUN(a_missing_asset_is_named_and_nothing_stays))
