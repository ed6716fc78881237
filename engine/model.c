/* engine/model.c: opening a model, sharing it, and what is asked of it. */
#include "engine/model.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "engine/decoder.h"
#include "engine/model_generation.h"
#include "engine/model_text.h"
#include "engine/spec.h"
#include "engine/weights.h"

/* The models that are loaded now. It keeps none of them alive: a model takes itself out with its last share.
 * Each model holds the registry, so either may be freed first. */
struct engine_models {
    pthread_mutex_t lock; /* of everything here, and of the share counts of its models */
    size_t holders;
    engine_model *first;
};

struct engine_model {
    size_t shares;
    engine_models *all; /* one of its own when it is not to be shared with another open */
    engine_model *next; /* in the registry */
    char *identity;     /* what files, device and type are: equal ones are one model */
    char *name, *place, *content_id;
    engine_spec *spec;
    engine_weights *weights;
    engine_model_text *text;
    engine_decoder *decoder;
    engine_generation generation;
    int32_t eos[ENGINE_MODEL_EOS_MAX];
    size_t eos_count;
    tensor_device device;
    tensor_type type;
    bool quantised;
    engine_quantised_kind kind;
    double load_seconds;
};

/* ---- sharing ---- */

engine_models *engine_models_new(void)
{
    engine_models *all = memory_alloc(sizeof *all);
    pthread_mutex_init(&all->lock, NULL);
    all->holders = 1;
    return all;
}

void engine_models_free(engine_models *all)
{
    if (!all) return;
    pthread_mutex_lock(&all->lock);
    bool last = --all->holders == 0;
    pthread_mutex_unlock(&all->lock);
    if (!last) return;
    pthread_mutex_destroy(&all->lock);
    free(all);
}

engine_model *engine_model_share(engine_model *m)
{
    pthread_mutex_lock(&m->all->lock);
    m->shares++;
    pthread_mutex_unlock(&m->all->lock);
    return m;
}

/* A share of the loaded model that is the same, or NULL. */
static engine_model *registry_find(engine_models *all, const char *identity)
{
    if (!all) return NULL;
    pthread_mutex_lock(&all->lock);
    engine_model *m = all->first;
    while (m && strcmp(m->identity, identity) != 0) m = m->next;
    if (m) m->shares++;
    pthread_mutex_unlock(&all->lock);
    return m;
}

static void registry_add(engine_models *all, engine_model *m)
{
    pthread_mutex_lock(&all->lock);
    m->all = all;
    m->next = all->first;
    all->first = m;
    all->holders++;
    pthread_mutex_unlock(&all->lock);
}

static void registry_remove(engine_models *all, const engine_model *m)
{
    engine_model **at = &all->first;
    while (*at != m) at = &(*at)->next;
    *at = m->next;
}

static void model_destroy(engine_model *m)
{
    engine_decoder_free(m->decoder);
    engine_model_text_free(m->text);
    engine_weights_free(m->weights);
    engine_spec_free(m->spec);
    free(m->identity);
    free(m->name);
    free(m->place);
    free(m->content_id);
    free(m);
}

void engine_model_free(engine_model *m)
{
    if (!m) return;
    engine_models *all = m->all;
    pthread_mutex_lock(&all->lock);
    bool last = --m->shares == 0;
    if (last) registry_remove(all, m);
    pthread_mutex_unlock(&all->lock);
    if (!last) return;
    model_destroy(m);
    engine_models_free(all);
}

/* ---- what a model is, before it is loaded ---- */

static err read_spec(engine_files *files, engine_model *m)
{
    CLEANUP(bytes_free) bytes json = {0};
    err e = engine_files_read(files, "config.json", ENGINE_MODEL_JSON_BYTES_MAX, &json);
    if (e.code) return e;
    return err_note(engine_spec_parse(bytes_borrow(&json), &m->spec), "%s/config.json", m->place);
}

