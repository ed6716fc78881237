/* engine/model.h: one loaded model.
 *
 * From a set of files: config.json, tokenizer, chat template, generation_config.json and, when asked, the
 * weights as a decoder. engine_model_open with weights == false reads text files and safetensors headers only
 * and never opens the door to libtorch. Models are counted; a registry (engine_models), handed in, lets two
 * opens of equal content, device and type share one.
 * Threads: open on the thread that will run it (the worker). What the borrow functions give is immutable,
 * except the decoder, which belongs to the worker's thread. Share and free from any thread; the last free on
 * the worker's. */
#ifndef ENGINE_MODEL_H
#define ENGINE_MODEL_H

#include "base/err.h"
#include "engine/files.h"
#include "engine/tensor/tensor.h"
#include "engine/text/chat_template.h"
#include "engine/text/ids.h"

typedef struct engine_spec engine_spec;
typedef struct engine_decoder engine_decoder;
typedef struct engine_tokenizer engine_tokenizer;
typedef struct engine_weights engine_weights;
typedef struct engine_model engine_model;
typedef struct engine_models engine_models; /* models that are loaded now, to be shared */

enum {
    ENGINE_MODEL_EOS_MAX = 32,
    ENGINE_MODEL_JSON_BYTES_MAX = 16 << 20,
    ENGINE_MODEL_TOKENIZER_BYTES_MAX = 256 << 20
};

engine_models *engine_models_new(void);      /* none yet; engine_models_free() */
void engine_models_free(engine_models *all); /* models that are still held stay valid */

typedef struct engine_model_options {
    const char *device;    /* "auto" (also NULL), "cpu", "cuda:N" */
    const char *dtype;     /* "auto" (also NULL: f32 for weights stored so, else bf16), "f32", "bf16"; "int8", "nf4": linear
                            * layers packed so, computed as auto says (engine/quantise.h) */
    int threads;           /* of libtorch; 0: one per core this process may use */
    bool weights;          /* false: inspect only; there is no decoder then */
    engine_models *shared; /* NULL: never share */
    /* Called while weights load, from 0 to bytes_total; false cancels (ERR_CANCELLED). NULL is fine. */
    bool (*progress)(void *context, uint64_t bytes_done, uint64_t bytes_total);
    void *context;
} engine_model_options;

/* `files_taken` is the model's from now on, also on failure. Every error names the file. config.json and
 * weights must be there; a folder without tokenizer.json or chat template opens too (the borrow functions
 * then give NULL). */
err engine_model_open(engine_files *files_taken, const engine_model_options *options, engine_model **out);
engine_model *engine_model_share(engine_model *m); /* one more share of it; engine_model_free() */
void engine_model_free(engine_model *m);           /* NULL is fine */

/* All borrowed from m. */
const char *engine_model_borrow_name(const engine_model *m);                  /* last part of its place */
const char *engine_model_borrow_place(const engine_model *m);                 /* path */
const engine_spec *engine_model_borrow_spec(const engine_model *m);           /* valid as long as m */
const engine_tokenizer *engine_model_borrow_tokenizer(const engine_model *m); /* valid as long as m */
/* NULL: the folder has none. `name`: "default" (also NULL), "tool_use", ...; an absent name gives the
 * default. */
const engine_chat_template *engine_model_borrow_chat_template(const engine_model *m, const char *name);
engine_decoder *engine_model_borrow_decoder(const engine_model *m); /* NULL without weights */
/* A decoder of the model's first layers, computed as the model is (on the CPU, when it was opened without
 * weights), to measure by: `part` is its spec with fewer layers and must outlive the decoder. Reads their
 * weights from the files. Errors as of engine_decoder_new. */
err engine_model_part_new(const engine_model *m, const engine_spec *part, engine_decoder **out);
const engine_weights *
engine_model_borrow_weights(const engine_model *m);                /* headers; also without a decoder */
const char *engine_model_borrow_content_id(const engine_model *m); /* of the weights */

uint64_t engine_model_bytes(const engine_model *m);       /* of weights, as the files store them */
uint64_t engine_model_parameters(const engine_model *m);  /* elements */
tensor_device engine_model_device(const engine_model *m); /* where its weights are */
tensor_type engine_model_type(const engine_model *m);     /* what it computes in */
const char *engine_model_dtype(const engine_model *m);    /* as the option has it, never "auto" */
double engine_model_load_seconds(
    const engine_model *m); /* measured, libtorch's opening included; 0 without weights */

/* Ids that end an answer: of generation_config.json, config.json, the tokenizer's eos and the turn ends that
 * are in its vocabulary as special tokens. Sorted, no doubles. */
const int32_t *engine_model_borrow_eos(const engine_model *m, size_t *count);
bool engine_model_is_eos(const engine_model *m, int32_t id); /* the id ends an answer */
/* The tokenizer's own eos_token, what a text to learn from ends with; without one config.json's first eos id;
 * -1: neither. */
int32_t engine_model_text_end(const engine_model *m);

/* generation_config.json; a field that is not there is the neutral value and its has_ is false. */
typedef struct engine_generation_defaults {
    bool has_file, has_do_sample, has_temperature, has_top_p, has_top_k, has_min_p, has_repetition_penalty,
        has_token_count_max;
    bool do_sample;
    double temperature, top_p, min_p, repetition_penalty;
    int top_k;               /* 0: off */
    int64_t token_count_max; /* max_new_tokens */
} engine_generation_defaults;
/* Of generation_config.json; valid as long as m. */
const engine_generation_defaults *engine_model_borrow_generation_defaults(const engine_model *m);

/* Render with the template of this name (NULL: "tool_use" when tools are given and there is one, else the
 * default; an absent name gives the default), the model's special tokens filled in where `input` leaves them
 * empty. The caller frees *out. ERR_UNSUPPORTED: the model has no template; the template's own errors
 * otherwise. */
err engine_model_render_chat(const engine_model *m, const char *name, const engine_chat_input *input,
                             engine_chat_text *out);
/* Render the conversation with the model's template (its bos, eos, ... texts filled in where `input` leaves
 * them empty) and tokenise it; text that came from message data gives no special tokens. The template has
 * written bos itself, so none is added. Appends to *out. ERR_UNSUPPORTED: the model has no template; the
 * template's own errors otherwise. */
err engine_model_encode_chat(const engine_model *m, const engine_chat_input *input, engine_ids *out);

#endif
