"""tiles.py: layout, appends in any chunks, C2SP paths, and refusal of damaged tiles."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import InvariantBroken, RefusedInput
from ledger.merkle import tiles, tree
from tests import reference
from tests.test_merkle.forest import Store, data, leaf_hashes, reader, stored


def _store_by_definition(size: int) -> Store:
    """All tiles of a tree, each from C2SP tlog-tiles' definition of its row."""
    leaves, store, level = data(size), {}, 0
    while 256**level <= size:
        span = 256**level
        for number in range(-(-(size // span) // 256)):
            part = leaves[number * 256 * span : (number + 1) * 256 * span]
            store[level, number] = reference.expanded_tile(part, span)
        level += 1
    return store


def test_every_width_has_its_own_length_and_layout() -> None:
    lengths = set()
    for width in range(1, 257):
        tile = tiles.expand(leaf_hashes(width))
        assert tile == reference.expanded_tile(data(width), 1)
        assert len(tile) == 32 * (2 * width - width.bit_count())
        assert tiles.width_of(tile) == tiles.width_of(memoryview(tile)) == width
        assert tiles.row(tile) == tiles.row(memoryview(tile)) == b"".join(leaf_hashes(width))
        lengths.add(len(tile))
    assert len(lengths) == 256
    assert max(lengths) == tiles.FULL_TILE_BYTES == 511 * 32


@pytest.mark.parametrize("width", [1, 2, 3, 112, 255, 256])
def test_every_node_is_found_and_none_beyond(width: int) -> None:
    tile, leaves = tiles.expand(leaf_hashes(width)), data(width)
    for height in range(9):
        for index in range(width >> height):
            want = reference.mth(leaves[index << height : (index + 1) << height])
            assert tiles.node(tile, height, index) == want
        for index in (-1, width >> height):
            with pytest.raises(InvariantBroken):
                tiles.node(tile, height, index)
    with pytest.raises(InvariantBroken):
        tiles.node(tile, 9, 0)


def test_a_tile_of_illegal_length_is_damage() -> None:
    legal = {len(tiles.expand(leaf_hashes(width))) for width in range(1, 257)}
    for length in [*range(0, 513 * 32, 32), 1, 31, 33, 8191, 16_351, 16_353]:
        if length not in legal:
            with pytest.raises(InvariantBroken) as broken:
                tiles.width_of(bytes(length))
            assert broken.value.code == "tile-malformed"


def test_a_tile_takes_1_to_256_hashes_of_32_bytes() -> None:
    for row in ([], [bytes(32)] * 257, [bytes(31)], [bytes(32), bytes(33)]):
        with pytest.raises(RefusedInput):
            tiles.expand(row)
    with pytest.raises(RefusedInput):
        tiles.extend(tiles.expand([bytes(32)] * 200), [bytes(32)] * 57)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 256), max_size=5))
def test_appends_of_any_chunks_make_the_tiles_of_the_definition(chunks: list[int]) -> None:
    store: Store = {}
    size = 0
    for chunk in chunks:
        old = size
        size += chunk
        made = tiles.append(reader(store), old, leaf_hashes(size)[old:])
        assert {(*place, tiles.width_of(tile)) for place, tile in made.items()} == set(
            tiles.tiles_between(old, size)
        )
        store.update(made)
    assert store == _store_by_definition(size)


def test_appends_from_1_to_700() -> None:
    rng, store, size = random.Random(700), {}, 0  # type: tuple[random.Random, Store, int]
    while size < 700:
        old, size = size, min(700, size + rng.choice([1, 1, 2, 3, 17, 90]))
        store.update(tiles.append(reader(store), old, leaf_hashes(700)[old:size]))
        assert store == _store_by_definition(size)
        assert tiles.root(reader(store), size) == reference.mth(data(size))


