#include "engine/model_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "engine/model.h"

#define ADDITIONAL_FOLDER "additional_chat_templates/"
#define ADDITIONAL_ENDING ".jinja"

enum { TEXT_JSON_DEPTH_MAX = 64 };

typedef struct named_template {
    char *name;
    engine_chat_template *parsed; /* NULL: failure says why */
    err failure;
} named_template;

struct engine_model_text {
    engine_tokenizer *tokenizer;
    bytes specials[ENGINE_SPECIAL_COUNT];
    bool has_special[ENGINE_SPECIAL_COUNT];
    named_template *templates; /* "default" is the first when there is one */
    size_t template_count;
    char *place;
};

void engine_model_text_free(engine_model_text *text)
{
    if (!text) return;
    engine_tokenizer_free(text->tokenizer);
    for (int i = 0; i < ENGINE_SPECIAL_COUNT; i++) bytes_free(&text->specials[i]);
    for (size_t i = 0; i < text->template_count; i++) {
        engine_chat_template_free(text->templates[i].parsed);
        free(text->templates[i].name);
    }
    free(text->templates);
    free(text->place);
    free(text);
}

/* The files of text that a folder may have; absent ones are empty. */
typedef struct text_files {
    bytes tokenizer, config, specials, jinja, json;
    bytes additional[ENGINE_MODEL_TEMPLATES_MAX];
    engine_chat_named_source named[ENGINE_MODEL_TEMPLATES_MAX]; /* views of the former */
    size_t additional_count;
    arena memory;
} text_files;

static void text_files_free(text_files *f)
{
    bytes_free(&f->tokenizer);
    bytes_free(&f->config);
    bytes_free(&f->specials);
    bytes_free(&f->jinja);
    bytes_free(&f->json);
    for (size_t i = 0; i < f->additional_count; i++) bytes_free(&f->additional[i]);
    arena_free(&f->memory);
}

static err text_read(engine_files *files, const char *name, size_t bytes_max, bytes *out)
{
    err e = engine_files_read_optional(files, name, bytes_max, out);
    if (!e.code && engine_files_is_pointer(bytes_borrow(out)))
        e = err_make(ERR_NOT_FOUND, "%s/%s is a Git LFS pointer, the content itself has not been fetched",
                     engine_files_borrow_place(files), name);
    return e;
}

/* NAME of additional_chat_templates/NAME.jinja, or NULL. */
static const char *additional_name(const char *file, arena *memory)
{
    size_t size = strlen(file), begin = sizeof ADDITIONAL_FOLDER - 1, end = sizeof ADDITIONAL_ENDING - 1;
    if (size <= begin + end || strncmp(file, ADDITIONAL_FOLDER, begin) != 0) return NULL;
    if (strcmp(file + size - end, ADDITIONAL_ENDING) != 0) return NULL;
    return arena_text_n(memory, file + begin, size - begin - end);
}

static err additional_read(engine_files *files, text_files *to)
{
    for (size_t i = 0; i < engine_files_count(files); i++) {
        const char *file = engine_files_borrow_name(files, i), *name = additional_name(file, &to->memory);
        if (!name) continue;
        size_t at = to->additional_count;
        if (at == ENGINE_MODEL_TEMPLATES_MAX)
            return err_make(ERR_LIMIT, "%s: more than %d files in " ADDITIONAL_FOLDER,
                            engine_files_borrow_place(files), ENGINE_MODEL_TEMPLATES_MAX);
        err e = text_read(files, file, ENGINE_CHAT_SOURCE_BYTES_MAX, &to->additional[at]);
        if (e.code) return e;
        to->named[at] = (engine_chat_named_source){name, bytes_borrow(&to->additional[at])};
        to->additional_count++;
    }
    return ERR_OK;
}

