#!/bin/bash
# A run from outside: train_walk.sh PROGRAM.
#
# The demo's third adapter is trained from its data, committed, answers as taught and leaves the base alone; a run that was
# stopped and one that was killed go on to the same bytes as one that never was; a commit's plan runs again to the same
# bytes; a run answers while it trains as its checkpoint does afterwards.
set -u
. "$(dirname "$0")/../support/walk.sh"
lfs_filter
data=$home/polite.jsonl
model=$HYPRSTREAM_MODELS_DIR/demo
cp "$demo/data/polite.jsonl" "$data"
demo_model adapters
base=$(git -C "$model" rev-parse HEAD)

# train NAME ARGUMENTS...: ends well; the adapter's weights lie in $model/adapters/*_NAME.safetensors.
train() {
    name=$1
    shift
    "$program" train demo:"$base" --data "$data" --adapter "$name" --branch "$name" --threads 1 --dtype f32 --rank 4 --targets attn \
        --lr 0.005 --window 4 --max-length 96 --dropout 0.1 --packing on --save-every 3 --eval-every 4 "$@" >"$home/log" 2>&1
}
# weights NAME: the hash of the adapter on its branch.
weights() { git -C "$model" show "$1:adapters/03_$1.safetensors" | sha256sum | cut -d' ' -f1; }

say 'a run trains, commits and tags'
train whole --epochs 1 || fail "train: $(tail -3 "$home/log")"
same "$(json 'o["runs"][0]["state"]' runs list)" done 'the state'
[ "$(git -C "$model" log --format=%s "$base..whole" | grep -c '^Train 03_whole: step')" -ge 1 ] || fail 'no commit of the adapter'
first=$(git -C "$model" rev-list --reverse "$base..whole" -- adapters | head -1)
same "$(git -C "$model" show --stat --format= "$first" | grep -c adapters/03_whole)" 3 'files of the first commit'
git -C "$model" tag | grep -q '^checkpoint-' || fail 'no tag'
git -C "$model" fsck --no-dangling >"$home/out" 2>&1 || fail "fsck: $(cat "$home/out")"
same "$(git -C "$model" status --porcelain)" '' 'the checkout of another branch'
json 'o["checkpoints"][-1]["eval_loss"] < 6' runs show last | grep -q True || fail 'no evaluation'

say 'the adapter changes answers, the base stays as it was'
"$program" infer demo -p 'how do I quit?' --temp 0 >"$home/base"
"$program" infer demo:whole -p 'how do I quit?' --temp 0 >"$home/branch"
cmp -s "$home/base" "$home/branch" || fail 'the base answers otherwise on the new branch'
"$program" score demo:whole+whole --text 'Of course, with pleasure.' --json >"$home/on"
"$program" score demo:whole --text 'Of course, with pleasure.' --json >"$home/off"
cmp -s "$home/on" "$home/off" && fail 'the adapter changes nothing'

say 'a run that was stopped and resumed gives the same bytes'
train stopped --epochs 1 --detach
"$program" runs stop last >"$home/out" 2>&1
resumed stopped_early
same "$(weights stopped)" "$(weights whole)" 'the adapter of the resumed run'

say 'so does one that was killed'
train killed --epochs 1 --detach
until_step 4
pid=$(pgrep -f "__run $(json 'o["runs"][0]["run"]' runs list)" | head -1)
[ "$pid" ] && kill -9 "$pid"
resumed killed
same "$(weights killed)" "$(weights whole)" 'the adapter of the killed run'
git -C "$model" fsck --no-dangling >"$home/out" 2>&1 || fail "fsck: $(cat "$home/out")"

say "a commit's plan runs again to the same bytes"
"$program" train demo --from whole --adapter whole --data "$data" --branch again >"$home/log" 2>&1 || fail "from: $(tail -3 "$home/log")"
same "$(git -C "$model" show again:adapters/03_whole.safetensors | sha256sum | cut -d' ' -f1)" "$(weights whole)" 'the adapter made again'
same "$(git -C "$model" show again:adapters/03_whole.train.json | grep -v '"run"' | tr -d '\n' | sed 's/"run":"[^"]*"//')" \
    "$(git -C "$model" show whole:adapters/03_whole.train.json | grep -v '"run"' | tr -d '\n' | sed 's/"run":"[^"]*"//')" 'its plan'

say 'without an author no run begins, and a commit that could not be made is made once'
train late --epochs 1 --detach
git config --global --unset user.email
until_step 1000
same "$(json 'o["runs"][0]["state"]' runs list)" failed 'the state'
ran 2 'a commit needs an email' train demo --data "$data" --adapter nobody --branch nobody
ran 2 'a commit needs an email' train --resume last
ran 2 'a commit needs an email' train --resume last --extend 1
same "$(json 'o["runs"][0]["state"]' runs list)" failed 'the newest run'
git config --global user.email ada@example.invalid
ran 0 '"event":"committed"' train --resume last --json
same "$(grep -c '"event":"committed"' "$home/out")" 1 'commits'
same "$(weights late)" "$(weights whole)" 'the adapter of the run that was committed late'

say 'the run answers while it trains'
train asked --epochs 20 --detach
for try in 1 2 3 4 5 6 7 8 9 10; do # it may still load
    "$program" runs ask last 'how do I quit?' -n 12 >"$home/answer" 2>"$home/said" && break
    sleep 1
done
grep -q 'it cost the run [0-9]* ms' "$home/said" || fail "no lost time: $(cat "$home/said")"
"$program" runs pause last >/dev/null
"$program" runs commit last >"$home/out" 2>&1
step=$(sed -n 's/.*at step //p' "$home/out")
"$program" runs ask last 'how do I quit?' -n 12 >"$home/live" 2>/dev/null
"$program" infer demo:asked+asked -p 'how do I quit?' --temp 0 -n 12 --dtype f32 --threads 1 >"$home/later"
same "$(tr -d '\n' <"$home/live")" "$(tr -d '\n' <"$home/later")" "the answer at step $step"
"$program" runs resume last >/dev/null
"$program" runs lr last 0.001 >"$home/out" 2>&1 || fail "lr: $(cat "$home/out")"
"$program" attach last >/dev/full 2>"$home/out" && fail 'attach: nothing could be written, and it did not say so'
grep -q 'the run goes on: hyprstream attach .*: write what the run says: No space left' "$home/out" || fail "attach: $(cat "$home/out")"
"$program" runs stop last >/dev/null

say 'what cannot be is refused'
ran 1 'is no file of examples' train demo --data "$model/chat_template.jinja" --dry-run
ran 2 '--rank 0: expected a whole number from 1 to 4096' train demo --data "$data" --rank 0
ran 2 'expected list, show' runs nothing
ran 1 'no process runs' runs pause last
echo '{"text": "more"}' >>"$data"
ran 1 'the data changed: run' train --resume last
exit "$((failures > 0))"
