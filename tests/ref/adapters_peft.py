#!/usr/bin/env python3
"""Adapters against the real PEFT: adapters_peft.py PROGRAM [MODEL ADAPTER ADAPTER]. Prints a table (tests/ref/adapters.md).

Needs torch, transformers and peft; without them it says so and ends with 77. MODEL: a folder in float32 whose tokens are
plain ids; the two ADAPTERS: PEFT folders of equal rank. Without words: tiny-qwen3 and merge_a, merge_b of the reference
data ($HYPRSTREAM_TEST_DATA, or ../shared/data beside the checkout).

1. our file in PEFT, PEFT's in ours: what the program exports or combines is loaded by PEFT, and log-probabilities of a row
   of ids are compared at every place (the likeliest 20, and the row's own);
2. add_weighted_adapter: each kind made by the program and by PEFT; B A of every module compared. DARE draws other random
   numbers, so there the mean of 400 draws is compared with the weighted sum, against its own standard error;
3. merge: the merged weights, bit for bit, against merge_and_unload.
"""
import json, os, subprocess, sys, tempfile
from pathlib import Path

try:
    import torch, transformers, peft
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors.torch import load_file
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

program = os.path.abspath(sys.argv[1])
data = Path(os.environ.get("HYPRSTREAM_TEST_DATA") or Path(__file__).resolve().parents[3] / "shared/data")
if len(sys.argv) > 4:
    model_path, sources = Path(sys.argv[2]), [Path(p) for p in sys.argv[3:5]]
else:
    model_path, sources = data / "models/tiny-qwen3", [data / f"golden/training/init/merge_{n}" for n in "ab"]
if not model_path.exists():
    print(f"skipped: no {model_path}")
    sys.exit(77)
torch.set_num_threads(1)
home = tempfile.mkdtemp()
env = {**os.environ, "HOME": home, "HYPRSTREAM_MODELS_DIR": home + "/models"}
for name in ("CONFIG", "DATA", "STATE", "CACHE"):
    env[f"XDG_{name}_HOME"] = f"{home}/{name.lower()}"
folder = Path(home) / "model"
folder.mkdir()
for file in model_path.iterdir():
    if file.suffix in (".json", ".safetensors", ".jinja"):
        (folder / file.name).write_bytes(file.read_bytes())


def run(*words):
    done = subprocess.run([program, *map(str, words), "--json"], env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"hyprstream {' '.join(map(str, words))}: {done.stderr}")
    return json.loads(done.stdout)


failed = False
def row(what, measured, allowed):
    global failed
    good = measured <= allowed
    failed |= not good
    print(f"| {what} | {measured:.2g} | {allowed:.2g} |{'' if good else ' FAILED |'}")


def base():
    return transformers.AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32, attn_implementation="eager")


vocab = json.loads((model_path / "config.json").read_text())["vocab_size"]
ids = [(7 * i * i + 3 * i + 1) % vocab for i in range(24)]


def theirs(model):
    with torch.no_grad():
        return torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0].double(), -1)


def ours_off(wanted, *words):
    """The largest difference of the log-probabilities that `score` prints from PEFT's."""
    most = 0.0
    got = run("score", folder, "--ids", ",".join(map(str, ids)), "--top", 20, *words)["tokens"]
    for at, token in enumerate(got[1:], 1):
        most = max(most, abs(token["logprob"] - wanted[at - 1, token["id"]].item()))
        for one in token["top"]:
            most = max(most, abs(one["logprob"] - wanted[at - 1, one["id"]].item()))
    return most


print(f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}; {model_path.name}, "
      f"{sources[0].name} and {sources[1].name}\n\n| what | off by at most | allowed |\n| --- | --- | --- |")
row("base, log-probabilities", ours_off(theirs(base())), 1e-5)
for i, source in enumerate(sources, 1):
    run("adapter", folder, "add", source, "--name", f"a{i}")
    loaded = PeftModel.from_pretrained(base(), source).eval()
    row(f"PEFT's {source.name} in ours, log-probabilities", ours_off(theirs(loaded), "--adapter", f"a{i}"), 1e-5)

# 2. combinations
pair = PeftModel.from_pretrained(base(), sources[0], adapter_name="a1")
pair.load_adapter(sources[1], adapter_name="a2")


def products(tensors):
    return {n: tensors[n].double() @ tensors[n.replace("lora_B", "lora_A")].double() for n in tensors if ".lora_B." in n}


def off(one, two):
    assert one.keys() == two.keys(), one.keys() ^ two.keys()
    return max((one[n] - two[n]).abs().max().item() for n in one)


