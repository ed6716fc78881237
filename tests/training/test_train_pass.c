/* The pass against differences of its own loss, and against itself run in other lawful ways. */
#include "base/file.h"
#include "tests/support/small_training.h"

/* -- gradients against differences ---------------------------------------------------------------------- */

/* d loss along a random direction of one leaf: by its gradient, and by differences over two steps,
 * extrapolated to none. DoRA's norms are constants to the gradient, but move with A and B: their part, the
 * sum of -(m / c) dL/dm dc, is taken off the difference. The loss of about 6 is summed from f32, so a
 * difference is good to about 1e-6 over the step, 5e-4; the bound is five times that. */
enum { DIRECTION_SEED = 11 };
static const float difference_step = 2e-3f;
static const double difference_bound = 2.5e-3;

static void move(tensor *leaf, float by)
{
    uint64_t seed = DIRECTION_SEED;
    float *values = tensor_borrow_data_mutable(leaf);
    for (int64_t v = 0; v < tensor_count(leaf); v++) values[v] += derived_random_next(&seed) & 1 ? by : -by;
}

static double along(const float *gradient, size_t count)
{
    uint64_t seed = DIRECTION_SEED;
    double sum = 0;
    for (size_t v = 0; v < count; v++)
        sum += derived_random_next(&seed) & 1 ? (double)gradient[v] : -(double)gradient[v];
    return sum;
}

/* The loss with a leaf moved by so much, and DoRA's norms of its module then (NULL: it has none). */
static double loss_moved(small_training *st, size_t i, double dropout, float by, float **norms)
{
    tensor *leaf = engine_trainable_borrow(st->t, i);
    float *kept = leaf_values(st->t, i, false);
    move(leaf, by);
    double loss = small_loss(st, st->list, SMALL_ROWS, dropout, 0, false);
    const tensor *now = st->t->parts[st->t->leaves[i].module].norms;
    *norms = now ? memory_alloc((size_t)tensor_count(now) * sizeof(float)) : NULL;
    if (now) check_ok(tensor_read_f32(now, *norms, (size_t)tensor_count(now)));
    memcpy(tensor_borrow_data_mutable(leaf), kept, tensor_bytes(leaf));
    free(kept);
    return loss;
}

static float *gradient_of_magnitude(const small_training *st, size_t module)
{
    for (size_t i = 0; i < engine_trainable_count(st->t); i++)
        if (st->t->leaves[i].module == module && st->t->leaves[i].kind == ENGINE_LEAF_MAGNITUDE)
            return leaf_values(st->t, i, true);
    return NULL;
}

/* What moving norms add to a difference. */
static double norms_part(const small_training *st, size_t module, const float *up, const float *down,
                         float step)
{
    const tensor *magnitude = st->t->parts[module].magnitude;
    const float *m = tensor_borrow_data(magnitude);
    float *of_m = gradient_of_magnitude(st, module);
    double sum = 0;
    for (int64_t o = 0; o < tensor_count(magnitude); o++) {
        double c = ((double)up[o] + (double)down[o]) / 2, moved = (double)up[o] - (double)down[o];
        sum -= (double)m[o] / c * (double)of_m[o] * moved / (2 * (double)step);
    }
    free(of_m);
    return sum;
}

static double difference_of(small_training *st, size_t i, double dropout, float step)
{
    float *up = NULL, *down = NULL;
    double more = loss_moved(st, i, dropout, step, &up), less = loss_moved(st, i, dropout, -step, &down);
    double slope = (more - less) / (2 * (double)step);
    if (up && st->t->leaves[i].kind != ENGINE_LEAF_MAGNITUDE)
        slope -= norms_part(st, st->t->leaves[i].module, up, down, step);
    free(up);
    free(down);
    return slope;
}

