/* engine/kernels/softmax_body.h: one row of scores, over any lanes. */

/* Scaled and softcapped scores into scratch; gives their maximum. */
LANES_FN float softmax_scores(const kernel_softmax *job, size_t at, size_t count, float *scratch)
{
    lanes scale = lanes_all(job->scale), cap = lanes_all(job->softcap), most = lanes_all(-INFINITY);
    for (size_t i = 0; i < count; i += LANES) {
        lanes x = lanes_mul(any_load_part(job->x, at + i, count - i, job->type), scale);
        if (job->softcap > 0) x = lanes_mul(cap, lanes_tanh(lanes_div(x, cap)));
        lanes_store(scratch + i, x);
        if (i + LANES <= count) most = lanes_max(x, most);
    }
    float parts[LANES], maximum = -INFINITY;
    lanes_store(parts, most);
    for (size_t i = 0; i < LANES; i++) maximum = parts[i] > maximum ? parts[i] : maximum;
    for (size_t i = count / LANES * LANES; i < count; i++)
        maximum = scratch[i] > maximum ? scratch[i] : maximum;
    return maximum;
}

LANES_TARGET static void part_softmax(const kernel_softmax *job, size_t row, float *scratch)
{
    size_t unit = element_bytes(job->type), token = row % job->token_count;
    size_t begin = job->begin[token], count = job->end[token] - begin, at = row * job->key_count;
    char *x = (char *)job->x + at * unit;
    lanes maximum = lanes_all(softmax_scores(job, at + begin, count, scratch)), total = lanes_all(0);
    for (size_t i = count; i % LANES; i++) scratch[i] = -INFINITY;
    for (size_t i = 0; i < count; i += LANES) {
        lanes e = lanes_exp(lanes_sub(lanes_load(scratch + i), maximum));
        lanes_store(scratch + i, e);
        total = lanes_add(total, e);
    }
    lanes share = lanes_all(1.0f / lanes_sum(total));
    memset(x, 0, begin * unit);
    for (size_t i = 0; i < count; i += LANES)
        any_store_part(job->x, at + begin + i, count - i, job->type,
                       lanes_mul(lanes_load(scratch + i), share));
    memset(x + (begin + count) * unit, 0, (job->key_count - begin - count) * unit);
}
