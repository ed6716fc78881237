#!/usr/bin/env python3
"""kill -9 at random moments of worktree add, remove, mount and umount; after each the next start must heal.

Nothing may be mounted that is no worktree, git fsck must pass, every worktree that is listed must be clean or say that it
is not mounted, and at the end all of them can be removed and nothing is left.
usage: worktree_kills.py HYPRSTREAM [COUNT [SEED]]
"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HYPRSTREAM = os.path.realpath(sys.argv[1])
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 30
random.seed(int(sys.argv[3]) if len(sys.argv) > 3 else 1)

WORK = os.path.realpath(tempfile.mkdtemp(prefix="hyprstream-kills-"))
ENV = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "GIT"))}
ENV.update(HOME=WORK + "/home", HYPRSTREAM_MODELS_DIR=WORK + "/models")
MODEL = WORK + "/models/m"


def run(*words, check=False):
    result = subprocess.run(words, env=ENV, cwd=WORK, capture_output=True, text=True)
    if check and result.returncode:
        sys.exit(f"{words}: {result.stdout}{result.stderr}")
    return result


def worktrees():
    return json.loads(run(HYPRSTREAM, "worktree", "m", "--json", check=True).stdout)["worktrees"]


def mounts():
    with open("/proc/self/mountinfo") as file:
        return [line.split()[4] for line in file if f" {WORK}/" in line]


def problems():
    rows = worktrees()  # a start: heals
    found = [f"{row['name']} is prunable" for row in rows if row["prunable"]]
    found += [f"stray mount {path}" for path in mounts() if path not in [row["path"] for row in rows]]
    for row in rows:
        if row["mounted"]:
            said = run("git", "-C", row["path"], "status", "--porcelain")
            if said.stdout or said.returncode:
                found.append(f"{row['name']}: {said.stdout}{said.stderr}")
    fsck = run("git", "-C", MODEL, "fsck", "--no-dangling")
    if fsck.returncode or fsck.stdout:
        found.append(f"fsck: {fsck.stdout}{fsck.stderr}")
    return found


def one(drivers):
    rows = worktrees()
    verb = random.choice(["add", "add", "add", "remove", "mount", "umount"])
    if verb == "add" and len(rows) > 4:
        verb = "remove"
    if verb != "add":
        rows = [row for row in rows if row["backend"] or verb == "remove"]
        if not rows:
            verb = "add"
    words = [HYPRSTREAM, "worktree", "m", verb]
    words += ["v1", *random.choice(drivers)] if verb == "add" else [random.choice(rows)["name"]]
    process = subprocess.Popen(words, env=ENV, cwd=WORK, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        said = process.communicate(timeout=random.uniform(0.005, 0.15))[1]
        if process.returncode:
            sys.exit(f"{words[2:]}: {said}")
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.05)  # what it had started ends by itself
        return True


def main():
    os.makedirs(ENV["HOME"])
    run("git", "config", "--global", "user.name", "Ada")
    run("git", "config", "--global", "user.email", "ada@example.org")
    run(HYPRSTREAM, "init", "m", check=True)
    with open(MODEL + "/model.safetensors", "wb") as file:
        file.write(random.randbytes(1000000))
    run(HYPRSTREAM, "stage", "m", ".", check=True)
    run(HYPRSTREAM, "commit", "m", "-m", "first", check=True)
    run(HYPRSTREAM, "tag", "m", "v1", check=True)
    drivers = [["--driver", "vfs"], ["--driver", "hardlink"]]
    for backend in ("kernel", "fuse"):
        words = ["--driver", "overlay2", "--backend", backend]
        if run(HYPRSTREAM, "worktree", "m", "add", "v1", *words).returncode == 0:
            drivers += [words, words]
    killed = 0
    for i in range(COUNT):
        killed += one(drivers)
        found = problems()
        if found:
            sys.exit(f"after {i + 1}: " + "; ".join(found))
    for row in worktrees():
        run(HYPRSTREAM, "worktree", "m", "remove", row["name"], check=True)
    left = mounts() + [
        name
        for folder in (".overlay", ".worktrees/m", ".staging", ".trash", "m/.git/worktrees")
        if os.path.isdir(f"{WORK}/models/{folder}")
        for name in os.listdir(f"{WORK}/models/{folder}")
    ]
    if left:
        sys.exit(f"left: {left}")
    print(f"{COUNT} verbs, {killed} killed: each start healed, fsck clean, nothing left")


try:
    main()
finally:
    for path in mounts():
        subprocess.run(["umount", "-l", path])
    shutil.rmtree(WORK, ignore_errors=True)
