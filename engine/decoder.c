/* engine/decoder.c: a step. Loading lies in decoder_load.c, the parts of a step in decoder_*.c. */
#include "engine/decoder.h"

#include <stdlib.h>

#include "base/macros.h"
#include "engine/decoder_internal.h"

const engine_spec *engine_decoder_borrow_spec(const engine_decoder *d) { return d->spec; }
tensor_device engine_decoder_device(const engine_decoder *d) { return d->device; }
tensor_type engine_decoder_type(const engine_decoder *d) { return d->type; }

engine_cache_shape engine_decoder_cache_shape(const engine_decoder *d)
{
    return (engine_cache_shape){
        .layer_count = d->spec->layer_count,
        .kv_head_count = d->spec->kv_head_count,
        .head_size = d->spec->head_size,
        .type = d->type,
        .device = d->device,
    };
}

void engine_decoder_watch(engine_decoder *d, bool (*go_on)(void *context), void *context)
{
    d->go_on = go_on;
    d->go_on_context = context;
}

/* All layers, each one's temporaries freed before the next begins. */
static err run_layers(const engine_decoder *d, tensor_scope *s, tensor **h, const engine_rows *rows)
{
    for (size_t layer = 0; layer < d->spec->layer_count && *h; layer++) {
        if (d->go_on && !d->go_on(d->go_on_context)) return err_make(ERR_CANCELLED, "the step was cancelled");
        size_t mark = tensor_scope_mark(s);
        tensor *next = tensor_keep(s, engine_decoder_layer(d, s, layer, *h, rows));
        tensor_scope_release(s, mark);
        tensor_free(*h);
        *h = tensor_adopt(s, next);
    }
    return ERR_OK;
}

static err run_step(engine_decoder *d, tensor_scope *s, const int32_t *ids, const engine_rows *rows,
                    float *logits)
{
    tensor *h = engine_decoder_embed(d, s, ids, rows);
    err e = run_layers(d, s, &h, rows);
    if (e.code) return e;
    size_t count = rows->wanted.row_count * d->spec->vocab_count;
    tensor *wanted = engine_head_run(d, s, h, rows);
    if (!h || (count && !wanted)) return ERR_OK; /* the scope says why */
    if (count) e = tensor_read_f32(wanted, logits, count);
    if (!e.code && d->spec->final_softcap > 0)
        kernel_softcap_run(logits, count, (float)d->spec->final_softcap);
    return e;
}

/* Reserved rows that were not committed go back. */
static void forget_rows(const engine_segment *segments, size_t segment_count)
{
    for (size_t i = 0; i < segment_count; i++)
        if (segments[i].cache) (void)engine_cache_rewind(segments[i].cache, segments[i].position);
}

err engine_decoder_step(engine_decoder *d, const int32_t *ids, const engine_segment *segments,
                        size_t segment_count, float *logits)
{
    tensor_scope *s = tensor_scope_new(false);
    engine_rows *rows = NULL;
    err e = engine_rows_new(d, s, segments, segment_count, &rows);
    if (e.code) {
        tensor_scope_close(s);
        return e;
    }
    e = run_step(d, s, ids, rows, logits);
    err failed = tensor_scope_close(s);
    if (!e.code) e = failed;
    if (e.code)
        forget_rows(segments, segment_count);
    else
        engine_rows_commit(rows);
    engine_rows_free(rows);
    return e;
}
