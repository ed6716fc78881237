#!/bin/sh
# The commands of history from outside, plain git looking on: history_walk.sh PROGRAM.
set -u
. "$(dirname "$0")/../support/walk.sh"
model=$home/repository
# run STATUS WORDS COMMAND [ARGUMENTS...]: on the model. Something is said.
run() {
    wanted=$1 words=$2 verb=$3
    shift 3
    ran "$wanted" "$words" "$verb" "$model" "$@"
    [ -s "$home/out" ] || fail "$verb $*: nothing was said"
}
g() { git -C "$model" "$@"; }
# json_of KEY COMMAND [ARGUMENTS...]: on the model.
json_of() {
    what=$1 verb=$2
    shift 2
    json "$what" "$verb" "$model" "$@"
}

git init -q -b main "$model"
echo one >"$model/a" && g add a

# commit
run 2 'hyprstream config set user.name' commit -m First
"$program" config set user.name Ada >/dev/null && "$program" config set user.email ada@example.org >/dev/null
run 0 '] First (1 file)' commit -m First -m 'Body of it' -m 'Seed: 7'
same "$(g log -1 --format='%an|%ae|%b' | tr '\n' ';')" 'Ada|ada@example.org|Body of it;;Seed: 7;;' "the commit"
run 1 'nothing to commit' commit -m Again
echo two >"$model/a"
same "$(json_of 'o["subject"]+" "+str(o["files"])+" "+o["branch"]' commit --all -m Second)" 'Second 1 main' "commit --json"
run 2 'exclude each other' commit --sign --no-sign -m x
run 0 'Second, again' commit --amend --allow-empty -m 'Second, again'

# branch
run 0 'Made the branch side' branch side main~1
run 1 "a branch 'side' exists" branch side
run 2 "begins with '-'" branch -- -x
run 2 "git's word for HEAD" branch @
run 0 '* main' branch
same "$(json_of '[(b["name"],b["current"],b["ahead"]) for b in o["branches"]]' branch)" "[('main', True, None), ('side', False, None)]" "branch --json"
run 0 'Renamed the branch to topic' branch side --move topic
run 0 'Set the upstream of topic' branch topic --set-upstream main
same "$(json_of '[(b["ahead"],b["behind"]) for b in o["branches"]]' branch)" '[(None, None), (0, 1)]' "ahead and behind"
run 1 'the checkout is on main' branch main --delete --force
run 0 'Deleted branch topic' branch topic --delete

# tag
run 0 'Made the tag v1' tag v1 main~1 -m 'The first'
run 0 'Made the tag light' tag light
run 1 '--force moves it' tag v1
same "$(json_of '[(t["name"],t["annotated"],t["message"]) for t in o["tags"]]' tag)" "[('light', False, None), ('v1', True, 'The first')]" "tag --json"
run 0 'Deleted the tag light' tag light --delete
run 1 "no tag 'light'" tag light --delete

# log
run 0 '(HEAD -> main) Second, again, Ada' log
same "$(json_of '[c["commit"] for c in o["commits"]]' log | tr -d "[]' " | tr ',' '\n')" "$(g log --format=%H)" "log --json"
same "$(json_of 'o["commits"][0]["trailers"], o["commits"][0]["refs"][0]["name"]' log v1)" "{'Seed': '7'} v1" "trailers"
same "$(json_of 'len(o["commits"]), o["more"]' log -n 1)" '1 True' "log -n"
run 1 '' log nothing-like-this

# undo, redo
before=$(g rev-parse HEAD)
run 0 'undo "commit (amend): Second, again": main goes from' undo --dry-run
same "$(g rev-parse HEAD)" "$before" "HEAD after a dry run"
run 0 'undo "commit (amend)' undo
same "$(g log -1 --format=%s)" Second "the undone amend"
run 0 'undo "commit: Second' undo
same "$(cat "$model/a")" one "the file after two undos"
run 1 'the first commit cannot be undone' undo
run 0 'redo "commit: Second"' redo
run 0 'redo "commit (amend)' redo
run 1 'nothing to redo' redo
same "$(g rev-parse HEAD)" "$before" "HEAD after redo"
echo mine >"$model/a"
run 0 'undo "commit (amend)' undo
run 1 'would be lost (a)' undo
run 0 'redo "commit (amend)' redo
same "$(cat "$model/a")" mine "uncommitted work"

# reset
run 2 'say --force' reset --hard
run 2 'belongs to --hard' reset --soft --force
same "$(json_of 'o["lost"]' reset --hard --force)" "['a']" "what was lost"
run 0 '1 commit back (undo brings it again)' reset HEAD~1
same "$(g status --porcelain)" ' M a' "a mixed reset"
run 2 'exclude each other' reset --soft --hard

# a detached HEAD
g checkout -q -f --detach main
run 0 'HEAD is on no branch: hyprstream branch' commit --allow-empty -m Loose
same "$(g status --porcelain)" '' "git status"
same "$(g fsck --strict --no-dangling 2>&1)" '' "git fsck"

[ "$failures" = 0 ] || exit 1
