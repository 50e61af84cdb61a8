"""The Merkle tree of RFC 6962 §2.1 over SHA-256: hashes in, hashes out, no idea what a leaf means.

    MTH({})      = SHA-256()
    MTH({d})     = SHA-256(0x00 ‖ d)
    MTH(D[n])    = SHA-256(0x01 ‖ MTH(D[0:k]) ‖ MTH(D[k:n])),  k the largest power of two below n

Words used here: a *peak* is a largest complete subtree of a tree; a tree of n leaves has popcount(n) of them, the
highest on the left, and its root folds them from the right. A *frontier* is a size and its peaks: all one must
remember to go on appending.

An inclusion path has two parts. Inside the smallest complete-by-position subtree that holds both the leaf and the
last leaf, each bit of the index says on which side the sibling stands; above it every sibling stands on the left.
Both lengths follow from index and size alone, so a path of any other length is refused before anything is hashed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ledger import spec
from ledger.errors import ProofInvalid, RefusedInput

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

_ONLY_HASHES: Final = {spec.HASH_BYTES}
_HEIGHT: Final = 1 << 48  # no leaf has so great a number
_HEIGHTS_FORGOTTEN: Final = 8  # when there is no room: of the nodes so low each is over at most 128 leaves


def hash_leaf(data: bytes) -> bytes:
    """Leaf hash of `data`: SHA-256(0x00 ‖ data), 32 bytes."""
    return hashlib.sha256(spec.PREFIX_LEAF + data).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """Hash of an interior node: SHA-256(0x01 ‖ left ‖ right). RefusedInput unless both are 32 bytes."""
    if len(left) != spec.HASH_BYTES or len(right) != spec.HASH_BYTES:
        raise RefusedInput(
            "hash-malformed", "child hash", f"{len(left)} and {len(right)} bytes, want 32 each"
        )
    return hashlib.sha256(spec.PREFIX_NODE + left + right).digest()


def require_hashes(hashes: Iterable[bytes]) -> None:
    """RefusedInput unless every one of `hashes` is 32 bytes long."""
    lengths = set(map(len, hashes)) - _ONLY_HASHES
    if lengths:
        raise RefusedInput("hash-malformed", "hash", f"{min(lengths)} bytes, want {spec.HASH_BYTES}")


def parents_of(nodes: Iterable[bytes]) -> list[bytes]:
    """Hashes of consecutive pairs of 32-byte `nodes`; an unpaired last node is left out."""
    sha256, prefix = hashlib.sha256, spec.PREFIX_NODE
    node = iter(nodes)
    return [sha256(prefix + left + right).digest() for left, right in zip(node, node, strict=False)]


def _level_above(level: Sequence[bytes]) -> list[bytes]:
    """The next level of a tree; an unpaired last node moves up unchanged, as RFC 6962's split has it."""
    above = parents_of(level)
    if len(level) & 1:
        above.append(level[-1])
    return above


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """MTH of a tree given its leaf hashes (32 bytes each, else RefusedInput)."""
    require_hashes(leaf_hashes)
    level = leaf_hashes
    while len(level) > 1:
        level = _level_above(level)
    return level[0] if level else EMPTY_ROOT


def levels_of(leaf_hashes: Sequence[bytes]) -> list[Sequence[bytes]]:
    """All levels of a tree, leaves first, the root alone in the last; `[]` for the empty tree.

    Level h holds ceil(n / 2^h) hashes, the last of them possibly of an incomplete subtree.
    """
    require_hashes(leaf_hashes)
    if not leaf_hashes:
        return []
    levels = [leaf_hashes]
    while len(levels[-1]) > 1:
        levels.append(_level_above(levels[-1]))
    return levels


