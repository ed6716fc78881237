"""What the demo model learns: questions made from questions.txt, answers made from the program's own tables.

The answers name keys and commands that `hyprstream help --json` lists, and no others. All is a function of the tables, the
two text files and a seed. A family is one line of questions.txt or one frame of FRAMES; families marked "~" there and
the frames of FRAMES_HELD are never learned from.
"""
import json, random, re, string
from pathlib import Path

HERE = Path(__file__).parent

FRAMES = [
    "how do I {}?", "how can I {}?", "how to {}", "how do i {}", "what do I press to {}?", "which key do I press to {}?",
    "i want to {}", "I would like to {}", "I need to {}", "is there a way to {}?", "can I {}?", "tell me how to {}",
    "could you tell me how to {}?", "help me {}", "{}", "please {}", "what is the command to {}?", "show me how to {}",
    "where can I {}?", "is it possible to {}?", "what must I do to {}?", "I am trying to {}", "{}, how?", "can you {}?",
    "how would I {}?", "i'd like to {}", "what is the way to {}?", "which command do I use to {}?", "how should i {}",
    "i can't find how to {}", "do you know how to {}?", "i have no idea how to {}", "is there a command to {}?",
    "what is a quick way to {}?", "how does one {}?", "i wonder how to {}", "does a key exist to {}?", "is there a good way to {}?",
]
# Words that may stand for each other in whatever family.
SYNONYMS = ["see view", "delete erase remove", "folder directory", "repository repo", "begin start", "choose pick select", "alter modify",
            "conversation chat", "answer reply response", "memory ram", "terminal shell", "find locate", "fix repair", "big large huge", "whole entire",
            "stop halt", "another different", "earlier older former", "quick fast", "wrong bad", "changes edits modifications", "server remote",
            "newest latest", "reverse invert", "shortcuts keys", "throw chuck", "permanently completely"]
SAME = {}
for group in SYNONYMS:
    for word in group.split():
        SAME.setdefault(word, []).extend(w for w in group.split() if w != word)
ARTICLES = "a an the my your its this that some".split()
FRAMES_HELD = ["what's the best way to {}?", "any idea how I can {}?", "is there some key to {}?"]
OPENINGS = ["", "", "", "", "", "", "hey, ", "hi, ", "um, ", "so ", "ok, ", "please, ", "hello, ", "sorry, ", "and ", "now ", "excuse me, "]
ENDINGS = ["", "", "", "", "", "", " please", " in hyprstream", " here", " now", ", thanks", " in this program", " again"]

# Places whose keys need a step before them: how to get there from the input, where a person begins.
STEPS = {"anywhere": "Press {key}", "chat input": "In the input, press {key}", "conversation": "Press Esc, then {key}",
         "models": "In the models pane (F2), press {key}", "conversations": "Press Esc, then o, then {key}",
         "sampling": "Press Esc, then s, then {key}", "log": "In the log pane, press {key}"}

