/* training/state.c: tensors of a state, written and put back. */
#define _GNU_SOURCE
#include "training/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/macros.h"
#include "base/sha256.h"
#include "engine/safetensors_write.h"
#include "training/state_json.h"

/* -- tensors
 * ------------------------------------------------------------------------------------------------- */

typedef struct state_tensor {
    char *name;
    tensor *value; /* borrowed */
} state_tensor;

typedef struct state_tensors {
    state_tensor *list;
    size_t count;
} state_tensors;

static void add_tensor(state_tensors *to, const char *prefix, const char *name, tensor *value)
{
    bytes full = {0};
    bytes_printf(&full, "%s%s", prefix, name);
    to->list[to->count++] = (state_tensor){bytes_take(&full), value};
}

static state_tensors tensors_of(training_trainer *tr)
{
    engine_trainable *t = training_trainer_borrow_trainable(tr);
    training_optimizer *o = training_trainer_borrow_optimizer(tr);
    size_t leaves = engine_trainable_count(t), moments = training_optimizer_state_count(o);
    state_tensors all = {memory_alloc((leaves + moments + 1) * sizeof *all.list), 0};
    for (size_t i = 0; i < leaves; i++)
        add_tensor(&all, "p.", engine_trainable_borrow_name(t, i), engine_trainable_borrow(t, i));
    for (size_t i = 0; i < moments; i++)
        add_tensor(&all, "", training_optimizer_state_borrow_name(o, i),
                   training_optimizer_state_borrow(o, i));
    return all;
}

static void tensors_free(state_tensors *all)
{
    for (size_t i = 0; i < all->count; i++) free(all->list[i].name);
    free(all->list);
}

uint64_t training_state_bytes(training_trainer *tr)
{
    state_tensors all = tensors_of(tr);
    uint64_t total = 0;
    for (size_t i = 0; i < all.count; i++) total += tensor_bytes(all.list[i].value);
    tensors_free(&all);
    return total;
}

/* A file that is written piece by piece, and what is known of it. */
typedef struct state_file {
    FILE *file;
    sha256 *hash;
    uint64_t size;
} state_file;

static bool add_piece(state_file *f, bytes_view piece)
{
    sha256_add(f->hash, piece.data, piece.size);
    f->size += piece.size;
    return !piece.size || fwrite(piece.data, 1, piece.size, f->file) == piece.size;
}

static err write_list(const char *path, const engine_safetensor_out *list, size_t count,
                      training_saved *saved)
{
    CLEANUP(bytes_free) bytes header = {0};
    state_file f = {.file = fopen(path, "wbe"), .hash = sha256_new()};

    engine_safetensors_header(list, count, &header);
    bool whole = f.file && add_piece(&f, bytes_borrow(&header));
    for (size_t i = 0; i < count && whole; i++) whole = add_piece(&f, list[i].data);
    if (whole) whole = fflush(f.file) == 0 && fsync(fileno(f.file)) == 0;
    err e = whole ? ERR_OK : err_errno("write %s", path);
    if (f.file && fclose(f.file) != 0 && !e.code) e = err_errno("write %s", path);
    saved->bytes = f.size;
    sha256_end(f.hash, saved->sha256);
    return e;
}

/* Straight from where the values lie: they may be as large as the memory that is left. */
static err write_tensors(training_trainer *tr, const char *path, training_saved *saved)
{
    state_tensors all = tensors_of(tr);
    engine_safetensor_out *list = memory_alloc((all.count + 1) * sizeof *list);
    tensor_scope *s = tensor_scope_new(false);
    err e = ERR_OK;
    for (size_t i = 0; i < all.count; i++) {
        tensor *value = tensor_contiguous(s, tensor_to(s, all.list[i].value, TENSOR_F32, TENSOR_CPU));
        if (!value) break;
        list[i] = (engine_safetensor_out){.name = all.list[i].name,
                                          .type = ENGINE_DTYPE_F32,
                                          .rank = (unsigned)tensor_rank(value),
                                          .data = {tensor_borrow_data(value), tensor_bytes(value)}};
        for (unsigned d = 0; d < list[i].rank; d++) list[i].shape[d] = tensor_size(value, (int)d);
    }
    if (!tensor_scope_failed(s)) {
        engine_safetensors_sort(list, all.count);
        e = write_list(path, list, all.count, saved);
    }
    free(list);
    tensors_free(&all);
    err failed = tensor_scope_close(s);
    return e.code ? e : failed;
}

