"""Signing without a ledger: what is signed there is appended here, once, by whoever may write (SPEC §11.5)."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger.api import audit_folder, offline
from ledger.api.offline import OfflineKeys
from ledger.errors import LineageError
from ledger.signer.passphrases import Passphrases
from ledger.signer.seen import STANDING_FILE
from ledger.signer.statement_file import open_statements
from ledger.statements.entry import decode_entry
from ledger.statements.record import Parent, decode_record
from ledger.statements.statement import Statement


class Laptop:
    """A ledger at home; a laptop with keys of its own, and no ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self.home = folder / "keys at home"
        self.config = folder / "keys"
        with ledger.create(self.ledger, unencrypted=True, config=str(self.home)) as made:
            self.vkey = made.marker.vkey
        self.files = 0

    @property
    def keys(self) -> OfflineKeys:
        return offline.open_keys(self.vkey, str(self.config), Passphrases())

    def output(self) -> Path:
        self.files += 1
        return self.folder / f"{self.files}.statement"

    def text(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def enrol(self, name: str = "ada", **options: Any) -> Path:
        output = self.output()
        offline.new_identity_offline(self.keys, name, output, unencrypted=True, **options)
        return output

    def sign(
        self, *texts: str, by: str = "ada", claim: ledger.Claim | None = None
    ) -> tuple[Path, ledger.Signed]:
        paths = [self.text(f"{text}.txt", text) for text in texts]
        output = self.output()
        return output, offline.sign_files_offline(self.keys, paths, output, by, claim)

    def open(self) -> ledger.Ledger:
        return ledger.open(self.ledger, config=str(self.home))

    def append(self, *paths: Path) -> list[list[str]]:
        with self.open() as door:
            files = door.append_files(paths)
        assert [file.error for file in files] == [None] * len(paths)
        return [[one.error.code if one.error else one.outcome for one in file.answers] for file in files]


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path)


def statements(path: Path) -> list[Statement]:
    with open_statements(path) as file:
        return [decode_entry(entry).statement for entry, _records in file]


def code_of(use: Callable[[], object]) -> str:
    with pytest.raises(LineageError) as raised:
        use()
    return raised.value.code


def test_what_is_signed_offline_is_in_the_log_when_it_is_appended(laptop: Laptop) -> None:
    enrolment = laptop.enrol()
    first, signed = laptop.sign("one", "two")
    second, _ = laptop.sign("three")
    assert signed.log_indices == [1, 1]  # behind the enrolment, which the laptop knows of no log to hold
    assert laptop.append(enrolment, first, second) == [
        ["appended"],
        ["known", "appended"],
        ["known", "appended"],
    ]
    assert laptop.append(first) == [["known", "known"]]
    with laptop.open() as door:
        for text, artifact_id in zip(("one", "two"), signed.ids, strict=True):
            assert door.find_text(text) == [artifact_id]
    assert audit_folder(laptop.ledger).ok


def test_every_file_has_a_lane_of_its_own(laptop: Laptop) -> None:
    laptop.enrol()
    lanes = set()
    for number in range(3):
        path, _ = laptop.sign(f"{number}")
        _enrolment, statement = statements(path)
        lanes.add(statement.fields["lane"])
        assert statement.fields["seq"] == 0
    assert len(lanes) == 3
    assert not (laptop.keys.keys.find("ada").folder / "lanes").exists()


