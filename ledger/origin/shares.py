"""How much of a work is known to be people's, by its own record: a floor against laundering (SPEC §12.2, `[shares]`).

Counted are the own human share, and the shares of parents that are works of people themselves. What is left belongs to the
maker where he left a share of his own unstated, and counts as the policy says of him, but for what of it might be an
output's; else to the parents that state none, and counts if every one of them does. What nobody might have is unknown,
never human.

This looks at one record. It is not origin mass, which adds up over a whole ancestry; but since all ancestors are held to
it too, no chain of records is better than its links.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from ledger.origin.policy import Policy, Unstated
from ledger.proofs.facts import Node
from ledger.spec import PPM
from ledger.statements.legal import NONE, OWN_SHARES, RELATIONS
from ledger.statements.record import Parent

HUMAN_KINDS = frozenset({"work", "experience", "derived"})


class Worth(IntEnum):
    """Whether a parent's share counts as people's: never; of its kind it would; once what it waits for is over; now."""

    NEVER = 0
    OF_KIND = 1
    PERHAPS = 2
    NOW = 3


def is_bound(node: Node) -> bool:
    """Whether the floor applies: to what is `made`, of a kind that claims to be people's or to pass on what is."""
    return node.stance == "made" and node.kind in HUMAN_KINDS


def human_ppm(node: Node, policy: Policy, worth: Callable[[Parent], Worth], least: Worth) -> int:
    """The least share (ppm) known to be people's, counting parents of at least this worth; 0 without a record."""
    if node.record is None:
        return 0
    fields = node.record.fields
    counted = fields.get("human", 0)
    rest = PPM - counted - fields.get("machine", 0)
    unstated = []
    for parent in node.parents:
        if not RELATIONS[parent.rel].share:
            continue
        if parent.ppm is None:
            unstated.append(worth(parent))
        else:
            rest -= parent.ppm
            counted += parent.ppm if worth(parent) >= least else 0
    if any(share not in fields for share in own_shares(node)):
        counts = policy.unstated.get(node.role) is Unstated.HUMAN and all(
            each >= Worth.OF_KIND for each in unstated
        )
    else:
        counts = bool(unstated) and all(each >= least for each in unstated)
    return int(counted) + (max(rest, 0) if counts else 0)  # not under 0 in a record that SPEC §4.4 lets stand


def says_nothing(node: Node) -> bool:
    """Whether the maker left a human share of his own unstated."""
    return "human" in own_shares(node) and node.record is not None and "human" not in node.record.fields


def own_shares(node: Node) -> frozenset[str]:
    """The shares of its own that its record may state (SPEC §4.4)."""
    return OWN_SHARES.get(node.role, {}).get(node.kind, NONE)
