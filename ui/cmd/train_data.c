/* ui/cmd/train_data.c: a run that goes on with other data than it learned from. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/train.h"

/* -- looking ------------------------------------------------------------------------------------------------
 */

/* Refused here is refused before anything of the run is touched. */
static err read_all(ui_cli *cli, const ui_run_plan *plan, ui_train_data *out)
{
    training_settings settled = {0};
    engine_model *model = NULL;
    training_data *data = NULL;

    err e = ui_train_open_data(cli, plan, &model, &data);
    if (e.code) return e;
    training_settings_copy(&plan->settings, &settled);
    e = training_settings_settle(&settled, training_data_is_preference(data));
    if (!e.code) e = training_extent_of(data, &settled, &out->extent);
    out->held_out = training_data_held_out_count(data);
    memcpy(out->digest, training_data_borrow_digest(data), sizeof out->digest);
    training_settings_free(&settled);
    training_data_free(data);
    engine_model_free(model);
    return e;
}

static const char *learned_at(const ui_run_plan *plan, const ui_run_change *changes, size_t count,
                              uint64_t step)
{
    const ui_run_change *last = ui_run_changes_borrow_data(changes, count, step);
    return last ? last->data : plan->data_digest;
}

static err check_eval(const ui_run_plan *plan)
{
    char there[SHA256_HEX_SIZE];
    if (!*plan->eval_file) return ERR_OK;
    err e = training_data_digest((const char *const *)&plan->eval_file, 1, there);
    if (!e.code && strcmp(there, plan->eval_digest) != 0) e = ui_run_other_eval(plan, there);
    return e;
}

err ui_train_data_look(ui_cli *cli, const ui_arguments *a, const ui_run_plan *plan,
                       const ui_run_change *changes, size_t count, uint64_t step, bool *other,
                       ui_train_data *out)
{
    const char *learned = learned_at(plan, changes, count, step);
    err e = check_eval(plan);
    if (!e.code) e = training_data_digest((const char *const *)plan->data, plan->data_count, out->digest);
    if (e.code) return e;
    *other = strcmp(out->digest, learned) != 0;
    if (!*other) return ERR_OK;
    if (!ui_arguments_has(a, "allow-data-change")) return ui_run_other_data(plan->id, learned, out->digest);
    return err_note(read_all(cli, plan, out), "the data as they are now");
}

/* -- recording ----------------------------------------------------------------------------------------------
 */

bool ui_train_data_record(const ui_train_data *data, const ui_run_plan *plan, const training_place *at,
                          ui_run_change **changes, size_t *count)
{
    ui_run_change change = {.step = at->step, .lr = NAN, .epoch = at->epoch + (at->window > 0)};
    *count = ui_run_changes_drop_data(*changes, *count, at->step);
    if (strcmp(data->digest, learned_at(plan, *changes, *count, at->step)) == 0) return false;
    memcpy(change.data, data->digest, sizeof change.data);
    ui_run_changes_add(changes, count, &change);
    return true;
}

/* -- telling ------------------------------------------------------------------------------------------------
 */

static void tell_json(FILE *out, const ui_train_data *data, const ui_run_plan *plan, const ui_run_change *c,
                      const char *before, uint64_t total)
{
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"step", c->step},
                   {"steps", total},
                   {"epoch", c->epoch},
                   {"windows", data->extent.windows},
                   {"examples", data->extent.examples},
                   {"held_out", data->held_out},
                   {"tokens", data->extent.tokens},
                   {"targets", data->extent.targets}};
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "event", "data_changed");
    cJSON_AddStringToObject(o, "run", plan->id);
    cJSON_AddStringToObject(o, "data_digest", c->data);
    cJSON_AddStringToObject(o, "data_digest_before", before);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        cJSON_AddNumberToObject(o, numbers[i].key, (double)numbers[i].value);
    ui_json_print(o, out);
}

static void tell_held_out(FILE *out, const ui_train_data *data, const ui_run_plan *plan)
{
    if (*plan->eval_file) {
        fprintf(out, "evaluated on %s as before\n", file_name(plan->eval_file));
        return;
    }
    /* A fraction within bounds may grow when records go, one that was given holds out no old example. */
    fprintf(out,
            "%llu examples held out, chosen from these data%s: evaluations and the best count anew from "
            "here\n",
            (unsigned long long)data->held_out,
            data->held_out && isnan(plan->settings.eval_fraction) ? " (some may have been learned before)"
                                                                  : "");
}

static void tell_length(FILE *out, const ui_train_data *data, const ui_run_plan *plan, const ui_run_change *c,
                        uint64_t total)
{
    const training_settings *s = &plan->settings;
    uint64_t to_go = total - c->step, windows = data->extent.windows;
    fprintf(out, "the run still ends at step %llu", (unsigned long long)total);
    if (!s->steps) fprintf(out, ", planned as %lld epochs of the data before", (long long)s->epochs);
    fprintf(out, ": the %llu steps to go are %.3g epochs of %llu\n", (unsigned long long)to_go,
            (double)to_go / (double)windows, (unsigned long long)windows);
}

void ui_train_data_tell(ui_cli *cli, bool json, const ui_train_data *data, const ui_run_plan *plan,
                        const ui_run_change *changes, size_t count, uint64_t total)
{
    const ui_run_change *c = &changes[count - 1];
    const char *before = learned_at(plan, changes, count - 1, c->step);
    FILE *out = cli->out;
    if (json) {
        tell_json(out, data, plan, c, before, total);
    } else {
        fprintf(out, "other data from step %llu on: sha256:%.12s, before sha256:%.12s; epoch %llu begins\n",
                (unsigned long long)c->step, c->data, before, (unsigned long long)c->epoch);
        fprintf(out, "data %llu examples, %llu tokens, %llu to learn\n",
                (unsigned long long)data->extent.examples, (unsigned long long)data->extent.tokens,
                (unsigned long long)data->extent.targets);
        tell_held_out(out, data, plan);
        tell_length(out, data, plan, c, total);
    }
    fflush(out);
}

void ui_train_data_tell_same(ui_cli *cli, bool json, const char *run)
{
    if (json) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "event", "data_unchanged");
        cJSON_AddStringToObject(o, "run", run);
        ui_json_print(o, cli->out);
    } else {
        fprintf(cli->out, "the data is what run %s learned from: it goes on as it was\n", run);
    }
    fflush(cli->out);
}
