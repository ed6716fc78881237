#!/bin/bash
# What worktrees cost: worktree_table.sh PROGRAM [FILE].
#
# Five worktrees of one model by each driver, on file systems of their own (loop files; as root): how long each takes,
# what `df` says they take, and what a byte changed in the large file of one adds. Where nothing can be mounted, the
# drivers that are left are measured by `du` in a temporary folder. Bounds: hardlink, and overlay2 on a layer that is
# linked to the store, save at least 99 % and take at most 100 ms each; git finds every worktree clean.
# In CTest the model is small, and the 100 ms are of the processor, since others may use the machine, beyond what the
# program computes for `worktree list` in the same minute, since a sanitizer's start takes as long.
# HYPRSTREAM_TEST_STRICT=1 has the 200 MB, and the median of the whole time. FILE: where the table is written to, as Markdown.
set -eu
program=$(realpath "$1") file=${2:-}
home=$(mktemp -d)
mounted=
end() {
    cd /
    for point in $(sed -n "s|^[^ ]* \($home/[^ ]*\) .*|\1|p" /proc/mounts | tac); do
        umount "$point" 2>/dev/null || umount -l "$point" || :
    done
    rm -rf "$home"
}
trap end EXIT
export HOME="$home" XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_STATE_HOME="$home/state" \
    XDG_CACHE_HOME="$home/cache" GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=ada@example.invalid \
    GIT_COMMITTER_NAME=Ada GIT_COMMITTER_EMAIL=ada@example.invalid
unset GIT_DIR GIT_WORK_TREE GIT_CONFIG_GLOBAL GIT2DB_WORKTREE_DRIVER GIT2DB_OVERLAY_BACKEND
git config --global filter.lfs.clean "$(realpath "$(dirname "$0")/../support/lfs_clean")"
git config --global filter.lfs.smudge cat
git config --global filter.lfs.required true
if [ "${HYPRSTREAM_TEST_STRICT:-}" ]; then
    bytes=200000000
else
    bytes=20000000
fi
count=5 failures=0
fail() { echo "FAILED: $*" >&2; failures=$((failures + 1)); }
table=$home/table
{
    echo '| driver | file system | seconds for 5 | median (ms) | slowest (ms) | processor (ms) | disk for 5 (KiB) | saved | 5 configs changed (KiB) | a byte of one (KiB) |'
    echo '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |'
} >"$table"

