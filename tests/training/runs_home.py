"""A home of its own for walks over training runs: a copy of the demo model as a repository, the program, and what is known
of a run. Nothing of the person who runs the tests is read or written."""
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
DEMO = os.path.join(HERE, "../../assets/demo")
# Small and quick, and all that a resumed run could get wrong: packs, dropout, a schedule, evaluations.
USUAL = ["--threads", "1", "--dtype", "f32", "--rank", "4", "--targets", "attn", "--lr", "0.005", "--max-length", "96",
         "--dropout", "0.1", "--packing", "on"]


EXAMPLES = 30  # some 20 packs of 96 tokens


class Wrong(Exception):
    pass


def check(holds, text):
    if not holds:
        raise Wrong(text)


class Home:
    def __init__(self, program):
        self.program = os.path.realpath(program)
        self.folder = tempfile.mkdtemp(prefix="runs-", dir=os.environ.get("TMPDIR") or (
            "/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        self.model = self.folder + "/models/demo"
        self.data = self.folder + "/polite.jsonl"
        self.environment = {key: value for key, value in os.environ.items()
                            if not key.startswith(("GIT_", "XDG_", "HYPRSTREAM_"))}
        self.environment.update(
            HOME=self.folder, XDG_CONFIG_HOME=self.folder + "/config", XDG_DATA_HOME=self.folder + "/data",
            XDG_STATE_HOME=self.folder + "/state", XDG_CACHE_HOME=self.folder + "/cache",
            HYPRSTREAM_MODELS_DIR=self.folder + "/models", GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="Ada",
            GIT_AUTHOR_EMAIL="ada@example.invalid", GIT_COMMITTER_NAME="Ada", GIT_COMMITTER_EMAIL="ada@example.invalid")
        self.state = self.folder + "/state/hyprstream"
        os.makedirs(self.model + "/adapters")
        for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
                     "model.safetensors"):
            shutil.copy(f"{DEMO}/{name}", self.model)
        for name in os.listdir(DEMO + "/adapters"):
            shutil.copy(f"{DEMO}/adapters/{name}", self.model + "/adapters")
        with open(DEMO + "/data/polite.jsonl", encoding="utf-8") as file, open(self.data, "w", encoding="utf-8") as to:
            to.writelines(file.readlines()[:EXAMPLES])
        self.must("git", "config", "--global", "user.name", "Ada")
        self.must("git", "config", "--global", "user.email", "ada@example.invalid")
        self.must("git", "config", "--global", "filter.lfs.clean", os.path.join(HERE, "../support/lfs_clean"))
        self.must("git", "init", "-q", "-b", "main", self.model)
        self.git("add", "-A")
        self.git("commit", "-qm", "The demo")
        self.base = self.git("rev-parse", "HEAD").strip()

    def done(self):
        for run in self.runs():
            for pid in self.processes(run["run"]):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- commands --

    def run(self, *words, timeout=300):
        """Status, output and errors of a command."""
        done = subprocess.run(words, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout)
        return done.returncode, done.stdout, done.stderr

    def must(self, *words):
        status, out, errors = self.run(*words)
        check(status == 0, f"{' '.join(words)}: status {status}: {(errors + out).strip()[-600:]}")
        return out

    def git(self, *words):
        return self.must("git", "-C", self.model, *words)

    def hyprstream(self, *words):
        return self.must(self.program, *words)

    def refused(self, wanted, *words):
        """The command fails with one line that holds these words."""
        status, out, errors = self.run(*words)
        said = errors.strip()
        check(status not in (0, 139, 134) and status < 128, f"{' '.join(words)}: status {status}: {said[-400:]}")
        check(wanted in said, f"{' '.join(words)}: no '{wanted}' in: {said[-600:]}")
        return said

    def train_words(self, branch, *more, adapter="style"):
        return [self.program, "train", "demo:" + self.base, "--data", self.data, "--adapter", adapter, "--branch", branch,
                *USUAL, *more]

    def start(self, words):
        """The command, going on; its lines come from .stdout."""
        return subprocess.Popen(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, bufsize=1, start_new_session=True)

    # -- a run --

    def runs(self):
        status, out, _ = self.run(self.program, "runs", "list", "--json")
        return json.loads(out)["runs"] if status == 0 else []

    def row(self, run):
        return json.loads(self.hyprstream("runs", "show", run, "--json"))

    def until(self, holds, what, seconds=60):
        """Looks again until it holds."""
        deadline = time.monotonic() + seconds
        while True:
            found = holds()
            if found:
                return found
            check(time.monotonic() < deadline, f"waited {seconds} s in vain: {what}")
            time.sleep(0.02)

    def processes(self, run):
        found = []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and open(f"/proc/{name}/cmdline", "rb").read().split(b"\0")[1:3] == [b"__run", run.encode()]:
                    found.append(int(name))
            except (FileNotFoundError, ProcessLookupError):
                pass
        return found

    def kill(self, run):
        """kill -9 of the run's process; False: there is none."""
        killed = False
        for pid in self.processes(run):
            try:
                os.kill(pid, signal.SIGKILL)
                killed = True
            except ProcessLookupError:
                pass
        while self.is_alive(run):  # the dying hold their locks for a moment
            time.sleep(0.005)
        return killed

    def is_locked(self, run):
        """Whether a process has it, so that no other may go on with it."""
        try:
            with open(f"{self.state}/runs/{run}/run.json", "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            pass
        except BlockingIOError:
            return True
        return False

    def is_alive(self, run):
        return self.is_locked(run) or bool(self.processes(run))

    def log(self, run):
        try:
            return open(f"{self.state}/runs/{run}/log", encoding="utf-8").read()
        except FileNotFoundError:
            return ""

    def points(self, run):
        """{name: {step: value}}; a step that is there twice is wrong."""
        points = {}
        for line in self.hyprstream("runs", "export", run).splitlines():
            point = json.loads(line)
            of_name = points.setdefault(point["name"], {})
            check(point["step"] not in of_name, f"{point['name']} of step {point['step']} is there twice")
            of_name[point["step"]] = point["value"]
        return points

    def adapter(self, branch, name="03_style"):
        return self.git("show", f"{branch}:adapters/{name}.safetensors")  # a pointer: it holds the hash and the size

    def commits(self, branch):
        """[(subject, trailers that do not name the run)], the oldest first."""
        out = []
        if self.run("git", "-C", self.model, "rev-parse", "-q", "--verify", branch)[0]:
            return out
        for text in self.git("log", "--reverse", "--format=%B%x00", f"{self.base}..{branch}").split("\0"):
            lines = text.strip().splitlines()
            if lines and lines[0].startswith("Train "):
                out.append((lines[0], [line for line in lines[1:] if line and not line.startswith("Training-Run")]))
        return out

    def newest_state(self, run):
        folder = f"{self.state}/runs/{run}"
        names = sorted(name for name in (os.listdir(folder) if os.path.isdir(folder) else []) if name.startswith("step-") and not name.endswith(".tmp"))
        return f"{folder}/{names[-1]}" if names else None

    def sound(self):
        status, out, errors = self.run("git", "-C", self.model, "fsck", "--no-dangling")
        check(status == 0, f"git fsck: {out}{errors}")


def state_of(home, run):
    """The newest state: its tensors, and its JSON without the number of the attempt."""
    folder = home.newest_state(run)
    state = json.load(open(folder + "/state.json", encoding="utf-8"))
    del state["attempt"]
    return open(folder + "/state.safetensors", "rb").read(), state


class Attempt:
    """`train`, from its start to its end or to a kill."""

    def __init__(self, home, words, run=None):
        self.home, self.run, self.saved, self.begun, self.events = home, run, None, None, 0
        self.process = home.start(words)

    def take(self, line):
        event = json.loads(line)
        kind = event.get("event")
        if kind == "plan":
            self.run, self.windows = event["run"], event["windows"]
        elif kind == "saved":
            self.saved = event["step"]
        elif kind in ("started", "state") and "step" in event and self.begun is None:
            self.begun = event["step"]
        return kind

    def kill(self):
        """The run, and who watches it."""
        os.killpg(self.process.pid, signal.SIGKILL)  # with a run that has not left its session yet
        for line in self.process.stdout:  # what it had said already
            if line.endswith("\n"):
                self.take(line)
        self.process.wait()
        if self.run:
            self.home.kill(self.run)

    def go(self, moment):
        """True: it was killed. moment: (kind of event, how many of them, seconds after that, of which saved step) or None."""
        if moment and moment[0] == "clock":
            time.sleep(moment[2])
            if self.process.poll() is None:
                self.kill()
                return True
            moment = None
        count = 0
        for line in self.process.stdout:
            kind = self.take(line)
            count += bool(moment) and kind == moment[0] and (len(moment) < 4 or self.saved == moment[3])
            if moment and kind == moment[0] and count == moment[1]:
                time.sleep(moment[2])
                self.kill()
                return True
        status = self.process.wait()
        check(status == 0, f"train ended with {status}: {self.process.stderr.read()[-600:]}{self.home.log(self.run)[-600:]}")
        return False


SAME_POINTS = ("loss", "grad_norm", "lr", "tokens", "targets", "accuracy", "skipped", "eval_loss", "eval_ppl", "eval_accuracy")


def same_points(one, other):
    """Everything but times and memory, number by number."""
    for name in SAME_POINTS:
        check(one.get(name) == other.get(name), f"points {name}: {one.get(name)} is not {other.get(name)}")


def walk(steps):
    """steps: functions of a Home, told by their first line; ends the program."""
    home, failures = Home(sys.argv[1]), 0
    try:
        for step in steps:
            print("--", step.__doc__.splitlines()[0], flush=True)
            try:
                step(home)
            except Wrong as wrong:
                print("FAILED:", wrong, flush=True)
                failures += 1
    finally:
        home.done()
    sys.exit(failures > 0)
