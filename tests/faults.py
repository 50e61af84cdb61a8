"""A store whose commits fail as planned, in the two ways a medium fails: lost, or written but reported as failed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from enum import StrEnum
from itertools import product

from ledger.errors import StoreFault
from ledger.store.contract import Batch, Snapshot, Store, poisoned


class Fault(StrEnum):
    """What becomes of a commit that is reported as failed."""

    LOST = "lost"
    PERSISTED = "persisted"


class FaultyStore:
    """`inner`, whose n-th commit (from 1, counted over reopenings) fails as `plan[n]` says.

    A failed commit poisons the store until `reopen`, as the contract asks; a commit refused for poison is not
    counted.
    """

    def __init__(self, inner: Store, plan: Mapping[int, Fault]) -> None:
        self.inner = inner
        self.plan = dict(plan)
        self.commits = 0
        self._poisoned = False

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        return self.inner.snapshot()

    def commit(self, batch: Batch, expected_head: bytes, new_head: bytes) -> None:
        if self._poisoned:
            raise poisoned("faulty store")
        self.commits += 1
        fault = self.plan.get(self.commits)
        if fault is not Fault.LOST:
            self.inner.commit(batch, expected_head, new_head)
        if fault is not None:
            self._poisoned = True
            raise StoreFault("store-failed", f"commit {self.commits}", f"planned fault: {fault}", "reopen")

    def reopen(self) -> None:
        self.inner.reopen()
        self._poisoned = False

    def close(self) -> None:
        self.inner.close()


def fault_pairs(first: int) -> list[dict[int, Fault]]:
    """The four plans in which commits `first` and `first` + 1 both fail: one fault alone is easily survived."""
    return [{first: one, first + 1: other} for one, other in product(Fault, repeat=2)]