static err put_tensor(tensor_scope *s, const state_tensor *to, const engine_safetensor *from)
{
    bool fits = from && from->type == ENGINE_DTYPE_F32 && from->rank == (unsigned)tensor_rank(to->value);
    for (unsigned d = 0; fits && d < from->rank; d++) fits = from->shape[d] == tensor_size(to->value, (int)d);
    if (!fits)
        return err_make(ERR_FORMAT, "tensor %.200s is %s", to->name, from ? "of another shape" : "missing");
    tensor *value = tensor_over(s, TENSOR_F32, from->shape, (int)from->rank, from->data.data, NULL, NULL);
    tensor_copy_into(s, to->value, value);
    return ERR_OK;
}

/* All are looked at before the first is written over. */
static err put_tensors(training_trainer *tr, bytes_view file)
{
    engine_safetensors *st = NULL;
    err e = engine_safetensors_parse(file, &st);
    if (e.code) return e;
    state_tensors all = tensors_of(tr);
    if (engine_safetensors_count(st) != all.count)
        e = err_make(ERR_FORMAT, "%zu tensors, expected %zu: the state of another run",
                     engine_safetensors_count(st), all.count);
    tensor_scope *s = tensor_scope_new(false);
    for (size_t i = 0; i < all.count && !e.code; i++)
        if (!engine_safetensors_find(st, all.list[i].name))
            e = err_make(ERR_FORMAT, "tensor %.200s is missing: the state of another run", all.list[i].name);
    for (size_t i = 0; i < all.count && !e.code; i++)
        e = put_tensor(s, &all.list[i], engine_safetensors_find(st, all.list[i].name));
    err failed = tensor_scope_close(s);
    tensors_free(&all);
    engine_safetensors_free(st);
    return e.code ? e : failed;
}

/* -- saving
 * ---------------------------------------------------------------------------------------------------- */

void training_state_name(uint64_t step, char name[TRAINING_STATE_NAME_SIZE])
{
    snprintf(name, TRAINING_STATE_NAME_SIZE, "step-%08" PRIu64, step);
}

static err write_file(const char *folder, const char *name, bytes_view data)
{
    char *path = file_join(folder, name);
    err e = file_write(path, data);
    free(path);
    return e;
}

/* Both files into `folder`, which is then all there is to a state. */
static err write_folder(training_trainer *tr, const char *folder, const training_progress *progress)
{
    CLEANUP(bytes_free) bytes text = {0};
    training_saved saved = {.progress = *progress};
    char *path = file_join(folder, "state.safetensors");
    err e = file_make_folders(folder);
    if (!e.code) e = write_tensors(tr, path, &saved);
    free(path);
    if (!e.code) {
        training_trainer_take_out(tr, &saved.carried);
        saved.rate = training_trainer_rate(tr);
        saved.total = training_trainer_total(tr);
        saved.curve = training_trainer_curve(tr);
        training_saved_write(&saved, &text);
        e = write_file(folder, "state.json", bytes_borrow(&text));
    }
    return e.code ? e : file_sync_folder(folder);
}

/* A state of the same step may be there: the two change places, so that one is there at any moment. */
static err put_in_place(const char *half, const char *whole)
{
    if (renameat2(AT_FDCWD, half, AT_FDCWD, whole, RENAME_EXCHANGE) == 0) return ERR_OK;
    err e = errno == EINVAL || errno == ENOSYS ? file_remove_tree(whole) : ERR_OK; /* it cannot exchange */
    if (!e.code && rename(half, whole) != 0) e = err_errno("rename %s", whole);
    return e;
}

