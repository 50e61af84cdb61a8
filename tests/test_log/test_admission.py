"""What the log refuses, each by its code, and that nothing else is touched by it (SPEC §9.1, §14)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger import spec
from ledger.errors import LineageError
from ledger.identity.keyset import make_keyset, sign_entry_payload
from ledger.merkle.tree import root_of
from ledger.statements import codec
from ledger.statements.entry import CURRENT, NEXT, Signature, make_entry
from ledger.statements.record import Parent
from ledger.statements.statement import keyset_digest, make_statement
from tests.test_log.bad_lives import BAD_LIVES
from tests.test_log.scene import (
    ASIDE,
    TOOL,
    Scene,
    Submission,
    codes,
    entries_of,
    last_entry,
    scene,
    signed,
    two_key_actor,
)
from tests.world import World, enrol, keyset_of, seed_of


def by_two_keys(s: Scene, threshold: int, signers: int) -> Submission:
    by, enrolment, seeds = two_key_actor(s.world, threshold)
    s.world.must(enrolment)
    body = {"count": 1, "root": s.work.id}
    statement = make_statement("artifacts", s.world.log, body, by=by, key=by, lane=ASIDE, seq=0)
    return make_entry(statement, signed(statement.payload, seeds[:signers])).encoded, [s.work.encoded]


def entry_with(s: Scene, signatures: Callable[[bytes], list[Signature]]) -> Submission:
    entry, records = s.ada.artifacts([s.work], ASIDE)
    return make_entry(entry.statement, signatures(entry.statement.payload)).encoded, records


def spoken(s: Scene, type_: str, body: dict[str, Any], **fields: Any) -> Submission:
    """A statement by ada at any place, in order or not."""
    place = {"by": s.ada.id, "key": s.ada.id, "lane": ASIDE, "seq": 0} | fields
    return s.ada.sign(make_statement(type_, s.world.log, body, **place)).encoded, ()


def in_lane(s: Scene, seq: int, prev: bytes | None, lane: bytes = b"L" * 16) -> Submission:
    body = {"count": 1, "root": root_of([s.work.id])}
    return spoken(s, "artifacts", body, lane=lane, seq=seq, prev=prev)[0], [s.work.encoded]


def enrolment(s: Scene, **changes: Any) -> Submission:
    body = enrol("newcomer", s.world.log).enrolment.statement.body | changes
    statement = make_statement("enrol", s.world.log, body)
    return make_entry(statement, signed(statement.payload, [seed_of("newcomer")])).encoded, ()


def stale_delegation(s: Scene) -> Submission:
    """The pair names the delegation before the one in force."""
    old = s.duo.delegation
    s.world.delegate(s.ada, s.duo)
    s.duo.delegation = old
    return s.bad([s.duo.record("o", "output")], s.duo)


def after_its_time(s: Scene) -> Submission:
    s.world.time_ms = 1_999_999
    return s.bad([s.duo.record("o", "output")], s.duo)


def no_parents(**fields: Any) -> Callable[[Scene], Submission]:
    return lambda s: s.changed(s.work, **fields)


def later_in_same(s: Scene) -> Submission:
    later = s.ada.record("later")
    return s.bad(
        [s.ada.record("early", "derived", parents=[Parent("derived-from", later.id)], facts=TOOL), later]
    )


def child(s: Scene, rel: str, parent: bytes, kind: str = "work", **fields: Any) -> Submission:
    row, log = fields.pop("row", None), fields.pop("log", None)
    return s.bad([s.ada.record("child", kind, parents=[Parent(rel, parent, None, log, row)], **fields)])


def borrowed(s: Scene) -> Submission:
    s.bare.delegation = s.duo.delegation
    return s.bad([s.bare.record("o", "output")], s.bare)


def delegated_human(s: Scene) -> Submission:
    s.ada.delegation = s.duo.delegation
    return s.bad([s.work])


LOW_ORDER = bytes([1]) + bytes(31)
GRANT = {"substrate": {"name": "m", "version": "1"}}

BAD: dict[str, tuple[str, Callable[[Scene], Submission]]] = {
    "nothing": ("not-canonical", lambda s: (b"", ())),
    "a byte more": ("not-canonical", lambda s: (s.bad([s.work])[0] + b"\0", [s.work.encoded])),
    "no map": ("schema", lambda s: (codec.encode([b"x", [[0, 0, b"s" * 64]]]), ())),
    "long header": ("not-canonical", lambda s: (b"\xdc\0\x02" + s.bad([s.work])[0][1:], [s.work.encoded])),
    "entry too large": ("too-large", lambda s: (bytes(65_536), ())),
    "record with a byte more": ("not-canonical", lambda s: s.raw(s.work.encoded + b"\0")),
    "record too large": ("too-large", lambda s: s.raw(bytes(16_385))),
    "record is no map": ("schema", lambda s: s.raw(b"\x91\x01")),
    "another key signed": (
        "signature-invalid",
        lambda s: entry_with(s, lambda p: signed(p, [seed_of("eve")])),
    ),
    "no such key index": (
        "signature-invalid",
        lambda s: entry_with(s, lambda p: [Signature(CURRENT, 1, sign_entry_payload(seed_of("ada"), p))]),
    ),
    "signature of another payload": (
        "signature-invalid",
        lambda s: entry_with(s, lambda _p: signed(b"other", [seed_of("ada")])),
    ),
    "unknown signer": (
        "identity-unknown",
        lambda s: s.bad([enrol("eve", s.world.log).record("x")], enrol("eve", s.world.log)),
    ),
    "one signature too many": ("signature-surplus", lambda s: by_two_keys(s, 1, 2)),
    "one signature too few": ("signature-missing", lambda s: by_two_keys(s, 2, 1)),
    "a next key signed too": (
        "signature-surplus",
        lambda s: entry_with(
            s, lambda p: signed(p, [seed_of("ada")]) + signed(p, [seed_of("ada/next")], NEXT)
        ),
    ),
    "shares over the whole": ("share-illegal", no_parents(human=600_000, machine=400_001)),
    "machine share alone in a work": ("share-illegal", no_parents(machine=1)),
    "human share on a machine's output": (
        "role-illegal",
        lambda s: s.bad([s.mech.record("o", "output", human=1)], s.mech),
    ),
    "human share on a human's output": (
        "role-illegal",
        lambda s: child(s, "generated-by", s.model.id, "output", human=1),
    ),
    "output by a human from nowhere": ("role-illegal", lambda s: s.bad([s.ada.record("o", "output")])),
    "an LA without sources": ("record-illegal", no_parents(kind="abstract")),
    "derived from nothing": ("record-illegal", no_parents(kind="derived", facts=TOOL)),
    "a machine's work": ("role-illegal", lambda s: s.bad([s.mech.record("w")], s.mech)),
    "unknown parent": ("parent-unknown", lambda s: child(s, "quotes", b"u" * 32)),
    "parent later in the statement": ("parent-unknown", later_in_same),
    "a content digest as parent": ("parent-unknown", lambda s: child(s, "quotes", s.work.content)),
    "a statement as parent": ("parent-unknown", lambda s: child(s, "quotes", s.ada.id)),
    "relation between wrong kinds": ("parent-kind", lambda s: child(s, "quotes", s.model.id)),
    "row beyond the last": ("parent-kind", lambda s: child(s, "quotes", s.table.id, row=3)),
    "this log named as another": ("schema", lambda s: child(s, "quotes", s.work.id, log=s.world.log)),
    "gap in the lane": ("lane-broken", lambda s: in_lane(s, 2, s.ada.lanes[s.ada.id, b"L" * 16][1])),
    "fork of the lane": ("lane-broken", lambda s: in_lane(s, 1, b"p" * 32)),
    "lane opened twice": ("lane-broken", lambda s: in_lane(s, 0, None)),
    "lane opened in the middle": ("lane-broken", lambda s: in_lane(s, 1, s.ada.id, ASIDE)),
    "wrong predecessor": ("lane-broken", lambda s: in_lane(s, 3, s.ada.id)),
    "another log's": (
        "wrong-log",
        lambda s: (World(origin="other.example/log").genesis.encoded, ()),
    ),
    "another maker": ("maker-differs", lambda s: s.bad([s.mech.record("x", "output")])),
    "a record missing": ("root-differs", lambda s: (s.bad([s.work, s.model])[0], [s.work.encoded])),
    "no records": ("root-differs", lambda s: (s.bad([s.work])[0], ())),
    "a record more": ("root-differs", lambda s: (s.bad([s.work])[0], [s.work.encoded] * 2)),
    "records swapped": (
        "root-differs",
        lambda s: (s.bad([s.work, s.model])[0], [s.model.encoded, s.work.encoded]),
    ),
    "records under an enrolment": ("root-differs", lambda s: (enrolment(s)[0], [s.work.encoded])),
    "more records than a statement has": (
        "too-large",
        lambda s: (s.bad([s.work])[0], [b"\x80"] * (spec.STATEMENT_RECORDS_MAX + 1)),
    ),
    "one record twice": ("record-duplicate", lambda s: s.bad([s.model, s.work, s.work])),
    "a genesis": ("misplaced", lambda s: (s.world.genesis.encoded, ())),
    "a state": ("misplaced", lambda s: (last_entry(s.world), ())),
    "pair that nobody delegated": (
        "not-delegated",
        lambda s: s.bad([s.bare.record("o", "output")], s.bare),
    ),
    "pair under a delegation of another": ("not-delegated", borrowed),
    "pair under an old delegation": ("not-delegated", stale_delegation),
    "a human under a delegation": ("schema", delegated_human),
    "a kind out of scope": (
        "scope-exceeded",
        lambda s: s.bad([s.duo.record("e", "experience")], s.duo),
    ),
    "a human share out of scope": (
        "scope-exceeded",
        lambda s: s.bad([s.duo.record("w", human=100_001)], s.duo),
    ),
    "more records than the scope": (
        "scope-exceeded",
        lambda s: s.bad([s.duo.record(text, "output") for text in "abc"], s.duo),
    ),
    "after the scope's time": ("scope-exceeded", after_its_time),
    "another's key event": (
        "key-not-in-force",
        lambda s: (
            (*spoken(s, "artifacts", {"count": 1, "root": s.work.id}, key=s.mech.id)[:1], [s.work.encoded])
        ),
    ),
    "delegation by a stranger": (
        "delegation-illegal",
        lambda s: (s.mech.say("delegate", GRANT | {"pair": s.duo.id}, ASIDE).encoded, ()),
    ),
    "delegation of a human": (
        "delegation-illegal",
        lambda s: spoken(s, "delegate", GRANT | {"pair": s.ada.id}),
    ),
    "pair of a machine": ("delegation-illegal", lambda s: enrolment(s, role="pair", of=s.mech.id)),
    "pair of nobody": ("delegation-illegal", lambda s: enrolment(s, role="pair", of=b"n" * 32)),
    "key of low order": ("key-refused", lambda s: enrolment(s, keyset=make_keyset([LOW_ORDER]))),
    "next keyset is the current": (
        "keyset-illegal",
        lambda s: enrolment(s, next=keyset_digest(keyset_of("newcomer"))),
    ),
    **BAD_LIVES,
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_and_nothing_else_is_touched(name: str) -> None:
    """The world with the bad statement between two good ones ends at the very bytes of a world without it."""
    code, make = BAD[name]
    notes = []
    for with_bad in (True, False):
        s = scene()
        bad = make(s)
        s.ada.delegation = None
        first, second = (s.ada.artifacts([s.ada.record(text)]) for text in ("first", "second"))
        group: list[Submission] = [(first[0].encoded, first[1]), bad, (second[0].encoded, second[1])]
        results = s.world.writer.append(group if with_bad else group[::2])
        assert codes(results) == (["", code, ""] if with_bad else ["", ""])
        refusal = results[1]
        if isinstance(refusal, LineageError):
            assert refusal.item
            assert refusal.reason
        alone = s.world.writer.append([bad])
        assert codes(alone) == [code]
        notes.append((s.world.writer.note, entries_of(s.world)))
        s.world.writer = s.world.open()
        assert s.world.writer.note == notes[-1][0]
    assert notes[0] == notes[1]


def test_every_code_that_a_submission_can_have_is_provoked() -> None:
    """The codes of SPEC §14, less those that no submission can have."""
    text = (Path(__file__).resolve().parents[2] / "SPEC.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (`[a-z0-9-]+`(?:, `[a-z0-9-]+`)*) \| [0-9§.]+", text.split("## 14.")[1], re.MULTILINE
    )
    listed = {code for row in rows for code in re.findall(r"`([^`]+)`", row)}
    not_by_submission = {
        "genesis-illegal",  # `begin` alone: test_writer
        *("state-wrong", "fold-unknown"),  # only the log's own entries
        "identity-exists",  # the same enrolment is known, and another one has another id
        *("rows-missing", "rows-damaged", "rows-differ"),  # a sidecar's, which no submission brings
        *("record-missing", "tree-differs", "tile-differs", "checkpoint-invalid", "note-invalid"),
        *("checkpoint-behind", "checkpoint-inconsistent", "verdicts-invalid", "manifest-differs"),
        *("inclusion-invalid", "consistency-invalid", "multiproof-invalid", "status-invalid"),
        *("receipt-invalid", "ed25519-cofactor", "rows-missing", "rows-damaged", "rows-differ"),
        *("proof-invalid", "proof-incomplete", "views-invalid"),
    }
    assert len(listed) > 35
    assert {code for code, _make in BAD.values()} == listed - not_by_submission
