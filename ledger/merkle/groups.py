"""Large trees by their groups: the hashes over 256 leaves each, the last over what is left, and the tree above them.

RFC 6962 splits a tree at powers of two, so that leaves [256·g, 256·g + 256) are one of its subtrees, whatever its size: a
full one, or at the end an incomplete one that has moved up unchanged. The tree over the groups' hashes is therefore the
upper part of the tree over the leaves, and has its root. So a path is found with the leaves of one group and the groups'
hashes: of a million leaves that is 256 and 4,096 hashes, where the whole tree would be two million.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from ledger import spec
from ledger.errors import RefusedInput
from ledger.merkle.tree import levels_of, path_in_levels, require_hashes, root_of

GROUP: Final = spec.ROWS_GROUP  # leaves


def group_count(leaf_count: int) -> int:
    """How many groups so many leaves have."""
    return -(-leaf_count // GROUP)


def leaf_hashes_of(inputs: bytes | memoryview) -> list[bytes]:
    """Leaf hashes of leaf inputs of 32 bytes each, one behind the other."""
    sha256, prefix, size = hashlib.sha256, spec.PREFIX_LEAF, spec.HASH_BYTES
    return [sha256(prefix + inputs[at : at + size]).digest() for at in range(0, len(inputs), size)]


def group_hashes(leaf_hashes: Sequence[bytes]) -> list[bytes]:
    """The hash of each group of consecutive leaves (32 bytes each, else RefusedInput); the first begins with leaf 0."""
    return [root_of(leaf_hashes[at : at + GROUP]) for at in range(0, len(leaf_hashes), GROUP)]


def joined_groups(inputs: bytes) -> bytes:
    """The same of leaf inputs of 32 bytes each: both one behind the other."""
    return b"".join(group_hashes(leaf_hashes_of(inputs)))


def path_in_groups(group: Sequence[bytes], groups: Sequence[bytes], index: int) -> list[bytes]:
    """Inclusion path (RFC 6962 §2.1.1) of leaf `index`, from the leaf hashes of its group and the hashes of all groups.

    Raises RefusedInput `index-out-of-range` if the group has no such leaf, or there is no such group.
    """
    number, place = divmod(index, GROUP)
    if not 0 <= number < len(groups):
        raise RefusedInput("index-out-of-range", f"leaf {index}", f"there are {len(groups)} groups")
    require_hashes(group)
    return path_in_levels(levels_of(group), place) + path_in_levels(levels_of(groups), number)
