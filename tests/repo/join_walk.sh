#!/bin/sh
# merge, cherry-pick, revert and stash from outside, plain git looking on: join_walk.sh PROGRAM.
set -u
. "$(dirname "$0")/../support/walk.sh"
git config --global user.name Ada && git config --global user.email ada@example.org
model=$home/repository
# run STATUS WORDS COMMAND [ARGUMENTS...]: on the model; afterwards git finds nothing wrong. Something is said.
run() {
    wanted=$1 words=$2 verb=$3
    shift 3
    ran "$wanted" "$words" "$verb" "$model" "$@"
    [ -s "$home/out" ] || fail "$verb $*: nothing was said"
    same "$(g fsck --strict --no-dangling 2>&1)" '' "git fsck after $verb $*"
}
also() { grep -qF -- "$1" "$home/out" || fail "$2: no '$1' in: $(head -c 400 "$home/out")"; }
g() { git -C "$model" "$@"; }
# json_of KEY COMMAND [ARGUMENTS...]: on the model.
json_of() {
    what=$1 verb=$2
    shift 2
    json "$what" "$verb" "$model" "$@"
}
# commit FILE TEXT MESSAGE
commit() { echo "$2" >"$model/$1" && g add "$1" && g commit -qm "$3"; }
large() { # FILE BYTE: a large file, through our filter
    head -c 200000 /dev/zero | tr '\0' "$2" >"$model/$1"
    "$program" stage "$model" "$1" >/dev/null || fail "stage $1"
    "$program" commit "$model" -m "$1 of $2" >/dev/null || fail "commit $1"
}
go() { "$program" checkout "$model" "$@" >/dev/null 2>&1 || fail "checkout $*"; }
first_byte() { head -c 1 "$model/$1"; }
dirty() { "$program" status "$model" --json | python3 -c 'import json,sys; print([f["path"] for f in json.load(sys.stdin)["files"]])'; }

git init -q -b main "$model"
echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' >"$model/.gitattributes" && g add .gitattributes
seq 9 >"$model/text" && g add text && g commit -qm Base
large w.safetensors a
base=$(g rev-parse HEAD)

# forward, up to date, a true merge
g checkout -q -b side && commit new 1 'Add new'
g checkout -q main
run 0 'Already up to date' merge "$base"
same "$(json_of 'o["result"],o["commit"],o["conflicts"]' merge "$base")" "up_to_date $base []" "merge --json"
run 0 'Went forward to side' merge side
same "$(g rev-parse HEAD)" "$(g rev-parse side)" "a fast-forward"
run 0 'undo "merge side: Fast-forward"' undo
run 0 'Merged side' merge side --no-ff --message 'Take the side in'
same "$(g log -1 --format='%s|%P')" "Take the side in|$base $(g rev-parse side)" "a merge that could go forward"
run 0 'undo' undo
commit text 'other' 'On main'
run 1 'not possible to fast-forward' merge side --ff-only
same "$(json_of 'o["result"]' merge side)" merged "a true merge"
same "$(g log -1 --format='%s')|$(g status --porcelain | grep -v safetensors)" "Merge branch 'side'|" "the merge's commit"
g reset -q --hard HEAD~1
run 0 'Squashed side: it is staged' merge side --squash
same "$(g diff --cached --name-only)" new "what is squashed"
run 1 'is staged' merge side
g reset -q --hard
run 2 'exclude each other' merge side --ours --both
run 2 'takes nothing but MODEL' merge side --abort
run 2 'takes nothing but MODEL' merge --continue --ff-only
run 2 'say what to merge' merge
run 1 'there is no merge going on' merge --abort
run 1 'there is no merge going on' merge --continue
run 1 "no branch, tag or commit 'sid'; did you mean side" merge sid
g branch -q --set-upstream-to=side main
same "$(json_of 'o["result"]' merge)" merged "the upstream merged"
g reset -q --hard HEAD~1 && g branch --unset-upstream

# texts in conflict
g checkout -q -b texts "$base" && commit text 'theirs' 'Their text' && g checkout -q main
echo mine >"$model/loose"
run 1 'text    text' merge texts
also "hyprstream merge $model --continue" "what to do next"
same "$(g status --porcelain -- text)|$(cat "$model/.git/MERGE_HEAD")" "UU text|$(g rev-parse texts)" "a merge with markers"
grep -q '^<<<<<<< HEAD' "$model/text" || fail "no markers"
run 1 'not merged yet: text' merge --continue
run 1 'merge is not finished' merge side
run 1 'a merge is not finished' cherry-pick side
same "$(json_of 'o["result"]' merge --abort)" aborted "merge --abort"
same "$(cat "$model/text" "$model/loose")|$(g status --porcelain)" "other
mine|?? loose" "after --abort"
[ -e "$model/.git/MERGE_HEAD" ] && fail "MERGE_HEAD stays"
same "$(json_of 'o["result"],o["conflicts"],o["in_progress"]' merge texts)" "conflicts [{'path': 'text', 'kind': 'text'}] True" "conflicts as JSON"
echo both >"$model/text" && "$program" stage "$model" text >/dev/null
run 0 "Merge branch 'texts'" merge --continue
same "$(g log -1 --format=%P)|$(g status --porcelain)" "$(g rev-parse HEAD^1 texts | tr '\n' ' ' | sed 's/ $//')|?? loose" "after --continue"
rm "$model/loose"

