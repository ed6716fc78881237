#!/bin/sh
# The command `worktree` as a person meets it: worktree_walk.sh PROGRAM. Drivers that need no mount; overlays have a
# walk of their own.
set -u
. "$(dirname "$0")/../support/walk.sh"
unset GIT2DB_OVERLAY_BACKEND
export GIT2DB_WORKTREE_DRIVER=vfs
git config --global user.name Ada
git config --global user.email ada@example.invalid
# field EXPRESSION: of the JSON that was said.
field() { python3 -c "import json; o = json.load(open('$home/out')); print($1)"; }

"$program" init m >/dev/null
head -c 300000 /dev/urandom >"$home/models/m/model.safetensors"
echo '{"model_type":"llama"}' >"$home/models/m/config.json"
"$program" stage m --all >/dev/null
"$program" commit m -m one >/dev/null
"$program" tag m v1 >/dev/null
"$program" branch m feature/x >/dev/null

ran 0 'm has no worktrees' worktree m
ran 0 "Made the worktree $home/models/.worktrees/m/v1 (vfs," worktree m add v1
ran 0 '"driver":"hardlink"' worktree m add feature/x --driver hardlink --json
same "$(field 'o["name"], o["branch"], o["locked"], o["mounted"], o["prunable"]')" \
    "feature-x feature/x False True False" 'add --json'
[ "$(field 'o["bytes_used"]')" -lt 50000 ] || fail "a link takes $(field 'o["bytes_used"]')"
ran 0 'feature-x' worktree m list --json
same "$(field '[w["name"] for w in o["worktrees"]]')" "['feature-x', 'v1']" 'list --json'
same "$(field 'sorted(o["worktrees"][0])')" "['backend', 'branch', 'bytes_apparent', 'bytes_used', 'commit', 'driver', \
'locked', 'mounted', 'name', 'path', 'prunable']" 'the keys of a row'
ran 0 'of its own' worktree m list
same "$(git -C "$home/models/m" worktree list | wc -l)" 3 'git worktree list'

# A worktree is a repository like another: by its path every command takes it.
ran 0 'Nothing is changed' status "$home/models/.worktrees/m/feature-x"
echo '{"model_type":"qwen3"}' >"$home/models/.worktrees/m/feature-x/config.json"
ran 0 '1 file' commit "$home/models/.worktrees/m/feature-x" --all -m two
same "$(git -C "$home/models/m" log -1 --format=%s feature/x)" two 'a commit made there'
ran 1 'is on feature/x' worktree m add feature/x
ran 1 'is on feature/x' checkout m feature/x

ran 1 'nothing to mount' worktree m mount v1
ran 1 'nothing to mount' worktree m umount feature/x
echo mine >"$home/models/.worktrees/m/v1/mine.txt"
ran 1 'mine.txt' worktree m remove v1
ran 0 'Removed the worktree v1' worktree m remove v1 --force
ran 1 "no worktree 'featur-x'; did you mean feature-x?" worktree m remove featur-x
ran 0 '"name":"feature-x"' worktree m remove feature-x --json
same "$(ls -A "$home/models/.worktrees")" '' 'what removals leave'

ran 2 "worktree has no 'prune'" worktree m prune
ran 2 'expected worktree MODEL remove NAME' worktree m remove
ran 2 'takes no --force' worktree m add v1 --force
ran 2 'no driver of worktrees: auto, reflink' worktree m add v1 --driver zfs
GIT2DB_WORKTREE_DRIVER=aufs ran 2 'GIT2DB_WORKTREE_DRIVER says' worktree m add v1
ran 1 'nope' worktree m add nope
ran 2 'expected: hyprstream worktree MODEL' worktree
"$program" doctor --json >"$home/out" 2>/dev/null || : # other things may want attention here
same "$(field 'o["worktree_drivers"][-1]')" "{'driver': 'vfs', 'backend': None, 'available': True}" 'the doctor'
ran 0 '"layer_bytes":0' gc m --dry-run --json
git -C "$home/models/m" fsck --strict --no-dangling >"$home/out" 2>&1 || fail "fsck: $(cat "$home/out")"
[ "$failures" = 0 ] || { echo "$failures failures" >&2; exit 1; }
echo 'all as expected'
