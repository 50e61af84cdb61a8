"""Ranges of leaves of one RFC 6962 tree, proved together while their inputs pass by (SPEC §11.2, part `rows`).

The proof is the multiproof of `ledger.merkle.multiproof`, in the same canonical order. Its hashes and the wanted leaves both
stand from left to right, so a verifier that descends left before right takes each of them from the front of its own stream:
of a million leaves it holds as many as one piece has, and one hash a level.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

from ledger import spec
from ledger.errors import ProofInvalid
from ledger.merkle.groups import leaf_hashes_of
from ledger.merkle.tree import root_of

Range = tuple[int, int]  # first leaf, number of leaves
TakeInputs = Callable[[int], bytes]  # the inputs of the next so many wanted leaves, 32 bytes each

_PIECE: Final = 4_096  # leaves that are hashed at once, at most


class Ranges:
    """Which leaves are wanted: ranges that ascend and do not touch, each of at least one leaf."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        self._starts = [first for first, _ in ranges]
        self._counts = [count for _, count in ranges]
        self._before = [0, *accumulate(self._counts)]

    @property
    def count(self) -> int:
        """How many leaves are wanted."""
        return self._before[-1]

    @property
    def stop(self) -> int:
        """Behind the last of them."""
        return self._starts[-1] + self._counts[-1]

    def within(self, start: int, stop: int) -> int:
        """How many of them are in [start, stop)."""
        return self._below(stop) - self._below(start)

    def _below(self, leaf: int) -> int:
        place = bisect_right(self._starts, leaf) - 1
        if place < 0:
            return 0
        return self._before[place] + min(leaf - self._starts[place], self._counts[place])


def prove_ranges(subtree_root: Callable[[int, int], bytes], ranges: Ranges, size: int) -> list[bytes]:
    """The multiproof of the ranges' leaves, which stand in the tree of `size` leaves.

    `subtree_root(start, height)` is the root over leaves [start, start + 2^height), or up to the last.
    """
    hashes: list[bytes] = []
    waiting = [(0, size)]
    while waiting:
        start, count = waiting.pop()
        wanted = ranges.within(start, start + count)
        if not wanted:
            hashes.append(subtree_root(start, (count - 1).bit_length()))
        elif wanted < count:
            left = 1 << ((count - 1).bit_length() - 1)
            waiting.append((start + left, count - left))
            waiting.append((start, left))
    return hashes


def verify_ranges(ranges: Ranges, size: int, hashes: Sequence[bytes], root: bytes, take: TakeInputs) -> None:
    """Checks that the wanted leaves, whose inputs `take` gives in order, stand in the tree of `size` leaves under `root`.

    All of them are taken if the ranges lie in the tree. Raises ProofInvalid `multiproof-invalid`, and what `take` raises.
    """
    if not 0 < ranges.stop <= size <= spec.TREE_SIZE_MAX:
        raise _invalid("a range lies outside of the tree")
    descent = _Descent(ranges, hashes, take)
    found = descent.subtree(0, size)
    if descent.taken != len(hashes):
        raise _invalid(f"{len(hashes) - descent.taken} hashes too many")
    if found != root:
        raise _invalid("the hashes lead to another root")


class _Descent:
    """As deep as the tree is high: 48 at most."""

    def __init__(self, ranges: Ranges, hashes: Sequence[bytes], take: TakeInputs) -> None:
        self._ranges = ranges
        self._hashes = hashes
        self._take = take
        self.taken = 0

    def subtree(self, start: int, count: int) -> bytes:
        wanted = self._ranges.within(start, start + count)
        if not wanted:
            if self.taken == len(self._hashes):
                raise _invalid("a hash is missing")
            self.taken += 1
            return self._hashes[self.taken - 1]
        if wanted == count <= _PIECE:
            return root_of(leaf_hashes_of(self._take(count)))
        left_count = 1 << ((count - 1).bit_length() - 1)
        left = self.subtree(start, left_count)
        right = self.subtree(start + left_count, count - left_count)
        return hashlib.sha256(spec.PREFIX_NODE + left + right).digest()


def _invalid(reason: str) -> ProofInvalid:
    return ProofInvalid("multiproof-invalid", "multiproof of rows", reason)
