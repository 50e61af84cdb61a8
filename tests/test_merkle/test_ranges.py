"""Ranges of leaves: the same proof as of each leaf by itself, verified while the leaves pass by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import ProofInvalid
from ledger.merkle import ranges as ranges_module
from ledger.merkle.groups import leaf_hashes_of
from ledger.merkle.multiproof import multiproof_in_levels
from ledger.merkle.ranges import Range, Ranges, prove_ranges, verify_ranges
from ledger.merkle.tree import levels_of
from tests.reference import mth


def inputs(count: int) -> list[bytes]:
    return [hashlib.sha256(b"leaf %d" % number).digest() for number in range(count)]


def as_ranges(wanted: Sequence[int]) -> list[Range]:
    found: list[Range] = []
    for leaf in wanted:
        if found and sum(found[-1]) == leaf:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((leaf, 1))
    return found


class Stream:
    """Leaf inputs one behind the other, and how much was taken at a time."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.taken: list[int] = []

    def take(self, count: int) -> bytes:
        self.taken.append(count)
        part, self.data = self.data[: 32 * count], self.data[32 * count :]
        return part


def proved(leaves: Sequence[bytes], wanted: Sequence[int]) -> tuple[Ranges, list[bytes], Stream]:
    levels = levels_of(leaf_hashes_of(b"".join(leaves)))
    ranges = Ranges(as_ranges(wanted))
    hashes = prove_ranges(lambda start, height: levels[height][start >> height], ranges, len(leaves))
    assert hashes == multiproof_in_levels(levels, wanted)
    return ranges, hashes, Stream(b"".join(leaves[leaf] for leaf in wanted))


subsets = st.integers(1, 70).flatmap(
    lambda size: st.tuples(
        st.just(size),
        st.sets(st.integers(0, size - 1), min_size=1).map(sorted),
        st.sampled_from((1, 2, 3, 8, 4_096)),
    )
)


@given(subsets)
def test_ranges_are_proved_as_their_leaves_are(drawn: tuple[int, list[int], int]) -> None:
    size, wanted, piece = drawn
    leaves = inputs(size)
    ranges, hashes, stream = proved(leaves, wanted)
    assert (ranges.count, ranges.stop) == (len(wanted), wanted[-1] + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges_module, "_PIECE", piece)
        verify_ranges(ranges, size, hashes, mth(leaves), stream.take)
    assert not stream.data
    assert max(stream.taken) <= piece


@given(subsets, st.data())
def test_whatever_is_changed_is_refused(drawn: tuple[int, list[int], int], data: st.DataObject) -> None:
    size, wanted, _ = drawn
    leaves = inputs(size)
    ranges, hashes, stream = proved(leaves, wanted)
    what = data.draw(st.sampled_from(("leaf", "hash", "one more", "one less", "root")))
    root = mth(leaves)
    if what == "leaf":
        at = 32 * data.draw(st.integers(0, len(wanted) - 1))
        stream.data = stream.data[:at] + bytes(32) + stream.data[at + 32 :]
    elif what == "root":
        root = bytes(32)
    elif what == "one more":
        hashes = [*hashes, bytes(32)]
    elif not hashes:
        return
    elif what == "hash":
        hashes[data.draw(st.integers(0, len(hashes) - 1))] = bytes(32)
    else:
        del hashes[data.draw(st.integers(0, len(hashes) - 1))]
    with pytest.raises(ProofInvalid) as error:
        verify_ranges(ranges, size, hashes, root, stream.take)
    assert error.value.code == "multiproof-invalid"


@pytest.mark.parametrize("ranges", [[(3, 1)], [(0, 4)], [(0, 1), (2, 2)]])
def test_what_lies_outside_of_the_tree_is_refused(ranges: list[Range]) -> None:
    with pytest.raises(ProofInvalid, match="outside"):
        verify_ranges(Ranges(ranges), 3, [], mth(inputs(3)), Stream(bytes(128)).take)
