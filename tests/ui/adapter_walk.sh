#!/bin/sh
# Adapters and stacks from outside: adapter_walk.sh PROGRAM. In, out, renamed, combined, chosen; refused when they do not
# fit; plain git looks at what became of the files.
set -u
. "$(dirname "$0")/../support/walk.sh"
git config --global user.name 'A User'
git config --global user.email user@example.org
git config --global init.defaultBranch main
lfs_filter
in_git() { git -C "$home/models/m" "$@"; }

ran 0 "" init m
cp "$demo"/*.json "$demo"/model.safetensors "$home/models/m/"
[ -f "$demo/chat_template.jinja" ] && cp "$demo/chat_template.jinja" "$home/models/m/"
ran 0 "" stage m --all
ran 0 "" commit m -m 'A small model'
same "$(json 'len(o["adapters"]), o["next"]' adapter m list)" "0 1" "no adapters yet"

say 'add a pair, byte for byte; the next number; what to commit is said'
ran 0 "all" adapter m add "$demo/adapters/01_brief.safetensors"
grep -qF 'Not committed yet: hyprstream stage m adapters/01_brief.safetensors adapters/01_brief.config.json' "$home/out" ||
    fail "what to commit: $(cat "$home/out")"
for end in safetensors config.json; do
    cmp -s "$demo/adapters/01_brief.$end" "$home/models/m/adapters/01_brief.$end" || fail "01_brief.$end is not as it was"
done
ran 1 "01_brief already" adapter m add "$demo/adapters/01_brief.safetensors" --index 1
ran 0 "02_other" adapter m add "$demo/adapters/01_brief.safetensors" --name other --commit
same "$(in_git show --name-only --format=%s HEAD | sort | tr '\n' ' ')" \
    " Add the adapter 02_other adapters/02_other.config.json adapters/02_other.safetensors " "the commit's files"
same "$(in_git status --porcelain | sort | tr '\n' ' ')" "?? adapters/01_brief.config.json ?? adapters/01_brief.safetensors " \
    "what is not committed"
ran 0 "" stage m adapters
ran 0 "" commit m -m 'Add the adapter 01_brief'
same "$(json '[a["name"] for a in o["adapters"]], o["next"]' adapter m list)" "['01_brief', '02_other'] 3" "the list"
same "$(json '[a["name"] for a in o["adapters"]]' adapter m:HEAD~1 list)" "['02_other']" "the list of a commit"
ran 2 "is a commit" adapter m:HEAD~1 remove 02_other

say 'what does not fit is refused, and nothing is changed'
mkdir "$home/odd"
python3 - "$demo/adapters/01_brief" "$home/odd" <<'ODD'
import json, struct, sys
from_path, to = sys.argv[1], sys.argv[2]
raw = open(from_path + ".safetensors", "rb").read()
config = json.load(open(from_path + ".config.json"))
size = struct.unpack("<Q", raw[:8])[0]
header, data = json.loads(raw[8:8 + size]), raw[8 + size:]
names = [n for n in header if n != "__metadata__"]
def put(folder, header, data, config):
    import os
    os.makedirs(f"{to}/{folder}")
    text = json.dumps(header).encode()
    open(f"{to}/{folder}/adapter_model.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data)
    json.dump(config, open(f"{to}/{folder}/adapter_config.json", "w"))
put("cut", header, data[:-100], config)
put("named", {("x." + n if n == names[0] else n): v for n, v in header.items()}, data, config)
put("rank", header, data, {**config, "r": config["r"] + 1})
put("huge", header, data, {**config, "r": 10 ** 9})
put("nan", header, b"\xff\xff\xff\x7f" * (len(data) // 4), config)
put("kind", header, data, {**config, "peft_type": "LOHA"})
put("token", header, data, {**config, "trainable_token_indices": [1, 2]})
spelled = {n.replace("base_model.model.", "").replace(".weight", ".default.weight") if n in names else n: v for n, v in header.items()}
put("Old Words", spelled, data, {"rank": config["r"], "alpha": config["lora_alpha"], "learning_rate": 1e-4, "epochs": 3})
ODD
before=$(in_git status --porcelain; ls "$home/models/m/adapters")
ran 1 "the file has only" adapter m add "$home/odd/cut"
ran 1 "1 of" adapter m add "$home/odd/named"
ran 1 "expected [" adapter m add "$home/odd/rank"
ran 1 "the limit is 4096" adapter m add "$home/odd/huge"
ran 1 "no finite number" adapter m add "$home/odd/nan"
ran 1 'LOHA' adapter m add "$home/odd/kind"
ran 1 'trainable_token_indices' adapter m import "$home/odd/token"
ran 1 'there is no adapter' adapter m add "$home/odd/nowhere"
same "$(in_git status --porcelain; ls "$home/models/m/adapters")" "$before" "the folder after refusals"

say 'import writes other spellings as PEFT has them; export goes out again'
ran 0 "Imported 03_old_words" adapter m import "$home/odd/Old Words"
python3 - "$home/models/m/adapters/03_old_words" "$demo/adapters/01_brief" <<'SAME' || fail 'the imported adapter'
import json, struct, sys
def read(path):
    raw = open(path + ".safetensors", "rb").read()
    size = struct.unpack("<Q", raw[:8])[0]
    header, data = json.loads(raw[8:8 + size]), raw[8 + size:]
    header.pop("__metadata__", None)
    return {n: data[v["data_offsets"][0]:v["data_offsets"][1]] for n, v in header.items()}, json.load(open(path + ".config.json"))
one, two = read(sys.argv[1]), read(sys.argv[2])
assert one[0] == two[0], "tensors"
for key in ("r", "lora_alpha", "peft_type"):
    assert one[1][key] == two[1][key], key
assert sorted(one[1]["target_modules"]) == sorted(two[1]["target_modules"]), "targets"
assert one[1]["layers_to_transform"] is None or isinstance(one[1]["layers_to_transform"], list)
SAME
for reader in peft vllm llama.cpp; do
    ran 0 "Exported 01_brief" adapter m export brief "$home/out-$reader" --for $reader
    cmp -s "$demo/adapters/01_brief.safetensors" "$home/out-$reader/adapter_model.safetensors" || fail "the export for $reader"
done
cmp -s "$demo/adapters/01_brief.config.json" "$home/out-peft/adapter_config.json" || fail 'the exported config'
ran 1 "holds an adapter already" adapter m export brief "$home/out-peft"
ran 2 "expected peft, vllm or llama.cpp" adapter m export brief "$home/out-x" --for ollama

say 'rename, renumber, remove'
ran 0 "02_other is now 02_rhyme" adapter m rename other rhyme
ran 1 "with that number" adapter m renumber rhyme 3
ran 0 "02_rhyme is now 120_rhyme" adapter m renumber rhyme 120
same "$(json 'o["next"]' adapter m list)" "121" "the next number"
ran 2 "expected 1 to 40" adapter m rename 120_rhyme 'No Name'
ran 0 "Removed 03_old_words" adapter m remove old_words
same "$(ls "$home/models/m/adapters" | tr '\n' ' ')" \
    "01_brief.config.json 01_brief.safetensors 120_rhyme.config.json 120_rhyme.safetensors " "the files"

say 'the same with --commit: what went is gone from the commit, what came is in it'
names_of() { in_git show --name-status --format=%s "$@" | sed '/^$/d' | sort | tr '\t' ' ' | tr '\n' ';'; }
ran 0 "Added 122_moved" adapter m add "$demo/adapters/01_brief.safetensors" --name moved --index 122 --commit
ran 0 "122_moved is now 122_again" adapter m rename moved again --commit
same "$(names_of --no-renames HEAD)" \
    "A adapters/122_again.config.json;A adapters/122_again.safetensors;D adapters/122_moved.config.json;D adapters/122_moved.safetensors;Rename the adapter 122_moved to 122_again;" \
    "the commit of a rename"
ran 0 "Committed as" adapter m renumber again 123 --commit
same "$(in_git ls-tree -r --name-only HEAD adapters | tr '\n' ' ')" \
    "adapters/01_brief.config.json adapters/01_brief.safetensors adapters/02_other.config.json adapters/02_other.safetensors adapters/123_again.config.json adapters/123_again.safetensors " \
    "the tree of the commit"
ran 0 "Committed as" adapter m remove again --commit
same "$(names_of --no-renames HEAD)" "D adapters/123_again.config.json;D adapters/123_again.safetensors;Remove the adapter 123_again;" \
    "the commit of a removal"
same "$(in_git status --porcelain -- adapters/122_moved.safetensors adapters/122_again.safetensors adapters/123_again.safetensors)" "" \
    "what is left to commit of it"
same "$(in_git show --format=%s --name-only HEAD~1 -- config.json)" "" "nothing else was committed"

say 'create one that changes nothing yet'
ran 0 "Created 121_fresh: rank 4" adapter m create fresh --rank 4 --alpha 8 --targets attn --commit
ran 2 "\"q_prj\" names no linear layer" adapter m create x --targets q_prj
ran 2 "--rank 0: expected a whole number" adapter m create x --rank 0
ran 2 "train --init pissa" adapter m create x --init pissa
ran 1 "121_fresh already" adapter m create fresh --index 121
ran 2 "adapter remove takes no --rank" adapter m remove fresh --rank 3
python3 - "$home/models/m/adapters/121_fresh" <<'FRESH' || fail 'the created adapter'
import json, struct, sys
raw = open(sys.argv[1] + ".safetensors", "rb").read()
size = struct.unpack("<Q", raw[:8])[0]
header, data = json.loads(raw[8:8 + size]), raw[8 + size:]
header.pop("__metadata__", None)
config = json.load(open(sys.argv[1] + ".config.json"))
assert (config["r"], config["lora_alpha"], config["target_modules"]) == (4, 8, ["k_proj", "o_proj", "q_proj", "v_proj"]), config
for name, t in header.items():
    values = struct.unpack(f"<{(t['data_offsets'][1] - t['data_offsets'][0]) // 4}f", data[slice(*t["data_offsets"])])
    if "lora_B" in name:
        assert not any(values), name
    else:
        bound = t["shape"][1] ** -0.5
        assert max(map(abs, values)) <= bound and max(map(abs, values)) > 0.9 * bound, name
FRESH
"$program" score m --text 'How do I list my models?' --json >"$home/base"
"$program" score m+fresh --text 'How do I list my models?' --json >"$home/with"
cmp -s "$home/base" "$home/with" || fail 'a fresh adapter changes the logits'
cp -r "$home/models/m/adapters/121_fresh.safetensors" "$home/fresh"
"$program" train m --data "$demo/data/polite.jsonl" --adapter begun --rank 4 --alpha 8 --targets attn --steps 1 --lr 0 --eval-fraction 0 --threads 1 --max-length 64 --window 1 \
    >"$home/out" 2>&1 || fail "train: $(tail -3 "$home/out")"
cmp -s "$home/fresh" "$home/models/m/adapters/122_begun.safetensors" || fail 'training begins with another adapter'
ran 0 "" adapter m remove begun --commit
ran 0 "" adapter m remove fresh --commit
ran 0 "Created 121_wide" adapter m create wide --dora --rslora --rank 2 --layers 0 --init gaussian --seed 5
"$program" score m+wide --text 'How do I list my models?' --json >"$home/with"
python3 -c 'import json,sys
a, b = (json.load(open(p))["perplexity"] for p in sys.argv[1:])
assert abs(a - b) <= 1e-4 * abs(a), (a, b)' "$home/base" "$home/with" || fail 'a fresh DoRA adapter changes the score'
ran 0 "" adapter m remove wide

say 'combine, and what is on as one'
ran 0 "Made 121_both: rank" adapter m combine both brief@0.7 120_rhyme@0.3
same "$(json 'o["rank"]' adapter m combine cat2 brief 120_rhyme)" \
    "$(json '2 * o["adapters"][0]["rank"]' adapter m list)" "the rank of a cat"
ran 0 "Made" adapter m combine near brief 120_rhyme@-0.5 --type svd --rank 3
ran 2 "needs --density" adapter m combine d brief 120_rhyme --type dare_ties
ran 2 "takes no --seed" adapter m combine d brief 120_rhyme --type ties --density 0.5 --seed 3
ran 0 "Made" adapter m combine d brief 120_rhyme --type dare_ties --density 0.5 --seed 3
ran 0 "Made" adapter m combine d2 brief 120_rhyme --type dare_ties --density 0.5 --seed 3
cmp -s "$home"/models/m/adapters/*_d.safetensors "$home"/models/m/adapters/*_d2.safetensors || fail 'equal seeds, other bytes'
answer() { json 'o["ids"]' infer "$@" -p 'How do I list my models?' --temp 0 -n 12; }
same "$(answer m+both)" "$(answer m+brief@0.7+120_rhyme@0.3)" "the answer of the combined one"
ran 1 "no adapter of m is on" adapter m save kept
ran 0 "01_brief is on at 1" adapter m enable brief
ran 0 "at 0.5" adapter m scale brief 0.5
same "$(json '[(a["name"], a["scale"]) for a in o["adapters"] if a["on"]]' adapter m list)" "[('01_brief', 0.5)]" "what is on"
ran 0 "Made" adapter m save kept
same "$(answer m+kept)" "$(answer m+brief@0.5)" "the answer of the saved one"
ran 0 "is off" adapter m disable brief
ran 2 "expected a number" adapter m scale brief much

say 'stacks'
ran 0 "Saved the stack pair: 2 adapters" stack m save pair brief@0.7 120_rhyme@-0.2 --commit
same "$(in_git show --name-only --format= HEAD)" "stacks/pair.json" "the commit of the stack"
same "$(answer m --stack pair)" "$(answer m+brief@0.7+120_rhyme@-0.2)" "the answer of the stack"
same "$(json '[(a["adapter"], a["scale"]) for a in o["adapters"]]' stack m:HEAD show pair)" \
    "[('01_brief', 0.7), ('120_rhyme', -0.2)]" "the stack of a commit"
ran 1 "stacks/pair.json names" adapter m remove brief
ran 1 "a stack pair already" stack m save pair brief
ran 1 "there is no stack nosuch; m has pair" infer m --stack nosuch -p x
ran 0 "01_brief@0.7 120_rhyme@-0.2" stack m use pair
same "$(json '[a["name"] for a in o["adapters"] if a["on"]]' adapter m list)" "['01_brief', '120_rhyme']" "what is on by the stack"
printf '{"adapters": [{"adapter": "01_brief", "scale": "much"}]}' >"$home/models/m/stacks/odd.json"
ran 1 "stacks/odd.json: line 1: scale is a string, expected a number" infer m --stack odd -p x
ran 0 "" stack m remove odd
ran 0 "Removed the stack pair" stack m remove pair
say 'merge into the weights: a branch, a folder'
ran 2 "--branch NEW or --to FOLDER" adapter m merge brief
same "$(json 'o["difference"] <= o["allowed"], o["tensors"] > 0' adapter m merge brief@0.7 --branch merged)" "True True" "the merge"
same "$(answer m:merged)" "$(answer m+brief@0.7)" "the answer of the merged branch"
in_git log -1 --format=%B merged | grep -q '^Merged-Adapters: 01_brief@0.7' || fail "trailers: $(in_git log -1 --format=%B merged)"
same "$(in_git rev-parse merged~1)" "$(in_git rev-parse HEAD)" "the parent of the merge"
ran 1 "there is a branch merged already" adapter m merge brief --branch merged
ran 0 "tensors changed" adapter m merge brief@0.7 120_rhyme@0.3 --to "$home/models/whole"
same "$(answer whole)" "$(answer m+brief@0.7+120_rhyme@0.3)" "the answer of the merged folder"
[ ! -e "$home/models/whole/adapters" ] || fail 'adapters of the base went along'
ran 1 "is there already" adapter m merge brief --to "$home/models/whole"
ls "$home/models/m/.git" | grep -q hyprstream-merge && fail 'a half-made merge was left'
printf '{"base": {"commit": "%s"}}' "$(in_git rev-parse merged)" >"$home/models/m/adapters/01_brief.train.json"
ran 1 "was trained on the weights of" adapter m merge brief --branch second
ran 0 "Merged" adapter m merge brief --branch second --force
rm "$home/models/m/adapters/01_brief.train.json"
say 'look inside'
same "$(json 'all(0 < a["relative"] < 1 and 1 <= a["effective_rank"] <= a["rank"] for a in o["modules"])' adapter m inspect brief)" \
    "True" "norms and effective ranks"
same "$(json 'abs(o["cosine"] - 1) < 1e-6, o["config"]' adapter m diff brief 120_rhyme)" "True []" "an adapter and its copy"
same "$(json '-1 < o["cosine"] < 1, [c["key"] for c in o["config"] if c["key"] == "r"]' adapter m diff brief near)" \
    "True ['r']" "two that differ"
say 'side by side'
same "$(json 'o["first_difference"], o["a"]["ids"] == o["b"]["ids"]' compare m+brief@0.7 m:merged -p 'How do I list my models?' -n 12)" \
    "None True" "the stack and what it was merged into"
same "$(json 'o["first_difference"] is not None, all(0 <= t["other_probability"] <= 1 for t in o["a"]["tokens"])' \
    compare m m+brief -p 'How do I list my models?' -n 12)" "True True" "the base and an adapter"
in_git fsck --strict >"$home/fsck" 2>&1 || fail "git fsck: $(cat "$home/fsck")"

[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
echo "$steps steps"
