#include "tests/support/small_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/utf8.h"
#include "tests/support/check.h"

enum { RANK = 2, ADAPTER_SEED = 7 };

static const small_model_shape smallest = {
    .hidden = 16, .inner = 32, .layers = 2, .heads = 2, .kv_heads = 1, .head_size = 8};

/* -- safetensors --------------------------------------------------------------------------------------- */

typedef struct safetensors {
    bytes header, data;
    uint32_t seed;
} safetensors;

/* f32, [rows, columns] or, with columns 0, [rows]. spread 0: all ones. */
static void tensor_add(safetensors *s, const char *name, int rows, int columns, float spread)
{
    size_t begin = s->data.size;

    for (int i = 0; i < rows * (columns ? columns : 1); i++) {
        s->seed = s->seed * 1664525u + 1013904223u;
        float value = spread == 0 ? 1 : ((float)(s->seed >> 8) / (float)(1 << 23) - 1) * spread;
        bytes_append(&s->data, &value, sizeof value);
    }
    bytes_printf(&s->header, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%d", s->header.size ? ',' : '{', name,
                 rows);
    if (columns) bytes_printf(&s->header, ",%d", columns);
    bytes_printf(&s->header, "],\"data_offsets\":[%zu,%zu]}", begin, s->data.size);
}

static void write_in(const char *folder, const char *name, bytes_view data)
{
    char *path = file_join(folder, name);
    check_write(path, data.data, data.size);
    free(path);
}

static void safetensors_write(safetensors *s, const char *folder, const char *name)
{
    bytes all = {0};
    uint64_t size;

    bytes_append_byte(&s->header, '}');
    while (s->header.size % 8) bytes_append_byte(&s->header, ' ');
    size = s->header.size;
    bytes_append(&all, &size, sizeof size);
    bytes_append_view(&all, bytes_borrow(&s->header));
    bytes_append_view(&all, bytes_borrow(&s->data));
    write_in(folder, name, bytes_borrow(&all));
    bytes_free(&all);
    bytes_free(&s->header);
    bytes_free(&s->data);
}

static void weights_write(const char *folder, const small_model_shape *m)
{
    const struct {
        const char *name;
        int rows, columns;
    } parts[] = {
        {"input_layernorm", m->hidden, 0},
        {"self_attn.q_proj", m->heads * m->head_size, m->hidden},
        {"self_attn.k_proj", m->kv_heads * m->head_size, m->hidden},
        {"self_attn.v_proj", m->kv_heads * m->head_size, m->hidden},
        {"self_attn.o_proj", m->hidden, m->heads * m->head_size},
        {"post_attention_layernorm", m->hidden, 0},
        {"mlp.gate_proj", m->inner, m->hidden},
        {"mlp.up_proj", m->inner, m->hidden},
        {"mlp.down_proj", m->hidden, m->inner},
    };
    safetensors s = {.seed = 20};
    char name[128];

    tensor_add(&s, "model.embed_tokens.weight", SMALL_MODEL_VOCAB, m->hidden, 1);
    for (int layer = 0; layer < m->layers; layer++) {
        for (size_t i = 0; i < COUNT_OF(parts); i++) {
            snprintf(name, sizeof name, "model.layers.%d.%s.weight", layer, parts[i].name);
            tensor_add(&s, name, parts[i].rows, parts[i].columns, parts[i].columns ? 0.6f : 0);
        }
    }
    tensor_add(&s, "model.norm.weight", m->hidden, 0, 0);
    safetensors_write(&s, folder, "model.safetensors");
}

/* -- tokenizer.json ------------------------------------------------------------------------------------ */

