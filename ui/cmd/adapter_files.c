/* ui/cmd/adapter_files.c: the verbs of `adapter` that put files in, take them out, and call them otherwise.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/settings.h"
#include "base/text.h"
#include "engine/adapter_write.h"
#include "engine/combine.h"
#include "ui/cmd/adapter_files.h"

/* ---- names ---- */

/* "My Style.safetensors" is my_style. The caller's: free(). */
static char *name_from(const char *path)
{
    char *name = memory_text(file_name(path)), *ending = strstr(name, ".safetensors");
    if (ending) *ending = 0;
    const char *bare = ui_adapter_bare_name(name);
    memmove(name, bare, strlen(bare) + 1);
    for (char *c = name; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", *c)) *c = '_';
    }
    if (strlen(name) > UI_STACK_NAME_BYTES_MAX) name[UI_STACK_NAME_BYTES_MAX] = 0;
    return name;
}

/* Another adapter with this number, or of this bare name: with `name` it would be ambiguous. */
static err check_taken(const ui_adapter_work *w, const char *name, const char *but)
{
    for (size_t i = 0; i < w->list.count; i++) {
        const char *other = w->list.rows[i].name;
        if (but && strcmp(other, but) == 0) continue;
        bool same_number = ui_adapter_index(other) >= 0 && ui_adapter_index(other) == ui_adapter_index(name);
        if (strcmp(other, name) != 0 && !same_number) continue;
        return err_make(ERR_EXISTS, "%s has the adapter %s already%s", w->word.title, other,
                        strcmp(other, name) != 0 ? ", with that number" : "");
    }
    return ERR_OK;
}

err ui_adapter_new_name(ui_adapter_work *w, const char *bare, char **out)
{
    int64_t index = ui_adapter_next_index(&w->list);
    const char *digits_off = ui_adapter_bare_name(bare);
    if (digits_off != bare) index = ui_adapter_index(bare);

    err e = ui_arguments_integer(w->a, "index", 0, UI_ADAPTER_INDEX_MAX, &index);
    if (!e.code) e = ui_stack_name_check("the adapter's name", digits_off);
    if (!e.code && index > UI_ADAPTER_INDEX_MAX)
        e = err_make(ERR_LIMIT, "adapters are numbered up to %d: renumber some", UI_ADAPTER_INDEX_MAX);
    if (e.code) return e;
    char *name = ui_adapter_full_name((int)index, digits_off);
    if (!ui_arguments_has(w->a, "force")) e = check_taken(w, name, NULL);
    if (e.code)
        free(name);
    else
        *out = name;
    return e;
}

/* ---- writing one ---- */

static void facts_add(const engine_adapter_file *file, cJSON *more)
{
    cJSON_AddNumberToObject(more, "rank", (double)engine_adapter_file_rank(file));
    cJSON_AddNumberToObject(more, "modules", (double)engine_adapter_file_acting(file));
    cJSON_AddNumberToObject(more, "parameters",
                            (double)engine_weights_parameters(engine_adapter_file_borrow_weights(file)));
}

/* Read back as anybody will: a file that our own loader would refuse must not be left. */
static err read_back(ui_adapter_work *w, const char *name, engine_adapter_file **out)
{
    CLEANUP(bytes_free) bytes path = {0};
    engine_files *files = NULL;
    err e = engine_files_open_folder(w->word.folder, &files);
    bytes_printf(&path, "adapters/%s.safetensors", name);
    if (!e.code) e = engine_adapter_file_open(files, bytes_text(&path), w->spec, out);
    engine_files_free(files);
    return e;
}

err ui_adapter_put(ui_adapter_work *w, const char *name, bytes_view weights, bytes_view config,
                   const char *verb)
{
    CLEANUP(ui_adapter_paths_free) ui_adapter_paths paths = {0};
    CLEANUP(bytes_free) bytes sentence = {0}, subject = {0};
    engine_adapter_file *file = NULL;

    err e = ui_adapter_write(w->word.folder, name, weights, config);
    if (!e.code) e = read_back(w, name, &file);
    if (e.code) return err_note(e, "adapter %s", name);
    ui_adapter_paths_find(w->word.folder, name, &paths);
    bytes_printf(&sentence, "%s %s: rank %zu, %zu modules, all %zu tensors match", verb, name,
                 engine_adapter_file_rank(file), engine_adapter_file_acting(file),
                 engine_weights_count(engine_adapter_file_borrow_weights(file)));
    bytes_printf(&subject, "Add the adapter %s", name);
    cJSON *more = cJSON_CreateObject();
    facts_add(file, more);
    engine_adapter_file_free(file);
    return ui_adapter_tell(w, &(ui_adapter_done){"adapter", name, bytes_text(&sentence), bytes_text(&subject),
                                                 (const char *const *)paths.paths, paths.count, more});
}

