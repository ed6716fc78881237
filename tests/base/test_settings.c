#include "base/settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/support/check.h"

/* An environment of pairs. */
static const char *pairs_get(void *context, const char *name)
{
    for (const char *const *p = context; *p; p += 2)
        if (strcmp(p[0], name) == 0) return p[1];
    return NULL;
}

static const char *const nothing[] = {NULL};
static const char *current[8];
static const env environment = {pairs_get, current};
static folders where;

/* Settings of a fresh home with this file (NULL: none) and these variables. */
static settings *given(const char *file, const char *const *pairs)
{
    static char home[128];
    static int homes;
    settings *s = NULL;

    memset(current, 0, sizeof current);
    snprintf(home, sizeof home, "%s/%d", check_folder(), homes++);
    current[0] = "HOME";
    current[1] = home;
    for (size_t i = 0; pairs[i]; i++) current[2 + i] = pairs[i];
    folders_free(&where);
    check_ok(folders_find(&environment, &where));
    if (file) {
        CLEANUP(bytes_free) bytes path = {.data = file_join(where.config, "config")};
        check_ok(file_make_folders(where.config));
        check_write(path.data, file, strlen(file));
    }
    check_ok(settings_open(&where, &environment, &s));
    return s;
}

TEST(without_a_file_every_setting_is_its_default)
{
    settings *s = given(NULL, nothing);
    CLEANUP(bytes_free) bytes models = {.data = file_join(where.data, "models")};
    check_ok(settings_check(s));
    check_text(settings_text(s, "models.dir"), models.data);
    check_text(settings_text(s, "run.dtype"), "auto");
    check_int(settings_integer(s, "run.threads"), 0);
    check_true(isnan(settings_number(s, "chat.temperature")));
    check_true(!settings_bool(s, "ui.ascii"));
    check_text(settings_source(s, "ui.ascii"), "default");
    settings_free(s);
}

TEST(every_default_fits_its_own_row)
{
    settings *s = given(NULL, nothing);
    for (const setting_row *row = setting_rows; row->name; row++)
        check_ok(settings_override(s, row->name, row->fallback));
    settings_free(s);
}

TEST(a_flag_beats_the_environment_which_beats_the_file)
{
    const char *const variables[] = {"HYPRSTREAM_CHAT_TOP_P", "0.5", "HYPRSTREAM_MODELS_DIR", "~/m", NULL};
    settings *s = given("[chat]\n  top-p = 0.25\n  temperature = 0.7\n[ui]\n ascii\n", variables);
    check_ok(settings_check(s));
    check_true(settings_number(s, "chat.temperature") == 0.7);
    check_text(settings_source(s, "chat.temperature"), "file");
    check_true(settings_bool(s, "ui.ascii"));
    check_true(settings_number(s, "chat.top_p") == 0.5);
    check_text(settings_source(s, "chat.top_p"), "environment");
    CLEANUP(bytes_free) bytes expanded = {.data = file_join(where.home, "m")};
    check_text(settings_text(s, "models.dir"), expanded.data);
    check_ok(settings_override(s, "chat.top-p", "1"));
    check_true(settings_number(s, "chat.top_p") == 1);
    check_text(settings_source(s, "chat.top_p"), "flag");
    settings_free(s);
}

TEST(what_is_set_is_there_the_next_time_and_can_be_unset)
{
    settings *s = given(NULL, nothing), *again = NULL;
    check_ok(settings_set(s, "chat.system", "Be \"brief\"; # or not\nplease"));
    check_ok(settings_set(s, "chat.max_tokens", "64"));
    check_ok(settings_open(&where, &environment, &again));
    check_text(settings_text(again, "chat.system"), "Be \"brief\"; # or not\nplease");
    check_int(settings_integer(again, "chat.max_tokens"), 64);
    check_ok(settings_unset(again, "chat.system"));
    check_ok(settings_unset(again, "chat.system"));
    check_text(settings_text(again, "chat.system"), "");
    settings_free(again);
    check_ok(settings_open(&where, &environment, &again));
    check_text(settings_source(again, "chat.system"), "default");
    settings_free(again);
    settings_free(s);
}

