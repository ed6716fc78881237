#!/bin/bash
# bisect finds the planted bad commit among sixteen: bisect_walk.sh PROGRAM.
#
# An adapter speaks like a pirate until the eleventh commit puts another one in its place. Two commits before it cannot
# be tested: one has no adapter, one a file that is cut off.
set -u
. "$(dirname "$0")/../support/walk.sh"
model=$HYPRSTREAM_MODELS_DIR/demo
mkdir -p "$model/adapters"
cp "$tests/../assets/demo/"*.json "$tests/../assets/demo/"*.jinja "$tests/../assets/demo/model.safetensors" "$model"
git config --global user.name Ada
git config --global user.email ada@example.invalid
git init -q -b main "$model"
cd "$model"
voice=adapters/01_voice
put() { # put NAME: the demo's adapter of that name as ours
    cp "$tests/../assets/demo/adapters/$1.safetensors" "$voice.safetensors"
    cp "$tests/../assets/demo/adapters/$1.config.json" "$voice.config.json"
}
for i in $(seq 16); do
    if [ "$i" -lt 11 ]; then put 02_pirate; else put 01_brief; fi
    [ "$i" != 8 ] || rm "$voice".*
    [ "$i" != 9 ] || truncate -s 1000 "$voice.safetensors"
    echo "$i" >note
    git add -A
    git commit -qm "Change $i"
done
bad=$(git rev-parse HEAD~5) good=$(git rev-parse HEAD~15)
before=$(git status --porcelain; git rev-parse HEAD)
printf '%s\n' '{"prompt": "how do I quit?", "expect": "Arr"}' '{"prompt": "stop the answer", "expect": ["Arr", "Yo ho ho"]}' \
    >"$home/prompts.jsonl"

say 'the first bad commit is named'
ran 0 "$bad is the first bad commit" bisect demo --good "$good" --adapter voice --prompts "$home/prompts.jsonl"
tested=$(grep -c '^\(good\|bad\|skipped\) ' "$home/out")
[ "$tested" -le 8 ] || fail "$tested commits were run"
same "$(git status --porcelain; git rev-parse HEAD)" "$before" 'the checkout'

say 'as JSON, from a later good one'
same "$(json 'o["first_bad"]' bisect demo --good HEAD~6 --bad HEAD --adapter voice --prompts "$home/prompts.jsonl")" "$bad" 'first_bad'

say 'a bar over data is a test too'
printf '%s\n' '{"messages": [{"role": "user", "content": "how do I quit?"}, {"role": "assistant", "content": "Arr, matey!"}]}' \
    >"$home/data.jsonl"
ran 0 "$bad is the first bad commit" bisect demo --good HEAD~6 --adapter voice --data "$home/data.jsonl" --max-loss 4

say 'what cannot be is refused'
ran 2 'expected --good REF' bisect demo --adapter voice --prompts "$home/prompts.jsonl"
ran 2 'one of the two' bisect demo --good HEAD~6
ran 2 '--data wants a bar' bisect demo --good HEAD~6 --data "$home/data.jsonl"
ran 2 'there is nothing to look for' bisect demo --good HEAD~15 --bad HEAD~7 --adapter voice --prompts "$home/prompts.jsonl"
ran 2 'is not on the line of first parents' bisect demo --good HEAD --bad HEAD~3 --adapter voice --prompts "$home/prompts.jsonl"
echo '{"prompt": 5}' >"$home/broken.jsonl"
ran 1 'broken.jsonl:1: expected {"prompt"' bisect demo --good HEAD~6 --prompts "$home/broken.jsonl"
exit "$((failures > 0))"