# weights
go -b weights "$base" && large w.safetensors b && commit text mixed 'And a text'
go main && large w.safetensors c
here=$(g rev-parse HEAD)
run 1 'large   w.safetensors' merge weights
also '--ours, --theirs or --both' "what to do about weights"
same "$(g rev-parse HEAD)|$(dirty)|$(first_byte w.safetensors)" "$here|[]|c" "nothing was changed"
run 1 'text    text' merge weights --theirs
same "$(first_byte w.safetensors)|$(g status --porcelain -- text)" 'b|UU text' "weights settled, a text with markers"
run 0 'Took the merge back' merge --abort
same "$(first_byte w.safetensors)|$(dirty)" 'c|[]' "weights after --abort"
go -b only weights~1 && go main
same "$(json_of 'o["result"]' merge only --both)" merged "both kept"
same "$(first_byte w.safetensors)$(first_byte w.theirs.safetensors)|$(dirty)" 'cb|[]' "both files"
g show HEAD:w.theirs.safetensors | grep -q '^oid sha256' || fail "w.theirs.safetensors is no pointer"
run 0 'undo' undo
run 0 'Merged only' merge only --ours
same "$(first_byte w.safetensors)" c "ours"
run 0 'undo' undo
same "$(g rev-parse HEAD)|$(dirty)" "$here|[]" "undone"

# a file that was deleted there and changed here
go -b gone "$base" && g rm -q text && g commit -qm 'No text' && go main
run 1 'deleted text' merge gone
same "$(g status --porcelain -- text)" 'UD text' "deleted there"
run 0 'Took the merge back' merge --abort
run 0 'Merged gone' merge gone --theirs
[ -e "$model/text" ] && fail "text is still there"
run 0 'undo' undo

# local changes are never overwritten
echo precious >"$model/text"
run 1 'In the way' merge gone --theirs
same "$(cat "$model/text")" precious "a local change"
g checkout -q -- text

# cherry-pick
same "$(json_of 'o["result"]' cherry-pick side -x)" merged "cherry-pick"
same "$(g log -1 --format=%B)" "Add new

(cherry picked from commit $(g rev-parse side))" "-x"
run 1 'nothing to change' cherry-pick side
run 1 'large   w.safetensors' cherry-pick only
same "$(dirty)|$(first_byte w.safetensors)" '[]|c' "a pick that conflicts"
same "$(json_of 'o["result"],o["conflicts"][0]["kind"]' cherry-pick only)" "conflicts large" "its JSON"
run 0 'Picked' cherry-pick only --theirs
same "$(first_byte w.safetensors)|$(dirty)" 'b|[]' "the picked weights"
here=$(g rev-parse HEAD)
g checkout -q -b clash && commit text clash 'A text that clashes' && g checkout -q main && commit text here 'Another text'
echo loose >"$model/loose"
for joins in cherry-pick revert; do
    [ $joins = revert ] && picked=HEAD~1 || picked=clash
    [ $joins = revert ] && commit text later 'A later text'
    before=$(g rev-parse HEAD)
    run 1 'text    text' $joins $picked
    also "hyprstream $joins $model --continue; hyprstream $joins $model --abort takes it back" "what to do after $joins"
    same "$(g status --porcelain -- text)" 'UU text' "$joins with markers"
    run 0 "a $joins is going on" status
    also "$joins $model --continue" "status names the way on"
    run 1 'is not finished here' merge side
    run 1 'not merged yet: text' $joins --continue
    run 2 'takes nothing but MODEL' $joins side --abort
    run 0 "Took the $joins back" $joins --abort
    same "$(g rev-parse HEAD)|$(g status --porcelain)|$(cat "$model/loose")" "$before|?? loose|loose" "after $joins --abort"
    run 1 "there is no $joins going on" $joins --abort
    run 1 "there is no $joins going on" $joins --continue
    run 1 'text    text' $joins $picked
    "$program" stage "$model" text >/dev/null && g checkout -q HEAD -- text
    run 1 'nothing is left of the change' $joins --continue
    echo mended >"$model/text" && "$program" stage "$model" text >/dev/null
    same "$(json_of 'o["result"]' $joins --continue)|$(g log -1 --format=%P)" "merged|$before" "$joins --continue"
    same "$(g show HEAD:text)|$(g status --porcelain)" "mended|?? loose" "what $joins has made"
