"""prefix.py against its definition, against mutated proofs, and against trees no honest operator would build."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvariantBroken, ProofInvalid, RefusedInput
from ledger.merkle import prefix
from tests import reference
from tests.test_merkle.forest import flipped, mutations

Map = dict[bytes, bytes]

# Keys that part at few, mostly late or early bits, so that trees are deep and absent keys end everywhere.
SPREAD = st.integers(0, 2**256 - 1).map(lambda number: number.to_bytes(32, "big"))
CLOSE = st.sets(st.sampled_from([0, 1, 2, 7, 8, 100, 254, 255]), max_size=4).map(
    lambda bits: sum(1 << (255 - bit) for bit in bits).to_bytes(32, "big")
)
KEYS = st.one_of(CLOSE, SPREAD)
MAPS = st.dictionaries(KEYS, SPREAD, max_size=12)


def _hash(preimage: bytes) -> bytes:
    return hashlib.sha256(preimage).digest()


def _key(*bits: int) -> bytes:
    """The key whose set bits are `bits`."""
    return sum(1 << (255 - bit) for bit in bits).to_bytes(32, "big")


def _built(*batches: Map) -> tuple[bytes, Map]:
    root, store = prefix.EMPTY_ROOT, Map()
    for batch in batches:
        root, made = prefix.update(store.__getitem__, root, batch)
        store.update(made)
    return root, store


def _verifies(root: bytes, key: bytes, value: bytes | None, proof: list[bytes]) -> bool:
    try:
        prefix.verify(root, key, value, proof)
    except ProofInvalid as refused:
        if refused.code != "status-invalid":
            raise
        return False
    return True


def test_the_empty_map() -> None:
    assert prefix.EMPTY_ROOT == _hash(b"\x04") == reference.prefix_root({})
    assert prefix.update(Map().__getitem__, prefix.EMPTY_ROOT, {}) == (prefix.EMPTY_ROOT, {})
    assert prefix.lookup(Map().__getitem__, prefix.EMPTY_ROOT, bytes(32)) is None
    assert prefix.prove(Map().__getitem__, prefix.EMPTY_ROOT, bytes(32)) == [b"\x04"]
    prefix.verify(prefix.EMPTY_ROOT, bytes(32), None, [b"\x04"])


@settings(deadline=None, max_examples=150)
@given(st.lists(MAPS, max_size=4), st.lists(KEYS, max_size=6))
def test_any_batches_make_the_tree_of_the_definition(batches: list[Map], others: list[bytes]) -> None:
    root, store = _built(*batches)
    entries: Map = {}
    for batch in batches:
        entries |= batch
    assert root == reference.prefix_root(entries)
    assert all(_hash(preimage) == node_hash for node_hash, preimage in store.items())
    for key in {*entries, *others}:
        assert prefix.lookup(store.__getitem__, root, key) == entries.get(key)
        proof = prefix.prove(store.__getitem__, root, key)
        assert proof == reference.prefix_proof(entries, key)
        prefix.verify(root, key, entries.get(key), proof)


@settings(deadline=None, max_examples=100)
@given(MAPS, MAPS)
def test_an_update_names_only_new_nodes_and_all_of_them(before: Map, changes: Map) -> None:
    root, store = _built(before)
    new_root, made = prefix.update(store.__getitem__, root, changes)
    assert prefix.update({**store, **made}.__getitem__, new_root, changes) == (new_root, {})
    assert new_root == reference.prefix_root(before | changes)
    assert (new_root == root) == (not made)
    fresh_root, fresh = _built(before | changes)
    assert fresh_root == new_root
    assert set(fresh) <= {*store, *made}
    assert set(made) <= set(fresh)


def test_the_deepest_tree() -> None:
    """257 keys, the last bit set ever deeper: one node at each depth 0 to 255."""
    entries = {bytes(32): bytes(32)} | {_key(bit): _key(bit) for bit in range(256)}
    root, store = _built(entries)
    assert root == _built(*({key: value} for key, value in entries.items()))[0]
    proof = prefix.prove(store.__getitem__, root, bytes(32))
    assert [step[0] for step in proof] == list(range(256))
    prefix.verify(root, bytes(32), bytes(32), proof)
    assert not _verifies(root, bytes(32), bytes(32), [*proof, proof[-1]])
    new_root, made = prefix.update(store.__getitem__, root, {bytes(32): _key(1)})
    assert (len(made), prefix.lookup({**store, **made}.__getitem__, new_root, bytes(32))) == (257, _key(1))


@settings(deadline=None, max_examples=80)
@given(st.dictionaries(KEYS, SPREAD, min_size=1, max_size=8), KEYS)
def test_a_mutated_proof_is_refused(entries: Map, other: bytes) -> None:
    root, store = _built(entries)
    for key in {*entries, other}:
        value, proof = entries.get(key), prefix.prove(store.__getitem__, root, key)
        assert not any(_verifies(root, key, value, mutation) for mutation in mutations(proof))
        assert not _verifies(root, key, bytes(32) if value is None else flipped(value), proof)
        assert not _verifies(root, key, b"\xff" * 32 if value is None else None, proof)
        assert not _verifies(flipped(root), key, value, proof)
        assert not _verifies(root, key, None, [])
        assert not _verifies(root, key, None, [*proof, b"\x02" + key + (value or bytes(32))])
        # An empty tree is written 0x04 and nothing else; a terminal stands last and alone.
        assert proof == [b"\x04"] or not _verifies(root, key, None, [*proof, b"\x04"])


def test_lengths_are_checked_before_bytes_are_joined() -> None:
    key, value = _key(0, 9), _key(3)
    root, _ = _built({key: value})
    assert _verifies(root, key, value, [])
    assert not _verifies(root, key + value[:1], value[1:], [])
    assert not _verifies(root, key[:-1], key[-1:] + value, [])
    assert not _verifies(root + b"\x00", key, value, [])
    for bad_key, bad_value in [(key[1:], value), (key, value + b"\x00")]:
        with pytest.raises(RefusedInput):
            prefix.update(Map().__getitem__, prefix.EMPTY_ROOT, {bad_key: bad_value})
    with pytest.raises(RefusedInput):
        prefix.lookup(Map().__getitem__, prefix.EMPTY_ROOT, key[1:])
    with pytest.raises(RefusedInput):
        prefix.prove(Map().__getitem__, prefix.EMPTY_ROOT, key[1:])


def _node(depth: int, shared: bytes, left: bytes, right: bytes) -> bytes:
    return b"\x03" + bytes([depth]) + shared + left + right


def _ascended(key: bytes, steps: list[bytes], end: bytes) -> bytes:
    """The root that `steps` lead to from the node hash `end`, asking nothing about depths or lengths."""
    number = int.from_bytes(key, "big")
    for step in reversed(steps):
        depth = step[0]
        shared = (number >> (256 - depth) << (256 - depth)).to_bytes(32, "big")
        right_side = number >> (255 - depth) & 1
        children = (step[1:], end) if right_side else (end, step[1:])
        end = _hash(_node(depth, shared, *children))
    return end


KEY = _key(1, 5)
STEP = bytes([3]) + _key(200)
MALFORMED = {
    "leaf outside the last step's subtree": ([STEP], b"\x02" + _key(0) + bytes(32)),
    "leaf on the other side of the last step": ([STEP], b"\x02" + _key(1, 3, 5) + bytes(32)),
    "leaf with the key itself": ([STEP], b"\x02" + KEY + bytes(32)),
    "interior node whose prefix the key has": ([STEP], _node(5, _key(1), bytes(32), bytes(32))),
    "interior node above the last step": ([STEP], _node(2, _key(0), bytes(32), bytes(32))),
    "interior node at the last step's depth": ([STEP], _node(3, _key(0), bytes(32), bytes(32))),
    "interior node outside the last step's subtree": ([STEP], _node(7, _key(0), bytes(32), bytes(32))),
    "prefix with a bit after its depth": ([STEP], _node(6, _key(1, 4, 9), bytes(32), bytes(32))),
    "prefix that differs after its depth only": ([STEP], _node(5, _key(1, 9), bytes(32), bytes(32))),
    "the empty tree below a step": ([STEP], b"\x04"),
    "a tag of no node": ([STEP], b"\x01" + _key(1, 4) + bytes(32)),
    "a leaf too long": ([], b"\x02" + _key(0) + bytes(33)),
    "a node too short": ([], _node(5, _key(0), bytes(32), bytes(31))),
    "depths that descend": ([STEP, bytes([2]) + bytes(32)], b"\x02" + _key(1, 6) + bytes(32)),
    "a depth twice": ([STEP, STEP], b"\x02" + _key(1, 6) + bytes(32)),
    "a sibling too long": ([STEP + b"\x00"], b"\x02" + _key(1, 6) + bytes(32)),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_an_absence_that_only_the_root_supports_is_refused(name: str) -> None:
    """Each proof leads to the root it is checked against, so nothing but the named defence refuses it."""
    steps, terminal = MALFORMED[name]
    assert not _verifies(_ascended(KEY, steps, _hash(terminal)), KEY, None, [*steps, terminal])
    sound = b"\x02" + _key(1, 6) + bytes(32)
    assert _verifies(_ascended(KEY, [STEP], _hash(sound)), KEY, None, [STEP, sound])


@pytest.mark.parametrize("steps", [[STEP, STEP], [STEP, bytes([2]) + bytes(32)], [STEP + b"\x00"]])
def test_a_presence_that_only_the_root_supports_is_refused(steps: list[bytes]) -> None:
    leaf = _hash(b"\x02" + KEY + bytes(32))
    assert not _verifies(_ascended(KEY, steps, leaf), KEY, bytes(32), steps)
    assert _verifies(_ascended(KEY, steps[:1], leaf), KEY, bytes(32), [steps[0][:33]]) == (
        len(steps[0]) == 33
    )


def _claims(nodes: Map, node_hash: bytes, steps: list[bytes]) -> Iterator[tuple[bytes | None, list[bytes]]]:
    """Every (value or None, proof) that a malicious prover can read off a tree, honest about nothing but hashes."""
    preimage = nodes[node_hash]
    yield None, [*steps, preimage]
    yield None, steps
    if preimage[0] == 2:
        yield preimage[33:], steps
    elif preimage[0] == 3 and len(steps) < 5:
        for child, sibling in [(preimage[34:66], preimage[66:]), (preimage[66:], preimage[34:66])]:
            yield from _claims(nodes, child, [*steps, preimage[1:2] + sibling])


SMALL_KEYS = [bytes([top << 5]) + bytes(31) for top in range(8)]


@st.composite
def _malicious_trees(draw: st.DrawFn) -> tuple[bytes, Map]:
    """A root and nodes with any keys, prefixes, depths and children: duplicates, strays, wrong sides and orders."""
    nodes: Map = {_hash(b"\x04"): b"\x04"}
    root = _hash(b"\x04")
    for _ in range(draw(st.integers(1, 8))):
        kids = st.sampled_from(sorted(nodes))
        if draw(st.booleans()):
            preimage = b"\x02" + draw(st.sampled_from(SMALL_KEYS)) + bytes([draw(st.integers(0, 2))]) * 32
        else:
            shared = draw(st.sampled_from([*SMALL_KEYS, _key(2, 4)]))
            preimage = _node(draw(st.integers(0, 3)), shared, draw(kids), draw(kids))
        root = _hash(preimage)
        nodes[root] = preimage
    return root, nodes


@settings(deadline=None, max_examples=300)
@given(_malicious_trees())
def test_no_tree_yields_two_answers_for_one_key(tree: tuple[bytes, Map]) -> None:
    root, nodes = tree
    claims = list(_claims(nodes, root, []))
    for key in SMALL_KEYS:
        answers = {value for value, proof in claims if _verifies(root, key, value, proof)}
        assert len(answers) <= 1


def test_a_stored_node_must_be_what_its_hash_and_place_say() -> None:
    entries = {_key(*bits): bytes(32) for bits in [(), (0,), (0, 4), (0, 4, 9), (3,)]}
    root, store = _built(entries)
    swapped = dict(zip(store, [*list(store.values())[1:], next(iter(store.values()))], strict=True))
    for damage in (swapped, dict.fromkeys(store, b""), {**store, root: store[root] + b"\x00"}):
        for use in (prefix.lookup, prefix.prove):
            with pytest.raises(InvariantBroken):
                use(damage.__getitem__, root, _key(0, 4))
        with pytest.raises(InvariantBroken):
            prefix.update(damage.__getitem__, root, {_key(0, 4): _key(1)})


@pytest.mark.parametrize(
    "child",
    [
        _node(0, bytes(32), bytes(32), bytes(32)),
        b"\x02" + _key(0) + bytes(32),
        _node(9, _key(10), bytes(32), bytes(32)),
    ],
    ids=["not deeper", "another subtree", "prefix after its depth"],
)
def test_a_stored_node_that_hashes_right_but_stands_wrong_is_damage(child: bytes) -> None:
    top = _node(0, bytes(32), _hash(child), _hash(b"\x02" + _key(0, 1) + bytes(32)))
    nodes = {_hash(child): child, _hash(top): top}
    with pytest.raises(InvariantBroken):
        prefix.lookup(nodes.__getitem__, _hash(top), bytes(32))
    with pytest.raises(InvariantBroken):
        prefix.update(nodes.__getitem__, _hash(top), {bytes(32): bytes(32)})
