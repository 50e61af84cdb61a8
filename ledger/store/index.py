"""The digest index: from a digest to where it stands in the log.

What is kept of a digest is its first 8 bytes, as a big-endian number: 16 bytes a digest with its position. Two
digests may share a prefix, by chance at about 2**32 digests (the birthday bound) or by somebody's work. So the
index only proposes; `check` compares the full digest with what stands at a position, and decides. The index can
be rebuilt from the log.

A position is the global number of a record, or 2**63 + log index for a statement.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from typing import Final

from ledger.spec import HASH_BYTES
from ledger.store.contract import Snapshot

PREFIX_BYTES: Final = 8
STATEMENT_BASE: Final = 2**63


def prefix(digest: bytes) -> int:
    """The first 8 bytes of a digest as a big-endian number."""
    return int.from_bytes(digest[:PREFIX_BYTES], "big")


def statement_position(log_index: int) -> int:
    """The position of the statement at `log_index`; a record's position is its global number."""
    return STATEMENT_BASE + log_index


def statement_index(position: int) -> int | None:
    """The log index that a position names, or None if it is the number of a record."""
    return position - STATEMENT_BASE if position >= STATEMENT_BASE else None


def find_all(snapshot: Snapshot, digest: bytes, check: Callable[[int], bool]) -> list[int]:
    """Every position at which `check` confirms the full digest, ascending."""
    return [position for position in snapshot.positions(prefix(digest)) if check(position)]


def find_many(snapshot: Snapshot, digests: bytes) -> dict[bytes, list[int]]:
    """Of each digest (32 bytes, one behind the other) under whose first bytes anything is indexed, those positions, ascending.

    None of them is checked. Of digests under which nothing is indexed no object is made: most have nothing, and they are very many.
    """
    prefixes = array("Q", digests)[:: HASH_BYTES // PREFIX_BYTES]
    if sys.byteorder == "little":
        prefixes.byteswap()
    found = snapshot.positions_of_many(prefixes)
    if not found:
        return {}
    places = (at for at, prefix in enumerate(prefixes) if prefix in found)
    return {digests[at * HASH_BYTES : (at + 1) * HASH_BYTES]: found[prefixes[at]] for at in places}


def find(snapshot: Snapshot, digest: bytes, check: Callable[[int], bool]) -> int | None:
    """The smallest position at which `check` confirms the full digest, or None."""
    return next(filter(check, snapshot.positions(prefix(digest))), None)
