"""Trees for the tests of this room: leaf i of every tree is the decimal text of i."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from ledger.merkle import tiles
from ledger.merkle.tree import hash_leaf

Store = dict[tuple[int, int], bytes]
MIXED_SIZES = (2, 255, 256, 257, 70_000)


def data(size: int) -> list[bytes]:
    return [str(index).encode() for index in range(size)]


@lru_cache(maxsize=8)
def leaf_hashes(size: int) -> tuple[bytes, ...]:
    return tuple(map(hash_leaf, data(size)))


def reader(store: Store) -> Callable[[int, int], bytes]:
    return lambda level, number: store[level, number]


@lru_cache(maxsize=8)
def stored(size: int) -> Callable[[int, int], bytes]:
    """Reads the tiles of the tree of `size` leaves."""
    return reader(tiles.append(reader({}), 0, leaf_hashes(size)))


def flipped(value: bytes, bit: int = 0) -> bytes:
    return bytes([*value[: bit // 8], value[bit // 8] ^ (0x80 >> bit % 8), *value[bit // 8 + 1 :]])


def mutations(path: list[bytes]) -> Iterator[list[bytes]]:
    """`path` with one element flipped, dropped, doubled or cut, or two swapped, or one added."""
    for at, hash_ in enumerate(path):
        yield [*path[:at], flipped(hash_, at * 37 % (8 * len(hash_))), *path[at + 1 :]]
        yield [*path[:at], *path[at + 1 :]]
        yield [*path[: at + 1], *path[at:]]
        yield [*path[:at], hash_[:-1], *path[at + 1 :]]
        if at:
            yield [*path[: at - 1], hash_, path[at - 1], *path[at + 1 :]]
    yield [*path, bytes(32)]
    yield [bytes(32), *path]
