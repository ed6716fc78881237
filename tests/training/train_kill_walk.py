#!/usr/bin/env python3
"""kill -9 at any moment of a training: train_kill_walk.py PROGRAM.

A run that nobody kills is the measure. Then runs of the same plan are killed at random moments, by the clock or shortly
after they have begun, taken a step, evaluated, saved or committed, and go on with --resume until they are done. After each
kill git finds the repository sound and the next attempt begins with the last state that was told of; at the end adapter,
points, commits with their trailers, tags and the last state are those of the measure.

    HYPRSTREAM_TEST_KILLS=200   how many (8)
    HYPRSTREAM_TEST_SEED=N      of the moments (1)
"""
import collections
import os
import random

from runs_home import Attempt, check, same_points, state_of, walk

KILLS = int(os.environ.get("HYPRSTREAM_TEST_KILLS", "8"))
SEED = int(os.environ.get("HYPRSTREAM_TEST_SEED", "1"))
PLAN = ["--window", "1", "--epochs", "2", "--save-every", "3", "--eval-every", "5", "--commit-every", "4"]
WHOLE_SECONDS = 3.0  # within which the clock strikes
random_of = random.Random(SEED)
moments = collections.Counter()


def tags_of(home, branch):
    """(tag, subject of its commit), without what makes a taken name another."""
    out = set()
    for line in home.git("log", "--format=%D%x00%s", f"{home.base}..{branch}").splitlines():
        names, subject = line.split("\0")
        out.update((word.strip().split("tag: ")[1].split("-")[1], subject) for word in names.split(",") if "tag: " in word)
    return out


def moment_make():
    kind = random_of.choice(["clock", "plan", "started", "step", "step", "eval", "saved", "saved", "committed", "committed"])
    if kind == "clock":
        return kind, 1, random_of.uniform(0, WHOLE_SECONDS)
    many = 1 if kind in ("plan", "started") else random_of.randint(1, 6 if kind == "step" else 2)
    # After "saved" the commit is under way, after "committed" the rows and what is pruned, after "plan" the process.
    return kind, many, random_of.uniform(0, 0.3 if kind in ("plan", "started") else 0.03)


def measure(home):
    """a run that nobody kills"""
    attempt = Attempt(home, home.train_words("measure", *PLAN, "--json"))
    attempt.go(None)
    home.measure = attempt.run
    home.measure_points = home.points(attempt.run)
    home.measure_commits = home.commits("measure")
    check(len(home.measure_commits) >= 5, f"too few commits: {home.measure_commits}")
    check(all(any(line.startswith("Train-Loss") for line in lines) for _, lines in home.measure_commits), "no Train-Loss")
    print(f"   {len(home.measure_points['loss'])} steps, {len(home.measure_commits)} commits")


def look(home, branch, attempt, saved):
    """After a kill."""
    home.sound()
    if not attempt.run:
        return
    rows = [row for row in home.runs() if row["run"] == attempt.run]
    check(not rows or rows[0]["state"] in ("planned", "killed", "done"), f"state {rows and rows[0]['state']}")
    if saved is not None:
        newest = home.newest_state(attempt.run)
        check(newest and int(newest[-8:]) >= saved, f"state {newest}, but step {saved} was saved")


def compare(home, branch, run):
    """A run that is done, however often it was killed."""
    check(home.adapter(branch) == home.adapter("measure"), "another adapter")
    same_points(home.points(run), home.measure_points)
    commits = home.commits(branch)
    check(commits == home.measure_commits, f"commits {commits} are not {home.measure_commits}")
    check(tags_of(home, branch) == tags_of(home, "measure"), f"tags {tags_of(home, branch)}")
    check(state_of(home, run) == state_of(home, home.measure), "another last state")
    known = {(c["step"], c["kind"]) for c in home.row(run)["checkpoints"] if c["kind"] == "commit"}
    wanted = {(c["step"], c["kind"]) for c in home.row(home.measure)["checkpoints"] if c["kind"] == "commit"}
    check(known == wanted, f"rows of commits {known}, expected {wanted}")


def one_run(home, branch, left):
    """Until it is done, and at most `left` kills. Gives how many there were."""
    kills, run, saved = 0, None, None
    while True:
        words = [home.program, "train", "--resume", run, "--json"] if run else home.train_words(branch, *PLAN, "--json")
        attempt = Attempt(home, words, run)
        moment = moment_make() if kills < left else None
        killed = attempt.go(moment)
        if saved is not None and attempt.begun is not None:
            check(attempt.begun >= saved, f"began at step {attempt.begun}, but {saved} was saved")
        saved = attempt.saved if attempt.saved is not None else saved
        if not killed:
            break
        kills += 1
        moments[moment[0]] += 1
        look(home, branch, attempt, saved)
        listed = attempt.run and any(row["run"] == attempt.run for row in home.runs())
        run = attempt.run if listed else None  # killed before there was one: it begins anew
        if run and home.row(run)["state"] == "done":
            break
    if run or attempt.run:
        compare(home, branch, run or attempt.run)
    return kills


def kills(home):
    """runs that are killed again and again"""
    done = runs = 0
    while done < KILLS:
        done += one_run(home, f"killed-{runs}", KILLS - done)
        runs += 1
    home.sound()
    print(f"   {done} kills in {runs} runs: {dict(sorted(moments.items()))}")


def twenty_and_twenty(home):
    """20 steps, a kill, 20 more are 40 steps byte for byte"""
    plan = ["--window", "1", "--epochs", "2", "--save-every", "20", "--eval-every", "10", "--steps", "40"]
    whole = Attempt(home, home.train_words("forty", *plan, "--json"))
    whole.go(None)
    parts = Attempt(home, home.train_words("twenty", *plan, "--json"))
    check(parts.go(("saved", 1, 0, 20)), "it ended before it was killed")
    check(home.newest_state(parts.run).endswith("step-00000020"), f"state {home.newest_state(parts.run)}")
    rest = Attempt(home, [home.program, "train", "--resume", parts.run, "--json"], parts.run)
    rest.go(None)
    check(rest.begun == 20, f"it went on from {rest.begun}")
    check(home.adapter("twenty") == home.adapter("forty"), "another adapter")
    check(home.commits("twenty") == home.commits("forty"), "other commits")
    one, other = home.points(rest.run), home.points(whole.run)
    check(len(other["loss"]) == 40 and whole.windows < 40, f"{len(other['loss'])} steps of {whole.windows} an epoch")
    same_points(one, other)
    check(state_of(home, rest.run) == state_of(home, whole.run), "another state")


walk([measure, twenty_and_twenty, kills])
