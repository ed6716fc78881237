/* engine/adapter_write.h: an adapter on its way into two files, as PEFT reads them.
 *
 * Tensors are put in by module of the base, then both files are written: names and keys are PEFT's, equal
 * adapters give equal bytes. Source: spec training.md 15.1; PEFT 0.21. Threads: one that uses it. */
#ifndef ENGINE_ADAPTER_WRITE_H
#define ENGINE_ADAPTER_WRITE_H

#include "engine/adapter_file.h"

typedef struct engine_adapter_out engine_adapter_out;

/* spec: of the base, borrowed while *out lives. base_name: its public name, copied. */
engine_adapter_out *engine_adapter_out_new(const engine_spec *spec, const char *base_name);
void engine_adapter_out_free(engine_adapter_out *out); /* NULL is fine */
/* That it was made with; as long as the caller keeps it. */
const engine_spec *engine_adapter_out_borrow_spec(const engine_adapter_out *out);

/* Modules are called as this file calls them: a base whose layers lie below another name keeps it. */
void engine_adapter_out_name_as(engine_adapter_out *out, const engine_adapter_file *file);

/* A tensor under PEFT's name for it, its data copied. */
void engine_adapter_out_add(engine_adapter_out *out, size_t module, engine_adapter_slot slot,
                            engine_dtype type, unsigned rank, const int64_t *shape, bytes_view data);
/* The same of f32 values, rows * columns of them (columns 0: a vector). */
void engine_adapter_out_add_f32(engine_adapter_out *out, size_t module, engine_adapter_slot slot, size_t rows,
                                size_t columns, const float *values);
/* What the low-rank tensors of a module are to be multiplied with: alpha / rank, or alpha / sqrt(rank) when
 * rank_stabilised was set. */
void engine_adapter_out_scale(engine_adapter_out *out, size_t module, size_t rank, double alpha);
/* The scale of every module is alpha / sqrt(rank) from now on. */
void engine_adapter_out_rank_stabilised(engine_adapter_out *out);

/* The two files. Rank and alpha that most modules have become r and lora_alpha, others a pattern. */
void engine_adapter_out_write(const engine_adapter_out *out, bytes *weights, bytes *config);

typedef enum engine_adapter_form {
    ENGINE_ADAPTER_AS_PEFT, /* PEFT's names and keys; the values untouched */
    /* One rank and one alpha for all modules, alpha / rank the scale: for programs that read nothing else.
     * Ranks are filled up with zeros, scales that differ are multiplied into B. */
    ENGINE_ADAPTER_PLAIN,
} engine_adapter_form;

/* The files of an adapter written anew. base_name: what to call the base where its config does not say. */
void engine_adapter_rewrite(const engine_adapter_file *file, engine_adapter_form form, const char *base_name,
                            bytes *weights, bytes *config);
/* PEFT itself would read both files as we do: names as it writes them, its own keys, targets as a list. */
bool engine_adapter_is_peft(const engine_adapter_file *file);

#endif