static double check_leaf(small_training *st, size_t i, double dropout)
{
    float *gradient = leaf_values(st->t, i, true);
    double wanted = along(gradient, (size_t)tensor_count(engine_trainable_borrow(st->t, i)));
    free(gradient);
    double near = difference_of(st, i, dropout, difference_step);
    double got = (4 * near - difference_of(st, i, dropout, 2 * difference_step)) / 3,
           off = fabs(got - wanted);
    if (!(off <= difference_bound * (1 + fabs(wanted))))
        fail_msg("%s: %g by differences, %g by its gradient", engine_trainable_borrow_name(st->t, i), got,
                 wanted);
    return off / (1 + fabs(wanted));
}

static void check_gradients_of(small_training *st, double dropout)
{
    small_loss(st, st->list, SMALL_ROWS, dropout, 0, true);
    double most = 0;
    for (size_t i = 0; i < engine_trainable_count(st->t); i++) most = fmax(most, check_leaf(st, i, dropout));
    print_message("%zu leaves, off by %.1e at most\n", engine_trainable_count(st->t), most);
    small_training_close(st);
}

static void check_gradients(const engine_trainable_options *options, double dropout)
{
    small_training st;
    small_training_open(&st, options, true);
    check_gradients_of(&st, dropout);
}

TEST(gradients_on_a_quantised_base_are_those_of_its_loss)
{
    small_training st;
    engine_trainable_options options = small_options();
    small_training_open_quantised(&st, &options, ENGINE_NF4);
    check_gradients_of(&st, 0);
    options.dora = true;
    small_training_open_quantised(&st, &options, ENGINE_INT8);
    check_gradients_of(&st, 0);
}

TEST(a_quantised_base_is_not_trained_whole)
{
    small_training st;
    engine_trainable_options options = small_options();
    small_training_open_quantised(&st, &options, ENGINE_INT8);
    engine_trainable *t = NULL;
    options.full = true;
    check_fails(engine_trainable_new(st.m.decoder, &options, &t), ERR_UNSUPPORTED, "quantised base");
    small_training_close(&st);
}

TEST(gradients_are_those_of_the_loss)
{
    engine_trainable_options options = small_options();
    check_gradients(&options, 0);
}

TEST(gradients_under_dropout_are_those_of_the_loss)
{
    engine_trainable_options options = small_options();
    check_gradients(&options, 0.3);
}

TEST(gradients_of_dora_are_those_of_the_loss)
{
    engine_trainable_options options = small_options();
    options.dora = true;
    check_gradients(&options, 0);
}

TEST(gradients_of_dora_under_dropout_are_those_of_the_loss)
{
    engine_trainable_options options = small_options();
    options.dora = true;
    check_gradients(&options, 0.3);
}

TEST(gradients_of_whole_weights_are_those_of_the_loss)
{
    engine_trainable_options options = small_options();
    options.full = true;
    check_gradients(&options, 0);
}

/* -- the same in other ways ----------------------------------------------------------------------------- */

static void check_same_bits(const float *a, const float *b, size_t count, const char *what)
{
    if (memcmp(a, b, count * sizeof *a) != 0) fail_msg("%s: gradients differ", what);
}

static void check_modes(const engine_trainable_options *options, double dropout)
{
    small_training st;
    small_training_open(&st, options, true);
    size_t count = engine_trainable_parameters(st.t);
    float *off = small_gradients_of(&st, dropout, 0);
    for (size_t layers = 1; layers <= 3; layers++) {
        float *again = small_gradients_of(&st, dropout, layers);
        check_same_bits(off, again, count, "layers computed again");
        free(again);
    }
    free(off);
    small_training_close(&st);
}

TEST(layers_computed_again_give_the_same_gradients_bit_for_bit)
{
    engine_trainable_options options = small_options();
    check_modes(&options, 0);
    check_modes(&options, 0.2);
    options.dora = true;
    check_modes(&options, 0.2);
    options.dora = false, options.full = true;
    check_modes(&options, 0);
}

TEST(a_micro_batch_changes_nothing_but_the_last_bits)
{
    engine_trainable_options options = small_options();
    small_training st;
    small_training_open(&st, &options, true);
    size_t count = engine_trainable_parameters(st.t);
    float *together = small_gradients_of(&st, 0.2, 0);
    engine_trainable_clear(st.t);
    for (size_t i = 0; i < SMALL_ROWS; i++) small_loss(&st, &st.list[i], 1, 0.2, 0, true);
    float *alone = small_gradients(&st);
    check_true(relative_difference(together, alone, count) < 1e-5);
    free(together);
    free(alone);
    small_training_close(&st);
}

