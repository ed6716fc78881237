/* training/data.c: what was read, counted and put apart. Reading the files lies in data_read.c. */
#include "training/data.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/macros.h"
#include "training/data_reading.h"
#include "training/random.h"

struct training_data {
    sequence_list sequences;
    training_origin *origins; /* [sequences.count] */
    size_t train_count;       /* those held out come after */
    char **file_names;        /* [file_count] */
    char (*file_digests)[SHA256_HEX_SIZE];
    size_t file_count;
    char digest[SHA256_HEX_SIZE];
    training_counts counts;
    bool preference;
    bytes unknown_keys;
    size_t unknown_key_count;
};

static const char *const kind_names[TRAINING_KIND_COUNT] = {
    [TRAINING_KIND_TOKENS] = "tokens",
    [TRAINING_KIND_PREFERENCE] = "preference",
    [TRAINING_KIND_CHAT] = "chat",
    [TRAINING_KIND_COMPLETION] = "prompt and completion",
    [TRAINING_KIND_INSTRUCTION] = "instruction",
    [TRAINING_KIND_TEXT] = "text",
};

const char *training_kind_name(training_kind kind) { return kind_names[kind]; }

training_data_options training_data_defaults(void)
{
    return (training_data_options){
        .max_length = 2048, .held_out = 0.02, .held_out_bounded = true, .seed = 42};
}

/* -- what is held out ----------------------------------------------------------------------------------- */

enum { HELD_OUT_LEAST = 16, HELD_OUT_MOST = 512, HELD_OUT_PARTS = 10000 };

/* The fraction within its bounds. A fifth at most: a few examples are for learning. */
static double bounded_fraction(double fraction, size_t records)
{
    double count = (double)records;
    fraction = MAX_OF(fraction, HELD_OUT_LEAST / count);
    fraction = MIN_OF(fraction, HELD_OUT_MOST / count);
    return MIN_OF(fraction, 0.2);
}

/* The same for every example of a record, and whatever else is in the files. */
static bool is_held_out(uint64_t seed, uint64_t key, double fraction)
{
    return (double)(training_key(seed, TRAINING_PURPOSE_SPLIT, &key, 1) % HELD_OUT_PARTS) <
           HELD_OUT_PARTS * fraction;
}

/* Those to train on first; both in their order. */
static void put_apart(training_data *d, const training_reading *r, const training_data_options *options)
{
    size_t count = r->sequences.count, at = 0;
    double fraction = options->held_out;
    if (fraction > 0 && options->held_out_bounded && r->counts.records)
        fraction = bounded_fraction(fraction, r->counts.records);
    d->sequences.items = memory_alloc((count + 1) * sizeof *d->sequences.items);
    d->origins = memory_alloc((count + 1) * sizeof *d->origins);
    for (int held_out = 0; held_out < 2; held_out++) {
        for (size_t i = 0; i < count; i++) {
            if (is_held_out(options->seed, r->record_keys[i], fraction) != (held_out == 1)) continue;
            d->sequences.items[at] = r->sequences.items[i];
            d->origins[at] = r->origins[i];
            d->origins[at++].held_out = held_out == 1;
        }
        if (!held_out) d->train_count = at;
    }
    d->sequences.count = d->sequences.capacity = count;
}

static void count_all(training_data *d)
{
    training_counts *c = &d->counts;
    c->examples = d->sequences.count;
    c->held_out = c->examples - d->train_count;
    for (size_t i = 0; i < c->examples; i++) {
        c->tokens += d->sequences.items[i].count;
        c->targets += training_sequence_targets(&d->sequences.items[i]);
    }
}

/* -- digests --------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Over "NAME DIGEST\n" of each file, sorted: names and contents, wherever they lie. */
static void digest_all(const char *const *paths, char (*digests)[SHA256_HEX_SIZE], size_t count,
                       char out[SHA256_HEX_SIZE])
{
    char **lines = memory_alloc((count + 1) * sizeof *lines);
    for (size_t i = 0; i < count; i++) {
        bytes line = {0};
        bytes_printf(&line, "%s %s\n", file_name(paths[i]), digests[i]);
        lines[i] = bytes_take(&line);
    }
    qsort(lines, count, sizeof *lines, by_name);
    sha256 *s = sha256_new();
    for (size_t i = 0; i < count; i++) {
        sha256_add(s, lines[i], strlen(lines[i]));
        free(lines[i]);
    }
    sha256_end(s, out);
    free(lines);
}

