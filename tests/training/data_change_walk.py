#!/usr/bin/env python3
"""A run that goes on with other data, from outside: data_change_walk.py PROGRAM.

Where each step of the new data lies is worked out here, from the seed, the epoch and the lengths of the examples; a run
that was killed once more goes on to the bytes of one that was not; what is wrong with the data is refused with the run as it
was; and what is told, recorded and committed names the data that a step learned from.
"""
import hashlib
import json
import os

from runs_home import DEMO, Attempt, check, same_points, state_of, walk

PLAN = ["--window", "1", "--save-every", "10", "--eval-every", "5", "--steps"]
STEPS = "40"


# -- the order of an epoch, as it is specified --

def splitmix(state):
    mask = (1 << 64) - 1
    state = (state + 0x9E3779B97F4A7C15) & mask
    z = state
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
    return state, z ^ z >> 31


def order(seed, epoch, count):
    _, first = splitmix(seed)
    state, places = first ^ epoch, list(range(count))
    for k in range(count - 1, 0, -1):
        drawn = -1
        while drawn < ((1 << 64) - k - 1) % (k + 1):
            state, drawn = splitmix(state)
        places[k], places[drawn % (k + 1)] = places[drawn % (k + 1)], places[k]
    return places


# -- data --

def polite(path, first, end):
    with open(DEMO + "/data/polite.jsonl", encoding="utf-8") as file, open(path, "w", encoding="utf-8") as to:
        to.writelines(file.readlines()[first:end])


def lengths_write(path, lengths):
    with open(path, "w", encoding="utf-8") as file:
        for n in lengths:
            file.write(json.dumps({"input_ids": list(range(5, 5 + n)), "labels": list(range(5, 5 + n))}) + "\n")


def pairs_write(path, first, end):
    with open(DEMO + "/data/polite.jsonl", encoding="utf-8") as file, open(path, "w", encoding="utf-8") as to:
        for line in file.readlines()[first:end]:
            asked, said = (m["content"] for m in json.loads(line)["messages"])
            to.write(json.dumps({"prompt": asked, "chosen": said, "rejected": "No."}) + "\n")


def digest(path):
    """As spec training.md, section 11, has it: over the sorted names and contents."""
    of_file = hashlib.sha256(open(path, "rb").read()).hexdigest()
    return hashlib.sha256(f"{os.path.basename(path)} {of_file}\n".encode()).hexdigest()


# -- runs --

def killed_at_ten(home, words):
    """Its first ten steps are saved, and it is dead."""
    attempt = Attempt(home, [*words, "--json"])
    check(attempt.go(("saved", 1, 0, 10)), "it ended before it was killed")
    check(home.newest_state(attempt.run).endswith("step-00000010"), f"state {home.newest_state(attempt.run)}")
    return attempt.run


def going_on(home, run, *more):
    return Attempt(home, [home.program, "train", "--resume", run, *more, "--json"], run)


def changed(home, run):
    """Goes on with the data as they are now, to its end; what it told of them."""
    said = json.loads(home.must(home.program, "train", "--resume", run, "--allow-data-change", "--dry-run", "--json"))
    going_on(home, run, "--allow-data-change").go(None)
    return said


def of_run(home, run):
    """All that is kept of a run: names and contents of files."""
    paths = [os.path.join(at, name) for at, _, names in os.walk(f"{home.state}/runs/{run}") for name in names]
    return {path: open(path, "rb").read() for path in paths if os.path.isfile(path)}  # a dead run's socket is none


