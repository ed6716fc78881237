/* ui/cmd/runs_cost.c: what a run was expected to take beside what it took. */
#include <math.h>
#include <stdlib.h>

#include "ui/app/runs/plan.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/runs.h"

static double known(double value) { return value > 0 ? value : NAN; }

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The largest, or the one in the middle, of a point's values. */
static err figure_of(const ui_runs *r, int64_t run, const char *name, bool largest, double *out)
{
    ui_run_curve curve = {0};
    size_t count = 0;

    *out = NAN;
    err e = ui_run_store_curve(r->store, run, name, 0, &curve);
    if (e.code) return e;
    double *values = malloc((curve.count + 1) * sizeof *values);
    for (size_t i = 0; values && i < curve.count; i++)
        if (isfinite(curve.slots[i].hi)) values[count++] = curve.slots[i].hi;
    if (count) {
        qsort(values, count, sizeof *values, compare_numbers);
        *out = largest ? values[count - 1] : values[count / 2];
    }
    free(values);
    ui_run_curve_free(&curve);
    return ERR_OK;
}

err ui_runs_cost_of(const ui_runs *r, const ui_run_row *row, ui_runs_cost *out)
{
    ui_run_plan plan;
    char *folder = ui_run_folder(r->state_folder, row->id);
    ui_run_estimate expected = {0};

    if (!ui_run_plan_load(folder, &plan).code) {
        expected = plan.estimate;
        ui_run_plan_free(&plan);
    }
    free(folder);
    *out = (ui_runs_cost){.memory = known(expected.memory), .step_seconds = known(expected.step_seconds)};
    err e = figure_of(r, row->run, "mem_peak", true, &out->mem_peak);
    if (!e.code) e = figure_of(r, row->run, "step_ms", false, &out->step_seconds_taken);
    if (!e.code) e = figure_of(r, row->run, "flop_per_s", false, &out->flop_per_s);
    out->step_seconds_taken /= 1000;
    out->mfu = out->flop_per_s / known(expected.product_flop_per_s);
    return e;
}

void ui_runs_cost_json(const ui_runs_cost *c, cJSON *o)
{
    cJSON *estimate = cJSON_AddObjectToObject(o, "estimate"),
          *measured = cJSON_AddObjectToObject(o, "measured");
    ui_json_add_number(estimate, "memory", c->memory);
    ui_json_add_number(estimate, "step_seconds", c->step_seconds);
    ui_json_add_number(measured, "mem_peak", c->mem_peak);
    ui_json_add_number(measured, "step_seconds", c->step_seconds_taken);
    ui_json_add_number(measured, "flop_per_s", c->flop_per_s);
    ui_json_add_number(measured, "mfu", c->mfu);
}

void ui_runs_cost_text(const ui_runs_cost *c, FILE *out)
{
    const struct {
        const char *label, *unit;
        double expected, taken, divisor;
    } rows[] = {{"memory", "GB", c->memory, c->mem_peak, 1e9},
                {"a step", "s", c->step_seconds, c->step_seconds_taken, 1}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!isfinite(rows[i].taken)) continue;
        fprintf(out, "%s: %.3g %s", rows[i].label, rows[i].taken / rows[i].divisor, rows[i].unit);
        if (isfinite(rows[i].expected))
            fprintf(out, ", estimated %.3g %s", rows[i].expected / rows[i].divisor, rows[i].unit);
        fputc('\n', out);
    }
    if (isfinite(c->flop_per_s)) fprintf(out, "speed: %.3g FLOP/s", c->flop_per_s);
    if (isfinite(c->mfu)) fprintf(out, ", %.0f %% of a bare product's (MFU)", 100 * c->mfu);
    if (isfinite(c->flop_per_s)) fputc('\n', out);
}
