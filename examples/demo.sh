#!/bin/sh
# The main job from end to end, on the examples beside this file. Run it with: make demo
# Everything it makes lies in .demo/, which the next run replaces.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
demo=.demo
rm -rf "$demo"
mkdir -p "$demo"

export LINEAGE_LEDGER="$demo/ledger"
export LINEAGE_CONFIG="$demo/keys"
export LINEAGE_PASSPHRASE="only for this demo"

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
run() { printf '\033[2m$ %s\033[0m\n' "$*"; "$@"; }

say "1. Make a ledger"
run lineage init --origin demo.example/lineage

say "2. Enrol a human, and the pair that she makes with a model"
run lineage identity new ada
run lineage identity new ada+model --role pair --of ada --substrate small-model@1.0

say "3. Ada signs an experience artifact (an incident that reality tested) and a work of her own"
run lineage sign examples/incidents/label-service-outage.json --by ada --kind experience --confidence 80% --stake high
run lineage sign examples/notes/slow-is-worse-than-down.md --by ada

say "4. The pair signs a model's output, which names both as what it descends from"
run lineage sign examples/paraphrases/retries-explained.md --by ada+model \
  --parent examples/incidents/label-service-outage.json@30% \
  --parent examples/notes/slow-is-worse-than-down.md@40%

say "5. Every row of a small dataset, in one statement with one signature"
run lineage sign examples/dataset.jsonl --rows text --by ada

say "6. An agent works as the pair: it reads both, answers, puts its answer to the test, and signs what came of it"
run python examples/agent.py ada+model examples/incidents/label-service-outage.json \
  examples/notes/slow-is-worse-than-down.md >"$demo/agent.txt"
cat "$demo/agent.txt"
run lineage trace "$(sed -n 's/^experience *//p' "$demo/agent.txt")"

say "7. Where does the output come from? And a row of the dataset?"
run lineage trace examples/paraphrases/retries-explained.md
row=$(sed -n 1p examples/dataset.jsonl | python3 -c 'import json, sys; print(json.load(sys.stdin)["text"], end="")')
run lineage trace --text "$row"

say "8. One byte of a signed file is changed: it is not the file that was signed"
cp examples/notes/slow-is-worse-than-down.md "$demo/changed.md"
printf '!' | dd of="$demo/changed.md" bs=1 seek=10 conv=notrunc 2>/dev/null
if run lineage trace "$demo/changed.md"; then
  echo "the changed file was accepted: this is a bug" >&2
  exit 1
fi

say "9. A daily key is stolen: a thief copies Ada's keys and signs as her, and her pair builds on it"
echo "(Ada had done as she was told: the next and the recovery key lie elsewhere, so the thief has the daily key alone.)"
keys=$(echo "$LINEAGE_CONFIG"/logs/*/identities/ada)
mkdir "$demo/safe"
mv "$keys/next.key" "$keys/recovery.key" "$demo/safe/"
cp -r "$LINEAGE_CONFIG" "$demo/thief"
stolen_at=$(lineage status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["size"])')
echo "Ada always tests her backups on Sundays." > "$demo/forged.md"
(LINEAGE_CONFIG="$demo/thief" run lineage sign "$demo/forged.md" --by ada)
run lineage sign examples/notes/counting-what-arrives.md --by ada
run lineage sign examples/paraphrases/irrigation-summary.md --by ada+model \
  --parent "$demo/forged.md@20%" --parent examples/notes/counting-what-arrives.md@30%

say "10. Ada notices. What would it come to, if she disowned all that her key signed since log index $stolen_at? A dry run"
run lineage identity rotate ada --compromised "$stolen_at" --next-key "$demo/safe/next.key" --dry-run

say "11. She does it: her next key is in force, and the thief's key is worth nothing"
run lineage identity rotate ada --compromised "$stolen_at" --next-key "$demo/safe/next.key" --yes
if (LINEAGE_CONFIG="$demo/thief" run lineage sign examples/notes/drift-that-helps.md --by ada); then
  echo "the thief could still sign: this is a bug" >&2
  exit 1
fi

say "12. What that did to the ancestry: nothing is erased, and nobody answers for what was disowned"
run lineage trace examples/paraphrases/irrigation-summary.md || true
run lineage trace "$demo/forged.md" --descendants || true

say "13. One of the two was hers: she signs it again, and it stands from there. The forged one stays disowned"
run lineage sign examples/notes/counting-what-arrives.md --again --by ada
run lineage trace examples/notes/counting-what-arrives.md
run lineage identity history ada --report "$demo/ada.html"

say "14. Publish the log as static tiles, and audit the copy as a stranger would"
run lineage log publish "$demo/public"
vkey=$(lineage status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["vkey"])')
run lineage audit "$demo/public" --vkey "$vkey"
run lineage audit "$LINEAGE_LEDGER"

say "15. Before training: which rows may enter? Those that Ada signed; not a model's output, the forged text, or what nobody signed"
{ cat examples/dataset.jsonl examples/mixed.jsonl; printf '{"text": "Ada always tests her backups on Sundays.\\n"}\n'; } >"$demo/mixed.jsonl"
run lineage gate "$demo/mixed.jsonl" --policy balanced --admitted "$demo/train.jsonl" --verdicts "$demo/verdicts.parquet" \
  --report "$demo/gate.html" --sign-by ada

say "16. Anybody can check later that this is what was gated; a training script reads the admitted rows alone"
run lineage verify --manifest "$demo/verdicts.parquet" --data "$demo/train.jsonl"
run python examples/train.py "$demo/mixed.jsonl" "$demo/verdicts.parquet"

say "17. One file proves where the paraphrase comes from, elsewhere: no ledger, no key, and the network off"
run lineage prove examples/paraphrases/retries-explained.md -o "$demo/retries.lineage"
mkdir "$demo/elsewhere"
off=""
if unshare -rn true 2>/dev/null; then
  off="unshare -rn"
else
  echo "(This machine lets nobody switch the network off for one command. The same command opens no socket.)"
fi
elsewhere() {
  (LINEAGE_LEDGER="$demo/elsewhere/none" LINEAGE_CONFIG="$demo/elsewhere/settings" run $off lineage verify \
    "$demo/retries.lineage" examples/paraphrases/retries-explained.md --vkey "$vkey")
}
elsewhere

say "18. It is retracted. The old file says what was so at its log checkpoint; the same check of a new one says retracted"
size=$(lineage status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["size"])')
run lineage notice retract examples/paraphrases/retries-explained.md --by ada --yes
run lineage prove examples/paraphrases/retries-explained.md -o "$demo/retries.lineage" --since "$size"
if elsewhere; then
  echo "what was retracted is still well: this is a bug" >&2
  exit 1
fi

say "Done. It all lies in $demo/; look around with: LINEAGE_LEDGER=$demo/ledger LINEAGE_CONFIG=$demo/keys lineage status"
