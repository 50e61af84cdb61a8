"""Proofs that remember what they have in common: they take what each proof alone takes, and nothing else."""

from __future__ import annotations

import hashlib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import ProofInvalid, RefusedInput
from ledger.merkle import prefix
from ledger.merkle.prefix import ProofReader, ProvenMap
from ledger.merkle.tree import ProvenTree, levels_of, path_in_levels, root_of, verify_inclusion
from tests.test_merkle.forest import flipped, mutations
from tests.test_merkle.test_prefix import KEYS, MAPS, SPREAD, Map, _built, _key

LIMITS = st.sampled_from([0, 1, 2, 5, 1_000])


def leaves(count: int) -> list[bytes]:
    return [hashlib.sha256(b"leaf %d" % number).digest() for number in range(count)]


def holds(tree: ProvenTree, leaf: bytes, index: int, path: list[bytes]) -> bool:
    try:
        tree.verify(leaf, index, lambda _index: path)
    except ProofInvalid as refused:
        if refused.code != "inclusion-invalid":
            raise
        return False
    return True


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 40), LIMITS, st.data())
def test_every_leaf_is_shown_in_any_order_and_no_other(size: int, limit: int, data: st.DataObject) -> None:
    hashes = leaves(size)
    levels = levels_of(hashes)
    tree = ProvenTree(size, root_of(hashes), limit)
    for index in data.draw(st.lists(st.integers(0, size - 1), max_size=30)):
        path = path_in_levels(levels, index)
        assert not holds(tree, flipped(hashes[index]), index, path)
        if size > 1:
            other = (index + data.draw(st.integers(1, size - 1))) % size
            assert not holds(tree, hashes[other], index, path_in_levels(levels, other))
            assert not holds(tree, hashes[other], index, path)
        assert holds(tree, hashes[index], index, path)
        assert len(tree._known) <= limit


@settings(deadline=None, max_examples=100)
@given(st.integers(2, 40), st.data())
def test_what_a_proven_tree_takes_alone_is_a_path(size: int, data: st.DataObject) -> None:
    """Before anything is known it takes exactly what `verify_inclusion` takes; a lie is not remembered."""
    hashes = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    path = path_in_levels(levels_of(hashes), index)
    tree = ProvenTree(size, root_of(hashes), 1_000)
    for lie in mutations(path):
        with pytest.raises(ProofInvalid):
            verify_inclusion(hashes[index], index, size, lie, root_of(hashes))
        assert not holds(tree, hashes[index], index, lie)
    assert tree._known == {}


def test_a_neighbour_needs_no_path_and_cousins_are_climbed_to_what_is_known() -> None:
    hashes = leaves(8)
    levels = levels_of(hashes)
    tree = ProvenTree(8, root_of(hashes), 1_000)
    asked: list[int] = []

    def path_of(index: int) -> list[bytes]:
        asked.append(index)
        return path_in_levels(levels, index)

    for index in (5, 4, 6):
        tree.verify(hashes[index], index, path_of)
    assert asked == [5, 6]
    # The end of a path behind a node that is known is not looked at; what lies before it is.
    assert holds(tree, hashes[7], 7, [hashes[6], hashes[0], hashes[0]])
    assert not holds(ProvenTree(8, root_of(hashes), 9), hashes[7], 7, [hashes[6], hashes[0], hashes[0]])


@pytest.mark.parametrize("index", [-1, 8, 2**48, 2**48 + 1, 2**49])
def test_no_index_outside_of_the_tree_is_mistaken_for_a_node(index: int) -> None:
    """A node at height 1 is kept under a number that no leaf has."""
    hashes = leaves(8)
    levels = levels_of(hashes)
    tree = ProvenTree(8, root_of(hashes), 1_000)
    for place in range(8):
        assert holds(tree, hashes[place], place, path_in_levels(levels, place))
    for node in (*hashes, *levels[1]):
        assert not holds(tree, node, index, [])


@settings(deadline=None, max_examples=150)
@given(MAPS, st.lists(KEYS, max_size=12), LIMITS, st.randoms())
def test_a_proven_map_says_what_each_proof_says(
    entries: Map, others: list[bytes], limit: int, chosen: Random
) -> None:
    root, store = _built(entries)
    proven, reader = ProvenMap(root, limit), ProofReader(store.__getitem__, root, max(limit, 1))
    keys = [*entries, *others] * 2
    chosen.shuffle(keys)
    for key in keys:
        value, proof = entries.get(key), reader.prove(key)
        assert proof == prefix.prove(store.__getitem__, root, key)
        if proven.is_absent(key):
            assert value is None
        for wrong in (flipped(value or bytes(32)), None if value else bytes(32)):
            with pytest.raises(ProofInvalid):
                proven.verify(key, wrong, proof)
        proven.verify(key, value, proof)
        assert proven.is_absent(key) == (value is None and limit > 0)
        assert max(len(proven._on_the_way), len(proven._firsts)) <= limit


@settings(deadline=None, max_examples=100)
@given(MAPS, KEYS, st.integers(0, 2**256 - 1))
def test_a_gap_is_where_the_same_proof_holds(entries: Map, key: bytes, number: int) -> None:
    root, store = _built(entries)
    if key in entries:
        return
    proof = prefix.prove(store.__getitem__, root, key)
    proven = ProvenMap(root, 10)
    proven.verify(key, None, proof)
    first, last = (int.from_bytes(end[0], "big") for end in (proven._firsts, proven._lasts))
    for place in (first, last, first + number % (last - first + 1)):
        prefix.verify(root, place.to_bytes(32, "big"), None, proof)
    for outside in (first - 1, last + 1):
        if 0 <= outside < 2**256:
            assert not proven.is_absent(outside.to_bytes(32, "big"))


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(KEYS, SPREAD, min_size=1, max_size=8), KEYS)
def test_a_lie_about_what_is_new_is_refused_and_not_remembered(entries: Map, other: bytes) -> None:
    root, store = _built(entries)
    key = next(iter(entries))
    proven = ProvenMap(root, 1_000)
    for lie in mutations(prefix.prove(store.__getitem__, root, key)):
        with pytest.raises(ProofInvalid):
            proven.verify(key, entries[key], lie)
    assert not proven._on_the_way
    proven.verify(key, entries[key], prefix.prove(store.__getitem__, root, key))
    if other not in entries:
        with pytest.raises(ProofInvalid):
            proven.verify(other, bytes(32), prefix.prove(store.__getitem__, root, key))
        with pytest.raises(ProofInvalid):
            proven.verify(key, None, prefix.prove(store.__getitem__, root, other))


def test_a_step_that_is_known_shortens_only_the_keys_that_pass_it() -> None:
    """The hash of a subtree in which a key does not lie helps no proof for it."""
    entries = {_key(*bits): bytes([len(bits)]) * 32 for bits in ((0,), (0, 1), (1,), (2,), (1, 2))}
    root, store = _built(entries)
    proven = ProvenMap(root, 1_000)
    for key, value in entries.items():
        proven.verify(key, value, prefix.prove(store.__getitem__, root, key))
    for key in entries:
        for other, value in entries.items():
            if other != key:
                with pytest.raises(ProofInvalid):
                    proven.verify(key, value, prefix.prove(store.__getitem__, root, other))


def test_a_proof_reader_refuses_what_prove_refuses() -> None:
    root, store = _built({_key(0): bytes(32), _key(1): bytes(32)})
    with pytest.raises(RefusedInput):
        ProofReader(store.__getitem__, root, 5).prove(bytes(31))
