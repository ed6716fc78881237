"""Write tests/data/tokenizer_rows.json: small tokenizers of every kind, and what the `tokenizers` library
(0.23) makes of a few texts and ids with each.

    python tests/gen/tokenizer_rows.py [SEED [TEXTS]] > tests/data/tokenizer_rows.json

One object per tokenizer: "name", "file" (a tokenizer.json as text), "encode": [{text, ids, ids_special}],
"decode": [{ids, text, text_skip}].
"""

import json
import random
import sys

from tokenizers import Tokenizer

SENTENCES = """the cat sat on the mat and the dog ate the other hat; then they're off to the theatre.
we'll see the sun rise at 10:45, it's 1234 metres over the sea! naïve café, élan — déjà vu.
the theme of the thesis: there is the there in here, hello hello yellow fellow, low lower lowest."""

BYTE_ALPHABET = {}
extra = 0
for byte in range(256):
    if 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or 0xAE <= byte <= 0xFF:
        BYTE_ALPHABET[byte] = chr(byte)
    else:
        BYTE_ALPHABET[byte] = chr(0x100 + extra)
        extra += 1


def train(words, count, prefix=""):
    """Plain BPE: the most frequent pair first, ties by text. words: lists of symbols."""
    words = [list(word) for word in words]
    merges = []
    while len(merges) < count:
        pairs = {}
        for word in words:
            for pair in zip(word, word[1:]):
                pairs[pair] = pairs.get(pair, 0) + 1
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        joined = best[0] + best[1][len(prefix):]
        merges.append(best)
        for word in words:
            at = 0
            while at + 1 < len(word):
                if (word[at], word[at + 1]) == best:
                    word[at:at + 2] = [joined]
                at += 1
    return merges


def model(symbols, merges, prefix="", first=0, **flags):
    vocab = {}
    for token in list(symbols) + [a + b[len(prefix):] for a, b in merges]:
        vocab.setdefault(token, first + len(vocab))
    fields = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": prefix or None,
              "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False}
    fields.update(flags)
    return dict(fields, vocab=vocab, merges=[list(pair) for pair in merges])


def byte_model(**flags):
    words = [[BYTE_ALPHABET[b] for b in (" " + word).encode()] for word in SENTENCES.split()]
    alphabet = [BYTE_ALPHABET[b] for b in range(256)]
    return model(alphabet, train(words, 60), **flags)


def partial_byte_model(**flags):
    full = byte_model(**flags)
    used = {c for pair in full["merges"] for c in pair[0] + pair[1]}
    return model(sorted(used), [tuple(pair) for pair in full["merges"]], **flags)


def piece_model(fallback=True, **flags):
    words = [list("▁" + word) for word in SENTENCES.split()]
    symbols = ["<unk>", "<s>", "</s>"] + (["<0x%02X>" % b for b in range(256)] if fallback else [])
    characters = sorted({c for word in words for c in word})
    merges = train(words, 60) + [("▁", "▁"), ("▁▁", "▁▁"), ("▁", "<")]
    return model(symbols + characters + ["<"], merges, unk_token="<unk>", byte_fallback=fallback, **flags)


def suffix_model():
    words = [list(word[:-1]) + [word[-1] + "</w>"] for word in SENTENCES.split()]
    symbols = sorted({c for word in words for c in word} | {c for word in SENTENCES.split() for c in word})
    return model(["<unk>"] + symbols, train(words, 60), unk_token="<unk>", end_of_word_suffix="</w>")


def prefix_model():
    words = [[word[0]] + ["##" + c for c in word[1:]] for word in SENTENCES.split()]
    symbols = sorted({c for word in words for c in word} | {c for word in SENTENCES.split() for c in word})
    return model(["<unk>"] + symbols, train(words, 60, "##"), "##", unk_token="<unk>", fuse_unk=True)


def token(id, content, **flags):
    fields = {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True}
    return dict(fields, **flags)


def tokenizer(model, normalizer=None, pre=None, decoder=None, post=None, added=()):
    fresh = iter(range(max(model["vocab"].values()) + 1, 1 << 22))
    tokens = [dict(t, id=model["vocab"][t["content"]] if t["content"] in model["vocab"] else next(fresh))
              for t in added]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": tokens, "normalizer": normalizer,
            "pre_tokenizer": pre, "post_processor": post, "decoder": decoder, "model": model}


def sequence(key, *parts):
    return {"type": "Sequence", key: list(parts)}