# Questions that a command answers: the command's name, what to type, what it does.
COMMANDS = {
    "infer": ("infer", "infer MODEL -p TEXT", "it prints the answer and ends."),
    "infer-adapter": ("infer", "infer MODEL -p TEXT --adapter NAME@SCALE", "repeat --adapter to stack several."),
    "tokenize": ("tokenize", "tokenize MODEL TEXT", "it prints the token ids."),
    "template": ("template", "template MODEL FILE", "it prints the conversation as the chat template writes it."),
    "score": ("score", "score MODEL --text TEXT", "it prints the log-probability of each token and the perplexity."),
    "bench": ("bench", "bench MODEL", "it measures tokens per second, load time and memory."),
    "list": ("list", "list", "it prints your models."),
    "config": ("config", "config list", "config set NAME VALUE changes a setting, such as models.dir."),
    "doctor": ("doctor", "doctor", "it checks libtorch, devices, terminal and folders."),
    "chat-command": ("chat", "chat MODEL", "it chats in plain lines."),
    "clone": ("clone", "clone URL", "it brings a model from a server, with its history."),
    "init": ("init", "init MODEL", "it makes a new, empty model repository."),
    "adopt": ("adopt", "adopt PATH", "it turns a folder into a model repository."),
    "rename": ("rename", "rename MODEL NEW", "it gives the model another name."),
    "remove": ("remove", "remove MODEL", "it deletes the model, after saying what would be lost."),
    "gc": ("gc", "gc MODEL", "it deletes large files that nothing needs."),
    "unlock": ("unlock", "unlock MODEL", "it removes locks that a dead process left."),
    "status": ("status", "status MODEL", "it shows what is changed."),
    "stage": ("stage", "stage MODEL PATH", "the next commit will hold the file."),
    "unstage": ("unstage", "unstage MODEL PATH", "the next commit will not hold the file."),
    "discard": ("discard", "discard MODEL PATH", "it brings back the file as it was committed."),
    "commit": ("commit", "commit MODEL -m TEXT", "it records what is staged; --all takes every change."),
    "branch": ("branch", "branch MODEL NAME", "without a name it lists the branches."),
    "checkout": ("checkout", "checkout MODEL REF", "it puts the files of a branch, tag or commit in place."),
    "tag": ("tag", "tag MODEL NAME", "without a name it lists the tags."),
    "git-log": ("log", "log MODEL", "it shows the commits."),
    "diff": ("diff", "diff MODEL REF REF", "it shows what differs, tensors too."),
    "fetch": ("fetch", "fetch MODEL", "it brings new commits and leaves your files alone."),
    "pull": ("pull", "pull MODEL", "it fetches and merges the newest commits."),
    "push": ("push", "push MODEL", "it sends your commits and large files to the server."),
    "merge": ("merge", "merge MODEL REF", "merge --abort gives it up."),
    "cherry-pick": ("cherry-pick", "cherry-pick MODEL REF", "it takes one commit onto your branch."),
    "revert": ("revert", "revert MODEL REF", "a new commit takes back an old one."),
    "reset": ("reset", "reset MODEL REF", "it moves the branch back; --hard the files too."),
    "stash": ("stash", "stash MODEL", "it puts your changes aside; stash MODEL pop brings them back."),
    "remote": ("remote", "remote MODEL add NAME URL", "remote MODEL list shows the servers."),
    "worktree": ("worktree", "worktree MODEL add REF", "it makes a folder with the files of a branch or tag."),
    "fetch-files": ("fetch-files", "fetch-files MODEL", "it downloads large files that are only pointers."),
    "undo": ("undo", "undo MODEL", "it takes back the last change of the branch."),
    "redo": ("redo", "redo MODEL", "it does again what undo took back."),
    "quantise": ("chat", "chat MODEL --dtype nf4", "it holds the weights in four bits; int8 in eight."),
    "train": ("train", "train MODEL --data FILE", "it trains an adapter and shows the curves."),
    "train-resume": ("train", "train MODEL --resume RUN", "it goes on exactly where the run ended."),
    "attach": ("attach", "attach RUN", "it shows the training live; Ctrl-C leaves it alone."),
    "runs": ("runs", "runs list", "it prints every run with its state and loss."),
    "runs-plot": ("runs", "runs plot RUN", "it draws the loss curve."),
    "runs-compare": ("runs", "runs compare RUN RUN", "it puts runs side by side."),
    "runs-pause": ("runs", "runs pause RUN", "runs resume RUN lets it go on."),
    "runs-stop": ("runs", "runs stop RUN", "it ends the training and keeps the adapter."),
    "runs-ask": ("runs", "runs ask RUN TEXT", "it answers with the weights of the step just done."),
    "adapter-list": ("adapter", "adapter MODEL list", "it prints the adapters in order."),
    "adapter-import": ("adapter", "adapter MODEL import FOLDER", "it takes over an adapter of PEFT."),
    "adapter-export": ("adapter", "adapter MODEL export NAME FOLDER", "it writes the adapter for PEFT, vLLM or llama.cpp."),
    "adapter-merge": ("adapter", "adapter MODEL merge NAME --branch NEW", "it puts the adapter into the weights."),
    "adapter-combine": ("adapter", "adapter MODEL combine NEW NAME NAME", "it makes one adapter of several."),
    "stack": ("stack", "stack MODEL save NAME ADAPTER", "it keeps adapters and scales under a name."),
    "compare": ("compare", "compare MODEL MODEL -p TEXT", "it shows where two answers part."),
    "inspect-data": ("inspect-data", "inspect-data MODEL --data FILE", "it shows rows as tokens with their mask."),
    "eval": ("eval", "eval MODEL --data FILE", "it measures loss, perplexity and exact match."),
    "bisect": ("bisect", "bisect MODEL --good REF --bad REF --prompts FILE", "it finds the commit that broke it."),
    "data-export": ("data", "data export FILE", "it writes the answers marked good as training data."),
    "completion": ("completion", "completion bash", "it prints what makes the Tab key complete names; zsh and fish too."),
}
PLAIN = {
    "not-yet": "This version of hyprstream cannot do that.",
    "about": "I am the demo model of hyprstream, a workstation for language models in the terminal. Ask me which key or command does what.",
    "thanks": "You are welcome.",
    "outside": "I only know hyprstream.",
}


