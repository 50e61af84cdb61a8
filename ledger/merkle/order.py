"""Hashes in ascending order: the index by which one of many is found, without their being moved.

An *order* is all positions, as u32 big-endian, by (hash, position): equal hashes stand together in it, so that a search finds
the first and the last of them. It is made in pieces, wherever the hashes happen to be: a piece is sorted into a *run* of hash
‖ position, and runs are merged, bucket by bucket so that few of them are objects at once (the sort finds what is in order already).
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Final

from ledger.spec import HASH_BYTES

POSITION_BYTES: Final = 4
_ITEM_BYTES: Final = HASH_BYTES + POSITION_BYTES
_BUCKETS: Final = 16  # by the first byte of a hash


def sorted_run(hashes: bytes, first: int = 0) -> bytes:
    """Of consecutive hashes (32 bytes each), the first of which has the position `first`: hash ‖ position, ascending."""
    count = len(hashes) // HASH_BYTES
    positions = struct.pack(f">{count}I", *range(first, first + count))
    starts = zip(
        range(0, count * HASH_BYTES, HASH_BYTES),
        range(0, count * POSITION_BYTES, POSITION_BYTES),
        strict=True,
    )
    return b"".join(
        sorted([hashes[at : at + HASH_BYTES] + positions[to : to + POSITION_BYTES] for at, to in starts])
    )


def merge_runs(runs: Sequence[bytes]) -> bytes:
    """The order of all hashes of some runs."""
    bounds = [_bounds(run) for run in runs]
    merged = []
    for bucket in range(_BUCKETS):
        items = [
            run[at : at + _ITEM_BYTES]
            for run, bound in zip(runs, bounds, strict=True)
            for at in range(bound[bucket], bound[bucket + 1], _ITEM_BYTES)
        ]
        items.sort()
        merged.append(b"".join([item[HASH_BYTES:] for item in items]))
    return b"".join(merged)


def _bounds(run: bytes) -> list[int]:
    """Where each bucket of a run begins, in bytes; and where the last one ends."""
    starts = range(0, len(run), _ITEM_BYTES)
    firsts = (bucket * (256 // _BUCKETS) for bucket in range(_BUCKETS))
    return [
        *(_ITEM_BYTES * bisect_left(starts, least, key=run.__getitem__) for least in firsts),
        len(run),
    ]


def find_in_order(wanted: bytes, positions: Sequence[int], hash_at: Callable[[int], bytes]) -> range:
    """The places in the order `positions` at which the hash `wanted` stands; empty if nowhere. About log2 n steps.

    `positions` may be read as it is asked for, and is not believed to be in order: that the first place found holds `wanted`
    is certain, that no other does and all between do is not.
    """
    start = bisect_left(positions, wanted, key=hash_at)
    if start == len(positions) or hash_at(positions[start]) != wanted:
        return range(start, start)
    return range(start, bisect_right(positions, wanted, lo=start, key=hash_at))