/* The rows of a small training as segments of one. */
typedef struct packed {
    int32_t ids[64], targets[64];
    size_t begins[SMALL_ROWS];
    engine_train_row row;
} packed;

static void pack(const small_training *st, packed *p)
{
    size_t count = 0;
    for (size_t i = 0; i < SMALL_ROWS; i++) {
        p->begins[i] = count;
        memcpy(p->ids + count, st->rows[i].ids, st->rows[i].count * sizeof(int32_t));
        memcpy(p->targets + count, st->rows[i].targets, st->rows[i].count * sizeof(int32_t));
        count += st->rows[i].count;
    }
    p->row = (engine_train_row){.ids = p->ids,
                                .targets = p->targets,
                                .count = count,
                                .segment_begins = p->begins,
                                .segment_count = SMALL_ROWS};
}

TEST(a_packed_row_equals_its_segments_run_one_by_one)
{
    engine_trainable_options options = small_options();
    small_training st;
    small_training_open(&st, &options, true);
    packed p;
    pack(&st, &p);
    double packed_loss = small_loss(&st, &p.row, 1, 0, 0, true), sum = 0;
    float *together = small_gradients(&st);
    engine_trainable_clear(st.t);
    for (size_t i = 0; i < SMALL_ROWS; i++) sum += small_loss(&st, &st.list[i], 1, 0, 0, true);
    float *alone = small_gradients(&st);
    check_true(fabs(packed_loss - sum) < 1e-6 * sum);
    check_true(relative_difference(together, alone, engine_trainable_parameters(st.t)) < 1e-5);
    free(together);
    free(alone);
    small_training_close(&st);
}

static void segment_logprobs(small_training *st, const packed *p, double out[SMALL_ROWS])
{
    engine_train_result result;
    engine_train_request request = {.rows = &p->row, .row_count = 1, .segment_logprobs = out};
    check_ok(engine_train_pass(st->m.decoder, st->t, &request, &result));
}

TEST(a_token_of_one_segment_changes_no_other_segment)
{
    engine_trainable_options options = small_options();
    small_training st;
    small_training_open(&st, &options, true);
    packed p;
    double before[SMALL_ROWS], after[SMALL_ROWS];
    pack(&st, &p);
    segment_logprobs(&st, &p, before);
    p.ids[p.begins[1] + 2] ^= 1;
    segment_logprobs(&st, &p, after);
    check_true(before[0] == after[0] && before[2] == after[2] && before[1] != after[1]);
    small_training_close(&st);
}

/* One that trains as if all rows were one segment gives other numbers: the test above can fail. */
TEST(rows_that_are_not_cut_into_segments_give_other_numbers)
{
    engine_trainable_options options = small_options();
    small_training st;
    small_training_open(&st, &options, true);
    packed p;
    pack(&st, &p);
    double cut = small_loss(&st, &p.row, 1, 0, 0, false);
    p.row.segment_begins = NULL;
    check_true(fabs(small_loss(&st, &p.row, 1, 0, 0, false) - cut) > 1e-3);
    small_training_close(&st);
}

/* -- beginnings ----------------------------------------------------------------------------------------- */

TEST(a_fresh_adapter_changes_no_bit)
{
    engine_trainable_options options = small_options();
    static const char *const inits[] = {"default", "gaussian"};
    for (size_t i = 0; i < COUNT_OF(inits); i++) {
        options.init = inits[i];
        small_training st;
        small_training_open(&st, &options, false);
        double with[SMALL_ROWS], without[SMALL_ROWS];
        packed p;
        pack(&st, &p);
        segment_logprobs(&st, &p, with);
        engine_trainable *t = st.t;
        st.t = NULL;
        segment_logprobs(&st, &p, without);
        check_true(memcmp(with, without, sizeof with) == 0);
        st.t = t;
        small_loss(&st, st.list, SMALL_ROWS, 0, 0, true);
        for (size_t l = 0; l < engine_trainable_count(t); l++) { /* B is 0, so nothing reaches A yet */
            float *g = leaf_values(t, l, true);
            double size = 0;
            for (int64_t v = 0; v < tensor_count(engine_trainable_borrow(t, l)); v++)
                size += fabs((double)g[v]);
            check_true((size == 0) == (engine_trainable_leaf(t, l) == ENGINE_LEAF_A));
            free(g);
        }
        small_training_close(&st);
    }
}