static err text_files_read(engine_files *files, text_files *to)
{
    const struct {
        const char *name;
        size_t bytes_max;
        bytes *to;
    } wanted[] = {
        {"tokenizer.json", ENGINE_MODEL_TOKENIZER_BYTES_MAX, &to->tokenizer},
        {"tokenizer_config.json", ENGINE_MODEL_JSON_BYTES_MAX, &to->config},
        {"special_tokens_map.json", ENGINE_MODEL_JSON_BYTES_MAX, &to->specials},
        {"chat_template.jinja", ENGINE_CHAT_SOURCE_BYTES_MAX, &to->jinja},
        {"chat_template.json", ENGINE_MODEL_JSON_BYTES_MAX, &to->json},
    };
    err e = ERR_OK;
    for (size_t i = 0; !e.code && i < COUNT_OF(wanted); i++)
        e = text_read(files, wanted[i].name, wanted[i].bytes_max, wanted[i].to);
    return e.code ? e : additional_read(files, to);
}

/* ---- special tokens ---- */

static const char *const special_keys[ENGINE_SPECIAL_COUNT] = {
    [ENGINE_SPECIAL_BOS] = "bos_token",   [ENGINE_SPECIAL_EOS] = "eos_token",
    [ENGINE_SPECIAL_UNK] = "unk_token",   [ENGINE_SPECIAL_PAD] = "pad_token",
    [ENGINE_SPECIAL_SEP] = "sep_token",   [ENGINE_SPECIAL_CLS] = "cls_token",
    [ENGINE_SPECIAL_MASK] = "mask_token",
};

/* A token is a string, or an object with its text in `content`. What an earlier file said stays. */
static err specials_read(engine_model_text *text, const json_node *root)
{
    for (int i = 0; i < ENGINE_SPECIAL_COUNT; i++) {
        const json_node *node = json_get(root, special_keys[i]);
        if (text->has_special[i] || json_is_null(node)) continue;
        if (json_is(node, JSON_OBJECT)) node = json_get(node, "content");
        if (!json_is(node, JSON_STRING))
            return err_make(ERR_FORMAT,
                            "%s is no token, expected a string or an object with a string content",
                            special_keys[i]);
        bytes_append_view(&text->specials[i], json_text(node));
        text->has_special[i] = true;
    }
    return ERR_OK;
}

static err json_root(bytes_view json, arena *memory, const json_node **root)
{
    if (!json.size) return ERR_OK;
    err e = json_parse(json, TEXT_JSON_DEPTH_MAX, memory, root);
    if (!e.code && !json_is(*root, JSON_OBJECT))
        e = err_make(ERR_FORMAT, "is %s, expected an object", json_type_name((*root)->type));
    return e;
}

/* ---- chat templates ---- */

static const named_template *template_find(const engine_model_text *text, const char *name)
{
    for (size_t i = 0; i < text->template_count; i++)
        if (strcmp(text->templates[i].name, name) == 0) return &text->templates[i];
    return NULL;
}

/* Where the template of this name was found, for messages. */
static const char *template_file(const text_files *f, const char *name, arena *memory)
{
    for (size_t i = 0; i < f->additional_count; i++)
        if (strcmp(f->named[i].name, name) == 0)
            return arena_printf(memory, ADDITIONAL_FOLDER "%s" ADDITIONAL_ENDING, name);
    if (f->jinja.size) return "chat_template.jinja";
    return f->json.size ? "chat_template.json" : "tokenizer_config.json";
}

/* Adds the template of this name unless it is there already or there is none. */
static err template_add(engine_model_text *text, text_files *f, const engine_chat_sources *sources,
                        const char *name)
{
    if (template_find(text, name)) return ERR_OK;
    if (text->template_count == ENGINE_MODEL_TEMPLATES_MAX || strlen(name) > ENGINE_MODEL_TEMPLATE_NAME_MAX)
        return err_make(ERR_LIMIT, "%s: chat template %.80s: at most %d templates with names of %d bytes",
                        text->place, name, ENGINE_MODEL_TEMPLATES_MAX, ENGINE_MODEL_TEMPLATE_NAME_MAX);
    CLEANUP(bytes_free) bytes source = {0};
    err e = engine_chat_template_find(sources, name, false, &source);
    if (e.code == ERR_NOT_FOUND) return ERR_OK;
    named_template *to = &text->templates[text->template_count++];
    to->name = memory_text(name);
    const char *file = arena_printf(&f->memory, "%s/%s", text->place, template_file(f, name, &f->memory));
    to->failure = e.code ? err_note(e, "%s", text->place)
                         : engine_chat_template_parse(bytes_borrow(&source), file, &to->parsed);
    return ERR_OK;
}

