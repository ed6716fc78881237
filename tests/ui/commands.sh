#!/bin/sh
# The program from outside: commands.sh PROGRAM. What needs no model is checked always, the rest with the shared data.
set -u
program=$1
data=${HYPRSTREAM_TEST_DATA:-../shared/data}
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export HOME="$home" XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_STATE_HOME="$home/state" \
    XDG_CACHE_HOME="$home/cache"
failures=0

fail() {
    echo "FAILED: $1" >&2
    failures=$((failures + 1))
}

# expect STATUS WORDS ARGUMENTS...: exit status, and words in either output.
expect() {
    wanted=$1 words=$2
    shift 2
    "$program" "$@" >"$home/out" 2>&1 </dev/null
    status=$?
    [ "$status" = "$wanted" ] || fail "hyprstream $*: status $status, expected $wanted: $(head -c 300 "$home/out")"
    [ -z "$words" ] || grep -qF -- "$words" "$home/out" || fail "hyprstream $*: no '$words' in: $(head -c 300 "$home/out")"
}

expect 0 "hyprstream " --version
expect 0 "Chat and answer" --help
expect 0 "tokenize MODEL [TEXT]" tokenize --help
expect 0 "no models in" list
expect 0 '"models":[]' list --json
expect 2 "did you mean infer?" infre
expect 2 "unknown option --foo" infer m --foo
expect 2 "expected: hyprstream infer MODEL" infer
expect 1 "there is no model m" infer m -p x
expect 1 "there is no folder /nowhere" inspect /nowhere
expect 0 "auto" config get run.device
polite=assets/demo/data/polite.jsonl
expect 2 "expected --data FILE" inspect-data ./assets/demo
expect 0 "«▁O" inspect-data ./assets/demo --data $polite --rows 1
expect 0 '"duplicates":0' inspect-data ./assets/demo --data $polite --json
expect 2 "--too-long fold: expected one of truncate drop split" inspect-data ./assets/demo --data $polite --too-long fold
expect 1 "no file of examples" inspect-data ./assets/demo --data README.md
expect 0 '"examples":2,' eval ./assets/demo --data $polite --limit 2 --json
expect 1 "under the bar of 1" eval ./assets/demo --data $polite --limit 2 --min-exact 1
expect 1 "standard" # no terminal, no workstation

# A file of settings that cannot be read is named; one with a bad value can be mended.
mkdir -p "$home/config/hyprstream"
printf '[run\n' >"$home/config/hyprstream/config"
expect 1 "config/hyprstream/config" list
printf '[run]\n\tdtype = f64\n' >"$home/config/hyprstream/config"
expect 1 "run.dtype is 'f64'" list
expect 0 "" config set run.dtype f32
expect 0 "f32" config get run.dtype
"$program" config unset run.dtype

# Output that cannot be written is an error, not a success.
[ ! -e /dev/full ] || { "$program" config list >/dev/full 2>/dev/null && fail "config list >/dev/full succeeded"; }

if [ -d "$data/models/stories260K" ]; then
    model=$(cd "$data/models/stories260K" && pwd)
    answer=$("$program" infer "$model" -p "Once upon a time" --raw --temp 0 -n 60)
    case $answer in
    ", there was a little girl named Lily. She loved to play outside in the park."*) ;;
    *) fail "the story goes: $answer" ;;
    esac
    first=$(printf 'One day' | "$program" infer "$model" --raw --temp 1 --seed 7 -n 40)
    second=$("$program" infer "$model" -p "One day" --raw --temp 1 --seed 7 -n 40)
    [ "$first" = "$second" ] || fail "equal seeds, unequal answers: '$first' and '$second'"
    expect 1 "--raw" infer "$model" -p "Once"
    expect 0 '"decode_tok_s"' bench "$model" -p 64 -n 32 -b 1,4 --json
    expect 1 "libtorch" infer "$model" -p x --raw --device cuda:99
fi
[ "$failures" = 0 ]
