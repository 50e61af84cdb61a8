"""Expanded tiles: C2SP tlog-tiles' tiles together with the nodes between their bottom row and their top.

Tile (L, N) of width w holds the nodes of height 8L with indices 256N .. 256N + w - 1, its *row*, which is exactly
the tile that C2SP tlog-tiles publishes, and above it every complete interior node, row by row:

    w nodes of height 8L, then w >> 1 of height 8L + 1, then w >> 2, … down to one

    count(w) = 2w - popcount(w) nodes of 32 bytes; 511 when w = 256, whose last is the tile's own root

A tile is truncated, never filled: count() strictly ascends, so the length tells the width and any other length is
damage (InvariantBroken "tile-malformed"). Rows h and above are laid out as a tile of width w >> h, hence row h
starts at node count(w) - count(w >> h). A partial tile of level L in a tree of s leaves has floor(s / 256^L) mod 256
hashes in its row; an empty one does not exist. A node of height 8L + 8 is both the last node of a full tile and a
node of the row above: only the latter is called its place.

Storage comes in through `ReadTile`, a function from (level, number) to the tile's bytes, or a view of them, which
may be wider than the size at hand needs: an append-only tree never changes a complete node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from ledger import spec
from ledger.errors import InvariantBroken, RefusedInput
from ledger.merkle.tree import Frontier, parents_of, require_hashes

Tile: TypeAlias = bytes | memoryview
ReadTile: TypeAlias = Callable[[int, int], Tile]

FULL_TILE_BYTES: Final = (2 * spec.TILE_WIDTH - 1) * spec.HASH_BYTES
BUNDLE_KINDS: Final = ("tile/entries", "records")

_LEVEL_MAX: Final = 63  # C2SP tlog-tiles


def _count(width: int) -> int:
    """Nodes of an expanded tile whose row holds `width` hashes."""
    return 2 * width - width.bit_count()


_WIDTH_OF_BYTES: Final = {_count(width) * spec.HASH_BYTES: width for width in range(1, spec.TILE_WIDTH + 1)}


class Place(NamedTuple):
    """Where a node stands: tile (level, number), and in it the row `height` (0..7) and the position in that row."""

    level: int
    number: int
    height: int
    position: int


def require_size(size: int) -> None:
    """RefusedInput unless 0 ≤ size ≤ TREE_SIZE_MAX leaves."""
    if not 0 <= size <= spec.TREE_SIZE_MAX:
        raise RefusedInput("size-out-of-range", f"tree of {size}", f"want 0 to {spec.TREE_SIZE_MAX} leaves")


def width_of(tile: Tile) -> int:
    """Hashes in the tile's row (1..256), by its length; InvariantBroken if no tile is that long."""
    width = _WIDTH_OF_BYTES.get(len(tile))
    if width is None:
        raise InvariantBroken(
            "tile-malformed", "tile", f"no tile is {len(tile)} bytes long", "restore from a backup"
        )
    return width


def row(tile: Tile) -> bytes:
    """The tile as C2SP tlog-tiles publishes it: its row, 32 bytes a hash."""
    return bytes(tile[: width_of(tile) * spec.HASH_BYTES])


def node(tile: Tile, height: int, index: int) -> bytes:
    """Hash number `index` in row `height` (0..8) of a tile; InvariantBroken if the tile is too narrow to hold it."""
    width = width_of(tile)
    if not (0 <= height <= spec.TILE_HEIGHT and 0 <= index < width >> height):
        reason = f"a tile of width {width} has no node {index} in row {height}"
        raise InvariantBroken("tile-malformed", "tile", reason, "restore from a backup")
    start = (_count(width) - _count(width >> height) + index) * spec.HASH_BYTES
    return bytes(tile[start : start + spec.HASH_BYTES])


def tile_coordinates(height: int, index: int) -> Place:
    """Where the complete subtree of 2^height leaves number `index` from the left is stored."""
    level, row_height = divmod(height, spec.TILE_HEIGHT)
    row_bits = spec.TILE_HEIGHT - row_height
    return Place(level, index >> row_bits, row_height, index & ((1 << row_bits) - 1))


def extend(tile: Tile, row_hashes: Sequence[bytes]) -> bytes:
    """A tile (or b"", the empty one) with more hashes in its row; hashes only the nodes that become complete.

    RefusedInput if the row would hold more than 256 hashes, or a hash is not 32 bytes.
    """
    require_hashes(row_hashes)
    old = width_of(tile) if len(tile) else 0
    if old + len(row_hashes) > spec.TILE_WIDTH:
        raise RefusedInput(
            "size-out-of-range", "tile", f"{old + len(row_hashes)} hashes, at most {spec.TILE_WIDTH}"
        )
    parts: list[Tile] = []
    nodes, start = list(row_hashes), 0
    while nodes or old:
        end = start + old * spec.HASH_BYTES
        parts.append(tile[start:end])
        parts.extend(nodes)
        if old & 1:  # the last node of the old row waited for its sibling
            nodes.insert(0, bytes(tile[end - spec.HASH_BYTES : end]))
        nodes, start, old = parents_of(nodes), end, old >> 1
    return b"".join(parts)


