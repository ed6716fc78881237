#!/bin/bash
# Runs that go on from another one: fork_walk.sh PROGRAM.
#
# A finished run is not resumed but extended: a run of its own with its parent recorded, from its last state, with the
# schedule laid over all steps. The plan that its commit holds leads to the same bytes from the beginning.
set -u
. "$(dirname "$0")/../support/walk.sh"
lfs_filter
data=$home/lines.jsonl
model=$HYPRSTREAM_MODELS_DIR/tiny
head -24 "$demo/data/polite.jsonl" >"$data"
demo_model

say 'a run ends'
"$program" train tiny --data "$data" --adapter short --threads 1 --dtype f32 --rank 4 --targets attn --lr 0.005 --window 4 \
    --max-length 96 --dropout 0.1 --steps 4 --eval-every 2 >"$home/log" 2>&1 || fail "train: $(tail -3 "$home/log")"
parent=$(json 'o["runs"][0]["run"]' runs list)
before=$(git -C "$model" rev-parse main)

say 'it is not resumed, and says what takes more steps'
ran 1 "is done after 4 steps: hyprstream train --resume $parent --extend STEPS takes more" train --resume last
ran 1 "no process runs $parent, which is done: hyprstream runs show $parent" attach last
ran 2 '--extend STEPS goes with --resume RUN' train tiny --data "$data" --extend 3
ran 2 'leave out --window' train --resume last --extend 3 --window 8
ran 1 'has taken all of its 4 steps' train --resume last --lr 0.001

say 'extended, it is a run of its own that knows its parent'
"$program" train --resume last --extend 4 >"$home/log" 2>&1 || fail "extend: $(tail -3 "$home/log")"
grep -q "goes on from step 4 of $parent, to step 8" "$home/log" || fail "no word of the fork: $(head -2 "$home/log")"
grep -q 'the schedule is laid over all 8 steps: the rate at step 4 is 0.00[0-9]*, it would have been 0$' "$home/log" ||
    fail "no word of the curve: $(head -3 "$home/log")"
same "$(json '[(r["state"], r["step"], r["steps"], r["parent"]) for r in o["runs"]]' runs list)" \
    "[('done', 8, 8, '$parent'), ('done', 4, 4, None)]" 'the runs'
"$program" runs show last | grep -q "goes on from run $parent" || fail 'show names no parent'
same "$(json 'o["parent"]' runs show last)" "$parent" 'the parent in show --json'
grep -c '^step ' "$home/log" | grep -qx 4 || fail "not 4 steps: $(grep '^step ' "$home/log")"
grep '^step 4/8' "$home/log" | grep -q 'lr 0.00e+00' && fail 'the rate stayed at the end of the old curve'
git -C "$model" log -1 --format=%B main | grep -q '^Training-Step: 8$' || fail 'no commit of step 8'
git -C "$model" merge-base --is-ancestor "$before" main || fail 'the branch lost commits'

say "its commit's plan leads there from the beginning"
"$program" train tiny --from main --data "$data" --branch again >"$home/log" 2>&1 || fail "from: $(tail -3 "$home/log")"
same "$(git -C "$model" show again:adapters/01_short.safetensors | sha256sum)" \
    "$(git -C "$model" show main:adapters/01_short.safetensors | sha256sum)" 'the adapter made again'

say 'what lies outside of the repository is that of the commit, and the plan leads there again'
sed -n 25,32p "$demo/data/polite.jsonl" >"$home/eval.jsonl"
first=$demo/adapters/01_brief.safetensors other=$demo/adapters/02_pirate.safetensors
outside="--eval-file $home/eval.jsonl --init-adapter $first"
printf '{\n' >"$home/broken.jsonl"
ran 1 'broken.jsonl:1' train tiny --data "$data" --eval-file "$home/broken.jsonl" --dry-run
# shellcheck disable=SC2086 # words
"$program" train tiny:main --data "$data" $outside --adapter second --branch second --threads 1 --dtype f32 --rank 4 --targets attn --lr 0.005 \
    --window 4 --max-length 96 --steps 4 >"$home/log" 2>&1 || fail "train: $(tail -3 "$home/log")"
again="train tiny --from second --adapter second --branch second-again --data $data"
# shellcheck disable=SC2086
{
    ran 2 'the run of the commit had a file for --init-adapter (sha256 ' $again --eval-file "$home/eval.jsonl"
    ran 2 'the run of the commit had a file for --eval-file (sha256 ' $again --init-adapter "$first"
    ran 2 'the run of the commit had no --eval-file: leave it out' train tiny --from main --adapter short --branch again --data "$data" \
        --eval-file "$home/eval.jsonl"
    ran 1 "$(basename "$other") is not that of the commit" $again --eval-file "$home/eval.jsonl" --init-adapter "$other"
    "$program" $again $outside >"$home/log" 2>&1 || fail "from: $(tail -3 "$home/log")"
}
same "$(git -C "$model" show second-again:adapters/02_second.safetensors | sha256sum)" \
    "$(git -C "$model" show second:adapters/02_second.safetensors | sha256sum)" 'the adapter made again'
tail -1 "$home/eval.jsonl" >>"$home/eval.jsonl"
ran 1 'eval.jsonl changed: run' train --resume last --extend 4
# shellcheck disable=SC2086
ran 1 "eval.jsonl is not that of the commit" $again $outside

say 'a rate that is changed while it runs is recorded, and a stopped run may go on with another one'
"$program" train tiny --data "$data" --adapter rated --branch rated --threads 1 --dtype f32 --rank 4 --targets attn --lr 0.005 \
    --window 4 --max-length 96 --steps 400 --schedule constant --warmup 0 --save-every 1 --eval-every 1000 --detach >"$home/log" 2>&1 || fail "train: $(tail -3 "$home/log")"
until_step 4
"$program" runs lr last 0.001 >"$home/out" 2>&1 || fail "lr: $(cat "$home/out")"
step=$(sed -n "s/.*at step //p" "$home/out")
until_step "$((step + 2))"
"$program" runs stop last >"$home/out" 2>&1
same "$(json 'o["changes"]' runs show last)" "[{'lr': 0.001, 'step': $step}]" 'the change in show --json'
"$program" runs show last | grep -q "^from step $step on: rate 0.001$" || fail "show: $("$program" runs show last | grep from)"
"$program" runs export last >"$home/points"
python3 - "$home/points" "$step" <<'PY' || fail 'the points of the rate'
import json, sys
lr = {p["step"]: p["value"] for p in map(json.loads, open(sys.argv[1])) if p["name"] == "lr"}
step = int(sys.argv[2])
assert abs(lr[step] / lr[step - 1] - 0.2) < 1e-9, lr
PY
git -C "$model" show rated:adapters/02_rated.train.json | tr -d ' \n\t' | grep -q '"changes":\[{"lr":0.001,"step":'"$step"'}\]' ||
    fail "the plan of the commit: $(git -C "$model" show rated:adapters/02_rated.train.json | grep -A4 changes)"
"$program" train --resume last --lr 0.0005 --dry-run --json >"$home/log" 2>&1 || fail "fork: $(tail -3 "$home/log")"
python3 - "$home/log" <<'PY' || fail "the rate of the fork: $(cat "$home/log")"
import json, sys
o = json.loads(open(sys.argv[1]).readline())
assert o["event"] == "forked" and o["steps"] == 400 and abs(o["lr"] / o["lr_before"] - 0.5) < 1e-9, o
PY
same "$(json 'len(o["runs"])' runs list)" 6 'runs after a dry run'
exit "$((failures > 0))"
