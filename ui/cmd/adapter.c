/* ui/cmd/adapter.c: the verbs of `adapter`, and those that only say or choose. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ui/cmd/adapter_open.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/show.h"

/* ---- list ---- */

static void row_facts(ui_adapter_work *w, const ui_adapter_row *row, cJSON *o, bytes *line)
{
    engine_adapter_file *file = NULL;
    ui_adapter_row *same = NULL;
    char size[32], count[32];

    err e = ui_adapter_file_of(w, row->name, &same, &file);
    if (e.code) {
        ui_json_add_text(o, "problem", bytes_view_of(e.text));
        bytes_printf(line, "%s", e.text);
        return;
    }
    const engine_adapter_config *config = engine_adapter_file_borrow_config(file);
    const engine_weights *weights = engine_adapter_file_borrow_weights(file);
    bool dora = engine_adapter_file_has(file, ENGINE_ADAPTER_MAGNITUDE);
    cJSON_AddNumberToObject(o, "rank", (double)engine_adapter_file_rank(file));
    cJSON_AddNumberToObject(o, "alpha", engine_adapter_config_alpha(config));
    cJSON_AddBoolToObject(o, "rslora", engine_adapter_config_is_rank_stabilised(config));
    cJSON_AddBoolToObject(o, "dora", dora);
    cJSON_AddNumberToObject(o, "modules", (double)engine_adapter_file_acting(file));
    cJSON_AddNumberToObject(o, "parameters", (double)engine_weights_parameters(weights));
    cJSON_AddNumberToObject(o, "bytes", (double)engine_weights_bytes(weights));
    ui_json_add_text(o, "base", bytes_view_of(engine_adapter_config_borrow_base(config)));
    text_human_size(engine_weights_bytes(weights), size, sizeof size);
    text_human_count(engine_weights_parameters(weights), count, sizeof count);
    bytes_printf(line, "rank %-4zu alpha %-5g %3zu modules  %6s parameters  %7s%s",
                 engine_adapter_file_rank(file), engine_adapter_config_alpha(config),
                 engine_adapter_file_acting(file), count, size, dora ? "  DoRA" : "");
    engine_adapter_file_free(file);
}

static err list_run(ui_adapter_work *w)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "adapters");
    int width = 0;

    ui_json_add_text(o, "model", bytes_view_of(w->word.title));
    cJSON_AddNumberToObject(o, "next", ui_adapter_next_index(&w->list));
    for (size_t i = 0; i < w->list.count; i++) width = MAX_OF(width, (int)strlen(w->list.rows[i].name));
    for (size_t i = 0; i < w->list.count; i++) {
        CLEANUP(bytes_free) bytes line = {0};
        const ui_adapter_row *row = &w->list.rows[i];
        cJSON *item = cJSON_CreateObject();
        ui_json_add_text(item, "name", bytes_view_of(row->name));
        if (ui_adapter_index(row->name) >= 0)
            cJSON_AddNumberToObject(item, "index", ui_adapter_index(row->name));
        else
            cJSON_AddNullToObject(item, "index");
        ui_json_add_text(item, "file", bytes_view_of(row->file));
        cJSON_AddBoolToObject(item, "on", row->on);
        cJSON_AddNumberToObject(item, "scale", row->scale);
        row_facts(w, row, item, &line);
        cJSON_AddItemToArray(list, item);
        if (w->json) continue;
        fprintf(w->cli->out, "%c ", row->on ? '*' : ' ');
        ui_show_text(w->cli->out, bytes_view_of(row->name));
        fprintf(w->cli->out, "%*s  @%-4g ", width - (int)strlen(row->name), "", row->scale);
        ui_show_text(w->cli->out, bytes_borrow(&line));
        fputc('\n', w->cli->out);
    }
    if (!w->json && !w->list.count) fprintf(w->cli->out, "%s has no adapters\n", w->word.title);
    if (w->json)
        ui_json_print(o, w->cli->out);
    else
        cJSON_Delete(o);
    return ERR_OK;
}

/* ---- what the workstation uses ---- */

