"""`lineage append`: statement files and the outbox, what becomes of each statement, and the exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger.api.door import Door
from ledger.api.ledger import Ledger
from ledger.signer.parcel import Parcel, pack, place_of
from ledger.signer.statement_file import writing_statements
from ledger.statements.entry import Entry
from ledger.store.outbox import Outbox
from tests.test_cli.command import Cli
from tests.world import Actor, enrol

Statement = tuple[Entry, list[bytes]]


@pytest.fixture
def bob(ada: Cli) -> Actor:
    """Somebody with keys of his own, far away and not enrolled."""
    with ledger.open(ada.ledger, config=str(ada.config), readonly=True) as door:
        return enrol("bob", door.marker.log_id)


def statement(actor: Actor, text: str, lane: bytes = b"L" * 16) -> Statement:
    return actor.artifacts([actor.record(text), actor.record(f"{text} too")], lane)


def file(cli: Cli, name: str, *statements: Statement) -> Path:
    path = cli.folder / name
    with writing_statements(path) as writer:
        for entry, records in statements:
            writer.add(entry.encoded, records)
    return path


def put(cli: Cli, *statements: Statement) -> None:
    for entry, records in statements:
        parcel = Parcel(((entry.encoded, tuple(records)),))
        Outbox(cli.ledger).put(*place_of(entry.statement), pack(parcel))


def test_files_are_appended_and_known_when_they_come_again(ada: Cli, bob: Actor) -> None:
    path = file(ada, "F.statement", (bob.enrolment, []), statement(bob, "one"))
    found = ada.json("append", path)
    assert {name: found[name] for name in ("appended", "known", "refused", "waits")} == {
        "appended": 2,
        "known": 0,
        "refused": 0,
        "waits": 0,
    }
    (told,) = found["files"]
    assert (told["path"], told["error"]) == (str(path), None)
    assert [(one["number"], one["type"], one["records"], one["outcome"]) for one in told["statements"]] == [
        (0, "enrol", 0, "appended"),
        (1, "artifacts", 2, "appended"),
    ]
    again = ada.json("append", path)
    assert (again["known"], again["appended"]) == (2, 0)
    assert [one["log_index"] for one in again["files"][0]["statements"]] == [
        one["log_index"] for one in told["statements"]
    ]
    assert "2 known already" in ada("append", path).out


def test_what_is_refused_is_told_with_its_reason_and_ends_with_1(ada: Cli, bob: Actor) -> None:
    path = file(ada, "F.statement", statement(bob, "never enrolled"))
    cut = file(ada, "cut.statement", (bob.enrolment, []))
    cut.write_bytes(cut.read_bytes()[:-1])
    found = ada.json("append", path, cut, code=1)
    assert found["refused"] == 1
    assert found["files"][0]["statements"][0]["error"]["code"] == "identity-unknown"
    assert found["files"][1]["error"]["code"] == "statement-file-damaged"
    ran = ada("append", path, cut)
    assert ran.code == 1
    assert "identity-unknown" in ran.out
    assert "cut short" in ran.out


def test_without_the_logs_key_it_waits_in_the_outbox_and_status_says_so(ada: Cli, bob: Actor) -> None:
    path = file(ada, "F.statement", (bob.enrolment, []), statement(bob, "one"))
    (key,) = ada.config.glob("logs/*/log.key")
    away = key.rename(ada.folder / "log.key")
    ran = ada("append", path)
    assert ran.code == 0
    assert "2 in the outbox" in ran.out
    assert ada.json("append", path)["waits"] == 2
    assert ada.json("status")["outbox"]["waiting"] == 2
    assert "2 signed and waiting" in ada("status").out
    assert "wait" in ada("doctor").out
    assert ada.refused("key-file-missing", "append")["fix"]
    away.rename(key)
    found = ada.json("append")
    assert (found["statements"], found["records"], found["refused"], found["left"]) == (2, 2, [], [])
    assert "outbox" not in ada("status").out


def test_outbox_that_is_empty_or_holds_what_is_refused(ada: Cli, bob: Actor) -> None:
    assert "Nothing waits" in ada("append").out
    (ada.ledger / "outbox").mkdir(mode=0o700)
    name = "ab" * 16 + "-" + "0" * 20 + ".parcel"
    (ada.ledger / "outbox" / name).write_bytes(b"no parcel")
    found = ada.json("append", code=1)
    assert [one["code"] for one in found["refused"]] == ["outbox-damaged"]
    assert Path(found["refused"][0]["path"]).read_bytes() == b"no parcel"
    assert "1 refused" in ada("status").out
    put(ada, statement(bob, "never enrolled"))
    ran = ada("append")  # in this moment his enrolment may be on its way
    assert (ran.code, "waits" in ran.out) == (0, True)


def test_following_ends_well_when_it_is_interrupted(
    ada: Cli, bob: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(ada, (bob.enrolment, []), statement(bob, "one"))

    def interrupt(_pause_s: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ledger.api.draining.time.sleep", interrupt)
    ran = ada("append", "--follow")
    assert (ran.code, "2 statements with 2 records" in ran.out) == (0, True)
    monkeypatch.setattr(Ledger, "follow", lambda _self: iter(()))
    assert ada.refused("usage", "append", "--follow", "F.statement")["item"] == "--follow"


def test_what_cannot_be_read_ends_with_2_and_holds_up_nobody(ada: Cli, bob: Actor) -> None:
    """A name that was mistyped is no verdict."""
    good = file(ada, "good.statement", (bob.enrolment, []))
    for name, code in (("nowhere.statement", "file-not-found"), (".", "not-a-regular-file")):
        found = ada.json("append", name, good, code=2)
        assert found["files"][0]["error"]["code"] == code
        assert found["appended"] + found["known"] == 1


def test_file_that_changes_while_it_is_appended_is_told_with_what_stands_of_it(
    ada: Cli, bob: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = [
        bob.artifacts([bob.record(f"{lane} {n}") for n in range(200)], bytes([lane]) * 16)
        for lane in range(3)
    ]
    path = file(ada, "F.statement", (bob.enrolment, []), *statements)
    append = Door.append

    def cut(self: Door, submissions: Any) -> Any:
        os.truncate(path, 50_000)
        return append(self, submissions)

    monkeypatch.setattr("ledger.api.appending._BATCH_BYTES_MAX", 1)
    monkeypatch.setattr(Door, "append", cut)
    found = ada.json("append", path, code=1)
    assert (found["files"][0]["error"]["code"], found["appended"]) == ("file-changed", 2)
    path.unlink()
    path = file(ada, "F.statement", (bob.enrolment, []), *statements)
    ran = ada("append", path)
    assert ran.code == 1
    assert "changed while it was read" in ran.out
    assert "known already" in ran.out


def test_what_is_signed_for_another_log_waits_for_nobody(ada: Cli, bob: Actor, tmp_path: Path) -> None:
    """Without the log's key nothing can be appended, but that is known here already."""
    with ledger.create(tmp_path / "other", unencrypted=True, config=str(tmp_path / "others")) as other:
        stranger = enrol("stranger", other.marker.log_id)
    path = file(ada, "F.statement", (stranger.enrolment, []), (bob.enrolment, []))
    (key,) = ada.config.glob("logs/*/log.key")
    key.rename(ada.folder / "log.key")
    found = ada.json("append", path, code=1)
    assert (found["refused"], found["waits"]) == (1, 1)
    assert found["files"][0]["statements"][0]["error"]["code"] == "wrong-log"
    assert len(Outbox(ada.ledger).waiting()) == 1
