"""Vectors that any implementation can read: `python -m tools.make_vectors` writes tests/vectors anew.

Everything here is made by the naive code of tests/reference.py and tests/cases, not by the ledger: bytes that the ledger
reads were written by another hand. All keys are test keys: the seed of key "x" is SHA-256("test seed x"). The output is
the same on every run; a test compares it with what stands in the repository.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cases import (
    algorithms,
    ancestries,
    forged_ancestries,
    forged_receipts,
    payloads,
    receipts,
    records,
    settings,
    sidecars,
    statuses,
)
from tests.cases.algorithms import Algorithm
from tests.cases.ancestry_files import AncestryCase
from tests.cases.logs import Erased
from tests.cases.receipts import ReceiptCase
from tests.cases.replay import by_naive, clocks, fold_numbers
from tests.cases.samples import Case
from tests.cases.scenarios import all_scenarios
from tests.cases.settings import SettingsCase
from tests.cases.sidecars import SidecarCase
from tests.cases.statuses import StatusCase
from tests.cases.worlds import Scenario
from tests.reference import tagged
from tools import spec_examples

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "vectors"

KINDS = (
    "record",
    "payload",
    "entry",
    "log",
    "receipt",
    "rows",
    "status",
    "ancestry",
    "algorithm",
    "trust",
    "policy",
)

README = """# Vectors

One file a case, named after what it shows; `python -m tools.make_vectors` writes them, a test reads them all. JSON, bytes in
hex; an object {{"byte": "00", "times": n}} stands for n equal bytes. {count} files:

| folder | files | what `hex` is | good ones give | bad ones give |
|---|---|---|---|---|
| record | {record} | a record (SPEC §4) | `artifact_id` | `error` |
| payload | {payload} | a payload (SPEC §5); its signatures are not looked at | `statement_id` | `error` |
| entry | {entry} | an entry (SPEC §8.1); its signatures are not verified | `statement_id`, `leaf_hash` | `error` |
| log | {log} | (see below) | | |
| receipt | {receipt} | (see below) | | |
| rows | {rows} | (see below) | | |
| status | {status} | (see below) | | |
| ancestry | {ancestry} | (see below) | | |
| algorithm | {algorithm} | (see below) | | |
| trust | {trust} | (`text`) a trust file (SPEC §12.1) | `digest` | `error`, `key` |
| policy | {policy} | (`text`) a policy file (SPEC §12.2) | `digest` | `error`, `key` |

`error` is a code of SPEC §14 (of trust and policy files, of §12.1 and §12.2; `key` is the one that the refusal names, `file` the whole). Each bad file breaks one rule, except `log/order-*`, which break several: the first of SPEC §9.2
counts.

A log has `log_id` (the log that the reader trusts), `entries` by log_index, `records` by log_index (those held of that entry,
by record_index; {{"erased": hash}} for one of which only the leaf hash is left), `clocks` and `fold_numbers` (SPEC §9.5, §9.6, by log_index),
`faults` as [log_index, record_index or null, code] in order (of an `attest` or `notice`, the place among its subjects for the
record_index), `status_roots` (of the status map behind each entry, by log_index) and, behind the last entry: `identities` (id and
role), `speaks` (by which key event each does; null: retired), `delegated` (by which delegation each pair is; null: none),
`contested` (SPEC §7.5), `disowned` as [log_index, key event, whether by the delegation] (SPEC §7.4) and `grades` (by subject and
issuer, the endorsements that count).

A receipt has `text`, the file (SPEC §11.1); `vkey`, which the verifier trusts; and `content`, which he holds: its form, its digest
and its true size, or null if he has none. Good ones give `artifact_id`, `maker`, `anchor` (null if the maker is no pair) and
`log_index`; bad ones `error`, after the support was folded in order.

A rows sidecar (SPEC §10.7) has `file`, and the `artifact_id` that it is named by. Good ones give of some `rows`, by row index, the `digest` and
the `path` that proves it (SPEC §11.6); bad ones `error`, if all of the file is checked.

