"""Fresh lanes: whatever fails, whoever forks, no place is signed twice (SPEC §5.3)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from ledger.errors import InvariantBroken
from ledger.signer.freshlane import FreshLane
from ledger.statements.entry import Entry
from ledger.statements.statement import make_statement
from tests.world import Actor, World, enrol

ADA: Actor = enrol("ada", World(begin=False).writer.log_id)


def sign_next(lane: FreshLane, text: str = "text", fields: dict[str, object] | None = None) -> Entry:
    body = {"count": 1, "root": ADA.record(text).id}
    place = {"by": ADA.id, "key": ADA.key, "lane": lane.id, "seq": lane.next_seq, "prev": lane.last}
    return ADA.sign(make_statement("artifacts", ADA.log, body, **(place | (fields or {}))))


def misused(use: Callable[[], object]) -> None:
    with pytest.raises(InvariantBroken) as raised:
        use()
    assert raised.value.code == "lane-misused"


def use(lane: FreshLane) -> None:
    with lane.using():
        lane.advance(sign_next(lane).encoded)


def test_lane_counts_and_names_its_predecessor() -> None:
    lane = FreshLane(ADA.key)
    entries = []
    for count in (1, 2, 3):
        with lane.using():
            for number in range(count):
                entries.append(sign_next(lane, f"{count} {number}"))
                lane.advance(entries[-1].encoded)
    places = [
        tuple(entry.statement.fields.get(name) for name in ("lane", "seq", "prev")) for entry in entries
    ]
    before = [None, *(entry.statement.id for entry in entries)]
    assert places == [(lane.id, seq, before[seq]) for seq in range(6)]
    assert lane.is_usable


def test_lanes_differ() -> None:
    assert len({FreshLane(ADA.key).id for _ in range(100)}) == 100


def test_place_is_told_only_to_who_signs_in_it() -> None:
    lane = FreshLane(ADA.key)
    misused(lambda: lane.next_seq)
    misused(lambda: lane.last)
    with lane.using():
        entry = sign_next(lane)
        lane.advance(entry.encoded)
    misused(lambda: lane.advance(entry.encoded))
    assert lane.is_usable


def test_block_that_fails_ends_the_lane() -> None:
    lane = FreshLane(ADA.key)
    use(lane)

    def fail() -> None:
        with lane.using():
            lane.advance(sign_next(lane).encoded)
            raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert not lane.is_usable
    misused(lambda: use(lane))


def test_block_that_tells_of_no_statement_ends_the_lane() -> None:
    lane = FreshLane(ADA.key)
    with lane.using():
        sign_next(lane)  # somebody may have seen it
    assert not lane.is_usable
    misused(lambda: use(lane))


def test_ended_lane_is_not_used() -> None:
    lane = FreshLane(ADA.key)
    use(lane)
    lane.end()
    assert not lane.is_usable
    misused(lambda: use(lane))


def test_two_cannot_use_it_at_once() -> None:
    lane = FreshLane(ADA.key)
    with lane.using():
        misused(lambda: use(lane))
        lane.advance(sign_next(lane).encoded)
    assert lane.is_usable


@pytest.mark.parametrize(
    "wrong",
    [{"lane": b"x" * 16}, {"key": b"k" * 32}, {"seq": 2}, {"prev": b"p" * 32}, {"seq": 0, "prev": None}],
)
def test_entry_of_another_place_is_refused_and_ends_the_lane(wrong: dict[str, object]) -> None:
    lane = FreshLane(ADA.key)
    use(lane)

    def advance() -> None:
        with lane.using():
            lane.advance(sign_next(lane, "text", wrong).encoded)

    misused(advance)
    assert not lane.is_usable


def test_forked_child_does_not_use_its_parents_lane() -> None:
    lane = FreshLane(ADA.key)
    use(lane)
    child = os.fork()
    if not child:
        refused = False
        try:
            use(lane)
        except InvariantBroken:
            refused = not lane.is_usable
        os._exit(0 if refused else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    use(lane)
    assert lane.is_usable


def test_child_forked_inside_a_block_does_not_use_it_either() -> None:
    lane = FreshLane(ADA.key)
    with lane.using():
        child = os.fork()
        if not child:
            refused = False
            try:
                sign_next(lane)
            except InvariantBroken:
                refused = True
            os._exit(0 if refused else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        lane.advance(sign_next(lane).encoded)
    assert lane.is_usable
