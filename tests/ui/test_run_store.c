#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "tests/support/check.h"
#include "ui/app/runs/store.h"

static ui_run_store *open_store(const char *name)
{
    ui_run_store *store = NULL;
    char *folder = file_join(check_folder(), name);
    check_ok(ui_run_store_open(folder, &store));
    free(folder);
    return store;
}

static int64_t given_a_run(ui_run_store *store, int64_t now_ms, char id[UI_RUN_ID_SIZE])
{
    int64_t run = 0;
    ui_run_row row = {.model = "demo",
                      .base_commit = "4f1c",
                      .adapter = "03_polite",
                      .branch = "main",
                      .kind = "sft",
                      .state = "running",
                      .config = "{}",
                      .data_digest = "d",
                      .steps_total = 100,
                      .world_size = 1,
                      .started_ms = now_ms,
                      .pid = 7};
    ui_run_id_make(now_ms, row.id);
    check_ok(ui_run_store_add(store, &row, &run));
    if (id) memcpy(id, row.id, UI_RUN_ID_SIZE);
    return run;
}

TEST(a_run_is_listed_newest_first_and_found_by_a_part_of_its_id)
{
    ui_run_store *store = open_store("listed");
    char first[UI_RUN_ID_SIZE], second[UI_RUN_ID_SIZE];
    ui_run_list list = {0}, one = {0};

    given_a_run(store, 1000, first);
    int64_t run = given_a_run(store, 2000, second);
    check_ok(ui_run_store_list(store, NULL, &list));
    check_int(list.count, 2);
    check_text(list.rows[0].id, second);
    check_true(strcmp(first, second) < 0);
    check_ok(ui_run_store_find(store, first + 18, &one));
    check_text(one.rows[0].id, first);
    ui_run_list_free(&one);
    check_int(ui_run_store_find(store, "0000", &one).code, ERR_USAGE); /* both begin so */
    check_int(ui_run_store_find(store, "ZZZZ", &one).code, ERR_NOT_FOUND);
    check_int(ui_run_store_find(store, "a%b_", &one).code, ERR_USAGE);

    check_ok(ui_run_store_set_state(store, run, "failed", true, "the disk is full", 3000));
    check_ok(ui_run_store_best(store, run, 12, 1.25));
    check_ok(ui_run_store_find(store, "last", &one));
    check_text(one.rows[0].state, "failed");
    check_text(one.rows[0].error, "the disk is full");
    check_true(one.rows[0].has_best && one.rows[0].best_step == 12 && one.rows[0].best_loss == 1.25);
    ui_run_list_free(&one);
    ui_run_list_free(&list);
    ui_run_store_free(store);
}