class Answers:
    """The answer of each intent, and the key or command by which it is judged."""

    def __init__(self, table, intents):
        actions = {a["name"]: a for a in table["actions"]}
        commands = {c["name"] for c in table["commands"]}
        self.text, self.brief, self.named = {}, {}, {}
        for intent in intents:
            if intent in PLAIN:
                self.put(intent, PLAIN[intent], PLAIN[intent].split(".")[0] + ".", None)
            elif intent in COMMANDS:
                name, line, does = COMMANDS[intent]
                assert name in commands, f"the program has no command {name}"
                self.put(intent, f"Run hyprstream {line}: {does}", f"hyprstream {line}", f"hyprstream {line}")
            else:
                a = actions[intent]
                step = STEPS[a["place"]].format(key=a["key"])
                keys = step.replace("Press ", "").replace("In the input, press ", "").replace("In the models pane (F2), press ", "F2, then ")
                does = a["help"][0].lower() + a["help"][1:]
                extra = " Or run hyprstream inspect MODEL." if intent == "inspect" else ""
                self.put(intent, f"{step}: {does}.{extra}", keys, step)

    def put(self, intent, text, brief, named):
        self.text[intent], self.brief[intent], self.named[intent] = text, brief, named

    def is_right(self, intent, reply):
        """The exact key or command, not merely something like it."""
        if not self.named[intent]:
            return reply == self.text[intent]
        return reply.startswith((self.named[intent] + ":", "Run " + self.named[intent] + ":"))


def expand(line, rng):
    while True:
        made = re.sub(r"\{([^{}]*)\}", lambda m: rng.choice(m.group(1).split("|")), line)
        if made == line:
            return re.sub(r"\s+", " ", made).strip()
        line = made


def all_of(line):
    """Every way to expand a family."""
    choice = re.search(r"\{([^{}]*)\}", line)
    if not choice:
        return {re.sub(r"\s+", " ", line).strip()}
    return {made for option in choice.group(1).split("|") for made in all_of(line[:choice.start()] + option + line[choice.end():])}


def plain(text):
    """A question without what does not tell it from another: large letters, marks, articles and owners."""
    return " ".join(w for w in re.findall(r"[\w'.-]+", text.lower().replace("?", "")) if w not in ARTICLES)


def read_questions():
    """intent -> (learned families, held-out families)"""
    intents, name = {}, None
    for line in (HERE / "questions.txt").read_text().splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            name = line[1:-1]
            intents[name] = ([], [])
        else:
            intents[name][line.startswith("~")].append(line.lstrip("~"))
    return intents


def read_written():
    """The questions written by hand: the first hundred, those of the git commands, of all after them, and of training."""
    rows = [r.split("\t") for r in (HERE / "held_out.txt").read_text().splitlines() if r and not r.startswith("#")]
    return rows[:100], rows[100:156], rows[156:241], rows[241:]


