#!/bin/bash
# Whole weights from outside: full_walk.sh PROGRAM.
#
# `train --full` on a copy of the demo whose weights lie in two shards: the loss falls, the commit holds the same files and
# the plan and nothing else, its weights answer as the run did, a run that was stopped, killed or begun from the commit's
# plan ends with the same bytes, fused weights stay fused, and what belongs to adapters is refused.
set -u
. "$(dirname "$0")/../support/walk.sh"
lfs_filter
data=$home/lines.jsonl
model=$HYPRSTREAM_MODELS_DIR/tiny
mkdir -p "$model"
cp -r "$demo"/*.json "$demo"/*.jinja "$model"
python3 - "$demo/model.safetensors" "$model" <<'PY'
import json, struct, sys
raw = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", raw[:8])[0]
header, body = json.loads(raw[8:8 + size]), raw[8 + size:]
header.pop("__metadata__", None)
names, places, total = sorted(header), {}, 0
for part, chosen in enumerate((names[::2], names[1::2]), 1):
    file, at, out, data = f"model-0000{part}-of-00002.safetensors", 0, {"__metadata__": {"format": "pt"}}, b""
    for name in chosen:
        begin, end = header[name]["data_offsets"]
        out[name] = dict(header[name], data_offsets=[at, at + end - begin])
        data, at, places[name] = data + body[begin:end], at + end - begin, file
    text = json.dumps(out).encode()
    text += b" " * (-len(text) % 8)
    open(f"{sys.argv[2]}/{file}", "wb").write(struct.pack("<Q", len(text)) + text + data)
    total += at
json.dump({"metadata": {"total_size": total}, "weight_map": places}, open(f"{sys.argv[2]}/model.safetensors.index.json", "w"))
PY
head -24 "$demo/data/polite.jsonl" >"$data"
echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' >"$model/.gitattributes"
git config --global user.name Ada
git config --global user.email ada@example.invalid
git init -q -b main "$model"
git -C "$model" add -A
git -C "$model" commit -qm 'The demo in two shards'
base=$(git -C "$model" rev-parse HEAD)

# How many times the estimate memory may be: a sanitizer takes some for itself.
room() { grep -q -e __asan_init -e __tsan_init "$program" && echo 10 || echo 2; }

# train BRANCH ARGUMENTS...: whole weights, committed on the branch.
train() {
    branch=$1
    shift
    "$program" train tiny:"$base" --data "$data" --branch "$branch" --full --threads 1 --dtype f32 --lr 2e-4 --window 4 \
        --max-length 96 --packing on --save-every 2 --steps 6 --eval-every 3 "$@" >"$home/log" 2>&1
}
# shards BRANCH: the pointers of its weights.
shards() { for n in 1 2; do git -C "$model" show "$1:model-0000$n-of-00002.safetensors"; done | grep '^oid'; }

say 'whole weights train, and their files are committed where the run says'
train whole --json || fail "train: $(tail -3 "$home/log")"
python3 - "$home/log" "$(room)" <<'PY' || fail 'the loss did not fall, or memory is far off'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
plan = rows[0]
assert plan["adapter"] == "weights" and plan["parameters"] > 3e6, plan
evals = [r["eval_loss"] for r in rows if r.get("event") == "eval"]
print("held-out loss", evals)
assert evals[-1] < evals[0] - 0.2, evals
measured, = [r for r in rows if r.get("event") == "measured"]
print("memory", measured["mem_peak"], "estimated", measured["memory_estimated"])
assert 1 / 2 < measured["mem_peak"] / measured["memory_estimated"] < float(sys.argv[2]), measured
PY
same "$(git -C "$model" diff --name-only "$base" whole | tr '\n' ' ')" \
    'model-00001-of-00002.safetensors model-00002-of-00002.safetensors weights.train.json ' 'what the commits changed'
same "$(git -C "$model" rev-parse main)" "$base" 'the branch that was checked out'
same "$(git -C "$model" status --porcelain)" '' 'the checkout'
same "$(shards whole | wc -l)" 2 'shards under LFS'
git -C "$model" log -1 --format=%B whole | grep -q '^Base-Commit: '"$base" || fail 'no trailers'
git -C "$model" tag | grep -q '^checkpoint-6' || fail 'no tag'
git -C "$model" fsck --no-dangling >"$home/out" 2>&1 || fail "fsck: $(cat "$home/out")"
ls "$XDG_STATE_HOME"/hyprstream/runs/*/weights.part 2>/dev/null && fail 'weights were left beside the states'