/* ---- add, import ---- */

typedef struct source {
    engine_files *files;
    char *weights; /* NULL: a PEFT folder's name */
    char *bare;
    engine_adapter_file *file; /* checked against the base */
} source;

static void source_close(source *s)
{
    engine_adapter_file_free(s->file);
    engine_files_free(s->files);
    free(s->weights);
    free(s->bare);
}

static err source_files(const char *path, source *out)
{
    if (file_is_folder(path)) {
        char *real = realpath(path, NULL);
        out->bare = name_from(real ? real : path);
        free(real);
        return engine_files_open_folder(path, &out->files);
    }
    if (!file_exists(path)) return err_make(ERR_NOT_FOUND, "there is no adapter %s", path);
    size_t size = strlen(path), ending = strlen(".safetensors");
    if (size <= ending || strcmp(path + size - ending, ".safetensors") != 0)
        return err_make(ERR_USAGE, "%s is neither a folder nor a .safetensors file", path);
    char *folder = file_parent(path);
    out->weights = memory_text(file_name(path));
    out->bare = name_from(strcmp(out->weights, ENGINE_ADAPTER_WEIGHTS_FILE) == 0 ? folder : path);
    err e = engine_files_open_folder(folder, &out->files);
    free(folder);
    return e;
}

static err source_open(ui_adapter_work *w, source *out)
{
    char *path = file_expand_home(w->a->words[2], settings_borrow_folders(w->cli->settings)->home);
    err e = source_files(path, out);
    if (!e.code) e = ui_adapter_spec(w);
    if (!e.code) e = engine_adapter_file_open(out->files, out->weights, w->spec, &out->file);
    free(path);
    return e.code ? err_note(e, "%s", w->a->words[2]) : e;
}

/* The two files byte for byte. */
static err put_as_they_are(ui_adapter_work *w, const source *from, const char *name)
{
    engine_mapping *weights = NULL;
    err e =
        engine_files_map(from->files, from->weights ? from->weights : ENGINE_ADAPTER_WEIGHTS_FILE, &weights);
    if (!e.code)
        e = ui_adapter_put(w, name, engine_mapping_view(weights), engine_adapter_file_json(from->file),
                           "Added");
    engine_mapping_free(weights);
    return e;
}

static err put_anew(ui_adapter_work *w, const source *from, const char *name)
{
    CLEANUP(bytes_free) bytes weights = {0}, config = {0};
    engine_adapter_rewrite(from->file, ENGINE_ADAPTER_AS_PEFT, w->word.said.model, &weights, &config);
    return ui_adapter_put(w, name, bytes_borrow(&weights), bytes_borrow(&config), "Imported");
}

static err take_in(ui_adapter_work *w, bool anew)
{
    CLEANUP(source_close) source from = {0};
    const char *said = ui_arguments_text(w->a, "name");
    char *name = NULL;

    err e = ui_adapter_changeable(w);
    if (!e.code) e = source_open(w, &from);
    if (!e.code) e = ui_adapter_new_name(w, said ? said : from.bare, &name);
    if (!e.code)
        e = anew && !engine_adapter_is_peft(from.file) ? put_anew(w, &from, name)
                                                       : put_as_they_are(w, &from, name);
    free(name);
    return e;
}

err ui_adapter_add(ui_adapter_work *w) { return take_in(w, false); }
err ui_adapter_import(ui_adapter_work *w) { return take_in(w, true); }

/* ---- export ---- */

typedef struct reader {
    const char *name;
    bool plain; /* one rank and one scale */
    const char *refuses[ENGINE_ADAPTER_SLOT_COUNT];
} reader;

#define NO_DORA  "has no DoRA"
#define NO_SAVED "takes no modules that are saved whole"
#define NO_BIAS  "takes no biases"
static const reader readers[] = {
    {"peft", false, {0}},
    {"vllm",
     true,
     {[ENGINE_ADAPTER_MAGNITUDE] = NO_DORA,
      [ENGINE_ADAPTER_WEIGHT] = NO_SAVED,
      [ENGINE_ADAPTER_BIAS] = NO_BIAS,
      [ENGINE_ADAPTER_B_BIAS] = NO_BIAS}},
    {"llama.cpp",
     true,
     {[ENGINE_ADAPTER_MAGNITUDE] = NO_DORA,
      [ENGINE_ADAPTER_WEIGHT] = NO_SAVED,
      [ENGINE_ADAPTER_BIAS] = NO_BIAS,
      [ENGINE_ADAPTER_B_BIAS] = NO_BIAS}},
};

