"""Levels: how much is known of one artifact's origin (SPEC §12). A fact about one record; it does not pass to others.

L0 to L2 follow from the log alone (`level_of`). L3 and L4 follow from whom the verifier trusts as well: who cosigned the
checkpoint, and who attested what (`level_under`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from ledger.proofs.facts import Node, Presence

_ANCHORED_ROLES: Final = frozenset({"human", "pair"})


class Level(IntEnum):
    """Each includes the one below."""

    UNLOGGED = 0
    LOGGED = 1
    ANCHORED = 2
    VOUCHED = 3
    REALITY_BOUND = 4

    @property
    def code(self) -> str:
        """As printed: L0 to L4."""
        return f"L{self.value}"

    @property
    def label(self) -> str:
        """The name that SPEC §12 gives it."""
        return self.name.lower().replace("_", "-")


def level_of(node: Node) -> Level:
    """The level of a traced artifact. One that has no place without fault is unlogged, and `node.fault` says why.

    One that its maker disowned, and nobody rescued, is logged and no more: nobody answers for it. One of whose local parents
    is kept back, or not proved, is unlogged as well: nobody can tell whether it breaks a rule.
    """
    if node.misses_parent:
        return Level.UNLOGGED
    if node.presence is Presence.DISOWNED:
        return Level.LOGGED
    if node.presence is not Presence.STANDS:
        return Level.UNLOGGED
    if node.stance != "made" or node.role not in _ANCHORED_ROLES:
        return Level.LOGGED
    return Level.ANCHORED


def level_under(node: Node, *, cosigned: bool, vouched: bool, checked: bool) -> Level:
    """The level under a verifier's trust.

    `cosigned`: his quorum cosigned the checkpoint. `vouched`: an independent identity that he accepts attested the artifact.
    `checked`: all that makes an experience reality-bound holds too.
    """
    level = level_of(node)
    if level is not Level.ANCHORED or not (cosigned and vouched):
        return level
    return Level.REALITY_BOUND if checked else Level.VOUCHED
