"""Raw entries at the library's door: each event that may not stand is refused, with the code that every path gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger.api import audit_folder
from ledger.api.around import silent
from ledger.api.effects import effects_of
from ledger.errors import LineageError
from ledger.identity import ed25519
from ledger.identity.keyset import position_of, sign_entry_payload
from ledger.log.writer import Appended
from ledger.statements import codec
from ledger.statements.entry import CURRENT, NEXT, Entry, Signature, make_entry
from ledger.statements.statement import keyset_digest, make_statement
from tests.cases import algorithms
from tests.world import Actor, enrol, keyset_of, seed_of


@pytest.fixture
def door(tmp_path: Path) -> Iterator[ledger.Ledger]:
    with ledger.create(tmp_path / "l", unencrypted=True, config=str(tmp_path / "k")) as made:
        yield made


def submit(door: ledger.Ledger, *entries: Entry | bytes) -> list[Appended | LineageError]:
    return door.append_entries([item if isinstance(item, bytes) else item.encoded for item in entries])


@pytest.fixture
def eve(door: ledger.Ledger) -> Actor:
    actor = enrol("eve", door.marker.log_id)
    (placed,) = submit(door, actor.enrolment)
    assert isinstance(placed, Appended)
    return actor


def rotated(eve: Actor, **overrides: Any) -> Entry:
    return eve.key_event("rotate", **overrides)


def unsigned(entry: Entry) -> bytes:
    return codec.encode([entry.statement.payload])


def with_signature_of(entry: Entry, eve: Actor, code: int, name: str) -> Entry:
    other = eve.sign(entry.statement, code, name)
    return make_entry(entry.statement, [*entry.signatures, *other.signatures])


BAD: dict[str, tuple[str, Callable[[Actor], Entry | bytes]]] = {
    "a kseq left out": ("key-event-broken", lambda eve: rotated(eve, kseq=2)),
    "a kseq again": ("key-event-broken", lambda eve: rotated(eve, prev=bytes(32))),
    "unsigned": ("schema", lambda eve: unsigned(rotated(eve))),
    "by the daily keys": ("signature-surplus", lambda eve: eve.sign(rotated(eve).statement, CURRENT)),
    "by the daily keys as the next ones": (
        "signature-invalid",
        lambda eve: eve.sign(rotated(eve).statement, NEXT, "eve"),
    ),
    "revealing the daily keys": ("commitment-differs", lambda eve: rotated(eve, reveal="eve")),
    "revealing the recovery keys": ("commitment-differs", lambda eve: rotated(eve, reveal="eve/recovery")),
    "revealing another threshold": (
        "commitment-differs",
        lambda eve: rotated(eve, keyset=keyset_of("eve/next", "eve/more", threshold=2)),
    ),
    "over its threshold": (
        "signature-surplus",
        lambda eve: with_signature_of(rotated(eve), eve, CURRENT, "eve"),
    ),
    "committing to what was revealed": (
        "keyset-illegal",
        lambda eve: rotated(eve, next=keyset_digest(keyset_of("eve"))),
    ),
    "committing twice to one keyset": (
        "keyset-illegal",
        lambda eve: rotated(eve, next=keyset_digest(keyset_of("x")), recovery=keyset_digest(keyset_of("x"))),
    ),
    "of an unknown identity": ("identity-unknown", lambda eve: rotated(eve, by=bytes(32))),
    "cutting a key that it never had": (
        "compromised-illegal",
        lambda eve: rotated(eve, cuts=[(b"k" * 32, 0)]),
    ),
    "cutting from behind itself": (
        "compromised-illegal",
        lambda eve: rotated(eve, cuts=[(eve.public_key, 999)]),
    ),
    "of another log": ("wrong-log", lambda _eve: enrol("eve", b"o" * 32).enrolment),
    "no entry": ("not-canonical", lambda _eve: b"\xc1"),
    "a lane from its middle": (
        "lane-broken",
        lambda eve: [eve.say("undelegate", {"pair": bytes(32)}) for _ in range(2)][1],
    ),
    "rules by a stranger": ("not-authorised", lambda eve: eve.say("rules", {"mode": "open"})),
}


@pytest.mark.parametrize("name", BAD)
def test_what_may_not_stand_is_refused_and_the_right_event_then_stands(
    door: ledger.Ledger, eve: Actor, name: str
) -> None:
    code, make = BAD[name]
    size = door.checkpoint().size
    (refused,) = submit(door, make(eve))
    assert isinstance(refused, LineageError)
    assert (refused.code, bool(refused.reason)) == (code, True)
    assert door.checkpoint().size == size
    (placed,) = submit(door, rotated(eve))
    assert isinstance(placed, Appended)
    assert door.show_identity(eve.id.hex())["key_event_type"] == "rotate"


def test_under_the_threshold(door: ledger.Ledger) -> None:
    """Two of three must sign the enrolment of a keyset of three."""
    log = door.marker.log_id
    eve = enrol("eve", log)
    body = eve.enrolment.statement.body | {"keyset": keyset_of("a", "b", "c", threshold=2)}
    statement = make_statement("enrol", log, body)

    def signed(*names: str) -> Entry:
        keyset = statement.body["keyset"]
        return make_entry(
            statement,
            [
                Signature(
                    CURRENT,
                    position_of(keyset, ed25519.public_key(seed_of(name))),
                    sign_entry_payload(seed_of(name), statement.payload),
                )
                for name in names
            ],
        )

    codes = [
        item.code
        for item in submit(door, signed("a"), signed("a", "b", "c"))
        if isinstance(item, LineageError)
    ]
    assert codes == ["signature-missing", "signature-surplus"]
    (placed,) = submit(door, signed("a", "c"))
    assert isinstance(placed, Appended)


def test_an_algorithm_that_is_not_built_is_not_yet_taken(door: ledger.Ledger) -> None:
    both = keyset_of("eve")
    both["keys"].append(["ml-dsa-44", algorithms.PUBLIC_KEY])
    both["thresholds"]["ml-dsa-44"] = 1
    eve = enrol("eve", door.marker.log_id)
    statement = make_statement("enrol", door.marker.log_id, eve.enrolment.statement.body | {"keyset": both})
    (refused,) = submit(door, eve.sign(statement))
    assert isinstance(refused, LineageError)
    assert refused.code == "not-yet"


def test_after_the_end_nothing_is_taken(door: ledger.Ledger, eve: Actor) -> None:
    retired = eve.key_event("retire")
    later = eve.key_event("rotate", kseq=2, prev=retired.statement.id)
    placed, refused = submit(door, retired, later)
    assert isinstance(placed, Appended)
    assert isinstance(refused, LineageError)
    assert refused.code == "identity-retired"


def test_records_come_with_their_entry_and_a_known_entry_with_its_place(
    door: ledger.Ledger, eve: Actor, tmp_path: Path
) -> None:
    entry, records = eve.artifacts([eve.record("one"), eve.record("two")])
    (refused,) = submit(door, entry)
    assert isinstance(refused, LineageError)
    assert refused.code == "root-differs"
    (placed,) = door.append_entries([entry.encoded], {0: records})
    assert isinstance(placed, Appended)
    again, enrolment = door.append_entries([entry.encoded, eve.enrolment.encoded], {0: records})
    assert isinstance(again, Appended)
    assert isinstance(enrolment, Appended)
    assert (again.log_index, again.known, enrolment.known) == (placed.log_index, True, True)
    door.close()
    assert audit_folder(tmp_path / "l").ok


def test_what_stands_elsewhere_is_not_lost_by_a_cut(door: ledger.Ledger, eve: Actor) -> None:
    twice, once = eve.record("twice"), eve.record("once")
    first, records = eve.artifacts([twice])
    second, more = eve.artifacts([twice, once])
    places = door.append_entries([first.encoded, second.encoded], {0: records, 1: more})
    at = [item.log_index for item in places if isinstance(item, Appended)]
    with door.view() as view:
        identity = view.identity(eve.id)
        assert identity is not None
        late, early = (
            effects_of(view, identity, {eve.public_key: start}, retires=False, progress=silent)
            for start in reversed(at)
        )
    assert (late.own.artifacts, late.artifacts, late.own.first) == (2, [once.id], at[1])
    assert (early.own.artifacts, early.artifact_count, early.own.first) == (3, 2, at[0])
    assert not early.suspects
    assert not early.silenced
    assert not early.descendants