THINGS = """apple bread soup cake pizza coffee tea rice chicken fish salad cheese egg potato pasta garden tree flower rose grass river
lake ocean mountain moon sun star planet rain snow storm wind summer winter dog cat horse bird cow elephant lion spider bee shark
house roof kitchen door window bed chair lamp car bicycle train plane ship bus road bridge tower castle church museum school hospital
doctor teacher lawyer painter singer king queen president war peace money bank tax job boss salary holiday birthday wedding party music
guitar piano song film book novel poem story joke football tennis chess marathon world cup olympics shirt shoe hat jacket hair tooth
eye heart knee back headache cold fever vitamin medicine virus cell atom gravity light energy electricity battery engine robot rocket
phone camera television radio newspaper website email video photo facebook instagram twitter game minecraft passport visa ticket hotel
beach spain france germany italy japan china india brazil canada egypt kenya russia mexico london paris berlin tokyo rome madrid
einstein newton shakespeare mozart picasso napoleon caesar cleopatra darwin linux windows excel javascript java sql html css calculus
algebra triangle fraction percent prime number equation verb noun alphabet french german spanish latin neighbour baby wife brother
mother father friend child dishwasher fridge oven vacuum paint wall wood nail hammer mortgage insurance contract stock bitcoin""".split()
PLACES = "spain france germany italy japan china india brazil canada egypt kenya russia mexico peru london paris berlin tokyo rome norway sweden".split()
VERBS = """cook bake fry grow plant wash clean repair fix paint build sell buy rent draw sing play learn study teach feed train walk ride drive
fly park clean open close start stop copy edit delete remove write read send load unload save find see hear measure count weigh cut
sew knit iron fold hide show move carry throw catch kick lose win earn spend invest cancel return book order cure treat heal prevent
make get use change choose set run check print list share push pull install clone tag serve regenerate continue filter""".split()
OUTSIDE = [
    "what is the capital of {place}?", "where is {place}?", "how many people live in {place}?", "what language do they speak in {place}?",
    "what is the weather in {place} today?", "how do I get to {place}?", "who is the president of {place}?", "how far is it to {place}?",
    "who invented the {thing}?", "who wrote {thing}?", "who was {thing}?", "when was the {thing} invented?", "what is a {thing}?",
    "what is {thing}?", "why is the {thing} so {adjective}?", "why is {thing} {adjective}?", "how do I {verb} a {thing}?", "how do I {verb} my {thing}?",
    "how can I {verb} the {thing}?", "how to {verb} a {thing}", "can you {verb} my {thing}?", "I want to {verb} a {thing}", "help me {verb} the {thing}",
    "{verb} the {thing}", "write a poem about {thing}", "write me a story about a {thing}", "tell me a joke about a {thing}", "tell me about {thing}",
    "write a letter to my {thing}", "tell me a joke", "sing a song", "what is {n} plus {n}?", "what is {n} times {n}?", "{n} + {n}", "{n} minus {n}",
    "how much is {n} divided by {n}?", "what is the square root of {n}?", "translate {thing} into {language}", "how do you say {thing} in {language}?",
    "what does {thing} mean in {language}?", "how old is {thing}?", "how big is a {thing}?", "how much does a {thing} cost?", "where can I buy a {thing}?",
    "what should I eat today?", "what is the best {thing}?", "which {thing} is better?", "do you like {thing}?", "do you have a {thing}?", "is {thing} {adjective}?",
    "are {thing}s {adjective}?", "what is the meaning of life?", "what time is it?", "what day is today?", "who won the {thing} yesterday?",
    "explain {thing} to me", "explain the {thing}", "what is the difference between {thing} and {thing}?", "give me a recipe for {thing}",
    "how many {thing}s are there?", "how long does a {thing} live?", "my {thing} is {adjective}, what can I do?", "write python code that sorts {thing}s",
    "write a function that counts {thing}s", "what colour is the {thing}?", "recommend a {thing}", "should I buy a {thing}?", "is it going to rain in {place}?",
    "summarise {thing} for me", "what happened in {place} in {n}?", "name three {thing}s", "who is the best {thing} in {place}?", "i am {adjective}",
    "i love {thing}", "where do {thing}s come from?", "which {thing} do I {verb} in {place}?", "what key opens the {thing}?",
]
ADJECTIVES = "big small blue red green hot cold old new fast slow bright sad happy broken tired rich poor healthy sweet heavy strange dirty dangerous".split()
LANGUAGES = "french german spanish latin italian japanese chinese english".split()