def test_many_records_are_several_statements_of_one_lane(
    laptop: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop.enrol()
    monkeypatch.setattr("ledger.signer.offline.chunks", lambda records: ([one] for one in records))
    rows = laptop.text("rows.jsonl", "".join(json.dumps({"text": f"row {n}"}) + "\n" for n in range(5)))
    output = laptop.output()
    signed = offline.sign_rows_offline(laptop.keys, rows, "text", output, "ada")
    assert (signed.new, signed.log_indices) == (5, [1, 2, 3, 4, 5])
    chain = statements(output)[1:]
    assert [one.fields["seq"] for one in chain] == list(range(5))
    assert [one.fields.get("prev") for one in chain] == [None, *(one.id for one in chain[:-1])]
    assert laptop.append(output) == [["appended"] * 6]


def test_claims_travel(laptop: Laptop) -> None:
    laptop.enrol()
    first, signed = laptop.sign("parent")
    claim = ledger.Claim(parents=(Parent("derived-from", signed.ids[0]),), rights={"license": "CC0-1.0"})
    second, child = laptop.sign("child", claim=claim)
    assert laptop.append(second, first) == [["appended", "appended"], ["known", "appended"]]
    with laptop.open() as door, door.view() as view:
        (number,) = view.find_artifact(child.ids[0])
        record = decode_record(view.record(number) or b"")
    assert [parent.id for parent in record.parents] == signed.ids


def test_refusals_before_anything_is_written(laptop: Laptop) -> None:
    laptop.enrol()
    file = laptop.text("notes", "notes")
    keys = laptop.keys

    def sign(by: str, claim: ledger.Claim | None = None, output: Path | None = None) -> Callable[[], object]:
        return lambda: offline.sign_files_offline(keys, [file], output or laptop.folder / "new", by, claim)

    assert code_of(sign("nobody")) == "name-unknown"
    assert code_of(sign("ada", ledger.Claim(kind="experience"))) == "not-offline"
    assert code_of(sign("ada", output=file)) == "file-exists"
    assert code_of(lambda: offline.open_keys(None, str(laptop.folder / "none"))) == "log-unknown"
    assert code_of(lambda: offline.new_identity_offline(keys, "ada", laptop.folder / "new")) == "name-taken"
    assert (
        code_of(lambda: offline.new_identity_offline(keys, "p", laptop.folder / "new", "pair"))
        == "not-offline"
    )
    assert not (laptop.folder / "new").exists()


def test_keys_brought_from_home_sign_as_they_stand_there(laptop: Laptop) -> None:
    """The whole folder of keys was copied after a rotation; the enrolment is known to be logged."""
    with laptop.open() as door:
        door.new_identity("ada", unencrypted=True)
        rotate(door, "ada")
    shutil.copytree(laptop.home, laptop.config)
    path, signed = laptop.sign("from afar")
    assert signed.log_indices == [0]
    assert laptop.append(path) == [["appended"]]


def test_pair_signs_by_the_delegation_that_this_machine_saw_last(laptop: Laptop) -> None:
    with laptop.open() as door:
        door.new_identity("ada", unencrypted=True)
        substrate = {"name": "model", "version": "1"}
        door.new_identity("ada+model", "pair", of="ada", substrate=substrate, unencrypted=True)
        with door._access.door() as log:
            standing = log.standing(door.keys.find("ada+model").id)
    assert standing is not None
    assert standing.delegation is not None
    shutil.copytree(laptop.home, laptop.config)
    seen = laptop.keys.keys.find("ada+model").folder / STANDING_FILE
    seen.unlink(missing_ok=True)
    assert code_of(lambda: laptop.sign("by a pair", by="ada+model")) == "not-delegated"
    remembered = {"key_event": standing.key_event.hex(), "delegation": standing.delegation.hex()}
    seen.write_text(json.dumps(remembered))
    path, _ = laptop.sign("by a pair", by="ada+model")
    assert laptop.append(path) == [["appended"]]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"key_event": 7}', '{"key_event": "zz"}', "[" * 9_999, "null"]
)
def test_standing_that_cannot_be_read_is_none(laptop: Laptop, text: str) -> None:
    laptop.enrol()
    identity = laptop.keys.keys.find("ada")
    (identity.folder / STANDING_FILE).write_text(text)
    about = identity.folder / "identity.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"kseq": 1}))
    assert code_of(lambda: laptop.sign("x")) == "standing-unknown"


def test_only_log_that_is_remembered_is_meant(laptop: Laptop, tmp_path: Path) -> None:
    config = str(laptop.config)
    assert code_of(lambda: offline.open_keys(None, config)) == "log-unknown"
    laptop.enrol()
    assert offline.open_keys(None, config).keys.log_id == laptop.keys.keys.log_id
    with ledger.create(tmp_path / "second", unencrypted=True, config=config) as second:
        vkey = second.marker.vkey
    ledger.open(tmp_path / "second", config=config).close()
    assert code_of(lambda: offline.open_keys(None, config)) == "log-unknown"
    assert str(offline.open_keys(vkey, config).vkey) == vkey


def test_file_older_than_a_rotation_is_refused_and_signed_again(laptop: Laptop) -> None:
    with laptop.open() as door:
        door.new_identity("ada", unencrypted=True)
    shutil.copytree(laptop.home, laptop.config)
    path, _ = laptop.sign("too late")
    with laptop.open() as door:
        rotate(door, "ada")
    assert laptop.append(path) == [["key-not-in-force"]]
    shutil.rmtree(laptop.config)
    shutil.copytree(laptop.home, laptop.config)
    again, _ = laptop.sign("too late")
    assert laptop.append(again) == [["appended"]]


def test_change_of_keys_that_is_under_way_signs_nothing(
    laptop: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop.enrol()
    monkeypatch.setattr("ledger.signer.offline.changes_of", lambda _identity: ["a change"])
    assert code_of(lambda: laptop.sign("x")) == "change-pending"


def test_keys_of_a_later_event_of_which_nothing_is_known_sign_nothing(laptop: Laptop) -> None:
    laptop.enrol()
    about = laptop.keys.keys.find("ada").folder / "identity.json"
    fields = json.loads(about.read_text())
    about.write_text(json.dumps(fields | {"kseq": 3}))
    assert code_of(lambda: laptop.sign("x")) == "standing-unknown"
    about.write_text(json.dumps(fields | {"retired": True}))
    assert code_of(lambda: laptop.sign("x")) == "identity-retired"


def test_full_disk_leaves_no_file_and_the_same_is_signed_in_another_lane(
    laptop: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop.enrol()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert code_of(lambda: laptop.sign("one")) == "store-failed"
    monkeypatch.undo()
    assert list(laptop.folder.glob("*.statement")) == [laptop.folder / "1.statement"]
    path, _ = laptop.sign("one")
    assert laptop.append(path) == [["appended", "appended"]]


def test_signed_for_another_log_is_refused(laptop: Laptop, tmp_path: Path) -> None:
    laptop.enrol()
    path, _ = laptop.sign("one")
    with ledger.create(tmp_path / "other", unencrypted=True, config=str(tmp_path / "others")) as other:
        (file,) = other.append_files([path])
    assert [one.error.code for one in file.answers if one.error] == ["wrong-log", "wrong-log"]


def rotate(door: ledger.Ledger, name: str) -> None:
    from ledger.api import KeyChange

    door.change_keys(name, KeyChange("rotate"), unencrypted=True)