def scaled(folder):
    config = json.loads((folder / "adapter_config.json").read_text())
    s = config["lora_alpha"] / (config["r"] ** 0.5 if config["use_rslora"] else config["r"])
    return {n: s * t for n, t in products(load_file(folder / "adapter_model.safetensors")).items()}


def combined(kind, first, second, *more):
    name = f"sum_{kind.replace('.', '')}"
    done = run("adapter", folder, "combine", name, f"a1@{first}", f"a2@{second}", "--type", kind, "--force", "--index", 90, *more)
    return folder / "adapters" / (done["adapter"] + ".safetensors"), done["adapter"]


for kind, second, options, words in [
        ("linear", -0.4, {}, []), ("cat", -0.4, {}, []), ("svd", -0.4, {}, []), ("svd", -0.4, {"svd_rank": 3}, ["--rank", 3]),
        ("ties", 0.4, {"density": 0.5}, ["--density", 0.5]), ("magnitude_prune", 0.4, {"density": 0.5}, ["--density", 0.5]),
        ("ties", -0.4, {"density": 0.3, "majority_sign_method": "frequency"}, ["--density", 0.3, "--majority", "frequency"]),
        ("ties_svd", 0.4, {"density": 0.5}, ["--density", 0.5]),
        ("magnitude_prune_svd", 0.4, {"density": 0.5}, ["--density", 0.5]),
        ("dare_linear", 0.4, {"density": 1.0}, ["--density", 1]), ("dare_ties_svd", 0.4, {"density": 1.0}, ["--density", 1])]:
    if "sum" in pair.peft_config:
        pair.delete_adapter("sum")
    pair.add_weighted_adapter(["a1", "a2"], [0.7, second], "sum", combination_type=kind, **options)
    wanted = products(get_peft_model_state_dict(pair, adapter_name="sum"))
    path, name = combined(kind, 0.7, second, *words)
    said = "".join(f", {k} {v}" for k, v in options.items())
    allowed = 1e-5 if "svd" in kind else 1e-6
    row(f"{kind}{said}: B A", off(products(load_file(path)), wanted), allowed)
    if kind == "cat":
        run("adapter", folder, "export", name, home + "/cat")
        again = PeftModel.from_pretrained(base(), home + "/cat").eval()
        row("our cat in PEFT, log-probabilities", ours_off(theirs(again), "--adapter", name), 1e-5)
        row("our cat in PEFT against the two in ours", ours_off(theirs(again), "--adapter", "a1@0.7", "--adapter", "a2@-0.4"), 1e-5)

# DARE: the mean of many draws is the sum itself.
exact = {n: 0.7 * t + 0.4 * scaled(sources[1])[n] for n, t in scaled(sources[0]).items()}
draws = int(os.environ.get("DRAWS", "60"))
sums, squares = {n: 0 for n in exact}, {n: 0 for n in exact}
for seed in range(draws):
    path, _ = combined("dare_linear_svd", 0.7, 0.4, "--density", 0.5, "--seed", seed, "--rank", min(t for x in exact.values() for t in x.shape))
    for n, t in products(load_file(path)).items():
        sums[n], squares[n] = sums[n] + t, squares[n] + t * t
worst = 0.0
for n, t in exact.items():
    mean = sums[n] / draws
    error = ((squares[n] / draws - mean * mean).clamp(min=1e-30) / draws).sqrt()
    worst = max(worst, ((mean - t) / error).pow(2).mean().sqrt().item())
row(f"dare_linear_svd of full rank, mean of {draws} draws: distance from the sum in standard errors, root mean square", worst, 1.3)

# 3. merge
for words, adapters in [(["a1"], ["a1"]), (["a1@0.5", "a2"], None)]:
    merged_folder = f"{home}/merged{len(words)}"
    run("adapter", folder, "merge", *words, "--to", merged_folder)
    own = load_file(merged_folder + "/model.safetensors")
    if adapters:
        whole = PeftModel.from_pretrained(base(), sources[0]).merge_and_unload().state_dict()
        row("merge of one: elements of other bits than merge_and_unload's",
            float(sum((own[n] != whole[n]).sum().item() for n in own if n in whole)), 0)
    else:
        whole = {n: t.clone() for n, t in base().state_dict().items()}
        for source, weight in zip(sources, (0.5, 1.0)):
            for n, t in scaled(source).items():
                key = n.replace("base_model.model.", "").replace(".lora_B.weight", ".weight")
                whole[key] = whole[key].double() + weight * t
        row("merge of two: elements against W + sum of deltas", max((own[n].double() - whole[n].double()).abs().max().item()
                                                                    for n in own if n in whole), 1e-6)
sys.exit(failed)
