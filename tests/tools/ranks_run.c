/* Twenty steps of training on the demo model, by one process or by several under mpirun: ranks_run OPTIMIZER
 * FILE [WHAT]. Rank 0 writes losses and final tensors to FILE, as text. WHAT, after five steps: the last rank
 * dies, with the others waiting for it (die) or elsewhere (busy), or hangs (hang). `ranks_run nccl`: whether
 * NCCL can be opened. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "engine/spec.h"
#include "training/trainer.h"

enum { STEPS = 20, TIMEOUT_SECONDS = 120, HANG_SECONDS = 3, AT_STEP = 5 };

typedef struct run {
    engine_model *model;
    training_data *data;
    training_settings settings;
    engine_trainable *t;
    training_ranks *ranks;
    training_trainer *tr;
} run;

static training_ranks *joined;

static void must(err e)
{
    if (!e.code) return;
    e = training_ranks_error(joined, e);
    fprintf(stderr, "ranks_run: %s\n", e.text);
    training_ranks_close(joined, e.text);
    _exit(1);
}

static void lost(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "ranks_run: busy, and %s\n", text);
}

static void misbehave(const char *what, bool last)
{
    if (strcmp(what, "busy") == 0 && !last) sleep(60); /* as if it computed: the watch ends it */
    if (!last) return;
    if (strcmp(what, "hang") == 0) sleep(60);
    if (strcmp(what, "busy") == 0) usleep(200000);
    kill(getpid(), SIGKILL);
}

static void open_all(run *r, const char *optimizer, double timeout)
{
    const char *const words[][2] = {
        {"rank", "4"},   {"window", "8"},    {"max-length", "96"}, {"lr", "0.003"}, {"dropout", "0.1"},
        {"warmup", "2"}, {"packing", "off"}, {"epochs", "3"},      {"clip", "1"},   {"optimizer", optimizer}};
    engine_files *files = NULL;
    must(engine_files_open_folder("assets/demo", &files));
    must(engine_model_open(
        files, &(engine_model_options){.weights = true, .device = "cpu", .dtype = "f32", .threads = 1},
        &r->model));
    training_settings_init(&r->settings);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        must(training_settings_set(&r->settings, words[i][0], words[i][1]));
    training_data_options o = training_data_defaults();
    o.max_length = 96;
    o.held_out = 0.1;
    const char *path = "assets/demo/data/polite.jsonl";
    must(training_data_open(&path, 1, r->model, &o, &r->data));
    must(training_settings_settle(&r->settings, false));
    engine_trainable_options how = engine_trainable_defaults();
    how.rank = 4;
    how.targets = "attn";
    must(engine_trainable_new(engine_model_borrow_decoder(r->model), &how, &r->t));
    must(training_ranks_join(timeout, &r->ranks));
    joined = r->ranks;
    if (joined) training_ranks_on_loss(joined, lost, NULL);
    must(training_trainer_new(&(training_trainer_options){.decoder = engine_model_borrow_decoder(r->model),
                                                          .trainable = r->t,
                                                          .data = r->data,
                                                          .settings = &r->settings,
                                                          .ranks = r->ranks},
                              &r->tr));
}

static void write_tensors(const engine_trainable *t, FILE *out)
{
    for (size_t i = 0; i < engine_trainable_count(t); i++) {
        size_t count = (size_t)tensor_count(engine_trainable_borrow(t, i));
        float *values = memory_alloc((count + 1) * sizeof *values);
        must(tensor_read_f32(engine_trainable_borrow(t, i), values, count));
        fprintf(out, "tensor");
        for (size_t v = 0; v < count; v++) fprintf(out, " %.9g", (double)values[v]);
        fprintf(out, "\n");
        free(values);
    }
}

int main(int argc, char **argv)
{
    run r = {0};
    training_evaluation evaluation;
    char words[256];
    if (argc == 2 && strcmp(argv[1], "nccl") == 0) {
        bool found = training_ranks_nccl_look(words);
        printf("%s\n", words);
        return !found;
    }
    if (argc < 3) return 2;
    const char *what = argc > 3 ? argv[3] : "";
    open_all(&r, argv[1], strcmp(what, "hang") == 0 ? HANG_SECONDS : TIMEOUT_SECONDS);
    size_t number = training_ranks_number(r.ranks), count = training_ranks_count(r.ranks);
    FILE *out = number == 0 ? fopen(argv[2], "w") : NULL;
    for (int step = 0; step < STEPS; step++) {
        training_point p;
        if (*what && step == AT_STEP) misbehave(what, number == count - 1);
        must(training_trainer_step(r.tr, &p));
        if (out) fprintf(out, "loss %.17g %.17g %llu\n", p.loss, p.grad_norm, (unsigned long long)p.targets);
    }
    must(training_trainer_evaluate(r.tr, &evaluation));
    if (out) {
        fprintf(out, "eval %.17g\n", evaluation.loss);
        write_tensors(r.t, out);
        fclose(out);
    }
    training_trainer_free(r.tr);
    engine_trainable_free(r.t);
    training_data_free(r.data);
    training_settings_free(&r.settings);
    engine_model_free(r.model);
    training_ranks_close(r.ranks, NULL);
    return 0;
}
