#!/bin/bash
# Who watches a run may die: screen_walk.sh PROGRAM.
#
# The watching process is killed -9, the terminal of another hangs up: the run goes on, another watcher sees what follows, the
# curve has every step once, and the step just done answers.
set -u
. "$(dirname "$0")/../support/walk.sh"
lfs_filter
data=$home/polite.jsonl model=$HYPRSTREAM_MODELS_DIR/demo
cp "$demo/data/polite.jsonl" "$data"
demo_model adapters
# More steps than any machine takes until it is told to stop.
settings="--data $data --threads 1 --dtype f32 --rank 4 --targets attn --lr 0.002 --schedule constant --warmup 0 --window 4 --max-length 96
    --steps 100000 --eval-every 100000"

state() { json 'o["runs"][0]["state"]' runs list; }
# whole_curve: each step that the run has done stands in the curve once, the last one watched too (they count from 0).
whole_curve() {
    "$program" runs export last >"$home/curve" || fail 'runs export'
    python3 - "$(json 'o["runs"][0]["step"]' runs list)" "$home/curve" "$home/attached" <<'PY' || fail 'the curve is not whole'
import json, re, sys
steps = [row["step"] for row in map(json.loads, open(sys.argv[2])) if row["name"] == "loss"]
expected = list(range(int(sys.argv[1])))
watched = max(int(step) for step in re.findall(r"^step (\d+)/", open(sys.argv[3]).read(), re.M))
if steps != expected or watched not in steps:
    sys.exit(f"steps {steps[:5]} .. {steps[-5:]}, {len(steps)} of them; {len(expected)} were done, step {watched} was watched")
PY
}
# watched: another watcher sees steps and, when the run is stopped, its end.
watched() {
    : >"$home/attached"
    "$program" attach last >"$home/attached" 2>&1 &
    for try in $(seq 300); do
        [ "$(grep -c '^step ' "$home/attached")" -ge 3 ] && break
        sleep 0.1
    done
    "$program" runs stop last >"$home/said" 2>&1 || fail "stop: $(cat "$home/said")"
    wait $! || fail "attach: $(tail -3 "$home/attached")"
    [ "$(grep -c '^step ' "$home/attached")" -ge 3 ] || fail "no steps were seen: $(tail -3 "$home/attached")"
    tail -1 "$home/attached" | grep -q '^run .* stopped_early$' || fail "its end was not seen: $(tail -3 "$home/attached")"
    same "$(state)" stopped_early 'the state'
    whole_curve
}
# answers: a run that trains answers, says of which step, and what it cost.
answers() {
    "$program" runs ask last 'how do I quit?' -n 8 >"$home/answer" 2>"$home/said" || fail "ask: $(cat "$home/said")"
    [ -s "$home/answer" ] || fail 'an empty answer'
    grep -q 'it cost the run [0-9]* ms' "$home/said" || fail "no lost time: $(cat "$home/said")"
}

say 'the screen is killed, the run goes on'
# shellcheck disable=SC2086 # words
"$program" train demo --adapter screen --branch screen $settings >"$home/log" 2>&1 &
screen=$!
until_step 5
kill -9 "$screen"
wait "$screen" 2>/dev/null
same "$(state)" running 'the state'
answers
watched
same "$("$program" infer demo:screen+screen -p 'how do I quit?' --temp 0 -n 4 2>&1 | wc -l)" 1 'the lines of an answer'

say 'a detached run outlives its terminal'
# shellcheck disable=SC2086 # words
python3 - "$program" train demo --adapter detached --branch detached --detach $settings <<'PY' || fail 'the terminal'
import os, pty, signal, sys
child, terminal = pty.fork()
if child == 0:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])
said = b""
while True:
    try:
        more = os.read(terminal, 4096)
    except OSError:
        break
    if not more:
        break
    said += more
os.close(terminal)  # hangs up
_, status = os.waitpid(child, 0)
sys.exit(status != 0 and said.decode())
PY
until_step 3
same "$(state)" running 'the state'
answers
watched

say 'the terminal of a watched run hangs up, whether that signal is heard (nohup) or not'
for hangup in heard ignored; do
    # shellcheck disable=SC2086 # words
    python3 - "$hangup" "$program" train demo --adapter "hung_$hangup" --branch "hung_$hangup" $settings <<'PY' || fail 'the terminal'
import os, pty, signal, sys
child, terminal = pty.fork()
if child == 0:
    signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv[1] == "ignored" else signal.SIG_DFL)
    os.execvp(sys.argv[2], sys.argv[2:])
said = b""
while said.count(b"step ") < 5:
    said += os.read(terminal, 4096)
os.close(terminal)
os.waitpid(child, 0)
PY
    same "$(state)" running 'the state'
    watched
done
exit "$((failures > 0))"
