"""Levels are a pure function of a node: SPEC §12's table, row by row."""

from __future__ import annotations

import pytest

from ledger.errors import Undecided
from ledger.origin.lattice import Standing, Verdict
from ledger.origin.levels import Level, level_of
from ledger.proofs.facts import Node, Presence, Status
from ledger.statements import words
from ledger.statements.record import Record

ID = bytes(32)


def node(presence: Presence, stance: str, role: str, status: Status = Status.RELEASED) -> Node:
    record = Record(b"", {"stance": stance, "kind": "work"})
    return Node(ID, presence, status, record=record, role=role)


@pytest.mark.parametrize("role", sorted(words.ROLES))
def test_what_stands_is_logged_and_anchored_if_a_human_answers_for_it(role: str) -> None:
    anchored = role in ("human", "pair")
    for status in Status:
        made, reported = (node(Presence.STANDS, stance, role, status) for stance in ("made", "reported"))
        assert level_of(made) == (Level.ANCHORED if anchored else Level.LOGGED)
        assert level_of(reported) == Level.LOGGED


@pytest.mark.parametrize("presence", [Presence.FAULTY, Presence.ERASED, Presence.ABSENT])
def test_what_does_not_stand_is_unlogged(presence: Presence) -> None:
    assert level_of(node(presence, "made", "human")) is Level.UNLOGGED
    assert level_of(Node(ID, presence)) is Level.UNLOGGED


@pytest.mark.parametrize("role", sorted(words.ROLES))
def test_what_is_disowned_is_logged_and_no_more(role: str) -> None:
    for status in Status:
        for stance in ("made", "reported"):
            assert level_of(node(Presence.DISOWNED, stance, role, status)) is Level.LOGGED


def test_names_and_order_are_those_of_the_specification() -> None:
    assert [(level.code, level.label) for level in sorted(Level)] == [
        ("L0", "unlogged"),
        ("L1", "logged"),
        ("L2", "anchored"),
        ("L3", "vouched"),
        ("L4", "reality-bound"),
    ]


def test_a_manifest_has_a_code_for_each_decision() -> None:
    assert [
        verdict.manifest_code for verdict in (Verdict.ADMITTED, Verdict.QUARANTINED, Verdict.REJECTED)
    ] == [0, 1, 2]
    with pytest.raises(Undecided, match="decides nothing"):
        _ = Verdict.UNDECIDED.manifest_code
    assert [standing.label for standing in Standing] == [
        "unknown",
        "retracted",
        "quarantined",
        "conditional",
        "released",
    ]
