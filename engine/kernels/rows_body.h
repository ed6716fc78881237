/* engine/kernels/rows_body.h: norm, rotation, gate and softcap of one row, over any lanes. */

LANES_TARGET static void part_norm(const kernel_norm *job, size_t row)
{
    size_t size = job->size, at = row * size;
    lanes squares = lanes_all(0);
    for (size_t i = 0; i < size; i += LANES) {
        lanes x = any_load_part(job->x, at + i, size - i, job->type);
        squares = lanes_fma(x, x, squares);
    }
    lanes factor = lanes_all(1.0f / sqrtf(lanes_sum(squares) / (float)size + job->eps));
    for (size_t i = 0; i < size; i += LANES) {
        lanes x = any_load_part(job->x, at + i, size - i, job->type);
        lanes w = any_load_part(job->weight, i, size - i, job->type);
        lanes y = lanes_mul(x, factor);
        if (job->kind == KERNEL_NORM_LLAMA) y = any_round(y, job->type);
        if (job->kind == KERNEL_NORM_GEMMA) w = lanes_add(w, lanes_all(1));
        any_store_part(job->y, at + i, size - i, job->type, lanes_mul(y, w));
    }
}

LANES_TARGET static void part_rope(const kernel_rope *job, size_t row)
{
    size_t half = job->half;
    const float *cos = job->cos + row * half, *sin = job->sin + row * half;
    for (size_t h = 0; h < job->head_count; h++) {
        size_t at = (row * job->head_count + h) * job->head_size;
        for (size_t i = 0; i < half; i += LANES) {
            size_t count = half - i;
            lanes c = any_load_part(cos, i, count, KERNEL_F32), s = any_load_part(sin, i, count, KERNEL_F32);
            lanes a = any_load_part(job->x, at + i, count, job->type);
            lanes b = any_load_part(job->x, at + half + i, count, job->type);
            lanes minus_b = lanes_sub(lanes_all(0), b);
            any_store_part(job->x, at + i, count, job->type, lanes_fma(minus_b, s, lanes_mul(a, c)));
            any_store_part(job->x, at + half + i, count, job->type, lanes_fma(a, s, lanes_mul(b, c)));
        }
    }
}

LANES_FN lanes gate_gelu(lanes x)
{
    float part[LANES];
    lanes_store(part, x);
    for (size_t i = 0; i < LANES; i++) part[i] = 0.5f * part[i] * (1 + erff(part[i] * 0.70710678f));
    return lanes_load(part);
}

LANES_FN lanes gate_activation(lanes x, kernel_activation activation)
{
    lanes zero = lanes_all(0), one = lanes_all(1), half = lanes_all(0.5f);
    switch (activation) {
    case KERNEL_SILU: return lanes_div(x, lanes_add(one, lanes_exp(lanes_sub(zero, x))));
    case KERNEL_GELU: return gate_gelu(x);
    case KERNEL_GELU_TANH: {
        lanes cube = lanes_mul(lanes_mul(x, x), x);
        lanes inner = lanes_mul(lanes_all(0.79788456f), lanes_fma(lanes_all(0.044715f), cube, x));
        return lanes_mul(lanes_mul(half, x), lanes_add(one, lanes_tanh(inner)));
    }
    case KERNEL_RELU: return lanes_max(x, zero);
    }
    return x;
}

LANES_TARGET static void part_gate(const kernel_gate *job, size_t row)
{
    size_t size = job->size, at = row * size;
    for (size_t i = 0; i < size; i += LANES) {
        lanes gate = any_load_part(job->gate, at + i, size - i, job->type);
        lanes up = any_load_part(job->up, at + i, size - i, job->type);
        lanes act = any_round(gate_activation(gate, job->activation), job->type);
        any_store_part(job->y, at + i, size - i, job->type, lanes_mul(act, up));
    }
}

LANES_TARGET static void part_softcap(float *x, size_t count, float cap)
{
    for (size_t i = 0; i < count; i += LANES) {
        lanes y = lanes_div(any_load_part(x, i, count - i, KERNEL_F32), lanes_all(cap));
        any_store_part(x, i, count - i, KERNEL_F32, lanes_mul(lanes_all(cap), lanes_tanh(y)));
    }
}
