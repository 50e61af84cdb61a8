"""Levels: how much is known of one artifact's origin (SPEC §12). A fact about one record; it does not pass to others."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from ledger.proofs.facts import Node, Presence

_ANCHORED_ROLES: Final = frozenset({"human", "pair"})


class Level(IntEnum):
    """Each includes the one below. VOUCHED and REALITY_BOUND are reserved: nothing yields them yet."""

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

    One that its maker disowned, and nobody rescued, is logged and no more: nobody answers for it.
    """
    if node.presence is Presence.DISOWNED:
        return Level.LOGGED
    if node.presence is not Presence.STANDS:
        return Level.UNLOGGED
    if node.stance != "made" or node.role not in _ANCHORED_ROLES:
        return Level.LOGGED
    return Level.ANCHORED
