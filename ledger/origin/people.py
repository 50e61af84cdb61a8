"""Who answers for each artifact of an ancestry (SPEC §12): the anchors reached from it, not only from the root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ledger.proofs.facts import DESCENT, Ancestries, Ancestry, Node, Presence


class HumansOfNodes(Mapping[bytes, frozenset[bytes]]):
    """By artifact id, the identity ids of its `humans`. Kept as one bit a human, so that a long chain of many stays small."""

    def __init__(self) -> None:
        self._masks: dict[bytes, int] = {}
        self._humans: list[bytes] = []
        self._places: dict[bytes, int] = {}

    def __getitem__(self, artifact_id: bytes) -> frozenset[bytes]:
        mask, found = self._masks[artifact_id], []
        while mask:
            lowest = mask & -mask
            found.append(self._humans[lowest.bit_length() - 1])
            mask ^= lowest
        return frozenset(found)

    def __contains__(self, artifact_id: object) -> bool:
        return artifact_id in self._masks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    def put(self, node: Node, parents: list[bytes], human: bytes | None) -> None:
        """The humans of a node: its own, and those of its parents, which stand here already."""
        mask = 0
        for parent in parents:
            mask |= self._masks[parent]
        if human is not None:
            place = self._places.setdefault(human, len(self._humans))
            if place == len(self._humans):
                self._humans.append(human)
            mask |= 1 << place
        self._masks[node.id] = mask


def humans_of_nodes(ancestry: Ancestry | Ancestries, *, authors: bool = False) -> HumansOfNodes:
    """For each artifact id the identity ids of its `humans`, or its `authors` alone; none behind an artifact that does not stand.

    Parents are taken before their children by following the edges, not by place in the log: an artifact may stand by a later
    place than the one by which its child stands. An id is a hash over the ids of the parents, so there is no circle.
    """
    humans = HumansOfNodes()
    for start in ancestry.nodes:
        waiting = [start]
        while waiting:
            node = ancestry.nodes[waiting[-1]]
            parents = _descent(node)
            missing = [parent for parent in parents if parent not in humans]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            human = None if authors and not node.may_be_authored else _own(node)
            humans.put(node, parents, human)
    return humans


def _own(node: Node) -> bytes | None:
    if node.presence is not Presence.STANDS or node.stance != "made":
        return None
    return node.anchor


def _descent(node: Node) -> list[bytes]:
    if node.presence is not Presence.STANDS:
        return []
    return [parent.id for parent in node.parents if parent.log is None and parent.rel in DESCENT]
