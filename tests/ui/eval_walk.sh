#!/bin/bash
# Keeping what passes, from outside: eval_walk.sh PROGRAM.
set -u
. "$(dirname "$0")/../support/walk.sh"
lfs_filter
data=$home/lines.jsonl
model=$HYPRSTREAM_MODELS_DIR/tiny
mkdir -p "$model/adapters"
cp -r "$demo"/*.json "$demo"/*.jinja "$demo/model.safetensors" "$model"
head -4 "$demo/data/polite.jsonl" >"$data"
echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' >"$model/.gitattributes"
git config --global user.name Ada
git config --global user.email ada@example.invalid
git init -q -b main "$model"
git -C "$model" add -A
git -C "$model" commit -qm 'The demo'
for ending in safetensors config.json; do cp "$demo/adapters/01_brief.$ending" "$model/adapters/07_mine.$ending"; done
echo draft >"$model/notes.txt"
git -C "$model" add notes.txt
base=$(git -C "$model" rev-parse HEAD)

say 'what would be kept must be named and measured'
ran 2 'keeps what passes a bar' eval tiny+mine --data "$data" --no-exact --commit
ran 2 'keeps one adapter: name it, as in tiny+NAME' eval tiny --data "$data" --no-exact --commit --max-loss 9
ran 2 'leave out its scale' eval tiny+mine@0.5 --data "$data" --no-exact --commit --max-loss 9

say 'what misses a bar is not committed'
ran 1 'not committed' eval tiny+mine --data "$data" --no-exact --commit --max-loss 0.001
same "$(git -C "$model" rev-parse HEAD)" "$base" 'the branch'
same "$(git -C "$model" tag)" '' 'tags'

say 'what passes is: its files alone, with the figures'
"$program" eval tiny+mine --data "$data" --no-exact --commit --max-loss 20 --json >"$home/out" 2>&1 || fail "eval: $(cat "$home/out")"
commit=$(git -C "$model" rev-parse HEAD)
python3 -c 'import json,sys; o=json.load(open(sys.argv[1])); assert o["commit"] == sys.argv[2] and o["tag"] == "passed-07_mine", o' \
    "$home/out" "$commit" || fail "the line: $(cat "$home/out")"
same "$(git -C "$model" diff --name-only "$base" HEAD | tr '\n' ' ')" 'adapters/07_mine.config.json adapters/07_mine.safetensors ' 'the files of the commit'
git -C "$model" log -1 --format=%B | grep -q '^Eval-Loss: [0-9.]*$' || fail "no figures: $(git -C "$model" log -1 --format=%B)"
git -C "$model" log -1 --format=%B | grep -q '^Eval-Data: sha256:[0-9a-f]*$' || fail 'no digest of the data'
same "$(git -C "$model" rev-parse 'passed-07_mine^{commit}')" "$commit" 'the tag'
same "$(git -C "$model" status --porcelain)" 'A  notes.txt' 'what was staged'

say 'what is committed already is only tagged'
ran 0 'tag passed-07_mine' eval tiny+mine --data "$data" --no-exact --commit --max-loss 20
same "$(git -C "$model" rev-parse HEAD)" "$commit" 'the branch'
git -C "$model" commit -qm 'Notes'
ran 0 'tag passed-07_mine-2' eval tiny:main+mine --data "$data" --no-exact --commit --max-loss 20
same "$(git -C "$model" rev-parse 'passed-07_mine-2^{commit}')" "$(git -C "$model" rev-parse HEAD)" 'the second tag'
exit "$((failures > 0))"