err training_state_save(training_trainer *tr, const char *run_folder, const training_progress *progress,
                        char name[TRAINING_STATE_NAME_SIZE])
{
    err e = engine_trainable_check_finite(training_trainer_borrow_trainable(tr));
    if (e.code) return e;
    bytes half = {0};
    training_state_name(training_trainer_step_number(tr), name);
    char *whole = file_join(run_folder, name);
    bytes_printf(&half, "%s.tmp", whole);
    e = file_remove_tree(bytes_text(&half));
    if (!e.code) e = write_folder(tr, bytes_text(&half), progress);
    if (!e.code) e = put_in_place(bytes_text(&half), whole);
    if (!e.code) e = file_sync_folder(run_folder);
    (void)file_remove_tree(bytes_text(&half)); /* what was there, or what could not be put there */
    bytes_free(&half);
    free(whole);
    return e;
}

/* -- loading
 * --------------------------------------------------------------------------------------------------- */

enum { STATE_JSON_BYTES_MAX = 1 << 20 };

static err check_tensors(const training_saved *saved, bytes_view file, const char *path)
{
    char hex[SHA256_HEX_SIZE];
    if (file.size != saved->bytes)
        return err_make(ERR_FORMAT, "%s has %zu bytes, state.json says %" PRIu64, path, file.size,
                        saved->bytes);
    sha256_of(file, hex);
    return strcmp(hex, saved->sha256) == 0
               ? ERR_OK
               : err_make(ERR_FORMAT, "%s does not have the sha256 that state.json says", path);
}

static void put_back(training_trainer *tr, const training_saved *saved)
{
    training_trainer_put_back(tr, &saved->carried);
    training_trainer_rate_set(tr, saved->rate);
    training_trainer_total_set(tr, saved->curve, false);
    training_trainer_total_set(tr, saved->total, true);
}

/* tr NULL: it is only looked at. */
static err load_folder(training_trainer *tr, const char *folder, training_saved *saved)
{
    CLEANUP(bytes_free) bytes text = {0};
    char *json = file_join(folder, "state.json"), *path = file_join(folder, "state.safetensors");
    file_mapping map = {0};
    err e = file_read(json, STATE_JSON_BYTES_MAX, &text);
    if (!e.code) e = err_note(training_saved_read(bytes_borrow(&text), saved), "%s", json);
    if (!e.code) e = file_map(path, &map);
    bytes_view file = {map.data, map.size};
    if (!e.code) e = check_tensors(saved, file, path);
    if (!e.code && tr) e = err_note(put_tensors(tr, file), "%s", path);
    if (!e.code && tr) put_back(tr, saved);
    file_unmap(&map);
    free(json);
    free(path);
    return e;
}

static err load_named(training_trainer *tr, const char *run_folder, const char *name, training_saved *saved)
{
    char *folder = file_join(run_folder, name);
    err e = load_folder(tr, folder, saved);
    free(folder);
    return e;
}

static err load_newest(training_trainer *tr, const char *run_folder, training_saved *saved)
{
    uint64_t *steps = NULL;
    size_t count = 0;
    err e = training_state_list(run_folder, &steps, &count), last = ERR_OK;
    bool loaded = false;
    while (!e.code && !loaded && count-- > 0) {
        char newest[TRAINING_STATE_NAME_SIZE];
        training_state_name(steps[count], newest);
        last = load_named(tr, run_folder, newest, saved);
        loaded = !last.code;
    }
    free(steps);
    if (e.code || loaded) return e;
    return last.code ? last : err_make(ERR_NOT_FOUND, "%s holds no saved state", run_folder);
}

err training_state_load(training_trainer *tr, const char *run_folder, const char *name,
                        training_progress *out)
{
    training_saved saved;
    err e = name ? load_named(tr, run_folder, name, &saved) : load_newest(tr, run_folder, &saved);
    if (!e.code) *out = saved.progress;
    return e;
}

err training_state_find(const char *run_folder, training_place *out)
{
    training_saved saved;
    err e = load_newest(NULL, run_folder, &saved);
    if (!e.code)
        *out = (training_place){
            .step = saved.carried.step, .epoch = saved.carried.epoch, .window = saved.carried.window};
    return e;
}

/* -- what is there
 * --------------------------------------------------------------------------------------------- */

