"""Outbox and statement files at the library's door: signed anywhere, appended by whoever may write (SPEC §10.5, §11.5)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger.api import audit_folder
from ledger.api.appending import APPENDED, KNOWN, REFUSED, WAITS, FileAppended
from ledger.api.draining import drain_now
from ledger.errors import LineageError, StoreFault
from ledger.log.writer import Appended
from ledger.signer.parcel import Parcel, pack, place_of
from ledger.signer.passphrases import Passphrases
from ledger.signer.statement_file import writing_statements
from ledger.statements.entry import Entry
from ledger.statements.record import Parent, Record
from ledger.store.lock import WriterLock
from ledger.store.outbox import Outbox, name_of
from tests.world import Actor, World, enrol

Statement = tuple[Entry, list[bytes]]


class Place:
    """A ledger, and signers far from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "ledger"
        self.config = folder / "keys"
        with ledger.create(self.path, unencrypted=True, config=str(self.config)) as made:
            self.log = made.marker.log_id
            made.new_identity("operating", unencrypted=True)
        self.ada, self.bob = enrol("ada", self.log), enrol("bob", self.log)
        self.outbox = Outbox(self.path)
        self.files = 0

    def open(self, **options: Any) -> ledger.Ledger:
        return ledger.open(self.path, config=str(self.config), **options)

    def enrol(self, *actors: Actor) -> None:
        with self.open() as door:
            for result in door.append_entries([actor.enrolment.encoded for actor in actors]):
                assert isinstance(result, Appended)

    def file(self, *statements: Statement) -> Path:
        self.files += 1
        path = self.folder / f"{self.files}.statement"
        with writing_statements(path) as file:
            for entry, records in statements:
                file.add(entry.encoded, records)
        return path

    def put(self, statement: Statement) -> None:
        entry, records = statement
        parcel = Parcel(((entry.encoded, tuple(records)),))
        self.outbox.put(*place_of(entry.statement), pack(parcel))

    def append(self, *paths: Path) -> list[FileAppended]:
        with self.open() as door:
            return door.append_files(paths)

    def entries(self) -> list[bytes]:
        with self.open(readonly=True) as door, door.view() as view:
            return [view.entry(log_index) for log_index in range(view.checkpoint.size)]

    def hide_log_key(self) -> Path:
        """The log's key is on another machine."""
        (key,) = self.config.glob("logs/*/log.key")
        return key.rename(self.folder / "log.key")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def signed(actor: Actor, text: str, lane: bytes = b"L" * 16, *named: Record) -> Statement:
    return actor.artifacts([record(actor, text, *named)], lane)


def record(actor: Actor, text: str, *named: Record) -> Record:
    return actor.record(text, parents=[Parent("derived-from", one.id) for one in named])


def code_of(use: Callable[[], object]) -> str:
    with pytest.raises(LineageError) as raised:
        use()
    return raised.value.code


def outcomes(files: list[FileAppended]) -> list[list[str]]:
    return [
        [answer.outcome if answer.error is None else answer.error.code for answer in file.answers]
        for file in files
    ]


def test_file_of_several_signers_is_appended_and_known_from_then_on(place: Place) -> None:
    statements = [
        (place.ada.enrolment, []),
        signed(place.ada, "one"),
        (place.bob.enrolment, []),
        signed(place.bob, "two"),
        signed(place.ada, "three"),
    ]
    path = place.file(*statements)
    first = place.append(path)
    assert outcomes(first) == [[APPENDED] * 5]
    before = place.entries()
    assert [before.count(entry.encoded) for entry, _records in statements] == [1] * 5
    assert [before[answer.log_index or 0] for answer in first[0].answers] == [
        entry.encoded for entry, _records in statements
    ]
    again = place.append(path, path)
    assert outcomes(again) == [[KNOWN] * 5] * 2
    assert [answer.log_index for answer in again[1].answers] == [
        answer.log_index for answer in first[0].answers
    ]
    assert place.entries() == before
    assert audit_folder(place.path).ok


