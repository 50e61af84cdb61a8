"""multiproof.py against its definition; strict about every hash too few, too many or out of place."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import ProofInvalid, RefusedInput
from ledger.merkle import multiproof, tree
from tests import reference
from tests.test_merkle.forest import data, flipped, leaf_hashes, mutations, stored


def _leaves(indices: list[int], size: int) -> dict[int, bytes]:
    return {index: leaf_hashes(size)[index] for index in indices}


def test_every_set_of_leaves_of_small_trees() -> None:
    checked = 0
    for size in range(1, 10):
        for count in range(1, size + 1):
            for wanted in combinations(range(size), count):
                hashes = multiproof.multiproof(stored(700), wanted, size)
                assert hashes == reference.multiproof(set(wanted), data(size))
                root = reference.mth(data(size))
                multiproof.verify_multiproof(_leaves(list(wanted), size), size, hashes, root)
                checked += 1
    assert checked == sum(2**size - 1 for size in range(1, 10))


def test_one_leaf_needs_the_hashes_of_its_inclusion_path() -> None:
    for size in range(1, 131):
        for index in range(0, size, 7):
            hashes = multiproof.multiproof(stored(130), [index], size)
            assert sorted(hashes) == sorted(reference.path(index, data(size)))


def test_the_order_is_that_of_the_docstring() -> None:
    leaves = data(5)
    want = [reference.mth(leaves[0:1]), reference.mth(leaves[2:4])]
    assert multiproof.multiproof(stored(130), [1, 4], 5) == want


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 700), st.data())
def test_any_set_of_leaves_up_to_700(size: int, draw: st.DataObject) -> None:
    wanted = sorted(draw.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=60)))
    hashes = multiproof.multiproof(stored(700), wanted, size)
    assert hashes == reference.multiproof(set(wanted), data(size))
    shuffled = dict(draw.draw(st.permutations(list(_leaves(wanted, size).items()))))
    assert multiproof.root_from_multiproof(shuffled, size, hashes) == tree.root_of(leaf_hashes(size))


def test_many_leaves_of_70_000() -> None:
    wanted = list(range(3, 70_000, 13))
    hashes = multiproof.multiproof(stored(70_000), wanted, 70_000)
    root = tree.root_of(leaf_hashes(70_000))
    multiproof.verify_multiproof(_leaves(wanted, 70_000), 70_000, hashes, root)


@pytest.mark.parametrize(
    ("size", "wanted"), [(1, [0]), (2, [1]), (21, [0, 5, 6, 20]), (64, [63]), (100, [3, 97, 98])]
)
def test_a_mutated_multiproof_is_refused(size: int, wanted: list[int]) -> None:
    hashes, root = multiproof.multiproof(stored(130), wanted, size), tree.root_of(leaf_hashes(size))
    leaves = _leaves(wanted, size)
    multiproof.verify_multiproof(leaves, size, hashes, root)
    wrong = [(leaves, size, mutation, root) for mutation in mutations(hashes)]
    wrong += [({**leaves, index: flipped(leaves[index])}, size, hashes, root) for index in wanted]
    wrong += [({**leaves, index: leaves[wanted[0]]}, size, hashes, root) for index in (-1, size, size + 1)]
    wrong += [({}, size, [root], root), (leaves, size, hashes, flipped(root)), (leaves, 0, hashes, root)]
    for attempt in wrong:
        with pytest.raises(ProofInvalid) as refused:
            multiproof.verify_multiproof(*attempt)
        assert refused.value.code == "multiproof-invalid"


def test_lengths_are_checked_before_bytes_are_joined() -> None:
    left, right = leaf_hashes(2)
    with pytest.raises(ProofInvalid):
        multiproof.verify_multiproof({0: left + right[:1]}, 2, [right[1:]], tree.root_of([left, right]))


def test_a_greatest_tree_descends_48_deep_and_no_larger_one_is_taken() -> None:
    hashes = [bytes(32)] * 48
    multiproof.root_from_multiproof({spec.TREE_SIZE_MAX - 1: bytes(32)}, spec.TREE_SIZE_MAX, hashes)
    for index, size, count in [
        (0, spec.TREE_SIZE_MAX, 47),
        (0, spec.TREE_SIZE_MAX, 49),
        (spec.TREE_SIZE_MAX, spec.TREE_SIZE_MAX + 1, 1),
    ]:
        with pytest.raises(ProofInvalid):
            multiproof.root_from_multiproof({index: bytes(32)}, size, [bytes(32)] * count)


@pytest.mark.parametrize("indices", [[], [1, 0], [1, 1], [-1, 3], [3, 130], [130]])
def test_indices_are_ascending_and_below_the_size(indices: list[int]) -> None:
    with pytest.raises(RefusedInput):
        multiproof.multiproof(stored(130), indices, 130)
