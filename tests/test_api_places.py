"""Places of a log for showing: its clock, and the index at a time (SPEC §9.5)."""

from __future__ import annotations

from ledger.api.places import Clock, first_index_since
from ledger.log.view import open_view
from tests.dishonest import DishonestLog
from tests.world import World


def test_the_clock_is_told_over_entries_that_are_not_well_formed() -> None:
    """An operator without scruples may put anything between an entry and its state."""
    world = World()
    log = DishonestLog.over(world)
    first = log.append(b"\xc1 no entry at all")
    log.append(b"\x91\xc4\x01x")
    time_ms = log.time_ms
    log.close_with_state()
    with open_view(world.store, world.vkey) as view:
        assert Clock(view).at(first) == time_ms
        assert first_index_since(view, time_ms) == first
        assert first_index_since(view, time_ms + 1) == view.checkpoint.size
