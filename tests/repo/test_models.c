/* The list of models: folders, registry and cache made one, judged by git. */
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/repo/models_given.h"

static const repo_model_row *row_of(given *g, const char *name)
{
    const repo_model_row *row = repo_models_find(g->m, name);
    if (!row) fail_msg("there is no model %s", name);
    return row;
}

TEST(an_absent_folder_is_made_and_holds_nothing)
{
    given *g = given_home("absent");
    given_open(g);
    check_int(repo_models_count(g->m), 0);
    check_true(file_is_folder(g->models));
    given_end(g);
}

TEST(repositories_and_plain_folders_are_rows_with_their_facts)
{
    given *g = given_home("rows");
    given_repository(g, "alpha");
    given_plain(g, "beta");
    given_says(g, "mkdir other .hidden && git -C alpha tag v1 && git -C alpha branch side");
    given_open(g);
    check_int(repo_models_count(g->m), 2);
    const repo_model_row *alpha = row_of(g, "alpha"), *beta = row_of(g, "beta");
    check_int(alpha->state, REPO_MODEL_READY);
    check_text(alpha->branch, "main");
    check_text(alpha->head.hex, given_says(g, "git -C alpha rev-parse HEAD"));
    check_int(alpha->branch_count, 2);
    check_int(alpha->tag_count, 1);
    check_int(alpha->dirty, 0);
    check_int(alpha->ahead, -1);
    check_text(alpha->architecture, "llama");
    check_int(alpha->layer_count, 2);
    check_int(alpha->file_bytes, 5000);
    check_true(alpha->parameters > 60000 && alpha->parameters < 160000);
    check_true(alpha->uuid == NULL);
    check_int(beta->state, REPO_MODEL_PLAIN);
    check_true(beta->branch == NULL);
    given_end(g);
}

TEST(a_rescan_registers_what_lies_there_and_git_agrees)
{
    size_t found = 0, lost = 0;
    given *g = given_home("rescan");
    given_repository(g, "alpha");
    given_repository(g, "beta");
    given_open(g);
    check_ok(repo_models_rescan(g->m, &found, &lost));
    check_int(found, 2);
    check_int(lost, 0);
    check_text(row_of(g, "alpha")->uuid, given_says(g, "git -C alpha config hyprstream.id"));
    check_text(given_says(g, "git -C .registry status --porcelain"), "");
    check_text(given_says(g, "git -C .registry fsck --strict 2>&1"), "");
    check_text(given_says(g, "git -C .registry log --format=%%s | tr '\\n' ','"),
               "Register repository: beta,Register repository: alpha,Initialize model registry,");
    check_text(given_says(g, "git -C .registry log -1 --format='%%(trailers:key=Repository-Id,valueonly)'"),
               row_of(g, "beta")->uuid);
    check_text(given_says(g, "git -C alpha status --porcelain"), "");
    check_ok(repo_models_rescan(g->m, &found, &lost));
    check_int(found, 0);
    given_end(g);
}

TEST(only_a_changed_model_is_opened_again)
{
    given *g = given_home("opened");
    given_repository(g, "alpha");
    given_repository(g, "beta");
    given_open(g);
    check_int(g->m->opened_count, 2);
    given_rest();
    given_open(g); /* the stamps were young when they were taken */
    given_open(g);
    check_int(g->m->opened_count, 0);
    check_ok(repo_models_refresh(g->m));
    check_int(g->m->opened_count, 0);
    given_says(g, "git -C beta tag v1");
    check_ok(repo_models_refresh(g->m));
    check_int(g->m->opened_count, 1);
    check_int(row_of(g, "beta")->tag_count, 1);
    given_says(g, "echo ' ' >>alpha/config.json");
    given_rest();
    check_ok(repo_models_refresh(g->m));
    check_int(row_of(g, "alpha")->dirty, 1);
    given_end(g);
}

