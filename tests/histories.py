"""Histories of one log, told by its key: signed checkpoints and consistency proofs from the definitions. For tests only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ledger.proofs.checkpoint import Checkpoint
from tests import reference
from tests.test_proofs.witnesses import LOG, ORIGIN, note

VKEY = LOG
SIZE = 40  # entries of each history


@dataclass(frozen=True)
class History:
    """What one log told somebody: leaves that differ from another history's from `fork` on."""

    name: str = "honest"
    fork: int = SIZE

    @property
    def leaves(self) -> list[bytes]:
        return [b"%d" % n if n < self.fork else f"{n} {self.name}".encode() for n in range(SIZE)]

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(ORIGIN, size, reference.mth(self.leaves[:size]))

    def note(self, size: int, *lines: str) -> bytes:
        return note(*lines, checkpoint=self.checkpoint(size)).encode()

    def prove(self, size: int) -> Callable[[int], list[bytes]]:
        return lambda old: reference.proof(old, self.leaves[:size])


HONEST = History()
FORKED = History("forked", 12)  # the first 12 entries are the honest ones
