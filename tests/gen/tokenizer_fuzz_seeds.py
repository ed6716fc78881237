"""Write the seeds of tests/fuzz/tokenizer_fuzz: tiny tokenizers that use every part once, each with a text.

    python tests/gen/tokenizer_fuzz_seeds.py
"""

import json
import os

MODEL = {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
         "vocab": {"<unk>": 0, "t": 1, "h": 2, "e": 3, "th": 4, "the": 5, "▁": 6, "▁the": 7, "<0xC3>": 8, "<0xA9>": 9,
                   "Ġ": 10, "Ġthe": 11},
         "merges": ["t h", "th e", ["▁", "the"], "Ġ the"]}
ADDED = [{"id": 12, "content": "<s>", "special": True, "normalized": False},
         {"id": 13, "content": " e", "single_word": True, "lstrip": True, "rstrip": True, "normalized": True}]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}
METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}
SPACES = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
TEMPLATE = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
            "special_tokens": {"<s>": {"ids": [12]}}}


def steps(key, *parts):
    return {"type": "Sequence", key: list(parts)}


def split(pattern, behavior, invert):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


SEEDS = {
    "byte_level": {"pre_tokenizer": BYTE_LEVEL, "decoder": BYTE_LEVEL, "post_processor": TEMPLATE},
    "metaspace": {"pre_tokenizer": METASPACE, "decoder": METASPACE},
    "llama": {"normalizer": steps("normalizers", {"type": "Prepend", "prepend": "▁"},
                                  {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}),
              "decoder": steps("decoders", SPACES, {"type": "ByteFallback"}, {"type": "Fuse"},
                               {"type": "Strip", "content": " ", "start": 1, "stop": 0})},
    "normalizers": {"normalizer": steps("normalizers", {"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
                                        {"type": "NFKC"}, {"type": "Strip", "strip_left": True, "strip_right": True},
                                        {"type": "Replace", "pattern": {"Regex": "\\s+$"}, "content": ""}),
                    "decoder": {"type": "BPEDecoder", "suffix": "e"}},
    "splits": {"pre_tokenizer": steps("pretokenizers", split("\\w{1,2}+|[^\\s]", "Removed", True),
                                      split("(?=t)|[aeé]", "MergedWithPrevious", False),
                                      split("h", "MergedWithNext", False), split("\\p{N}{1,3}", "Contiguous", False),
                                      {"type": "Digits", "individual_digits": True}, {"type": "Punctuation"},
                                      {"type": "Whitespace"}, {"type": "CharDelimiterSplit", "delimiter": "x"}),
               "decoder": steps("decoders", {"type": "Strip", "content": "t", "start": 1, "stop": 1})},
    "affixes": {"model": dict(MODEL, continuing_subword_prefix="t", end_of_word_suffix="e", merges=[], ignore_merges=True),
                "pre_tokenizer": {"type": "WhitespaceSplit"}},
}
FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fuzz", "tokenizer_fuzz")

os.makedirs(FOLDER, exist_ok=True)
for name, parts in SEEDS.items():
    source = dict({"added_tokens": ADDED, "model": MODEL}, **parts)
    with open(os.path.join(FOLDER, name), "wb") as file:
        file.write(json.dumps(source, ensure_ascii=False, separators=(",", ":")).encode())
        file.write("\0the <s> the Éé 123 e\r\n  x".encode() + b"\xc3")