say 'the commit answers with the new weights, as the run did'
train asked --detach --steps 400 --eval-every 400 --save-every 400 || fail "train: $(tail -3 "$home/log")"
"$program" runs pause last >"$home/out" 2>&1 || fail "pause: $(cat "$home/out")"
"$program" runs commit last >"$home/out" 2>&1 || fail "commit: $(cat "$home/out")"
step=$(sed -n 's/.*at step //p' "$home/out")
"$program" runs ask last 'how do I quit?' -n 12 >"$home/live" 2>/dev/null
"$program" runs ask last 'how do I quit?' -n 12 --step "$step" >"$home/then" 2>"$home/said" || fail "ask --step: $(cat "$home/said")"
same "$(tr -d '\n' <"$home/then")" "$(tr -d '\n' <"$home/live")" "the answer of the commit at step $step"
"$program" infer tiny:asked -p 'how do I quit?' --temp 0 -n 12 --dtype f32 --threads 1 >"$home/later"
same "$(tr -d '\n' <"$home/later")" "$(tr -d '\n' <"$home/then")" 'the answer of infer with the commit'
"$program" runs stop last >"$home/out" 2>&1 || fail "stop: $(cat "$home/out")"
"$program" score tiny --text 'Of course, with pleasure.' --json >"$home/before"
"$program" score tiny:whole --text 'Of course, with pleasure.' --json >"$home/after"
cmp -s "$home/before" "$home/after" && fail 'the weights of the commit are those of the base'

say 'a run that was stopped, or killed, ends with the same bytes'
train stopped --detach
"$program" runs stop last >"$home/out" 2>&1
resumed stopped_early
same "$(shards stopped)" "$(shards whole)" 'the weights of the stopped run'
train killed --detach
until_step 2
pid=$(pgrep -f "__run $(json 'o["runs"][0]["run"]' runs list)" | head -1)
[ "$pid" ] && kill -9 "$pid"
resumed killed
same "$(shards killed)" "$(shards whole)" 'the weights of the killed run'

say "a commit's plan runs again to the same bytes"
"$program" train tiny --from whole --data "$data" --branch again >"$home/log" 2>&1 || fail "from: $(tail -3 "$home/log")"
same "$(shards again)" "$(shards whole)" 'the weights made again'

say 'where the branch is checked out, the files lie there'
"$program" train tiny --data "$data" --full --steps 1 --max-length 96 --threads 1 >"$home/log" 2>&1 || fail "train: $(tail -3 "$home/log")"
same "$(git -C "$model" status --porcelain)" '' 'the checkout'
[ "$(git -C "$model" rev-parse main)" != "$base" ] || fail 'main did not move'

say 'preferences train whole weights, too'
printf '%s\n' '{"prompt": "how do I quit?", "chosen": "Press q.", "rejected": "No idea."}' \
    '{"prompt": "how do I chat?", "chosen": "Press 3.", "rejected": "Ask someone."}' >"$home/pairs.jsonl"
"$program" train tiny:"$base" --data "$home/pairs.jsonl" --full --branch liked --steps 2 --eval-fraction 0 --window 2 --threads 1 \
    --wrap chat --json >"$home/log" 2>&1 || fail "train: $(tail -3 "$home/log")"
python3 - "$home/log" <<'PY' || fail "the first loss of preferences: $(tail -3 "$home/log")"
import json, math, sys
steps = [r for r in map(json.loads, open(sys.argv[1])) if r.get("event") == "step"]
assert abs(steps[0]["loss"] - math.log(2)) < 1e-3 and len(steps) == 2, steps
PY

say 'an adapter is merged into shards, and their index still leads to them'
mkdir -p "$model/adapters"
cp "$demo"/adapters/01_brief.* "$model/adapters"
"$program" adapter tiny merge brief --to "$home/merged" --force >"$home/log" 2>&1 || fail "merge: $(cat "$home/log")"
cmp -s "$home/merged/model.safetensors.index.json" "$model/model.safetensors.index.json" || fail 'the index changed'
"$program" infer "$home/merged" -p 'how do I quit?' -n 4 --temp 0 >"$home/out" 2>&1 || fail "infer: $(cat "$home/out")"

