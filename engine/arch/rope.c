#include "engine/arch/rope.h"

#include <math.h>
#include <string.h>

/* One rope as it is read: where its fields stand and what they go to. */
typedef struct rope_reader {
    engine_config *c;
    const json_node *from;  /* the rope object; NULL: config.json has none */
    engine_rope_spec *rope; /* base, size, context_max, original_max are set */
} rope_reader;

static double wanted(const rope_reader *r, const char *key)
{
    if (json_is_null(json_get(r->from, key)))
        engine_config_fail(r->c, ERR_FORMAT, "rope scaling %s: %s is missing",
                           engine_rope_kind_name(r->rope->kind), key);
    return engine_config_positive(r->c, r->from, key, 1);
}

static double optional(const rope_reader *r, const char *key, double fallback)
{
    return engine_config_positive(r->c, r->from, key, fallback);
}

static void read_factor(const rope_reader *r) { r->rope->factor = wanted(r, "factor"); }

static void read_llama3(const rope_reader *r)
{
    engine_rope_spec *rope = r->rope;
    rope->factor = wanted(r, "factor");
    rope->low_freq = wanted(r, "low_freq_factor");
    rope->high_freq = wanted(r, "high_freq_factor");
    if (rope->high_freq <= rope->low_freq)
        engine_config_fail(r->c, ERR_FORMAT,
                           "rope scaling llama3: high_freq_factor %g, expected more than low_freq_factor %g",
                           rope->high_freq, rope->low_freq);
}

/* m(s, k) of the specification. */
static double yarn_magnitude(double scale, double k) { return scale <= 1 ? 1 : 0.1 * k * log(scale) + 1; }

static void read_yarn(const rope_reader *r)
{
    engine_rope_spec *rope = r->rope;
    double f = rope->factor = optional(r, "factor", rope->context_max / rope->original_max);
    rope->beta_fast = optional(r, "beta_fast", 32);
    rope->beta_slow = optional(r, "beta_slow", 1);
    rope->truncate = engine_config_bool(r->c, r->from, "truncate", true);
    double mscale = engine_config_number(r->c, r->from, "mscale", 0);
    double all_dim = engine_config_number(r->c, r->from, "mscale_all_dim", 0);
    bool both = mscale != 0 && all_dim != 0;
    double magnitude = both ? yarn_magnitude(f, mscale) / yarn_magnitude(f, all_dim) : yarn_magnitude(f, 1);
    rope->attention_factor = optional(r, "attention_factor", magnitude);
}

static void read_long(const rope_reader *r)
{
    engine_rope_spec *rope = r->rope;
    rope->short_factor = engine_config_positives(r->c, r->from, "short_factor", rope->size / 2);
    rope->long_factor = engine_config_positives(r->c, r->from, "long_factor", rope->size / 2);
    rope->factor = optional(r, "factor", rope->context_max / rope->original_max);
    bool stretched = rope->factor > 1 && rope->original_max > 1;
    double magnitude = stretched ? sqrt(1 + log(rope->factor) / log(rope->original_max)) : 1;
    rope->attention_factor = optional(r, "attention_factor", magnitude);
}

static const struct {
    const char *name, *old_name;
    void (*read)(const rope_reader *r);
} kinds[ENGINE_ROPE_KIND_COUNT] = {
    [ENGINE_ROPE_DEFAULT] = {"default", NULL, NULL},
    [ENGINE_ROPE_LINEAR] = {"linear", NULL, read_factor},
    [ENGINE_ROPE_DYNAMIC] = {"dynamic", NULL, read_factor},
    [ENGINE_ROPE_LLAMA3] = {"llama3", NULL, read_llama3},
    [ENGINE_ROPE_YARN] = {"yarn", NULL, read_yarn},
    [ENGINE_ROPE_LONG] = {"longrope", "su", read_long},
};

const char *engine_rope_kind_name(engine_rope_kind kind)
{
    return (unsigned)kind < ENGINE_ROPE_KIND_COUNT ? kinds[kind].name : "unknown";
}

