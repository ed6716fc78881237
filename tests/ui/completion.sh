#!/bin/bash
# Tab in real shells: completion.sh PROGRAM. bash always; zsh and fish where they are installed.
set -u
program=$1
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export HOME="$home" XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_STATE_HOME="$home/state" \
    XDG_CACHE_HOME="$home/cache" GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a \
    GIT_COMMITTER_EMAIL=a@example.org GIT_CONFIG_NOSYSTEM=1
mkdir -p "$home/bin"
ln -s "$program" "$home/bin/hyprstream"
PATH="$home/bin:$PATH"
failures=0

fail() {
    echo "FAILED: $1" >&2
    failures=$((failures + 1))
}

hyprstream init small >/dev/null || fail "init"
hyprstream branch small side >/dev/null || fail "branch"
hyprstream tag small v1 >/dev/null || fail "tag"
model=$XDG_DATA_HOME/hyprstream/models/small
mkdir "$model/adapters"
echo x >"$model/adapters/00_tone.safetensors"

# offered WANTED WORDS...: the candidates for the last word, joined by blanks.
offered() {
    wanted=$1
    shift
    got=$(hyprstream __complete "$@" | cut -f1 | tr '\n' ' ')
    [ "$got" = "$wanted" ] || fail "__complete $*: '$got', expected '$wanted'"
}

offered "checkout " checko
offered "list export " data ""
offered "create " adapter small cr
offered "--model " data --mo
offered "small " checkout sm
offered "small:side " infer small:s
offered "small:main+00_tone " infer small:main+
offered "--staged --stat " diff small --sta
offered "v1 " checkout small v
offered "" nothing ""
hyprstream __complete checkout 'sm$(touch pwned)' '' >/dev/null
[ ! -e pwned ] || fail "a word was run"

# In bash, words are cut at ':' and '+' stays: what is put in must continue what stands there.
in_bash() {
    bash --norc --noprofile -c '
        eval "$(hyprstream completion bash)"
        COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$'"'"' \t\n"><=;|&(:@'"'"'
        read -r -a COMP_WORDS <<<"${1//:/ : }"
        [[ $1 == *: || $1 == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        compopt() { :; }
        _hyprstream
        printf "%s " "${COMPREPLY[@]}"' bash "$1"
}
[ "$(in_bash 'hyprstream checkou')" = "checkout " ] || fail "bash: $(in_bash 'hyprstream checkou')"
[ "$(in_bash 'hyprstream infer small:si')" = "side " ] || fail "bash ref: $(in_bash 'hyprstream infer small:si')"

if command -v fish >/dev/null; then
    got=$(fish --no-config -c 'hyprstream completion fish | source; complete -C "hyprstream checkout small si"' | cut -f1)
    [ "$got" = side ] || fail "fish: '$got'"
else
    echo "fish is not installed: not tried"
fi
if command -v zsh >/dev/null; then
    hyprstream completion zsh >"$home/_hyprstream"
    zsh -n "$home/_hyprstream" || fail "zsh cannot read its script"
else
    echo "zsh is not installed: not tried"
fi
[ "$failures" = 0 ] || exit 1
