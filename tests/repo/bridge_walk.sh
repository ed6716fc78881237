#!/bin/sh
# Clone, fetch and more through git-remote-* programs, and through ssh as it is configured, git looking on:
# bridge_walk.sh PROGRAM.
set -u
. "$(dirname "$0")/../support/walk.sh"
unset GIT_INDEX_FILE SSH_AUTH_SOCK HF_TOKEN HF_ENDPOINT GIT_ALLOW_PROTOCOL GIT_SSH GIT_SSH_COMMAND GIT_PROTOCOL_FROM_USER
export LC_ALL=C FOLDER_LOG="$home/log"
models=$home/models
git config --global user.name Ada
git config --global user.email ada@example.invalid
git config --global init.defaultBranch main
mkdir "$home/bin"
for name in folder folderobjects folderbad-words folderbad-early folderbad-many folderbad-long folderbad-fallback \
    folderbad-noise folderbad-cut; do
    ln -s "$tests/support/git-remote-folder" "$home/bin/git-remote-$name"
done
plain_path=$PATH
PATH="$home/bin:$PATH"

sound() {
    git -C "$models/$1" fsck --full >"$home/out" 2>&1 || fail "git fsck of $1: $(cat "$home/out")"
    same "$(git -C "$models/$1" status --porcelain)" '' "git status of $1"
}
commit() { echo "$2" >"$source/text" && git -C "$source" add text && git -C "$source" commit -qm "$2"; }
heads() { git -C "$1" for-each-ref --format='%(objectname) %(refname:lstrip=-1)' "$2"; }

# A source with two branches and a tag.
source=$home/source
git init -q "$source"
commit one One && git -C "$source" tag v1 && git -C "$source" branch side
served=$home/served.git
git clone -q --bare "$source" "$served"
git -C "$source" remote add served "$served"

# Both kinds of helper: clone, then what is new.
for kind in folder folderobjects; do
    : >"$FOLDER_LOG"
    ran 0 '' clone "$kind://$served" "$kind"
    grep -q "^$kind origin $kind://$served$" "$FOLDER_LOG" || fail "$kind was started as: $(cat "$FOLDER_LOG")"
    sound "$kind"
    same "$(heads "$models/$kind" refs/remotes/origin | grep -v HEAD)" "$(heads "$served" refs/heads)" "branches by $kind"
    same "$(git -C "$models/$kind" tag)" v1 "tags by $kind"
    same "$(git -C "$models/$kind" remote get-url origin)" "$kind://$served" "the url of $kind"
    commit two "Two for $kind" && git -C "$source" push -q served main
    ran 0 'Fetched 1 ref' fetch "$kind"
    ran 0 'Already up to date' fetch "$kind"
    same "$(git -C "$models/$kind" rev-parse origin/main)" "$(git -C "$source" rev-parse main)" "a fetch by $kind"
    sound "$kind"
    if "$program" help push >/dev/null 2>&1; then
        git -C "$models/$kind" reset -q --hard origin/main
        git -C "$models/$kind" commit -q --allow-empty -m "By $kind"
        ran 0 '' push "$kind"
        same "$(git -C "$served" log -1 --format=%s main)" "By $kind" "a push by $kind"
        git -C "$source" pull -q served main
    fi
done
ran 0 '' clone "folder::$served" colons
sound colons
ran 0 '' clone "folder://$served" shallow --depth 1
same "$(git -C "$models/shallow" rev-list --count HEAD)" 1 "a shallow clone by a helper"

# Helpers that misbehave leave nothing.
before=$(ls -A "$models" | sort)
ran 1 'the folder' clone "folderbad-words://$served" bad
grep -q secret "$home/out" && fail "a password is shown: $(cat "$home/out")"
grep -q "$(printf '\033')" "$home/out" && fail "an escape sequence is shown"
for what in early many long; do ran 1 "git-remote-folderbad-$what" clone "folderbad-$what://$served" bad; done
ran 1 'parsing' clone "folderbad-noise://$served" bad
ran 1 'folderbad-cut' clone "folderbad-cut://$served" bad
ran 1 '' clone "folderbad-fallback://$served" bad
git init -q --bare "$home/liar.git"
tree=$(git -C "$home/liar.git" hash-object -w -t tree /dev/null)
echo "$tree" >"$home/liar.git/refs/heads/main"
for kind in folder folderobjects; do ran 1 '' clone "$kind://$home/liar.git" liar; done
ran 1 '' clone "folder://$home/nothing.git" none
git clone -q --bare --no-local "$source" "$home/holed.git"
mv "$home/holed.git/objects/pack" "$home/pack" && mkdir "$home/holed.git/objects/pack" &&
    git -C "$home/holed.git" unpack-objects -q <"$(ls "$home"/pack/*.pack)"
blob=$(git -C "$source" rev-parse main:text)
rm -f "$home/holed.git/objects/$(echo "$blob" | cut -c1-2)/$(echo "$blob" | cut -c3-)"
for kind in folder folderobjects; do ran 1 '' clone "$kind://$home/holed.git" holed; done
echo "$blob" >"$home/liar.git/refs/heads/main"
for kind in folder folderobjects; do ran 1 '' clone "$kind://$home/liar.git" liar; done
same "$(ls -A "$models" | sort)" "$before" "what failed clones leave"

