/* engine/kernels/quantise_body.h: weights into few bits and back, over any lanes. */

/* Largest |w| of elements [begin, end); NaN when one of them is not finite. */
LANES_FN float quantise_largest(const void *weight, kernel_type type, size_t begin, size_t end)
{
    lanes most = lanes_all(0), none = lanes_all(0);
    for (size_t i = begin; i < end; i += LANES) {
        lanes x = any_load_part(weight, i, end - i, type);
        most = lanes_max(lanes_max(x, lanes_sub(lanes_all(0), x)), most);
        none = lanes_add(none, lanes_sub(x, x)); /* 0, but NaN for what is not finite */
    }
    float parts[LANES], maximum = 0;
    lanes_store(parts, most);
    for (size_t i = 0; i < LANES; i++) maximum = parts[i] > maximum ? parts[i] : maximum;
    return maximum + lanes_sum(none);
}

/* Rows [begin, end) into 8 bits, a scale each. False: an element is not finite. */
LANES_TARGET static bool part_quantise_int8(const kernel_quantised *q, const void *weight, kernel_type type,
                                            size_t begin, size_t end)
{
    for (size_t row = begin; row < end; row++) {
        size_t first = row * q->in;
        float most = quantise_largest(weight, type, first, first + q->in), scale = most / 127;
        if (most != most) return false;
        q->scales[row] = scale;
        /* A scale among the smallest numbers is itself rounded, and then the quotient may pass 127. */
        lanes step = lanes_all(scale > 0 ? scale : 1), limit = lanes_all(127), low = lanes_all(-127);
        for (size_t i = 0; i < q->in; i += LANES) {
            int8_t part[LANES];
            lanes x = lanes_div(any_load_part(weight, first + i, q->in - i, type), step);
            lanes_store_i8(part, lanes_max(lanes_min(lanes_round(x), limit), low));
            memcpy((int8_t *)q->values + first + i, part, MIN_OF(q->in - i, (size_t)LANES));
        }
    }
    return true;
}

/* The nearest entry of the table; halfway goes to the lower. */
LANES_FN lanes quantise_nf4_index(lanes x)
{
    lanes index = lanes_all(0);
    for (int i = 1; i < 16; i++) {
        lanes middle = lanes_all((kernel_nf4_table[i - 1] + kernel_nf4_table[i]) / 2);
        index = lanes_add(index, lanes_above(x, middle));
    }
    return index;
}

/* One block from element `first` of weight on. */
LANES_FN void quantise_nf4_block(const void *weight, kernel_type type, size_t first, float most,
                                 uint16_t *words)
{
    lanes scale = lanes_all(most > 0 ? most : 1);
    for (size_t j = 0; j < KERNEL_NF4_WORDS; j += LANES) {
        lanes word = lanes_all(0);
        for (size_t k = KERNEL_NF4_BLOCK; k > 0; k -= KERNEL_NF4_WORDS) {
            lanes x = any_load(weight, first + k - KERNEL_NF4_WORDS + j, type);
            word = lanes_fma(word, lanes_all(16), quantise_nf4_index(lanes_div(x, scale)));
        }
        lanes_store_u16(words + j, word);
    }
}

/* Blocks [begin, end) of 64 into 4 bits, a scale each. False: an element is not finite. */
LANES_TARGET static bool part_quantise_nf4(const kernel_quantised *q, const void *weight, kernel_type type,
                                           size_t begin, size_t end)
{
    for (size_t block = begin; block < end; block++) {
        size_t first = block * KERNEL_NF4_BLOCK,
               count = MIN_OF((size_t)KERNEL_NF4_BLOCK, q->out * q->in - first);
        float most = q->scales[block] = quantise_largest(weight, type, first, first + count);
        uint16_t *words = (uint16_t *)q->values + block * KERNEL_NF4_WORDS;
        if (most != most) return false;
        if (count == KERNEL_NF4_BLOCK) {
            quantise_nf4_block(weight, type, first, most, words);
        } else {
            float rest[KERNEL_NF4_BLOCK] = {0};
            for (size_t i = 0; i < count; i++) rest[i] = kernel_element(weight, first + i, type);
            quantise_nf4_block(rest, KERNEL_F32, 0, most, words);
        }
    }
    return true;
}

