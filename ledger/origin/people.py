"""Who answers for each artifact of an ancestry (SPEC §12): the anchors reached from it, not only from the root."""

from __future__ import annotations

from ledger.proofs.facts import DESCENT, Ancestry, Node, Presence


def humans_of_nodes(ancestry: Ancestry) -> dict[bytes, frozenset[bytes]]:
    """For each artifact id the identity ids of its `humans`; none behind an artifact that does not stand.

    Parents are taken before their children by following the edges, not by place in the log: an artifact may stand by a later
    place than the one by which its child stands. An id is a hash over the ids of the parents, so there is no circle.
    """
    humans: dict[bytes, frozenset[bytes]] = {}
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
            humans[node.id] = _own(node).union(*(humans[parent] for parent in parents))
    return humans


def _own(node: Node) -> frozenset[bytes]:
    if node.presence is not Presence.STANDS or node.stance != "made" or node.anchor is None:
        return frozenset()
    return frozenset({node.anchor})


def _descent(node: Node) -> list[bytes]:
    if node.presence is not Presence.STANDS:
        return []
    return [parent.id for parent in node.parents if parent.log is None and parent.rel in DESCENT]
