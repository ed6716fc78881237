#!/bin/sh
# A new user's first hour, from outside: new_user_walk.sh PROGRAM. Clone with a password, branch, edit, commit, tag, push,
# clone again shallow, pull, a merge with a conflict, abort, undo; plain git looks at the result after each step.
set -u
. "$(dirname "$0")/../support/walk.sh"
git config --global user.name 'A New User'
git config --global user.email new.user@example.org
git config --global init.defaultBranch main
in_git() { model=$1; shift; git -C "$home/models/$model" "$@"; }
# What plain git, with git-lfs when it is there, thinks of a model.
sound() {
    in_git "$1" fsck --strict >"$home/fsck" 2>&1 || fail "git fsck of $1: $(cat "$home/fsck")"
    same "$(in_git "$1" status --porcelain)" "${2:-}" "git status of $1"
}
head_of() { in_git "$1" rev-parse HEAD; }

lfs_filter

# A server with a password, an empty repository on it.
mkdir "$home/server" && git init -q --bare "$home/server/small.git"
git -C "$home/server/small.git" config http.receivepack true
mkfifo "$home/hold"
python3 "$tests/support/git_server.py" "$home/server" --user ann --password 's3cret word' <"$home/hold" >"$home/port" 2>"$home/server.log" &
pids=$!
exec 9>"$home/hold"
for _ in $(seq 100); do [ -s "$home/port" ] && break; sleep 0.1; done
url=http://127.0.0.1:$(head -1 "$home/port")/small.git
bare() { git -C "$home/server/small.git" "$@"; }

say 'the demo is there for the first command that names it, and not when it was removed or others are there'
(
    failures=0 n=0
    for line in 'infer demo -p hi -n 2' 'log demo' 'infer demo:pirate+brief -p hi -n 2'; do
        n=$((n + 1)) HYPRSTREAM_MODELS_DIR=$home/new-$n
        ran 0 '' list
        "$program" __complete checkout demo '' >/dev/null 2>&1
        same "$(ls -A "$HYPRSTREAM_MODELS_DIR")" '' 'what a look leaves'
        # shellcheck disable=SC2086
        "$program" $line >"$home/out" 2>"$home/told" </dev/null || fail "$line: $(cat "$home/told")"
        [ -s "$home/out" ] || fail "$line says nothing"
        same "$(cat "$home/told")" "The demo model was put into $HYPRSTREAM_MODELS_DIR" "what $line tells"
        # shellcheck disable=SC2086
        "$program" $line >"$home/out" 2>"$home/told" </dev/null || fail "$line again: $(cat "$home/told")"
        same "$(cat "$home/told")" '' "what $line tells the next time"
        git -C "$HYPRSTREAM_MODELS_DIR/demo" fsck --strict >"$home/fsck" 2>&1 || fail "git fsck: $(cat "$home/fsck")"
    done
    ran 0 Removed remove demo --force
    ran 1 'there is no model demo' infer demo -p hi
    ran 1 "there is no model 'demo'" log demo
    HYPRSTREAM_MODELS_DIR=$home/two
    for n in 1 2 3; do "$program" tokenize demo hi >"$home/$n.out" 2>&1 & done
    wait
    same "$(cat "$home"/[123].out | grep -c "^The demo model was put into $home/two$")" 1 'processes that say they made it'
    same "$(cat "$home"/[123].out | grep -vc '^The demo')" "$(($("$program" tokenize demo hi | wc -l) * 3))" 'lines of tokens'
    same "$(ls -A "$home/two" | tr '\n' ' ')" '.demo-was-made demo ' 'the models folder'
    HYPRSTREAM_MODELS_DIR=$home/mine
    mkdir -p "$home/mine/other"
    ran 1 'there is no model demo' infer demo -p hi
    same "$(ls -A "$home/mine")" other 'a folder of one'\''s own'
    exit "$((failures > 0))"
) || failures=$((failures + 1))

say 'a model of one'\''s own: init, files, commit, push with the password of netrc'
ran 0 "" init seed
for file in config.json tokenizer.json tokenizer_config.json model.safetensors; do cp "$tests/../assets/demo/$file" "$home/models/seed/"; done
printf 'A small model.\n\nLine two.\n' >"$home/models/seed/README.md"
ran 0 Staged stage seed --all
ran 0 "" commit seed -m 'Add a small model'
sound seed
same "$(in_git seed cat-file -p HEAD:model.safetensors | head -1)" "version https://git-lfs.github.com/spec/v1" "weights under LFS"
ran 0 "" remote seed add origin "$url"
printf 'machine 127.0.0.1 login ann password "wrong"\n' >"$home/.netrc" && chmod 600 "$home/.netrc"
ran 1 "" push seed origin main --set-upstream
printf 'machine 127.0.0.1 login ann password "s3cret word"\n' >"$home/.netrc"
ran 0 main push seed origin main --set-upstream
rm "$home/.netrc"
same "$(bare rev-parse main)" "$(head_of seed)" "main on the server"
bare fsck >/dev/null 2>&1 || fail "git fsck on the server"
ran 0 "" infer "$home/models/seed" -p 'Once upon' --raw --temp 0 -n 12 --json
seed_ids=$(sed 's/.*"ids":\(\[[^]]*\]\).*/\1/' "$home/out")

