/* training/state_json.c: numbers are written so that they read back as the same bits. */
#include "training/state_json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/macros.h"

enum { FORMAT = 1, WHOLE_MAX_BITS = 53 };

/* -- writing
 * --------------------------------------------------------------------------------------------------- */

static void write_numbers(bytes *out, const char *key, const double *values, size_t count)
{
    bytes_printf(out, ",\n \"%s\": [", key);
    for (size_t i = 0; i < count; i++) bytes_printf(out, "%s%.17g", i ? ", " : "", values[i]);
    bytes_append_text(out, "]");
}

/* Bits as 16 hex digits a word: JSON's numbers hold 53. */
static void write_bits(bytes *out, const char *key, const uint64_t *words, size_t count)
{
    bytes_printf(out, ",\n \"%s\": \"", key);
    for (size_t i = 0; i < count; i++) bytes_printf(out, "%016" PRIx64, words[i]);
    bytes_append_text(out, "\"");
}

void training_saved_write(const training_saved *saved, bytes *out)
{
    const training_carried *c = &saved->carried;
    const training_progress *p = &saved->progress;
    bytes_printf(out, "{\n \"format\": %d,\n \"step\": %" PRIu64 ",\n \"optimizer_steps\": %" PRIu64, FORMAT,
                 c->step, c->optimizer_steps);
    bytes_printf(out, ",\n \"epoch\": %" PRIu64 ",\n \"window\": %" PRIu64, c->epoch, c->window);
    bytes_printf(out, ",\n \"rate\": %.17g,\n \"total\": %" PRIu64 ",\n \"curve\": %" PRIu64, saved->rate,
                 saved->total, saved->curve);
    bytes_printf(out, ",\n \"attempt\": %u,\n \"worse_count\": %u", p->attempt, p->worse_count);
    if (p->has_best)
        bytes_printf(out, ",\n \"best_step\": %" PRIu64 ",\n \"best_loss\": %.17g", p->best_step,
                     p->best_loss);
    if (isfinite(p->train_loss)) bytes_printf(out, ",\n \"train_loss\": %.17g", p->train_loss);
    if (isfinite(p->eval_loss)) bytes_printf(out, ",\n \"eval_loss\": %.17g", p->eval_loss);
    bytes_printf(out, ",\n \"skipped_in_a_row\": %u", c->skipped_in_a_row);
    write_bits(out, "skipped", c->skipped, COUNT_OF(c->skipped));
    bytes_printf(out, ",\n \"recent_at\": %u", c->recent_at);
    write_numbers(out, "losses", c->losses, c->recent_count);
    write_numbers(out, "norms", c->norms, c->recent_count);
    bytes_printf(out, ",\n \"bytes\": %" PRIu64 ",\n \"sha256\": \"%s\"\n}\n", saved->bytes, saved->sha256);
}

/* -- reading
 * --------------------------------------------------------------------------------------------------- */

typedef struct reading {
    const json_node *root;
    err failed; /* the first */
} reading;

static uint64_t read_whole(reading *r, const char *key, uint64_t most)
{
    int64_t value = json_int(json_get(r->root, key), -1);
    if (value >= 0 && (uint64_t)value <= most) return (uint64_t)value;
    if (!r->failed.code)
        r->failed = err_make(ERR_FORMAT, "%s, expected a whole number up to %" PRIu64, key, most);
    return 0;
}

static double read_number(reading *r, const char *key)
{
    double value = json_double(json_get(r->root, key), NAN);
    if (!isfinite(value) && !r->failed.code) r->failed = err_make(ERR_FORMAT, "%s, expected a number", key);
    return value;
}

static uint32_t read_numbers(reading *r, const char *key, double *values, size_t most)
{
    const json_node *list = json_get(r->root, key);
    size_t count = json_count(list), i = 0;
    bool fits = json_is(list, JSON_ARRAY) && count <= most;
    for (const json_node *n = fits ? json_first(list) : NULL; n; n = n->next, i++) {
        values[i] = json_double(n, NAN);
        fits &= isfinite(values[i]);
    }
    if (!fits && !r->failed.code)
        r->failed = err_make(ERR_FORMAT, "%s, expected at most %zu numbers", key, most);
    return fits ? (uint32_t)count : 0;
}

