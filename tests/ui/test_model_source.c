/* A ref selects the weights: two commits of one model, loaded at once, against their files as git has them.
 */
#include "ui/app/model_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "engine/worker.h"
#include "tests/support/check.h"
#include "tests/support/git_box.h"
#include "tests/support/small_model.h"
#include "ui/app/adapters.h"
#include "xet/store.h"

static const int32_t ids[] = {SMALL_MODEL_BOS, 'h', 'e', 'l', 'l', 'o'};

static const char *place(const char *name)
{
    static char paths[4][512];
    static size_t turn;
    char *path = paths[turn++ % COUNT_OF(paths)];
    snprintf(path, sizeof paths[0], "%s/%s", check_folder(), name);
    return path;
}

/* The last floats of the weights are others: the output norm or what stands last. */
static void change_weights(const char *file)
{
    CLEANUP(bytes_free) bytes all = check_read("%s", file);
    for (size_t i = 1; i <= 16; i++) {
        float value = 0.25f * (float)i;
        memcpy(all.data + all.size - 4 * i, &value, sizeof value);
    }
    check_write(file, all.data, all.size);
}

/* In place of the file its pointer, the bytes in the store: as a repository without its filter sees them. */
static void put_in_store(const char *repository, const char *file)
{
    CLEANUP(bytes_free) bytes text = {0};
    xet_pointer pointer = {0};
    char *folder = file_join(repository, ".git/lfs");
    xet_store *store = xet_store_new(folder);

    check_ok(xet_store_add_file(store, file, &pointer));
    xet_pointer_write(&pointer, &text);
    check_write(file, text.data, text.size);
    xet_store_free(store);
    free(folder);
}

/* Tags one and two differ in weights, three from two in an adapter alone; main is checked out at two. */
static void given_history(const char *name, bool large)
{
    char repository[512], weights[600], adapter[600];

    git_box();
    snprintf(repository, sizeof repository, "%s", place(name));
    snprintf(weights, sizeof weights, "%s/model.safetensors", repository);
    snprintf(adapter, sizeof adapter, "%s/adapters/01_twist.safetensors", repository);
    small_model_write(repository, true);
    small_adapter_write(repository, "01_twist");
    git_box_do("cp -r %s %s-one && cp -r %s %s-two", name, name, name, name);
    char other[600];
    snprintf(other, sizeof other, "%s-two/model.safetensors", repository);
    change_weights(other);
    git_box_do("cp -r %s-two %s-three", name, name);
    snprintf(other, sizeof other, "%s-three/adapters/01_twist.safetensors", repository);
    change_weights(other);

    git_box_do("git init -q -b main %s", name);
    for (int i = 0; i < 3; i++) {
        static const char *const tags[] = {"one", "two", "three"};
        git_box_do("cp %s-%s/model.safetensors %s/ && cp %s-%s/adapters/* %s/adapters/", name, tags[i], name,
                   name, tags[i], name);
        if (large) put_in_store(repository, weights);
        if (large) put_in_store(repository, adapter);
        git_box_do("cd %s && git add -A && git commit -qm %s && git tag %s", name, tags[i], tags[i]);
    }
    git_box_do("cd %s && git reset -q --hard two", name);
}

static engine_event last_event(engine_worker *w, engine_job_id job)
{
    for (;;) {
        engine_event event;
        if (!engine_worker_wait(w, 60000, &event)) fail_msg("no event within a minute");
        if (event.error.code) fail_msg("%s", event.error.text);
        if (event.job == job && event.last) return event;
        engine_event_free(w, &event);
    }
}

static engine_files *files_at(const char *folder, const char *ref)
{
    engine_files *files = NULL;
    check_ok(ui_model_source_open(git_box(), folder, ref, "model", &files, NULL));
    return files;
}

static engine_model *loaded(engine_worker *w, const char *folder, const char *ref)
{
    const engine_model_options options = {.device = "cpu", .dtype = "f32", .threads = 1, .weights = true};
    return last_event(w, engine_worker_load(w, files_at(folder, ref), &options)).model;
}

static engine_stack *stacked(engine_worker *w, engine_model *model, const char *folder, const char *ref)
{
    const char *const name = "adapters/01_twist.safetensors";
    const double scale = 1;
    return last_event(w, engine_worker_stack(w, model, files_at(folder, ref), &name, &scale, 1)).stack;
}

static void score(engine_worker *w, engine_model *model, engine_stack *stack, float *out)
{
    engine_event event = last_event(w, engine_worker_score(w, model, stack, ids, COUNT_OF(ids), 0, false));
    assert_int_equal(event.pick_count, COUNT_OF(ids));
    for (size_t i = 1; i < COUNT_OF(ids); i++) out[i - 1] = (float)event.picks[i].logprob;
    engine_event_free(w, &event);
}

typedef struct scored {
    float plain[COUNT_OF(ids) - 1], adapted[COUNT_OF(ids) - 1];
} scored;

