/* run.json: what is written is read again, and what cannot be is refused by name. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "tests/support/check.h"
#include "ui/app/runs/plan.h"

static void set(char **to, const char *text)
{
    free(*to);
    *to = memory_text(text);
}

static void given_a_plan(ui_run_plan *p)
{
    ui_run_plan_init(p);
    ui_run_id_make(1000, p->id);
    char **texts[] = {&p->model,   &p->folder, &p->base_commit, &p->branch,
                      &p->adapter, &p->device, &p->dtype,       &p->data_digest};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) set(texts[i], "x");
    p->data = memory_alloc(sizeof *p->data);
    p->data[p->data_count++] = memory_text("/tmp/a.jsonl");
    p->settings.full = true;
    p->estimate = (ui_run_estimate){2.5e9, 1.25, 3e12, 4.5e11};
}

TEST(a_plan_reads_back_with_its_estimate_and_parent)
{
    CLEANUP(bytes_free) bytes once = {0}, twice = {0};
    ui_run_plan plan, back;
    given_a_plan(&plan);
    set(&plan.parent, "01M8CMVY9HQ3A3C7RKVQ0NKZ95");
    ui_run_plan_write(&plan, &once);
    check_ok(ui_run_plan_read(bytes_borrow(&once), &back));
    check_true(back.estimate.memory == 2.5e9 && back.estimate.step_seconds == 1.25);
    check_true(back.estimate.flop_per_step == 3e12 && back.estimate.product_flop_per_s == 4.5e11);
    check_text(back.parent, plan.parent);
    check_true(back.settings.full);
    ui_run_plan_write(&back, &twice);
    check_true(bytes_view_equal(bytes_borrow(&once), bytes_borrow(&twice)));
    ui_run_plan_free(&plan);
    ui_run_plan_free(&back);
}

/* The plan's text with `from` replaced. */
static void written_with(const char *from, const char *to, bytes *out)
{
    CLEANUP(bytes_free) bytes text = {0};
    ui_run_plan plan;
    given_a_plan(&plan);
    ui_run_plan_write(&plan, &text);
    ui_run_plan_free(&plan);
    const char *at = strstr(bytes_text(&text), from);
    check_true(at != NULL);
    bytes_append(out, bytes_text(&text), (size_t)(at - bytes_text(&text)));
    bytes_append_text(out, to);
    bytes_append_text(out, at + strlen(from));
}

TEST(plans_of_before_have_no_estimate_and_bad_ones_are_refused)
{
    CLEANUP(bytes_free) bytes without = {0}, bad = {0};
    ui_run_plan plan;
    written_with("\"estimate\":", "\"unknown\":", &without);
    check_ok(ui_run_plan_read(bytes_borrow(&without), &plan));
    check_true(plan.estimate.memory == 0 && plan.estimate.step_seconds == 0);
    ui_run_plan_free(&plan);
    written_with("\"step_seconds\":1.25", "\"step_seconds\":-1", &bad);
    check_fails(ui_run_plan_read(bytes_borrow(&bad), &plan), ERR_FORMAT,
                "estimate: step_seconds: expected a number from 0");
}

TESTS(RUN(a_plan_reads_back_with_its_estimate_and_parent),
      RUN(plans_of_before_have_no_estimate_and_bad_ones_are_refused))