static err read_generation(engine_files *files, engine_model *m)
{
    const char *name = "generation_config.json";
    CLEANUP(bytes_free) bytes json = {0};
    err e = engine_files_read_optional(files, name, ENGINE_MODEL_JSON_BYTES_MAX, &json);
    if (e.code) return e;
    return err_note(engine_generation_parse(bytes_borrow(&json), &m->generation), "%s/%s", m->place, name);
}

/* The ids of the weights' files; they stand for the weights. */
static err read_content_id(engine_files *files, engine_model *m)
{
    CLEANUP(bytes_free) bytes names = {0};
    CLEANUP(bytes_free) bytes id = {0};
    size_t count = 0;
    err e = engine_weights_list_files(files, &names, &count);
    const char *name = bytes_text(&names);
    for (size_t i = 0; !e.code && i < count; i++, name += strlen(name) + 1) {
        if (i) bytes_append_byte(&id, ' ');
        e = engine_files_content_id(files, name, &id);
    }
    if (!e.code) m->content_id = bytes_take(&id);
    return e;
}

/* Weights stored as F16 are computed in BF16: coarser than F32, but it takes no more room than the file. */
static err choose_type(const char *name, engine_model *m)
{
    m->quantised = name && (strcmp(name, "int8") == 0 || strcmp(name, "nf4") == 0);
    m->kind = m->quantised && strcmp(name, "nf4") == 0 ? ENGINE_NF4 : ENGINE_INT8;
    if (!name || strcmp(name, "auto") == 0 || m->quantised)
        m->type = engine_weights_main_type(m->weights) == ENGINE_DTYPE_F32 ? TENSOR_F32 : TENSOR_BF16;
    else if (strcmp(name, "f32") == 0)
        m->type = TENSOR_F32;
    else if (strcmp(name, "bf16") == 0)
        m->type = TENSOR_BF16;
    else
        return err_make(ERR_USAGE, "dtype %s, expected auto, f32, bf16, int8 or nf4", name);
    return ERR_OK;
}

/* A file that has a say in how the model answers. Adapters come and go without making it another model. */
static bool is_of_model(const char *name)
{
    const char *ending = strrchr(name, '.');
    if (strchr(name, '/')) return strncmp(name, "additional_chat_templates/", 26) == 0;
    return ending && (strcmp(ending, ".json") == 0 || strcmp(ending, ".jinja") == 0);
}

/* Weights, small files, and where and in what it is computed. */
static err read_identity(engine_files *files, engine_model *m)
{
    CLEANUP(bytes_free) bytes id = {0};
    bytes_printf(&id, "%s %d:%d:%d %s", m->content_id, m->device.cuda, m->device.index, (int)m->type,
                 engine_model_dtype(m));
    err e = ERR_OK;
    for (size_t i = 0; !e.code && i < engine_files_count(files); i++) {
        const char *name = engine_files_borrow_name(files, i);
        if (!is_of_model(name)) continue;
        bytes_printf(&id, " %s=", name);
        e = engine_files_content_id(files, name, &id);
    }
    if (!e.code) m->identity = bytes_take(&id);
    return e;
}

/* ---- ids that end an answer ---- */

static void eos_add(engine_model *m, int32_t id)
{
    size_t at = 0;
    while (at < m->eos_count && m->eos[at] < id) at++;
    bool known = at < m->eos_count && m->eos[at] == id;
    if (id < 0 || known || m->eos_count == ENGINE_MODEL_EOS_MAX) return;
    memmove(&m->eos[at + 1], &m->eos[at], (m->eos_count - at) * sizeof *m->eos);
    m->eos[at] = id;
    m->eos_count++;
}

/* Models that were tuned for chat without their files saying so end their turns with these. */
static const char *const turn_ends[] = {
    "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|end_of_turn|>",
};