def test_70_000_leaves_in_chunks_read_only_partial_tiles_that_change() -> None:
    """The size that C2SP tlog-tiles works out as its example."""
    store: Store = {}
    size, rng = 0, random.Random(70_000)
    while size < 70_000:
        asked: list[tuple[int, int]] = []

        def read(level: int, number: int, asked: list[tuple[int, int]] = asked) -> bytes:
            asked.append((level, number))
            return store[level, number]

        old, size = size, min(70_000, size + rng.randrange(1, 9000))
        made = tiles.append(read, old, leaf_hashes(70_000)[old:size])
        assert set(asked) == set(made) & set(store)
        assert len(asked) <= 3
        store.update(made)
    assert store == tiles.append(reader({}), 0, leaf_hashes(70_000))
    assert tiles.root(reader(store), 70_000) == tree.root_of(leaf_hashes(70_000))
    widths = {place: tiles.width_of(tile) for place, tile in store.items()}
    want = {(0, number): 256 for number in range(273)} | {(0, 273): 112, (1, 0): 256, (1, 1): 17, (2, 0): 1}
    assert widths == want


def test_tiles_of_size_are_c2sps() -> None:
    for size in [*range(600), 65_535, 65_536, 65_537, 70_000]:
        listed = list(tiles.tiles_of_size(size))
        partial = {level: width for level, _, width in listed if width < 256}
        full = [level for level, _, width in listed if width == 256]
        assert len(listed) == len(full) + len(partial)
        for level in range(4):
            assert partial.get(level, 0) == size // 256**level % 256
            assert full.count(level) == size // 256 ** (level + 1)
    assert list(tiles.tiles_of_size(256)) == [(0, 0, 256), (1, 0, 1)]


@settings(deadline=None)
@given(st.integers(0, 200_000), st.integers(0, 2000))
def test_tiles_between_are_those_that_differ(old: int, more: int) -> None:
    changed = set(tiles.tiles_of_size(old + more)) - set(tiles.tiles_of_size(old))
    assert list(tiles.tiles_between(old, old + more)) == sorted(changed)


def test_append_refuses_a_store_that_is_not_at_the_old_size() -> None:
    for width in (44, 46, 256):
        with pytest.raises(InvariantBroken) as broken:
            tiles.append(reader({(0, 0): tiles.expand(leaf_hashes(width))}), 45, leaf_hashes(1))
        assert broken.value.item == "tile 0/0"
    with pytest.raises(RefusedInput):
        tiles.append(reader({}), spec.TREE_SIZE_MAX, leaf_hashes(1))
    with pytest.raises(RefusedInput):
        tiles.append(reader({}), 0, [bytes(31)])
    for bad in (-1, spec.TREE_SIZE_MAX + 1):
        with pytest.raises(RefusedInput):
            list(tiles.tiles_of_size(bad))


def test_a_frontier_of_every_size_is_read_from_wider_tiles() -> None:
    for size in range(701):
        assert tiles.frontier(stored(700), size) == tree.Frontier().append(leaf_hashes(size))
    with pytest.raises(InvariantBroken):
        tiles.frontier(stored(700), 701)


def test_every_node_of_a_tree_has_its_place() -> None:
    leaves, hashes = data(1024), stored(1024)
    for height in range(11):
        for index in range(1024 >> height):
            place = tiles.tile_coordinates(height, index)
            assert place.level == height // 8
            tile = hashes(place.level, place.number)
            want = reference.mth(leaves[index << height : (index + 1) << height])
            assert tiles.node(tile, place.height, place.position) == want


def test_paths_are_c2sps() -> None:
    assert tiles.tile_path(0, 1_234_067, 112) == "tile/0/x001/x234/067.p/112"
    assert tiles.tile_path(0, 1_234_067, 256) == "tile/0/x001/x234/067"
    assert tiles.tile_path(63, 0, 1) == "tile/63/000.p/1"
    assert tiles.tile_path(2, 999, 256) == "tile/2/999"
    assert tiles.tile_path(2, 1000, 256) == "tile/2/x001/000"
    assert tiles.bundle_path("tile/entries", 273, 112) == "tile/entries/273.p/112"
    assert tiles.bundle_path("records", 12_345, 256) == "records/x012/345"
    for level, number, width in [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)]:
        with pytest.raises(RefusedInput):
            tiles.tile_path(level, number, width)
    with pytest.raises(RefusedInput):
        tiles.bundle_path("tile/0", 0, 1)
