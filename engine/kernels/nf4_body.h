/* engine/kernels/nf4_body.h: y = W x for one row x and an nf4 weight whose rows are whole blocks. Included
 * once for each kind of x, with NF4_NAME           the kernel_linear_part that is defined here NF4_TILE(name)
 * a name for its helpers NF4_TARGET         the target attribute NF4_X              elements of the packed
 * row NF4_BLOCK, NF4_OPEN(words, scale)   a block that is about to be multiplied NF4_TAKE(block, i), NF4_STEP
 * its elements i * NF4_STEP and on, as an NF4_VECTOR NF4_VECTOR, NF4_LOAD_X(p), NF4_SUM, NF4_ZERO,
 * NF4_MAC(sum, w, x), NF4_REDUCE(sum) The chain of sums is linear_body.h's: a block is expanded in registers,
 * in the order of its elements. */

/* The i-th vector of the block, of each of four outputs. */
#define NF4_EACH(i)                                                                                          \
    {                                                                                                        \
        NF4_VECTOR v = NF4_LOAD_X(x + (i)*NF4_STEP);                                                         \
        s0 = NF4_MAC(s0, NF4_TAKE(&b0, (i)), v);                                                             \
        s1 = NF4_MAC(s1, NF4_TAKE(&b1, (i)), v);                                                             \
        s2 = NF4_MAC(s2, NF4_TAKE(&b2, (i)), v);                                                             \
        s3 = NF4_MAC(s3, NF4_TAKE(&b3, (i)), v);                                                             \
    }

NF4_TARGET static void NF4_TILE(tile)(const uint16_t *w, const float *scales, size_t blocks, const NF4_X *x,
                                      float values[KERNEL_TILE])
{
    size_t row = blocks * KERNEL_NF4_WORDS, ahead = KERNEL_TILE * row;
    NF4_SUM s0 = NF4_ZERO, s1 = NF4_ZERO, s2 = NF4_ZERO, s3 = NF4_ZERO;
    for (size_t b = 0; b < blocks; b++, w += KERNEL_NF4_WORDS, x += KERNEL_NF4_BLOCK) {
        NF4_BLOCK b0 = NF4_OPEN(w, scales[b]), b1 = NF4_OPEN(w + row, scales[blocks + b]),
                  b2 = NF4_OPEN(w + 2 * row, scales[2 * blocks + b]),
                  b3 = NF4_OPEN(w + 3 * row, scales[3 * blocks + b]);
        __builtin_prefetch(w + ahead), __builtin_prefetch(w + ahead + row);
        __builtin_prefetch(w + ahead + 2 * row), __builtin_prefetch(w + ahead + 3 * row);
        NF4_EACH(0);
        NF4_EACH(1);
#if NF4_STEP < 32
        NF4_EACH(2);
        NF4_EACH(3);
#endif
#if NF4_STEP < 16
        NF4_EACH(4);
        NF4_EACH(5);
        NF4_EACH(6);
        NF4_EACH(7);
#endif
    }
    values[0] = NF4_REDUCE(s0), values[1] = NF4_REDUCE(s1), values[2] = NF4_REDUCE(s2),
    values[3] = NF4_REDUCE(s3);
}

/* One output: the last ones of a matrix. */
NF4_TARGET static float NF4_TILE(dot)(const uint16_t *w, const float *scales, size_t blocks, const NF4_X *x)
{
    NF4_SUM sum = NF4_ZERO;
    for (size_t b = 0; b < blocks; b++) {
        NF4_BLOCK block = NF4_OPEN(w + b * KERNEL_NF4_WORDS, scales[b]);
        for (int i = 0; i < KERNEL_NF4_BLOCK / NF4_STEP; i++) {
            NF4_VECTOR v = NF4_LOAD_X(x + b * KERNEL_NF4_BLOCK + (size_t)i * NF4_STEP);
            sum = NF4_MAC(sum, NF4_TAKE(&block, i), v);
        }
    }
    return NF4_REDUCE(sum);
}

NF4_TARGET void NF4_NAME(const kernel_linear_packed *packed, size_t out_begin, size_t out_end)
{
    const kernel_linear *job = packed->job;
    const kernel_quantised *q = job->quantised;
    size_t blocks = job->in / KERNEL_NF4_BLOCK, out = out_begin;
    float values[KERNEL_TILE][KERNEL_TILE];
    for (; out < out_end; out += KERNEL_TILE) {
        size_t first = (job->begin + out) * blocks, count = out_end - out;
        const uint16_t *w = (const uint16_t *)q->values + first * KERNEL_NF4_WORDS;
        const float *scales = q->scales + first;
        if (count >= KERNEL_TILE) {
            count = KERNEL_TILE;
            NF4_TILE(tile)(w, scales, blocks, packed->x, values[0]);
        } else {
            for (size_t o = 0; o < count; o++)
                values[0][o] =
                    NF4_TILE(dot)(w + o * blocks * KERNEL_NF4_WORDS, scales + o * blocks, blocks, packed->x);
        }
        kernel_linear_store(packed, out, count, 0, 1, values);
    }
}

#undef NF4_EACH
#undef NF4_NAME
#undef NF4_TILE
#undef NF4_TARGET
#undef NF4_X
#undef NF4_BLOCK
#undef NF4_OPEN
#undef NF4_TAKE
#undef NF4_STEP
#undef NF4_VECTOR
#undef NF4_LOAD_X
#undef NF4_SUM
#undef NF4_ZERO
#undef NF4_MAC
#undef NF4_REDUCE
