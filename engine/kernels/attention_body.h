/* engine/kernels/attention_body.h: one query token against keys and values in blocks, over any lanes.
 *
 * The heads that share a kv head go together, so that keys and values are read once. Block by block with a
 * running maximum: no room for all scores is needed and blocks are read in order. */

enum { HEADS_TOGETHER = 8, CACHE_LINE = 64 };

typedef struct head_group {
    size_t count;
    float q[HEADS_TOGETHER][KERNEL_HEAD_SIZE_MAX];   /* scaled; zero behind head_size */
    float sum[HEADS_TOGETHER][KERNEL_HEAD_SIZE_MAX]; /* of p · v */
    float scores[HEADS_TOGETHER][KERNEL_KEYS_BLOCK];
    float maximum[HEADS_TOGETHER], total[HEADS_TOGETHER];
} head_group;

LANES_FN void group_begin(head_group *g, const kernel_attention *job, const void *q)
{
    for (size_t h = 0; h < g->count; h++) {
        g->maximum[h] = -INFINITY;
        g->total[h] = 0;
        for (size_t i = 0; i < job->head_size; i += LANES) {
            lanes part = any_load_part(q, h * job->head_size + i, job->head_size - i, job->type);
            lanes_store(g->q[h] + i, lanes_mul(part, lanes_all(job->scale)));
            lanes_store(g->sum[h] + i, lanes_all(0));
        }
    }
}

LANES_FN float dot_key(const float *q, const void *keys, size_t at, size_t size, kernel_type type)
{
    lanes a = lanes_all(0), b = lanes_all(0);
    size_t i = 0;
    for (; i + 2 * LANES <= size; i += 2 * LANES) {
        a = lanes_fma(lanes_load(q + i), any_load(keys, at + i, type), a);
        b = lanes_fma(lanes_load(q + i + LANES), any_load(keys, at + i + LANES, type), b);
    }
    for (; i < size; i += LANES)
        a = lanes_fma(lanes_load(q + i), any_load_part(keys, at + i, size - i, type), a);
    return lanes_sum(lanes_add(a, b));
}

/* Ask for a row of what is read next, when there is something: blocks lie apart, so the machine does not
 * guess. */
LANES_FN void ask_row(const void *ahead, size_t row, size_t row_bytes)
{
    if (!ahead) return;
    const char *p = (const char *)ahead + row * row_bytes;
    for (size_t i = 0; i < row_bytes; i += CACHE_LINE) __builtin_prefetch(p + i);
}

/* Scores of `count` keys, softcapped, as e^(score - maximum); what was summed before is brought to the new
 * maximum. */
LANES_FN void group_score(head_group *g, const kernel_attention *job, size_t h, const void *keys,
                          size_t token, size_t count, kernel_type type, const void *ahead)
{
    float *scores = g->scores[h], maximum = g->maximum[h];
    size_t padded = (count + LANES - 1) / LANES * LANES, row_bytes = job->head_size * element_bytes(type);
    for (size_t t = 0; t < count; t++) {
        ask_row(ahead, token + t, row_bytes);
        scores[t] = dot_key(g->q[h], keys, (token + t) * job->head_size, job->head_size, type);
    }
    for (size_t t = count; t < padded; t++) scores[t] = 0;
    if (job->softcap > 0) {
        lanes cap = lanes_all(job->softcap);
        for (size_t t = 0; t < padded; t += LANES)
            lanes_store(scores + t, lanes_mul(cap, lanes_tanh(lanes_div(lanes_load(scores + t), cap))));
    }
    for (size_t t = 0; t < count; t++) maximum = scores[t] > maximum ? scores[t] : maximum;
    for (size_t t = 0; t < padded; t += LANES)
        lanes_store(scores + t, lanes_exp(lanes_sub(lanes_load(scores + t), lanes_all(maximum))));
    for (size_t t = count; t < padded; t++) scores[t] = 0;
    lanes sum = lanes_all(0);
    for (size_t t = 0; t < padded; t += LANES) sum = lanes_add(sum, lanes_load(scores + t));
    float part[LANES];
    lanes_store(part, lanes_exp(lanes_all(g->maximum[h] - maximum)));
    g->total[h] = g->total[h] * part[0] + lanes_sum(sum);
    g->maximum[h] = maximum;
    lanes shrink = lanes_all(part[0]);
    for (size_t i = 0; i < job->head_size; i += LANES)
        lanes_store(g->sum[h] + i, lanes_mul(lanes_load(g->sum[h] + i), shrink));
}