# took COMMAND...: "WALL CPU" in ms, of the whole program.
took() {
    TIMEFORMAT='%3R %3U %3S'
    { time "$@" >"$home/out" 2>&1; } 2>"$home/time" || { cat "$home/out" >&2; return 1; }
    awk '{ printf "%d %d\n", $1 * 1000, ($2 + $3) * 1000 }' "$home/time"
}
# The median of the second words of a list of WALL CPU.
processor_of() { awk '{ print $2 }' | sort -n | sed -n "$(((count + 1) / 2))p"; }
# What the program computes to start and to open the model, in ms: the median, taken when it is used.
start_ms() { for _ in $(seq "$count"); do took "$program" worktree m list; done | processor_of; }
used_kib() {
    if [ "$mounted" ]; then
        sync -f "$place"
        [ "$fs" = btrfs ] && btrfs filesystem sync "$place" >/dev/null
        df -k --output=used "$place" | tail -1 | tr -d ' '
    else
        du -skx --exclude=.worktrees/m/* "$place" | cut -f1
    fi
}

# file_system NAME MKFS...: an empty one at $place.
file_system() {
    fs=$1 place=$home/$1
    shift
    mkdir "$place"
    truncate -s $((bytes * 12 + 400000000)) "$home/$fs.img"
    if ! command -v "$1" >/dev/null; then
        echo "skipped: $fs: there is no $1"
        return 1
    elif ! "$@" "$home/$fs.img" >"$home/out" 2>&1; then
        echo "skipped: $fs: $(tail -1 "$home/out")"
        return 1
    elif ! mount -o loop "$home/$fs.img" "$place" 2>"$home/out"; then
        echo "skipped: $fs: $(tail -1 "$home/out")"
        return 1
    fi
    mounted=yes
}

model() {
    export HYPRSTREAM_MODELS_DIR="$place/models"
    "$program" init m >/dev/null
    head -c "$bytes" /dev/urandom >"$place/models/m/model.safetensors"
    echo '{"model_type":"llama"}' >"$place/models/m/config.json"
    "$program" stage m --all >/dev/null
    "$program" commit m -m 'The weights' >/dev/null
    "$program" tag m v1 >/dev/null
}

# A byte in place where the file is the worktree's own to write; a linked file must be replaced.
byte_change() {
    if [ "$1" = hardlink ]; then
        cp "$2" "$2.new"
        chmod u+w "$2.new"
        printf x | dd of="$2.new" bs=1 seek=1000 conv=notrunc status=none
        mv -f "$2.new" "$2"
    else
        chmod u+w "$2"
        printf x | dd of="$2" bs=1 seek=1000 conv=notrunc status=none
    fi
}

one_clean() {
    changed=$(git -C "$1" status --porcelain)
    [ -z "$changed" ] || fail "$driver on $fs: git says $changed"
    cmp -s "$1/model.safetensors" "$place/models/m/model.safetensors" || fail "$driver on $fs: other weights"
}

# row DRIVER [BACKEND]
row() {
    driver=$1 backend=${2:-} times= paths=
    if ! "$program" worktree m add v1 --driver "$driver" ${backend:+--backend "$backend"} >"$home/out" 2>&1; then
        echo "skipped: $driver $backend on $fs: $(tail -1 "$home/out")"
        return
    fi
    # That one was to see whether it can be had, and warmed what the first of all would have read from the disk.
    "$program" worktree m remove v1 >/dev/null
    "$program" gc m --prune-days 0 >/dev/null
    before=$(used_kib)
    for i in $(seq "$count"); do
        times="$times$(took "$program" worktree m add v1 --driver "$driver" ${backend:+--backend "$backend"} --json)
"
        paths="$paths $(sed 's/.*"path":"\([^"]*\)".*/\1/' "$home/out")"
    done
    extra=$(($(used_kib) - before))
    for path in $paths; do one_clean "$path"; done
    for path in $paths; do echo '{"model_type":"qwen3"}' >"$path/config.json"; done
    configs=$(($(used_kib) - before - extra))
    byte_change "$driver" "${path:?}/model.safetensors"
    byte=$(($(used_kib) - before - extra - configs))
    times=$(printf '%s' "$times" | sort -n)
    middle=$(echo "$times" | sed -n "$(((count + 1) / 2))s/ .*//p") slowest=$(echo "$times" | sed -n '$s/ .*//p')
    total=$(echo "$times" | awk '{ t += $1 } END { printf "%.2f", t / 1000 }')
    processor=$(echo "$times" | processor_of)
    saved=$(awk "BEGIN { s = 100 - 100 * $extra / ($count * $bytes / 1024); if (s < 0) s = 0; printf \"%.2f\", s }")
    printf '| %s | %s | %s | %s | %s | %s | %s | %s %% | %s | %s |\n' "$driver${backend:+ $backend}" "$fs" \
        "$total" "$middle" "$slowest" "$processor" "$extra" "$saved" "$configs" "$byte" >>"$table"
    case $driver in
    hardlink | overlay2)
        awk "BEGIN { exit $saved < 99 }" || fail "$driver $backend saves $saved %"
        start=$(start_ms)
        [ "$((processor - start))" -le 100 ] || fail "$driver $backend computes for $processor ms, of which $start for its start"
        [ -z "${HYPRSTREAM_TEST_STRICT:-}" ] || [ "$middle" -le 100 ] || fail "$driver $backend takes $middle ms"
        ;;
    esac
    for path in $paths; do "$program" worktree m remove "$path" --force >/dev/null; done
    "$program" gc m --prune-days 0 >/dev/null
    left=$(($(used_kib) - before))
    [ "$left" -le 2000 ] || fail "$driver $backend leaves $left KiB"
    [ "$(git -C "$place/models/m" worktree list | wc -l)" = 1 ] || fail "$driver $backend leaves a worktree"
}

if file_system ext4 mkfs.ext4 -q; then
    model
    row vfs
    row hardlink
    row overlay2 kernel
    row overlay2 fuse
    umount "$place"
    rm "$home/ext4.img"
    for name in btrfs xfs; do
        rm -rf "$XDG_CACHE_HOME"
        if [ $name = btrfs ]; then set -- mkfs.btrfs -q; else set -- mkfs.xfs -q -m reflink=1; fi
        file_system $name "$@" || continue
        model
        row reflink
        umount "$place"
        rm "$home/$name.img"
    done
else
    mounted='' fs="du of $(stat -f -c %T "$home")" place=$home/plain
    mkdir "$place"
    model
    row vfs
    row hardlink
    row reflink
    row overlay2 fuse
fi
cat "$table"
if [ "$file" ]; then
    {
        echo '# Five worktrees of one model, by driver'
        echo
        policy=$(chrt -p $$ 2>/dev/null | sed -n 's/.*policy: //p')
        [ "$policy" = SCHED_RR ] && under='chrt -r 10 ' || under= # a machine that others use, too
        echo "Made by \`${HYPRSTREAM_TEST_STRICT:+HYPRSTREAM_TEST_STRICT=1 }${under}tests/repo/worktree_table.sh build/release/hyprstream tests/ref/worktrees.md\`"
        echo "on Linux $(uname -r | cut -d- -f1), $(nproc) cores, $(date -u +%F), load $(cut -d' ' -f1 /proc/loadavg),"
        echo "a model of $bytes bytes ($((bytes / 1024)) KiB), each driver on a file system of its own in a loop file. A time"
        echo 'is that of the whole program, from start to exit; "processor" is what it computes of it (the median). "Disk" is'
        echo 'what `df` says more than before; the layer of overlay2 is made anew and counted. "Saved" is against five copies.'
        echo 'A byte in the large file is changed in place, but under hardlink, where the file must be replaced.'
        echo
        cat "$table"
    } >"$file"
fi
[ "$failures" = 0 ] || { echo "$failures failures" >&2; exit 1; }