static scored score_of_folder(engine_worker *w, const char *folder)
{
    scored s = {0};
    engine_model *model = loaded(w, folder, "");
    engine_stack *stack = stacked(w, model, folder, "");
    score(w, model, NULL, s.plain);
    score(w, model, stack, s.adapted);
    engine_worker_free_stack(w, stack);
    engine_worker_free_model(w, model);
    return s;
}

static void check_refs_give_their_commits(const char *name, bool large)
{
    engine_worker *w = NULL;
    char one_folder[600], two_folder[600], three_folder[600];
    float got[COUNT_OF(ids) - 1];

    given_history(name, large);
    snprintf(one_folder, sizeof one_folder, "%s-one", place(name));
    snprintf(two_folder, sizeof two_folder, "%s-two", place(name));
    snprintf(three_folder, sizeof three_folder, "%s-three", place(name));
    char *before = memory_text(git_box_said("find . | sort | sha256sum"));
    check_ok(engine_worker_new(&(engine_worker_options){0}, &w));
    scored one = score_of_folder(w, one_folder), two = score_of_folder(w, two_folder),
           three = score_of_folder(w, three_folder);
    assert_memory_not_equal(one.plain, two.plain, sizeof got);
    assert_memory_not_equal(two.adapted, three.adapted, sizeof got);

    engine_model *at_one = loaded(w, place(name), "one"), *at_two = loaded(w, place(name), "two"),
                 *at_three = loaded(w, place(name), "three"), *here = loaded(w, place(name), "main");
    engine_stack *with_two = stacked(w, at_two, place(name), "two"),
                 *with_three = stacked(w, at_three, place(name), "three");
    check_true(at_two == at_three); /* they differ in an adapter alone */
    check_true(at_one != at_two);
    check_true(here == at_two); /* the worktree is at two, and nothing in it has changed */
    score(w, at_one, NULL, got);
    assert_memory_equal(got, one.plain, sizeof got);
    score(w, at_two, NULL, got);
    assert_memory_equal(got, two.plain, sizeof got);
    score(w, at_two, with_two, got);
    assert_memory_equal(got, two.adapted, sizeof got);
    score(w, at_three, with_three, got);
    assert_memory_equal(got, three.adapted, sizeof got);
    check_text(git_box_said("find . | sort | sha256sum"), before); /* no file was written */

    engine_worker_free_stack(w, with_two);
    engine_worker_free_stack(w, with_three);
    engine_model *const models[] = {at_one, at_two, at_three, here};
    for (size_t i = 0; i < COUNT_OF(models); i++) engine_worker_free_model(w, models[i]);
    engine_worker_free(w);
    free(before);
}

TEST(a_ref_gives_the_weights_and_adapters_of_its_commit) { check_refs_give_their_commits("plain", false); }

TEST(large_files_of_a_ref_come_from_the_store) { check_refs_give_their_commits("large", true); }

TEST(a_changed_worktree_is_not_taken_for_its_commit)
{
    CLEANUP(bytes_free) bytes committed = {0}, changed = {0};
    char weights[600];

    given_history("changed", false);
    snprintf(weights, sizeof weights, "%s/model.safetensors", place("changed"));
    engine_files *commit = files_at(place("changed"), "two"), *here = NULL;
    check_ok(engine_files_content_id(commit, "model.safetensors", &committed));
    here = files_at(place("changed"), "");
    check_ok(engine_files_content_id(here, "model.safetensors", &changed));
    check_text(bytes_text(&changed), bytes_text(&committed));
    engine_files_free(here);
    git_box_do("cp changed-one/model.safetensors changed/");
    here = files_at(place("changed"), "");
    bytes_clear(&changed);
    check_ok(engine_files_content_id(here, "model.safetensors", &changed));
    check_true(strcmp(bytes_text(&changed), bytes_text(&committed)) != 0);
    engine_files_free(here);
    engine_files_free(commit);
}

TEST(a_missing_object_is_named_with_the_cure)
{
    const engine_model_options options = {.weights = false};
    engine_model *model = NULL;

    given_history("missing", true);
    git_box_do("rm -rf missing/.git/lfs/objects");
    check_fails(engine_model_open(files_at(place("missing"), "one"), &options, &model), ERR_NOT_FOUND,
                "hyprstream fetch-files");
    check_fails(engine_model_open(files_at(place("missing"), ""), &options, &model), ERR_NOT_FOUND,
                "model.safetensors");
}

TEST(a_folder_without_a_repository_has_no_refs)
{
    engine_files *files = NULL;
    git_box();
    small_model_write(place("folder"), false);
    check_ok(ui_model_source_open(git_box(), place("folder"), "", "folder", &files, NULL));
    engine_files_free(files);
    check_fails(ui_model_source_open(git_box(), place("folder"), "v1", "folder:v1", &files, NULL), ERR_USAGE,
                "no git repository");
}

TESTS(RUN(a_ref_gives_the_weights_and_adapters_of_its_commit), RUN(large_files_of_a_ref_come_from_the_store),
      RUN(a_changed_worktree_is_not_taken_for_its_commit), RUN(a_missing_object_is_named_with_the_cure),
      RUN(a_folder_without_a_repository_has_no_refs))
