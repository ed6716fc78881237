#include <string.h>

#include "base/text.h"
#include "engine/model.h"
#include "engine/spec.h"
#include "engine/text/tokenizer.h"
#include "engine/weights.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/model_open.h"
#include "ui/cmd/show.h"

enum { INSPECT_CONTEXT = 4096 };

static const ui_option options[] = {
    {"context", "N", "tokens of context that the memory is told for (default: 4096, or the model's if less)",
     false},
    {"dtype", "TYPE", "what to compute in: auto, f32 or bf16 (default: auto, as the weights are stored)",
     false},
    {0},
};

/* What it would take to run. */
typedef struct needs {
    size_t context;
    const char *dtype;
    uint64_t weight_bytes, cache_bytes;
} needs;

static err needs_find(const ui_arguments *a, const engine_model *model, needs *out)
{
    const engine_spec *spec = engine_model_borrow_spec(model);
    const engine_weights *weights = engine_model_borrow_weights(model);
    const char *dtype = ui_arguments_text(a, "dtype");
    int64_t context = (int64_t)MIN_OF(spec->context_max, (size_t)INSPECT_CONTEXT);

    err e = ui_arguments_integer(a, "context", 1, (int64_t)spec->context_max, &context);
    if (e.code) return e;
    bool stored_f32 = engine_weights_main_type(weights) == ENGINE_DTYPE_F32;
    if (!dtype || strcmp(dtype, "auto") == 0) dtype = stored_f32 ? "f32" : "bf16";
    if (strcmp(dtype, "f32") != 0 && strcmp(dtype, "bf16") != 0)
        return err_make(ERR_USAGE, "option --dtype is '%s': expected auto, f32 or bf16", dtype);
    size_t bytes_each = strcmp(dtype, "f32") == 0 ? 4 : 2;
    out->context = (size_t)context;
    out->dtype = dtype;
    out->weight_bytes = engine_weights_parameters(weights) * bytes_each;
    out->cache_bytes = engine_spec_cache_bytes(spec, (size_t)context, bytes_each);
    return ERR_OK;
}

static void print_json(const engine_model *model, const needs *n, FILE *out)
{
    const engine_spec *spec = engine_model_borrow_spec(model);
    const engine_weights *weights = engine_model_borrow_weights(model);
    const engine_tokenizer *tokenizer = engine_model_borrow_tokenizer(model);
    size_t eos_count = 0;
    const int32_t *eos = engine_model_borrow_eos(model, &eos_count);
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "name", bytes_view_of(engine_model_borrow_name(model)));
    ui_json_add_text(o, "path", bytes_view_of(engine_model_borrow_place(model)));
    cJSON_AddStringToObject(o, "model_type", spec->model_type);
    cJSON_AddStringToObject(o, "architecture", spec->architecture);
    cJSON_AddNumberToObject(o, "parameters", (double)engine_model_parameters(model));
    cJSON_AddStringToObject(o, "dtype", n->dtype);
    cJSON_AddStringToObject(o, "stored_dtype", engine_dtype_name(engine_weights_main_type(weights)));
    cJSON_AddNumberToObject(o, "model_bytes", (double)engine_model_bytes(model));
    cJSON_AddNumberToObject(o, "context", (double)spec->context_max);
    cJSON_AddNumberToObject(o, "layers", (double)spec->layer_count);
    cJSON_AddNumberToObject(o, "hidden", (double)spec->hidden);
    cJSON_AddNumberToObject(o, "heads", (double)spec->head_count);
    cJSON_AddNumberToObject(o, "kv_heads", (double)spec->kv_head_count);
    cJSON_AddNumberToObject(o, "head_size", (double)spec->head_size);
    cJSON_AddNumberToObject(o, "vocab", (double)spec->vocab_count);
    cJSON_AddBoolToObject(o, "tokenizer", tokenizer != NULL);
    cJSON_AddBoolToObject(o, "chat_template", engine_model_borrow_chat_template(model, NULL) != NULL);
    ui_json_add_ids(o, "eos", eos, eos_count);
    cJSON *memory = cJSON_AddObjectToObject(o, "memory");
    cJSON_AddStringToObject(memory, "dtype", n->dtype);
    cJSON_AddNumberToObject(memory, "context", (double)n->context);
    cJSON_AddNumberToObject(memory, "weight_bytes", (double)n->weight_bytes);
    cJSON_AddNumberToObject(memory, "cache_bytes", (double)n->cache_bytes);
    ui_json_print(o, out);
}

static void write_size(bytes *out, const char *label, uint64_t size, const char *note)
{
    char shown[32];

    text_human_size(size, shown, sizeof shown);
    bytes_printf(out, "%-14s %s%s\n", label, shown, note);
}

static void write_text(const engine_model *model, const needs *n, bytes *out)
{
    const engine_spec *spec = engine_model_borrow_spec(model);
    const engine_weights *weights = engine_model_borrow_weights(model);
    char note[64], count[32];

    text_human_count(engine_model_parameters(model), count, sizeof count);
    bytes_printf(out, "%-14s %s\n", "model", engine_model_borrow_name(model));
    bytes_printf(out, "%-14s %s\n", "path", engine_model_borrow_place(model));
    bytes_printf(out, "%-14s %s (%s)\n", "architecture", spec->model_type,
                 spec->architecture[0] ? spec->architecture : "not named");
    bytes_printf(out, "%-14s %s (%llu), stored as %s\n", "parameters", count,
                 (unsigned long long)engine_model_parameters(model),
                 engine_dtype_name(engine_weights_main_type(weights)));
    bytes_printf(out, "%-14s %zu layers, hidden %zu, inner %zu, %zu heads (%zu for keys and values) of %zu\n",
                 "shape", spec->layer_count, spec->hidden, spec->inner, spec->head_count, spec->kv_head_count,
                 spec->head_size);
    bytes_printf(out, "%-14s %zu tokens\n", "context", spec->context_max);
    bytes_printf(out, "%-14s %zu tokens%s\n", "vocabulary", spec->vocab_count,
                 engine_model_borrow_tokenizer(model) ? "" : "; no tokenizer.json");
    bytes_printf(out, "%-14s %s\n", "chat template",
                 engine_model_borrow_chat_template(model, NULL) ? "yes" : "none");
    write_size(out, "files", engine_model_bytes(model), "");
    snprintf(note, sizeof note, " for the weights in %s", n->dtype);
    write_size(out, "memory", n->weight_bytes, note);
    snprintf(note, sizeof note, " for %zu tokens of context", n->context);
    write_size(out, "", n->cache_bytes, note);
}

/* Names come from the model's files: none of them may give the terminal orders. */
static void print_text(const engine_model *model, const needs *n, FILE *out)
{
    CLEANUP(bytes_free) bytes text = {0};

    write_text(model, n, &text);
    ui_show_text(out, bytes_borrow(&text));
}

static err inspect_run(ui_cli *cli, const ui_arguments *a)
{
    engine_model *model = NULL;
    needs n = {0};

    err e = ui_model_open_without_weights(cli, a->words[0], &model);
    if (e.code) return e;
    e = needs_find(a, model, &n);
    if (!e.code && ui_arguments_has(a, "json"))
        print_json(model, &n, cli->out);
    else if (!e.code)
        print_text(model, &n, cli->out);
    engine_model_free(model);
    return e;
}

const ui_command ui_cmd_inspect = {
    .name = "inspect",
    .group = "models",
    .args = "MODEL",
    .help = "Print what a model is and the memory that it needs",
    .words_min = 1,
    .words_max = 1,
    .options = {options, ui_options_all},
    .run = inspect_run,
};
