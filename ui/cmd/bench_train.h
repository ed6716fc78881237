/* ui/cmd/bench_train.h: `bench train MODEL`. */
#ifndef UI_CMD_BENCH_TRAIN_H
#define UI_CMD_BENCH_TRAIN_H

#include "ui/cmd/arguments.h"

/* Options that only `bench train` reads; ends with a zeroed one. */
extern const ui_option ui_bench_train_options[];

/* Train a fresh adapter on random tokens for a few steps and tell how fast and in how much memory. */
err ui_bench_train(ui_cli *cli, const ui_arguments *a, const char *word);

#endif
