"""Who answers for each artifact of an ancestry (SPEC §12): the anchors reached from it, not only from the root."""

from __future__ import annotations

from ledger.proofs.trace import DESCENT, Ancestry


def humans_of_nodes(ancestry: Ancestry) -> dict[bytes, frozenset[bytes]]:
    """For each artifact id the identity ids of its `humans`. Parents stand before children, so one pass is enough."""
    humans: dict[bytes, frozenset[bytes]] = {}
    ordered = sorted(ancestry.nodes.values(), key=lambda node: (node.log_index or 0, node.record_index or 0))
    for node in ordered:
        own = frozenset({node.anchor} if node.anchor is not None and node.stance == "made" else ())
        reached = [
            humans.get(parent.id, frozenset())
            for parent in node.parents
            if parent.log is None and parent.rel in DESCENT
        ]
        humans[node.id] = own.union(*reached)
    return humans
