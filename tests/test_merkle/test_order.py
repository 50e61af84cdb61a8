"""Orders of hashes: made in pieces as in one, and searched as by looking at every one."""

from __future__ import annotations

import struct
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ledger.merkle.order import find_in_order, merge_runs, sorted_run

# Few different hashes, so that equal ones meet; first bytes that lie in the first, in the last and in neighbouring buckets.
HASHES = st.lists(
    st.sampled_from(
        [bytes([first]) + bytes([last]) * 31 for first in (0, 15, 16, 17, 255) for last in (0, 1, 255)]
    ),
    max_size=40,
)


def positions(order: bytes) -> list[int]:
    return list(struct.unpack(f">{len(order) // 4}I", order))


def naive(hashes: list[bytes]) -> list[int]:
    return sorted(range(len(hashes)), key=lambda at: (hashes[at], at))


@given(HASHES, st.lists(st.integers(0, 40), max_size=5))
def test_runs_of_any_pieces_make_the_one_order(hashes: list[bytes], cuts: list[int]) -> None:
    bounds = [0, *sorted(min(cut, len(hashes)) for cut in cuts), len(hashes)]
    runs = [sorted_run(b"".join(hashes[a:b]), a) for a, b in pairwise(bounds)]
    assert positions(merge_runs(runs)) == naive(hashes)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=60))
def test_runs_of_random_hashes(hashes: list[bytes]) -> None:
    runs = [sorted_run(b"".join(hashes[at : at + 7]), at) for at in range(0, len(hashes), 7)]
    assert positions(merge_runs(runs)) == naive(hashes)


@given(HASHES, st.sampled_from([bytes([16]) + bytes([1]) * 31, bytes(32), b"\xff" * 32, b"\x10" * 32]))
def test_a_search_finds_all_copies_and_nothing_else(hashes: list[bytes], wanted: bytes) -> None:
    order = naive(hashes)
    found = [order[place] for place in find_in_order(wanted, order, hashes.__getitem__)]
    assert found == [at for at, item in enumerate(hashes) if item == wanted]


@given(HASHES.filter(bool), st.data())
def test_a_hostile_order_shows_no_other_hash_first(hashes: list[bytes], data: st.DataObject) -> None:
    order = data.draw(st.lists(st.integers(0, len(hashes) - 1), max_size=40))
    wanted = data.draw(st.sampled_from(hashes))
    found = find_in_order(wanted, order, hashes.__getitem__)
    assert all(0 <= place < len(order) for place in found)
    if found:
        assert hashes[order[found.start]] == wanted


def test_a_search_asks_for_few() -> None:
    hashes = [row.to_bytes(32, "big") for row in range(100_000)]
    asked: list[int] = []

    def hash_at(position: int) -> bytes:
        asked.append(position)
        return hashes[position]

    assert find_in_order(hashes[77_777], range(100_000), hash_at) == range(77_777, 77_778)
    assert len(asked) <= 2 * 17 + 1