done
run 2 'say which commit' cherry-pick
rm "$model/loose" && g reset -q --hard "$here"
merge=$(g rev-list --merges -n 1 HEAD)
run 2 '--mainline' cherry-pick "$merge"
run 2 'is no merge' cherry-pick side --mainline 1
run 1 'no branch, tag or commit' cherry-pick nothing

# revert
run 0 'Reverted' revert HEAD
same "$(g log -1 --format=%s)|$(first_byte w.safetensors)|$(dirty)" 'Revert "w.safetensors of b"|c|[]' "a reverted weight"
run 0 'it is staged' revert "$(g rev-list -n 1 --grep 'Add new' HEAD)" --no-commit
same "$(g status --porcelain)" 'D  new' "revert --no-commit"
g reset -q --hard
run 0 'Reverted' revert "$merge" --mainline 1
same "$(g log -1 --format=%b | grep changes)" "changes made to $(g rev-parse "$merge^1")." "a reverted merge"
same "$(dirty)" '[]' "status"

# stash
run 1 'no local changes' stash
large=$(first_byte w.safetensors)
head -c 300000 /dev/zero | tr '\0' z >"$model/w.safetensors" && echo half >"$model/text" && echo x >"$model/loose"
run 0 'Put 2 files aside: WIP on main: ' stash
same "$(first_byte w.safetensors)|$(dirty)" "$large|['loose']" "after stash"
same "$(json_of 'o["files"],o["subject"]' stash save --include-untracked --message Loose)" '1 On main: Loose' "stash --json"
run 0 '1 ' stash list
same "$(json_of '[(s["index"],s["commit"],s["subject"]) for s in o["stashes"]]' stash list)" \
    "$(g stash list --format='%H|%gs' | python3 -c 'import sys; print([(i,*l.rstrip().split("|")) for i,l in enumerate(sys.stdin)])')" "stash list"
run 0 'it is still there' stash apply 'stash@{1}'
same "$(first_byte w.safetensors)|$(cat "$model/text")|$(dirty)" "z|half|['text', 'w.safetensors']" "stash apply"
echo third >"$model/text"
run 1 'In the way' stash apply 1
same "$(cat "$model/text")" third "a local change"
run 0 'Brought stash 0 back and dropped it' stash pop
same "$(cat "$model/loose")" x "stash pop"
"$program" discard "$model" . --force >/dev/null 2>&1
large w.safetensors y
run 1 'large   w.safetensors' stash pop
also '--ours, --theirs or --both' "what to do about a stash"
run 0 'Brought stash 0 back' stash pop --theirs
same "$(first_byte w.safetensors)|$(g stash list)" 'z|' "stash pop --theirs"
"$program" discard "$model" . --force >/dev/null 2>&1
rm "$model/loose"
echo aside >"$model/text" && "$program" stash "$model" >/dev/null && commit text newer 'Text again'
run 1 'text    text' stash pop
also "hyprstream stash $model drop 0 (the stash is still there); hyprstream reset $model --merge takes it back" "what to do about texts of a stash"
run 0 'Took the conflict back' reset --merge
same "$(cat "$model/text")|$(dirty)|$(g stash list | wc -l)" 'newer|[]|1' "reset --merge"
run 1 'text    text' stash apply 0
echo both >"$model/text" && "$program" stage "$model" text >/dev/null
run 0 'Dropped stash 0' stash drop
same "$(g status --porcelain)|$(g stash list)" 'M  text|' "a stash that was mended"
g reset -q --hard
run 2 'takes no REF' reset --merge HEAD
run 1 'there is no stash' stash drop
run 2 'none of save, list, apply, pop and drop' stash push
run 2 'no number of a stash' stash pop -- -1
run 2 'takes no number' stash list 1
run 2 'belong to stash save' stash pop --message x

# killed at any moment: the work is in the worktree or on the stash, and the next verb goes on
for i in $(seq "${HYPRSTREAM_TEST_KILLS:-6}"); do
    g reset -q --hard 2>/dev/null
    echo "work $i" >"$model/text" && echo "loose $i" >"$model/loose"
    "$program" stash "$model" --include-untracked >/dev/null 2>&1 &
    sleep "0.0$((i * 7 % 10))$((i * 3 % 10))" && kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    "$program" status "$model" >/dev/null 2>&1 || fail "kill $i: status"
    [ "$(cat "$model/text")" = "work $i" ] || [ "$(g show stash:text)" = "work $i" ] || fail "kill $i: text is lost"
    [ "$(cat "$model/loose" 2>/dev/null)" = "loose $i" ] || [ "$(g show 'stash^3:loose')" = "loose $i" ] || fail "kill $i: loose is lost"
    same "$(g fsck --strict --no-dangling 2>&1)" '' "git fsck after kill $i"
    "$program" stash "$model" save --include-untracked >"$home/out" 2>&1 || grep -q 'no local changes' "$home/out" || fail "kill $i: $(cat "$home/out")"
    same "$(g status --porcelain -- text loose)" '' "status after kill $i"
done

[ "$failures" = 0 ] || exit 1
