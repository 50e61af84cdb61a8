"""What a written log means, by both folds; and the ledger's state behind it."""

from __future__ import annotations

from ledger.fold.state import FoldState
from ledger.fold.transition import fold
from tests.cases.logs import Script
from tests.cases.replay import Outcome, by_ledger, by_naive, clocks, fold_numbers


def told(script: Script, *, tick: int = 1_000) -> Outcome:
    """Closes a log with a state, `tick` ms after the one before; both folds must tell the same of it."""
    script.state(tick=tick)
    found = by_ledger(script.log, script.entries, script.records)
    assert found == by_naive(script.log, script.entries, script.records)
    return found


def state_of(script: Script, size: int | None = None) -> FoldState:
    """The state behind the first `size` entries (behind all), whatever they are, by the clocks of the whole log."""
    state = FoldState(script.log)
    closings = zip(clocks(script.log, script.entries), fold_numbers(script.log, script.entries), strict=True)
    steps = zip(script.entries[:size], closings, strict=False)
    for index, (data, (clock, number)) in enumerate(steps):
        fold(state, index, data, clock, fold_number=number)
    return state
