"""How much of a work is known to be people's, by its own record: a floor against laundering (SPEC §12.2, `[shares]`).

Counted are the own human share, and the shares of parents that are works of people themselves. What is not stated belongs
to all who might have it together (the maker's unstated own shares, the parents without a share): it counts if every one of
them does, else not at all; so it is the least that can be meant. What nobody might have is unknown, never human.

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
    """Whether a parent's share counts as people's: never, once what keeps it waiting is over, or now."""

    NEVER = 0
    PERHAPS = 1
    NOW = 2


def is_bound(node: Node) -> bool:
    """Whether the floor applies: to what is `made`, of a kind that claims to be people's or to pass on what is."""
    return node.stance == "made" and node.kind in HUMAN_KINDS


def human_ppm(node: Node, policy: Policy, worth: Callable[[Parent], Worth], least: Worth) -> int:
    """The least share (ppm) known to be people's, counting parents of at least this worth; 0 without a record."""
    if node.record is None:
        return 0
    fields = node.record.fields
    as_human = policy.unstated.get(node.role, Unstated.UNKNOWN) is Unstated.HUMAN
    counted = fields.get("human", 0)
    rest = PPM - counted - fields.get("machine", 0)
    sharers = [as_human for share in own_shares(node) if share not in fields]
    for parent in node.parents:
        if not RELATIONS[parent.rel].share:
            continue
        counts = worth(parent) >= least
        if parent.ppm is None:
            sharers.append(counts)
        else:
            rest -= parent.ppm
            counted += parent.ppm if counts else 0
    if sharers and all(sharers):
        counted += max(rest, 0)  # never under 0 in a record that SPEC §4.4 lets stand
    return int(counted)


def says_nothing(node: Node) -> bool:
    """Whether the maker left a human share of his own unstated."""
    return "human" in own_shares(node) and node.record is not None and "human" not in node.record.fields


def own_shares(node: Node) -> frozenset[str]:
    """The shares of its own that its record may state (SPEC §4.4)."""
    return OWN_SHARES.get(node.role, {}).get(node.kind, NONE)
