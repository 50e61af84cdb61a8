"""One proof for many leaves of one RFC 6962 tree: every hash that a verifier cannot compute, each once.

Canonical order (SPEC cites it). Descend from the root by RFC 6962's split (a subtree of n leaves divides after the
first k, k the largest power of two below n), left before right. Where a subtree holds no wanted leaf, emit its
hash and do not descend; where it is a wanted leaf, emit nothing. So a set of indices and a size fix the number,
order and meaning of the hashes; a verifier finds out which nodes they are of, refuses a hash too few or too many, and climbs.

    tree of 5 leaves, leaves 1 and 4 wanted:   MTH(D[0:1]), MTH(D[2:4])

With one leaf the hashes are those of its inclusion path, in another order. Descent is at most 48 deep, and visits
only subtrees that hold a wanted leaf or take one hash: work is bounded by 49 times leaves, plus hashes.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from ledger import spec
from ledger.errors import ProofInvalid, RefusedInput
from ledger.merkle.proofs import PathReader
from ledger.merkle.tiles import ReadTile, Tile


def _split(size: int) -> int:
    """The largest power of two below `size` (RFC 6962 §2.1), for size ≥ 2."""
    return 1 << ((size - 1).bit_length() - 1)


def _last_of_each_level(read_tile: ReadTile) -> ReadTile:
    """Reads through a cache of one tile a level: the descent meets the subtrees of a tile one after another."""
    recent: dict[int, tuple[int, Tile]] = {}

    def read(level: int, number: int) -> Tile:
        if level not in recent or recent[level][0] != number:
            recent[level] = number, read_tile(level, number)
        return recent[level][1]

    return read


def multiproof(read_tile: ReadTile, indices: Sequence[int], size: int) -> list[bytes]:
    """Hashes, in canonical order, that prove the leaves `indices` of the first `size` leaves.

    RefusedInput unless `indices` are strictly ascending, at least one, and below `size`.
    """
    return multiproof_of(PathReader(_last_of_each_level(read_tile), size).subtree_root, indices, size)


def multiproof_in_levels(levels: Sequence[Sequence[bytes]], indices: Sequence[int]) -> list[bytes]:
    """The same in a tree whose hashes are all at hand, as `ledger.merkle.tree.levels_of` gives them."""
    return multiproof_of(lambda start, height: levels[height][start >> height], indices, len(levels[0]))


def multiproof_of(
    subtree_root: Callable[[int, int], bytes], indices: Sequence[int], size: int
) -> list[bytes]:
    """The same, where `subtree_root(start, height)` gives the root over leaves [start, start + 2^height), or up to the last."""
    if not indices:
        raise RefusedInput("index-out-of-range", "multiproof", "no leaf is wanted")
    if indices[0] < 0 or indices[-1] >= size:
        raise RefusedInput(
            "index-out-of-range", f"leaves {indices[0]} to {indices[-1]}", f"the tree has {size} leaves"
        )
    if any(left >= right for left, right in pairwise(indices)):
        raise RefusedInput("index-out-of-range", "multiproof", "indices are not strictly ascending")
    hashes: list[bytes] = []
    # Subtrees still to visit, leftmost last: first leaf, number of leaves, and the range of wanted indices inside.
    waiting = [(0, size, 0, len(indices))]
    while waiting:
        start, count, first, last = waiting.pop()
        if first == last:
            hashes.append(subtree_root(start, (count - 1).bit_length()))
        elif last - first < count:  # else all of it is wanted
            left = _split(count)
            middle = bisect_left(indices, start + left, first, last)
            waiting.append((start + left, count - left, middle, last))
            waiting.append((start, left, first, middle))
    return hashes


def _missing(indices: Sequence[int], size: int) -> list[list[int]]:
    """By height the numbers of the nodes whose hashes a proof of these leaves holds, ascending.

    Node number i at height h is over leaves [i · 2^h, (i + 1) · 2^h), as far as they exist; one without a sibling moves up unchanged.
    """
    missing = []
    known = indices
    while size > 1:
        siblings: list[int] = []
        above: list[int] = []
        last, waiting = size - 1, -1  # the left node whose right one may be known, too
        for number in known:
            if number & 1:
                if waiting != number - 1:
                    if waiting >= 0:
                        siblings.append(waiting + 1)
                    siblings.append(number - 1)
                waiting = -1
            else:
                if waiting >= 0:
                    siblings.append(waiting + 1)
                waiting = number if number < last else -1
            if not above or above[-1] != number >> 1:
                above.append(number >> 1)
        if waiting >= 0:
            siblings.append(waiting + 1)
        missing.append(siblings)
        known, size = above, (size + 1) >> 1
    return missing


def _climb(indices: Sequence[int], nodes: list[bytes], size: int, siblings: list[dict[int, bytes]]) -> bytes:
    """The root over known leaves, level by level. `siblings`: by height the hashes of the nodes that are missing."""
    sha256, prefix = hashlib.sha256, spec.PREFIX_NODE
    numbers = indices
    for shown in siblings:
        above: list[int] = []
        hashed: list[bytes] = []
        last = size - 1
        for number, node in zip(numbers, nodes, strict=True):
            half = number >> 1
            if number & 1:
                left = shown.get(number - 1)
                if left is None:  # it is known, and waits
                    hashed[-1] = sha256(prefix + hashed[-1] + node).digest()
                else:
                    above.append(half)
                    hashed.append(sha256(prefix + left + node).digest())
                continue
            above.append(half)
            right = shown.get(number + 1) if number < last else None
            hashed.append(node if right is None else sha256(prefix + node + right).digest())
        numbers, nodes, size = above, hashed, (size + 1) >> 1
    return nodes[0]


def root_from_multiproof(leaves: Mapping[int, bytes], size: int, hashes: Sequence[bytes]) -> bytes:
    """Root implied by `leaves` {index: leaf hash} and the proof's `hashes`; the mapping's order does not matter.

    ProofInvalid "multiproof-invalid" if there is no leaf, an index is not below `size`, a hash is not 32 bytes,
    or a hash is missing or surplus.
    """
    indices = sorted(leaves)
    if not indices or not 0 <= indices[0] <= indices[-1] < size <= spec.TREE_SIZE_MAX:
        raise ProofInvalid(
            "multiproof-invalid", f"multiproof in {size}", "no leaf, or indices or size out of range"
        )
    leaf_hashes = [leaves[index] for index in indices]
    if {spec.HASH_BYTES} != set(map(len, leaf_hashes)) | set(map(len, hashes)):
        raise ProofInvalid("multiproof-invalid", "multiproof", "a hash is not 32 bytes")
    missing = _missing(indices, size)
    # Left before right: of nodes none of which is over another, the one that begins first stands first.
    ordered = sorted(
        (number << height, height) for height, numbers in enumerate(missing) for number in numbers
    )
    if len(ordered) != len(hashes):
        surplus = len(hashes) - len(ordered)
        what = f"{surplus} hashes too many" if surplus > 0 else "a hash is missing"
        raise ProofInvalid("multiproof-invalid", "multiproof", what)
    siblings: list[dict[int, bytes]] = [{} for _ in missing]
    for (start, height), shown in zip(ordered, hashes, strict=True):
        siblings[height][start >> height] = shown
    return _climb(indices, leaf_hashes, size, siblings)


def verify_multiproof(leaves: Mapping[int, bytes], size: int, hashes: Sequence[bytes], root: bytes) -> None:
    """Checks that all `leaves` {index: leaf hash} stand in the tree of `size` leaves under `root`.

    Raises ProofInvalid "multiproof-invalid".
    """
    if root_from_multiproof(leaves, size, hashes) != root:
        raise ProofInvalid("multiproof-invalid", "multiproof", "the hashes lead to another root")
