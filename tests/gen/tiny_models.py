#!/usr/bin/env python3
"""Write tests/data/models and tests/data/adapters: random models of a few thousand weights, and reference logits.

The reference is a plain evaluation in Python floats (double) of the formulas of each family, without any library
and written apart from the decoder. Run from the root of the checkout; the output depends on nothing but this file.
"""
import json
import math
import os
import random
import struct

ROOT = "tests/data"
PROMPTS = [[3, 7, 1], [9, 2, 2, 30, 14, 5, 11, 0, 21, 8, 33, 17, 4, 26]]


# ---- files ----


def to_bf16(value):
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def from_bf16(bits):
    return struct.unpack("<f", struct.pack("<I", bits << 16))[0]


class Tensors:
    """Random bf16 tensors by name, as lists of rows (rank 2) or numbers (rank 1)."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.values, self.shapes = {}, {}

    def add(self, name, *shape, scale=0.4, shift=0.0):
        count = math.prod(shape)
        flat = [from_bf16(to_bf16(self.random.gauss(shift, scale))) for _ in range(count)]
        width = shape[-1]
        self.shapes[name] = list(shape)
        self.values[name] = flat if len(shape) == 1 else [flat[i : i + width] for i in range(0, count, width)]

    def write(self, path):
        header, data = {}, b""
        for name in sorted(self.values):
            rows = self.values[name]
            flat = rows if len(self.shapes[name]) == 1 else [v for row in rows for v in row]
            part = b"".join(struct.pack("<H", to_bf16(v)) for v in flat)
            header[name] = {"dtype": "BF16", "shape": self.shapes[name], "data_offsets": [len(data), len(data) + len(part)]}
            data += part
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + data)


# ---- the formulas ----


def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b))


def add(a, b):
    return [x + y for x, y in zip(a, b)]


def rms_norm(x, weight, eps, plus_one=False):
    factor = 1 / math.sqrt(dot(x, x) / len(x) + eps)
    return [v * factor * (w + 1 if plus_one else w) for v, w in zip(x, weight)]


def activation(name, x):
    if name == "silu":
        return x / (1 + math.exp(-x))
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class Adapter:
    def __init__(self, seed, alpha, rank, dora):
        self.tensors = Tensors(seed)
        self.alpha, self.rank, self.dora, self.saved = alpha, rank, dora, {}

    def on(self, module, out, width, bias=False):
        key = "base_model.model." + module
        self.tensors.add(key + ".lora_A.weight", self.rank, width, scale=0.3)
        self.tensors.add(key + ".lora_B.weight", out, self.rank, scale=0.3)
        if bias:
            self.tensors.add(key + ".lora_B.bias", out, scale=0.3)
        if self.dora:
            self.tensors.add(key + ".lora_magnitude_vector", out, scale=0.2, shift=1.5)

    def on_embedding(self, vocab, hidden):
        key = "base_model.model.model.embed_tokens"
        self.tensors.add(key + ".lora_embedding_A", self.rank, vocab, scale=0.3)
        self.tensors.add(key + ".lora_embedding_B", hidden, self.rank, scale=0.3)

    def save(self, module, *shape):
        self.tensors.add("base_model.model." + module + ".weight", *shape)

    def get(self, module, ending):
        return self.tensors.values.get("base_model.model." + module + ending)

    def config(self):
        return {"peft_type": "LORA", "r": self.rank, "lora_alpha": self.alpha, "use_dora": self.dora,
                "target_modules": ["q_proj"], "base_model_name_or_path": "tiny"}


class Model:
    def __init__(self, config, tensors, adapter=None):
        self.c, self.t, self.adapter = config, tensors.values, adapter
        self.family = config["model_type"]

    def weight(self, module):
        saved = self.adapter and self.adapter.get(module, ".weight")
        return saved or self.t[module + ".weight"]

    def norm(self, module, x):
        return rms_norm(x, self.weight(module), self.c["rms_norm_eps"], self.family == "gemma2")

    def linear(self, module, x):
        w = self.weight(module)
        y = [dot(row, x) for row in w]
        bias = self.t.get(module + ".bias") or [0.0] * len(y)
        a = self.adapter and self.adapter.get(module, ".lora_A.weight")
        if not a:
            return add(y, bias)
        b, m = self.adapter.get(module, ".lora_B.weight"), self.adapter.get(module, ".lora_magnitude_vector")
        b_bias = self.adapter.get(module, ".lora_B.bias") or [0.0] * len(y)
        s = self.adapter.alpha / self.adapter.rank
        inner = [dot(row, x) for row in a]
        delta = [s * (dot(row, inner) + e) for row, e in zip(b, b_bias)]
        if m:
            for o, row in enumerate(b):
                adapted = [w[o][i] + s * dot(row, [a_row[i] for a_row in a]) for i in range(len(x))]
                gain = m[o] / math.sqrt(dot(adapted, adapted))
                delta[o] = gain * delta[o] + (gain - 1) * y[o]
        return add(add(y, delta), bias)

    def embed(self, token):
        x = self.weight("model.embed_tokens")[token]
        a = self.adapter and self.adapter.get("model.embed_tokens", ".lora_embedding_A")
        if a:
            s = self.adapter.alpha / self.adapter.rank
            column = [row[token] for row in a]
            x = add(x, [s * dot(row, column) for row in self.adapter.get("model.embed_tokens", ".lora_embedding_B")])
        return [v * math.sqrt(len(x)) for v in x] if self.family == "gemma2" else x

    def frequencies(self, length):
        size = int(self.c["head_dim"] * self.c.get("partial_rotary_factor", 1))
        plain = [self.c["rope_theta"] ** (-2 * i / size) for i in range(size // 2)]
        scaling = self.c.get("rope_scaling")
        if not scaling:
            return plain, 1
        original = self.c["original_max_position_embeddings"]
        stretch = scaling["long_factor" if length > original else "short_factor"]
        ratio = self.c["max_position_embeddings"] / original
        return [f / s for f, s in zip(plain, stretch)], math.sqrt(1 + math.log(ratio) / math.log(original))

    def rotate(self, x, position, frequencies, factor):
        half, y = len(frequencies), list(x)
        for i, f in enumerate(frequencies):
            c, s = factor * math.cos(position * f), factor * math.sin(position * f)
            y[i], y[i + half] = x[i] * c - x[i + half] * s, x[i + half] * c + x[i] * s
        return y

    def project(self, layer, x):
        c, at = self.c, f"model.layers.{layer}.self_attn."
        q_size, kv_size = c["num_attention_heads"] * c["head_dim"], c["num_key_value_heads"] * c["head_dim"]
        if self.family == "phi3":
            y = self.linear(at + "qkv_proj", x)
            return y[:q_size], y[q_size : q_size + kv_size], y[q_size + kv_size :]
        return tuple(self.linear(at + name, x) for name in ("q_proj", "k_proj", "v_proj"))

    def attention(self, layer, xs):
        c, d, at = self.c, self.c["head_dim"], f"model.layers.{layer}.self_attn."
        heads, kv_heads = c["num_attention_heads"], c["num_key_value_heads"]
        frequencies, factor = self.frequencies(len(xs))
        qs, ks, vs, out = [], [], [], []
        for position, x in enumerate(xs):
            q, k, v = self.project(layer, x)
            if self.family == "olmo2":
                q, k = self.norm(at + "q_norm", q), self.norm(at + "k_norm", k)
            q, k, v = ([y[i : i + d] for i in range(0, len(y), d)] for y in (q, k, v))
            if self.family == "qwen3":
                q, k = ([self.norm(at + n, y) for y in ys] for n, ys in (("q_norm", q), ("k_norm", k)))
            qs.append([self.rotate(y, position, frequencies, factor) for y in q])
            ks.append([self.rotate(y, position, frequencies, factor) for y in k])
            vs.append(v)
        scale = c.get("query_pre_attn_scalar", d) ** -0.5
        window = c["sliding_window"] if self.family == "gemma2" and layer % 2 == 0 else len(xs)
        for p in range(len(xs)):
            row = []
            for h in range(heads):
                seen, kv = range(max(0, p - window + 1), p + 1), h // (heads // kv_heads)
                scores = [dot(qs[p][h], ks[j][kv]) * scale for j in seen]
                if self.family == "gemma2":
                    cap = c["attn_logit_softcapping"]
                    scores = [cap * math.tanh(s / cap) for s in scores]
                weights = [math.exp(s - max(scores)) for s in scores]
                total = math.fsum(weights)
                row += [math.fsum(w * vs[j][kv][i] for w, j in zip(weights, seen)) / total for i in range(d)]
            out.append(self.linear(at + "o_proj", row))
        return out

    def mlp(self, layer, x):
        at = f"model.layers.{layer}.mlp."
        if self.family == "phi3":
            y = self.linear(at + "gate_up_proj", x)
            gate, up = y[: len(y) // 2], y[len(y) // 2 :]
        else:
            gate, up = self.linear(at + "gate_proj", x), self.linear(at + "up_proj", x)
        name = self.c.get("hidden_activation") or self.c["hidden_act"]
        return self.linear(at + "down_proj", [activation(name, g) * u for g, u in zip(gate, up)])

    def layer(self, layer, hs):
        at, pre, post = f"model.layers.{layer}.", self.family != "olmo2", self.family in ("olmo2", "gemma2")
        before_mlp = "pre_feedforward_layernorm" if post else "post_attention_layernorm"
        ys = self.attention(layer, [self.norm(at + "input_layernorm", h) if pre else h for h in hs])
        if post:
            ys = [self.norm(at + "post_attention_layernorm", y) for y in ys]
        hs = [add(h, y) for h, y in zip(hs, ys)]
        ys = [self.mlp(layer, self.norm(at + before_mlp, h) if pre else h) for h in hs]
        if post:
            ys = [self.norm(at + "post_feedforward_layernorm", y) for y in ys]
        return [add(h, y) for h, y in zip(hs, ys)]

    def logits(self, ids):
        hs = [self.embed(token) for token in ids]
        for layer in range(self.c["num_hidden_layers"]):
            hs = self.layer(layer, hs)
        head = "model.embed_tokens" if self.c["tie_word_embeddings"] else "lm_head"
        rows = [self.linear(head, self.norm("model.norm", h)) for h in hs]
        cap = self.c.get("final_logit_softcapping")
        return [[cap * math.tanh(v / cap) for v in row] for row in rows] if cap else rows


# ---- the models ----

COMMON = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
          "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 40, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
          "max_position_embeddings": 64, "hidden_act": "silu", "tie_word_embeddings": False,
          "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
CONFIGS = {
    "gemma2": {"tie_word_embeddings": True, "hidden_activation": "gelu_pytorch_tanh", "sliding_window": 6,
               "query_pre_attn_scalar": 10, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 8.0},
    "qwen3": {"hidden_size": 20, "head_dim": 6, "intermediate_size": 29},
    "phi3": {"partial_rotary_factor": 0.5, "original_max_position_embeddings": 8, "sliding_window": None,
             "rope_scaling": {"type": "longrope", "short_factor": [1.0, 1.5], "long_factor": [2.0, 6.0]}},
    "olmo2": {},
}


def tensors_of(family, c, seed):
    t = Tensors(seed)
    hidden, inner, vocab, d = c["hidden_size"], c["intermediate_size"], c["vocab_size"], c["head_dim"]
    q, kv = c["num_attention_heads"] * d, c["num_key_value_heads"] * d
    around = 0.0 if family == "gemma2" else 1.0
    t.add("model.embed_tokens.weight", vocab, hidden, scale=1.0)
    t.add("model.norm.weight", hidden, shift=around)
    if not c["tie_word_embeddings"]:
        t.add("lm_head.weight", vocab, hidden)
    norms = {"gemma2": ["input", "post_attention", "pre_feedforward", "post_feedforward"],
             "olmo2": ["post_attention", "post_feedforward"]}.get(family, ["input", "post_attention"])
    for layer in range(c["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        for name in norms:
            t.add(f"{at}{name}_layernorm.weight", hidden, shift=around)
        if family == "phi3":
            t.add(at + "self_attn.qkv_proj.weight", q + 2 * kv, hidden)
            t.add(at + "mlp.gate_up_proj.weight", 2 * inner, hidden)
        else:
            for name, out in (("q", q), ("k", kv), ("v", kv)):
                t.add(f"{at}self_attn.{name}_proj.weight", out, hidden)
            t.add(at + "mlp.gate_proj.weight", inner, hidden)
            t.add(at + "mlp.up_proj.weight", inner, hidden)
        if family in ("qwen3", "olmo2"):
            t.add(at + "self_attn.q_norm.weight", d if family == "qwen3" else q, shift=1.0)
            t.add(at + "self_attn.k_norm.weight", d if family == "qwen3" else kv, shift=1.0)
        t.add(at + "self_attn.o_proj.weight", hidden, q)
        t.add(at + "mlp.down_proj.weight", hidden, inner)
    return t


def adapters_of(family, c):
    hidden, inner, vocab, d = c["hidden_size"], c["intermediate_size"], c["vocab_size"], c["head_dim"]
    q, kv = c["num_attention_heads"] * d, c["num_key_value_heads"] * d
    if family == "qwen3":
        lora = Adapter(21, 6, 3, False)
        lora.on_embedding(vocab, hidden)
        lora.on("model.layers.0.self_attn.q_proj", q, hidden, bias=True)
        lora.on("model.layers.1.mlp.down_proj", hidden, inner)
        lora.save("lm_head", vocab, hidden)
        lora.save("model.layers.1.self_attn.q_norm", d)
        yield "lora", lora
        dora = Adapter(22, 4, 2, True)
        dora.on("model.layers.0.mlp.up_proj", inner, hidden)
        dora.on("model.layers.1.self_attn.o_proj", hidden, q)
        yield "dora", dora
    if family == "phi3":
        fused = Adapter(23, 4, 2, True)
        fused.on("model.layers.0.self_attn.qkv_proj", q + 2 * kv, hidden)
        fused.on("model.layers.1.mlp.gate_up_proj", 2 * inner, hidden)
        yield "fused", fused


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def golden(model):
    prompts = []
    for ids in PROMPTS:
        rows = model.logits(ids)
        prompts.append({"ids": ids, "argmax_each": [row.index(max(row)) for row in rows],
                        "logits_last": [round(v, 6) for v in rows[-1]]})
    return {"prompts": prompts}


def main():
    for seed, (family, own) in enumerate(CONFIGS.items()):
        config = {"model_type": family, "torch_dtype": "bfloat16", **COMMON, **own}
        tensors, folder = tensors_of(family, config, seed), f"{ROOT}/models/{family}"
        os.makedirs(folder, exist_ok=True)
        tensors.write(folder + "/model.safetensors")
        write_json(folder + "/config.json", config)
        write_json(folder + "/golden.json", golden(Model(config, tensors)))
        for name, adapter in adapters_of(family, config):
            folder = f"{ROOT}/adapters/{family}-{name}"
            os.makedirs(folder, exist_ok=True)
            adapter.tensors.write(folder + "/adapter_model.safetensors")
            write_json(folder + "/adapter_config.json", adapter.config())
            write_json(folder + "/golden.json", golden(Model(config, tensors, adapter)))


main()
