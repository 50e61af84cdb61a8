"""Segments: the entries up to a well-formed `state`, which gives them their clock and fold number (SPEC §9.5, §9.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from ledger.errors import RefusedInput
from ledger.fold.transition import open_entry

_BARE_ENTRY: Final = 0x91  # the first byte of an array of one, as only a `state` may be (SPEC §8.1)


class Closing(NamedTuple):
    """The `state` that closes a segment: where it stands, its time (ms), its fold number."""

    log_index: int
    time_ms: int
    fold_number: int


def closing_state(entry_at: Callable[[int], bytes], log: bytes, start: int, stop: int) -> Closing | None:
    """The first well-formed `state` in [start, stop); None if there is none. Raises what `entry_at` raises."""
    for log_index in range(start, stop):
        data = entry_at(log_index)
        if data[0] == _BARE_ENTRY:
            try:
                body = open_entry(data, log).statement.body
            except RefusedInput:
                continue
            return Closing(log_index, body["time"], body["fold"])
    return None