enum { VLLM_RANK_USUAL = 16 };

static err reader_find(const ui_arguments *a, const reader **out)
{
    const char *word = ui_arguments_text(a, "for");
    *out = &readers[0];
    if (!word) return ERR_OK;
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        *out = &readers[i];
        if (strcmp(readers[i].name, word) == 0) return ERR_OK;
    }
    return err_make(ERR_USAGE, "option --for is '%s': expected peft, vllm or llama.cpp", word);
}

static err check_reader(const reader *r, const engine_adapter_file *file, const char *name)
{
    for (int slot = 0; slot < ENGINE_ADAPTER_SLOT_COUNT; slot++)
        if (r->refuses[slot] && engine_adapter_file_has(file, (engine_adapter_slot)slot))
            return err_make(ERR_UNSUPPORTED,
                            "%s %s: adapter %s cannot be exported for it (merge it into the weights)",
                            r->name, r->refuses[slot], name);
    return ERR_OK;
}

/* Patterns and the rank-stabilised scale are read by few programs. */
static bool is_plain(ui_adapter_work *w, const engine_adapter_file *file)
{
    double first = 0, scale = 0;
    size_t rank = 0;
    bool seen = false,
         same = !engine_adapter_config_is_rank_stabilised(engine_adapter_file_borrow_config(file));
    for (size_t m = 0; m < engine_module_count(w->spec); m++) {
        if (!engine_adapter_file_borrow(file, m, ENGINE_ADAPTER_A) &&
            !engine_adapter_file_borrow(file, m, ENGINE_ADAPTER_EMBED_A))
            continue;
        engine_adapter_file_scale(file, m, &rank, &scale);
        if (seen && scale != first) same = false;
        if (rank != engine_adapter_file_rank(file)) same = false;
        first = scale;
        seen = true;
    }
    return same;
}

static err export_bytes(ui_adapter_work *w, const reader *r, const engine_adapter_file *file,
                        const char *weights_name, bytes *weights, bytes *config)
{
    engine_mapping *mapping = NULL;
    if (r->plain && !is_plain(w, file)) {
        engine_adapter_rewrite(file, ENGINE_ADAPTER_PLAIN, w->word.said.model, weights, config);
        return ERR_OK;
    }
    if (!engine_adapter_is_peft(file)) {
        engine_adapter_rewrite(file, ENGINE_ADAPTER_AS_PEFT, w->word.said.model, weights, config);
        return ERR_OK;
    }
    err e = engine_files_map(w->files, weights_name, &mapping);
    if (e.code) return e;
    bytes_append_view(weights, engine_mapping_view(mapping));
    bytes_append_view(config, engine_adapter_file_json(file));
    engine_mapping_free(mapping);
    return ERR_OK;
}

static err export_write(const char *folder, bool force, const bytes *weights, const bytes *config)
{
    char *weights_path = file_join(folder, ENGINE_ADAPTER_WEIGHTS_FILE);
    char *config_path = file_join(folder, ENGINE_ADAPTER_CONFIG_FILE);
    err e = ERR_OK;

    if (!force && (file_exists(weights_path) || file_exists(config_path)))
        e = err_make(ERR_EXISTS, "%s holds an adapter already (--force replaces it)", folder);
    if (!e.code) e = file_make_folders(folder);
    if (!e.code) e = file_write(config_path, bytes_borrow(config));
    if (!e.code) e = file_write(weights_path, bytes_borrow(weights));
    free(weights_path);
    free(config_path);
    return e;
}

