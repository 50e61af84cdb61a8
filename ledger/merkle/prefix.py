"""Merkle prefix tree: one root over a map from 32-byte keys to 32-byte values, with proofs of presence and absence.

Bit 0 of a key is the most significant bit of its byte 0. All hashes are SHA-256.

    empty tree  0x04                                             1 byte; its hash is EMPTY_ROOT
    leaf        0x02 ‖ key(32) ‖ value(32)                       65 bytes
    interior    0x03 ‖ depth(u8) ‖ prefix(32) ‖ left(32) ‖ right(32)   98 bytes

`depth` d (0..255) of an interior node is the first bit in which the keys below it differ, `prefix` their common
first d bits, every later bit zero; `left` is the hash of the subtree of the keys whose bit d is 0. Nodes with one
child do not exist (path compression), so a map has one root, whatever the order of its insertions. A node is
stored under its hash.

Proof format. A proof is a list of byte strings, root first:

    step      depth(u8) ‖ sibling(32)   33 bytes, one for each interior node that is passed; depths strictly ascend.
                                        Its child on the key's side is recomputed, its prefix is the key's first bits.
    terminal  the preimage of the node at which the search ends without the key. Stands last, in a proof of absence
              only, and is one of
                0x04      the empty tree; then there are no steps
                a leaf    with another key, which agrees with the key through the bit of the last step's depth
                interior  deeper than the last step; its prefix has zero bits from its depth on, agrees with the key
                          through the bit of the last step's depth, and is not a prefix of the key

The three kinds and the step have different lengths, so nothing else tells them apart. Ascending depths
bound them: at most 257 strings.

Why presence and absence exclude each other, even in a tree that no honest operator would build: let both verify for
one key under one root. A verifier rebuilds the preimage of each step from the key, so equal hashes mean equal
preimages (or a collision), hence the same depth, the same side taken and the same child; step by step from the
root the two proofs name the same nodes. Three cases remain. (1) Both end at once: the presence proof's node is a
leaf with the key, and no terminal is. (2) The absence proof ends where the other takes a step: that node is an
interior one whose prefix was filled from the key, but a terminal's prefix is not a prefix of the key. (3) The
presence proof ends where the other takes a step: one preimage would begin with both 0x02 and 0x03. In the same
way no two values verify for one key. Nothing here relies on the rest of the tree.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

from ledger import spec
from ledger.errors import InvariantBroken, ProofInvalid, RefusedInput

GetNode: TypeAlias = Callable[[bytes], bytes]  # node hash -> preimage

EMPTY_ROOT: Final = hashlib.sha256(spec.PREFIX_STATUS_EMPTY).digest()

KEY_BITS: Final = 8 * spec.KEY_BYTES
_STEP_BYTES: Final = 33
_LEAF_BYTES: Final = 65
NODE_BYTES: Final = 98


class Node(NamedTuple):
    """A stored node. Of a leaf: depth 256, `prefix` its key, `left` its value, `right` empty."""

    hash: bytes
    depth: int
    prefix: int
    left: bytes
    right: bytes


def leaf_preimage(key: int, value: bytes) -> bytes:
    """What is hashed of a leaf."""
    return spec.PREFIX_STATUS_LEAF + key.to_bytes(spec.KEY_BYTES, "big") + value


def _node_preimage(depth: int, prefix: int, left: bytes, right: bytes) -> bytes:
    return spec.PREFIX_STATUS_NODE + bytes((depth,)) + prefix.to_bytes(spec.KEY_BYTES, "big") + left + right


def common_bits(left: int, right: int) -> int:
    """How many leading bits two keys share, 0..256."""
    return KEY_BITS - (left ^ right).bit_length()


def first_bits(key: int, depth: int) -> int:
    """The first `depth` bits of a key, later ones zero."""
    return key >> (KEY_BITS - depth) << (KEY_BITS - depth)


def _bit(key: int, depth: int) -> int:
    return (key >> (KEY_BITS - 1 - depth)) & 1


def _parse(node_hash: bytes, preimage: bytes) -> Node | None:
    """The leaf or interior node that `preimage` writes, None if it is neither or not canonical."""
    if len(preimage) == _LEAF_BYTES and preimage[:1] == spec.PREFIX_STATUS_LEAF:
        return Node(node_hash, KEY_BITS, int.from_bytes(preimage[1:33], "big"), preimage[33:], b"")
    if len(preimage) == NODE_BYTES and preimage[:1] == spec.PREFIX_STATUS_NODE:
        depth, prefix = preimage[1], int.from_bytes(preimage[2:34], "big")
        if prefix == first_bits(prefix, depth):
            return Node(node_hash, depth, prefix, preimage[34:66], preimage[66:])
    return None


def load_node(get: GetNode, node_hash: bytes, parent_depth: int, key: int) -> Node:
    """A stored node below `parent_depth` (-1 for the root) on the way to `key`; InvariantBroken if it cannot be that.

    Depths ascend strictly, so no chain of loads is longer than 257, whatever the store holds.
    """
    return node_below(read_node(get, node_hash), parent_depth, key)


def node_below(node: Node, parent_depth: int, key: int) -> Node:
    """`node`, if it can stand below `parent_depth` on the way to `key`; else InvariantBroken."""
    if node.depth <= parent_depth or common_bits(node.prefix, key) <= parent_depth:
        raise _malformed(node.hash, "does not belong below its parent")
    return node


def read_node(get: GetNode, node_hash: bytes) -> Node:
    """The stored node of this hash; InvariantBroken if it is none."""
    return node_of(node_hash, get(node_hash))


def node_of(node_hash: bytes, preimage: bytes) -> Node:
    """The stored node that `preimage` writes; InvariantBroken if it is none, or not the one of `node_hash`."""
    node = _parse(node_hash, preimage)
    if node is None or hashlib.sha256(preimage).digest() != node_hash:
        raise _malformed(node_hash, "not the node of this hash")
    return node


def _malformed(node_hash: bytes, reason: str) -> InvariantBroken:
    item = f"status node {node_hash.hex()}"
    return InvariantBroken("status-node-malformed", item, reason, "restore from a backup")


def key_number(key: bytes) -> int:
    """A key as a number; RefusedInput unless it is 32 bytes."""
    if len(key) != spec.KEY_BYTES:
        raise RefusedInput("hash-malformed", "status key", f"{len(key)} bytes, want {spec.KEY_BYTES}")
    return int.from_bytes(key, "big")


@dataclass(slots=True)
class _Batch:
    """An update on its way: the changes in key order, and the nodes it made."""

    get: GetNode
    keys: list[int]
    values: list[bytes]
    made: dict[bytes, bytes] = field(default_factory=dict)

    def _make(self, preimage: bytes) -> bytes:
        node_hash = hashlib.sha256(preimage).digest()
        self.made[node_hash] = preimage
        return node_hash

    def _middle(self, depth: int, first: int, last: int) -> int:
        """Where the changes whose bit `depth` is 1 begin, in [first, last), which agree on all bits before it."""
        return bisect_left(
            self.keys, first_bits(self.keys[first], depth) | 1 << (KEY_BITS - 1 - depth), first, last
        )

    def build(self, first: int, last: int) -> bytes:
        """Hash of a new subtree over the changes [first, last), at least one."""
        if last - first == 1:
            return self._make(leaf_preimage(self.keys[first], self.values[first]))
        depth = common_bits(self.keys[first], self.keys[last - 1])
        middle = self._middle(depth, first, last)
        left, right = self.build(first, middle), self.build(middle, last)
        return self._make(_node_preimage(depth, first_bits(self.keys[first], depth), left, right))

    def merge(self, node: Node, first: int, last: int) -> bytes:
        """Hash that takes the place of `node` after the changes [first, last), at least one."""
        keys = self.keys
        # In key order, keys that share a number of first bits with the prefix are neighbours: the ends decide.
        depth = min(
            common_bits(keys[first], node.prefix), common_bits(keys[last - 1], node.prefix), node.depth
        )
        if depth == KEY_BITS:
            return node.hash if node.left == self.values[first] else self.build(first, last)
        middle = self._middle(depth, first, last)
        if depth == node.depth:
            left, right = node.left, node.right
            if first < middle:
                left = self.merge(load_node(self.get, left, depth, keys[first]), first, middle)
            if middle < last:
                right = self.merge(load_node(self.get, right, depth, keys[middle]), middle, last)
            if (left, right) == (node.left, node.right):
                return node.hash
        elif _bit(node.prefix, depth):
            left = self.build(first, middle)
            right = self.merge(node, middle, last) if middle < last else node.hash
        else:
            left = self.merge(node, first, middle) if first < middle else node.hash
            right = self.build(middle, last)
        return self._make(_node_preimage(depth, first_bits(keys[first], depth), left, right))


def update(get: GetNode, root: bytes, changes: Mapping[bytes, bytes]) -> tuple[bytes, dict[bytes, bytes]]:
    """Root after inserting or replacing `changes` {key: value}, and the new nodes {hash: preimage}.

    `get` returns the preimage of a node of the tree under `root`; each node on the way is read once. Old nodes are
    not named: the tree under `root` stays whole. RefusedInput for a key or value that is not 32 bytes,
    InvariantBroken for a stored node that is not what its hash or place says.
    """
    if not changes:
        return root, {}
    for key, value in changes.items():
        if len(key) != spec.KEY_BYTES or len(value) != spec.HASH_BYTES:
            raise RefusedInput(
                "hash-malformed", "status change", f"{len(key)} and {len(value)} bytes, want 32 each"
            )
    ordered = sorted(changes.items())
    keys = [int.from_bytes(key, "big") for key, _ in ordered]
    batch = _Batch(get, keys, [value for _, value in ordered])
    if root == EMPTY_ROOT:
        new_root = batch.build(0, len(keys))
    else:
        new_root = batch.merge(load_node(get, root, -1, keys[0]), 0, len(keys))
    return new_root, batch.made


def lookup(get: GetNode, root: bytes, key: bytes) -> bytes | None:
    """Value of `key` under `root`, None if it is absent; RefusedInput, InvariantBroken as `update`."""
    number = key_number(key)
    _, end = _search(partial(read_node, get), root, number)
    return end.left if end is not None and end.depth == KEY_BITS and end.prefix == number else None


def prove(get: GetNode, root: bytes, key: bytes) -> list[bytes]:
    """Proof of presence or absence of `key` under `root`, in the format above; errors as `lookup`.

    Empty exactly when `key` is the only one.
    """
    return _proof(partial(read_node, get), root, key)


class ProofReader:
    """Proofs under one `root`, as `prove` gives them, that reads each of `limit` nodes once. Not for two threads at once."""

    __slots__ = ("_get", "_limit", "_nodes", "_root")

    def __init__(self, get: GetNode, root: bytes, limit: int) -> None:
        self._get = get
        self._root = root
        self._limit = limit
        self._nodes: dict[bytes, Node] = {}

    def prove(self, key: bytes) -> list[bytes]:
        """As the function `prove` does."""
        return _proof(self._read, self._root, key)

    def _read(self, node_hash: bytes) -> Node:
        node = self._nodes.get(node_hash)
        if node is None:
            node = read_node(self._get, node_hash)
            if len(self._nodes) >= self._limit:
                self._nodes.clear()
            self._nodes[node_hash] = node
        return node


def _search(read: Callable[[bytes], Node], root: bytes, key: int) -> tuple[list[Node], Node | None]:
    """The interior nodes passed on the way to `key`, root first, and the node where the search ends (None: empty)."""
    passed: list[Node] = []
    if root == EMPTY_ROOT:
        return passed, None
    node = node_below(read(root), -1, key)
    while node.depth < KEY_BITS and common_bits(node.prefix, key) >= node.depth:
        passed.append(node)
        node = node_below(read(node.right if _bit(key, node.depth) else node.left), node.depth, key)
    return passed, node


def _proof(read: Callable[[bytes], Node], root: bytes, key: bytes) -> list[bytes]:
    number = key_number(key)
    passed, end = _search(read, root, number)
    proof = [
        bytes((node.depth,)) + (node.left if _bit(number, node.depth) else node.right) for node in passed
    ]
    if end is None:
        proof.append(spec.PREFIX_STATUS_EMPTY)
    elif end.depth < KEY_BITS:
        proof.append(_node_preimage(end.depth, end.prefix, end.left, end.right))
    elif end.prefix != number:
        proof.append(leaf_preimage(end.prefix, end.left))
    return proof


def _refuse(key: bytes, reason: str) -> ProofInvalid:
    return ProofInvalid("status-invalid", f"status of {key.hex()}", reason)


def _terminal(key: bytes, last_depth: int, terminal: bytes) -> tuple[bytes, int]:
    """Hash of the node at which a search for `key` ends without it, and the first bit in which they differ.

    ProofInvalid if it would not end there. Of the empty tree the bit is -1: no key is in it.
    """
    terminal_hash = hashlib.sha256(terminal).digest()
    if terminal == spec.PREFIX_STATUS_EMPTY and last_depth < 0:
        return terminal_hash, -1
    node = _parse(terminal_hash, terminal)
    if node is None:
        raise _refuse(key, "the proof of absence ends with no node")
    common = common_bits(node.prefix, int.from_bytes(key, "big"))
    if not last_depth < common < node.depth:
        raise _refuse(key, "the search does not end at the node that the proof of absence names")
    return terminal_hash, common


def verify(root: bytes, key: bytes, value: bytes | None, proof: Sequence[bytes]) -> None:
    """Checks that `key` has `value` under `root`, or with None that it is absent.

    Raises ProofInvalid "status-invalid" for anything but a proof in the one format above.
    """
    ProvenMap(root, 0).verify(key, value, proof)


class ProvenMap:
    """Proofs under one `root`, of which it remembers what they have in common; at most about `limit` hashes of it.

    A step of a proof is rebuilt from the key. If its hash is one that stood on the way of an earlier proof which held,
    both keys share the bits up to its depth, and what leads from it to the root is the same for both: there the climb ends. A
    proof of absence, again, holds as it is for every key that has its first bits up to the one in which the terminal
    differs: such a *gap* is remembered, and needs no second proof. Of one root two gaps are equal, or have no key in common.
    """

    __slots__ = ("_firsts", "_lasts", "_limit", "_on_the_way", "root")

    def __init__(self, root: bytes, limit: int) -> None:
        self.root = root
        self._limit = limit
        self._on_the_way: set[bytes] = set()
        self._firsts: list[bytes] = []  # the first key of each gap, ascending, and its last
        self._lasts: list[bytes] = []

    def is_absent(self, key: bytes) -> bool:
        """Whether an earlier proof shows that `key` (32 bytes) is absent. False: that is not known."""
        place = bisect_right(self._firsts, key)
        return place > 0 and key <= self._lasts[place - 1]

    def verify(self, key: bytes, value: bytes | None, proof: Sequence[bytes]) -> None:
        """As the function `verify` does; of a proof whose end is known already no more is looked at."""
        if {len(self.root), len(key), len(key if value is None else value)} != {spec.HASH_BYTES}:
            raise _refuse(key, "root, key or value is not 32 bytes")
        steps = proof if value is not None else proof[:-1]
        if any(len(step) != _STEP_BYTES for step in steps):
            raise _refuse(key, "a step is not 33 bytes")
        depths = [-1, *(step[0] for step in steps)]
        if any(upper >= lower for upper, lower in pairwise(depths)):
            raise _refuse(key, "depths do not strictly ascend")
        differs_at = 0
        if value is None:
            if not proof:
                raise _refuse(key, "the proof of absence is empty")
            node_hash, differs_at = _terminal(key, depths[-1], proof[-1])
        else:
            node_hash = hashlib.sha256(spec.PREFIX_STATUS_LEAF + key + value).digest()
        self._climb(key, node_hash, steps)
        if value is None:
            self._remember_gap(key, differs_at)

    def _climb(self, key: bytes, node_hash: bytes, steps: Sequence[bytes]) -> None:
        number = int.from_bytes(key, "big")
        known, made = self._on_the_way, []
        for step in reversed(steps):
            depth, sibling = step[0], step[1:]
            left, right = (sibling, node_hash) if _bit(number, depth) else (node_hash, sibling)
            node_hash = hashlib.sha256(_node_preimage(depth, first_bits(number, depth), left, right)).digest()
            if node_hash in known:
                break
            made.append(node_hash)
        else:
            if node_hash != self.root:
                raise _refuse(key, "the proof leads to another root")
        if len(known) + len(made) > self._limit:
            known.clear()
        if len(made) <= self._limit:
            known.update(made)

    def _remember_gap(self, key: bytes, differs_at: int) -> None:
        if not self._limit:
            return
        if len(self._firsts) >= self._limit:
            self._firsts, self._lasts = [], []
        rest = (1 << (KEY_BITS - 1 - differs_at)) - 1
        number = int.from_bytes(key, "big")
        first = (number & ~rest).to_bytes(spec.KEY_BYTES, "big")
        place = bisect_left(self._firsts, first)
        if self._firsts[place : place + 1] != [first]:
            self._firsts.insert(place, first)
            self._lasts.insert(place, (number | rest).to_bytes(spec.KEY_BYTES, "big"))
