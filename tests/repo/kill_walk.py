#!/usr/bin/env python3
"""kill -9 at any moment: kill_walk.py PROGRAM.

A small world of models is made once. Then again and again: put it back, run one command, kill it, start anew, and
look: every repository passes git fsck and git status, no registered model is lost, every large object is what its
name says, nothing half-made lies about, the cache opens, the same command can be done again, and the next commit
goes through without a hand on any lock.

    HYPRSTREAM_TEST_KILLS=1000   how many, at random moments (16)
    HYPRSTREAM_TEST_SEED=N       of the moments (1)
    HYPRSTREAM_TEST_KILLS=steps  instead: at each call of the system that changes files, one after another (strace)
    HYPRSTREAM_TEST_ONLY=commit  only commands whose name holds this
    HYPRSTREAM_TEST_CALLS=rename,write  of the calls of the system only these
    HYPRSTREAM_TEST_KEEP=FOLDER  a copy of each world that is not as it must be
"""
import collections
import hashlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

PROGRAM = os.path.realpath(sys.argv[1])
KILLS = os.environ.get("HYPRSTREAM_TEST_KILLS", "16")
SEED = int(os.environ.get("HYPRSTREAM_TEST_SEED", "1"))
ONLY = os.environ.get("HYPRSTREAM_TEST_ONLY", "")
# In memory where there is such a folder: a disk that is busy makes it ten times as long, and a kill loses nothing there.
ROOT = tempfile.mkdtemp(prefix="kill_walk-", dir=os.environ.get("TMPDIR") or (
    "/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
WORLD, KEPT = ROOT + "/world", ROOT + "/kept"
MODELS, CACHE, REMOTE = WORLD + "/models", WORLD + "/cache", WORLD + "/remote.git"
WEIGHTS = 300_000
CLEAN = os.path.realpath(os.path.dirname(__file__) + "/../support/lfs_clean")
USUAL_SECONDS = 0.04  # of a command, where measuring each takes longer than the walk
ALL_CALLS = ("rename", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "link", "linkat", "symlinkat",
         "fsync", "fdatasync", "syncfs", "write", "pwrite64", "ftruncate", "fchmod", "utimensat", "copy_file_range")
CALLS = [call for call in os.environ.get("HYPRSTREAM_TEST_CALLS", "").split(",") if call] or ALL_CALLS

environment = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "XDG_", "HYPRSTREAM_"))}
environment.update(
    HOME=WORLD, XDG_CONFIG_HOME=WORLD + "/config", XDG_DATA_HOME=WORLD + "/data", XDG_STATE_HOME=WORLD + "/state",
    XDG_CACHE_HOME=CACHE, HYPRSTREAM_MODELS_DIR=MODELS, GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="Ada",
    GIT_AUTHOR_EMAIL="ada@example.invalid", GIT_COMMITTER_NAME="Ada", GIT_COMMITTER_EMAIL="ada@example.invalid")


class Wrong(Exception):
    pass


