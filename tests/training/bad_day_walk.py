#!/usr/bin/env python3
"""Bad days of a training, from outside: bad_day_walk.py PROGRAM.

Signals, two resumes of one run, a disk that fills up at a save, a rate that breaks everything, a base with a value that is
not finite, data that changed, files that are cut off: each gets one sentence, nothing is lost, and what can go on does.
"""
import json
import os
import signal
import struct
import subprocess

from runs_home import USUAL, check, walk

PLAN = ["--window", "1", "--save-every", "2", "--eval-every", "50", "--steps"]


def begin(home, branch, steps, *more):
    """A run on its own that has taken a step."""
    home.must(*home.train_words(branch, *PLAN, str(steps), *more), "--detach")
    run = home.runs()[0]["run"]
    home.until(lambda: home.newest_state(run), "a first state")
    return run


def state(home, run):
    return home.row(run)["state"]


def resumed_to_the_end(home, run, branch):
    home.hyprstream("train", "--resume", run)
    check(state(home, run) == "done", f"state {state(home, run)}")
    check(home.adapter(branch) == home.adapter("whole"), "another adapter")


def whole(home):
    """a run that has a good day, as the measure"""
    home.must(*home.train_words("whole", *PLAN, "40"))
    home.whole_points = home.points("last")
    check(len(home.whole_points["loss"]) == 40, "not 40 steps")


