/* engine/trainable_targets.c: which modules are trained. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/macros.h"
#include "engine/trainable_internal.h"

static bool kind_is_attention(engine_module_kind kind)
{
    return kind >= ENGINE_MODULE_Q && kind <= ENGINE_MODULE_O;
}
static bool kind_is_mlp(engine_module_kind kind)
{
    return kind >= ENGINE_MODULE_GATE && kind <= ENGINE_MODULE_DOWN;
}
static bool kind_is_layer_linear(engine_module_kind kind)
{
    return kind_is_attention(kind) || kind_is_mlp(kind);
}

static const struct {
    const char *word;
    bool (*fits)(engine_module_kind kind);
} groups[] = {{"all-linear", kind_is_layer_linear}, {"attn", kind_is_attention}, {"mlp", kind_is_mlp}};

static bool is_present(const engine_spec *spec, size_t module)
{
    int64_t shape[2];
    unsigned rank = 0;
    bool bias = false;
    engine_module_shape(spec, module, shape, &rank, &bias);
    return rank > 0;
}

/* The whole name, or its end after a dot: how PEFT matches a list. */
static bool name_ends(const char *name, const char *ending, size_t size)
{
    size_t whole = strlen(name);
    if (whole < size || memcmp(name + whole - size, ending, size) != 0) return false;
    return whole == size || name[whole - size - 1] == '.';
}

/* Mark the modules that one word of the list names. Gives how many there are. */
static size_t mark_word(const engine_spec *spec, const char *word, size_t size, bool *targets)
{
    size_t count = 0;
    for (size_t module = 0; module < engine_module_count(spec); module++) {
        engine_module_kind kind = engine_module_kind_of(module);
        if (!is_present(spec, module) || !kind_is_layer_linear(kind)) continue;
        char name[ENGINE_MODULE_NAME_MAX];
        engine_module_name(spec, module, name, sizeof name);
        bool fits = name_ends(name, word, size);
        for (size_t i = 0; i < COUNT_OF(groups); i++)
            if (strlen(groups[i].word) == size && memcmp(groups[i].word, word, size) == 0)
                fits = groups[i].fits(kind);
        if (!fits) continue;
        targets[module] = true;
        count++;
    }
    return count;
}

static err refuse_word(const engine_spec *spec, const char *word, size_t size)
{
    CLEANUP(bytes_free) bytes known = {0};
    for (size_t kind = ENGINE_MODULE_GLOBAL_COUNT; kind < ENGINE_MODULE_KIND_COUNT; kind++) {
        size_t module = engine_module_of(spec, 0, (engine_module_kind)kind);
        if (!kind_is_layer_linear((engine_module_kind)kind) || !is_present(spec, module)) continue;
        char name[ENGINE_MODULE_NAME_MAX];
        engine_module_name(spec, module, name, sizeof name);
        bytes_printf(&known, ", %s", strrchr(name, '.') + 1);
    }
    return err_make(ERR_USAGE,
                    "the target \"%.*s\" names no linear layer of this model; it has all-linear, attn, mlp%s",
                    (int)MIN_OF(size, (size_t)60), word, bytes_text(&known));
}

static err mark_words(const engine_spec *spec, const char *text, bool *targets)
{
    const char *word = text && *text ? text : "all-linear";
    for (;;) {
        size_t size = strcspn(word, ",");
        if (size == 0 || mark_word(spec, word, size, targets) == 0) return refuse_word(spec, word, size);
        if (!word[size]) return ERR_OK;
        word += size + 1;
    }
}

/* "8-15" or "3" of a list; false: neither, or past the last layer. */
static bool read_range(const char *text, size_t size, size_t layer_count, size_t *first, size_t *last)
{
    char word[32], *end = NULL;
    if (size == 0 || size >= sizeof word) return false;
    snprintf(word, sizeof word, "%.*s", (int)size, text);
    if (word[strspn(word, "0123456789-")]) return false;
    *first = *last = strtoul(word, &end, 10);
    if (end == word) return false;
    if (*end == '-') {
        const char *begin = end + 1;
        *last = strtoul(begin, &end, 10);
        if (end == begin) return false;
    }
    return !*end && *first <= *last && *last < layer_count;
}

/* Take back what lies in no named layer. */
static err keep_layers(const engine_spec *spec, const char *text, bool *targets)
{
    if (!text || !*text) return ERR_OK;
    bool *kept = memory_alloc((spec->layer_count + 1) * sizeof *kept);
    err e = ERR_OK;
    for (const char *word = text;;) {
        size_t size = strcspn(word, ","), first = 0, last = 0;
        if (!read_range(word, size, spec->layer_count, &first, &last)) {
            e = err_make(ERR_USAGE,
                         "layers \"%.60s\": expected ranges as 8-15 or 0,2-3 of the layers 0 to %zu", text,
                         spec->layer_count - 1);
            break;
        }
        for (size_t layer = first; layer <= last; layer++) kept[layer] = true;
        if (!word[size]) break;
        word += size + 1;
    }
    for (size_t module = 0; module < engine_module_count(spec); module++)
        if (!kept[engine_module_layer_of(module)]) targets[module] = false;
    free(kept);
    return e;
}

err trainable_targets(const engine_spec *spec, const engine_trainable_options *options, bool **out)
{
    bool *targets = memory_alloc(engine_module_count(spec) * sizeof *targets);
    err e = ERR_OK;
    if (options->full) {
        for (size_t module = 0; module < engine_module_count(spec); module++)
            targets[module] = is_present(spec, module);
        if (spec->tied) targets[ENGINE_MODULE_HEAD] = false; /* the embedding's leaf is the head's too */
    } else {
        e = mark_words(spec, options->targets, targets);
        if (!e.code) e = keep_layers(spec, options->layers, targets);
    }
    if (e.code)
        free(targets);
    else
        *out = targets;
    return e;
}
