"""Real text at length: every Debian changelog entry of this machine, reported under pseudonyms, traced and audited."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

import ledger
from ledger.api import audit_folder
from ledger.origin.levels import level_of
from ledger.statements.record import decode_record
from tests.changelogs import REASON, available, read_changelogs, scrub

SAMPLE = 500

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not available(), reason=REASON),
]


@dataclass
class Field:
    """A ledger with all entries signed. `rows` are (scrubbed text, author) in order; `signed` says where they stand."""

    path: Path
    rows: list[tuple[str, str]]
    signed: ledger.Signed
    vkey: str


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Field:
    folder = tmp_path_factory.mktemp("changelogs")
    rows = [(text, entry.author) for entry in read_changelogs() if (text := scrub(entry.text))]
    data = folder / "entries.jsonl"
    with data.open("w") as file:
        for text, author in rows:
            file.write(json.dumps({"text": text, "author": author}) + "\n")
    path = folder / "ledger"
    with ledger.create(path, unencrypted=True, config=str(folder / "keys")) as door:
        door.new_identity("collector", "registrar", unencrypted=True)
        claim = ledger.Claim(kind="work", reported=True, source={"category": "archive"})
        signed = door.sign_rows(data, "text", "collector", claim, columns={"attributed": "author"})
        return Field(path, rows, signed, door.marker.vkey)


def config(field: Field) -> str:
    return str(field.path.parent / "keys")


def test_duplicates_are_one_artifact_for_each_author(field: Field) -> None:
    assert len(field.rows) > 1_000
    ids = defaultdict(set)
    for row, artifact_id in zip(field.rows, field.signed.ids, strict=True):
        ids[row].add(artifact_id)
    assert all(len(found) == 1 for found in ids.values())
    assert len({artifact_id for found in ids.values() for artifact_id in found}) == len(ids)
    assert field.signed.new == len(ids) < len(field.rows)
    assert field.signed.already_logged == 0
    assert len(set(field.signed.log_indices)) == 1 + (len(ids) - 1) // 65_536


def test_no_author_is_named_in_the_log(field: Field) -> None:
    """Neither a name nor an address in an entry, a record, or any byte of the store's or the published files."""
    secrets = set()
    for _, author in field.rows:
        name, _, address = author.partition("<")
        secrets |= {part.encode() for part in (name.strip(), address.rstrip(">").strip()) if len(part) > 5}
    assert len(secrets) > 100
    attributed = {}
    with ledger.open(field.path, config=config(field)) as door, door.view() as view:
        records = [view.record(number) or b"" for number in range(view.record_count)]
        entries = [view.entry(index) for index in range(view.checkpoint.size)]
    log = b"".join((*records, *entries, (field.path / "data.mdb").read_bytes()))
    found = sum(secret in log for secret in secrets)
    assert found == 0, f"{found} names or addresses are in the log"
    for data in records:
        record = decode_record(data).fields
        assert record["stance"] == "reported"
        attributed[data] = record["attributed"]
    assert len(set(attributed.values())) == len({author for _, author in field.rows})


def test_a_sample_is_traced(field: Field) -> None:
    chosen = random.Random(1).sample(range(len(field.rows)), min(SAMPLE, len(field.rows)))
    with ledger.open(field.path, config=config(field), readonly=True) as door, door.view() as view:
        for row in chosen:
            artifact_id = field.signed.ids[row]
            assert artifact_id in door.find_text(field.rows[row][0])
            ancestry = door.trace(artifact_id, view)
            node = ancestry.nodes[artifact_id]
            assert (level_of(node).code, node.stance, node.fault) == ("L1", "reported", None)
            assert (node.log_index, ancestry.humans) == (field.signed.log_indices[row], ())
    assert len(chosen) == SAMPLE


def test_ledger_and_published_copy_are_audited(field: Field) -> None:
    public = field.path.parent / "public"
    with ledger.open(field.path, config=config(field), readonly=True) as door:
        door.publish(public)
    for report in (audit_folder(field.path, field.vkey), audit_folder(public, field.vkey)):
        assert report.ok, report.faults
        assert report.records == field.signed.new


def test_signing_it_all_again_logs_nothing(field: Field) -> None:
    with ledger.open(field.path, config=config(field)) as door:
        size = door.checkpoint().size
        claim = ledger.Claim(kind="work", reported=True, source={"category": "archive"})
        data = field.path.parent / "entries.jsonl"
        again = door.sign_rows(data, "text", "collector", claim, columns={"attributed": "author"})
        assert (again.new, again.already_logged) == (0, field.signed.new)
        assert (again.ids, again.log_indices) == (field.signed.ids, field.signed.log_indices)
        assert door.checkpoint().size == size