# repository NAME: $HYPRSTREAM_MODELS_DIR/NAME, of what lies in it.
repository() {
    echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' >"$HYPRSTREAM_MODELS_DIR/$1/.gitattributes"
    git init -q -b main "$HYPRSTREAM_MODELS_DIR/$1"
    git -C "$HYPRSTREAM_MODELS_DIR/$1" add -A
    git -C "$HYPRSTREAM_MODELS_DIR/$1" commit -qm 'The model'
}
python3 -c 'for i in range(12): print({"input_ids": [(7 * i + 3 * k) % 40 for k in range(16)]})' | tr "'" '"' >"$home/tokens.jsonl"

say 'fused weights train whole, and stay fused in their file'
fused=$HYPRSTREAM_MODELS_DIR/fused
mkdir -p "$fused"
cp "$tests"/data/models/phi3/config.json "$tests"/data/models/phi3/model.safetensors "$fused"
repository fused
"$program" train fused --data "$home/tokens.jsonl" --full --steps 12 --lr 5e-3 --eval-fraction 0 --threads 1 --max-length 32 --json \
    >"$home/log" 2>&1 || fail "train: $(tail -3 "$home/log")"
same "$(git -C "$fused" status --porcelain)" '' 'the checkout'
python3 - "$home/log" "$tests/data/models/phi3/model.safetensors" "$fused/model.safetensors" <<'PY' || fail 'the fused weights'
import json, struct, sys
def tensors(path):
    raw = open(path, "rb").read()
    size = struct.unpack("<Q", raw[:8])[0]
    header, body = json.loads(raw[8:8 + size]), raw[8 + size:]
    header.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], body[slice(*t["data_offsets"])]) for name, t in header.items()}
losses = [r["loss"] for r in map(json.loads, open(sys.argv[1])) if r.get("event") == "step"]
assert losses[-1] < losses[0] - 0.2, losses
before, after = tensors(sys.argv[2]), tensors(sys.argv[3])
assert "model.layers.0.self_attn.qkv_proj.weight" in after and "model.layers.0.mlp.gate_up_proj.weight" in after, list(after)
assert {n: t[:2] for n, t in before.items()} == {n: t[:2] for n, t in after.items()}, "other tensors"
assert all(before[n][2] != after[n][2] for n in before if len(before[n][1]) == 2), "a matrix did not change"
PY
"$program" eval fused --data "$home/tokens.jsonl" --json >"$home/now" 2>&1 || fail "eval: $(cat "$home/now")"
"$program" eval "$tests/data/models/phi3" --data "$home/tokens.jsonl" --json >"$home/before" 2>&1 || fail "eval: $(cat "$home/before")"
python3 - "$home/before" "$home/now" <<'PY' || fail 'the written model has not learned'
import json, sys
before, now = (json.load(open(path))["loss"] for path in sys.argv[1:])
print("loss", before, "then", now)
assert now < before - 0.2
PY

say 'a head that lies in no tensor of its own is refused, and nothing is begun'
headless=$HYPRSTREAM_MODELS_DIR/headless
mkdir -p "$headless"
sed 's/"tie_word_embeddings": true/"tie_word_embeddings": false/' "$demo/config.json" >"$headless/config.json"
grep -q '"tie_word_embeddings": false' "$headless/config.json" || fail 'the model is no longer a tied one'
cp "$demo/model.safetensors" "$headless"
repository headless
runs=$(json 'len(o["runs"])' runs list)
ran 1 'no tensor of its own for lm_head' train headless --data "$home/tokens.jsonl" --full --steps 1 --max-length 32
same "$(wc -l <"$home/out")" 1 'lines of the refusal'
same "$(json 'len(o["runs"])' runs list)" "$runs" 'the number of runs'
same "$(git -C "$headless" log --oneline --all | wc -l)$(git -C "$headless" status --porcelain)" 1 'the model'

say 'what belongs to adapters is refused'
ran 2 'packs them' train tiny --data "$data" --full --dtype nf4 --dry-run
ran 2 'packs them' train tiny --data "$data" --full --dtype int8 --dry-run
ran 2 '--rank belongs to adapters' train tiny --data "$data" --full --rank 8 --dry-run
ran 2 '--init-adapter belongs to adapters' train tiny --data "$data" --full --init-adapter "$demo/adapters/01_brief.safetensors" --dry-run
ran 2 'belong to adapters' train tiny --data "$data" --full --dora --dry-run
exit "$((failures > 0))"