err training_data_digest(const char *const *paths, size_t path_count, char digest[SHA256_HEX_SIZE])
{
    char(*digests)[SHA256_HEX_SIZE] = memory_alloc((path_count + 1) * sizeof *digests);
    err e = ERR_OK;
    for (size_t i = 0; i < path_count && !e.code; i++) {
        file_mapping map = {0};
        e = file_map(paths[i], &map);
        if (!e.code) sha256_of((bytes_view){map.data, map.size}, digests[i]);
        file_unmap(&map);
    }
    if (!e.code) digest_all(paths, digests, path_count, digest);
    free(digests);
    return e;
}

/* -- opening -----------------------------------------------------------------------------------------------
 */

static err read_files(training_data *d, const char *const *paths, training_reading *r)
{
    err e = ERR_OK;
    for (size_t i = 0; i < d->file_count && !e.code; i++) {
        d->file_names[i] = memory_text(file_name(paths[i]));
        e = training_read_file(r, paths[i], (uint32_t)i, d->file_digests[i]);
    }
    return e;
}

/* Examples that teach nothing: a few are left out, many mean a wrong mask. */
static err check_learned(const training_data *d, const training_reading *r)
{
    const training_counts *c = &r->counts;
    if (c->records == 0) return err_make(ERR_USAGE, "%s holds no examples", d->file_names[0]);
    if (c->untargeted * 100 <= c->records && r->sequences.count) return ERR_OK;
    if (c->untargeted == 0)
        return err_make(ERR_USAGE, "none of the %zu examples fits: all are longer than the row", c->records);
    return err_make(ERR_USAGE,
                    "nothing is to be learned from %zu of %zu records (%s): is the template the model's own, "
                    "are the labels right?",
                    c->untargeted, c->records, bytes_text(&r->untargeted_places));
}

err training_data_open(const char *const *paths, size_t path_count, const engine_model *model,
                       const training_data_options *options, training_data **out)
{
    if (path_count == 0 || path_count > TRAINING_DATA_FILES_MAX)
        return err_make(ERR_USAGE, "%zu files of examples, expected 1 to %d", path_count,
                        TRAINING_DATA_FILES_MAX);
    if (options->max_length < 2)
        return err_make(ERR_USAGE, "a length of %zu, expected at least 2", options->max_length);
    training_data *d = memory_alloc(sizeof *d);
    training_reading r = {.model = model, .options = options};
    d->file_count = path_count;
    d->file_names = memory_alloc(path_count * sizeof *d->file_names);
    d->file_digests = memory_alloc(path_count * sizeof *d->file_digests);
    err e = read_files(d, paths, &r);
    if (!e.code) e = check_learned(d, &r);
    if (!e.code) {
        digest_all(paths, d->file_digests, path_count, d->digest);
        d->preference = r.counts.kinds[TRAINING_KIND_PREFERENCE] > 0;
        d->counts = r.counts;
        put_apart(d, &r, options);
        count_all(d);
        r.sequences.count = 0; /* they are the data's now */
        d->unknown_keys = r.unknown_keys;
        d->unknown_key_count = r.unknown_key_count;
        r.unknown_keys = (bytes){0};
    }
    training_reading_free(&r);
    if (!e.code && d->train_count == 0)
        e = err_make(ERR_USAGE, "all examples are held out: none is left to train on");
    if (e.code)
        training_data_free(d);
    else
        *out = d;
    return e;
}

void training_data_free(training_data *d)
{
    if (!d) return;
    sequence_list_free(&d->sequences);
    for (size_t i = 0; i < d->file_count; i++) free(d->file_names[i]);
    free(d->file_names);
    free(d->file_digests);
    free(d->origins);
    bytes_free(&d->unknown_keys);
    free(d);
}

/* -- looking ------------------------------------------------------------------------------------------------
 */

bool training_data_is_preference(const training_data *d) { return d->preference; }
const training_sequence *training_data_borrow(const training_data *d) { return d->sequences.items; }
size_t training_data_train_count(const training_data *d) { return d->train_count; }
size_t training_data_held_out_count(const training_data *d) { return d->sequences.count - d->train_count; }
training_origin training_data_origin(const training_data *d, size_t example) { return d->origins[example]; }
const char *training_data_borrow_file(const training_data *d, size_t file) { return d->file_names[file]; }
size_t training_data_file_count(const training_data *d) { return d->file_count; }
const char *training_data_borrow_file_digest(const training_data *d, size_t file)
{
    return d->file_digests[file];
}
const char *training_data_borrow_digest(const training_data *d) { return d->digest; }
training_counts training_data_counts(const training_data *d) { return d->counts; }

const char *training_data_borrow_unknown_keys(const training_data *d, size_t *count)
{
    *count = d->unknown_key_count;
    return bytes_text(&d->unknown_keys);
}