def expand(row_hashes: Sequence[bytes]) -> bytes:
    """The expanded tile over 1..256 hashes of 32 bytes; RefusedInput for any other number."""
    if not row_hashes:
        raise RefusedInput("size-out-of-range", "tile", "an empty tile does not exist")
    return extend(b"", row_hashes)


def append(read_tile: ReadTile, old_size: int, leaf_hashes: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
    """All new and changed tiles, {(level, number): tile}, when `leaf_hashes` follow a tree of `old_size` leaves.

    Reads the last, partial tile of each level that changes and nothing else. RefusedInput if the tree would be
    larger than TREE_SIZE_MAX; InvariantBroken if a tile read is not exactly as wide as `old_size` says.
    """
    require_size(old_size)
    require_size(old_size + len(leaf_hashes))
    changed: dict[tuple[int, int], bytes] = {}
    nodes: Sequence[bytes] = leaf_hashes
    level = 0
    while nodes:
        number, width = divmod(old_size >> (spec.TILE_HEIGHT * level), spec.TILE_WIDTH)
        tile: Tile = b""
        if width:
            tile = read_tile(level, number)
            if width_of(tile) != width:
                reason = f"width {width_of(tile)}, want {width} at size {old_size}"
                raise InvariantBroken(
                    "tile-malformed", f"tile {level}/{number}", reason, "restore from a backup"
                )
        above: list[bytes] = []
        taken = 0
        while taken < len(nodes):
            share = nodes[taken : taken + spec.TILE_WIDTH - width]
            grown = changed[level, number] = extend(tile, share)
            if len(grown) == FULL_TILE_BYTES:
                above.append(grown[-spec.HASH_BYTES :])
            taken += len(share)
            tile, width, number = b"", 0, number + 1
        nodes, level = above, level + 1
    return changed


def tiles_between(old_size: int, new_size: int) -> Iterator[tuple[int, int, int]]:
    """(level, number, width) of each tile that is new or wider at `new_size` than at `old_size`, lower levels first."""
    require_size(old_size)
    require_size(new_size)
    old, new, level = old_size, new_size, 0
    while new > old:
        for number in range(old // spec.TILE_WIDTH, (new - 1) // spec.TILE_WIDTH + 1):
            yield level, number, min(spec.TILE_WIDTH, new - number * spec.TILE_WIDTH)
        old, new, level = old >> spec.TILE_HEIGHT, new >> spec.TILE_HEIGHT, level + 1


def tiles_of_size(size: int) -> Iterator[tuple[int, int, int]]:
    """(level, number, width) of each tile of a tree of `size` leaves, lower levels first."""
    return tiles_between(0, size)


def _numbered(folder: str, number: int, width: int) -> str:
    """`<folder>/<N>[.p/<W>]` of C2SP tlog-tiles: groups of three digits, all but the last begin with x."""
    if number < 0 or not 1 <= width <= spec.TILE_WIDTH:
        raise RefusedInput("index-out-of-range", f"{folder}/{number}", f"no tile has width {width} there")
    digits = str(number)
    digits = digits.zfill(-len(digits) // 3 * -3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"{folder}/{name}" if width == spec.TILE_WIDTH else f"{folder}/{name}.p/{width}"


def tile_path(level: int, number: int, width: int) -> str:
    """Path of a tile under the log's prefix, such as tile/0/x001/x234/067.p/112 (C2SP tlog-tiles)."""
    if not 0 <= level <= _LEVEL_MAX:
        raise RefusedInput("index-out-of-range", f"tile level {level}", f"want 0 to {_LEVEL_MAX}")
    return _numbered(f"tile/{level}", number, width)


def bundle_path(kind: str, number: int, width: int) -> str:
    """Path of a bundle of 1..256 entries (`kind` "tile/entries") or records ("records") under the log's prefix."""
    if kind not in BUNDLE_KINDS:
        raise RefusedInput("kind-unknown", f"bundle kind {kind!r}", f"want one of {', '.join(BUNDLE_KINDS)}")
    return _numbered(kind, number, width)


def frontier(read_tile: ReadTile, size: int) -> Frontier:
    """The frontier of the first `size` leaves; reads one tile a level. InvariantBroken if a tile is too narrow."""
    require_size(size)
    peaks: list[bytes] = []
    for level in reversed(range(size.bit_length() // spec.TILE_HEIGHT + 1)):
        number, width = divmod(size >> (spec.TILE_HEIGHT * level), spec.TILE_WIDTH)
        if width:
            tile = read_tile(level, number)
            heights = [height for height in reversed(range(spec.TILE_HEIGHT)) if (width >> height) & 1]
            peaks += [node(tile, height, (width >> height) - 1) for height in heights]
    return Frontier(size, tuple(peaks))


def root(read_tile: ReadTile, size: int) -> bytes:
    """Root of the first `size` leaves, 32 bytes."""
    return frontier(read_tile, size).root()