/* sum[h] += scores[h] times the values of `count` tokens from `token` on; asks for rows of `ahead` meanwhile. */
LANES_FN void group_add_values(head_group *g, size_t h, const void *values, size_t token, size_t count,
                               size_t size, kernel_type type, const void *ahead)
{
    const float *p = g->scores[h];
    float *sum = g->sum[h];
    size_t i = 0;
    for (; i + 4 * LANES <= size; i += 4 * LANES) {
        lanes a = lanes_load(sum + i), b = lanes_load(sum + i + LANES);
        lanes c = lanes_load(sum + i + 2 * LANES), d = lanes_load(sum + i + 3 * LANES);
        for (size_t t = 0; t < count; t++) {
            size_t at = (token + t) * size + i;
            ask_row(i == 0 ? ahead : NULL, t, size * element_bytes(type));
            lanes weight = lanes_all(p[t]);
            a = lanes_fma(weight, any_load(values, at, type), a);
            b = lanes_fma(weight, any_load(values, at + LANES, type), b);
            c = lanes_fma(weight, any_load(values, at + 2 * LANES, type), c);
            d = lanes_fma(weight, any_load(values, at + 3 * LANES, type), d);
        }
        lanes_store(sum + i, a);
        lanes_store(sum + i + LANES, b);
        lanes_store(sum + i + 2 * LANES, c);
        lanes_store(sum + i + 3 * LANES, d);
    }
    for (; i < size; i += LANES) {
        lanes a = lanes_load(sum + i);
        for (size_t t = 0; t < count; t++)
            a = lanes_fma(lanes_all(p[t]), any_load_part(values, (token + t) * size + i, size - i, type), a);
        lanes_store(sum + i, a);
    }
}

/* All keys that the query sees, block by block, for every head of the group. */
LANES_TARGET static void group_run(head_group *g, const kernel_attention *job, const kernel_query *query,
                                   const void *const *blocks, kernel_type type)
{
    for (size_t block = query->begin / KERNEL_KEYS_BLOCK; block * KERNEL_KEYS_BLOCK < query->end; block++) {
        size_t first = block * KERNEL_KEYS_BLOCK;
        size_t begin = MAX_OF(query->begin, first) - first;
        size_t end = MIN_OF(query->end - first, (size_t)KERNEL_KEYS_BLOCK);
        bool last = first + KERNEL_KEYS_BLOCK >= query->end;
        for (size_t h = 0; h < g->count; h++) {
            const void *keys = blocks[2 * block], *values = blocks[2 * block + 1];
            group_score(g, job, h, keys, begin, end - begin, type, h == 0 ? values : NULL);
            group_add_values(g, h, values, begin, end - begin, job->head_size, type,
                             h == 0 && !last ? blocks[2 * block + 2] : NULL);
        }
    }
}

/* One query against the keys and values of kv_head: the heads that share them, a few together. */
LANES_TARGET static void part_attention(const kernel_attention *job, const kernel_query *query,
                                        size_t kv_head)
{
    head_group g;
    size_t shared = job->head_count / job->kv_head_count, size = job->head_size;
    size_t unit = element_bytes(job->type);
    const void *const *blocks = query->blocks + kv_head * query->block_count * 2;
    for (size_t done = 0; done < shared; done += g.count) {
        g.count = MIN_OF(shared - done, (size_t)HEADS_TOGETHER);
        size_t at = (kv_head * shared + done) * size;
        group_begin(&g, job, (const char *)query->q + at * unit);
        if (job->type == KERNEL_F32)
            group_run(&g, job, query, blocks, KERNEL_F32);
        else
            group_run(&g, job, query, blocks, KERNEL_BF16);
        for (size_t h = 0; h < g.count; h++) {
            lanes share = lanes_all(1.0f / g.total[h]);
            for (size_t i = 0; i < size; i += LANES)
                any_store_part(query->out, at + h * size + i, size - i, job->type,
                               lanes_mul(lanes_load(g.sum[h] + i), share));
        }
    }
}