static bool byte_is_itself(int byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

/* The printable characters that byte-level vocabularies write bytes with: their own, else the next from 256
 * on. */
static void tokenizer_write(const char *folder)
{
    static const char *const special[] = {"<s>", "</s>", "<|user|>", "<|end|>"};
    CLEANUP(bytes_free) bytes json = {0};
    uint32_t next = 256;

    bytes_append_text(&json, "{\"version\":\"1.0\",\"added_tokens\":[");
    for (size_t i = 0; i < COUNT_OF(special); i++) {
        bytes_printf(
            &json,
            "%s{\"id\":%zu,\"content\":\"%s\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
            "\"normalized\":false,\"special\":true}",
            i ? "," : "", 256 + i, special[i]);
    }
    bytes_append_text(
        &json,
        "],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
        "\"trim_offsets\":true,\"use_regex\":true},\"post_processor\":null,\"decoder\":{\"type\":"
        "\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
        "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":"
        "null,\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"merges\":[],"
        "\"vocab\":{");
    for (int byte = 0; byte < 256; byte++) {
        char character[UTF8_BYTES_MAX];
        size_t size = utf8_encode(byte_is_itself(byte) ? (uint32_t)byte : next++, character);
        const char *escape = byte == '"' || byte == '\\' ? "\\" : "";
        bytes_printf(&json, "%s\"%s%.*s\":%d", byte ? "," : "", escape, (int)size, character, byte);
    }
    bytes_append_text(&json, "}}}");
    write_in(folder, "tokenizer.json", bytes_borrow(&json));
}

/* -- the rest ------------------------------------------------------------------------------------------ */

static void config_write(const char *folder, const small_model_shape *m)
{
    CLEANUP(bytes_free) bytes json = {0};

    bytes_printf(
        &json,
        "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\":%d,"
        "\"intermediate_size\":%d,\"num_hidden_layers\":%d,\"num_attention_heads\":%d,"
        "\"num_key_value_heads\":%d,\"head_dim\":%d,\"vocab_size\":%d,\"max_position_embeddings\":%d,"
        "\"rms_norm_eps\":1e-05,\"rope_theta\":10000.0,\"hidden_act\":\"silu\",\"tie_word_embeddings\":true,"
        "\"torch_dtype\":\"float32\",\"bos_token_id\":%d,\"eos_token_id\":%d}",
        m->hidden, m->inner, m->layers, m->heads, m->kv_heads, m->head_size, SMALL_MODEL_VOCAB,
        SMALL_MODEL_CONTEXT, SMALL_MODEL_BOS, SMALL_MODEL_EOS);
    write_in(folder, "config.json", bytes_borrow(&json));
    write_in(folder, "tokenizer_config.json", VIEW("{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\"}"));
}

void small_model_write(const char *path, bool with_template)
{
    small_model_write_as(path, with_template, &smallest);
}

void small_model_write_as(const char *path, bool with_template, const small_model_shape *shape)
{
    check_ok(file_make_folders(path));
    config_write(path, shape);
    tokenizer_write(path);
    weights_write(path, shape);
    if (!with_template) return;
    write_in(path, "chat_template.jinja",
             VIEW("{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
                  "{% if add_generation_prompt %}<|assistant|>{% endif %}"));
}

void small_adapter_write(const char *model_path, const char *name)
{
    small_adapter_write_as(model_path, name, &smallest, ADAPTER_SEED);
}

void small_adapter_write_as(const char *model_path, const char *name, const small_model_shape *m,
                            unsigned seed)
{
    char *folder = file_join(model_path, "adapters");
    safetensors s = {.seed = seed};
    char file[128];

    check_ok(file_make_folders(folder));
    tensor_add(&s, "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", RANK, m->hidden, 1);
    tensor_add(&s, "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight", m->heads * m->head_size,
               RANK, 1);
    tensor_add(&s, "base_model.model.model.layers.1.mlp.down_proj.lora_A.weight", RANK, m->inner, 1);
    tensor_add(&s, "base_model.model.model.layers.1.mlp.down_proj.lora_B.weight", m->hidden, RANK, 1);
    snprintf(file, sizeof file, "%s.safetensors", name);
    safetensors_write(&s, folder, file);
    snprintf(file, sizeof file, "%s.config.json", name);
    write_in(folder, file,
             VIEW("{\"peft_type\":\"LORA\",\"task_type\":\"CAUSAL_LM\",\"r\":2,\"lora_alpha\":4,"
                  "\"target_modules\":[\"q_proj\",\"down_proj\"],\"bias\":\"none\",\"base_model_name_or_"
                  "path\":\"\"}"));
    free(folder);
}