/* The choice as it is now, told. */
static err choice_told(ui_adapter_work *w, const ui_adapter_row *row)
{
    CLEANUP(ui_stack_free) ui_stack_list list = {0};
    ui_stack_of_rows(&w->list, &list);
    err e = ui_adapter_choice_keep(w, &list);
    if (e.code) return e;
    if (w->json) {
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "model", bytes_view_of(w->word.title));
        ui_json_add_text(o, "adapter", bytes_view_of(row->name));
        cJSON_AddBoolToObject(o, "on", row->on);
        cJSON_AddNumberToObject(o, "scale", row->scale);
        ui_json_print(o, w->cli->out);
    } else {
        ui_show_text(w->cli->out, bytes_view_of(row->name));
        fprintf(w->cli->out, " is %s at %g in the workstation\n", row->on ? "on" : "off", row->scale);
    }
    return ERR_OK;
}

static err choice_change(ui_adapter_work *w, const bool *on, const double *scale)
{
    ui_adapter_row *row = NULL;
    err e = ui_adapters_find(&w->list, w->a->words[2], w->word.title, &row);
    if (e.code) return e;
    if (on) row->on = *on;
    if (scale) row->scale = *scale;
    return choice_told(w, row);
}

static err enable_run(ui_adapter_work *w)
{
    const bool on = true;
    return choice_change(w, &on, NULL);
}

static err disable_run(ui_adapter_work *w)
{
    const bool on = false;
    return choice_change(w, &on, NULL);
}

static err scale_run(ui_adapter_work *w)
{
    char *end = NULL;
    double scale = strtod(w->a->words[3], &end);
    if (end == w->a->words[3] || *end || !(scale >= -UI_STACK_SCALE_MAX && scale <= UI_STACK_SCALE_MAX))
        return err_make(ERR_USAGE, "the scale is '%s': expected a number from -%d to %d", w->a->words[3],
                        UI_STACK_SCALE_MAX, UI_STACK_SCALE_MAX);
    return choice_change(w, NULL, &scale);
}

/* ---- which ---- */

typedef struct verb {
    const char *name;
    size_t words_min, words_max; /* with MODEL and the verb */
    const char *usage;
    const char *options; /* of those that only some verbs have, which this one takes */
    err (*run)(ui_adapter_work *w);
} verb;

static const verb verbs[] = {
    {"list", 1, 2, "MODEL list", "", list_run},
    {"create", 3, 3, "MODEL create NAME",
     " rank alpha targets layers rank-pattern alpha-pattern rslora dora init seed index force commit ",
     ui_adapter_create},
    {"add", 3, 3, "MODEL add PATH", " name index force commit ", ui_adapter_add},
    {"import", 3, 3, "MODEL import PATH", " name index force commit ", ui_adapter_import},
    {"export", 4, 4, "MODEL export NAME FOLDER", " for force ", ui_adapter_export},
    {"save", 3, 3, "MODEL save NAME", " index force commit ", ui_adapter_save},
    {"rename", 4, 4, "MODEL rename NAME NEW", " commit ", ui_adapter_rename},
    {"renumber", 4, 4, "MODEL renumber NAME NUMBER", " commit ", ui_adapter_renumber},
    {"remove", 3, 3, "MODEL remove NAME", " force commit ", ui_adapter_remove},
    {"enable", 3, 3, "MODEL enable NAME", "", enable_run},
    {"disable", 3, 3, "MODEL disable NAME", "", disable_run},
    {"scale", 4, 4, "MODEL scale NAME NUMBER", "", scale_run},
    {"combine", 4, UI_WORDS_MAX, "MODEL combine NEW NAME[@WEIGHT]...",
     " type density majority rank clamp seed index force commit ", ui_adapter_combine},
    {"merge", 3, UI_WORDS_MAX, "MODEL merge NAME[@SCALE]... --branch NEW|--to FOLDER", " branch to force ",
     ui_adapter_merge},
    {"inspect", 3, 3, "MODEL inspect NAME", "", ui_adapter_inspect},
    {"diff", 4, 4, "MODEL diff NAME NAME", "", ui_adapter_diff},
};

