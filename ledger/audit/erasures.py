"""Erasures: which records may be held erased (SPEC §8.2).

An `erase` of a whole artifact allows it once 604,800 s of the log's clock have gone by since its notice without its signer losing
the right to say it: the statement was not disowned, and who could say it only because the rules listed him stayed listed.
What comes later does not unmake an erasure. Clocks never decrease, so the notices fall due in the order of the log.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from ledger.fold.authority import is_listed
from ledger.fold.disowning import signers_of
from ledger.fold.state import FoldState
from ledger.fold.subjects import FindSubject, answerable_for
from ledger.spec import ERASE_WAIT_S
from ledger.statements.entry import Entry


class _Notice(NamedTuple):
    due_ms: int
    artifact_id: bytes
    by: bytes
    log_index: int
    signed_by: tuple[bytes, ...]
    needs_listing: bool


class Erasures:
    """Takes the notices and rules of a log in order; `allowed` are the artifacts whose records may be erased by now."""

    def __init__(self) -> None:
        self.allowed: set[bytes] = set()
        self._waiting: deque[_Notice] = deque()

    def take(
        self,
        state: FoldState,
        log_index: int,
        entry: Entry,
        clock_ms: int,
        at_fault: set[int | None],
        find: FindSubject,
    ) -> None:
        """An entry in order, which `state` has taken; `at_fault`: the places of its subjects that are at fault."""
        statement = entry.statement
        if statement.type == "rules":
            self._waiting = deque(
                item for item in self._waiting if not item.needs_listing or is_listed(state, item.by)
            )
        if statement.type != "notice" or statement.body["act"] != "erase":
            return
        signed_by = signers_of(state, log_index, entry)
        due_ms = clock_ms + ERASE_WAIT_S * 1_000
        for position, subject in enumerate(statement.body["subjects"]):
            found = find(subject[0])
            if len(subject) == 1 and position not in at_fault and found is not None:
                needs_listing = answerable_for(state, found.maker) != statement.by
                self._waiting.append(
                    _Notice(due_ms, subject[0], statement.by, log_index, signed_by, needs_listing)
                )

    def settle(self, state: FoldState, clock_ms: int) -> None:
        """What is due where the log's clock becomes `clock_ms`; `state` as of before."""
        while self._waiting and self._waiting[0].due_ms <= clock_ms:
            item = self._waiting.popleft()
            if not state.is_disowned(item.by, item.log_index, item.signed_by, clock_ms):
                self.allowed.add(item.artifact_id)