def run(*words, cwd=None):
    done = subprocess.run(words, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def must(*words, cwd=None):
    status, out, errors = run(*words, cwd=cwd)
    if status:
        raise Wrong(f"{' '.join(words)}: status {status}: {(errors + out).strip()[:600]}")
    return out


def program(*words):
    return must(PROGRAM, *words)


def git(model, *words):
    return must("git", "-c", "filter.lfs.clean=cat", "-C", f"{MODELS}/{model}", *words)


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def weights(seed):
    return random.Random(seed).randbytes(WEIGHTS)


def read(path):
    with open(path, "rb") as file:
        return file.read()


# ---- the world ----

def model_files(folder, seed):
    write(folder + "/model.safetensors", weights(seed))
    write(folder + "/config.json", json.dumps({"model_type": "llama", "hidden_size": 64, "seed": seed}))
    write(folder + "/adapters/01_a.safetensors", random.Random(seed).randbytes(5000))
    write(folder + "/adapters/01_a.config.json", "{}")


def world_make():
    os.makedirs(MODELS)
    for name in ("alpha", "beta"):
        program("init", name)
        model_files(f"{MODELS}/{name}", name + "1")
        program("stage", name, "--all")
        program("commit", name, "-m", "one")
        program("checkout", name, "-b", "other")
        model_files(f"{MODELS}/{name}", name + "2")
        for i in range(20):
            write(f"{MODELS}/{name}/notes/{i}", f"{i}\n")
        program("stage", name, "--all")
        program("commit", name, "-m", "two")
        program("checkout", name, "main")
        program("tag", name, "v1")
    git("beta", "worktree", "add", "-q", "--no-checkout", WORLD + "/side", "-b", "side")
    write(MODELS + "/alpha/mine.txt", "never touched\n")
    model_files(MODELS + "/plain", "plain")
    model_files(WORLD + "/outside", "outside")
    for name in ("loose", "looser"):
        os.makedirs(f"{MODELS}/{name}")
        git(name, "init", "-q", "-b", "main")
        write(f"{MODELS}/{name}/config.json", '{"model_type": "llama"}')
        git(name, "add", ".")
        git(name, "commit", "-qm", "one")
    must("git", "clone", "-q", "--bare", MODELS + "/beta", REMOTE)
    shutil.copytree(MODELS + "/beta/.git/lfs/objects", REMOTE + "/lfs/objects")
    must("git", "-C", REMOTE, "branch", "-q", "old", "main")
    program("list")


def unmount_all():
    """Overlays of worktrees, which outlive who made them."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        points = [line.split()[4] for line in file]
    for point in reversed([point for point in points if point.startswith(ROOT + "/")]):
        run("umount", "-l", point)


def world_put_back():
    unmount_all()
    shutil.rmtree(WORLD, ignore_errors=True)
    must("cp", "-a", KEPT, WORLD)


# ---- what is killed ----

def dirty():
    model_files(MODELS + "/alpha", "alpha3")
    write(MODELS + "/alpha/adapters/02_b.safetensors", b"b" * 5000)
    write(MODELS + "/alpha/adapters/02_b.config.json", "{}")


def staged():
    dirty()
    program("stage", "alpha", "model.safetensors", "config.json", "adapters")


def undone():
    staged()
    program("commit", "alpha", "-m", "three")


def diverged():
    write(MODELS + "/alpha/README.md", "here\n")
    program("stage", "alpha", "README.md")
    program("commit", "alpha", "-m", "here")


def has_origin():
    git("beta", "remote", "add", "origin", REMOTE)


def is_behind():
    """beta follows a branch that went on; the new weights lie at the remote alone."""
    must("git", "-C", REMOTE, "update-ref", "refs/heads/main", "refs/heads/other")
    has_origin()
    git("beta", "fetch", "-q", "origin")
    git("beta", "branch", "-q", "-u", "origin/main", "main")
    forget_objects("beta", ("model.safetensors",), "other")


def is_behind_and_ahead():
    is_behind()
    write(MODELS + "/beta/README.md", "here\n")
    program("stage", "beta", "README.md")
    program("commit", "beta", "-m", "here")


def is_at_origin(linear=True):
    """After `again`: the remote's branch is in ours, its weights are here or can be had."""
    def check():
        program("fetch-files", "beta")
        theirs = must("git", "-C", REMOTE, "rev-parse", "main").strip()
        git("beta", "merge-base", "--is-ancestor", theirs, "HEAD")
        if linear and git("beta", "rev-list", "--merges", "HEAD").strip():
            raise Wrong("a merge was made")
        if read(MODELS + "/beta/model.safetensors") != weights("beta2"):
            raise Wrong("the weights are not those of the remote")
        clean("beta")
    return check


def is_pushed(there, here):
    """After `again`: their branch `there` is our commit `here`, its weights lie there."""
    def check():
        if must("git", "-C", REMOTE, "rev-parse", there) != git("beta", "rev-parse", here):
            raise Wrong(f"{there} of the remote is not {here}")
        for line in git("beta", "ls-tree", "-r", "--name-only", here).splitlines():
            if line.endswith(".safetensors"):
                oid = oid_of("beta", here, line)
                if not os.path.exists(f"{REMOTE}/lfs/objects/{oid[:2]}/{oid[2:4]}/{oid}"):
                    raise Wrong(f"{line} is not at the remote")
        must("git", "-C", REMOTE, "fsck", "--full", "--no-dangling", "--no-progress")
        objects_are_whole("the remote", REMOTE + "/lfs/objects")
    return check


def gone_there(branch):
    def check():
        if must("git", "-C", REMOTE, "for-each-ref", "refs/heads/" + branch):
            raise Wrong(f"{branch} is still at the remote")
    return check


def new_weights():
    """A commit of beta's branch `other` whose weights the remote does not have; `main` moved too."""
    has_origin()
    program("checkout", "beta", "other")
    model_files(MODELS + "/beta", "beta4")
    program("commit", "beta", "--all", "-m", "four")


def was_cloned():
    program("clone", REMOTE, "cloned", "--no-files")


def has_files(name, seed):
    def check():
        if read(f"{MODELS}/{name}/model.safetensors") != weights(seed):
            raise Wrong(f"the weights of {name} did not come")
        clean(name)
    return check


def oid_of(model, commit, path):
    pointer = git(model, "cat-file", "blob", f"{commit}:{path}")
    return re.search(r"oid sha256:([0-9a-f]{64})", pointer).group(1)


def forget_objects(model, paths, commit):
    for path in paths:
        oid = oid_of(model, commit, path)
        os.unlink(f"{MODELS}/{model}/.git/lfs/objects/{oid[:2]}/{oid[2:4]}/{oid}")


def locked():
    """What a git that was killed leaves, an hour ago."""
    path = MODELS + "/alpha/.git/index.lock"
    write(path, "half")
    os.utime(path, (time.time() - 3600, time.time() - 3600))


def was_undone():
    undone()
    program("undo", "alpha")


def no_cache():
    shutil.rmtree(CACHE, ignore_errors=True)


def is_at(branch, seed):
    """After `again`: the files of the branch, nothing else changed, and what was the person's own is there."""
    def check():
        if git("alpha", "branch", "--show-current").strip() != branch:
            raise Wrong("not on " + branch)
        if read(MODELS + "/alpha/model.safetensors") != weights(seed):
            raise Wrong("the weights are not those of " + branch)
        clean("alpha")
    return check


def clean(name):
    out = json.loads(program("status", name, "--json", "--untracked", "no"))
    changed = [file for file in out["files"]]
    if changed:
        raise Wrong(f"{name} is changed: {changed}"[:400])


def committed():
    clean("alpha")
    if "02_b" not in git("alpha", "ls-tree", "-r", "--name-only", "HEAD"):
        raise Wrong("the adapter is not in the commit")


def worktrees_whole():
    """What `worktree list` and git say are the same ones; each is clean and can be removed."""
    rows = json.loads(program("worktree", "alpha", "list", "--json"))["worktrees"]
    linked = [row for row in rows if row["path"] != MODELS + "/alpha"]
    told = {line.split()[1] for line in git("alpha", "worktree", "list", "--porcelain").splitlines()
            if line.startswith("worktree ")} - {MODELS + "/alpha"}
    if {row["path"] for row in linked} != told:
        raise Wrong(f"we list {[row['path'] for row in linked]}, git lists {told}")
    for row in linked:
        if os.path.exists(row["path"] + "/.git"):
            out = must("git", "-c", "filter.lfs.clean=" + CLEAN, "-c", "filter.lfs.process=", "-C", row["path"],
                       "status", "--porcelain")
            if out:
                raise Wrong(f"the worktree {row['name']} is changed: {out[:300]}")
        program("worktree", "alpha", "remove", row["name"], "--force")
    program("worktree", "alpha", "add", "other")
    if read(MODELS + "/.worktrees/alpha/other/model.safetensors") != weights("alpha2"):
        raise Wrong("the next worktree has other weights")


def clashing():
    """config.json says something else on either side; other files join."""
    def commit(*files):
        for name, text in files:
            write(f"{MODELS}/alpha/{name}", text)
            program("stage", "alpha", name)
        program("commit", "alpha", "-m", files[0][1])
    program("checkout", "alpha", "-b", "clash")
    commit(("config.json", '{"theirs": 1}'), ("notes/theirs", "theirs\n"), ("adapters/03_c.safetensors", b"c" * 5000))
    program("checkout", "alpha", "main")
    commit(("config.json", '{"ours": 1}'))


def begun():
    clashing()
    status, _, errors = run(PROGRAM, "cherry-pick", "alpha", "clash")
    if status != 1:
        raise Wrong(f"no conflict: {errors}")


def mended():
    begun()
    write(MODELS + "/alpha/config.json", '{"both": 1}')
    program("stage", "alpha", "config.json")


def stash_clashing():
    write(MODELS + "/alpha/config.json", '{"theirs": 1}')
    write(MODELS + "/alpha/adapters/01_a.config.json", '{"r": 8}')
    program("stash", "alpha")
    write(MODELS + "/alpha/config.json", '{"ours": 1}')
    program("commit", "alpha", "--all", "-m", "ours")


def taken_back(*words):
    """What was begun, or not, goes away: everything is as before, and no marker is anywhere."""
    def check():
        status, out, errors = run(PROGRAM, *words)
        if status and "going on" not in errors:
            raise Wrong(f"{' '.join(words)}: {errors + out}")
        clean("alpha")
        if read(MODELS + "/alpha/config.json") != b'{"ours": 1}':
            raise Wrong("config.json is not ours")
        if os.path.exists(MODELS + "/alpha/notes/theirs"):
            raise Wrong("a file of theirs stays")
    return check


def picked():
    """Committed, or still to be committed: never without the conflict mended, and with all of the rest."""
    if "clash" not in git("alpha", "log", "-1", "--format=%s") and os.path.exists(MODELS + "/alpha/.git/CHERRY_PICK_HEAD"):
        status, _, errors = run(PROGRAM, "cherry-pick", "alpha", "--continue")
        if status and "committed already" not in errors:
            raise Wrong(errors)
        if status:
            program("cherry-pick", "alpha", "--abort")
    clean("alpha")
    if git("alpha", "show", "HEAD:config.json", "HEAD:notes/theirs") != '{"both": 1}theirs\n':
        raise Wrong("the commit has not what was picked and mended")


def stash_is_there():
    taken_back("reset", "alpha", "--merge")()
    if git("alpha", "show", "stash:config.json") != '{"theirs": 1}':
        raise Wrong("the stash is gone")


OVERLAY = MODELS + "/.worktrees/alpha/v1"


def overlay_made():
    """Where no overlay can be mounted: a worktree like any other."""
    words = ["worktree", "alpha", "add", "v1"]
    if run(PROGRAM, *words, "--driver", "overlay2")[0]:
        program(*words, "--driver", "vfs")
    write(OVERLAY + "/mine/own.txt", "of the person\n")
    os.remove(OVERLAY + "/adapters/01_a.config.json")


def overlay_at_other():
    if read(OVERLAY + "/model.safetensors") != weights("alpha2") or read(OVERLAY + "/mine/own.txt") != b"of the person\n":
        raise Wrong("the worktree has not other's weights and the person's file")
    changed = {file["path"]: file["unstaged"] for file in json.loads(program("status", OVERLAY, "--json"))["files"]}
    changed.pop("adapters/01_a.config.json", None)  # deleted, or back after a kill between layer and HEAD
    if changed != {"mine/": "?"}:
        raise Wrong(f"the worktree is changed: {changed}")


Op = collections.namedtuple("Op", "name before words again after loses status", defaults=(None, None, None, (), 0))
# again: the same command to be done after the kill ("=": just so); it may say that all is done already.
OPS = [
    Op("stage", dirty, ["stage", "alpha", "model.safetensors", "config.json", "adapters"], "="),
    Op("commit", staged, ["commit", "alpha", "-m", "three"],
       ["commit", "alpha", "--allow-empty", "-m", "three"], committed),
    Op("commit --all", staged, ["commit", "alpha", "--all", "-m", "three"],
       ["commit", "alpha", "--all", "--allow-empty", "-m", "three"], committed),
    Op("commit --amend", staged, ["commit", "alpha", "--amend", "-m", "again"], "=", committed),
    Op("checkout", None, ["checkout", "alpha", "other"], "=", is_at("other", "alpha2")),
    Op("checkout -b", None, ["checkout", "alpha", "-b", "new"], None),
    Op("checkout --force", dirty, ["checkout", "alpha", "--force", "other"], "=", is_at("other", "alpha2")),
    Op("reset --hard", None, ["reset", "alpha", "other", "--hard", "--force"], "=", is_at("main", "alpha2")),
    Op("discard", dirty, ["discard", "alpha", "model.safetensors", "config.json", "--force"], None),
    Op("undo", undone, ["undo", "alpha"], None),
    Op("tag", None, ["tag", "alpha", "v2", "-m", "two"], None),
    Op("branch", None, ["branch", "alpha", "b2"], None),
    Op("branch --move", None, ["branch", "alpha", "other", "--move", "third"], None),
    Op("init", None, ["init", "org/gamma"], "="),
    Op("adopt", None, ["adopt", WORLD + "/outside", "taken"], "="),
    Op("adopt --move", None, ["adopt", WORLD + "/outside", "taken", "--move"], None),
    Op("adopt in place", None, ["adopt", MODELS + "/plain"], "="),
    Op("adopt repository", None, ["adopt", MODELS + "/loose", "org/loose"], None),
    Op("rename", None, ["rename", "alpha", "org/delta"], None),
    Op("rename with a worktree", None, ["rename", "beta", "org/delta"], None),
    Op("remove", None, ["remove", "alpha", "--force"], None, None, ("alpha",)),
    Op("remove --registry-only", None, ["remove", "alpha", "--force", "--registry-only"], None, None, ("alpha",)),
    Op("remove --files-only", None, ["remove", "alpha", "--force", "--files-only"], None, None, ("alpha",)),
    Op("rescan", None, ["rescan"], "="),
    Op("cache made", no_cache, ["list"], "="),
    Op("cache written", undone, ["list"], "="),
    Op("gc", undone, ["gc", "alpha", "--prune-days", "0"], "="),
    Op("clone", None, ["clone", WORLD + "/remote.git", "cloned"], "="),
    Op("worktree add", None, ["worktree", "alpha", "add", "other"], None, worktrees_whole),
    Op("worktree add vfs", None, ["worktree", "alpha", "add", "other", "--driver", "vfs"], None, worktrees_whole),
    Op("worktree add hardlink", None, ["worktree", "alpha", "add", "other", "--driver", "hardlink"], None,
       worktrees_whole),
    Op("worktree add overlay2", None, ["worktree", "alpha", "add", "other", "--driver", "overlay2"], None,
       worktrees_whole),
    Op("checkout in an overlay", overlay_made, ["checkout", OVERLAY, "--detach", "other"], "=", overlay_at_other),
    Op("worktree remove", lambda: program("worktree", "alpha", "add", "other"), ["worktree", "alpha", "remove", "other"],
       None, worktrees_whole),
    Op("stash", dirty, ["stash", "alpha"], None),
    Op("stash pop", lambda: (dirty(), program("stash", "alpha")), ["stash", "alpha", "pop"], None),
    Op("merge", diverged, ["merge", "alpha", "other", "--message", "merged"], None),
    Op("merge --ff-only", None, ["merge", "alpha", "other", "--ff-only"], None),
    Op("cherry-pick", diverged, ["cherry-pick", "alpha", "other"], None),
    Op("revert", undone, ["revert", "alpha", "HEAD"], None),
    Op("cherry-pick in conflict", clashing, ["cherry-pick", "alpha", "clash"], None,
       taken_back("cherry-pick", "alpha", "--abort"), (), 1),
    Op("cherry-pick --abort", begun, ["cherry-pick", "alpha", "--abort"], None,
       taken_back("cherry-pick", "alpha", "--abort")),
    Op("cherry-pick --continue", mended, ["cherry-pick", "alpha", "--continue"], None, picked),
    Op("merge in conflict", clashing, ["merge", "alpha", "clash"], None, taken_back("merge", "alpha", "--abort"), (), 1),
    Op("stash pop in conflict", stash_clashing, ["stash", "alpha", "pop"], None, stash_is_there, (), 1),
    Op("merge --abort", lambda: (clashing(), run(PROGRAM, "merge", "alpha", "clash")), ["merge", "alpha", "--abort"],
       None, taken_back("merge", "alpha", "--abort")),
    Op("fetch", has_origin, ["fetch", "beta"], "="),
    Op("fetch-files", was_cloned, ["fetch-files", "cloned"], "=", has_files("cloned", "beta1")),
    Op("pull", is_behind, ["pull", "beta"], "=", is_at_origin()),
    Op("pull REMOTE BRANCH", is_behind, ["pull", "beta", "origin", "main", "--ff-only"], "=", is_at_origin()),
    Op("pull --no-rebase", is_behind_and_ahead, ["pull", "beta", "--no-rebase"], "=", is_at_origin(linear=False)),
    Op("pull --rebase", is_behind_and_ahead, ["pull", "beta", "--rebase"], "=", is_at_origin()),
    Op("push", new_weights, ["push", "beta", "origin"], "=", is_pushed("other", "other")),
    Op("push FROM:TO", new_weights, ["push", "beta", "origin", "other:pushed", "v1", "main:refs/heads/deep/main"], "=",
       is_pushed("refs/heads/pushed", "other")),
    Op("push +FROM:TO", new_weights, ["push", "beta", "origin", "+main:other"], "=", is_pushed("other", "main")),
    Op("push :GONE", new_weights, ["push", "beta", "origin", ":old"], "=", gone_there("old")),
    Op("remote add", None, ["remote", "alpha", "add", "far", REMOTE], None),
    Op("remote rename", has_origin, ["remote", "beta", "rename", "origin", "far"], None),
    Op("remote remove", has_origin, ["remote", "beta", "remove", "origin"], None),
    Op("unstage", staged, ["unstage", "alpha"], "="),
    Op("status", dirty, ["status", "alpha"], "="),
    Op("redo", was_undone, ["redo", "alpha"], None),
    Op("tag --delete", None, ["tag", "alpha", "--delete", "v1"], None),
    Op("branch --delete", None, ["branch", "alpha", "--delete", "other", "--force"], None),
    Op("unlock", locked, ["unlock", "alpha"], "="),
]
DONE_ALREADY = ("already", "Already", "is clean", "nothing", "Nothing", "remote ref does not exist")


# ---- what must be so afterwards ----

def registry():
    with open(MODELS + "/.registry/registry.json", encoding="utf-8") as file:
        return {uuid: row["worktree_path"] for uuid, row in json.load(file)["repositories"].items()}


def repositories():
    for name in sorted(os.listdir(MODELS)):
        if os.path.isdir(f"{MODELS}/{name}/.git") and name not in (".staging", ".trash"):
            yield name


def path_of(place):
    return place if place.startswith("/") else f"{MODELS}/{place}"


def registered_stay(before, loses):
    after = registry()
    for uuid, place in before.items():
        if os.path.basename(place) in loses:
            continue
        if uuid not in after:
            raise Wrong(f"{place} is not registered any more")
        status, out, _ = run("git", "-C", path_of(after[uuid]), "config", "hyprstream.id")
        if status or out.strip() != uuid:
            raise Wrong(f"{after[uuid]} says it is '{out.strip()}', the registry says {uuid}")


def nothing_half_made():
    for folder in (".staging", ".trash"):
        left = os.listdir(f"{MODELS}/{folder}") if os.path.isdir(f"{MODELS}/{folder}") else []
        if left:
            raise Wrong(f"{folder} holds {left}")


def list_heals(loses):
    out = json.loads(program("list", "--json"))
    for row in out["models"]:
        if row["state"] not in ("ready", "plain") and row["name"] not in loses:
            raise Wrong(f"{row['name']} is {row['state']}: {row['why']}")


def objects_are_whole(whose, objects):
    for folder, _, files in os.walk(objects):
        for file in files:
            if len(file) == 64 and hashlib.sha256(read(f"{folder}/{file}")).hexdigest() != file:
                raise Wrong(f"{whose}: the object {file} is not what its name says")


def locks(name):
    for folder, _, files in os.walk(f"{MODELS}/{name}/.git"):
        for file in files:
            if file.endswith(".lock"):
                yield f"{folder}/{file}"


def git_agrees(name):
    git(name, "fsck", "--full", "--no-dangling", "--no-progress")
    git(name, "status", "--porcelain")
    objects_are_whole(name, f"{MODELS}/{name}/.git/lfs/objects")


def cache_opens():
    folder = CACHE + "/hyprstream"
    for file in os.listdir(folder) if os.path.isdir(folder) else []:
        if not file.endswith(".db"):
            continue
        db = sqlite3.connect(f"file:{folder}/{file}?mode=ro", uri=True)
        answer = db.execute("PRAGMA integrity_check").fetchone()[0]
        db.close()
        if answer != "ok":
            raise Wrong(f"{file}: {answer}")


def do_again(op):
    words = op.words if op.again == "=" else op.again
    status, out, errors = run(PROGRAM, *words)
    if status and not any(word in errors + out for word in DONE_ALREADY):
        raise Wrong(f"again {' '.join(words)}: {(errors + out).strip()[:600]}")


def next_change_goes_through(name):
    program("commit", f"{MODELS}/{name}", "--allow-empty", "-m", "next")
    left = list(locks(name))
    if left:
        raise Wrong(f"locks are left: {left}")
    left = [line for line in git(name, "status", "--porcelain", "--ignored").splitlines() if ".tmp" in line]
    if left:
        raise Wrong(f"{name}: half-made files are left: {left}")


def look(op, before):
    list_heals(op.loses)
    nothing_half_made()
    registered_stay(before, op.loses)
    cache_opens()
    for name in repositories():
        git_agrees(name)
    if git(".registry", "status", "--porcelain"):
        raise Wrong(".registry is not clean")
    if op.again:
        do_again(op)
    if op.after:
        op.after()
    if os.path.isdir(MODELS + "/alpha") and read(MODELS + "/alpha/mine.txt") != b"never touched\n":
        raise Wrong("mine.txt was touched")
    for name in repositories():
        if name not in (".registry", "plain", "loose", "looser"):
            next_change_goes_through(name)
            git(name, "fsck", "--full", "--no-dangling", "--no-progress")


# ---- killing ----

def prepare(op):
    world_put_back()
    if op.before:
        op.before()
    program("list")
    if op.before is no_cache:
        no_cache()
    return registry()


def kill_after(op, seconds):
    process = subprocess.Popen([PROGRAM, *op.words], env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(seconds)
    was_alive = process.poll() is None
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    return was_alive


def duration(op):
    prepare(op)
    began = time.monotonic()
    status, out, errors = run(PROGRAM, *op.words)
    if status != op.status:
        raise Wrong(f"not killed: {(errors + out).strip()[:600]}")
    return time.monotonic() - began


failures = collections.Counter()


def judge(op, before, moment):
    try:
        look(op, before)
    except (Wrong, OSError, ValueError, sqlite3.Error) as error:
        failures[op.name] += 1
        print(f"FAILED: {op.name}, killed {moment}: {error}", flush=True)
        keep = os.environ.get("HYPRSTREAM_TEST_KEEP")
        if keep:
            shutil.copytree(WORLD, f"{keep}/{op.name.replace(' ', '_')}-{sum(failures.values())}", symlinks=True)


def at_random(ops):
    moments = random.Random(SEED)
    counts = collections.Counter()
    took = {}
    wanted = max(int(KILLS), 1)
    first = moments.randrange(len(ops))
    alive = 0
    for i in range(wanted):
        op = ops[(first + i) % len(ops)]
        if op.name not in took:
            took[op.name] = duration(op) if wanted > len(ops) else USUAL_SECONDS
        before = prepare(op)
        seconds = moments.uniform(0, took[op.name] * 1.05)
        alive += kill_after(op, seconds)
        counts[op.name] += 1
        judge(op, before, f"after {seconds * 1e3:.1f} of {took[op.name] * 1e3:.1f} ms (number {i})")
    print(f"{wanted} kills at random moments ({alive} met a living process) of {len(ops)} commands, seed {SEED}")


def calls_of(op):
    """How often the command makes each call that changes something: those can be killed one by one."""
    prepare(op)
    trace = ROOT + "/trace"
    run("strace", "-f", "-o", trace, "-e", "trace=" + ",".join(CALLS), PROGRAM, *op.words)
    first = None
    counts = collections.Counter()
    for line in open(trace, encoding="utf-8", errors="replace"):
        found = re.match(r"(\d+) +(\w+)\(", line)
        if found:
            first = first or found.group(1)
            counts[found.group(2)] += found.group(1) == first
    return counts


def at_each_step(ops):
    total = 0
    for op in ops:
        for call, count in sorted(calls_of(op).items()):
            for nth in range(1, count + 1):
                before = prepare(op)
                run("strace", "-f", "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={nth}", PROGRAM, *op.words)
                total += 1
                judge(op, before, f"at {call} number {nth}")
        print(f"{op.name}: {total} until here, {failures[op.name]} failed", flush=True)
    print(f"{total} kills, one at each call that changes files, of {len(ops)} commands")


def main():
    names = {command["name"] for command in json.loads(run(PROGRAM, "help", "--json")[1])["commands"]}
    ops = [op for op in OPS if op.words[0] in names and ONLY in op.name]
    world_make()
    os.rename(WORLD, KEPT)
    if KILLS == "steps":
        at_each_step(ops)
    else:
        at_random(ops)
    if failures:
        print(f"failed: {dict(failures)}")
    return bool(failures)


try:
    result = main()
finally:
    unmount_all()
    shutil.rmtree(ROOT, ignore_errors=True)
sys.exit(result)
