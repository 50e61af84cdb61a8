"""proofs.py: paths from tiles are the RFC's, at any size up to the stored, and strangers' verifiers accept them."""

from __future__ import annotations

import random

import metamorphic_log
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlog_scales import tlog

from ledger.errors import InvariantBroken, RefusedInput
from ledger.merkle import proofs, tiles, tree
from tests import reference
from tests.test_merkle.forest import MIXED_SIZES, Store, data, leaf_hashes, reader, stored


@pytest.mark.parametrize("stored_size", [130, 700])
def test_every_inclusion_path_up_to_130(stored_size: int) -> None:
    checked = 0
    for size in range(1, 131):
        paths, leaves = proofs.PathReader(stored(stored_size), size), data(size)
        assert paths.root == reference.mth(leaves)
        for index in range(size):
            assert paths.inclusion_path(index) == reference.path(index, leaves)
            checked += 1
    assert checked == 130 * 131 // 2


@pytest.mark.parametrize("stored_size", [130, 700])
def test_every_consistency_path_up_to_130(stored_size: int) -> None:
    for size in range(1, 131):
        paths, leaves = proofs.PathReader(stored(stored_size), size), data(size)
        assert paths.consistency_path(0) == []
        for old in range(1, size + 1):
            assert paths.consistency_path(old) == reference.proof(old, leaves)
            assert paths.root_at(old) == tiles.root(stored(stored_size), old)
        assert (paths.root_at(0), paths.root_at(size)) == (tree.EMPTY_ROOT, reference.mth(leaves))


@settings(deadline=None, max_examples=150)
@given(st.integers(1, 70_000), st.data())
def test_paths_at_any_size_below_70_000(size: int, draw: st.DataObject) -> None:
    index = draw.draw(st.integers(0, size - 1))
    old = draw.draw(st.integers(1, size))
    read, hashes = stored(70_000), leaf_hashes(70_000)
    root, old_root = tiles.root(read, size), tiles.root(read, old)
    tree.verify_inclusion(hashes[index], index, size, proofs.inclusion_path(read, index, size), root)
    tree.verify_consistency(old, old_root, size, root, proofs.consistency_path(read, old, size))


@pytest.mark.parametrize("size", [511, 513, 65_536, 65_793, 70_000])
def test_paths_through_full_upper_tiles_are_those_of_the_levels(size: int) -> None:
    levels, rng = tree.levels_of(leaf_hashes(70_000)[:size]), random.Random(size)
    paths = proofs.PathReader(stored(70_000), size)
    for index in [0, size - 1, *(rng.randrange(size) for _ in range(400))]:
        assert paths.inclusion_path(index) == tree.path_in_levels(levels, index)


def test_a_view_of_a_tile_serves_as_well_and_is_not_kept() -> None:
    backing = {
        place: bytearray(stored(70_000)(*place)) for place in [(0, 0), (0, 273), (1, 0), (1, 1), (2, 0)]
    }
    paths = proofs.PathReader(lambda level, number: memoryview(backing[level, number]), 70_000)
    first = paths.inclusion_path(5)
    assert first == proofs.inclusion_path(stored(70_000), 5, 70_000)
    assert {type(hash_) for hash_ in first} == {bytes}
    for place in [(0, 273), (1, 0), (1, 1), (2, 0)]:
        backing[place][:] = bytes(len(backing[place]))
    assert paths.inclusion_path(5) == first
    backing[0, 0].extend(b"grows only if no view is left")


def test_the_reader_keeps_no_leaf_tile_and_forgets_the_oldest_upper_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proofs, "_UPPER_TILES_MAX", 1)
    full = tiles.expand([bytes(32)] * 256)
    paths = proofs.PathReader(lambda level, number: full, 1 << 24)
    for index in (0, 1 << 16, 2 << 16, 0):
        assert len(paths.inclusion_path(index)) == 24
        assert len(paths._upper) == 1
    leaves_only = proofs.PathReader(stored(700), 700)
    assert leaves_only.inclusion_path(3) == reference.path(3, data(700))
    assert not leaves_only._upper


@pytest.mark.parametrize("size", MIXED_SIZES)
def test_strangers_accept_our_proofs(size: int) -> None:
    rng, paths = random.Random(size), proofs.PathReader(stored(size), size)
    hashes = leaf_hashes(size)
    for index in {0, size - 1, *(rng.randrange(size) for _ in range(40))}:
        path = paths.inclusion_path(index)
        metamorphic_log.verify_inclusion(index, size, hashes[index], path, paths.root)
        tlog.InclusionProof(index, size, path).check(hashes[index], paths.root)
        with pytest.raises(metamorphic_log.VerifyError):
            metamorphic_log.verify_inclusion(index, size, bytes(32), path, paths.root)
    for old in {1, size - 1, size, *(rng.randrange(1, size) for _ in range(40))}:
        old_root, path = tiles.root(stored(size), old), paths.consistency_path(old)
        metamorphic_log.verify_consistency(old, size, path, old_root, paths.root)
        tlog.ConsistencyProof(old, size, path).check(old_root, paths.root)


def test_out_of_range_is_refused() -> None:
    paths = proofs.PathReader(stored(700), 300)
    for index in (-1, 300):
        with pytest.raises(RefusedInput):
            paths.inclusion_path(index)
    for old in (-1, 301):
        with pytest.raises(RefusedInput):
            paths.consistency_path(old)
        with pytest.raises(RefusedInput):
            paths.root_at(old)
    with pytest.raises(RefusedInput):
        paths.subtree_root(2, 4)
    with pytest.raises(RefusedInput):
        proofs.PathReader(stored(700), -1)
    assert proofs.PathReader(stored(700), 0).root == tree.EMPTY_ROOT
    with pytest.raises(RefusedInput):
        proofs.inclusion_path(stored(700), 0, 0)


def test_a_damaged_tile_breaks_the_invariant() -> None:
    store: Store = tiles.append(reader({}), 0, leaf_hashes(700))
    for place, index in [((0, 0), 3), ((0, 1), 256), ((0, 2), 600), ((1, 0), 0)]:
        for damage in (store[place][:-1], store[place][:32], store[place] + bytes(31), b""):
            damaged = reader({**store, place: damage})
            with pytest.raises(InvariantBroken):
                proofs.inclusion_path(damaged, index, 700)