TEST(a_registered_model_survives_losing_the_cache_and_the_registry)
{
    given *g = given_home("lost");
    given_repository(g, "alpha");
    given_open(g);
    check_ok(repo_models_rescan(g->m, NULL, NULL));
    char *uuid = memory_text(row_of(g, "alpha")->uuid);
    given_says(g, "rm -rf .registry ../cache");
    given_open(g);
    check_text(row_of(g, "alpha")->uuid, uuid);
    check_text(given_says(g, "grep -c %s .registry/registry.json", uuid), "2");
    given_says(g, "git -C alpha config --remove-section hyprstream");
    given_open(g);
    check_text(row_of(g, "alpha")->uuid, uuid);
    check_text(given_says(g, "git -C alpha config hyprstream.id"), uuid);
    free(uuid);
    given_end(g);
}

TEST(a_folder_that_is_gone_stays_in_the_list_with_the_reason)
{
    repo_handle *r = NULL;
    given *g = given_home("gone");
    given_repository(g, "alpha");
    given_says(g, "git -C alpha remote add origin https://me:secret@example.invalid/alpha");
    given_open(g);
    check_ok(repo_models_rescan(g->m, NULL, NULL));
    given_says(g, "mv alpha ../elsewhere");
    given_open(g);
    check_int(row_of(g, "alpha")->state, REPO_MODEL_MISSING);
    check_text(row_of(g, "alpha")->url, "https://example.invalid/alpha");
    check_fails(repo_models_open_model(g->m, "alpha", &r), ERR_NOT_FOUND, "its folder is gone");
    check_text(given_says(g, "grep -c secret .registry/registry.json || true"), "0");
    given_says(g, "mv ../elsewhere alpha");
    given_open(g);
    check_int(row_of(g, "alpha")->state, REPO_MODEL_READY);
    given_end(g);
}

TEST(a_broken_a_foreign_and_a_strange_repository_do_not_stop_the_list)
{
    given *g = given_home("broken");
    given_repository(g, "alpha");
    given_repository(g, "broken");
    given_repository(g, "foreign");
    given_says(
        g,
        "rm -rf broken/.git/HEAD broken/.git/objects && git -C foreign config core.repositoryformatversion 1 "
        "&& git -C foreign config extensions.partialClone origin");
    given_open(g);
    check_int(repo_models_count(g->m), 3);
    check_int(row_of(g, "alpha")->state, REPO_MODEL_READY);
    check_int(row_of(g, "broken")->state, REPO_MODEL_BROKEN);
    check_true(row_of(g, "broken")->why != NULL);
    check_int(row_of(g, "foreign")->state, REPO_MODEL_FOREIGN);
    check_true(check_text_holds(row_of(g, "foreign")->why, "git fetch --refetch"));
    given_end(g);
}

TEST(a_repository_of_another_user_is_named_and_not_touched)
{
    if (geteuid() != 0) {
        print_message("only root can give a file away\n");
        skip();
    }
    given *g = given_home("theirs");
    given_repository(g, "theirs");
    given_says(g, "chown -R 12345 theirs");
    given_open(g);
    check_int(row_of(g, "theirs")->state, REPO_MODEL_NOT_YOURS);
    check_true(check_text_holds(row_of(g, "theirs")->why, "belongs to another user"));
    check_ok(repo_models_rescan(g->m, NULL, NULL));
    check_text(given_says(g, "git config -f theirs/.git/config hyprstream.id || echo none"), "none");
    given_end(g);
}