say 'clone with a password typed on a terminal'
cat >"$home/type.py" <<'TYPE'
import os, pty, sys, time
words = sys.argv[1].encode()
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
seen, asked = b"", 0
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    if b"assword" in seen[asked:]:
        asked = len(seen)
        time.sleep(0.3)  # what is typed before the echo is off is thrown away
        os.write(terminal, words + b"\n")
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
TYPE
login_url=$(echo "$url" | sed 's|//|//ann@|')
python3 "$home/type.py" 's3cret word' "$program" clone "$login_url" first >"$home/out" 2>&1 || fail "clone: $(cat "$home/out")"
grep -qF 's3cret' "$home/out" && fail 'the password was echoed'
grep -rqF 's3cret' "$home/models" "$home/state" "$home/cache" "$home/config" 2>/dev/null && fail 'the password was kept in a file'
sound first
same "$(head_of first)" "$(bare rev-parse main)" "HEAD of the clone"
same "$(in_git first rev-parse --abbrev-ref 'main@{upstream}')" origin/main "upstream of main"
cmp -s "$home/models/first/model.safetensors" "$home/models/seed/model.safetensors" || fail 'the weights are others'
ran 0 "" infer first -p 'Once upon' --raw --temp 0 -n 12 --json
same "$(sed 's/.*"ids":\(\[[^]]*\]\).*/\1/' "$home/out")" "$seed_ids" "ids of the first clone"

# From here a credential helper answers, as on a machine that has one.
cat >"$home/helper" <<'HELPER'
#!/bin/sh
[ "$1" = get ] && printf 'username=ann\npassword=s3cret word\n'
HELPER
chmod +x "$home/helper"
git config --global credential.helper "$home/helper"

say 'branch, edit, commit, tag, push'
ran 0 "" branch first work
ran 0 "" checkout first work
same "$(in_git first symbolic-ref --short HEAD)" work "the branch"
sed -i 's/Line two/Line two of work/' "$home/models/first/README.md"
ran 0 README.md status first
sound first ' M README.md'
ran 0 "" stage first README.md
sound first 'M  README.md'
ran 0 "" commit first -m 'Write about the work'
sound first
ran 0 "" tag first v1 -m 'The first version'
same "$(in_git first cat-file -t v1)" tag "an annotated tag"
ran 0 work push first origin work v1
same "$(bare rev-parse work)" "$(head_of first)" "work on the server"
same "$(bare rev-parse 'v1^{commit}')" "$(head_of first)" "v1 on the server"

say 'clone again, shallow'
ran 0 "" clone "$url" second --branch work --depth 1
sound second
same "$(head_of second)" "$(head_of first)" "HEAD of the second clone"
same "$(in_git second rev-list --count HEAD)" 1 "commits of a shallow clone"
[ -s "$home/models/second/.git/shallow" ] || fail 'the clone is not shallow'
ran 0 "" infer second -p 'Once upon' --raw --temp 0 -n 12 --json
same "$(sed 's/.*"ids":\(\[[^]]*\]\).*/\1/' "$home/out")" "$seed_ids" "ids of the second clone"

say 'a change there arrives here by pull'
printf 'Line three.\n' >>"$home/models/first/README.md"
ran 0 "" commit first --all -m 'Go on'
ran 0 work push first
ran 0 "" pull second
same "$(head_of second)" "$(head_of first)" "HEAD after the pull"
sound second

say 'a merge with a conflict'
ran 0 "" branch first other main
ran 0 "" checkout first other
sed -i 's/Line two/Line two of other/' "$home/models/first/README.md"
ran 0 "" commit first --all -m 'Another second line'
before=$(head_of first)
ran 1 README.md merge first work
same "$(in_git first status --porcelain -- README.md)" 'UU README.md' "the conflict as git sees it"
grep -q '^<<<<<<<' "$home/models/first/README.md" || fail 'no markers in the text'
same "$(head_of first)" "$before" "HEAD during the merge"
same "$(in_git first rev-parse MERGE_HEAD)" "$(in_git first rev-parse work)" "MERGE_HEAD"

say 'abort'
ran 0 "" merge first --abort
sound first
same "$(head_of first)" "$before" "HEAD after the abort"
[ -e "$home/models/first/.git/MERGE_HEAD" ] && fail 'MERGE_HEAD is still there'

say 'undo and redo'
ran 0 "" undo first --dry-run
same "$(head_of first)" "$before" "HEAD after a dry run"
ran 0 "" undo first
same "$(head_of first)" "$(in_git first rev-parse main)" "HEAD after the undo"
ran 0 "" redo first
same "$(head_of first)" "$before" "HEAD after the redo"
in_git first fsck --strict >/dev/null 2>&1 || fail 'git fsck at the end'

[ "$failures" = 0 ] && echo "all $steps steps are sound"
exit "$failures"