static const ui_option options[] = {
    {"name", "NAME", "what to call it (default: as its file or folder)", false},
    {"index", "NUMBER", "its number (default: one more than the largest)", false},
    {"force", NULL, "replace, remove or merge in spite of what stands against it", false},
    {"commit", NULL, "commit just these files, too", false},
    {"for", "peft|vllm|llama.cpp", "who is to read it (default: peft)", false},
    {"type", "KIND",
     "linear, cat, svd, ties, dare_linear, dare_ties, magnitude_prune, or one of the last four with _svd "
     "(default: cat)",
     false},
    {"density", "SHARE", "how much ties, dare and magnitude_prune keep, 0 to 1", false},
    {"majority", "total|frequency", "what decides on a sign in ties (default: total)", false},
    {"rank", "N",
     "of the new adapter (default: 16), or of an SVD's result (default: the largest of the adapters)", false},
    {"alpha", "X", "of the new adapter: its scale is alpha / rank (default: 32)", false},
    {"targets", "NAMES",
     "of the new adapter: all-linear, attn, mlp, or names: q_proj,v_proj (default: all-linear)", false},
    {"layers", "LIST", "of the new adapter: only these layers, 8-15 or 0,2-3 (default: all)", false},
    {"rank-pattern", "JSON", "of the new adapter: other ranks by module, as in adapter_config.json", false},
    {"alpha-pattern", "JSON", "of the new adapter: other alphas by module, likewise", false},
    {"rslora", NULL, "of the new adapter: scale by alpha / sqrt(rank)", false},
    {"dora", NULL, "of the new adapter: DoRA, a magnitude for each row, too", false},
    {"init", "default|gaussian", "how A of the new adapter begins; B is zero (default: default)", false},
    {"clamp", "QUANTILE", "cut the entries of an SVD's result there, 0 to 1", false},
    {"seed", "N", "of A of a new adapter (default: 42), of dare's choice (default: 0)", false},
    {"branch", "NEW", "merge into the weights on this new branch", false},
    {"to", "FOLDER", "merge into the weights in this new folder", false},
    {0},
};

static err verb_find(const char *word, const verb **out)
{
    const char *names[COUNT_OF(verbs)];
    CLEANUP(bytes_free) bytes all = {0};

    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        names[i] = verbs[i].name;
        bytes_printf(&all, "%s%s", i ? ", " : "", names[i]);
        if (strcmp(verbs[i].name, word) != 0) continue;
        *out = &verbs[i];
        return ERR_OK;
    }
    const char *nearest = text_nearest(word, names, COUNT_OF(verbs));
    return err_make(ERR_USAGE, "adapter has no '%s': %s%s%s%s", word, bytes_text(&all),
                    nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static err verb_check(const verb *v, const ui_arguments *a)
{
    char wanted[32];

    if (a->word_count < v->words_min || a->word_count > v->words_max)
        return err_make(ERR_USAGE, "expected adapter %s", v->usage);
    for (const ui_option *o = options; o->name; o++) {
        snprintf(wanted, sizeof wanted, " %s ", o->name);
        bool given = o->value ? ui_arguments_text(a, o->name) != NULL : ui_arguments_has(a, o->name);
        if (given && !strstr(v->options, wanted))
            return err_make(ERR_USAGE, "adapter %s takes no --%s", v->name, o->name);
    }
    return ERR_OK;
}

static err adapter_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_adapter_work_close) ui_adapter_work w = {0};
    const verb *v = &verbs[0];

    err e = a->word_count > 1 ? verb_find(a->words[1], &v) : ERR_OK;
    if (!e.code) e = verb_check(v, a);
    if (!e.code) e = ui_adapter_work_open(cli, a, &w);
    return e.code ? e : v->run(&w);
}

const ui_command ui_cmd_adapter = {
    .name = "adapter",
    .group = "adapters",
    .args = "MODEL "
            "[list|create|add|import|export|save|rename|renumber|remove|enable|disable|scale|combine|merge|"
            "inspect|"
            "diff] [ADAPTER...]",
    .help = "List, create, add, choose, combine, merge and look into the adapters of a model",
    .words_min = 1,
    .words_max = UI_WORDS_MAX,
    .options = {options, ui_options_all},
    .cancels = true,
    .run = adapter_run,
};