def lengths(home):
    """each step learns the example that its epoch and place of the new data say"""
    first, then = [3, 4, 5, 6, 7, 8, 9], list(range(20, 31))
    kept, home.data = home.data, home.folder + "/lengths.jsonl"
    lengths_write(home.data, first)
    words = home.train_words("lengths", *PLAN, "35", "--eval-fraction", "0")
    words[words.index("--packing") + 1] = "off"
    words[words.index("--steps"):words.index("--steps") + 2] = ["--epochs", "5"]
    run = killed_at_ten(home, words)
    lengths_write(home.data, then)
    said = changed(home, run)
    check((said["event"], said["step"], said["epoch"], said["windows"], said["steps"]) == ("data_changed", 10, 2, 11, 35), f"{said}")
    check(order(42, 0, 10) == [4, 6, 7, 0, 9, 5, 1, 2, 3, 8], "the order of the specification")
    wanted = [first[order(42, s // 7, 7)[s % 7]] for s in range(10)]
    wanted += [then[order(42, 2 + s // 11, 11)[s % 11]] for s in range(25)]
    tokens = home.points(run)["tokens"]
    check([tokens[s] for s in range(35)] == wanted, f"tokens {tokens}, expected {wanted}")
    home.data = kept


def changed_run(home, branch):
    """Ten steps over the first data, then the others lie there."""
    polite(home.data, 0, 30)
    run = killed_at_ten(home, home.train_words(branch, *PLAN, STEPS))
    home.before = digest(home.data)
    polite(home.data, 20, 60)
    return run


def refused(home):
    """without the flag it is refused by name, and so is what cannot be learned from; the run stays as it is"""
    run = changed_run(home, "refused")
    kept, row = of_run(home, run), home.row(run)
    resume = [home.program, "train", "--resume", run]
    said = home.refused("the data changed", *resume)
    check(f"--resume {run} --allow-data-change" in said and said.count("\n") == 0, said)
    check(digest(home.data)[:12] in said and home.before[:12] in said, said)
    home.refused("--allow-data-change goes with --resume", *home.train_words("refused", "--allow-data-change"))
    home.refused("leave out --data", *resume, "--allow-data-change", "--data", home.data)
    said = json.loads(home.must(*resume, "--allow-data-change", "--dry-run", "--json"))
    check(said["data_digest"] == digest(home.data) and said["data_digest_before"] == home.before, f"{said}")

    masked = '{"input_ids":[5,6,7,8],"labels":[-100,-100,-100,-100]}\n' * 8
    pairs = "".join(f'{{"prompt":"a{i}","chosen":"b","rejected":"c"}}\n' for i in range(8))
    for text, wanted in (("", "holds no examples"), (masked, "nothing is to be learned"), ("{", "polite.jsonl:1"),
                         (pairs, "cannot learn from preferences"), (None, "polite.jsonl")):
        if text is None:
            os.remove(home.data)
        else:
            open(home.data, "w", encoding="utf-8").write(text)
        said = home.refused(wanted, *resume, "--allow-data-change")
        check(said.count("\n") == 0, said)
    check(of_run(home, run) == kept, "files of the run changed")
    check(home.row(run) == row and row["state"] == "killed", "its row changed")

    polite(home.data, 0, 30)
    home.hyprstream("train", "--resume", run)
    check(home.row(run)["state"] == "done" and home.row(run)["changes"] == [], f"{home.row(run)['changes']}")

    young = Attempt(home, home.train_words("young", *PLAN, STEPS, "--json"))
    check(young.go(("started", 1, 0)), "it ended before it was killed")
    check(not home.newest_state(young.run), "it was killed too late")
    polite(home.data, 20, 60)
    said = home.refused("has no saved state that other data could go on from", home.program, "train", "--resume", young.run,
                        "--allow-data-change")
    check("train MODEL --data FILE" in said, said)


def unchanged(home):
    """with the flag and the same data it says so and goes on to the same bytes"""
    polite(home.data, 0, 30)
    run = killed_at_ten(home, home.train_words("unchanged", *PLAN, STEPS))
    out = home.hyprstream("train", "--resume", run, "--allow-data-change")
    check(f"the data is what run {run} learned from: it goes on as it was" in out, out[:400])
    check(home.row(run)["changes"] == [], f"{home.row(run)['changes']}")
    check(home.adapter("unchanged") == home.adapter("refused"), "another adapter")


def exact(home):
    """killed once more, whenever that is, it goes on to the bytes of a run that was not"""
    whole = changed_run(home, "whole")
    changed(home, whole)
    home.whole = whole
    check(home.adapter("whole") != home.adapter("refused"), "the data made no difference")
    for branch, moment in (("later", ("saved", 1, 0, 20)), ("at-once", ("step", 2, 0)), ("begun", ("started", 1, 0))):
        run = changed_run(home, branch)
        again = going_on(home, run, "--allow-data-change")
        check(again.go(moment), "it ended before it was killed")
        rest = going_on(home, run)
        rest.go(None)
        check(rest.begun == (20 if branch == "later" else 10), f"{branch}: it went on from {rest.begun}")
        check(home.adapter(branch) == home.adapter("whole"), f"{branch}: another adapter")
        same_points(home.points(run), home.points(whole))
        check(state_of(home, run) == state_of(home, whole), f"{branch}: another last state")
        check(home.commits(branch) == home.commits("whole"), f"{branch}: {home.commits(branch)}, {home.commits('whole')}")
    points = home.points(whole)
    check(sorted(points["loss"]) == list(range(int(STEPS))), f"steps {sorted(points['loss'])}")
    check(sorted(points["eval_loss"]) == list(range(0, int(STEPS) + 1, 5)), f"evaluations {sorted(points['eval_loss'])}")


def recorded(home):
    """rows, commits and their plans name the data; a plan of two sets of data is not run again"""
    now, run = digest(home.data), home.whole
    row, shown = home.row(run), home.hyprstream("runs", "show", run)
    epoch = row["changes"][0]["epoch"]
    check(row["changes"] == [{"data": now, "epoch": epoch, "step": 10}] and row["steps"] == int(STEPS), f"{row['changes']}")
    check(f"data sha256:{home.before[:12]}" in shown, shown)
    check(f"from step 10 on: data sha256:{now[:12]}, of which it begins epoch {epoch}" in shown, shown)
    seen = set()
    for subject, lines in home.commits("whole"):
        step = next(int(line.split()[1]) for line in lines if line.startswith("Training-Step"))
        seen.add(step > 10)
        check(f"Data-Digest: sha256:{now if step > 10 else home.before}" in lines, f"{subject}: {lines}")
    check(seen == {False, True}, f"commits {home.commits('whole')}")
    plan = json.loads(home.git("show", "whole:adapters/03_style.train.json"))
    check(plan["data"]["digest"] == now and plan["data"]["planned_digest"] == home.before, f"{plan['data']}")
    check(plan["changes"] == row["changes"], f"{plan['changes']}")

    ahead = home.git("log", "--format=%H", "whole").split()
    old = next(c for c in ahead if f"Data-Digest: sha256:{home.before}" in home.git("log", "-1", "--format=%B", c))
    again = [home.program, "train", "demo", "--branch", "again", "--dry-run", "--data", home.data, "--from"]
    said = home.refused("went on with other data at step 10", *again, ahead[0])
    check("--init-adapter" in said and said.count("\n") == 0, said)
    home.refused("the data is not that of the commit", *again, old)
    polite(home.data, 0, 30)
    home.must(*again, old)


def back_again(home):
    """data may change again and again, and where nothing was learned from the others they are forgotten"""
    run = changed_run(home, "back")
    check(going_on(home, run, "--allow-data-change").go(("step", 2, 0)), "it ended before it was killed")
    polite(home.data, 0, 30)
    home.refused("the data changed", home.program, "train", "--resume", run)
    check(going_on(home, run, "--allow-data-change").go(("saved", 1, 0, 20)), "it ended before it was killed")
    check(home.row(run)["changes"] == [], f"{home.row(run)['changes']}")
    polite(home.data, 20, 60)
    check(going_on(home, run, "--allow-data-change").go(("saved", 1, 0, 30)), "it ended before it was killed")
    polite(home.data, 40, 70)
    changed(home, run)
    changes = home.row(run)["changes"]
    check([c["step"] for c in changes] == [20, 30] and changes[1]["data"] == digest(home.data), f"{changes}")
    check(changes[0]["epoch"] < changes[1]["epoch"], f"{changes}")


def damaged(home):
    """behind a state that is damaged lies one of other data: it goes on from there with the flag alone"""
    polite(home.data, 0, 30)
    words = home.train_words("damaged", *PLAN, STEPS)
    words[words.index("--eval-every") + 1] = "50"  # no state but each tenth
    run = killed_at_ten(home, words)
    check(going_on(home, run).go(("saved", 1, 0, 20)), "it ended before it was killed")
    polite(home.data, 20, 60)
    check(going_on(home, run, "--allow-data-change").go(("step", 2, 0)), "it ended before it was killed")
    check([c["step"] for c in home.row(run)["changes"]] == [20], f"{home.row(run)['changes']}")
    path = home.newest_state(run) + "/state.safetensors"
    data = bytearray(open(path, "rb").read())
    data[-5] ^= 1
    open(path, "wb").write(data)
    for _ in range(5):
        said = home.refused("the data changed", home.program, "train", "--resume", run)
        check(not home.is_locked(run), "its end was told, and it is not over")
    check("--allow-data-change" in said, said)
    check(changed(home, run)["step"] == 10, "it went on from another step")
    check([c["step"] for c in home.row(run)["changes"]] == [10], f"{home.row(run)['changes']}")
    check(home.adapter("damaged") == home.adapter("whole"), "another adapter")


def extended(home):
    """a run that is done learns more from other data as a run of its own, and leaves nothing where it is refused"""
    polite(home.data, 0, 30)
    home.must(*home.train_words("short", *PLAN, "6"))
    parent, count = home.runs()[0]["run"], len(home.runs())
    extend = [home.program, "train", "--resume", parent, "--extend", "6"]
    check("the data is what run" in home.must(*extend, "--allow-data-change", "--dry-run"), "no word of the same data")
    polite(home.data, 20, 60)
    home.refused(f"--resume {parent} --allow-data-change", *extend)
    home.refused("is done after 6 steps", home.program, "train", "--resume", parent, "--allow-data-change")
    check(len(home.runs()) == count and len(os.listdir(f"{home.state}/runs")) == count, "a run is left over")
    out = home.must(*extend, "--allow-data-change")
    row = home.row(home.runs()[0]["run"])
    check(row["parent"] == parent and row["state"] == "done" and row["step"] == 12, f"{row['state']} at {row['step']}")
    check([c.get("data", c.get("steps")) for c in row["changes"]] == [12, digest(home.data)], f"{row['changes']}")
    check("other data from step 6 on" in out and "the run still ends at step 12: the 6 steps to go are" in out, out[:900])
    check("examples held out, chosen from these data" in out, out[:900])
    check(home.row(parent)["changes"] == [], "the parent changed")


def preferences(home):
    """what answers were worth at the beginning is worked out for the new pairs with the values of the beginning"""
    kept, home.data = home.data, home.folder + "/pairs.jsonl"
    words = home.train_words("pairs", *PLAN, "20", "--eval-fraction", "0.2")
    words[words.index("--packing") + 1] = "off"
    pairs_write(home.data, 0, 24)
    run = killed_at_ten(home, words)
    pairs_write(home.data, 24, 48)
    changed(home, run)
    words[words.index("pairs")] = "pairs-anew"
    home.must(*words[:words.index("--steps")], "--steps", "1", *words[words.index("--steps") + 2:])
    one, other = (of_run(home, r)[f"{home.state}/runs/{r}/refs.bin"] for r in (run, home.runs()[0]["run"]))
    check(one == other, "other references")
    home.data = kept


walk([lengths, refused, unchanged, exact, recorded, back_again, damaged, extended, preferences])
