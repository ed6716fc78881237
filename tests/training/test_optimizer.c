/* AdamW and clipping against the golden numbers of spec training.md, section 22; Lion and SGD by their
 * formulas. */
#include "training/optimizer.h"

#include "tests/support/small_training.h"

enum { STEPS = 3 };

static const float gradients[STEPS][2] = {{0.1f, -0.2f}, {0.05f, 0.3f}, {-0.4f, 0}};

/* A leaf of two numbers with a gradient: of loss = sum(p * g). */
static void give_gradient(tensor *leaf, const float *g, int64_t count)
{
    tensor_scope *s = tensor_scope_new(true);
    tensor *product = tensor_mul(s, leaf, tensor_from_f32(s, TENSOR_CPU, g, (size_t)count));
    tensor_grad_clear(leaf);
    tensor_backward(s, tensor_sum(s, product, 0, false));
    check_ok(tensor_scope_close(s));
}

static void check_pair(const tensor *t, const double wanted[2], double tolerance, const char *what)
{
    float got[2];
    check_ok(tensor_read_f32(t, got, 2));
    for (size_t i = 0; i < 2; i++)
        if (!(fabs((double)got[i] - wanted[i]) <= tolerance))
            fail_msg("%s[%zu] is %.9g, expected %.12g", what, i, (double)got[i], wanted[i]);
}

static tensor *pair_of(tensor_scope *s, float a, float b)
{
    const float values[] = {a, b};
    return tensor_from_f32(s, TENSOR_CPU, values, 2);
}

static void check_adamw(bool plain)
{
    static const double p_wanted[STEPS][2] = {{0.489500001000, -0.289700000500},
                                              {0.479688705790, -0.291887318564},
                                              {0.483423637445, -0.293510173371}};
    static const double m_wanted[STEPS][2] = {{0.01, -0.02}, {0.014, 0.012}, {-0.0274, 0.0108}};
    static const double v_wanted[STEPS][2] = {
        {1.0e-5, 4.0e-5}, {1.249e-5, 1.2996e-4}, {1.7247751e-4, 1.2983004e-4}};
    check_ok(tensor_door_open());
    tensor_scope *s = tensor_scope_new(false);
    tensor *p = pair_of(s, 0.5f, -0.3f), *m = pair_of(s, 0, 0), *v = pair_of(s, 0, 0);
    check_true(tensor_requires_grad(s, p));
    for (uint64_t t = 1; t <= STEPS; t++) {
        give_gradient(p, gradients[t - 1], 2);
        tensor_adamw how = {0.01, 0.9, 0.999, 1e-8, 0.1, t, plain};
        check_true(tensor_adamw_step(s, &p, &m, &v, 1, &how));
        check_pair(p, p_wanted[t - 1], 6e-8, "p");
        check_pair(m, m_wanted[t - 1], 4e-9, "m");
        check_pair(v, v_wanted[t - 1], 2e-11, "v");
    }
    check_ok(tensor_scope_close(s));
}

TEST(adamw_has_its_golden_numbers_as_written) { check_adamw(true); }
TEST(adamw_has_its_golden_numbers_fused) { check_adamw(false); }

TEST(lion_and_sgd_follow_their_formulas)
{
    check_ok(tensor_door_open());
    tensor_scope *s = tensor_scope_new(false);
    tensor *p = pair_of(s, 0.5f, -0.3f), *m = pair_of(s, 0.02f, -0.5f);
    check_true(tensor_requires_grad(s, p));
    give_gradient(p, (const float[]){-0.1f, 0.2f}, 2); /* 0.9 m + 0.1 g: above 0, below 0 */
    tensor_adamw how = {0.01, 0.9, 0.99, 0, 0.1, 1, false};
    check_true(tensor_lion_step(s, &p, &m, 1, &how));
    check_pair(p, (const double[]){0.5 * 0.999 - 0.01, -0.3 * 0.999 + 0.01}, 1e-7, "p");
    check_pair(m, (const double[]){0.99 * 0.02 - 0.01 * 0.1, -0.99 * 0.5 + 0.01 * 0.2}, 1e-7, "m");
    tensor *q = pair_of(s, 2, -1);
    check_true(tensor_requires_grad(s, q));
    give_gradient(q, (const float[]){0.5f, -0.25f}, 2);
    check_true(tensor_sgd_step(s, &q, 1, 0.1, 0.01));
    check_pair(q, (const double[]){2 - 0.1 * (0.5 + 0.02), -1 - 0.1 * (-0.25 - 0.01)}, 3e-7, "q");
    check_ok(tensor_scope_close(s));
}

