"""One proof for many keys of one prefix tree (`prefix.py`): who is in it, with which value, and who is not.

The verifier has the root and a map of the *wanted* keys: to its value, or to None where a key is said to be absent.
The proof descends from the root, left before right, with the wanted keys that lead there (SPEC §11.2). Of a subtree
to which none leads it gives the hash, 32 bytes without a tag. Of any other it gives one of

    0x01 ‖ depth(u8)                  an interior node; all keys that lead there begin with its prefix
    0x02 ‖ depth(u8) ‖ prefix(32)     an interior node, and one of them does not: those that do not are absent
    0x03                              the leaf of the only one of them that has a value; the others are absent
    0x04 ‖ key(32) ‖ value(32)        the leaf of a key that is not wanted; all are absent
    0x05                              the empty tree, as the root alone

and behind an interior node what stands to its left, then to its right. The keys and what was read so far say at each
byte what it is. It is the union of the single proofs, each node once.

What "leads there" means. A node of depth d sends on the keys that begin with its prefix, by their bit d. So at any
subtree all keys that lead there agree through the bit of the last depth, and they are *all* wanted keys that have
these first bits: that is its *way*. A node or leaf below another must agree with the way, and be deeper.

Why presence and absence exclude each other, whoever built the tree. Let two proofs hold under one root for two maps
which both want a key k, each with other keys beside it. Each proof rebuilds the preimages of the nodes that k meets.
Equal hashes mean equal preimages (or a collision): both name the same root node, whose depth and prefix say alone
whether k leads on, and to which side; so they name the same next node, and so on to the same last one. There k is
absent, because the node's prefix is not one of k, or it is a leaf, or the tree is empty. Of the leaf the preimage holds
the key: k has its value if it is k, and k is absent if not; 0x04 with a wanted key is refused, 0x03 names one that has
a value. Nothing of this looks at another key. The same holds against a single proof of `prefix.py`.

Why the encoding is unique: to one root and one map belongs one byte string. By the same descent all nodes are given, so it is
left to choose how to write each. Leaf, interior node and empty tree have preimages that begin with different bytes. Of an
interior node 0x01 and 0x02 exclude each other, for 0x02 is refused where 0x01 would do. Of a leaf, 0x04 is refused for a
wanted key, and 0x03 writes no other. The empty tree has a tag only as the root; below a node it could stand only as a hash.

What a hostile proof can cost. Each subtree takes at least one byte of the proof, and work that does not grow with the
keys but for a binary search. Depths ascend, so no more than 256 nodes wait for their children; they wait in a list,
not in the stack of calls. What is allocated is a part of the proof, or those nodes.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Collection, Mapping
from itertools import accumulate
from typing import Final

from ledger import spec
from ledger.errors import ProofInvalid
from ledger.merkle.prefix import (
    EMPTY_ROOT,
    KEY_BITS,
    NODE_BYTES,
    GetNode,
    common_bits,
    key_number,
    leaf_preimage,
    load_node,
    node_below,
    node_of,
)

_NODE: Final = b"\x01"
_NODE_ASIDE: Final = b"\x02"  # a wanted key does not begin with its prefix
_LEAF: Final = b"\x03"
_OTHER_LEAF: Final = b"\x04"
_EMPTY: Final = b"\x05"

# A node's preimage: the head (tag, depth, prefix), the left hash, the right hash.
_HEAD_BYTES: Final = 2 + spec.KEY_BYTES
_RIGHT: Final = _HEAD_BYTES + spec.HASH_BYTES

# By depth: the bits before it, the bit at it, tag and depth where a head has them, and the proof's word for a node.
_MASKS: Final = [(1 << KEY_BITS) - (1 << (KEY_BITS - depth)) for depth in range(KEY_BITS)]
_SIDES: Final = [1 << (KEY_BITS - 1 - depth) for depth in range(KEY_BITS)]
_HEADS: Final = [(spec.PREFIX_STATUS_NODE[0] << 8 | depth) << KEY_BITS for depth in range(KEY_BITS)]
_NODES: Final = [_NODE + bytes((depth,)) for depth in range(KEY_BITS)]

_NOT_DEEPER: Final = "a node is not deeper than the one above it"

_sha256: Final = hashlib.sha256  # looked up ten times a key


def prove_keys(get: GetNode, root: bytes, keys: Collection[bytes]) -> bytes:
    """The one proof, in the format above, of the values or the absence of `keys` (32 bytes each) under `root`.

    `get` returns the preimage of a node of the tree; each node on the way is read once. RefusedInput for a key
    that is not 32 bytes, InvariantBroken for a stored node that is not what its hash or place says.
    """
    wanted = sorted(set(map(key_number, keys)))
    if wanted and root == EMPTY_ROOT:
        return _EMPTY
    parts: list[bytes] = []
    # Subtrees still to visit, leftmost last: hash, the keys that lead there as a range of `wanted`, the last depth.
    waiting = [(root, 0, len(wanted), -1)]
    while waiting:
        node_hash, first, last, above = waiting.pop()
        if first == last:
            parts.append(node_hash)
            continue
        if last - first == 1:
            parts.extend(_alone(get, node_hash, wanted[first], above))
            continue
        node = load_node(get, node_hash, above, wanted[first])
        depth, prefix = node.depth, node.prefix
        if depth == KEY_BITS:
            place = bisect_left(wanted, prefix, first, last)
            if place < last and wanted[place] == prefix:
                parts.append(_LEAF)
            else:
                # Its preimage is tag, key, value; so is this.
                parts.append(_OTHER_LEAF + leaf_preimage(prefix, node.left)[1:])
            continue
        # In key order, keys that begin with the prefix are neighbours: the ends decide.
        if wanted[first] & _MASKS[depth] == prefix == wanted[last - 1] & _MASKS[depth]:
            parts.append(_NODES[depth])
        else:
            parts.append(_NODE_ASIDE + bytes((depth,)) + prefix.to_bytes(spec.KEY_BYTES, "big"))
            first, last = _with_prefix(wanted, prefix, depth, first, last)
        middle = bisect_left(wanted, prefix | _SIDES[depth], first, last)
        waiting.append((node.right, middle, last, depth))
        waiting.append((node.left, first, middle, depth))
    return b"".join(parts)


def _alone(get: GetNode, node_hash: bytes, key: int, above: int) -> list[bytes]:
    """The proof of one subtree, below depth `above`, to which `key` leads alone."""
    parts: list[bytes] = []
    rights: list[bytes] = []
    while True:
        preimage = get(node_hash)
        if len(preimage) != NODE_BYTES:
            break
        depth = preimage[1]
        # The whole check of a node that `key` passes. Who does not pass it is looked at below.
        head = (key & _MASKS[depth] | _HEADS[depth]).to_bytes(_HEAD_BYTES, "big")
        if depth <= above or preimage[:_HEAD_BYTES] != head or _sha256(preimage).digest() != node_hash:
            break
        parts.append(_NODES[depth])
        if key & _SIDES[depth]:
            parts.append(preimage[_HEAD_BYTES:_RIGHT])
            node_hash = preimage[_RIGHT:]
        else:
            rights.append(preimage[_RIGHT:])
            node_hash = preimage[_HEAD_BYTES:_RIGHT]
        above = depth
    node = node_below(node_of(node_hash, preimage), above, key)
    if node.prefix == key and node.depth == KEY_BITS:
        parts.append(_LEAF)
    else:
        # But for the tag it is the preimage: of a leaf the key and value, of a node depth, prefix and both children.
        parts.append((_OTHER_LEAF if node.depth == KEY_BITS else _NODE_ASIDE) + preimage[1:])
    parts.extend(reversed(rights))
    return parts


def verify_keys(root: bytes, wanted: Mapping[bytes, bytes | None], proof: bytes) -> None:
    """Checks that under `root` each key of `wanted` (32 bytes) has its value (32 bytes), or with None is absent.

    The order of `wanted` does not matter. Raises ProofInvalid "status-invalid" for anything but the one proof.
    """
    lengths = {len(root), *map(len, wanted), *(len(value) for value in wanted.values() if value is not None)}
    if lengths != {spec.HASH_BYTES}:
        raise ProofInvalid("status-invalid", "status proof", "root, key or value is not 32 bytes")
    reading = _Reading(wanted, proof)
    if reading.root() != root:
        raise ProofInvalid("status-invalid", "status proof", "the proof leads to another root")


def _with_prefix(keys: list[int], prefix: int, depth: int, first: int, last: int) -> tuple[int, int]:
    """Which of `keys` [first, last) begin with the first `depth` bits of `prefix`, as a range."""
    begin = bisect_left(keys, prefix, first, last)
    return begin, bisect_left(keys, prefix + (1 << (KEY_BITS - depth)), begin, last)


class _Reading:
    """A verifier's descent: the wanted keys in order, and how much of the proof was read."""

    __slots__ = ("_at", "_keys", "_proof", "_valued", "_values")

    def __init__(self, wanted: Mapping[bytes, bytes | None], proof: bytes) -> None:
        ordered = sorted(wanted)
        self._keys = [int.from_bytes(key, "big") for key in ordered]
        self._values = [wanted[key] or b"" for key in ordered]
        # How many of the keys before each place have a value.
        self._valued = [0, *accumulate(map(bool, self._values))]
        self._proof = proof
        self._at = 0

    def root(self) -> bytes:
        """The root that the proof leads to, all of it read; ProofInvalid if it cannot be a proof for these keys."""
        proof = self._proof
        # Nodes whose children are not both known, deepest last: head of the preimage, depth, hash of the left child
        # once it is known, and the keys that lead to the right one.
        waiting: list[tuple[bytes, int, bytes | None, int, int]] = []
        first, last, above = 0, len(self._keys), -1
        while True:
            if first == last:
                node_hash = self._take(spec.HASH_BYTES)
            elif last - first == 1:
                node_hash = self._alone(first, above)
            elif proof[self._at : self._at + 1] in {_NODE, _NODE_ASIDE}:
                head, depth, first, middle, last = self._node(first, last, above)
                waiting.append((head, depth, None, middle, last))
                last, above = middle, depth
                continue
            else:
                node_hash = self._end(first, last, above)
            while waiting:
                head, above, left, first, last = waiting.pop()
                if left is None:
                    waiting.append((head, above, node_hash, first, last))
                    break
                node_hash = _sha256(head + left + node_hash).digest()
            else:
                if self._at != len(proof):
                    raise self._refused("the proof ends before its last subtree, or goes on behind it")
                return node_hash

    def _alone(self, place: int, above: int) -> bytes:
        """Hash of a subtree below depth `above` to which one key leads: the long way, without a search or a fork."""
        key, proof, at = self._keys[place], self._proof, self._at
        passed: list[tuple[int, bytes | None]] = []  # depth, and the hash to the left unless the key is there
        while proof[at : at + 1] == _NODE and at + 1 < len(proof):
            depth = proof[at + 1]
            at += 2
            if depth <= above:
                raise self._refused(_NOT_DEEPER)
            above = depth
            if key & _SIDES[depth]:
                passed.append((depth, proof[at : at + 32]))
                at += 32
            else:
                passed.append((depth, None))
        self._at = at
        if proof[at : at + 1] == _NODE_ASIDE:
            # Not one that the key passes, or it is refused: no key leads on.
            node_hash = _sha256(self._node(place, place + 1, above)[0] + self._take(2 * 32)).digest()
        else:
            node_hash = self._end(place, place + 1, above)
        at = self._at
        for depth, left in reversed(passed):
            head = (key & _MASKS[depth] | _HEADS[depth]).to_bytes(_HEAD_BYTES, "big")
            if left is None:
                node_hash = _sha256(head + node_hash + proof[at : at + 32]).digest()
                at += 32
            else:
                node_hash = _sha256(head + left + node_hash).digest()
        self._at = at  # behind the end, if a hash was cut short: what reads on refuses that
        return node_hash

    def _node(self, first: int, last: int, above: int) -> tuple[bytes, int, int, int, int]:
        """Of an interior node the head of its preimage, its depth, and the keys that lead on.

        Those are [begin, end), as begin, middle, end: to the left lead the ones before the middle.
        """
        keys = self._keys
        tag, depth = self._take(1), self._take(1)[0]
        if depth <= above:
            raise self._refused(_NOT_DEEPER)
        if tag == _NODE:
            if common_bits(keys[first], keys[last - 1]) < depth:
                raise self._refused("a key does not begin with the prefix of the node that it leads to")
            prefix = keys[first] & _MASKS[depth]
        else:
            prefix = int.from_bytes(self._take(spec.KEY_BYTES), "big")
            if prefix & _MASKS[depth] != prefix:
                raise self._refused("a prefix has bits at its depth or behind")
            if common_bits(prefix, keys[first]) <= above:
                raise self._refused("a prefix differs from the way that leads to it")
            begin, end = _with_prefix(keys, prefix, depth, first, last)
            if (begin, end) == (first, last):
                raise self._refused("a prefix is written that all keys have")
            if self._valued[end] - self._valued[begin] != self._valued[last] - self._valued[first]:
                raise self._refused("a key that has a value is shown to be absent")
            first, last = begin, end
        head = (prefix | _HEADS[depth]).to_bytes(_HEAD_BYTES, "big")
        return head, depth, first, bisect_left(keys, prefix | _SIDES[depth], first, last), last

    def _end(self, first: int, last: int, above: int) -> bytes:
        """Hash of a leaf, or of the empty tree, to which the keys [first, last) lead, at least one."""
        keys, valued = self._keys, self._valued
        tag = self._take(1)
        count = valued[last] - valued[first]
        if tag == _LEAF:
            if count != 1:
                raise self._refused(f"{count} of the keys that lead to one leaf have a value")
            place = bisect_left(valued, valued[last], first, last + 1) - 1
            return _sha256(leaf_preimage(keys[place], self._values[place])).digest()
        if count:
            raise self._refused("a key that has a value is shown to be absent")
        if tag == _OTHER_LEAF:
            leaf = self._take(spec.KEY_BYTES + spec.HASH_BYTES)
            key = int.from_bytes(leaf[: spec.KEY_BYTES], "big")
            if common_bits(key, keys[first]) <= above:
                raise self._refused("the key of a leaf differs from the way that leads to it")
            place = bisect_left(keys, key, first, last)
            if place < last and keys[place] == key:
                raise self._refused("a key is shown to be absent by its own leaf")
            return _sha256(spec.PREFIX_STATUS_LEAF + leaf).digest()
        if tag == _EMPTY and above < 0:
            return EMPTY_ROOT
        raise self._refused(f"byte 0x{tag.hex()} is no subtree here")

    def _take(self, count: int) -> bytes:
        start = self._at
        self._at = end = start + count
        if end > len(self._proof):
            raise self._refused("the proof is cut short")
        return self._proof[start:end]

    def _refused(self, reason: str) -> ProofInvalid:
        return ProofInvalid("status-invalid", f"status proof before byte {self._at}", reason)
