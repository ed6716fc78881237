#!/bin/bash
# Several processes train as one does: ranks_walk.sh RANKS_RUN.
#
# Twenty steps alone, by two and by four under mpirun, with SGD and with AdamW: losses and final tensors agree within the
# rounding of another order of sums (spec training.md, section 18.3). A rank that dies or hangs is named by the others.
# Skipped where there is no mpirun, or the module was not built.
set -u
run=$(realpath "$1")
cd "$(dirname "$0")/../.."
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
command -v mpirun >/dev/null || { echo 'skipped: there is no mpirun'; exit 77; }
folder=$(dirname "$run")
[ -e "$folder/hyprstream-mpi.so" ] || [ -e "$folder/../hyprstream-mpi.so" ] || { echo 'skipped: built without MPI'; exit 77; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
# The MPI library keeps memory to its end: no leak of ours.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"
together() { # together COUNT ARGUMENTS...
    mpirun --oversubscribe -np "$@"
}
failures=0
for optimizer in sgd adamw; do
    "$run" "$optimizer" "$home/1" || exit 1
    for count in 2 4; do
        together "$count" "$run" "$optimizer" "$home/$count" || exit 1
        python3 - "$optimizer" "$home/1" "$home/$count" "$count" <<'PYTHON' || failures=$((failures + 1))
import sys
optimizer, alone, several, count = sys.argv[1:]
rows = [[line.split() for line in open(path)] for path in (alone, several)]
assert len(rows[0]) == len(rows[1]) > 20
loss = tensor = 0
for a, b in zip(*rows):
    x, y = [float(v) for v in a[1:]], [float(v) for v in b[1:]]
    assert a[0] == b[0] and len(x) == len(y)
    if a[0] in ("loss", "eval"):
        loss = max(loss, abs(x[0] - y[0]) / (x[0] if optimizer == "sgd" else 1))
        assert a[0] == "eval" or x[2] == y[2], "targets"
    else:
        size = sum(v * v for v in x) ** .5
        tensor = max(tensor, sum((v - w) ** 2 for v, w in zip(x, y)) ** .5 / (size or 1))
bars = {"sgd": (4e-6, 2e-5), "adamw": (4e-5, 3e-4)}[optimizer]
print(f"| {optimizer} | {count} | {loss:.1e} | {tensor:.1e} |")
sys.exit(not (loss <= bars[0] and tensor <= bars[1]))
PYTHON
    done
done

# One is gone: the others end soon and name it, whether they wait for it or compute. (A hang shows after its 3 seconds.)
gone() { # gone WHAT WORDS
    if timeout 50 mpirun --oversubscribe -np 3 "$run" sgd "$home/killed" "$1" >"$home/said" 2>&1; then
        echo "FAILED: a run with a rank that does $1 ended well"
        failures=$((failures + 1))
    fi
    grep -q "ranks_run: $2" "$home/said" || { echo "FAILED: $1: nobody says $2: $(cat "$home/said")"; failures=$((failures + 1)); }
}
gone die 'rank 2 on .* (process [0-9]*) has died'
gone busy 'busy, and rank 2 on .* has died'
gone hang 'rank 0 on .* waited 3 s to add up the gradients: rank 2 on '

# Where NCCL is not, or is no library, a sentence says so.
mkdir "$home/library"
echo 'no library' >"$home/library/libnccl.so.2"
LD_LIBRARY_PATH="$home/library" "$run" nccl >"$home/said" && { echo 'FAILED: NCCL was opened where there is none'; failures=$((failures + 1)); }
grep -q 'libnccl.so.2 cannot be opened (.*): install' "$home/said" || { echo "FAILED: without NCCL: $(cat "$home/said")"; failures=$((failures + 1)); }
exit "$((failures > 0))"