TEST(pissa_and_olora_begin_where_the_base_is)
{
    engine_trainable_options options = small_options();
    static const char *const inits[] = {"pissa", "olora"};
    for (size_t i = 0; i < COUNT_OF(inits); i++) {
        options.init = inits[i];
        small_training st;
        small_training_open(&st, &options, false);
        double with = small_loss(&st, st.list, SMALL_ROWS, 0, 0, false);
        engine_trainable *t = st.t;
        st.t = NULL;
        double without = small_loss(&st, st.list, SMALL_ROWS, 0, 0, false);
        check_true(fabs(with - without) < 1e-4 * without);
        st.t = t;
        small_loss(&st, st.list, SMALL_ROWS, 0, 0, true);
        for (size_t l = 0; l < engine_trainable_count(t);
             l++) { /* both halves learn from the first step on */
            float *g = leaf_values(t, l, true);
            double size = 0;
            for (int64_t v = 0; v < tensor_count(engine_trainable_borrow(t, l)); v++)
                size += fabs((double)g[v]);
            check_true(size > 0);
            free(g);
        }
        small_training_close(&st);
    }
}

/* -- dropout -------------------------------------------------------------------------------------------- */

TEST(masks_are_functions_of_their_place)
{
    enum { ROWS = 40, COLUMNS = 50 };
    const size_t begins[] = {0, 15, ROWS};
    const uint64_t keys[] = {7, 9}, other[] = {7, 8};
    float a[ROWS * COLUMNS], b[ROWS * COLUMNS], alone[25 * COLUMNS];
    check_ok(tensor_door_open());
    tensor_scope *s = tensor_scope_new(false);
    check_ok(tensor_read_f32(tensor_dropout_mask(s, TENSOR_CPU, begins, keys, 2, COLUMNS, 0.25), a,
                             ROWS * COLUMNS));
    check_ok(tensor_read_f32(tensor_dropout_mask(s, TENSOR_CPU, begins, other, 2, COLUMNS, 0.25), b,
                             ROWS * COLUMNS));
    const size_t begins_alone[] = {0, 25};
    check_ok(tensor_read_f32(tensor_dropout_mask(s, TENSOR_CPU, begins_alone, &keys[1], 1, COLUMNS, 0.25),
                             alone, 25 * COLUMNS));
    check_ok(tensor_scope_close(s));
    size_t dropped = 0;
    for (size_t i = 0; i < ROWS * COLUMNS; i++) {
        check_true(a[i] == 0 || a[i] == (float)(1 / 0.75));
        dropped += a[i] == 0;
    }
    check_true(dropped > ROWS * COLUMNS / 4 - 80 && dropped < ROWS * COLUMNS / 4 + 80);
    check_true(memcmp(a, b, 15 * COLUMNS * sizeof *a) == 0);
    check_true(memcmp(a + 15 * COLUMNS, b + 15 * COLUMNS, 25 * COLUMNS * sizeof *a) != 0);
    check_true(memcmp(a + 15 * COLUMNS, alone, sizeof alone) == 0);
}

/* -- what is refused, and nothing to do ----------------------------------------------------------------- */

static err pass_of(small_training *st, const engine_train_row *row)
{
    engine_train_result result;
    engine_train_request request = {.rows = row, .row_count = 1, .scale = 1, .backward = true};
    return engine_train_pass(st->m.decoder, st->t, &request, &result);
}

