#!/usr/bin/env python3
"""Which words of a chat are learned: our mask against transformers', template by template.

    masks_transformers.py PROGRAM SHARED_DATA [TEMPLATE...]

Every chat template of SHARED_DATA/chat_templates renders the same conversations. Ours is what `inspect-data --json` says
of them as a file of messages. Theirs:
  - a template with {% generation %}: tokenizer.apply_chat_template(..., return_assistant_tokens_mask=True);
  - one without, for which transformers gives no mask: its renderings of the messages before an answer (with the
    generation prompt) and up to it. Where each is the beginning of the next, the answer is what lies between, else each
    answer is an example of its own that begins where the two part. A token counts when it begins in there.
Tokens must be the same, and so must be which of them are learned. Prints a line for each template that is not so, a table,
and exits 1 when there is any difference but of tokens that straddle the beginning of an answer: transformers learns those,
we do not, because what stands before them is the prompt's. No GPU, no network. Needs transformers.
"""
import datetime
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import transformers

PROGRAM, DATA = os.path.realpath(sys.argv[1]), os.path.realpath(sys.argv[2])
ONLY = sys.argv[3:]
NONE = -100
CONTEXT = 100000
# A tokenizer whose words and special tokens are near to the template's; any would do, both sides use the same.
TOKENIZERS = [("gemma", "gemma3"), ("llama", "llama3"), ("Llama", "llama3"), ("gptoss", "gpt4o_o200k"), ("gpt-oss", "gpt4o_o200k"),
              ("mistral", "llama2"), ("deepseek", "deepseek_v3")]


class Epoch(datetime.datetime):
    """The day that templates are told while data is read: always the same, so that equal data gives equal tokens."""

    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(0, tz)


transformers.utils.chat_template_utils.datetime = Epoch


def user(text):
    return {"role": "user", "content": text}


def answer(text, thought=None):
    return {"role": "assistant", "content": text, **({"reasoning_content": thought} if thought else {})}


CONVERSATIONS = [
    [user("Hi"), answer("Hello.")],
    [{"role": "system", "content": "Be brief."}, user("2+2?"), answer("4"), user("3+3?"), answer("6, of course.")],
    [user("Zürich?\n\nIn a list."), answer("- Zürich ✓ 🏔️\n- `Genève`\n\n```c\nint main(void);\n```")],
    [user("a"), answer("b"), user("a"), answer("b"), user("a"), answer("b")],
    [user("Why?"), answer("Because.", "They ask why.\nI answer.")],
    [user("Why?"), answer("Because.", "First thought."), user("Really?"), answer("Yes.", "Second thought.")],
    [user("Spaces"), answer("  kept or trimmed  ")],
]


def model_folder(place, template, tokenizer):
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    base = f"{DATA}/models/tiny-qwen3"
    os.symlink(f"{base}/model.safetensors", f"{place}/model.safetensors")
    config = json.load(open(f"{base}/config.json"))
    config["max_position_embeddings"] = CONTEXT  # no example is cut
    json.dump(config, open(f"{place}/config.json", "w"))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        path = f"{DATA}/tokenizers/{tokenizer}/{name}"
        raw = gzip.open(path + ".gz").read() if os.path.exists(path + ".gz") else open(path, "rb").read()
        if name == "tokenizer_config.json":
            config = json.loads(raw)
            config.pop("chat_template", None)
            config["tokenizer_class"] = "PreTrainedTokenizerFast"
            config.pop("auto_map", None)
            raw = json.dumps(config).encode()
        open(f"{place}/{name}", "wb").write(raw)
    shutil.copy(template, f"{place}/chat_template.jinja")


def ours(place, conversations):
    """Rows by line: [(ids, learned)]; None and the sentence when it refuses."""
    data = f"{place}/data.jsonl"
    with open(data, "w", encoding="utf-8") as f:
        for c in conversations:
            f.write(json.dumps({"messages": c}, ensure_ascii=False) + "\n")
    done = subprocess.run([PROGRAM, "inspect-data", place, "--data", data, "--max-length", str(CONTEXT), "--rows", "1000", "--json"],
                          capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip()
    rows = {}
    for row in json.loads(done.stdout)["rows"]:
        rows.setdefault(row["line"], []).append((row["ids"], [l != NONE for l in row["labels"]]))
    return [rows.get(i + 1, []) for i in range(len(conversations))], ""


def render(tokenizer, messages, prompt=False):
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)


def labelled(tokenizer, text, spans):
    made = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return made["input_ids"], [any(b <= at < e for b, e in spans) for at, _ in made["offset_mapping"]]


def without_newline(text, begin):
    return len(text) - 1 if len(text) > begin and text.endswith("\n") else len(text)


