#!/bin/bash
# A divergence and a plateau, planted: alert_walk.sh PROGRAM.
#
# Each is told once while the run goes on, to whoever watches, as a line of JSON, and by `runs show` afterwards, with the
# command that halves the rate; and what the run takes is told beside what it was expected to.
set -u
. "$(dirname "$0")/../support/walk.sh"
lfs_filter
data=$home/lines.jsonl
model=$HYPRSTREAM_MODELS_DIR/tiny
head -40 "$demo/data/polite.jsonl" >"$data"
# What the demo says anyway: its loss is next to nothing until a step does harm.
sed 's/Of course, with pleasure. //; s/ Have a lovely day.//' "$data" >"$home/known.jsonl"
demo_model

# How many times the estimate memory may be: a sanitizer takes some for itself.
room() { grep -q -e __asan_init -e __tsan_init "$program" && echo 10 || echo 2; }

# train ARGUMENTS...
train() {
    "$program" train tiny --data "$data" --threads 1 --dtype f32 --rank 4 --targets attn --window 2 --max-length 96 --packing off \
        --schedule constant --warmup 0 "$@" >"$home/log" 2>&1 || fail "train: $(tail -3 "$home/log")"
}

say 'a rate that is far too high diverges'
data=$home/known.jsonl train --adapter wild --lr 0.3 --steps 16 --eval-every 100 --clip 0 --json
python3 - "$home/log" <<'PY' || fail "no alert: $(tail -3 "$home/log" | head -c 600)"
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
alerts = [r for r in rows if r["event"] == "alert"]
losses = [r["loss"] for r in rows if r["event"] == "step"]
print("losses", [round(x, 2) for x in losses])
assert [a["kind"] for a in alerts] == ["diverging"], alerts
assert alerts[0]["step"] >= 10 and alerts[0]["advice"] == f"hyprstream runs lr {rows[0]['run']} 0.15", alerts
PY
"$program" runs show last | grep -q '^alert at step 1[0-6]: diverging: the mean of the losses is .*; half the rate: hyprstream runs lr ' ||
    fail "runs show: $("$program" runs show last | grep alert)"
same "$(json '[(a["kind"]) for a in o["alerts"]]' runs show last)" "['diverging']" 'alerts of show --json'

say 'a rate that teaches nothing is a plateau'
train --adapter still --lr 1e-9 --steps 8 --eval-every 1
grep -q '^alert 6 plateau: the last 5 evaluations are no better than [0-9.]* at step 1; half the rate: hyprstream runs lr [0-9A-Z]* 5e-10$' "$home/log" ||
    fail "no alert: $(grep alert "$home/log")"
same "$(grep -c '^alert' "$home/log")" 1 'alerts'
same "$(json '[(a["step"], a["kind"]) for a in o["alerts"]]' runs show last)" "[(6, 'plateau')]" 'alerts of show --json'

say 'what it takes is told beside what was expected'
train --adapter told --lr 0.003 --steps 6 --eval-every 6 --json
python3 - "$home/log" "$(room)" <<'PY' || fail 'estimate and measurement'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
plan, = [r for r in rows if r["event"] == "plan"]
m, = [r for r in rows if r["event"] == "measured"]
print(m)
assert m["step"] == 3 and m["memory_estimated"] == plan["memory"]["total"], m
assert m["step_seconds_estimated"] == plan["time"]["step_seconds"] > 0, m
assert 1 / 2 < m["mem_peak"] / m["memory_estimated"] < float(sys.argv[2]), "memory"
assert 1 / 15 < m["step_seconds"] / m["step_seconds_estimated"] < 15 * float(sys.argv[2]), "time: others may use the cores, too"
assert m["mfu"] > 0 and m["flop_per_s"] > 0, m
assert all(r["flop_per_s"] > 0 for r in rows if r["event"] == "step")
PY
"$program" runs show last >"$home/out"
grep -q '^memory: [0-9.]* GB, estimated [0-9.]* GB$' "$home/out" || fail "no memory: $(cat "$home/out")"
grep -q '^a step: [0-9.e-]* s, estimated [0-9.e-]* s$' "$home/out" || fail "no time: $(cat "$home/out")"
grep -q '^speed: [0-9.e+]* FLOP/s, [0-9]* % of a bare product' "$home/out" || fail "no speed: $(cat "$home/out")"
same "$(json 'o["measured"]["mem_peak"] > 0 and o["estimate"]["memory"] > 0 and o["measured"]["mfu"] > 0' runs show last)" True 'show --json'

say 'an ordinary run has none'
train --adapter fine --lr 0.003 --steps 12 --eval-every 2
grep '^alert' "$home/log" && fail 'an alert of a run that learns'
same "$(json 'o["alerts"]' runs show last)" '[]' 'alerts of show --json'
exit "$((failures > 0))"
