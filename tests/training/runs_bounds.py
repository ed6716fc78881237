#!/usr/bin/env python3
"""Many runs and long ones stay quick to list and draw, and small: runs_bounds.py PROGRAM.

A store with a thousand runs and one long run, made row by row as a run makes them, pyramid and all. Each command's seconds
are printed beside what is allowed; the store's size by the point, too (spec training.md, section 14: a million points are 31 MB).

    HYPRSTREAM_TEST_POINTS=1000000   of the long run; as many are spread over the thousand (200000)
"""
import json
import math
import os
import sqlite3
import time

from runs_home import check, walk

POINTS = int(os.environ.get("HYPRSTREAM_TEST_POINTS", "200000"))
RUNS = 1000
START = 1_700_000_000_000
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PER_MILLION = 1 + POINTS / 1_000_000  # what reads every point may take longer with more of them
# Seconds on a busy machine: some ten times what an idle one takes.
ALLOWED = {"list": 3, "list of a model": 3, "show": 3, "plot": 3, "compare": 3, "export": 15}


def id_of(i):
    return "".join(DIGITS[(i >> (5 * k)) & 31] for k in reversed(range(26)))


def pyramid(db, run, points):
    """The slots over a run's points, level by level."""
    db.execute("INSERT INTO pyramid SELECT run, name, 1, step / 16, min(value), max(value), count(*), sum(value IS NULL)"
               " FROM points WHERE run = ? GROUP BY step / 16", (run,))
    level = 1
    while points >> (4 * level):
        db.execute("INSERT INTO pyramid SELECT run, name, level + 1, slot / 16, min(lo), max(hi), sum(n), sum(bad)"
                   " FROM pyramid WHERE run = ? AND level = ? GROUP BY slot / 16", (run, level))
        level += 1


def add_run(db, i, points, adapter):
    db.execute("INSERT INTO runs(run, id, model, base_commit, adapter, branch, kind, state, config_json, data_digest, steps_total,"
               " step, started_ms, updated_ms, ended_ms, host, pid) VALUES(?, ?, 'demo', ?, ?, 'main', 'sft', 'done', ?, 'd', ?, ?,"
               " ?, ?, ?, 'here', 7)", (i, id_of(START + i), "4" * 40, adapter, json.dumps({"lr": 0.001, "rank": i % 64}), points,
                                        points, START + i, START + i, START + i))
    db.executemany("INSERT INTO points VALUES(?, 1, ?, 1, ?, ?)",
                   ((i, step, 2 + math.sin(step / 5000) + i / RUNS, step * 20) for step in range(points)))
    pyramid(db, i, points)


def fill(home):
    """a store of a thousand runs and a long one"""
    home.hyprstream("runs", "list")
    path = home.state + "/state.db"
    db = sqlite3.connect(path)
    empty = os.path.getsize(path)
    with db:
        db.execute("INSERT INTO names VALUES(1, 'loss')")
        for i in range(1, RUNS + 1):
            add_run(db, i, POINTS // RUNS, "03_many")
        db.execute("PRAGMA user_version")
        add_run(db, RUNS + 1, POINTS, "04_long")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("VACUUM")
    db.close()
    size = (os.path.getsize(path) - empty) / (2 * POINTS)
    print(f"   {RUNS} runs and {2 * POINTS} points, {size:.1f} bytes a point")
    check(size < 40, f"{size} bytes a point")


def timed(home, what, *words):
    """The best of two, for the caches of the system."""
    best = math.inf
    for _ in range(2):
        began = time.monotonic()
        out = home.hyprstream(*words)
        best = min(best, time.monotonic() - began)
    allowed = ALLOWED[what] * (PER_MILLION if what == "export" else 1)
    print(f"   {what}: {best:.3f} s of {allowed:.0f}")
    check(best < allowed, f"{what} took {best} s")
    return out


def look(home):
    """list, show, plot, compare and export of it"""
    last = id_of(START + RUNS + 1)
    out = timed(home, "list", "runs", "list", "--json")
    check(len(json.loads(out)["runs"]) == RUNS + 1, "runs are missing")
    check(len(timed(home, "list of a model", "runs", "list", "demo").splitlines()) == RUNS + 1, "lines are missing")
    timed(home, "show", "runs", "show", last)
    out = timed(home, "plot", "runs", "plot", last)
    check(f"step 0 to {POINTS - 1}" in out or "step 0 to" in out, out[-200:])
    out = timed(home, "compare", "runs", "compare", last, id_of(START + 1))
    value = 2 + math.sin((POINTS - 1) / 5000) + (RUNS + 1) / RUNS
    check(f"{value:.6g}" in out, f"no {value:.6g} in {out}")
    lines = timed(home, "export", "runs", "export", last).splitlines()
    check(len(lines) == POINTS, f"{len(lines)} lines")
    check(json.loads(lines[POINTS // 2]) == {"run": last, "name": "loss", "step": POINTS // 2, "value":
                                             2 + math.sin(POINTS // 2 / 5000) + (RUNS + 1) / RUNS}, lines[POINTS // 2])


walk([fill, look])