static engine_rope_kind read_kind(engine_config *c, const json_node *from, const engine_arch *arch)
{
    const char *key = json_is_null(json_get(from, "rope_type")) ? "type" : "rope_type";
    const char *name = engine_config_text(c, from, key, "default");
    if (arch->yarn_is_long && strcmp(name, "yarn") == 0) return ENGINE_ROPE_LONG;
    for (int i = 0; i < ENGINE_ROPE_KIND_COUNT; i++)
        if (strcmp(name, kinds[i].name) == 0 || (kinds[i].old_name && strcmp(name, kinds[i].old_name) == 0))
            return (engine_rope_kind)i;
    engine_config_fail(c, ERR_UNSUPPORTED, "rope scaling of type \"%.40s\"", name);
    return ENGINE_ROPE_DEFAULT;
}

/* Rotated elements of a head. */
static size_t read_size(engine_config *c, const json_node *from, size_t head_size)
{
    double share = engine_config_positive(c, c->inner, "partial_rotary_factor", 1);
    share = engine_config_positive(c, from, "partial_rotary_factor", share);
    size_t size = share <= 1 ? (size_t)((double)head_size * share) : 0;
    if (size >= 2 && size % 2 == 0) return size;
    engine_config_fail(
        c, ERR_FORMAT,
        "partial_rotary_factor %g of a head of %zu, expected to rotate an even number of elements from 2 on",
        share, head_size);
    return 2;
}

/* O: the top level's, else the rope object's, else the family's, else M. */
static size_t read_original(engine_arch_build *build, const engine_arch *arch, const json_node *from)
{
    engine_config *c = build->config;
    const char *key = "original_max_position_embeddings";
    size_t original = arch->original_max ? arch->original_max : build->spec->context_max;
    original = engine_config_size(c, from, key, original, ENGINE_SPEC_CONTEXT_MAX);
    return engine_config_size_wanted(c, key, original, ENGINE_SPEC_CONTEXT_MAX);
}

/* `from` is the object for one kind of layer; the top level fills in what it leaves open. */
static engine_rope_spec read_rope(engine_arch_build *build, const engine_arch *arch, const json_node *from,
                                  double base)
{
    engine_config *c = build->config;
    engine_rope_spec rope = {
        .factor = 1, .attention_factor = 1, .context_max = (double)build->spec->context_max};
    rope.base = engine_config_positive(c, from, "rope_theta", base);
    if (rope.base <= 1)
        engine_config_fail(c, ERR_FORMAT, "rope_theta is %g, expected a number above 1", rope.base);
    rope.size = read_size(c, from, build->spec->head_size);
    rope.original_max = (double)read_original(build, arch, from);
    rope.kind = read_kind(c, from, arch);
    if (kinds[rope.kind].read) kinds[rope.kind].read(&(rope_reader){c, from, &rope});
    return rope;
}

/* Tokens that the scaling makes room for, when config.json counts without it. */
static double room(const engine_rope_spec *rope, bool context_holds_factor)
{
    if (rope->kind == ENGINE_ROPE_YARN) return rope->factor * rope->original_max;
    bool stretched =
        rope->kind == ENGINE_ROPE_DYNAMIC || (rope->kind == ENGINE_ROPE_LINEAR && !context_holds_factor);
    return stretched ? rope->factor * rope->context_max : 0;
}

void engine_arch_read_ropes(engine_arch_build *build, const engine_arch *arch)
{
    engine_config *c = build->config;
    engine_spec *spec = build->spec;
    const json_node *from = json_get(c->inner, "rope_scaling");
    if (json_is_null(from)) from = json_get(c->inner, "rope_parameters");
    if (!json_is_null(from) && !json_is(from, JSON_OBJECT))
        engine_config_fail(c, ERR_FORMAT, "line %u: the rope scaling is %s, expected an object", from->line,
                           json_type_name(from->type));
    const json_node *full = json_get(from, "full_attention"), *sliding = json_get(from, "sliding_attention");
    double base = engine_config_positive(c, c->inner, "rope_theta", arch->rope_base);
    double sliding_base = build->sliding_rope_base > 0 ? build->sliding_rope_base : base;
    bool by_type = full || sliding;
    spec->rope_count = 1;
    spec->ropes[0] = read_rope(build, arch, by_type ? full : from, base);
    if (by_type || build->sliding_rope_base > 0) {
        spec->rope_count = 2;
        spec->ropes[1] = read_rope(build, arch, sliding, sliding_base);
    }
    double context = MAX_OF((double)spec->context_max, room(&spec->ropes[0], build->context_holds_factor));
    spec->context_max = (size_t)MIN_OF(context, (double)ENGINE_SPEC_CONTEXT_MAX);
}
