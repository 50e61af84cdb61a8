"""The project's own vectors: read, counted, checked one by one, and made anew to the same bytes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from ledger.errors import LineageError, ProofInvalid, RefusedInput, StoreFault
from ledger.identity.vkey import Vkey
from ledger.merkle.prefix_multiproof import verify_keys
from ledger.origin.judge import Judge
from ledger.origin.levels import level_of
from ledger.origin.policy import Policy, parse_policy
from ledger.origin.proved import FACTS, ProvedLog, verify
from ledger.origin.trust import Trust, parse_trust
from ledger.proofs.facts import Node
from ledger.proofs.receipt import Content, check_receipt
from ledger.proofs.rows import check_row, check_rows, open_rows, prove_row
from ledger.statements.entry import decode_entry
from ledger.statements.record import decode_record
from ledger.statements.statement import decode_statement
from ledger.store.rows_file import RowsFile
from tests.cases.logs import Erased
from tests.cases.replay import by_ledger, clocks, fold_numbers
from tests.reference import pae as naive_pae
from tools.make_vectors import FOLDER, files, hex_of, unhexed

COUNTS = {
    "record": 161,
    "payload": 164,
    "entry": 24,
    "log": 338,
    "receipt": 110,
    "rows": 20,
    "status": 47,
    "ancestry": 233,
    "algorithm": 1,
    "trust": 49,
    "policy": 55,
}

# Codes of SPEC §14 that neither admission nor the fold gives: those that receipts show, and of folders and libraries.
SETTINGS = {"trust", "policy"}  # their codes are no other implementation's matter (SPEC §14.1)
UNKNOWN_LOG = "log-not-trusted"  # what no vkey at hand is of (SPEC §12.3), and no fault of a file
OF_RECEIPTS = {"checkpoint-invalid", "note-invalid", "inclusion-invalid", "receipt-invalid"}
ELSEWHERE = OF_RECEIPTS | {
    "ed25519-cofactor",
    "record-missing",
    "tree-differs",
    "tile-differs",
    "rows-missing",
    "checkpoint-behind",
    "checkpoint-inconsistent",
    "verdicts-invalid",
    "manifest-differs",
    "views-invalid",
}


@cache
def stored() -> dict[str, dict[str, Any]]:
    return {
        str(path.relative_to(FOLDER).with_suffix("")): json.loads(path.read_text())
        for path in sorted(FOLDER.rglob("*.json"))
    }


def test_the_number_of_vectors() -> None:
    assert Counter(vector["kind"] for vector in stored().values()) == COUNTS
    assert all(name.startswith(vector["kind"] + "/") for name, vector in stored().items())


def test_every_code_of_admission_and_fold_is_shown() -> None:
    shown, by_receipts = (
        {
            vector["error"]
            for vector in stored().values()
            if "error" in vector
            and (vector["kind"] == "receipt") is are_receipts
            and vector["kind"] not in SETTINGS
        }
        for are_receipts in (False, True)
    )
    shown |= {code for vector in stored().values() for *_place, code in vector.get("faults", [])}
    by_proofs = {stored()[name]["expected"].get("code", UNKNOWN_LOG) for name in names("ancestry")}
    shown |= by_proofs - {UNKNOWN_LOG} - OF_RECEIPTS
    text = (Path(__file__).resolve().parents[1] / "SPEC.md").read_text()
    table = text.split("## 14. ")[1].split("\n## ")[0].split("### 14.1")[0]
    listed = {
        code
        for line in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for code in re.findall("`(.*?)`", line)
    }
    assert listed - shown == ELSEWHERE
    assert shown <= listed
    assert OF_RECEIPTS <= by_receipts <= listed


def names(*kinds: str) -> list[str]:
    return sorted(path for path, vector in stored().items() if vector["kind"] in kinds)


@pytest.mark.parametrize("name", names("record", "payload", "entry"))
def test_vector(name: str) -> None:
    vector = stored()[name]
    data = unhexed(vector["hex"])
    read = {"record": decode_record, "payload": decode_statement, "entry": decode_entry}[vector["kind"]]
    try:
        found: Any = read(data)
    except LineageError as error:
        assert error.code == vector.get("error")  # noqa: PT017 - good vectors do not raise
        return
    assert "error" not in vector
    if vector["kind"] == "record":
        assert found.id.hex() == vector["artifact_id"]
    elif vector["kind"] == "payload":
        assert found.id.hex() == vector["statement_id"]
    else:
        assert found.leaf_hash.hex() == vector["leaf_hash"]
        assert found.statement.id.hex() == vector["statement_id"]


@pytest.mark.parametrize("name", names("receipt"))
def test_receipt_vector(name: str) -> None:
    vector = stored()[name]
    content, vkey = vector["content"], Vkey.parse(vector["vkey"])
    held = content and Content(content["form"], bytes.fromhex(content["digest"]), content["size"])
    if "error" in vector:
        with pytest.raises(ProofInvalid) as refusal:
            check_receipt(vector["text"], vkey, held)
        assert refusal.value.code == vector["error"]
        return
    facts = check_receipt(vector["text"], vkey, held)
    assert facts.artifact_id.hex() == vector["artifact_id"]
    assert facts.maker.hex() == vector["maker"]
    assert (facts.anchor.hex() if facts.anchor else None) == vector["anchor"]
    assert (facts.log_index, facts.content_checked) == (vector["log_index"], content is not None)


@pytest.mark.parametrize("name", names("rows"))
def test_rows_vector(name: str, tmp_path: Path) -> None:
    vector = stored()[name]
    path, artifact_id = tmp_path / "sidecar", bytes.fromhex(vector["artifact_id"])
    path.write_bytes(bytes.fromhex(vector["file"]))
    if "error" in vector:
        with pytest.raises((ProofInvalid, StoreFault)) as refusal:
            check_sidecar(path, artifact_id)
        assert refusal.value.code == vector["error"]
        return
    check_sidecar(path, artifact_id)
    with RowsFile(path) as rows:
        record = open_rows(artifact_id, rows)
        for row, expected in vector["rows"].items():
            digest, proof = prove_row(record, rows, int(row))
            assert (digest.hex(), hex_of(proof)) == (expected["digest"], expected["path"])
            check_row(record, int(row), digest, proof)


@pytest.mark.parametrize("name", names("status"))
def test_status_vector(name: str) -> None:
    vector = stored()[name]
    root, proof = bytes.fromhex(vector["root"]), bytes.fromhex(vector["proof"])
    wanted = {
        bytes.fromhex(key): None if value is None else bytes.fromhex(value)
        for key, value in vector["wanted"].items()
    }
    if "error" not in vector:
        verify_keys(root, wanted, proof)
        return
    with pytest.raises(ProofInvalid) as refusal:
        verify_keys(root, wanted, proof)
    assert refusal.value.code == vector["error"]


def document_of(file: bytes, vkey: str, at_ms: int) -> dict[str, Any]:
    """What the ledger says of an ancestry proof, as vectors have it."""
    try:
        proved = verify(file, [Vkey.parse(vkey)], at_ms=at_ms)
    except LineageError as error:
        return {"valid": False, "code": error.code}
    if proved.unknown_logs:
        return {"valid": False, "code": UNKNOWN_LOG}
    (log,) = proved.logs
    nodes = log.ancestries.nodes
    judge = Judge(nodes, FACTS, log.trust, log.moment)
    whole = [each for each in log.subjects if each.row is None and not each.rows]
    told: list[tuple[bytes, dict[str, Any]]] = [
        (each.id, {"row": None, "standing": each.standing.label}) for each in whole
    ]
    for name, held in sorted(log.log.rows.items()):
        rows = [list(each) for each in held.ranges]
        told.append((name, {"rows": rows, "standing": judge.artifact(name).status.label}))
    return {
        "valid": True,
        "size": log.log.checkpoint.size,
        "subjects": [
            {"id": name.hex(), **facts_of(nodes[name]), **people_of(log, name), **more} for name, more in told
        ],
        "nodes": {name.hex(): facts_of(node) for name, node in nodes.items()},
    }


def facts_of(node: Node) -> dict[str, str]:
    return {"presence": str(node.presence), "status": str(node.status), "level": level_of(node).code}


def people_of(log: ProvedLog, name: bytes) -> dict[str, list[str]]:
    ancestry = log.ancestry(name)
    return {"humans": hex_of(ancestry.humans), "authors": hex_of(ancestry.authors)}


@pytest.mark.parametrize("name", names("ancestry"))
def test_ancestry_vector(name: str) -> None:
    vector = stored()[name]
    found = document_of(bytes.fromhex(vector["file"]), vector["vkey"], vector["at_ms"])
    assert found == vector["expected"]


def check_sidecar(path: Path, artifact_id: bytes) -> None:
    with RowsFile(path) as rows:
        check_rows(artifact_id, rows)


@pytest.mark.parametrize("name", names("log"))
def test_log_vector(name: str) -> None:
    vector = stored()[name]
    log = bytes.fromhex(vector["log_id"])
    entries = [unhexed(data) for data in vector["entries"]]
    records = {
        int(index): [
            Erased(bytes.fromhex(item["erased"]))
            if isinstance(item, dict) and "erased" in item
            else unhexed(item)
            for item in items
        ]
        for index, items in vector["records"].items()
    }
    assert clocks(log, entries) == vector["clocks"]
    assert fold_numbers(log, entries) == vector["fold_numbers"]
    found = by_ledger(log, entries, records)
    assert {name: hex_of(meaning) for name, meaning in found._asdict().items()} == {
        name: vector[name] for name in found._fields
    }


@pytest.mark.parametrize("name", names("trust", "policy"))
def test_settings_vector(name: str) -> None:
    vector = stored()[name]
    read: Callable[[bytes], Trust | Policy] = parse_trust if vector["kind"] == "trust" else parse_policy
    data = vector["text"].encode()
    if "error" not in vector:
        assert read(data).digest.hex() == vector["digest"]
        return
    with pytest.raises(RefusedInput) as refusal:
        read(data)
    assert refusal.value.code == vector["error"]
    item = refusal.value.item.split(": ")[-1].removeprefix("key ")
    assert item == vector["key"]
    assert refusal.value.reason
    assert refusal.value.fix


def test_algorithm_vector() -> None:
    """ML-DSA-44 by a library that the ledger does not use for it: pure, with an empty context (SPEC §6)."""
    vector = stored()["algorithm/ml-dsa-44"]
    key, pae, signature = (bytes.fromhex(vector[name]) for name in ("public_key", "pae", "signature"))
    entry = decode_entry(bytes.fromhex(vector["entry"]))
    assert (len(key), len(signature)) == (1_312, 2_420)
    assert entry.statement.payload == bytes.fromhex(vector["payload"])
    assert pae == naive_pae(entry.statement.payload)
    assert ["ml-dsa-44", key] in entry.statement.body["keyset"]["keys"]
    assert signature in [item.signature for item in entry.signatures]
    refusal = stored()["log/enrol-ml-dsa-44"]
    assert vector["entry"] in refusal["entries"]
    assert [code for *_place, code in refusal["faults"]] == [vector["refused"]]
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

        public_key = MLDSA44PublicKey.from_public_bytes(key)
    except (ImportError, UnsupportedAlgorithm):
        pytest.skip(
            "the installed `cryptography` knows no ML-DSA: pip install 'cryptography>=47' verifies it"
        )
    public_key.verify(signature, pae)
    with pytest.raises(InvalidSignature):
        public_key.verify(signature, pae + b"x")
    with pytest.raises(InvalidSignature):
        public_key.verify(signature, pae, b"a context")


def test_making_them_anew_gives_the_same_bytes() -> None:
    wanted = files()
    present = {str(path.relative_to(FOLDER)): path.read_text() for path in FOLDER.rglob("*.*")}
    assert sorted(present) == sorted(wanted)
    assert [name for name in wanted if present[name] != wanted[name]] == []