/* The templates that a file lists by name. A file that is no JSON has none here: the default says why. */
static err templates_listed(engine_model_text *text, text_files *f, const engine_chat_sources *sources,
                            bytes_view json)
{
    const json_node *root = NULL;
    err e = json_root(json, &f->memory, &root);
    if (e.code) return ERR_OK;
    const json_node *list = json_get(root, "chat_template");
    for (const json_node *item = json_first(list); !e.code && item; item = item->next) {
        bytes_view name = json_text(json_get(item, "name"));
        if (name.size) e = template_add(text, f, sources, arena_text_n(&f->memory, name.data, name.size));
    }
    return e;
}

static err templates_read(engine_model_text *text, text_files *f)
{
    const engine_chat_sources sources = {
        .chat_template_jinja = bytes_borrow(&f->jinja),
        .chat_template_json = bytes_borrow(&f->json),
        .tokenizer_config_json = bytes_borrow(&f->config),
        .additional = f->named,
        .additional_count = f->additional_count,
    };
    text->templates = memory_alloc(ENGINE_MODEL_TEMPLATES_MAX * sizeof *text->templates);
    err e = template_add(text, f, &sources, "default");
    for (size_t i = 0; !e.code && i < f->additional_count; i++)
        e = template_add(text, f, &sources, f->named[i].name);
    if (!e.code) e = templates_listed(text, f, &sources, sources.chat_template_json);
    if (!e.code) e = templates_listed(text, f, &sources, sources.tokenizer_config_json);
    return e;
}

err engine_model_text_template(const engine_model_text *text, const char *name, bool tools_given,
                               const engine_chat_template **out)
{
    const named_template *found = NULL;
    if (name)
        found = template_find(text, name);
    else if (tools_given)
        found = template_find(text, "tool_use");
    if (!found) found = template_find(text, "default");
    if (!found) return err_make(ERR_UNSUPPORTED, "%s has no chat template", text->place);
    if (found->failure.code) return found->failure;
    *out = found->parsed;
    return ERR_OK;
}

/* ---- the whole ---- */

static err text_parse(engine_model_text *text, text_files *f)
{
    const json_node *config = NULL, *specials = NULL;
    err e = ERR_OK;
    if (f->tokenizer.size) e = engine_tokenizer_parse(bytes_borrow(&f->tokenizer), &text->tokenizer);
    if (e.code) return err_note(e, "%s/tokenizer.json", text->place);
    e = json_root(bytes_borrow(&f->config), &f->memory, &config);
    if (!e.code) e = specials_read(text, config);
    if (e.code) return err_note(e, "%s/tokenizer_config.json", text->place);
    e = json_root(bytes_borrow(&f->specials), &f->memory, &specials);
    if (!e.code) e = specials_read(text, specials);
    if (e.code) return err_note(e, "%s/special_tokens_map.json", text->place);
    return templates_read(text, f);
}

err engine_model_text_read(engine_files *files, engine_model_text **out)
{
    engine_model_text *text = memory_alloc(sizeof *text);
    text->place = memory_text(engine_files_borrow_place(files));
    text_files *f = memory_alloc(sizeof *f);
    err e = text_files_read(files, f);
    if (!e.code) e = text_parse(text, f);
    text_files_free(f);
    free(f);
    if (e.code)
        engine_model_text_free(text);
    else
        *out = text;
    return e;
}

const engine_tokenizer *engine_model_text_borrow_tokenizer(const engine_model_text *text)
{
    return text->tokenizer;
}

bytes_view engine_model_text_borrow_special(const engine_model_text *text, engine_special which)
{
    if (!text->has_special[which]) return (bytes_view){0};
    return (bytes_view){bytes_text(&text->specials[which]), text->specials[which].size};
}