# What may be used.
ran 1 'install git-remote-absent' clone "absent://host/x" absent
for scheme in ext fd; do ran 1 'never used' clone "$scheme::sh -c touch% $home/ran" evil; done
[ -e "$home/ran" ] && fail "a command was run"
GIT_ALLOW_PROTOCOL=https:ssh ran 1 'GIT_ALLOW_PROTOCOL' clone "folder://$served" denied
git config --global protocol.folder.allow never
ran 1 'protocol.folder.allow' clone "folder://$served" denied
git config --global protocol.folder.allow user
GIT_PROTOCOL_FROM_USER=0 ran 1 'unless a person types it' clone "folder://$served" denied
git config --global --unset protocol.folder.allow
HYPRSTREAM_REPO_GIT_PROGRAM=false ran 0 '' clone "folder://$served" bridged
HYPRSTREAM_REPO_GIT_PROGRAM=false ran 1 'repo.git-program' clone "folderobjects://$served" denied
same "$(ls "$models" | grep denied)" '' "what denied clones leave"

# ssh, as it is configured: a key or an agent, a command of one's own, an alias of ~/.ssh/config.
start_sshd() {
    port=$((20000 + $$ % 20000))
    mkdir -p "$home/.ssh" "$home/sshd" && chmod 700 "$home/.ssh"
    [ "$(id -u)" = 0 ] && mkdir -p /run/sshd
    ssh-keygen -q -t ed25519 -N '' -f "$home/sshd/hostkey" && ssh-keygen -q -t ed25519 -N '' -f "$home/sshd/key" || return 1
    cp "$home/sshd/key.pub" "$home/sshd/authorized"
    cat >"$home/sshd/conf" <<EOF
Port $port
ListenAddress 127.0.0.1
HostKey $home/sshd/hostkey
PidFile $home/sshd/pid
AuthorizedKeysFile $home/sshd/authorized
StrictModes no
PasswordAuthentication no
UsePAM no
EOF
    /usr/sbin/sshd -f "$home/sshd/conf" -E "$home/sshd/log" || return 1
    for i in $(seq 100); do
        [ -s "$home/sshd/pid" ] && pids="$pids $(cat "$home/sshd/pid")" && return 0
        sleep 0.05
    done
    return 1
}
if [ -x /usr/sbin/sshd ] && command -v ssh-agent >/dev/null && start_sshd; then
    url="ssh://$(id -un)@127.0.0.1:$port$served"
    cat >"$home/sshd/config" <<EOF
Host far
    HostName 127.0.0.1
    Port $port
    User $(id -un)
EOF
    ours="ssh -F $home/sshd/config -o UserKnownHostsFile=$home/sshd/known -o GlobalKnownHostsFile=/dev/null -o IdentityAgent=none -i $home/sshd/key"
    # A host that nobody knows is talked to by neither road.
    GIT_SSH_COMMAND="$ours" ran 1 "ssh-keyscan -p $port 127.0.0.1" clone "$url" stranger
    GIT_SSH_COMMAND="$ours -o StrictHostKeyChecking=yes" ran 1 "ssh-keyscan -p $port" clone "$url" stranger
    eval "$(ssh-agent -s)" >/dev/null && pids="$pids $SSH_AGENT_PID"
    ran 1 "ssh-keyscan -p $port 127.0.0.1" clone "$url" stranger
    ssh-keyscan -p "$port" 127.0.0.1 >"$home/sshd/known" 2>/dev/null
    # A command of one's own: from the environment, then from git's configuration.
    GIT_SSH_COMMAND="$ours" ran 0 '' clone "$url" by-command
    sound by-command
    GIT_SSH_COMMAND="$ours" ran 0 '' clone "$(id -un)@far:$served" by-alias
    sound by-alias
    git -C "$models/by-command" config core.sshCommand "$ours"
    commit ssh 'Over ssh' && git -C "$source" push -qf served main
    ran 0 'Fetched 1 ref' fetch by-command
    same "$(git -C "$models/by-command" rev-parse origin/main)" "$(git -C "$source" rev-parse main)" "a fetch by core.sshCommand"
    git -C "$models/by-command" reset -q --hard origin/main
    git -C "$models/by-command" commit -q --allow-empty -m 'By ssh'
    ran 0 '' push by-command
    same "$(git -C "$served" log -1 --format=%s main)" 'By ssh' "a push by core.sshCommand"
    # A key that only an agent has.
    GIT_SSH_COMMAND="ssh -F none -o UserKnownHostsFile=$home/sshd/known -o IdentityFile=none" ran 1 '' clone "$url" no-key
    ssh-add -q "$home/sshd/key"
    GIT_SSH_COMMAND="ssh -F none -o UserKnownHostsFile=$home/sshd/known -o IdentityFile=none" ran 0 '' clone "$url" by-agent
    cp "$home/sshd/known" "$home/.ssh/known_hosts"
    ran 0 '' clone "$url" by-agent-too
    sound by-agent-too
    GIT_SSH_COMMAND="$ours" HYPRSTREAM_REPO_GIT_PROGRAM=false ran 1 'repo.git-program' clone "$url" no-program
    same "$(ls "$models" | grep 'stranger\|no-')" '' "what failed clones leave"
else
    echo "no sshd or ssh-agent here: ssh is not tried"
fi

[ "$failures" = 0 ] || exit 1