def path_in_levels(levels: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """Inclusion path (RFC 6962 §2.1.1) of leaf `index`, read from `levels_of`; RefusedInput if there is no such leaf."""
    size = len(levels[0]) if levels else 0
    if not 0 <= index < size:
        raise RefusedInput("index-out-of-range", f"leaf {index}", f"the tree has {size} leaves")
    path = []
    for height in range(len(levels) - 1):
        sibling = (index >> height) ^ 1
        if sibling < len(levels[height]):
            path.append(levels[height][sibling])
    return path


def _climb(node: bytes, index: int, inner: int, path: Sequence[bytes]) -> bytes:
    """Root over `node`: in the first `inner` steps `index` tells the sides, above them siblings stand left."""
    sha256, prefix = hashlib.sha256, spec.PREFIX_NODE
    for sibling in path[:inner]:
        pair = sibling + node if index & 1 else node + sibling
        node = sha256(prefix + pair).digest()
        index >>= 1
    for sibling in path[inner:]:
        node = sha256(prefix + sibling + node).digest()
    return node


def root_from_inclusion(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Root that an inclusion path implies; ProofInvalid "inclusion-invalid" if no such path can exist."""
    inner = _check_path(leaf_hash, index, size, path)
    return _climb(leaf_hash, index, inner, path)


def _check_path(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes]) -> int:
    """In how many steps of the path `index` tells the sides; ProofInvalid if no such path can exist."""
    if not 0 <= index < size <= spec.TREE_SIZE_MAX:
        raise _not_included(index, size, "index or size out of range")
    inner = (index ^ (size - 1)).bit_length()
    want = inner + (index >> inner).bit_count()
    if len(path) != want:
        raise _not_included(index, size, f"path of {len(path)} hashes, want {want}")
    if len(leaf_hash) != spec.HASH_BYTES or not set(map(len, path)) <= _ONLY_HASHES:
        raise _not_included(index, size, "a hash is not 32 bytes")
    return inner


def _not_included(index: int, size: int, reason: str) -> ProofInvalid:
    return ProofInvalid("inclusion-invalid", f"leaf {index} of {size}", reason)


def _elsewhere(index: int, size: int) -> ProofInvalid:
    return _not_included(index, size, "the path leads to another root")


def verify_inclusion(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Checks that `leaf_hash` stands at `index` in the tree of `size` leaves under `root`.

    RFC 6962 §2.1.1, RFC 9162 §2.1.3.2. Raises ProofInvalid "inclusion-invalid".
    """
    if root_from_inclusion(leaf_hash, index, size, path) != root:
        raise _elsewhere(index, size)


class ProvenTree:
    """Inclusion in one tree of `size` leaves under `root`, which remembers the nodes of paths that held, about `limit` of them.

    Node number i at height h is over the leaves from i · 2^h up to (i + 1) · 2^h, or to the last: an unpaired last node is its own
    parent. A path that held shows its nodes and their siblings; each is the only one that can stand there. So another leaf's
    path is climbed to the first node that is known, and a leaf that is known needs none.
    """

    __slots__ = ("_known", "_limit", "root", "size")

    def __init__(self, size: int, root: bytes, limit: int) -> None:
        self.size = size
        self.root = root
        self._limit = limit
        self._known: dict[int, bytes] = {}  # by height · 2^48 + number

    def verify(self, leaf_hash: bytes, index: int, path_of: Callable[[int], Sequence[bytes]]) -> None:
        """Checks that `leaf_hash` stands at `index`; asks `path_of(index)` for the path if it needs one.

        Raises ProofInvalid "inclusion-invalid", and what `path_of` raises.
        """
        known = self._known
        if known.get(index) == leaf_hash and index < self.size:
            return
        path = path_of(index)
        _check_path(leaf_hash, index, self.size, path)
        last, number, place, node, above = self.size - 1, index, index, leaf_hash, 0
        sha256, prefix = hashlib.sha256, spec.PREFIX_NODE
        shown = {}
        siblings = iter(path)
        while (found := known.get(place)) is None:
            shown[place] = node
            if not last:
                found = self.root
                break
            if number & 1:
                sibling = shown[place - 1] = next(siblings)
                node = sha256(prefix + sibling + node).digest()
            elif number < last:
                sibling = shown[place + 1] = next(siblings)
                node = sha256(prefix + node + sibling).digest()
            number, last, above = number >> 1, last >> 1, above + _HEIGHT
            place = above + number
        if found != node:
            raise _elsewhere(index, self.size)
        if len(known) + len(shown) > self._limit:
            self._forget()
        if len(known) + len(shown) <= self._limit:
            known.update(shown)

    def _forget(self) -> None:
        """The lower nodes first: what lies above is over many leaves."""
        for place in [place for place in self._known if place < _HEIGHTS_FORGOTTEN * _HEIGHT]:
            del self._known[place]
        if 2 * len(self._known) > self._limit:
            self._known.clear()


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Checks that the tree (new_size, new_root) extends (old_size, old_root): RFC 6962 §2.1.2, RFC 9162 §2.1.4.2.

    Equal sizes need equal roots and an empty path; nothing is hashed then, so the roots' length is not looked at
    (the published vectors ask for that). At size 0 both roots must be EMPTY_ROOT. An old size of 0
    with a larger new size is refused, whatever the path: such a proof says nothing about the new root. (C2SP
    witnesses take an empty path there as "no tree yet"; whoever speaks to one decides that before calling.)
    Raises ProofInvalid "consistency-invalid".
    """
    item = f"tree {old_size} to {new_size}"
    if not 0 <= old_size <= new_size <= spec.TREE_SIZE_MAX:
        raise ProofInvalid("consistency-invalid", item, "sizes out of range or descending")
    if old_size == new_size:
        if path or old_root != new_root or (old_size == 0 and old_root != EMPTY_ROOT):
            raise ProofInvalid("consistency-invalid", item, "equal sizes need equal roots and an empty path")
        return
    if old_size == 0:
        raise ProofInvalid("consistency-invalid", item, "nothing can be proved from an empty tree")
    if len(old_root) != spec.HASH_BYTES or not set(map(len, path)) <= _ONLY_HASHES:
        raise ProofInvalid("consistency-invalid", item, "a hash is not 32 bytes")
    # The last peak of the old tree is a node of the new one; the path is that node (left out when it is the old
    # root itself) and its inclusion path in the new tree.
    height = (old_size & -old_size).bit_length() - 1
    whole = old_size == 1 << height
    if not whole and not path:
        raise ProofInvalid("consistency-invalid", item, "the path is empty")
    node, rest = (old_root, path) if whole else (path[0], path[1:])
    index, last = (old_size - 1) >> height, (new_size - 1) >> height
    inner = (index ^ last).bit_length()
    want = inner + (index >> inner).bit_count()
    if len(rest) != want:
        raise ProofInvalid(
            "consistency-invalid", item, f"path of {len(path)} hashes, want {want + (not whole)}"
        )
    # Only left siblings belong to the old tree: all its other subtrees stand left of its last peak.
    lefts = [sibling for step, sibling in enumerate(rest) if step >= inner or (index >> step) & 1]
    if _climb(node, 0, 0, lefts) != old_root:
        raise ProofInvalid("consistency-invalid", item, "the path leads to another old root")
    if _climb(node, index, inner, rest) != new_root:
        raise ProofInvalid("consistency-invalid", item, "the path leads to another new root")


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree's size and the hashes of its peaks, highest first: enough to append and to tell the root.

    RefusedInput unless there are popcount(size) hashes of 32 bytes and size ≤ TREE_SIZE_MAX.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= spec.TREE_SIZE_MAX:
            raise RefusedInput(
                "size-out-of-range", f"tree of {self.size}", f"at most {spec.TREE_SIZE_MAX} leaves"
            )
        if len(self.hashes) != self.size.bit_count():
            raise RefusedInput(
                "hash-malformed", f"frontier of {self.size}", f"{len(self.hashes)} hashes, not one a peak"
            )
        require_hashes(self.hashes)

    def append(self, leaf_hashes: Sequence[bytes]) -> Frontier:
        """The frontier after `leaf_hashes` (32 bytes each) were appended; about one hash operation a leaf."""
        require_hashes(leaf_hashes)
        old_peaks = list(self.hashes)
        new_peaks: list[bytes] = []
        nodes = list(leaf_hashes)
        height = 0
        while nodes or old_peaks:
            if (self.size >> height) & 1:
                nodes.insert(0, old_peaks.pop())
            if len(nodes) & 1:
                new_peaks.append(nodes.pop())
            nodes = parents_of(nodes)
            height += 1
        return Frontier(self.size + len(leaf_hashes), tuple(reversed(new_peaks)))

    def root(self) -> bytes:
        """MTH of the tree, 32 bytes."""
        if not self.hashes:
            return EMPTY_ROOT
        return _climb(self.hashes[-1], 0, 0, self.hashes[-2::-1])