TEST(rows_that_are_off_are_refused_by_name)
{
    engine_trainable_options options = small_options();
    small_training st;
    small_training_open(&st, &options, true);
    int32_t ids[200] = {3, 4, 5}, targets[200] = {4, 5, -100};
    const size_t begins[] = {0, 2, 2}, past[] = {0, 9};
    check_fails(pass_of(&st, &(engine_train_row){.ids = ids, .targets = targets}), ERR_USAGE,
                "row 0 has no tokens");
    check_fails(pass_of(&st, &(engine_train_row){ids, targets, 3, begins, 3}), ERR_USAGE,
                "segment 2 of row 0");
    check_fails(pass_of(&st, &(engine_train_row){ids, targets, 3, past, 2}), ERR_USAGE, "segment 1 of row 0");
    check_fails(pass_of(&st, &(engine_train_row){ids, targets, 200}), ERR_LIMIT, "context");
    targets[1] = 260;
    check_fails(pass_of(&st, &(engine_train_row){ids, targets, 3}), ERR_USAGE, "target 1 of row 0 is 260");
    targets[1] = 5, ids[2] = -1;
    check_fails(pass_of(&st, &(engine_train_row){ids, targets, 3}), ERR_USAGE, "token 2 of row 0 has id -1");
    engine_train_result result;
    engine_train_request none = {.backward = false};
    check_fails(engine_train_pass(st.m.decoder, st.t, &none, &result), ERR_USAGE, "without rows");
    engine_train_request base = {.rows = st.list, .row_count = 1, .backward = true};
    check_fails(engine_train_pass(st.m.decoder, NULL, &base, &result), ERR_USAGE, "nothing to train");
    small_training_close(&st);
}

TEST(rows_without_a_target_give_no_loss_and_no_gradient)
{
    engine_trainable_options options = small_options();
    small_training st;
    small_training_open(&st, &options, true);
    const int32_t ids[] = {3, 4, 5}, targets[] = {-100, -100, -100};
    engine_train_row row = {ids, targets, 3};
    engine_train_result result;
    engine_train_request request = {.rows = &row, .row_count = 1, .scale = 1, .backward = true};
    check_ok(engine_train_pass(st.m.decoder, st.t, &request, &result));
    check_true(result.loss_sum == 0);
    check_int(result.targets, 0);
    check_int(result.tokens, 3);
    training_optimizer *o = NULL;
    training_optimizer_options adamw = training_optimizer_defaults(TRAINING_ADAMW);
    check_ok(training_optimizer_new(st.t, &adamw, &o));
    double norm = -1;
    check_ok(training_optimizer_clip(o, 1, &norm));
    check_true(norm == 0);
    training_optimizer_free(o);
    small_training_close(&st);
}

static bool stop_at_third(void *context) { return ++*(int *)context < 3; }

TEST(a_pass_can_be_cancelled_between_layers)
{
    engine_trainable_options options = small_options();
    small_training st;
    small_training_open(&st, &options, true);
    int asked = 0;
    engine_train_result result;
    engine_train_request request = {.rows = st.list,
                                    .row_count = SMALL_ROWS,
                                    .scale = 1,
                                    .backward = true,
                                    .checkpoint_layers = 1,
                                    .go_on = stop_at_third,
                                    .context = &asked};
    check_fails(engine_train_pass(st.m.decoder, st.t, &request, &result), ERR_CANCELLED, "cancelled");
    check_int(asked, 3);
    small_training_close(&st);
}

/* -- learning ------------------------------------------------------------------------------------------- */

/* The smallest model's last norm leaves too little room for one likely token among 260. */
static const small_model_shape learner = {64, 128, 2, 4, 2, 16};

/* Teach rows by heart; gives the last loss. */
static double learn(small_training *st, size_t steps, double rate)
{
    training_optimizer *o = NULL;
    training_optimizer_options adamw = training_optimizer_defaults(TRAINING_ADAMW);
    check_ok(training_optimizer_new(st->t, &adamw, &o));
    double loss = 0, norm = 0;
    for (size_t step = 0; step < steps; step++) {
        loss = small_loss(st, st->list, SMALL_ROWS, 0, 1, true);
        check_ok(training_optimizer_clip(o, 1, &norm));
        check_ok(training_optimizer_step(o, rate));
        engine_trainable_clear(st->t);
    }
    training_optimizer_free(o);
    return loss;
}