def test_refused_statements_tell_why_and_hold_up_nobody(place: Place) -> None:
    elsewhere = enrol("elsewhere", World(origin="elsewhere.example/log").log)
    alien = place.ada.artifacts([record(place.bob, "of another")], b"a" * 16)
    paths = [
        place.file(
            (place.ada.enrolment, []),
            alien,
            signed(place.ada, "behind it", b"a" * 16),
            signed(place.ada, "good"),
        ),
        place.file((elsewhere.enrolment, []), signed(elsewhere, "there")),
        place.file(signed(place.bob, "never enrolled")),
        place.file((place.bob.enrolment, [b"a record too many"])),
    ]
    files = place.append(*paths)
    assert outcomes(files) == [
        [APPENDED, "maker-differs", "lane-broken", APPENDED],
        ["wrong-log", "wrong-log"],
        ["identity-unknown"],
        ["root-differs"],
    ]
    assert [file.count(REFUSED) for file in files] == [2, 2, 1, 1]


def test_what_is_named_may_come_with_a_later_file(place: Place) -> None:
    """Files in the wrong order: children before parents, statements before the enrolment of who signed them."""
    chain = [record(place.ada, "0")]
    for number in range(1, 4):
        chain.append(record(place.ada, f"{number}", chain[-1]))
    paths = [
        place.file(
            place.ada.artifacts([one], bytes([number]) * 16),
            signed(place.ada, f"{number} more", bytes([number]) * 16),
        )
        for number, one in reversed(list(enumerate(chain)))
    ]
    paths.append(place.file((place.ada.enrolment, [])))
    assert outcomes(place.append(*paths)) == [[APPENDED] * 2] * 4 + [[APPENDED]]
    assert audit_folder(place.path).ok


