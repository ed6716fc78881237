#!/bin/bash
# The command under a launcher: ranks_train_walk.sh PROGRAM.
#
# `mpirun -np 2 hyprstream train` learns what one process does (spec training.md, section 18.3); stopped, paused or robbed of
# a rank it goes on to the bytes of a run that never was; a dead rank is named; another number of ranks is refused. Skipped
# where there is no mpirun, or the module was not built.
set -u
. "$(dirname "$0")/../support/walk.sh"
command -v mpirun >/dev/null || { echo 'skipped: there is no mpirun'; exit 77; }
[ -e "$(dirname "$program")/hyprstream-mpi.so" ] || { echo 'skipped: built without MPI'; exit 77; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
# The MPI library keeps memory to its end: no leak of ours.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"
lfs_filter
data=$home/polite.jsonl model=$HYPRSTREAM_MODELS_DIR/demo
cp "$demo/data/polite.jsonl" "$data"
demo_model adapters
base=$(git -C "$model" rev-parse HEAD)
runs=$XDG_STATE_HOME/hyprstream/runs

two() { mpirun --oversubscribe -np 2 "$program" "$@"; }
# plan NAME ARGUMENTS...: the words of a run; on a branch of its name.
plan() {
    name=$1
    shift
    echo "demo:$base --data $data --adapter $name --branch $name --threads 1 --dtype f32 --rank 4 --targets attn --window 4" \
        "--max-length 96 --dropout 0.1 --epochs 3 --warmup 2 --eval-every 10 --save-every 2 --log-jsonl $home/$name.points $*"
}
weights() { git -C "$model" show "$1:adapters/03_$1.safetensors" | sha256sum | cut -d' ' -f1; }
newest() { ls "$runs" | sort | tail -1; }
# reaches NAME STEP: waits for the line of that step in NAME's log.
reaches() {
    for try in $(seq 600); do
        grep -q "^step $2/" "$home/$1.log" 2>/dev/null && return
        sleep 0.1
    done
    fail "$1 does not come to step $2: $(tail -3 "$home/$1.log")"
}

say 'two ranks learn what one process does'
for optimizer in sgd adamw; do
    # shellcheck disable=SC2046
    "$program" train $(plan "one-$optimizer" --lr 0.003 --optimizer $optimizer --packing off --steps 20) >"$home/log" 2>&1 ||
        fail "train: $(tail -3 "$home/log")"
    two train $(plan "two-$optimizer" --lr 0.003 --optimizer $optimizer --packing off --steps 20) >"$home/log" 2>&1 || fail "mpirun: $(tail -5 "$home/log")"
    same "$(grep -c '^step ' "$home/log")" 20 "lines of steps, of rank 0 alone ($optimizer)"
    for name in one two; do git -C "$model" show "$name-$optimizer:adapters/03_$name-$optimizer.safetensors" >"$home/$name.safetensors"; done
    python3 - "$optimizer" "$home/one-$optimizer.points" "$home/two-$optimizer.points" "$home/one.safetensors" "$home/two.safetensors" "$model" \
        <<'PYTHON' || fail "$optimizer: two ranks learn something else"
import array, json, struct, sys
def points(path):
    lines = [json.loads(line) for line in open(path)]
    return {(p["name"], p["step"]): p["value"] for p in lines if p["name"] in ("loss", "eval_loss", "targets", "tokens", "lr")}
def tensors(path):
    raw = open(path, "rb").read()
    if raw.startswith(b"version https://git-lfs"):
        oid = raw.split(b"sha256:")[1][:64].decode()
        raw = open(f"{sys.argv[6]}/.git/lfs/objects/{oid[:2]}/{oid[2:4]}/{oid}", "rb").read()
    end = 8 + struct.unpack("<Q", raw[:8])[0]
    for name, t in sorted(json.loads(raw[8:end]).items()):
        if name == "__metadata__": continue
        values = array.array("f")
        values.frombytes(raw[end + t["data_offsets"][0]:end + t["data_offsets"][1]])
        yield name, values
optimizer, a, b = sys.argv[1], points(sys.argv[2]), points(sys.argv[3])
assert a.keys() == b.keys() and sum(name == "loss" for name, _ in a) == 20
loss = tensor = 0
for key, value in a.items():
    if key[0].endswith("loss"): loss = max(loss, abs(value - b[key]) / (value if optimizer == "sgd" else 1))
    else: assert value == b[key], key
for (name, x), (other, y) in zip(tensors(sys.argv[4]), tensors(sys.argv[5])):
    assert name == other and len(x) == len(y)
    size = sum(v * v for v in x) ** .5
    tensor = max(tensor, sum((v - w) ** 2 for v, w in zip(x, y)) ** .5 / (size or 1))
bars = {"sgd": (4e-6, 2e-5), "adamw": (4e-5, 3e-4)}[optimizer]
print(f"| {optimizer} | losses {loss:.1e} of {bars[0]} | tensors {tensor:.1e} of {bars[1]} |")
sys.exit(not (loss <= bars[0] and tensor <= bars[1]))
PYTHON
done
same "$(json 'o["runs"][0]["state"]' runs list)" 'done' 'the state'
git -C "$model" show two-sgd:adapters/03_two-sgd.train.json | grep -q '"world_size":.2' || fail 'the commit does not tell the ranks'
[ -s "$runs/$(newest)/rank-1.log" ] || fail 'rank 1 has no log'

say 'paused, given another rate, stopped and resumed it goes on exactly'
two train $(plan whole --lr 0.003 --packing on --steps 10) >"$home/whole.log" 2>&1 || fail "mpirun: $(tail -5 "$home/whole.log")"
two train $(plan parts --lr 0.003 --packing on --steps 10) >"$home/parts.log" 2>&1 &
reaches parts 3
"$program" runs pause last >"$home/out" 2>&1 || fail "pause: $(cat "$home/out")"
same "$(json 'o["runs"][0]["state"]' runs list)" paused 'the state'
"$program" runs resume last >"$home/out" 2>&1 || fail "resume: $(cat "$home/out")"
"$program" runs stop last >"$home/out" 2>&1 || fail "stop: $(cat "$home/out")"
wait $! || fail "a run that is stopped ends well: $(tail -5 "$home/parts.log")"
same "$(json 'o["runs"][0]["state"]' runs list)" stopped_early 'the state'
ran 1 'was begun by 2 processes, here is 1: mpirun -np 2 hyprstream train --resume' train --resume last
two train --resume last >"$home/parts.log" 2>&1 || fail "mpirun --resume: $(tail -5 "$home/parts.log")"
same "$(weights parts)" "$(weights whole)" 'the adapter of the resumed run'
two train $(plan rate --lr 0.003 --packing on --steps 10) >"$home/rate.log" 2>&1 &
reaches rate 2
"$program" runs lr last 0.001 >"$home/out" 2>&1 || fail "lr: $(cat "$home/out")"
wait $! || fail "another rate: $(tail -5 "$home/rate.log")"
grep -q 'lr is 1.000e-03 from step' "$home/rate.log" || fail "no word of another rate: $(tail -5 "$home/rate.log")"

say 'it goes on with other data, which every rank takes from the same place'
two train $(plan other --lr 0.003 --packing on --steps 12) >"$home/other.log" 2>&1 &
reaches other 3
"$program" runs stop last >"$home/out" 2>&1 || fail "stop: $(cat "$home/out")"
wait $! || fail "a run that is stopped ends well: $(tail -5 "$home/other.log")"
tail -50 "$demo/data/polite.jsonl" >"$data"
two train --resume last >"$home/log" 2>&1 && fail 'other data were not refused'
grep -q 'the data changed: run' "$home/log" || fail "other data: $(cat "$home/log")"
two train --resume last --allow-data-change >"$home/log" 2>&1 || fail "mpirun --allow-data-change: $(tail -5 "$home/log")"
grep -q "other data from step $(json 'o["changes"][0]["step"]' runs show last) on" "$home/log" || fail "no word of the data: $(head -5 "$home/log")"
same "$(json '(o["state"], o["step"], len(o["changes"]))' runs show last)" "('done', 12, 1)" 'the run with other data'
cp "$demo/data/polite.jsonl" "$data"

say 'a rank that is killed is named, and the run goes on exactly'
two train $(plan killed --lr 0.003 --packing on --steps 10) >"$home/killed.log" 2>&1 &
reaches killed 4
pid=$(sed -n 's/^rank 1 of 2 .*process //p' "$runs/$(newest)/rank-1.log" | tail -1)
kill -9 "$pid"
wait $! && fail 'mpirun ended well without a rank'
grep -q "rank 1 on .* (process $pid) has died; mpirun -np 2 hyprstream train --resume" "$home/killed.log" || fail "rank 1 is not named: $(tail -9 "$home/killed.log")"
same "$(json 'o["runs"][0]["state"]' runs list)" failed 'the state'
json 'o["error"]' runs show last | grep -q 'rank 1 on .* has died' || fail "the run does not know why: $("$program" runs show last | head -2)"
two train --resume last >"$home/log" 2>&1 || fail "mpirun --resume: $(tail -5 "$home/log")"
same "$(weights killed)" "$(weights whole)" 'the adapter of the run that lost a rank'
two train $(plan first --lr 0.003 --packing on --steps 10) >"$home/first.log" 2>&1 &
reaches first 2
job=$! pid=
for child in $(pgrep -P "$(pgrep -P $job)"); do [ "$child" = "$(sed -n 's/^rank 1 of 2 .*process //p' "$runs/$(newest)/rank-1.log")" ] || pid=$child; done
kill -9 "$pid"
wait $job && fail 'mpirun ended well without rank 0'
grep -q "rank 0 on .* (process $pid) has died" "$home/first.log" || fail "rank 0 is not named: $(tail -9 "$home/first.log")"
same "$(json 'o["runs"][0]["state"]' runs list)" killed 'the state'

say 'ranks share the cores that they may all use'
cores=$(($(nproc) / 2))
[ "$cores" -gt 0 ] || cores=1
mpirun --oversubscribe --bind-to none -np 2 "$program" train "demo:$base" --data "$data" --adapter cores --branch cores --rank 4 --targets attn \
    --window 4 --max-length 96 --steps 1 >"$home/log" 2>&1 || fail "mpirun: $(tail -5 "$home/log")"
grep -q "^rank 1 of 2 on .*, $cores thread" "$runs/$(newest)/rank-1.log" || fail "threads of $(nproc) cores: $(cat "$runs/$(newest)/rank-1.log")"

say 'the plan counts the ranks of this machine, and what fits one of them only is refused'
# shellcheck disable=SC2046
"$program" train $(plan room) --dry-run --json >"$home/one" 2>&1 || fail "dry run: $(cat "$home/one")"
# shellcheck disable=SC2046
two train $(plan room) --dry-run --json >"$home/two" 2>&1 || fail "mpirun --dry-run: $(cat "$home/two")"
# shellcheck disable=SC2046
two train $(plan room) --dry-run >"$home/log" 2>&1 || fail "mpirun --dry-run: $(cat "$home/log")"
grep -q '^memory, estimated: .*; the 2 ranks on this machine: .* of .* free$' "$home/log" || fail "the plan: $(cat "$home/log")"
large=$(python3 - "$home/one" "$home/two" <<'PYTHON'
import json, sys
one, two = (json.load(open(path))["memory"] for path in sys.argv[1:])
assert (one["ranks"], two["ranks"]) == (1, 2) and one["together"] == one["total"] == two["total"], (one, two)
assert two["together"] == 2 * two["total"], two  # the base is stored in bf16: each makes its own in f32
print(int(0.7 * one["free"] / (1.1 * one["graph"])))  # rows that take seven tenths of what is free
PYTHON
) || fail 'the memory of ranks'
for ranks in 1 2; do
    mpirun --oversubscribe -np $ranks "$program" train $(plan room) --window "$large" --micro-batch "$large" --checkpointing off --dry-run \
        >"$home/log" 2>&1
    same $? "$((ranks - 1))" "the status of $ranks: $(cat "$home/log")"
done
grep -q 'the 2 ranks on this machine would take about .*, and .* are free: fewer ranks, ' "$home/log" || fail "no room: $(cat "$home/log")"

say 'what a launcher cannot have'
two train $(plan away) --detach >"$home/log" 2>&1 && fail '--detach under mpirun ended well'
grep -q -e "--detach: the processes are the launcher's" "$home/log" || fail "--detach: $(cat "$home/log")"
same "$(grep -c '^hyprstream train' "$home/log")" 1 'sentences of two ranks'
"$program" train demo --from whole --adapter whole --data "$data" --branch again >"$home/log" 2>&1 && fail 'a commit of two ranks ran again by one'
grep -q 'trained by 2 processes, here is 1: mpirun -np 2' "$home/log" || fail "--from: $(cat "$home/log")"
OMPI_COMM_WORLD_SIZE=2 "$program" train $(plan alone) >"$home/log" 2>&1 && fail 'a launcher of another MPI was not seen'
grep -q 'the launcher started 2 processes, the MPI library counts 1' "$home/log" || fail "another MPI: $(cat "$home/log")"
git -C "$model" fsck --no-dangling >"$home/out" 2>&1 || fail "fsck: $(cat "$home/out")"
[ "$failures" = 0 ] && echo "all $steps steps"
exit "$((failures > 0))"