/* All positions but the last have a target: what a row says can be repeated from its first token. */
static void target_all(small_training *st)
{
    st->targets = 0;
    for (size_t i = 0; i < SMALL_ROWS; i++) {
        for (size_t k = 0; k + 1 < st->rows[i].count; k++) st->rows[i].targets[k] = st->rows[i].ids[k + 1];
        st->targets += st->rows[i].count - 1;
    }
}

static size_t repeated(const small_training *st, const engine_stack *stack)
{
    size_t same = 0;
    for (size_t i = 0; i < SMALL_ROWS; i++) {
        const token_row *row = &st->rows[i];
        float *logits = model_run(&st->m, row->ids, row->count, 1, stack);
        for (size_t k = 0; k + 1 < row->count; k++)
            same += best_of(logits + k * SMALL_MODEL_VOCAB, SMALL_MODEL_VOCAB) == row->ids[k + 1];
        free(logits);
    }
    return same;
}

TEST(rows_are_learned_by_heart_and_generation_repeats_them)
{
    static const char *const inits[] = {"default", "pissa"};
    for (size_t i = 0; i < COUNT_OF(inits); i++) {
        engine_trainable_options options = small_options();
        options.rank = 16, options.alpha = 32, options.init = inits[i], options.dora = i == 0;
        small_training st;
        small_training_open_as(&st, &options, false, &learner);
        target_all(&st);
        double loss = learn(&st, 200, 5e-3);
        if (!(loss < 0.05)) fail_msg("%s: the loss is %g after 200 steps", inits[i], loss);
        engine_stack *stack = NULL;
        check_ok(engine_trainable_stack(st.t, &stack));
        check_int(repeated(&st, stack), st.targets);
        check_true(repeated(&st, NULL) < st.targets / 2);
        engine_stack_free(stack);
        small_training_close(&st);
    }
}

/* A target that is off by one place is learned as well, but is not what the rows say. */
TEST(targets_off_by_one_are_not_what_generation_repeats)
{
    engine_trainable_options options = small_options();
    options.rank = 8, options.alpha = 16;
    small_training st;
    small_training_open_as(&st, &options, false, &learner);
    target_all(&st);
    for (size_t i = 0; i < SMALL_ROWS; i++)
        for (size_t k = 0; k + 1 < st.rows[i].count; k++) st.rows[i].targets[k] = st.rows[i].ids[k];
    learn(&st, 200, 1e-2);
    engine_stack *stack = NULL;
    check_ok(engine_trainable_stack(st.t, &stack));
    check_true(repeated(&st, stack) < st.targets / 2);
    engine_stack_free(stack);
    small_training_close(&st);
}

TESTS(RUN(gradients_on_a_quantised_base_are_those_of_its_loss), RUN(a_quantised_base_is_not_trained_whole),
      RUN(gradients_are_those_of_the_loss), RUN(gradients_under_dropout_are_those_of_the_loss),
      RUN(gradients_of_dora_are_those_of_the_loss),
      RUN(gradients_of_dora_under_dropout_are_those_of_the_loss),
      RUN(gradients_of_whole_weights_are_those_of_the_loss),
      RUN(layers_computed_again_give_the_same_gradients_bit_for_bit),
      RUN(a_micro_batch_changes_nothing_but_the_last_bits),
      RUN(a_packed_row_equals_its_segments_run_one_by_one),
      RUN(a_token_of_one_segment_changes_no_other_segment),
      RUN(rows_that_are_not_cut_into_segments_give_other_numbers), RUN(a_fresh_adapter_changes_no_bit),
      RUN(pissa_and_olora_begin_where_the_base_is), RUN(masks_are_functions_of_their_place),
      RUN(rows_that_are_off_are_refused_by_name), RUN(rows_without_a_target_give_no_loss_and_no_gradient),
      RUN(a_pass_can_be_cancelled_between_layers), RUN(rows_are_learned_by_heart_and_generation_repeats_them),
      RUN(targets_off_by_one_are_not_what_generation_repeats))
