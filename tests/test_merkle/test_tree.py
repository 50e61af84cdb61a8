"""tree.py against RFC 6962's definitions, and against mutated proofs."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import ProofInvalid, RefusedInput
from ledger.merkle import tree
from tests import reference
from tests.test_merkle.forest import data, flipped, leaf_hashes, mutations

SIZES = range(131)


def test_leaf_and_node_have_their_own_prefixes() -> None:
    assert tree.hash_leaf(b"abc") == hashlib.sha256(b"\x00abc").digest()
    assert (
        tree.hash_children(bytes(32), b"\xff" * 32)
        == hashlib.sha256(b"\x01" + bytes(32) + b"\xff" * 32).digest()
    )
    with pytest.raises(RefusedInput):
        tree.hash_children(bytes(31), bytes(33))


def test_root_levels_and_frontier_of_every_size() -> None:
    grown = tree.Frontier()
    for size in SIZES:
        root = reference.mth(data(size))
        assert tree.root_of(leaf_hashes(size)) == root
        assert tree.Frontier().append(leaf_hashes(size)).root() == root
        assert grown.root() == root
        assert grown == tree.Frontier(size, grown.hashes)
        levels = tree.levels_of(leaf_hashes(size))
        assert (levels[-1] == [root] or size == 1) if size else levels == []
        grown = grown.append([tree.hash_leaf(str(size).encode())])


def test_every_path_of_every_size_is_the_rfcs_and_verifies() -> None:
    checked = 0
    for size in SIZES:
        levels, root, leaves = tree.levels_of(leaf_hashes(size)), tree.root_of(leaf_hashes(size)), data(size)
        for index in range(size):
            path = tree.path_in_levels(levels, index)
            assert path == reference.path(index, leaves)
            tree.verify_inclusion(leaf_hashes(size)[index], index, size, path, root)
            checked += 1
    assert checked == 130 * 131 // 2


def test_every_rfc_consistency_proof_verifies() -> None:
    for new in SIZES:
        leaves = data(new)
        for old in range(1, new + 1):
            roots = tree.root_of(leaf_hashes(old)), tree.root_of(leaf_hashes(new))
            tree.verify_consistency(old, roots[0], new, roots[1], reference.proof(old, leaves))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 21, 64])
def test_a_mutated_inclusion_proof_is_refused(size: int) -> None:
    hashes, root = leaf_hashes(size), tree.root_of(leaf_hashes(size))
    for index in range(size):
        path = tree.path_in_levels(tree.levels_of(hashes), index)
        wrong = [(hashes[index], index, size, mutation, root) for mutation in mutations(path)]
        wrong += [(hashes[index], other, size, path, root) for other in range(-1, size + 2) if other != index]
        wrong += [
            (flipped(hashes[index]), index, size, path, root),
            (hashes[index], index, size, path, flipped(root)),
        ]
        for attempt in wrong:
            with pytest.raises(ProofInvalid) as refused:
                tree.verify_inclusion(*attempt)
            assert refused.value.code == "inclusion-invalid"


@pytest.mark.parametrize("new", [2, 3, 8, 21, 64])
def test_a_mutated_consistency_proof_is_refused(new: int) -> None:
    new_root = tree.root_of(leaf_hashes(new))
    for old in range(1, new + 1):
        old_root, path = tree.root_of(leaf_hashes(old)), reference.proof(old, data(new))
        wrong = [(old, old_root, new, new_root, mutation) for mutation in mutations(path)]
        wrong += [
            (old, flipped(old_root), new, new_root, path),
            (old, old_root, new, flipped(new_root), path),
        ]
        wrong += [(other, old_root, new, new_root, path) for other in range(-1, new + 2) if other != old]
        for attempt in wrong:
            with pytest.raises(ProofInvalid) as refused:
                tree.verify_consistency(*attempt)
            assert refused.value.code == "consistency-invalid"


def test_lengths_are_checked_before_bytes_are_joined() -> None:
    """Moving a byte from the sibling into the leaf leaves the joined bytes, hence the root, as they were."""
    left, right = leaf_hashes(2)
    root = tree.root_of([left, right])
    with pytest.raises(ProofInvalid):
        tree.verify_inclusion(left + right[:1], 0, 2, [right[1:]], root)
    with pytest.raises(ProofInvalid):
        tree.verify_consistency(1, left + right[:1], 2, root, [right[1:]])
    long_root = bytes(33)
    with pytest.raises(ProofInvalid):
        tree.verify_consistency(
            1, long_root, 2, hashlib.sha256(b"\x01" + long_root + right).digest(), [right]
        )
    for lengths in ([31], [32, 33], [32, 0]):
        with pytest.raises(RefusedInput):
            tree.root_of([bytes(length) for length in lengths])
        with pytest.raises(RefusedInput):
            tree.levels_of([bytes(length) for length in lengths])
        with pytest.raises(RefusedInput):
            tree.Frontier().append([bytes(length) for length in lengths])


def test_what_the_empty_tree_proves() -> None:
    root = tree.root_of(leaf_hashes(3))
    tree.verify_consistency(0, tree.EMPTY_ROOT, 0, tree.EMPTY_ROOT, [])
    refusals = [
        (0, tree.EMPTY_ROOT, 3, root, []),
        (0, tree.EMPTY_ROOT, 0, root, []),
        (0, root, 0, root, []),
        (0, tree.EMPTY_ROOT, 0, tree.EMPTY_ROOT, [root]),
        (3, root, 3, root, [root]),
    ]
    for attempt in refusals:
        with pytest.raises(ProofInvalid):
            tree.verify_consistency(*attempt)
    with pytest.raises(ProofInvalid):
        tree.verify_inclusion(root, 0, 0, [], tree.EMPTY_ROOT)


def test_sizes_end_at_the_limit() -> None:
    top = spec.TREE_SIZE_MAX
    path = [bytes(32)] * 48
    tree.verify_inclusion(bytes(32), 0, top, path, tree.root_from_inclusion(bytes(32), 0, top, path))
    with pytest.raises(ProofInvalid):
        tree.root_from_inclusion(bytes(32), 0, top + 1, [*path, bytes(32)])
    with pytest.raises(ProofInvalid):
        tree.verify_consistency(top + 1, bytes(32), top + 1, bytes(32), [])
    with pytest.raises(RefusedInput):
        tree.Frontier(top + 1, (bytes(32),) * (top + 1).bit_count())
    with pytest.raises(RefusedInput):
        tree.Frontier(3, (bytes(32),))
    for index in (-1, 3):
        with pytest.raises(RefusedInput):
            tree.path_in_levels(tree.levels_of(leaf_hashes(3)), index)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 300), max_size=6))
def test_a_frontier_grows_alike_in_any_chunks(chunks: list[int]) -> None:
    hashes = leaf_hashes(sum(chunks))
    grown, at = tree.Frontier(), 0
    for chunk in chunks:
        grown, at = grown.append(hashes[at : at + chunk]), at + chunk
    assert grown == tree.Frontier().append(hashes)
    assert grown.root() == tree.root_of(hashes)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=8), min_size=1, max_size=400), st.data())
def test_any_leaves_any_path(leaves: list[bytes], draw: st.DataObject) -> None:
    index = draw.draw(st.integers(0, len(leaves) - 1))
    levels = tree.levels_of([tree.hash_leaf(leaf) for leaf in leaves])
    path = tree.path_in_levels(levels, index)
    assert path == reference.path(index, leaves)
    assert tree.root_from_inclusion(levels[0][index], index, len(leaves), path) == reference.mth(leaves)
