"""Receipts beside files and datasets: written by the ledger, checked where there is none (SPEC §11.4)."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ledger
from ledger.api import receipt_table
from ledger.api.receipt_table import Head, Line, open_table, write_table
from ledger.api.receipts import _lines, receipt_path, row_receipts_path
from ledger.api.verified import FAULTS_KEPT_MAX, Signer, Verified
from ledger.api.verifying import trusted_log, verify
from ledger.api.verifying_rows import _FORMS, _is_about, _Note, _Notes
from ledger.datasets.rows import Row
from ledger.errors import NotFound, ProofInvalid, RefusedInput, StoreFault
from ledger.proofs.tlog_proof import TlogProof
from ledger.signer.signing import append_records
from ledger.spec import HASH_BYTES
from ledger.statements.record import Record, make_record, sealed_content, sealed_size
from tests.dishonest import liar
from tests.test_proofs.issued import opened, with_extra

COUNT = 40  # rows of the dataset


class Place:
    """A ledger with the humans ada and ben; one in a module, since no test changes what it holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = str(folder / "keys")
        self.door = ledger.create(folder / "ledger", unencrypted=True, config=self.config)
        self.ada, self.ben = (self.door.new_identity(name, unencrypted=True).id for name in ("ada", "ben"))
        self.vkey = self.door.vkey

    def file(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def rows(self, name: str, texts: list[str]) -> Path:
        return self.file(name, "".join(json.dumps({"text": text, "n": 1}) + "\n" for text in texts))

    def signed_rows(self, name: str, texts: list[str], by: str = "ada") -> Path:
        path = self.rows(name, texts)
        signed = self.door.sign_rows(path, "text", by)
        assert self.door.write_row_receipts(path, "text", signed) == row_receipts_path(path)
        return path

    def verify(self, path: Path, receipt: Path | None = None) -> Verified:
        return ledger.verify_receipt(path, receipt=receipt, vkey=str(self.vkey))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("receipts"))
    yield made
    made.door.close()


