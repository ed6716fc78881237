#!/bin/sh
# Overlays as a person meets them: made, edited, unmounted, opened again by a command, by a model that was renamed, in a
# namespace of the program's own; each backend that this machine allows.
# usage: overlay_walk.sh HYPRSTREAM
set -u
. "$(dirname "$0")/../support/walk.sh"
unset GIT2DB_WORKTREE_DRIVER GIT2DB_OVERLAY_BACKEND
hyprstream=$program work=$home models=$home/models
unmount_all() { awk -v at="$home/" 'index($5, at) == 1 { print $5 }' /proc/self/mountinfo | while read -r point; do umount -l "$point"; done; }
trap 'unmount_all; finish' EXIT
git config --global user.name Ada
git config --global user.email ada@example.org

says() { # words, command...: fails, with these words
    words=$1
    shift
    if "$@" >"$work/said" 2>&1; then fail "$* should have failed"; fi
    grep -qF "$words" "$work/said" || fail "$*: $(cat "$work/said")"
}

"$hyprstream" init m >/dev/null
cd "$work/models/m"
head -c 3000000 /dev/urandom >model.safetensors
echo '{"model_type":"llama","hidden_size":64}' >config.json
echo shared >shared && echo edited >edited
"$hyprstream" stage m . >/dev/null
"$hyprstream" commit m -m first >/dev/null
"$hyprstream" tag m v1 >/dev/null
"$hyprstream" checkout m -b next >/dev/null
head -c 3000000 /dev/urandom >model.safetensors
echo '{"model_type":"qwen3"}' >config.json
mkdir more && echo more >more/file
"$hyprstream" stage m . >/dev/null
"$hyprstream" commit m -m second >/dev/null
"$hyprstream" checkout m main >/dev/null
cd "$work"

# Of a folder, what only it takes: kilobytes.
own() { json 'int(o["worktrees"][0]["bytes_used"] / 1024)' worktree m; }
object_of() { # the stored bytes of a large file, as a commit has it
    git -C "$models/m" show "$1" | sed -n 's|^oid sha256:\(..\)\(..\)\(.*\)|'"$models"'/m/.git/lfs/objects/\1/\2/\1\2\3|p'
}

# Another commit stands on another layer: what the person did stays, and large files take no room.
shift_layers() { # backend
    rm "$tree/shared" && echo mine >"$tree/edited" && mkdir -p "$tree/own/empty" && echo own >"$tree/own/file" &&
        ln -s file "$tree/own/link" && echo staged >"$tree/staged" && git -C "$tree" add staged
    before=$(git -C "$tree" status --porcelain)
    ran 0 'HEAD is now at' checkout "$tree" --detach next
    same "$(git -C "$tree" status --porcelain)" "$before" "$1: the person's changes on another layer"
    cmp -s "$tree/model.safetensors" "$(object_of next:model.safetensors)" || fail "$1: the weights are not next's"
    same "$(cat "$tree/config.json" "$tree/more/file" "$tree/edited" "$tree/own/link")" '{"model_type":"qwen3"}
more
mine
own' "$1: the files on another layer"
    [ -d "$tree/own/empty" ] || fail "$1: an empty folder is gone"
    [ "$(own)" -lt 300 ] || fail "$1: $(own) kB of its own after a checkout"
    echo other >"$tree/config.json" || { chmod u+w "$tree/config.json" && echo other >"$tree/config.json"; }
    ran 1 'nothing was changed' checkout "$tree" --detach v1
    cmp -s "$tree/model.safetensors" "$(object_of next:model.safetensors)" || fail "$1: a refused checkout changed the weights"
    ran 0 'HEAD is now at' reset "$tree" v1 --hard --force
    same "$(git -C "$tree" status --porcelain)|$(cat "$tree/own/file")" '?? own/|own' "$1: reset --hard"
    cmp -s "$tree/model.safetensors" "$(object_of v1:model.safetensors)" || fail "$1: the weights are not v1's"
    [ "$(own)" -lt 300 ] || fail "$1: $(own) kB of its own after reset --hard"
    (cd "$tree" && exec sleep 30) &
    sleeper=$!
    sleep 0.2
    ran 0 'is in use by sleep' checkout "$tree" --detach next
    cmp -s "$tree/model.safetensors" "$(object_of next:model.safetensors)" || fail "$1: in use: the weights are not next's"
    [ "$(own)" -gt 2000 ] || fail "$1: in use, and still $(own) kB of its own"
    kill $sleeper
    wait $sleeper 2>/dev/null
    ran 0 'HEAD is now at' checkout "$tree" --detach v1
    [ "$(own)" -lt 300 ] || fail "$1: $(own) kB of its own when it is not in use any more"
    rm -r "$tree/own"
    same "$(git -C "$tree" status --porcelain)" '' "$1: at v1 again"
}

