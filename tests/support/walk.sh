# tests/support/walk.sh: the beginning of every walk from outside; source it with PROGRAM as $1.
#
# A home of its own for the program and for git ($home, gone at the end, with the processes of $pids), models in
# $home/models, `fail` and its count. Nothing of the person who runs the tests is read or written.
program=$(realpath "$1")
tests=$(cd "$(dirname "$0")/.." && pwd)
home=$(mktemp -d)
pids=
finish() {
    for pid in $pids; do kill "$pid" 2>/dev/null; done
    rm -rf "$home"
}
trap finish EXIT
export HOME="$home" XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_STATE_HOME="$home/state" \
    XDG_CACHE_HOME="$home/cache" HYPRSTREAM_MODELS_DIR="$home/models" GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
unset GIT_DIR GIT_WORK_TREE GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL EMAIL GIT_CONFIG_GLOBAL \
    GIT_ASKPASS SSH_ASKPASS
failures=0 steps=0

fail() {
    echo "FAILED at step $steps: $1" >&2
    failures=$((failures + 1))
}
say() {
    steps=$((steps + 1))
    echo "-- $steps $1"
}
same() { [ "$1" = "$2" ] || fail "$3: '$1' is not '$2'"; }
# ran STATUS WORDS ARGUMENTS...: the program's exit status, and words in what it prints (kept in $home/out).
ran() {
    wanted=$1 words=$2
    shift 2
    "$program" "$@" >"$home/out" 2>&1 </dev/null
    status=$?
    [ "$status" = "$wanted" ] || fail "hyprstream $*: status $status, expected $wanted: $(head -c 600 "$home/out")"
    [ -z "$words" ] || grep -qF -- "$words" "$home/out" || fail "hyprstream $*: no '$words' in: $(head -c 600 "$home/out")"
}
# json KEY COMMAND MODEL...: a Python expression on the printed object `o`.
json() {
    what=$1
    shift
    "$program" "$@" --json 2>/dev/null </dev/null | python3 -c "import json,sys; o=json.load(sys.stdin); print($what)"
}
# until_step N: the newest run has done so many steps, or all that it will.
until_step() {
    for try in $(seq 300); do
        [ "$(json "any(r['step'] >= $1 or r['state'] in ('done', 'failed') for r in o['runs'][:1])" runs list)" = True ] && return
        sleep 0.1
    done
    fail "step $1 was not reached: $(json 'o["runs"][:1]' runs list)"
}
# resumed STATE: the newest run has ended in it and goes on to its end, unless it was quicker than we were.
resumed() {
    for try in $(seq 300); do
        state=$(json 'o["runs"][0]["state"]' runs list)
        [ "$state" = running ] || break
        sleep 0.1
    done
    [ "$state" = done ] && return
    same "$state" "$1" 'the state'
    "$program" train --resume last >"$home/log" 2>&1 || fail "resume: $(tail -3 "$home/log")"
}
# Pointers are known by their hash: by git-lfs, or by enough of its filter for git status.
lfs_filter() {
    if command -v git-lfs >/dev/null; then
        git lfs install --skip-repo >/dev/null
    else
        git config --global filter.lfs.clean "$tests/support/lfs_clean"
    fi
}
# demo_model [adapters]: $model becomes a repository of Ada's that holds the demo (and its two adapters).
demo=$tests/../assets/demo
demo_model() {
    mkdir -p "$model"
    cp -r "$demo"/*.json "$demo"/*.jinja "$demo/model.safetensors" ${1:+"$demo/$1"} "$model"
    git config --global user.name Ada
    git config --global user.email ada@example.invalid
    git init -q -b main "$model"
    git -C "$model" add -A
    git -C "$model" commit -qm 'The demo'
}
