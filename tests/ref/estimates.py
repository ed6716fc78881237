#!/usr/bin/env python3
"""What runs take against what was estimated before their first step: estimates.py PROGRAM MODEL [NAME...].

MODEL: a folder with a model of more than a toy's size (a random one of Qwen3-0.6B's shape will do); the demo stands beside it.
Prints a table (tests/ref/training.md); with names, only their rows. Estimates are those of the plan, measured are the middle one
of the first three steps and the highest memory by then.
"""
import json, os, random, subprocess, sys, tempfile
from pathlib import Path

project = Path(__file__).resolve().parents[2]
program, model, names = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3:]
drawn = random.Random(1)

LONG, SHORT = "--packing off --window 1 --steps 4", "--packing off --window 2 --steps 4"
CASES = [  # name, model, examples, tokens of each, flags
    ("rows of 400", "large", 12, 400, LONG),
    ("rows of 40", "large", 120, 40, SHORT),
    ("packs of 512", "large", 120, 40, "--packing on --window 1 --max-length 512 --steps 4"),
    ("layers again", "large", 12, 400, LONG + " --checkpointing layers"),
    ("int8", "large", 120, 40, SHORT + " --dtype int8"),
    ("nf4", "large", 120, 40, SHORT + " --dtype nf4"),
    ("dora", "large", 120, 40, SHORT + " --dora"),
    ("dora, layers again", "large", 120, 40, SHORT + " --dora --checkpointing layers"),
    ("dora, rows of 400", "large", 12, 400, LONG + " --dora"),
    ("olora", "large", 120, 40, SHORT + " --init olora"),
    ("demo, rows of 40", "demo", 400, 40, "--packing off --window 16 --steps 8"),
    ("demo, packs", "demo", 400, 40, "--packing on --window 4 --max-length 128 --steps 8"),
    ("demo, whole weights", "demo", 400, 40, "--full --window 16 --steps 8"),
]


def make_home(home):
    env = {**os.environ, "HOME": home, "HYPRSTREAM_MODELS_DIR": home + "/models", "XDG_RUNTIME_DIR": home}
    env["GIT_CONFIG_GLOBAL"] = home + "/.gitconfig"
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        env[f"XDG_{name}_HOME"] = f"{home}/{name.lower()}"
    return env


def make_model(env, name, source):
    folder = Path(env["HYPRSTREAM_MODELS_DIR"], name)
    folder.mkdir(parents=True)
    run = lambda *words: subprocess.run(words, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
    for file in [*source.glob("*.json"), *source.glob("*.jinja"), *source.glob("*.safetensors")]:
        run("cp", str(file), ".")
    run("git", "config", "--global", "user.name", "Ada")
    run("git", "config", "--global", "user.email", "ada@example.invalid")
    run("git", "init", "-q", "-b", "main")
    run("git", "lfs", "install", "--local")
    run("git", "lfs", "track", "*.safetensors")
    run("git", "add", "-A")
    run("git", "commit", "-qm", "A model")
    return json.loads((source / "config.json").read_text())["vocab_size"]


def write_rows(path, vocab, count, length):
    with open(path, "w") as out:
        for _ in range(count):
            ids = [drawn.randrange(vocab) for _ in range(int(length * drawn.uniform(0.7, 1.3)))]
            out.write(json.dumps({"input_ids": ids, "labels": ids}) + "\n")


def measure(env, case, rows):
    name, model_name, _, _, flags = case
    adapter = [] if "--full" in flags else ["--adapter", "a-" + "".join(c if c.isalnum() else "-" for c in name)]
    words = [program, "train", model_name, *adapter, "--data", rows, *flags.split(), "--json"]
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        event = json.loads(line)
        if event["event"] == "measured":
            return event
    sys.exit(f"{name}: nothing was measured: {done.stderr}")


with tempfile.TemporaryDirectory() as home:
    env = make_home(home)
    vocabs = {"large": make_model(env, "large", Path(model)), "demo": make_model(env, "demo", project / "assets/demo")}
    print("| run | memory, estimated | measured | a step, estimated | measured | times |")
    print("| --- | --- | --- | --- | --- | --- |")
    for case in CASES:
        if names and case[0] not in names:
            continue
        rows = home + "/rows.jsonl"
        write_rows(rows, min(vocabs[case[1]], 100000), case[2], case[3])
        m = measure(env, case, rows)
        sizes = [f"{m[key] / 1e9:.2f} GB" for key in ("memory_estimated", "mem_peak")]
        times = [f"{m[key]:.3g} s" for key in ("step_seconds_estimated", "step_seconds")]
        print(f"| {case[0]} | {' | '.join(sizes + times)} | {m['step_seconds'] / m['step_seconds_estimated']:.2f} |", flush=True)
