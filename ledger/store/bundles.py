"""Bundles: up to 256 items as one value, each behind its length in two bytes (C2SP tlog-tiles, "Log entries").

Records are bundled as entries are. A record that was erased leaves length 0 and its 32-byte leaf hash (SPEC §8),
so that the tree over the records can still be computed; hence no item is empty. Bundles of items that cannot be
erased refuse length 0.

Readers here take a bundle as bytes or as a memoryview and never copy it: the items they give are views into it,
valid as long as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from ledger.errors import InvariantBroken, StoreFault
from ledger.spec import ENTRY_BYTES_MAX, HASH_BYTES, TILE_WIDTH
from ledger.store.contract import Bytes

LENGTH_BYTES: Final = 2
BUNDLE_BYTES_MAX: Final = TILE_WIDTH * (LENGTH_BYTES + ENTRY_BYTES_MAX)
_LENGTH: Final = struct.Struct(">H")
_ERASED: Final = b"\0\0"


@dataclass(frozen=True, slots=True)
class Erased:
    """What is left of an erased record: SHA-256(0x00 ‖ record), 32 bytes."""

    leaf_hash: bytes


Item: TypeAlias = memoryview | Erased


def encode(item: bytes | Erased) -> bytes:
    """One item with its length before it. Raises InvariantBroken for an item of a size that no bundle holds."""
    if isinstance(item, Erased):
        if len(item.leaf_hash) != HASH_BYTES:
            raise InvariantBroken("bundle-item", "erased record", "its leaf hash does not have 32 bytes")
        return _ERASED + item.leaf_hash
    if not 1 <= len(item) <= ENTRY_BYTES_MAX:
        raise InvariantBroken("bundle-item", f"item of {len(item)} bytes", "items have 1 to 65,535 bytes")
    return _LENGTH.pack(len(item)) + item


def pack(items: Iterable[bytes | Erased]) -> bytes:
    """The bundle of 1 to 256 items. Raises InvariantBroken for any other number, and as `encode` does."""
    encoded = [encode(item) for item in items]
    if not 1 <= len(encoded) <= TILE_WIDTH:
        raise InvariantBroken("bundle-width", f"bundle of {len(encoded)}", f"bundles hold 1 to {TILE_WIDTH}")
    return b"".join(encoded)


def _damaged(reason: str) -> StoreFault:
    return StoreFault(
        "bundle-damaged", "bundle", reason, "restore a backup, or fetch the bundle again from a mirror"
    )


def offsets(bundle: Bytes, *, erasable: bool = False) -> list[int]:
    """Where each item's length stands, in bytes; the whole bundle is read strictly.

    Raises StoreFault `bundle-damaged` if the bundle is cut short, holds more than 256 items, or an erased one
    unless `erasable`.
    """
    found: list[int] = []
    place, end = 0, len(bundle)
    while place < end:
        found.append(place)
        if end - place < LENGTH_BYTES:
            raise _damaged(f"it ends within the length of item {len(found) - 1}")
        length = bundle[place] << 8 | bundle[place + 1]
        if not length:
            if not erasable:
                raise _damaged(f"item {len(found) - 1} is empty")
            length = HASH_BYTES
        place += LENGTH_BYTES + length
    if place > end:
        raise _damaged(f"it ends within item {len(found) - 1}")
    if len(found) > TILE_WIDTH:
        raise _damaged(f"it holds {len(found)} items")
    return found


def item_at(bundle: Bytes, offset: int) -> Item:
    """The item whose length stands at `offset`, one of `offsets(bundle)`."""
    start = offset + LENGTH_BYTES
    length = bundle[offset] << 8 | bundle[offset + 1]
    if not length:
        return Erased(bytes(bundle[start : start + HASH_BYTES]))
    return memoryview(bundle)[start : start + length]


def items(bundle: Bytes) -> list[memoryview]:
    """The items of a bundle whose items cannot be erased. Raises StoreFault `bundle-damaged`."""
    view = memoryview(bundle)
    bounds = [*offsets(view), len(view)]
    return [view[start + LENGTH_BYTES : stop] for start, stop in pairwise(bounds)]


def record_items(bundle: Bytes) -> list[Item]:
    """The items of a bundle of records, erased ones among them. Raises StoreFault `bundle-damaged`."""
    view = memoryview(bundle)
    return [item_at(view, offset) for offset in offsets(view, erasable=True)]


def item(bundle: Bytes, index: int, *, erasable: bool = False) -> Item:
    """One item by its index in the bundle, 0-based.

    Raises StoreFault `bundle-damaged` as `offsets` does, and for an index outside the bundle.
    """
    found = offsets(bundle, erasable=erasable)
    if not 0 <= index < len(found):
        raise _damaged(f"it holds {len(found)} items, not one at {index}")
    return item_at(bundle, found[index])
