#!/bin/sh
# Two tags that differ only in an adapter, both loaded: two_tags_memory.sh PROGRAM TWO_TAGS.
#
# The peak of memory is at most 1.05 times that of one, both give what they give alone, and no file is written.
# HYPRSTREAM_TEST_MEGABYTES=240 is the size that the figures are told for; without it the model has 120 MB.
set -eu
program=$(realpath "$1") two_tags=$(realpath "$2")
megabytes=${HYPRSTREAM_TEST_MEGABYTES:-120}
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export HOME="$home" XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_STATE_HOME="$home/state" \
    XDG_CACHE_HOME="$home/cache" HYPRSTREAM_MODELS_DIR="$home/models" GIT_CONFIG_NOSYSTEM=1 \
    GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=ada@example.invalid GIT_COMMITTER_NAME=Ada \
    GIT_COMMITTER_EMAIL=ada@example.invalid OMP_WAIT_POLICY=passive
unset GIT_DIR GIT_WORK_TREE GIT_CONFIG_GLOBAL
model=$home/models/model
fail() {
    echo "FAILED: $1" >&2
    exit 1
}

"$program" init model >"$home/out"
first=$(git -C "$model" rev-parse HEAD)
"$two_tags" make "$model" "$megabytes"
"$program" stage model --all >"$home/out" && "$program" commit model -m one >"$home/out" && "$program" tag model one
"$two_tags" adapter "$model" "$megabytes"
"$program" stage model --all >"$home/out" && "$program" commit model -m two >"$home/out" && "$program" tag model two
"$program" checkout model --detach "$first" >"$home/out"
[ ! -e "$model/model.safetensors" ] || fail "the weights are checked out still"
[ "$(git -C "$model" diff --name-only one two)" = adapters/01_twist.safetensors ] || fail "more than an adapter differs"

sleep 1.1
touch "$home/stamp"
"$two_tags" load "$model" one >"$home/one"
"$two_tags" load "$model" two >"$home/two"
"$two_tags" load "$model" one two >"$home/both"
written=$(find "$home" -newer "$home/stamp" -type f ! -path "$home/one" ! -path "$home/two" ! -path "$home/both")
[ -z "$written" ] || fail "files were written: $written"

[ "$(grep -v peak "$home/both")" = "$(grep -vh peak "$home/one" "$home/two")" ] ||
    fail "together they give something else: $(cat "$home/one" "$home/two" "$home/both")"
[ "$(sed -n 's/one //p' "$home/both")" != "$(sed -n 's/two //p' "$home/both")" ] || fail "the adapters do nothing"
# The command line: a tag's weights with a tag's adapter are what a checkout of the tag gives.
infer() { "$program" infer "$1" -p 'hello there' --raw --temp 0 -n 6 --dtype f32 --json 2>/dev/null; }
ids() { python3 -c "import json, sys; print(json.load(sys.stdin)['ids'])"; }
for tag in ${HYPRSTREAM_TEST_MEGABYTES:+one} two; do
    infer "model:$tag+twist" | ids >"$home/tag"
    infer "model:$tag" | ids >"$home/plain"
    "$program" checkout model "$tag" >"$home/out"
    infer "model+01_twist" | ids >"$home/checkout"
    "$program" checkout model --detach "$first" >"$home/out"
    cmp -s "$home/tag" "$home/checkout" || fail "infer model:$tag+twist: $(cat "$home/tag" "$home/checkout")"
    cmp -s "$home/tag" "$home/plain" && fail "infer model:$tag+twist is what infer model:$tag gives"
done

stored=$(cat "$model"/.git/lfs/objects/*/*/* | wc -c)
one=$(sed -n 's/peak //p' "$home/one") both=$(sed -n 's/peak //p' "$home/both")
awk -v one="$one" -v both="$both" -v stored="$stored" 'BEGIN {
    printf "stored %.1f MB; one tag: %.1f MB, both: %.1f MB, %.4f times (promised: 1.05)\n", stored / 1048576,
        one / 1024, both / 1024, both / one
    exit both > one * 1.05 }' || fail "both need too much memory"
