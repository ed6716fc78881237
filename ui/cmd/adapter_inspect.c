/* ui/cmd/adapter_inspect.c: adapter MODEL inspect NAME, and diff NAME NAME. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "engine/adapter_look.h"
#include "engine/arch/modules.h"
#include "ui/cmd/adapter_files.h"
#include "ui/cmd/show.h"

enum { CONFIG_DEPTH_MAX = 32 };

/* The model on the CPU with one or two of its adapters. */
typedef struct looking {
    ui_adapter_work *w;
    engine_model *model;
    ui_adapter_row *rows[2];
    engine_adapter *adapters[2];
    engine_adapter_row *looks[2];
    size_t counts[2];
} looking;

static void looking_free(looking *l)
{
    for (size_t i = 0; i < 2; i++) {
        engine_adapter_free(l->adapters[i]);
        free(l->looks[i]);
    }
    engine_model_free(l->model);
}

static err looking_open(looking *l, size_t count)
{
    const engine_model_options options = {.device = "cpu", .dtype = "auto", .weights = true};
    engine_files *files = NULL;
    err e = ERR_OK;
    for (size_t i = 0; i < count && !e.code; i++)
        e = ui_adapters_find(&l->w->list, l->w->a->words[2 + i], l->w->word.title, &l->rows[i]);
    if (!e.code) e = ui_model_word_open(l->w->cli, &l->w->word, &files);
    if (!e.code) e = engine_model_open(files, &options, &l->model);
    for (size_t i = 0; i < count && !e.code; i++) {
        const engine_decoder *base = engine_model_borrow_decoder(l->model);
        e = engine_adapter_open_in(l->w->files, l->rows[i]->file, base, &l->adapters[i]);
        if (!e.code) e = engine_adapter_look(base, l->adapters[i], &l->looks[i], &l->counts[i]);
    }
    return e;
}

static const char *module_name(const looking *l, size_t module, char *name, size_t size)
{
    engine_module_name(engine_model_borrow_spec(l->model), module, name, size);
    return name;
}

static void number_print(FILE *out, int width, double value)
{
    if (isfinite(value))
        fprintf(out, "  %*.4g", width, value);
    else
        fprintf(out, "  %*s", width, "n/a");
}

/* ---- inspect ---- */

static void inspect_json(const looking *l)
{
    char name[ENGINE_MODULE_NAME_MAX];
    cJSON *o = cJSON_CreateObject();
    ui_json_add_text(o, "model", bytes_view_of(l->w->word.title));
    ui_json_add_text(o, "adapter", bytes_view_of(l->rows[0]->name));
    cJSON *list = cJSON_AddArrayToObject(o, "modules");
    double sum = 0;
    for (size_t i = 0; i < l->counts[0]; i++) {
        const engine_adapter_row *row = &l->looks[0][i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "module", module_name(l, row->module, name, sizeof name));
        cJSON_AddNumberToObject(item, "rank", (double)row->rank);
        ui_json_add_number(item, "scale", row->scale);
        ui_json_add_number(item, "norm", row->norm);
        ui_json_add_number(item, "relative", row->relative);
        ui_json_add_number(item, "effective_rank", row->effective);
        cJSON_AddItemToArray(list, item);
        sum += row->norm * row->norm;
    }
    ui_json_add_number(o, "norm", sqrt(sum));
    ui_json_print(o, l->w->cli->out);
}

err ui_adapter_inspect(ui_adapter_work *w)
{
    CLEANUP(looking_free) looking l = {.w = w};
    char name[ENGINE_MODULE_NAME_MAX];
    FILE *out = w->cli->out;

    err e = looking_open(&l, 1);
    if (e.code) return e;
    if (w->json) {
        inspect_json(&l);
        return ERR_OK;
    }
    fprintf(out, "%-40s  %4s  %8s  %8s  %8s\n", "module", "rank", "norm", "relative", "eff.rank");
    for (size_t i = 0; i < l.counts[0]; i++) {
        const engine_adapter_row *row = &l.looks[0][i];
        fprintf(out, "%-40s  %4zu", module_name(&l, row->module, name, sizeof name), row->rank);
        number_print(out, 8, row->norm);
        number_print(out, 8, row->relative);
        number_print(out, 8, row->effective);
        fputc('\n', out);
    }
    return ERR_OK;
}

/* ---- diff ---- */

/* A value as it is written, for comparing and showing. */
static void value_append(const json_node *node, bytes *out)
{
    if (json_is(node, JSON_STRING) || json_is(node, JSON_NUMBER)) {
        bytes_append_view(out, node->text);
    } else if (json_is(node, JSON_ARRAY) || json_is(node, JSON_OBJECT)) {
        bytes_append_byte(out, json_is(node, JSON_ARRAY) ? '[' : '{');
        for (const json_node *item = json_first(node); item; item = item->next) {
            if (item != json_first(node)) bytes_append_text(out, ", ");
            if (item->key.size) bytes_append_view(out, item->key);
            if (item->key.size) bytes_append_text(out, ": ");
            value_append(item, out);
        }
        bytes_append_byte(out, json_is(node, JSON_ARRAY) ? ']' : '}');
    } else {
        bytes_append_text(out, json_is_null(node) ? "null" : json_is(node, JSON_TRUE) ? "true" : "false");
    }
}