static void collect_eos(engine_model *m)
{
    for (size_t i = 0; i < m->generation.eos_count; i++) eos_add(m, m->generation.eos[i]);
    for (size_t i = 0; i < m->spec->eos_count; i++) eos_add(m, m->spec->eos[i]);
    const engine_tokenizer *tokenizer = engine_model_borrow_tokenizer(m);
    if (!tokenizer) return;
    bytes_view eos = engine_model_text_borrow_special(m->text, ENGINE_SPECIAL_EOS);
    if (eos.size) eos_add(m, engine_tokenizer_find(tokenizer, eos));
    for (size_t i = 0; i < COUNT_OF(turn_ends); i++) {
        int32_t id = engine_tokenizer_find(tokenizer, bytes_view_of(turn_ends[i]));
        if (id >= 0 && engine_tokenizer_is_special(tokenizer, id)) eos_add(m, id);
    }
}

/* ---- opening ---- */

static engine_decoder_options decoder_options(const engine_model *m)
{
    return (engine_decoder_options){
        .device = m->device, .type = m->type, .quantise = m->quantised, .kind = m->kind};
}

static err load_decoder(engine_model *m, const engine_model_options *options)
{
    engine_decoder_options how = decoder_options(m);
    how.progress = options->progress;
    how.context = options->context;
    return engine_decoder_new(m->spec, m->weights, &how, &m->decoder);
}

err engine_model_part_new(const engine_model *m, const engine_spec *part, engine_decoder **out)
{
    engine_decoder_options how = decoder_options(m);
    err e = tensor_door_open();
    return e.code ? e : engine_decoder_new(part, m->weights, &how, out);
}

/* Opens the door and says where to compute. */
static err choose_device(engine_model *m, const engine_model_options *options)
{
    err e = tensor_door_open();
    if (e.code) return e;
    tensor_threads_set(options->threads);
    return tensor_device_parse(options->device ? options->device : "auto", &m->device);
}

/* *same: a share of the model that is loaded already, when there is one; then m is not needed. */
static err model_read(engine_files *files, const engine_model_options *options, engine_model *m,
                      engine_model **same)
{
    m->name = memory_text(engine_files_borrow_title(files));
    m->place = memory_text(engine_files_borrow_place(files));
    err e = read_spec(files, m);
    if (!e.code) e = engine_weights_open(files, &m->weights);
    if (!e.code) e = read_content_id(files, m);
    if (!e.code) e = choose_type(options->dtype, m);
    if (!e.code && options->weights) e = choose_device(m, options);
    if (!e.code) e = read_identity(files, m);
    if (e.code) return e;
    if (options->weights) *same = registry_find(options->shared, m->identity);
    if (*same) return ERR_OK;
    e = read_generation(files, m);
    if (!e.code) e = engine_model_text_read(files, &m->text);
    if (e.code) return e;
    collect_eos(m);
    e = options->weights ? load_decoder(m, options) : engine_decoder_check(m->spec, m->weights);
    return err_note(e, "%s", m->place);
}

err engine_model_open(engine_files *files_taken, const engine_model_options *options, engine_model **out)
{
    engine_model *m = memory_alloc(sizeof *m), *same = NULL;
    double begin = clock_seconds();
    m->shares = 1;
    err e = model_read(files_taken, options, m, &same);
    if (options->weights) m->load_seconds = clock_seconds() - begin;
    engine_files_free(files_taken);
    if (e.code || same) {
        model_destroy(m);
        if (same) *out = same;
        return e;
    }
    bool shared = options->shared && options->weights;
    engine_models *own = shared ? NULL : engine_models_new();
    registry_add(shared ? options->shared : own, m);
    engine_models_free(own);
    *out = m;
    return ERR_OK;
}

/* ---- looking ---- */

