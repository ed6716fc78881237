#!/bin/sh
# The tests of worktrees on file systems that share blocks: worktree_reflink.sh TEST...
#
# btrfs and xfs in loop files, as root; skipped with the reason otherwise.
set -eu
home=$(mktemp -d)
point=$home/point ran=0
end() {
    umount "$point" 2>/dev/null || umount -l "$point" 2>/dev/null || :
    rm -rf "$home"
}
trap end EXIT
mkdir "$point"

# on NAME MKFS...
on() {
    name=$1
    shift
    if ! command -v "$1" >/dev/null; then
        echo "skipped: $name: there is no $1"
        return
    fi
    truncate -s 2G "$home/$name.img"
    if ! "$@" "$home/$name.img" >"$home/out" 2>&1 || ! mount -o loop "$home/$name.img" "$point" 2>"$home/out"; then
        echo "skipped: $name: $(tail -1 "$home/out")"
        return
    fi
    for test in $tests; do
        TMPDIR=$point "$test" >"$home/out" 2>&1 || { cat "$home/out"; echo "FAILED: $(basename "$test") on $name"; exit 1; }
        if grep -q 'skipped: reflink' "$home/out"; then
            cat "$home/out"
            echo "FAILED: $(basename "$test") had no reflink on $name"
            exit 1
        fi
        echo "$(basename "$test") on $name: $(grep -c '  OK ' "$home/out") passed"
    done
    umount "$point"
    rm "$home/$name.img"
    ran=1
}

tests=$*
on btrfs mkfs.btrfs -q
on xfs mkfs.xfs -q -m reflink=1
[ "$ran" = 1 ] || exit 77
