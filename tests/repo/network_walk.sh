#!/bin/sh
# Real servers from outside: network_walk.sh PROGRAM. git's own daemon; http with a password, a redirect, a proxy, TLS of an
# own authority; servers that are silent or hang up. Clone, push and pull each; plain git looks at both ends.
set -u
. "$(dirname "$0")/../support/walk.sh"
unset SSL_CERT_FILE SSL_CERT_DIR GIT_SSL_CAINFO http_proxy https_proxy all_proxy \
    no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY HF_TOKEN NETRC
git config --global user.name 'A User'
git config --global user.email a.user@example.org
git config --global init.defaultBranch main
lfs_filter

bare() { git -C "$home/server/m.git" "$@"; }
sound() {
    git -C "$home/models/$1" fsck --strict >"$home/fsck" 2>&1 || fail "git fsck of $1: $(cat "$home/fsck")"
    same "$(git -C "$home/models/$1" status --porcelain)" '' "git status of $1"
}
# serve NAME ARGUMENTS...: a server whose port is in $port, its log in $home/NAME.log
serve() {
    name=$1
    shift
    mkfifo "$home/$name.hold"
    python3 "$tests/support/git_server.py" "$home/server" --log "$home/$name.log" "$@" \
        <"$home/$name.hold" >"$home/$name.port" 2>"$home/$name.err" &
    pids="$pids $!"
    sleep 600 >"$home/$name.hold" &
    pids="$pids $!"
    for _ in $(seq 100); do [ -s "$home/$name.port" ] && break; sleep 0.1; done
    port=$(head -1 "$home/$name.port")
}
# A change of the model, pushed to where it came from; then pulled into another clone of it.
there_and_back() {
    echo "$1" >>"$home/models/$1/README.md"
    head -c 20000 /dev/urandom >"$home/models/$1/model.safetensors"
    ran 0 '' stage "$1" --all
    ran 0 '' commit "$1" -m "From $1"
    ran 0 'main ' push "$1"
    same "$(bare rev-parse main)" "$(git -C "$home/models/$1" rev-parse HEAD)" "main on the server, from $1"
    bare fsck >/dev/null 2>&1 || fail 'git fsck on the server'
    sound "$1"
}

mkdir -p "$home/server" "$home/work"
git init -q --bare "$home/server/m.git"
bare config http.receivepack true
cd "$home/work" && git init -q
printf 'A model.\n' >README.md && echo '{}' >config.json && printf '*.safetensors filter=lfs diff=lfs merge=lfs -text\n' >.gitattributes
git add README.md config.json .gitattributes && git commit -qm one && git push -q "$home/server/m.git" main
cd "$home" || exit 1

say 'git daemon'
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
git daemon --base-path="$home/server" --export-all --enable=receive-pack --reuseaddr --listen=127.0.0.1 --port="$port" "$home/server" 2>/dev/null &
pids="$pids $!"
for _ in $(seq 100); do git ls-remote "git://127.0.0.1:$port/m.git" >/dev/null 2>&1 && break; sleep 0.1; done
ran 0 '' clone "git://127.0.0.1:$port/m.git" daemon
sound daemon
echo more >>"$home/models/daemon/README.md"
ran 0 '' commit daemon --all -m 'From daemon'
ran 0 'main ' push daemon
same "$(bare rev-parse main)" "$(git -C "$home/models/daemon" rev-parse HEAD)" 'main on the server, by git://'
(cd work && git pull -q "$home/server/m.git" main && echo again >>README.md && git commit -qam two && git push -q "$home/server/m.git" main)
ran 0 fast-forward pull daemon
same "$(bare rev-parse main)" "$(git -C "$home/models/daemon" rev-parse HEAD)" 'HEAD after the pull, by git://'
sound daemon

say 'http with a password: netrc'
serve locked --user ann --password 's3cret word'
locked=$port
printf 'machine localhost login ann password "s3cret word"\n' >"$home/.netrc" && chmod 600 "$home/.netrc"
ran 0 '' clone "http://localhost:$locked/m.git" first
there_and_back first
ran 0 '' clone "http://localhost:$locked/m.git" second
cmp -s "$home/models/first/model.safetensors" "$home/models/second/model.safetensors" || fail 'the weights are others'
there_and_back second
ran 0 fast-forward pull first
cmp -s "$home/models/first/model.safetensors" "$home/models/second/model.safetensors" || fail 'the pulled weights are others'
sound first

say 'a wrong password is asked for three times at most'
mv "$home/.netrc" "$home/netrc.away"
cat >"$home/type.py" <<'TYPE'
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen, asked, at = b"", 0, 0
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    if b"assword" in seen[at:]:
        asked, at = asked + 1, len(seen)
        time.sleep(0.3)  # what is typed before the echo is off is thrown away
        os.write(terminal, b"wr0ng\n")
