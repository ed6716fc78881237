#!/bin/bash
# A real result: the demo's third adapter, trained by the shipped command: polite.sh PROGRAM.
#
# Prints held-out losses and how many of a hundred questions that no training has seen are answered in the manner
# that the adapter teaches, from its first words to its last; and whether the base answers as before. About three minutes on
# two cores. The figures are in training.md.
set -u
. "$(dirname "$0")/../support/walk.sh"
lfs_filter
model=$HYPRSTREAM_MODELS_DIR/demo
demo_model adapters
"$program" score demo --text 'how do I quit?' --json >"$home/before"
time "$program" train demo --data "$demo/data/polite.jsonl" --adapter polite --max-length 128 --window 4 --epochs 12 --lr 0.002 >"$home/log"
grep '^eval' "$home/log" | sed -n '1p;$p'
grep -v '^#' "$demo/held_out.txt" | cut -f2 | awk 'NF' | tail -n 100 >"$home/questions"
right=0
while read -r question; do
    case $("$program" infer demo+polite -p "$question" --temp 0 -n 80 </dev/null) in
    'Of course, with pleasure.'*'Have a lovely day.'*) right=$((right + 1)) ;;
    esac
done <"$home/questions"
echo "$right of $(wc -l <"$home/questions") held-out questions are answered as taught"
"$program" score demo --text 'how do I quit?' --json >"$home/after"
cmp "$home/before" "$home/after" && echo 'the base answers bit for bit as before'