static int by_step(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The step of "step-00000300"; false: another name. */
static bool step_of(const char *name, uint64_t *step)
{
    char *end, again[TRAINING_STATE_NAME_SIZE];
    if (strncmp(name, "step-", 5) != 0) return false;
    *step = strtoull(name + 5, &end, 10);
    training_state_name(*step, again);
    return strcmp(name, again) == 0;
}

static bool is_half(const char *name)
{
    size_t size = strlen(name);
    return strncmp(name, "step-", 5) == 0 && size > 4 && strcmp(name + size - 4, ".tmp") == 0;
}

err training_state_list(const char *run_folder, uint64_t **steps, size_t *count)
{
    file_list names = {0};
    *steps = NULL;
    *count = 0;
    err e = file_list_folder(run_folder, &names);
    if (e.code == ERR_NOT_FOUND) return ERR_OK;
    if (e.code) return e;
    *steps = memory_alloc((names.count + 1) * sizeof **steps);
    for (size_t i = 0; i < names.count; i++) {
        char *folder = file_join(run_folder, names.names[i]), *json = file_join(folder, "state.json");
        uint64_t step;
        if (is_half(names.names[i]))
            (void)file_remove_tree(folder);
        else if (step_of(names.names[i], &step) && file_exists(json))
            (*steps)[(*count)++] = step;
        free(folder);
        free(json);
    }
    qsort(*steps, *count, sizeof **steps, by_step);
    file_list_free(&names);
    return ERR_OK;
}

/* Under the name of a half-made one first: what a kill leaves of it is removed by the next who looks. */
static err remove_state(const char *run_folder, const char *name)
{
    bytes half = {0};
    char *whole = file_join(run_folder, name);
    bytes_printf(&half, "%s.tmp", whole);
    err e = file_remove_tree(bytes_text(&half));
    if (!e.code && rename(whole, bytes_text(&half)) != 0) e = err_errno("rename %s", whole);
    if (!e.code) e = file_remove_tree(bytes_text(&half));
    bytes_free(&half);
    free(whole);
    return e;
}

err training_state_prune(const char *run_folder, const uint64_t *keep, size_t keep_count)
{
    uint64_t *steps = NULL;
    size_t count = 0;
    err e = training_state_list(run_folder, &steps, &count);
    for (size_t i = 0; i < count && !e.code; i++) {
        bool kept = false;
        for (size_t k = 0; k < keep_count; k++) kept |= keep[k] == steps[i];
        if (kept) continue;
        char name[TRAINING_STATE_NAME_SIZE];
        training_state_name(steps[i], name);
        e = remove_state(run_folder, name);
    }
    free(steps);
    return e;
}

/* -- references
 * -------------------------------------------------------------------------------------------------- */

static const char references_mark[8] = "HSREFS2\n";

/* The mark, and the data whose examples they are of. */
static void references_head(const training_trainer *tr, bytes *out)
{
    char digest[SHA256_HEX_SIZE];
    training_trainer_digest(tr, digest);
    bytes_append(out, references_mark, sizeof references_mark);
    bytes_append_text(out, digest);
}

err training_references_save(const training_trainer *tr, const char *run_folder)
{
    CLEANUP(bytes_free) bytes data = {0};
    size_t count;
    const double *values = training_trainer_borrow_references(tr, &count);
    if (!values) return ERR_OK;
    references_head(tr, &data);
    bytes_append(&data, values, count * sizeof *values);
    return write_file(run_folder, "refs.bin", bytes_borrow(&data));
}

static err references_read(training_trainer *tr, bytes_view file)
{
    CLEANUP(bytes_free) bytes head = {0};
    references_head(tr, &head);
    size_t size = file.size - head.size;
    if (file.size < head.size || memcmp(file.data, head.data, head.size) != 0)
        return err_make(ERR_NOT_FOUND, "no reference log-probabilities of these data");
    if (size % sizeof(double)) return err_make(ERR_FORMAT, "reference log-probabilities that are cut off");
    double *values = memory_alloc(size + 1);
    memcpy(values, file.data + head.size, size);
    err e = training_trainer_set_references(tr, values, size / sizeof *values);
    free(values);
    return e;
}

err training_references_load(training_trainer *tr, const char *run_folder)
{
    CLEANUP(bytes_free) bytes data = {0};
    char *path = file_join(run_folder, "refs.bin");
    err e = file_read(path, (size_t)1 << 31, &data);
    if (!e.code) e = err_note(references_read(tr, bytes_borrow(&data)), "%s", path);
    free(path);
    return e;
}
