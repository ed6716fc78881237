#include <stdlib.h>

#include "base/file.h"
#include "tests/support/check.h"
#include "ui/app/first_start.h"

static char *given_program(const char *folder, const char *assets)
{
    CLEANUP(bytes_free) bytes program = {0}, place = {0};
    bytes_printf(&program, "%s/%s", check_folder(), folder);
    check_ok(file_make_folders(bytes_text(&program)));
    bytes_append_text(&program, "/hyprstream");
    if (assets) {
        bytes_printf(&place, "%s/%s", check_folder(), assets);
        check_ok(file_make_folders(bytes_text(&place)));
        bytes_append_text(&place, "/config.json");
        check_write(bytes_text(&place), "{}", 2);
    }
    return bytes_take(&program);
}

static void check_assets(char *program_taken, bool found)
{
    char *assets = ui_demo_assets(program_taken);
    check_true((assets != NULL) == found);
    if (assets) {
        char *config = file_join(assets, "config.json");
        check_true(file_exists(config));
        free(config);
    }
    free(assets);
    free(program_taken);
}

TEST(a_built_program_finds_the_assets_of_its_source_tree)
{
    check_assets(given_program("tree/build/release", "tree/assets/demo"), true);
}

TEST(an_installed_program_finds_the_shared_ones)
{
    check_assets(given_program("usr/bin", "usr/share/hyprstream/demo"), true);
}

TEST(a_program_without_assets_finds_none) { check_assets(given_program("alone/a/b", NULL), false); }

TESTS(RUN(a_built_program_finds_the_assets_of_its_source_tree),
      RUN(an_installed_program_finds_the_shared_ones), RUN(a_program_without_assets_finds_none))
