/* engine/kernels/lanes_body.h: what all bodies share, over any lanes: elements of either type, exp and tanh.
 */

LANES_FN lanes any_load(const void *p, size_t i, kernel_type type)
{
    return type == KERNEL_F32 ? lanes_load((const float *)p + i) : lanes_load_bf16((const uint16_t *)p + i);
}

LANES_FN lanes any_load_part(const void *p, size_t i, size_t count, kernel_type type)
{
    if (count >= LANES) return any_load(p, i, type);
    return type == KERNEL_F32 ? lanes_load_part((const float *)p + i, count)
                              : lanes_load_bf16_part((const uint16_t *)p + i, count);
}

LANES_FN void any_store(void *p, size_t i, kernel_type type, lanes a)
{
    if (type == KERNEL_F32)
        lanes_store((float *)p + i, a);
    else
        lanes_store_bf16((uint16_t *)p + i, a);
}

LANES_FN void any_store_part(void *p, size_t i, size_t count, kernel_type type, lanes a)
{
    if (type == KERNEL_F32) {
        float part[LANES];
        if (count >= LANES) {
            lanes_store((float *)p + i, a);
            return;
        }
        lanes_store(part, a);
        memcpy((float *)p + i, part, count * sizeof *part);
    } else {
        uint16_t part[LANES];
        if (count >= LANES) {
            lanes_store_bf16((uint16_t *)p + i, a);
            return;
        }
        lanes_store_bf16(part, a);
        memcpy((uint16_t *)p + i, part, count * sizeof *part);
    }
}

/* As if stored and loaded again. */
LANES_FN lanes any_round(lanes a, kernel_type type)
{
    if (type == KERNEL_F32) return a;
    uint16_t part[LANES];
    lanes_store_bf16(part, a);
    return lanes_load_bf16(part);
}

/* e^x to 2 units in the last place; below -87 about 1e-38, above 88 about 1e38. x = n·ln 2 + r, |r| <= ln 2 /
 * 2, e^r by its Taylor series to the 7th power. */
LANES_FN lanes lanes_exp(lanes x)
{
    static const float series[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
    x = lanes_max(lanes_min(x, lanes_all(88.0f)), lanes_all(-87.0f));
    lanes n = lanes_round(lanes_mul(x, lanes_all(1.44269504f)));
    lanes r = lanes_fma(n, lanes_all(-0.693359375f), x); /* ln 2 in two parts */
    r = lanes_fma(n, lanes_all(2.12194440e-4f), r);
    lanes y = lanes_all(1.0f / 5040);
    for (size_t i = 0; i < COUNT_OF(series); i++) y = lanes_fma(y, r, lanes_all(series[i]));
    return lanes_scale2(y, n);
}

LANES_FN lanes lanes_tanh(lanes x)
{
    lanes one = lanes_all(1), e = lanes_exp(lanes_add(x, x));
    return lanes_sub(one, lanes_div(lanes_all(2), lanes_add(one, e)));
}