static void key_compare(const looking *l, const json_node *a, const json_node *b, bytes_view key, cJSON *list)
{
    CLEANUP(bytes_free) bytes one = {0}, two = {0};
    FILE *out = l->w->cli->out;
    value_append(a, &one);
    value_append(b, &two);
    if (bytes_view_equal(bytes_borrow(&one), bytes_borrow(&two))) return;
    cJSON *item = cJSON_CreateObject();
    ui_json_add_text(item, "key", key);
    ui_json_add_text(item, "a", bytes_borrow(&one));
    ui_json_add_text(item, "b", bytes_borrow(&two));
    cJSON_AddItemToArray(list, item);
    if (l->w->json) return;
    ui_show_text(out, key);
    fputs(": ", out);
    ui_show_text(out, bytes_borrow(&one));
    fputs(" | ", out);
    ui_show_text(out, bytes_borrow(&two));
    fputc('\n', out);
}

/* null and absent are the same to PEFT. */
static void roots_compare(const looking *l, const json_node *a, const json_node *b, cJSON *list)
{
    for (const json_node *node = json_first(a); node; node = node->next) {
        CLEANUP(bytes_free) bytes key = {0};
        bytes_append_view(&key, node->key);
        key_compare(l, node, json_get(b, bytes_text(&key)), node->key, list);
    }
    for (const json_node *node = json_first(b); node; node = node->next) {
        CLEANUP(bytes_free) bytes key = {0};
        bytes_append_view(&key, node->key);
        if (!json_get(a, bytes_text(&key))) key_compare(l, NULL, node, node->key, list);
    }
}

static err configs_compare(const looking *l, cJSON *list)
{
    arena scratch = {0};
    const json_node *roots[2] = {NULL, NULL};
    bytes texts[2] = {{0}, {0}};
    err e = ERR_OK;
    for (size_t i = 0; i < 2 && !e.code; i++) {
        char *name = engine_adapter_config_name(l->rows[i]->file);
        e = engine_files_read(l->w->files, name, ENGINE_ADAPTER_CONFIG_BYTES_MAX, &texts[i]);
        if (!e.code) e = json_parse(bytes_borrow(&texts[i]), CONFIG_DEPTH_MAX, &scratch, &roots[i]);
        free(name);
    }
    if (!e.code) roots_compare(l, roots[0], roots[1], list);
    arena_free(&scratch);
    bytes_free(&texts[0]);
    bytes_free(&texts[1]);
    return e;
}

static double norm_at(const looking *l, size_t which, size_t module)
{
    for (size_t i = 0; i < l->counts[which]; i++)
        if (l->looks[which][i].module == module) return l->looks[which][i].norm;
    return 0;
}

static void module_told(const looking *l, size_t module, double cosine, cJSON *list)
{
    char name[ENGINE_MODULE_NAME_MAX];
    FILE *out = l->w->cli->out;
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "module", module_name(l, module, name, sizeof name));
    ui_json_add_number(item, "norm_a", norm_at(l, 0, module));
    ui_json_add_number(item, "norm_b", norm_at(l, 1, module));
    ui_json_add_number(item, "cosine", cosine);
    cJSON_AddItemToArray(list, item);
    if (l->w->json) return;
    fprintf(out, "%-40s", name);
    number_print(out, 8, norm_at(l, 0, module));
    number_print(out, 8, norm_at(l, 1, module));
    number_print(out, 8, cosine);
    fputc('\n', out);
}

static err modules_compare(const looking *l, cJSON *list, double *total)
{
    double dot = 0, square_a = 0, square_b = 0;
    err e = ERR_OK;
    if (!l->w->json)
        fprintf(l->w->cli->out, "%-40s  %8s  %8s  %8s\n", "module", "norm a", "norm b", "cosine");
    for (size_t m = 0; m < engine_module_count(engine_model_borrow_spec(l->model)) && !e.code; m++) {
        double cosine, xy, xx, yy;
        if (norm_at(l, 0, m) == 0 && norm_at(l, 1, m) == 0) continue;
        e = engine_adapter_cosine(l->adapters[0], l->adapters[1], m, &cosine, &xy, &xx, &yy);
        dot += xy;
        square_a += xx;
        square_b += yy;
        if (!e.code) module_told(l, m, cosine, list);
    }
    *total = square_a > 0 && square_b > 0 ? dot / sqrt(square_a * square_b) : NAN;
    return e;
}

err ui_adapter_diff(ui_adapter_work *w)
{
    CLEANUP(looking_free) looking l = {.w = w};
    double total = NAN;

    err e = looking_open(&l, 2);
    if (e.code) return e;
    cJSON *o = cJSON_CreateObject();
    ui_json_add_text(o, "model", bytes_view_of(w->word.title));
    ui_json_add_text(o, "a", bytes_view_of(l.rows[0]->name));
    ui_json_add_text(o, "b", bytes_view_of(l.rows[1]->name));
    e = configs_compare(&l, cJSON_AddArrayToObject(o, "config"));
    if (!e.code) e = modules_compare(&l, cJSON_AddArrayToObject(o, "modules"), &total);
    ui_json_add_number(o, "cosine", total);
    if (!e.code && w->json) {
        ui_json_print(o, w->cli->out);
        return ERR_OK;
    }
    cJSON_Delete(o);
    if (!e.code) {
        fprintf(w->cli->out, "%-40s  %8s  %8s", "all", "", "");
        number_print(w->cli->out, 8, total);
        fputc('\n', w->cli->out);
    }
    return e;
}
