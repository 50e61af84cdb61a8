"""What a proof made from a ledger carries: rows as ranges, and which of the cosigned log checkpoints tell an age."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import spec
from ledger.api import proving
from tests.world import World


@given(st.sets(st.integers(0, 60), min_size=1))
def test_rows_are_told_as_ranges_that_do_not_touch(rows: set[int]) -> None:
    found = proving._ranges(list(rows))
    assert sorted(rows) == [row for first, count in found for row in range(first, first + count)]
    assert all(first + count < following for (first, count), (following, _) in pairwise(found))


def test_a_range_is_one() -> None:
    assert proving._ranges(range(3, 1_000_000)) == [(3, 999_997)]


def kept(size: int, witnesses: int) -> Any:
    """Stands for a kept note of that size with lines of so many witnesses."""
    return SimpleNamespace(checkpoint=SimpleNamespace(size=size), note=witnesses)


@given(
    st.lists(st.tuples(st.integers(2, 40), st.integers(1, 3)), max_size=12, unique_by=lambda each: each[0]),
    st.sets(st.integers(0, 40), max_size=8),
)
def test_the_oldest_behind_each_subject_and_the_oldest_of_most_witnesses(
    drawn: list[tuple[int, int]], positions: set[int]
) -> None:
    notes = [kept(*each) for each in sorted(drawn)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proving, "cosigners", lambda note, _vkey: range(note))
        found = proving._useful(notes, World().vkey, sorted(positions), None)
    most = max((witnesses for _, witnesses in drawn), default=0)
    wanted = set()
    for position in positions:
        behind = [each for each in sorted(drawn) if each[0] > position]
        wanted |= {size for size, _ in behind[:1]}
        wanted |= {size for size, _ in [each for each in behind if each[1] == most][:1]}
    assert [each.checkpoint.size for each in found] == sorted(wanted)


@pytest.mark.parametrize(("useful", "room", "least"), [(64, 64, 64), (65, 64, 33), (200, 10, 10), (3, 1, 1)])
def test_too_many_points_are_thinned_from_the_oldest_on(useful: int, room: int, least: int) -> None:
    taken = proving._thinned([kept(size, 1) for size in range(useful)], room)
    assert taken[0].checkpoint.size == 0
    assert least <= len(taken) <= room <= spec.PROOF_POINTS_MAX


def test_without_room_none_is_taken() -> None:
    assert list(proving._thinned([kept(3, 1)], 0)) == list(proving._thinned([], 9)) == []
