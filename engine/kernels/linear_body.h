/* engine/kernels/linear_body.h: y = W x for one kind of weight. Included once for each, with
 *   LINEAR_NAME          the kernel_linear_part that is defined here
 *   LINEAR_TILE(name)    a name for its helpers
 *   LINEAR_TARGET        the target attribute
 *   LINEAR_WEIGHT, LINEAR_X     elements of the weight and of a packed row
 *   LINEAR_VECTOR, LINEAR_STEP  what a load gives, of how many elements
 *   LINEAR_LOAD(p), LINEAR_LOAD_PART(p, n), LINEAR_LOAD_X(p)
 *   LINEAR_SUM, LINEAR_ZERO, LINEAR_MAC(sum, w, x), LINEAR_REDUCE(sum)
 * Each (output, row) has one chain of sums along `in`, the same in every tile: that is what makes a row's
 * result independent of its company. While it works, a tile asks for the weights of the next one. */

#define LINEAR_ROW(r, x)                                                                                     \
    {                                                                                                        \
        LINEAR_VECTOR v = LINEAR_LOAD_X(x);                                                                  \
        s##r##0 = LINEAR_MAC(s##r##0, w0, v);                                                                \
        s##r##1 = LINEAR_MAC(s##r##1, w1, v);                                                                \
        s##r##2 = LINEAR_MAC(s##r##2, w2, v);                                                                \
        s##r##3 = LINEAR_MAC(s##r##3, w3, v);                                                                \
    }
#define LINEAR_SUMS(r)                                                                                       \
    LINEAR_SUM s##r##0 = LINEAR_ZERO, s##r##1 = LINEAR_ZERO, s##r##2 = LINEAR_ZERO, s##r##3 = LINEAR_ZERO
