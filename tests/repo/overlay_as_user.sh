#!/bin/sh
# The overlay tests once more, as an ordinary user with access to /dev/fuse: what root may do proves little of fuse and
# userns. Needs root (to become somebody else), in mounts of its own: the machine's /dev/fuse stays as it is.
# usage: overlay_as_user.sh PROGRAM
set -eu
program=$1
skip() {
    echo "skipped: $1"
    exit 77
}

if [ "${2:-}" != inside ]; then
    [ "$(id -u)" = 0 ] || skip "only root can become another user; the tests ran as one already"
    command -v setpriv >/dev/null && command -v unshare >/dev/null || skip "needs setpriv and unshare"
    unshare -m true 2>/dev/null || skip "no mount namespace is allowed here"
    exec unshare -m "$0" "$program" inside
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$program" "$work/repo_test_overlay" # messages hold the name
chmod 755 "$work"
if mknod "$work/fuse" c 10 229 2>/dev/null && chmod 666 "$work/fuse" && [ -e /dev/fuse ]; then
    mount --bind "$work/fuse" /dev/fuse || echo "fuse: /dev/fuse stays closed to users"
fi
count() { grep -c ' /tmp/hyprstream-test-' /proc/self/mountinfo || true; }
before=$(count) # of tests beside us, or that were killed
setpriv --reuid=nobody --regid=nogroup --clear-groups env HOME=/nonexistent TMPDIR=/tmp "$work/repo_test_overlay"
if [ "$(count)" -gt "$before" ]; then
    echo "still mounted:"
    grep ' /tmp/hyprstream-test-' /proc/self/mountinfo
    exit 1
fi
