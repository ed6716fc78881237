/* ui/cmd/adapter_combine.c: adapter MODEL combine NEW NAME[@WEIGHT]... */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ui/cmd/adapter_files.h"

static err options_read(const ui_arguments *a, engine_combine_options *out)
{
    const char *type = ui_arguments_text(a, "type"), *majority = ui_arguments_text(a, "majority");
    int64_t rank = 0, seed = 0;

    *out = (engine_combine_options){.density = -1};
    err e = engine_combine_parse(type ? type : "cat", &out->kind);
    if (!e.code) e = ui_arguments_number(a, "density", 0, 1, &out->density);
    if (!e.code) e = ui_arguments_number(a, "clamp", 0, 1, &out->clamp);
    if (!e.code) e = ui_arguments_integer(a, "rank", 1, ENGINE_ADAPTER_RANK_MAX, &rank);
    if (!e.code) e = ui_arguments_integer(a, "seed", 0, INT64_MAX, &seed);
    if (e.code) return e;
    const char *name = engine_combine_name(out->kind);
    if (majority && strcmp(majority, "total") != 0 && strcmp(majority, "frequency") != 0)
        return err_make(ERR_USAGE, "option --majority is '%s': expected total or frequency", majority);
    if (engine_combine_prunes(out->kind) && out->density < 0)
        return err_make(ERR_USAGE, "%s needs --density: the share of the entries that is kept, 0 to 1", name);
    if (!engine_combine_prunes(out->kind) && out->density >= 0)
        return err_make(ERR_USAGE, "%s takes no --density", name);
    if (!engine_combine_is_svd(out->kind) && (rank || out->clamp > 0))
        return err_make(ERR_USAGE, "%s takes no --%s", name, rank ? "rank" : "clamp");
    if (majority && !strstr(name, "ties")) return err_make(ERR_USAGE, "%s takes no --majority", name);
    if (ui_arguments_has(a, "seed") && !strstr(name, "dare"))
        return err_make(ERR_USAGE, "%s takes no --seed", name);
    out->by_frequency = majority && strcmp(majority, "frequency") == 0;
    out->rank = (size_t)rank;
    out->seed = (uint64_t)seed;
    return ERR_OK;
}

err ui_adapter_combine(ui_adapter_work *w)
{
    engine_combine_item items[UI_WORDS_MAX] = {0};
    engine_combine_options how;
    size_t count = 0;

    err e = ui_adapter_changeable(w);
    if (!e.code) e = options_read(w->a, &how);
    for (size_t i = 3; i < w->a->word_count && !e.code; i++) {
        engine_adapter_file *file = NULL;
        ui_adapter_row *row = NULL;
        char *name = NULL;
        e = ui_adapter_word_read(w->a->words[i], &name, &items[count].weight);
        if (!e.code) e = ui_adapter_file_of(w, name, &row, &file);
        free(name);
        if (e.code) break;
        items[count].file = file;
        items[count++].title = row->name;
    }
    if (!e.code) e = ui_adapter_put_combined(w, w->a->words[2], items, count, &how);
    for (size_t i = 0; i < count; i++)
        engine_adapter_file_free((engine_adapter_file *)(uintptr_t)items[i].file);
    return e;
}
