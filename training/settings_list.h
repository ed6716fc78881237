/* training/settings_list.h: every setting of a run, written once.
 *
 * From this list come the struct's fields, the flags of `train`, the keys of train.json and the help. A key
 * is the flag with '_' for '-'. ROW(type, field, flag, what follows it, default, least, most, choices, help);
 * a number whose default is "auto" is chosen when the run is planned. Source: spec training.md, section 2. */
#ifndef TRAINING_SETTINGS_LIST_H
#define TRAINING_SETTINGS_LIST_H

#define TRAINING_SETTINGS(ROW)                                                                               \
    ROW(WORD, kind, "kind", "KIND", "auto", 0, 0, "auto sft dpo ipo simpo orpo",                             \
        "what to learn from: auto takes dpo for a file of preferences, else sft")                            \
    ROW(COUNT, rank, "rank", "N", "16", 1, 4096, "", "rank of the adapter")                                  \
    ROW(NUMBER, alpha, "alpha", "X", "32", 1e-9, 1e9, "", "lora_alpha; the scale is alpha / rank")           \
    ROW(TEXT, targets, "targets", "NAMES", "all-linear", 0, 0, "",                                           \
        "all-linear, attn, mlp, or names: q_proj,v_proj")                                                    \
    ROW(TEXT, layers, "layers", "LIST", "", 0, 0, "", "only these layers: 8-15, or 0,2-3")                   \
    ROW(TEXT, rank_pattern, "rank-pattern", "JSON", "", 0, 0, "",                                            \
        "other ranks by module, as in adapter_config.json")                                                  \
    ROW(TEXT, alpha_pattern, "alpha-pattern", "JSON", "", 0, 0, "", "other alphas by module, likewise")      \
    ROW(NUMBER, dropout, "dropout", "P", "0", 0, 0.99, "", "dropout on the adapter's input")                 \
    ROW(FLAG, rslora, "rslora", NULL, "off", 0, 0, "", "scale by alpha / sqrt(rank)")                        \
    ROW(FLAG, dora, "dora", NULL, "off", 0, 0, "", "DoRA: train a magnitude for each row, too")              \
    ROW(FLAG, full, "full", NULL, "off", 0, 0, "", "train the weights themselves, not an adapter")           \
    ROW(WORD, init, "init", "WAY", "default", 0, 0, "default gaussian pissa olora", "how A and B begin")     \
    ROW(NUMBER, lr, "lr", "X", "auto", 0, 1e9, "",                                                           \
        "learning rate (default: 2e-4; preferences 5e-6; full 2e-5)")                                        \
    ROW(WORD, schedule, "schedule", "NAME", "cosine", 0, 0, "constant linear cosine wsd",                    \
        "of the learning rate")                                                                              \
    ROW(NUMBER, warmup, "warmup", "X", "0.03", 0, 1e9, "",                                                   \
        "steps, or below 1 a share of the run (at most 100 steps)")                                          \
    ROW(NUMBER, min_lr_ratio, "min-lr-ratio", "X", "0", 0, 1, "",                                            \
        "cosine and wsd end at this share of the rate")                                                      \
    ROW(WORD, decay_shape, "decay-shape", "NAME", "linear", 0, 0, "linear cosine 1-sqrt",                    \
        "of wsd's last part")                                                                                \
    ROW(COUNT, decay_steps, "decay-steps", "N", "0", 0, 1000000000, "", "of wsd; 0: a tenth of the run")     \
    ROW(WORD, optimizer, "optimizer", "NAME", "adamw", 0, 0, "adamw sgd lion", "how gradients become steps") \
    ROW(NUMBER, beta1, "beta1", "X", "auto", 0, 0.999999, "", "of adamw (0.9) and lion (0.9)")               \
    ROW(NUMBER, beta2, "beta2", "X", "auto", 0, 0.9999999, "", "of adamw (0.999) and lion (0.99)")           \
    ROW(NUMBER, eps, "eps", "X", "auto", 0, 1, "", "of adamw (1e-8)")                                        \
    ROW(NUMBER, weight_decay, "weight-decay", "X", "0", 0, 1000, "", "of A and B")                           \
    ROW(NUMBER, lora_plus, "lora-plus", "RATIO", "1", 1, 10000, "",                                          \
        "LoRA+: B learns so many times as fast as A")                                                        \
    ROW(NUMBER, clip, "clip", "X", "1", 0, 1e9, "", "largest norm of the gradient; 0: only measure it")      \
    ROW(COUNT, window, "window", "N", "16", 1, 1000000, "", "sequences (pairs) that feed one step")          \
    ROW(COUNT, micro_batch, "micro-batch", "N", "1", 1, 1000000, "",                                         \
        "sequences that go through at once: memory and speed, never the curve")                              \
    ROW(COUNT, max_length, "max-length", "N", "2048", 2, 10000000, "", "tokens of a row")                    \
    ROW(WORD, too_long, "too-long", "WAY", "truncate", 0, 0, "truncate drop split",                          \
        "what becomes of longer examples")                                                                   \
    ROW(WORD, packing, "packing", "ON", "auto", 0, 0, "auto on off",                                         \
        "examples share rows (auto: not preferences)")                                                       \
    ROW(WORD, order, "order", "ORDER", "shuffle", 0, 0, "shuffle file", "of the examples")                   \
    ROW(WORD, learn, "learn", "WHAT", "assistant", 0, 0, "assistant all",                                    \
        "which words of a chat are learned")                                                                 \
    ROW(WORD, wrap, "wrap", "FORM", "none", 0, 0, "none chat", "make chats of prompts given as strings")     \
    ROW(COUNT, epochs, "epochs", "N", "1", 1, 1000000, "", "times through the data")                         \
    ROW(COUNT, steps, "steps", "N", "0", 0, 1000000000, "", "end after so many steps instead; 0: by epochs") \
    ROW(TEXT, checkpointing, "checkpointing", "MODE", "auto", 0, 0, "",                                      \
        "auto, off, layers, or segment:K: compute layers again instead of keeping them")                     \
    ROW(NUMBER, eval_fraction, "eval-fraction", "X", "auto", 0, 0.9, "",                                     \
        "share of the data held out (default: 2 %, 16 to 512 examples); 0: none")                            \
    ROW(COUNT, eval_every, "eval-every", "N", "0", 0, 1000000000, "",                                        \
        "steps between evaluations; 0: 5 % of the run")                                                      \
    ROW(COUNT, patience, "patience", "N", "0", 0, 1000000, "",                                               \
        "end after N evaluations that are no better; 0: off")                                                \
    ROW(NUMBER, min_delta, "min-delta", "X", "0.001", 0, 1e9, "", "what counts as better")                   \
    ROW(COUNT, save_every, "save-every", "N", "100", 1, 1000000000, "", "steps between saved states")        \
    ROW(NUMBER, save_minutes, "save-minutes", "X", "10", 0.01, 1e6, "",                                      \
        "minutes between saved states, at most")                                                             \
    ROW(COUNT, commit_every, "commit-every", "N", "0", 0, 1000000000, "",                                    \
        "commit every N steps too; 0: at a new best and at the end")                                         \
    ROW(WORD, adapter_dtype, "adapter-dtype", "TYPE", "f32", 0, 0, "f32 bf16", "of the adapter's file")      \
    ROW(NUMBER, skip_deviation, "skip-deviation", "K", "0", 0, 1000, "",                                     \
        "skip a step whose loss or norm is K deviations over the mean of 128; 0: never")                     \
    ROW(NUMBER, beta, "beta", "X", "0.1", 1e-9, 1e6, "", "of dpo, ipo, simpo")                               \
    ROW(NUMBER, label_smoothing, "label-smoothing", "X", "0", 0, 0.5, "", "of dpo")                          \
    ROW(NUMBER, gamma, "gamma", "X", "0.5", 0, 1e6, "", "of simpo: the margin")                              \
    ROW(NUMBER, orpo_lambda, "orpo-lambda", "X", "0.1", 0, 1e6, "", "of orpo")                               \
    ROW(COUNT, seed, "seed", "N", "42", 0, 9007199254740991, "", "of everything random in the run")

#endif