def by_prefixes(tokenizer, messages):
    full, spans, parts = render(tokenizer, messages), [], []
    for j, m in enumerate(messages):
        if m["role"] != "assistant":
            continue
        head, upto = render(tokenizer, messages[:j], True), render(tokenizer, messages[:j + 1])
        parts.append((j, head, upto))
        if upto.startswith(head) and full.startswith(upto):
            spans.append((len(head), without_newline(upto, len(head))))
    if len(spans) == len(parts):
        return [labelled(tokenizer, full, spans)]
    rows = []
    for j, head, upto in parts:
        begin = len(os.path.commonprefix([head, upto]))
        end = 0
        for m in messages[:j]:
            at = upto.find(m["content"], end) if m["role"] != "assistant" else -1
            end = at + len(m["content"]) if at >= 0 else end
        begin = max(begin, end)
        rows.append(labelled(tokenizer, upto, [(begin, without_newline(upto, begin))]))
    return rows


def by_generation(tokenizer, messages):
    made = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    return [(list(made["input_ids"]), [bool(m) for m in made["assistant_masks"]])]


def straddling(theirs, mine):
    """Only tokens that transformers learns just before a stretch that both learn."""
    apart = [k for k, (a, b) in enumerate(zip(theirs, mine)) if a != b]
    return all(theirs[k] and k + 1 < len(mine) and mine[k + 1] for k in apart)


def compare(count, theirs, mine):
    """Adds to the counts; gives what is wrong, or ''."""
    if len(theirs) != len(mine):
        return f"{len(mine)} examples, {len(theirs)} expected"
    for (ids, mask), (own_ids, own_mask) in zip(theirs, mine):
        count["examples"] += 1
        count["tokens"] += len(ids)
        count["learned"] += sum(mask)
        if list(ids) != own_ids:
            return f"other tokens: {len(own_ids)}, {len(ids)} expected"
        apart = sum(a != b for a, b in zip(mask, own_mask))
        if apart and straddling(mask, own_mask):
            count["straddling"] += apart
        elif apart:
            return f"{apart} of {len(mask)} tokens masked otherwise"
    return ""


def one_template(place, path, count):
    name = os.path.basename(path)[:-len(".jinja")]
    text = open(path, encoding="utf-8").read()
    kind = next((t for part, t in TOKENIZERS if part in name), "qwen3")
    model_folder(place, path, kind)
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(place)
    tokenizer.chat_template = text
    reference = by_generation if re.search(r"\{%[-+]?\s*generation\s*[-+]?%\}", text) else by_prefixes
    kept, wanted, wrong = [], [], []
    for c in CONVERSATIONS:
        try:
            rows = reference(tokenizer, c)
        except Exception as e:  # a template may refuse a conversation, with any exception of jinja2
            count["refused"] += 1
            mine, _ = ours(place, [c])
            if mine is not None and reference is by_generation:
                wrong.append(f"taken by us, refused by transformers ({type(e).__name__}: {str(e)[:80]})")
            continue
        if any(any(mask) for _, mask in rows):
            kept.append(c)
            wanted.append(rows)
    if not kept:
        count["unused"] += 1
        print(f"{os.path.basename(path)}: not compared, it renders none of the conversations", flush=True)
        return reference, wrong
    mine, why = ours(place, kept)
    if mine is None:
        return reference, wrong + [f"refused by us: {why[:160]}"]
    for i, (rows, own) in enumerate(zip(wanted, mine)):
        count["conversations"] += 1
        problem = compare(count, rows, own)
        if problem:
            wrong.append(f"conversation {CONVERSATIONS.index(kept[i]) + 1}: {problem}")
    return reference, wrong


def main():
    transformers.logging.set_verbosity_error()
    keys = ("templates", "conversations", "examples", "tokens", "learned", "straddling", "refused", "unused", "differing")
    table = {by_generation: dict.fromkeys(keys, 0), by_prefixes: dict.fromkeys(keys, 0)}
    with tempfile.TemporaryDirectory(prefix="masks-") as place:
        for file in sorted(os.listdir(f"{DATA}/chat_templates")):
            if not file.endswith(".jinja") or (ONLY and file[:-len(".jinja")] not in ONLY):
                continue
            count = dict.fromkeys(keys, 0)
            reference, wrong = one_template(place + "/m", f"{DATA}/chat_templates/{file}", count)
            count["templates"], count["differing"] = 1, int(bool(wrong))
            for key in keys:
                table[reference][key] += count[key]
            for line in wrong:
                print(f"{file}: {line}", flush=True)
    print(f"transformers {transformers.__version__}")
    print("| template | " + " | ".join(keys) + " |\n| --- |" + " --- |" * len(keys))
    for reference, name in ((by_generation, "with {% generation %}"), (by_prefixes, "without")):
        print(f"| {name} | " + " | ".join(str(table[reference][k]) for k in keys) + " |")
    return int(any(t["differing"] for t in table.values()))


if __name__ == "__main__":
    sys.exit(main())
