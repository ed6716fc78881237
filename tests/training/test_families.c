/* Every family: the ops whose backward pass is written here give the loss and the gradients that libtorch's
 * own autograd gives op by op, and the loss that generation gives. Skipped where the small models are not. */
#include "base/file.h"
#include "tests/support/small_training.h"

static const char *const families[] = {
    "stories260K",     "tiny-gemma2",  "tiny-gemma3",      "tiny-llama-bias", "tiny-llama-dynamic",
    "tiny-llama-yarn", "tiny-mistral", "tiny-llama3-rope", "tiny-olmo2",      "tiny-phi3-longrope",
    "tiny-qwen2",      "tiny-qwen3",   "tiny-smollm3",
};

enum { ROWS = 2, TOKENS = 30 };

typedef struct sample_rows {
    int32_t ids[ROWS][TOKENS], targets[ROWS][TOKENS];
    size_t begins[2];
    engine_train_row rows[ROWS];
} sample_rows;

/* The first row is two segments, the second one whole. */
static void sample_fill(sample_rows *rows, size_t vocab)
{
    uint64_t seed = 3;
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < TOKENS; i++) rows->ids[r][i] = (int32_t)(derived_random_next(&seed) % vocab);
        for (size_t i = 0; i < TOKENS; i++)
            rows->targets[r][i] =
                i + 1 == TOKENS || (r == 0 && i == 12) ? ENGINE_TARGET_NONE : rows->ids[r][i + 1];
        rows->rows[r] = (engine_train_row){
            .ids = rows->ids[r], .targets = rows->targets[r], .count = TOKENS, .dropout_key = r};
    }
    rows->begins[0] = 0, rows->begins[1] = 13;
    rows->rows[0].segment_begins = rows->begins;
    rows->rows[0].segment_count = 2;
}

static float *gradients_by(const model *m, engine_trainable *t, const sample_rows *rows, bool composed,
                           double logprobs[3])
{
    engine_train_result result;
    engine_train_request request = {.rows = rows->rows,
                                    .row_count = ROWS,
                                    .scale = 1.0 / 60,
                                    .backward = true,
                                    .dropout = 0.1,
                                    .checkpoint_layers = composed ? 0 : 1,
                                    .composed = composed,
                                    .segment_logprobs = logprobs};
    engine_trainable_clear(t);
    check_ok(engine_train_pass(m->decoder, t, &request, &result));
    small_training as = {.t = t};
    return small_gradients(&as);
}

/* Of the whole row, without a cache, by the decoder's own step. */
static double logprob_of_step(const model *m, const sample_rows *rows)
{
    size_t vocab = m->spec->vocab_count;
    float *logits = model_run(m, rows->ids[1], TOKENS, 0, NULL);
    double sum = 0;
    for (size_t i = 0; i + 1 < TOKENS; i++) {
        const float *row = logits + i * vocab;
        double total = 0, most = row[best_of(row, vocab)];
        for (size_t v = 0; v < vocab; v++) total += exp((double)row[v] - most);
        sum += (double)row[rows->ids[1][i + 1]] - most - log(total);
    }
    free(logits);
    return sum;
}

static void check_family(const char *name, const engine_trainable_options *options)
{
    char *folder = file_join(check_shared_data(), "models"), *path = file_join(folder, name);
    model m = model_open(path, TENSOR_F32);
    sample_rows rows;
    engine_trainable *t = NULL;
    double written[3], composed[3], alone[3];
    sample_fill(&rows, m.spec->vocab_count);
    check_ok(engine_trainable_new(m.decoder, options, &t));
    small_leaves_move(t, 9);
    float *a = gradients_by(&m, t, &rows, false, written), *b = gradients_by(&m, t, &rows, true, composed);
    double off = relative_difference(a, b, engine_trainable_parameters(t));
    for (size_t i = 0; i < 3; i++) check_true(fabs(written[i] - composed[i]) < 1e-5 * fabs(composed[i]));
    if (!(off < 2e-5)) fail_msg("%s: gradients differ by %.1e", name, off);
    engine_train_result result;
    engine_train_request request = {.rows = rows.rows, .row_count = ROWS, .segment_logprobs = alone};
    check_ok(engine_train_pass(m.decoder, NULL, &request, &result));
    double step = logprob_of_step(&m, &rows);
    if (!(fabs(step - alone[2]) < 1e-5 * fabs(step)))
        fail_msg("%s: %g by a step, %g by a pass", name, step, alone[2]);
    print_message("%-20s gradients differ by %.1e\n", name, off);
    free(a);
    free(b);
    engine_trainable_free(t);
    model_close(&m);
    free(folder);
    free(path);
}

TEST(written_ops_equal_libtorchs_autograd_in_every_family)
{
    if (!check_shared_data()) {
        print_message("the small models are not beside this checkout\n");
        skip();
    }
    engine_trainable_options options = small_options();
    for (size_t i = 0; i < COUNT_OF(families); i++) check_family(families[i], &options);
    options.dora = true;
    check_family("tiny-phi3-longrope", &options);
    check_family("tiny-qwen2", &options);
    options = (engine_trainable_options){.full = true};
    check_family("tiny-gemma2", &options);
    check_family("tiny-qwen2", &options);
    check_family("tiny-phi3-longrope", &options);
}

TEST(written_ops_equal_libtorchs_autograd_in_the_small_model)
{
    engine_trainable_options options = small_options();
    small_training st;
    small_training_open(&st, &options, true);
    sample_rows rows;
    double written[3], composed[3];
    sample_fill(&rows, SMALL_MODEL_VOCAB);
    float *a = gradients_by(&st.m, st.t, &rows, false, written),
          *b = gradients_by(&st.m, st.t, &rows, true, composed);
    check_true(relative_difference(a, b, engine_trainable_parameters(st.t)) < 1e-5);
    for (size_t i = 0; i < 3; i++) check_true(fabs(written[i] - composed[i]) < 1e-5 * fabs(composed[i]));
    free(a);
    free(b);
    small_training_close(&st);
}

/* In bf16 both round, each at other places. */
TEST(written_ops_are_near_libtorchs_in_bf16)
{
    engine_trainable_options options = small_options();
    small_training st;
    small_training_open(&st, &options, false);
    char *folder = file_join(check_folder(), "model");
    model m = model_open(folder, TENSOR_BF16);
    engine_trainable *t = NULL;
    sample_rows rows;
    double written[3], composed[3];
    check_ok(engine_trainable_new(m.decoder, &options, &t));
    small_leaves_move(t, 9);
    sample_fill(&rows, SMALL_MODEL_VOCAB);
    float *a = gradients_by(&m, t, &rows, false, written), *b = gradients_by(&m, t, &rows, true, composed);
    double off = relative_difference(a, b, engine_trainable_parameters(t));
    if (!(off < 0.1)) fail_msg("gradients differ by %g", off);
    for (size_t i = 0; i < 3; i++) check_true(fabs(written[i] - composed[i]) < 1e-2 * fabs(composed[i]));
    print_message("bf16: gradients differ by %.1e\n", off);
    free(a);
    free(b);
    free(folder);
    engine_trainable_free(t);
    model_close(&m);
    small_training_close(&st);
}

TESTS(RUN(written_ops_equal_libtorchs_autograd_in_every_family),
      RUN(written_ops_equal_libtorchs_autograd_in_the_small_model),
      RUN(written_ops_are_near_libtorchs_in_bf16))
