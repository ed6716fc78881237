#!/bin/sh
# Marked answers from outside: data_walk.sh PROGRAM. Conversations are put into state.db as the workstation keeps them;
# what `data export` writes is read by `inspect-data`, which must learn the marked answers and nothing else.
set -u
. "$(dirname "$0")/../support/walk.sh"
db=$XDG_STATE_HOME/hyprstream/state.db
out=$home/good.jsonl

say 'nothing is marked yet'
ran 0 "No answer is marked" data
same "$(json 'o["conversations"], o["good"], o["bad"]' data list)" "[] 0 0" "an empty list"
ran 1 "no answer is marked as good" data export "$out"
[ ! -e "$out" ] || fail "a file was written"
ran 2 "data has no 'lst'" data lst
ran 2 "expected data export FILE" data export
ran 2 "data list takes no --force" data list --force
ran 2 "expected a name that ends in .jsonl" data export "$home/good.txt"
ran 2 "expected a day such as 2026-01-31" data list --since yesterday

python3 - "$db" <<'ROWS' || fail "put the conversations in"
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1])
DONE, CUT_AT_LENGTH, ENDED = 3, 2, 0
def conversation(id, title, *messages):
    db.execute("INSERT INTO conversation VALUES(?, ?, 0, 0)", (id, title))
    for i, (role, words, thought, model, reason, rating, rated) in enumerate(messages):
        db.execute("INSERT INTO message(conversation, position, role, content, reasoning, model, state, reason, prompt_tokens,"
                   " cached_tokens, completion_tokens, wait_seconds, prefill_seconds, first_token_seconds, decode_seconds, seed,"
                   " thinking_seconds, rating, rated) VALUES(?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, ?, ?)",
                   (id, i, role, words, thought, model, DONE if role == "assistant" else 0, reason, rating, rated))
now = int(time.time())
old = now - 10 * 24 * 3600
conversation(1, "How do I quit?",
    ("system", "Be brief.", "", None, 0, 0, 0),
    ("user", "How do I quit?", "", None, 0, 0, 0),
    ("assistant", "Press Ctrl-Q.", "", "demo", ENDED, 1, now),
    ("user", "And how do I stop an answer?", "", None, 0, 0, 0),
    ("assistant", "Press \"Ctrl-C\".\nThen \u00fc\u0001.", "", "demo+01_brief@0.7", CUT_AT_LENGTH, 1, now),
    ("user", "Why?", "", None, 0, 0, 0),
    ("assistant", "No idea.", "", "demo:v1", ENDED, -1, now))
conversation(2, "Another", ("user", "A thing", "", None, 0, 0, 0), ("assistant", "x", "I think", "other", ENDED, 1, old))
conversation(3, "Unmarked", ("user", "A thing", "", None, 0, 0, 0), ("assistant", "y", "", "demo", ENDED, 0, 0))
db.commit()
ROWS

say 'the list counts by conversation, and can be narrowed'
same "$(json '[(c["conversation"], c["good"], c["bad"], c["models"]) for c in o["conversations"]], o["good"], o["bad"]' data list)" \
    "[(1, 2, 1, ['demo', 'demo+01_brief@0.7', 'demo:v1']), (2, 1, 0, ['other'])] 3 1" "the list"
ran 0 "2 good    1 bad  How do I quit?  (demo, demo+01_brief@0.7, demo:v1)" data list
ran 0 "3 good and 1 bad answers in 2 conversations" data
same "$(json 'o["good"], o["bad"]' data list --model demo)" "2 1" "of a model"
same "$(json 'o["good"], o["bad"]' data list --model dem)" "0 0" "a part of a name is another model"
same "$(json 'o["good"]' data list --since 3d)" "2" "of the last days"
same "$(json 'o["good"]' data list --since 2001-02-03)" "3" "since a day"

say 'one line for each good answer, with what was said before it'
ran 0 "1 of them did not end by themselves" data export "$out"
grep -qF "Wrote 3 good answers of 2 conversations to $out" "$home/out" || fail "what was written: $(cat "$home/out")"
python3 - "$out" <<'LINES' || fail "the lines: $(cat "$out")"
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1], encoding="utf-8")]
assert [list(l) for l in lines] == [["prompt", "completion"]] * 3
assert [[m["role"] for m in l["prompt"]] for l in lines] == [["system", "user"], ["system", "user", "assistant", "user"], ["user"]]
assert lines[0]["completion"] == [{"role": "assistant", "content": "Press Ctrl-Q."}]
assert lines[1]["completion"] == [{"role": "assistant", "content": "Press \"Ctrl-C\".\nThen \u00fc\u0001."}]
assert lines[2]["completion"] == [{"role": "assistant", "reasoning_content": "I think", "content": "x"}]
LINES

say 'a file that is there stays, unless --force is given'
cp "$out" "$home/before"
ran 1 "is there already" data export "$out" --model other
cmp -s "$out" "$home/before" || fail "the file was changed"
ran 0 "Wrote 1 bad answer of 1 conversation" data export "$out" --bad --force
same "$(grep -c 'No idea' "$out")" 1 "the bad answer"
same "$(json 'o["mark"], o["answers"], o["conversations"], o["unended"]' data export "$out" --model demo --force)" "good 2 1 1" \
    "as JSON"
ran 1 "" data export "$home/no/such/folder.jsonl"
ls -A "$home" | grep -q tmp && fail "a temporary is left: $(ls -A "$home")"

# What is learned of each example, as text, its end marked by |.
learned() {
    "$program" inspect-data "$home/model" --data "$out" --rows 9 --json 2>/dev/null | python3 -c '
import json, re, sys
for r in json.load(sys.stdin)["rows"]:
    words = "".join(t for t, l in zip(r["tokens"], r["labels"]) if l != -100).replace("\u2581", " ").strip().encode()
    print(re.sub(rb"<0x(..)>", lambda m: bytes([int(m[1], 16)]), words).decode(), end="|")'
}
wanted=$(printf 'Press Ctrl-Q.</s>|Press "Ctrl-C".\nThen \303\274\001.</s>|')
mkdir "$home/model"
cp "$demo"/*.json "$demo/model.safetensors" "$home/model"
for template in with_generation without; do
    say "inspect-data learns the marked answers alone: a template $template"
    cp "$demo/chat_template.jinja" "$home/model"
    [ $template = without ] && sed -i 's/{% generation %}//; s/{% endgeneration %}//' "$home/model/chat_template.jinja"
    same "$(learned)" "$wanted" "what is learned"
done

say 'and train reads it'
git init -q -b main "$home/models/demo" && cp -r "$demo"/*.json "$demo"/*.jinja "$demo/model.safetensors" "$home/models/demo"
git config --global user.name Ada
git config --global user.email ada@example.invalid
lfs_filter
git -C "$home/models/demo" add -A && git -C "$home/models/demo" commit -qm 'The demo'
ran 0 "" train demo --data "$out" --steps 1 --rank 2 --dry-run

[ "$failures" = 0 ] && echo "all $steps steps"
[ "$failures" = 0 ]