TEST(a_renamed_model_keeps_its_id_and_its_worktrees)
{
    given *g = given_home("renamed");
    given_repository(g, "alpha");
    given_says(g, "git -C alpha worktree add -q ../../side -b side");
    given_open(g);
    check_ok(repo_models_rescan(g->m, NULL, NULL));
    char *uuid = memory_text(row_of(g, "alpha")->uuid);
    check_ok(repo_models_rename(g->m, "alpha", "org/beta"));
    check_text(row_of(g, "org/beta")->uuid, uuid);
    check_text(given_says(g, "git -C org--beta config hyprstream.name"), "org/beta");
    check_text(given_says(g, "git -C ../side status --porcelain && git -C ../side branch --show-current"),
               "side");
    given_open(g);
    check_int(repo_models_count(g->m), 1);
    check_text(row_of(g, uuid)->name, "org/beta");
    check_fails(repo_models_rename(g->m, "org/beta", "org/Beta"), ERR_EXISTS, "differ too little");
    check_fails(repo_models_rename(g->m, "nobody", "x"), ERR_NOT_FOUND, "no model 'nobody'");
    free(uuid);
    given_end(g);
}

TEST(a_rename_killed_before_or_after_the_folder_moved_is_whole)
{
    given *g = given_home("killed-rename");
    given_repository(g, "alpha");
    given_open(g);
    check_ok(repo_models_rescan(g->m, NULL, NULL));
    given_says(g, "git -C alpha config hyprstream.name beta");
    given_open(g);
    check_true(repo_models_find(g->m, "alpha") != NULL);
    given_says(g, "mv alpha beta");
    given_open(g);
    check_int(repo_models_count(g->m), 1);
    check_text(row_of(g, "beta")->uuid, given_says(g, "git -C beta config hyprstream.id"));
    check_text(given_says(g, "grep -c '\"name\": \"beta\"' .registry/registry.json"), "1");
    given_end(g);
}

TEST(a_copy_of_a_model_does_not_take_its_id)
{
    given *g = given_home("copy");
    given_repository(g, "alpha");
    given_open(g);
    check_ok(repo_models_rescan(g->m, NULL, NULL));
    given_says(g, "cp -a alpha aaa");
    given_open(g);
    check_true(row_of(g, "aaa")->uuid == NULL);
    check_true(row_of(g, "alpha")->uuid != NULL);
    check_ok(repo_models_rescan(g->m, NULL, NULL));
    check_true(strcmp(row_of(g, "aaa")->uuid, row_of(g, "alpha")->uuid) != 0);
    given_end(g);
}

TEST(the_bare_layout_of_others_is_read)
{
    repo_handle *r = NULL;
    given *g = given_home("bare");
    given_repository(g, "source");
    given_says(g, "mkdir -p q/worktrees && git clone -q --bare source q/q.git && "
                  "git -C q/q.git worktree add -q ../worktrees/main main && rm -rf source");
    given_open(g);
    check_int(repo_models_count(g->m), 1);
    const repo_model_row *q = row_of(g, "q");
    check_int(q->state, REPO_MODEL_READY);
    check_true(check_text_holds(q->path, "q/worktrees/main"));
    check_text(q->architecture, "llama");
    check_ok(repo_models_open_model(g->m, "q", &r));
    repo_close(r);
    check_ok(repo_models_rescan(g->m, NULL, NULL));
    check_true(row_of(g, "q")->uuid != NULL);
    check_fails(repo_models_rename(g->m, "q", "p"), ERR_UNSUPPORTED, "another program");
    given_end(g);
}

TESTS(RUN(an_absent_folder_is_made_and_holds_nothing),
      RUN(repositories_and_plain_folders_are_rows_with_their_facts),
      RUN(a_rescan_registers_what_lies_there_and_git_agrees), RUN(only_a_changed_model_is_opened_again),
      RUN(a_registered_model_survives_losing_the_cache_and_the_registry),
      RUN(a_folder_that_is_gone_stays_in_the_list_with_the_reason),
      RUN(a_broken_a_foreign_and_a_strange_repository_do_not_stop_the_list),
      RUN(a_repository_of_another_user_is_named_and_not_touched),
      RUN(a_renamed_model_keeps_its_id_and_its_worktrees),
      RUN(a_rename_killed_before_or_after_the_folder_moved_is_whole),
      RUN(a_copy_of_a_model_does_not_take_its_id), RUN(the_bare_layout_of_others_is_read))