#define LINEAR_GIVE(r)                                                                                       \
    values[r][0] = LINEAR_REDUCE(s##r##0), values[r][1] = LINEAR_REDUCE(s##r##1),                            \
    values[r][2] = LINEAR_REDUCE(s##r##2), values[r][3] = LINEAR_REDUCE(s##r##3)
#define LINEAR_WEIGHTS(load)                                                                                 \
    LINEAR_VECTOR w0 = load(w + i), w1 = load(w + in + i), w2 = load(w + 2 * in + i),                        \
                  w3 = load(w + 3 * in + i)
#define LINEAR_ASK()                                                                                         \
    __builtin_prefetch(w + ahead + i), __builtin_prefetch(w + ahead + in + i),                               \
        __builtin_prefetch(w + ahead + 2 * in + i), __builtin_prefetch(w + ahead + 3 * in + i)
#define LINEAR_LOAD_REST(p) LINEAR_LOAD_PART((p), in - i)

LINEAR_TARGET static void LINEAR_TILE(tile_4_rows)(const LINEAR_WEIGHT *w, size_t in, size_t ahead,
                                                   const LINEAR_X *x, size_t stride,
                                                   float values[KERNEL_TILE][KERNEL_TILE])
{
    LINEAR_SUMS(0);
    LINEAR_SUMS(1);
    LINEAR_SUMS(2);
    LINEAR_SUMS(3);
    size_t i = 0;
    for (; i + LINEAR_STEP <= in; i += LINEAR_STEP) {
        LINEAR_WEIGHTS(LINEAR_LOAD);
        LINEAR_ASK();
        LINEAR_ROW(0, x + i);
        LINEAR_ROW(1, x + stride + i);
        LINEAR_ROW(2, x + 2 * stride + i);
        LINEAR_ROW(3, x + 3 * stride + i);
    }
    if (i < in) {
        LINEAR_WEIGHTS(LINEAR_LOAD_REST);
        LINEAR_ROW(0, x + i);
        LINEAR_ROW(1, x + stride + i);
        LINEAR_ROW(2, x + 2 * stride + i);
        LINEAR_ROW(3, x + 3 * stride + i);
    }
    LINEAR_GIVE(0);
    LINEAR_GIVE(1);
    LINEAR_GIVE(2);
    LINEAR_GIVE(3);
}

LINEAR_TARGET static void LINEAR_TILE(tile_1_row)(const LINEAR_WEIGHT *w, size_t in, size_t ahead,
                                                  const LINEAR_X *x, float values[KERNEL_TILE][KERNEL_TILE])
{
    LINEAR_SUMS(0);
    size_t i = 0;
    for (; i + LINEAR_STEP <= in; i += LINEAR_STEP) {
        LINEAR_WEIGHTS(LINEAR_LOAD);
        LINEAR_ASK();
        LINEAR_ROW(0, x + i);
    }
    if (i < in) {
        LINEAR_WEIGHTS(LINEAR_LOAD_REST);
        LINEAR_ROW(0, x + i);
    }
    LINEAR_GIVE(0);
}

/* One output, one row: the last outputs of a matrix. */
LINEAR_TARGET static float LINEAR_TILE(dot)(const LINEAR_WEIGHT *w, size_t in, const LINEAR_X *x)
{
    LINEAR_SUM sum = LINEAR_ZERO;
    size_t i = 0;
    for (; i + LINEAR_STEP <= in; i += LINEAR_STEP) {
        LINEAR_VECTOR v = LINEAR_LOAD_X(x + i), u = LINEAR_LOAD(w + i);
        sum = LINEAR_MAC(sum, u, v);
    }
    if (i < in) {
        LINEAR_VECTOR v = LINEAR_LOAD_X(x + i), u = LINEAR_LOAD_REST(w + i);
        sum = LINEAR_MAC(sum, u, v);
    }
    return LINEAR_REDUCE(sum);
}

LINEAR_TARGET void LINEAR_NAME(const kernel_linear_packed *packed, size_t out_begin, size_t out_end)
{
    const kernel_linear *job = packed->job;
    const LINEAR_X *x = packed->x;
    size_t in = job->in, rows = job->row_count, stride = packed->stride, out = out_begin;
    float values[KERNEL_TILE][KERNEL_TILE];
    for (; out + KERNEL_TILE <= out_end; out += KERNEL_TILE) {
        const LINEAR_WEIGHT *w = (const LINEAR_WEIGHT *)packed->weight + (out - packed->first) * in;
        size_t row = 0;
        for (; row + KERNEL_TILE <= rows; row += KERNEL_TILE) {
            LINEAR_TILE(tile_4_rows)(w, in, packed->ahead, x + row * stride, stride, values);
            kernel_linear_store(packed, out, KERNEL_TILE, row, KERNEL_TILE, values);
        }
        for (; row < rows; row++) {
            LINEAR_TILE(tile_1_row)(w, in, packed->ahead, x + row * stride, values);
            kernel_linear_store(packed, out, KERNEL_TILE, row, 1, values);
        }
    }
    for (; out < out_end; out++) {
        for (size_t row = 0; row < rows; row++) {
            const LINEAR_WEIGHT *w = (const LINEAR_WEIGHT *)packed->weight + (out - packed->first) * in;
            values[0][0] = LINEAR_TILE(dot)(w, in, x + row * stride);
            kernel_linear_store(packed, out, 1, row, 1, values);
        }
    }
}

#undef LINEAR_ROW
#undef LINEAR_SUMS
#undef LINEAR_GIVE
#undef LINEAR_WEIGHTS
#undef LINEAR_ASK
#undef LINEAR_LOAD_REST
#undef LINEAR_NAME
#undef LINEAR_TILE
#undef LINEAR_TARGET
#undef LINEAR_WEIGHT
#undef LINEAR_X
#undef LINEAR_VECTOR
#undef LINEAR_STEP
#undef LINEAR_LOAD
#undef LINEAR_LOAD_PART
#undef LINEAR_LOAD_X
#undef LINEAR_SUM
#undef LINEAR_ZERO
#undef LINEAR_MAC
#undef LINEAR_REDUCE
