"""Inclusion and consistency paths (RFC 6962 §2.1.1, §2.1.2) read from expanded tiles, for any size up to the stored.

The path of a leaf first climbs inside its peak, a complete subtree, where every sibling is stored: eight of them
lie in one tile at offsets that depend on the leaf's place in the row alone, so one call takes them all. Above the
peak come the root over all peaks to its right, where there are any, and then each peak to its left, nearest first.
What lies above the last full tile is therefore the same for many leaves: a `PathReader` remembers it.

A consistency path from m to n leaves is the last peak of the old tree, unless that is the whole old tree, and
then that node's inclusion path in the new one: the path of leaf m - 1 without its steps below that node.
"""

from __future__ import annotations

import struct
from typing import Final

from ledger import spec
from ledger.errors import InvariantBroken, RefusedInput
from ledger.merkle.tiles import FULL_TILE_BYTES, ReadTile, frontier, node, root, tile_coordinates
from ledger.merkle.tree import EMPTY_ROOT, hash_children

_MASK: Final = spec.TILE_WIDTH - 1
_UPPER_TILES_MAX: Final = 256  # tiles of 16 KiB; at level 1 they stand over 16,777,216 leaves


def _siblings_in_full_tile(index: int) -> struct.Struct:
    """Cuts from a full tile the eight siblings on the way from hash `index` of its row up to its root."""
    cut, at, start = ">", 0, 0
    for height in range(spec.TILE_HEIGHT):
        place = start + ((index >> height) ^ 1)
        cut += f"{(place - at) * spec.HASH_BYTES}x{spec.HASH_BYTES}s"
        at, start = place + 1, start + (spec.TILE_WIDTH >> height)
    return struct.Struct(cut)


_SIBLINGS: Final = tuple(_siblings_in_full_tile(index).unpack_from for index in range(spec.TILE_WIDTH))


def read_node(read_tile: ReadTile, height: int, index: int) -> bytes:
    """Hash of the complete subtree of 2^height leaves number `index` from the left."""
    place = tile_coordinates(height, index)
    return node(read_tile(place.level, place.number), place.height, place.position)


