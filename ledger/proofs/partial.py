"""The fold over some entries of a log, by who does not have the others (SPEC §9.2, last paragraph; §11.1).

A stranger runs the log's own transition function over the entries at hand, in log order, in a state that knows only
them. What an entry needs of the rest of the log is granted by the operator's word: that its lane led up to it, and
that its pair had records left. What the entries at hand contradict is not granted: a statement that stands behind a
later one of its lane is as broken here as in the log.
"""

from __future__ import annotations

from ledger.fold.objects import Lane
from ledger.fold.state import FoldState
from ledger.fold.transition import advance, judge
from ledger.statements import words
from ledger.statements.entry import Entry
from ledger.statements.statement import Statement

CLOCK_UNKNOWN_MS = -1  # before every time, so that no delegation has ended by it


def judge_partially(state: FoldState, log_index: int, entry: Entry, clock_ms: int = CLOCK_UNKNOWN_MS) -> None:
    """Raises the LineageError that makes a well-formed entry faulty, as far as `state` knows the log before it."""
    if entry.statement.type in words.TYPES_ORDINARY:
        _grant_lane(state, entry.statement)
    judge(state, log_index, entry, clock_ms)


def take(state: FoldState, log_index: int, entry: Entry, clock_ms: int = CLOCK_UNKNOWN_MS) -> None:
    """Judges an entry and takes its effect into `state`. Raises as `judge_partially` does, and changes nothing then."""
    judge_partially(state, log_index, entry, clock_ms)
    advance(state, log_index, entry, clock_ms, in_order=True)


def _grant_lane(state: FoldState, statement: Statement) -> None:
    lane = state.lane(statement.by, statement.key, statement.lane)
    if statement.prev is not None and (lane is None or statement.seq > lane.next_seq):
        state.put_lane(statement.by, statement.key, statement.lane, Lane(statement.seq, statement.prev))
