/* engine/adapter.c: an adapter's file as tensors on its base's device. */
#include "engine/adapter.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/macros.h"
#include "engine/adapter_file.h"
#include "engine/adapter_internal.h"
#include "engine/arch/modules.h"
#include "engine/decoder.h"

#define WEIGHTS_ENDING ".safetensors"

struct engine_adapter {
    atomic_size_t reference_count;
    char *title;
    const engine_decoder *base;
    size_t module_count;
    engine_adapter_part *parts; /* by module */
    uint64_t parameters, bytes;
    size_t acting_count, rank_max;
    bool dora;
};

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), part = strlen(ending);
    return size >= part && strcmp(text + size - part, ending) == 0;
}

/* -- making -----------------------------------------------------------------------------------------------
 */

/* Of one module of a file. */
typedef struct part_source {
    const engine_adapter_file *file;
    size_t module;
    engine_adapter *a;
} part_source;

/* One tensor of the adapter; NULL: it has none. */
static tensor *load_whole(const part_source *from, tensor_scope *s, engine_adapter_slot slot)
{
    const engine_weight *w = engine_adapter_file_borrow(from->file, from->module, slot);
    if (!w) return NULL;
    tensor_type type = engine_decoder_type(from->a->base);
    from->a->parameters += w->count;
    from->a->bytes += w->count * tensor_type_bytes(type);
    return tensor_keep(s, engine_weights_load(engine_adapter_file_borrow_weights(from->file), s, w->name,
                                              type, engine_decoder_device(from->a->base)));
}

/* Low-rank parts are f32 whatever the file has: they are small, and it is how PEFT computes and trains them.
 * They are copied out of the mapped file, so that training may write to them. */
static tensor *load_low_rank(const part_source *from, tensor_scope *s, engine_adapter_slot slot)
{
    const engine_weight *w = engine_adapter_file_borrow(from->file, from->module, slot);
    if (!w) return NULL;
    from->a->parameters += w->count;
    from->a->bytes += w->count * tensor_type_bytes(TENSOR_F32);
    tensor *lying = engine_weights_load(engine_adapter_file_borrow_weights(from->file), s, w->name,
                                        TENSOR_F32, engine_decoder_device(from->a->base));
    return tensor_keep(s, tensor_clone(s, lying));
}

static void make_part(const part_source *from, tensor_scope *s)
{
    engine_adapter *a = from->a;
    engine_adapter_part *part = &a->parts[from->module];
    bool embed = engine_adapter_file_borrow(from->file, from->module, ENGINE_ADAPTER_EMBED_A) != NULL;
    part->a = load_low_rank(from, s, embed ? ENGINE_ADAPTER_EMBED_A : ENGINE_ADAPTER_A);
    part->b = load_low_rank(from, s, embed ? ENGINE_ADAPTER_EMBED_B : ENGINE_ADAPTER_B);
    part->b_bias = load_low_rank(from, s, ENGINE_ADAPTER_B_BIAS);
    part->magnitude = load_low_rank(from, s, ENGINE_ADAPTER_MAGNITUDE);
    part->weight = load_whole(from, s, ENGINE_ADAPTER_WEIGHT);
    part->bias = load_whole(from, s, ENGINE_ADAPTER_BIAS);
    if (part->magnitude) a->dora = true;
    if (!part->a) return;
    size_t rank = 0;
    engine_adapter_file_scale(from->file, from->module, &rank, &part->scale);
}

static err make_all(const engine_adapter_file *file, const char *title, const engine_decoder *base,
                    engine_adapter **out)
{
    engine_adapter *a = memory_alloc(sizeof *a);
    a->reference_count = 1;
    a->title = memory_text(title);
    a->base = base;
    a->module_count = engine_module_count(engine_decoder_borrow_spec(base));
    a->parts = memory_alloc(a->module_count * sizeof *a->parts);
    a->acting_count = engine_adapter_file_acting(file);
    a->rank_max = engine_adapter_file_rank(file);
    tensor_scope *s = tensor_scope_new(false);
    for (size_t module = 0; module < a->module_count; module++) make_part(&(part_source){file, module, a}, s);
    err e = tensor_scope_close(s);
    if (e.code)
        engine_adapter_free(a);
    else
        *out = a;
    return e;
}

/* Parameters, bytes and the like of what is already in the parts. */
static void count_part(engine_adapter *a, const engine_adapter_part *part)
{
    tensor *const all[] = {part->a, part->b, part->b_bias, part->magnitude, part->weight, part->bias};
    bool any = false;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (!all[i]) continue;
        a->parameters += (uint64_t)tensor_count(all[i]);
        a->bytes += tensor_bytes(all[i]);
        any = true;
    }
    if (any) a->acting_count++;
    if (part->a) a->rank_max = MAX_OF(a->rank_max, (size_t)tensor_size(part->a, 0));
    if (part->magnitude) a->dora = true;
}