static void read_bits(reading *r, const char *key, uint64_t *words, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    bytes_view text = json_text(json_get(r->root, key));
    bool fits = text.size == 16 * count;
    for (size_t i = 0; fits && i < text.size; i++) {
        const char *digit = text.data[i] ? strchr(digits, text.data[i]) : NULL;
        if (digit) words[i / 16] = words[i / 16] << 4 | (uint64_t)(digit - digits);
        fits = digit != NULL;
    }
    if (!fits && !r->failed.code)
        r->failed = err_make(ERR_FORMAT, "%s, expected %zu hex digits", key, 16 * count);
}

static void read_progress(reading *r, training_progress *out)
{
    out->attempt = (uint32_t)read_whole(r, "attempt", UINT32_MAX);
    out->worse_count = (uint32_t)read_whole(r, "worse_count", UINT32_MAX);
    out->train_loss = json_double(json_get(r->root, "train_loss"), NAN);
    out->eval_loss = json_double(json_get(r->root, "eval_loss"), NAN);
    out->has_best = json_get(r->root, "best_step") != NULL;
    if (!out->has_best) return;
    out->best_step = read_whole(r, "best_step", (uint64_t)1 << WHOLE_MAX_BITS);
    out->best_loss = read_number(r, "best_loss");
}

static void read_carried(reading *r, training_carried *out)
{
    out->step = read_whole(r, "step", (uint64_t)1 << WHOLE_MAX_BITS);
    out->optimizer_steps = read_whole(r, "optimizer_steps", (uint64_t)1 << WHOLE_MAX_BITS);
    /* States of before do not say: the windows are counted from the first of all. */
    out->window = out->step;
    if (json_get(r->root, "epoch")) {
        out->epoch = read_whole(r, "epoch", (uint64_t)1 << WHOLE_MAX_BITS);
        out->window = read_whole(r, "window", (uint64_t)1 << WHOLE_MAX_BITS);
    }
    out->skipped_in_a_row = (uint32_t)read_whole(r, "skipped_in_a_row", UINT32_MAX);
    read_bits(r, "skipped", out->skipped, COUNT_OF(out->skipped));
    out->recent_at = (uint32_t)read_whole(r, "recent_at", TRAINING_RECENT_STEPS - 1);
    out->recent_count = read_numbers(r, "losses", out->losses, TRAINING_RECENT_STEPS);
    if (read_numbers(r, "norms", out->norms, TRAINING_RECENT_STEPS) != out->recent_count && !r->failed.code)
        r->failed = err_make(ERR_FORMAT, "norms, expected as many as losses");
}

static void read_sha256(reading *r, char hex[SHA256_HEX_SIZE])
{
    bytes_view text = json_text(json_get(r->root, "sha256"));
    if (text.size == SHA256_HEX_SIZE - 1) memcpy(hex, text.data, text.size);
    if (!sha256_is_hex(hex) && !r->failed.code)
        r->failed = err_make(ERR_FORMAT, "sha256, expected 64 hex digits");
}

err training_saved_read(bytes_view json, training_saved *out)
{
    arena a = {0};
    reading r = {0};
    *out = (training_saved){0};
    r.failed = json_parse(json, 4, &a, &r.root);
    if (!r.failed.code && !json_is(r.root, JSON_OBJECT)) r.failed = err_make(ERR_FORMAT, "no object");
    if (!r.failed.code && json_int(json_get(r.root, "format"), 0) != FORMAT)
        r.failed = err_make(ERR_UNSUPPORTED, "a format that this version does not know, expected %d", FORMAT);
    if (!r.failed.code) {
        read_carried(&r, &out->carried);
        read_progress(&r, &out->progress);
        out->rate = read_number(&r, "rate");
        out->total = read_whole(&r, "total", (uint64_t)1 << WHOLE_MAX_BITS);
        out->curve = read_whole(&r, "curve", (uint64_t)1 << WHOLE_MAX_BITS);
        out->bytes = read_whole(&r, "bytes", (uint64_t)1 << WHOLE_MAX_BITS);
        read_sha256(&r, out->sha256);
    }
    arena_free(&a);
    return r.failed;
}