def signals(home):
    """SIGTERM of a train or of its run saves and ends it, SIGHUP ends only who watches"""
    for branch in ("watcher", "itself"):
        process = home.start(home.train_words(branch, *PLAN, "40", "--json"))
        run = json.loads(process.stdout.readline())["run"]
        home.until(lambda: home.newest_state(run), "a first state")
        os.kill(process.pid if branch == "watcher" else home.processes(run)[0], signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        if branch == "watcher":
            check(process.returncode == 130, f"status {process.returncode}")
            check(f"hyprstream train --resume {run} goes on" in said, said)
        row = home.row(run)
        check(row["state"] == "stopped_early" and 0 < row["step"] < 40, f"{branch}: {row['state']} at {row['step']}")
        check(home.newest_state(run).endswith(f"step-{row['step']:08}"), "its last step was not saved")
        resumed_to_the_end(home, run, branch)
    process = home.start(home.train_words("hung", *PLAN, "40", "--json"))
    run = json.loads(process.stdout.readline())["run"]
    home.until(lambda: home.newest_state(run), "a first state")
    pid = home.processes(run)[0]
    check(os.getsid(pid) == pid, "it belongs to a terminal's session")
    os.kill(pid, signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    home.until(lambda: not home.is_alive(run), "the end of the run")
    row = home.row(run)
    check(row["state"] == "done" and row["attempt"] == 1, f"{row['state']}, attempt {row['attempt']}")
    check(home.adapter("hung") == home.adapter("whole"), "another adapter")


def two_resumes(home):
    """of two resumes of one run one wins; the other says so and touches nothing"""
    run = begin(home, "two", 40)
    home.kill(run)
    both = [home.start([home.program, "train", "--resume", run, "--json"]) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    codes = [process.returncode for process in both]
    check(sorted(codes)[0] == 0 and sorted(codes)[1] not in (0, 130), f"statuses {codes}: {said}")
    out, errors = said[codes.index(max(codes))]
    check(f"run {run} is running: hyprstream attach {run} watches it" in errors and errors.strip().count("\n") == 0,
          f"the loser said: {errors}")
    check(not out.strip(), f"the loser watched: {out[:300]}")
    row = home.row(run)
    check(row["state"] == "done" and row["attempt"] == 2, f"{row['state']}, attempt {row['attempt']}")
    check(home.adapter("two") == home.adapter("whole"), "another adapter")


def while_paused(home):
    """a paused run evaluates, saves and commits at once, and what it found survives a kill"""
    run = begin(home, "paused", 40)
    home.hyprstream("runs", "pause", run)
    step = home.row(run)["step"]
    for verb in ("eval", "save", "commit"):
        home.run(home.program, "runs", verb, run, timeout=30)
    points = home.points(run)
    check(step in {int(s) for s in points["eval_loss"]}, f"no evaluation at {step}: {points['eval_loss']}")
    check(state(home, run) == "paused", state(home, run))
    check(home.commits("paused")[-1][0].startswith(f"Train 03_style: step {step}, eval loss"), f"{home.commits('paused')}")
    home.kill(run)
    saved = json.load(open(home.newest_state(run) + "/state.json", encoding="utf-8"))
    check(saved["step"] == step and saved.get("best_step") == step, f"the state does not know of the best: {saved}")
    count = len(home.commits("paused"))
    resumed_to_the_end(home, run, "paused")
    subjects = [subject for subject, _ in home.commits("paused")]
    check(len(subjects) == len(set(subjects)) and len(subjects) > count, f"a step is committed twice: {subjects}")


def others_commits(home):
    """a commit of a killed attempt is found below those that people made after it"""
    run = begin(home, "mixed", 40, "--commit-every", "4")
    home.until(lambda: any("step 4" in s for s, _ in home.commits("mixed")), "a commit")
    home.hyprstream("runs", "pause", run)
    home.hyprstream("runs", "commit", run)
    home.kill(run)
    commits = home.commits("mixed")
    tip = home.git("rev-parse", "mixed").strip()
    blob = subprocess.run(["git", "-C", home.model, "hash-object", "-w", "--stdin"], input="mine", text=True,
                          capture_output=True, env=home.environment, check=True).stdout.strip()
    index = dict(home.environment, GIT_INDEX_FILE=home.folder + "/index")
    for words in (["read-tree", tip], ["update-index", "--add", "--cacheinfo", f"100644,{blob},mine.txt"]):
        subprocess.run(["git", "-C", home.model, *words], env=index, check=True)
    tree = subprocess.run(["git", "-C", home.model, "write-tree"], env=index, check=True, capture_output=True,
                          text=True).stdout.strip()
    mine = home.git("commit-tree", tree, "-p", tip, "-m", "Mine").strip()
    home.git("update-ref", "refs/heads/mixed", mine)
    resumed_to_the_end(home, run, "mixed")
    subjects = [subject for subject, _ in home.commits("mixed")]
    check(len(subjects) == len(set(subjects)), f"a step is committed twice: {subjects}")
    check(subjects[:len(commits)] == [subject for subject, _ in commits], "commits are gone")
    check(home.git("show", "mixed:mine.txt") == "mine", "the person's commit is gone")
    check(mine not in json.dumps(home.row(run)["checkpoints"]), "the person's commit is taken for a checkpoint")


def full_disk(home):
    """a disk that is full at a save: the old state stays, the run waits, and goes on when there is room"""
    disk = home.folder + "/disk"
    os.mkdir(disk)
    if os.getuid() or home.run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk)[0]:
        print("   skipped: no small disk can be mounted here")
        return
    kept, kept_state = home.environment["XDG_STATE_HOME"], home.state
    home.environment["XDG_STATE_HOME"], home.state = disk, disk + "/hyprstream"
    try:
        run = begin(home, "disk", 40)
        home.hyprstream("runs", "pause", run)
        watching = home.start([home.program, "attach", run, "--json"])
        before = home.newest_state(run)
        files = {name: open(f"{before}/{name}", "rb").read() for name in os.listdir(before)}
        with open(disk + "/filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError:
                pass
        status, _, errors = home.run(home.program, "runs", "resume", run)
        check(status == 0, errors)
        said = []  # the log lies on the same disk
        for line in watching.stdout:
            said.append(json.loads(line))
            if said[-1].get("state") == "paused" and said[-1]["event"] == "state":
                break
        warnings = [event["text"] for event in said if event["event"] == "warning"]
        check(any("bytes left, a save wants" in text for text in warnings), f"warnings: {warnings}")
        check(any("the run is paused until it is resumed" in text for text in warnings), f"warnings: {warnings}")
        os.remove(disk + "/filler")
        watching.kill()
        watching.wait()
        check(all(open(f"{before}/{name}", "rb").read() == data for name, data in files.items()), "the old state changed")
        home.hyprstream("runs", "resume", run)
        home.hyprstream("attach", run)
        check(state(home, run) == "done", f"{state(home, run)}: {home.log(run)[-400:]}")
        check(home.adapter("disk") == home.adapter("whole"), "another adapter")
    finally:
        home.kill(run)
        home.environment["XDG_STATE_HOME"], home.state = kept, kept_state
        home.run("umount", "-l", disk)


def wild_rate(home):
    """a rate of 1e6 breaks nothing but the run, which says how to go on"""
    words = home.train_words("wild", *PLAN, "30", "--warmup", "0")
    words[words.index("0.005")] = "1e6"
    status, out, errors = home.run(*words)
    run = home.runs()[0]["run"]
    check(state(home, run) in ("failed", "done"), state(home, run))
    points = home.points(run)
    broken = status != 0 or any(points["skipped"].values()) or "diverging" in out + home.log(run) or \
        max(v for v in points["loss"].values() if v is not None) > 10 * points["loss"][0]
    check(broken, f"it went well: {points['loss']}")
    if state(home, run) == "failed":
        check("in a row" in errors or "of the last" in errors or "not finite" in errors, errors)
    for name in os.listdir(f"{home.state}/runs/{run}"):
        if not name.startswith("step-"):
            continue
        data = open(f"{home.state}/runs/{run}/{name}/state.safetensors", "rb").read()
        size = struct.unpack("<Q", data[:8])[0]
        values = struct.unpack(f"<{(len(data) - 8 - size) // 4}f", data[8 + size:])
        check(all(v == v and abs(v) != float("inf") for v in values), f"{name} holds a value that is not finite")


def infinite_weight(home):
    """a base with an infinite weight is named, file and tensor"""
    model = home.folder + "/models/broken"
    home.must("cp", "-r", home.model, model)
    path = model + "/model.safetensors"
    data = bytearray(open(path, "rb").read())
    size = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + size])
    name = next(n for n in sorted(head) if n.endswith("0.mlp.down_proj.weight"))
    at = 8 + size + head[name]["data_offsets"][0]
    infinite = {"F32": struct.pack("<f", float("inf")), "BF16": b"\x80\x7f", "F16": b"\x00\x7c"}[head[name]["dtype"]]
    data[at:at + len(infinite)] = infinite
    open(path, "wb").write(data)
    home.must("git", "-C", model, "commit", "-qam", "Break it")
    for more in ([], ["--eval-file", home.data]):
        said = home.refused("not finite", home.program, "train", "broken", "--data", home.data, "--adapter", "x", "--branch",
                            "x", *USUAL, *PLAN, "4", *more)
        check("model.safetensors" in said and name in said, said)


def bad_files(home):
    """data that masks everything, adapters that are cut off, data that changed"""
    masked = home.folder + "/masked.jsonl"
    with open(masked, "w", encoding="utf-8") as file:
        file.writelines('{"input_ids":[5,6,7,8],"labels":[-100,-100,-100,-100]}\n' for _ in range(8))
    said = home.refused("masked.jsonl", home.program, "train", "demo:" + home.base, "--data", masked, "--adapter", "x")
    check("target" in said or "learn" in said, said)

    whole = open(home.model + "/adapters/" + next(
        n for n in sorted(os.listdir(home.model + "/adapters")) if n.endswith(".safetensors")), "rb").read()
    name = home.folder + "/01_cut.safetensors"
    config = next(n for n in sorted(os.listdir(home.model + "/adapters")) if n.endswith(".config.json"))
    home.must("cp", f"{home.model}/adapters/{config}", home.folder + "/01_cut.config.json")
    for size in (0, 5, 200, len(whole) // 2, len(whole) - 1):
        open(name, "wb").write(whole[:size])
        words = home.train_words("cut", *PLAN, "4", "--init-adapter", name)
        said = home.refused("01_cut.safetensors", *words)

    run = begin(home, "changed", 40)
    home.kill(run)
    kept = open(home.data, encoding="utf-8").read()
    with open(home.data, "a", encoding="utf-8") as file:
        file.write('{"prompt":"a","completion":"b"}\n')
    home.refused("the data changed: run", home.program, "train", "--resume", run)
    open(home.data, "w", encoding="utf-8").write(kept)
    resumed_to_the_end(home, run, "changed")


walk([whole, signals, two_resumes, while_paused, others_commits, full_disk, wild_rate, infinite_weight, bad_files])