err ui_adapter_export(ui_adapter_work *w)
{
    CLEANUP(bytes_free) bytes weights = {0}, config = {0}, sentence = {0};
    engine_adapter_file *file = NULL;
    ui_adapter_row *row = NULL;
    const reader *r = NULL;
    char *folder = file_expand_home(w->a->words[3], settings_borrow_folders(w->cli->settings)->home);

    err e = reader_find(w->a, &r);
    if (!e.code) e = ui_adapter_file_of(w, w->a->words[2], &row, &file);
    if (!e.code) e = check_reader(r, file, row->name);
    if (!e.code) e = export_bytes(w, r, file, row->file, &weights, &config);
    if (!e.code) e = export_write(folder, ui_arguments_has(w->a, "force"), &weights, &config);
    if (!e.code && strcmp(r->name, "vllm") == 0 && engine_adapter_file_rank(file) > VLLM_RANK_USUAL)
        fprintf(w->cli->err_out, "vllm takes rank %d at most unless it is started with --max-lora-rank %zu\n",
                VLLM_RANK_USUAL, engine_adapter_file_rank(file));
    if (!e.code) {
        cJSON *more = cJSON_CreateObject();
        facts_add(file, more);
        ui_json_add_text(more, "folder", bytes_view_of(folder));
        ui_json_add_text(more, "for", bytes_view_of(r->name));
        bytes_printf(&sentence, "Exported %s to %s for %s", row->name, folder, r->name);
        e = ui_adapter_tell(
            w, &(ui_adapter_done){"adapter", row->name, bytes_text(&sentence), "", NULL, 0, more});
    }
    engine_adapter_file_free(file);
    free(folder);
    return e;
}

/* ---- save: what is on, as one ---- */

static err save_items(ui_adapter_work *w, engine_combine_item *items, size_t *count)
{
    err e = ERR_OK;
    for (size_t i = 0; i < w->list.count && !e.code; i++) {
        const ui_adapter_row *chosen = &w->list.rows[i];
        ui_adapter_row *row = NULL;
        engine_adapter_file *file = NULL;
        if (!chosen->on) continue;
        if (*count == ENGINE_STACK_COUNT_MAX)
            return err_make(ERR_LIMIT, "more than %d adapters are on", ENGINE_STACK_COUNT_MAX);
        e = ui_adapter_file_of(w, chosen->name, &row, &file);
        if (!e.code) items[(*count)++] = (engine_combine_item){file, row->name, row->scale};
    }
    if (!e.code && !*count)
        e = err_make(ERR_NOTHING, "no adapter of %s is on: adapter %s enable NAME", w->word.title,
                     w->word.said.model);
    return e;
}

err ui_adapter_put_combined(ui_adapter_work *w, const char *bare, const engine_combine_item *items,
                            size_t count, const engine_combine_options *how)
{
    CLEANUP(bytes_free) bytes weights = {0}, config = {0};
    const char *base = engine_adapter_config_borrow_base(engine_adapter_file_borrow_config(items[0].file));
    engine_adapter_out *out = engine_adapter_out_new(w->spec, *base ? base : w->word.said.model);
    char *name = NULL;

    err e = ui_adapter_new_name(w, bare, &name);
    if (!e.code && engine_combine_is_svd(how->kind)) e = tensor_door_open();
    if (!e.code) e = engine_combine(items, count, how, out);
    if (!e.code) {
        engine_adapter_out_write(out, &weights, &config);
        e = ui_adapter_put(w, name, bytes_borrow(&weights), bytes_borrow(&config), "Made");
    }
    engine_adapter_out_free(out);
    free(name);
    return e;
}

err ui_adapter_save(ui_adapter_work *w)
{
    engine_combine_item items[ENGINE_STACK_COUNT_MAX] = {0};
    const engine_combine_options how = {.kind = ENGINE_COMBINE_CAT};
    size_t count = 0;

    err e = ui_adapter_changeable(w);
    if (!e.code) e = save_items(w, items, &count);
    if (!e.code) e = ui_adapter_put_combined(w, w->a->words[2], items, count, &how);
    for (size_t i = 0; i < count; i++)
        engine_adapter_file_free((engine_adapter_file *)(uintptr_t)items[i].file);
    return e;
}

/* ---- rename, renumber, remove ---- */

/* Stacks that name it. */
static err check_stacks(ui_adapter_work *w, const char *name)
{
    for (size_t i = 0; i < engine_files_count(w->files); i++) {
        CLEANUP(ui_stack_free) ui_stack_list list = {0};
        CLEANUP(bytes_free) bytes json = {0};
        const char *file = engine_files_borrow_name(w->files, i);
        if (!text_starts_with(file, "stacks/") || !strstr(file, ".json")) continue;
        if (engine_files_read(w->files, file, UI_STACK_BYTES_MAX, &json).code) continue;
        if (ui_stack_parse(bytes_borrow(&json), &list).code || !ui_stack_find(&list, name)) continue;
        return err_make(ERR_CONFLICT, "%s names the adapter %s", file, name);
    }
    return ERR_OK;
}