/* Both loops once for each type: what they call is then free of the choice. While they read one row, they ask
 * for the row a tile further on. */
LANES_FN __attribute__((always_inline)) void expand_int8_as(const int8_t *values, size_t count, float scale,
                                                            kernel_type type, void *to)
{
    lanes factor = lanes_all(scale);
    size_t i = 0, line = 64;
    for (; i + line <= count; i += line) {
        __builtin_prefetch(values + KERNEL_TILE * count + i);
        for (size_t k = i; k < i + line; k += LANES)
            any_store(to, k, type, lanes_mul(lanes_load_i8(values + k), factor));
    }
    for (; i < count; i += LANES) {
        size_t rest = count - i;
        lanes x = rest >= LANES ? lanes_load_i8(values + i) : lanes_load_i8_part(values + i, rest);
        any_store_part(to, i, rest, type, lanes_mul(x, factor));
    }
}

/* Element i * LANES of the block goes to to[at + i * LANES]. */
LANES_FN __attribute__((always_inline)) void expand_nf4_block(const uint16_t *words, float scale,
                                                              kernel_type type, void *to, size_t at)
{
    lanes_nf4 block = lanes_nf4_open(words, scale);
    any_store(to, at, type, lanes_nf4_take(&block, 0));
    any_store(to, at + LANES, type, lanes_nf4_take(&block, 1));
    any_store(to, at + 2 * LANES, type, lanes_nf4_take(&block, 2));
    any_store(to, at + 3 * LANES, type, lanes_nf4_take(&block, 3));
#if LANES == 8
    any_store(to, at + 4 * LANES, type, lanes_nf4_take(&block, 4));
    any_store(to, at + 5 * LANES, type, lanes_nf4_take(&block, 5));
    any_store(to, at + 6 * LANES, type, lanes_nf4_take(&block, 6));
    any_store(to, at + 7 * LANES, type, lanes_nf4_take(&block, 7));
#endif
}

/* A row may begin and end within a block. */
LANES_FN __attribute__((always_inline)) void expand_nf4_as(const kernel_quantised *q, size_t row,
                                                           kernel_type type, void *to)
{
    const uint16_t *words = q->values;
    size_t begin = row * q->in, end = begin + q->in;
    for (size_t i = begin, next; i < end; i = next) {
        size_t block = i / KERNEL_NF4_BLOCK;
        next = MIN_OF((block + 1) * KERNEL_NF4_BLOCK, end);
        __builtin_prefetch((const char *)(words + block * KERNEL_NF4_WORDS) + KERNEL_TILE * q->in / 2);
        if (next - i == KERNEL_NF4_BLOCK) {
            expand_nf4_block(words + block * KERNEL_NF4_WORDS, q->scales[block], type, to, i - begin);
            continue;
        }
        float whole[KERNEL_NF4_BLOCK + LANES] = {0}, *part = whole + i % KERNEL_NF4_BLOCK;
        expand_nf4_block(words + block * KERNEL_NF4_WORDS, q->scales[block], KERNEL_F32, whole, 0);
        for (size_t k = 0; k < next - i; k += LANES)
            any_store_part(to, i - begin + k, next - i - k, type, lanes_load(part + k));
    }
}

/* A row of packed weights as f32 or bf16. */
LANES_TARGET static void part_expand(const kernel_quantised *q, size_t row, bool scaled, kernel_type type,
                                     void *to)
{
    const int8_t *bytes = (const int8_t *)q->values + row * q->in; /* of int8 */
    float scale = scaled && q->packing == KERNEL_INT8 ? q->scales[row] : 1;
    if (q->packing == KERNEL_NF4 && type == KERNEL_F32)
        expand_nf4_as(q, row, KERNEL_F32, to);
    else if (q->packing == KERNEL_NF4)
        expand_nf4_as(q, row, KERNEL_BF16, to);
    else if (type == KERNEL_F32)
        expand_int8_as(bytes, q->in, scale, KERNEL_F32, to);
    else
        expand_int8_as(bytes, q->in, scale, KERNEL_BF16, to);
}