TEST(clipping_tells_the_norm_before_and_scales_after)
{
    check_ok(tensor_door_open());
    tensor_scope *s = tensor_scope_new(false);
    tensor *a = pair_of(s, 1, 1), *b = pair_of(s, 1, 1), *all[] = {a, b};
    check_true(tensor_requires_grad(s, a) && tensor_requires_grad(s, b));
    give_gradient(a, (const float[]){3, 4}, 2);
    give_gradient(b, (const float[]){12, 0}, 2);
    double norm = 0;
    check_true(tensor_grads_norm(s, all, 2, &norm));
    check_true(norm == 13);
    check_true(tensor_grads_scale(s, all, 2, 0.076923071006));
    check_pair(tensor_grad(s, b), (const double[]){12 * 0.076923071006, 0}, 1e-7, "b");
    check_ok(tensor_scope_close(s));
}

/* -- over a trainable -------------------------------------------------------------------------------------
 */

static float first_of(const small_training *st, size_t i)
{
    return ((const float *)tensor_borrow_data(engine_trainable_borrow(st->t, i)))[0];
}

TEST(lora_plus_moves_b_and_m_faster_and_spares_m_from_decay)
{
    engine_trainable_options options = small_options();
    options.dora = true, options.targets = "q_proj", options.layers = "0";
    small_training st;
    small_training_open(&st, &options, true);
    training_optimizer_options how = training_optimizer_defaults(TRAINING_LION);
    how.ratio = 16, how.decay = 0.5;
    training_optimizer *o = NULL;
    check_ok(training_optimizer_new(st.t, &how, &o));
    check_int(training_optimizer_state_count(o), 3);
    check_text(training_optimizer_state_borrow_name(o, 0),
               "m.base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight");
    small_loss(&st, st.list, SMALL_ROWS, 0, 0, true);
    float before[3], g[3];
    for (size_t i = 0; i < 3; i++) {
        float *gradient = leaf_values(st.t, i, true);
        before[i] = first_of(&st, i), g[i] = gradient[0];
        free(gradient);
    }
    check_ok(training_optimizer_step(o, 1e-3));
    static const double rates[] = {1e-3, 16e-3, 16e-3}, decays[] = {0.5, 0.5, 0};
    for (size_t i = 0; i < 3; i++) {
        double wanted = (double)before[i] * (1 - rates[i] * decays[i]) - rates[i] * (g[i] > 0 ? 1 : -1);
        check_true(fabs((double)first_of(&st, i) - wanted) < 1e-6);
    }
    check_int(training_optimizer_steps(o), 1);
    training_optimizer_free(o);
    small_training_close(&st);
}

TEST(options_that_are_off_are_refused)
{
    engine_trainable_options options = small_options();
    small_training st;
    small_training_open(&st, &options, false);
    training_optimizer *o = NULL;
    training_optimizer_options how = training_optimizer_defaults(TRAINING_ADAMW);
    how.beta2 = 1;
    check_fails(training_optimizer_new(st.t, &how, &o), ERR_USAGE, "betas");
    how = training_optimizer_defaults(TRAINING_ADAMW), how.decay = -1;
    check_fails(training_optimizer_new(st.t, &how, &o), ERR_USAGE, "decay");
    how = training_optimizer_defaults(TRAINING_ADAMW), how.ratio = 0.5;
    check_fails(training_optimizer_new(st.t, &how, &o), ERR_USAGE, "LoRA+");
    training_optimizer_kind kind;
    check_true(!training_optimizer_parse("adam8bit", &kind));
    small_training_close(&st);
}

TESTS(RUN(adamw_has_its_golden_numbers_as_written), RUN(adamw_has_its_golden_numbers_fused),
      RUN(lion_and_sgd_follow_their_formulas), RUN(clipping_tells_the_norm_before_and_scales_after),
      RUN(lora_plus_moves_b_and_m_faster_and_spares_m_from_decay), RUN(options_that_are_off_are_refused))