/* The workstation's choice follows a new name (NULL: there is none any more). */
static err choice_follow(ui_adapter_work *w, const char *name, const char *to)
{
    ui_stack_item *item = ui_stack_find(&w->chosen, name);
    if (!item) return ERR_OK;
    if (!to) {
        item->on = false;
        item->scale = 1;
        return ui_adapter_choice_keep(w, &w->chosen);
    }
    free(item->adapter);
    item->adapter = memory_text(to);
    return ui_adapter_choice_keep(w, &w->chosen);
}

static err move_to(ui_adapter_work *w, const ui_adapter_row *row, const char *to)
{
    CLEANUP(ui_adapter_paths_free) ui_adapter_paths before = {0}, after = {0};
    CLEANUP(bytes_free) bytes sentence = {0}, subject = {0};
    const char *paths[UI_ADAPTER_PATHS_MAX];
    size_t count = 0;

    err e = check_taken(w, to, row->name);
    if (!e.code) e = check_stacks(w, row->name);
    ui_adapter_paths_find(w->word.folder, row->name, &before);
    if (!e.code) e = ui_adapter_move(w->word.folder, row->name, to);
    if (!e.code) e = choice_follow(w, row->name, to);
    if (e.code) return e;
    ui_adapter_paths_find(w->word.folder, to, &after);
    for (size_t i = 0; i < before.count; i++) paths[count++] = before.paths[i];
    for (size_t i = 0; i < after.count; i++) paths[count++] = after.paths[i];
    bytes_printf(&sentence, "%s is now %s", row->name, to);
    bytes_printf(&subject, "Rename the adapter %s to %s", row->name, to);
    return ui_adapter_tell(w, &(ui_adapter_done){"adapter", to, bytes_text(&sentence), bytes_text(&subject),
                                                 paths, count, NULL});
}

err ui_adapter_rename(ui_adapter_work *w)
{
    ui_adapter_row *row = NULL;
    const char *new = w->a->words[3];
    err e = ui_adapter_changeable(w);
    if (!e.code) e = ui_adapters_find(&w->list, w->a->words[2], w->word.title, &row);
    if (!e.code) e = ui_stack_name_check("the adapter's name", new);
    if (e.code) return e;
    int index = ui_adapter_index(row->name);
    char *to = ui_adapter_index(new) >= 0 || index < 0 ? memory_text(new) : ui_adapter_full_name(index, new);
    e = move_to(w, row, to);
    free(to);
    return e;
}

err ui_adapter_renumber(ui_adapter_work *w)
{
    ui_adapter_row *row = NULL;
    char *end = NULL;
    long index = strtol(w->a->words[3], &end, 10);
    err e = ui_adapter_changeable(w);
    if (!e.code) e = ui_adapters_find(&w->list, w->a->words[2], w->word.title, &row);
    if (!e.code && (end == w->a->words[3] || *end || index < 0 || index > UI_ADAPTER_INDEX_MAX))
        e = err_make(ERR_USAGE, "the number is '%s': expected 0 to %d", w->a->words[3], UI_ADAPTER_INDEX_MAX);
    if (e.code) return e;
    char *to = ui_adapter_full_name((int)index, ui_adapter_bare_name(row->name));
    e = strcmp(to, row->name) == 0 ? err_make(ERR_NOTHING, "%s has that number", row->name)
                                   : move_to(w, row, to);
    free(to);
    return e;
}

err ui_adapter_remove(ui_adapter_work *w)
{
    CLEANUP(ui_adapter_paths_free) ui_adapter_paths paths = {0};
    CLEANUP(bytes_free) bytes sentence = {0}, subject = {0};
    ui_adapter_row *row = NULL;

    err e = ui_adapter_changeable(w);
    if (!e.code) e = ui_adapters_find(&w->list, w->a->words[2], w->word.title, &row);
    if (!e.code && !ui_arguments_has(w->a, "force"))
        e = err_note(check_stacks(w, row->name), "it stays unless --force is given");
    if (e.code) return e;
    ui_adapter_paths_find(w->word.folder, row->name, &paths);
    e = ui_adapter_delete(w->word.folder, row->name);
    if (!e.code) e = choice_follow(w, row->name, NULL);
    if (e.code) return e;
    bytes_printf(&sentence, "Removed %s from the folder; commits keep it", row->name);
    bytes_printf(&subject, "Remove the adapter %s", row->name);
    return ui_adapter_tell(w, &(ui_adapter_done){"adapter", row->name, bytes_text(&sentence),
                                                 bytes_text(&subject), (const char *const *)paths.paths,
                                                 paths.count, NULL});
}
