#!/bin/bash
# A chat with a run while it trains: run_chat_walk.sh PROGRAM ON_SCREEN.
#
# Over the socket: words come one by one and make up the answer, an answer is cancelled. On the screen (24x80): the run
# is chosen in the models pane, answers with the weights of the step just done as its commit does afterwards, tells the
# step and the lost time, and its end is told; runs of others come into the list and go by themselves.
set -u
. "$(dirname "$0")/../support/walk.sh"
on_screen=$(realpath "$2")
lfs_filter
model=$HYPRSTREAM_MODELS_DIR/demo
demo_model adapters
# Sockets have short paths; all that this walk makes is in its own home.
mkdir -m 700 "$home/r" && export XDG_RUNTIME_DIR="$home/r" TERM=xterm-256color

"$program" train demo --data "$demo/data/polite.jsonl" --adapter live --branch live --threads 1 --dtype f32 --rank 4 --targets attn \
    --lr 0.005 --window 4 --max-length 96 --epochs 500 --eval-fraction 0 --schedule constant --detach >"$home/log" 2>&1 ||
    fail "train: $(tail -3 "$home/log")"
for try in $(seq 60); do # until it has begun
    "$program" runs ask last hello -n 1 >"$home/out" 2>&1 && break
    sleep 0.5
done

say 'over the socket: words one by one, and a cancel'
python3 - "$home"/r/hyprstream/run-*.sock <<'SOCKET' || fail 'the socket'
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
lines = s.makefile("r", encoding="utf-8")
def say(o): s.sendall((json.dumps(o) + "\n").encode())
def events(ask):
    for line in lines:
        e = json.loads(line)
        if e.get("ask") == ask:
            yield e
            if e["event"] in ("answer", "refused"):
                return
first = json.loads(lines.readline())
assert first["event"] == "started" and first["context"] > 0 and first["template"] is True, first
chat = [{"role": "user", "content": "How do I quit?"}]
say({"do": "generate", "ask": 1, "stream": True, "messages": chat, "tokens": 24})
got = list(events(1))
assert got[0]["event"] == "begun" and got[0]["prompt_tokens"] > 3, got[0]
words, answer = got[1:-1], got[-1]
assert answer["event"] == "answer" and len(words) > 2 and all(w["event"] == "words" for w in words), got
assert "".join(w["content"] for w in words) == answer["text"], (words, answer)
assert [w["tokens"] for w in words] == sorted(w["tokens"] for w in words) and answer["lost_ms"] > 0
# the same again as one prompt, at the same step, is the same answer; a chat of three messages is another prompt
say({"do": "pause"})
say({"do": "generate", "ask": 2, "messages": chat, "tokens": 24})
say({"do": "generate", "ask": 3, "prompt": chat[0]["content"], "tokens": 24})
two, three = list(events(2))[-1], list(events(3))[-1]
assert (two["ids"], two["step"]) == (three["ids"], three["step"]), (two, three)
say({"do": "generate", "ask": 4, "messages": chat + [{"role": "assistant", "content": "Hm."}, chat[0]], "tokens": 2})
assert list(events(4))[-1]["prompt_tokens"] > two["prompt_tokens"]
say({"do": "generate", "ask": 5, "messages": chat, "tokens": 64, "sampling": {"temperature": 1.0, "seed": 7}})
say({"do": "generate", "ask": 6, "messages": chat, "tokens": 64, "sampling": {"temperature": 1.0, "seed": 7}})
assert list(events(5))[-1]["ids"] == list(events(6))[-1]["ids"]
say({"do": "generate", "ask": 7, "messages": [{"content": "nobody"}]})
assert "has no role" in list(events(7))[-1]["error"]
say({"do": "generate", "ask": 8, "messages": chat, "sampling": {"temperature": -1}})
assert "temperature" in list(events(8))[-1]["error"]
say({"do": "resume"})
say({"do": "generate", "ask": 9, "stream": True, "messages": chat, "tokens": 400, "sampling": {"temperature": 3.0, "seed": 1}})
say({"do": "cancel", "ask": 9})
last = list(events(9))[-1]
assert last["finish_reason"] in ("cancelled", "stop"), last
SOCKET

say 'on the screen, with the weights of the step just done'
"$program" config set chat.temperature 0
"$program" config set chat.max_tokens 24
"$program" runs pause last >"$home/out" 2>&1 || fail "pause: $(cat "$home/out")"
"$program" runs commit last >"$home/out" 2>&1 || fail "commit: $(cat "$home/out")"
step=$(sed -n 's/.*at step //p' "$home/out")
"$program" infer demo:live+live -p 'How do I quit?' --temp 0 -n 24 --dtype f32 --threads 1 >"$home/later"
line=$(head -c 40 "$home/later" | head -1)
"$on_screen" size 24x80 wait "is loaded" type '\eOQ' wait "runs: 1" type '\x1b[B' wait "trains demo, at step" type '\r' \
    wait "run:live answers now" wait "paused at step $step of" type 'How do I quit?\r' wait "run:live step $step" wait "$line" \
    wait "1 answer cost it" show "$home/screen" \
    do "'$program' runs resume last >/dev/null 2>&1" gone "paused at" wait "loss " \
    do "'$program' runs stop last >/dev/null 2>&1" wait "run:live has ended" gone "run:live answers" -- "$program" ||
    fail 'the screen'
grep -q 'run:live step' "$home/screen" || fail "the screen was: $(cat "$home/screen")"
cat "$home/screen"

say 'the answer that was marked is of that run'
python3 - "$XDG_STATE_HOME/hyprstream/state.db" "$step" "$home/later" <<'ROWS' || fail 'the kept answer'
import sqlite3, sys
row = sqlite3.connect(sys.argv[1]).execute("SELECT model, content FROM message WHERE role = 'assistant'").fetchone()
assert row[0] == f"run:live step {sys.argv[2]}", row
assert row[1].strip() == open(sys.argv[3]).read().strip(), row
ROWS

say 'a run that begins elsewhere, goes on and is killed is seen in the list without a key'
cat >"$home/begin" <<BEGIN
"$program" train demo --data "$demo/data/polite.jsonl" --adapter later --branch later --threads 1 --dtype f32 --rank 4 --targets attn \
    --window 4 --max-length 96 --epochs 500 --eval-fraction 0 --detach >"$home/log" 2>&1
BEGIN
killed="kill -9 \$(python3 -c 'import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute(\"SELECT pid FROM runs ORDER BY id DESC LIMIT 1\").fetchone())' \
    '$XDG_STATE_HOME/hyprstream/state.db')"
"$on_screen" size 24x80 wait "is loaded" type '\eOQ' wait "models: 1" do "sh '$home/begin'" wait "runs: 1" type '\x1b[B' wait "at step 5" \
    do "$killed" gone "runs: 1" gone "run:later" -- "$program" || fail 'the list of runs'
exit "$((failures > 0))"