engine_adapter *engine_adapter_of_parts(const engine_decoder *base, const char *title,
                                        engine_adapter_part *parts)
{
    engine_adapter *a = memory_alloc(sizeof *a);
    a->reference_count = 1;
    a->title = memory_text(title);
    a->base = base;
    a->module_count = engine_module_count(engine_decoder_borrow_spec(base));
    a->parts = parts;
    for (size_t module = 0; module < a->module_count; module++) count_part(a, &parts[module]);
    return a;
}

err engine_adapter_content_id(engine_files *files, const char *weights_name, bytes *out)
{
    char *config = engine_adapter_config_name(weights_name);
    err e = engine_files_content_id(files, weights_name, out);
    bytes_append_byte(out, ' ');
    if (!e.code) e = engine_files_content_id(files, config, out);
    free(config);
    return e;
}

err engine_adapter_load(engine_files *files, const char *weights_name, const char *title,
                        const engine_decoder *base, engine_adapter **out)
{
    engine_adapter_file *file = NULL;
    err e = engine_adapter_file_open(files, weights_name, engine_decoder_borrow_spec(base), &file);
    if (!e.code) e = make_all(file, title, base, out);
    engine_adapter_file_free(file);
    return err_note(e, "adapter %s", title);
}

/* "01_brief" of "adapters/01_brief.safetensors", "x" of "adapters/x/adapter_model.safetensors". */
static char *title_for(const char *weights_name)
{
    char *folder = file_parent(weights_name), *title = memory_text(file_name(weights_name));

    if (strcmp(title, ENGINE_ADAPTER_WEIGHTS_FILE) == 0) {
        free(title);
        title = memory_text(file_name(folder));
    } else {
        title[strlen(title) - strlen(WEIGHTS_ENDING)] = 0;
    }
    free(folder);
    return title;
}

err engine_adapter_open_in(engine_files *files, const char *weights_name, const engine_decoder *base,
                           engine_adapter **out)
{
    if (!ends_with(weights_name, WEIGHTS_ENDING))
        return err_make(ERR_USAGE, "adapter %s is no %s file", weights_name, WEIGHTS_ENDING);
    char *title = title_for(weights_name);
    err e = engine_adapter_load(files, weights_name, title, base, out);
    free(title);
    return e;
}

static err open_pair(const char *path, const engine_decoder *base, engine_adapter **out)
{
    engine_files *files = NULL;
    char *folder = file_parent(path);
    err e = engine_files_open_folder(folder, &files);
    if (!e.code) e = engine_adapter_open_in(files, file_name(path), base, out);
    engine_files_free(files);
    free(folder);
    return e;
}

err engine_adapter_open(const char *path, const engine_decoder *base, engine_adapter **out)
{
    if (!file_exists(path)) return err_make(ERR_NOT_FOUND, "there is no adapter %s", path);
    if (!file_is_folder(path)) {
        if (ends_with(path, WEIGHTS_ENDING)) return open_pair(path, base, out);
        return err_make(ERR_USAGE, "adapter %s is neither a folder nor a %s file", path, WEIGHTS_ENDING);
    }
    engine_files *files = NULL;
    err e = engine_files_open_folder(path, &files);
    if (!e.code) e = engine_adapter_load(files, NULL, engine_files_borrow_title(files), base, out);
    engine_files_free(files);
    return e;
}

/* -- sharing and looking
 * ------------------------------------------------------------------------------------- */

engine_adapter *engine_adapter_share(engine_adapter *a)
{
    if (a) atomic_fetch_add(&a->reference_count, 1);
    return a;
}

void engine_adapter_free(engine_adapter *a)
{
    if (!a || atomic_fetch_sub(&a->reference_count, 1) > 1) return;
    for (size_t i = 0; i < a->module_count; i++) {
        const engine_adapter_part *part = &a->parts[i];
        tensor *const all[] = {part->a, part->b, part->b_bias, part->magnitude, part->weight, part->bias};
        for (size_t t = 0; t < COUNT_OF(all); t++) tensor_free(all[t]);
    }
    free(a->parts);
    free(a->title);
    free(a);
}

const engine_decoder *engine_adapter_borrow_base(const engine_adapter *a) { return a->base; }
const char *engine_adapter_borrow_title(const engine_adapter *a) { return a->title; }
uint64_t engine_adapter_parameters(const engine_adapter *a) { return a->parameters; }
uint64_t engine_adapter_bytes(const engine_adapter *a) { return a->bytes; }
size_t engine_adapter_module_count(const engine_adapter *a) { return a->acting_count; }
size_t engine_adapter_rank(const engine_adapter *a) { return a->rank_max; }
bool engine_adapter_is_dora(const engine_adapter *a) { return a->dora; }

const engine_adapter_part *engine_adapter_borrow_part(const engine_adapter *a, size_t module)
{
    return &a->parts[module];
}