TEST(comments_of_the_file_stay)
{
    settings *s = given("# mine\n[chat]\n\tseed = 3 ; lucky\n", nothing);
    check_ok(settings_set(s, "chat.seed", "4"));
    bytes all = check_read("%s", settings_borrow_path(s));
    check_true(strstr(all.data, "# mine\n") != NULL);
    check_true(strstr(all.data, "seed = 4") != NULL);
    bytes_free(&all);
    settings_free(s);
}

TEST(a_bad_value_is_refused_with_what_was_expected)
{
    settings *s = given(NULL, nothing);
    check_fails(settings_set(s, "chat.temperature", "hot"), ERR_USAGE, "expected a number from 0 to 5");
    check_fails(settings_set(s, "chat.temperature", "nan"), ERR_USAGE, "expected a number");
    check_fails(settings_set(s, "run.threads", "-1"), ERR_USAGE, "expected a whole number from 0 to 1024");
    check_fails(settings_set(s, "run.threads", ""), ERR_USAGE, "expected a whole number");
    check_fails(settings_set(s, "ui.ascii", "maybe"), ERR_USAGE, "expected true or false");
    check_fails(settings_set(s, "ui.color", "auto never"), ERR_USAGE, "expected one of auto never");
    check_fails(settings_override(s, "ui.colour", "8"), ERR_NOT_FOUND, "did you mean ui.color?");
    check_fails(settings_unset(s, "nonsense.name"), ERR_NOT_FOUND, "there is no setting nonsense.name");
    check_true(!file_exists(settings_borrow_path(s)));
    settings_free(s);
}

TEST(a_bad_value_in_the_file_is_told_by_check_and_read_as_the_default)
{
    const char *const variables[] = {"HYPRSTREAM_RUN_DTYPE", "f64", NULL};
    settings *s = given("[ui]\n\tcolor = pink\n", nothing);
    check_fails(settings_check(s), ERR_FORMAT, "/config: ui.color is 'pink'");
    check_text(settings_text(s, "ui.color"), "auto");
    settings_free(s);
    s = given(NULL, variables);
    check_fails(settings_check(s), ERR_FORMAT, "HYPRSTREAM_RUN_DTYPE: run.dtype is 'f64'");
    settings_free(s);
}

TEST(an_unknown_key_is_a_warning)
{
    settings *s = given("[chat]\n\ttemperatur = 1\n[nonsense]\n\tname = x\n", nothing);
    check_int(settings_warning_count(s), 2);
    check_true(strstr(settings_borrow_warning(s, 0), "did you mean chat.temperature?") != NULL);
    check_ok(settings_check(s));
    settings_free(s);
}

TEST(a_broken_file_is_an_error_with_its_line)
{
    settings *s = given(NULL, nothing), *again = NULL;
    check_ok(settings_set(s, "ui.ascii", "true"));
    check_write(settings_borrow_path(s), "[ui]\nascii = true\n[ui\n", 22);
    check_fails(settings_open(&where, &environment, &again), ERR_FORMAT, "config");
    settings_free(s);
    folders_free(&where);
}

TESTS(RUN(without_a_file_every_setting_is_its_default), RUN(every_default_fits_its_own_row),
      RUN(a_flag_beats_the_environment_which_beats_the_file),
      RUN(what_is_set_is_there_the_next_time_and_can_be_unset), RUN(comments_of_the_file_stay),
      RUN(a_bad_value_is_refused_with_what_was_expected),
      RUN(a_bad_value_in_the_file_is_told_by_check_and_read_as_the_default), RUN(an_unknown_key_is_a_warning),
      RUN(a_broken_file_is_an_error_with_its_line))