@pytest.fixture(scope="module")
def dataset(place: Place) -> Path:
    """Rows of three statements: one has a row of another dataset too, one has a single row; some rows stand twice."""
    texts = [f"row {number}" for number in range(COUNT - 4)]
    place.signed_rows("before.jsonl", [*texts[: COUNT // 3], "elsewhere"])
    place.signed_rows("one.jsonl", [texts[-2]])
    return place.signed_rows("data.jsonl", [texts[3], *texts, texts[0], texts[-1], texts[20]])


def lines_of(path: Path) -> list[Line]:
    with open_table(path) as table:
        return list(table.lines())


def code_of(outcome: Verified) -> str:
    assert not outcome.ok
    return outcome.faults[0].code


# A file and its receipt


def test_a_files_receipt_is_checked_without_ledger_and_keys(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.file("notes.md", "It rained all day.")
    signed = place.door.sign([path], "ada")
    (receipt,) = place.door.write_receipts(signed)
    assert receipt == receipt_path(path) == path.with_name("notes.md.tlog-proof")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for file in (path, receipt):
        shutil.copy(file, elsewhere)
    monkeypatch.setenv("LINEAGE_LEDGER", str(tmp_path / "none"))
    monkeypatch.setenv("LINEAGE_CONFIG", str(tmp_path / "none"))
    outcome = place.verify(elsewhere / "notes.md")
    assert (outcome.ok, outcome.standing, set(outcome.humans)) == (True, "unknown", {place.ada})
    assert outcome.facts is not None
    assert outcome.facts.artifact_id == signed.ids[0]
    assert outcome.facts.content_checked
    assert outcome.made_by == {Signer(place.ada, "human", None): 1}
    assert outcome.size == place.door.checkpoint().size


def test_its_outer_part_is_what_log_proof_writes(place: Place) -> None:
    path = place.file("outer.md", "Outer part.")
    signed = place.door.sign([path], "ada")
    (receipt,) = place.door.write_receipts(signed)
    assert receipt.read_text() == place.door.receipt(signed.ids[0])
    bare = TlogProof.parse(place.door.receipt(signed.ids[0], bare=True))
    proof = TlogProof.parse(receipt.read_bytes())
    assert (proof.index, proof.path, proof.checkpoint_note) == (bare.index, bare.path, bare.checkpoint_note)


def test_a_pairs_human_and_a_reporter_are_told(place: Place) -> None:
    model = {"name": "family/model", "version": "1"}
    pair = place.door.new_identity(
        "ada+model", "pair", of="ada", substrate=model, scope={"human": 1_000_000}, unencrypted=True
    )
    made, told = place.file("made.md", "By a pair."), place.file("told.md", "By somebody else.")
    place.door.write_receipts(place.door.sign([made], "ada+model"))
    place.door.write_receipts(place.door.sign([told], "ben", ledger.Claim(reported=True)))
    of_pair, of_reporter = place.verify(made), place.verify(told)
    assert of_pair.made_by == {Signer(pair.id, "pair", place.ada): 1}
    assert of_pair.humans == {place.ada}
    assert (of_reporter.ok, of_reporter.humans, of_reporter.made_by) == (True, frozenset(), Counter())
    assert of_reporter.reported_by == {Signer(place.ben, "human", None): 1}


def test_a_changed_file_another_file_and_another_log_are_told(place: Place, tmp_path: Path) -> None:
    path, other = place.file("changed.md", "As it was."), place.file("other.md", "Something else.")
    signed = place.door.sign([path, other], "ada")
    first, second = place.door.write_receipts(signed)
    assert [outcome.ok for outcome in map(place.verify, (path, other))] == [True, True]
    assert code_of(place.verify(path, second)) == "receipt-invalid"
    path.write_text("As it was!")
    changed = place.verify(path)
    assert code_of(changed) == "receipt-invalid"
    assert (changed.facts, changed.humans) == (None, frozenset())
    with ledger.create(tmp_path / "other", unencrypted=True, config=str(tmp_path / "keys")) as foreign:
        outcome = ledger.verify_receipt(other, vkey=str(foreign.vkey))
    assert code_of(outcome) == "note-invalid"
    assert first.exists()


def test_no_byte_of_a_receipt_can_change(place: Place) -> None:
    path = place.file("flipped.md", "Flip me.")
    (receipt,) = place.door.write_receipts(place.door.sign([path], "ada"))
    data = receipt.read_bytes()
    older = with_extra(
        data.decode(), opened(data.decode()) | {"v": 1}
    ).encode()  # of the former version, and as good
    mutant = path.with_name("mutant")
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :]
        mutant.write_bytes(changed)
        assert place.verify(path, mutant).ok == (changed == older), position
    for length in range(0, len(data), 97):
        mutant.write_bytes(data[:length])
        assert not place.verify(path, mutant).ok, length
    assert len(data) > 1_000


def test_json_signed_as_a_whole_row_is_compared_in_its_canonical_form(place: Place) -> None:
    rows = place.file("one.jsonl", '{"b": 1, "a": "x"}\n')
    signed = place.door.sign_rows(rows, None, "ada")
    text = place.door.receipt(signed.ids[0])
    file = place.file("row.json", '{"a":"x",\n "b":1.0}')
    receipt = place.file("row.json.tlog-proof", text)
    assert place.verify(file).ok
    file.write_text('{"a":"y","b":1}')
    assert code_of(place.verify(file, receipt)) == "receipt-invalid"


def test_without_a_receipt_its_place_is_named(place: Place) -> None:
    path = place.file("bare.md", "No receipt.")
    with pytest.raises(NotFound, match=r"bare\.md\.tlog-proof") as refusal:
        place.verify(path)
    assert refusal.value.code == "receipt-missing"
    with pytest.raises(NotFound) as refusal:
        place.verify(path.with_name("nowhere.md"))
    assert refusal.value.code == "file-not-found"
    with pytest.raises(NotFound) as refusal:
        place.verify(path, path.with_name("nowhere"))
    assert refusal.value.code == "file-not-found"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_receipt_is_a_file(place: Place, tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "r")
    with pytest.raises(RefusedInput) as refusal:
        place.verify(place.file("any.md", "Any."), tmp_path / "r")
    assert refusal.value.code in ("is-a-folder", "not-a-regular-file")


def test_a_giant_is_no_receipt(place: Place, tmp_path: Path) -> None:
    receipt = tmp_path / "giant"
    with receipt.open("wb") as file:
        file.truncate(1 << 40)
    assert code_of(place.verify(place.file("any.md", "Any."), receipt)) == "receipt-invalid"


def test_files_and_rows_have_each_their_verb(place: Place) -> None:
    path = place.rows("verbs.jsonl", ["one"])
    before = set(place.folder.iterdir())
    with pytest.raises(RefusedInput, match="write_row_receipts"):
        place.door.write_receipts(place.door.sign_rows(path, "text", "ada"))
    with pytest.raises(RefusedInput, match="write_receipts"):
        place.door.write_row_receipts(path, "text", place.door.sign([path], "ada"))
    assert set(place.folder.iterdir()) == before


# What lies there already


def test_a_receipt_of_the_same_artifact_is_renewed(place: Place) -> None:
    path = place.file("again.md", "Signed once.")
    (receipt,) = place.door.write_receipts(place.door.sign([path], "ada"))
    before = receipt.read_text()
    place.door.sign([place.file("between.md", "Something between.")], "ada")
    place.door.foresee_receipts([path])
    assert place.door.write_receipts(place.door.sign([path], "ada")) == [receipt]
    assert receipt.read_text() != before
    assert place.verify(path).ok


def test_other_receipts_and_other_files_are_left_alone(place: Place) -> None:
    folder = place.folder / "kept"
    mine, edited, text = (place.file(f"kept/{name}", f"{name} here.") for name in ("mine", "edited", "text"))
    place.door.write_receipts(place.door.sign([mine, edited], "ada"))
    receipt_path(text).write_text("My own notes.\n")
    edited.write_text("Changed since.")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for path, reason in ((edited, "another content"), (text, "no receipt of this log")):
        with pytest.raises(RefusedInput, match=reason) as refusal:
            place.door.foresee_receipts([path])
        assert refusal.value.code == "receipt-exists"
    fresh = place.file("kept/fresh", "Fresh here.")
    signed = place.door.sign([mine, fresh], "ben")
    with pytest.raises(RefusedInput, match="another artifact") as refusal:
        place.door.write_receipts(signed)
    assert (refusal.value.code, "mine" in refusal.value.item) == ("receipt-exists", True)
    assert place.verify(fresh).humans == {place.ben}  # the others are written all the same
    assert {path: path.read_bytes() for path in before} == before


def test_a_link_where_the_receipt_belongs_leads_to_nothing_written(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("Not a receipt.")
    path = place.file("linked.md", "Linked.")
    receipt_path(path).symlink_to(target)
    signed = place.door.sign([path], "ada")
    with pytest.raises(RefusedInput, match="no receipt of this log"):
        place.door.write_receipts(signed)
    assert target.read_text() == "Not a receipt."


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_what_was_there(
    place: Place, dataset: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = place.file(f"full-{failing}/notes.md", f"Disk full at {failing}.")
    signed = place.door.sign([path], "ada")
    (receipt,) = place.door.write_receipts(signed)
    rows = place.signed_rows(f"full-{failing}/rows.jsonl", ["one", "two"])
    signed_rows = place.door.sign_rows(rows, "text", "ada")
    before = {each: each.read_bytes() for each in path.parent.iterdir()}

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr("os.fsync" if failing == "fsync" else "pathlib.Path.replace", full)
        for act in (
            lambda: place.door.write_receipts(signed),
            lambda: place.door.write_row_receipts(rows, "text", signed_rows),
        ):
            with pytest.raises(StoreFault) as fault:
                act()
            assert fault.value.code == "store-failed"
    assert {each: each.read_bytes() for each in path.parent.iterdir()} == before
    assert place.verify(path, receipt).ok


# Rows


def test_each_row_is_verified_by_its_statement(place: Place, dataset: Path) -> None:
    outcome = place.verify(dataset)
    assert (outcome.ok, outcome.column, outcome.is_table) == (True, "text", True)
    assert (outcome.verified, outcome.unlogged, outcome.invalid) == (COUNT, 0, 0)
    assert outcome.made_by == {Signer(place.ada, "human", None): COUNT}
    lines = lines_of(row_receipts_path(dataset))
    assert sorted(line.row_index for line in lines) == list(range(COUNT))
    heads = [line.head for line in lines if line.head is not None]
    assert [len(head.ids) // HASH_BYTES for head in heads] == [COUNT // 3 + 1, 1, COUNT - 5 - COUNT // 3]
    assert all(
        earlier.row_index < later.row_index
        for earlier, later in pairwise(lines)
        if earlier.statement == later.statement
    )


def test_whole_rows_have_receipts(place: Place) -> None:
    path = place.rows("whole.jsonl", ["a", "b"])
    signed = place.door.sign_rows(path, None, "ben")
    place.door.write_row_receipts(path, None, signed)
    outcome = place.verify(path)
    assert (outcome.ok, outcome.verified, outcome.column, set(outcome.humans)) == (True, 2, None, {place.ben})


def test_the_same_rows_in_another_format_have_the_same_receipts(place: Place, tmp_path: Path) -> None:
    texts = ["first line", "second line"]
    receipts = row_receipts_path(place.signed_rows("formats.jsonl", texts))
    as_parquet = tmp_path / "data.parquet"
    pq.write_table(pa.table({"n": [1, 2], "text": texts, "lineage_id": [None, None]}), as_parquet)
    assert place.verify(as_parquet, receipts).verified == len(texts)
    as_lines = place.file("data.txt", "\n".join(texts))
    write_table(tmp_path / "r", None, lines_of(receipts))
    assert place.verify(as_lines, tmp_path / "r").verified == len(texts)
    with pytest.raises(RefusedInput) as refusal:
        place.verify(as_lines, receipts)
    assert refusal.value.code == "column-missing"


def test_a_text_is_not_the_object_that_has_its_bytes(place: Place) -> None:
    """Both have one digest and one size; the forms differ, and with them the claim."""
    path = place.file("forms.jsonl", '{"text": {"a": 1}}\n')
    place.door.write_row_receipts(path, "text", place.door.sign_rows(path, "text", "ada"))
    assert place.verify(path).ok
    path.write_text(json.dumps({"text": '{"a":1}'}) + "\n")
    outcome = place.verify(path)
    assert (outcome.verified, outcome.invalid) == (0, 1)


def test_a_size_that_is_stated_is_compared() -> None:
    content = b"a row"
    note = _Note(hashlib.sha256(content).digest(), len(content), _FORMS.index("raw"), 0)
    assert _is_about(note, Row(0, content, "raw"), b"")
    assert not _is_about(note._replace(size_bytes=4), Row(0, content, "raw"), b"")
    maker, salt = b"m" * 32, b"s" * 32
    note = _Note(sealed_content(maker, salt, content), 32, _FORMS.index("sealed"), 0)
    row = Row(0, content, "raw", {"lineage_salt": salt.hex()})
    assert _is_about(note, row, maker)
    assert not _is_about(note, row, b"n" * 32)
    assert not _is_about(note._replace(size_bytes=64), row, maker)


def test_what_was_erased_since_has_no_line(place: Place) -> None:
    signed = place.door.sign_rows(place.rows("erased.jsonl", ["a now", "b now", "c now"]), "text", "ada")
    with place.door.view() as view:
        lines = list(_lines(view, signed))

        def erased(honest: Any, log_index: int) -> list[tuple[bytes, bytes | None]]:
            return [(item, None if item == signed.ids[0] else record) for item, record in honest(log_index)]

        left: Any = liar(view, statement_records=erased)
        kept = list(_lines(left, signed))
    assert [line.row_index for line in lines] == [0, 1, 2]
    assert [line.row_index for line in kept] == [1, 2]
    assert kept[0].head == lines[0].head


def test_any_reader_of_parquet_reads_it(dataset: Path) -> None:
    table = pq.read_table(row_receipts_path(dataset), columns=["row_index", "artifact_id", "statement"])
    assert table.num_rows == COUNT
    assert set(table.column("statement").to_pylist()) == {0, 1, 2}


def test_rows_changed_moved_added_and_taken_away_are_told(place: Place, dataset: Path) -> None:
    receipts = row_receipts_path(dataset)
    rows = dataset.read_text().splitlines()

    def counts(changed: list[str]) -> tuple[int, int, int, int]:
        path = place.file("variant.jsonl", "\n".join(changed) + "\n")
        outcome = place.verify(path, receipts)
        assert outcome.verified + outcome.unlogged + outcome.invalid == len(changed)
        assert outcome.ok == (changed == rows)
        return outcome.verified, outcome.unlogged, outcome.invalid, outcome.fault_count

    assert counts(rows) == (COUNT, 0, 0, 0)
    edited = [rows[5].replace("row", "Row")]
    assert counts([*rows[:5], *edited, *rows[6:]]) == (COUNT - 1, 0, 1, 1)
    assert counts([*rows[:5], rows[6], rows[5], *rows[7:]]) == (COUNT - 2, 0, 2, 2)
    assert counts([*rows, *edited]) == (COUNT, 1, 0, 0)
    assert counts(rows[:-2]) == (COUNT - 2, 0, 0, 1)
    assert counts([*edited, *rows]) == (0, 1, COUNT, COUNT)
    assert FAULTS_KEPT_MAX < COUNT


def test_of_many_faults_the_first_are_kept(place: Place, dataset: Path) -> None:
    path = place.rows("strange.jsonl", ["strange"] * COUNT)
    outcome = place.verify(path, row_receipts_path(dataset))
    assert (outcome.fault_count, len(outcome.faults)) == (COUNT, FAULTS_KEPT_MAX)
    assert "row 0" in outcome.faults[0].item


def test_rows_without_a_line_are_unlogged(place: Place, dataset: Path, tmp_path: Path) -> None:
    lines = lines_of(row_receipts_path(dataset))
    write_table(tmp_path / "r", "text", [line for line in lines if line.head or line.row_index % 2])
    outcome = place.verify(dataset, tmp_path / "r")
    assert not outcome.ok
    assert outcome.fault_count == 0
    assert outcome.verified + outcome.unlogged == COUNT
    assert COUNT // 2 - 3 <= outcome.unlogged <= COUNT // 2


def test_a_lineage_id_that_is_another_rows_is_invalid(place: Place, dataset: Path, tmp_path: Path) -> None:
    ids = {line.row_index: line.artifact_id.hex() for line in lines_of(row_receipts_path(dataset))}
    rows = [json.loads(text) for text in dataset.read_text().splitlines()]
    for row_index, row in enumerate(rows):
        row["lineage_id"] = ids[row_index].upper() if row_index % 3 else None
    rows[4]["lineage_id"], rows[5]["lineage_id"] = rows[5]["lineage_id"], 7
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome = place.verify(tmp_path / "d.jsonl", row_receipts_path(dataset))
    assert (outcome.verified, outcome.invalid) == (COUNT - 2, 2)
    assert {fault.code for fault in outcome.faults} == {"lineage-id-differs"}


def test_the_column_is_that_of_the_file(place: Place, dataset: Path, tmp_path: Path) -> None:
    lines = lines_of(row_receipts_path(dataset))
    for column in ("n", None):
        write_table(tmp_path / "r", column, lines)
        outcome = place.verify(dataset, tmp_path / "r")
        assert (outcome.column, outcome.verified, outcome.invalid) == (column, 0, COUNT)
    write_table(tmp_path / "r", "missing", lines)
    with pytest.raises(RefusedInput) as refusal:
        place.verify(dataset, tmp_path / "r")
    assert refusal.value.code == "column-missing"


def swapped(lines: list[Line], one: int, other: int, *names: str) -> list[Line]:
    changed = list(lines)
    for name in names:
        changed[one] = changed[one]._replace(**{name: getattr(lines[other], name)})
        changed[other] = changed[other]._replace(**{name: getattr(lines[one], name)})
    return changed


def test_swapped_records_and_ids_are_told(place: Place, dataset: Path, tmp_path: Path) -> None:
    lines = lines_of(row_receipts_path(dataset))
    for names in (
        ["record"],
        ["artifact_id"],
        ["record_index"],
        ["record", "artifact_id"],
        ["record", "record_index"],
    ):
        write_table(tmp_path / "r", "text", swapped(lines, 5, 6, *names))
        outcome = place.verify(dataset, tmp_path / "r")
        assert (outcome.verified, outcome.invalid) == (COUNT - 2, 2), names
    write_table(tmp_path / "r", "text", swapped(lines, 5, 6, "record", "artifact_id", "record_index"))
    outcome = place.verify(dataset, tmp_path / "r")
    assert (outcome.verified, outcome.invalid) == (COUNT - 2, 2)
    assert "another content" in outcome.faults[0].reason


def test_a_statement_that_does_not_hold_makes_its_rows_invalid(
    place: Place, dataset: Path, tmp_path: Path
) -> None:
    lines = lines_of(row_receipts_path(dataset))
    sizes = Counter(line.statement for line in lines)
    firsts = [position for position, line in enumerate(lines) if line.head is not None]
    heads = [lines[position].head for position in firsts]

    def with_head(number: int, proof: Head | None, ids: Head | None) -> Verified:
        assert proof is not None
        assert ids is not None
        changed = list(lines)
        changed[firsts[number]] = lines[firsts[number]]._replace(head=Head(proof.proof, ids.ids))
        write_table(tmp_path / "r", "text", changed)
        return place.verify(dataset, tmp_path / "r")

    for number, head in enumerate(heads):
        other = heads[number - 1]
        for outcome in (with_head(number, other, head), with_head(number, head, other)):
            assert outcome.invalid == sizes[number]
            assert outcome.verified == COUNT - sizes[number]
        assert with_head(number, head, head).ok
        wholly_other = with_head(
            number, other, other
        )  # a good receipt, of a statement that has not these records
        assert (wholly_other.invalid, wholly_other.verified) == (sizes[number], COUNT - sizes[number])


def test_lines_out_of_order_are_no_file_of_receipts(place: Place, dataset: Path, tmp_path: Path) -> None:
    lines = lines_of(row_receipts_path(dataset))
    second = next(position for position, line in enumerate(lines) if line.statement == 2)
    variants = {
        "rows turned round": swapped(lines, second + 1, second + 2, *Line._fields),
        "no head": [lines[0]._replace(head=None), *lines[1:]],
        "a head too many": [
            *lines[: second + 1],
            lines[second + 1]._replace(head=lines[second].head),
            *lines[second + 2 :],
        ],
        "a row twice": [*lines[: second + 1], *lines[second:]],
        "a number left out": [
            *lines[:second],
            *(line._replace(statement=line.statement + 1) for line in lines[second:]),
        ],
        "from one on": [line._replace(statement=line.statement + 1) for line in lines],
        "a row below 0": [lines[0]._replace(row_index=-1), *lines[1:]],
        "a row in two statements": [
            *lines[:-1],
            lines[-1]._replace(row_index=COUNT),
            lines[0]._replace(statement=3),
        ],
    }
    for what, changed in variants.items():
        write_table(tmp_path / "r", "text", changed)
        outcome = place.verify(dataset, tmp_path / "r")
        assert (code_of(outcome), outcome.verified) == ("receipt-invalid", 0), what
        assert "order" in outcome.faults[0].reason or "two lines" in outcome.faults[0].reason, what


def test_half_a_head_is_refused(dataset: Path, tmp_path: Path) -> None:
    table = pq.read_table(row_receipts_path(dataset))
    nulls = pa.nulls(table.num_rows, pa.binary())
    for name in ("proof", "ids"):
        halved = table.set_column(table.schema.get_field_index(name), pa.field(name, pa.binary()), nulls)
        rewrite(halved, tmp_path / "r")
        with pytest.raises(ProofInvalid, match="not in order"):
            lines_of(tmp_path / "r")
    proofs = table.column("proof").to_pylist()
    proofs[1] = proofs[0]
    doubled = table.set_column(5, pa.field("proof", pa.binary()), pa.array(proofs, pa.binary()))
    rewrite(doubled, tmp_path / "r")
    with pytest.raises(ProofInvalid, match="not in order"):
        lines_of(tmp_path / "r")


def rewrite(
    table: Any, path: Path, about: bytes | None = b'{"v": 1, "column": "text"}', **options: Any
) -> None:
    """A table as anybody may write it."""
    defaults: dict[str, Any] = {"compression": "none", "use_dictionary": False, "store_schema": False}
    with pq.ParquetWriter(path, table.schema.remove_metadata(), **(defaults | options)) as writer:
        writer.write_table(table.replace_schema_metadata(None))
        if about is not None:
            writer.add_key_value_metadata({b"lineage": about})


def test_another_form_is_refused(place: Place, dataset: Path, tmp_path: Path) -> None:
    table = pq.read_table(row_receipts_path(dataset))
    path = tmp_path / "r"
    rewrite(table, path)
    assert place.verify(dataset, path).ok
    abouts = [
        None,
        b"",
        b"[]",
        b"{}",
        b'{"v": 2}',
        b'{"v": 1, "column": null}',
        b'{"v": 1, "column": 7}',
        b'{"v": 1, "x": 1}',
    ]
    for about in abouts:
        rewrite(table, path, about)
        assert code_of(place.verify(dataset, path)) == "receipt-invalid", about
    for options in ({"compression": "zstd"}, {"compression": "snappy"}, {"use_dictionary": True}):
        rewrite(table, path, **options)
        outcome = place.verify(dataset, path)
        assert "must be plain" in outcome.faults[0].reason
    for changed in (
        table.drop_columns(["ids"]),
        table.append_column("more", pa.array([1] * COUNT)),
        table.select(["artifact_id", "row_index", "record", "record_index", "statement", "proof", "ids"]),
        table.set_column(0, "row_index", table.column("row_index").cast(pa.int32())),
    ):
        rewrite(changed, path)
        assert "columns are not" in place.verify(dataset, path).faults[0].reason


def test_a_file_cut_short_or_changed_anywhere_never_proves_more(
    place: Place, dataset: Path, tmp_path: Path
) -> None:
    """Whatever byte changes: the rows that still verify are those of the dataset, by the same signer."""
    data = row_receipts_path(dataset).read_bytes()
    path = tmp_path / "r"
    for length in [*range(0, len(data), len(data) // 40), len(data) - 1]:
        path.write_bytes(data[:length])
        assert not place.verify(dataset, path).ok, length
    outcomes: Counter[bool] = Counter()
    refusals: Counter[str] = Counter()
    places = random.Random(11).sample(range(len(data)), 700) + list(range(len(data) - 200, len(data)))
    for position in places:
        path.write_bytes(data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :])
        try:
            outcome = place.verify(dataset, path)
        except RefusedInput as error:
            refusals[error.code] += 1
            continue
        outcomes[outcome.ok] += 1
        assert outcome.ok == (outcome.verified == COUNT and not outcome.fault_count)
        assert not outcome.verified or outcome.made_by == {Signer(place.ada, "human", None): outcome.verified}
    assert set(refusals) <= {"column-missing"}  # the name of the column was changed
    assert outcomes[False] > 600  # the others are bytes of the frame that say nothing, such as who wrote it


def test_a_row_group_is_bounded(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipt_table, "GROUP_BYTES", 2_000)
    lines = lines_of(row_receipts_path(dataset))
    write_table(tmp_path / "r", "text", lines)
    assert pq.ParquetFile(tmp_path / "r").num_row_groups > 5
    assert lines_of(tmp_path / "r") == lines
    monkeypatch.setattr(receipt_table, "GROUP_BYTES_MAX", 2_000)
    with pytest.raises(ProofInvalid, match="row group"):
        lines_of(tmp_path / "r")


def test_receipts_of_rows_are_renewed_and_extended_and_nothing_else_is_replaced(place: Place) -> None:
    path = place.signed_rows("growing.jsonl", ["one", "two"])
    receipts = row_receipts_path(path)
    place.door.foresee_receipts([path], rows=True)
    place.signed_rows("growing.jsonl", ["one", "two", "three"])
    assert place.verify(path).verified == 3
    before = receipts.read_bytes()
    with pytest.raises(RefusedInput, match="not of this dataset") as refusal:
        place.signed_rows("growing.jsonl", ["two", "three"])
    assert refusal.value.code == "receipt-exists"
    assert receipts.read_bytes() == before
    receipts.write_bytes(b"PAR1 my own")
    for act in (
        lambda: place.door.foresee_receipts([path], rows=True),
        lambda: place.signed_rows("growing.jsonl", ["one", "two", "three"]),
    ):
        with pytest.raises(RefusedInput, match="no receipts of this log") as refusal:
            act()
        assert refusal.value.code == "receipt-exists"
    assert receipts.read_bytes() == b"PAR1 my own"


def test_receipts_of_rows_in_another_log_are_not_replaced(place: Place, tmp_path: Path) -> None:
    path = place.signed_rows("foreign.jsonl", ["one"])
    with ledger.create(tmp_path / "other", unencrypted=True, config=str(tmp_path / "keys")) as other:
        with pytest.raises(RefusedInput, match="no receipts of this log"):
            other.foresee_receipts([path], rows=True)
        assert code_of(verify(path, row_receipts_path(path), other.vkey)) == "note-invalid"


def test_the_library_that_writes_is_named_before_anything_is_signed(
    place: Place, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RefusedInput) as refusal:
        place.door.foresee_receipts([dataset], rows=True)
    assert (refusal.value.code, "lineage-ledger[parquet]" in refusal.value.fix) == ("extra-missing", True)
    assert place.verify(dataset).ok  # to check receipts takes no library


def test_receipts_of_the_file_and_of_its_rows_are_told_apart(place: Place) -> None:
    path = place.signed_rows("both.jsonl", ["one", "two"])
    place.door.write_receipts(place.door.sign([path], "ben"))
    with pytest.raises(RefusedInput) as refusal:
        place.verify(path)
    assert refusal.value.code == "ambiguous"
    assert place.verify(path, receipt_path(path)).humans == {place.ben}
    assert place.verify(path, row_receipts_path(path)).humans == {place.ada}


def test_notes_are_kept_by_row_wherever_they_lie() -> None:
    notes = _Notes()
    rows = [0, 1, 63, 64, 65, 10_000_000, 2**62]
    for row in rows:
        assert notes.add(row, _Note(bytes([row % 251]) * 32, row, 1, row % 7))
        assert not notes.add(row, _Note(bytes(32), 1, 0, 0))
    for row in rows:
        assert notes.get(row) == _Note(bytes([row % 251]) * 32, row, 1, row % 7)
    assert [notes.get(row) for row in (2, 62, 66, 9_999_999)] == [None] * 4
    assert notes.count == len(rows)


def test_notes_of_rows_far_apart_take_little_room() -> None:
    """Whoever hands on receipts chooses the rows: each note costs a few times its line, and not that of 64 rows."""
    count = 20_000
    notes = _Notes()
    tracemalloc.start()
    try:
        for row in range(0, 64 * count, 64):
            notes.add(row, _Note(bytes(32), 0, 0, 0))
        assert tracemalloc.get_traced_memory()[0] < 400 * count
    finally:
        tracemalloc.stop()
    assert (notes.count, notes.get(64), notes.get(65)) == (count, _Note(bytes(32), 0, 0, 0), None)


# Sealed content


def sealed(place: Place, content: bytes, salt: bytes) -> Record:
    return make_record(
        kind="work",
        maker=place.ada,
        content=sealed_content(place.ada, salt, content),
        size_bytes=sealed_size(len(content)),
        form="sealed",
    )


def logged(place: Place, records: list[Record], labels: list[str | int]) -> ledger.Signed:
    signed = ledger.Signed(labels, [record.id for record in records])
    access = place.door._access
    with access.door() as door:
        new = [record.encoded for record in records]
        append_records(door, access.unlock("ada"), new, signed, lambda _done: None)
    return signed


def test_a_sealed_file_takes_its_salt(place: Place) -> None:
    path, salt = place.file("secret.md", "Nobody shall guess this."), b"s" * 32
    signed = logged(place, [sealed(place, path.read_bytes(), salt)], [str(path)])
    (receipt,) = place.door.write_receipts(signed)
    with pytest.raises(RefusedInput, match=r"secret\.md\.salt") as refusal:
        place.verify(path)
    assert refusal.value.code == "salt-missing"
    assert ledger.verify_receipt(path, vkey=str(place.vkey), salt=salt).ok
    wrong = ledger.verify_receipt(path, vkey=str(place.vkey), salt=b"t" * 32)
    assert (code_of(wrong), "another salt" in wrong.faults[0].reason) == ("receipt-invalid", True)
    beside = place.file("secret.md.salt", salt.hex() + "\n")
    assert place.verify(path).ok
    assert salt not in receipt.read_bytes()
    for text in ("", "ab" * 31, "ab" * 33, "xy" * 32, "é" * 32, salt.hex() + "\n\n"):
        beside.write_text(text)
        with pytest.raises(RefusedInput) as refusal:
            place.verify(path)
        assert refusal.value.code == "schema"
        assert not text or text not in str(refusal.value)
    beside.write_text("x" * 1_000)
    with pytest.raises(RefusedInput) as refusal:
        place.verify(path)
    assert refusal.value.code == "too-large"


def test_sealed_rows_take_the_salts_of_their_column(place: Place) -> None:
    texts, salts = ["one", "two", "three"], [bytes([number]) * 32 for number in range(3)]
    path = place.folder / "sealed.jsonl"
    records = [sealed(place, text.encode(), salt) for text, salt in zip(texts, salts, strict=True)]
    signed = logged(place, records, [0, 1, 2])

    def counts(*cells: str | None) -> tuple[int, int, int]:
        rows = [{"text": text, "lineage_salt": cell} for text, cell in zip(texts, cells, strict=True)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        outcome = place.verify(path)
        return outcome.verified, outcome.unlogged, outcome.invalid

    path.touch()
    place.door.write_row_receipts(path, "text", signed)
    one, two, three = (salt.hex() for salt in salts)
    assert counts(one, two, three) == (3, 0, 0)
    assert counts(one, None, three) == (2, 1, 0)
    assert counts(two, one, three) == (1, 0, 2)
    assert counts(one, two, "no salt") == (2, 0, 1)
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    assert (place.verify(path).unlogged, place.verify(path).ok) == (3, False)
    data = row_receipts_path(path).read_bytes()
    assert not any(salt in data or salt.hex().encode() in data for salt in salts)


# Whose signature counts


def test_the_vkey_given_comes_before_the_ledger_at_hand(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place.folder / "ledger"
    monkeypatch.setenv("LINEAGE_LEDGER", str(folder))
    with ledger.create(tmp_path / "other", unencrypted=True, config=str(tmp_path / "keys")) as other:
        assert trusted_log(str(other.vkey)) == (other.vkey, "given")
    assert trusted_log(None) == (place.vkey, "ledger")
    assert trusted_log(None, str(tmp_path / "other")) == (other.vkey, "ledger")
    with pytest.raises(RefusedInput) as refusal:
        trusted_log("log.example+00+xx")
    assert refusal.value.code == "key-refused"
    with pytest.raises(RefusedInput) as refusal:
        trusted_log(None, str(tmp_path))
    assert refusal.value.code == "not-a-ledger"