def template(before, after):
    single = [{"SpecialToken": {"id": name, "type_id": 0}} for name, _ in before]
    single += [{"Sequence": {"id": "A", "type_id": 0}}]
    single += [{"SpecialToken": {"id": name, "type_id": 0}} for name, _ in after]
    specials = {name: {"id": name, "ids": [id], "tokens": [name]} for name, id in before + after}
    pair = single + [{"Sequence": {"id": "B", "type_id": 1}}]
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": specials}


def byte_level(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def metaspace(scheme, split=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def split(pattern, behavior, invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def replace(pattern, content, kind="String"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


PLAIN = [token(0, "<|end|>"), token(0, "<|start|>"), token(0, "<think>", special=False)]
CAREFUL = [token(0, "<l>", lstrip=True), token(0, "<r>", rstrip=True), token(0, "<b>", lstrip=True, rstrip=True),
           token(0, "word", single_word=True, special=False), token(0, "<n>", normalized=True, special=False),
           token(0, "Éa b", normalized=True, special=False), token(0, "<l><r>"), token(0, "  ", special=False)]
PIECES = [token(0, "<s>"), token(0, "</s>"), token(0, "<unk>")]
LLAMA_DECODER = sequence("decoders", replace("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"},
                         {"type": "Strip", "content": " ", "start": 1, "stop": 0})
PREPEND = sequence("normalizers", {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁"))
O200K = ("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
         "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
         "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|"
         "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")
CL100K = ("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
          "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")


def tokenizers():
    yield "gpt2", tokenizer(byte_model(), pre=byte_level(), decoder=byte_level(), post=byte_level(), added=PLAIN)
    yield "gpt2_prefix_space", tokenizer(byte_model(), pre=byte_level(True), decoder=byte_level(), added=CAREFUL,
                                         post={"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1],
                                               "trim_offsets": True, "add_prefix_space": True})
    yield "cl100k_ignoring_merges", tokenizer(
        byte_model(ignore_merges=True), {"type": "NFC"},
        sequence("pretokenizers", split(CL100K, "Isolated"), byte_level(False, False)), byte_level(),
        sequence("processors", byte_level(), template([("<|start|>", 316), ("x", 7)], [("<|end|>", 315)])), PLAIN)
    yield "o200k", tokenizer(byte_model(), None, sequence("pretokenizers", split(O200K, "Removed", True),
                                                          byte_level(False, False)), byte_level(), added=PLAIN)
    yield "half_an_alphabet", tokenizer(partial_byte_model(), pre=byte_level(), decoder=byte_level())
    yield "half_an_alphabet_unknown", tokenizer(partial_byte_model(unk_token="e", fuse_unk=True),
                                                pre=byte_level(regex=False), decoder=byte_level())
    yield "byte_level_normalizer", tokenizer(byte_model(), {"type": "ByteLevel"}, None, byte_level(),
                                             added=CAREFUL)
    yield "llama2", tokenizer(piece_model(fuse_unk=True), PREPEND, None, LLAMA_DECODER,
                              template([("<s>", 1)], []), PIECES)
    yield "llama2_careful", tokenizer(piece_model(), PREPEND, None, LLAMA_DECODER, template([("<s>", 1)], [("</s>", 2)]),
                                      CAREFUL)
    yield "gemma", tokenizer(piece_model(fuse_unk=True), replace(" ", "▁"),
                             split(" ", "MergedWithPrevious", kind="String"),
                             sequence("decoders", replace("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"}),
                             template([("<s>", 1)], []), PIECES + [token(0, "\n\n", special=False)])
    for scheme in ("always", "first", "never"):
        for cut in (True, False):
            yield f"metaspace_{scheme}_{'split' if cut else 'whole'}", tokenizer(
                piece_model(False, fuse_unk=cut), None, metaspace(scheme, cut), metaspace(scheme, cut), added=CAREFUL)
    yield "suffix", tokenizer(suffix_model(), {"type": "Lowercase"}, {"type": "Whitespace"},
                              {"type": "BPEDecoder", "suffix": "</w>"},
                              {"type": "BertProcessing", "sep": ["x", 9], "cls": ["y", 8]}, CAREFUL)
    yield "prefix", tokenizer(prefix_model(), sequence("normalizers", {"type": "NFD"}, {"type": "StripAccents"},
                                                       {"type": "Lowercase"}),
                              sequence("pretokenizers", {"type": "WhitespaceSplit"},
                                       {"type": "Punctuation", "behavior": "Isolated"}), None, added=CAREFUL)
    yield "forms", tokenizer(byte_model(), sequence("normalizers", {"type": "NFKC"}, {"type": "NFKD"}, {"type": "NFC"},
                                                    {"type": "Strip", "strip_left": True, "strip_right": True}),
                             byte_level(), byte_level(), added=CAREFUL)
    for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        for invert in (False, True):
            yield f"{behavior}{'_inverted' if invert else ''}", tokenizer(
                piece_model(False), None, sequence("pretokenizers", split("[aeé]|(?=t)", behavior, invert),
                                                   split("th", behavior, invert, "String"),
                                                   {"type": "Punctuation", "behavior": behavior}),
                {"type": "Fuse"})
    yield "digits", tokenizer(byte_model(), None, sequence("pretokenizers", {"type": "Digits", "individual_digits": False},
                                                           {"type": "CharDelimiterSplit", "delimiter": "e"},
                                                           byte_level(True, False)), byte_level())
    yield "regexes", tokenizer(byte_model(), replace("\\w{2}\\b|\\h{3}|\\s{2,3}", "·", "Regex"),
                               sequence("pretokenizers", split("(?:\\w{1,2}+|[^\\S\\n]+)$|\\B[\\w]\\W?", "Isolated"),
                                        split("(?<=\\d)(?=(?:\\d{3})+(?:\\D|$))", "Isolated"),
                                        byte_level(False, False)), byte_level())
    yield "decoders", tokenizer(piece_model(), None, None,
                                sequence("decoders", replace("[lo]+w?", "0", "Regex"), {"type": "ByteFallback"},
                                         {"type": "Strip", "content": "▁", "start": 1, "stop": 1}, {"type": "Fuse"},
                                         replace("the", "THE"), {"type": "Strip", "content": "e", "start": 2, "stop": 2}),
                                added=PIECES)


PARTS = ["the", "The", "cat", "hello", "HELLO", "lowest", "word", "words", " word ", "'s", "'LL", "'ſ", "they're", "é",
         "e\u0301", "É", "Éa b", "E\u0301a b", "İ", "ﬁ", "½", "Ⅻ", "①", "12", "1234567", "٣", "日本語", "ひら", "か\u3099", "한국", "각",
         "\u1112\u1161\u11ab", "😀", "👩\u200d🚀", "\u0301", "ا", "ُ", "ǅ", "ʰ", "ª", " ", "  ", "    ", "\n", "\r\n", "\t",
         "\u00a0", "\u3000", "\u2028", "\u200b", "\u180e", "\ufeff", "\u0000", "\u0007", ".", ",", "!!", "/", "</", "(", "_", "-", "—", "$",
         "¿", "‿", "▁", "▁▁", "Ġ", "Ċ", "<l>", "<r>", "<b>", "<n>", "<l><r>", "<s>", "</s>", "<unk>", "<|end|>",
         "<|start|>", "<think>", "<0x0A>", "\n\n", "\U00010400", "\U0001d7d8", "ß", "e", "t", "th", "a"]
FIXED = ["", " ", "the cat sat", " the cat", "the  cat   sat ", "<s>the</s>the", "hello<r>  the", "the  <l>hello", "a <b> <b> a",
         "aword word wordy", "x\u0085y", "don't DON'T we'll", "\n \n  x", "they're 1234567 on/off\r\n\r\n"]


def rows(source, texts, chance):
    library = Tokenizer.from_str(json.dumps(source))
    top = library.get_vocab_size(True) + 2
    encode, decode = [], []
    for text in texts:
        ids = library.encode(text, add_special_tokens=False).ids
        special = library.encode(text, add_special_tokens=True).ids
        encode.append({"text": text, "ids": ids, "ids_special": special})
        decode.append(special)
    decode += [[chance.randrange(top) for _ in range(chance.randrange(1, 9))] for _ in texts]
    bytes_first = library.token_to_id("<0x00>")
    if bytes_first is not None:
        decode += [[bytes_first + b for b in "é日".encode()] + [chance.randrange(top), bytes_first + 0xC3],
                   [bytes_first + 0xE6, bytes_first + 0x97]]
    decoded = []
    for ids in decode:
        try:
            decoded.append({"ids": ids, "text": library.decode(ids, skip_special_tokens=False),
                            "text_skip": library.decode(ids, skip_special_tokens=True)})
        except BaseException as panic:  # the library's Strip falls over strings that are all stripped
            if type(panic).__name__ != "PanicException":
                raise
    return encode, decoded


def main():
    chance = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 16
    out = []
    for name, source in tokenizers():
        texts = FIXED + ["".join(chance.choice(PARTS) for _ in range(chance.randrange(1, 9))) for _ in range(count)]
        encode, decode = rows(source, texts, chance)
        out.append({"name": name, "file": json.dumps(source, ensure_ascii=False, separators=(",", ":")),
                    "encode": encode, "decode": decode})
    text = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in out)
    sys.stdout.buffer.write(("[" + text + "]\n").encode())


main()