const char *engine_model_borrow_name(const engine_model *m) { return m->name; }
const char *engine_model_borrow_place(const engine_model *m) { return m->place; }
const engine_spec *engine_model_borrow_spec(const engine_model *m) { return m->spec; }
engine_decoder *engine_model_borrow_decoder(const engine_model *m) { return m->decoder; }
const engine_weights *engine_model_borrow_weights(const engine_model *m) { return m->weights; }
const char *engine_model_borrow_content_id(const engine_model *m) { return m->content_id; }
uint64_t engine_model_bytes(const engine_model *m) { return engine_weights_bytes(m->weights); }
uint64_t engine_model_parameters(const engine_model *m) { return engine_weights_parameters(m->weights); }
tensor_device engine_model_device(const engine_model *m) { return m->device; }
tensor_type engine_model_type(const engine_model *m) { return m->type; }
const char *engine_model_dtype(const engine_model *m)
{
    if (m->quantised) return m->kind == ENGINE_INT8 ? "int8" : "nf4";
    return tensor_type_name(m->type);
}

double engine_model_load_seconds(const engine_model *m) { return m->load_seconds; }

const engine_tokenizer *engine_model_borrow_tokenizer(const engine_model *m)
{
    return engine_model_text_borrow_tokenizer(m->text);
}

const engine_chat_template *engine_model_borrow_chat_template(const engine_model *m, const char *name)
{
    const engine_chat_template *found = NULL;
    err e = engine_model_text_template(m->text, name, false, &found);
    return e.code ? NULL : found;
}

const int32_t *engine_model_borrow_eos(const engine_model *m, size_t *count)
{
    *count = m->eos_count;
    return m->eos;
}

bool engine_model_is_eos(const engine_model *m, int32_t id)
{
    for (size_t i = 0; i < m->eos_count; i++)
        if (m->eos[i] == id) return true;
    return false;
}

const engine_generation_defaults *engine_model_borrow_generation_defaults(const engine_model *m)
{
    return &m->generation.defaults;
}

/* ---- chat ---- */

/* `input` with the model's own special tokens where it leaves them open. */
static engine_chat_input with_specials(const engine_model *m, const engine_chat_input *input)
{
    engine_chat_input filled = *input;
    bytes_view *const slots[ENGINE_SPECIAL_COUNT] = {
        [ENGINE_SPECIAL_BOS] = &filled.bos,   [ENGINE_SPECIAL_EOS] = &filled.eos,
        [ENGINE_SPECIAL_UNK] = &filled.unk,   [ENGINE_SPECIAL_PAD] = &filled.pad,
        [ENGINE_SPECIAL_SEP] = &filled.sep,   [ENGINE_SPECIAL_CLS] = &filled.cls,
        [ENGINE_SPECIAL_MASK] = &filled.mask,
    };
    for (int i = 0; i < ENGINE_SPECIAL_COUNT; i++)
        if (!slots[i]->data) *slots[i] = engine_model_text_borrow_special(m->text, (engine_special)i);
    return filled;
}

err engine_model_render_chat(const engine_model *m, const char *name, const engine_chat_input *input,
                             engine_chat_text *out)
{
    const engine_chat_template *found = NULL;
    err e = engine_model_text_template(m->text, name, json_count(input->tools) > 0, &found);
    if (e.code) return e;
    engine_chat_input filled = with_specials(m, input);
    return engine_chat_template_render(found, &filled, out);
}

int32_t engine_model_text_end(const engine_model *m)
{
    const engine_tokenizer *tokenizer = engine_model_borrow_tokenizer(m);
    bytes_view eos = engine_model_text_borrow_special(m->text, ENGINE_SPECIAL_EOS);
    int32_t id = tokenizer && eos.size ? engine_tokenizer_find(tokenizer, eos) : -1;
    return id < 0 && m->spec->eos_count ? m->spec->eos[0] : id;
}

err engine_model_encode_chat(const engine_model *m, const engine_chat_input *input, engine_ids *out)
{
    const engine_tokenizer *tokenizer = engine_model_borrow_tokenizer(m);
    if (!tokenizer) return err_make(ERR_UNSUPPORTED, "%s has no tokenizer.json", m->place);
    engine_chat_text text = {0};
    err e = engine_model_render_chat(m, NULL, input, &text);
    if (!e.code)
        e = engine_tokenizer_encode_guarded(tokenizer, bytes_borrow(&text.text), text.data, text.data_count,
                                            false, out);
    engine_chat_text_free(&text);
    return e;
}
