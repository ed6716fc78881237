#!/bin/sh
# How long `list` of many models and `status` of a large one take: list_speed.sh PROGRAM BEST_OF.
#
# Beyond start-up, which is what `--version` takes in the same run. In CTest the sizes are small and the bounds five
# times as loose; HYPRSTREAM_TEST_STRICT=1 has the promised ones: 200 models in 20 ms, a clean model of 1 GB in 30 ms
# and 30 MB.
set -eu
program=$(realpath "$1") best_of=$(realpath "$2") here=$(dirname "$(realpath "$0")")
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export HOME="$home" XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_STATE_HOME="$home/state" \
    XDG_CACHE_HOME="$home/cache" HYPRSTREAM_MODELS_DIR="$home/models" GIT_CONFIG_NOSYSTEM=1 \
    GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=ada@example.invalid GIT_COMMITTER_NAME=Ada \
    GIT_COMMITTER_EMAIL=ada@example.invalid
unset GIT_DIR GIT_WORK_TREE GIT_CONFIG_GLOBAL
if [ "${HYPRSTREAM_TEST_STRICT:-}" ]; then
    models=200 megabytes=1024 rounds=40 loose=1
else
    models=60 megabytes=48 rounds=10 loose=5
fi
failures=0

start=$("$best_of" "$rounds" "$program" --version)
echo "start-up: $start (ms, KB)"
# measure NAME MS MB COMMAND...: beyond start-up.
measure() {
    name=$1 ms=$2 mb=$3
    shift 3
    took=$("$best_of" "$rounds" "$program" "$@")
    echo "$start $took" | awk -v name="$name" -v ms="$ms" -v mb="$mb" -v loose="$loose" '{
        t = $3 - $1; m = ($4 - $2) / 1024
        printf "%s: %.1f ms (promised: %d), %.1f MB (promised: %d)\n", name, t, ms, m, mb
        exit t > ms * loose || m > mb * loose }' || failures=$((failures + 1))
}

"$here/../gen/many_models" "$home/models" "$models"
"$program" rescan >"$home/out"
sleep 3.1 # younger stamps are not believed
"$program" list >"$home/out"
[ "$(wc -l <"$home/out")" = "$models" ] || { echo "FAILED: $(wc -l <"$home/out") rows"; exit 1; }
measure "list of $models models" 20 30 list
measure "list --json of $models models" 20 30 list --json

"$program" init large >"$home/out"
head -c "${megabytes}M" /dev/urandom >"$home/models/large/model.safetensors"
echo '{"model_type":"llama"}' >"$home/models/large/config.json"
"$program" stage large --all >"$home/out"
"$program" commit large -m 'The weights' >"$home/out"
"$program" status large >"$home/out"
[ -z "$(git -C "$home/models/large" -c filter.lfs.clean= -c filter.lfs.process= ls-files -o --exclude-standard)" ] ||
    { echo 'FAILED: something is untracked'; failures=$((failures + 1)); }
[ "$(stat -c %s "$home"/models/large/.git/lfs/objects/*/*/* | head -1)" = $((megabytes * 1048576)) ] ||
    { echo 'FAILED: the weights are not in the store'; failures=$((failures + 1)); }
measure "status of a clean model of $megabytes MB" 30 30 status large
# Without the cache of hashes the index must do.
rm -rf "$home/cache"
measure "status without a cache" 30 30 status large
[ "$failures" = 0 ] || { echo "$failures over their bounds" >&2; exit 1; }
