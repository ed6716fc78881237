#!/bin/sh
# A full disk: full_disk_walk.sh PROGRAM. As root, on a tmpfs of 32 MB: each verb that writes meets a disk with no room at all,
# and one that fills up half-way. It says one clear sentence, nothing is lost, git finds the repository sound, and the same
# command goes through when there is room again.
set -u
. "$(dirname "$0")/../support/walk.sh"
disk=$home/disk
mkdir "$disk"
if [ "$(id -u)" != 0 ] || ! mount -t tmpfs -o size=32m tmpfs "$disk" 2>"$home/out"; then
    echo "skipped: no small disk can be mounted here: $(cat "$home/out" 2>/dev/null)"
    exit 77
fi
trap 'cd /; umount "$disk" || umount -l "$disk"; finish' EXIT
git config --global user.name Ada
git config --global user.email ada@example.invalid
git config --global init.defaultBranch main
lfs_filter
export HYPRSTREAM_MODELS_DIR="$disk/models"
models=$disk/models size=3000000

# fill KIB: nothing is free but so much.
fill() {
    sync -f "$disk"
    dd if=/dev/zero of="$disk/filler" bs=64k 2>/dev/null
    dd if=/dev/zero of="$disk/filler2" bs=1k 2>/dev/null
    truncate -s "-$1K" "$disk/filler"
}
room() { rm -f "$disk/filler" "$disk/filler2"; }
weights() { head -c "$size" /dev/urandom >"$1"; }
sum() { sha256sum <"$1"; }
objects_whole() {
    find "$1/.git/lfs/objects" -type f ! -path '*/incomplete/*' 2>/dev/null | while read -r path; do
        [ "$(sum "$path")" = "${path##*/}  -" ] || echo "$path"
    done
}
sound() {
    [ -e "$models/$1" ] || return 0
    git -C "$models/$1" fsck --full >"$home/fsck" 2>&1 || fail "git fsck of $1: $(cat "$home/fsck")"
    same "$(objects_whole "$models/$1")" '' "objects of $1"
}
# One sentence that names the reason.
said_why() {
    same "$(grep -c '^hyprstream ' "$home/out")" 1 "sentences of $*: $(head -c 600 "$home/out")"
    grep -qiE 'no space left|[0-9] [kM]?B free in ' "$home/out" || fail "$* does not say why: $(head -c 600 "$home/out")"
}
# meets BEFORE COMMAND...: in a world where BEFORE was done, COMMAND fails with no room, then with some, and goes through.
meets() {
    before=$1
    shift
    "$before"
    for kib in 0 1200; do
        head=$(git -C "$models/m" rev-parse HEAD) branch=$(git -C "$models/m" branch --show-current)
        fill "$kib"
        "$program" "$@" >"$home/out" 2>&1 </dev/null
        status=$?
        [ "$status" = 1 ] || fail "$*, $kib KiB free: status $status: $(head -c 600 "$home/out")"
        [ "$status" = 0 ] || said_why "$*, $kib KiB free"
        same "$(git -C "$models/m" rev-parse HEAD)" "$head" "HEAD after $*, $kib KiB free"
        same "$(git -C "$models/m" branch --show-current)" "$branch" "the branch after $*, $kib KiB free"
        for name in m fresh; do sound "$name"; done
        "$program" list >"$home/out" 2>&1 || fail "list on a full disk: $(cat "$home/out")"
        room
        "$program" list >/dev/null 2>&1
        same "$(ls "$models/.staging" "$models/.trash" 2>/dev/null | grep -v ':$')" '' "what is left half-made by $*, $kib KiB free"
    done
    ran 0 '' "$@"
    for name in m fresh; do sound "$name"; done
}
# m has two branches with other weights; other ones for each world would be other commits.
kept=$home/kept
world_make() {
    "$program" init m >/dev/null
    weights "$models/m/model.safetensors"
    echo '{"model_type":"llama"}' >"$models/m/config.json"
    echo '{}' >"$models/m/tokenizer.json"
    "$program" stage m --all >/dev/null && "$program" commit m -m one >/dev/null
    one=$(sum "$models/m/model.safetensors")
    "$program" checkout m -b other >/dev/null
    weights "$models/m/model.safetensors"
    head -c 40000 /dev/urandom >"$models/m/notes"
    "$program" stage m --all >/dev/null && "$program" commit m -m two >/dev/null
    two=$(sum "$models/m/model.safetensors")
    "$program" checkout m main >/dev/null
    cp -a "$models" "$kept"
}
world() {
    room
    rm -rf "$models" "$home/cache"
    cp -a "$kept" "$models"
}
clean() { same "$(git -C "$models/$1" status --porcelain)" '' "git status of $1"; }

world_make
git clone -q --bare -c filter.lfs.smudge= -c filter.lfs.required=false "$models/m" "$home/far.git" || exit 1
mkdir -p "$home/far.git/lfs" && cp -r "$models/m/.git/lfs/objects" "$home/far.git/lfs/"

say 'stage'
changed() {
    world
    weights "$models/m/model.safetensors"
    three=$(sum "$models/m/model.safetensors")
}
meets changed stage m --all
same "$(sum "$models/m/model.safetensors")" "$three" 'the weights after stage'
same "$(git -C "$models/m" diff --cached --name-only)" model.safetensors 'what is staged'

say 'commit'
staged() { changed && head -c 2000000 /dev/urandom >"$models/m/tokenizer.json" && "$program" stage m model.safetensors >/dev/null; }
meets staged commit m --all -m three
same "$(sum "$models/m/model.safetensors")" "$three" 'the weights after commit'
same "$(git -C "$models/m" log -1 --format=%s)" three 'the commit'

say 'checkout'
meets world checkout m other
same "$(sum "$models/m/model.safetensors")" "$two" 'the weights after checkout'
clean m

say 'worktree add'
meets world worktree m add other --driver vfs
same "$(sum "$models/.worktrees/m/other/model.safetensors")" "$two" 'the weights of the worktree'

say 'clone'
meets world clone "$home/far.git" fresh
same "$(sum "$models/fresh/model.safetensors")" "$one" 'the weights of the clone'
clean fresh

say 'fetch-files'
pointers() { world && "$program" clone "$home/far.git" fresh --no-files >/dev/null; }
meets pointers fetch-files fresh
same "$(sum "$models/fresh/model.safetensors")" "$one" 'the weights that were fetched'
clean fresh

say 'pull'
behind() {
    world
    git -C "$models/m" remote add origin "$home/far.git"
    git -C "$models/m" fetch -q origin
    git -C "$models/m" branch -q -u origin/other main
}
meets behind pull m
same "$(sum "$models/m/model.safetensors")" "$two" 'the weights after pull'
clean m

[ "$failures" = 0 ] && echo "all $steps steps are sound"
exit "$failures"
