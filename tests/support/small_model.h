/* tests/support/small_model.h: a model of 260 tokens and two layers, written by the test that asks for it.
 *
 * Its tokens are the 256 bytes and four special ones; its weights come from a seed and mean nothing. */
#ifndef TESTS_SUPPORT_SMALL_MODEL_H
#define TESTS_SUPPORT_SMALL_MODEL_H

#include <stdbool.h>
#include <stddef.h>

enum { SMALL_MODEL_VOCAB = 260, SMALL_MODEL_CONTEXT = 128 };

/* <s>, </s>, <|user|>, <|end|> */
enum { SMALL_MODEL_BOS = 256, SMALL_MODEL_EOS, SMALL_MODEL_USER, SMALL_MODEL_END };

/* The folder `path`, made with all its files; with or without chat_template.jinja. */
void small_model_write(const char *path, bool with_template);
/* adapters/NAME.safetensors and NAME.config.json of that model. */
void small_adapter_write(const char *model_path, const char *name);

/* The same model as large as is asked for. */
typedef struct small_model_shape {
    int hidden, inner, layers, heads, kv_heads, head_size;
} small_model_shape;
void small_model_write_as(const char *path, bool with_template, const small_model_shape *shape);
void small_adapter_write_as(const char *model_path, const char *name, const small_model_shape *shape,
                            unsigned seed);

#endif
