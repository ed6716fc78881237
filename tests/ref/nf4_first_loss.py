#!/usr/bin/env python3
"""The first loss on a quantised base against PEFT: nf4_first_loss.py PROGRAM [MODEL]. Prints a table (tests/ref/training.md).

Needs torch, transformers, peft and, for nf4 itself, bitsandbytes; without the former it says so and ends with 77. MODEL: a
folder; without it the demo's. The same rows, the same adapter (A and B both random) and dropout 0 on both sides: ours by
`train --dtype nf4 --init-adapter F --json`, whose first line is printed before any step; PEFT's over bitsandbytes' nf4 on the
CPU, and over a base whose linear weights were dequantised as spec and header say (int8 is that alone: bitsandbytes' int8
rounds x, too).
"""
import json, os, shutil, subprocess, sys, tempfile
from pathlib import Path

try:
    import torch, transformers, peft
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)
try:
    import bitsandbytes
except ImportError:
    bitsandbytes = None

ALLOWED = 0.01
project = Path(__file__).resolve().parents[2]
program = os.path.abspath(sys.argv[1])
source = Path(sys.argv[2] if len(sys.argv) > 2 else project / "assets/demo")
home = tempfile.mkdtemp()
env = {**os.environ, "HOME": home, "HYPRSTREAM_MODELS_DIR": home + "/models"}
for name in ("CONFIG", "DATA", "STATE", "CACHE"):
    env[f"XDG_{name}_HOME"] = f"{home}/{name.lower()}"
env["XDG_RUNTIME_DIR"] = home
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TABLE = torch.tensor([-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
                      -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
                      0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
                      0.7229568362236023, 1])


def rows():
    """16 rows of chats as text; the first eight tokens of each are not learned."""
    tokenizer = AutoTokenizer.from_pretrained(source)
    out = []
    for line in (project / "assets/demo/data/polite.jsonl").read_text().splitlines()[:16]:
        words = [m["content"] for m in json.loads(line)["messages"]]
        ids = tokenizer.encode("\n".join(words), add_special_tokens=False)[:96]
        out.append({"input_ids": ids, "labels": [-100] * 8 + ids[8:]})
    return out


def model(**how):
    return AutoModelForCausalLM.from_pretrained(source, dtype=torch.bfloat16, attn_implementation="eager", **how)


def make_adapter(folder):
    torch.manual_seed(3)
    config = LoraConfig(r=8, lora_alpha=8, target_modules=TARGETS, init_lora_weights=False, task_type="CAUSAL_LM")
    made = get_peft_model(model(), config)
    with torch.no_grad():
        for name, p in made.named_parameters():
            if "lora_B" in name:
                p.mul_(0.2)
    made.save_pretrained(folder)


def theirs(base, adapter, data):
    with_adapter = PeftModel.from_pretrained(base, adapter).eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for row in data:
            logits = with_adapter(input_ids=torch.tensor([row["input_ids"]])).logits[0, :-1].float()
            labels = torch.tensor(row["labels"][1:])
            total += torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum").item()
            count += int((labels != -100).sum())
    return total / count


def int8(w):
    scale = w.abs().amax(1, keepdim=True) / 127
    return (w / scale).round().clamp(-127, 127) * scale


def nf4(w):
    blocks = w.reshape(-1, 64)
    most = blocks.abs().amax(1, keepdim=True)
    return (TABLE[(blocks / most).unsqueeze(-1).sub(TABLE).abs().argmin(-1)] * most).reshape(w.shape)


def dequantised(way):
    base = model()
    with torch.no_grad():
        for name, p in base.named_parameters():
            if any(t + ".weight" in name for t in TARGETS):
                p.copy_(way(p.float()))
    return base


def by_bitsandbytes():
    how = transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
    base = model(quantization_config=how, device_map="cpu")
    packed = sum(type(m).__name__ == "Linear4bit" for m in base.modules())
    assert packed == len(TARGETS) * base.config.num_hidden_layers, f"{packed} layers were packed"
    return base


def ours(dtype, adapter, data):
    folder = Path(home) / "models" / f"m{dtype}"
    folder.mkdir(parents=True)
    for file in source.iterdir():
        if file.suffix in (".json", ".safetensors", ".jinja"):
            shutil.copyfile(file, folder / file.name)
    git = lambda *words: subprocess.run(["git", "-C", folder, *words], env=env, check=True, capture_output=True)
    git("init", "-q", "-b", "main")
    git("config", "user.name", "Ada")
    git("config", "user.email", "ada@example.invalid")
    git("add", "-A")
    git("commit", "-qm", "The base")
    rows_file = Path(home) / "rows.jsonl"
    rows_file.write_text("".join(json.dumps(row) + "\n" for row in data))
    done = subprocess.run([program, "train", folder.name, "--data", rows_file, "--adapter", "first", "--init-adapter", adapter,
                           "--dtype", dtype, "--steps", "1", "--window", str(len(data)), "--eval-fraction", "0", "--packing",
                           "off", "--warmup", "0", "--json"], env=env, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("{") and "loss" in json.loads(line):
            return json.loads(line)["loss"]
    raise SystemExit(f"hyprstream train: {done.stdout}{done.stderr}")


data, adapter = rows(), Path(home) / "adapter"
make_adapter(adapter)
print(f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}, bitsandbytes "
      f"{bitsandbytes.__version__ if bitsandbytes else 'none'}; {source.name}, {len(data)} rows, "
      f"{sum(len(r['input_ids']) - 8 for r in data)} targets\n\n| base | ours | PEFT | relative difference | allowed |\n"
      "| --- | --- | --- | --- | --- |")
failed = False
cases = [("auto", "bf16, not quantised", model), ("int8", "int8, dequantised", lambda: dequantised(int8)),
         ("nf4", "nf4, dequantised", lambda: dequantised(nf4))]
if bitsandbytes:
    cases.append(("nf4", "nf4 of bitsandbytes", by_bitsandbytes))
losses = {}
for dtype, name, base in cases:
    if dtype not in losses:
        losses[dtype] = ours(dtype, adapter, data)
    theirs_loss = theirs(base(), adapter, data)
    off = abs(losses[dtype] - theirs_loss) / theirs_loss
    failed |= not off <= ALLOWED
    print(f"| {name} | {losses[dtype]:.5f} | {theirs_loss:.5f} | {off:.2g} | {ALLOWED:g} |", flush=True)
shutil.rmtree(home)
sys.exit(failed)
