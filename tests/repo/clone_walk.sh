#!/bin/sh
# Clone and fetch as a person does it, git looking on: clone_walk.sh PROGRAM. Killed and interrupted at random moments:
# HYPRSTREAM_TEST_KILLS of them.
set -u
. "$(dirname "$0")/../support/walk.sh"
kills=${HYPRSTREAM_TEST_KILLS:-6}
unset GIT_INDEX_FILE SSH_AUTH_SOCK HF_TOKEN HF_ENDPOINT
export LC_ALL=C
models=$home/models
git config --global user.name Ada
git config --global user.email ada@example.invalid
git config --global init.defaultBranch main

# The model NAME is whole, as git sees it.
sound() {
    git -C "$models/$1" fsck --full >"$home/out" 2>&1 || fail "git fsck of $1: $(cat "$home/out")"
    [ -z "$(git -C "$models/$1" status --porcelain)" ] || fail "$1 is not clean"
    find "$models/$1/.git" -name '*.lock' | grep . && fail "locks are left in $1"
}

# A network process of this test.
child_lives() {
    for process in /proc/[0-9]*; do
        grep -q __git-net "$process/cmdline" 2>/dev/null && grep -qzxF "HOME=$home" "$process/environ" 2>/dev/null && return 0
    done
    return 1
}

# Nothing half-made, no process of ours.
nothing_left() {
    for i in $(seq 60); do
        child_lives || break
        sleep 0.1
    done
    [ "$i" -lt 60 ] || fail "$1: a network process lives on"
    "$program" list >/dev/null 2>&1
    left=$(ls -A "$models/.staging" "$models/.trash" 2>/dev/null | grep -v "^$\|:$")
    [ -z "$left" ] || fail "$1: left behind: $left"
}

# ---- over http with a login ----
mkdir "$home/www"
git init -q "$home/work"
(cd "$home/work" && echo '{}' >config.json && echo '*.bin -text' >.gitattributes && git add . && git commit -qm one &&
    git tag v1 && git clone -q --bare . "$home/www/tiny.git") || exit 1
if command -v python3 >/dev/null; then
    python3 "$tests/support/git_http.py" "$home/www" >/dev/null 2>&1 &
    pids="$pids $!"
    for i in $(seq 100); do [ -e "$home/www/port" ] && break; sleep 0.05; done
    url=http://127.0.0.1:$(cat "$home/www/port")
    ran 1 "wants a login" clone "$url/locked/tiny.git"
    printf 'machine 127.0.0.1 login ann password right\n' >"$home/.netrc"
    chmod 600 "$home/.netrc"
    ran 0 "Cloned tiny: main at " clone "$url/locked/tiny.git"
    sound tiny
    ran 0 "Already up to date" fetch tiny
    (cd "$home/work" && echo 2 >more && git add . && git commit -qm two && git tag v2 &&
        git push -q "$home/www/tiny.git" main v2) || exit 1
    ran 0 "Fetched 2 refs" fetch tiny
    ran 0 '"up_to_date":true' fetch tiny --json
    [ "$(git -C "$models/tiny" rev-parse origin/main)" = "$(git -C "$home/work" rev-parse main)" ] || fail "fetch missed main"
    sound tiny
    ran 0 '"commit":"'"$(git -C "$home/work" rev-parse v1)"'"' clone "$url/locked/tiny.git" old --branch v1 --json
    ran 1 "has no branch or tag 'man'; did you mean main?" fetch tiny origin man
    ran 1 "there is a model tiny already" clone "$url/locked/tiny.git"
    grep -rs "right" "$models" "$home/cache" "$home/state" "$home/config" && fail "the password lies in a file"

    # Ctrl-C while the server stalls.
    "$program" clone "$url/stall/tiny.git" stalled >"$home/out" 2>&1 </dev/null &
    pid=$!
    sleep 0.5
    kill -INT $pid
    wait $pid
    status=$?
    [ $status = 130 ] || fail "an interrupted clone ended with $status: $(cat "$home/out")"
    nothing_left "Ctrl-C"
else
    echo "no python3: nothing over http"
fi

# ---- a disk that is too small ----
small=$home/small
mkdir "$small"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=24m tmpfs "$small" 2>/dev/null; then
    trap 'umount "$small"; finish' EXIT
    "$program" init heavy >/dev/null
    head -c 10000000 /dev/urandom >"$models/heavy/one.safetensors"
    "$program" stage heavy . >/dev/null && "$program" commit heavy -m one >/dev/null
    HYPRSTREAM_MODELS_DIR=$small "$program" clone "$models/heavy" fits >"$home/out" 2>&1 || fail "twice 10 MB into 24 MB: $(cat "$home/out")"
    cmp -s "$models/heavy/one.safetensors" "$small/fits/one.safetensors" || fail "the file in the small folder is another"
    HYPRSTREAM_MODELS_DIR=$small "$program" remove fits --force >/dev/null
    # One object, in two files: 10 MB for the store, 20 MB for the working copy.
    cp "$models/heavy/one.safetensors" "$models/heavy/two.safetensors"
    "$program" stage heavy . >/dev/null && "$program" commit heavy -m two >/dev/null
    HYPRSTREAM_MODELS_DIR=$small "$program" clone "$models/heavy" tight >"$home/out" 2>&1 && fail "30 MB into 24 MB"
    grep -qF 'need 30 MB (in the store and in the working copy), 2' "$home/out" || fail "a full disk: $(cat "$home/out")"
    [ ! -e "$small/tight" ] || fail "half a clone is left"
    # The working copy alone, and the store elsewhere.
    git clone -q --bare -c filter.lfs.smudge= -c filter.lfs.required=false "$models/heavy" "$home/heavy.git"
    mkdir "$home/heavy.git/lfs" && cp -r "$models/heavy/.git/lfs/objects" "$home/heavy.git/lfs/"
    head -c 6000000 /dev/zero >"$small/filler"
    git config --global lfs.storage "$home/elsewhere"
    HYPRSTREAM_MODELS_DIR=$small "$program" clone "$home/heavy.git" tight >"$home/out" 2>&1 && fail "20 MB into 18 MB"
    grep -qF 'need 20 MB (in the working copy), 1' "$home/out" || fail "a full disk of the working copy: $(cat "$home/out")"
    git config --global --unset lfs.storage
    umount "$small"
    trap finish EXIT
else
    echo "no small disk can be mounted: what is too large for one is not tried"
fi

# ---- killed ----
(cd "$home/work" && head -c 3000000 /dev/urandom >big.bin && for i in $(seq 200); do echo $i >f$i; done && git add . &&
    git commit -qm big) || exit 1
whole=0
for round in $(seq "$kills"); do
    "$program" clone "file://$home/work" victim >/dev/null 2>&1 </dev/null &
    pid=$!
    sleep "0.$(printf %03d $((round * 7919 % 900)))"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    nothing_left "kill $round"
    if [ -e "$models/victim" ]; then
        whole=$((whole + 1))
        sound victim
        "$program" list 2>/dev/null | grep -q victim || fail "kill $round: victim is there, but not in the list"
        "$program" remove victim --force >/dev/null 2>&1 || fail "kill $round: victim cannot be removed"
    fi
done
echo "$kills clones were killed, $whole were whole by then"
[ $failures = 0 ] || { echo "$failures failures" >&2; exit 1; }