def test_children_before_parents_without_end_keep_nobody_for_long(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes a file may have each round bring but one statement more. The same command goes on."""
    place.enrol(place.ada)
    monkeypatch.setattr("ledger.api.appending._ROUNDS_MAX", 3)
    chain = [record(place.ada, "0")]
    for number in range(1, 7):
        chain.append(record(place.ada, f"{number}", chain[-1]))
    path = place.file(
        *(
            place.ada.artifacts([one], bytes([number]) * 16)
            for number, one in reversed(list(enumerate(chain)))
        )
    )
    assert outcomes(place.append(path)) == [["parent-unknown"] * 3 + [APPENDED] * 4]
    assert outcomes(place.append(path)) == [[APPENDED] * 3 + [KNOWN] * 4]


def test_file_that_is_cut_short_is_refused_whole_and_others_are_not_held_up(place: Place) -> None:
    place.enrol(place.ada)
    good = place.file(signed(place.ada, "good", b"g" * 16))
    cut = place.file(signed(place.ada, "one"), signed(place.ada, "two"))
    cut.write_bytes(cut.read_bytes()[:-1])
    size = len(place.entries())
    files = place.append(cut, place.folder / "none", place.path, good)
    assert [file.error and file.error.code for file in files] == [
        "statement-file-damaged",
        "file-not-found",
        "not-a-regular-file",
        None,
    ]
    assert outcomes(files) == [[], [], [], [APPENDED]]
    assert len(place.entries()) == size + 2  # the good one, and a state


def test_file_older_than_a_rotation_is_refused_with_the_reason(place: Place) -> None:
    place.enrol(place.ada)
    path = place.file(signed(place.ada, "before"))
    with place.open() as door:
        (result,) = door.append_entries([place.ada.key_event("rotate").encoded])
        assert isinstance(result, Appended)
    (file,) = place.append(path)
    assert outcomes([file]) == [["key-not-in-force"]]
    assert file.answers[0].error is not None
    assert file.answers[0].error.reason


def test_statements_that_are_none_are_told_one_by_one(place: Place) -> None:
    place.enrol(place.ada)
    path = place.folder / "F"
    entry, records = signed(place.ada, "good")
    with writing_statements(path) as file:
        file.add(b"no entry at all", [])
        file.add(entry.encoded, records)
    (appended,) = place.append(path)
    assert outcomes([appended]) == [["not-canonical", APPENDED]]
    assert appended.answers[0].id is None


def test_without_the_logs_key_statements_wait_in_the_outbox(place: Place) -> None:
    statements = [signed(place.ada, "one"), signed(place.ada, "two"), (place.ada.enrolment, [])]
    path = place.file(*statements)
    size = len(place.entries())
    key = place.hide_log_key()
    for _ in range(2):  # again is no harm
        assert outcomes(place.append(path)) == [[WAITS] * 3]
    assert len(place.entries()) == size
    with place.open() as door:
        assert code_of(door.drain) == "key-file-missing"
        assert drain_now(door._access) is None
        assert door.status()["outbox"]["waiting"] == 3
    key.rename(next(place.config.glob("logs/*")) / "log.key")
    with place.open() as door:
        drained = door.drain()
    assert len(drained.placed) == 3
    assert (drained.refused, drained.left) == ([], [])
    assert outcomes(place.append(path)) == [[KNOWN] * 3]
    assert audit_folder(place.path).ok


def test_place_that_another_parcel_has_is_told(place: Place) -> None:
    place.hide_log_key()
    other = enrol("ada", place.log)  # a second program of hers, which signs in the same lane
    place.put(signed(other, "another"))
    assert outcomes(place.append(place.file(signed(place.ada, "one")))) == [["outbox-taken"]]


def test_logs_key_that_cannot_be_opened_here_lets_wait(tmp_path: Path) -> None:
    path, config = tmp_path / "ledger", str(tmp_path / "keys")
    ledger.create(path, config=config, passphrases=Passphrases(b"right")).close()
    for passphrases, is_opened in ((b"wrong", False), (None, False), (b"right", True)):
        with ledger.open(path, config=config, passphrases=Passphrases(passphrases)) as door:
            assert (drain_now(door._access) is not None) == is_opened
            if not is_opened:
                assert code_of(door.drain) in ("passphrase-wrong", "passphrase-missing")


def test_full_disk_while_it_is_put_is_told_and_the_same_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.file((place.ada.enrolment, []), signed(place.ada, "one"), signed(place.ada, "two"))
    key = place.hide_log_key()
    real, puts = Outbox.put, 0

    def put(self: Outbox, lane: bytes, seq: int, data: bytes) -> Path:
        nonlocal puts
        puts += 1
        if puts == 2:
            raise StoreFault("outbox-unwritable", "outbox", "No space left on device")
        return real(self, lane, seq, data)

    monkeypatch.setattr(Outbox, "put", put)
    with pytest.raises(StoreFault, match="No space left"):
        place.append(path)
    monkeypatch.undo()
    assert len(place.outbox.waiting()) == 1
    key.rename(next(place.config.glob("logs/*")) / "log.key")
    assert outcomes(place.append(path)) == [[KNOWN, APPENDED, APPENDED]]
    assert place.outbox.waiting() == []


def test_every_verb_that_writes_takes_along_what_waits_before_it_and_after(place: Place) -> None:
    place.enrol(place.ada)
    place.put(signed(place.ada, "waited"))
    file = place.folder / "notes.txt"
    file.write_text("notes")
    with place.open() as door:
        signed_file = door.sign([file], "operating")
    (log_index,) = signed_file.log_indices
    assert place.outbox.waiting() == []
    assert log_index == len(place.entries()) - 2
    assert audit_folder(place.path).ok


def test_what_comes_while_a_verb_is_at_work_is_taken_too(place: Place) -> None:
    place.enrol(place.ada)
    with place.open() as door, door._access.door():
        place.put(signed(place.ada, "meanwhile"))
    assert place.outbox.waiting() == []


def test_parent_that_waits_is_there_for_who_signs(place: Place) -> None:
    place.enrol(place.ada)
    parent = record(place.ada, "parent")
    place.put(place.ada.artifacts([parent]))
    file = place.folder / "child.txt"
    file.write_text("child")
    claim = ledger.Claim(parents=(ledger.Parent("derived-from", parent.id),))
    with place.open() as door:
        assert door.sign([file], "operating", claim).new == 1


@pytest.mark.parametrize("plant", ["link", "pipe"])
def test_broken_outbox_stops_no_verb(place: Place, plant: str) -> None:
    elsewhere = place.folder / "elsewhere"
    elsewhere.mkdir()
    if plant == "link":
        place.outbox.folder.symlink_to(elsewhere)
    else:
        os.mkfifo(place.outbox.folder)
    file = place.folder / "notes.txt"
    file.write_text("notes")
    with place.open() as door:
        assert door.sign([file], "operating").new == 1
        assert "outbox" in door.status()


def test_who_holds_the_lock_is_not_waited_for(place: Place) -> None:
    place.enrol(place.ada)
    place.put(signed(place.ada, "waits"))
    with WriterLock(place.path).acquire(0), place.open(wait_s=0) as door:
        assert drain_now(door._access) is None
        assert code_of(door.drain) == "writer-busy"
    assert len(place.outbox.waiting()) == 1


def test_reader_does_not_drain(place: Place) -> None:
    with place.open(readonly=True) as door:
        assert code_of(door.drain) == "store-readonly"


def putting(place: Place, statements: list[Statement], errors: list[BaseException]) -> Iterator[None]:
    for statement in statements:
        try:
            place.put(statement)
        except LineageError as error:
            errors.append(error)
        yield


def test_drainer_beside_many_writers_loses_nothing_and_doubles_nothing(place: Place) -> None:
    lanes = {
        bytes([number]) * 16: [
            signed(place.ada, f"{number} {count}", bytes([number]) * 16) for count in range(12)
        ]
        for number in range(4)
    }
    place.enrol(place.ada)
    errors: list[BaseException] = []
    threads = [
        threading.Thread(target=lambda one=statements: list(putting(place, one, errors)))
        for statements in lanes.values()
    ]
    with place.open() as door:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) or place.outbox.waiting():
            assert door.drain().refused == []
    assert errors == []
    entries = place.entries()
    assert [entries.count(entry.encoded) for one in lanes.values() for entry, _records in one] == [1] * 48
    assert not place.outbox.is_waiting(b"\0" * 16, 0)
    assert name_of(b"\0" * 16, 0).endswith(".parcel")


def test_following_takes_what_comes_and_tells_what_waits_once(place: Place) -> None:
    place.enrol(place.ada)
    bob = signed(place.bob, "never enrolled")
    with place.open() as door:
        following = door.follow(pause_s=0)
        place.put(signed(place.ada, "one"))
        assert len(next(following).placed) == 1
        place.put(bob)
        assert [left.path.name for left in next(following).left] == [name_of(b"L" * 16, 0)]
        other = signed(place.ada, "two", b"2" * 16)
        place.put(other)
        assert list(next(following).placed) == [other[0].statement.id]
        os.utime(place.outbox.folder / name_of(b"L" * 16, 0), (0, 0))  # its time is over
        assert [one.refusal.code for one in next(following).refused] == ["identity-unknown"]


def test_following_without_the_logs_key_is_refused_at_once(place: Place) -> None:
    place.hide_log_key()
    with place.open() as door:
        assert code_of(lambda: next(door.follow(pause_s=0))) == "key-file-missing"


def test_following_waits_for_another_writer(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.enrol(place.ada)
    place.put(signed(place.ada, "one"))
    lock = WriterLock(place.path).acquire(0)
    pauses: list[float] = []

    def pause(pause_s: float) -> None:
        pauses.append(pause_s)
        lock.release()

    monkeypatch.setattr("ledger.api.draining.time.sleep", pause)
    with place.open(wait_s=0) as door:
        assert len(next(door.follow(pause_s=7)).placed) == 1
    assert pauses == [7]