A status proof (SPEC §11.2) has `root`, `wanted` (by key its value, null: said to be absent) and `proof`. Bad ones give `error`; but for the rule
that each breaks they lead to their root. Nothing but `proof`, byte by byte, proves what a good one says.

An ancestry proof (SPEC §11.2) has `file`; `vkey`, the one that the verifier trusts; `at_ms`, when he judges; and `expected`, what it comes to
under trust in this log alone (SPEC §12.1): `valid`, whether all of it holds and no log in it is unknown; and if not, `code`
(`log-not-trusted`: a log of which no vkey is at hand). Good ones give `size`, of the log checkpoint; `nodes`, of each artifact of the
ancestries (but those in other logs) `presence` (`stands`, `disowned`, `faulty`, `erased`, `unproved`), `status` (its own, SPEC §12) and `level`; and `subjects`, of
each, by id, the same with its `standing` (SPEC §12.3, under a policy that asks for nothing) and the `humans` and `authors` of its ancestry, ascending. `row` is
null. Behind them stands each set of rows, by id, with `rows` ([first, count]); what is said of it is said of the dataset as a whole.

An algorithm has `algorithm`, a `public_key`, the `payload` of an enrolment by it, its `pae` (SPEC §6) and the `signature` of that, which
any other implementation verifies; `entry` is that enrolment whole, and `refused` the fault that it is in any log of this version.
"""


def hexed(data: bytes) -> Any:
    """Hex, or a run of one byte where that is much shorter."""
    if len(data) > 1024 and len(set(data)) == 1:
        return {"byte": data[:1].hex(), "times": len(data)}
    return data.hex()


def unhexed(value: Any) -> bytes:
    """The bytes that `hexed` wrote."""
    if isinstance(value, dict):
        return bytes.fromhex(value["byte"]) * int(value["times"])
    return bytes.fromhex(value)


def case_vector(case: Case) -> dict[str, Any]:
    vector: dict[str, Any] = {"what": case.what, "kind": case.kind, "hex": hexed(case.data)}
    leaf_hash = hashlib.sha256(b"\x00" + case.data).hexdigest()
    if case.code:
        vector["error"] = case.code
    elif case.kind == "record":
        vector["artifact_id"] = leaf_hash
    elif case.kind == "payload":
        vector["statement_id"] = tagged("statement", case.data).hex()
    else:
        vector["leaf_hash"] = leaf_hash
        vector["statement_id"] = tagged("statement", payload_of(case.data)).hex()
    return vector


def payload_of(entry: bytes) -> bytes:
    """The payload of an entry whose header is that of a bin of 256 bytes and more, or of fewer."""
    start = 3 if entry[1] == 0xC4 else 4
    return entry[start : start + int.from_bytes(entry[2:start], "big")]


def log_vector(scenario: Scenario) -> dict[str, Any]:
    script = scenario.script
    outcome = by_naive(script.log, script.entries, script.records)
    if outcome.faults != scenario.expected:
        raise ValueError(f"{scenario.name}: {outcome.faults} is not {scenario.expected}")
    return {
        "what": scenario.what,
        "kind": "log",
        "log_id": script.log.hex(),
        "entries": [hexed(data) for data in script.entries],
        "records": {
            str(index): [
                {"erased": item.leaf_hash.hex()} if isinstance(item, Erased) else hexed(item)
                for item in items
            ]
            for index, items in script.records.items()
        },
        "clocks": clocks(script.log, script.entries),
        "fold_numbers": fold_numbers(script.log, script.entries),
        "faults": [list(fault) for fault in outcome.faults],
        "status_roots": [root.hex() for root in outcome.status_roots],
        "identities": hex_of(outcome.identities),
        "speaks": hex_of(outcome.speaks),
        "delegated": hex_of(outcome.delegated),
        "contested": hex_of(outcome.contested),
        "disowned": hex_of(outcome.disowned),
        "grades": hex_of(outcome.grades),
    }


def hex_of(value: Any) -> Any:
    """The same with all bytes in hex, and maps in order."""
    if isinstance(value, dict):
        return {hex_of(name): hex_of(value[name]) for name in sorted(value)}
    if isinstance(value, list | tuple):
        return [hex_of(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value


def algorithm_vector(algorithm: Algorithm) -> dict[str, Any]:
    return {
        "what": f"an enrolment by keys of ed25519 and {algorithm.name}, which this version does not build",
        "kind": "algorithm",
        "algorithm": algorithm.name,
        "public_key": algorithm.public_key.hex(),
        "payload": algorithm.payload.hex(),
        "pae": algorithm.pae.hex(),
        "signature": algorithm.signature.hex(),
        "entry": algorithm.entry.hex(),
        "refused": "not-yet",
    }


def receipt_vector(case: ReceiptCase) -> dict[str, Any]:
    return {
        "what": case.what,
        "kind": "receipt",
        "text": case.text,
        "vkey": case.vkey,
        "content": case.content and hex_of(case.content),
        **(hex_of(case.facts) if case.facts else {"error": case.code}),
    }


def sidecar_vector(case: SidecarCase) -> dict[str, Any]:
    rows = {
        str(row): {"digest": digest.hex(), "path": hex_of(path)} for row, (digest, path) in case.rows.items()
    }
    return {
        "what": case.what,
        "kind": "rows",
        "artifact_id": case.artifact_id.hex(),
        "file": case.file.hex(),
        **({"error": case.code} if case.code else {"rows": rows}),
    }


def status_vector(case: StatusCase) -> dict[str, Any]:
    return {
        "what": case.what,
        "kind": "status",
        "root": case.root.hex(),
        "wanted": hex_of(case.wanted),
        "proof": case.proof.hex(),
        **({"error": case.code} if case.code else {}),
    }


def ancestry_vector(case: AncestryCase) -> dict[str, Any]:
    return {
        "what": case.what,
        "kind": "ancestry",
        "vkey": case.vkey,
        "at_ms": ancestries.AT_MS,
        "file": case.file.hex(),
        "expected": case.expected,
    }


def settings_vector(case: SettingsCase) -> dict[str, Any]:
    found = {"error": case.code, "key": case.key}
    good = {"digest": hashlib.sha256(case.text.encode()).hexdigest()}
    return {"what": case.what, "kind": case.kind, "text": case.text, **(found if case.code else good)}


def vectors() -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, content) of every file."""
    for group in (records.legal, records.refused, payloads.legal, payloads.refused, payloads.entries):
        for case in group():
            yield case.name, case_vector(case)
    for scenario in all_scenarios():
        yield scenario.name, log_vector(scenario)
    for receipt in (*receipts.legal(), *forged_receipts.refused()):
        yield receipt.name, receipt_vector(receipt)
    for sidecar in (*sidecars.legal(), *sidecars.refused()):
        yield sidecar.name, sidecar_vector(sidecar)
    for status in (*statuses.legal(), *statuses.refused()):
        yield status.name, status_vector(status)
    for ancestry in (*ancestries.legal(), *forged_ancestries.refused()):
        yield ancestry.name, ancestry_vector(ancestry)
    for file in settings.settings():
        yield file.name, settings_vector(file)
    yield "algorithm/ml-dsa-44", algorithm_vector(algorithms.ml_dsa_44())


def files() -> dict[str, str]:
    """Path below tests/vectors -> text; names are unique."""
    result: dict[str, str] = {}
    counts = dict.fromkeys(KINDS, 0)
    for name, vector in vectors():
        path = f"{name}.json"
        if path in result:
            raise ValueError(f"two vectors are called {name}")
        counts[vector["kind"]] += 1
        result[path] = json.dumps(vector, indent=1, sort_keys=True, ensure_ascii=True) + "\n"
    result["README.md"] = README.format(count=sum(counts.values()), **counts)
    return result


def main() -> None:
    if "--spec" in sys.argv[1:]:
        spec_examples.write()
        return
    wanted = files()
    for path in FOLDER.rglob("*.*"):
        if str(path.relative_to(FOLDER)) not in wanted:
            path.unlink()
    for name, text in wanted.items():
        target = FOLDER / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    print(f"{len(wanted) - 1} vectors in {FOLDER}")


if __name__ == "__main__":
    main()
