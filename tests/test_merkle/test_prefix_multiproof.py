"""prefix_multiproof.py against its definition, against the proofs of single keys, and against mutated and dishonest proofs."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator
from itertools import chain, combinations, islice, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvariantBroken, ProofInvalid, RefusedInput
from ledger.merkle import prefix
from ledger.merkle.prefix_multiproof import prove_keys, verify_keys
from tests import reference
from tests.cases.statuses import SIDE, SOUND, UNSOUND, ZERO, Wanted, aside, leads_to, to_node
from tests.test_merkle.forest import flipped
from tests.test_merkle.test_prefix import KEYS, MAPS, SMALL_KEYS, SPREAD, Map, _built, _key, _malicious_trees


def _hash(preimage: bytes) -> bytes:
    return hashlib.sha256(preimage).digest()


def _verifies(root: bytes, wanted: Wanted, proof: bytes) -> bool:
    try:
        verify_keys(root, wanted, proof)
    except ProofInvalid as refused:
        if refused.code != "status-invalid":
            raise
        return False
    return True


def _wanted(entries: Map, keys: set[bytes]) -> Wanted:
    return {key: entries.get(key) for key in keys}


def _ending_in(*numbers: int) -> list[bytes]:
    return [number.to_bytes(32, "big") for number in numbers]


# Keys that part in their last bits, in their first ones, at the ends of bytes, and one after the other.
UNIVERSES = {
    "last bits": _ending_in(*range(6)),
    "first bits": [bytes([number << 5]) + bytes(31) for number in range(6)],
    "both": [bytes([top]) + bytes(30) + bytes([low]) for top in (0, 128) for low in (0, 1, 3)],
    "ever deeper": [_key(), _key(255), _key(254), _key(8), _key(7), _key(0)],
    "the ends": [ZERO, b"\xff" * 32, _key(0), _key(255), b"\xff" * 31 + b"\xfe", b"\x7f" + b"\xff" * 31],
}


def _subsets(keys: list[bytes]) -> Iterator[tuple[bytes, ...]]:
    return chain.from_iterable(combinations(keys, count) for count in range(len(keys) + 1))


@pytest.mark.parametrize("name", UNIVERSES)
def test_every_map_and_every_question_over_few_keys(name: str) -> None:
    checked = 0
    for present in _subsets(UNIVERSES[name]):
        entries = {key: _hash(key) for key in present}
        root, store = _built(entries)
        for asked in _subsets(UNIVERSES[name]):
            proof = prove_keys(store.__getitem__, root, asked)
            assert proof == reference.prefix_multiproof(entries, set(asked))
            verify_keys(root, _wanted(entries, set(asked)), proof)
            checked += 1
    assert checked == 4**6


@pytest.mark.parametrize("size", range(41))
def test_maps_of_up_to_40_keys(size: int) -> None:
    """Any neighbours among the keys of a map and those beside them, in trees of early, late and mixed forks."""
    chosen = Random(size)
    for universe in (
        _ending_in(*range(64)),
        [bytes([number << 2]) + bytes(31) for number in range(64)],
        [bytes([number >> 3 << 5]) + bytes(30) + bytes([number & 7]) for number in range(64)],
    ):
        entries = {key: _hash(key) for key in chosen.sample(universe, size)}
        root, store = _built(entries)
        for first in range(0, 64, 5):
            for count in (1, 2, 7, 40):
                asked = set(universe[first : first + count])
                proof = prove_keys(store.__getitem__, root, asked)
                assert proof == reference.prefix_multiproof(entries, asked)
                verify_keys(root, _wanted(entries, asked), proof)


@settings(deadline=None, max_examples=200)
@given(MAPS, st.lists(KEYS, max_size=8), st.data())
def test_any_map_and_any_question(entries: Map, others: list[bytes], data: st.DataObject) -> None:
    root, store = _built(entries)
    asked = {
        *others,
        *data.draw(st.lists(st.sampled_from(sorted(entries)), max_size=8) if entries else st.just([])),
    }
    proof = prove_keys(store.__getitem__, root, [*asked, *asked])
    assert proof == reference.prefix_multiproof(entries, asked)
    wanted = _wanted(entries, asked)
    verify_keys(root, dict(data.draw(st.permutations(list(wanted.items())))), proof)
    for key, value in wanted.items():
        prefix.verify(root, key, value, prefix.prove(store.__getitem__, root, key))
        # What is so of one key is said of it, whoever else is asked about; nothing else is.
        for lie in {None, ZERO, key, flipped(value or ZERO)} - {value}:
            assert not _verifies(root, wanted | {key: lie}, proof)
            for single in ({key}, asked, {key, *entries}):
                other = prove_keys(store.__getitem__, root, single)
                assert not _verifies(root, _wanted(entries, single) | {key: lie}, other)


@settings(deadline=None, max_examples=100)
@given(MAPS, st.sets(KEYS, min_size=1, max_size=8))
def test_each_node_is_read_once_and_only_on_the_way(entries: Map, asked: set[bytes]) -> None:
    root, store = _built(entries)
    read: list[bytes] = []

    def get(node_hash: bytes) -> bytes:
        read.append(node_hash)
        return store[node_hash]

    prove_keys(get, root, asked)
    together, read = set(read), read.copy()
    assert len(read) == len(together)
    read = []
    for key in asked:
        prefix.prove(get, root, key)
    assert set(read) == together


def test_the_empty_tree_and_the_empty_question() -> None:
    root, store = _built({_key(3): ZERO})
    assert prove_keys(Map().__getitem__, prefix.EMPTY_ROOT, [ZERO, _key(9)]) == b"\x05"
    verify_keys(prefix.EMPTY_ROOT, {ZERO: None, _key(9): None}, b"\x05")
    for top in (root, prefix.EMPTY_ROOT):
        assert prove_keys(store.__getitem__, top, []) == top
        verify_keys(top, {}, top)
        assert not _verifies(top, {}, b"")
        assert not _verifies(top, {}, flipped(top))


def test_the_deepest_tree() -> None:
    """257 keys, the last bit set ever deeper: one node at each depth, and as many that wait."""
    entries = {ZERO: ZERO} | {_key(bit): _key(bit) for bit in range(256)}
    root, store = _built(entries)
    for asked in ({ZERO}, {ZERO, _key(255)}, set(entries), {_key(254, 255), _key(0, 255), ZERO}):
        proof = prove_keys(store.__getitem__, root, asked)
        assert proof == reference.prefix_multiproof(entries, asked)
        verify_keys(root, _wanted(entries, asked), proof)
    assert len(prove_keys(store.__getitem__, root, {ZERO})) == 256 * 34 + 1


def test_lengths_are_checked_before_bytes_are_joined() -> None:
    key, value = _key(0, 9), _key(3)
    root, _ = _built({key: value})
    assert _verifies(root, {key: value}, b"\x03")
    assert not _verifies(root, {key + value[:1]: value[1:]}, b"\x03")
    assert not _verifies(root, {key[:-1]: key[-1:] + value}, b"\x03")
    other = b"\x02" + _key(1) + ZERO
    assert not _verifies(_hash(other), {key: b""}, b"\x04" + other[1:])
    assert not _verifies(_hash(b"\x02" + key + value + b"\x00"), {key: value + b"\x00"}, b"\x03")
    assert not _verifies(root + b"\x00", {key: value}, b"\x03")
    for short in (key[1:], b"", key + b"\x00"):
        assert not _verifies(root, {short: None}, b"\x04" + key + value)
    for bad in (key[1:], key + b"\x00", b""):
        with pytest.raises(RefusedInput):
            prove_keys(Map().__getitem__, prefix.EMPTY_ROOT, [key, bad])


SMALL: dict[str, tuple[Map, set[bytes]]] = {
    "the empty tree": ({}, {_key(1)}),
    "the one leaf": ({_key(1): _key(2)}, {_key(1)}),
    "another leaf": ({_key(1): _key(2)}, {_key(3), _key(4)}),
    "nothing is asked": ({_key(1): _key(2)}, set()),
    "beside a prefix": ({_key(0, 255): _key(2), _key(0, 254): ZERO}, {_key(1), _key(0, 255)}),
    "before a prefix": ({_key(0, 255): _key(2), _key(0, 254): ZERO}, {_key(1)}),
    "some of both": (
        {_key(*bits): _key(*bits, 77) for bits in ((), (0,), (0, 4), (0, 4, 9), (3,), (3, 255))},
        {_key(*bits) for bits in ((0,), (0, 4, 9), (3, 255), (3, 254), (0, 1), (1,), (200,))},
    ),
}


@pytest.mark.parametrize("name", SMALL)
def test_no_byte_of_a_proof_can_be_another(name: str) -> None:
    entries, asked = SMALL[name]
    root, store = _built(entries)
    wanted, proof = _wanted(entries, asked), prove_keys(store.__getitem__, root, asked)
    verify_keys(root, wanted, proof)
    for at in range(len(proof)):
        for wrong in {proof[at] ^ 1 << bit for bit in range(8)} | {0, 1, 2, 3, 4, 5, 6, 255} - {proof[at]}:
            assert not _verifies(root, wanted, proof[:at] + bytes([wrong]) + proof[at + 1 :])
        assert not _verifies(root, wanted, proof[:at] + proof[at + 1 :])
        assert not _verifies(root, wanted, proof[: at + 1] + proof[at:])
        assert not _verifies(root, wanted, proof[:at])
    for surplus in (b"\x00", b"\x05", ZERO):
        assert not _verifies(root, wanted, proof + surplus)
        assert not _verifies(root, wanted, surplus + proof)
    assert not _verifies(flipped(root), wanted, proof)


# --- Proofs that only their root supports: every one leads to the root that it is checked against --------------------


@pytest.mark.parametrize("name", UNSOUND)
def test_a_proof_that_only_its_root_supports_is_refused(name: str) -> None:
    wanted, proof = UNSOUND[name]
    assert not _verifies(leads_to(wanted, proof), wanted, proof)


@pytest.mark.parametrize("name", SOUND)
def test_the_reader_who_asks_nothing_reads_sound_proofs_right(name: str) -> None:
    wanted, proof = SOUND[name]
    assert _verifies(leads_to(wanted, proof), wanted, proof)


# --- Trees that no honest operator would build ------------------------------------------------------------------------


def _claims(nodes: Map, node_hash: bytes, keys: list[bytes]) -> Iterator[bytes]:
    """What a liar might write of the subtree `node_hash` of `nodes`: each node as it is, in every way there is."""
    if not keys:
        yield node_hash
        return
    preimage = nodes[node_hash]
    if preimage == b"\x04":
        yield b"\x05"
    elif preimage[0] == 2:
        yield from (b"\x03", b"\x04" + preimage[1:])
    else:
        depth, shown = preimage[1], preimage[2:34]
        low = int.from_bytes(shown, "big")
        here = [key for key in keys if low <= int.from_bytes(key, "big") < low + (1 << (256 - depth))]
        for head, on in ((to_node(depth), keys), (aside(depth, shown), here)):
            middle = bisect_left(on, (low | 1 << (255 - depth)).to_bytes(32, "big"))
            for left in _claims(nodes, preimage[34:66], on[:middle]):
                for right in _claims(nodes, preimage[66:], on[middle:]):
                    yield head + left + right


@settings(deadline=None, max_examples=150)
@given(_malicious_trees(), st.sets(st.sampled_from(SMALL_KEYS), min_size=1, max_size=3))
def test_no_tree_yields_two_answers_for_one_key_nor_two_proofs_for_one_answer(
    tree: tuple[bytes, Map], asked: set[bytes]
) -> None:
    root, nodes = tree
    said: dict[bytes, set[bytes | None]] = {key: set() for key in asked}
    answers: list[bytes | None] = [None, *(bytes([number]) * 32 for number in range(3))]
    for keys in _subsets(sorted(asked)):
        # Subtrees that stand in many places make very many; the first ones do.
        claims = list(dict.fromkeys(islice(_claims(nodes, root, list(keys)), 64)))
        for given_answers in product(answers, repeat=len(keys)):
            wanted = dict(zip(keys, given_answers, strict=True))
            held = [proof for proof in claims if _verifies(root, wanted, proof)]
            assert len(held) <= 1
            if held:
                for key, answer in wanted.items():
                    said[key].add(answer)
    assert all(len(answers_of_key) <= 1 for answers_of_key in said.values())


def _node(depth: int, shared: bytes, left: bytes, right: bytes) -> bytes:
    return b"\x03" + bytes([depth]) + shared + left + right


@pytest.mark.parametrize("asked", [[_key(0, 4)], [_key(0, 4), _key(0, 5), _key(3)]], ids=["one", "some"])
def test_a_stored_node_must_be_what_its_hash_says(asked: list[bytes]) -> None:
    entries = {_key(*bits): ZERO for bits in [(), (0,), (0, 4), (0, 4, 9), (3,)]}
    root, store = _built(entries)
    swapped = dict(zip(store, [*list(store.values())[1:], next(iter(store.values()))], strict=True))
    for damage in (swapped, dict.fromkeys(store, b""), {**store, root: store[root] + b"\x00"}):
        with pytest.raises(InvariantBroken):
            prove_keys(damage.__getitem__, root, asked)
    for node_hash in {node for key in asked for node in _on_the_way(store, root, key)}:
        for bit in (0, 15, 300):
            with pytest.raises(InvariantBroken):
                prove_keys({**store, node_hash: flipped(store[node_hash], bit)}.__getitem__, root, asked)


def _on_the_way(store: Map, root: bytes, key: bytes) -> list[bytes]:
    read: list[bytes] = []

    def get(node_hash: bytes) -> bytes:
        read.append(node_hash)
        return store[node_hash]

    prefix.lookup(get, root, key)
    return read


@pytest.mark.parametrize("asked", [[ZERO], [ZERO, _key(0, 5), _key(200)]], ids=["one", "some"])
@pytest.mark.parametrize(
    "child",
    [
        _node(0, ZERO, ZERO, ZERO),
        b"\x02" + _key(0) + ZERO,
        _node(9, _key(10), ZERO, ZERO),
        _node(9, _key(0), ZERO, ZERO),
    ],
    ids=["not deeper", "leaf of another subtree", "prefix after its depth", "prefix of another subtree"],
)
def test_a_stored_node_that_hashes_right_but_stands_wrong_is_damage(child: bytes, asked: list[bytes]) -> None:
    leaf = b"\x02" + _key(0, 1) + ZERO
    top = _node(0, ZERO, _hash(child), _hash(leaf))
    nodes = {_hash(node): node for node in (child, leaf, top)}
    with pytest.raises(InvariantBroken):
        prove_keys(nodes.__getitem__, _hash(top), asked)


# --- Size and work ---------------------------------------------------------------------------------------------------


def _only_the_way(keys: list[int], key: int, first: int, last: int, nodes: Map) -> bytes:
    """Hash of the subtree over `keys` [first, last), of which only the nodes on the way to `key` are true ones."""
    if last - first == 1:
        preimage = b"\x02" + keys[first].to_bytes(32, "big") + ZERO
    else:
        depth = 256 - (keys[first] ^ keys[last - 1]).bit_length()
        shared = keys[first] >> (256 - depth) << (256 - depth)
        middle = bisect_left(keys, shared | 1 << (255 - depth), first, last)
        if key >> (256 - depth) << (256 - depth) != shared:
            left = right = SIDE
        elif key & 1 << (255 - depth):
            left, right = SIDE, _only_the_way(keys, key, middle, last, nodes)
        else:
            left, right = _only_the_way(keys, key, first, middle, nodes), SIDE
        preimage = _node(depth, shared.to_bytes(32, "big"), left, right)
    nodes[_hash(preimage)] = preimage
    return _hash(preimage)


def test_one_key_of_a_million_takes_less_than_a_kibibyte() -> None:
    chosen = Random(11)
    keys = sorted(chosen.getrandbits(256) for _ in range(1_000_000))
    for number in [*chosen.sample(keys, 100), *(chosen.getrandbits(256) for _ in range(100))]:
        nodes: Map = {}
        root = _only_the_way(keys, number, 0, len(keys), nodes)
        key = number.to_bytes(32, "big")
        proof = prove_keys(nodes.__getitem__, root, [key])
        verify_keys(root, {key: prefix.lookup(nodes.__getitem__, root, key)}, proof)
        assert 400 < len(proof) <= 1024


@settings(deadline=None, max_examples=200)
@given(
    st.binary(max_size=400), st.sets(KEYS, min_size=1, max_size=6), st.lists(SPREAD, min_size=6, max_size=6)
)
def test_no_bytes_whatever_break_the_verifier(noise: bytes, asked: set[bytes], values: list[bytes]) -> None:
    wanted: Wanted = {key: value if value[0] & 1 else None for key, value in zip(asked, values, strict=False)}
    assert not _verifies(SIDE, wanted, noise)
    assert not _verifies(SIDE, wanted, bytes(byte & 3 for byte in noise))


def test_a_hostile_chain_of_nodes_ends_at_depth_256() -> None:
    """A proof of a mebibyte of nodes, each below the other, is refused at the first that is not deeper."""
    for keys in ([ZERO], [ZERO, _key(255)]):
        wanted: Wanted = dict.fromkeys(keys)
        for chain_of_nodes in (to_node(0) * 2**19, b"".join(map(to_node, range(255))) * 2**11):
            with pytest.raises(ProofInvalid, match="not deeper"):
                verify_keys(SIDE, wanted, chain_of_nodes)