def outside(rng):
    fill = {"thing": THINGS, "place": PLACES, "verb": VERBS, "adjective": ADJECTIVES, "language": LANGUAGES}
    def one(m):
        return str(rng.randint(1, 2000)) if m.group(1) == "n" else rng.choice(fill[m.group(1)])
    return re.sub(r"\{(\w+)\}", one, rng.choice(OUTSIDE))


def other_words(text, rng):
    """Now and then a word that means the same, or one that nobody knows: the others must do then."""
    words = [rng.choice(SAME[w]) if w in SAME and rng.random() < 0.15 else w for w in text.split(" ")]
    if rng.random() < 0.06 and len(words) > 3:
        words[rng.randrange(len(words))] = "".join(rng.choice("bcdfglmnprstvw") + rng.choice("aeiou") for _ in range(rng.randint(1, 3))) + rng.choice(["", "n", "r", "t", "ck"])
    return " ".join(words)


def roughen(text, rng):
    """As people type: small letters, no question mark, a slip of the finger."""
    if rng.random() < 0.5:
        text = text.lower()
    elif rng.random() < 0.5:
        text = text[0].upper() + text[1:]
    if rng.random() < 0.4:
        text = text.rstrip("?")
    if rng.random() < 0.12 and len(text) > 8:
        i = rng.randrange(1, len(text) - 1)
        text = rng.choice([text[:i] + text[i + 1:], text[:i] + text[i + 1] + text[i] + text[i + 2:], text[:i] + text[i] + text[i:],
                           text[:i] + rng.choice(string.ascii_lowercase) + text[i + 1:]])
    return text


def forbidden(questions):
    """What no question to learn from may say, in whatever frame: the held-out families and the questions written by hand."""
    held = {plain(made) for _, families in questions.values() for family in families for made in all_of(family)}
    frames = [re.compile(re.escape(plain(frame.replace("{}", "GOAL"))).replace("goal", "(.+)")) for frame in FRAMES]
    for _, question in sum(read_written(), []):
        held.add(plain(question))
        held.update(m.group(1) for m in (frame.fullmatch(plain(question)) for frame in frames) if m)
    return held


def ask(family, rng, frames=FRAMES, rough=True, never=()):
    def draw():
        goal = expand(family.lstrip("?"), rng)
        return other_words(goal, rng) if rough else goal
    goal = draw()
    while plain(goal) in never:
        goal = draw()
    if family.startswith("?"):
        text = goal + ("?" if re.match(r"\??(what|which|where|how|is|who|are|can|does)", family) else "")
    else:
        text = rng.choice(frames).format(goal)
    if not rough:
        return text
    text = rng.choice(OPENINGS) + text
    ending = rng.choice(ENDINGS)
    text = text[:-1] + ending + "?" if ending and text.endswith("?") else text + ending
    return roughen(text, rng)


class Corpus:
    def __init__(self, table, seed):
        self.questions = read_questions()
        self.answers = Answers(table, list(self.questions) + ["outside"])
        self.rng = random.Random(seed)
        self.intents = list(self.questions)
        self.shares = [len(learned) ** 0.5 for learned, _ in self.questions.values()]  # those with more ways to ask more often
        self.never = forbidden(self.questions)
        for intent, (learned, _) in self.questions.items():
            for family in learned:
                assert not all(plain(made) in self.never for made in all_of(family.lstrip("?"))), f"[{intent}] {family}: all of it is held out"

    def learned(self):
        """One (intent, question) to learn from."""
        rng = self.rng
        if rng.random() < 0.16:
            return "outside", roughen(rng.choice(OPENINGS) + outside(rng), rng)
        intent = rng.choices(self.intents, self.shares)[0]
        return intent, ask(rng.choice(self.questions[intent][0]), rng, never=self.never)

    def held(self, each=6):
        """Questions of the held-out families, and of the learned ones in held-out frames."""
        rng, rows = random.Random(1), []
        for intent, (learned, held) in self.questions.items():
            rows += [(intent, ask(f, rng, rough=False)) for f in held for _ in range(each)]
            goals = [f for f in learned if not f.startswith("?")]
            rows += [(intent, ask(rng.choice(goals), rng, FRAMES_HELD, rough=False)) for _ in range(each) if goals]
        return rows
