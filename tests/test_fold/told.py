"""What a written log means, by both folds; and the ledger's state behind it."""

from __future__ import annotations

from typing import Any

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


def asked(state: FoldState, key: bytes) -> Any:
    """What a state says of what is kept at `key`, by the ways that a fold asks."""
    one, other = key[1:33], key[33:]
    match key[:1]:
        case b"h":
            return state.header
        case b"i":
            return state.identity(one)
        case b"k" | b"d":
            identity = state.identity(key[1:-8])
            if identity is None:
                return []
            return state.key_events(identity) if key[:1] == b"k" else state.delegations(identity)
        case b"p":
            return state.revealed(one, other)
        case b"u":
            return state.cut(one, key[33:65], int.from_bytes(key[65:], "big"))
        case b"q":
            return state.revealed_keyset(one, other)
        case b"l":
            return state.lane(one, key[33:65], key[65:])
        case b"e":
            return state.endorsement(one, other)
        case b"f":
            return list(state.endorsements(one, key[33:65]))
        case b"c":
            return state.contested(one)
        case b"o":
            return state.hold(one)
        case b"x":
            return state.is_faulty(int.from_bytes(key[1:], "big"))
        case _:
            return state.topic_entries(one)
