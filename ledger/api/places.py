"""Places in a log: its clock at an index, and the index at a time (SPEC §9.5). For showing, not for proving."""

from __future__ import annotations

from bisect import bisect_left

from ledger.errors import StoreFault
from ledger.fold.segments import closing_state
from ledger.log.view import LogView


class Clock:
    """The log's clock at an index, in ms: the time of the first state at or behind it. Cheapest if asked in order."""

    def __init__(self, view: LogView) -> None:
        self._view = view
        self._segment = range(0)
        self._time_ms = 0

    def at(self, log_index: int) -> int:
        """The clock (ms) at a log index below the checkpoint's size."""
        if log_index not in self._segment:
            view = self._view
            closing = closing_state(view.entry, view.log_id, log_index, view.checkpoint.size)
            if closing is None:
                raise StoreFault(
                    "ledger-damaged",
                    f"entry {log_index}",
                    "no state closes its commit",
                    "Run `lineage audit`.",
                )
            self._segment = range(log_index, closing.log_index + 1)
            self._time_ms = closing.time_ms
        return self._time_ms


def first_index_since(view: LogView, time_ms: int) -> int:
    """The first log index whose clock is at or after a time; the checkpoint's size if there is none."""
    return bisect_left(range(view.checkpoint.size), time_ms, key=Clock(view).at)