class PathReader:
    """Paths in the tree of the first `size` leaves, as long as `read_tile` can be called.

    Remembers the right edge (at most 48 peaks and, of each, the paths from its at most 128 nodes in its topmost
    tile) and up to 256 full tiles above level 0: copies, never a view of a tile. Not for two threads at once. RefusedInput if `size` is out of range, InvariantBroken if a tile
    read is too narrow for `size` or is of no legal length.
    """

    __slots__ = ("_left_peaks", "_read_tile", "_right_roots", "_tops", "_upper", "root", "size")

    def __init__(self, read_tile: ReadTile, size: int) -> None:
        self.size = size
        self._read_tile = read_tile
        peaks = frontier(read_tile, size).hashes
        heights = [height for height in reversed(range(size.bit_length())) if (size >> height) & 1]
        # By a peak's height: all peaks left of it, nearest first; by a peak's first leaf: the root over it and
        # all that follows.
        self._left_peaks = {height: peaks[:at][::-1] for at, height in enumerate(heights)}
        self._right_roots: dict[int, bytes] = {}
        start, right = size, b""
        for height, peak in zip(reversed(heights), reversed(peaks), strict=True):
            start -= 1 << height
            right = hash_children(peak, right) if right else peak
            self._right_roots[start] = right
        self.root: bytes = right or EMPTY_ROOT
        self._tops: dict[tuple[int, int], list[bytes]] = {}
        self._upper: dict[tuple[int, int], bytes] = {}

    def inclusion_path(self, index: int) -> list[bytes]:
        """Path of leaf `index`, leaf to root, at most 48 hashes; RefusedInput unless index < size."""
        if not 0 <= index < self.size:
            raise RefusedInput("index-out-of-range", f"leaf {index}", f"the tree has {self.size} leaves")
        path: list[bytes] = []
        # The highest bit in which index and size differ is the height of the peak that holds the leaf.
        height = (index ^ self.size).bit_length() - 1
        place = index
        for level in range(height >> 3):
            tile = self._upper.get((level, place >> 8)) or self._read_tile(level, place >> 8)
            if len(tile) != FULL_TILE_BYTES:
                reason = f"{len(tile)} bytes, but the tile is full at size {self.size}"
                raise InvariantBroken(
                    "tile-malformed", f"tile {level}/{place >> 8}", reason, "restore from a backup"
                )
            path += _SIBLINGS[place & _MASK](tile)
            if level and (level, place >> 8) not in self._upper:
                self._keep(level, place >> 8, bytes(tile))
            place >>= 8
        top = self._tops.get((height, place))
        if top is None:
            top = self._tops[height, place] = self._top(height, place)
        path += top
        return path

    def _keep(self, level: int, number: int, tile: bytes) -> None:
        """Remembers a full tile above the leaves' level; the oldest makes room."""
        if len(self._upper) == _UPPER_TILES_MAX:
            del self._upper[next(iter(self._upper))]
        self._upper[level, number] = tile

    def _top(self, height: int, place: int) -> list[bytes]:
        """The end of a path: from node `place` of the row in which the peak of `height` ends, up to the root."""
        level, steps = divmod(height, spec.TILE_HEIGHT)
        end = ((place >> steps) + 1) << height
        tile = self._read_tile(level, place >> spec.TILE_HEIGHT) if steps else b""
        top = [node(tile, step, ((place & _MASK) >> step) ^ 1) for step in range(steps)]
        if end in self._right_roots:
            top.append(self._right_roots[end])
        top += self._left_peaks[height]
        return top

    def consistency_path(self, old_size: int) -> list[bytes]:
        """Path that shows the first `old_size` leaves to be a prefix; empty for sizes 0 and `size`.

        RefusedInput unless 0 ≤ old_size ≤ size. The empty path of size 0 proves nothing and no verifier here
        takes it; a C2SP witness that knows no checkpoint yet asks for it.
        """
        self._require(old_size)
        if old_size in {0, self.size}:
            return []
        height = (old_size & -old_size).bit_length() - 1
        path = self.inclusion_path(old_size - 1)[height:]
        if old_size != 1 << height:
            path.insert(0, read_node(self._read_tile, height, (old_size >> height) - 1))
        return path

    def root_at(self, size: int) -> bytes:
        """Root of the first `size` leaves, from which `consistency_path` leads; RefusedInput unless 0 ≤ size ≤ `size`."""
        self._require(size)
        return root(self._read_tile, size)

    def _require(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise RefusedInput("size-out-of-range", f"tree of {size}", f"the tree has {self.size} leaves")

    def subtree_root(self, start: int, height: int) -> bytes:
        """Hash over leaves [start, start + 2^height) as far as they exist; `start` is a multiple of 2^height.

        What stands is either complete, or begins at a peak and reaches to the end: no other subtree occurs in
        RFC 6962's split. RefusedInput for any other.
        """
        if 0 <= start <= self.size - (1 << height) and not start & ((1 << height) - 1):
            return read_node(self._read_tile, height, start >> height)
        if start not in self._right_roots:
            raise RefusedInput("index-out-of-range", f"leaf {start}", "no subtree of the tree begins there")
        return self._right_roots[start]


def inclusion_path(read_tile: ReadTile, index: int, size: int) -> list[bytes]:
    """Inclusion path of leaf `index` in the first `size` leaves; for many paths keep a `PathReader`."""
    return PathReader(read_tile, size).inclusion_path(index)


def consistency_path(read_tile: ReadTile, old_size: int, new_size: int) -> list[bytes]:
    """Consistency path from the first `old_size` to the first `new_size` leaves; [] if equal or `old_size` is 0."""
    return PathReader(read_tile, new_size).consistency_path(old_size)