static void add_points(ui_run_store *store, int64_t run, uint32_t attempt, uint64_t first, size_t count,
                       double (*value)(uint64_t step))
{
    ui_run_value *values = calloc(count, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (ui_run_value){"loss", first + i, value(first + i), (int64_t)(first + i)};
    check_ok(ui_run_store_points(store, run, attempt, values, count, 5000));
    free(values);
}

static double falling(uint64_t step) { return step == 40 ? NAN : 1000.0 - (double)step; }
static double replayed(uint64_t step) { return 5000.0 + (double)step; }

TEST(a_replay_corrects_points_and_pyramid)
{
    ui_run_store *store = open_store("replay");
    int64_t run = given_a_run(store, 1000, NULL);
    ui_run_curve curve = {0};

    for (uint64_t first = 0; first < 600; first += 50) add_points(store, run, 1, first, 50, falling);
    check_ok(ui_run_store_curve(store, run, "loss", 0, &curve));
    check_int(curve.count, 600);
    check_true(curve.slots[40].bad == 1 && isnan(curve.slots[40].lo));
    ui_run_curve_free(&curve);

    check_ok(ui_run_store_curve(store, run, "loss", 10, &curve)); /* 37 slots of 16 steps */
    check_int(curve.count, 38);
    check_true(curve.slots[2].lo == 953 && curve.slots[2].hi == 968 && curve.slots[2].bad == 1);
    ui_run_curve_free(&curve);

    add_points(store, run, 2, 32, 16, replayed);
    check_ok(ui_run_store_curve(store, run, "loss", 10, &curve));
    check_true(curve.slots[2].lo == 5032 && curve.slots[2].hi == 5047 && curve.slots[2].bad == 0);
    check_int(curve.slots[2].n, 16);
    ui_run_curve_free(&curve);
    check_ok(ui_run_store_curve(store, run, "loss", 1, &curve)); /* the slots of 256 steps saw it too */
    check_int(curve.count, 3);
    check_true(curve.slots[0].hi == 5047 && curve.slots[0].n == 256);
    ui_run_curve_free(&curve);
    check_ok(ui_run_store_curve(store, run, "nothing", 10, &curve));
    check_int(curve.count, 0);
    ui_run_store_free(store);
}

static double wave(uint64_t step) { return sin((double)step / 5000.0); }

TEST(a_hundred_thousand_points_are_drawn_at_once_and_stay_small)
{
    enum { POINTS = 100000, BATCH = 5000, COLUMNS = 160 };
    ui_run_store *store = open_store("large");
    int64_t run = given_a_run(store, 1000, NULL);
    ui_run_curve curve = {0};
    uint64_t size = 0;

    for (uint64_t first = 0; first < POINTS; first += BATCH) add_points(store, run, 1, first, BATCH, wave);
    double began = clock_seconds();
    check_ok(ui_run_store_curve(store, run, "loss", COLUMNS, &curve));
    double took = clock_seconds() - began;
    check_true(curve.count >= 2 * COLUMNS && curve.count < 2 * COLUMNS * 17);
    check_true(took < 0.25);
    double hi = -1;
    for (size_t i = 0; i < curve.count; i++) hi = fmax(hi, curve.slots[i].hi);
    check_true(hi > 0.999999);
    ui_run_curve_free(&curve);
    ui_run_store_free(store);
    char *folder = file_join(check_folder(), "large"), *path = file_join(folder, "state.db");
    check_ok(file_size(path, &size));
    check_true(size < 60 * (uint64_t)POINTS);
    free(path);
    free(folder);
}

TEST(checkpoints_and_samples_come_back_in_order)
{
    ui_run_store *store = open_store("saved");
    int64_t run = given_a_run(store, 1000, NULL);
    ui_run_checkpoint *list = NULL;
    size_t count = 0;
    ui_run_checkpoint state = {
        .step = 20, .kind = "state", .ref = "step-00000020", .bytes = 9, .eval_loss = NAN};
    ui_run_checkpoint commit = {
        .step = 10, .kind = "commit", .ref = "4f1c", .tag = "checkpoint-10", .eval_loss = 1.5};

    check_ok(ui_run_store_checkpoint(store, run, &state, 1));
    check_ok(ui_run_store_checkpoint(store, run, &commit, 2));
    check_ok(ui_run_store_checkpoints(store, run, &list, &count));
    check_int(count, 2);
    check_text(list[0].tag, "checkpoint-10");
    check_true(list[0].eval_loss == 1.5 && isnan(list[1].eval_loss));
    free(list);
    check_ok(ui_run_store_remove(store, run));
    check_ok(ui_run_store_checkpoints(store, run, &list, &count));
    check_int(count, 0);
    free(list);
    ui_run_store_free(store);
}

static void take_alert(void *context, const ui_run_alert *alert)
{
    size_t *count = context;
    check_text(alert->kind, "plateau");
    check_text(alert->advice, "hyprstream runs lr x 0.5");
    check_int(alert->step, 5);
    ++*count;
}

TEST(alerts_of_steps_that_were_taken_again_are_not_told)
{
    ui_run_store *store = open_store("alerts");
    int64_t run = given_a_run(store, 1000, NULL);
    const ui_run_alert alert = {5, "plateau", "no better", "hyprstream runs lr x 0.5"};
    const ui_run_value first[] = {{"loss", 3, 1.5, 10}, {"loss", 4, 1.5, 20}},
                       again[] = {{"loss", 4, 1.0, 90}};
    size_t count = 0;

    check_ok(ui_run_store_points(store, run, 1, first, 2, 2000));
    check_ok(ui_run_store_alert(store, run, 1, &alert, 20));
    check_ok(ui_run_store_alerts(store, run, take_alert, &count));
    check_int(count, 1);
    check_ok(ui_run_store_points(store, run, 2, again, 1, 3000));
    check_ok(ui_run_store_alerts(store, run, take_alert, &count));
    check_int(count, 1);
    check_ok(ui_run_store_alert(store, run, 2, &alert, 90));
    check_ok(ui_run_store_alerts(store, run, take_alert, &count));
    check_int(count, 2);
    ui_run_store_free(store);
}

TEST(a_run_knows_what_it_was_forked_from)
{
    ui_run_store *store = open_store("forked");
    ui_run_list list = {0};
    char parent[UI_RUN_ID_SIZE];
    int64_t run = 0;

    given_a_run(store, 1000, parent);
    ui_run_row row = {.model = "demo",
                      .base_commit = "4f1c",
                      .adapter = "03_polite",
                      .branch = "main",
                      .kind = "sft",
                      .state = "planned",
                      .config = "{}",
                      .data_digest = "d",
                      .started_ms = 2000,
                      .parent = parent};
    ui_run_id_make(2000, row.id);
    check_ok(ui_run_store_add(store, &row, &run));
    check_ok(ui_run_store_list(store, NULL, &list));
    check_text(list.rows[0].parent, parent);
    check_text(list.rows[1].parent, "");
    ui_run_list_free(&list);
    ui_run_store_free(store);
}

TESTS(RUN(a_run_is_listed_newest_first_and_found_by_a_part_of_its_id),
      RUN(a_replay_corrects_points_and_pyramid),
      RUN(a_hundred_thousand_points_are_drawn_at_once_and_stay_small),
      RUN(checkpoints_and_samples_come_back_in_order),
      RUN(alerts_of_steps_that_were_taken_again_are_not_told), RUN(a_run_knows_what_it_was_forked_from))