print(asked, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
sys.stdout.flush()
sys.stdout.buffer.write(seen)
TYPE
: >"$home/locked.log"
python3 "$home/type.py" "$program" clone "http://ann@localhost:$locked/m.git" never >"$home/out" 2>&1
asked=$(head -1 "$home/out" | cut -d' ' -f1)
[ "$asked" -ge 1 ] && [ "$asked" -le 3 ] || fail "asked $asked times: $(cat "$home/out")"
same "$(head -1 "$home/out" | cut -d' ' -f2)" 1 'status after wrong passwords'
[ "$(grep -c ' ann$' "$home/locked.log")" -le 3 ] || fail 'a wrong password was sent more than three times'
grep -q wr0ng "$home/out" && fail 'the password was echoed'
[ -e "$home/models/never" ] && fail 'a model is there after wrong passwords'
mv "$home/netrc.away" "$home/.netrc"

say 'a redirect is followed, the login of the first host stays there'
serve moved --redirect-to "http://localhost:$locked"
moved=$port
ran 0 '' clone "http://127.0.0.1:$moved/m.git" redirected
sound redirected
printf 'machine 127.0.0.1 login ann password "s3cret word"\n' >"$home/.netrc"
: >"$home/locked.log"
ran 1 '' clone "http://127.0.0.1:$moved/m.git" never
grep -q ' ann$' "$home/locked.log" && fail 'the login for 127.0.0.1 went to localhost'
printf 'machine localhost login ann password "s3cret word"\n' >"$home/.netrc"

say 'TLS: a certificate of nobody is refused, one of an authority that is named is taken'
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=an authority' -keyout ca.key -out ca.pem 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout tls.key -out tls.csr 2>/dev/null
printf 'subjectAltName=DNS:localhost\n' >ext
openssl x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out tls.pem 2>/dev/null
serve tls --tls tls.pem tls.key
tls=$port
ran 1 certificate clone "https://localhost:$tls/m.git" never
grep -q . "$home/tls.log" && fail 'something was asked of a server with a certificate of nobody'
export SSL_CERT_FILE="$home/ca.pem"
ran 1 '' clone "https://127.0.0.1:$tls/m.git" never
ran 0 '' clone "https://localhost:$tls/m.git" secure
cmp -s "$home/models/secure/model.safetensors" "$home/models/second/model.safetensors" || fail 'the weights by TLS are others'
grep -q '^POST /m.git/info/lfs/objects/batch' "$home/tls.log" || fail 'the weights did not come by TLS'
: >"$home/tls.log"
there_and_back secure
grep -q '^PUT /m.git/info/lfs/objects/' "$home/tls.log" || fail 'the weights did not go by TLS'
ran 0 '' clone "https://localhost:$tls/m.git" pointers --no-files
unset SSL_CERT_FILE
ran 1 certificate push secure
ran 1 certificate fetch secure
: >"$home/tls.log"
ran 1 certificate fetch-files pointers
grep -q . "$home/tls.log" && fail 'large files were asked of a server with a certificate of nobody'

say 'a proxy is used, and not for what it is not for'
serve proxy
proxy=$port
http_proxy="http://127.0.0.1:$proxy" ran 0 '' clone http://nowhere.example/m.git proxied
grep -q 'http://nowhere.example/m.git' "$home/proxy.log" || fail 'the proxy was not asked'
sound proxied
export SSL_CERT_FILE="$home/ca.pem" https_proxy="http://127.0.0.1:$proxy"
: >"$home/proxy.log"
ran 0 '' clone "https://localhost:$tls/m.git" tunnelled
[ "$(grep -c "^CONNECT localhost:$tls " "$home/proxy.log")" -ge 2 ] || fail "git and the large files through the proxy: $(cat "$home/proxy.log")"
grep -q -v '^CONNECT ' "$home/proxy.log" && fail 'the proxy saw what was meant for the server'
cmp -s "$home/models/tunnelled/model.safetensors" "$home/models/secure/model.safetensors" || fail 'the weights through the proxy are others'
there_and_back tunnelled
unset https_proxy
https_proxy=http://127.0.0.1:1 ran 1 '' clone "https://localhost:$tls/m.git" never
ran 0 fast-forward pull secure
unset SSL_CERT_FILE
http_proxy=http://127.0.0.1:1 no_proxy=localhost ran 0 '' clone "http://localhost:$locked/m.git" direct
sound direct

say 'servers that are silent or hang up leave everything as it was'
serve silent --stall
before=$(bare rev-parse main)
ran 0 '' remote first add silent "http://localhost:$port/m.git"
HYPRSTREAM_NETWORK_TIMEOUT=1 ran 1 silent clone "http://localhost:$port/m.git" never
HYPRSTREAM_NETWORK_TIMEOUT=1 ran 1 silent fetch first silent
serve short --drop-after 100
ran 0 '' remote first set-url silent "http://localhost:$port/m.git"
ran 1 '' clone "http://localhost:$port/m.git" never
ran 1 '' fetch first silent
[ -e "$home/models/never" ] && fail 'half a model is there'
sound first
same "$(bare rev-parse main)" "$before" 'main on the server'
ran 0 '' pull first
same "$(git -C "$home/models/first" rev-parse HEAD)" "$before" 'HEAD after a good pull'
grep -rqF 's3cret' "$home/models" "$home/state" "$home/cache" "$home/config" 2>/dev/null && fail 'a password was kept in a file'

[ "$failures" = 0 ] && echo "all $steps steps are sound"
exit "$failures"