# What a reboot leaves: nothing is mounted, and the record is of another start of the machine.
reboot() { # backend
    umount -l "$tree"
    sed -i 's/"boot":.*/"boot":	"00000000-0000-0000-0000-000000000000",/' "$models"/.overlay/*/overlay.json
    ran 0 'not mounted' worktree m list
    same "$(json 'o["worktrees"][0]["mounted"],o["worktrees"][0]["prunable"]' worktree m)" 'False False' "$1: after a reboot"
    grep -q '"boot":	""' "$models"/.overlay/*/overlay.json || fail "$1: the record was not mended"
    ran 0 'Nothing is changed' status "$tree"
    same "$(json 'o["worktrees"][0]["mounted"]' worktree m)" True "$1: opened after a reboot"
}

backends=
for backend in kernel fuse userns; do
    [ $backend != userns ] || export GIT2DB_OVERLAY_BACKEND=userns
    if ! "$hyprstream" worktree m add v1 --driver overlay2 --backend $backend >"$work/said" 2>&1; then
        grep -q "cannot be had" "$work/said" || fail "$(cat "$work/said")"
        echo "skipped $backend: $(cat "$work/said")"
        continue
    fi
    backends="$backends $backend"
    tree=$work/models/.worktrees/m/v1
    json=$("$hyprstream" worktree m --json)
    case $json in
    *"\"driver\":\"overlay2\",\"backend\":\"$backend\""*) ;;
    *) fail "list: $json" ;;
    esac
    if [ $backend != userns ]; then
        same "$(git -C "$tree" status --porcelain)" "" "$backend: status after creation"
        same "$(stat -c %h "$work"/models/.layers/*/files/model.safetensors | sort -u)" 2 "$backend: the layer's large file is the store's"
        (cd "$tree" && sleep 30) & # in use
        sleeper=$!
        sleep 0.2
        says "in use by" "$hyprstream" worktree m umount v1
        kill $sleeper
        wait $sleeper 2>/dev/null || true
        echo changed >"$tree/config.json" || { chmod u+w "$tree/config.json" && echo changed >"$tree/config.json"; }
        says "config.json" "$hyprstream" worktree m remove v1
        git -C "$tree" checkout -q config.json
        shift_layers $backend
        reboot $backend
        "$hyprstream" worktree m umount v1 >/dev/null
        same "$(ls -A "$tree")" "" "$backend: unmounted"
        says "mount or remove it first" "$hyprstream" rename m other
        git -C "$work/models/m" worktree prune
        git -C "$work/models/m" gc -q
    fi
    # Opened on demand: by a command on the folder, and by a model that is looked at.
    same "$("$hyprstream" status "$tree" | tail -1)" "Nothing is changed." "$backend: opened on demand"
    [ $backend = userns ] || "$hyprstream" worktree m umount v1 >/dev/null
    "$hyprstream" inspect "$tree" >"$work/said" 2>&1 || true # of these weights it will not think much
    if grep -q "holds no config.json" "$work/said"; then fail "$backend: inspect: $(cat "$work/said")"; fi
    if [ $backend != userns ]; then
        "$hyprstream" worktree m mount v1 >/dev/null
        "$hyprstream" rename m other >/dev/null
        same "$(git -C "$tree" status --porcelain)" "" "$backend: after a rename"
        same "$("$hyprstream" worktree other --json | grep -c '"mounted":true')" 1 "$backend: mounted after a rename"
        says "mounted" "$hyprstream" remove other --force
        "$hyprstream" rename other m >/dev/null
    fi
    "$hyprstream" worktree m remove v1 >/dev/null
    same "$(ls -A "$work/models/.overlay" "$work/models/.worktrees" | grep -v ':$' | tr -d '\n')" "" "$backend: nothing left"
    if grep -q " $work/" /proc/self/mountinfo; then fail "$backend: still mounted"; fi
done
unset GIT2DB_OVERLAY_BACKEND
case $backends in # where there are user namespaces, the cure is named
*userns*) says "GIT2DB_OVERLAY_BACKEND=userns" "$hyprstream" worktree m add v1 --backend userns ;;
*) says "userns: this system allows no user namespace" "$hyprstream" worktree m add v1 --backend userns ;;
esac
says "no backend of overlay2" env GIT2DB_OVERLAY_BACKEND=ufs "$hyprstream" worktree m add v1
same "$(git -C "$models/m" fsck --no-dangling 2>&1)" '' "git fsck"
same "$(git -C "$work/models/m" worktree list | wc -l)" 1 "worktrees that are left"
[ "$failures" = 0 ] || exit 1
[ -n "$backends" ] || { echo "skipped: no backend can be had here" && exit 77; }
echo "overlays by$backends"
